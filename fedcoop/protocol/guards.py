"""The named conditions of the lifecycles (`guards` and `ownerGuards` in `vocab/lifecycles.json`).

A guard gets the step and the facts, returns nothing, and raises when its condition does not hold. Amounts are decimal
strings and compared as decimals, never as floats (vocabulary.md §3.10).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

from fedcoop.errors import Conflict, Forbidden, Invalid, Malformed
from fedcoop.protocol import credentials
from fedcoop.protocol.facts import Facts, Step
from fedcoop.protocol.limits import MAX_CANDIDATES
from fedcoop.protocol.messages import Chain, Document
from fedcoop.protocol.shape import id_of, is_plain
from fedcoop.protocol.times import read_time

Guard: TypeAlias = Callable[[Step, Facts], None]

CARRIED: Final = frozenset({"cape", "cesa", "esa"})
"""Statuses of workers employed through a CAE; a mission may not shut them out (requirement C1)."""

EMPLOYED: Final = CARRIED | {"employee"}
"""Statuses that need a carrier: somebody employs these workers (vocabulary.md §3.4, `carrier`)."""

UNPAID: Final = frozenset({"volunteer", "trainee", "publicAgent"})

MAX_REWORKS: Final = 3
"""How often delivered work may be sent back, unless the terms say otherwise."""

EARLY_START: Final = timedelta(hours=1)
"""Work may start this long before the mission's startTime (vocabulary.md §3.6)."""

STATE_ONLY: Final = frozenset(
    {"missionState", "updated", "stateActivity", "reasonCode", "compensation", "to", "cc"}
)
"""Members of a Mission that may change together with its state (its audience narrows); all others stay as agreed."""

FIXED: Final = ("purpose", "pricingRule")
"""Members of a proposal that an Update never changes; intents keep their ids as well."""

SCOPES: Final = ("members", "network", "federation", "public")
"""Values of `relayScope`, from the narrowest."""

WHO_AND_WHAT: Final = ("worker", "carrier", "mission", "workStatus")
"""Members of an engagement's terms that stay what they were in the first Offer."""

AGREED: Final = ("startTime", "endTime", "noticePeriod", "price", "pricingRule", "pricingRuleDigest")
"""Members that an agreement has exactly as they were offered: present and equal, or absent in both."""

PENDING: Final = frozenset({"proposed", "countered"})
"""Engagement states that still wait for the proposer."""

BOUND: Final = frozenset({"accepted", "active", "delivered", "completed", "settled"})
"""Engagement states that fill a slot."""


# -- proposals ------------------------------------------------------------------------------------------------------


def mission_terms(step: Step, facts: Facts) -> None:
    """A mission says what it asks and pays, to everyone, and shuts no carried worker out."""
    doc = step.activity.object or {}
    listing_terms(step, facts)
    statuses = _strings(doc.get("acceptedStatuses"))
    # (1) acceptedStatuses rule (requirement C1).
    if not statuses:
        raise failed("missionTerms", "A mission says which statuses it accepts.", expected="acceptedStatuses")
    if set(statuses) - UNPAID and not set(statuses) >= CARRIED:
        raise failed(
            "missionTerms",
            "A paid mission is open to workers employed through a co-operative.",
            expected="cape, cesa and esa among acceptedStatuses",
            received=", ".join(statuses),
        )
    # (2) One slot at least.
    slots = doc.get("slots")
    if not isinstance(slots, int) or isinstance(slots, bool) or slots < 1:
        raise failed(
            "missionTerms", "A mission has one slot or more.", expected="slots >= 1", received=str(slots)
        )
    # (3) Work ends after it has begun.
    start, end = moment(doc.get("startTime")), moment(doc.get("endTime"))
    if start is not None and end is not None and end < start:
        raise failed(
            "missionTerms", "It ends before it begins.", expected=f"endTime from {start.isoformat()}"
        )
    _price(doc)
    _floor(doc, facts)


