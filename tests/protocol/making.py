"""What the tests of contracts are made of: a mission of Nantes, a worker of Lyon, and a chain in any state.

Nothing here is signed but credentials: whose word an activity is, has been settled before the core is asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fedcoop.protocol.authorise import Scene
from fedcoop.protocol.build import contexts
from fedcoop.protocol.chain import Placement, Taken, take
from fedcoop.protocol.facts import Facts
from fedcoop.protocol.messages import Activity, Chain, Document, Link
from fedcoop.protocol.model import LIFECYCLES
from fedcoop.protocol.proof import sign_document
from fedcoop.protocol.shape import read_activity
from fedcoop.protocol.times import read_time
from fedcoop.protocol.vocabulary import Edge
from tests.protocol.signing import NOW, PUBLIC, a_multikey, ed_key

LYON: Final = "https://lyon.example"
NANTES: Final = "https://nantes.example"
MALLORY: Final = "https://mallory.example/actors/mallory"
OWNER: Final = f"{NANTES}/actors/coop"
AWA: Final = f"{LYON}/actors/awa"
CARRIER: Final = f"{LYON}/actors/coop"
MISSION: Final = f"{NANTES}/missions/1"
OFFERED: Final = f"{LYON}/activities/offer"
ACCEPTED: Final = f"{NANTES}/activities/accept"
ENGAGEMENT: Final = f"{NANTES}/engagements/1"
RECORD: Final = f"{LYON}/records/1"
RULE: Final = f"{NANTES}/rules/fixed-price"
START: Final = "2026-12-01T08:00:00Z"
PAST: Final = "2026-11-22T11:00:00Z"
PARTIES: Final = {
    "proposer": OWNER,
    "responder": AWA,
    "worker": AWA,
    "requester": OWNER,
    "carrier": CARRIER,
}


def stamp(moment: datetime) -> str:
    """Return a moment as documents have it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def changed(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy with changes; a change of None takes the member out."""
    return {k: v for k, v in {**document, **changes}.items() if v is not None}


# -- documents ------------------------------------------------------------------------------------------------------


def money(value: str) -> dict[str, str]:
    """Return an amount in euro."""
    return {"type": "MonetaryAmount", "value": value, "currency": "EUR"}


def a_price(value: str = "1140.00", *lines: tuple[str, str]) -> dict[str, Any]:
    """Return a price made up of (kind, amount) lines, of one fee when none are given."""
    shown = [
        {"type": "SettlementLine", "lineKind": kind, "amount": money(amount)}
        for kind, amount in lines or (("fee", value),)
    ]
    return {"type": "PriceBreakdown", "lines": shown, "totalExclTax": money(value)}


def amount(value: str | None, unit: str = "one") -> dict[str, Any]:
    """Return a quantity; without a number when `value` is None."""
    return {"hasUnit": unit, **({"hasNumericalValue": value} if value is not None else {})}


def a_mission(**changes: Any) -> dict[str, Any]:
    """Return a paid mission of three days as its server sends it."""
    mission = {
        "id": MISSION,
        "type": "Note",
        "fedcoopType": ["Proposal", "Mission"],
        "attributedTo": OWNER,
        "name": "Module de réservation",
        "content": "<p>Trois jours.</p>",
        "published": PAST,
        "url": MISSION,
        "purpose": "request",
        "unitBased": False,
        "publishes": {
            "id": f"{MISSION}#primary",
            "type": "Intent",
            "action": "deliverService",
            "resourceQuantity": amount("3", "day"),
        },
        "reciprocal": {
            "id": f"{MISSION}#reciprocal",
            "type": "Intent",
            "action": "transfer",
            "resourceQuantity": amount("1140.00"),
        },
        "price": a_price(),
        "pricingRule": RULE,
        "matchingRule": f"{NANTES}/rules/matching",
        "acceptedStatuses": ["cape", "cesa", "esa", "employee", "selfEmployed"],
        "missionState": "published",
        "slots": 1,
        "startTime": START,
        "applyBefore": "2026-11-28T18:00:00Z",
        "relayScope": "public",
        "to": [PUBLIC],
        "cc": [f"{OWNER}/followers"],
    }
    return changed(mission, changes)


def a_service(**changes: Any) -> dict[str, Any]:
    """Return a service offer of Nantes."""
    offer = a_mission(
        fedcoopType=["Proposal", "ServiceOffer"],
        purpose="offer",
        missionState=None,
        slots=None,
        acceptedStatuses=None,
        matchingRule=None,
        applyBefore=None,
    )
    return changed(offer, changes)


def an_engagement(**changes: Any) -> dict[str, Any]:
    """Return the terms that Awa offers, carried by her co-op."""
    engagement = {
        "type": "Agreement",
        "fedcoopType": ["Engagement"],
        "mission": MISSION,
        "context": MISSION,
        "worker": AWA,
        "carrier": CARRIER,
        "client": OWNER,
        "workStatus": "cape",
        "noticePeriod": "P7D",
        "engagementState": "proposed",
        "startTime": START,
        "pricingRule": RULE,
        "price": a_price(),
        "stipulates": a_commitment("primary", "3", "day"),
        "stipulatesReciprocal": a_commitment("reciprocal", "1140.00"),
        "attachment": [a_membership()],
    }
    return changed(engagement, changes)


def a_commitment(
    intent: str, value: str, unit: str = "one", *, of: str | None = None, **changes: Any
) -> dict[str, Any]:
    """Return a commitment to an intent of the mission; with `of`, named as part of that agreement."""
    commitment = {
        "type": "Commitment",
        "satisfies": f"{MISSION}#{intent}",
        "resourceQuantity": amount(value, unit),
        **({"id": f"{of}#{intent}"} if of else {}),
    }
    return changed(commitment, changes)


def an_agreement(**changes: Any) -> dict[str, Any]:
    """Return the result by which Nantes accepts those terms."""
    named = {
        "id": ENGAGEMENT,
        "attributedTo": OWNER,
        "engagementState": "accepted",
        "attachment": None,
        "stipulates": a_commitment("primary", "3", "day", of=ENGAGEMENT),
        "stipulatesReciprocal": a_commitment("reciprocal", "1140.00", of=ENGAGEMENT),
    }
    return changed(an_engagement(**named), changes)


def a_record(phase: str = "started", **changes: Any) -> dict[str, Any]:
    """Return a record of Awa's work."""
    record = {
        "id": RECORD,
        "type": "EconomicEvent",
        "fedcoopType": ["WorkRecord"],
        "attributedTo": AWA,
        "engagement": ENGAGEMENT,
        "context": ENGAGEMENT,
        "mission": MISSION,
        "fulfills": f"{ENGAGEMENT}#primary",
        "provider": AWA,
        "receiver": OWNER,
        "dataSubject": AWA,
        "action": "deliverService",
        "workPhase": phase,
        "published": stamp(NOW),
        "finished": True if phase == "delivered" else None,
    }
    return changed(record, changes)


def an_invoice(**changes: Any) -> dict[str, Any]:
    """Return the carrier's invoice."""
    invoice = {
        "id": f"{LYON}/receipts/1",
        "type": "Document",
        "fedcoopType": ["Receipt"],
        "attributedTo": CARRIER,
        "context": ENGAGEMENT,
        "engagement": ENGAGEMENT,
        "mission": MISSION,
        "receiptKind": "invoiceIssued",
        "paymentState": "pending",
        "invoiceNumber": "F-1",
        "totalExclTax": money("1140.00"),
        "vatAmount": money("228.00"),
        "totalInclTax": money("1368.00"),
        "published": stamp(NOW),
    }
    return changed(invoice, changes)


def a_payment(**changes: Any) -> dict[str, Any]:
    """Return the requester's confirmation that it paid."""
    confirmed = {"id": f"{NANTES}/receipts/1", "attributedTo": OWNER, "paymentState": "paid"}
    return changed(an_invoice(receiptKind="paymentConfirmed", **confirmed), changes)


# -- credentials ----------------------------------------------------------------------------------------------------


def keys_of(*actors: str) -> dict[str, Document]:
    """Return the actor documents of `actors`, as far as proofs need them."""
    return {actor: {"id": actor, "assertionMethod": [a_multikey(actor)]} for actor in actors}


def a_membership(
    by: str = CARRIER, subject: Mapping[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """Return the credential by which `by` says that it employs Awa; `subject` changes what is said of her."""
    said = {"id": AWA, "memberOf": [CARRIER], "workStatus": "cape", **(subject or {})}
    credential = {
        "@context": ["https://www.w3.org/ns/credentials/v2", f"{LYON}/contexts/fedcoop/credentials/v1"],
        "id": f"{LYON}/credentials/1",
        "type": ["VerifiableCredential", "MembershipCredential"],
        "issuer": CARRIER,
        "validFrom": "2026-01-01T00:00:00Z",
        "validUntil": "2026-12-31T00:00:00Z",
        "credentialSubject": changed(said, {}),
    }
    return sealed(changed(credential, changes), by)


def an_attestation(
    by: str = OWNER, subject: Mapping[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """Return the credential by which `by` says that Awa's work was accepted."""
    said = {
        "id": AWA,
        "mission": MISSION,
        "engagement": ENGAGEMENT,
        "attestedOutcome": "accepted",
        "performedFrom": START,
        "performedUntil": stamp(NOW),
        **(subject or {}),
    }
    credential = {
        "@context": ["https://www.w3.org/ns/credentials/v2", f"{NANTES}/contexts/fedcoop/credentials/v1"],
        "id": f"{NANTES}/credentials/1",
        "type": ["VerifiableCredential", "WorkAttestation"],
        "issuer": OWNER,
        "validFrom": stamp(NOW),
        "credentialSubject": said,
    }
    return sealed(changed(credential, changes), by)


def sealed(document: Mapping[str, Any], by: str) -> dict[str, Any]:
    """Return `document` with a proof by `by`."""
    return sign_document(document, key=ed_key(by), verification_method=f"{by}#ed25519-1", created=NOW)


# -- activities -----------------------------------------------------------------------------------------------------


def an_activity(kind: str, actor: str, obj: Any = None, **changes: Any) -> Activity:
    """Return an activity as read: `obj` is its object; a change of None takes a member out."""
    home = "/".join(actor.split("/")[:3])
    document = {
        "@context": contexts(home),
        "id": f"{home}/activities/{kind.lower()}",
        "type": kind,
        "actor": actor,
        "published": stamp(NOW),
        "to": [OWNER if actor != OWNER else AWA],
        "object": obj,
    }
    whole = changed(document, changes)
    return read_activity(whole, json.dumps(whole).encode())


def following(chain: Chain, kind: str, actor: str, obj: Any = None, **changes: Any) -> Activity:
    """Return an activity that is the next step of `chain`."""
    place = {"stateVersion": chain.version + 1, "previousDigest": chain.digest}
    return an_activity(kind, actor, obj, **{**place, **changes})


# -- chains ---------------------------------------------------------------------------------------------------------

DIGEST: Final = "zQm" + "1" * 44


def a_chain(kind: str, state: str, **changes: Any) -> Chain:
    """Return a chain in `state` that remembers everything which a later step may point at."""
    common = {"state": state, "version": 4, "digest": DIGEST, "kind": kind}
    if kind == "Engagement":
        early = state in ("proposed", "countered", "none")
        memory = {
            "offer": OFFERED,
            "accept": ACCEPTED,
            "engagement": ENGAGEMENT,
            "record": RECORD,
            "recordActivity": f"{LYON}/activities/record",
            "invoice": an_invoice(),
            "saidAt": PAST,
        }
        made = Chain(
            id=OFFERED,
            owner=OWNER,
            document=an_engagement() if early else an_agreement(),
            parties=PARTIES,
            proposal=MISSION,
            memory=memory,
            **common,
        )
    elif kind == "Mission":
        made = Chain(
            id=MISSION,
            owner=OWNER,
            document=a_mission(missionState=state),
            parties={"owner": OWNER},
            memory={"saidAt": PAST},
            **common,
        )
    else:
        made = Chain(
            id=MISSION,
            owner=OWNER,
            document=a_service(),
            parties={"owner": OWNER},
            memory={"saidAt": PAST},
            **common,
        )
    return with_(made, **changes)


def with_(chain: Chain, **changes: Any) -> Chain:
    """Return `chain` with changed fields; `memory` is added to what it remembers."""
    memory = {**chain.memory, **changes.pop("memory", {})}
    fields = {name: getattr(chain, name) for name in Chain.__dataclass_fields__}
    return Chain(**{**fields, "memory": memory, **changes})


def links_of(*confirmed: bool, chain_id: str = OFFERED) -> tuple[Link, ...]:
    """Return links 1, 2, …, the digests of which are d1, d2, …, each final or not."""
    return tuple(
        Link(chain_id, n, f"{LYON}/activities/{n}", f"d{n}", final) for n, final in enumerate(confirmed, 1)
    )


def engaged(*states: str) -> tuple[Chain, ...]:
    """Return one engagement of the mission in each of `states`."""
    return tuple(
        a_chain(
            "Engagement",
            state,
            id=f"{LYON}/activities/offer-{n}",
            memory={"offer": f"{LYON}/activities/offer-{n}", "accept": f"{NANTES}/activities/accept-{n}"},
        )
        for n, state in enumerate(states, 1)
    )


# -- edges ----------------------------------------------------------------------------------------------------------

LATER: Final[Mapping[str, str]] = {"expired": "2026-11-29T00:00:00Z", "active": START}
"""State that is reached only when its time has come, and when that is."""

PROGRESS: Final[Mapping[str, tuple[str, ...]]] = {
    "assigned": ("accepted",),
    "started": ("active",),
    "delivered": ("delivered",),
    "accepted": ("completed",),
    "settled": ("settled",),
}
"""State that a mission moves to, and engagements with which it may."""


def facts_for(edge: Edge, **changes: Any) -> Facts:
    """Return facts under which every guard of `edge` holds, at the owner's server."""
    engagements = PROGRESS.get(edge.target, ()) if edge.object_class == "Mission" else ()
    if (edge.source, edge.target) == ("delivered", "started"):
        engagements = ("active",)
    facts: dict[str, Any] = {
        "owner_here": True,
        "engagements": engaged(*engagements),
        "keys": keys_of(OWNER, CARRIER),
        "now": read_time(LATER.get(edge.target, stamp(NOW))),
        "proposal": a_chain("Mission", "published") if edge.object_class != "Mission" else None,
    }
    return Facts(**{**facts, **changes})


def step_of(edge: Edge, chain: Chain, *, actor: str | None = None, **changes: Any) -> Activity:
    """Return the activity that takes `edge` from `chain`, said by whom the edge belongs to, or by `actor`."""
    invoicer = chain.parties.get("carrier", AWA)
    by = actor or {**chain.parties, "invoicer": invoicer}.get(edge.sender) or AWA
    obj, more = _object_of(edge, chain)
    return following(chain, edge.activity, by, obj, **{**more, **changes})


def _object_of(edge: Edge, chain: Chain) -> tuple[Any, dict[str, Any]]:
    where = dict(edge.where)
    reason = {"reasonCode": "other", "compensation": money("100.00")}
    match edge.activity, edge.object_class:
        case "Delete", _:
            return chain.id, {}
        case "Update" | "Create", "Mission":
            more = reason if where["missionState"] == "cancelled" else {}
            return {**chain.document, **where}, {**more, **said_when(edge)}
        case "Update" | "Create", "Listing":
            return chain.document, {}
        case "Offer", "Engagement":
            return an_engagement(), {"inReplyTo": OFFERED if edge.source == "countered" else None}
        case "TentativeReject", _:
            return OFFERED, {"result": an_engagement(attachment=None, engagementState="countered")}
        case "Accept", "Offer":
            return OFFERED, {"result": an_agreement()}
        case "Reject" | "Undo" | "TentativeAccept", "Offer":
            return OFFERED, reason
        case "Undo", "Accept":
            return ENGAGEMENT, reason
        case "Create", "WorkRecord":
            return a_record(where["workPhase"]), said_when(edge)
        case "Reject", "WorkRecord":
            return RECORD, reason
        case "Accept", "WorkRecord":
            return RECORD, {"result": an_attestation()}
        case "Create", "Receipt":
            return (an_invoice if where["receiptKind"] == "invoiceIssued" else a_payment)(), {}
        case "Flag", name:
            return {"id": ENGAGEMENT, "type": name}, {}
        case _:
            return f"{LYON}/activities/flag", {}


def said_when(edge: Edge) -> dict[str, str]:
    """Return `published` of a step whose time has to come first."""
    waits = edge.target in LATER and edge.source != "delivered"
    return {"published": LATER[edge.target]} if waits else {}


def before(edge: Edge, kind: str, state: str | None = None) -> Chain | None:
    """Return the chain as it is before `edge` (or in `state`); None before the first activity."""
    source = state or edge.source
    if source in LIFECYCLES[kind].initial:
        return None
    return a_chain(kind, source)


def taken(activity: Activity, chain: Chain | None, facts: Facts) -> Taken:
    """Take the step, at the head."""
    return take(activity, chain, facts, Placement(None))


def a_scene(**changes: Any) -> Scene:
    """Return what Nantes knows of the world when nothing is known of it."""
    return Scene(**{"base": NANTES, "now": NOW, "fedcoop": True, **changes})
