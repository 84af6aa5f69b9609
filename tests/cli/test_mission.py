"""`fedcoop mission publish`, `history` and `verify`: from a file to a history that proves itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedcoop.cli.instances import LocalInstance
from tests.cli.conftest import Done, Run


def a_mission(**changed: Any) -> dict[str, Any]:
    """A mission as a co-op writes it into a file."""
    mission: dict[str, Any] = {
        "type": "Note",
        "fedcoopType": ["Proposal", "Mission"],
        "name": "Livraisons à vélo",
        "content": "<p>Livraisons à vélo, samedi</p>",
        "location": {"type": "Place", "name": "Lyon", "inseeCommune": "69123", "addressCountry": "FR"},
        "publishes": {"resourceQuantity": {"hasUnit": "day", "hasNumericalValue": "1"}},
        "price": {
            "type": "PriceBreakdown",
            "lines": [
                {
                    "type": "SettlementLine",
                    "lineKind": "fee",
                    "amount": {"type": "MonetaryAmount", "value": "160.00", "currency": "EUR"},
                }
            ],
            "totalExclTax": {"type": "MonetaryAmount", "value": "160.00", "currency": "EUR"},
        },
        "relayScope": "public",
    }
    return {**mission, **changed}


def write(folder: Path, **missions: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, mission in missions.items():
        (folder / f"{name}.json").write_text(json.dumps(mission))
    return folder


@pytest.fixture(scope="module")
def published(run: Run, instance: LocalInstance, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Id of a mission that was published from a file."""
    folder = write(tmp_path_factory.mktemp("one"), one=a_mission())
    done = run("mission", "publish", instance.folder, folder / "one.json", "--json")
    assert done.status == 0, done.err
    mission: str = done.json["missions"][0]
    return mission


def test_a_folder_of_missions_is_published_once(run: Run, instance: LocalInstance, tmp_path: Path) -> None:
    folder = write(tmp_path / "missions", a=a_mission(name="A"), b=a_mission(name="B"))
    done = run("mission", "publish", instance.folder, folder, "--json")
    assert done.status == 0, done.err
    assert (done.json["published"], done.json["already"]) == (2, 0)
    again = run("mission", "publish", instance.folder, folder, "--json").json
    assert (again["published"], again["already"]) == (0, 2)
    assert again["missions"] == done.json["missions"]


