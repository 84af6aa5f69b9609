"""Documents of strangers are taken within a budget, from where they live, and as what they are."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedcoop.errors import (
    FedcoopError,
    Invalid,
    Malformed,
    NotFound,
    Refused,
    TooLarge,
    Unavailable,
    Unverified,
)
from fedcoop.net.fetch import HttpFetcher, check_actor, is_activity_type, published_keys
from fedcoop.net.knocking import Knocker
from fedcoop.ports import KeyRing
from fedcoop.protocol import limits, signatures
from fedcoop.protocol.messages import RawRequest
from tests.conftest import StoppedClock
from tests.net.conftest import (
    Authority,
    Canary,
    Rebinding,
    Stranger,
    a_raw_server,
    a_session,
    a_stranger,
    an_actor,
)

LD_JSON = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'


@pytest.fixture
async def fetcher(stranger: Stranger, other: Stranger) -> AsyncIterator[HttpFetcher]:
    """A fetcher to which both strangers are open, and nothing else."""
    origins = frozenset({stranger.base, other.base})
    async with a_session(*origins) as session:
        yield HttpFetcher(session, allow_origins=origins)


async def refused(fetch: Any, kind: type[FedcoopError] = Refused) -> str:
    """Return the name of the check that refused."""
    with pytest.raises(kind) as caught:
        await fetch
    return str(caught.value.extra.get("check", caught.value.code))


# -- what is asked ------------------------------------------------------------------------------------------


async def test_an_actor_is_fetched_and_kept_whole(fetcher: HttpFetcher, stranger: Stranger):
    served = stranger.actor(unknown={"kept": [1, 2]})
    assert await fetcher.actor(served["id"]) == served
    (request,) = stranger.asked
    assert request.headers["Accept"] == LD_JSON
    assert request.headers["Accept-Encoding"] == "identity"
    assert "Signature" not in request.headers


async def test_the_url_is_asked_for_as_it_is_spelled(fetcher: HttpFetcher, stranger: Stranger):
    path = "/%7Ecoop/a%40b?u=a%40b%2Fc"
    url = stranger.serve(path, {"id": stranger.base + path})
    await fetcher.document(url)
    assert stranger.paths == [path]


async def test_a_fragment_is_not_sent(fetcher: HttpFetcher, stranger: Stranger):
    served = stranger.actor()
    await fetcher.key_document(served["id"] + "#main-key")
    assert stranger.paths == ["/actors/coop"]


# -- where it lives -----------------------------------------------------------------------------------------


async def test_an_actor_that_says_it_is_another_is_refused(fetcher: HttpFetcher, stranger: Stranger):
    url = stranger.serve("/actors/mallory", an_actor(stranger.base + "/actors/alice"))
    assert await refused(fetcher.actor(url), Unverified) == "id-mismatch"


async def test_a_document_that_names_another_origin_is_refused_and_that_origin_not_asked(
    fetcher: HttpFetcher, stranger: Stranger, other: Stranger
):
    victim = other.actor()
    url = stranger.serve("/actors/coop", victim)
    for fetch in (fetcher.actor, fetcher.key_document, fetcher.document):
        assert await refused(fetch(url)) == "id-mismatch"
    assert other.asked == []


async def test_a_document_under_another_url_of_its_origin_is_fetched_again_from_where_it_lives(
    fetcher: HttpFetcher, stranger: Stranger
):
    home = stranger.serve("/missions/1", {"id": stranger.base + "/missions/1", "name": "true"})
    url = stranger.serve("/m/1", {"id": home, "name": "a copy"})
    assert (await fetcher.document(url))["name"] == "true"
    assert stranger.paths == ["/m/1", "/missions/1"]


async def test_a_document_that_does_not_name_itself_where_it_lives_is_refused(
    fetcher: HttpFetcher, stranger: Stranger
):
    stranger.serve("/b", {"id": stranger.base + "/c"})
    url = stranger.serve("/a", {"id": stranger.base + "/b"})
    assert await refused(fetcher.document(url), NotFound) == "id-mismatch"
    assert stranger.paths == ["/a", "/b"]


@pytest.mark.parametrize("document", [{}, {"id": None}, {"id": 1}, {"id": ["x"]}])
async def test_a_document_without_an_id_is_refused(fetcher: HttpFetcher, stranger: Stranger, document: Any):
    assert await refused(fetcher.actor(stranger.serve("/x", document))) == "no-id"


@pytest.mark.parametrize("url", ["urn:x", "", "https:///x", "acct:alice@coop.example", "javascript:alert(1)"])
async def test_a_document_whose_id_is_no_url_is_refused(fetcher: HttpFetcher, stranger: Stranger, url: str):
    assert await refused(fetcher.document(stranger.serve("/x", {"id": url}))) == "bad-id"


# -- redirects ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_within_the_origin_is_followed(
    fetcher: HttpFetcher, stranger: Stranger, status: int
):
    me = stranger.base + "/actors/coop"
    stranger.redirect("/actors/coop", "/people/1?x=%7E", status=status)
    stranger.serve("/people/1?x=%7E", an_actor(me))
    assert (await fetcher.actor(me))["id"] == me
    assert stranger.paths == ["/actors/coop", "/people/1?x=%7E"]


async def test_an_actor_is_not_followed_to_another_origin(
    fetcher: HttpFetcher, stranger: Stranger, other: Stranger
):
    there = other.actor()
    url = stranger.redirect("/actors/coop", there["id"])
    assert await refused(fetcher.actor(url), Unverified) == "cross-origin-redirect"
    assert await refused(fetcher.key_document(url), Unverified) == "cross-origin-redirect"
    assert other.asked == []


async def test_a_document_may_be_followed_to_another_origin_and_is_its_own_there(
    fetcher: HttpFetcher, stranger: Stranger, other: Stranger
):
    there = other.serve("/missions/1", {"id": other.base + "/missions/1"})
    url = stranger.redirect("/missions/1", there)
    assert (await fetcher.document(url))["id"] == there
    other.serve("/missions/1", {"id": url})
    assert await refused(fetcher.document(url)) == "id-mismatch"


async def test_three_redirects_are_followed_and_a_fourth_is_not(fetcher: HttpFetcher, stranger: Stranger):
    for n in range(4):
        stranger.redirect(f"/{n}", f"/{n + 1}")
    stranger.serve("/4", {"id": stranger.base + "/4"})
    assert (await fetcher.document(stranger.base + "/1"))["id"] == stranger.base + "/4"
    stranger.asked.clear()
    assert await refused(fetcher.document(stranger.base + "/0")) == "too-many-redirects"
    assert stranger.paths == ["/0", "/1", "/2", "/3"]


async def test_a_loop_of_redirects_ends(fetcher: HttpFetcher, stranger: Stranger):
    stranger.redirect("/a", "/b")
    url = stranger.redirect("/b", "/a")
    assert await refused(fetcher.actor(url)) == "too-many-redirects"
    assert len(stranger.asked) == 1 + limits.MAX_REDIRECTS


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "data:application/activity+json,{{}}",
        "gopher://127.0.0.1:70/",
        "//127.0.0.1:{port}/x",
        "http://127.0.0.1:{port}/x",
        "http://localhost:{port}/x",
        "http://[::1]:{port}/x",
        "http://[::ffff:127.0.0.1]:{port}/x",
        "http://2130706433:{port}/x",
        "http://0x7f.1:{port}/x",
        "http://u:p@127.0.0.1:{port}/x",
        "https://127.0.0.1:{port}/x",
        "/a/%2e%2e/b",
        "/a b",
        "/a\\b",
    ],
)
async def test_a_redirect_to_where_we_do_not_go_is_not_followed(
    fetcher: HttpFetcher, stranger: Stranger, canary: Canary, location: str
):
    url = stranger.redirect("/missions/1", location.format(port=canary.port))
    assert await refused(fetcher.document(url)) == "bad-id"
    assert stranger.paths == ["/missions/1"]


async def test_a_redirect_to_a_name_of_a_private_address_is_not_followed(stranger: Stranger):
    async with a_session(stranger.base, resolver=Rebinding("127.0.0.1")) as session:
        fetcher = HttpFetcher(session, allow_origins=frozenset({stranger.base}))
        url = stranger.redirect("/missions/1", "https://internal.example/x")
        assert await refused(fetcher.document(url)) == "address-refused"


async def test_what_began_encrypted_stays_encrypted(authority: Authority, other: Stranger):
    other.serve("/x", {"id": other.base + "/x"})
    async with a_stranger(ssl_context=authority.server_context) as stranger:
        origins = frozenset({stranger.base, other.base})
        async with a_session(*origins, extra_ca_file=str(authority.ca_file)) as session:
            url = stranger.redirect("/x", other.base + "/x")
            fetcher = HttpFetcher(session, allow_origins=origins)
            assert await refused(fetcher.document(url)) == "downgrade"
    assert other.asked == []


# -- URLs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/a/../actors/coop", "/./actors/coop", "/actors/%2e%2e/actors/coop"])
async def test_an_id_that_could_mean_two_things_is_not_fetched(
    fetcher: HttpFetcher, stranger: Stranger, path: str
):
    assert await refused(fetcher.actor(stranger.base + path), Malformed) == "bad-id"
    assert stranger.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0.0.0.0",
        "[::]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.1",
        "a@127.0.0.1",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_without_allow_origins_nothing_private_is_fetched(canary: Canary, scheme: str, host: str):
    async with a_session() as session:
        fetcher = HttpFetcher(session)
        for fetch in (fetcher.actor, fetcher.key_document, fetcher.document):
            assert await refused(fetch(f"{scheme}://{host}:{canary.port}/actors/coop")) == "bad-id"


async def test_a_public_looking_name_with_a_private_address_is_refused_for_good():
    for address in ("127.0.0.1", "::1", "0.0.0.0"):
        async with a_session(resolver=Rebinding(address)) as session:
            fetch = HttpFetcher(session).actor("https://rebind.example/actors/coop")
            assert await refused(fetch, Unverified) == "address-refused"


# -- what is answered ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 403, 404, 406, 410, 418])
async def test_an_answer_that_is_not_the_document_is_no_such_key(
    fetcher: HttpFetcher, stranger: Stranger, status: int
):
    me = stranger.base + "/actors/coop"
    stranger.serve("/actors/coop", an_actor(me), status=status)
    with pytest.raises(Unverified) as caught:
        await fetcher.actor(me)
    assert (caught.value.code, caught.value.extra["answered"]) == ("key-unknown", status)
    assert await refused(fetcher.document(me), NotFound) == "status"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_a_server_in_trouble_is_asked_again_later(
    fetcher: HttpFetcher, stranger: Stranger, status: int
):
    me = stranger.base + "/actors/coop"
    stranger.serve("/actors/coop", an_actor(me), status=status)
    with pytest.raises(Unavailable) as caught:
        await fetcher.actor(me)
    assert caught.value.code == "key-unreachable"
    with pytest.raises(Unavailable) as caught:
        await fetcher.document(me)
    assert caught.value.code == "unavailable"


async def test_a_server_that_is_off_is_asked_again_later():
    async with a_stranger() as gone:
        base = gone.base
    async with a_session(base) as session:
        with pytest.raises(Unavailable) as caught:
            await HttpFetcher(session, allow_origins=frozenset({base})).actor(base + "/actors/coop")
    assert (caught.value.code, caught.value.extra["reason"]) == ("key-unreachable", "connect")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "GZIP", ""])
async def test_an_encoded_answer_is_refused(fetcher: HttpFetcher, stranger: Stranger, encoding: str):
    me = stranger.base + "/actors/coop"
    packed = gzip.compress(json.dumps(an_actor(me)).encode())
    stranger.serve("/actors/coop", packed, headers={"Content-Encoding": encoding})
    assert await refused(fetcher.actor(me), Unverified) == "encoded"


async def test_an_answer_that_says_it_is_not_encoded_is_taken(fetcher: HttpFetcher, stranger: Stranger):
    me = stranger.base + "/actors/coop"
    stranger.serve("/actors/coop", an_actor(me), headers={"Content-Encoding": "identity"})
    assert (await fetcher.actor(me))["id"] == me


@pytest.mark.parametrize(
    ("content_type", "taken"),
    [
        ("application/activity+json", True),
        ("Application/Activity+JSON; charset=utf-8", True),
        (LD_JSON, True),
        ("application/ld+json;profile=https://www.w3.org/ns/activitystreams", True),
        (
            'application/ld+json; charset=utf-8; profile="https://x.example/p https://www.w3.org/ns/activitystreams"',
            True,
        ),
        ("application/ld+json", False),
        ('application/ld+json; profile="https://www.w3.org/ns/activitystreamsx"', False),
        ('text/html; profile="https://www.w3.org/ns/activitystreams"', False),
        ("application/json", False),
        ("text/plain", False),
        ("image/png", False),
        ("application/activity+jsonx", False),
        ("", False),
    ],
)
def test_only_activitystreams_is_taken(content_type: str, taken: bool):
    assert is_activity_type(content_type) is taken


@pytest.mark.parametrize("content_type", ["application/json", "text/html", "application/ld+json", None])
async def test_an_upload_on_the_right_host_is_not_an_actor(
    fetcher: HttpFetcher, stranger: Stranger, content_type: str | None
):
    me = stranger.base + "/uploads/actor.json"
    stranger.serve("/uploads/actor.json", an_actor(me), content_type=content_type)
    assert await refused(fetcher.actor(me), Unverified) == "media-type"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "malformed-json"),
        (b"[]", "malformed-json"),
        (b'{"id":"x","id":"y"}', "duplicate-key"),
        (b'{"id":NaN}', "number-not-allowed"),
        (b'{"id":"\xff"}', "bad-encoding"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "too-deep"),
    ],
)
async def test_an_answer_that_is_not_strict_json_is_refused(
    fetcher: HttpFetcher, stranger: Stranger, body: bytes, code: str
):
    assert await refused(fetcher.actor(stranger.serve("/x", body)), Malformed) == code


# -- budgets ------------------------------------------------------------------------------------------------


async def test_a_length_that_is_too_much_is_believed_at_once():
    waiting = asyncio.Event()

    async def promise(writer: asyncio.StreamWriter) -> None:
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/activity+json\r\nContent-Length: {2**21}\r\n\r\n"
        )
        writer.write(head.encode())
        await waiting.wait()

    async with a_raw_server(promise) as base, a_session(base) as session:
        fetcher = HttpFetcher(session, allow_origins=frozenset({base}), key_time=timedelta(seconds=2))
        assert await refused(fetcher.actor(base + "/x"), Unverified) == "too-large"
        waiting.set()


async def test_an_endless_answer_is_cut_while_reading(fetcher: HttpFetcher, stranger: Stranger):
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": "application/activity+json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b'{"id":"')
        while sent < 64 * limits.MAX_FETCH_BODY:
            await response.write(b"x" * 65536)
            sent += 65536
        return response

    stranger.pages["/x"] = endless
    assert await refused(fetcher.actor(stranger.base + "/x"), Unverified) == "too-large"
    assert sent < 16 * limits.MAX_FETCH_BODY


async def test_an_answer_of_exactly_the_limit_is_read(fetcher: HttpFetcher, stranger: Stranger):
    head = json.dumps({"id": stranger.base + "/x", "c": ["y" * 200_000] * 5})[:-1].encode()
    body = head + b" " * (limits.MAX_FETCH_BODY - len(head) - 1) + b"}"
    url = stranger.serve("/x", body)
    assert len((await fetcher.document(url))["c"]) == 5
    stranger.serve("/x", body + b" ")
    with pytest.raises((NotFound, TooLarge)):
        await fetcher.document(url)


async def test_a_slow_drip_ends_with_the_time_in_all():
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/activity+json\r\n\r\n")
        for _ in range(200):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with a_raw_server(drip) as base, a_session(base) as session:
        time = timedelta(seconds=0.3)
        fetcher = HttpFetcher(session, allow_origins=frozenset({base}), time=time, key_time=time)
        for fetch in (fetcher.actor, fetcher.document):
            began = asyncio.get_running_loop().time()
            with pytest.raises(Unavailable) as caught:
                await fetch(base + "/x")
            assert caught.value.extra["reason"] == "timeout"
            assert asyncio.get_running_loop().time() - began < 1


async def test_redirects_share_one_time(stranger: Stranger):
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0.2)
        return web.Response(status=302, headers={"Location": request.raw_path + "x"})

    for path in ("/x", "/xx", "/xxx", "/xxxx"):
        stranger.pages[path] = slow
    origins = frozenset({stranger.base})
    async with a_session(stranger.base) as session:
        fetcher = HttpFetcher(session, allow_origins=origins, key_time=timedelta(seconds=0.3))
        with pytest.raises(Unavailable):
            await fetcher.actor(stranger.base + "/x")
    assert len(stranger.asked) <= 2


async def test_an_answer_that_is_cut_off_is_asked_again_later():
    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/activity+json\r\nContent-Length: 99\r\n\r\n{"
        )

    async with a_raw_server(cut) as base, a_session(base) as session:
        with pytest.raises(Unavailable) as caught:
            await HttpFetcher(session, allow_origins=frozenset({base})).actor(base + "/x")
    assert caught.value.extra["reason"] == "disconnected"


async def test_one_host_is_not_flooded(fetcher: HttpFetcher, stranger: Stranger):
    now = most = 0

    async def slow(request: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return web.Response(status=404)

    for n in range(20):
        stranger.pages[f"/{n}"] = slow
    fetches = [fetcher.actor(f"{stranger.base}/{n}") for n in range(20)]
    await asyncio.gather(*fetches, return_exceptions=True)
    assert most == limits.MAX_FETCHES_PER_HOST


# -- for those who sign only --------------------------------------------------------------------------------

SELF = "https://coop.example/actor"
KEY = rsa.generate_private_key(65537, 2048)


class Ring(KeyRing):
    """The keys of our instance's actor."""

    def http_key(self, actor: str) -> tuple[str, rsa.RSAPrivateKey]:
        assert actor == SELF
        return f"{SELF}#main-key", KEY

    def proof_key(self, actor: str) -> tuple[str, Ed25519PrivateKey]:
        assert actor == SELF
        return f"{SELF}#ed25519-1", Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.fixture
