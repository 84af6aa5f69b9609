"""Signed questions to peers: what is sent, and what of the answers is believed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, Final

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from fedcoop.errors import Forbidden, Malformed, NotFound, Unavailable
from fedcoop.net.asking import HttpAsker
from fedcoop.net.knocking import Knocker
from fedcoop.protocol import cavage, limits
from fedcoop.protocol.messages import RawRequest
from tests.conftest import NOON, StoppedClock
from tests.net.conftest import Stranger, a_session

COOP: Final = "https://coop-lyon.example/actors/coop"
BODY: Final = b'{"type": "Reconcile"}'
JSON: Final = "application/json"


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
async def asker(
    stranger: Stranger, private_key: rsa.RSAPrivateKey, clock: StoppedClock
) -> AsyncIterator[HttpAsker]:
    ring: Any = SimpleNamespace(http_key=lambda actor: (f"{actor}#main-key", private_key))
    async with a_session(stranger.base) as session:
        yield HttpAsker(session, Knocker(ring, clock), allow_origins=frozenset({stranger.base}))


async def ask(asker: HttpAsker, url: str) -> Any:
    return await asker.ask(url, BODY, sender=COOP)


async def test_a_question_is_signed_and_its_answer_read(
    asker: HttpAsker, stranger: Stranger, private_key: rsa.RSAPrivateKey
):
    url = stranger.serve("/api/v1/reconcile", {"heads": []}, content_type=JSON)
    assert await ask(asker, url) == {"heads": []}
    (request,) = stranger.asked
    arrived = RawRequest(request.method, request.raw_path, tuple(request.headers.items()), stranger.bodies[0])
    assert (arrived.method, arrived.target, arrived.body) == ("POST", "/api/v1/reconcile", BODY)
    parsed = cavage.parse(arrived)
    cavage.check_time(parsed, arrived, now=NOON, window=limits.SIGNATURE_WINDOW)
    cavage.check_host(arrived, public_hosts=cavage.public_hosts(stranger.base))
    cavage.verify(parsed, arrived, private_key.public_key())


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (404, NotFound),
        (405, NotFound),
        (501, NotFound),
        (401, Forbidden),
        (403, Forbidden),
        (302, Forbidden),
        (204, Forbidden),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
async def test_what_is_not_answered_is_said_to_be_so(
    asker: HttpAsker, stranger: Stranger, status: int, refusal: type[Exception]
):
    body = b"" if status == 204 else b"{}"
    url = stranger.serve("/q", body, status=status, content_type=JSON, headers={"Location": "/elsewhere"})
    with pytest.raises(refusal):
        await ask(asker, url)
    # The other dialect once, where the first was not understood.
    assert stranger.paths == ["/q"] * (2 if status == 401 else 1)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"{", {}),
        (b"[]", {}),
        (b'{"a": "' + b"x" * limits.MAX_FETCH_BODY + b'"}', {}),
        (b"{}", {"Content-Encoding": "gzip"}),
    ],
)
async def test_an_answer_that_is_no_plain_json_object_is_refused(
    asker: HttpAsker, stranger: Stranger, body: bytes, headers: dict[str, str]
):
    url = stranger.serve("/q", body, content_type=JSON, headers=headers)
    with pytest.raises(Malformed):
        await ask(asker, url)


async def test_nobody_is_asked_where_we_do_not_post(asker: HttpAsker, stranger: Stranger):
    for url in ("http://10.0.0.1/q", "file:///etc/passwd", "https://user@coop.example/q"):
        with pytest.raises(Malformed):
            await ask(asker, url)
    assert stranger.asked == []


async def test_a_server_that_is_not_there_is_unavailable(asker: HttpAsker, stranger: Stranger):
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    stranger.pages["/q"] = hang_up
    with pytest.raises(Unavailable):
        await ask(asker, stranger.base + "/q")
