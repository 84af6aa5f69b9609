"""Answers and complaints: which stream, which form."""

from __future__ import annotations

import json

import pytest

from fedcoop.cli.answer import Failed, answer, complain


def test_an_answer_is_lines_or_one_document(capsys: pytest.CaptureFixture[str]):
    answer({"name": "Zoé"}, as_json=False, lines=["one", "two"])
    assert capsys.readouterr().out == "one\ntwo\n"
    answer({"name": "Zoé"}, as_json=True, lines=["one"])
    assert json.loads(capsys.readouterr().out) == {"name": "Zoé"}


def test_a_complaint_goes_to_standard_error_unless_it_is_json(capsys: pytest.CaptureFixture[str]):
    failure = Failed("some-code", "It broke.", next_step="Mend it.", extra={"faults": [1]})
    complain(failure, as_json=False)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "fedcoop: It broke.\n  → Mend it.\n")
    complain(failure, as_json=True)
    error = json.loads(capsys.readouterr().out)["error"]
    assert error == {"code": "some-code", "detail": "It broke.", "faults": [1], "next": "Mend it."}
