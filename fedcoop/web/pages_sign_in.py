"""Signing in, for reading pages: a member pastes an access token, and the browser is given a sign-in of its own.

The cookie holds a new secret and not the token; it opens nothing but pages (`web/auth.py`, check 3): acting is done
with the token itself, by a client. It ends with its token, by signing out, unused for 14 days, and after 90.
"""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from fedcoop.errors import Forbidden, Unverified
from fedcoop.flow import access
from fedcoop.flow.world import World
from fedcoop.protocol import limits
from fedcoop.web import auth, forms, negotiation
from fedcoop.web.admission import ADMISSION
from fedcoop.web.forms import within
from fedcoop.web.pages_frame import HEADERS, Frame
from fedcoop.web.pages_text import words


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
        """Return the form in which a member pastes an access token."""
        return await self._form(request, following=within(request.query.get("next")))

    async def enter(self, request: web.Request) -> web.Response:
        """Begin a sign-in for a good token, in a cookie that scripts cannot read and other sites cannot use."""
        forms.from_here(request)
        sent = await forms.fields(request)
        token, following = sent.get("token", "").strip(), within(sent.get("next"))
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
            return await self._form(request, status=422, error=error, following=following)
        response = _go_on(following)
        # A sign-in that this browser had is not left behind.
        if (before := request.cookies.get(auth.session_cookie(request))) is not None:
            await access.end_session(before, self._world)
        response.set_cookie(
            auth.session_cookie(request),
            begun.secret,
            max_age=int(limits.SESSION_LIFE.total_seconds()),
            httponly=True,
            samesite="Lax",
            secure=self._frame.secure,
            path="/",
        )
        return response

    async def leave(self, request: web.Request) -> web.Response:
        """End the sign-in, here and in the database."""
        forms.from_here(request)
        name = auth.session_cookie(request)
        secret = request.cookies.get(name)
        if secret is not None:
            forms.of_this_sign_in(request, await forms.fields(request))
            await access.end_session(secret, self._world)
        response = _go_on("/")
        response.del_cookie(name, httponly=True, samesite="Lax", secure=self._frame.secure, path="/")
        return response

    async def _form(
        self, request: web.Request, *, following: str, status: int = 200, error: str = ""
    ) -> web.Response:
        return await self._frame.page(
            request, "sign_in.html", section="sign-in", status=status, error=error, following=following
        )


def _go_on(address: str) -> web.Response:
    return web.Response(status=303, headers={**HEADERS, "Location": address, "Cache-Control": "no-store"})
