"""What the model server shows, and to whom: documents at their ids, collections in pages, and what is there no more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import http_sf
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fedcoop_conformance.minicoop import chains, receive, synchronise
from fedcoop_conformance.minicoop.world import (
    ACTIVITY_JSON,
    AS2,
    COOP,
    LD_JSON,
    PUBLIC,
    Document,
    Local,
    Minicoop,
    Refusal,
    names,
    origin_of,
)

PAGE: Final = 5


def shown(
    request: web.Request, document: Mapping[str, Any], *, status: int = 200, **headers: str
) -> web.Response:
    """Return a document in the media type that the reader asked for."""
    coop, accept = request.app[COOP], request.headers.get("Accept", "")
    media = LD_JSON if "application/ld+json" in accept else ACTIVITY_JSON
    if media is LD_JSON and coop.fault("conneg-ld-406"):
        raise Refusal(406, "not-acceptable")
    if media is ACTIVITY_JSON and coop.fault("conneg-activity-html"):
        return web.Response(text="<p>minicoop</p>", content_type="text/html")
    if media is LD_JSON and coop.fault("conneg-ld-other"):
        document = {**document, "name": "JSON-LD"}
    if coop.fault("media-plain-json"):
        media = "application/json"
    body = json.dumps(document, ensure_ascii=False).encode()
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, body=body, headers={"Content-Type": media, **told})


def absent(coop: Minicoop) -> Refusal:
    """Return the answer for what is not here."""
    return Refusal(200 if coop.fault("notfound-200") else 404, "not-found")


def the_actor(request: web.Request) -> Local:
    """Return the local actor that an address names.

    Raises:
        Refusal: there is none.
    """
    found = request.app[COOP].actors.get(request.match_info["name"])
    if found is None:
        raise absent(request.app[COOP])
    return found


def speaker(request: web.Request) -> Local:
    """Return the local actor whose token a request bears.

    Raises:
        Refusal: 401, it bears none.
    """
    found = request.app[COOP].by_token(request.headers.get("Authorization", "").removeprefix("Bearer "))
    if found is None:
        raise Refusal(401, "token-missing", **{"WWW-Authenticate": "Bearer"})
    return found


# -- who reads ------------------------------------------------------------------------------------------------------


async def reader_of(request: web.Request) -> str | None:
    """Return who reads: by token, or by a signature of an admitted server's actor; None for anybody.

    Raises:
        Refusal: 401, the signature is not good.
    """
    coop = request.app[COOP]
    if "Authorization" in request.headers:
        return coop.id_of(speaker(request))
    described = request.headers.get("Signature-Input")
    if described is None:
        return None
    label, covered, parameters = receive.chosen(coop, described)
    keyid = str(parameters.get("keyid"))
    if origin_of(keyid) not in coop.admitted:
        if coop.fault("stranger-read-403"):
            raise Refusal(403, "not-in-allow-list")
        return None
    receive.in_time(coop, parameters)
    values: Any = http_sf.parse(request.headers.get("Signature", "").encode(), tltype="dictionary")
    base = receive.described_base(request, covered, described, label)

    def right(key: Ed25519PublicKey) -> bool:
        return label in values and receive.verifies(key, bytes(values[label][0]), base)

    await receive.key_that(coop, keyid, parameters, right)
    return keyid.partition("#")[0]


def may_read(coop: Minicoop, reader: str | None, document: Mapping[str, Any]) -> bool:
    """Tell whether a document is for this reader: it is public, addressed to them, or their own."""
    addressed = {*names(document.get("to")), *names(document.get("cc"))}
    if PUBLIC in addressed:
        return True
    if reader is None:
        return coop.fault("private-leak")
    own = {*names(document.get("actor")), *names(document.get("attributedTo"))}
    return reader in own or (reader in addressed and not coop.fault("private-never"))


# -- documents ------------------------------------------------------------------------------------------------------


async def actor(request: web.Request) -> web.Response:
    """Answer an actor, or 304 to whoever has it."""
    coop, local = request.app[COOP], the_actor(request)
    await reader_of(request)
    if local.role == "instance" and "Signature-Input" not in request.headers and coop.fault("appactor-auth"):
        raise Refusal(401, "signature-missing")
    document = coop.documents_of(local)
    etag = f'"{hashlib.sha256(json.dumps(document).encode()).hexdigest()[:16]}"'
    asked = request.headers.get("If-None-Match")
    same = asked == etag or (asked is not None and coop.fault("etag-any"))
    if same and not coop.fault("etag-ignored"):
        return web.Response(status=304, headers={"ETag": etag})
    return shown(request, document, ETag=etag)


async def stored(request: web.Request) -> web.Response:
    """Answer an object or activity of this server at its id, to whoever may read it."""
    coop = request.app[COOP]
    name = f"{coop.base}{request.path}"
    reader = await reader_of(request)
    if name in coop.deleted:
        if reader is not None and coop.fault("tombstone-varies"):
            raise absent(coop)
        return shown(request, coop.deleted[name], status=410)
    found = coop.objects.get(name)
    if found is None:
        raise absent(coop)
    if not may_read(coop, reader, found):
        raise Refusal(403, "forbidden") if coop.fault("private-oracle") else absent(coop)
    private = PUBLIC not in {*names(found.get("to")), *names(found.get("cc"))}
    cache = "public" if not private or coop.fault("private-cacheable") else "private"
    return shown(request, found, Cache_Control=cache)


async def lookup(request: web.Request) -> web.Response:
    """Answer the stored copy of anything (PROTOCOL.md §3)."""
    speaker(request)
    found = request.app[COOP].objects.get(request.query.get("uri", ""))
    if found is None:
        raise Refusal(404, "not-found")
    return shown(request, found)


async def board(request: web.Request) -> web.Response:
    """Answer the open proposals of an owner (PROTOCOL.md §3)."""
    speaker(request)
    found = chains.open_ones(request.app[COOP], request.query.get("owner", ""))
    return shown(request, {"items": [{"id": name} for name in found]})


# -- collections ----------------------------------------------------------------------------------------------------


async def inbox(request: web.Request) -> web.Response:
    """Show an inbox to its owner."""
    coop, local = request.app[COOP], the_actor(request)
    if not coop.fault("c2s-inbox-public") and speaker(request) is not local:
        raise Refusal(403, "not-yours")
    items = local.inbox if coop.fault("c2s-inbox-oldest") else local.inbox[::-1]
    return shown(request, paged(request, items))


async def outbox(request: web.Request) -> web.Response:
    """Show what the reader may see of what an actor said."""
    coop, local, reader = request.app[COOP], the_actor(request), await reader_of(request)
    return shown(request, paged(request, [one for one in local.outbox[::-1] if may_read(coop, reader, one)]))


async def follows(request: web.Request) -> web.Response:
    """Show how many follow an actor, or are followed, and who to the actor alone."""
    coop, local, reader = request.app[COOP], the_actor(request), await reader_of(request)
    found = local.followers if request.path.endswith("/followers") else local.following
    name = f"{coop.base}{request.path}"
    document: Document = {"@context": AS2, "id": name, "type": "OrderedCollection", "totalItems": len(found)}
    return shown(request, document | ({"orderedItems": list(found)} if reader == coop.id_of(local) else {}))


async def followers_of_a_server(request: web.Request) -> web.Response:
    """Show a server that signs its question those of its actors that follow (FEP-8fcf)."""
    local, reader = the_actor(request), await reader_of(request)
    if reader is None:
        raise Refusal(401, "signature-missing")
    found = synchronise.at(local.followers, origin_of(reader))
    name = f"{request.app[COOP].base}{request.path}"
    return shown(request, {"@context": AS2, "id": name, "type": "OrderedCollection", "orderedItems": found})


def paged(request: web.Request, items: list[Document]) -> Document:
    """Return a collection, or the page of it that is asked for: the newest, or what is older than one item."""
    coop = request.app[COOP]
    name = f"{coop.base}{request.path}"
    total: Any = str(len(items)) if coop.fault("coll-total-text") else len(items)
    document: Document = {"@context": AS2, "id": name, "type": "OrderedCollection", "totalItems": total}
    if "page" not in request.query:
        return {**document, "first": f"{name}?page=first"}
    following = _following(coop)
    start = following.start(items, request.query["page"])
    chosen = items[start : start + PAGE]
    document |= {
        "id": str(request.url),
        "type": "Collection" if coop.fault("coll-untyped-page") else "OrderedCollectionPage",
        "partOf": name,
        "orderedItems": chosen,
    }
    more = start + PAGE < len(items)
    if chosen and more:
        document["next"] = f"{name}?page={following.place(items, start + PAGE)}"
    elif coop.fault("coll-endless-next"):
        document["next"] = f"{name}?page={coop.rng.getrandbits(32):08x}"
    return document


class _AfterItem:
    """Pages that go on after an item, whatever is added before it."""

    def place(self, items: list[Document], end: int) -> str:
        return str(items[end - 1]["id"]).rpartition("/")[2]

    def start(self, items: list[Document], place: str) -> int:
        found = (n + 1 for n, one in enumerate(items) if str(one["id"]).endswith(f"/{place}"))
        return 0 if place == "first" else next(found, len(items))


class _Offset(_AfterItem):
    """Pages that are counted: whatever is added meanwhile pushes an item into the next one."""

    def place(self, items: list[Document], end: int) -> str:
        return str(end)

    def start(self, items: list[Document], place: str) -> int:
        return int(place) if place.isdigit() else 0


class _Before(_AfterItem):
    """Pages that go on before a second: what else was said in it is lost."""

    def place(self, items: list[Document], end: int) -> str:
        return str(items[end - 1]["published"])

    def start(self, items: list[Document], place: str) -> int:
        if place == "first":
            return 0
        return next((n for n, one in enumerate(items) if one["published"] < place), len(items))


def _following(coop: Minicoop) -> _AfterItem:
    if coop.fault("coll-offset-paging"):
        return _Offset()
    return _Before() if coop.fault("coll-time-paging") else _AfterItem()
