"""Each kind of change, and what it leaves behind: nothing trimmed, nothing in the wrong order, nothing twice."""

from __future__ import annotations

import itertools
import typing
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import create_async_engine

from fedcoop.errors import Unavailable
from fedcoop.ports import StoredActivity, StoredObject, Transaction
from fedcoop.protocol import messages
from fedcoop.protocol.messages import (
    BuryObject,
    Change,
    ConfirmLinks,
    Deliver,
    DropFollow,
    DropLinks,
    DropListing,
    KeepEvidence,
    Link,
    PutFollow,
    PutListing,
    PutObject,
    PutReport,
    RecordActivity,
    ResetChain,
)
from fedcoop.store import tables
from fedcoop.store.changes import reader_name, runs_of, sha256, statements_for, steps_of
from fedcoop.store.dialect import SQLITE
from fedcoop.store.sql import SqlStore
from tests.conftest import NOON
from tests.store.making import (
    AWA,
    LYON,
    MISSION,
    NANTES,
    PUBLIC,
    a_delivery,
    a_listing,
    activity,
    an_actor,
    an_object,
    chain,
    engagement,
    keys,
    record,
    step,
)

OF_EACH_KIND: tuple[Change, ...] = (
    record(activity(1)),
    an_actor(),
    an_object(),
    BuryObject(MISSION, "Mission", NOON),
    step(chain(), activity(1)),
    DropLinks(MISSION, 1, "x"),
    ResetChain(MISSION, chain()),
    ResetChain(MISSION, None),
    ConfirmLinks(MISSION, 1),
    a_listing(),
    DropListing(MISSION),
    PutFollow(LYON, NANTES, "f", "accepted"),
    DropFollow(LYON, NANTES),
    a_delivery(activity(1)),
    KeepEvidence("x", b"", NOON),
    PutReport("https://nantes.example/f", NANTES, (LYON,), "x", NOON),
)


async def made(store: SqlStore, *changes: Change) -> None:
    await store.write(lambda tx: tx.make(changes))


async def table(url: str, name: str) -> list[dict[str, Any]]:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        rows = (await connection.execute(select(tables.metadata.tables[name]))).all()
    await engine.dispose()
    return [dict(row._mapping) for row in rows]


# -- every kind ----------------------------------------------------------------------------------------------


def test_there_is_a_change_of_each_kind_here():
    assert {type(change) for change in OF_EACH_KIND} == set(typing.get_args(messages.Change))


@pytest.mark.parametrize("change", OF_EACH_KIND, ids=lambda change: type(change).__name__)
async def test_each_kind_can_be_made_alone(store: SqlStore, change: Change):
    said = activity(1)
    before = () if isinstance(change, RecordActivity) else (record(said),)
    await made(store, *before, change)


def test_each_kind_is_written_by_at_least_one_statement():
    s = statements_for(SQLITE)
    for change in OF_EACH_KIND:
        assert steps_of(change, s, bodies={}, now=NOON), change


@given(st.permutations(OF_EACH_KIND))
def test_activities_are_written_first_deliveries_last_and_the_rest_as_given(changes: list[Change]):
    ordered = [change for run in runs_of(changes) for change in run]
    assert sorted(map(id, ordered)) == sorted(map(id, changes))
    assert isinstance(ordered[0], RecordActivity)
    assert isinstance(ordered[-1], Deliver)
    between = [c for c in changes if not isinstance(c, RecordActivity | Deliver)]
    assert ordered[1:-1] == between


# -- activities ----------------------------------------------------------------------------------------------


async def test_an_activity_is_kept_to_the_byte_with_the_keys_seen_at_receipt(store: SqlStore):
    said = activity("ü", unknown={"b": [1.0, None], "a": "\ud800"})
    seen = keys(fetched_at=NOON - timedelta(hours=3))
    await made(store, record(said, keys=seen))
    assert await store.read(lambda r: r.activity(said.id)) == StoredActivity(
        id=said.id,
        actor=NANTES,
        type="Create",
        body=said.body,
        body_digest=sha256(said.body),
        local=False,
        received_at=NOON,
        keys=seen,
        refused=None,
    )


