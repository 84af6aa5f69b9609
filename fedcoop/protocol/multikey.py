"""Public keys as actors publish them, and the question of whose key it is.

`publicKey` (PEM) signs HTTP requests; a Multikey in `assertionMethod` makes proofs (FEP-521a, W3C CID
§2.2.2). A key counts only when its actor lists it and it names that actor as its owner: a key that merely
says so is anybody's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from fedcoop.errors import Malformed, Unverified
from fedcoop.protocol import multibase
from fedcoop.protocol.limits import (
    MAX_KEYS_PER_ACTOR,
    MAX_PEM,
    MAX_RSA_BITS,
    MAX_SIGNATURE_HEADER,
    MIN_RSA_BITS,
    RSA_EXPONENT,
)
from fedcoop.protocol.messages import Dialect, Document
from fedcoop.protocol.times import read_time

PrivateKey: TypeAlias = RSAPrivateKey | Ed25519PrivateKey
PublicKey: TypeAlias = RSAPublicKey | Ed25519PublicKey

_ED25519: Final = b"\xed\x01"
_RSA: Final = b"\x85\x24"


# -- encodings -------------------------------------------------------------------------------------------


def encode_public(key: PublicKey) -> str:
    """Return `key` as `publicKeyMultibase`: `ed01` and the 32 bytes, or `8524` and the PKCS#1 DER."""
    if isinstance(key, Ed25519PublicKey):
        return multibase.encode(_ED25519 + key.public_bytes_raw())
    return multibase.encode(_RSA + key.public_bytes(Encoding.DER, PublicFormat.PKCS1))


def decode_public(text: str) -> PublicKey:
    """Return the key behind a `publicKeyMultibase`.

    Raises:
        Unverified: it is no Ed25519 or RSA key in base58btc (`key-unknown`), or a weak one (`weak-key`).
    """
    try:
        raw = multibase.decode(text)
        if raw[:2] == _ED25519:
            return Ed25519PublicKey.from_public_bytes(raw[2:])
        if raw[:2] == _RSA:
            key = _strong(load_der_public_key(raw[2:]))
            # OpenSSL reads more forms than PKCS#1; one key has one name.
            if encode_public(key) == text:
                return key
    except (Malformed, ValueError, UnsupportedAlgorithm):
        pass
    raise Unverified(
        "key-unknown", "This Multikey cannot be read.", expected="Ed25519 or RSA", received=text[:60]
    )


def public_key_from_pem(pem: str) -> PublicKey:
    """Return the RSA or Ed25519 key in `pem` (SPKI, or PKCS#1 as some servers publish it).

    Raises:
        Unverified: it cannot be read (`key-unknown`), or it is weak (`weak-key`).
    """
    try:
        if len(pem) <= MAX_PEM:
            return _strong(load_pem_public_key(pem.encode("ascii")))
    except (ValueError, UnsupportedAlgorithm):
        pass
    raise Unverified("key-unknown", "This PEM key cannot be read.", expected="an RSA or Ed25519 public key")


