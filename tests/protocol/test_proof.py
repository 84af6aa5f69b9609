"""eddsa-jcs-2022: published vectors, laws, and every way in which a proof may be somebody else's."""

import copy
import json
import random
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcoop.errors import Malformed, Unverified
from fedcoop.protocol import multibase, multikey
from fedcoop.protocol.digest import canonical
from fedcoop.protocol.proof import (
    is_supported,
    sign_document,
    verify_document,
    verify_statement,
    verify_with,
)
from tests.protocol.signing import (
    AS2,
    COOP,
    LYON,
    MALLORY,
    NOW,
    a_create,
    a_multikey,
    an_actor,
    ed_key,
    rsa_key,
    vector,
)
from tests.protocol.test_digest import shuffled
from tests.protocol.test_strict_json import documents

FEP = vector("fep-8b32.json")
C390 = vector("fep-c390.json")
METHOD = f"{COOP}#ed25519-1"
CREDENTIALS = "https://www.w3.org/ns/credentials/v2"


def signed(
    document: dict[str, Any] | None = None, *, by: str = COOP, created: datetime = NOW
) -> dict[str, Any]:
    return sign_document(
        document or a_create(), key=ed_key(by), verification_method=f"{by}#ed25519-1", created=created
    )


def resealed(document: dict[str, Any], *, by: str = COOP, **options: Any) -> dict[str, Any]:
    """Return `document` with other proof options, properly signed by the key of `by`; None takes one out."""
    proof = {**document["proof"], **options}
    proof = {name: value for name, value in proof.items() if value is not None and name != "proofValue"}
    body = {name: value for name, value in document.items() if name != "proof"}
    data = sha256(canonical(proof)).digest() + sha256(canonical(body)).digest()
    return {**body, "proof": {**proof, "proofValue": multibase.encode(ed_key(by).sign(data))}}


def refused(document: dict[str, Any], code: str, *, actor: dict[str, Any] | None = None) -> Unverified:
    before = json.dumps(document)
    with pytest.raises(Unverified) as refusal:
        verify_document(document, actor or an_actor(), now=NOW)
    assert refusal.value.code == code
    assert json.dumps(document) == before
    return refusal.value


# -- published values -----------------------------------------------------------------------------------


def fep_actor() -> dict[str, Any]:
    owner = FEP["document"]["actor"]
    method = {
        "id": FEP["keyId"],
        "type": "Multikey",
        "controller": owner,
        "publicKeyMultibase": FEP["publicKeyMultibase"],
    }
    return {"id": owner, "assertionMethod": [method]}


def test_the_proof_of_fep_8b32_is_made_byte_for_byte_and_verifies():
    secret = multibase.decode(FEP["secretKeyMultibase"])
    assert secret[:2].hex() == "8026"
    made = sign_document(
        FEP["document"],
        key=Ed25519PrivateKey.from_private_bytes(secret[2:]),
        verification_method=FEP["keyId"],
        created=datetime.fromisoformat(FEP["created"]),
    )
    assert made["proof"]["proofValue"] == FEP["proofValue"]
    verify_document(made, fep_actor(), now=NOW)
    options = {name: value for name, value in made["proof"].items() if name != "proofValue"}
    assert sha256(canonical(options)).hexdigest() == FEP["optionsSha256"]
    assert sha256(canonical(FEP["document"])).hexdigest() == FEP["documentSha256"]


def test_the_identity_statement_of_fep_c390_verifies():
    did = verify_statement(C390["statement"], actor_id=C390["actorId"], now=NOW)
    assert did == C390["statement"]["subject"]


