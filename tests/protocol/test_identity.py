"""Who a member is besides being our member: only what the other key says itself, of this very actor."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedcoop.errors import Invalid
from fedcoop.protocol.identity import (
    MAX_STATEMENTS,
    check_own,
    identities,
    sign_statement,
    statements,
    with_statement,
    without_subject,
)
from fedcoop.protocol.multikey import did_key_of
from tests.conftest import NOON
from tests.protocol.making import AWA, OWNER

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
DID, OTHER_DID = did_key_of(KEY.public_key()), did_key_of(OTHER.public_key())
STATEMENT = sign_statement(AWA, key=KEY, created=NOON)
PRONOUN = {"type": "PropertyValue", "name": "Pronom", "value": "elle"}


def an_actor(*attached: Any) -> dict[str, Any]:
    return {"id": AWA, "type": "Person", "attachment": list(attached)}


# FEP-c390, its feature file (CC0): a statement by the key of FEP-8b32's example.
PUBLISHED = {
    "type": "VerifiableIdentityStatement",
    "subject": "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2",
    "alsoKnownAs": "https://server.example/users/alice",
    "proof": {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "created": "2023-02-24T23:36:38Z",
        "verificationMethod": "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2",
        "proofPurpose": "assertionMethod",
        "proofValue": "z26W7TfJYD9DrGqnem245zNbeCbTwjb8avpduzi1JPhFrwML99CpP6gGXSKSXAcQdpGFBXF4kx7VwtXKhu7VDZJ54",
    },
}


def test_the_published_statement_holds():
    alice = {"id": "https://server.example/users/alice", "type": "Person", "attachment": [PUBLISHED]}
    assert identities(alice, now=NOON) == (PUBLISHED["subject"],)


def test_a_key_says_of_itself_that_it_is_an_actor():
    assert identities(an_actor(PRONOUN, STATEMENT), now=NOON) == (DID,)
    check_own(an_actor(PRONOUN, STATEMENT), now=NOON)
    second = sign_statement(AWA, key=OTHER, created=NOON)
    assert identities(an_actor(STATEMENT, second, STATEMENT), now=NOON) == (DID, OTHER_DID)
    # An attachment may stand alone, without a list (AP-11).
    assert identities({"id": AWA, "attachment": STATEMENT}, now=NOON) == (DID,)


@pytest.mark.parametrize(
    "statement",
    [
        sign_statement(OWNER, key=KEY, created=NOON),
        sign_statement(AWA, key=KEY, created=NOON + timedelta(hours=1)),
        {**STATEMENT, "subject": OTHER_DID},
        {**STATEMENT, "alsoKnownAs": OWNER},
        {**STATEMENT, "proof": sign_statement(AWA, key=OTHER, created=NOON)["proof"]},
        {name: value for name, value in STATEMENT.items() if name != "proof"},
        {**STATEMENT, "name": "added"},
    ],
)
def test_whatever_does_not_hold_says_nothing_when_read_and_is_refused_when_written(statement: dict[str, Any]):
    actor = an_actor(statement, sign_statement(AWA, key=OTHER, created=NOON))
    assert identities(actor, now=NOON) == (OTHER_DID,)
    with pytest.raises(Invalid) as refusal:
        check_own(actor, now=NOON)
    assert refusal.value.code == "schema-invalid"


def test_a_profile_shows_few_identities():
    keys = [Ed25519PrivateKey.from_private_bytes(bytes([n] * 32)) for n in range(MAX_STATEMENTS + 1)]
    many = an_actor(*(sign_statement(AWA, key=key, created=NOON) for key in keys))
    assert len(identities(many, now=NOON)) == MAX_STATEMENTS
    with pytest.raises(Invalid):
        check_own(many, now=NOON)


def test_a_new_statement_takes_the_place_of_the_one_by_the_same_key():
    again = sign_statement(AWA, key=KEY, created=NOON - timedelta(days=1))
    assert with_statement(an_actor(PRONOUN, STATEMENT), again) == [PRONOUN, again]
    assert without_subject(an_actor(STATEMENT, PRONOUN), DID) == [PRONOUN]
    assert without_subject(an_actor(STATEMENT, PRONOUN), OTHER_DID) == [STATEMENT, PRONOUN]
    assert with_statement({"id": AWA}, STATEMENT) == [STATEMENT]


@pytest.mark.parametrize("attachment", [None, "https://x.example/a", [5, None, "x"], {"type": "Image"}])
def test_what_is_no_statement_is_none(attachment: Any):
    assert statements({"id": AWA, "attachment": attachment}) == ()
