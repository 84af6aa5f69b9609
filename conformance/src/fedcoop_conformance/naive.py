"""Implementations with one thing wrong, each of which somebody has really written. The vectors refuse them all.

A naive implementation is the suite's own, but for the kinds that it answers otherwise. What it must be refused
by is said here, and a test asks whether it is, by that test of the catalogue and for that reason.
"""

# ruff: noqa: E501 -- the table: one implementation, one line

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256, sha512
from typing import Any, Final

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fedcoop_conformance import data
from fedcoop_conformance.crypto import eddsa_jcs, fields, httpsig, jcs, multikey
from fedcoop_conformance.crypto.refusals import Refused
from fedcoop_conformance.vectors.answers import Answer, Answerer, Input, answer, from_base64url, to_base64url

Respond = Callable[[Input], Answer]

VALID: Final[Answer] = {"result": "valid"}
INVALID: Final[Answer] = {"result": "invalid"}


@dataclass(frozen=True)
class Naive:
    """One wrong implementation: what it does, which kinds it answers so, and which test must refuse it."""

    name: str
    describes: str
    kinds: Mapping[str, Respond]
    test: str
    code: str

    @property
    def answer(self) -> Answerer:
        """The implementation, as a function that is asked like any other."""
        return self._answer

    def _answer(self, kind: str, given: Input) -> Answer:
        respond = self.kinds.get(kind)
        if respond is None:
            return answer(kind, given)
        try:
            return respond(given)
        except Refused as refusal:
            return {"result": "invalid", "reason": refusal.reason}


# -- JSON ------------------------------------------------------------------------------------------------


def _json(given: Input) -> bytes:
    return from_base64url(given["json"])


def _written(text: str | bytes) -> Answer:
    canonical = text.encode("utf-8") if isinstance(text, str) else text
    return {"result": "valid", "output": {"canonical": to_base64url(canonical)}}


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be")


def _es_number(number: float) -> str:
    return rfc8785.dumps(number).decode("ascii")


def _minimal(text: str) -> str:
    return rfc8785.dumps(text).decode("utf-8")


def _spelling(
    *,
    order: Callable[[str], Any] | None = _utf16,
    number: Callable[[float], str] = _es_number,
    string: Callable[[str], str] = _minimal,
) -> Mapping[str, Respond]:
    """Return a writer of canonical JSON with one rule replaced."""

    def write(value: Any) -> str:
        if isinstance(value, dict):
            names = list(value) if order is None else sorted(value, key=order)
            return "{" + ",".join(f"{string(name)}:{write(value[name])}" for name in names) + "}"
        if isinstance(value, list):
            return "[" + ",".join(write(one) for one in value) + "]"
        if isinstance(value, str):
            return string(value)
        return number(value) if isinstance(value, float) else json.dumps(value)

    return {"jcs": lambda given: _written(write(jcs.parse(_json(given))))}


def _sorted_json(given: Input) -> Answer:
    return _written(json.dumps(jcs.parse(_json(given)), sort_keys=True, separators=(",", ":")))


def _tolerant(reason: str, read: Callable[[bytes], Any]) -> Mapping[str, Respond]:
    """Return a reader that takes what it should refuse for one reason."""

    def parse(given: Input) -> Any:
        try:
            return jcs.parse(_json(given))
        except jcs.NotIJson as refused:
            if refused.reason != reason:
                raise
            return read(_json(given))

    def check(given: Input) -> Answer:
        parse(given)
        return VALID

    return {"jcs": lambda given: _written(jcs.canonical(parse(given))), "ijson": check}


def _first_wins(data: bytes) -> Any:
    return json.loads(data, object_pairs_hook=lambda pairs: dict(reversed(pairs)))


def _lossy(data: bytes) -> Any:
    return json.loads(data, parse_int=float)


def _replaced(data: bytes) -> Any:
    """Read half characters as U+FFFD, as JavaScript's text encoder does."""

    def whole(value: Any) -> Any:
        if isinstance(value, str):
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if isinstance(value, list):
            return [whole(one) for one in value]
        if isinstance(value, dict):
            return {whole(name): whole(one) for name, one in value.items()}
        return value

    return whole(json.loads(data))


# -- proofs ----------------------------------------------------------------------------------------------

Hash = Callable[[Mapping[str, Any], Mapping[str, Any]], bytes]


def _parts(options: Mapping[str, Any], document: Mapping[str, Any]) -> tuple[bytes, bytes]:
    config = {name: value for name, value in options.items() if name != "proofValue"}
    body = {name: value for name, value in document.items() if name not in {"proof", "signature"}}
    return jcs.canonical(config), jcs.canonical(body)


