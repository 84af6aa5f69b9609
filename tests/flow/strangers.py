"""Co-ops that did not know each other: what they say of an agreement, and how they stand with each other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fedcoop.flow.federating import accept, expire, propose
from fedcoop.flow.peering import dossier
from fedcoop.ports import Decision, Peer
from tests.flow.federation import Coop, Federation, settle


async def proposed(strangers: Federation, **terms: Any) -> str:
    """Let Lyon propose an agreement to Nantes, and return its id."""
    chain = await propose(strangers.lyon.world, strangers.nantes.base, terms=terms, by="Jeanne")
    await settle(strangers.office)
    return chain.id


async def agreed(strangers: Federation, **terms: Any) -> str:
    """Let Nantes accept what Lyon proposes, and return the agreement's id."""
    name = await proposed(strangers, **terms)
    await accept(strangers.nantes.world, strangers.lyon.base, by="Paul")
    await settle(strangers.office)
    return name


async def peer_of(coop: Coop, other: Coop) -> Peer | None:
    return (await dossier(coop.world, other.base)).peer


async def state_of(coop: Coop, other: Coop) -> str:
    peer = await peer_of(coop, other)
    return peer.state if peer is not None else "undecided"


async def decisions_of(coop: Coop, other: Coop) -> tuple[Decision, ...]:
    return (await dossier(coop.world, other.base)).decisions


async def pass_time(strangers: Federation, period: timedelta) -> None:
    """Let time pass at everybody, and let each look at the clock."""
    strangers.lyon.clock.now += period
    for coop in (strangers.lyon, strangers.nantes, strangers.alpes):
        await expire(coop.world)
    await settle(strangers.office)
