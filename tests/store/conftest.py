"""A fresh, migrated database for every test that asks for one: once as an SQLite file, once on PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from fedcoop.store import tables
from fedcoop.store.schema import upgrade
from fedcoop.store.sql import SqlStore
from tests.conftest import StoppedClock, administer, postgres_database

DATABASES: Final = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    file = tmp_path_factory.mktemp("template") / "fedcoop.db"
    asyncio.run(upgrade(f"sqlite+aiosqlite:///{file}"))
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    """The name of a migrated database, to be copied."""

    async def prepare() -> None:
        # Nobody pulls this server's plug; what it does with a disk is its own makers' to test.
        await administer(
            postgres,
            "ALTER SYSTEM SET fsync = off",
            "SELECT pg_reload_conf()",
            "CREATE DATABASE template_fedcoop",
        )
        await upgrade(postgres.format("template_fedcoop"))

    asyncio.run(prepare())
    return "template_fedcoop"


@pytest.fixture(scope="session")
def postgres_shared(postgres: str, postgres_template: str) -> str:
    """The URL of a migrated database that tests use one after another, each emptying it first."""
    asyncio.run(administer(postgres, f"CREATE DATABASE shared TEMPLATE {postgres_template}"))
    return postgres.format("shared")


async def empty(url: str) -> None:
    """Delete every row, those that refer to others first: much faster than making a database."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM listing_words"))
        for table in reversed(tables.metadata.sorted_tables):
            await connection.execute(table.delete())
    await engine.dispose()


@pytest.fixture(params=DATABASES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated, empty database that nobody else uses meanwhile. Its tables are not to be changed."""
    if request.param == "sqlite":
        return sqlite_copy(request, tmp_path)
    url: str = request.getfixturevalue("postgres_shared")
    asyncio.run(empty(url))
    return url


@pytest.fixture(params=DATABASES)
def own_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated database that is thrown away after the test, which may do to it what it likes."""
    if request.param == "sqlite":
        yield sqlite_copy(request, tmp_path)
        return
    template = request.getfixturevalue("postgres_template")
    yield from postgres_database(request.getfixturevalue("postgres"), template)


def sqlite_copy(request: pytest.FixtureRequest, folder: Path) -> str:
    file = folder / "fedcoop.db"
    shutil.copy(request.getfixturevalue("sqlite_template"), file)
    return f"sqlite+aiosqlite:///{file}"


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a table (of an SQLite file that is not there yet)."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'fedcoop.db'}"
        return
    yield request.getfixturevalue("postgres_url")


@pytest.fixture
async def store(store_url: str, clock: StoppedClock) -> AsyncIterator[SqlStore]:
    """A store over `store_url`."""
    store = SqlStore(store_url, clock=clock)
    yield store
    await store.close()
