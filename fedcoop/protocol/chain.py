"""One chain, one state: the generic engine that runs every lifecycle of `vocab/lifecycles.json`.

A mission, a listing or an engagement is the fold of its activities. `take` is the only way forward, for what arrives,
for what our own members say, and for `fedcoop verify`, which replays a whole history with it (decisions D1, D5):

    place    where in the chain does this activity stand: next, stale, unknown predecessor, or over a tentative tail
    edge     does the lifecycle have an edge from the present state for it, and may this sender take it
    time     was it said after what it follows, and before now
    guards   do the named conditions of that edge hold
    fold     the chain as it is afterwards

The engine does not know whether it runs at the owner's, at a party's or at a stranger's: `Facts.owner_here` only adds
the guards that nobody else can check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fedcoop.errors import Conflict, Forbidden, Invalid, Malformed, NotImplementedYet, Unavailable
from fedcoop.protocol import agreements, guards
from fedcoop.protocol.digest import chain_digest
from fedcoop.protocol.facts import Facts, Step
from fedcoop.protocol.messages import Activity, Chain, ChainKind, Document, Link
from fedcoop.protocol.model import LIFECYCLES
from fedcoop.protocol.policy import AGREEMENT
from fedcoop.protocol.shape import id_of, is_plain
from fedcoop.protocol.vocabulary import Edge, Lifecycle

KIND_OF_CLASS: Final[Mapping[str, ChainKind]] = {
    "Mission": "Mission",
    "ServiceOffer": "Listing",
    "Need": "Listing",
    "Engagement": "Engagement",
    "WorkRecord": "Engagement",
    "Receipt": "Engagement",
    "FederationAgreement": "FederationAgreement",
}
"""Class of an embedded object to the kind of chain that its activity belongs to."""

GUARDS: Final[Mapping[str, guards.Guard]] = {**guards.GUARDS, **agreements.GUARDS}
"""Every guard by the name the vocabulary uses."""

ANSWERS: Final = frozenset({"Accept", "Reject", "TentativeAccept", "TentativeReject", "Undo"})
"""Activities that point at an earlier one (or at a record) instead of carrying an object."""


ANY_PARTY: Final = "party"
"""Sender of an edge that belongs to each of the parties."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Which chain an activity speaks of. `begins` means that it may be the first of a new one."""

    kind: ChainKind | None
    ref: str
    begins: bool


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an activity stands: on the head, or at a version whose tentative tail it displaces."""

    displaces_from: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken: the chain afterwards, the edge, and the ids by which the chain is found from now on."""

    chain: Chain
    edge: Edge
    placement: Placement
    refs: tuple[str, ...]


def reference_of(activity: Activity) -> Reference | None:
    """Return which chain `activity` speaks of, or None when it belongs to none (a Follow, an opaque object …).

    An Update, a Delete, an Accept, a Reject or an Undo may point at something outside every chain; then no chain is
    found under `ref` and the caller treats it as such.
    """
    kind = KIND_OF_CLASS.get(activity.object_class)
    obj = activity.object or {}
    match activity.type:
        case "Create" | "Update" if kind in ("Mission", "Listing") and activity.object_id:
            return Reference(kind, activity.object_id, begins=activity.type == "Create")
        case "Create" if activity.object_class in ("WorkRecord", "Receipt"):
            engagement = id_of(obj.get("engagement"))
            if engagement is None:
                raise Malformed("malformed-activity", f"A {activity.object_class} names its engagement.")
            return Reference("Engagement", engagement, begins=False)
        case "Offer" if kind == "Engagement":
            reply = id_of(activity.raw.get("inReplyTo"))
            return Reference("Engagement", reply or activity.id, begins=reply is None)
        case "Offer" if kind == AGREEMENT and activity.object_id:
            return Reference(AGREEMENT, activity.object_id, begins=True)
        # Whatever an Update says that the object is: what a chain has made moves by the chain alone.
        case "Update" | "Delete" if activity.object_id:
            return Reference(None, activity.object_id, begins=False)
        case answer if answer in ANSWERS and activity.object_id:
            return Reference(None, activity.object_id, begins=False)
    return None


