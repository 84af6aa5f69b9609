"""Who tests the tests: every test kills its mutants with the code that it names, and passes no idle server.

Gates G1, G3, G4, G6-G8 and G10 of the design (conformance.md §8.13), played against the model server in this process.
A test that nothing can fail proves nothing about anybody.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fedcoop_conformance.case import Times
from fedcoop_conformance.catalogue import Catalogue, Kill, Test
from fedcoop_conformance.driver.base import Driver, Evidence, PeersKnown, Ready, Unsupported
from fedcoop_conformance.driver.c2s import C2s
from fedcoop_conformance.minicoop import liars
from fedcoop_conformance.minicoop.degenerate import KINDS, DegenerateDriver
from fedcoop_conformance.minicoop.driver import MinicoopDriver, demo_sut
from fedcoop_conformance.report.model import Result
from fedcoop_conformance.runner import play
from fedcoop_conformance.session import opened
from fedcoop_conformance.transcript import Transcript

OFFLINE: Final = frozenset({"vectors"})
"""Profiles that need no server: `vectors` has gates of its own (its mutants are implementations)."""
QUICK: Final = Times(rtt=0.001, deliver=0.004)
DOOMED: Final = Times(rtt=0.001, deliver=0.004, scale=0.1)
"""For servers that answer nothing right there is no use in waiting long."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that the self-test found: the gate, the test or mutant, and what is wrong with it."""

    gate: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.gate} {self.what}: {self.why}"


def subjects(catalogue: Catalogue, profiles: Collection[str] = ()) -> list[Test]:
    """Return the tests that are played against a server and are not drafts; of these profiles where any are named."""
    return [
        test
        for test in catalogue.tests.values()
        if test.profile not in OFFLINE
        and test.status not in {"draft", "retired"}
        and (not profiles or test.profile in profiles)
    ]


async def against(
    driver: Driver,
    tests: Sequence[Test],
    *,
    seed: str,
    jobs: int = 1,
    times: Times = QUICK,
    before: Sequence[Driver] = (),
) -> list[Result]:
    """Play tests against what a driver serves, and by client to server; the drivers `before` are asked first."""
    sut = demo_sut(())
    async with opened(
        sut,
        seed=seed,
        transcript=Transcript(),
        times=times,
        drivers=lambda wire, server: [*before, driver, C2s(wire, server)],
    ) as stage:
        return await play(stage, tests, jobs=jobs)


async def baseline(tests: Sequence[Test], *, seeds: Iterable[str], jobs: Iterable[int]) -> list[Fault]:
    """G1: the model server without a fault passes every test, whatever the seed, the order and the company."""
    found = []
    for seed in seeds:
        for many in jobs:
            for one in await against(MinicoopDriver(), tests, seed=seed, jobs=many):
                if one.outcome != "passed":
                    why = f"{one.outcome} {one.code or one.reason}: {one.received} (seed {seed}, {many} at a time)"
                    found.append(Fault("G1", one.id, why))
    return found


async def mutants(tests: Sequence[Test], *, seed: str, at_once: int = 4) -> list[Fault]:
    """G3 and G4: each mutant is reached and killed, by its test and with the code that the test names for it."""
    found: list[Fault] = [Fault("G3", test.id, "kills no mutant") for test in tests if not test.kills]
    pairs = [(test, kill) for test in tests for kill in test.kills]
    turn = asyncio.Semaphore(at_once)

    async def one(test: Test, kill: Kill) -> None:
        async with turn:
            driver = MinicoopDriver({kill.mutant})
            [result] = await against(driver, [test], seed=seed)
            found.extend(judged(result, kill, reached=kill.mutant in driver.coop.reached))

    async with asyncio.TaskGroup() as group:
        for test, kill in pairs:
            group.create_task(one(test, kill))
    return found


def judged(result: Result, kill: Kill, *, reached: bool) -> Iterable[Fault]:
    """Yield what is wrong with a mutant's death."""
    what = f"{kill.mutant} by {result.id}"
    if not reached:
        yield Fault("G4", what, "the fault was never reached")
    if result.outcome != "failed":
        yield Fault("G3", what, f"survived: {result.outcome} {result.reason or ''}".rstrip())
    elif result.code != kill.code:
        yield Fault("G3", what, f"died of {result.code} ({result.received}) and not of {kill.code}")


async def degenerate(tests: Sequence[Test], *, seed: str) -> list[Fault]:
    """G6: servers that accept, refuse, echo, swallow, fail or hang on everything pass no test, and break none."""
    found = []
    for kind in KINDS:
        for one in await against(DegenerateDriver(kind), tests, seed=seed, jobs=32, times=DOOMED):
            if one.outcome in {"passed", "inapplicable"}:
                found.append(Fault("G6", f"{one.id} on {kind}", one.outcome))
            elif one.outcome == "error":
                found.append(Fault("G6", f"{one.id} on {kind}", f"error: {one.reason}"))
    return found


async def lying(tests: Sequence[Test], *, seed: str) -> list[Fault]:
    """G7: a driver that lies about what the server shows, or breaks, makes no profile pass that asks it."""
    found = []
    asking = [test for test in tests if "observe" in test.needs]
    for kind in liars.KINDS:
        results = await against(
            MinicoopDriver(), asking, seed=seed, jobs=16, times=DOOMED, before=[liars.Liar(kind)]
        )
        found += [
            Fault("G7", f"{one.id} with an adapter that {kind}", f"error: {one.reason}")
            for one in results
            if one.outcome == "error"
        ]
        for profile in sorted({test.profile for test in asking}):
            if all(one.outcome == "passed" for one in results if one.profile == profile):
                found.append(Fault("G7", f"{profile} with an adapter that {kind}", "passed whole"))
    return found


class Listener:
    """Stands before the true driver, answers nothing, and keeps what it is asked."""

    evidence = Evidence.TESTIMONY

    def __init__(self) -> None:
        self.heard: list[str] = []

    def ops(self) -> Collection[str]:
        """Return nothing."""
        return ()

    async def start(self, peers: PeersKnown) -> Ready | None:
        """It knows no server."""
        return None

    async def call(self, op: str, args: Mapping[str, Any]) -> Any:
        """Keep the question."""
        self.heard.append(json.dumps([op, args], default=str))
        raise Unsupported(op)

    async def stop(self) -> None:
        """Nothing was started."""


async def answer_key(catalogue: Catalogue, tests: Sequence[Test], *, seed: str) -> list[Fault]:
    """G8: an adapter that has read the catalogue gains nothing, since no question says which test it belongs to."""
    listener = Listener()
    await against(MinicoopDriver(), tests, seed=seed, before=[listener])
    telling = {*catalogue.tests, *(code for test in tests for code in test.codes if "_" in code)}
    return [
        Fault("G8", word, f"an adapter is told it: {question[:200]}")
        for question in listener.heard
        for word in telling
        if word in question
    ]


def unregistered(catalogue: Catalogue, implemented: Mapping[str, object]) -> list[Fault]:
    """G10: what is implemented is in the catalogue and the other way round."""
    wanted = {test.id for test in subjects(catalogue)}
    served = {id_ for id_ in implemented if id_ in catalogue.tests}
    return [
        *(Fault("G10", id_, "is in the catalogue and not implemented") for id_ in sorted(wanted - served)),
        *(
            Fault("G10", id_, "is implemented and not in the catalogue")
            for id_ in sorted(set(implemented) - served)
        ),
    ]
