"""Who is let in just now: how often one address or peer may come, and how much may be under way at once.

A request whose sender could not be established counts against its address; one whose signature is good counts
against the peer. So nobody can use up somebody else's share by naming him, and a busy peer is not stopped for
what strangers send from its provider's addresses (security design §3.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from aiohttp import web

from fedcoop.errors import Conflict, FedcoopError, Invalid, NotImplementedYet, RateLimited, Unavailable
from fedcoop.protocol import limits
from fedcoop.protocol.visiting import SIGNED_BY

Rate: TypeAlias = tuple[int, timedelta]
"""So many in so long."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How often, and how much at once. The defaults are those of `protocol/limits.py`."""

    inbox_per_peer: Rate = limits.INBOX_RATE_PER_PEER
    inbox_per_address: Rate = limits.INBOX_RATE_PER_ADDRESS
    reads_per_address: Rate = limits.READ_RATE_PER_ADDRESS
    sign_in_per_address: Rate = limits.SIGN_IN_RATE_PER_ADDRESS
    programs_per_address: Rate = limits.OAUTH_RATE_PER_ADDRESS
    consents_per_member: Rate = limits.CONSENT_RATE_PER_MEMBER
    sign_in_per_account: Rate = limits.SIGN_IN_RATE_PER_ACCOUNT
    open_per_address: int = limits.MAX_INBOUND_PER_PEER
    open_in_all: int = limits.MAX_INBOUND_BACKLOG
    bodies_in_all: int = limits.MAX_BODIES_AT_ONCE
    trusted_proxies: frozenset[str] = frozenset()
    """Addresses besides the loopback whose X-Forwarded-For is believed."""
    exempt_peers: frozenset[str] = frozenset()
    """Origins whose requests are not counted: the `allow_origins` of a development set-up (D10)."""


class Allowance:
    """So many requests in so long for each key: the generic cell rate algorithm (ITU-T I.371)."""

    def __init__(self, rate: Rate, now: Callable[[], float]) -> None:
        count, period = rate
        self._now = now
        self._period = period.total_seconds()
        self._interval = self._period / count
        self._due: dict[str, float] = {}

    def wait(self, key: str) -> float:
        """Return in how many seconds `key` may come again; 0 is now. Charges nothing."""
        now = self._now()
        return max(0.0, self._due_of(key, now) - now - self._period + self._interval)

    def charge(self, key: str) -> None:
        """Count one request of `key`."""
        now = self._now()
        due = self._due_of(key, now) + self._interval
        # Taken out and put in again, so that the order of the dict is the order of last use.
        self._due.pop(key, None)
        self._due[key] = due
        if len(self._due) > limits.MAX_RATE_KEYS:
            del self._due[next(iter(self._due))]

    def _due_of(self, key: str, now: float) -> float:
        # Never further off than a period: a clock that was put back must not lock anybody out until it has caught up.
        return min(max(self._due.get(key, now), now), now + self._period)

    def check(self, key: str) -> None:
        """Raise RateLimited when `key` has to wait."""
        wait = self.wait(key)
        if wait > 0:
            raise RateLimited("rate-limited", "Too many requests came from you.", retry_after=ceil(wait))

    def take(self, key: str) -> None:
        """Count one request of `key`, or raise RateLimited when it has to wait."""
        self.check(key)
        self.charge(key)


