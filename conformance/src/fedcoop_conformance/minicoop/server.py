"""The model server's addresses."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import aiohttp
from aiohttp import web

from fedcoop_conformance.minicoop import discovery, outbox, programs, reading
from fedcoop_conformance.minicoop.receive import receive
from fedcoop_conformance.minicoop.world import COOP, Minicoop, Refusal

MAX_READ: Final = 4 * 1024 * 1024
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
        return problem(coop, refusal)
    except web.HTTPMethodNotAllowed as refused:
        if coop.fault("method-500"):
            return problem(coop, Refusal(500, "internal-error"))
        allow = {} if coop.fault("method-no-allow") else {"Allow": refused.headers["Allow"]}
        return problem(coop, Refusal(405, "method-not-allowed", **allow))
    except web.HTTPNotFound:
        return problem(coop, Refusal(404, "not-found"))


def problem(coop: Minicoop, refusal: Refusal) -> web.Response:
    """Return the problem document of a refusal."""
    code = f"error-{coop.rng.getrandbits(32):x}" if coop.fault("error-unknown-code") else refusal.code
    document = {
        "type": f"{coop.base}/problems/{code}",
        "title": refusal.code,
        "status": refusal.status,
        "detail": refusal.detail,
    }
    media = "text/html" if coop.fault("error-html") else "application/problem+json"
    return web.Response(
        status=refusal.status, text=json.dumps(document), content_type=media, headers=refusal.headers
    )


async def inbox(request: web.Request) -> web.Response:
    return web.Response(status=await receive(request.app[COOP], reading.the_actor(request), request))


async def shared_inbox(request: web.Request) -> web.Response:
    return web.Response(status=await receive(request.app[COOP], None, request))


ROUTES: Final = (
    web.get("/actors/{name}", reading.actor),
    web.post("/inbox", shared_inbox),
    web.post("/actors/{name}/inbox", inbox),
    web.get("/actors/{name}/inbox", reading.inbox),
    web.post("/actors/{name}/outbox", outbox.post),
    web.get("/actors/{name}/outbox", reading.outbox),
    web.get("/actors/{name}/followers", reading.follows),
    web.get("/actors/{name}/following", reading.follows),
    web.get("/actors/{name}/followers_synchronization", reading.followers_of_a_server),
    web.get("/activities/{id}", reading.stored),
    web.get("/objects/{id}", reading.stored),
    web.get("/missions/{id}", reading.stored),
    web.get("/offers/{id}", reading.stored),
    web.get("/needs/{id}", reading.stored),
    web.get("/api/v1/board", reading.board),
    web.get("/api/v1/lookup", reading.lookup),
    web.get("/.well-known/webfinger", discovery.webfinger),
    web.get("/.well-known/nodeinfo", discovery.nodeinfo_links),
    web.get("/nodeinfo/2.1", discovery.nodeinfo),
    web.post("/oauth/authorize", programs.authorize),
    web.post("/oauth/token", programs.token),
)