async def signing_fetcher(stranger: Stranger, clock: StoppedClock) -> AsyncIterator[HttpFetcher]:
    async with a_session(stranger.base) as session:
        origins = frozenset({stranger.base})
        yield HttpFetcher(session, allow_origins=origins, knocker=Knocker(Ring(), clock), signer=SELF)


def dialect_of(request: web.BaseRequest) -> str:
    if "Signature-Input" in request.headers:
        return "rfc9421"
    return "draft-cavage" if "Signature" in request.headers else "unsigned"


def careful(stranger: Stranger, *dialects: str, closed: int = 401, **headers: str) -> dict[str, Any]:
    """Let the stranger's actor be shown to those who sign in one of `dialects`; return it."""
    document = stranger.actor()
    shown = stranger.pages[document["id"].removeprefix(stranger.base)]

    async def page(request: web.Request) -> web.StreamResponse:
        allowed = dialect_of(request) in dialects
        return await shown(request) if allowed else web.Response(status=closed, headers=headers)

    stranger.pages[document["id"].removeprefix(stranger.base)] = page
    return document


async def test_what_everybody_may_read_is_asked_for_unsigned(
    signing_fetcher: HttpFetcher, stranger: Stranger
):
    document = careful(stranger, "unsigned")
    assert await signing_fetcher.actor(document["id"]) == document
    assert [dialect_of(request) for request in stranger.asked] == ["unsigned"]


