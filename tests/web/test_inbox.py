"""The door: what is handed to the flow, and what never gets so far."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest

from fedcoop.errors import Conflict, Forbidden, Unverified
from fedcoop.protocol import limits
from fedcoop.web.admission import Rates
from fedcoop.web.auth import SESSION_COOKIE
from fedcoop.web.services import Services
from tests.web.conftest import (
    ALICE,
    ALICES_SIGN_IN,
    ALICES_TOKEN,
    BASE,
    COOPS_TOKEN,
    FakeFlows,
    FakeReader,
    Serve,
    bearer,
    code_of,
    problem_of,
)

LD = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
TYPED = {"Content-Type": LD}


async def test_a_message_is_accepted_once_the_flow_is_done(client: Any, flows: FakeFlows):
    response = await client.post("/inbox", data=b'{"a": 1}', headers=TYPED)
    assert response.status == 202
    assert await response.json() == {"outcome": "accepted"}
    (raw, inbox_of), *rest = flows.received
    assert rest == []
    assert (raw.method, raw.target, raw.body, inbox_of) == ("POST", "/inbox", b'{"a": 1}', None)


@pytest.mark.parametrize("outcome", ["accepted", "duplicate", "ignored"])
async def test_every_outcome_of_the_flow_is_a_202(client: Any, flows: FakeFlows, outcome: str):
    flows.outcome = outcome
    response = await client.post("/inbox", data=b"{}", headers=TYPED)
    assert (response.status, await response.json()) == (202, {"outcome": outcome})


@pytest.mark.parametrize(
    ("path", "inbox_of"),
    [
        ("/actors/alice/inbox", ALICE),
        ("/actor/inbox", f"{BASE}/actor"),
        ("/actors/coop/inbox", f"{BASE}/actors/coop"),
    ],
)
async def test_a_personal_inbox_is_somebodys(client: Any, flows: FakeFlows, path: str, inbox_of: str):
    assert (await client.post(path, data=b"{}", headers=TYPED)).status == 202
    assert flows.received[0][1] == inbox_of


async def test_repeated_headers_reach_the_flow(client: Any, flows: FakeFlows):
    headers = [("Content-Type", LD), ("Signature", "one"), ("Signature", "two")]
    await client.post("/inbox", data=b"{}", headers=headers)
    raw, _ = flows.received[0]
    assert raw.header_values("signature") == ("one", "two")


@pytest.mark.parametrize(
    "target", ["/inbox?a=%2f%2E&b=%7E", "/actors/alice/inbox?x=../y", "/actors/%61lice/inbox"]
)
async def test_the_target_is_the_bytes_of_the_request_line(client: Any, flows: FakeFlows, target: str):
    server = client.server
    reader, writer = await asyncio.open_connection(server.host, server.port)
    head = (
        f"POST {target} HTTP/1.1\r\nHost: coop-a.example\r\nContent-Type: {LD}\r\nContent-Length: 2\r\n\r\n"
    )
    writer.write(head.encode() + b"{}")
    assert (await reader.readline()).startswith(b"HTTP/1.1 202")
    writer.close()
    assert flows.received[0][0].target == target


@pytest.mark.parametrize(
    "content_type",
    [LD, "application/activity+json", "application/activity+json; charset=utf-8", "Application/LD+json"],
)
async def test_what_peers_send_is_taken(client: Any, content_type: str):
    response = await client.post("/inbox", data=b"{}", headers={"Content-Type": content_type})
    assert response.status == 202


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "x",
        "",
        'application/ld+json; profile="https://example.org/"',
    ],
)
async def test_another_content_type_is_415_and_goes_no_further(
    client: Any, flows: FakeFlows, content_type: str
):
    response = await client.post("/inbox", data=b"{}", headers={"Content-Type": content_type})
    assert response.status == 415
    assert await code_of(response) == "unsupported-media-type"
    assert flows.received == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", "gzip, gzip"])
async def test_a_compressed_body_is_415_and_is_not_unpacked(client: Any, flows: FakeFlows, encoding: str):
    headers = {**TYPED, "Content-Encoding": encoding}
    response = await client.post("/inbox", data=b"\x1f\x8b not gzip", headers=headers)
    assert (response.status, await code_of(response)) == (415, "content-encoding")
    assert flows.received == []


async def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_not(client: Any, flows: FakeFlows):
    at_limit = await client.post("/inbox", data=BytesIO(b" " * limits.MAX_BODY), headers=TYPED)
    assert at_limit.status == 202
    over = await client.post("/inbox", data=BytesIO(b" " * (limits.MAX_BODY + 1)), headers=TYPED)
    assert over.status == 413
    problem = await problem_of(over)
    assert problem["expected"] == f"at most {limits.MAX_BODY} bytes"
    assert over.headers["Connection"] == "close"
    assert len(flows.received) == 1


async def test_a_body_whose_length_is_not_announced_is_counted(client: Any, flows: FakeFlows):
    async def endless() -> Any:
        for _ in range(40):
            yield b" " * 64 * limits.KIB

    try:
        response = await client.post("/inbox", data=endless(), headers=TYPED)
        assert response.status == 413
    except OSError:
        pass  # The server hung up while we were still sending, which is as good.
    assert flows.received == []


async def test_a_body_that_drips_is_given_up(client: Any, flows: FakeFlows, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "BODY_READ_TIME", limits.BODY_READ_TIME / 100)

    async def drip() -> Any:
        yield b"{"
        await asyncio.sleep(5)
        yield b"}"

    sending = asyncio.create_task(client.post("/inbox", data=drip(), headers=TYPED))
    done, _ = await asyncio.wait({sending}, timeout=3)
    assert done, "the server waits for the drip"
    response = sending.result()
    assert (response.status, response.headers["Retry-After"]) == (503, "5")
    assert flows.received == []


async def test_a_body_slower_than_the_least_rate_is_given_up(
    client: Any, flows: FakeFlows, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(limits, "BODY_GRACE", limits.BODY_GRACE / 100)
    monkeypatch.setattr(limits, "MIN_BODY_RATE", 10_000)

    async def slow() -> Any:
        for _ in range(100):
            yield b" "
            await asyncio.sleep(0.02)

    try:
        response = await client.post("/inbox", data=slow(), headers=TYPED)
        assert response.status == 503
    except OSError:
        pass
    assert flows.received == []


async def test_too_many_at_once_is_503_and_passes(services: Services, flows: FakeFlows, serve: Serve):
    client = await serve(replace(services, rates=Rates(open_in_all=2)))
    inside, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def wait() -> None:
        inside.release()
        await go_on.wait()

    flows.before = wait
    waiting = [asyncio.create_task(client.post("/inbox", data=b"{}", headers=TYPED)) for _ in range(2)]
    for _ in waiting:
        await inside.acquire()
    refused = await client.post("/inbox", data=b"{}", headers=TYPED)
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    go_on.set()
    assert [(await task).status for task in waiting] == [202, 202]
    flows.before = None
    assert (await client.post("/inbox", data=b"{}", headers=TYPED)).status == 202


async def test_too_many_bytes_at_once_is_503(services: Services, flows: FakeFlows, serve: Serve):
    client = await serve(replace(services, rates=Rates(bodies_in_all=100)))
    assert (await client.post("/inbox", data=b" " * 101, headers=TYPED)).status == 503
    assert (await client.post("/inbox", data=b" " * 100, headers=TYPED)).status == 202
    assert (await client.post("/inbox", data=b" " * 100, headers=TYPED)).status == 202, (
        "the room is given back"
    )


async def test_one_address_has_only_so_many_open_requests(services: Services, flows: FakeFlows, serve: Serve):
    client = await serve(replace(services, rates=Rates(open_per_address=1)))
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        inside.set()
        await go_on.wait()

    flows.before = wait
    mine, other = ({**TYPED, "X-Forwarded-For": a} for a in ("203.0.113.5", "203.0.113.6"))
    first = asyncio.create_task(client.post("/inbox", data=b"{}", headers=mine))
    await inside.wait()
    assert (await client.post("/inbox", data=b"{}", headers=mine)).status == 503
    second = asyncio.create_task(client.post("/inbox", data=b"{}", headers=other))
    go_on.set()
    assert ((await first).status, (await second).status) == (202, 202)


async def test_an_address_that_sends_unsigned_messages_has_to_wait(
    services: Services, flows: FakeFlows, serve: Serve
):
    client = await serve(services)
    flows.refusal = Unverified("signature-missing", "Not signed.")
    stranger = {**TYPED, "X-Forwarded-For": "203.0.113.5"}
    limit, _ = limits.INBOX_RATE_PER_ADDRESS
    for _ in range(limit):
        assert (await client.post("/inbox", data=b"{}", headers=stranger)).status == 401
    refused = await client.post("/inbox", data=b"{}", headers=stranger)
    assert (refused.status, await code_of(refused)) == (429, "rate-limited")
    assert int(refused.headers["Retry-After"]) >= 1
    assert len(flows.received) == limit


async def test_a_peer_that_says_too_much_has_to_wait_and_others_do_not(
    services: Services, flows: FakeFlows, serve: Serve
):
    rates = Rates(inbox_per_peer=(3, limits.INBOX_RATE_PER_PEER[1]))
    client = await serve(replace(services, rates=rates))
    signed = {**TYPED, "Signature": 'keyId="https://coop-b.example/actors/coop#main-key",signature="x"'}
    for _ in range(3):
        assert (await client.post("/inbox", data=b"{}", headers=signed)).status == 202
    refused = await client.post("/inbox", data=b"{}", headers=signed)
    assert (refused.status, (await refused.json(content_type=None))["type"].rsplit("/", 1)[-1]) == (
        429,
        "rate-limited",
    )
    # Three in five minutes: the next one is let in after a third of them.
    assert refused.headers["Retry-After"] == "100"
    other = {**TYPED, "Signature-Input": 'sig1=();keyid="https://coop-c.example/actors/coop#ed25519-1"'}
    assert (await client.post("/inbox", data=b"{}", headers=other)).status == 202


async def test_nobody_uses_up_a_peers_share_by_naming_it(services: Services, flows: FakeFlows, serve: Serve):
    rates = Rates(inbox_per_peer=(3, limits.INBOX_RATE_PER_PEER[1]))
    client = await serve(replace(services, rates=rates))
    named = {**TYPED, "Signature": 'keyId="https://coop-b.example/actors/coop#main-key",signature="x"'}
    flows.refusal = Unverified("signature-invalid", "Forged.")
    for _ in range(10):
        assert (await client.post("/inbox", data=b"{}", headers=named)).status == 401
    flows.refusal = None
    assert (await client.post("/inbox", data=b"{}", headers=named)).status == 202


async def test_a_refusal_after_the_signature_counts_against_the_peer(
    services: Services, flows: FakeFlows, serve: Serve
):
    rates = Rates(inbox_per_peer=(3, limits.INBOX_RATE_PER_PEER[1]))
    client = await serve(replace(services, rates=rates))
    signed = {**TYPED, "Signature": 'keyId="https://coop-b.example/actors/coop#main-key",signature="x"'}
    flows.refusal = Forbidden("frozen", "Nothing new.")
    assert (await client.post("/inbox", data=b"{}", headers=signed)).status == 403
    flows.refusal = Conflict("stale", "Too late.")
    statuses = [(await client.post("/inbox", data=b"{}", headers=signed)).status for _ in range(4)]
    assert statuses == [409, 409, 429, 429]


async def test_a_peer_of_a_development_set_up_is_not_counted(
    services: Services, flows: FakeFlows, serve: Serve
):
    peer = "http://127.0.0.1:8102"
    instance = replace(services.world.instance, allow_origins=frozenset({peer}))
    rates = Rates(inbox_per_peer=(1, limits.INBOX_RATE_PER_PEER[1]))
    client = await serve(replace(services, world=replace(services.world, instance=instance), rates=rates))
    signed = {**TYPED, "Signature": f'keyId="{peer}/actors/coop#main-key",signature="x"'}
    assert [(await client.post("/inbox", data=b"{}", headers=signed)).status for _ in range(5)] == [202] * 5


# -- reading ---------------------------------------------------------------------------------------------


async def test_an_inbox_is_read_by_its_owner_newest_first(client: Any, reader: FakeReader):
    reader.inboxes[ALICE] = [{"id": f"https://coop-b.example/activities/{n}"} for n in range(1, 4)]
    whole = await (await client.get("/actors/alice/inbox", headers=bearer(ALICES_TOKEN))).json(
        content_type=None
    )
    assert (whole["type"], whole["totalItems"]) == ("OrderedCollection", 3)
    assert whole["first"] == f"{ALICE}/inbox?page=first"
    page = await client.get("/actors/alice/inbox?page=first", headers=bearer(ALICES_TOKEN))
    items = (await page.json(content_type=None))["orderedItems"]
    assert [item["id"].rpartition("/")[2] for item in items] == ["3", "2", "1"]
    assert page.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "token-missing"),
        (bearer("unknown"), 401, "token-invalid"),
        ({"Authorization": "Basic YTpi"}, 401, "token-invalid"),
        (bearer(COOPS_TOKEN), 403, "not-owner"),
        ({"Cookie": f"{SESSION_COOKIE}={ALICES_SIGN_IN}"}, 401, "token-missing"),
    ],
)
async def test_an_inbox_is_read_by_nobody_else(
    client: Any, reader: FakeReader, headers: dict[str, str], status: int, code: str
):
    reader.inboxes[ALICE] = [{"id": "https://coop-b.example/activities/secret"}]
    response = await client.get("/actors/alice/inbox?page=first", headers=headers)
    assert (response.status, await code_of(response)) == (status, code)
    assert "secret" not in await response.text()


async def test_the_shared_inbox_is_not_read_at_all(client: Any):
    response = await client.get("/inbox", headers=bearer(ALICES_TOKEN))
    assert (response.status, response.headers["Allow"]) == (405, "POST")
    assert await code_of(response) == "method-not-allowed"
