"""Using relays: they carry what we publish to everybody, and bring what others do (FEP-ae0c).

    subscribe, leave    what the operator does; a relay answers when its own operator has decided
    speaking            the relay of ours through which a message comes
    answered            its answer to our Follow
    report              it brought something that was not as its author had said it

A relay is trusted for transport alone: what it brings passes `flow/brought.py` by its author's proof.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import structlog

from fedcoop.errors import FedcoopError, Forbidden, Invalid, NotFound
from fedcoop.flow.peering import refusal_of_our_own
from fedcoop.flow.saying import say_as_server
from fedcoop.flow.world import Instance, World
from fedcoop.ports import Reader, Relay, RelayReport, Transaction
from fedcoop.protocol.authorise import follow_target
from fedcoop.protocol.ids import check_id, origin, same_origin
from fedcoop.protocol.limits import MAX_RELAY_REPORTS
from fedcoop.protocol.messages import Activity, Claimed, Document, PutActor, Verified
from fedcoop.protocol.relaying import FILTER, Wish
from fedcoop.protocol.shape import PUBLIC

SAYS: Final = frozenset({"Accept", "Reject", "Announce"})
"""What a relay says itself that means something to us."""

REFUSED: Final = frozenset({"frozen", "blocked"})
"""States of a server through which nothing comes, be it a relay's."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Used:
    """A relay of ours, and what it brought that was false, the newest first."""

    relay: Relay
    reports: tuple[RelayReport, ...]


async def subscribe(url: str, wish: Wish, *, world: World) -> Relay:
    """Ask the relay at `url`, its actor's id or its inbox, to send us what it carries; return it as it stands.

    Asked again for the same it changes nothing; for something else, or after a refusal, a new Follow is sent.

    Raises:
        Malformed: `url` cannot be one. NotFound, Unverified, Unavailable: there is no actor.
        Invalid: it is our own. Forbidden: our operator refuses its server.
    """
    instance, now = world.instance, world.clock()
    check_id(url, allow_origins=instance.allow_origins)
    # (1) Ourselves we hear anyway.
    if instance.hosts(url):
        raise Invalid("wrong-party", "An instance does not subscribe to itself.", received=url)
    document = await _relay_actor(url, world)
    name, inbox = str(document["id"]), str(document.get("inbox"))
    # (2) Whatever we say to everybody goes to this address.
    check_id(inbox, allow_origins=instance.allow_origins)
    if not same_origin(inbox, name):
        raise Invalid("foreign-origin", "The relay's inbox lives elsewhere.", expected=name, received=inbox)

    async def work(tx: Transaction) -> Relay:
        peer = await tx.peer(origin(name))
        if peer is not None and peer.state in REFUSED:
            raise refusal_of_our_own(peer, peer.origin)
        known = await tx.relay(name)
        if known is not None and known.state != "rejected" and (known.wish, known.inbox) == (wish, inbox):
            return known
        follow: dict[str, Any] = {"type": "Follow", "object": PUBLIC}
        if wish.document():
            follow[FILTER] = wish.document()
        await tx.make([PutActor(document, local=False, fetched_at=now)])
        said = await say_as_server(tx, world, now, follow, (inbox,))
        asked = Relay(name, origin(name), inbox, said.id, "pending", wish, known.since if known else now)
        await tx.put_relay(asked)
        return asked

    relay = await world.store.write(work)
    world.doorbell.ring()
    return relay


async def leave(named: str, *, world: World) -> Relay:
    """End our subscription to a relay, by its actor's id, its inbox or its origin; what it brings counts no more.

    Raises:
        NotFound: we did not subscribe there.
    """
    now = world.clock()

    async def work(tx: Transaction) -> Relay:
        known = next((r for r in await tx.relays() if named in (r.actor, r.inbox, r.origin)), None)
        if known is None:
            raise NotFound("not-found", "We are not subscribed to a relay there.", received=named)
        application = world.instance.application
        follow = {"id": known.follow_id, "type": "Follow", "actor": application, "object": PUBLIC}
        await say_as_server(tx, world, now, {"type": "Undo", "object": follow}, (known.inbox,))
        await tx.forget_relay(known.actor)
        return known

    left = await world.store.write(work)
    world.doorbell.ring()
    return left


async def used(world: World) -> tuple[Used, ...]:
    """Return the relays that we asked, the oldest first."""

    async def find(reader: Reader) -> tuple[Used, ...]:
        return tuple([Used(r, await reader.relay_reports(r.actor)) for r in await reader.relays()])

    return await world.store.read(find)


# -- what comes through them ----------------------------------------------------------------------------------------


async def speaking(claimed: Claimed, world: World) -> Relay | None:
    """Return the relay of ours that brings a message or says it; None when none does. Who signed is not verified."""
    activity, courier = claimed.activity, claimed.forwarder
    if courier is not None:
        return await world.store.read(lambda reader: reader.relay_at(courier))
    if activity.type in SAYS:
        return await world.store.read(lambda reader: reader.relay(activity.actor))
    return None


async def check_welcome(reader: Reader, relay: Relay, instance: Instance) -> None:
    """Raise Forbidden when our operator refuses the server that the relay is on (MOD-02)."""
    peer = await reader.peer(relay.origin)
    if peer is not None and peer.state in REFUSED:
        raise Forbidden(peer.state, "We take nothing from this relay.", received=relay.origin)


async def answered(verified: Verified, relay: Relay, *, world: World, now: datetime) -> bool:
    """Take a relay's answer to our Follow; False when it answers nothing that we asked (REL-2, REL-04)."""
    activity = verified.activity
    if activity.type not in ("Accept", "Reject") or follow_target(activity) != relay.follow_id:
        return False
    state = "accepted" if activity.type == "Accept" else "rejected"

    async def work(tx: Transaction) -> None:
        known = await tx.relay(relay.actor)
        # (1) Still wanted, by this very Follow: an answer to one that we have taken back counts no more.
        if known is not None and known.follow_id == relay.follow_id:
            await tx.put_relay(replace(known, state=state, answered_at=now))  # type: ignore[arg-type]

    await world.store.write(work)
    log.info("relay.answered", relay=relay.actor, state=state)
    return True


async def report(relay: Relay, activity: Activity, code: str, *, world: World, now: datetime) -> None:
    """Keep for the operator that a relay brought something whose author did not say it."""
    false = RelayReport(relay.actor, activity.id, code, now)
    if await world.store.write(lambda tx: tx.put_relay_report(false, keep=MAX_RELAY_REPORTS)):
        log.warning("relay.false", relay=relay.actor, activity=activity.id, code=code)


async def _relay_actor(url: str, world: World) -> Document:
    """Return the actor whose id or inbox `url` is: the inbox is what operators of other servers are given (REL-1)."""
    try:
        return await world.fetcher.actor(url)
    except FedcoopError:
        document = await _actor_of_inbox(url, world)
        if document is None:
            raise
        return document


async def _actor_of_inbox(url: str, world: World) -> Document | None:
    """Return the actor at `/actor`, where relays have theirs, if this is its inbox."""
    try:
        document = await world.fetcher.actor(f"{origin(url)}/actor")
    except FedcoopError:
        return None
    return document if document.get("inbox") == url else None
