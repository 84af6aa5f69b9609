"""Brings a database to the tables of this release, and says whether it is there.

The migrations are part of the package and run from inside the program: `await upgrade(url)`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from fedcoop.errors import Misconfigured
from fedcoop.store.engine import engine_for

MIGRATIONS: Final = Path(__file__).parent / "migrations"
LOCK: Final = 4_207_849_484
"""Key of the PostgreSQL advisory lock under which one process migrates while the others wait."""


async def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to `revision`, creating it if it is an SQLite file that is not there yet.

    All in one transaction: a migration that fails leaves the database as it was. Several processes may call
    this at once; the second finds the work done.

    Raises:
        Misconfigured: the database cannot be opened, or was made by a newer release.
    """
    engine = engine_for(url, "migrate")
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_migrate, revision)
    except CommandError as error:
        raise Misconfigured(
            "misconfigured",
            f"the database was made by another release ({error}); start that one, or restore a backup",
        ) from error
    except (DBAPIError, OSError) as error:
        raise Misconfigured(
            "misconfigured", f"the database cannot be brought up to date: {getattr(error, 'orig', error)}"
        ) from error
    finally:
        await engine.dispose()


def alembic_config() -> Config:
    """Return Alembic's configuration; there is no ini file, so that there is nothing to find or to lose."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def revision_of(connection: Connection) -> str | None:
    """Return the revision that the database is at; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """Return the revision that this release works with."""
    return str(ScriptDirectory.from_config(alembic_config()).get_current_head())


def _migrate(connection: Connection, revision: str) -> None:
    sqlite = connection.dialect.name == "sqlite"
    if not sqlite:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    if sqlite and (broken := connection.execute(text("PRAGMA foreign_key_check")).all()):
        raise Misconfigured(
            "misconfigured",
            f"the migration left rows that refer to nothing: {broken[0]}; nothing was changed",
        )
