"""What we hold, what is on the board, whether we are well."""

from __future__ import annotations

from typing import Any

import pytest

import fedcoop
from fedcoop.flow import reading, reconciling, tracking
from fedcoop.protocol.messages import RawRequest
from fedcoop.protocol.shape import PUBLIC
from tests.conftest import StoppedClock
from tests.web.conftest import (
    ALICE,
    ALICES_TOKEN,
    BASE,
    MEMBERS,
    FakeReader,
    a_row,
    an_activity,
    an_actor,
    an_object,
    bearer,
    code_of,
)


async def test_a_member_looks_up_what_is_stored(client: Any, reader: FakeReader):
    reader.put(
        an_actor("bob", local=False, base="https://coop-b.example"),
        an_object("/missions/x", readers=[MEMBERS]),
    )
    for uri in ("https://coop-b.example/actors/bob", f"{BASE}/missions/x"):
        response = await client.get("/api/v1/lookup", params={"uri": uri}, headers=bearer(ALICES_TOKEN))
        assert (response.status, response.content_type) == (200, "application/activity+json")
        assert (await response.json(content_type=None))["id"] == uri
        assert response.headers["Cache-Control"] == "private, no-store"


async def test_a_lookup_says_by_what_way_it_came_when_asked(
    client: Any, reader: Any, monkeypatch: pytest.MonkeyPatch
):
    reader.put(an_object("/missions/1"))

    async def came(iri: str, **_: Any) -> list[dict[str, str]]:
        return [{"activity": iri, "way": "relayed"}]

    monkeypatch.setattr(reading, "came", came)
    for asked, told in (("true", [{"activity": f"{BASE}/missions/1", "way": "relayed"}]), ("no", None)):
        response = await client.get(
            "/api/v1/lookup",
            params={"uri": f"{BASE}/missions/1", "provenance": asked},
            headers=bearer(ALICES_TOKEN),
        )
        assert (await response.json(content_type=None)).get("fedcoopProvenance") == told


async def test_what_is_not_stored_or_not_for_the_member_is_404(client: Any, reader: FakeReader):
    reader.put(an_object("/missions/x", readers=["https://coop-b.example/actors/bob"]))
    for uri in ("https://coop-b.example/missions/unknown", f"{BASE}/missions/x", "nonsense"):
        response = await client.get("/api/v1/lookup", params={"uri": uri}, headers=bearer(ALICES_TOKEN))
        assert (response.status, await code_of(response)) == (404, "not-found")


async def test_nobody_looks_up_without_a_token(client: Any, monkeypatch: pytest.MonkeyPatch):
    async def blow_up(*_: object, **__: object) -> None:
        raise AssertionError("looked up for nobody")

    monkeypatch.setattr(reading, "lookup", blow_up)
    for headers, code in (({}, "token-missing"), (bearer("unknown"), "token-invalid")):
        response = await client.get("/api/v1/lookup", params={"uri": BASE}, headers=headers)
        assert (response.status, await code_of(response)) == (401, code)


@pytest.mark.parametrize("query", ["", "?uri=", "?uri=a&uri=b"])
async def test_one_uri_is_looked_up_at_a_time(client: Any, query: str):
    response = await client.get(f"/api/v1/lookup{query}", headers=bearer(ALICES_TOKEN))
    assert (response.status, await code_of(response)) == (400, "malformed-request")


async def test_the_board_shows_to_each_what_each_may_read(client: Any, reader: FakeReader):
    public, shared = an_object("/missions/1"), an_object("/missions/2", readers=[MEMBERS])
    reader.put(public, shared)
    reader.rows = [a_row(public, title="Livraison"), a_row(shared)]
    anybody = await (await client.get("/api/v1/board")).json()
    assert anybody == {
        "total": 1,
        "items": [
            {
                "id": f"{BASE}/missions/1",
                "class": "Mission",
                "owner": f"{BASE}/actors/coop",
                "local": True,
                "state": "published",
                "relayScope": "public",
                "title": "Livraison",
                "rome": "N4104",
                "commune": "44109",
                "published": "2026-11-22T12:00:00Z",
                "start": None,
                "applyBefore": "2026-12-01T12:00:00Z",
                "distanceKm": None,
            }
        ],
        "next": None,
    }
    member = await (await client.get("/api/v1/board", headers=bearer(ALICES_TOKEN))).json()
    assert [row["id"] for row in member["items"]] == [f"{BASE}/missions/2", f"{BASE}/missions/1"]
    assert [query.readers for query in reader.queries] == [(PUBLIC,), (PUBLIC, ALICE, MEMBERS)]


