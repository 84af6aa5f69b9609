"""The one way out: every request that this server makes leaves through a session opened here.

A second HTTP client is a client that forgot the guard (`tests/test_house.py` looks for one).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver

from fedcoop import __version__
from fedcoop.errors import Misconfigured
from fedcoop.net.guard import NOTHING_ALLOWED, AddressRefused, Allowed, GuardedResolver, socket_factory
from fedcoop.protocol import limits

CONNECTIONS: Final = limits.MAX_POSTS_AT_ONCE + limits.MAX_FETCHES_AT_ONCE
"""Deliveries and fetches each count their own (`Slots`): two servers whose deliveries took every connection
would wait for each other's keys, for which no connection is left."""


def open_session(
    *,
    allowed: Allowed = NOTHING_ALLOWED,
    extra_ca_file: str | None = None,
    contact: str = "",
    resolver: AbstractResolver | None = None,
) -> aiohttp.ClientSession:
    """Return the session for every outbound request; the caller closes it. Call it inside a running loop.

    `contact` is our base URL, for the log of whoever we call. `resolver` is for tests.

    Raises:
        Misconfigured: `extra_ca_file` cannot be read as PEM certificates.
    """
    connector = aiohttp.TCPConnector(
        resolver=resolver or GuardedResolver(allowed),
        socket_factory=socket_factory(allowed),
        # A cached answer of DNS would outlive what the guard was shown.
        use_dns_cache=False,
        ssl=_tls(extra_ca_file),
        limit=CONNECTIONS,
        keepalive_timeout=limits.OUTBOUND_KEEP_ALIVE.total_seconds(),
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        # The environment's proxies would connect for us, past the guard.
        trust_env=False,
        # What is compressed may be a bomb: encoded answers are refused, never unpacked.
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(
            total=None,
            # TCP and TLS, which aiohttp counts together.
            sock_connect=2 * limits.FETCH_CONNECT_TIME.total_seconds(),
            sock_read=limits.FETCH_IDLE_TIME.total_seconds(),
        ),
        headers={
            "User-Agent": f"fedcoop/{__version__}" + (f" (+{contact})" if contact else ""),
            "Accept-Encoding": "identity",
        },
        requote_redirect_url=False,
    )


def _tls(extra_ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if extra_ca_file is not None:
        try:
            context.load_verify_locations(cafile=extra_ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(
                "misconfigured",
                f"extra_ca_file: {extra_ca_file} holds no certificate that can be read ({error}); "
                "it must be a PEM file of the authorities to trust besides the system's own",
            ) from error
    return context


TRANSPORT_FAILURES: Final = (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError)
"""What a request may end with when no whole answer came."""


def failure_of(error: BaseException) -> str:
    """Return in one short word why no answer came: for logs, retry reasons and problem details."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, AddressRefused):
        return "address-refused"
    for kinds, word in _WORDS:
        if isinstance(error, kinds):
            return word
    return "connection"


_WORDS: Final[tuple[tuple[tuple[type[BaseException], ...], str], ...]] = (
    ((AddressRefused, aiohttp.InvalidURL), "address-refused"),
    ((TimeoutError,), "timeout"),
    ((aiohttp.ClientConnectorDNSError,), "dns"),
    (
        (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError, aiohttp.ClientSSLError),
        "tls",
    ),
    ((aiohttp.ClientConnectorError,), "connect"),
    ((aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError), "disconnected"),
    ((aiohttp.ClientResponseError,), "not-http"),
)


@dataclass(slots=True)
class _Queue:
    turn: asyncio.Semaphore
    users: int = 0


class Slots:
    """At most `each` requests at once per destination, `total` in all; an idle destination is forgotten."""

    def __init__(self, *, each: int, total: int) -> None:
        self._each = each
        self._total = asyncio.Semaphore(total)
        self._queues: dict[str, _Queue] = {}

    @asynccontextmanager
    async def hold(self, destination: str) -> AsyncIterator[None]:
        """Wait for a slot and keep it inside the block; waiting for one destination holds up no other."""
        queue = self._queues.setdefault(destination, _Queue(asyncio.Semaphore(self._each)))
        queue.users += 1
        try:
            async with queue.turn, self._total:
                yield
        finally:
            queue.users -= 1
            if queue.users == 0:
                # Kept for ever, it would be a leak that any stranger can feed (CVE-2026-69132).
                del self._queues[destination]
