"""Is an answer the expected one? And what do the answers to its vectors make of a test of the catalogue?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fedcoop_conformance.crypto import jcs
from fedcoop_conformance.vectors.answers import Answerer
from fedcoop_conformance.vectors.files import Vector, load

NO_ANSWER: Final = "NO_ANSWER"
_SEVERITY: Final = ("NOT_REFUSED", "REFUSED", "WRONG_OUTPUT", NO_ANSWER, "WRONG_REASON")
_RESULTS: Final = frozenset({"valid", "invalid", "acceptable", "unsupported"})


@dataclass(frozen=True)
class Judged:
    """One answer, judged. `code` is None where it is right, and where nothing was supported."""

    vector: Vector
    outcome: str
    code: str | None = None
    received: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one test of the catalogue: passed, failed (with the gravest code) or untested."""

    test: str
    outcome: str
    code: str | None
    reason: str | None
    judged: tuple[Judged, ...]


def judge(vector: Vector, answer: object) -> Judged:
    """Return whether `answer` is the expected one.

    Codes: `NOT_REFUSED`, `REFUSED`, `WRONG_OUTPUT`, `WRONG_REASON`, `NO_ANSWER`. A reason is compared where one
    is given; a library that says only "no" is right about the vector, and one with another reason has refused
    it by accident.
    """
    said = answer if isinstance(answer, Mapping) else {}
    result = said.get("result")
    received = repr(answer)[:200]
    if result == "unsupported":
        return Judged(vector, "untested", None, received)
    code = _code(vector, said) if result in _RESULTS else NO_ANSWER
    return Judged(vector, "failed" if code else "passed", code, received)


def outcomes(
    answerer: Answerer,
    vectors: Sequence[Vector] | None = None,
    *,
    say: Callable[[Judged], None] | None = None,
) -> tuple[Outcome, ...]:
    """Return the outcome of every test for an implementation that is a function."""
    chosen = load() if vectors is None else vectors
    judged: list[Judged] = []
    for vector in chosen:
        judged.append(judge(vector, answerer(vector.kind, vector.input)))
        if say:
            say(judged[-1])
    return by_test(judged)


def by_test(judged: Iterable[Judged]) -> tuple[Outcome, ...]:
    """Return what the judged answers make of each test: one wrong answer fails it."""
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        groups.setdefault(one.vector.test, []).append(one)
    return tuple(_outcome(test, groups[test]) for test in sorted(groups))


def _outcome(test: str, judged: Sequence[Judged]) -> Outcome:
    failed = [one for one in judged if one.outcome == "failed"]
    untested = [one for one in judged if one.outcome == "untested"]
    if failed:
        worst = min(failed, key=lambda one: _SEVERITY.index(one.code or NO_ANSWER))
        told = f"{worst.vector.id} ({worst.vector.comment}): {worst.received}"
        return Outcome(test, "failed", worst.code, told, tuple(judged))
    if untested:
        told = f"{len(untested)} of {len(judged)} vectors are not supported"
        return Outcome(test, "untested", None, told, tuple(judged))
    return Outcome(test, "passed", None, None, tuple(judged))


def _code(vector: Vector, said: Mapping[str, Any]) -> str | None:
    result = said.get("result")
    if vector.result == "acceptable":
        return None
    if vector.result == "invalid":
        if result != "invalid":
            return "NOT_REFUSED"
        reason = said.get("reason")
        return None if reason in {None, vector.reason, *vector.also} else "WRONG_REASON"
    if result == "invalid":
        return "REFUSED"
    return None if vector.output is None or _same(said.get("output"), vector.output) else "WRONG_OUTPUT"


def _same(one: object, other: object) -> bool:
    """Tell whether two values are one JSON value: 1 and 1.0 are, and True and 1 are not."""
    try:
        return jcs.canonical(one) == jcs.canonical(other)
    except jcs.NotIJson:
        return False
