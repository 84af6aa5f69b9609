"""`badge.svg` and `badge.json`: which profiles, in which version. Never a percentage: half is not conformant."""

from __future__ import annotations

import json
from html import escape
from typing import Final

from fedcoop_conformance.report.model import Report

LABEL: Final = "fedcoop"
WORDS: Final = {"conformant": "conformant", "not-conformant": "not conformant", "incomplete": "incomplete"}
# White text on each has a contrast of at least 4.5 to 1; the words say the same without the colour.
COLOURS: Final = {"conformant": "#1b6637", "not-conformant": "#9f1f1a", "incomplete": "#55605c"}
_CHARACTER: Final = 7
"""Pixels; `textLength` makes the text as wide as that in any font."""
_MARGIN: Final = 6


def worst(report: Report) -> str:
    """Return the verdict that the badge has the colour of: the worst of all profiles."""
    found = {claim.verdict for claim in report.footer.claims} or {"incomplete"}
    return next((one for one in ("not-conformant", "incomplete") if one in found), "conformant")


def message(report: Report) -> str:
    """Return what the badge says: the profiles by verdict."""
    by: dict[str, list[str]] = {}
    for claim in report.footer.claims:
        by.setdefault(claim.verdict, []).append(claim.profile.replace("@", " "))
    return (
        "; ".join(f"{', '.join(by[verdict])} {word}" for verdict, word in WORDS.items() if verdict in by)
        or "nothing"
    )


def as_json(report: Report) -> str:
    """Return the badge as shields.io reads it (endpoint schema 1), with the claims beside it."""
    said = {
        "schemaVersion": 1,
        "label": LABEL,
        "message": message(report),
        "color": COLOURS[worst(report)],
        "profiles": {claim.profile: claim.verdict for claim in report.footer.claims},
    }
    return json.dumps(said, ensure_ascii=False, indent=1) + "\n"


def as_svg(report: Report, *, statement: str | None = None) -> str:
    """Return the badge as a picture; it links to the statement where there is one."""
    text, colour = message(report), COLOURS[worst(report)]
    left, right = (len(one) * _CHARACTER + 2 * _MARGIN for one in (LABEL, text))
    name = escape(f"{LABEL}: {text}")
    drawn = (
        f'<rect width="{left}" height="20" fill="#1c2422"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{colour}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f"{_text(LABEL, _MARGIN)}{_text(text, left + _MARGIN)}</g>"
    )
    if statement is not None:
        drawn = f'<a href="{escape(statement)}">{drawn}</a>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{name}">'
        f"<title>{name}</title>{drawn}</svg>\n"
    )


def _text(text: str, x: int) -> str:
    return f'<text x="{x}" y="14" textLength="{len(text) * _CHARACTER}">{escape(text)}</text>'
