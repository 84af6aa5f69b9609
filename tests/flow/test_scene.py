"""What is read before a decision, from the store as it stands."""

from __future__ import annotations

from typing import Any

from fedcoop.flow.scene import credential_id, gather, split
from fedcoop.ports import Transaction
from fedcoop.protocol.authorise import Scene
from fedcoop.protocol.facts import Facts
from fedcoop.protocol.messages import Activity, Chain
from fedcoop.protocol.shape import read_activity
from tests.flow.federation import Coop, Federation
from tests.flow.stories import a_published_mission, an_engagement, plainly


async def seen(coop: Coop, document: dict[str, Any]) -> Scene:
    """Return the scene of `document` as `coop` sees it."""
    activity = read_activity(document, b"")

    async def work(tx: Transaction) -> Scene:
        return await gather(tx, activity, instance=coop.world.instance, now=coop.clock(), keys={})

    return await coop.world.store.write(work)


async def test_an_offer_is_read_with_its_proposal_and_those_who_were_faster(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes, slots=2)
    engagement = await an_engagement(federation, awa, mission)
    offer = plainly(lyon, awa, "Offer", {"type": "Agreement", "mission": mission})
    here, there = await seen(nantes, offer), await seen(lyon, offer)
    assert (here.facts.owner_here, there.facts.owner_here) == (True, False)
    assert here.facts.proposal == await nantes.chain(mission)
    assert [e.memory["engagement"] for e in here.facts.engagements] == [engagement]
    assert there.facts.engagements == ()
    assert (here.facts.proposal_current, there.facts.proposal_current) == (True, True)
    assert not (await seen(federation.alpes, offer)).facts.proposal_current


