"""What comes through a relay of ours: its answer, its announcements, and what it brings of others (FEP-ae0c, REL-5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from fedcoop.errors import FedcoopError, Refused, TryLater, Unverified
from fedcoop.flow import relays
from fedcoop.flow.taking_in import (
    Came,
    Receipt,
    ignored,
    is_about_a_stranger,
    receive_carried,
    take_in,
)
from fedcoop.flow.verifying import by_proof, by_signature, the_request
from fedcoop.flow.world import World
from fedcoop.ports import (
    Reader,
    Relay,
)
from fedcoop.protocol import strict_json
from fedcoop.protocol.history import steps_of
from fedcoop.protocol.ids import check_id, origin
from fedcoop.protocol.limits import MAX_CHAIN_STEPS_SENT
from fedcoop.protocol.messages import (
    Activity,
    Claimed,
)
from fedcoop.protocol.opening import proof_method
from fedcoop.protocol.policy import TABLE
from fedcoop.protocol.proof import is_supported


async def brought(claimed: Claimed, relay: Relay, *, world: World, now: datetime) -> Receipt:
    """A relay of ours answers, announces, or brings what somebody says; what it cannot prove, it said in vain (REL-5).

    What we do not take for a reason that is not the relay's is dropped (202): it could not know.
    """
    activity, instance = claimed.activity, world.instance
    # (1) Nobody whom our operator refuses comes back as a relay.
    await world.store.read(lambda reader: relays.check_welcome(reader, relay, instance))
    if claimed.forwarder is None:
        verified = await by_signature(world, claimed, now)
        if await relays.answered(verified, relay, world=world, now=now):
            return Receipt("accepted", activity.id)
    else:
        await the_request(world, claimed, now)
    # (2) It brings what we asked for, as long as we do.
    if relay.state != "accepted":
        return ignored(activity, "a relay that has not accepted us")
    if claimed.forwarder is None:
        heard = activity.type == "Announce"
        return (
            await _announced(activity, world) if heard else ignored(activity, "an answer to nothing of ours")
        )
    # (3) Whose author is somebody we work with.
    if not await _works_with_us(activity.actor, world) or await is_about_a_stranger(activity, world):
        return ignored(activity, "relayed from a server that we do not work with")
    # (4) With the author's proof: without one there is nothing to believe, and one that fails is a falsehood.
    if not isinstance(activity.raw.get("proof"), Mapping) or not is_supported(activity.raw):
        return ignored(activity, "relayed without a proof that we know")
    try:
        method = proof_method(activity, allow_origins=instance.allow_origins)
        verified = await by_proof(world, activity, method, now)
    except Unverified as lie:
        await relays.report(relay, activity, lie.code, world=world, now=now)
        raise
    except TryLater as failure:
        # A relay that waited for one author's server would keep everybody else's from us.
        return ignored(activity, f"its author's keys are out of reach: {failure.code}")
    iri = activity.object_id or ""
    if activity.previous_digest is not None and not await _has_chain(iri, world):
        return await _told_by_its_author(activity, iri, world)
    try:
        came = Came("relayed", relay.origin, method)
        return await take_in(verified, inbox_of=None, world=world, now=now, came=came)
    except Refused as refusal:
        # (5) What we hold against its author is between us and its author.
        return ignored(activity, f"relayed and refused: {refusal.code}")
    except TryLater as refusal:
        if refusal.code != "predecessor-unknown":
            raise
        return await _told_by_its_author(activity, iri, world)


async def _announced(activity: Activity, world: World) -> Receipt:
    """A relay names something that is new somewhere: we ask there, and the relay is believed in nothing (REL-5)."""
    iri = check_id(activity.object_id or "", allow_origins=world.instance.allow_origins)
    if world.instance.hosts(iri) or not await _works_with_us(iri, world):
        return ignored(activity, "announced from a server that we do not work with")
    if await _has_chain(iri, world):
        return Receipt("duplicate", activity.id)
    return await _told_by_its_author(activity, iri, world)


async def _works_with_us(iri: str, world: World) -> bool:
    async def find(reader: Reader) -> bool:
        peer = await reader.peer(origin(iri))
        return peer is not None and bool(TABLE[peer.state].deeds)

    return await world.store.read(find)


async def _told_by_its_author(activity: Activity, iri: str, world: World) -> Receipt:
    """Take the steps of the chain `iri` as its own server tells them: what came before, or all that a relay names."""
    try:
        told = await world.fetcher.document(f"{iri}/history", signed=True)
        for step in steps_of(told, iri)[:MAX_CHAIN_STEPS_SENT]:
            await receive_carried(strict_json.dumps(step), courier=origin(iri), world=world, way="fetched")
    except FedcoopError as failure:
        # A relay cannot mend it, and waits for us with everybody else's: what is missing comes with the next step.
        return ignored(activity, f"its server did not tell the rest: {failure.code}")
    if not await _has_chain(iri, world):
        return ignored(activity, "its server told nothing of it")
    return Receipt("accepted", activity.id)


async def _has_chain(iri: str, world: World) -> bool:
    return await world.store.read(lambda reader: reader.chain(iri)) is not None
