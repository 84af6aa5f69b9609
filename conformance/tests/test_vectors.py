"""The static vectors: whole, one fault each, agreed on by two implementations, and refusing what is naive."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import jsonschema_rs
import pytest

from fedcoop_conformance import catalogue, data, naive, vectors
from fedcoop_conformance.vectors import files
from fedcoop_conformance.vectors.answers import from_base64url

ROOT = Path(__file__).parents[1]
ALL = vectors.load()
BY_ID = {vector.id: vector for vector in ALL}
FILES = [entry["path"] for entry in vectors.manifest()["files"]]
TESTS = [f"FC-VEC-{number:03}" for number in range(1, 21)]


@cache
def read(path: str) -> dict[str, Any]:
    return json.loads((data.folder("vectors") / path).read_bytes())


# -- the files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES)
def test_a_file_obeys_the_schema_of_its_kind(path: str) -> None:
    schema = json.loads((data.folder("schemas") / Path(read(path)["schema"]).name).read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(read(path))


@pytest.mark.parametrize("path", FILES)
def test_the_notes_of_a_file_explain_its_flags_and_no_others(path: str) -> None:
    file = read(path)
    assert set(file["notes"]) == {flag for test in file["tests"] for flag in test["flags"]}


def test_the_manifest_counts_every_vector_once() -> None:
    assert len(BY_ID) == len(ALL) == vectors.manifest()["count"]
    assert vectors.tests() == tuple(TESTS)


@pytest.mark.slow
def test_the_vectors_on_disk_are_those_that_the_cases_say() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "make_vectors", "--check"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "src")},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the vectors, read in place of them."""
    folder = tmp_path / "vectors"
    shutil.copytree(data.folder("vectors"), folder)
    real = data.folder
    monkeypatch.setattr(data, "folder", lambda kind: folder if kind == "vectors" else real(kind))
    for cached in (files.load, files.manifest):
        cached.cache_clear()
    yield folder
    for cached in (files.load, files.manifest):
        cached.cache_clear()


def test_a_file_with_another_byte_is_not_loaded(copied: Path) -> None:
    path = copied / "jcs" / "keys.json"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(vectors.Corrupt, match=r"jcs/keys\.json is not the file"):
        vectors.load()


def test_a_file_that_was_cut_short_is_not_loaded(copied: Path) -> None:
    path = copied / "jcs" / "keys.json"
    file = json.loads(path.read_bytes())
    path.write_text(json.dumps({**file, "tests": file["tests"][:-1]}))
    manifest = json.loads((copied / "MANIFEST.json").read_bytes())
    manifest["files"][0]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (copied / "MANIFEST.json").write_text(json.dumps(manifest))
    with pytest.raises(vectors.Corrupt, match="has 7 vectors, not 8"):
        vectors.load()


def test_an_export_is_whole_and_overwrites_nothing(tmp_path: Path) -> None:
    written = vectors.export(tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "vectors" / "MANIFEST.json").read_bytes())
    for entry in manifest["files"]:
        raw = (tmp_path / "out" / "vectors" / entry["path"]).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == entry["sha256"]
        assert (
            (tmp_path / "out" / "vectors" / entry["path"]).parent.joinpath(json.loads(raw)["schema"]).exists()
        )
    assert (tmp_path / "out" / "vocab" / "schemas" / "common.schema.json") in written
    with pytest.raises(FileExistsError):
        vectors.export(tmp_path / "out")


