"""Programs (OAuth), for people: the page that asks whether one may act in one's name, and the list of those that may.

Nothing here leads to another site before a person has pressed a button: whoever made up a program would else have an
address of ours that leads to theirs (RFC 9700 §4.11.2). A faulty request is told on a page of ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from aiohttp import web

from fedcoop.flow import access, programs
from fedcoop.flow.world import World
from fedcoop.ports import Token
from fedcoop.protocol import oauth, scopes
from fedcoop.protocol.oauth import AUTHORIZE, Ask
from fedcoop.web import auth, forms, negotiation
from fedcoop.web.admission import ADMISSION
from fedcoop.web.pages_frame import HEADERS, Frame
from fedcoop.web.pages_text import words

ALLOWED: Final = "/programs"


@dataclass(frozen=True, slots=True)
class Program:
    """A program that may act for the reader, as the list shows it."""

    id: str
    name: str
    host: str
    leave: tuple[str, ...]
    since: str
    used: str | None
    until: str | None


class Programs:
    """The page that asks, what it sends, and the list."""

    def __init__(self, world: World, frame: Frame) -> None:
        self._world = world
        self._frame = frame

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the four routes."""
        return (
            web.get(AUTHORIZE, self.ask),
            web.post(AUTHORIZE, self.answer),
            web.get(ALLOWED, self.list),
            web.post(ALLOWED, self.end),
        )

    async def ask(self, request: web.Request) -> web.Response:
        """Ask the member whether the program may, in words; whoever is not signed in does that first.

        Raises:
            Invalid, Malformed: the request is no good, and is answered here (`client-unknown`, `redirect-mismatch`,
                `authorization-request`).
            RateLimited: the member has asked too often.
        """
        session = await auth.signed_in(request)
        # (1) Nothing is fetched for strangers: a document is, for a member, and the member may be asked who did it.
        if session is None:
            return _go_on(f"/sign-in?next={quote(request.path_qs, safe='')}")
        asked = await self._asked(request, session)
        response = await self._frame.page(
            request,
            "consent.html",
            section="programs",
            program=asked.client,
            local=asked.local,
            leave=self._in_words(request, asked.scopes),
        )
        # (2) The browser follows our answer to the form there, and to nowhere else.
        policy = f"form-action 'self' {_source(asked.redirect_uri)}"
        whole = HEADERS["Content-Security-Policy"].replace("form-action 'self'", policy)
        response.headers["Content-Security-Policy"] = whole
        # (3) What was asked of one person is not shown to the next one at this browser.
        response.headers["Cache-Control"] = "no-store"
        return response

    async def answer(self, request: web.Request) -> web.Response:
        """Take the program what the member said: a code, or that it may not."""
        sent = await forms.fields(request)
        # (1) The member's own yes, on our own page: else any site could give leave in their name.
        session = await forms.sender(request, sent)
        # (2) The request is read anew: what the form was shown for is in its own address.
        asked = await self._asked(request, session)
        # (3) Anything but a yes is a no.
        if sent.get("decision") == "allow":
            told = {"code": await programs.allow(session, asked, self._world)}
        else:
            told = {"error": "access_denied"}
        issuer = self._world.instance.base
        return _go_on(oauth.back_to(asked.redirect_uri, issuer=issuer, state=asked.state, **told))

    async def list(self, request: web.Request) -> web.Response:
        """Show the member which programs may act in their name."""
        session = await auth.signed_in(request)
        if session is None:
            return _go_on(f"/sign-in?next={ALLOWED}")
        found = await programs.allowed(self._world, session.actor)
        shown = [self._shown(request, token) for token in found]
        return await self._frame.page(request, "programs.html", section="programs", programs=shown)

    async def end(self, request: web.Request) -> web.Response:
        """End what a program may: its next request is refused."""
        sent = await forms.fields(request)
        session = await forms.sender(request, sent)
        await access.revoke(self._world, session.actor, sent.get("program", ""))
        return _go_on(ALLOWED)

    async def _asked(self, request: web.Request, session: Token) -> Ask:
        # (1) Each look at a request is a fetch where somebody else says: one member makes us make so many.
        request.app[ADMISSION].consents.take(session.actor)
        sent = oauth.once(request.query.items())
        client = await programs.client_of(sent.get("client_id", ""), self._world)
        return oauth.read_ask(sent, client, within=await programs.may_give(session, self._world))

    def _in_words(self, request: web.Request, names: Iterable[str]) -> tuple[str, ...]:
        language = negotiation.language(request)
        return tuple(scopes.SCOPES[name].label.in_language(language) for name in names)

    def _shown(self, request: web.Request, token: Token) -> Program:
        told = words(negotiation.language(request))
        return Program(
            token.id,
            token.name,
            urlsplit(token.client or "").netloc,
            self._in_words(request, token.scopes),
            told.date(token.created),
            told.moment(token.used) if token.used else None,
            told.date(token.expires) if token.expires else None,
        )


def _source(redirect_uri: str) -> str:
    """Return how a policy names where the program is: by its origin, or for IPv6, which has no name there, its scheme.

    >>> _source("https://app.example/cb?x"), _source("http://127.0.0.1:5000/"), _source("http://[::1]:5000/")
    ('https://app.example', 'http://127.0.0.1:5000', 'http:')
    """
    parts = urlsplit(redirect_uri)
    return f"{parts.scheme}:" if "[" in parts.netloc else f"{parts.scheme}://{parts.netloc}"


def _go_on(address: str) -> web.Response:
    # Where the code goes learns nothing of where it comes from, and no cache keeps it.
    headers = {**HEADERS, "Location": address, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return web.Response(status=303, headers=headers)
