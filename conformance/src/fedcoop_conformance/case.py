"""What a test has in its hands: the server under test, fresh peers, and words for what it expects.

A test is a coroutine that takes a `Case`. It returns when every expectation was met, and raises otherwise: `Failed`
with one of its codes, `Untested` where the driver cannot do what it needs, `CannotTell` where nothing can be concluded.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from fedcoop_conformance.catalogue import Test
from fedcoop_conformance.driver.base import Chain, Evidence, Ready
from fedcoop_conformance.peer.actors import Document, Kind, Outgoing, PeerActor, fresh_key
from fedcoop_conformance.peer.server import Origin, Peers, Received, Role
from fedcoop_conformance.sut import Sut, SutActor
from fedcoop_conformance.wire import Reply, Wire

Stimulus = Literal["probe", "follow"]
DOOR: Final = frozenset({401})
"""The status of everything about a signature (decision D3)."""
FAULTS: Final = frozenset({400, 401, 403, 409, 413, 415, 422})


class Failed(Exception):
    """An expectation was not met. `code` is one of the test's failure codes."""

    def __init__(self, code: str, *, expected: str, received: str) -> None:
        super().__init__(f"{code}: expected {expected}; received {received}")
        self.code = code
        self.expected = expected
        self.received = received


class Untested(Exception):
    """The test could not be made; the message says what is missing."""


class Inapplicable(Exception):
    """What is tested is an optional feature that the server does not have; `looked` says whether the wire agrees."""

    def __init__(self, message: str, *, looked: bool) -> None:
        super().__init__(message)
        self.looked = looked


class CannotTell(Exception):
    """The test was made, and nothing can be concluded."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long the suite waits, in seconds, measured by `calibrate`; a sentinel replaces waiting where there is one."""

    rtt: float = 0.05
    deliver: float = 0.2
    scale: float = 1.0

    @property
    def signal(self) -> float:
        """Return how long something that has to come is awaited."""
        return self.scale * max(2.0, 10 * self.deliver)

    @property
    def silence(self) -> float:
        """Return how long to listen for what must not come, where no later message can end the wait."""
        return self.scale * max(0.15, 5 * self.deliver)

    @property
    def grace(self) -> float:
        """Return how long to listen on after a later message was answered."""
        return self.scale * max(0.02, 0.5 * self.deliver)


@dataclass(frozen=True)
class Stage:
    """What all tests of a run share."""

    sut: Sut
    ready: Ready
    peers: Peers
    wire: Wire
    driver: Chain
    times: Times
    stimulus: Stimulus
    seed: str
    announced: frozenset[str] = frozenset()
    signs: Kind = "ed25519"
    """With which key honest peers sign requests: Ed25519 where the server announces it, else RSA (sig/28)."""


@dataclass
class Step:
    """A line of what a test did."""

    kind: Literal["control", "step"]
    text: str
    ok: bool = False


