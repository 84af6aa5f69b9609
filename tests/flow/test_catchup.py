"""Whoever was not there from the beginning sees the board as if it had been."""

from __future__ import annotations

from typing import Any

import pytest

from fedcoop.flow import founding
from fedcoop.flow.catchup import inbox_of, owed_board, remote_follower
from fedcoop.ports import Follow, Peer, StoredActor, Transaction
from fedcoop.protocol.audience import Follower
from tests.conftest import NOON
from tests.flow.federation import Coop, Federation, settle
from tests.flow.stories import a_published_mission, an_engagement, an_offer, carried_from_lyon

SCOPES = ("public", "federation", "network", "members")


async def forget(coop: Coop, other: Coop) -> None:
    """Let `coop` follow `other` no more."""
    follow = await coop.world.store.write(lambda tx: tx.follow(coop.id, other.id))
    assert follow is not None
    await coop.say(coop.id, "Undo", follow.activity_id)


async def follow(coop: Coop, other: Coop) -> None:
    await coop.say(coop.id, "Follow", other.id)


async def a_board(nantes: Coop) -> dict[str, str]:
    """Publish one mission of each scope, and return them by scope."""
    return {scope: await a_published_mission(nantes, relayScope=scope) for scope in SCOPES}


@pytest.mark.parametrize(("name", "sees"), [("lyon", 3), ("alpes", 2)])
async def test_a_new_follower_sees_what_is_open_as_far_as_its_scope_admits(
    federation: Federation, name: str, sees: int
):
    nantes, late = federation.nantes, getattr(federation, name)
    await forget(late, nantes)
    missions = await a_board(nantes)
    await nantes.say(nantes.id, "Update", {"id": missions["public"], "slots": 2})
    assert await late.board(late.id) == []
    await follow(late, nantes)
    assert await late.board(late.id) == sorted(missions[scope] for scope in SCOPES[:sees])
    assert await late.state(missions["public"]) == ("published", 2)
    assert await late.chain(missions["public"]) == await nantes.chain(missions["public"])


async def test_what_is_over_is_not_sent_after(federation: Federation):
    nantes, alpes = federation.nantes, federation.alpes
    await forget(alpes, nantes)
    withdrawn, assigned = await a_published_mission(nantes), await a_published_mission(nantes)
    await nantes.say(nantes.id, "Update", {"id": withdrawn, "missionState": "withdrawn"})
    awa = await federation.lyon.member("awa", status="cape")
    engagement = await an_engagement(federation, awa, assigned)
    await follow(alpes, nantes)
    assert await alpes.board(alpes.id, open_only=False) == []
    # What goes on is told from its beginning, when the next step does not fit.
    work = {"type": "WorkRecord", "engagement": engagement, "workPhase": "started"}
    await federation.lyon.say(awa, "Create", work)
    assert await alpes.state(assigned) == ("started", 3)
    assert await alpes.chain(engagement) is None


async def test_the_network_flag_lets_a_follower_further_in(federation: Federation):
    nantes, alpes = federation.nantes, federation.alpes
    missions = await a_board(nantes)
    assert await alpes.state(missions["network"]) is None
    await founding.decide_peer(nantes.world, alpes.base, "allowed", network=True)
    await settle(federation.office)
    assert await alpes.board(alpes.id) == sorted(missions[scope] for scope in SCOPES[:3])


async def test_a_peer_that_is_let_in_again_is_told_what_it_missed(federation: Federation):
    nantes, alpes = federation.nantes, federation.alpes
    await founding.decide_peer(nantes.world, alpes.base, "blocked")
    mission = await a_published_mission(nantes)
    assert await alpes.state(mission) is None
    await founding.decide_peer(nantes.world, alpes.base, "allowed")
    await settle(federation.office)
    assert await alpes.state(mission) == ("published", 1)


async def test_the_same_decision_again_owes_nobody_anything(federation: Federation):
    nantes, alpes = federation.nantes, federation.alpes
    await a_published_mission(nantes)
    for state in ("allowed", "limited", "blocked"):
        await founding.decide_peer(nantes.world, alpes.base, state)  # type: ignore[arg-type]
    assert await nantes.owed() == 0


async def test_what_comes_twice_has_no_second_effect(federation: Federation):
    nantes, alpes = federation.nantes, federation.alpes
    mission = await a_published_mission(nantes)
    before = await alpes.history(mission)
    federation.office.posts.clear()
    await follow(alpes, nantes)
    assert ("https://alpes.example/inbox", "Create", 202) in federation.office.posts
    assert await alpes.history(mission) == before