def listing_terms(step: Step, facts: Facts) -> None:
    """A proposal belongs to its sender, and an Update keeps what others may have answered to."""
    doc, before = step.activity.object or {}, step.chain.document
    if id_of(doc.get("attributedTo")) != step.activity.actor:
        raise Forbidden(
            "not-owner",
            "A proposal is published by the actor it is attributed to.",
            expected=step.activity.actor,
            received=id_of(doc.get("attributedTo")),
        )
    if step.begins:
        return
    for name in FIXED:
        if doc.get(name) != before.get(name):
            raise failed("listingTerms", f"`{name}` is fixed once published.", expected=str(before.get(name)))
    for name in ("publishes", "reciprocal"):
        if id_of(doc.get(name)) != id_of(before.get(name)):
            raise failed(
                "listingTerms", f"The intent `{name}` keeps its id.", expected=id_of(before.get(name))
            )
    # Whoever can read it now could not be told that it has changed, or that it is over.
    if _scope(doc) < _scope(before):
        raise failed(
            "listingTerms",
            "A published proposal is shown to as many as before, or to more.",
            expected=str(before.get("relayScope")),
            received=str(doc.get("relayScope")),
        )


def same_terms(step: Step, facts: Facts) -> None:
    """An Update that moves the state changes nothing else: nobody's terms change behind a change of state."""
    doc, before = step.activity.object or {}, step.chain.document
    changed = {k for k in {*doc, *before} - STATE_ONLY if doc.get(k) != before.get(k)}
    if changed:
        raise failed(
            "sameTerms",
            "A change of state leaves the terms as they are.",
            received=", ".join(sorted(changed)),
        )


def apply_before_passed(step: Step, facts: Facts) -> None:
    """A mission expires when its time to apply is over, not before."""
    deadline = moment(step.chain.document.get("applyBefore"))
    if deadline is None or said_at(step.activity.raw) < deadline:
        raise failed("applyBeforePassed", "Its time to apply is not over.", expected=str(deadline))


def proposal_open(step: Step, facts: Facts) -> None:
    """An Offer answers something published, before its time to apply ends."""
    proposal = facts.proposal
    if proposal is None:
        raise Conflict("proposal-closed", "There is no such proposal here.", received=step.chain.proposal)
    deadline = moment(proposal.document.get("applyBefore"))
    if proposal.state != "published" or (
        deadline is not None and facts.now is not None and facts.now > deadline
    ):
        raise Conflict(
            "proposal-closed", "It no longer takes offers.", expected="published", received=proposal.state
        )
    # What moves the proposal answers every candidate at once: there are never more than can be answered.
    if sum(e.state in PENDING for e in facts.engagements) >= MAX_CANDIDATES:
        raise Conflict(
            "proposal-closed",
            "It has as many candidates as can be read; some must be answered first.",
            expected=f"fewer than {MAX_CANDIDATES} waiting",
        )


def proposal_running(step: Step, facts: Facts) -> None:
    """An Offer is accepted while the proposal is published; expired, withdrawn and cancelled ones engage nobody."""
    if facts.proposal is None or facts.proposal.state != "published":
        state = facts.proposal.state if facts.proposal else None
        # A mission whose slots are filled is no longer published: say which of the two it is.
        code = (
            "slot-filled"
            if state in ("assigned", "started", "delivered", "accepted", "settled")
            else "proposal-closed"
        )
        raise Conflict(code, "The proposal engages nobody any more.", expected="published", received=state)


def rules_resolvable(step: Step, facts: Facts) -> None:
    """A mission's pricing rule and matching rule can be read by everyone who reads the mission."""
    if not facts.rules_known:
        raise failed("rulesResolvable", "Its pricingRule and matchingRule must exist first.")


# -- slots and progress, known to the owner's server only -------------------------------------------------------------


def slots_of(document: Document) -> int | None:
    """Return how many engagements a proposal takes; None is any number (a ServiceOffer)."""
    slots = document.get("slots")
    if isinstance(slots, int) and not isinstance(slots, bool):
        return slots
    return None if document.get("purpose") == "offer" else 1


def bound(engagements: tuple[Chain, ...]) -> tuple[Chain, ...]:
    """Return the engagements that fill a slot."""
    return tuple(e for e in engagements if e.state in BOUND)


def slot_free(step: Step, facts: Facts) -> None:
    """Accepting is the serialisation point (MKT-5): the last slot goes once."""
    slots = slots_of(facts.proposal.document) if facts.proposal else None
    if slots is not None and len(bound(facts.engagements)) >= slots:
        raise Conflict("slot-filled", "Every slot is taken.", expected=f"fewer than {slots} engaged")


