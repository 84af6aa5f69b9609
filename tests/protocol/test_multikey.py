import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from fedcoop.errors import Unverified
from fedcoop.protocol import multibase, multikey
from fedcoop.protocol.limits import MAX_KEYS_PER_ACTOR, MAX_PEM
from tests.protocol.signing import COOP, MALLORY, NOW, a_multikey, an_actor, ed_key, rsa_key, vector

DIDS = vector("did-key.json")
RFC9421 = vector("rfc9421-b.json")
MAIN_KEY = f"{COOP}#main-key"
PROOF_KEY = f"{COOP}#ed25519-1"


def number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def a_public_key(**changes: Any) -> dict[str, Any]:
    return {**an_actor()["publicKey"], **changes}


# -- published facts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", DIDS["ed25519"], ids=lambda case: case["seed"][-2:])
def test_the_did_of_a_published_seed_is_the_published_one(case: dict[str, str]):
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["seed"])).public_key()
    assert multikey.did_key_of(key) == case["did"]
    assert multikey.key_of_did(case["did"]) == key


@pytest.mark.parametrize("case", DIDS["rsa"], ids=["2048", "4096"])
def test_the_did_of_a_published_rsa_key_is_the_published_one(case: dict[str, str]):
    key = rsa.RSAPublicNumbers(number(case["e"]), number(case["n"])).public_key()
    assert multikey.did_key_of(key) == case["did"]
    assert multikey.key_of_did(case["did"]) == key


@pytest.mark.parametrize("case", DIDS["multikey"], ids=["ed25519", "rsa"])
def test_the_multikeys_of_fep_521a_are_read_and_written(case: dict[str, str]):
    assert multibase.decode(case["publicKeyMultibase"]).hex() == case["hex"]
    key = multikey.decode_public(case["publicKeyMultibase"])
    assert multikey.encode_public(key) == case["publicKeyMultibase"]


def test_the_ed25519_case_of_rfc_9421_verifies_and_is_made_byte_for_byte():
    base, signature = "\n".join(RFC9421["signatureBase"]).encode(), base64.b64decode(RFC9421["signature"])
    private = load_pem_private_key(RFC9421["ed25519PrivateKeyPem"].encode(), None)
    public = multikey.public_key_from_pem(RFC9421["ed25519PublicKeyPem"])
    assert isinstance(private, Ed25519PrivateKey)
    assert isinstance(public, Ed25519PublicKey)
    assert private.public_key() == public
    public.verify(signature, base)
    assert private.sign(base) == signature


def test_a_pem_may_be_as_long_as_the_limit():
    pem = multikey.public_key_to_pem(ed_key(COOP).public_key())
    assert multikey.public_key_from_pem(pem.ljust(MAX_PEM)) == ed_key(COOP).public_key()
    with pytest.raises(Unverified):
        multikey.public_key_from_pem(pem.ljust(MAX_PEM + 1))


def test_a_pkcs_1_pem_is_read_as_well():
    key = multikey.public_key_from_pem(RFC9421["rsaPublicKeyPem"])
    assert isinstance(key, rsa.RSAPublicKey)
    assert multikey.public_key_to_pem(key).startswith("-----BEGIN PUBLIC KEY-----\n")


# -- encodings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [rsa_key, ed_key])
def test_a_key_survives_both_its_encodings(make: Any):
    key = make(COOP).public_key()
    assert multikey.decode_public(multikey.encode_public(key)) == key
    assert multikey.public_key_from_pem(multikey.public_key_to_pem(key)) == key
    assert multikey.key_of_did(multikey.did_key_method(multikey.did_key_of(key))) == key


ED = ed_key(COOP).public_key().public_bytes_raw()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z",
        "not base58 at all",
        "u7QHr",
        multibase.encode(b"\xed\x01" + ED + b"\x00"),
        multibase.encode(b"\xed\x01" + ED[:-1]),
        multibase.encode(b"\xec\x01" + ED),
        multibase.encode(b"\x80\x26" + ED),
        multibase.encode(b"\x85\x24"),
        multibase.encode(b"\x85\x24" + b"\x30\x03\x02\x01\x01"),
        multikey.encode_public(ed_key(COOP).public_key()) + " ",
    ],
)
def test_what_is_no_multikey_is_refused(text: str):
    with pytest.raises(Unverified) as refusal:
        multikey.decode_public(text)
    assert refusal.value.code == "key-unknown"


