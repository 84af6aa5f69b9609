"""Saying many things at once as one of our actors: rehearsed first, then said, many under way at a time."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from fedcoop.errors import FedcoopError, NotFound
from fedcoop.flow import c2s
from fedcoop.flow.outbound import Published
from fedcoop.flow.world import World
from fedcoop.ports import Reader, Store, Transaction
from fedcoop.protocol import strict_json
from fedcoop.protocol.messages import Document

T = TypeVar("T")

AT_ONCE: Final = 32
"""Things said at the same time: they share commits, and a server beside us still gets its turn."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something to say, where it came from (for messages), and the key under which it is said once only."""

    source: str
    document: Document
    key: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something cannot be said."""

    source: str
    refusal: FedcoopError


def key_of(document: Document) -> str:
    """Return a key for a document that has no name of its own: the same document is said once."""
    return "file/" + hashlib.sha256(strict_json.dumps(document)).hexdigest()


async def speaker_of(world: World, name: str | None) -> str:
    """Return the id of the local actor of that username or id; the co-op when no name is given. Raises NotFound."""
    if name is None:
        return world.instance.coop
    wanted = name if "://" in name else f"{world.instance.base}/actors/{name}"
    known = await world.store.read(lambda reader: reader.actor(wanted))
    if known is None or not known.local:
        raise NotFound(
            "not-found", "There is no such actor here.", expected="a member’s username", received=name
        )
    return known.id


async def rehearse(world: World, speaker: str, lines: Sequence[Line]) -> list[Fault]:
    """Say everything as if, keep nothing, and return what would be refused."""
    rehearsal = replace(world, store=_Rehearsal(world.store), doorbell=_Silence())

    async def attempt(line: Line) -> Fault | None:
        try:
            await c2s.submit(speaker, line.document, client_key=line.key, world=rehearsal)
        except FedcoopError as refusal:
            return Fault(line.source, refusal)
        return None

    return [fault for fault in await _many(lines, attempt) if fault is not None]


async def speak(
    world: World, speaker: str, lines: Sequence[Line], *, step: Callable[[], None]
) -> list[Published]:
    """Say everything and return it in order; what was said before under the same key is not said again."""

    async def one(line: Line) -> Published:
        said = await c2s.submit(speaker, line.document, client_key=line.key, world=world)
        step()
        return said

    return await _many(lines, one)


async def _many(lines: Sequence[Line], act: Callable[[Line], Awaitable[T]]) -> list[T]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def gated(line: Line) -> T:
        async with gate:
            return await act(line)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(gated(line)) for line in lines]
    return [task.result() for task in tasks]


class _TakenBack(Exception):
    """Ends a rehearsed transaction, so that the store keeps nothing of it."""


class _Rehearsal:
    """`ports.Store` whose writes come to their result and are taken back."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        results: list[T] = []

        async def rehearsed(tx: Transaction) -> None:
            results.append(await work(tx))
            raise _TakenBack

        try:
            await self._store.write(rehearsed)
        except _TakenBack:
            pass
        return results[0]

    async def read(self, work: Callable[[Reader], Awaitable[T]]) -> T:
        return await self._store.read(work)

    async def recover(self) -> None:
        """A rehearsal delivers nothing."""

    async def close(self) -> None:
        """The store is its owner's to close."""


class _Silence:
    """`ports.Doorbell` that wakes nobody."""

    def ring(self) -> None:
        """Do nothing: a rehearsal owes nothing."""
