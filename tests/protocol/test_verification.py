import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from fedcoop.errors import Unverified
from fedcoop.protocol import multikey
from fedcoop.protocol.messages import Claimed, KeyDocument, RawRequest, Verified
from fedcoop.protocol.opening import open_request
from fedcoop.protocol.proof import sign_document
from fedcoop.protocol.shape import read_activity
from fedcoop.protocol.verification import check_request, verify, verify_carried
from tests.protocol.signing import (
    COOP,
    MALLORY,
    NANTES,
    NOW,
    WINDOW,
    a_create,
    a_message,
    a_multikey,
    a_request,
    an_actor,
    ed_key,
    keys_of,
    rsa_key,
)


def opened(request: RawRequest) -> Claimed:
    return open_request(request, now=NOW, public_origin=NANTES, allow_origins=frozenset(), window=WINDOW)


def verified(request: RawRequest, keys: KeyDocument | None = None, **changes: Any) -> Verified:
    return verify(opened(request), keys or keys_of(), **{"now": NOW, "window": WINDOW, **changes})


def refused(request: RawRequest, code: str, keys: KeyDocument | None = None, **changes: Any) -> None:
    with pytest.raises(Unverified) as refusal:
        verified(request, keys, **changes)
    assert refusal.value.code == code


def proved(by: str = COOP, **changes: Any) -> dict[str, Any]:
    return sign_document(
        a_create(COOP, **changes), key=ed_key(by), verification_method=f"{COOP}#ed25519-1", created=NOW
    )


def test_a_claim_by_the_right_key_is_verified():
    keys = keys_of()
    claimed = opened(a_request())
    result = verify(claimed, keys, now=NOW, window=WINDOW)
    assert result.activity is claimed.activity
    assert result.keys is keys
    assert result.proved is False


def test_a_request_by_a_key_that_was_given_up_is_refused():
    listed = an_actor()["publicKey"]
    for ends, good in (("2020-01-01T00:00:00Z", False), ("2100-01-01T00:00:00Z", True)):
        keys = KeyDocument(an_actor(publicKey=[{**listed, "revoked": ends}]), NOW)
        if good:
            assert verified(a_request(), keys)
        else:
            refused(a_request(), "key-unknown", keys)


def test_a_request_is_its_signers_whoever_speaks_in_it():
    courier = f"{MALLORY}/actors/coop"
    pem = multikey.public_key_to_pem(rsa_key(MALLORY).public_key())
    listed = {"id": f"{courier}#main-key", "owner": courier, "publicKeyPem": pem}
    keys = KeyDocument({"id": courier, "publicKey": listed}, NOW)
    claimed = opened(a_request(proved(), key_id=listed["id"], key=rsa_key(MALLORY)))
    check_request(claimed, keys, now=NOW, window=WINDOW)
    for wrong, at, code in (
        (keys_of(), NOW, "key-unknown"),
        (
            KeyDocument({"id": courier, "publicKey": {**listed, "revoked": "2020-01-01T00:00:00Z"}}, NOW),
            NOW,
            "key-unknown",
        ),
        (keys, NOW + timedelta(hours=2), "clock-skew"),
    ):
        with pytest.raises(Unverified) as refusal:
            check_request(claimed, wrong, now=at, window=WINDOW)
        assert refusal.value.code == code
    # And nobody but its signer is said to have signed it.
    with pytest.raises(Unverified) as refusal:
        verify(claimed, keys, now=NOW, window=WINDOW)
    assert refusal.value.code == "key-owner-mismatch"


def test_a_valid_proof_is_told():
    assert verified(a_request(proved())).proved is True


def test_an_ed25519_key_signs_requests_too():
    pem = multikey.public_key_to_pem(ed_key(COOP).public_key())
    keys = keys_of(publicKey={"id": f"{COOP}#main-key", "owner": COOP, "publicKeyPem": pem})
    assert not verified(a_request(key=ed_key(COOP)), keys).proved


def test_a_message_of_rfc_9421_is_verified_by_either_key_of_its_actor():
    assert not verified(a_message()).proved
    assert verified(a_message(proved())).proved
    assert not verified(a_message(key=ed_key(COOP), key_id=f"{COOP}#ed25519-1")).proved


def test_the_key_for_proofs_signs_no_draft_cavage_requests():
    refused(a_request(key=ed_key(COOP), key_id=f"{COOP}#ed25519-1"), "key-unknown")


def test_a_key_for_proofs_that_was_revoked_signs_nothing_any_more():
    message = a_message(key=ed_key(COOP), key_id=f"{COOP}#ed25519-1")
    revoked = keys_of(assertionMethod=[a_multikey(revoked="2026-01-01T00:00:00Z")])
    refused(message, "key-unknown", revoked)


