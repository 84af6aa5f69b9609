import copy
import json
import random
import struct
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcoop.errors import Malformed, Unverified
from fedcoop.protocol import digest, multibase
from tests.protocol.signing import a_create, vector
from tests.protocol.test_strict_json import documents

JCS = vector("rfc8785.json")
BODY = b'{"hello": "world"}'
HELLO = "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="
OTHER = digest.body_digest(b"other")


# -- RFC 8785 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "text"), JCS["numbers"])
def test_numbers_are_written_as_rfc_8785_appendix_b_writes_them(bits: str, text: str):
    number = struct.unpack(">d", bytes.fromhex(bits))[0]
    assert digest.canonical({"n": number}) == b'{"n":%b}' % text.encode()


@pytest.mark.parametrize("bits", JCS["notNumbers"])
def test_what_is_not_a_number_has_no_canonical_form(bits: str):
    with pytest.raises(Malformed) as refusal:
        digest.canonical({"n": struct.unpack(">d", bytes.fromhex(bits))[0]})
    assert refusal.value.code == "number-not-allowed"


def test_the_sample_of_rfc_8785_is_written_as_there():
    sample = JCS["serialisation"]
    assert digest.canonical(json.loads(sample["json"])) == sample["canonical"].encode()


def test_members_are_ordered_by_utf_16_code_units():
    sample = JCS["order"]
    written = json.loads(digest.canonical(json.loads(sample["json"])))
    assert list(written.values()) == sample["values"]


def test_the_files_of_the_author_of_rfc_8785_come_out_byte_for_byte(shared: Path):
    for source in sorted((shared / "vectors" / "jcs" / "input").glob("*.json")):
        expected = (shared / "vectors" / "jcs" / "outhex" / f"{source.stem}.txt").read_text()
        # Some of the files are arrays; ours are always objects.
        wrapped = {"": json.loads(source.read_text(encoding="utf-8"))}
        assert digest.canonical(wrapped) == b'{"":' + bytes.fromhex(expected) + b"}"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"a": 2**53}, "number-not-allowed"),
        ({"a": "\ud800"}, "bad-encoding"),
        ({"\ud800": 1}, "bad-encoding"),
    ],
)
def test_what_jcs_cannot_say_is_refused(document: Any, code: str):
    with pytest.raises(Malformed) as refusal:
        digest.canonical(document)
    assert refusal.value.code == code


def shuffled(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict):
        items = [(key, shuffled(inner, dice)) for key, inner in value.items()]
        dice.shuffle(items)
        return dict(items)
    return [shuffled(inner, dice) for inner in value] if isinstance(value, list) else value


@given(documents(), st.randoms(use_true_random=False))
def test_the_order_of_members_does_not_matter(document: dict[str, Any], dice: random.Random):
    assert digest.canonical(shuffled(document, dice)) == digest.canonical(document)


# -- chains ---------------------------------------------------------------------------------------------


def test_the_chain_digest_is_the_sha_256_multihash_of_the_canonical_document():
    document = a_create()
    expected = b"\x12\x20" + sha256(digest.canonical(document)).digest()
    assert multibase.decode(digest.chain_digest(document)) == expected
    assert digest.chain_digest(document).startswith("zQm")


def test_the_chain_digest_of_a_known_document_never_changes():
    document = {"id": "https://a.example/1", "type": "Create", "stateVersion": 1, "n": 45.0, "name": "é"}
    raw = '{"id":"https://a.example/1","n":45,"name":"é","stateVersion":1,"type":"Create"}'.encode()
    assert digest.chain_digest(document) == multibase.encode(b"\x12\x20" + sha256(raw).digest())


def test_proof_and_signature_are_not_part_of_the_chain_digest():
    document = a_create()
    signed = {**document, "proof": {"proofValue": "z1"}, "signature": {"signatureValue": "x"}}
    before = copy.deepcopy(signed)
    assert digest.chain_digest(signed) == digest.chain_digest(document)
    assert signed == before


def test_every_changed_value_changes_the_chain_digest():
    document = a_create()
    changed = copy.deepcopy(document)
    changed["object"]["content"] += "."
    assert digest.chain_digest(changed) != digest.chain_digest(document)


# -- bodies ---------------------------------------------------------------------------------------------


def test_the_digest_of_a_body_is_the_one_of_rfc_9421():
    assert digest.body_digest(BODY) == f"SHA-256={HELLO}"


