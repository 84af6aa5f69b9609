"""A delivery is signed as it is sent, goes nowhere else, and brings back what the peer said."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any, Final

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedcoop.errors import Misconfigured, Unavailable
from fedcoop.net.courier import HttpCourier
from fedcoop.net.knocking import Knocker
from fedcoop.ports import Answer, KeyRing
from fedcoop.protocol import cavage, limits, signatures
from fedcoop.protocol.following import HEADER, header_of
from fedcoop.protocol.messages import RawRequest
from tests.conftest import NOON, StoppedClock
from tests.net.conftest import Authority, Canary, Rebinding, Stranger, a_raw_server, a_session, a_stranger

COOP: Final = "https://coop.example/actors/coop"
BODY: Final = b'{"id":"https://coop.example/activities/1","type":"Create"}'
PROBLEM: Final = "application/problem+json"


@pytest.fixture(scope="session")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


class Ring(KeyRing):
    """The keys of one actor."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self.key = key

    def http_key(self, actor: str) -> tuple[str, rsa.RSAPrivateKey]:
        if actor != COOP:
            raise Misconfigured("misconfigured", f"{actor} has no key here")
        return COOP + "#main-key", self.key

    def proof_key(self, actor: str) -> tuple[str, Ed25519PrivateKey]:
        return COOP + "#ed25519-1", Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.fixture
def ring(private_key: rsa.RSAPrivateKey) -> Ring:
    return Ring(private_key)


@pytest.fixture
async def courier(stranger: Stranger, ring: Ring, clock: StoppedClock) -> AsyncIterator[HttpCourier]:
    async with a_session(stranger.base) as session:
        yield HttpCourier(session, Knocker(ring, clock), clock, allow_origins=frozenset({stranger.base}))


async def delivered(courier: HttpCourier, inbox: str) -> Answer:
    return await courier.post(inbox=inbox, body=BODY, sender=COOP)


async def no_answer(courier: HttpCourier, inbox: str) -> str:
    """Return the reason why none came."""
    with pytest.raises(Unavailable) as caught:
        await delivered(courier, inbox)
    return str(caught.value.extra["reason"])


def inbox_answering(stranger: Stranger, status: int, document: Any = b"", **more: Any) -> str:
    return stranger.serve("/inbox", document, status=status, **more)


# -- what is sent -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/inbox", "/actors/%7Ecoop/inbox?a=b%2Fc&d=%40", "/"])
async def test_what_arrives_is_what_was_signed(
    courier: HttpCourier, stranger: Stranger, private_key: rsa.RSAPrivateKey, path: str
):
    stranger.serve(path, b"", status=202)
    await delivered(courier, stranger.base + path)
    (request,) = stranger.asked
    arrived = RawRequest(request.method, request.raw_path, tuple(request.headers.items()), stranger.bodies[0])
    assert (arrived.method, arrived.target, arrived.body) == ("POST", path, BODY)
    parsed = cavage.parse(arrived)
    assert set(parsed.covered) == {"(request-target)", "host", "date", "digest", "content-type"}
    assert parsed.key_id == COOP + "#main-key"
    cavage.check_time(parsed, arrived, now=NOON, window=limits.SIGNATURE_WINDOW)
    cavage.check_coverage(parsed, arrived)
    cavage.check_host(arrived, public_hosts=cavage.public_hosts(stranger.base))
    cavage.verify(parsed, arrived, private_key.public_key())


async def test_the_headers_are_those_of_a_delivery(courier: HttpCourier, stranger: Stranger):
    await delivered(courier, inbox_answering(stranger, 202))
    headers = stranger.asked[0].headers
    assert headers.getall("Host") == [stranger.base.removeprefix("http://")]
    assert headers.getall("Date") == ["Sun, 22 Nov 2026 12:00:00 GMT"]
    assert headers.getall("Digest") == ["SHA-256=" + base64.b64encode(hashlib.sha256(BODY).digest()).decode()]
    assert headers.getall("Content-Type") == [cavage.MEDIA_TYPE]
    assert headers.getall("Content-Length") == [str(len(BODY))]
    assert len(headers.getall("Signature")) == 1


