"""What may happen in a lifecycle and what may not, generated from the vocabulary's data.

events_of    everything that somebody could try, in whatever state
expected     what must come of it in a state: the edge is taken, or the status of the refusal
walks_of     ways through the states that together take every implemented edge
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from fedcoop.protocol.model import AUTHORISATION, CODE_LISTS, LIFECYCLES, PROPERTIES
from fedcoop.protocol.vocabulary import Edge, Lifecycle

IMPLEMENTED: Final = tuple(
    life for life in LIFECYCLES.values() if life.implemented and life.name != "FederationAgreement"
)
"""Those between people of two co-ops; that of the co-ops themselves is walked in tests/protocol/test_agreements.py."""

NEVER: Final = {row.activity for row in AUTHORISATION if row.lifecycle is not None} - {
    row.activity for row in AUTHORISATION if row.lifecycle is not None and row.implemented
}
"""Activities that this release does for no lifecycle at all; outside of them a Flag is a report between servers."""

Walk: TypeAlias = tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that somebody could try: an activity about a kind of object with these properties, by this role."""

    activity: str
    object_class: str
    where: tuple[tuple[str, str], ...]
    sender: str

    def __str__(self) -> str:
        return f"{self.activity}({' '.join([self.object_class, *(f'{k}={v}' for k, v in self.where)])})"


def event_of(edge: Edge) -> Event:
    """Return what takes the edge."""
    return Event(edge.activity, edge.object_class, edge.where, edge.sender)


def events_of(life: Lifecycle) -> tuple[Event, ...]:
    """Return the events of every edge, and the same with every other code that their property could have."""
    found = {(e.activity, e.object_class, e.where): event_of(e) for e in life.edges}
    for event in [e for e in found.values() if e.where]:
        ((name, _),) = event.where
        for code in CODE_LISTS[PROPERTIES[name].range.removeprefix("code:")]:
            other = replace(event, where=((name, code),))
            found.setdefault((other.activity, other.object_class, other.where), other)
    return tuple(found.values())


def edge_for(life: Lifecycle, state: str, event: Event) -> Edge | None:
    """Return the edge that `event` takes from `state`, if there is one."""
    for edge in life.edges:
        same = (edge.source, edge.activity, edge.object_class) == (state, event.activity, event.object_class)
        if same and set(edge.where) <= set(event.where):
            return edge
    return None


def expected(life: Lifecycle, state: str, event: Event) -> int:
    """Return the status that must be answered: 200 stands for any 2xx, the others for themselves (D3)."""
    edge = edge_for(life, state, event)
    if edge is not None and edge.implemented:
        return 200
    return 501 if edge is not None or event.activity in NEVER else 409


def walks_of(life: Lifecycle) -> tuple[Walk, ...]:
    """Return walks from the beginning that together take every implemented edge, ends last."""
    left = {edge: None for edge in life.edges if edge.implemented}
    walks: list[Walk] = []
    while left:
        state = life.initial[0]
        walk: Walk = ()
        while onward := _onward(life, state, left):
            walk += onward
            state = walk[-1].target
            for edge in onward:
                left.pop(edge, None)
        assert walk, f"no way leads from {life.initial[0]} to {[str(event_of(e)) for e in left]}"
        walks.append(walk)
    return tuple(walks)


def _onward(life: Lifecycle, state: str, left: Iterable[Edge]) -> Walk:
    """Return the shortest way to an edge that was not taken yet; to one after which it goes on, if possible."""
    open_ones = {edge for edge in left if edge.target not in life.terminal}
    return _shortest(life, state, open_ones) or _shortest(life, state, set(left))


def _shortest(life: Lifecycle, state: str, wanted: set[Edge]) -> Walk:
    queue: deque[tuple[str, Walk]] = deque([(state, ())])
    seen = {state}
    while queue:
        at, way = queue.popleft()
        for edge in (e for e in life.edges if e.source == at and e.implemented):
            if edge in wanted:
                return (*way, edge)
            if edge.target not in seen:
                seen.add(edge.target)
                queue.append((edge.target, (*way, edge)))
    return ()


def arrivals(walks: Sequence[Walk]) -> Iterator[tuple[int, int, str]]:
    """Yield (walk, steps taken, state) for the first time that each state is come to."""
    seen: set[str] = set()
    for number, walk in enumerate(walks):
        for taken, edge in enumerate(walk, 1):
            if edge.target not in seen:
                seen.add(edge.target)
                yield number, taken, edge.target


def name_of(walk: Walk) -> str:
    """Return the states of a walk, for the name of a test."""
    return "-".join([walk[0].source, *(edge.target for edge in walk)])
