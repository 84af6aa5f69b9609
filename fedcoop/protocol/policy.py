"""What the operator's decision about another co-op lets pass: the table of peer states (decision D7).

`TABLE` is the whole rule. Admission, delivery, the board and the page of documentation read it; nothing else decides.

>>> passes("frozen", "goes-on"), passes("frozen", "begins"), passes("blocked", "ends")
(True, False, False)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from fedcoop.protocol.ids import origin
from fedcoop.protocol.messages import Activity, Chain

PeerState: TypeAlias = Literal["pending", "allowed", "limited", "frozen", "blocked"]

Deed: TypeAlias = Literal["begins", "goes-on", "ends", "agrees"]
"""What a message does: begin something with somebody, go on with an agreed engagement, end something; or propose,
answer and end the agreement by which two co-ops federate at all."""

Shown: TypeAlias = Literal["as-addressed", "members", "nobody"]


@dataclass(frozen=True, slots=True)
class Rights:
    """What one state lets pass, in and out alike, and who sees the peer's proposals on our board."""

    deeds: frozenset[Deed]
    board: bool
    """Its followers are sent our proposals of scope public and federation."""
    network: bool
    """And those of scope network, when it is marked as of our network."""
    shown: Shown
    """Who sees its open proposals on our board."""


EVERYTHING: Final[frozenset[Deed]] = frozenset({"begins", "goes-on", "ends", "agrees"})

TABLE: Final[Mapping[PeerState, Rights]] = {
    "pending": Rights(frozenset({"agrees"}), board=False, network=False, shown="nobody"),
    "allowed": Rights(EVERYTHING, board=True, network=True, shown="as-addressed"),
    "limited": Rights(EVERYTHING, board=True, network=False, shown="members"),
    "frozen": Rights(frozenset({"goes-on", "ends", "agrees"}), board=False, network=False, shown="nobody"),
    "blocked": Rights(frozenset(), board=False, network=False, shown="nobody"),
}

STEPS_DOWN: Final[tuple[PeerState, ...]] = ("allowed", "limited", "frozen", "blocked", "pending")
"""From the most to the least: whoever goes to the right loses something. `pending` is last: nothing is decided."""

RUNNING: Final = frozenset({"accepted", "active", "delivered", "completed", "disputed"})
"""States of an engagement that was agreed and is not over: a frozen peer's go on to their end."""

OVER: Final = frozenset({"settled", "rejected", "withdrawn", "terminated", "expired", "cancelled"})
"""States in which nothing is under way any more."""

AGREEMENT: Final = "FederationAgreement"
"""The kind of chain by which two co-ops federate."""

AFTER_AN_AGREEMENT: Final[PeerState] = "frozen"
"""What a peer is that an agreement had let in, once the agreement has ended: nothing new begins, and what is under way
goes on to its end."""

_ENDING: Final = frozenset({"Delete", "Undo", "Reject"})
_ENDED_MISSION: Final = frozenset({"withdrawn", "expired", "cancelled"})


def passes(state: PeerState | None, deed: Deed) -> bool:
    """Tell whether a message that does `deed` passes, to or from a peer in `state`; None is nobody we know."""
    return deed in TABLE[state or "pending"].deeds


def admitted(state: PeerState | None) -> bool:
    """Tell whether more than an agreement may come from a peer in `state`: whether anybody decided to work with it.

    >>> admitted("frozen"), admitted("pending"), admitted("blocked"), admitted(None)
    (True, False, False, False)
    """
    return bool(TABLE[state or "pending"].deeds - {"agrees"})


def loses(before: PeerState | None, after: PeerState) -> bool:
    """Tell whether going from `before` to `after` takes something from the peer.

    >>> loses("allowed", "frozen"), loses("blocked", "limited"), loses("blocked", "pending"), loses(None, "blocked")
    (True, False, False, False)
    """
    if not admitted(before) or before is None:
        return False
    return STEPS_DOWN.index(after) > STEPS_DOWN.index(before)


def deed_of(activity: Activity, *, chain: Chain | None, engagements: Iterable[Chain], host: str) -> Deed:
    """Return what `activity` does, between us and the peer `host`.

    `chain` is the chain that it moves, None for none; `engagements` are those upon that chain when it is a proposal.
    """
    if _is_of_an_agreement(activity, chain):
        return "agrees"
    if activity.type in _ENDING:
        return "ends"
    # Who somebody is, and by which key they sign, belongs to what is under way.
    if activity.type == "Update" and activity.object_id == activity.actor:
        return "goes-on"
    if chain is None:
        return "begins"
    if chain.kind != "Engagement" and (activity.object or {}).get("missionState") in _ENDED_MISSION:
        return "ends"
    concerned = (chain,) if chain.kind == "Engagement" else engagements
    return "goes-on" if any(runs_with(engagement, host) for engagement in concerned) else "begins"


def _is_of_an_agreement(activity: Activity, chain: Chain | None) -> bool:
    if chain is not None:
        return chain.kind == AGREEMENT
    return activity.type == "Offer" and activity.object_class == AGREEMENT


def runs_with(engagement: Chain, host: str) -> bool:
    """Tell whether an engagement was agreed, is not over, and has a party at `host`."""
    return engagement.state in RUNNING and host in map(origin, engagement.parties.values())
