"""Draft-cavage signatures: published values, unmodified httpsig as an independent oracle, laws, and attacks."""

import base64
import json
import re
import sys
import types
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcoop.errors import FedcoopError, Unverified
from fedcoop.protocol import cavage, multikey
from fedcoop.protocol.limits import MAX_SIGNATURE_HEADER, SIGNATURE_MAX_AGE, SIGNATURE_MAX_AHEAD
from fedcoop.protocol.messages import RawRequest, RequestSignature
from tests.protocol.signing import (
    COOP,
    NOW,
    WINDOW,
    a_request,
    ed_key,
    replaced,
    resigned,
    rsa_key,
    vector,
    with_header,
)

DRAFT = vector("cavage-12-c.json")
HOSTS = cavage.public_hosts("https://velo-nantes.example")
FULL = ["(request-target)", "host", "date", "digest", "content-type"]


def check(request: RawRequest, key: Any = None, *, now: datetime = NOW) -> RequestSignature:
    """Everything that the pipeline does with a signature."""
    parsed = cavage.parse(request)
    cavage.check_time(parsed, request, now=now, window=WINDOW)
    cavage.check_coverage(parsed, request)
    cavage.check_host(request, public_hosts=HOSTS)
    cavage.verify(parsed, request, key or rsa_key(COOP).public_key())
    return parsed


def refused(request: RawRequest, code: str, *, key: Any = None, now: datetime = NOW) -> Unverified:
    with pytest.raises(Unverified) as refusal:
        check(request, key, now=now)
    assert refusal.value.code == code
    return refusal.value


def with_parameter(request: RawRequest, before: str, after: str) -> RawRequest:
    """Return `request` with a part of its Signature header replaced."""
    value = request.header_values("signature")[0]
    assert before in value
    return replaced(request, "Signature", value.replace(before, after, 1))


def an_hs2019_request(
    *, created: int, expires: int | None = None, covered: str, quoted: bool = True
) -> RawRequest:
    """A request as oeee.cafe and others sign it: times as parameters."""
    bare = a_request(headers={"Signature": None})
    lines = {"(request-target)": "post /inbox", "(created)": str(created), "(expires)": str(expires)}
    lines |= {name.lower(): value for name, value in bare.headers}
    message = "\n".join(f"{name}: {lines[name]}" for name in covered.split()).encode()
    raw = rsa_key(COOP).sign(message, padding.PKCS1v15(), SHA256())
    mark = '"' if quoted else ""
    times = f",created={mark}{created}{mark}" + (f",expires={mark}{expires}{mark}" if expires else "")
    value = (
        f'keyId="{COOP}#main-key",algorithm="hs2019"{times},headers="{covered}",'
        f'signature="{base64.b64encode(raw).decode()}"'
    )
    return with_header(bare, "Signature", value)


# -- published values -----------------------------------------------------------------------------------


def draft_request(case: dict[str, Any], **parameters: str) -> RawRequest:
    request = DRAFT["request"]
    value = ",".join(
        f'{name}="{text}"'
        for name, text in {
            "keyId": "Test",
            **parameters,
            "headers": " ".join(case["covered"]),
            "signature": case["signature"],
        }.items()
    )
    headers = (*request["headers"].items(), ("Signature", value))
    return RawRequest(request["method"], request["target"], headers, request["body"].encode())


@pytest.mark.parametrize("parameters", [{"algorithm": "rsa-sha256"}, {"algorithm": "hs2019"}, {}])
@pytest.mark.parametrize("case", DRAFT["cases"], ids=lambda case: case["name"])
def test_the_signatures_of_the_drafts_appendix_c_verify(case: dict[str, Any], parameters: dict[str, str]):
    request = draft_request(case, **parameters)
    key = load_pem_public_key(DRAFT["publicKeyPem"].encode())
    assert isinstance(key, rsa.RSAPublicKey)
    cavage.verify(cavage.parse(request), request, key)


def test_the_key_of_the_draft_is_too_weak_to_be_anybodys():
    with pytest.raises(Unverified) as refusal:
        multikey.public_key_from_pem(DRAFT["publicKeyPem"])
    assert refusal.value.code == "weak-key"