def slots_filled(step: Step, facts: Facts) -> None:
    """A mission is assigned when its slots are filled."""
    if len(bound(facts.engagements)) < (slots_of(step.chain.document) or 1):
        raise failed("slotsFilled", "There are slots left.")


def slots_left(step: Step, facts: Facts) -> None:
    """A mission is open (again), or may expire, while slots are left."""
    if len(bound(facts.engagements)) >= (slots_of(step.chain.document) or 1):
        raise failed("slotsLeft", "Every slot is taken.")


def slots_not_below_accepted(step: Step, facts: Facts) -> None:
    """An Update cannot take a slot from somebody who was accepted."""
    if (slots_of(step.activity.object or {}) or 1) < len(bound(facts.engagements)):
        raise failed(
            "slotsNotBelowAccepted",
            "More were accepted already.",
            expected=f">= {len(bound(facts.engagements))}",
        )


def nothing_accepted(step: Step, facts: Facts) -> None:
    """A mission with accepted work is cancelled, not withdrawn."""
    if bound(facts.engagements):
        raise failed("nothingAccepted", "Somebody was accepted: end that engagement first.")


def not_started(step: Step, facts: Facts) -> None:
    """A slot can be freed before work has started."""
    if any(e.state != "accepted" for e in bound(facts.engagements)):
        raise failed("notStarted", "Work has started.")


def work_started(step: Step, facts: Facts) -> None:
    """A mission is started when the first worker starts."""
    if all(e.state == "accepted" for e in bound(facts.engagements)):
        raise failed("workStarted", "Nobody has started.")


def all_delivered(step: Step, facts: Facts) -> None:
    """A mission is delivered when every engagement is."""
    _all(facts, {"delivered", "completed", "settled"}, "allDelivered")


def rework_asked(step: Step, facts: Facts) -> None:
    """Delivered work goes back when a record was rejected."""
    if not any(e.state == "active" for e in bound(facts.engagements)):
        raise failed("reworkAsked", "No record was rejected.")


def all_completed(step: Step, facts: Facts) -> None:
    """A mission is accepted when every record is."""
    _all(facts, {"completed", "settled"}, "allCompleted")


def all_settled(step: Step, facts: Facts) -> None:
    """A mission is settled when every engagement is paid, or nothing was to be paid."""
    gratis = "reciprocal" not in step.chain.document
    _all(facts, {"completed", "settled"} if gratis else {"settled"}, "allSettled")


# -- engagements ----------------------------------------------------------------------------------------------------


def terms_match(step: Step, facts: Facts) -> None:
    """What is offered answers what is proposed (FEP-0837), or takes up the counter-offer."""
    if facts.proposal is None or not facts.proposal_current:
        return
    offered, proposal = step.activity.object or {}, facts.proposal.document
    factors = [
        _factor(offered.get("stipulates"), proposal.get("publishes"), "stipulates"),
        _factor(offered.get("stipulatesReciprocal"), proposal.get("reciprocal"), "stipulatesReciprocal"),
    ]
    for name in ("pricingRule", "pricingRuleDigest"):
        if name in offered and offered.get(name) != proposal.get(name):
            raise Invalid(
                "terms-mismatch",
                f"An offer has the proposal's `{name}`.",
                expected=str(proposal.get(name)),
                received=str(offered.get(name))[:200],
            )
    counter = step.chain.memory.get("counter")
    if isinstance(counter, Mapping) and _amounts(offered) == _amounts(counter):
        return
    given = {f for f in factors if f is not None}
    # MKT-1, MKT-4: exactly the published amounts, or the same whole multiple of both when it is sold by the unit.
    by_unit = proposal.get("unitBased") is True
    if len(given) > 1 or any(f < 1 or f != f.to_integral_value() or (f != 1 and not by_unit) for f in given):
        raise Invalid(
            "quantity-mismatch",
            "The quantities offered are not those proposed.",
            expected="the same whole multiple of both" if by_unit else "exactly the published quantities",
            received=", ".join(f"{q} {u}" for q, u in _amounts(offered)),
        )


def status_accepted(step: Step, facts: Facts) -> None:
    """The worker's status is one that the mission takes."""
    if facts.proposal is None or not facts.proposal_current:
        return
    if "acceptedStatuses" not in facts.proposal.document:
        return
    status = str((step.activity.object or {}).get("workStatus", "selfEmployed"))
    accepted = _strings(facts.proposal.document.get("acceptedStatuses"))
    if status not in accepted:
        raise Invalid(
            "status-not-accepted",
            "The mission does not take this status.",
            expected=", ".join(accepted),
            received=status,
        )


