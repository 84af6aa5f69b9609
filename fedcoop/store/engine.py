"""Connections to the database, by URL: one that writes, a few that read.

SQLite follows the rules that its measurements dictate: one writing connection, transactions that
begin with `BEGIN IMMEDIATE` (a plain `BEGIN` loses updates or fails at the first upgrade), WAL,
`synchronous=FULL` because what we have acknowledged to a peer must survive a power cut, readers that cannot
write by mistake.

aiosqlite hands every call to a thread and waits for it, four times a statement: on a small machine that costs
ten times what the statement does. `ShortCalls` does at once what cannot wait for the disk or for a lock.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import aiosqlite
from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from fedcoop.errors import Misconfigured
from fedcoop.store.dialect import not_ours

Purpose: TypeAlias = Literal["write", "read", "migrate"]

READERS: Final = 4
"""Reading connections; on SQLite each is a thread."""

BUSY_TIME: Final = 10_000
"""Milliseconds to wait for a lock that another process holds (an operator's command beside the server)."""

CHECKPOINT_PAGES: Final = 4_000
"""Pages of the write-ahead log before it is written back (16 MiB): fewer, larger checkpoints, none in sight
of a user."""

SHORT_ROWS: Final = 100
"""Rows that are written at once without a thread: about a millisecond."""

SQLITE_PRAGMAS: Final = {
    "write": (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    ),
    "read": ("foreign_keys=ON", "query_only=ON"),
    # A table that is rebuilt is dropped on the way, and every row that refers to it would go with it.
    "migrate": ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=OFF"),
}


def engine_for(url: str, purpose: Purpose) -> AsyncEngine:
    """Return an engine for `sqlite+aiosqlite:///PATH` or `postgresql+asyncpg://…`.

    Raises:
        Misconfigured: the URL is neither, or names no file (a database in memory would be a different one for each
            connection), or has a parameter that the driver does not know; or that driver is not installed.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Misconfigured("misconfigured", "the database URL cannot be read") from error
    match parsed.drivername:
        case "sqlite+aiosqlite":
            return _sqlite(parsed, purpose)
        case "postgresql+asyncpg":
            return _postgresql(parsed, purpose)
        case other:
            raise not_ours(other)


def _sqlite(url: URL, purpose: Purpose) -> AsyncEngine:
    if not url.database or url.database == ":memory:" or "mode=memory" in str(url):
        raise Misconfigured("misconfigured", "an SQLite database must be a file: sqlite+aiosqlite:///PATH")
    if purpose != "read":
        _make_private(Path(url.database))
    engine = create_async_engine(
        url,
        pool_size=READERS if purpose == "read" else 1,
        max_overflow=0,
        connect_args={
            # Otherwise sqlite3 begins transactions of its own, when it thinks best.
            "isolation_level": None,
            "async_creator_fn": partial(ShortCalls, while_reading if purpose == "read" else while_writing),
        },
    )
    pragmas = (f"busy_timeout={BUSY_TIME}", *SQLITE_PRAGMAS[purpose])
    begin = "BEGIN" if purpose == "read" else "BEGIN IMMEDIATE"

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def began(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


class ShortCalls(aiosqlite.Connection):
    """An aiosqlite connection that makes calls itself, and leaves to its thread only those that may wait."""

    def __init__(self, may_wait: Callable[[str, Any], bool], database: str, **settings: Any) -> None:
        super().__init__(partial(sqlite3.connect, database, **settings), iter_chunk_size=64)
        self._thread.daemon = True
        self._may_wait = may_wait

    async def _connect(self) -> aiosqlite.Connection:
        try:
            return await super()._connect()
        except sqlite3.Error:
            # Its thread is told to stop and would answer to a loop that may be gone by then.
            await asyncio.to_thread(self._thread.join)
            raise

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        call = fn.__qualname__
        if not self._running or self._connection is None or self._may_wait(call, args):
            return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]
        # SQLAlchemy waits for each call before it makes the next, so that the two threads never meet.
        return fn(*args, **kwargs)


def while_writing(call: str, args: Any) -> bool:
    """Inside a transaction a statement touches pages in memory; only its two ends wait for a lock or a disk."""
    if call == "Cursor.execute":
        return str(args[0]).startswith("BEGIN")
    if call == "Cursor.executemany":
        return len(args[1]) > SHORT_ROWS
    return call in {"Connection.commit", "Connection.rollback", "Connection.close"}


def while_reading(call: str, args: Any) -> bool:
    """A search may take long, and is nobody's reason to keep everybody waiting."""
    if call == "Cursor.execute":
        return str(args[0]) != "BEGIN"
    return call in {"Cursor.fetchall", "Connection.close"}


def _make_private(path: Path) -> None:
    """Create the file for its owner only; SQLite gives the log beside it the same rights."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise Misconfigured(
            "misconfigured",
            f"the database {path} cannot be opened: {error.strerror}; check the folder and its rights",
        ) from error


def _postgresql(url: URL, purpose: Purpose) -> AsyncEngine:
    try:
        import asyncpg
    except ModuleNotFoundError as error:
        raise Misconfigured(
            "misconfigured",
            "for PostgreSQL the package asyncpg is needed, and it is not installed",
            extra={"next": "pip install 'asyncpg>=0.32'"},
        ) from error
    known = inspect.signature(asyncpg.connect).parameters
    for name in url.query:
        if name not in known:
            raise Misconfigured(
                "misconfigured",
                f"the database URL has a parameter that is none: {name}",
                extra={
                    "next": "write what asyncpg.connect takes, such as ssl=require or host=/run/postgresql"
                },
            )
    settings = {"application_name": f"fedcoop {purpose}", "lock_timeout": str(BUSY_TIME), "jit": "off"}
    engine = create_async_engine(
        url,
        pool_size=READERS if purpose == "read" else 1,
        max_overflow=0,
        connect_args={"server_settings": settings},
    )
    if purpose == "read":
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine
