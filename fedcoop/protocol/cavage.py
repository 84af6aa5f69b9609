"""HTTP signatures as the fediverse uses them: draft-cavage-http-signatures-12 (SIG-1 to SIG-7).

`httpsig` writes the signing string and the header, `cryptography` does the mathematics, and this module,
which alone knows httpsig, decides: the algorithm follows from the key and never from the message, a minimum
must be covered, what occurs twice is refused, and whatever is wrong comes out as one `Unverified` that says
what.

    parse -> check_time, check_coverage, check_host -> (the key is found) -> verify
"""

from __future__ import annotations

import base64
import importlib.metadata
import re
import sys
import types
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from fedcoop.errors import Unverified
from fedcoop.protocol.digest import body_digest
from fedcoop.protocol.freshness import Window, check_fresh, moment
from fedcoop.protocol.limits import MAX_SIGNATURE_HEADER
from fedcoop.protocol.messages import RawRequest, RequestSignature
from fedcoop.protocol.multikey import PrivateKey, PublicKey, check_signed, sign_bytes


def _import_httpsig() -> Any:
    """Import httpsig, which asks pkg_resources for its own version; setuptools no longer ships that."""
    stub: Any = types.ModuleType("pkg_resources")
    stub.DistributionNotFound = importlib.metadata.PackageNotFoundError
    stub.get_distribution = lambda name: types.SimpleNamespace(version=importlib.metadata.version(name))
    real = sys.modules.get("pkg_resources")
    sys.modules["pkg_resources"] = stub
    try:
        import httpsig.utils
    finally:
        if real is None:
            del sys.modules["pkg_resources"]
        else:
            sys.modules["pkg_resources"] = real
    return httpsig.utils


_httpsig: Final = _import_httpsig()

MEDIA_TYPE: Final = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
"""What a POST to an inbox must be labelled as (ActivityPub §7)."""