def test_a_request_captured_from_another_server_verifies(shared: Any):
    found = json.loads((shared / "vectors/http-signatures/cavage-hs2019-created-expires.json").read_text())
    request = RawRequest("POST", "/i/inbox", tuple(found["headers"].items()), found["body"].encode())
    parsed = cavage.parse(request)
    now = datetime.fromisoformat(found["now"])
    cavage.check_time(parsed, request, now=now, window=WINDOW)
    cavage.check_coverage(parsed, request)
    cavage.verify(parsed, request, multikey.public_key_from_pem(found["key"]["publicKeyPem"]))
    assert (parsed.created, parsed.expires, parsed.algorithm) == (1756126694, 1756130294, "hs2019")


# -- the oracle -----------------------------------------------------------------------------------------

header_values = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)
targets = header_values.map(lambda text: "/" + text)


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


@settings(max_examples=25, deadline=None)
@given(targets, st.binary(max_size=50), st.permutations(FULL))
def test_unmodified_httpsig_verifies_what_we_sign(target: str, body: bytes, covered: list[str]):
    import httpsig

    request = resigned(a_request(body, target=target), covered=covered)
    public = multikey.public_key_to_pem(rsa_key(COOP).public_key())
    verifier = httpsig.HeaderVerifier(
        dict(request.headers), public, covered, "POST", target, sign_header="signature"
    )
    assert verifier.verify()


@settings(max_examples=10, deadline=None)
@given(targets, st.binary(max_size=50), st.permutations(FULL))
def test_we_verify_what_unmodified_httpsig_signs_and_write_it_likewise(
    target: str, body: bytes, covered: list[str]
):
    import httpsig

    ours = resigned(a_request(body, target=target), covered=covered)
    bare = {name: value for name, value in ours.headers if name != "Signature"}
    signer = httpsig.HeaderSigner(f"{COOP}#main-key", pem(rsa_key(COOP)), "rsa-sha256", covered, "signature")
    theirs = signer.sign(bare, method="POST", path=target)["signature"]
    assert theirs == ours.header_values("signature")[0]
    check(RawRequest("POST", target, (*bare.items(), ("signature", theirs)), body))


# -- what is signed verifies ----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [rsa_key, ed_key])
@pytest.mark.parametrize("target", ["/inbox", "/actors/coop/inbox?x=%7Ea&u=a%40b", "//x", "/a/../b"])
def test_what_we_sign_verifies(make: Any, target: str):
    parsed = check(a_request(key=make(COOP), target=target), make(COOP).public_key())
    assert parsed.key_id == f"{COOP}#main-key"
    assert parsed.covered == ("(request-target)", "host", "date", "digest", "content-type")


def test_a_get_needs_no_digest():
    parsed = check(a_request(method="GET"))
    assert parsed.covered == ("(request-target)", "host", "date")


def test_a_key_id_may_have_percent_signs():
    key_id = "https://coop.example/caf%C3%A9#main-key"
    assert check(a_request(key_id=key_id)).key_id == key_id


def test_header_names_and_blanks_around_values_do_not_matter():
    request = a_request()
    changed = tuple((name.upper(), f" {value} ") for name, value in request.headers)
    check(RawRequest("POST", request.target, changed, request.body))


def test_a_repeated_header_is_signed_as_one_line():
    request = with_header(with_header(a_request(), "X-Tag", "a"), "X-Tag", "b")
    check(resigned(request, covered=[*FULL, "x-tag"]))


def test_times_as_parameters_count_for_hs2019():
    now = int(NOW.timestamp())
    covered = "(request-target) (created) (expires) host digest"
    for quoted in (True, False):
        check(an_hs2019_request(created=now, expires=now + 60, covered=covered, quoted=quoted))


def test_absent_headers_mean_the_time_alone_which_is_not_enough():
    request = with_parameter(a_request(), 'headers="(request-target) host date digest content-type"', 'x="1"')
    assert cavage.parse(request).covered == ("date",)
    refused(request, "coverage-insufficient")
    hs2019 = with_parameter(request, "rsa-sha256", "hs2019")
    assert cavage.parse(hs2019).covered == ("(created)",)


