"""`fedcoop peer`: with whom an instance federates."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedcoop.cli.instances import LocalInstance, found
from tests.cli.conftest import Run


def test_peers_are_allowed_blocked_and_listed(run: Run, tmp_path: Path) -> None:
    instance = found(tmp_path / "empty", name="Coop Arras", commune="62041")
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


def test_every_step_down_and_back_is_kept_with_who_and_why(run: Run, instance: LocalInstance) -> None:
    base = "https://steps.example"
    run("peer", "allow", instance.folder, base, "--by", "Awa", "--note", "AG")
    for verb, state in (
        ("limit", "limited"),
        ("freeze", "frozen"),
        ("block", "blocked"),
        ("forget", "pending"),
    ):
        reason = [] if verb == "forget" else ["--reason", f"parce que {verb}"]
        done = run("peer", verb, instance.folder, base, *reason, "--by", "Malo", "--json").json
        assert (done["done"], done["state"], done["decidedBy"]) == (True, state, "Malo")
    for state in ("blocked", "frozen", "limited", "allowed"):
        assert run("peer", "unblock", instance.folder, base, "--json").json["state"] == state
    refused = run("peer", "unblock", instance.folder, base, "--json")
    assert (refused.status, refused.json["error"]["code"]) == (1, "illegal-transition")
    shown = run("peer", "show", instance.folder, base, "--json").json
    assert [d["state"] for d in shown["decisions"][:5]] == [
        "allowed",
        "limited",
        "frozen",
        "blocked",
        "pending",
    ]
    assert shown["decisions"][3]["reason"] == "parce que block"
    assert {d["decided_by"] for d in shown["decisions"][1:5]} == {"Malo"}
    told = run("peer", "show", instance.folder, base, environment={"FEDCOOP_LANG": "fr"}).out
    assert "parce que freeze" in told
    assert "Ce qui en dépend" in told


def test_a_dry_run_shows_and_changes_nothing(run: Run, instance: LocalInstance) -> None:
    base = "https://dry.example"
    run("peer", "allow", instance.folder, base)
    done = run("peer", "block", instance.folder, base, "--dry-run")
    assert done.status == 0
    assert "deliveries waiting: 0" in done.out
    assert "Nothing was changed" in done.out
    assert run("peer", "show", instance.folder, base, "--json").json["state"] == "allowed"


def test_of_whom_nothing_is_known_nothing_is_shown(run: Run, instance: LocalInstance) -> None:
    assert run("peer", "show", instance.folder, "https://nobody.example").status == 1


def test_who_decides_is_who_runs_the_command(run: Run, instance: LocalInstance) -> None:
    done = run(
        "peer", "allow", instance.folder, "https://me.example", "--json", environment={"LOGNAME": "awa"}
    )
    assert done.json["decidedBy"] == "awa"
