"""Object integrity proofs: FEP-8b32 with eddsa-jcs-2022, as strict as servers that must agree need it.

A proof makes a document good evidence without the server that sent it. One proof per document, contexts as
arrays and equal in proof and document (decisions D2, D5; INT-2 to INT-5), the key one that the owner lists
for this purpose. Nothing here changes its argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fedcoop.errors import Malformed, Unverified
from fedcoop.protocol import multibase
from fedcoop.protocol.digest import canonical
from fedcoop.protocol.limits import SIGNATURE_MAX_AHEAD
from fedcoop.protocol.messages import Document
from fedcoop.protocol.multikey import did_key_method, key_of_did, proof_key_of
from fedcoop.protocol.shape import id_of
from fedcoop.protocol.times import read_time, write_time

_TYPE: Final = "DataIntegrityProof"
SUITE: Final = "eddsa-jcs-2022"
_PURPOSE: Final = "assertionMethod"
_OWNERS: Final = ("actor", "attributedTo", "issuer")
_SIGNATURE_BYTES: Final = 64


# -- making ----------------------------------------------------------------------------------------------


def sign_document(
    document: Document, *, key: Ed25519PrivateKey, verification_method: str, created: datetime
) -> dict[str, Any]:
    """Return a copy of `document` with an eddsa-jcs-2022 proof by `key` (W3C vc-di-eddsa §3.3.1).

    Raises:
        ValueError: it has a proof already, or a `@context` that is not an array.
        Malformed: it has no canonical form (`digest.canonical`).
    """
    if "proof" in document:
        raise ValueError("the document has a proof already; a document has one")
    context = document.get("@context")
    if context is not None and not isinstance(context, list):
        raise ValueError("`@context` must be an array: Mastodon refuses proofs over any other (INT-3)")
    proof: dict[str, Any] = {} if context is None else {"@context": context}
    proof |= {
        "type": _TYPE,
        "cryptosuite": SUITE,
        "created": write_time(created),
        "verificationMethod": verification_method,
        "proofPurpose": _PURPOSE,
    }
    proof["proofValue"] = multibase.encode(key.sign(_hash_data(proof, document)))
    return {**document, "proof": proof}


# -- checking --------------------------------------------------------------------------------------------


def is_supported(document: Document) -> bool:
    """Tell whether the proof of `document` is ours to judge.

    Another suite, or a set of several proofs, is nothing that we can read, and ignored as if it were not
    there (INT-6); whoever needs a proof then finds none.
    """
    proof = document.get("proof")
    if isinstance(proof, Mapping):
        return proof.get("type") == _TYPE and proof.get("cryptosuite") == SUITE
    return not isinstance(proof, list)


def verify_document(
    document: Document, actor_document: Document, *, now: datetime, ahead: timedelta = SIGNATURE_MAX_AHEAD
) -> None:
    """Return when the actor of `actor_document` owns `document` and made its proof.

    For an activity, an object or a credential. `now` is when it was received: for a stored document the
    time of its receipt, with the actor document of that time (INT-12).

    Raises:
        Unverified: `proof-missing`, `proof-invalid`, `proof-context` or `proof-key`.
    """
    proof = _proof_of(document)
    # (1) Only the owner speaks for a document (INT-1); what says so first decides, and says one name.
    owner = next((id_of(document[name]) for name in _OWNERS if name in document), None)
    if owner is None or owner != actor_document.get("id"):
        raise Unverified(
            "proof-key",
            "The proof is not by the document's owner.",
            expected=ascii(owner)[:200],
            received=ascii(actor_document.get("id"))[:200],
        )
    # (2) What is signed is read with the contexts it was signed with, whoever reads it: equal, not a prefix.
    _check_context(document, proof)
    method = _check_options(proof, now=now, ahead=ahead)
    _check_value(document, proof, proof_key_of(actor_document, method, at=now))


def verify_statement(
    statement: Document, *, actor_id: str, now: datetime, ahead: timedelta = SIGNATURE_MAX_AHEAD
) -> str:
    """Return the `did:key` that says, in a FEP-c390 identity statement, that it is also known as `actor_id`.

    Such statements have no `@context`, neither in the document nor in the proof.

    Raises:
        Unverified: `proof-missing`, `proof-invalid`, `proof-context` or `proof-key`.
    """
    proof = _proof_of(statement)
    subject = statement.get("subject")
    # (3) It is about this actor: else it is a statement copied from somebody else's profile.
    if statement.get("type") != "VerifiableIdentityStatement" or statement.get("alsoKnownAs") != actor_id:
        received = ascii(statement.get("alsoKnownAs"))[:200]
        raise Unverified(
            "proof-invalid", "The statement is not this actor's.", expected=actor_id, received=received
        )
    if "@context" in statement or "@context" in proof:
        _check_context(statement, proof)
    method = _check_options(proof, now=now, ahead=ahead)
    # (4) It is signed by the very key that it is about.
    if not isinstance(subject, str) or method not in {subject, did_key_method(subject)}:
        raise Unverified(
            "proof-key", "The statement is not signed by its subject.", received=ascii(method)[:200]
        )
    try:
        key = key_of_did(subject)
    except Unverified as refusal:
        raise Unverified("proof-key", refusal.detail, received=subject[:200]) from None
    if not isinstance(key, Ed25519PublicKey):
        raise Unverified("proof-key", "The subject is not an Ed25519 key.", expected="did:key:z6Mk…")
    _check_value(statement, proof, key)
    return subject.partition("#")[0]


def verify_with(document: Document, public_key: Ed25519PublicKey) -> None:
    """Return when `public_key` made the proof of `document`: the mathematics alone (vc-di-eddsa §3.3.2).

    Whose key it is, and whether it may be used, is not asked. Raises Unverified `proof-missing` or
    `proof-invalid`.
    """
    _check_value(document, _proof_of(document), public_key)


def _proof_of(document: Document) -> Mapping[str, Any]:
    # (5) Absence is a refusal; and two proofs are two stories about who signed (INT-2).
    proof = document.get("proof")
    if proof is None:
        raise Unverified("proof-missing", "The document has no proof.", expected="an eddsa-jcs-2022 proof")
    if not isinstance(proof, Mapping):
        raise _invalid("A document has one proof, as an object.", received=type(proof).__name__)
    return proof


def _check_context(document: Document, proof: Mapping[str, Any]) -> None:
    mine, its = document.get("@context"), proof.get("@context")
    if not isinstance(mine, list) or mine != its:
        raise Unverified(
            "proof-context",
            "The proof's `@context` is not the document's.",
            expected="two equal arrays",
            received=f"{type(its).__name__} in the proof, {type(mine).__name__} in the document",
        )


def _check_options(proof: Mapping[str, Any], *, now: datetime, ahead: timedelta) -> str:
    """Return the verification method of a proof whose options are in order."""
    # (6) Type and suite: the key's algorithm is not the sender's to choose.
    if proof.get("type") != _TYPE or proof.get("cryptosuite") != SUITE:
        received = ascii((proof.get("type"), proof.get("cryptosuite")))[:120]
        raise _invalid("The proof is of another kind.", expected=f"{_TYPE}, {SUITE}", received=received)
    # (7) A key used to log in must not have signed a contract.
    if proof.get("proofPurpose") != _PURPOSE:
        received = ascii(proof.get("proofPurpose"))[:80]
        raise _invalid("The proof is for another purpose.", expected=_PURPOSE, received=received)
    # (8) Not from the future, and not expired (INT-7).
    try:
        created = read_time(proof.get("created"))
        expires = read_time(proof["expires"]) if "expires" in proof else None
    except Malformed as refusal:
        raise _invalid(refusal.detail, expected=refusal.expected, received=refusal.received) from None
    if created > now + ahead:
        raise _invalid(
            "The proof is from the future.", expected=write_time(now), received=write_time(created)
        )
    if expires is not None and expires <= now:
        raise _invalid("The proof has expired.", expected=write_time(now), received=write_time(expires))
    # (9) It names its key.
    method = proof.get("verificationMethod")
    if not isinstance(method, str):
        raise Unverified("proof-key", "The proof does not name its key.", expected="`verificationMethod`")
    return method


def _check_value(document: Document, proof: Mapping[str, Any], public_key: Ed25519PublicKey) -> None:
    value = proof.get("proofValue")
    try:
        signature = multibase.decode(value) if isinstance(value, str) else b""
    except Malformed as refusal:
        raise _invalid(refusal.detail, expected="z and base58 of 64 bytes") from None
    # (10) One spelling of one length.
    if len(signature) != _SIGNATURE_BYTES:
        raise _invalid(
            "The proof's value is not a signature.", expected="64 bytes", received=str(len(signature))
        )
    # (11) The mathematics.
    try:
        public_key.verify(signature, _hash_data(proof, document))
    except InvalidSignature:
        raise _invalid("The proof is not over this document by this key.") from None
    except Malformed as refusal:
        raise _invalid(refusal.detail) from None


def _hash_data(proof: Mapping[str, Any], document: Document) -> bytes:
    """Return SHA-256 of the proof's options, then SHA-256 of the document (vc-di-eddsa §3.3.4)."""
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    # A legacy LD signature is added after the proof, which it covers (INT-10).
    body = {name: value for name, value in document.items() if name not in {"proof", "signature"}}
    return sha256(canonical(options)).digest() + sha256(canonical(body)).digest()


def _invalid(detail: str, *, expected: str | None = None, received: str | None = None) -> Unverified:
    return Unverified("proof-invalid", detail, expected=expected, received=received)
