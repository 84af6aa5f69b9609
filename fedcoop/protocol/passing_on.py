"""Inbox forwarding, as far as it can be judged from the words alone (ActivityPub §7.1.2, wire.md §1.5).

Whoever answers something of ours and names our followers cannot reach them: only we know who they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from fedcoop.protocol.messages import Activity, Document
from fedcoop.protocol.shape import PUBLIC, ids_of

PASSED_ON: Final = frozenset({"Create", "Update", "Delete"})
"""What is said about something. Follows, answers and contracts are between those whom they name."""

ON_THE_BOARD: Final = ("Mission", "Listing")
"""Kinds of chain whose steps are for readers; every other is between its parties."""

OPENED: Final = ("/followers", "/network")
"""Collections of an actor of ours that have others in them."""

REFERRING: Final = ("inReplyTo", "object", "target", "tag")
"""Properties by which an activity is about something (ActivityPub §7.1.2)."""


def collections_named(activity: Activity, *, base: str) -> Mapping[str, tuple[str, ...]]:
    """Return the collections of ours that the activity is addressed to, under the actor whose they are.

    >>> from fedcoop.protocol.shape import read_activity
    >>> said = {"id": "x", "type": "Delete", "actor": "y", "object": "z", "to": ["https://a.example/actors/coop/network"]}
    >>> collections_named(read_activity(said, b""), base="https://a.example")
    {'https://a.example/actors/coop': ('https://a.example/actors/coop/network',)}
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in activity.recipients:
        owner, slash, last = name.rpartition("/")
        if name.startswith(base + "/") and slash + last in OPENED:
            found[owner] = (*found.get(owner, ()), name)
    return found


def refers_to(document: Document) -> tuple[str, ...]:
    """Return the ids of what a document is about, those that its embedded object is about included."""
    embedded = document.get("object")
    inner = [ids_of(embedded.get(name)) for name in REFERRING] if isinstance(embedded, Mapping) else []
    found = [ids_of(document.get(name)) for name in REFERRING]
    return tuple(dict.fromkeys(iri for ids in (*found, *inner) for iri in ids))


def is_for(readers: Iterable[str], collection: str) -> bool:
    """Tell whether what these may read is for those in `collection` as well."""
    return not {PUBLIC, collection}.isdisjoint(readers)
