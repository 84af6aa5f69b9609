"""Proofs by eddsa-jcs-2022 (W3C vc-di-eddsa §3.3, FEP-8b32): right ones, and any wrong one a test needs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fedcoop_conformance.crypto import jcs, multikey
from fedcoop_conformance.crypto.refusals import Refused

SUITE: Final = "eddsa-jcs-2022"
TYPE: Final = "DataIntegrityProof"
PURPOSE: Final = "assertionMethod"
_SIGNATURE_BYTES: Final = 64
_OF_THE_DOCUMENT: Final = object()


class ProofInvalid(Refused):
    """A proof proves nothing.

    Reasons: `NO_PROOF`, `PROOF_TYPE`, `PURPOSE`, `CONTEXT`, `CREATED`, `EXPIRED`, `METHOD`, `PROOF_VALUE`,
    `NOT_CANONICAL`, `SIGNATURE`.
    """


def sign(
    document: Mapping[str, Any],
    private: Ed25519PrivateKey,
    verification_method: str,
    created: str | datetime,
    *,
    purpose: str = PURPOSE,
    context: Any = _OF_THE_DOCUMENT,
    expires: str | datetime | None = None,
    cryptosuite: str = SUITE,
    proof_type: str = TYPE,
    changes: Mapping[str, Any] | None = None,
    afterwards: Mapping[str, Any] | None = None,
    hashed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a copy of `document` with a proof.

    What is not given makes an honest proof. `context=None` leaves the proof's `@context` out; `changes` are
    made to the options before they are signed and `afterwards` to the proof when it is signed (a value None
    takes the member away in both); `hashed` is signed in place of `document`.
    """
    its_context = document.get("@context") if context is _OF_THE_DOCUMENT else context
    options: dict[str, Any] = {
        "@context": its_context,
        "type": proof_type,
        "cryptosuite": cryptosuite,
        "created": _text(created),
        "expires": None if expires is None else _text(expires),
        "verificationMethod": verification_method,
        "proofPurpose": purpose,
    }
    options = _without_none({**options, **(changes or {})})
    signature = private.sign(hash_data(options, document if hashed is None else hashed))
    proof = {**options, "proofValue": multikey.to_multibase(signature)}
    return {**document, "proof": _without_none({**proof, **(afterwards or {})})}


def verify(
    document: Mapping[str, Any],
    public_key: Ed25519PublicKey,
    *,
    purpose: str = PURPOSE,
    method: str | None = None,
    now: datetime | None = None,
) -> None:
    """Return when `public_key` made the proof of `document` for `purpose`.

    The proof's `@context` must equal the document's: a prefix is not enough (the project's rule, narrower
    than vc-di-eddsa §3.3.2). Both may be absent in an identity statement of FEP-c390 and nowhere else. With
    `method` the proof must name that key; with `now` it must not have expired.

    Raises:
        ProofInvalid: it did not.
    """
    proof = proof_of(document)
    check_options(document, proof, purpose=purpose)
    if method is not None and proof.get("verificationMethod") != method:
        raise ProofInvalid("METHOD", str(proof.get("verificationMethod"))[:120])
    if now is not None and "expires" in proof and _time(proof["expires"]) <= now:
        raise ProofInvalid("EXPIRED", str(proof["expires"]))
    signature = signature_of(proof)
    try:
        public_key.verify(signature, hash_data(proof, document))
    except InvalidSignature:
        raise ProofInvalid("SIGNATURE", "not over this document and these options by this key") from None
    except jcs.NotIJson as error:
        raise ProofInvalid("NOT_CANONICAL", str(error)) from None


def proof_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the only proof of `document`. Raises ProofInvalid `NO_PROOF`."""
    proof = document.get("proof")
    if not isinstance(proof, Mapping):
        raise ProofInvalid("NO_PROOF", f"{type(proof).__name__} where one object should be")
    return proof


def check_options(document: Mapping[str, Any], proof: Mapping[str, Any], *, purpose: str = PURPOSE) -> None:
    """Return when what the proof says of itself is in order. Raises ProofInvalid."""
    if proof.get("type") != TYPE or proof.get("cryptosuite") != SUITE:
        raise ProofInvalid("PROOF_TYPE", f"{proof.get('type')!s:.40}, {proof.get('cryptosuite')!s:.40}")
    if proof.get("proofPurpose") != purpose:
        raise ProofInvalid("PURPOSE", str(proof.get("proofPurpose"))[:40])
    mine, its = document.get("@context"), proof.get("@context")
    if mine != its:
        raise ProofInvalid("CONTEXT", "the proof's `@context` is not the document's")
    if mine is None and document.get("type") != "VerifiableIdentityStatement":
        raise ProofInvalid("CONTEXT", "no `@context` in a document that is no identity statement")
    if "created" in proof:
        _time(proof["created"])


def signature_of(proof: Mapping[str, Any]) -> bytes:
    """Return the 64 bytes of `proofValue`. Raises ProofInvalid `PROOF_VALUE`."""
    value = proof.get("proofValue")
    try:
        signature = multikey.from_multibase(value) if isinstance(value, str) else b""
    except multikey.KeyRefused as error:
        raise ProofInvalid("PROOF_VALUE", str(error)) from None
    if len(signature) != _SIGNATURE_BYTES:
        raise ProofInvalid("PROOF_VALUE", f"{len(signature)} bytes")
    return signature


def hash_data(options: Mapping[str, Any], document: Mapping[str, Any]) -> bytes:
    """Return what is signed: SHA-256 of the options, then SHA-256 of the document (vc-di-eddsa §3.3.4).

    A legacy `signature` member is left out of the document, since it is put on after the proof (FEP-8b32).
    """
    config = {name: value for name, value in options.items() if name != "proofValue"}
    body = {name: value for name, value in document.items() if name not in {"proof", "signature"}}
    return sha256(jcs.canonical(config)).digest() + sha256(jcs.canonical(body)).digest()


def _without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _text(moment: str | datetime) -> str:
    return moment if isinstance(moment, str) else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) and "T" in text else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ProofInvalid("CREATED", f"not a time with an offset: {text!s:.40}")
    return moment
