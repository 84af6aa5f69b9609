"""`fedcoop peer list-export, list-import, subscribe, lists, drafts, review`, where nobody else is asked.

With another server: tests/e2e/test_agreements.py.
"""

from __future__ import annotations

import json
from pathlib import Path

from fedcoop.cli.instances import LocalInstance
from fedcoop.cli.worlds import in_world
from fedcoop.flow.peering import decide_peer
from fedcoop.flow.world import World
from tests.cli.conftest import Run


def test_a_list_is_exported_with_whom_it_leaves_out(
    run: Run, instance: LocalInstance, tmp_path: Path
) -> None:
    async def allowed(world: World) -> None:
        await decide_peer(world, "https://velo.example", "allowed", reason="AG du 3 mars", by="Jeanne")
        await decide_peer(world, "https://muet.example", "allowed", note="entre nous", by="Jeanne")

    in_world(instance.folder, allowed)
    file = tmp_path / "list.json"
    done = run("peer", "list-export", instance.folder, "--days", "30", "--out", file)
    assert done.status == 0, done.err
    assert "Left out, nobody said why: https://muet.example" in done.out
    written = json.loads(file.read_text(encoding="utf-8"))
    assert "https://velo.example" in [e["peerOrigin"] for e in written["peerEntries"]]
    assert written["proof"]["cryptosuite"] == "eddsa-jcs-2022"
    own = run("peer", "list-import", instance.folder, file, "--json")
    assert (own.status, own.json["error"]["code"]) == (1, "local-id")


def test_an_exported_list_is_not_for_everybody_until_it_is_published(
    run: Run, instance: LocalInstance
) -> None:
    kept = run("peer", "list-export", instance.folder, "--json").json
    shown = run("peer", "list-export", instance.folder, "--publish", "--json").json
    assert (kept["published"], shown["published"]) == (False, True)
    assert shown["list"]["listVersion"] == kept["list"]["listVersion"] + 1


def test_a_file_that_is_not_there_is_said_so(run: Run, instance: LocalInstance, tmp_path: Path) -> None:
    done = run("peer", "list-import", instance.folder, tmp_path / "nothing.json", "--json")
    assert (done.status, done.json["error"]["code"]) == (1, "not-found")


def test_where_no_list_asks_anything_that_is_said(run: Run, instance: LocalInstance) -> None:
    assert run("peer", "drafts", instance.folder, "--json").json == {"ok": True, "drafts": [], "problems": []}
    assert "Rien n’est demandé" in run("--lang", "fr", "peer", "drafts", instance.folder).out
    assert "None yet" in run("peer", "lists", instance.folder).out


def test_what_no_list_asks_is_not_answered(run: Run, instance: LocalInstance) -> None:
    done = run("peer", "review", instance.folder, "https://velo.example", "accept", "--json")
    assert (done.status, done.json["error"]["code"]) == (1, "not-found")
    assert run("peer", "review", instance.folder, "https://velo.example", "perhaps").status == 2
    assert run("peer", "unsubscribe", instance.folder, "https://velo.example/lists/peers").status == 1
