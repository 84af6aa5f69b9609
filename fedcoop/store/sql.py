"""`ports.Store` over SQLite and PostgreSQL, by URL.

await upgrade(url)
store = SqlStore(url, clock=clock)
...
await store.close()
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from fedcoop.errors import Misconfigured
from fedcoop.ports import Clock, Follow, Knock, Lane, Outcome, Owed, Peer, Reader, Transaction
from fedcoop.protocol.circuit import Circuit
from fedcoop.protocol.messages import Chain, Change
from fedcoop.store import deliveries, lanes, queries
from fedcoop.store.accounts import AccountWrites
from fedcoop.store.changes import make, statements_for
from fedcoop.store.deliveries import Heard
from fedcoop.store.dialect import Dialect, dialect_of
from fedcoop.store.engine import engine_for
from fedcoop.store.peers import CLOSED_SINCE, PeerWrites
from fedcoop.store.queries import Queries, SqlReader, chain_of, follow_of
from fedcoop.store.relays import RelayWrites
from fedcoop.store.reports import ReportWrites
from fedcoop.store.schema import newest_revision, revision_of, upgrade
from fedcoop.store.tokens import TokenWrites
from fedcoop.store.writer import GroupWriter, as_ours, connect

T = TypeVar("T")


class SqlStore:
    """The database behind one instance (`ports.Store`); several processes may share it on PostgreSQL."""

    def __init__(self, url: str, *, clock: Clock) -> None:
        """Prepare to use the database at `url`; nothing is opened before the first read or write.

        `clock` says when a delivery was enqueued, and what is still open.

        Raises:
            Misconfigured: a URL that we cannot use.
        """
        self._clock = clock
        self._dialect = dialect_of(url)
        self._write_engine = engine_for(url, "write")
        self._read_engine = engine_for(url, "read")
        self._writer = GroupWriter(self._write_engine)
        self._heard = Heard()

    @classmethod
    async def open(cls, url: str, *, clock: Clock) -> SqlStore:
        """Return the store at `url`, its tables brought to this release first. Raises Misconfigured."""
        await upgrade(url)
        return cls(url, clock=clock)

    async def write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in a transaction and return its result once it is durable (`ports.Store.write`).

        Raises:
            Unavailable: too many are waiting, or the database cannot take it now (`unavailable`).
        """
        return await self._writer.write(
            lambda connection: work(SqlTransaction(connection, self._dialect, self._clock, self._heard))
        )

    async def read(self, work: Callable[[Reader], Awaitable[T]]) -> T:
        """Run `work` on a committed snapshot and return its result (`ports.Store.read`).

        Raises:
            Unavailable: every reading connection is taken, or the database is out of reach (`unavailable`).
        """
        connection = await connect(self._read_engine)
        try:
            return await work(SqlReader(connection, self._dialect, self._clock))
        except Exception as error:
            ours = as_ours(error)
            if ours is error:
                raise
            raise ours from error
        finally:
            # A caller that is cancelled gives its connection back all the same.
            await asyncio.shield(connection.close())

    async def recover(self) -> None:
        """Free the lanes that a dead process left leased, unless another one delivers from this database."""
        await self._writer.write(lanes.recover)

    async def close(self) -> None:
        """Finish what was begun and let go of the database."""
        await self._writer.close()
        await self._write_engine.dispose()
        await self._read_engine.dispose()

    async def check(self) -> None:
        """Return if the database answers and has the tables of this release; else raise Misconfigured."""
        try:
            async with self._read_engine.connect() as connection:
                found = await connection.run_sync(revision_of)
        except (DBAPIError, OSError) as error:
            raise Misconfigured(
                "misconfigured", f"the database does not answer: {getattr(error, 'orig', error)}"
            ) from error
        if found != newest_revision():
            raise Misconfigured(
                "misconfigured",
                "the database has not the tables of this release; the server makes them when it starts",
                expected=newest_revision(),
                received=found or "an empty database",
            )


