"""Columns: what was put in comes out of both databases, whatever a peer sent."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from fedcoop.ports import Peer
from fedcoop.protocol.messages import PutObject
from fedcoop.store.sql import SqlStore
from fedcoop.store.tables import Instant, Json, String, keepable
from tests.conftest import NOON
from tests.store.making import KEPT, MISSION, ODD, PUBLIC, an_object

DIALECT: Any = sqlite.dialect()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_a_document_comes_back_as_it_was(value: Any):
    text = Json().process_bind_param(value, DIALECT)
    assert text.isascii()
    assert "\0" not in text
    assert Json().process_result_value(text, DIALECT) == value


@given(st.dictionaries(st.text(), st.integers()))
def test_a_documents_members_keep_their_order(value: dict[str, int]):
    text = Json().process_bind_param(value, DIALECT)
    assert list(json.loads(text)) == list(value)


@given(st.datetimes(timezones=st.timezones(), allow_imaginary=False))
def test_a_moment_is_kept_to_the_microsecond(moment: datetime):
    kept = Instant().process_result_value(Instant().process_bind_param(moment, DIALECT), DIALECT)
    assert kept == moment.astimezone(UTC)
    assert kept.tzinfo is UTC


def test_a_moment_without_a_time_zone_is_a_mistake():
    with pytest.raises(TypeError):
        Instant().process_bind_param(datetime(2026, 11, 22), DIALECT)


@given(st.text(st.characters(codec=None)))
def test_text_is_made_such_that_a_database_can_keep_it(value: str):
    kept = keepable(value)
    kept.encode("utf-8")
    assert "\0" not in kept
    assert keepable(kept) == kept
    assert len(kept) == len(value)
    if "\0" not in value and not any("\ud800" <= c <= "\udfff" for c in value):
        assert kept is value


def test_nothing_stays_nothing():
    for column in (String(), Instant()):
        assert column.process_bind_param(None, DIALECT) is None
    assert Instant().process_result_value(None, DIALECT) is None
    assert Json().process_bind_param(None, DIALECT) == "null"


async def test_both_databases_keep_what_they_were_given(store: SqlStore):
    """Documents to the last character; plain text with U+FFFD for what a database cannot hold, and found by it."""
    document = {ODD: [ODD, 1.0, 10**15, -0.0, 1e300, None, True, {"": []}], "b": 1, "a": 2}
    moment = datetime(2026, 11, 22, 13, 0, 0, 1, timezone(timedelta(hours=1)))
    await store.write(
        lambda tx: tx.make([an_object(ODD, document=document, readers=(ODD, PUBLIC), updated_at=moment)])
    )
    await store.write(lambda tx: tx.put_peer(Peer(ODD, "allowed", True, ODD, NOON)))
    found = await store.read(lambda r: r.object(ODD))
    assert json.dumps(found.document) == json.dumps(document)
    assert found.id == KEPT
    assert found.readers == (ODD, PUBLIC)
    assert found.updated_at == moment
    assert await store.read(lambda r: r.peer(ODD)) == Peer(KEPT, "allowed", True, KEPT, NOON)
    assert await store.read(lambda r: r.object(KEPT)) == found


async def test_a_document_of_a_mapping_that_is_no_dict_is_kept(store: SqlStore):
    from types import MappingProxyType

    change: PutObject = an_object(document=MappingProxyType({"a": MappingProxyType({"b": 1})}))
    await store.write(lambda tx: tx.make([change]))
    assert (await store.read(lambda r: r.object(MISSION))).document == {"a": {"b": 1}}


def test_sqlite_is_built_for_several_threads():
    # A connection is used from the loop's thread and from its own, one after the other (engine.py).
    assert sqlite3.threadsafety == 3
