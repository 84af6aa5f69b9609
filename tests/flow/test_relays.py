"""Relays that we use carry what is for everybody; what they bring is believed for its author's proof alone."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedcoop.errors import FedcoopError
from fedcoop.flow import founding, relays
from fedcoop.flow.brought import run_errands
from fedcoop.ports import Relay
from fedcoop.protocol import strict_json
from fedcoop.protocol.messages import KeyDocument
from fedcoop.protocol.relaying import EVERYTHING, Wish
from tests.flow.federation import Coop, Federation, found_relay, settle
from tests.flow.stories import a_published_mission, plainly, proven

R1, R2 = "https://r1.example", "https://r2.example"

Subscribed = Callable[..., Awaitable[Coop]]


@pytest.fixture
def relay(federation: Federation, tmp_path: Path) -> Subscribed:
    """Found a relay to which the co-ops subscribe, and which follows nobody."""

    async def made(base: str = R1, *, coops: tuple[Coop, ...] | None = None, **settings: Any) -> Coop:
        name = base.split("//")[1].split(".")[0]
        made = await found_relay(tmp_path / name, base, federation, **settings)
        for coop in (federation.lyon, federation.nantes, federation.alpes) if coops is None else coops:
            await relays.subscribe(made.world.instance.application, EVERYTHING, world=coop.world)
        await settle(federation.office)
        return made

    return made


async def apart(federation: Federation) -> None:
    """Nobody follows anybody any more: what arrives came through a relay."""
    coops = (federation.lyon, federation.nantes, federation.alpes)
    for coop in coops:
        for follow in await coop.world.store.read(lambda reader, coop=coop: reader.following(coop.id)):  # type: ignore[misc]
            await coop.post(coop.id, {"type": "Undo", "object": follow.activity_id})
    await settle(federation.office)


async def used(coop: Coop, base: str = R1) -> Relay | None:
    return await coop.world.store.read(lambda reader: reader.relay_at(base))


async def reports(coop: Coop) -> list[tuple[str, str]]:
    (only,) = await relays.used(coop.world)
    return [(report.activity_id, report.code) for report in only.reports]


async def brought(relay: Coop, to: Coop, body: bytes) -> str:
    """Let the relay bring these bytes; return what became of them: an outcome, or the code of a refusal."""
    try:
        receipt = await to.receive(body, sender=relay.world.instance.application, ring=relay.ring)
    except FedcoopError as refusal:
        return refusal.code
    return receipt.outcome


async def a_missed_mission(federation: Federation, **members: Any) -> tuple[str, list[bytes]]:
    """Lyon publishes a mission of which nobody hears; return its id and the bytes of its steps."""
    federation.office.down = {federation.nantes.base, federation.alpes.base, R1, R2}
    mission = await a_published_mission(federation.lyon, **members)
    await federation.lyon.say(federation.lyon.id, "Update", {"id": mission, "slots": 2})
    federation.office.down = set()
    history = await federation.lyon.world.store.read(lambda reader: reader.history(mission))
    return mission, [one.body for one in history]


async def test_what_is_for_everybody_is_seen_once_by_all_who_subscribe(
    federation: Federation, relay: Subscribed
):
    await relay(R1)
    await relay(R2)
    await apart(federation)
    mission = await a_published_mission(federation.lyon)
    for coop in (federation.nantes, federation.alpes):
        assert await coop.board(coop.id) == [mission]
        assert await coop.chain(mission) == await federation.lyon.chain(mission)
        (came,) = await coop.world.store.read(lambda reader: reader.provenance(mission))
        assert (came.way, came.via in (R1, R2)) == ("relayed", True)
        assert came.key == f"{federation.lyon.id}#ed25519-1"
    # Both relays brought it, and only the first had an effect; nobody had it back.
    through = [inbox for inbox, kind, status in federation.office.posts if kind == "Create" and status == 202]
    assert sorted(through) == sorted(
        [f"{R1}/inbox", f"{R2}/inbox"]
        + 2 * [f"{c.base}/inbox" for c in (federation.nantes, federation.alpes)]
    )
    await federation.lyon.say(federation.lyon.id, "Update", {"id": mission, "slots": 3})
    await federation.lyon.say(federation.lyon.id, "Delete", mission)
    for coop in (federation.nantes, federation.alpes):
        assert await coop.board(coop.id) == []
        assert await coop.chain(mission) == await federation.lyon.chain(mission)


async def test_followers_have_it_directly_when_every_relay_is_away(federation: Federation, relay: Subscribed):
    await relay(R1)
    await relay(R2)
    federation.office.down = {R1, R2}
    mission = await a_published_mission(federation.lyon)
    for coop in (federation.nantes, federation.alpes):
        assert await coop.board(coop.id) == [mission]


@pytest.mark.parametrize("scope", ["federation", "network", "members"])
async def test_nothing_else_goes_to_a_relay(federation: Federation, relay: Subscribed, scope: str):
    await relay(R1)
    federation.office.posts.clear()
    await a_published_mission(federation.lyon, relayScope=scope)
    await federation.lyon.member("awa")
    assert not [inbox for inbox, _, _ in federation.office.posts if inbox.startswith(R1)]


async def test_a_relay_that_alters_or_invents_stores_nothing_and_is_reported(
    federation: Federation, relay: Subscribed
):
    liar, nantes, lyon = await relay(R1), federation.nantes, federation.lyon
    await apart(federation)
    mission, (create, update) = await a_missed_mission(federation)
    before = {**nantes.rows(), "relay_report": 0}
    said = strict_json.loads(create)
    lies = {
        "altered": {**said, "published": "2026-11-22T12:00:01Z"},
        "invented": {
            **said,
            "id": f"{lyon.base}/activities/none",
            "object": {**said["object"], "id": f"{mission}0"},
        },
        "in-its-own-words": strict_json.loads(
            proven(liar, liar.world.instance.application, {n: v for n, v in said.items() if n != "proof"})
        ),
    }
    codes = {name: await brought(liar, nantes, strict_json.dumps(lie)) for name, lie in lies.items()}
    assert codes == {
        "altered": "proof-invalid",
        "invented": "proof-invalid",
        "in-its-own-words": "key-owner-mismatch",
    }
    assert await reports(nantes) == [
        (said["id"], "key-owner-mismatch"),
        (f"{lyon.base}/activities/none", "proof-invalid"),
        (said["id"], "proof-invalid"),
    ]
    assert {**nantes.rows(), "relay_report": 0, "actor": 0, "key_document": 0} == {
        **before, "actor": 0, "key_document": 0,
    }  # fmt: skip
    # What it then says truly is taken, once; repeated it does nothing, and of what it leaves out it cannot rob us.
    assert await brought(liar, nantes, create) == "accepted"
    assert await brought(liar, nantes, create) == "duplicate"
    assert await brought(liar, nantes, update) == "accepted"
    assert await nantes.state(mission) == ("published", 2)
    assert len(await reports(nantes)) == 3


async def test_what_a_relay_left_out_is_asked_of_its_author(federation: Federation, relay: Subscribed):
    sparing, nantes = await relay(R1), federation.nantes
    await apart(federation)
    mission, (_, update) = await a_missed_mission(federation)
    asked = len(federation.office.fetched)
    assert await brought(sparing, nantes, update) == "ignored"
    # It is asked beside the messages: no relay waits for an author's server.
    assert federation.office.fetched[asked:] == []
    assert await run_errands(nantes.world) == 1
    assert await nantes.chain(mission) == await federation.lyon.chain(mission)
    assert federation.office.fetched[asked:] == [f"{mission}/history"]
    # And where the author's server does not answer, for a step or for its keys, other messages do not wait for it.
    other, (_, late) = await a_missed_mission(federation)
    federation.office.down = {federation.lyon.base}
    assert await brought(sparing, nantes, late) == "ignored"
    assert await run_errands(nantes.world) == 0
    nantes.world.resolver._cache.pop(federation.lyon.id)  # type: ignore[attr-defined]
    assert await brought(sparing, nantes, late) == "ignored"
    assert await nantes.chain(other) is None
    assert await reports(nantes) == []


async def test_an_announced_mission_is_read_where_it_lives(federation: Federation, relay: Subscribed):
    herald, nantes, lyon = await relay(R1), federation.nantes, federation.lyon
    await apart(federation)
    mission, _ = await a_missed_mission(federation)
    actor = herald.world.instance.application

    def announce(iri: str, number: int) -> bytes:
        said = {"id": f"{R1}/activities/x{number}", "type": "Announce", "actor": actor, "object": iri}
        return strict_json.dumps({"@context": "https://www.w3.org/ns/activitystreams", **said})

    assert await brought(herald, nantes, announce(f"{mission}0", 1)) == "ignored"
    assert await brought(herald, nantes, announce(f"{nantes.base}/missions/1", 2)) == "ignored"
    assert await brought(herald, nantes, announce("https://stranger.example/missions/1", 3)) == "ignored"
    assert await nantes.board(nantes.id) == []
    assert await run_errands(nantes.world) == 0
    assert await brought(herald, nantes, announce(mission, 4)) == "ignored"
    assert await brought(herald, nantes, announce(mission, 6)) == "ignored"
    assert await run_errands(nantes.world) == 1
    assert federation.office.fetched.count(f"{mission}/history") == 1
    assert await nantes.chain(mission) == await lyon.chain(mission)
    came = await nantes.world.store.read(lambda reader: reader.provenance(mission))
    assert {(one.way, one.via) for one in came} == {("fetched", lyon.base)}
    assert await brought(herald, nantes, announce(mission, 5)) == "duplicate"
    assert not [url for url in federation.office.fetched if url.startswith("https://stranger.example")]


async def test_neither_a_relay_nor_an_author_sends_us_to_others(federation: Federation, relay: Subscribed):
    carrier, nantes, lyon = await relay(R1), federation.nantes, federation.lyon
    await apart(federation)
    asked = len(federation.office.fetched)
    # An author that names a step of somebody else's, whom we work with as well.
    stray = plainly(lyon, lyon.id, "Update", {"id": f"{federation.alpes.base}/missions/1", "type": "Note"})
    step = {**stray, "previousDigest": "zQm", "stateVersion": 2, "to": ["as:Public"]}
    assert await brought(carrier, nantes, proven(lyon, lyon.id, step)) == "ignored"
    # A co-op about which nothing is decided any more, and one that is frozen.
    mission, (_, update) = await a_missed_mission(federation)
    for state in ("pending", "blocked"):
        await founding.decide_peer(nantes.world, lyon.base, state)  # type: ignore[arg-type]
        said = {
            "id": f"{R1}/activities/{state}",
            "type": "Announce",
            "actor": f"{R1}/actor",
            "object": mission,
        }
        announce = strict_json.dumps({"@context": "https://www.w3.org/ns/activitystreams", **said})
        assert await brought(carrier, nantes, announce) == "ignored"
        assert await brought(carrier, nantes, update) == "ignored"
    assert await run_errands(nantes.world) == 0
    assert not [url for url in federation.office.fetched[asked:] if url.endswith("/history")]


async def test_a_relay_is_not_blamed_for_keys_that_its_author_does_not_show(
    federation: Federation, relay: Subscribed
):
    carrier, nantes, lyon = await relay(R1), federation.nantes, federation.lyon
    mission, (create, _) = await a_missed_mission(federation)
    nantes.world.resolver._cache[lyon.id] = KeyDocument(  # type: ignore[attr-defined]
        {"id": f"{lyon.base}/actors/another"}, nantes.clock()
    )
    assert await brought(carrier, nantes, create) == "ignored"
    assert await reports(nantes) == []
    assert await nantes.chain(mission) is None


async def test_what_has_no_proof_and_what_comes_of_strangers_is_dropped_without_a_word(
    federation: Federation, relay: Subscribed
):
    carrier, nantes = await relay(R1), federation.nantes
    _, (create, _) = await a_missed_mission(federation)
    said = strict_json.loads(create)
    bare = {name: value for name, value in said.items() if name != "proof"}
    unknown = {**said["proof"], "cryptosuite": "eddsa-rdfc-2022"}
    for nothing in (bare, {**bare, "proof": unknown}, {**bare, "proof": [said["proof"], said["proof"]]}):
        assert await brought(carrier, nantes, strict_json.dumps(nothing)) == "ignored"
    await founding.decide_peer(nantes.world, federation.lyon.base, "blocked")
    assert await brought(carrier, nantes, create) == "ignored"
    assert await reports(nantes) == []
    assert await nantes.board(nantes.id) == []


async def test_what_we_hold_against_an_author_is_not_told_to_the_relay(
    federation: Federation, relay: Subscribed
):
    carrier, nantes = await relay(R1), federation.nantes
    mission, (create, _) = await a_missed_mission(federation)
    await founding.decide_peer(nantes.world, federation.lyon.base, "frozen", reason="Trois factures impayées")
    assert await brought(carrier, nantes, create) == "ignored"
    assert await nantes.chain(mission) is None
    await founding.decide_peer(nantes.world, federation.lyon.base, "allowed")
    assert await brought(carrier, nantes, create) == "accepted"
    bare = {name: value for name, value in strict_json.loads(create).items() if name != "proof"}
    assert (
        await brought(carrier, nantes, proven(federation.lyon, federation.lyon.id, bare, summary="x"))
        == "ignored"
    )
    assert nantes.rows()["evidence"] == 1


async def test_only_a_relay_that_accepted_us_and_that_we_have_not_left_is_heard(
    federation: Federation, relay: Subscribed
):
    reticent, nantes = await relay(R1, open=False), federation.nantes
    mission, (create, update) = await a_missed_mission(federation)
    assert (await used(nantes)).state == "pending"  # type: ignore[union-attr]
    assert await brought(reticent, nantes, create) == "ignored"
    await relays.leave(R1, world=nantes.world)
    assert await brought(reticent, nantes, create) == "not-in-allow-list"
    assert await nantes.chain(mission) is None
    await relays.subscribe(f"{R1}/inbox", EVERYTHING, world=nantes.world)
    stored = await used(nantes)
    assert stored is not None
    await nantes.world.store.write(lambda tx: tx.put_relay(replace(stored, state="accepted")))
    assert await brought(reticent, nantes, create) == "accepted"
    await founding.decide_peer(nantes.world, R1, "blocked")
    assert await brought(reticent, nantes, update) == "blocked"


async def test_only_the_relays_own_answer_to_our_own_follow_counts(federation: Federation, relay: Subscribed):
    asked, nantes, lyon = (
        await relay(R1, open=False, coops=(federation.nantes,)),
        federation.nantes,
        federation.lyon,
    )
    stored = await used(nantes)
    assert stored is not None

    def accept(by: Coop, actor: str, follow: str, number: int) -> bytes:
        return proven(
            by, actor, {**plainly(by, actor, "Accept", follow, number), "to": [f"{nantes.base}/actor"]}
        )

    actor = asked.world.instance.application
    with pytest.raises(FedcoopError) as refusal:
        await nantes.receive(accept(lyon, lyon.id, stored.follow_id, 1), sender=lyon.id, ring=lyon.ring)
    assert refusal.value.code == "not-found"
    assert (
        await brought(asked, nantes, accept(asked, actor, f"{nantes.base}/activities/none", 2)) == "ignored"
    )
    assert (await used(nantes)).state == "pending"  # type: ignore[union-attr]
    assert await brought(asked, nantes, accept(asked, actor, stored.follow_id, 3)) == "accepted"
    assert (await used(nantes)).state == "accepted"  # type: ignore[union-attr]


async def test_a_relay_is_found_by_its_actor_or_by_its_inbox_and_asked_once(
    federation: Federation, relay: Subscribed
):
    await relay(R1, coops=())
    nantes = federation.nantes
    wish = Wish(("Mission",), ("N41",), ("52",))
    first = await relays.subscribe(f"{R1}/inbox", wish, world=nantes.world)
    assert (first.actor, first.inbox, first.state) == (f"{R1}/actor", f"{R1}/inbox", "pending")
    assert await relays.subscribe(f"{R1}/actor", wish, world=nantes.world) == first
    await settle(federation.office)
    sent = await nantes.world.store.read(lambda reader: reader.activity(first.follow_id))
    assert sent is not None
    follow = json.loads(sent.body)
    assert follow["object"] == "https://www.w3.org/ns/activitystreams#Public"
    assert follow["relayFilter"] == {"classes": ["Mission"], "rome": ["N41"], "regions": ["52"]}
    assert "to" not in follow
    assert (await used(nantes)).state == "accepted"  # type: ignore[union-attr]
    again = await relays.subscribe(f"{R1}/actor", EVERYTHING, world=nantes.world)
    assert again.follow_id != first.follow_id
    for wrong, code in (
        (f"{nantes.base}/inbox", "wrong-party"),
        (f"{R1}/elsewhere", "key-unknown"),
        ("ftp://r1.example", "bad-id"),
    ):
        with pytest.raises(FedcoopError) as refusal:
            await relays.subscribe(wrong, EVERYTHING, world=nantes.world)
        assert refusal.value.code == code
    with pytest.raises(FedcoopError) as gone:
        await relays.leave(R2, world=nantes.world)
    assert gone.value.code == "not-found"


async def test_a_blocked_server_is_no_relay_of_ours(federation: Federation, relay: Subscribed):
    await relay(R1, coops=(federation.lyon,))
    for coop in (federation.lyon, federation.nantes):
        await founding.decide_peer(coop.world, R1, "blocked")
    with pytest.raises(FedcoopError) as refusal:
        await relays.subscribe(f"{R1}/actor", EVERYTHING, world=federation.nantes.world)
    assert refusal.value.code == "blocked"
    federation.office.posts.clear()
    await a_published_mission(federation.lyon)
    assert not [inbox for inbox, _, _ in federation.office.posts if inbox.startswith(R1)]
