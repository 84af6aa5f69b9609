"""The suite's own primitives, against answers that others published."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from fedcoop_conformance.crypto import cavage, digests, eddsa_jcs, fields, httpsig, jcs, multikey, origins
from fedcoop_conformance.crypto.httpsig import Request
from fedcoop_conformance.crypto.refusals import Refused

# FEP-8b32 and vc-di-eddsa (the same published test key pair).
PUBLIC = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
PRIVATE = multikey.decode_private("z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq")
METHOD = "https://server.example/users/alice#ed25519-key"
CREATED = "2023-02-24T23:36:38Z"
CONTEXT = ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/data-integrity/v2"]
FEP_8B32 = {
    "@context": CONTEXT,
    "id": "https://server.example/activities/1",
    "type": "Create",
    "actor": "https://server.example/users/alice",
    "object": {
        "id": "https://server.example/objects/1",
        "type": "Note",
        "attributedTo": "https://server.example/users/alice",
        "content": "Hello world",
        "location": {"type": "Place", "longitude": -71.184902, "latitude": 25.273962},
    },
}
FEP_8B32_VALUE = "z42ffGu6AUKPCFcFPiabmUvnGLPJzC7e4DGWC52NUasSSH37UMa9c58tdgVszUcZfytxa4fQ5TYHaJENCxUDe9SdL"

# RFC 9421 Appendix B.1.4 and B.2.
RFC_KEY = Ed25519PublicKey.from_public_bytes(base64.b64decode("JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="))
RFC_REQUEST = Request(
    "POST",
    "https://example.com/foo?param=Value&Pet=dog",
    (
        ("Host", "example.com"),
        ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("Content-Type", "application/json"),
        (
            "Content-Digest",
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
        ),
        ("Content-Length", "18"),
    ),
)
RFC_SIGNATURE = {
    "Signature-Input": 'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"',
    "Signature": "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
}

# draft-cavage-http-signatures-12 Appendix C.
CAVAGE_KEY = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCFENGw33yGihy92pDjZQhl0C36rPJj+CvfSC8+q28hxA161QFNUd13wuCTUcq0Qd2"
    "qsBe/2hFyc2DCJJg0h1L78+6Z4UMR7EOcpfdUE9Hf3m/hs+FUR45uBJeDK1HSFHD8bHKD6kv8FPGfJTotc+2xjJwoYi+1hqp1fIekaxs"
    "yQIDAQAB"
)


def refusal(wanted: str):
    return pytest.raises(Refused, match=rf"^{wanted}\b")


def public_key() -> Ed25519PublicKey:
    key = multikey.decode(PUBLIC)
    assert isinstance(key, Ed25519PublicKey)
    return key


# -- JSON ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ('{"\\ue000":1,"\\ud800\\udc00":2}', '{"\U00010000":2,"\ue000":1}'),
        ("[1.0,-0,1e-7,1e21,333333333.33333329]", "[1,0,1e-7,1e+21,333333333.3333333]"),
        ('["\\u000f\\n\\u007f\\u2028é"]', '["\\u000f\\n\x7f\u2028é"]'),
        ("[9007199254740991]", "[9007199254740991]"),
    ],
)
def test_a_text_has_the_canonical_form_of_rfc_8785(text: str, canonical: str) -> None:
    assert jcs.canonical(jcs.parse(text.encode())) == canonical.encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a":1,"a":1}', "DUPLICATE_NAME"),
        (b"[NaN]", "NUMBER_NOT_FINITE"),
        (b"[-Infinity]", "NUMBER_NOT_FINITE"),
        (b"[1e400]", "NUMBER_NOT_FINITE"),
        (b"[9007199254740992]", "NUMBER_RANGE"),
        (b"[-" + b"9" * 5000 + b"]", "NUMBER_RANGE"),
        (b'["\\ud800"]', "LONE_SURROGATE"),
        (b'{"\\udc00":1}', "LONE_SURROGATE"),
        (b"\xef\xbb\xbf{}", "ENCODING"),
        (b'["\xff"]', "ENCODING"),
        (b"{} {}", "SYNTAX"),
        (b"[" * 100_000, "TOO_DEEP"),
    ],
)
def test_what_two_readers_could_take_differently_is_refused(data: bytes, reason: str) -> None:
    with refusal(reason):
        jcs.parse(data)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (2**53, "NUMBER_RANGE"),
        (float("nan"), "NUMBER_NOT_FINITE"),
        ({"\ud800": 1}, "LONE_SURROGATE"),
        ({1: 2}, "NOT_JSON"),
        ([{1, 2}], "NOT_JSON"),
    ],
)
def test_a_value_that_json_cannot_say_has_no_canonical_form(value: object, reason: str) -> None:
    with refusal(reason):
        jcs.canonical(value)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-jcs.MAX_SAFE_INTEGER, jcs.MAX_SAFE_INTEGER)
        | st.floats(-1e15, 1e15)
        | st.text(),
        lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
        max_leaves=12,
    )
)
def test_the_canonical_form_is_read_back_as_the_same_canonical_form(value: object) -> None:
    once = jcs.canonical(value)
    assert jcs.canonical(jcs.parse(once)) == once


# -- keys ------------------------------------------------------------------------------------------------


def test_keys_come_back_from_their_text() -> None:
    rsa = generate_private_key(65537, 2048).public_key()
    for key in (PRIVATE.public_key(), rsa):
        assert multikey.encode(multikey.decode(multikey.encode(key))) == multikey.encode(key)
        assert multikey.encode(multikey.of_did(multikey.did_key_method(key))) == multikey.encode(key)
    assert multikey.encode(PRIVATE.public_key()) == PUBLIC
    assert multikey.decode_private(multikey.encode_private(PRIVATE)).private_bytes_raw() == (
        PRIVATE.private_bytes_raw()
    )


RAW = PRIVATE.public_key().public_bytes_raw()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PUBLIC[1:], "MULTIBASE"),
        ("u" + PUBLIC[1:], "MULTIBASE"),
        ("", "MULTIBASE"),
        (PUBLIC[:-1] + "0", "ALPHABET"),
        (PUBLIC + "\n", "ALPHABET"),
        (multikey.to_multibase(b"\xec\x01" + RAW), "CODEC"),
        (multikey.to_multibase(multikey.ED25519_PRIVATE + RAW), "CODEC"),
        (multikey.to_multibase(multikey.ED25519 + RAW[:-1]), "LENGTH"),
        (multikey.to_multibase(multikey.ED25519 + RAW + b"\0"), "LENGTH"),
        (multikey.to_multibase(multikey.RSA + RAW), "KEY"),
    ],
)
def test_a_text_that_is_no_key_of_ours_is_refused(text: str, reason: str) -> None:
    with refusal(reason):
        multikey.decode(text)


@pytest.mark.parametrize(
    ("did", "reason"),
    [(f"did:web:{PUBLIC}", "DID"), (f"did:key:{PUBLIC}#{PUBLIC[:-1]}3", "DID"), ("did:key:", "MULTIBASE")],
)
def test_a_did_that_is_no_key_is_refused(did: str, reason: str) -> None:
    with refusal(reason):
        multikey.of_did(did)


# -- proofs ----------------------------------------------------------------------------------------------


def test_the_published_document_gets_the_published_proof() -> None:
    signed = eddsa_jcs.sign(FEP_8B32, PRIVATE, METHOD, CREATED)
    assert signed["proof"]["proofValue"] == FEP_8B32_VALUE
    eddsa_jcs.verify(signed, public_key(), method=METHOD)


def test_without_the_context_the_proof_has_the_known_wrong_value() -> None:
    signed = eddsa_jcs.sign(FEP_8B32, PRIVATE, METHOD, CREATED, context=None)
    assert signed["proof"]["proofValue"].startswith("z5bZgaP3")
    with refusal("CONTEXT"):
        eddsa_jcs.verify(signed, public_key())


FAULTS = {
    "body": ({}, {"type": "Update"}, "SIGNATURE"),
    "created": ({"afterwards": {"created": "2023-02-24T23:36:39Z"}}, {}, "SIGNATURE"),
    "method": ({"afterwards": {"verificationMethod": "https://server.example/users/alice#2"}}, {}, "SIGNATURE"),
    "purpose after signing": ({"purpose": "other", "afterwards": {"proofPurpose": "assertionMethod"}}, {}, "SIGNATURE"),
    "another purpose": ({"purpose": "authentication"}, {}, "PURPOSE"),
    "another suite": ({"cryptosuite": "eddsa-rdfc-2022"}, {}, "PROOF_TYPE"),
    "another type": ({"proof_type": "Ed25519Signature2020"}, {}, "PROOF_TYPE"),
    "a context that is a prefix": ({"context": CONTEXT[:1]}, {}, "CONTEXT"),
    "another context": ({"context": CONTEXT[1:]}, {}, "CONTEXT"),
    "no time zone": ({"changes": {"created": "2023-02-24T23:36:38"}}, {}, "CREATED"),
    "no time": ({"changes": {"created": "yesterday"}}, {}, "CREATED"),
    "no value": ({"afterwards": {"proofValue": None}}, {}, "PROOF_VALUE"),
    "half a value": ({"afterwards": {"proofValue": FEP_8B32_VALUE[:50]}}, {}, "PROOF_VALUE"),
    "no multibase": ({"afterwards": {"proofValue": FEP_8B32_VALUE[1:]}}, {}, "PROOF_VALUE"),
    "the signature of another document": ({"hashed": {**FEP_8B32, "type": "Update"}}, {}, "SIGNATURE"),
    "no canonical form": ({}, {"content": 2**53}, "NOT_CANONICAL"),
    "two proofs": ({}, {"proof": []}, "NO_PROOF"),
    "no proof": ({}, {"proof": None}, "NO_PROOF"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_proof_with_one_fault_is_refused_for_it(fault: str) -> None:
    how, change, reason = FAULTS[fault]
    signed = {**eddsa_jcs.sign(FEP_8B32, PRIVATE, METHOD, CREATED, **how), **change}
    with refusal(reason):
        eddsa_jcs.verify(signed, public_key())


def test_a_proof_by_another_key_or_an_expired_one_is_refused() -> None:
    signed = eddsa_jcs.sign(FEP_8B32, PRIVATE, METHOD, CREATED, expires="2023-03-01T00:00:00Z")
    eddsa_jcs.verify(signed, public_key(), now=datetime(2023, 2, 28, tzinfo=UTC))
    with refusal("EXPIRED"):
        eddsa_jcs.verify(signed, public_key(), now=datetime(2023, 3, 1, tzinfo=UTC))
    with refusal("SIGNATURE"):
        eddsa_jcs.verify(signed, RFC_KEY)
    with refusal("METHOD"):
        eddsa_jcs.verify(signed, public_key(), method="https://server.example/users/alice#2")


def test_only_an_identity_statement_has_no_context() -> None:
    statement = {"type": "VerifiableIdentityStatement", "subject": f"did:key:{PUBLIC}"}
    eddsa_jcs.verify(eddsa_jcs.sign(statement, PRIVATE, f"did:key:{PUBLIC}", CREATED), public_key())
    with refusal("CONTEXT"):
        note = eddsa_jcs.sign({"type": "Note"}, PRIVATE, METHOD, CREATED)
        eddsa_jcs.verify(note, public_key())


def test_a_legacy_signature_put_on_later_leaves_the_proof_whole() -> None:
    signed = eddsa_jcs.sign(FEP_8B32, PRIVATE, METHOD, datetime(2023, 2, 24, 23, 36, 38, tzinfo=UTC))
    assert signed["proof"]["created"] == CREATED
    eddsa_jcs.verify({**signed, "signature": {"type": "RsaSignature2017"}}, public_key())


# -- signatures of requests ------------------------------------------------------------------------------


def test_the_worked_example_of_rfc_9421_verifies() -> None:
    claim = httpsig.verify(RFC_REQUEST.with_headers(RFC_SIGNATURE), {"test-key-ed25519": RFC_KEY})
    assert claim.label == "sig-b26"
    assert claim.keyid == "test-key-ed25519"
    assert claim.names == ("date", "@method", "@path", "@authority", "content-type", "content-length")


@pytest.mark.parametrize(
    "change", [{"method": "PUT"}, {"url": "https://example.com/bar"}, {"url": "https://example.org/foo"}]
)
def test_a_request_that_was_changed_does_not_verify(change: dict[str, str]) -> None:
    with refusal("SIGNATURE"):
        httpsig.verify(replace(RFC_REQUEST.with_headers(RFC_SIGNATURE), **change), RFC_KEY)


@pytest.mark.parametrize("private", [PRIVATE, generate_private_key(65537, 2048)], ids=["ed25519", "rsa"])
def test_what_the_suite_signs_it_verifies_in_both_dialects(private: httpsig.PrivateKey) -> None:
    request = RFC_REQUEST.with_headers({"Digest": digests.legacy_digest(b"{}")})
    signed = request.with_headers(
        httpsig.sign(request, private, keyid="k", created=5, parameters={"alg": httpsig.algorithm(private)})
    )
    assert httpsig.verify(signed, {"k": private.public_key()}).parameters["created"] == 5
    older = request.with_headers(cavage.sign(request, private, keyid="k", created=5, expires=9))
    claim = cavage.verify(older, {"k": private.public_key()})
    assert (claim.keyid, claim.created, claim.expires) == ("k", "5", "9")
    for verify in (httpsig.verify, cavage.verify):
        with refusal("UNKNOWN_KEY"):
            verify(signed if verify is httpsig.verify else older, {"other": private.public_key()})


COMPONENTS = {
    "@method": "POST",
    "@target-uri": "https://example.com/foo?param=Value&Pet=dog",
    "@authority": "example.com",
    "@scheme": "https",
    "@request-target": "/foo?param=Value&Pet=dog",
    "@path": "/foo",
    "@query": "?param=Value&Pet=dog",
    "content-length": "18",
}


@pytest.mark.parametrize("name", COMPONENTS)
def test_each_part_of_a_request_has_its_value(name: str) -> None:
    assert httpsig.component_value(RFC_REQUEST, name) == COMPONENTS[name]


def test_a_part_with_parameters_has_its_value() -> None:
    request = Request(
        "GET", "https://Example.COM:443?q=a+b%21", (("X", " a "), ("x", "b"), ("D", "a=1, b=2;c"))
    )
    assert httpsig.component_value(request, ("@query-param", {"name": "q"})) == "a%20b%21"
    assert httpsig.component_value(request, "x") == "a, b"
    assert httpsig.component_value(request, ("x", {"bs": True})) == ":YQ==:, :Yg==:"
    assert httpsig.component_value(request, ("d", {"key": "b"})) == "2;c"
    assert httpsig.component_value(request, "@path") == "/"
    assert httpsig.component_value(request, "@authority") == "example.com"
    assert httpsig.component_value(Request("GET", "http://h/"), "@query") == "?"


@pytest.mark.parametrize(
    ("components", "reason"),
    [
        (["date", "date"], "DUPLICATE_COMPONENT"),
        (["@status"], "UNKNOWN_COMPONENT"),
        (["Date"], "UNKNOWN_COMPONENT"),
        (["digest"], "MISSING_COMPONENT"),
        ([("@query-param", {"name": "none"})], "MISSING_COMPONENT"),
        ([("content-digest", {"key": "sha-256"})], "MISSING_COMPONENT"),
        ([("content-type", {"tr": True})], "UNKNOWN_COMPONENT"),
        ([("date", {"key": "a"})], "SYNTAX"),
    ],
)
def test_a_base_over_what_is_not_there_is_refused(components: list[object], reason: str) -> None:
    with refusal(reason):
        httpsig.signature_base(RFC_REQUEST, components, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "NO_SIGNATURE"),
        ({"Signature-Input": "a=()", "Signature": "b=:AA==:"}, "LABEL"),
        ({"Signature-Input": "a=(), b=()", "Signature": "a=:AA==:, b=:AA==:"}, "LABEL"),
        ({"Signature-Input": "a=(1)", "Signature": "a=:AA==:"}, "SYNTAX"),
        ({"Signature-Input": "a=()", "Signature": "a=AA"}, "SYNTAX"),
        ({"Signature-Input": "a=(", "Signature": "a=:AA==:"}, "SYNTAX"),
        ({"Signature-Input": 'a=();alg="rsa-v1_5-sha256"', "Signature": "a=:AA==:"}, "ALGORITHM"),
    ],
)
def test_a_signature_that_says_nothing_clear_is_refused(headers: dict[str, str], reason: str) -> None:
    with refusal(reason):
        httpsig.verify(RFC_REQUEST.with_headers(headers), RFC_KEY)


def cavage_request(names: str | None, signature: str) -> Request:
    headers = "" if names is None else f'headers="{names}",'
    return Request(
        "POST",
        "http://example.com/foo?param=value&pet=dog",
        (
            ("Host", "example.com"),
            ("Date", "Sun, 05 Jan 2014 21:31:40 GMT"),
            ("Signature", f'keyId="Test",algorithm="rsa-sha256",{headers}signature="{signature}"'),
        ),
    )


CAVAGE_DEFAULT = (
    "SjWJWbWN7i0wzBvtPl8rbASWz5xQW6mcJmn+ibttBqtifLN7Sazz6m79cNfwwb8DMJ5cou1s7uEGKKCs+FLEEaDV5lp7q25WqS+lavg7"
    "T8hc0GppauB6hbgEKTwblDHYGEtbGmtdHgVCk9SuS13F0hZ8FD0k/5OxEPXe5WozsbM="
)
CAVAGE_BASIC = (
    "qdx+H7PHHDZgy4y/Ahn9Tny9V3GP6YgBPyUXMmoxWtLbHpUnXS2mg2+SbrQDMCJypxBLSPQR2aAjn7ndmw2iicw3HMbe8VfEdKFYRqzi"
    "c+efkb3nndiv/x1xSHDJWeSWkx3ButlYSuBskLu6kd9Fswtemr3lgdDEmn04swr2Os0="
)


def test_the_examples_of_draft_cavage_verify() -> None:
    key = serialization.load_der_public_key(base64.b64decode(CAVAGE_KEY))
    assert isinstance(key, RSAPublicKey)
    assert cavage.verify(cavage_request(None, CAVAGE_DEFAULT), {"Test": key}).names == ("date",)
    cavage.verify(cavage_request("(request-target) host date", CAVAGE_BASIC), key)
    with refusal("SIGNATURE"):
        cavage.verify(cavage_request("host date", CAVAGE_BASIC), key)
    with refusal("MISSING_COMPONENT"):
        cavage.verify(cavage_request("digest", CAVAGE_BASIC), key)
    with refusal("SYNTAX"):
        cavage.verify(cavage_request("date", "%"), key)
    with refusal("NO_SIGNATURE"):
        cavage.verify(RFC_REQUEST, key)


# -- digests, fields, origins ----------------------------------------------------------------------------


def test_digests_are_those_of_rfc_9530() -> None:
    # RFC 9530 Appendix B.1, and RFC 9421 Appendix B.2.
    assert digests.content_digest(b'{"hello": "world"}\n') == (
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    )
    digests.check_content_digest(RFC_REQUEST.value("content-digest"), b'{"hello": "world"}')
    assert digests.legacy_digest(b'{"hello": "world"}') == (
        "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="
    )


GOOD = digests.content_digest(b"x", ("sha-512",))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "NO_DIGEST"),
        ("sha-256=:AA==:", "MISMATCH"),
        (f"{GOOD}, sha-256=:AA==:", "MISMATCH"),
        ("md5=:AA==:", "UNKNOWN_ALGORITHM"),
        ("sha-256=AA", "SYNTAX"),
        ("sha-256=:A", "SYNTAX"),
    ],
)
def test_a_digest_of_something_else_is_refused(value: str | None, reason: str) -> None:
    with refusal(reason):
        digests.check_content_digest(value, b"x")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "NO_DIGEST"),
        ("SHA-256=AA==", "MISMATCH"),
        ("MD5=AA==", "UNKNOWN_ALGORITHM"),
        ("sha-256=?", "SYNTAX"),
    ],
)
def test_a_legacy_digest_of_something_else_is_refused(value: str | None, reason: str) -> None:
    digests.check_legacy_digest(digests.legacy_digest(b"x") + ",unknown=1", b"x")
    with refusal(reason):
        digests.check_legacy_digest(value, b"x")


def test_a_broken_field_is_refused() -> None:
    for value in ("a=(", "é", b"\xff", "a=1,"):
        with refusal("SYNTAX"):
            fields.parse(value, "dictionary")


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("https://Coop.example:443/a", "HTTPS://coop.example/b", None),
        ("https://coop.example#key", "https://coop.example", None),
        ("https://bücher.example", "https://XN--BCHER-KVA.example/", None),
        ("https://[::1]:8443/", "https://[::1]:8443", None),
        ("http://coop.example", "https://coop.example", "SCHEME"),
        ("https://coop.example", "https://coop.example./", "TRAILING_DOT"),
        ("https://coop.example", "https://coop.example.evil.example", "HOST"),
        ("https://coop.example:444", "https://coop.example", "PORT"),
        ("https://coop.example@evil.example", "https://evil.example", "USERINFO"),
        ("https://coop.example\\@evil.example", "https://coop.example", "NOT_A_URL"),
        ("https://coop.example:0", "https://coop.example", "NOT_A_URL"),
        ("ftp://coop.example", "https://coop.example", "NOT_A_URL"),
        ("https://\u3000", "https://coop.example", "NOT_A_URL"),
    ],
)
def test_origins_are_compared_part_by_part(one: str, other: str, apart: str | None) -> None:
    assert origins.difference(one, other) == apart
    assert origins.difference(other, one) == apart


def test_an_origin_is_written_without_the_default_port() -> None:
    assert str(origins.origin("HTTP://Coop.example:80/x")) == "http://coop.example"
    assert str(origins.origin("https://coop.example:8443/x")) == "https://coop.example:8443"
    assert origins.same_origin("https://a.example/1", "https://a.example/2")
