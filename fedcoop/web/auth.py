"""Who is asking: a bearer token, or, for people reading pages, the cookie of their sign-in; nothing else."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from aiohttp import web

from fedcoop.errors import Forbidden, Refused, Unverified
from fedcoop.flow import access
from fedcoop.ports import Token
from fedcoop.protocol.scopes import PAGES
from fedcoop.web.admission import ADMISSION
from fedcoop.web.negotiation import prefers_html
from fedcoop.web.services import SERVICES

SESSION_COOKIE: Final = "__Host-fedcoop_session"
"""Set by the sign-in form of the pages: a secret of its own, never a token. The browser lets nobody else set it."""

PLAIN_SESSION_COOKIE: Final = "fedcoop_session"
"""Its name on a developer's machine without https, where a browser refuses the other."""

_BEARER: Final = re.compile(r"Bearer +([A-Za-z0-9._~+/-]{1,512}=*)", re.IGNORECASE | re.ASCII)
_TOKEN: Final[web.RequestKey[Token | None]] = web.RequestKey("token")


async def requester(request: web.Request) -> str | None:
    """Return the id of the local actor who asks, or None for anybody.

    Raises:
        Unverified: a token was sent and is not one of ours (`token-invalid`). A bad token is never "anybody":
            its owner would read a public answer and think that it is all there is.
        Forbidden: it is one without the scope `read` (`scope-missing`), for the same reason.
        RateLimited: this address has tried too many bad tokens.
    """
    if _TOKEN not in request:
        sent = "Authorization" in request.headers
        request[_TOKEN] = await _by_header(request) if sent else await _by_cookie(request)
    token = request[_TOKEN]
    if token is None:
        return None
    if token.scopes != PAGES:
        check_scope(token, "read")
    return token.actor


async def speaker(request: web.Request, *one_of: str) -> Token:
    """Return the token of the local actor who asks, sent in the header and not by a cookie.

    Raises:
        Unverified: there is none (`token-missing`), or it is not one of ours (`token-invalid`).
        Forbidden: it has none of the scopes `one_of` (`scope-missing`).
    """
    if "Authorization" not in request.headers:
        raise Unverified("token-missing", "This needs a member's token.", expected="Authorization: Bearer …")
    token = await _by_header(request)
    check_scope(token, *one_of)
    return token


async def member(request: web.Request) -> str:
    """Return the id of the local actor who asks with a token that may read; raises as `speaker`."""
    return (await speaker(request, "read")).actor


async def member_is(request: web.Request, actor: str, *one_of: str) -> Token:
    """Return the token of `actor`, who asks; else raise as `speaker`, or Forbidden (another's token)."""
    token = await speaker(request, *one_of)
    if token.actor != actor:
        raise Forbidden("not-owner", "This token is another actor's.", expected=actor, received=token.actor)
    return token


def check_scope(token: Token, *one_of: str) -> None:
    """Pass when `token` has a scope with which this may be done; else raise Forbidden (`scope-missing`)."""
    if not set(one_of) & set(token.scopes):
        raise Forbidden(
            "scope-missing",
            "This token was not given leave to do this.",
            expected=" or ".join(one_of),
            received=" ".join(token.scopes),
        )


async def _by_header(request: web.Request) -> Token:
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
        return await access.token_behind(match[1], request.app[SERVICES].world)
    except Unverified:
        if address is not None:
            sign_in.charge(address)
        raise


def session_cookie(request: web.Request) -> str:
    """Return the name of the cookie that keeps a sign-in here."""
    secure = request.app[SERVICES].world.instance.base.startswith("https://")
    return SESSION_COOKIE if secure else PLAIN_SESSION_COOKIE


def form_token(request: web.Request) -> str:
    """Return what a form of this sign-in sends along, so that no other site can send it; empty without one."""
    secret = request.cookies.get(session_cookie(request))
    return "" if secret is None else hashlib.sha256(b"form:" + secret.encode()).hexdigest()


async def _by_cookie(request: web.Request) -> Token | None:
    secret = request.cookies.get(session_cookie(request))
    # (3) A cookie is sent by the browser whoever made it ask, so it opens nothing but pages for reading.
    if secret is None or not prefers_html(request):
        return None
    try:
        return await access.session_behind(secret, request.app[SERVICES].world)
    except Refused:
        return None  # An old cookie: the page is shown as to anybody, with its sign-in form.
