"""Digests: of a request's body (RFC 3230 `Digest`, RFC 9530 `Content-Digest`), and of an activity for the next one
of its chain.

>>> body_digest(b'{"hello": "world"}')
'SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE='
>>> content_digest(b'{"hello": "world"}')
'sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:'
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256, sha512
from typing import Any, Final

import http_sf
import rfc8785

from fedcoop.errors import Malformed, Unverified
from fedcoop.protocol import multibase
from fedcoop.protocol.messages import Document

_SHA2_256: Final = b"\x12\x20"
"""Multihash code and length of SHA-256."""
_UNSIGNED: Final = frozenset({"proof", "signature"})


def canonical(document: Document) -> bytes:
    """Return the RFC 8785 form of `document`: the same bytes whatever the order of its members.

    Raises:
        Malformed: it holds a number or a character that RFC 8785 has no form for (`number-not-allowed`,
            `bad-encoding`). What `strict_json.loads` returned never does.
    """
    try:
        return rfc8785.dumps(dict(document))
    except (rfc8785.IntegerDomainError, rfc8785.FloatDomainError):
        raise Malformed("number-not-allowed", "A number has no canonical form (RFC 8785).") from None
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        raise Malformed("bad-encoding", "A string has no canonical form (RFC 8785).") from None


def chain_digest(activity_document: Document) -> str:
    """Return what the next activity of the chain names as `previousDigest` (decision D5).

    Multibase base58btc of the SHA-256 multihash of the canonical document, without `proof` and `signature`:
    two proofs over one activity are one link. Raises Malformed as `canonical` does.
    """
    unsigned = {key: value for key, value in activity_document.items() if key not in _UNSIGNED}
    return multibase.encode(_SHA2_256 + sha256(canonical(unsigned)).digest())


def body_digest(body: bytes) -> str:
    """Return the `Digest` header for `body` (SIG-3)."""
    return "SHA-256=" + base64.b64encode(sha256(body).digest()).decode("ascii")


def content_digest(body: bytes) -> str:
    """Return the `Content-Digest` header for `body` (SIG-11)."""
    return f"sha-256=:{base64.b64encode(sha256(body).digest()).decode('ascii')}:"


def check_content_digest(values: Sequence[str], body: bytes) -> None:
    """Return when every digest of the `Content-Digest` field's `values` that we can compute is that of `body` (SIG-11).

    Raises:
        Malformed: it is not a dictionary of byte sequences (`malformed-request`).
        Unverified: there is neither SHA-256 nor SHA-512 (`digest-missing`), or one is not the body's
            (`digest-mismatch`).
    """
    try:
        found: Any = http_sf.parse(
            ", ".join(values).encode("ascii"), tltype="dictionary", on_duplicate_key=_refuse_duplicate
        )
    except (ValueError, TypeError, ArithmeticError) as error:
        raise _malformed(f"The Content-Digest cannot be read: {error}.") from None
    known = {name: member for name, member in found.items() if name in _CONTENT_DIGESTS}
    if not known:
        raise Unverified(
            "digest-missing",
            "The request has no SHA-256 or SHA-512 digest.",
            expected="Content-Digest: sha-256=:…:",
        )
    for name, member in known.items():
        if not isinstance(member, tuple) or not isinstance(member[0], bytes):
            raise _malformed(f"The {name} of Content-Digest is not a byte sequence.")
        expected = _CONTENT_DIGESTS[name](body)
        # Each of them: whoever reads only the other one must not have read another body.
        if member[0] != expected:
            raise Unverified(
                "digest-mismatch",
                "The body is not the one that was signed.",
                expected=http_sf.ser({name: expected}),
                received=http_sf.ser({name: member[0][:64]}),
            )


_CONTENT_DIGESTS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "sha-256": lambda body: sha256(body).digest(),
    "sha-512": lambda body: sha512(body).digest(),
}


def _refuse_duplicate(name: str, _where: str) -> None:
    raise ValueError(f"{name} occurs twice")


def _malformed(detail: str) -> Malformed:
    return Malformed("malformed-request", detail, expected="Content-Digest: sha-256=:…: (RFC 9530)")


def check_body_digest(values: Sequence[str], body: bytes) -> None:
    """Return when the `Digest` header field's `values` are the digest of `body`, byte for byte (SIG-3).

    Raises:
        Unverified: there is no SHA-256 (`digest-missing`), or one that is not the body's (`digest-mismatch`).
    """
    expected = body_digest(body)
    found = False
    for part in ",".join(values).split(","):
        algorithm, _, value = part.strip().partition("=")
        if algorithm.lower() != "sha-256":
            continue
        found = True
        # A string comparison on purpose: another base64 spelling of the same digest is refused.
        if f"SHA-256={value}" != expected:
            raise Unverified(
                "digest-mismatch",
                "The body is not the one that was signed.",
                expected=expected,
                received=f"SHA-256={value[:64]}",
            )
    if not found:
        raise Unverified(
            "digest-missing", "The request has no SHA-256 digest.", expected="Digest: SHA-256=..."
        )