def worker_credential(step: Step, facts: Facts) -> None:
    """A carried worker shows that the carrier employs them, with a credential good at this instant."""
    parties = step.chain.parties
    terms = (step.activity.object or {}) if step.activity.type == "Offer" else agreed_terms(step)
    carrier, status = id_of(terms.get("carrier")), str(terms.get("workStatus", "selfEmployed"))
    if carrier is None:
        if status in EMPLOYED:
            raise Invalid(
                "credential-missing",
                "This status works through a carrier.",
                expected="`carrier`",
                received=status,
            )
        return
    if parties.get("carrier", carrier) != carrier:
        raise Invalid(
            "terms-mismatch", "The carrier is the one offered.", expected=parties["carrier"], received=carrier
        )
    if step.activity.type == "Offer" and step.activity.actor != parties["worker"]:
        # Somebody asks for a service: the worker is the one who will accept, and shows the credential then.
        return
    shown = credentials.find((step.activity.raw, terms), "MembershipCredential")
    # Shown with the offer, its proof was checked then; whether it is still good is asked again.
    earlier = credentials.find((step.chain.document,), "MembershipCredential") if shown is None else None
    credential = shown or earlier
    if credential is None:
        raise Invalid(
            "credential-missing", "A carried worker shows a MembershipCredential.", expected="`attachment`"
        )
    credentials.check_membership(
        credential,
        worker=parties["worker"],
        carrier=carrier,
        status=status,
        at=_counted(step, facts),
        keys=facts.keys if earlier is None else None,
    )


def counter_terms(step: Step, facts: Facts) -> None:
    """A counter-offer changes amounts and dates, and nothing else."""
    result = step.activity.raw.get("result")
    if not isinstance(result, Mapping):
        raise failed("counterTerms", "A counter-offer carries its terms.", expected="`result`")
    before = step.chain.document
    for name in (*WHO_AND_WHAT, "noticePeriod", "pricingRule", "pricingRuleDigest"):
        if name in result and result.get(name) != before.get(name):
            raise failed(
                "counterTerms", f"A counter-offer does not change `{name}`.", expected=str(before.get(name))
            )
    for name in ("stipulates", "stipulatesReciprocal"):
        mine, theirs = result.get(name), before.get(name)
        if isinstance(theirs, Mapping):
            same = isinstance(mine, Mapping) and id_of(mine.get("satisfies")) == id_of(
                theirs.get("satisfies")
            )
            if not same or _measure(mine)[1] != _measure(theirs)[1]:
                raise failed("counterTerms", f"`{name}` keeps its intent and its unit.")


def replies_to_counter(step: Step, facts: Facts) -> None:
    """A renewed Offer answers the last one of its chain, by the same people about the same work."""
    reply = id_of(step.activity.raw.get("inReplyTo"))
    if reply != step.chain.memory.get("offer"):
        raise Conflict(
            "stale", "It answers an older offer.", expected=step.chain.memory.get("offer"), received=reply
        )
    offered, before = step.activity.object or {}, step.chain.document
    for name in WHO_AND_WHAT:
        if offered.get(name) != before.get(name):
            raise Invalid(
                "terms-mismatch", f"A renewed offer keeps `{name}`.", expected=str(before.get(name))
            )


