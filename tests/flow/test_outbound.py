"""What is said and delivered: order, what is tentative, what is taken back, and who wins."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedcoop.errors import Conflict, Refused, TryLater, Unavailable
from fedcoop.flow import outbound
from fedcoop.flow.founding import decide_peer
from fedcoop.flow.outbound import publish, run_deliveries
from fedcoop.flow.scene import split
from fedcoop.flow.world import World
from fedcoop.ports import Answer, DeliveryQuery
from fedcoop.protocol.facts import Facts
from fedcoop.protocol.messages import Chain, Intent, PutActor
from tests.conftest import CountedIds, StoppedClock
from tests.flow.federation import (
    Coop,
    Federation,
    PostOffice,
    Ring,
    Template,
    open_coop,
    settle,
)
from tests.flow.stories import (
    a_published_mission,
    an_engagement,
    an_offer,
    carried_from_lyon,
    receipt,
    record,
)


class LosesAnswers:
    """A courier whose letters arrive and whose receipts do not."""

    def __init__(self, courier: Any) -> None:
        self._courier = courier

    async def post(self, **letter: Any) -> Answer:
        await self._courier.post(**letter)
        raise Unavailable("unavailable", "The answer was lost.")


async def both(federation: Federation, ref: str) -> Chain:
    """Return the chain of `ref`, which Lyon and Nantes know alike."""
    ours, theirs = await federation.nantes.chain(ref), await federation.lyon.chain(ref)
    assert ours == theirs
    assert ours is not None
    return ours


# -- tentative and final --------------------------------------------------------------------------------------------


async def test_an_offer_is_tentative_until_the_owners_server_has_taken_it(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    offer = (
        await lyon.post(awa, {"type": "Offer", "object": {"type": "Agreement", "mission": mission}})
    ).activity_id
    assert (await lyon.state(offer), await lyon.confirmed(offer)) == (("proposed", 1), [False])
    await settle(federation.office)
    assert await lyon.confirmed(offer) == [True] == await nantes.confirmed(offer)


async def test_what_the_owner_builds_upon_the_owner_has_taken(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    world = lyon.world
    lyon.world = federation.office.worlds[lyon.base] = replace(world, courier=LosesAnswers(world.courier))
    offer = await an_offer(lyon, awa, mission)
    assert await lyon.confirmed(offer) == [False]
    assert await nantes.state(offer) == ("proposed", 1)
    await nantes.say(nantes.id, "TentativeAccept", offer)
    assert await lyon.confirmed(offer) == [True, True]


async def test_an_owners_own_step_is_final_at_once(federation: Federation):
    mission = await a_published_mission(federation.nantes)
    assert await federation.lyon.confirmed(mission) == [True]


async def test_an_offer_that_the_owner_refuses_never_happened(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    await nantes.post(nantes.id, {"type": "Update", "object": {"id": mission, "missionState": "withdrawn"}})
    offer = (
        await lyon.post(awa, {"type": "Offer", "object": {"type": "Agreement", "mission": mission}})
    ).activity_id
    await settle(federation.office)
    assert await lyon.chain(offer) is None
    stored = await lyon.world.store.read(lambda reader: reader.activity(offer))
    assert stored is not None
    assert "409 proposal-closed" in str(stored.refused)
    dead = await lyon.world.store.read(lambda r: r.deliveries(DeliveryQuery(states=("refused",))))
    assert [(one.activity_id, one.status, one.problem) for one in dead] == [(offer, 409, "proposal-closed")]


async def crossed(federation: Federation) -> tuple[str, str, list[str]]:
    """Awa begins and delivers while Nantes ends the engagement; nothing of it is delivered yet."""
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    engagement = await an_engagement(federation, awa, await a_published_mission(nantes))
    records = []
    for phase in ("started", "delivered"):
        said = await lyon.post(awa, {"type": "Create", "object": record(engagement, phase)})
        records.append(str(said.document["object"]["id"]))
    ended = {"type": "Undo", "object": engagement, "reasonCode": "other"}
    await nantes.post(
        nantes.id, {**ended, "compensation": {"type": "MonetaryAmount", "value": "9.00", "currency": "EUR"}}
    )
    return awa, engagement, records


@pytest.mark.parametrize("first", ["lyon", "nantes"])
async def test_what_crosses_the_owners_step_is_taken_back_with_all_that_was_built_on_it(
    federation: Federation, first: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outbound, "BATCH", 1)
    lyon = federation.lyon
    awa, engagement, records = await crossed(federation)
    assert await lyon.state(engagement) == ("delivered", 4)
    assert [await lyon.read(iri, awa) is not None for iri in records] == [True, True]
    federation.office.posts.clear()
    federation.office.down = {lyon.base if first == "lyon" else federation.nantes.base}
    await settle(federation.office)
    federation.office.down = set()
    lyon.clock.advance(hours=1)
    await settle(federation.office)
    assert (await both(federation, engagement)).state == "terminated"
    assert [await lyon.read(iri, awa) for iri in records] == [None, None]
    assert await lyon.owed() == 0 == await federation.nantes.owed()
    # What was built on the refused step is told to nobody.
    sent = [
        s
        for inbox, kind, s in federation.office.posts
        if kind == "Create" and inbox.startswith("https://nantes")
    ]
    assert sent == ([409] if first == "lyon" else [])


async def test_what_the_owner_has_built_upon_is_not_taken_back_for_a_later_refusal(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    world = lyon.world
    lyon.world = federation.office.worlds[lyon.base] = replace(world, courier=LosesAnswers(world.courier))
    offer = await an_offer(lyon, awa, mission)
    await nantes.say(nantes.id, "TentativeAccept", offer)
    lyon.world = federation.office.worlds[lyon.base] = world
    await decide_peer(nantes.world, lyon.base, "blocked")
    lyon.clock.advance(hours=1)
    await settle(federation.office)
    assert await lyon.owed() == 0
    assert await lyon.state(offer) == ("proposed", 2)


async def test_only_the_owners_refusal_takes_a_step_back(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    zoe, shown = await carried_from_lyon(federation)
    mission = await a_published_mission(nantes)
    await nantes.world.resolver.resolve(lyon.id)
    await decide_peer(lyon.world, alpes.base, "blocked")
    carried = {"carrier": lyon.id, "workStatus": "cape", "attachment": [shown]}
    offer = await an_offer(alpes, zoe, mission, **carried)
    assert ("https://lyon.example/inbox", "Offer", 403) in federation.office.posts
    assert await alpes.state(offer) == ("proposed", 1) == await nantes.state(offer)
    assert await alpes.confirmed(offer) == [True]


async def test_a_refusal_of_what_moves_no_chain_is_kept_and_no_more(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    await decide_peer(lyon.world, nantes.base, "blocked")
    said = await nantes.say(nantes.id, "Create", {"type": "Note", "content": "x"}, to=[lyon.id])
    dead = await nantes.world.store.read(lambda r: r.deliveries(DeliveryQuery(states=("refused",))))
    assert [(one.activity_id, one.status, one.problem) for one in dead] == [
        (said.activity_id, 403, "blocked")
    ]
    assert await nantes.owed() == 0
    assert await nantes.read(said.document["object"]["id"], nantes.id) is not None


async def test_a_step_that_nobody_takes_for_eight_days_is_taken_back(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    federation.office.down = {nantes.base}
    offer = await an_offer(lyon, awa, mission)
    for _ in range(20):
        lyon.clock.advance(days=1)
        await settle(federation.office)
    assert await lyon.chain(offer) is None
    assert await lyon.owed() == 0
    stored = await lyon.world.store.read(lambda reader: reader.activity(offer))
    assert stored is not None
    assert "horizon passed" in str(stored.refused)


# -- who wins -------------------------------------------------------------------------------------------------------


async def test_of_two_accepts_for_the_last_slot_one_wins_on_both_sides(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    mission = await a_published_mission(nantes)
    offers = [
        await an_offer(lyon, await lyon.member(name, status="cape"), mission) for name in ("awa", "malo")
    ]
    answers = await asyncio.gather(
        *(nantes.post(nantes.id, {"type": "Accept", "object": offer}) for offer in offers),
        return_exceptions=True,
    )
    (lost,) = [a for a in answers if isinstance(a, Conflict)]
    assert lost.code == "slot-filled"
    await settle(federation.office)
    ends = {(await both(federation, offer)).state: offer for offer in offers}
    assert sorted(ends) == ["accepted", "rejected"]
    loser = ends["rejected"]
    last = (await lyon.history(loser))[-1]
    assert (last["type"], last["reasonCode"]) == ("Reject", "slotFilled")
    assert (await both(federation, mission)).state == "assigned"


@pytest.mark.parametrize("first", ["lyon", "nantes"])
async def test_an_offer_withdrawn_while_it_is_accepted_ends_alike_on_both_sides(
    federation: Federation, first: str
):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    offer = await an_offer(lyon, awa, mission)
    await lyon.post(awa, {"type": "Undo", "object": offer})
    await nantes.post(nantes.id, {"type": "Accept", "object": offer})
    assert (await lyon.state(offer), await nantes.state(offer)) == (("withdrawn", 2), ("accepted", 2))
    federation.office.down = {nantes.base if first == "nantes" else lyon.base}
    await settle(federation.office)
    federation.office.down = set()
    lyon.clock.advance(hours=1)
    await settle(federation.office)
    chain = await both(federation, offer)
    assert (chain.state, chain.version) == ("accepted", 2)
    assert await lyon.confirmed(offer) == [True, True]
    assert await lyon.owed() == 0


async def test_an_offer_withdrawn_before_it_is_accepted_is_withdrawn(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    offer = await an_offer(lyon, awa, await a_published_mission(nantes))
    await lyon.say(awa, "Undo", offer)
    with pytest.raises(Conflict) as refusal:
        await nantes.post(nantes.id, {"type": "Accept", "object": offer})
    assert refusal.value.code == "illegal-transition"
    assert (await both(federation, offer)).state == "withdrawn"


# -- publishing -----------------------------------------------------------------------------------------------------


def a_note(text: str) -> dict[str, Any]:
    return {
        "object": {"type": "Note", "content": text},
        "to": ["https://www.w3.org/ns/activitystreams#Public"],
    }


async def test_a_clients_key_publishes_once(federation: Federation):
    nantes = federation.nantes
    said = [
        await publish(Intent(nantes.id, "Create", a_note(text), "key-1"), world=nantes.world)
        for text in ("one", "two")
    ]
    assert [one.duplicate for one in said] == [False, True]
    assert said[0].activity_id == said[1].activity_id
    assert said[1].document["object"]["content"] == "one"


async def test_a_refused_intent_keeps_nothing_and_rings_nobody(federation: Federation):
    nantes = federation.nantes
    before, rings = nantes.rows(), nantes.world.doorbell.rings  # type: ignore[attr-defined]
    with pytest.raises(Refused):
        await publish(
            Intent(nantes.id, "Accept", {"object": "https://lyon.example/none"}), world=nantes.world
        )
    assert nantes.rows() == before
    assert nantes.world.doorbell.rings == rings  # type: ignore[attr-defined]


async def test_whoever_decided_on_an_older_state_is_told(federation: Federation):
    nantes = federation.nantes
    mission = await a_published_mission(nantes)
    chain = await nantes.chain(mission)
    assert chain is not None
    change = Intent(nantes.id, "Update", {"object": {"id": mission, "slots": 2}})
    before = nantes.rows()
    for stale in ({"stateVersion": 5}, {"previousDigest": "zQmOld"}):
        with pytest.raises(Conflict) as refusal:
            await publish(change, world=nantes.world, expecting=stale)
        assert refusal.value.code == "stale"
    assert nantes.rows() == before
    right = {"stateVersion": 2, "previousDigest": chain.digest}
    assert (await publish(change, world=nantes.world, expecting=right)).document["stateVersion"] == 2


async def test_somebody_we_have_not_met_is_met_before_the_copy_is_owed(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    federation.office.fetched.clear()
    await nantes.say(nantes.id, "Create", {"type": "Note", "content": "Bonjour"}, to=[awa])
    assert federation.office.fetched[0] == awa
    assert federation.office.posts[-1] == (f"{lyon.base}/inbox", "Create", 202)


async def test_whoever_names_more_strangers_than_we_meet_at_once_comes_again(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    strangers = [await lyon.member(f"m{n}") for n in range(10)]
    note = {"type": "Create", "object": {"type": "Note"}, "to": strangers}
    with pytest.raises(TryLater):
        await nantes.post(nantes.id, note)
    assert (await nantes.post(nantes.id, note)).duplicate is False


async def test_nothing_is_owed_to_whom_we_do_not_work_with(federation: Federation):
    nantes = federation.nantes
    await nantes.post(
        nantes.id, {"type": "Create", "object": {"type": "Note"}, "to": ["https://stranger.example/actors/x"]}
    )
    assert await nantes.owed() == 0


# -- lanes ----------------------------------------------------------------------------------------------------------


async def test_a_peer_that_is_down_holds_nobody_else_back_and_gets_everything_in_order(
    federation: Federation,
):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    federation.office.down = {lyon.base}
    missions = [await a_published_mission(nantes) for _ in range(3)]
    await nantes.say(nantes.id, "Update", {"id": missions[0], "missionState": "withdrawn"})
    assert await alpes.state(missions[0]) == ("withdrawn", 2)
    assert await lyon.state(missions[0]) is None
    assert await nantes.owed() == 4
    federation.office.down = set()
    await settle(federation.office)
    assert await nantes.owed() == 4
    nantes.clock.advance(minutes=30)
    await settle(federation.office)
    assert await lyon.state(missions[0]) == ("withdrawn", 2)
    assert await nantes.owed() == 0


async def until(condition: Any) -> None:
    for _ in range(200):
        if await condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came to that")


async def test_what_became_of_each_copy_can_be_seen(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    await decide_peer(nantes.world, lyon.base, "blocked")
    federation.office.down = {alpes.base}
    said = await lyon.say(lyon.id, "Create", {"type": "Note", "content": "x"}, to=[nantes.id, alpes.id])
    shown = await lyon.world.store.read(lambda r: r.deliveries(DeliveryQuery(said.activity_id)))
    of = {one.origin: one for one in shown}
    assert (of[nantes.base].state, of[nantes.base].status, of[nantes.base].problem) == (
        "refused", 403, "blocked",
    )  # fmt: skip
    assert of[nantes.base].reason == "This co-op does not take messages from yours."
    assert (of[alpes.base].state, of[alpes.base].attempts) == ("retrying", 1)
    assert (of[alpes.base].status, of[alpes.base].reason) == (None, "No answer.")
    assert of[alpes.base].next_at is not None
    assert of[alpes.base].next_at > lyon.clock()
    federation.office.down = set()
    lyon.clock.advance(minutes=1)
    await settle(federation.office)
    shown = await lyon.world.store.read(lambda r: r.deliveries(DeliveryQuery(said.activity_id)))
    assert {one.origin: one.state for one in shown} == {nantes.base: "refused", alpes.base: "delivered"}
    assert max(one.ended_at for one in shown if one.ended_at) == lyon.clock()


async def test_whoever_has_not_admitted_us_yet_parks_what_is_for_them_and_gets_it_when_they_do(
    federation: Federation,
):
    lyon, nantes = federation.lyon, federation.nantes
    await decide_peer(nantes.world, lyon.base, "pending")
    said = await lyon.say(lyon.id, "Create", {"type": "Note", "content": "x"}, to=[nantes.id])
    find = lambda: lyon.world.store.read(lambda r: r.deliveries(DeliveryQuery(said.activity_id)))  # noqa: E731
    (parked,) = await find()
    assert (parked.state, parked.problem) == ("parked", "not-in-allow-list")
    await decide_peer(nantes.world, lyon.base, "allowed")
    # Their first word to us is the sign that they did.
    await nantes.say(nantes.id, "Create", {"type": "Note", "content": "y"}, to=[lyon.id])
    (arrived,) = await find()
    assert arrived.state == "delivered"
    assert await lyon.world.store.write(lambda tx: tx.circuit(nantes.base)) is None


async def silence(federation: Federation, times: int) -> Coop:
    """Nantes is down, and Lyon's note to it fails so many times in a row."""
    lyon = federation.lyon
    federation.office.down = {federation.nantes.base}
    await lyon.post(
        lyon.id, {"type": "Create", "object": {"type": "Note", "content": "x"}, "to": [federation.nantes.id]}
    )
    for _ in range(times):
        await settle(federation.office)
        lyon.clock.advance(hours=7)
    return lyon


