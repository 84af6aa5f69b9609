"""Both dialects tell one story: the same checks, the same codes, and never the one in the place of the other."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from fedcoop.errors import FedcoopError, Malformed, Unverified
from fedcoop.protocol import signatures
from fedcoop.protocol.messages import RawRequest, RequestSignature
from tests.protocol.signing import (
    COOP,
    NANTES,
    NOW,
    WINDOW,
    a_message,
    a_request,
    ed_key,
    replaced,
    rsa_key,
    with_header,
)

Maker = Callable[..., RawRequest]
BOTH = pytest.mark.parametrize("make", [a_request, a_message], ids=["draft-cavage", "rfc9421"])


def check(request: RawRequest, key: Any = None) -> RequestSignature:
    signature = signatures.read(request, public_origin=NANTES)
    signatures.check_time(signature, request, now=NOW, window=WINDOW)
    signatures.check_coverage(signature, request)
    signatures.check_target(signature, request, public_origin=NANTES)
    signatures.check_body(signature, request)
    signatures.verify(signature, request, key or rsa_key(COOP).public_key())
    return signature


def refused(request: RawRequest, code: str, key: Any = None) -> FedcoopError:
    with pytest.raises(FedcoopError) as refusal:
        check(request, key)
    assert refusal.value.code == code
    return refusal.value


def test_the_dialect_is_the_one_whose_header_is_there():
    assert check(a_request()).dialect == "draft-cavage"
    assert check(a_message()).dialect == "rfc9421"


@BOTH
def test_the_key_id_and_the_covered_parts_are_told(make: Maker):
    signature = check(make())
    assert signature.key_id == f"{COOP}#main-key"
    assert len(signature.covered) >= 3


def test_an_unsigned_request_is_told_of_both_dialects():
    refusal = refused(a_request(headers={"Signature": None}), "signature-missing")
    assert refusal.expected is not None
    assert "RFC 9421" in refusal.expected
    assert "draft-cavage" in refusal.expected


def test_a_request_that_fails_in_one_dialect_is_not_tried_in_the_other():
    good = a_request()
    refused(with_header(good, "Signature-Input", ""), "signature-malformed")
    refused(
        with_header(good, "Signature-Input", a_message().header_values("signature-input")[0]),
        "signature-malformed",
    )
    both = RawRequest(good.method, good.target, (*good.headers, *a_message().headers[-2:]), good.body)
    refused(both, "signature-malformed")


def test_a_message_without_its_input_is_no_draft_cavage_request():
    refused(a_message(headers={"Signature-Input": None}), "signature-malformed")


@BOTH
def test_the_window_is_the_same(make: Maker):
    name = "date" if make is a_request else "created"
    check(make(**{name: NOW - WINDOW[0]}))
    check(make(**{name: NOW + WINDOW[1]}))
    assert refused(make(**{name: NOW - WINDOW[0] - timedelta(seconds=1)}), "clock-skew").extra == {
        "difference": 3601
    }
    assert refused(make(**{name: NOW + WINDOW[1] + timedelta(seconds=1)}), "clock-skew").extra == {
        "difference": -301
    }


@BOTH
def test_another_body_is_refused(make: Maker):
    made = make()
    changed = RawRequest(made.method, made.target, made.headers, made.body + b" ")
    assert isinstance(refused(changed, "digest-mismatch"), Unverified)


def test_the_digest_of_the_other_dialect_is_none():
    message = a_message(headers={"Digest": a_request().header_values("digest")[0], "Content-Digest": None})
    refused(message, "signature-malformed")
    only = a_message(covered=("@method", "@target-uri", "content-digest"), digest="md5=:AA==:")
    refused(with_header(only, "Digest", a_request().header_values("digest")[0]), "digest-missing")


def test_a_digest_that_cannot_be_read_is_the_senders_mistake():
    assert isinstance(refused(a_message(digest="sha-256=AA=="), "malformed-request"), Malformed)


@BOTH
def test_a_request_to_another_server_is_refused(make: Maker):
    elsewhere = (
        a_request(host="scic-alpes.example")
        if make is a_request
        else a_message(origin="https://scic-alpes.example")
    )
    refused(elsewhere, "host-mismatch" if make is a_request else "signature-invalid")


@BOTH
def test_another_key_is_refused_and_the_sender_sees_what_we_rebuilt(make: Maker):
    refusal = refused(make(), "signature-invalid", rsa_key("mallory").public_key())
    assert "/inbox" in refusal.extra["signatureBase"]
    refused(
        make(),
        "algorithm-not-allowed" if make is a_request else "signature-invalid",
        ed_key(COOP).public_key(),
    )


@BOTH
def test_a_signature_that_was_changed_is_refused(make: Maker):
    made = make()
    value = made.header_values("signature")[0]
    start = value.index('signature="') + len('signature="') if make is a_request else len("sig1=:")
    other = "A" if value[start] != "A" else "B"
    changed = value[:start] + other + value[start + 1 :]
    refused(replaced(made, "Signature", changed), "signature-invalid")