def test_the_header_date_is_english_and_utc():
    paris = datetime(2026, 3, 1, 0, 30, 5, tzinfo=timezone(timedelta(hours=1)))
    assert cavage.http_date(paris) == "Sat, 28 Feb 2026 23:30:05 GMT"


def test_an_odd_key_id_is_not_signed_with():
    for key_id in ('a"b', "a b", "a\\b", "é", "", "a\nb"):
        with pytest.raises(ValueError, match="key id"):
            a_request(key_id=key_id)


def test_what_is_not_there_is_not_signed():
    with pytest.raises(ValueError, match="no header"):
        resigned(a_request(), covered=["x-absent"])
    with pytest.raises(ValueError, match="created"):
        resigned(a_request(), covered=["(created)"])


# -- changed after signing ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Host", "Date", "Digest", "Content-Type"])
def test_a_changed_covered_header_breaks_the_signature(name: str):
    values = {
        "Host": "velo-nantes.example:443",
        "Date": cavage.http_date(NOW + timedelta(seconds=1)),
        "Digest": "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=",
        "Content-Type": "application/activity+json",
    }
    refused(replaced(a_request(), name, values[name]), "signature-invalid")


def test_another_method_or_path_breaks_the_signature():
    request = a_request()
    other_path = RawRequest("POST", "/actors/coop/inbox", request.headers, request.body)
    other_method = RawRequest("PUT", request.target, request.headers, request.body)
    with_query = RawRequest("POST", request.target + "?x=1", request.headers, request.body)
    for changed in (other_path, other_method, with_query):
        refused(changed, "signature-invalid")


def test_another_key_does_not_fit():
    refused(a_request(), "signature-invalid", key=rsa_key("mallory").public_key())
    refused(a_request(key=ed_key(COOP)), "signature-invalid", key=ed_key("mallory").public_key())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_changed_character_of_what_is_covered_breaks_it(data: st.DataObject):
    request = a_request()
    where = data.draw(st.sampled_from(["target", "Host", "Date", "Digest", "Content-Type"]))
    old = request.target if where == "target" else request.header_values(where.lower())[0]
    position = data.draw(st.integers(0, len(old) - 1))
    letter = data.draw(
        st.characters(min_codepoint=33, max_codepoint=126).filter(lambda c: c != old[position])
    )
    new = old[:position] + letter + old[position + 1 :]
    if where == "target":
        changed = RawRequest("POST", new, request.headers, request.body)
    else:
        changed = replaced(request, where, new)
    with pytest.raises(Unverified):
        check(changed)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_changed_character_of_the_signature_breaks_it(data: st.DataObject):
    request = a_request()
    value = request.header_values("signature")[0]
    start = value.index('signature="') + len('signature="')
    position = data.draw(st.integers(start, value.index('"', start) - 1))
    letter = data.draw(
        st.characters(min_codepoint=33, max_codepoint=126).filter(lambda c: c != value[position])
    )
    with pytest.raises(Unverified):
        check(replaced(request, "Signature", value[:position] + letter + value[position + 1 :]))


# -- time -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "offset",
    [timedelta(), -SIGNATURE_MAX_AGE, SIGNATURE_MAX_AHEAD, timedelta(minutes=-59), timedelta(minutes=4)],
)
def test_a_time_within_the_window_is_accepted(offset: timedelta):
    check(a_request(date=NOW + offset))


@pytest.mark.parametrize(
    ("offset", "difference"),
    [
        (-SIGNATURE_MAX_AGE - timedelta(seconds=1), 3601),
        (SIGNATURE_MAX_AHEAD + timedelta(seconds=1), -301),
        (timedelta(days=-1), 86400),
        (timedelta(days=1), -86400),
        (timedelta(days=-4000), 345_600_000),
    ],
)
def test_a_time_outside_the_window_is_refused_with_the_difference(offset: timedelta, difference: int):
    refusal = refused(a_request(date=NOW + offset), "clock-skew")
    assert refusal.extra == {"difference": difference}
    assert refusal.received == f"{difference:+} s ago"
    assert "3600 s" in refusal.expected
    assert "300 s" in refusal.expected


