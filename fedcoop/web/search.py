"""From the parameters of a URL to a search of the board: one reading of them for the API and for the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from multidict import MultiMapping

from fedcoop.errors import Invalid, Malformed
from fedcoop.flow.world import Instance
from fedcoop.ports import BoardQuery
from fedcoop.protocol import limits

CLASSES: Final[Mapping[str, str]] = {"mission": "Mission", "offer": "ServiceOffer", "need": "Need"}
"""Value of `class` to class; the class's own name is taken too."""

MAX_TEXT: Final = 200
"""Characters of a text search."""

MAX_RADIUS_KM: Final = 1000
"""Beyond it a search by distance finds the whole country anyway."""

MAX_PAGE: Final = 100
"""Rows that may be asked for at once."""

_ROME: Final = re.compile(r"[A-N](?:[0-9]{2}(?:[0-9]{2})?)?")
_COMMUNE: Final = re.compile(r"[0-9]{5}|2[AB][0-9]{3}")
_NUMBER: Final = re.compile(r"[0-9]{1,4}(?:[.,][0-9]{1,3})?")


def board_query(
    parameters: MultiMapping[str], *, instance: Instance, readers: tuple[str, ...] | None
) -> BoardQuery:
    """Return the search that `parameters` ask for; what is absent or empty narrows nothing.

    q (words), rome (a code or its beginning), commune (INSEE code), radius (km around the commune), class
    (mission, offer, need; repeated or with commas), owner (actor id), open (`false`: closed ones too), limit,
    cursor.

    Raises:
        Malformed: a parameter cannot be read (`malformed-request`).
        Invalid: a commune that nobody knows, or without coordinates where a radius is asked (`unknown-code`).
    """
    given = {name: value.strip() for name, value in parameters.items() if value.strip()}
    rome, commune = given.get("rome", "").upper() or None, given.get("commune", "").upper() or None
    if rome is not None and not _ROME.fullmatch(rome):
        raise _unreadable("rome", rome, "a ROME code or its beginning, such as N41")
    if commune is not None and not _COMMUNE.fullmatch(commune):
        raise _unreadable("commune", commune, "an INSEE code, such as 69123")
    radius = _radius(given.get("radius"))
    return BoardQuery(
        text=_text(given.get("q", "")),
        rome=rome,
        commune=commune,
        centre=_centre(commune, instance) if radius is not None else None,
        radius_km=radius,
        classes=_classes(parameters.getall("class", [])),
        owner=given.get("owner"),
        open_only=given.get("open", "true").lower() not in ("false", "0", "no"),
        readers=readers,
        limit=_limit(given.get("limit")),
        cursor=given.get("cursor"),
    )


def _text(words: str) -> str:
    if len(words) > MAX_TEXT:
        raise _unreadable("q", words[:80] + "…", f"at most {MAX_TEXT} characters")
    return words


def _radius(value: str | None) -> float | None:
    if value is None:
        return None
    if not _NUMBER.fullmatch(value) or not 0 < float(value.replace(",", ".")) <= MAX_RADIUS_KM:
        raise _unreadable("radius", value, f"kilometres, more than 0 and at most {MAX_RADIUS_KM}")
    return float(value.replace(",", "."))


def _centre(commune: str | None, instance: Instance) -> tuple[float, float]:
    if commune is None:
        raise _unreadable("radius", "no commune", "a commune for the radius to be around")
    name, latitude, longitude = instance.communes.get(commune, ("", None, None))
    if latitude is None or longitude is None:
        why = "is where, we do not know" if name else "does not exist"
        raise Invalid("unknown-code", f"The commune {commune} {why}.", received=commune)
    return latitude, longitude


def _classes(values: list[str]) -> tuple[str, ...]:
    asked = [word.strip() for value in values for word in value.split(",") if word.strip()]
    found = {CLASSES.get(word.lower(), word) for word in asked}
    unknown = sorted(found - set(CLASSES.values()))
    if unknown:
        raise _unreadable("class", unknown[0], " or ".join(CLASSES))
    return tuple(name for name in CLASSES.values() if name in found or not found)


def _limit(value: str | None) -> int:
    if value is None:
        return limits.PAGE_ITEMS
    if not (value.isascii() and value.isdigit() and len(value) <= 3 and 1 <= int(value) <= MAX_PAGE):
        raise _unreadable("limit", value, f"1 to {MAX_PAGE}")
    return int(value)


def _unreadable(name: str, received: str, expected: str) -> Malformed:
    return Malformed(
        "malformed-request",
        f"The parameter {name} cannot be read.",
        expected=expected,
        received=received[:80],
    )
