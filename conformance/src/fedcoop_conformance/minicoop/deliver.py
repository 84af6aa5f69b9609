"""What this server says: proof, request, retries. One queue for each inbox, so that order is kept."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any, Final

import aiohttp

from fedcoop_conformance.crypto import jcs, multikey
from fedcoop_conformance.minicoop.world import (
    ACTIVITY_JSON,
    PUBLIC,
    SIGNED,
    Document,
    Gone,
    Local,
    Minicoop,
    Refusal,
    names,
    origin_of,
    sign,
)

TRIES: Final = 5
POST_TIME: Final = 5.0
FINAL: Final = frozenset({400, 403, 404, 409, 410, 413, 415, 422, 501})


async def say(coop: Minicoop, local: Local, activity: Mapping[str, Any]) -> Document:
    """Let a local actor say something: it gets an id, a proof, a place in the outbox, and is delivered."""
    hidden = [*names(activity.get("bto")), *names(activity.get("bcc"))]
    said = {
        name: value
        for name, value in activity.items()
        if name not in {"bto", "bcc"} or coop.fault("leak-bto")
    }
    whole = {
        "@context": SIGNED,
        **said,
        "id": coop.new_id(),
        "actor": coop.id_of(local),
        "published": coop.instant(),
    }
    document = whole if coop.fault("no-proof-out") else proven(coop, local, whole)
    local.outbox.append(document)
    coop.objects[document["id"]] = document
    for inbox in await inboxes(coop, local, document, hidden):
        coop.spawn(deliver(coop, local, inbox, json.dumps(document, ensure_ascii=False).encode()))
    return document


def proven(coop: Minicoop, local: Local, document: Document) -> Document:
    """Return a document with its author's proof (eddsa-jcs-2022, FEP-8b32)."""
    options: Document = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "created": coop.instant(),
        "verificationMethod": coop.key_id(local),
        "proofPurpose": "assertionMethod",
    }
    if not coop.fault("out-proof-noctx"):
        options["@context"] = document["@context"]
    hashed = (
        hashlib.sha256(jcs.canonical(options)).digest() + hashlib.sha256(jcs.canonical(document)).digest()
    )
    signature = coop.signing_key(local).sign(hashed if not coop.fault("out-proof-bad") else hashed[::-1])
    return {**document, "proof": {**options, "proofValue": multikey.to_multibase(signature)}}


async def inboxes(coop: Minicoop, local: Local, activity: Document, hidden: list[str]) -> list[str]:
    """Return each inbox to deliver to, once."""
    wanted = [*names(activity.get("to")), *hidden]
    if not coop.fault("ignore-cc"):
        wanted += names(activity.get("cc"))
    mine = f"{coop.id_of(local)}/followers"
    found: list[str] = []
    for name in wanted:
        if name == PUBLIC or coop.actor_at(name):
            continue
        for reader in local.followers if name == mine else [name]:
            try:
                document = coop.keys.get(reader) or await coop.fetch(reader)
            except (Refusal, Gone):
                continue
            found.append(str(document.get("inbox")))
    return found if coop.fault("dup-delivery") else list(dict.fromkeys(found))


async def deliver(coop: Minicoop, local: Local, inbox: str, body: bytes) -> None:
    """POST a body until it is taken, refused for good, or enough was tried; the other dialect after a 401."""
    wait = coop.first_retry
    dialects = [_rfc9421, _cavage]
    if origin_of(inbox) in coop.prefers_cavage:
        dialects.reverse()
    for _ in range(TRIES):
        for number, dialect in enumerate(dialects):
            status = await _post(coop, inbox, body, dialect(coop, local, inbox, body))
            if status is not None and (status < 300 or status in FINAL):
                if number == 1 and not coop.fault("no-memory"):
                    coop.prefers_cavage ^= {origin_of(inbox)}
                return
            if status != 401 or coop.fault("no-double-knock"):
                break
        if coop.fault("no-retry"):
            return
        await asyncio.sleep(wait)
        wait *= 2


async def _post(coop: Minicoop, inbox: str, body: bytes, headers: Mapping[str, str]) -> int | None:
    """Return the status of a POST, None where there was no answer."""
    assert coop.session is not None
    try:
        async with (
            asyncio.timeout(POST_TIME),
            coop.session.post(inbox, data=body, headers=headers, allow_redirects=False) as got,
        ):
            return got.status
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None


def _rfc9421(coop: Minicoop, local: Local, url: str, body: bytes) -> dict[str, str]:
    hashed = hashlib.sha256(body if not coop.fault("out-digest-wrong") else body + b" ").digest()
    headers = {
        "Content-Type": ACTIVITY_JSON,
        "Content-Digest": f"sha-256=:{base64.b64encode(hashed).decode()}:",
    }
    return headers if coop.fault("unsigned-out") else sign(coop, local, "POST", url, headers)


def _cavage(coop: Minicoop, local: Local, url: str, body: bytes) -> dict[str, str]:
    """Return the headers of a POST, signed by draft-cavage-http-signatures-12 with Ed25519."""
    host, path = url.split("/", 3)[2], "/" + url.split("/", 3)[3]
    values = {
        "host": host,
        "date": formatdate(coop.now(), usegmt=True),
        "digest": f"SHA-256={base64.b64encode(hashlib.sha256(body).digest()).decode()}",
    }
    lines = [f"(request-target): post {path}", *(f"{name}: {value}" for name, value in values.items())]
    signature = base64.b64encode(coop.signing_key(local).sign("\n".join(lines).encode())).decode()
    covered = "(request-target) host date digest"
    said = f'keyId="{coop.key_id(local)}",algorithm="hs2019",headers="{covered}",signature="{signature}"'
    return {
        "Content-Type": ACTIVITY_JSON,
        "Date": values["date"],
        "Digest": values["digest"],
        "Signature": said,
    }
