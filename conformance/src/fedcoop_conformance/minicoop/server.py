"""The model server's addresses."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import aiohttp
from aiohttp import web

from fedcoop_conformance.minicoop import deliver
from fedcoop_conformance.minicoop.receive import receive
from fedcoop_conformance.minicoop.world import ACTIVITY_JSON, AS2, Document, Local, Minicoop, Refusal

MAX_READ: Final = 4 * 1024 * 1024
COOP: Final = web.AppKey("coop", Minicoop)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def serving(coop: Minicoop, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Minicoop]:
    """Serve a model server as long as the block lasts; its `base` is set."""
    app = web.Application(client_max_size=MAX_READ, middlewares=[problems])
    app[COOP] = coop
    app.add_routes(ROUTES)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    coop.base = f"http://{host}:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        coop.session = session
        try:
            yield coop
        finally:
            for task in list(coop.tasks):
                task.cancel()
            await runner.cleanup()


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what is refused by a problem document (RFC 9457)."""
    coop = request.app[COOP]
    try:
        return await handler(request)
    except Refusal as refusal:
        document = {
            "type": f"{coop.base}/problems/{refusal.code}",
            "title": refusal.code,
            "status": refusal.status,
            "detail": refusal.detail,
        }
        return web.Response(
            status=refusal.status,
            text=json.dumps(document),
            content_type="application/problem+json",
            headers=refusal.headers,
        )


def shown(document: Mapping[str, Any], *, media: str = ACTIVITY_JSON, **how: Any) -> web.Response:
    """Return a document as an answer."""
    return web.Response(text=json.dumps(document, ensure_ascii=False), content_type=media, **how)


def the_actor(request: web.Request) -> Local:
    """Return the local actor that an address names."""
    found = request.app[COOP].actors.get(request.match_info["name"])
    if found is None:
        raise Refusal(404, "not-found")
    return found


def speaker(request: web.Request) -> Local:
    """Return the local actor whose token a request bears."""
    found = request.app[COOP].by_token(request.headers.get("Authorization", "").removeprefix("Bearer "))
    if found is None:
        raise Refusal(401, "token-missing", **{"WWW-Authenticate": "Bearer"})
    return found


async def actor(request: web.Request) -> web.Response:
    coop = request.app[COOP]
    return shown(coop.documents_of(the_actor(request)))


async def inbox(request: web.Request) -> web.Response:
    return web.Response(status=await receive(request.app[COOP], the_actor(request), request))


async def read_inbox(request: web.Request) -> web.Response:
    local = the_actor(request)
    if speaker(request) is not local:
        raise Refusal(403, "not-yours")
    return shown(collection(str(request.url), local.inbox[::-1]))


async def outbox(request: web.Request) -> web.Response:
    local = the_actor(request)
    if speaker(request) is not local:
        raise Refusal(403, "not-yours")
    said = await deliver.say(request.app[COOP], local, await request.json())
    return web.Response(status=201, headers={"Location": said["id"]})


async def read_outbox(request: web.Request) -> web.Response:
    return shown(collection(str(request.url), the_actor(request).outbox[::-1]))


async def stored(request: web.Request) -> web.Response:
    """Answer an object of this server at its id."""
    coop = request.app[COOP]
    found = coop.objects.get(f"{coop.base}{request.path}")
    if found is None:
        raise Refusal(404, "not-found")
    return shown(found)


async def lookup(request: web.Request) -> web.Response:
    """Answer the stored copy of anything (PROTOCOL.md §3)."""
    speaker(request)
    found = request.app[COOP].objects.get(request.query.get("uri", ""))
    if found is None:
        raise Refusal(404, "not-found")
    return shown(found)


def collection(name: str, items: list[Document]) -> Document:
    """Return an ordered collection of one page."""
    page = {"id": f"{name}?page=1", "type": "OrderedCollectionPage", "partOf": name, "orderedItems": items}
    return {"@context": AS2, "id": name, "type": "OrderedCollection", "totalItems": len(items), "first": page}


ROUTES: Final = (
    web.get("/actors/{name}", actor),
    web.post("/actors/{name}/inbox", inbox),
    web.get("/actors/{name}/inbox", read_inbox),
    web.post("/actors/{name}/outbox", outbox),
    web.get("/actors/{name}/outbox", read_outbox),
    web.get("/activities/{id}", stored),
    web.get("/objects/{id}", stored),
    web.get("/api/v1/lookup", lookup),
)
