"""A sender's own server is hostile: what it serves as its key makes us fetch nothing else and take nothing in.

Every row is an admitted peer's actor whose document is served with one thing spoilt. Its message is refused; its twin,
an actor whose document is served well, says the same and is taken in. A canary listens where nobody may be led.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from fedcoop.cli.instances import LocalInstance, found
from tests.e2e.foreign import ACTIVITY_JSON, Foreign, Letter
from tests.e2e.neighbourhood import Member, Neighbourhood

MIB: Final = 1024 * 1024
NOBODY: Final = Member("", "", "", "")

Serve = Callable[[BaseHTTPRequestHandler, "Place", str], None]
"""How a path is answered: the request, everything that there is, the name of the actor."""


class Spoilt(Foreign):
    """A peer that answers some paths in its own way."""

    def __init__(self) -> None:
        self.ways: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        super().__init__()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        peer, plain = self, super()._handler()

        class Handler(plain):  # type: ignore[misc, valid-type]
            def do_GET(self) -> None:
                way = peer.ways.get(self.path)
                if way is None:
                    super().do_GET()
                    return
                peer.note_down(self.path)
                # Whoever has heard enough hangs up.
                try:
                    way(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

        return Handler

    def note_down(self, path: str) -> None:
        """Keep that `path` was asked for."""
        self.seen.append(path)

    @property
    def seen(self) -> list[str]:
        """Paths that were answered in their own way."""
        return self.__dict__.setdefault("_seen", [])  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Place:
    """Our instance, the hostile peer that it has admitted, and a server where it must never be seen."""

    hood: Neighbourhood
    peer: Spoilt
    canary: Foreign
    others: tuple[Spoilt, ...] = ()
    """Peers enough for all rows: of one we ask so many keys a minute (`limits.MAX_KEY_FETCHES_PER_HOST`)."""

    def among(self, number: int) -> Place:
        """Return the same place with the peer whose turn it is."""
        return replace(self, peer=self.others[number % len(self.others)])

    @property
    def ours(self) -> LocalInstance:
        """Our instance."""
        return self.hood.ours


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("hostile")
    peers = tuple(Spoilt() for _ in range(4))
    with ExitStack() as stack:
        canary = stack.enter_context(closing(Foreign()))
        for peer in peers:
            stack.enter_context(closing(peer))
        origins = [peer.base for peer in peers]
        ours = found(folder / "ours", name="Coop Lyon", commune="69123", allow_origins=origins)
        for origin in origins:
            ours.command("peer", "allow", origin)
        ours.start()
        stack.callback(ours.stop)
        yield Place(Neighbourhood(ours, NOBODY, peers[0], peers[0], canary), peers[0], canary, peers)


# -- ways to answer -------------------------------------------------------------------------------------------------


def answer(request: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    """Answer once, with a length."""
    request.send_response(status)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in {"Content-Type": ACTIVITY_JSON, "Content-Length": str(len(body)), **named}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)


def sends(change: Callable[[dict[str, Any], Place], Any]) -> Serve:
    """Serve the actor's document with something changed."""

    def serve(request: BaseHTTPRequestHandler, place: Place, name: str) -> None:
        document = place.peer.actor_document(name)
        answer(request, 200, json.dumps(change(document, place)).encode())

    return serve


def redirects(where: Callable[[Place, str], str], status: int = 302) -> Serve:
    """Send the reader elsewhere."""

    def serve(request: BaseHTTPRequestHandler, place: Place, name: str) -> None:
        answer(request, status, Location=where(place, name))

    return serve


def raw(body: Callable[[bytes], bytes], status: int = 200, **headers: str) -> Serve:
    """Serve other bytes, or the right ones under other headers."""

    def serve(request: BaseHTTPRequestHandler, place: Place, name: str) -> None:
        answer(request, status, body(json.dumps(place.peer.actor_document(name)).encode()), **headers)

    return serve


def endless(request: BaseHTTPRequestHandler, place: Place, name: str) -> None:
    """Send a document that never ends, in pieces without a length."""
    request.send_response(200)
    request.send_header("Content-Type", ACTIVITY_JSON)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    piece = b" " * 65536
    for _ in range(64):
        request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))


def drip(request: BaseHTTPRequestHandler, place: Place, name: str) -> None:
    """Send one byte now and then, so that no single wait is long."""
    request.send_response(200)
    request.send_header("Content-Type", ACTIVITY_JSON)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    for _ in range(60):
        request.wfile.write(b" ")
        request.wfile.flush()
        time.sleep(0.5)


def to_canary(place: Place, name: str) -> str:
    """Return an address of the canary that looks like an actor's."""
    return f"{place.canary.base}/users/{name}"


def spelt(host: str) -> Callable[[Place, str], str]:
    """Return the canary's address with its host spelt in another way."""
    return lambda place, name: f"http://{host}:{place.canary.base.rsplit(':', 1)[1]}/users/{name}"


