"""Credentials as the lifecycles need them: each check, and whose keys it takes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fedcoop.errors import Invalid
from fedcoop.protocol.credentials import check_attestation, check_membership, find, issuers
from tests.protocol.making import (
    AWA,
    CARRIER,
    ENGAGEMENT,
    MALLORY,
    OWNER,
    a_membership,
    an_attestation,
    keys_of,
)
from tests.protocol.signing import NOW

KEYS = keys_of(CARRIER, OWNER, MALLORY)


def membership(credential: dict[str, Any], **changes: Any) -> None:
    asked = {"worker": AWA, "carrier": CARRIER, "status": "cape", "at": NOW, "keys": KEYS}
    check_membership(credential, **{**asked, **changes})


def attestation(credential: dict[str, Any], **changes: Any) -> None:
    asked = {"requester": OWNER, "worker": AWA, "engagement": ENGAGEMENT, "at": NOW, "keys": KEYS}
    check_attestation(credential, **{**asked, **changes})


def test_a_membership_shows_who_employs_whom_as_what():
    membership(a_membership())
    membership(a_membership(validFrom=None, validUntil=None))


@pytest.mark.parametrize(
    ("credential", "changes", "code"),
    [
        (a_membership(), {"worker": MALLORY}, "credential-invalid"),
        (a_membership(), {"carrier": OWNER}, "credential-invalid"),
        (a_membership(), {"status": "cesa"}, "credential-invalid"),
        (a_membership(credentialSubject=[]), {}, "credential-invalid"),
        (a_membership(validFrom="2026-11-22T12:00:01Z"), {}, "credential-expired"),
        (a_membership(validUntil="2026-11-22T11:59:59Z"), {}, "credential-expired"),
        (a_membership(validUntil="2026-12-31"), {}, "credential-invalid"),
        (a_membership(validUntil="2026-12-31T00:00:00"), {}, "credential-invalid"),
        (a_membership(validUntil=5), {}, "credential-invalid"),
        (a_membership(by=MALLORY), {}, "credential-invalid"),
        ({**a_membership(), "more": 1}, {}, "credential-invalid"),
        ({k: v for k, v in a_membership().items() if k != "proof"}, {}, "credential-invalid"),
        (a_membership(), {"keys": {}}, "credential-invalid"),
    ],
)
def test_a_membership_that_does_not_is_refused(
    credential: dict[str, Any], changes: dict[str, Any], code: str
):
    with pytest.raises(Invalid) as refusal:
        membership(credential, **changes)
    assert refusal.value.code == code


def test_a_credential_is_about_one_subject():
    with pytest.raises(Invalid) as refusal:
        membership(a_membership(credentialSubject=[{"id": AWA, "workStatus": "cape"}]))
    assert refusal.value.expected == "`credentialSubject`"


def test_a_credential_is_good_from_its_first_to_its_last_instant():
    membership(a_membership(validFrom="2026-11-22T12:00:00Z", validUntil="2026-11-22T12:00:00Z"))


def test_a_proof_that_was_checked_is_not_checked_again():
    altered = {**a_membership(), "more": 1}
    membership(altered, keys=None)
    with pytest.raises(Invalid):
        membership(altered, keys=None, at=datetime(2028, 1, 1, tzinfo=UTC))


def test_an_attestation_shows_whose_work_on_what_was_accepted():
    attestation(an_attestation())


@pytest.mark.parametrize(
    ("credential", "changes", "code"),
    [
        (an_attestation(type=["VerifiableCredential"]), {}, "credential-invalid"),
        (an_attestation(), {"requester": CARRIER}, "credential-invalid"),
        (an_attestation(), {"worker": MALLORY}, "credential-invalid"),
        (an_attestation(), {"engagement": "https://nantes.example/engagements/2"}, "credential-invalid"),
        (an_attestation(credentialSubject=None), {}, "credential-invalid"),
        (an_attestation(validFrom="2027-01-01T00:00:00Z"), {}, "credential-expired"),
        (an_attestation(by=MALLORY), {}, "credential-invalid"),
        (an_attestation(), {"keys": {}}, "credential-invalid"),
    ],
)
def test_an_attestation_that_does_not_is_refused(
    credential: dict[str, Any], changes: dict[str, Any], code: str
):
    with pytest.raises(Invalid) as refusal:
        attestation(credential, **changes)
    assert refusal.value.code == code


def test_a_credential_is_found_among_what_is_attached():
    shown = a_membership()
    assert find([{"attachment": [{"type": "Image"}, "x", shown]}], "MembershipCredential") is shown
    assert find([{}, {"attachment": shown}], "MembershipCredential") is shown
    assert (
        find([{"attachment": {**shown, "type": "MembershipCredential"}}], "MembershipCredential") is not None
    )
    assert find([{"attachment": [shown]}], "WorkAttestation") is None


def test_only_the_keys_that_a_check_will_take_are_asked_for():
    many = [a_membership(issuer=f"https://coop-{n}.example/actors/coop") for n in range(3)]
    assert issuers([{"attachment": many}]) == ("https://coop-0.example/actors/coop",)
    assert issuers([{"result": an_attestation()}, {"attachment": a_membership()}]) == (CARRIER, OWNER)
    assert issuers([{"attachment": [{"type": "Image"}], "result": {"type": "Agreement"}}]) == ()
    assert issuers([{"attachment": a_membership(issuer=[CARRIER, OWNER])}]) == ()
