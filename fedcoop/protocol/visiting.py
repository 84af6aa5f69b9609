"""A signed GET: whose server asks, before anything of it is shown (wire.md §2.4, SIG-24).

    open_visit -> (what the operator decided about its server) -> check_visit -> (the key is found) -> verify_visit

The checks are those of a delivery, less the body: a GET has none.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fedcoop.errors import Malformed, Unverified
from fedcoop.protocol import signatures
from fedcoop.protocol.freshness import Window
from fedcoop.protocol.ids import check_id, origin
from fedcoop.protocol.messages import KeyDocument, RawRequest, RequestSignature
from fedcoop.protocol.shape import types_of
from fedcoop.protocol.verification import check_request

SIGNED_BY: Final = ("Signature-Input", "Signature")
"""Headers of which one is there when a request is signed, in either dialect."""

OF_THE_SERVER: Final = "Application"
"""Type of the actor in whose name a server asks for all of its actors (FEP-2677)."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A GET whose signature could be read. Who made it is only claimed."""

    request: RawRequest
    signature: RequestSignature
    host: str
    """Origin of the key that is said to have signed."""


def open_visit(request: RawRequest, *, public_origin: str, allow_origins: Set[str]) -> Visit | None:
    """Return the visit that `request` claims to be; None when its key is on no server that we could know.

    Raises:
        Unverified: there is no signature (`signature-missing`), or none that can be read (`signature-malformed`).
    """
    # (1) Readable, or it says of nobody who asks.
    signature = signatures.read(request, public_origin=public_origin)
    try:
        host = origin(check_id(signature.key_id, allow_origins=allow_origins))
    except Malformed:
        return None
    return Visit(request, signature, host)


def check_visit(visit: Visit, *, public_origin: str, now: datetime, window: Window) -> None:
    """Return when the signature is of now, covers what a GET is, and is meant for us.

    Raises:
        Unverified: `clock-skew`, `signature-expired`, `coverage-insufficient`, `algorithm-not-allowed`,
            `host-mismatch`, `signature-malformed`.
    """
    # (1) Now: a captured request would open what it opened for ever.
    signatures.check_time(visit.signature, visit.request, now=now, window=window)
    # (2) The method, the whole path, and the server.
    signatures.check_coverage(visit.signature, visit.request)
    # (3) To us: what a peer asked of another server is not asked of us.
    signatures.check_target(visit.signature, visit.request, public_origin=public_origin)


def verify_visit(visit: Visit, keys: KeyDocument, *, now: datetime, window: Window) -> str:
    """Return the id of the actor that asks, whose published keys are `keys`.

    Raises:
        Unverified: `key-owner-mismatch`, and what `verification.check_request` refuses.
    """
    owner = str(keys.actor.get("id"))
    # (1) An actor of the very server that the operator decided about.
    if not owner.startswith(visit.host + "/"):
        raise Unverified(
            "key-owner-mismatch",
            "The key belongs to an actor of another server.",
            expected=visit.host,
            received=ascii(owner)[:200],
        )
    # (2) It lists the key, still uses it, and signed this.
    check_request(visit, keys, now=now, window=window)
    return owner


def speaks_for_server(keys: KeyDocument) -> bool:
    """Tell whether the owner of `keys` asks for all actors of its server: the server itself shows it as such."""
    return OF_THE_SERVER in types_of(keys.actor)
