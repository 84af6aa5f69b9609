"""fedcoop's own code answers the static vectors of the conformance suite, one question a line.

    fedcoop-conformance vectors check --exec "python tests/e2e/answer_vectors.py"

Every answer is by the functions that the server calls, with nothing per vector and no answer of the suite in reach. It
is no example, since examples know the server from outside only, and no part of the server, which has never met its
suite. What is good to know of an answer:

- A reason is given where one code of fedcoop is one reason of the vectors. Where fedcoop tells less (one `bad-id` for
  every kind of URL that it refuses, one `schema-invalid` for every keyword) the answer is "no" and no more.
- Structured fields have no function of their own in fedcoop: `messagesig` and `digest` call `http_sf`, as this does.
- A body is an object. Another JSON value is read, and written in canonical form, as the one member of an object.
- The key of a proof is published by the document's owner, as it is in an actor document: whether it is, is not asked.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

import http_sf
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedcoop.errors import FedcoopError, Unverified
from fedcoop.protocol import digest, ids, messagesig, multibase, multikey, proof, schemas, strict_json
from fedcoop.protocol.messages import RawRequest
from fedcoop.protocol.shape import id_of
from fedcoop.protocol.times import read_time

Input = Mapping[str, Any]
Output = dict[str, Any] | None

BOM: Final = b"\xef\xbb\xbf"
ED25519: Final = b"\xed\x01"
ED25519_SECRET: Final = b"\x80\x26"
"""Multicodec of a private Ed25519 key. Only vectors have keys in this form; fedcoop never gives one away."""


class No(Exception):
    """The answer is no, and fedcoop's function says so without an error of its own."""


class Unsupported(Exception):
    """fedcoop has nothing that could answer this."""


# -- JSON ------------------------------------------------------------------------------------------------


def read_json(text: str) -> tuple[dict[str, Any], bool]:
    """Return what the JSON says, and whether it had to be put into an object to be read."""
    raw = from_base64url(text)
    if raw.lstrip(b" \t\r\n").startswith((b"{", BOM)):
        return strict_json.loads(raw), False
    whole = strict_json.loads(b'{"value":' + raw + b"}")
    if set(whole) != {"value"}:
        raise No
    return whole, True


def jcs(given: Input) -> Output:
    document, wrapped = read_json(given["json"])
    written = digest.canonical(document)
    return {"canonical": to_base64url(written[len(b'{"value":') : -1] if wrapped else written)}


def ijson(given: Input) -> Output:
    read_json(given["json"])
    return None


# -- proofs and keys -------------------------------------------------------------------------------------


def proof_sign(given: Input) -> Output:
    secret = multibase.decode(given["secretKeyMultibase"])
    if not secret.startswith(ED25519_SECRET) or given["proofPurpose"] != "assertionMethod":
        raise Unsupported
    signed = proof.sign_document(
        given["document"],
        key=Ed25519PrivateKey.from_private_bytes(secret.removeprefix(ED25519_SECRET)),
        verification_method=given["verificationMethod"],
        created=read_time(given["created"]),
    )
    return {"proofValue": signed["proof"]["proofValue"]}


def proof_verify(given: Input) -> Output:
    document, now = given["document"], datetime.now(UTC)
    if document.get("type") == "VerifiableIdentityStatement":
        # Such a statement brings its key as a did:key; whose profile it was found on is not asked.
        proof.verify_statement(document, actor_id=document.get("alsoKnownAs"), now=now)
        return None
    named = (id_of(document[name]) for name in ("actor", "attributedTo", "issuer") if name in document)
    owner = next(named, None)
    methods = [
        {"id": name, "type": "Multikey", "controller": owner, "publicKeyMultibase": key}
        for name, key in given["keys"].items()
    ]
    proof.verify_document(document, {"id": owner, "assertionMethod": methods}, now=now)
    return None


def ed25519(given: Input) -> Output:
    key = multikey.decode_public(multibase.encode(ED25519 + from_base64url(given["publicKey"])))
    signature, message = from_base64url(given["signature"]), from_base64url(given["message"])
    multikey.check_signed(key, signature, message, covered=())
    return None


def multikey_read(given: Input) -> Output:
    return told(multikey.decode_public(given["publicKeyMultibase"]))


def did_key(given: Input) -> Output:
    return told(multikey.key_of_did(given["did"]))


def told(key: multikey.PublicKey) -> Output:
    if isinstance(key, Ed25519PublicKey):
        return {"algorithm": "Ed25519", "publicKey": to_base64url(key.public_bytes_raw())}
    return {"algorithm": "RSA", "publicKey": to_base64url(key.public_bytes(Encoding.DER, PublicFormat.PKCS1))}


# -- messages --------------------------------------------------------------------------------------------


def request_of(given: Input) -> tuple[RawRequest, str]:
    """Return the request, and the origin that it was sent to."""
    url = urlsplit(given["url"])
    origin = f"{url.scheme}://{url.netloc}"
    headers = tuple((name, value) for name, value in given["headers"])
    target = given["url"].removeprefix(origin) or "/"
    return RawRequest(given["method"], target, headers, b""), origin