def agreement_matches_offer(step: Step, facts: Facts) -> None:
    """The agreement is the one that was offered, now with ids and an owner (FEP-0837 step 3a)."""
    result, offered = step.activity.raw.get("result"), step.chain.document
    if not isinstance(result, Mapping):
        raise Invalid("terms-mismatch", "An Accept carries the agreement.", expected="`result`")
    if id_of(result.get("attributedTo")) != step.activity.actor or id_of(result) is None:
        raise Invalid("terms-mismatch", "The agreement has an id and is attributed to whoever accepts.")
    if _amounts(result) != _amounts(offered):
        raise Invalid(
            "quantity-mismatch",
            "The agreement has the quantities that were offered.",
            expected=", ".join(f"{q} {u}" for q, u in _amounts(offered)),
            received=", ".join(f"{q} {u}" for q, u in _amounts(result)),
        )
    agreed = agreed_terms(step)
    # Who accepts may add what the offer left open (an address, the carrier of a service's worker), not change it.
    for name in WHO_AND_WHAT:
        if name in offered and agreed.get(name) != offered.get(name):
            raise Invalid("terms-mismatch", f"The agreement keeps `{name}`.", expected=str(offered.get(name)))
    for name in AGREED:
        if agreed.get(name) != offered.get(name):
            raise Invalid(
                "terms-mismatch",
                f"The agreement has the `{name}` that was offered.",
                expected=str(offered.get(name))[:200],
                received=str(agreed.get(name))[:200],
            )
    for name in ("stipulates", "stipulatesReciprocal"):
        commitment = result.get(name)
        if isinstance(commitment, Mapping) and id_of(commitment) is None:
            raise Invalid("terms-mismatch", f"The commitment `{name}` has an id.", expected=f"{name}.id")
        meant, agreed_to = (_satisfied(d.get(name)) for d in (offered, result))
        if meant is not None and agreed_to not in (None, meant):
            raise Invalid(
                "terms-mismatch",
                f"The commitment `{name}` satisfies the intent that was offered for.",
                expected=meant,
                received=agreed_to,
            )


def _satisfied(commitment: Any) -> str | None:
    """Return which intent a commitment satisfies."""
    return id_of(commitment.get("satisfies")) if isinstance(commitment, Mapping) else None


def agreed_terms(step: Step) -> Document:
    """Return the terms that an Accept agrees to: its `result`, and without one what was offered.

    FEP-0837 knows quantities alone: what a plain peer's agreement leaves out is as it was offered.
    """
    result, offered = step.activity.raw.get("result"), step.chain.document
    if not isinstance(result, Mapping) or not result:
        return offered
    return {**offered, **result} if is_plain(step.activity) else result


def reason_given(step: Step, facts: Facts) -> None:
    """Refusing and ending need a reason from the list, so that they can be counted and contested."""
    # A plain FEP-0837 Reject has no such list, and says no all the same.
    if step.activity.type == "Reject" and is_plain(step.activity):
        return
    if not isinstance(_aside(step, "reasonCode"), str):
        raise Invalid("reason-missing", "Say why, with a code of the Reason list.", expected="`reasonCode`")


def compensation_given(step: Step, facts: Facts) -> None:
    """Work that was begun is paid for: ending it carries an amount."""
    amount = _aside(step, "compensation")
    value = amount.get("value") if isinstance(amount, Mapping) else None
    if not isinstance(value, str) or decimal(value) < 0:
        raise failed(
            "compensationGiven", "Work has begun: say what is paid for it.", expected="`compensation`"
        )


def notice_or_compensation(step: Step, facts: Facts) -> None:
    """Before the start, the notice period is kept or an amount is paid instead."""
    terms = step.chain.document
    proposal = facts.proposal.document if facts.proposal else {}
    start = moment(terms.get("startTime")) or moment(proposal.get("startTime"))
    notice = duration(str(terms.get("noticePeriod") or proposal.get("noticePeriod") or "P0D"))
    if start is not None and start - _counted(step, facts) < notice:
        compensation_given(step, facts)


def record_fits(step: Step, facts: Facts) -> None:
    """A record is the worker's, of this engagement."""
    record, parties = step.activity.object or {}, step.chain.parties
    _belongs(step, record)
    for name, role in (("provider", "worker"), ("receiver", "requester")):
        named = id_of(record.get(name))
        if named is not None and named != parties[role]:
            raise Invalid(
                "terms-mismatch", f"`{name}` is the {role}.", expected=parties[role], received=named
            )
    primary = step.chain.document.get("stipulates")
    expected = id_of(primary) if isinstance(primary, Mapping) else None
    if expected is not None and id_of(record.get("fulfills")) != expected:
        raise Invalid("terms-mismatch", "A record fulfils the engagement's commitment.", expected=expected)


def not_too_early(step: Step, facts: Facts) -> None:
    """Work starts at its time, or an hour before."""
    proposal = facts.proposal.document if facts.proposal else {}
    start = moment(step.chain.document.get("startTime")) or moment(proposal.get("startTime"))
    if start is not None and start - said_at(step.activity.raw) > EARLY_START:
        raise failed("notTooEarly", "It is too early to start.", expected=f"from {start.isoformat()}")


