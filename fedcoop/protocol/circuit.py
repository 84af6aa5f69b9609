"""A server that gives no answer is left alone for a while, then asked once (security design §3.2, "Dead host").

>>> from datetime import UTC
>>> noon = datetime(2026, 1, 12, 12, 0, tzinfo=UTC)
>>> circuit = None
>>> for minute in range(5):
...     circuit = after_failure(circuit, noon + timedelta(minutes=minute), first_retry=timedelta(seconds=6))
>>> circuit.state(noon + timedelta(minutes=5)), circuit.open_until.isoformat()
('open', '2026-01-12T12:09:00+00:00')
>>> circuit.state(noon + timedelta(minutes=9))
'half-open'
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal, TypeAlias

from fedcoop.errors import Refused
from fedcoop.protocol.ids import origin
from fedcoop.protocol.limits import (
    CIRCUIT_FAILURES,
    CIRCUIT_OPEN_FIRST,
    CIRCUIT_OPEN_MAX,
    CIRCUIT_UNAVAILABLE_AFTER,
    CIRCUIT_UNAVAILABLE_OPEN,
    DELIVERY_STEPS,
)


@lru_cache(maxsize=4096)
def server_of(inbox: str) -> str:
    """Return the origin of an inbox, or nothing for what is no address: a peer's word, and not to be relied on."""
    try:
        return origin(inbox)
    except Refused:
        return ""


CircuitState: TypeAlias = Literal["closed", "open", "half-open", "unavailable"]


@dataclass(frozen=True, slots=True)
class Circuit:
    """A server that did not answer lately."""

    failures: int
    """In a row, over all its inboxes."""
    since: datetime
    """When the first of them was."""
    opened: int
    """How often it was left alone since it last answered."""
    open_until: datetime | None
    """Until then nothing is sent to it; afterwards one delivery, and the others when that one is answered."""
    failed_at: datetime

    def state(self, now: datetime) -> CircuitState:
        """Return `closed` (everything is sent), `open` (nothing), `half-open` (one delivery) or `unavailable`: open,
        and for so many days that it is asked once a day only."""
        if self.open_until is None:
            return "closed"
        if self.failed_at - self.since >= CIRCUIT_UNAVAILABLE_AFTER:
            return "unavailable"
        return "open" if now < self.open_until else "half-open"


def after_failure(circuit: Circuit | None, now: datetime, *, first_retry: timedelta) -> Circuit:
    """Return the circuit after one more delivery that got no answer at `now`.

    `first_retry`, the development setting, shortens the time for which a server is left alone in the same proportion as
    it shortens the waits between tries.
    """
    if circuit is None:
        return Circuit(1, now, 0, None, now)
    if circuit.open_until is not None and now < circuit.open_until:
        # It was on its way when the circuit opened: it says nothing new.
        return circuit
    failed = replace(circuit, failures=circuit.failures + 1, failed_at=now)
    if failed.failures < CIRCUIT_FAILURES:
        return failed
    pause = min(CIRCUIT_OPEN_FIRST * 2 ** min(circuit.opened, 16), CIRCUIT_OPEN_MAX)
    if now - circuit.since >= CIRCUIT_UNAVAILABLE_AFTER:
        pause = CIRCUIT_UNAVAILABLE_OPEN
    shorter = min(first_retry / DELIVERY_STEPS[0], 1.0)
    return replace(failed, opened=circuit.opened + 1, open_until=now + pause * shorter)
