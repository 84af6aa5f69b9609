"""Being a relay: two lists, and bytes that go on unchanged, once, to whoever wants them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fedcoop.errors import Conflict, FedcoopError, Forbidden, Misconfigured, NotFound
from fedcoop.flow import founding, relaying
from fedcoop.flow.relaying import decide, receive, subscribers
from fedcoop.flow.taking_in import Receipt
from fedcoop.protocol import strict_json
from fedcoop.protocol.limits import MAX_SUBSCRIBERS
from fedcoop.protocol.messages import RawRequest
from fedcoop.protocol.relaying import FILTER, Wish
from fedcoop.protocol.shape import PUBLIC
from tests.flow.federation import Coop, Federation, found_relay, signed
from tests.flow.stories import a_published_mission, plainly, proven

R1 = "https://r1.example"
RELAY = f"{R1}/actor"


@pytest.fixture
async def relay(federation: Federation, tmp_path: Path) -> Coop:
    return await found_relay(tmp_path / "r1", R1, federation)


def posted(by: Coop, body: bytes) -> RawRequest:
    """Return the request by which a server posts to the relay what an actor of its own says, or somebody else's."""
    speaker = str(json.loads(body)["actor"])
    sender = speaker if speaker.startswith(f"{by.base}/") else f"{by.base}/actor"
    return signed(f"{R1}/inbox", body, sender=sender, ring=by.ring, now=by.clock())


async def said(relay: Coop, by: Coop, document: Mapping[str, Any], actor: str | None = None) -> Receipt:
    speaker = actor or f"{by.base}/actor"
    return await receive(posted(by, proven(by, speaker, document)), world=relay.world)


async def follow(relay: Coop, by: Coop, target: str = PUBLIC, number: int = 1, **members: Any) -> str:
    """Subscribe as a server does; return the id of the Follow."""
    document = plainly(by, f"{by.base}/actor", "Follow", target, number)
    document.pop("to", None)
    await said(relay, by, {**document, **members})
    return str(document["id"])


async def missions_of(federation: Federation, coop: Coop, **members: Any) -> tuple[str, list[bytes]]:
    """Publish a mission while nobody listens; return its id and the bytes of its first step."""
    everybody = set(federation.office.worlds)
    federation.office.down = everybody
    mission = await a_published_mission(coop, **members)
    federation.office.down = set()
    history = await coop.world.store.read(lambda reader: reader.history(mission))
    return mission, [one.body for one in history]


async def sent(relay: Coop) -> list[tuple[str, str, str, bytes]]:
    """Return what the relay owes now: (inbox, sender, activity id, body)."""
    found = []
    for lane in await relay.world.store.write(_lanes(relay)):
        for owed in await relay.world.store.write(lambda tx, lane=lane: tx.owed(lane, limit=50)):  # type: ignore[misc]
            found.append((owed.inbox, owed.sender, owed.activity_id, owed.body))
    return sorted(found)


def _lanes(relay: Coop) -> Any:
    now = relay.clock()

    async def work(tx: Any) -> Any:
        return await tx.lease(now=now, until=now, holder="t", limit=50)

    return work


async def code_of(outcome: Any) -> str:
    with pytest.raises(FedcoopError) as refusal:
        await outcome
    return refusal.value.code


async def test_bytes_go_on_unchanged_under_the_relays_own_signature_to_all_but_where_they_came_from(
    federation: Federation, relay: Coop
):
    for coop in (federation.lyon, federation.nantes, federation.alpes):
        await follow(relay, coop)
    await relay.world.store.write(_delivered)
    _, (create,) = await missions_of(federation, federation.lyon)
    # Spaced as nobody spaces it: what goes on is what came.
    body = json.dumps(json.loads(create), indent=1).encode()
    assert (await receive(posted(federation.lyon, body), world=relay.world)).outcome == "accepted"
    name = json.loads(create)["id"]
    assert await sent(relay) == [
        (f"{coop.base}/inbox", RELAY, name, body) for coop in (federation.alpes, federation.nantes)
    ]
    await relay.world.store.write(_delivered)
    assert (await receive(posted(federation.lyon, create), world=relay.world)).outcome == "duplicate"
    assert (await receive(posted(federation.nantes, create), world=relay.world)).outcome == "duplicate"
    assert await sent(relay) == []


