"""`fedcoop import`: co-ops of a federation file are taken in, once, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedcoop.cli.instances import LocalInstance, found
from tests.cli.conftest import Run


def a_federation(**changed: Any) -> dict[str, Any]:
    """Two co-ops, three members, four missions."""
    coops = [
        {"slug": "coop-01", "name": "Le Comptoir", "inseeCommune": "62193"},
        {"slug": "coop-02", "name": "L'Atelier", "inseeCommune": "67482"},
    ]
    members = [
        {
            "slug": f"m{n}",
            "name": f"Membre {n}",
            "coop": coop,
            "rome": "N1101",
            "workStatus": "cape",
            "since": "2021-08-01",
        }
        for n, coop in enumerate(["coop-01", "coop-02", "coop-01"], 1)
    ]
    missions = [
        {
            "n": n,
            "coop": "coop-01" if n < 4 else "coop-02",
            "rome": "F1610",
            "title": f"Mission {n}",
            "inseeCommune": "45234",
            "days": 8,
            "dayRate": "280.00",
            "amount": "2240.00",
            "start": "2026-12-17T08:00:00Z",
            "slots": 1,
            "relayScope": scope,
        }
        for n, scope in enumerate(["members", "public", "network", "federation"], 1)
    ]
    return {"cooperatives": coops, "members": members, "missions": missions, **changed}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "federation.json"
    path.write_text(json.dumps(a_federation()))
    return path


def counts(done: Any) -> dict[str, tuple[int, int]]:
    assert done.status == 0, done.err
    return {
        name: (done.json[name]["added"], done.json[name]["already"])
        for name in ("members", "rules", "missions")
    }


def test_a_share_is_taken_in_and_a_second_run_adds_nothing(run: Run, tmp_path: Path, file: Path) -> None:
    instance = found(tmp_path / "empty", name="Coop Arras", commune="62041")
    first = run("import", instance.folder, file, "--coops", "coop-01", "--json")
    assert counts(first) == {"members": (2, 0), "rules": (1, 0), "missions": (3, 0)}
    again = run("import", instance.folder, file, "--coops", "coop-01", "--json")
    assert counts(again) == {"members": (0, 2), "rules": (0, 1), "missions": (0, 3)}
    rest = run("import", instance.folder, file, "--json")
    assert counts(rest) == {"members": (1, 2), "rules": (1, 1), "missions": (1, 3)}
    member = run("lookup", f"{instance.base}/actors/m1", "--stored", instance.folder, "--json").json
    assert member["occupation"]["code"] == "N1101"
    assert member["location"]["inseeCommune"] == "62193"
    rule = run("lookup", f"{instance.base}/rules/fixed-coop-01", "--stored", instance.folder, "--json").json
    assert rule["components"][0]["rate"] == "1.00"
    assert rule["proof"]["cryptosuite"] == "eddsa-jcs-2022"


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("missions", 1, "amount"), "2241.00", "missions[1]"),
        (("missions", 0, "relayScope"), "galaxy", "missions[0]"),
        (("missions", 3, "coop"), "coop-99", "missions[3]"),
        (("missions", 2, "inseeCommune"), "99999", "commune"),
        (("members", 2, "rome"), "plumber", "members[2]"),
        (("members", 0, "workStatus"), "boss", "status"),
    ],
)
def test_a_faulty_file_is_refused_whole(
    run: Run, instance: LocalInstance, tmp_path: Path, place: tuple[str, int, str], value: str, says: str
) -> None:
    before = run("member", "list", instance.folder, "--json").json
    federation = a_federation()
    part, position, name = place
    federation[part][position][name] = value
    for entry in federation["members"]:
        entry["slug"] += "-other"
    (tmp_path / "faulty.json").write_text(json.dumps(federation))
    done = run("import", instance.folder, tmp_path / "faulty.json")
    assert done.status == 1
    assert says in done.err
    assert "Traceback" not in done.err
    assert run("member", "list", instance.folder, "--json").json == before


def test_a_co_op_that_is_not_in_the_file_is_refused(run: Run, instance: LocalInstance, file: Path) -> None:
    done = run("import", instance.folder, file, "--coops", "coop-01,coop-77")
    assert done.status == 1
    assert "coop-77" in done.err


def test_an_import_beside_a_running_server_is_seen_at_once(
    run: Run, served: LocalInstance, file: Path
) -> None:
    assert run("import", served.folder, file).status == 0
    board = served.get("/api/v1/board?class=Mission&limit=10", token=served.token).json()
    assert board["total"] == 4
    assert served.get("/api/v1/board?class=Mission&limit=10").json()["total"] == 1