def test_with_one_wrong_mission_none_is_published(run: Run, instance: LocalInstance, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "missions",
        a=a_mission(name="Rightly"),
        b=a_mission(slots=0),
        c=a_mission(acceptedStatuses=["selfEmployed"]),
        d=a_mission(relayScope="galaxy"),
    )
    done = run("mission", "publish", instance.folder, folder, "--json")
    assert done.status == 1
    faults = {Path(fault["source"]).name for fault in done.json["error"]["faults"]}
    assert faults == {"b.json", "c.json", "d.json"}
    (folder / "b.json").unlink()
    (folder / "c.json").unlink()
    (folder / "d.json").unlink()
    assert run("mission", "publish", instance.folder, folder, "--json").json["published"] == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not json", "JSON"),
        (b'{"name": "A", "name": "B"}', "name"),
        (b'["a", "list"]', "object"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_a_file_that_is_no_document_is_refused(
    run: Run, instance: LocalInstance, tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "bad.json").write_bytes(content)
    done = run("mission", "publish", instance.folder, tmp_path / "bad.json")
    assert done.status == 1
    assert "bad.json" in done.err
    assert says in done.err


def test_a_member_publishes_as_themselves(run: Run, instance: LocalInstance, tmp_path: Path) -> None:
    awa = instance.add_member("Awa", username="awa")
    folder = write(tmp_path / "missions", a=a_mission(name="Par Awa"))
    done = run("mission", "publish", instance.folder, folder, "--as", "awa", "--json")
    assert done.status == 0, done.err
    mission = run("lookup", done.json["missions"][0], "--stored", instance.folder, "--json").json
    assert mission["attributedTo"] == awa["id"]
    nobody = run("mission", "publish", instance.folder, folder, "--as", "nobody")
    assert nobody.status == 1
    assert "no such actor" in nobody.err


# -- its history ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def history(
    run: Run, instance: LocalInstance, published: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The history of the published mission, as a file."""
    file = tmp_path_factory.mktemp("history") / "history.json"
    done = run("history", instance.folder, published, "-o", file)
    assert done.status == 0, done.err
    return file


def verify(run: Run, file: Path, document: Any, *options: str) -> Done:
    file.write_text(json.dumps(document))
    return run("verify", file, "--json", *options)


def test_a_history_verifies_from_its_file_alone(run: Run, history: Path, published: str) -> None:
    done = run("verify", history)
    assert done.status == 0, done.out
    assert "VERIFIED, complete" in done.out
    assert published in done.out
    assert "signed by" in done.out
    assert "VÉRIFIÉ, complet" in run("verify", history, "--lang", "fr").out


def test_a_changed_value_is_found_and_the_transition_named(run: Run, history: Path, tmp_path: Path) -> None:
    document = json.loads(history.read_text())
    activity = document["chains"][0]["activities"][0]
    activity["object"]["name"] = "Autre chose"
    done = verify(run, tmp_path / "changed.json", document)
    assert done.status == 1
    finding = done.json["chains"][0]["findings"][0]
    assert (finding["version"], finding["activity_id"]) == (1, activity["id"])
    assert done.json["ok"] is False


def test_a_member_given_twice_is_not_read_either_way(run: Run, history: Path, tmp_path: Path) -> None:
    text = history.read_text().replace('"format":', '"format": "other", "format":', 1)
    (tmp_path / "twice.json").write_text(text)
    done = run("verify", tmp_path / "twice.json")
    assert done.status == 1
    assert "twice" in done.err


def test_a_head_from_elsewhere_and_a_pinned_key_are_checked(run: Run, history: Path) -> None:
    report = run("verify", history, "--json").json
    digest, step = report["chains"][0]["digest"], report["chains"][0]["proven"][0]
    assert (
        run("verify", history, "--head", f"{digest}@1", "--key", f"{step['actor']}={step['key']}").status == 0
    )
    assert run("verify", history, "--head", f"{digest}@2").status == 1
    assert run("verify", history, "--head", "zQmOther").status == 1
    assert run("verify", history, "--key", f"{step['actor']}=z6MkOther").status == 1


def test_a_history_without_its_signed_head_is_true_up_to_its_version(
    run: Run, history: Path, tmp_path: Path
) -> None:
    document = json.loads(history.read_text())
    del document["chains"][0]["head"]
    done = verify(run, tmp_path / "headless.json", document)
    assert done.status == 0
    assert done.json["complete"] is False
    assert any("true up to version 1" in line for line in done.json["lines"])


def test_what_is_no_history_is_refused(run: Run, tmp_path: Path) -> None:
    assert verify(run, tmp_path / "a.json", {"hello": "world"}).status == 1
    assert run("verify", tmp_path / "absent.json").status == 1
    assert run("verify", "http://127.0.0.1:9/missions/1").status == 1


def test_a_history_of_nothing_is_refused(run: Run, instance: LocalInstance) -> None:
    done = run("history", instance.folder, f"{instance.base}/missions/none")
    assert done.status == 1
    assert "Traceback" not in done.err


def test_a_served_history_is_verified_by_its_address(run: Run, served: LocalInstance, tmp_path: Path) -> None:
    folder = write(tmp_path / "missions", a=a_mission())
    mission = run("mission", "publish", served.folder, folder, "--json").json["missions"][0]
    done = run("verify", mission, "--json")
    assert done.status == 0, done.out
    assert done.json["complete"] is True


def test_lookup_shows_what_is_stored_and_nothing_else(
    run: Run, instance: LocalInstance, published: str
) -> None:
    assert run("lookup", published, "--stored", instance.folder, "--json").json["id"] == published
    absent = run("lookup", "https://elsewhere.example/x", "--stored", instance.folder, "--json")
    assert absent.status == 1
    assert absent.json["error"]["code"] == "not-found"
    assert run("lookup", published).status == 2
