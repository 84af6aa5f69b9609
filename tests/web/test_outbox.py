"""Speaking with a token, and reading what was said."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest

from fedcoop.errors import Invalid
from fedcoop.protocol import limits
from fedcoop.protocol.shape import PUBLIC
from fedcoop.web.auth import SESSION_COOKIE
from tests.web.conftest import (
    ALICE,
    ALICES_SIGN_IN,
    ALICES_TOKEN,
    BASE,
    BOB,
    COOP,
    COOPS_TOKEN,
    MEMBERS,
    FakeFlows,
    FakeReader,
    an_activity,
    bearer,
    code_of,
)

AS2 = {"Content-Type": "application/activity+json"}
ALICES = {**AS2, **bearer(ALICES_TOKEN)}


async def test_what_the_owner_posts_is_published_and_shown_where(client: Any, flows: FakeFlows):
    response = await client.post("/actors/alice/outbox", data=b'{"type": "Note"}', headers=ALICES)
    assert response.status == 201
    assert response.headers["Location"] == f"{BASE}/activities/1"
    assert response.content_type == "application/activity+json"
    assert (await response.json(content_type=None))["id"] == f"{BASE}/activities/1"
    assert flows.submitted == [(ALICE, {"type": "Note"}, None)]


@pytest.mark.parametrize(
    "content_type", ["application/activity+json", "application/ld+json", "application/json"]
)
async def test_a_client_may_send_plain_json_too(client: Any, content_type: str):
    headers = {**ALICES, "Content-Type": content_type}
    assert (await client.post("/actors/alice/outbox", data=b"{}", headers=headers)).status == 201


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "token-missing"),
        (bearer("unknown"), 401, "token-invalid"),
        (bearer(COOPS_TOKEN), 403, "not-owner"),
        ({"Cookie": f"{SESSION_COOKIE}={ALICES_SIGN_IN}"}, 401, "token-missing"),
        ({"Cookie": f"{SESSION_COOKIE}={ALICES_SIGN_IN}", "Accept": "text/html"}, 401, "token-missing"),
        ({"Authorization": "Bearer"}, 401, "token-invalid"),
        ({"Authorization": f"Bearer {ALICES_TOKEN} {COOPS_TOKEN}"}, 401, "token-invalid"),
    ],
)
async def test_nobody_speaks_for_another(
    client: Any, flows: FakeFlows, headers: dict[str, str], status: int, code: str
):
    response = await client.post("/actors/alice/outbox", data=b"{}", headers={**AS2, **headers})
    assert (response.status, await code_of(response)) == (status, code)
    assert flows.submitted == []


async def test_an_outbox_that_is_nobodys_is_like_anothers(client: Any, flows: FakeFlows):
    response = await client.post("/actors/nobody/outbox", data=b"{}", headers=ALICES)
    assert (response.status, await code_of(response)) == (403, "not-owner")
    assert flows.submitted == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed-json"),
        (b"[]", 400, "malformed-json"),
        (b'{"a": 1, "a": 2}', 400, "duplicate-key"),
        (b'{"a": NaN}', 400, "number-not-allowed"),
        (b'{"a": "\xff"}', 400, "bad-encoding"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, 400, "too-deep"),
        (b" " * (limits.MAX_BODY + 1), 413, "too-large"),
    ],
    ids=["cut", "array", "twice", "nan", "latin", "deep", "large"],
)
async def test_a_bad_body_is_refused(client: Any, flows: FakeFlows, body: bytes, status: int, code: str):
    response = await client.post("/actors/alice/outbox", data=BytesIO(body), headers=ALICES)
    assert (response.status, await code_of(response)) == (status, code)
    assert flows.submitted == []


async def test_another_content_type_is_415(client: Any):
    headers = {**bearer(ALICES_TOKEN), "Content-Type": "application/x-www-form-urlencoded"}
    response = await client.post("/actors/alice/outbox", data=b"type=Note", headers=headers)
    assert (response.status, await code_of(response)) == (415, "unsupported-media-type")


async def test_a_refusal_of_the_flow_is_shown(client: Any, flows: FakeFlows):
    flows.refusal = Invalid("schema-invalid", "No title.")
    response = await client.post("/actors/alice/outbox", data=b"{}", headers=ALICES)
    assert (response.status, await code_of(response)) == (422, "schema-invalid")


async def test_an_idempotency_key_reaches_the_flow(client: Any, flows: FakeFlows):
    headers = {**ALICES, "Idempotency-Key": "k-1"}
    assert (await client.post("/actors/alice/outbox", data=b"{}", headers=headers)).status == 201
    assert flows.submitted[0][2] == "k-1"


@pytest.mark.parametrize("keys", [[""], ["a b"], ["é"], ["k" * 256], ["one", "two"]])
async def test_an_idempotency_key_that_cannot_be_one_is_refused(
    client: Any, flows: FakeFlows, keys: list[str]
):
    headers = [*ALICES.items(), *(("Idempotency-Key", key) for key in keys)]
    response = await client.post("/actors/alice/outbox", data=b"{}", headers=headers)
    assert (response.status, await code_of(response)) == (400, "malformed-request")
    assert flows.submitted == []


@pytest.mark.parametrize(
    ("headers", "seen", "readers"),
    [
        ({}, ["1"], (PUBLIC,)),
        (bearer(ALICES_TOKEN), ["2", "1"], (PUBLIC, ALICE, MEMBERS)),
        (bearer(COOPS_TOKEN), ["3", "2", "1"], None),
    ],
    ids=["anybody", "a member", "the owner"],
)
async def test_an_outbox_shows_to_each_what_each_may_read(
    client: Any, reader: FakeReader, headers: dict[str, str], seen: list[str], readers: Any
):
    reader.put(
        an_activity("/activities/1"),
        an_activity("/activities/2", to=[MEMBERS]),
        an_activity("/activities/3", to=[BOB]),
    )
    response = await client.get("/actors/coop/outbox?page=first", headers=headers)
    page = await response.json(content_type=None)
    assert [item["id"].rpartition("/")[2] for item in page["orderedItems"]] == seen
    assert (page["totalItems"], page["partOf"]) == (len(seen), f"{COOP}/outbox")
    assert reader.seen_by == [readers]
    public = response.headers["Cache-Control"].startswith("public")
    assert public == (not headers)


async def test_the_outbox_of_nobody_is_404(client: Any):
    response = await client.get("/actors/nobody/outbox")
    assert (response.status, await code_of(response)) == (404, "not-found")