class SqlTransaction(PeerWrites, RelayWrites, ReportWrites, TokenWrites, AccountWrites, Queries):
    """`ports.Transaction` over the writing connection."""

    def __init__(self, connection: AsyncConnection, dialect: Dialect, clock: Clock, heard: Heard) -> None:
        super().__init__(connection, lock_chains=True)
        self._statements = statements_for(dialect)
        self._dialect = dialect
        self._clock = clock
        self._heard = heard

    async def put_peer(self, peer: Peer) -> None:
        await self._connection.execute(self._statements.put_peer, asdict(peer))

    async def put_knock(self, knock: Knock) -> None:
        await self._connection.execute(self._statements.put_knock, asdict(knock))

    async def open_proposals(self) -> tuple[Chain, ...]:
        return tuple(chain_of(row) for row in await self._all(queries.OPEN_PROPOSALS))

    async def expiring(self, now: datetime) -> tuple[Chain, ...]:
        return tuple(chain_of(row) for row in await self._all(queries.EXPIRING, now=now))

    async def closed_since(self, since: datetime) -> tuple[Chain, ...]:
        return tuple(chain_of(row) for row in await self._all(CLOSED_SINCE, since=since))

    async def known_inboxes(self) -> tuple[str, ...]:
        return tuple(str(row.inbox) for row in await self._all(queries.KNOWN_INBOXES))

    async def inboxes_owed(self, activity_id: str) -> tuple[str, ...]:
        rows = await self._all(queries.INBOXES_OWED, activity_id=activity_id)
        return tuple(str(row.inbox) for row in rows)

    async def follow(self, follower: str, followed: str) -> Follow | None:
        row = await self._one(queries.FOLLOW, follower=follower, followed=followed)
        return None if row is None else follow_of(row)

    async def follow_by_activity(self, activity_id: str) -> Follow | None:
        row = await self._one(queries.FOLLOW_BY_ACTIVITY, activity_id=activity_id)
        return None if row is None else follow_of(row)

    async def make(self, changes: Sequence[Change]) -> None:
        await make(self._connection, changes, self._statements, now=self._clock())

    async def lease(self, *, now: datetime, until: datetime, holder: str, limit: int) -> tuple[Lane, ...]:
        return await lanes.lease(self._connection, now=now, until=until, holder=holder, limit=limit)

    async def owed(self, lane: Lane, *, limit: int) -> tuple[Owed, ...]:
        return await lanes.owed(self._connection, lane, limit=limit)

    async def settle(self, lane: Lane, outcomes: Sequence[Outcome], *, now: datetime) -> bool:
        return await lanes.settle(self._connection, lane, outcomes, now=now)

    async def awaken(self, origin: str) -> None:
        await lanes.awaken(self._connection, origin)
        now = self._clock()
        if self._heard.is_news(origin, now):
            await deliveries.hear(self._connection, self._dialect, origin, now)

    async def next_due(self) -> datetime | None:
        return await lanes.next_due(self._connection)

    async def put_circuit(self, origin: str, circuit: Circuit, *, probe: str) -> None:
        await deliveries.put_circuit(self._connection, self._dialect, origin, circuit, probe=probe)

    async def close_circuit(self, origin: str, *, answered: str) -> None:
        await deliveries.close_circuit(self._connection, origin, answered=answered)

    async def retry(self, ids: Sequence[int]) -> int:
        return await deliveries.retry(self._connection, ids)

    async def purge_deliveries(self, now: datetime, *, limit: int) -> int:
        return await deliveries.purge(self._connection, now, limit=limit)

    async def shorten_queues(self, now: datetime) -> int:
        return await deliveries.shorten_queues(self._connection, now)

    async def put_meta(self, key: str, value: str) -> None:
        await self._connection.execute(self._statements.put_meta, {"key": key, "value": value})
