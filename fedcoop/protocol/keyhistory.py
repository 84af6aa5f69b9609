"""The keys of an actor through time: what its document lists, and the signed history of how it came to be.

    renewed, without_expired     the actor document after a key was replaced, and once the overlap has passed (D4)
    founding_entry, entry        one step of the history: this key from this instant, and what became of the one before
    key_history                  all steps as the document at `<actor>/keys`
    verify_keys                  what such a document proves

Each step is signed by the key before it; after a compromise, when that key proves nothing any more, by an actor of the
same instance that vouches for the new one, with its own key in the step. Retired keys stay, for ever: what they signed
while they were good is judged by them (INT-12, CID `revoked` and `expires`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from fedcoop.errors import FedcoopError, Malformed, Unverified
from fedcoop.protocol.actors import PublicKeys, key_members
from fedcoop.protocol.build import contexts
from fedcoop.protocol.digest import chain_digest
from fedcoop.protocol.history import Finding
from fedcoop.protocol.ids import same_origin
from fedcoop.protocol.limits import MAX_KEYS_PER_ACTOR
from fedcoop.protocol.messages import Document
from fedcoop.protocol.proof import verify_document
from fedcoop.protocol.shape import id_of
from fedcoop.protocol.times import read_time, write_time

FORMAT: Final = "fedcoop-keys/1"

Reason: TypeAlias = Literal["founded", "rotated", "compromised"]

_NUMBER: Final = re.compile(r"#ed25519-([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class Ends:
    """Until when the keys before are good: for requests, and for proofs."""

    how: Literal["expires", "revoked"]
    requests: datetime
    proofs: datetime


@dataclass(frozen=True, slots=True)
class KeySpan:
    """One key of an actor, from when to when it was good, and who says so."""

    number: int
    key: str
    """Multibase of the Ed25519 key."""
    since: str
    reason: str
    signed_by: str
    """The actor whose key signed this step; another than the key's own is one that vouches for it."""
    signing_key: str
    until: str | None = None
    how: str | None = None


