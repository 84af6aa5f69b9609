"""The door: from the bytes of a POST to a claimed activity, cheapest check first (security design §3.4).

Nothing is fetched here and nothing is stored; a request that is refused has cost us the reading of its body.
The order is the security property: no check relies on what a later one establishes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from datetime import datetime
from typing import Final

from fedcoop.errors import Forbidden, Malformed, TooLarge, UnsupportedMedia, Unverified
from fedcoop.protocol import signatures, strict_json
from fedcoop.protocol.freshness import Window
from fedcoop.protocol.ids import check_id, origin
from fedcoop.protocol.limits import MAX_BODY
from fedcoop.protocol.messages import Activity, Claimed, RawRequest
from fedcoop.protocol.proof import is_supported
from fedcoop.protocol.shape import AS2, read_activity

_MEDIA_TYPE: Final = re.compile(
    r"\s*(?P<type>[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)\s*(?P<parameters>(?:;[^;\"]*(?:\"[^\"\\]*\"\s*)?)*)",
    re.ASCII | re.IGNORECASE,
)
_PARAMETER: Final = re.compile(r";\s*([a-z]+)=(?:\"([^\"\\]*)\"|([^\s;\"]+))\s*", re.ASCII | re.IGNORECASE)


def open_request(
    request: RawRequest,
    *,
    now: datetime,
    public_origin: str,
    allow_origins: Set[str],
    window: Window,
) -> Claimed:
    """Return the activity that `request` claims to bring, well formed, fresh and meant for us.

    Who signed it is only claimed; `verification.verify` finds out.

    Raises:
        UnsupportedMedia: `unsupported-media-type`, `content-encoding`.
        TooLarge: `too-large`.
        Malformed: what `strict_json.loads`, `shape.read_activity` and `ids.check_id` refuse; `malformed-request` for a
            Content-Digest that cannot be read.
        Forbidden: `foreign-origin`, `local-id`.
        Unverified: what `signatures.read` and its checks refuse, `key-owner-mismatch`.
    """
    # (1) A body that we read at all.
    _check_body(request)
    # (2) JSON that everybody reads alike.
    document = strict_json.loads(request.body)
    # (3) An activity.
    activity = read_activity(document, request.body)
    # (4) Of ids that are its sender's to give.
    _check_ids(activity, public_origin=public_origin, allow_origins=allow_origins)
    # (5) Signed at all, and readably.
    signature = signatures.read(request, public_origin=public_origin)
    # (6) Now, not some other time.
    signatures.check_time(signature, request, now=now, window=window)
    # (7) Enough of it is signed.
    signatures.check_coverage(signature, request)
    # (8) To us, not to another server.
    signatures.check_target(signature, request, public_origin=public_origin)
    # (9) By a key of the actor's own server, or of another that is not us: what that one has to bring is for
    # `check_forwarded` to say.
    forwarder = _forwarder(
        signature.key_id, activity, public_origin=public_origin, allow_origins=allow_origins
    )
    # (10) This body, not another under the same signature.
    signatures.check_body(signature, request)
    return Claimed(request=request, activity=activity, signature=signature, forwarder=forwarder)


def open_carried(body: bytes, *, public_origin: str, allow_origins: Set[str]) -> tuple[Activity, str]:
    """Return an activity that somebody else than its sender has brought, and the id of the key that its proof names.

    That the proof is good is for `verification.verify_carried` to find out; there is no signed request to go by.

    Raises:
        TooLarge, Malformed, Forbidden: as `open_request`.
        Unverified: `proof-missing`, `key-unknown`, `key-owner-mismatch`.
    """
    # (1) Within what we are willing to read.
    if len(body) > MAX_BODY:
        raise TooLarge("too-large", "The activity is too large.", expected=f"at most {MAX_BODY} bytes")
    # (2) JSON that everybody reads alike, and an activity.
    activity = read_activity(strict_json.loads(body), body)
    # (3) Of ids that are its sender's to give.
    _check_ids(activity, public_origin=public_origin, allow_origins=allow_origins)
    # (4) With a proof, by a key of the actor's own server.
    return activity, proof_method(activity, allow_origins=allow_origins)


def check_forwarded(claimed: Claimed, *, allow_origins: Set[str]) -> None:
    """Return when what somebody else than its actor's server brings has the actor's proof; else no key is fetched.

    It is not asked of relays, which bring much that has none: that is not believed, and not refused (REL-5).

    Raises:
        Unverified: `key-owner-mismatch` without a proof, and what `proof_method` refuses.
    """
    if claimed.forwarder is None:
        return
    # (1) No key of another server could be the actor's (SIG-20); only its own proof speaks for it then.
    if not isinstance(claimed.activity.raw.get("proof"), Mapping):
        raise _anothers_key(claimed.forwarder, origin(claimed.activity.actor))
    proof_method(claimed.activity, allow_origins=allow_origins)


def proof_method(activity: Activity, *, allow_origins: Set[str]) -> str:
    """Return the id of the key that the activity's proof names: one of the actor's own server.

    Raises:
        Unverified: there is no proof that we can judge (`proof-missing`), or its key is no id that we fetch
            (`key-unknown`) or another server's (`key-owner-mismatch`).
    """
    proof = activity.raw.get("proof")
    method = proof.get("verificationMethod") if isinstance(proof, Mapping) else None
    if not isinstance(method, str) or not is_supported(activity.raw):
        raise Unverified(
            "proof-missing",
            "What others bring has its sender's own proof.",
            expected="an eddsa-jcs-2022 proof by the actor",
        )
    found, home = _origin_of_key(method, allow_origins=allow_origins), origin(activity.actor)
    if found != home:
        raise Unverified(
            "key-owner-mismatch",
            "The key and the actor are not on the same origin.",
            expected=home,
            received=found,
        )
    return method


def is_activity_media_type(value: str) -> bool:
    """Tell whether a `Content-Type` is ActivityStreams: `application/activity+json`, or ld+json with the
    profile."""
    match = _MEDIA_TYPE.fullmatch(value)
    if match is None:
        return False
    if match["type"].lower() == "application/activity+json":
        return True
    if match["type"].lower() != "application/ld+json":
        return False
    found = _PARAMETER.findall(match["parameters"])
    profiles = [quoted or plain for name, quoted, plain in found if name.lower() == "profile"]
    return len(profiles) == 1 and AS2 in profiles[0].split()


def _check_body(request: RawRequest) -> None:
    # (1) A browser form or an uploaded file is no activity (AP-4).
    types = request.header_values("content-type")
    if len(types) != 1 or not is_activity_media_type(types[0]):
        raise UnsupportedMedia(
            "unsupported-media-type",
            "The body is not labelled as ActivityStreams.",
            expected=f'application/activity+json, or application/ld+json; profile="{AS2}"',
            received=ascii(", ".join(types)[:200]),
        )
    # (2) What unpacks to more than it seems is not unpacked.
    encodings = request.header_values("content-encoding")
    if encodings:
        raise UnsupportedMedia(
            "content-encoding",
            "The body is encoded.",
            expected="no Content-Encoding",
            received=ascii(", ".join(encodings)[:80]),
        )
    # (3) Within what we are willing to read.
    if len(request.body) > MAX_BODY:
        raise TooLarge(
            "too-large",
            "The body is too large.",
            expected=f"at most {MAX_BODY} bytes",
            received=f"{len(request.body)} bytes",
        )


def _check_ids(activity: Activity, *, public_origin: str, allow_origins: Set[str]) -> None:
    # (1) Every id could be one, and has one spelling.
    for iri in (activity.id, activity.actor, activity.object_id):
        if iri is not None:
            check_id(iri, allow_origins=allow_origins)
    home = origin(activity.actor)
    # (2) Nobody can speak in our own actors' names from outside.
    if home == public_origin:
        raise Forbidden(
            "local-id", "Our own actors do not come in through the inbox.", received=activity.actor
        )
    # (3) An id on another origin is a name that belongs to somebody else (GHSA-4qhx).
    if origin(activity.id) != home:
        raise Forbidden(
            "foreign-origin",
            "The activity's id is on another origin than its actor.",
            expected=home,
            received=origin(activity.id),
        )


def _origin_of_key(key_id: str, *, allow_origins: Set[str]) -> str:
    try:
        return origin(check_id(key_id, allow_origins=allow_origins))
    except Malformed as refusal:
        raise Unverified("key-unknown", refusal.detail, received=refusal.received) from None


def _forwarder(key_id: str, activity: Activity, *, public_origin: str, allow_origins: Set[str]) -> str | None:
    """Return the origin whose key signed when it is not the actor's own; None for what the actor's server says."""
    found, home = _origin_of_key(key_id, allow_origins=allow_origins), origin(activity.actor)
    if found == home:
        return None
    # (1) Nobody brings anything in our name.
    if found == public_origin:
        raise _anothers_key(found, home)
    return found


def _anothers_key(found: str, home: str) -> Unverified:
    return Unverified(
        "key-owner-mismatch",
        "The key and the actor are not on the same origin, and the actor's proof is not there.",
        expected=f"a key of {home}, or an eddsa-jcs-2022 proof by the actor",
        received=found,
    )