@dataclass
class Case:
    """One test of one run."""

    stage: Stage
    test: Test
    steps: list[Step] = field(default_factory=list)
    exchanges: list[int] = field(default_factory=list)
    evidence: dict[Evidence, int] = field(default_factory=lambda: dict.fromkeys(Evidence, 0))

    def __post_init__(self) -> None:
        # What is random is decided by the seed and the test alone: `--seed` plays it again, in any selection and order.
        self.rng = random.Random(f"{self.stage.seed}:{self.test.id}")  # noqa: S311 (no secret depends on it)

    @property
    def first_retry(self) -> float:
        """Return after how long the server says that it tries again, in seconds."""
        return self.stage.sut.limits.first_retry * self.times.scale

    # -- who there is ------------------------------------------------------------------------------------------

    @property
    def times(self) -> Times:
        return self.stage.times

    @property
    def local(self) -> SutActor:
        """Return the local actor that peers speak to: a member, or else the co-op."""
        actors = self.stage.ready.actors
        return next((one for one in actors if one.role == "member"), actors[0])

    def role(self, role: str) -> SutActor:
        """Return a local actor by role (`coop`, `member`, `instance`).

        Raises:
            Unsupported: there is none.
        """
        return self.stage.ready.actor(role)

    def peer(
        self, role: Role = "honest", *, kind: str = "Person", publish: bool = True, **more: Any
    ) -> PeerActor:
        """Return an actor that nobody has met, on the origin of that role; its document is served at its id."""
        name = f"{self.rng.choice(_NAMES)}{self.rng.randrange(16**6):06x}"
        actor = PeerActor(
            self.stage.peers[role],
            name,
            fresh_key(self.rng),
            kind,
            self.rng,
            dict(more),
            signs=self.stage.signs,
        )
        if publish:
            actor.publish()
        return actor

    @functools.cached_property
    def reader(self) -> PeerActor:
        """Return an admitted server's actor that reads where a server demands a signature of every reader."""
        return self.peer()

    # -- telling what is done ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Note a step of the test, and whether it came to its end."""
        noted = Step("step", text)
        self.steps.append(noted)
        yield
        noted.ok = True

    @contextlib.asynccontextmanager
    async def control(self, text: str) -> AsyncIterator[None]:
        """Note the valid twin of a fault: where it fails, the refusals beside it prove nothing (code `CONTROL`)."""
        noted = Step("control", text)
        self.steps.append(noted)
        try:
            yield
        except Failed as failure:
            raise Failed(
                "CONTROL", expected=f"{text}: {failure.expected}", received=failure.received
            ) from failure
        noted.ok = True

    @contextlib.asynccontextmanager
    async def alone(self, role: Role) -> AsyncIterator[Origin]:
        """Have an origin for this test alone, as long as the block lasts: what it does there others would notice."""
        origin = self.stage.peers[role]
        async with origin.turn:
            yield origin

    def check(self, met: bool, code: str, *, expected: str, received: object) -> None:
        """Hold one expectation.

        Raises:
            Failed: it is not met.
        """
        if not met:
            raise Failed(code, expected=expected, received=str(received)[:2000])

    def saw(self, evidence: Evidence) -> None:
        """Count an observation by where it comes from."""
        self.evidence[evidence] += 1

    # -- requests ----------------------------------------------------------------------------------------------

    async def send(self, message: Outgoing, *, within: float | None = None) -> Reply:
        """Send a request as it is.

        Raises:
            NoAnswer: there was no answer.
        """
        reply = await self.stage.wire.send(
            message.method, message.url, headers=message.headers, body=message.body or None, within=within
        )
        return self._kept(reply)

    async def get(self, url: str, *, accept: str = "application/activity+json", **headers: str) -> Reply:
        """GET without a signature.

        Raises:
            NoAnswer: there was no answer.
        """
        told = {"Accept": accept} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self._kept(await self.stage.wire.send("GET", url, headers=told))

    async def document(self, url: str, code: str, **how: Any) -> tuple[Document, Reply]:
        """GET a JSON object.

        Raises:
            Failed: with `code`, where the answer is no 200 with an object. NoAnswer: there was none.
        """
        reply = await self.get(url, **how)
        found = reply.json
        self.check(
            reply.status == 200 and isinstance(found, dict),
            code,
            expected=f"{url}: 200 and an object",
            received=reply.told(),
        )
        return found, reply

    def _kept(self, reply: Reply) -> Reply:
        self.exchanges.append(reply.exchange)
        self.saw(Evidence.WIRE)
        return reply

    # -- a message and what becomes of it ----------------------------------------------------------------------

    def stimulus(self, actor: PeerActor, **members: Any) -> Document:
        """Return an activity that the server answers by an activity: a `Probe` (decision D9), else a `Follow`."""
        if self.stage.stimulus == "probe":
            return actor.activity("Probe", to=[self.local.id], **members)
        return actor.activity("Follow", object=self.local.id, to=[self.local.id], **members)

    def answers(self, activity: Mapping[str, Any]) -> Callable[[Document], bool]:
        """Return what says of an activity whether it answers that stimulus."""
        name, follow = activity["id"], activity["type"] == "Follow"

        def check(said: Document) -> bool:
            about = said.get("object") if follow else said.get("inReplyTo")
            return bool((about.get("id") if isinstance(about, Mapping) else about) == name)

        return check

    async def replies(
        self, actor: PeerActor, activity: Mapping[str, Any], *, within: float
    ) -> list[Received]:
        """Return the activities that answer a stimulus, the first as soon as it is there."""
        came = await actor.origin.wait(actor.arrived(self.answers(activity)), within=within)
        self.exchanges += [one.exchange for one in came]
        self.saw(Evidence.WIRE)
        return came

    async def replies_in_all(self, actor: PeerActor, activity: Mapping[str, Any]) -> int:
        """Return how many answers to a stimulus have come, a moment after a later one was answered."""
        came = await actor.origin.wait(
            actor.arrived(self.answers(activity)), within=self.times.grace, count=99
        )
        self.exchanges += [one.exchange for one in came]
        return len(came)

    async def accepted(self, actor: PeerActor, activity: Mapping[str, Any], message: Outgoing) -> Reply:
        """Send a stimulus; it is taken (2xx) and has its effect: the answer arrives at its actor.

        Raises:
            Failed: `NOT_ACCEPTED`, `SERVER_ERROR` or `NO_EFFECT`.
        """
        reply = await self.taken(message)
        came = await self.replies(actor, activity, within=self.times.signal)
        self.check(
            bool(came),
            "NO_EFFECT",
            expected=f"an answer to {activity['type']} {activity['id']} within {self.times.signal:.1f} s",
            received=f"{reply.status}, and nothing arrived",
        )
        return reply

    async def taken(self, message: Outgoing) -> Reply:
        """Send a message; it is answered by 2xx.

        Raises:
            Failed: `NOT_ACCEPTED` or `SERVER_ERROR`.
        """
        reply = await self.send(message)
        self.check(reply.status < 500, "SERVER_ERROR", expected="2xx", received=reply.told())
        self.check(reply.ok, "NOT_ACCEPTED", expected="2xx", received=reply.told())
        return reply

    async def turned_away(
        self, message: Outgoing, statuses: Collection[int] = DOOR, *, problem: str | None = None
    ) -> Reply:
        """Send a message; it is refused with one of these statuses, and where `problem` is given with that code.

        Raises:
            Failed: `NOT_REFUSED`, `SERVER_ERROR`, `WRONG_STATUS` or `WRONG_PROBLEM`.
        """
        reply = await self.send(message)
        wanted = " or ".join(str(one) for one in sorted(statuses)) + (f" {problem}" if problem else "")
        self.check(not reply.ok, "NOT_REFUSED", expected=wanted, received=reply.told())
        self.check(reply.status < 500, "SERVER_ERROR", expected=wanted, received=reply.told())
        self.check(reply.status in statuses, "WRONG_STATUS", expected=wanted, received=reply.told())
        self.check(problem in {None, reply.problem}, "WRONG_PROBLEM", expected=wanted, received=reply.told())
        return reply

    async def no_effect(self, actor: PeerActor, activity: Mapping[str, Any]) -> None:
        """Hold that a stimulus was not answered, when a later one has been.

        Raises:
            Failed: `SIDE_EFFECT`.
        """
        came = await self.replies(actor, activity, within=self.times.grace)
        self.check(
            not came,
            "SIDE_EFFECT",
            expected=f"no answer to the refused {activity['type']}",
            received=f"an answer arrived: {came[0].json if came else ''}",
        )

    async def refused_beside(
        self,
        fault: Callable[[PeerActor, Document], Outgoing],
        *,
        twin: Callable[[PeerActor, Document], Outgoing] | None = None,
        statuses: Collection[int] = DOOR,
        problem: str | None = None,
        actor: PeerActor | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        """Send a faulty stimulus, then its valid twin: the first is refused and has no effect, the second is taken.

        The twin is the sentinel as well: when its answer is there, the other's would be.

        Raises:
            Failed: as `turned_away`, `SIDE_EFFECT`, or `CONTROL` for the twin.
        """
        peer = actor or self.peer()
        wrong = self.stimulus(peer, **(members or {}))
        with self.step("the faulty message is refused"):
            await self.turned_away(fault(peer, wrong), statuses, problem=problem)
        async with self.control("the valid twin is taken and answered"):
            right = self.stimulus(peer, **(members or {}))
            await self.accepted(peer, right, (twin or self.honest)(peer, right))
        with self.step("the faulty message had no effect"):
            await self.no_effect(peer, wrong)

    def honest(self, actor: PeerActor, activity: Mapping[str, Any]) -> Outgoing:
        """Return the stimulus as an honest peer sends it."""
        return actor.request(self.local.inbox, activity)

    # -- a message that somebody brings, seen in what the server stores ----------------------------------------

    async def sees(self, name: str, *, within: float | None = None) -> Document | None:
        """Return what the server shows a local actor of an object, as soon as it does; None after `within` seconds.

        Raises:
            Unsupported: the driver cannot look.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + (self.times.signal if within is None else within)
        while True:
            found = await self.ask("observe", actor=self.local.id, id=name)
            if found.get("seen"):
                return dict(found.get("object") or {"id": name})
            if loop.time() >= end:
                return None
            await asyncio.sleep(_LOOK_AGAIN)

    async def kept(self, name: str) -> Document:
        """Return an object that the server has taken in.

        Raises:
            Failed: `NO_EFFECT`.
        """
        found = await self.sees(name)
        self.check(
            found is not None,
            "NO_EFFECT",
            expected=f"{name} is shown to {self.local.id}",
            received="it is not",
        )
        assert found is not None
        return found

    async def not_kept(self, name: str) -> None:
        """Hold that the server shows nobody an object.

        Raises:
            Failed: `SIDE_EFFECT`.
        """
        found = await self.sees(name, within=0)
        self.check(found is None, "SIDE_EFFECT", expected=f"{name} is not stored", received=found)

    # -- the driver --------------------------------------------------------------------------------------------

    async def ask(self, op: str, **args: Any) -> Any:
        """Have the driver do one operation.

        Raises:
            Unsupported, Declined, DriverFault: as `Chain.ask`.
        """
        answer, evidence = await self.stage.driver.ask(op, args)
        self.saw(evidence)
        return answer

    async def publish(self, activity: Mapping[str, Any], *, by: SutActor | None = None) -> str:
        """Have a local actor say something; returns the id of the activity."""
        answer = await self.ask("outbox.post", actor=(by or self.local).id, activity=dict(activity))
        return str(answer["id"])

    async def feature(self, name: str, *, announced_as: str | None = None) -> None:
        """Go on only where the server declares a feature.

        Raises:
            Inapplicable: it is neither declared nor announced. Failed: `ADVERTISED`, it is announced all the same.
        """
        if self.stage.sut.features.get(name, False):
            return
        shown = announced_as is not None and announced_as in self.stage.announced
        self.check(
            not shown,
            "ADVERTISED",
            expected=f"{name} is not announced, as sut.toml says",
            received=str(announced_as),
        )
        raise Inapplicable(f"sut.toml declares no {name}", looked=announced_as is not None)


_LOOK_AGAIN: Final = 0.02
_NAMES: Final = (
    "adele", "basile", "clemence", "dario", "elise", "fadila", "gael", "hanna", "ines", "jules", "karim", "lena",
)  # fmt: skip