def test_the_vector_of_vc_di_eddsa_verifies_and_is_made_byte_for_byte(shared: Path):
    folder = shared / "vectors" / "eddsa-jcs-2022"
    document = json.loads((folder / "signedJCS.json").read_text())
    pair = json.loads((folder / "keyPair.json").read_text())
    key = Ed25519PrivateKey.from_private_bytes(multibase.decode(pair["privateKeyMultibase"])[2:])
    verify_with(document, key.public_key())
    proof = document.pop("proof")
    again = sign_document(
        document,
        key=key,
        verification_method=proof["verificationMethod"],
        created=datetime.fromisoformat(proof["created"]),
    )
    assert again["proof"] == proof


def test_the_derived_cases_come_out_as_decided(shared: Path):
    cases = json.loads((shared / "vectors/derived/eddsa-jcs-2022-activity-cases.json").read_text())
    # Where fedcoop demands equal contexts (D2), the vectors describe the REC's prefix rule.
    ours = {"extra-trailing-context": "proof-context", "no-context-injection": "proof-context"}
    for case in cases["cases"]:
        name, now = case["name"], datetime(2026, 12, 1, tzinfo=UTC)
        if case["expect"].startswith("valid") and name not in ours:
            verify_document(case["document"], cases["actor"], now=now)
        else:
            with pytest.raises(Unverified) as refusal:
                verify_document(case["document"], cases["actor"], now=now)
            assert refusal.value.code == ours.get(name, refusal.value.code), name


def test_the_credentials_of_the_vectors_verify(shared: Path):
    found = json.loads((shared / "vectors/derived/work-history-vc-and-status-list.json").read_text())
    key = multikey.decode_public(FEP["publicKeyMultibase"])
    for name in ("credential_not_revoked", "credential_revoked", "status_list_credential"):
        verify_with(found[name], key)


def test_the_mathematics_alone_fit_one_document_and_one_key():
    verify_with(signed(), ed_key(COOP).public_key())
    for document, key in ((signed(), "mallory"), ({**signed(), "extra": 1}, COOP)):
        with pytest.raises(Unverified) as refusal:
            verify_with(document, ed_key(key).public_key())
        assert refusal.value.code == "proof-invalid"


# -- making ---------------------------------------------------------------------------------------------


def test_a_proof_has_the_contexts_of_its_document_and_names_its_key():
    document = a_create()
    before = copy.deepcopy(document)
    made = signed(document)
    assert document == before
    assert {**made, "proof": None} == {**document, "proof": None}
    assert made["proof"] == {
        "@context": document["@context"],
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "created": "2026-11-22T12:00:00Z",
        "verificationMethod": METHOD,
        "proofPurpose": "assertionMethod",
        "proofValue": made["proof"]["proofValue"],
    }


def test_a_document_is_signed_once_and_with_contexts_as_an_array():
    with pytest.raises(ValueError, match="proof already"):
        signed(signed())
    with pytest.raises(ValueError, match="array"):
        signed(a_create(**{"@context": AS2}))


def test_what_has_no_canonical_form_is_not_signed():
    with pytest.raises(Malformed):
        signed(a_create(amount=2**60))


# -- what was signed verifies ---------------------------------------------------------------------------


def test_an_activity_an_object_and_a_credential_verify_by_their_owners_key():
    verify_document(signed(), an_actor(), now=NOW)
    note = {"@context": [AS2], "id": f"{LYON}/notes/1", "type": "Note", "attributedTo": [COOP]}
    verify_document(signed(note), an_actor(), now=NOW)
    for issuer in (COOP, {"id": COOP, "name": "Lyon"}):
        credential = {"@context": [CREDENTIALS], "type": ["VerifiableCredential"], "issuer": issuer}
        verify_document(signed(credential), an_actor(), now=NOW)


@settings(max_examples=40, deadline=None)
@given(documents(), st.randoms(use_true_random=False))
def test_a_proof_holds_whatever_the_order_of_members(document: dict[str, Any], dice: random.Random):
    rest = {name: value for name, value in document.items() if name not in {"proof", "signature"}}
    mixed = shuffled(signed({**rest, "@context": [AS2], "actor": COOP}), dice)
    before = json.dumps(mixed)
    verify_document(mixed, an_actor(), now=NOW)
    assert json.dumps(mixed) == before


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, (*path, key))]
    if isinstance(value, list):
        return [leaf for i, inner in enumerate(value) for leaf in leaves(inner, (*path, i))]
    return [path]


