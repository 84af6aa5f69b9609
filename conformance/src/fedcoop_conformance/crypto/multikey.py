"""Public keys as text: Multikey (Controlled Identifiers §2.2.2, FEP-521a) and `did:key`."""

from __future__ import annotations

from typing import Final

import base58
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from fedcoop_conformance.crypto.refusals import Refused

PublicKey = Ed25519PublicKey | RSAPublicKey

ED25519: Final = b"\xed\x01"
ED25519_PRIVATE: Final = b"\x80\x26"
RSA: Final = b"\x85\x24"
_ED25519_BYTES: Final = 32
_DID: Final = "did:key:"


class KeyRefused(Refused):
    """A text is no public key of ours. Reasons: `MULTIBASE`, `ALPHABET`, `CODEC`, `LENGTH`, `KEY`, `DID`."""


def to_multibase(data: bytes) -> str:
    """Return `data` as multibase base58btc."""
    return "z" + base58.b58encode(data).decode("ascii")


def from_multibase(text: str) -> bytes:
    """Return the bytes of a multibase base58btc text. Raises KeyRefused `MULTIBASE` or `ALPHABET`."""
    if not text.startswith("z"):
        raise KeyRefused("MULTIBASE", "not base58btc, which begins with z")
    # The library strips white space, which would be a second spelling of one key.
    if not text.isascii() or any(character.isspace() for character in text):
        raise KeyRefused("ALPHABET", "not the base58btc alphabet")
    try:
        return base58.b58decode(text[1:])
    except ValueError as error:
        raise KeyRefused("ALPHABET", str(error)) from None


def encode(key: PublicKey) -> str:
    """Return `publicKeyMultibase` of an Ed25519 or RSA key."""
    if isinstance(key, Ed25519PublicKey):
        return to_multibase(ED25519 + key.public_bytes_raw())
    return to_multibase(RSA + key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1))


def decode(text: str) -> PublicKey:
    """Return the key that a `publicKeyMultibase` says.

    Raises:
        KeyRefused: it says none, or one of another kind.
    """
    data = from_multibase(text)
    codec, raw = data[:2], data[2:]
    if codec == ED25519:
        if len(raw) != _ED25519_BYTES:
            raise KeyRefused("LENGTH", f"{len(raw)} bytes for an Ed25519 key")
        return Ed25519PublicKey.from_public_bytes(raw)
    if codec == RSA:
        return _rsa(raw)
    raise KeyRefused("CODEC", codec.hex())


def encode_private(key: Ed25519PrivateKey) -> str:
    """Return `secretKeyMultibase` of an Ed25519 key."""
    return to_multibase(ED25519_PRIVATE + key.private_bytes_raw())


def decode_private(text: str) -> Ed25519PrivateKey:
    """Return the key that a `secretKeyMultibase` says. Raises KeyRefused."""
    data = from_multibase(text)
    if data[:2] != ED25519_PRIVATE:
        raise KeyRefused("CODEC", data[:2].hex())
    if len(data) != 2 + _ED25519_BYTES:
        raise KeyRefused("LENGTH", f"{len(data) - 2} bytes for an Ed25519 key")
    return Ed25519PrivateKey.from_private_bytes(data[2:])


def did_key(key: PublicKey) -> str:
    """Return the `did:key` of a public key."""
    return _DID + encode(key)


def did_key_method(key: PublicKey) -> str:
    """Return the verification method of a `did:key`: the DID, `#`, and the key once more."""
    return f"{did_key(key)}#{encode(key)}"


def of_did(did: str) -> PublicKey:
    """Return the key of a `did:key`, or of its only verification method.

    Raises:
        KeyRefused: `DID` for another method or a fragment that names another key, else as `decode`.
    """
    subject, marker, fragment = did.partition("#")
    if not subject.startswith(_DID):
        raise KeyRefused("DID", "not did:key")
    text = subject.removeprefix(_DID)
    if marker and fragment != text:
        raise KeyRefused("DID", "its fragment names another key")
    return decode(text)


def _rsa(der: bytes) -> RSAPublicKey:
    try:
        key = serialization.load_der_public_key(_spki(der))
    except ValueError as error:
        raise KeyRefused("KEY", str(error)[:120]) from None
    if not isinstance(key, RSAPublicKey):
        raise KeyRefused("KEY", "not an RSA key")
    # DER has one spelling; anything after it, or around it, would be another name of the same key.
    if key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1) != der:
        raise KeyRefused("KEY", "not PKCS#1 in DER")
    return key


def _spki(pkcs1: bytes) -> bytes:
    """Wrap a PKCS#1 key for the library, which loads the general form only (RFC 3279 §2.3.1)."""
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    bits = b"\x00" + pkcs1
    return _tlv(0x30, algorithm + _tlv(0x03, bits))


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
