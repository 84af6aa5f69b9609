"""What programs ask by themselves: the metadata, tokens for a code, new ones for old, and goodbye."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp.test_utils import TestClient

from fedcoop.flow import access, programs
from fedcoop.protocol.oauth import Ask, Client
from fedcoop.web.admission import Rates
from fedcoop.web.services import Services
from tests.web.conftest import Serve
from tests.web.pages_server import Answer, Served

APP = "https://app.example/program.json"
CB = "https://app.example/cb"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
ASK = Ask(Client(APP, "Agenda", (CB,)), CB, ("read",), None, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def code(served: Served) -> Iterator[str]:
    world, malo = served.scene.nantes.world, served.scene.malo

    async def allowed() -> str:
        begun = await access.new_token(world, malo, name="t", wanted=["read", "write"])
        session = await access.begin_session(world, begun.kept)
        return await programs.allow(session.kept, ASK, world)

    yield served.run(allowed())
    served.run(access.revoke_all(world, malo))


def post(served: Served, path: str, fields: Any, **headers: str) -> Answer:
    given = fields if isinstance(fields, bytes) else {name: value for name, value in fields.items() if value}
    body = given if isinstance(given, bytes) else urlencode(given).encode()
    return served._ask("POST", path, body, {**FORM, **headers})


def for_code(code: str, **changed: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code", "code": code, "redirect_uri": CB, "client_id": APP,
        "code_verifier": VERIFIER, **changed,
    }  # fmt: skip


def error(answer: Answer) -> str:
    told = json.loads(answer.text)
    assert answer.headers["Content-Type"] == "application/json"
    assert (answer.status, told["status"]) == (400, 400)
    assert told["error_description"]
    assert "/problems/" in told["type"]
    return str(told["error"])


def reads(served: Served, token: str) -> int:
    inbox = served.path(served.scene.malo) + "/inbox"
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/activity+json"}
    return served._ask("GET", inbox, None, headers).status


def test_programs_find_out_what_there_is(served: Served):
    answer = served.get("/.well-known/oauth-authorization-server", accept="application/json")
    told = json.loads(answer.text)
    assert (answer.headers["Content-Type"], answer.headers["Access-Control-Allow-Origin"]) == (
        "application/json", "*",
    )  # fmt: skip
    assert told["issuer"] == served.base
    assert told["token_endpoint"] == f"{served.base}/oauth/token"


def test_a_code_a_token_a_new_one_and_goodbye(served: Served, code: str):
    answer = post(served, "/oauth/token", for_code(code))
    told = json.loads(answer.text)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert (told["token_type"], told["expires_in"], told["scope"], told["actor"]) == (
        "Bearer", 3600, "read", served.scene.malo,
    )  # fmt: skip
    assert reads(served, told["access_token"]) == 200
    asked = {"grant_type": "refresh_token", "refresh_token": told["refresh_token"], "client_id": APP}
    renewed = json.loads(post(served, "/oauth/token", asked).text)
    assert (reads(served, renewed["access_token"]), reads(served, told["access_token"])) == (200, 401)
    ended = post(served, "/oauth/revoke", {"token": renewed["refresh_token"], "client_id": APP})
    assert (ended.status, reads(served, renewed["access_token"])) == (200, 401)
    # Again, it is as ended as it was.
    assert post(served, "/oauth/revoke", {"token": renewed["refresh_token"], "client_id": APP}).status == 200


def test_a_code_that_comes_again_ends_the_token_given_for_it(served: Served, code: str):
    told = json.loads(post(served, "/oauth/token", for_code(code)).text)
    assert error(post(served, "/oauth/token", for_code(code))) == "invalid_grant"
    assert reads(served, told["access_token"]) == 401


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
        ({"code": ""}, "invalid_request"),
        ({"client_id": ""}, "invalid_request"),
        ({"redirect_uri": ""}, "invalid_request"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"code": "x.y"}, "invalid_grant"),
    ],
)
def test_a_request_that_gives_no_token_says_why(
    served: Served, code: str, changed: dict[str, str], expected: str
):
    assert error(post(served, "/oauth/token", {**for_code(code), **changed})) == expected
    # Nothing was used up by it.
    assert post(served, "/oauth/token", for_code(code)).status == 200


@pytest.mark.parametrize("verifier", ["e" * 43, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"])
def test_a_code_without_its_proof_gives_nothing(served: Served, code: str, verifier: str):
    assert error(post(served, "/oauth/token", for_code(code, code_verifier=verifier))) == "invalid_grant"


def test_a_parameter_is_there_once_and_in_the_body(served: Served, code: str):
    twice = urlencode(for_code(code)).encode() + b"&client_id=x"
    assert error(post(served, "/oauth/token", twice)) == "invalid_request"
    assert error(post(served, f"/oauth/token?{urlencode(for_code(code))}", b"")) == "unsupported_grant_type"
    assert error(post(served, "/oauth/token", b"%ff")) == "invalid_request"
    assert error(post(served, "/oauth/token", b"\xff=1")) == "invalid_request"
    assert (
        error(post(served, "/oauth/token", b"&".join(b"a%d=1" % n for n in range(50)))) == "invalid_request"
    )
    assert (
        error(post(served, "/oauth/token", b"{}", **{"Content-Type": "application/json"}))
        == "invalid_request"
    )
    plain = post(served, "/oauth/token", for_code(code), **{"Content-Type": "text/plain"})
    assert error(plain) == "invalid_request"
    assert error(post(served, "/oauth/token", b"a=" + b"x" * 10_000)) == "invalid_request"
    assert error(post(served, "/oauth/revoke", {"token": "x"})) == "invalid_request"


async def test_whoever_asks_too_often_waits(services: Services, serve: Serve):
    rates = Rates(programs_per_address=(3, timedelta(minutes=1)), trusted_proxies=frozenset({"127.0.0.1"}))
    client: TestClient = await serve(replace(services, rates=rates))

    async def status(path: str, address: str) -> int:
        asked = {"token": "x"}
        return (await client.post(path, data=asked, headers={"X-Forwarded-For": address})).status

    statuses = [await status(path, "192.0.2.7") for path in ("/oauth/token", "/oauth/revoke") * 2]
    assert statuses == [400, 400, 400, 429]
    assert await status("/oauth/token", "192.0.2.8") == 400
