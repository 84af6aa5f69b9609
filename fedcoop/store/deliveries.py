"""What became of every delivery, and how it goes with each server: read, tried again by hand, and purged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Row,
    Select,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    select,
    text,
    union,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from fedcoop.ports import Delivery, DeliveryQuery, Health
from fedcoop.protocol.circuit import Circuit
from fedcoop.protocol.limits import (
    CIRCUIT_KEPT,
    DELIVERY_KEPT,
    DELIVERY_TIME,
    HEARD_EVERY,
    MAX_OWED_PER_DESTINATION,
    MAX_RATE_KEYS,
)
from fedcoop.store import tables as t
from fedcoop.store.dialect import Dialect
from fedcoop.store.lanes import FORGET_CIRCUIT, STILL_OWED
from fedcoop.store.tables import EPOCH

MEASURED: Final = 200
"""Deliveries of a lane from which it is said how long they take."""

OF_ORIGIN: Final = t.lane.c.origin == bindparam("origin")
WAITING: Final = case(((t.lane.c.not_before > EPOCH) & STILL_OWED, t.lane.c.not_before), else_=None)
DELIVERIES: Final = select(
    *(c for c in t.delivery.c if c.name != "body"),
    t.lane.c.origin,
    t.activity.c.type.label("activity_type"),
    WAITING.label("next_at"),
).select_from(
    t.delivery.join(t.lane, t.lane.c.inbox == t.delivery.c.inbox).outerjoin(
        t.activity, t.activity.c.id == t.delivery.c.activity_id
    )
)
COUNTS: Final = select(
    select(func.count())
    .select_from(t.lane.join(t.delivery))
    .where(STILL_OWED)
    .scalar_subquery()
    .label("owed"),
    select(func.count()).select_from(t.delivery).where(text(t.DEAD)).scalar_subquery().label("dead"),
)
CIRCUIT: Final = select(t.circuit).where(t.circuit.c.origin == bindparam("origin"))
HEALTH: Final = select(
    select(t.heard.c.at).where(t.heard.c.origin == bindparam("origin")).scalar_subquery().label("heard_at"),
    select(func.count())
    .select_from(t.lane.join(t.delivery))
    .where(OF_ORIGIN, STILL_OWED)
    .scalar_subquery()
    .label("owed"),
    select(func.min(t.delivery.c.enqueued_at, type_=t.Instant()))
    .select_from(t.lane.join(t.delivery))
    .where(OF_ORIGIN, STILL_OWED)
    .scalar_subquery()
    .label("oldest_owed"),
)
LANES_OF: Final = select(t.lane.c.inbox).where(OF_ORIGIN)
LAST_OF_LANE: Final = (
    select(t.delivery.c.enqueued_at, t.delivery.c.ended_at)
    .where(
        t.delivery.c.inbox == bindparam("of"),
        t.delivery.c.ended_at.is_not(None),
        t.delivery.c.state == literal_column("'delivered'"),
    )
    .order_by(t.delivery.c.ended_at.desc())
    .limit(MEASURED)
)
DESTINATIONS: Final = union(select(t.lane.c.origin), select(t.heard.c.origin)).order_by("origin")
CO_OPS: Final = (
    select(t.actor.c.id, t.actor.c.document)
    .where(t.actor.c.kind == "Cooperative", ~t.actor.c.local)
    .order_by(t.actor.c.n)
)

# A server's other lanes wait a little longer: the one that failed is the probe, and they go when it was answered.
PROBE: Final = (
    update(t.lane)
    .where(t.lane.c.inbox == bindparam("probe"), t.lane.c.not_before < bindparam("until"))
    .values(not_before=bindparam("until"))
)
OTHERS_WAIT: Final = (
    update(t.lane)
    .where(t.lane.c.origin == bindparam("under"), t.lane.c.inbox != bindparam("probe"))
    .values(
        failures=case((t.lane.c.failures > 0, t.lane.c.failures), else_=1),
        not_before=case(
            (t.lane.c.not_before > bindparam("then"), t.lane.c.not_before),
            else_=bindparam("then", type_=t.Instant()),
        ),
    )
)
OTHERS_GO: Final = (
    update(t.lane)
    .where(
        t.lane.c.origin == bindparam("under"),
        t.lane.c.inbox != bindparam("answered"),
        t.lane.c.failures > 0,
    )
    .values(not_before=EPOCH)
)
AGAIN: Final = (
    update(t.delivery)
    .where(t.delivery.c.id == bindparam("the"), t.delivery.c.state.not_in(("delivered", "cancelled", "held")))
    .values(
        state=case((STILL_OWED, t.delivery.c.state), else_="queued"),
        attempts=case((STILL_OWED, t.delivery.c.attempts), else_=0),
        first_tried=case((STILL_OWED, t.delivery.c.first_tried), else_=None),
        ended_at=None,
    )
)
LANE_OF_DELIVERY: Final = (
    select(t.lane.c.inbox, t.lane.c.origin)
    .join(t.delivery, t.delivery.c.inbox == t.lane.c.inbox)
    .where(t.delivery.c.id.in_(bindparam("ids", expanding=True)), STILL_OWED)
    .distinct()
)
GO: Final = update(t.lane).where(t.lane.c.inbox == bindparam("of")).values(not_before=EPOCH)

# Rows are numbered as they come and all end within weeks: the old ones stand in front.
OLDEST: Final = (
    select(t.delivery.c.id, t.delivery.c.ended_at).order_by(t.delivery.c.id).limit(bindparam("at_most"))
)
PURGE: Final = delete(t.delivery).where(t.delivery.c.id == bindparam("the"))
FORGET_CIRCUITS: Final = delete(t.circuit).where(t.circuit.c.failed_at < bindparam("before"))
FORGET_HEARD: Final = delete(t.heard).where(t.heard.c.at < bindparam("before"))
LONG_QUEUES: Final = (
    select(t.lane.c.inbox, func.count().label("owed"))
    .select_from(t.lane.join(t.delivery))
    .where(t.lane.c.failures > 0, STILL_OWED)
    .group_by(t.lane.c.inbox)
    .having(func.count() > bindparam("at_most"))
)
SURPLUS: Final = (
    select(t.delivery.c.id)
    .outerjoin(t.activity, t.activity.c.id == t.delivery.c.activity_id)
    .where(
        t.delivery.c.inbox == bindparam("of"),
        STILL_OWED,
        func.coalesce(t.activity.c.type, "").not_in(("Delete", "Undo")),
    )
    .order_by(t.delivery.c.id)
    .limit(bindparam("surplus"))
)
DROP: Final = (
    update(t.delivery)
    .where(t.delivery.c.id == bindparam("the"), STILL_OWED)
    .values(state="expired", ended_at=bindparam("now", type_=t.Instant()), reason=bindparam("why"))
)


class Heard:
    """When each server was last noted as heard, so that it is noted once a minute and not with every message."""

    def __init__(self) -> None:
        self._at: dict[str, datetime] = {}

    def is_news(self, origin: str, now: datetime) -> bool:
        """Tell whether a word of `origin` is to be noted now; then it is not for the next `HEARD_EVERY`."""
        if now - self._at.get(origin, EPOCH) < HEARD_EVERY:
            return False
        if len(self._at) >= MAX_RATE_KEYS:
            self._at.clear()
        self._at[origin] = now
        return True


# -- reading -------------------------------------------------------------------------------------------------


async def deliveries(connection: AsyncConnection, query: DeliveryQuery) -> tuple[Delivery, ...]:
    """Return what is asked for (`ports.Reader.deliveries`)."""
    asked: Select[Any] = DELIVERIES
    if query.activity_id is not None:
        asked = asked.where(t.delivery.c.activity_id == query.activity_id).order_by(t.delivery.c.id)
    else:
        asked = asked.order_by(t.delivery.c.id.desc())
    if query.origin is not None:
        asked = asked.where(t.lane.c.origin == query.origin)
    if query.before is not None:
        asked = asked.where(t.delivery.c.id < query.before)
    if query.states:
        asked = asked.where(t.delivery.c.state.in_(query.states))
    rows = (await connection.execute(asked.limit(query.limit))).all()
    # What is kept back has no end that anybody set.
    return tuple(
        Delivery(**{**row._mapping, "ended_at": None if row.state == "held" else row.ended_at})
        for row in rows
    )


async def counts(connection: AsyncConnection) -> Mapping[str, int]:
    """Return how many deliveries are owed, and how many were refused or given up and are still remembered."""
    return dict((await connection.execute(COUNTS)).one()._mapping)


async def circuit(connection: AsyncConnection, origin: str) -> Circuit | None:
    """Return what is remembered of a server that did not answer."""
    row = (await connection.execute(CIRCUIT, {"origin": origin})).one_or_none()
    return None if row is None else _circuit_of(row)


def _circuit_of(row: Row[Any]) -> Circuit:
    return Circuit(**{name: value for name, value in row._mapping.items() if name != "origin"})


async def health(connection: AsyncConnection, origin: str) -> Health:
    """Return how deliveries to one server go."""
    row = (await connection.execute(HEALTH, {"origin": origin})).one()
    last: list[Any] = []
    for (inbox,) in (await connection.execute(LANES_OF, {"origin": origin})).all():
        last += (await connection.execute(LAST_OF_LANE, {"of": inbox})).all()
    return Health(
        origin=origin,
        **row._mapping,
        delivered_at=max((one.ended_at for one in last), default=None),
        circuit=await circuit(connection, origin),
        seconds=tuple(sorted((one.ended_at - one.enqueued_at).total_seconds() for one in last)),
    )


async def destinations(connection: AsyncConnection) -> tuple[str, ...]:
    """Return the origins of every server that something was ever owed to, or that was heard."""
    return tuple(row.origin for row in (await connection.execute(DESTINATIONS)).all())


async def coop_names(connection: AsyncConnection) -> Mapping[str, str]:
    """Return origin to the name of the first co-operative that we met there."""
    names: dict[str, str] = {}
    for row in (await connection.execute(CO_OPS)).all():
        name = row.document.get("name")
        if isinstance(name, str) and name:
            names.setdefault("/".join(row.id.split("/", 3)[:3]), name)
    return names


# -- writing -------------------------------------------------------------------------------------------------


async def put_circuit(
    connection: AsyncConnection, dialect: Dialect, origin: str, circuit: Circuit, *, probe: str
) -> None:
    """Keep the circuit; while it is open no lane of the server is due, and afterwards `probe` is the first."""
    row = {
        name: getattr(circuit, name) for name in ("failures", "since", "opened", "open_until", "failed_at")
    }
    await connection.execute(dialect.upsert(t.circuit, key=["origin"]), {"origin": origin, **row})
    until = circuit.open_until
    if until is not None:
        await connection.execute(PROBE, {"probe": probe, "until": until})
    then = until + 2 * DELIVERY_TIME if until is not None else EPOCH
    await connection.execute(OTHERS_WAIT, {"under": origin, "probe": probe, "then": then})


async def close_circuit(connection: AsyncConnection, origin: str, *, answered: str) -> None:
    """Forget the circuit; the server's lanes other than `answered` are due at once."""
    forgotten = await connection.execute(FORGET_CIRCUIT, {"under": origin})
    if forgotten.rowcount:
        await connection.execute(OTHERS_GO, {"under": origin, "answered": answered})


