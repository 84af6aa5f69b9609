"""Who is asking: a bearer token, or, for people reading pages, the cookie of their sign-in; nothing else."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from fedcoop.errors import Forbidden, Refused, Unverified
from fedcoop.flow import reading
from fedcoop.web.admission import ADMISSION
from fedcoop.web.negotiation import prefers_html
from fedcoop.web.services import SERVICES

SESSION_COOKIE: Final = "fedcoop_token"
"""Set by the sign-in form of the pages; its value is the member's token."""

_BEARER: Final = re.compile(r"Bearer +([A-Za-z0-9._~+/-]{1,512}=*)", re.IGNORECASE | re.ASCII)
_REQUESTER: Final[web.RequestKey[str]] = web.RequestKey("requester", str)


async def requester(request: web.Request) -> str | None:
    """Return the id of the local actor who asks, or None for anybody.

    Raises:
        Unverified: a token was sent and is not one of ours (`token-invalid`). A bad token is never "anybody":
            its owner would read a public answer and think that it is all there is.
        RateLimited: this address has tried too many bad tokens.
    """
    if _REQUESTER in request:
        return request[_REQUESTER] or None
    actor = await _by_header(request) if "Authorization" in request.headers else await _by_cookie(request)
    request[_REQUESTER] = actor or ""
    return actor


async def member(request: web.Request) -> str:
    """Return the id of the local actor who asks, by a token in the header and not by a cookie.

    Raises:
        Unverified: there is none (`token-missing`), or it is not one of ours (`token-invalid`).
    """
    if "Authorization" not in request.headers:
        raise Unverified("token-missing", "This needs a member's token.", expected="Authorization: Bearer …")
    return await _by_header(request)


async def member_is(request: web.Request, actor: str) -> None:
    """Pass when the one who asks is `actor`; else raise Unverified (no token) or Forbidden (another's)."""
    asking = await member(request)
    if asking != actor:
        raise Forbidden("not-owner", "This token is another actor's.", expected=actor, received=asking)


async def _by_header(request: web.Request) -> str:
    values = request.headers.getall("Authorization")
    # (1) Two tokens are two people.
    match = _BEARER.fullmatch(values[0].strip()) if len(values) == 1 else None
    if match is None:
        raise Unverified(
            "token-invalid", "The Authorization field cannot be read.", expected="one Bearer token"
        )
    address = request.app[ADMISSION].address(request)
    sign_in = request.app[ADMISSION].sign_in
    # (2) Whoever has tried many bad tokens waits before the next is looked up; good ones count nothing.
    if address is not None:
        sign_in.check(address)
    try:
        return await reading.actor_of_token(match[1], request.app[SERVICES].world)
    except Unverified:
        if address is not None:
            sign_in.charge(address)
        raise


async def _by_cookie(request: web.Request) -> str | None:
    token = request.cookies.get(SESSION_COOKIE)
    # (3) A cookie is sent by the browser whoever made it ask, so it opens nothing but pages for reading.
    if token is None or not prefers_html(request):
        return None
    try:
        return await reading.actor_of_token(token, request.app[SERVICES].world)
    except Refused:
        return None  # An old cookie: the page is shown as to anybody, with its sign-in form.
