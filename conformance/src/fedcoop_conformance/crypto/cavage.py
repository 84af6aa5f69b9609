"""The older signatures of the fediverse (draft-cavage-http-signatures-12): string, signing, checking."""

from __future__ import annotations

import base64
import binascii
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fedcoop_conformance.crypto import httpsig
from fedcoop_conformance.crypto.httpsig import PrivateKey, PublicKey, Request, SignatureInvalid

DEFAULT_NAMES: Final = ("(request-target)", "host", "date", "digest")
_PARAMETER: Final = re.compile(r'\s*([a-zA-Z]+)\s*=\s*(?:"([^"]*)"|([0-9]+))\s*(?:,|$)')


@dataclass(frozen=True)
class Claimed:
    """What a `Signature` header says."""

    keyid: str
    algorithm: str | None
    names: tuple[str, ...]
    created: str | None
    expires: str | None
    signature: bytes


def signing_string(
    request: Request, names: Sequence[str], *, created: str | None = None, expires: str | None = None
) -> str:
    """Return what is signed (draft §2.3). Raises SignatureInvalid `MISSING_COMPONENT`."""
    parts = urllib.parse.urlsplit(request.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    special = {
        "(request-target)": f"{request.method.lower()} {target}",
        "(created)": created,
        "(expires)": expires,
    }
    lines: list[str] = []
    for name in names:
        value = special[name] if name in special else request.value(name)
        if value is None:
            raise SignatureInvalid("MISSING_COMPONENT", name)
        lines.append(f"{name}: {value}")
    return "\n".join(lines)


def sign(
    request: Request,
    private: PrivateKey,
    *,
    keyid: str,
    names: Sequence[str] = DEFAULT_NAMES,
    algorithm: str | None = "rsa-sha256",
    created: int | None = None,
    expires: int | None = None,
) -> dict[str, str]:
    """Return the header line that signs `request`. `algorithm` is only written; the key decides.

    Raises:
        SignatureInvalid: a header is not in the request.
    """
    moments = {"created": created, "expires": expires}
    texts = {name: None if moment is None else str(moment) for name, moment in moments.items()}
    string = signing_string(request, names, **texts)
    signature = base64.b64encode(httpsig.sign_bytes(string.encode("utf-8"), private)).decode("ascii")
    written = [f'keyId="{keyid}"']
    written += [f'algorithm="{algorithm}"'] if algorithm is not None else []
    written += [f"{name}={moment}" for name, moment in moments.items() if moment is not None]
    written += [f'headers="{" ".join(names)}"', f'signature="{signature}"']
    return {"Signature": ",".join(written)}


def claimed(request: Request) -> Claimed:
    """Return what the signature of `request` says. Raises SignatureInvalid `NO_SIGNATURE` or `SYNTAX`."""
    values = request.values("Signature")
    if len(values) != 1:
        raise SignatureInvalid("NO_SIGNATURE", f"{len(values)} header lines")
    parameters = _parameters(values[0])
    try:
        signature = base64.b64decode(parameters["signature"], validate=True)
        keyid = parameters["keyId"]
    except (KeyError, binascii.Error) as error:
        raise SignatureInvalid("SYNTAX", str(error)) from None
    names = tuple(parameters.get("headers", "date").lower().split())
    return Claimed(
        keyid,
        parameters.get("algorithm"),
        names,
        parameters.get("created"),
        parameters.get("expires"),
        signature,
    )


def verify(request: Request, keys: Mapping[str, PublicKey] | PublicKey) -> Claimed:
    """Return what the signature of `request` covers, when a key made it: the one of `keys` that it names.

    Raises:
        SignatureInvalid: none made it.
    """
    claim = claimed(request)
    key = keys.get(claim.keyid) if isinstance(keys, Mapping) else keys
    if key is None:
        raise SignatureInvalid("UNKNOWN_KEY", claim.keyid)
    string = signing_string(request, claim.names, created=claim.created, expires=claim.expires)
    if not httpsig.verifies(claim.signature, string.encode("utf-8"), key):
        raise SignatureInvalid("SIGNATURE", "not over this request by this key")
    return claim


def _parameters(value: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while position < len(value):
        match = _PARAMETER.match(value, position)
        if match is None or match[1] in found:
            raise SignatureInvalid("SYNTAX", value[position : position + 40])
        found[match[1]] = match[2] if match[2] is not None else match[3]
        position = match.end()
    return found
