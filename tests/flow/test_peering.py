"""What the operator decides about a peer: what passes in each state, what it touches, and that all of it comes back."""

from __future__ import annotations

from typing import Any

import pytest

from fedcoop.errors import Conflict, Forbidden
from fedcoop.flow.peering import (
    checked,
    decide_peer,
    dossier,
    dossiers,
    impact_of,
    knocked,
    list_peers,
    reinstate,
    standing,
)
from fedcoop.ports import PeerAnswer
from fedcoop.protocol.limits import STRANGERS_PER_MINUTE
from fedcoop.protocol.policy import STEPS_DOWN, TABLE, PeerState
from tests.flow.federation import Coop, Federation, a_mission, settle
from tests.flow.stories import a_published_mission, an_engagement, an_offer, plainly, proven, record

CODES = {"pending": "not-in-allow-list", "frozen": "frozen", "blocked": "blocked"}

REASON = "Factures impayées depuis mars."


async def a_running_engagement(federation: Federation) -> tuple[str, str, str]:
    """Return Awa of Lyon, the mission of Nantes that she works on, and the engagement, delivered."""
    awa = await federation.lyon.member("awa", status="cape")
    mission = await a_published_mission(federation.nantes)
    engagement = await an_engagement(federation, awa, mission)
    await federation.lyon.say(awa, "Create", record(engagement, "started"))
    return awa, mission, engagement


# -- what comes in: every state and every kind of message -----------------------------------------------------------

INCOMING = {
    "Follow": "begins",
    "Create(Mission)": "begins",
    "Offer": "begins",
    "Update(Mission) of nobody's work": "begins",
    "Create(WorkRecord)": "goes-on",
    "Update(actor)": "goes-on",
    "Undo(Offer)": "ends",
    "Undo(Follow)": "ends",
    "Delete(Mission)": "ends",
}


async def send(federation: Federation, what: str, state: PeerState) -> int:
    """Let Lyon send that to Nantes, which holds Lyon for `state`; return the status of Nantes' answer."""
    lyon, nantes = federation.lyon, federation.nantes
    awa, _mission, engagement = await a_running_engagement(federation)
    other = await a_published_mission(nantes)
    own = await a_published_mission(lyon)
    zoe = await lyon.member("zoe", status="selfEmployed")
    offered = await an_offer(lyon, zoe, await a_published_mission(nantes))
    asked = await lyon.say(zoe, "Follow", nantes.id)
    await decide_peer(nantes.world, lyon.base, state)
    federation.office.posts.clear()
    match what:
        case "Follow":
            await lyon.say(awa, "Follow", nantes.id)
        case "Create(Mission)":
            await lyon.say(lyon.id, "Create", a_mission())
        case "Offer":
            await an_offer(lyon, zoe, other)
        case "Update(Mission) of nobody's work":
            await lyon.say(lyon.id, "Update", {"id": own, "slots": 2})
        case "Create(WorkRecord)":
            await lyon.say(awa, "Create", record(engagement, "progress"))
        case "Update(actor)":
            await lyon.say(lyon.id, "Update", {"id": lyon.id, "summary": "<p>x</p>"})
        case "Undo(Offer)":
            await lyon.say(zoe, "Undo", offered)
        case "Undo(Follow)":
            await lyon.say(zoe, "Undo", asked.activity_id)
        case "Delete(Mission)":
            await lyon.say(lyon.id, "Delete", own)
    return next(s for inbox, kind, s in federation.office.posts if inbox.startswith(nantes.base))


@pytest.mark.parametrize("what", INCOMING)
@pytest.mark.parametrize("state", TABLE)
async def test_what_comes_in_passes_as_the_table_says(federation: Federation, state: PeerState, what: str):
    passes = INCOMING[what] in TABLE[state].deeds
    assert await send(federation, what, state) == (202 if passes else 403)


# -- what goes out --------------------------------------------------------------------------------------------------

OUTGOING = {
    "Follow": "begins",
    "Offer": "begins",
    "Accept(Offer)": "begins",
    "Accept(WorkRecord)": "goes-on",
    "Reject(Offer)": "ends",
}


