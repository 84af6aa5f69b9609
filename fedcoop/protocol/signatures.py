"""Who says to have signed a request: one story for both dialects (decision D5).

The dialect is the one whose header is there, and a request that fails in it is not tried in the other (SIG-8):

    read -> check_time, check_coverage, check_target, check_body -> (the key is found) -> verify
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from fedcoop.errors import Unverified
from fedcoop.protocol import cavage, messagesig
from fedcoop.protocol.digest import check_body_digest, check_content_digest
from fedcoop.protocol.freshness import Window
from fedcoop.protocol.messages import Dialect, RawRequest, RequestSignature
from fedcoop.protocol.multikey import PublicKey


class _CheckTime(Protocol):
    def __call__(
        self, parsed: RequestSignature, request: RawRequest, *, now: datetime, window: Window
    ) -> None: ...


class _CheckCoverage(Protocol):
    def __call__(self, parsed: RequestSignature, request: RawRequest) -> None: ...


class _Verify(Protocol):
    def __call__(self, parsed: RequestSignature, request: RawRequest, public_key: PublicKey) -> None: ...


class _Checks(NamedTuple):
    time: _CheckTime
    coverage: _CheckCoverage
    verify: _Verify


_CHECKS: Final[Mapping[Dialect, _Checks]] = {
    "draft-cavage": _Checks(cavage.check_time, cavage.check_coverage, cavage.verify),
    "rfc9421": _Checks(messagesig.check_time, messagesig.check_coverage, messagesig.verify),
}


def read(request: RawRequest, *, public_origin: str) -> RequestSignature:
    """Return what `request`, sent to our `public_origin`, says of its signature.

    Raises:
        Unverified: there is none (`signature-missing`), or none that can be read (`signature-malformed`).
    """
    # (1) By what is there, never by what would succeed: else whoever strips one header chooses the weaker dialect.
    if request.header_values("signature-input"):
        return messagesig.parse(request, origin=public_origin)
    if not request.header_values("signature"):
        raise Unverified(
            "signature-missing",
            "The request is not signed.",
            expected="Signature-Input and Signature (RFC 9421), or Signature (draft-cavage-http-signatures-12)",
        )
    return cavage.parse(request)


def check_time(signature: RequestSignature, request: RawRequest, *, now: datetime, window: Window) -> None:
    """Return when `request` was signed within `window` around `now`.

    Raises Unverified: `clock-skew`, `signature-expired`, `signature-malformed`, in draft-cavage without a signed time
    `coverage-insufficient`.
    """
    _CHECKS[signature.dialect].time(signature, request, now=now, window=window)


def check_coverage(signature: RequestSignature, request: RawRequest) -> None:
    """Return when enough of `request` is signed, all of it is there, and the algorithm is one of ours.

    Raises Unverified: `coverage-insufficient`, `algorithm-not-allowed`, `signature-malformed`.
    """
    _CHECKS[signature.dialect].coverage(signature, request)


def check_target(signature: RequestSignature, request: RawRequest, *, public_origin: str) -> None:
    """Return when `request` was meant for us; in RFC 9421, where the whole URL is signed, the signature itself says it.

    Raises Unverified: `host-mismatch`.
    """
    if signature.dialect == "draft-cavage":
        cavage.check_host(request, public_hosts=cavage.public_hosts(public_origin))


def check_body(signature: RequestSignature, request: RawRequest) -> None:
    """Return when the body of `request` is the one that was signed.

    Raises Unverified: `digest-missing`, `digest-mismatch`; Malformed: `malformed-request`.
    """
    # (2) The digest of the same dialect: the other one is not what was signed.
    if signature.dialect == "draft-cavage":
        check_body_digest(request.header_values("digest"), request.body)
    else:
        check_content_digest(request.header_values("content-digest"), request.body)


def verify(signature: RequestSignature, request: RawRequest, public_key: PublicKey) -> None:
    """Return when `public_key` made the signature. Raises Unverified: `algorithm-not-allowed`, `signature-invalid`."""
    _CHECKS[signature.dialect].verify(signature, request, public_key)
