"""So often, so much at once, and from whom."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from fedcoop.errors import (
    Conflict,
    FedcoopError,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    NotImplementedYet,
    RateLimited,
    Unavailable,
    Unverified,
)
from fedcoop.protocol import limits
from fedcoop.web.admission import Admission, Allowance, Rates, Room, claimed_origin
from fedcoop.web.services import Services
from tests.conftest import StoppedClock
from tests.web.conftest import FakeReader, Serve, an_object, code_of

MINUTE = timedelta(minutes=1)
PEER = {"Signature": 'keyId="https://coop-b.example/actors/coop#main-key",signature="x"'}


class Seconds:
    """A clock of plain seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_request(*, remote: str | None = "203.0.113.5", headers: Any = (), method: str = "POST") -> Any:
    request = make_mocked_request(method, "/inbox", headers=headers)
    return request.clone(remote=remote) if remote is not None else request


# -- so often --------------------------------------------------------------------------------------------


def test_the_share_may_be_used_at_once_and_comes_back_bit_by_bit():
    now = Seconds()
    allowance = Allowance((3, MINUTE), now)
    for _ in range(3):
        allowance.take("a")
    with pytest.raises(RateLimited) as refused:
        allowance.take("a")
    assert refused.value.retry_after == 20
    now.now += 20
    allowance.take("a")
    with pytest.raises(RateLimited):
        allowance.take("a")


def test_one_key_does_not_use_up_anothers_share():
    allowance = Allowance((1, MINUTE), Seconds())
    allowance.take("a")
    allowance.take("b")
    assert allowance.wait("a") > 0
    assert allowance.wait("c") == 0


def test_waiting_costs_nothing():
    allowance = Allowance((1, MINUTE), Seconds())
    assert [allowance.wait("a") for _ in range(9)] == [0.0] * 9


def test_what_was_refused_is_not_counted():
    now = Seconds()
    allowance = Allowance((1, MINUTE), now)
    allowance.take("a")
    for _ in range(50):
        with pytest.raises(RateLimited):
            allowance.take("a")
    now.now += 60
    allowance.take("a")


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=60))
def test_no_more_than_the_share_ever_passes_in_any_minute(pauses: list[float]):
    now = Seconds()
    allowance = Allowance((5, MINUTE), now)
    passed = []
    for pause in pauses:
        now.now += pause
        try:
            allowance.take("a")
        except RateLimited:
            continue
        passed.append(now.now)
    for first in passed:
        # A full share saved up, and what came back meanwhile.
        assert len([t for t in passed if first <= t < first + 60]) <= 10


def test_a_clock_that_is_put_back_locks_nobody_out():
    now = Seconds()
    allowance = Allowance((6, MINUTE), now)
    for _ in range(6):
        allowance.take("a")
    now.now -= 3600
    assert allowance.wait("a") <= 10, "as long as for one more, not until the clock has caught up"


def test_keys_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MAX_RATE_KEYS", 3)
    allowance = Allowance((1, MINUTE), Seconds())
    for key in "abcad":
        allowance.charge(key)
    assert allowance.wait("b") == 0, "the longest unseen is forgotten"
    assert all(allowance.wait(key) > 0 for key in "acd")


# -- so much at once -------------------------------------------------------------------------------------


def test_a_room_is_full_when_it_is_full():
    room = Room(3)
    room.enter(2)
    with pytest.raises(Unavailable):
        room.enter(2)
    room.enter()
    room.leave(3)
    assert room.used == 0


def test_a_request_gives_back_what_it_held_when_it_fails():
    admission = Admission(Rates(open_in_all=1, bodies_in_all=10), Seconds())

    def fail() -> None:
        with admission.submission(a_request()) as held:
            held.keep(10)
            raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            fail()


def test_a_request_that_found_no_room_for_its_body_gives_back_the_rest():
    admission = Admission(Rates(bodies_in_all=10), Seconds())
    with admission.submission(a_request()) as held:
        held.keep(6)
        with pytest.raises(Unavailable):
            held.keep(6)
    with admission.submission(a_request()) as held:
        held.keep(10)