async def test_publishing_is_for_those_on_the_list_whether_they_subscribed_or_not(
    federation: Federation, relay: Coop
):
    lyon, nantes = federation.lyon, federation.nantes
    await follow(relay, nantes)
    _, (create,) = await missions_of(federation, lyon)
    for state, code in (("pending", "not-in-allow-list"), ("frozen", "frozen"), ("blocked", "blocked")):
        await founding.decide_peer(relay.world, lyon.base, state)  # type: ignore[arg-type]
        assert await code_of(receive(posted(lyon, create), world=relay.world)) == code
        # Nor does somebody on the list bring it for them.
        assert await code_of(receive(posted(nantes, create), world=relay.world)) == code
    await founding.decide_peer(relay.world, lyon.base, "allowed")
    await founding.decide_peer(relay.world, nantes.base, "frozen")
    assert await code_of(receive(posted(nantes, create), world=relay.world)) == "frozen"
    assert (await receive(posted(lyon, create), world=relay.world)).outcome == "accepted"


async def test_nothing_goes_on_that_its_author_has_not_proven(federation: Federation, relay: Coop):
    lyon = federation.lyon
    await follow(relay, federation.nantes)
    _, (create,) = await missions_of(federation, lyon)
    document = strict_json.loads(create)
    bare = {name: value for name, value in document.items() if name != "proof"}
    before = relay.rows()
    missing = receive(posted(lyon, strict_json.dumps(bare)), world=relay.world)
    assert await code_of(missing) == "proof-missing"
    false = strict_json.dumps({**document, "published": "2026-11-22T12:00:01Z"})
    assert await code_of(receive(posted(lyon, false), world=relay.world)) == "proof-invalid"
    assert await code_of(receive(posted(federation.nantes, false), world=relay.world)) == "proof-invalid"
    assert {**relay.rows(), "actor": 0} == {**before, "actor": 0}


async def test_nothing_goes_on_that_is_not_for_everybody(federation: Federation, relay: Coop):
    await follow(relay, federation.nantes)
    await relay.world.store.write(_delivered)
    before = relay.rows()
    _, (create,) = await missions_of(federation, federation.lyon, relayScope="federation")
    assert await code_of(receive(posted(federation.lyon, create), world=relay.world)) == "not-relayed"
    assert relay.rows() == before


async def test_an_update_and_the_end_of_what_went_through_follow_it(federation: Federation, relay: Coop):
    lyon, nantes = federation.lyon, federation.nantes
    await follow(relay, nantes, **{FILTER: {"regions": ["84"]}})
    await follow(relay, federation.alpes, **{FILTER: {"regions": ["52"]}})
    await relay.world.store.write(_delivered)
    place = {"type": "Place", "name": "Lyon", "inseeCommune": "69123"}
    mission, (create,) = await missions_of(federation, lyon, location=place)
    federation.office.down = set(federation.office.worlds)
    there = {"type": "Place", "name": "Nantes", "inseeCommune": "44109"}
    await lyon.say(lyon.id, "Update", {"id": mission, "location": there})
    await lyon.say(lyon.id, "Delete", mission)
    federation.office.down = set()
    history = await lyon.world.store.read(lambda reader: reader.history(mission))
    _, update, delete = [one.body for one in history]
    for body, to in (
        (delete, []),
        (create, [nantes]),
        # Whoever had it hears where it went, and whoever it concerns now hears of it.
        (update, [federation.alpes, nantes]),
        (delete, [federation.alpes]),
        (delete, []),
    ):
        await receive(posted(lyon, body), world=relay.world)
        assert [inbox for inbox, *_ in await sent(relay)] == [f"{coop.base}/inbox" for coop in to]
        relay.clock.advance(minutes=3)
        await relay.world.store.write(_delivered)


async def _delivered(tx: Any) -> None:
    """Forget what is owed: it was looked at."""
    from sqlalchemy import text

    await tx._connection.execute(text("UPDATE delivery SET ended_at = 0, state = 'delivered'"))
    await tx._connection.execute(text("UPDATE lane SET lease_until = 0, not_before = 0"))


