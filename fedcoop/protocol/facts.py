"""What a decision may know: read at once, before the decision, by the flow (house rule: facts, then authorise)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fedcoop.protocol.limits import SIGNATURE_MAX_AHEAD
from fedcoop.protocol.messages import Activity, Chain, Document


@dataclass(frozen=True, slots=True)
class Step:
    """An activity read against the chain that it moves; `chain` is as of the predecessor."""

    activity: Activity
    chain: Chain
    object_class: str
    begins: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything outside the activity itself that a guard may ask for."""

    owner_here: bool = False
    """True where the chain's owner is hosted: its owner guards are checked here and nowhere else."""
    proposal: Chain | None = None
    """Engagement: the chain of the proposal it answers, if we have it."""
    proposal_current: bool = True
    """False where neither the proposal's owner nor the sender is hosted: our copy of the proposal may be older or
    newer than what was answered, and what they make of it is theirs to judge."""
    engagements: tuple[Chain, ...] = ()
    """The engagements of the proposal (of the mission itself for a Mission), as they stand; owner's server only."""
    agreements: tuple[Chain, ...] = ()
    """Offer of a FederationAgreement: those with the same server that are not over, each in its state now."""
    keys: Mapping[str, Document] = field(default_factory=dict)
    """Actor id to actor document, for the proofs of credentials inside the activity."""
    rules_known: bool = True
    """Mission: its pricing rule and matching rule resolve."""
    hourly_floor: str | None = None
    """The instance's own floor, in euro an hour, as a decimal string."""
    now: datetime | None = None
    """None when a history is replayed: then only the times inside the activities count."""
    ahead: timedelta = SIGNATURE_MAX_AHEAD
    """How far two clocks may differ."""
