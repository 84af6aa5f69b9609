"""The vocabulary at its URLs: the same bytes everywhere, for every page, for ever."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fedcoop.protocol.model import CLASSES, CODE_LISTS, PROBLEMS, PROPERTIES, PUBLIC_CONTEXT_PATHS, SCHEMAS
from fedcoop.web.services import Services
from tests.web.conftest import BASE, Serve, code_of


@pytest.mark.parametrize("path", PUBLIC_CONTEXT_PATHS)
@pytest.mark.parametrize("accept", ["application/ld+json", "*/*", "text/html", "application/json"])
async def test_a_context_is_the_bytes_of_the_vocabulary(
    client: Any, vocabulary: Mapping[str, bytes], path: str, accept: str
):
    response = await client.get(path, headers={"Accept": accept})
    body = await response.read()
    assert body == vocabulary[PUBLIC_CONTEXT_PATHS[path]]
    assert response.headers["Content-Type"] == "application/ld+json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Vary" not in response.headers
    tag = response.headers["ETag"]
    assert tag[0] == '"'
    again = await client.get(path, headers={"If-None-Match": tag})
    assert (again.status, await again.read()) == (304, b"")
    assert again.headers["Access-Control-Allow-Origin"] == "*"


async def test_two_instances_serve_the_same_bytes_under_the_same_tag(
    services: Services, serve: Serve, flows: Any
):
    elsewhere = replace(services.world.instance, base="https://coop-b.example", name="Coop B")
    other = await serve(replace(services, world=replace(services.world, instance=elsewhere), pages=None))
    one = await serve(services)
    for path in PUBLIC_CONTEXT_PATHS:
        here, there = await one.get(path), await other.get(path)
        assert hashlib.sha256(await here.read()).digest() == hashlib.sha256(await there.read()).digest()
        assert here.headers["ETag"] == there.headers["ETag"]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/html", "text/html; charset=utf-8"),
        ("application/schema+json", "application/schema+json"),
        ("application/ld+json", "application/ld+json"),
        ("*/*", "application/ld+json"),
        ("application/json", "application/schema+json"),
    ],
)
async def test_a_term_answers_in_three_forms(client: Any, accept: str, content_type: str):
    response = await client.get("/vocab/Mission", headers={"Accept": accept})
    assert (response.status, response.headers["Content-Type"]) == (200, content_type)


async def test_a_terms_schema_is_complete_in_itself(client: Any):
    response = await client.get("/vocab/Mission", headers={"Accept": "application/schema+json"})
    schema = json.loads(await response.read())
    assert schema == json.loads(SCHEMAS["Mission"])
    assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_terms_linked_data_says_what_it_is_in_both_languages(client: Any):
    response = await client.get("/vocab/Mission", headers={"Accept": "application/ld+json"})
    term = json.loads(await response.read())
    assert term["@id"] == CLASSES["Mission"].iri
    assert term["@type"] == "rdfs:Class"
    assert {label["@language"]: label["@value"] for label in term["rdfs:label"]} == {
        "fr": CLASSES["Mission"].fr,
        "en": CLASSES["Mission"].en,
    }


async def test_every_term_is_served(client: Any):
    for name in {*CLASSES, *PROPERTIES, *CODE_LISTS, *SCHEMAS}:
        response = await client.get(f"/vocab/{name}")
        assert response.status == 200, name
        assert json.loads(await response.read())


async def test_what_has_no_schema_is_not_served_as_one(client: Any):
    response = await client.get("/vocab/previousDigest", headers={"Accept": "application/schema+json"})
    assert response.status == 406


async def test_a_person_reads_the_page_of_a_term(client: Any):
    response = await client.get("/vocab/Mission", headers={"Accept": "text/html"})
    assert await response.text() == "term Mission"
    assert await (await client.get("/vocab/", headers={"Accept": "text/html"})).text() == "term "


async def test_the_index_leads_to_every_term(client: Any):
    index = await (await client.get("/vocab/")).json(content_type=None)
    assert set(index) == {*CLASSES, *PROPERTIES, *CODE_LISTS}
    assert index["Mission"] == f"{BASE}/vocab/Mission"


@pytest.mark.parametrize(
    "path", ["/vocab/Nothing", "/vocab/a-b", "/problems/nothing", "/contexts/fedcoop/v2"]
)
async def test_what_is_not_in_the_vocabulary_is_404(client: Any, path: str):
    response = await client.get(path)
    assert (response.status, await code_of(response)) == (404, "not-found")


async def test_every_problem_explains_itself_in_both_languages(client: Any):
    for code, known in PROBLEMS.items():
        response = await client.get(f"/problems/{code}", headers={"Accept-Language": "en"})
        problem = await response.json(content_type=None)
        assert problem["type"] == f"{BASE}/problems/{code}"
        assert problem["status"] == known.status
        assert problem["title"] == problem["titleMap"]["en"] == known.title_en
        assert problem["titleMap"]["fr"] == known.title_fr
        assert problem["helpMap"] == {"fr": known.help_fr, "en": known.help_en}
        assert [who["code"] for who in problem["who"]] == list(known.who)
        assert all(who["fr"] and who["en"] for who in problem["who"])
        assert problem["example"]["received"] == known.example_received


async def test_a_person_reads_the_page_of_a_problem(client: Any):
    response = await client.get("/problems/stale", headers={"Accept": "text/html"})
    assert (response.status, await response.text()) == (200, f"problem {BASE}/problems/stale")


@pytest.mark.parametrize(
    "path",
    ["/contexts/fedcoop/v1", "/vocab/Mission", "/problems/stale", "/.well-known/webfinger", "/nodeinfo/2.1"],
)
async def test_a_script_of_any_page_may_ask(client: Any, path: str):
    asking = {
        "Origin": "https://elsewhere.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "accept",
    }
    response = await client.options(path, headers=asking)
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Accept" in response.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in response.headers
