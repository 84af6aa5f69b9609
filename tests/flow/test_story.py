"""The main job: one mission, from publication to attested and paid work, across two co-operatives."""

from __future__ import annotations

from tests.flow.federation import Federation, a_mission, a_price, money


async def test_a_mission_is_carried_from_publication_to_settlement(federation: Federation) -> None:
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    awa = await lyon.member("awa", status="cape")
    mission = (await nantes.say(nantes.id, "Create", a_mission())).document["object"]["id"]
    for coop in (lyon, nantes, alpes):
        assert await coop.state(mission) == ("published", 1), coop.base

    offer = (await lyon.say(awa, "Offer", {"type": "Agreement", "mission": mission})).activity_id
    assert await nantes.state(offer) == ("proposed", 1) == await lyon.state(offer)
    assert await alpes.state(offer) is None

    await nantes.say(nantes.id, "TentativeAccept", offer)
    assert await lyon.state(offer) == ("proposed", 2) == await nantes.state(offer)
    chain = await lyon.chain(offer)
    assert chain is not None
    counter = {**chain.document, "stipulatesReciprocal": {**chain.document["stipulatesReciprocal"]}}
    counter["stipulatesReciprocal"]["resourceQuantity"] = {"hasUnit": "one", "hasNumericalValue": "1080.00"}
    counter["price"] = a_price("1080.00")
    counter.pop("attachment")
    await nantes.say(nantes.id, "TentativeReject", offer, result=counter)
    assert await lyon.state(offer) == ("countered", 3) == await nantes.state(offer)

    second = (
        await lyon.say(awa, "Offer", {"type": "Agreement", "mission": mission}, inReplyTo=offer)
    ).activity_id
    assert await nantes.state(second) == ("proposed", 4) == await lyon.state(offer)

    accept = await nantes.say(nantes.id, "Accept", second)
    engagement = accept.document["result"]["id"]
    assert await lyon.state(engagement) == ("accepted", 5) == await nantes.state(engagement)
    for coop in (lyon, nantes, alpes):
        assert await coop.state(mission) == ("assigned", 2), coop.base

    work = {"type": "WorkRecord", "engagement": engagement}
    await lyon.say(awa, "Create", {**work, "workPhase": "started"})
    assert await nantes.state(engagement) == ("active", 6)
    assert await lyon.state(mission) == ("started", 3)
    record = (await lyon.say(awa, "Create", {**work, "workPhase": "delivered"})).document["object"]["id"]
    assert await nantes.state(mission) == ("delivered", 4)
    await nantes.say(
        nantes.id, "Reject", record, reasonCode="qualityDispute", content="<p>Il manque les tests.</p>"
    )
    assert await lyon.state(engagement) == ("active", 8) == await nantes.state(engagement)
    record = (await lyon.say(awa, "Create", {**work, "workPhase": "delivered"})).document["object"]["id"]
    attested = await nantes.say(nantes.id, "Accept", record)
    assert attested.document["result"]["credentialSubject"]["id"] == awa
    assert await lyon.state(engagement) == ("completed", 10)

    receipt = {"type": "Receipt", "engagement": engagement}
    invoice = {
        **receipt,
        "receiptKind": "invoiceIssued",
        "vatAmount": money("216.00"),
        "totalInclTax": money("1296.00"),
    }
    await lyon.say(lyon.id, "Create", invoice)
    await nantes.say(nantes.id, "Create", {**receipt, "receiptKind": "paymentConfirmed"})
    assert await lyon.state(engagement) == ("settled", 12) == await nantes.state(engagement)
    for coop in (lyon, nantes, alpes):
        assert (await coop.state(mission) or ("", 0))[0] == "settled", coop.base
    head = await nantes.chain(engagement)
    assert head == await lyon.chain(engagement)
    assert head is not None
    assert head.digest.startswith("zQm")
