"""The pages for people: server-rendered, in French and English, without a line of script.

Each handler asks the store once (one committed snapshot), makes views of what it got and fills one template. What the
reader may see has been decided before (`web/auth.py`, `flow/reading.py`); a page only narrows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlsplit

from aiohttp import web
from markupsafe import Markup

from fedcoop.errors import NotFound
from fedcoop.flow import reading
from fedcoop.flow.peering import standing
from fedcoop.flow.tracking import became_of
from fedcoop.flow.world import Instance, World
from fedcoop.ports import BoardPage, BoardQuery, Reader, StoredActor, StoredObject
from fedcoop.protocol.messages import Chain, Document
from fedcoop.protocol.model import PROBLEMS, WHO_ACTS
from fedcoop.web import answers, auth, negotiation
from fedcoop.web.pages_account import OwnAccount
from fedcoop.web.pages_frame import Frame, drawing, known_actors, static_file
from fedcoop.web.pages_history import History, history
from fedcoop.web.pages_message import message_page
from fedcoop.web.pages_operator import Operator
from fedcoop.web.pages_programs import Programs
from fedcoop.web.pages_relay import RelayPage
from fedcoop.web.pages_search import RADII, Finder, Search
from fedcoop.web.pages_sign_in import SignIn
from fedcoop.web.pages_views import Actors, Engagement, Views, owners
from fedcoop.web.search import CLASSES
from fedcoop.web.services import SERVICES

LATEST: Final = 5
"""Missions shown on the co-operative's own page."""
MAX_ENGAGEMENTS: Final = 50
"""Engagements listed on a party's own page."""
MAX_MEMBERS: Final = 200
"""Members named on the co-operative's own page."""
HEADING_OR_TABLE: Final = re.compile(r"<(h[12])[^>]*>(.*?)</\1>|<table>", re.DOTALL)
TAG: Final = re.compile(r"<[^>]*>")
PROPOSALS: Final = ("Mission", "ServiceOffer", "Need", "Proposal")
TERM_KINDS: Final = ("classes", "activities", "codes", "properties")


@dataclass(frozen=True, slots=True)
class Option:
    """A choice of a list."""

    value: str
    text: str


@dataclass(frozen=True, slots=True)
class _CoopsOwn:
    actors: Actors
    latest: BoardPage
    counts: Mapping[str, int]
    peers: int
    hosted: Sequence[StoredActor]
    engagements: Sequence[Engagement]


Told: TypeAlias = Mapping[str, Any]
"""What is said of a co-op on the other side (`flow.peering.standing`)."""