@pytest.mark.parametrize(
    ("dialect", "knocks"),
    [
        ("draft-cavage", ["unsigned", "draft-cavage"]),
        ("rfc9421", ["unsigned", "draft-cavage", "rfc9421"]),
    ],
)
async def test_what_is_for_those_who_sign_is_asked_for_as_our_instances_actor(
    signing_fetcher: HttpFetcher, stranger: Stranger, dialect: str, knocks: list[str]
):
    document = careful(stranger, dialect)
    assert await signing_fetcher.actor(document["id"]) == document
    assert [dialect_of(request) for request in stranger.asked] == knocks
    last = stranger.asked[-1]
    arrived = RawRequest(last.method, last.raw_path, tuple(last.headers.items()), b"")
    signature = signatures.read(arrived, public_origin=stranger.base)
    signatures.check_coverage(signature, arrived)
    signatures.verify(signature, arrived, KEY.public_key())
    assert signature.key_id == f"{SELF}#main-key"
    stranger.asked.clear()
    await signing_fetcher.actor(document["id"])
    assert [dialect_of(request) for request in stranger.asked] == ["unsigned", dialect]


async def test_what_is_for_nobody_is_asked_for_three_times_and_no_more(
    signing_fetcher: HttpFetcher, stranger: Stranger
):
    document = careful(stranger)
    with pytest.raises(Unverified) as caught:
        await signing_fetcher.actor(document["id"])
    assert (caught.value.code, caught.value.extra["answered"]) == ("key-unknown", 401)
    assert [dialect_of(request) for request in stranger.asked] == ["unsigned", "draft-cavage", "rfc9421"]


