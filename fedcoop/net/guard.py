"""Which addresses we connect to: checked where the socket is made, after every name, redirect and DNS.

A filter in the resolver alone is not enough (aiohttp does not ask it about IP literals), and
`ipaddress.is_global` is not a filter (it calls multicast, NAT64, 6to4 and `::127.0.0.1` global). So: a deny
list of our own, from the IANA special-purpose registries; nothing is unwrapped, what embeds an IPv4 address
is refused as a whole.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from fedcoop.errors import Misconfigured
from fedcoop.protocol import limits

Allowed: TypeAlias = frozenset[tuple[str, int]]
"""Exact (address, port) pairs that the operator opened by `allow_origins` (D10); empty in production."""

NOTHING_ALLOWED: Final[Allowed] = frozenset()

HTTPS_PORT: Final = 443

DNS_THREADS: Final = 16
"""A pool of its own: names that never answer must not hold up whatever else waits in threads."""


def _v4(*texts: str) -> tuple[ipaddress.IPv4Network, ...]:
    return tuple(ipaddress.IPv4Network(text) for text in texts)


def _v6(*texts: str) -> tuple[ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.IPv6Network(text) for text in texts)


SPECIAL_V4: Final = _v4(
    "0.0.0.0/8",  # this network (RFC 791)
    "10.0.0.0/8",  # private use (RFC 1918)
    "100.64.0.0/10",  # shared address space, carrier-grade NAT (RFC 6598)
    "127.0.0.0/8",  # loopback (RFC 1122)
    "168.63.129.16/32",  # the platform address of a large cloud: not in the registry, never a co-op
    "169.254.0.0/16",  # link local, metadata services (RFC 3927)
    "172.16.0.0/12",  # private use (RFC 1918)
    "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
    "192.0.2.0/24",  # documentation (RFC 5737)
    "192.31.196.0/24",  # AS112 (RFC 7535)
    "192.52.193.0/24",  # AMT (RFC 7450)
    "192.88.99.0/24",  # 6to4 relay, deprecated (RFC 7526)
    "192.168.0.0/16",  # private use (RFC 1918)
    "192.175.48.0/24",  # direct delegation AS112 (RFC 7534)
    "198.18.0.0/15",  # benchmarking (RFC 2544)
    "198.51.100.0/24",  # documentation (RFC 5737)
    "203.0.113.0/24",  # documentation (RFC 5737)
    "224.0.0.0/4",  # multicast (RFC 5771)
    "240.0.0.0/4",  # reserved, limited broadcast (RFC 1112, RFC 919)
)

GLOBAL_UNICAST_V6: Final = ipaddress.IPv6Network("2000::/3")
"""The only part of IPv6 from which public addresses are given out. Outside lie loopback, `::a.b.c.d`, mapped
addresses, NAT64, discard-only, segment routing, unique-local, link-local, site-local and multicast."""

SPECIAL_V6: Final = _v6(
    "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID … (RFC 2928)
    "2001:db8::/32",  # documentation (RFC 3849)
    "2002::/16",  # 6to4: embeds an IPv4 address (RFC 3056)
    "2620:4f:8000::/48",  # direct delegation AS112 (RFC 7534)
    "3fff::/20",  # documentation (RFC 9637)
)


class AddressRefused(OSError):
    """We do not connect there. An OSError, because aiohttp passes on no other exception from a connector.

    `errno` is set: an OSError without one is taken for a time-out further up.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(1, reason)
        self.reason = reason


def check_address(host: str, port: int, allowed: Allowed) -> None:
    """Raise AddressRefused unless a stranger may make us connect to this address and port."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        # (1) Only a canonical literal names one address; a name would be resolved again, after the check.
        raise AddressRefused(f"{host!r} is not an address") from error
    # (2) What the operator opened, as an exact pair: another port of the same machine stays shut.
    if (str(address), port) in allowed:
        return
    # (3) Other ports are other services: mail, databases, administration.
    if port != HTTPS_PORT:
        raise AddressRefused(f"port {port} is not {HTTPS_PORT}")
    if isinstance(address, ipaddress.IPv4Address):
        # (4) Special IPv4 ranges.
        if any(address in network for network in SPECIAL_V4):
            raise AddressRefused(f"{address} is not a public address")
        return
    # (5) Only global unicast IPv6; nothing is unwrapped, so nothing can be wrapped.
    if address.scope_id is not None or address not in GLOBAL_UNICAST_V6:
        raise AddressRefused(f"{address} is not a public address")
    # (6) Special ranges inside it.
    if any(address in network for network in SPECIAL_V6):
        raise AddressRefused(f"{address} is not a public address")


def socket_factory(allowed: Allowed) -> Callable[[tuple[Any, ...]], socket.socket]:
    """Return the factory for `aiohttp.TCPConnector`: it sees every address of every attempt, just before."""

    def guarded_socket(address_info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = address_info
        # (7) Here and not earlier: between a check and its use DNS may change its mind.
        check_address(str(address[0]), int(address[1]), allowed)
        return socket.socket(family=family, type=kind, proto=protocol)

    return guarded_socket


class GuardedResolver(AbstractResolver):
    """Looks names up by the system's resolver, in threads of its own and within a time.

    A name with any address that we refuse is refused as a whole: its owner mixes public and private answers
    to get a second try at the private one.
    """

    def __init__(self, allowed: Allowed, *, lookup: Callable[..., list[Any]] = socket.getaddrinfo) -> None:
        self._allowed = allowed
        self._lookup = lookup
        self._pool = ThreadPoolExecutor(max_workers=DNS_THREADS, thread_name_prefix="fedcoop-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return every address of `host`. Raises OSError (AddressRefused among them) or TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(limits.FETCH_DNS_TIME.total_seconds()):
            try:
                answers = await loop.run_in_executor(
                    self._pool, self._lookup, host, port, family, socket.SOCK_STREAM
                )
            except UnicodeError as error:
                # getaddrinfo encodes by IDNA, which refuses labels over 63 characters in its own way.
                raise socket.gaierror(socket.EAI_NONAME, "not a host name") from error
        # (8) Every answer must be one that we would connect to.
        for answer in answers:
            check_address(str(answer[4][0]), port, self._allowed)
        return [
            ResolveResult(
                hostname=host,
                host=str(answer[4][0]),
                port=port,
                family=answer[0],
                proto=answer[2],
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for answer in answers
        ]

    async def close(self) -> None:
        """Let go of the threads; a lookup that still hangs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def allowed_addresses(
    allow_origins: Iterable[str], *, lookup: Callable[..., list[Any]] = socket.getaddrinfo
) -> Allowed:
    """Return the exact (address, port) pairs behind `allow_origins`; names are looked up once, now.

    Raises:
        Misconfigured: an entry is not an origin, or its name has no address.
    """
    pairs: set[tuple[str, int]] = set()
    for origin in allow_origins:
        parts = urlsplit(origin)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or f"{parts.scheme}://{parts.netloc}" != origin
        ):
            raise Misconfigured(
                "misconfigured",
                f"allow_origins: {origin!r} is not an origin; write it like http://127.0.0.1:8101",
            )
        port = parts.port or (HTTPS_PORT if parts.scheme == "https" else 80)
        try:
            answers = lookup(parts.hostname, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Misconfigured(
                "misconfigured",
                f"allow_origins: {parts.hostname!r} has no address here; take {origin} out or name it",
            ) from error
        pairs.update((str(ipaddress.ip_address(answer[4][0])), port) for answer in answers)
    return frozenset(pairs)
