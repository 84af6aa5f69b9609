"""`fedcoop verify`: what a history proves, from its file alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fedcoop.cli.instances import LocalInstance
from tests.cli.conftest import Done, Run, a_mission, write


def verify(run: Run, file: Path, document: Any, *options: str) -> Done:
    file.write_text(json.dumps(document))
    return run("verify", file, "--json", *options)


def test_a_history_verifies_from_its_file_alone(run: Run, history: Path, published: str) -> None:
    done = run("verify", history)
    assert done.status == 0, done.out
    assert "VERIFIED, complete" in done.out
    assert published in done.out
    assert "signed by" in done.out
    assert "VÉRIFIÉ, complet" in run("verify", history, "--lang", "fr").out


def test_a_changed_value_is_found_and_the_transition_named(run: Run, history: Path, tmp_path: Path) -> None:
    document = json.loads(history.read_text())
    activity = document["chains"][0]["activities"][0]
    activity["object"]["name"] = "Autre chose"
    done = verify(run, tmp_path / "changed.json", document)
    assert done.status == 1
    finding = done.json["chains"][0]["findings"][0]
    assert (finding["version"], finding["activity_id"]) == (1, activity["id"])
    assert done.json["ok"] is False


def test_a_member_given_twice_is_not_read_either_way(run: Run, history: Path, tmp_path: Path) -> None:
    text = history.read_text().replace('"format":', '"format": "other", "format":', 1)
    (tmp_path / "twice.json").write_text(text)
    done = run("verify", tmp_path / "twice.json")
    assert done.status == 1
    assert "twice" in done.err


def test_a_head_from_elsewhere_and_a_pinned_key_are_checked(run: Run, history: Path) -> None:
    report = run("verify", history, "--json").json
    digest, step = report["chains"][0]["digest"], report["chains"][0]["proven"][0]
    assert (
        run("verify", history, "--head", f"{digest}@1", "--key", f"{step['actor']}={step['key']}").status == 0
    )
    assert run("verify", history, "--head", f"{digest}@2").status == 1
    assert run("verify", history, "--head", "zQmOther").status == 1
    assert run("verify", history, "--key", f"{step['actor']}=z6MkOther").status == 1


def test_a_history_without_its_signed_head_is_true_up_to_its_version(
    run: Run, history: Path, tmp_path: Path
) -> None:
    document = json.loads(history.read_text())
    del document["chains"][0]["head"]
    done = verify(run, tmp_path / "headless.json", document)
    assert done.status == 0
    assert done.json["complete"] is False
    assert any("true up to version 1" in line for line in done.json["lines"])


def test_what_is_no_history_is_refused(run: Run, tmp_path: Path) -> None:
    assert verify(run, tmp_path / "a.json", {"hello": "world"}).status == 1
    assert run("verify", tmp_path / "absent.json").status == 1
    assert run("verify", "http://127.0.0.1:9/missions/1").status == 1


def test_a_served_history_is_verified_by_its_address(run: Run, served: LocalInstance, tmp_path: Path) -> None:
    folder = write(tmp_path / "missions", a=a_mission())
    mission = run("mission", "publish", served.folder, folder, "--json").json["missions"][0]
    done = run("verify", mission, "--json")
    assert done.status == 0, done.out
    assert done.json["complete"] is True


def test_states_and_findings_are_named_in_french_too(run: Run, history: Path, tmp_path: Path) -> None:
    assert "v1   publiée " in run("--lang", "fr", "verify", history).out
    forged = tmp_path / "forged.json"
    forged.write_text(history.read_text("utf-8").replace("160.00", "10.00"), "utf-8")
    assert "Preuve fausse (proof-invalid) : " in run("--lang", "fr", "verify", forged).out
