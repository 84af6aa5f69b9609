"""The frame around every page: templates, the words of the reader's language, who is signed in, and the headers.

A page is one template filled once. It asks the browser for nothing but our own style sheet and pictures, and the
headers make sure that it cannot ask for more, whatever a stranger managed to write into it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote, urlencode

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from fedcoop.errors import FedcoopError, NotFound
from fedcoop.flow import access
from fedcoop.flow.world import World
from fedcoop.ports import Reader, Token
from fedcoop.web import auth, negotiation
from fedcoop.web.pages_text import Words, words, zone
from fedcoop.web.pages_views import Actors, Party, Views

HEADERS: Final[Mapping[str, str]] = {
    # Nothing runs, nothing is loaded from elsewhere, no form leads away, nobody frames us.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Other sites do not learn what was read here; our own forms still say where they come from.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "private, no-cache",
}
STATIC: Final[Mapping[str, str]] = {"fedcoop.css": "text/css", "fedcoop.svg": "image/svg+xml"}
STATIC_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""A drawing has its style inside, and is nothing but a drawing."""
NAMES: Final = (("fr", "Français"), ("en", "English"))
YEAR: Final = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Page:
    """What the frame around every page shows."""

    words: Words
    site: str
    base: str
    section: str
    here: str
    languages: tuple[tuple[str, str, str], ...]
    """(code, its own name, address of this page in it)"""
    viewer: Party | None
    form: str
    """What a form sends along, so that only our own pages can send it; empty when nobody is signed in."""
    zone_known: bool
    has_account: bool
    """Whether the reader is signed in, and not a program with a token."""
    operator: bool
    """Whether the reader may open the operator's pages."""
    relay: bool
    """True for a relay, where nobody signs in and no missions are."""

    @property
    def language(self) -> str:
        """The language of the page."""
        return self.words.language


class Frame:
    """Fills templates for one instance."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._instance = world.instance

    @property
    def secure(self) -> bool:
        """Whether cookies are for https alone: always, but on a developer's loopback."""
        return self._instance.base.startswith("https://")

    def views(self, request: web.Request) -> Views:
        """Return the maker of views for this reader."""
        return Views(words(negotiation.language(request)), self._instance, self._world.clock())

    async def page(
        self, request: web.Request, template: str, *, section: str = "", status: int = 200, **context: Any
    ) -> web.Response:
        """Return `template` filled with `context`, in the language of the request.

        A `?lang=` in the address is remembered, so that a language is chosen once.
        """
        language = negotiation.language(request)
        viewer, signed_in = await self._viewer(request)
        page = Page(
            words=words(language),
            site=self._instance.name,
            base=self._instance.base,
            section=section,
            here=request.path_qs,
            languages=tuple((code, name, _in_language(request, code)) for code, name in NAMES),
            viewer=viewer,
            form=auth.form_token(request) if viewer else "",
            zone_known=zone()[1],
            has_account=signed_in is not None,
            operator=await self._operates(signed_in),
            relay=self._instance.relaying is not None,
        )
        text = environment(language).get_template(template).render(page=page, **context)
        headers = {**HEADERS, "Content-Language": language}
        if viewer or status >= 400:
            headers["Cache-Control"] = "no-store"
        response = web.Response(
            status=status, text=text, content_type="text/html", charset="utf-8", headers=headers
        )
        if request.query.get("lang") in negotiation.LANGUAGES:
            name = negotiation.LANGUAGE_COOKIE
            response.set_cookie(
                name, language, max_age=YEAR, httponly=True, samesite="Lax", secure=self.secure
            )
        return response

    async def _viewer(self, request: web.Request) -> tuple[Party | None, Token | None]:
        """Return who reads, and their sign-in when they have one."""
        try:
            actor = await auth.requester(request)
            signed_in = await auth.signed_in(request)
        except FedcoopError:
            return None, None
        if actor is None:
            return None, None
        actors = await self._world.store.read(lambda reader: known_actors(reader, [actor]))
        return self.views(request).party(actor, actors), signed_in

    async def _operates(self, signed_in: Token | None) -> bool:
        """Tell whether the reader may open the operator's pages."""
        return signed_in is not None and await access.may(signed_in, "see-deliveries", self._world)


async def known_actors(reader: Reader, ids: Sequence[str]) -> Actors:
    """Return those of these actors that we know."""
    found = [await reader.actor(actor_id) for actor_id in dict.fromkeys(ids)]
    return {actor.id: actor for actor in found if actor}


@cache
def environment(language: str) -> Environment:
    """Return the templates of one language. Everything is escaped; what is not defined is a fault, not a blank."""
    env = Environment(
        loader=PackageLoader("fedcoop.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    env.install_gettext_translations(words(language).catalogue, newstyle=True)  # type: ignore[attr-defined]
    env.globals["static"] = _static_address
    env.filters["quoted"] = lambda text: quote(text, safe="")
    return env


@cache
def _static_body(name: str) -> bytes:
    return files("fedcoop.web").joinpath("static", name).read_bytes()


@cache
def _static_address(name: str) -> str:
    return f"/static/{name}?v={sha256(_static_body(name)).hexdigest()[:12]}"


async def static_file(request: web.Request) -> web.Response:
    """Return a file of `static/`; its address changes with its content, so it may be kept for ever."""
    name = request.match_info["name"]
    if name not in STATIC:
        raise NotFound("not-found", "There is no such file.")
    return web.Response(
        body=_static_body(name),
        headers={
            **HEADERS,
            "Content-Type": f"{STATIC[name]}; charset=utf-8",
            "Cache-Control": "public, max-age=31536000, immutable",
            "Content-Security-Policy": STATIC_POLICY,
        },
    )


def drawing(body: bytes) -> web.Response:
    """Return an SVG of ours as a picture that can do nothing."""
    return web.Response(
        body=body,
        headers={
            **HEADERS,
            "Content-Type": "image/svg+xml; charset=utf-8",
            "Cache-Control": "public, max-age=3600",
            "Content-Security-Policy": STATIC_POLICY,
        },
    )


def _in_language(request: web.Request, code: str) -> str:
    """Return the address of this page in another language."""
    # (1) Only the query is written: a path such as `//elsewhere.example/` would be another server's address.
    kept = [(name, value) for name, value in request.query.items() if name not in ("lang", "cursor")]
    return "?" + urlencode([*kept, ("lang", code)])
