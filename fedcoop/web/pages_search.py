"""The board's search form: what people type, and the query or the question that comes of it.

People write "coursier" or "Nantes" where the board wants N4104 and 44109. What is clear is looked up; what is
ambiguous is answered with the choices; what is unknown is said beside the field. The parameters are those of
`/api/v1/board`, so that an address can be shared.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from multidict import MultiDict

from fedcoop.flow.world import Instance
from fedcoop.ports import BoardQuery
from fedcoop.web.pages_content import Said, line
from fedcoop.web.pages_text import Words
from fedcoop.web.search import CLASSES, MAX_RADIUS_KM, MAX_TEXT, board_query

NAMES: Final = ("q", "rome", "commune", "radius", "class", "open")
"""Parameters of a search, as they stand in the address."""
RADII: Final = (5, 10, 20, 50, 100, 200)
MAX_CHOICES: Final = 12
MAX_CURSOR: Final = 500
ROWS: Final = 20
"""Rows of one page of the board for people."""

ROME: Final = re.compile(r"^[A-N]([0-9]{2}|[0-9]{4})?$")
INSEE: Final = re.compile(r"^([0-9]{5}|2[AB][0-9]{3})$")
KILOMETRES: Final = re.compile(r"[0-9]{1,4}([.,][0-9]{1,3})?")
INSEE_IN_BRACKETS: Final = re.compile(r"\(([0-9]{5}|2[AB][0-9]{3})\)$")
ROME_IN_BRACKETS: Final = re.compile(r"\(([A-N](?:[0-9]{2}|[0-9]{4})?)\)$")
LIGATURES: Final = str.maketrans(
    {"œ": "oe", "æ": "ae", "’": " ", "'": " ", "-": " ", "/": " ", ",": " ", ".": " "}
)


@dataclass(frozen=True, slots=True)
class Choice:
    """One meaning of what was typed: the address that searches for it."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the form: what was typed, and what to say beside it."""

    value: str = ""
    error: str = ""
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """A level of the ROME hierarchy that was searched, or a wider one to search instead."""

    code: str
    name: Said
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class Search:
    """The form as filled in, and the query when it can be asked (None: there is an error or a question)."""

    text: Field
    rome: Field
    commune: Field
    radius: Field
    kind: str
    closed_too: bool
    query: BoardQuery | None
    levels: tuple[Level, ...] = ()
    place: str = ""
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> bool:
        """Whether anything was asked for at all."""
        return bool(self.given)

    @property
    def fields(self) -> tuple[tuple[str, Field], ...]:
        """The fields by their names in the address."""
        return (("q", self.text), ("rome", self.rome), ("commune", self.commune), ("radius", self.radius))

    def page(self, cursor: str | None) -> str:
        """Return the address of the same search from `cursor` on."""
        return address({**self.given, **({"cursor": cursor} if cursor else {})})


def address(parameters: Mapping[str, str]) -> str:
    """Return the address of a search."""
    kept = {name: value for name, value in parameters.items() if value}
    return "/missions" + (f"?{urlencode(kept)}" if kept else "") + "#results"


def folded(text: str) -> str:
    """Return `text` for comparing: no accents, no case, single spaces (`Saint-Étienne` is `saint etienne`)."""
    bare = unicodedata.normalize("NFKD", text.casefold().translate(LIGATURES))
    return " ".join("".join(c for c in bare if not unicodedata.combining(c)).split())


