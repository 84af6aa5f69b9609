"""The store as a whole: opening it, and what its transactions add to what they read."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from fedcoop.errors import Misconfigured, Unavailable
from fedcoop.ports import Peer, Reader, Store, Transaction
from fedcoop.store.schema import newest_revision
from fedcoop.store.sql import SqlStore
from tests.conftest import NOON, StoppedClock
from tests.store.making import AWA, LYON, a_delivery, activity, an_actor, record


def accepts(store: Store) -> Store:
    """mypy reads this: a `SqlStore` is a `ports.Store`."""
    return store


async def test_opening_brings_the_tables_and_checks_them(empty_url: str, clock: StoppedClock):
    store = await SqlStore.open(empty_url, clock=clock)
    assert accepts(store) is store
    await store.check()
    await store.write(lambda tx: tx.put_meta("a", "b"))
    await store.close()
    again = await SqlStore.open(empty_url, clock=clock)
    assert await again.read(lambda r: r.meta("a")) == "b"
    await again.close()


async def test_a_database_without_our_tables_is_found_out_before_work_begins(
    own_url: str, clock: StoppedClock
):
    engine = create_async_engine(own_url)
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM alembic_version"))
    await engine.dispose()
    store = SqlStore(own_url, clock=clock)
    with pytest.raises(Misconfigured) as told:
        await store.check()
    assert (told.value.expected, told.value.received) == (newest_revision(), "an empty database")
    await store.close()


async def test_a_database_that_does_not_answer_is_found_out(clock: StoppedClock, tmp_path: Path):
    store = SqlStore(f"postgresql+asyncpg://nobody@/x?host={tmp_path}", clock=clock)
    with pytest.raises(Misconfigured, match="does not answer"):
        await store.check()
    with pytest.raises(Unavailable):
        await store.read(lambda r: r.meta("a"))
    with pytest.raises(Unavailable):
        await store.write(lambda tx: tx.put_meta("a", "b"))
    await store.close()


async def test_what_a_reader_raises_comes_out_as_it_is(store: SqlStore):
    async def work(_reader: Reader) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await store.read(work)


async def test_peers_are_kept_replaced_and_listed(store: SqlStore):
    lyon = Peer("https://lyon.example", "pending", False, "asked on Monday", NOON)
    alpes = Peer("https://alpes.example", "allowed", True, "", NOON)
    changed = Peer("https://lyon.example", "blocked", True, "", NOON + timedelta(days=1))

    async def work(tx: Transaction) -> list[object]:
        await tx.put_peer(lyon)
        await tx.put_peer(alpes)
        first = [await tx.peer(lyon.origin), await tx.peer("https://nowhere.example")]
        await tx.put_peer(changed)
        return [*first, await tx.peers()]

    assert await store.write(work) == [lyon, None, (alpes, changed)]
    assert await store.read(lambda r: r.peers()) == (alpes, changed)
    assert await store.read(lambda r: r.peer(lyon.origin)) == changed


async def test_notes_to_self_are_kept_and_replaced(store: SqlStore):
    await store.write(lambda tx: tx.put_meta("k", "1"))
    await store.write(lambda tx: tx.put_meta("k", "2"))
    assert await store.read(lambda r: r.meta("k")) == "2"
    assert await store.write(lambda tx: tx.meta("nothing")) is None


async def test_where_others_are_reached_is_known_once_for_a_shared_inbox(store: SqlStore):
    shared = {"endpoints": {"sharedInbox": "https://lyon.example/inbox"}}
    said = activity(1)

    async def work(tx: Transaction) -> tuple[tuple[str, ...], ...]:
        await tx.make(
            [
                an_actor(LYON, local=False, **shared),
                an_actor(AWA, local=False, **shared),
                an_actor("https://alpes.example/actors/coop", local=False),
                an_actor("https://nantes.example/actors/coop", local=True),
                record(said, local=True),
                a_delivery(said, "https://lyon.example/inbox"),
            ]
        )
        return (
            await tx.known_inboxes(),
            await tx.inboxes_owed(said.id),
            await tx.inboxes_owed("https://x.example/1"),
        )

    known, owed, nothing = await store.write(work)
    assert sorted(known) == ["https://alpes.example/actors/coop/inbox", "https://lyon.example/inbox"]
    assert owed == ("https://lyon.example/inbox",)
    assert nothing == ()