async def test_after_five_silences_a_server_is_left_alone_and_one_answer_ends_it(federation: Federation):
    nantes = federation.nantes
    lyon = await silence(federation, 4)
    circuit = lambda: lyon.world.store.write(lambda tx: tx.circuit(nantes.base))  # noqa: E731
    before = await circuit()
    assert before is not None
    assert (before.failures, before.open_until) == (4, None)
    await settle(federation.office)
    opened = await circuit()
    assert opened is not None
    assert opened.open_until == lyon.clock() + timedelta(minutes=5)
    federation.office.down = set()
    lyon.clock.advance(days=1)
    await settle(federation.office)
    assert await circuit() is None
    assert await lyon.owed() == 0


@pytest.mark.parametrize("answer", [Answer(401, "signature-invalid", None, None), Answer(503, None, None, 9)])
async def test_a_server_that_says_anything_is_not_dead(federation: Federation, answer: Answer):
    class Says:
        async def post(self, **_: Any) -> Answer:
            return answer

    lyon = await silence(federation, 4)
    lyon.world = federation.office.worlds[lyon.base] = replace(lyon.world, courier=Says())
    await settle(federation.office, rounds=1)
    assert await lyon.world.store.write(lambda tx: tx.circuit(federation.nantes.base)) is None
    assert await lyon.owed() == 1