@dataclass(frozen=True, slots=True)
class KeyReport:
    """What a key history proves."""

    actor: str
    keys: tuple[KeySpan, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Every step holds."""
        return bool(self.keys) and not self.findings


# -- the actor document --------------------------------------------------------------------------------------


def number_of(actor_document: Document) -> int:
    """Return the number of the key that an actor of ours signs with: that of its one active method."""
    for method in _listed(actor_document, "assertionMethod"):
        if not {"expires", "revoked"} & method.keys():
            match = _NUMBER.search(str(method.get("id")))
            return int(match[1]) if match else 1
    raise Malformed("key-unknown", "The actor has no active key.", received=str(actor_document.get("id")))


def published_keys(actor_document: Document) -> PublicKeys:
    """Return the active keys of an actor of ours, as it publishes them."""
    methods = [m for m in _listed(actor_document, "assertionMethod") if not {"expires", "revoked"} & m.keys()]
    mains = [k for k in _listed(actor_document, "publicKey") if not {"expires", "revoked"} & k.keys()]
    pem = mains[0].get("publicKeyPem") if mains else ""
    return PublicKeys(str(pem), str(methods[0].get("publicKeyMultibase")) if methods else "")


def renewed(actor_document: Document, keys: PublicKeys, *, number: int, ends: Ends) -> dict[str, Any]:
    """Return the document with new active keys before the old, which end as `ends` says.

    After a compromise the old request keys are gone at once: many servers do not look at `revoked` there.
    """
    actor = str(actor_document["id"])
    new = key_members(actor, keys, number)
    proofs = [_ended(m, ends.how, ends.proofs) for m in _listed(actor_document, "assertionMethod")]
    requests = (
        []
        if ends.how == "revoked"
        else [_ended(k, ends.how, ends.requests) for k in _listed(actor_document, "publicKey")]
    )
    mains = [new["publicKey"], *requests][:MAX_KEYS_PER_ACTOR]
    return {
        **actor_document,
        "publicKey": mains if requests else mains[0],
        "assertionMethod": [*new["assertionMethod"], *proofs][:MAX_KEYS_PER_ACTOR],
    }


def without_expired(actor_document: Document, now: datetime) -> Document:
    """Return the document without request keys whose time has passed; proof keys stay, with the date.

    The very same object when there are none.
    """
    listed = _listed(actor_document, "publicKey")
    kept = [key for key in listed if "expires" not in key or read_time(key["expires"]) > now]
    if len(kept) == len(listed):
        return actor_document
    return {**actor_document, "publicKey": kept[0] if len(kept) == 1 else kept}


def _ended(key: Mapping[str, Any], how: str, at: datetime) -> dict[str, Any]:
    """Return `key` with its end, unless it has an earlier one: nothing comes back."""
    for name in ("revoked", "expires"):
        if name in key and read_time(key[name]) <= at:
            return dict(key)
    return {**{k: v for k, v in key.items() if k not in ("expires", "revoked")}, how: write_time(at)}


def _listed(actor_document: Document, name: str) -> list[Mapping[str, Any]]:
    value = actor_document.get(name)
    return [k for k in (value if isinstance(value, list) else [value]) if isinstance(k, Mapping)]


# -- its history ---------------------------------------------------------------------------------------------


def entry(
    *,
    base: str,
    actor: str,
    keys: PublicKeys,
    number: int,
    since: datetime,
    reason: Reason,
    signer: str,
    signing_method: Mapping[str, Any],
    previous: Document | None = None,
    ends: Ends | None = None,
) -> dict[str, Any]:
    """Return one step of the history, for `signer` to sign with the key that `signing_method` describes."""
    step: dict[str, Any] = {
        "@context": contexts(base),
        "type": "Document",
        "format": FORMAT,
        "attributedTo": signer,
        "about": actor,
        "keyNumber": number,
        "since": write_time(since),
        "reason": reason,
        **key_members(actor, keys, number),
        "signedBy": {k: v for k, v in signing_method.items() if k not in ("expires", "revoked")},
    }
    if previous is not None:
        step["previousDigest"] = chain_digest(previous)
    if ends is not None:
        step["previousEnds"] = {"how": ends.how, "at": write_time(ends.proofs)}
    return step


def method_of(actor: str, keys: PublicKeys, number: int) -> Mapping[str, Any]:
    """Return the Multikey entry of an actor's proof key."""
    methods: list[Mapping[str, Any]] = key_members(actor, keys, number)["assertionMethod"]
    return methods[0]


def key_history(actor: str, entries: Sequence[Document], *, base: str) -> dict[str, Any]:
    """Return the document at `<actor>/keys`, of its signed steps, the first one first."""
    return {
        "@context": contexts(base),
        "id": f"{actor}/keys",
        "type": "Document",
        "format": FORMAT,
        "attributedTo": actor,
        "about": actor,
        "entries": list(entries),
    }


def verify_keys(
    document: Document,
    *,
    pinned: Mapping[str, str] | None = None,
    vouchers: Mapping[str, Document] | None = None,
) -> KeyReport:
    """Return which keys `document` proves its actor to have had, and when. Never raises for what it says.

    `pinned` maps actor ids to a Multikey that the reader trusts them to have had: the actor's must be among its keys,
    that of one who vouches must be what it vouched with. `vouchers` maps them to their own key histories, in which
    what they vouched with must be found.
    """
    entries, actor = document.get("entries"), str(document.get("about"))
    if document.get("format") != FORMAT or not isinstance(entries, list) or not entries:
        finding = Finding("", None, None, "malformed-activity", f"Not a key history ({FORMAT}).")
        return KeyReport(actor, (), (finding,))
    spans: list[KeySpan] = []
    previous: Document | None = None
    try:
        for step in entries:
            spans = _taken(step, previous, spans, actor, pinned or {}, vouchers or {})
            previous = step
    except (FedcoopError, KeyError, TypeError, ValueError) as refusal:
        code, detail = (
            (refusal.code, refusal.detail)
            if isinstance(refusal, FedcoopError)
            else ("malformed-activity", "A step of the history lacks something.")
        )
        return KeyReport(actor, tuple(spans), (Finding(actor, len(spans) + 1, None, code, detail),))
    wanted = (pinned or {}).get(actor)
    if wanted is not None and wanted not in {span.key for span in spans}:
        detail = f"{actor} never had the key that you trust it to have."
        return KeyReport(actor, tuple(spans), (Finding(actor, None, None, "key-unknown", detail),))
    return KeyReport(actor, tuple(spans))


def _taken(
    step: Any,
    previous: Document | None,
    spans: list[KeySpan],
    actor: str,
    pinned: Mapping[str, str],
    vouchers: Mapping[str, Document],
) -> list[KeySpan]:
    """Return the spans with that of one more step. Raises what does not hold of it."""
    since, method, signing = read_time(step["since"]), step["assertionMethod"][0], step["signedBy"]
    signer = str(id_of(step["attributedTo"]))
    # (1) It is a step of this actor's history, and its key is this actor's.
    if step["format"] != FORMAT or step["about"] != actor or method["controller"] != actor:
        raise Malformed("key-owner-mismatch", "This step is of another actor.", expected=actor)
    # (2) It follows the step before: nothing was taken out, put in between, or told in another order.
    if step.get("previousDigest") != (chain_digest(previous) if previous is not None else None):
        raise Malformed("predecessor-unknown", "This step does not follow the one before.")
    if spans and (step["keyNumber"] <= spans[-1].number or since < read_time(spans[-1].since)):
        raise Malformed("stale", "This step is before the one before it.")
    # (3) It is signed by the key that was good until then, or by somebody of the same instance who vouches for it.
    _may_sign(step, spans, signing, signer, actor, method)
    vouched = signer != actor
    verify_document(step, {"id": signer, "assertionMethod": [signing]}, now=since)
    key = str(signing["publicKeyMultibase"])
    # (4) Who vouches does so with a key that it had then.
    if vouched:
        _check_voucher(signer, key, since, pinned, vouchers)
    ends = step.get("previousEnds")
    if spans and isinstance(ends, Mapping):
        spans = [*spans[:-1], replace(spans[-1], until=str(ends["at"]), how=str(ends["how"]))]
    span = KeySpan(
        int(step["keyNumber"]),
        str(method["publicKeyMultibase"]),
        str(step["since"]),
        str(step["reason"]),
        signer,
        key,
    )
    return [*spans, span]


def _may_sign(
    step: Document,
    spans: Sequence[KeySpan],
    signing: Mapping[str, Any],
    signer: str,
    actor: str,
    method: Mapping[str, Any],
) -> None:
    if signer != actor:
        if not same_origin(signer, actor):
            raise Unverified("proof-key", "Only the actor's own instance vouches for it.", received=signer)
        if signing["controller"] != signer:
            raise Unverified("proof-key", "It vouches with somebody else's key.", received=signer)
        return
    # A key that was given away cannot say what comes after it.
    if step["reason"] == "compromised":
        raise Unverified("proof-key", "After a compromise, somebody else vouches for the new key.")
    expected = spans[-1].key if spans else method["publicKeyMultibase"]
    if signing["publicKeyMultibase"] != expected or signing["controller"] != actor:
        raise Unverified(
            "proof-key",
            "This step is not signed by the key before it.",
            expected=str(expected),
            received=str(signing["publicKeyMultibase"]),
        )


def _check_voucher(
    signer: str,
    key: str,
    since: datetime,
    pinned: Mapping[str, str],
    vouchers: Mapping[str, Document],
) -> None:
    if signer in pinned and pinned[signer] != key:
        raise Unverified(
            "proof-key",
            "Who vouches did so with another key than you trust it to have.",
            expected=pinned[signer],
            received=key,
        )
    if signer not in vouchers:
        return
    report = verify_keys(vouchers[signer])
    for span in report.keys:
        good = read_time(span.since) <= since and (span.until is None or since <= read_time(span.until))
        if report.ok and span.key == key and good:
            return
    raise Unverified("proof-key", "Who vouches did not have this key then.", received=key)
