"""Connections: SQLite follows its rules to the letter, and a URL that we cannot use says so."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from fedcoop.errors import Misconfigured
from fedcoop.store import engine as module
from fedcoop.store.engine import engine_for


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "fedcoop.db"


async def pragma(url: str, purpose: module.Purpose, name: str) -> object:
    engine = engine_for(url, purpose)
    async with engine.connect() as connection:
        value = (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
    await engine.dispose()
    return value


@pytest.mark.parametrize(
    ("purpose", "name", "value"),
    [
        ("write", "journal_mode", "wal"),
        ("write", "synchronous", 2),  # FULL: what was acknowledged survives a power cut
        ("write", "foreign_keys", 1),
        ("write", "busy_timeout", 10_000),
        ("write", "query_only", 0),
        ("read", "query_only", 1),
        ("read", "foreign_keys", 1),
        ("read", "busy_timeout", 10_000),
        ("migrate", "foreign_keys", 0),
        ("migrate", "synchronous", 2),
    ],
)
async def test_sqlite_is_set_up_for_its_purpose(
    file: Path, purpose: module.Purpose, name: str, value: object
):
    url = f"sqlite+aiosqlite:///{file}"
    await pragma(url, "write", "user_version")
    assert await pragma(url, purpose, name) == value


async def test_one_connection_writes_and_a_few_read(file: Path):
    url = f"sqlite+aiosqlite:///{file}"
    for purpose, size in (("write", 1), ("migrate", 1), ("read", 4)):
        engine = engine_for(url, purpose)
        assert engine.pool.size() == size
        assert engine.pool._max_overflow == 0
        await engine.dispose()


async def test_a_reader_cannot_write(store_url: str):
    engine = engine_for(store_url, "read")
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match=r"readonly|read-only"):
            await connection.execute(text("INSERT INTO meta (key, value) VALUES ('a', 'b')"))
    await engine.dispose()


async def test_a_write_transaction_holds_the_lock_from_its_beginning(file: Path):
    engine = engine_for(f"sqlite+aiosqlite:///{file}", "write")
    async with engine.begin():
        other = sqlite3.connect(file, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
    await engine.dispose()


async def test_waiting_for_anothers_lock_does_not_stop_the_loop(file: Path):
    engine = engine_for(f"sqlite+aiosqlite:///{file}", "write")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE x (n)"))
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    turns = 0

    async def write() -> None:
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO x VALUES (1)"))

    writing = asyncio.create_task(write())
    for _ in range(20):
        await asyncio.sleep(0.005)
        turns += 1
    assert not writing.done()
    other.execute("COMMIT")
    other.close()
    await writing
    assert turns == 20
    await engine.dispose()


async def test_the_disk_and_long_reads_are_left_to_a_thread(file: Path, monkeypatch: pytest.MonkeyPatch):
    threads: dict[str, set[bool]] = {}
    here = threading.current_thread()

    class Watched(sqlite3.Connection):
        def commit(self) -> None:
            threads.setdefault("commit", set()).add(threading.current_thread() is here)
            super().commit()

        def cursor(self, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
            return super().cursor(WatchedCursor)

    class WatchedCursor(sqlite3.Cursor):
        def execute(self, sql: str, *args: object) -> sqlite3.Cursor:
            threads.setdefault(sql.split()[0], set()).add(threading.current_thread() is here)
            return super().execute(sql, *args)  # type: ignore[arg-type]

    # Named as sqlite3 names them: the rule goes by that name.
    Watched.commit.__qualname__, WatchedCursor.execute.__qualname__ = "Connection.commit", "Cursor.execute"
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Watched))
    url = f"sqlite+aiosqlite:///{file}"
    writer = engine_for(url, "write")
    async with writer.begin() as connection:
        await connection.execute(text("CREATE TABLE x (n)"))
        await connection.execute(text("INSERT INTO x VALUES (:n)"), {"n": 1})
    await writer.dispose()
    assert threads["commit"] == {False}
    assert threads["INSERT"] == {True}
    assert threads["BEGIN"] == {False}
    threads.clear()
    reader = engine_for(url, "read")
    async with reader.connect() as connection:
        assert (await connection.execute(text("SELECT n FROM x"))).scalar_one() == 1
    await reader.dispose()
    assert threads["SELECT"] == {False}


async def test_a_database_is_for_its_owners_eyes_only(file: Path):
    engine = engine_for(f"sqlite+aiosqlite:///{file}", "write")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE x (n)"))
        found = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    await engine.dispose()
    assert found["fedcoop.db"] == found["fedcoop.db-wal"] == 0o600


@pytest.mark.parametrize(
    "url",
    [
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///file:x?mode=memory&uri=true",
        "nonsense",
        "mysql+x://h/d",
    ],
)
def test_a_url_that_we_cannot_use_is_an_operators_business(url: str):
    with pytest.raises(Misconfigured):
        engine_for(url, "write")


def test_a_folder_that_is_not_there_says_so(tmp_path: Path):
    with pytest.raises(Misconfigured, match="check the folder"):
        engine_for(f"sqlite+aiosqlite:///{tmp_path / 'nowhere' / 'fedcoop.db'}", "write")


async def test_reading_does_not_make_a_database(file: Path):
    engine = engine_for(f"sqlite+aiosqlite:///{file.parent / 'nowhere' / 'x.db'}", "read")
    with pytest.raises(OperationalError):
        async with engine.connect():
            pass
    await engine.dispose()


@pytest.mark.parametrize("begins", ["postgresql", "postgresql+psycopg", "sqlite", "mysql+aiomysql"])
def test_a_url_must_name_the_driver_that_we_use(begins: str):
    with pytest.raises(Misconfigured, match="must begin with sqlite") as refusal:
        engine_for(f"{begins}://h/d", "write")
    assert refusal.value.received == begins


def test_a_parameter_that_the_driver_does_not_know_is_named():
    with pytest.raises(Misconfigured, match="sslmode"):
        engine_for("postgresql+asyncpg://u@h/d?sslmode=require", "write")
    engine_for("postgresql+asyncpg://u@h/d?ssl=require&host=/run/postgresql", "write")


def test_without_the_driver_of_postgresql_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(Misconfigured, match="asyncpg") as refusal:
        engine_for("postgresql+asyncpg://u@h/d", "write")
    assert "pip install" in refusal.value.extra["next"]
