"""What every store promises the flows (`ports.Store`), on each database that there is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from fedcoop.errors import Unavailable
from fedcoop.ports import Knock, Peer, Reader, StoredActivity, Token, Transaction
from fedcoop.protocol.messages import (
    BuryObject,
    Change,
    ConfirmLinks,
    DropFollow,
    DropLinks,
    DropListing,
    KeepEvidence,
    PutFollow,
    PutReport,
    ResetChain,
)
from fedcoop.store.sql import SqlStore
from tests.conftest import NOON, ROOT, StoppedClock
from tests.store.making import (
    LYON,
    MISSION,
    NANTES,
    a_delivery,
    a_listing,
    activity,
    an_actor,
    an_object,
    chain,
    engagement,
    record,
    rows_of,
    step,
)

SAID: Final = activity(1)
EVERYTHING: Final[tuple[Change, ...]] = (
    an_actor(),
    record(SAID, local=True, inbox_of=(LYON,), outbox_of=NANTES, client_key="k"),
    record(activity(2)),
    an_object(),
    step(chain(), SAID, refs=("https://nantes.example/x",)),
    a_listing(),
    PutFollow(LYON, NANTES, "https://lyon.example/activities/f", "accepted"),
    a_delivery(SAID),
    KeepEvidence(SAID.id, b"{}", NOON),
    PutReport("https://nantes.example/f", "https://nantes.example/actor", (LYON,), "", NOON),
)
NEVER_CHANGED_BY_MESSAGES: Final = {
    *("peer", "peer_decision", "peer_answer", "peer_list", "peer_draft", "stranger"),
    *("knock", "token", "oauth_grant", "account", "meta", "circuit", "heard"),
    *("relay", "relay_report", "relayed", "subscriber", "provenance"),
}
UNDONE: Final[tuple[Change, ...]] = (
    BuryObject(MISSION, "Mission", NOON),
    ConfirmLinks(MISSION, 1),
    DropLinks(MISSION, 1, "displaced"),
    ResetChain(MISSION, None),
    DropListing(MISSION),
    DropFollow(LYON, NANTES),
)


class Interrupted(Exception):
    """Something went wrong in the middle of a work."""


async def made(store: SqlStore, *changes: Change) -> None:
    await store.write(lambda tx: tx.make(changes))


async def count_one_more(tx: Transaction) -> int:
    """Read a number and write the next: what loses updates where transactions are not what they seem."""
    before = int(await tx.meta("n") or 0)
    await tx.put_meta("n", str(before + 1))
    return before + 1


# -- all or nothing ------------------------------------------------------------------------------------------


async def test_a_work_that_raises_leaves_nothing(store: SqlStore, store_url: str):
    async def work(tx: Transaction) -> None:
        await tx.make(EVERYTHING)
        await tx.put_peer(Peer("https://lyon.example", "allowed", False, "", NOON))
        await tx.put_knock(Knock("https://lyon.example", "rfc9421", NOON))
        await tx.put_token(Token("hash", NANTES, NOON, ("read",), "", None, None))
        await tx.put_meta("k", "v")
        raise Interrupted

    with pytest.raises(Interrupted):
        await store.write(work)
    assert set((await rows_of(store_url)).values()) == {0}


async def test_a_work_that_raises_takes_nothing_away(store: SqlStore, store_url: str):
    await made(store, *EVERYTHING)
    before = await rows_of(store_url)
    assert {name for name, count in before.items() if count == 0} == NEVER_CHANGED_BY_MESSAGES

    async def work(tx: Transaction) -> None:
        await tx.make(UNDONE)
        raise Interrupted

    with pytest.raises(Interrupted):
        await store.write(work)
    assert await rows_of(store_url) == before
    assert await store.read(lambda r: r.links(MISSION))
    assert (await store.read(lambda r: r.activity(SAID.id))).refused is None


async def test_a_failing_work_takes_only_itself_out_of_its_group(store: SqlStore):
    async def work(tx: Transaction, n: int) -> int:
        await tx.make([record(activity(n))])
        if n % 3 == 0:
            raise Interrupted(n)
        return n

    answers = await asyncio.gather(
        *(store.write(lambda tx, n=n: work(tx, n)) for n in range(40)), return_exceptions=True
    )
    for n, answer in enumerate(answers):
        kept = await store.read(lambda r, n=n: r.activity(activity(n).id))
        if n % 3 == 0:
            assert isinstance(answer, Interrupted)
            assert answer.args == (n,)
            assert kept is None
        else:
            assert answer == n
            assert kept is not None


async def test_a_statement_that_the_database_refuses_spoils_nobody_elses_work(store: SqlStore):
    await made(store, record(activity(0)))
    answers = await asyncio.gather(
        *(made(store, record(activity(n)), record(activity(n + 100))) for n in (1, 0, 2)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [type(None), Unavailable, type(None)]
    found = [await store.read(lambda r, n=n: r.activity(activity(n).id)) for n in (1, 2, 100, 101, 102)]
    assert [one is not None for one in found] == [True, True, False, True, True]


async def test_what_was_answered_is_durable_and_seen_by_the_next_reader(store: SqlStore, store_url: str):
    await made(store, record(SAID))
    assert (await store.read(lambda r: r.activity(SAID.id))).body == SAID.body
    assert (await rows_of(store_url))["activity"] == 1


# -- one after another ---------------------------------------------------------------------------------------


async def test_two_hundred_at_once_are_all_counted(store: SqlStore):
    answers = await asyncio.gather(*(store.write(count_one_more) for _ in range(200)))
    assert sorted(answers) == list(range(1, 201))
    assert await store.read(lambda r: r.meta("n")) == "200"


async def test_two_processes_that_share_a_database_count_every_step_of_a_chain(
    store: SqlStore, store_url: str, clock: StoppedClock
):
    async def advance(tx: Transaction, name: str) -> None:
        found = await tx.chain(MISSION)
        version = found.version + 1 if found else 1
        said = activity(name)
        await tx.make([record(said), step(chain(version, memory={"by": name}), said)])

    await store.write(lambda tx: advance(tx, "first"))
    other = SqlStore(store_url, clock=clock)
    try:
        await asyncio.gather(
            *(
                one.write(lambda tx, n=n, one=one: advance(tx, f"{id(one)}-{n}"))
                for n in range(25)
                for one in (store, other)
            )
        )
    finally:
        await other.close()
    links = await store.read(lambda r: r.links(MISSION))
    assert [link.version for link in links] == list(range(1, 52))
    assert (await store.read(lambda r: r.chain(MISSION))).version == 51


async def test_two_processes_that_wait_for_each_other_are_told_to_come_again(
    store: SqlStore, store_url: str, clock: StoppedClock
):
    """Chains locked in opposite orders: PostgreSQL ends one of the two, and asked again it succeeds."""
    chains = [engagement(n) for n in (1, 2)]
    for n, of in enumerate(chains):
        said = activity(n, LYON)
        await made(store, record(said), step(of, said))

    async def both(one: SqlStore, order: int) -> int:
        async def work(tx: Transaction) -> int:
            for of in chains[::order]:
                assert await tx.chain(of.id) is not None
                await asyncio.sleep(0.05)
            return await count_one_more(tx)

        while True:
            with contextlib.suppress(Unavailable):
                return await one.write(work)

    other = SqlStore(store_url, clock=clock)
    try:
        async with asyncio.timeout(60):
            answers = await asyncio.gather(
                *(both(one, order) for _ in range(3) for one, order in ((store, 1), (other, -1)))
            )
    finally:
        await other.close()
    assert sorted(answers) == [1, 2, 3, 4, 5, 6]


async def test_a_version_of_a_chain_has_one_transition_whoever_writes_it(store: SqlStore):
    await made(store, record(SAID), step(chain(), SAID))
    other = activity("other")
    with pytest.raises(Unavailable):
        await made(store, record(other), step(chain(), other))
    assert await store.read(lambda r: r.activity(other.id)) is None


# -- callers come and go -------------------------------------------------------------------------------------


async def test_a_cancelled_caller_neither_stops_its_work_nor_holds_the_lock(store: SqlStore):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: Transaction) -> None:
        await tx.make([record(SAID)])
        begun.set()
        await go_on.wait()
        await tx.put_meta("slow", "done")

    caller = asyncio.create_task(store.write(slow))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    async with asyncio.timeout(5):
        assert await store.write(count_one_more) == 1
    assert await store.read(lambda r: r.meta("slow")) == "done"
    assert await store.read(lambda r: r.activity(SAID.id)) is not None


async def test_a_caller_that_gives_up_before_its_work_began_takes_it_back(store: SqlStore):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: Transaction) -> None:
        begun.set()
        await go_on.wait()

    first = asyncio.create_task(store.write(slow))
    await begun.wait()
    second = asyncio.create_task(store.write(count_one_more))
    await asyncio.sleep(0)
    second.cancel()
    go_on.set()
    await first
    with pytest.raises(asyncio.CancelledError):
        await second
    assert await store.write(count_one_more) == 1


async def test_many_callers_cancelled_at_any_moment_leave_a_working_store(store: SqlStore):
    callers = [asyncio.create_task(store.write(count_one_more)) for _ in range(60)]
    for n, caller in enumerate(callers):
        if n % 2:
            await asyncio.sleep(0.001)
            caller.cancel()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    acknowledged = [a for a in answers if isinstance(a, int)]
    counted = int(await store.read(lambda r: r.meta("n")) or 0)
    assert len(acknowledged) >= 30
    assert counted >= max(acknowledged)
    assert await store.write(count_one_more) == counted + 1


async def test_a_work_that_cancels_itself_is_taken_back_alone(store: SqlStore):
    async def work(tx: Transaction) -> None:
        await tx.make([record(SAID)])
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await store.write(work)
    assert await store.read(lambda r: r.activity(SAID.id)) is None
    assert await store.write(count_one_more) == 1


async def test_closing_finishes_what_was_begun(store_url: str, clock: StoppedClock):
    store = SqlStore(store_url, clock=clock)
    asked = [asyncio.create_task(store.write(count_one_more)) for _ in range(50)]
    await asyncio.sleep(0)
    await store.close()
    assert sorted(await asyncio.gather(*asked)) == list(range(1, 51))
    with pytest.raises(Unavailable):
        await store.write(count_one_more)
    again = SqlStore(store_url, clock=clock)
    assert await again.read(lambda r: r.meta("n")) == "50"
    await again.close()


# -- readers -------------------------------------------------------------------------------------------------


async def test_a_reader_sees_one_snapshot_and_nothing_uncommitted(store: SqlStore):
    await made(store, record(SAID))
    later = activity("later")

    async def look(reader: Reader) -> list[StoredActivity | None]:
        first = await reader.activity(SAID.id)
        await made(store, record(later))
        return [first, await reader.activity(later.id)]

    first, second = await store.read(look)
    assert first is not None
    assert second is None
    assert await store.read(lambda r: r.activity(later.id)) is not None


async def test_a_cancelled_reader_gives_its_connection_back(store: SqlStore):
    await made(store, record(SAID))
    readers = [asyncio.create_task(store.read(lambda r: r.activity(SAID.id))) for _ in range(40)]
    await asyncio.sleep(0.002)
    for reader in readers[::2]:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    async with asyncio.timeout(5):
        again = await asyncio.gather(*(store.read(lambda r: r.activity(SAID.id)) for _ in range(8)))
    assert all(again)


async def test_a_transaction_reads_what_it_has_written(store: SqlStore):
    async def work(tx: Transaction) -> tuple[object, ...]:
        await tx.make([record(SAID), step(chain(), SAID, refs=("ref",)), an_object()])
        return (
            await tx.activity(SAID.id),
            await tx.chain("ref"),
            await tx.object(MISSION),
            await tx.links(MISSION),
        )

    assert all(await store.write(work))


# -- duplicates ----------------------------------------------------------------------------------------------


async def test_an_activity_is_recorded_once(store: SqlStore):
    await made(store, record(SAID))
    with pytest.raises(Unavailable) as told:
        await made(store, record(activity(1, content="something else")), an_object())
    assert told.value.code == "unavailable"
    assert (await store.read(lambda r: r.activity(SAID.id))).body == SAID.body
    assert await store.read(lambda r: r.object(MISSION)) is None


async def test_a_clients_key_is_used_once_by_each_actor(store: SqlStore):
    await made(store, record(activity(1), client_key="k"), record(activity(2, LYON), client_key="k"))
    with pytest.raises(Unavailable):
        await made(store, record(activity(3), client_key="k"))
    found = await store.write(lambda tx: tx.activity_by_client_key(NANTES, "k"))
    assert found.id == activity(1).id


# -- SIGKILL -------------------------------------------------------------------------------------------------

WRITER: Final = """
import asyncio, sys
from fedcoop.store.sql import SqlStore
from tests.conftest import NOON
from tests.store.making import a_delivery, activity, chain, record, step

