"""Signing in, for reading pages: a member pastes an access token, and the browser is given a sign-in of its own.

The cookie holds a new secret and not the token; it opens nothing but pages (`web/auth.py`, check 3): acting is done
with the token itself, by a client. It ends with its token, by signing out, unused for 14 days, and after 90.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web
from yarl import URL

from fedcoop.errors import Forbidden, UnsupportedMedia, Unverified
from fedcoop.flow import access
from fedcoop.flow.world import World
from fedcoop.protocol import limits
from fedcoop.protocol.limits import KIB
from fedcoop.web import auth, negotiation
from fedcoop.web.admission import ADMISSION
from fedcoop.web.bodies import read_body
from fedcoop.web.pages_frame import HEADERS, Frame
from fedcoop.web.pages_text import words

MAX_FORM: Final = 8 * KIB
"""Bytes of the form: a token has 43."""


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
        self._from_here(request)
        sent = await _fields(request)
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
        self._from_here(request)
        name = auth.session_cookie(request)
        secret = request.cookies.get(name)
        if secret is not None:
            sent = (await _fields(request)).get("form", "")
            if not hmac.compare_digest(sent.encode(), auth.form_token(request).encode()):
                raise Forbidden(
                    "wrong-party", "This form is not of your present sign-in. Load the page again."
                )
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

    def _from_here(self, request: web.Request) -> None:
        """Pass when the form was ours: another site's would sign people in as somebody else, or out."""
        base = self._world.instance.base
        # (1) What every present browser says of the page that a request comes from.
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        # (2) What older ones say.
        origin = request.headers.get("Origin", base)
        if site not in ("same-origin", "none") or origin != base:
            raise Forbidden("wrong-party", "This form was sent from another site.", expected=base)


def within(address: str | None) -> str:
    """Return a path of our own to go on to after signing in; for anything else the front page.

    >>> within("/missions?q=v\u00e9lo"), within("//elsewhere.example/"), within(None)
    ('/missions?q=v%C3%A9lo', '/', '/')
    """
    # (3) `//host`, `/\\host` and what a browser reads as such are addresses of other servers.
    if not address or not address.startswith("/") or address[1:2] in ("/", "\\") or not address.isprintable():
        return "/"
    try:
        following = URL(address)
    except ValueError:
        return "/"
    return "/" if following.absolute else str(following)


def _go_on(address: str) -> web.Response:
    return web.Response(status=303, headers={**HEADERS, "Location": address, "Cache-Control": "no-store"})


async def _fields(request: web.Request) -> Mapping[str, str]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise UnsupportedMedia(
            "unsupported-media-type", "This form is sent urlencoded.", received=request.content_type
        )
    body = await read_body(request, most=MAX_FORM)
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}