async def hear(connection: AsyncConnection, dialect: Dialect, origin: str, now: datetime) -> None:
    """Note that a server has just said something valid."""
    await connection.execute(dialect.upsert(t.heard, key=["origin"]), {"origin": origin, "at": now})


async def retry(connection: AsyncConnection, ids: Sequence[int]) -> int:
    """Make deliveries due now (`ports.Transaction.retry`); return how many."""
    again = 0
    for id_ in ids:
        again += (await connection.execute(AGAIN, {"the": id_})).rowcount
    lanes = (await connection.execute(LANE_OF_DELIVERY, {"ids": list(ids)})).all()
    for lane in lanes:
        await connection.execute(GO, {"of": lane.inbox})
    for origin in sorted({lane.origin for lane in lanes}):
        await connection.execute(FORGET_CIRCUIT, {"under": origin})
    return again


async def purge(connection: AsyncConnection, now: datetime, *, limit: int) -> int:
    """Delete what ended longer ago than it is kept, at most `limit` deliveries; return how many."""
    before = now - DELIVERY_KEPT
    oldest = (await connection.execute(OLDEST, {"at_most": limit})).all()
    old = [{"the": row.id} for row in oldest if row.ended_at is not None and row.ended_at < before]
    if old:
        await connection.execute(PURGE, old)
    for statement in (FORGET_CIRCUITS, FORGET_HEARD):
        await connection.execute(statement, {"before": now - CIRCUIT_KEPT})
    return len(old)


async def shorten_queues(
    connection: AsyncConnection, now: datetime, *, at_most: int = MAX_OWED_PER_DESTINATION
) -> int:
    """Give up the oldest of what too much waits for a destination that fails, erasures never; return how many."""
    dropped = 0
    for lane in (await connection.execute(LONG_QUEUES, {"at_most": at_most})).all():
        surplus = {"of": lane.inbox, "surplus": lane.owed - at_most}
        ids = (await connection.execute(SURPLUS, surplus)).scalars().all()
        why = f"more than {at_most} deliveries waited for this destination"
        if ids:
            await connection.execute(DROP, [{"the": id_, "now": now, "why": why} for id_ in ids])
        dropped += len(ids)
    return dropped
