"""How our own actors say things: an `Intent` becomes a complete activity (ActivityPub C2S §6, FEP-0837).

`draft` names what is new, so that the flow can read the scene for it; `complete` fills in what the sender of a
contract must say and a person should not have to type: parties, terms, audience, chain fields. What was given is kept,
what is missing is filled, nothing is corrected: a wrong value meets the same guards as a stranger's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from fedcoop.errors import Forbidden, Invalid, NotFound
from fedcoop.protocol import agreements
from fedcoop.protocol.audience import scope_audience
from fedcoop.protocol.authorise import Scene
from fedcoop.protocol.chain import proposal_of
from fedcoop.protocol.guards import EMPLOYED
from fedcoop.protocol.identity import check_own
from fedcoop.protocol.ids import origin
from fedcoop.protocol.listing import currency_of, title_of
from fedcoop.protocol.messages import Activity, Chain, Document, Intent
from fedcoop.protocol.model import CODE_LISTS, PROPERTIES
from fedcoop.protocol.policy import AGREEMENT
from fedcoop.protocol.shape import AS2, BLIND, PUBLIC, class_of, id_of, ids_of, without_blind

DATA_INTEGRITY: Final = "https://w3id.org/security/data-integrity/v2"
CREDENTIALS: Final = "https://www.w3.org/ns/credentials/v2"
EURO: Final = "http://www.wikidata.org/entity/Q4916"

Fresh: TypeAlias = Callable[[str], str]
"""Collection name (`missions`, `activities` …) to a new id in it."""

FOLDER_OF_CLASS: Final[Mapping[str, str]] = {
    "Mission": "missions",
    "ServiceOffer": "offers",
    "Need": "needs",
    "WorkRecord": "records",
    "Receipt": "receipts",
    "PricingRule": "rules",
    "MatchingRule": "rules",
    AGREEMENT: "agreements",
}
"""Where a new object of a class lives; anything else lives under `objects`."""

PRICED: Final = ("pricingRule", "pricingRuleDigest", "startTime", "endTime", "price")
"""Members of a proposal that an Engagement takes over unless it says otherwise."""

NOTICE: Final = "P7D"
"""Notice period of an engagement whose proposal names none."""

FIXED_OF_ACTOR: Final = (
    "@context", "id", "type", "fedcoopType", "preferredUsername", "inbox", "outbox", "followers", "following",
    "endpoints", "publicKey", "assertionMethod", "generator", "members", "missions", "offerings", "homeCooperative",
    "memberOf",
)  # fmt: skip
"""Members of an actor's document that are the server's to say, not the client's."""

OPEN_STATUSES: Final = ["cape", "cesa", "esa", "employee", "selfEmployed", "wagePortage"]


def contexts(base: str) -> list[str]:
    """Return the three contexts of every message of ours (vocabulary.md §3.1)."""
    return [AS2, DATA_INTEGRITY, f"{base}/contexts/fedcoop/v1"]


def credential_contexts(base: str) -> list[str]:
    """Return the contexts of a credential of ours."""
    return [CREDENTIALS, f"{base}/contexts/fedcoop/credentials/v1"]


def draft(intent: Intent, *, base: str, fresh: Fresh, published: str) -> dict[str, Any]:
    """Return the activity with its id, and its object with one, before anything is filled in."""
    # Whom the client named blindly is delivered to, and named in no copy (ActivityPub §6).
    body = {
        k: without_blind(v)
        for k, v in intent.body.items()
        if k not in ("@context", "id", "type", "actor", "proof", *BLIND)
    }
    obj = body.get("object")
    if intent.type == "Create" and isinstance(obj, Mapping):
        folder = FOLDER_OF_CLASS.get(class_of(obj), "objects")
        kept = {k: v for k, v in obj.items() if k not in ("@context", "id", "proof")}
        body["object"] = {"id": fresh(folder), **kept, "attributedTo": intent.actor}
    elif intent.type == "Update" and isinstance(obj, Mapping):
        # What was read from us came with a proof of what it said then.
        body["object"] = {k: v for k, v in obj.items() if k not in ("@context", "proof")}
    elif intent.type == "Offer" and isinstance(obj, Mapping):
        given = {k: v for k, v in obj.items() if k not in ("@context", "id", "proof")}
        # An engagement has no name before it is agreed; whatever else is offered has one.
        home = FOLDER_OF_CLASS.get(class_of(obj))
        body["object"] = {"id": fresh(home), **given, "attributedTo": intent.actor} if home else given
    head = {"@context": contexts(base), "id": fresh("activities"), "type": intent.type, "actor": intent.actor}
    return {**head, "published": published, **{k: v for k, v in body.items() if k != "published"}}


