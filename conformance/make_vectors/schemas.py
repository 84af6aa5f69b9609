"""The JSON Schema of each kind of vector file: what is asked, what is answered, and the reasons for a no."""

# ruff: noqa: E501 -- tables: one vector, one line

from __future__ import annotations

from typing import Final

from cases import Json
from cases_vocab import KEYWORDS

_TEXT: Final[Json] = {"type": "string"}
_BYTES: Final[Json] = {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"}
_OBJECT: Final[Json] = {"type": "object"}
_KEYS: Final[Json] = {"type": "object", "additionalProperties": {"type": "string", "pattern": "^z"}}


def _closed(**properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


_REQUEST: Final = _closed(
    method=_TEXT,
    url=_TEXT,
    headers={
        "type": "array",
        "items": {"type": "array", "prefixItems": [_TEXT, _TEXT], "minItems": 2, "maxItems": 2},
    },
)
_IJSON: Final = (
    "SYNTAX",
    "ENCODING",
    "DUPLICATE_NAME",
    "NUMBER_RANGE",
    "NUMBER_NOT_FINITE",
    "LONE_SURROGATE",
    "TOO_DEEP",
)
_KEY: Final = ("MULTIBASE", "ALPHABET", "CODEC", "LENGTH", "KEY")
_TOLD: Final = _closed(algorithm={"enum": ["Ed25519", "RSA"]}, publicKey=_BYTES)
_DOCUMENT: Final = _closed(schema=_TEXT, document=_OBJECT)

# kind: title, input, output (None where yes is the whole answer), reasons
KINDS: Final[dict[str, tuple[str, Json, Json | None, tuple[str, ...]]]] = {
    "jcs": ("Write the canonical form (RFC 8785) of a JSON text", _closed(json=_BYTES), _closed(canonical=_BYTES), _IJSON),
    "ijson": ("Parse a JSON text that everybody reads alike (RFC 7493)", _closed(json=_BYTES), None, _IJSON),
    "proof-sign": ("Make an eddsa-jcs-2022 proof", _closed(document=_OBJECT, secretKeyMultibase=_TEXT, verificationMethod=_TEXT, created=_TEXT, proofPurpose=_TEXT), _closed(proofValue=_TEXT), ()),
    "proof-verify": ("Verify an eddsa-jcs-2022 proof for the purpose assertionMethod; `keys` are those that the owner lists", _closed(document=_OBJECT, keys=_KEYS), None, ("NO_PROOF", "PROOF_TYPE", "PURPOSE", "CONTEXT", "CREATED", "EXPIRED", "METHOD", "PROOF_VALUE", "NOT_CANONICAL", "SIGNATURE")),
    "ed25519": ("Verify an Ed25519 signature", _closed(publicKey=_BYTES, message=_BYTES, signature=_BYTES), None, ("LENGTH", "SIGNATURE")),
    "multikey": ("Read a public key from its Multikey text", _closed(publicKeyMultibase=_TEXT), _TOLD, _KEY),
    "did-key": ("Read a public key from its did:key", _closed(did=_TEXT), _TOLD, (*_KEY, "DID")),
    "httpsig-base": ("Write the signature base (RFC 9421 §2.5) that a Signature-Input asks for", _closed(request=_REQUEST, signatureInput=_TEXT, label=_TEXT), _closed(base=_TEXT), ("DUPLICATE_COMPONENT", "UNKNOWN_COMPONENT", "MISSING_COMPONENT", "SYNTAX")),
    "httpsig-verify": ("Verify the only signature of a request by the key that it names", _closed(request=_REQUEST, keys=_KEYS), None, ("NO_SIGNATURE", "SYNTAX", "LABEL", "DUPLICATE_COMPONENT", "UNKNOWN_COMPONENT", "MISSING_COMPONENT", "ALGORITHM", "UNKNOWN_KEY", "SIGNATURE")),
    "content-digest": ("Compare a Content-Digest with a body: sha-256 and sha-512 are known", _closed(contentDigest=_TEXT, body=_BYTES), None, ("NO_DIGEST", "SYNTAX", "UNKNOWN_ALGORITHM", "MISMATCH")),
    "sfv": ("Parse a structured field (RFC 9651)", _closed(field=_TEXT, shape={"enum": ["dictionary", "list", "item"]}), _closed(structure={}), ("SYNTAX",)),
    "vocab": ("Validate a document against a schema of the vocabulary; the reason is the keyword that it breaks", _DOCUMENT, None, KEYWORDS),
    "vocab-read": ("Read a document and write it again: whole, with the terms that nobody knows", _DOCUMENT, _closed(document=_OBJECT), KEYWORDS),
    "origin": ("Tell whether two ids are of one origin", _closed(one=_TEXT, other=_TEXT), None, ("SCHEME", "HOST", "PORT", "USERINFO", "TRAILING_DOT", "NOT_A_URL")),
}  # fmt: skip


def schema(kind: str) -> Json:
    """Return the JSON Schema of the files of one kind."""
    title, given, output, reasons = KINDS[kind]
    reason: Json = {"enum": list(reasons)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": {
            "kind": {"const": kind},
            "schema": {"const": f"../../schemas/vector-{kind}.json"},
            "spec": {"type": "array", "items": _TEXT, "minItems": 1},
            "numberOfTests": {"type": "integer", "minimum": 1},
            "notes": {"type": "object", "additionalProperties": _closed(bugType=_TEXT, text=_TEXT)},
            "keys": {"type": "object", "additionalProperties": _TEXT},
            "tests": {"type": "array", "items": {"$ref": "#/$defs/test"}, "minItems": 1},
        },
        "required": ["kind", "schema", "spec", "numberOfTests", "notes", "keys", "tests"],
        "additionalProperties": False,
        "$defs": {"test": _test(given, output, reason)},
    }


def _test(given: Json, output: Json | None, reason: Json) -> Json:
    properties: Json = {
        "id": {"type": "string", "pattern": "^FV-[A-Z]{3}-"},
        "rev": {"type": "integer", "minimum": 1},
        "test": {"type": "string", "pattern": "^FC-VEC-[0-9]{3}$"},
        "comment": {"type": "string", "minLength": 1},
        "flags": {"type": "array", "items": _TEXT, "minItems": 1},
        "source": _TEXT,
        "input": given,
        "result": {"enum": ["valid", "invalid", "acceptable"]},
        "reason": reason,
        "alsoReasons": {"type": "array", "items": reason, "minItems": 1},
        "twin": _TEXT,
    }
    valid: Json = {"properties": {"reason": False, "alsoReasons": False, "twin": False}}
    if output is not None:
        wrong = _closed(output=output, comment=_TEXT)
        properties |= {"output": output, "knownWrong": {"type": "array", "items": wrong, "minItems": 1}}
        valid["required"] = ["output"]
    return {
        "type": "object",
        "properties": properties,
        "required": ["id", "rev", "test", "comment", "flags", "input", "result"],
        "additionalProperties": False,
        "allOf": [
            {"if": {"properties": {"result": {"const": "valid"}}}, "then": valid},
            {
                "if": {"properties": {"result": {"const": "invalid"}}},
                "then": {"required": ["reason", "twin"], "properties": {"output": False}},
            },
        ],
    }
