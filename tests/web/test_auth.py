"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from fedcoop.errors import Forbidden, Unverified
from fedcoop.flow import access, visiting
from fedcoop.flow.visiting import Visitor
from fedcoop.flow.world import World
from fedcoop.protocol import limits
from fedcoop.protocol.messages import RawRequest
from fedcoop.protocol.shape import PUBLIC
from fedcoop.web.admission import Rates
from fedcoop.web.auth import SESSION_COOKIE
from fedcoop.web.services import Services
from tests.conftest import NOON, StoppedClock
from tests.web.conftest import (
    ALICES_SIGN_IN,
    ALICES_TOKEN,
    BASE,
    BOB,
    COOP,
    MEMBERS,
    FakeFlows,
    FakeReader,
    Serve,
    an_activity,
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


# -- peers, by their signature ---------------------------------------------------------------------------------------

AS2 = {"Accept": "application/activity+json"}
SIGNED = {**AS2, "Signature": "sig1=:AA==:"}
READ = ("/missions/x", "/actors/coop/outbox", "/actors/coop/missions", "/activities/1", "/api/v1/board")


BOBS = Visitor(
    BOB, "https://coop-b.example", frozenset({PUBLIC, BOB, f"{COOP}/followers"}), False, True, True
)


@dataclass
class Gate:
    """Stands in for `visiting.visitor_of`: whoever signs is Bob, whose co-op follows ours."""

    asked: list[RawRequest] = field(default_factory=list)
    answer: Visitor | Exception | None = BOBS

    async def visitor_of(self, request: RawRequest, *, world: World) -> Visitor | None:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, reader: FakeReader) -> Gate:
    gate = Gate()
    monkeypatch.setattr(visiting, "visitor_of", gate.visitor_of)
    reader.put(
        an_object("/missions/f", readers=[f"{COOP}/followers"]),
        an_object("/missions/p"),
        an_object("/rules/r", object_class="PricingRule"),
        an_activity("/activities/1"),
        an_activity("/activities/f", to=[f"{COOP}/followers"]),
    )
    return gate


@pytest.fixture
async def closed(services: Services, flows: FakeFlows, serve: Serve, gate: Gate) -> Any:
    """An instance where only peers read."""
    instance = replace(services.world.instance, signed_reads=True)
    return await serve(replace(services, world=replace(services.world, instance=instance)))


async def test_a_signature_opens_what_is_for_its_peer(client: Any, gate: Gate):
    for path in ("/missions/f", "/activities/f"):
        assert (await client.get(path, headers=AS2)).status == 404
        assert (await client.get(path, headers=SIGNED)).status == 200
    assert (await client.get("/missions/x", headers=SIGNED)).status == 404
    assert {(one.method, one.target, one.body) for one in gate.asked} == {
        ("GET", path, b"") for path in ("/missions/f", "/activities/f", "/missions/x")
    }


async def test_what_a_peer_may_not_see_is_to_it_as_what_is_not_there(client: Any, gate: Gate):
    hidden = await client.get("/missions/x", headers=SIGNED)
    absent = await client.get("/missions/nothing", headers=SIGNED)
    assert (
        (hidden.status, await code_of(hidden)) == (absent.status, await code_of(absent)) == (404, "not-found")
    )


async def test_what_was_shown_to_a_peer_stays_with_it(client: Any, gate: Gate):
    for path in ("/missions/p", "/activities/1", "/actors/coop/outbox?page=first", "/actors/coop/followers"):
        for headers, cache in ((AS2, "public, no-cache"), (SIGNED, "private, no-store")):
            response = await client.get(path, headers=headers)
            assert (response.status, response.headers["Cache-Control"]) == (200, cache)
            assert {"Signature", "Signature-Input"} <= {
                v.strip() for v in response.headers["Vary"].split(",")
            }


async def test_that_something_is_gone_stays_with_whom_it_was_for(client: Any, gate: Gate, reader: FakeReader):
    reader.put(
        an_object("/missions/g", readers=[f"{COOP}/followers"], deleted_at=NOON, former_type="Mission")
    )
    assert (await client.get("/missions/g", headers=AS2)).status == 404
    gone = await client.get("/missions/g", headers=SIGNED)
    assert (gone.status, gone.headers["Cache-Control"]) == (410, "private, no-store")


async def test_what_is_signed_is_counted_where_unsigned_it_is_not(
    services: Services, serve: Serve, gate: Gate
):
    client = await serve(replace(services, rates=Rates(reads_per_address=(1, timedelta(minutes=5)))))
    proxied = {"X-Forwarded-For": "192.0.2.1"}
    for _ in range(3):
        assert (await client.get("/actor", headers={**AS2, **proxied})).status == 200
    answers = [(await client.get("/actor", headers={**SIGNED, **proxied})).status for _ in range(2)]
    assert answers == [200, 429]


async def test_a_peer_is_told_how_many_follow_and_not_who(client: Any, gate: Gate, reader: FakeReader):
    reader.follows[(COOP, "followers")] = [BOB, f"{BASE}/actors/alice"]
    for path in ("followers?page=first", "members?page=first"):
        response = await client.get(f"/actors/coop/{path}", headers=SIGNED)
        assert response.status == 200
        assert "orderedItems" not in await response.json(content_type=None)


