"""Actor documents of our own: the co-operative, its members, the instance (ActivityPub §4, FEP-521a, FEP-2677)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedcoop.protocol.build import contexts
from fedcoop.protocol.identity import TERMS
from fedcoop.protocol.messages import Document
from fedcoop.protocol.model import CAPABILITY
from fedcoop.protocol.oauth import AUTHORIZE, TOKEN

SECURITY_CONTEXT = "https://w3id.org/security/v1"
CID_CONTEXT = "https://www.w3.org/ns/cid/v1"

RFC9421 = "https://datatracker.ietf.org/doc/html/rfc9421"
RFC9421_ED25519 = f"{RFC9421}#name-eddsa-using-curve-edwards25"
IMPLEMENTS = {
    CAPABILITY: "fedcoop v1",
    RFC9421: "RFC-9421: HTTP Message Signatures",
    RFC9421_ED25519: "RFC-9421 signatures using the Ed25519 algorithm",
}
"""What our actors announce (FEP-844e): the address of a capability to its name."""


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """The published halves of an actor's two keys."""

    rsa_pem: str
    ed25519_multibase: str


def http_key_id(actor: str, generation: int = 1) -> str:
    """Return the id of the key with which `actor` signs requests; the first one's has no number."""
    return f"{actor}#main-key" if generation == 1 else f"{actor}#main-key-{generation}"


def proof_key_id(actor: str, generation: int = 1) -> str:
    """Return the id of the key with which `actor` makes proofs."""
    return f"{actor}#ed25519-{generation}"


def key_members(actor: str, keys: PublicKeys, generation: int = 1) -> dict[str, Any]:
    """Return `publicKey` and `assertionMethod`: one RSA for requests, exactly one Ed25519 for proofs (decision D4)."""
    return {
        "publicKey": {
            "id": http_key_id(actor, generation),
            "owner": actor,
            "publicKeyPem": keys.rsa_pem,
        },
        "assertionMethod": [
            {
                "id": proof_key_id(actor, generation),
                "type": "Multikey",
                "controller": actor,
                "publicKeyMultibase": keys.ed25519_multibase,
            }
        ],
    }


