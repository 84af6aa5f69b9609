"""The table of peer states: what each lets pass, and what each kind of message does."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest

from fedcoop.protocol.messages import Chain
from fedcoop.protocol.model import LIFECYCLES
from fedcoop.protocol.policy import (
    AFTER_AN_AGREEMENT,
    EVERYTHING,
    OVER,
    RUNNING,
    STEPS_DOWN,
    TABLE,
    Deed,
    PeerState,
    admitted,
    deed_of,
    loses,
    passes,
    runs_with,
)
from fedcoop.protocol.shape import read_activity

THEM = "https://them.example"
ENGAGED = {"proposer": "https://us.example/actors/coop", "responder": f"{THEM}/actors/awa"}


def a_chain(kind: str, state: str, parties: dict[str, str] | None = None) -> Chain:
    return Chain(
        id="https://us.example/missions/1",
        kind=kind,  # type: ignore[arg-type]
        owner="https://us.example/actors/coop",
        state=state,
        version=1,
        digest="z",
        document={},
        parties=parties or {},
        proposal=None,
        memory={},
    )


def an_activity(kind: str, obj: Any = "https://them.example/x/1") -> Any:
    return read_activity(
        {"id": f"{THEM}/activities/1", "type": kind, "actor": f"{THEM}/actors/awa", "object": obj}, b""
    )


def test_every_state_has_its_row_and_its_place():
    assert set(TABLE) == set(get_args(PeerState)) == set(STEPS_DOWN)
    assert set(get_args(Deed)) == EVERYTHING


def test_going_down_never_gives_anything():
    for higher, lower in itertools.pairwise(STEPS_DOWN):
        if lower == "pending":
            continue
        assert TABLE[lower].deeds <= TABLE[higher].deeds
        assert TABLE[lower].board <= TABLE[higher].board
        assert TABLE[lower].network <= TABLE[higher].network
        assert loses(higher, lower)
        assert not loses(lower, higher)


def test_whom_nobody_decided_about_is_as_a_pending_one():
    for deed in EVERYTHING:
        assert passes(None, deed) == passes("pending", deed) == (deed == "agrees")
    assert not loses(None, "blocked")
    assert not loses("pending", "blocked")


@pytest.mark.parametrize("state", TABLE)
def test_with_whom_somebody_decided_to_work_more_than_an_agreement_is_said(state: PeerState):
    assert admitted(state) == (state in ("allowed", "limited", "frozen"))
    assert passes(state, "agrees") == (state != "blocked")


def test_after_an_agreement_what_is_under_way_goes_on_and_nothing_begins():
    assert TABLE[AFTER_AN_AGREEMENT].deeds == {"goes-on", "ends", "agrees"}
    assert loses("allowed", AFTER_AN_AGREEMENT)


@pytest.mark.parametrize(
    ("kind", "obj", "chain", "expected"),
    [
        ("Follow", f"{THEM}/actors/coop", None, "begins"),
        ("Create", {"type": "Mission"}, None, "begins"),
        ("Offer", {"type": "Agreement"}, None, "begins"),
        ("Announce", "https://x.example/1", None, "begins"),
        ("Accept", "https://us.example/activities/follow", None, "begins"),
        ("Accept", "x", a_chain("Engagement", "proposed", ENGAGED), "begins"),
        ("TentativeAccept", "x", a_chain("Engagement", "proposed", ENGAGED), "begins"),
        ("Create", {"type": "WorkRecord"}, a_chain("Engagement", "accepted", ENGAGED), "goes-on"),
        ("Accept", "x", a_chain("Engagement", "delivered", ENGAGED), "goes-on"),
        ("Create", {"type": "Receipt"}, a_chain("Engagement", "completed", ENGAGED), "goes-on"),
        ("Create", {"type": "Receipt"}, a_chain("Engagement", "settled", ENGAGED), "begins"),
        ("Update", {"id": f"{THEM}/actors/awa", "type": "Person"}, None, "goes-on"),
        (
            "Update",
            {"type": "Mission", "missionState": "published"},
            a_chain("Mission", "published"),
            "begins",
        ),
        ("Update", {"type": "Mission", "missionState": "withdrawn"}, a_chain("Mission", "published"), "ends"),
        ("Update", {"type": "Mission", "missionState": "cancelled"}, a_chain("Mission", "assigned"), "ends"),
        ("Undo", "x", None, "ends"),
        ("Reject", "x", a_chain("Engagement", "proposed", ENGAGED), "ends"),
        ("Delete", "x", a_chain("Mission", "published"), "ends"),
        ("Offer", {"type": "Document", "fedcoopType": ["FederationAgreement"]}, None, "agrees"),
        ("Create", {"type": "Document", "fedcoopType": ["FederationAgreement"]}, None, "begins"),
        ("Accept", "x", a_chain("FederationAgreement", "proposed", ENGAGED), "agrees"),
        ("Undo", "x", a_chain("FederationAgreement", "active", ENGAGED), "agrees"),
    ],
)
def test_what_a_message_does(kind: str, obj: Any, chain: Chain | None, expected: str):
    assert deed_of(an_activity(kind, obj), chain=chain, engagements=(), host=THEM) == expected


def test_a_mission_goes_on_for_the_peer_that_works_on_it_and_for_no_other():
    update = an_activity("Update", {"type": "Mission", "missionState": "started"})
    mission, engagement = a_chain("Mission", "assigned"), a_chain("Engagement", "active", ENGAGED)
    assert deed_of(update, chain=mission, engagements=[engagement], host=THEM) == "goes-on"
    assert deed_of(update, chain=mission, engagements=[engagement], host="https://else.example") == "begins"


def test_every_state_of_an_engagement_is_running_over_or_before_an_agreement():
    life = LIFECYCLES["Engagement"]
    states = {edge.source for edge in life.edges} | {edge.target for edge in life.edges}
    assert states - RUNNING - OVER == {"none", "proposed", "countered"}
    assert set(life.terminal) <= OVER
    assert all(runs_with(a_chain("Engagement", state, ENGAGED), THEM) for state in RUNNING)