async def test_a_bad_signature_is_refused_even_for_what_is_public(client: Any, gate: Gate):
    gate.answer = Unverified("signature-invalid", "No.")
    for path in ("/missions/p", *READ):
        response = await client.get(path, headers=SIGNED)
        assert (response.status, await code_of(response)) == (401, "signature-invalid")
        assert response.headers["Accept-Signature"] == 'sig1=("@method" "@target-uri");created'
        assert response.headers["WWW-Authenticate"].endswith('headers="(request-target) host date"')
    gate.answer = Forbidden("blocked", "No.")
    assert (await client.get("/missions/p", headers=SIGNED)).status == 403


async def test_who_follows_at_a_server_is_told_to_it_alone(client: Any, gate: Gate, reader: FakeReader):
    path = "/actors/coop/followers/synchronization"
    reader.follows[COOP, "followers"] = ["https://alpes.example/actors/coop", BOB]
    for headers in (AS2, {**AS2, **bearer(ALICES_TOKEN)}, {**AS2, **COOKIE}):
        response = await client.get(path, headers=headers)
        assert (response.status, await code_of(response)) == (401, "signature-missing")
    assert gate.asked == []
    shown = await client.get(path, headers={**SIGNED, **bearer(ALICES_TOKEN)})
    assert (shown.status, shown.headers["Cache-Control"]) == (200, "private, no-store")
    assert (await shown.json(content_type=None))["orderedItems"] == [BOB]
    gate.answer = None
    stranger = await client.get(path, headers=SIGNED)
    assert (stranger.status, await code_of(stranger)) == (403, "not-in-allow-list")
    gate.answer = BOBS
    assert (await client.get("/actors/nobody/followers/synchronization", headers=SIGNED)).status == 404


async def test_keys_and_actors_are_read_without_a_look_at_signatures(
    client: Any, gate: Gate, reader: FakeReader
):
    gate.answer = Unverified("signature-invalid", "No.")
    reader.put(an_object("/actors/coop/keys", object_class="KeyHistory"))
    for path in (
        "/actor",
        "/actors/coop",
        "/actors/coop/keys",
        "/.well-known/webfinger?resource=acct:coop@coop-a.example",
    ):
        assert (await client.get(path, headers=SIGNED)).status == 200, path
    assert gate.asked == []


async def test_a_signature_makes_nobody_of_ours_somebody_else(client: Any, gate: Gate):
    gate.answer = Unverified("signature-invalid", "No.")
    assert (await client.get("/missions/x", headers={**SIGNED, **bearer(ALICES_TOKEN)})).status == 200
    assert (await client.get("/missions/x", headers={**SIGNED, **COOKIE, **HTML})).status == 200
    assert (await client.get("/missions/p", headers={**SIGNED, **HTML})).status == 200
    assert gate.asked == []


async def test_a_peer_is_shown_documents_and_no_page(client: Any, gate: Gate):
    """A page would say besides what a page says to anybody, under a cache header for anybody."""
    accept = "application/problem+json;q=0.9, text/html;q=0.5"
    assert (await client.get("/missions/f", headers={**SIGNED, "Accept": accept})).status == 406


async def test_the_ways_to_somewhere_else_are_the_same_for_everybody(client: Any, gate: Gate):
    for path in ("/", "/missions"):
        found = [await client.get(path, headers=h, allow_redirects=False) for h in (AS2, SIGNED)]
        assert [one.status for one in found] == [303, 303]
        assert len({one.headers["Location"] for one in found}) == 1
    hidden = await client.get("/missions/x", headers=SIGNED, allow_redirects=False)
    assert "Location" not in hidden.headers


async def test_a_peer_that_signs_is_shown_no_page_of_a_message(client: Any, gate: Gate):
    odd = {**SIGNED, "Accept": "application/problem+json, text/html;q=0.5, application/activity+json;q=0.1"}
    assert (await client.get("/activities/1", headers=odd)).content_type == "application/activity+json"


async def test_where_only_peers_read_the_unsigned_are_asked_to_sign(closed: Any, gate: Gate):
    for path in (
        *READ,
        "/missions/nothing",
        "/rules/r",
        "/actors/coop",
        "/actors/nobody",
        "/actors/coop/followers",
    ):
        response = await closed.get(path, headers=AS2)
        assert (response.status, await code_of(response)) == (401, "signature-missing"), path
        assert response.headers["Accept-Signature"]
    assert gate.asked == []
    for path in ("/missions/p", "/activities/1", "/actors/coop", "/rules/r"):
        response = await closed.get(path, headers=SIGNED)
        assert (response.status, response.headers["Cache-Control"]) == (200, "private, no-store")
    assert (await closed.get("/missions/p", headers={**AS2, **bearer(ALICES_TOKEN)})).status == 200


async def test_where_only_peers_read_what_a_signature_needs_and_pages_stay_open(
    closed: Any, reader: FakeReader
):
    reader.put(an_object("/actors/coop/keys", object_class="KeyHistory"))
    webfinger = "/.well-known/webfinger?resource=acct:coop@coop-a.example"
    for path in (
        "/actor",
        "/actors/coop/keys",
        webfinger,
        "/nodeinfo/2.1",
        "/contexts/fedcoop/v1",
        "/api/v1/health",
    ):
        assert (await closed.get(path, headers=AS2 if "acti" in path else {})).status == 200, path
    for path in ("/", "/missions", "/missions/p", "/activities/1", "/actors/coop"):
        assert (await closed.get(path, headers=HTML)).status == 200, path


async def test_where_only_peers_read_nobody_gets_a_document_by_asking_for_a_page(closed: Any, gate: Gate):
    half = {"Accept": "text/html, application/activity+json;q=0.5"}
    for path in ("/rules/r", "/actors/coop/outbox", "/missions/p/history"):
        response = await closed.get(path, headers=half)
        assert response.status == 401, path