def test_a_request_replayed_a_day_later_is_refused():
    refused(a_request(), "clock-skew", now=NOW + timedelta(days=1))


def test_the_window_is_a_setting():
    request = a_request(date=NOW - timedelta(hours=11))
    cavage.check_time(cavage.parse(request), request, now=NOW, window=(timedelta(hours=12), timedelta()))


def test_a_created_time_outside_the_window_is_refused_whatever_the_date_says():
    now = int(NOW.timestamp())
    for covered in ("(request-target) (created) host digest", "(request-target) (created) date host digest"):
        refused(an_hs2019_request(created=now - 3601, covered=covered), "clock-skew")
        refused(an_hs2019_request(created=now + 301, covered=covered), "clock-skew")


def test_a_created_time_that_is_not_covered_does_not_count():
    now = int(NOW.timestamp())
    refused(an_hs2019_request(created=now, covered="(request-target) host digest"), "coverage-insufficient")


def test_a_signature_that_ran_out_is_refused():
    now = int(NOW.timestamp())
    for covered in (
        "(request-target) (created) (expires) host digest",
        "(request-target) (created) host digest",
    ):
        refused(an_hs2019_request(created=now - 60, expires=now - 1, covered=covered), "signature-expired")


def test_a_signature_holds_to_the_very_second_in_which_it_runs_out():
    now = int(NOW.timestamp())
    covered = "(request-target) (created) (expires) host digest"
    check(an_hs2019_request(created=now - 60, expires=now, covered=covered))


def test_a_covered_time_that_is_not_given_is_refused():
    now = int(NOW.timestamp())
    request = an_hs2019_request(created=now, covered="(request-target) (created) date host digest")
    without = with_parameter(request, f',created="{now}"', "")
    refused(without, "signature-malformed")
    request = an_hs2019_request(
        created=now, expires=1, covered="(request-target) (created) (expires) host digest"
    )
    refused(with_parameter(request, ',expires="1"', ""), "signature-malformed")


def test_the_times_as_parameters_are_for_hs2019_only():
    now = int(NOW.timestamp())
    for covered in (
        "(request-target) (created) date host digest",
        "(request-target) (expires) date host digest",
    ):
        request = an_hs2019_request(created=now, expires=now + 60, covered=covered)
        refused(with_parameter(request, "hs2019", "rsa-sha256"), "algorithm-not-allowed")


@pytest.mark.parametrize(
    "date",
    [
        "",
        "yesterday",
        "2026-11-22T12:00:00Z",
        "Sunday, 22-Nov-26 12:00:00 GMT",
        "Sun Nov 22 12:00:00 2026",
        "Sun, 22 Nov 2026 12:00:00 +0000",
        "Sun, 22 Nov 2026 12:00:00",
        "Sun, 32 Nov 2026 12:00:00 GMT",
        "Sun, 22 Nev 2026 12:00:00 GMT",
        "Sun, 22 Nov 2026 25:00:00 GMT",
        "dim., 22 nov. 2026 12:00:00 GMT",
    ],
)
def test_a_date_that_cannot_be_read_is_refused(date: str):
    refused(resigned(replaced(a_request(), "Date", date), covered=FULL), "signature-malformed")


# -- coverage and algorithms ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("covered", "missing"),
    [
        (["date"], "(request-target) host digest"),
        (["host", "date", "digest"], "(request-target)"),
        (["(request-target)", "date", "digest"], "host"),
        (["(request-target)", "host", "date"], "digest"),
        (["(request-target)", "host", "digest"], "date or (created)"),
        (["content-type"], "date or (created)"),
    ],
)
def test_a_signature_over_too_little_is_refused(covered: list[str], missing: str):
    refusal = refused(resigned(a_request(), covered=covered), "coverage-insufficient")
    assert refusal.expected == f"covered: {missing}"
    assert refusal.received == f"covered: {' '.join(covered)}"


