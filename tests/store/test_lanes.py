"""Lanes: one destination, one worker, first come first served; and nobody waits for somebody else's peer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import pytest

from fedcoop.ports import Delivered, DeliveryQuery, GivenUp, Lane, Outcome, Owed, Transaction, TryAgain
from fedcoop.store.sql import SqlStore
from tests.conftest import NOON, StoppedClock
from tests.store.conftest import empty
from tests.store.making import INBOX, NANTES, a_delivery, activity, record

OTHER: Final = "https://alpes.example/inbox"
MINUTE: Final = timedelta(minutes=1)


async def owe(store: SqlStore, *names: str | int, inbox: str = INBOX) -> None:
    said = [activity(name) for name in names]
    await store.write(
        lambda tx: tx.make([c for one in said for c in (record(one, local=True), a_delivery(one, inbox))])
    )


async def lease(
    store: SqlStore, *, now: datetime = NOON, limit: int = 10, holder: str = "worker"
) -> tuple[Lane, ...]:
    return await store.write(lambda tx: tx.lease(now=now, until=now + MINUTE, holder=holder, limit=limit))


async def the_lane(
    store: SqlStore, *, now: datetime = NOON, holder: str = "worker"
) -> tuple[Lane, tuple[Owed, ...]]:
    (lane,) = await lease(store, now=now, holder=holder)
    return lane, await store.write(lambda tx: tx.owed(lane, limit=10))


async def settle(store: SqlStore, lane: Lane, *outcomes: Outcome, now: datetime = NOON) -> bool:
    return await store.write(lambda tx: tx.settle(lane, outcomes, now=now))


def names(owed: Sequence[Owed]) -> list[str]:
    return [one.activity_id.rsplit("/", 1)[1] for one in owed]


async def test_what_is_owed_comes_in_the_order_in_which_it_was_owed(store: SqlStore, clock: StoppedClock):
    await owe(store, "c", "a")
    clock.advance(seconds=3)
    await owe(store, "b")
    lane, owed = await the_lane(store)
    assert lane.inbox == INBOX
    assert lane.failures == 0
    assert names(owed) == ["c", "a", "b"]
    first = owed[0]
    assert (first.sender, first.inbox, first.attempts, first.first_tried) == (NANTES, INBOX, 0, None)
    assert (first.enqueued_at, owed[2].enqueued_at) == (NOON, NOON + timedelta(seconds=3))
    assert names(await store.write(lambda tx: tx.owed(lane, limit=2))) == ["c", "a"]


async def test_a_delivery_carries_the_activitys_own_body_or_the_one_it_was_given(store: SqlStore):
    said = activity("said")
    await store.write(lambda tx: tx.make([a_delivery(said), a_delivery(said, body=b"{}"), record(said)]))
    _, owed = await the_lane(store)
    assert [one.body for one in owed] == [said.body, b"{}"]


async def test_a_delivery_of_something_that_we_never_recorded_has_its_body(store: SqlStore):
    said = activity("said")
    await store.write(lambda tx: tx.make([a_delivery(said)]))
    _, owed = await the_lane(store)
    assert owed[0].body == said.body


async def test_a_leased_lane_is_nobody_elses_until_the_lease_runs_out(store: SqlStore):
    await owe(store, "a")
    assert len(await lease(store)) == 1
    assert await lease(store) == ()
    assert await lease(store, now=NOON + MINUTE - timedelta(microseconds=1)) == ()
    (again,) = await lease(store, now=NOON + MINUTE)
    assert again.inbox == INBOX


async def test_a_lane_with_nothing_owed_is_not_leased(store: SqlStore):
    await owe(store, "a")
    lane, owed = await the_lane(store)
    assert await settle(store, lane, Delivered((owed[0].id,)))
    assert await lease(store) == ()
    assert await store.write(lambda tx: tx.next_due()) is None


async def test_one_who_overslept_settles_nothing(store: SqlStore):
    await owe(store, "a", "b")
    late, owed = await the_lane(store, holder="same")
    prompt, _ = await the_lane(store, now=NOON + MINUTE, holder="same")
    assert late.lease != prompt.lease
    for outcome in (Delivered((owed[0].id,)), TryAgain(owed[0].id, NOON, "no"), GivenUp(owed[0].id, "no")):
        assert not await settle(store, late, outcome)
    assert names(await store.write(lambda tx: tx.owed(prompt, limit=10))) == ["a", "b"]
    assert await store.read(lambda r: r.delivery_counts()) == {"owed": 2, "dead": 0}
    assert await settle(store, prompt, Delivered((owed[0].id,)))


async def test_a_lease_is_settled_once(store: SqlStore):
    await owe(store, "a", "b")
    lane, owed = await the_lane(store)
    assert await settle(store, lane, Delivered((owed[0].id,)))
    assert not await settle(store, lane, Delivered((owed[1].id,)))


async def test_one_who_is_late_but_was_not_replaced_may_still_settle(store: SqlStore):
    await owe(store, "a")
    lane, owed = await the_lane(store)
    assert await settle(store, lane, Delivered((owed[0].id,)), now=NOON + 2 * MINUTE)


async def test_a_lane_settles_only_its_own_deliveries(store: SqlStore):
    await owe(store, "a")
    await owe(store, "b", inbox=OTHER)
    lanes = {lane.inbox: lane for lane in await lease(store)}
    (other,) = await store.write(lambda tx: tx.owed(lanes[OTHER], limit=10))
    assert await settle(store, lanes[INBOX], Delivered((other.id,)), GivenUp(other.id, "no"))
    assert await store.read(lambda r: r.delivery_counts()) == {"owed": 2, "dead": 0}


async def test_what_was_delivered_is_owed_no_more_and_the_lane_is_free(store: SqlStore):
    await owe(store, "a", "b", "c")
    lane, owed = await the_lane(store)
    assert await settle(store, lane, Delivered(tuple(one.id for one in owed[:2])))
    _, left = await the_lane(store)
    assert names(left) == ["c"]
    assert await store.read(lambda r: r.delivery_counts()) == {"owed": 1, "dead": 0}


async def test_a_failure_makes_its_own_lane_wait_and_no_other(store: SqlStore):
    await owe(store, "a", "b")
    await owe(store, "c", inbox=OTHER)
    at = NOON + timedelta(hours=1)
    lanes = {lane.inbox: lane for lane in await lease(store)}
    (first, _) = await store.write(lambda tx: tx.owed(lanes[INBOX], limit=10))
    assert await settle(store, lanes[INBOX], TryAgain(first.id, at, "503"), now=NOON + timedelta(seconds=7))
    assert await settle(store, lanes[OTHER])
    assert [lane.inbox for lane in await lease(store, now=at - timedelta(microseconds=1))] == [OTHER]
    lane, owed = await the_lane(store, now=at)
    assert (lane.inbox, lane.failures) == (INBOX, 1)
    assert names(owed) == ["a", "b"]
    assert [one.attempts for one in owed] == [1, 0]
    assert [one.first_tried for one in owed] == [NOON + timedelta(seconds=7), None]


async def test_the_first_try_is_remembered_over_later_ones(store: SqlStore):
    await owe(store, "a")
    now = NOON
    for attempt in range(3):
        lane, (one,) = await the_lane(store, now=now)
        assert (one.attempts, lane.failures) == (attempt, attempt)
        assert await settle(store, lane, TryAgain(one.id, now + MINUTE, "down"), now=now)
        now += MINUTE
    _, (one,) = await the_lane(store, now=now)
    assert one.first_tried == NOON


async def test_an_answer_ends_the_back_off(store: SqlStore):
    await owe(store, "a", "b")
    lane, owed = await the_lane(store)
    await settle(store, lane, TryAgain(owed[0].id, NOON + MINUTE, "down"))
    lane, owed = await the_lane(store, now=NOON + MINUTE)
    assert lane.failures == 1
    await settle(store, lane, Delivered((owed[0].id,)), now=NOON + MINUTE)
    lane, _ = await the_lane(store, now=NOON)
    assert lane.failures == 0


async def test_some_delivered_and_then_one_failed_is_one_settlement(store: SqlStore):
    await owe(store, "a", "b", "c")
    lane, owed = await the_lane(store)
    at = NOON + MINUTE
    assert await settle(store, lane, Delivered((owed[0].id,)), TryAgain(owed[1].id, at, "down"))
    assert await lease(store) == ()
    lane, left = await the_lane(store, now=at)
    assert (names(left), lane.failures) == (["b", "c"], 1)


async def test_what_is_given_up_is_owed_no_more_and_its_reason_is_kept(store: SqlStore):
    await owe(store, "a", "b")
    lane, owed = await the_lane(store)
    await settle(store, lane, TryAgain(owed[0].id, NOON, "down", status=503))
    lane, owed = await the_lane(store)
    later = NOON + timedelta(days=8)
    assert await settle(store, lane, GivenUp(owed[0].id, "no more", "refused", 410, "gone"), now=later)
    (dead,) = await store.read(lambda r: r.deliveries(DeliveryQuery(states=("refused",))))
    assert (dead.activity_id, dead.sender, dead.inbox, dead.attempts) == (activity("a").id, NANTES, INBOX, 2)
    assert (dead.status, dead.problem, dead.reason) == (410, "gone", "no more")
    assert (dead.enqueued_at, dead.first_tried, dead.ended_at, dead.next_at) == (NOON, NOON, later, None)
    _, left = await the_lane(store, now=later)
    assert names(left) == ["b"]
    assert await store.read(lambda r: r.delivery_counts()) == {"owed": 1, "dead": 1}


async def test_next_due_is_when_the_first_lane_is_free_and_ready(store: SqlStore):
    next_due = lambda: store.write(lambda tx: tx.next_due())  # noqa: E731
    assert await next_due() is None
    await owe(store, "a")
    assert await next_due() <= NOON
    lane, (one,) = await the_lane(store)
    assert await next_due() == NOON + MINUTE
    await settle(store, lane, TryAgain(one.id, NOON + 3 * MINUTE, "down"))
    assert await next_due() == NOON + 3 * MINUTE
    await owe(store, "b", inbox=OTHER)
    assert await next_due() <= NOON


async def test_the_lane_that_waited_longest_is_served_first(store: SqlStore):
    inboxes = [f"https://peer{n}.example/inbox" for n in range(4)]
    for n, inbox in enumerate(inboxes):
        await owe(store, f"{n}-a", f"{n}-b", inbox=inbox)
    served = []
    for turn in range(8):
        now = NOON + timedelta(seconds=turn)
        (lane,) = await lease(store, now=now, limit=1)
        (one,) = await store.write(lambda tx, lane=lane: tx.owed(lane, limit=1))
        await settle(store, lane, Delivered((one.id,)), now=now)
        served.append(lane.inbox)
    assert served == inboxes * 2


async def test_two_processes_lease_no_lane_twice(store: SqlStore, store_url: str, clock: StoppedClock):
    inboxes = {f"https://peer{n}.example/inbox" for n in range(30)}
    for n, inbox in enumerate(sorted(inboxes)):
        await owe(store, n, inbox=inbox)
    other = SqlStore(store_url, clock=clock)
    try:
        leased = await asyncio.gather(
            *(lease(one, limit=4, holder=f"{n}") for n in range(6) for one in (store, other))
        )
    finally:
        await other.close()
    found = [lane.inbox for lanes in leased for lane in lanes]
    assert len(found) == len(set(found))
    rest = await lease(store, limit=100)
    assert {*found, *(lane.inbox for lane in rest)} == inboxes


async def test_a_peer_that_was_heard_is_due_at_once_and_no_other(store: SqlStore):
    others = [
        OTHER,
        "https://lyon.example.org/inbox",
        "https://lyon.example:8443/inbox",
        "https://lyonXexample/inbox",
    ]
    inboxes = [INBOX, "https://lyon.example/actors/awa/inbox", *others]
    for n, inbox in enumerate(inboxes):
        await owe(store, n, inbox=inbox)
    for lane in await lease(store):
        (one,) = await store.write(lambda tx, lane=lane: tx.owed(lane, limit=1))
        await settle(store, lane, TryAgain(one.id, NOON + timedelta(days=1), "down"))
    assert await lease(store) == ()
    await store.write(lambda tx: tx.awaken("https://lyon.example"))
    assert {lane.inbox for lane in await lease(store)} == set(inboxes) - set(others)


async def test_a_peer_that_was_heard_takes_no_lane_from_whoever_holds_it(store: SqlStore):
    await owe(store, "a")
    lane, owed = await the_lane(store)
    await store.write(lambda tx: tx.awaken("https://lyon.example"))
    assert await lease(store) == ()
    assert await settle(store, lane, Delivered((owed[0].id,)))


async def test_after_a_crash_lanes_are_free(store: SqlStore):
    await owe(store, "a")
    dead, owed = await the_lane(store)
    await store.recover()
    assert [lane.inbox for lane in await lease(store)] == [INBOX]
    assert not await settle(store, dead, Delivered((owed[0].id,)))


async def test_lanes_of_another_process_that_is_alive_are_left_to_it(
    postgres_shared: str, clock: StoppedClock
):
    """On PostgreSQL; an SQLite file has one server at a time, its folder's lock sees to that."""
    await empty(postgres_shared)
    store, other = SqlStore(postgres_shared, clock=clock), SqlStore(postgres_shared, clock=clock)
    await other.recover()
    await owe(store, "a")
    lane, owed = await the_lane(other)
    await store.recover()
    assert await lease(store) == ()
    assert await settle(other, lane, Delivered((owed[0].id,)))
    await owe(store, "b")
    await the_lane(other)
    await other.close()
    # Its lock goes when the database has seen the connection end.
    for _ in range(100):
        await store.recover()
        if again := await lease(store):
            break
        await asyncio.sleep(0.02)
    assert [lane.inbox for lane in again] == [INBOX]
    await store.close()


async def test_ids_of_deliveries_are_not_used_again(store: SqlStore):
    await owe(store, "a")
    lane, (one,) = await the_lane(store)
    await settle(store, lane, Delivered((one.id,)))
    await owe(store, "b")
    _, (two,) = await the_lane(store)
    assert two.id > one.id


async def test_a_settlement_is_all_or_nothing(store: SqlStore):
    await owe(store, "a")
    lane, (one,) = await the_lane(store)

    async def work(tx: Transaction) -> None:
        assert await tx.settle(lane, [Delivered((one.id,))], now=NOON)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.write(work)
    assert await settle(store, lane, Delivered((one.id,)))
