"""`fedcoop follow`: said only when it can arrive."""

from __future__ import annotations

from pathlib import Path

from fedcoop.cli.instances import LocalInstance, found
from tests.cli.conftest import Run


def test_a_follow_of_somebody_whom_we_have_not_allowed_says_what_to_do_first(
    run: Run, instance: LocalInstance
) -> None:
    done = run("follow", instance.folder, "https://velo-nantes.example/actors/coop", "--json")
    assert done.status == 1
    assert done.json["ok"] is False
    assert done.json["error"]["code"] == "not-in-allow-list"
    assert "fedcoop peer allow" in done.json["error"]["next"]


def test_a_follow_of_somebody_out_of_reach_is_refused_with_the_reason(run: Run, tmp_path: Path) -> None:
    lyon = found(tmp_path / "lyon", name="Coop Lyon", allow_origins=["http://127.0.0.1:9"])
    assert run("peer", "allow", lyon.folder, "http://127.0.0.1:9").status == 0
    done = run("follow", lyon.folder, "http://127.0.0.1:9/actors/coop")
    assert done.status == 1
    assert "could not be asked" in done.err
    assert "Traceback" not in done.err
