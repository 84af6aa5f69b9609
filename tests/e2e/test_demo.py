"""`fedcoop demo`: the main job on real input, and nothing left behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from fedcoop.cli.client import poll
from fedcoop.cli.instances import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "examples" / "federation" / "synthetic_federation.json"


def demo(*arguments: str) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k not in {"LANG", "LC_ALL", "FEDCOOP_LANG"}}
    return subprocess.Popen(
        [sys.executable, "-m", "fedcoop", "demo", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def nobody_answers(ports: Sequence[int]) -> bool:
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return False
    return True


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_demo_ends_by_itself_and_both_sides_agree_after_every_step(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(3)]
    process = demo(
        "--once", "--json", "--ports", ",".join(map(str, ports)), "--folder", str(tmp_path / "demo")
    )
    out, err = process.communicate(timeout=380)
    assert process.returncode == 0, err
    told = json.loads(out)
    assert len(told["steps"]) == 13
    for step in told["steps"]:
        for chain in ("mission", "engagement"):
            heads = step[chain]
            assert not heads or (set(heads) == {"Nantes", "Lyon"} and len(set(heads.values())) == 1), step
    assert set(told["steps"][-1]["mission"].values()) == {"settled v8"}
    assert set(told["steps"][-1]["engagement"].values()) == {"settled v12"}
    assert told["verify"]["complete"] is True
    # Which board shows how many, told again from the file by the rule of relayScope alone.
    missions = json.loads(DATA.read_text())["missions"]
    home = {f"coop-{n:02d}": (n - 1) // 8 for n in range(1, 25)}
    reached = {
        "public": lambda owner, reader: True,
        "federation": lambda owner, reader: True,
        "network": lambda owner, reader: {owner, reader} <= {0, 1},
        "members": lambda owner, reader: False,
    }
    for reader, board in enumerate(told["boards"]):
        owners = [(home[m["coop"]], m["relayScope"]) for m in missions]
        seen = [owner == reader or reached[scope](owner, reader) for owner, scope in owners]
        assert board["missions"] == sum(seen)
    assert nobody_answers(ports)
    # The history outlives every server.
    again = subprocess.run(
        [sys.executable, "-m", "fedcoop", "verify", told["history"], "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert again.returncode == 0
    assert json.loads(again.stdout)["complete"] is True


def test_a_demo_that_cannot_start_ends_with_1_and_stops_what_it_started() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = [free_port(), free_port(), taken.getsockname()[1]]
        process = demo("--once", "--ports", ",".join(map(str, ports)))
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1
        assert "did not come up" in err
        assert "is taken" in err
    assert nobody_answers(ports[:2])


def test_ctrl_c_ends_the_demo_and_its_three_servers(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(3)]
    process = demo("--ports", ",".join(map(str, ports)), "--folder", str(tmp_path / "demo"))
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "http://127.0.0.1" in line
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert nobody_answers(ports)


def test_a_folder_with_something_in_it_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    process = demo("--once", "--folder", str(tmp_path))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "not an empty folder" in err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_demo_that_is_killed_takes_its_servers_with_it(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(3)]
    process = demo("--ports", ",".join(map(str, ports)), "--folder", str(tmp_path / "demo"))
    assert process.stdout is not None
    for _ in range(3):
        assert "http://127.0.0.1" in process.stdout.readline()
    process.kill()
    process.communicate(timeout=60)
    assert poll(lambda: True if nobody_answers(ports) else None, seconds=30.0, pause=0.2)
