"""`fedcoop mission publish`: all of the files, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedcoop.cli.instances import LocalInstance
from tests.cli.conftest import Run, a_mission, write


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


def test_what_is_no_proposal_is_not_published_by_mistake(
    run: Run, instance: LocalInstance, tmp_path: Path
) -> None:
    folder = write(tmp_path / "missions", a=a_mission(name="On purpose"), b={"ok": True, "token": "secret"})
    done = run("mission", "publish", instance.folder, folder)
    assert done.status == 1
    assert "b.json is not a mission" in done.err
    (folder / "b.json").unlink()
    assert run("mission", "publish", instance.folder, folder, "--json").json["published"] == 1
