"""HTTP Message Signatures: RFC 9421 with the Content-Digest of RFC 9530, as the fediverse profiles them (SIG-8 to 16).

`http-message-signatures` says what the value of a component is, `http-sf` reads and writes structured fields,
`cryptography` does the mathematics, and this module, which alone knows the first, decides: one signature a message, in
the one spelling that it can have; a minimum is covered; the algorithm follows from the key; the server that the request
was sent to is the one of our settings, whatever a proxy or a Host header say. Why the library's own verifier is
not used: docs/adr/0012-two-dialects.md.

    parse -> check_time, check_coverage -> (the key is found) -> verify
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import http_sf
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from http_message_signatures import HTTPMessageSignaturesException, HTTPSignatureComponentResolver
from http_sf.compat import Item

from fedcoop.errors import Unverified
from fedcoop.protocol.cavage import MEDIA_TYPE, http_date, read_date
from fedcoop.protocol.digest import content_digest
from fedcoop.protocol.freshness import Window, check_fresh, moment
from fedcoop.protocol.limits import MAX_NONCE, MAX_SIGNATURE_HEADER, SIGNATURE_MAX_AHEAD
from fedcoop.protocol.messages import RawRequest, RequestSignature
from fedcoop.protocol.multikey import PrivateKey, PublicKey, check_signed, sign_bytes

ALGORITHMS: Final[Mapping[str, type[RSAPublicKey | Ed25519PublicKey]]] = {
    "rsa-v1_5-sha256": RSAPublicKey,
    "ed25519": Ed25519PublicKey,
}
_ONCE: Final = (
    "signature-input",
    "signature",
    "content-digest",
    "host",
    "date",
    "content-type",
    "content-length",
)
_KINDS: Final[Mapping[str, type[int] | type[str]]] = {
    "created": int,
    "expires": int,
    "keyid": str,
    "alg": str,
    "nonce": str,
    "tag": str,
}
_KIND_NAMES: Final = {int: "an integer", str: "a string that is not empty"}
_KEY_ID: Final = re.compile(r"[!#-\[\]-~]+", re.ASCII)
_UNREADABLE: Final = (HTTPMessageSignaturesException, ValueError, TypeError, KeyError, ArithmeticError)
"""What the libraries raise for what cannot be read or built; `http_sf.StructuredFieldError` is a ValueError."""

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

LABEL: Final = "sig1"
"""The name of our one signature; it is not signed and means nothing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an `Accept-Signature` asks for, as far as we can give it (RFC 9421 §5)."""

    label: str
    covered: tuple[str, ...]
    nonce: str | None = None
    tag: str | None = None
    expires: bool = False
    algorithm: str | None = None
    key_id: str | None = None


# -- signing ---------------------------------------------------------------------------------------------


def sign_headers(
    *,
    method: str,
    url: str,
    body: bytes | None,
    key_id: str,
    key: PrivateKey,
    created: datetime,
    wanted: Wanted | None = None,
    more: Mapping[str, str] = _NOTHING,
) -> dict[str, str]:
    """Return the headers of a signed request: Host, Signature-Input, Signature; with a body its digest and type.

    `url` is spelled as it will be sent; `body` is None for a GET. Covered is what Mastodon sends and demands (SIG-9),
    what is `wanted` besides, and `more` headers, which are sent with it. Send these headers unchanged and no second one
    of the same name.

    Raises:
        ValueError: `key_id` cannot be written in the header, or what is `wanted` cannot be signed.
    """
    if _KEY_ID.fullmatch(key_id) is None:
        raise ValueError(f"this key id cannot be written in a Signature-Input header: {key_id!r}")
    wanted = wanted or Wanted(LABEL, ())
    origin, target = _split(url)
    headers = {"Host": origin.partition("://")[2]}
    if body is not None:
        headers |= {"Content-Digest": content_digest(body), "Content-Type": MEDIA_TYPE}
    if "date" in wanted.covered:
        headers["Date"] = http_date(created)
    headers |= more
    covered = tuple(dict.fromkeys((*needed(method), *wanted.covered, *map(str.lower, more))))
    at = int(created.timestamp())
    given = {
        "created": at,
        "keyid": key_id,
        "expires": at + int(SIGNATURE_MAX_AHEAD.total_seconds()) if wanted.expires else None,
        "nonce": wanted.nonce,
        "tag": wanted.tag,
    }
    parameters = {name: value for name, value in given.items() if value is not None}
    request = RawRequest(method, target, tuple(headers.items()), body or b"")
    try:
        # The label is the first thing of the field, and no part of what is signed.
        described = _serialised({wanted.label: ([(name, {}) for name in covered], parameters)})
        base = _signature_base(request, described[len(wanted.label) + 1 :], origin)
    except _UNREADABLE as error:
        raise ValueError(f"this cannot be signed: {error}") from error
    signature = _serialised({wanted.label: (sign_bytes(key, base), {})})
    return {**headers, "Signature-Input": described, "Signature": signature}


def needed(method: str) -> tuple[str, ...]:
    """Return what a signature must cover at least (SIG-9): else it fits another path, server or body."""
    least = ("@method", "@target-uri")
    return least if method.upper() in {"GET", "HEAD"} else (*least, "content-digest")


def accept_signature(method: str) -> str:
    """Return the `Accept-Signature` header that tells a refused sender what to sign (RFC 9421 §5.1)."""
    components = " ".join(f'"{name}"' for name in needed(method))
    return f"{LABEL}=({components});created"


def wanted_by(values: Sequence[str], *, method: str, key: PrivateKey, key_id: str) -> Wanted | None:
    """Return the first of what an `Accept-Signature` asks of a request that `key` can give; None without one."""
    try:
        asked = http_sf.parse(", ".join(values)[:MAX_SIGNATURE_HEADER].encode("ascii"), tltype="dictionary")
        return next((one for one in _wishes(asked) if _can_give(one, method, key, key_id)), None)
    except _UNREADABLE:
        return None


_SIGNABLE: Final = frozenset(
    {
        "@method",
        "@target-uri",
        "@authority",
        "@scheme",
        "@request-target",
        "@path",
        "@query",
        "content-digest",
        "content-type",
        "host",
        "date",
    }
)


_OF_A_BODY: Final = frozenset({"content-digest", "content-type"})


def _wishes(asked: Any) -> Iterator[Wanted]:
    for label, (components, parameters) in asked.items():
        texts = [parameters.get(name) for name in ("nonce", "tag", "alg", "keyid")]
        plain = isinstance(components, list) and all(not more for _, more in components)
        if plain and all(text is None or isinstance(text, str) for text in texts):
            covered = tuple(name for name, _ in components)
            nonce, tag, algorithm, key_id = texts
            yield Wanted(label, covered, nonce, tag, "expires" in parameters, algorithm, key_id)


def _can_give(wanted: Wanted, method: str, key: PrivateKey, key_id: str) -> bool:
    ours = "rsa-v1_5-sha256" if isinstance(key, RSAPrivateKey) else "ed25519"
    return (
        # (1) A stranger does not make us sign what we would not send: headers that we do not set, or an essay.
        (_SIGNABLE if "content-digest" in needed(method) else _SIGNABLE - _OF_A_BODY).issuperset(
            wanted.covered
        )
        and all(len(text or "") <= MAX_NONCE for text in (wanted.nonce, wanted.tag))
        and wanted.algorithm in (None, ours)
        and wanted.key_id in (None, key_id)
    )


# -- reading ---------------------------------------------------------------------------------------------


def parse(request: RawRequest, *, origin: str) -> RequestSignature:
    """Return what `Signature-Input` and `Signature` of `request` claim; `origin` is our own, of the settings.

    Raises:
        Unverified: there is none (`signature-missing`), or it is not exactly one, well formed and in the one possible
            spelling (`signature-malformed`).
    """
    # (2) Unsigned is not "nothing to check".
    if not request.header_values("signature-input"):
        raise Unverified(
            "signature-missing",
            "The request is not signed.",
            expected="Signature-Input and Signature headers",
        )
    # (3) Of two, we would check one and somebody else would believe the other (SIG-7).
    for name in _ONCE:
        if len(request.header_values(name)) > 1:
            raise _malformed(f"The header {name} occurs more than once.", received=name)
    label, components, parameters, spelled = _input(request)
    covered = tuple(_component(component) for component in components)
    # (4) A component listed twice is a signature base that reads in two ways (RFC 9421 §2).
    if len({(name, frozenset(more.items())) for name, more in components}) != len(components):
        raise _malformed("A component is covered twice.", received=" ".join(covered)[:200])
    # (5) What everybody reads must be of one kind: a `created` that is a string has no place in time.
    for name, kind in _KINDS.items():
        if name in parameters and (type(parameters[name]) is not kind or parameters[name] == ""):
            raise _malformed(f"`{name}` is not of its kind.", expected=_KIND_NAMES[kind])
    # (6) Without a time a captured request would live for ever; without a key there is nothing to verify.
    for name in ("created", "keyid"):
        if not parameters.get(name):
            raise _malformed(f"The signature has no {name}.", expected=f"a parameter `{name}`")
    if _KEY_ID.fullmatch(parameters["keyid"]) is None:
        raise _malformed("The key id has characters that no URL has.")
    return RequestSignature(
        dialect="rfc9421",
        key_id=parameters["keyid"],
        algorithm=parameters.get("alg", ""),
        covered=covered,
        created=parameters["created"],
        expires=parameters.get("expires"),
        signature=_signature(request, label),
        parameters=spelled,
        origin=origin,
    )


def _input(request: RawRequest) -> tuple[str, list[tuple[Any, dict[str, Any]]], dict[str, Any], str]:
    """Return the label, the components, the parameters and the text of the one signature that is described."""
    value = request.header_values("signature-input")[0].strip(" \t")
    label, member = _only(value, "Signature-Input")
    if not isinstance(member[0], list):
        raise _malformed("What is signed is not listed.", expected='a list such as ("@method" "@target-uri")')
    return label, member[0], member[1], value[len(label) + 1 :]


def _signature(request: RawRequest, label: str) -> bytes:
    values = request.header_values("signature")
    if not values:
        raise _malformed("There is a Signature-Input and no Signature.", expected=f"Signature: {label}=:…:")
    found, member = _only(values[0].strip(" \t"), "Signature")
    # (7) The two headers speak of the same signature.
    if found != label:
        raise _malformed(
            "Signature and Signature-Input differ in their label.", expected=label, received=found
        )
    if not isinstance(member[0], bytes) or not member[0] or member[1]:
        raise _malformed("The signature is not a byte sequence.", expected=f"{label}=:…:")
    return member[0]


def _only(value: str, header: str) -> tuple[str, Any]:
    """Return the name and the value of the one member of a dictionary that is spelled as it must be."""
    # (8) Within what a signature can need.
    if len(value) > MAX_SIGNATURE_HEADER:
        raise _malformed(f"The {header} header is too long.", expected=f"at most {MAX_SIGNATURE_HEADER}")
    try:
        members: Any = http_sf.parse(
            value.encode("ascii"), tltype="dictionary", on_duplicate_key=_refuse_duplicate
        )
        spelled = _serialised(members) if members else ""
    except _UNREADABLE as error:
        raise _malformed(
            f"The {header} header cannot be read: {error}.", expected="a structured field (RFC 9651)"
        ) from None
    # (9) One signature a message: of two, one may be somebody else's (decision D5).
    if len(members) != 1:
        raise _malformed(
            f"The {header} header does not hold exactly one signature.",
            expected="one",
            received=str(len(members)),
        )
    # (10) Another spelling has another signature base for whoever takes the bytes as they stand; it is also how one
    # signature would have many base64 forms.
    if spelled != value:
        raise _malformed(
            f"The {header} header is not in its canonical spelling (RFC 9651 §4.1).",
            expected=ascii(spelled)[1:-1][:300],
            received=ascii(value)[1:-1][:300],
        )
    label, member = next(iter(members.items()))
    return label, member


def _refuse_duplicate(name: str, where: str) -> None:
    # (11) The last of two wins here and the first one elsewhere.
    raise ValueError(f"{name} occurs twice in a {where}")


def _component(component: tuple[Any, dict[str, Any]]) -> str:
    name, parameters = component
    # (12) Only what RFC 9421 §2 lets be a component.
    if type(name) is not str or name != name.lower() or name == "@signature-params":
        raise _malformed("A covered component is not one.", received=ascii(name)[:80])
    # With parameters it is another component: `"content-digest";key="sha-256"` is not the digest as a whole.
    return _serialised((name, parameters)) if parameters else name


# -- policy ----------------------------------------------------------------------------------------------


def check_time(parsed: RequestSignature, request: RawRequest, *, now: datetime, window: Window) -> None:
    """Return when `request` was signed within `window` around `now`, by every time that is signed.

    Raises:
        Unverified: `clock-skew`, `signature-expired`, or a covered Date that is none (`signature-malformed`).
    """
    times = [] if parsed.created is None else [moment(parsed.created)]
    # (13) A Date that is signed must be true as well.
    if "date" in parsed.covered:
        times.append(read_date(request))
    check_fresh(times, parsed.expires, now=now, window=window)


def check_coverage(parsed: RequestSignature, request: RawRequest) -> None:
    """Return when enough of `request` is signed, all of it is there, and the algorithm is one of ours.

    Raises:
        Unverified: `coverage-insufficient`, `algorithm-not-allowed`, `signature-malformed`.
    """
    # (14) As Mastodon: the method, the whole target, and the body by its digest.
    missing = [name for name in needed(request.method) if name not in parsed.covered]
    if missing:
        raise Unverified(
            "coverage-insufficient",
            "Too little of the request is signed.",
            expected="covered: " + " ".join(missing),
            received="covered: " + " ".join(parsed.covered)[:200],
        )
    # (15) HMAC "signatures" keyed with a public key are anybody's.
    if parsed.algorithm and parsed.algorithm not in ALGORITHMS:
        raise _algorithm("none, or " + " or ".join(ALGORITHMS), parsed)
    # (16) What is signed must be there.
    _rebuilt(parsed, request)


# -- mathematics -----------------------------------------------------------------------------------------


def verify(parsed: RequestSignature, request: RawRequest, public_key: PublicKey) -> None:
    """Return when `public_key` made the signature in `parsed` over `request`.

    The checks of policy come before: this one says only that the covered part was signed by that key.

    Raises:
        Unverified: `algorithm-not-allowed` when `alg` is not the key's, else `signature-invalid`.
    """
    # (17) The key decides the algorithm; an `alg` that says otherwise is an attempt at something (RFC 9421 §3.2).
    if parsed.algorithm and not isinstance(public_key, ALGORITHMS.get(parsed.algorithm, ())):
        ours = "rsa-v1_5-sha256" if isinstance(public_key, RSAPublicKey) else "ed25519"
        raise _algorithm(f"none, or {ours}", parsed)
    # (18) The mathematics, by OpenSSL.
    check_signed(public_key, parsed.signature, _rebuilt(parsed, request), covered=parsed.covered)


def _rebuilt(parsed: RequestSignature, request: RawRequest) -> bytes:
    try:
        return _signature_base(request, parsed.parameters, parsed.origin)
    except _UNREADABLE as error:
        raise _malformed(f"The signed part cannot be rebuilt: {error}.") from None


@dataclass(frozen=True, slots=True)
class _Lines:
    """Header lines as the library wants them: every one, in order."""

    lines: tuple[tuple[str, str], ...]

    def items(self) -> tuple[tuple[str, str], ...]:
        return self.lines


@dataclass(frozen=True, slots=True)
class _Message:
    """A request as the library wants it; `url` begins with our own origin, not with what a Host header says."""

    method: str
    url: str
    request_target: str
    headers: _Lines


def _signature_base(request: RawRequest, parameters: str, origin: str) -> bytes:
    """Return what is signed (RFC 9421 §2.5); `parameters` go in as they are spelled."""
    # A target in another form (absolute, authority) has another URL than the one that we would write.
    if not request.target.startswith("/"):
        raise ValueError("the request target is not a path")
    message = _Message(request.method, origin + request.target, request.target, _Lines(request.headers))
    resolver: Any = HTTPSignatureComponentResolver(message)  # type: ignore[no-untyped-call]
    components: Any = http_sf.parse(f"base={parameters}".encode("ascii"), tltype="dictionary")
    lines = []
    for name, more in components["base"][0]:
        item = Item(name)
        item.params.update(more)
        lines.append(f"{_serialised((name, more))}: {resolver.resolve(item)}")
    lines.append(f'"@signature-params": {parameters}')
    # A line break in a value would be a line of its own in what is signed.
    if not all(line.replace("\t", " ").isprintable() for line in lines):
        raise ValueError("a covered value has a control character")
    return "\n".join(lines).encode("ascii")


def _serialised(structure: Any) -> str:
    return http_sf.ser(structure)


def _split(url: str) -> tuple[str, str]:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}", slash + path or "/"


# -- refusals --------------------------------------------------------------------------------------------


def _algorithm(expected: str, parsed: RequestSignature) -> Unverified:
    return Unverified(
        "algorithm-not-allowed",
        "This algorithm is not used here.",
        expected=expected,
        received=ascii(parsed.algorithm[:40]),
    )


def _malformed(detail: str, *, expected: str | None = None, received: str | None = None) -> Unverified:
    return Unverified("signature-malformed", detail, expected=expected, received=received)
