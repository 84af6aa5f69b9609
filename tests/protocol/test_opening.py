import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcoop.errors import FedcoopError, Forbidden, Malformed, Refused, TooLarge, UnsupportedMedia, Unverified
from fedcoop.protocol import cavage
from fedcoop.protocol.limits import MAX_BODY
from fedcoop.protocol.messages import Claimed, RawRequest
from fedcoop.protocol.opening import check_forwarded, is_activity_media_type, open_carried, open_request
from tests.protocol.signing import (
    AS2,
    COOP,
    LYON,
    MALLORY,
    NANTES,
    NOW,
    WINDOW,
    a_create,
    a_message,
    a_request,
    replaced,
    resigned,
    rsa_key,
    with_header,
)

PROOF = {
    "type": "DataIntegrityProof",
    "cryptosuite": "eddsa-jcs-2022",
    "verificationMethod": f"{COOP}#ed25519-1",
}
DEV = frozenset({"http://127.0.0.1:8101", "http://127.0.0.1:8102"})


def opened(request: RawRequest, **changes: Any) -> Claimed:
    world = {"now": NOW, "public_origin": NANTES, "allow_origins": frozenset(), "window": WINDOW, **changes}
    claimed = open_request(request, **world)
    check_forwarded(claimed, allow_origins=frozenset())
    return claimed


def refused(request: RawRequest, code: str, kind: type[Refused], **changes: Any) -> Refused:
    with pytest.raises(kind) as refusal:
        opened(request, **changes)
    assert refusal.value.code == code
    return refusal.value


def test_a_proper_request_is_opened():
    request = a_request()
    claimed = opened(request)
    assert claimed.request is request
    assert claimed.key_id == f"{COOP}#main-key"
    assert claimed.activity.id == f"{LYON}/activities/1"
    assert claimed.activity.body == request.body
    assert claimed.activity.raw == json.loads(request.body)


def test_a_message_of_rfc_9421_is_opened():
    message = a_message()
    claimed = opened(message)
    assert claimed.request is message
    assert (claimed.key_id, claimed.signature.dialect) == (f"{COOP}#main-key", "rfc9421")
    assert opened(a_request()).signature.dialect == "draft-cavage"


def test_a_development_peer_on_the_loopback_is_opened():
    actor = "http://127.0.0.1:8101/actors/coop"
    request = a_request(actor=actor, host="127.0.0.1:8102")
    claimed = opened(request, public_origin="http://127.0.0.1:8102", allow_origins=DEV)
    assert claimed.activity.actor == actor
    refused(request, "bad-id", Malformed, public_origin="http://127.0.0.1:8102")


# -- the body -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "media_type",
    [
        "application/activity+json",
        "application/activity+json; charset=utf-8",
        'application/activity+json;charset="utf-8"',
        "Application/Activity+JSON",
        f'application/ld+json; profile="{AS2}"',
        f'application/ld+json;profile="{AS2}"',
        f'application/ld+json; charset=utf-8; profile="{AS2}"',
        f'application/ld+json; profile="{AS2}"; charset=utf-8',
        f'application/ld+json; profile="https://www.w3.org/ns/other {AS2}"',
        f"application/ld+json; profile={AS2}",
        f'application/ld+json; PROFILE="{AS2}" ',
    ],
)
def test_activitystreams_media_types_are_known(media_type: str):
    assert is_activity_media_type(media_type)


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/ld+json",
        'application/ld+json; profile="https://www.w3.org/ns/activitystreams#"',
        'application/ld+json; profile="https://www.w3.org/ns/activitystreams2"',
        f'application/ld+json; profile="x"; profile="{AS2}"',
        f'application/ld+json; x="; profile={AS2}"',
        f'application/ld+json; profile="{AS2}',
        "application/activity+json, text/plain",
        "application/activity+json text/plain",
        "text/plain; application/activity+json",
        'application/activity+json; x="',
        "application/activity+jsonx",
        f'text/plain; profile="{AS2}"',
    ],
)
def test_other_media_types_are_not(media_type: str):
    assert not is_activity_media_type(media_type)


@pytest.mark.parametrize("value", ["text/plain", "application/ld+json", None])
def test_a_body_labelled_as_something_else_is_refused(value: str | None):
    refused(a_request(headers={"Content-Type": value}), "unsupported-media-type", UnsupportedMedia)


def test_two_labels_are_none():
    request = with_header(a_request(), "Content-Type", "application/activity+json")
    refused(request, "unsupported-media-type", UnsupportedMedia)


