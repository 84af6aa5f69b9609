"""The board: what may be seen of it, by words, ROME code, commune and distance.

Conditions narrow in the database; distances are computed here, in double precision and for every row inside a
box around the circle, so that both databases give the same rows in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import asin, cos, degrees, isfinite, pi, radians, sin, sqrt
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Row, and_, exists, func, or_, select, tuple_, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from fedcoop.ports import BoardEntry, BoardPage, BoardQuery
from fedcoop.protocol.policy import TABLE
from fedcoop.store import tables as t
from fedcoop.store.changes import PUBLIC, reader_name
from fedcoop.store.dialect import Dialect, words_of
from fedcoop.store.paging import cursor_of, place_of
from fedcoop.store.tables import EPOCH, MICROSECOND

EARTH_RADIUS_KM: Final = 6371.0088
"""Mean radius (IUGG). The same in every co-op, or the edge of a circle would differ between them."""

BOX_MARGIN: Final = 1e-6
"""Degrees by which the box is larger than the circle: a tenth of a metre, against rounding."""

MAX_ASKED: Final = 2_000
"""Characters of a search that count."""

listing: Final = t.listing.c


async def board(
    connection: AsyncConnection, dialect: Dialect, query: BoardQuery, *, now: datetime
) -> BoardPage:
    """Return a page of the board as it is at `now`: newest first, or nearest first when a circle is asked.

    Raises:
        Malformed: the cursor is none of ours (`malformed-request`).
    """
    where = and_(*conditions(dialect, query, now), *await _unshown(connection, query))
    if query.centre is not None and query.radius_km is not None:
        return await _nearest_first(connection, query, where, query.centre, query.radius_km)
    return await _newest_first(connection, query, where)


def conditions(dialect: Dialect, query: BoardQuery, now: datetime) -> list[ColumnElement[bool]]:
    """Return what a row must fulfil, but for the distance."""
    found: list[ColumnElement[bool]] = [listing.object_class.in_(query.classes)]
    if query.open_only:
        # What is past its date takes no offers, though its owner has not said so yet (`guards.proposal_open`).
        found += [
            listing.state == "published",
            or_(listing.apply_before.is_(None), listing.apply_before >= now),
        ]
    if query.owner is not None:
        found.append(listing.owner == query.owner)
    if query.rome:
        # The hierarchy is in the code: N, N41, N4104.
        code = query.rome.strip().upper()
        found.append(func.substr(listing.rome, 1, len(code)) == code)
    if query.commune and (query.centre is None or query.radius_km is None):
        found.append(listing.commune == query.commune)
    if query.readers is not None:
        names = [reader_name(name) for name in query.readers]
        found.append(
            exists().where(t.listing_reader.c.listing == listing.n, t.listing_reader.c.reader.in_(names))
        )
    if words := words_of(query.text[:MAX_ASKED]):
        found.append(dialect.has_words(words))
    return found


async def _unshown(connection: AsyncConnection, query: BoardQuery) -> list[ColumnElement[bool]]:
    """Return that a row is not of a peer whose proposals this reader is not shown (`protocol.policy`).

    Whether they are shown is decided when the board is read: a decision that is taken back brings them all back.
    """
    if query.readers is None:
        return []
    anybody = {reader_name(name) for name in query.readers} <= {PUBLIC}
    states = [s for s, r in TABLE.items() if r.shown == "nobody" or (anybody and r.shown == "members")]
    peers = await connection.scalars(select(t.peer.c.origin).where(t.peer.c.state.in_(states)))
    return [func.substr(listing.owner, 1, len(origin) + 1) != f"{origin}/" for origin in peers]


# -- by date -------------------------------------------------------------------------------------------------


async def _newest_first(
    connection: AsyncConnection, query: BoardQuery, where: ColumnElement[bool]
) -> BoardPage:
    total = await connection.scalar(select(func.count()).select_from(t.listing).where(where))
    page = ENTRIES.where(where).order_by(listing.published.desc(), listing.n.desc()).limit(query.limit + 1)
    if query.cursor is not None:
        microseconds, n = place_of(query.cursor, int, int)
        place = tuple_(type_coerce(listing.published, BigInteger), listing.n)
        page = page.where(place < tuple_(microseconds, n))
    rows = (await connection.execute(page)).all()
    shown = rows[: query.limit]
    more = len(rows) > query.limit and bool(shown)
    entries = tuple(entry_of(row, distance_to(query.centre, row)) for row in shown)
    last = cursor_of((shown[-1].published - EPOCH) // MICROSECOND, shown[-1].n) if more else None
    return BoardPage(total=total or 0, entries=entries, next=last)


# -- by distance ---------------------------------------------------------------------------------------------


async def _nearest_first(
    connection: AsyncConnection,
    query: BoardQuery,
    where: ColumnElement[bool],
    centre: tuple[float, float],
    radius_km: float,
) -> BoardPage:
    candidates = select(listing.n, listing.latitude, listing.longitude).where(where, box(centre, radius_km))
    rows = (await connection.execute(candidates)).all()
    # Equally far: newest first. A place is (distance, -n), and what was added nearer stands before it.
    places = sorted(
        (distance, -row.n)
        for row in rows
        if (distance := haversine_km(centre, (row.latitude, row.longitude))) <= radius_km
    )
    total = len(places)
    if query.cursor is not None:
        after = place_of(query.cursor, float, int)
        places = [place for place in places if place > after]
    shown = places[: query.limit]
    entries = await _entries(connection, shown)
    more = len(places) > len(shown) and bool(shown)
    return BoardPage(total=total, entries=entries, next=cursor_of(*shown[-1]) if more else None)


async def _entries(
    connection: AsyncConnection, places: Sequence[tuple[float, int]]
) -> tuple[BoardEntry, ...]:
    numbers = [-n for _, n in places]
    rows = (await connection.execute(ENTRIES.where(listing.n.in_(numbers)))).all()
    by_n: Mapping[int, Row[Any]] = {row.n: row for row in rows}
    return tuple(entry_of(by_n[-n], distance) for distance, n in places)


def haversine_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the distance of two places, given as degrees of latitude and longitude, over the sphere.

    >>> round(haversine_km((45.758, 4.835), (47.218, -1.554)))
    515
    """
    (lat1, lon1), (lat2, lon2) = one, other
    up = sin(radians(lat2 - lat1) / 2) ** 2
    along = sin(radians(lon2 - lon1) / 2) ** 2
    h = up + cos(radians(lat1)) * cos(radians(lat2)) * along
    return 2 * EARTH_RADIUS_KM * asin(sqrt(min(1.0, h)))


