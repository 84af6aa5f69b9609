"""A peer reads: who asks by a signed GET, and under which names it may read here (decision 0019).

    visitor_of   a signed request -> who asks, with the names under which something of ours is for it
    Asking       whoever reads: one of our own by a token, a peer by its signature, or anybody (None)

A peer reads what it would be sent, and nothing else: the operator's decision about it opens and closes both alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from fedcoop.flow.peering import admit
from fedcoop.flow.verifying import by_visit
from fedcoop.flow.world import Instance, World
from fedcoop.ports import Peer, Reader
from fedcoop.protocol.messages import Chain, RawRequest
from fedcoop.protocol.policy import TABLE
from fedcoop.protocol.shape import PUBLIC
from fedcoop.protocol.visiting import check_visit, open_visit


@dataclass(frozen=True, slots=True)
class Visitor:
    """An actor of a server that we work with, who asks by a signed GET."""

    actor: str
    host: str
    """Its server, by origin."""
    names: frozenset[str]
    """Under which it reads: everybody, the collections of ours that it is in, and itself."""
    for_all: bool
    """It is the server's own actor, and reads what is for any actor there."""
    sent: bool
    """It is sent what begins something: what is addressed to it is for it to read."""
    goes_on: bool
    """It goes on with what was agreed: engagements that it is a party to are for it to read."""

    def is_named(self, name: str) -> bool:
        """Tell whether what is addressed to `name` is for this visitor."""
        return name in self.names or (self.sent and self._stands_for(name))

    def is_party(self, chain: Chain) -> bool:
        """Tell whether the visitor is a party to an engagement, or its server is a party's."""
        return self.goes_on and any(map(self._stands_for, chain.parties.values()))

    def _stands_for(self, name: str) -> bool:
        return name == self.actor or (self.for_all and name.startswith(self.host + "/"))


Asking: TypeAlias = str | Visitor | None
"""Whoever reads: the id of a local actor, a peer, or anybody."""


async def visitor_of(request: RawRequest, *, world: World) -> Visitor | None:
    """Return the peer that made a signed GET; None for one that nobody decided about, which reads as anybody does.

    Where only peers may read (`Instance.signed_reads`), whoever was not let in is refused instead.

    Raises:
        Unverified: the signature cannot be read; of a peer that was let in also: it is not good, or not of this
            request.
        Forbidden: the operator has shut this peer out, or, where only peers may read, not let it in.
        Unavailable: its key is out of reach (`key-unreachable`).
    """
    instance = world.instance
    visit = open_visit(request, public_origin=instance.base, allow_origins=instance.allow_origins)
    host = visit.host if visit is not None else ""
    peer = await world.store.read(lambda reader: reader.peer(host))
    # (1) A stranger reads what is for everybody, and is worth no fetch of a key (SIG-27).
    if (peer is None or peer.state == "pending") and not instance.signed_reads:
        return None
    # (2) Whom the operator has shut out hears it before its key is fetched.
    admit(peer, host, contact=f"{instance.base}/")
    if visit is None or peer is None:
        raise AssertionError("whoever is admitted has an origin")
    now = world.clock()
    # (3) Fresh, whole and ours, before anything is fetched for it.
    check_visit(visit, public_origin=instance.base, now=now, window=instance.window)
    # (4) Signed by a key of that server; when a rotated one would explain the failure, asked for once more.
    actor, for_all = await by_visit(world, visit, now)
    return await world.store.read(lambda reader: _as_seen(reader, actor, for_all, peer, instance))


async def _as_seen(reader: Reader, actor: str, for_all: bool, peer: Peer, instance: Instance) -> Visitor:
    rights, names = TABLE[peer.state], {PUBLIC}
    if rights.board:
        names.add(actor)
        for follow in await reader.follows_with(peer.origin):
            # (1) Our followers' collections open to who is in them, and nobody else's relations do.
            if not instance.hosts(follow.followed) or (follow.follower != actor and not for_all):
                continue
            names |= {follow.follower, f"{follow.followed}/followers"}
            if peer.network and rights.network:
                names.add(f"{follow.followed}/network")
    return Visitor(
        actor=actor,
        host=peer.origin,
        names=frozenset(names),
        for_all=for_all,
        sent=rights.board,
        goes_on="goes-on" in rights.deeds,
    )