def test_an_rsa_multikey_has_one_form():
    key = rsa_key(COOP).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(Unverified):
        multikey.decode_public(multibase.encode(b"\x85\x24" + spki))


@pytest.mark.parametrize(
    "did",
    [
        "",
        "did:key:",
        "did:web:coop.example",
        "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
        "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK#main",
        "DID:KEY:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
    ],
)
def test_what_is_no_did_key_is_refused(did: str):
    with pytest.raises(Unverified) as refusal:
        multikey.key_of_did(did)
    assert refusal.value.code == "key-unknown"


def pem_of(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "é",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        pem_of(ec.generate_private_key(ec.SECP256R1())),
        pem_of(X25519PrivateKey.generate()),
        pem_of(ed_key(COOP)) + " " * 5000,
    ],
)
def test_what_is_no_usable_pem_is_refused(pem: str):
    with pytest.raises(Unverified) as refusal:
        multikey.public_key_from_pem(pem)
    assert refusal.value.code == "key-unknown"


@pytest.mark.parametrize(("bits", "exponent"), [(1024, 65537), (2048, 3)])
def test_a_weak_rsa_key_is_refused_in_every_encoding(bits: int, exponent: int):
    key = rsa.generate_private_key(exponent, bits).public_key()
    for reads, text in (
        (multikey.public_key_from_pem, multikey.public_key_to_pem(key)),
        (multikey.decode_public, multikey.encode_public(key)),
    ):
        with pytest.raises(Unverified) as refusal:
            reads(text)
        assert refusal.value.code == "weak-key"
        assert str(bits) in refusal.value.received


def test_an_rsa_key_beyond_the_limit_is_refused():
    # Any odd number of that size will do: nobody looks for its factors.
    key = rsa.RSAPublicNumbers(65537, (1 << 4097) + 1).public_key()
    with pytest.raises(Unverified) as refusal:
        multikey.public_key_from_pem(multikey.public_key_to_pem(key))
    assert refusal.value.code == "weak-key"


# -- keys for requests ----------------------------------------------------------------------------------


def test_the_key_of_an_actor_is_the_one_that_it_lists():
    expected = rsa_key(COOP).public_key()
    assert multikey.http_key_of(an_actor(), MAIN_KEY) == expected
    assert multikey.http_key_of(an_actor(publicKey=[a_public_key()]), MAIN_KEY) == expected
    other = a_public_key(id=f"{COOP}#old", publicKeyPem=pem_of(ed_key(COOP)))
    assert multikey.http_key_of(an_actor(publicKey=[other, a_public_key()]), MAIN_KEY) == expected
    assert multikey.http_key_of(an_actor(publicKey=[other, a_public_key()]), f"{COOP}#old") != expected


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (None, "key-unknown"),
        ([], "key-unknown"),
        (MAIN_KEY, "key-unknown"),
        ([MAIN_KEY], "key-unknown"),
        (a_public_key(id=f"{COOP}#other"), "key-unknown"),
        ([a_public_key(), a_public_key()], "key-unknown"),
        (
            [a_public_key(id=f"{COOP}#{i}") for i in range(MAX_KEYS_PER_ACTOR)] + [a_public_key()],
            "key-unknown",
        ),
        (a_public_key(owner=f"{MALLORY}/actors/coop"), "key-owner-mismatch"),
        (a_public_key(owner=None), "key-owner-mismatch"),
        (a_public_key(owner=[COOP]), "key-owner-mismatch"),
        (a_public_key(publicKeyPem=None), "key-unknown"),
        (a_public_key(publicKeyPem={"a": 1}), "key-unknown"),
        (a_public_key(publicKeyPem="x"), "key-unknown"),
    ],
)
def test_a_key_that_the_actor_does_not_list_as_its_own_is_refused(keys: Any, code: str):
    with pytest.raises(Unverified) as refusal:
        multikey.http_key_of(an_actor(publicKey=keys), MAIN_KEY)
    assert refusal.value.code == code


