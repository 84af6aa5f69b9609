"""What time does by itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from fedcoop.errors import Misconfigured
from fedcoop.flow import keys, upkeep
from fedcoop.flow.upkeep import expire, look_after_keys, run_upkeep, tidy
from fedcoop.ports import DeliveryQuery
from fedcoop.protocol.following import partial_of
from fedcoop.protocol.limits import DELIVERY_KEPT
from fedcoop.protocol.messages import PutFollow
from tests.flow.federation import Federation, a_mission, settle
from tests.flow.stories import a_published_mission, an_engagement, an_offer


async def test_a_mission_expires_when_its_time_to_apply_is_over(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes, applyBefore="2026-11-28T18:00:00Z")
    offer = await an_offer(lyon, awa, mission)
    assert await expire(nantes.world) == 0
    nantes.clock.advance(days=7)
    assert await expire(nantes.world) == 1
    await settle(federation.office)
    for coop in (lyon, nantes, federation.alpes):
        assert await coop.state(mission) == ("expired", 2)
    assert await nantes.state(offer) == ("rejected", 2) == await lyon.state(offer)
    assert (await lyon.history(offer))[-1]["reasonCode"] == "missionWithdrawn"
    assert await expire(nantes.world) == 0


async def test_only_its_owners_server_expires_a_mission(federation: Federation):
    mission = await a_published_mission(federation.nantes)
    federation.lyon.clock.advance(days=30)
    assert await expire(federation.lyon.world) == 0
    assert await federation.lyon.state(mission) == ("published", 1)


async def test_what_a_silent_peer_has_not_expired_is_not_open_here(federation: Federation):
    lyon = federation.lyon
    mission = await a_published_mission(federation.nantes)
    assert await lyon.board(lyon.id) == [mission]
    lyon.clock.advance(days=7)
    assert await lyon.state(mission) == ("published", 1)
    assert await lyon.board(lyon.id) == [] == await lyon.board()
    assert await lyon.board(lyon.id, open_only=False) == [mission]


async def test_what_is_assigned_or_has_no_deadline_does_not_expire(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    assigned = await a_published_mission(nantes)
    await an_engagement(federation, awa, assigned)
    for_ever = {k: v for k, v in a_mission().items() if k != "applyBefore"}
    await nantes.say(nantes.id, "Create", for_ever)
    nantes.clock.advance(days=30)
    assert await expire(nantes.world) == 0


async def test_a_refusal_of_one_does_not_keep_the_others(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
):
    nantes = federation.nantes
    first, second = await a_published_mission(nantes), await a_published_mission(nantes)
    nantes.clock.advance(days=30)
    real = upkeep.publish

    async def refuses_the_first(intent, **more):  # type: ignore[no-untyped-def]
        if intent.body["object"]["id"] == first:
            return await real(
                replace(intent, body={"object": {"id": first, "missionState": "started"}}), **more
            )
        return await real(intent, **more)

    monkeypatch.setattr(upkeep, "publish", refuses_the_first)
    assert await expire(nantes.world) == 1
    assert (await nantes.state(first), await nantes.state(second)) == (("published", 1), ("expired", 2))


async def test_upkeep_looks_at_once_and_stops_when_told(federation: Federation):
    nantes = federation.nantes
    mission = await a_published_mission(nantes)
    nantes.clock.advance(days=30)
    stop = asyncio.Event()
    task = asyncio.create_task(run_upkeep(nantes.world, stop=stop))
    for _ in range(200):
        if await nantes.state(mission) == ("expired", 2):
            break
        await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(task, 5)
    assert await nantes.state(mission) == ("expired", 2)


async def test_what_was_noted_of_followers_is_compared_beside_the_messages(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    await nantes.world.store.write(lambda tx: tx.make([PutFollow(nantes.id, lyon.id, "f", "pending")]))
    await lyon.say(lyon.id, "Create", {"type": "Note", "content": "x"}, to=[f"{lyon.id}/followers"])
    stop = asyncio.Event()
    task = asyncio.create_task(run_upkeep(nantes.world, stop=stop))
    for _ in range(200):
        if partial_of(lyon.id) in federation.office.fetched:
            break
        await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(task, 5)
    assert partial_of(lyon.id) in federation.office.fetched


async def test_what_became_of_a_delivery_is_kept_for_a_quarter_and_then_forgotten(federation: Federation):
    lyon = federation.lyon
    said = await lyon.say(lyon.id, "Create", {"type": "Note", "content": "x"}, to=[federation.nantes.id])
    of_it = lambda: lyon.world.store.read(lambda r: r.deliveries(DeliveryQuery(said.activity_id)))  # noqa: E731
    assert [one.state for one in await of_it()] == ["delivered"]
    lyon.clock.advance(seconds=DELIVERY_KEPT.total_seconds())
    assert await tidy(lyon.world) == (0, 0)
    lyon.clock.advance(seconds=1)
    forgotten, _ = await tidy(lyon.world)
    assert forgotten > 0
    assert await of_it() == ()
    assert await tidy(lyon.world) == (0, 0)


async def test_a_rotation_that_was_interrupted_is_finished_and_an_overlap_ends(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
):
    lyon, nantes = federation.lyon, federation.nantes
    with monkeypatch.context() as patch:

        async def killed(*_: object) -> None:
            raise RuntimeError

        patch.setattr(keys, "_promote", killed)
        with pytest.raises(RuntimeError):
            await keys.renew(lyon.world, [lyon.id], reason="rotated", overlap=timedelta(days=7))
    assert lyon.ring.generation(lyon.id) == 1
    await look_after_keys(lyon.world, retiring=False)
    assert lyon.ring.generation(lyon.id) == 2
    await settle(federation.office)
    known = await nantes.world.store.read(lambda reader: reader.actor(lyon.id))
    assert known is not None
    assert known.document["assertionMethod"][0]["id"] == f"{lyon.id}#ed25519-2"
    lyon.clock.advance(days=7)
    await look_after_keys(lyon.world, retiring=True)
    with pytest.raises(Misconfigured):
        lyon.ring.prepared(lyon.id, 1)


async def test_keys_that_are_gone_do_not_stop_the_house(federation: Federation):
    lyon = federation.lyon
    await lyon.world.store.write(lambda tx: tx.put_meta(keys.UNDER_WAY, f'["{lyon.base}/actors/nobody"]'))
    await look_after_keys(lyon.world, retiring=True)