async def test_a_follower_of_a_member_sees_the_members_offers(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    await forget(nantes, lyon)
    awa = await lyon.member("awa", status="cape")
    said = await lyon.say(awa, "Create", {"type": "ServiceOffer", "name": "Formation"})
    asked = await nantes.say(nantes.id, "Follow", awa)
    assert await nantes.board(nantes.id) == []
    await lyon.say(awa, "Accept", asked.activity_id)
    assert await nantes.board(nantes.id) == [said.document["object"]["id"]]


async def members_board(coop: Coop, member: str, kind: str = "Need") -> dict[str, str]:
    """Let a member publish a listing of each scope, and return them by scope."""
    found = {}
    for scope in SCOPES:
        said = await coop.say(member, "Create", {"type": kind, "name": "Formation", "relayScope": scope})
        found[scope] = said.document["object"]["id"]
    return found


@pytest.mark.parametrize(("name", "sees"), [("nantes", 3), ("alpes", 2)])
async def test_a_follower_of_a_co_op_sees_what_its_members_publish_change_and_withdraw(
    federation: Federation, name: str, sees: int
):
    lyon, follower = federation.lyon, getattr(federation, name)
    awa = await lyon.member("awa", status="cape")
    needs = await members_board(lyon, awa)
    seen = sorted(needs[scope] for scope in SCOPES[:sees])
    assert await follower.board(follower.id) == seen
    for need in needs.values():
        await lyon.say(awa, "Update", {"id": need, "name": "Formation longue"})
    assert [(await follower.chain(need)).document["name"] for need in seen] == ["Formation longue"] * sees
    for need in needs.values():
        await lyon.say(awa, "Delete", need)
    assert await follower.board(follower.id, open_only=False) == []
    assert await lyon.owed() == 0


@pytest.mark.parametrize(("name", "sees"), [("nantes", 3), ("alpes", 2)])
async def test_a_new_follower_of_a_co_op_sees_what_its_members_have_published(
    federation: Federation, name: str, sees: int
):
    lyon, late = federation.lyon, getattr(federation, name)
    await forget(late, lyon)
    awa = await lyon.member("awa", status="cape")
    needs = await members_board(lyon, awa)
    await lyon.say(awa, "Update", {"id": needs["public"], "name": "Formation longue"})
    assert await late.board(late.id) == []
    await follow(late, lyon)
    assert await late.board(late.id) == sorted(needs[scope] for scope in SCOPES[:sees])
    assert await late.chain(needs["public"]) == await lyon.chain(needs["public"])


async def test_a_follower_of_a_member_is_not_told_what_others_publish(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    await forget(nantes, lyon)
    awa, zoe = await lyon.member("awa", status="cape"), await lyon.member("zoe", status="cape")
    for member in (awa, zoe, lyon.id):
        await members_board(lyon, member)
    asked = await nantes.say(nantes.id, "Follow", awa)
    await lyon.say(awa, "Accept", asked.activity_id)
    assert {(await nantes.chain(iri)).owner for iri in await nantes.board(nantes.id)} == {awa}


async def test_a_member_speaks_to_the_co_ops_followers_with_proposals_only(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa", status="cape")
    federation.office.posts.clear()
    note = {"type": "Note", "content": "<p>Achetez mes légumes</p>", "to": [f"{lyon.id}/followers"]}
    await lyon.say(awa, "Create", note)
    assert federation.office.posts == []
    await lyon.say(awa, "Create", {"type": "Need", "name": "Atelier"})
    assert len(federation.office.posts) == 2


async def test_a_member_who_follows_the_co_op_finds_what_others_of_it_publish_in_the_inbox(
    federation: Federation,
):
    lyon, nantes = federation.lyon, federation.nantes
    awa, zoe = await lyon.member("awa", status="cape"), await lyon.member("zoe", status="cape")
    for member in (awa, zoe):
        asked = await lyon.say(member, "Follow", lyon.id)
        await lyon.say(lyon.id, "Accept", asked.activity_id)
    said = await lyon.say(awa, "Create", {"type": "Need", "name": "Atelier"})
    theirs = await nantes.say(nantes.id, "Create", {"type": "Need", "name": "Remorque"})

    async def items(coop: Coop, actor: str) -> list[str]:
        page = await coop.world.store.read(lambda r: r.inbox_page(actor, cursor=None, limit=9))
        return [item["id"] for item in page.items]

    assert said.activity_id in await items(lyon, zoe)
    # Nobody hears themselves, nor through our co-op what another one has said.
    assert said.activity_id not in await items(lyon, awa)
    assert theirs.activity_id not in await items(lyon, zoe)


def a_stored_actor(actor_id: str, inbox: str = "i", shared: str | None = "s") -> StoredActor:
    return StoredActor(actor_id, False, "Person", "x", {}, inbox, shared, NOON)


def test_the_shared_inbox_is_used_where_there_is_one():
    assert inbox_of(a_stored_actor("x")) == "s"
    assert inbox_of(a_stored_actor("x", shared=None)) == "i"


@pytest.mark.parametrize(
    ("changes", "state", "known"),
    [
        ({}, "allowed", True),
        ({}, "limited", True),
        ({}, "blocked", False),
        ({}, "frozen", False),
        ({}, "pending", False),
        ({}, None, False),
        ({"state": "pending"}, "allowed", False),
        ({"follower": "https://alpes.example/actors/none"}, "allowed", False),
        ({"follower": "https://nantes.example/actors/coop"}, "allowed", False),
    ],
)
async def test_only_accepted_followers_at_peers_that_we_work_with_are_owed_copies(
    federation: Federation, changes: dict[str, Any], state: Any, known: bool
):
    nantes, alpes = federation.nantes, federation.alpes
    fact = Follow(
        **{"follower": alpes.id, "followed": nantes.id, "activity_id": "f", "state": "accepted", **changes}
    )
    listed = {alpes.base: Peer(alpes.base, state, True, "", NOON)} if state else {}

    async def ask(tx: Transaction) -> Follower | None:
        return await remote_follower(tx, fact, listed, nantes.world.instance)

    found = await nantes.world.store.write(ask)
    network = state == "allowed"
    assert found == (Follower(alpes.id, f"{alpes.base}/inbox", network) if known else None)


async def test_a_board_is_owed_history_by_history(federation: Federation):
    nantes = federation.nantes
    first, second = await a_published_mission(nantes), await a_published_mission(nantes)
    await nantes.say(nantes.id, "Update", {"id": first, "slots": 2})
    newcomer = Follower("https://alpes.example/actors/x", "https://alpes.example/inbox", network=False)

    async def ask(tx: Transaction) -> list[str]:
        return [d.activity_id for d in await owed_board(tx, nantes.id, newcomer, nantes.world.instance)]

    told = [a["id"] for iri in (first, second) for a in await nantes.history(iri)]
    assert await nantes.world.store.write(ask) == told


async def test_a_step_that_comes_too_early_is_preceded_by_what_it_follows(federation: Federation):
    nantes, alpes = federation.nantes, federation.alpes
    mission = await a_published_mission(nantes, relayScope="network")
    await nantes.say(nantes.id, "Update", {"id": mission, "slots": 2})
    federation.office.posts.clear()
    await nantes.say(nantes.id, "Update", {"id": mission, "relayScope": "federation"})
    told = [(kind, status) for inbox, kind, status in federation.office.posts if inbox.startswith(alpes.base)]
    # The step, what came before it, and the step again; nothing twice and nothing left for later.
    assert told == [("Update", 503), ("Create", 202), ("Update", 202), ("Update", 202)]
    assert await alpes.chain(mission) == await nantes.chain(mission)
    assert await nantes.owed() == 0


async def test_nobody_tells_what_somebody_else_has_said(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    zoe, shown = await carried_from_lyon(federation)
    mission = await a_published_mission(nantes)
    await nantes.world.resolver.resolve(lyon.id)
    federation.office.down = {lyon.base}
    carried = {"carrier": lyon.id, "workStatus": "cape", "attachment": [shown]}
    offer = await an_offer(alpes, zoe, mission, **carried)
    federation.office.down = set()
    federation.office.posts.clear()
    await nantes.say(nantes.id, "TentativeAccept", offer)
    # Nantes cannot tell Lyon of Zoe's offer, only Alpes can; so Lyon hears it all when Alpes tries again.
    told = [(kind, status) for inbox, kind, status in federation.office.posts if inbox.startswith(lyon.base)]
    assert told == [("TentativeAccept", 503)]
    for _ in range(2):
        lyon.clock.advance(hours=1)
        await settle(federation.office)
    assert await lyon.chain(offer) == await nantes.chain(offer)