def actor_document(
    *,
    base: str,
    actor: str,
    kind: str,
    wire_type: str,
    username: str,
    keys: PublicKeys,
    profile: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the document of a local actor. `profile` holds its further members (name, place, statuses …)."""
    return {
        "@context": [*contexts(base), SECURITY_CONTEXT, CID_CONTEXT, TERMS],
        "id": actor,
        "type": wire_type,
        **({"fedcoopType": [kind]} if kind != wire_type else {}),
        "preferredUsername": username,
        "inbox": f"{actor}/inbox",
        "outbox": f"{actor}/outbox",
        "followers": f"{actor}/followers",
        "following": f"{actor}/following",
        "endpoints": endpoints(base, kind),
        "url": actor,
        "generator": {
            "type": "Application",
            "name": "fedcoop",
            "implements": [{"type": "Link", "href": href, "name": name} for href, name in IMPLEMENTS.items()],
        },
        **profile,
        **key_members(actor, keys),
    }


def endpoints(base: str, kind: str) -> dict[str, str]:
    """Return where its server is asked for more (ActivityPub §4.1); nobody gets leave to speak as the instance."""
    authorising = {
        "oauthAuthorizationEndpoint": f"{base}{AUTHORIZE}",
        "oauthTokenEndpoint": f"{base}{TOKEN}",
    }
    return {"sharedInbox": f"{base}/inbox", **({} if kind == "Application" else authorising)}


def announced(actor: Document) -> frozenset[str]:
    """Return the addresses of what an actor says that its server implements (FEP-844e), in any of the usual shapes."""
    generator = actor.get("generator")
    value = generator.get("implements") if isinstance(generator, Mapping) else None
    found = set()
    for entry in value if isinstance(value, list) else [value]:
        named = entry.get("href", entry.get("id")) if isinstance(entry, Mapping) else entry
        if isinstance(named, str):
            found.add(named)
    return frozenset(found)


def cooperative(*, base: str, username: str, keys: PublicKeys, profile: Mapping[str, Any]) -> dict[str, Any]:
    """Return the co-operative's own document (vocabulary.md §3.3 Cooperative)."""
    actor = f"{base}/actors/coop"
    collections = {name: f"{actor}/{name}" for name in ("members", "missions", "offerings")}
    whole = {
        "manuallyApprovesFollowers": True,
        **collections,
        "pricingRules": [f"{base}/rules/fixed-price"],
        "matchingRules": [f"{base}/rules/matching"],
        **profile,
    }
    return actor_document(
        base=base,
        actor=actor,
        kind="Cooperative",
        wire_type="Organization",
        username=username,
        keys=keys,
        profile=whole,
    )


def application(*, base: str, keys: PublicKeys, name: str) -> dict[str, Any]:
    """Return the instance actor: anyone may fetch it unsigned, so that two careful servers never wait on each other."""
    return actor_document(
        base=base,
        actor=f"{base}/actor",
        kind="Application",
        wire_type="Application",
        username=base.split("://", 1)[-1],
        keys=keys,
        profile={"name": name, "manuallyApprovesFollowers": True},
    )


def member(*, base: str, username: str, keys: PublicKeys, profile: Mapping[str, Any]) -> dict[str, Any]:
    """Return a member's public profile (vocabulary.md §3.3 Member): nothing of P1 or above is in it."""
    actor, coop = f"{base}/actors/{username}", f"{base}/actors/coop"
    whole = {"manuallyApprovesFollowers": True, "homeCooperative": coop, "memberOf": [coop], **profile}
    return actor_document(
        base=base, actor=actor, kind="Member", wire_type="Person", username=username, keys=keys, profile=whole
    )


def fixed_price_rule(*, base: str, name: str, effective: str) -> Document:
    """Return the rule every new co-op starts with: the price is the fixed amount that the mission shows."""
    coop, rule = f"{base}/actors/coop", f"{base}/rules/fixed-price"
    return {
        "id": rule,
        "type": "Document",
        "fedcoopType": ["PricingRule"],
        "attributedTo": coop,
        "name": "Prix forfaitaire",
        "nameMap": {"fr": "Prix forfaitaire", "en": "Fixed price"},
        "content": "<p>Le prix est le montant fixe affiché par la mission.</p>",
        "contentMap": {
            "fr": "<p>Le prix est le montant fixe affiché par la mission.</p>",
            "en": "<p>The price is the fixed amount that the mission shows.</p>",
        },
        "ruleVersion": "1",
        "effectiveFrom": effective,
        "currency": "EUR",
        "combination": "sum",
        "roundingMode": "halfUp",
        "ruleInputs": [{"inputName": "amount", "inputUnit": "one", "personal": False}],
        "components": [
            {
                "type": "PriceComponent",
                "componentId": "amount",
                "componentKind": "perUnit",
                "inputName": "amount",
                "rate": "1",
            }
        ],
        "to": ["https://www.w3.org/ns/activitystreams#Public"],
    }


def matching_rule(*, base: str, effective: str) -> Document:
    """Return the matching rule every new co-op starts with: a person of the co-op chooses, and says so."""
    coop, rule = f"{base}/actors/coop", f"{base}/rules/matching"
    return {
        "id": rule,
        "type": "Document",
        "fedcoopType": ["MatchingRule"],
        "attributedTo": coop,
        "name": "Choix par la coopérative",
        "nameMap": {"fr": "Choix par la coopérative", "en": "Chosen by the co-operative"},
        "content": "<p>Une personne de la coopérative choisit ; aucun refus passé ne compte.</p>",
        "contentMap": {
            "fr": "<p>Une personne de la coopérative choisit ; aucun refus passé ne compte.</p>",
            "en": "<p>A person of the co-operative chooses; no past refusal counts.</p>",
        },
        "ruleVersion": "1",
        "effectiveFrom": effective,
        "assignmentMode": "humanChoice",
        "matchCriteria": [],
        "tieBreak": "earliest",
        "excludedSignals": ["refusals", "origin"],
        "refusalPenalty": False,
        "humanReview": True,
        "ruleInputs": [{"inputName": "candidacy", "personal": True}],
        "to": ["https://www.w3.org/ns/activitystreams#Public"],
    }


def membership_credential(
    *,
    base: str,
    credential_id: str,
    member_id: str,
    status: str,
    since: str,
    valid_from: str,
    valid_until: str,
) -> Document:
    """Return the unsigned MembershipCredential by which the co-op says that it counts and employs a member."""
    coop = f"{base}/actors/coop"
    return {
        "@context": ["https://www.w3.org/ns/credentials/v2", f"{base}/contexts/fedcoop/credentials/v1"],
        "id": credential_id,
        "type": ["VerifiableCredential", "MembershipCredential"],
        "issuer": coop,
        "validFrom": valid_from,
        "validUntil": valid_until,
        "credentialSubject": {
            "id": member_id,
            "memberOf": [coop],
            "workStatus": status,
            "memberCategory": "worker",
            "memberSince": since,
            "identityAssurance": "verified",
        },
    }
