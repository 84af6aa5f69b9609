"""Relays that we use and what they brought that was false; who reads the relay that we are, and what it carried."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Row, Table, bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fedcoop.ports import Relay, Relayed, RelayReport, Subscriber
from fedcoop.protocol.relaying import Facets, wish_of
from fedcoop.store import tables as t

RELAY: Final = select(t.relay).where(t.relay.c.actor == bindparam("of"))
RELAY_AT: Final = (
    select(t.relay)
    .where(t.relay.c.origin == bindparam("of"))
    .order_by((t.relay.c.state == "accepted").desc(), t.relay.c.actor)
    .limit(1)
)
RELAYS: Final = select(t.relay).order_by(t.relay.c.since, t.relay.c.actor)
REPORTS: Final = (
    select(*(c for c in t.relay_report.c if c.name != "n"))
    .where(t.relay_report.c.relay == bindparam("of"))
    .order_by(t.relay_report.c.n.desc())
)
KNOWN_REPORT: Final = select(t.relay_report.c.n).where(
    t.relay_report.c.relay == bindparam("of"),
    t.relay_report.c.activity_id == bindparam("about"),
    t.relay_report.c.code == bindparam("why"),
)
OLD_REPORTS: Final = delete(t.relay_report).where(
    t.relay_report.c.n.in_(
        select(t.relay_report.c.n)
        .where(t.relay_report.c.relay == bindparam("of"))
        .order_by(t.relay_report.c.n.desc())
        .offset(bindparam("keep"))
        .limit(1000)
    )
)
SUBSCRIBER: Final = select(t.subscriber).where(t.subscriber.c.actor == bindparam("of"))
SUBSCRIBERS: Final = select(t.subscriber).order_by(t.subscriber.c.since, t.subscriber.c.actor)
RELAYED: Final = select(t.relayed).where(t.relayed.c.object_id == bindparam("of"))


class RelayQueries:
    """`ports.RelayBook`, which both sides of the store share."""

    _connection: AsyncConnection

    async def relay(self, actor: str) -> Relay | None:
        row = (await self._connection.execute(RELAY, {"of": actor})).one_or_none()
        return None if row is None else _relay(row)

    async def relay_at(self, origin: str) -> Relay | None:
        row = (await self._connection.execute(RELAY_AT, {"of": origin})).one_or_none()
        return None if row is None else _relay(row)

    async def relays(self) -> tuple[Relay, ...]:
        return tuple(_relay(row) for row in await self._connection.execute(RELAYS))

    async def relay_reports(self, relay: str) -> tuple[RelayReport, ...]:
        rows = await self._connection.execute(REPORTS, {"of": relay})
        return tuple(RelayReport(**row._mapping) for row in rows)

    async def subscriber(self, actor: str) -> Subscriber | None:
        row = (await self._connection.execute(SUBSCRIBER, {"of": actor})).one_or_none()
        return None if row is None else _subscriber(row)

    async def subscribers(self) -> tuple[Subscriber, ...]:
        return tuple(_subscriber(row) for row in await self._connection.execute(SUBSCRIBERS))

    async def relayed(self, object_id: str) -> Relayed | None:
        row = (await self._connection.execute(RELAYED, {"of": object_id})).one_or_none()
        facets = None if row is None else Facets(row.object_class, row.rome, row.region)
        return None if row is None or facets is None else Relayed(row.object_id, row.owner, facets)


class RelayWrites(RelayQueries):
    """And what a transaction writes of them."""

    async def put_relay(self, relay: Relay) -> None:
        await self._put(t.relay, "actor", {**asdict(relay), "wish": relay.wish.document()})

    async def forget_relay(self, actor: str) -> None:
        await self._drop(t.relay, "actor", actor)

    async def put_relay_report(self, report: RelayReport, *, keep: int) -> bool:
        known = {"of": report.relay, "about": report.activity_id, "why": report.code}
        if (await self._connection.execute(KNOWN_REPORT, known)).first() is not None:
            return False
        await self._connection.execute(insert(t.relay_report), asdict(report))
        await self._connection.execute(OLD_REPORTS, {"of": report.relay, "keep": keep})
        return True

    async def put_subscriber(self, subscriber: Subscriber) -> None:
        await self._put(t.subscriber, "actor", {**asdict(subscriber), "wish": subscriber.wish.document()})

    async def forget_subscriber(self, actor: str) -> None:
        await self._drop(t.subscriber, "actor", actor)

    async def put_relayed(self, relayed: Relayed) -> None:
        row = {"object_id": relayed.object_id, "owner": relayed.owner, **asdict(relayed.facets)}
        await self._put(t.relayed, "object_id", row)

    async def forget_relayed(self, object_id: str) -> None:
        await self._drop(t.relayed, "object_id", object_id)

    async def _put(self, table: Table, key: str, row: dict[str, Any]) -> None:
        await self._drop(table, key, row[key])
        await self._connection.execute(insert(table), row)

    async def _drop(self, table: Table, key: str, value: str) -> None:
        await self._connection.execute(delete(table).where(table.c[key] == bindparam("of")), {"of": value})


def _relay(row: Row[Any]) -> Relay:
    return Relay(**{**row._mapping, "wish": wish_of(row.wish)})


def _subscriber(row: Row[Any]) -> Subscriber:
    return Subscriber(**{**row._mapping, "wish": wish_of(row.wish)})