async def say(federation: Federation, what: str) -> None:
    """Let Nantes say that to Lyon."""
    lyon, nantes = federation.lyon, federation.nantes
    awa, _mission, engagement = await a_running_engagement(federation)
    await lyon.say(awa, "Create", record(engagement, "delivered"))
    malo = await nantes.member("malo", status="selfEmployed")
    theirs = await a_published_mission(lyon)
    offered = await an_offer(
        lyon, await lyon.member("zoe", status="selfEmployed"), await a_published_mission(nantes)
    )
    chain = await nantes.chain(engagement)
    assert chain is not None
    await decide_peer(nantes.world, lyon.base, STATE.get(federation.lyon.base, "allowed"), reason=REASON)
    match what:
        case "Follow":
            await nantes.say(malo, "Follow", lyon.id)
        case "Offer":
            await an_offer(nantes, malo, theirs)
        case "Accept(Offer)":
            await nantes.say(nantes.id, "Accept", offered)
        case "Accept(WorkRecord)":
            work = [a for a in await nantes.history(engagement) if a["type"] == "Create"][-1]
            await nantes.say(nantes.id, "Accept", work["object"]["id"])
        case "Reject(Offer)":
            await nantes.say(nantes.id, "Reject", offered, reasonCode="other")


STATE: dict[str, PeerState] = {}


