"""HTTP Message Signatures (RFC 9421) of requests: the base, signing with any of its parts, and checking.

Nothing is chosen for the caller: which components are covered and which parameters are written is an
argument, so that honest peers and faulty ones are made by the same code.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from fedcoop_conformance.crypto import fields
from fedcoop_conformance.crypto.fields import Component
from fedcoop_conformance.crypto.refusals import Refused

PrivateKey = Ed25519PrivateKey | RSAPrivateKey
PublicKey = Ed25519PublicKey | RSAPublicKey

DEFAULT_COMPONENTS: Final = ("@method", "@target-uri", "content-digest")
_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_FORM_SAFE: Final = "*-._"


class SignatureInvalid(Refused):
    """A request is not signed, or not so.

    Reasons: `NO_SIGNATURE`, `SYNTAX`, `LABEL`, `DUPLICATE_COMPONENT`, `UNKNOWN_COMPONENT`,
    `MISSING_COMPONENT`, `ALGORITHM`, `UNKNOWN_KEY`, `SIGNATURE`.
    """


@dataclass(frozen=True)
class Request:
    """A request as it is sent or came: the whole target URL, and header lines in order."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()

    def with_headers(self, more: Mapping[str, str]) -> Request:
        """Return the request with header lines added at the end."""
        return replace(self, headers=(*self.headers, *more.items()))

    def values(self, name: str) -> list[str]:
        """Return the values of all lines of one header, in order, without the white space around them."""
        wanted = name.lower()
        return [
            " ".join(value.split("\r\n")).strip(" \t") for key, value in self.headers if key.lower() == wanted
        ]

    def value(self, name: str) -> str | None:
        """Return the combined value of a header, None where it is absent."""
        values = self.values(name)
        return ", ".join(values) if values else None


@dataclass(frozen=True)
class Claimed:
    """What a signature of a request says that it covers."""

    label: str
    components: tuple[tuple[str, dict[str, Any]], ...]
    parameters: dict[str, Any]
    signature: bytes

    @property
    def keyid(self) -> str | None:
        """The key that it names."""
        keyid = self.parameters.get("keyid")
        return keyid if isinstance(keyid, str) else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the components that it covers, without their parameters."""
        return tuple(name for name, _ in self.components)


# -- the base --------------------------------------------------------------------------------------------


def signature_base(
    request: Request, components: Sequence[str | Component], parameters: Mapping[str, Any]
) -> str:
    """Return the signature base (RFC 9421 §2.5).

    Raises:
        SignatureInvalid: `DUPLICATE_COMPONENT`, `UNKNOWN_COMPONENT` or `MISSING_COMPONENT`.
    """
    lines: list[str] = []
    seen: set[str] = set()
    for member in components:
        identifier = fields.item(member)
        if identifier in seen:
            raise SignatureInvalid("DUPLICATE_COMPONENT", identifier)
        seen.add(identifier)
        lines.append(f"{identifier}: {component_value(request, member)}")
    lines.append(f'"@signature-params": {fields.inner_list(components, parameters)}')
    return "\n".join(lines)


def component_value(request: Request, member: str | Component) -> str:
    """Return what one component of a request is (RFC 9421 §2.1 and §2.2). Raises SignatureInvalid."""
    name, parameters = fields.component(member)
    if not name.startswith("@"):
        return _field(request, name, parameters)
    derive = _DERIVED.get(name)
    if derive is None:
        raise SignatureInvalid("UNKNOWN_COMPONENT", name)
    return str(derive(request, parameters))


def _field(request: Request, name: str, parameters: Mapping[str, Any]) -> str:
    values = request.values(name)
    if not values:
        raise SignatureInvalid("MISSING_COMPONENT", name)
    if name != name.lower() or set(parameters) - {"key", "bs"}:
        raise SignatureInvalid("UNKNOWN_COMPONENT", f"{name} {sorted(parameters)}")
    if parameters.get("bs") is True:
        return fields.write([(value.encode("latin-1"), {}) for value in values])
    combined = ", ".join(values)
    return combined if "key" not in parameters else _member(combined, name, parameters["key"])


def _member(combined: str, name: str, key: object) -> str:
    """Return one member of a dictionary field (RFC 9421 §2.1.2)."""
    try:
        members = fields.parse(combined, "dictionary")
    except fields.FieldRefused as error:
        raise SignatureInvalid("SYNTAX", f"{name}: {error.detail}") from None
    if key not in members:
        raise SignatureInvalid("MISSING_COMPONENT", f"{name};key={key!r}")
    return fields.write([members[key]])


def _target(request: Request) -> urllib.parse.SplitResult:
    return urllib.parse.urlsplit(request.url)


def _authority(request: Request, _: Mapping[str, Any]) -> str:
    parts = _target(request)
    host = parts.netloc.rpartition("@")[2].lower()
    if parts.port is not None and parts.port == _DEFAULT_PORT.get(parts.scheme.lower()):
        host = host.rpartition(":")[0]
    return host


def _request_target(request: Request, _: Mapping[str, Any]) -> str:
    parts = _target(request)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _query_param(request: Request, parameters: Mapping[str, Any]) -> str:
    """Return one parameter of the query, decoded as a form and encoded again (RFC 9421 §2.2.8)."""
    wanted = urllib.parse.unquote_plus(str(parameters.get("name", "")))
    pairs = urllib.parse.parse_qsl(_target(request).query, keep_blank_values=True)
    found = [value for name, value in pairs if name == wanted]
    if len(found) != 1:
        raise SignatureInvalid("MISSING_COMPONENT", f"{len(found)} parameters {wanted[:40]!r}")
    return urllib.parse.quote(found[0], safe=_FORM_SAFE)


_DERIVED: Final = {
    "@method": lambda request, _: request.method,
    "@target-uri": lambda request, _: request.url.partition("#")[0],
    "@authority": _authority,
    "@scheme": lambda request, _: _target(request).scheme.lower(),
    "@request-target": _request_target,
    "@path": lambda request, _: _target(request).path or "/",
    "@query": lambda request, _: "?" + _target(request).query,
    "@query-param": _query_param,
}


# -- signing ---------------------------------------------------------------------------------------------


def sign(
    request: Request,
    private: PrivateKey,
    *,
    keyid: str | None,
    created: int | None,
    components: Sequence[str | Component] = DEFAULT_COMPONENTS,
    parameters: Mapping[str, Any] | None = None,
    label: str = "sig1",
) -> dict[str, str]:
    """Return the two header lines that sign `request`: `Signature-Input` and `Signature`.

    `parameters` are written after `created` and `keyid`; None for either of these leaves it out.

    Raises:
        SignatureInvalid: a component is not in the request.
    """
    written: dict[str, Any] = {"created": created, "keyid": keyid, **(parameters or {})}
    written = {name: value for name, value in written.items() if value is not None}
    base = signature_base(request, components, written)
    signature = sign_bytes(base.encode("ascii"), private)
    return {
        "Signature-Input": f"{label}={fields.inner_list(components, written)}",
        "Signature": fields.write({label: (signature, {})}),
    }


def sign_bytes(data: bytes, private: PrivateKey) -> bytes:
    """Return the signature of `data`: Ed25519, or RSA with PKCS#1 v1.5 and SHA-256."""
    if isinstance(private, Ed25519PrivateKey):
        return private.sign(data)
    return private.sign(data, padding.PKCS1v15(), hashes.SHA256())


