"""Who follows whom is kept twice, at the follower's server and the followed one's; both are made to agree (FEP-8fcf).

    announced     what a delivery to followers says of them to the receiving server
    partial       what that server reads: its own actors among the followers
    notice        a message says that its sender sees it otherwise than we do: it is noted
    synchronise   what was noted is asked for and mended, beside the messages

Mending takes relations away and adds none: here, where the followed actor's server does not know of one; there, by an
Undo, where it believes one that nobody here wants (decision 0025).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from fedcoop.errors import FedcoopError, Forbidden, NotFound
from fedcoop.flow.saying import having_met, say
from fedcoop.flow.visiting import Visitor
from fedcoop.flow.world import World
from fedcoop.ports import Owed, Reader, Transaction
from fedcoop.protocol.following import (
    Synchronisation,
    digest_of,
    followers_in,
    followers_of,
    header_of,
    partial_of,
    said_by,
)
from fedcoop.protocol.ids import origin
from fedcoop.protocol.limits import MAX_SYNCHRONISATIONS_AT_ONCE, MAX_SYNCHRONISED, MAX_UNDONE
from fedcoop.protocol.messages import Claimed, Document, DropFollow, Intent, PutFollow, Verified
from fedcoop.protocol.policy import TABLE
from fedcoop.protocol.shape import AS2, recipients

log = structlog.get_logger()


# -- what we say -----------------------------------------------------------------------------------------------------


async def announced(item: Owed, document: Document, world: World) -> str | None:
    """Return the header that goes with a delivery to followers of its sender; None for any other delivery.

    `document` is what is delivered.
    """
    # (1) Who subscribes to a relay is kept otherwise than who follows, and compared by nobody.
    if world.instance.relaying is not None:
        return None
    # (2) The sender's own words to the sender's own followers.
    if document.get("actor") != item.sender or followers_of(item.sender) not in recipients(document):
        return None
    there = await world.store.read(lambda reader: _at(reader, item.sender, origin(item.inbox)))
    # (3) What would be too large to be read is not announced.
    return header_of(item.sender, there) if len(there) <= MAX_SYNCHRONISED else None


async def partial(owner: str, visitor: Visitor | None, *, world: World) -> Document:
    """Return the collection of those followers of our actor `owner` who are at the visitor's server.

    Raises:
        Forbidden: nobody whom we send anything asks (`not-in-allow-list`).
        NotFound: they are more than are compared.
    """
    # (1) Which of its actors follow is told to their own server alone, as long as it is sent what followers are.
    if visitor is None or not visitor.sent:
        raise Forbidden("not-in-allow-list", "This is for servers whose actors are sent what followers are.")
    there = await world.store.read(lambda reader: _at(reader, owner, visitor.host))
    if len(there) > MAX_SYNCHRONISED:
        raise NotFound("not-found", "They are too many to be compared.")
    return {
        "@context": AS2,
        "id": partial_of(owner),
        "type": "OrderedCollection",
        "totalItems": len(there),
        "orderedItems": sorted(there),
    }


async def _at(reader: Reader | Transaction, followed: str, host: str) -> Mapping[str, str]:
    """Return follower and activity of each accepted follow of `followed` by an actor at `host`."""
    found = await reader.followers_at(followed, host, limit=MAX_SYNCHRONISED + 1)
    return {follow.follower: follow.activity_id for follow in found}


# -- what we hear ----------------------------------------------------------------------------------------------------


async def notice(claimed: Claimed, verified: Verified, *, world: World) -> None:
    """Note it when the sender of a message, by its signature, sees its followers here otherwise than we do."""
    instance = world.instance
    said = said_by(
        verified.keys.actor, claimed.request, claimed.signature, allow_origins=instance.allow_origins
    )
    if said is None:
        return
    ours = await world.store.read(lambda reader: _at(reader, said.actor, instance.base))
    if digest_of(ours) != said.digest:
        world.agenda.note(said.actor, said, world.clock())


async def synchronise(world: World) -> int:
    """Ask for and mend what was noted; return how many relations were taken away, here and there."""
    noted = world.agenda.take(world.clock(), limit=MAX_SYNCHRONISATIONS_AT_ONCE)
    return sum(await asyncio.gather(*(_mended(said, world) for said in noted)))


async def _mended(said: Synchronisation, world: World) -> int:
    try:
        return await _mend(said, world)
    except FedcoopError as failure:
        # The next message to followers says it again.
        log.info("followers.not_compared", actor=said.actor[:200], code=failure.code, detail=failure.detail)
        return 0


async def _mend(said: Synchronisation, world: World) -> int:
    base = world.instance.base
    peer = await world.store.read(lambda reader: reader.peer(origin(said.actor)))
    # (1) Whoever is not sent anything any more is not asked either.
    if peer is None or not TABLE[peer.state].board:
        return 0
    before = await world.store.read(lambda reader: _at(reader, said.actor, base))
    document = await world.fetcher.document(said.url, signed=True)
    theirs = followers_in(document, url=said.url)

    async def work(tx: Transaction) -> int:
        ours = await _at(tx, said.actor, base)
        # (1) Only what stood so before we asked: a follow of this very minute may be on none of their lists yet.
        gone = [one for one, activity in ours.items() if one not in theirs and before.get(one) == activity]
        await tx.make([DropFollow(one, said.actor) for one in gone])
        unwanted = await _unwanted(tx, theirs - ours.keys(), said.actor)
        for one in unwanted:
            await _undo(tx, one, said.actor, world)
        if gone or unwanted:
            log.warning("followers.mended", actor=said.actor[:200], dropped=len(gone), undone=len(unwanted))
        return len(gone) + len(unwanted)

    mended = await having_met(world, work)
    if mended:
        world.doorbell.ring()
    return mended


async def _unwanted(tx: Transaction, names: frozenset[str], followed: str) -> list[str]:
    """Return whom of our own the other side takes for followers although they are not."""
    found: list[str] = []
    # (1) Names of ours that are somebody's: what else stands in the list is not ours to speak for.
    for name in sorted(names & {one.id for one in await tx.local_actors()}):
        follow = await tx.follow(name, followed)
        # (2) Who has asked may have been accepted: the answer is on its way, and none of it is undone or made up.
        if follow is None or follow.state == "rejected":
            found.append(name)
        # (3) A list makes us say only so much at a time.
        if len(found) == MAX_UNDONE:
            break
    return found


async def _undo(tx: Transaction, follower: str, followed: str, world: World) -> None:
    """Let `follower` take back a follow that only the other side knows of."""
    instance = world.instance
    name = f"{instance.base}/activities/{world.new_id()}"
    follow: dict[str, Any] = {"id": name, "type": "Follow", "actor": follower, "object": followed}
    # What is taken back must be there; it is gone again with the same words, in the same transaction.
    await tx.make([PutFollow(follower, followed, name, "accepted")])
    intent = Intent(follower, "Undo", {"object": follow, "to": [followed]})
    await say(tx, intent, world=world, now=world.clock(), keys={}, answering=True)
