"""A peer reads what it is sent, and what it has agreed on; its state opens and closes both."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fedcoop.errors import FedcoopError, NotFound
from fedcoop.flow import reading
from fedcoop.flow.visiting import Visitor, visitor_of
from fedcoop.protocol import cavage, messagesig
from fedcoop.protocol.messages import RawRequest
from tests.flow.federation import Coop, Federation
from tests.flow.stories import a_published_mission, an_engagement

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
HOST = "nantes.example"


def a_get(by: Coop, actor: str, *, dialect: str = "draft-cavage", **changes: Any) -> RawRequest:
    """Return a GET of `actor`'s to Nantes."""
    given = {
        "path": "/missions/1",
        "date": by.clock(),
        "key": by.ring.http_key(actor),
        "host": HOST,
        **changes,
    }
    key_id, key = given["key"]
    if dialect == "draft-cavage":
        headers = cavage.sign_headers(
            method="GET", url_host=given["host"], target=given["path"], body=None, key_id=key_id, key=key,
            date=given["date"],
        )  # fmt: skip
    else:
        url = f"https://{given['host']}{given['path']}"
        headers = messagesig.sign_headers(
            method="GET", url=url, body=None, key_id=key_id, key=key, created=given["date"]
        )
    return RawRequest("GET", given["path"], tuple(headers.items()), b"")


async def visitor(federation: Federation, actor: str, *, by: Coop | None = None, **changes: Any) -> Visitor:
    """Return who visits Nantes as `actor` of Lyon (or of `by`)."""
    found = await visitor_of(a_get(by or federation.lyon, actor, **changes), world=federation.nantes.world)
    assert found is not None
    return found


async def put(federation: Federation, state: Any, *, network: bool = True) -> None:
    """Let Lyon be in `state` at Nantes, as if it had been so all the time."""
    nantes, lyon = federation.nantes, federation.lyon
    known = await nantes.world.store.read(lambda reader: reader.peer(lyon.base))
    assert known is not None
    peer = replace(known, state=state, network=network)
    await nantes.world.store.write(lambda tx: tx.put_peer(peer))


async def sees(federation: Federation, asking: Any, *iris: str) -> list[bool]:
    """Return for each id at Nantes whether it is shown, object and activity alike."""
    found = []
    for iri in iris:
        read = reading.read_activity_document if "/activities/" in iri else reading.read_object
        try:
            await read(iri, actor=asking, world=federation.nantes.world)
        except NotFound:
            found.append(False)
        else:
            found.append(True)
    return found


async def a_note(federation: Federation, *to: str) -> tuple[str, str]:
    """Let Nantes say something; return the ids of the activity and of its object."""
    note = {"type": "Note", "content": "<p>Bonjour</p>"}
    said = (await federation.nantes.say(federation.nantes.id, "Create", note, to=[*to])).document
    return said["id"], said["object"]["id"]


@pytest.mark.parametrize("dialect", ["draft-cavage", "rfc9421"])
async def test_a_signed_get_is_its_actors(federation: Federation, dialect: str):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    for actor, for_all in ((lyon.id, False), (awa, False), (lyon.world.instance.application, True)):
        found = await visitor(federation, actor, dialect=dialect)
        assert (found.actor, found.host, found.for_all) == (actor, lyon.base, for_all)


async def test_a_peer_reads_what_is_addressed_to_it_or_to_its_members(federation: Federation):
    lyon, alpes = federation.lyon, federation.alpes
    awa = await lyon.member("awa")
    for_awa, for_lyon, for_alpes, for_nobody = [
        await a_note(federation, *to) for to in ([awa], [lyon.id], [alpes.id], [])
    ]
    asked = [*for_awa, *for_lyon, *for_alpes, *for_nobody]
    server = await visitor(federation, lyon.world.instance.application)
    assert await sees(federation, server, *asked) == [True] * 4 + [False] * 4
    assert await sees(federation, await visitor(federation, awa), *asked) == [True] * 2 + [False] * 6
    assert (
        await sees(federation, await visitor(federation, lyon.id), *asked)
        == [False] * 2 + [True] * 2 + [False] * 4
    )
    assert await sees(federation, None, *asked) == [False] * 8


