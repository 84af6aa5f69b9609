"""Actor documents to machines, pages to people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fedcoop.web.services import Services
from tests.web.conftest import ALICE, BASE, COOP, FakeReader, Serve, an_actor, an_object, code_of


async def test_an_actor_is_served_as_it_is_stored(client: Any, reader: FakeReader):
    response = await client.get("/actors/alice", headers={"Accept": "application/activity+json"})
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/activity+json"
    assert await response.json(content_type=None) == reader.actors[ALICE].document
    assert response.headers["Cache-Control"] == "public, no-cache"


async def test_the_instance_is_an_actor_too(client: Any):
    response = await client.get("/actor")
    assert (await response.json(content_type=None))["id"] == f"{BASE}/actor"


@pytest.mark.parametrize("path", ["/actors/nobody", "/actors/a%20b", "/actors/alice/nothing", "/actors/"])
async def test_no_such_actor_is_404(client: Any, path: str):
    response = await client.get(path)
    assert (response.status, await code_of(response)) == (404, "not-found")


async def test_an_actor_we_only_met_is_not_ours_to_serve(client: Any, reader: FakeReader):
    reader.actors[f"{BASE}/actors/bob"] = replace(an_actor("bob"), local=False)
    assert (await client.get("/actors/bob")).status == 404


@pytest.mark.parametrize(
    ("path", "page"),
    [("/actors/alice", f"profile {ALICE}"), ("/actors/coop", "coop"), ("/actor", "coop"), ("/", "coop")],
)
async def test_a_person_sees_a_page(client: Any, path: str, page: str):
    response = await client.get(path, headers={"Accept": "text/html"})
    assert (response.content_type, await response.text()) == ("text/html", page)


async def test_the_front_door_is_a_page_for_whoever_takes_anything(client: Any):
    assert await (await client.get("/")).text() == "coop"


async def test_the_front_door_sends_machines_to_the_co_operative(client: Any):
    response = await client.get("/", headers={"Accept": "application/activity+json"}, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, COOP)
    assert "Accept" in response.headers["Vary"]


async def test_without_pages_html_is_not_acceptable(services: Services, serve: Serve, flows: Any):
    client = await serve(replace(services, pages=None))
    response = await client.get("/actors/alice", headers={"Accept": "text/html"})
    assert (response.status, await code_of(response)) == (406, "not-acceptable")
    browser = {"Accept": "text/html,*/*;q=0.8"}
    assert (await client.get("/actors/alice", headers=browser)).content_type == "application/activity+json"


async def test_anybody_reads_the_key_history_of_our_actors(client: Any, reader: FakeReader):
    for path in ("/actor/keys", "/actors/alice/keys"):
        reader.put(an_object(path, object_class="KeyHistory", owner=ALICE))
        response = await client.get(path, headers={"Accept": "application/activity+json"})
        assert response.status == 200
        assert (await response.json(content_type=None))["id"] == f"{BASE}{path}"
    assert (await client.get("/actors/coop/keys")).status == 404