ALGORITHMS: Final[Mapping[str, type[RSAPublicKey | Ed25519PublicKey]]] = {
    "rsa-sha256": RSAPublicKey,
    "ed25519": Ed25519PublicKey,
}
_ONCE: Final = ("signature", "host", "date", "digest", "content-type", "content-length")
_PARAMETER: Final = re.compile(r'\s*([A-Za-z]+)=(?:"([^"\\]*)"|([0-9]+))\s*(?:,|$)', re.ASCII)
_KEY_ID: Final = re.compile(r"[!#-\[\]-~]+", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DATE: Final = re.compile(
    r"[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT", re.ASCII
)

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


# -- signing ---------------------------------------------------------------------------------------------


def sign(request: RawRequest, *, key_id: str, key: PrivateKey, covered: Sequence[str]) -> str:
    """Return the `Signature` header over `covered` of `request` by `key`.

    Raises:
        ValueError: `key_id` cannot be written in the header, or a covered header is not in `request`.
    """
    if _KEY_ID.fullmatch(key_id) is None:
        raise ValueError(f"this key id cannot be written in a Signature header: {key_id!r}")
    message = _signing_string(request, covered, {})
    algorithm = "rsa-sha256" if isinstance(key, RSAPrivateKey) else "hs2019"
    # The key id goes through a % template in httpsig.
    template = _httpsig.build_signature_template(
        key_id.replace("%", "%%"), algorithm, list(covered), "signature"
    )
    return str(template % base64.b64encode(sign_bytes(key, message)).decode("ascii"))


def sign_headers(
    *,
    method: str,
    url_host: str,
    target: str,
    body: bytes | None,
    key_id: str,
    key: PrivateKey,
    date: datetime,
    more: Mapping[str, str] = _NOTHING,
) -> dict[str, str]:
    """Return the headers of a signed request: Host, Date, Signature; with a body also Digest, Content-Type; and `more`.

    `target` is path and query exactly as they will be sent, `url_host` host and port likewise; `body` is None
    for a GET. Send these headers unchanged and no second one of the same name (SIG-1).

    Raises:
        ValueError: `key_id` cannot be written in the header.
    """
    headers = {"Host": url_host, "Date": http_date(date)}
    if body is not None:
        headers |= {"Digest": body_digest(body), "Content-Type": MEDIA_TYPE}
    headers |= more
    request = RawRequest(method, target, tuple(headers.items()), body or b"")
    covered = ["(request-target)", *(name.lower() for name in headers)]
    return {**headers, "Signature": sign(request, key_id=key_id, key=key, covered=covered)}


def http_date(moment: datetime) -> str:
    """Return `moment` as a `Date` header (RFC 9110 §5.6.7), in English whatever the locale."""
    utc = moment.astimezone(UTC)
    return (
        f"{_DAYS[utc.weekday()]}, {utc.day:02} {_MONTHS[utc.month - 1]} {utc.year:04} "
        f"{utc.hour:02}:{utc.minute:02}:{utc.second:02} GMT"
    )


# -- reading ---------------------------------------------------------------------------------------------


def parse(request: RawRequest) -> RequestSignature:
    """Return what the `Signature` header of `request` claims.

    Raises:
        Unverified: there is none (`signature-missing`), or it is not exactly one, well formed and in the one
            possible spelling (`signature-malformed`).
    """
    # (1) Unsigned is not "nothing to check".
    values = request.header_values("signature")
    if not values:
        raise Unverified("signature-missing", "The request is not signed.", expected="a Signature header")
    # (2) What is signed in the other dialect (RFC 9421) is not read in this one (SIG-8).
    if request.header_values("signature-input"):
        raise _malformed("The request has a Signature-Input.", expected="draft-cavage alone")
    # (3) Of two, we would check one and somebody else would believe the other (SIG-7).
    for name in _ONCE:
        if len(request.header_values(name)) > 1:
            raise _malformed(f"The header {name} occurs more than once.", received=name)
    parameters = _parameters(values[0])
    # (4) Without a key and a value there is nothing to verify.
    for name in ("keyid", "signature"):
        if not parameters.get(name):
            raise _malformed(f"The Signature header has no {name}.", expected=name)
    if _KEY_ID.fullmatch(parameters["keyid"]) is None:
        raise _malformed("The key id has characters that no URL has.")
    algorithm = parameters.get("algorithm", "hs2019").lower()
    default = "(created)" if algorithm == "hs2019" else "date"
    covered = tuple(parameters.get("headers", default).lower().split())
    # (5) A name listed twice is a signing string that reads in two ways.
    if len(set(covered)) != len(covered):
        raise _malformed("A header is listed twice in `headers`.", received=" ".join(covered)[:200])
    return RequestSignature(
        dialect="draft-cavage",
        key_id=parameters["keyid"],
        algorithm=algorithm,
        covered=covered,
        created=_seconds(parameters, "created"),
        expires=_seconds(parameters, "expires"),
        signature=_canonical_base64(parameters["signature"]),
    )


def _parameters(value: str) -> dict[str, str]:
    if len(value) > MAX_SIGNATURE_HEADER:
        raise _malformed("The Signature header is too long.", expected=f"at most {MAX_SIGNATURE_HEADER}")
    parameters: dict[str, str] = {}
    position, value = 0, value.strip()
    while position < len(value):
        match = _PARAMETER.match(value, position)
        if match is None:
            raise _malformed("The Signature header cannot be read.", received=ascii(value[position:][:80]))
        name = match[1].lower()
        # (6) The last of two parameters wins here and the first one elsewhere.
        if name in parameters:
            raise _malformed("A parameter of the Signature header occurs twice.", received=name)
        parameters[name] = match[2] if match[2] is not None else match[3]
        position = match.end()
    return parameters


def _seconds(parameters: Mapping[str, str], name: str) -> int | None:
    value = parameters.get(name)
    if value is None:
        return None
    # Quoted or not, both are in the wild (SIG-4); the pattern takes either.
    if _SECONDS.fullmatch(value) is None:
        raise _malformed(f"`{name}` is not a number of seconds.", received=ascii(value[:40]))
    return int(value)


def _canonical_base64(value: str) -> bytes:
    # (7) Python skips what is not base64 and ignores trailing bits: many spellings of one signature.
    try:
        raw = base64.b64decode(value, validate=True)
    except ValueError:
        raw = b""
    if not raw or base64.b64encode(raw).decode("ascii") != value:
        raise _malformed("The signature is not base64 in its one canonical spelling.")
    return raw


# -- policy ----------------------------------------------------------------------------------------------


def check_time(parsed: RequestSignature, request: RawRequest, *, now: datetime, window: Window) -> None:
    """Return when `request` was signed within `window` around `now`, by every time that is signed.

    Raises:
        Unverified: no time is signed (`coverage-insufficient`), it is outside the window (`clock-skew`;
            `received` has the difference in seconds), or the signature has run out (`signature-expired`).
    """
    # (8) Without a signed time a captured request would live for ever.
    times: list[datetime] = []
    if "date" in parsed.covered:
        times.append(read_date(request))
    if "(created)" in parsed.covered and parsed.created is not None:
        times.append(moment(parsed.created))
    if not times:
        raise _uncovered("No time is signed.", ["date or (created)"], parsed)
    check_fresh(times, parsed.expires, now=now, window=window)


def check_coverage(parsed: RequestSignature, request: RawRequest) -> None:
    """Return when enough of `request` is signed: SIG-2's union, and only what the algorithm may say.

    Raises:
        Unverified: `coverage-insufficient`, `algorithm-not-allowed`, or a covered header is not there
            (`signature-malformed`).
    """
    # (9) The union of what Mastodon and Mitra demand: else a signature fits another path, host or body.
    needed = ["(request-target)", "host"]
    if request.method.upper() not in {"GET", "HEAD"}:
        needed.append("digest")
    missing = [name for name in needed if name not in parsed.covered]
    if missing:
        raise _uncovered("Too little of the request is signed.", missing, parsed)
    # (10) HMAC "signatures" keyed with a public key are anybody's; sha1 and the unknown are nobody's.
    if parsed.algorithm != "hs2019" and parsed.algorithm not in ALGORITHMS:
        raise _algorithm(", ".join(("hs2019", *ALGORITHMS)), parsed)
    # (11) The pseudo headers exist for hs2019 only (draft §2.3).
    for name, value in (("(created)", parsed.created), ("(expires)", parsed.expires)):
        if name in parsed.covered and parsed.algorithm.startswith("rsa"):
            raise _algorithm("hs2019", parsed)
        if name in parsed.covered and value is None:
            raise _malformed(f"{name} is covered and not given.", expected=name)
    # (12) What is signed must be there.
    for name in parsed.covered:
        if not name.startswith("(") and not request.header_values(name):
            raise _malformed("A covered header is not in the request.", expected=name)


def check_host(request: RawRequest, *, public_hosts: Collection[str]) -> None:
    """Return when `request` was meant for us: its one Host is among `public_hosts` (SIG-16).

    Raises:
        Unverified: a request to another server, replayed here (`host-mismatch`).
    """
    # (13) Else a request to one server is good for all others.
    hosts = [value.strip().lower() for value in request.header_values("host")]
    if len(hosts) != 1 or hosts[0] not in public_hosts:
        raise Unverified(
            "host-mismatch",
            "The request was signed for another server.",
            expected=" or ".join(sorted(public_hosts)),
            received=ascii(", ".join(hosts)[:200]),
        )


def public_hosts(public_origin: str) -> frozenset[str]:
    """Return the spellings of our own Host: as in the origin, and with the default port."""
    scheme, _, host = public_origin.partition("://")
    default = {"https": ":443", "http": ":80"}[scheme]
    return frozenset({host} if ":" in host.rpartition("]")[2] else {host, host + default})


# -- mathematics -----------------------------------------------------------------------------------------


def verify(parsed: RequestSignature, request: RawRequest, public_key: PublicKey) -> None:
    """Return when `public_key` made the signature in `parsed` over `request`.

    The checks of policy come before: this one says only that the covered part was signed by that key.

    Raises:
        Unverified: `algorithm-not-allowed` when the header names one that is not the key's, else
            `signature-invalid`.
    """
    # (14) The key decides the algorithm; a header that says otherwise is an attempt at something. For
    # hs2019 and an RSA key that is PKCS#1 v1.5 with SHA-256: what everybody sends, not what the draft's
    # registry says (SIG-1).
    wanted = ALGORITHMS.get(parsed.algorithm)
    if parsed.algorithm != "hs2019" and (wanted is None or not isinstance(public_key, wanted)):
        raise _algorithm("rsa-sha256" if isinstance(public_key, RSAPublicKey) else "ed25519", parsed)
    # (15) The mathematics, by OpenSSL.
    try:
        message = _signing_string(request, parsed.covered, _pseudo_headers(parsed))
    except ValueError as error:
        raise _malformed(f"The signed part cannot be rebuilt: {error}.") from None
    check_signed(public_key, parsed.signature, message, covered=parsed.covered)


def _signing_string(request: RawRequest, covered: Sequence[str], pseudo: Mapping[str, str]) -> bytes:
    headers = dict(pseudo)
    for name in covered:
        if not name.startswith("("):
            values = request.header_values(name)
            if not values:
                raise ValueError(f"there is no header {name}")
            headers[name] = ", ".join(value.strip() for value in values)
        elif name != "(request-target)" and name not in pseudo:
            raise ValueError(f"there is no {name}")
    if not covered or not request.method or not request.target:
        raise ValueError("nothing is covered, or the request line is empty")
    # A line break in a value would be a line of its own in what is signed.
    if any("\n" in value or "\r" in value for value in headers.values()):
        raise ValueError("a covered header has a line break")
    # Host is given as a header; httpsig's own `host` argument would replace it.
    message: bytes = _httpsig.generate_message(
        list(covered), headers, host=None, method=request.method, path=request.target
    )
    return message


def _pseudo_headers(parsed: RequestSignature) -> dict[str, str]:
    times = {"(created)": parsed.created, "(expires)": parsed.expires}
    return {name: str(value) for name, value in times.items() if value is not None}


# -- times and refusals ----------------------------------------------------------------------------------


def read_date(request: RawRequest) -> datetime:
    """Return the time in the Date header. Raises Unverified `signature-malformed` when it is none."""
    values = request.header_values("date")
    match = _DATE.fullmatch(values[0].strip()) if len(values) == 1 else None
    try:
        if match is not None and match[2] in _MONTHS:
            day, year, hour, minute, second = (int(match[part]) for part in (1, 3, 4, 5, 6))
            return datetime(year, _MONTHS.index(match[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        pass
    raise _malformed(
        "The Date header is not a date.",
        expected="such as Sun, 06 Nov 1994 08:49:37 GMT",
        received=ascii(values)[:80],
    )


def _uncovered(detail: str, missing: Sequence[str], parsed: RequestSignature) -> Unverified:
    return Unverified(
        "coverage-insufficient",
        detail,
        expected="covered: " + " ".join(missing),
        received="covered: " + " ".join(parsed.covered)[:200],
    )


def _algorithm(expected: str, parsed: RequestSignature) -> Unverified:
    received = ascii(parsed.algorithm[:40])
    return Unverified(
        "algorithm-not-allowed", "This algorithm is not used here.", expected=expected, received=received
    )


def _malformed(detail: str, *, expected: str | None = None, received: str | None = None) -> Unverified:
    return Unverified("signature-malformed", detail, expected=expected, received=received)
