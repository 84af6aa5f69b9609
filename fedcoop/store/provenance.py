"""By what way each activity of another server came."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from sqlalchemy import bindparam, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fedcoop.ports import Provenance
from fedcoop.store import tables as t

PUT: Final = insert(t.provenance)
OF: Final = (
    select(*(column for column in t.provenance.c if column.name != "n"))
    .where(or_(t.provenance.c.activity_id == bindparam("of"), t.provenance.c.about == bindparam("of")))
    .order_by(t.provenance.c.n)
)


class ProvenanceQueries:
    """What both sides of the store read of it."""

    _connection: AsyncConnection

    async def provenance(self, iri: str) -> tuple[Provenance, ...]:
        """Return how the activity of that id, or what is about that object, came; in the order in which it did."""
        return tuple(Provenance(**row._mapping) for row in await self._connection.execute(OF, {"of": iri}))

    async def put_provenance(self, provenance: Provenance) -> None:
        """Keep it; in a transaction."""
        await self._connection.execute(PUT, asdict(provenance))