class HtmlPages:
    """`services.Pages` for one instance."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._instance = world.instance
        self._frame = Frame(world)
        self._sign_in = SignIn(world, self._frame)
        self._account = OwnAccount(world, self._frame)
        self._operator = Operator(world, self._frame)
        self._programs = Programs(world, self._frame)
        self._finder = Finder(world.instance)
        self._relay = RelayPage(world, self._frame)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return what only people use: the sign-in form, copies of other servers' documents, the style sheet."""
        return (
            web.get("/copy", self.copy),
            web.get("/source", self.source),
            web.get("/history", self.history),
            web.get("/vocab/diagrams/{name}", self.diagram),
            web.get("/static/{name}", static_file),
            *self._sign_in.routes(),
            *self._account.routes(),
            *self._operator.routes(),
            *self._programs.routes(),
        )

    # -- pages -----------------------------------------------------------------------------------------------

    async def coop(self, request: web.Request) -> web.Response:
        """Return the co-operative's own page."""
        viewer = await auth.requester(request)
        readers = reading.readers_for(viewer, self._instance)
        own = self._instance.coop

        views = self._frame.views(request)

        async def ask(reader: Reader) -> _CoopsOwn:
            latest = await reader.board(
                BoardQuery(classes=("Mission",), owner=own, readers=readers, limit=LATEST)
            )
            peers = sum(peer.state == "allowed" for peer in await reader.peers())
            hosted = await reader.local_actors() if viewer else ()
            engaged = await _engagements(reader, views, own) if viewer == own else ()
            return _CoopsOwn(
                await known_actors(reader, [own]), latest, await reader.counts(), peers, hosted, engaged
            )

        found = await self._world.store.read(ask)
        actors = found.actors
        if own not in actors:
            raise NotFound("not-found", "This instance has no co-operative yet.")
        # (1) Who the members are is for members (privacy class P1); strangers get their number.
        members = [
            views.party(actor.id, {actor.id: actor}) for actor in found.hosted if actor.kind == "Member"
        ]
        return await self._frame.page(
            request,
            "coop.html",
            section="coop",
            coop=views.coop(actors[own]),
            latest=[views.row(entry, actors) for entry in found.latest.entries],
            missions=found.latest.total,
            counts=found.counts,
            peers=found.peers,
            engagements=found.engagements,
            members=sorted(members, key=lambda member: member.name.text.casefold())[:MAX_MEMBERS],
        )

    async def relay(self, request: web.Request) -> web.Response:
        """Return a relay's page."""
        return await self._relay(request)

    async def board(self, request: web.Request) -> web.Response:
        """Return the board: the search form, and what it finds."""
        viewer = await auth.requester(request)
        readers = reading.readers_for(viewer, self._instance)
        views = self._frame.views(request)
        form = self._finder.read(request.query, views.words, readers)

        async def ask(reader: Reader) -> tuple[BoardPage, Actors]:
            found = await reader.board(form.query) if form.query else BoardPage(0, (), None)
            return found, await _with_homes(reader, owners(found.entries))

        found, actors = await self._world.store.read(ask)
        return await self._frame.page(
            request,
            "board.html",
            section="board",
            form=form,
            radii=[Option(f"{km:g}", views.words.kilometres(km)) for km in _radii(form)],
            kinds=[Option(code, views.words.class_name(name)) for code, name in CLASSES.items()],
            rows=[views.row(entry, actors) for entry in found.entries],
            total=found.total,
            next_page=form.page(found.next) if found.next else None,
            first_page=form.page(None) if request.query.get("cursor") else None,
        )

    async def proposal(self, request: web.Request, obj: StoredObject) -> web.Response:
        """Return a Mission, ServiceOffer or Need with its whole signed history."""
        viewer = await auth.requester(request)
        views = self._frame.views(request)

        async def ask(
            reader: Reader,
        ) -> tuple[Chain | None, History | None, Sequence[Engagement], Actors, Sequence[Told]]:
            chain = await reader.chain(obj.id)
            told = await _history(reader, views, chain, viewer) if chain else None
            # (2) An engagement is for its parties (privacy class P2), whoever may read the proposal.
            theirs = [
                c for c in await reader.engagements(obj.id) if reading.is_party(viewer, c, self._instance)
            ]
            # (3) How co-ops stand with each other is for members.
            chains = [chain, *theirs] if chain is not None and viewer is not None else []
            peers = await _standing(reader, chains, self._instance)
            seen = await _seen(reader, views, theirs)
            return chain, told, seen, await _with_homes(reader, [obj.owner]), peers

        chain, told, engagements, actors, peers = await self._world.store.read(ask)
        elsewhere = not self._instance.hosts(obj.id)
        return await self._frame.page(
            request,
            "proposal.html",
            section="board",
            proposal=views.proposal(obj, chain, actors),
            history=told,
            engagements=engagements,
            peers=peers,
            source=obj.id,
            history_source=f"/history?id={quote(obj.id, safe='')}" if elsewhere else f"{obj.id}/history",
            elsewhere=elsewhere,
        )

    async def engagement(self, request: web.Request, obj: StoredObject) -> web.Response:
        """Return an engagement, for its parties."""
        return await self._engagement(request, obj.id)

    async def _engagement(self, request: web.Request, ref: str) -> web.Response:
        viewer = await auth.requester(request)
        views = self._frame.views(request)

        async def ask(reader: Reader) -> tuple[Engagement, History, Sequence[Told]] | None:
            chain = await reader.chain(ref)
            # (4) Whoever is no party learns nothing, not even that there is one.
            if chain is None or not reading.is_party(viewer, chain, self._instance):
                return None
            peers = await _standing(reader, [chain], self._instance)
            told = await _history(reader, views, chain, viewer)
            return (await _seen(reader, views, [chain]))[0], told, peers

        found = await self._world.store.read(ask)
        if found is None:
            raise NotFound("not-found", "There is nothing here that you may read.")
        engagement, told, peers = found
        return await self._frame.page(
            request,
            "engagement.html",
            section="board",
            engagement=engagement,
            peers=peers,
            history=told,
            source=engagement.id,
            history_source=f"/history?id={quote(engagement.id, safe='')}",
        )

    async def activity(self, request: web.Request, document: Document) -> web.Response:
        """Return a message; for its sender, what became of it."""
        return await message_page(request, document, frame=self._frame, world=self._world)

    async def profile(self, request: web.Request, actor: StoredActor) -> web.Response:
        """Return a member's profile; the co-operative's is its own page."""
        if actor.id == self._instance.coop:
            return await self.coop(request)
        viewer = await auth.requester(request)
        readers = reading.readers_for(viewer, self._instance)

        views = self._frame.views(request)

        async def ask(reader: Reader) -> tuple[BoardPage, Sequence[Engagement], Actors]:
            offers = await reader.board(BoardQuery(owner=actor.id, readers=readers, limit=LATEST * 4))
            engaged = await _engagements(reader, views, actor.id) if viewer == actor.id else ()
            return offers, engaged, await _with_homes(reader, [actor.id])

        offers, engagements, actors = await self._world.store.read(ask)
        return await self._frame.page(
            request,
            "profile.html",
            section="coop",
            member=views.member(actor, actors),
            offers=[views.row(entry, actors) for entry in offers.entries],
            engagements=engagements,
        )

    async def problem(self, request: web.Request, problem: Mapping[str, Any], status: int) -> web.Response:
        """Return a refusal, or the page about one kind of refusal: what happened, and what to do."""
        code = str(problem.get("type", "")).rpartition("/")[2]
        known = PROBLEMS.get(code)
        language = negotiation.language(request)
        advice = "" if known is None else known.help_fr if language == "fr" else known.help_en
        return await self._frame.page(
            request,
            "problem.html",
            status=status,
            title=str(problem.get("title", code)),
            detail=str(problem.get("detail", "")),
            expected=str(problem.get("expected", "")),
            received=str(problem.get("received", "")),
            reference=str(problem.get("instance", "")).rpartition("#")[2],
            code=code,
            usual_status=known.status if known else None,
            advice=advice,
            who=() if known is None else [WHO_ACTS[who].in_language(language) for who in known.who],
            example=known,
            about=status == 200,
        )

    # -- copies of what other servers sent -------------------------------------------------------------------

    async def copy(self, request: web.Request) -> web.Response:
        """Return the page of a document of another server, as we received it; nothing is fetched."""
        iri = request.query.get("id", "")
        chain = await self._world.store.read(lambda reader: reader.chain(iri))
        if chain is not None and chain.kind == "Engagement":
            return await self._engagement(request, iri)
        if self._instance.hosts(iri):
            raise web.HTTPFound(iri)
        viewer = await auth.requester(request)
        obj = await reading.read_object(iri, actor=viewer, world=self._world)
        if obj.object_class not in PROPOSALS:
            raise NotFound("not-found", "There is no page for this.")
        return await self.proposal(request, obj)

    async def source(self, request: web.Request) -> web.Response:
        """Return a document as it was published or sent to us: what the address of a page answers to machines."""
        viewer, iri = await auth.requester(request), request.query.get("id", "")
        try:
            found = (await reading.read_object(iri, actor=viewer, world=self._world)).document
        except NotFound:
            found = await reading.read_activity_document(iri, actor=viewer, world=self._world)
        return answers.as2(request, found, media=negotiation.ACTIVITY_JSON, public=viewer is None)

    async def history(self, request: web.Request) -> web.Response:
        """Return the signed history of a chain of another server, as we keep it: what `fedcoop verify` reads."""
        viewer, iri = await auth.requester(request), request.query.get("id", "")
        found = await reading.read_history(iri, actor=viewer, world=self._world)
        return answers.as2(request, found, media=negotiation.ACTIVITY_JSON, public=viewer is None)

    async def term(self, request: web.Request, term: str) -> web.Response:
        """Return a page of the vocabulary, as the vocabulary itself words it."""
        published = request.app[SERVICES].published
        folder = f"terms/{negotiation.language(request)}"
        paths = [f"{folder}/{kind}/{term}.html" for kind in TERM_KINDS] if term else [f"{folder}/index.html"]
        found = next((body for path in paths if (body := published.file(path)) is not None), None)
        if found is None:
            raise NotFound("not-found", "The vocabulary has no page for this.")
        shown = Markup(_scrolling(found.decode()))  # noqa: S704 -- our own file, made by vocab/build.py
        return await self._frame.page(request, "term.html", section="vocabulary", term=term, body=shown)

    async def diagram(self, request: web.Request) -> web.Response:
        """Return a drawing of a lifecycle, as the vocabulary's build made it."""
        name = request.match_info["name"]
        body = request.app[SERVICES].published.file(f"diagrams/{name}") if name.endswith(".svg") else None
        if body is None:
            raise NotFound("not-found", "There is no such diagram.")
        return drawing(body)


