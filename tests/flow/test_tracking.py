"""What the sender, and the operator, are told of what became of a message."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fedcoop.errors import NotFound
from fedcoop.flow.founding import decide_peer
from fedcoop.flow.tracking import became_of, deliveries_of, peer_health, retry, track
from fedcoop.ports import DeliveryQuery, Reader
from tests.flow.federation import Coop, Federation, settle
from tests.flow.stories import a_published_mission, an_engagement


async def a_note(coop: Coop, sender: str, *to: str) -> str:
    said = await coop.say(sender, "Create", {"type": "Note", "content": "x"}, to=list(to))
    return said.activity_id


async def test_the_sender_reads_where_each_copy_went_and_when(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    awa = await lyon.member("awa")
    federation.office.down = {alpes.base}
    note = await a_note(lyon, awa, nantes.id, alpes.id)
    told = await deliveries_of(note, actor=awa, world=lyon.world)
    assert (told["activity"], told["type"], told["actor"], told["refused"]) == (note, "Create", awa, None)
    assert told["published"] == "2026-11-22T12:00:00Z"
    arrived, waits = sorted(told["deliveries"], key=lambda one: one["state"])
    assert arrived == {
        "to": "https://nantes.example",
        "server": nantes.base,
        "inbox": f"{nantes.base}/inbox",
        "state": "delivered",
        "attempts": 1,
        "queued": "2026-11-22T12:00:00Z",
        "firstTried": None,
        "nextAttempt": None,
        "ended": "2026-11-22T12:00:00Z",
        "status": None,
        "problem": None,
        "detail": None,
    }
    assert (waits["server"], waits["state"], waits["attempts"]) == (alpes.base, "retrying", 1)
    assert waits["detail"] == "No answer."
    assert waits["nextAttempt"] > "2026-11-22T12:00:00Z"


async def test_a_co_op_reads_what_its_members_send_and_nobody_else_does(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa, malo = await lyon.member("awa"), await lyon.member("malo")
    note = await a_note(lyon, awa, nantes.id)
    assert (await deliveries_of(note, actor=lyon.id, world=lyon.world))["actor"] == awa
    for actor in (malo, nantes.id, "https://lyon.example/actor"):
        with pytest.raises(NotFound):
            await deliveries_of(note, actor=actor, world=lyon.world)


async def test_what_we_received_or_never_heard_of_is_nobodys_delivery(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    note = await a_note(nantes, nantes.id, lyon.id)
    for unknown in (note, "https://lyon.example/activities/none"):
        with pytest.raises(NotFound):
            await deliveries_of(unknown, actor=lyon.id, world=lyon.world)


async def test_a_retry_by_hand_rings_the_server_and_sends_what_was_refused(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    await decide_peer(nantes.world, lyon.base, "blocked")
    note = await a_note(lyon, lyon.id, nantes.id)
    await decide_peer(nantes.world, lyon.base, "allowed")
    rings = lyon.world.doorbell.rings  # type: ignore[attr-defined]
    done = await retry(DeliveryQuery(note), world=lyon.world)
    assert (done.due, done.taken_back) == (1, ())
    assert lyon.world.doorbell.rings == rings + 1  # type: ignore[attr-defined]
    await settle(federation.office)
    (one,) = await track(DeliveryQuery(note), world=lyon.world)
    assert (one.delivery.state, one.delivery.attempts) == ("delivered", 1)


async def test_a_step_that_was_taken_back_is_not_sent_once_more(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    await nantes.post(nantes.id, {"type": "Update", "object": {"id": mission, "missionState": "withdrawn"}})
    offer = await lyon.post(awa, {"type": "Offer", "object": {"type": "Agreement", "mission": mission}})
    await settle(federation.office)
    told = await deliveries_of(offer.activity_id, actor=awa, world=lyon.world)
    assert "409 proposal-closed" in told["refused"]
    assert [one["state"] for one in told["deliveries"]] == ["refused"]
    done = await retry(DeliveryQuery(offer.activity_id), world=lyon.world)
    assert (done.due, done.taken_back) == (0, (offer.activity_id,))
    assert await lyon.owed() == 0


async def test_the_health_of_peers_is_told_by_the_names_that_they_have(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    awa = await lyon.member("awa", status="cape")
    await an_engagement(federation, awa, await a_published_mission(nantes))
    federation.office.down = {alpes.base}
    for _ in range(6):
        await a_note(lyon, lyon.id, alpes.id)
        lyon.clock.advance(hours=7)
    well, ill = sorted(await peer_health(None, world=lyon.world), key=lambda one: one.circuit)
    assert (well.health.origin, well.circuit, well.health.owed) == (nantes.base, "closed", 0)
    assert well.name == "https://nantes.example"
    assert well.health.heard_at is not None
    assert (well.p50, well.p95) == (0.0, 0.0)
    assert (ill.health.origin, ill.circuit, ill.health.owed) == (alpes.base, "half-open", 6)
    assert ill.health.circuit is not None
    assert ill.health.circuit.failures == 6
    assert ill.health.oldest_owed == lyon.clock() - timedelta(hours=42)
    (alone,) = await peer_health("https://nobody.example", world=lyon.world)
    assert (alone.name, alone.circuit, alone.p50) == ("nobody.example", "closed", None)


async def test_of_many_messages_each_reader_is_told_of_their_own(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa, malo = await lyon.member("awa"), await lyon.member("malo")
    ours = [await a_note(lyon, awa, nantes.id), await a_note(lyon, malo, nantes.id)]
    theirs = await a_note(nantes, nantes.id, awa)
    await settle(federation.office)
    instance = lyon.world.instance

    async def told(actor: str | None) -> set[str]:
        async def find(reader: Reader) -> set[str]:
            known = [await reader.activity(one) for one in (*ours, theirs)]
            assert all(known)
            found = await became_of(reader, [one for one in known if one], actor=actor, instance=instance)
            assert all(one.delivery.state == "delivered" for copies in found.values() for one in copies)
            return set(found)

        return await lyon.world.store.read(find)

    assert await told(awa) == {ours[0]}
    assert await told(lyon.id) == set(ours)
    assert await told(None) == await told(nantes.id) == set()
