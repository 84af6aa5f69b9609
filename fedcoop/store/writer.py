"""One task writes, and it commits for everybody who is waiting.

A commit that survives a power cut costs the same for one small transaction and for a hundred. So works are
run one after another in one transaction, each behind a savepoint of its own, and one COMMIT makes them
durable together; only then is anybody answered. A work that raises is taken back alone. With nobody else
waiting, a work has the transaction to itself, so an idle server adds nothing to its wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction

from fedcoop.errors import Unavailable
from fedcoop.protocol.limits import MAX_INBOUND_BACKLOG

T = TypeVar("T")
Work: TypeAlias = Callable[[AsyncConnection], Awaitable[T]]

GROUP_WORKS: Final = 128
"""Works of one commit: nobody waits behind more than these."""

GROUP_SECONDS: Final = 0.02
"""Time during which a group takes in works that come while it runs; a commit takes about a twentieth of
it."""

WORK_SECONDS: Final = 30.0
"""Longest work. A work asks the database and nobody else; one that takes this long would hold up
everybody."""

LATER_SQLSTATES: Final = frozenset({"08", "40", "53", "55", "57"})
"""PostgreSQL's classes for: connection lost, deadlock, no resources, lock not had, shutting down."""


class WorkTooLong(Exception):
    """A work did not end within WORK_SECONDS; in what state its connection is, nobody knows."""


@dataclass(slots=True, eq=False)
class _Asked:
    work: Work[Any]
    answer: asyncio.Future[Any]


@dataclass(slots=True)
class _Group:
    """Works that have run and wait for their commit, and the transaction that they are in."""

    transaction: AsyncTransaction
    closes_at: float
    done: list[tuple[_Asked, Any]] = field(default_factory=list)


