"""What the doctor is told about a database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fedcoop.store.examine import examine
from fedcoop.store.schema import upgrade


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    path = tmp_path / "fedcoop.db"
    await upgrade(f"sqlite+aiosqlite:///{path}")
    return path


async def test_a_sound_database_of_this_release_is_well(file: Path):
    assert await examine(f"sqlite+aiosqlite:///{file}") is None


async def test_another_release_an_empty_and_a_damaged_one_are_told_apart(file: Path, tmp_path: Path):
    connection = sqlite3.connect(tmp_path / "empty.db")
    connection.close()
    assert "empty" in str(await examine(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"))
    connection = sqlite3.connect(file)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    assert "another release" in str(await examine(f"sqlite+aiosqlite:///{file}"))
    file.write_bytes(b"not a database" * 1000)
    assert "cannot be read" in str(await examine(f"sqlite+aiosqlite:///{file}"))