def record_finished(step: Step, facts: Facts) -> None:
    """A delivery says that it is finished."""
    if (step.activity.object or {}).get("finished") is not True:
        raise failed("recordFinished", "A delivered record is finished.", expected="`finished: true`")


def reworks_left(step: Step, facts: Facts) -> None:
    """Work cannot be sent back for ever."""
    if int(step.chain.memory.get("reworks", 0)) >= MAX_REWORKS:
        raise failed("reworksLeft", "It was sent back too often.", expected=f"at most {MAX_REWORKS} times")


def attestation_fits(step: Step, facts: Facts) -> None:
    """Accepted work is attested: a credential about this worker and this engagement, signed by the requester."""
    result = step.activity.raw.get("result")
    if not isinstance(result, Mapping):
        raise Invalid(
            "credential-missing", "Accepting work attests it.", expected="`result`: a WorkAttestation"
        )
    credentials.check_attestation(
        result,
        requester=step.chain.parties["requester"],
        worker=step.chain.parties["worker"],
        engagement=str(step.chain.memory.get("engagement")),
        at=said_at(step.activity.raw),
        keys=facts.keys,
    )


def receipt_fits(step: Step, facts: Facts) -> None:
    """A receipt is its sender's, of this engagement."""
    _belongs(step, step.activity.object or {})


def invoice_totals(step: Step, facts: Facts) -> None:
    """An invoice asks what was agreed; its totals add up (settlement identity 2)."""
    invoice, agreed = step.activity.object or {}, step.chain.document.get("stipulatesReciprocal")
    if not isinstance(agreed, Mapping):
        raise failed("invoiceTotals", "Nothing was to be paid.")
    total, expected = _money(invoice.get("totalExclTax")), _measure(agreed)[0]
    if total != expected:
        raise failed(
            "invoiceTotals", "The invoice asks another amount.", expected=str(expected), received=str(total)
        )
    vat, incl = invoice.get("vatAmount"), invoice.get("totalInclTax")
    if vat is not None and incl is not None and total + _money(vat) != _money(incl):
        raise failed(
            "invoiceTotals", "totalExclTax + vatAmount is not totalInclTax.", received=str(_money(incl))
        )


def payment_matches_invoice(step: Step, facts: Facts) -> None:
    """A payment confirms the invoice that was issued, in full."""
    payment, invoice = step.activity.object or {}, step.chain.memory.get("invoice")
    if not isinstance(invoice, Mapping):
        raise failed(
            "paymentMatchesInvoice", "No invoice has been issued.", expected="Create(Receipt invoiceIssued)"
        )
    for name in ("invoiceNumber", "totalExclTax", "vatAmount", "totalInclTax"):
        if payment.get(name) != invoice.get(name):
            raise failed(
                "paymentMatchesInvoice", f"`{name}` is not the invoice's.", expected=str(invoice.get(name))
            )
    if payment.get("paymentState") != "paid":
        raise failed("paymentMatchesInvoice", "A confirmed payment is paid.", expected="`paymentState: paid`")


GUARDS: Final[Mapping[str, Guard]] = {
    "missionTerms": mission_terms,
    "listingTerms": listing_terms,
    "sameTerms": same_terms,
    "applyBeforePassed": apply_before_passed,
    "proposalOpen": proposal_open,
    "proposalRunning": proposal_running,
    "rulesResolvable": rules_resolvable,
    "slotFree": slot_free,
    "slotsFilled": slots_filled,
    "slotsLeft": slots_left,
    "slotsNotBelowAccepted": slots_not_below_accepted,
    "nothingAccepted": nothing_accepted,
    "notStarted": not_started,
    "workStarted": work_started,
    "allDelivered": all_delivered,
    "reworkAsked": rework_asked,
    "allCompleted": all_completed,
    "allSettled": all_settled,
    "termsMatch": terms_match,
    "statusAccepted": status_accepted,
    "workerCredential": worker_credential,
    "counterTerms": counter_terms,
    "repliesToCounter": replies_to_counter,
    "agreementMatchesOffer": agreement_matches_offer,
    "reasonGiven": reason_given,
    "compensationGiven": compensation_given,
    "noticeOrCompensation": notice_or_compensation,
    "recordFits": record_fits,
    "notTooEarly": not_too_early,
    "recordFinished": record_finished,
    "reworksLeft": reworks_left,
    "attestationFits": attestation_fits,
    "receiptFits": receipt_fits,
    "invoiceTotals": invoice_totals,
    "paymentMatchesInvoice": payment_matches_invoice,
}
"""Every guard by the name the vocabulary uses; `tests/protocol/test_guards.py` holds the two equal."""


