"""By what way things came, in the database."""

from __future__ import annotations

from dataclasses import replace

from fedcoop.ports import Provenance
from fedcoop.store.sql import SqlStore
from tests.conftest import NOON

CREATED = Provenance(
    "https://a.example/activities/1", "https://a.example/missions/1", "delivered", "https://a.example",
    "https://a.example/actors/coop#main-key", NOON,
)  # fmt: skip
UPDATED = replace(
    CREATED, activity_id="https://a.example/activities/2", way="relayed", via="https://r.example"
)
OTHER = replace(CREATED, activity_id="https://a.example/activities/3", about="https://a.example/missions/2")


async def test_it_is_found_by_the_activity_and_by_what_that_is_about(store: SqlStore):
    for one in (CREATED, OTHER, UPDATED):
        await store.write(lambda tx, one=one: tx.put_provenance(one))
    assert await store.read(lambda r: r.provenance(CREATED.about)) == (CREATED, UPDATED)
    assert await store.read(lambda r: r.provenance(OTHER.activity_id)) == (OTHER,)
    assert await store.read(lambda r: r.provenance("https://nowhere.example/")) == ()
