"""Each named condition of the lifecycles: what it lets pass, and what it refuses with which code."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedcoop.errors import Conflict, FedcoopError, Forbidden, Invalid
from fedcoop.protocol import guards
from fedcoop.protocol.facts import Facts, Step
from fedcoop.protocol.guards import GUARDS, decimal, duration, moment, said_at
from fedcoop.protocol.limits import MAX_CANDIDATES
from fedcoop.protocol.messages import Activity, Chain
from fedcoop.protocol.model import LIFECYCLES
from fedcoop.protocol.policy import AGREEMENT
from tests.conftest import ROOT
from tests.protocol.making import (
    AWA,
    CARRIER,
    ENGAGEMENT,
    LYON,
    MALLORY,
    MISSION,
    NANTES,
    OFFERED,
    OWNER,
    PARTIES,
    RECORD,
    START,
    a_chain,
    a_commitment,
    a_membership,
    a_mission,
    a_payment,
    a_price,
    a_record,
    a_service,
    amount,
    an_activity,
    an_agreement,
    an_attestation,
    an_engagement,
    an_invoice,
    engaged,
    following,
    keys_of,
    money,
    stamp,
    with_,
)
from tests.protocol.signing import NOW

KEYS = keys_of(OWNER, CARRIER)


def asked(
    name: str, activity: Activity, chain: Chain, facts: Facts | None = None, *, begins: bool = False
) -> None:
    GUARDS[name](Step(activity, chain, activity.object_class, begins), facts or Facts(keys=KEYS))


def refused(
    code: str, name: str, *args: Any, error: type[FedcoopError] = Invalid, **more: Any
) -> FedcoopError:
    with pytest.raises(error) as refusal:
        asked(name, *args, **more)
    assert refusal.value.code == code
    if code == "guard-failed":
        assert refusal.value.extra["guard"] == name
    return refusal.value


# -- the list -------------------------------------------------------------------------------------------------------


def test_every_guard_of_an_implemented_edge_is_a_function_and_every_function_is_used():
    used = {
        name
        for life in LIFECYCLES.values()
        for edge in life.edges
        if edge.implemented and life.name != AGREEMENT
        for name in (*edge.guards, *edge.owner_guards)
    }
    assert set(GUARDS) == used


def test_every_guard_is_explained_in_the_vocabulary():
    explained = json.loads((ROOT / "vocab" / "guards.json").read_text(encoding="utf-8"))["guards"]
    assert set(GUARDS) <= set(explained)


@pytest.mark.parametrize("name", GUARDS)
def test_every_guard_says_what_it_is_for(name: str):
    assert GUARDS[name].__doc__


# -- missions and listings ------------------------------------------------------------------------------------------


def published(**changes: Any) -> Activity:
    return an_activity("Create", OWNER, a_mission(**changes))


def create(name: str, activity: Activity, facts: Facts | None = None) -> None:
    asked(name, activity, a_chain("Mission", "draft", document=activity.object), facts, begins=True)


def create_refused(
    code: str, activity: Activity, facts: Facts | None = None, name: str = "missionTerms"
) -> None:
    refused(code, name, activity, a_chain("Mission", "draft", document=activity.object), facts, begins=True)


def test_a_mission_as_it_should_be_is_taken():
    create("missionTerms", published())
    create("missionTerms", published(slots=12, price=None, reciprocal=None))


@pytest.mark.parametrize("statuses", [None, [], "cape", [5]])
def test_a_mission_says_whom_it_is_for(statuses: Any):
    create_refused("guard-failed", published(acceptedStatuses=statuses))


@pytest.mark.parametrize("missing", ["cape", "cesa", "esa"])
def test_a_paid_mission_shuts_no_carried_worker_out(missing: str):
    statuses = sorted({"cape", "cesa", "esa", "employee"} - {missing})
    create_refused("guard-failed", published(acceptedStatuses=statuses))


def test_voluntary_work_is_for_volunteers():
    create("missionTerms", published(acceptedStatuses=["volunteer", "trainee"]))


@pytest.mark.parametrize("slots", [None, 0, -1, True, 1.0, "1"])
def test_a_mission_has_one_slot_or_more(slots: Any):
    create_refused("guard-failed", published(slots=slots))


def test_work_ends_after_it_has_begun():
    create("missionTerms", published(endTime=START))
    create_refused("guard-failed", published(endTime="2026-12-01T07:59:59Z"))


@pytest.mark.parametrize("when", ["soon", "2026-12-01T08:00:00", 5, "0001-01-01T00:00:00+14:00"])
def test_a_time_that_is_none_is_refused_as_such(when: Any):
    create_refused("schema-invalid", published(startTime=when))


@pytest.mark.parametrize(
    "changes",
    [
        {"price": None},
        {"reciprocal": None},
        {"price": "1140.00"},
        {"price": a_price("1139.99")},
        {"price": a_price("1140.00", ("fee", "1000.00"), ("expense", "139.00"))},
        {"reciprocal": {"id": f"{MISSION}#reciprocal", "resourceQuantity": amount("1")}},
    ],
)
def test_the_price_shown_its_lines_and_what_is_paid_are_one_amount(changes: dict[str, Any]):
    create_refused("guard-failed", published(**changes))


def test_lines_of_other_kinds_do_not_count_towards_the_price():
    lines = (("fee", "1000.00"), ("surcharge", "160.00"), ("discount", "-20.00"), ("contribution", "99.00"))
    create("missionTerms", published(price=a_price("1140.00", *lines)))
    create("missionTerms", published(price={**a_price(), "lines": None}))


@pytest.mark.parametrize("value", ["", "1e400", "NaN", "1,5", None, True, {}, "9" * 41])
def test_an_amount_that_is_none_is_refused_as_such(value: Any):
    create_refused("schema-invalid", published(price={"totalExclTax": {"value": value}}))


def by_the_hour(hours: str, **more: Any) -> Activity:
    publishes = {
        **a_mission()["publishes"],
        "effortQuantity": {"hasUnit": "hour", "hasNumericalValue": hours},
    }
    return published(publishes=publishes, **more)


def test_a_mission_keeps_its_own_hourly_floor():
    create("missionTerms", by_the_hour("38", hourlyFloor=money("30.00")))
    create_refused("guard-failed", by_the_hour("38", hourlyFloor=money("30.01")))


def test_a_mission_keeps_the_floor_of_the_instance():
    create("missionTerms", by_the_hour("38"), Facts(hourly_floor="30"))
    create_refused("guard-failed", by_the_hour("38", hourlyFloor=money("5.00")), Facts(hourly_floor="30.5"))


@pytest.mark.parametrize("hours", ["0", "-3"])
def test_no_hours_have_no_floor(hours: str):
    create("missionTerms", by_the_hour(hours, hourlyFloor=money("30.00")))


def test_days_have_no_hourly_floor():
    create("missionTerms", published(hourlyFloor=money("900.00")))


def test_a_proposal_is_its_senders_own():
    with pytest.raises(Forbidden) as refusal:
        create("missionTerms", published(attributedTo=f"{NANTES}/actors/other"))
    assert refusal.value.code == "not-owner"
    with pytest.raises(Forbidden):
        create("listingTerms", published(attributedTo=[OWNER, MALLORY]))


def updated(chain: Chain, **changes: Any) -> Activity:
    return following(chain, "Update", OWNER, {**chain.document, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": "offer"},
        {"pricingRule": f"{NANTES}/rules/other"},
        {"publishes": {**a_mission()["publishes"], "id": f"{MISSION}#other"}},
        {"reciprocal": {**a_mission()["reciprocal"], "id": f"{MISSION}#other"}},
        {"reciprocal": None},
        {"relayScope": "federation"},
        {"relayScope": "members"},
        {"relayScope": "everybody"},
    ],
)
def test_an_update_keeps_what_others_may_have_answered_to(changes: dict[str, Any]):
    chain = a_chain("Mission", "published")
    refused("guard-failed", "listingTerms", updated(chain, **changes), chain)


def test_an_update_may_change_the_rest_and_show_it_to_more():
    chain = a_chain("Mission", "published", document=a_mission(relayScope="network"))
    asked("listingTerms", updated(chain, relayScope="federation", price=a_price("1200.00"), slots=3), chain)


def test_a_change_of_state_changes_nothing_else():
    chain = a_chain("Mission", "published")
    asked(
        "sameTerms",
        updated(chain, missionState="assigned", updated=stamp(NOW), stateActivity=OFFERED, to=[], cc=[]),
        chain,
    )
    for changes in ({"price": a_price("1.00")}, {"slots": 2}, {"note": "new"}):
        refused("guard-failed", "sameTerms", updated(chain, missionState="assigned", **changes), chain)
    less = {k: v for k, v in chain.document.items() if k != "startTime"}
    refused("guard-failed", "sameTerms", following(chain, "Update", OWNER, less), chain)


def test_a_mission_expires_when_its_time_to_apply_is_over():
    chain = a_chain("Mission", "published")
    asked(
        "applyBeforePassed",
        following(chain, "Update", OWNER, chain.document, published="2026-11-28T18:00:00Z"),
        chain,
    )
    early = following(chain, "Update", OWNER, chain.document, published="2026-11-28T17:59:59Z")
    refused("guard-failed", "applyBeforePassed", early, chain)
    for_ever = a_chain("Mission", "published", document=a_mission(applyBefore=None))
    refused("guard-failed", "applyBeforePassed", early, for_ever)


def test_the_rules_of_a_mission_are_there():
    create("rulesResolvable", published())
    create_refused("guard-failed", published(), Facts(rules_known=False), name="rulesResolvable")


# -- proposals and slots --------------------------------------------------------------------------------------------


def offered(**changes: Any) -> Activity:
    return an_activity("Offer", AWA, an_engagement(**changes), id=OFFERED)


FRESH = a_chain("Engagement", "none", version=0, document={}, parties=PARTIES)


def proposal(state: str = "published", **changes: Any) -> Chain:
    return a_chain("Mission", state, document=a_mission(**changes))


def test_an_offer_answers_what_is_published():
    asked("proposalOpen", offered(), FRESH, Facts(proposal=proposal(), now=NOW))
    refused("proposal-closed", "proposalOpen", offered(), FRESH, Facts(now=NOW), error=Conflict)
    for state in ("assigned", "withdrawn", "expired", "cancelled", "settled"):
        facts = Facts(proposal=proposal(state), now=NOW)
        refused("proposal-closed", "proposalOpen", offered(), FRESH, facts, error=Conflict)


def test_an_offer_comes_in_time():
    deadline = moment(a_mission()["applyBefore"])
    assert deadline is not None
    asked("proposalOpen", offered(), FRESH, Facts(proposal=proposal(), now=deadline))
    late = Facts(proposal=proposal(), now=deadline + timedelta(seconds=1))
    refused("proposal-closed", "proposalOpen", offered(), FRESH, late, error=Conflict)
    asked("proposalOpen", offered(), FRESH, Facts(proposal=proposal(applyBefore=None), now=late.now))


def test_a_history_is_replayed_without_a_clock():
    asked("proposalOpen", offered(), FRESH, Facts(proposal=proposal()))


def test_no_more_candidates_wait_than_can_be_answered_at_once():
    waiting = (engaged("proposed")[0],) * (MAX_CANDIDATES - 1)
    others = engaged("countered", "rejected", "accepted")
    facts = Facts(proposal=proposal(), now=NOW, engagements=(*waiting, *others[1:]))
    asked("proposalOpen", offered(), FRESH, facts)
    full = Facts(proposal=proposal(), now=NOW, engagements=(*waiting, *others))
    refused("proposal-closed", "proposalOpen", offered(), FRESH, full, error=Conflict)


ACCEPT = following(a_chain("Engagement", "proposed"), "Accept", OWNER, OFFERED, result=an_agreement())
PROPOSED = a_chain("Engagement", "proposed")


def test_an_offer_is_accepted_while_the_proposal_is_published():
    asked("proposalRunning", ACCEPT, PROPOSED, Facts(proposal=proposal()))
    for state in ("assigned", "started", "delivered", "accepted", "settled"):
        facts = Facts(proposal=proposal(state))
        refused("slot-filled", "proposalRunning", ACCEPT, PROPOSED, facts, error=Conflict)
    for state in ("withdrawn", "expired", "cancelled"):
        facts = Facts(proposal=proposal(state))
        refused("proposal-closed", "proposalRunning", ACCEPT, PROPOSED, facts, error=Conflict)
    refused("proposal-closed", "proposalRunning", ACCEPT, PROPOSED, Facts(), error=Conflict)


@pytest.mark.parametrize("state", ["accepted", "active", "delivered", "completed", "settled"])
def test_the_last_slot_goes_once(state: str):
    free = Facts(proposal=proposal(slots=2), engagements=engaged(state, "proposed", "rejected", "terminated"))
    asked("slotFree", ACCEPT, PROPOSED, free)
    full = Facts(proposal=proposal(slots=2), engagements=engaged(state, "accepted"))
    refused("slot-filled", "slotFree", ACCEPT, PROPOSED, full, error=Conflict)


def test_a_service_is_sold_to_as_many_as_come_and_a_need_is_met_once():
    engagements = engaged("accepted", "active")
    service = a_chain("Listing", "published")
    asked("slotFree", ACCEPT, PROPOSED, Facts(proposal=service, engagements=engagements))
    need = a_chain("Listing", "published", document=a_service(purpose="request"))
    facts = Facts(proposal=need, engagements=engagements)
    refused("slot-filled", "slotFree", ACCEPT, PROPOSED, facts, error=Conflict)
    limited = a_chain("Listing", "published", document=a_service(slots=2))
    facts = Facts(proposal=limited, engagements=engagements)
    refused("slot-filled", "slotFree", ACCEPT, PROPOSED, facts, error=Conflict)
    asked("slotFree", ACCEPT, PROPOSED, Facts(engagements=engagements))


PROGRESS = [
    ("slotsFilled", 1, ["accepted"], True),
    ("slotsFilled", 2, ["accepted", "settled"], True),
    ("slotsFilled", 2, ["accepted", "proposed"], False),
    ("slotsLeft", 2, ["accepted"], True),
    ("slotsLeft", 1, ["terminated", "proposed"], True),
    ("slotsLeft", 1, ["accepted"], False),
    ("nothingAccepted", 1, ["proposed", "rejected", "terminated"], True),
    ("nothingAccepted", 1, ["accepted"], False),
    ("notStarted", 2, ["accepted", "proposed"], True),
    ("notStarted", 2, ["accepted", "active"], False),
    ("workStarted", 2, ["accepted", "active"], True),
    ("workStarted", 2, ["delivered"], True),
    ("workStarted", 2, ["accepted", "proposed"], False),
    ("workStarted", 2, [], False),
    ("allDelivered", 2, ["delivered", "completed", "terminated"], True),
    ("allDelivered", 2, ["delivered", "active"], False),
    ("allDelivered", 1, ["terminated"], False),
    ("reworkAsked", 2, ["delivered", "active"], True),
    ("reworkAsked", 2, ["delivered", "accepted"], False),
    ("allCompleted", 2, ["completed", "settled"], True),
    ("allCompleted", 2, ["completed", "delivered"], False),
    ("allSettled", 1, ["settled", "terminated"], True),
    ("allSettled", 1, ["completed"], False),
    ("allSettled", 1, [], False),
]


@pytest.mark.parametrize(("name", "slots", "states", "holds"), PROGRESS)
def test_a_mission_is_where_its_engagements_are(name: str, slots: int, states: list[str], holds: bool):
    chain = a_chain("Mission", "assigned", document=a_mission(slots=slots))
    facts = Facts(engagements=engaged(*states))
    if holds:
        asked(name, updated(chain), chain, facts)
    else:
        refused("guard-failed", name, updated(chain), chain, facts)


def test_where_nothing_is_to_be_paid_completed_is_settled():
    gratis = a_chain("Mission", "accepted", document=a_mission(reciprocal=None, price=None))
    asked("allSettled", updated(gratis), gratis, Facts(engagements=engaged("completed")))


def test_an_update_takes_no_slot_from_somebody_who_was_accepted():
    chain = a_chain("Mission", "published", document=a_mission(slots=3))
    facts = Facts(engagements=engaged("accepted", "active", "proposed"))
    asked("slotsNotBelowAccepted", updated(chain, slots=2), chain, facts)
    refused("guard-failed", "slotsNotBelowAccepted", updated(chain, slots=1), chain, facts)


# -- what is offered ------------------------------------------------------------------------------------------------


def terms(**changes: Any) -> Activity:
    return offered(attachment=None, **changes)


def days(number: str | None, paid: str, unit: str = "day") -> dict[str, Any]:
    return {
        "stipulates": a_commitment("primary", "0", unit, resourceQuantity=amount(number, unit)),
        "stipulatesReciprocal": a_commitment("reciprocal", paid),
    }


def test_what_is_offered_is_what_is_proposed():
    asked("termsMatch", terms(), FRESH, Facts(proposal=proposal()))
    asked("termsMatch", terms(**days("3.0", "1140")), FRESH, Facts(proposal=proposal()))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (days("4", "1140.00"), "quantity-mismatch"),
        (days("3", "1140.01"), "quantity-mismatch"),
        (days("6", "2280.00"), "quantity-mismatch"),
        (days("3", "1140.00", "hour"), "quantity-mismatch"),
        (days("0", "1140.00"), "quantity-mismatch"),
        (days("-3", "-1140.00"), "quantity-mismatch"),
        ({"stipulates": None}, "terms-mismatch"),
        ({"stipulatesReciprocal": None}, "terms-mismatch"),
        ({"stipulates": "three days"}, "terms-mismatch"),
        ({"stipulates": a_commitment("other", "3", "day")}, "terms-mismatch"),
        ({"stipulates": {**a_commitment("primary", "3", "day"), "resourceQuantity": "3"}}, "terms-mismatch"),
        ({"pricingRule": f"{NANTES}/rules/other"}, "terms-mismatch"),
        ({"pricingRuleDigest": "zQm" + "2" * 44}, "terms-mismatch"),
    ],
)
def test_an_offer_of_something_else_is_refused(changes: dict[str, Any], code: str):
    refused(code, "termsMatch", terms(**changes), FRESH, Facts(proposal=proposal()))


def test_a_gratis_mission_is_answered_without_a_counterpart():
    gratis = Facts(proposal=proposal(reciprocal=None, price=None))
    asked("termsMatch", terms(stipulatesReciprocal=None), FRESH, gratis)
    refused("terms-mismatch", "termsMatch", terms(), FRESH, gratis)


@pytest.mark.parametrize(
    ("number", "paid", "held"),
    [
        ("6", "2280.00", True),
        ("3", "1140.00", True),
        ("6", "1140.00", False),
        ("4.5", "1710.00", False),
        ("1", "380.00", False),
    ],
)
def test_what_is_sold_by_the_unit_is_sold_in_whole_multiples_of_both(number: str, paid: str, held: bool):
    facts = Facts(proposal=proposal(unitBased=True))
    if held:
        asked("termsMatch", terms(**days(number, paid)), FRESH, facts)
    else:
        refused("quantity-mismatch", "termsMatch", terms(**days(number, paid)), FRESH, facts)


def test_an_amount_that_the_proposal_leaves_open_is_the_offers_to_name():
    left_open = {**a_mission()["publishes"], "resourceQuantity": amount(None, "day")}
    asked("termsMatch", terms(**days("11", "1140.00")), FRESH, Facts(proposal=proposal(publishes=left_open)))
    nothing = {**a_mission()["publishes"], "resourceQuantity": amount("0", "day")}
    refused("quantity-mismatch", "termsMatch", terms(), FRESH, Facts(proposal=proposal(publishes=nothing)))


def test_a_commitment_without_a_number_is_to_one():
    one = proposal(publishes={**a_mission()["publishes"], "resourceQuantity": amount("1", "day")})
    asked("termsMatch", terms(**days(None, "1140.00")), FRESH, Facts(proposal=one))


def test_a_counter_offer_may_be_taken_up():
    countered = a_chain("Engagement", "countered", memory={"counter": an_engagement(**days("3", "1080.00"))})
    asked("termsMatch", terms(**days("3", "1080.00")), countered, Facts(proposal=proposal()))
    asked("termsMatch", terms(), countered, Facts(proposal=proposal()))
    refused(
        "quantity-mismatch",
        "termsMatch",
        terms(**days("3", "1081.00")),
        countered,
        Facts(proposal=proposal()),
    )


def test_terms_are_compared_where_the_proposal_is_known_as_it_is():
    other = terms(**days("4", "1.00"))
    asked("termsMatch", other, FRESH, Facts())
    asked("termsMatch", other, FRESH, Facts(proposal=proposal(), proposal_current=False))


def test_a_mission_takes_the_statuses_that_it_says():
    asked("statusAccepted", offered(), FRESH, Facts(proposal=proposal()))
    asked("statusAccepted", offered(workStatus=None), FRESH, Facts(proposal=proposal()))
    wage = offered(workStatus="wagePortage")
    refused("status-not-accepted", "statusAccepted", wage, FRESH, Facts(proposal=proposal()))
    carried = proposal(acceptedStatuses=["cape", "cesa", "esa"])
    refused("status-not-accepted", "statusAccepted", offered(workStatus=None), FRESH, Facts(proposal=carried))


def test_a_status_is_asked_for_where_the_proposal_is_known_as_it_is():
    wage = offered(workStatus="wagePortage")
    asked("statusAccepted", wage, FRESH, Facts())
    asked("statusAccepted", wage, FRESH, Facts(proposal=a_chain("Listing", "published")))
    asked("statusAccepted", wage, FRESH, Facts(proposal=proposal(), proposal_current=False))


# -- credentials ----------------------------------------------------------------------------------------------------


def test_a_carried_worker_shows_a_credential():
    asked("workerCredential", offered(), FRESH)
    refused("credential-missing", "workerCredential", offered(attachment=None), FRESH)
    refused("credential-missing", "workerCredential", offered(attachment=[{"type": "Image"}]), FRESH)


def test_a_credential_may_be_attached_to_the_activity():
    shown = an_activity("Offer", AWA, an_engagement(attachment=None), attachment=a_membership())
    asked("workerCredential", shown, FRESH)


@pytest.mark.parametrize("status", ["cape", "cesa", "esa", "employee"])
def test_an_employed_worker_names_who_employs_them(status: str):
    refused("credential-missing", "workerCredential", offered(carrier=None, workStatus=status), FRESH)


@pytest.mark.parametrize("status", [None, "selfEmployed", "volunteer"])
def test_whoever_is_not_employed_needs_no_carrier(status: str | None):
    asked("workerCredential", offered(carrier=None, workStatus=status, attachment=None), FRESH)


@pytest.mark.parametrize(
    "credential",
    [
        a_membership(subject={"id": MALLORY}),
        a_membership(subject={"workStatus": "cesa"}),
        a_membership(issuer=OWNER),
        a_membership(by=OWNER),
        {**a_membership(), "validUntil": "2027-12-31T00:00:00Z"},
    ],
)
def test_a_credential_that_does_not_fit_is_refused(credential: dict[str, Any]):
    refused("credential-invalid", "workerCredential", offered(attachment=[credential]), FRESH)


def test_a_credential_is_good_when_it_is_shown():
    expired = offered(attachment=[a_membership(validUntil="2026-11-22T11:59:59Z")])
    refused("credential-expired", "workerCredential", expired, FRESH)


def test_where_the_chain_is_ordered_a_credential_is_good_when_it_arrives():
    last_week = an_activity(
        "Offer",
        AWA,
        an_engagement(
            attachment=[a_membership(validUntil="2026-11-20T00:00:00Z", validFrom="2026-11-01T00:00:00Z")]
        ),
        published="2026-11-19T00:00:00Z",
    )
    proof = last_week.object["attachment"][0]["proof"]  # type: ignore[index]
    assert proof["created"] == stamp(NOW)
    # Elsewhere the time that was signed counts; but this proof is from today, and no proof is from the future.
    refused("credential-invalid", "workerCredential", last_week, FRESH)
    here = Facts(keys=KEYS, owner_here=True, now=NOW)
    refused("credential-expired", "workerCredential", last_week, FRESH, here)


def test_the_carrier_stays_the_one_that_was_offered():
    other = offered(carrier=OWNER)
    refused("terms-mismatch", "workerCredential", other, PROPOSED)


def test_who_accepts_a_candidate_asks_for_dates_again_and_not_for_the_proof():
    asked("workerCredential", ACCEPT, PROPOSED, Facts())
    expired = with_(
        PROPOSED, document=an_engagement(attachment=[a_membership(validUntil="2026-11-22T11:59:59Z")])
    )
    refused("credential-expired", "workerCredential", ACCEPT, expired, Facts())
    none = with_(PROPOSED, document=an_engagement(attachment=None))
    refused("credential-missing", "workerCredential", ACCEPT, none)


SERVICE_PARTIES = {"proposer": AWA, "responder": OWNER, "worker": AWA, "requester": OWNER}


def test_whoever_asks_for_a_service_shows_nothing_and_its_worker_does():
    chain = a_chain(
        "Engagement", "proposed", parties=SERVICE_PARTIES, document=an_engagement(attachment=None)
    )
    asked("workerCredential", an_activity("Offer", OWNER, an_engagement(attachment=None)), chain)
    shown = following(chain, "Accept", AWA, OFFERED, result=an_agreement(attachment=[a_membership()]))
    asked("workerCredential", shown, chain)
    silent = following(chain, "Accept", AWA, OFFERED, result=an_agreement())
    refused("credential-missing", "workerCredential", silent, chain)
    forged = following(chain, "Accept", AWA, OFFERED, result=an_agreement(attachment=[a_membership(by=AWA)]))
    refused("credential-invalid", "workerCredential", forged, chain, Facts(keys=keys_of(AWA, CARRIER)))


# -- counter-offers and agreements ----------------------------------------------------------------------------------


def counter(result: Any) -> Activity:
    return following(PROPOSED, "TentativeReject", OWNER, OFFERED, result=result)


def test_a_counter_offer_changes_amounts_and_dates():
    better = an_engagement(**days("4", "1500.00"), startTime="2026-12-05T08:00:00Z", price=a_price("1500.00"))
    asked("counterTerms", counter(better), PROPOSED)
    asked("counterTerms", counter({k: better[k] for k in ("stipulates", "stipulatesReciprocal")}), PROPOSED)


@pytest.mark.parametrize(
    "changes",
    [
        {"worker": MALLORY},
        {"carrier": OWNER},
        {"mission": f"{NANTES}/missions/2"},
        {"workStatus": "selfEmployed"},
        {"noticePeriod": "P90D"},
        {"pricingRule": f"{NANTES}/rules/other"},
        {"stipulates": None},
        {"stipulatesReciprocal": a_commitment("other", "1140.00")},
        {"stipulates": a_commitment("primary", "21", "hour")},
    ],
)
def test_a_counter_offer_changes_nothing_else(changes: dict[str, Any]):
    refused("guard-failed", "counterTerms", counter(an_engagement(**changes)), PROPOSED)


@pytest.mark.parametrize("result", [None, ENGAGEMENT, []])
def test_a_counter_offer_says_its_terms(result: Any):
    refused("guard-failed", "counterTerms", counter(result), PROPOSED)


def test_a_renewed_offer_answers_the_last_one():
    countered = a_chain("Engagement", "countered")
    again = following(countered, "Offer", AWA, an_engagement(), inReplyTo=OFFERED)
    asked("repliesToCounter", again, countered)
    older = following(countered, "Offer", AWA, an_engagement(), inReplyTo=f"{LYON}/activities/older")
    refused("stale", "repliesToCounter", older, countered, error=Conflict)


@pytest.mark.parametrize("name", ["worker", "carrier", "mission", "workStatus"])
def test_a_renewed_offer_is_by_the_same_people_about_the_same_work(name: str):
    countered = a_chain("Engagement", "countered")
    for value in (None, f"{LYON}/other"):
        again = following(countered, "Offer", AWA, an_engagement(**{name: value}), inReplyTo=OFFERED)
        refused("terms-mismatch", "repliesToCounter", again, countered)


def accept(result: Any) -> Activity:
    return following(PROPOSED, "Accept", OWNER, OFFERED, result=result)


def test_an_agreement_is_what_was_offered_with_ids_and_an_owner():
    asked("agreementMatchesOffer", accept(an_agreement()), PROPOSED)
    more = an_agreement(exactLocation={"type": "Place", "name": "3, rue Kervégan"})
    asked("agreementMatchesOffer", accept(more), PROPOSED)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": None}, "terms-mismatch"),
        ({"attributedTo": None}, "terms-mismatch"),
        ({"attributedTo": AWA}, "terms-mismatch"),
        ({"stipulates": a_commitment("primary", "4", "day", of=ENGAGEMENT)}, "quantity-mismatch"),
        ({"stipulatesReciprocal": None}, "quantity-mismatch"),
        ({"stipulates": a_commitment("primary", "3", "day")}, "terms-mismatch"),
        ({"stipulatesReciprocal": a_commitment("reciprocal", "1140.00")}, "terms-mismatch"),
        ({"stipulates": a_commitment("other", "3", "day", of=ENGAGEMENT)}, "terms-mismatch"),
        ({"worker": MALLORY}, "terms-mismatch"),
        ({"carrier": OWNER}, "terms-mismatch"),
        ({"mission": None}, "terms-mismatch"),
        ({"workStatus": "selfEmployed"}, "terms-mismatch"),
        ({"startTime": "2026-12-02T08:00:00Z"}, "terms-mismatch"),
        ({"endTime": "2026-12-02T08:00:00Z"}, "terms-mismatch"),
        ({"noticePeriod": "P90D"}, "terms-mismatch"),
        ({"price": None}, "terms-mismatch"),
        ({"pricingRule": f"{NANTES}/rules/other"}, "terms-mismatch"),
        ({"pricingRuleDigest": "zQm" + "2" * 44}, "terms-mismatch"),
    ],
)
def test_an_agreement_about_something_else_is_refused(changes: dict[str, Any], code: str):
    refused(code, "agreementMatchesOffer", accept(an_agreement(**changes)), PROPOSED)


@pytest.mark.parametrize("result", [None, ENGAGEMENT])
def test_an_accept_carries_the_agreement(result: Any):
    refused("terms-mismatch", "agreementMatchesOffer", accept(result), PROPOSED)


def test_who_accepts_may_say_who_carries_the_work_of_a_service():
    open_terms = with_(PROPOSED, document=an_engagement(carrier=None, workStatus=None, attachment=None))
    asked("agreementMatchesOffer", accept(an_agreement()), open_terms)


# -- reasons, notice and compensation -------------------------------------------------------------------------------


def ended(chain: Chain, **members: Any) -> Activity:
    return following(chain, "Undo", OWNER, ENGAGEMENT, **members)


def test_a_reason_is_given_on_the_activity_or_on_what_it_carries():
    asked("reasonGiven", ended(PROPOSED, reasonCode="other"), PROPOSED)
    asked(
        "reasonGiven", following(PROPOSED, "Update", OWNER, {"id": MISSION, "reasonCode": "other"}), PROPOSED
    )
    for reason in (None, 5, ["other"]):
        refused("reason-missing", "reasonGiven", ended(PROPOSED, reasonCode=reason), PROPOSED)


def plainly(kind: str, **members: Any) -> Activity:
    """Return an answer of a plain FEP-0837 peer."""
    return an_activity(
        kind, OWNER, OFFERED, **{"@context": ["https://www.w3.org/ns/activitystreams"], **members}
    )


def test_a_plain_refusal_has_no_list_of_reasons():
    asked("reasonGiven", plainly("Reject"), PROPOSED)
    refused("reason-missing", "reasonGiven", plainly("Undo"), PROPOSED)


def test_what_a_plain_agreement_leaves_out_is_as_it_was_offered():
    named = ("id", "type", "attributedTo", "stipulates", "stipulatesReciprocal")
    bare = {k: v for k, v in an_agreement().items() if k in named}
    asked("agreementMatchesOffer", plainly("Accept", result=bare), PROPOSED)
    refused("terms-mismatch", "agreementMatchesOffer", accept(bare), PROPOSED)
    changed_terms = plainly("Accept", result={**bare, "startTime": "2027-01-01T08:00:00Z"})
    refused("terms-mismatch", "agreementMatchesOffer", changed_terms, PROPOSED)


@pytest.mark.parametrize("result", [None, {}, ENGAGEMENT])
def test_without_a_result_the_terms_are_those_offered(result: Any):
    step = Step(accept(result), PROPOSED, "Offer", False)
    assert guards.agreed_terms(step) == PROPOSED.document


def test_work_that_was_begun_is_paid_for():
    active = a_chain("Engagement", "active")
    asked("compensationGiven", ended(active, compensation=money("0.00")), active)
    for amount_ in (None, money("-1.00"), "100", {"value": 100}):
        refused("guard-failed", "compensationGiven", ended(active, compensation=amount_), active)
    refused("schema-invalid", "compensationGiven", ended(active, compensation=money("a lot")), active)


ACCEPTED_CHAIN = a_chain("Engagement", "accepted")


@pytest.mark.parametrize(("said", "held"), [("2026-11-24T08:00:00Z", True), ("2026-11-24T08:00:01Z", False)])
def test_notice_is_kept_or_paid_for(said: str, held: bool):
    ending = ended(ACCEPTED_CHAIN, published=said)
    if held:
        asked("noticeOrCompensation", ending, ACCEPTED_CHAIN)
    else:
        refusal = refused_with(ending, ACCEPTED_CHAIN)
        assert refusal.extra["guard"] == "compensationGiven"
    asked(
        "noticeOrCompensation",
        ended(ACCEPTED_CHAIN, published=said, compensation=money("10.00")),
        ACCEPTED_CHAIN,
    )


def refused_with(activity: Activity, chain: Chain, facts: Facts | None = None) -> Invalid:
    with pytest.raises(Invalid) as refusal:
        asked("noticeOrCompensation", activity, chain, facts)
    return refusal.value


def test_notice_is_given_when_it_arrives_where_the_chain_is_ordered():
    arrives = moment("2026-11-25T00:00:00Z")
    backdated = ended(ACCEPTED_CHAIN, published="2026-11-23T00:00:00Z")
    asked("noticeOrCompensation", backdated, ACCEPTED_CHAIN, Facts(now=arrives))
    assert refused_with(backdated, ACCEPTED_CHAIN, Facts(now=arrives, owner_here=True)).code == "guard-failed"


@pytest.mark.parametrize("notice", ["P7D", "P999999Y", "P99999M"])
def test_notice_may_be_as_long_as_it_likes(notice: str):
    chain = with_(ACCEPTED_CHAIN, document=an_agreement(noticePeriod=notice))
    assert refused_with(ended(chain, published="2026-11-30T00:00:00Z"), chain).code == "guard-failed"


def test_terms_that_the_agreement_leaves_out_are_the_proposals():
    bare = with_(ACCEPTED_CHAIN, document=an_agreement(noticePeriod=None, startTime=None))
    ending = ended(bare, published="2026-11-30T00:00:00Z")
    asked("noticeOrCompensation", ending, bare, Facts(proposal=proposal()))
    asked("noticeOrCompensation", ending, bare, Facts())
    assert refused_with(ending, bare, Facts(proposal=proposal(noticePeriod="P3D"))).code == "guard-failed"
    early = following(bare, "Create", AWA, a_record(), published="2026-12-01T06:59:59Z")
    refused("guard-failed", "notTooEarly", early, bare, Facts(proposal=proposal()))


# -- work and money -------------------------------------------------------------------------------------------------

ACTIVE = a_chain("Engagement", "active")


def recorded(phase: str = "started", by: str = AWA, **changes: Any) -> Activity:
    return following(ACTIVE, "Create", by, a_record(phase, **changes))


def test_a_record_is_of_this_engagement_this_mission_and_this_worker():
    asked("recordFits", recorded(), ACTIVE)
    asked("recordFits", recorded(provider=None, receiver=None, mission=None), ACTIVE)


@pytest.mark.parametrize(
    "changes",
    [
        {"engagement": f"{NANTES}/engagements/2"},
        {"mission": f"{NANTES}/missions/2"},
        {"provider": MALLORY},
        {"receiver": MALLORY},
        {"fulfills": f"{ENGAGEMENT}#reciprocal"},
        {"fulfills": None},
    ],
)
def test_a_record_of_something_else_is_refused(changes: dict[str, Any]):
    refused("terms-mismatch", "recordFits", recorded(**changes), ACTIVE)


def test_a_record_is_its_senders_own():
    refused("not-owner", "recordFits", recorded(attributedTo=CARRIER), ACTIVE, error=Forbidden)


def test_a_commitment_without_an_id_is_fulfilled_without_naming_it():
    plain = with_(ACTIVE, document=an_agreement(stipulates=a_commitment("primary", "3", "day")))
    asked("recordFits", recorded(fulfills=None), plain)


@pytest.mark.parametrize(("said", "held"), [("2026-12-01T07:00:00Z", True), ("2026-12-01T06:59:59Z", False)])
def test_work_starts_at_its_time_or_an_hour_before(said: str, held: bool):
    begun = following(ACCEPTED_CHAIN, "Create", AWA, a_record(), published=said)
    if held:
        asked("notTooEarly", begun, ACCEPTED_CHAIN)
    else:
        refused("guard-failed", "notTooEarly", begun, ACCEPTED_CHAIN)


def test_work_without_a_time_starts_whenever():
    free = with_(ACCEPTED_CHAIN, document=an_agreement(startTime=None))
    asked("notTooEarly", recorded(), free)
    ancient = with_(ACCEPTED_CHAIN, document=an_agreement(startTime="0001-01-01T00:00:00Z"))
    asked("notTooEarly", recorded(), ancient)


@pytest.mark.parametrize("finished", [None, False, "true", 1])
def test_a_delivery_says_that_it_is_finished(finished: Any):
    asked("recordFinished", recorded("delivered"), ACTIVE)
    refused("guard-failed", "recordFinished", recorded("delivered", finished=finished), ACTIVE)


def test_work_is_not_sent_back_for_ever():
    delivered = a_chain("Engagement", "delivered", memory={"reworks": guards.MAX_REWORKS - 1})
    back = following(delivered, "Reject", OWNER, RECORD, reasonCode="other")
    asked("reworksLeft", back, delivered)
    too_often = with_(delivered, memory={"reworks": guards.MAX_REWORKS})
    refused("guard-failed", "reworksLeft", back, too_often)
    asked("reworksLeft", back, a_chain("Engagement", "delivered"))


DELIVERED = a_chain("Engagement", "delivered")


def attested(result: Any) -> Activity:
    return following(DELIVERED, "Accept", OWNER, RECORD, result=result)


def test_accepted_work_is_attested():
    asked("attestationFits", attested(an_attestation()), DELIVERED)
    refused("credential-missing", "attestationFits", attested(None), DELIVERED)
    refused("credential-invalid", "attestationFits", attested({"type": "Note"}), DELIVERED)


@pytest.mark.parametrize(
    "credential",
    [
        an_attestation(by=CARRIER),
        an_attestation(by=CARRIER, issuer=CARRIER),
        an_attestation(subject={"id": MALLORY}),
        an_attestation(subject={"engagement": f"{NANTES}/engagements/2"}),
        {**an_attestation(), "id": f"{NANTES}/credentials/2"},
    ],
)
def test_an_attestation_that_does_not_fit_is_refused(credential: dict[str, Any]):
    refused("credential-invalid", "attestationFits", attested(credential), DELIVERED)


COMPLETED = a_chain("Engagement", "completed")


def receipt(by: str, obj: dict[str, Any]) -> Activity:
    return following(COMPLETED, "Create", by, obj)


def test_a_receipt_is_its_senders_own_and_of_this_engagement():
    asked("receiptFits", receipt(CARRIER, an_invoice()), COMPLETED)
    refused(
        "not-owner", "receiptFits", receipt(CARRIER, an_invoice(attributedTo=AWA)), COMPLETED, error=Forbidden
    )
    other = an_invoice(engagement=f"{NANTES}/engagements/2")
    refused("terms-mismatch", "receiptFits", receipt(CARRIER, other), COMPLETED)


def test_an_invoice_asks_what_was_agreed_and_adds_up():
    asked("invoiceTotals", receipt(CARRIER, an_invoice()), COMPLETED)
    asked("invoiceTotals", receipt(CARRIER, an_invoice(totalExclTax=money("1140"))), COMPLETED)
    asked("invoiceTotals", receipt(CARRIER, an_invoice(vatAmount=None)), COMPLETED)
    for changes in (
        {"totalExclTax": money("1140.01")},
        {"totalInclTax": money("1368.01")},
        {"vatAmount": money("0.00")},
    ):
        refused("guard-failed", "invoiceTotals", receipt(CARRIER, an_invoice(**changes)), COMPLETED)
    alone = an_invoice(totalExclTax=money("1140.01"), vatAmount=None, totalInclTax=None)
    refused("guard-failed", "invoiceTotals", receipt(CARRIER, alone), COMPLETED)
    refused(
        "schema-invalid", "invoiceTotals", receipt(CARRIER, an_invoice(totalExclTax="1140.00")), COMPLETED
    )
    gratis = with_(COMPLETED, document=an_agreement(stipulatesReciprocal=None))
    refused("guard-failed", "invoiceTotals", receipt(CARRIER, an_invoice()), gratis)


def test_a_payment_confirms_the_invoice_in_full():
    asked("paymentMatchesInvoice", receipt(OWNER, a_payment()), COMPLETED)
    for changes in (
        {"invoiceNumber": "F-2"},
        {"totalExclTax": money("1000.00")},
        {"vatAmount": None},
        {"totalInclTax": money("1140.00")},
        {"paymentState": "pending"},
    ):
        refused("guard-failed", "paymentMatchesInvoice", receipt(OWNER, a_payment(**changes)), COMPLETED)
    unbilled = with_(COMPLETED, memory={"invoice": None})
    refused("guard-failed", "paymentMatchesInvoice", receipt(OWNER, a_payment()), unbilled)


# -- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1140.00", "1140", 1140, 1140.0, "1.14e3"])
def test_a_decimal_is_its_value_however_it_is_written(value: Any):
    assert decimal(value) == Decimal(1140)


def test_an_amount_as_long_as_the_vocabulary_has_them_is_one():
    assert decimal("12345678901234567890") == Decimal("12345678901234567890")
    assert decimal("123456789012345678901234") == Decimal("123456789012345678901234")


@pytest.mark.parametrize("value", [None, True, [], "", "x", "Infinity", "1e24", "1e-24", "0" * 41])
def test_what_is_no_decimal_is_refused(value: Any):
    with pytest.raises(Invalid):
        decimal(value)


@pytest.mark.parametrize("value", ["P", "PT", "", "P1W", "7D", "P-7D", "P1234567D", "P7DT"])
def test_what_is_no_duration_is_refused(value: str):
    with pytest.raises(Invalid):
        duration(value)


def test_a_duration_is_counted_in_days():
    assert duration("P1Y2M3DT4H5M6S") == timedelta(days=365 + 60 + 3, hours=4, minutes=5, seconds=6)


def test_an_absent_time_is_none():
    assert moment(None) is None


@pytest.mark.parametrize("document", [{}, {"proof": []}, {"proof": {}}])
def test_who_does_not_say_when_says_nothing(document: dict[str, Any]):
    with pytest.raises(Invalid) as refusal:
        said_at(document)
    assert refusal.value.code == "schema-invalid"


# -- whatever a stranger writes -------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=12),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "value", "hasUnit"]), inside, max_size=3)
    ),
    max_leaves=6,
)
FULL = {
    "missionTerms": a_mission(),
    "termsMatch": an_engagement(),
    "workerCredential": an_engagement(),
    "agreementMatchesOffer": an_agreement(),
    "counterTerms": an_agreement(),
    "recordFits": a_record("delivered"),
    "invoiceTotals": an_invoice(),
    "paymentMatchesInvoice": a_payment(),
    "noticeOrCompensation": an_agreement(),
    "attestationFits": an_attestation(),
}

OF_KIND = {
    kind: sorted({g for e in LIFECYCLES[kind].edges if e.implemented for g in (*e.guards, *e.owner_guards)})
    for kind in ("Mission", "Engagement")
}


def paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [p for key, value in inside for p in ((*path, key), *paths(value, (*path, key)))]


def put(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    whole = json.loads(json.dumps(node))
    holder = whole
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return whole


@pytest.mark.parametrize("name", FULL)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_value_in_any_place_crashes_a_guard(name: str, data: st.DataObject):
    document = FULL[name]
    odd = put(document, data.draw(st.sampled_from(paths(document))), data.draw(JSON))
    state = {"missionTerms": "published"}.get(name, "proposed")
    chain = a_chain("Mission" if name == "missionTerms" else "Engagement", state)
    activity = following(chain, "Create", OWNER, odd, result=odd, compensation=odd, attachment=[odd])
    facts = Facts(proposal=proposal(), keys=KEYS, now=NOW, engagements=engaged("accepted"), hourly_floor="1")
    strange = with_(chain, document=odd)
    for guard in OF_KIND[chain.kind]:
        for step in (Step(activity, chain, "", False), Step(activity, strange, "", False)):
            try:
                GUARDS[guard](step, facts)
            except FedcoopError as refusal:
                assert refusal.code  # noqa: PT017  refused is as good as taken