def test_a_get_needs_its_host_and_target_covered():
    refused(resigned(a_request(method="GET"), covered=["date", "host"]), "coverage-insufficient")
    refused(resigned(a_request(method="GET"), covered=["date", "(request-target)"]), "coverage-insufficient")


def test_a_signature_over_a_header_that_was_taken_away_is_refused():
    request = resigned(with_header(a_request(), "X-Tag", "a"), covered=[*FULL, "x-tag"])
    without = tuple(pair for pair in request.headers if pair[0] != "X-Tag")
    refusal = refused(RawRequest("POST", request.target, without, request.body), "signature-malformed")
    assert refusal.expected == "x-tag"


@pytest.mark.parametrize(
    "algorithm",
    ["hmac-sha256", "rsa-sha1", "rsa-sha512", "ecdsa-sha256", "none", "RSA", "rsa-sha256 ", "ed448"],
)
def test_no_other_algorithm_is_taken_from_a_header(algorithm: str):
    refused(with_parameter(a_request(), "rsa-sha256", algorithm), "algorithm-not-allowed")


def test_the_key_decides_the_algorithm():
    refused(with_parameter(a_request(), "rsa-sha256", "ed25519"), "algorithm-not-allowed")
    refused(
        with_parameter(a_request(key=ed_key(COOP)), "hs2019", "rsa-sha256"),
        "algorithm-not-allowed",
        key=ed_key(COOP).public_key(),
    )
    check(with_parameter(a_request(key=ed_key(COOP)), "hs2019", "ed25519"), ed_key(COOP).public_key())
    check(with_parameter(a_request(), "rsa-sha256", "RSA-SHA256"))
    check(with_parameter(a_request(), 'algorithm="rsa-sha256",', ""))


def test_verify_alone_refuses_a_foreign_algorithm_too():
    request = with_parameter(a_request(), "rsa-sha256", "hmac-sha256")
    with pytest.raises(Unverified) as refusal:
        cavage.verify(cavage.parse(request), request, rsa_key(COOP).public_key())
    assert refusal.value.code == "algorithm-not-allowed"


def test_an_hmac_keyed_with_the_public_key_is_refused_though_httpsig_takes_it():
    import httpsig

    public = multikey.public_key_to_pem(rsa_key(COOP).public_key())
    bare = {name: value for name, value in a_request().headers if name != "Signature"}
    forged = httpsig.HeaderSigner(f"{COOP}#main-key", public, "hmac-sha256", FULL, "signature").sign(
        bare, method="POST", path="/inbox"
    )
    believed = httpsig.HeaderVerifier(forged, public, FULL, "POST", "/inbox", sign_header="signature")
    assert believed.verify()
    refused(RawRequest("POST", "/inbox", tuple(forged.items()), a_request().body), "algorithm-not-allowed")
    disguised = {**forged, "signature": forged["signature"].replace("hmac-sha256", "hs2019")}
    refused(RawRequest("POST", "/inbox", tuple(disguised.items()), a_request().body), "signature-invalid")


def test_a_sha_1_signature_under_another_name_is_refused():
    request = a_request()
    lines = {"(request-target)": "post /inbox", **{n.lower(): v for n, v in request.headers}}
    message = "\n".join(f"{name}: {lines[name]}" for name in FULL).encode()
    raw = base64.b64encode(rsa_key(COOP).sign(message, padding.PKCS1v15(), SHA1())).decode()
    value = re.sub(r'signature="[^"]*"', f'signature="{raw}"', request.header_values("signature")[0])
    refused(replaced(request, "Signature", value), "signature-invalid")


# -- host -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["velo-nantes.example", "velo-nantes.example:443", "Velo-Nantes.Example"])
def test_our_own_host_is_known_in_its_spellings(host: str):
    check(a_request(host=host))


@pytest.mark.parametrize(
    "host", ["coop-lyon.example", "velo-nantes.example:8443", "velo-nantes.example.mallory.example", "", "é"]
)
def test_a_request_signed_for_another_server_is_refused(host: str):
    request = a_request(headers={"Host": host})
    with pytest.raises(Unverified) as refusal:
        cavage.check_host(request, public_hosts=HOSTS)
    assert refusal.value.code == "host-mismatch"
    assert "velo-nantes.example" in refusal.value.expected


