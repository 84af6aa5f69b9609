"""What an authorised activity causes: changes, as data, and what our own actors answer (house rule 9).

Effects return; they do not save. The store makes all of them or none; the flow builds, signs and records the reactions
in the same transaction, so that a mission is assigned in the very commit that accepts its last worker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeAlias

from fedcoop.protocol import agreements
from fedcoop.protocol.audience import local_readers, peer_readers
from fedcoop.protocol.authorise import Scene
from fedcoop.protocol.guards import PENDING, bound, slots_of
from fedcoop.protocol.listing import kind_of, listing_of, plain_proposal
from fedcoop.protocol.messages import (
    Activity,
    Authorised,
    BuryObject,
    Chain,
    Change,
    ConfirmLinks,
    Document,
    DropFollow,
    DropLinks,
    DropListing,
    Effects,
    Intent,
    KeyDocument,
    Link,
    PutActor,
    PutChain,
    PutFollow,
    PutListing,
    PutObject,
    PutReport,
    ResetChain,
)
from fedcoop.protocol.policy import AGREEMENT
from fedcoop.protocol.reports import flagged, words_of
from fedcoop.protocol.shape import PUBLIC, class_of, id_of, types_of

Communes: TypeAlias = Mapping[str, tuple[str, float | None, float | None]]

RUNNING: Final = frozenset({"accepted", "active"})
"""Engagement states that a cancellation ends."""

TERMS: Final = ("publishes", "price", "reciprocal", "location", "startTime", "endTime")
"""When one of these changes (what, how much, where, when), whoever has offered must look again (vocabulary.md §3.6)."""

PROPOSALS: Final = frozenset({"Proposal", "Mission", "ServiceOffer", "Need"})
"""Classes of what another server's actor may offer or ask for without a chain."""

OF_ITS_SERVER: Final = ("inbox", "outbox", "endpoints", "publicKey", "assertionMethod")
"""Members of an actor that are believed only as its server hands them out: where to post, and whose keys."""


def effects_of(authorised: Authorised, scene: Scene, *, communes: Communes) -> Effects:
    """Return everything that `authorised` causes here. Pure: the same input causes the same effects."""
    if authorised.chain is not None:
        return _of_chain(authorised, authorised.chain, scene, communes)
    effect = EFFECTS.get(authorised.activity.type)
    return effect(authorised, scene, communes) if effect else Effects()


# -- chains ---------------------------------------------------------------------------------------------------------


def _of_chain(authorised: Authorised, chain: Chain, scene: Scene, communes: Communes) -> Effects:
    activity, before = authorised.activity, scene.chain
    changes: list[Change] = []
    if authorised.displaces_from is not None:
        changes += take_off(
            chain.id,
            authorised.displaces_from,
            "the chain's owner decided otherwise",
            before=scene.prefix,
            tail=scene.taken_off,
            now=scene.now,
        )
    link = Link(chain.id, chain.version, activity.id, chain.digest, authorised.confirmed)
    changes.append(PutChain(chain, link, authorised.refs))
    # What the owner builds on, the owner has taken.
    if activity.actor == chain.owner and chain.version > 1:
        changes.append(ConfirmLinks(chain.id, chain.version))
    changes += _objects(activity, chain, scene, communes)
    reactions = _reactions(activity, before, chain, scene) if scene.facts.owner_here else []
    return Effects(tuple(changes), tuple(reactions))


def take_off(
    chain_id: str, version: int, reason: str, *, before: Chain | None, tail: Sequence[Activity], now: datetime
) -> list[Change]:
    """Return what takes the tentative `tail` off a chain, from `version` on: links, deliveries, and what it had left.

    `before` is the chain without it.
    """
    left = [document for activity in tail for document in _left_by(activity)]
    buried = [BuryObject(str(id_of(document)), class_of(document), now) for document in left]
    return [DropLinks(chain_id, version, reason), ResetChain(chain_id, before), *buried]


def _left_by(activity: Activity) -> list[Document]:
    """Return the objects that a step of an engagement leaves behind: record, receipt, agreement, credential."""
    result = activity.raw.get("result")
    found = [activity.object if activity.type == "Create" else None]
    found += [result if activity.type == "Accept" and isinstance(result, Mapping) else None]
    return [document for document in found if document is not None and id_of(document) is not None]


def _objects(activity: Activity, chain: Chain, scene: Scene, communes: Communes) -> list[Change]:
    """Return the objects that the step leaves behind, each readable by those it concerns."""
    local = scene.hosts(activity.actor)
    if chain.kind == AGREEMENT:
        return [agreements.kept(chain, base=scene.base, now=scene.now)]
    if chain.kind in ("Mission", "Listing"):
        if activity.type == "Delete":
            kind = class_of(chain.document)
            return [BuryObject(chain.id, kind, scene.now), DropListing(chain.id)]
        readers = proposal_readers(chain, activity, scene)
        put = PutObject(
            chain.id, chain.owner, class_of(chain.document), chain.document, local, readers, scene.now
        )
        return [put, listing_of(chain, local=local, readers=readers, communes=communes, now=scene.now)]
    readers = tuple(dict.fromkeys(chain.parties.values()))
    return [
        PutObject(
            str(id_of(document)), activity.actor, class_of(document), document, local, readers, scene.now
        )
        for document in _left_by(activity)
    ]