@pytest.mark.parametrize(
    "values",
    [
        [f"SHA-256={HELLO}"],
        [f"sha-256={HELLO}"],
        [f"Sha-256={HELLO} "],
        [f"MD5=abc,SHA-256={HELLO}"],
        [f"SHA-256={HELLO}, unixsum=30637"],
        ["MD5=abc", f"SHA-256={HELLO}"],
    ],
)
def test_the_bodys_own_digest_is_accepted_beside_others(values: list[str]):
    digest.check_body_digest(values, BODY)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([], "digest-missing"),
        ([""], "digest-missing"),
        (["MD5=abc"], "digest-missing"),
        (["SHA-512=abc"], "digest-missing"),
        ([HELLO], "digest-missing"),
        (["SHA-256"], "digest-mismatch"),
        (["SHA-256="], "digest-mismatch"),
        ([OTHER], "digest-mismatch"),
        ([f"SHA-256={HELLO},{OTHER}"], "digest-mismatch"),
        ([f"{OTHER},SHA-256={HELLO}"], "digest-mismatch"),
        ([f"SHA-256={HELLO.rstrip('=')}"], "digest-mismatch"),
        ([f"SHA-256= {HELLO}"], "digest-mismatch"),
        ([f"SHA-256={HELLO[:-2]}F="], "digest-mismatch"),
        ([f"SHA-256=:{HELLO}:"], "digest-mismatch"),
    ],
)
def test_no_other_digest_is_accepted(values: list[str], code: str):
    with pytest.raises(Unverified) as refusal:
        digest.check_body_digest(values, BODY)
    assert refusal.value.code == code


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_a_digest_fits_one_body(one: bytes, other: bytes):
    digest.check_body_digest([digest.body_digest(one)], one)
    if one != other:
        with pytest.raises(Unverified):
            digest.check_body_digest([digest.body_digest(one)], other)


# -- Content-Digest -------------------------------------------------------------------------------------

HELLO_512 = "WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew=="


def test_the_content_digest_of_a_body_is_the_one_of_rfc_9530():
    assert digest.content_digest(BODY) == f"sha-256=:{HELLO}:"


@pytest.mark.parametrize(
    "values",
    [
        [f"sha-256=:{HELLO}:"],
        [f"sha-512=:{HELLO_512}:"],
        [f"sha-256=:{HELLO}:, sha-512=:{HELLO_512}:"],
        [f"md5=:AA==:, sha-256=:{HELLO}:, unixsum=30637"],
        ["md5=:AA==:", f"sha-256=:{HELLO}:"],
    ],
)
def test_the_bodys_own_content_digest_is_accepted_beside_unknown_ones(values: list[str]):
    digest.check_content_digest(values, BODY)


@pytest.mark.parametrize(
    ("values", "kind", "code"),
    [
        ([], Unverified, "digest-missing"),
        ([""], Unverified, "digest-missing"),
        (["md5=:AA==:"], Unverified, "digest-missing"),
        (["sha-256=::"], Unverified, "digest-mismatch"),
        ([digest.content_digest(b"other")], Unverified, "digest-mismatch"),
        ([f"sha-256=:{HELLO}:, sha-512=:{HELLO}:"], Unverified, "digest-mismatch"),
        ([f"sha-512=:{HELLO_512}:, sha-256=:AA==:"], Unverified, "digest-mismatch"),
        ([f"sha-256={HELLO}"], Malformed, "malformed-request"),
        ([f"SHA-256=:{HELLO}:"], Malformed, "malformed-request"),
        (["sha-256"], Malformed, "malformed-request"),
        (["sha-256=(1)"], Malformed, "malformed-request"),
        ([f'sha-256="{HELLO}"'], Malformed, "malformed-request"),
        ([f"sha-256=:{HELLO}:, sha-256=:{HELLO}:"], Malformed, "malformed-request"),
        ([f"sha-256=:{HELLO}:,"], Malformed, "malformed-request"),
        (["sha-256=:é:"], Malformed, "malformed-request"),
    ],
)
def test_no_other_content_digest_is_accepted(values: list[str], kind: type[Exception], code: str):
    with pytest.raises(kind) as refusal:
        digest.check_content_digest(values, BODY)
    assert refusal.value.code == code  # type: ignore[attr-defined]


def test_a_wrong_content_digest_is_refused_with_the_right_one():
    with pytest.raises(Unverified) as refusal:
        digest.check_content_digest([digest.content_digest(b"other")], BODY)
    assert refusal.value.expected == digest.content_digest(BODY)
    assert refusal.value.received == digest.content_digest(b"other")


@given(st.binary(max_size=40), st.text(max_size=40))
def test_any_text_is_a_content_digest_or_refused(body: bytes, text: str):
    digest.check_content_digest([digest.content_digest(body)], body)
    with pytest.raises((Malformed, Unverified)):
        digest.check_content_digest([text], body)
