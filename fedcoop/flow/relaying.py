"""Being a relay: servers subscribe, co-ops on the publishers' list say what is for everybody, and it goes on unchanged.

    found       the relay's own actor, which is all there is
    receive     a subscription, its end, or something to pass on
    decide      the operator answers who asked to subscribe

A relay has a right to distribute and none to speak (REL-7): whoever publishes through it is on the operator's list of
peers, whoever reads it subscribed, and these are two lists. It passes bytes on as they came, under its own request
signature; what they say is believed for their author's proof or not at all, by us as by whoever gets them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import structlog

from fedcoop.errors import Conflict, Forbidden, NotFound, RateLimited, TooLarge, Unverified
from fedcoop.flow.founding import check_unfounded, public_keys
from fedcoop.flow.keys import first_history
from fedcoop.flow.peering import admit, refusal_of
from fedcoop.flow.relays import REFUSED
from fedcoop.flow.saying import say_as_server
from fedcoop.flow.taking_in import Receipt, same_words
from fedcoop.flow.verifying import by_signature, courier_and_author, opened
from fedcoop.flow.world import Relaying, World
from fedcoop.ports import Reader, Relayed, Subscriber, Transaction
from fedcoop.protocol import actors
from fedcoop.protocol.ids import check_id, origin, same_origin
from fedcoop.protocol.limits import MAX_SUBSCRIBERS, MAX_SUBSCRIPTION, SUBSCRIBED_EVERY
from fedcoop.protocol.messages import (
    Activity,
    Claimed,
    Deliver,
    Document,
    PutActor,
    RawRequest,
    RecordActivity,
    Verified,
)
from fedcoop.protocol.opening import check_forwarded
from fedcoop.protocol.policy import EVERYTHING, TABLE
from fedcoop.protocol.relaying import (
    CARRIED,
    FILTER,
    RELATIONS,
    SERVERS,
    Facets,
    SubscriptionState,
    check_carried,
    facets_of,
    style_of,
    wish_of,
)
from fedcoop.protocol.shape import PUBLIC, class_of, id_of, ids_of, recipients

USERNAME: Final = "relay"

LISTED: Final = frozenset({"pending", "accepted"})
"""States in which a server is on the list of subscribers, or waits for it."""

log = structlog.get_logger()


async def found(world: World, *, name: str, profile: Mapping[str, Any]) -> str:
    """Create the relay's actor and its keys, and return its id.

    Raises:
        Misconfigured: this database belongs to an instance already; nothing was changed.
    """
    instance, now = world.instance, world.clock()
    await world.keyring.provide([instance.application])
    document = {
        **actors.application(base=instance.base, keys=public_keys(world, instance.application), name=name),
        "preferredUsername": USERNAME,
        # The address that operators of other servers copy is the one that the actor names (REL-1).
        "inbox": f"{instance.base}/inbox",
        **profile,
    }

    async def work(tx: Transaction) -> None:
        await check_unfounded(tx)
        await tx.make([PutActor(document, local=True, fetched_at=now), first_history(world, document, now)])
        await tx.put_meta("base", instance.base)

    await world.store.write(work)
    return instance.application


# -- what arrives ----------------------------------------------------------------------------------------------------


async def receive(request: RawRequest, *, world: World) -> Receipt:
    """Take in a subscription, its end, or what is to be passed on; return once that and its deliveries are durable.

    Raises:
        Refused, TryLater: with the check that failed; nothing was stored or passed on.
    """
    now, instance = world.clock(), world.instance
    claimed = opened(request, world=world, now=now)
    check_forwarded(claimed, allow_origins=instance.allow_origins)
    if claimed.activity.type in RELATIONS:
        return await _relation(claimed, world, now)
    if claimed.activity.type == "Announce":
        return await _announced(claimed, world, now)
    if claimed.activity.type not in CARRIED:
        return _dropped(claimed.activity, "not something that a relay carries")
    return await _published(claimed, world, now)


async def _published(claimed: Claimed, world: World, now: datetime) -> Receipt:
    activity = claimed.activity
    # (1) Whoever publishes, and whoever brings it, is on the operator's list (REL-7): else no key is fetched.
    await world.store.read(lambda reader: _admit(reader, claimed, world))
    # (2) For everybody, whole, and of its actor's own server.
    check_carried(activity)
    if claimed.forwarder is None:
        verified = await by_signature(world, claimed, now)
    else:
        verified = await courier_and_author(world, claimed, now)
    # (3) Nobody could believe what has no proof of its author's once it has left here.
    if not verified.proved:
        raise Unverified(
            "proof-missing",
            "What is relayed has its author's own proof.",
            expected="an eddsa-jcs-2022 proof by the actor",
        )
    came_by = {origin(activity.actor), claimed.forwarder or origin(activity.actor)}

    async def work(tx: Transaction) -> Receipt:
        # (1) Each activity goes on once, however often and by whatever way it comes (REL-06): loops end here.
        seen = await tx.activity(activity.id)
        if seen is not None:
            if same_words(seen, activity):
                return Receipt("duplicate", activity.id)
            raise Conflict(
                "id-reused", "This id was used before, for another activity.", received=activity.id
            )
        object_id = str(activity.object_id)
        before = await tx.relayed(object_id)
        # (2) What somebody else owns is not changed or ended by its neighbour.
        if before is not None and before.owner != activity.actor:
            raise Forbidden("not-owner", "The object belongs to somebody else.", received=activity.actor)
        facets = _facets(activity, before, relaying_of(world))
        if facets is None:
            return _dropped(activity, "nothing that this relay has carried or carries")
        await tx.make(
            [
                RecordActivity(activity, local=False, received_at=now, keys=verified.keys),
                PutActor(verified.keys.actor, local=False, fetched_at=verified.keys.fetched_at),
            ]
        )
        if activity.type == "Delete":
            await tx.forget_relayed(object_id)
        else:
            await tx.put_relayed(Relayed(object_id, activity.actor, facets[-1]))
        await _pass_on(tx, activity, facets, world, now, not_to=came_by)
        return Receipt("accepted", activity.id)

    receipt = await world.store.write(work)
    world.doorbell.ring()
    return receipt


def _facets(activity: Activity, before: Relayed | None, relaying: Relaying) -> tuple[Facets, ...] | None:
    """Return by what the activity is filtered: as its object was, and as it is; None when it is not carried."""
    found = [before.facets] if before is not None else []
    if activity.type != "Delete" and activity.object is not None:
        found.append(facets_of(activity.object, relaying.departments))
    return tuple(found) if any(relaying.carries.takes(facets) for facets in found) else None


async def _pass_on(
    tx: Transaction,
    activity: Activity,
    facets: tuple[Facets, ...],
    world: World,
    now: datetime,
    *,
    not_to: set[str],
) -> None:
    """Owe a copy to every subscriber who wants it, or an Announce to one of the LitePub style, but none to `not_to`."""
    wanting = [s for s in await _readers(tx, facets) if s.origin not in not_to]
    relay = world.instance.application
    copies = dict.fromkeys(s.inbox for s in wanting if s.style == "mastodon")
    await tx.make([Deliver(activity.id, relay, inbox, activity.body) for inbox in copies])
    told = tuple(dict.fromkeys(s.inbox for s in wanting if s.style == "litepub"))
    if told and activity.type == "Create":
        await say_as_server(tx, world, now, _announcement(str(activity.object_id), world), told)


async def _readers(tx: Transaction, facets: tuple[Facets, ...]) -> list[Subscriber]:
    """Return the subscribers who want something of these facets, less those whom our operator refuses."""
    refused = {p.origin for p in await tx.peers() if p.state in REFUSED}
    return [
        s
        for s in await tx.subscribers()
        if s.state == "accepted" and s.origin not in refused and any(map(s.wish.takes, facets))
    ]


# -- announcements: the LitePub style --------------------------------------------------------------------------------


async def _announced(claimed: Claimed, world: World, now: datetime) -> Receipt:
    """A publisher of the LitePub style names something of its own; we read it there, and announce it in our turn."""
    activity, instance = claimed.activity, world.instance
    # (1) As for whoever publishes; and nobody announces in somebody else's name.
    await world.store.read(lambda reader: _admit(reader, claimed, world))
    if claimed.forwarder is not None:
        return _dropped(activity, "an Announce that somebody else brings")
    await by_signature(world, claimed, now)
    # (2) Something of its own: a relay that announces what others say is how loops begin.
    iri = check_id(activity.object_id or "", allow_origins=instance.allow_origins)
    if not same_origin(iri, activity.actor):
        return _dropped(activity, "an Announce of something that lives elsewhere")
    if await world.store.read(lambda reader: reader.relayed(iri)) is not None:
        return Receipt("duplicate", activity.id)
    document = await world.fetcher.document(iri)
    owner = next(iter(ids_of(document.get("attributedTo"))), activity.actor)
    # (3) For everybody, as its own server shows it.
    if document.get("id") != iri or PUBLIC not in recipients(document) or not same_origin(owner, iri):
        raise Forbidden("not-relayed", "A relay carries what is for everybody.", received=iri)
    relaying = relaying_of(world)
    facets = facets_of(document, relaying.departments)
    if not relaying.carries.takes(facets):
        return _dropped(activity, "nothing that this relay carries")

    async def work(tx: Transaction) -> Receipt:
        if await tx.relayed(iri) is not None:
            return Receipt("duplicate", activity.id)
        await tx.put_relayed(Relayed(iri, owner, facets))
        inboxes = dict.fromkeys(s.inbox for s in await _readers(tx, (facets,)) if s.origin != origin(iri))
        if inboxes:
            await say_as_server(tx, world, now, _announcement(iri, world), tuple(inboxes))
        return Receipt("accepted", activity.id)

    receipt = await world.store.write(work)
    world.doorbell.ring()
    return receipt


def _announcement(iri: str, world: World) -> dict[str, Any]:
    relay = world.instance.application
    return {"type": "Announce", "object": iri, "to": [PUBLIC], "cc": [f"{relay}/followers"]}


# -- subscriptions ---------------------------------------------------------------------------------------------------


async def _relation(claimed: Claimed, world: World, now: datetime) -> Receipt:
    """A server subscribes or ends it; what it answers to a follow of ours changes nothing.

    Nothing of it is recorded but the subscription: whoever asks may be nobody that anybody decided about.
    """
    activity = claimed.activity
    # (1) Small, as what it says is.
    if len(activity.body) > MAX_SUBSCRIPTION:
        raise TooLarge(
            "too-large",
            "This is more than a subscription says.",
            expected=f"at most {MAX_SUBSCRIPTION} bytes",
        )
    # (2) Anybody may ask, but whom our operator refuses, who may still leave; and each for itself.
    if activity.type != "Undo":
        await world.store.read(lambda reader: _not_refused(reader, claimed, world))
    if claimed.forwarder is not None:
        raise Forbidden("wrong-party", "A server subscribes for itself.", received=claimed.forwarder)
    verified = await by_signature(world, claimed, now)
    change = {"Follow": _subscribe, "Undo": _unsubscribe}.get(activity.type)
    if change is None:
        return _dropped(activity, "an answer to a relay")
    receipt = await world.store.write(lambda tx: change(tx, verified, world, now))
    world.doorbell.ring()
    return receipt


async def _subscribe(tx: Transaction, verified: Verified, world: World, now: datetime) -> Receipt:
    activity, relay = verified.activity, world.instance.application
    # (1) It is us that it follows.
    style = style_of(activity, relay)
    if style is None:
        raise NotFound("not-found", "There is no such actor here.", expected=f"{PUBLIC} or {relay}")
    # (2) It speaks for a server.
    kind = class_of(verified.keys.actor) or str(verified.keys.actor.get("type"))
    if kind not in SERVERS:
        raise Forbidden(
            "wrong-party", "A server subscribes, not a person.", expected="an Application", received=kind[:80]
        )
    wish, everybody, host = wish_of(activity.raw.get(FILTER)), await tx.subscribers(), origin(activity.actor)
    known = next((s for s in everybody if s.origin == host), None)
    if known is not None and known.follow_id == activity.id:
        return Receipt("duplicate", activity.id)
    # (3) One subscription of each server, whatever number of actors it has.
    if known is not None and known.actor != activity.actor and known.state in LISTED:
        raise Forbidden("wrong-party", "Your server has subscribed already.", expected=known.actor)
    # (4) Not every second: each Follow is answered.
    if known is not None and now - known.asked_at < SUBSCRIBED_EVERY:
        wait = int(SUBSCRIBED_EVERY.total_seconds())
        raise RateLimited("rate-limited", "Your server has asked just now.", retry_after=wait)
    # (5) A list of those who ask has an end, or it is one more thing to fill.
    if (known is None or known.state not in LISTED) and sum(
        s.state in LISTED for s in everybody
    ) >= MAX_SUBSCRIBERS:
        raise Forbidden(
            "not-relayed", "This relay takes no more subscribers.", expected=f"{MAX_SUBSCRIBERS} at most"
        )
    # (6) It is sent things where it lives.
    inbox = check_id(_inbox_of(verified.keys.actor), allow_origins=world.instance.allow_origins)
    if not same_origin(inbox, activity.actor):
        raise Forbidden("foreign-origin", "The inbox lives elsewhere.", received=inbox)
    state: SubscriptionState = "accepted" if relaying_of(world).open else "pending"
    if known is not None and known.state != "ended":
        state = known.state
    await _make_room(tx, everybody, known)
    subscriber = Subscriber(
        activity.actor, host, inbox, activity.id, style, state, wish,
        known.since if known else now, now, known.decided_at if known else None,
    )  # fmt: skip
    await tx.make([PutActor(verified.keys.actor, local=False, fetched_at=verified.keys.fetched_at)])
    await tx.put_subscriber(subscriber)
    if state != "pending":
        await _answer(tx, subscriber, world, now)
    return Receipt("accepted", activity.id)


def _inbox_of(actor: Document) -> str:
    shared = actor.get("endpoints")
    inbox = shared.get("sharedInbox") if isinstance(shared, Mapping) else None
    return inbox if isinstance(inbox, str) else str(actor["inbox"])


async def _make_room(tx: Transaction, everybody: tuple[Subscriber, ...], known: Subscriber | None) -> None:
    """Forget the server's own earlier row, and of those who are gone the longest gone."""
    if known is not None:
        await tx.forget_subscriber(known.actor)
    gone = [s for s in everybody if s.state not in LISTED and s is not known]
    for one in sorted(gone, key=lambda s: s.asked_at)[: max(0, len(gone) - MAX_SUBSCRIBERS)]:
        await tx.forget_subscriber(one.actor)


