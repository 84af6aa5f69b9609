"""The two things that SQLite and PostgreSQL do differently."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from fedcoop.errors import Misconfigured
from fedcoop.store import dialect as module
from fedcoop.store import paging, search, tables
from fedcoop.store.dialect import MAX_WORD, POSTGRESQL, SQLITE, dialect_of, folded, words_of


@pytest.mark.parametrize("of", [module, paging, search])
def test_the_examples_in_the_documentation_are_true(of: object):
    result = doctest.testmod(of)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [("Vélo", "velo"), ("ŒUVRE", "oeuvre"), ("e\u0301te\u0301", "été"), ("Straße", "STRASSE"), ("ﬁn", "fin"),
     ("②", "2"), ("Ångström", "angstrom"), ("İstanbul", "istanbul"), ("Łódź", "lodz"), ("ÆON", "aeon"), ("ﾊﾞ", "ハ")],
)  # fmt: skip
def test_two_spellings_of_a_word_are_folded_into_one(one: str, other: str):
    assert words_of(one) == words_of(other)


@given(st.text())
def test_words_hold_nothing_that_means_something_to_a_database(value: str):
    for word in words_of(value):
        assert word.isalnum()
        assert 0 < len(word) <= MAX_WORD
        word.encode("utf-8")


@given(st.text())
def test_words_of_folded_text_are_the_words(value: str):
    assert words_of(" ".join(words_of(value))) == words_of(value)
    assert folded(folded(value)) == folded(value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [("sqlite+aiosqlite:///x", SQLITE), ("postgresql+asyncpg://h/d", POSTGRESQL), ("sqlite", SQLITE)],
)
def test_a_dialect_is_known_by_the_url(url: str, expected: object):
    assert dialect_of(url) is expected


@pytest.mark.parametrize("url", ["", "mysql+aiomysql://h/d", "/var/x.db", "postgres://h/d"])
def test_another_database_is_refused_and_told_which_there_are(url: str):
    with pytest.raises(Misconfigured, match="must begin with sqlite"):
        dialect_of(url)


async def test_an_upsert_replaces_what_it_is_told_to_and_leaves_the_rest(store_url: str):
    dialect = dialect_of(store_url)
    row = {"origin": "o", "state": "allowed", "network": True, "note": "first", "since": None}
    engine = create_async_engine(store_url)
    async with engine.begin() as connection:
        since = "UPDATE peer SET since = 7"
        insert = tables.peer.insert().values({**row, "since": tables.EPOCH})
        await connection.execute(insert)
        await connection.execute(text(since))
        for update, note in (((), "first"), (("note",), "second"), (None, "third")):
            statement = dialect.upsert(tables.peer, key=["origin"], update=update)
            await connection.execute(
                statement, {**row, "note": note, "state": f"s-{note}", "since": tables.EPOCH}
            )
            found = (await connection.execute(text("SELECT note, state, since FROM peer"))).one()
            assert (
                found
                == {
                    "first": ("first", "allowed", 7),
                    "second": ("second", "allowed", 7),
                    "third": ("third", "s-third", 0),
                }[note]
            )
    await engine.dispose()