@pytest.mark.parametrize("value", ["gzip", "br", "identity", ""])
def test_an_encoded_body_is_refused(value: str):
    refused(with_header(a_request(), "Content-Encoding", value), "content-encoding", UnsupportedMedia)


def test_a_body_beyond_the_limit_is_refused():
    refusal = refused(a_request(b"x" * (MAX_BODY + 1)), "too-large", TooLarge)
    assert refusal.received == f"{MAX_BODY + 1} bytes"


def test_a_body_of_exactly_the_limit_is_read():
    refused(a_request(b"x" * MAX_BODY), "malformed-json", Malformed)


def test_an_object_without_an_id_is_opened():
    offer = a_create(type="Offer", object={"type": "Agreement"})
    assert opened(a_request(offer)).activity.object_id is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed-json"),
        (b"[]", "malformed-json"),
        (b'{"id":"a","id":"a"}', "duplicate-key"),
        (b'{"a":NaN}', "number-not-allowed"),
        (b'{"a":"\xff"}', "bad-encoding"),
        (b'{"a":' + b"[" * 400 + b"]" * 400 + b"}", "too-deep"),
        (b"{}", "malformed-activity"),
    ],
)
def test_a_body_that_is_no_activity_is_refused(body: bytes, code: str):
    refused(a_request(body), code, Malformed)


# -- ids ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "http://coop-lyon.example/activities/1"},
        {"id": "urn:uuid:0"},
        {"id": "https://coop-lyon.example/a/../b"},
        {"actor": "http://coop-lyon.example/actors/coop"},
        {"actor": "https://127.0.0.1/actors/coop"},
        {"actor": "acct:coop@coop-lyon.example"},
        {"object": "javascript:alert(1)"},
        {"object": {"type": "Note", "id": "https://localhost/notes/1"}},
    ],
)
def test_an_id_that_cannot_be_one_is_refused(changes: dict[str, Any]):
    refused(a_request(a_create(**changes)), "bad-id", Malformed)


def test_an_activity_of_one_of_our_own_actors_is_refused():
    ours = a_create(f"{NANTES}/actors/coop")
    refusal = refused(a_request(ours), "local-id", Forbidden)
    assert refusal.received == f"{NANTES}/actors/coop"


@pytest.mark.parametrize("home", [MALLORY, NANTES, "https://coop-lyon.example.mallory.example"])
def test_an_activity_id_on_another_origin_than_its_actor_is_refused(home: str):
    refusal = refused(a_request(a_create(id=f"{home}/activities/1")), "foreign-origin", Forbidden)
    assert (refusal.expected, refusal.received) == (LYON, home)


# -- the signature --------------------------------------------------------------------------------------


def test_an_unsigned_request_is_refused():
    refused(a_request(headers={"Signature": None}), "signature-missing", Unverified)


def test_a_request_replayed_a_day_later_is_refused():
    refused(a_request(), "clock-skew", Unverified, now=NOW + timedelta(days=1))
    opened(a_request(), now=NOW + timedelta(days=1), window=(timedelta(days=2), timedelta()))


def test_a_request_signed_for_tomorrow_is_refused():
    refused(a_request(date=NOW + timedelta(days=1)), "clock-skew", Unverified)


@pytest.mark.parametrize(
    "covered",
    [
        ["date"],
        ["(request-target)", "host", "date"],
        ["host", "date", "digest"],
        ["(request-target)", "date", "digest"],
    ],
)
def test_a_signature_over_too_little_is_refused(covered: list[str]):
    refused(resigned(a_request(), covered=covered), "coverage-insufficient", Unverified)


def test_a_signature_over_no_time_is_refused():
    request = resigned(a_request(), covered=["(request-target)", "host", "digest"])
    refused(request, "coverage-insufficient", Unverified)


def test_a_request_signed_for_another_server_is_refused():
    refused(a_request(host="scic-alpes.example"), "host-mismatch", Unverified)


@pytest.mark.parametrize("home", [MALLORY, NANTES, "https://coop-lyon.example.mallory.example"])
def test_a_key_of_another_origin_than_the_actors_is_refused(home: str):
    refusal = refused(a_request(key_id=f"{home}/actors/coop#main-key"), "key-owner-mismatch", Unverified)
    expected = f"a key of {LYON}, or an eddsa-jcs-2022 proof by the actor"
    assert (refusal.expected, refusal.received) == (expected, home)
    # With the actor's proof somebody else may bring it, but not in our name.
    forwarded = a_request(a_create(proof=PROOF), key_id=f"{home}/actors/coop#main-key")
    if home == NANTES:
        refused(forwarded, "key-owner-mismatch", Unverified)
    else:
        assert opened(forwarded).forwarder == home


