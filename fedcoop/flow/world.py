"""What every story is told in: the instance we are, and the ports through which it waits on the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from fedcoop.flow.agenda import Agenda
from fedcoop.flow.looks import Looks
from fedcoop.ports import (
    Asker,
    Clock,
    Courier,
    Doorbell,
    Fetcher,
    KeyResolver,
    KeyRing,
    NewId,
    PasswordHasher,
    Store,
)
from fedcoop.protocol import limits
from fedcoop.protocol.following import Synchronisation
from fedcoop.protocol.relaying import Wish


@dataclass(frozen=True, slots=True)
class Relaying:
    """How an instance relays, which is a relay and no co-op."""

    open: bool
    """Whoever subscribes is accepted at once; else the operator decides."""
    carries: Wish
    """What is passed on at all."""
    departments: Mapping[str, str]
    """Code of each department to the INSEE code of its region."""


@dataclass(frozen=True, slots=True)
class Instance:
    """Who we are: fixed for the life of the process."""

    base: str
    """Our public origin, such as `https://coop-lyon.example` (no slash at the end)."""
    name: str
    default_language: str
    allow_origins: frozenset[str]
    """Origins that may be plain http or loopback (decision D10); empty in production."""
    window: tuple[timedelta, timedelta]
    """How old, and how far ahead, a signature may be."""
    first_retry: timedelta
    communes: Mapping[str, tuple[str, float | None, float | None]]
    """INSEE code to (name, latitude, longitude)."""
    rome_labels: Mapping[str, str]
    signed_reads: bool = False
    """Only our own and peers who sign read what is for machines; pages for people stay open."""
    strangers_propose: bool = True
    """Co-ops that nobody decided about may propose a federation agreement."""
    relaying: Relaying | None = None
    """None for a co-op."""

    @property
    def coop(self) -> str:
        """Id of the co-operative's actor."""
        return f"{self.base}/actors/coop"

    @property
    def application(self) -> str:
        """Id of the instance actor (FEP-2677)."""
        return f"{self.base}/actor"

    @property
    def members(self) -> str:
        """Id of the collection of our members; readers of whatever only our own people may see."""
        return f"{self.coop}/members"

    def hosts(self, iri: str) -> bool:
        """Tell whether `iri` lives on this instance."""
        return iri == self.base or iri.startswith(self.base + "/")


@dataclass(frozen=True, slots=True)
class World:
    """The ports of one running instance."""

    instance: Instance
    store: Store
    resolver: KeyResolver
    fetcher: Fetcher
    keyring: KeyRing
    courier: Courier
    clock: Clock
    new_id: NewId
    doorbell: Doorbell
    asker: Asker | None = None
    """None where nobody is asked."""
    agenda: Agenda[Synchronisation] = field(
        default_factory=lambda: Agenda(
            of_server=limits.MAX_SYNCHRONISATIONS_OF_PEER,
            waiting=limits.MAX_SYNCHRONISATIONS_WAITING,
            every=limits.SYNCHRONISED_EVERY,
        )
    )
    """Whose followers are to be compared."""
    errands: Agenda[str] = field(
        default_factory=lambda: Agenda(
            of_server=limits.MAX_ERRANDS_TO_SERVER,
            waiting=limits.MAX_ERRANDS_WAITING,
            every=limits.ERRAND_EVERY,
        )
    )
    """Chains that relays named or brought in part, to be read where they live."""
    looks: Looks = field(default_factory=Looks)
    """How often strangers' keys were fetched for their proposals."""
    passwords: PasswordHasher | None = None
    """None where nobody signs in with a password."""
