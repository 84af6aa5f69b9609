"""What comes to an inbox: who said it, whether they did, and what it does. Each rule has the fault that breaks it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import http_sf
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fedcoop_conformance.crypto import jcs, multikey
from fedcoop_conformance.minicoop import effects, keeping, synchronise
from fedcoop_conformance.minicoop.world import (
    ACTIVITY_JSON,
    AS2,
    Document,
    Gone,
    Local,
    Minicoop,
    Refusal,
    names,
    origin_of,
)

MAX_AGE: Final = 3600
MAX_AHEAD: Final = 300
REFETCH: Final = 60.0
REQUIRED: Final = frozenset({"@method", "@target-uri", "content-digest"})
MAX_BODY: Final = 1024 * 1024


async def receive(coop: Minicoop, local: Local | None, request: web.Request) -> int:
    """Take one activity in; return the status.

    Raises:
        Refusal: it is not taken.
    """
    readable(coop, request)
    body = await request.read()
    if len(body) > MAX_BODY and not coop.fault("no-limit"):
        raise Refusal(413, "too-large")
    activity = parsed(coop, body)
    author = text(activity, "actor")
    if "id" not in activity and coop.fault("no-id-ok"):
        activity["id"] = f"{author}#{coop.new_id()}"
    name = text(activity, "id")
    known_peer(coop, author)
    keyid = await signed(coop, request, body)
    await spoken_by(coop, activity, author, keyid)
    if origin_of(name) != origin_of(author) and not coop.fault("id-hijack"):
        raise Refusal(403, "foreign-origin", name)
    if name in coop.activities and not coop.fault("replay-ok") and not coop.fault("no-dedup"):
        if coop.activities[name] != body:
            raise Refusal(409, "id-reused", name)
        if coop.fault("forward-loop"):
            await keeping.pass_on(coop, activity, body)
        return 202
    coop.activities[name] = body
    try:
        await effects.take(coop, local, activity, body)
    except Refusal:
        del coop.activities[name]
        raise
    if synchronise.HEADER in request.headers:
        coop.spawn(synchronise.compare(coop, request.headers[synchronise.HEADER], author))
    return 202


def readable(coop: Minicoop, request: web.Request) -> None:
    """Refuse a body of another type than ActivityPub §7 has for inboxes."""
    media = request.headers.get("Content-Type", "")
    if media != ACTIVITY_JSON and not coop.fault("ctype-any"):
        plain = media.partition(";")[0].strip().lower()
        as_jsonld = plain == "application/ld+json" and AS2 in media and not coop.fault("ctype-strict")
        if plain != ACTIVITY_JSON and not as_jsonld:
            raise Refusal(415, "unsupported-media-type", media)


def parsed(coop: Minicoop, body: bytes) -> Document:
    """Return the activity in a body."""
    try:
        found = json.loads(body) if coop.fault("dup-keys") else jcs.parse(body)
    except ValueError as failure:
        raise Refusal(400, "malformed-json", str(failure)) from failure
    if not isinstance(found, dict):
        raise Refusal(400, "malformed-activity", "no object")
    return found


def text(activity: Mapping[str, Any], name: str) -> str:
    """Return a member that is an id."""
    found = names(activity.get(name))
    if len(found) != 1:
        raise Refusal(400, "malformed-activity", f"no {name}")
    return found[0]


def known_peer(coop: Minicoop, author: str) -> None:
    """Refuse a server that was not let in (decision D7)."""
    if origin_of(author) in coop.blocked:
        raise Refusal(403, "blocked", origin_of(author))
    if origin_of(author) not in coop.admitted:
        raise Refusal(403, "not-in-allow-list", origin_of(author))


# -- the request ----------------------------------------------------------------------------------------------------


async def signed(coop: Minicoop, request: web.Request, body: bytes) -> str | None:
    """Return the key that signed a request; None where that is not looked at, by a fault.

    Raises:
        Refusal: 401.
    """
    described = request.headers.get("Signature-Input")
    if coop.fault("reject-valid"):
        raise Refusal(401, "signature-invalid")
    if described is None:
        if coop.fault("accept-unsigned"):
            return None
        raise Refusal(401, "signature-missing")
    label, covered, parameters = chosen(coop, described)
    in_time(coop, parameters)
    if not coop.fault("ignore-components") and "@method" not in covered:
        raise Refusal(401, "coverage-insufficient", "@method")
    if not coop.fault("no-target-binding") and "@target-uri" not in covered:
        raise Refusal(401, "coverage-insufficient", "@target-uri")
    if not coop.fault("digest-not-covered") and "content-digest" not in covered:
        raise Refusal(401, "coverage-insufficient", "content-digest")
    if not coop.fault("no-digest"):
        digest(request, body)
    keyid = parameters.get("keyid")
    if not isinstance(keyid, str):
        raise Refusal(401, "signature-malformed", "keyid")
    values: Any = http_sf.parse(request.headers.get("Signature", "").encode(), tltype="dictionary")
    if label not in values:
        raise Refusal(401, "signature-malformed", "Signature")
    signature = values[label][0]
    base = described_base(request, covered, described.partition(", sig")[0], label)

    def right(key: Ed25519PublicKey) -> bool:
        return verifies(key, bytes(signature), base) and not coop.fault("ed25519-refused")

    await key_that(coop, keyid, parameters, right)
    return keyid


def chosen(coop: Minicoop, described: str) -> tuple[str, list[str], Mapping[str, Any]]:
    """Return label, components and parameters of the one signature (decision D5)."""
    found: Any
    try:
        found = http_sf.parse(described.encode(), tltype="dictionary")
    except ValueError as failure:
        raise Refusal(401, "signature-malformed", str(failure)) from failure
    if len(found) != 1 and not coop.fault("first-label-only"):
        raise Refusal(401, "signature-malformed", f"{len(found)} signatures")
    label = next(iter(found))
    members, parameters = found[label]
    return label, [str(name) for name, _ in members], dict(parameters)


def in_time(coop: Minicoop, parameters: Mapping[str, Any]) -> None:
    """Refuse what was signed at another time than now."""
    now, created, expires = coop.now(), parameters.get("created"), parameters.get("expires")
    if not isinstance(created, int):
        raise Refusal(401, "signature-malformed", "created")
    if created < now - MAX_AGE and not coop.fault("no-clock"):
        raise Refusal(401, "clock-skew", "too old")
    if created > now + MAX_AHEAD and not coop.fault("future-ok"):
        raise Refusal(401, "clock-skew", "in the future")
    if isinstance(expires, int) and expires <= now and not coop.fault("expires-ignored"):
        raise Refusal(401, "signature-expired", "expires")


def digest(request: web.Request, body: bytes) -> None:
    """Refuse a body that is not the one of its digest (RFC 9530)."""
    right = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    if request.headers.get("Content-Digest") != right:
        raise Refusal(401, "digest-mismatch")


def described_base(request: web.Request, covered: list[str], described: str, label: str) -> bytes:
    """Return what was signed (RFC 9421 §2.5), of the components that this server can need."""
    target = f"{request.scheme}://{request.host}{request.raw_path}"
    derived = {
        "@method": request.method,
        "@target-uri": target,
        "@authority": request.host,
        "@path": request.path,
    }
    lines = []
    for name in covered:
        value = derived.get(name, request.headers.get(name))
        if value is None:
            raise Refusal(401, "coverage-insufficient", name)
        lines.append(f'"{name}": {value}')
    return "\n".join([*lines, f'"@signature-params": {described.removeprefix(f"{label}=")}']).encode()


def verifies(key: Ed25519PublicKey, signature: bytes, base: bytes) -> bool:
    """Tell whether a key signed these bytes."""
    try:
        key.verify(signature, base)
    except InvalidSignature:
        return False
    return True


# -- keys -----------------------------------------------------------------------------------------------------------


async def key_that(
    coop: Minicoop, keyid: str, parameters: Mapping[str, Any], right: Callable[[Ed25519PublicKey], bool]
) -> None:
    """Return when the key of this id is its owner's and `right` says that it signed; a cached one is fetched anew once.

    Raises:
        Refusal: 401.
    """
    owner = keyid.partition("#")[0]
    if coop.fault("skip-crypto"):
        return
    for fresh in (False, True):
        try:
            document = await actor(coop, owner, fresh=fresh)
        except Gone as gone:
            if coop.fault("key-410-ok"):
                return
            raise Refusal(401, "key-gone", owner) from gone
        if document is None:
            break
        key = key_of(coop, document, keyid)
        if (
            key is not None
            and parameters.get("alg", "ed25519") != "ed25519"
            and not coop.fault("alg-confusion")
        ):
            raise Refusal(401, "algorithm-not-allowed", str(parameters["alg"]))
        if key is not None and right(key):
            return
    raise Refusal(401, "signature-invalid", keyid)


async def actor(coop: Minicoop, name: str, *, fresh: bool) -> Document | None:
    """Return an actor document, from the cache unless `fresh`; None where it is not to be fetched again now.

    Raises:
        Gone: the actor is there no more. Refusal: 401.
    """
    if not fresh and name in coop.keys:
        return coop.keys[name]
    if fresh and name in coop.keys:
        if coop.fault("key-cache-forever"):
            return None
        recent = coop.now() - coop.refetched.get(name, 0.0) < REFETCH
        if recent and not coop.fault("refetch-storm"):
            return None
        coop.refetched[name] = coop.now()
    coop.keys.pop(name, None)
    found = await coop.fetch(name)
    coop.keys[name] = found
    return found


def key_of(coop: Minicoop, document: Document, keyid: str) -> Ed25519PublicKey | None:
    """Return the key of this id that a document lists as its own; None where it lists none."""
    for method in document.get("assertionMethod", []):
        if not isinstance(method, Mapping) or method.get("id") != keyid:
            continue
        if method.get("controller") != document.get("id") and not coop.fault("no-reciprocal"):
            continue
        if ("revoked" in method or "expires" in method) and not coop.fault("old-key-ok"):
            continue
        found = multikey.decode(str(method.get("publicKeyMultibase")))
        return found if isinstance(found, Ed25519PublicKey) else None
    return None


# -- the author -----------------------------------------------------------------------------------------------------


async def spoken_by(coop: Minicoop, activity: Document, author: str, keyid: str | None) -> None:
    """Refuse what its author did not say: by the key of the request, or by a proof of theirs on the activity.

    Raises:
        Refusal: 401.
    """
    if "proof" in activity and not coop.fault("proof-ignored"):
        try:
            await proven(coop, activity, author)
        except Refusal:
            own = keyid is not None and keyid.partition("#")[0] == author
            if own and coop.fault("proof-fallback-http"):
                return
            raise
        return
    owner = author if keyid is None else keyid.partition("#")[0]
    neighbour = origin_of(owner) == origin_of(author)
    if owner != author and not coop.fault("no-owner" if neighbour else "cross-origin-key"):
        raise Refusal(401, "key-owner-mismatch", f"{keyid} is no key of {author}")


async def proven(coop: Minicoop, activity: Document, author: str) -> None:
    """Refuse an activity whose proof is not its author's (eddsa-jcs-2022, FEP-8b32)."""
    proof = activity["proof"]
    if not isinstance(proof, Mapping):
        raise Refusal(401, "proof-invalid", "no object")
    if proof.get("cryptosuite") != "eddsa-jcs-2022":
        if coop.fault("unknown-suite-valid"):
            return
        raise Refusal(401, "proof-invalid", "cryptosuite")
    if proof.get("@context") != activity.get("@context") and not coop.fault("ctx-append-trusted"):
        raise Refusal(401, "proof-context", "@context")
    expires = proof.get("expires")
    if isinstance(expires, str) and expires <= coop.instant() and not coop.fault("proof-expired-ok"):
        raise Refusal(401, "proof-invalid", "expired")
    if proof.get("proofPurpose") != "assertionMethod":
        raise Refusal(401, "proof-invalid", "proofPurpose")
    method = str(proof.get("verificationMethod"))
    if method.partition("#")[0] != author and not coop.fault("proof-any-key"):
        raise Refusal(401, "proof-key", "verificationMethod")
    hashed = proof_hash(proof, activity)
    value = str(proof.get("proofValue"))

    def right(key: Ed25519PublicKey) -> bool:
        return coop.fault("proof-unverified") or verifies(key, multikey.from_multibase(value), hashed)

    try:
        await key_that(coop, method, {}, right)
    except Refusal as refusal:
        raise Refusal(refusal.status, "proof-invalid", refusal.detail) from refusal


def proof_hash(proof: Mapping[str, Any], document: Mapping[str, Any]) -> bytes:
    """Return what a proof signs (vc-di-eddsa §3.3): its options, then the document."""
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    # Whoever reads the signed context alone is safe from one that was appended; this server compares instead.
    rest = {name: value for name, value in document.items() if name != "proof"}
    if "@context" in proof:
        rest["@context"] = proof["@context"]
    return hashlib.sha256(jcs.canonical(options)).digest() + hashlib.sha256(jcs.canonical(rest)).digest()