async def test_nobody_ends_what_somebody_else_has_published(federation: Federation, relay: Coop):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    mission, (create,) = await missions_of(federation, lyon)
    await receive(posted(lyon, create), world=relay.world)
    end = plainly(lyon, awa, "Delete", mission, to=[PUBLIC])
    assert await code_of(said(relay, lyon, end, awa)) == "not-owner"
    nantes = federation.nantes
    foreign = plainly(nantes, nantes.id, "Delete", mission, to=[PUBLIC])
    assert await code_of(said(relay, nantes, foreign, nantes.id)) == "foreign-origin"


async def test_another_activity_under_a_used_id_goes_nowhere(federation: Federation, relay: Coop):
    lyon = federation.lyon
    await follow(relay, federation.nantes)
    _, (create,) = await missions_of(federation, lyon)
    await receive(posted(lyon, create), world=relay.world)
    bare = {name: value for name, value in strict_json.loads(create).items() if name != "proof"}
    with pytest.raises(Conflict) as refusal:
        await receive(posted(lyon, proven(lyon, lyon.id, bare, summary="x")), world=relay.world)
    assert refusal.value.code == "id-reused"


async def test_what_the_relay_does_not_carry_is_dropped_for_all(federation: Federation, tmp_path: Path):
    choosy = await found_relay(tmp_path / "r1", R1, federation, carries=Wish(classes=("Need",), rome=("N",)))
    await follow(choosy, federation.nantes)
    await choosy.world.store.write(_delivered)
    before = choosy.rows()
    _, (create,) = await missions_of(federation, federation.lyon)
    assert (await receive(posted(federation.lyon, create), world=choosy.world)).outcome == "ignored"
    for kind in ("Like", "Move", "Offer"):
        document = plainly(federation.lyon, federation.lyon.id, kind, f"{R1}/x", to=[PUBLIC])
        assert (await said(choosy, federation.lyon, document, federation.lyon.id)).outcome == "ignored"
    assert choosy.rows() == before


# -- subscriptions ---------------------------------------------------------------------------------------------------


async def test_where_the_operator_answers_nothing_is_sent_before(federation: Federation, tmp_path: Path):
    asked = await found_relay(tmp_path / "r1", R1, federation, open=False)
    nantes = federation.nantes
    name = await follow(asked, nantes)
    _, (create,) = await missions_of(federation, federation.lyon)
    await receive(posted(federation.lyon, create), world=asked.world)
    assert await sent(asked) == []
    (waiting,) = await subscribers(asked.world)
    assert (waiting.actor, waiting.state, waiting.follow_id) == (f"{nantes.base}/actor", "pending", name)
    decided = await decide(nantes.base, "accepted", world=asked.world)
    assert decided.state == "accepted"
    ((inbox, sender, _, body),) = await sent(asked)
    answer = json.loads(body)
    assert (inbox, sender) == (f"{nantes.base}/inbox", RELAY)
    assert (answer["type"], answer["actor"], answer["to"]) == ("Accept", RELAY, [f"{nantes.base}/actor"])
    assert answer["object"] == {
        "id": name, "type": "Follow", "actor": f"{nantes.base}/actor", "object": PUBLIC,
    }  # fmt: skip
    with pytest.raises(NotFound):
        await decide("https://nobody.example", "accepted", world=asked.world)


async def test_a_refused_server_is_told_and_asking_again_changes_nothing(
    federation: Federation, tmp_path: Path
):
    asked = await found_relay(tmp_path / "r1", R1, federation, open=False)
    await follow(asked, federation.nantes)
    await decide(f"{federation.nantes.base}/actor", "rejected", world=asked.world)
    asked.clock.advance(minutes=6)
    again = await follow(asked, federation.nantes, number=2)
    answers = [json.loads(body) for *_, body in await sent(asked)]
    assert [(a["type"], a["object"]["id"]) for a in answers][-1] == ("Reject", again)
    assert (await subscribers(asked.world))[0].state == "rejected"


