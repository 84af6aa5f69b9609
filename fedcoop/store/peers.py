"""What is kept about other co-ops' servers besides their state, and what hangs on each of them.

Everything that belongs to a server is found by its origin: an id or an inbox lies under it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fedcoop.ports import Decision, Draft, Follow, HeldList, PeerAnswer, Stranger
from fedcoop.protocol.limits import MAX_STRANGERS
from fedcoop.protocol.policy import AGREEMENT
from fedcoop.store import tables as t


def under(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that `column` is an address under the origin that is bound as `under`."""
    beginning = func.substr(column, 1, func.length(bindparam("under", type_=t.String())))
    return beginning == bindparam("under", type_=t.String())


DECIDE: Final = insert(t.peer_decision)
DECISIONS: Final = (
    select(*(c for c in t.peer_decision.c if c.name != "n"))
    .where(t.peer_decision.c.origin == bindparam("of"))
    .order_by(t.peer_decision.c.n)
)
STRANGERS: Final = select(t.stranger).order_by(t.stranger.c.last_at.desc(), t.stranger.c.origin)
STRANGER: Final = select(t.stranger).where(t.stranger.c.origin == bindparam("of"))
FORGET_STRANGER: Final = delete(t.stranger).where(t.stranger.c.origin == bindparam("of"))
# Those that knocked longest ago make room.
OVERFLOW: Final = delete(t.stranger).where(
    t.stranger.c.origin.in_(
        select(t.stranger.c.origin)
        .order_by(t.stranger.c.last_at.desc(), t.stranger.c.origin)
        .offset(bindparam("at_most"))
        .limit(1000)
    )
)
ANSWERS: Final = select(t.peer_answer).order_by(t.peer_answer.c.origin)
ANSWER: Final = select(t.peer_answer).where(t.peer_answer.c.origin == bindparam("of"))
FORGET_LIST: Final = delete(t.peer_list).where(t.peer_list.c.id == bindparam("of"))
FORGET_DRAFTS: Final = delete(t.peer_draft).where(t.peer_draft.c.list_id == bindparam("of"))
FORGET_DRAFT: Final = FORGET_DRAFTS.where(t.peer_draft.c.origin == bindparam("about"))
FORGET_ANSWER: Final = delete(t.peer_answer).where(t.peer_answer.c.origin == bindparam("of"))
FOLLOWS: Final = (
    select(t.follow)
    .where(t.follow.c.state == "accepted", or_(under(t.follow.c.follower), under(t.follow.c.followed)))
    .order_by(t.follow.c.n)
)
CHAINS: Final = (
    select(t.chain)
    .where(t.chain.c.id.in_(select(t.chain_party.c.chain_id).where(under(t.chain_party.c.actor))))
    .order_by(t.chain.c.n)
)
AGREEMENTS: Final = select(t.chain).where(text(f"chain.kind = '{AGREEMENT}'")).order_by(t.chain.c.n)
"""Its condition is spelled out, or the partial index on it would not be used."""
_STEP: Final = t.link.join(t.activity, t.activity.c.id == t.link.c.activity_id)
_OF_CHAIN: Final = and_(t.link.c.chain_id == t.chain.c.id, t.link.c.refused.is_(None))
CLOSED_SINCE: Final = (
    select(t.chain)
    .join(t.actor, t.actor.c.id == t.chain.c.owner)
    .where(
        t.chain.c.kind.in_(("Mission", "Listing")),
        t.chain.c.state != "published",
        t.actor.c.local,
        select(func.min(t.activity.c.received_at)).select_from(_STEP).where(_OF_CHAIN).scalar_subquery()
        < bindparam("since", type_=t.Instant()),
        select(func.max(t.activity.c.received_at)).select_from(_STEP).where(_OF_CHAIN).scalar_subquery()
        >= bindparam("since", type_=t.Instant()),
    )
    .order_by(t.chain.c.n)
)
SHOWN: Final = select(func.count()).where(t.listing.c.state == "published", under(t.listing.c.owner))