def place(chain: Chain | None, links: Sequence[Link], activity: Activity) -> Placement:
    """Return where `activity` stands in its chain.

    Raises:
        Malformed: it does not say where it stands.
        Unavailable: `predecessor-unknown`: it follows something we have not seen; nothing is stored (decision D3).
        Conflict: `stale`: it follows something that already has another successor.
    """
    version, previous = _follows(activity, links)
    # (1) The first of a chain follows nothing; every other one says what it follows, and which it is.
    if version < 1 or (version == 1) != (previous is None):
        raise Malformed(
            "malformed-activity",
            "A step of a chain is the first, or counts on from the one that it names.",
            expected="`stateVersion` 1, or 2 and more with `previousDigest`",
            received=f"stateVersion {activity.raw.get('stateVersion')!r} after {previous or 'nothing'}"[:200],
        )
    if chain is None:
        if version == 1:
            return Placement(None)
        raise _unknown(activity)
    # (2) The ordinary case: it names the head, and counts on from it.
    if previous == chain.digest and version == chain.version + 1:
        return Placement(None)
    # (3) It names an earlier link: only the owner may build there, and only over links nobody has confirmed.
    at = next((link.version for link in links if link.digest == previous), None)
    if at is not None and version == at + 1 and activity.actor == chain.owner:
        tail = [link for link in links if link.version > at]
        if tail and not any(link.confirmed for link in tail):
            return Placement(displaces_from=version)
    # (4) What it follows is not here, and nothing final is in its place: it may still come.
    settled = any(link.confirmed and link.version == version - 1 for link in links)
    if at is None and version > 1 and not settled:
        raise _unknown(activity)
    raise Conflict(
        "stale",
        "This chain has moved on since the state that the activity was built on.",
        expected=f"stateVersion {chain.version + 1} after {chain.digest}",
        received=f"stateVersion {version} after {previous or 'nothing'}",
        extra={"head": {"digest": chain.digest, "stateVersion": chain.version, "state": chain.state}},
    )


def take(activity: Activity, before: Chain | None, facts: Facts, placement: Placement) -> Taken:
    """Take one step: find the edge, check the sender and the guards, fold.

    `before` is the chain as of the predecessor (after `place`, with any displaced tail already taken off).

    Raises:
        Conflict: `illegal-transition`: no edge from the present state for such an activity.
        Forbidden: `wrong-party`: there is one, for another role; or the sender is no party at all.
        NotImplementedYet: the edge is in the vocabulary, not in this release.
        Invalid: `guard-failed`: it was said before what it follows, or will be said only later.
        Invalid, Conflict: a guard does not hold.
    """
    lifecycle = _lifecycle(activity, before)
    current = before or _begin(activity, lifecycle, facts)
    step = Step(activity, current, _object_class(activity, current), begins=before is None)
    edge = _edge(lifecycle, step)
    _check_time(step, facts)
    for name in edge.guards + (edge.owner_guards if facts.owner_here else ()):
        GUARDS[name](step, facts)
    after = fold(step, edge)
    return Taken(after, edge, placement, _refs(step, after))


def fold(step: Step, edge: Edge) -> Chain:
    """Return the chain after `step`: new state, version, digest, document and memory."""
    chain, activity = step.chain, step.activity
    document, memory = _remember(step)
    if chain.kind == AGREEMENT:
        document = agreements.stated(chain, edge.target, activity.id)
    carrier = id_of(document.get("carrier")) if chain.kind == "Engagement" else None
    return replace(
        chain,
        parties={**chain.parties, "carrier": carrier} if carrier else chain.parties,
        state=edge.target,
        version=1 if step.begins else chain.version + 1,
        digest=chain_digest(activity.raw),
        document=document,
        memory={**chain.memory, **memory, "saidAt": guards.said_at(activity.raw).isoformat()},
    )


