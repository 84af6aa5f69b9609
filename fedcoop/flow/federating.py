"""What our operator says of federation agreements: propose, accept, reject, end; and what time does to them (D7).

Every one of these is an activity of our co-op's, which its client may as well post to its outbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from fedcoop.errors import Conflict, Invalid, NotFound
from fedcoop.flow.agreeing import follow_agreement, who_key
from fedcoop.flow.outbound import publish
from fedcoop.flow.peering import checked
from fedcoop.flow.world import World
from fedcoop.ports import Reader, Transaction
from fedcoop.protocol.agreements import IN_FORCE, other_party, state_at
from fedcoop.protocol.ids import origin
from fedcoop.protocol.messages import Chain, Intent
from fedcoop.protocol.policy import AGREEMENT
from fedcoop.protocol.shape import class_of


async def propose(
    world: World, peer_origin: str, *, terms: Mapping[str, Any], actor: str | None = None, by: str = ""
) -> Chain:
    """Propose a federation agreement to the co-op at `peer_origin`, and return it as it waits there.

    `actor` is the other co-op's id where it is not the usual one; `terms` are members of the agreement.

    Raises:
        Malformed: it is not an origin; Conflict: it is our own.
        Invalid: there is no co-op of that id; or a proposal waits, or an agreement is in force (`guard-failed`).
        Unverified, Unavailable: the other co-op cannot be read.
        Forbidden: our operator has blocked it.
    """
    host = checked(world, peer_origin)
    other = actor or f"{host}/actors/coop"
    met = await world.fetcher.actor(other)
    if class_of(met) != "Cooperative" or origin(other) != host:
        raise Invalid(
            "guard-failed",
            "This is no co-operative of that server; name its actor.",
            expected=f"the id of a Cooperative at {host}",
            received=other,
        )
    ours = world.instance.coop
    body = {"object": {**terms, "fedcoopType": [AGREEMENT], "parties": [ours, other]}, "to": [other]}
    said = await publish(Intent(ours, "Offer", body), world=world)
    proposed = str(said.document["object"]["id"])
    await world.store.write(lambda tx: tx.put_meta(who_key(proposed), by or ours))
    return await _chain(world, proposed)


async def accept(world: World, peer_origin: str, *, by: str = "") -> Chain:
    """Accept what the co-op at `peer_origin` proposes: from now on we work with it. Raises NotFound, as `publish`."""
    return await _answer(world, peer_origin, "Accept", by)


async def reject(world: World, peer_origin: str, *, by: str = "") -> Chain:
    """Reject what the co-op at `peer_origin` proposes. Raises NotFound, as `publish`."""
    return await _answer(world, peer_origin, "Reject", by)


async def end(world: World, peer_origin: str, *, by: str = "") -> Chain:
    """End the agreement with the co-op at `peer_origin` after its notice, or take our proposal to it back.

    Raises:
        NotFound: there is neither; Conflict: it is theirs to take back, and ours to reject (`illegal-transition`).
    """
    host = checked(world, peer_origin)
    live = await _live(world, host)
    agreed = [c for c in live if c.state == "active"]
    waiting = [c for c in live if c.state == "proposed" and world.instance.hosts(c.owner)]
    if not agreed and not waiting:
        if any(c.state == "proposed" for c in live):
            raise Conflict(
                "illegal-transition", "They proposed it: accept or reject it.", received="proposed"
            )
        raise _none(host)
    chain, cause = (agreed[-1], "accept") if agreed else (waiting[-1], "offer")
    return await _say(world, chain, "Undo", str(chain.memory[cause]), by)


async def agreements(world: World) -> tuple[Chain, ...]:
    """Return every agreement, each in its state now, the oldest first."""
    now = world.clock()
    found = await world.store.read(lambda reader: reader.agreements())
    return tuple(_at(c, state_at(c, now)) for c in found)


async def expire(world: World) -> int:
    """Let every agreement end whose time is over, with what hangs on it; return how many."""
    now = world.clock()

    async def due(reader: Reader) -> list[str]:
        over = [c for c in await reader.agreements() if state_at(c, now) != c.state]
        kept = {c.id: await reader.object(c.id) for c in over}
        # What is kept as ended was seen to already.
        return [
            name
            for name, stored in kept.items()
            if stored is None or stored.document.get("agreementState") != "ended"
        ]

    names = await world.store.read(due)
    for name in names:

        async def work(tx: Transaction, name: str = name) -> None:
            chain = await tx.chain(name)
            if chain is not None:
                await follow_agreement(tx, chain, world=world, now=now)

        await world.store.write(work)
    return len(names)


def with_peer(found: Iterable[Chain], host: str, base: str) -> tuple[Chain, ...]:
    """Return those of the agreements that are with a co-op at `host`."""
    return tuple(c for c in found if (other := other_party(c, base)) is not None and origin(other) == host)


async def _live(world: World, host: str) -> list[Chain]:
    found = with_peer(await agreements(world), host, world.instance.base)
    return [c for c in found if c.state in (*IN_FORCE, "proposed")]


async def _answer(world: World, peer_origin: str, kind: str, by: str) -> Chain:
    host = checked(world, peer_origin)
    theirs = [c for c in await _live(world, host) if c.state == "proposed" and origin(c.owner) == host]
    if not theirs:
        raise _none(host)
    return await _say(world, theirs[-1], kind, str(theirs[-1].memory["offer"]), by)


async def _say(world: World, chain: Chain, kind: str, about: str, by: str) -> Chain:
    ours = world.instance.coop
    await world.store.write(lambda tx: tx.put_meta(who_key(chain.id), by or ours))
    await publish(Intent(ours, kind, {"object": about}), world=world)
    return await _chain(world, chain.id)


async def _chain(world: World, name: str) -> Chain:
    found = await world.store.read(lambda reader: reader.chain(name))
    if found is None:
        raise NotFound("not-found", "There is no such agreement here.", received=name)
    return _at(found, state_at(found, world.clock()))


def _at(chain: Chain, state: str) -> Chain:
    return replace(chain, state=state)


def _none(host: str) -> NotFound:
    return NotFound("not-found", "No agreement with this co-op waits for you.", received=host)