_OF_PEER: Final = under(t.delivery.c.inbox)
_OWED: Final = and_(_OF_PEER, t.delivery.c.ended_at.is_(None))
_HELD: Final = and_(_OF_PEER, t.delivery.c.state == "held")
_OF_ACTIVITY: Final = or_(
    bindparam("only", type_=t.String()).is_(None),
    t.delivery.c.activity_id == bindparam("only", type_=t.String()),
)
_NEVER_HAPPENED: Final = t.delivery.c.activity_id.in_(
    select(t.activity.c.id).where(t.activity.c.refused.is_not(None))
)
NOT_BEFORE_DECIDED: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""When a delivery ends that is kept back: no worker finds it owed, and nobody purges it."""
KEEP_BACK: Final = (
    update(t.delivery).where(_OWED, _OF_ACTIVITY).values(state="held", ended_at=NOT_BEFORE_DECIDED)
)
# What was taken back in the meantime is told nobody.
CANCEL: Final = (
    update(t.delivery)
    .where(_HELD, _NEVER_HAPPENED)
    .values(state="cancelled", ended_at=bindparam("now", type_=t.Instant()))
)
LET_GO: Final = update(t.delivery).where(_HELD).values(state="queued", ended_at=None)
AGAIN: Final = (
    update(t.delivery)
    .where(
        _OF_PEER,
        t.delivery.c.state == "refused",
        t.delivery.c.problem.in_(bindparam("codes", expanding=True)),
        ~_NEVER_HAPPENED,
    )
    .values(state="queued", ended_at=None, attempts=0, first_tried=None)
)
OWED_UNDER: Final = select(t.delivery.c.activity_id).where(_OWED).distinct()
WAITING: Final = select(func.count()).select_from(t.delivery).where(or_(_OWED, _HELD))


class PeerQueries:
    """The half of `ports.PeerBook` that both sides of the store share."""

    _connection: AsyncConnection

    async def decisions(self, origin: str) -> tuple[Decision, ...]:
        rows = await self._connection.execute(DECISIONS, {"of": origin})
        return tuple(Decision(**row._mapping) for row in rows)

    async def stranger(self, origin: str) -> Stranger | None:
        row = (await self._connection.execute(STRANGER, {"of": origin})).one_or_none()
        return None if row is None else Stranger(**row._mapping)

    async def strangers(self) -> tuple[Stranger, ...]:
        return tuple(Stranger(**row._mapping) for row in await self._connection.execute(STRANGERS))

    async def peer_answer(self, origin: str) -> PeerAnswer | None:
        row = (await self._connection.execute(ANSWER, {"of": origin})).one_or_none()
        return None if row is None else PeerAnswer(**row._mapping)

    async def peer_answers(self) -> tuple[PeerAnswer, ...]:
        return tuple(PeerAnswer(**row._mapping) for row in await self._connection.execute(ANSWERS))

    async def follows_with(self, origin: str) -> tuple[Follow, ...]:
        rows = await self._connection.execute(FOLLOWS, {"under": f"{origin}/"})
        return tuple(Follow(row.follower, row.followed, row.activity_id, row.state) for row in rows)

    async def held_lists(self) -> tuple[HeldList, ...]:
        rows = await self._connection.execute(select(t.peer_list).order_by(t.peer_list.c.id))
        return tuple(HeldList(**row._mapping) for row in rows)

    async def drafts(self) -> tuple[Draft, ...]:
        order = (t.peer_draft.c.origin, t.peer_draft.c.list_id)
        rows = await self._connection.execute(select(t.peer_draft).order_by(*order))
        return tuple(Draft(**row._mapping) for row in rows)

    async def shown_of(self, origin: str) -> int:
        return int((await self._connection.execute(SHOWN, {"under": f"{origin}/"})).scalar_one())


class PeerWrites(PeerQueries):
    """And what a transaction writes of them."""

    async def put_decision(self, decision: Decision) -> None:
        await self._connection.execute(DECIDE, asdict(decision))

    async def put_stranger(self, stranger: Stranger) -> None:
        """Keep who knocked, and no more of them than `MAX_STRANGERS`."""
        await self.forget_stranger(stranger.origin)
        await self._connection.execute(insert(t.stranger), asdict(stranger))
        await self._connection.execute(OVERFLOW, {"at_most": MAX_STRANGERS})

    async def forget_stranger(self, origin: str) -> None:
        await self._connection.execute(FORGET_STRANGER, {"of": origin})

    async def put_list(self, held: HeldList) -> None:
        await self._connection.execute(FORGET_LIST, {"of": held.id})
        await self._connection.execute(insert(t.peer_list), asdict(held))

    async def drop_list(self, list_id: str) -> None:
        await self._connection.execute(FORGET_LIST, {"of": list_id})
        await self._connection.execute(FORGET_DRAFTS, {"of": list_id})

    async def put_draft(self, draft: Draft) -> None:
        await self.drop_draft(draft.list_id, draft.origin)
        await self._connection.execute(insert(t.peer_draft), asdict(draft))

    async def drop_draft(self, list_id: str, origin: str) -> None:
        await self._connection.execute(FORGET_DRAFT, {"of": list_id, "about": origin})

    async def put_peer_answer(self, answer: PeerAnswer) -> None:
        await self.forget_peer_answer(answer.origin)
        await self._connection.execute(insert(t.peer_answer), asdict(answer))

    async def forget_peer_answer(self, origin: str) -> None:
        await self._connection.execute(FORGET_ANSWER, {"of": origin})

    async def owed_to(self, origin: str) -> tuple[str, ...]:
        rows = await self._connection.execute(OWED_UNDER, {"under": f"{origin}/"})
        return tuple(row.activity_id for row in rows)

    async def waiting_for(self, origin: str) -> int:
        return int((await self._connection.execute(WAITING, {"under": f"{origin}/"})).scalar_one())

    async def keep_back(self, origin: str, activity_id: str | None = None) -> None:
        await self._connection.execute(KEEP_BACK, {"under": f"{origin}/", "only": activity_id})

    async def let_go(self, origin: str, now: datetime) -> None:
        await self._connection.execute(CANCEL, {"under": f"{origin}/", "now": now})
        await self._connection.execute(LET_GO, {"under": f"{origin}/"})

    async def send_again(self, origin: str, codes: Collection[str]) -> int:
        again = await self._connection.execute(AGAIN, {"under": f"{origin}/", "codes": sorted(codes)})
        return again.rowcount
