"""What an operator reads of a peer: its state and who decided it, its health, its circuit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest

from fedcoop.flow.peering import Dossier
from fedcoop.flow.tracking import PeerHealth
from fedcoop.ports import Health, Peer, PeerAnswer, Stranger
from fedcoop.protocol.circuit import Circuit
from fedcoop.protocol.policy import PeerState
from fedcoop.web.pages_peers import PEER_TONES, PeerCard, card, peer_state_name
from fedcoop.web.pages_text import words
from fedcoop.web.pages_views import Views
from tests.conftest import NOON
from tests.web.conftest import INSTANCE

B = "https://coop-b.example"
LATER = NOON + timedelta(minutes=5)
PEER = Peer(B, "blocked", False, "note", NOON, "reason", "Inès")
HEALTH = Health(B, NOON, NOON, 0, None, None, (0.2, 1.5))
CIRCUIT = Circuit(6, NOON, 1, LATER, NOON)


def shown(dossier: Dossier | None, health: PeerHealth | None, language: str = "en") -> PeerCard:
    return card(Views(words(language), INSTANCE, NOON), B, dossier, health, {B: "Coop B"})


def a_dossier(**changed: Any) -> Dossier:
    return replace(Dossier(B, PEER, (), None, None), **changed)


def a_health(circuit: Circuit | None, state: Any, **changed: Any) -> PeerHealth:
    return PeerHealth("Coop B", replace(HEALTH, circuit=circuit, **changed), state, 0.2, 1.5)


def test_a_decision_is_shown_with_who_when_and_why():
    one = shown(a_dossier(), None)
    assert one.state is not None
    assert (one.name, one.state.name, one.reason, one.note) == ("Coop B", "blocked", "reason", "note")
    assert one.decided == "Decided on 22 Nov 2026 at 13:00 by Inès."
    assert (
        shown(a_dossier(peer=replace(PEER, decided_by="")), None).decided
        == "Decided on 22 Nov 2026 at 13:00."
    )


def test_a_stranger_is_shown_as_one():
    knocked = Stranger(B, NOON, NOON, 3)
    one = shown(a_dossier(peer=None, knocked=knocked), None)
    assert one.state is None
    assert (
        one.decided == "Knocked 3 times, last on 22 Nov 2026 at 13:00; nobody has decided anything about it."
    )
    assert shown(None, None).decided == "Nobody has decided anything about it."
    assert one.lines == ("Nothing was ever sent there, nor heard from there.",)


def test_what_a_peer_said_of_us_is_named_and_quoted():
    one = shown(a_dossier(answer=PeerAnswer(B, "frozen", "so\u202e", NOON)), None)
    assert one.answered == "It refused us on 22 Nov 2026 at 13:00: “Co-operative frozen”."
    assert one.answered_why == "so"


def test_a_server_that_answers_says_how_fast():
    one = shown(None, a_health(None, "closed"))
    assert (one.answers, one.circuit) == ("Yes.", None)
    assert "Half of its deliveries arrived within 0.2 s, 95% within 1.5 s." in one.lines
    assert (
        "La moitié de ses remises en 0,2 s, 95\xa0% en 1,5 s."
        in shown(None, a_health(None, "closed"), "fr").lines
    )


@pytest.mark.parametrize(
    ("circuit", "state", "name", "says"),
    [
        (replace(CIRCUIT, open_until=None), "closed", "does not answer", ""),
        (CIRCUIT, "open", "left alone for now", " It is asked again on 22 Nov 2026 at 13:05."),
        (CIRCUIT, "half-open", "being tried again", " The next message is a probe."),
        (CIRCUIT, "unavailable", "gone for days", " It is asked again on 22 Nov 2026 at 13:05."),
    ],
)
def test_a_server_that_does_not_answer_says_since_when_and_what_happens_next(
    circuit: Circuit, state: str, name: str, says: str
):
    one = shown(None, a_health(circuit, state, owed=2, oldest_owed=NOON))
    assert one.circuit is not None
    assert one.circuit.name == name
    assert one.answers == f"6 tries in a row without an answer since 22 Nov 2026, 13:00.{says}"
    assert "2 messages wait, the oldest since 22 Nov 2026, 13:00." in one.lines
    assert one.owed == 2


def test_every_state_of_a_peer_has_a_name_and_a_colour():
    for state in get_args(PeerState):
        assert peer_state_name(words("fr"), state) != peer_state_name(words("en"), state)
        assert PEER_TONES[state]
