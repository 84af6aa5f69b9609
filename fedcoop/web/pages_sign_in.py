"""Signing in to the pages: by name and password, or by pasting an access token; and signing out.

Either way the browser gets a sign-in of its own, in a cookie: a new secret each time, which opens nothing but pages
(`web/auth.py`). It ends by signing out, unused for 14 days, after 90, and with what it was begun with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from aiohttp import web

from fedcoop.errors import Forbidden, RateLimited, Unverified
from fedcoop.flow import access, accounts
from fedcoop.flow.access import NewToken
from fedcoop.flow.world import World
from fedcoop.protocol import limits
from fedcoop.web import auth, forms, negotiation
from fedcoop.web.admission import ADMISSION
from fedcoop.web.forms import within
from fedcoop.web.pages_frame import HEADERS, Frame
from fedcoop.web.pages_text import words

MAX_NAME: Final = 320
"""Characters of a name that are looked at."""


class SignIn:
    """The form, what it sends, and the way out."""

    def __init__(self, world: World, frame: Frame) -> None:
        self._world = world
        self._frame = frame

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the three routes."""
        return (
            web.get("/sign-in", self.form),
            web.post("/sign-in", self.enter),
            web.post("/sign-out", self.leave),
        )

    async def form(self, request: web.Request) -> web.Response:
        """Return the two forms: name and password, or a token."""
        return await self._form(request, following=within(request.query.get("next")))

    async def enter(self, request: web.Request) -> web.Response:
        """Begin a sign-in, in a cookie that scripts cannot read and other sites cannot use."""
        forms.from_here(request)
        sent = await forms.fields(request)
        following = within(sent.get("next"))
        # The form with a name has no token, and the other one no name.
        if "name" in sent:
            return await self._by_password(request, sent, following)
        return await self._by_token(request, sent.get("token", "").strip(), following)

    async def _by_password(
        self, request: web.Request, sent: Mapping[str, str], following: str
    ) -> web.Response:
        gettext = words(negotiation.language(request)).gettext
        name = sent["name"].strip()[:MAX_NAME]
        account = accounts.actor_of(name, self._world.instance)
        try:
            request.app[ADMISSION].admit_password(request, account)
            begun = await accounts.sign_in(self._world, name, sent.get("password", ""))
        except Unverified:
            error = gettext("This name and this password do not belong together here.")
            return await self._form(request, status=422, error=error, name=name, following=following)
        except RateLimited as limited:
            error = too_often(request, limited)
            response = await self._form(request, status=429, error=error, name=name, following=following)
            response.headers["Retry-After"] = str(limited.retry_after)
            return response
        return await entered(request, begun, following, frame=self._frame, world=self._world)

    async def _by_token(self, request: web.Request, token: str, following: str) -> web.Response:
        address = request.app[ADMISSION].address(request)
        if address is not None:
            request.app[ADMISSION].sign_in.check(address)
        try:
            known = await access.token_behind(token, self._world)
            auth.check_scope(known, "read")
            begun = await access.begin_session(self._world, known)
        except (Unverified, Forbidden):
            if address is not None:
                request.app[ADMISSION].sign_in.charge(address)
            error = words(negotiation.language(request)).gettext("This is not a token of this co-operative.")
            return await self._form(request, status=422, token_error=error, following=following)
        return await entered(request, begun, following, frame=self._frame, world=self._world)

    async def leave(self, request: web.Request) -> web.Response:
        """End the sign-in, here and in the database."""
        forms.from_here(request)
        name = auth.session_cookie(request)
        secret = request.cookies.get(name)
        if secret is not None:
            forms.of_this_sign_in(request, await forms.fields(request))
            await access.end_session(secret, self._world)
        response = go_on("/")
        response.del_cookie(name, httponly=True, samesite="Lax", secure=self._frame.secure, path="/")
        return response

    async def _form(
        self,
        request: web.Request,
        *,
        following: str,
        status: int = 200,
        error: str = "",
        token_error: str = "",
        name: str = "",
    ) -> web.Response:
        return await self._frame.page(
            request,
            "sign_in.html",
            section="sign-in",
            status=status,
            error=error,
            token_error=token_error,
            name=name,
            following=following,
        )


async def entered(
    request: web.Request, begun: NewToken, following: str, *, frame: Frame, world: World
) -> web.Response:
    """Return the way on for somebody who has just signed in, with the cookie; their sign-in of before ends."""
    cookie = auth.session_cookie(request)
    # (1) Whatever this browser sent before is worth nothing now, whoever had set it.
    if (before := request.cookies.get(cookie)) is not None:
        await access.end_session(before, world)
    response = go_on(following)
    response.set_cookie(
        cookie,
        begun.secret,
        max_age=int(limits.SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="Lax",
        secure=frame.secure,
        path="/",
    )
    return response


def too_often(request: web.Request, limited: RateLimited) -> str:
    """Return the sentence for somebody who has tried too often."""
    minutes = -(-limited.retry_after // 60)
    return words(negotiation.language(request)).ngettext(
        "There were too many tries. Wait %(num)s minute.",
        "There were too many tries. Wait %(num)s minutes.",
        minutes,
    )


def go_on(address: str) -> web.Response:
    """Return the way to another page, after something was done."""
    return web.Response(status=303, headers={**HEADERS, "Location": address, "Cache-Control": "no-store"})
