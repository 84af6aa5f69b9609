"""The one place where a claim becomes verified: who signed the request, and who made the proof (decision
D15)."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from fedcoop.errors import Unverified
from fedcoop.protocol import proof, signatures
from fedcoop.protocol.freshness import Window
from fedcoop.protocol.messages import (
    Activity,
    Claimed,
    KeyDocument,
    RawRequest,
    RequestSignature,
    Verified,
)
from fedcoop.protocol.multikey import signing_key_of


class Signed(Protocol):
    """A request and what it says of its signature: a message, or a visit."""

    @property
    def request(self) -> RawRequest: ...
    @property
    def signature(self) -> RequestSignature: ...


def verify(claimed: Claimed, keys: KeyDocument, *, now: datetime, window: Window) -> Verified:
    """Return `claimed` as said by its actor, whose published keys are `keys`.

    `proved` tells whether the activity also carries its actor's own valid proof. A proof of a suite that we
    do not know is as good as none; one that we know and that fails refuses the whole (INT-6).

    Raises:
        Unverified: `key-owner-mismatch`, `key-unknown`, `weak-key`, `signature-invalid`, `algorithm-not-allowed`, and
            what `signatures.check_time` says of an aged request; of the proof `proof-invalid`, `proof-context`,
            `proof-key`.
    """
    activity = claimed.activity
    # (1) The keys are the actor's: the document is the one of that very id.
    if keys.actor.get("id") != activity.actor:
        raise Unverified(
            "key-owner-mismatch",
            "The key belongs to another actor.",
            expected=activity.actor,
            received=ascii(keys.actor.get("id"))[:200],
        )
    check_request(claimed, keys, now=now, window=window)
    # (2) A proof that is there is good.
    proved = activity.raw.get("proof") is not None and proof.is_supported(activity.raw)
    if proved:
        proof.verify_document(activity.raw, keys.actor, now=now, ahead=window[1])
    return Verified(activity=activity, keys=keys, proved=proved)


def check_request(signed: Signed, keys: KeyDocument, *, now: datetime, window: Window) -> None:
    """Return when the actor whose published keys are `keys` signed the request, whoever speaks in it.

    Raises:
        Unverified: as `verify`, less what is said of the actor and of proofs.
    """
    signature, request = signed.signature, signed.request
    # (1) The owner lists this key, as its own, still uses it, and it is strong enough.
    key = signing_key_of(keys.actor, signature.key_id, dialect=signature.dialect, at=now)
    # (2) It is still in time: finding the key may have taken long.
    signatures.check_time(signature, request, now=now, window=window)
    # (3) It signed what is covered.
    signatures.verify(signature, request, key)


def verify_carried(activity: Activity, keys: KeyDocument, *, now: datetime, window: Window) -> Verified:
    """Return an activity that somebody else has brought as said by its actor: its own proof says so, and nothing else.

    Raises:
        Unverified: `key-owner-mismatch`, `proof-missing`, `proof-invalid`, `proof-context`, `proof-key`.
    """
    # (1) The keys are the actor's.
    if keys.actor.get("id") != activity.actor:
        raise Unverified("key-owner-mismatch", "The key belongs to another actor.", expected=activity.actor)
    # (2) The proof is there, of a suite that we know, and good.
    proof.verify_document(activity.raw, keys.actor, now=now, ahead=window[1])
    return Verified(activity=activity, keys=keys, proved=True)