@pytest.mark.parametrize(
    ("proof", "code"),
    [
        (None, "key-owner-mismatch"),
        ("z3", "key-owner-mismatch"),
        ([PROOF], "key-owner-mismatch"),
        ([PROOF, PROOF], "key-owner-mismatch"),
        ({}, "proof-missing"),
        ({**PROOF, "cryptosuite": "eddsa-rdfc-2022"}, "proof-missing"),
        ({**PROOF, "verificationMethod": None}, "proof-missing"),
        ({**PROOF, "verificationMethod": f"{MALLORY}/actors/coop#ed25519-1"}, "key-owner-mismatch"),
        ({**PROOF, "verificationMethod": "did:key:z6Mk"}, "key-unknown"),
    ],
)
def test_a_proof_that_we_cannot_judge_makes_nobody_a_forwarder(proof: Any, code: str):
    request = a_request(a_create(proof=proof), key_id=f"{MALLORY}/actors/coop#main-key")
    refused(request, code, Unverified)


def test_whether_a_relay_has_to_bring_a_proof_is_not_decided_at_the_door():
    world = {"now": NOW, "public_origin": NANTES, "allow_origins": frozenset(), "window": WINDOW}
    request = a_request(a_create(), key_id=f"{MALLORY}/actors/coop#main-key")
    assert open_request(request, **world).forwarder == MALLORY


def test_what_an_actors_own_server_brings_is_not_forwarded():
    assert opened(a_request(a_create(proof=PROOF))).forwarder is None


@pytest.mark.parametrize(
    "key_id", ["acct:coop@coop-lyon.example", "http://coop-lyon.example/k", "https://127.0.0.1/k", "Test"]
)
def test_a_key_id_that_could_not_be_fetched_is_refused_unfetched(key_id: str):
    refused(a_request(key_id=key_id), "key-unknown", Unverified)


def test_a_changed_body_is_refused():
    request = a_request()
    changed = RawRequest("POST", "/inbox", request.headers, request.body.replace(b"Note", b"Page"))
    refused(changed, "digest-mismatch", Unverified)


def test_a_replaced_digest_is_refused_by_its_own_check():
    request = replaced(a_request(), "Digest", "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=")
    refused(request, "digest-mismatch", Unverified)


def test_a_digest_that_is_signed_and_of_another_kind_is_none():
    request = resigned(
        replaced(a_request(), "Digest", "MD5=abc"), covered=["(request-target)", "host", "date", "digest"]
    )
    refused(request, "digest-missing", Unverified)


# -- the signature of RFC 9421 --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"headers": {"Signature": None}}, "signature-malformed"),
        ({"headers": {"Signature-Input": None, "Signature": None}}, "signature-missing"),
        ({"created": NOW - timedelta(days=2)}, "clock-skew"),
        ({"created": NOW + timedelta(days=1)}, "clock-skew"),
        ({"more": ";expires=1"}, "signature-expired"),
        ({"covered": ("@method", "@target-uri")}, "coverage-insufficient"),
        ({"covered": ("@method", "content-digest")}, "coverage-insufficient"),
        ({"covered": ("@target-uri", "content-digest")}, "coverage-insufficient"),
        ({"more": ';alg="hmac-sha256"'}, "algorithm-not-allowed"),
        ({"key_id": f"{MALLORY}/actors/coop#main-key"}, "key-owner-mismatch"),
        ({"key_id": "acct:coop@coop-lyon.example"}, "key-unknown"),
        ({"headers": {"Content-Digest": "sha-256=:AA==:"}}, "digest-mismatch"),
        ({"digest": "md5=:AA==:"}, "digest-missing"),
    ],
)
def test_a_message_with_one_fault_is_refused(changes: dict[str, Any], code: str):
    refused(a_message(**changes), code, Unverified)


def test_a_content_digest_that_cannot_be_read_is_no_matter_of_who_signed():
    refused(a_message(digest="sha-256=AA=="), "malformed-request", Malformed)


# -- order ----------------------------------------------------------------------------------------------


