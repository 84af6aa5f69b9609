"""What may be claimed from results, and that a verdict which is wrong in any named way is noticed.

The cases are vectors, because servers that check statements have a verdict of their own: what kills a wrong verdict
here kills theirs too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import jsonschema
import pytest

from fedcoop_conformance import data, verdict
from fedcoop_conformance.verdict import Claim, ReportInvalid

SOURCE: Final = Path(verdict.__file__)
VECTORS: Final = json.loads(
    (Path(__file__).parents[1] / "vectors" / "verdict" / "verdict.json").read_text("utf-8")
)
BY_ID: Final[Mapping[str, Any]] = {vector["id"]: vector for vector in VECTORS["tests"]}


@dataclass(frozen=True)
class Entry:
    rev: int = 1
    level: str = "MUST"
    status: str = "required"
    feature: str | None = None
    codes: Sequence[str] = ()


@dataclass(frozen=True)
class Frozen:
    id: str
    optional: Sequence[str]
    tests: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Extract:
    """The part of a catalogue that a vector carries."""

    digest: str
    tests: Mapping[str, Entry]
    profiles: Mapping[str, Frozen]


def extract(said: Mapping[str, Any]) -> Extract:
    return Extract(
        digest=said["digest"],
        tests={
            t["id"]: Entry(t["rev"], t["level"], t["status"], t["feature"], t["failureCodes"])
            for t in said["tests"]
        },
        profiles={
            p.id: p
            for p in (
                Frozen(f"{p['name']}@{p['version']}", p["optional"], [(id_, rev) for id_, rev in p["tests"]])
                for p in said["profiles"]
            )
        },
    )


def answer(decides: ModuleType, vector: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a verdict says of a vector, in the words of the vector file."""
    try:
        made = decides.recompute(vector["input"]["report"], extract(vector["input"]["catalogue"]))
    except decides.ReportInvalid as invalid:
        return {"result": "invalid", "reason": invalid.reason}
    return {"result": "valid", "output": {"claims": [claim.to_json() for claim in made]}}


def expected(vector: Mapping[str, Any]) -> dict[str, Any]:
    return {key: vector[key] for key in ("result", "reason", "output") if key in vector}


# ------------------------------------------------------------------------------------------------ the vectors


@pytest.mark.parametrize("vector", VECTORS["tests"], ids=lambda v: f"{v['id']} {v['comment']}")
def test_the_verdict_answers_as_the_vector_says(vector: Mapping[str, Any]):
    assert answer(verdict, vector) == expected(vector)


def test_the_vector_file_counts_itself_and_every_twin_is_valid():
    assert VECTORS["numberOfTests"] == len(VECTORS["tests"]) == len(BY_ID)
    twins = [vector["twin"] for vector in VECTORS["tests"] if vector["result"] == "invalid"]
    assert {BY_ID[twin]["result"] for twin in twins} == {"valid"}
    assert {flag for vector in VECTORS["tests"] for flag in vector["flags"]} == set(VECTORS["notes"])


