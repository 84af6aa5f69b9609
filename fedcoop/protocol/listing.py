"""A proposal as the board shows and finds it: everything searchable, normalised once, when it arrives."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fedcoop.protocol.messages import Chain, Document, PutListing
from fedcoop.protocol.shape import class_of
from fedcoop.protocol.times import said_time

CURRENCIES: Final[Mapping[str, str]] = {"Q4916": "EUR", "Q4917": "USD", "Q25224": "GBP", "Q25344": "CHF"}
"""Wikidata item to ISO 4217 code; FEP-0837 names a currency as the resource that is transferred."""

_CURRENCY: Final = re.compile(r"https?://www\.wikidata\.org/(?:entity|wiki)/(Q[0-9]+)", re.ASCII)

MAX_TEXT = 20_000
"""Characters of a proposal that are searched; the longest real one of the sample has under 2,000."""


def listing_of(
    chain: Chain,
    *,
    local: bool,
    readers: tuple[str, ...],
    communes: Mapping[str, tuple[str, float | None, float | None]],
    now: datetime,
) -> PutListing:
    """Return the board row of a Mission, ServiceOffer or Need."""
    document = chain.document
    commune, latitude, longitude = _place(document, communes)
    return PutListing(
        object_id=chain.id,
        object_class=class_of(document),
        owner=chain.owner,
        local=local,
        state=chain.state,
        relay_scope=str(document.get("relayScope", "public")),
        title=title_of(document),
        text=_text(document, communes.get(commune or "", ("", None, None))[0])[:MAX_TEXT],
        rome=rome_of(document),
        commune=commune,
        latitude=latitude,
        longitude=longitude,
        published=said_time(document.get("published")) or now,
        start=said_time(document.get("startTime")),
        apply_before=said_time(document.get("applyBefore")),
        readers=readers,
    )


def plain_proposal(iri: str, owner: str, document: Document) -> Chain:
    """Return what stands for the chain of a proposal that a plain FEP-0837 peer published: it is open, and has none."""
    shown = {**document, "fedcoopType": [kind_of(document)]}
    return Chain(iri, "Listing", owner, "published", 1, "", shown, {"owner": owner})


def kind_of(document: Document) -> str:
    """Return as what a proposal that came without a chain is shown: somebody offers work, or asks for it."""
    return "ServiceOffer" if document.get("purpose") == "offer" else "Need"


def currency_of(part: Document) -> str:
    """Return the currency that an intent or a commitment is in (ISO 4217), "" when it names none that we know."""
    match = _CURRENCY.fullmatch(str(part.get("resourceConformsTo", "")))
    return CURRENCIES.get(match[1], "") if match else ""


def title_of(document: Document) -> str:
    """Return the title: `name`, else the first entry of `nameMap`, else the beginning of the content."""
    name = document.get("name")
    if isinstance(name, str) and name.strip():
        return name.strip()[:500]
    names = document.get("nameMap")
    if isinstance(names, Mapping):
        for value in names.values():
            if isinstance(value, str) and value.strip():
                return value.strip()[:500]
    return plain(document.get("content"))[:80] or "—"


def plain(value: Any) -> str:
    """Return HTML as plain text: tags become spaces, entities their characters. For searching, never for showing."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", str(value or "")))).strip()


def _text(document: Document, commune: str) -> str:
    parts: list[str] = [title_of(document), plain(document.get("content")), commune]
    for name in ("nameMap", "contentMap"):
        values = document.get(name)
        if isinstance(values, Mapping):
            parts += [plain(v) for v in values.values() if isinstance(v, str)]
    for skill in [document.get("occupation"), *_items(document.get("skills"))]:
        if isinstance(skill, Mapping):
            parts += [str(skill.get("name", "")), str(skill.get("code", ""))]
    location = document.get("location")
    if isinstance(location, Mapping):
        parts.append(str(location.get("name", "")))
    return " ".join(dict.fromkeys(p for p in parts if p))


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def rome_of(document: Document) -> str | None:
    """Return the ROME code of what somebody does there, None when none is given."""
    for skill in [document.get("occupation"), *_items(document.get("skills"))]:
        if (
            isinstance(skill, Mapping)
            and str(skill.get("codeSystem", "")).lower() == "rome"
            and skill.get("code")
        ):
            return str(skill["code"])[:8].upper()
    return None


def commune_of(document: Document) -> str | None:
    """Return the INSEE code of the commune where it is, None when none is given."""
    return _place(document, {})[0]


def _place(
    document: Document, communes: Mapping[str, tuple[str, float | None, float | None]]
) -> tuple[str | None, float | None, float | None]:
    """Return (INSEE code, latitude, longitude), the coordinates from the commune when the place has none."""
    places = [document.get("location"), *_items(document.get("eligibleTerritory"))]
    for place in places:
        if not isinstance(place, Mapping):
            continue
        code = place.get("inseeCommune")
        code = code if isinstance(code, str) else None
        latitude, longitude = _degrees(place.get("latitude"), 90), _degrees(place.get("longitude"), 180)
        if latitude is None or longitude is None:
            _, latitude, longitude = communes.get(code or "", ("", None, None))
        if code is not None or latitude is not None:
            return code, latitude, longitude
    return None, None, None


def _degrees(value: Any, limit: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -limit <= value <= limit:
        return None
    return float(value)
