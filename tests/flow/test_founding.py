"""How an instance comes to be, and who belongs to it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from fedcoop.errors import Conflict, Invalid, Malformed, Misconfigured, NotFound
from fedcoop.flow import founding
from fedcoop.flow.access import token_behind
from fedcoop.flow.founding import Newcomer
from fedcoop.ports import Transaction
from fedcoop.protocol import schemas
from fedcoop.protocol.credentials import check_membership
from fedcoop.protocol.messages import PutActor
from fedcoop.protocol.proof import verify_document
from tests.conftest import StoppedClock
from tests.flow.federation import Federation, PostOffice, found_coop


async def documents(federation: Federation, *iris: str) -> list[Any]:
    world = federation.nantes.world
    return [(await world.store.read(lambda reader, i=iri: reader.actor(i))).document for iri in iris]  # type: ignore[union-attr]


async def test_an_instance_is_founded_with_its_actors_rules_and_a_token(tmp_path: Path):
    coop = await found_coop(
        tmp_path, "https://brest.example", PostOffice(), StoppedClock(), itertools.count()
    )
    instance = coop.world.instance
    try:
        actors = await coop.world.store.read(lambda reader: reader.local_actors())
        assert [a.id for a in actors] == [instance.coop, instance.application]
        document = actors[0].document
        for name, schema in (("fixed-price", "PricingRule"), ("matching", "MatchingRule")):
            rule = await coop.read(f"{coop.base}/rules/{name}")
            assert rule is not None
            schemas.check(rule, schema)
            verify_document(rule, document, now=coop.clock())
        assert await coop.world.store.read(lambda reader: reader.meta("base")) == coop.base
        with pytest.raises(Misconfigured, match="belongs to an instance already"):
            await founding.found(coop.world, name="Again", username="coop", profile={})
    finally:
        await coop.world.store.close()


async def test_a_member_has_an_actor_a_token_and_a_credential(federation: Federation):
    nantes = federation.nantes
    occupation = {"type": "SkillRef", "codeSystem": "rome", "code": "N4104"}
    added = await founding.add_member(
        nantes.world,
        Newcomer(
            "Zoé L'Héritier", status="cape", occupation=occupation, commune="44109", skills=[occupation]
        ),
    )
    assert added.id == f"{nantes.base}/actors/zoe-l-heritier"
    assert (added.inbox, added.outbox) == (f"{added.id}/inbox", f"{added.id}/outbox")
    assert (await token_behind(added.token or "", nantes.world)).actor == added.id
    (document, coop) = await documents(federation, added.id, nantes.id)
    schemas.check(document, "Member")
    assert (document["name"], document["location"]["name"]) == ("Zoé L'Héritier", "Nantes")
    assert (document["occupation"], document["spokenLanguages"]) == (occupation, ["fr"])
    assert "workStatus" not in str(document)
    credential = await nantes.read(added.credential or "", added.id)
    assert credential is not None
    check_membership(
        credential,
        worker=added.id,
        carrier=nantes.id,
        status="cape",
        at=nantes.clock(),
        keys={nantes.id: coop},
    )
    assert await nantes.read(added.credential or "") is None
    assert await nantes.read(added.credential or "", await nantes.member("malo")) is None


async def test_a_member_without_a_status_has_no_credential(federation: Federation):
    added = await founding.add_member(federation.nantes.world, Newcomer("Yann"))
    assert added.credential is None


async def test_the_same_name_twice_is_two_people(federation: Federation):
    world = federation.nantes.world
    twice = await founding.add_members(world, [Newcomer("Awa"), Newcomer("Awa"), Newcomer("Coop")])
    third = await founding.add_member(world, Newcomer("awa"))
    names = [m.id.rsplit("/", 1)[1] for m in (*twice, third)]
    assert names == ["awa", "awa-2", "coop-2", "awa-3"]


async def test_an_import_adds_nobody_twice(federation: Federation):
    world = federation.nantes.world
    people = [Newcomer("Awa", client_key="m-1"), Newcomer("Malo", client_key="m-2")]
    first = await founding.add_members(world, people)
    before = federation.nantes.rows()
    second = await founding.add_members(world, people)
    assert [m.id for m in first] == [m.id for m in second]
    assert [m.token is None for m in second] == [True, True]
    assert federation.nantes.rows() == before


@pytest.mark.parametrize(
    ("newcomer", "error", "code"),
    [
        (Newcomer("Awa", status="boss"), Invalid, "unknown-code"),
        (Newcomer("Awa", commune="00000"), Invalid, "unknown-code"),
        (Newcomer("Awa", username="Awa!"), Invalid, "bad-id"),
        (Newcomer("Awa", username=""), None, None),
        (Newcomer("Awa", username="a" * 65), Invalid, "bad-id"),
        (Newcomer("Awa", username="coop"), Conflict, "id-reused"),
        (Newcomer("Awa", username="inbox"), Conflict, "id-reused"),
        (Newcomer("Awa", username="malo"), Conflict, "id-reused"),
    ],
)
async def test_all_are_added_or_none(
    federation: Federation, newcomer: Newcomer, error: Any, code: str | None
):
    world = federation.nantes.world
    await founding.add_member(world, Newcomer("Malo"))
    if error is None:
        assert (await founding.add_member(world, newcomer)).id.endswith("/awa")
        return
    before = federation.nantes.rows()
    with pytest.raises(error) as refusal:
        await founding.add_members(world, [Newcomer("Zoé"), newcomer])
    assert refusal.value.code == code
    assert federation.nantes.rows() == before


@pytest.mark.parametrize(
    ("name", "expected"), [("Éléonore d'Arc", "eleonore-d-arc"), ("李", "membre"), ("  A--B  ", "a-b")]
)
def test_a_username_is_made_of_a_name(name: str, expected: str):
    assert founding.username_of(name) == expected


async def test_what_is_decided_about_a_peer_stays_until_something_else_is(federation: Federation):
    world, brest = federation.nantes.world, "https://brest.example"
    first = await founding.decide_peer(world, brest, "allowed", network=True, note="friends")
    assert (first.network, first.note, first.since) == (True, "friends", federation.nantes.clock())
    second = await founding.decide_peer(world, brest, "blocked")
    assert (second.state, second.network, second.note) == ("blocked", True, "friends")
    assert brest in [p.origin for p in await founding.list_peers(world)]
    third = await founding.decide_peer(world, brest + "/actors/coop", "allowed", network=False, note="")
    assert (third.origin, third.network, third.note) == (brest, False, "")


@pytest.mark.parametrize(
    "origin", ["brest.example", "http://brest.example", "https://127.0.0.1", "https://Brest.example", ""]
)
async def test_a_peer_is_an_origin(federation: Federation, origin: str):
    with pytest.raises(Malformed):
        await founding.decide_peer(federation.nantes.world, origin, "allowed")


async def test_nobody_is_a_peer_of_themselves(federation: Federation):
    with pytest.raises(Conflict):
        await founding.decide_peer(federation.nantes.world, federation.nantes.base, "allowed")


async def test_a_rule_is_published_once_and_signed(federation: Federation):
    nantes = federation.nantes
    rule = {
        "type": "Document",
        "fedcoopType": ["PricingRule"],
        "name": "Course",
        "id": "x",
        "attributedTo": "y",
    }
    iri = await founding.publish_rule(nantes.world, name="course", rule=rule)
    kept = await nantes.read(iri)
    assert kept is not None
    assert (kept["id"], kept["attributedTo"], kept["name"]) == (iri, nantes.id, "Course")
    verify_document(kept, (await documents(federation, nantes.id))[0], now=nantes.clock())
    await founding.publish_rule(nantes.world, name="course", rule={**rule, "name": "Other"})
    assert await nantes.read(iri) == kept


async def test_a_place_is_a_commune_that_there_is(federation: Federation):
    place = founding.place_of(federation.nantes.world, "44109")
    assert (place["name"], place["inseeCommune"], place["latitude"]) == ("Nantes", "44109", 47.218)
    with pytest.raises(NotFound):
        founding.place_of(federation.nantes.world, "00000")


async def test_actors_of_before_say_what_their_server_offers_since(federation: Federation):
    nantes = federation.nantes
    malo = await nantes.member("malo")
    old = {"sharedInbox": f"{nantes.base}/inbox"}

    async def forget(tx: Transaction) -> None:
        known = await tx.actor(malo)
        assert known is not None
        document = {**known.document, "endpoints": old}
        await tx.make([PutActor(document, local=True, fetched_at=nantes.clock())])

    await nantes.world.store.write(forget)
    before = await nantes.owed()
    assert await founding.renew_endpoints(nantes.world) == 1
    assert await founding.renew_endpoints(nantes.world) == 0
    known = await nantes.world.store.read(lambda reader: reader.actor(malo))
    assert known is not None
    assert known.document["endpoints"]["oauthTokenEndpoint"] == f"{nantes.base}/oauth/token"
    assert await nantes.owed() == before
