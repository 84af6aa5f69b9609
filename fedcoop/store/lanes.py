"""Deliveries owed, lane by lane: one lane per inbox, one worker at a time in a lane, first come first served.

What is leased is the lane and not the delivery, because order and back-off belong to the destination. A lease
is a number that grows each time the lane is leased; a worker that overslept holds an old one and can settle
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, assert_never

from sqlalchemy import bindparam, case, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fedcoop.ports import Delivered, GivenUp, Lane, Outcome, Owed, TryAgain
from fedcoop.store import tables as t
from fedcoop.store.tables import EPOCH

HAS_OWED: Final = exists().where(t.delivery.c.inbox == t.lane.c.inbox)
BODY: Final = func.coalesce(t.delivery.c.body, t.activity.c.body)

# The lane served longest ago comes first: a peer to whom much is owed does not stand before one to whom
# little is. KEY SHARE lets other processes go on owing to a lane while we lease it.
FREE_LANES: Final = (
    select(t.lane)
    .where(HAS_OWED, t.lane.c.not_before <= bindparam("now"), t.lane.c.lease_until <= bindparam("now"))
    .order_by(t.lane.c.served_at, t.lane.c.inbox)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True, key_share=True)
)
LEASE: Final = (
    update(t.lane)
    .where(t.lane.c.inbox == bindparam("of"))
    .values(lease=bindparam("new_lease"), lease_until=bindparam("until"), leases=t.lane.c.leases + 1)
)
OWED: Final = (
    select(
        *(c for c in t.delivery.c if c.name not in {"body", "reason"}),
        BODY.label("body"),
    )
    .select_from(t.delivery.outerjoin(t.activity, t.activity.c.id == t.delivery.c.activity_id))
    .where(t.delivery.c.inbox == bindparam("of"))
    .order_by(t.delivery.c.id)
    .limit(bindparam("at_most"))
)
FREE: Final = (
    update(t.lane)
    .where(t.lane.c.inbox == bindparam("of"), t.lane.c.lease == bindparam("held"))
    .values(lease=None, lease_until=EPOCH, served_at=bindparam("now"))
)
OF_LANE: Final = (t.delivery.c.id == bindparam("the")) & (t.delivery.c.inbox == bindparam("of"))
DONE: Final = delete(t.delivery).where(OF_LANE)
ANSWERED: Final = update(t.lane).where(t.lane.c.inbox == bindparam("of")).values(failures=0, not_before=EPOCH)
FAILED: Final = (
    update(t.delivery)
    .where(OF_LANE)
    .values(
        attempts=t.delivery.c.attempts + 1,
        first_tried=func.coalesce(t.delivery.c.first_tried, bindparam("now", type_=t.Instant())),
        reason=bindparam("why"),
    )
)
WAIT: Final = (
    update(t.lane)
    .where(t.lane.c.inbox == bindparam("of"))
    .values(failures=t.lane.c.failures + 1, not_before=bindparam("at"))
)
BURY: Final = insert(t.dead_letter).from_select(
    [
        "activity_id", "sender", "inbox", "attempts", "reason", "first_tried", "enqueued_at", "given_up_at",
        "body",
    ],
    select(
        t.delivery.c.activity_id,
        t.delivery.c.sender,
        t.delivery.c.inbox,
        t.delivery.c.attempts + 1,
        bindparam("why", type_=t.String()),
        func.coalesce(t.delivery.c.first_tried, bindparam("now", type_=t.Instant())),
        t.delivery.c.enqueued_at,
        bindparam("now", type_=t.Instant()),
        t.delivery.c.body,
    ).where(OF_LANE),
)  # fmt: skip
NEXT_DUE: Final = select(
    func.min(
        case((t.lane.c.not_before > t.lane.c.lease_until, t.lane.c.not_before), else_=t.lane.c.lease_until),
        type_=t.Instant(),
    )
).where(HAS_OWED)
AWAKEN: Final = (
    update(t.lane)
    .where(
        t.lane.c.failures > 0,
        func.substr(t.lane.c.inbox, 1, func.length(bindparam("under"))) == bindparam("under"),
    )
    .values(not_before=EPOCH)
)
DELIVERS: Final = 4_207_849_485
"""Key of the PostgreSQL advisory lock that the first process that delivers from a database holds."""
ALONE: Final = select(func.pg_try_advisory_lock(DELIVERS))
DEAD_LETTERS: Final = (
    select(*(c for c in t.dead_letter.c if c.name not in {"n", "body"}))
    .order_by(t.dead_letter.c.n.desc())
    .limit(bindparam("at_most"))
)


async def lease(
    connection: AsyncConnection, *, now: datetime, until: datetime, holder: str, limit: int
) -> tuple[Lane, ...]:
    """Lease up to `limit` lanes in which something is due and nobody is at work, to `holder` until
    `until`."""
    rows = (await connection.execute(FREE_LANES, {"now": now, "at_most": limit})).all()
    lanes = tuple(
        Lane(inbox=row.inbox, failures=row.failures, lease=f"{row.leases + 1}/{holder}") for row in rows
    )
    if lanes:
        leases = [{"of": lane.inbox, "new_lease": lane.lease, "until": until} for lane in lanes]
        await connection.execute(LEASE, leases)
    return lanes


async def owed(connection: AsyncConnection, lane: Lane, *, limit: int) -> tuple[Owed, ...]:
    """Return the first `limit` deliveries of the lane, in the order in which they were owed."""
    rows = (await connection.execute(OWED, {"of": lane.inbox, "at_most": limit})).all()
    return tuple(Owed(**row._mapping) for row in rows)


async def settle(
    connection: AsyncConnection, lane: Lane, outcomes: Sequence[Outcome], *, now: datetime
) -> bool:
    """Apply the outcomes and free the lane; False, and nothing done, when the lease is somebody else's by
    now."""
    freed = await connection.execute(FREE, {"of": lane.inbox, "held": lane.lease, "now": now})
    if freed.rowcount != 1:
        return False
    of = {"of": lane.inbox}
    for outcome in outcomes:
        match outcome:
            case Delivered(ids):
                if ids:
                    await connection.execute(DONE, [{**of, "the": id_} for id_ in ids])
                    await connection.execute(ANSWERED, of)
            case TryAgain(id_, at, reason):
                await connection.execute(FAILED, {**of, "the": id_, "now": now, "why": reason})
                await connection.execute(WAIT, {**of, "at": at})
            case GivenUp(id_, reason):
                row = {**of, "the": id_, "now": now, "why": reason}
                await connection.execute(BURY, row)
                await connection.execute(DONE, {**of, "the": id_})
            case _:
                assert_never(outcome)
    return True


async def awaken(connection: AsyncConnection, origin: str) -> None:
    """Make every waiting lane to `origin` due now: its server has just been heard."""
    await connection.execute(AWAKEN, {"under": f"{origin}/"})


async def recover(connection: AsyncConnection) -> None:
    """Free every lane, unless another process that delivers from this database is alive.

    On SQLite a folder has one server. On PostgreSQL whoever delivers holds a lock for as long as its connection lasts:
    the database lets go of it however that process ends. Should the connection break and another process free our
    lanes, we can settle nothing in them any more, and the peers see some deliveries twice.
    """
    if connection.dialect.name == "postgresql" and not await connection.scalar(ALONE):
        return
    await connection.execute(update(t.lane).values(lease=None, lease_until=EPOCH))


async def next_due(connection: AsyncConnection) -> datetime | None:
    """Return when a lane is next free and due (in the past: now); None when nothing is owed."""
    moment: datetime | None = (await connection.execute(NEXT_DUE)).scalar_one()
    return moment


async def dead_letters(connection: AsyncConnection, limit: int) -> tuple[Mapping[str, Any], ...]:
    """Return the deliveries given up last, newest first."""
    rows = (await connection.execute(DEAD_LETTERS, {"at_most": limit})).all()
    return tuple(dict(row._mapping) for row in rows)