async def test_a_key_document_is_kept_once_and_each_receipt_remembers_its_own_time(
    store: SqlStore, store_url: str
):
    times = [NOON - timedelta(hours=n) for n in range(3)]
    for n, at in enumerate(times):
        await made(store, record(activity(n), keys=keys(fetched_at=at)))
    await made(
        store, record(activity(9), keys=keys(rotated=True)), record(activity(10, local=True), local=True)
    )
    assert len(await table(store_url, "key_document")) == 2
    found = [await store.read(lambda r, n=n: r.activity(activity(n).id)) for n in range(3)]
    assert [one.keys.fetched_at for one in found] == times
    assert (await store.read(lambda r: r.activity(activity(9).id))).keys.actor["rotated"] is True
    assert (await store.read(lambda r: r.activity(activity(10).id))).keys is None


async def test_evidence_is_kept_once_for_each_different_body(store: SqlStore, store_url: str):
    said = activity(1)
    for body in (b"one", b"two", b"one"):
        await made(store, KeepEvidence(said.id, body, NOON))
    found = await table(store_url, "evidence")
    assert sorted(row["body"] for row in found) == [b"one", b"two"]
    assert {row["activity_id"] for row in found} == {said.id}


# -- actors and objects --------------------------------------------------------------------------------------


async def test_an_actor_is_known_by_its_document(store: SqlStore):
    await made(store, an_actor(endpoints={"sharedInbox": "https://nantes.example/inbox"}, extra=[1]))
    found = await store.read(lambda r: r.actor(NANTES))
    assert (found.id, found.local, found.kind, found.username) == (NANTES, True, "Cooperative", "coop")
    assert (found.inbox, found.shared_inbox) == (f"{NANTES}/inbox", "https://nantes.example/inbox")
    assert found.document["extra"] == [1]
    assert found.fetched_at == NOON


@pytest.mark.parametrize(
    ("members", "kind", "username", "shared"),
    [
        ({"fedcoopType": None, "type": "Person"}, "Person", "coop", None),
        ({"fedcoopType": "Member", "type": "Person"}, "Member", "coop", None),
        ({"fedcoopType": ["Network", "Cooperative"]}, "Cooperative", "coop", None),
        ({"fedcoopType": [], "type": ["Person", 3, "Group"]}, "Group", "coop", None),
        ({"fedcoopType": 3, "type": None}, "", "coop", None),
        ({"preferredUsername": ["x"], "inbox": None, "endpoints": "x"}, "Cooperative", "", None),
        ({"endpoints": {"sharedInbox": 3}}, "Cooperative", "coop", None),
    ],
)
async def test_an_actor_of_any_shape_is_kept(
    store: SqlStore, members: dict[str, Any], kind: str, username: str, shared: str | None
):
    await made(store, an_actor(**members))
    found = await store.read(lambda r: r.actor(NANTES))
    assert (found.kind, found.username, found.shared_inbox) == (kind, username, shared)


async def test_an_actor_put_again_is_replaced_and_keeps_its_place(store: SqlStore):
    await made(store, an_actor(), an_actor(LYON), an_actor(AWA, local=False))
    await made(store, an_actor(name="new"))
    local = await store.read(lambda r: r.local_actors())
    assert [one.id for one in local] == [NANTES, LYON]
    assert local[0].document["name"] == "new"


async def test_an_object_is_kept_whole_and_replaced_whole(store: SqlStore):
    first = an_object(document={"id": MISSION, "unknown": {"x": [1]}}, readers=(PUBLIC, LYON))
    later = NOON + timedelta(days=1)
    await made(store, first)
    assert await store.read(lambda r: r.object(MISSION)) == StoredObject(
        id=MISSION,
        owner=NANTES,
        object_class="Mission",
        document={"id": MISSION, "unknown": {"x": [1]}},
        local=True,
        readers=(PUBLIC, LYON),
        updated_at=NOON,
        deleted_at=None,
        former_type=None,
    )
    second = PutObject(MISSION, LYON, "Need", {"id": MISSION}, False, (), later)
    await made(store, second)
    found = await store.read(lambda r: r.object(MISSION))
    assert found == StoredObject(MISSION, LYON, "Need", {"id": MISSION}, False, (), later, None, None)


async def test_a_buried_object_leaves_a_tombstone_and_nothing_of_what_it_said(
    store: SqlStore, store_url: str
):
    at = NOON + timedelta(days=1)
    await made(
        store, an_object(document={"id": MISSION, "content": "secret"}), BuryObject(MISSION, "Mission", at)
    )
    found = await store.read(lambda r: r.object(MISSION))
    assert (found.owner, found.local, found.deleted_at, found.former_type) == (NANTES, True, at, "Mission")
    assert found.document == {
        "id": MISSION,
        "type": "Tombstone",
        "formerType": "Mission",
        "deleted": "2026-11-23T12:00:00Z",
    }
    assert "secret" not in str(await table(store_url, "object"))


