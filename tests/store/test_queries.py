"""Collections and counts: newest first, stable while they grow, and nothing for those who may not read it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest

from fedcoop.errors import Malformed
from fedcoop.ports import Knock, Page
from fedcoop.protocol.messages import BuryObject, PutActor, PutFollow
from fedcoop.store.sql import SqlStore
from tests.conftest import NOON
from tests.store.making import (
    AWA,
    LYON,
    MISSION,
    NANTES,
    PUBLIC,
    activity,
    an_actor,
    an_object,
    chain,
    engagement,
    record,
    step,
)

MEMBERS: Final = f"{NANTES}/members"


async def receive(store: SqlStore, *names: str | int, by: tuple[str, ...] = (NANTES,)) -> None:
    await store.write(lambda tx: tx.make([record(activity(name, LYON), inbox_of=by) for name in names]))


def names(page: Page) -> list[str]:
    return [str(item["id"]).rsplit("/", 1)[1] for item in page.items]


async def inbox(store: SqlStore, cursor: str | None = None, *, limit: int = 3, actor: str = NANTES) -> Page:
    return await store.read(lambda r: r.inbox_page(actor, cursor=cursor, limit=limit))


async def outbox(
    store: SqlStore, cursor: str | None = None, *, limit: int = 9, readers: tuple[str, ...] | None = None
) -> Page:
    return await store.read(lambda r: r.outbox_page(NANTES, cursor=cursor, limit=limit, readers=readers))


# -- pages ---------------------------------------------------------------------------------------------------


async def test_an_inbox_shows_what_came_last_first_page_by_page(store: SqlStore):
    await receive(store, *range(7))
    first = await inbox(store)
    second = await inbox(store, first.next)
    third = await inbox(store, second.next)
    assert [names(page) for page in (first, second, third)] == [["6", "5", "4"], ["3", "2", "1"], ["0"]]
    assert [page.total for page in (first, second, third)] == [7, 7, 7]
    assert third.next is None
    assert first.items[0] == activity(6, LYON).raw


async def test_a_page_that_is_just_full_has_none_behind_it(store: SqlStore):
    await receive(store, 1, 2, 3)
    assert (await inbox(store)).next is None


async def test_pages_stay_as_they_were_begun_while_the_inbox_grows(store: SqlStore):
    await receive(store, *range(6))
    first = await inbox(store)
    await receive(store, "new")
    second = await inbox(store, first.next)
    assert names(first) + names(second) == ["5", "4", "3", "2", "1", "0"]
    assert second.total == 7
    assert names(await inbox(store))[0] == "new"


async def test_each_actor_has_an_inbox_and_an_outbox_of_its_own(store: SqlStore):
    await receive(store, 1, by=(NANTES, AWA))
    await receive(store, 2, by=(AWA, AWA))
    await store.write(
        lambda tx: tx.make([record(activity(3), local=True, outbox_of=NANTES, inbox_of=(NANTES,))])
    )
    assert names(await inbox(store, actor=AWA)) == ["2", "1"]
    assert names(await inbox(store)) == ["3", "1"]
    assert names(await outbox(store)) == ["3"]
    assert await inbox(store, actor=LYON) == Page(total=0, items=(), next=None)


async def test_an_outbox_shows_each_reader_what_was_addressed_to_them(store: SqlStore):
    said = {"public": ("as:Public",), "members": (MEMBERS,), "lyon": (LYON, AWA), "nobody": ()}
    for name, to in said.items():
        await store.write(
            lambda tx, n=name, to=to: tx.make([record(activity(n, to=to), local=True, outbox_of=NANTES)])
        )
    for readers, expected in {
        None: ["nobody", "lyon", "members", "public"],
        (): [],
        (PUBLIC,): ["public"],
        (PUBLIC, AWA): ["lyon", "public"],
        (MEMBERS, LYON, AWA, "Public"): ["lyon", "members", "public"],
    }.items():
        page = await outbox(store, readers=readers)
        assert names(page) == expected
        assert page.total == len(expected)
    first = await outbox(store, limit=1, readers=(PUBLIC, AWA))
    second = await outbox(store, first.next, limit=1, readers=(PUBLIC, AWA))
    assert [*names(first), *names(second), second.next] == ["lyon", "public", None]


async def test_followers_and_following_show_only_who_was_accepted(store: SqlStore):
    def follow(n: int, state: str = "accepted") -> PutFollow:
        return PutFollow(f"https://peer{n}.example/actors/coop", NANTES, f"f{n}", state)  # type: ignore[arg-type]

    await store.write(lambda tx: tx.make([follow(n) for n in range(5)]))
    await store.write(lambda tx: tx.make([follow(7, "pending"), follow(8, "rejected")]))
    page = lambda cursor, which="followers", actor=NANTES: store.read(  # noqa: E731
        lambda r: r.follows_page(actor, which=which, cursor=cursor, limit=2)
    )
    total, first, cursor = await page(None)
    await store.write(lambda tx: tx.make([follow(9), follow(3)]))
    _, second, cursor = await page(cursor)
    later, third, end = await page(cursor)
    assert [iri[12] for iri in (*first, *second, *third)] == ["4", "3", "2", "1", "0"]
    assert (total, later, end) == (5, 6, None)
    assert await page(None, "following", "https://peer2.example/actors/coop") == (1, (NANTES,), None)
    assert await page(None, "following") == (0, (), None)


async def test_the_followers_at_one_server_are_those_of_its_origin_and_no_other(store: SqlStore):
    def follow(follower: str, state: str = "accepted", followed: str = NANTES) -> PutFollow:
        return PutFollow(f"https://{follower}", followed, follower, state)  # type: ignore[arg-type]

    here = ["peer.example/a", "peer.example/b", "peer.example/c"]
    others = ["peer.example.evil.example/a", "other.example/peer.example/a", "peer.exampl/a"]
    await store.write(lambda tx: tx.make([follow(one) for one in (*here, *others)]))
    await store.write(
        lambda tx: tx.make([follow("peer.example/p", "pending"), follow("peer.example/l", followed=LYON)])
    )

    async def at(limit: int) -> list[str]:
        ask = lambda one: one.followers_at(NANTES, "https://peer.example", limit=limit)  # noqa: E731
        read, written = await store.read(ask), await store.write(ask)
        assert read == written
        return [one.activity_id for one in read]

    assert await at(9) == here
    assert await at(2) == here[:2]


async def test_a_cursor_of_somebody_elses_is_refused(store: SqlStore):
    for ask in (
        lambda: inbox(store, "WzFd-"),
        lambda: outbox(store, ""),
        lambda: store.read(lambda r: r.follows_page(NANTES, which="followers", cursor="x", limit=1)),
    ):
        with pytest.raises(Malformed):
            await ask()


# -- looking up ----------------------------------------------------------------------------------------------


async def test_what_is_not_there_is_none(store: SqlStore):
    for ask in (
        "activity",
        "actor",
        "object",
        "chain",
        "actor_by_username",
        "actor_by_inbox",
        "knock",
        "peer",
        "token",
        "meta",
    ):
        assert await store.read(lambda r, ask=ask: getattr(r, ask)("x")) is None
    for ask in ("links", "history", "engagements", "engagements_of", "followers", "following"):
        assert await store.read(lambda r, ask=ask: getattr(r, ask)("x")) == ()
    assert await store.write(lambda tx: tx.activity_by_client_key("x", "y")) is None
    assert await store.write(lambda tx: tx.follow("x", "y")) is None
    assert await store.write(lambda tx: tx.follow_by_activity("x")) is None


async def test_only_our_own_actors_are_found_by_name(store: SqlStore):
    await store.write(lambda tx: tx.make([an_actor(LYON, local=False), an_actor(NANTES), an_actor(AWA)]))
    assert (await store.read(lambda r: r.actor_by_username("coop"))).id == NANTES
    assert await store.read(lambda r: r.actor_by_username("COOP")) is None
    assert [one.id for one in await store.read(lambda r: r.local_actors())] == [NANTES, AWA]


async def test_whose_inbox_a_url_is_says_the_actor_heard_of_last(store: SqlStore):
    shared = "https://lyon.example/inbox"
    for name, day in (("coop", 2), ("awa", 3), ("zoe", 1)):
        actor = f"https://lyon.example/actors/{name}"
        document = {**an_actor(actor).document, "endpoints": {"sharedInbox": shared}}
        seen = NOON.replace(day=day)
        await store.write(lambda tx, d=document, s=seen: tx.make([PutActor(d, local=False, fetched_at=s)]))
    for ask in (store.read, store.write):
        found = await ask(lambda r: r.actor_by_inbox("https://lyon.example/actors/coop/inbox"))
        assert found.id == "https://lyon.example/actors/coop"
        assert (await ask(lambda r: r.actor_by_inbox(shared))).id == "https://lyon.example/actors/awa"


async def test_of_a_server_the_knock_that_opened_last_is_known(store: SqlStore):
    for way, day in (("draft-cavage", 2), ("rfc9421-ed25519", 3)):
        knock = Knock("https://lyon.example", way, NOON.replace(day=day))
        await store.write(lambda tx, k=knock: tx.put_knock(k))
        for ask in (store.read, store.write):
            assert await ask(lambda r: r.knock("https://lyon.example")) == knock


async def test_engagements_are_found_by_their_proposal_and_their_parties(store: SqlStore):
    for n in (1, 2, 3):
        proposal = MISSION if n < 3 else "https://nantes.example/missions/9"
        said = activity(n, LYON)
        await store.write(
            lambda tx, n=n, said=said, proposal=proposal: tx.make(
                [record(said), step(engagement(n, proposal=proposal), said)]
            )
        )
    mission = activity("mission")
    await store.write(lambda tx: tx.make([record(mission), step(chain(), mission)]))
    ids = lambda chains: [int(one.id.rsplit("/", 1)[1]) for one in chains]  # noqa: E731
    assert ids(await store.read(lambda r: r.engagements(MISSION))) == [1, 2]
    assert ids(await store.write(lambda tx: tx.engagements(MISSION))) == [1, 2]
    assert ids(await store.read(lambda r: r.engagements_of(AWA))) == [3, 2, 1]
    # The owner of all of them is a party of each, and its mission is no engagement.
    assert ids(await store.read(lambda r: r.engagements_of(NANTES))) == [3, 2, 1]


async def test_open_proposals_are_the_published_missions_and_listings_of_those_we_host(store: SqlStore):
    await store.write(lambda tx: tx.make([an_actor(NANTES), an_actor(LYON, local=False)]))
    cases = {
        "mission": {},
        "need": {"kind": "Listing"},
        "filled": {"state": "assigned"},
        "engagement": {"kind": "Engagement"},
        "theirs": {"owner": LYON},
    }
    for name, fields in cases.items():
        said = activity(name)
        of = chain(id=f"{NANTES}/{name}", **fields)
        await store.write(lambda tx, said=said, of=of: tx.make([record(said), step(of, said)]))
    found = await store.write(lambda tx: tx.open_proposals())
    assert [one.id.rsplit("/", 1)[1] for one in found] == ["mission", "need"]


async def test_missions_expire_when_they_are_ours_published_and_past_their_date(store: SqlStore):
    def mission(name: str, apply_before: object, **fields: object) -> list[object]:
        object_id, said = f"{NANTES}/{name}", activity(name)
        document = {"id": object_id, "applyBefore": apply_before}
        return [record(said), step(chain(id=object_id, document=document, **fields), said)]

    past, exactly, future = "2026-11-22T11:59:59Z", "2026-11-22T12:00:00Z", "2026-11-22T12:00:01Z"
    cases = [
        *mission("past", past),
        *mission("earlier", "2026-11-22T12:30:00+01:00"),
        *mission("day", "2026-11-22"),
        *mission("exactly", exactly),
        *mission("future", future),
        *mission("assigned", past, state="assigned"),
        *mission("theirs", past, owner=LYON),
        *mission("listing", past, kind="Listing"),
        *mission("nonsense", "tomorrow"),
        *mission("number", 5),
        *mission("none", None),
    ]
    await store.write(lambda tx: tx.make([an_actor(NANTES), an_actor(LYON, local=False), *cases]))
    found = await store.write(lambda tx: tx.expiring(NOON))
    assert [one.id.rsplit("/", 1)[1] for one in found] == ["day", "earlier", "past"]
    assert len(await store.write(lambda tx: tx.expiring(NOON + timedelta(seconds=1)))) == 4
    then = activity("expired")
    of = chain(2, id=f"{NANTES}/past", state="expired")
    await store.write(lambda tx: tx.make([record(then), step(of, then)]))
    assert len(await store.write(lambda tx: tx.expiring(NOON))) == 2


# -- counts --------------------------------------------------------------------------------------------------


async def test_counts_are_of_this_instance(store: SqlStore):
    assert await store.read(lambda r: r.counts()) == {"members": 0, "missions": 0, "activities": 0}
    member = {"fedcoopType": ["Member"], "type": "Person"}
    await store.write(
        lambda tx: tx.make(
            [
                an_actor(NANTES),
                an_actor(AWA, **member),
                an_actor(LYON, local=False, **member),
                an_object(),
                an_object("gone"),
                BuryObject("gone", "Mission", NOON),
                an_object("theirs", local=False),
                an_object("need", object_class="Need"),
                record(activity(1), local=True),
                record(activity(2), local=True),
                record(activity(3, LYON)),
            ]
        )
    )
    assert await store.read(lambda r: r.counts()) == {"members": 1, "missions": 1, "activities": 2}
    assert await store.write(lambda tx: tx.delivery_counts()) == {"owed": 0, "dead": 0}
