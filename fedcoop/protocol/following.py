"""Follower synchronisation (FEP-8fcf): two servers notice that they differ about who follows whom, and mend it.

    header_of   who sends to followers says in one header how many of them it believes to be at the receiving server
    said_by     what an arriving request says so, when its actor has signed it and may say it
    followers_in   the followers in a fetched collection, when it is the whole and its owner's

Nothing here makes anybody a follower: a difference only ever takes a relation away (decision 0025).

>>> digest_of([])
'0000000000000000000000000000000000000000000000000000000000000000'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from fedcoop.errors import Malformed
from fedcoop.protocol.ids import check_id, origin, same_origin
from fedcoop.protocol.limits import MAX_SYNCHRONISED
from fedcoop.protocol.messages import Document, RawRequest, RequestSignature
from fedcoop.protocol.shape import ids_of, types_of

HEADER: Final = "Collection-Synchronization"
"""The header, as FEP-8fcf writes it."""

_MEMBER: Final = re.compile(r'\s*([A-Za-z]+)="([^"\\]{1,2048})"\s*(?:,|$)', re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_COLLECTIONS: Final = frozenset({"Collection", "OrderedCollection"})


@dataclass(frozen=True, slots=True)
class Synchronisation:
    """What one server says of an actor's followers at another."""

    actor: str
    url: str
    """Where the receiving server finds which of its actors they are."""
    digest: str


def digest_of(followers: Iterable[str]) -> str:
    """Return the digest of a set of followers: SHA-256 of each id, all of them XORed, in hex (SYN-1)."""
    found = 0
    for follower in set(followers):
        found ^= int.from_bytes(sha256(follower.encode("utf-8")).digest(), "big")
    return f"{found:064x}"


def followers_of(actor: str) -> str:
    """Return the id of the followers collection of one of our own actors."""
    return f"{actor}/followers"


def partial_of(actor: str) -> str:
    """Return where a peer's server reads which of its actors follow one of ours."""
    return f"{actor}/followers/synchronization"


def header_of(actor: str, followers: Iterable[str]) -> str:
    """Return the header by which one of our actors says which `followers` it has at the receiving server."""
    return f'collectionId="{followers_of(actor)}", url="{partial_of(actor)}", digest="{digest_of(followers)}"'


def said_by(
    actor: Document, request: RawRequest, signature: RequestSignature, *, allow_origins: Set[str]
) -> Synchronisation | None:
    """Return what `actor`, who has signed `request`, says of its followers here; None when it says nothing to go by.

    What is wrong in it refuses nothing: the message that it came with is another matter.
    """
    values = request.header_values(HEADER.lower())
    # (1) Signed, or anybody on the way may have put it there.
    if len(values) != 1 or HEADER.lower() not in signature.covered:
        return None
    members = _members(values[0])
    name, url = str(actor.get("id")), members.get("url", "")
    # (2) Of the actor's own followers: nobody speaks of another's.
    if members.get("collectionId", "") != actor.get("followers") or not _DIGEST.fullmatch(
        members.get("digest", "")
    ):
        return None
    # (3) To be asked where the actor lives: no server sends us to another.
    try:
        if origin(check_id(url, allow_origins=allow_origins)) != origin(name):
            return None
    except Malformed:
        return None
    return Synchronisation(name, url, members["digest"])


def _members(value: str) -> dict[str, str]:
    """Return the members of the header; none when it cannot be read, or has one twice."""
    members: dict[str, str] = {}
    position, value = 0, value.strip()
    while position < len(value):
        match = _MEMBER.match(value, position)
        if match is None or match[1] in members:
            return {}
        members[match[1]] = match[2]
        position = match.end()
    return members


def followers_in(document: Document, *, url: str) -> frozenset[str]:
    """Return the followers in the collection that was fetched from `url`.

    Raises:
        Malformed: it is not whole, not of its server, or too large to be compared (`malformed-request`).
    """
    # (1) Of the server that was asked: a redirect does not make somebody else's list its own.
    if not same_origin(str(document.get("id")), url):
        raise _unusable("it is another server's", url, str(document.get("id")))
    # (2) A collection that holds its items: whoever is on a page that we have not read is not missing.
    items = document.get("orderedItems", document.get("items"))
    if not _COLLECTIONS & types_of(document) or not isinstance(items, list) or "first" in document:
        raise _unusable("it does not hold its items", "a collection with orderedItems", "something else")
    # (3) As many as it says, and each is one.
    found = ids_of(items)
    if len(found) != len(items) or document.get("totalItems", len(items)) != len(items):
        raise _unusable("it is not whole", f"totalItems: {document.get('totalItems')}", str(len(found)))
    # (4) No more than are compared.
    if len(found) > MAX_SYNCHRONISED:
        raise _unusable("it is too large", f"at most {MAX_SYNCHRONISED}", str(len(found)))
    return frozenset(found)


def _unusable(why: str, expected: str, received: str) -> Malformed:
    return Malformed(
        "malformed-request",
        f"This collection of followers cannot be compared: {why}.",
        expected=expected,
        received=ascii(received)[:200],
    )