async def test_a_peer_reads_what_is_for_the_followers_that_it_is_among(federation: Federation):
    nantes, lyon = federation.nantes, federation.lyon
    malo, awa = await nantes.member("malo"), await lyon.member("awa")
    ours = [
        await a_note(federation, f"{who}/{which}")
        for who in (nantes.id, malo)
        for which in ("followers", "network")
    ]
    members = await a_note(federation, nantes.world.instance.members)
    asked = [iri for pair in (*ours, members) for iri in pair]
    follower = await visitor(federation, lyon.id)
    assert await sees(federation, follower, *asked) == [True] * 4 + [False] * 6
    assert await sees(federation, await visitor(federation, awa), *asked) == [False] * 10
    server = await visitor(federation, lyon.world.instance.application)
    assert await sees(federation, server, *asked) == [True] * 4 + [False] * 6
    # What others follow is no relation of this peer's.
    assert not any(f"{malo}/" in name for name in server.names)
    await put(federation, "allowed", network=False)
    outside = await visitor(federation, lyon.id)
    assert await sees(federation, outside, *asked) == [True] * 2 + [False] * 8


@pytest.mark.parametrize(
    ("state", "followers", "network", "addressed", "party"),
    [
        ("allowed", True, True, True, True),
        ("limited", True, False, True, True),
        ("frozen", False, False, False, True),
    ],
)
async def test_what_a_state_lets_pass_is_what_it_lets_read(
    federation: Federation, state: str, followers: bool, network: bool, addressed: bool, party: bool
):
    nantes, lyon = federation.nantes, federation.lyon
    awa = await lyon.member("awa")
    mission = await a_published_mission(nantes)
    engagement = await an_engagement(federation, awa, mission)
    notes = [
        await a_note(federation, to) for to in (f"{nantes.id}/followers", f"{nantes.id}/network", lyon.id)
    ]
    await put(federation, state)
    for actor in (lyon.id, lyon.world.instance.application):
        asking = await visitor(federation, actor)
        seen = [await sees(federation, asking, *note) for note in notes]
        assert seen == [[followers] * 2, [network] * 2, [addressed] * 2]
    worker = await visitor(federation, awa)
    assert await sees(federation, worker, engagement, mission) == [party, party]
    told = await reading.read_history(engagement, actor=worker, world=nantes.world)
    assert len(told["chains"]) == 2


async def test_whoever_does_not_go_on_is_no_party(federation: Federation):
    nantes, lyon = federation.nantes, federation.lyon
    awa = await lyon.member("awa")
    engagement = await an_engagement(federation, awa, await a_published_mission(nantes))
    chain, worker = await nantes.chain(engagement), await visitor(federation, awa)
    assert chain is not None
    assert worker.is_party(chain)
    assert not replace(worker, goes_on=False).is_party(chain)


async def test_an_engagement_is_for_the_server_of_a_party_alone(federation: Federation):
    nantes, lyon, alpes = federation.nantes, federation.lyon, federation.alpes
    awa = await lyon.member("awa")
    mission = await a_published_mission(nantes, relayScope="network")
    engagement = await an_engagement(federation, awa, mission)
    offer = (await nantes.history(engagement))[0]["id"]
    accept = (await nantes.history(engagement))[-1]["id"]
    asked = [engagement, accept, mission]
    assert (await nantes.chain(offer)) is not None
    server = await visitor(federation, lyon.world.instance.application)
    assert await sees(federation, server, *asked) == [True, True, True]
    assert await sees(federation, await visitor(federation, awa), *asked) == [True, True, True]
    other = await visitor(federation, alpes.world.instance.application, by=alpes)
    assert await sees(federation, other, *asked) == [False, False, False]
    for iri in (engagement, mission):
        with pytest.raises(NotFound):
            await reading.read_history(iri, actor=other, world=nantes.world)
    assert len((await reading.read_history(mission, actor=server, world=nantes.world))["chains"]) == 2


async def test_a_peer_is_no_member_of_ours(federation: Federation):
    nantes = federation.nantes
    server = await visitor(federation, federation.lyon.world.instance.application)
    readers = reading.readers_for(server, nantes.world.instance)
    assert nantes.world.instance.members not in readers
    assert PUBLIC in readers
    assert all(
        not nantes.world.instance.hosts(name) or name.endswith(("/followers", "/network")) for name in readers
    )


