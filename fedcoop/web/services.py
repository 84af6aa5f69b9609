"""What the handlers are handed: one frozen object, put into the application under one typed key.

The pages for people are a port of their own (`Pages`): `web/pages.py` implements it, and the machine side
calls it when `Accept` prefers HTML. Without it (`pages=None`) the instance speaks JSON only, and HTML is
answered 406.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web

from fedcoop.flow.world import World
from fedcoop.ports import StoredActor, StoredObject
from fedcoop.protocol.messages import Document
from fedcoop.web.admission import Rates
from fedcoop.web.published import Published


class Pages(Protocol):
    """The pages for people. Every method answers one request with a finished HTML response.

    The machine side has already decided that the requester may see `obj` or `actor`; what a page shows beyond
    that it asks for with the requester of `auth.requester(request)`. The language is that of
    `negotiation.language(request)`. Headers that all responses share (security headers, `Vary`) are added by
    the middlewares of `server.py`.
    """

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Further routes that only people use: sign-in form, sign-out, static files."""
        ...

    async def coop(self, request: web.Request) -> web.Response:
        """`/`: the co-operative's own page."""
        ...

    async def relay(self, request: web.Request) -> web.Response:
        """`/` of a relay: what it carries, and how to subscribe."""
        ...

    async def board(self, request: web.Request) -> web.Response:
        """`/missions`: the board with its search form (query parameters as for `/api/v1/board`)."""
        ...

    async def proposal(self, request: web.Request, obj: StoredObject) -> web.Response:
        """A Mission, ServiceOffer or Need with its whole signed history."""
        ...

    async def engagement(self, request: web.Request, obj: StoredObject) -> web.Response:
        """An Engagement with its whole signed history."""
        ...

    async def activity(self, request: web.Request, document: Document) -> web.Response:
        """An activity, as it was signed; for its sender, what became of it."""
        ...

    async def profile(self, request: web.Request, actor: StoredActor) -> web.Response:
        """A member's (or the co-op's) profile."""
        ...

    async def term(self, request: web.Request, term: str) -> web.Response:
        """`/vocab/<Term>`, or the index of the vocabulary when `term` is empty."""
        ...

    async def problem(self, request: web.Request, problem: Mapping[str, Any], status: int) -> web.Response:
        """A refusal shown to a person, or `/problems/<code>` (then `status` is 200).

        `problem` is the RFC 9457 document, in the language of the request.
        """
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a handler may use."""

    world: World
    published: Published
    """The vocabulary as served: contexts, terms, problems."""
    pages: Pages | None = None
    rates: Rates = field(default_factory=Rates)


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