def test_a_request_without_a_host_is_for_nobody():
    with pytest.raises(Unverified):
        cavage.check_host(a_request(headers={"Host": None}), public_hosts=HOSTS)
    two = with_header(a_request(), "host", "coop-lyon.example")
    with pytest.raises(Unverified):
        cavage.check_host(two, public_hosts=HOSTS)


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://a.example", {"a.example", "a.example:443"}),
        ("http://a.example", {"a.example", "a.example:80"}),
        ("http://127.0.0.1:8101", {"127.0.0.1:8101"}),
        ("http://[::1]:8101", {"[::1]:8101"}),
        ("http://[::1]", {"[::1]", "[::1]:80"}),
    ],
)
def test_the_public_hosts_come_from_the_public_origin(origin: str, expected: set[str]):
    assert cavage.public_hosts(origin) == expected


# -- headers that cannot be believed --------------------------------------------------------------------


def test_an_unsigned_request_is_refused():
    refused(a_request(headers={"Signature": None}), "signature-missing")


def test_a_request_that_is_also_signed_in_the_other_dialect_is_not_read_in_this_one():
    both = with_header(a_request(), "Signature-Input", 'sig1=("@method");created=1')
    assert "Signature-Input" in refused(both, "signature-malformed").detail


def test_a_signature_in_the_authorization_header_is_none():
    value = a_request().header_values("signature")[0]
    request = with_header(a_request(headers={"Signature": None}), "Authorization", f"Signature {value}")
    refused(request, "signature-missing")


@pytest.mark.parametrize("name", ["Signature", "Host", "Date", "Digest", "Content-Type", "Content-Length"])
def test_a_header_that_occurs_twice_is_refused(name: str):
    request = a_request(headers={"Content-Length": "1"})
    doubled = with_header(request, name.lower(), request.header_values(name.lower())[0])
    assert refused(doubled, "signature-malformed").received == name.lower()


@pytest.mark.parametrize("name", ["keyId", "algorithm", "headers", "signature"])
def test_a_parameter_that_occurs_twice_is_refused(name: str):
    value = a_request().header_values("signature")[0]
    found = re.search(rf'{name}="[^"]*"', value)
    assert found
    refused(replaced(a_request(), "Signature", f"{value},{found[0]}"), "signature-malformed")
    upper = found[0].replace(name, name.upper(), 1)
    refused(replaced(a_request(), "Signature", f"{upper},{value}"), "signature-malformed")


def test_a_covered_name_listed_twice_is_refused():
    for listed in ("host host", "host Host"):
        request = with_parameter(a_request(), "host", listed)
        refused(request, "signature-malformed")


@pytest.mark.parametrize(
    "change",
    [
        ('signature="', 'signature="!'),
        ('signature="', 'signature=" '),
        ('signature="', 'signature="====" x="'),
        ('=="', '"'),
        ('=="', '=",x="'),
        ('=="', '==\n"'),
    ],
)
def test_base64_in_another_spelling_is_refused(change: tuple[str, str]):
    refused(with_parameter(a_request(), *change), "signature-malformed")


def test_base64_with_other_trailing_bits_is_refused():
    value = a_request().header_values("signature")[0]
    last = re.search(r'(.)=="', value)
    assert last
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = alphabet[alphabet.index(last[1]) ^ 1]
    refused(with_parameter(a_request(), last[0], f'{twin}=="'), "signature-malformed")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "garbage",
        'keyId="a"',
        'signature="AAAA"',
        'keyId="",signature="AAAA"',
        'keyId="a",signature=""',
        'keyId="a b",signature="AAAA"',
        'keyId="é",signature="AAAA"',
        'keyId="a\\"b",signature="AAAA"',
        "keyId=a,signature=AAAA",
        'keyId="a";signature="AAAA"',
        'keyId="a" signature="AAAA"',
        'keyId="a",created="soon",signature="AAAA"',
        'keyId="a",created="1.5",signature="AAAA"',
        'keyId="a",created="-1",signature="AAAA"',
        'keyId="a",expires="9999999999999",signature="AAAA"',
        'keyId="a",signature="AAAA',
        'keyId="a",signature="A"',
        "x=" * MAX_SIGNATURE_HEADER,
        'keyId="a",signature="' + "A" * MAX_SIGNATURE_HEADER + '"',
    ],
)
def test_a_signature_header_that_cannot_be_read_is_refused(value: str):
    refused(replaced(a_request(), "Signature", value), "signature-malformed")


