"""Who follows whom is kept at both servers, and compared by a digest with each message to followers (FEP-8fcf)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from fedcoop_conformance.minicoop.world import Document, Gone, Local, Minicoop, Refusal, names, origin_of

HEADER: Final = "Collection-Synchronization"
MEMBER: Final = re.compile(r'(\w+)="([^"]*)"')


def announced(coop: Minicoop, local: Local, activity: Document, origin: str) -> Mapping[str, str]:
    """Return the header that goes with a message to followers, nothing for any other message."""
    mine = f"{coop.id_of(local)}/followers"
    if mine not in {*names(activity.get("to")), *names(activity.get("cc"))}:
        return {}
    followers = at(local.followers, origin)
    told = digest(followers if not coop.fault("fsync-wrong") else [*followers, mine])
    return {
        HEADER: f'collectionId="{mine}", url="{coop.id_of(local)}/followers_synchronization", digest="{told}"'
    }


def at(actors: Iterable[str], origin: str) -> list[str]:
    """Return those of the actors that are of this server."""
    return sorted(one for one in actors if origin_of(one) == origin)


def digest(actors: Iterable[str]) -> str:
    """Return the exclusive or of the SHA-256 of their ids, in hexadecimal (FEP-8fcf)."""
    number = 0
    for one in actors:
        number ^= int.from_bytes(hashlib.sha256(one.encode()).digest())
    return f"{number:064x}"


async def compare(coop: Minicoop, header: str, author: str) -> None:
    """Ask the followed actor's server whom of ours it counts, where that is not whom we count; drop the others."""
    said = dict(MEMBER.findall(header))
    ours = [one for one in coop.actors.values() if author in one.following]
    told = digest(coop.id_of(one) for one in ours)
    if (
        said.get("digest") == told
        or origin_of(said.get("url", "")) != origin_of(author)
        or coop.fault("fsync-deaf")
    ):
        return
    try:
        theirs = names((await coop.fetch(said["url"], signed=True)).get("orderedItems"))
    except (Refusal, Gone):
        return
    for one in ours:
        if coop.id_of(one) not in theirs:
            one.following.pop(author, None)
