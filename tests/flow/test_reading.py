"""Who may read what we hold, and that nobody else learns that it is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fedcoop.errors import Gone, NotFound
from fedcoop.flow import reading, reports
from fedcoop.protocol.build import contexts
from fedcoop.protocol.history import verify_history
from fedcoop.protocol.proof import verify_document
from tests.flow.federation import Federation, settle
from tests.flow.stories import a_published_mission, an_engagement, plainly, proven

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


async def readers_of(federation: Federation, read: Any, iri: str, *actors: str | None) -> list[bool]:
    """Return for each actor whether `read` shows them `iri` at Nantes."""
    found = []
    for actor in actors:
        try:
            await read(iri, actor=actor, world=federation.nantes.world)
        except NotFound:
            found.append(False)
        else:
            found.append(True)
    return found


def test_a_member_reads_as_everybody_as_themselves_and_as_one_of_us(federation: Federation):
    instance = federation.nantes.world.instance
    malo = f"{instance.base}/actors/malo"
    assert reading.readers_for(None, instance) == (PUBLIC,)
    assert reading.readers_for(malo, instance) == (PUBLIC, malo, instance.members)


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ([PUBLIC], [True, True, True, True]),
        (["https://nantes.example/actors/coop"], [True, True, True, False]),
        (["https://lyon.example/actors/awa/followers"], [True, True, True, False]),
        (["https://nantes.example/actors/malo"], [True, False, False, False]),
        (["https://alpes.example/actors/coop"], [False, False, False, False]),
        ([], [False, False, False, False]),
    ],
)
async def test_a_message_is_for_whom_it_was_addressed_to(
    federation: Federation, to: list[str], expected: list[bool]
):
    lyon, nantes = federation.lyon, federation.nantes
    malo, yann = await nantes.member("malo"), await nantes.member("yann")
    awa = await lyon.member("awa")
    note = {"id": f"{lyon.base}/notes/1", "type": "Note", "attributedTo": awa}
    said = plainly(lyon, awa, "Create", note, to=to)
    await nantes.receive(proven(lyon, awa, said), sender=awa, ring=lyon.ring)
    for read, iri in ((reading.read_activity_document, said["id"]), (reading.read_object, note["id"])):
        assert await readers_of(federation, read, iri, malo, yann, nantes.id, None) == expected


@pytest.mark.parametrize(
    "document",
    [
        {"type": "Mission", "name": "Vélo"},
        {"type": "ServiceOffer", "name": "Formation"},
        {"type": "Need", "name": "Remorque"},
        {"type": "Note", "content": "<p>Bonjour</p>", "to": [PUBLIC]},
    ],
)
async def test_an_object_of_ours_stands_alone(federation: Federation, document: dict[str, Any]):
    nantes = federation.nantes
    iri = (await nantes.post(nantes.id, document)).document["object"]["id"]

    async def alone() -> dict[str, Any]:
        obj = await reading.read_object(iri, actor=nantes.id, world=nantes.world)
        return dict(reading.standing_alone(obj, nantes.world))

    first = await alone()
    owner = await nantes.world.store.read(lambda reader: reader.actor(nantes.id))
    assert owner is not None
    verify_document(first, owner.document, now=nantes.clock(), ahead=timedelta(0))
    assert first["@context"] == contexts(nantes.base)
    assert first["attributedTo"] == nantes.id
    nantes.clock.advance(hours=1)
    assert await alone() == first
    await nantes.post(nantes.id, {"type": "Update", "object": {**first, "id": iri, "name": "Autre"}})
    second = await alone()
    verify_document(second, owner.document, now=nantes.clock(), ahead=timedelta(0))
    assert (second["name"], second["proof"] == first["proof"]) == ("Autre", False)


async def test_what_is_signed_already_is_not_signed_again_nor_what_others_said(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    rule = await reading.read_object(f"{nantes.base}/rules/fixed-price", actor=None, world=nantes.world)
    assert reading.standing_alone(rule, nantes.world) == rule.document
    mission = await a_published_mission(nantes)
    copy = await reading.read_object(mission, actor=lyon.id, world=lyon.world)
    assert "proof" not in reading.standing_alone(copy, lyon.world)


async def test_what_we_say_we_may_read(federation: Federation):
    nantes = federation.nantes
    malo = await nantes.member("malo")
    said = await nantes.post(malo, {"type": "Note", "content": "x", "to": [federation.lyon.id]})
    note = said.document["object"]["id"]
    for read, iri in ((reading.read_activity_document, said.activity_id), (reading.read_object, note)):
        assert await readers_of(federation, read, iri, malo, nantes.id, None) == [True, False, False]


async def test_steps_of_an_engagement_are_for_its_parties(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    malo = await nantes.member("malo")
    engagement = await an_engagement(federation, awa, await a_published_mission(nantes))
    for step in await nantes.history(engagement):
        for read in (reading.read_activity_document, reading.lookup):
            assert await readers_of(federation, read, step["id"], nantes.id, malo, None) == [
                True,
                False,
                False,
            ]
    for read in (reading.read_object, reading.read_history, reading.lookup):
        assert await readers_of(federation, read, engagement, nantes.id, malo, None) == [True, False, False]


async def test_what_was_deleted_is_gone_for_whom_it_was_there(federation: Federation):
    nantes = federation.nantes
    said = await nantes.post(nantes.id, {"type": "Note", "content": "x", "to": [PUBLIC]})
    note = said.document["object"]["id"]
    private = (await nantes.post(nantes.id, {"type": "Note"})).document["object"]["id"]
    for iri in (note, private):
        await nantes.post(nantes.id, {"type": "Delete", "object": iri})
    with pytest.raises(Gone) as gone:
        await reading.read_object(note, actor=None, world=nantes.world)
    assert gone.value.extra["tombstone"] == {
        "type": "Tombstone",
        "id": note,
        "formerType": "Note",
        "deleted": "2026-11-22T12:00:00Z",
    }
    with pytest.raises(NotFound):
        await reading.read_object(private, actor=None, world=nantes.world)


async def test_what_is_not_there_and_what_is_not_for_you_are_told_alike(federation: Federation):
    nantes = federation.nantes
    private = (await nantes.post(nantes.id, {"type": "Note"})).document["object"]["id"]
    answers = set()
    for iri in (private, f"{nantes.base}/objects/none"):
        for read in (reading.read_object, reading.read_history, reading.lookup):
            with pytest.raises(NotFound) as refusal:
                await read(iri, actor=None, world=nantes.world)
            answers.add(
                (read.__name__, refusal.value.code, refusal.value.detail, refusal.value.received == iri)
            )
    assert len(answers) == 3


async def test_a_history_shows_each_reader_what_is_theirs_and_verifies(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    public = await reading.read_history(mission, actor=None, world=nantes.world)
    assert [c["kind"] for c in public["chains"]] == ["Mission"]
    engagement = await an_engagement(federation, awa, mission)
    with pytest.raises(NotFound):
        await reading.read_history(mission, actor=None, world=nantes.world)
    ours = await reading.read_history(mission, actor=nantes.id, world=nantes.world)
    assert [c["kind"] for c in ours["chains"]] == ["Mission", "Engagement"]
    assert verify_history(ours).complete
    theirs = await reading.read_history(engagement, actor=awa, world=lyon.world)
    assert [c["kind"] for c in theirs["chains"]] == ["Mission", "Engagement"]
    report = verify_history(theirs)
    assert report.ok
    # Lyon does not order these chains, and cannot say that there is no more.
    assert not report.complete
    watched = await reading.read_history(mission, actor=await alpes.member("zoe"), world=alpes.world)
    assert [c["kind"] for c in watched["chains"]] == ["Mission"]


async def test_our_co_op_reads_what_its_members_are_party_to(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    engagement = await an_engagement(federation, awa, await a_published_mission(nantes))
    assert "carrier" not in (await lyon.chain(engagement)).parties  # type: ignore[union-attr]
    assert (await reading.read_history(engagement, actor=lyon.id, world=lyon.world))["chains"]


async def test_a_lookup_is_of_the_stored_copy_and_says_where_its_chain_stands(federation: Federation):
    nantes, alpes = federation.nantes, federation.alpes
    mission = await a_published_mission(nantes)
    federation.office.fetched.clear()
    found = await reading.lookup(mission, actor=None, world=alpes.world)
    chain = await alpes.chain(mission)
    assert chain is not None
    assert found["fedcoopChain"] == {
        "state": "published",
        "stateVersion": 1,
        "digest": chain.digest,
        "kind": "Mission",
    }
    assert (await reading.lookup(nantes.id, actor=None, world=alpes.world))["id"] == nantes.id
    said = (await nantes.history(mission))[0]["id"]
    assert (await reading.lookup(said, actor=None, world=alpes.world))["type"] == "Create"
    with pytest.raises(NotFound):
        await reading.lookup("https://stranger.example/x", actor=None, world=alpes.world)
    assert federation.office.fetched == []


async def test_no_copy_is_stored_of_what_was_deleted(federation: Federation):
    nantes, alpes = federation.nantes, federation.alpes
    mission = await a_published_mission(nantes)
    await nantes.say(nantes.id, "Delete", mission)
    for coop in (nantes, alpes):
        with pytest.raises(NotFound):
            await reading.lookup(mission, actor=coop.id, world=coop.world)
        with pytest.raises(Gone):
            await reading.read_object(mission, actor=coop.id, world=coop.world)


async def test_by_what_way_a_thing_came_is_for_whoever_may_see_it(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    offer = await lyon.say(awa, "Offer", {"type": "Agreement", "mission": mission})
    (told,) = await reading.came(offer.activity_id, actor=nantes.id, world=nantes.world)
    assert (told["activity"], told["way"], told["via"], told["key"]) == (
        offer.activity_id, "delivered", lyon.base, f"{awa}#main-key",
    )  # fmt: skip
    assert told["at"].endswith("Z")
    # Ours came from nowhere.
    assert await reading.came(mission, actor=nantes.id, world=nantes.world) == []
    assert len(await reading.came(mission, actor=None, world=lyon.world)) == 1
    for iri in (offer.activity_id, "https://nowhere.example/"):
        with pytest.raises(NotFound):
            await reading.came(iri, actor=None, world=nantes.world)


async def test_who_sees_somebody_does_not_learn_who_follows_or_reports_them(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    malo, yann = await nantes.member("malo"), await nantes.member("yann")
    follow = await lyon.post(await lyon.member("awa"), {"type": "Follow", "object": malo})
    await settle(federation.office)
    report = await reports.report(lyon.world, malo, (), "Three invoices for one day.")
    await settle(federation.office)
    (kept,) = await nantes.world.store.read(lambda reader: reader.provenance(report.id))
    assert kept.about == report.id
    # As reports were kept before: found under whom they accuse.
    other = await reports.report(nantes.world, lyon.id, (), "Three invoices for one day.")
    old = replace(kept, activity_id=other.id, about=malo)
    await nantes.world.store.write(lambda tx: tx.put_provenance(old))

    async def told(actor: str, **options: bool) -> list[str]:
        rows = await reading.came(malo, actor=actor, world=nantes.world, **options)
        return [row["activity"] for row in rows]

    assert await told(yann) == []
    assert await told(malo) == [follow.activity_id]
    assert await told(nantes.id, operator=True) == [follow.activity_id, old.activity_id]
