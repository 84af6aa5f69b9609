"""`fedcoop peer`: with whom an instance federates."""

from __future__ import annotations

import pytest

from fedcoop.cli.instances import LocalInstance
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
