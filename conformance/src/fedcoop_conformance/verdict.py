"""From results to claims. One pure function decides, for the run, for a signed statement and for whoever checks one.

Results are plain JSON, as they stand in a report. The catalogue says what a test demands (level, status, optional
feature); a result says only what was seen. Nothing that is missing, skipped, doubtful or broken ever helps a claim, and
a report's own verdict is never believed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from fedcoop_conformance.catalogue import Catalogue, Profile, Test

Json = Mapping[str, Any]
Verdict = Literal["conformant", "not-conformant", "incomplete"]
Standing = Literal["passed", "inapplicable", "failed", "open"]

STANDINGS: Final[tuple[Standing, ...]] = ("passed", "inapplicable", "failed", "open")
OUTCOMES: Final = ("passed", "failed", "inapplicable", "untested", "cantTell", "error")
RAN: Final = ("passed", "failed")
CONFORMANT_EXIT: Final = 0
NOT_CONFORMANT_EXIT: Final = 1
INCOMPLETE_EXIT: Final = 3


@dataclass(frozen=True, slots=True)
class Claim:
    """What may be said of one profile. All lists are test ids in the order of the profile."""

    profile: str
    verdict: Verdict
    required: int
    """How many tests the profile demands: level MUST, status required."""
    passed: int
    inapplicable: tuple[str, ...]
    """Demanded, but of an optional feature that the server does not declare and the wire does not advertise."""
    deviations: tuple[str, ...]
    """SHOULD and MAY tests that failed. They never change the verdict."""
    open: tuple[str, ...]
    """Demanded, and neither passed nor failed: each of them must be settled before anything can be claimed."""

    def to_json(self) -> dict[str, Any]:
        """Return the claim as it stands in a report and in a statement."""
        return {
            "profile": self.profile,
            "verdict": self.verdict,
            "required": self.required,
            "passed": self.passed,
            "inapplicable": list(self.inapplicable),
            "deviations": list(self.deviations),
            "open": list(self.open),
        }


class ReportInvalid(ValueError):
    """A report from which nothing can be concluded. `reason` is one of the codes below, `detail` is for people.

    Codes: `schema`, `no-footer`, `catalogue`, `profile`, `unknown-test`, `duplicate-test`, `missing-test`, `revision`,
    `level`, `code`, `counts`, `claims`.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


# --------------------------------------------------------------------------------------------------- deciding


def claims(profiles: Sequence[Profile], tests: Mapping[str, Test], results: Iterable[Json]) -> list[Claim]:
    """Return one claim per profile, in their order.

    `conformant`: every test that the profile has frozen, of level MUST and status required, is passed, or is
    inapplicable where the profile lists its feature as optional and the wire does not advertise it; and at least one
    is passed. `not-conformant`: one of them failed. `incomplete`: everything else.
    """
    seen: dict[str, list[Json]] = {}
    for result in results:
        seen.setdefault(result["id"], []).append(result)
    return [_claim(profile, tests, seen) for profile in profiles]


def _claim(profile: Profile, tests: Mapping[str, Test], seen: Mapping[str, list[Json]]) -> Claim:
    standings: dict[str, Standing] = {}
    deviations: list[str] = []
    for test_id, rev in profile.tests:
        test = tests.get(test_id)
        standing = _standing(profile, test, [r for r in seen.get(test_id, ()) if r["rev"] == rev])
        if _is_demanded(test):
            standings[test_id] = standing
        elif standing == "failed" and test is not None and test.status == "required":
            deviations.append(test_id)
    by = {kind: tuple(t for t, standing in standings.items() if standing == kind) for kind in STANDINGS}
    return Claim(
        profile=profile.id,
        verdict=_verdict(failed=bool(by["failed"]), settled=not by["open"] and bool(by["passed"])),
        required=len(standings),
        passed=len(by["passed"]),
        inapplicable=by["inapplicable"],
        deviations=tuple(deviations),
        open=by["open"],
    )


def _is_demanded(test: Test | None) -> bool:
    # A frozen test that the catalogue does not have cannot be shown to be less than a MUST.
    return test is None or (test.level == "MUST" and test.status == "required")


def _standing(profile: Profile, test: Test | None, results: Sequence[Json]) -> Standing:
    """Return where a test stands. Of several results for one test the worst counts; no result is an open one."""
    outcomes = {_counted(profile, test, result) for result in results}
    if "failed" in outcomes:
        return "failed"
    return outcomes.pop() if len(outcomes) == 1 else "open"


def _counted(profile: Profile, test: Test | None, result: Json) -> Standing:
    outcome = result["outcome"]
    if outcome == "inapplicable":
        feature = None if test is None else test.feature
        excused = feature is not None and feature in profile.optional and result["advertised"] is False
        return "inapplicable" if excused else "open"
    if outcome == "passed":
        return "passed"
    return "failed" if outcome == "failed" else "open"


def _verdict(*, failed: bool, settled: bool) -> Verdict:
    if failed:
        return "not-conformant"
    return "conformant" if settled else "incomplete"


def counts(results: Iterable[Json]) -> dict[str, int]:
    """Return how many results have each of the six outcomes, those that nobody has included."""
    counted = Counter(result["outcome"] for result in results)
    return {outcome: counted[outcome] for outcome in OUTCOMES}


# -------------------------------------------------------------------------------------------------- exit code


