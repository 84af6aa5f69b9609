"""What must not be published is taken out of wire bytes and texts before they are kept anywhere.

A table of patterns, applied in order. It errs on the side of removing: a report is evidence of behaviour, and no test
needs a secret to be reproduced. Signatures, key ids and fediverse addresses (`acct:`, `@name@host`) are no secrets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_SECRETS: Final = (
    rb"access_token|refresh_token|id_token|token|client_secret|secret|password|passphrase|code_verifier|session"
    rb"|api_?key|private_?key(?:pem|multibase|jwk)?|secret_?key(?:multibase|jwk)?"
)
_TO_THE_END: Final = rb"(?:\"|\Z)"
"""The closing quote, or the place where a long message was cut."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a kind of secret looks like; the groups before and after it are kept."""

    kind: str
    looks: re.Pattern[bytes]


def _pattern(kind: str, looks: bytes, flags: int = 0) -> Pattern:
    return Pattern(kind, re.compile(looks, flags | re.IGNORECASE))


PATTERNS: Final = (
    # Some peers carry a draft-cavage signature in Authorization, and a signature is evidence.
    _pattern(
        "authorization",
        rb"(?P<before>^(?:proxy-)?authorization:[ \t]*+(?!signature\b)[\w-]*[ \t]*)[^\r\n]+",
        re.MULTILINE,
    ),
    _pattern("cookie", rb"(?P<before>^(?:set-)?cookie:[ \t]*)[^\r\n]+", re.MULTILINE),
    _pattern(
        "private key",
        rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        re.DOTALL,
    ),
    # Multikey of an Ed25519 private key: the multicodec 0x1300 always begins so in base58.
    _pattern("private key", rb"\bz3u2[1-9a-z]{40,}"),
    _pattern("private key", rb"(?P<before>\"d\"\s*:\s*\")[\w-]{20,}(?P<after>" + _TO_THE_END + rb")"),
    _pattern(
        "secret",
        rb"(?P<before>\"(?:" + _SECRETS + rb")\"\s*:\s*\")(?:[^\"\\]|\\.)+(?P<after>" + _TO_THE_END + rb")",
        re.DOTALL,
    ),
    _pattern(
        "secret", rb"(?P<before>(?:^|[?&\s])(?:" + _SECRETS + rb")=)(?!\[redacted)[^&\s\"]+", re.MULTILINE
    ),
    # A line of settings, as in sut.toml. What names a variable of the environment (`${TOKEN}`) gives nothing away.
    _pattern(
        "secret",
        rb"(?P<before>^[ \t]*(?:" + _SECRETS + rb")[ \t]*=[ \t]*[\"'])(?!\$\{)[^\"'\r\n]+",
        re.MULTILINE,
    ),
    # The code of an OAuth redirect; short codes in queries are trades and communes.
    _pattern("secret", rb"(?P<before>[?&]code=)(?!\[redacted)[^&\s\"]{16,}"),
    _pattern("bearer token", rb"(?P<before>\bbearer )[\w.~+/=-]{8,}"),
    _pattern("bearer token", rb"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"),
    _pattern("password", rb"(?P<before>://[^/\s:@\"]*:)[^/\s@\"\[]+(?P<after>@)"),
    _pattern(
        "e-mail address",
        rb"(?<![\w.+%@/-])(?<!acct:)(?<!acct%3A)[\w.+-]+(?:@|%40)[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\b",
    ),
)


def octets(content: bytes) -> bytes:
    """Return the bytes with each secret replaced by the name of its kind."""
    for pattern in PATTERNS:
        content = pattern.looks.sub(lambda found, kind=pattern.kind: _mark(found, kind), content)  # type: ignore[misc]
    return content


def text(content: str) -> str:
    """Return the text with each secret replaced by the name of its kind."""
    return octets(content.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def _mark(found: re.Match[bytes], kind: str) -> bytes:
    kept = found.groupdict()
    return (kept.get("before") or b"") + f"[redacted: {kind}]".encode() + (kept.get("after") or b"")
