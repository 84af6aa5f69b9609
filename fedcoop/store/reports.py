"""Reports (Flag), received and sent: a list for the operator, newest first."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fedcoop.ports import Report
from fedcoop.protocol.messages import PutReport
from fedcoop.store import tables as t
from fedcoop.store.peers import under

_COLUMNS: Final = [column for column in t.report.c if column.name != "n"]
ALL: Final = select(*_COLUMNS).order_by(t.report.c.n.desc())
OPEN: Final = ALL.where(t.report.c.closed_at.is_(None))
REPORT: Final = select(*_COLUMNS).where(t.report.c.id == bindparam("of"))
PUT: Final = insert(t.report)
COUNT: Final = select(func.count()).where(
    t.report.c.closed_at.is_(None), t.report.c.ours.is_(False), under(t.report.c.actor)
)
CLOSE: Final = (
    update(t.report)
    .where(t.report.c.id == bindparam("of"), t.report.c.closed_at.is_(None))
    .values(closed_at=bindparam("moment", type_=t.Instant()), outcome=bindparam("what", type_=t.String()))
)


def received_row(change: PutReport) -> dict[str, Any]:
    """Return the row of a report of another server's."""
    return {
        "id": change.id,
        "ours": False,
        "actor": change.actor,
        "objects": list(change.objects),
        "content": change.content,
        "at": change.received_at,
        "reporter": None,
        "closed_at": None,
        "outcome": "",
    }


class ReportQueries:
    """What both sides of the store read of reports."""

    _connection: AsyncConnection

    async def report(self, report_id: str) -> Report | None:
        """Return the report of that id."""
        row = (await self._connection.execute(REPORT, {"of": report_id})).one_or_none()
        return None if row is None else _report(row)

    async def reports(self, *, closed: bool) -> tuple[Report, ...]:
        """Return the open ones, or with `closed` all, the newest first."""
        return tuple(_report(row) for row in await self._connection.execute(ALL if closed else OPEN))


class ReportWrites(ReportQueries):
    """And what a transaction writes of them."""

    async def put_report(self, report: Report) -> None:
        """Keep a report that we sent."""
        await self._connection.execute(PUT, {**asdict(report), "objects": list(report.objects)})

    async def open_reports(self, origin: str) -> int:
        """Return how many reports of the server at `origin` nobody has closed."""
        return (await self._connection.execute(COUNT, {"under": f"{origin}/"})).scalar_one()

    async def close_report(self, report_id: str, *, at: datetime, outcome: str) -> bool:
        """Close an open one; False when there is none of that id."""
        done = await self._connection.execute(CLOSE, {"of": report_id, "moment": at, "what": outcome})
        return done.rowcount == 1


def _report(row: Row[Any]) -> Report:
    return Report(**{**row._mapping, "objects": tuple(row.objects)})