# -- reading values -------------------------------------------------------------------------------------------------

_DURATION: Final = re.compile(
    r"P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?"
)


def moment(value: Any) -> datetime | None:
    """Return an xsd:dateTime as an aware datetime; None when absent; raises Invalid when it is not one."""
    if value is None:
        return None
    try:
        return read_time(value)
    except Malformed as refusal:
        raise Invalid(
            "schema-invalid", refusal.detail, expected=refusal.expected, received=refusal.received
        ) from None


def said_at(activity: Document) -> datetime:
    """Return when an activity says that it was made: `published`, else when its proof was (a plain FEP-0837 one).

    Raises:
        Invalid: it says neither.
    """
    proof = activity.get("proof")
    when = moment(activity.get("published"))
    if when is None and isinstance(proof, Mapping):
        when = moment(proof.get("created"))
    if when is None:
        raise Invalid("schema-invalid", "A step of a contract says when it was made.", expected="`published`")
    return when


def duration(value: str) -> timedelta:
    """Return an xsd:duration as a timedelta (a month counts 30 days, a year 365: notice periods, not calendars).

    >>> duration("P7D"), duration("PT36H")
    (datetime.timedelta(days=7), datetime.timedelta(days=1, seconds=43200))
    """
    match = _DURATION.fullmatch(value)
    if match is None or any(len(g or "") > 6 for g in match.groups()):
        raise Invalid(
            "schema-invalid", "Not a duration.", expected="xsd:duration such as P7D", received=value[:64]
        )
    years, months, days, hours, minutes, seconds = (int(g or 0) for g in match.groups())
    return timedelta(days=365 * years + 30 * months + days, hours=hours, minutes=minutes, seconds=seconds)


MAX_DIGITS: Final = 24


