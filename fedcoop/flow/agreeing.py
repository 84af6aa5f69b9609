"""What a federation agreement does to whom we work with, and what a co-op may say that nobody decided about (D7).

    may_speak_of_agreement   the one thing that a stranger may say: propose an agreement, within bounds, and answer one
    follow_agreement         the peer becomes what the agreement makes of it, and stays what the operator made of it

Both read the agreement as it is now; who did it, and when, stands in the peer's decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from fedcoop.errors import RateLimited, TooLarge
from fedcoop.flow.peering import decide
from fedcoop.flow.world import World
from fedcoop.ports import Decision, Reader, Transaction
from fedcoop.protocol.agreements import IN_FORCE, LIVE, kept, other_party, state_at
from fedcoop.protocol.guards import moment
from fedcoop.protocol.ids import origin
from fedcoop.protocol.limits import (
    MAX_PROPOSAL,
    MAX_PROPOSALS,
    MAX_PROPOSALS_LATELY,
    MAX_PROPOSALS_OF_SERVER,
    PROPOSAL_EVERY,
    PROPOSAL_LIFE,
)
from fedcoop.protocol.messages import Activity, Chain
from fedcoop.protocol.policy import AFTER_AN_AGREEMENT, AGREEMENT, STEPS_DOWN, PeerState, admitted

ENDED: Final = "L’accord de fédération a pris fin. – The federation agreement has ended."
"""The reason that the peer and the members on both sides are told; nobody's language is known here."""


# -- at the door ----------------------------------------------------------------------------------------------------


async def may_speak_of_agreement(world: World, activity: Activity) -> bool:
    """Tell whether a co-op that nobody decided about may say this: then its key is fetched, and it is verified.

    Raises:
        RateLimited: it may, later: too much of it waits, or was just looked at.
    """
    now, instance, host = world.clock(), world.instance, origin(activity.actor)

    async def look(reader: Reader) -> bool | None:
        known = await reader.chain(activity.object_id or activity.id)
        # (1) Whoever is party to an agreement that is not over goes on with it.
        if known is not None:
            party = known.kind == AGREEMENT and activity.actor in known.parties.values()
            return party and (state_at(known, now) in LIVE or await reader.activity(activity.id) is not None)
        # (2) A new one is proposed to our co-op, where strangers may.
        if (activity.type, activity.object_class) != ("Offer", AGREEMENT):
            return False
        if not instance.strangers_propose or instance.coop not in activity.recipients:
            return False
        waiting = await _waiting(reader, now)
        # (3) One of each server, and so many in all: what waits is an operator's to read.
        if host in waiting or len(waiting) >= MAX_PROPOSALS:
            raise _later("Proposals wait here for an answer; no more are taken for now.", timedelta(days=1))
        # (4) Taken back or refused, each is kept: so many of one server in a month, and so many in all.
        lately = await _lately(reader, now, world)
        if lately.count(host) >= MAX_PROPOSALS_OF_SERVER or len(lately) >= MAX_PROPOSALS_LATELY:
            raise _later("Too much was proposed here lately that came to nothing.", timedelta(days=1))
        # (5) And none is larger than an agreement needs to be.
        if len(activity.body) > MAX_PROPOSAL:
            raise TooLarge(
                "too-large", "This is more than an agreement says.", expected=f"at most {MAX_PROPOSAL} bytes"
            )
        return None

    decided = await world.store.read(look)
    if decided is not None:
        return decided
    # (1) One server's are read once in a while: only what was found to be its own counts against it.
    if world.looks.came(host, now):
        raise _later("You came just now.", PROPOSAL_EVERY)
    # (2) Each costs a fetch, so there are so many in a minute, whoever is named.
    if not world.looks.look(now):
        raise _later("Too many came just now whom nobody knows here.", timedelta(minutes=1))
    return True


def was_signed(world: World, activity: Activity) -> None:
    """Remember that what a co-op proposes that nobody decided about was found to be its own."""
    if activity.type == "Offer":
        world.looks.found(origin(activity.actor), world.clock())


async def _waiting(reader: Reader, now: datetime) -> frozenset[str]:
    """Return the servers that nobody decided about and that wait for an answer to their proposal."""
    waiting = {origin(c.owner) for c in await reader.agreements() if state_at(c, now) == "proposed"}
    known = {p.origin for p in await reader.peers() if admitted(p.state)}
    return frozenset(waiting - known)


async def _lately(reader: Reader, now: datetime, world: World) -> list[str]:
    """Return the server of each agreement of others that was not accepted and that something was said of lately."""
    return [
        origin(c.owner)
        for c in await reader.agreements()
        if "accept" not in c.memory
        and not world.instance.hosts(c.owner)
        and now - (moment(c.memory.get("saidAt")) or now) < PROPOSAL_LIFE
    ]


def _later(detail: str, wait: timedelta) -> RateLimited:
    return RateLimited("rate-limited", detail, retry_after=int(wait.total_seconds()))


# -- what comes of it -----------------------------------------------------------------------------------------------


async def follow_agreement(tx: Transaction, chain: Chain, *, world: World, now: datetime) -> None:
    """Let the peer be what the agreement makes of it now, and keep the agreement as it now stands.

    Called after every step and when a date has passed; again, it changes nothing.
    """
    instance = world.instance
    other = other_party(chain, instance.base)
    if other is None:
        return
    await tx.make([kept(chain, base=instance.base, now=now)])
    host = origin(other)
    decisions = await tx.decisions(host)
    ours = [d for d in decisions if d.source == chain.id]
    if state_at(chain, now) in IN_FORCE:
        # (1) It lets in once: whatever the operator decides afterwards is not undone by a later step.
        if not (ours and ours[-1].state == "allowed") and not await _decided_since(
            tx, chain, decisions, world
        ):
            await _become(tx, world, host, "allowed", chain, reason="")
    # (2) It takes back what it gave, and nothing that the operator gave.
    elif ours and decisions[-1] is ours[-1] and ours[-1].state == "allowed":
        if "accept" in chain.memory:
            await _become(tx, world, host, AFTER_AN_AGREEMENT, chain, reason=ENDED)
        else:
            # Our acceptance was not taken: as if it had not been.
            await _become(tx, world, host, _before(decisions), chain, reason="")


async def _decided_since(tx: Transaction, chain: Chain, decisions: Sequence[Decision], world: World) -> bool:
    """Tell whether our operator took something from the peer after proposing to it: that is the newer word."""
    offer = await tx.activity(str(chain.memory.get("offer")))
    if not decisions or offer is None or not world.instance.hosts(chain.owner):
        return False
    return decisions[-1].state != "allowed" and decisions[-1].decided_at > offer.received_at


def _before(decisions: Sequence[Decision]) -> PeerState:
    return decisions[-2].state if len(decisions) > 1 else STEPS_DOWN[-1]


async def _become(
    tx: Transaction, world: World, host: str, state: PeerState, chain: Chain, *, reason: str
) -> None:
    await decide(
        tx,
        world,
        host,
        state,
        network=None,
        note=f"{AGREEMENT} {chain.id}",
        reason=reason,
        by=await tx.meta(who_key(chain.id)) or world.instance.coop,
        source=chain.id,
    )


def who_key(agreement: str) -> str:
    """Return the name under which it is kept who of ours proposed, answered or ended the agreement last."""
    return f"agreement-by:{agreement}"
