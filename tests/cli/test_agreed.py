"""How a federation agreement is shown."""

from __future__ import annotations

from fedcoop.cli.agreed import described, line_of
from tests.protocol.test_agreements import NAME, PROPOSER, RESPONDER, a_chain


def test_an_agreement_says_who_when_and_until_when() -> None:
    shown = described(a_chain("ending"))
    assert (shown["id"], shown["state"], shown["proposedBy"]) == (NAME, "ending", PROPOSER)
    assert shown["parties"] == sorted([PROPOSER, RESPONDER])
    assert shown["endsAt"] > shown["since"]
    assert described(a_chain("active"))["endsAt"] is None


def test_its_line_names_state_and_end() -> None:
    line = line_of(a_chain("ending"))
    assert "ending since " in line
    assert ", until " in line
    assert line.endswith(NAME)
    assert "until" not in line_of(a_chain("active"))