@pytest.mark.parametrize("name", ["revoked", "expires"])
def test_a_key_for_requests_is_good_until_its_actor_gives_it_up(name: str):
    late = an_actor(
        publicKey=[a_public_key(**{name: "2026-11-22T12:00:00Z"}), a_public_key(id=f"{COOP}#new")]
    )
    before = datetime(2026, 11, 22, 11, 59, 59, tzinfo=UTC)
    assert multikey.http_key_of(late, MAIN_KEY, at=before) == rsa_key(COOP).public_key()
    assert multikey.http_key_of(late, MAIN_KEY) == rsa_key(COOP).public_key()
    for actor, at in (
        (late, before + timedelta(seconds=1)),
        (an_actor(publicKey=a_public_key(**{name: "x"})), before),
    ):
        with pytest.raises(Unverified) as refusal:
            multikey.http_key_of(actor, MAIN_KEY, at=at)
        assert refusal.value.code == "key-unknown"
    assert multikey.http_key_of(late, f"{COOP}#new", at=NOW)


def test_a_document_without_an_id_owns_no_key():
    with pytest.raises(Unverified) as refusal:
        multikey.http_key_of(an_actor(id=None, publicKey=a_public_key(owner=None)), MAIN_KEY)
    assert refusal.value.code == "key-owner-mismatch"


def test_a_key_for_proofs_is_not_one_for_requests_nor_the_other_way():
    with pytest.raises(Unverified):
        multikey.http_key_of(an_actor(), PROOF_KEY)
    with pytest.raises(Unverified):
        multikey.proof_key_of(an_actor(), MAIN_KEY, at=NOW)


# -- keys for requests in RFC 9421 ----------------------------------------------------------------------


def signing_key(key_id: str, dialect: Any = "rfc9421", **changes: Any) -> multikey.PublicKey:
    return multikey.signing_key_of(an_actor(**changes), key_id, dialect=dialect, at=NOW)


def test_in_rfc_9421_the_key_for_proofs_signs_requests_too():
    assert signing_key(PROOF_KEY) == ed_key(COOP).public_key()
    assert signing_key(MAIN_KEY) == rsa_key(COOP).public_key()
    assert signing_key(MAIN_KEY, "draft-cavage") == rsa_key(COOP).public_key()
    with pytest.raises(Unverified) as refusal:
        signing_key(PROOF_KEY, "draft-cavage")
    assert refusal.value.code == "key-unknown"


@pytest.mark.parametrize(
    "changes",
    [
        {"revoked": "2026-11-22T11:59:59Z"},
        {"expires": "2026-11-22T11:59:59Z"},
        {"controller": f"{MALLORY}/actors/coop"},
        {"type": "Key"},
        {"publicKeyMultibase": multikey.encode_public(rsa_key(COOP).public_key())},
    ],
)
def test_a_key_for_proofs_that_was_given_up_or_is_none_signs_no_requests(changes: dict[str, Any]):
    with pytest.raises(Unverified) as refusal:
        signing_key(PROOF_KEY, assertionMethod=[a_multikey(**changes)])
    assert refusal.value.code == "key-unknown"


def test_a_key_that_will_be_given_up_later_still_signs():
    later = a_multikey(expires="2026-11-22T12:00:01Z")
    assert signing_key(PROOF_KEY, assertionMethod=[later]) == ed_key(COOP).public_key()


def test_one_name_for_two_keys_is_a_name_for_none():
    for keys in (
        {"assertionMethod": [a_multikey(id=MAIN_KEY)]},
        {"assertionMethod": [a_multikey(), a_multikey()]},
    ):
        with pytest.raises(Unverified) as refusal:
            signing_key(MAIN_KEY if len(keys["assertionMethod"]) == 1 else PROOF_KEY, **keys)
        assert refusal.value.code == "key-unknown"


