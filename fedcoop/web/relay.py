"""What a relay answers: its inbox, its actor, and the page that tells how to subscribe. There is no co-op behind it."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from fedcoop.flow import relaying
from fedcoop.flow.taking_in import Receipt
from fedcoop.flow.world import World
from fedcoop.protocol.messages import RawRequest
from fedcoop.web import actors, api, collections, inbox, objects, outbox
from fedcoop.web.actors import NAME
from fedcoop.web.pages_frame import static_file


def routes() -> Iterable[web.RouteDef]:
    """Yield a relay's routes but those that every instance has."""
    yield web.get("/", actors.home)
    yield web.post("/inbox", post)
    yield web.get("/actor", actors.show)
    yield web.get("/actor/keys", objects.show_keys)
    yield web.get("/actor/outbox", outbox.get)
    yield web.get("/actor/followers", collections.followers)
    yield web.get("/actor/following", collections.following)
    yield web.get(f"/activities/{NAME}", objects.show_activity)
    yield web.get("/api/v1/health", api.health)
    yield web.get("/static/{name}", static_file)


async def _receive(raw: RawRequest, world: World) -> Receipt:
    return await relaying.receive(raw, world=world)


async def post(request: web.Request) -> web.Response:
    """Take in a subscription or something to pass on. 202 once it and what is owed for it are durable."""
    return await inbox.taken_in(request, _receive)
