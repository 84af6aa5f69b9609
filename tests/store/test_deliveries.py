"""What became of every delivery, how it goes with each server, and what is done by hand or by time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import text

from fedcoop.ports import Delivered, Delivery, DeliveryQuery, GivenUp, Outcome, TryAgain
from fedcoop.protocol.circuit import Circuit
from fedcoop.protocol.limits import CIRCUIT_KEPT, DELIVERY_KEPT
from fedcoop.protocol.messages import DropLinks
from fedcoop.store import deliveries
from fedcoop.store.deliveries import Heard
from fedcoop.store.engine import engine_for
from fedcoop.store.schema import upgrade
from fedcoop.store.sql import SqlStore
from tests.conftest import NOON, StoppedClock
from tests.store.making import (
    AWA,
    INBOX,
    LYON,
    MISSION,
    NANTES,
    a_delivery,
    activity,
    an_actor,
    chain,
    record,
    step,
)
from tests.store.test_lanes import MINUTE, OTHER, lease, names, owe, settle, the_lane

SERVER: Final = "https://lyon.example"
SECOND_INBOX: Final = f"{SERVER}/actors/awa/inbox"


async def of(store: SqlStore, **asked: Any) -> tuple[Delivery, ...]:
    return await store.read(lambda r: r.deliveries(DeliveryQuery(**asked)))


async def the(store: SqlStore, name: str) -> Delivery:
    (one,) = await of(store, activity_id=activity(name).id)
    return one


async def ended(store: SqlStore, *outcomes: type[Outcome] | Outcome, inbox: str = INBOX) -> None:
    """Settle the first deliveries of a lane."""
    for lane in await lease(store):
        owed = await store.write(lambda tx, lane=lane: tx.owed(lane, limit=10))
        done: Sequence[Outcome] = ()
        if lane.inbox == inbox:
            done = [_of(outcome, one.id) for outcome, one in zip(outcomes, owed, strict=False)]
        assert await settle(store, lane, *done)


def _of(outcome: Any, id_: int) -> Outcome:
    return outcome(id_) if callable(outcome) else outcome


# -- states ----------------------------------------------------------------------------------------------------------


async def test_a_delivery_is_queued_until_it_is_tried_and_remembered_when_it_has_arrived(
    store: SqlStore, clock: StoppedClock
):
    await owe(store, "a")
    queued = await the(store, "a")
    assert (queued.state, queued.attempts, queued.activity_type) == ("queued", 0, "Create")
    assert (queued.origin, queued.inbox, queued.sender) == (SERVER, INBOX, NANTES)
    assert (queued.next_at, queued.ended_at) == (None, None)
    at = NOON + timedelta(seconds=2)
    await ended(store, lambda id_: Delivered((id_,), at))
    arrived = await the(store, "a")
    assert (arrived.state, arrived.attempts, arrived.ended_at) == ("delivered", 1, at)


async def test_a_retry_shows_its_attempts_its_time_and_what_the_peer_said(store: SqlStore):
    await owe(store, "a", "b")
    await ended(store, lambda id_: TryAgain(id_, NOON + MINUTE, "busy", status=503, problem="unavailable"))
    first, behind = await the(store, "a"), await the(store, "b")
    assert (first.state, first.attempts, first.next_at) == ("retrying", 1, NOON + MINUTE)
    assert (first.status, first.problem, first.reason) == (503, "unavailable", "busy")
    assert (behind.state, behind.attempts, behind.next_at) == ("queued", 0, NOON + MINUTE)


async def test_a_peer_that_does_not_admit_us_parks_what_is_for_it(store: SqlStore):
    await owe(store, "a")
    await ended(store, lambda id_: TryAgain(id_, NOON + MINUTE, "ask", "parked", 403, "not-in-allow-list"))
    assert (await the(store, "a")).state == "parked"


async def test_what_arrives_in_the_end_forgets_its_earlier_failures(store: SqlStore):
    await owe(store, "a")
    await ended(store, lambda id_: TryAgain(id_, NOON, "busy", status=503))
    await ended(store, lambda id_: Delivered((id_,)))
    one = await the(store, "a")
    assert (one.state, one.attempts, one.status, one.reason) == ("delivered", 2, None, None)
    assert (one.first_tried, one.ended_at) == (NOON, NOON)


async def test_a_step_that_never_happened_is_cancelled_and_not_delivered(store: SqlStore):
    one, two = activity("one"), activity("two")
    await store.write(
        lambda tx: tx.make(
            [
                *(record(one, local=True), step(chain(1), one), a_delivery(one)),
                *(record(two, local=True), step(chain(2), two), a_delivery(two)),
            ]
        )
    )
    await store.write(lambda tx: tx.make([DropLinks(MISSION, 2, "409 stale")]))
    cancelled = await the(store, "two")
    assert (cancelled.state, cancelled.reason, cancelled.ended_at) == ("cancelled", "409 stale", NOON)
    _, owed = await the_lane(store)
    assert names(owed) == ["one"]


async def test_what_was_cancelled_on_its_way_and_arrived_is_shown_as_arrived(store: SqlStore):
    one = activity("one")
    await store.write(lambda tx: tx.make([record(one, local=True), step(chain(1), one), a_delivery(one)]))
    lane, (owed,) = await the_lane(store)
    await store.write(lambda tx: tx.make([DropLinks(MISSION, 1, "409 stale")]))
    assert await settle(store, lane, Delivered((owed.id,)))
    assert (await the(store, "one")).state == "delivered"


async def test_what_was_cancelled_on_its_way_and_failed_stays_cancelled(store: SqlStore):
    one = activity("one")
    await store.write(lambda tx: tx.make([record(one, local=True), step(chain(1), one), a_delivery(one)]))
    lane, (owed,) = await the_lane(store)
    await store.write(lambda tx: tx.make([DropLinks(MISSION, 1, "409 stale")]))
    assert await settle(store, lane, GivenUp(owed.id, "no"))
    assert (await the(store, "one")).state == "cancelled"


async def test_deliveries_are_asked_for_by_activity_by_server_and_by_state(store: SqlStore):
    await owe(store, "a", "b", "c")
    await owe(store, "d", inbox=OTHER)
    await ended(store, lambda id_: Delivered((id_,)), lambda id_: GivenUp(id_, "no"))
    named = lambda rows: [one.activity_id.rsplit("/", 1)[1] for one in rows]  # noqa: E731
    assert named(await of(store)) == ["d", "c", "b", "a"]
    assert named(await of(store, limit=2)) == ["d", "c"]
    assert named(await of(store, origin=SERVER)) == ["c", "b", "a"]
    assert named(await of(store, states=("delivered", "refused"))) == ["b", "a"]
    assert named(await of(store, origin="https://alpes.example", states=("queued",))) == ["d"]
    assert named(await of(store, activity_id="https://nowhere.example/a")) == []


async def test_deliveries_are_read_page_by_page_from_the_newest_on(store: SqlStore):
    for name in "abcde":
        await owe(store, name)
    whole = [one.id for one in await of(store)]
    first = await of(store, limit=2)
    second = await of(store, limit=2, before=first[-1].id)
    third = await of(store, limit=2, before=second[-1].id)
    assert [one.id for one in (*first, *second, *third)] == whole
    assert len(whole) == 5


async def test_what_has_ended_does_not_slow_a_lane_or_count_as_owed(store: SqlStore):
    await owe(store, "a", "b")
    await ended(store, lambda id_: Delivered((id_,)), lambda id_: Delivered((id_,)))
    assert await lease(store) == ()
    assert await store.read(lambda r: r.delivery_counts()) == {"owed": 0, "dead": 0}


# -- by hand ---------------------------------------------------------------------------------------------------------


async def test_a_retry_by_hand_is_due_at_once_and_keeps_its_count(store: SqlStore):
    await owe(store, "a")
    await ended(store, lambda id_: TryAgain(id_, NOON + 9 * MINUTE, "down"))
    assert await lease(store) == ()
    one = await the(store, "a")
    assert await store.write(lambda tx: tx.retry([one.id])) == 1
    _, (owed,) = await the_lane(store)
    assert (owed.id, owed.attempts, owed.first_tried) == (one.id, 1, NOON)


@pytest.mark.parametrize("state", ["refused", "expired"])
async def test_what_was_given_up_may_be_tried_again_as_if_it_had_never_been_tried(
    store: SqlStore, state: Any
):
    await owe(store, "a", "b")
    await ended(store, lambda id_: GivenUp(id_, "no", state))
    one = await the(store, "a")
    assert await store.write(lambda tx: tx.retry([one.id])) == 1
    _, owed = await the_lane(store)
    assert names(owed) == ["a", "b"]
    assert (owed[0].attempts, owed[0].first_tried, owed[0].body) == (0, None, activity("a").body)
    assert (await the(store, "a")).state == "queued"


async def test_what_has_arrived_or_was_cancelled_is_not_sent_again(store: SqlStore):
    await owe(store, "a")
    await ended(store, lambda id_: Delivered((id_,)))
    one = activity("one")
    await store.write(lambda tx: tx.make([record(one, local=True), step(chain(1), one), a_delivery(one)]))
    await store.write(lambda tx: tx.make([DropLinks(MISSION, 1, "409 stale")]))
    ids = [each.id for each in await of(store)]
    assert len(ids) == 2
    assert await store.write(lambda tx: tx.retry(ids)) == 0
    assert await lease(store) == ()


async def test_a_retry_by_hand_asks_a_server_that_is_left_alone(store: SqlStore):
    await owe(store, "a")
    await ended(store, lambda id_: TryAgain(id_, NOON + MINUTE, "down"))
    opened = Circuit(5, NOON, 1, NOON + 5 * MINUTE, NOON)
    await store.write(lambda tx: tx.put_circuit(SERVER, opened, probe=INBOX))
    one = await the(store, "a")
    await store.write(lambda tx: tx.retry([one.id]))
    assert [lane.inbox for lane in await lease(store)] == [INBOX]
    assert await store.write(lambda tx: tx.circuit(SERVER)) is None


# -- circuits --------------------------------------------------------------------------------------------------------


async def open_circuit(store: SqlStore) -> Circuit:
    opened = Circuit(5, NOON - MINUTE, 1, NOON + 5 * MINUTE, NOON)
    await store.write(lambda tx: tx.put_circuit(SERVER, opened, probe=INBOX))
    return opened


async def test_while_a_circuit_is_open_no_lane_of_its_server_is_leased_and_then_one(store: SqlStore):
    await owe(store, "a")
    await owe(store, "b", inbox=SECOND_INBOX)
    await owe(store, "c", inbox=OTHER)
    opened = await open_circuit(store)
    assert await store.write(lambda tx: tx.circuit(SERVER)) == opened
    assert [lane.inbox for lane in await lease(store)] == [OTHER]
    (probe,) = [lane for lane in await lease(store, now=NOON + 5 * MINUTE) if lane.inbox != OTHER]
    assert probe.inbox == INBOX
    await store.write(lambda tx: tx.close_circuit(SERVER, answered=INBOX))
    assert SECOND_INBOX in {lane.inbox for lane in await lease(store, now=NOON + 5 * MINUTE)}
    assert await store.write(lambda tx: tx.circuit(SERVER)) is None


async def test_a_lane_that_is_opened_to_such_a_server_waits_too(store: SqlStore):
    await owe(store, "a")
    await ended(store, lambda id_: TryAgain(id_, NOON, "down"))
    await open_circuit(store)
    await owe(store, "b", inbox=SECOND_INBOX)
    assert await lease(store) == ()
    await store.write(lambda tx: tx.awaken(SERVER))
    assert {lane.inbox for lane in await lease(store)} == {INBOX, SECOND_INBOX}


async def test_a_server_that_is_heard_closes_its_circuit(store: SqlStore):
    await owe(store, "a")
    await owe(store, "b", inbox=SECOND_INBOX)
    await ended(store, lambda id_: TryAgain(id_, NOON + MINUTE, "down"))
    await open_circuit(store)
    await store.write(lambda tx: tx.awaken("https://alpes.example"))
    assert await lease(store) == ()
    await store.write(lambda tx: tx.awaken(SERVER))
    assert {lane.inbox for lane in await lease(store)} == {INBOX, SECOND_INBOX}
    assert await store.write(lambda tx: tx.circuit(SERVER)) is None


# -- health ----------------------------------------------------------------------------------------------------------


async def test_the_health_of_a_server_says_what_is_known_of_it(store: SqlStore, clock: StoppedClock):
    await owe(store, "a", "b")
    clock.advance(seconds=30)
    await owe(store, "c", inbox=SECOND_INBOX)
    await owe(store, "z", inbox=OTHER)
    late = NOON + timedelta(seconds=4)
    await ended(store, lambda id_: Delivered((id_,), late), lambda id_: GivenUp(id_, "no"))
    await store.write(lambda tx: tx.awaken(SERVER))
    health = await store.read(lambda r: r.health(SERVER))
    assert (health.heard_at, health.delivered_at) == (clock.now, late)
    assert (health.owed, health.oldest_owed) == (1, NOON + timedelta(seconds=30))
    assert (health.circuit, health.seconds) == (None, (4.0,))
    nobody = await store.read(lambda r: r.health("https://nobody.example"))
    assert (nobody.heard_at, nobody.delivered_at, nobody.owed, nobody.oldest_owed) == (None, None, 0, None)
    assert await store.read(lambda r: r.destinations()) == ("https://alpes.example", SERVER)


async def test_co_ops_are_called_by_the_name_that_they_give_themselves(store: SqlStore):
    member = {"type": "Person", "fedcoopType": ["Member"], "name": "Awa"}
    await store.write(
        lambda tx: tx.make(
            [
                an_actor(NANTES, name="Coop Nantes"),
                an_actor("https://lyon.example/actors/awa", local=False, **member),
                an_actor(LYON, local=False, name="Coop Lyon"),
            ]
        )
    )
    assert await store.read(lambda r: r.coop_names()) == {SERVER: "Coop Lyon"}


def test_a_server_is_noted_as_heard_once_a_minute_and_few_are_remembered(monkeypatch: pytest.MonkeyPatch):
    heard = Heard()
    assert heard.is_news(SERVER, NOON)
    assert not heard.is_news(SERVER, NOON + timedelta(seconds=59))
    assert heard.is_news(SERVER, NOON + MINUTE)
    monkeypatch.setattr(deliveries, "MAX_RATE_KEYS", 3)
    for number in range(100):
        heard.is_news(f"https://peer{number}.example", NOON)
    assert len(heard._at) <= 3


async def test_chains_that_may_be_shared_with_a_server_are_found_page_by_page(store: SqlStore):
    said = [activity(n) for n in range(4)]
    ours = chain(1, id="https://nantes.example/missions/1")
    theirs = chain(1, id="https://lyon.example/missions/2", owner=LYON, parties={"owner": LYON})
    joint = chain(
        1, id="https://nantes.example/a/3", kind="Engagement", parties={"owner": NANTES, "worker": AWA}
    )
    others = chain(
        1,
        id="https://alpes.example/missions/4",
        owner="https://alpes.example/actors/coop",
        parties={"owner": "https://alpes.example/actors/coop"},
    )
    await store.write(
        lambda tx: tx.make(
            [
                an_actor(NANTES),
                *(record(one, local=True) for one in said),
                *(step(of, one) for of, one in zip((ours, theirs, joint, others), said, strict=True)),
            ]
        )
    )
    between = lambda origin, after="", limit=9: store.read(  # noqa: E731
        lambda r: r.chains_between(origin, after=after, limit=limit)
    )
    found = [one.id for one in await between(SERVER)]
    assert sorted(found) == sorted([ours.id, theirs.id, joint.id])
    pages = []
    while page := await between(SERVER, after=pages[-1] if pages else "", limit=1):
        pages += [one.id for one in page]
    assert pages == found
    assert [one.id for one in await between("https://lyon.exam")] == [ours.id]


# -- time ------------------------------------------------------------------------------------------------------------


async def test_what_ended_long_ago_is_forgotten_and_what_is_owed_never(store: SqlStore):
    await owe(store, "a", "b", "c")
    await ended(store, lambda id_: Delivered((id_,)), lambda id_: GivenUp(id_, "no"))
    purge = lambda now, limit=10: store.write(lambda tx: tx.purge_deliveries(now, limit=limit))  # noqa: E731
    assert await purge(NOON + DELIVERY_KEPT) == 0
    later = NOON + DELIVERY_KEPT + MINUTE
    assert await purge(later, limit=1) == 1
    assert await purge(later) == 1
    assert await purge(later + timedelta(days=999)) == 0
    assert [one.state for one in await of(store)] == ["queued"]


async def test_what_is_known_of_a_server_is_forgotten_in_time(store: SqlStore):
    await owe(store, "a")
    await store.write(lambda tx: tx.awaken(SERVER))
    await open_circuit(store)
    await store.write(lambda tx: tx.purge_deliveries(NOON + CIRCUIT_KEPT, limit=1))
    assert await store.write(lambda tx: tx.circuit(SERVER)) is not None
    await store.write(lambda tx: tx.purge_deliveries(NOON + CIRCUIT_KEPT + MINUTE, limit=1))
    assert await store.write(lambda tx: tx.circuit(SERVER)) is None
    assert (await store.read(lambda r: r.health(SERVER))).heard_at is None


async def test_of_too_much_the_oldest_is_given_up_and_an_erasure_never(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(deliveries.shorten_queues.__kwdefaults__, "at_most", 2)
    erasure = activity("erasure", type="Delete")
    erasure = type(erasure)(**{**{f: getattr(erasure, f) for f in erasure.__slots__}, "type": "Delete"})
    await store.write(lambda tx: tx.make([record(erasure, local=True), a_delivery(erasure)]))
    await owe(store, "a", "b", "c")
    await owe(store, "x", "y", "z", inbox=OTHER)
    shorten = lambda: store.write(lambda tx: tx.shorten_queues(NOON))  # noqa: E731
    assert await shorten() == 0
    await ended(store, lambda id_: TryAgain(id_, NOON, "down"))
    assert await shorten() == 2
    (lane,) = [lane for lane in await lease(store) if lane.inbox == INBOX]
    assert names(await store.write(lambda tx: tx.owed(lane, limit=9))) == ["erasure", "c"]
    gone = await the(store, "a")
    assert (gone.state, gone.reason) == ("expired", "more than 2 deliveries waited for this destination")
    assert await shorten() == 0


# -- a release before ------------------------------------------------------------------------------------------------

BEFORE: Final = (
    "INSERT INTO lane (inbox) VALUES ('https://Lyon.example/actors/awa/inbox')",
    "INSERT INTO delivery (inbox, activity_id, sender, attempts, enqueued_at)"
    " VALUES ('https://Lyon.example/actors/awa/inbox', 'a', 's', 2, 5),"
    " ('https://Lyon.example/actors/awa/inbox', 'b', 's', 0, 6)",
    "INSERT INTO dead_letter (inbox, activity_id, sender, attempts, reason, first_tried, enqueued_at, given_up_at)"
    " VALUES ('https://Lyon.example/actors/awa/inbox', 'c', 's', 1, '410 gone', 1, 1, 2),"
    " ('https://Lyon.example/actors/awa/inbox', 'd', 's', 14, 'horizon passed; last: 503', 1, 1, 3)",
)


async def test_what_was_owed_and_given_up_before_is_still_known_after_the_migration(
    empty_url: str, clock: StoppedClock
):
    await upgrade(empty_url, "0002")
    engine = engine_for(empty_url, "migrate")
    async with engine.begin() as connection:
        for statement in BEFORE:
            await connection.execute(text(statement))
    await engine.dispose()
    store = await SqlStore.open(empty_url, clock=clock)
    try:
        found = {one.activity_id: one for one in await of(store)}
        assert {name: one.state for name, one in found.items()} == {
            "a": "retrying",
            "b": "queued",
            "c": "refused",
            "d": "expired",
        }
        assert (found["c"].reason, found["d"].attempts, found["a"].ended_at) == ("410 gone", 14, None)
        assert {one.origin for one in found.values()} == {SERVER}
        assert await store.read(lambda r: r.delivery_counts()) == {"owed": 2, "dead": 2}
        await store.write(lambda tx: tx.retry([found["c"].id]))
        assert (await of(store, activity_id="c"))[0].state == "queued"
    finally:
        await store.close()
