"""Answers that are documents: negotiated, with the cache headers that their audience allows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from fedcoop.errors import Gone
from fedcoop.protocol import strict_json
from fedcoop.protocol.messages import Document
from fedcoop.web.negotiation import ACTIVITY_JSON, AS2_PROFILE, HTML, LD_JSON, Media, accept_of, choose
from fedcoop.web.services import SERVICES

AS2: Final = (ACTIVITY_JSON, LD_JSON)

PUBLIC_CACHE: Final = "public, no-cache"
"""Anybody may keep it and asks before using it again: the state of a mission must not be an hour old."""

PRIVATE_CACHE: Final = "private, no-store"
"""What was shown to one person stays with that person (AP-18)."""

IMMUTABLE_CACHE: Final = "public, max-age=31536000, immutable"

ANYBODY: Final[Mapping[str, str]] = {"Access-Control-Allow-Origin": "*"}
"""CORS: scripts of any page may read what everybody may read."""


def wanted(request: web.Request, *offers: Media) -> Media:
    """Return the offer that the request prefers, or raise HTTPNotAcceptable with their names."""
    chosen = choose(accept_of(request), offers)
    if chosen is None:
        raise web.HTTPNotAcceptable(
            text="Here there is " + " or ".join(offer.shown for offer in offers) + "."
        )
    return chosen


def wanted_of_object(request: web.Request, *, has_page: bool) -> Media:
    """Return the form in which an object is wanted: ActivityStreams, or HTML where there is a page for it."""
    return wanted(request, *AS2, *([HTML] if has_page and request.app[SERVICES].pages else []))


def as2(request: web.Request, document: Document | bytes, *, media: Media, public: bool) -> web.Response:
    """Return an ActivityStreams document; bytes are sent as they are, since somebody signed them."""
    body = document if isinstance(document, bytes) else strict_json.dumps(document)
    return cacheable(request, body, media=media, cache=PUBLIC_CACHE if public else PRIVATE_CACHE)


def cacheable(
    request: web.Request, body: bytes, *, media: Media, cache: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return `body` with a strong ETag, or 304 when the client has it already (RFC 9110 §13.1.2)."""
    # A strong tag is of one representation: the same bytes under another media type have another.
    etag = hashlib.sha256(media.shown.encode() + b"\n" + body).hexdigest()[:32]
    shared = {"ETag": f'"{etag}"', "Cache-Control": cache, **(headers or {})}
    if any(tag.value in ("*", etag) for tag in request.if_none_match or ()):
        return web.Response(status=304, headers=shared)
    return web.Response(body=body, headers={"Content-Type": media.shown, **shared})


def created(activity_id: str, document: Document) -> web.Response:
    """Return 201 with the place of a new activity and the activity as it was signed (ActivityPub §6)."""
    return web.Response(
        status=201,
        body=strict_json.dumps(document),
        headers={
            "Content-Type": ACTIVITY_JSON.shown,
            "Location": activity_id,
            "Cache-Control": PRIVATE_CACHE,
        },
    )


def json_answer(
    document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return plain JSON of our own API: never cached, since it was made for the one who asked."""
    return web.Response(
        status=status,
        body=strict_json.dumps(document),
        headers={"Content-Type": "application/json", "Cache-Control": PRIVATE_CACHE, **(headers or {})},
    )


def tombstone(gone: Gone, *, public: bool) -> web.Response:
    """Return 410 with the Tombstone that `read_object` found (ActivityPub §6.4, AP-6)."""
    document = {"@context": AS2_PROFILE, **gone.extra.get("tombstone", {"type": "Tombstone"})}
    return web.Response(
        status=410,
        body=strict_json.dumps(document),
        headers={
            "Content-Type": ACTIVITY_JSON.shown,
            "Cache-Control": PUBLIC_CACHE if public else PRIVATE_CACHE,
        },
    )
