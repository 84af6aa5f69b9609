"""Something arrives: from bytes to who says it, the cheapest check first (D3, D15); `taking_in` goes on from there.

What comes through a relay of ours goes by `brought`.
"""

from __future__ import annotations

from fedcoop.errors import Forbidden, NotFound
from fedcoop.flow import relays
from fedcoop.flow.agreeing import may_speak_of_agreement, was_signed
from fedcoop.flow.brought import brought
from fedcoop.flow.peering import admit, knocked, refusal_of
from fedcoop.flow.synchronising import notice
from fedcoop.flow.taking_in import (
    Came,
    Receipt,
    admit_author,
    ignored,
    is_about_a_stranger,
    proof_key,
    take_in,
)
from fedcoop.flow.verifying import by_signature, courier_and_author, opened
from fedcoop.flow.world import Instance, World
from fedcoop.ports import Reader
from fedcoop.protocol.ids import origin
from fedcoop.protocol.messages import Claimed, RawRequest, Verified
from fedcoop.protocol.opening import check_forwarded
from fedcoop.protocol.policy import EVERYTHING, TABLE


async def receive(request: RawRequest, *, inbox_of: str | None, world: World) -> Receipt:
    """Take one message in and return once it and its effects are durable.

    `inbox_of` is the local actor whose personal inbox was posted to, None for the shared inbox.

    Raises:
        Refused, TryLater: with the check that failed; nothing was stored and nothing but the sender's key was fetched.
    """
    now, instance = world.clock(), world.instance
    claimed = opened(request, world=world, now=now)
    relay = await relays.speaking(claimed, world)
    if relay is not None:
        return await brought(claimed, relay, world=world, now=now)
    check_forwarded(claimed, allow_origins=instance.allow_origins)
    undecided = False
    try:
        await world.store.read(lambda reader: _admit(reader, claimed, inbox_of, instance))
    except Forbidden as refusal:
        # Whoever is only named by somebody else has not come.
        if refusal.code != "not-in-allow-list" or claimed.forwarder is not None:
            raise
        if not await may_speak_of_agreement(world, claimed.activity):
            await knocked(world, origin(claimed.activity.actor))
            raise
        undecided = True
    if await is_about_a_stranger(claimed.activity, world):
        return ignored(claimed.activity, "an actor that we never knew")
    if claimed.forwarder is None:
        verified = await by_signature(world, claimed, now)
        if undecided:
            was_signed(world, claimed.activity)
        came = Came("delivered", origin(claimed.activity.actor), claimed.key_id)
    else:
        verified = await courier_and_author(world, claimed, now)
        came = Came("forwarded", claimed.forwarder, proof_key(claimed.activity))
    receipt = await take_in(verified, inbox_of=inbox_of, world=world, now=now, came=came)
    if claimed.forwarder is None:
        await notice(claimed, verified, world=world)
    return receipt


async def authenticated(request: RawRequest, *, world: World) -> Verified:
    """Return what a peer asks of us by a signed request, checked as a message is; nothing of it is kept.

    Raises:
        Refused, TryLater: with the check that failed.
    """
    now, instance = world.clock(), world.instance
    claimed = opened(request, world=world, now=now)
    check_forwarded(claimed, allow_origins=instance.allow_origins)
    await world.store.read(lambda reader: _admit(reader, claimed, None, instance))
    return await by_signature(world, claimed, now)


async def _admit(reader: Reader, claimed: Claimed, inbox_of: str | None, instance: Instance) -> None:
    """Federation is by agreement (D7): whom we do not know is refused before its key is fetched (SIG-27)."""
    # (1) A personal inbox must be somebody's.
    if inbox_of is not None:
        owner = await reader.actor(inbox_of)
        if owner is None or not owner.local:
            raise NotFound("not-found", "There is no such inbox here.")
    # (2) Whoever brings what others say is somebody with whom nothing is held back.
    if claimed.forwarder is not None:
        courier, contact = await reader.peer(claimed.forwarder), f"{instance.base}/"
        admit(courier, claimed.forwarder, contact=contact)
        if courier is not None and TABLE[courier.state].deeds != EVERYTHING:
            raise refusal_of(courier, claimed.forwarder, contact=contact)
    await admit_author(reader, claimed.activity, instance)