@pytest.mark.parametrize("way", ["draft-cavage", "rfc9421"])
async def test_what_is_said_of_followers_is_signed_with_the_rest(
    courier: HttpCourier, stranger: Stranger, private_key: rsa.RSAPrivateKey, way: str
):
    inbox = inbox_answering(stranger, 202 if way == "draft-cavage" else 401)
    said = header_of(COOP, ["https://peer.example/actors/coop"])
    await courier.post(inbox=inbox, body=BODY, sender=COOP, synchronisation=said)
    await courier.post(inbox=inbox, body=BODY, sender=COOP)
    request = next(one for one in stranger.asked if ("Signature-Input" in one.headers) == (way == "rfc9421"))
    arrived = RawRequest(request.method, request.raw_path, tuple(request.headers.items()), BODY)
    assert request.headers.getall(HEADER) == [said]
    parsed = signatures.read(arrived, public_origin=stranger.base)
    assert (parsed.dialect, HEADER.lower() in parsed.covered) == (way, True)
    signatures.check_coverage(parsed, arrived)
    signatures.verify(parsed, arrived, private_key.public_key())
    assert HEADER not in stranger.asked[-1].headers


async def test_a_delivery_over_tls_reaches_its_inbox(authority: Authority, ring: Ring, clock: StoppedClock):
    async with a_stranger(ssl_context=authority.server_context) as stranger:
        origins = frozenset({stranger.base})
        async with a_session(stranger.base, extra_ca_file=str(authority.ca_file)) as session:
            courier = HttpCourier(session, Knocker(ring, clock), clock, allow_origins=origins)
            assert (await delivered(courier, inbox_answering(stranger, 202))).status == 202
        async with a_session(stranger.base) as session:
            courier = HttpCourier(session, Knocker(ring, clock), clock, allow_origins=origins)
            assert await no_answer(courier, stranger.base + "/inbox") == "tls"


async def test_a_delivery_is_signed_when_its_turn_has_come(
    courier: HttpCourier, stranger: Stranger, clock: StoppedClock
):
    full, free = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        if len(stranger.asked) == limits.MAX_POSTS_PER_DESTINATION:
            full.set()
        await free.wait()
        return web.Response(status=202)

    stranger.pages["/inbox"] = slow
    posts = [asyncio.create_task(delivered(courier, stranger.base + "/inbox")) for _ in range(5)]
    await full.wait()
    clock.advance(minutes=2)
    free.set()
    await asyncio.gather(*posts)
    dates = [request.headers["Date"] for request in stranger.asked]
    assert dates == 4 * ["Sun, 22 Nov 2026 12:00:00 GMT"] + ["Sun, 22 Nov 2026 12:02:00 GMT"]


async def test_a_connection_is_used_again(courier: HttpCourier, stranger: Stranger):
    for answer in (b"", b"queued", {"queued": True}):
        await delivered(courier, inbox_answering(stranger, 202, answer))
    assert len(stranger.asked) == 3
    assert len(stranger.connections) == 1


async def test_a_sender_without_a_key_is_the_operators_business(courier: HttpCourier, stranger: Stranger):
    with pytest.raises(Misconfigured):
        await courier.post(inbox=stranger.base + "/inbox", body=BODY, sender=COOP + "x")
    assert stranger.asked == []


# -- where it goes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "[::ffff:7f00:1]"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_inbox_at_an_internal_address_is_not_posted_to(
    ring: Ring, clock: StoppedClock, canary: Canary, scheme: str, host: str
):
    async with a_session() as session:
        courier = HttpCourier(session, Knocker(ring, clock), clock)
        assert await no_answer(courier, f"{scheme}://{host}:{canary.port}/inbox") == "address-refused"


async def test_an_inbox_that_could_mean_two_things_is_not_posted_to(courier: HttpCourier, stranger: Stranger):
    assert await no_answer(courier, stranger.base + "/a/../inbox") == "address-refused"
    assert stranger.asked == []


async def test_an_inbox_on_a_name_of_an_internal_address_is_not_posted_to(ring: Ring, clock: StoppedClock):
    async with a_session(resolver=Rebinding("127.0.0.1")) as session:
        assert (
            await no_answer(HttpCourier(session, Knocker(ring, clock), clock), "https://in.example/inbox")
            == "address-refused"
        )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(
    courier: HttpCourier, stranger: Stranger, status: int
):
    inbox = stranger.redirect("/inbox", stranger.base + "/elsewhere", status=status)
    assert (await delivered(courier, inbox)).status == status
    assert stranger.paths == ["/inbox"]


