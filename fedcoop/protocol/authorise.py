"""Who may do what: `Verified` + `Scene` -> `Authorised`, or the refusal that says why.

Two doors, one rule book. `authorise` is for what another server sent and we verified; `authorise_own` is for what our
own members say, who were authenticated by their token. Everything that is not allowed by name is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from fedcoop.errors import (
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    Malformed,
    NotFound,
    NotImplementedYet,
    Unavailable,
    Unverified,
)
from fedcoop.protocol import agreements, guards
from fedcoop.protocol import chain as chains
from fedcoop.protocol.chain import Placement, Reference, Taken
from fedcoop.protocol.facts import Facts
from fedcoop.protocol.ids import same_origin
from fedcoop.protocol.messages import Activity, Authorised, Chain, Document, Link, Verified
from fedcoop.protocol.model import AUTHORISATION, CLASSES, NAMESPACE
from fedcoop.protocol.policy import AGREEMENT
from fedcoop.protocol.reports import check_report
from fedcoop.protocol.shape import PUBLIC, id_of, ids_of
from fedcoop.protocol.times import said_time


@dataclass(frozen=True, slots=True)
class FollowFact:
    """A follow relation that the activity speaks of."""

    follower: str
    followed: str
    activity_id: str
    state: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a decision may know about the world, read in one transaction (`flow/scene.py`)."""

    base: str
    now: datetime
    fedcoop: bool
    """The contexts of the document let fedcoop meaning be drawn from it (decision D2)."""
    reference: Reference | None = None
    chain: Chain | None = None
    links: tuple[Link, ...] = ()
    prefix: Chain | None = None
    """The chain without its tentative tail, when `place` said that the activity displaces it."""
    facts: Facts = field(default_factory=Facts)
    object_owner: str | None = None
    """Owner of the stored object (or the actor itself) that the activity names; None when it is unknown here."""
    object_class: str = ""
    """Class of the stored object that the activity names, "" when it is unknown here."""
    object_updated: datetime | None = None
    """When the stored object (or the actor itself) says that it was changed last; None when it says nothing of it."""
    object_gone: bool = False
    """The object that the activity names was deleted."""
    in_use: frozenset[str] = frozenset()
    """Those ids that the activity gives to something new, but that name something here already."""
    taken_off: tuple[Activity, ...] = ()
    """The activities of the tentative tail, when `place` said that the activity displaces it."""
    follow: FollowFact | None = None
    follows: tuple[FollowFact, ...] = ()
    """Delete of an actor: who follows it, and whom it follows."""
    profile: Document | None = None
    """Update of one of our actors: its document as it stands."""
    local_actors: frozenset[str] = frozenset()
    """Those of the actors named in the activity that we host."""
    rule_digest: str | None = None
    """Digest of the pricing rule that a mission of ours names: who answers it answers that very rule."""
    credential: Document | None = None
    """Our own speaker's MembershipCredential, to be shown where a carried worker must show one."""

    def hosts(self, iri: str) -> bool:
        """Tell whether `iri` lives on this instance."""
        return iri.startswith(self.base + "/")


CONTRACT_CLASSES: Final = frozenset(
    {"Mission", "ServiceOffer", "Need", "Engagement", "WorkRecord", "Receipt", AGREEMENT}
)
"""Classes whose activities move a chain and therefore carry a proof (decision D5)."""

ROWS: Final[Mapping[tuple[str, str], bool]] = {
    (row.activity, name): any(
        other.implemented
        for other in AUTHORISATION
        if other.activity == row.activity and name in other.object_classes
    )
    for row in AUTHORISATION
    for name in row.object_classes
}
"""(activity type, what it is about) to whether this release does it, as the vocabulary's table says."""

LATER: Final = frozenset({activity for activity, _ in ROWS}) - {
    activity for (activity, _), implemented in ROWS.items() if implemented
}
"""Activities of the vocabulary that this release refuses as not implemented, whatever they are about."""

OWN_CLASSES: Final = frozenset(name for name, info in CLASSES.items() if info.iri.startswith(NAMESPACE))
"""Classes that only the vocabulary's table speaks for; everything else is an opaque object to us."""


