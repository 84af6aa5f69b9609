"""What a follower is owed who was not there from the beginning: the board as it stands, each proposal with its history.

A follower that has just been accepted, or whom the network flag has just let in, gets every open proposal that its
scope admits, from the first activity on: a chain can be read from its beginning only. Whatever it has already is a
duplicate to it, and has no second effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from fedcoop.flow.world import Instance
from fedcoop.ports import Follow, Peer, StoredActor, Transaction
from fedcoop.protocol.audience import Follower, inboxes
from fedcoop.protocol.ids import origin
from fedcoop.protocol.messages import Chain, Deliver
from fedcoop.protocol.policy import TABLE
from fedcoop.protocol.shape import recipients

REACHED = frozenset(state for state, rights in TABLE.items() if rights.board)
"""States of a peer to whom copies are owed; blocked and frozen ones are owed none (D7)."""


async def remote_follower(
    tx: Transaction, follow: Follow, peers: Mapping[str, Peer], instance: Instance
) -> Follower | None:
    """Return an accepted follower on another instance as delivery needs to know it, None when nothing is owed to it."""
    stored = await tx.actor(follow.follower)
    if follow.state != "accepted" or stored is None or instance.hosts(stored.id):
        return None
    peer = peers.get(origin(stored.id))
    if peer is None or peer.state not in REACHED:
        return None
    return Follower(stored.id, inbox_of(stored), peer.network and TABLE[peer.state].network)


async def owed_board(
    tx: Transaction, followed: str, follower: Follower, instance: Instance
) -> tuple[Deliver, ...]:
    """Return the deliveries by which `follower` learns of every open proposal that is for followers of `followed`.

    Those are its own, and for a follower of our co-op its members' too.
    """
    return await _owed_of(tx, await tx.open_proposals(), followed, follower, instance)


async def _owed_of(
    tx: Transaction, chains: Sequence[Chain], followed: str, follower: Follower, instance: Instance
) -> tuple[Deliver, ...]:
    owed: list[Deliver] = []
    followers = {followed: [follower]}
    for chain in chains:
        # What it says now of the audience holds for the whole: a scope never narrows (`guards.listing_terms`).
        for inbox in inboxes(recipients(chain.document), base=instance.base, followers=followers, actors={}):
            owed += [Deliver(said.id, said.actor, inbox, said.body) for said in await tx.history(chain.id)]
    return tuple(owed)


async def owed_boards(
    tx: Transaction, peer: Peer, instance: Instance, *, since: datetime
) -> tuple[Deliver, ...]:
    """Return what followers at `peer` are owed of all our actors: the operator has just let it in, or further in.

    That is the board as it stands, and the end of what was on it before `since` and went on without them.
    """
    owed: list[Deliver] = []
    chains = (*await tx.open_proposals(), *await tx.closed_since(since))
    for ours in await tx.local_actors():
        for follow in await tx.followers(ours.id):
            follower = await remote_follower(tx, follow, {peer.origin: peer}, instance)
            if follower is not None:
                owed += await _owed_of(tx, chains, ours.id, follower, instance)
    return tuple(owed)


def inbox_of(actor: StoredActor) -> str:
    """Return where to post to `actor`: its server's shared inbox when it has one, so that order is kept per peer."""
    return actor.shared_inbox or actor.inbox
