"""Identities that members can take away: a `did:key` of their own, bound to their actor here (FEP-c390).

The key is the member's, and no server's: it says that it is also known as the actor, and the actor's document shows
what it says. At the next co-op it says the same of the actor there, and whoever reads both knows that they are one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedcoop.errors import Invalid, Unverified
from fedcoop.protocol.messages import Document
from fedcoop.protocol.multikey import did_key_of
from fedcoop.protocol.proof import sign_document, verify_statement
from fedcoop.protocol.shape import types_of

STATEMENT: Final = "VerifiableIdentityStatement"
TERMS: Final = {
    STATEMENT: f"https://w3id.org/fep#{STATEMENT}",
    "subject": "https://w3id.org/fep#subject",
}
"""What the terms of a statement mean, for an actor document's contexts: no published context has them."""

MAX_STATEMENTS: Final = 8
"""Statements that one actor may show: each costs whoever reads them a verification."""


def sign_statement(actor_id: str, *, key: Ed25519PrivateKey, created: datetime) -> Document:
    """Return the statement by which `key` says that it is also known as `actor_id`.

    It has no `@context`, and its proof's verification method is the DID itself, as in the FEP's own example.
    """
    did = did_key_of(key.public_key())
    said = {"type": STATEMENT, "subject": did, "alsoKnownAs": actor_id}
    return sign_document(said, key=key, verification_method=did, created=created)


def statements(actor: Document) -> tuple[Document, ...]:
    """Return the identity statements in the attachments of an actor's document, believed or not."""
    attached = actor.get("attachment")
    entries = attached if isinstance(attached, list) else [attached]
    return tuple(e for e in entries if isinstance(e, Mapping) and STATEMENT in types_of(e))


def identities(actor: Document, *, now: datetime) -> tuple[str, ...]:
    """Return the `did:key`s that have said of themselves that they are this actor, in the order shown.

    A statement that does not hold says nothing, and makes nothing else of the document doubtful.
    """
    found = []
    for statement in statements(actor)[:MAX_STATEMENTS]:
        try:
            found.append(verify_statement(statement, actor_id=str(actor.get("id")), now=now))
        except Unverified:
            continue
    return tuple(dict.fromkeys(found))


def check_own(actor: Document, *, now: datetime) -> None:
    """Return when every statement in a document that one of our actors publishes holds.

    Raises:
        Invalid: one does not, or there are too many (`schema-invalid`).
    """
    shown = statements(actor)
    if len(shown) > MAX_STATEMENTS:
        raise Invalid(
            "schema-invalid",
            "A profile shows few identities.",
            expected=f"at most {MAX_STATEMENTS}",
            received=str(len(shown)),
        )
    for statement in shown:
        try:
            verify_statement(statement, actor_id=str(actor.get("id")), now=now)
        except Unverified as refusal:
            raise Invalid(
                "schema-invalid",
                f"An identity statement does not hold: {refusal.detail}",
                expected=refusal.expected,
                received=refusal.received,
            ) from None


def with_statement(actor: Document, statement: Document) -> list[Any]:
    """Return the actor's attachments with the statement, in place of an earlier one by the same key."""
    return [*without_subject(actor, str(statement.get("subject"))), statement]


def without_subject(actor: Document, did: str) -> list[Any]:
    """Return the actor's attachments without any statement by `did`."""
    attached = actor.get("attachment")
    entries = attached if isinstance(attached, list) else [] if attached is None else [attached]
    dropped = [s for s in statements(actor) if s.get("subject") == did]
    return [entry for entry in entries if entry not in dropped]