class Ignored(Exception):
    """Not a failure: answered 202 without effect and counted (decision D3). `why` says which of the three cases."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def may_be_forwarded(activity: Activity, scene: Scene, *, courier: str) -> bool:
    """Tell whether `activity` counts when the server at origin `courier` brings it.

    Only where an old one brought again does nothing: a proof never ends. What is new takes its id once, and a step of
    a chain its version; but an old profile or an old Undo could be brought in place of a newer word, so those are heard
    from their own server alone (REL-8). And only what was meant for us as far as we can see: for everybody, for one of
    ours, or for a collection of the courier's; whom another server's collection holds is for that server to say.
    """
    meant = any(r == PUBLIC or scene.hosts(r) or r.startswith(courier + "/") for r in activity.recipients)
    return meant and (activity.type == "Create" or scene.chain is not None)


def authorise(verified: Verified, scene: Scene) -> Authorised:
    """Return what the verified activity may do here.

    Raises:
        Refused, TryLater: it may not, or not yet; nothing was changed.
        Ignored: it is accepted without effect.
    """
    activity = verified.activity
    if _is_contract(activity, scene):
        _check_proof(activity, verified, scene)
    taken = _allowed(activity, scene)
    # (1) A contract is between its parties, and we keep it for ours: nobody leaves other people's with us.
    parties = taken.chain.parties.values() if taken is not None else ()
    if taken is not None and taken.chain.kind == "Engagement" and not any(map(scene.hosts, parties)):
        raise Forbidden("wrong-party", "None of its parties is here.", received=activity.id)
    if taken is not None and taken.chain.kind == AGREEMENT:
        agreements.check_party_here(taken.chain, coop=f"{scene.base}/actors/coop")
    return _authorised(activity, scene, taken, verified)


def authorise_own(activity: Activity, scene: Scene) -> Authorised:
    """Return what an activity of one of our own actors may do: same rules, same refusals, and nothing is ignored.

    Raises:
        Refused: it may not; nothing was changed.
    """
    # Who leaves takes the history along: that is mobility, and not in this release.
    if activity.type == "Delete" and activity.object_id == activity.actor:
        raise NotImplementedYet(
            "not-implemented", "Closing an account is not in this release; see ROADMAP.md."
        )
    try:
        taken = _allowed(activity, scene)
    except Ignored as ignored:
        if activity.type in RULES:
            raise NotFound(
                "not-found", f"Nothing to do: {ignored.why}.", received=activity.object_id
            ) from None
        raise NotImplementedYet(
            "not-implemented", f"{activity.type} is not something that we can say."
        ) from None
    return _authorised(activity, scene, taken, None)


def _check_proof(activity: Activity, verified: Verified, scene: Scene) -> None:
    # (1) Steps of a contract carry a proof of their own: the HTTP signature proves the courier, for this once.
    if not verified.proved:
        raise Unverified(
            "proof-missing",
            "A step of a contract carries a data integrity proof by its sender.",
            expected="proof: eddsa-jcs-2022",
            received="no proof",
        )
    # (2) It was signed when it was said: a proof is judged by that instant for ever after (`history.verify_history`).
    proof = activity.raw.get("proof")
    created = guards.moment(proof.get("created")) if isinstance(proof, Mapping) else None
    said = guards.said_at(activity.raw)
    if created is None or not -scene.facts.ahead <= created - said <= scene.facts.ahead:
        raise Unverified(
            "proof-invalid",
            "The proof was not made when the activity was.",
            expected=f"created near {said.isoformat()}",
            received=str(created),
        )


def _authorised(
    activity: Activity, scene: Scene, taken: Taken | None, verified: Verified | None
) -> Authorised:
    by_owner = taken is not None and activity.actor == taken.chain.owner
    return Authorised(
        activity=activity,
        keys=verified.keys if verified else None,
        chain=taken.chain if taken else None,
        displaces_from=taken.placement.displaces_from if taken else None,
        confirmed=taken is None or by_owner or scene.facts.owner_here,
        refs=taken.refs if taken else (),
    )


def _is_contract(activity: Activity, scene: Scene) -> bool:
    contract = scene.fedcoop and activity.object_class in CONTRACT_CLASSES
    return (
        scene.chain is not None
        or contract
        or (activity.type == "Offer" and activity.object_class == "Engagement")
    )


def _allowed(activity: Activity, scene: Scene) -> Taken | None:
    # (1) What is said of an object is said by its owner's server: ids and owners share an origin.
    _check_origins(activity)
    if _speaks_of_chain(activity, scene):
        return _chain_rule(activity, scene)
    # (2) What this release does not do is refused, and what nobody has heard of is let pass without effect.
    rule = RULES.get(activity.type)
    if rule is None:
        if activity.type in LATER:
            raise NotImplementedYet(
                "not-implemented", f"{activity.type} is not in this release; see ROADMAP.md."
            )
        raise Ignored("unknown activity type")
    # (3) What the vocabulary names is done as its table says, or not at all.
    _check_listed(activity, scene)
    rule(activity, scene)
    return None


def _check_listed(activity: Activity, scene: Scene) -> None:
    """A class of the vocabulary is no opaque object: without a row in the table nothing may be done with it."""
    name = activity.object_class
    if not scene.fedcoop or name not in OWN_CLASSES or activity.object_id == activity.actor:
        return
    done = ROWS.get((activity.type, name))
    if done is None and name in CONTRACT_CLASSES:
        raise Conflict(
            "illegal-transition", f"No lifecycle has {activity.type} of {name}.", received=activity.id
        )
    if done is None:
        raise Invalid("unsupported-type", f"{activity.type} of {name} is not in the table.", received=name)
    if not done:
        raise NotImplementedYet("not-implemented", f"{activity.type} of {name} is not in this release.")


def _speaks_of_chain(activity: Activity, scene: Scene) -> bool:
    if scene.reference is None:
        return False
    if scene.reference.kind is not None:
        # A plain FEP-0837 peer answers our proposals without our context.
        plain = activity.type == "Offer" and scene.reference.kind == "Engagement"
        return scene.fedcoop or scene.chain is not None or plain
    return scene.chain is not None or activity.previous_digest is not None


def _chain_rule(activity: Activity, scene: Scene) -> Taken:
    reference = scene.reference
    if reference is None:
        raise Malformed("malformed-activity", "It names no chain.")
    # (1) Only its parties hear how a chain stands, and be it by hearing that they are late.
    if scene.chain is not None and activity.actor not in scene.chain.parties.values():
        raise Forbidden("wrong-party", "Only a party to it may do this.", received=activity.actor)
    # (2) A first activity begins a chain; a second "first" one is a fork.
    if scene.chain is not None and reference.begins and activity.state_version == 1:
        raise Conflict("stale", "This object exists already; its chain has begun.", received=activity.id)
    placement = chains.place(scene.chain, scene.links, activity)
    if scene.chain is None and not reference.begins:
        raise Unavailable("predecessor-unknown", "Nothing of this chain has arrived here yet.", retry_after=5)
    # (3) Whoever begins a chain does not take over what is somebody else's.
    if scene.chain is None:
        _stored_owner(activity, scene)
    # (4) A new name is new: what a step leaves behind does not replace what has that name already.
    if scene.in_use:
        raise Conflict("id-reused", "This id names something else already.", received=min(scene.in_use))
    before = scene.prefix if placement.displaces_from is not None else scene.chain
    return chains.take(activity, before, scene.facts, placement)


def displaced(scene: Scene, activity: Activity) -> Placement | None:
    """Return the placement when the activity displaces a tentative tail (the flow then reads the prefix), else None."""
    if scene.chain is None or not _speaks_of_chain(activity, scene):
        return None
    if scene.reference is not None and scene.reference.begins and activity.state_version == 1:
        return None
    try:
        placement = chains.place(scene.chain, scene.links, activity)
    except (Conflict, Unavailable):
        return None
    return placement if placement.displaces_from is not None else None


def named_anew(activity: Activity) -> tuple[str, ...]:
    """Return the ids that `activity` gives: of the object it creates or offers, and of its result."""
    result = activity.raw.get("result")
    given = [id_of(result) if isinstance(result, Mapping) else None]
    if activity.type in ("Create", "Offer") and activity.object is not None:
        given.append(activity.object_id)
    return tuple(iri for iri in given if iri is not None)


def _check_origins(activity: Activity) -> None:
    obj = activity.object
    # (1) Nobody gives names on somebody else's server, whether to an object, an offer or a result.
    brought = [*named_anew(activity), *([activity.object_id] if activity.type == "Update" else [])]
    for iri in brought:
        if iri is not None and not same_origin(iri, activity.actor):
            raise Forbidden(
                "foreign-origin", "The object lives elsewhere.", expected=activity.actor, received=iri
            )
    # (2) Nobody writes in somebody else's name.
    if activity.type not in ("Create", "Update") or obj is None:
        return
    owners = ids_of(obj.get("attributedTo"))
    if owners and activity.actor not in owners:
        raise Forbidden(
            "not-owner",
            "The object is attributed to somebody else.",
            expected=activity.actor,
            received=owners[0],
        )


# -- outside chains -------------------------------------------------------------------------------------------------


def _own_object(activity: Activity, scene: Scene) -> None:
    """Create and Update carry an object of the sender's own; an actor may update itself."""
    if activity.object is None:
        raise Malformed(
            "malformed-activity", f"{activity.type} embeds its object.", expected="`object`: an object"
        )
    _stored_owner(activity, scene)
    # An actor that we never knew changes nothing here (decision D3).
    if activity.type == "Update" and activity.object_id == activity.actor and scene.object_owner is None:
        raise Ignored("update of an unknown actor")
    if scene.object_gone:
        raise Gone(
            "gone", "It was deleted; what is written now needs another id.", received=activity.object_id
        )
    if activity.type == "Update" and not scene.hosts(activity.actor):
        _is_newest(activity.object, scene.object_updated)


