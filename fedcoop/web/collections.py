"""Ordered collections in pages: newest first, stable while things are added (AP-14 to AP-19)."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

from aiohttp import web

from fedcoop.errors import Malformed
from fedcoop.flow import reading, synchronising
from fedcoop.ports import BoardQuery, Reader
from fedcoop.protocol import limits
from fedcoop.web import answers, auth
from fedcoop.web.actors import local_actor
from fedcoop.web.negotiation import AS2_PROFILE, HTML
from fedcoop.web.services import SERVICES

MAX_CURSOR: Final = 512
"""Characters of a cursor; ours are shorter."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some items of a collection, how many it has in all, and where to go on."""

    total: int
    items: Sequence[Any]
    next: str | None


Read: TypeAlias = Callable[[Reader, str | None, int], Awaitable[Slice]]
"""Reads so many items from a cursor on (None: from the newest)."""


async def show(request: web.Request, read: Read, *, public: bool, items_shown: bool = True) -> web.Response:
    """Answer with the collection at this URL, or, with `?page=first` or `?cursor=`, with a page of it.

    `items_shown` False shows how many there are and not which (AP-17). `public`: anybody would get the same.
    """
    media = answers.wanted(request, *answers.AS2)
    paged, cursor = _place(request)
    found = await request.app[SERVICES].world.store.read(
        lambda reader: read(reader, cursor, limits.PAGE_ITEMS if paged and items_shown else 1)
    )
    here = f"{request.app[SERVICES].world.instance.base}{request.rel_url.raw_path}"
    document: dict[str, Any] = {"@context": AS2_PROFILE, "id": here, "totalItems": found.total}
    if not items_shown:
        document["type"] = "OrderedCollection"
    elif not paged:
        document |= {"type": "OrderedCollection", "first": f"{here}?page=first"}
    else:
        document |= _page(here, cursor, found)
    return answers.as2(request, document, media=media, public=public)


def _page(here: str, cursor: str | None, found: Slice) -> dict[str, Any]:
    own = f"{here}?page=first" if cursor is None else _at(here, cursor)
    page = {"id": own, "type": "OrderedCollectionPage", "partOf": here, "orderedItems": list(found.items)}
    return page | ({"next": _at(here, found.next)} if found.next is not None else {})


def _at(here: str, cursor: str) -> str:
    return f"{here}?cursor={quote(cursor, safe='')}"


def _place(request: web.Request) -> tuple[bool, str | None]:
    """Return (whether a page is asked for, its cursor). Raises Malformed on a cursor that cannot be ours."""
    cursor = request.query.get("cursor")
    if cursor is not None and not (
        0 < len(cursor) <= MAX_CURSOR and cursor.isascii() and cursor.isprintable()
    ):
        raise Malformed("malformed-request", "This cursor is not one of ours.", received=cursor[:80])
    return cursor is not None or "page" in request.query, cursor


# -- the collections of an actor ---------------------------------------------------------------------------


async def followers(request: web.Request) -> web.Response:
    """Who follows the actor: how many to anybody, who to our own members."""
    return await _follows(request, "followers")


async def followers_of_peer(request: web.Request) -> web.Response:
    """Who at the asking server follows the actor: to that server's signed GET, and to nobody else (FEP-8fcf)."""
    visitor, owner = await auth.peer_of(request), await local_actor(request)
    found = await synchronising.partial(owner.id, visitor, world=request.app[SERVICES].world)
    return answers.as2(request, found, media=answers.wanted(request, *answers.AS2), public=False)


async def following(request: web.Request) -> web.Response:
    """Whom the actor follows: how many to anybody, who to our own members."""
    return await _follows(request, "following")


async def members(request: web.Request) -> web.Response:
    """Members of the co-operative: how many to anybody, who to each other (privacy class P1)."""
    asking, world = await auth.reader_of(request), request.app[SERVICES].world

    async def read(reader: Reader, cursor: str | None, limit: int) -> Slice:
        names = sorted(actor.id for actor in await reader.local_actors() if actor.kind == "Member")
        after = _unsealed(cursor)
        rest = [name for name in names if after is None or name > after]
        more = len(rest) > limit
        return Slice(len(names), rest[:limit], _sealed(rest[limit - 1]) if more else None)

    shown = isinstance(asking, str) and world.instance.hosts(asking)
    return await show(request, read, public=asking is None, items_shown=shown)


async def missions(request: web.Request) -> web.Response:
    """Missions of the actor that the one who asks may read."""
    return await _proposals(request, ("Mission",))


async def offerings(request: web.Request) -> web.Response:
    """Service offers and needs of the actor that the one who asks may read."""
    return await _proposals(request, ("ServiceOffer", "Need"))


async def board(request: web.Request) -> web.Response:
    """Answer `/missions`: the board to people and whoever takes anything; our missions' place to machines."""
    services = request.app[SERVICES]
    media = answers.wanted(request, *([HTML] if services.pages else []), *answers.AS2)
    if media is HTML and services.pages is not None:
        return await services.pages.board(request)
    raise web.HTTPSeeOther(f"{services.world.instance.coop}/missions")


async def _follows(request: web.Request, which: Literal["followers", "following"]) -> web.Response:
    owner, asking = await local_actor(request), await auth.reader_of(request)

    async def read(reader: Reader, cursor: str | None, limit: int) -> Slice:
        return Slice(*await reader.follows_page(owner.id, which=which, cursor=cursor, limit=limit))

    return await show(request, read, public=asking is None, items_shown=isinstance(asking, str))


async def _proposals(request: web.Request, classes: tuple[str, ...]) -> web.Response:
    owner, asking = await local_actor(request), await auth.reader_of(request)
    readers = reading.readers_for(asking, request.app[SERVICES].world.instance)

    async def read(reader: Reader, cursor: str | None, limit: int) -> Slice:
        query = BoardQuery(
            owner=owner.id, classes=classes, open_only=False, readers=readers, cursor=cursor, limit=limit
        )
        page = await reader.board(query)
        return Slice(page.total, [entry.document for entry in page.entries], page.next)

    return await show(request, read, public=asking is None)


def _sealed(name: str) -> str:
    return urlsafe_b64encode(name.encode()).decode().rstrip("=")


def _unsealed(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        raise Malformed(
            "malformed-request", "This cursor is not one of ours.", received=cursor[:80]
        ) from None