async def test_of_an_unknown_proposal_whoever_is_asked_is_taken_for_the_owner(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    terms = {"type": "Agreement", "mission": f"{nantes.base}/missions/none"}
    offer = plainly(lyon, awa, "Offer", terms, to=[nantes.id])
    assert (await seen(nantes, offer)).facts.owner_here
    assert not (await seen(federation.alpes, offer)).facts.owner_here


async def test_a_step_is_read_with_its_chain_and_links(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    engagement = await an_engagement(federation, awa, await a_published_mission(nantes))
    chain = await nantes.chain(engagement)
    assert chain is not None
    record = {"id": f"{lyon.base}/records/1", "type": "WorkRecord", "engagement": engagement}
    scene = await seen(nantes, plainly(lyon, awa, "Create", record))
    assert (scene.chain, len(scene.links), scene.follow) == (chain, 2, None)


async def test_the_owner_of_an_object_is_known_and_whether_it_is_gone(federation: Federation):
    nantes = federation.nantes
    said = await nantes.post(nantes.id, {"type": "Note", "content": "x"})
    iri = said.document["object"]["id"]
    note = {"id": iri, "type": "Note"}
    scene = await seen(nantes, plainly(nantes, nantes.id, "Update", note))
    assert (scene.object_owner, scene.object_gone) == (nantes.id, False)
    await nantes.post(nantes.id, {"type": "Delete", "object": iri})
    assert (await seen(nantes, plainly(nantes, nantes.id, "Update", note))).object_gone
    other = await seen(nantes, plainly(nantes, nantes.id, "Delete", f"{nantes.base}/none"))
    assert (other.object_owner, other.object_gone) == (None, False)
    actor = await seen(
        nantes, plainly(nantes, nantes.id, "Update", {"id": nantes.world.instance.application})
    )
    assert actor.object_owner == nantes.world.instance.application


async def test_names_that_are_taken_are_known(federation: Federation):
    nantes = federation.nantes
    mission = await a_published_mission(nantes)
    for taken in (mission, nantes.id, f"{nantes.base}/rules/fixed-price"):
        scene = await seen(nantes, plainly(nantes, nantes.id, "Create", {"id": taken, "type": "Note"}))
        assert scene.in_use == {taken}
        scene = await seen(nantes, plainly(nantes, nantes.id, "Accept", "x", result={"id": taken}))
        assert scene.in_use == {taken}
    free = await seen(
        nantes, plainly(nantes, nantes.id, "Create", {"id": f"{nantes.base}/new", "type": "Note"})
    )
    assert free.in_use == frozenset()


async def test_a_follow_is_found_by_its_id_or_by_its_two_ends(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    follow = await lyon.world.store.write(lambda tx: tx.follow(nantes.id, lyon.id))
    assert follow is not None
    embedded = {"type": "Follow", "actor": nantes.id, "object": lyon.id}
    for obj in (follow.activity_id, {**embedded, "id": follow.activity_id}, embedded):
        scene = await seen(lyon, plainly(nantes, nantes.id, "Undo", obj))
        assert scene.follow is not None
        assert (scene.follow.follower, scene.follow.followed) == (nantes.id, lyon.id)
    again = await seen(lyon, plainly(nantes, nantes.id, "Follow", lyon.id))
    assert again.follow is not None
    assert again.follow.state == "accepted"
    assert (await seen(lyon, plainly(nantes, nantes.id, "Undo", {"type": "Follow"}))).follow is None
    leaving = await seen(lyon, plainly(nantes, nantes.id, "Delete", nantes.id))
    assert {(f.follower, f.followed) for f in leaving.follows} == {(nantes.id, lyon.id), (lyon.id, nantes.id)}


async def test_a_credential_is_at_hand_for_our_own_who_offer_or_accept(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa", status="cape")
    iri = credential_id(lyon.world.instance, awa)
    offer = plainly(lyon, awa, "Offer", {"type": "Agreement", "mission": "https://nantes.example/missions/x"})
    scene = await seen(lyon, {**offer, "to": [federation.nantes.id]})
    assert scene.credential is not None
    assert scene.credential["id"] == iri
    assert (await seen(lyon, plainly(lyon, awa, "Follow", federation.nantes.id))).credential is None
    assert (await seen(federation.nantes, {**offer, "to": [federation.nantes.id]})).credential is None


async def test_a_mission_of_ours_is_read_with_its_rules(federation: Federation):
    nantes = federation.nantes
    rules = {
        "pricingRule": f"{nantes.base}/rules/fixed-price",
        "matchingRule": f"{nantes.base}/rules/matching",
    }
    mission = {"id": f"{nantes.base}/missions/x", "type": "Mission", "attributedTo": nantes.id, **rules}
    scene = await seen(nantes, plainly(nantes, nantes.id, "Create", mission))
    assert scene.facts.rules_known
    assert (scene.rule_digest or "").startswith("zQm")
    for name in rules:
        lacking = {**mission, name: f"{nantes.base}/rules/none"}
        assert not (await seen(nantes, plainly(nantes, nantes.id, "Create", lacking))).facts.rules_known
    # Of a peer's mission its own server knows the rules.
    theirs = {**mission, "id": "https://lyon.example/missions/x", "attributedTo": federation.lyon.id}
    assert (
        await seen(nantes, plainly(federation.lyon, federation.lyon.id, "Create", theirs))
    ).facts.rules_known


async def test_meaning_is_drawn_from_our_contexts_only(federation: Federation):
    nantes = federation.nantes
    note = plainly(nantes, nantes.id, "Create", {"id": f"{nantes.base}/n", "type": "Note"})
    assert (await seen(nantes, note)).fedcoop
    assert not (await seen(nantes, {**note, "@context": note["@context"][:1]})).fedcoop


async def test_a_chain_is_split_where_one_likes(federation: Federation):
    nantes = federation.nantes
    mission = await a_published_mission(nantes)
    await nantes.say(nantes.id, "Update", {"id": mission, "slots": 2})

    async def work(tx: Transaction) -> list[tuple[Chain | None, tuple[Activity, ...]]]:
        return [await split(tx, mission, version, Facts()) for version in (1, 2, 3)]

    (none, all_), (first, tail), (whole, nothing) = await nantes.world.store.write(work)
    assert (none, len(all_), nothing) == (None, 2, ())
    assert first is not None
    assert (first.version, len(tail)) == (1, 1)
    assert whole == await nantes.chain(mission)