# -- one fault, one twin ---------------------------------------------------------------------------------


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Yield the places in which two inputs differ, but for a signature made anew."""
    if path.endswith(("/proofValue", "/Signature")) or one == other:
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for name in one.keys() | other.keys():
            yield from differences(one.get(name), other.get(name), f"{path}/{name}")
    elif path.endswith("/headers"):
        lines = (dict(side) for side in (one, other))
        yield from differences(*lines, path=f"{path}-")
    else:
        yield path


NEGATIVE = [vector for vector in ALL if vector.result == "invalid"]


def test_the_twin_of_an_invalid_vector_is_valid_and_of_its_kind() -> None:
    wrong = [
        vector.id
        for vector in NEGATIVE
        if (twin := BY_ID.get(vector.twin or "")) is None
        or twin.result != "valid"
        or twin.kind != vector.kind
    ]
    assert wrong == []


# Kinds whose input is bytes, or is told in one text: their one fault is in the comment and not to be counted.
COUNTED = (
    "proof-verify",
    "ed25519",
    "did-key",
    "multikey",
    "httpsig-verify",
    "content-digest",
    "vocab",
    "origin",
)


@pytest.mark.parametrize("kind", COUNTED)
def test_an_invalid_vector_differs_from_its_twin_in_one_thing(kind: str) -> None:
    many = {
        vector.id: sorted(found)
        for vector in NEGATIVE
        if vector.kind == kind
        if len(found := list(differences(vector.input, BY_ID[str(vector.twin)].input))) > 1
    }
    assert many == {}


def test_each_invalid_vector_that_only_differs_in_its_signature_says_so() -> None:
    same = [v.id for v in NEGATIVE if v.input == BY_ID[str(v.twin)].input]
    assert same == []


def test_published_answers_name_who_published_them() -> None:
    published = [test for path in FILES for test in read(path)["tests"] if "PUBLISHED" in test["flags"]]
    assert len(published) > 50
    assert all(test.get("source") for test in published)


def test_both_ways_in_which_a_context_is_not_equal_are_there() -> None:
    contexts = {
        (len(its["proof"].get("@context", [])), len(its["@context"]))
        for vector in ALL
        if vector.test == "FC-VEC-011" and vector.reason == "CONTEXT"
        for its in [vector.input["document"]]
    }
    assert {(1, 2), (2, 3), (3, 2), (0, 2)} <= contexts


def test_every_class_with_an_example_has_a_smallest_and_a_largest_document() -> None:
    names = {vector.id.split("-")[2] for vector in ALL if vector.kind == "vocab"}
    assert len(names) > 50
    for name in names:
        smallest, largest = BY_ID[f"FV-VOC-{name}-min"], BY_ID[f"FV-VOC-{name}-max"]
        assert len(smallest.input["document"]) <= len(largest.input["document"])
        assert {vector.reason for vector in NEGATIVE if vector.id.startswith(f"FV-VOC-{name}-")} - {None}


# -- two implementations, and a second validator ---------------------------------------------------------


@pytest.mark.parametrize("test", TESTS)
def test_the_suite_gives_the_expected_answers(test: str) -> None:
    [outcome] = vectors.outcomes(vectors.answer, [vector for vector in ALL if vector.test == test])
    assert (outcome.outcome, outcome.reason) == ("passed", None)


def test_there_is_an_answer_to_every_kind_and_to_no_other() -> None:
    assert set(vectors.kinds()) == {vector.kind for vector in ALL}
    assert vectors.answer("poetry", {}) == {"result": "unsupported"}


@cache
def registry() -> jsonschema_rs.Registry:
    folder = data.folder("vocab") / "schemas"
    return jsonschema_rs.Registry(
        [
            (f"https://vocab.invalid/{path.name}", json.loads(path.read_bytes()))
            for path in folder.glob("*.json")
        ]
    )


def test_a_second_schema_validator_names_the_same_keywords() -> None:
    wrong = {}
    for vector in ALL:
        if vector.kind not in {"vocab", "vocab-read"}:
            continue
        validator = jsonschema_rs.validator_for(
            {"$ref": f"https://vocab.invalid/{vector.input['schema']}"}, registry=registry()
        )
        found = [error.schema_path[-1] for error in validator.iter_errors(vector.input["document"])]
        if found != ([] if vector.reason is None else [vector.reason]):
            wrong[vector.id] = found
    assert wrong == {}


def agreeing() -> ModuleType:
    """The part of the maker that asks both implementations."""
    spec = importlib.util.spec_from_file_location("agreeing", ROOT / "make_vectors" / "agreeing.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_who_agrees_on_a_file_by_the_manifest_agrees_on_it() -> None:
    asking = agreeing()
    try:
        command = asking.node()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    found = {path: len(names) for path, names in asking.agreement(command).items()}
    assert found == {entry["path"]: len(entry["agreedBy"]) for entry in vectors.manifest()["files"]}
    assert set(found.values()) == {2}


# -- naive implementations -------------------------------------------------------------------------------


@pytest.mark.parametrize("one", naive.NAIVE, ids=lambda one: one.name)
def test_a_naive_implementation_is_refused_by_the_test_that_names_it(one: naive.Naive) -> None:
    touched = [vector for vector in ALL if vector.kind in one.kinds]
    found = {outcome.test: outcome for outcome in vectors.outcomes(one.answer, touched)}
    assert (found[one.test].outcome, found[one.test].code) == ("failed", one.code)


def test_a_naive_implementation_answers_otherwise_only_where_it_says_so() -> None:
    [one] = [one for one in naive.NAIVE if one.name == "ed25519-malleable"]
    others = [vector for vector in ALL if vector.kind not in {"ed25519", "vocab"}]
    assert {outcome.outcome for outcome in vectors.outcomes(one.answer, others)} == {"passed"}


@pytest.mark.parametrize("answerer", [naive.accept_all, naive.reject_all])
@pytest.mark.parametrize("kind", vectors.kinds())
def test_one_answer_to_everything_fails_every_kind(answerer: Any, kind: str) -> None:
    found = vectors.outcomes(answerer, [vector for vector in ALL if vector.kind == kind])
    assert "failed" in {outcome.outcome for outcome in found}


@pytest.mark.parametrize("answerer", [naive.accept_all, naive.reject_all])
def test_one_answer_to_everything_passes_no_test(answerer: Any) -> None:
    assert [found.test for found in vectors.outcomes(answerer) if found.outcome == "passed"] == []


def test_the_catalogue_names_the_naive_implementations_that_its_tests_refuse() -> None:
    entries = catalogue.load().tests
    assert [test for test in sorted(entries) if test.startswith("FC-VEC-")] == TESTS
    for test in TESTS:
        wanted = {(one.name, one.code) for one in naive.NAIVE if one.test == test}
        assert {(kill.mutant, kill.code) for kill in entries[test].kills} == wanted
        assert wanted


# -- asking a program ------------------------------------------------------------------------------------

FEW = [vector for vector in ALL if vector.kind == "origin"][:6]
HONEST = """
import json, sys
from fedcoop_conformance import vectors
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(vectors.answer(asked["kind"], asked["input"])), flush=True)
"""


def program(tmp_path: Path, code: str) -> list[str]:
    path = tmp_path / "program.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(ROOT / 'src')!r})\n{code}")
    return [sys.executable, str(path)]


def asked(tmp_path: Path, code: str, **how: Any) -> vectors.Outcome:
    [outcome] = vectors.check(program(tmp_path, code), vectors=FEW, **{"deadline": 30, **how})
    return outcome


def test_an_honest_program_passes(tmp_path: Path) -> None:
    seen: list[vectors.Judged] = []
    assert asked(tmp_path, HONEST, say=seen.append).outcome == "passed"
    assert len(seen) == len(FEW)


def test_a_program_is_sent_the_question_and_nothing_of_the_answer(tmp_path: Path) -> None:
    log = tmp_path / "log"
    asked(tmp_path, HONEST.replace("    asked", f"    open({str(log)!r}, 'a').write(line)\n    asked"))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {frozenset(line) for line in lines} == {frozenset({"op", "kind", "input"})}
    assert sorted(json.dumps(line["input"]) for line in lines) == sorted(json.dumps(v.input) for v in FEW)


def test_another_seed_is_another_order(tmp_path: Path) -> None:
    def order(seed: int) -> list[str]:
        seen: list[str] = []
        asked(tmp_path, HONEST, seed=seed, say=lambda judged: seen.append(judged.vector.id))
        return seen

    assert order(1) == order(1) != order(2)


TROUBLE = {
    "says nothing": ("import time; time.sleep(60)", "no answer within"),
    "is over at once": ("", "it ended with status 0"),
    "dies": ("sys.stdin.readline(); sys.exit(3)", "it ended with status 3"),
    "prints no JSON": ("for line in sys.stdin: print('yes', flush=True)", "is not JSON"),
    "prints no object": ("for line in sys.stdin: print('[]', flush=True)", "is not an object"),
    "prints another answer": ("""for line in sys.stdin: print('{"ok": true}', flush=True)""", "no answer"),
    "prints without end": ("while True: sys.stdout.write('x' * 65536)", "more than"),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_program_in_trouble_fails_and_says_how(tmp_path: Path, trouble: str) -> None:
    code, words = TROUBLE[trouble]
    outcome = asked(tmp_path, code, deadline=0.3 if trouble == "says nothing" else 30)
    assert (outcome.outcome, outcome.code) == ("failed", "NO_ANSWER")
    assert words in str(outcome.reason)


def test_a_program_that_answers_before_it_is_asked_fails(tmp_path: Path) -> None:
    twice = HONEST.replace("flush=True)", 'flush=True)\n    print(\'{"result": "valid"}\', flush=True)')
    seen: list[vectors.Judged] = []
    assert asked(tmp_path, twice, say=seen.append).code in {"NO_ANSWER", "NOT_REFUSED", "REFUSED"}
    assert any(judged.outcome == "failed" for judged in seen)


def test_a_program_that_fell_over_once_is_asked_the_rest(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    once = (
        f"import os\nif not os.path.exists({str(mark)!r}):\n    open({str(mark)!r}, 'w')\n    sys.exit(1)\n"
    )
    seen: list[vectors.Judged] = []
    assert asked(tmp_path, once + HONEST, say=seen.append).code == "NO_ANSWER"
    assert [judged.outcome for judged in seen].count("failed") == 1


def test_a_program_that_keeps_falling_over_is_given_up(tmp_path: Path) -> None:
    seen: list[vectors.Judged] = []
    vectors.check(program(tmp_path, "sys.exit(1)"), vectors=ALL[:20], say=seen.append)
    assert sum("given up" in judged.received for judged in seen) == 20 - 6


def test_what_a_program_does_not_support_is_untested_and_not_passed(tmp_path: Path) -> None:
    outcome = asked(tmp_path, """for line in sys.stdin: print('{"result": "unsupported"}', flush=True)""")
    assert (outcome.outcome, outcome.code) == ("untested", None)
    assert outcome.reason == "6 of 6 vectors are not supported"


def test_a_program_that_does_not_exist_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        vectors.check([str(tmp_path / "nowhere")], vectors=FEW)


def test_a_program_is_run_in_the_folder_that_is_said(tmp_path: Path) -> None:
    program(tmp_path, HONEST)
    [outcome] = vectors.check([sys.executable, "program.py"], vectors=FEW, folder=tmp_path)
    assert outcome.outcome == "passed"


# -- judging ---------------------------------------------------------------------------------------------

YES, NO = BY_ID["FV-JCS-020"], BY_ID["FV-ORG-038"]


@pytest.mark.parametrize(
    ("vector", "answer", "code"),
    [
        (YES, {"result": "valid", "output": {"canonical": "MQ"}}, None),
        (YES, {"result": "valid", "output": {"canonical": "MS4w"}}, "WRONG_OUTPUT"),
        (YES, {"result": "valid"}, "WRONG_OUTPUT"),
        (YES, {"result": "invalid"}, "REFUSED"),
        (NO, {"result": "invalid", "reason": "USERINFO"}, None),
        (NO, {"result": "invalid", "reason": "HOST"}, None),
        (NO, {"result": "invalid"}, None),
        (NO, {"result": "invalid", "reason": "SCHEME"}, "WRONG_REASON"),
        (NO, {"result": "valid"}, "NOT_REFUSED"),
        (NO, {"result": "acceptable"}, "NOT_REFUSED"),
        (NO, {"result": "perhaps"}, "NO_ANSWER"),
        (NO, None, "NO_ANSWER"),
        (BY_ID["FV-ORG-011"], {"result": "invalid"}, None),
        (BY_ID["FV-ORG-011"], {"result": "valid"}, None),
    ],
)
def test_an_answer_is_judged_by_result_output_and_reason(vector: Any, answer: Any, code: str | None) -> None:
    assert vectors.judge(vector, answer).code == code


def test_the_gravest_code_of_its_answers_is_the_code_of_a_test() -> None:
    def answers(_kind: str, given: Any) -> dict[str, str]:
        return {"result": "valid"} if given == NO.input else {"result": "invalid", "reason": "NONE"}

    [outcome] = vectors.outcomes(answers, [vector for vector in ALL if vector.test == "FC-VEC-020"])
    assert outcome.code == "NOT_REFUSED"
    assert str(outcome.reason).startswith("FV-ORG-038 (a user name that looks like the other host)")


def test_bytes_are_written_without_padding() -> None:
    assert from_base64url("AA") == b"\0"
    assert from_base64url("") == b""
