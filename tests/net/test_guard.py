"""The guard lets nobody make us connect to a place that is not public."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import aiohttp
import pytest
import yarl

from fedcoop.errors import Misconfigured
from fedcoop.net import guard
from fedcoop.net.guard import (
    GLOBAL_UNICAST_V6,
    NOTHING_ALLOWED,
    SPECIAL_V4,
    SPECIAL_V6,
    AddressRefused,
    GuardedResolver,
    allowed_addresses,
    check_address,
    socket_factory,
)
from tests.net.conftest import Canary, Rebinding, a_session

EVERY_SPECIAL_RANGE = [*SPECIAL_V4, *SPECIAL_V6]

PUBLIC = [
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:41d0::1",
    "2a00:1450:4007::1",
    "3ffe:ffff::1",
]

# What other filters let through, by name (security.md §1.2, libraries.md P10).
KNOWN_HOLES = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "10.0.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.0.192",
    "192.88.99.1",
    "192.168.1.1",
    "198.19.255.255",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::7f00:1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "2620:4f:8000::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("network", EVERY_SPECIAL_RANGE, ids=str)
def test_every_special_range_is_refused_from_its_first_to_its_last_address(network: Any):
    for address in (network[0], network[-1]):
        with pytest.raises(AddressRefused):
            check_address(str(address), 443, NOTHING_ALLOWED)


@pytest.mark.parametrize("address", KNOWN_HOLES)
def test_a_known_hole_of_other_filters_is_refused(address: str):
    with pytest.raises(AddressRefused, match="not a public address"):
        check_address(address, 443, NOTHING_ALLOWED)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str):
    check_address(address, 443, NOTHING_ALLOWED)


def test_the_special_ipv6_ranges_are_the_ones_inside_global_unicast():
    assert all(network.subnet_of(GLOBAL_UNICAST_V6) for network in SPECIAL_V6)


@pytest.mark.parametrize("address", ["2a00::1%1", "2a00::1%eth0"])
def test_an_address_with_a_zone_is_refused(address: str):
    with pytest.raises(AddressRefused):
        check_address(address, 443, NOTHING_ALLOWED)


@pytest.mark.parametrize("port", [22, 25, 80, 444, 5432, 6379, 8443])
def test_another_port_of_a_public_address_is_refused(port: int):
    with pytest.raises(AddressRefused, match=f"port {port}"):
        check_address("9.255.255.255", port, NOTHING_ALLOWED)


@pytest.mark.parametrize(
    "host", ["coop.example", "localhost", "2130706433", "0x7f000001", "127.1", "017700000001", ""]
)
def test_what_is_not_a_canonical_address_is_refused(host: str):
    with pytest.raises(AddressRefused, match="not an address"):
        check_address(host, 443, NOTHING_ALLOWED)


def test_an_allowed_pair_opens_that_pair_alone():
    allowed = frozenset({("127.0.0.1", 8101), ("::1", 8101)})
    check_address("127.0.0.1", 8101, allowed)
    check_address("::1", 8101, allowed)
    check_address("0:0:0:0:0:0:0:1", 8101, allowed)
    for address, port in [
        ("127.0.0.1", 8102),
        ("127.0.0.2", 8101),
        ("127.0.0.1", 443),
        ("::ffff:7f00:1", 8101),
    ]:
        with pytest.raises(AddressRefused):
            check_address(address, port, allowed)


def test_the_socket_factory_makes_no_socket_for_a_refused_address():
    make = socket_factory(NOTHING_ALLOWED)
    with pytest.raises(AddressRefused):
        make((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443)))
    with pytest.raises(AddressRefused):
        make((socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("64:ff9b::7f00:1", 443, 0, 0)))
    made = make((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("9.255.255.255", 443)))
    assert made.family == socket.AF_INET
    made.close()


# -- through the session: every spelling of this machine ---------------------------------------------------

THIS_MACHINE = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.000.000.001",
    "127.8.9.10",
    "0.0.0.0",
    "0",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
]


@pytest.mark.parametrize("host", THIS_MACHINE)
async def test_no_spelling_of_this_machine_is_reached(
    host: str, canary: Canary, monkeypatch: pytest.MonkeyPatch
):
    # The port check would refuse them all; what is looked at here is the address.
    monkeypatch.setattr(guard, "HTTPS_PORT", canary.port)
    async with a_session() as session:
        with pytest.raises((aiohttp.ClientError, ValueError, OSError)):
            await session.get(f"http://{host}:{canary.port}/actors/coop")


async def test_a_session_reaches_what_was_allowed(stranger: Any):
    stranger.serve("/hello", {"id": "x"})
    async with a_session(stranger.base) as session, session.get(stranger.base + "/hello") as response:
        assert response.status == 200


# -- names ------------------------------------------------------------------------------------------------


def answers(*addresses: str) -> Any:
    """Return a look-up, like getaddrinfo, that knows one name."""

    def lookup(host: str, port: int, *_: object) -> list[Any]:
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port))
            for a in addresses
        ]

    return lookup


@pytest.mark.parametrize("address", KNOWN_HOLES)
async def test_a_name_of_a_private_address_is_refused(address: str):
    resolver = GuardedResolver(NOTHING_ALLOWED, lookup=answers(address))
    with pytest.raises(AddressRefused):
        await resolver.resolve("internal.example", 443)
    await resolver.close()


@pytest.mark.parametrize("private", ["127.0.0.1", "10.0.0.7", "fd00::1", "64:ff9b::a00:1"])
async def test_a_name_is_refused_when_any_of_its_addresses_is(private: str):
    for order in (("9.255.255.255", private), (private, "9.255.255.255")):
        resolver = GuardedResolver(NOTHING_ALLOWED, lookup=answers(*order))
        with pytest.raises(AddressRefused):
            await resolver.resolve("mixed.example", 443)
        await resolver.close()


async def test_a_public_name_resolves_to_all_its_addresses():
    resolver = GuardedResolver(NOTHING_ALLOWED, lookup=answers("9.255.255.255", "2a00::1"))
    found = await resolver.resolve("coop.example", 443)
    assert [(r["hostname"], r["host"], r["port"]) for r in found] == [
        ("coop.example", "9.255.255.255", 443),
        ("coop.example", "2a00::1", 443),
    ]
    await resolver.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "localhost"])
async def test_an_answer_of_dns_that_changed_after_its_check_is_refused(
    address: str, canary: Canary, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(guard, "HTTPS_PORT", canary.port)
    async with a_session(resolver=Rebinding(address)) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get(yarl.URL(f"http://coop.example:{canary.port}/"))
        assert isinstance(caught.value.os_error, AddressRefused)


async def test_a_lookup_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guard.limits, "FETCH_DNS_TIME", guard.limits.FETCH_DNS_TIME / 100)
    resolver = GuardedResolver(NOTHING_ALLOWED, lookup=lambda *_: time.sleep(0.3) or [])
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        await resolver.resolve("tarpit.example", 443)
    assert asyncio.get_running_loop().time() - began < 0.25
    await resolver.close()


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", "\udcff.example"])
async def test_a_name_that_cannot_be_encoded_fails_like_any_other(host: str):
    resolver = GuardedResolver(NOTHING_ALLOWED)
    with pytest.raises(OSError):
        await resolver.resolve(host, 443)
    await resolver.close()


# -- what the operator opens ------------------------------------------------------------------------------


def test_allow_origins_become_exact_pairs():
    pairs = allowed_addresses(["http://127.0.0.1:8101", "https://[::1]:8102", "http://127.0.0.3"])
    assert pairs == {("127.0.0.1", 8101), ("::1", 8102), ("127.0.0.3", 80)}


def test_a_name_in_allow_origins_is_looked_up_once_and_every_address_of_it_opened():
    pairs = allowed_addresses(["https://coop-a.test"], lookup=answers("127.0.0.1", "::1"))
    assert pairs == {("127.0.0.1", 443), ("::1", 443)}


@pytest.mark.parametrize(
    "entry",
    ["127.0.0.1:8101", "http://127.0.0.1:8101/", "http://127.0.0.1/x", "ftp://127.0.0.1", "http://", "*"],
)
def test_an_entry_that_is_not_an_origin_is_refused_by_name(entry: str):
    with pytest.raises(Misconfigured, match="allow_origins"):
        allowed_addresses([entry])


def test_a_name_in_allow_origins_without_an_address_is_refused_by_name():
    def nobody(*_: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    with pytest.raises(Misconfigured, match=r"coop-a\.test"):
        allowed_addresses(["http://coop-a.test:8101"], lookup=nobody)
