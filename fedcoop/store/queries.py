"""What is read back: rows as the records of `ports.py`.

`Queries` serves both sides. Inside a transaction it reads what the transaction has written, and `chain`
locks; a `SqlReader` sees one committed snapshot and adds what pages are made of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, exists, func, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from fedcoop.ports import (
    BoardPage,
    BoardQuery,
    Clock,
    Delivery,
    DeliveryQuery,
    Follow,
    Health,
    Knock,
    Page,
    Peer,
    StoredActivity,
    StoredActor,
    StoredObject,
)
from fedcoop.protocol.circuit import Circuit
from fedcoop.protocol.messages import Chain, Document, KeyDocument, Link
from fedcoop.store import deliveries, search
from fedcoop.store import tables as t
from fedcoop.store.accounts import AccountQueries
from fedcoop.store.changes import reader_name
from fedcoop.store.dialect import Dialect
from fedcoop.store.paging import cursor_of, place_of
from fedcoop.store.peers import AGREEMENTS, CHAINS, PeerQueries
from fedcoop.store.provenance import ProvenanceQueries
from fedcoop.store.relays import RelayQueries
from fedcoop.store.reports import ReportQueries
from fedcoop.store.tokens import TokenQueries

# -- statements, built once ----------------------------------------------------------------------------------

ACTIVITY: Final = select(
    *(c for c in t.activity.c if c.name not in {"n", "client_key", "keys_digest"}),
    t.key_document.c.actor.label("keys_actor"),
).select_from(t.activity.outerjoin(t.key_document))
ACTIVITY_BY_ID: Final = ACTIVITY.where(t.activity.c.id == bindparam("id"))
ACTIVITY_BY_CLIENT_KEY: Final = ACTIVITY.where(
    t.activity.c.actor == bindparam("actor"), t.activity.c.client_key == bindparam("client_key")
)
LINKS_IN_FORCE: Final = (
    select(t.link)
    .where(t.link.c.chain_id == bindparam("chain_id"), t.link.c.refused.is_(None))
    .order_by(t.link.c.version)
)
HISTORY: Final = (
    ACTIVITY.join(t.link, t.link.c.activity_id == t.activity.c.id)
    .where(t.link.c.chain_id == bindparam("chain_id"), t.link.c.refused.is_(None))
    .order_by(t.link.c.version)
)
CHAIN_BY_REF: Final = (
    select(t.chain)
    .join(t.chain_ref, t.chain_ref.c.chain_id == t.chain.c.id)
    .where(t.chain_ref.c.ref == bindparam("ref"))
)
CHAIN_BY_REF_LOCKED: Final = CHAIN_BY_REF.with_for_update(of=t.chain)
ENGAGEMENTS: Final = select(t.chain).where(t.chain.c.proposal == bindparam("proposal")).order_by(t.chain.c.n)
OPEN_PROPOSALS: Final = (
    select(t.chain)
    .join(t.actor, t.actor.c.id == t.chain.c.owner)
    .where(t.chain.c.kind.in_(("Mission", "Listing")), t.chain.c.state == "published", t.actor.c.local)
    .order_by(t.chain.c.n)
)
_UNDER: Final = bindparam("under", type_=t.String())


def _is_under(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return func.substr(column, 1, func.length(_UNDER)) == _UNDER


CHAINS_BETWEEN: Final = (
    select(t.chain)
    .where(
        t.chain.c.id > bindparam("after", type_=t.String()),
        or_(
            _is_under(t.chain.c.owner),
            t.chain.c.id.in_(select(t.chain_party.c.chain_id).where(_is_under(t.chain_party.c.actor))),
            and_(
                t.chain.c.kind.in_(("Mission", "Listing")),
                t.chain.c.owner.in_(select(t.actor.c.id).where(t.actor.c.local)),
            ),
        ),
    )
    .order_by(t.chain.c.id)
    .limit(bindparam("at_most"))
)
ENGAGEMENTS_OF: Final = (
    select(t.chain)
    .where(
        t.chain.c.kind == "Engagement",
        t.chain.c.id.in_(select(t.chain_party.c.chain_id).where(t.chain_party.c.actor == bindparam("party"))),
    )
    .order_by(t.chain.c.n.desc())
)
EXPIRING: Final = (
    select(t.chain)
    .join(t.actor, t.actor.c.id == t.chain.c.owner)
    .where(t.chain.c.apply_before < bindparam("now"), t.actor.c.local)
    .order_by(t.chain.c.apply_before, t.chain.c.n)
)
PEER: Final = select(t.peer).where(t.peer.c.origin == bindparam("origin"))
PEERS: Final = select(t.peer).order_by(t.peer.c.origin)
ACTOR: Final = select(t.actor).where(t.actor.c.id == bindparam("id"))
KNOCK: Final = select(t.knock).where(t.knock.c.origin == bindparam("origin"))
# Two looks into two indexes: no database uses both for one OR.
ACTOR_BY_INBOX: Final = (
    select(t.actor)
    .where(
        t.actor.c.n.in_(
            union_all(
                select(t.actor.c.n).where(t.actor.c.inbox == bindparam("inbox")),
                select(t.actor.c.n).where(t.actor.c.shared_inbox == bindparam("inbox")),
            )
        )
    )
    .order_by(t.actor.c.fetched_at.desc(), t.actor.c.n.desc())
    .limit(1)
)
LOCAL_ACTORS: Final = select(t.actor).where(t.actor.c.local).order_by(t.actor.c.n)
ACTOR_BY_USERNAME: Final = LOCAL_ACTORS.where(t.actor.c.username == bindparam("username")).limit(1)
OBJECT: Final = select(t.object_).where(t.object_.c.id == bindparam("id"))
FOLLOW: Final = select(t.follow).where(
    t.follow.c.follower == bindparam("follower"), t.follow.c.followed == bindparam("followed")
)
KNOWN_INBOXES: Final = (
    select(func.coalesce(t.actor.c.shared_inbox, t.actor.c.inbox).label("inbox"))
    .where(t.actor.c.local.is_(False))
    .distinct()
)
INBOXES_OWED: Final = select(t.delivery.c.inbox).where(t.delivery.c.activity_id == bindparam("activity_id"))
FOLLOW_BY_ACTIVITY: Final = select(t.follow).where(t.follow.c.activity_id == bindparam("activity_id"))
FOLLOWERS: Final = (
    select(t.follow)
    .where(t.follow.c.followed == bindparam("followed"), t.follow.c.state == "accepted")
    .order_by(t.follow.c.n)
)
FOLLOWERS_AT: Final = FOLLOWERS.where(_is_under(t.follow.c.follower)).limit(bindparam("at_most"))
FOLLOWING: Final = (
    select(t.follow)
    .where(t.follow.c.follower == bindparam("follower"), t.follow.c.state == "accepted")
    .order_by(t.follow.c.n)
)
META: Final = select(t.meta.c.value).where(t.meta.c.key == bindparam("key"))
COUNTS: Final = select(
    select(func.count())
    .select_from(t.actor)
    .where(t.actor.c.local, t.actor.c.kind == "Member")
    .scalar_subquery()
    .label("members"),
    select(func.count())
    .select_from(t.object_)
    .where(t.object_.c.local, t.object_.c.object_class == "Mission", t.object_.c.deleted_at.is_(None))
    .scalar_subquery()
    .label("missions"),
    select(func.count())
    .select_from(t.activity)
    .where(t.activity.c.local)
    .scalar_subquery()
    .label("activities"),
)


class Queries(PeerQueries, ProvenanceQueries, RelayQueries, ReportQueries, TokenQueries, AccountQueries):
    """Reads over one connection, inside whatever transaction it is in."""

    def __init__(self, connection: AsyncConnection, *, lock_chains: bool) -> None:
        self._connection = connection
        self._chain = CHAIN_BY_REF_LOCKED if lock_chains else CHAIN_BY_REF

    async def _one(self, statement: Select[Any], **values: Any) -> Row[Any] | None:
        row: Row[Any] | None = (await self._connection.execute(statement, values)).one_or_none()
        return row

    async def _all(self, statement: Select[Any], **values: Any) -> list[Row[Any]]:
        return list((await self._connection.execute(statement, values)).all())

    async def activity(self, activity_id: str) -> StoredActivity | None:
        row = await self._one(ACTIVITY_BY_ID, id=activity_id)
        return None if row is None else activity_of(row)

    async def activity_by_client_key(self, actor: str, client_key: str) -> StoredActivity | None:
        row = await self._one(ACTIVITY_BY_CLIENT_KEY, actor=actor, client_key=client_key)
        return None if row is None else activity_of(row)

    async def peer(self, origin: str) -> Peer | None:
        row = await self._one(PEER, origin=origin)
        return None if row is None else Peer(**row._mapping)

    async def peers(self) -> tuple[Peer, ...]:
        return tuple(Peer(**row._mapping) for row in await self._all(PEERS))

    async def actor(self, actor_id: str) -> StoredActor | None:
        row = await self._one(ACTOR, id=actor_id)
        return None if row is None else actor_of(row)

    async def local_actors(self) -> tuple[StoredActor, ...]:
        return tuple(actor_of(row) for row in await self._all(LOCAL_ACTORS))

    async def actor_by_username(self, username: str) -> StoredActor | None:
        row = await self._one(ACTOR_BY_USERNAME, username=username)
        return None if row is None else actor_of(row)

    async def actor_by_inbox(self, inbox: str) -> StoredActor | None:
        row = await self._one(ACTOR_BY_INBOX, inbox=inbox)
        return None if row is None else actor_of(row)

    async def knock(self, origin: str) -> Knock | None:
        row = await self._one(KNOCK, origin=origin)
        return None if row is None else Knock(**row._mapping)

    async def object(self, object_id: str) -> StoredObject | None:
        row = await self._one(OBJECT, id=object_id)
        return None if row is None else object_of(row)

    async def chain(self, ref: str) -> Chain | None:
        row = await self._one(self._chain, ref=ref)
        return None if row is None else chain_of(row)

    async def links(self, chain_id: str) -> tuple[Link, ...]:
        return tuple(link_of(row) for row in await self._all(LINKS_IN_FORCE, chain_id=chain_id))

    async def history(self, chain_id: str) -> tuple[StoredActivity, ...]:
        return tuple(activity_of(row) for row in await self._all(HISTORY, chain_id=chain_id))

    async def engagements(self, proposal: str) -> tuple[Chain, ...]:
        return tuple(chain_of(row) for row in await self._all(ENGAGEMENTS, proposal=proposal))

    async def followers(self, followed: str) -> tuple[Follow, ...]:
        return tuple(follow_of(row) for row in await self._all(FOLLOWERS, followed=followed))

    async def followers_at(self, followed: str, origin: str, *, limit: int) -> tuple[Follow, ...]:
        rows = await self._all(FOLLOWERS_AT, followed=followed, under=f"{origin}/", at_most=limit)
        return tuple(follow_of(row) for row in rows)

    async def following(self, follower: str) -> tuple[Follow, ...]:
        return tuple(follow_of(row) for row in await self._all(FOLLOWING, follower=follower))

    async def chains_with(self, origin: str) -> tuple[Chain, ...]:
        return tuple(chain_of(row) for row in await self._all(CHAINS, under=f"{origin}/"))

    async def agreements(self) -> tuple[Chain, ...]:
        return tuple(chain_of(row) for row in await self._all(AGREEMENTS))

    async def meta(self, key: str) -> str | None:
        row = await self._one(META, key=key)
        return None if row is None else str(row.value)

    async def delivery_counts(self) -> Mapping[str, int]:
        return await deliveries.counts(self._connection)

    async def deliveries(self, query: DeliveryQuery) -> tuple[Delivery, ...]:
        return await deliveries.deliveries(self._connection, query)

    async def circuit(self, origin: str) -> Circuit | None:
        return await deliveries.circuit(self._connection, origin)


class SqlReader(Queries):
    """`ports.Reader` over one read-only snapshot."""

    def __init__(self, connection: AsyncConnection, dialect: Dialect, clock: Clock) -> None:
        super().__init__(connection, lock_chains=False)
        self._dialect = dialect
        self._clock = clock

    async def engagements_of(self, party: str) -> tuple[Chain, ...]:
        return tuple(chain_of(row) for row in await self._all(ENGAGEMENTS_OF, party=party))

    async def inbox_page(self, actor: str, *, cursor: str | None, limit: int) -> Page:
        return await self._box_page(actor, "inbox", cursor=cursor, limit=limit, readers=None)

    async def outbox_page(
        self, actor: str, *, cursor: str | None, limit: int, readers: tuple[str, ...] | None
    ) -> Page:
        return await self._box_page(actor, "outbox", cursor=cursor, limit=limit, readers=readers)

    async def _box_page(
        self,
        actor: str,
        side: Literal["inbox", "outbox"],
        *,
        cursor: str | None,
        limit: int,
        readers: tuple[str, ...] | None,
    ) -> Page:
        item = t.box_item.c
        box = select(t.box.c.n).where(t.box.c.actor == actor, t.box.c.side == side)
        inside: ColumnElement[bool] = item.box == box.scalar_subquery()
        if readers is not None:
            names = [reader_name(name) for name in readers]
            inside = and_(
                inside,
                exists().where(
                    t.activity_reader.c.activity == item.activity, t.activity_reader.c.reader.in_(names)
                ),
            )
        total = await self._count(select(func.count()).select_from(t.box_item).where(inside))
        page = select(item.activity, t.activity.c.body).join(t.activity).where(inside)
        if cursor is not None:
            page = page.where(item.activity < place_of(cursor, int)[0])
        rows = await self._all(page.order_by(item.activity.desc()).limit(limit + 1))
        shown = rows[:limit]
        more = len(rows) > limit and bool(shown)
        return Page(
            total=total,
            items=tuple(document_of(row.body) for row in shown),
            next=cursor_of(shown[-1].activity) if more else None,
        )

    async def follows_page(
        self, actor: str, *, which: Literal["followers", "following"], cursor: str | None, limit: int
    ) -> tuple[int, tuple[str, ...], str | None]:
        follow = t.follow.c
        mine, theirs = (
            (follow.followed, follow.follower) if which == "followers" else (follow.follower, follow.followed)
        )
        inside = and_(mine == actor, follow.state == "accepted")
        total = await self._count(select(func.count()).select_from(t.follow).where(inside))
        page = select(follow.n, theirs.label("theirs")).where(inside)
        if cursor is not None:
            page = page.where(follow.n < place_of(cursor, int)[0])
        rows = await self._all(page.order_by(follow.n.desc()).limit(limit + 1))
        shown = rows[:limit]
        more = len(rows) > limit and bool(shown)
        return total, tuple(row.theirs for row in shown), cursor_of(shown[-1].n) if more else None

    async def _count(self, statement: Select[Any]) -> int:
        return int((await self._connection.execute(statement)).scalar_one())

    async def health(self, origin: str) -> Health:
        return await deliveries.health(self._connection, origin)

    async def destinations(self) -> tuple[str, ...]:
        return await deliveries.destinations(self._connection)

    async def chains_between(self, origin: str, *, after: str, limit: int) -> tuple[Chain, ...]:
        rows = await self._all(CHAINS_BETWEEN, under=f"{origin}/", after=after, at_most=limit)
        return tuple(chain_of(row) for row in rows)

    async def coop_names(self) -> Mapping[str, str]:
        return await deliveries.coop_names(self._connection)

    async def board(self, query: BoardQuery) -> BoardPage:
        return await search.board(self._connection, self._dialect, query, now=self._clock())

    async def counts(self) -> Mapping[str, int]:
        row = await self._one(COUNTS)
        return {} if row is None else dict(row._mapping)


# -- records -------------------------------------------------------------------------------------------------


def document_of(body: bytes) -> Document:
    """Return the document that `body` is."""
    document: Document = json.loads(body)
    return document


def activity_of(row: Row[Any]) -> StoredActivity:
    keys = None
    if row.keys_actor is not None:
        keys = KeyDocument(actor=row.keys_actor, fetched_at=row.keys_fetched_at)
    return StoredActivity(
        id=row.id,
        actor=row.actor,
        type=row.type,
        body=row.body,
        body_digest=row.body_digest,
        local=row.local,
        received_at=row.received_at,
        keys=keys,
        refused=row.refused,
    )


def actor_of(row: Row[Any]) -> StoredActor:
    return StoredActor(
        id=row.id,
        local=row.local,
        kind=row.kind,
        username=row.username,
        document=row.document,
        inbox=row.inbox,
        shared_inbox=row.shared_inbox,
        fetched_at=row.fetched_at,
    )


def object_of(row: Row[Any]) -> StoredObject:
    return StoredObject(
        id=row.id,
        owner=row.owner,
        object_class=row.object_class,
        document=row.document,
        local=row.local,
        readers=tuple(row.readers),
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
        former_type=row.former_type,
    )


def chain_of(row: Row[Any]) -> Chain:
    return Chain(
        id=row.id,
        kind=row.kind,
        owner=row.owner,
        state=row.state,
        version=row.version,
        digest=row.digest,
        document=row.document,
        parties=row.parties,
        proposal=row.proposal,
        memory=row.memory,
    )


def link_of(row: Row[Any]) -> Link:
    return Link(
        chain_id=row.chain_id,
        version=row.version,
        activity_id=row.activity_id,
        digest=row.digest,
        confirmed=row.confirmed,
    )


def follow_of(row: Row[Any]) -> Follow:
    return Follow(follower=row.follower, followed=row.followed, activity_id=row.activity_id, state=row.state)
