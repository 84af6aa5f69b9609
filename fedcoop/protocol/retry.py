"""When a delivery is tried again, and what a peer's answer means for it (decision D6).

>>> from datetime import UTC
>>> monday = datetime(2026, 1, 12, 9, 0, tzinfo=UTC)
>>> even = {"retry_after": None, "first_retry": timedelta(seconds=6), "jitter": 0.5}
>>> next_attempt(1, monday, monday, **even).isoformat()
'2026-01-12T09:00:06+00:00'
>>> next_attempt(14, monday, monday + timedelta(days=7), **even) is None
True
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from fedcoop.protocol.limits import (
    DELIVERY_HORIZON,
    DELIVERY_JITTER,
    DELIVERY_MAX_TRIES,
    DELIVERY_STEPS,
    ERASURE_HORIZON,
    RETRY_AFTER_FLOOR,
    RETRY_AFTER_MAX,
)

Verdict: TypeAlias = Literal["delivered", "retry", "refused", "park"]

_PARKING: Final = frozenset({"not-in-allow-list"})
"""Problems that an operator will mend: the lane waits for the peer's state to change, or for the horizon."""
_PASSING: Final = frozenset({401, 408, 425, 429})
"""Client errors that another try may not meet: our key may be cached, the peer may be busy."""
_AWAY: Final = frozenset({408, 425, 429, 502, 504})
"""Answers that say nothing about the message: there is too much, or nobody behind the proxy."""
_NEVER: Final = frozenset({501})
"""Server errors that another try will meet again."""
_ERASING: Final = frozenset({"Delete", "Undo"})


def next_attempt(
    attempts: int,
    first_tried: datetime,
    now: datetime,
    *,
    retry_after: int | None,
    first_retry: timedelta,
    jitter: float,
    erasure: bool = False,
    streak: int = 0,
) -> datetime | None:
    """Return when to try again after `attempts` tries (at least one), or None to give up.

    Waits are `limits.DELIVERY_STEPS`, stretched by `jitter` (0 to 1, 0.5 for none). A development setting
    makes the first wait, `first_retry`, shorter and the others in proportion. What the peer asked for by
    `Retry-After` (seconds) is obeyed instead, and such tries are not counted against it; the horizon holds
    all the same. `erasure` is for Delete and Undo, which are tried for longer and without a limit of tries.
    `streak` counts the failures of the destination in a row: what comes after a delivery that was given up does
    not begin again with short waits.
    """
    horizon = first_tried + (ERASURE_HORIZON if erasure else DELIVERY_HORIZON)
    if retry_after is not None:
        wait = _asked_for(retry_after, attempts, first_retry)
    elif attempts >= DELIVERY_MAX_TRIES and not erasure:
        return None
    else:
        wait = _step(max(attempts, streak), first_retry) * (1 + DELIVERY_JITTER * (2 * jitter - 1))
    at = now + wait
    return at if at <= horizon else None


def verdict(status: int, problem: str | None) -> Verdict:
    """Return what a peer's answer means: `problem` is the last path segment of its problem type, if it sent
    one.

    `park` waits for an operator; `refused` is for good and goes to the dead letters with the reason.
    """
    if 200 <= status < 300:
        return "delivered"
    if status == 403 and problem in _PARKING:
        return "park"
    if status in _NEVER or (400 <= status < 500 and status not in _PASSING):
        return "refused"
    return "retry"


def verdict_on_carried(status: int, problem: str | None) -> Verdict:
    """Return what an answer means for somebody else's words, which we have only brought.

    What the peer decides about their author, or cannot find of the author's, is none of our business with the peer: it
    never keeps back what we have to say ourselves. Only a peer that is too busy for anything, or out of its proxy's
    reach, is asked again.
    """
    if 200 <= status < 300:
        return "delivered"
    away = status in _AWAY or (status == 503 and problem in (None, "unavailable"))
    return "retry" if away else "refused"


def is_silence(status: int | None, retry_after: int | None) -> bool:
    """Tell whether a failed delivery says that the server is down: no answer (None), or 408 or 5xx without asking for
    patience. Whoever says when to come back, or what is wrong, is there."""
    return status is None or (retry_after is None and (status == 408 or status >= 500))


def is_erasure(activity_type: str) -> bool:
    """Tell whether activities of this type take something back, and are therefore owed for longer."""
    return activity_type in _ERASING


def _step(attempts: int, first_retry: timedelta) -> timedelta:
    step = DELIVERY_STEPS[min(attempts, len(DELIVERY_STEPS)) - 1]
    if first_retry >= DELIVERY_STEPS[0]:
        return max(step, first_retry)
    # Shorter in proportion; longer never, or a first wait of a minute would make days into weeks.
    return first_retry * (step / DELIVERY_STEPS[0])


def _asked_for(retry_after: int, attempts: int, first_retry: timedelta) -> timedelta:
    asked = min(timedelta(seconds=max(retry_after, 0)), RETRY_AFTER_MAX)
    # A peer that says "in a second" for days on end is asked once an hour.
    floor = min(first_retry, DELIVERY_STEPS[0]) if attempts <= DELIVERY_MAX_TRIES else RETRY_AFTER_FLOOR
    return max(asked, floor)