# -- what is asked of the store --------------------------------------------------------------------------


async def _with_homes(reader: Reader, ids: Sequence[str]) -> Actors:
    """Return these actors, and the co-operatives that their members belong to."""
    found = await known_actors(reader, ids)
    homes = [
        home for actor in found.values() if isinstance(home := actor.document.get("homeCooperative"), str)
    ]
    return {**found, **await known_actors(reader, homes)}


async def _standing(reader: Reader, chains: Sequence[Chain], instance: Instance) -> Sequence[Told]:
    """Return what is said of the co-ops on the other side, each with the host that people know it by."""
    told = await standing(reader, chains, instance)
    return [{**one, "host": urlsplit(one["origin"]).netloc} for one in told]


async def _seen(reader: Reader, views: Views, chains: Sequence[Chain]) -> tuple[Engagement, ...]:
    actors = await known_actors(reader, [party for chain in chains for party in chain.parties.values()])
    answered = {c.proposal: await reader.object(c.proposal) for c in chains if c.proposal}
    return tuple(views.engagement(c, actors, answered.get(c.proposal or "")) for c in chains)


async def _engagements(reader: Reader, views: Views, party: str) -> tuple[Engagement, ...]:
    return await _seen(reader, views, (await reader.engagements_of(party))[:MAX_ENGAGEMENTS])


async def _history(reader: Reader, views: Views, chain: Chain, viewer: str | None) -> History:
    links, activities = await reader.links(chain.id), await reader.history(chain.id)
    actors = await known_actors(reader, [activity.actor for activity in activities])
    told_of = await became_of(reader, activities, actor=viewer, instance=views.instance)
    return history(views, chain, links, activities, actors, told_of)


def _scrolling(fragment: str) -> str:
    """A table may be wider than a telephone: each scrolls by itself, also by keyboard, and is named by its heading."""
    heading, tables = "", 0

    def replaced(found: re.Match[str]) -> str:
        nonlocal heading, tables
        if found[1]:
            heading = TAG.sub("", found[2])
            return found[0]
        tables += 1
        label = f"{heading} ({tables})"
        return f'<div class="scroll" role="region" tabindex="0" aria-label="{label}"><table>'

    return HEADING_OR_TABLE.sub(replaced, fragment).replace("</table>", "</table></div>")


def _radii(form: Search) -> Sequence[float]:
    """The distances to choose from, with the one that an address asked for."""
    asked = form.query.radius_km if form.query else None
    return sorted({*RADII, *([asked] if asked else [])})