def test_checks_come_cheapest_first():
    """Each line mends the first fault of the one before; the next fault is then what is refused."""
    wrong: dict[str, Any] = {"id": f"{MALLORY}/1", "actor": f"{NANTES}/actors/coop", "type": ["Create"]}
    late = {"date": NOW - timedelta(days=1), "host": "scic-alpes.example", "key_id": f"{MALLORY}/k"}

    def code(request: RawRequest) -> str:
        with pytest.raises(Refused) as refusal:
            opened(request)
        return refusal.value.code

    body = json.dumps(a_create(**wrong)).encode()
    headers: dict[str, str | None] = {
        "Content-Type": "text/plain",
        "Content-Encoding": "gzip",
        "Signature": None,
    }
    assert code(a_request(b"x" * (MAX_BODY + 1), headers=headers)) == "unsupported-media-type"
    headers["Content-Type"] = cavage.MEDIA_TYPE
    assert code(a_request(b"x" * (MAX_BODY + 1), headers=headers)) == "content-encoding"
    del headers["Content-Encoding"]
    assert code(a_request(b"x" * (MAX_BODY + 1), headers=headers)) == "too-large"
    assert code(a_request(b"x", headers=headers)) == "malformed-json"
    assert code(a_request(body, headers=headers)) == "malformed-activity"
    wrong |= {"type": "Create", "object": "x:y"}
    assert code(a_request(a_create(**wrong), headers=headers)) == "bad-id"
    del wrong["object"]
    assert code(a_request(a_create(**wrong), headers=headers)) == "local-id"
    del wrong["actor"]
    assert code(a_request(a_create(**wrong), headers=headers)) == "foreign-origin"
    assert code(a_request(a_create(), headers=headers)) == "signature-missing"
    old = a_request(a_create(), **late)
    assert code(resigned(old, covered=["date"], key_id=late["key_id"])) == "clock-skew"
    late["date"] = NOW
    new = a_request(a_create(), **late)
    assert code(resigned(new, covered=["date"], key_id=late["key_id"])) == "coverage-insufficient"
    assert code(new) == "host-mismatch"
    del late["host"]
    assert code(a_request(a_create(), **late)) == "key-owner-mismatch"
    replaced_body = RawRequest("POST", "/inbox", a_request().headers, a_request().body + b" ")
    assert code(replaced_body) == "digest-mismatch"


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=100), st.lists(st.tuples(st.text(max_size=12), st.text(max_size=40)), max_size=4))
def test_no_bytes_bring_anything_but_our_own_errors(body: bytes, headers: list[tuple[str, str]]):
    signed = a_request(body, key=rsa_key(COOP))
    for request in (
        RawRequest("POST", "/inbox", tuple(headers), body),
        RawRequest("POST", "/inbox", (*signed.headers, *headers), body),
        RawRequest("POST", "/inbox", (*a_message(body).headers, *headers), body),
    ):
        with pytest.raises(FedcoopError):
            opened(request)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_changed_byte_of_the_body_is_refused(data: st.DataObject):
    request = a_request()
    position = data.draw(st.integers(0, len(request.body) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != request.body[position]))
    body = request.body[:position] + bytes([byte]) + request.body[position + 1 :]
    with pytest.raises(FedcoopError):
        opened(RawRequest("POST", "/inbox", request.headers, body))


# -- what others bring -----------------------------------------------------------------------------------------------


def carried(body: bytes, **changes: Any) -> tuple[str, str]:
    world = {"public_origin": NANTES, "allow_origins": frozenset(), **changes}
    activity, method = open_carried(body, **world)
    return activity.id, method


def a_body(method: Any = f"{COOP}#ed25519-1", /, **changes: Any) -> bytes:
    proof = {**PROOF, "verificationMethod": method}
    return json.dumps({**a_create(COOP, **changes), "proof": proof}).encode()


def test_an_activity_that_somebody_else_brings_is_opened_with_the_key_that_its_proof_names():
    assert carried(a_body()) == (f"{LYON}/activities/1", f"{COOP}#ed25519-1")


@pytest.mark.parametrize(
    ("body", "code", "kind"),
    [
        (b"{" + b" " * MAX_BODY + b"}", "too-large", TooLarge),
        (b"[]", "malformed-json", Malformed),
        (a_body(id=f"{MALLORY}/activities/1"), "foreign-origin", Forbidden),
        (a_body(id=f"{NANTES}/activities/1", actor=f"{NANTES}/actors/coop"), "local-id", Forbidden),
        (json.dumps(a_create()).encode(), "proof-missing", Unverified),
        (json.dumps({**a_create(), "proof": []}).encode(), "proof-missing", Unverified),
        (a_body(None), "proof-missing", Unverified),
        (a_body(f"{MALLORY}/actors/coop#ed25519-1"), "key-owner-mismatch", Unverified),
        (a_body("not an id"), "key-unknown", Unverified),
    ],
)
def test_what_others_bring_passes_the_same_door(body: bytes, code: str, kind: type[Refused]):
    with pytest.raises(kind) as refusal:
        carried(body)
    assert refusal.value.code == code
