"""Whose followers are to be compared: noticed while messages arrive, done beside them, and not too often.

In memory alone: what a restart forgets is said again by the next message to followers.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from fedcoop.protocol.following import Synchronisation
from fedcoop.protocol.ids import origin
from fedcoop.protocol.limits import (
    MAX_SYNCHRONISATIONS_OF_PEER,
    MAX_SYNCHRONISATIONS_WAITING,
    SYNCHRONISED_EVERY,
)


class Agenda:
    """What waits to be compared, and what was compared a short time ago."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, Synchronisation] = OrderedDict()
        self._done: OrderedDict[str, datetime] = OrderedDict()

    def note(self, said: Synchronisation, now: datetime) -> bool:
        """Remember to compare what `said` speaks of; False when that is not due, or too much is noted already."""
        self._forget(now)
        # (1) Each actor's once in a while, whatever it says.
        if said.actor in self._done:
            return False
        # (2) So many of one server: it can have as many actors as it likes.
        home = origin(said.actor)
        of_peer = sum(origin(actor) == home for actor in {*self._waiting, *self._done} - {said.actor})
        if of_peer >= MAX_SYNCHRONISATIONS_OF_PEER:
            return False
        # (3) And so many in all.
        if said.actor not in self._waiting and len(self._waiting) >= MAX_SYNCHRONISATIONS_WAITING:
            return False
        self._waiting[said.actor] = said
        return True

    def take(self, now: datetime, *, limit: int) -> tuple[Synchronisation, ...]:
        """Return what is to be compared now, the longest noted first; it is not noted again for a while."""
        taken: list[Synchronisation] = []
        while self._waiting and len(taken) < limit:
            actor, said = self._waiting.popitem(last=False)
            self._done[actor] = now
            taken.append(said)
        return tuple(taken)

    def _forget(self, now: datetime) -> None:
        while self._done and now - next(iter(self._done.values())) >= SYNCHRONISED_EVERY:
            self._done.popitem(last=False)