@pytest.mark.parametrize("path", leaves(signed()), ids=lambda path: ".".join(map(str, path)))
def test_any_changed_value_breaks_the_proof(path: tuple[Any, ...]):
    changed = copy.deepcopy(signed())
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = place[path[-1]] + "x"
    with pytest.raises(Unverified):
        verify_document(changed, an_actor(), now=NOW)


@pytest.mark.parametrize("name", sorted(signed()))
def test_any_missing_member_breaks_the_proof(name: str):
    changed = signed()
    del changed[name]
    with pytest.raises(Unverified):
        verify_document(changed, an_actor(), now=NOW)


def test_any_added_member_breaks_the_proof():
    refused({**signed(), "extra": None}, "proof-invalid")
    made = signed()
    made["proof"]["domain"] = "https://velo-nantes.example"
    refused(made, "proof-invalid")


def test_a_legacy_signature_added_after_the_proof_does_no_harm():
    verify_document({**signed(), "signature": {"type": "RsaSignature2017"}}, an_actor(), now=NOW)


def test_an_embedded_proof_is_part_of_what_the_outer_proof_covers():
    inner = signed({"@context": [AS2], "id": f"{LYON}/notes/1", "type": "Note", "attributedTo": COOP})
    outer = signed(a_create(object=inner))
    verify_document(outer, an_actor(), now=NOW)
    outer["object"]["proof"]["created"] = "2026-11-22T12:00:01Z"
    refused(outer, "proof-invalid")


# -- whose proof ----------------------------------------------------------------------------------------


def test_a_proof_by_another_actor_is_refused_even_with_their_own_document():
    forged = signed(a_create(), by=f"{MALLORY}/actors/coop")
    refused(forged, "proof-key", actor=an_actor(f"{MALLORY}/actors/coop"))
    refused(forged, "proof-key")


def test_a_proof_by_another_key_under_the_right_name_is_refused():
    forged = sign_document(a_create(), key=ed_key("mallory"), verification_method=METHOD, created=NOW)
    refused(forged, "proof-invalid")


def test_a_document_that_names_nobody_or_two_owners_is_nobodys():
    for owner in ({"actor": None}, {"actor": [COOP, f"{MALLORY}/a"]}, {"actor": {"type": "Person"}}):
        refused(signed(a_create(**owner)), "proof-key")
    two = {"@context": [AS2], "attributedTo": [f"{MALLORY}/a", f"{MALLORY}/b"], "issuer": COOP}
    refused(signed(two), "proof-key")
    nobody = an_actor(id=None)
    refusal = refused(signed(a_create(actor=None)), "proof-key", actor=nobody)
    assert "owner" in refusal.detail


def test_a_key_that_was_revoked_before_is_refused_and_one_revoked_after_is_not():
    made = signed(created=NOW - timedelta(days=1))
    late = an_actor(assertionMethod=[a_multikey(revoked="2026-11-22T12:00:01Z")])
    verify_document(made, late, now=NOW)
    early = an_actor(assertionMethod=[a_multikey(revoked="2026-11-22T11:59:59Z")])
    refused(made, "proof-key", actor=early)


def test_the_key_for_requests_makes_no_proofs():
    refused(resealed(signed(), verificationMethod=f"{COOP}#main-key"), "proof-key")


# -- what a proof must look like ------------------------------------------------------------------------


@pytest.mark.parametrize("proof", [[], [{}], "z", 7, True])
def test_a_proof_is_one_object(proof: Any):
    refused({**a_create(), "proof": proof}, "proof-invalid")


def test_two_proofs_are_none_of_ours():
    made = signed()
    refused({**made, "proof": [made["proof"]]}, "proof-invalid")


