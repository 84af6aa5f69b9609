"""The application: which URL is answered by what, and what every answer has in common."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from fedcoop.errors import FedcoopError
from fedcoop.protocol import limits
from fedcoop.protocol.oauth import REVOKE, TOKEN
from fedcoop.protocol.visiting import SIGNED_BY
from fedcoop.web import (
    actors,
    answers,
    api,
    collections,
    errors,
    inbox,
    oauth,
    objects,
    outbox,
    relay,
    tokens,
    vocabulary,
    wellknown,
)
from fedcoop.web.actors import NAME
from fedcoop.web.admission import ADMISSION, Admission
from fedcoop.web.services import SERVICES, Pages, Services

_log = structlog.get_logger("fedcoop.web")

OBJECT_FOLDERS: Final = (
    "offers", "needs", "missions", "engagements", "records", "receipts", "rules", "objects", "agreements", "lists",
)  # fmt: skip
"""Where objects live: every folder of `build.FOLDER_OF_CLASS`, and `objects` for what the vocabulary does not name.

A credential is one too, and an activity has a folder and a handler of its own.
"""

CHAIN_FOLDERS: Final = ("missions", "offers", "needs", "engagements", "agreements")
"""Where objects with a history live."""

ALWAYS_READABLE: Final = frozenset(
    {actors.show, api.health, vocabulary.context, wellknown.webfinger, wellknown.nodeinfo_links}
)
"""Not counted against an address: whoever cannot read our keys cannot take what we send (MOD-5)."""

_HTML_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_DATA_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"
_VARY: Final = "Accept, Authorization, Accept-Language, Cookie, Signature, Signature-Input"


def make_application(services: Services) -> web.Application:
    """Return the application that serves `services`. Starting and stopping things is `app.py`'s."""
    world = services.world
    application = web.Application(
        middlewares=[observed, answered],
        client_max_size=limits.MAX_BODY,
        handler_args={
            # A body is what its bytes are; the inbox refuses compressed ones, nothing else should unpack them.
            "auto_decompress": False,
            "keepalive_timeout": limits.KEEP_ALIVE.total_seconds(),
            "max_line_size": limits.MAX_HEADER_LINE,
            "max_field_size": limits.MAX_HEADER_LINE,
            "max_headers": limits.MAX_HEADER_COUNT,
            "access_log": None,
        },
    )
    application[SERVICES] = services
    exempt = services.rates.exempt_peers | world.instance.allow_origins
    application[ADMISSION] = Admission(
        replace(services.rates, exempt_peers=exempt), lambda: world.clock().timestamp()
    )
    if world.instance.relaying is None:
        application.add_routes([*machine_routes(), *_page_routes(services.pages)])
    else:
        application.add_routes([*relay.routes(), *_common_routes()])
    application.on_response_prepare.append(dress)
    return application


def machine_routes() -> Iterable[web.RouteDef]:
    """Yield a co-op's routes but those that only people use. GET answers HEAD too; any other method is 405."""
    yield web.get("/", actors.home)
    yield web.post("/inbox", inbox.post_shared)
    for actor in ("/actor", f"/actors/{NAME}"):
        yield web.get(actor, actors.show)
        yield web.get(f"{actor}/keys", objects.show_keys)
        yield web.get(f"{actor}/inbox", inbox.get_personal)
        yield web.post(f"{actor}/inbox", inbox.post_personal)
        yield web.get(f"{actor}/outbox", outbox.get)
        yield web.post(f"{actor}/outbox", outbox.post)
        yield web.get(f"{actor}/followers", collections.followers)
        yield web.get(f"{actor}/followers/synchronization", collections.followers_of_peer)
        yield web.get(f"{actor}/following", collections.following)
        yield web.get(f"{actor}/missions", collections.missions)
        yield web.get(f"{actor}/offerings", collections.offerings)
    yield web.get("/actors/coop/members", collections.members)
    yield web.get("/missions", collections.board)
    yield web.get(f"/activities/{NAME}", objects.show_activity)
    yield web.get(f"/activities/{NAME}/deliveries", api.deliveries_of_activity)
    for folder in (*OBJECT_FOLDERS, "credentials"):
        yield web.get(f"/{folder}/{NAME}", objects.show)
    for folder in CHAIN_FOLDERS:
        yield web.get(f"/{folder}/{NAME}/history", objects.show_history)
    yield web.get("/api/v1/lookup", api.lookup)
    yield web.get("/api/v1/history", api.history)
    yield web.get("/api/v1/board", api.board)
    yield web.get("/api/v1/deliveries", api.deliveries)
    yield web.get("/api/v1/tokens", tokens.show)
    yield web.post("/api/v1/tokens", tokens.make)
    yield web.delete("/api/v1/tokens/{token:[A-Za-z0-9]+}", tokens.revoke)
    yield web.post(TOKEN, oauth.token)
    yield web.post(REVOKE, oauth.revoke)
    yield web.get("/api/v1/health", api.health)
    yield web.post("/api/v1/reconcile", api.reconcile)
    yield from _common_routes()


