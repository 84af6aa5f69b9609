"""RFC 9421 signatures: published values, the library's own signer and verifier as oracles, laws, and attacks."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import http_message_signatures as oracle
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcoop.errors import FedcoopError, Unverified
from fedcoop.protocol import messagesig, multikey
from fedcoop.protocol.digest import check_content_digest
from fedcoop.protocol.limits import MAX_NONCE, MAX_SIGNATURE_HEADER, SIGNATURE_MAX_AGE, SIGNATURE_MAX_AHEAD
from fedcoop.protocol.messages import RawRequest, RequestSignature
from tests.protocol.signing import (
    COOP,
    MALLORY,
    NANTES,
    NOW,
    SIGNED,
    WINDOW,
    a_message,
    ed_key,
    replaced,
    rsa_key,
    vector,
    with_header,
)

RFC = vector("rfc9421-b.json")
MASTODON = vector("rfc9421-mastodon.json")
KEY_ID = f"{COOP}#main-key"
AT = int(NOW.timestamp())
LIST = '("@method" "@target-uri" "content-digest")'
FULL = f'{LIST};created={AT};keyid="{KEY_ID}"'


def check(request: RawRequest, key: Any = None, *, now: datetime = NOW) -> RequestSignature:
    """Everything that the pipeline does with a signature."""
    parsed = messagesig.parse(request, origin=NANTES)
    messagesig.check_time(parsed, request, now=now, window=WINDOW)
    messagesig.check_coverage(parsed, request)
    messagesig.verify(parsed, request, key or rsa_key(COOP).public_key())
    return parsed


def check_with_body(request: RawRequest) -> None:
    check(request)
    check_content_digest(request.header_values("content-digest"), request.body)


def refused(request: RawRequest, code: str, *, key: Any = None, now: datetime = NOW) -> Unverified:
    with pytest.raises(Unverified) as refusal:
        check(request, key, now=now)
    assert refusal.value.code == code
    return refusal.value


# -- published values -----------------------------------------------------------------------------------


def rfc_request(signature_input: str, signature: str) -> RawRequest:
    told = RFC["request"]
    headers = {**told["headers"], "Signature-Input": signature_input, "Signature": signature}
    return RawRequest(told["method"], told["target"], tuple(headers.items()), told["body"].encode())


@pytest.mark.parametrize("name", RFC["bases"])
def test_the_signature_bases_of_the_rfcs_appendix_are_built(name: str):
    case = RFC["bases"][name]
    request = rfc_request(case["signatureInput"], f"{name}=:AA==:")
    parsed = messagesig.parse(request, origin=RFC["request"]["origin"])
    with pytest.raises(Unverified) as refusal:
        messagesig.verify(parsed, request, rsa_key(COOP).public_key())
    assert refusal.value.extra["signatureBase"].split("\n") == case["signatureBase"]


def test_the_ed25519_signature_of_the_rfcs_appendix_verifies():
    request = rfc_request(RFC["ed25519SignatureInput"], f"sig-b26=:{RFC['signature']}:")
    parsed = messagesig.parse(request, origin=RFC["request"]["origin"])
    messagesig.verify(parsed, request, multikey.public_key_from_pem(RFC["ed25519PublicKeyPem"]))
    assert (parsed.key_id, parsed.created, parsed.algorithm) == ("test-key-ed25519", 1618884473, "")


def test_the_ed25519_signature_of_the_rfcs_appendix_is_made_again():
    key: Any = load_pem_private_key(RFC["ed25519PrivateKeyPem"].encode(), None)
    made = multikey.sign_bytes(key, "\n".join(RFC["signatureBase"]).encode())
    assert base64.b64encode(made).decode() == RFC["signature"]


def mastodon_request() -> RawRequest:
    return RawRequest(MASTODON["method"], MASTODON["target"], tuple(MASTODON["headers"].items()), b"")


def test_a_request_as_mastodon_signs_it_verifies():
    request, key = mastodon_request(), multikey.public_key_from_pem(RFC["rsaPublicKeyPem"])
    parsed = messagesig.parse(request, origin=MASTODON["origin"])
    now = datetime(2026, 1, 15, 9, 0, 1, tzinfo=UTC)
    messagesig.check_time(parsed, request, now=now, window=WINDOW)
    messagesig.check_coverage(parsed, request)
    messagesig.verify(parsed, request, key)
    with pytest.raises(Unverified) as refusal:
        messagesig.verify(parsed, request, rsa_key(COOP).public_key())
    assert refusal.value.extra["signatureBase"].split("\n") == MASTODON["signatureBase"]


def test_we_sign_as_mastodon_does():
    headers = messagesig.sign_headers(
        method="POST",
        url=MASTODON["origin"] + MASTODON["target"],
        body=b"{}",
        key_id="https://coop-a.example/members/alice#main-key",
        key=rsa_key(COOP),
        created=datetime(2026, 1, 15, 9, 0, 1, tzinfo=UTC),
    )
    assert headers["Signature-Input"] == MASTODON["headers"]["Signature-Input"]


def test_the_delivery_of_the_wire_study_passes_every_check(shared: Any):
    told = json.loads((shared / "vectors/derived/http-signed-delivery.json").read_text())
    headers = tuple(told["rfc9421"]["headers"].items())
    request = RawRequest("POST", "/inbox", headers, told["body_utf8"].encode())
    parsed = messagesig.parse(request, origin="https://coop-b.example")
    messagesig.check_time(parsed, request, now=datetime.fromisoformat(told["now"]), window=WINDOW)
    messagesig.check_coverage(parsed, request)
    check_content_digest(request.header_values("content-digest"), request.body)
    messagesig.verify(parsed, request, multikey.public_key_from_pem(told["publicKeyPem_spki"]))


# -- the library's own signer and verifier as oracles ---------------------------------------------------

KEYS = {"rsa": rsa_key(COOP), "ed25519": ed_key(COOP)}
ORACLES = {"rsa": oracle.algorithms.RSA_V1_5_SHA256, "ed25519": oracle.algorithms.ED25519}


class Resolver(oracle.HTTPSignatureKeyResolver):
    def __init__(self, kind: str) -> None:
        self.kind = kind

    def resolve_public_key(self, key_id: str) -> Any:
        return KEYS[self.kind].public_key()

    def resolve_private_key(self, key_id: str) -> Any:
        return KEYS[self.kind]


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("target", ["/inbox", "/users/%7Ecoop/inbox?a=b%2Fc&d=%40", "/", "/a//b?"])
def test_what_the_library_signs_verifies_here(kind: str, target: str):
    body = b'{"a":1}'
    message = SimpleNamespace(method="POST", url=NANTES + target, headers={"Content-Type": "text/plain"})
    signer = oracle.HTTPMessageSigner(signature_algorithm=ORACLES[kind], key_resolver=Resolver(kind))
    covered = ("@method", "@target-uri", "@authority", "content-type")
    signer.sign(message, key_id=KEY_ID, created=NOW, covered_component_ids=covered, body=body, nonce="n")
    request = RawRequest("POST", target, tuple(message.headers.items()), body)
    check(request, KEYS[kind].public_key())
    check_content_digest(request.header_values("content-digest"), body)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_what_we_sign_verifies_in_the_library(kind: str, method: str):
    url, body = f"{NANTES}/inbox?a=%2F", None if method == "GET" else b'{"a":1}'
    now = datetime.now(UTC)
    headers = messagesig.sign_headers(
        method=method, url=url, body=body, key_id=KEY_ID, key=KEYS[kind], created=now
    )
    verifier = oracle.HTTPMessageVerifier(signature_algorithm=ORACLES[kind], key_resolver=Resolver(kind))
    message = SimpleNamespace(method=method, url=url, headers=headers)
    (found,) = verifier.verify(message, body=body, require_components=messagesig.needed(method))
    assert (found.label, found.parameters["keyid"]) == ("sig1", KEY_ID)


# -- what is accepted -----------------------------------------------------------------------------------


def test_a_request_is_verified_and_its_parts_are_told():
    parsed = check(a_message())
    assert parsed == RequestSignature(
        dialect="rfc9421",
        key_id=KEY_ID,
        algorithm="",
        covered=SIGNED,
        created=AT,
        expires=None,
        signature=parsed.signature,
        parameters=FULL,
        origin=NANTES,
    )


@pytest.mark.parametrize(
    "more",
    [
        ';alg="rsa-v1_5-sha256"',
        f";expires={AT + 1}",
        ';nonce="b3k2pp5k7z-50gnwp.yemd"',
        ';tag="activitypub"',
        ";x=?0;y=1.5;z=:AA==:;a=b",
        ";flag",
    ],
)
def test_parameters_that_are_true_or_unknown_stay_in_the_base(more: str):
    assert check(a_message(more=more)).parameters == FULL + more


@pytest.mark.parametrize(
    "covered",
    [
        SIGNED,
        tuple(reversed(SIGNED)),
        (*SIGNED, "@authority", "host", "date", "content-type"),
        (*SIGNED, "@scheme", "@path", "@request-target"),
    ],
)
def test_any_superset_in_any_order_is_enough(covered: Sequence[str]):
    assert check(a_message(covered=covered)).covered == tuple(covered)


def test_a_get_needs_no_digest():
    check(a_message(b"", method="GET", covered=("@method", "@target-uri")))
    refused(a_message(b"", method="POST", covered=("@method", "@target-uri")), "coverage-insufficient")


def test_an_ed25519_key_signs():
    key = ed_key(COOP)
    check(a_message(key=key), key.public_key())
    check(a_message(key=key, more=';alg="ed25519"'), key.public_key())


def test_the_host_header_of_a_proxy_does_not_matter():
    check(replaced(a_message(), "Host", "localhost:8080"))


# -- what is refused: each the request above but for one thing -------------------------------------------


def test_an_unsigned_request_is_refused():
    refused(a_message(headers={"Signature-Input": None, "Signature": None}), "signature-missing")


def described(text: str, covered: Sequence[str] = SIGNED) -> RawRequest:
    return a_message(described=text, covered=covered)


@pytest.mark.parametrize(
    "headers",
    [
        {"Signature": None},
        {"Signature": "sig2=:AA==:"},
        {"Signature": "sig1=::"},
        {"Signature": "sig1=AA"},
        {"Signature": 'sig1="AA=="'},
        {"Signature": "sig1=:AA==:;x=1"},
        {"Signature": "sig1=:AA==:, sig2=:AA==:"},
        {"Signature": "sig1=:AA==:, sig1=:AA==:"},
        {"Signature": "sig1=:AA:"},
        {"Signature": "sig1=:AB==:"},
        {"Signature": "sig1=:A A==:"},
        {"Signature": "Sig1=:AA==:"},
        {"Signature": 'keyId="https://a.example/k",signature="AA=="'},
        {"Signature": "sig1=:" + "A" * MAX_SIGNATURE_HEADER + ":"},
        {"Signature-Input": ""},
        {"Signature-Input": "sig1"},
        {"Signature-Input": "sig1=1"},
        {"Signature-Input": f"sig1={FULL}, sig2={FULL}"},
        {"Signature-Input": f"sig1={FULL}, sig1={FULL}"},
        {"Signature-Input": f"sig1={FULL},"},
        {"Signature-Input": f"sig1={FULL} x"},
        {"Signature-Input": "sig1=(@method)"},
        {"Signature-Input": f"sig1={FULL};x=@99999999999999"},
        {"Signature-Input": f'sig1={FULL};x="é"'},
        {"Signature-Input": "sig1=" + "(" * 4000},
        {"Signature-Input": f"sig1={FULL}" + " " * MAX_SIGNATURE_HEADER + ";x"},
    ],
)
def test_headers_that_do_not_hold_exactly_one_readable_signature_are_refused(headers: dict[str, str | None]):
    refused(a_message(headers=headers), "signature-malformed")


@pytest.mark.parametrize(
    "name", ["Signature-Input", "Signature", "Content-Digest", "Host", "Date", "Content-Type"]
)
def test_a_header_that_occurs_twice_is_refused(name: str):
    request = a_message()
    again = with_header(request, name.lower(), request.header_values(name.lower())[0])
    assert refused(again, "signature-malformed").received == name.lower()


@pytest.mark.parametrize(
    "text",
    [
        f'{LIST}; created={AT};keyid="{KEY_ID}"',
        f'("@method"  "@target-uri" "content-digest");created={AT};keyid="{KEY_ID}"',
        f'( "@method" "@target-uri" "content-digest");created={AT};keyid="{KEY_ID}"',
        f"{FULL};flag=?1",
        f"{FULL};y=1.50",
        f"{FULL};z=:AA:",
        f"{FULL};n=01",
    ],
)
def test_another_spelling_of_the_same_is_refused_and_the_right_one_told(text: str):
    refusal = refused(described(text), "signature-malformed")
    assert refusal.expected is not None
    assert check(described(refusal.expected.removeprefix("sig1=")))


@pytest.mark.parametrize(
    "text",
    [
        f'{LIST};keyid="{KEY_ID}"',
        f"{LIST};created={AT}",
        f'{LIST};created={AT};keyid=""',
        f'{LIST};created={AT};keyid="a b"',
        f"{LIST};created={AT};keyid=token",
        f'{LIST};created="{AT}";keyid="{KEY_ID}"',
        f'{LIST};created={AT}.0;keyid="{KEY_ID}"',
        f'{LIST};created;keyid="{KEY_ID}"',
        f'{LIST};created=999999999999999;keyid="{KEY_ID}"',
        f'{LIST};created={AT};created={AT};keyid="{KEY_ID}"',
        f'{LIST};created={AT};keyid="{MALLORY}/k";keyid="{KEY_ID}"',
        f'{FULL};expires="{AT + 9}"',
        f"{FULL};expires",
        f"{FULL};alg=ed25519",
        f'{FULL};alg=""',
        f"{FULL};nonce=1",
        f"{FULL};tag=1",
    ],
)
def test_parameters_that_are_missing_or_of_another_kind_are_refused(text: str):
    refused(described(text), "signature-malformed")


@pytest.mark.parametrize(
    "covered",
    [
        (*SIGNED, "@method"),
        (*SIGNED, "@Method"),
        (*SIGNED, "x-not-there"),
        (*SIGNED, "@status"),
        (*SIGNED, "@signature-params"),
        (*SIGNED, "@new"),
        (*SIGNED, '"@method";req'),
        (*SIGNED, '"@query-param";name="x"'),
        (*SIGNED, '"content-digest";key="md5"'),
    ],
)
def test_components_that_cannot_be_are_refused(covered: Sequence[str]):
    refused(a_message(covered=covered), "signature-malformed")


@pytest.mark.parametrize(
    "covered",
    [
        (),
        ("@target-uri", "content-digest"),
        ("@method", "content-digest"),
        ("@method", "@target-uri"),
        ("@method", "@authority", "@path", "content-digest"),
        ("@method", "@request-target", "host", "content-digest"),
    ],
)
def test_too_little_is_refused_and_what_is_missing_is_told(covered: Sequence[str]):
    refusal = refused(a_message(covered=covered), "coverage-insufficient")
    assert refusal.expected == "covered: " + " ".join(name for name in SIGNED if name not in covered)
    assert refusal.received == "covered: " + " ".join(covered)


def test_a_part_of_the_digest_is_not_the_digest():
    part = '"content-digest";key="sha-256"'
    text = f'("@method" "@target-uri" {part});created={AT};keyid="{KEY_ID}"'
    refused(described(text, ("@method", "@target-uri", part)), "coverage-insufficient")


@pytest.mark.parametrize(
    "algorithm", ["hmac-sha256", "rsa-pss-sha512", "ecdsa-p256-sha256", "rsa-sha256", "none"]
)
def test_other_algorithms_are_refused(algorithm: str):
    assert refused(a_message(more=f';alg="{algorithm}"'), "algorithm-not-allowed").received == repr(algorithm)


def test_an_algorithm_that_is_not_the_keys_is_refused():
    refused(a_message(more=';alg="ed25519"'), "algorithm-not-allowed")
    key = ed_key(COOP)
    refused(a_message(key=key, more=';alg="rsa-v1_5-sha256"'), "algorithm-not-allowed", key=key.public_key())


@pytest.mark.parametrize(
    ("created", "code"),
    [
        (NOW - SIGNATURE_MAX_AGE, None),
        (NOW - SIGNATURE_MAX_AGE - timedelta(seconds=1), "clock-skew"),
        (NOW + SIGNATURE_MAX_AHEAD, None),
        (NOW + SIGNATURE_MAX_AHEAD + timedelta(seconds=1), "clock-skew"),
        (NOW - timedelta(days=2), "clock-skew"),
    ],
)
def test_the_window_is_that_of_the_setting(created: datetime, code: str | None):
    request = a_message(created=created)
    if code is None:
        check(request)
    else:
        assert "difference" in refused(request, code).extra


def test_a_signature_that_has_run_out_is_refused():
    check(a_message(more=f";expires={AT}"))
    refused(a_message(more=f";expires={AT - 1}"), "signature-expired")


def test_a_date_that_is_signed_must_be_true_as_well():
    covered = (*SIGNED, "date")
    check(a_message(covered=covered))
    refused(a_message(covered=covered, date="Sat, 21 Nov 2026 12:00:00 GMT"), "clock-skew")
    refused(a_message(covered=covered, date="now"), "signature-malformed")
    check(a_message(date="Sat, 21 Nov 2026 12:00:00 GMT"))


def test_another_key_is_refused_and_the_base_is_shown():
    refusal = refused(a_message(), "signature-invalid", key=rsa_key("mallory").public_key())
    assert refusal.extra["signatureBase"].startswith(f'"@method": POST\n"@target-uri": {NANTES}/inbox\n')
    refused(a_message(), "signature-invalid", key=ed_key(COOP).public_key())


@pytest.mark.parametrize(
    "changes",
    [{"method": "PUT"}, {"target": "/actors/coop/inbox"}, {"target": "/inbox?"}, {"target": "/inbox/"}],
)
def test_a_request_that_was_signed_for_another_place_is_refused(changes: dict[str, str]):
    made = a_message()
    moved = RawRequest(
        changes.get("method", made.method), changes.get("target", made.target), made.headers, made.body
    )
    refused(moved, "signature-invalid")


@pytest.mark.parametrize("origin", [MALLORY, "http://velo-nantes.example", "https://velo-nantes.example:444"])
def test_a_request_that_was_signed_for_another_server_is_refused_whatever_its_host_says(origin: str):
    refused(a_message(origin=origin), "signature-invalid")
    refused(replaced(a_message(origin=origin), "Host", "velo-nantes.example"), "signature-invalid")


@pytest.mark.parametrize(
    "target", ["https://velo-nantes.example/inbox", "*", "velo-nantes.example:443", "@x/inbox"]
)
def test_a_target_that_is_not_a_path_is_refused(target: str):
    made = a_message()
    refused(RawRequest("POST", target, made.headers, made.body), "signature-malformed")


def test_a_method_in_small_letters_is_refused():
    made = a_message()
    refused(RawRequest("post", made.target, made.headers, made.body), "signature-malformed")


@pytest.mark.parametrize("value", ["a\nb", "a\r\nb", "a\x00b", "é"])
def test_a_covered_header_with_a_line_break_is_refused(value: str):
    made = a_message(covered=(*SIGNED, "content-type"))
    refused(replaced(made, "Content-Type", value), "signature-malformed")


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_headers_bring_anything_but_our_own_errors(first: str, second: str):
    for described, signature in (
        (first, second),
        (f"sig1={FULL}{first}", "sig1=:AA==:"),
        (f"sig1=({first})", second),
    ):
        request = a_message(b"{}", headers={"Signature-Input": described, "Signature": signature})
        with pytest.raises(FedcoopError):
            check(request)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_changed_character_of_what_is_signed_is_refused(data: st.DataObject):
    request = a_message(b"{}")
    name = data.draw(st.sampled_from(["Signature-Input", "Signature", "Content-Digest"]))
    value = request.header_values(name.lower())[0]
    # The label means nothing, and both carry it.
    position = data.draw(st.integers(5 if name != "Content-Digest" else 0, len(value) - 1))
    character = data.draw(st.sampled_from('aZ09+/=:;" ()').filter(lambda c: c != value[position]))
    changed = replaced(request, name, value[:position] + character + value[position + 1 :])
    with pytest.raises(FedcoopError):
        check_with_body(changed)


# -- what is asked for -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("POST", 'sig1=("@method" "@target-uri" "content-digest");created'),
        ("GET", 'sig1=("@method" "@target-uri");created'),
    ],
)
def test_a_refused_sender_is_told_what_to_sign(method: str, text: str):
    assert messagesig.accept_signature(method) == text


def asked(*values: str, key: Any = None) -> messagesig.Wanted | None:
    return messagesig.wanted_by(values, method="POST", key=key or rsa_key(COOP), key_id=KEY_ID)


def test_what_we_ask_for_we_can_give():
    for method in ("GET", "POST"):
        wanted = asked(messagesig.accept_signature(method))
        assert wanted == messagesig.Wanted("sig1", messagesig.needed(method))


def test_what_a_peer_asks_for_is_signed():
    wanted = asked('w=("@method" "@authority" "host" "date");created;expires;nonce="n1";tag="t"')
    headers = messagesig.sign_headers(
        method="POST",
        url=f"{NANTES}/inbox",
        body=b"{}",
        key_id=KEY_ID,
        key=rsa_key(COOP),
        created=NOW,
        wanted=wanted,
    )
    request = RawRequest("POST", "/inbox", tuple(headers.items()), b"{}")
    parsed = check(request)
    assert parsed.covered == (*SIGNED, "@authority", "host", "date")
    assert parsed.parameters.endswith(f';expires={AT + 300};nonce="n1";tag="t"')
    assert headers["Signature-Input"].startswith("w=(")
    assert headers["Signature"].startswith("w=:")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sig1",
        "sig1=1",
        "sig1=(",
        'sig1=("authorization")',
        'sig1=("cookie")',
        'sig1=("@method";req)',
        'sig1=("@status")',
        "sig1=(1)",
        'sig1=("@method");alg="hmac-sha256"',
        'sig1=("@method");alg="ed25519"',
        f'sig1=("@method");keyid="{MALLORY}/k"',
        'sig1=("@method");nonce=1',
        f'sig1=("@method");nonce="{"n" * (MAX_NONCE + 1)}"',
        f'sig1=("@method");tag="{"n" * (MAX_NONCE + 1)}"',
        "é",
    ],
)
def test_what_we_cannot_or_will_not_sign_is_not_promised(text: str):
    assert asked(text) is None


def test_the_first_wish_that_we_can_grant_is_taken():
    wishes = ('a=("cookie");created', 'b=("@method");alg="ed25519", c=("@method");alg="rsa-v1_5-sha256"')
    assert asked(*wishes) == messagesig.Wanted("c", ("@method",), algorithm="rsa-v1_5-sha256")
    assert asked(*wishes, key=ed_key(COOP)) == messagesig.Wanted("b", ("@method",), algorithm="ed25519")


COMPONENTS = [*sorted(messagesig._SIGNABLE), "cookie", "@status"]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.sampled_from(COMPONENTS), max_size=4),
    st.sampled_from(
        ["", ";created", ';created;nonce="n"', ';expires;tag="t"', ';alg="ed25519"', ";created=1", ";x"]
    ),
    st.sampled_from(["GET", "POST"]),
)
def test_what_is_promised_can_be_signed(covered: list[str], more: str, method: str):
    """A stranger's wish is never our own mistake: a GET has no digest to sign."""
    text = "w=(" + " ".join(f'"{name}"' for name in covered) + ")" + more
    wanted = messagesig.wanted_by([text], method=method, key=ed_key(COOP), key_id=KEY_ID)
    of_a_body = {"content-digest", "content-type"} if method == "GET" else set()
    assert (wanted is None) == bool({"cookie", "@status", *of_a_body} & set(covered))
    body = None if method == "GET" else b"{}"
    headers = messagesig.sign_headers(
        method=method,
        url=f"{NANTES}/inbox",
        body=body,
        key_id=KEY_ID,
        key=ed_key(COOP),
        created=NOW,
        wanted=wanted,
    )
    check(RawRequest(method, "/inbox", tuple(headers.items()), body or b""), ed_key(COOP).public_key())


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60))
def test_any_text_is_a_wish_or_none(text: str):
    asked(text)
    asked(f"w=({text})")
    asked(f'w=("@method"){text}')


@pytest.mark.parametrize("key_id", ["", "a b", 'a"b', "a\\b", "é", "a\nb"])
def test_a_key_id_that_cannot_be_written_is_our_own_mistake(key_id: str):
    with pytest.raises(ValueError, match="key id"):
        messagesig.sign_headers(
            method="GET", url=f"{NANTES}/", body=None, key_id=key_id, key=ed_key(COOP), created=NOW
        )


def test_what_cannot_be_signed_is_our_own_mistake():
    wanted = messagesig.Wanted("sig1", ("cookie",))
    with pytest.raises(ValueError, match="cannot be signed"):
        messagesig.sign_headers(
            method="GET",
            url=f"{NANTES}/",
            body=None,
            key_id=KEY_ID,
            key=ed_key(COOP),
            created=NOW,
            wanted=wanted,
        )


def test_a_url_without_a_path_is_asked_for_at_its_root():
    for url in (NANTES, f"{NANTES}/"):
        headers = messagesig.sign_headers(
            method="GET", url=url, body=None, key_id=KEY_ID, key=rsa_key(COOP), created=NOW
        )
        check(RawRequest("GET", "/", tuple(headers.items()), b""))
