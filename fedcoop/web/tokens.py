"""`/api/v1/tokens`: members see, make and revoke their own access tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from aiohttp import web

from fedcoop.errors import Invalid
from fedcoop.flow import access
from fedcoop.ports import Token
from fedcoop.protocol import limits, strict_json
from fedcoop.protocol.scopes import ALL
from fedcoop.protocol.times import write_time
from fedcoop.web import answers, auth, bodies
from fedcoop.web.admission import ADMISSION
from fedcoop.web.negotiation import JSON
from fedcoop.web.services import SERVICES

_MEMBERS: Final = {"name": str, "scopes": list, "days": int}


async def show(request: web.Request) -> web.Response:
    """Answer with the tokens in force of the one who asks; never with what opens anything."""
    asking = await auth.speaker(request, "tokens")
    found = await access.tokens_of(request.app[SERVICES].world, asking.actor)
    return answers.json_answer({"items": [described(token) for token in found]})


async def make(request: web.Request) -> web.Response:
    """Make a token of `{"name", "scopes", "days"}` for the one who asks; 201, and the token this once."""
    asking = await auth.speaker(request, "tokens")
    asked = await _asked(request)
    made = await access.new_token(
        request.app[SERVICES].world,
        asking.actor,
        name=asked.get("name", ""),
        wanted=asked.get("scopes", []),
        life=timedelta(days=asked.get("days", limits.TOKEN_LIFE.days)),
        by=asking,
    )
    return answers.json_answer({**described(made.kept), "token": made.secret}, status=201)


async def revoke(request: web.Request) -> web.Response:
    """Revoke a token of the one who asks: 204, and from then on it opens nothing."""
    asking = await auth.speaker(request, "tokens")
    await access.revoke(request.app[SERVICES].world, asking.actor, request.match_info["token"])
    return web.Response(status=204)


def described(token: Token) -> dict[str, Any]:
    """Return what its owner is shown of a token."""
    return {
        "id": token.id,
        "name": token.name,
        "client": token.client,
        "scopes": list(token.scopes),
        "created": write_time(token.created),
        "expires": None if token.expires is None else write_time(token.expires),
        "used": None if token.used is None else write_time(token.used),
    }


async def _asked(request: web.Request) -> dict[str, Any]:
    with request.app[ADMISSION].submission(request) as held:
        raw = await bodies.raw_request(request, accepted=(JSON,), held=held)
    asked = strict_json.loads(raw.body)
    # (1) Nothing but what may be chosen: neither an owner nor an id nor a date.
    for name, value in asked.items():
        kind = _MEMBERS.get(name)
        if kind is None or type(value) is not kind:
            raise Invalid(
                "schema-invalid",
                "This cannot be asked of a token.",
                expected='{"name": text, "scopes": [texts], "days": whole number}',
                received=name[:80],
            )
    if not all(isinstance(scope, str) for scope in asked.get("scopes", [])):
        raise Invalid("schema-invalid", "Each scope is a word.", expected=" ".join(ALL))
    if not 0 < asked.get("days", 1) <= limits.MAX_TOKEN_LIFE.days:
        most = limits.MAX_TOKEN_LIFE.days
        raise Invalid("schema-invalid", "A token cannot last so long.", expected=f"1 to {most} days")
    return asked
