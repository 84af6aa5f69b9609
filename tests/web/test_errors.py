"""The table against the tree, and the document that says what went wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest
from structlog.testing import capture_logs

import fedcoop.errors
from fedcoop.errors import (
    Forbidden,
    Malformed,
    Misconfigured,
    NotFound,
    RateLimited,
    TryLater,
    Unavailable,
    Unverified,
)
from fedcoop.protocol.model import PROBLEMS
from fedcoop.web.errors import STATUS, problem_of, status_of
from tests.web.conftest import BASE, FakeFlows, code_of, every_error_class
from tests.web.conftest import problem_of as read_problem

LD = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'


def statuses_in_the_docstring() -> dict[str, int]:
    """Read `Malformed  400  …` off the tree drawn at the top of errors.py."""
    return {
        name: int(status) for name, status in re.findall(r"── (\w+) +(\d{3})", fedcoop.errors.__doc__ or "")
    }


def test_every_error_that_can_be_raised_has_a_status():
    assert set(STATUS) == set(every_error_class())


def test_the_table_is_the_tree_drawn_in_errors():
    drawn = statuses_in_the_docstring()
    assert len(drawn) == 12
    assert {kind.__name__: status for kind, status in STATUS.items()} == {**drawn, "Misconfigured": 500}


def test_a_subclass_has_the_status_of_its_parent():
    class Banned(Forbidden): ...

    assert status_of(Banned("blocked", "No.")) == 403


def test_an_error_outside_the_table_is_a_fault_of_ours():
    class Strange(fedcoop.errors.FedcoopError): ...

    assert status_of(Strange("x", "y")) == 500


def a_problem(error: fedcoop.errors.FedcoopError, **options: Any) -> dict[str, Any]:
    return problem_of(error, **{"base": BASE, "language": "en", "reading": False, **options})


def test_a_problem_says_what_was_expected_and_what_came():
    error = Malformed("duplicate-key", "Twice.", expected="once", received="twice", extra={"key": "id"})
    assert a_problem(error) == {
        "type": f"{BASE}/problems/duplicate-key",
        "title": "Duplicate key",
        "status": 400,
        "detail": "Twice.",
        "expected": "once",
        "received": "twice",
        "key": "id",
    }


def test_a_problem_speaks_french():
    assert a_problem(Malformed("duplicate-key", "…"), language="fr")["title"] == "Clé en double"


def test_extras_cannot_overwrite_what_a_problem_is():
    error = Malformed("duplicate-key", "Twice.", extra={"type": "https://evil.example/", "status": 200})
    assert a_problem(error)["type"] == f"{BASE}/problems/duplicate-key"
    assert a_problem(error)["status"] == 400


def test_to_a_reader_what_may_not_be_seen_and_what_is_not_there_are_the_same():
    hidden = NotFound("not-visible", "Not for you.", received="x", extra={"owner": "y"})
    absent = NotFound("not-found", "Nothing there.")
    assert a_problem(hidden, reading=True) == a_problem(absent, reading=True)
    assert a_problem(absent)["detail"] == "Nothing there."


def test_what_an_operator_must_put_right_is_not_for_strangers():
    problem = a_problem(
        Misconfigured("key-folder", "/srv/keys is empty", expected="keys", extra={"path": "/srv"})
    )
    assert problem["type"] == f"{BASE}/problems/internal-error"
    assert "srv" not in str(problem)
    assert "expected" not in problem


@pytest.mark.parametrize("kind", every_error_class(), ids=lambda kind: kind.__name__)
async def test_each_error_of_a_flow_becomes_its_status(client: Any, flows: FakeFlows, kind: Any):
    flows.refusal = kind("stale", "It did not work.", expected="this", received="that")
    response = await client.post("/inbox", data=b"{}", headers={"Content-Type": LD})
    assert response.status == STATUS[kind]
    problem = await read_problem(response)
    assert problem["instance"].startswith(problem["type"] + "#")
    if kind is not Misconfigured:
        assert (problem["detail"], problem["expected"], problem["received"]) == (
            "It did not work.",
            "this",
            "that",
        )
    assert ("Retry-After" in response.headers) == issubclass(kind, TryLater)


async def test_retry_after_is_what_the_flow_said(client: Any, flows: FakeFlows):
    flows.refusal = Unavailable("predecessor-unknown", "Not yet.", retry_after=77)
    response = await client.post("/inbox", data=b"{}", headers={"Content-Type": LD})
    assert (response.status, response.headers["Retry-After"]) == (503, "77")
    flows.refusal = RateLimited("rate-limited", "Slowly.", retry_after=0)
    response = await client.post("/inbox", data=b"{}", headers={"Content-Type": LD})
    assert (response.status, response.headers["Retry-After"]) == (429, "1")


async def test_a_401_says_by_what_one_would_be_let_in(client: Any, flows: FakeFlows):
    flows.refusal = Unverified("signature-missing", "Not signed.")
    response = await client.post("/inbox", data=b"{}", headers={"Content-Type": LD})
    assert response.headers["WWW-Authenticate"].startswith("Signature ")
    assert response.headers["Accept-Signature"] == 'sig1=("@method" "@target-uri" "content-digest");created'
    response = await client.get("/actors/alice/inbox")
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "Accept-Signature" not in response.headers


async def test_a_bug_leaks_nothing(client: Any, flows: FakeFlows):
    flows.refusal = RuntimeError("the password is swordfish")
    response = await client.post("/inbox", data=b"{}", headers={"Content-Type": LD})
    assert response.status == 500
    assert await code_of(response) == "internal-error"
    assert "swordfish" not in await response.text()
    assert "Traceback" not in await response.text()


async def test_half_a_character_in_a_refused_value_can_be_said(client: Any, flows: FakeFlows):
    flows.refusal = Malformed("bad-encoding", "Half.", received="\ud83d")
    response = await client.post("/inbox", data=b"{}", headers={"Content-Type": LD})
    assert (await read_problem(response))["received"] == "\ud83d"


async def test_a_person_is_told_on_a_page(client: Any):
    response = await client.get("/missions/none", headers={"Accept": "text/html"})
    assert (response.status, response.content_type) == (404, "text/html")
    assert await response.text() == f"problem {BASE}/problems/not-found"


async def test_a_page_that_breaks_is_replaced_by_the_document(
    client: Any, services: Any, monkeypatch: pytest.MonkeyPatch
):
    async def broken(*_: object) -> None:
        raise RuntimeError("no template")

    monkeypatch.setattr(services.pages, "problem", broken)
    response = await client.get("/missions/none", headers={"Accept": "text/html"})
    assert response.status == 404
    assert await code_of(response) == "not-found"


async def test_the_title_is_in_the_language_of_the_request(client: Any):
    for language, title in (("fr", "Introuvable"), ("en", "Not found")):
        response = await client.get("/nothing", headers={"Accept-Language": language})
        assert (await read_problem(response))["title"] == title
        assert response.headers["Content-Language"] == language


@pytest.mark.parametrize(
    "code", ["not-acceptable", "method-not-allowed", "not-found", "too-large", "internal-error"]
)
def test_the_codes_of_the_web_are_codes_of_the_vocabulary(code: str):
    assert code in PROBLEMS


async def test_what_only_the_operator_knows_is_in_the_log_under_the_same_id(client: Any, flows: FakeFlows):
    flows.refusal = Misconfigured("unavailable", "/srv/keys is empty")
    with capture_logs() as lines:
        response = await client.post("/inbox", data=b"{}", headers={"Content-Type": LD})
    (said,) = [line for line in lines if line["event"] == "misconfigured"]
    assert said["detail"] == "/srv/keys is empty"
    assert said["id"] == response.headers["X-Request-Id"]