@pytest.mark.parametrize("closed", [400, 403, 404, 410])
async def test_only_a_401_is_an_invitation_to_sign(
    signing_fetcher: HttpFetcher, stranger: Stranger, closed: int
):
    document = careful(stranger, closed=closed)
    with pytest.raises(Unverified):
        await signing_fetcher.actor(document["id"])
    assert len(stranger.asked) == 1


async def test_a_wish_is_granted_to_whom_we_read_from_as_well(
    signing_fetcher: HttpFetcher, stranger: Stranger
):
    wish = 'w=("@method" "@target-uri" "@authority");created;nonce="n1"'
    document = careful(stranger, "rfc9421", **{"Accept-Signature": wish})
    assert await signing_fetcher.actor(document["id"]) == document
    assert stranger.asked[-1].headers["Signature-Input"].endswith(';nonce="n1"')


async def test_a_wish_for_what_a_get_has_not_is_none(signing_fetcher: HttpFetcher, stranger: Stranger):
    wish = 'w=("@method" "@target-uri" "content-digest");created'
    document = careful(stranger, "draft-cavage", "rfc9421", **{"Accept-Signature": wish})
    assert await signing_fetcher.actor(document["id"]) == document
    document = careful(stranger, "rfc9421", **{"Accept-Signature": wish})
    assert await signing_fetcher.actor(document["id"]) == document


