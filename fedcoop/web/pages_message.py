"""The page of one message: who said it, when, and, for its sender and the co-operative, what became of each copy."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from fedcoop.flow.tracking import Tracked, became_of
from fedcoop.flow.world import World
from fedcoop.ports import Reader
from fedcoop.protocol.messages import Chain, Document
from fedcoop.web import auth
from fedcoop.web import pages_content as read
from fedcoop.web.pages_deliveries import fate
from fedcoop.web.pages_frame import Frame, known_actors
from fedcoop.web.pages_views import Actors, Views


@dataclass(frozen=True, slots=True)
class _Known:
    actors: Actors
    chain: Chain | None
    tracked: tuple[Tracked, ...] | None
    """None for whoever is not told what became of it."""


async def message_page(
    request: web.Request, document: Document, *, frame: Frame, world: World
) -> web.Response:
    """Return the page of an activity that the reader may read."""
    viewer = await auth.requester(request)
    views = frame.views(request)
    iri, sender = read.identifier(document) or "", read.identifier(document.get("actor")) or ""

    async def ask(reader: Reader) -> _Known:
        stored = await reader.activity(iri)
        told_of = await became_of(reader, [stored] if stored else [], actor=viewer, instance=world.instance)
        return _Known(await known_actors(reader, [sender]), await reader.chain(iri), told_of.get(iri))

    known = await world.store.read(ask)
    about = read.document(document.get("object"))
    content, language = read.content(about, views.words.language)
    return await frame.page(
        request,
        "message.html",
        section="board",
        message=iri,
        kind=read.line(document.get("type")),
        sender=views.party(sender, known.actors),
        when=views.moment(document.get("published")),
        title=read.said(about, "name", views.words.language),
        content=content,
        content_language=language,
        part_of=_page_of(known.chain, views),
        source=views.source(iri),
        fate=fate(views, known.tracked) if known.tracked is not None else None,
    )


def _page_of(chain: Chain | None, views: Views) -> str | None:
    """Return the address of what this is a step of."""
    if chain is None:
        return None
    # Until it is accepted an engagement has no address of its own: it is found by its first offer.
    own = read.identifier(chain.document) or chain.id
    return f"/copy?id={quote(own, safe='')}" if chain.kind == "Engagement" else views.href(chain.id)