def test_a_document_without_a_proof_is_refused():
    refused(a_create(), "proof-missing")
    refused({**a_create(), "proof": None}, "proof-missing")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"type": "Ed25519Signature2020"}, "proof-invalid"),
        ({"type": None}, "proof-invalid"),
        ({"type": ["DataIntegrityProof"]}, "proof-invalid"),
        ({"cryptosuite": "eddsa-rdfc-2022"}, "proof-invalid"),
        ({"cryptosuite": "jcs-eddsa-2022"}, "proof-invalid"),
        ({"cryptosuite": None}, "proof-invalid"),
        ({"proofPurpose": "authentication"}, "proof-invalid"),
        ({"proofPurpose": None}, "proof-invalid"),
        ({"created": None}, "proof-invalid"),
        ({"created": "today"}, "proof-invalid"),
        ({"created": "2026-11-22T12:00:00"}, "proof-invalid"),
        ({"created": "2026-11-22T12:05:01Z"}, "proof-invalid"),
        ({"expires": "2026-11-22T12:00:00Z"}, "proof-invalid"),
        ({"expires": "2026-11-22T11:59:59Z"}, "proof-invalid"),
        ({"expires": "never"}, "proof-invalid"),
        ({"verificationMethod": None}, "proof-key"),
        ({"verificationMethod": ""}, "proof-key"),
        ({"verificationMethod": {"id": METHOD}}, "proof-key"),
        ({"verificationMethod": f"{COOP}#ed25519-2"}, "proof-key"),
        ({"@context": None}, "proof-context"),
        ({"@context": []}, "proof-context"),
        ({"@context": AS2}, "proof-context"),
        ({"@context": [AS2]}, "proof-context"),
        ({"@context": [*a_create()["@context"][::-1]]}, "proof-context"),
        ({"@context": [*a_create()["@context"], "https://mallory.example/context"]}, "proof-context"),
    ],
)
def test_a_proof_with_other_options_is_refused_though_the_key_signed_them(options: dict[str, Any], code: str):
    refused(resealed(signed(), **options), code)


def test_a_context_added_to_the_document_after_signing_is_refused():
    made = signed()
    refused(
        {**made, "@context": [*made["@context"], {"Create": "https://mallory.example/#Nothing"}]},
        "proof-context",
    )


def test_a_context_that_is_no_array_is_refused_on_both_sides():
    made = signed()
    plain = resealed({**made, "@context": AS2}, **{"@context": AS2})
    refused(plain, "proof-context")
    without = {name: value for name, value in made.items() if name != "@context"}
    refused(resealed(without, **{"@context": None}), "proof-context")


def test_a_proof_from_a_clock_a_little_ahead_and_one_that_has_not_expired_are_accepted():
    verify_document(resealed(signed(), created="2026-11-22T12:05:00Z"), an_actor(), now=NOW)
    verify_document(resealed(signed(), expires="2026-11-22T12:00:01Z"), an_actor(), now=NOW)
    verify_document(resealed(signed(), created="2026-11-22T13:00:00+01:00"), an_actor(), now=NOW)


def test_the_refusal_of_a_proof_from_the_future_says_both_times():
    refusal = refused(signed(created=NOW + timedelta(hours=1)), "proof-invalid")
    assert (refusal.expected, refusal.received) == ("2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z")


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        "z",
        "u" + "A" * 86,
        "z" + "1" * 2000,
        multibase.encode(b"\x01" * 63),
        multibase.encode(b"\x01" * 65),
        multibase.encode(b"\x01" * 64),
    ],
)
def test_a_proof_value_that_is_no_signature_is_refused(value: Any):
    made = signed()
    made["proof"]["proofValue"] = value
    refused(made, "proof-invalid")


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_proof_value_of_another_length_is_not_even_tried(length: int):
    made = signed()
    made["proof"]["proofValue"] = multibase.encode(b"\x01" * length) if length else "z1"
    refusal = refused(made, "proof-invalid")
    assert refusal.expected == "64 bytes"
    assert refusal.received == str(length or 1)