class Finder:
    """Reads the form against one instance's communes and occupations, whose names are folded once."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._communes: dict[str, list[str]] = {}
        for code, (name, _, _) in instance.communes.items():
            self._communes.setdefault(folded(name), []).append(code)
        self._occupations = {code: folded(label) for code, label in instance.rome_labels.items()}

    def read(self, parameters: Mapping[str, str], words: Words, readers: tuple[str, ...]) -> Search:
        """Return the form as filled in; a field that cannot be used carries its error or its choices."""
        typed = {name: line(parameters.get(name, "")) for name in NAMES}
        given = {name: value for name, value in typed.items() if value}
        text = _text(given, words)
        rome, rome_code = self._rome(given, words)
        commune, insee = self._commune(given, words)
        radius, kilometres = _radius(given, words)
        centre = self._centre(insee) if kilometres is not None else None
        if kilometres is not None and insee is None and not commune.error:
            commune = Field(commune.value, words.gettext("Name the commune around which to search."))
        elif kilometres is not None and insee is not None and centre is None:
            message = words.gettext("We do not know where this commune lies: search without a distance.")
            radius = Field(radius.value, message)
        troubled = any(entry.error for entry in (text, rome, commune, radius))
        return Search(
            text=text,
            rome=rome,
            commune=commune,
            radius=radius,
            kind=_kind(given),
            closed_too=given.get("open") == "false",
            query=None if troubled else self._query(parameters, given, rome_code, insee, readers),
            levels=self._levels(rome_code, given, words),
            place=self._instance.communes[insee][0] if insee else "",
            given=given,
        )

    def _query(
        self,
        parameters: Mapping[str, str],
        given: Mapping[str, str],
        rome: str | None,
        insee: str | None,
        readers: tuple[str, ...],
    ) -> BoardQuery:
        """Ask for exactly what the API would be asked for with the codes that were meant."""
        meant = {**given, "rome": rome or "", "commune": insee or "", "class": _kind(given)}
        cursor = parameters.get("cursor", "")[:MAX_CURSOR]
        asked = MultiDict({**meant, "limit": str(ROWS), "cursor": cursor})
        return board_query(asked, instance=self._instance, readers=readers)

    def _rome(self, given: Mapping[str, str], words: Words) -> tuple[Field, str | None]:
        typed = given.get("rome", "")
        if not typed:
            return Field(), None
        in_brackets = ROME_IN_BRACKETS.search(typed)
        code = in_brackets[1] if in_brackets else typed.upper()
        if ROME.match(code):
            label = self._instance.rome_labels.get(code)
            return Field(f"{label} ({code})" if label else code), code
        found = _named(folded(typed), self._occupations)
        if len(found) == 1:
            return Field(f"{self._instance.rome_labels[found[0]]} ({found[0]})"), found[0]
        if not found:
            message = words.gettext("No occupation of the ROME register has this name or code.")
            return Field(typed, message), None
        return _ask(given, "rome", found, self._instance.rome_labels, words), None

    def _commune(self, given: Mapping[str, str], words: Words) -> tuple[Field, str | None]:
        typed = given.get("commune", "")
        if not typed:
            return Field(), None
        communes = self._instance.communes
        in_brackets = INSEE_IN_BRACKETS.search(typed.upper())
        code = in_brackets[1] if in_brackets else typed.upper()
        if INSEE.match(code):
            if code in communes:
                return Field(f"{communes[code][0]} ({code})"), code
            return Field(typed, words.gettext("No commune has the INSEE code %(code)s.", code=code)), None
        wanted = folded(typed)
        found = self._communes.get(wanted, []) if wanted else []
        if not found and wanted:
            begins = [codes for name, codes in self._communes.items() if name.startswith(wanted)]
            found = [code for codes in begins for code in codes]
        if len(found) == 1:
            return Field(f"{communes[found[0]][0]} ({found[0]})"), found[0]
        if not found:
            message = words.gettext("No commune has this name. You can also type its INSEE code.")
            return Field(typed, message), None
        return _ask(given, "commune", found, {code: communes[code][0] for code in found}, words), None

    def _centre(self, insee: str | None) -> tuple[float, float] | None:
        _, latitude, longitude = self._instance.communes.get(insee or "", ("", None, None))
        return None if latitude is None or longitude is None else (latitude, longitude)

    def _levels(self, code: str | None, given: Mapping[str, str], words: Words) -> tuple[Level, ...]:
        if code is None:
            return ()
        labels = self._instance.rome_labels
        levels = []
        for length in sorted({1, min(3, len(code)), len(code)}):
            part = code[:length]
            own = labels.get(part)
            wide = domain(part, words) if length == 1 else words.gettext("Family %(code)s", code=part)
            name = Said(own, "fr") if own else Said(wide if length < 4 else part, words.language)
            levels.append(Level(part, name, address({**given, "rome": part}), length == len(code)))
        return tuple(levels)


def domain(letter: str, words: Words) -> str:
    """Return the name of one of the fourteen domains of the ROME register."""
    gettext = words.gettext
    names = {
        "A": gettext("Farming, fishing, green spaces, animal care"),
        "B": gettext("Arts and crafts"),
        "C": gettext("Banking, insurance, real estate"),
        "D": gettext("Trade and retail"),
        "E": gettext("Communication, media, multimedia"),
        "F": gettext("Construction and public works"),
        "G": gettext("Hospitality, catering, tourism, leisure"),
        "H": gettext("Manufacturing"),
        "I": gettext("Installation and maintenance"),
        "J": gettext("Health"),
        "K": gettext("Services to people and communities"),
        "L": gettext("Performing arts"),
        "M": gettext("Business support"),
        "N": gettext("Transport and logistics"),
    }
    return names.get(letter, letter)


def _named(wanted: str, labels: Mapping[str, str]) -> list[str]:
    """Return the codes of that label, else those that have a word beginning with each of the words wanted."""
    exact = [code for code, label in labels.items() if label == wanted]
    if exact or not wanted:
        return exact
    return [
        code
        for code, label in labels.items()
        if all(any(word.startswith(part) for word in label.split()) for part in wanted.split())
    ]


def _ask(
    given: Mapping[str, str], name: str, codes: Sequence[str], labels: Mapping[str, str], words: Words
) -> Field:
    question = words.ngettext(
        "%(num)s answer fits: choose it.", "%(num)s answers fit: choose one.", len(codes)
    )
    if len(codes) > MAX_CHOICES:
        question = words.gettext(
            "%(num)s answers fit: choose one of the first, or be more precise.", num=words.number(len(codes))
        )
    choices = tuple(
        Choice(f"{labels[code]} ({code})", address({**given, name: code}))
        for code in sorted(codes)[:MAX_CHOICES]
    )
    return Field(given[name], question, choices)


def _text(given: Mapping[str, str], words: Words) -> Field:
    typed = given.get("q", "")
    if len(typed) <= MAX_TEXT:
        return Field(typed)
    return Field(
        typed, words.gettext("At most %(most)s characters can be searched.", most=words.number(MAX_TEXT))
    )


def _kind(given: Mapping[str, str]) -> str:
    asked = given.get("class", "").lower()
    return asked if asked in CLASSES else ""


def _radius(given: Mapping[str, str], words: Words) -> tuple[Field, float | None]:
    typed = given.get("radius", "")
    if not typed:
        return Field(), None
    kilometres = float(typed.replace(",", ".")) if KILOMETRES.fullmatch(typed) else 0.0
    if not 0 < kilometres <= MAX_RADIUS_KM:
        most = words.number(MAX_RADIUS_KM)
        return Field(
            typed, words.gettext("The distance is a number of kilometres, up to %(most)s.", most=most)
        ), None
    return Field(f"{kilometres:g}"), kilometres