def _is_newest(document: Document, known: datetime | None) -> None:
    """Outside chains nothing but `updated` tells the order: what we have stays when it is newer, or alone says when."""
    said = said_time(document.get("updated"))
    if known is not None and (said is None or said < known):
        raise Ignored("an update older than what is known")


def _delete(activity: Activity, scene: Scene) -> None:
    """Delete is for the owner; deleting what we never knew has no effect and fetches nothing (AP-27)."""
    if activity.object_id is None:
        raise Malformed("malformed-activity", "Delete names its object.", expected="`object`")
    if not same_origin(activity.object_id, activity.actor):
        raise Forbidden("foreign-origin", "The object lives elsewhere.", received=activity.object_id)
    if scene.object_owner is None:
        raise Ignored("delete of an unknown object")
    _stored_owner(activity, scene)


def _stored_owner(activity: Activity, scene: Scene) -> None:
    if scene.object_owner is not None and scene.object_owner != activity.actor:
        raise Forbidden("not-owner", "The object belongs to somebody else.", received=activity.actor)


def _follow(activity: Activity, scene: Scene) -> None:
    """Anybody admitted may ask to follow one of our actors; ours may ask to follow anybody."""
    if activity.object_id is None:
        raise Malformed("malformed-activity", "Follow names an actor.", expected="`object`")
    if scene.hosts(activity.object_id) and activity.object_id not in scene.local_actors:
        raise NotFound("not-found", "There is no such actor here.", received=activity.object_id)
    if not scene.hosts(activity.actor) and not scene.hosts(activity.object_id):
        raise Forbidden("wrong-party", "It follows nobody here.", received=activity.object_id)


