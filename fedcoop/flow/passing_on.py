"""Somebody answers something of ours and names our followers: we pass it on to them, as it came (decision 0022).

The bytes are the author's, with the author's proof; our signature says only who brings them. Whoever gets them judges
the proof, as we do with what others bring (decision 0018).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from fedcoop.flow.catchup import remote_follower
from fedcoop.flow.world import Instance
from fedcoop.ports import Peer, Transaction
from fedcoop.protocol.audience import Follower, inboxes
from fedcoop.protocol.ids import origin
from fedcoop.protocol.limits import MAX_PASSED_ON_DEPTH, MAX_PASSED_ON_LOOKS, PASSED_ON_RATE
from fedcoop.protocol.messages import Activity, Chain, Deliver, Verified
from fedcoop.protocol.passing_on import ON_THE_BOARD, PASSED_ON, collections_named, is_for, refers_to
from fedcoop.protocol.policy import TABLE


async def passed_on(
    tx: Transaction, verified: Verified, chain: Chain | None, *, instance: Instance, now: datetime
) -> tuple[Deliver, ...]:
    """Return the deliveries by which our followers get what a peer has just said to them, none where it is not for us.

    Asked once for each activity, when it is seen for the first time and its author's own server has brought it: what
    somebody else brought has been passed on already, so no two servers pass anything to and fro.
    """
    activity = verified.activity
    # (1) Without its author's proof nobody could believe us.
    if not verified.proved or activity.type not in PASSED_ON:
        return ()
    # (2) An agreement is between its parties, whomever one of them names.
    if chain is not None and chain.kind not in ON_THE_BOARD:
        return ()
    named = collections_named(activity, base=instance.base)
    if not named:
        return ()
    peers = {peer.origin: peer for peer in await tx.peers()}
    home = origin(activity.actor)
    # (3) Whom our operator keeps from other people's eyes here is not shown to other people elsewhere by us.
    if home not in peers or TABLE[peers[home].state].shown != "as-addressed":
        return ()
    # (4) About something of ours, which is for those in the collection as well.
    opened = await _opened(tx, activity, [name for names in named.values() for name in names])
    owed: dict[str, Deliver] = {}
    for owner, names in named.items():
        followers = await _followers(tx, owner, peers, instance, home=home)
        collections = [name for name in names if name in opened]
        for inbox in inboxes(collections, base=instance.base, followers={owner: followers}, actors={}):
            # (5) Each server once, whichever of our collections it is reached by.
            owed.setdefault(inbox, Deliver(activity.id, owner, inbox, activity.body))
    # (6) One message in, many out: only so many.
    if owed and not await _within_rate(tx, home, now):
        return ()
    return tuple(owed.values())


async def _opened(tx: Transaction, activity: Activity, named: Collection[str]) -> frozenset[str]:
    """Return those of the collections for which something of ours is that the activity is about, if only by answers."""
    waiting = [(iri, 1) for iri in refers_to(activity.raw)]
    looked_at: set[str] = set()
    opened: set[str] = set()
    while waiting:
        iri, depth = waiting.pop(0)
        # (1) A thread has no end, and may go round: only what we have is looked at, and so much of it.
        if iri in looked_at or len(looked_at) == MAX_PASSED_ON_LOOKS:
            continue
        looked_at.add(iri)
        stored = await tx.object(iri)
        if stored is None or stored.deleted_at is not None:
            continue
        if stored.local:
            opened |= {name for name in named if is_for(stored.readers, name)}
        # (2) What answers an answer to ours is about ours, to a depth.
        elif depth < MAX_PASSED_ON_DEPTH:
            waiting += [(further, depth + 1) for further in refers_to(stored.document)]
    return frozenset(opened)


async def _followers(
    tx: Transaction, owner: str, peers: dict[str, Peer], instance: Instance, *, home: str
) -> list[Follower]:
    found = [await remote_follower(tx, follow, peers, instance) for follow in await tx.followers(owner)]
    # (1) Nothing goes back to where it came from.
    return [follower for follower in found if follower is not None and origin(follower.actor) != home]


async def _within_rate(tx: Transaction, home: str, now: datetime) -> bool:
    most, period = PASSED_ON_RATE
    window, key = int(now.timestamp() // period.total_seconds()), f"passed-on {home}"
    counted = (await tx.meta(key) or "").split()
    count = int(counted[1]) if counted[:1] == [str(window)] else 0
    if count >= most:
        return False
    await tx.put_meta(key, f"{window} {count + 1}")
    return True
