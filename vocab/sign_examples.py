"""Sign the valid examples again after one of them was changed by hand, and link their chains anew.

    python vocab/sign_examples.py

Every key is derived from a published string (`fedcoop example key: ACTOR`), so anyone can run this and get the
same bytes. Nobody may ever use these keys for anything else. Needs `cryptography`, `base58` and `rfc8785`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import base58
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Json = dict[str, Any]

EXAMPLES = Path(__file__).resolve().parent / "examples"

# Each line is one chain: the activities of one mission, listing or engagement in order.
CHAINS = (
    ("Mission/create-deliveries", "Mission/update-assigned"),
    ("Mission/create-type-array", "Mission/delete-withdrawn"),
    ("ServiceOffer/create", "ServiceOffer/update", "ServiceOffer/delete"),
    (
        "Engagement/offer",
        "Engagement/tentative-accept",
        "Engagement/tentative-reject-counter",
        "Engagement/offer-again",
        "Engagement/accept",
        "WorkRecord/create-started",
        "WorkRecord/create-delivered",
        "WorkRecord/reject-rework",
        "WorkRecord/create-delivered-again",
        "WorkRecord/accept-with-attestation",
        "Receipt/create-invoice-issued",
        "Receipt/create-payment-confirmed",
    ),
    ("Engagement/offer-self-employed", "Engagement/reject"),
    ("Engagement/offer-deliveries", "Engagement/undo-offer"),
)
# The signed head of a chain -> the last activity of that chain.
HEADS = {"ChainHead/mission-8": "Mission/update-assigned"}
# A later part of a chain that is not shown: its predecessor is any digest.
LONE = ("Engagement/undo-accept-with-compensation",)


def digest(document: Json) -> str:
    """Multibase base58btc of the multihash sha2-256 of the JCS form without the proof (decision D5)."""
    bare = {key: value for key, value in document.items() if key != "proof"}
    return multihash(rfc8785.dumps(bare))


def multihash(content: bytes) -> str:
    """Multibase base58btc of the multihash sha2-256 of `content`."""
    return "z" + base58.b58encode(b"\x12\x20" + hashlib.sha256(content).digest()).decode()


def sign(document: Json) -> None:
    """Replace the proofs of `document`, the inner ones first (FEP-8b32, eddsa-jcs-2022)."""
    for value in document.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                sign(inner)
    proof = document.get("proof")
    if not isinstance(proof, dict):
        return
    proof = {key: value for key, value in proof.items() if key not in ("proofValue", "@context")}
    proof = {"@context": document["@context"], **proof}
    actor = str(proof["verificationMethod"]).partition("#")[0]
    seed = hashlib.sha256(f"fedcoop example key: {actor}".encode()).digest()
    bare = {key: value for key, value in document.items() if key != "proof"}
    message = hashlib.sha256(rfc8785.dumps(proof)).digest() + hashlib.sha256(rfc8785.dumps(bare)).digest()
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(message)
    document["proof"] = {**proof, "proofValue": "z" + base58.b58encode(signature).decode()}


def pin(document: Any, rules: dict[str, str]) -> None:
    """Set `pricingRuleDigest` wherever one of the example rules is named."""
    if isinstance(document, list):
        for inner in document:
            pin(inner, rules)
    elif isinstance(document, dict):
        if document.get("pricingRule") in rules:
            document["pricingRuleDigest"] = rules[document["pricingRule"]]
        for inner in document.values():
            pin(inner, rules)


def main() -> None:
    """Pin the rules, link, sign and write every valid example."""
    paths = {
        path.relative_to(EXAMPLES).with_suffix("").as_posix(): path
        for path in sorted(EXAMPLES.glob("*/*.json"))
        if not path.stem.endswith("_fail")
    }
    documents = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items()}
    rules = {d["id"]: digest(d) for name, d in documents.items() if name.startswith("PricingRule/")}
    pin(documents, rules)
    for name in LONE:
        documents[name]["previousDigest"] = multihash(name.encode())
    for chain in CHAINS:
        previous: str | None = None
        for name in chain:
            if previous is not None:
                documents[name]["previousDigest"] = previous
            sign(documents[name])
            previous = digest(documents[name])
    for head, last in HEADS.items():
        documents[head]["digest"] = digest(documents[last])
    for name, document in documents.items():
        sign(document)
        text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
        paths[name].write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
