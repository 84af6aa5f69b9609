"""Forms of our pages: what was sent, that our own page of this sign-in sent it, and where to go on afterwards.

fields      what a form sent
from_here   another site's form is refused, whether or not anybody is signed in
sender      the sign-in whose own page sent the form: what everything that changes something asks first
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web
from yarl import URL

from fedcoop.errors import Forbidden, UnsupportedMedia
from fedcoop.flow import access
from fedcoop.ports import Token
from fedcoop.protocol.limits import KIB
from fedcoop.web import auth
from fedcoop.web.bodies import read_body
from fedcoop.web.services import SERVICES

MAX_FORM: Final = 8 * KIB
"""Bytes of a form: a token has 43, an address of ours 2048 at most."""


async def fields(request: web.Request) -> Mapping[str, str]:
    """Return what a form sent, each field once.

    Raises:
        UnsupportedMedia: it is none of our forms' encoding.
        TooLarge: it is larger than `MAX_FORM`.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise UnsupportedMedia(
            "unsupported-media-type", "This form is sent urlencoded.", received=request.content_type
        )
    body = await read_body(request, most=MAX_FORM)
    try:
        found = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def from_here(request: web.Request) -> None:
    """Pass when the form was ours: another site's would sign people in as somebody else, or out. Raises Forbidden."""
    base = request.app[SERVICES].world.instance.base
    # (1) What every present browser says of the page that a request comes from.
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    # (2) What older ones say.
    origin = request.headers.get("Origin", base)
    if site not in ("same-origin", "none") or origin != base:
        raise Forbidden("wrong-party", "This form was sent from another site.", expected=base)


def of_this_sign_in(request: web.Request, sent: Mapping[str, str]) -> None:
    """Pass when the form came with the word of the sign-in whose cookie came with it. Raises Forbidden."""
    word = auth.form_token(request)
    # (1) Without a sign-in there is no word, and nothing equals it.
    if not word or not hmac.compare_digest(sent.get("form", "").encode(), word.encode()):
        raise Forbidden("wrong-party", "This form is not of your present sign-in. Load the page again.")


async def sender(request: web.Request, sent: Mapping[str, str]) -> Token:
    """Return the sign-in whose own page sent the form.

    Raises:
        Forbidden: another site or another sign-in sent it (`wrong-party`).
        Unverified: the sign-in has ended (`token-invalid`).
    """
    # (1) Neither another site.
    from_here(request)
    # (2) Nor a page of this site that was opened before the present sign-in.
    of_this_sign_in(request, sent)
    secret = request.cookies.get(auth.session_cookie(request), "")
    # (3) Nor a sign-in that has ended meanwhile.
    return await access.session_behind(secret, request.app[SERVICES].world)


def within(address: str | None) -> str:
    """Return a path of our own to go on to; for anything else the front page.

    >>> within("/missions?q=v\u00e9lo"), within("//elsewhere.example/"), within(None)
    ('/missions?q=v%C3%A9lo', '/', '/')
    """
    # (1) `//host`, `/\\host` and what a browser reads as such are addresses of other servers.
    if not address or not address.startswith("/") or address[1:2] in ("/", "\\") or not address.isprintable():
        return "/"
    try:
        following = URL(address)
    except ValueError:
        return "/"
    return "/" if following.absolute else str(following)