def decimal(value: Any) -> Decimal:
    """Return a decimal string (or a JSON number, MKT-3) as a Decimal; raises Invalid when it is neither."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > 40:
        raise Invalid("schema-invalid", "Not a decimal number.", received=str(value)[:64])
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise Invalid("schema-invalid", "Not a decimal number.", received=str(value)[:64]) from None
    # As many digits as an amount of the vocabulary may have; a number in the notation of powers is not to have more.
    if not number.is_finite() or abs(number.adjusted()) >= MAX_DIGITS:
        raise Invalid("schema-invalid", "Not a decimal number.", received=str(value)[:64])
    return number


def failed(guard: str, detail: str, *, expected: str | None = None, received: str | None = None) -> Invalid:
    """Return the refusal that says which condition does not hold (`extra["guard"]`)."""
    return Invalid("guard-failed", detail, expected=expected, received=received, extra={"guard": guard})


def _strings(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _counted(step: Step, facts: Facts) -> datetime:
    """Return the instant from which notice runs and at which a credential must be good.

    It is the one that the sender signed; but where the chain is ordered, not before it arrives there: an earlier date
    than the true one gains nobody anything.
    """
    said = said_at(step.activity.raw)
    return max(said, facts.now) if facts.owner_here and facts.now is not None else said


def _scope(document: Document) -> int:
    scope = document.get("relayScope", "public")
    return SCOPES.index(scope) if scope in SCOPES else 0


def _aside(step: Step, name: str) -> Any:
    """A member given on the activity, or on the object it carries."""
    return step.activity.raw.get(name, (step.activity.object or {}).get(name))


def _all(facts: Facts, states: set[str], guard: str) -> None:
    engaged = bound(facts.engagements)
    if not engaged or any(e.state not in states for e in engaged):
        raise failed(guard, "Not every engagement is there yet.", expected=" or ".join(sorted(states)))


def _belongs(step: Step, obj: Document) -> None:
    engagement = step.chain.memory.get("engagement")
    if id_of(obj.get("attributedTo")) != step.activity.actor:
        raise Forbidden("not-owner", "It is attributed to somebody else.", expected=step.activity.actor)
    if id_of(obj.get("engagement")) != engagement:
        raise Invalid("terms-mismatch", "It names another engagement.", expected=str(engagement))
    if id_of(obj.get("mission")) not in (None, step.chain.proposal):
        raise Invalid("terms-mismatch", "It names another mission.", expected=step.chain.proposal)


def _measure(part: Any) -> tuple[Decimal, str]:
    """Return (quantity, unit) of an Intent or Commitment; no number counts as 1 (FEP-0837)."""
    quantity = part.get("resourceQuantity") if isinstance(part, Mapping) else None
    if not isinstance(quantity, Mapping):
        raise Invalid("terms-mismatch", "A commitment has a quantity.", expected="`resourceQuantity`")
    return decimal(quantity.get("hasNumericalValue", "1")), str(quantity.get("hasUnit", "one"))


def _amounts(agreement: Document) -> list[tuple[Decimal, str]]:
    parts = (agreement.get("stipulates"), agreement.get("stipulatesReciprocal"))
    return [_measure(part) for part in parts if part is not None]


def _factor(commitment: Any, intent: Any, name: str) -> Decimal | None:
    """Return how many times the intent is committed to; None when the intent leaves its amount open or is absent."""
    if intent is None and commitment is None:
        return None
    if not isinstance(commitment, Mapping) or not isinstance(intent, Mapping):
        raise Invalid("terms-mismatch", f"`{name}` is there if, and only if, the proposal has its intent.")
    if id_of(commitment.get("satisfies")) != id_of(intent):
        raise Invalid("terms-mismatch", f"`{name}` satisfies the proposal's intent.", expected=id_of(intent))
    (offered, unit), (published, asked) = _measure(commitment), _measure(intent)
    if unit != asked:
        raise Invalid(
            "quantity-mismatch", f"`{name}` is in the proposal's unit.", expected=asked, received=unit
        )
    quantity = intent.get("resourceQuantity")
    if isinstance(quantity, Mapping) and "hasNumericalValue" not in quantity:
        return None
    if published == 0 or offered <= 0:
        raise Invalid("quantity-mismatch", f"`{name}` has no amount.")
    return offered / published


def _money(value: Any) -> Decimal:
    if not isinstance(value, Mapping):
        raise Invalid("schema-invalid", "Not an amount of money.", expected="MonetaryAmount")
    return decimal(value.get("value"))


def _price(doc: Document) -> None:
    """Identity 5 and line sums: the price shown is the reciprocal intent's amount, and its lines add up to it."""
    price, reciprocal = doc.get("price"), doc.get("reciprocal")
    if price is None and reciprocal is None:
        return
    if not isinstance(price, Mapping) or not isinstance(reciprocal, Mapping):
        raise failed("missionTerms", "A paid mission shows its price.", expected="`price`")
    total, asked = _money(price.get("totalExclTax")), _measure(reciprocal)[0]
    lines = price.get("lines")
    lines = [line for line in lines if isinstance(line, Mapping)] if isinstance(lines, list) else []
    counted = [_money(line.get("amount")) for line in lines if str(line.get("lineKind")) in PRICE_LINES]
    if total != asked or (counted and sum(counted) != total):
        raise failed(
            "missionTerms",
            "The price shown, its lines and the reciprocal intent are one amount.",
            expected=str(asked),
            received=f"totalExclTax {total}, lines {sum(counted) if counted else 'none'}",
        )


PRICE_LINES: Final = frozenset({"fee", "unit", "surcharge", "discount", "expense", "adjustment"})
"""Line kinds that make up totalExclTax (settlement identity 1)."""


def _floor(doc: Document, facts: Facts) -> None:
    """The hourly floor, the mission's own or the instance's, is kept (requirement C16)."""
    publishes, price, own = doc.get("publishes"), doc.get("price"), doc.get("hourlyFloor")
    effort = publishes.get("effortQuantity") if isinstance(publishes, Mapping) else None
    if not isinstance(effort, Mapping) or effort.get("hasUnit") != "hour" or not isinstance(price, Mapping):
        return
    hours = decimal(effort.get("hasNumericalValue", "0"))
    floors = [_money(own)] if isinstance(own, Mapping) else []
    floors += [decimal(facts.hourly_floor)] if facts.hourly_floor else []
    if hours > 0 and floors and _money(price.get("totalExclTax")) / hours < max(floors):
        raise failed(
            "missionTerms", "It pays less an hour than the floor.", expected=f"{max(floors)} an hour"
        )