def test_a_proof_value_in_another_spelling_is_refused():
    made = signed()
    made["proof"]["proofValue"] += " "
    refused(made, "proof-invalid")


def test_numbers_that_have_no_canonical_form_break_the_proof_and_nothing_else():
    refused({**signed(), "extra": 2**60}, "proof-invalid")
    made = signed()
    made["proof"]["extra"] = float("nan")
    with pytest.raises(Unverified):
        verify_document(made, an_actor(), now=NOW)


def test_only_our_own_suite_is_ours_to_judge():
    assert is_supported(signed())
    assert is_supported({"proof": "nonsense"})
    assert not is_supported({"proof": {"type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022"}})
    assert not is_supported({"proof": {"type": "RsaSignature2017", "cryptosuite": "eddsa-jcs-2022"}})
    assert not is_supported({"proof": [signed()["proof"]]})


# -- identity statements --------------------------------------------------------------------------------

DID = multikey.did_key_of(ed_key("alice").public_key())


def a_statement(method: str = DID, **changes: Any) -> dict[str, Any]:
    statement = {"type": "VerifiableIdentityStatement", "subject": DID, "alsoKnownAs": COOP, **changes}
    return sign_document(statement, key=ed_key("alice"), verification_method=method, created=NOW)


@pytest.mark.parametrize("method", [DID, multikey.did_key_method(DID)])
def test_a_statement_binds_a_key_that_its_holder_can_take_away(method: str):
    statement = a_statement(method)
    assert "@context" not in statement["proof"]
    assert verify_statement(statement, actor_id=COOP, now=NOW) == DID


def test_a_statement_with_contexts_must_have_them_equal():
    statement = a_statement(**{"@context": [AS2]})
    assert verify_statement(statement, actor_id=COOP, now=NOW) == DID
    del statement["@context"]
    with pytest.raises(Unverified) as refusal:
        verify_statement(statement, actor_id=COOP, now=NOW)
    assert refusal.value.code == "proof-context"
    added = {**a_statement(), "@context": [AS2]}
    with pytest.raises(Unverified) as refusal:
        verify_statement(added, actor_id=COOP, now=NOW)
    assert refusal.value.code == "proof-context"


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        (a_statement(alsoKnownAs=f"{MALLORY}/actors/coop"), "proof-invalid"),
        (a_statement(alsoKnownAs=[COOP]), "proof-invalid"),
        (a_statement(type="Note"), "proof-invalid"),
        (a_statement(subject=multikey.did_key_of(ed_key("bob").public_key())), "proof-key"),
        (a_statement(subject=None), "proof-key"),
        (a_statement(METHOD), "proof-key"),
        (a_statement("did:web:x", subject="did:web:x"), "proof-key"),
        (a_statement("did:key:zQ", subject="did:key:zQ"), "proof-key"),
        ({**a_statement(), "name": "added"}, "proof-invalid"),
        ({**a_statement(), "proof": None}, "proof-missing"),
        (resealed(a_statement(), by="alice", proofPurpose="authentication"), "proof-invalid"),
        (resealed(a_statement(), by="alice", expires="2026-11-22T11:00:00Z"), "proof-invalid"),
        (resealed(a_statement(), by="bob"), "proof-invalid"),
    ],
)
def test_a_statement_of_somebody_else_is_refused(statement: dict[str, Any], code: str):
    with pytest.raises(Unverified) as refusal:
        verify_statement(statement, actor_id=COOP, now=NOW)
    assert refusal.value.code == code


def test_a_statement_by_an_rsa_key_is_refused():
    did = multikey.did_key_of(rsa_key(COOP).public_key())
    with pytest.raises(Unverified) as refusal:
        verify_statement(a_statement(did, subject=did), actor_id=COOP, now=NOW)
    assert refusal.value.code == "proof-key"
