"""`fedcoop init`: a new instance, whole or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fedcoop.config import load
from tests.cli.conftest import ROOT, Run

GOOD = ("--base-url", "https://coop-lyon.example", "--name", "Coop'Ouvrage Lyon")


def test_init_founds_an_instance_and_prints_who_it_is(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "lyon"
    done = run("init", folder, *GOOD, "--kind", "cae", "--kind", "scop", "--commune", "69123", "--json")
    assert done.status == 0, done.err
    said = done.json
    assert said["id"] == "https://coop-lyon.example/actors/coop"
    assert said["inbox"] == "https://coop-lyon.example/actors/coop/inbox"
    assert said["outbox"] == "https://coop-lyon.example/actors/coop/outbox"
    assert len(said["token"]) >= 40
    assert {"fedcoop.toml", "fedcoop.db", "keys"} <= {entry.name for entry in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    actor = run("lookup", said["id"], "--stored", folder, "--json").json
    assert actor["cooperativeKind"] == ["cae", "scop"]
    assert actor["location"]["inseeCommune"] == "69123"
    assert actor["location"]["name"] == "Lyon"


def test_init_refuses_a_folder_that_holds_an_instance(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "lyon"
    assert run("init", folder, *GOOD).status == 0
    before = (folder / "fedcoop.toml").read_bytes(), (folder / "fedcoop.db").read_bytes()
    again = run("init", folder, "--base-url", "https://other.example", "--name", "Other")
    assert again.status == 1
    assert "already holds an instance" in again.err
    assert "→" in again.err
    assert before == ((folder / "fedcoop.toml").read_bytes(), (folder / "fedcoop.db").read_bytes())


def test_init_refuses_a_folder_with_something_in_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    done = run("init", tmp_path, *GOOD)
    assert done.status == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--base-url", "http://coop.example", "--name", "X"), "https"),
        (("--base-url", "coop.example", "--name", "X"), "base_url"),
        ((*GOOD, "--kind", "bank"), "'bank'"),
        ((*GOOD, "--commune", "69999"), "commune"),
        ((*GOOD, "--allow-origin", "http://127.0.0.1:8101/x"), "allow_origins"),
    ],
)
def test_init_with_a_wrong_setting_leaves_nothing_behind(
    run: Run, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    done = run("init", tmp_path / "lyon", *options)
    assert done.status == 1
    assert says in done.err
    assert list(tmp_path.iterdir()) == []


def test_init_founds_an_instance_on_a_database_that_is_elsewhere_and_takes_no_second_one(
    run: Run, tmp_path: Path, postgres_url: str
) -> None:
    folder = tmp_path / "lyon"
    # A founding that fails there leaves tables, and nothing in the next one's way.
    assert run("init", folder, *GOOD, "--database", postgres_url, "--commune", "69999").status == 1
    done = run("init", folder, *GOOD, "--database", postgres_url, "--json")
    assert done.status == 0, done.err
    assert {entry.name for entry in folder.iterdir()} == {"fedcoop.toml", "fedcoop.key", "keys"}
    assert load(folder).database_url == postgres_url
    assert run("lookup", done.json["id"], "--stored", folder, "--json").json["name"] == "Coop'Ouvrage Lyon"
    other = ("--base-url", "https://coop-nantes.example", "--name", "Nantes")
    again = run("init", tmp_path / "nantes", *other, "--database", postgres_url)
    assert again.status == 1
    assert "belongs to an instance already, https://coop-lyon.example" in again.err
    assert "→ give each instance an empty database" in again.err
    assert [entry.name for entry in tmp_path.iterdir()] == ["lyon"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql+asyncpg://nobody@127.0.0.1:9/none", "cannot be brought up to date"),
        ("postgresql://nobody@127.0.0.1:9/none", "must begin with"),
        ("postgresql+asyncpg://nobody@127.0.0.1:9/none?sslmode=require", "sslmode"),
    ],
)
def test_init_on_a_database_that_cannot_be_used_leaves_nothing_behind(
    run: Run, tmp_path: Path, url: str, says: str
) -> None:
    done = run("init", tmp_path / "lyon", *GOOD, "--database", url)
    assert done.status == 1
    assert says in done.err
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_init_that_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "fedcoop", "init", str(tmp_path / "lyon"), *GOOD],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    status = process.wait(30)
    left = list(tmp_path.iterdir())
    assert left in ([], [tmp_path / "lyon"])
    if left:
        # It was faster than the signal: then it is whole.
        assert status == 0 or (left[0] / "fedcoop.db").is_file()


def test_an_unknown_setting_is_refused_by_name_and_line(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "lyon"
    assert run("init", folder, *GOOD).status == 0
    file = folder / "fedcoop.toml"
    file.write_text(file.read_text() + '\ncolour = "red"\n')
    line = len(file.read_text().splitlines())
    done = run("peer", "list", folder)
    assert done.status == 1
    assert f"{file}:{line}: colour is not a setting" in done.err
    assert "→ take it out" in done.err


def test_a_folder_without_an_instance_says_how_to_found_one(run: Run, tmp_path: Path) -> None:
    for verb in (("serve", tmp_path), ("peer", "list", tmp_path), ("member", "add", tmp_path, "Awa")):
        done = run(*verb)
        assert done.status == 1
        assert "holds no instance" in done.err
        assert "fedcoop init" in done.err
    assert os.listdir(tmp_path) == []
