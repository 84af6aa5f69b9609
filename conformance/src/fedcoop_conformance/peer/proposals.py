"""What our peers propose: missions, offers and needs as documents, and the chain of steps about each.

The documents are made of the vocabulary's data (`vocab/schemas`) and hold nothing that depends on one server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import jsonschema
import referencing

from fedcoop_conformance import data
from fedcoop_conformance.crypto import jcs, multikey
from fedcoop_conformance.peer.actors import SIGNED, Document, Outgoing, PeerActor, instant

PUBLIC: Final = "https://www.w3.org/ns/activitystreams#Public"
CLASSES: Final = ("Mission", "ServiceOffer", "Need")
PLACES: Final = {"Mission": "missions", "ServiceOffer": "offers", "Need": "needs"}
HOUR: Final = timedelta(hours=1)
STATUSES: Final = ("cape", "cesa", "esa", "selfEmployed")


def contexts(origin: str, *, version: str = "v1") -> list[str]:
    """Return the contexts of an activity of this origin (ctx/05); another `version` is one that nobody knows."""
    return [*SIGNED, f"{origin}/contexts/fedcoop/{version}"]


def money(value: object, currency: str = "EUR") -> Document:
    """Return a MonetaryAmount."""
    return {"type": "MonetaryAmount", "value": value, "currency": currency}


def price(total: object, currency: str = "EUR") -> Document:
    """Return a PriceBreakdown of one line."""
    amount = money(total, currency)
    return {
        "type": "PriceBreakdown",
        "lines": [{"type": "SettlementLine", "lineKind": "fee", "amount": amount}],
        "totalExclTax": amount,
    }


def quantity(value: object, unit: str = "day") -> Document:
    """Return a Measure."""
    return {"hasUnit": unit, "hasNumericalValue": value}


def proposed(owner: PeerActor, kind: str, **changes: Any) -> Document:
    """Return the smallest proposal of a class that its schema allows; None takes a member away."""
    name = owner.new_id(PLACES[kind])
    document: Document = {
        "id": name,
        "type": "Note",
        "fedcoopType": ["Proposal", kind],
        "attributedTo": owner.id,
        "name": "Atelier vélo",
        "content": "<p>Atelier vélo.</p>",
        "published": instant(datetime.now(UTC)),
        "purpose": "offer" if kind == "ServiceOffer" else "request",
        "publishes": {
            "type": "Intent",
            "id": f"{name}#primary",
            "action": "deliverService",
            "resourceQuantity": quantity("1"),
        },
        "relayScope": "federation",
    }
    if kind == "Mission":
        document |= {
            "missionState": "published",
            "acceptedStatuses": list(STATUSES),
            "slots": 1,
            "matchingRule": f"{owner.origin.base}/rules/matching",
        }
    return {member: value for member, value in {**document, **changes}.items() if value is not None}


def paid(owner: PeerActor, amount: object, currency: str = "EUR", **changes: Any) -> Document:
    """Return a Mission with a price, which is what it gives in return."""
    document = proposed(owner, "Mission")
    members = {
        "reciprocal": {
            "type": "Intent",
            "id": f"{document['id']}#reciprocal",
            "action": "transfer",
            "resourceConformsTo": f"urn:iso:std:iso:4217:{currency}",
            "resourceQuantity": quantity(amount, "one"),
        },
        "price": price(amount, currency),
        "pricingRule": f"{owner.origin.base}/rules/price",
        "pricingRuleDigest": "zQmZLRSsZRwcGRtFRFAgBojHbmvDHBWUYcgP53r2K6ReUQH",
    }
    return {**document, **members, **changes}


def largest(owner: PeerActor, kind: str) -> Document:
    """Return a proposal with every member that its class has and that a new one may have."""
    soon = datetime.now(UTC) + 24 * HOUR
    document = paid(owner, "1140.00") if kind == "Mission" else proposed(owner, kind)
    name, base = document["id"], owner.origin.base
    place = {
        "type": "Place", "name": "Nantes", "latitude": 47.218371, "longitude": -1.553621, "radius": 12.5, "units": "km",
        "inseeCommune": "44109", "postalCode": "44000", "addressCountry": "FR",
    }  # fmt: skip
    skill = {"type": "SkillRef", "codeSystem": "rome", "code": "M1805", "skillLevel": 3, "essential": True}
    document |= {
        "nameMap": {"fr": "Atelier vélo", "en": "Bicycle workshop", "es": "Taller de bicicletas"},
        "contentMap": {"fr": "<p>Atelier vélo.</p>", "en": "<p>Bicycle workshop.</p>"},
        "url": name,
        "startTime": instant(soon + HOUR),
        "endTime": instant(soon + 9 * HOUR),
        "duration": "PT8H",
        "location": place,
        "occupation": skill,
        "skills": [skill],
        "tag": [{"type": "Hashtag", "name": "#velo", "href": f"{base}/tags/velo"}],
        "attachment": [
            {"type": "Document", "mediaType": "image/png", "url": f"{base}/velo.png", "name": "Vélo"}
        ],
        "eligibleTerritory": [{**place, "inseeCommune": "44215"}],
    }
    if kind != "Mission":
        document["reciprocal"] = {
            "type": "Intent",
            "id": f"{name}#reciprocal",
            "action": "transfer",
            "resourceQuantity": quantity("1140.00", "one"),
        }
    return document | _LARGEST[kind](base, soon)


def _mission(base: str, soon: datetime) -> Document:
    return {
        "dataPolicy": f"{base}/policies/1",
        "mediationContact": f"{base}/actors/mediation",
        "spokenLanguages": ["fr", "es-419"],
        "socialCoverage": ["assimile"],
        "unitBased": False,
        "workMode": "onSite",
        "applyBefore": instant(soon),
        "hourlyFloor": money("25.50"),
        "client": f"{base}/clients/7",
        "deliverableLicense": "https://creativecommons.org/licenses/by-sa/4.0/",
    }


_LARGEST: Final[Mapping[str, Callable[[str, datetime], Document]]] = {
    "Mission": _mission,
    "ServiceOffer": lambda base, soon: {
        "availability": [f"{instant(soon)}/{instant(soon + HOUR)}"],
        "socialCoverage": ["assimile"],
        "unitBased": True,
        "workMode": "onSite",
    },
    "Need": lambda base, soon: {"applyBefore": instant(soon)},
}


# -- schemas ----------------------------------------------------------------------------------------------------------


@cache
def schema(kind: str) -> jsonschema.Draft202012Validator:
    """Return what judges documents of a class by `vocab/schemas`."""
    shared = referencing.Resource.from_contents(data.read("vocab", "schemas/common.schema.json"))
    registry: Any = referencing.Registry().with_resource("common.schema.json", shared)
    return jsonschema.Draft202012Validator(
        data.read("vocab", f"schemas/{kind}.schema.json"), registry=registry
    )


def faults(document: object, kind: str) -> list[str]:
    """Return what is wrong with a document by the schema of its class; nothing where it is valid."""
    return [f"{one.json_path}: {one.message}"[:300] for one in schema(kind).iter_errors(document)]


def required(kind: str) -> Sequence[str]:
    """Return the members that the schema of a class asks for."""
    found: list[str] = data.read("vocab", f"schemas/{kind}.schema.json")["required"]
    return found


def without(document: Mapping[str, Any], path: Sequence[str]) -> Document:
    """Return a copy that lacks the member at a path."""
    first, *rest = path
    kept = {name: value for name, value in document.items() if name != first}
    return {**kept, first: without(document[first], rest)} if rest else kept


# -- chains -----------------------------------------------------------------------------------------------------------


def digest(activity: Mapping[str, Any]) -> str:
    """Return the `previousDigest` of whatever follows an activity: z, base58btc, 12 20, SHA-256 of its JCS."""
    bare = {name: value for name, value in activity.items() if name != "proof"}
    hashed = hashlib.sha256(jcs.canonical(bare)).digest()
    return multikey.to_multibase(b"\x12\x20" + hashed)


@dataclass
class Thread:
    """A chain as its steps follow each other: where it stands."""

    version: int = 0
    head: str = ""

    def next(self, author: PeerActor, kind: str, to: Sequence[str], **members: Any) -> Document:
        """Return the step that would follow, with its author's proof; it counts only when `went` is told of it."""
        after = {"previousDigest": self.head} if self.version else {}
        own = {"published": instant(datetime.now(UTC)), "to": list(to), "stateVersion": self.version + 1}
        said = author.activity(kind, **{**own, **after, **members})
        when = datetime.fromisoformat(said["published"])
        return author.proven({**said, "@context": contexts(author.origin.base)}, created=when)

    def went(self, activity: Mapping[str, Any]) -> None:
        """Count a step that was taken."""
        self.version, self.head = int(activity["stateVersion"]), digest(activity)


def created(
    owner: PeerActor, document: Mapping[str, Any], to: Sequence[str], *, inbox: str
) -> tuple[Thread, Outgoing]:
    """Return the chain that a proposal begins, and the request that publishes it."""
    thread = Thread()
    activity = thread.next(owner, "Create", to, object=dict(document))
    thread.went(activity)
    return thread, owner.request(inbox, activity)