def proposal_readers(chain: Chain, activity: Activity, scene: Scene) -> tuple[str, ...]:
    """Return who may read a proposal here: everyone while it is public and open, then our members (P0, then P1).

    Of ours, those elsewhere to whom it was addressed as well, by our collections that they are in.
    """
    open_to_all = chain.state in ("published", "expired", "withdrawn")
    readers = local_readers(activity.recipients, base=scene.base, local_actors=scene.local_actors)
    kept = readers if open_to_all else tuple(r for r in readers if r != PUBLIC)
    members = f"{scene.base}/actors/coop/members"
    elsewhere = peer_readers(activity.recipients, base=scene.base) if scene.hosts(chain.owner) else ()
    return tuple(dict.fromkeys([*kept, members, chain.owner, *elsewhere]))


# -- what the owner of a chain answers --------------------------------------------------------------------------------


def _reactions(activity: Activity, before: Chain | None, after: Chain, scene: Scene) -> list[Intent]:
    if after.kind == AGREEMENT:
        return []
    if after.kind == "Engagement":
        proposal = scene.facts.proposal
        if proposal is None or proposal.kind != "Mission":
            return []
        engagements = _with(scene.facts.engagements, after)
        return _move_mission(proposal, engagements, activity)
    engagements = scene.facts.engagements
    answers: list[Intent] = []
    if after.state == "published" and before is not None and _terms_changed(before, after):
        answers += [
            _answer(after.owner, "TentativeReject", e, None) for e in engagements if e.state == "proposed"
        ]
    reason = CLOSING.get(after.state)
    if reason is not None:
        answers += [_answer(after.owner, "Reject", e, reason) for e in engagements if e.state in PENDING]
    if after.state == "cancelled":
        answers += [_end(after.owner, e, activity) for e in engagements if e.state in RUNNING]
    if after.kind == "Mission":
        answers += _move_mission(after, engagements, activity)
    return answers


CLOSING: Final[Mapping[str, str]] = {
    "assigned": "slotFilled",
    "withdrawn": "missionWithdrawn",
    "expired": "missionWithdrawn",
    "cancelled": "missionWithdrawn",
}
"""Proposal state to the reason that its pending candidates are given."""


def next_mission_state(mission: Chain, engagements: tuple[Chain, ...]) -> str | None:
    """Return the state that the engagements move a mission to, one edge at a time; None when it is where it belongs."""
    engaged = bound(engagements)
    states = {e.state for e in engaged}
    filled = len(engaged) >= (slots_of(mission.document) or 1)
    settled = {"completed", "settled"} if "reciprocal" not in mission.document else {"settled"}
    match mission.state:
        case "published" if filled:
            return "assigned"
        case "assigned" if not filled and states <= {"accepted"}:
            return "published"
        case "assigned" if states - {"accepted"}:
            return "started"
        case "started" if states and states <= {"delivered", "completed", "settled"}:
            return "delivered"
        case "delivered" if "active" in states:
            return "started"
        case "delivered" if states and states <= {"completed", "settled"}:
            return "accepted"
        case "accepted" if states and states <= settled:
            return "settled"
    return None


def _move_mission(mission: Chain, engagements: tuple[Chain, ...], cause: Activity) -> list[Intent]:
    state = next_mission_state(mission, engagements)
    if state is None:
        return []
    document = {**mission.document, "missionState": state}
    named = cause.id if cause.object_id != mission.id else mission.document.get("stateActivity")
    if named is not None:
        document["stateActivity"] = named
    return [Intent(mission.owner, "Update", {"object": document})]


def _answer(owner: str, kind: str, engagement: Chain, reason: str | None) -> Intent:
    body: dict[str, Any] = {"object": engagement.memory["offer"]}
    if reason is not None:
        body["reasonCode"] = reason
    return Intent(owner, kind, body)


def _end(owner: str, engagement: Chain, cause: Activity) -> Intent:
    body: dict[str, Any] = {"object": engagement.memory["accept"], "reasonCode": "missionWithdrawn"}
    compensation = cause.raw.get("compensation", (cause.object or {}).get("compensation"))
    if compensation is not None:
        body["compensation"] = compensation
    return Intent(owner, "Undo", body)


def _terms_changed(before: Chain, after: Chain) -> bool:
    return any(before.document.get(name) != after.document.get(name) for name in TERMS)


def _with(engagements: tuple[Chain, ...], changed: Chain) -> tuple[Chain, ...]:
    return (*(e for e in engagements if e.id != changed.id), changed)


# -- outside chains -------------------------------------------------------------------------------------------------


