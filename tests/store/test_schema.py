"""Migrations: they make the tables that the program expects, and lose nobody's rows on the way."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from fedcoop.errors import Misconfigured
from fedcoop.protocol.actors import announced
from fedcoop.store import schema, tables
from fedcoop.store.engine import engine_for
from fedcoop.store.schema import newest_revision, revision_of, upgrade
from fedcoop.store.sql import SqlStore
from tests.conftest import StoppedClock

FOREIGN = {"alembic_version", "sqlite_sequence"}


def described(connection: Connection) -> dict[str, Any]:
    """Return everything that the database says about its tables, in its own words where it has any."""
    found: dict[str, Any] = {}
    look = inspect(connection)
    for name in sorted(set(look.get_table_names()) - FOREIGN):
        found[name] = {
            "columns": [{**column, "type": str(column["type"])} for column in look.get_columns(name)],
            "key": look.get_pk_constraint(name),
            "foreign": sorted(look.get_foreign_keys(name), key=str),
            "unique": sorted(look.get_unique_constraints(name), key=str),
        }
    if connection.dialect.name == "sqlite":
        own = (
            "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%' AND name NOT LIKE 'sqlite_%'"
        )
    else:
        own = "SELECT indexname, indexdef FROM pg_indexes WHERE indexname NOT LIKE 'alembic%' AND schemaname = 'public'"
    # The order in which constraints are written down says nothing.
    found["own words"] = {
        name: sorted(re.findall(r"\w+|'[^']*'", sql or "")) for name, sql in connection.execute(text(own))
    }
    return found


async def description_of(url: str) -> dict[str, Any]:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(described)
    await engine.dispose()
    return found


async def test_the_migrations_make_the_tables_that_the_program_expects(empty_url: str):
    await upgrade(empty_url)
    migrated = await description_of(empty_url)
    engine = engine_for(empty_url, "migrate")
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE listing_words"))
        await connection.run_sync(tables.metadata.drop_all)
        await connection.run_sync(tables.metadata.create_all)
    await engine.dispose()
    made = await description_of(empty_url)
    assert migrated.keys() == made.keys()
    assert len(migrated) > 20
    assert any("listing_words" in name for name in migrated)
    for name in migrated:
        assert migrated[name] == made[name]


async def test_alembic_finds_nothing_left_to_do(own_url: str):
    engine = engine_for(own_url, "migrate")

    def check(connection: Connection) -> None:
        config = schema.alembic_config()
        config.attributes["connection"] = connection
        command.check(config)

    async with engine.begin() as connection:
        await connection.run_sync(check)
    await engine.dispose()


async def test_a_second_upgrade_changes_nothing(empty_url: str):
    await upgrade(empty_url)
    before = await description_of(empty_url)
    await upgrade(empty_url)
    assert await description_of(empty_url) == before


async def test_several_processes_may_upgrade_at_once(empty_url: str):
    await asyncio.gather(*(upgrade(empty_url) for _ in range(4)))
    engine = create_async_engine(empty_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(revision_of) == newest_revision()
    await engine.dispose()


async def test_a_database_of_a_newer_release_is_refused_and_left_alone(own_url: str):
    engine = engine_for(own_url, "migrate")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()
    with pytest.raises(Misconfigured, match="made by another release"):
        await upgrade(own_url)


async def test_our_own_actors_announce_rfc_9421_from_then_on(empty_url: str):
    await upgrade(empty_url, "0001")
    engine = engine_for(empty_url, "write")
    said = '{"id":"%s","name":"\\u00e9","generator":{"implements":[{"href":"https://w3id.org/fedcoop/v1"}]}}'
    insert = (
        "INSERT INTO actor (id, local, kind, username, document, inbox, fetched_at)"
        " VALUES (:id, :local, 'Cooperative', 'coop', :document, 'i', 0)"
    )
    async with engine.begin() as connection:
        for name, local in (("ours", True), ("theirs", False)):
            await connection.execute(text(insert), {"id": name, "local": local, "document": said % name})
    await engine.dispose()
    await upgrade(empty_url)
    store = SqlStore(empty_url, clock=StoppedClock())
    for name, count in (("ours", 3), ("theirs", 1)):
        actor = await store.read(lambda reader, name=name: reader.actor(name))
        assert actor is not None
        assert (len(announced(actor.document)), actor.document["name"]) == (count, "é")
    await store.close()


NEXT_STEP = """
import sqlalchemy as sa
from alembic import op
revision = "next"
down_revision = "{head}"
def upgrade():
    how = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("chain", recreate=how) as batch:
        batch.add_column(sa.Column("colour", sa.Text()))
    {then}
"""


@pytest.fixture
def next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A release with one more migration, which rebuilds a table that others refer to."""

    def write(then: str = "pass") -> None:
        folder = tmp_path / "migrations"
        (folder / "versions").mkdir(parents=True)
        for file in (*schema.MIGRATIONS.glob("*.*"), *schema.MIGRATIONS.glob("versions/*.py")):
            if file.is_file():
                (folder / file.relative_to(schema.MIGRATIONS)).write_bytes(file.read_bytes())
        step = NEXT_STEP.format(head=newest_revision(), then=then)
        (folder / "versions" / "v9.py").write_text(step, encoding="utf-8")
        monkeypatch.setattr(schema, "MIGRATIONS", folder)

    return write


ROWS = (
    "INSERT INTO chain (id, kind, owner, state, version, digest, parties, memory, document)"
    " VALUES ('c', 'Mission', 'o', 's', 1, 'z', '{}', '{}', '{}')",
    "INSERT INTO chain_party (chain_id, role, actor) VALUES ('c', 'owner', 'o')",
    "INSERT INTO chain_ref (ref, chain_id) VALUES ('c', 'c')",
)


async def counted(url: str) -> list[int]:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = [
            (await connection.execute(text(f"SELECT count(*) FROM {t}"))).scalar_one()
            for t in ("chain", "chain_party", "chain_ref")
        ]
    await engine.dispose()
    return found


async def test_rebuilding_a_table_deletes_none_of_the_rows_that_refer_to_it(own_url: str, next_step: Any):
    """With foreign keys on, SQLite's ON DELETE CASCADE took every one of them (pitfall P3)."""
    engine = engine_for(own_url, "write")
    async with engine.begin() as connection:
        for row in ROWS:
            await connection.execute(text(row))
    await engine.dispose()
    next_step()
    await upgrade(own_url)
    assert await counted(own_url) == [1, 1, 1]
    assert "colour" in str((await description_of(own_url))["chain"]["columns"])


async def test_a_migration_that_fails_leaves_the_database_as_it_was(own_url: str, next_step: Any):
    before, ours = await description_of(own_url), newest_revision()
    next_step("op.execute('INSERT INTO no_such_table VALUES (1)')")
    with pytest.raises(Misconfigured, match="cannot be brought up to date"):
        await upgrade(own_url)
    assert await description_of(own_url) == before
    engine = create_async_engine(own_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(revision_of) == ours
    await engine.dispose()


async def test_a_migration_that_leaves_rows_referring_to_nothing_is_taken_back(own_url: str, next_step: Any):
    next_step("op.execute(\"INSERT INTO chain_ref (ref, chain_id) VALUES ('r', 'gone')\")")
    with pytest.raises(Misconfigured):
        await upgrade(own_url)
    assert await counted(own_url) == [0, 0, 0]
