"""Objects and activities by their URLs, to whoever may read them; and the history of those that have one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web

from fedcoop.errors import Gone
from fedcoop.flow import reading
from fedcoop.flow.visiting import Asking, Visitor
from fedcoop.ports import StoredObject
from fedcoop.web import answers, auth
from fedcoop.web.negotiation import HTML, Media, prefers_html
from fedcoop.web.services import SERVICES, Pages

_Page: TypeAlias = Callable[[web.Request, StoredObject], Awaitable[web.Response]]


def iri_of(request: web.Request) -> str:
    """Return the id whose URL this is. Its origin is ours whatever the Host field says."""
    return f"{request.app[SERVICES].world.instance.base}{request.rel_url.raw_path}"


async def show(request: web.Request) -> web.Response:
    """Answer with an object: ActivityStreams, or its page; 410 and a Tombstone once it was deleted."""
    asking = await auth.reader_of(request, page=True)
    try:
        obj, media = await _found(request, asking)
    except Gone as gone:
        if prefers_html(request):
            raise
        return answers.tombstone(gone, public=asking is None)
    services = request.app[SERVICES]
    page = _page_for(obj, services.pages)
    if media is HTML and page is not None:
        return await page(request, obj)
    auth.check_open(request, asking)
    alone = reading.standing_alone(obj, services.world)
    return answers.as2(request, alone, media=media, public=asking is None)


async def show_keys(request: web.Request) -> web.Response:
    """Answer with an actor's key history: to anybody, or who must sign to read it could never be verified (SIG-24)."""
    asking = await auth.requester(request)
    obj, media = await _found(request, asking)
    alone = reading.standing_alone(obj, request.app[SERVICES].world)
    return answers.as2(request, alone, media=media, public=asking is None)


async def _found(request: web.Request, asking: Asking) -> tuple[StoredObject, Media]:
    services = request.app[SERVICES]
    obj = await reading.read_object(iri_of(request), actor=asking, world=services.world)
    # (1) A peer reads documents; what a page shows besides is for whom the page knows.
    has_page = not isinstance(asking, Visitor) and _page_for(obj, services.pages) is not None
    return obj, answers.wanted_of_object(request, has_page=has_page)


async def show_activity(request: web.Request) -> web.Response:
    """Answer with an activity as it was signed, or its page."""
    services, asking = request.app[SERVICES], await auth.reader_of(request, page=True)
    found = await reading.read_activity_document(iri_of(request), actor=asking, world=services.world)
    # (1) As with an object: a page is for whom it knows.
    media = answers.wanted_of_object(request, has_page=not isinstance(asking, Visitor))
    if media is HTML and services.pages is not None:
        return await services.pages.activity(request, found)
    auth.check_open(request, asking)
    return answers.as2(request, found, media=media, public=asking is None)


async def show_history(request: web.Request) -> web.Response:
    """Answer with the whole signed history: activities, key documents as seen, the signed head."""
    services, asking = request.app[SERVICES], await auth.reader_of(request)
    iri = iri_of(request).removesuffix("/history")
    found = await reading.read_history(iri, actor=asking, world=services.world)
    media = answers.wanted(request, *answers.AS2)
    return answers.as2(request, found, media=media, public=asking is None)


def _page_for(obj: StoredObject, pages: Pages | None) -> _Page | None:
    if pages is None:
        return None
    if obj.object_class in ("Mission", "ServiceOffer", "Need"):
        return pages.proposal
    return pages.engagement if obj.object_class == "Engagement" else None
