"""Who stands behind a URL: scheme, host and port (RFC 6454 §4; FEP-fe34 compares ids by it)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from fedcoop_conformance.crypto.refusals import Refused

_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<userinfo>[^/?#\\]*@)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[^/?#\\@:\[\]\s%]+)(?::(?P<port>[0-9]{1,5}))?(?=[/?#]|$)",
    re.IGNORECASE,
)
_DEFAULT_PORT: Final = {"http": 80, "https": 443}


class NoOrigin(Refused):
    """A text has no origin that we could compare. Reasons: `USERINFO`, `TRAILING_DOT`,
    `NOT_A_URL`."""


class Origin(NamedTuple):
    """Scheme, host (lower case, IDNA as A-labels) and port (a number, also where it is not written)."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        shown = "" if self.port == _DEFAULT_PORT[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{shown}"


def origin(url: str) -> Origin:
    """Return the origin of an http or https URL.

    A user name in it is refused, since it is only ever there to deceive a reader, and a final dot of the host,
    since some take it for another host and some for the same.

    Raises:
        NoOrigin: there is none.
    """
    match = _URL.match(url)
    if match is None:
        raise NoOrigin("NOT_A_URL", url[:120])
    if match["userinfo"] is not None:
        raise NoOrigin("USERINFO", url[:120])
    if match["host"].endswith("."):
        raise NoOrigin("TRAILING_DOT", url[:120])
    scheme = match["scheme"].lower()
    port = int(match["port"]) if match["port"] else _DEFAULT_PORT[scheme]
    if not 0 < port < 65536:
        raise NoOrigin("NOT_A_URL", f"port {port}")
    return Origin(scheme, _host(match["host"]), port)


def same_origin(one: str, other: str) -> bool:
    """Tell whether both URLs have one origin. Raises NoOrigin when either has none."""
    return origin(one) == origin(other)


def difference(one: str, other: str) -> str | None:
    """Return what keeps two URLs apart, None for nothing: `SCHEME`, `HOST`, `PORT` or a reason of NoOrigin."""
    try:
        mine, other_one = origin(one), origin(other)
    except NoOrigin as refusal:
        return refusal.reason
    names = zip(("SCHEME", "HOST", "PORT"), mine, other_one, strict=True)
    return next((name for name, left, right in names if left != right), None)


def _host(host: str) -> str:
    if host.isascii():
        return host.lower()
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise NoOrigin("NOT_A_URL", ascii(host)[:120]) from None