class Room:
    """So much at once and no more: a counter with a door."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0

    @property
    def used(self) -> int:
        """How much is taken now."""
        return self._used

    def enter(self, amount: int = 1) -> None:
        """Take `amount`, or raise Unavailable and take nothing."""
        if self._used + amount > self._size:
            retry_after = int(limits.BUSY_RETRY_AFTER.total_seconds())
            raise Unavailable("unavailable", "Too much is under way here just now.", retry_after=retry_after)
        self._used += amount

    def leave(self, amount: int = 1) -> None:
        """Give `amount` back."""
        self._used -= amount


class Held:
    """What one request holds while it is worked on: its place, and the bytes of its body."""

    def __init__(self, bodies: Room) -> None:
        self._bodies = bodies
        self._bytes = 0

    def keep(self, amount: int) -> None:
        """Hold `amount` bytes more, or raise Unavailable when all bodies together are too many."""
        self._bodies.enter(amount)
        self._bytes += amount

    def let_go(self) -> None:
        """Give all bytes back."""
        self._bodies.leave(self._bytes)
        self._bytes = 0


class Admission:
    """The doors of one application."""

    def __init__(self, rates: Rates, now: Callable[[], float]) -> None:
        self.rates = rates
        self.sign_in = Allowance(rates.sign_in_per_address, now)
        self.programs = Allowance(rates.programs_per_address, now)
        self.consents = Allowance(rates.consents_per_member, now)
        self._accounts = Allowance(rates.sign_in_per_account, now)
        self._reads = Allowance(rates.reads_per_address, now)
        self._peers = Allowance(rates.inbox_per_peer, now)
        self._strangers = Allowance(rates.inbox_per_address, now)
        self._bodies = Room(rates.bodies_in_all)
        self._open = Room(rates.open_in_all)
        self._open_of: dict[str, Room] = {}

    def admit_read(self, request: web.Request) -> None:
        """Count a read that is signed or without a token; raise RateLimited when the address has had its share.

        A token is looked up, and bad ones are counted, by whoever reads it; who looks at the signature may not.
        """
        address = self.address(request)
        # (1) A signature is work for us whatever else is sent: a made-up token must not make it free.
        signed = any(name in request.headers for name in SIGNED_BY)
        if address is not None and (signed or "Authorization" not in request.headers):
            self._reads.take(address)

    def admit_password(self, request: web.Request, account: str) -> None:
        """Count a password that is tried for `account`, right or wrong; raise RateLimited, and try it not.

        Whether there is such an account changes nothing: who asks must not learn it here.
        """
        address = self.address(request)
        # (1) One address, whatever names it tries.
        if address is not None:
            self.sign_in.take(address)
        # (2) One name, from however many addresses; counted before the password is looked at, so that many at once
        # are not many more.
        self._accounts.take(account)

    @contextmanager
    def arrival(self, request: web.Request) -> Iterator[Held]:
        """Let a signed request in while it is worked on, and count it against whoever has sent it.

        Raises:
            RateLimited: this address (while unverified) or this peer has had its share.
            Unavailable: too much is under way, in all or from this address.
        """
        address, peer = self.address(request), claimed_origin(request)
        # (1) An address that has sent too much that nobody signed.
        if address is not None:
            self._strangers.check(address)
        # (2) A peer that has said too much: only what was verified was counted against it.
        if peer is not None and peer not in self.rates.exempt_peers:
            self._peers.check(peer)
        # (3) Too much at once.
        with self._inside(address) as held:
            try:
                yield held
            except FedcoopError as error:
                self._count(address, peer, verified=_was_verified(error))
                raise
        self._count(address, peer, verified=True)

    @contextmanager
    def submission(self, request: web.Request) -> Iterator[Held]:
        """Let a member's own request in while it is worked on; raise Unavailable when there is no room."""
        with self._inside(self.address(request)) as held:
            yield held

    def address(self, request: web.Request) -> str | None:
        """Return whom to count a request against: an IPv4 address, or an IPv6 /64; None when not known.

        The loopback is this machine or a proxy in front of us: then the last X-Forwarded-For entry, which the
        proxy wrote itself, is the address, and without one there is nothing to tell clients apart by.
        """
        remote = _network_of(request.remote)
        if remote is None or remote == "loopback" or request.remote in self.rates.trusted_proxies:
            forwarded = request.headers.getall("X-Forwarded-For", [])
            last = forwarded[-1].rpartition(",")[2].strip() if forwarded else None
            network = _network_of(last)
            return None if network == "loopback" else network
        return remote

    @contextmanager
    def _inside(self, address: str | None) -> Iterator[Held]:
        self._open.enter()
        held = Held(self._bodies)
        try:
            with self._one_of(address):
                yield held
        finally:
            held.let_go()
            self._open.leave()

    @contextmanager
    def _one_of(self, address: str | None) -> Iterator[None]:
        if address is None:
            yield
            return
        room = self._open_of.setdefault(address, Room(self.rates.open_per_address))
        room.enter()
        try:
            yield
        finally:
            room.leave()
            if room.used == 0:
                self._open_of.pop(address, None)

    def _count(self, address: str | None, peer: str | None, *, verified: bool) -> None:
        if verified and peer is not None:
            self._peers.charge(peer)
        elif address is not None:
            self._strangers.charge(address)


ADMISSION: web.AppKey[Admission] = web.AppKey("admission", Admission)

_AFTER_VERIFICATION: Final = frozenset({"frozen", "not-owner", "predecessor-unknown", "wrong-party"})
"""Refusals of classes that also come before the signature is looked at."""

_KEY_ID: Final = re.compile(r'key_?id="([^"]{1,2048})"', re.ASCII | re.IGNORECASE)


def claimed_origin(request: web.Request) -> str | None:
    """Return the origin of the key that the request claims to be signed with, or None when it names none."""
    for name in ("Signature-Input", "Signature"):
        match = _KEY_ID.search(request.headers.get(name, "")[: limits.MAX_SIGNATURE_HEADER])
        if match is not None:
            try:
                parts = urlsplit(match[1])
            except ValueError:
                return None
            return f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else None
    return None


def _was_verified(error: FedcoopError) -> bool:
    """Tell whether the signature had been found good before this refusal. In doubt it had not."""
    return isinstance(error, Conflict | Invalid | NotImplementedYet) or error.code in _AFTER_VERIFICATION


@lru_cache(maxsize=4096)
def _network_of(address: str | None) -> str | None:
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback:
        return "loopback"
    return str(IPv6Network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)
