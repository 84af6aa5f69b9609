"""Pairs of ids: of one origin or of two (RFC 6454 §4 and §5; FEP-fe34)."""

# ruff: noqa: E501 -- tables: one vector, one line

from __future__ import annotations

from typing import Final

from cases import Case, File


def _pair(
    number: int,
    comment: str,
    one: str,
    other: str,
    reason: str | None = None,
    *,
    twin: int = 1,
    also: tuple[str, ...] = (),
    acceptable: bool = False,
) -> Case:
    return Case(
        f"FV-ORG-{number:03}", "FC-VEC-020", comment, {"one": one, "other": other},
        reason=reason, twin=f"FV-ORG-{twin:03}" if reason else None,
        flags=("LENIENT",) if acceptable else ("ORIGIN",), also=also, acceptable=acceptable,
    )  # fmt: skip


_COOP: Final = "https://coop.example/actors/coop"
_ONE: Final = "https://coop.example/notes/1"

_PAIRS: Final = (
    _pair(1, "two paths", _ONE, _COOP),
    _pair(2, "a fragment and a query", "https://coop.example/actors/coop?x=1#main-key", _COOP),
    _pair(3, "the host in capitals", "https://COOP.Example/notes/1", _COOP),
    _pair(4, "the scheme in capitals", "HTTPS://coop.example/notes/1", _COOP),
    _pair(5, "the default port of https", "https://coop.example:443/notes/1", _COOP),
    _pair(6, "the default port of http", "http://coop.example:80/notes/1", "http://coop.example/actors/coop"),
    _pair(7, "another port, the same twice", "https://coop.example:8443/notes/1", "https://coop.example:8443/actors/coop"),
    _pair(8, "no path", "https://coop.example", _COOP),
    _pair(9, "no path, a query at once", "https://coop.example?x=1", _COOP),
    _pair(10, "an international name as A-labels, in two cases", "https://XN--BCHER-KVA.example/1", "https://xn--bcher-kva.example/2"),
    _pair(11, "an international name, as it is read and as A-labels: ids have A-labels", "https://b\u00fccher.example/1", "https://xn--bcher-kva.example/2", acceptable=True),
    _pair(12, "an address of version 6", "https://[2001:db8::1]:8443/1", "https://[2001:db8::1]:8443/2"),
    _pair(13, "an at sign in the path", "https://coop.example/@alice", _COOP),
    _pair(30, "another scheme", "http://coop.example/notes/1", _COOP, "SCHEME", also=("PORT",)),
    _pair(31, "another port", "https://coop.example:8443/notes/1", _COOP, "PORT"),
    _pair(32, "the default port of the other scheme", "https://coop.example:80/notes/1", _COOP, "PORT"),
    _pair(33, "a subdomain", "https://notes.coop.example/notes/1", _COOP, "HOST"),
    _pair(34, "a host that begins like the other", "https://coop.example.evil.example/notes/1", _COOP, "HOST"),
    _pair(35, "a host that ends like the other", "https://evilcoop.example/notes/1", _COOP, "HOST"),
    _pair(36, "a final dot in one", "https://coop.example./notes/1", _COOP, "TRAILING_DOT", also=("HOST",)),
    _pair(37, "a letter of another alphabet, as A-label", "https://xn--cop-qmc.example/notes/1", _COOP, "HOST"),
    _pair(38, "a user name that looks like the other host", "https://coop.example@evil.example/notes/1", _COOP, "USERINFO", also=("HOST",)),
    _pair(39, "a user name before the right host", "https://alice@coop.example/notes/1", _COOP, "USERINFO"),
    _pair(40, "an empty user name before another host", "https://@evil.example/notes/1", _COOP, "USERINFO", also=("HOST",)),
    _pair(41, "a backslash before an at sign: two parsers, two hosts", "https://evil.example\\@coop.example/notes/1", _COOP, "NOT_A_URL", also=("HOST", "USERINFO")),
    _pair(42, "the other host in the path", "https://evil.example/https://coop.example/notes/1", _COOP, "HOST"),
    _pair(43, "no scheme", "//coop.example/notes/1", _COOP, "NOT_A_URL"),
    _pair(44, "a scheme without hosts", "acct:coop@coop.example", _COOP, "NOT_A_URL", also=("SCHEME",)),
    _pair(45, "a port that does not exist", "https://coop.example:99999/notes/1", _COOP, "NOT_A_URL", also=("PORT",)),
    _pair(46, "a space before the host", "https:// coop.example/notes/1", _COOP, "NOT_A_URL"),
    _pair(47, "another address of version 6", "https://[2001:db8::2]:8443/1", "https://[2001:db8::1]:8443/2", "HOST", twin=12),
)  # fmt: skip

FILES: Final = (
    File("origin/pairs.json", "origin", ("RFC 6454 §4", "RFC 6454 §5", "FEP-fe34 Comparing origins"), _PAIRS),
)
