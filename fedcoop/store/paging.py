"""Cursors: where in a collection a page ended. Opaque to whoever holds one, and never a number of rows to
skip.

A page begins behind the last row of the page before, by that row's own place in the order. What is added
meanwhile stands before the first page or where it belongs; nothing is shown twice, nothing that was there is
left out.
"""

from __future__ import annotations

import base64
import binascii
import json

from fedcoop.errors import Malformed

Place = tuple[int | float, ...]


def cursor_of(*place: int | float) -> str:
    """Return the cursor for a place in an order.

    >>> place_of(cursor_of(12.5, 7), float, int)
    (12.5, 7)
    """
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def place_of(cursor: str, *kinds: type[int] | type[float]) -> Place:
    """Return the place that `cursor` names, one number per kind. Raises Malformed for anything but our own
    cursors."""
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        place = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError, binascii.Error) as error:
        raise _not_ours(cursor) from error
    if not isinstance(place, list) or [type(part) for part in place] != list(kinds):
        raise _not_ours(cursor)
    # A number that no column can hold would be an error of the database.
    if not all(-(2**63) <= part < 2**63 for part in place):
        raise _not_ours(cursor)
    return tuple(place)


def _not_ours(cursor: str) -> Malformed:
    return Malformed(
        "malformed-request",
        "the cursor is none that this collection gave out",
        expected="the `next` of a page, unchanged",
        received=cursor[:80],
    )
