"""A signed GET: the checks, each with a request that differs in one thing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fedcoop.errors import Unverified
from fedcoop.protocol.messages import KeyDocument, RawRequest
from fedcoop.protocol.visiting import check_visit, open_visit, speaks_for_server, verify_visit
from tests.protocol.signing import (
    COOP,
    LYON,
    MALLORY,
    NANTES,
    NOW,
    WINDOW,
    a_message,
    a_request,
    an_actor,
    keys_of,
    replaced,
    resigned,
    rsa_key,
    with_header,
)

PATH = "/missions/1?page=first"
GET: dict[str, Any] = {"document": b"", "method": "GET", "target": PATH}
COMPONENTS = ("@method", "@target-uri")


def cavage(**changes: Any) -> RawRequest:
    return a_request(**{**GET, **changes})


def message(**changes: Any) -> RawRequest:
    return a_message(**{**GET, "covered": COMPONENTS, **changes})


def visited(
    request: RawRequest, keys: KeyDocument | None = None, later: timedelta = timedelta(0)
) -> str | None:
    visit = open_visit(request, public_origin=NANTES, allow_origins=frozenset())
    if visit is None:
        return None
    check_visit(visit, public_origin=NANTES, now=NOW, window=WINDOW)
    return verify_visit(visit, keys or keys_of(), now=NOW + later, window=WINDOW)


def refused(request: RawRequest, *more: Any) -> str:
    with pytest.raises(Unverified) as refusal:
        visited(request, *more)
    return refusal.value.code


@pytest.mark.parametrize("ask", [cavage, message])
def test_a_good_get_is_its_signers(ask: Any):
    assert visited(ask()) == COOP
    assert visited(ask(method="HEAD")) == COOP


@pytest.mark.parametrize("ask", [cavage, message])
def test_a_get_of_another_time_path_or_method_or_by_another_key_is_refused(ask: Any):
    old = {"date": NOW - timedelta(hours=2)} if ask is cavage else {"created": NOW - timedelta(hours=2)}
    assert refused(ask(**old)) == "clock-skew"
    for field, value in (("target", "/missions/2"), ("target", "/missions/1"), ("method", "HEAD")):
        sent = ask()
        other = {"method": sent.method, "target": sent.target, field: value}
        assert refused(RawRequest(headers=sent.headers, body=b"", **other)) == "signature-invalid"
    assert refused(ask(key=rsa_key(MALLORY))) == "signature-invalid"
    assert refused(ask(), KeyDocument(an_actor(publicKey=[]), NOW)) == "key-unknown"
    # The key came late.
    assert refused(ask(), keys_of(), timedelta(hours=2)) == "clock-skew"


@pytest.mark.parametrize("ask", [cavage, message])
def test_what_is_old_is_refused_before_a_key_is_looked_for(ask: Any):
    old = {"date": NOW - timedelta(hours=2)} if ask is cavage else {"created": NOW - timedelta(hours=2)}
    visit = open_visit(ask(**old), public_origin=NANTES, allow_origins=frozenset())
    assert visit is not None
    with pytest.raises(Unverified, match="clock-skew"):
        check_visit(visit, public_origin=NANTES, now=NOW, window=WINDOW)


def test_too_little_signed_is_refused():
    assert refused(resigned(cavage(), covered=["(request-target)", "date"])) == "coverage-insufficient"
    assert refused(resigned(cavage(), covered=["host", "date"])) == "coverage-insufficient"
    assert refused(resigned(cavage(), covered=["(request-target)", "host"])) == "coverage-insufficient"
    for covered in (("@method",), ("@target-uri",)):
        assert refused(message(covered=covered)) == "coverage-insufficient"


def test_what_was_asked_of_another_server_is_not_asked_of_us():
    assert refused(cavage(host="elsewhere.example")) == "host-mismatch"
    assert refused(message(origin="https://elsewhere.example")) == "signature-invalid"


def test_what_cannot_be_read_says_of_nobody_who_asks():
    assert refused(RawRequest("GET", PATH, (("Host", "x"),), b"")) == "signature-missing"
    for ask in (cavage, message):
        sent = dict(ask().headers)["Signature"]
        assert refused(replaced(ask(), "Signature", sent[:-3])) == "signature-malformed"
        assert refused(with_header(ask(), "Signature", sent)) == "signature-malformed"


@pytest.mark.parametrize("key_id", ["acct:coop@coop-lyon.example", "http://coop-lyon.example/key", "x"])
def test_a_key_that_is_nowhere_is_nobodys(key_id: str):
    assert visited(cavage(key_id=key_id)) is None
    assert visited(message(key_id=key_id)) is None


def test_a_key_of_an_actor_elsewhere_opens_nothing():
    """Its document says that it is the actor of another server, whom the operator may have let in."""
    for elsewhere in (f"{MALLORY}/actors/coop", f"{LYON}.evil.example/actors/coop"):
        key = {**an_actor()["publicKey"], "owner": elsewhere}
        listed = {**an_actor(), "id": elsewhere, "publicKey": key}
        assert refused(cavage(), KeyDocument(listed, NOW)) == "key-owner-mismatch"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("Application", True), (["Application", "Service"], True), ("Organization", False), ("Service", False)],
)
def test_the_servers_own_actor_is_the_one_shown_as_an_application(kind: Any, expected: bool):
    assert speaks_for_server(KeyDocument(an_actor(type=kind), NOW)) is expected
