"""What the suite's own code answers to a vector: one function for each kind, and nothing is looked up.

An answer is `{"result": "valid", "output": …}`, `{"result": "invalid", "reason": …}` or
`{"result": "unsupported"}`. The expected answer is nowhere in reach of this file.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final

import http_sf
import jsonschema
import referencing
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fedcoop_conformance import data
from fedcoop_conformance.crypto import digests, eddsa_jcs, fields, httpsig, jcs, multikey, origins
from fedcoop_conformance.crypto.refusals import Refused

Answer = dict[str, Any]
Input = Mapping[str, Any]
Output = Mapping[str, Any] | None
Answerer = Callable[[str, Input], Answer]

_ED25519_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64


def answer(kind: str, given: Input) -> Answer:
    """Return the suite's answer to the `input` of a vector of `kind`."""
    respond = _KINDS.get(kind)
    if respond is None:
        return {"result": "unsupported"}
    try:
        output = respond(given)
    except Refused as refusal:
        return {"result": "invalid", "reason": refusal.reason}
    return {"result": "valid"} if output is None else {"result": "valid", "output": dict(output)}


def kinds() -> tuple[str, ...]:
    """Return the kinds that there is an answer to, in the order of the catalogue."""
    return tuple(_KINDS)


def from_base64url(text: str) -> bytes:
    """Return the bytes of base64url without padding, which is how vectors write bytes."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def to_base64url(data: bytes) -> str:
    """Return bytes as a vector writes them."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


# -- JSON ------------------------------------------------------------------------------------------------


def _jcs(given: Input) -> Output:
    return {"canonical": to_base64url(jcs.canonical(jcs.parse(from_base64url(given["json"]))))}


def _ijson(given: Input) -> Output:
    jcs.parse(from_base64url(given["json"]))
    return None


# -- proofs and keys -------------------------------------------------------------------------------------


def _proof_sign(given: Input) -> Output:
    private = multikey.decode_private(given["secretKeyMultibase"])
    document, method = given["document"], given["verificationMethod"]
    signed = eddsa_jcs.sign(document, private, method, given["created"], purpose=given["proofPurpose"])
    return {"proofValue": signed["proof"]["proofValue"]}


def _proof_verify(given: Input) -> Output:
    document = given["document"]
    method = eddsa_jcs.proof_of(document).get("verificationMethod")
    if method not in given["keys"]:
        raise Refused("METHOD", str(method)[:80])
    key = multikey.decode(given["keys"][method])
    if not isinstance(key, Ed25519PublicKey):
        raise Refused("METHOD", "not an Ed25519 key")
    eddsa_jcs.verify(document, key)
    return None


def _ed25519(given: Input) -> Output:
    public, signature = from_base64url(given["publicKey"]), from_base64url(given["signature"])
    if len(signature) != _SIGNATURE_BYTES or len(public) != _ED25519_BYTES:
        raise Refused("LENGTH", f"{len(public)} and {len(signature)} bytes")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, from_base64url(given["message"]))
    except InvalidSignature:
        raise Refused("SIGNATURE") from None
    return None


def _multikey(given: Input) -> Output:
    return _told(multikey.decode(given["publicKeyMultibase"]))


def _did_key(given: Input) -> Output:
    return _told(multikey.of_did(given["did"]))


def _told(key: multikey.PublicKey) -> Mapping[str, str]:
    """Return the algorithm and the bytes of a key: 32 for Ed25519, PKCS#1 in DER for RSA."""
    if isinstance(key, Ed25519PublicKey):
        return {"algorithm": "Ed25519", "publicKey": to_base64url(key.public_bytes_raw())}
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    return {"algorithm": "RSA", "publicKey": to_base64url(der)}


# -- messages --------------------------------------------------------------------------------------------


def _request(given: Input) -> httpsig.Request:
    headers = tuple((name, value) for name, value in given["headers"])
    return httpsig.Request(given["method"], given["url"], headers)


def _httpsig_base(given: Input) -> Output:
    inputs = fields.parse(given["signatureInput"], "dictionary")
    components, parameters = inputs[given["label"]]
    return {"base": httpsig.signature_base(_request(given["request"]), components, parameters)}


def _httpsig_verify(given: Input) -> Output:
    keys = {keyid: multikey.decode(text) for keyid, text in given["keys"].items()}
    httpsig.verify(_request(given["request"]), keys)
    return None


def _content_digest(given: Input) -> Output:
    digests.check_content_digest(given["contentDigest"], from_base64url(given["body"]))
    return None


def _sfv(given: Input) -> Output:
    parsed = fields.parse(given["field"], given["shape"])
    return {"structure": _STRUCTURES[given["shape"]](parsed)}


def _dictionary(parsed: Any) -> Any:
    return [[name, _member(member)] for name, member in parsed.items()]


def _member(member: Any) -> dict[str, Any]:
    value, parameters = member
    if isinstance(value, list):
        items = [_member(item) for item in value]
        return {"innerList": items, "parameters": _parameters(parameters)}
    return {"item": _bare(value), "parameters": _parameters(parameters)}


def _parameters(parameters: Mapping[str, Any]) -> list[list[Any]]:
    return [[name, _bare(value)] for name, value in parameters.items()]


def _bare(value: Any) -> Any:
    """Return a bare item as vectors write it: JSON where JSON has the type, else an object of one member."""
    if isinstance(value, http_sf.Token):
        return {"token": str(value)}
    if isinstance(value, http_sf.DisplayString):
        return {"displayString": str(value)}
    if isinstance(value, bytes):
        return {"binary": to_base64url(value)}
    if isinstance(value, (Decimal, float)):
        return {"decimal": http_sf.ser((value, {}))}
    if isinstance(value, datetime):
        return {"date": int(value.timestamp())}
    return value


_STRUCTURES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "dictionary": _dictionary,
    "list": lambda parsed: [_member(member) for member in parsed],
    "item": _member,
}


# -- vocabulary and origins ------------------------------------------------------------------------------


def _vocab(given: Input) -> Output:
    """Refuse with the keyword of the schema that the document breaks."""
    error = next(iter(validator(given["schema"]).iter_errors(given["document"])), None)
    if error is not None:
        raise Refused(str(error.validator), error.json_path)
    return None


def _vocab_read(given: Input) -> Output:
    """Return the document as it is read: whole, with what nobody here has a name for."""
    _vocab(given)
    return {"document": given["document"]}


def _origin(given: Input) -> Output:
    apart = origins.difference(given["one"], given["other"])
    if apart is not None:
        raise Refused(apart)
    return None


@cache
def validator(schema: str) -> jsonschema.Draft202012Validator:
    """Return the validator of one schema file of the vocabulary. Nothing is fetched for its references."""
    folder = data.folder("vocab") / "schemas"
    shared = json.loads((folder / "common.schema.json").read_bytes())
    resource = referencing.Resource.from_contents(shared)
    registry: Any = referencing.Registry().with_resource("common.schema.json", resource)
    return jsonschema.Draft202012Validator(json.loads((folder / schema).read_bytes()), registry=registry)


_KINDS: Final[Mapping[str, Callable[[Input], Output]]] = {
    "jcs": _jcs,
    "ijson": _ijson,
    "proof-sign": _proof_sign,
    "proof-verify": _proof_verify,
    "ed25519": _ed25519,
    "multikey": _multikey,
    "did-key": _did_key,
    "httpsig-base": _httpsig_base,
    "httpsig-verify": _httpsig_verify,
    "content-digest": _content_digest,
    "sfv": _sfv,
    "vocab": _vocab,
    "vocab-read": _vocab_read,
    "origin": _origin,
}
