"""Strangers to talk to, all on the loopback: one answers as it is told, one must never be called."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fedcoop.net.client import open_session
from fedcoop.net.guard import allowed_addresses

ACTIVITY_JSON: Final = "application/activity+json"

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Stranger:
    """A server whose pages the test sets: path (as on the request line) to a function of the request."""

    base: str = ""
    pages: dict[str, Handler] = field(default_factory=dict)
    asked: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [request.raw_path for request in self.asked]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        assert request.transport is not None
        self.connections.add(request.transport.get_extra_info("peername"))
        page = self.pages.get(request.raw_path)
        return await page(request) if page else web.Response(status=404)

    def serve(
        self,
        path: str,
        document: Any,
        *,
        status: int = 200,
        content_type: str | None = ACTIVITY_JSON,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Answer `path` with a document (bytes are sent as they are); return its URL."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        sent = dict(headers or {}) | ({"Content-Type": content_type} if content_type else {})

        async def page(request: web.Request) -> web.Response:
            return web.Response(status=status, body=body, headers=sent)

        self.pages[path] = page
        return self.base + path

    def redirect(self, path: str, location: str, *, status: int = 302) -> str:
        """Answer `path` with a redirect; return its URL."""
        return self.serve(path, b"", status=status, headers={"Location": location})

    def actor(self, path: str = "/actors/coop", **changed: Any) -> dict[str, Any]:
        """Return an actor document for `path`, and serve it there."""
        me = self.base + path
        document = an_actor(me) | changed
        self.serve(path, document)
        return document


def an_actor(actor_id: str) -> dict[str, Any]:
    """Return the smallest whole actor; its keys are not keys, only listed."""
    return {
        "@context": ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"],
        "id": actor_id,
        "type": "Organization",
        "inbox": actor_id + "/inbox",
        "outbox": actor_id + "/outbox",
        "publicKey": {"id": actor_id + "#main-key", "owner": actor_id, "publicKeyPem": "PEM"},
        "assertionMethod": [
            {
                "id": actor_id + "#ed25519-1",
                "type": "Multikey",
                "controller": actor_id,
                "publicKeyMultibase": "z6Mk",
            }
        ],
    }


@asynccontextmanager
async def a_stranger(*, ssl_context: Any = None, host: str = "127.0.0.1") -> AsyncIterator[Stranger]:
    stranger = Stranger()
    runner = web.ServerRunner(web.Server(stranger.answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
    await site.start()
    port = runner.addresses[0][1]
    stranger.base = f"{'https' if ssl_context else 'http'}://{host}:{port}"
    try:
        yield stranger
    finally:
        await runner.cleanup()


@pytest.fixture
async def stranger() -> AsyncIterator[Stranger]:
    async with a_stranger() as one:
        yield one


@pytest.fixture
async def other() -> AsyncIterator[Stranger]:
    async with a_stranger() as one:
        yield one


@dataclass
class Canary:
    """A listener that must not be called: it counts connections, however short."""

    port: int = 0
    calls: int = 0


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    """A canary on every loopback address that this machine has; the test fails if it was called."""
    bird = Canary()

    async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bird.calls += 1
        writer.close()

    servers = [await asyncio.start_server(called, "0.0.0.0")]
    bird.port = servers[0].sockets[0].getsockname()[1]
    with contextlib.suppress(OSError):
        servers.append(await asyncio.start_server(called, "::1", bird.port))
    yield bird
    # A connection that is made is accepted in the loop's next turns.
    await asyncio.sleep(0.02)
    for server in servers:
        server.close()
    assert bird.calls == 0, "the canary was called"


class Rebinding(AbstractResolver):
    """A name server that answers whatever it likes, past the check in our own resolver."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=self.address, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None: ...


Speech: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def a_raw_server(speech: Speech) -> AsyncIterator[str]:
    """A server that reads the head of a request and then does what `speech` does; yields its base URL."""

    talks: set[asyncio.Task[Any]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        assert me is not None
        talks.add(me)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await speech(writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1")
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


@asynccontextmanager
async def a_session(*allow_origins: str, **settings: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """The session of the server under test, with these origins opened (decision D10)."""
    session = open_session(allowed=allowed_addresses(allow_origins), **settings)
    try:
        yield session
    finally:
        await session.close()


@pytest.fixture
def raw_server() -> Callable[[Speech], Any]:
    return a_raw_server


# -- certificates -------------------------------------------------------------------------------------------


@dataclass
class Authority:
    """A certificate authority of this test, and a server certificate of it for 127.0.0.1."""

    ca_file: Path
    server_context: ssl.SSLContext


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    ca_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("Test authority", ca_key.public_key(), "Test authority", ca_key, ca=True)
    leaf = _certificate("127.0.0.1", server_key.public_key(), "Test authority", ca_key, ca=False)
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + leaf.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return Authority(folder / "ca.pem", context)


def _certificate(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
