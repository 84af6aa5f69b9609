"""What time does: a mission whose time to apply is over expires, said by its owner's server (role I of §3.6)."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from fedcoop.errors import FedcoopError
from fedcoop.flow.outbound import publish
from fedcoop.flow.world import World
from fedcoop.ports import Transaction
from fedcoop.protocol.messages import Chain, Intent

EVERY = 20.0
"""Seconds between two looks at the clock."""

log = structlog.get_logger()


async def run_upkeep(world: World, *, stop: asyncio.Event) -> None:
    """Look at the clock until `stop` is set."""
    while not stop.is_set():
        await expire(world)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), EVERY)


async def expire(world: World) -> int:
    """Expire every published mission of ours whose applyBefore has passed; return how many."""
    now = world.clock()

    async def due(tx: Transaction) -> tuple[Chain, ...]:
        return await tx.expiring(now)

    expired = 0
    for mission in await world.store.write(due):
        change = {"id": mission.id, "missionState": "expired"}
        try:
            await publish(Intent(mission.owner, "Update", {"object": change}), world=world)
            expired += 1
        except FedcoopError as refusal:
            # Somebody accepted the last candidate in the meantime: the guard speaks, and it is right.
            log.info("mission.not_expired", mission=mission.id, code=refusal.code)
    return expired