@pytest.mark.parametrize("state", [None, "pending"])
async def test_a_stranger_reads_as_anybody_and_its_key_is_not_fetched(federation: Federation, state: Any):
    nantes, lyon = federation.nantes, federation.lyon
    if state is None:
        await nantes.world.store.write(lambda tx: tx.make([]))
        request = a_get(
            lyon, lyon.id, key=("https://elsewhere.example/actor#main-key", lyon.ring.http_key(lyon.id)[1])
        )
    else:
        await put(federation, state)
        request = a_get(lyon, lyon.id)
    federation.office.fetched.clear()
    assert await visitor_of(request, world=nantes.world) is None
    # Nor is what it says of its signature looked at more closely.
    assert await visitor_of(replace(request, target="/other"), world=nantes.world) is None
    guarded = replace(nantes.world, instance=replace(nantes.world.instance, signed_reads=True))
    with pytest.raises(FedcoopError) as refusal:
        await visitor_of(request, world=guarded)
    assert (refusal.value.code, refusal.value.extra["contact"]) == ("not-in-allow-list", f"{nantes.base}/")
    assert federation.office.fetched == []


async def test_whom_the_operator_has_shut_out_hears_it_before_its_key_is_fetched(federation: Federation):
    lyon = federation.lyon
    await put(federation, "blocked")
    federation.office.fetched.clear()
    with pytest.raises(FedcoopError) as refusal:
        await visitor_of(a_get(lyon, lyon.id), world=federation.nantes.world)
    assert refusal.value.code == "blocked"
    assert federation.office.fetched == []


BAD: dict[str, tuple[str, Any]] = {
    "too old": ("clock-skew", lambda by: {"date": by.clock() - timedelta(hours=2)}),
    "too far ahead": ("clock-skew", lambda by: {"date": by.clock() + timedelta(minutes=6)}),
    "a key that is not listed": (
        "key-unknown",
        lambda by: {"key": (f"{by.id}#other", by.ring.http_key(by.id)[1])},
    ),
    "somebody else's key": (
        "signature-invalid",
        lambda by: {"key": (by.ring.http_key(by.id)[0], by.ring.http_key(by.world.instance.application)[1])},
    ),
}


@pytest.mark.parametrize("dialect", ["draft-cavage", "rfc9421"])
@pytest.mark.parametrize("name", BAD)
async def test_a_bad_signature_of_a_peer_is_told_why_even_for_what_is_public(
    federation: Federation, dialect: str, name: str
):
    code, change = BAD[name]
    lyon, nantes = federation.lyon, federation.nantes
    before = nantes.rows()
    with pytest.raises(FedcoopError) as refusal:
        await visitor_of(a_get(lyon, lyon.id, dialect=dialect, **change(lyon)), world=nantes.world)
    assert refusal.value.code == code
    assert await visitor_of(a_get(lyon, lyon.id, dialect=dialect), world=nantes.world) is not None
    assert nantes.rows() == before


async def test_a_get_for_another_server_or_path_is_not_for_us(federation: Federation):
    lyon, world = federation.lyon, federation.nantes.world
    for dialect, host_code in (("draft-cavage", "host-mismatch"), ("rfc9421", "signature-invalid")):
        good = a_get(lyon, lyon.id, dialect=dialect)
        moved = replace(good, target="/engagements/1")
        elsewhere = a_get(lyon, lyon.id, dialect=dialect, host="alpes.example")
        for request, code in ((moved, "signature-invalid"), (elsewhere, host_code)):
            with pytest.raises(FedcoopError) as refusal:
                await visitor_of(request, world=world)
            assert refusal.value.code == code
        assert await visitor_of(good, world=world) is not None


async def test_a_rotated_key_is_asked_for_once_more(federation: Federation):
    lyon = federation.lyon
    actor = lyon.world.instance.application
    await visitor(federation, actor)
    await lyon.ring.prepare({actor: 2})
    await lyon.ring.promote(actor, 2)
    federation.office.fetched.clear()
    with pytest.raises(FedcoopError) as refusal:
        await visitor_of(a_get(lyon, actor), world=federation.nantes.world)
    assert refusal.value.code == "key-unknown"
    assert federation.office.fetched == [actor]
