"""What is noted, how much of it, and how often."""

from __future__ import annotations

from datetime import timedelta

from fedcoop.flow.agenda import Agenda
from fedcoop.protocol.following import Synchronisation
from fedcoop.protocol.limits import SYNCHRONISED_EVERY
from tests.conftest import NOON


def said(actor: str, digest: str = "0") -> Synchronisation:
    return Synchronisation(actor, f"{actor}/followers/synchronization", digest)


def agenda(of_server: int = 10, waiting: int = 1000) -> Agenda[Synchronisation]:
    return Agenda(of_server=of_server, waiting=waiting, every=SYNCHRONISED_EVERY)


LYON, NANTES = said("https://lyon.example/actors/coop"), said("https://nantes.example/actors/coop")


def test_what_is_noted_is_taken_once_the_longest_noted_first():
    book = agenda()
    assert book.note(LYON.actor, LYON, NOON)
    assert book.note(NANTES.actor, NANTES, NOON)
    newer = said(LYON.actor, "1")
    assert book.note(newer.actor, newer, NOON)
    assert book.take(NOON, limit=1) == (newer,)
    assert book.take(NOON, limit=9) == (NANTES,)
    assert book.take(NOON, limit=9) == ()


def test_an_actor_is_not_noted_again_for_a_while():
    book = agenda()
    book.note(LYON.actor, LYON, NOON)
    book.take(NOON, limit=1)
    before = NOON + SYNCHRONISED_EVERY - timedelta(seconds=1)
    assert not book.note(LYON.actor, LYON, before)
    assert book.take(before, limit=9) == ()
    assert book.note(LYON.actor, LYON, NOON + SYNCHRONISED_EVERY)


def test_a_server_with_many_actors_is_asked_of_so_many():
    book = agenda(of_server=2)
    many = [said(f"https://lyon.example/actors/{n}") for n in range(4)]
    assert [book.note(one.actor, one, NOON) for one in many[:2]] == [True, True]
    book.take(NOON, limit=1)
    # One that waits and one that was asked of are two.
    assert not book.note(many[2].actor, many[2], NOON)
    assert book.note(many[1].actor, many[1], NOON)
    assert book.note(NANTES.actor, NANTES, NOON)
    assert book.note(many[2].actor, many[2], NOON + SYNCHRONISED_EVERY)


def test_only_so_much_waits():
    book = agenda(waiting=1)
    assert book.note(LYON.actor, LYON, NOON)
    assert not book.note(NANTES.actor, NANTES, NOON)
    assert book.note(LYON.actor, LYON, NOON)
    book.take(NOON, limit=1)
    assert book.note(NANTES.actor, NANTES, NOON)