async def test_an_object_that_we_never_had_can_be_buried(store: SqlStore):
    await made(store, BuryObject(MISSION, "Mission", NOON))
    found = await store.read(lambda r: r.object(MISSION))
    assert (found.owner, found.local, found.deleted_at, found.readers) == ("", False, NOON, ())


# -- chains --------------------------------------------------------------------------------------------------


def steps(*versions: int, confirmed: bool = True, name: str = "") -> list[Change]:
    said = {v: activity(f"{name}{v}") for v in versions}
    return [c for v in versions for c in (record(said[v]), step(chain(v), said[v], confirmed=confirmed))]


async def test_a_chain_is_kept_whole_and_found_by_every_name_it_was_given(store: SqlStore):
    of, said = engagement(1, memory={"reworks": 2, "x": [None]}), activity(1, LYON)
    await made(store, record(said), step(of, said, refs=("https://nantes.example/engagements/1", of.id)))
    later, then = engagement(1, 2, state="accepted"), activity(2)
    await made(store, record(then), step(later, then, refs=("https://nantes.example/activities/2",)))
    for ref in (of.id, "https://nantes.example/engagements/1", "https://nantes.example/activities/2"):
        assert await store.read(lambda r, ref=ref: r.chain(ref)) == later
    assert await store.read(lambda r: r.chain("https://nowhere.example/")) is None
    assert await store.read(lambda r: r.links(of.id)) == (
        Link(of.id, 1, said.id, "z1", True),
        Link(of.id, 2, then.id, "z2", True),
    )
    assert [one.id for one in await store.read(lambda r: r.history(of.id))] == [said.id, then.id]


async def test_a_name_belongs_to_the_chain_that_had_it_first(store: SqlStore):
    said, other = activity(1), activity(2, LYON)
    await made(store, record(said), step(chain(), said))
    await made(store, record(other), step(engagement(2), other, refs=(MISSION,)))
    assert (await store.read(lambda r: r.chain(MISSION))).kind == "Mission"
    assert (await store.read(lambda r: r.chain(engagement(2).id))).kind == "Engagement"


async def test_a_tail_taken_off_is_kept_as_refused_and_seen_by_nobody(store: SqlStore, store_url: str):
    await made(store, *steps(1), *steps(2, 3, confirmed=False))
    await made(store, DropLinks(MISSION, 2, "displaced by the owner"), ResetChain(MISSION, chain(1)))
    assert [link.version for link in await store.read(lambda r: r.links(MISSION))] == [1]
    assert [one.id for one in await store.read(lambda r: r.history(MISSION))] == [activity(1).id]
    assert await store.read(lambda r: r.chain(MISSION)) == chain(1)
    refused = [(await store.read(lambda r, v=v: r.activity(activity(v).id))).refused for v in (1, 2, 3)]
    assert refused == [None, "displaced by the owner", "displaced by the owner"]
    evidence = [(row["version"], row["refused"]) for row in await table(store_url, "link")]
    assert sorted(evidence, key=str) == [
        (1, None), (2, "displaced by the owner"), (3, "displaced by the owner"),
    ]  # fmt: skip


async def test_another_transition_takes_the_place_of_a_displaced_one(store: SqlStore):
    """All in one list, in the order in which a flow gives it, the new activity last."""
    await made(store, *steps(1), *steps(2, confirmed=False))
    mine = activity("mine")
    await made(
        store,
        DropLinks(MISSION, 2, "displaced"),
        ResetChain(MISSION, chain(1)),
        step(chain(2, state="withdrawn"), mine),
        record(mine),
    )
    links = await store.read(lambda r: r.links(MISSION))
    assert [link.activity_id for link in links] == [activity(1).id, mine.id]
    assert (await store.read(lambda r: r.chain(MISSION))).state == "withdrawn"
    assert (await store.read(lambda r: r.activity(mine.id))).refused is None
    # And again: what was refused once stays refused for its own reason.
    await made(store, DropLinks(MISSION, 2, "again"), ResetChain(MISSION, chain(1)))
    assert (await store.read(lambda r: r.activity(activity(2).id))).refused == "displaced"
    assert (await store.read(lambda r: r.activity(mine.id))).refused == "again"


