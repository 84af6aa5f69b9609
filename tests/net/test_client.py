"""There is one way out, and it carries nothing that we did not put in."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey

from fedcoop.errors import Misconfigured
from fedcoop.net.client import Slots, failure_of, open_session
from fedcoop.net.guard import AddressRefused
from tests.net.conftest import Authority, Canary, Stranger, a_session, a_stranger


async def test_a_request_says_who_we_are_and_asks_for_no_encoding(stranger: Stranger):
    stranger.serve("/", {})
    async with a_session(stranger.base, contact="https://coop.example") as session:
        await (await session.get(stranger.base + "/")).read()
    headers = stranger.asked[0].headers
    assert headers["User-Agent"].startswith("fedcoop/")
    assert "https://coop.example" in headers["User-Agent"]
    assert headers["Accept-Encoding"] == "identity"


async def test_cookies_are_neither_kept_nor_sent(stranger: Stranger):
    stranger.serve("/", {}, headers={"Set-Cookie": "id=1; Path=/"})
    async with a_session(stranger.base) as session:
        for _ in range(2):
            await (await session.get(stranger.base + "/")).read()
    assert "Cookie" not in stranger.asked[1].headers


async def test_a_proxy_in_the_environment_is_not_used(
    stranger: Stranger, canary: Canary, monkeypatch: pytest.MonkeyPatch
):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    stranger.serve("/", {})
    async with a_session(stranger.base) as session, session.get(stranger.base + "/") as response:
        assert response.status == 200


async def test_names_are_looked_up_anew_for_every_connection():
    async with a_session() as session:
        assert isinstance(session.connector, aiohttp.TCPConnector)
        assert session.connector.use_dns_cache is False


async def test_nothing_is_unpacked_by_itself(stranger: Stranger):
    stranger.serve("/", b"\x1f\x8b not really", headers={"Content-Encoding": "gzip"})
    async with a_session(stranger.base) as session, session.get(stranger.base + "/") as response:
        assert await response.read() == b"\x1f\x8b not really"


# -- TLS ----------------------------------------------------------------------------------------------------


async def test_a_certificate_of_an_unknown_authority_is_refused(authority: Authority):
    async with (
        a_stranger(ssl_context=authority.server_context) as stranger,
        a_session(stranger.base) as session,
    ):
        with pytest.raises(aiohttp.ClientConnectorCertificateError) as caught:
            await session.get(stranger.base + "/")
    assert failure_of(caught.value) == "tls"


async def test_an_extra_ca_file_makes_its_authority_trusted(authority: Authority):
    async with (
        a_stranger(ssl_context=authority.server_context) as stranger,
        a_session(stranger.base, extra_ca_file=str(authority.ca_file)) as session,
    ):
        stranger.serve("/", {})
        async with session.get(stranger.base + "/") as response:
            assert response.status == 200


async def test_an_extra_ca_file_adds_to_the_systems_authorities(authority: Authority):
    async with a_session(extra_ca_file=str(authority.ca_file)) as extended, a_session() as plain:
        counts = []
        for session in (plain, extended):
            assert isinstance(session.connector, aiohttp.TCPConnector)
            context = session.connector._ssl
            assert isinstance(context, ssl.SSLContext)
            assert context.minimum_version == ssl.TLSVersion.TLSv1_2
            counts.append(context.cert_store_stats()["x509"])
        assert counts[1] == counts[0] + 1


@pytest.mark.parametrize("content", [None, "", "not a certificate"])
async def test_an_extra_ca_file_that_cannot_be_read_is_named(tmp_path: Path, content: str | None):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Misconfigured, match=r"extra_ca_file: .*ca\.pem"):
        open_session(extra_ca_file=str(path))


# -- words for failures ---------------------------------------------------------------------------------

KEY = ConnectionKey("coop.example", 443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (
            aiohttp.ClientConnectorError(KEY, AddressRefused("10.0.0.1 is not a public address")),
            "address-refused",
        ),
        (aiohttp.ClientConnectorDNSError(KEY, AddressRefused("mixed")), "address-refused"),
        (aiohttp.InvalidURL("http://127.1"), "address-refused"),
        (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "no such host")), "dns"),
        (aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "refused")), "connect"),
        (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "handshake")), "tls"),
        (aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError(1, "expired")), "tls"),
        (TimeoutError(), "timeout"),
        (aiohttp.ConnectionTimeoutError("connect"), "timeout"),
        (aiohttp.ServerDisconnectedError(), "disconnected"),
        (aiohttp.ClientPayloadError("cut"), "disconnected"),
        (ConnectionResetError(104, "reset"), "connection"),
    ],
)
def test_every_failure_has_a_word(error: BaseException, word: str):
    assert failure_of(error) == word


async def test_an_answer_that_is_not_http_has_a_word(raw_server: object):
    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")

    async with raw_server(speak) as base, a_session(base) as session:  # type: ignore[operator]
        with pytest.raises(aiohttp.ClientError) as caught:
            await session.get(base + "/")
    assert failure_of(caught.value) == "not-http"


# -- slots ----------------------------------------------------------------------------------------------


async def highest(slots: Slots, destinations: list[str]) -> int:
    """Ask for a slot for each destination at once; return how many were held together at most."""
    held = most = 0

    async def work(destination: str) -> None:
        nonlocal held, most
        async with slots.hold(destination):
            held += 1
            most = max(most, held)
            await asyncio.sleep(0.001)
            held -= 1

    await asyncio.gather(*(work(destination) for destination in destinations))
    return most


async def test_a_destination_gets_so_many_slots_and_no_more():
    assert await highest(Slots(each=4, total=64), ["a"] * 20) == 4


async def test_all_destinations_together_get_so_many_slots_and_no_more():
    assert await highest(Slots(each=4, total=6), ["a", "b", "c", "d"] * 5) == 6


async def test_waiting_for_a_slow_destination_takes_no_slot_from_another():
    slots = Slots(each=1, total=2)
    async with slots.hold("slow"):
        waiting = [asyncio.create_task(highest(slots, ["slow"])) for _ in range(5)]
        await asyncio.sleep(0)
        async with asyncio.timeout(1):
            assert await highest(slots, ["quick"]) == 1
    await asyncio.gather(*waiting)


async def test_an_idle_destination_is_forgotten():
    slots = Slots(each=1, total=2)
    await highest(slots, [f"dead-{n}.example" for n in range(50)])
    with pytest.raises(RuntimeError):
        async with slots.hold("failing"):
            raise RuntimeError
    assert slots._queues == {}


async def test_deliveries_do_not_keep_a_key_from_being_fetched(stranger: Stranger):
    """Two servers deliver to each other on every slot, and each waits for the other's key."""
    going = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        await going.wait()
        return web.Response(status=202)

    stranger.pages["/inbox"] = slow
    stranger.serve("/key", {})
    posts = Slots(each=4, total=64)
    async with a_session(stranger.base) as session:

        async def deliver() -> int:
            async with posts.hold(stranger.base), session.post(stranger.base + "/inbox") as response:
                return response.status

        deliveries = [asyncio.create_task(deliver()) for _ in range(20)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(2), session.get(stranger.base + "/key") as response:
            assert response.status == 200
        going.set()
        assert set(await asyncio.gather(*deliveries)) == {202}