def test_a_signature_header_may_be_as_long_as_the_limit():
    value = 'keyId="a",signature="AAAA",x="'
    longest = value.ljust(MAX_SIGNATURE_HEADER - 1, "x") + '"'
    assert cavage.parse(replaced(a_request(), "Signature", longest)).key_id == "a"
    with pytest.raises(Unverified):
        cavage.parse(replaced(a_request(), "Signature", longest[:-1] + 'x"'))


@pytest.mark.parametrize("before", [None, types.ModuleType("pkg_resources")])
def test_the_stand_in_for_pkg_resources_is_gone_after_the_import(
    monkeypatch: pytest.MonkeyPatch, before: types.ModuleType | None
):
    for name in [name for name in sys.modules if name.split(".")[0] == "httpsig"]:
        monkeypatch.delitem(sys.modules, name)
    if before is None:
        monkeypatch.delitem(sys.modules, "pkg_resources", raising=False)
    else:
        monkeypatch.setitem(sys.modules, "pkg_resources", before)
    assert cavage._import_httpsig().__name__ == "httpsig.utils"
    assert sys.modules.get("pkg_resources") is before


def test_a_time_beyond_the_calendar_is_refused():
    covered = "(request-target) (created) host digest"
    refused(an_hs2019_request(created=999_999_999_999, covered=covered), "signature-malformed")


def test_a_line_break_in_a_covered_header_is_refused():
    request = replaced(with_header(a_request(), "X-Tag", "a"), "X-Tag", "a\nhost: x")
    with pytest.raises(ValueError, match="line break"):
        resigned(request, covered=[*FULL, "x-tag"])
    request = replaced(
        resigned(with_header(a_request(), "X-Tag", "a"), covered=[*FULL, "x-tag"]), "X-Tag", "a\nb"
    )
    refused(request, "signature-malformed")


def test_a_covered_header_that_is_not_ascii_is_refused():
    request = resigned(with_header(a_request(), "X-Tag", "a"), covered=[*FULL, "x-tag"])
    refused(replaced(request, "X-Tag", "é"), "signature-malformed")


def test_an_unknown_pseudo_header_is_refused():
    refused(
        with_parameter(a_request(), "(request-target)", "(request-target) (whatever)"), "signature-malformed"
    )


def test_verify_alone_signs_nothing_when_nothing_is_covered():
    request = with_parameter(
        a_request(), 'headers="(request-target) host date digest content-type"', 'headers=""'
    )
    assert cavage.parse(request).covered == ()
    with pytest.raises(Unverified) as refusal:
        cavage.verify(cavage.parse(request), request, rsa_key(COOP).public_key())
    assert refusal.value.code == "signature-malformed"


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Signature", "Host", "Date", "Digest", "X"]),
            st.text(max_size=40)
            | st.from_regex(
                r'(keyId="[a-z"]{0,3}"?,?)?(created=[0-9"]{1,14},)?headers="[()a-z -]{0,20}",signature="[A-Z=]*"?'
            ),
        ),
        max_size=5,
    ),
    st.sampled_from(["POST", "GET", ""]),
    st.text(max_size=5),
)
def test_no_headers_bring_anything_but_our_own_errors(
    headers: list[tuple[str, str]], method: str, target: str
):
    request = RawRequest(method, target, tuple(headers), b"")
    with pytest.raises(FedcoopError):
        check(request)
    try:
        parsed = cavage.parse(request)
        cavage.verify(parsed, request, rsa_key(COOP).public_key())
    except FedcoopError:
        pass