def public_key_to_pem(key: PublicKey) -> str:
    """Return `key` as the `publicKeyPem` of an actor document."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def did_key_of(key: PublicKey) -> str:
    """Return the `did:key` that names `key` by itself."""
    return f"did:key:{encode_public(key)}"


def key_of_did(did: str) -> PublicKey:
    """Return the key that a `did:key`, with or without its `#` fragment, names.

    Raises:
        Unverified: it is no did:key, its fragment is not its own key (`key-unknown`), or it is `weak-key`.
    """
    name, _, fragment = did.removeprefix("did:key:").partition("#")
    if not did.startswith("did:key:") or (fragment and fragment != name):
        raise Unverified(
            "key-unknown", "This is not a did:key.", expected="did:key:z…", received=ascii(did[:80])
        )
    return decode_public(name)


def did_key_method(did: str) -> str:
    """Return the verification method of a `did:key`: the DID, `#`, and the key again."""
    return f"{did}#{did.removeprefix('did:key:')}"


def _strong(key: object) -> PublicKey:
    if isinstance(key, Ed25519PublicKey):
        return key
    if not isinstance(key, RSAPublicKey):
        raise ValueError("neither RSA nor Ed25519")
    bits, exponent = key.key_size, key.public_numbers().e
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS or exponent != RSA_EXPONENT:
        raise Unverified(
            "weak-key",
            "This RSA key is not one that we rely on.",
            expected=f"{MIN_RSA_BITS} to {MAX_RSA_BITS} bits, exponent {RSA_EXPONENT}",
            received=f"{bits} bits, exponent {str(exponent)[:20]}",
        )
    return key


# -- mathematics -----------------------------------------------------------------------------------------


def sign_bytes(key: PrivateKey, message: bytes) -> bytes:
    """Return the signature of a request by `key`: PKCS#1 v1.5 with SHA-256, or Ed25519."""
    if isinstance(key, RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(message)


def check_signed(key: PublicKey, signature: bytes, message: bytes, *, covered: Sequence[str]) -> None:
    """Return when the private half of `key` made `signature` over `message`, as `sign_bytes` does.

    Raises:
        Unverified: it did not (`signature-invalid`; `extra` shows the message as we rebuilt it, so that the signer can
            lay it beside its own).
    """
    try:
        if isinstance(key, RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature, message)
    except InvalidSignature:
        raise Unverified(
            "signature-invalid",
            "The signature is not by this key over this request.",
            expected="covered: " + " ".join(covered)[:200],
            extra={"signatureBase": message.decode("utf-8", "replace")[:MAX_SIGNATURE_HEADER]},
        ) from None


# -- whose key -------------------------------------------------------------------------------------------


def signing_key_of(actor_document: Document, key_id: str, *, dialect: Dialect, at: datetime) -> PublicKey:
    """Return the key that `actor_document` publishes as `key_id` for requests signed in `dialect`.

    In RFC 9421 that may be the Ed25519 key of its proofs as well (decision D4), unless it has been given up `at` that
    time; in draft-cavage, whose verifiers look nowhere else, it is in `publicKey`.

    Raises:
        Unverified: `key-unknown`, `key-owner-mismatch`, `weak-key`.
    """
    named = [key for key in _assertion_methods(actor_document) if key.get("id") == key_id]
    if dialect == "draft-cavage" or not named:
        return http_key_of(actor_document, key_id, at=at)
    # (1) One name, one key: of two, each verifier would take another.
    if any(key.get("id") == key_id for key in _listed(actor_document, "publicKey")):
        raise Unverified(
            "key-unknown",
            "The actor gives two keys this name.",
            expected="one key of this name",
            received=ascii(key_id[:200]),
        )
    try:
        return proof_key_of(actor_document, key_id, at=at)
    except Unverified as refusal:
        raise Unverified(
            "key-unknown", refusal.detail, expected=refusal.expected, received=refusal.received
        ) from None


def http_key_of(actor_document: Document, key_id: str, *, at: datetime | None = None) -> PublicKey:
    """Return the key that `actor_document` publishes as `key_id` for signing HTTP requests (SIG-19, SIG-20).

    `at` is when the request was received; None leaves out whether the key had been given up by then.

    Raises:
        Unverified: the actor does not list it, or not readably (`key-unknown`), it is somebody else's
            (`key-owner-mismatch`), it was revoked or expired at `at` (`key-unknown`), or it is `weak-key`.
    """
    # (2) The actor lists it, once.
    listed = [key for key in _listed(actor_document, "publicKey") if key.get("id") == key_id]
    if len(listed) != 1:
        raise Unverified(
            "key-unknown",
            "The actor does not list this key exactly once.",
            expected="a `publicKey` of the actor, listed once",
            received=ascii(key_id[:200]),
        )
    # (3) It names the actor as its owner.
    owner = listed[0].get("owner")
    if not isinstance(owner, str) or owner != actor_document.get("id"):
        raise Unverified(
            "key-owner-mismatch",
            "The key is not the actor's own.",
            expected=ascii(actor_document.get("id"))[:200],
            received=ascii(owner)[:200],
        )
    # (4) Not given up by then (D4). A date that cannot be read is one that may have passed.
    check_in_use(listed[0], at=at)
    # (5) It is a key, and no weak one.
    pem = listed[0].get("publicKeyPem")
    return public_key_from_pem(pem if isinstance(pem, str) else "")


def proof_key_of(
    actor_document: Document, verification_method: str, *, at: datetime | None
) -> Ed25519PublicKey:
    """Return the key with which `actor_document`'s actor makes proofs under the name `verification_method`.

    `at` is when the proof was received; None leaves out whether the key had been given up by then.

    Raises:
        Unverified: it is not in `assertionMethod`, is another's, no Ed25519 Multikey, or was revoked or
        expired at
            `at` (`proof-key`).
    """
    # (6) Listed for this purpose, once: a key for signing requests is not one for signing contracts (INT-1).
    listed = [key for key in _assertion_methods(actor_document) if key.get("id") == verification_method]
    if len(listed) != 1:
        raise _proof_key("The actor does not list this key for proofs.", received=verification_method)
    method = listed[0]
    # (7) Controlled by the actor (CID, "retrieve verification method").
    controller = method.get("controller")
    if method.get("type") != "Multikey" or not isinstance(controller, str):
        raise _proof_key("The key is not a Multikey with a controller.", received=str(method.get("type")))
    if controller != actor_document.get("id"):
        raise _proof_key("The key is not the actor's own.", received=controller)
    # (8) Not given up by then. A date that cannot be read is one that may have passed.
    for name in ("revoked", "expires"):
        if at is not None and name in method:
            _still_valid(method[name], name, at)
    try:
        key = decode_public(str(method.get("publicKeyMultibase")))
    except Unverified as refusal:
        raise _proof_key(refusal.detail, received=str(method.get("publicKeyMultibase"))) from None
    # (9) Ed25519, the only kind of key that eddsa-jcs-2022 has.
    if not isinstance(key, Ed25519PublicKey):
        raise _proof_key("The key is not an Ed25519 key.", received="RSA")
    return key


def _assertion_methods(actor_document: Document) -> list[Mapping[str, Any]]:
    """Return the methods in `assertionMethod`; a name in it stands for the entry of `verificationMethod`."""
    value = actor_document.get("assertionMethod")
    entries = value[:MAX_KEYS_PER_ACTOR] if isinstance(value, list) else [value]
    named = {entry for entry in entries if isinstance(entry, str)}
    embedded = [entry for entry in entries if isinstance(entry, Mapping)]
    return embedded + [key for key in _listed(actor_document, "verificationMethod") if key.get("id") in named]


def _listed(actor_document: Document, name: str) -> list[Mapping[str, Any]]:
    value = actor_document.get(name)
    entries = value[:MAX_KEYS_PER_ACTOR] if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, Mapping)]


def check_in_use(key: Mapping[str, Any], *, at: datetime | None) -> None:
    """Return when a key for requests was still in use at `at`. Raises Unverified (`key-unknown`)."""
    try:
        for name in ("revoked", "expires"):
            if at is not None and name in key:
                _still_valid(key[name], name, at)
    except Unverified as refusal:
        raise Unverified(
            "key-unknown",
            refusal.detail,
            expected="a key that its actor still uses",
            received=refusal.received,
        ) from None


def _still_valid(value: Any, name: str, at: datetime) -> None:
    try:
        ends = read_time(value)
    except Malformed:
        raise _proof_key(f"`{name}` of the key cannot be read.", received=str(value)) from None
    if ends <= at:
        raise _proof_key(f"The key was no longer used ({name}).", received=str(value))


def _proof_key(detail: str, *, received: str) -> Unverified:
    expected = "a current Ed25519 Multikey in the actor's assertionMethod"
    return Unverified("proof-key", detail, expected=expected, received=ascii(received[:200]))