async def main(url, start):
    store = SqlStore(url, clock=lambda: NOON)
    async def write(n):
        async def work(tx):
            seen = int(await tx.meta("n") or 0)
            said = activity(n)
            of = chain(seen + 1)
            await tx.make([record(said, inbox_of=("https://nantes.example/actors/coop",)), step(of, said),
                           a_delivery(said)])
            await tx.put_meta("n", str(seen + 1))
        await store.write(work)
        print(n, flush=True)  # acknowledged
    n = start
    while True:
        await asyncio.gather(*(write(i) for i in range(n, n + 8)))
        n += 8

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_killing_the_process_loses_nothing_acknowledged_and_halves_nothing(
    store_url: str, tmp_path: Path, clock: StoppedClock
):
    acknowledged: set[int] = set()
    for turn in range(4):
        out = tmp_path / f"{turn}.txt"
        with out.open("wb") as log:
            writer = subprocess.Popen(
                [sys.executable, "-c", WRITER, store_url, str(turn * 10_000)], cwd=ROOT, stdout=log
            )
            try:
                async with asyncio.timeout(30):
                    while len(out.read_bytes().splitlines()) < 20 + 7 * turn:
                        assert writer.poll() is None
                        await asyncio.sleep(0.005)
            finally:
                os.kill(writer.pid, signal.SIGKILL)
                assert writer.wait() == -signal.SIGKILL
        acknowledged |= {int(line) for line in out.read_bytes().split(b"\n")[:-1]}
    store = SqlStore(store_url, clock=clock)
    try:
        links = await store.read(lambda r: r.links(MISSION))
        history = await store.read(lambda r: r.history(MISSION))
        found = {int(said.id.rsplit("/", 1)[1]) for said in history}
        assert acknowledged <= found
        assert len(acknowledged) > 100
        # Everything of a work or nothing of it: the five tables agree, and the chain has no gap.
        total = len(links)
        assert [link.version for link in links] == list(range(1, total + 1))
        assert await store.read(lambda r: r.meta("n")) == str(total)
        assert (await store.read(lambda r: r.chain(MISSION))).version == total
        assert (await store.read(lambda r: r.inbox_page(NANTES, cursor=None, limit=1))).total == total
        assert (await store.read(lambda r: r.delivery_counts())) == {"owed": total, "dead": 0}
        assert (await rows_of(store_url))["activity"] == total
    finally:
        await store.close()
