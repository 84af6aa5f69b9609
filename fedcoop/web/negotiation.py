"""Which representation and which language a request asks for (RFC 9110 §12.5). Pure, but for `language`.

>>> choose("text/html,application/xml;q=0.9,*/*;q=0.8", (ACTIVITY_JSON, HTML)) == HTML
True
>>> choose("application/ld+json", (ACTIVITY_JSON, LD_JSON, HTML)) == LD_JSON
True
>>> choose("image/png", (ACTIVITY_JSON, HTML)) is None
True
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from aiohttp import web

from fedcoop.web.services import SERVICES

LANGUAGES: Final = ("fr", "en")
LANGUAGE_COOKIE: Final = "fedcoop_language"


@dataclass(frozen=True, slots=True)
class Media:
    """A media type that we can answer with; `shown` is what the Content-Type header says."""

    type: str
    subtype: str
    shown: str
    profile: str | None = None
    """A URI that a range's `profile` parameter must contain when it has one."""
    same_as: tuple[str, ...] = field(default=())
    """Other full names by which it may be asked for."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every full name, its own first."""
        return (f"{self.type}/{self.subtype}", *self.same_as)


AS2_PROFILE: Final = "https://www.w3.org/ns/activitystreams"

# AP-2, AP-3, AP-4: both forms of ActivityStreams may be asked for, ld+json with its profile or bare, and the
# answer says exactly which it is. Plain JSON is taken for a way of asking for the same.
ACTIVITY_JSON: Final = Media(
    "application", "activity+json", "application/activity+json", same_as=("application/json",)
)
LD_JSON: Final = Media(
    "application", "ld+json", f'application/ld+json; profile="{AS2_PROFILE}"', profile=AS2_PROFILE
)
HTML: Final = Media("text", "html", "text/html; charset=utf-8", same_as=("application/xhtml+xml",))
PLAIN_LD_JSON: Final = Media("application", "ld+json", "application/ld+json")
SCHEMA_JSON: Final = Media(
    "application", "schema+json", "application/schema+json", same_as=("application/json",)
)
JSON: Final = Media("application", "json", "application/json", same_as=("application/problem+json",))


@dataclass(frozen=True, slots=True)
class _Range:
    name: str
    profile: str | None
    quality: float

    def specificity(self, media: Media) -> int:
        """Say how closely the range names `media`.

        0 not at all, 1 `*/*`, 2 `type/*`, 3 `type/subtype`, 4 with its profile.
        """
        if self.name == "*/*":
            return 1
        if self.name == f"{media.type}/*":
            return 2
        if self.name not in media.names:
            return 0
        if self.profile is None:
            return 3
        if media.profile is None:
            # A parameter that we do not know of narrows nothing: many send `charset`, or a profile with
            # activity+json.
            return 3
        return 4 if media.profile in self.profile.split() else 0


# A quoted string may hold commas and semicolons. Escapes in it are not read: a header of backslashes and
# quotes would cost quadratic time.
_ELEMENT: Final = re.compile(r'(?:[^,"]|"[^"]*")+')
_PART: Final = re.compile(r'(?:[^;"]|"[^"]*")+')
_NAME: Final = re.compile(r"[!#$&^_.+0-9a-z-]+/[!#$&^_.+0-9a-z-]+|\*/\*|[!#$&^_.+0-9a-z-]+/\*")
_QUALITY: Final = re.compile(r"0(?:\.[0-9]*)?|1(?:\.0*)?")
_TAG: Final = re.compile(r"\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*")


def choose(accept: str | None, offers: Sequence[Media]) -> Media | None:
    """Return the offer that `accept` prefers, or None when it takes none of them.

    Without a header, or with an empty one, the first offer. Equal qualities are decided by who is named more
    closely, then by the order of `offers`. An element that cannot be read is as if it were not there.
    """
    ranges = _ranges(accept) if accept and accept.strip() else (_Range("*/*", None, 1.0),)
    best: Media | None = None
    best_rank = (0.0, 0)
    for media in offers:
        rank = _rank(media, ranges)
        if rank[0] > 0 and rank > best_rank:
            best, best_rank = media, rank
    return best


def _rank(media: Media, ranges: Sequence[_Range]) -> tuple[float, int]:
    """Return (quality, specificity) of the closest range that matches; it decides even when it says no."""
    closest, quality = 0, 0.0
    for wanted in ranges:
        specificity = wanted.specificity(media)
        if specificity > closest or (specificity == closest and wanted.quality > quality and specificity):
            closest, quality = specificity, wanted.quality
    return quality, closest


@lru_cache(maxsize=256)
def _ranges(accept: str) -> tuple[_Range, ...]:
    return tuple(_read_ranges(accept))


def _read_ranges(accept: str) -> Iterator[_Range]:
    for element in _ELEMENT.findall(accept):
        name, *parameters = [part.strip() for part in _PART.findall(element)] or [""]
        values = {
            key.strip().lower(): value.strip().strip('"')
            for key, _, value in (parameter.partition("=") for parameter in parameters)
        }
        quality = values.get("q", "1")
        if _NAME.fullmatch(name.lower()) and _QUALITY.fullmatch(quality):
            yield _Range(name.lower(), values.get("profile"), float(quality))


def choose_language(accept_language: str | None, *, default: str) -> str:
    """Return `fr` or `en`, as the header prefers, or `default` when it names neither (RFC 4647 §3.4)."""
    qualities: dict[str, float] = {}
    for element in (accept_language or "").lower().split(",")[:32]:
        tag, _, parameter = element.replace(" ", "").partition(";")
        quality = parameter.removeprefix("q=") or "1"
        if _TAG.fullmatch(tag) and _QUALITY.fullmatch(quality):
            name = default if tag == "*" else tag.partition("-")[0]
            qualities[name] = max(float(quality), qualities.get(name, 0.0))
    known = [language for language in LANGUAGES if qualities.get(language, 0.0) > 0]
    if not known:
        return default
    return max(known, key=lambda language: (qualities[language], language == default))


def language(request: web.Request) -> str:
    """Return the language to answer in: `?lang=`, else the person's choice, the browser's, or ours."""
    for chosen in (request.query.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if chosen in LANGUAGES:
            return chosen
    ours = request.app[SERVICES].world.instance.default_language
    return choose_language(
        request.headers.get("Accept-Language"), default=ours if ours in LANGUAGES else LANGUAGES[0]
    )


def accept_of(request: web.Request) -> str | None:
    """Return the Accept header, repeated lines joined as RFC 9110 §5.3 allows; None when there is none."""
    lines = request.headers.getall("Accept", [])
    return ", ".join(lines) if lines else None


def prefers_html(request: web.Request) -> bool:
    """Tell whether a person is reading: a GET whose Accept prefers HTML, on an instance that has pages."""
    if request.method not in ("GET", "HEAD") or request.app[SERVICES].pages is None:
        return False
    return choose(accept_of(request), (ACTIVITY_JSON, LD_JSON, JSON, HTML)) is HTML