# -- checking --------------------------------------------------------------------------------------------


def claimed(request: Request, *, label: str | None = None) -> Claimed:
    """Return what the signature of `request` says; `label` chooses one of several.

    Raises:
        SignatureInvalid: `NO_SIGNATURE`, `SYNTAX` or `LABEL`.
    """
    inputs, signatures = _dictionary(request, "Signature-Input"), _dictionary(request, "Signature")
    if label is None and len(inputs) != 1:
        raise SignatureInvalid("LABEL", f"{len(inputs)} signatures")
    chosen = next(iter(inputs)) if label is None else label
    if chosen not in inputs or chosen not in signatures:
        raise SignatureInvalid("LABEL", chosen)
    covered, parameters = inputs[chosen]
    signature = signatures[chosen][0]
    if not isinstance(covered, list) or not isinstance(signature, bytes):
        raise SignatureInvalid("SYNTAX", chosen)
    if not all(isinstance(name, str) for name, _ in covered):
        raise SignatureInvalid("SYNTAX", "a component is not a string")
    return Claimed(chosen, tuple((name, dict(its)) for name, its in covered), dict(parameters), signature)


def verify(
    request: Request, keys: Mapping[str, PublicKey] | PublicKey, *, label: str | None = None
) -> Claimed:
    """Return what the signature of `request` covers, when a key made it: the one of `keys` that it names.

    Raises:
        SignatureInvalid: none made it.
    """
    claim = claimed(request, label=label)
    key = keys.get(claim.keyid or "") if isinstance(keys, Mapping) else keys
    if key is None:
        raise SignatureInvalid("UNKNOWN_KEY", str(claim.keyid))
    if claim.parameters.get("alg", algorithm(key)) != algorithm(key):
        raise SignatureInvalid("ALGORITHM", str(claim.parameters["alg"]))
    base = signature_base(request, claim.components, claim.parameters)
    if not verifies(claim.signature, base.encode("utf-8"), key):
        raise SignatureInvalid("SIGNATURE", "not over this request by this key")
    return claim


def verifies(signature: bytes, data: bytes, key: PublicKey) -> bool:
    """Tell whether `key` signed `data`."""
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, data)
        else:
            key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def algorithm(key: PublicKey | PrivateKey) -> str:
    """Return the name that RFC 9421 §3.3 gives to signing with this key."""
    return "ed25519" if isinstance(key, (Ed25519PublicKey, Ed25519PrivateKey)) else "rsa-v1_5-sha256"


def _dictionary(request: Request, name: str) -> dict[str, Any]:
    value = request.value(name)
    if value is None:
        raise SignatureInvalid("NO_SIGNATURE", name)
    try:
        members: dict[str, Any] = fields.parse(value, "dictionary")
    except fields.FieldRefused as error:
        raise SignatureInvalid("SYNTAX", f"{name}: {error.detail}") from None
    return members
