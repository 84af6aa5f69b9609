"""Access tokens: hashes, of which none opens anything, with what each may do and until when."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fedcoop.ports import Grant, Token
from fedcoop.store import tables as t

TOKEN: Final = select(t.token).where(t.token.c.hash == bindparam("of"))
TOKENS: Final = (
    select(t.token).where(t.token.c.actor == bindparam("of")).order_by(t.token.c.created, t.token.c.hash)
)
PUT: Final = insert(t.token)
END: Final = delete(t.token).where(
    or_(t.token.c.hash == bindparam("of"), t.token.c.begun_with == bindparam("of"))
)
_BEGUN: Final = t.token.alias()
# A statement of its own: SQLite loses the subquery's rows when the same statement deletes them.
END_BELOW: Final = delete(t.token).where(
    t.token.c.begun_with.in_(select(_BEGUN.c.hash).where(_BEGUN.c.begun_with == bindparam("of")))
)
RENEWED: Final = (
    update(t.token)
    .where(t.token.c.hash == bindparam("of"))
    .values(used=bindparam("now", type_=t.Instant()), expires=bindparam("end", type_=t.Instant()))
)
GRANT: Final = select(t.oauth_grant).where(t.oauth_grant.c.token == bindparam("of"))
PUT_GRANT: Final = insert(t.oauth_grant)
NO_GRANT: Final = delete(t.oauth_grant).where(t.oauth_grant.c.token == bindparam("of"))
ORPHANS: Final = delete(t.oauth_grant).where(t.oauth_grant.c.token.not_in(select(t.token.c.hash)))
USED: Final = (
    update(t.token)
    .where(t.token.c.hash == bindparam("of"))
    .values(used=bindparam("moment", type_=t.Instant()))
)
OVER: Final = delete(t.token).where(t.token.c.expires <= bindparam("moment", type_=t.Instant()))


class TokenQueries:
    """What both sides of the store read of tokens."""

    _connection: AsyncConnection

    async def token(self, token_hash: str) -> Token | None:
        row = (await self._connection.execute(TOKEN, {"of": token_hash})).one_or_none()
        return None if row is None else _token(row)

    async def tokens_of(self, actor: str) -> tuple[Token, ...]:
        return tuple(_token(row) for row in await self._connection.execute(TOKENS, {"of": actor}))


class TokenWrites(TokenQueries):
    """And what a transaction writes of them."""

    async def put_token(self, token: Token) -> None:
        await self._connection.execute(PUT, {**asdict(token), "scopes": " ".join(token.scopes)})

    async def token_used(self, token_hash: str, moment: datetime) -> None:
        await self._connection.execute(USED, {"of": token_hash, "moment": moment})

    async def end_token(self, token_hash: str) -> None:
        """Delete it, what was begun with it, and what was begun with that: a program's token under its grant."""
        await self._connection.execute(END_BELOW, {"of": token_hash})
        await self._connection.execute(END, {"of": token_hash})
        await self._connection.execute(ORPHANS)

    async def forget_tokens(self, now: datetime) -> None:
        """Delete those that have run out."""
        await self._connection.execute(OVER, {"moment": now})
        await self._connection.execute(ORPHANS)

    async def renew_token(self, token_hash: str, *, used: datetime, expires: datetime) -> None:
        """Write down that a grant was used, and until when it lasts now."""
        await self._connection.execute(RENEWED, {"of": token_hash, "now": used, "end": expires})

    async def put_grant(self, grant: Grant) -> None:
        """Keep it, in the place of what was kept of the same."""
        await self._connection.execute(NO_GRANT, {"of": grant.token})
        await self._connection.execute(PUT_GRANT, asdict(grant))

    async def grant(self, token_hash: str) -> Grant | None:
        """Return what belongs to the grant of that hash."""
        row = (await self._connection.execute(GRANT, {"of": token_hash})).one_or_none()
        return None if row is None else Grant(**row._mapping)


def _token(row: Row[Any]) -> Token:
    return Token(**{**row._mapping, "scopes": tuple(row.scopes.split())})
