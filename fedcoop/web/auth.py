"""Who is asking: one of ours by a bearer token, or, reading pages, by a sign-in's cookie; a peer by its signature."""

from __future__ import annotations

import hashlib
import re
from typing import Final, NoReturn

from aiohttp import web

from fedcoop.errors import Forbidden, Refused, Unverified
from fedcoop.flow import access, visiting
from fedcoop.flow.visiting import Asking, Visitor
from fedcoop.ports import Token
from fedcoop.protocol.messages import RawRequest
from fedcoop.protocol.scopes import is_sign_in
from fedcoop.protocol.visiting import SIGNED_BY
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
    token = await _token(request)
    if token is None:
        return None
    if not is_sign_in(token.scopes):
        check_scope(token, "read")
    return token.actor


async def reader_of(request: web.Request, *, page: bool = False) -> Asking:
    """Return who reads: a local actor, a peer that has signed the request, or None for anybody.

    With `page`, people have a page here, and whoever prefers one is shown it as `requester` says; a document that is
    then answered after all passes `check_open`.

    Raises:
        Unverified, Forbidden, RateLimited: as `requester` and `check_open`; of a signature what `visiting.visitor_of`
            refuses.
        Unavailable: the peer's key is out of reach.
    """
    asking = await requester(request)
    # (1) Whoever has a token is one of ours, and pages are for people: no signature makes either somebody else.
    if asking is not None or (page and prefers_html(request)):
        return asking
    if not _is_signed(request):
        # (2) Where nobody reads unsigned, it is refused before it is looked whether there is anything.
        check_open(request, None)
        return None
    return await _visitor(request)


async def peer_of(request: web.Request) -> Visitor | None:
    """Return the peer that has signed a request for what only peers read; a token or a cookie is not looked at.

    Raises:
        Unverified: it is not signed (`signature-missing`); and what `visiting.visitor_of` refuses.
    """
    # (1) Unsigned it is nobody's to read.
    if not _is_signed(request):
        refuse_unsigned()
    return await _visitor(request)


def _is_signed(request: web.Request) -> bool:
    return any(name in request.headers for name in SIGNED_BY)


async def _visitor(request: web.Request) -> Visitor | None:
    raw = RawRequest(request.method, request.raw_path, tuple(request.headers.items()), b"")
    return await visiting.visitor_of(raw, world=request.app[SERVICES].world)


def check_open(request: web.Request, asking: Asking) -> None:
    """Pass when `asking` may be shown documents at all; else raise Unverified (`signature-missing`).

    Where only peers read (setting `readers`), that is whoever has signed or is one of ours.
    """
    if asking is None and request.app[SERVICES].world.instance.signed_reads:
        refuse_unsigned()


def refuse_unsigned() -> NoReturn:
    """Raise Unverified (`signature-missing`): this is read by servers that we work with, who sign."""
    raise Unverified(
        "signature-missing",
        "Here only servers that we work with read, by a signed request.",
        expected="Signature-Input and Signature (RFC 9421), or Signature (draft-cavage-http-signatures-12)",
    )


async def signed_in(request: web.Request) -> Token | None:
    """Return the sign-in of the person who reads this page; None when nobody is signed in. Raises as `requester`."""
    token = await _token(request)
    # A program with a token reads what it may read; what only people do, it does with its own addresses.
    return token if token is not None and is_sign_in(token.scopes) else None


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


async def _token(request: web.Request) -> Token | None:
    if _TOKEN not in request:
        sent = "Authorization" in request.headers
        request[_TOKEN] = await _by_header(request) if sent else await _by_cookie(request)
    return request[_TOKEN]


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
    # (1) A cookie is sent by the browser whoever made it ask, so it opens nothing but pages for reading.
    if secret is None or not prefers_html(request):
        return None
    try:
        return await access.session_behind(secret, request.app[SERVICES].world)
    except Refused:
        return None  # An old cookie: the page is shown as to anybody, with its sign-in form.
