"""Servers that do one thing whatever is asked: whatever test one of them passes, tests nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from typing import Any, Final

from aiohttp import web

from fedcoop_conformance.driver.base import Evidence, PeersKnown, Ready, Unsupported
from fedcoop_conformance.sut import SutActor

HANG: Final = 60.0


async def _accept_all(request: web.Request, body: bytes) -> web.StreamResponse:
    return web.json_response(
        {}, status=201 if request.method == "POST" else 200, headers={"Location": str(request.url)}
    )


async def _reject_all(request: web.Request, body: bytes) -> web.StreamResponse:
    return web.json_response({"type": "about:blank", "status": 401}, status=401)


async def _echo(request: web.Request, body: bytes) -> web.StreamResponse:
    return web.Response(status=200, body=body, content_type="application/activity+json")


async def _silent(request: web.Request, body: bytes) -> web.StreamResponse:
    return web.Response(status=202)


async def _fail(request: web.Request, body: bytes) -> web.StreamResponse:
    return web.Response(status=500)


async def _hang(request: web.Request, body: bytes) -> web.StreamResponse:
    await asyncio.sleep(HANG)
    return web.Response(status=504)


KINDS: Final = {
    "accept-all": _accept_all,
    "reject-all": _reject_all,
    "echo": _echo,
    "silent": _silent,
    "500-all": _fail,
    "hang-all": _hang,
}


class DegenerateDriver:
    """Serves one of these in the process of the suite."""

    evidence = Evidence.TESTIMONY

    def __init__(self, kind: str) -> None:
        self._answer = KINDS[kind]
        self._open = contextlib.AsyncExitStack()

    def ops(self) -> Collection[str]:
        """Return nothing: it does one thing, and nobody can make it do another."""
        return ()

    async def start(self, peers: PeersKnown) -> Ready | None:
        """Serve it; it names actors like any other server."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._answer(request, await request.read())

        app = web.Application(client_max_size=256 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", handle)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.01)
        await runner.setup()
        self._open.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        roles = {"instance": "instance", "coop": "coop", "alice": "member"}
        actors = [
            SutActor(name, f"{name}/inbox", f"{name}/outbox", role, "token")
            for short, role in roles.items()
            for name in [f"{base}/actors/{short}"]
        ]
        return Ready(base, actors)

    async def call(self, op: str, args: Mapping[str, Any]) -> Any:
        """Nothing else can be asked of it."""
        raise Unsupported(op)

    async def stop(self) -> None:
        """Stop serving."""
        await self._open.aclose()