async def test_whoever_is_heard_is_sent_to_at_once(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    await silence(federation, 6)
    federation.office.down = set()
    await nantes.say(nantes.id, "Create", {"type": "Note", "content": "again"}, to=[lyon.id])
    assert await lyon.owed() == 0
    health = await lyon.world.store.read(lambda r: r.health(nantes.base))
    assert (health.heard_at, health.circuit) == (lyon.clock(), None)


async def test_a_message_that_comes_again_is_a_sign_of_life_too(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    said = await nantes.say(nantes.id, "Create", {"type": "Note", "content": "once"}, to=[lyon.id])
    await silence(federation, 6)
    federation.office.down = set()
    stored = await nantes.world.store.read(lambda reader: reader.activity(said.activity_id))
    assert stored is not None
    again = await lyon.receive(stored.body, sender=nantes.id, ring=nantes.ring)
    assert again.outcome == "duplicate"
    assert await lyon.world.store.write(lambda tx: tx.circuit(nantes.base)) is None
    await settle(federation.office)
    assert await lyon.owed() == 0


async def test_what_waited_behind_something_given_up_has_waited_since_it_was_owed(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    federation.office.down = {nantes.base}
    note = {"type": "Create", "object": {"type": "Note", "content": "x"}, "to": [nantes.id]}
    said = [(await lyon.post(lyon.id, note)).activity_id for _ in range(3)]
    days = 0
    while await lyon.owed() and days < 30:
        await settle(federation.office)
        lyon.clock.advance(days=1)
        days += 1
    assert days < 12
    ends = [
        one.state
        for each in said
        for one in await lyon.world.store.read(lambda r, each=each: r.deliveries(DeliveryQuery(each)))
    ]
    assert ends == ["expired"] * 3


async def test_the_worker_delivers_what_is_owed_until_it_is_told_to_stop(federation: Federation):
    nantes, alpes = federation.nantes, federation.alpes
    wake, stop = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(run_deliveries(nantes.world, wake=wake, stop=stop))
    try:
        said = await nantes.post(nantes.id, {"type": "Mission", "name": "Vélo"})
        wake.set()

        async def arrived() -> bool:
            return await alpes.state(said.document["object"]["id"]) is not None

        await until(arrived)
        # A second message finds the worker asleep.
        other = await nantes.post(nantes.id, {"type": "Mission", "name": "Vélo"})
        wake.set()

        async def also() -> bool:
            return await alpes.state(other.document["object"]["id"]) is not None

        await until(also)

        async def delivered() -> bool:
            return await nantes.owed() == 0

        await until(delivered)
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


class Mute:
    """A courier to two servers that take everything, ten that refuse the connection and ten that never answer."""

    def __init__(self) -> None:
        self.took: list[tuple[str, str]] = []
        self.tried: set[str] = set()
        self.mercy = asyncio.Event()

    async def post(
        self, *, inbox: str, body: bytes, sender: str, synchronisation: str | None = None
    ) -> Answer:
        self.tried.add(inbox)
        if "live" in inbox:
            self.took.append((inbox, json.loads(body)["id"]))
            return Answer(202, None, None, None)
        if "slow" in inbox:
            await self.mercy.wait()
        raise Unavailable("unavailable", "No answer.")


async def test_twenty_dead_or_slow_peers_hold_neither_of_two_live_ones_back(federation: Federation):
    lyon, courier = federation.lyon, Mute()
    world = replace(lyon.world, courier=courier)
    kinds = {"live": 2, "slow": 10, "dead": 10}
    bases = [f"https://{kind}{n}.example" for kind, count in kinds.items() for n in range(count)]
    for base in bases:
        await decide_peer(world, base, "allowed", network=False, note="")
    actors = [
        PutActor({"id": f"{base}/coop", "inbox": f"{base}/inbox"}, local=False, fetched_at=lyon.clock())
        for base in bases
    ]
    await world.store.write(lambda tx: tx.make(actors))
    wake, stop = asyncio.Event(), asyncio.Event()
    worker = asyncio.create_task(run_deliveries(world, wake=wake, stop=stop))
    said = []
    try:
        for number in range(30):
            note = {"type": "Note", "content": str(number)}
            everybody = {"type": "Create", "object": note, "to": [f"{base}/coop" for base in bases]}
            said.append((await lyon.post(lyon.id, everybody)).activity_id)
            wake.set()

        async def all_arrived() -> bool:
            return len(courier.took) == 60

        await until(all_arrived)
        # Each live peer has everything, in order, while every slow one is still to say its first word.
        for base in bases[:2]:
            assert [activity for inbox, activity in courier.took if inbox == f"{base}/inbox"] == said
        assert courier.tried == {f"{base}/inbox" for base in bases}
        assert not courier.mercy.is_set()
    finally:
        courier.mercy.set()
        stop.set()
        wake.set()
        await worker


async def test_a_worker_that_is_told_to_stop_finishes_what_it_has_begun(federation: Federation):
    nantes = federation.nantes
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow:
        def __init__(self, courier: Any) -> None:
            self._courier = courier

        async def post(self, **letter: Any) -> Answer:
            begun.set()
            await go_on.wait()
            answer: Answer = await self._courier.post(**letter)
            return answer

    world: World = replace(nantes.world, courier=Slow(nantes.world.courier))
    await nantes.post(nantes.id, {"type": "Mission", "name": "Vélo"})
    stop = asyncio.Event()
    task = asyncio.create_task(run_deliveries(world, wake=asyncio.Event(), stop=stop))
    await asyncio.wait_for(begun.wait(), 10)
    stop.set()
    go_on.set()
    await asyncio.wait_for(task, 10)
    assert await nantes.owed() == 0


async def test_a_worker_that_fails_ends_when_its_lanes_are_settled(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
):
    nantes = federation.nantes
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow:
        def __init__(self, courier: Any) -> None:
            self._courier = courier

        async def post(self, **arguments: Any) -> Answer:
            begun.set()
            await go_on.wait()
            return await self._courier.post(**arguments)  # type: ignore[no-any-return]

    async def fails(*_: Any) -> None:
        await begun.wait()
        raise ConnectionError("the database is gone for a moment")

    monkeypatch.setattr(outbound, "_sleep", fails)
    world: World = replace(nantes.world, courier=Slow(nantes.world.courier))
    await nantes.post(nantes.id, {"type": "Mission", "name": "Vélo"})
    task = asyncio.create_task(run_deliveries(world, wake=asyncio.Event(), stop=asyncio.Event()))
    await asyncio.wait_for(begun.wait(), 10)
    await asyncio.sleep(0.05)
    assert not task.done()
    go_on.set()
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(task, 10)
    assert await nantes.owed() == 0


async def test_a_worker_that_overslept_settles_nothing(federation: Federation):
    nantes = federation.nantes
    await nantes.post(nantes.id, {"type": "Mission", "name": "Vélo"})
    now = nantes.clock()

    def lease(at: Any) -> Any:
        return lambda tx: tx.lease(now=at, until=at + timedelta(minutes=2), holder="a", limit=1)

    (old,) = await nantes.world.store.write(lease(now))
    for _ in range(2):
        await nantes.world.store.write(lease(now + timedelta(minutes=3)))
    before = await nantes.owed()
    await outbound.serve_lane(old, world=nantes.world, stop=asyncio.Event())
    assert await nantes.owed() == before


async def test_a_stopped_worker_leaves_the_rest_for_later(federation: Federation):
    nantes = federation.nantes
    await nantes.post(nantes.id, {"type": "Mission", "name": "Vélo"})
    now = nantes.clock()
    work = lambda tx: tx.lease(now=now, until=now + timedelta(minutes=2), holder="a", limit=1)  # noqa: E731
    (lane,) = await nantes.world.store.write(work)
    stopped = asyncio.Event()
    stopped.set()
    before = await nantes.owed()
    await outbound.serve_lane(lane, world=nantes.world, stop=stopped)
    assert await nantes.owed() == before


# -- laws -----------------------------------------------------------------------------------------------------------


class Copies:
    """A courier that keeps what it carries to Lyon, in the order in which it was carried."""

    def __init__(self, courier: Any, kept: list[tuple[str, bytes]]) -> None:
        self._courier, self._kept = courier, kept

    async def post(
        self, *, inbox: str, body: bytes, sender: str, synchronisation: str | None = None
    ) -> Answer:
        if inbox.startswith("https://lyon") and (sender, body) not in self._kept:
            self._kept.append((sender, body))
        answer: Answer = await self._courier.post(inbox=inbox, body=body, sender=sender)
        return answer


async def carried_by_lyon(federation: Federation) -> tuple[list[tuple[str, bytes]], str, str]:
    """Zoé of Alpes works for Nantes and is carried by Lyon, who hears it from both; return what Lyon was told."""
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    kept: list[tuple[str, bytes]] = []
    for coop in (nantes, alpes):
        world = replace(coop.world, courier=Copies(coop.world.courier, kept))
        coop.world = federation.office.worlds[coop.base] = world
    zoe, shown = await carried_from_lyon(federation)
    mission = await a_published_mission(nantes)
    carried = {"carrier": lyon.id, "workStatus": "cape", "attachment": [shown]}
    offer = await an_offer(alpes, zoe, mission, **carried)
    engagement = (await nantes.say(nantes.id, "Accept", offer)).document["result"]["id"]
    for phase in ("started", "delivered"):
        done = await alpes.say(zoe, "Create", record(engagement, phase))
    await nantes.say(nantes.id, "Accept", done.document["object"]["id"])
    return kept, mission, offer


async def test_a_carrier_on_a_third_server_hears_of_it_all(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    kept, mission, offer = await carried_by_lyon(federation)
    assert len(kept) == 10
    for ref in (mission, offer):
        assert await lyon.chain(ref) == await nantes.chain(ref) == await alpes.chain(ref)
    engagement = await lyon.chain(offer)
    assert engagement is not None
    assert engagement.parties["carrier"] == lyon.id
    await lyon.say(lyon.id, "Create", receipt(engagement.memory["engagement"], "invoiceIssued"))
    await nantes.say(nantes.id, "Create", receipt(engagement.memory["engagement"], "paymentConfirmed"))
    assert await alpes.state(offer) == ("settled", 7) == await lyon.state(offer)


NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def told(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What Lyon was told of a story, how it ended, and the keys of those who told it."""

    async def tell() -> Any:
        federation = template.open(tmp_path_factory.mktemp("told"))
        kept, mission, offer = await carried_by_lyon(federation)
        ends = {ref: await federation.nantes.chain(ref) for ref in (mission, offer)}
        office = {c.base: c for c in (federation.nantes, federation.alpes)}
        for coop in office.values():
            actors = {sender for sender, _ in kept if sender.startswith(coop.base)}
            for actor in actors:
                stored = await coop.world.store.read(lambda reader, a=actor: reader.actor(a))
                assert stored is not None
        documents = {}
        for sender, _ in kept:
            world = office["/".join(sender.split("/")[:3])].world
            stored = await world.store.read(lambda reader, a=sender: reader.actor(a))
            documents[sender] = stored.document if stored else {}
        rings = {sender: office["/".join(sender.split("/")[:3])].ring for sender, _ in kept}
        await federation.close()
        return kept, ends, documents, rings

    return asyncio.run(tell())


async def heard(template: Template, folder: Path, told: Any, order: list[int]) -> None:
    """Tell Lyon the story in this order, again what it was too early for, and see how it ends."""
    kept, ends, documents, rings = told
    (folder := folder / str(next(NUMBERS))).mkdir()
    office, clock = PostOffice(), StoppedClock()

    shutil.copytree(template.folder / "lyon", folder / "lyon")
    ring = Ring(itertools.count(90), template.keys[0])
    lyon = open_coop(folder / "lyon", "https://lyon.example", office, clock, ring, CountedIds(first=1001))

    async def known(actor: str) -> Any:
        return documents[actor]

    office.actor = known  # type: ignore[method-assign]
    try:
        waiting = [kept[n] for n in order]
        for _ in range(len(kept) + 1):
            later = []
            for sender, body in waiting:
                try:
                    await lyon.receive(body, sender=sender, ring=rings[sender])
                except TryLater:
                    later.append((sender, body))
            waiting = later
        assert waiting == []
        for ref, end in ends.items():
            chain = await lyon.chain(ref)
            assert chain == end
            history = await lyon.world.store.read(lambda reader, c=ref: reader.history(c))
            assert len(history) == end.version
            prefix, _ = await lyon.world.store.write(
                lambda tx, c=ref: split(tx, c, ends[c].version + 1, Facts(proposal=next(iter(ends.values()))))
            )
            assert prefix == end
        before = lyon.rows()
        for sender, body in kept:
            assert (await lyon.receive(body, sender=sender, ring=rings[sender])).outcome == "duplicate"
        assert lyon.rows() == before
    finally:
        await lyon.world.store.close()


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(order=st.permutations(range(10)), again=st.lists(st.integers(0, 9), max_size=6), at=st.integers(0, 9))
def test_in_whatever_order_and_how_often_it_comes_the_story_ends_alike(
    template: Template, tmp_path: Path, told: Any, order: list[int], again: list[int], at: int
):
    asyncio.run(heard(template, tmp_path, told, [*order[:at], *again, *order[at:]]))