@pytest.mark.parametrize("what", OUTGOING)
@pytest.mark.parametrize("state", TABLE)
async def test_what_goes_out_passes_as_the_table_says(
    federation: Federation, state: PeerState, what: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(STATE, federation.lyon.base, state)
    federation.office.posts.clear()
    if OUTGOING[what] in TABLE[state].deeds:
        await say(federation, what)
        return
    with pytest.raises(Forbidden) as refusal:
        await say(federation, what)
    assert refusal.value.code == CODES[state]
    # Whoever is refused is told the operator's reason.
    assert (REASON in refusal.value.detail) == (state != "pending")


@pytest.mark.parametrize("state", TABLE)
async def test_the_board_goes_to_whom_the_table_says(federation: Federation, state: PeerState):
    lyon, nantes = federation.lyon, federation.nantes
    await decide_peer(nantes.world, lyon.base, state)
    public = await a_published_mission(nantes)
    network = await a_published_mission(nantes, relayScope="network")
    assert (await lyon.state(public) is not None) == TABLE[state].board
    assert (await lyon.state(network) is not None) == TABLE[state].network


@pytest.mark.parametrize("state", TABLE)
async def test_a_running_mission_goes_on_for_whom_the_table_says(federation: Federation, state: PeerState):
    lyon, nantes = federation.lyon, federation.nantes
    awa, mission, engagement = await a_running_engagement(federation)
    await decide_peer(nantes.world, lyon.base, state)
    goes_on = "goes-on" in TABLE[state].deeds
    await lyon.say(awa, "Create", record(engagement, "delivered"))
    assert (await nantes.state(mission) == ("delivered", 4)) == goes_on
    assert (await lyon.state(mission) == ("delivered", 4)) == goes_on
    if not goes_on:
        # Both sides are where they were, and both can say so.
        assert await lyon.state(mission) == await nantes.state(mission) == ("started", 3)


# -- what waits ------------------------------------------------------------------------------------------------------


async def test_what_waits_is_kept_back_and_let_go(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    federation.office.down = {lyon.base}
    mission = await a_published_mission(nantes)
    await decide_peer(nantes.world, lyon.base, "blocked")
    federation.office.down = set()
    nantes.clock.advance(hours=1)
    await settle(federation.office)
    assert await lyon.state(mission) is None
    assert (await impact_of(nantes.world, lyon.base)).deliveries == 1
    await decide_peer(nantes.world, lyon.base, "allowed")
    nantes.clock.advance(hours=1)
    await settle(federation.office)
    assert await lyon.state(mission) == ("published", 1)
    assert (await impact_of(nantes.world, lyon.base)).deliveries == 0


async def test_what_is_under_way_goes_out_to_a_frozen_peer_and_what_begins_waits(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa, _mission, engagement = await a_running_engagement(federation)
    await lyon.say(awa, "Create", record(engagement, "delivered"))
    federation.office.down = {lyon.base}
    work = [a for a in await nantes.history(engagement) if a["type"] == "Create"][-1]
    await nantes.say(nantes.id, "Accept", work["object"]["id"])
    begun = await a_published_mission(nantes)
    await decide_peer(nantes.world, lyon.base, "frozen")
    federation.office.down = set()
    nantes.clock.advance(hours=1)
    await settle(federation.office)
    assert await lyon.state(engagement) == await nantes.state(engagement)
    assert await lyon.state(begun) is None
    await reinstate(nantes.world, lyon.base)
    await settle(federation.office)
    assert await lyon.state(begun) == ("published", 1)


async def test_an_answer_to_somebody_else_does_not_fail_for_a_blocked_peer_and_reaches_it_later(
    federation: Federation,
):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    awa = await lyon.member("awa", status="selfEmployed")
    zoe = await alpes.member("zoe", status="selfEmployed")
    mission = await a_published_mission(nantes)
    left, taken = await an_offer(lyon, awa, mission), await an_offer(alpes, zoe, mission)
    await decide_peer(nantes.world, lyon.base, "blocked")
    await nantes.say(nantes.id, "Accept", taken)
    assert await nantes.state(left) == ("rejected", 2)
    assert await lyon.state(left) == ("proposed", 1)
    await reinstate(nantes.world, lyon.base)
    await settle(federation.office)
    assert await lyon.state(left) == ("rejected", 2)


async def test_the_end_of_what_was_on_the_board_is_told_afterwards(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    withdrawn, stays = await a_published_mission(nantes), await a_published_mission(nantes)
    nantes.clock.advance(days=1)
    await decide_peer(nantes.world, lyon.base, "blocked")
    nantes.clock.advance(days=1)
    await nantes.say(nantes.id, "Delete", withdrawn)
    between = await a_published_mission(nantes)
    await nantes.say(nantes.id, "Delete", between)
    assert await lyon.state(withdrawn) == ("published", 1)
    await reinstate(nantes.world, lyon.base)
    await settle(federation.office)
    assert await lyon.state(withdrawn) == ("withdrawn", 2)
    assert await lyon.state(stays) == ("published", 1)
    assert await lyon.state(between) is None


# -- impact ----------------------------------------------------------------------------------------------------------


async def test_what_hangs_on_a_peer_is_counted(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    _awa, _mission, _engagement = await a_running_engagement(federation)
    await an_offer(lyon, await lyon.member("zoe", status="selfEmployed"), await a_published_mission(nantes))
    malo = await nantes.member("malo", status="selfEmployed")
    await an_offer(nantes, malo, await a_published_mission(lyon))
    await an_offer(alpes, await alpes.member("lou", status="selfEmployed"), await a_published_mission(nantes))
    await a_published_mission(nantes, relayScope="members")
    await nantes.say(malo, "Follow", lyon.id)
    federation.office.down = {lyon.base}
    await a_published_mission(nantes)
    found = await impact_of(nantes.world, lyon.base)
    assert (found.followers, found.following) == (1, 2)
    assert (found.our_members, found.their_members) == (1, 2)
    # Three of Nantes' are open to Lyon: applied for by Zoé, by Lou, and the one that waits.
    assert (found.proposals_shown_to_them, found.proposals_of_theirs) == (3, 1)
    assert found.missions == {"published": 2, "started": 1}
    assert found.engagements == {"active": 1, "proposed": 2}
    assert found.deliveries == 1
    assert not found.nothing


async def test_nothing_hangs_on_a_stranger(federation: Federation):
    assert (await impact_of(federation.nantes.world, "https://brest.example")).nothing


# -- decisions -------------------------------------------------------------------------------------------------------


async def test_who_decided_what_and_why_is_kept(federation: Federation):
    world, lyon = federation.nantes.world, federation.lyon.base
    await decide_peer(world, lyon, "frozen", reason="En attente.", note="voir le CA", by="malo")
    peer = await decide_peer(world, lyon, "blocked", reason=REASON, by="awa")
    assert (peer.state, peer.note, peer.reason, peer.decided_by) == ("blocked", "voir le CA", REASON, "awa")
    told = [(d.state, d.decided_by, d.reason) for d in (await dossier(world, lyon)).decisions]
    assert told == [("allowed", "", ""), ("frozen", "malo", "En attente."), ("blocked", "awa", REASON)]
    again = await decide_peer(world, lyon, "allowed", by="awa")
    assert again.reason == ""


@pytest.mark.parametrize("state", ["limited", "frozen", "blocked", "pending"])
async def test_every_step_down_is_taken_back(federation: Federation, state: PeerState):
    lyon, nantes = federation.lyon, federation.nantes
    before = (await list_peers(nantes.world))[1]
    assert before.origin == lyon.base
    await decide_peer(nantes.world, lyon.base, state)
    mission = await a_published_mission(nantes, relayScope="network")
    assert await lyon.state(mission) is None
    await reinstate(nantes.world, lyon.base)
    await settle(federation.office)
    after = (await list_peers(nantes.world))[1]
    assert (after.state, after.network) == (before.state, before.network)
    assert await lyon.state(mission) == ("published", 1)


async def test_a_block_of_somebody_limited_leads_back_to_limited(federation: Federation):
    world, lyon = federation.nantes.world, federation.lyon.base
    for state in ("limited", "frozen", "blocked"):
        await decide_peer(world, lyon, state)  # type: ignore[arg-type]
    assert (await reinstate(world, lyon)).state == "frozen"
    assert (await reinstate(world, lyon)).state == "limited"
    assert (await reinstate(world, lyon)).state == "allowed"
    with pytest.raises(Conflict):
        await reinstate(world, lyon)


async def test_who_was_blocked_from_the_first_is_undecided_again(federation: Federation):
    world = federation.nantes.world
    await decide_peer(world, "https://brest.example", "blocked")
    assert (await reinstate(world, "https://brest.example")).state == "pending"


def test_one_is_not_ones_own_peer(federation: Federation):
    with pytest.raises(Conflict):
        checked(federation.nantes.world, federation.nantes.base)


# -- who knocks ------------------------------------------------------------------------------------------------------


async def test_a_stranger_who_knocks_is_written_down_once_an_hour_and_nothing_is_fetched(
    federation: Federation,
):
    lyon, nantes = federation.lyon, federation.nantes
    await nantes.world.store.write(lambda tx: tx.put_peer(replace_state(lyon)))
    body = proven(lyon, lyon.id, plainly(lyon, lyon.id, "Follow", nantes.id))
    federation.office.fetched.clear()
    for _ in range(3):
        with pytest.raises(Forbidden):
            await nantes.receive(body, sender=lyon.id, ring=lyon.ring)
    stranger = (await dossier(nantes.world, lyon.base)).knocked
    assert stranger is not None
    assert stranger.times == 1
    assert federation.office.fetched == []
    nantes.clock.advance(minutes=61)
    await knocked(nantes.world, lyon.base)
    again = (await dossier(nantes.world, lyon.base)).knocked
    assert again is not None
    assert (again.times, again.first_at) == (2, stranger.first_at)
    await decide_peer(nantes.world, lyon.base, "allowed")
    assert (await dossier(nantes.world, lyon.base)).knocked is None


def replace_state(coop: Coop) -> Any:
    from fedcoop.ports import Peer

    return Peer(coop.base, "pending", False, "", coop.clock())


async def test_made_up_names_cost_us_ten_rows_a_minute(federation: Federation):
    world = federation.nantes.world
    for n in range(STRANGERS_PER_MINUTE + 5):
        await knocked(world, f"https://c{n}.example")
    known = [d for d in await dossiers(world) if d.peer is None]
    assert len(known) == STRANGERS_PER_MINUTE
    federation.nantes.clock.advance(minutes=2)
    await knocked(world, "https://honest.example")
    assert (await dossier(world, "https://honest.example")).knocked is not None


# -- what people are told --------------------------------------------------------------------------------------------


async def test_the_peer_is_told_the_reason_and_since_when(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    await decide_peer(nantes.world, lyon.base, "blocked", reason=REASON, note="entre nous")
    body = proven(lyon, lyon.id, plainly(lyon, lyon.id, "Follow", nantes.id))
    with pytest.raises(Forbidden) as refusal:
        await nantes.receive(body, sender=lyon.id, ring=lyon.ring)
    assert REASON in refusal.value.detail
    assert refusal.value.extra == {
        "contact": "https://nantes.example/",
        "since": nantes.clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reason": REASON,
    }


async def test_the_people_of_a_mission_are_told_where_the_other_side_stands(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    _awa, _mission, engagement = await a_running_engagement(federation)
    chain = await nantes.chain(engagement)
    assert chain is not None

    async def told() -> list[dict[str, Any]]:
        return await nantes.world.store.read(lambda r: standing(r, [chain], nantes.world.instance))

    assert await told() == []
    await decide_peer(nantes.world, lyon.base, "frozen", reason=REASON)
    answer = PeerAnswer(lyon.base, "blocked", "Non.", nantes.clock())
    await nantes.world.store.write(lambda tx: tx.put_peer_answer(answer))
    stamp = nantes.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await told() == [
        {"origin": lyon.base, "decidedBy": "us", "state": "frozen", "reason": REASON, "since": stamp},
        {"origin": lyon.base, "decidedBy": "them", "state": "blocked", "reason": "Non.", "since": stamp},
    ]


def test_the_steps_down_are_all_tried():
    assert set(STEPS_DOWN) == set(TABLE)
