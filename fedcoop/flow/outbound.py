"""Something is said, and later delivered (decision D6).

    publish          the activity, its effects and one owed delivery per destination commit together
    run_deliveries   a worker leases lanes, sends in order, and settles: delivered, try again, or given up with a reason

One task per leased lane and no barrier between them: a slow or dead destination holds one slot, never the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from fedcoop.errors import Conflict, TryLater
from fedcoop.flow.agreeing import follow_agreement
from fedcoop.flow.peering import note_answers
from fedcoop.flow.saying import Said, having_met, say
from fedcoop.flow.scene import split
from fedcoop.flow.synchronising import announced
from fedcoop.flow.world import World
from fedcoop.ports import Delivered, GivenUp, Lane, Outcome, Owed, StoredActivity, Transaction, TryAgain
from fedcoop.protocol import strict_json
from fedcoop.protocol.circuit import after_failure, server_of
from fedcoop.protocol.effects import take_off
from fedcoop.protocol.facts import Facts
from fedcoop.protocol.limits import DELIVERY_LEASE, MAX_POSTS_AT_ONCE
from fedcoop.protocol.messages import Chain, ConfirmLinks, Document, Intent
from fedcoop.protocol.policy import AGREEMENT
from fedcoop.protocol.retry import is_erasure, is_silence, next_attempt, verdict, verdict_on_carried
from fedcoop.protocol.shape import id_of, read_activity

log = structlog.get_logger()

BATCH = 20
"""Deliveries sent within one lease before the lane is settled."""

POLL = 5.0
"""Seconds after which the worker looks by itself, should a ring of the doorbell have been lost."""


@dataclass(frozen=True, slots=True)
class Published:
    """An activity of ours that is durable; `duplicate` when the same Idempotency-Key had published it before."""

    activity_id: str
    document: Document
    duplicate: bool


async def publish(intent: Intent, *, world: World, expecting: Document | None = None) -> Published:
    """Say something as one of our actors, and return once it is durable and its deliveries are owed.

    `expecting` holds the `stateVersion` and `previousDigest` that the speaker believed to be next, if they said so.

    Raises:
        Refused: a guard, the lifecycle, the schema or the authorisation refused it; nothing was kept.
        TryLater: somebody who must be addressed cannot be reached to learn their inbox; nothing was kept.
    """
    now = world.clock()

    async def work(tx: Transaction) -> Said | StoredActivity:
        if intent.client_key is not None:
            earlier = await tx.activity_by_client_key(intent.actor, intent.client_key)
            if earlier is not None:
                return earlier
        said = await say(tx, intent, world=world, now=now, keys={})
        for name, value in (expecting or {}).items():
            if said.activity.raw.get(name) != value:
                received = str(said.activity.raw.get(name))
                raise Conflict(
                    "stale", f"`{name}` is not the next step's.", expected=received, received=str(value)
                )
        return said

    said = await having_met(world, work)
    if isinstance(said, StoredActivity):
        return Published(said.id, strict_json.loads(said.body), duplicate=True)
    world.doorbell.ring()
    return Published(said.activity.id, said.activity.raw, duplicate=False)


# -- deliveries -----------------------------------------------------------------------------------------------------


async def run_deliveries(world: World, *, wake: asyncio.Event, stop: asyncio.Event) -> None:
    """Deliver what is owed until `stop` is set; then finish the lanes under way and return.

    `wake` is the doorbell's event: it is cleared here and set after every commit that owes something.
    """
    await world.store.recover()
    holder = world.new_id()
    lanes: set[asyncio.Task[None]] = set()
    try:
        while not stop.is_set():
            wake.clear()
            now = world.clock()
            room = MAX_POSTS_AT_ONCE - len(lanes)
            leased = await _lease(world, holder, now, room) if room > 0 else ()
            for lane in leased:
                task = asyncio.create_task(serve_lane(lane, world=world, stop=stop))
                lanes.add(task)
                task.add_done_callback(lanes.discard)
                task.add_done_callback(lambda _: wake.set())
            if not leased:
                await _sleep(world, wake, stop)
    finally:
        # Whoever starts this anew after a failure frees every lane: none may still be served then.
        if lanes:
            await asyncio.wait(lanes)


async def serve_lane(lane: Lane, *, world: World, stop: asyncio.Event) -> None:
    """Send what one destination is owed, in order, until a failure, the end of the batch, or `stop`; then settle."""

    async def read(tx: Transaction) -> tuple[Owed, ...]:
        return await tx.owed(lane, limit=BATCH)

    owed = await world.store.write(read)
    deadline = asyncio.get_running_loop().time() + DELIVERY_LEASE.total_seconds() / 2
    outcomes: list[Outcome] = []
    arrived: list[Owed] = []
    for item in owed:
        if stop.is_set() or asyncio.get_running_loop().time() > deadline:
            break
        outcome = await _attempt(item, world, failures=0 if arrived else lane.failures)
        outcomes.append(outcome)
        if isinstance(outcome, Delivered):
            arrived.append(item)
        elif isinstance(outcome, TryAgain):
            break
    now = world.clock()

    async def settle(tx: Transaction) -> None:
        # (1) Fenced: a worker that overslept has nothing to say about the lane any more (pitfall P7).
        if not await tx.settle(lane, outcomes, now=now):
            return
        await _judge_server(tx, lane, outcomes, world=world, now=now)
        # (2) How somebody else's words are refused is no decision about us.
        carried = {item.id for item in owed if is_carried(item)}
        ours = [o for o in outcomes if isinstance(o, Delivered) or o.id not in carried]
        await note_answers(tx, server_of(lane.inbox), ours, now)
        # (3) What the owner of a chain took is final; what it refused is taken back.
        for item in arrived:
            await _confirm(tx, item, lane)
        for outcome in outcomes:
            if isinstance(outcome, GivenUp):
                refused = next(o for o in owed if o.id == outcome.id)
                await _take_back(tx, refused, lane, in_words(outcome), world, now)

    await world.store.write(settle)


async def _judge_server(
    tx: Transaction, lane: Lane, outcomes: Sequence[Outcome], *, world: World, now: datetime
) -> None:
    """Close the circuit of a server that answered something; count a silence, which may open it."""
    server = server_of(lane.inbox)
    silent = [
        (isinstance(o, TryAgain) and o.silent) or (isinstance(o, GivenUp) and o.state == "expired")
        for o in outcomes
    ]
    # A circuit marks every lane of its server as failing: a lane that is not needs no look.
    if lane.failures and not all(silent):
        await tx.close_circuit(server, answered=lane.inbox)
    last = outcomes[-1] if outcomes else None
    if isinstance(last, TryAgain) and last.silent:
        circuit = after_failure(await tx.circuit(server), now, first_retry=world.instance.first_retry)
        await tx.put_circuit(server, circuit, probe=lane.inbox)
        if circuit.opened and circuit.failed_at == now:
            log.info("circuit.open", origin=server, failures=circuit.failures, until=str(circuit.open_until))


async def _attempt(item: Owed, world: World, *, failures: int) -> Outcome:
    """Send one delivery and say what happened; its destination has failed so many times in a row before."""
    now = world.clock()
    document = strict_json.loads(item.body)
    erasure, carried = is_erasure(str(document.get("type"))), id_of(document.get("actor")) != item.sender
    status, problem, retry_after = None, None, None
    said = await announced(item, document, world)
    try:
        answer = await world.courier.post(
            inbox=item.inbox, body=item.body, sender=item.sender, synchronisation=said
        )
        if answer.problem == "predecessor-unknown" and await _send_what_came_before(item, world):
            answer = await world.courier.post(inbox=item.inbox, body=item.body, sender=item.sender)
    except TryLater as failure:
        kind, reason = "retry", failure.detail
    else:
        kind = (verdict_on_carried if carried else verdict)(answer.status, answer.problem)
        status, problem, retry_after = answer.status, answer.problem, answer.retry_after
        reason = (answer.detail or "")[:500]
    if kind == "delivered":
        return Delivered((item.id,), world.clock())
    if kind == "refused":
        return GivenUp(item.id, reason, "refused", status, problem)
    # What waited behind another that failed has been on its way since it was owed.
    first_tried = item.first_tried or (item.enqueued_at if failures else now)
    at = next_attempt(
        item.attempts + 1,
        first_tried,
        now,
        retry_after=retry_after,
        first_retry=world.instance.first_retry,
        jitter=random.random(),  # noqa: S311  spreads retries, guards nothing
        erasure=erasure,
        streak=failures + 1,
    )
    if at is None:
        return GivenUp(item.id, reason, "expired", status, problem)
    return TryAgain(
        item.id,
        at,
        reason,
        "parked" if kind == "park" else "retrying",
        status,
        problem,
        first_tried,
        silent=is_silence(status, retry_after),
    )


def in_words(outcome: GivenUp) -> str:
    """Return why nothing more is sent, for whoever reads it beside the step that it took back."""
    said = f"{outcome.status or ''} {outcome.problem or ''} {outcome.reason}".split()
    return ("horizon passed; last: " if outcome.state == "expired" else "") + " ".join(said)


def is_carried(item: Owed) -> bool:
    """Tell whether a delivery brings what somebody else has said."""
    return id_of(strict_json.loads(item.body).get("actor")) != item.sender


async def _send_what_came_before(item: Owed, world: World) -> bool:
    """A peer that lacks the beginning of a chain gets it from us, as far as it is ours to tell; True when all of it.

    A follower that joined late, or one that the network flag has just let in, catches up this way.
    """

    async def read(tx: Transaction) -> tuple[StoredActivity, ...]:
        chain = await tx.chain(item.activity_id)
        return await tx.history(chain.id) if chain is not None else ()

    for earlier in await world.store.write(read):
        if earlier.id == item.activity_id:
            return True
        if earlier.actor != item.sender:
            return False
        answer = await world.courier.post(inbox=item.inbox, body=earlier.body, sender=item.sender)
        if verdict(answer.status, answer.problem) != "delivered":
            return False
    return False


async def _confirm(tx: Transaction, item: Owed, lane: Lane) -> None:
    chain = await _owned_by(tx, item, lane)
    if chain is None:
        return
    version = next((k.version for k in await tx.links(chain.id) if k.activity_id == item.activity_id), None)
    if version is not None:
        await tx.make([ConfirmLinks(chain.id, version)])


async def _take_back(
    tx: Transaction, item: Owed, lane: Lane, reason: str, world: World, now: datetime
) -> None:
    """The owner refused a tentative transition of ours: it and what was built on it never happened."""
    chain = await _owned_by(tx, item, lane)
    if chain is None:
        return
    link = next((k for k in await tx.links(chain.id) if k.activity_id == item.activity_id), None)
    if link is None or link.confirmed:
        return
    proposal = await tx.chain(chain.proposal) if chain.proposal else None
    before, tail = await split(tx, chain.id, link.version, Facts(proposal=proposal))
    await tx.make(take_off(chain.id, link.version, reason, before=before, tail=tail, now=now))
    if before is not None and before.kind == AGREEMENT:
        await follow_agreement(tx, before, world=world, now=now)


async def _owned_by(tx: Transaction, item: Owed, lane: Lane) -> Chain | None:
    """Return the chain that the delivery moves, if the lane leads to the server of the chain's owner."""
    activity = read_activity(strict_json.loads(item.body), item.body)
    chain = await tx.chain(activity.id)
    if chain is None or chain.owner == item.sender:
        return None
    owner = await tx.actor(chain.owner)
    return chain if owner is not None and lane.inbox in (owner.inbox, owner.shared_inbox) else None


async def _lease(world: World, holder: str, now: datetime, room: int) -> tuple[Lane, ...]:
    async def work(tx: Transaction) -> tuple[Lane, ...]:
        return await tx.lease(now=now, until=now + DELIVERY_LEASE, holder=holder, limit=room)

    return await world.store.write(work)


async def _sleep(world: World, wake: asyncio.Event, stop: asyncio.Event) -> None:
    """Wait for the doorbell, for `stop`, for the next lane that is due, or for the poll."""

    async def due(tx: Transaction) -> datetime | None:
        return await tx.next_due()

    at = await world.store.write(due)
    wait = POLL if at is None else min(POLL, max(0.01, (at - world.clock()).total_seconds()))
    waiting = [asyncio.create_task(wake.wait()), asyncio.create_task(stop.wait())]
    try:
        await asyncio.wait(waiting, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        for task in waiting:
            with contextlib.suppress(asyncio.CancelledError):
                await task