def httpsig_base(given: Input) -> Output:
    """Return what is signed, whatever policy says of the signature: a base needs no key and no time, `parse` does."""
    request, origin = request_of(given["request"])
    try:
        signed: Any = http_sf.parse(given["signatureInput"].encode("ascii"), tltype="dictionary")
        components, parameters = signed[given["label"]]
        described = http_sf.ser({"sig": (components, {"created": 1, "keyid": "key", **parameters})})
        headers = (("Signature-Input", described), ("Signature", "sig=:AAAA:"))
        messagesig.parse(RawRequest(request.method, request.target, headers, b""), origin=origin)
        spelled = http_sf.ser({"sig": (components, parameters)}).removeprefix("sig=")
        return {"base": messagesig._signature_base(request, spelled, origin).decode("ascii")}
    except messagesig._UNREADABLE:
        raise No from None


def httpsig_verify(given: Input) -> Output:
    request, origin = request_of(given["request"])
    signature = messagesig.parse(request, origin=origin)
    if signature.key_id not in given["keys"]:
        raise Unverified("key-unknown", "Nobody publishes this key.")
    messagesig.verify(signature, request, multikey.decode_public(given["keys"][signature.key_id]))
    return None


def content_digest(given: Input) -> Output:
    digest.check_content_digest([given["contentDigest"]], from_base64url(given["body"]))
    return None


def sfv(given: Input) -> Output:
    try:
        parsed: Any = http_sf.parse(given["field"].encode("ascii"), tltype=given["shape"])
    except ValueError:
        raise No from None
    return {"structure": STRUCTURES[given["shape"]](parsed)}


def member(given: Any) -> dict[str, Any]:
    value, parameters = given
    shown = [[name, bare(one)] for name, one in parameters.items()]
    if isinstance(value, list):
        return {"innerList": [member(item) for item in value], "parameters": shown}
    return {"item": bare(value), "parameters": shown}


def bare(value: Any) -> Any:
    """Return a bare item as vectors write it: as JSON where JSON has the type, else by its name."""
    return next((tell(value) for kind, tell in BARE if isinstance(value, kind)), value)


BARE: Final[tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...]] = (
    (http_sf.Token, lambda value: {"token": str(value)}),
    (http_sf.DisplayString, lambda value: {"displayString": str(value)}),
    (bytes, lambda value: {"binary": to_base64url(value)}),
    ((Decimal, float), lambda value: {"decimal": http_sf.ser((value, {}))}),
    (datetime, lambda value: {"date": int(value.timestamp())}),
)
STRUCTURES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "dictionary": lambda parsed: [[name, member(one)] for name, one in parsed.items()],
    "list": lambda parsed: [member(one) for one in parsed],
    "item": member,
}


# -- vocabulary and origins ------------------------------------------------------------------------------


def vocab(given: Input) -> Output:
    name = given["schema"].removesuffix(".schema.json")
    if not schemas.has_schema(name):
        raise Unsupported
    schemas.check(given["document"], name)
    return None


def vocab_read(given: Input) -> Output:
    """Return what is kept of a document that arrives: all of it."""
    vocab(given)
    return {"document": strict_json.loads(strict_json.dumps(given["document"]))}


def origin(given: Input) -> Output:
    if not ids.same_origin(given["one"], given["other"]):
        raise No
    return None


# -- asking ----------------------------------------------------------------------------------------------


def from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def to_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


KINDS: Final[Mapping[str, tuple[Callable[[Input], Output], Mapping[str, str]]]] = {
    "jcs": (jcs, {"duplicate-key": "DUPLICATE_NAME"}),
    "ijson": (ijson, {"duplicate-key": "DUPLICATE_NAME"}),
    "proof-sign": (proof_sign, {}),
    "proof-verify": (proof_verify, {"proof-missing": "NO_PROOF", "proof-context": "CONTEXT"}),
    "ed25519": (ed25519, {}),
    "multikey": (multikey_read, {}),
    "did-key": (did_key, {}),
    "httpsig-base": (httpsig_base, {}),
    "httpsig-verify": (
        httpsig_verify,
        {
            "signature-missing": "NO_SIGNATURE",
            "signature-invalid": "SIGNATURE",
            "algorithm-not-allowed": "ALGORITHM",
            "key-unknown": "UNKNOWN_KEY",
        },
    ),
    "content-digest": (
        content_digest,
        {
            "malformed-request": "SYNTAX",
            "digest-missing": "UNKNOWN_ALGORITHM",
            "digest-mismatch": "MISMATCH",
        },
    ),
    "sfv": (sfv, {}),
    "vocab": (vocab, {}),
    "vocab-read": (vocab_read, {}),
    "origin": (origin, {}),
}
"""What answers each kind, and which codes of fedcoop are one reason of the vectors."""


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to one question."""
    if question.get("op") != "vector" or question.get("kind") not in KINDS:
        return {"result": "unsupported"}
    respond, reasons = KINDS[question["kind"]]
    try:
        output = respond(question["input"])
    except Unsupported:
        return {"result": "unsupported"}
    except No:
        return {"result": "invalid"}
    except FedcoopError as refusal:
        reason = reasons.get(refusal.code)
        return {"result": "invalid"} | ({"reason": reason} if reason else {})
    return {"result": "valid"} | ({} if output is None else {"output": output})


def main() -> None:
    """Answer until the input ends."""
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