# -- two knocks ---------------------------------------------------------------------------------------------


def dialect_of(request: web.BaseRequest) -> str:
    return "rfc9421" if "Signature-Input" in request.headers else "draft-cavage"


def takes(stranger: Stranger, dialect: str, *, refusal: int = 401, **headers: str) -> str:
    """Let the stranger's inbox take one dialect and refuse the other; return it."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(status=202 if dialect_of(request) == dialect else refusal, headers=headers)

    stranger.pages["/inbox"] = page
    return stranger.base + "/inbox"


@pytest.mark.parametrize("refusal", [400, 401])
async def test_a_peer_that_refuses_one_dialect_is_asked_in_the_other_and_remembered(
    courier: HttpCourier, stranger: Stranger, refusal: int
):
    inbox = takes(stranger, "rfc9421", refusal=refusal)
    assert (await delivered(courier, inbox)).status == 202
    assert [dialect_of(request) for request in stranger.asked] == ["draft-cavage", "rfc9421"]
    assert stranger.bodies == [BODY, BODY]
    for _ in range(3):
        assert (await delivered(courier, inbox)).status == 202
    assert [dialect_of(request) for request in stranger.asked[2:]] == 3 * ["rfc9421"]


async def test_a_peer_that_went_back_is_asked_in_the_old_dialect_again(
    courier: HttpCourier, stranger: Stranger
):
    await delivered(courier, takes(stranger, "rfc9421"))
    inbox = takes(stranger, "draft-cavage")
    stranger.asked.clear()
    for _ in range(2):
        assert (await delivered(courier, inbox)).status == 202
    expected = ["rfc9421", "draft-cavage", "draft-cavage"]
    assert [dialect_of(request) for request in stranger.asked] == expected


async def test_each_knock_has_a_time_of_its_own(
    courier: HttpCourier, stranger: Stranger, clock: StoppedClock
):
    async def page(request: web.Request) -> web.Response:
        clock.advance(seconds=7)
        return web.Response(status=401)

    stranger.pages["/inbox"] = page
    await delivered(courier, stranger.base + "/inbox")
    first, second = stranger.asked
    assert first.headers["Date"] == "Sun, 22 Nov 2026 12:00:00 GMT"
    assert f";created={int(NOON.timestamp()) + 7};" in second.headers["Signature-Input"]


async def test_a_refusal_in_both_dialects_is_knocked_at_twice_each_time_and_never_remembered(
    courier: HttpCourier, stranger: Stranger
):
    inbox = inbox_answering(stranger, 401)
    for _ in range(2):
        assert (await delivered(courier, inbox)).status == 401
    assert [dialect_of(request) for request in stranger.asked] == 2 * ["draft-cavage", "rfc9421"]


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [(401, 400, 401), (400, 401, 401), (400, 400, 400), (401, 403, 403), (401, 503, 503), (400, 404, 404)],
)
async def test_of_two_refusals_the_one_that_may_pass_is_told(
    courier: HttpCourier, stranger: Stranger, first: int, second: int, told: int
):
    async def page(request: web.Request) -> web.Response:
        return web.Response(status=first if dialect_of(request) == "draft-cavage" else second)

    stranger.pages["/inbox"] = page
    assert (await delivered(courier, stranger.base + "/inbox")).status == told
    assert len(stranger.asked) == 2


@pytest.mark.parametrize("status", [202, 403, 404, 409, 410, 413, 422, 429, 500, 503])
async def test_other_answers_are_not_knocked_at_again(courier: HttpCourier, stranger: Stranger, status: int):
    await delivered(courier, inbox_answering(stranger, status))
    assert len(stranger.asked) == 1


async def test_a_400_that_says_what_is_wrong_with_the_content_is_an_answer(
    courier: HttpCourier, stranger: Stranger
):
    document = {"type": "https://peer.example/problems/malformed-json", "detail": "d"}
    await delivered(courier, inbox_answering(stranger, 400, document, content_type=PROBLEM))
    assert len(stranger.asked) == 1


async def test_what_a_401_asks_for_is_signed(courier: HttpCourier, stranger: Stranger):
    wish = 'w=("@method" "@target-uri" "content-digest");created;nonce="n1"'
    inbox = takes(stranger, "rfc9421", **{"Accept-Signature": wish})
    assert (await delivered(courier, inbox)).status == 202
    described = stranger.asked[1].headers["Signature-Input"]
    assert described.startswith('w=("@method" "@target-uri" "content-digest");created=')
    assert described.endswith(';nonce="n1"')


async def test_both_knocks_are_within_one_time(ring: Ring, clock: StoppedClock):
    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    async with a_raw_server(slow) as base, a_session(base) as session:
        origins, time = frozenset({base}), timedelta(seconds=0.3)
        courier = HttpCourier(session, Knocker(ring, clock), clock, allow_origins=origins, time=time)
        assert await no_answer(courier, base + "/inbox") == "timeout"


# -- what comes back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 202, 204, 400, 401, 403, 404, 409, 410, 413, 429, 500, 503])
async def test_a_status_is_an_answer(courier: HttpCourier, stranger: Stranger, status: int):
    assert await delivered(courier, inbox_answering(stranger, status)) == Answer(status, None, None, None)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("https://coop.example/problems/stale", "stale"),
        ("https://coop.example/problems/not-in-allow-list/", "not-in-allow-list"),
        ("/problems/stale", "stale"),
        ("stale", "stale"),
        ("https://w3id.org/fep/c180#duplicate-delivery", "duplicate-delivery"),
        ("about:blank", None),
        ("https://coop.example/problems/<script>", None),
        ("https://coop.example/problems/" + "x" * 65, None),
        ("", None),
        (None, None),
        (["stale"], None),
        ({"id": "stale"}, None),
    ],
)
async def test_the_code_of_a_problem_is_the_end_of_its_type(
    courier: HttpCourier, stranger: Stranger, kind: Any, code: str | None
):
    document = {"type": kind, "detail": "Version 3 has been taken."}
    answer = await delivered(courier, inbox_answering(stranger, 409, document, content_type=PROBLEM))
    assert answer == Answer(409, code, "Version 3 has been taken.", None)


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        ({"detail": "d", "title": "t", "error": "e"}, "d"),
        ({"title": "t", "error": "e"}, "t"),
        ({"error": "Request not signed"}, "Request not signed"),
        ({"detail": "", "title": "t"}, "t"),
        ({"detail": 7}, None),
        ({"detail": "x" * 9000}, "x" * 500),
        ({"detail": "a\r\nINFO forged\x1b[2J\u202e"}, "a  INFO forged [2J "),
        ({}, None),
        ([], None),
        (b"{", None),
        (b'{"detail":"a","detail":"b"}', None),
        (b'{"detail":"' + b"x" * limits.MAX_ANSWER + b'"}', None),
    ],
)
async def test_what_a_person_can_read_of_it_is_kept(
    courier: HttpCourier, stranger: Stranger, document: Any, detail: str | None
):
    inbox = inbox_answering(stranger, 400, document, content_type="application/json; charset=utf-8")
    assert (await delivered(courier, inbox)).detail == detail


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "text/html"}, {"Content-Type": ""}, {"Content-Encoding": "gzip"}],
)
async def test_an_answer_that_is_not_plain_json_is_not_looked_at(
    courier: HttpCourier, stranger: Stranger, headers: Mapping[str, str]
):
    document = {"type": "https://x.example/problems/stale", "detail": "d"}
    sent = {"Content-Type": PROBLEM} | dict(headers)
    inbox = inbox_answering(stranger, 409, document, content_type=None, headers=sent)
    assert await delivered(courier, inbox) == Answer(409, None, None, None)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Sun, 22 Nov 2026 12:05:00 GMT", 300),
        ("Sun, 22 Nov 2026 13:05:00 +0100", 300),
        ("Sun, 22 Nov 2026 12:05:00 -0000", 300),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("Sun, 22 Nov 2096 11:00:00 GMT", 86400),
        ("999999999999999999999999999999", 86400),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Sun, 99 Nov 2026 11:00:00 GMT", None),
    ],
)
async def test_a_peer_may_say_when_to_come_back(
    courier: HttpCourier, stranger: Stranger, value: str, seconds: int | None
):
    answer = await delivered(courier, inbox_answering(stranger, 503, headers={"Retry-After": value}))
    assert answer.retry_after == seconds


async def test_an_endless_answer_is_left_unread(courier: HttpCourier, stranger: Stranger):
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(status=400, headers={"Content-Type": PROBLEM})
        await response.prepare(request)
        while sent < 200 * limits.MAX_ANSWER:
            await response.write(b" " * 65536)
            sent += 65536
        return response

    stranger.pages["/inbox"] = endless
    assert await delivered(courier, stranger.base + "/inbox") == Answer(400, None, None, None)
    assert sent < 200 * limits.MAX_ANSWER


# -- when none comes ----------------------------------------------------------------------------------------


async def test_a_server_that_is_off_gives_no_answer(ring: Ring, clock: StoppedClock):
    async with a_stranger() as gone:
        base = gone.base
    async with a_session(base) as session:
        courier = HttpCourier(session, Knocker(ring, clock), clock, allow_origins=frozenset({base}))
        assert await no_answer(courier, base + "/inbox") == "connect"


@pytest.mark.parametrize(
    ("said", "reason"),
    [(b"", "disconnected"), (b"220 mail.example ESMTP\r\n", "not-http"), (b"HTTP/1.1 20", "disconnected")],
)
async def test_what_is_not_an_answer_is_none(ring: Ring, clock: StoppedClock, said: bytes, reason: str):
    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write(said)

    async with a_raw_server(speak) as base, a_session(base) as session:
        courier = HttpCourier(session, Knocker(ring, clock), clock, allow_origins=frozenset({base}))
        assert await no_answer(courier, base + "/inbox") == reason


async def test_a_status_is_an_answer_even_when_the_rest_is_cut_off(ring: Ring, clock: StoppedClock):
    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        )

    async with a_raw_server(cut) as base, a_session(base) as session:
        courier = HttpCourier(session, Knocker(ring, clock), clock, allow_origins=frozenset({base}))
        assert await delivered(courier, base + "/inbox") == Answer(202, None, None, None)


async def test_a_peer_that_drips_frees_the_lane_in_time(ring: Ring, clock: StoppedClock):
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n")
        for n in range(200):
            writer.write(f"X-{n}: y\r\n".encode())
            await writer.drain()
            await asyncio.sleep(0.02)

    async with a_raw_server(drip) as base, a_session(base) as session:
        time = timedelta(seconds=0.3)
        courier = HttpCourier(
            session, Knocker(ring, clock), clock, allow_origins=frozenset({base}), time=time
        )
        began = asyncio.get_running_loop().time()
        assert await no_answer(courier, base + "/inbox") == "timeout"
        assert asyncio.get_running_loop().time() - began < 1


async def test_the_failure_names_the_host_and_not_the_path(ring: Ring, clock: StoppedClock):
    async with a_session() as session:
        with pytest.raises(Unavailable) as caught:
            await delivered(
                HttpCourier(session, Knocker(ring, clock), clock), "http://in.example/secret?token=1"
            )
    assert caught.value.detail == "No answer from in.example: address-refused."


# -- how many at once ---------------------------------------------------------------------------------------


async def test_one_destination_gets_four_at_once(courier: HttpCourier, stranger: Stranger):
    now = most = 0

    async def slow(request: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return web.Response(status=202)

    for n in range(20):
        stranger.pages[f"/{n}/inbox"] = slow
    answers = await asyncio.gather(*(delivered(courier, f"{stranger.base}/{n}/inbox") for n in range(20)))
    assert {answer.status for answer in answers} == {202}
    assert most == limits.MAX_POSTS_PER_DESTINATION


async def test_a_dead_destination_holds_up_no_other(ring: Ring, clock: StoppedClock, stranger: Stranger):
    never = asyncio.Event()

    async def silent(writer: asyncio.StreamWriter) -> None:
        await never.wait()

    stranger.serve("/inbox", b"", status=202)
    async with a_raw_server(silent) as dead, a_session(dead, stranger.base) as session:
        courier = HttpCourier(
            session, Knocker(ring, clock), clock, allow_origins=frozenset({dead, stranger.base})
        )
        waiting = [asyncio.create_task(delivered(courier, dead + "/inbox")) for _ in range(100)]
        await asyncio.sleep(0.02)
        async with asyncio.timeout(2):
            assert (await delivered(courier, stranger.base + "/inbox")).status == 202
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
