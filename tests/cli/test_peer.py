"""`fedcoop peer` and `fedcoop follow`: with whom an instance federates."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedcoop.cli.instances import LocalInstance, found
from tests.cli.conftest import Run


def test_peers_are_allowed_blocked_and_listed(run: Run, instance: LocalInstance) -> None:
    assert "Nobody yet" in run("peer", "list", instance.folder).out
    done = run(
        "peer", "allow", instance.folder, "https://velo.example/", "--network", "--note", "AG du 3 mars"
    )
    assert done.status == 0, done.err
    assert run("peer", "block", instance.folder, "https://spam.example", "--json").json["state"] == "blocked"
    peers = {p["origin"]: p for p in run("peer", "list", instance.folder, "--json").json["peers"]}
    assert peers["https://velo.example"]["state"] == "allowed"
    assert peers["https://velo.example"]["network"] is True
    assert peers["https://velo.example"]["note"] == "AG du 3 mars"
    assert peers["https://spam.example"]["state"] == "blocked"


def test_a_block_keeps_what_the_operator_had_noted(run: Run, instance: LocalInstance) -> None:
    run("peer", "allow", instance.folder, "https://alpes.example", "--network", "--note", "voisins")
    blocked = run("peer", "block", instance.folder, "https://alpes.example", "--json").json
    assert (blocked["network"], blocked["note"]) == (True, "voisins")


@pytest.mark.parametrize("origin", ["velo.example", "http://velo.example", "https://velo.example:99999"])
def test_what_is_no_origin_is_refused(run: Run, instance: LocalInstance, origin: str) -> None:
    done = run("peer", "allow", instance.folder, origin)
    assert done.status == 1
    assert "Traceback" not in done.err
    listed = run("peer", "list", instance.folder, "--json").json["peers"]
    assert origin not in [p["origin"] for p in listed]


def test_ones_own_instance_is_no_peer(run: Run, instance: LocalInstance) -> None:
    done = run("peer", "allow", instance.folder, instance.base)
    assert done.status == 1
    assert "your own" in done.err


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
