"""The program as people run it: what it prints, what it writes, and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fedcoop_conformance import sut, transcript


def run(*words: str | Path, language: str = "en") -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "fedcoop_conformance", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "FEDCOOP_LANG": language, "COLUMNS": "200"},
    )


SIG: Any = ("-p", "signature")


@pytest.fixture(scope="module")
def green(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    out = tmp_path_factory.mktemp("green")
    return run("run", "--demo", *SIG, "--out", out, "--seed", "00c0ffee00c0ffee"), out


def test_the_demo_is_green_and_its_last_line_counts(green: tuple[subprocess.CompletedProcess[str], Path]):
    done, _ = green
    assert done.returncode == 0, done.stdout + done.stderr
    *_, claim, last = done.stdout.splitlines()
    assert claim.split() == ["signature@1.0", "conformant", "33", "of", "33", "required", "passed"]
    assert last == "conformance: 36 passed, 0 failed, 0 skipped"


def test_a_run_leaves_a_report_in_every_form(green: tuple[subprocess.CompletedProcess[str], Path]):
    _, out = green
    assert {path.name for path in out.iterdir()} >= {
        "report.json", "events.ndjson", "junit.xml", "tap.txt", "earl.jsonld", "report.html", "summary.md",
        "badge.svg", "badge.json", "transcript", "transcript.ndjson.gz",
    }  # fmt: skip
    report = json.loads((out / "report.json").read_bytes())
    assert report["header"]["seed"] == "00c0ffee00c0ffee"
    assert report["footer"]["counts"]["passed"] == 36
    assert len(transcript.verify(out / "transcript.ndjson.gz").exchanges) == len(
        list((out / "transcript").iterdir())
    )


def test_a_model_server_that_compares_no_digest_is_red_at_the_right_test(tmp_path: Path):
    done = run("run", "--demo=no-digest", *SIG, "--out", tmp_path)
    assert done.returncode == 1
    [failed] = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert failed.startswith("FAILED FC-SIG-004  The digest of another body is refused")
    assert failed.endswith("NOT_REFUSED")
    [again] = [
        line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if line.startswith("  reproduce")
    ]
    assert "run --demo=no-digest -t FC-SIG-004 --seed" in again
    assert "conformance: 35 passed, 1 failed, 0 skipped" in done.stdout


def test_the_command_that_a_failure_names_fails_in_the_same_way(tmp_path: Path):
    first = run("run", "--demo=no-digest", "-t", "FC-SIG-004", "--out", tmp_path / "1")
    [again] = [
        line.split(maxsplit=1)[1] for line in first.stdout.splitlines() if line.startswith("  reproduce")
    ]
    second = run(*again.split()[1:], "--out", tmp_path / "2")
    results = [json.loads((tmp_path / n / "report.json").read_bytes())["results"] for n in "12"]
    told = [next(one for one in each if one["id"] == "FC-SIG-004") for each in results]
    assert [one["code"] for one in told] == ["NOT_REFUSED"] * 2
    assert second.returncode == first.returncode == 1


def test_a_part_of_a_profile_proves_nothing_of_it(tmp_path: Path):
    done = run("run", "--demo", *SIG, "-t", "FC-SIG-00*", "--out", tmp_path)
    assert done.returncode == 3, "what was not played is open"
    assert "signature@1.0      incomplete" in done.stdout


def test_a_known_failure_changes_the_exit_status_alone(tmp_path: Path):
    gate = tmp_path / "known.json"
    gate.write_text('["FC-SIG-004"]')
    done = run("run", "--demo=no-digest", *SIG, "--out", tmp_path / "out", "--gate", gate)
    assert done.returncode == 0
    assert "signature@1.0      not conformant" in done.stdout
    unexpected = run("run", "--demo", *SIG, "--out", tmp_path / "out", "--gate", gate)
    assert unexpected.returncode != 0, "a known failure that passes is a surprise too"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run",), "--demo"),
        (("run", "nowhere.toml"), "nowhere.toml"),
        (("run", "--demo=no-such-fault"), "no-such-fault"),
        (("run", "--demo", "-t", "FC-XYZ-001"), "FC-XYZ-001"),
        (("run", "--demo", "-p", "none"), "none"),
        (("run", "--demo", "--seed", "abc"), "16 hexadecimal"),
        (("doctor",), "--demo"),
        (("show", "FC-XYZ-001"), "FC-XYZ-001"),
        (("run", "--demo", "--gate", "nowhere.json"), "nowhere.json"),
    ],
)
def test_wrong_usage_is_told_in_a_line_and_ends_with_2(words: tuple[str, ...], says: str):
    done = run(*words)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_finds_the_model_server_well_in_both_languages():
    english, french = run("doctor", "--demo", *SIG), run("doctor", "--demo", *SIG, language="fr")
    assert english.returncode == french.returncode == 0
    assert english.stdout.count(" ok ") == french.stdout.count(" ok ") >= 6
    assert "ready: fedcoop-conformance run --demo" in english.stdout
    assert "prêt : fedcoop-conformance run --demo" in french.stdout


def test_a_server_that_is_not_there_is_no_failed_test(tmp_path: Path):
    sut = tmp_path / "sut.toml"
    sut.write_text(
        'schema = "fedcoop-sut/1"\nprofiles = ["signature@1.0"]\n[software]\nname = "none"\nversion = "1"\n'
        '[sut]\nbase = "http://127.0.0.1:9"\n[actors.coop]\nid = "http://127.0.0.1:9/actors/coop"\n'
        '[driver]\nkind = "c2s"\n'
    )
    done = run("run", sut, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "1 FAIL  no answer" in done.stdout
    assert "not ready: no test was played" in done.stdout
    assert not (tmp_path / "out" / "report.json").exists()


def test_a_test_is_told_with_its_requirement_and_its_mutants():
    done = run("show", "FC-SIG-004")
    assert "A receiver MUST refuse with 401" in done.stdout
    assert "no-digest (NOT_REFUSED)" in done.stdout
    assert json.loads(run("show", "FC-SIG-004", "--json").stdout)["id"] == "FC-SIG-004"


def test_all_tests_are_listed():
    listed = run("list", *SIG)
    assert sum(line.startswith("FC-SIG-") for line in listed.stdout.splitlines()) == 36
    assert len(json.loads(run("list", *SIG, "--json").stdout)) == 36


def test_the_program_shows_its_commands_in_both_languages():
    assert "Play the tests" in run("--help").stdout
    assert "Joue les tests" in run("--help", language="fr").stdout


@pytest.mark.parametrize("driver", ["c2s", "stdio", "hook"])
def test_a_first_sut_toml_is_one_that_can_be_read(tmp_path: Path, driver: str):
    file = tmp_path / "sut.toml"
    words = (
        "init",
        "--actor",
        "http://127.0.0.1:8101/u/alice",
        "--driver",
        driver,
        "--profile",
        "signature, vectors",
    )
    assert run(*words, "--file", file).returncode == 0
    found = sut.load(file, {"DRIVER_TOKEN": "t"})
    assert (found.base, found.profiles) == ("http://127.0.0.1:8101", ("signature@1.0", "vectors@1.0"))
    again = run(*words, "--file", file)
    assert again.returncode == 2, "nothing is written over"


@pytest.mark.parametrize(
    ("option", "value"), [("--actor", "alice"), ("--driver", "telepathy"), ("--profile", "none")]
)
def test_what_cannot_be_is_told_before_anything_is_written(tmp_path: Path, option: str, value: str):
    said = {"--actor": "http://127.0.0.1:8101/u/alice", "--driver": "c2s", "--profile": "signature"} | {
        option: value
    }
    done = run("init", *(word for pair in said.items() for word in pair), "--file", tmp_path / "sut.toml")
    assert done.returncode == 2
    assert value in done.stderr
    assert not (tmp_path / "sut.toml").exists()


def test_an_adapter_that_cannot_start_its_server_says_why_in_a_line(tmp_path: Path):
    (tmp_path / "adapter.py").write_text(
        "import json\n"
        "asked = json.loads(input())\n"
        "print(json.dumps({'seq': asked['seq'], 'ok': False, 'error': {'message': 'no such program: nowhere'}}))\n"
    )
    (tmp_path / "sut.toml").write_text(
        'schema = "fedcoop-sut/1"\nprofiles = ["signature@1.0"]\n[software]\nname = "none"\nversion = "1"\n'
        f'[driver]\nkind = "stdio"\ncommand = ["{sys.executable}", "adapter.py"]\n'
    )
    done = run("run", tmp_path / "sut.toml", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.strip() == "fedcoop-conformance: no such program: nowhere"