def refold(activities: Sequence[Activity], facts: Facts) -> Chain | None:
    """Return the chain of activities that were all accepted before, without asking the guards again."""
    chain: Chain | None = None
    for activity in activities:
        lifecycle = _lifecycle(activity, chain)
        current = chain or _begin(activity, lifecycle, facts)
        step = Step(activity, current, _object_class(activity, current), begins=chain is None)
        chain = fold(step, _edge(lifecycle, step))
    return chain


# -- inside ---------------------------------------------------------------------------------------------------------


def _follows(activity: Activity, links: Sequence[Link]) -> tuple[int, str | None]:
    """Return the version that the activity claims, and the digest of what it follows.

    A plain FEP-0837 answer says neither: it follows the offer that it names, and a name stands for one body only.
    """
    if activity.type in ANSWERS and is_plain(activity):
        for link in links:
            if link.activity_id == activity.object_id:
                return link.version + 1, link.digest
    return activity.state_version, activity.previous_digest


def _unknown(activity: Activity) -> Unavailable:
    return Unavailable(
        "predecessor-unknown",
        "The activity that this one follows has not arrived here yet. Send it first, then this one again.",
        expected="a previousDigest of this chain",
        received=f"stateVersion {activity.state_version} after {activity.previous_digest or 'nothing'}",
        retry_after=5,
    )


def _lifecycle(activity: Activity, chain: Chain | None) -> Lifecycle:
    kind = chain.kind if chain else KIND_OF_CLASS.get(activity.object_class)
    if kind is None:
        raise Conflict(
            "illegal-transition", f"{activity.type} starts no chain.", received=activity.object_class
        )
    return LIFECYCLES[kind]


def _object_class(activity: Activity, chain: Chain) -> str:
    """Return what the activity acts upon, in the words of the lifecycle's `object` column."""
    if activity.type in ANSWERS:
        target = activity.object_id
        memory = chain.memory
        if target is not None and target == memory.get("offer"):
            return "Offer"
        # An agreement has its name from the beginning; an engagement gets it when it is accepted.
        if chain.kind == AGREEMENT and target == chain.id and "accept" not in memory:
            return "Offer"
        if target is not None and target in (memory.get("accept"), chain.document.get("id")):
            return "Accept"
        if target is not None and target in (memory.get("record"), memory.get("recordActivity")):
            return "WorkRecord"
        return "something else in this chain"
    if activity.type in ("Update", "Delete") and activity.object_id != chain.id:
        return "something else in this chain"
    if activity.type == "Delete":
        return chain.kind
    kind = KIND_OF_CLASS.get(activity.object_class)
    return "Listing" if kind == "Listing" else activity.object_class


def _edge(lifecycle: Lifecycle, step: Step) -> Edge:
    activity, chain = step.activity, step.chain
    # (1) Only a party may move the chain, whatever the state: a stranger learns nothing about it.
    if activity.actor not in chain.parties.values():
        raise Forbidden("wrong-party", "Only a party to it may do this.", received=activity.actor)
    obj = activity.object or {}
    fitting = [
        edge
        for edge in lifecycle.edges
        if edge.source == chain.state
        and edge.activity == activity.type
        and edge.object_class == step.object_class
        and all(obj.get(key) == value for key, value in edge.where)
    ]
    # (2) The lifecycle must have an edge from here.
    if not fitting:
        _check_lost(step)
        raise Conflict(
            "illegal-transition",
            f"In state {chain.state}, a {lifecycle.name} does not allow {activity.type} of {step.object_class}.",
            expected=", ".join(sorted({f"{e.activity}({e.object_class})" for e in _from(lifecycle, chain)}))
            or "nothing",
            received=f"{activity.type}({step.object_class})",
        )
    if not fitting[0].implemented:
        raise NotImplementedYet(
            "not-implemented", f"{activity.type} of {step.object_class} is not in this release."
        )
    # (3) And it must be this sender's to take.
    for edge in fitting:
        if edge.sender == ANY_PARTY or chain.parties.get(_role(edge.sender, chain)) == activity.actor:
            return edge
    raise Forbidden(
        "wrong-party",
        f"{activity.type} of {step.object_class} belongs to the {fitting[0].sender}.",
        expected=chain.parties.get(_role(fitting[0].sender, chain), fitting[0].sender),
        received=activity.actor,
    )