def test_the_vector_file_holds_to_its_schema():
    schema = json.loads((data.folder("schemas") / "vector-verdict.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(VECTORS, schema)


def test_every_reason_for_refusing_a_report_has_a_vector():
    reasons = {vector["reason"] for vector in VECTORS["tests"] if vector["result"] == "invalid"}
    assert reasons == {
        "schema", "no-footer", "catalogue", "profile", "unknown-test", "duplicate-test", "missing-test",
        "revision", "level", "code", "counts", "claims",
    }  # fmt: skip


# ----------------------------------------------------------------------------- wrong verdicts, each told apart


@dataclass(frozen=True)
class Mutant:
    """A verdict with one line changed, and a vector that it answers wrongly."""

    name: str
    old: str
    new: str
    killed_by: str


MUTANTS: Final = (
    Mutant("counts skipped as passed",
           'if outcome == "passed":', 'if outcome in ("passed", "untested"):', "FV-VER-005"),
    Mutant("counts what could not be told as passed",
           'if outcome == "passed":', 'if outcome in ("passed", "cantTell"):', "FV-VER-006"),
    Mutant("counts an error of the suite as passed",
           'if outcome == "passed":', 'if outcome in ("passed", "error"):', "FV-VER-007"),
    Mutant("counts an error of the suite as a failure of the server",
           'return "failed" if outcome == "failed" else "open"',
           'return "failed" if outcome in ("failed", "error") else "open"', "FV-VER-007"),
    Mutant("ignores a missing required test",
           '_refuse("missing-test"', '_ignore = ("missing-test"', "FV-VER-028"),
    Mutant("trusts the claims of the report",
           'if not _same(report["footer"]["claims"], [claim.to_json() for claim in made]):', "if False:",
           "FV-VER-039"),
    Mutant("trusts the word `verdict` of the report",
           '_same(report["footer"]["claims"], [claim.to_json() for claim in made])',
           '_same([c | {"verdict": 0} for c in report["footer"]["claims"]],'
           ' [c.to_json() | {"verdict": 0} for c in made])', "FV-VER-039"),
    Mutant("trusts the counts of the report",
           'if not _same(report["footer"]["counts"], counts(report["results"])):', "if False:", "FV-VER-037"),
    Mutant("accepts a report without footer",
           'if report.get("footer") is None:',
           'if report.get("footer") is None:\n        return claims('
           '_profiles(report, catalogue), catalogue.tests, report["results"])\n    if False:', "FV-VER-022"),
    Mutant("accepts any catalogue",
           'if report["header"]["catalogue"] != catalogue.digest:', "if False:", "FV-VER-024"),
    Mutant("counts as inapplicable what the profile does not list as optional",
           'feature in profile.optional and ', "", "FV-VER-012"),
    Mutant("counts as inapplicable a test of no feature",
           'feature is not None and feature in profile.optional and ', "", "FV-VER-013"),
    Mutant("counts as inapplicable what the wire advertises",
           'result["advertised"] is False', 'result["advertised"] is not None', "FV-VER-010"),
    Mutant("counts as inapplicable what nobody looked for",
           'result["advertised"] is False', 'not result["advertised"]', "FV-VER-011"),
    Mutant("does not list what is inapplicable",
           'inapplicable=by["inapplicable"],', "inapplicable=(),", "FV-VER-009"),
    Mutant("takes the failure of a SHOULD for not conformant",
           'test.level == "MUST" and', 'test.level in ("MUST", "SHOULD") and', "FV-VER-003"),
    Mutant("forgets deviations", "deviations.append(test_id)", "pass", "FV-VER-003"),
    Mutant("counts tests that are not required yet or disputed",
           'test.level == "MUST" and test.status == "required"', 'test.level == "MUST"', "FV-VER-015"),
    Mutant("calls conformant what passed nothing",
           'settled=not by["open"] and bool(by["passed"])', 'settled=not by["open"]', "FV-VER-019"),
    Mutant("lets what is open hide a failure",
           'if failed:\n        return "not-conformant"', 'if failed and settled:\n        return "not-conformant"',
           "FV-VER-008"),
    Mutant("counts a result of another revision",
           'seen.get(test_id, ()) if r["rev"] == rev]', "seen.get(test_id, ())]", "FV-VER-018"),
    Mutant("accepts any revision",
           'if result["rev"] not in', 'if False and result["rev"] not in', "FV-VER-033"),
    Mutant("believes the level that the report gives",
           'if result["level"] != test.level:', "if False:", "FV-VER-034"),
    Mutant("accepts any failure code",
           'if result["code"] not in', 'if result["code"] is True and result["code"] not in', "FV-VER-035"),
    Mutant("accepts tests that nobody knows",
           '[test_id for test_id in times if test_id not in tests]', "[]", "FV-VER-030"),
    Mutant("accepts two results for a test",
           '[test_id for test_id, n in times.items() if n > 1]', "[]", "FV-VER-032"),
    Mutant("accepts a report of no profile", "if unknown or not names or", "if unknown or", "FV-VER-026"),
    Mutant("accepts a profile twice", " or len(set(names)) != len(names)", "", "FV-VER-027"),
    Mutant("reads reports of any form",
           'report.get("schema") == "fedcoop-report/1"', "True", "FV-VER-046"),
    Mutant("reads outcomes of any name", 'and result["outcome"] in OUTCOMES', "", "FV-VER-044"),
    Mutant("takes true for revision 1", 'and not isinstance(result["rev"], bool)', "", "FV-VER-047"),
)  # fmt: skip


def mutated(mutant: Mutant) -> ModuleType:
    """Return `verdict` with the mutant's line in place of its own."""
    source = SOURCE.read_text("utf-8")
    assert source.count(mutant.old) == 1, f"{mutant.name}: the line it replaces is not there exactly once"
    module = ModuleType("mutated_verdict")
    module.__dict__["__name__"] = verdict.__name__  # dataclasses look their module up by name
    exec(compile(source.replace(mutant.old, mutant.new), str(SOURCE), "exec"), module.__dict__)
    return module


def dies(decides: ModuleType, vector: Mapping[str, Any]) -> bool:
    try:
        return answer(decides, vector) != expected(vector)
    except (KeyError, TypeError, AttributeError):
        return True  # it fell over where a refusal was due


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_wrong_verdict_is_noticed(mutant: Mutant):
    assert dies(mutated(mutant), BY_ID[mutant.killed_by])


def test_the_unchanged_verdict_survives_the_same_treatment():
    unchanged = mutated(Mutant("none", "RAN: Final", "RAN: Final", "-"))
    assert not [vector["id"] for vector in VECTORS["tests"] if dies(unchanged, vector)]


# ------------------------------------------------------------------------------------ without a report around


def claim(verdict_: Any = "conformant", **changed: Any) -> Claim:
    whole = {"profile": "demo@1.0", "verdict": verdict_, "required": 1, "passed": 1, "inapplicable": (),
             "deviations": (), "open": ()}  # fmt: skip
    return Claim(**(whole | changed))


def result(test_id: str = "FC-TST-001", outcome: str = "passed", level: str = "MUST") -> dict[str, Any]:
    return {"id": test_id, "rev": 1, "level": level, "outcome": outcome, "code": None, "advertised": None}


TESTS: Final = {"FC-TST-001": Entry()}
PROFILE: Final = Frozen("demo@1.0", [], [("FC-TST-001", 1)])


def test_a_frozen_test_without_result_leaves_its_profile_incomplete():
    [made] = verdict.claims([PROFILE], TESTS, [])
    assert (made.verdict, made.open) == ("incomplete", ("FC-TST-001",))


def test_a_frozen_test_that_the_catalogue_lost_counts_as_a_must():
    [made] = verdict.claims([PROFILE], {}, [])
    assert (made.verdict, made.required, made.open) == ("incomplete", 1, ("FC-TST-001",))


@pytest.mark.parametrize(
    ("outcomes", "verdict_"),
    [
        (("passed", "passed"), "conformant"),
        (("passed", "failed"), "not-conformant"),
        (("passed", "untested"), "incomplete"),
    ],
)
def test_of_several_results_for_one_test_the_worst_counts(outcomes: Sequence[str], verdict_: str):
    for order in (outcomes, outcomes[::-1]):
        [made] = verdict.claims([PROFILE], TESTS, [result(outcome=outcome) for outcome in order])
        assert made.verdict == verdict_


def test_counts_name_all_six_outcomes():
    assert verdict.counts([result(), result(outcome="error")]) == {
        "passed": 1, "failed": 0, "inapplicable": 0, "untested": 0, "cantTell": 0, "error": 1,
    }  # fmt: skip


EXITS: Final[Mapping[str, tuple[list[Claim], list[dict[str, Any]], int]]] = {
    "every profile conformant": ([claim(), claim()], [result()], 0),
    "one profile not conformant": ([claim(), claim("not-conformant")], [result()], 1),
    "one profile incomplete": ([claim(), claim("incomplete")], [result()], 3),
    "a failure weighs more than what is open": ([claim("incomplete"), claim("not-conformant")], [result()], 1),
    "an error of the suite weighs more than a failure": (
        [claim("not-conformant")], [result(), result(outcome="error")], 3,
    ),
    "no profile asked for": ([], [result()], 3),
    "no test ran": ([claim()], [result(outcome="untested"), result(outcome="inapplicable")], 3),
    "no result at all": ([claim()], [], 3),
}  # fmt: skip


@pytest.mark.parametrize("case", EXITS.values(), ids=EXITS.keys())
def test_the_exit_code_says_how_the_run_ended(case: tuple[list[Claim], list[dict[str, Any]], int]):
    made, results, code = case
    assert verdict.exit_code(made, results) == code


GATED: Final[Mapping[str, tuple[list[Claim], list[dict[str, Any]], list[str], int]]] = {
    "a known failure is excused": (
        [claim("not-conformant")], [result(), result("FC-TST-002", "failed")], ["FC-TST-002"], 0,
    ),
    "another failure is not": (
        [claim("not-conformant")], [result(), result("FC-TST-002", "failed")], ["FC-TST-003"], 1,
    ),
    "a known failure that passes": ([claim()], [result()], ["FC-TST-001"], 1),
    "what is open stays open": (
        [claim("incomplete", open=("FC-TST-003",))], [result(), result("FC-TST-002", "failed")],
        ["FC-TST-002"], 3,
    ),
    "an error stays an error": ([claim()], [result(), result("FC-TST-002", "error")], ["FC-TST-002"], 3),
    "a SHOULD needs no excuse": (
        [claim()], [result(), result("FC-TST-002", "failed", "SHOULD")], [], 0,
    ),
    "no profile asked for": ([], [result()], [], 3),
    "a profile that passed nothing": ([claim("incomplete", passed=0)], [result()], [], 3),
}  # fmt: skip


@pytest.mark.parametrize("case", GATED.values(), ids=GATED.keys())
def test_a_list_of_known_failures_changes_the_exit_code_and_is_held_to_be_true(
    case: tuple[list[Claim], list[dict[str, Any]], list[str], int],
):
    made, results, known, code = case
    assert verdict.exit_code(made, results, known=known) == code


MALFORMED: Final[Mapping[str, Callable[[dict[str, Any]], object]]] = {
    "no header": lambda report: report.pop("header"),
    "a header that is a text": lambda report: report.update(header="core@1.0"),
    "profiles that are numbers": lambda report: report["header"].update(profiles=[1]),
    "results that are no list": lambda report: report.update(results={}),
    "a result that is no object": lambda report: report["results"].append("passed"),
    "a revision with a fraction": lambda report: report["results"][0].update(rev=1.0),
    "an id that is a list": lambda report: report["results"][0].update(id=[]),
    "an outcome that is a list": lambda report: report["results"][0].update(outcome=[]),
    "a footer that is a list": lambda report: report.update(footer=[]),
    "a footer without claims": lambda report: report["footer"].pop("claims"),
}


@pytest.mark.parametrize("spoil", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_a_report_is_refused_and_breaks_nothing(spoil: Callable[[dict[str, Any]], object]):
    good = json.loads(json.dumps(VECTORS["tests"][0]["input"]))
    spoil(good["report"])
    with pytest.raises(ReportInvalid) as refused:
        verdict.recompute(good["report"], extract(good["catalogue"]))
    assert refused.value.reason == "schema"


def test_true_and_one_point_nought_are_not_the_number_one():
    for odd in (True, 7.0):
        good = json.loads(json.dumps(VECTORS["tests"][0]["input"]))
        good["report"]["footer"]["counts"]["passed"] = odd
        with pytest.raises(ReportInvalid, match="counts"):
            verdict.recompute(good["report"], extract(good["catalogue"]))


def test_claims_that_are_nested_too_deeply_are_refused_and_break_nothing():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    good = json.loads(json.dumps(VECTORS["tests"][0]["input"]))
    good["report"]["footer"]["claims"] = deep
    with pytest.raises(ReportInvalid, match="claims"):
        verdict.recompute(good["report"], extract(good["catalogue"]))
