"""A client of ours speaks: ActivityPub C2S, `POST outbox` (ActivityPub §6, wire.md §1.7)."""

from __future__ import annotations

from typing import Final

from fedcoop.errors import Conflict, Malformed, NotImplementedYet
from fedcoop.flow.outbound import Published, publish
from fedcoop.flow.world import World
from fedcoop.protocol.authorise import LATER, RULES
from fedcoop.protocol.messages import Document, Intent
from fedcoop.protocol.shape import BLIND, blind_recipients, id_of, types_of

FOREIGN: Final = frozenset(
    {
        "Arrive",
        "Dislike",
        "Ignore",
        "IntransitiveActivity",
        "Like",
        "Listen",
        "Question",
        "Read",
        "Travel",
        "View",
    }
)
"""Activities of ActivityStreams that the vocabulary does not use: heard without effect, and not said."""

ACTIVITIES: Final = frozenset(RULES) | LATER | FOREIGN
"""Types that are activities; anything else posted to an outbox is an object, to be wrapped in a Create (§6.2.1)."""

OWN_AFFAIR: Final = frozenset({"id", "actor", "published", "proof", "signature", *BLIND})
"""Members that the server sets, whatever the client sent (§6: the id is ignored; blind recipients are never shown)."""


async def submit(actor: str, document: Document, *, client_key: str | None, world: World) -> Published:
    """Publish what `actor`'s client posted and return it as it went out.

    A bare object is wrapped in a Create. Whom it names in `bto` and `bcc` gets it, and is named in no copy.
    `stateVersion` and `previousDigest`, when given, must be those of the next step: a client that decided on an older
    state is told so instead of being corrected.

    Raises:
        Refused, TryLater: as `publish`; also `stale` for chain fields that are not the next step's.
    """
    if not document:
        raise Malformed("malformed-activity", "Nothing was posted.", expected="an activity or an object")
    named = sorted(types_of(document) & ACTIVITIES)
    if named and id_of(document.get("actor")) not in (None, actor):
        raise Malformed(
            "malformed-activity", "A client speaks for the owner of the outbox only.", expected=actor
        )
    kind = named[0] if named else "Create"
    if kind not in RULES:
        raise NotImplementedYet("not-implemented", f"{kind} is not in this release; see ROADMAP.md.")
    body = (
        {k: v for k, v in document.items() if k not in OWN_AFFAIR}
        if named
        else {"object": document, **_audience(document)}
    )
    expected = {k: body.pop(k) for k in ("stateVersion", "previousDigest") if k in body}
    intent = Intent(actor, kind, body, client_key, blind_recipients(document))
    published = await publish(intent, world=world, expecting=expected)
    if published.duplicate and published.document.get("type") != kind:
        raise Conflict("id-reused", "This Idempotency-Key was used for something else.", received=client_key)
    return published


def _audience(document: Document) -> dict[str, object]:
    """Addressing is copied from a bare object to its Create (§6.2.1)."""
    return {name: document[name] for name in ("to", "cc", "audience") if name in document}
