"""What programs ask by themselves of OAuth: the metadata, tokens for a code, new tokens for old, and goodbye.

Answers are as RFC 6749 §5 wants them; a refusal is besides what every refusal here is, a problem document.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

from aiohttp import web

from fedcoop.errors import Refused, UnsupportedMedia
from fedcoop.flow import programs
from fedcoop.flow.programs import Given
from fedcoop.flow.world import World
from fedcoop.protocol import limits, oauth, strict_json
from fedcoop.web import answers, negotiation
from fedcoop.web.admission import ADMISSION
from fedcoop.web.bodies import read_body
from fedcoop.web.errors import problem_of
from fedcoop.web.services import SERVICES

MAX_SENT: Final = 8 * limits.KIB
"""Bytes of what a program sends: a code, a verifier and two addresses."""

_CACHE: Final = "public, max-age=300"

Sent: TypeAlias = Mapping[str, str]


async def metadata(request: web.Request) -> web.Response:
    """Say what this server can do for programs (RFC 8414)."""
    document = oauth.metadata(request.app[SERVICES].world.instance.base)
    headers = {"Content-Type": "application/json", "Cache-Control": _CACHE, **answers.ANYBODY}
    return web.Response(body=strict_json.dumps(document), headers=headers)


async def token(request: web.Request) -> web.Response:
    """Give a program its tokens, for a code or for a refresh token (RFC 6749 §4.1.3, §6)."""
    try:
        sent = await _sent(request)
        give = _GRANT_TYPES.get(sent.get("grant_type", ""))
        # (1) What is not in the table is not given: no password, no implicit token, no client of its own.
        if give is None:
            kinds = " or ".join(_GRANT_TYPES)
            raise oauth.refused("unsupported_grant_type", f"grant_type is {kinds} here.")
        given = await give(sent, request.app[SERVICES].world)
    except Refused as refusal:
        return _refusal(request, refusal)
    return _answer(_told(given, request.app[SERVICES].world))


async def revoke(request: web.Request) -> web.Response:
    """End what a program was given (RFC 7009): 200 as well for what is nothing, which is what was asked."""
    try:
        sent = await _sent(request)
        ended, client_id = _needed(sent, "token"), _needed(sent, "client_id")
    except Refused as refusal:
        return _refusal(request, refusal)
    await programs.end(ended, client_id, request.app[SERVICES].world)
    return _answer({})


async def _for_a_code(sent: Sent, world: World) -> Given:
    return await programs.redeem(
        code=_needed(sent, "code"),
        client_id=_needed(sent, "client_id"),
        redirect_uri=_needed(sent, "redirect_uri"),
        verifier=_needed(sent, "code_verifier"),
        world=world,
    )


async def _for_a_refresh_token(sent: Sent, world: World) -> Given:
    wanted = tuple(sent["scope"].split()) if "scope" in sent else None
    return await programs.renew(
        refresh=_needed(sent, "refresh_token"),
        client_id=_needed(sent, "client_id"),
        wanted=wanted,
        world=world,
    )


_GRANT_TYPES: Final[Mapping[str, Callable[[Sent, World], Awaitable[Given]]]] = {
    "authorization_code": _for_a_code,
    "refresh_token": _for_a_refresh_token,
}


async def _sent(request: web.Request) -> Sent:
    address = request.app[ADMISSION].address(request)
    # (1) Not more often than programs need it.
    if address is not None:
        request.app[ADMISSION].programs.take(address)
    # (2) A form, in the body: what stands in an address stands in logs.
    if request.content_type != "application/x-www-form-urlencoded":
        raise UnsupportedMedia(
            "unsupported-media-type", "This is sent urlencoded.", received=request.content_type
        )
    body = await read_body(request, most=MAX_SENT)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=20)
    except ValueError as error:
        raise oauth.refused("invalid_request", "This form cannot be read.") from error
    return oauth.once(pairs)


def _needed(sent: Sent, name: str) -> str:
    if name not in sent:
        raise oauth.refused("invalid_request", f"{name} is missing.")
    return sent[name]


def _told(given: Given, world: World) -> dict[str, Any]:
    kept = given.access.kept
    left = 0 if kept.expires is None else int((kept.expires - world.clock()).total_seconds())
    return {
        "access_token": given.access.secret,
        "token_type": "Bearer",
        "expires_in": left,
        "refresh_token": given.refresh,
        "scope": " ".join(kept.scopes),
        # Whose outbox it may write to: ActivityPub has no word for it.
        "actor": kept.actor,
    }


def _refusal(request: web.Request, refusal: Refused) -> web.Response:
    instance = request.app[SERVICES].world.instance
    problem = problem_of(refusal, base=instance.base, language=negotiation.language(request), reading=False)
    told = {**problem, "error": oauth.error_of(refusal), "error_description": refusal.detail, "status": 400}
    return _answer(told, status=400)


def _answer(document: Mapping[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        body=json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace"),
        headers={"Content-Type": "application/json", "Cache-Control": "no-store", **answers.ANYBODY},
    )
