"""The words of the pages: the two languages' catalogues, and how dates, money, quantities and codes are written.

The catalogues are the `.po` files under `locale/`, compiled in memory when first asked for: no generated file to
forget. Names of codes ("contrat d'appui au projet d'entreprise") are the vocabulary's, not ours.
"""

from __future__ import annotations

import gettext
import io
import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Final

from babel import Locale
from babel.dates import format_date, format_datetime, format_interval
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent
from babel.units import format_unit

from fedcoop.protocol.model import CLASSES, CODE_LISTS

LOCALES: Final[Mapping[str, str]] = {"fr": "fr_FR", "en": "en_GB"}
ZONE: Final = "Europe/Paris"
"""Hours are shown as the clocks of metropolitan France show them, and every page that shows one says so."""

CURRENCY: Final = re.compile(r"^[A-Z]{3}$")


@cache
def translations(language: str) -> gettext.NullTranslations:
    """Return the catalogue of `language`, compiled from its `.po` file."""
    source = files("fedcoop.web").joinpath("locale", language, "LC_MESSAGES", "fedcoop.po").read_bytes()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(source), locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@cache
def zone() -> tuple[tzinfo, bool]:
    """Return the time zone of the pages, and whether it is the one we wanted (a machine may have no tz data)."""
    try:
        return zoneinfo.ZoneInfo(ZONE), True
    except zoneinfo.ZoneInfoNotFoundError:
        return UTC, False


@dataclass(frozen=True, slots=True)
class Words:
    """One language of the pages; `words(language)` makes it."""

    language: str
    locale: Locale
    catalogue: gettext.NullTranslations

    # -- sentences -------------------------------------------------------------------------------------------

    def gettext(self, message: str, **values: Any) -> str:
        """Return the sentence in this language, with `%(name)s` filled in."""
        sentence = self.catalogue.gettext(message)
        return sentence % values if values else sentence

    def ngettext(self, singular: str, plural: str, number: int, **values: Any) -> str:
        """Return the sentence for `number` things; `%(num)s` is the number as this language writes it."""
        sentence = self.catalogue.ngettext(singular, plural, number)
        return sentence % {"num": self.number(number), **values}

    def code(self, code_list: str, code: str) -> str:
        """Return what the vocabulary calls a code; an unknown code is its own name (vocabulary.md §3.5)."""
        label = CODE_LISTS[code_list].get(code)
        return label.in_language(self.language) if label else code

    def class_name(self, name: str) -> str:
        """Return what the vocabulary calls a class: `Offre de service`."""
        known = CLASSES.get(name)
        if known is None:
            return name
        return known.fr if self.language == "fr" else known.en

    # -- numbers ---------------------------------------------------------------------------------------------

    def number(self, value: int | float | Decimal) -> str:
        """Return a number with this language's separators."""
        return str(format_decimal(value, locale=self.locale))

    def percent(self, share: Decimal) -> str:
        """Return a share such as 0.105 as `10,5 %`."""
        return format_percent(
            share, format="#,##0.## %" if self.language == "fr" else "#,##0.##%", locale=self.locale
        )

    def money(self, value: Decimal, currency: str) -> str:
        """Return an amount as people write it: `1 140,00 €`, `€1,140.00`."""
        if not CURRENCY.match(currency):
            return f"{self.number(value)} {currency}"
        return format_currency(value, currency, locale=self.locale)

    def quantity(self, value: Decimal, unit: str) -> str:
        """Return `3 jours`, `8 heures`, `15 unités`."""
        cldr = {"hour": "duration-hour", "day": "duration-day", "kilometre": "length-kilometer"}.get(unit)
        if cldr:
            return format_unit(value, cldr, locale=self.locale)
        if unit == "one":
            return self.number(value)
        return f"{self.number(value)} {self.code('Unit', unit)}"

    def kilometres(self, distance: float) -> str:
        """Return a distance, rounded as far as commune centres deserve."""
        return format_unit(round(distance), "length-kilometer", length="short", locale=self.locale)

    # -- time ------------------------------------------------------------------------------------------------

    def day(self, moment: datetime | date) -> str:
        """Return `mardi 1er décembre 2026`."""
        local = _local(moment)
        if self.language == "fr":
            pattern = "EEEE '1er' MMMM y" if local.day == 1 else "EEEE d MMMM y"
        else:
            pattern = "EEEE d MMMM y"
        return format_date(local, pattern, locale=self.locale)

    def date(self, moment: datetime | date) -> str:
        """Return `1er déc. 2026`."""
        local = _local(moment)
        pattern = "'1er' MMM y" if self.language == "fr" and local.day == 1 else "d MMM y"
        return format_date(local, pattern, locale=self.locale)

    def moment(self, moment: datetime) -> str:
        """Return `1er déc. 2026, 09:00`."""
        return f"{self.date(moment)}, {self.hour(moment)}"

    def hour(self, moment: datetime) -> str:
        """Return `09:00`, on the clocks of `ZONE`."""
        return format_datetime(moment, "HH:mm", tzinfo=zone()[0], locale=self.locale)

    def period(self, start: datetime, end: datetime | None, *, weekdays: bool = False) -> str:
        """Return `1–4 déc. 2026`, or one day when it starts and ends on the same."""
        if end is None or end < start or _local(start) == _local(end):
            if not weekdays:
                return self.date(start)
            hours = f", {self.hour(start)}–{self.hour(end)}" if end and end > start else ""
            return self.day(start) + hours
        return format_interval(
            _local(start), _local(end), "yMMMEd" if weekdays else "yMMMd", locale=self.locale
        )


@cache
def words(language: str) -> Words:
    """Return the words of one of `LANGUAGES`."""
    return Words(language, Locale.parse(LOCALES[language]), translations(language))


def _local(moment: datetime | date) -> date:
    if isinstance(moment, datetime):
        where, _ = zone()
        return moment.astimezone(where).date()
    return moment
