"""Verifiable credentials as the lifecycles need them: membership shown by a candidate, work attested by a requester.

VC Data Model 2.0 with an eddsa-jcs-2022 proof by the issuer actor's own key (vocabulary.md §3.12). Status lists come
with mobility; a credential is good while it is within its dates and its proof verifies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from fedcoop.errors import Invalid, Malformed, Unverified
from fedcoop.protocol.messages import Document
from fedcoop.protocol.proof import verify_document
from fedcoop.protocol.shape import id_of
from fedcoop.protocol.times import read_time


def find(documents: Iterable[Document], kind: str) -> Document | None:
    """Return the first credential of type `kind` attached to one of `documents`, or None."""
    for document in documents:
        attached = document.get("attachment")
        for item in attached if isinstance(attached, list) else [attached]:
            if isinstance(item, Mapping) and kind in _types(item):
                return item
    return None


def issuers(documents: Iterable[Document]) -> tuple[str, ...]:
    """Return whose keys the checks below will need: the issuer of the membership shown, that of the work attested.

    Never more than two, however many credentials somebody attaches: each costs a fetch.
    """
    documents = tuple(documents)
    results = (document.get("result") for document in documents)
    attested = next((r for r in results if isinstance(r, Mapping) and "WorkAttestation" in _types(r)), None)
    shown = (find(documents, "MembershipCredential"), attested)
    found = (id_of(credential.get("issuer")) for credential in shown if credential is not None)
    return tuple(dict.fromkeys(issuer for issuer in found if issuer))


def check_membership(
    credential: Document,
    *,
    worker: str,
    carrier: str,
    status: str,
    at: datetime,
    keys: Mapping[str, Document] | None,
) -> None:
    """Return when the credential shows that `carrier` counts `worker` among its people with `status` at `at`.

    `keys` None: its proof was checked when it was first shown, and only the rest is asked again.

    Raises:
        Invalid: `credential-invalid` or `credential-expired`, with the check that failed.
    """
    subject = _subject(credential)
    # (1) It is about this worker, by this carrier.
    _equal("issuer", id_of(credential.get("issuer")), carrier)
    _equal("credentialSubject.id", id_of(subject), worker)
    # (2) It says this status.
    _equal("credentialSubject.workStatus", subject.get("workStatus"), status)
    # (3) It is valid at this instant.
    _dates(credential, at)
    # (4) The carrier signed it.
    if keys is not None:
        _proof(credential, carrier, keys, at)


def check_attestation(
    credential: Document,
    *,
    requester: str,
    worker: str,
    engagement: str,
    at: datetime,
    keys: Mapping[str, Document],
) -> None:
    """Return when the credential attests `worker`'s work on `engagement` and `requester` signed it.

    Raises:
        Invalid: `credential-invalid` or `credential-expired`, with the check that failed.
    """
    if "WorkAttestation" not in _types(credential):
        raise Invalid("credential-invalid", "Not a WorkAttestation.", expected="WorkAttestation")
    subject = _subject(credential)
    # (1) It is by the requester, about this worker and this engagement.
    _equal("issuer", id_of(credential.get("issuer")), requester)
    _equal("credentialSubject.id", id_of(subject), worker)
    _equal("credentialSubject.engagement", id_of(subject.get("engagement")), engagement)
    # (2) It is valid at this instant.
    _dates(credential, at)
    # (3) The requester signed it.
    _proof(credential, requester, keys, at)


def _types(document: Document) -> list[Any]:
    types = document.get("type")
    return types if isinstance(types, list) else [types]


def _subject(credential: Document) -> Document:
    subject = credential.get("credentialSubject")
    if not isinstance(subject, Mapping):
        raise Invalid("credential-invalid", "A credential has one subject.", expected="`credentialSubject`")
    return subject


def _equal(name: str, received: Any, expected: str) -> None:
    if received != expected:
        raise Invalid(
            "credential-invalid", f"`{name}` does not fit.", expected=expected, received=str(received)
        )


def _dates(credential: Document, at: datetime) -> None:
    for name, sign in (("validFrom", 1), ("validUntil", -1)):
        value = credential.get(name)
        if value is None:
            continue
        try:
            then = read_time(value)
        except Malformed as refusal:
            raise Invalid(
                "credential-invalid", f"`{name}`: {refusal.detail}", received=refusal.received
            ) from None
        if (then - at).total_seconds() * sign > 0:
            raise Invalid(
                "credential-expired", f"Outside its {name}.", expected=str(value), received=at.isoformat()
            )


def _proof(credential: Document, issuer: str, keys: Mapping[str, Document], at: datetime) -> None:
    actor = keys.get(issuer)
    if actor is None:
        raise Invalid("credential-invalid", "The issuer's keys are not known.", expected=issuer)
    try:
        verify_document(credential, actor, now=at)
    except Unverified as refusal:
        raise Invalid(
            "credential-invalid", refusal.detail, expected=refusal.expected, received=refusal.received
        ) from refusal
