"""Accounts in the database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fedcoop.errors import Unavailable
from fedcoop.ports import Account
from fedcoop.store.sql import SqlStore
from tests.conftest import NOON
from tests.store.making import AWA, LYON

INVITED = Account(AWA, "member", None, NOON, "h1" * 32, NOON + timedelta(days=3))
OPEN = Account(LYON, "operator", "$argon2id$…", NOON, None, None)


async def put(store: SqlStore, *accounts: Account) -> None:
    for account in accounts:
        await store.write(lambda tx, account=account: tx.put_account(account))


async def test_an_account_comes_back_as_it_was_put(store: SqlStore):
    await put(store, INVITED, OPEN)
    for one in (INVITED, OPEN):
        assert await store.read(lambda r, one=one: r.account(one.actor)) == one
        assert await store.write(lambda tx, one=one: tx.account(one.actor)) == one
    assert await store.read(lambda r: r.accounts()) == tuple(sorted((INVITED, OPEN), key=lambda a: a.actor))
    assert await store.read(lambda r: r.account("https://nobody.example")) is None


async def test_an_account_is_found_by_its_invitation_alone(store: SqlStore):
    await put(store, INVITED, OPEN)
    assert await store.read(lambda r: r.account_invited("h1" * 32)) == INVITED
    assert await store.write(lambda tx: tx.account_invited("h1" * 32)) == INVITED
    assert await store.read(lambda r: r.account_invited("h2" * 32)) is None


async def test_an_account_takes_the_place_of_the_one_before(store: SqlStore):
    await put(store, INVITED, OPEN)
    opened = replace(INVITED, password="$argon2id$x", invitation=None, invited_until=None)
    await put(store, opened)
    assert await store.read(lambda r: r.account(AWA)) == opened
    assert await store.read(lambda r: r.account(LYON)) == OPEN
    assert await store.read(lambda r: r.account_invited("h1" * 32)) is None


async def test_an_account_that_has_ended_is_gone_and_no_other(store: SqlStore):
    await put(store, INVITED, OPEN)
    await store.write(lambda tx: tx.end_account(AWA))
    assert await store.read(lambda r: r.accounts()) == (OPEN,)


async def test_no_two_invitations_are_the_same(store: SqlStore):
    await put(store, INVITED)
    with pytest.raises(Unavailable):
        await put(store, replace(OPEN, invitation="h1" * 32))
