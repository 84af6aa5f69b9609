"""`fedcoop doctor` finds each planted fault and says what to do."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fedcoop.cli.instances import LocalInstance, found, free_port
from fedcoop.store import keyfolder
from tests.cli.conftest import ROOT, Run


@pytest.fixture
def copy(instance: LocalInstance, tmp_path: Path) -> Path:
    """A copy of an instance, to be damaged."""
    return Path(shutil.copytree(instance.folder, tmp_path / "copy"))


def problems(run: Run, folder: Path) -> dict[str, dict[str, Any]]:
    """The problems that the doctor finds, by check; a problem always comes with a next step and exit status 1."""
    done = run("doctor", folder, "--json")
    found_problems = {c["check"]: c for c in done.json["checks"] if c["status"] == "problem"}
    assert done.status == (1 if found_problems else 0), done.out
    assert done.json["ok"] is (not found_problems)
    assert all(problem["next"] for problem in found_problems.values())
    return found_problems


def edited(folder: Path, old: str, new: str) -> None:
    file = folder / "fedcoop.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_healthy_instance_that_is_served_is_well(run: Run, served: LocalInstance) -> None:
    done = run("doctor", served.folder)
    assert done.status == 0, done.out
    assert "All is well." in done.out
    checks = {c["check"]: c["status"] for c in run("doctor", served.folder, "--json").json["checks"]}
    assert checks == dict.fromkeys(
        (
            "settings",
            "base-url",
            "database",
            "keys",
            "deliveries",
            "encryption",
            "rights",
            "port",
            "clock",
            "reachable",
            "webfinger",
        ),
        "ok",
    )


def test_an_instance_at_rest_is_well_and_says_what_was_not_checked(run: Run, instance: LocalInstance) -> None:
    done = run("doctor", instance.folder, environment={"FEDCOOP_LANG": "fr"})
    assert done.status == 0, done.out
    assert "Tout va bien." in done.out
    assert "non contrôlé" in done.out
    assert "is free" in run("doctor", instance.folder).out


def test_an_unknown_setting_is_found(run: Run, copy: Path) -> None:
    edited(copy, "name = ", "colour = 3\nname = ")
    assert "colour" in problems(run, copy)["settings"]["detail"]


def test_a_public_address_with_development_settings_is_found(run: Run, copy: Path) -> None:
    text = (copy / "fedcoop.toml").read_text()
    base = next(line for line in text.splitlines() if line.startswith("base_url"))
    edited(copy, base, 'base_url = "https://coop.example"')
    assert "allow_origins" in problems(run, copy)["base-url"]["next"]


def test_a_key_that_is_missing_is_found(run: Run, copy: Path) -> None:
    (copy / "keys" / "coop.pem").unlink()
    assert "no keys" in problems(run, copy)["keys"]["detail"]


def test_a_key_that_is_damaged_is_found(run: Run, copy: Path) -> None:
    file = copy / "keys" / "coop.pem"
    file.write_bytes(file.read_bytes()[:500])
    assert "coop.pem" in problems(run, copy)["keys"]["detail"]


def test_a_key_that_is_not_the_published_one_is_found(run: Run, copy: Path, instance: LocalInstance) -> None:
    keyfolder.write(keyfolder.generate(instance.coop), copy / "keys" / "coop.pem")
    assert "publishes" in problems(run, copy)["keys"]["detail"]


def test_keys_that_others_may_read_are_found(run: Run, copy: Path) -> None:
    (copy / "keys" / "coop.pem").chmod(0o644)
    assert problems(run, copy)["rights"]["next"].startswith("chmod")


def test_a_damaged_database_is_found(run: Run, copy: Path) -> None:
    file = copy / "fedcoop.db"
    content = bytearray(file.read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 512] = b"\xff" * 512
    file.write_bytes(content)
    assert "database" in problems(run, copy)


def test_a_database_of_another_release_is_found(run: Run, copy: Path) -> None:
    with sqlite3.connect(copy / "fedcoop.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert "another release" in problems(run, copy)["database"]["detail"]


def test_a_clock_that_is_off_is_found(run: Run, copy: Path) -> None:
    edited(copy, "# clock_offset_seconds = 0.0", "clock_offset_seconds = 3600")
    assert "3600 s" in problems(run, copy)["clock"]["detail"]


def test_another_program_on_the_port_is_found(run: Run, copy: Path, instance: LocalInstance) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", instance.port))
        taken.listen()
        assert "another program" in problems(run, copy)["port"]["detail"]


def test_a_base_url_that_was_changed_after_founding_is_found(
    run: Run, copy: Path, instance: LocalInstance
) -> None:
    edited(copy, instance.base, "http://127.0.0.1:1")
    assert instance.base in problems(run, copy)["identity"]["detail"]


def test_an_address_that_leads_to_another_instance_is_found(
    run: Run, tmp_path: Path, served: LocalInstance
) -> None:
    """Two instances of one address: the one that is reached has other keys than ours."""
    twin = found(tmp_path / "twin", name="Twin", port=served.port)
    twin_port = free_port()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "fedcoop",
            "serve",
            str(twin.folder),
            "--port",
            str(twin_port),
            "--ready-json",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        assert "other keys" in problems(run, twin.folder)["reachable"]["detail"]
    finally:
        process.terminate()
        process.communicate(timeout=20)