@pytest.mark.parametrize("key", [rsa_key(COOP), ed_key(COOP)])
def test_what_a_key_signs_its_public_half_knows(key: multikey.PrivateKey):
    made = multikey.sign_bytes(key, b"message")
    multikey.check_signed(key.public_key(), made, b"message", covered=("date",))
    for signature, message in (
        (made, b"massage"),
        (made[:-1], b"message"),
        (made[::-1], b"message"),
        (b"", b"message"),
    ):
        with pytest.raises(Unverified) as refusal:
            multikey.check_signed(key.public_key(), signature, message, covered=("date",))
        assert refusal.value.code == "signature-invalid"
        assert refusal.value.expected == "covered: date"
        assert refusal.value.extra == {"signatureBase": message.decode()}


# -- keys for proofs ------------------------------------------------------------------------------------


def test_the_proof_key_of_an_actor_is_the_one_in_its_assertion_method():
    expected = ed_key(COOP).public_key()
    assert multikey.proof_key_of(an_actor(), PROOF_KEY, at=NOW) == expected
    assert multikey.proof_key_of(an_actor(assertionMethod=a_multikey()), PROOF_KEY, at=NOW) == expected


def test_the_assertion_method_may_name_an_entry_of_verification_method():
    actor = an_actor(assertionMethod=[PROOF_KEY], verificationMethod=[a_multikey()])
    assert multikey.proof_key_of(actor, PROOF_KEY, at=NOW) == ed_key(COOP).public_key()


def test_a_key_in_verification_method_alone_is_for_something_else():
    actor = an_actor(assertionMethod=[f"{COOP}#other"], verificationMethod=[a_multikey()])
    with pytest.raises(Unverified) as refusal:
        multikey.proof_key_of(actor, PROOF_KEY, at=NOW)
    assert refusal.value.code == "proof-key"


@pytest.mark.parametrize(
    "methods",
    [
        None,
        [],
        [PROOF_KEY],
        [a_multikey(id=f"{COOP}#ed25519-2")],
        [a_multikey(), a_multikey()],
        [a_multikey(id=f"{COOP}#{i}") for i in range(MAX_KEYS_PER_ACTOR)] + [a_multikey()],
        [a_multikey(controller=f"{MALLORY}/actors/coop")],
        [a_multikey(controller=None)],
        [a_multikey(type="Ed25519VerificationKey2020")],
        [a_multikey(publicKeyMultibase=None)],
        [a_multikey(publicKeyMultibase="z6Mk")],
        [a_multikey(publicKeyMultibase=multikey.encode_public(rsa_key(COOP).public_key()))],
        [a_multikey(revoked="2026-11-22T11:59:59Z")],
        [a_multikey(expires="2026-11-22T12:00:00Z")],
        [a_multikey(revoked="yesterday")],
        [a_multikey(expires=None)],
    ],
)
def test_a_key_that_does_not_count_for_proofs_is_refused(methods: Any):
    with pytest.raises(Unverified) as refusal:
        multikey.proof_key_of(an_actor(assertionMethod=methods), PROOF_KEY, at=NOW)
    assert refusal.value.code == "proof-key"


def test_a_document_without_an_id_controls_no_key():
    with pytest.raises(Unverified) as refusal:
        multikey.proof_key_of(
            an_actor(id=None, assertionMethod=[a_multikey(controller=None)]), PROOF_KEY, at=NOW
        )
    assert refusal.value.code == "proof-key"


def test_a_retired_key_still_counts_for_what_was_received_before():
    actor = an_actor(assertionMethod=[a_multikey(revoked="2026-11-22T12:00:00Z")])
    expected = ed_key(COOP).public_key()
    assert multikey.proof_key_of(actor, PROOF_KEY, at=NOW - timedelta(seconds=1)) == expected
    assert multikey.proof_key_of(actor, PROOF_KEY, at=None) == expected
    with pytest.raises(Unverified):
        multikey.proof_key_of(actor, PROOF_KEY, at=NOW)