# -- the shape of an actor ----------------------------------------------------------------------------------

ME = "https://coop.example/actors/coop"


def check(**changed: Any) -> None:
    document = {k: v for k, v in (an_actor(ME) | changed).items() if v is not None}
    check_actor(document, ME, allow_origins=frozenset())


def test_the_smallest_whole_actor_is_one():
    check()
    check(type=["Organization", "Group"])
    check(publicKey=None, assertionMethod=None)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"id": ME + "/"}, "id-mismatch"),
        ({"id": None}, "id-mismatch"),
        ({"type": None}, "no-type"),
        ({"type": ""}, "no-type"),
        ({"type": []}, "no-type"),
        ({"type": ["Person", 1]}, "no-type"),
        ({"type": {"a": 1}}, "no-type"),
        ({"inbox": None}, "no-inbox"),
        ({"inbox": {"id": "https://coop.example/inbox"}}, "no-inbox"),
        ({"assertionMethod": [{"id": f"{ME}#{n}"} for n in range(10)]}, "too-many-keys"),
        ({"publicKey": [ME + "#1"] * 11, "assertionMethod": None}, "too-many-keys"),
    ],
)
def test_what_is_not_the_actor_is_refused(changed: dict[str, Any], why: str):
    with pytest.raises(Unverified) as caught:
        check(**changed)
    assert (caught.value.code, caught.value.extra["check"]) == ("key-unknown", why)