async def test_the_boards_pages_follow_each_other(client: Any, reader: FakeReader):
    made = [an_object(f"/missions/{n}") for n in range(5)]
    reader.put(*made)
    reader.rows = [a_row(obj) for obj in made]
    seen, cursor = [], ""
    while cursor is not None:
        page = await (await client.get("/api/v1/board", params={"limit": "2", "cursor": cursor})).json()
        seen += [row["id"] for row in page["items"]]
        cursor = page["next"]
    assert seen == [obj.id for obj in reversed(made)]


async def test_the_search_is_that_of_the_parameters(client: Any, reader: FakeReader):
    params = {"q": "vélo", "rome": "N41", "commune": "44109", "radius": "10", "class": "need"}
    assert (await client.get("/api/v1/board", params=params)).status == 200
    (query,) = reader.queries
    assert (query.text, query.rome, query.commune, query.radius_km) == ("vélo", "N41", "44109", 10.0)
    assert (query.centre, query.classes) == ((47.22, -1.55), ("Need",))


async def test_a_search_that_cannot_be_read_is_refused(client: Any):
    response = await client.get("/api/v1/board", params={"rome": "velo"})
    assert (response.status, await code_of(response)) == (400, "malformed-request")
    response = await client.get("/api/v1/board", params={"commune": "44999", "radius": "10"})
    assert (response.status, await code_of(response)) == (422, "unknown-code")


async def test_health_says_version_and_time(client: Any, clock: StoppedClock):
    response = await client.get("/api/v1/health")
    assert await response.json() == {
        "status": "ok",
        "version": fedcoop.__version__,
        "time": "2026-11-22T12:00:00Z",
    }


async def test_an_instance_without_its_database_is_not_well(
    client: Any, reader: FakeReader, monkeypatch: pytest.MonkeyPatch
):
    async def broken(key: str) -> None:
        raise OSError("disk on fire at /srv/db")

    monkeypatch.setattr(reader, "meta", broken)
    response = await client.get("/api/v1/health")
    assert (response.status, await code_of(response)) == (503, "unavailable")
    assert "fire" not in await response.text()


# -- what became of a message ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/activities/a/deliveries", f"/api/v1/deliveries?activity={BASE}/activities/a"]
)
async def test_the_sender_asks_what_became_of_a_message_at_two_addresses(
    client: Any, monkeypatch: pytest.MonkeyPatch, path: str
):
    asked = []

    async def told(activity_id: str, *, actor: str, world: object) -> dict[str, Any]:
        asked.append((activity_id, actor))
        return {"activity": activity_id, "deliveries": []}

    monkeypatch.setattr(tracking, "deliveries_of", told)
    response = await client.get(path, headers=bearer(ALICES_TOKEN))
    assert (response.status, response.headers["Cache-Control"]) == (200, "private, no-store")
    assert await response.json() == {"activity": f"{BASE}/activities/a", "deliveries": []}
    assert asked == [(f"{BASE}/activities/a", ALICE)]
    for headers, code in (({}, "token-missing"), (bearer("unknown"), "token-invalid")):
        response = await client.get(path, headers=headers)
        assert (response.status, await code_of(response)) == (401, code)
    assert len(asked) == 1


async def test_of_somebody_elses_message_nothing_is_told(client: Any, reader: FakeReader):
    reader.put(an_activity("/activities/a"))
    for path in ("/activities/a/deliveries", "/activities/none/deliveries"):
        response = await client.get(path, headers=bearer(ALICES_TOKEN))
        assert (response.status, await code_of(response)) == (404, "not-found")


@pytest.mark.parametrize("query", ["", "?activity=", "?activity=a&activity=b"])
async def test_one_message_is_asked_for_at_a_time(client: Any, query: str):
    response = await client.get(f"/api/v1/deliveries{query}", headers=bearer(ALICES_TOKEN))
    assert (response.status, await code_of(response)) == (400, "malformed-request")


# -- a peer asks -----------------------------------------------------------------------------------------------------


async def test_a_peers_signed_question_is_answered_and_no_other(client: Any, monkeypatch: pytest.MonkeyPatch):
    async def answered(request: RawRequest, *, world: object) -> dict[str, Any]:
        assert (request.method, request.target, request.body) == ("POST", "/api/v1/reconcile", b"{}")
        return {"heads": [], "next": None}

    ld = {"Content-Type": "application/activity+json"}
    response = await client.post("/api/v1/reconcile", data=b"{}", headers=ld)
    assert response.status == 400
    monkeypatch.setattr(reconciling, "answered", answered)
    response = await client.post("/api/v1/reconcile", data=b"{}", headers=ld)
    assert (response.status, await response.json()) == (200, {"heads": [], "next": None})
    assert response.headers["Cache-Control"] == "private, no-store"
    assert (
        await client.post("/api/v1/reconcile", data=b"{}", headers={"Content-Type": "text/plain"})
    ).status == 415
    assert (await client.get("/api/v1/reconcile")).status == 405