def _answer_follow(activity: Activity, scene: Scene) -> None:
    """Accept and Reject outside chains answer a Follow, and only the followed may."""
    if scene.follow is None:
        raise NotFound(
            "not-found",
            f"There is nothing here that this {activity.type} answers.",
            received=activity.object_id,
        )
    if scene.follow.followed != activity.actor:
        raise Forbidden(
            "wrong-party", "Only the followed actor answers a Follow.", expected=scene.follow.followed
        )


def _undo(activity: Activity, scene: Scene) -> None:
    """Undo outside chains takes back a Follow, and only the follower may."""
    if scene.follow is None:
        raise NotFound(
            "not-found", "There is nothing here that this would undo.", received=activity.object_id
        )
    if scene.follow.follower != activity.actor:
        raise Forbidden(
            "wrong-party", "Only the follower takes a Follow back.", expected=scene.follow.follower
        )


def _offer(activity: Activity, scene: Scene) -> None:
    raise NotImplementedYet(
        "not-implemented",
        "Only an Offer of an Agreement or of a FederationAgreement is in this release.",
        received=activity.object_class,
    )


def _answer_offer(activity: Activity, scene: Scene) -> None:
    """Outside a chain there is no offer that could be shortlisted or countered."""
    raise NotFound("not-found", "There is no such offer here.", received=activity.object_id)


def _flag(activity: Activity, scene: Scene) -> None:
    """A Flag between servers is a report for the operator, and has no effect but to be kept."""
    check_report(activity, speaker=scene.facts.keys.get(activity.actor, {}), base=scene.base)


def _probe(activity: Activity, scene: Scene) -> None:
    """A Probe changes nothing (decision D9)."""


Rule: TypeAlias = Callable[[Activity, Scene], None]

RULES: Final[Mapping[str, Rule]] = {
    "Create": _own_object,
    "Update": _own_object,
    "Delete": _delete,
    "Follow": _follow,
    "Accept": _answer_follow,
    "Reject": _answer_follow,
    "Undo": _undo,
    "Offer": _offer,
    "TentativeAccept": _answer_offer,
    "TentativeReject": _answer_offer,
    "Flag": _flag,
    "Probe": _probe,
}
"""Outside chains, by activity type. What is not here is `LATER` or unknown."""


def follow_target(activity: Activity) -> str | None:
    """Return the id of the Follow that an Accept, Reject or Undo speaks of (as a string or embedded)."""
    return activity.object_id or id_of(activity.raw.get("object"))