@pytest.mark.parametrize(
    "inbox", ["http://coop.example/inbox", "https://127.0.0.1/inbox", "https://localhost/", ""]
)
def test_an_actor_with_an_inbox_where_we_do_not_post_is_refused(inbox: str):
    with pytest.raises(Malformed) as caught:
        check(inbox=inbox)
    assert caught.value.code == "bad-id"


def test_ten_keys_are_not_too_many():
    check(assertionMethod=[{"id": f"{ME}#{n}"} for n in range(9)])


def test_published_keys_are_read_single_or_listed():
    assert published_keys({"publicKey": {"id": "a"}, "assertionMethod": "b"}) == ({"id": "a"}, "b")
    assert published_keys({"publicKey": ["a", {"id": "b"}]}) == ("a", {"id": "b"})
    assert published_keys({}) == ()


async def test_what_only_peers_see_is_asked_for_signed_from_the_beginning(
    signing_fetcher: HttpFetcher, stranger: Stranger
):
    """Unsigned it would be 404, which is no invitation to sign."""
    document = careful(stranger, "draft-cavage", closed=404)
    with pytest.raises(NotFound):
        await signing_fetcher.document(document["id"])
    stranger.asked.clear()
    assert await signing_fetcher.document(document["id"], signed=True) == document
    assert [dialect_of(request) for request in stranger.asked] == ["draft-cavage"]