async def test_a_server_subscribes_for_itself_and_may_stop(federation: Federation, relay: Coop):
    lyon, nantes = federation.lyon, federation.nantes
    malo = await nantes.member("malo")
    person = plainly(nantes, malo, "Follow", PUBLIC)
    assert await code_of(said(relay, nantes, person, malo)) == "wrong-party"
    elsewhere = plainly(nantes, f"{nantes.base}/actor", "Follow", lyon.id, 7)
    assert await code_of(said(relay, nantes, elsewhere)) == "not-found"
    body = proven(
        nantes, f"{nantes.base}/actor", plainly(nantes, f"{nantes.base}/actor", "Follow", PUBLIC, 8)
    )
    assert await code_of(receive(posted(lyon, body), world=relay.world)) == "wrong-party"
    assert await subscribers(relay.world) == ()
    name = await follow(relay, nantes, number=9)
    stranger = plainly(lyon, f"{lyon.base}/actor", "Undo", name)
    assert (await said(relay, lyon, stranger)).outcome == "ignored"
    assert len(await subscribers(relay.world)) == 1
    undo = plainly(nantes, f"{nantes.base}/actor", "Undo", name, 10)
    assert (await said(relay, nantes, undo)).outcome == "accepted"
    assert await subscribers(relay.world) == ()
    assert (await said(relay, nantes, undo)).outcome == "ignored"
    # And begins anew in a while, and not every second.
    assert await code_of(follow(relay, nantes, number=11)) == "rate-limited"
    relay.clock.advance(minutes=6)
    await follow(relay, nantes, number=12)
    assert len(await subscribers(relay.world)) == 1


async def test_a_follow_embedded_in_an_undo_ends_the_subscription_whatever_its_id(
    federation: Federation, relay: Coop
):
    nantes = federation.nantes
    await follow(relay, nantes)
    embedded = {
        "id": f"{nantes.base}/follows/9",
        "type": "Follow",
        "actor": f"{nantes.base}/actor",
        "object": PUBLIC,
    }
    undo = plainly(nantes, f"{nantes.base}/actor", "Undo", embedded, 3)
    assert (await said(relay, nantes, undo)).outcome == "accepted"
    assert await subscribers(relay.world) == ()


async def test_whom_the_operator_refuses_does_not_subscribe(federation: Federation, relay: Coop):
    await founding.decide_peer(relay.world, federation.nantes.base, "blocked")
    document = plainly(federation.nantes, f"{federation.nantes.base}/actor", "Follow", PUBLIC)
    assert await code_of(said(relay, federation.nantes, document)) == "blocked"
    # And who is not on the publishers' list does.
    await founding.decide_peer(relay.world, federation.alpes.base, "pending")
    await follow(relay, federation.alpes)
    assert [s.origin for s in await subscribers(relay.world)] == [federation.alpes.base]


async def test_the_list_of_subscribers_has_an_end(federation: Federation, relay: Coop, monkeypatch: Any):
    monkeypatch.setattr(relaying, "MAX_SUBSCRIBERS", 1)
    assert MAX_SUBSCRIBERS > 1
    await follow(relay, federation.nantes)
    relay.clock.advance(minutes=6)
    await follow(relay, federation.nantes, number=2)
    document = plainly(federation.alpes, f"{federation.alpes.base}/actor", "Follow", PUBLIC)
    with pytest.raises(Forbidden):
        await said(relay, federation.alpes, document)


async def test_whoever_is_refused_makes_room_and_those_longest_gone_are_forgotten(
    federation: Federation, relay: Coop, monkeypatch: Any
):
    monkeypatch.setattr(relaying, "MAX_SUBSCRIBERS", 1)
    coops = (federation.nantes, federation.alpes, federation.lyon)
    for coop in coops:
        await follow(relay, coop)
        await decide(coop.base, "rejected", world=relay.world)
        relay.clock.advance(minutes=1)
    # Kept are the one that asked last, and of those refused before it as many as may subscribe.
    assert [s.origin for s in await subscribers(relay.world)] == [federation.alpes.base, federation.lyon.base]


async def test_what_strangers_say_at_a_relay_leaves_nothing_but_their_subscription(
    federation: Federation, relay: Coop
):
    nantes = federation.nantes
    before = relay.rows()["activity"]
    name = await follow(relay, nantes)
    assert await said(relay, nantes, plainly(nantes, f"{nantes.base}/actor", "Undo", name, 2))
    assert relay.rows()["activity"] == before + 1, "our Accept"
    assert relay.rows()["subscriber"] == 1
    long = plainly(nantes, f"{nantes.base}/actor", "Follow", PUBLIC, 3, summary="x" * 17_000)
    assert await code_of(said(relay, nantes, long)) == "too-large"
    # Another actor of the same server is the same server.
    relay.clock.advance(minutes=6)
    await follow(relay, nantes, number=4)
    document = plainly(nantes, nantes.id, "Follow", PUBLIC, 5)
    assert await code_of(said(relay, nantes, document, nantes.id)) == "wrong-party"


