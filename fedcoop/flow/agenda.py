"""What is to be asked of other servers: noticed while messages arrive, done beside them, and not too often.

In memory alone: what a restart forgets is noticed again.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from fedcoop.protocol.ids import origin

T = TypeVar("T")


class Agenda(Generic[T]):
    """What waits to be asked, by the id that it is about, and what was asked a short time ago."""

    def __init__(self, *, of_server: int, waiting: int, every: timedelta) -> None:
        """At most `of_server` ids of a server wait or were asked, `waiting` wait in all, each once in `every`."""
        self._of_server, self._limit, self._every = of_server, waiting, every
        self._waiting: OrderedDict[str, T] = OrderedDict()
        self._done: OrderedDict[str, datetime] = OrderedDict()

    def note(self, iri: str, what: T, now: datetime) -> bool:
        """Remember to ask about `iri`; False when that is not due, or too much is noted already."""
        self._forget(now)
        # (1) Each once in a while, whatever is said of it.
        if iri in self._done:
            return False
        # (2) So many of one server: it can have as many as it likes.
        home = origin(iri)
        of_server = sum(origin(one) == home for one in {*self._waiting, *self._done} - {iri})
        if of_server >= self._of_server:
            return False
        # (3) And so many in all.
        if iri not in self._waiting and len(self._waiting) >= self._limit:
            return False
        self._waiting[iri] = what
        return True

    def take(self, now: datetime, *, limit: int) -> tuple[T, ...]:
        """Return what is to be asked now, the longest noted first; it is not noted again for a while."""
        taken: list[T] = []
        while self._waiting and len(taken) < limit:
            iri, what = self._waiting.popitem(last=False)
            self._done[iri] = now
            taken.append(what)
        return tuple(taken)

    def _forget(self, now: datetime) -> None:
        while self._done and now - next(iter(self._done.values())) >= self._every:
            self._done.popitem(last=False)
