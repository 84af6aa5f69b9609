"""`POST /inbox`, `POST /actors/<name>/inbox`: messages of peers. `GET`: its owner reads a personal one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from fedcoop.flow import inbound
from fedcoop.flow.taking_in import Receipt
from fedcoop.flow.world import World
from fedcoop.ports import Reader
from fedcoop.protocol.messages import RawRequest
from fedcoop.web import answers, auth, bodies, collections
from fedcoop.web.actors import actor_id
from fedcoop.web.admission import ADMISSION
from fedcoop.web.services import SERVICES


async def post_shared(request: web.Request) -> web.Response:
    """Take in a message for whomever of us it is addressed to. 202 once it and its effects are durable."""
    return await taken_in(request, partial(_receive, inbox_of=None))


async def post_personal(request: web.Request) -> web.Response:
    """Take in a message for one actor. 202 once it and its effects are durable."""
    return await taken_in(request, partial(_receive, inbox_of=actor_id(request)))


async def get_personal(request: web.Request) -> web.Response:
    """Show the inbox to its owner, newest first (AP-14); 401 without a token, 403 with another actor's."""
    owner = actor_id(request)
    await auth.member_is(request, owner, "read")

    async def read(reader: Reader, cursor: str | None, limit: int) -> collections.Slice:
        page = await reader.inbox_page(owner, cursor=cursor, limit=limit)
        return collections.Slice(page.total, page.items, page.next)

    return await collections.show(request, read, public=False)


async def _receive(raw: RawRequest, world: World, *, inbox_of: str | None) -> Receipt:
    return await inbound.receive(raw, inbox_of=inbox_of, world=world)


async def taken_in(
    request: web.Request, receive: Callable[[RawRequest, World], Awaitable[Receipt]]
) -> web.Response:
    """Answer a message once `receive` has taken it in. 202 with its outcome."""
    world = request.app[SERVICES].world
    with request.app[ADMISSION].arrival(request) as held:
        raw = await bodies.raw_request(request, accepted=bodies.FEDERATED, held=held)
        receipt = await receive(raw, world)
    return answers.json_answer({"outcome": receipt.outcome}, status=202)
