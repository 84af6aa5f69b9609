"""Instants as documents have them: xsd:dateTime with an offset; UTC when we write (vocabulary.md §3.10).

>>> read_time("2026-01-15T10:00:01+01:00").isoformat()
'2026-01-15T09:00:01+00:00'
>>> write_time(read_time("2026-01-15T09:00:01.25Z"))
'2026-01-15T09:00:01Z'
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from fedcoop.errors import Malformed

_DATE_TIME: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})", re.ASCII
)


def read_time(value: Any) -> datetime:
    """Return the instant that `value` names, in UTC.

    Raises:
        Malformed: it is no string, no xsd:dateTime, or a local time without an offset (`malformed-request`).
    """
    if isinstance(value, str) and _DATE_TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise Malformed(
        "malformed-request",
        "This is not a date and time with an offset.",
        expected="such as 2026-01-15T09:00:01Z",
        received=ascii(value)[:64],
    )


def said_time(value: Any) -> datetime | None:
    """Return the instant that `value` names, in UTC; None when it names none."""
    try:
        return read_time(value)
    except Malformed:
        return None


def write_time(moment: datetime) -> str:
    """Return `moment` (timezone-aware) in UTC, to the second, with Z."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
