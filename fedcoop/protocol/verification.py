"""The one place where a claim becomes verified: who signed the request, and who made the proof (decision
D15)."""

from __future__ import annotations

from datetime import datetime

from fedcoop.errors import Unverified
from fedcoop.protocol import cavage, proof
from fedcoop.protocol.messages import Claimed, KeyDocument, Verified
from fedcoop.protocol.multikey import http_key_of


def verify(claimed: Claimed, keys: KeyDocument, *, now: datetime, window: cavage.Window) -> Verified:
    """Return `claimed` as said by its actor, whose published keys are `keys`.

    `proved` tells whether the activity also carries its actor's own valid proof. A proof of a suite that we
    do not know is as good as none; one that we know and that fails refuses the whole (INT-6).

    Raises:
        Unverified: `key-owner-mismatch`, `key-unknown`, `weak-key`, `signature-invalid`, and what `cavage`
        says
            of an aged request; of the proof `proof-invalid`, `proof-context`, `proof-key`.
    """
    activity, request = claimed.activity, claimed.request
    # (1) The keys are the actor's: the document is the one of that very id.
    if keys.actor.get("id") != activity.actor:
        raise Unverified(
            "key-owner-mismatch",
            "The key belongs to another actor.",
            expected=activity.actor,
            received=ascii(keys.actor.get("id"))[:200],
        )
    # (2) The actor lists this key, as its own, still uses it, and it is strong enough.
    key = http_key_of(keys.actor, claimed.key_id, at=now)
    # (3) It is still in time: finding the key may have taken long.
    parsed = cavage.parse(request)
    cavage.check_time(parsed, request, now=now, window=window)
    # (4) It signed what is covered.
    cavage.verify(parsed, request, key)
    # (5) A proof that is there is good.
    proved = activity.raw.get("proof") is not None and proof.is_supported(activity.raw)
    if proved:
        proof.verify_document(activity.raw, keys.actor, now=now, ahead=window[1])
    return Verified(activity=activity, keys=keys, proved=proved)
