"""The composition root: time, names, the lock and the doorbell; a new instance whole or not at all."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedcoop import app
from fedcoop.errors import FedcoopError, Misconfigured


def test_names_are_url_safe_never_twice_and_sort_by_time():
    names = [app.new_id() for _ in range(500)]
    assert len(set(names)) == 500
    assert all(len(name) == 26 and set(name) <= set(app._ALPHABET) for name in names)
    assert [name[:9] for name in names] == sorted(name[:9] for name in names)


def test_the_clock_is_ahead_by_its_offset():
    ahead = app.clock_with(timedelta(hours=2))() - datetime.now(UTC)
    assert abs(ahead - timedelta(hours=2)) < timedelta(seconds=5)


def test_a_folder_has_one_server_and_says_where(tmp_path: Path):
    assert app.served_at(tmp_path) is None
    with app._serving(tmp_path, "127.0.0.1", 8101):
        assert app.served_at(tmp_path) == ("127.0.0.1", 8101)
        with pytest.raises(Misconfigured) as caught, app._serving(tmp_path, "127.0.0.1", 8102):
            pass
        assert str(os.getpid()) in caught.value.detail
    assert app.served_at(tmp_path) is None


async def test_a_ring_from_another_process_wakes_the_server(tmp_path: Path):
    bell = app.Bell()
    app.FarBell(tmp_path).ring()  # nobody listens: nothing happens
    with app._heard(tmp_path, bell):
        app.FarBell(tmp_path).ring()
        await asyncio.wait_for(bell.event.wait(), 5.0)


async def test_an_instance_that_cannot_be_founded_leaves_nothing(tmp_path: Path):
    new = app.NewInstance(base_url="https://coop.example", name="X", commune="69999")
    with pytest.raises(FedcoopError):
        await app.create(tmp_path / "x", new)
    assert list(tmp_path.iterdir()) == []


def test_the_code_lists_are_read():
    assert app.communes()["69123"][0] == "Lyon"
    assert app.rome_labels()["N4104"].startswith("Coursier")
    assert app.published().context("/contexts/fedcoop/v1")
