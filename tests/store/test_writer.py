"""The one writing task: groups, failures of the commit itself, a full queue, a work that never ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from fedcoop.errors import NotFound, Unavailable
from fedcoop.store import writer as module
from fedcoop.store.engine import engine_for
from fedcoop.store.writer import GroupWriter, as_ours


@pytest.fixture
async def writer(store_url: str) -> AsyncIterator[GroupWriter]:
    engine = engine_for(store_url, "write")
    writer = GroupWriter(engine, backlog=200)
    yield writer
    await writer.close()
    await engine.dispose()


def on_engine(writer: GroupWriter, name: str, listener: Any) -> Any:
    """Listen to an event of the writer's engine; return what ends it."""
    target = writer._engine.sync_engine
    event.listen(target, name, listener)
    return lambda: event.remove(target, name, listener)


def put(key: str) -> Any:
    async def work(connection: AsyncConnection) -> str:
        await connection.execute(text("INSERT INTO meta (key, value) VALUES (:key, '')"), {"key": key})
        return key

    return work


async def kept(connection: AsyncConnection) -> set[str]:
    return set((await connection.execute(text("SELECT key FROM meta"))).scalars())


async def test_works_that_wait_together_share_a_commit(writer: GroupWriter):
    commits: list[object] = []
    on_engine(writer, "commit", commits.append)
    assert await asyncio.gather(*(writer.write(put(f"k{n}")) for n in range(50))) == [
        f"k{n}" for n in range(50)
    ]
    assert 1 <= len(commits) < 25
    assert len(await writer.write(kept)) == 50


async def test_a_group_ends_when_it_is_large_or_old_enough(
    writer: GroupWriter, monkeypatch: pytest.MonkeyPatch
):
    commits: list[object] = []
    on_engine(writer, "commit", commits.append)
    monkeypatch.setattr(module, "GROUP_WORKS", 10)
    monkeypatch.setattr(module, "GROUP_SECONDS", 60)
    await asyncio.gather(*(writer.write(put(f"a{n}")) for n in range(40)))
    assert len(commits) == 4
    monkeypatch.setattr(module, "GROUP_SECONDS", -1)
    await asyncio.gather(*(writer.write(put(f"b{n}")) for n in range(5)))
    assert len(commits) == 9


async def test_nobody_is_answered_before_the_commit(writer: GroupWriter):
    answers: list[str] = []

    async def caller(n: int) -> None:
        answers.append(await writer.write(put(f"k{n}")))

    seen: list[int] = []
    stop = on_engine(writer, "commit", lambda _: seen.append(len(answers)))
    await asyncio.gather(*(caller(n) for n in range(8)))
    stop()
    assert seen[0] == 0
    assert len(answers) == 8


async def test_a_commit_that_fails_fails_for_everybody_in_it_and_nothing_is_kept(writer: GroupWriter):
    await writer.write(put("before"))

    def disk_full(_connection: Any) -> NoReturn:
        raise OperationalError("COMMIT", {}, Exception("disk full"))

    stop = on_engine(writer, "commit", disk_full)
    answers = await asyncio.gather(*(writer.write(put(f"k{n}")) for n in range(6)), return_exceptions=True)
    stop()
    assert [type(answer) for answer in answers] == [Unavailable] * 6
    assert len({id(answer) for answer in answers}) == 6
    assert {answer.code for answer in answers if isinstance(answer, Unavailable)} == {"unavailable"}
    assert await writer.write(kept) == {"before"}


async def test_a_database_that_cannot_be_reached_refuses_and_is_tried_again(writer: GroupWriter):
    def away(*_: Any) -> NoReturn:
        raise OperationalError("connect", {}, Exception("no route"))

    stop = on_engine(writer, "do_connect", away)
    with pytest.raises(Unavailable):
        await writer.write(put("a"))
    stop()
    assert await writer.write(put("b")) == "b"
    assert await writer.write(kept) == {"b"}