async def _unsubscribe(tx: Transaction, verified: Verified, world: World, now: datetime) -> Receipt:
    activity = verified.activity
    known = await tx.subscriber(activity.actor)
    about = activity.object
    # Some embed the Follow with a new id: whoever takes a Follow of us back has only one.
    of_us = about is not None and about.get("type") == "Follow" and id_of(about.get("object")) in (
        PUBLIC, world.instance.application,
    )  # fmt: skip
    ends = known is not None and known.state in LISTED and (of_us or activity.object_id == known.follow_id)
    if known is None or not ends:
        return _dropped(activity, "no subscription that it could end")
    await tx.put_subscriber(replace(known, state="ended"))
    return Receipt("accepted", activity.id)


async def decide(actor: str, state: SubscriptionState, *, world: World) -> Subscriber:
    """Accept or reject who asked to subscribe, or who had been decided about; it is told.

    Raises:
        NotFound: nobody of that id, or of that origin, has asked.
    """
    now = world.clock()

    async def work(tx: Transaction) -> Subscriber:
        known = next((s for s in await tx.subscribers() if actor in (s.actor, s.origin)), None)
        if known is None or known.state == "ended":
            raise NotFound("not-found", "Nobody there has asked to subscribe.", received=actor)
        decided = replace(known, state=state, decided_at=now)
        await tx.put_subscriber(decided)
        if known.state != state:
            await _answer(tx, decided, world, now)
        return decided

    decided = await world.store.write(work)
    world.doorbell.ring()
    return decided