def _common_routes() -> Iterable[web.RouteDef]:
    for path, handler in _for_any_page():
        yield web.get(path, handler)
        yield web.options(path, preflight)


def _for_any_page() -> Iterable[tuple[str, Handler]]:
    yield "/contexts/fedcoop/v1", vocabulary.context
    yield "/contexts/fedcoop/credentials/v1", vocabulary.context
    yield "/vocab/", vocabulary.index
    yield "/vocab/{term:[A-Za-z0-9]+}", vocabulary.term
    yield "/problems/{code:[a-z0-9-]+}", vocabulary.problem
    yield "/.well-known/webfinger", wellknown.webfinger
    yield "/.well-known/oauth-authorization-server", oauth.metadata
    yield "/.well-known/nodeinfo", wellknown.nodeinfo_links
    yield "/nodeinfo/2.1", wellknown.nodeinfo


def _page_routes(pages: Pages | None) -> Iterable[web.AbstractRouteDef]:
    return () if pages is None else pages.routes()


async def preflight(request: web.Request) -> web.Response:
    """Answer a browser that asks whether a script may read: anybody may (the quotes in an LD Accept make it ask)."""
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "GET, HEAD",
            "Access-Control-Allow-Headers": "Accept, Accept-Language, If-None-Match",
            "Access-Control-Max-Age": "86400",
        },
    )


@web.middleware
async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request a name and write one line about it: never a body, a query, a token or a key."""
    request[errors.REQUEST_ID] = request.app[SERVICES].world.new_id()
    clock = asyncio.get_running_loop().time
    began, status = clock(), 499
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as redirect:
        status = redirect.status
        raise
    finally:
        level = _log.debug if status < 400 else _log.info if status < 500 else _log.error
        level(
            "request",
            id=request[errors.REQUEST_ID],
            method=request.method,
            path=request.rel_url.raw_path,
            status=status,
            ms=round((clock() - began) * 1000, 1),
        )


@web.middleware
async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure into an answer that says which (D3)."""
    try:
        if request.method in (hdrs.METH_GET, hdrs.METH_HEAD) and not _always_readable(request):
            request.app[ADMISSION].admit_read(request)
        return await handler(request)
    except FedcoopError as error:
        return _closing(request, await errors.refusal(request, error))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _closing(request, await errors.refusal_of_http(request, error))
    except Exception:
        return _closing(request, await errors.refusal_of_bug(request))


async def dress(request: web.Request, response: web.StreamResponse) -> None:
    """Add what every response has: headers by which a browser protects the reader, and what the answer depends on."""
    headers = response.headers
    page = response.content_type == "text/html"
    headers.setdefault("Content-Security-Policy", _HTML_POLICY if page else _DATA_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers["Server"] = "fedcoop"
    if request.app[SERVICES].world.instance.base.startswith("https://"):
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    # Who looks somebody up from a page has to see that there is nobody as well (RFC 7033 §5).
    if request.path.startswith("/.well-known/"):
        for name, value in answers.ANYBODY.items():
            headers.setdefault(name, value)
    if "immutable" not in headers.get("Cache-Control", ""):
        headers.setdefault("Vary", _VARY)
    if errors.REQUEST_ID in request:
        headers.setdefault("X-Request-Id", request[errors.REQUEST_ID])


def _always_readable(request: web.Request) -> bool:
    # A signature is work for us, whoever sends it: what is signed is counted.
    signed = any(name in request.headers for name in SIGNED_BY)
    return request.match_info.handler in ALWAYS_READABLE and not signed


def _closing(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Close the connection after a refusal with the body unread: reading the rest is what was refused."""
    if request.can_read_body and not request.content.at_eof():
        response.force_close()
    return response
