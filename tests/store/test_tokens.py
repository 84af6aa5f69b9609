"""Access tokens in the database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from fedcoop.ports import Grant, Token
from fedcoop.store.schema import upgrade
from fedcoop.store.sql import SqlStore
from tests.conftest import NOON
from tests.store.making import AWA, LYON

FIRST = Token("h1" * 32, AWA, NOON, ("read", "write"), "Agenda", NOON + timedelta(days=9), None)
SECOND = replace(FIRST, hash="h2" * 32, created=NOON + timedelta(seconds=1), name="é\u202e", expires=None)
OTHERS = replace(FIRST, hash="h3" * 32, actor=LYON)


async def put(store: SqlStore, *tokens: Token) -> None:
    for token in tokens:
        await store.write(lambda tx, token=token: tx.put_token(token))


async def test_a_token_comes_back_as_it_was_put(store: SqlStore):
    await put(store, SECOND, FIRST, OTHERS)
    assert await store.read(lambda r: r.token(FIRST.hash)) == FIRST
    assert await store.write(lambda tx: tx.token(SECOND.hash)) == SECOND
    assert await store.read(lambda r: r.token("h4")) is None


async def test_an_actor_has_its_own_tokens_the_oldest_first(store: SqlStore):
    await put(store, SECOND, FIRST, OTHERS)
    assert await store.read(lambda r: r.tokens_of(AWA)) == (FIRST, SECOND)
    assert await store.write(lambda tx: tx.tokens_of("https://nowhere.example")) == ()


async def test_the_last_use_is_written_down_of_one_token_only(store: SqlStore):
    await put(store, FIRST, SECOND)
    later = NOON + timedelta(hours=2)
    await store.write(lambda tx: tx.token_used(FIRST.hash, later))
    assert await store.read(lambda r: r.tokens_of(AWA)) == (replace(FIRST, used=later), SECOND)


async def test_ending_a_token_ends_no_other(store: SqlStore):
    await put(store, FIRST, SECOND)
    await store.write(lambda tx: tx.end_token(FIRST.hash))
    assert await store.read(lambda r: r.tokens_of(AWA)) == (SECOND,)


GRANT = replace(FIRST, hash="g1" * 32, begun_with=FIRST.hash, client="https://app.example/p", kind="grant")
ACCESS = replace(FIRST, hash="g2" * 32, begun_with=GRANT.hash, client="https://app.example/p")
BESIDE = Grant(GRANT.hash, "t1" * 32, False, "https://app.example/cb", "challenge")


async def kept(store: SqlStore, *tokens: Token) -> set[str]:
    return {token.hash for token in tokens if await store.read(lambda r, of=token.hash: r.token(of))}


async def test_what_began_with_a_token_ends_with_it_to_the_second_step(store: SqlStore):
    await put(store, FIRST, SECOND, GRANT, ACCESS)
    await store.write(lambda tx: tx.put_grant(BESIDE))
    await store.write(lambda tx: tx.end_token(FIRST.hash))
    assert await kept(store, FIRST, SECOND, GRANT, ACCESS) == {SECOND.hash}
    assert await store.write(lambda tx: tx.grant(GRANT.hash)) is None


async def test_ending_a_grant_ends_its_tokens_and_not_what_it_began_with(store: SqlStore):
    await put(store, FIRST, GRANT, ACCESS)
    await store.write(lambda tx: tx.end_token(GRANT.hash))
    assert await kept(store, FIRST, GRANT, ACCESS) == {FIRST.hash}


async def test_a_grant_comes_back_as_it_was_put_last(store: SqlStore):
    await put(store, GRANT, OTHERS)
    await store.write(lambda tx: tx.put_grant(BESIDE))
    turned = replace(BESIDE, turn="t2" * 32, redeemed=True)
    await store.write(lambda tx: tx.put_grant(turned))
    assert await store.write(lambda tx: tx.grant(GRANT.hash)) == turned
    await store.write(lambda tx: tx.renew_token(GRANT.hash, used=NOON, expires=NOON + timedelta(days=1)))
    renewed = replace(GRANT, used=NOON, expires=NOON + timedelta(days=1))
    assert await store.read(lambda r: r.token(GRANT.hash)) == renewed
    assert await store.read(lambda r: r.token(OTHERS.hash)) == OTHERS


async def test_with_a_grant_that_has_run_out_goes_what_belongs_to_it(store: SqlStore):
    await put(store, GRANT)
    await store.write(lambda tx: tx.put_grant(BESIDE))
    await store.write(lambda tx: tx.forget_tokens(NOON + timedelta(days=9)))
    assert await store.write(lambda tx: tx.grant(GRANT.hash)) is None


async def test_what_has_run_out_is_forgotten_and_nothing_else(store: SqlStore):
    await put(store, FIRST, SECOND)
    await store.write(lambda tx: tx.forget_tokens(NOON + timedelta(days=9, microseconds=-1)))
    assert await store.read(lambda r: r.tokens_of(AWA)) == (FIRST, SECOND)
    await store.write(lambda tx: tx.forget_tokens(NOON + timedelta(days=9)))
    assert await store.read(lambda r: r.tokens_of(AWA)) == (SECOND,)


async def test_a_token_of_before_keeps_every_scope_and_has_no_end(empty_url: str):
    await upgrade(empty_url, "0005")
    engine = create_async_engine(empty_url)
    async with engine.begin() as connection:
        await connection.execute(text(f"INSERT INTO token (hash, actor, created) VALUES ('old', '{AWA}', 1)"))
    await engine.dispose()
    await upgrade(empty_url)
    store = SqlStore(empty_url, clock=lambda: NOON)
    found = await store.read(lambda r: r.token("old"))
    await store.close()
    assert found is not None
    assert (found.scopes, found.name, found.expires, found.used) == (
        ("read", "write", "follow", "tokens", "operate"), "", None, None,
    )  # fmt: skip
