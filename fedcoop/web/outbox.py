"""`POST` to an outbox: its owner says something (ActivityPub §6). `GET`: what one may read of it."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from fedcoop.errors import Malformed
from fedcoop.flow import access, c2s, reading
from fedcoop.ports import Reader
from fedcoop.protocol import limits, strict_json
from fedcoop.web import answers, auth, bodies, collections
from fedcoop.web.actors import actor_id, local_actor
from fedcoop.web.admission import ADMISSION
from fedcoop.web.services import SERVICES

_CLIENT_KEY: Final = re.compile(rf"[\x21-\x7e]{{1,{limits.MAX_CLIENT_KEY}}}")


async def post(request: web.Request) -> web.Response:
    """Publish what the owner sent. 201 with `Location` and the activity, once it is durable.

    With an `Idempotency-Key` that was used before, the same answer again and nothing is said twice.
    """
    owner = actor_id(request)
    # (1) The token's actor speaks for itself only, and only with a token that may say something.
    token = await auth.member_is(request, owner, "write", "follow")
    with request.app[ADMISSION].submission(request) as held:
        raw = await bodies.raw_request(request, accepted=bodies.FROM_CLIENTS, held=held)
        document = strict_json.loads(raw.body)
        world, key = request.app[SERVICES].world, client_key(request)
        # (2) What it may say, the message decides.
        auth.check_scope(token, await access.scope_to_say(document, world))
        said = await c2s.submit(owner, document, client_key=key, world=world)
    return answers.created(said.activity_id, said.document)


async def get(request: web.Request) -> web.Response:
    """Show what the one who asks may read of the outbox, newest first; its owner reads all of it."""
    owner, asking = await local_actor(request), await auth.reader_of(request)
    readers = reading.readers_for(asking, request.app[SERVICES].world.instance)

    async def read(reader: Reader, cursor: str | None, limit: int) -> collections.Slice:
        seen_by = None if asking == owner.id else readers
        page = await reader.outbox_page(owner.id, cursor=cursor, limit=limit, readers=seen_by)
        return collections.Slice(page.total, page.items, page.next)

    return await collections.show(request, read, public=asking is None)


def client_key(request: web.Request) -> str | None:
    """Return the `Idempotency-Key`, or None. Raises Malformed when it cannot be one."""
    values = request.headers.getall("Idempotency-Key", [])
    if not values:
        return None
    if len(values) > 1 or not _CLIENT_KEY.fullmatch(values[0]):
        raise Malformed(
            "malformed-request",
            "This Idempotency-Key cannot be used.",
            expected=f"one, of at most {limits.MAX_CLIENT_KEY} visible ASCII characters",
        )
    return values[0]
