"""Who is asking."""

from __future__ import annotations

from typing import Any

import pytest

from fedcoop.errors import Unverified
from fedcoop.flow import access
from fedcoop.protocol import limits
from fedcoop.web.auth import SESSION_COOKIE
from tests.conftest import StoppedClock
from tests.web.conftest import (
    ALICES_SIGN_IN,
    ALICES_TOKEN,
    MEMBERS,
    FakeReader,
    an_object,
    bearer,
    code_of,
)

HTML = {"Accept": "text/html"}
COOKIE = {"Cookie": f"{SESSION_COOKIE}={ALICES_SIGN_IN}"}


@pytest.fixture(autouse=True)
def a_mission_among_members(reader: FakeReader) -> None:
    reader.put(an_object("/missions/x", readers=[MEMBERS]))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_token_opens(client: Any, scheme: str):
    headers = {"Authorization": f"{scheme} {ALICES_TOKEN}"}
    assert (await client.get("/missions/x", headers=headers)).status == 200


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        ALICES_TOKEN,
        f"Bearer {ALICES_TOKEN},{ALICES_TOKEN}",
        "Bearer " + "a" * 600,
        f"Bearer {ALICES_TOKEN}x",
        f"Token {ALICES_TOKEN}",
    ],
)
async def test_what_is_not_one_good_token_is_401_even_for_public_things(client: Any, value: str):
    for path in ("/missions/x", "/actors/coop/outbox", "/api/v1/board"):
        response = await client.get(path, headers={"Authorization": value})
        assert (response.status, await code_of(response)) == (401, "token-invalid")


async def test_two_tokens_are_none(client: Any):
    headers = [("Authorization", f"Bearer {ALICES_TOKEN}")] * 2
    assert (await client.get("/missions/x", headers=headers)).status == 401


async def test_a_cookie_opens_pages_and_nothing_else(client: Any):
    assert (await client.get("/missions/x", headers={**COOKIE, **HTML})).status == 200
    assert (await client.get("/missions/x", headers=COOKIE)).status == 404
    assert (await client.get("/api/v1/lookup?uri=x", headers={**COOKIE, **HTML})).status == 401
    assert (await client.post("/actors/alice/outbox", headers={**COOKIE, **HTML}, data=b"{}")).status == 401


async def test_what_is_in_a_cookie_is_no_token_and_a_token_no_cookie(client: Any):
    assert (await client.get("/missions/x", headers={**HTML, **bearer(ALICES_SIGN_IN)})).status == 401
    pasted = {"Cookie": f"{SESSION_COOKIE}={ALICES_TOKEN}", **HTML}
    assert (await client.get("/missions/x", headers=pasted)).status == 404


@pytest.mark.parametrize("name", ["fedcoop_session", "fedcoop_token", "__host-fedcoop_session"])
async def test_over_https_no_other_site_of_the_domain_can_set_the_cookie(client: Any, name: str):
    assert (
        await client.get("/missions/x", headers={"Cookie": f"{name}={ALICES_SIGN_IN}", **HTML})
    ).status == 404


async def test_an_old_cookie_is_no_token_and_no_refusal(client: Any):
    old = {"Cookie": f"{SESSION_COOKIE}=old", **HTML}
    assert (await client.get("/", headers=old)).status == 200
    assert (await client.get("/missions/x", headers=old)).status == 404


async def test_a_token_outranks_a_cookie(client: Any):
    assert (await client.get("/missions/x", headers={**COOKIE, **HTML, **bearer("bad")})).status == 401


async def test_a_token_is_never_taken_from_the_url(client: Any):
    assert (await client.get(f"/missions/x?access_token={ALICES_TOKEN}")).status == 404


async def test_whoever_tries_many_bad_tokens_waits(client: Any, clock: StoppedClock):
    count, period = limits.SIGN_IN_RATE_PER_ADDRESS
    stranger = {"X-Forwarded-For": "203.0.113.5"}
    for _ in range(count):
        assert (await client.get("/missions/x", headers={**stranger, **bearer("guess")})).status == 401
    assert (await client.get("/missions/x", headers={**stranger, **bearer("guess")})).status == 429
    assert (await client.get("/missions/x", headers={**stranger, **bearer(ALICES_TOKEN)})).status == 429
    other = {"X-Forwarded-For": "203.0.113.6"}
    assert (await client.get("/missions/x", headers={**other, **bearer(ALICES_TOKEN)})).status == 200
    clock.advance(seconds=period.total_seconds())
    assert (await client.get("/missions/x", headers={**stranger, **bearer(ALICES_TOKEN)})).status == 200


async def test_good_tokens_are_not_counted(client: Any):
    count, _ = limits.SIGN_IN_RATE_PER_ADDRESS
    headers = {"X-Forwarded-For": "203.0.113.5", **bearer(ALICES_TOKEN)}
    assert {(await client.get("/missions/x", headers=headers)).status for _ in range(count * 2)} == {200}


async def test_the_token_is_looked_up_once_a_request(client: Any, monkeypatch: pytest.MonkeyPatch):
    asked = []

    async def token_behind(token: str, world: Any) -> str:
        asked.append(token)
        raise Unverified("token-invalid", "No.")

    monkeypatch.setattr(access, "session_behind", token_behind)
    await client.get("/missions/x", headers={**COOKIE, **HTML})
    assert asked == [ALICES_SIGN_IN]
