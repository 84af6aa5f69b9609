"""Relays in the database: those that we use, and what is kept by the one that we are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from fedcoop.ports import Relay, Relayed, RelayReport, Subscriber
from fedcoop.protocol.relaying import Facets, Wish
from fedcoop.store.sql import SqlStore
from tests.conftest import NOON

R1, R2 = "https://r1.example", "https://r2.example"
FIRST = Relay(f"{R1}/actor", R1, f"{R1}/inbox", "https://lyon.example/activities/1", "pending", Wish(), NOON)
SECOND = replace(
    FIRST,
    actor=f"{R2}/actor",
    origin=R2,
    wish=Wish(("Mission",), ("N41",), ("52",)),
    since=NOON + timedelta(seconds=1),
    answered_at=NOON,
)
US = Subscriber(
    "https://lyon.example/actor", "https://lyon.example", "https://lyon.example/inbox",
    "https://lyon.example/activities/1", "litepub", "pending", Wish(rome=("N",)), NOON, NOON,
)  # fmt: skip


async def test_a_relay_comes_back_as_it_was_put_and_is_replaced_by_its_new_state(store: SqlStore):
    for relay in (SECOND, FIRST):
        await store.write(lambda tx, relay=relay: tx.put_relay(relay))
    assert await store.read(lambda r: r.relays()) == (FIRST, SECOND)
    accepted = replace(FIRST, state="accepted", answered_at=NOON)
    await store.write(lambda tx: tx.put_relay(accepted))
    assert await store.write(lambda tx: tx.relay(FIRST.actor)) == accepted
    await store.write(lambda tx: tx.forget_relay(SECOND.actor))
    assert await store.read(lambda r: r.relays()) == (accepted,)


async def test_a_server_brings_as_the_relay_there_that_has_accepted_us(store: SqlStore):
    other = replace(FIRST, actor=f"{R1}/relay", state="accepted")
    for relay in (FIRST, other, SECOND):
        await store.write(lambda tx, relay=relay: tx.put_relay(relay))
    assert await store.read(lambda r: r.relay_at(R1)) == other
    assert await store.read(lambda r: r.relay_at(R2)) == SECOND
    assert await store.read(lambda r: r.relay_at("https://r3.example")) is None


async def test_of_each_relay_the_newest_reports_are_kept_each_once(store: SqlStore):
    reports = [RelayReport(FIRST.actor, f"https://lyon.example/{n}", "proof-invalid", NOON) for n in range(4)]
    for report in (*reports, replace(reports[0], relay=SECOND.actor)):
        assert await store.write(lambda tx, report=report: tx.put_relay_report(report, keep=3))
    assert await store.read(lambda r: r.relay_reports(FIRST.actor)) == (reports[3], reports[2], reports[1])
    assert len(await store.read(lambda r: r.relay_reports(SECOND.actor))) == 1
    again = replace(reports[3], at=NOON + timedelta(days=1))
    assert not await store.write(lambda tx: tx.put_relay_report(again, keep=3))
    assert (await store.read(lambda r: r.relay_reports(FIRST.actor)))[0] == reports[3]


async def test_a_subscriber_is_kept_until_it_is_forgotten(store: SqlStore):
    other = replace(US, actor="https://alpes.example/actor", since=NOON - timedelta(days=1), style="mastodon")
    for one in (US, other):
        await store.write(lambda tx, one=one: tx.put_subscriber(one))
    decided = replace(US, state="accepted", decided_at=NOON)
    await store.write(lambda tx: tx.put_subscriber(decided))
    assert await store.read(lambda r: r.subscribers()) == (other, decided)
    assert await store.read(lambda r: r.subscriber(US.actor)) == decided
    await store.write(lambda tx: tx.forget_subscriber(US.actor))
    assert await store.read(lambda r: r.subscriber(US.actor)) is None
    assert await store.read(lambda r: r.subscribers()) == (other,)


async def test_what_went_through_is_known_by_how_it_was_filtered_last(store: SqlStore):
    mission = "https://lyon.example/missions/1"
    first = Relayed(mission, "https://lyon.example/actors/coop", Facets("Mission", "N4104", None))
    last = replace(first, facets=Facets("Mission", None, "52"))
    for one in (first, last):
        await store.write(lambda tx, one=one: tx.put_relayed(one))
    assert await store.read(lambda r: r.relayed(mission)) == last
    await store.write(lambda tx: tx.forget_relayed(mission))
    assert await store.read(lambda r: r.relayed(mission)) is None