# -- programs -----------------------------------------------------------------------------------------------


def served(stranger: Stranger, body: bytes = b'{"client_id": "x"}', **answer: Any) -> str:
    """Let the stranger serve a program's document and return its address."""
    return stranger.serve("/program", body, **{"content_type": "application/json", **answer})


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/activity+json"]
)
async def test_a_programs_document_is_fetched_as_json(fetcher: HttpFetcher, stranger: Stranger, kind: str):
    assert await fetcher.client_document(served(stranger, content_type=kind)) == {"client_id": "x"}
    (request,) = stranger.asked
    assert request.headers["Accept"].startswith("application/json")
    assert "Signature" not in request.headers


@pytest.mark.parametrize(
    ("answer", "check"),
    [
        ({"content_type": "text/html"}, "media-type"),
        ({"content_type": "text/json"}, "media-type"),
        ({"status": 404}, "status"),
        ({"status": 401}, "status"),
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, "redirect"),
        ({"headers": {"Content-Encoding": "gzip"}}, "encoded"),
        ({"body": b'{"a": "' + b"x" * limits.MAX_CLIENT_DOCUMENT + b'"}'}, "too-large"),
    ],
)
async def test_a_programs_document_is_nothing_else(
    fetcher: HttpFetcher, stranger: Stranger, answer: dict[str, Any], check: str
):
    assert await refused(fetcher.client_document(served(stranger, **answer)), Invalid) == check
    assert len(stranger.asked) == 1


async def test_a_programs_document_inside_our_network_is_not_asked_for(fetcher: HttpFetcher, canary: Canary):
    with pytest.raises(Malformed):
        await fetcher.client_document(f"http://127.0.0.1:{canary.port}/program")


async def test_a_programs_server_that_is_broken_may_answer_later(fetcher: HttpFetcher, stranger: Stranger):
    with pytest.raises(Unavailable):
        await fetcher.client_document(served(stranger, status=503))


async def test_programs_and_the_federation_do_not_wait_for_each_other(
    fetcher: HttpFetcher, stranger: Stranger
):
    full, go_on, asked = asyncio.Event(), asyncio.Event(), 0

    async def slow(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        if asked == limits.MAX_CLIENT_FETCHES_PER_HOST:
            full.set()
        await go_on.wait()
        return web.Response(status=404)

    stranger.pages["/slow"] = slow
    actor = stranger.actor()["id"]
    many = limits.MAX_CLIENT_FETCHES_PER_HOST + limits.MAX_FETCHES_PER_HOST + 2
    slow_ones = [asyncio.create_task(fetcher.client_document(f"{stranger.base}/slow")) for _ in range(many)]
    async with asyncio.timeout(2):
        await full.wait()
        assert (await fetcher.actor(actor))["id"] == actor
    assert asked == limits.MAX_CLIENT_FETCHES_PER_HOST
    go_on.set()
    await asyncio.gather(*slow_ones, return_exceptions=True)
