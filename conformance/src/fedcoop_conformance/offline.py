"""The profile that needs no server: the static vectors, asked of a program or of the suite itself."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from fedcoop_conformance import vectors
from fedcoop_conformance.catalogue import Test
from fedcoop_conformance.report.model import Result, Step
from fedcoop_conformance.runner import Watcher, untested

PROFILE = "vectors"


def play(
    tests: Sequence[Test], command: Sequence[str] | None, *, folder: Path, watchers: Sequence[Watcher] = ()
) -> list[Result]:
    """Return the results of the tests of `vectors`: by a program, or where `command` is None by the suite's own code.

    The program is run in `folder`, as a driver is. Without one to ask (an empty command, or one that is not there)
    they are untested.
    """
    if not tests:
        return []
    if command is None:
        told = vectors.outcomes(vectors.answer)
    elif not command:
        told = ()
    else:
        program = shutil.which(command[0], path=None) or str((folder / command[0]).absolute())
        try:
            told = vectors.check([program, *command[1:]], folder=folder)
        except OSError as failure:
            return [_said(untested(test, f"{command[0]}: {failure}"), test, watchers) for test in tests]
    outcomes = {one.test: one for one in told}
    return [_said(_result(test, outcomes.get(test.id)), test, watchers) for test in tests]


def _result(test: Test, outcome: vectors.Outcome | None) -> Result:
    if outcome is None:
        return untested(test, "sut.toml names no program that answers vectors ([vectors] command)")
    failed = outcome.outcome == "failed"
    return Result(
        id=test.id,
        rev=test.rev,
        profile=test.profile,
        level=test.level,
        outcome=outcome.outcome,
        code=outcome.code,
        reason=None if failed else outcome.reason,
        expected=str(test.entry["expect"]) if failed else None,
        received=outcome.reason if failed else None,
        evidence={"testimony": len(outcome.judged)},
        steps=tuple(Step("step", one.vector.id, one.outcome == "passed") for one in outcome.judged),
    )


def _said(result: Result, test: Test, watchers: Sequence[Watcher]) -> Result:
    for watcher in watchers:
        watcher.started(test)
        watcher.result(result)
    return result