def weak(bits: int, exponent: int = 65537) -> Callable[[dict[str, Any], Place], Any]:
    """Publish a key that is too weak to mean anything."""
    from fedcoop.protocol.multikey import public_key_to_pem

    pem = public_key_to_pem(rsa.generate_private_key(exponent, bits).public_key())
    return lambda doc, place: {**doc, "publicKey": {**doc["publicKey"], "publicKeyPem": pem}}


def key(**changes: Any) -> Callable[[dict[str, Any], Place], Any]:
    """Change members of the published key."""
    return lambda doc, place: {**doc, "publicKey": {**doc["publicKey"], **changes}}


def nested(depth: int) -> Callable[[dict[str, Any], Place], Any]:
    """Put something very deep into the document."""

    def change(doc: dict[str, Any], place: Place) -> dict[str, Any]:
        inside: Any = 1
        for _ in range(depth):
            inside = [inside]
        return {**doc, "attachment": inside}

    return change


UNKNOWN: Final = (401, {"key-unknown"})
AWAY: Final = (503, {"key-unreachable"})
NOT_ITS: Final = (401, {"key-owner-mismatch", "key-unknown"})

ROWS: Final[Mapping[str, tuple[Serve, tuple[int, set[str]]]]] = {
    **{
        f"redirected inside by {status}": (redirects(to_canary, status), UNKNOWN)
        for status in (301, 302, 303, 307, 308)
    },
    "redirected to this machine by name": (redirects(spelt("localhost")), UNKNOWN),
    "redirected to this machine in IPv6": (redirects(spelt("[::1]")), UNKNOWN),
    "redirected to a mapped address": (redirects(spelt("[::ffff:127.0.0.1]")), UNKNOWN),
    "redirected to an address as a number": (redirects(spelt("2130706433")), UNKNOWN),
    "redirected to an address in hexadecimal": (redirects(spelt("0x7f000001")), UNKNOWN),
    "redirected to an address in two parts": (redirects(spelt("127.1")), UNKNOWN),
    "redirected to nowhere in particular": (redirects(spelt("0.0.0.0")), UNKNOWN),
    "redirected with a name before the host": (redirects(spelt("coop.example@127.0.0.1")), UNKNOWN),
    "redirected to a file": (redirects(lambda place, name: "file:///etc/passwd"), UNKNOWN),
    "redirected to data": (redirects(lambda place, name: "data:application/activity+json,{}"), UNKNOWN),
    "redirected to itself": (redirects(lambda place, name: f"{place.peer.base}/users/{name}"), UNKNOWN),
    "another's document": (
        sends(lambda doc, place: {"id": place.peer.actor("alice"), **place.peer.actor_document("alice")}),
        NOT_ITS,
    ),
    "a document of another origin": (
        sends(lambda doc, place: {**doc, "id": f"{place.canary.base}/users/x"}),
        UNKNOWN,
    ),
    "a document of one of ours": (sends(lambda doc, place: {**doc, "id": place.ours.coop}), UNKNOWN),
    "a document without an id": (sends(lambda doc, place: {**doc, "id": None}), UNKNOWN),
    "a document with two ids": (sends(lambda doc, place: {**doc, "id": [doc["id"]]}), UNKNOWN),
    "no document but a list": (sends(lambda doc, place: [doc]), (401, {"key-unknown"})),
    "no type": (sends(lambda doc, place: {**doc, "type": None}), UNKNOWN),
    "no inbox": (sends(lambda doc, place: {**doc, "inbox": None}), UNKNOWN),
    "an inbox inside": (sends(lambda doc, place: {**doc, "inbox": f"{place.canary.base}/inbox"}), UNKNOWN),
    "no key": (sends(lambda doc, place: {**doc, "publicKey": None}), NOT_ITS),
    "a key of another owner": (sends(key(owner="https://other.example/actors/coop")), NOT_ITS),
    "a key by another name": (
        sends(lambda doc, place: {**doc, "publicKey": {**doc["publicKey"], "id": f"{doc['id']}#other"}}),
        NOT_ITS,
    ),
    "a key that is none": (sends(key(publicKeyPem="-----BEGIN PUBLIC KEY-----\nx\n")), UNKNOWN),
    "a key that is too long": (sends(key(publicKeyPem="A" * 100_000)), UNKNOWN),
    "a weak key": (sends(weak(1024)), (401, {"weak-key"})),
    "a key with a weak exponent": (sends(weak(2048, 3)), (401, {"weak-key"})),
    "eleven keys": (
        sends(lambda doc, place: {**doc, "publicKey": [doc["publicKey"]] * 11}),
        UNKNOWN,
    ),
    "another type of document": (raw(lambda body: body, Content_Type="application/json"), UNKNOWN),
    "a picture": (raw(lambda body: body, Content_Type="image/png"), UNKNOWN),
    "a page": (raw(lambda body: b"<html>" + body, Content_Type="text/html"), UNKNOWN),
    "a wrong profile": (
        raw(lambda body: body, Content_Type='application/ld+json; profile="https://x.example"'),
        UNKNOWN,
    ),
    "something packed": (raw(gzip.compress, Content_Encoding="gzip"), UNKNOWN),
    "a bomb": (raw(lambda body: gzip.compress(b" " * 64 * MIB + body), Content_Encoding="gzip"), UNKNOWN),
    "too much": (raw(lambda body: body + b" " * 2 * MIB), UNKNOWN),
    "too much, unannounced": (endless, UNKNOWN),
    "too slowly": (drip, AWAY),
    "not JSON": (raw(lambda body: body[:-1]), UNKNOWN),
    "a member twice": (raw(lambda body: body.replace(b"{", b'{"id": "x", ', 1)), UNKNOWN),
    "too deep": (sends(nested(200)), UNKNOWN),
    "gone": (raw(lambda body: body, status=410), UNKNOWN),
    "never there": (raw(lambda body: body, status=404), UNKNOWN),
    "for others": (raw(lambda body: body, status=403), UNKNOWN),
    "partly there": (raw(lambda body: body, status=206), UNKNOWN),
    "out of order": (raw(lambda body: body, status=500), AWAY),
    "busy": (raw(lambda body: body, status=429), AWAY),
}


