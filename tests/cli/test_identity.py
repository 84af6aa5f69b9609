"""`fedcoop identity`: one key of a member's own, shown by the profiles of two co-ops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedcoop.cli.instances import LocalInstance
from tests.cli.conftest import Run


@pytest.fixture(scope="module")
def awa(served: LocalInstance) -> dict[str, Any]:
    return served.add_member("Awa Identité", status="cape")


@pytest.fixture
def key(run: Run, tmp_path: Path) -> tuple[Path, str]:
    """A key's file and its DID."""
    file = tmp_path / "key.json"
    done = run("identity", "new", file, "--json")
    assert done.status == 0, done.err
    return file, done.json["did"]


def test_a_key_is_written_once_and_for_its_owner_alone(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    done = run("identity", "new", file)
    assert (done.status, done.out.split()[0][:12]) == (0, "did:key:z6Mk")
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    again = run("identity", "new", file)
    assert (again.status, "is there already" in again.err) == (1, True)
    assert file.read_bytes() == before


def test_a_profile_shows_a_key_that_says_so_and_no_longer_when_asked(
    run: Run, awa: dict[str, Any], key: tuple[Path, str]
) -> None:
    file, did = key
    shown = run("identity", "bind", file, awa["id"], "--token", awa["token"], "--json")
    assert shown.status == 0, shown.err
    assert shown.json["statement"]["subject"] == did
    for _ in range(2):
        assert run("identity", "show", awa["id"], "--json").json["identities"] == [did]
        assert run("identity", "bind", file, awa["id"], "--token", awa["token"]).status == 0
    page = run("identity", "show", awa["id"])
    assert (page.status, page.out.strip()) == (0, f"proven: {did}")
    released = run("identity", "release", awa["id"], did, environment={"FEDCOOP_TOKEN": awa["token"]})
    assert released.status == 0, released.err
    assert run("identity", "show", awa["id"], "--json").json["identities"] == []
    twice = run("identity", "release", awa["id"], did, "--token", awa["token"])
    assert (twice.status, "does not show" in twice.err) == (1, True)


def test_the_page_of_the_profile_names_the_key(
    run: Run, served: LocalInstance, awa: dict[str, Any], key: tuple[Path, str]
) -> None:
    file, did = key
    run("identity", "bind", file, awa["id"], "--token", awa["token"])
    assert did in served.get(awa["id"], accept="text/html").body.decode()
    run("identity", "release", awa["id"], did, "--token", awa["token"])
    assert did not in served.get(awa["id"], accept="text/html").body.decode()


def test_a_statement_about_somebody_else_is_not_shown(
    run: Run, served: LocalInstance, awa: dict[str, Any], key: tuple[Path, str]
) -> None:
    printed = run("identity", "bind", key[0], served.coop)
    statement = json.loads(printed.out)
    assert statement["alsoKnownAs"] == served.coop
    update = {"type": "Update", "object": {"id": awa["id"], "attachment": [statement]}}
    reply = served.post_outbox(awa["id"], awa["token"], update)
    assert (reply.status, reply.problem()["type"].rsplit("/", 1)[1]) == (422, "schema-invalid")
    assert run("identity", "show", awa["id"], "--json").json["identities"] == []


def test_a_wrong_file_profile_or_token_is_said(
    run: Run, awa: dict[str, Any], key: tuple[Path, str], tmp_path: Path
) -> None:
    (tmp_path / "x.json").write_text('{"did": "did:key:z6Mk", "secretKeyMultibase": "z3u2"}')
    cases = [
        (("bind", tmp_path / "none.json", awa["id"]), 1, "cannot be read"),
        (("bind", tmp_path / "x.json", awa["id"]), 1, "holds no key"),
        (("bind", key[0], awa["id"] + "x", "--token", awa["token"]), 1, "is no profile"),
        (("bind", key[0], awa["id"], "--token", "wrong"), 1, "token"),
        (("release", awa["id"], key[1]), 2, "token"),
        (("show", awa["id"] + "x"), 1, "is no profile"),
    ]
    for arguments, status, says in cases:
        done = run("identity", *arguments)
        assert (done.status, says in done.err) == (status, True), (arguments, done.err)
        assert "Traceback" not in done.err
