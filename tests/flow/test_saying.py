"""What our actors say, to whom it goes, and what it makes others say: whole stories between co-operatives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fedcoop.errors import Conflict, Forbidden, Invalid
from fedcoop.protocol.guards import MAX_REWORKS
from fedcoop.protocol.ids import origin
from tests.flow.federation import Coop, Federation, a_mission, a_price, money
from tests.flow.stories import a_published_mission, an_engagement, an_offer, receipt, record

DAY = {"resourceQuantity": {"hasUnit": "day", "hasNumericalValue": "1"}}


async def alike(federation: Federation, ref: str) -> str:
    """Return the state of `ref`, in which Lyon and Nantes agree."""
    ours, theirs = await federation.nantes.chain(ref), await federation.lyon.chain(ref)
    assert ours == theirs
    assert ours is not None
    return ours.state


async def last(coop: Coop, ref: str) -> dict[str, Any]:
    return (await coop.history(ref))[-1]


# -- to whom it goes ------------------------------------------------------------------------------------------------

REACHED = {
    "public": {"lyon", "alpes"},
    "federation": {"lyon", "alpes"},
    "network": {"lyon"},
    "members": set(),
}


@pytest.mark.parametrize("kind", ["Mission", "ServiceOffer", "Need"])
@pytest.mark.parametrize("scope", REACHED)
async def test_a_scope_reaches_exactly_whom_it_names(federation: Federation, scope: str, kind: str):
    nantes = federation.nantes
    malo = await nantes.member("malo")
    listing = {"type": kind, "name": "Vélo", "publishes": DAY, "relayScope": scope}
    iri = (await nantes.say(nantes.id, "Create", listing)).document["object"]["id"]
    for name, coop in (("lyon", federation.lyon), ("alpes", federation.alpes)):
        member = await coop.member("zoe")
        reached = name in REACHED[scope]
        assert (await coop.state(iri) is not None) is reached
        assert (iri in await coop.board(member)) is reached
        assert (await coop.read(iri, member) is not None) is reached
        assert (iri in await coop.board()) is (reached and scope == "public")
    assert iri in await nantes.board(malo)
    assert (iri in await nantes.board()) is (scope == "public")
    assert (await nantes.read(iri) is not None) is (scope == "public")


@pytest.mark.parametrize("scope", REACHED)
async def test_updates_and_ends_reach_whoever_was_reached(federation: Federation, scope: str):
    nantes = federation.nantes
    listing = {"type": "ServiceOffer", "name": "Vélo", "publishes": DAY, "relayScope": scope}
    iri = (await nantes.say(nantes.id, "Create", listing)).document["object"]["id"]
    await nantes.say(nantes.id, "Update", {"id": iri, "name": "Vélo cargo"})
    for name, coop in (("lyon", federation.lyon), ("alpes", federation.alpes)):
        expected = ("published", 2) if name in REACHED[scope] else None
        assert await coop.state(iri) == expected
    await nantes.say(nantes.id, "Delete", iri)
    for name, coop in (("lyon", federation.lyon), ("alpes", federation.alpes)):
        expected = ("withdrawn", 3) if name in REACHED[scope] else None
        assert await coop.state(iri) == expected
        assert await coop.board(open_only=False) == []


async def test_a_mission_is_the_publics_until_it_engages_somebody(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    awa, zoe = await lyon.member("awa", status="cape"), await alpes.member("zoe")
    mission = await a_published_mission(nantes)
    assert await alpes.read(mission) is not None
    await an_engagement(federation, awa, mission)
    for coop in (nantes, alpes):
        assert await coop.read(mission) is None
    assert (await alpes.read(mission, zoe) or {})["missionState"] == "assigned"


async def test_what_parties_agree_on_is_theirs(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    awa, malo = await lyon.member("awa", status="cape"), await lyon.member("malo")
    engagement = await an_engagement(federation, awa, await a_published_mission(nantes))
    assert await alpes.chain(engagement) is None
    for actor, may in ((awa, True), (lyon.id, True), (malo, False), (None, False)):
        assert (await lyon.read(engagement, actor) is not None) is may
    for actor, may in ((nantes.id, True), (await nantes.member("yann"), False)):
        assert (await nantes.read(engagement, actor) is not None) is may


# -- what the owner answers -----------------------------------------------------------------------------------------


async def two_offers(federation: Federation, **mission: Any) -> tuple[str, list[str], list[str]]:
    lyon = federation.lyon
    iri = await a_published_mission(federation.nantes, **mission)
    people = [await lyon.member(name, status="cape") for name in ("awa", "malo")]
    return iri, people, [await an_offer(lyon, who, iri) for who in people]


async def test_a_new_price_is_put_to_everybody_who_has_offered(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    mission, people, offers = await two_offers(federation)
    intent = (await nantes.chain(mission)).document["reciprocal"]  # type: ignore[union-attr]
    dearer = {"resourceQuantity": {"hasUnit": "one", "hasNumericalValue": "1200.00"}}
    await nantes.say(
        nantes.id, "Update", {"id": mission, "price": a_price("1200.00"), "reciprocal": {**intent, **dearer}}
    )
    for offer in offers:
        assert await alike(federation, offer) == "countered"
        counter = (await last(lyon, offer))["result"]
        assert counter["stipulatesReciprocal"]["resourceQuantity"]["hasNumericalValue"] == "1200.00"
    again = (
        await lyon.say(people[0], "Offer", {"type": "Agreement", "mission": mission}, inReplyTo=offers[0])
    ).activity_id
    await nantes.say(nantes.id, "Accept", again)
    assert await alike(federation, offers[0]) == "accepted"
    assert await alike(federation, offers[1]) == "rejected"
    assert await alike(federation, mission) == "assigned"


async def test_other_words_are_put_to_nobody(federation: Federation):
    mission, _, offers = await two_offers(federation)
    await federation.nantes.say(
        federation.nantes.id, "Update", {"id": mission, "content": "<p>Plus clair.</p>"}
    )
    assert [await alike(federation, offer) for offer in offers] == ["proposed", "proposed"]


@pytest.mark.parametrize("how", ["Update", "Delete"])
async def test_a_withdrawn_mission_answers_everybody(federation: Federation, how: str):
    nantes = federation.nantes
    mission, _, offers = await two_offers(federation)
    await nantes.say(nantes.id, "TentativeReject", offers[1])
    obj: Any = mission if how == "Delete" else {"id": mission, "missionState": "withdrawn"}
    await nantes.say(nantes.id, how, obj)
    assert await alike(federation, mission) == "withdrawn"
    for offer in offers:
        assert await alike(federation, offer) == "rejected"
        assert (await last(federation.lyon, offer))["reasonCode"] == "missionWithdrawn"
    assert (await federation.lyon.read(mission, federation.lyon.id) is None) is (how == "Delete")


async def test_a_mission_with_accepted_work_is_not_withdrawn(federation: Federation):
    nantes = federation.nantes
    mission, _, offers = await two_offers(federation, slots=2)
    await nantes.say(nantes.id, "Accept", offers[0])
    for said in (
        {"type": "Update", "object": {"id": mission, "missionState": "withdrawn"}},
        {"type": "Delete", "object": mission},
    ):
        with pytest.raises(Invalid) as refusal:
            await nantes.post(nantes.id, said)
        assert refusal.value.extra["guard"] == "nothingAccepted"


async def test_two_slots_are_filled_by_two(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    mission, _, offers = await two_offers(federation, slots=2)
    third = await an_offer(lyon, await lyon.member("ines", status="cesa"), mission)
    await nantes.say(nantes.id, "Accept", offers[0])
    assert (await alike(federation, mission), await alike(federation, third)) == ("published", "proposed")
    await nantes.say(nantes.id, "Accept", offers[1])
    assert (await alike(federation, mission), await alike(federation, third)) == ("assigned", "rejected")
    assert (await last(lyon, mission))["object"]["stateActivity"] == (await last(lyon, offers[1]))["id"]


async def test_a_mission_of_two_is_as_far_as_the_slower_one(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    mission, people, offers = await two_offers(federation, slots=2)
    engagements = [(await nantes.say(nantes.id, "Accept", o)).document["result"]["id"] for o in offers]
    states = []
    for phase in ("started", "delivered"):
        for who, engagement in zip(people, engagements, strict=True):
            await lyon.say(who, "Create", record(engagement, phase))
            states.append(await alike(federation, mission))
    assert states == ["started", "started", "started", "delivered"]
    for engagement in engagements:
        chain = await nantes.chain(engagement)
        assert chain is not None
        await nantes.say(nantes.id, "Accept", chain.memory["record"])
        states.append(await alike(federation, mission))
    for engagement in engagements:
        await lyon.say(lyon.id, "Create", receipt(engagement, "invoiceIssued"))
        await nantes.say(nantes.id, "Create", receipt(engagement, "paymentConfirmed"))
        states.append(await alike(federation, mission))
    assert states[4:] == ["delivered", "accepted", "accepted", "settled"]


@pytest.mark.parametrize("who", ["worker", "owner"])
async def test_a_freed_slot_is_offered_again(federation: Federation, who: str):
    lyon, nantes = federation.lyon, federation.nantes
    awa, malo = await lyon.member("awa", status="cape"), await lyon.member("malo", status="cape")
    mission = await a_published_mission(nantes, startTime="2026-12-24T08:00:00Z")
    offer = await an_offer(lyon, awa, mission)
    engagement = (await nantes.say(nantes.id, "Accept", offer)).document["result"]["id"]
    assert await alike(federation, mission) == "assigned"
    if who == "worker":
        await lyon.say(awa, "Undo", offer, reasonCode="other")
    else:
        await nantes.say(nantes.id, "Undo", engagement, reasonCode="other")
    assert (await alike(federation, mission), await alike(federation, offer)) == ("published", "terminated")
    assert await nantes.read(mission) is not None
    await an_engagement(federation, malo, mission)
    assert await alike(federation, mission) == "assigned"


async def test_a_mission_is_cancelled_in_time_or_for_a_compensation(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    early = await a_published_mission(nantes, startTime="2026-12-24T08:00:00Z")
    engagement = await an_engagement(federation, awa, early)
    cancel = {"missionState": "cancelled", "reasonCode": "other"}
    await nantes.say(nantes.id, "Update", {"id": early, **cancel})
    assert (await alike(federation, early), await alike(federation, engagement)) == (
        "cancelled",
        "terminated",
    )
    soon = await a_published_mission(nantes)
    engagement = await an_engagement(federation, awa, soon)
    with pytest.raises(Invalid):
        await nantes.post(nantes.id, {"type": "Update", "object": {"id": soon, **cancel}})
    assert await alike(federation, soon) == "assigned"
    await nantes.say(nantes.id, "Update", {"id": soon, **cancel, "compensation": money("250.00")})
    assert (await alike(federation, soon), await alike(federation, engagement)) == ("cancelled", "terminated")
    assert (await last(lyon, engagement))["compensation"] == money("250.00")


async def test_work_that_has_begun_is_cancelled_for_a_compensation_only(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    engagement = await an_engagement(federation, awa, mission)
    await lyon.say(awa, "Create", record(engagement, "started"))
    change = {"id": mission, "missionState": "cancelled", "reasonCode": "other"}
    with pytest.raises(Invalid):
        await nantes.post(nantes.id, {"type": "Update", "object": change})
    await nantes.say(nantes.id, "Update", {**change, "compensation": money("380.00")})
    assert await alike(federation, engagement) == "terminated"


async def test_work_is_sent_back_so_often_and_no_more(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    engagement = await an_engagement(federation, awa, mission)
    await lyon.say(awa, "Create", record(engagement, "started"))
    for _ in range(MAX_REWORKS):
        done = await lyon.say(awa, "Create", record(engagement, "delivered"))
        assert await alike(federation, mission) == "delivered"
        await nantes.say(nantes.id, "Reject", done.document["object"]["id"], reasonCode="qualityDispute")
        assert (await alike(federation, mission), await alike(federation, engagement)) == (
            "started",
            "active",
        )
    done = await lyon.say(awa, "Create", record(engagement, "delivered"))
    with pytest.raises(Invalid) as refusal:
        await nantes.post(
            nantes.id,
            {"type": "Reject", "object": done.document["object"]["id"], "reasonCode": "qualityDispute"},
        )
    assert refusal.value.extra["guard"] == "reworksLeft"


async def test_a_gratis_mission_is_settled_without_a_receipt(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="volunteer")
    gratis = {k: v for k, v in a_mission(acceptedStatuses=["volunteer"]).items() if k != "price"}
    mission = (await nantes.say(nantes.id, "Create", gratis)).document["object"]["id"]
    engagement = await an_engagement(federation, awa, mission)
    await lyon.say(awa, "Create", record(engagement, "started"))
    done = await lyon.say(awa, "Create", record(engagement, "delivered"))
    await nantes.say(nantes.id, "Accept", done.document["object"]["id"])
    assert (await alike(federation, engagement), await alike(federation, mission)) == ("completed", "settled")


# -- services and needs, in both directions -------------------------------------------------------------------------


async def worked(
    federation: Federation, worker: tuple[Coop, str], payer: tuple[Coop, str], engagement: str
) -> None:
    """Do the work of an engagement, accept it, bill it and pay it."""
    (there, who), (here, pays) = worker, payer
    await there.say(who, "Create", record(engagement, "started"))
    done = await there.say(who, "Create", record(engagement, "delivered"))
    await here.say(pays, "Accept", done.document["object"]["id"])
    await there.say(there.id, "Create", receipt(engagement, "invoiceIssued"))
    await here.say(pays, "Create", receipt(engagement, "paymentConfirmed"))


async def test_a_service_is_ordered_by_another_co_op_and_carried_by_its_own(federation: Federation):
    """The worker publishes and orders the chain; the credential is shown with the Accept."""
    lyon, nantes = federation.lyon, federation.nantes
    service = {"type": "ServiceOffer", "name": "Formation", "publishes": DAY, "price": a_price("420.00")}
    coops = {**service, "relayScope": "federation"}
    iri = (await lyon.say(lyon.id, "Create", coops)).document["object"]["id"]
    assert await nantes.state(iri) == ("published", 1)
    order = (await nantes.say(nantes.id, "Offer", {"type": "Agreement", "mission": iri})).activity_id
    chain = await nantes.chain(order)
    assert chain is not None
    assert (chain.parties["worker"], chain.parties["requester"]) == (lyon.id, nantes.id)
    engagement = (await lyon.say(lyon.id, "Accept", order)).document["result"]["id"]
    await worked(federation, (lyon, lyon.id), (nantes, nantes.id), engagement)
    assert await alike(federation, engagement) == "settled"
    assert await alike(federation, iri) == "published"


async def test_a_carried_member_sells_a_service_and_shows_the_credential_when_accepting(
    federation: Federation,
):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    service = {"type": "ServiceOffer", "name": "Formation", "publishes": DAY, "price": a_price("420.00")}
    iri = (await lyon.say(awa, "Create", service)).document["object"]["id"]
    assert await nantes.state(iri) == ("published", 1)
    order = (await nantes.say(nantes.id, "Offer", {"type": "Agreement", "mission": iri})).activity_id
    accept = await lyon.say(awa, "Accept", order)
    result = accept.document["result"]
    assert (result["carrier"], result["workStatus"]) == (lyon.id, "cape")
    assert "MembershipCredential" in result["attachment"][0]["type"]
    assert (await nantes.chain(order)).parties["carrier"] == lyon.id  # type: ignore[union-attr]
    await worked(federation, (lyon, awa), (nantes, nantes.id), result["id"])
    assert await alike(federation, order) == "settled"


@pytest.mark.parametrize("forward", [True, False])
async def test_a_need_is_met_by_the_other_co_op(federation: Federation, forward: bool):
    """The requester publishes; the worker, carried or not, answers with the credential on the Offer."""
    asks, works = (federation.nantes, federation.lyon) if forward else (federation.lyon, federation.nantes)
    awa = await works.member("awa", status="cesa")
    need = {"type": "Need", "name": "Traduction", "publishes": DAY, "price": a_price("300.00")}
    iri = (await asks.say(asks.id, "Create", need)).document["object"]["id"]
    offer = await an_offer(works, awa, iri)
    chain = await asks.chain(offer)
    assert chain is not None
    assert (chain.parties["worker"], chain.parties["carrier"], chain.owner) == (awa, works.id, asks.id)
    engagement = (await asks.say(asks.id, "Accept", offer)).document["result"]["id"]
    await worked(federation, (works, awa), (asks, asks.id), engagement)
    assert await alike(federation, offer) == "settled"


async def test_a_need_is_met_once(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    need = {"type": "Need", "name": "Traduction", "publishes": DAY, "price": a_price("300.00")}
    iri = (await nantes.say(nantes.id, "Create", need)).document["object"]["id"]
    people = [await lyon.member(name, status="cape") for name in ("awa", "malo")]
    offers = [await an_offer(lyon, who, iri) for who in people]
    await nantes.say(nantes.id, "Accept", offers[0])
    with pytest.raises(Conflict) as refusal:
        await nantes.post(nantes.id, {"type": "Accept", "object": offers[1]})
    assert refusal.value.code == "slot-filled"


async def test_who_waits_for_a_service_hears_of_a_new_price_and_of_its_end(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    service = {"type": "ServiceOffer", "name": "Formation", "publishes": DAY, "price": a_price("420.00")}
    iri = (await lyon.say(lyon.id, "Create", service)).document["object"]["id"]
    order = (await nantes.say(nantes.id, "Offer", {"type": "Agreement", "mission": iri})).activity_id
    intent = (await lyon.chain(iri)).document["reciprocal"]  # type: ignore[union-attr]
    dearer = {**intent, "resourceQuantity": {"hasUnit": "one", "hasNumericalValue": "450.00"}}
    await lyon.say(lyon.id, "Update", {"id": iri, "price": a_price("450.00"), "reciprocal": dearer})
    assert await alike(federation, order) == "countered"
    await lyon.say(lyon.id, "Delete", iri)
    assert await alike(federation, order) == "rejected"
    assert await nantes.board(nantes.id) == []


# -- what is refused before it goes out -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"slots": 0}, "schema-invalid"),
        ({"acceptedStatuses": ["selfEmployed"]}, "guard-failed"),
        ({"pricingRule": "https://nantes.example/rules/none"}, "guard-failed"),
        ({"applyBefore": "soon"}, "schema-invalid"),
        ({"relayScope": "everybody"}, "unknown-code"),
    ],
)
async def test_a_mission_that_no_peer_would_take_is_not_published(
    federation: Federation, change: dict[str, Any], code: str
):
    nantes = federation.nantes
    before = nantes.rows()
    with pytest.raises(Invalid) as refusal:
        await nantes.post(nantes.id, a_mission(**change))
    assert refusal.value.code == code
    assert nantes.rows() == before


async def test_an_offer_that_does_not_match_is_refused_by_the_workers_own_server(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    intent = (await lyon.chain(mission)).document["publishes"]  # type: ignore[union-attr]
    other = {
        "type": "Commitment",
        "satisfies": intent["id"],
        "resourceQuantity": {"hasUnit": "day", "hasNumericalValue": "9"},
    }
    with pytest.raises(Invalid) as refusal:
        await lyon.post(
            awa, {"type": "Offer", "object": {"type": "Agreement", "mission": mission, "stipulates": other}}
        )
    assert refusal.value.code == "quantity-mismatch"
    assert await lyon.owed() == 0


async def test_a_scope_is_widened_and_never_narrowed(federation: Federation):
    nantes, alpes = federation.nantes, federation.alpes
    mission = await a_published_mission(nantes, relayScope="network")
    assert await alpes.state(mission) is None
    await nantes.say(nantes.id, "Update", {"id": mission, "relayScope": "federation"})
    # Whoever hears of it only now is sent what came before.
    assert await alpes.state(mission) == ("published", 2)
    with pytest.raises(Invalid) as refusal:
        await nantes.post(nantes.id, {"type": "Update", "object": {"id": mission, "relayScope": "members"}})
    assert refusal.value.extra["guard"] == "listingTerms"


async def test_a_profile_is_changed_and_sent_to_followers(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    before = await lyon.world.store.read(lambda reader: reader.actor(nantes.id))
    await nantes.say(
        nantes.id, "Update", {"id": nantes.id, "summary": "<p>À vélo.</p>", "inbox": "https://x.example/"}
    )
    for coop in (nantes, lyon):
        stored = await coop.world.store.read(lambda reader: reader.actor(nantes.id))
        assert stored is not None
        assert before is not None
        assert stored.document["summary"] == "<p>À vélo.</p>"
        assert (stored.inbox, stored.shared_inbox) == (before.inbox, before.shared_inbox)
        assert stored.document["publicKey"] == before.document["publicKey"]
        assert stored.local is (coop is nantes)


@pytest.mark.parametrize("state", ["pending", "frozen", "blocked"])
@pytest.mark.parametrize("kind", ["Follow", "Offer"])
async def test_nothing_is_asked_of_somebody_who_would_never_hear_of_it(
    federation: Federation, kind: str, state: Any
):
    lyon, nantes = federation.lyon, federation.nantes
    mission = await a_published_mission(nantes)
    awa = await lyon.member("awa", status="selfEmployed")
    known = await lyon.world.store.read(lambda reader: reader.peer(nantes.base))
    assert known is not None
    await lyon.world.store.write(lambda tx: tx.put_peer(replace(known, state=state)))
    with pytest.raises(Forbidden) as refusal:
        await lyon.say(
            awa, kind, nantes.id if kind == "Follow" else {"type": "Agreement", "mission": mission}
        )
    code = "not-in-allow-list" if state == "pending" else state
    assert (refusal.value.code, refusal.value.received) == (code, nantes.base)
    said = await lyon.world.store.read(lambda r: r.outbox_page(awa, cursor=None, limit=9, readers=None))
    assert said.items == ()


async def test_nobody_is_followed_whom_the_operator_has_not_allowed(federation: Federation):
    with pytest.raises(Forbidden) as refusal:
        await federation.lyon.say(federation.lyon.id, "Follow", "https://elsewhere.example/actors/coop")
    assert refusal.value.received == origin("https://elsewhere.example/actors/coop")
