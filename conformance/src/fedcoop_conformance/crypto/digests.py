"""Digests of a body: `Content-Digest` (RFC 9530 §2) and the older `Digest` (RFC 3230), made and compared."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Final

from fedcoop_conformance.crypto import fields
from fedcoop_conformance.crypto.refusals import Refused

_KNOWN: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
"""The active algorithms of the registry (RFC 9530 §5); the rest are ignored as if they were not there."""


class DigestInvalid(Refused):
    """A digest is not of this body. Reasons: `NO_DIGEST`, `SYNTAX`, `UNKNOWN_ALGORITHM`, `MISMATCH`."""


def content_digest(body: bytes, algorithms: Sequence[str] = ("sha-256",)) -> str:
    """Return the value of `Content-Digest` for `body`."""
    return fields.write({name: (_KNOWN[name](body).digest(), {}) for name in algorithms})


def check_content_digest(value: str | None, body: bytes) -> None:
    """Return when every known digest in `value` is of `body`, and there is one at least.

    Raises:
        DigestInvalid: otherwise.
    """
    if value is None:
        raise DigestInvalid("NO_DIGEST")
    try:
        members = fields.parse(value, "dictionary")
    except fields.FieldRefused as error:
        raise DigestInvalid("SYNTAX", error.detail) from None
    known = {name: member for name, member in members.items() if name in _KNOWN}
    if not known:
        raise DigestInvalid("UNKNOWN_ALGORITHM", value[:80])
    for name, (digest, _) in known.items():
        if not isinstance(digest, bytes):
            raise DigestInvalid("SYNTAX", f"{name} is no byte sequence")
        if digest != _KNOWN[name](body).digest():
            raise DigestInvalid("MISMATCH", name)


def legacy_digest(body: bytes) -> str:
    """Return the value of `Digest` as the fediverse writes it."""
    return "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")


def check_legacy_digest(value: str | None, body: bytes) -> None:
    """Return when every known digest in `value` is of `body`, and there is one at least. Raises DigestInvalid."""
    if value is None:
        raise DigestInvalid("NO_DIGEST")
    pairs = [part.strip().partition("=") for part in value.split(",")]
    known = [(name.lower(), text) for name, _, text in pairs if name.lower() in _KNOWN]
    if not known:
        raise DigestInvalid("UNKNOWN_ALGORITHM", value[:80])
    for name, text in known:
        try:
            digest = base64.b64decode(text, validate=True)
        except binascii.Error:
            raise DigestInvalid("SYNTAX", name) from None
        if digest != _KNOWN[name](body).digest():
            raise DigestInvalid("MISMATCH", name)
