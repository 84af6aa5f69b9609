"""How often strangers are looked at: who is named by others loses nothing by it, and what is kept is little."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fedcoop.flow.looks import Looks
from fedcoop.protocol.limits import PROPOSAL_EVERY
from tests.conftest import NOON

LYON, NANTES = "https://lyon.example", "https://nantes.example"


def test_only_so_many_looks_in_a_minute(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fedcoop.flow.looks.LOOKS_PER_MINUTE", 2)
    looks = Looks()
    assert [looks.look(NOON) for _ in range(3)] == [True, True, False]
    assert not looks.look(NOON + timedelta(seconds=59))
    assert looks.look(NOON + timedelta(minutes=1))


def test_who_was_found_to_propose_has_come_for_a_while():
    looks = Looks()
    looks.found(LYON, NOON)
    assert (looks.came(LYON, NOON), looks.came(NANTES, NOON)) == (True, False)
    assert not looks.came(LYON, NOON + PROPOSAL_EVERY)
    looks.found(NANTES, NOON + PROPOSAL_EVERY)
    assert list(looks._came) == [NANTES]