def box(centre: tuple[float, float], radius_km: float) -> ColumnElement[bool]:
    """Return the condition of lying in a box that holds the whole circle, poles and date line included."""
    latitude, longitude = centre
    angle = radius_km / EARTH_RADIUS_KM
    reach = degrees(angle) + BOX_MARGIN
    south, north = latitude - reach, latitude + reach
    inside: ColumnElement[bool] = listing.latitude.between(south, north)
    if not isfinite(angle) or south <= -90 or north >= 90 or angle >= pi / 2:
        return and_(inside, listing.longitude.is_not(None))
    # The meridians that touch the circle are wider apart than its equal on the equator.
    width = degrees(asin(min(1.0, sin(angle) / cos(radians(latitude))))) + BOX_MARGIN
    west, east = longitude - width, longitude + width
    ranges = [(west, east), (west + 360, east + 360), (west - 360, east - 360)]
    return and_(inside, or_(*(listing.longitude.between(*limits) for limits in ranges)))


# -- rows ----------------------------------------------------------------------------------------------------

ENTRIES: Final = select(t.listing, t.object_.c.document).select_from(
    t.listing.outerjoin(t.object_, t.object_.c.id == listing.object_id)
)


def distance_to(centre: tuple[float, float] | None, row: Row[Any]) -> float | None:
    """Return how far the row's place is from `centre`; None when either is not known."""
    if centre is None or row.latitude is None or row.longitude is None:
        return None
    return haversine_km(centre, (row.latitude, row.longitude))


def entry_of(row: Row[Any], distance_km: float | None) -> BoardEntry:
    return BoardEntry(
        object_id=row.object_id,
        object_class=row.object_class,
        owner=row.owner,
        local=row.local,
        state=row.state,
        relay_scope=row.relay_scope,
        title=row.title,
        rome=row.rome,
        commune=row.commune,
        published=row.published,
        start=row.start,
        apply_before=row.apply_before,
        distance_km=distance_km,
        document=row.document if row.document is not None else {},
    )
