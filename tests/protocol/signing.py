"""The cast of the protocol's tests: three co-ops with keys, their documents, and requests signed by them.

Ed25519 keys come from their owner's name, so that a failing test reads the same twice; RSA keys are slow and made
once a session.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedcoop.protocol import cavage, multikey
from fedcoop.protocol.limits import SIGNATURE_WINDOW
from fedcoop.protocol.messages import KeyDocument, RawRequest

NOW: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW: Final = SIGNATURE_WINDOW
LYON: Final = "https://coop-lyon.example"
NANTES: Final = "https://velo-nantes.example"
MALLORY: Final = "https://mallory.example"
COOP: Final = f"{LYON}/actors/coop"
AS2: Final = "https://www.w3.org/ns/activitystreams"
PUBLIC: Final = f"{AS2}#Public"
DATA_INTEGRITY: Final = "https://w3id.org/security/data-integrity/v2"


def vector(name: str) -> Any:
    """Return one of the project's own vector files."""
    return json.loads((Path(__file__).parent / "vectors" / name).read_text(encoding="utf-8"))


@cache
def rsa_key(owner: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return the RSA key of `owner`, the same one for the whole session."""
    return rsa.generate_private_key(65537, bits)


@cache
def ed_key(owner: str) -> Ed25519PrivateKey:
    """Return the Ed25519 key of `owner`, the same one for ever."""
    return Ed25519PrivateKey.from_private_bytes(sha256(owner.encode()).digest())


def an_actor(actor: str = COOP, **changes: Any) -> dict[str, Any]:
    """Return the actor document of `actor` with its keys; a change of None takes the member out."""
    document = {
        "@context": [AS2, DATA_INTEGRITY],
        "id": actor,
        "type": "Organization",
        "inbox": f"{actor}/inbox",
        "outbox": f"{actor}/outbox",
        "publicKey": {
            "id": f"{actor}#main-key",
            "owner": actor,
            "publicKeyPem": multikey.public_key_to_pem(rsa_key(actor).public_key()),
        },
        "assertionMethod": [a_multikey(actor)],
    }
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


def a_multikey(actor: str = COOP, **changes: Any) -> dict[str, Any]:
    """Return the Multikey of `actor` as its document has it."""
    return {
        "id": f"{actor}#ed25519-1",
        "type": "Multikey",
        "controller": actor,
        "publicKeyMultibase": multikey.encode_public(ed_key(actor).public_key()),
        **changes,
    }


def keys_of(actor: str = COOP, **changes: Any) -> KeyDocument:
    """Return the key document of `actor` as a resolver would."""
    return KeyDocument(actor=an_actor(actor, **changes), fetched_at=NOW)


def a_create(by: str = COOP, /, **changes: Any) -> dict[str, Any]:
    """Return a Create of a Note by the actor `by`; a change of None takes the member out."""
    home = by.split("/actors/")[0]
    document = {
        "@context": [AS2, DATA_INTEGRITY, f"{home}/contexts/fedcoop/v1"],
        "id": f"{home}/activities/1",
        "type": "Create",
        "actor": by,
        "to": [PUBLIC],
        "object": {
            "id": f"{home}/notes/1",
            "type": "Note",
            "attributedTo": by,
            "content": "Livraisons à vélo, 45.0 km",
        },
    }
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


def a_request(
    document: Mapping[str, Any] | bytes | None = None,
    *,
    actor: str = COOP,
    key_id: str | None = None,
    key: multikey.PrivateKey | None = None,
    date: datetime = NOW,
    target: str = "/inbox",
    host: str = "velo-nantes.example",
    headers: Mapping[str, str | None] | None = None,
    method: str = "POST",
) -> RawRequest:
    """Return `document` posted to Nantes, signed by `actor`; `headers` changes them after the signature."""
    if document is None:
        document = a_create(actor)
    body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    signed = cavage.sign_headers(
        method=method,
        url_host=host,
        target=target,
        body=None if method == "GET" else body,
        key_id=f"{actor}#main-key" if key_id is None else key_id,
        key=key or rsa_key(actor),
        date=date,
    )
    sent = {**signed, **(headers or {})}
    return RawRequest(method, target, tuple((n, v) for n, v in sent.items() if v is not None), body)


def resigned(
    request: RawRequest,
    *,
    covered: Sequence[str],
    key: multikey.PrivateKey | None = None,
    key_id: str = f"{COOP}#main-key",
) -> RawRequest:
    """Return `request` with another signature, over `covered`."""
    bare = tuple(pair for pair in request.headers if pair[0] != "Signature")
    unsigned = RawRequest(request.method, request.target, bare, request.body)
    value = cavage.sign(unsigned, key_id=key_id, key=key or rsa_key(COOP), covered=covered)
    return RawRequest(request.method, request.target, (*bare, ("Signature", value)), request.body)


def with_header(request: RawRequest, name: str, value: str) -> RawRequest:
    """Return `request` with one more header line."""
    return RawRequest(request.method, request.target, (*request.headers, (name, value)), request.body)


def replaced(request: RawRequest, name: str, value: str) -> RawRequest:
    """Return `request` with another value for the header `name`."""
    headers = tuple((n, value if n == name else v) for n, v in request.headers)
    return RawRequest(request.method, request.target, headers, request.body)


# -- RFC 9421, written out from the RFC: what is sent is what another program would send ------------------

SIGNED: Final = ("@method", "@target-uri", "content-digest")


def a_message(
    document: Mapping[str, Any] | bytes | None = None,
    *,
    actor: str = COOP,
    key_id: str | None = None,
    key: multikey.PrivateKey | None = None,
    created: datetime | int | None = NOW,
    origin: str = NANTES,
    target: str = "/inbox",
    method: str = "POST",
    covered: Sequence[str] = SIGNED,
    more: str = "",
    described: str | None = None,
    digest: str | None = None,
    date: str = "Sun, 22 Nov 2026 12:00:00 GMT",
    headers: Mapping[str, str | None] | None = None,
) -> RawRequest:
    """Return `document` posted to Nantes, signed by `actor` in RFC 9421; `headers` changes them after the signature.

    `more` goes behind the parameters, `described` in the place of all of them with the list before; both are signed.
    """
    if document is None:
        document = a_create(actor)
    body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    own = digest or f"sha-256=:{base64.b64encode(sha256(body).digest()).decode()}:"
    sent: dict[str, str] = {"Host": origin.partition("://")[2], "Date": date}
    sent |= {} if method == "GET" else {"Content-Digest": own, "Content-Type": cavage.MEDIA_TYPE}
    if described is None:
        described = f"({' '.join(quoted(name) for name in covered)})"
        if created is not None:
            described += f";created={created if isinstance(created, int) else int(created.timestamp())}"
        described += f';keyid="{f"{actor}#main-key" if key_id is None else key_id}"' + more
    values = {
        "@method": method,
        "@target-uri": origin + target,
        "@authority": sent["Host"],
        "@scheme": origin.partition("://")[0],
        "@path": target.partition("?")[0],
        "@request-target": target,
        **{name.lower(): value for name, value in sent.items()},
    }
    lines = [f"{quoted(name)}: {values.get(name, '')}" for name in covered]
    base = "\n".join([*lines, f'"@signature-params": {described}']).encode()
    made = base64.b64encode(multikey.sign_bytes(key or rsa_key(actor), base)).decode()
    signed = {**sent, "Signature-Input": f"sig1={described}", "Signature": f"sig1=:{made}:"}
    signed |= headers or {}  # type: ignore[arg-type]
    return RawRequest(method, target, tuple((n, v) for n, v in signed.items() if v is not None), body)


def quoted(component: str) -> str:
    """Return `component` as RFC 9421 writes it: with parameters it is quoted already."""
    return component if component.startswith('"') else f'"{component}"'
