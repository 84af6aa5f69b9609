"""When a request was signed: one window for both dialects (decision D5, SIG-5).

A replay inside the window is the same activity again, which has no second effect, since ids are never forgotten; the
window is what ends the replay of everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from fedcoop.errors import Unverified

Window: TypeAlias = tuple[timedelta, timedelta]
"""How old, and how far ahead, a signed time may be."""


def check_fresh(times: Sequence[datetime], expires: int | None, *, now: datetime, window: Window) -> None:
    """Return when each of the signed `times` is within `window` around `now`, and `expires` has not passed.

    Raises:
        Unverified: a time is outside the window (`clock-skew`; `received` has the difference in seconds), or the
            signature has run out (`signature-expired`).
    """
    # (1) A captured request must not be usable for ever, nor one made in advance.
    age, ahead = window
    for signed_at in times:
        behind = now - signed_at
        if not -ahead <= behind <= age:
            raise Unverified(
                "clock-skew",
                "The request was signed outside the time that we accept.",
                expected=f"between {age.total_seconds():.0f} s ago and {ahead.total_seconds():.0f} s ahead",
                received=f"{behind.total_seconds():+.0f} s ago",
                extra={"difference": round(behind.total_seconds())},
            )
    # (2) The signer's own limit holds too, signed or not: it can only make the time shorter.
    if expires is not None and moment(expires) < now:
        raise Unverified(
            "signature-expired",
            "The signature has run out.",
            expected=f"expires after {int(now.timestamp())}",
            received=str(expires),
        )


def moment(seconds: int) -> datetime:
    """Return the moment `seconds` after 1970. Raises Unverified `signature-malformed` beyond the calendar."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise Unverified(
            "signature-malformed", "A time is beyond the calendar.", received=str(seconds)
        ) from None
