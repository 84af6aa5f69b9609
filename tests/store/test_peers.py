"""What the store keeps about other co-ops' servers."""

from __future__ import annotations

from datetime import timedelta

from fedcoop.ports import Decision, PeerAnswer, Stranger, Transaction
from fedcoop.protocol.limits import MAX_STRANGERS
from fedcoop.protocol.messages import Deliver, PutFollow
from fedcoop.store.sql import SqlStore
from tests.conftest import NOON

LYON, ALPES = "https://lyon.example", "https://alpes.example"


async def owing(tx: Transaction, *inboxes: str) -> None:
    await tx.make([Deliver(f"https://us.example/a/{n}", "me", i, b"{}") for n, i in enumerate(inboxes)])


async def test_decisions_are_kept_in_their_order(store: SqlStore):
    decided = [
        Decision(LYON, "allowed", True, "n", "", "awa", NOON, "operator"),
        Decision(LYON, "blocked", True, "n", "r", "malo", NOON + timedelta(days=1), "operator"),
    ]

    async def work(tx: Transaction) -> None:
        for decision in decided:
            await tx.put_decision(decision)
        await tx.put_decision(Decision(ALPES, "limited", False, "", "", "", NOON, "list"))

    await store.write(work)
    assert await store.read(lambda r: r.decisions(LYON)) == tuple(decided)


async def test_those_that_knocked_longest_ago_make_room(store: SqlStore):
    async def work(tx: Transaction) -> None:
        for n in range(MAX_STRANGERS + 3):
            at = NOON + timedelta(minutes=n)
            await tx.put_stranger(Stranger(f"https://c{n}.example", at, at, 1))

    await store.write(work)
    kept = await store.read(lambda r: r.strangers())
    assert len(kept) == MAX_STRANGERS
    assert kept[0].origin == f"https://c{MAX_STRANGERS + 2}.example"
    assert await store.read(lambda r: r.stranger("https://c2.example")) is None
    again = Stranger(kept[0].origin, NOON, NOON + timedelta(days=9), 2)
    await store.write(lambda tx: tx.put_stranger(again))
    assert await store.read(lambda r: r.stranger(again.origin)) == again
    await store.write(lambda tx: tx.forget_stranger(again.origin))
    assert await store.read(lambda r: r.stranger(again.origin)) is None


async def test_the_last_refusal_of_a_peer_is_kept_and_forgotten(store: SqlStore):
    first, last = PeerAnswer(LYON, "frozen", "", NOON), PeerAnswer(LYON, "blocked", "why", NOON)
    await store.write(lambda tx: tx.put_peer_answer(first))
    await store.write(lambda tx: tx.put_peer_answer(last))
    assert await store.read(lambda r: r.peer_answer(LYON)) == last
    assert await store.read(lambda r: r.peer_answers()) == (last,)
    await store.write(lambda tx: tx.forget_peer_answer(LYON))
    assert await store.read(lambda r: r.peer_answers()) == ()


async def test_follows_are_found_by_either_side_and_by_whole_origins(store: SqlStore):
    us = "https://us.example/actors/coop"
    follows = [
        PutFollow(f"{LYON}/actors/coop", us, "f1", "accepted"),
        PutFollow(us, f"{LYON}/actors/coop", "f2", "accepted"),
        PutFollow(us, f"{LYON}/actors/awa", "f3", "pending"),
        PutFollow("https://lyon.example.evil/actors/coop", us, "f4", "accepted"),
    ]
    await store.write(lambda tx: tx.make(follows))
    found = await store.read(lambda r: r.follows_with(LYON))
    assert [f.activity_id for f in found] == ["f1", "f2"]


async def test_what_is_kept_back_is_owed_again_in_its_order(store: SqlStore):
    async def sent(tx: Transaction) -> list[str]:
        lanes = await tx.lease(now=NOON, until=NOON + timedelta(hours=9), holder="t", limit=9)
        return [owed.activity_id[-1] for lane in lanes for owed in await tx.owed(lane, limit=9)]

    await store.write(lambda tx: owing(tx, f"{LYON}/inbox", f"{LYON}/inbox", f"{ALPES}/inbox"))
    await store.write(lambda tx: tx.keep_back(LYON, "https://us.example/a/1"))
    assert await store.write(lambda tx: tx.owed_to(LYON)) == ("https://us.example/a/0",)
    await store.write(lambda tx: tx.keep_back(LYON))
    assert await store.write(lambda tx: tx.owed_to(LYON)) == ()
    assert await store.write(lambda tx: tx.waiting_for(LYON)) == 2
    assert await store.write(lambda tx: tx.waiting_for(ALPES)) == 1
    await store.write(lambda tx: tx.let_go(LYON, NOON))
    assert await store.write(lambda tx: tx.waiting_for(LYON)) == 2
    assert sorted(await store.write(sent)) == ["0", "1", "2"]
