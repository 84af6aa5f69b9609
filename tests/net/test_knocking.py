"""A server is knocked at as it last opened; else as it announces; else in the old way; and the other way once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest
import yarl
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedcoop.errors import Unavailable
from fedcoop.net.knocking import Attempt, Knocker, is_about_the_signature, way_for
from fedcoop.ports import KeyRing, Knock, Knocks, Way
from fedcoop.protocol import limits, messagesig, signatures
from fedcoop.protocol.actors import RFC9421, RFC9421_ED25519
from fedcoop.protocol.messages import Document, RawRequest
from tests.conftest import NOON, StoppedClock

COOP: Final = "https://coop.example/actors/coop"
PEER: Final = "https://peer.example"
INBOX: Final = f"{PEER}/inbox"
RSA: Final = rsa.generate_private_key(65537, 2048)
ED: Final = Ed25519PrivateKey.generate()
WAYS: Final[Sequence[Way]] = ("draft-cavage", "rfc9421", "rfc9421-ed25519")


class Ring(KeyRing):
    """Both keys of one actor."""

    def http_key(self, actor: str) -> tuple[str, rsa.RSAPrivateKey]:
        return f"{actor}#main-key", RSA

    def proof_key(self, actor: str) -> tuple[str, Ed25519PrivateKey]:
        return f"{actor}#ed25519-1", ED


class Memory(Knocks):
    """A store of one dictionary."""

    def __init__(self, receiver: Document | None = None) -> None:
        self.kept: dict[str, Knock] = {}
        self.writes = 0
        self.asked = 0
        self._receiver = receiver

    async def last(self, origin: str) -> Knock | None:
        self.asked += 1
        return self.kept.get(origin)

    async def receiver(self, inbox: str) -> Document | None:
        return self._receiver if inbox == INBOX else None

    async def keep(self, knock: Knock) -> None:
        self.writes += 1
        self.kept[knock.origin] = knock


def announcing(*capabilities: str) -> Document:
    return {"generator": {"type": "Application", "implements": [{"href": href} for href in capabilities]}}


def knocker(clock: StoppedClock, memory: Memory | None = None) -> Knocker:
    return Knocker(Ring(), clock, memory)


# -- the first knock ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("receiver", "way"),
    [
        (None, "draft-cavage"),
        ({}, "draft-cavage"),
        (announcing("https://w3id.org/fedcoop/v1"), "draft-cavage"),
        (announcing(RFC9421), "rfc9421"),
        (announcing(RFC9421, RFC9421_ED25519), "rfc9421-ed25519"),
        (announcing(RFC9421_ED25519), "rfc9421-ed25519"),
    ],
)
async def test_a_server_that_we_do_not_know_is_asked_as_its_actor_announces(
    clock: StoppedClock, receiver: Document | None, way: Way
):
    assert await knocker(clock, Memory(receiver)).first(INBOX) == Attempt(way)
    assert await knocker(clock).first(INBOX) == Attempt("draft-cavage")
    if receiver is not None:
        assert way_for(receiver) == way


@pytest.mark.parametrize("way", WAYS)
async def test_a_success_is_remembered_before_what_is_announced_and_by_other_processes(
    clock: StoppedClock, way: Way
):
    memory = Memory(announcing(RFC9421))
    ours = knocker(clock, memory)
    await ours.opened(INBOX, Attempt(way))
    for asking in (ours, knocker(clock, memory)):
        assert await asking.first(INBOX) == Attempt(way)
        assert await asking.first(f"{PEER}/users/awa/inbox") == Attempt(way)
        assert (await asking.first("https://peer.example:8443/inbox")) == Attempt("draft-cavage")


async def test_a_success_is_remembered_for_seven_days(clock: StoppedClock):
    memory = Memory(announcing(RFC9421))
    ours = knocker(clock, memory)
    await ours.opened(INBOX, Attempt("draft-cavage"))
    clock.advance(days=7, seconds=-1)
    assert (await ours.first(INBOX)).way == (await knocker(clock, memory).first(INBOX)).way == "draft-cavage"
    clock.advance(seconds=1)
    assert (await ours.first(INBOX)).way == (await knocker(clock, memory).first(INBOX)).way == "rfc9421"


async def test_a_clock_that_was_set_back_knows_nothing_of_tomorrow(clock: StoppedClock):
    ours = knocker(clock, Memory())
    await ours.opened(INBOX, Attempt("rfc9421"))
    clock.advance(seconds=-1)
    assert await ours.first(INBOX) == Attempt("draft-cavage")


async def test_rfc_9421_is_renewed_from_day_to_day_and_draft_cavage_is_not(clock: StoppedClock):
    for way, learnt in (("rfc9421", 6), ("draft-cavage", 0)):
        memory = Memory()
        ours = knocker(clock, memory)
        began = clock()
        for _ in range(6 * 24):
            await ours.opened(INBOX, Attempt(way))  # type: ignore[arg-type]
            clock.advance(hours=1)
        await ours.opened(INBOX, Attempt(way))  # type: ignore[arg-type]
        assert (memory.kept[PEER].learnt_at - began).days == learnt
        assert memory.writes == learnt + 1


async def test_what_a_peer_takes_now_displaces_what_it_took_before(clock: StoppedClock):
    memory = Memory()
    ours = knocker(clock, memory)
    for way in WAYS:
        await ours.opened(INBOX, Attempt(way))
        assert await ours.first(INBOX) == Attempt(way)
    assert memory.kept == {PEER: Knock(PEER, "rfc9421-ed25519", NOON)}


async def test_a_store_that_cannot_be_written_does_not_undo_a_delivery(clock: StoppedClock):
    class Full(Memory):
        async def keep(self, knock: Knock) -> None:
            raise Unavailable("unavailable", "Full.")

    ours = knocker(clock, Full())
    await ours.opened(INBOX, Attempt("rfc9421"))
    assert await ours.first(INBOX) == Attempt("rfc9421")


async def test_the_store_is_asked_once_for_a_server_that_is_known(clock: StoppedClock):
    memory = Memory()
    memory.kept[PEER] = Knock(PEER, "rfc9421", NOON)
    ours = knocker(clock, memory)
    for _ in range(5):
        assert await ours.first(INBOX) == Attempt("rfc9421")
    assert memory.asked == 1


async def test_what_is_kept_in_memory_has_an_end(clock: StoppedClock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MAX_KNOCKS_REMEMBERED", 3)
    ours = knocker(clock)
    for n in range(5):
        await ours.opened(f"https://n{n}.example/inbox", Attempt("rfc9421"))
    known = [(await ours.first(f"https://n{n}.example/inbox")).way for n in range(5)]
    assert known == ["draft-cavage", "draft-cavage", "rfc9421", "rfc9421", "rfc9421"]


# -- the second knock ---------------------------------------------------------------------------------------

PLAIN: Final = 'sig1=("@method" "@target-uri" "content-digest");created'
NONCE: Final = 'w=("@method" "@target-uri" "content-digest");created;nonce="n1"'
MORE: Final = 'w=("@method" "@target-uri" "@authority" "date");created'
THREE: Final = ("@method", "@target-uri", "content-digest")


@pytest.mark.parametrize(
    ("tried", "wish", "second"),
    [
        ("draft-cavage", None, Attempt("rfc9421")),
        ("rfc9421", None, Attempt("draft-cavage")),
        ("rfc9421-ed25519", None, Attempt("draft-cavage")),
        ("draft-cavage", PLAIN, Attempt("rfc9421", messagesig.Wanted("sig1", THREE))),
        ("rfc9421", PLAIN, Attempt("draft-cavage")),
        ("rfc9421-ed25519", PLAIN, Attempt("draft-cavage")),
        ("draft-cavage", NONCE, Attempt("rfc9421", messagesig.Wanted("w", THREE, nonce="n1"))),
        ("rfc9421", NONCE, Attempt("rfc9421", messagesig.Wanted("w", THREE, nonce="n1"))),
        (
            "rfc9421",
            MORE,
            Attempt("rfc9421", messagesig.Wanted("w", ("@method", "@target-uri", "@authority", "date"))),
        ),
        (
            "draft-cavage",
            PLAIN + ';alg="ed25519"',
            Attempt("rfc9421-ed25519", messagesig.Wanted("sig1", THREE, algorithm="ed25519")),
        ),
        (
            "rfc9421-ed25519",
            PLAIN + ';alg="rsa-v1_5-sha256"',
            Attempt("rfc9421", messagesig.Wanted("sig1", THREE, algorithm="rsa-v1_5-sha256")),
        ),
        ("rfc9421", PLAIN + ';alg="hmac-sha256"', Attempt("draft-cavage")),
        ("draft-cavage", 'sig1=("cookie")', Attempt("rfc9421")),
        ("rfc9421", "nonsense((", Attempt("draft-cavage")),
    ],
)
def test_the_second_knock_is_what_was_asked_for_else_the_other_way(
    clock: StoppedClock, tried: Way, wish: str | None, second: Attempt
):
    wishes = () if wish is None else (wish,)
    assert knocker(clock).second(Attempt(tried), wishes, method="POST", sender=COOP) == second


@pytest.mark.parametrize(
    ("status", "problem", "about"),
    [
        (400, None, True),
        (401, None, True),
        (401, "signature-invalid", True),
        (401, "proof-invalid", True),
        (400, "what-nobody-knows", True),
        (400, "malformed-json", False),
        (400, "bad-id", False),
        (202, None, False),
        (403, None, False),
        (404, None, False),
        (429, None, False),
        (500, None, False),
    ],
)
def test_only_an_answer_about_the_signature_is_knocked_at_again(
    status: int, problem: str | None, about: bool
):
    assert is_about_the_signature(status, problem) is about


# -- what is sent -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("path", ["/inbox", "/%7Ecoop/inbox?a=b%2Fc&d=%40", "/"])
def test_what_is_signed_passes_the_checks_of_a_receiver(
    clock: StoppedClock, way: Way, method: str, path: str
):
    body = b"{}" if method == "POST" else None
    url = yarl.URL(PEER + path, encoded=True)
    headers = knocker(clock).sign(Attempt(way), method=method, url=url, body=body, sender=COOP)
    request = RawRequest(method, path, tuple(headers.items()), body or b"")
    signature = signatures.read(request, public_origin=PEER)
    signatures.check_time(signature, request, now=NOON, window=limits.SIGNATURE_WINDOW)
    signatures.check_coverage(signature, request)
    signatures.check_target(signature, request, public_origin=PEER)
    if body is not None:
        signatures.check_body(signature, request)
    key: Any = ED if way == "rfc9421-ed25519" else RSA
    signatures.verify(signature, request, key.public_key())
    assert signature.dialect == way.removesuffix("-ed25519")
