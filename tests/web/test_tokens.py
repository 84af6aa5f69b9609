"""Members manage their own tokens; and what each address asks of a token is what docs/http.md says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from fedcoop.flow import access
from fedcoop.protocol.scopes import ALL
from tests.conftest import ROOT
from tests.web.pages_server import Answer, Served

TOKENS = "/api/v1/tokens"


class Asking:
    """One of our members with one token."""

    def __init__(self, served: Served, actor: str, *scopes: str) -> None:
        self.served = served
        self.made = served.run(
            access.new_token(served.scene.nantes.world, actor, name="test", wanted=scopes or ALL)
        )
        self.headers = {"Authorization": f"Bearer {self.made.secret}"}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        typed = {"Content-Type": "application/json"} if data is not None else {}
        accept = {"Accept": "application/activity+json, application/json"}
        return self.served._ask(method, path, data, {**accept, **typed, **self.headers, **headers})


@pytest.fixture
def malo(served: Served) -> Iterator[Asking]:
    asking = Asking(served, served.scene.malo)
    yield asking
    served.run(access.revoke_all(served.scene.nantes.world, served.scene.malo))


def code(answer: Answer) -> str:
    return str(json.loads(answer.text)["type"]).rpartition("/")[2]


def test_a_member_makes_a_token_uses_it_and_revokes_it(malo: Asking):
    made = malo.ask("POST", TOKENS, {"name": "Agenda", "scopes": ["read"], "days": 3})
    told = json.loads(made.text)
    assert (made.status, told["name"], told["scopes"]) == (201, "Agenda", ["read"])
    assert told["expires"] == "2026-11-25T12:00:00Z" or told["expires"] > told["created"]
    use = {"Authorization": f"Bearer {told['token']}"}
    inbox = malo.served.path(malo.served.scene.malo) + "/inbox"
    assert malo.ask("GET", inbox, **use).status == 200
    listed = json.loads(malo.ask("GET", TOKENS).text)["items"]
    assert [one["name"] for one in listed if one["id"] == told["id"]] == ["Agenda"]
    assert told["token"] not in str(listed)
    assert malo.ask("DELETE", f"{TOKENS}/{told['id']}").status == 204
    assert malo.ask("GET", inbox, **use).status == 401
    assert malo.ask("DELETE", f"{TOKENS}/{told['id']}").status == 404


def test_a_revoked_token_does_not_even_revoke(malo: Asking):
    other = Asking(malo.served, malo.served.scene.malo)
    assert malo.ask("DELETE", f"{TOKENS}/{malo.made.kept.id}").status == 204
    refused = malo.ask("DELETE", f"{TOKENS}/{other.made.kept.id}")
    assert (refused.status, code(refused)) == (401, "token-invalid")


def test_anothers_tokens_are_neither_seen_nor_revoked(malo: Asking):
    coop = Asking(malo.served, malo.served.scene.nantes.id, "read")
    listed = json.loads(malo.ask("GET", TOKENS).text)["items"]
    assert coop.made.kept.id not in [one["id"] for one in listed]
    assert malo.ask("DELETE", f"{TOKENS}/{coop.made.kept.id}").status == 404
    assert coop.ask("GET", "/actors/coop/inbox").status == 200


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"name": "x", "scopes": ["read"]}, 201),
        ({"name": "x", "scopes": ["read"], "actor": "https://elsewhere.example/"}, 422),
        ({"name": "x", "scopes": ["read"], "id": "0" * 12}, 422),
        ({"name": "x", "scopes": ["read"], "expires": "2030-01-01T00:00:00Z"}, 422),
        ({"name": "x", "scopes": ["admin"]}, 422),
        ({"name": "x", "scopes": "read"}, 422),
        ({"name": "x", "scopes": [1]}, 422),
        ({"name": "x"}, 422),
        ({"scopes": ["read"]}, 422),
        ({"name": 1, "scopes": ["read"]}, 422),
        ({"name": "x", "scopes": ["read"], "days": 0}, 422),
        ({"name": "x", "scopes": ["read"], "days": 366}, 422),
        ({"name": "x", "scopes": ["read"], "days": True}, 422),
        ({"name": "x", "scopes": ["read"], "days": 9007199254740991}, 422),
    ],
)
def test_only_what_may_be_chosen_is_taken(malo: Asking, asked: dict[str, Any], status: int):
    assert malo.ask("POST", TOKENS, asked).status == status


def test_a_token_without_a_scope_makes_none_that_has_it(malo: Asking):
    weak = Asking(malo.served, malo.served.scene.malo, "tokens")
    assert weak.ask("POST", TOKENS, {"name": "x", "scopes": ["write"]}).status == 422


def test_what_is_missing_is_said_as_the_bearer_standard_says_it(malo: Asking):
    weak = Asking(malo.served, malo.served.scene.malo, "write")
    refused = weak.ask("GET", TOKENS)
    told = json.loads(refused.text)
    assert (refused.status, code(refused), told["expected"], told["received"]) == (
        403, "scope-missing", "tokens", "write",
    )  # fmt: skip
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]


def test_a_message_needs_the_scope_of_what_it_is_about(malo: Asking):
    outbox = malo.served.path(malo.served.scene.malo) + "/outbox"
    follow = {"type": "Follow", "object": 1}
    note = {"type": "Note", "content": 1}
    for scopes, document, opens in (
        (("write",), note, True),
        (("write",), follow, False),
        (("follow",), follow, True),
        (("follow",), note, False),
        (("read", "tokens"), note, False),
    ):
        answer = Asking(malo.served, malo.served.scene.malo, *scopes).ask("POST", outbox, document)
        assert (answer.status, code(answer)) != (403, "scope-missing") or not opens, (scopes, document)
        assert opens or (answer.status, code(answer)) == (403, "scope-missing"), (scopes, document)


# -- every address, every scope, no token ------------------------------------------------------------------------


def documented() -> dict[tuple[str, str], tuple[frozenset[str], str]]:
    """Return (method, path) → (scopes of which one is needed, what is answered without a token), as written."""
    text = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    table = text.split("## Tokens and scopes\n", 1)[1].split("\n## ", 1)[0]
    found = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and re.search(r"`[A-Z]+ /", cells[3]):
            needs = frozenset(re.findall(r"`(\w+)`", cells[1]))
            for method, path in re.findall(r"`([A-Z]+) (/[^`]*)`", cells[3]):
                assert (method, path) not in found, (method, path)
                found[method, path] = (needs, cells[2])
    return found


def a_path(path: str) -> str:
    named = {"<name>": "malo", "<token>": "0" * 12, "<term>": "Mission", "<code>": "stale"}
    for pattern, value in named.items():
        path = path.replace(pattern, value)
    return path + {"/api/v1/deliveries": "?activity=x", "/.well-known/webfinger": "?resource=x"}.get(
        path, "?uri=x&id=x"
    )


@pytest.fixture
def scoped(served: Served) -> Iterator[dict[tuple[str, ...], Asking]]:
    malo = served.scene.malo
    yield {scopes: Asking(served, malo, *scopes) for scopes in (*((one,) for one in ALL), ALL)}
    served.run(access.revoke_all(served.scene.nantes.world, malo))


def test_every_address_is_in_the_table_of_scopes():
    text = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    told = {tuple(pair.split(" ", 1)) for cell in cells for pair in re.findall(r"`([A-Z]+ /[^`]*)`", cell)}
    assert set(documented()) == told


@pytest.mark.parametrize(("method", "path"), sorted(documented()))
def test_an_address_asks_of_a_token_what_the_table_says(
    served: Served, scoped: dict[tuple[str, ...], Asking], method: str, path: str
):
    needs, without = documented()[method, path]
    # Which of the two an outbox needs, the message decides: this one is about a Follow for whoever may only follow.
    target, body = a_path(path), {"type": "Follow", "object": 1} if method == "POST" else None
    # (Nobody has a token of the instance actor, so there the message is not read.)
    needs -= {"write"} if path == "/actors/<name>/outbox" else set()
    anybody = Asking(served, served.scene.malo, "read")
    anybody.headers = {}
    nobody = anybody.ask(method, target, body)
    assert (nobody.status == 401 and code(nobody) == "token-missing") == (without == "401"), nobody.text
    for scopes, asking in scoped.items():
        answer = asking.ask(method, target, body)
        refused = answer.status == 403 and code(answer) == "scope-missing"
        assert refused == (bool(needs) and not needs & set(scopes)), (scopes, answer.status)
        if not needs:
            assert answer.status == nobody.status, scopes
