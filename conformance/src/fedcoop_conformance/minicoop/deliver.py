"""What this server says: id, proof, place in the outbox, and to whom it goes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Final

from fedcoop_conformance.crypto import jcs, multikey
from fedcoop_conformance.minicoop.lanes import Owed, owe
from fedcoop_conformance.minicoop.synchronise import announced
from fedcoop_conformance.minicoop.world import (
    PUBLIC,
    SIGNED,
    Document,
    Gone,
    Local,
    Minicoop,
    Refusal,
    names,
    origin_of,
)

BLIND: Final = frozenset({"bto", "bcc"})


async def say(coop: Minicoop, local: Local, activity: Mapping[str, object]) -> Document:
    """Let a local actor say something: it gets an id, a proof, a place in the outbox, and is delivered."""
    hidden = [*names(activity.get("bto")), *names(activity.get("bcc"))]
    leaking = bool(hidden) and coop.fault("leak-bto")
    said = {name: value for name, value in activity.items() if name not in BLIND or leaking}
    whole: Document = {
        "@context": SIGNED if not coop.fault("ctx-sent-missing") else SIGNED[1:],
        **said,
        "id": said["id"] if "id" in said and coop.fault("c2s-trust-id") else coop.new_id(),
        "actor": coop.id_of(local),
        "published": coop.instant(),
    }
    document = whole if coop.fault("no-proof-out") else proven(coop, local, whole)
    local.outbox.append(document)
    coop.objects[document["id"]] = document
    if document.get("type") == "Follow":
        coop.asked[document["id"]] = (local.name, next(iter(names(document.get("object"))), ""))
    recipients = addressed(coop, document, [] if hidden and coop.fault("ignore-bto") else hidden)
    if coop.id_of(local) in recipients and coop.fault("self-delivery"):
        local.inbox.append(document)
    body = json.dumps(document, ensure_ascii=False).encode()
    for inbox in await inboxes(coop, local, recipients):
        owe(coop, Owed(local, inbox, body, announced(coop, local, document, origin_of(inbox))))
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


def addressed(coop: Minicoop, activity: Document, hidden: Iterable[str]) -> list[str]:
    """Return whom an activity is for, `hidden` included."""
    wanted = [*names(activity.get("to")), *hidden, *names(activity.get("audience"))]
    if "cc" not in activity or coop.fault("ignore-cc"):
        return wanted
    return [*wanted, *names(activity["cc"])]


async def inboxes(coop: Minicoop, local: Local, recipients: Iterable[str]) -> list[str]:
    """Return each inbox to deliver to, once."""
    mine = f"{coop.id_of(local)}/followers"
    found: list[str] = []
    for name in recipients:
        if name == PUBLIC or coop.actor_at(name):
            continue
        opened = name == mine and not coop.fault("followers-not-expanded")
        for reader in list(local.followers) if opened else [name]:
            found += await inbox_of(coop, reader)
    return found if coop.fault("dup-delivery") else list(dict.fromkeys(found))


async def inbox_of(coop: Minicoop, name: str) -> list[str]:
    """Return the inbox of an actor elsewhere, the shared one where it names one; none where it cannot be found."""
    try:
        document = coop.met.get(name) or await coop.fetch(name)
    except (Refusal, Gone):
        return []
    coop.met[name] = document
    endpoints = document.get("endpoints")
    shared = endpoints.get("sharedInbox") if isinstance(endpoints, Mapping) else None
    if shared and not coop.fault("shared-ignored"):
        return [str(shared)]
    return [str(document.get("inbox"))]