async def test_a_connection_that_breaks_inside_a_group_fails_the_group_and_is_replaced(writer: GroupWriter):
    async def breaks(connection: AsyncConnection) -> None:
        await connection.invalidate()
        raise KeyError("mine")

    works = [writer.write(put("a")), writer.write(breaks), writer.write(put("b"))]
    answers = await asyncio.gather(*works, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable, KeyError, str]
    assert await writer.write(kept) == {"b"}


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(store_url: str):
    engine = engine_for(store_url, "write")
    writer = GroupWriter(engine, backlog=3)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection: AsyncConnection) -> None:
        begun.set()
        await go_on.wait()

    first = asyncio.create_task(writer.write(slow))
    await begun.wait()
    waiting = [asyncio.create_task(writer.write(put(f"k{n}"))) for n in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await writer.write(put("late"))
    assert (refused.value.code, refused.value.retry_after) == ("unavailable", 5)
    go_on.set()
    await asyncio.gather(first, *waiting)
    assert await writer.write(kept) == {"k0", "k1", "k2"}
    await writer.close()
    await engine.dispose()


async def test_closing_waits_even_behind_a_full_queue(store_url: str):
    engine = engine_for(store_url, "write")
    writer = GroupWriter(engine, backlog=4)
    asked = [asyncio.create_task(writer.write(put(f"k{n}"))) for n in range(4)]
    await asyncio.sleep(0)
    await writer.close()
    assert await asyncio.gather(*asked) == ["k0", "k1", "k2", "k3"]
    await engine.dispose()


async def test_closing_twice_or_before_the_first_write_is_nothing(store_url: str):
    engine = engine_for(store_url, "write")
    writer = GroupWriter(engine)
    await writer.close()
    await writer.close()
    with pytest.raises(Unavailable):
        await writer.write(put("a"))
    await engine.dispose()


async def test_a_work_that_never_ends_is_ended_and_the_others_go_on(
    writer: GroupWriter, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "WORK_SECONDS", 0.1)

    async def forever(connection: AsyncConnection) -> None:
        await put("never")(connection)
        await asyncio.Event().wait()

    with pytest.raises(Unavailable) as refused:
        await writer.write(forever)
    # Not taken back to a savepoint like others: what its connection was doing, nobody knows.
    assert isinstance(refused.value.__cause__, module.WorkTooLong)
    async with asyncio.timeout(10):
        assert await writer.write(put("after")) == "after"
    assert await writer.write(kept) == {"after"}


async def test_a_work_whose_own_wait_ran_out_fails_alone(writer: GroupWriter):
    async def impatient(connection: AsyncConnection) -> None:
        await put("never")(connection)
        raise TimeoutError

    answers = await asyncio.gather(
        writer.write(put("a")), writer.write(impatient), writer.write(put("b")), return_exceptions=True
    )
    assert type(answers[1]) is TimeoutError
    assert await writer.write(kept) == {"a", "b"}


async def test_a_write_inside_a_write_is_refused_and_does_not_wait_for_itself(writer: GroupWriter):
    async def inner(_connection: AsyncConnection) -> None:
        await writer.write(put("inner"))

    with pytest.raises(RuntimeError, match="wait for itself"):
        await writer.write(inner)
    assert await writer.write(put("after")) == "after"


async def test_a_stopped_loop_leaves_no_caller_waiting(store_url: str):
    engine = engine_for(store_url, "write")
    writer = GroupWriter(engine)
    begun = asyncio.Event()

    async def slow(connection: AsyncConnection) -> None:
        await put("slow")(connection)
        begun.set()
        await asyncio.Event().wait()

    caller = asyncio.create_task(writer.write(slow))
    await begun.wait()
    assert writer._task is not None
    writer._task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    # And a later write begins anew.
    assert await writer.write(kept) == set()
    await writer.close()
    await engine.dispose()


def test_what_may_pass_is_told_as_such_and_bugs_are_not():
    cause = Exception("cause")
    for passing in (
        IntegrityError("x", {}, cause),
        OperationalError("x", {}, cause),
        module.WorkTooLong(),
        ConnectionResetError(),
    ):
        told = as_ours(passing)
        assert isinstance(told, Unavailable)
        assert told.__cause__ is passing
    deadlock = Exception("deadlock detected")
    deadlock.sqlstate = "40P01"  # type: ignore[attr-defined]
    assert isinstance(as_ours(DBAPIError("x", {}, deadlock)), Unavailable)
    for bug in (
        ProgrammingError("x", {}, cause),
        DBAPIError("x", {}, cause),
        KeyError("x"),
        FileNotFoundError(),
        NotFound("not-found", "x"),
    ):
        assert as_ours(bug) is bug
