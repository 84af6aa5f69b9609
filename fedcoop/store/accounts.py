"""Accounts: who signs in with a password, and who was invited to set one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Row, bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from fedcoop.ports import Account
from fedcoop.store import tables as t

ACCOUNT: Final = select(t.account).where(t.account.c.actor == bindparam("of"))
INVITED: Final = select(t.account).where(t.account.c.invitation == bindparam("by"))
ACCOUNTS: Final = select(t.account).order_by(t.account.c.actor)
PUT: Final = insert(t.account)
END: Final = delete(t.account).where(t.account.c.actor == bindparam("of"))


class AccountQueries:
    """What both sides of the store read of accounts."""

    _connection: AsyncConnection

    async def account(self, actor: str) -> Account | None:
        return _account((await self._connection.execute(ACCOUNT, {"of": actor})).one_or_none())

    async def account_invited(self, invitation: str) -> Account | None:
        return _account((await self._connection.execute(INVITED, {"by": invitation})).one_or_none())

    async def accounts(self) -> tuple[Account, ...]:
        rows = await self._connection.execute(ACCOUNTS)
        return tuple(Account(**row._mapping) for row in rows)


class AccountWrites(AccountQueries):
    """And what a transaction writes of them."""

    async def put_account(self, account: Account) -> None:
        await self.end_account(account.actor)
        await self._connection.execute(PUT, asdict(account))

    async def end_account(self, actor: str) -> None:
        await self._connection.execute(END, {"of": actor})


def _account(row: Row[Any] | None) -> Account | None:
    return None if row is None else Account(**row._mapping)
