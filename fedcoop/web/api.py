"""The instance's own small API: what we hold, what is on the board, whether we are well."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

import fedcoop
from fedcoop.errors import Malformed, TryLater, Unavailable
from fedcoop.flow import reading, reconciling, tracking
from fedcoop.ports import BoardEntry
from fedcoop.web import answers, auth, bodies
from fedcoop.web.admission import ADMISSION
from fedcoop.web.objects import iri_of
from fedcoop.web.search import board_query
from fedcoop.web.services import SERVICES


async def lookup(request: web.Request) -> web.Response:
    """Answer with the stored copy of `?uri=` that the member may see, or 404. Nothing is fetched (D11)."""
    asking = await auth.member(request)
    world = request.app[SERVICES].world
    found = await reading.lookup(_uri(request), actor=asking, world=world)
    if request.query.get("provenance") == "true":
        provenance = await reading.came(_uri(request), actor=asking, world=world)
        found = {**found, "fedcoopProvenance": provenance}
    media = answers.wanted(request, *answers.AS2)
    return answers.as2(request, found, media=media, public=False)


async def history(request: web.Request) -> web.Response:
    """Answer with the signed history of `?uri=` as we hold it, whoever hosts it; the parts that the reader may see."""
    asking = await auth.reader_of(request)
    found = await reading.read_history(_uri(request), actor=asking, world=request.app[SERVICES].world)
    media = answers.wanted(request, *answers.AS2)
    return answers.as2(request, found, media=media, public=False)


async def deliveries(request: web.Request) -> web.Response:
    """Answer with what became of each copy of `?activity=`, to whoever said it and to the co-op; 404 to all others."""
    asking = await auth.member(request)
    world = request.app[SERVICES].world
    found = await tracking.deliveries_of(_one(request, "activity"), actor=asking, world=world)
    return answers.json_answer(found)


async def deliveries_of_activity(request: web.Request) -> web.Response:
    """The same at the activity's own address."""
    asking = await auth.member(request)
    iri = iri_of(request).removesuffix("/deliveries")
    found = await tracking.deliveries_of(iri, actor=asking, world=request.app[SERVICES].world)
    return answers.json_answer(found)


def _uri(request: web.Request) -> str:
    return _one(request, "uri")


def _one(request: web.Request, name: str) -> str:
    values = request.query.getall(name, [])
    if len(values) != 1 or not values[0]:
        raise Malformed("malformed-request", f"One {name} is looked up at a time.", expected=f"?{name}=<id>")
    return values[0]


async def reconcile(request: web.Request) -> web.Response:
    """Answer a peer's signed question: how far we hold what we share with it, or the steps of one chain."""
    world = request.app[SERVICES].world
    with request.app[ADMISSION].arrival(request) as held:
        raw = await bodies.raw_request(request, accepted=bodies.FEDERATED, held=held)
        found = await reconciling.answered(raw, world=world)
    return answers.json_answer(found)


async def board(request: web.Request) -> web.Response:
    """Answer a search of the board, newest first, nearest first with a radius; parameters as in `search`."""
    asking, world = await auth.reader_of(request), request.app[SERVICES].world
    readers = reading.readers_for(asking, world.instance)
    query = board_query(request.query, instance=world.instance, readers=readers)
    page = await world.store.read(lambda reader: reader.board(query))
    rows = [_row(entry) for entry in page.entries]
    return answers.json_answer({"total": page.total, "items": rows, "next": page.next})


async def health(request: web.Request) -> web.Response:
    """Say that we answer and that the database does, with our version and our clock."""
    world = request.app[SERVICES].world
    try:
        await world.store.read(lambda reader: reader.meta("health"))
    except TryLater:
        raise
    except Exception as error:
        raise Unavailable("unavailable", "The database does not answer.") from error
    now = _stamp(world.clock())
    return answers.json_answer({"status": "ok", "version": fedcoop.__version__, "time": now})


def _row(entry: BoardEntry) -> dict[str, Any]:
    return {
        "id": entry.object_id,
        "class": entry.object_class,
        "owner": entry.owner,
        "local": entry.local,
        "state": entry.state,
        "relayScope": entry.relay_scope,
        "title": entry.title,
        "rome": entry.rome,
        "commune": entry.commune,
        "published": _stamp(entry.published),
        "start": _stamp(entry.start),
        "applyBefore": _stamp(entry.apply_before),
        "distanceKm": None if entry.distance_km is None else round(entry.distance_km, 1),
    }


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
