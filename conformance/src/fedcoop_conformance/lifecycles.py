"""Ways through a lifecycle, from the vocabulary's data: what may happen in a state, and ways that take every edge."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fedcoop_conformance import data


@dataclass(frozen=True, slots=True)
class Edge:
    """A step that a lifecycle allows; `where` are the members of its object that make it this one."""

    source: str
    target: str
    activity: str
    where: tuple[tuple[str, str], ...]
    guards: frozenset[str]

    @property
    def event(self) -> Event:
        """Return what has to be said for it."""
        return Event(self.activity, self.where)


@dataclass(frozen=True, slots=True)
class Event:
    """What an owner could say about a proposal, whatever state it is in."""

    activity: str
    where: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return " ".join([self.activity, *(value for _, value in self.where)])


def _read(life: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = data.read("vocab", "lifecycles.json")[life]
    return found


def edges(life: str) -> list[Edge]:
    """Return what an owner may do in version 1.0."""
    return [
        Edge(
            one["from"],
            one["to"],
            one["activity"],
            tuple(one.get("where", {}).items()),
            frozenset(one.get("guards", ())),
        )
        for one in _read(life)["transitions"]
        if one.get("implemented", True) and one["sender"] == "owner"
    ]


def events(life: str) -> list[Event]:
    """Return what an owner could say: what takes an edge, and Updates to each state that there is."""
    found = [edge.event for edge in edges(life)]
    member = _read(life)["stateProperty"]
    if member:
        states = data.read("vocab", "schemas/Mission.schema.json")["properties"][member]["enum"]
        found += [Event("Update", ((member, state),)) for state in states]
    return list(dict.fromkeys(found))


def allowed(life: str, state: str, event: Event) -> bool:
    """Tell whether an event takes an edge from a state."""
    return any(one.source == state and one.event == event for one in edges(life))


def walks(life: str) -> Iterator[list[Edge]]:
    """Yield ways from the beginning that together take every edge, none the beginning of another."""
    every = [[*_way(life, edge.source), edge] for edge in edges(life)]
    for walk in every:
        longer = (one for one in every if one[: len(walk)] == walk and len(one) > len(walk))
        if next(longer, None) is None:
            yield walk


def _way(life: str, state: str) -> list[Edge]:
    """Return the shortest way to a state."""
    waiting: deque[tuple[str, list[Edge]]] = deque([(_read(life)["initial"][0], [])])
    seen: set[str] = set()
    while waiting:
        here, way = waiting.popleft()
        if here == state:
            return way
        for edge in edges(life):
            if edge.source == here and edge.target not in seen:
                seen.add(edge.target)
                waiting.append((edge.target, [*way, edge]))
    raise ValueError(f"no way leads to {state} of {life}")
