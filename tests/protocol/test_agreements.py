"""A federation agreement: every edge of its lifecycle, every other step refused, its terms, and what time does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fedcoop.errors import Conflict, FedcoopError, Forbidden, NotImplementedYet
from fedcoop.protocol.agreements import (
    DUE,
    GUARDS,
    LIVE,
    check_party_here,
    ends_at,
    kept,
    other_party,
    state_at,
)
from fedcoop.protocol.chain import Placement, reference_of, take
from fedcoop.protocol.facts import Facts
from fedcoop.protocol.guards import said_at
from fedcoop.protocol.limits import MAX_NOTICE, PROPOSAL_LIFE
from fedcoop.protocol.messages import Activity, Chain
from fedcoop.protocol.model import LIFECYCLES
from fedcoop.protocol.policy import AGREEMENT
from fedcoop.protocol.shape import PUBLIC, read_activity
from fedcoop.protocol.vocabulary import Edge
from tests.protocol.making import CARRIER, LYON, MALLORY, NANTES, OWNER, stamp
from tests.protocol.signing import NOW

ROOT = Path(__file__).resolve().parent.parent.parent
LIFE = LIFECYCLES[AGREEMENT]
NAME = f"{LYON}/agreements/1"
OFFER, ACCEPT = f"{LYON}/activities/offer", f"{NANTES}/activities/accept"
PROPOSER, RESPONDER = CARRIER, OWNER
KEYS = {
    actor: {"id": actor, "type": "Organization", "fedcoopType": ["Cooperative"]}
    for actor in (PROPOSER, RESPONDER)
}
FACTS = Facts(keys=KEYS, now=NOW)
STATES = list(dict.fromkeys(s for e in LIFE.edges for s in (e.source, e.target) if s not in LIFE.initial))


def terms(**changes: Any) -> dict[str, Any]:
    whole = {
        "id": NAME,
        "type": "Document",
        "fedcoopType": [AGREEMENT],
        "attributedTo": PROPOSER,
        "parties": [PROPOSER, RESPONDER],
        "scopes": ["missions"],
        "noticePeriod": "P30D",
        "effectiveFrom": stamp(NOW),
        "agreementState": "proposed",
        **changes,
    }
    return {k: v for k, v in whole.items() if v is not None}


def said(kind: str, actor: str, obj: Any, *, at: datetime = NOW, **members: Any) -> Activity:
    document = {
        "id": f"{actor}#said",
        "type": kind,
        "actor": actor,
        "published": stamp(at),
        "object": obj,
        **members,
    }
    return read_activity(document, b"")


def a_chain(state: str = "active", **terms_: Any) -> Chain:
    memory = {"offer": OFFER, "saidAt": NOW.isoformat()}
    if state not in ("proposed", "rejected"):
        memory["accept"] = ACCEPT
    return Chain(
        id=NAME,
        kind="FederationAgreement",
        owner=PROPOSER,
        state=state,
        version=2,
        digest="zQmHead",
        document=terms(agreementState=state, **terms_),
        parties={"proposer": PROPOSER, "responder": RESPONDER},
        memory=memory,
    )


def taken(activity: Activity, chain: Chain | None, facts: Facts = FACTS) -> Chain:
    return take(activity, chain, facts, Placement(None)).chain


def step(edge: Edge, actor: str) -> Activity:
    """Return what takes `edge`, said by `actor`."""
    if edge.activity in ("Update", "Offer"):
        return said(edge.activity, actor, terms(**dict(edge.where)), reasonCode="other")
    return said(edge.activity, actor, OFFER if edge.object_class == "Offer" else ACCEPT)


def senders(edge: Edge) -> list[str]:
    roles = {"proposer": PROPOSER, "responder": RESPONDER}
    return [roles[edge.sender]] if edge.sender in roles else [PROPOSER, RESPONDER]


# -- the lifecycle --------------------------------------------------------------------------------------------------

MESSAGES = [e for e in LIFE.edges if e.activity != "Clock"]


def name_of(edge: Edge) -> str:
    return f"{edge.source}-{edge.activity}({edge.object_class})-{edge.target}"


@pytest.mark.parametrize("edge", [e for e in MESSAGES if e.implemented], ids=name_of)
def test_every_edge_is_taken_by_whose_it_is_and_by_nobody_else(edge: Edge):
    chain = None if edge.source in LIFE.initial else a_chain(edge.source)
    for actor in senders(edge):
        after = taken(step(edge, actor), chain)
        assert after.state == after.document["agreementState"] == edge.target
        assert after.document["stateActivity"] == f"{actor}#said"
    for other in {PROPOSER, RESPONDER, MALLORY} - {*senders(edge)}:
        if chain is not None:
            with pytest.raises(Forbidden):
                taken(step(edge, other), chain)


@pytest.mark.parametrize("edge", [e for e in MESSAGES if not e.implemented], ids=name_of)
def test_what_is_of_a_later_release_is_refused_as_such(edge: Edge):
    with pytest.raises(NotImplementedYet):
        taken(step(edge, senders(edge)[0]), a_chain(edge.source))


def illegal() -> Iterator[Any]:
    events = {(e.activity, e.object_class, e.where): e for e in MESSAGES}
    for state in STATES:
        for (activity, about, where), edge in events.items():
            legal = any(
                (e.source, e.activity, e.object_class, e.where) == (state, activity, about, where)
                for e in MESSAGES
            )
            if not legal:
                yield pytest.param(state, edge, id=f"{state}-{activity}({about}){dict(where) or ''}")


@pytest.mark.parametrize(("state", "edge"), [*illegal()])
def test_every_other_step_is_refused(state: str, edge: Edge):
    for actor in (PROPOSER, RESPONDER):
        with pytest.raises(Conflict) as refusal:
            taken(step(edge, actor), a_chain(state))
        assert refusal.value.code == "illegal-transition"


def test_an_offer_begins_the_chain_of_its_agreement():
    reference = reference_of(said("Offer", PROPOSER, terms()))
    assert reference is not None
    assert (reference.kind, reference.ref, reference.begins) == (AGREEMENT, NAME, True)
    assert reference_of(said("Offer", PROPOSER, terms(id=None))) is None


@pytest.mark.parametrize(
    ("state", "kind", "target"), [("proposed", "Accept", "active"), ("active", "Undo", "ending")]
)
def test_the_agreement_s_own_name_stands_for_what_is_to_be_answered(state: str, kind: str, target: str):
    assert taken(said(kind, RESPONDER, NAME), a_chain(state)).state == target


# -- its terms ------------------------------------------------------------------------------------------------------


def test_guards_are_those_that_the_lifecycle_names_and_dates_those_of_its_clock():
    edges = [e for e in LIFE.edges if e.implemented]
    assert {g for e in edges if e.activity != "Clock" for g in e.guards} == set(GUARDS)
    assert {g for e in edges if e.activity == "Clock" for g in e.guards} == set(DUE)
    explained = json.loads((ROOT / "vocab" / "guards.json").read_text(encoding="utf-8"))["guards"]
    assert {*GUARDS, *DUE} <= set(explained)
    assert all(guard.__doc__ for guard in GUARDS.values())


SECOND = timedelta(seconds=1)
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"attributedTo": RESPONDER}, "not-owner"),
    ({"parties": [RESPONDER, f"{NANTES}/actors/other"]}, "not-owner"),
    ({"parties": [PROPOSER, RESPONDER, MALLORY]}, "not-implemented"),
    ({"parties": [PROPOSER, f"{LYON}/actors/other"]}, "guard-failed"),
    ({"parties": [PROPOSER]}, "guard-failed"),
    ({"agreementState": "active"}, "guard-failed"),
    ({"noticePeriod": f"P{MAX_NOTICE.days + 1}D"}, "guard-failed"),
    ({"noticePeriod": "soon"}, "schema-invalid"),
    ({"validUntil": stamp(NOW)}, "guard-failed"),
    ({"effectiveFrom": stamp(NOW + FACTS.ahead + SECOND)}, "not-implemented"),
    ({"effectiveFrom": None}, "not-implemented"),
]
RIGHT: list[dict[str, Any]] = [
    {},
    {"noticePeriod": f"P{MAX_NOTICE.days}D"},
    {"noticePeriod": "P0D"},
    {"validUntil": stamp(NOW + SECOND)},
    {"effectiveFrom": stamp(NOW + FACTS.ahead)},
    {"effectiveFrom": "2020-01-01T00:00:00Z"},
]


@pytest.mark.parametrize(("changes", "code"), WRONG)
def test_terms_that_cannot_be_are_refused(changes: dict[str, Any], code: str):
    with pytest.raises(FedcoopError) as refusal:
        taken(said("Offer", PROPOSER, terms(**changes)), None)
    assert refusal.value.code == code


@pytest.mark.parametrize("changes", RIGHT)
def test_their_valid_twins_are_taken(changes: dict[str, Any]):
    assert taken(said("Offer", PROPOSER, terms(**changes)), None).state == "proposed"


@pytest.mark.parametrize(
    "known", [{}, {PROPOSER: {"id": PROPOSER, "type": "Person", "fedcoopType": ["Member"]}}]
)
def test_only_a_co_op_proposes(known: dict[str, Any]):
    with pytest.raises(Forbidden) as refusal:
        taken(said("Offer", PROPOSER, terms()), None, replace(FACTS, keys=known))
    assert refusal.value.code == "wrong-party"


def test_between_two_there_is_one_agreement_and_one_proposal_of_each():
    offer = said("Offer", PROPOSER, terms(id=f"{LYON}/agreements/2"))

    def beside(*others: Chain) -> str:
        return taken(offer, None, replace(FACTS, agreements=others)).state

    theirs = replace(a_chain("proposed"), owner=RESPONDER)
    elsewhere = replace(a_chain("active"), parties={"proposer": PROPOSER, "responder": MALLORY})
    assert beside(theirs, elsewhere) == "proposed"
    for state in LIVE - {"proposed"}:
        with pytest.raises(FedcoopError):
            beside(replace(a_chain(state), owner=RESPONDER))
    with pytest.raises(FedcoopError):
        beside(a_chain("proposed"))


def test_it_is_with_our_co_op_or_not_ours_to_take():
    check_party_here(a_chain(), coop=RESPONDER)
    with pytest.raises(Forbidden):
        check_party_here(a_chain(), coop=f"{NANTES}/actors/other")


# -- time -----------------------------------------------------------------------------------------------------------

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("state", "changes", "end"),
    [
        ("proposed", {}, NOW + PROPOSAL_LIFE),
        ("proposed", {"validUntil": stamp(NOW + DAY)}, NOW + DAY),
        ("proposed", {"validUntil": stamp(NOW + 2 * PROPOSAL_LIFE)}, NOW + PROPOSAL_LIFE),
        ("active", {}, None),
        ("active", {"validUntil": stamp(NOW + DAY)}, NOW + DAY),
        ("ending", {}, NOW + 30 * DAY),
        ("ending", {"validUntil": stamp(NOW + DAY)}, NOW + DAY),
        ("ended", {"validUntil": stamp(NOW + DAY)}, None),
        ("rejected", {"validUntil": stamp(NOW + DAY)}, None),
    ],
)
def test_it_ends_by_itself(state: str, changes: dict[str, Any], end: datetime | None):
    chain = a_chain(state, **changes)
    assert ends_at(chain) == end
    if end is None:
        assert state_at(chain, NOW + 1000 * DAY) == state
    else:
        assert (state_at(chain, end - SECOND), state_at(chain, end)) == (state, "ended")


@pytest.mark.parametrize(("state", "kind"), [("proposed", "Accept"), ("active", "Undo")])
def test_what_has_run_out_is_neither_accepted_nor_ended(state: str, kind: str):
    chain = a_chain(state, validUntil=stamp(NOW + DAY))
    early, late = (said(kind, RESPONDER, NAME, at=NOW + DAY - after) for after in (SECOND, timedelta(0)))
    bare = Facts(keys=KEYS)
    assert taken(early, chain, bare).state != state
    with pytest.raises(FedcoopError) as refusal:
        taken(late, chain, bare)
    assert refusal.value.extra == {"guard": "notExpired"}
    # Where it is ordered, nobody gains by writing an earlier date.
    arrived = replace(bare, now=NOW + DAY, owner_here=True)
    with pytest.raises(FedcoopError):
        taken(early, chain, arrived)
    assert taken(early, chain, replace(arrived, owner_here=False)).state != state
    assert said_at(early.raw) < NOW + DAY


# -- what is kept ---------------------------------------------------------------------------------------------------


def test_everybody_reads_what_was_agreed_and_nobody_else_what_was_not():
    open_, closed = (kept(a_chain(state), base=LYON, now=NOW) for state in ("active", "proposed"))
    assert PUBLIC in open_.readers
    assert closed.readers == (PROPOSER, RESPONDER, f"{LYON}/actors/coop/members")
    assert (open_.local, kept(a_chain(), base=NANTES, now=NOW).local) == (True, False)


def test_what_is_kept_says_what_time_has_done():
    chain = a_chain(validUntil=stamp(NOW + DAY))
    assert kept(chain, base=LYON, now=NOW + DAY).document["agreementState"] == "ended"


def test_the_other_party_is_the_one_that_is_elsewhere():
    assert other_party(a_chain(), LYON) == RESPONDER
    assert other_party(a_chain(), NANTES) == PROPOSER
    assert other_party(a_chain(), "https://else.example") is None
