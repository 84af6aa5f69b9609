"""Instances as child processes; the tests of `serve` start and end real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedcoop.cli.answer import Failed
from fedcoop.cli.instances import PORTS, LocalInstance, free_port, run


def test_a_free_port_is_none_that_outgoing_connections_get():
    assert free_port() in PORTS


def test_a_command_that_fails_brings_its_error(tmp_path: Path):
    with pytest.raises(Failed) as caught:
        run("peer", "list", str(tmp_path))
    assert caught.value.code == "misconfigured"
    assert "fedcoop init" in caught.value.next_step


def test_ending_what_was_never_started_is_nothing(tmp_path: Path):
    idle = LocalInstance(folder=tmp_path, base="http://127.0.0.1:20001", token="t", log=tmp_path / "log")
    assert (idle.running, idle.stop(), idle.port) == (False, None, 20001)