def _leaving_out(name: str) -> Hash:
    def hash_data(options: Mapping[str, Any], document: Mapping[str, Any]) -> bytes:
        return eddsa_jcs.hash_data({key: value for key, value in options.items() if key != name}, document)

    return hash_data


def _swapped(options: Mapping[str, Any], document: Mapping[str, Any]) -> bytes:
    config, body = _parts(options, document)
    return sha256(body).digest() + sha256(config).digest()


def _document_only(options: Mapping[str, Any], document: Mapping[str, Any]) -> bytes:
    return sha256(_parts(options, document)[1]).digest()


def _options_unhashed(options: Mapping[str, Any], document: Mapping[str, Any]) -> bytes:
    config, body = _parts(options, document)
    return config + sha256(body).digest()


def _shown_context(document: Mapping[str, Any], proof: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the document as the proof says it was signed, if the proof's contexts begin the document's."""
    if "@context" not in proof:
        return document
    mine, its = (
        one if isinstance(one, list) else [one] for one in (document.get("@context"), proof["@context"])
    )
    if mine[: len(its)] != its:
        raise Refused("CONTEXT")
    return {**document, "@context": proof["@context"]}


def _verifier(
    *, hashed: Hash = eddsa_jcs.hash_data, purpose: bool = True, suite: bool = True, context: str = "equal"
) -> Respond:
    """Return a verifier with one check left out, or another hash."""

    def verify(given: Input) -> Answer:
        document = given["document"]
        proof = eddsa_jcs.proof_of(document)
        stand_in = {
            **proof,
            **({} if purpose else {"proofPurpose": eddsa_jcs.PURPOSE}),
            **({} if suite else {"type": eddsa_jcs.TYPE, "cryptosuite": eddsa_jcs.SUITE}),
        }
        body = _shown_context(document, proof) if context == "prefix" else document
        seen = document if context == "equal" else {**document, "@context": ["any"]}
        stand_in = stand_in if context == "equal" else {**stand_in, "@context": ["any"]}
        eddsa_jcs.check_options(seen, stand_in)
        key = _key_of(given, proof)
        try:
            key.verify(eddsa_jcs.signature_of(proof), hashed(proof, body))
        except InvalidSignature:
            raise Refused("SIGNATURE") from None
        return VALID

    return verify


def _key_of(given: Input, proof: Mapping[str, Any]) -> Ed25519PublicKey:
    method = proof.get("verificationMethod")
    key = multikey.decode(given["keys"][method]) if method in given["keys"] else None
    if not isinstance(key, Ed25519PublicKey):
        raise Refused("METHOD")
    return key


def _signer(hashed: Hash) -> Respond:
    def sign(given: Input) -> Answer:
        document = given["document"]
        options = {"@context": document["@context"]} if "@context" in document else {}
        options |= {"type": eddsa_jcs.TYPE, "cryptosuite": eddsa_jcs.SUITE}
        options |= {name: given[name] for name in ("created", "verificationMethod", "proofPurpose")}
        private = multikey.decode_private(given["secretKeyMultibase"])
        value = multikey.to_multibase(private.sign(hashed(options, document)))
        return {"result": "valid", "output": {"proofValue": value}}

    return sign


def _other_hash(hashed: Hash) -> Mapping[str, Respond]:
    return {"proof-sign": _signer(hashed), "proof-verify": _verifier(hashed=hashed)}


# -- keys and Ed25519 ------------------------------------------------------------------------------------

_P: Final = 2**255 - 19
_L: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ROOT: Final = pow(2, (_P - 1) // 4, _P)
_BASE_Y: Final = 4 * pow(5, -1, _P) % _P

Point = tuple[int, int]


def _add(one: Point, other: Point) -> Point:
    (x1, y1), (x2, y2) = one, other
    product = _D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, _P)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, _P)
    return x % _P, y % _P


def _times(factor: int, point: Point) -> Point:
    result: Point = (0, 1)
    while factor:
        if factor & 1:
            result = _add(result, point)
        point, factor = _add(point, point), factor >> 1
    return result


def _point(data: bytes) -> Point:
    """Return the point of 32 bytes (RFC 8032 §5.1.3)."""
    number = int.from_bytes(data, "little")
    y, sign = number & (2**255 - 1), number >> 255
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P:
        raise Refused("SIGNATURE")
    return (_P - x if x % 2 != sign else x), y


def _any_s(given: Input) -> Answer:
    """Verify by the equation of RFC 8032 §5.1.7 alone, without asking whether S is below L."""
    public, message = from_base64url(given["publicKey"]), from_base64url(given["message"])
    signature = from_base64url(given["signature"])
    if len(signature) != 64:
        raise Refused("LENGTH")
    challenge = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % _L
    left = _times(int.from_bytes(signature[32:], "little"), _point(_BASE_Y.to_bytes(32, "little")))
    if left != _add(_point(signature[:32]), _times(challenge, _point(public))):
        raise Refused("SIGNATURE")
    return VALID


def _any_length(given: Input) -> Answer:
    signature = from_base64url(given["signature"])[:64].ljust(64, b"\0")
    return answer("ed25519", {**given, "signature": to_base64url(signature)})


def _told(raw: bytes) -> Answer:
    return {"result": "valid", "output": {"algorithm": "Ed25519", "publicKey": to_base64url(raw)}}


def _any_codec(given: Input) -> Answer:
    text = given["publicKeyMultibase"]
    raw = multikey.from_multibase(text)[2:]
    return _told(raw) if len(raw) == 32 else answer("multikey", given)


def _any_base(given: Input) -> Answer:
    text = given["publicKeyMultibase"]
    return answer("multikey", {"publicKeyMultibase": "z" + text[1:] if text[:1] in {"u", "f", "m"} else text})


def _stripped(given: Input) -> Answer:
    return answer("multikey", {"publicKeyMultibase": given["publicKeyMultibase"].strip()})


# -- messages --------------------------------------------------------------------------------------------


def _without_params(given: Input) -> Answer:
    said = answer("httpsig-base", given)
    if said["result"] == "valid":
        said["output"]["base"] = said["output"]["base"].rpartition("\n")[0]
    return said


def _one_line_each(given: Input) -> Answer:
    """Take the last line of a header that is there several times, as a dictionary of headers does."""
    request = given["request"]
    last = {name.lower(): [name, value] for name, value in request["headers"]}
    return answer("httpsig-base", {**given, "request": {**request, "headers": list(last.values())}})


def _no_mathematics(given: Input) -> Answer:
    request = given["request"]
    headers = tuple((name, value) for name, value in request["headers"])
    claim = httpsig.claimed(httpsig.Request(request["method"], request["url"], headers))
    if claim.keyid not in given["keys"]:
        raise Refused("UNKNOWN_KEY")
    return VALID


def _any_algorithm(given: Input) -> Answer:
    said = answer("httpsig-verify", given)
    return VALID if said.get("reason") == "ALGORITHM" else said


def _digests(given: Input) -> Iterator[tuple[str, bool | None]]:
    """Yield each digest of the field: right, wrong, or None for one that nobody knows."""
    for name, (value, _) in fields.parse(given["contentDigest"], "dictionary").items():
        hasher = {"sha-256": sha256, "sha-512": sha512}.get(name)
        yield name, None if hasher is None else value == hasher(from_base64url(given["body"])).digest()


def _first_digest(given: Input) -> Answer:
    return VALID if next(iter(_digests(given)), ("", False))[1] else INVALID


def _any_digest(given: Input) -> Answer:
    return VALID if any(right for _, right in _digests(given)) else INVALID


def _only_known_digests(given: Input) -> Answer:
    found = [right for _, right in _digests(given)]
    return VALID if found and all(found) else INVALID


def _no_digest_is_well(given: Input) -> Answer:
    return INVALID if any(right is False for _, right in _digests(given)) else VALID


def _by_regex(given: Input) -> Answer:
    """Parse a Signature-Input as many have: by expressions that look for what they expect."""
    members = []
    for label, inside, rest in re.findall(r'(\w+)=\(([^)]*)\)((?:;\w+=(?:"[^"]*"|\d+))*)', given["field"]):
        items = [{"item": name, "parameters": []} for name in re.findall(r'"([^"]*)"', inside)]
        pairs = re.findall(r';(\w+)=(?:"([^"]*)"|(\d+))', rest)
        parameters = [[name, int(number) if number else text] for name, text, number in pairs]
        members.append([label, {"innerList": items, "parameters": parameters}])
    return {"result": "valid", "output": {"structure": members}}


# -- vocabulary and origins ------------------------------------------------------------------------------


@cache
def _known_names() -> frozenset[str]:
    found: set[str] = set()
    waiting: list[Any] = [
        json.loads(path.read_bytes()) for path in (data.folder("vocab") / "schemas").glob("*.json")
    ]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            found.update(one.get("properties", {}))
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return frozenset(found)


def _unknown(document: Mapping[str, Any]) -> set[str]:
    return {name for name in document if name not in _known_names() and not name.startswith("@")}


def _closed(given: Input) -> Answer:
    return INVALID if _unknown(given["document"]) else answer("vocab-read", given)


def _dropping(given: Input) -> Answer:
    said = answer("vocab-read", given)
    if said["result"] == "valid":
        kept = {
            name: value
            for name, value in given["document"].items()
            if name not in _unknown(given["document"])
        }
        said["output"] = {"document": kept}
    return said


def _required_only(given: Input) -> Answer:
    said = answer("vocab", given)
    return said if said.get("reason") == "required" else VALID


def _head(url: str) -> str:
    return "/".join(url.split("/")[:3])


def _same_text(given: Input) -> Answer:
    return VALID if _head(given["one"]) == _head(given["other"]) else INVALID


def _host_only(given: Input) -> Answer:
    said = answer("origin", given)
    return VALID if said.get("reason") in {"PORT", "SCHEME"} else said


def _begins_with(given: Input) -> Answer:
    one, other = given["one"].lower(), _head(given["other"].lower())
    return VALID if one.startswith(other) or answer("origin", given) == VALID else INVALID


def _always(said: Answer, *kinds: str) -> Mapping[str, Respond]:
    return {kind: lambda _: dict(said) for kind in kinds}


# -- the table -------------------------------------------------------------------------------------------

NAIVE: Final[tuple[Naive, ...]] = (
    Naive("jcs-codepoint-sort", "sorts member names by code point", _spelling(order=lambda name: name), "FC-VEC-001", "WRONG_OUTPUT"),
    Naive("jcs-unsorted", "leaves members in the order that they have", _spelling(order=None), "FC-VEC-001", "WRONG_OUTPUT"),
    Naive("jcs-sorted-json", "takes Python's json with sorted names for JCS", {"jcs": _sorted_json}, "FC-VEC-001", "WRONG_OUTPUT"),
    Naive("jcs-native-float", "writes numbers as its own language does", _spelling(number=json.dumps), "FC-VEC-002", "WRONG_OUTPUT"),
    Naive("jcs-ascii-escape", "escapes all that is not ASCII", _spelling(string=json.dumps), "FC-VEC-003", "WRONG_OUTPUT"),
    Naive("json-dup-last-wins", "keeps the last of two equal names", _tolerant("DUPLICATE_NAME", json.loads), "FC-VEC-004", "NOT_REFUSED"),
    Naive("json-dup-first-wins", "keeps the first of two equal names", _tolerant("DUPLICATE_NAME", _first_wins), "FC-VEC-004", "NOT_REFUSED"),
    Naive("jcs-bigint-lossy", "rounds large integers to doubles", _tolerant("NUMBER_RANGE", _lossy), "FC-VEC-005", "NOT_REFUSED"),
    Naive("json-nan", "takes NaN and Infinity for JSON", {"ijson": _tolerant("NUMBER_NOT_FINITE", json.loads)["ijson"]}, "FC-VEC-005", "NOT_REFUSED"),
    Naive("jcs-lone-surrogate", "replaces half characters", _tolerant("LONE_SURROGATE", _replaced), "FC-VEC-006", "NOT_REFUSED"),
    Naive("proof-no-context", "leaves `@context` out of the options that are signed", _other_hash(_leaving_out("@context")), "FC-VEC-007", "WRONG_OUTPUT"),
    Naive("proof-swapped-hashes", "puts the document's hash before the options'", _other_hash(_swapped), "FC-VEC-007", "WRONG_OUTPUT"),
    Naive("proof-created-uncovered", "leaves `created` out of the options that are signed", _other_hash(_leaving_out("created")), "FC-VEC-007", "WRONG_OUTPUT"),
    Naive("proof-reject-all", "refuses every proof", _always(INVALID, "proof-verify"), "FC-VEC-008", "REFUSED"),
    Naive("proof-accept-all", "takes every proof", _always(VALID, "proof-verify"), "FC-VEC-009", "NOT_REFUSED"),
    Naive("proof-doc-only", "hashes the document and not the options", {"proof-verify": _verifier(hashed=_document_only)}, "FC-VEC-009", "REFUSED"),
    Naive("proof-options-unhashed", "puts the options before the hash as they are", {"proof-verify": _verifier(hashed=_options_unhashed)}, "FC-VEC-009", "REFUSED"),
    Naive("proof-any-suite", "does not ask for the type and the suite", {"proof-verify": _verifier(suite=False)}, "FC-VEC-009", "NOT_REFUSED"),
    Naive("proof-any-purpose", "does not ask for the purpose", {"proof-verify": _verifier(purpose=False)}, "FC-VEC-010", "NOT_REFUSED"),
    Naive("proof-ctx-unchecked", "does not compare the contexts", {"proof-verify": _verifier(context="any")}, "FC-VEC-011", "NOT_REFUSED"),
    Naive("proof-ctx-prefix", "lets the proof's context be the beginning of the document's", {"proof-verify": _verifier(context="prefix")}, "FC-VEC-011", "NOT_REFUSED"),
    Naive("ed25519-malleable", "does not ask whether S is below L", {"ed25519": _any_s}, "FC-VEC-012", "NOT_REFUSED"),
    Naive("ed25519-any-length", "cuts or fills a signature to 64 bytes", {"ed25519": _any_length}, "FC-VEC-012", "NOT_REFUSED"),
    Naive("multikey-any-codec", "takes 32 bytes after any two for an Ed25519 key", {"multikey": _any_codec}, "FC-VEC-013", "NOT_REFUSED"),
    Naive("multikey-any-base", "drops the multibase prefix unread", {"multikey": _any_base}, "FC-VEC-013", "NOT_REFUSED"),
    Naive("multikey-stripped", "strips white space from a key", {"multikey": _stripped}, "FC-VEC-013", "NOT_REFUSED"),
    Naive("sigbase-no-params", "leaves the last line out of the base", {"httpsig-base": _without_params}, "FC-VEC-014", "WRONG_OUTPUT"),
    Naive("sigbase-last-header", "knows one line of each header", {"httpsig-base": _one_line_each}, "FC-VEC-014", "WRONG_OUTPUT"),
    Naive("httpsig-skip-crypto", "looks for a signature and does not verify it", {"httpsig-verify": _no_mathematics}, "FC-VEC-015", "NOT_REFUSED"),
    Naive("httpsig-any-alg", "does not compare `alg` with the key", {"httpsig-verify": _any_algorithm}, "FC-VEC-015", "NOT_REFUSED"),
    Naive("digest-first-only", "compares the first digest only", {"content-digest": _first_digest}, "FC-VEC-016", "NOT_REFUSED"),
    Naive("digest-any", "is content with one right digest", {"content-digest": _any_digest}, "FC-VEC-016", "NOT_REFUSED"),
    Naive("digest-unknown-refused", "refuses a digest that it does not know", {"content-digest": _only_known_digests}, "FC-VEC-016", "REFUSED"),
    Naive("digest-none-known", "is content when it knows no digest", {"content-digest": _no_digest_is_well}, "FC-VEC-016", "NOT_REFUSED"),
    Naive("sf-regex-parse", "parses structured fields by regular expressions", {"sfv": _by_regex}, "FC-VEC-017", "NOT_REFUSED"),
    Naive("schema-accept-all", "validates nothing", _always(VALID, "vocab"), "FC-VEC-018", "NOT_REFUSED"),
    Naive("schema-reject-all", "finds every document invalid", _always(INVALID, "vocab"), "FC-VEC-018", "REFUSED"),
    Naive("schema-required-only", "looks only whether what is required is there", {"vocab": _required_only}, "FC-VEC-018", "NOT_REFUSED"),
    Naive("schema-closed", "refuses terms that it does not know", {"vocab-read": _closed}, "FC-VEC-019", "REFUSED"),
    Naive("schema-drops-unknown", "drops terms that it does not know", {"vocab-read": _dropping}, "FC-VEC-019", "WRONG_OUTPUT"),
    Naive("origin-string-compare", "compares origins as they are written", {"origin": _same_text}, "FC-VEC-020", "REFUSED"),
    Naive("origin-host-only", "compares hosts and not ports and schemes", {"origin": _host_only}, "FC-VEC-020", "NOT_REFUSED"),
    Naive("origin-begins-with", "asks whether one text begins with the other's origin", {"origin": _begins_with}, "FC-VEC-020", "NOT_REFUSED"),
)  # fmt: skip


def accept_all(_kind: str, _given: Input) -> Answer:
    """Say yes to everything: no kind of vectors may let this pass."""
    return dict(VALID)


def reject_all(_kind: str, _given: Input) -> Answer:
    """Say no to everything: no kind of vectors may let this pass."""
    return dict(INVALID)