ACTOR_ALL_THE_SAME: Final = frozenset(
    {
        "another's document",
        "no key",
        "a key of another owner",
        "a key by another name",
        "a key that is none",
        "a key that is too long",
        "a weak key",
        "a key with a weak exponent",
    }
)
"""Rows whose document is somebody's in every other respect."""


# -- what becomes of it ---------------------------------------------------------------------------------------------


def letter_of(place: Place, name: str, number: int) -> Letter:
    """Return what the actor says: the same for all, under an id of its own."""
    note = place.peer.note(by=name, id=f"{place.peer.base}/notes/{name}-{number}")
    create = place.peer.create(note, by=name, id=f"{place.peer.base}/activities/{name}-{number}")
    return place.peer.letter(create, f"{place.ours.base}/inbox", by=name)


@pytest.mark.parametrize("title", ROWS)
def test_a_hostile_key_server_is_refused_and_its_honest_twin_is_heard(place: Place, title: str) -> None:
    serve, (status, codes) = ROWS[title]
    number = list(ROWS).index(title)
    place = place.among(number)
    hostile, honest = f"spoilt{number}", f"honest{number}"
    place.peer.actor(hostile)
    place.peer.ways[f"/users/{hostile}"] = lambda request: serve(request, place, hostile)
    place.peer.asked.clear()
    before = place.hood.tables()
    refused = letter_of(place, hostile, 1).send()
    assert (refused.status, refused.code in codes) == (status, True), refused.body
    after = place.hood.tables()
    if title in ACTOR_ALL_THE_SAME:
        # What its server says of itself was asked for, and is kept as that; nothing that was sent is.
        before.pop("actor"), after.pop("actor")
    assert after == before, "something was stored"
    # A key document may name its owner, at the same server, who is asked whether it is so (SIG-19).
    owners = ["/users/alice"] if title == "another's document" else []
    assert place.peer.fetched == owners, "something else was fetched"
    heard = letter_of(place, honest, 1).send()
    assert (heard.status, heard.outcome) == (202, "accepted"), heard.body
    assert place.canary.asked == [], "the canary was reached"


KEY_IDS: Final[Mapping[str, Callable[[Place, str], str]]] = {
    "an address inside": lambda place, actor: f"{place.canary.base}/users/alice#main-key",
    "this machine by name": lambda place, actor: spelt("localhost")(place, "alice"),
    "this machine in IPv6": lambda place, actor: spelt("[::1]")(place, "alice"),
    "a mapped address": lambda place, actor: spelt("[::ffff:7f00:1]")(place, "alice"),
    "an address as a number": lambda place, actor: spelt("2130706433")(place, "alice"),
    "a name before the host": lambda place, actor: actor.replace("http://", "http://127.0.0.1@"),
    "a trailing dot": lambda place, actor: spelt("127.0.0.1.")(place, "alice"),
    "an account": lambda place, actor: f"acct:alice@{place.peer.base.removeprefix('http://')}",
    "a script": lambda place, actor: "javascript:alert(1)",
    "a file": lambda place, actor: "file:///etc/passwd",
    "a backslash": lambda place, actor: actor.replace("http://", "http:\\\\"),
    "a blank": lambda place, actor: actor.replace("/users/", "/us ers/"),
    "nothing": lambda place, actor: "",
}


@pytest.mark.parametrize("title", KEY_IDS)
def test_a_key_id_leads_nowhere_but_to_its_actor(place: Place, title: str) -> None:
    number = list(KEY_IDS).index(title)
    place, name = place.among(number), f"pointing{number}"
    letter = letter_of(place, name, 1)
    place.peer.asked.clear()
    before = place.hood.tables()
    pointing = replace(letter, key_id=KEY_IDS[title](place, place.peer.actor(name)))
    refused = pointing.send()
    assert (refused.status, refused.code != "") == (401, True), refused.body
    assert place.hood.tables() == before, "something was stored"
    assert (place.peer.asked, place.canary.asked) == ([], []), "something was fetched"
    assert letter.send().outcome == "accepted"