class GroupWriter:
    """Runs works on the one writing connection of `engine`; see the module."""

    def __init__(self, engine: AsyncEngine, *, backlog: int = MAX_INBOUND_BACKLOG) -> None:
        self._engine = engine
        self._queue: asyncio.Queue[_Asked | None] = asyncio.Queue(backlog)
        self._connection: AsyncConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    async def write(self, work: Work[T]) -> T:
        """Return what `work` returned, once it is durable; what it raises comes out here and nothing is kept.

        A caller that is cancelled before its work has begun takes it back; later the work goes on without it.

        Raises:
            Unavailable: too many are waiting, the database is out of reach, or another process was faster
                (`unavailable`). The same work may succeed later.
        """
        if self._task is not None and asyncio.current_task() is self._task:
            raise RuntimeError("a work must not ask for a write of its own: it would wait for itself")
        if self._closing:
            raise Unavailable("unavailable", "this server is stopping")
        asked = _Asked(work, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(asked)
        except asyncio.QueueFull:
            raise Unavailable("unavailable", "too many writes are waiting", retry_after=5) from None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve(), name="store writer")
        answer: T = await asked.answer
        return answer

    async def close(self) -> None:
        """Run what is waiting, answer it, and let go of the connection."""
        self._closing = True
        if self._task is not None and not self._task.done():
            await self._queue.put(None)
            await self._task
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    # -- the task
    # -----------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        try:
            while (asked := await self._queue.get()) is not None:
                await self._run_group(asked)
        except BaseException as error:
            # Only the end of the program comes this far. Nobody is left waiting for it.
            while not self._queue.empty():
                if (asked := self._queue.get_nowait()) is not None:
                    refuse(asked.answer, error)
            raise

    async def _run_group(self, first: _Asked) -> None:
        """Run `first` and what else is waiting, commit, answer. Whatever happens, everybody is answered."""
        group: _Group | None = None
        asked: _Asked | None = first
        try:
            connection = await self._connected()
            closes_at = asyncio.get_running_loop().time() + GROUP_SECONDS
            group = _Group(await connection.begin(), closes_at)
            while asked is not None:
                if not asked.answer.done():
                    await self._run(asked, connection, group)
                asked = self._next(group)
            await group.transaction.commit()
        except BaseException as error:
            await self._disconnect()
            for one, _ in group.done if group else ():
                refuse(one.answer, lost(error))
            if asked is not None:
                refuse(asked.answer, error)
            if not isinstance(error, Exception):
                raise
        else:
            for one, result in group.done:
                if not one.answer.done():
                    one.answer.set_result(result)

    def _next(self, group: _Group) -> _Asked | None:
        """Return the next work for the group, or None when nobody waits or the group has had enough."""
        if len(group.done) >= GROUP_WORKS or asyncio.get_running_loop().time() > group.closes_at:
            return None
        try:
            asked = self._queue.get_nowait()
        except asyncio.QueueEmpty:
            return None
        if asked is None:  # told to stop: after this group
            self._queue.put_nowait(None)
        return asked

    async def _run(self, asked: _Asked, connection: AsyncConnection, group: _Group) -> None:
        """Run one work and put it into the group, or answer its exception and take back what it did."""
        # As long as nobody's work is in the transaction, there is nothing that a savepoint would keep.
        alone = not group.done
        if not alone:
            await connection.exec_driver_sql("SAVEPOINT work")
        limit = asyncio.timeout(WORK_SECONDS)
        try:
            async with limit:
                result = await asked.work(connection)
        except (Exception, asyncio.CancelledError) as error:
            if limit.expired():
                raise WorkTooLong from error
            if _stopped(error) or connection.invalidated:
                raise
            if alone:
                await group.transaction.rollback()
                group.transaction = await connection.begin()
            else:
                await connection.exec_driver_sql("ROLLBACK TO SAVEPOINT work")
                await connection.exec_driver_sql("RELEASE SAVEPOINT work")
            refuse(asked.answer, error)
        else:
            if not alone:
                await connection.exec_driver_sql("RELEASE SAVEPOINT work")
            group.done.append((asked, result))

    async def _connected(self) -> AsyncConnection:
        if self._connection is None:
            self._connection = await connect(self._engine)
        return self._connection

    async def _disconnect(self) -> None:
        """Drop a connection in an unknown state, with whatever was not committed on it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.invalidate()
                await connection.close()
            except (DBAPIError, OSError, ValueError):
                pass  # it is gone, which is what was wanted


async def connect(engine: AsyncEngine) -> AsyncConnection:
    """Return a connection. Raises Unavailable when the database is out of reach or all its connections taken."""
    try:
        return await engine.connect()
    except (DBAPIError, PoolTimeout, OSError) as error:
        raise Unavailable("unavailable", "the database is out of reach") from error


def _stopped(error: BaseException) -> bool:
    """Tell whether it is this task that was cancelled, and not something inside a work."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def refuse(answer: asyncio.Future[Any], error: BaseException) -> None:
    """Give `error` to whoever waits for `answer`, in our own words when it is the database's."""
    if answer.done():
        return
    if isinstance(error, asyncio.CancelledError):
        answer.cancel()
    else:
        answer.set_exception(as_ours(error))


def lost(error: BaseException) -> BaseException:
    """Return what those are told whose work was right and whose commit did not come about."""
    if isinstance(error, asyncio.CancelledError):
        return error
    told = Unavailable("unavailable", "the database could not take this now; nothing of it was kept")
    told.__cause__ = error
    return told


def as_ours(error: BaseException) -> BaseException:
    """Return what a caller is told about `error`: Unavailable for what may pass, else the error itself.

    A broken rule of uniqueness is one of them: another process was faster, and whoever asks again will find
    what it wrote (a duplicate is then seen as one).
    """
    return lost(error) if may_pass(error) else error


def may_pass(error: BaseException) -> bool:
    """Tell whether the same work may succeed later."""
    if isinstance(error, IntegrityError | OperationalError | InterfaceError | WorkTooLong | ConnectionError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state[:2] in LATER_SQLSTATES
