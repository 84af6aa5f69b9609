"""What is noted, how much of it, and how often."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fedcoop.flow import agenda
from fedcoop.flow.agenda import Agenda
from fedcoop.protocol.following import Synchronisation
from fedcoop.protocol.limits import SYNCHRONISED_EVERY
from tests.conftest import NOON


def said(actor: str, digest: str = "0") -> Synchronisation:
    return Synchronisation(actor, f"{actor}/followers/synchronization", digest)


LYON, NANTES = said("https://lyon.example/actors/coop"), said("https://nantes.example/actors/coop")


def test_what_is_noted_is_taken_once_the_longest_noted_first():
    book = Agenda()
    assert book.note(LYON, NOON)
    assert book.note(NANTES, NOON)
    newer = said(LYON.actor, "1")
    assert book.note(newer, NOON)
    assert book.take(NOON, limit=1) == (newer,)
    assert book.take(NOON, limit=9) == (NANTES,)
    assert book.take(NOON, limit=9) == ()


def test_an_actor_is_not_noted_again_for_a_while():
    book = Agenda()
    book.note(LYON, NOON)
    book.take(NOON, limit=1)
    before = NOON + SYNCHRONISED_EVERY - timedelta(seconds=1)
    assert not book.note(LYON, before)
    assert book.take(before, limit=9) == ()
    assert book.note(LYON, NOON + SYNCHRONISED_EVERY)


def test_a_server_with_many_actors_is_asked_of_so_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(agenda, "MAX_SYNCHRONISATIONS_OF_PEER", 2)
    book = Agenda()
    many = [said(f"https://lyon.example/actors/{n}") for n in range(4)]
    assert [book.note(one, NOON) for one in many[:2]] == [True, True]
    book.take(NOON, limit=1)
    # One that waits and one that was asked of are two.
    assert not book.note(many[2], NOON)
    assert book.note(many[1], NOON)
    assert book.note(NANTES, NOON)
    assert book.note(many[2], NOON + SYNCHRONISED_EVERY)


def test_only_so_much_waits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(agenda, "MAX_SYNCHRONISATIONS_WAITING", 1)
    book = Agenda()
    assert book.note(LYON, NOON)
    assert not book.note(NANTES, NOON)
    assert book.note(LYON, NOON)
    book.take(NOON, limit=1)
    assert book.note(NANTES, NOON)