async def test_whom_the_operator_blocks_is_sent_nothing_more_and_may_leave(
    federation: Federation, relay: Coop
):
    lyon, nantes = federation.lyon, federation.nantes
    name = await follow(relay, nantes)
    await relay.world.store.write(_delivered)
    await founding.decide_peer(relay.world, nantes.base, "blocked")
    _, (create,) = await missions_of(federation, lyon)
    await receive(posted(lyon, create), world=relay.world)
    assert await sent(relay) == []
    undo = plainly(nantes, f"{nantes.base}/actor", "Undo", name, 2)
    assert (await said(relay, nantes, undo)).outcome == "accepted"
    assert await subscribers(relay.world) == ()


async def test_what_a_subscriber_asks_for_must_be_readable(federation: Federation, relay: Coop):
    nantes = federation.nantes
    document = plainly(nantes, f"{nantes.base}/actor", "Follow", PUBLIC)
    assert await code_of(said(relay, nantes, {**document, FILTER: {"rome": "N"}})) == "malformed-activity"
    assert await subscribers(relay.world) == ()


# -- the LitePub style -----------------------------------------------------------------------------------------------


async def test_who_follows_the_relay_itself_is_followed_back_and_told_by_announces(
    federation: Federation, relay: Coop
):
    lyon, nantes = federation.lyon, federation.nantes
    await follow(relay, nantes, RELAY)
    answers = [json.loads(body) for *_, body in await sent(relay)]
    assert [(a["type"], a["actor"]) for a in answers] == [("Accept", RELAY), ("Follow", RELAY)]
    assert answers[1]["object"] == f"{nantes.base}/actor"
    back = plainly(nantes, f"{nantes.base}/actor", "Accept", answers[1]["id"], 4)
    assert (await said(relay, nantes, back)).outcome == "ignored"
    await relay.world.store.write(_delivered)
    mission, (create,) = await missions_of(federation, lyon)
    await receive(posted(lyon, create), world=relay.world)
    ((inbox, _, _, body),) = await sent(relay)
    told = json.loads(body)
    assert inbox == f"{nantes.base}/inbox"
    assert (told["type"], told["actor"], told["object"]) == ("Announce", RELAY, mission)
    assert told["to"] == [PUBLIC]
    assert told["published"]


async def test_what_a_publisher_announces_is_read_where_it_lives_and_announced_once(
    federation: Federation, relay: Coop
):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    await follow(relay, nantes)
    await follow(relay, alpes, RELAY)
    await follow(relay, lyon)
    await relay.world.store.write(_delivered)
    mission, _ = await missions_of(federation, lyon)
    hidden, _ = await missions_of(federation, lyon, relayScope="members")

    def announce(iri: str, number: int) -> dict[str, Any]:
        return plainly(lyon, f"{lyon.base}/actor", "Announce", iri, number, to=[PUBLIC])

    assert await code_of(said(relay, lyon, announce(hidden, 1))) == "not-found"
    assert (await said(relay, lyon, announce(f"{nantes.base}/missions/1", 2))).outcome == "ignored"
    assert await sent(relay) == []
    assert (await said(relay, lyon, announce(mission, 3))).outcome == "accepted"
    owed = await sent(relay)
    assert [inbox for inbox, *_ in owed] == [f"{alpes.base}/inbox", f"{nantes.base}/inbox"]
    assert {json.loads(body)["object"] for *_, body in owed} == {mission}
    assert (await said(relay, lyon, announce(mission, 4))).outcome == "duplicate"
    await founding.decide_peer(relay.world, lyon.base, "pending")
    assert await code_of(said(relay, lyon, announce(mission, 5))) == "not-in-allow-list"


async def test_a_relay_is_founded_once_and_is_no_coop(federation: Federation, relay: Coop):
    actor = await relay.world.store.read(lambda reader: reader.actor(RELAY))
    assert actor is not None
    assert (actor.username, actor.inbox, actor.kind) == ("relay", f"{R1}/inbox", "Application")
    assert len(await relay.world.store.read(lambda reader: reader.local_actors())) == 1
    with pytest.raises(Misconfigured):
        await relaying.found(relay.world, name="x", profile={})
    with pytest.raises(NotFound):
        relaying.relaying_of(federation.lyon.world)
