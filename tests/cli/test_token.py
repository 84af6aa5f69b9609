"""`fedcoop token`: the operator makes, lists and revokes tokens, whether the instance is being served or not."""

from __future__ import annotations

import pytest

from fedcoop.cli.instances import LocalInstance
from tests.cli.conftest import Run


def test_a_token_made_by_the_operator_opens_and_is_ended_while_the_server_runs(
    run: Run, served: LocalInstance
) -> None:
    awa = served.add_member("Awa T.")
    made = run(
        "token", "new", served.folder, "awa-t", "--name", "Agenda", "--scope", "read", "--days", "2", "--json"
    )
    assert made.status == 0, made.err
    token = made.json["token"]
    assert made.json["scopes"] == ["read"]
    assert served.get(awa["inbox"], token=token).status == 200
    note = {"type": "Note", "content": "<p>Bonjour</p>", "to": [f"{awa['id']}/followers"]}
    assert served.post_outbox(awa["id"], token, note).status == 403
    listed = run("token", "list", served.folder, awa["id"], "--json").json["tokens"]
    assert [one["name"] for one in listed] == ["", "Agenda"]
    assert token not in run("token", "list", served.folder, "awa-t").out
    assert run("token", "revoke", served.folder, "awa-t", made.json["id"]).status == 0
    assert served.get(awa["inbox"], token=token).status == 401
    assert served.get(awa["inbox"], token=awa["token"]).status == 200
    assert run("token", "revoke", served.folder, "awa-t", "--all", "--json").json["revoked"] == 1
    assert served.get(awa["inbox"], token=awa["token"]).status == 401


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("list", "nobody"), 1, "no member 'nobody'"),
        (("new", "coop", "--name", ""), 1, "needs a name"),
        (("new", "coop", "--name", "x", "--scope", "admin"), 1, "read write follow tokens operate"),
        (("new", "coop", "--name", "x", "--days", "400"), 1, "365"),
        (("new", "coop", "--name", "x", "--days", "999999999"), 1, "365"),
        (("revoke", "coop", "000000000000"), 1, "no such token"),
        (("revoke", "coop"), 2, "--all"),
        (("revoke", "coop", "000000000000", "--all"), 2, "--all"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(
    run: Run, instance: LocalInstance, arguments: tuple[str, ...], status: int, says: str
) -> None:
    done = run("token", arguments[0], instance.folder, *arguments[1:])
    assert (done.status, done.out) == (status, "")
    assert says in done.err