async def test_a_chain_of_nothing_but_a_refused_tail_goes_with_its_names_and_leaves_its_links(
    store: SqlStore, store_url: str
):
    said = activity(1, LYON)
    of = engagement(1)
    await made(store, record(said), step(of, said, confirmed=False, refs=("ref",)))
    await made(store, DropLinks(of.id, 1, "refused"), ResetChain(of.id, None))
    assert await store.read(lambda r: r.chain(of.id)) is None
    assert await store.read(lambda r: r.chain("ref")) is None
    assert await store.read(lambda r: r.engagements_of(AWA)) == ()
    assert await table(store_url, "chain_party") == await table(store_url, "chain_ref") == []
    assert [row["refused"] for row in await table(store_url, "link")] == ["refused"]
    # The same names may be used again.
    other = activity(2, LYON)
    await made(store, record(other), step(of, other, refs=("ref",)))
    assert await store.read(lambda r: r.chain("ref")) == of


async def test_links_are_confirmed_up_to_where_the_owner_was_heard(store: SqlStore):
    await made(store, *steps(1, 2, 3, confirmed=False))
    await made(store, ConfirmLinks(MISSION, 2))
    links = await store.read(lambda r: r.links(MISSION))
    assert [link.confirmed for link in links] == [True, True, False]


async def test_a_refused_link_is_never_confirmed(store: SqlStore, store_url: str):
    await made(store, *steps(1, confirmed=False))
    await made(store, DropLinks(MISSION, 1, "no"), ConfirmLinks(MISSION, 9))
    assert [row["confirmed"] for row in await table(store_url, "link")] == [False]


async def test_parties_are_those_of_the_newest_version(store: SqlStore):
    said, then = activity(1, LYON), activity(2)
    await made(store, record(said), step(engagement(1), said))
    parties = {"owner": NANTES, "worker": "https://lyon.example/actors/malo"}
    await made(store, record(then), step(engagement(1, 2, parties=parties), then))
    assert await store.read(lambda r: r.engagements_of(AWA)) == ()
    (found,) = await store.read(lambda r: r.engagements_of("https://lyon.example/actors/malo"))
    assert found.parties == parties


async def test_a_link_without_its_activity_is_refused(store: SqlStore):
    with pytest.raises(Unavailable):
        await made(store, step(chain(), activity("never recorded")))
    assert await store.read(lambda r: r.chain(MISSION)) is None


# -- the rest ------------------------------------------------------------------------------------------------


async def test_a_follow_changes_state_and_ends(store: SqlStore):
    asked = PutFollow(LYON, NANTES, "https://lyon.example/activities/f", "pending")
    await made(store, asked)

    async def states(tx: Transaction) -> tuple[object, ...]:
        found = await tx.follow(LYON, NANTES)
        by_activity = await tx.follow_by_activity("https://lyon.example/activities/f")
        assert found == by_activity
        return found and found.state, len(await tx.followers(NANTES)), len(await tx.following(LYON))

    assert await store.write(states) == ("pending", 0, 0)
    await made(store, PutFollow(LYON, NANTES, asked.activity_id, "accepted"))
    assert await store.write(states) == ("accepted", 1, 1)
    await made(store, PutFollow(LYON, NANTES, asked.activity_id, "rejected"))
    assert await store.write(states) == ("rejected", 0, 0)
    await made(store, DropFollow(NANTES, LYON))
    assert await store.write(states) == ("rejected", 0, 0)
    await made(store, DropFollow(LYON, NANTES))
    assert await store.write(states) == (None, 0, 0)


async def test_a_list_of_a_thousand_changes_is_made_in_one_go(store: SqlStore):
    said = [activity(n) for n in range(300)]
    changes = [
        c
        for one in said
        for c in (record(one, inbox_of=(NANTES,)), a_delivery(one), a_listing(one.id), an_object(one.id))
    ]
    await made(store, *changes)
    assert await store.read(lambda r: r.delivery_counts()) == {"owed": 300, "dead": 0}
    assert (await store.read(lambda r: r.inbox_page(NANTES, cursor=None, limit=1))).total == 300


async def test_no_changes_are_no_trouble(store: SqlStore):
    await made(store)


def test_everybody_has_one_name():
    assert {reader_name(name) for name in ("Public", "as:Public", PUBLIC)} == {PUBLIC}
    assert reader_name(LYON) == LYON


def test_two_listings_of_one_object_in_one_list_are_two_steps_after_each_other():
    runs = list(runs_of([a_listing(), a_listing(title="new")]))
    assert [len(run) for run in runs] == [1, 1]
    assert all(isinstance(change, PutListing) for change in itertools.chain(*runs))
