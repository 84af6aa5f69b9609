"""`fedcoop peer propose, accept, reject, end, agreements`, where there is nobody on the other side.

With somebody there: tests/e2e/test_agreements.py.
"""

from __future__ import annotations

import pytest

from fedcoop.cli.instances import LocalInstance
from tests.cli.conftest import Run

NOBODY = "https://nobody.example"


@pytest.mark.parametrize("verb", ["accept", "reject", "end"])
def test_where_nothing_was_proposed_there_is_nothing_to_answer(
    run: Run, instance: LocalInstance, verb: str
) -> None:
    done = run("peer", verb, instance.folder, NOBODY, "--json", *(["--yes"] if verb == "end" else []))
    assert done.status == 1
    assert done.json["error"]["code"] == "not-found"


def test_no_agreement_is_said_in_both_languages(run: Run, instance: LocalInstance) -> None:
    assert run("peer", "agreements", instance.folder, "--json").json == {"ok": True, "agreements": []}
    assert "None yet" in run("peer", "agreements", instance.folder).out
    assert "Aucun encore" in run("--lang", "fr", "peer", "agreements", instance.folder).out


def test_a_scope_that_is_none_is_a_wrong_use(run: Run, instance: LocalInstance) -> None:
    done = run("peer", "propose", instance.folder, NOBODY, "--scope", "everything")
    assert done.status == 2
    assert "missions" in done.err
