"""What comes through a relay of ours: its answer, its announcements, and what it brings of others (FEP-ae0c, REL-5)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

import structlog

from fedcoop.errors import FedcoopError, Refused, TryLater, Unverified
from fedcoop.flow import relays
from fedcoop.flow.taking_in import Came, Receipt, ignored, is_about_a_stranger, receive_carried, take_in
from fedcoop.flow.verifying import by_proof, by_signature, the_request
from fedcoop.flow.world import World
from fedcoop.ports import Reader, Relay
from fedcoop.protocol import strict_json
from fedcoop.protocol.history import steps_of
from fedcoop.protocol.ids import check_id, origin, same_origin
from fedcoop.protocol.limits import ERRAND_TIME, MAX_CHAIN_STEPS_SENT, MAX_ERRANDS_AT_ONCE
from fedcoop.protocol.messages import Activity, Claimed
from fedcoop.protocol.opening import proof_method
from fedcoop.protocol.policy import admitted
from fedcoop.protocol.proof import is_supported

log = structlog.get_logger()


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
    except Unverified as lie:
        await relays.report(relay, activity, lie.code, world=world, now=now)
        raise
    try:
        verified = await by_proof(world, activity, method, now)
    except Unverified as lie:
        # What its author's server says of keys is not the relay's doing.
        if not lie.code.startswith("proof-"):
            return ignored(activity, f"its author's keys do not tell: {lie.code}")
        await relays.report(relay, activity, lie.code, world=world, now=now)
        raise
    except TryLater as failure:
        # A relay that waited for one author's server would keep everybody else's from us.
        return ignored(activity, f"its author's keys are out of reach: {failure.code}")
    iri = activity.object_id or ""
    if activity.previous_digest is not None and not await _has_chain(iri, world):
        return await _part_of(activity, iri, world)
    try:
        came = Came("relayed", relay.origin, method)
        return await take_in(verified, inbox_of=None, world=world, now=now, came=came)
    except Refused as refusal:
        # (5) What we hold against its author is between us and its author.
        return ignored(activity, f"relayed and refused: {refusal.code}")
    except TryLater as refusal:
        if refusal.code != "predecessor-unknown":
            raise
        return await _part_of(activity, iri, world)


async def _part_of(activity: Activity, iri: str, world: World) -> Receipt:
    """What came before is asked of its author's server, and of no other that the author names."""
    if not iri or not same_origin(iri, activity.actor):
        return ignored(activity, "a step of somebody else's")
    return await _to_be_read(activity, iri, world)


async def _announced(activity: Activity, world: World) -> Receipt:
    """A relay names something that is new somewhere: it is read there, and the relay is believed in nothing (REL-5)."""
    iri = check_id(activity.object_id or "", allow_origins=world.instance.allow_origins)
    if await _has_chain(iri, world):
        return Receipt("duplicate", activity.id)
    return await _to_be_read(activity, iri, world)


async def _works_with_us(iri: str, world: World) -> bool:
    async def find(reader: Reader) -> bool:
        peer = await reader.peer(origin(iri))
        return peer is not None and admitted(peer.state)

    return await world.store.read(find)


# -- what is read where it lives ------------------------------------------------------------------------------------


async def _to_be_read(activity: Activity, iri: str, world: World) -> Receipt:
    """Note that the chain `iri` is to be read at its own server, beside the messages: none waits for that server."""
    # (1) Of a co-op that we work with: no relay and no author sends us to others.
    if world.instance.hosts(iri) or not await _works_with_us(iri, world):
        return ignored(activity, "of a server that we do not work with")
    # (2) Not too often, and not too many.
    noted = world.errands.note(iri, iri, world.clock())
    return ignored(activity, "to be read where it lives" if noted else "read lately where it lives")


async def run_errands(world: World) -> int:
    """Read where they live the chains that relays named or brought in part; return how many are here now."""
    noted = world.errands.take(world.clock(), limit=MAX_ERRANDS_AT_ONCE)
    return sum(await asyncio.gather(*(_told_by_its_author(iri, world) for iri in noted)))


async def _told_by_its_author(iri: str, world: World) -> bool:
    """Take the steps of the chain `iri` as its own server tells them, each by its sender's proof."""
    try:
        async with asyncio.timeout(ERRAND_TIME.total_seconds()):
            told = await world.fetcher.document(f"{iri}/history", signed=True)
            for step in steps_of(told, iri)[:MAX_CHAIN_STEPS_SENT]:
                # (1) What a server tells of its own chain is said by its own actors.
                if same_origin(str(step.get("actor")), iri):
                    await receive_carried(
                        strict_json.dumps(step), courier=origin(iri), world=world, way="fetched"
                    )
    except (FedcoopError, TimeoutError) as failure:
        # What is missing comes with the next step, or by `fedcoop reconcile`.
        log.info("relay.not_told", chain=iri, why=str(failure)[:200])
    return await _has_chain(iri, world)


async def _has_chain(iri: str, world: World) -> bool:
    return await world.store.read(lambda reader: reader.chain(iri)) is not None
