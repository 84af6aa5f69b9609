"""Actor documents: the co-operative, its members, and the instance itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from fedcoop.errors import NotFound
from fedcoop.flow.world import Instance
from fedcoop.ports import StoredActor
from fedcoop.web import answers, auth
from fedcoop.web.negotiation import HTML
from fedcoop.web.services import SERVICES, Pages

NAME: Final = "{name:[A-Za-z0-9._~-]+}"
"""Route pattern of an actor's or object's name: nothing that needs quoting, so that a path is an id."""


def actor_id(request: web.Request) -> str:
    """Return the id of the actor whose URL (or whose inbox, outbox …) this is; it may not exist."""
    instance = request.app[SERVICES].world.instance
    name = request.match_info.get("name")
    return instance.application if name is None else f"{instance.base}/actors/{name}"


async def local_actor(request: web.Request) -> StoredActor:
    """Return the actor whose URL (or whose collection) this is. Raises NotFound when we host none such."""
    wanted = actor_id(request)
    actor = await request.app[SERVICES].world.store.read(lambda reader: reader.actor(wanted))
    if actor is None or not actor.local:
        raise NotFound("not-found", "We host no such actor.", received=wanted)
    return actor


async def home(request: web.Request) -> web.Response:
    """Answer `/`: the co-operative's page to people and whoever takes anything; its actor's place to machines."""
    services = request.app[SERVICES]
    media = answers.wanted(request, *([HTML] if services.pages else []), *answers.AS2)
    if media is HTML and services.pages is not None:
        return await _front(services.pages, services.world.instance)(request)
    instance = services.world.instance
    raise web.HTTPSeeOther(instance.coop if instance.relaying is None else instance.application)


def _front(pages: Pages, instance: Instance) -> Callable[[web.Request], Awaitable[web.Response]]:
    return pages.coop if instance.relaying is None else pages.relay


async def show(request: web.Request) -> web.Response:
    """Answer with the actor: its document to machines, its page to people.

    The server's own actor is shown to anybody whatever the settings: its key is what a signed GET is verified by, and
    two servers that each wait for the other's signature would wait for ever (SIG-24).
    """
    services, wanted = request.app[SERVICES], actor_id(request)
    instance = services.world.instance
    # (1) Where only peers read, the others' profiles are for those who sign, before it is said who is here.
    guarded = instance.signed_reads and wanted != instance.application
    asking = await auth.reader_of(request, page=True) if guarded else None
    actor = await local_actor(request)
    media = answers.wanted_of_object(request, has_page=True)
    if media is HTML and services.pages is not None:
        ours = (instance.coop, instance.application)
        page = services.pages
        front = _front(page, instance)
        return await (front(request) if actor.id in ours else page.profile(request, actor))
    return answers.as2(request, actor.document, media=media, public=asking is None)
