"""What time does: a mission whose time to apply is over expires, said by its owner's server (role I of §3.6), an
agreement whose time is over has ended, what became of old deliveries is forgotten, and keys that were replaced end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import structlog

from fedcoop.errors import FedcoopError
from fedcoop.flow import federating, keys, lists
from fedcoop.flow.brought import run_errands
from fedcoop.flow.outbound import publish
from fedcoop.flow.synchronising import synchronise
from fedcoop.flow.world import World
from fedcoop.ports import Transaction
from fedcoop.protocol.messages import Chain, Intent

PURGED_AT_ONCE = 1000
"""Old deliveries that are forgotten in one transaction: a few milliseconds, and three million a day."""

EVERY = 20.0
"""Seconds between two looks at the clock."""

ROUNDS_BETWEEN_KEYS = 180
"""Rounds of an hour: overlaps are of days."""

log = structlog.get_logger()


async def run_upkeep(world: World, *, stop: asyncio.Event) -> None:
    """Look at the clock until `stop` is set."""
    for round_ in itertools.count():
        if stop.is_set():
            return
        await expire(world)
        await federating.expire(world)
        await lists.poll(world)
        await tidy(world)
        await synchronise(world)
        await run_errands(world)
        await look_after_keys(world, retiring=round_ % ROUNDS_BETWEEN_KEYS == 0)
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


async def look_after_keys(world: World, *, retiring: bool) -> None:
    """Finish what a command that was killed while it renewed keys has left, and end keys whose time has passed."""
    try:
        await keys.settle(world)
        if retiring:
            await keys.retire(world)
    except FedcoopError as failure:
        # Keys that are gone are the operator's to bring back; the rest of the house goes on.
        log.warning("keys.not_settled", code=failure.code, detail=failure.detail)


async def tidy(world: World) -> tuple[int, int]:
    """Forget what became of deliveries that ended long ago, and give up what too much waits for one destination.

    Returns how many of each.
    """
    now = world.clock()

    async def work(tx: Transaction) -> tuple[int, int]:
        return await tx.purge_deliveries(now, limit=PURGED_AT_ONCE), await tx.shorten_queues(now)

    forgotten, given_up = await world.store.write(work)
    if given_up:
        log.warning("deliveries.too_many", given_up=given_up)
    return forgotten, given_up