def exit_code(made: Sequence[Claim], results: Sequence[Json], *, known: Iterable[str] | None = None) -> int:
    """Return how a run ends: 0 every profile conformant, 1 one is not, 3 incomplete, suite at fault, or no test ran.

    `known` are the ids of a local list of known failures (`--gate`): they excuse a failure here and nowhere else, and
    one of them that passes ends the run with 1, so that the list stays true.
    """
    counted = counts(results)
    if counted["error"] or not any(counted[outcome] for outcome in RAN):
        return INCOMPLETE_EXIT
    if known is not None:
        return _gated(made, results, frozenset(known))
    verdicts = {claim.verdict for claim in made}
    if "not-conformant" in verdicts:
        return NOT_CONFORMANT_EXIT
    return CONFORMANT_EXIT if verdicts == {"conformant"} else INCOMPLETE_EXIT


def _gated(made: Sequence[Claim], results: Sequence[Json], known: frozenset[str]) -> int:
    failed = {r["id"] for r in results if r["outcome"] == "failed" and r["level"] == "MUST"}
    stale = {r["id"] for r in results if r["outcome"] == "passed"} & known
    if failed - known or stale:
        return NOT_CONFORMANT_EXIT
    unsettled = any(claim.open or claim.verdict == "incomplete" for claim in made)
    return INCOMPLETE_EXIT if unsettled or not made else CONFORMANT_EXIT


# ------------------------------------------------------------------------------------------------- recomputing


def recompute(report: Json, catalogue: Catalogue) -> list[Claim]:
    """Return the claims that the results of `report` support, whatever the report itself says.

    Raises:
        ReportInvalid: it has no footer, is of another catalogue, does not have exactly the tests of its profiles in
            their revisions, or its own counts or claims are not those that follow from its results.
    """
    # (1) What follows reads these members.
    _shape(report)
    # (2) A run that was cut short has no footer, and proves nothing.
    if report.get("footer") is None:
        raise ReportInvalid("no-footer", "the run did not end")
    # (3) Ids mean nothing without the catalogue that they are from.
    if report["header"]["catalogue"] != catalogue.digest:
        raise ReportInvalid("catalogue", f"made with {report['header']['catalogue']}, not {catalogue.digest}")
    # (4) What was to be tested is named, and exists.
    profiles = _profiles(report, catalogue)
    # (5) Each test of it has one result, and it is about that test.
    _results_are_whole(report["results"], profiles, catalogue.tests)
    # (6) What it prints is what it holds.
    if not _same(report["footer"]["counts"], counts(report["results"])):
        raise ReportInvalid("counts", "the counts are not those of the results")
    # (7) What it claims follows from the results.
    made = claims(profiles, catalogue.tests, report["results"])
    if not _same(report["footer"]["claims"], [claim.to_json() for claim in made]):
        raise ReportInvalid("claims", "the claims do not follow from the results")
    return made


def _profiles(report: Json, catalogue: Catalogue) -> list[Profile]:
    names = report["header"]["profiles"]
    unknown = [name for name in names if name not in catalogue.profiles]
    if unknown or not names or len(set(names)) != len(names):
        raise ReportInvalid("profile", f"no such profiles, none, or one twice: {', '.join(unknown or names)}")
    return [catalogue.profiles[name] for name in names]


def _results_are_whole(
    results: Sequence[Json], profiles: Sequence[Profile], tests: Mapping[str, Test]
) -> None:
    times = Counter(result["id"] for result in results)
    frozen = [(test_id, rev) for profile in profiles for test_id, rev in profile.tests]
    _refuse("duplicate-test", [test_id for test_id, n in times.items() if n > 1])
    _refuse("unknown-test", [test_id for test_id in times if test_id not in tests])
    _refuse("missing-test", [test_id for test_id, _ in frozen if test_id not in times])
    for result in results:
        test = tests[result["id"]]
        if result["rev"] not in {rev for test_id, rev in frozen if test_id == result["id"]} | {test.rev}:
            raise ReportInvalid("revision", f"{result['id']} revision {result['rev']}")
        if result["level"] != test.level:
            raise ReportInvalid("level", f"{result['id']} is {test.level}, not {result['level']}")
        # A closed list of codes: a failure has one of its test's, and nothing else has any.
        if result["code"] not in (test.codes if result["outcome"] == "failed" else [None]):
            raise ReportInvalid("code", f"{result['id']} {result['outcome']} with {result['code']}")


def _same(said: object, follows: object) -> bool:
    # Python holds 1, 1.0 and True for equal; a reader of the file does not.
    try:
        return json.dumps(said, sort_keys=True) == json.dumps(follows, sort_keys=True)
    except RecursionError:
        return False


def _refuse(reason: str, ids: Sequence[str]) -> None:
    if ids:
        raise ReportInvalid(reason, ", ".join(ids))


_RESULT: Final[Mapping[str, type | tuple[type, ...]]] = {
    "id": str, "rev": int, "level": str, "outcome": str, "code": (str, type(None)),
    "advertised": (bool, type(None)),
}  # fmt: skip


def _shape(report: Json) -> None:
    """Refuse what cannot be read. The schema says more; a verdict needs no more than this."""
    header, results, footer = report.get("header"), report.get("results"), report.get("footer")
    whole = (
        report.get("schema") == "fedcoop-report/1"
        and isinstance(header, Mapping)
        and isinstance(header.get("catalogue"), str)
        and isinstance(header.get("profiles"), list)
        and all(isinstance(name, str) for name in header["profiles"])
        and isinstance(results, list)
        and all(_is_result(result) for result in results)
        and (footer is None or (isinstance(footer, Mapping) and {"counts", "claims"} <= footer.keys()))
    )
    if not whole:
        raise ReportInvalid("schema", "this is not a fedcoop-report/1")


def _is_result(result: object) -> bool:
    return (
        isinstance(result, Mapping)
        and all(name in result and isinstance(result[name], kind) for name, kind in _RESULT.items())
        and not isinstance(result["rev"], bool)
        and result["outcome"] in OUTCOMES
    )
