"""`fedcoop serve`: what it says when it answers, and that one folder has one server."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

from fedcoop.cli.instances import LocalInstance, found, free_port
from tests.cli.conftest import ROOT, Run


def test_ready_json_is_one_line_that_names_every_actor(served: LocalInstance) -> None:
    assert served.ready["base"] == served.base
    actors = {actor["role"]: actor for actor in served.ready["actors"]}
    assert actors["coop"]["id"] == f"{served.base}/actors/coop"
    assert actors["instance"]["id"] == f"{served.base}/actor"
    for actor in served.ready["actors"]:
        assert set(actor) == {"id", "inbox", "outbox", "role"}
        assert served.get(actor["id"]).json()["inbox"] == actor["inbox"]


def test_it_answers_as_soon_as_it_is_ready(served: LocalInstance) -> None:
    assert served.get("/api/v1/health").json()["status"] == "ok"


def test_a_folder_that_is_served_is_refused_to_a_second_server(run: Run, served: LocalInstance) -> None:
    done = run("serve", served.folder, "--port", str(free_port()), "--ready-json")
    assert done.status == 1
    assert "already being served" in done.err
    assert done.out == ""
    assert served.get("/api/v1/health").ok


def test_a_port_that_is_taken_is_refused(run: Run, instance: LocalInstance) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", instance.folder, "--port", str(port))
    assert done.status == 1
    assert f"127.0.0.1:{port} is taken" in done.err
    assert "→" in done.err


def test_allow_origins_is_announced_on_standard_error(served: LocalInstance) -> None:
    assert "DEVELOPMENT" in served.log.read_text()


def test_sigterm_and_sigint_end_it_with_0_and_it_starts_again(instance: LocalInstance) -> None:
    for one in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen(
            [sys.executable, "-m", "fedcoop", "serve", str(instance.folder), "--ready-json"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["base"] == instance.base
        process.send_signal(one)
        assert process.wait(20) == 0
        assert process.stdout.read() == ""
        process.stdout.close()


def test_a_server_that_was_killed_leaves_no_lock(tmp_path: Path) -> None:
    founded = found(tmp_path / "pau", name="Coop Pau")
    founded.start().kill()
    founded.start()
    assert founded.get("/api/v1/health").ok
    assert founded.stop() == 0


def test_a_database_without_an_instance_is_not_served(run: Run, tmp_path: Path) -> None:
    founded = found(tmp_path / "metz", name="Coop Metz")
    (founded.folder / "fedcoop.db").unlink()
    done = run("serve", founded.folder)
    assert done.status == 1
    assert "there is no instance in this database" in done.err
    assert "→ set `database`" in done.err
