"""`fedcoop member`: people join, whether the instance is being served or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedcoop.cli.instances import LocalInstance, found
from tests.cli.conftest import Run


def test_a_member_added_to_a_running_server_can_speak_at_once(served: LocalInstance) -> None:
    awa = served.add_member("Awa D.", status="cape", occupation="M1855", commune="44109")
    assert awa["id"] == f"{served.base}/actors/awa-d"
    assert awa["inbox"] == f"{awa['id']}/inbox"
    assert awa["outbox"] == f"{awa['id']}/outbox"
    profile = served.get(awa["id"]).json()
    assert profile["occupation"]["code"] == "M1855"
    assert profile["location"]["inseeCommune"] == "44109"
    note = {"type": "Note", "content": "<p>Bonjour</p>", "to": [f"{awa['id']}/followers"]}
    reply = served.post_outbox(awa["id"], awa["token"], note)
    assert reply.status == 201, reply.body
    assert reply.headers["location"].startswith(f"{served.base}/activities/")
    assert reply.json()["proof"]["verificationMethod"] == f"{awa['id']}#ed25519-1"


def test_a_status_comes_with_a_credential_that_only_its_subject_and_the_co_op_read(
    served: LocalInstance,
) -> None:
    zoe = served.add_member("Zoé L'Héritier", status="cesa")
    assert zoe["credential"] == f"{served.base}/credentials/membership-zoe-l-heritier"
    credential = served.lookup(zoe["credential"], token=zoe["token"])
    assert credential is not None
    assert credential["credentialSubject"]["workStatus"] == "cesa"
    assert served.lookup(zoe["credential"]) == credential
    assert served.get(zoe["credential"]).status == 404
    malo = served.add_member("Malo")
    assert malo["credential"] is None
    assert served.lookup(zoe["credential"], token=malo["token"]) is None


def test_members_are_listed(run: Run, tmp_path: Path) -> None:
    folder = found(tmp_path / "pau", name="Coop Pau").folder
    assert "Nobody yet" in run("member", "list", folder).out
    added = run("member", "add", folder, "Inès K.", "--skill", "Soudure", "--json")
    assert added.status == 0, added.err
    listed = run("member", "list", folder, "--json").json["members"]
    assert [m["name"] for m in listed] == ["Inès K."]
    assert added.json["token"] not in run("member", "list", folder).out


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (("--status", "boss"), 1, "no such work status"),
        (("--commune", "99999"), 1, "no such commune"),
        (("--username", "coop"), 1, "taken"),
        (("--username", "Été"), 1, "username"),
        (("--occupation", "plumber"), 2, "ROME"),
    ],
)
def test_a_member_with_a_wrong_value_is_not_added(
    run: Run, instance: LocalInstance, options: tuple[str, ...], status: int, says: str
) -> None:
    before = sorted(path.name for path in (instance.folder / "keys").iterdir())
    done = run("member", "add", instance.folder, "Nobody", *options)
    assert done.status == status
    assert says in done.err
    names = [m["name"] for m in run("member", "list", instance.folder, "--json").json["members"]]
    assert "Nobody" not in names
    assert sorted(path.name for path in (instance.folder / "keys").iterdir()) == before


def test_the_answer_is_french_where_it_is_asked_for(run: Run, instance: LocalInstance) -> None:
    done = run("member", "add", instance.folder, "Hugo", "--lang", "fr")
    assert "Hugo est membre." in done.out
    assert "jeton" in done.out


def test_a_missing_database_is_a_clear_error(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "lyon"
    run("init", folder, "--base-url", "https://coop.example", "--name", "X")
    (folder / "fedcoop.db").unlink()
    done = run("member", "add", folder, "Awa")
    assert done.status == 1
    assert "database" in done.err
    assert "Traceback" not in done.err