# -- from whom -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("::ffff:203.0.113.5", [], "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", [], "2001:db8:1:2::/64"),
        ("127.0.0.1", [], None),
        ("::1", [], None),
        ("127.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("127.0.0.1", ["198.51.100.1, 203.0.113.5"], "203.0.113.5"),
        ("127.0.0.1", ["198.51.100.1", "203.0.113.5"], "203.0.113.5"),
        ("127.0.0.1", ["not an address"], None),
        ("127.0.0.1", ["127.0.0.1"], None),
        ("10.0.0.2", ["203.0.113.5"], "203.0.113.5"),
        ("10.0.0.3", ["203.0.113.5"], "10.0.0.3"),
        ("", ["203.0.113.5"], "203.0.113.5"),
    ],
)
def test_an_address_is_that_of_the_client_as_far_as_it_is_known(
    remote: str, forwarded: list[str], address: str | None
):
    admission = Admission(Rates(trusted_proxies=frozenset({"10.0.0.2"})), Seconds())
    headers = [("X-Forwarded-For", value) for value in forwarded]
    request = make_mocked_request("POST", "/inbox", headers=CIMultiDict(headers)).clone(remote=remote)
    assert admission.address(request) == address


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({}, None),
        (PEER, "https://coop-b.example"),
        ({"Signature": 'keyid="https://Coop-B.example/k"'}, "https://coop-b.example"),
        (
            {"Signature-Input": 'sig1=("@method");created=1;keyid="https://coop-b.example/k"'},
            "https://coop-b.example",
        ),
        ({"Signature-Input": 'sig1=();keyid="x"', **PEER}, None),
        ({"Signature": 'keyId="key-1"'}, None),
        ({"Signature": 'keyId="https://[bad/"'}, None),
        ({"Signature": "nonsense"}, None),
        ({"Signature": " " * 9000 + 'keyId="https://coop-b.example/k"'}, None),
    ],
)
def test_a_request_claims_to_be_of_the_origin_of_its_key(headers: dict[str, str], origin: str | None):
    assert claimed_origin(a_request(headers=headers)) == origin


@pytest.mark.parametrize(
    ("error", "verified"),
    [
        (None, True),
        (Conflict("stale", "x"), True),
        (Invalid("schema-invalid", "x"), True),
        (NotImplementedYet("not-implemented", "x"), True),
        (Forbidden("not-owner", "x"), True),
        (Forbidden("wrong-party", "x"), True),
        (Unavailable("predecessor-unknown", "x"), True),
        (Unverified("signature-invalid", "x"), False),
        (Malformed("malformed-json", "x"), False),
        (Forbidden("not-in-allow-list", "x"), False),
        (Forbidden("blocked", "x"), False),
        (Forbidden("foreign-origin", "x"), False),
        (NotFound("not-found", "x"), False),
        (Unavailable("key-unreachable", "x"), False),
    ],
)
def test_who_is_counted_depends_on_whether_the_sender_was_established(error: Any, verified: bool):
    once = (1, MINUTE)
    admission = Admission(Rates(inbox_per_peer=once, inbox_per_address=once), Seconds())
    with suppress(FedcoopError), admission.arrival(a_request(headers=PEER)):
        if error is not None:
            raise error
    same_peer = a_request(remote="198.51.100.1", headers=PEER)
    same_address = a_request(headers={"Signature": 'keyId="https://coop-c.example/k"'})
    refused, admitted = (same_peer, same_address) if verified else (same_address, same_peer)
    with pytest.raises(RateLimited), admission.arrival(refused):
        pass
    with admission.arrival(admitted):
        pass


# -- reading ---------------------------------------------------------------------------------------------


async def test_an_address_reads_so_often(client: Any, reader: FakeReader, clock: StoppedClock):
    reader.put(an_object("/missions/x"))
    count, period = limits.READ_RATE_PER_ADDRESS
    mine, other = ({"X-Forwarded-For": address} for address in ("203.0.113.5", "203.0.113.6"))
    statuses = {(await client.get("/missions/x", headers=mine)).status for _ in range(count)}
    assert statuses == {200}
    refused = await client.get("/missions/x", headers=mine)
    assert (refused.status, await code_of(refused)) == (429, "rate-limited")
    assert (await client.get("/missions/x", headers=other)).status == 200
    assert (await client.get("/actors/coop", headers=mine)).status == 200, "keys can always be read"
    clock.advance(seconds=period.total_seconds())
    assert (await client.get("/missions/x", headers=mine)).status == 200


async def test_a_member_is_not_counted(services: Services, reader: FakeReader, serve: Serve, flows: Any):
    client = await serve(services)
    reader.put(an_object("/missions/x"))
    headers = {"X-Forwarded-For": "203.0.113.5", "Authorization": "Bearer alices-token"}
    count, _ = limits.READ_RATE_PER_ADDRESS
    assert {(await client.get("/missions/x", headers=headers)).status for _ in range(count + 10)} == {200}


@pytest.mark.parametrize("signed", ["Signature", "Signature-Input"])
def test_what_is_signed_is_counted_whatever_else_it_bears(signed: str):
    admission = Admission(Rates(reads_per_address=(1, MINUTE)), Seconds())
    token = {"Authorization": "Bearer made-up"}
    for _ in range(3):
        admission.admit_read(a_request(method="GET", headers=token))
    forged = a_request(method="GET", headers={**token, signed: PEER["Signature"]})
    admission.admit_read(forged)
    with pytest.raises(RateLimited):
        admission.admit_read(forged)
