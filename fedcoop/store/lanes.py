"""Deliveries owed, lane by lane: one lane per inbox, one worker at a time in a lane, first come first served.

What is leased is the lane and not the delivery, because order and back-off belong to the destination. A lease
is a number that grows each time the lane is leased; a worker that overslept holds an old one and can settle
nothing. What has been settled stays to be seen (`deliveries.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final, assert_never

from sqlalchemy import Integer, bindparam, case, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fedcoop.ports import Delivered, GivenUp, Lane, Outcome, Owed, TryAgain
from fedcoop.store import tables as t
from fedcoop.store.tables import EPOCH

STILL_OWED: Final = t.delivery.c.ended_at.is_(None)
HAS_OWED: Final = exists().where(t.delivery.c.inbox == t.lane.c.inbox, STILL_OWED)
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
    select(*(t.delivery.c[f.name] for f in fields(Owed) if f.name != "body"), BODY.label("body"))
    .select_from(t.delivery.outerjoin(t.activity, t.activity.c.id == t.delivery.c.activity_id))
    .where(t.delivery.c.inbox == bindparam("of"), STILL_OWED)
    .order_by(t.delivery.c.id)
    .limit(bindparam("at_most"))
)
MINE: Final = (t.lane.c.inbox == bindparam("of")) & (t.lane.c.lease == bindparam("held"))
FREE: Final = update(t.lane).where(MINE).values(lease=None, lease_until=EPOCH, served_at=bindparam("now"))
FREE_ANSWERED: Final = FREE.values(failures=0, not_before=EPOCH)
OF_LANE: Final = (t.delivery.c.id == bindparam("the")) & (t.delivery.c.inbox == bindparam("of"))
# What was cancelled while it was on its way has arrived all the same, and that is what is shown.
DONE: Final = (
    update(t.delivery)
    .where(OF_LANE)
    .values(
        state="delivered",
        attempts=t.delivery.c.attempts + 1,
        ended_at=bindparam("at", type_=t.Instant()),
        body=None,
        status=None,
        problem=None,
        reason=None,
    )
)
ANSWERED: Final = update(t.lane).where(t.lane.c.inbox == bindparam("of")).values(failures=0, not_before=EPOCH)
SAID: Final = {
    "attempts": t.delivery.c.attempts + 1,
    "first_tried": func.coalesce(t.delivery.c.first_tried, bindparam("since", type_=t.Instant())),
    "state": bindparam("new_state"),
    "status": bindparam("said_status", type_=Integer()),
    "problem": bindparam("said_problem", type_=t.String()),
    "reason": bindparam("why"),
}
FAILED: Final = update(t.delivery).where(OF_LANE, STILL_OWED).values(SAID)
WAIT: Final = (
    update(t.lane)
    .where(t.lane.c.inbox == bindparam("of"))
    .values(failures=t.lane.c.failures + 1, not_before=bindparam("at"))
)
END: Final = (
    update(t.delivery)
    .where(OF_LANE, STILL_OWED)
    .values({**SAID, "ended_at": bindparam("now", type_=t.Instant())})
)
NEXT_DUE: Final = select(
    func.min(
        case((t.lane.c.not_before > t.lane.c.lease_until, t.lane.c.not_before), else_=t.lane.c.lease_until),
        type_=t.Instant(),
    )
).where(HAS_OWED)
AWAKEN: Final = (
    update(t.lane)
    .where(t.lane.c.origin == bindparam("under"), t.lane.c.failures > 0)
    .values(not_before=EPOCH)
)
FORGET_CIRCUIT: Final = delete(t.circuit).where(t.circuit.c.origin == bindparam("under"))
DELIVERS: Final = 4_207_849_485
"""Key of the PostgreSQL advisory lock that the first process that delivers from a database holds."""
ALONE: Final = select(func.pg_try_advisory_lock(DELIVERS))


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
    of = {"of": lane.inbox}
    arrived = [outcome for outcome in outcomes if isinstance(outcome, Delivered) and outcome.ids]
    answered = bool(arrived) and not any(isinstance(outcome, TryAgain) for outcome in outcomes)
    free = FREE_ANSWERED if answered else FREE
    freed = await connection.execute(free, {**of, "held": lane.lease, "now": now})
    if freed.rowcount != 1:
        return False
    if arrived:
        await connection.execute(
            DONE, [{**of, "the": id_, "at": one.at or now} for one in arrived for id_ in one.ids]
        )
        if not answered:
            await connection.execute(ANSWERED, of)
    for outcome in outcomes:
        match outcome:
            case Delivered():
                pass
            case TryAgain(id_, at):
                row = {**of, "the": id_, "since": outcome.first_tried or now, **_said(outcome)}
                await connection.execute(FAILED, row)
                await connection.execute(WAIT, {**of, "at": at})
            case GivenUp(id_):
                row = {**of, "the": id_, "since": now, "now": now, **_said(outcome)}
                await connection.execute(END, row)
            case _:
                assert_never(outcome)
    return True


def _said(outcome: TryAgain | GivenUp) -> dict[str, Any]:
    return {
        "new_state": outcome.state,
        "said_status": outcome.status,
        "said_problem": outcome.problem,
        "why": outcome.reason,
    }


async def awaken(connection: AsyncConnection, origin: str) -> None:
    """Make every waiting lane to `origin` due now, and close its circuit: its server has just been heard."""
    woken = await connection.execute(AWAKEN, {"under": origin})
    # A circuit marks every lane of its server as failing, so that most messages cost nothing more.
    if woken.rowcount:
        await connection.execute(FORGET_CIRCUIT, {"under": origin})


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
