"""The tests, one module for each profile. `@implements` ties a coroutine to its entry in the catalogue."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Final

from fedcoop_conformance.case import Case

Play = Callable[[Case], Awaitable[None]]
_PLAYS: Final[dict[str, tuple[int, Play]]] = {}


def implements(id_: str, *, rev: int = 1) -> Callable[[Play], Play]:
    """Register a coroutine as the test `id_` in this revision.

    Raises:
        ValueError: there is one already.
    """

    def register(play: Play) -> Play:
        if id_ in _PLAYS:
            raise ValueError(f"{id_} is implemented twice")
        _PLAYS[id_] = (rev, play)
        return play

    return register


@cache
def plays() -> Mapping[str, tuple[int, Play]]:
    """Return revision and coroutine of every test that is implemented."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return _PLAYS
