"""Where SQLite and PostgreSQL differ, and nowhere else: two things.

1. *Insert or update.* Both have `ON CONFLICT`; SQLAlchemy has one construct for each.
2. *Finding words.* SQLite has FTS5, PostgreSQL `tsvector`. Their own ideas of what a word is differ
   (stemming, hyphens, `œ`, what Unicode says a letter is), so neither is asked: `words_of` cuts and folds the
   text for both, before it is kept and before it is looked for, and both databases only compare what they
   were given. The same board search then gives the same answer on either.

(Row locks need no difference: SQLite has one writer, and SQLAlchemy leaves `FOR UPDATE` out for it.)
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import TextClause

from fedcoop.errors import Misconfigured
from fedcoop.store import tables

MAX_WORD: Final = 64
"""Characters of a word that count; the longest of a French dictionary has 26, and PostgreSQL takes 2047
bytes."""

MAX_WORDS_ASKED: Final = 32
"""Words of a search that count: each costs a look into the index."""

# Letters that Unicode does not take apart and French or our neighbours write in two ways.
LETTERS: Final = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ı": "i"})


def folded(value: str) -> str:
    """Return `value` in small letters without accents: what two people type when they mean the same word."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", value).casefold().translate(LETTERS))
    return "".join(c for c in apart if not unicodedata.combining(c))


def words_of(value: str) -> tuple[str, ...]:
    """Return the different words of `value`, folded, in the order in which they come.

    >>> words_of("L'Œuvre : vélos, VÉLO-cargo 2026")
    ('l', 'oeuvre', 'velos', 'velo', 'cargo', '2026')
    """
    spaced = "".join(c if c.isalnum() else " " for c in folded(value))
    return tuple(dict.fromkeys(word[:MAX_WORD] for word in spaced.split()))


@dataclass(frozen=True, slots=True)
class Dialect:
    """One database's way to say what both can do."""

    name: str
    forget_words: TextClause
    """Takes `object_id`."""
    keep_words: TextClause
    """Takes `object_id` and `words` (separated by blanks)."""
    words_match: str
    asked: str
    """How one word of a search is written, `{}` being the word."""
    and_: str

    def upsert(self, table: Table, *, key: Sequence[str], update: Iterable[str] | None = None) -> Insert:
        """Return an INSERT that updates the columns `update` when a row with `key` is there.

        Without `update`, every given column but the key is replaced; with an empty one, the row that is there
        stays.
        """
        statement: Any = (sqlite if self.name == "sqlite" else postgresql).insert(table)
        if update is None:
            update = [c.name for c in table.columns if c.name not in {*key, "n"}]
        changed = {name: statement.excluded[name] for name in update}
        if changed:
            result: Insert = statement.on_conflict_do_update(index_elements=list(key), set_=changed)
        else:
            result = statement.on_conflict_do_nothing(index_elements=list(key))
        return result

    def has_words(self, asked: Sequence[str]) -> ColumnElement[bool]:
        """Return the condition that a listing has, for each word asked, a word that begins with it."""
        query = self.and_.join(self.asked.format(word) for word in asked[:MAX_WORDS_ASKED])
        return text(self.words_match).bindparams(words_asked=query)  # type: ignore[return-value]


# `ascii` takes every character beyond ASCII for a part of a word, so that it cuts at our blanks and nowhere
# else.
SQLITE_WORDS: Final = (
    "CREATE VIRTUAL TABLE listing_words USING fts5(words, tokenize='ascii', detail='none', columnsize=0)"
)
POSTGRESQL_WORDS: Final = (
    "CREATE TABLE listing_words ("
    "listing BIGINT NOT NULL CONSTRAINT pk_listing_words PRIMARY KEY"
    " CONSTRAINT fk_listing_words_listing REFERENCES listing (n) ON DELETE CASCADE,"
    " words TSVECTOR NOT NULL)",
    "CREATE INDEX ix_listing_words ON listing_words USING gin (words)",
)

SQLITE: Final = Dialect(
    name="sqlite",
    forget_words=text(
        "DELETE FROM listing_words WHERE rowid = (SELECT n FROM listing WHERE object_id = :object_id)"
    ),
    keep_words=text(
        "INSERT INTO listing_words (rowid, words) SELECT n, :words FROM listing WHERE object_id = :object_id"
    ),
    words_match="listing.n IN (SELECT rowid FROM listing_words WHERE listing_words MATCH :words_asked)",
    asked='"{}"*',
    and_=" AND ",
)
POSTGRESQL: Final = Dialect(
    name="postgresql",
    forget_words=text(
        "DELETE FROM listing_words WHERE listing = (SELECT n FROM listing WHERE object_id = :object_id)"
    ),
    keep_words=text(
        "INSERT INTO listing_words (listing, words) SELECT n,"
        " array_to_tsvector(array_remove(string_to_array(CAST(:words AS TEXT), ' '), ''))"
        " FROM listing WHERE object_id = :object_id"
    ),
    words_match=(
        "listing.n IN (SELECT listing FROM listing_words"
        " WHERE words @@ CAST(CAST(:words_asked AS TEXT) AS TSQUERY))"
    ),
    asked="'{}':*",
    and_=" & ",
)


@event.listens_for(tables.metadata, "after_create")
def _create_words(_metadata: Any, connection: Connection, **_: Any) -> None:
    """What `metadata.create_all` makes is then what the migrations make, and a test can compare the two."""
    for statement in (SQLITE_WORDS,) if connection.dialect.name == "sqlite" else POSTGRESQL_WORDS:
        connection.exec_driver_sql(statement)


def dialect_of(url_or_name: str) -> Dialect:
    """Return the dialect of a database URL or name. Raises Misconfigured for a database we do not speak."""
    name = url_or_name.partition(":")[0].partition("+")[0]
    for known in (SQLITE, POSTGRESQL):
        if name == known.name:
            return known
    raise not_ours(name)


def not_ours(name: str) -> Misconfigured:
    """Return what an operator is told whose database URL begins with `name`."""
    return Misconfigured(
        "misconfigured",
        "the database URL must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://",
        expected="sqlite+aiosqlite or postgresql+asyncpg",
        received=name,
    )