def complete(said: Activity, scene: Scene, *, fresh: Fresh) -> dict[str, Any]:
    """Return the whole activity, ready to be signed.

    Raises:
        NotFound: it speaks of something that is not here.
        Invalid: a code is not in its list (`unknown-code`): what we author uses the vocabulary's codes.
        Forbidden: it holds something that never leaves (`not-visible`).
    """
    body = dict(said.raw)
    filler = FILLERS.get((said.type, _target(said, scene)))
    if filler is not None:
        body = filler(body, said, scene, fresh)
    body["to"], body["cc"] = _lists(body)
    _known_codes(body)
    _nothing_that_stays(body)
    if scene.chain is not None:
        body["stateVersion"] = scene.chain.version + 1
        body["previousDigest"] = scene.chain.digest
    elif scene.reference is not None and scene.reference.begins:
        body["stateVersion"] = 1
    return body


def _target(said: Activity, scene: Scene) -> str:
    """Return what the activity is about, as a key of FILLERS."""
    if said.object_class in FOLDER_OF_CLASS or said.object_class == "Engagement":
        return said.object_class
    if scene.profile is not None:
        return "Actor"
    if scene.chain is not None:
        if scene.chain.kind != "Engagement":
            return class_of(scene.chain.document)
        memory = scene.chain.memory
        return (
            "WorkRecord"
            if said.object_id in (memory.get("record"), memory.get("recordActivity"))
            else "Offer"
        )
    return "Follow" if said.type == "Follow" or scene.follow is not None else ""


