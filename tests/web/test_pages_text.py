"""The two catalogues are whole and agree with the pages; dates, money and quantities are as people write them."""

from __future__ import annotations

import importlib.util
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from types import ModuleType

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from fedcoop.protocol.model import CLASSES, CODE_LISTS
from fedcoop.web.negotiation import LANGUAGES
from fedcoop.web.pages_text import LOCALES, words
from tests.conftest import ROOT

FR, EN = words("fr"), words("en")
THIN, SOLID = "\u202f", "\u00a0"


def updater() -> ModuleType:
    """Return `fedcoop/web/locale/update.py`, which is a script and no module of the package."""
    spec = importlib.util.spec_from_file_location("update", ROOT / "fedcoop/web/locale/update.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def messages(language: str) -> list[Message]:
    with updater().path_of(language).open("rb") as file:
        return [message for message in read_po(file, locale=language) if message.id]


def texts(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list | tuple) else [str(value)]


def test_the_pages_know_the_languages_that_the_server_negotiates():
    assert set(LOCALES) == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_of_the_pages_is_in_the_catalogue_and_no_other(language: str):
    wanted = {str(message.id) for message in updater().extracted() if message.id}
    assert len(wanted) > 150
    assert {str(message.id) for message in messages(language)} == wanted


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_translated(language: str):
    for message in messages(language):
        assert not message.fuzzy, message.id
        assert all(texts(message.string)), message.id
        assert len(texts(message.string)) == len(texts(message.id)), message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_fills_in_what_the_sentence_fills_in(language: str):
    for message in messages(language):
        for sentence, text in zip(texts(message.id), texts(message.string), strict=True):
            wanted, filled = (set(re.findall(r"%\((\w+)\)s", words)) for words in (sentence, text))
            assert filled == wanted, text


def test_english_is_what_the_source_says():
    for message in messages("en"):
        assert texts(message.string) == texts(message.id)


def test_french_is_set_as_french_is_set():
    for message in messages("fr"):
        for text in texts(message.string):
            assert not re.search(r" [:;!?»]", text), text
            assert not re.search(r"« (?!\S*»)", text), text
            assert "'" not in text, text


def test_running_the_update_again_changes_nothing():
    module = updater()
    template = module.extracted()
    for language in LANGUAGES:
        fresh = {str(m.id): texts(m.string) for m in module.update(language, template) if m.id}
        assert fresh == {str(m.id): texts(m.string) for m in messages(language)}


def test_money_is_written_as_people_write_it():
    assert FR.money(Decimal("1140.00"), "EUR") == f"1{THIN}140,00{SOLID}€"
    assert EN.money(Decimal("1140.00"), "EUR") == "€1,140.00"
    assert FR.money(Decimal("5"), "doubloons") == "5 doubloons"


def test_quantities_say_their_unit():
    assert FR.quantity(Decimal("3"), "day") == f"3{SOLID}jours"
    assert EN.quantity(Decimal("1.5"), "hour") == "1.5 hours"
    assert FR.quantity(Decimal("15"), "one") == "15"
    assert EN.quantity(Decimal("2"), "parsec") == "2 parsec"
    assert FR.kilometres(12.4) == f"12{THIN}km"
    assert EN.percent(Decimal("0.105")) == "10.5%"
    assert FR.percent(Decimal("0.10")).replace(THIN, " ").replace(SOLID, " ") == "10 %"


def test_times_are_those_of_paris():
    start, end = datetime(2026, 12, 1, 8, tzinfo=UTC), datetime(2026, 12, 4, 16, 30, tzinfo=UTC)
    assert FR.day(start) == "mardi 1er décembre 2026"
    assert EN.day(start) == "Tuesday 1 December 2026"
    assert FR.moment(start) == "1er déc. 2026, 09:00"
    assert EN.moment(end) == "4 Dec 2026, 17:30"
    assert FR.period(start, end) == "1–4 déc. 2026"
    assert FR.period(start, None) == "1er déc. 2026"
    assert FR.period(start, start.replace(hour=17), weekdays=True) == "mardi 1er décembre 2026, 09:00–18:00"
    assert FR.period(end, start) == "4 déc. 2026", "an end before the start is no period"
    assert FR.date(date(2026, 7, 14)) == "14 juil. 2026"
    # Near midnight the day is that of Paris too.
    assert FR.date(datetime(2026, 12, 31, 23, 30, tzinfo=UTC)) == "1er janv. 2027"


def test_codes_and_classes_have_the_names_of_the_vocabulary_and_unknown_ones_their_own():
    assert FR.code("WorkStatus", "cesa") == CODE_LISTS["WorkStatus"]["cesa"].fr
    assert EN.code("WorkStatus", "cesa") == CODE_LISTS["WorkStatus"]["cesa"].en
    assert FR.code("WorkStatus", "astronaut") == "astronaut"
    assert FR.class_name("ServiceOffer") == CLASSES["ServiceOffer"].fr
    assert EN.class_name("Whatever") == "Whatever"


def test_plurals_follow_the_language():
    singular, plural = "%(num)s answer fits: choose it.", "%(num)s answers fit: choose one."
    assert FR.ngettext(singular, plural, 1).startswith("1 réponse possible")
    assert FR.ngettext(singular, plural, 0).startswith("0 réponse possible"), "in French zero is singular"
    assert EN.ngettext(singular, plural, 0).startswith("0 answers")
