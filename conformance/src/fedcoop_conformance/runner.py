"""Plays tests against a server: in an order that the seed decides, dependencies first, each with a deadline."""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from fedcoop_conformance.case import CannotTell, Case, Failed, Inapplicable, Stage, Untested
from fedcoop_conformance.cases import Play, plays
from fedcoop_conformance.catalogue import Test
from fedcoop_conformance.driver.base import Declined, DriverFault, Unsupported
from fedcoop_conformance.report.model import Result, Step
from fedcoop_conformance.wire import NoAnswer

FAIL_FAST: Final = "not reached: an earlier test failed (--fail-fast)"
DEADLINE: Final = 30.0
"""Seconds for a whole test; a test may ask for more by `deadline` in its entry."""


class Watcher(Protocol):
    """Whoever is told what happens while it happens."""

    def started(self, test: Test) -> None:
        """A test begins."""

    def result(self, result: Result) -> None:
        """A test has ended."""


async def play(
    stage: Stage,
    tests: Sequence[Test],
    *,
    jobs: int = 1,
    fail_fast: bool = False,
    watchers: Sequence[Watcher] = (),
) -> list[Result]:
    """Play these tests, `jobs` at a time, and return their results in the order of the tests.

    A test whose dependency among them did not pass is `untested`.
    """
    done: dict[str, Result] = {}
    for wave in waves(tests, stage.seed):
        queue = list(wave)

        async def worker(queue: list[Test] = queue) -> None:
            while queue:
                test = queue.pop(0)
                stopped = fail_fast and any(one.outcome == "failed" for one in done.values())
                for watcher in watchers:
                    watcher.started(test)
                done[test.id] = untested(test, FAIL_FAST) if stopped else await _play(stage, test, done)
                for watcher in watchers:
                    watcher.result(done[test.id])

        async with asyncio.TaskGroup() as group:
            for _ in range(max(1, jobs)):
                group.create_task(worker())
    return [done[test.id] for test in tests]


def waves(tests: Sequence[Test], seed: str) -> list[list[Test]]:
    """Return the tests in groups, each after all that its tests depend on, and in an order that the seed decides."""
    left = sorted(tests, key=lambda test: test.id)
    random.Random(seed).shuffle(left)  # noqa: S311 (an order, no secret)
    among = {test.id for test in tests}
    found: list[list[Test]] = []
    done: set[str] = set()
    while left:
        free = [
            test for test in left if all(other in done or other not in among for other in test.depends_on)
        ]
        found.append(free or left)
        done |= {test.id for test in found[-1]}
        left = [test for test in left if test.id not in done]
    return found


async def _play(stage: Stage, test: Test, done: Mapping[str, Result]) -> Result:
    known = plays().get(test.id)
    if known is None or known[0] != test.rev:
        return untested(test, "the suite does not implement it yet")
    for other in test.depends_on:
        if other in done and done[other].outcome != "passed":
            return untested(test, f"{other}, on which it depends, did not pass")
    case = Case(stage, test)
    began = time.monotonic()
    found = await _judged(case, known[1])
    return Result(
        id=test.id,
        rev=test.rev,
        profile=test.profile,
        level=test.level,
        evidence={kind.value: number for kind, number in case.evidence.items()},
        duration_ms=int((time.monotonic() - began) * 1000),
        steps=tuple(Step(one.kind, one.text, one.ok) for one in case.steps),
        exchanges=tuple(dict.fromkeys(case.exchanges)),
        **found,
    )


async def _judged(case: Case, play: Play) -> dict[str, Any]:
    """Return outcome and words for one play. Whatever is raised becomes an outcome: nothing ends the run."""
    deadline = float(case.test.entry.get("deadline", DEADLINE)) * case.times.scale
    try:
        async with asyncio.timeout(deadline):
            await play(case)
    except Failed as failure:
        if failure.code not in case.test.codes:
            return {"outcome": "error", "reason": f"{failure.code} is no code of {case.test.id}: {failure}"}
        return {
            "outcome": "failed",
            "code": failure.code,
            "expected": failure.expected,
            "received": failure.received,
        }
    except Inapplicable as reason:
        # Only where somebody looked does it excuse anything.
        advertised = False if reason.looked else None
        return {"outcome": "inapplicable", "reason": str(reason), "advertised": advertised}
    except (Untested, Unsupported) as reason:
        return {"outcome": "untested", "reason": str(reason)}
    except (CannotTell, NoAnswer, Declined, DriverFault) as reason:
        return {"outcome": "cantTell", "reason": str(reason)}
    except TimeoutError:
        return {"outcome": "cantTell", "reason": f"not over after {deadline:.0f} s"}
    except Exception as fault:
        where = traceback.extract_tb(fault.__traceback__)[-1]
        return {
            "outcome": "error",
            "reason": f"{type(fault).__name__}: {fault} ({where.name}:{where.lineno})",
        }
    # A test that looked at nothing has shown nothing.
    if not any(case.evidence.values()):
        return {"outcome": "error", "reason": "the test observed nothing"}
    return {"outcome": "passed"}


def untested(test: Test, reason: str) -> Result:
    """Return the result of a test that was not made."""
    return Result(test.id, test.rev, test.profile, test.level, "untested", reason=reason)
