"""The engine: every edge of the vocabulary's lifecycles, every other one, and the order of a chain."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fedcoop.errors import Conflict, Forbidden, Invalid, Malformed, NotImplementedYet, Unavailable
from fedcoop.protocol import chain as chains
from fedcoop.protocol.chain import Placement, place, proposal_of, proposer_of, reference_of, refold, take
from fedcoop.protocol.digest import chain_digest
from fedcoop.protocol.facts import Facts
from fedcoop.protocol.messages import Activity, Chain
from fedcoop.protocol.model import LIFECYCLES
from fedcoop.protocol.vocabulary import Edge
from tests.protocol.making import (
    ACCEPTED,
    AWA,
    CARRIER,
    DIGEST,
    ENGAGEMENT,
    LYON,
    MALLORY,
    MISSION,
    NANTES,
    OFFERED,
    OWNER,
    PARTIES,
    RECORD,
    a_chain,
    a_mission,
    a_payment,
    a_record,
    a_service,
    an_activity,
    an_agreement,
    an_engagement,
    an_invoice,
    before,
    facts_for,
    following,
    keys_of,
    links_of,
    stamp,
    step_of,
    taken,
    with_,
)
from tests.protocol.signing import NOW

KINDS = ("Mission", "Listing", "Engagement")
FLAG = {"id": f"{LYON}/activities/flag", "type": "Flag"}


def edges(*, implemented: bool) -> Iterator[Any]:
    for kind in KINDS:
        for edge in LIFECYCLES[kind].edges:
            if edge.implemented is implemented:
                named = f"{edge.source}-{edge.activity}({edge.object_class})-{edge.target}"
                yield pytest.param(kind, edge, id=f"{kind}-{named}")


def first(edge: Edge) -> dict[str, Any]:
    """Return the chain fields of a first activity, when that is what the edge is."""
    begins = edge.source in ("draft", "none")
    return {"stateVersion": 1, "previousDigest": None} if begins else {}


def step(kind: str, edge: Edge, state: str | None = None, **changes: Any) -> tuple[Activity, Chain | None]:
    """Return the step of `edge`, and the chain (in `state`) that it is taken from."""
    chain = before(edge, kind, state)
    model = chain or a_chain(kind, edge.source)
    return step_of(edge, model, **{**(first(edge) if chain is None else {}), **changes}), chain


# -- every edge -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "edge"), [*edges(implemented=True)])
def test_a_legal_edge_is_taken(kind: str, edge: Edge):
    activity, chain = step(kind, edge)
    result = taken(activity, chain, facts_for(edge))
    assert (result.chain.state, result.edge) == (edge.target, edge)
    assert result.chain.version == (chain.version + 1 if chain else 1)
    assert result.chain.digest == chain_digest(activity.raw)
    assert result.chain.owner == OWNER


def events(kind: str) -> list[Edge]:
    """Return one edge for each way in which a chain of this kind can be spoken to."""
    key = lambda e: (e.activity, e.object_class, e.where)  # noqa: E731
    found = sorted((e for e in LIFECYCLES[kind].edges if e.implemented), key=key)
    return [next(group) for _, group in itertools.groupby(found, key=key)]


def illegal() -> Iterator[Any]:
    for kind in KINDS:
        life = LIFECYCLES[kind]
        states = dict.fromkeys(s for e in life.edges for s in (e.source, e.target))
        for state, event in itertools.product(states, events(kind)):
            same = [
                e
                for e in life.edges
                if (e.source, e.activity, e.object_class, e.where)
                == (state, event.activity, event.object_class, event.where)
            ]
            if state not in life.initial and not same:
                name = f"{kind}-{state}-{event.activity}({event.object_class}){dict(event.where) or ''}"
                yield pytest.param(kind, state, event, id=name)


@pytest.mark.parametrize(("kind", "state", "event"), [*illegal()])
def test_every_other_edge_is_refused(kind: str, state: str, event: Edge):
    activity, chain = step(kind, event, state)
    with pytest.raises(Conflict) as refusal:
        taken(activity, chain, facts_for(event))
    assert refusal.value.code == "illegal-transition"
    assert state in refusal.value.detail


def test_every_state_has_an_edge_that_is_refused():
    refused = {(p.values[0], p.values[1]) for p in illegal()}
    for kind in ("Mission", "Engagement"):
        states = {s for e in LIFECYCLES[kind].edges for s in (e.source, e.target)}
        assert {s for k, s in refused if k == kind} == states - set(LIFECYCLES[kind].initial)


@pytest.mark.parametrize(("kind", "edge"), [*edges(implemented=False)])
def test_an_edge_of_a_later_release_is_refused_as_such(kind: str, edge: Edge):
    activity, chain = step(kind, edge, actor=OWNER)
    if edge.object_class == "Flag":
        # Nothing leads to `disputed` yet, and nothing remembers a Flag: it is not even recognised.
        with pytest.raises(Conflict) as unknown:
            taken(activity, chain, facts_for(edge))
        assert unknown.value.code == "illegal-transition"
        return
    with pytest.raises(NotImplementedYet) as refusal:
        taken(activity, chain, facts_for(edge))
    assert refusal.value.code == "not-implemented"


def roles() -> Iterator[Any]:
    for kind in KINDS:
        for edge in LIFECYCLES[kind].edges:
            if not edge.implemented or edge.source in LIFECYCLES[kind].initial or kind != "Engagement":
                continue
            holder = CARRIER if edge.sender == "invoicer" else PARTIES[edge.sender]
            # Some edges are another party's as well: who may undo an Offer may not undo an Accept.
            for other in sorted({*PARTIES.values()} - {holder}):
                yield pytest.param(kind, edge, other, id=f"{edge.source}-{edge.activity}-{other}")


@pytest.mark.parametrize(("kind", "edge", "actor"), [*roles()])
def test_an_edge_is_its_own_roles_only(kind: str, edge: Edge, actor: str):
    activity, chain = step(kind, edge, actor=actor)
    with pytest.raises(Forbidden) as refusal:
        taken(activity, chain, facts_for(edge))
    assert refusal.value.code == "wrong-party"
    assert refusal.value.received == actor


@pytest.mark.parametrize(("kind", "edge"), [*edges(implemented=True)])
def test_a_stranger_takes_no_edge_and_learns_no_state(kind: str, edge: Edge):
    chain = before(edge, kind)
    if chain is None:
        return
    activity, _ = step(kind, edge, actor=MALLORY)
    with pytest.raises(Forbidden) as refusal:
        taken(activity, chain, facts_for(edge))
    assert refusal.value.code == "wrong-party"
    assert chain.state not in refusal.value.detail


@pytest.mark.parametrize("state", ["proposed", "settled"])
def test_a_stranger_is_told_the_same_whatever_the_state(state: str):
    chain = a_chain("Engagement", state)
    with pytest.raises(Forbidden) as refusal:
        taken(following(chain, "Accept", MALLORY, OFFERED), chain, Facts())
    assert refusal.value.detail == "Only a party to it may do this."


def test_a_worker_whom_nobody_carries_sends_the_invoice():
    edge = next(e for e in LIFECYCLES["Engagement"].edges if e.sender == "invoicer")
    alone = with_(
        a_chain("Engagement", "completed"), parties={k: v for k, v in PARTIES.items() if k != "carrier"}
    )
    invoice = an_invoice(attributedTo=AWA)
    assert taken(following(alone, "Create", AWA, invoice), alone, facts_for(edge)).chain.state == "completed"
    carried = a_chain("Engagement", "completed")
    with pytest.raises(Forbidden):
        taken(following(carried, "Create", AWA, invoice), carried, facts_for(edge))


def test_owner_guards_are_asked_where_the_owner_is_and_nowhere_else():
    chain = a_chain("Engagement", "proposed")
    accept = following(chain, "Accept", OWNER, OFFERED, result=an_agreement())
    assert taken(accept, chain, Facts(keys=keys_of(CARRIER))).chain.state == "accepted"
    with pytest.raises(Conflict) as refusal:
        taken(accept, chain, Facts(keys=keys_of(CARRIER), owner_here=True))
    assert refusal.value.code == "proposal-closed"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("slotFilled", "slot-filled"),
        ("missionWithdrawn", "proposal-closed"),
        ("other", "illegal-transition"),
        (None, "illegal-transition"),
    ],
)
def test_whoever_accepts_a_moment_too_late_is_told_why(reason: str | None, code: str):
    chain = a_chain("Engagement", "rejected", memory={"rejected": reason})
    with pytest.raises(Conflict) as refusal:
        taken(following(chain, "Accept", OWNER, OFFERED, result=an_agreement()), chain, Facts())
    assert refusal.value.code == code
    with pytest.raises(Conflict) as other:
        taken(following(chain, "Undo", AWA, OFFERED), chain, Facts())
    assert other.value.code == "illegal-transition"


def test_the_reason_of_a_refusal_is_remembered():
    chain = a_chain("Engagement", "proposed")
    rejected = taken(
        following(chain, "Reject", OWNER, OFFERED, reasonCode="slotFilled"), chain, Facts()
    ).chain
    assert rejected.memory["rejected"] == "slotFilled"


# -- what an activity points at -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "state"), [(OFFERED, "rejected"), (ACCEPTED, None), (f"{LYON}/activities/older", None)]
)
def test_an_answer_is_to_the_last_offer(target: str, state: str | None):
    chain = a_chain("Engagement", "proposed")
    reject = following(chain, "Reject", OWNER, target, reasonCode="other")
    if state is None:
        with pytest.raises(Conflict):
            taken(reject, chain, Facts())
    else:
        assert taken(reject, chain, Facts()).chain.state == state


@pytest.mark.parametrize("target", [ACCEPTED, ENGAGEMENT])
def test_an_accept_is_undone_by_its_id_or_the_agreements(target: str):
    chain = a_chain("Engagement", "active")
    compensation = {"type": "MonetaryAmount", "value": "1.00", "currency": "EUR"}
    undo = following(chain, "Undo", OWNER, target, reasonCode="other", compensation=compensation)
    assert taken(undo, chain, Facts()).chain.state == "terminated"


@pytest.mark.parametrize("target", [RECORD, f"{LYON}/activities/record"])
def test_a_record_is_answered_by_its_id_or_its_activitys(target: str):
    chain = a_chain("Engagement", "delivered")
    reject = following(chain, "Reject", OWNER, target, reasonCode="qualityDispute")
    assert taken(reject, chain, Facts()).chain.state == "active"


@pytest.mark.parametrize("kind", ["Update", "Delete"])
def test_a_proposal_is_changed_by_its_own_id_and_by_no_other_that_finds_it(kind: str):
    chain, other = a_chain("Mission", "published"), f"{NANTES}/activities/create"
    obj: Any = other if kind == "Delete" else a_mission(id=other, missionState="withdrawn")
    with pytest.raises(Conflict) as refusal:
        taken(following(chain, kind, OWNER, obj), chain, Facts())
    assert refusal.value.code == "illegal-transition"


def test_a_record_does_not_move_a_mission():
    chain = a_chain("Mission", "assigned")
    with pytest.raises(Conflict):
        taken(following(chain, "Create", OWNER, a_record()), chain, Facts())


# -- the order of a chain -------------------------------------------------------------------------------------------


def at(version: int | None, previous: str | None, actor: str = AWA) -> Activity:
    return an_activity("Undo", actor, OFFERED, stateVersion=version, previousDigest=previous)


def headed(version: int, *, digest: str | None = None) -> Chain:
    return a_chain("Engagement", "proposed", version=version, digest=digest or f"d{version}")


def test_the_first_of_a_chain_follows_nothing():
    assert place(None, (), at(1, None)) == Placement(None)
    assert place(None, (), at(None, None)) == Placement(None)


def test_the_next_of_a_chain_names_the_head_and_counts_on():
    assert place(headed(2), links_of(True, True), at(3, "d2")) == Placement(None)


@pytest.mark.parametrize(
    ("version", "previous"),
    [(0, None), (-1, "d1"), (1, "d1"), (2, None), (True, None), ("2", "d1"), (2.0, None)],
)
def test_a_step_that_does_not_say_where_it_stands_is_malformed(version: Any, previous: str | None):
    with pytest.raises(Malformed) as refusal:
        place(headed(1), links_of(True), at(version, previous))
    assert refusal.value.code == "malformed-activity"


@pytest.mark.parametrize("version", [2, 7])
def test_a_successor_of_nothing_that_is_here_may_still_be_right(version: int):
    with pytest.raises(Unavailable) as later:
        place(None, (), at(version, "d9"))
    assert (later.value.code, later.value.retry_after) == ("predecessor-unknown", 5)


def test_a_successor_of_what_has_not_arrived_is_for_later():
    with pytest.raises(Unavailable) as later:
        place(headed(2), links_of(True, True), at(5, "d4"))
    assert later.value.code == "predecessor-unknown"


def test_a_predecessor_that_may_yet_displace_the_tail_is_waited_for():
    with pytest.raises(Unavailable):
        place(headed(3), links_of(True, True, False), at(4, "d3-of-the-owner"))


def test_a_predecessor_whose_place_is_taken_for_good_never_comes():
    with pytest.raises(Conflict) as refusal:
        place(headed(3), links_of(True, True, True), at(4, "d3-of-somebody"))
    assert refusal.value.code == "stale"
    assert refusal.value.extra["head"] == {"digest": "d3", "stateVersion": 3, "state": "proposed"}


@pytest.mark.parametrize("actor", [AWA, CARRIER, OWNER])
def test_another_successor_of_a_final_link_is_stale(actor: str):
    with pytest.raises(Conflict) as refusal:
        place(headed(3), links_of(True, True, True), at(3, "d2", actor))
    assert refusal.value.code == "stale"


def test_the_owner_displaces_what_nobody_has_confirmed():
    assert place(headed(4), links_of(True, True, False, False), at(3, "d2", OWNER)) == Placement(3)


def test_nobody_else_displaces_anything():
    with pytest.raises(Conflict):
        place(headed(3), links_of(True, True, False), at(3, "d2", AWA))


def test_a_tail_with_a_final_link_in_it_stays():
    with pytest.raises(Conflict):
        place(headed(4), links_of(True, True, False, True), at(3, "d2", OWNER))


def test_a_plain_answer_follows_the_offer_that_it_names():
    plain = an_activity(
        "Accept", OWNER, f"{LYON}/activities/2", **{"@context": ["https://www.w3.org/ns/activitystreams"]}
    )
    assert place(headed(2), links_of(True, False), plain) == Placement(None)
    ours = an_activity("Accept", OWNER, f"{LYON}/activities/2")
    with pytest.raises(Conflict):
        place(headed(2), links_of(True, False), ours)
    unknown = replace(plain, object_id=f"{LYON}/activities/9")
    with pytest.raises(Conflict):
        place(headed(2), links_of(True, False), unknown)


def test_a_step_that_counts_wrongly_is_stale():
    with pytest.raises(Conflict):
        place(headed(2), links_of(True, True), at(5, "d2", OWNER))
    with pytest.raises(Conflict):
        place(headed(3), links_of(True, True, False), at(4, "d2", OWNER))


def test_what_begins_a_chain_is_displaced_by_nobody():
    with pytest.raises(Malformed):
        place(headed(1), links_of(False), at(2, None, OWNER))
    with pytest.raises(Conflict):
        place(headed(1), links_of(False), at(1, None, OWNER))


# -- when it was said -----------------------------------------------------------------------------------------------


def withdrawn(chain: Chain, **changes: Any) -> Activity:
    return following(chain, "Undo", AWA, OFFERED, **changes)


@pytest.mark.parametrize(("minutes", "held"), [(-6, False), (-4, True), (0, True), (4, True), (6, False)])
def test_a_step_is_not_from_the_future(minutes: int, held: bool):
    chain = a_chain("Engagement", "proposed")
    said = withdrawn(chain, published=stamp(NOW))
    facts = Facts(now=NOW - timedelta(minutes=minutes))
    if held or minutes < 0:
        assert taken(said, chain, facts).chain.state == "withdrawn"
    else:
        with pytest.raises(Invalid) as refusal:
            taken(said, chain, facts)
        assert refusal.value.extra["guard"] == "saidInOrder"


@pytest.mark.parametrize(("minutes", "held"), [(-60, True), (-4, True), (4, True), (6, False)])
def test_a_step_is_not_from_before_what_it_follows(minutes: int, held: bool):
    chain = a_chain(
        "Engagement", "proposed", memory={"saidAt": (NOW + timedelta(minutes=minutes)).isoformat()}
    )
    for facts in (Facts(), Facts(now=NOW + timedelta(days=3))):
        if held:
            assert taken(withdrawn(chain), chain, facts).chain.state == "withdrawn"
        else:
            with pytest.raises(Invalid) as refusal:
                taken(withdrawn(chain), chain, facts)
            assert refusal.value.extra["guard"] == "saidInOrder"


def test_a_step_may_be_as_old_as_it_is():
    chain = a_chain("Engagement", "proposed")
    assert taken(withdrawn(chain), chain, Facts(now=NOW + timedelta(days=300))).chain.state == "withdrawn"


def test_two_clocks_may_differ_as_much_as_the_setting_says():
    chain = a_chain("Engagement", "proposed")
    facts = Facts(now=NOW - timedelta(minutes=30), ahead=timedelta(hours=1))
    assert taken(withdrawn(chain), chain, facts).chain.state == "withdrawn"


def test_a_step_without_published_was_said_when_it_was_signed():
    chain = a_chain("Engagement", "proposed")
    said = withdrawn(chain, published=None, proof={"created": stamp(NOW)})
    assert taken(said, chain, Facts()).chain.memory["saidAt"] == NOW.isoformat()
    with pytest.raises(Invalid):
        taken(withdrawn(chain, published=None), chain, Facts())


# -- what a chain remembers -----------------------------------------------------------------------------------------


def test_an_engagement_begins_with_its_offer():
    offer = an_activity("Offer", AWA, an_engagement(), stateVersion=1)
    facts = Facts(proposal=a_chain("Mission", "published"), keys=keys_of(CARRIER))
    chain = taken(offer, None, facts).chain
    assert (chain.id, chain.proposal, chain.version) == (offer.id, MISSION, 1)
    assert dict(chain.parties) == PARTIES
    assert chain.memory["offer"] == offer.id


def test_whoever_answers_a_service_is_the_one_who_pays():
    service = a_chain("Listing", "published")
    offer = an_activity("Offer", AWA, an_engagement(worker=OWNER, carrier=None, workStatus=None))
    parties = taken(offer, None, Facts(proposal=service)).chain.parties
    assert parties == {"proposer": OWNER, "responder": AWA, "worker": OWNER, "requester": AWA}


def test_without_the_proposal_the_parties_are_who_the_offer_says():
    mission = an_activity("Offer", AWA, an_engagement(), to=[OWNER], cc=[CARRIER])
    assert taken(mission, None, Facts(keys=keys_of(CARRIER))).chain.parties == PARTIES
    ordered = an_engagement(worker=OWNER, carrier=None, workStatus=None)
    service = an_activity("Offer", AWA, ordered, to=[OWNER])
    assert taken(service, None, Facts()).chain.parties["worker"] == OWNER


def test_an_offer_to_nobody_begins_nothing():
    with pytest.raises(Invalid) as refusal:
        taken(an_activity("Offer", AWA, an_engagement(), to=[CARRIER]), None, Facts())
    assert refusal.value.code == "terms-mismatch"


def test_nobody_offers_somebody_elses_work():
    offer = an_activity("Offer", AWA, an_engagement(worker=f"{LYON}/actors/malo"))
    with pytest.raises(Forbidden) as refusal:
        taken(offer, None, Facts(proposal=a_chain("Mission", "published")))
    assert refusal.value.code == "wrong-party"


def test_an_answer_begins_nothing():
    with pytest.raises(Conflict):
        taken(an_activity("Accept", OWNER, OFFERED), None, Facts())


def test_a_proposal_is_embedded_when_it_begins():
    bare = replace(an_activity("Create", OWNER, a_mission()), object=None, object_class="Mission")
    with pytest.raises(Malformed):
        taken(bare, None, Facts())


def test_a_renewed_offer_is_what_is_answered_from_then_on():
    chain = a_chain("Engagement", "countered", memory={"shortlisted": True})
    again = following(chain, "Offer", AWA, an_engagement(), inReplyTo=OFFERED, id=f"{LYON}/activities/again")
    after = taken(again, chain, Facts(keys=keys_of(CARRIER))).chain
    assert (after.memory["offer"], after.memory["shortlisted"]) == (again.id, False)
    assert after.id == OFFERED


def test_a_shortlisted_candidate_is_remembered_as_such():
    chain = a_chain("Engagement", "proposed")
    assert taken(following(chain, "TentativeAccept", OWNER, OFFERED), chain, Facts()).chain.memory[
        "shortlisted"
    ]


def test_a_counter_offer_is_remembered_and_the_terms_stay():
    chain = a_chain("Engagement", "proposed")
    counter = an_engagement(attachment=None)
    after = taken(following(chain, "TentativeReject", OWNER, OFFERED, result=counter), chain, Facts()).chain
    assert after.memory["counter"] == counter
    assert after.document == chain.document


def test_an_agreement_replaces_the_terms_and_names_the_carrier():
    service = {k: v for k, v in PARTIES.items() if k != "carrier"} | {"worker": OWNER, "requester": AWA}
    chain = with_(
        a_chain("Engagement", "proposed"),
        parties=service,
        document=an_engagement(worker=OWNER, carrier=None, workStatus=None, attachment=None),
    )
    agreed = an_agreement(worker=OWNER, carrier=None, workStatus=None)
    after = taken(following(chain, "Accept", OWNER, OFFERED, result=agreed), chain, Facts()).chain
    assert (after.document, after.memory["engagement"]) == (agreed, ENGAGEMENT)
    assert "carrier" not in after.parties
    carried = chains.fold(
        chains.Step(
            following(chain, "Accept", OWNER, OFFERED, result={**agreed, "carrier": CARRIER}),
            chain,
            "Offer",
            False,
        ),
        next(e for e in LIFECYCLES["Engagement"].edges if e.target == "accepted"),
    )
    assert carried.parties["carrier"] == CARRIER


def test_records_reworks_receipts_and_the_attestation_are_remembered():
    chain = a_chain("Engagement", "active", memory={"record": None, "recordActivity": None, "invoice": None})
    facts = Facts(keys=keys_of(OWNER))
    delivered = following(chain, "Create", AWA, a_record("delivered"))
    chain = taken(delivered, chain, facts).chain
    assert (chain.memory["record"], chain.memory["recordActivity"]) == (RECORD, delivered.id)
    assert chain.memory["begun"] == stamp(NOW)
    sent_back = taken(following(chain, "Reject", OWNER, RECORD, reasonCode="other"), chain, facts).chain
    assert sent_back.memory["reworks"] == 1
    edge = next(e for e in LIFECYCLES["Engagement"].edges if e.target == "completed")
    accepted = taken(step_of(edge, chain), chain, facts).chain
    assert accepted.memory["attestation"] == f"{NANTES}/credentials/1"
    invoiced = taken(following(accepted, "Create", CARRIER, an_invoice()), accepted, facts).chain
    assert invoiced.memory["invoice"] == an_invoice()
    paid = taken(following(invoiced, "Create", OWNER, a_payment()), invoiced, facts).chain
    assert (paid.memory["payment"], paid.state) == (f"{NANTES}/receipts/1", "settled")
    assert paid.document == chain.document


def test_a_chain_is_found_by_every_name_that_a_later_step_may_use():
    chain = a_chain("Engagement", "proposed")
    accept = following(chain, "Accept", OWNER, OFFERED, result=an_agreement())
    found = taken(accept, chain, Facts(keys=keys_of(CARRIER)))
    assert found.refs == (accept.id, ENGAGEMENT, found.chain.digest)
    offer = an_activity("Offer", AWA, an_engagement(id=f"{LYON}/offers/1"))
    found = taken(offer, None, Facts(keys=keys_of(CARRIER)))
    assert found.refs == (f"{LYON}/offers/1", found.chain.digest)
    create = an_activity("Create", OWNER, a_mission(), stateVersion=1)
    found = taken(create, None, Facts())
    assert found.refs == (create.id, found.chain.digest)


# -- which chain an activity speaks of ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "obj", "expected"),
    [
        ("Create", a_mission(), ("Mission", MISSION, True)),
        ("Update", a_mission(), ("Mission", MISSION, False)),
        ("Create", a_service(), ("Listing", MISSION, True)),
        ("Delete", MISSION, (None, MISSION, False)),
        # What a client leaves out, and what a stranger calls by another name, is the mission all the same.
        ("Update", {"id": MISSION, "missionState": "withdrawn"}, (None, MISSION, False)),
        ("Update", {"id": MISSION, "type": "Note"}, (None, MISSION, False)),
        ("Create", a_record(), ("Engagement", ENGAGEMENT, False)),
        ("Create", an_invoice(), ("Engagement", ENGAGEMENT, False)),
        ("Accept", OFFERED, (None, OFFERED, False)),
        ("Reject", {"id": OFFERED, "type": "Offer"}, (None, OFFERED, False)),
        ("Undo", OFFERED, (None, OFFERED, False)),
    ],
)
def test_an_activity_says_which_chain_it_speaks_of(kind: str, obj: Any, expected: tuple[Any, ...]):
    found = reference_of(an_activity(kind, OWNER, obj))
    assert found is not None
    assert (found.kind, found.ref, found.begins) == expected


@pytest.mark.parametrize(
    ("kind", "obj"),
    [
        ("Create", {"id": f"{NANTES}/notes/1", "type": "Note"}),
        ("Create", a_mission(id=None)),
        ("Follow", OWNER),
        ("Update", {"type": "Note"}),
        ("Offer", {"type": "Membership"}),
        ("Like", MISSION),
        ("Accept", {"type": "Follow"}),
        ("Probe", None),
    ],
)
def test_what_moves_no_chain_speaks_of_none(kind: str, obj: Any):
    assert reference_of(an_activity(kind, OWNER, obj)) is None


def test_an_offer_begins_a_chain_unless_it_replies():
    begun = reference_of(an_activity("Offer", AWA, an_engagement()))
    assert begun is not None
    assert (begun.ref, begun.begins) == (f"{LYON}/activities/offer", True)
    renewed = reference_of(an_activity("Offer", AWA, an_engagement(), inReplyTo=OFFERED))
    assert renewed is not None
    assert (renewed.ref, renewed.begins) == (OFFERED, False)


@pytest.mark.parametrize("obj", [a_record(engagement=None), an_invoice(engagement=["a", "b"])])
def test_a_record_or_receipt_names_one_engagement(obj: Any):
    with pytest.raises(Malformed) as refusal:
        reference_of(an_activity("Create", AWA, obj))
    assert refusal.value.code == "malformed-activity"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, MISSION),
        ({"mission": None}, MISSION),
        ({"mission": None, "context": None}, MISSION),
        ({"mission": None, "context": None, "stipulates": None}, None),
        ({"mission": {"id": MISSION}}, MISSION),
        ({"mission": None, "context": None, "stipulates": {"satisfies": 5}}, None),
    ],
)
def test_an_engagement_names_its_proposal_in_one_of_three_ways(changes: Any, expected: str | None):
    assert proposal_of(an_engagement(**changes)) == expected


def test_the_proposer_is_the_owner_of_the_proposal_else_the_first_to_be_asked():
    offer = an_activity("Offer", AWA, an_engagement(), to=[CARRIER, AWA, MALLORY])
    assert proposer_of(offer, a_chain("Mission", "published")) == OWNER
    assert proposer_of(offer, None) == MALLORY
    assert proposer_of(an_activity("Offer", AWA, an_engagement(), to=[CARRIER]), None) is None


# -- folding again --------------------------------------------------------------------------------------------------


def a_story() -> tuple[list[Activity], Chain]:
    """Return the steps of an engagement that was settled, and its chain."""
    facts = Facts(proposal=a_chain("Mission", "published"), keys=keys_of(OWNER, CARRIER))
    said: list[Activity] = [an_activity("Offer", AWA, an_engagement(), id=OFFERED)]
    chain = take(said[0], None, facts, place(None, (), said[0])).chain
    steps: list[tuple[Any, ...]] = [
        ("Accept", OWNER, OFFERED, {"result": an_agreement(), "id": ACCEPTED}),
        ("Create", AWA, a_record(), {"published": "2026-12-01T08:00:00Z"}),
        ("Create", AWA, a_record("delivered"), {"published": "2026-12-03T08:00:00Z", "id": f"{LYON}/a/4"}),
        ("Create", CARRIER, an_invoice(), {"published": "2026-12-05T08:00:00Z"}),
    ]
    for kind, actor, obj, changes in steps:
        if chain.state == "delivered":
            edge = next(e for e in LIFECYCLES["Engagement"].edges if e.target == "completed")
            said.append(step_of(edge, chain, published="2026-12-04T08:00:00Z", id=f"{NANTES}/a/5"))
            chain = take(said[-1], chain, facts, Placement(None)).chain
        said.append(following(chain, kind, actor, obj, **changes))
        chain = take(said[-1], chain, facts, Placement(None)).chain
    return said, chain


def test_a_chain_is_the_fold_of_its_activities():
    said, chain = a_story()
    facts = Facts(proposal=a_chain("Mission", "published"))
    assert refold(said, facts) == chain
    assert [getattr(refold(said[:n], facts), "version", 0) for n in range(len(said) + 1)] == list(
        range(len(said) + 1)
    )


def test_folding_again_asks_no_guard():
    said, chain = a_story()
    assert refold(said, Facts(now=NOW - timedelta(days=900), owner_here=True)) == chain


def test_a_digest_does_not_depend_on_the_proof():
    said, _ = a_story()
    signed = said[0].raw | {"proof": {"type": "DataIntegrityProof"}}
    assert chain_digest(signed) == chain_digest(said[0].raw)
    assert DIGEST.startswith("zQm")
