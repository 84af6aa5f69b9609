"""How our own actors say things: what is filled in, what is kept, and what the client may not set."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fedcoop.errors import Forbidden, Invalid, NotFound
from fedcoop.protocol import schemas
from fedcoop.protocol.authorise import FollowFact
from fedcoop.protocol.build import FILLERS, FOLDER_OF_CLASS, NOTICE, complete, contexts, draft
from fedcoop.protocol.chain import reference_of
from fedcoop.protocol.facts import Facts
from fedcoop.protocol.messages import Chain, Intent
from fedcoop.protocol.model import LIFECYCLES, NAMESPACE
from fedcoop.protocol.shape import read_activity
from tests.protocol.making import (
    AWA,
    CARRIER,
    DIGEST,
    ENGAGEMENT,
    LYON,
    MISSION,
    NANTES,
    OFFERED,
    OWNER,
    RECORD,
    RULE,
    START,
    a_chain,
    a_commitment,
    a_membership,
    a_mission,
    a_price,
    a_scene,
    amount,
    an_agreement,
    an_engagement,
    an_invoice,
    changed,
    keys_of,
    money,
    stamp,
    taken,
    with_,
)
from tests.protocol.signing import NOW, PUBLIC

SAID = stamp(NOW)


def counted(base: str) -> Callable[[str], str]:
    numbers = itertools.count(1)
    return lambda folder: f"{base}/{folder}/{next(numbers)}"


def said(
    actor: str, kind: str, body: dict[str, Any], chain: Chain | None = None, **known: Any
) -> dict[str, Any]:
    """Return what goes out when `actor` says it, before it is signed."""
    base = "/".join(actor.split("/")[:3])
    fresh = counted(base)
    drafted = draft(Intent(actor, kind, body), base=base, fresh=fresh, published=SAID)
    first = read_activity(drafted, b"")
    scene = a_scene(**{"base": base, "reference": reference_of(first), "chain": chain, **known})
    return complete(first, scene, fresh=fresh)


def facts(proposal: Chain | None = None) -> Facts:
    return Facts(proposal=proposal or a_chain("Mission", "published"))


# -- drafts ---------------------------------------------------------------------------------------------------------


def test_a_client_names_neither_activity_nor_object_nor_author():
    body = {
        "id": "x",
        "actor": AWA,
        "type": "Like",
        "published": "x",
        "proof": {},
        "bto": [AWA],
        "bcc": [AWA],
    }
    obj = {"id": f"{NANTES}/missions/mine", "type": "Mission", "attributedTo": AWA, "proof": {}, "bto": [AWA]}
    whole = draft(
        Intent(OWNER, "Create", {**body, "object": obj}), base=NANTES, fresh=counted(NANTES), published=SAID
    )
    assert whole == {
        "@context": contexts(NANTES),
        "id": f"{NANTES}/activities/2",
        "type": "Create",
        "actor": OWNER,
        "published": SAID,
        "object": {"id": f"{NANTES}/missions/1", "type": "Mission", "attributedTo": OWNER},
    }


@pytest.mark.parametrize(("name", "folder"), [*FOLDER_OF_CLASS.items(), ("Note", "objects")])
def test_a_new_object_lives_with_others_of_its_class(name: str, folder: str):
    whole = draft(
        Intent(OWNER, "Create", {"object": {"type": name}}),
        base=NANTES,
        fresh=counted(NANTES),
        published=SAID,
    )
    assert whole["object"]["id"] == f"{NANTES}/{folder}/1"


def test_an_agreement_has_no_id_before_it_is_accepted():
    terms = {"id": "x", "type": "Agreement", "mission": MISSION, "proof": {}}
    whole = draft(Intent(AWA, "Offer", {"object": terms}), base=LYON, fresh=counted(LYON), published=SAID)
    assert whole["object"] == {"type": "Agreement", "mission": MISSION}


# -- proposals ------------------------------------------------------------------------------------------------------


def created(**mission: Any) -> dict[str, Any]:
    given = changed({"type": "Mission", "name": "Vélo", "price": a_price()}, mission)
    return said(OWNER, "Create", {"object": given}, rule_digest=DIGEST)


def test_a_mission_is_completed_to_what_the_vocabulary_asks():
    whole = created()
    mission = whole["object"]
    name = mission["id"]
    assert (whole["stateVersion"], whole["to"], whole["cc"]) == (1, [PUBLIC], [f"{OWNER}/followers"])
    assert (mission["to"], mission["cc"]) == (whole["to"], whole["cc"])
    assert (mission["type"], mission["fedcoopType"]) == ("Note", ["Proposal", "Mission"])
    assert (mission["purpose"], mission["unitBased"], mission["slots"]) == ("request", False, 1)
    assert (mission["publishes"]["id"], mission["reciprocal"]["id"]) == (
        f"{name}#primary",
        f"{name}#reciprocal",
    )
    assert mission["reciprocal"]["resourceQuantity"] == amount("1140.00")
    assert (mission["pricingRule"], mission["pricingRuleDigest"]) == (RULE, DIGEST)
    assert {"cape", "cesa", "esa"} <= set(mission["acceptedStatuses"])
    assert (mission["nameMap"], mission["url"]) == ({"fr": "Vélo"}, name)
    assert "Vélo" in mission["content"]
    schemas.check(mission, "Mission")


def test_what_was_given_is_kept():
    given = {
        "slots": 4,
        "acceptedStatuses": ["volunteer"],
        "unitBased": True,
        "content": "<p>Ici.</p>",
        "nameMap": {"fr": "Vélo", "en": "Bike"},
        "relayScope": "network",
        "publishes": {"id": "mine", "action": "work", "resourceQuantity": amount("3", "day")},
    }
    whole = created(**given)
    mission = whole["object"]
    for name in ("slots", "acceptedStatuses", "unitBased", "content", "nameMap", "relayScope"):
        assert mission[name] == given[name]
    assert (mission["publishes"]["action"], mission["publishes"]["id"]) == (
        "work",
        f"{mission['id']}#primary",
    )
    assert (whole["to"], whole["cc"]) == ([f"{OWNER}/network"], [])


def test_a_mission_without_a_price_has_nothing_to_pay():
    assert "reciprocal" not in created(price=None)["object"]
    asked = created(price=None, reciprocal={"resourceQuantity": amount("5")})["object"]
    assert asked["reciprocal"]["resourceQuantity"] == amount("5")


def test_a_title_in_one_language_stands_for_both_members():
    assert created(name=None, nameMap={"en": "Bike"})["object"]["name"] == "Bike"


@pytest.mark.parametrize(
    ("name", "purpose", "folder"), [("ServiceOffer", "offer", "offers"), ("Need", "request", "needs")]
)
def test_offers_and_needs_are_completed_without_what_is_a_missions(name: str, purpose: str, folder: str):
    whole = said(OWNER, "Create", {"object": {"type": name, "name": "Vélo"}})
    listing = whole["object"]
    assert (listing["purpose"], listing["fedcoopType"]) == (purpose, ["Proposal", name])
    assert listing["id"].startswith(f"{NANTES}/{folder}/")
    assert not {"slots", "missionState", "pricingRule", "acceptedStatuses"} & set(listing)


def test_text_for_other_readers_is_escaped():
    content = created(name="<script>&", location={"type": "Place", "name": "Lille <b>"})["object"]["content"]
    assert "&lt;script>&amp;" in content
    assert "Lille &lt;b>" in content
    assert "1140.00 EUR" in content


def updated(chain: Chain, **change: Any) -> dict[str, Any]:
    return said(OWNER, "Update", {"object": {"id": MISSION, **change}}, chain)


def test_an_update_is_partial_when_said_and_whole_when_it_goes_out():
    chain = a_chain("Mission", "published")
    whole = updated(chain, slots=3, applyBefore=None)
    assert whole["object"] == {
        **{k: v for k, v in chain.document.items() if k != "applyBefore"},
        "slots": 3,
        "updated": SAID,
        "to": [PUBLIC],
        "cc": [f"{OWNER}/followers"],
    }
    assert (whole["stateVersion"], whole["previousDigest"]) == (chain.version + 1, chain.digest)


def test_what_was_filled_in_says_after_an_update_what_holds_then():
    first = created(
        name="Vélo", location={"type": "Place", "name": "Nantes"}, startTime="2026-12-12T09:00:00Z"
    )
    chain = replace(a_chain("Mission", "published"), document=first["object"])
    second = updated(chain, name="Vélo-cargo", startTime="2026-12-13T09:00:00Z")["object"]
    assert second["nameMap"] == {"fr": "Vélo-cargo"}
    assert "Vélo-cargo, Nantes, 2026-12-13, 1140.00 EUR HT" in second["content"]
    # What the client wrote stays as it is, in whatever it is written.
    own = replace(chain, document={**chain.document, "content": "<p>À moi.</p>", "nameMap": {"en": "Bike"}})
    third = updated(own, name="Vélo-cargo")["object"]
    assert (third["content"], third["nameMap"]) == ("<p>À moi.</p>", {"en": "Bike"})
    fourth = updated(chain, name="Vélo-cargo", nameMap={"fr": "x"}, content="y")["object"]
    assert (fourth["content"], fourth["nameMap"]) == ("y", {"fr": "x"})


@pytest.mark.parametrize("state", ["assigned", "started", "delivered", "accepted", "settled", "cancelled"])
def test_the_public_hears_no_more_of_a_mission_that_engages_somebody(state: str):
    whole = updated(a_chain("Mission", "published"), missionState=state)
    assert (whole["to"], whole["cc"]) == ([f"{OWNER}/followers"], [])
    assert whole["object"]["to"] == whole["to"]


@pytest.mark.parametrize("state", ["published", "withdrawn", "expired"])
def test_the_public_hears_that_a_mission_is_over(state: str):
    assert updated(a_chain("Mission", "published"), missionState=state)["to"] == [PUBLIC]


def test_what_is_not_here_is_not_updated():
    with pytest.raises(NotFound):
        said(OWNER, "Update", {"object": {"id": MISSION, "type": "Mission"}})


def test_a_deletion_goes_where_the_proposal_went():
    whole = said(OWNER, "Delete", {"object": MISSION}, a_chain("Mission", "published"))
    assert (whole["to"], whole["cc"]) == ([PUBLIC], [f"{OWNER}/followers"])
    tombstone = {"id": MISSION, "type": "Tombstone", "formerType": "Note", "deleted": SAID}
    assert whole["object"] == tombstone


# -- engagements ----------------------------------------------------------------------------------------------------


def offered(proposal: Chain | None = None, chain: Chain | None = None, **members: Any) -> dict[str, Any]:
    credential = members.pop("credential", a_membership())
    terms = {"type": "Agreement", "mission": MISSION, **members}
    return said(AWA, "Offer", {"object": terms}, chain, facts=facts(proposal), credential=credential)


def test_an_offer_takes_over_the_terms_and_shows_who_carries_the_work():
    whole = offered()
    terms = whole["object"]
    assert (whole["to"], whole["cc"]) == ([OWNER], [CARRIER])
    assert (terms["worker"], terms["client"], terms["carrier"]) == (AWA, OWNER, CARRIER)
    assert (terms["workStatus"], terms["attachment"]) == ("cape", [a_membership()])
    assert (terms["startTime"], terms["price"], terms["pricingRule"]) == (START, a_price(), RULE)
    assert terms["stipulates"]["resourceQuantity"] == amount("3", "day")
    assert terms["stipulatesReciprocal"]["satisfies"] == f"{MISSION}#reciprocal"
    assert set(terms["plainSummary"]) == {"fr", "en"}
    schemas.check(terms, "Engagement")
    facts_ = Facts(proposal=a_chain("Mission", "published"), keys=keys_of(CARRIER), owner_here=True, now=NOW)
    assert taken(read_activity(whole, b""), None, facts_).chain.state == "proposed"


def test_the_notice_is_the_proposals_or_the_usual_one():
    assert offered()["object"]["noticePeriod"] == NOTICE
    asked = a_chain("Mission", "published", document=a_mission(noticePeriod="P14D"))
    assert offered(asked)["object"]["noticePeriod"] == "P14D"


def test_whoever_is_not_employed_carries_the_work_alone():
    alone = offered(credential=None)["object"]
    assert not {"carrier", "workStatus", "attachment"} & set(alone)
    volunteer = offered(credential=a_membership(subject={"workStatus": "volunteer"}))["object"]
    assert volunteer["workStatus"] == "volunteer"
    assert "carrier" not in volunteer


def test_an_offer_for_a_service_asks_its_worker():
    service = a_chain("Listing", "published")
    terms = offered(service)["object"]
    assert (terms["worker"], terms["client"]) == (OWNER, AWA)
    assert "carrier" not in terms


def test_a_renewed_offer_takes_up_the_counter():
    counter = an_engagement(
        stipulatesReciprocal=a_commitment("reciprocal", "1080.00"), price=a_price("1080.00"), attachment=None
    )
    chain = a_chain("Engagement", "countered", memory={"counter": counter})
    terms = offered(chain=chain)["object"]
    assert terms["stipulatesReciprocal"]["resourceQuantity"] == amount("1080.00")
    assert terms["price"] == a_price("1080.00")


def test_an_unknown_proposal_is_not_answered():
    with pytest.raises(NotFound):
        said(AWA, "Offer", {"object": {"type": "Agreement", "mission": MISSION}})


def answered(actor: str, kind: str, target: str, chain: Chain, **more: Any) -> dict[str, Any]:
    members = more.pop("members", {})
    return said(actor, kind, {"object": target, **members}, chain, facts=facts(), **more)


@pytest.mark.parametrize("kind", ["TentativeAccept", "Reject"])
def test_an_answer_goes_to_everyone_it_binds(kind: str):
    whole = answered(OWNER, kind, OFFERED, a_chain("Engagement", "proposed"))
    assert (whole["to"], whole["cc"]) == ([AWA], [CARRIER])
    back = answered(AWA, "Undo", OFFERED, a_chain("Engagement", "proposed"))
    assert (back["to"], back["cc"]) == ([OWNER], [CARRIER])


def test_an_accept_carries_the_agreement_that_was_offered():
    chain = a_chain("Engagement", "proposed")
    whole = answered(OWNER, "Accept", OFFERED, chain)
    result = whole["result"]
    assert (result["attributedTo"], result["engagementState"]) == (OWNER, "accepted")
    assert result["id"].startswith(f"{NANTES}/engagements/")
    assert result["stipulates"]["id"] == f"{result['id']}#primary"
    assert result["stipulatesReciprocal"]["id"] == f"{result['id']}#reciprocal"
    assert "attachment" not in result
    known = Facts(keys=keys_of(CARRIER), proposal=a_chain("Mission", "published"), owner_here=True, now=NOW)
    assert taken(read_activity(whole, b""), chain, known).chain.state == "accepted"


def test_what_only_the_parties_may_know_is_added_when_accepting():
    place = {"type": "Place", "name": "3, rue Kervégan"}
    members = {"agreement": {"exactLocation": place}}
    whole = answered(OWNER, "Accept", OFFERED, a_chain("Engagement", "proposed"), members=members)
    assert whole["result"]["exactLocation"] == place
    assert "agreement" not in whole
    given = answered(
        OWNER, "Accept", OFFERED, a_chain("Engagement", "proposed"), members={"result": an_agreement()}
    )
    assert given["result"] == an_agreement()


def test_the_worker_of_a_service_shows_who_carries_it_when_accepting():
    parties = {"proposer": AWA, "responder": OWNER, "worker": AWA, "requester": OWNER}
    terms = an_engagement(carrier=None, workStatus=None, attachment=None)
    chain = with_(a_chain("Engagement", "proposed"), parties=parties, owner=AWA, document=terms)
    result = answered(AWA, "Accept", OFFERED, chain, credential=a_membership())["result"]
    assert (result["carrier"], result["workStatus"], result["attachment"]) == (
        CARRIER,
        "cape",
        [a_membership()],
    )


def test_a_counter_offer_takes_over_the_terms_as_they_are_now():
    chain = a_chain("Engagement", "proposed")
    dearer = a_mission(price=a_price("1200.00"))
    dearer["reciprocal"] = {**dearer["reciprocal"], "resourceQuantity": amount("1200.00")}
    known = facts(a_chain("Mission", "published", document=dearer))
    whole = said(OWNER, "TentativeReject", {"object": OFFERED}, chain, facts=known)
    result = whole["result"]
    assert result["stipulatesReciprocal"]["resourceQuantity"] == amount("1200.00")
    assert (result["price"], result["engagementState"]) == (a_price("1200.00"), "countered")
    assert taken(read_activity(whole, b""), chain, Facts()).chain.state == "countered"
    own = {"result": an_engagement(attachment=None)}
    assert answered(OWNER, "TentativeReject", OFFERED, chain, members=own)["result"] == own["result"]


def recorded(phase: str, **more: Any) -> dict[str, Any]:
    record = {"type": "WorkRecord", "engagement": ENGAGEMENT, "workPhase": phase, **more}
    return said(AWA, "Create", {"object": record}, a_chain("Engagement", "active"), facts=facts())


def test_a_record_says_whose_work_for_whom_it_is():
    record = recorded("delivered")["object"]
    assert (record["provider"], record["receiver"], record["dataSubject"]) == (AWA, OWNER, AWA)
    assert (record["fulfills"], record["context"]) == (f"{ENGAGEMENT}#primary", ENGAGEMENT)
    assert (record["mission"], record["finished"]) == (MISSION, True)
    assert record["resourceQuantity"] == amount("3", "day")
    schemas.check(record, "WorkRecord")
    assert "finished" not in recorded("started")["object"]
    assert recorded("delivered", finished=False)["object"]["finished"] is False


def test_an_attestation_says_what_was_done():
    chain = a_chain("Engagement", "delivered", memory={"begun": "2026-12-01T08:00:00Z"})
    whole = answered(OWNER, "Accept", RECORD, chain)
    credential = whole["result"]
    subject = credential["credentialSubject"]
    assert (credential["issuer"], credential["validFrom"]) == (OWNER, SAID)
    assert (subject["id"], subject["engagement"], subject["carrier"]) == (AWA, ENGAGEMENT, CARRIER)
    assert (subject["performedFrom"], subject["performedUntil"]) == ("2026-12-01T08:00:00Z", SAID)
    assert "proof" not in credential
    given = {"result": {"type": "x"}}
    assert answered(OWNER, "Accept", RECORD, chain, members=given)["result"] == {"type": "x"}


def test_an_invoice_asks_what_was_agreed_and_a_payment_repeats_the_invoice():
    chain = a_chain("Engagement", "completed")
    receipt = {"type": "Receipt", "engagement": ENGAGEMENT}
    asked = said(
        CARRIER, "Create", {"object": {**receipt, "receiptKind": "invoiceIssued"}}, chain, facts=facts()
    )
    invoice = asked["object"]
    assert (invoice["totalExclTax"], invoice["paymentState"]) == (money("1140.00"), "pending")
    assert invoice["invoiceNumber"].startswith("F-")
    schemas.check(invoice, "Receipt")
    paid = said(
        OWNER, "Create", {"object": {**receipt, "receiptKind": "paymentConfirmed"}}, chain, facts=facts()
    )
    for name in ("invoiceNumber", "totalExclTax", "vatAmount", "totalInclTax"):
        assert paid["object"][name] == an_invoice()[name]
    assert paid["object"]["paymentState"] == "paid"


@pytest.mark.parametrize("name", ["WorkRecord", "Receipt"])
def test_what_belongs_to_no_engagement_is_not_created(name: str):
    with pytest.raises(NotFound):
        said(AWA, "Create", {"object": {"type": name, "engagement": ENGAGEMENT}})


# -- the rest -------------------------------------------------------------------------------------------------------


def test_a_profile_is_updated_in_parts_and_keys_and_addresses_stay():
    stored = {
        "id": OWNER,
        "type": "Organization",
        "name": "Old",
        "inbox": f"{OWNER}/inbox",
        "publicKey": {"id": "k"},
    }
    change = {"id": OWNER, "name": "New", "summary": None, "inbox": "x", "publicKey": "x", "bto": [AWA]}
    whole = said(OWNER, "Update", {"object": change}, profile=stored)
    assert whole["object"] == {**stored, "name": "New"}
    assert (whole["to"], whole["cc"]) == ([PUBLIC], [f"{OWNER}/followers"])


def test_a_follow_and_its_answers_find_their_addressee():
    follow = said(OWNER, "Follow", {"object": CARRIER})
    assert follow["to"] == [CARRIER]
    fact = FollowFact(CARRIER, OWNER, "f1", "pending")
    assert said(OWNER, "Accept", {"object": "f1"}, follow=fact)["to"] == [CARRIER]
    assert said(CARRIER, "Undo", {"object": "f1"}, follow=fact)["to"] == [OWNER]
    assert said(OWNER, "Reject", {"object": "f1", "to": [AWA]}, follow=fact)["to"] == [AWA]


def test_nobody_is_addressed_twice_and_nobody_writes_to_themselves():
    note = {"object": {"type": "Note"}, "to": [AWA, OWNER, AWA], "cc": [AWA, CARRIER, OWNER]}
    whole = said(OWNER, "Create", note)
    assert (whole["to"], whole["cc"]) == ([AWA], [CARRIER])


def test_what_nobody_fills_in_goes_out_as_it_was_said():
    whole = said(OWNER, "Probe", {"to": AWA, "inReplyTo": "p1"})
    assert (whole["to"], whole["inReplyTo"]) == ([AWA], "p1")
    assert "stateVersion" not in whole


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("relayScope", "everybody"),
        ("acceptedStatuses", ["cape", "boss"]),
        ("workMode", 5),
        ("acceptedStatuses", [{"x": 1}]),
        ("socialCoverage", ["everything"]),
        ("skills", [{"type": "SkillRef", "codeSystem": "horoscope", "code": "A1"}]),
        ("price", {"lines": [{"type": "SettlementLine", "lineKind": "bribe"}]}),
    ],
)
def test_what_we_write_uses_the_codes_of_the_vocabulary(member: str, value: Any):
    with pytest.raises(Invalid) as refusal:
        created(**{member: value})
    assert refusal.value.code == "unknown-code"


def test_an_answer_repeats_the_units_of_the_other_side():
    quantity = {"hasUnit": "kilogram", "hasNumericalValue": "2"}
    whole = created(publishes={"action": "transfer", "resourceQuantity": quantity})
    assert whole["object"]["publishes"]["resourceQuantity"] == quantity


@pytest.mark.parametrize("name", ["wagePreference", "fc:wagePreference", f"{NAMESPACE}wagePreference"])
@pytest.mark.parametrize("inside", [dict, lambda member: {"attachment": [{"x": [member]}]}])
def test_what_never_leaves_is_not_written_into_anything(name: str, inside: Callable[[Any], Any]):
    with pytest.raises(Forbidden) as refusal:
        said(OWNER, "Create", {"object": {"type": "Note", **inside({name: "2000.00"})}})
    assert (refusal.value.code, refusal.value.received) == ("not-visible", name)


def test_codes_are_looked_for_wherever_they_are():
    with pytest.raises(Invalid):
        answered(OWNER, "Reject", OFFERED, a_chain("Engagement", "proposed"), members={"reasonCode": "mood"})
    with pytest.raises(Invalid):
        recorded("almost")


def test_every_edge_of_an_engagement_that_we_can_say_is_filled_in():
    edges = {(e.activity, e.object_class) for e in LIFECYCLES["Engagement"].edges if e.implemented}
    said_otherwise = {("Undo", "Accept")}
    assert edges - said_otherwise <= set(FILLERS)