def _check_lost(step: Step) -> None:
    """Whoever accepts an offer a moment after the proposal was closed made no mistake, and is told what happened."""
    code = LOST.get(str(step.chain.memory.get("rejected")))
    if code is not None and (step.activity.type, step.object_class) == ("Accept", "Offer"):
        raise Conflict(
            code,
            "This offer was refused when the proposal closed, just before it could be accepted.",
            expected="an offer that waits",
            received=step.chain.state,
        )


LOST: Final[Mapping[str, str]] = {"slotFilled": "slot-filled", "missionWithdrawn": "proposal-closed"}
"""Reason that every waiting offer is given when its proposal closes (`effects.CLOSING`), to problem code."""


def _check_time(step: Step, facts: Facts) -> None:
    """A step counts from the instant that its sender signed, so that instant is held between two others.

    The first bound is part of the chain: whoever replays it asks again. The second is asked once, when the step
    arrives. There is no bound on its age: what waited for a peer that was down, or what a late follower is sent, is
    as old as it is.
    """
    said = guards.said_at(step.activity.raw)
    before = guards.moment(step.chain.memory.get("saidAt"))
    # (1) Not before what it follows, but for the difference between two clocks.
    if before is not None and said < before - facts.ahead:
        raise guards.failed(
            "saidInOrder",
            "It says that it was made before what it follows.",
            expected=f"published from {before.isoformat()}",
            received=said.isoformat(),
        )
    # (2) Not in the future: nobody waits out a date by writing a later one.
    if facts.now is not None and said > facts.now + facts.ahead:
        raise guards.failed(
            "saidInOrder",
            "It says that it will be made.",
            expected=f"published until {facts.now.isoformat()}",
            received=said.isoformat(),
        )


def _from(lifecycle: Lifecycle, chain: Chain) -> tuple[Edge, ...]:
    return tuple(e for e in lifecycle.edges if e.source == chain.state and e.implemented)


def _role(sender: str, chain: Chain) -> str:
    """`invoicer` is the carrier, or the worker when nobody carries the work (vocabulary.md §3.7)."""
    if sender == "invoicer":
        return "carrier" if "carrier" in chain.parties else "worker"
    return sender


def _begin(activity: Activity, lifecycle: Lifecycle, facts: Facts) -> Chain:
    obj = activity.object
    if obj is None:
        raise Malformed("malformed-activity", "The first activity of a chain carries its object.")
    if lifecycle.name == AGREEMENT:
        parties = agreements.parties_of(activity)
        owner, chain_id, proposal = activity.actor, activity.object_id or "", None
    elif lifecycle.name == "Engagement":
        parties = _parties(activity, obj, facts)
        owner, chain_id, proposal = parties["proposer"], activity.id, proposal_of(obj)
    else:
        owner, chain_id, proposal = id_of(obj.get("attributedTo")) or "", activity.object_id or "", None
        parties = {"owner": owner}
    kind: ChainKind = lifecycle.name  # type: ignore[assignment]
    return Chain(
        id=chain_id,
        kind=kind,
        owner=owner,
        state=lifecycle.initial[0],
        version=0,
        digest="",
        document=obj,
        parties=parties,
        proposal=proposal,
    )


