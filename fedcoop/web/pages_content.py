"""Reading what strangers wrote, for showing it to people.

A document that reaches a page may come from any server: every member may be missing, of another type, enormous or
hostile. These functions return a value of the wanted type or nothing, never an exception, and text that can neither
run, load, nor disguise anything.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

import nh3
from markupsafe import Markup

from fedcoop.protocol.limits import MAX_CONTENT, MAX_NAME, MAX_URL
from fedcoop.protocol.listing import plain
from fedcoop.protocol.messages import Document

MAX_SHOWN: Final = 200
"""Elements of a list (skills, price lines) that are shown."""

TAGS: Final = frozenset(
    {
        "p",
        "br",
        "strong",
        "em",
        "b",
        "i",
        "ul",
        "ol",
        "li",
        "blockquote",
        "code",
        "pre",
        "a",
        "del",
        "sub",
        "sup",
    }
)
"""What a description may be made of. No images (they would tell a stranger who reads), no headings (they would break
the order of ours), no classes, ids, styles, forms or media."""
SCHEMES: Final = frozenset({"http", "https", "mailto"})

HEADING: Final = re.compile(r"(</?)h[1-6](?=[\s>/])", re.IGNORECASE)
DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
SPACES: Final = re.compile(r"[ \t\r\n]+")
LANGUAGE_TAG: Final = re.compile(r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}$")
# Control characters, and the marks that turn the direction of text around: a title must not rewrite its neighbours.
UNSEEN: Final = re.compile("[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


@dataclass(frozen=True, slots=True)
class Said:
    """A text, and its language when the document tells (None: unknown)."""

    text: str
    language: str | None

    def __bool__(self) -> bool:
        return bool(self.text)


def line(value: Any) -> str:
    """Return one line of plain text, or "" when `value` is no string."""
    if not isinstance(value, str):
        return ""
    text = SPACES.sub(" ", UNSEEN.sub(" ", value[: MAX_NAME * 4])).strip()
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 1].rstrip() + "…"


def document(value: Any) -> Document:
    """Return `value` when it is an object, the first object of a list, or an empty one."""
    return next(iter(documents(value)), {})


def documents(value: Any) -> tuple[Document, ...]:
    """Return the objects in `value`, whether it is one, a list of them, or neither."""
    items = value if isinstance(value, list | tuple) else (value,)
    return tuple(item for item in items[:MAX_SHOWN] if isinstance(item, Mapping))


def lines(value: Any) -> tuple[str, ...]:
    """Return the strings in `value`, whether it is one, a list of them, or neither."""
    items = value if isinstance(value, list | tuple) else (value,)
    return tuple(text for text in map(line, items[:MAX_SHOWN]) if text)


def number(value: Any) -> Decimal | None:
    """Return the decimal number that a string spells (money and quantities are strings), or None."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**15:
        return Decimal(value)
    return Decimal(value) if isinstance(value, str) and DECIMAL.fullmatch(value) else None


def instant(value: Any) -> datetime | None:
    """Return the moment that an ISO 8601 string with an offset names, or None."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def link(value: Any) -> str | None:
    """Return `value` when it is an absolute http, https or mailto address that is safe in `href`, or None."""
    if isinstance(value, Mapping):
        value = value.get("href") or value.get("id")
    if not isinstance(value, str) or len(value) > MAX_URL or UNSEEN.search(value) or " " in value:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    if parts.scheme == "mailto":
        return value if "@" in parts.path else None
    return value if parts.scheme in SCHEMES and parts.netloc else None


def host(iri: str) -> str:
    """Return the host (and port) of an address, as people compare addresses; "" when it has none."""
    try:
        return urlsplit(iri).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def identifier(value: Any) -> str | None:
    """Return the id that a reference is or holds."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def said(doc: Document, name: str, language: str) -> Said:
    """Return the line `name` of `doc` in `language` where `<name>Map` has it, else as the author wrote it."""
    text, tag = _choose(doc, name, language)
    return Said(line(text), tag)


def title(doc: Document, language: str) -> Said:
    """Return the title of a proposal: its name, else how its description begins (a plain Note has no name)."""
    name = said(doc, "name", language)
    if name:
        return name
    text, tag = _choose(doc, "content", language)
    beginning = line(plain(text[:MAX_NAME]))
    return Said(beginning if len(beginning) <= 80 else beginning[:79].rstrip() + "…", tag)


def content(doc: Document, language: str, *, name: str = "content") -> tuple[Markup, str | None]:
    """Return the description as HTML that is safe to show, and its language when known."""
    text, tag = _choose(doc, name, language)
    if doc.get("mediaType") in ("text/plain", "text/markdown"):
        text = "<p>" + html.escape(text) + "</p>"
    return clean(text), tag


def clean(text: str) -> Markup:
    """Return the HTML of a stranger reduced to `TAGS`; links lead away without telling where from."""
    # (1) A long text is cut before it is parsed: cleaning is work that strangers can order.
    if len(text) > MAX_CONTENT:
        text = text[:MAX_CONTENT] + "…"
    # Headings become paragraphs, so that our own headings stay the outline of the page.
    text = HEADING.sub(r"\1p", text)
    # (2) Only these tags, no attribute but an absolute `href`; (3) every link is marked as a stranger's.
    return Markup(  # noqa: S704 -- this is the one place where a stranger's HTML becomes ours
        nh3.clean(
            text,
            tags=set(TAGS),
            attributes={"a": {"href"}},
            attribute_filter=lambda _tag, name, value: value if name != "href" or link(value) else None,
            url_schemes=set(SCHEMES),
            link_rel="nofollow noopener noreferrer",
        )
    )


def _choose(doc: Document, name: str, language: str) -> tuple[str, str | None]:
    plain = doc.get(name)
    by_language = doc.get(f"{name}Map")
    told = {
        tag: text
        for tag, text in (by_language.items() if isinstance(by_language, Mapping) else ())
        if isinstance(tag, str) and LANGUAGE_TAG.match(tag) and isinstance(text, str)
    }
    for tag, text in told.items():
        if tag.lower().split("-")[0] == language:
            return text, tag
    if isinstance(plain, str) and plain:
        return plain, next((tag for tag, text in told.items() if text == plain), None)
    return next(((text, tag) for tag, text in told.items()), ("", None))