def _keep(authorised: Authorised, scene: Scene, communes: Communes) -> Effects:
    """Create and Update of an object that moves no chain: kept unchanged, unknown members included."""
    activity = authorised.activity
    document, name = activity.object, activity.object_id
    if document is None or name is None:
        return Effects()
    local = scene.hosts(activity.actor)
    if name == activity.actor:
        return Effects((_profile(document, authorised.keys, scene),))
    if activity.type == "Create" and scene.object_owner is not None:
        return Effects()
    readers = local_readers(activity.recipients, base=scene.base, local_actors=scene.local_actors)
    if local:
        readers = tuple(dict.fromkeys([*readers, *peer_readers(activity.recipients, base=scene.base)]))
    # What does not speak our vocabulary is read by its ActivityStreams members alone, whatever else it calls itself.
    told = document if local or scene.fedcoop else {k: v for k, v in document.items() if k != "fedcoopType"}
    kind = class_of(told)
    put = PutObject(name, activity.actor, kind, document, local, readers, scene.now)
    if kind == "Proposal" and not local:
        put = replace(put, object_class=kind_of(document))
        return Effects((put, *_foreign_listing(activity, document, name, readers, scene, communes)))
    return Effects((put,))


def _profile(document: Document, keys: KeyDocument | None, scene: Scene) -> PutActor:
    """A peer's actor says anything of itself, but where it is reached and by which keys its server is asked."""
    if keys is None:
        return PutActor(document, True, scene.now)
    fetched = {name: keys.actor[name] for name in OF_ITS_SERVER if name in keys.actor}
    said = {name: value for name, value in document.items() if name not in OF_ITS_SERVER}
    return PutActor({**said, **fetched}, False, keys.fetched_at)


def _foreign_listing(
    activity: Activity,
    document: Document,
    name: str,
    readers: tuple[str, ...],
    scene: Scene,
    communes: Communes,
) -> tuple[PutListing, ...]:
    """A plain FEP-0837 proposal is shown on the board."""
    plain = plain_proposal(name, activity.actor, document)
    shown = (*readers, f"{scene.base}/actors/coop/members")
    return (listing_of(plain, local=False, readers=shown, communes=communes, now=scene.now),)


def _bury(authorised: Authorised, scene: Scene, communes: Communes) -> Effects:
    activity = authorised.activity
    name = activity.object_id or ""
    if name == activity.actor:
        tombstone = PutActor({"id": name, "type": "Tombstone"}, scene.hosts(name), scene.now)
        return Effects((tombstone, *(DropFollow(f.follower, f.followed) for f in scene.follows)))
    said = sorted(types_of(activity.object) - {"Tombstone"}) if activity.object else []
    former = next(iter(said), scene.object_class or "Object")
    return Effects((BuryObject(name, former, scene.now), DropListing(name)))


def _follow(authorised: Authorised, scene: Scene, communes: Communes) -> Effects:
    """A Follow of the co-operative is accepted at once: who may send one was decided by the allow-list.

    So is one that was accepted before and is asked again, because the answer was lost on the way.
    """
    activity = authorised.activity
    followed = activity.object_id or ""
    put = PutFollow(activity.actor, followed, activity.id, "pending")
    again = scene.follow is not None and scene.follow.state == "accepted" and scene.hosts(followed)
    accept = Intent(followed, "Accept", {"object": activity.id, "to": [activity.actor]})
    return Effects((put,), (accept,) if again or followed == f"{scene.base}/actors/coop" else ())


def _answer_follow(authorised: Authorised, scene: Scene, communes: Communes) -> Effects:
    follow = scene.follow
    if follow is None:
        return Effects()
    if authorised.activity.type == "Accept":
        return Effects((PutFollow(follow.follower, follow.followed, follow.activity_id, "accepted"),))
    return Effects((PutFollow(follow.follower, follow.followed, follow.activity_id, "rejected"),))


def _undo(authorised: Authorised, scene: Scene, communes: Communes) -> Effects:
    follow = scene.follow
    return Effects((DropFollow(follow.follower, follow.followed),)) if follow else Effects()


def _probe(authorised: Authorised, scene: Scene, communes: Communes) -> Effects:
    """A Probe request is answered by a signed Probe; a reply never is (decision D9)."""
    activity = authorised.activity
    if activity.raw.get("inReplyTo") is not None or scene.hosts(activity.actor):
        return Effects()
    answerer = next(iter(sorted(scene.local_actors)), f"{scene.base}/actors/coop")
    return Effects((), (Intent(answerer, "Probe", {"inReplyTo": activity.id, "to": [activity.actor]}),))


def _report(authorised: Authorised, scene: Scene, communes: Communes) -> Effects:
    """A report of another server's is kept for our operator, who decides; nothing happens by itself."""
    activity = authorised.activity
    if scene.hosts(activity.actor):
        return Effects()
    return Effects(
        (PutReport(activity.id, activity.actor, flagged(activity), words_of(activity), scene.now),)
    )


Effect: TypeAlias = Callable[[Authorised, Scene, Communes], Effects]

EFFECTS: Final[Mapping[str, Effect]] = {
    "Create": _keep,
    "Update": _keep,
    "Delete": _bury,
    "Follow": _follow,
    "Accept": _answer_follow,
    "Reject": _answer_follow,
    "Undo": _undo,
    "Flag": _report,
    "Probe": _probe,
}
"""Outside chains, by activity type; the same types as `authorise.RULES`, less those that it always refuses."""