def _lists(body: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """AP-11: `to` and `cc` are always arrays; nobody is in both; the sender is in neither."""
    to = [i for i in ids_of(body.get("to")) if i != body["actor"]]
    return to, [i for i in ids_of(body.get("cc")) if i != body["actor"] and i not in to]


# -- proposals ------------------------------------------------------------------------------------------------------


def _create_proposal(body: dict[str, Any], said: Activity, scene: Scene, fresh: Fresh) -> dict[str, Any]:
    given = dict(said.object or {})
    kind, name = class_of(given), str(given["id"])
    scope = str(given.get("relayScope", "public"))
    to, cc = scope_audience(scope, said.actor, coop=f"{scene.base}/actors/coop")
    purpose = "offer" if kind == "ServiceOffer" else "request"
    whole: dict[str, Any] = {
        **given,
        "type": "Note",
        "fedcoopType": ["Proposal", kind],
        "url": given.get("url", name),
        "purpose": given.get("purpose", purpose),
        "unitBased": given.get("unitBased", False),
        "publishes": _intent(given.get("publishes"), f"{name}#primary", "deliverService"),
        "relayScope": scope,
        "published": given.get("published", body["published"]),
        "to": to,
        "cc": cc,
    }
    if given.get("reciprocal") is not None or isinstance(given.get("price"), Mapping):
        whole["reciprocal"] = _reciprocal(given, f"{name}#reciprocal")
    if kind == "Mission":
        rules = {
            "pricingRule": f"{scene.base}/rules/fixed-price",
            "matchingRule": f"{scene.base}/rules/matching",
        }
        defaults = {"missionState": "published", "slots": 1, "acceptedStatuses": OPEN_STATUSES, **rules}
        whole = {**defaults, **whole}
        if scene.rule_digest is not None:
            whole["pricingRuleDigest"] = scene.rule_digest
    if "nameMap" not in whole and isinstance(whole.get("name"), str):
        whole["nameMap"] = {"fr": whole["name"]}
    elif "name" not in whole and isinstance(whole.get("nameMap"), Mapping):
        whole["name"] = next(iter(whole["nameMap"].values()), "")
    whole.setdefault("content", _plain_content(whole))
    return {**body, "object": whole, "to": to, "cc": cc}


def _update_proposal(body: dict[str, Any], said: Activity, scene: Scene, fresh: Fresh) -> dict[str, Any]:
    """C2S updates are partial and null deletes (ActivityPub §6.3); what goes out is the whole object (§7.3)."""
    if scene.chain is None:
        raise NotFound("not-found", "There is no such proposal here.", received=said.object_id)
    given = {k: v for k, v in (said.object or {}).items() if k not in ("@context", "proof")}
    merged = {**scene.chain.document, **given}
    whole = {k: v for k, v in merged.items() if v is not None}
    whole = {**whole, **_told_anew(scene.chain.document, given, whole), "updated": body["published"]}
    to, cc = scope_audience(
        str(whole.get("relayScope", "public")), said.actor, coop=f"{scene.base}/actors/coop"
    )
    if whole.get("missionState") not in (None, "published", "withdrawn", "expired"):
        # Once assigned a mission is P1: its followers hear of it, the public does not (vocabulary.md §3.8).
        to, cc = ([t for t in [*to, *cc] if not t.endswith("#Public")], [])
    whole["to"], whole["cc"] = to, cc
    return {**body, "object": whole, "to": to, "cc": cc}


def _told_anew(before: Document, given: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """Return what we had filled in from what has changed: it says what holds now, unless the client says otherwise."""
    anew: dict[str, Any] = {}
    names = before.get("nameMap")
    if "name" in given and "nameMap" not in given and isinstance(names, Mapping):
        anew["nameMap"] = {k: given["name"] if v == before.get("name") else v for k, v in names.items()}
    if "content" not in given and before.get("content") == _plain_content(before):
        anew["content"] = _plain_content({**whole, **anew})
    return anew


def _update_actor(body: dict[str, Any], said: Activity, scene: Scene, fresh: Fresh) -> dict[str, Any]:
    """A profile is updated in parts (ActivityPub §6.3), and its keys and addresses stay what they are."""
    stored = scene.profile or {}
    given = {k: v for k, v in (said.object or {}).items() if k not in (*FIXED_OF_ACTOR, "proof")}
    whole = {k: v for k, v in {**stored, **given}.items() if v is not None}
    # Who one is elsewhere is shown when the other key says so too (FEP-c390).
    check_own(whole, now=scene.now)
    to = list(ids_of(body.get("to"))) or [PUBLIC]
    cc = list(ids_of(body.get("cc"))) or [f"{said.actor}/followers"]
    return {**body, "object": whole, "to": to, "cc": cc}


def _delete_proposal(body: dict[str, Any], said: Activity, scene: Scene, fresh: Fresh) -> dict[str, Any]:
    document = scene.chain.document if scene.chain else {}
    tombstone = {
        "id": said.object_id,
        "type": "Tombstone",
        "formerType": "Note",
        "deleted": body["published"],
    }
    return {
        **body,
        "object": tombstone,
        "to": list(ids_of(document.get("to"))),
        "cc": list(ids_of(document.get("cc"))),
    }


def _intent(given: Any, name: str, action: str) -> dict[str, Any]:
    whole = dict(given) if isinstance(given, Mapping) else {}
    quantity = whole.get("resourceQuantity", {"hasUnit": "one", "hasNumericalValue": "1"})
    return {"action": action, **whole, "type": "Intent", "id": name, "resourceQuantity": quantity}


def _reciprocal(given: Document, name: str) -> dict[str, Any]:
    price = given.get("price")
    total = price.get("totalExclTax") if isinstance(price, Mapping) else None
    amount = total.get("value") if isinstance(total, Mapping) else None
    quantity = {"hasUnit": "one", "hasNumericalValue": amount} if amount is not None else None
    whole = dict(given["reciprocal"]) if isinstance(given.get("reciprocal"), Mapping) else {}
    if quantity is not None:
        whole.setdefault("resourceQuantity", quantity)
    whole.setdefault("resourceConformsTo", EURO)
    return _intent(whole, name, "transfer")


def _plain_content(document: Document) -> str:
    """A Note is complete by itself (vocabulary.md §3.2 rule 4): whoever sees only `content` knows what it is."""
    place = document.get("location")
    price = document.get("price")
    total = price.get("totalExclTax") if isinstance(price, Mapping) else None
    parts = [str(document.get("name", ""))]
    if isinstance(place, Mapping) and place.get("name"):
        parts.append(str(place["name"]))
    if isinstance(document.get("startTime"), str):
        parts.append(document["startTime"][:10])
    if isinstance(total, Mapping):
        parts.append(f"{total.get('value')} {total.get('currency', 'EUR')} HT")
    text = ", ".join(p.replace("&", "&amp;").replace("<", "&lt;") for p in parts if p)
    return f'<p>{text}. <a href="{document["id"]}">{document["id"]}</a></p>'


# -- engagements ----------------------------------------------------------------------------------------------------


def _offer(body: dict[str, Any], said: Activity, scene: Scene, fresh: Fresh) -> dict[str, Any]:
    given = dict(said.object or {})
    proposal = scene.facts.proposal
    if proposal is None:
        raise NotFound("not-found", "That proposal is not known here.", received=proposal_of(given))
    document = proposal.document
    offers_work = document.get("purpose") == "offer"
    counter = scene.chain.memory.get("counter") if scene.chain else None
    base: Document = counter if isinstance(counter, Mapping) else document
    whole: dict[str, Any] = {
        "mission": proposal.id,
        "context": proposal.id,
        "worker": proposal.owner if offers_work else said.actor,
        "client": said.actor if offers_work else proposal.owner,
        "engagementState": "proposed",
        "noticePeriod": document.get("noticePeriod", NOTICE),
        **{k: document[k] for k in PRICED if k in document},
        **({k: base[k] for k in ("price", "startTime", "endTime") if k in base}),
        **(_carried(scene) if not offers_work else {}),
        **given,
        "type": "Agreement",
        "fedcoopType": ["Engagement"],
    }
    for name, intent, source in (
        ("stipulates", "publishes", "stipulates"),
        ("stipulatesReciprocal", "reciprocal", "stipulatesReciprocal"),
    ):
        if name not in whole and (base.get(source) or document.get(intent)) is not None:
            whole[name] = _commitment(base.get(source) or document[intent], document[intent])
    whole.setdefault("plainSummary", _summary(whole, document))
    carrier = id_of(whole.get("carrier"))
    parties = [proposal.owner, *([carrier] if carrier else [])]
    return {
        **body,
        "object": whole,
        "to": [proposal.owner],
        "cc": [p for p in parties[1:] if p != said.actor],
    }


def _summary(engagement: Document, proposal: Document) -> dict[str, str]:
    """An engagement says in plain words what it binds to (vocabulary.md §3.9)."""
    paid = engagement.get("stipulatesReciprocal")
    quantity = paid.get("resourceQuantity") if isinstance(paid, Mapping) else None
    amount = quantity.get("hasNumericalValue") if isinstance(quantity, Mapping) else None
    carrier = id_of(engagement.get("carrier"))
    title, asked = title_of(proposal), proposal.get("reciprocal")
    currency = currency_of(asked) if isinstance(asked, Mapping) and "resourceConformsTo" in asked else "EUR"
    sign = "€" if currency == "EUR" else currency
    french = [f"« {title} »", f"{amount} {sign}".rstrip() + " HT" if amount else "sans paiement"]
    english = [f"“{title}”", f"{currency} {amount} excl. tax".lstrip() if amount else "unpaid"]
    if carrier:
        french.append(f"travail porté par {carrier}")
        english.append(f"work carried by {carrier}")
    return {"fr": ", ".join(french) + ".", "en": ", ".join(english) + "."}


def _carried(scene: Scene) -> dict[str, Any]:
    """What a worker employed through a co-operative says of it: status, carrier and the credential that shows both."""
    if scene.credential is None:
        return {}
    subject = scene.credential.get("credentialSubject")
    status = subject.get("workStatus") if isinstance(subject, Mapping) else None
    if status not in EMPLOYED:
        return {"workStatus": status} if status else {}
    return {
        "workStatus": status,
        "carrier": id_of(scene.credential.get("issuer")),
        "attachment": [scene.credential],
    }


def _commitment(amount: Document, intent: Document) -> dict[str, Any]:
    quantity = amount.get("resourceQuantity") or intent.get("resourceQuantity")
    action = intent.get("action", "deliverService")
    return {
        "type": "Commitment",
        "satisfies": intent.get("id"),
        "action": action,
        "resourceQuantity": quantity,
    }


def _to_parties(body: dict[str, Any], said: Activity, scene: Scene, fresh: Fresh) -> dict[str, Any]:
    """Whatever moves an engagement goes to everyone it binds: its parties, the carrier in copy."""
    parties = dict(scene.chain.parties) if scene.chain else {}
    carrier = parties.pop("carrier", None)
    to = [p for p in dict.fromkeys(parties.values()) if p != said.actor]
    cc = [carrier] if carrier and carrier != said.actor and carrier not in to else []
    return {**body, "to": to, "cc": cc}


def _accept_offer(body: dict[str, Any], said: Activity, scene: Scene, fresh: Fresh) -> dict[str, Any]:
    body = _to_parties(body, said, scene, fresh)
    if "result" in body or scene.chain is None:
        return body
    name = fresh("engagements")
    offered = {k: v for k, v in scene.chain.document.items() if k not in ("attachment", "content")}
    given = body.pop("agreement", None)
    carried = _carried(scene) if scene.chain.parties.get("worker") == said.actor else {}
    result = {**carried, **offered, **(given if isinstance(given, Mapping) else {})}
    result |= {"id": name, "attributedTo": said.actor, "engagementState": "accepted"}
    # Who asks for a service cannot know how the worker is employed; whoever says nothing works for themselves.
    result.setdefault("workStatus", "selfEmployed")
    for commitment, fragment in (("stipulates", "primary"), ("stipulatesReciprocal", "reciprocal")):
        if isinstance(result.get(commitment), Mapping):
            result[commitment] = {**result[commitment], "id": f"{name}#{fragment}"}
    return {**body, "result": result}


def _counter(body: dict[str, Any], said: Activity, scene: Scene, fresh: Fresh) -> dict[str, Any]:
    body = _to_parties(body, said, scene, fresh)
    if "result" not in body and scene.chain is not None:
        proposal = scene.facts.proposal
        fresh_terms = proposal.document if proposal else {}
        kept = {k: v for k, v in scene.chain.document.items() if k not in ("attachment", "content")}
        renewed = {k: fresh_terms[k] for k in ("price", "startTime", "endTime") if k in fresh_terms}
        body["result"] = {**kept, **renewed, "engagementState": "countered"}
        for name, intent in (("stipulates", "publishes"), ("stipulatesReciprocal", "reciprocal")):
            if isinstance(fresh_terms.get(intent), Mapping) and isinstance(kept.get(name), Mapping):
                body["result"][name] = {
                    **kept[name],
                    "resourceQuantity": fresh_terms[intent].get("resourceQuantity"),
                }
    return body


def _record(body: dict[str, Any], said: Activity, scene: Scene, fresh: Fresh) -> dict[str, Any]:
    body, chain = _to_parties(body, said, scene, fresh), _engagement(scene, said)
    given, terms = dict(said.object or {}), chain.document
    stipulates = terms.get("stipulates")
    stipulates = stipulates if isinstance(stipulates, Mapping) else {}
    whole = {
        "context": chain.memory.get("engagement"),
        "mission": chain.proposal,
        "dataSubject": chain.parties["worker"],
        "action": stipulates.get("action", "deliverService"),
        "fulfills": stipulates.get("id"),
        "provider": chain.parties["worker"],
        "receiver": chain.parties["requester"],
        "published": body["published"],
        **given,
        "type": "EconomicEvent",
        "fedcoopType": ["WorkRecord"],
    }
    if whole.get("workPhase") == "delivered":
        whole.setdefault("finished", True)
        whole.setdefault("resourceQuantity", stipulates.get("resourceQuantity"))
    return {**body, "object": {k: v for k, v in whole.items() if v is not None}}


def _attest(body: dict[str, Any], said: Activity, scene: Scene, fresh: Fresh) -> dict[str, Any]:
    body, chain = _to_parties(body, said, scene, fresh), _engagement(scene, said)
    if "result" in body:
        return body
    terms = chain.document
    proposal = scene.facts.proposal.document if scene.facts.proposal else {}
    place = proposal.get("location")
    stipulates = terms.get("stipulates")
    subject = {
        "id": chain.parties["worker"],
        "mission": chain.proposal,
        "engagement": chain.memory.get("engagement"),
        "carrier": chain.parties.get("carrier"),
        "occupation": proposal.get("occupation"),
        "skills": proposal.get("skills"),
        "effortQuantity": stipulates.get("resourceQuantity") if isinstance(stipulates, Mapping) else None,
        # When it was begun, not when it was planned to: a mission need not have dates.
        "performedFrom": chain.memory.get("begun") or terms.get("startTime"),
        "performedUntil": body["published"],
        "attestedOutcome": "accepted",
        "inseeCommune": place.get("inseeCommune") if isinstance(place, Mapping) else None,
    }
    body["result"] = {
        "@context": credential_contexts(scene.base),
        "id": fresh("credentials"),
        "type": ["VerifiableCredential", "WorkAttestation"],
        "issuer": said.actor,
        "validFrom": body["published"],
        "credentialSubject": {k: v for k, v in subject.items() if v is not None},
    }
    return body


def _receipt(body: dict[str, Any], said: Activity, scene: Scene, fresh: Fresh) -> dict[str, Any]:
    body, chain = _to_parties(body, said, scene, fresh), _engagement(scene, said)
    given = dict(said.object or {})
    invoice = chain.memory.get("invoice")
    paid = given.get("receiptKind") == "paymentConfirmed"
    agreed = chain.document.get("stipulatesReciprocal")
    quantity = agreed.get("resourceQuantity") if isinstance(agreed, Mapping) else None
    amount = quantity.get("hasNumericalValue") if isinstance(quantity, Mapping) else None
    terms: dict[str, Any] = {}
    if paid and isinstance(invoice, Mapping):
        terms = {
            k: invoice[k]
            for k in ("invoiceNumber", "totalExclTax", "vatAmount", "totalInclTax")
            if k in invoice
        }
    elif amount is not None:
        terms = {"totalExclTax": {"type": "MonetaryAmount", "value": amount, "currency": "EUR"}}
        terms["invoiceNumber"] = "F-" + str(given["id"]).rsplit("/", 1)[-1][:13]
    whole = {
        "name": terms.get("invoiceNumber"),
        "context": chain.memory.get("engagement"),
        "engagement": chain.memory.get("engagement"),
        "mission": chain.proposal,
        "paymentState": "paid" if paid else "pending",
        "published": body["published"],
        **terms,
        **given,
        "type": "Document",
        "fedcoopType": ["Receipt"],
    }
    return {**body, "object": {k: v for k, v in whole.items() if v is not None}}


def _engagement(scene: Scene, said: Activity) -> Chain:
    if scene.chain is None or scene.chain.kind != "Engagement":
        raise NotFound("not-found", "That engagement is not known here.", received=said.object_id)
    return scene.chain


# -- federation agreements ------------------------------------------------------------------------------------------


def _propose(body: dict[str, Any], said: Activity, scene: Scene, fresh: Fresh) -> dict[str, Any]:
    """Whoever proposes names the other co-op; the usual terms are filled in."""
    given = dict(said.object or {})
    parties = list(ids_of(given.get("parties"))) or [said.actor, *(r for r in said.recipients if r != PUBLIC)]
    whole: dict[str, Any] = {
        "scopes": list(agreements.DEFAULT_SCOPES),
        "noticePeriod": agreements.DEFAULT_NOTICE,
        "effectiveFrom": body["published"],
        "published": body["published"],
        **given,
        "type": "Document",
        "fedcoopType": [AGREEMENT],
        "parties": parties,
        "agreementState": "proposed",
    }
    whole.setdefault("name", " – ".join(sorted(origin(party).split("://", 1)[1] for party in parties)))
    return {**body, "object": whole, "to": [p for p in parties if p != said.actor], "cc": []}


# -- follows and the rest -------------------------------------------------------------------------------------------


def _follow(body: dict[str, Any], said: Activity, scene: Scene, fresh: Fresh) -> dict[str, Any]:
    return {**body, "to": body.get("to") or [said.object_id]}


def _answer_follow(body: dict[str, Any], said: Activity, scene: Scene, fresh: Fresh) -> dict[str, Any]:
    follow = scene.follow
    other = (follow.follower if follow.followed == said.actor else follow.followed) if follow else None
    return {**body, "to": body.get("to") or ([other] if other else [])}


Filler: TypeAlias = Callable[[dict[str, Any], Activity, Scene, Fresh], dict[str, Any]]

FILLERS: Final[Mapping[tuple[str, str], Filler]] = {
    **{("Create", kind): _create_proposal for kind in ("Mission", "ServiceOffer", "Need")},
    **{("Update", kind): _update_proposal for kind in ("Mission", "ServiceOffer", "Need")},
    **{("Delete", kind): _delete_proposal for kind in ("Mission", "ServiceOffer", "Need")},
    ("Offer", "Engagement"): _offer,
    ("TentativeAccept", "Offer"): _to_parties,
    ("TentativeReject", "Offer"): _counter,
    ("Accept", "Offer"): _accept_offer,
    ("Reject", "Offer"): _to_parties,
    ("Undo", "Offer"): _to_parties,
    ("Undo", "WorkRecord"): _to_parties,
    ("Create", "WorkRecord"): _record,
    ("Accept", "WorkRecord"): _attest,
    ("Reject", "WorkRecord"): _to_parties,
    ("Create", "Receipt"): _receipt,
    ("Offer", AGREEMENT): _propose,
    ("Accept", AGREEMENT): _to_parties,
    ("Reject", AGREEMENT): _to_parties,
    ("Undo", AGREEMENT): _to_parties,
    ("Update", "Actor"): _update_actor,
    ("Follow", "Follow"): _follow,
    ("Accept", "Follow"): _answer_follow,
    ("Reject", "Follow"): _answer_follow,
    ("Undo", "Follow"): _answer_follow,
}
"""(activity type, what it is about) to the function that fills it in; anything else goes out as it was said."""

REPEATED: Final = frozenset({"action", "hasUnit"})
"""Codes that an answer repeats as the other side wrote them: a plain FEP-0837 peer has its own."""

_CODED: Final[Mapping[str, str]] = {
    name: info.range.removeprefix("code:")
    for name, info in PROPERTIES.items()
    if info.range.startswith("code:") and name not in REPEATED
}


STAYS: Final = frozenset(name for name, info in PROPERTIES.items() if "P4" in dict(info.privacy).values())
"""Properties of the privacy class that has no serialiser (decision D13)."""


def _nothing_that_stays(value: Any) -> None:
    """Refuse to write what never leaves into anything, however deep it stands or its name is spelt."""
    if isinstance(value, list):
        for entry in value:
            _nothing_that_stays(entry)
    elif isinstance(value, Mapping):
        for name, inside in value.items():
            if name.rsplit("#", 1)[-1].rsplit(":", 1)[-1] in STAYS:
                raise Forbidden(
                    "not-visible",
                    f"`{name}` never leaves its owner's instance.",
                    expected="a message without it",
                    received=name,
                )
            _nothing_that_stays(inside)


def _known_codes(value: Any) -> None:
    """Unknown codes are refused when authored here and kept when received (vocabulary.md §3.5)."""
    if isinstance(value, list):
        for entry in value:
            _known_codes(entry)
    elif isinstance(value, Mapping):
        for name, inside in value.items():
            _known_codes(inside)
            _known_code(name, inside)


def _known_code(name: str, value: Any) -> None:
    if name not in _CODED:
        return
    codes = CODE_LISTS[_CODED[name]]
    for code in value if isinstance(value, list) else [value]:
        if not isinstance(code, str) or code not in codes:
            raise Invalid(
                "unknown-code", f"`{name}` has no such code.", expected=", ".join(codes), received=str(code)
            )