def test_a_message_of_rfc_9421_by_another_key_or_for_another_server_is_refused():
    refused(a_message(key=rsa_key("mallory")), "signature-invalid")
    refused(a_message(origin="https://scic-alpes.example"), "signature-invalid")
    refused(a_message(more=';alg="ed25519"'), "algorithm-not-allowed")
    refused(a_message(created=NOW - timedelta(minutes=59)), "clock-skew", now=NOW + timedelta(minutes=2))


# -- the signature --------------------------------------------------------------------------------------


def test_the_keys_of_another_actor_of_the_same_origin_do_not_count():
    neighbour = f"{COOP}-2"
    refused(a_request(), "key-owner-mismatch", keys_of(neighbour))
    stolen = keys_of(neighbour, publicKey=an_actor()["publicKey"])
    refused(a_request(key=rsa_key(COOP)), "key-owner-mismatch", stolen)


def test_a_key_that_the_actor_does_not_list_does_not_count():
    refused(a_request(key_id=f"{COOP}#other"), "key-unknown")
    refused(a_request(), "key-unknown", keys_of(publicKey=None))


def test_a_key_that_names_another_owner_does_not_count():
    foreign = {**an_actor()["publicKey"], "owner": f"{MALLORY}/actors/coop"}
    refused(a_request(), "key-owner-mismatch", keys_of(publicKey=foreign))


def test_a_weak_key_does_not_count_though_it_signed():
    weak = rsa.generate_private_key(65537, 1024)
    pem = multikey.public_key_to_pem(weak.public_key())
    keys = keys_of(publicKey={"id": f"{COOP}#main-key", "owner": COOP, "publicKeyPem": pem})
    refused(a_request(key=weak), "weak-key", keys)


def test_a_signature_by_another_key_is_refused():
    refused(a_request(key=rsa_key("mallory")), "signature-invalid")


def test_a_request_that_grew_old_while_its_key_was_looked_for_is_refused():
    refused(a_request(date=NOW - timedelta(minutes=59)), "clock-skew", now=NOW + timedelta(minutes=2))


# -- the proof ------------------------------------------------------------------------------------------


def test_a_proof_that_fails_refuses_a_request_that_is_signed_well():
    changed = proved()
    changed["object"]["content"] = "something else"
    refused(a_request(changed), "proof-invalid")
    refused(a_request(proved("mallory")), "proof-invalid")


def test_a_proof_with_a_revoked_key_refuses():
    refused(
        a_request(proved()),
        "proof-key",
        keys_of(assertionMethod=[a_multikey(revoked="2026-01-01T00:00:00Z")]),
    )


def test_a_proof_over_other_contexts_refuses():
    changed = proved()
    changed["@context"] = [*changed["@context"], "https://mallory.example/context"]
    refused(a_request(changed), "proof-context")


def test_a_proof_that_is_not_even_one_refuses():
    refused(a_request({**a_create(), "proof": "trust me"}), "proof-invalid")


def test_a_proof_from_the_future_refuses_by_the_window_of_the_setting():
    early = sign_document(
        a_create(),
        key=ed_key(COOP),
        verification_method=f"{COOP}#ed25519-1",
        created=NOW + timedelta(minutes=9),
    )
    refused(a_request(early), "proof-invalid")
    assert verified(a_request(early), window=(WINDOW[0], timedelta(minutes=10))).proved


@pytest.mark.parametrize(
    "proof",
    [
        None,
        {"type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022", "proofValue": "z1"},
        {"type": "RsaSignature2017", "signatureValue": "x"},
        [proved()["proof"], proved()["proof"]],
    ],
)
def test_a_proof_that_we_cannot_read_is_as_good_as_none(proof: Any):
    document = {**a_create(), "proof": proof}
    assert verified(a_request(document)).proved is False


# -- what others bring -----------------------------------------------------------------------------------------------


def carried(document: dict[str, Any], keys: KeyDocument | None = None, **changes: Any) -> Verified:
    activity = read_activity(document, json.dumps(document).encode())
    return verify_carried(activity, keys or keys_of(), **{"now": NOW, "window": WINDOW, **changes})


def test_what_somebody_else_brings_is_its_senders_by_its_own_proof():
    result = carried(proved())
    assert (result.activity.actor, result.proved) == (COOP, True)


@pytest.mark.parametrize(
    ("document", "keys", "code"),
    [
        (a_create(COOP), None, "proof-missing"),
        ({**proved(), "type": "Update"}, None, "proof-invalid"),
        (proved(MALLORY), None, "proof-invalid"),
        (proved(), keys_of(f"{MALLORY}/actors/coop"), "key-owner-mismatch"),
        (proved(), keys_of(assertionMethod=[]), "proof-key"),
    ],
)
def test_what_its_sender_did_not_prove_is_refused_whoever_brings_it(
    document: dict[str, Any], keys: KeyDocument | None, code: str
):
    with pytest.raises(Unverified) as refusal:
        carried(document, keys)
    assert refusal.value.code == code


def test_a_proof_of_tomorrow_is_refused_whoever_brings_it():
    with pytest.raises(Unverified):
        carried(proved(), now=NOW - timedelta(days=1))
