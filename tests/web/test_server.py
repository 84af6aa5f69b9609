"""The route table, and what every answer has in common."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from fedcoop.protocol import limits
from fedcoop.web.server import machine_routes
from fedcoop.web.services import Services
from tests.web.conftest import BASE, COOPS_TOKEN, FakeFlows, FakeReader, Serve, an_object, bearer, code_of

SECRET = "swordfish"


def paths() -> Iterator[tuple[str, set[str]]]:
    """Return every path with its methods, patterns filled with a name."""
    methods: dict[str, set[str]] = {}
    for route in machine_routes():
        path = re.sub(r"\{\w+:[^}]*\}+", "coop" if "/actors/" in route.path else "stale", route.path)
        path = path.replace("/vocab/stale", "/vocab/Mission")
        methods.setdefault(path, set()).update({"GET", "HEAD"} if route.method == "GET" else {route.method})
    yield from methods.items()


def test_the_urls_are_those_of_the_design():
    assert {path for path, _ in paths()} >= {
        "/", "/inbox", "/actor", "/actor/inbox", "/actor/outbox",
        *(f"/actors/coop{part}" for part in ("", "/inbox", "/outbox", "/followers", "/following")),
        *(f"/actors/coop/{part}" for part in ("members", "missions", "offerings")),
        *(f"/{f}/stale" for f in ("missions", "offers", "needs", "engagements", "activities", "records")),
        *(f"/{f}/stale" for f in ("receipts", "rules", "credentials")),
        *(f"/{f}/stale/history" for f in ("missions", "offers", "needs", "engagements")),
        "/missions", "/contexts/fedcoop/v1", "/contexts/fedcoop/credentials/v1", "/vocab/", "/vocab/Mission",
        "/problems/stale", "/api/v1/lookup", "/api/v1/board", "/api/v1/health",
        "/.well-known/webfinger", "/.well-known/nodeinfo", "/nodeinfo/2.1",
    }  # fmt: skip


async def test_another_method_is_405_and_says_which_there_are(client: Any):
    for path, methods in paths():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - methods:
            response = await client.request(method, path)
            assert response.status == 405, (method, path)
            assert set(response.headers["Allow"].split(",")) == methods, path
            assert await code_of(response) == "method-not-allowed"


async def test_head_is_get_without_the_body(client: Any):
    for path, methods in paths():
        if "GET" not in methods:
            continue
        get = await client.get(path, headers=bearer(COOPS_TOKEN), allow_redirects=False)
        head = await client.head(path, headers=bearer(COOPS_TOKEN), allow_redirects=False)
        assert (head.status, head.content_type) == (get.status, get.content_type), path
        assert await head.read() == b""


async def test_every_answer_protects_its_reader(client: Any):
    for path, methods in paths():
        response = await client.request("GET" if "GET" in methods else "POST", path)
        headers = response.headers
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Strict-Transport-Security"]
        assert headers["Server"] == "fedcoop"
        assert headers["X-Request-Id"]
        if path.startswith("/contexts/"):
            assert "Vary" not in headers
        else:
            assert (
                headers["Vary"]
                == "Accept, Authorization, Accept-Language, Cookie, Signature, Signature-Input"
            )


async def test_a_document_cannot_act_as_a_page(client: Any, reader: FakeReader):
    reader.put(an_object("/missions/x"))
    response = await client.get("/missions/x")
    assert "sandbox" in response.headers["Content-Security-Policy"]
    page = await client.get("/missions/x", headers={"Accept": "text/html"})
    assert "style-src 'self'" in page.headers["Content-Security-Policy"]


async def test_plain_http_on_the_loopback_asks_for_no_https(
    services: Services, serve: Serve, flows: FakeFlows
):
    instance = replace(services.world.instance, base="http://127.0.0.1:8101")
    client = await serve(replace(services, world=replace(services.world, instance=instance)))
    assert "Strict-Transport-Security" not in (await client.get("/api/v1/health")).headers


@pytest.mark.parametrize("path", ["/nothing", "/actors", "/inbox/", "/static/../secret", "/.env"])
async def test_an_unknown_path_is_404_by_our_own_document(client: Any, path: str):
    response = await client.get(path, allow_redirects=False)
    assert (response.status, await code_of(response)) == (404, "not-found")


async def test_a_wild_target_is_an_answer_and_not_a_crash(client: Any):
    for target in (
        "http://evil.example/actors/coop",
        "/%00",
        "/%ff",
        "/..%2f..%2fetc",
        "/?" + "a" * 7000,
        "/\\x",
    ):
        reader, writer = await asyncio.open_connection(client.server.host, client.server.port)
        writer.write(f"GET {target} HTTP/1.1\r\nHost: coop-a.example\r\nConnection: close\r\n\r\n".encode())
        status = int((await reader.read()).split(b" ")[1])
        assert 200 <= status < 500, target
        writer.close()


async def test_too_many_headers_are_refused(client: Any):
    headers = {f"X-{n}": "x" for n in range(limits.MAX_HEADER_COUNT + 1)}
    assert (await client.get("/api/v1/health", headers=headers)).status == 400


async def test_the_pages_bring_their_own_routes(client: Any):
    assert await (await client.get("/sign-in")).text() == "coop"


async def test_without_pages_their_routes_are_not_there(services: Services, serve: Serve, flows: FakeFlows):
    client = await serve(replace(services, pages=None))
    assert (await client.get("/sign-in")).status == 404


async def test_a_redirect_of_a_page_keeps_its_cookie(services: Services, serve: Serve, flows: FakeFlows):
    class Signing(type(services.pages)):  # type: ignore[misc]
        async def coop(self, request: web.Request) -> web.Response:
            leave = web.HTTPSeeOther("/")
            leave.set_cookie("fedcoop_language", "x")
            raise leave

    client = await serve(replace(services, pages=Signing()))
    response = await client.get("/sign-in", allow_redirects=False)
    assert response.status == 303
    assert response.cookies["fedcoop_language"].value == "x"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_one_line_is_written_for_each_request_and_it_holds_no_secret(client: Any, reader: FakeReader):
    reader.put(an_object("/missions/x"))
    with capture_logs() as lines:
        headers = {**bearer(SECRET), "Cookie": f"__Host-fedcoop_session={SECRET}"}
        response = await client.get(f"/missions/x?token={SECRET}", headers=headers)
        body = {"Content-Type": "application/activity+json", **bearer(SECRET)}
        await client.post("/actors/coop/outbox", data=SECRET.encode(), headers=body)
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("GET", "/missions/x", 401),
        ("POST", "/actors/coop/outbox", 401),
    ]
    assert lines[0]["id"] == response.headers["X-Request-Id"]
    assert SECRET not in str(lines)


async def test_the_level_of_a_line_is_whose_fault_it_was(client: Any, flows: FakeFlows):
    typed = {"Content-Type": "application/activity+json"}
    with capture_logs() as lines:
        await client.get("/api/v1/health")
        await client.get("/nothing")
        flows.refusal = RuntimeError("bug")
        await client.post("/inbox", data=b"{}", headers=typed)
    levels = [line["log_level"] for line in lines if line["event"] == "request"]
    assert levels == ["debug", "info", "error"]


async def test_a_refused_body_closes_the_connection(client: Any):
    response = await client.post("/nothing", data=b"x" * 300_000)
    assert response.status == 404
    assert response.headers.get("Connection") == "close"
    response = await client.post("/inbox", data=b"{}", headers={"Content-Type": "application/activity+json"})
    assert "Connection" not in response.headers


async def test_an_answer_names_our_own_host_whatever_the_request_says(client: Any):
    response = await client.get(
        "/nothing", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    )
    assert (await response.json(content_type=None))["type"] == f"{BASE}/problems/not-found"
