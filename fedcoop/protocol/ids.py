"""Ids and origins: which strings may name something, and who is behind them.

Two ids belong to the same server when their origins are equal: scheme, host and port, in canonical form. Only
canonical ids are taken in, so that comparing strings is comparing ids (security design §3.3, rules 2 and 3).

>>> origin("https://Coop-A.example:443/actors/coop#main-key")
'https://coop-a.example'
>>> same_origin("https://coop-a.example/inbox", "https://coop-a.example.evil.example/inbox")
False
"""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Final, NamedTuple

from fedcoop.errors import Malformed
from fedcoop.protocol.limits import MAX_HOST, MAX_URL

_URL: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<userinfo>[^/?#]*@)?"
    r"(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]+)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/[\w\-.~!$&'()*+,;=:@%/]*)?)"
    r"(?:\?[\w\-.~!$&'()*+,;=:@%/?]*)?"
    r"(?P<fragment>#[\w\-.~!$&'()*+,;=:@%/?]*)?",
    re.ASCII | re.IGNORECASE,
)
_HALF_ESCAPE: Final = re.compile(r"%(?![0-9a-f]{2})", re.ASCII | re.IGNORECASE)
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_DOT_SEGMENT: Final = re.compile(r"/(?:\.|%2e){1,2}(?=/|$)", re.ASCII | re.IGNORECASE)
_DEFAULT_PORT: Final = {"http": "80", "https": "443"}


class _Parts(NamedTuple):
    scheme: str
    host: str
    port: str | None
    path: str
    fragment: str | None

    @property
    def origin(self) -> str:
        shown = self.port if self.port != _DEFAULT_PORT[self.scheme] else None
        return f"{self.scheme}://{self.host}" + (f":{shown}" if shown else "")


def origin(iri: str) -> str:
    """Return the origin of `iri`: scheme, host and port, lower case, without the default port (RFC 6454 §4).

    Raises:
        Malformed: `iri` is not an http or https URL that we could use (`bad-id`).
    """
    return _split(iri).origin


def same_origin(one: str, other: str) -> bool:
    """Tell whether both ids are of the same server. Raises Malformed (`bad-id`) when either is no URL."""
    return origin(one) == origin(other)


def without_fragment(iri: str) -> str:
    """Return `iri` up to its `#`: the document that a key id or an intent's id points into."""
    return iri.partition("#")[0]


def check_id(iri: str, *, allow_origins: Set[str] = frozenset()) -> str:
    """Return `iri` when it may name something in the federation.

    `allow_origins` lists exact origins that may also be plain http, have a port or be on the loopback (D10).

    Raises:
        Malformed: `iri` could mean two things, or is out of the federation's reach (`bad-id`).
    """
    parts = _split(iri)
    # (1) Two spellings of one id would be two ids to us and one to somebody else.
    canonical = parts.origin
    if not iri.startswith(canonical) or iri[len(canonical) :][:1] not in {"", "/", "?", "#"}:
        raise _bad_id(iri, "it is not written in canonical form", expected=canonical)
    # (2) Servers disagree on what dots in a path mean.
    if _DOT_SEGMENT.search(parts.path):
        raise _bad_id(iri, "its path has dot segments")
    # (3) "#" and nothing is another string for the same document.
    if parts.fragment == "#":
        raise _bad_id(iri, "its fragment is empty")
    if canonical in allow_origins:
        return iri
    # (4) Whoever is on the path could write a plain http document.
    if parts.scheme != "https":
        raise _bad_id(iri, "it is not an https URL", expected="https")
    # (5) Other ports are other people's services.
    if parts.port is not None:
        raise _bad_id(iri, "it has a port", expected="no port")
    # (6) An address is nobody's name, and inside our own network it is a target.
    _check_host(iri, parts.host)
    return iri


def _split(iri: str) -> _Parts:
    if len(iri) > MAX_URL:
        raise _bad_id(iri, "it is too long", expected=f"at most {MAX_URL} characters")
    match = _URL.fullmatch(iri)
    if match is None or _HALF_ESCAPE.search(iri):
        raise _bad_id(iri, "it is not an http(s) URL of plain ASCII characters")
    if match["userinfo"] is not None:
        raise _bad_id(iri, "it has a user name in it")
    if match["port"] is not None and int(match["port"]) > 65535:
        raise _bad_id(iri, "its port does not exist")
    return _Parts(
        match["scheme"].lower(), match["host"].lower(), match["port"], match["path"], match["fragment"]
    )


def _check_host(iri: str, host: str) -> None:
    labels = host.split(".")
    if len(host) > MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise _bad_id(iri, "its host is not a domain name")
    # A domain name never ends in a number; every spelling of an IPv4 address does (WHATWG URL §3.5).
    if len(labels) < 2 or labels[-1] == "localhost" or _NUMBER.fullmatch(labels[-1]):
        raise _bad_id(iri, "its host is not a public domain name", expected="a domain name, not an address")


def _bad_id(iri: str, why: str, *, expected: str | None = None) -> Malformed:
    shown = iri[:200].encode("ascii", "backslashreplace").decode()
    return Malformed("bad-id", f"This id cannot be used: {why}.", expected=expected, received=shown)
