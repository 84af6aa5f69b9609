"""What a driver can be asked: make the server under test act, and tell what it shows to its own people.

One protocol (`fedcoop-driver/1`) with several transports. A driver learns neither the id of a test nor what is expected
(conformance.md §8.7): who knows the answer could give it without the server.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from fedcoop_conformance.sut import SutActor


class Evidence(StrEnum):
    """Where an observation comes from; the first is the best."""

    WIRE = "wire"
    API = "api"
    TESTIMONY = "testimony"
    HUMAN = "human"


class Unsupported(Exception):
    """This driver cannot do the operation: the tests that need it stay untested."""

    def __init__(self, op: str) -> None:
        super().__init__(f"the driver cannot do {op}")
        self.op = op


class DriverFault(Exception):
    """The driver broke: it crashed, was silent, or answered what is no answer. The server is not to blame."""


class Declined(Exception):
    """The server refused what it was asked to do; `status` is there when it said it over HTTP."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


OPS: Final = (
    "actor.ensure", "outbox.post", "observe", "collection", "mission.decide", "follow.mode", "relay.subscribe",
    "relay.leave", "member.move", "member.export", "member.import", "key.rotate", "statement.check", "peer.decide",
    "restart", "reset", "oauth.consent",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ready:
    """The server as it stands when it answers."""

    base: str
    actors: Sequence[SutActor]

    def actor(self, role: str) -> SutActor:
        """Return the first actor of a role.

        Raises:
            Unsupported: there is none.
        """
        for one in self.actors:
            if one.role == role:
                return one
        raise Unsupported(f"an actor with the role {role}")


@dataclass(frozen=True, slots=True)
class PeersKnown:
    """What a driver that starts the server has to tell it: whom to admit, whom it can reach, and which CA to trust."""

    admitted: Sequence[str]
    everybody: Sequence[str]
    ca_file: str = ""


class Driver(Protocol):
    """One way to make the server act."""

    evidence: Evidence

    def ops(self) -> Collection[str]:
        """Return the operations that it can do, once it was started."""
        ...

    async def start(self, peers: PeersKnown) -> Ready | None:
        """Make ready; return the server where this driver knows it.

        Raises:
            DriverFault: it cannot be had.
        """
        ...

    async def call(self, op: str, args: Mapping[str, Any]) -> Any:
        """Do one operation and return what it says.

        Raises:
            Unsupported: this driver has no such operation. Declined: the server refused. DriverFault: the driver broke.
        """
        ...

    async def stop(self) -> None:
        """End it; what it started ends with it."""
        ...


class Chain:
    """Several drivers, asked in their order: the first that can do an operation does it."""

    def __init__(self, drivers: Sequence[Driver]) -> None:
        self._drivers = drivers
        self._able: dict[str, Driver] = {}
        self.ready: Ready | None = None

    async def start(self, peers: PeersKnown) -> Ready | None:
        """Start all; return the server as the first says that knows it."""
        for driver in self._drivers:
            found = await driver.start(peers)
            self.ready = self.ready or found
        return self.ready

    def can(self, op: str) -> bool:
        """Return whether any of the drivers can do an operation."""
        return any(op in driver.ops() for driver in self._drivers)

    async def ask(self, op: str, args: Mapping[str, Any]) -> tuple[Any, Evidence]:
        """Do one operation; return what it says, and how good it is as evidence.

        Raises:
            Unsupported: none of the drivers can. Declined, DriverFault: as `Driver.call`.
        """
        for driver in [self._able[op]] if op in self._able else self._drivers:
            try:
                answer = await driver.call(op, args)
            except Unsupported:
                continue
            except Declined:
                self._able[op] = driver
                raise
            self._able[op] = driver
            return answer, driver.evidence
        raise Unsupported(op)

    async def stop(self) -> None:
        """Stop all, the last first."""
        for driver in reversed(self._drivers):
            await driver.stop()