async def subscribers(world: World) -> tuple[Subscriber, ...]:
    """Return who subscribed or asked to, the oldest first."""
    everybody = await world.store.read(lambda reader: reader.subscribers())
    return tuple(one for one in everybody if one.state != "ended")


async def _answer(tx: Transaction, subscriber: Subscriber, world: World, now: datetime) -> None:
    """Tell a subscriber what became of its Follow; in the LitePub style a relay then follows back."""
    relay = world.instance.application
    asked = PUBLIC if subscriber.style == "mastodon" else relay
    follow = {"id": subscriber.follow_id, "type": "Follow", "actor": subscriber.actor, "object": asked}
    kind = "Accept" if subscriber.state == "accepted" else "Reject"
    # `to` is a list: some readers know no other form (REL-3).
    answer = {"type": kind, "object": follow, "to": [subscriber.actor]}
    await say_as_server(tx, world, now, answer, (subscriber.inbox,))
    if subscriber.style == "litepub" and subscriber.state == "accepted":
        back = {"type": "Follow", "object": subscriber.actor, "to": [subscriber.actor]}
        await say_as_server(tx, world, now, back, (subscriber.inbox,))


# -- common ----------------------------------------------------------------------------------------------------------


def relaying_of(world: World) -> Relaying:
    """Return how this instance relays; it is a relay wherever this is asked."""
    if world.instance.relaying is None:
        raise NotFound("not-found", "This instance is no relay.")
    return world.instance.relaying


async def _admit(reader: Reader, claimed: Claimed, world: World) -> None:
    """Raise Forbidden unless the author's server, and the courier's if it is another, may publish here."""
    contact = f"{world.instance.base}/"
    for host in (origin(claimed.activity.actor), claimed.forwarder):
        if host is None:
            continue
        peer = await reader.peer(host)
        # (1) Somebody that the operator has let in ...
        admit(peer, host, contact=contact)
        # (2) ... with nothing held back.
        if peer is not None and TABLE[peer.state].deeds != EVERYTHING:
            raise refusal_of(peer, host, contact=contact)


async def _not_refused(reader: Reader, claimed: Claimed, world: World) -> None:
    host = claimed.forwarder or origin(claimed.activity.actor)
    peer = await reader.peer(host)
    if peer is not None and peer.state in REFUSED:
        raise refusal_of(peer, host, contact=f"{world.instance.base}/")


def _dropped(activity: Activity, why: str) -> Receipt:
    """Accept without effect: a relay that refuses what it does not carry would be left (D3)."""
    log.info("relay.dropped", type=activity.type[:80], origin=origin(activity.actor), why=why)
    return Receipt("ignored", activity.id)