def proposal_of(engagement: Document) -> str | None:
    """Return the id of the proposal that an Engagement answers: `mission`, `context`, or the intent it satisfies."""
    named = id_of(engagement.get("mission")) or id_of(engagement.get("context"))
    if named is not None:
        return named
    stipulates = engagement.get("stipulates")
    satisfies = id_of(stipulates.get("satisfies")) if isinstance(stipulates, Mapping) else None
    return satisfies.split("#", 1)[0] if satisfies else None


def proposer_of(offer: Activity, proposal: Chain | None) -> str | None:
    """Return who orders the engagement that `offer` begins: the proposal's owner, else the first it is addressed to."""
    if proposal is not None:
        return proposal.owner
    others = (offer.actor, id_of((offer.object or {}).get("carrier")))
    return next((r for r in offer.recipients if r not in others), None)


def _parties(activity: Activity, engagement: Document, facts: Facts) -> dict[str, str]:
    """Return who is who. With the proposal at hand it decides; without, what the parties say of each other."""
    responder, proposer = activity.actor, proposer_of(activity, facts.proposal)
    if proposer is None:
        raise Invalid("terms-mismatch", "An Offer is addressed to the proposal's owner.", expected="`to`")
    if facts.proposal is not None:
        offers_work = facts.proposal.document.get("purpose") == "offer"
    else:
        offers_work = id_of(engagement.get("worker")) == proposer
    worker, requester = (proposer, responder) if offers_work else (responder, proposer)
    named = id_of(engagement.get("worker"))
    if named is not None and named != worker:
        raise Forbidden(
            "wrong-party", "The worker answers in their own name.", expected=worker, received=named
        )
    parties = {"proposer": proposer, "responder": responder, "worker": worker, "requester": requester}
    carrier = id_of(engagement.get("carrier"))
    return {**parties, "carrier": carrier} if carrier else parties


def _remember(step: Step) -> tuple[Document, dict[str, Any]]:
    """Return (document, what to remember) after the step."""
    activity, chain = step.activity, step.chain
    obj = activity.object or {}
    result = activity.raw.get("result")
    result = result if isinstance(result, Mapping) else {}
    if chain.kind == AGREEMENT:
        return chain.document, {activity.type.lower(): activity.id}
    match activity.type, step.object_class:
        case "Offer", _:
            return obj, {"offer": activity.id, "shortlisted": False}
        case "TentativeAccept", _:
            return chain.document, {"shortlisted": True}
        case "TentativeReject", _:
            return chain.document, {"counter": dict(result)}
        case "Accept", "Offer":
            return guards.agreed_terms(step), {"accept": activity.id, "engagement": id_of(result)}
        case "Reject", "Offer":
            return chain.document, {"rejected": activity.raw.get("reasonCode")}
        case "Create", "WorkRecord":
            begun = chain.memory.get("begun") or activity.raw.get("published")
            return chain.document, {"record": id_of(obj), "recordActivity": activity.id, "begun": begun}
        case "Reject", "WorkRecord":
            return chain.document, {"reworks": int(chain.memory.get("reworks", 0)) + 1}
        case "Accept", "WorkRecord":
            return chain.document, {"attestation": id_of(result)}
        case "Create", "Receipt" if obj.get("receiptKind") == "invoiceIssued":
            return chain.document, {"invoice": dict(obj)}
        case "Create", "Receipt":
            return chain.document, {"payment": id_of(obj)}
        case (("Create" | "Update"), _):
            return obj, {}
        case _:
            return chain.document, {}


def _refs(step: Step, after: Chain) -> tuple[str, ...]:
    """Return the names by which the chain is found after the step: the activity, its object, its result, its digest."""
    activity = step.activity
    result = activity.raw.get("result")
    found = [activity.id, id_of(result) if isinstance(result, Mapping) else None]
    if activity.object is not None:
        found.append(activity.object_id)
    return tuple(dict.fromkeys(ref for ref in (*found, after.digest) if ref and ref != step.chain.id))
