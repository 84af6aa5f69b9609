"""What people type becomes the search they meant, or a question, or an answer beside the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcoop.ports import BoardQuery
from fedcoop.protocol.shape import PUBLIC
from fedcoop.web.pages_search import MAX_CHOICES, NAMES, ROWS, Finder, Search, address, folded
from fedcoop.web.pages_text import words
from tests.web.conftest import INSTANCE
from tests.web.pages_scene import COMMUNES, ROME

FR = words("fr")
SAINTS = {f"0100{n}": (f"Saint-{n}", 45.0, 5.0) for n in range(9)} | {
    f"0101{n}": (f"Saint-1{n}", 45.0, 5.0) for n in range(9)
}
FINDER = Finder(replace(INSTANCE, communes={**COMMUNES, **SAINTS}, rome_labels=ROME))


def read(**typed: str) -> Search:
    parameters: Mapping[str, str] = {name.rstrip("_"): value for name, value in typed.items()}
    return FINDER.read(parameters, FR, (PUBLIC,))


def asked(**typed: str) -> BoardQuery:
    query = read(**typed).query
    assert query is not None
    return query


def test_an_empty_form_asks_for_everything_open_that_the_reader_may_see():
    query = asked()
    assert query == BoardQuery(readers=(PUBLIC,), limit=ROWS)
    assert not read().asked


@pytest.mark.parametrize("typed", ["Nantes", "nantes", "NANTES ", "44109", "Nantes (44109)", "nante"])
def test_a_commune_is_known_by_its_name_its_code_or_its_beginning(typed: str):
    assert asked(commune=typed).commune == "44109"


def test_accents_hyphens_and_ligatures_do_not_matter():
    assert folded("L’Haÿ-les-Roses") == "l hay les roses"
    assert folded("Œuf  de  Bœuf") == "oeuf de boeuf"
    assert asked(commune="reze").commune == "44143"


def test_the_whole_name_wins_over_names_that_begin_with_it():
    assert asked(commune="Saint-1").commune == "01001"


def test_many_answers_are_the_first_few_and_a_request_for_more_words():
    field = read(commune="saint").commune
    assert len(field.choices) == MAX_CHOICES
    assert "précisez" in field.error
    assert read(commune="saint").query is None


def test_a_choice_keeps_the_rest_of_the_form():
    field = read(commune="Saint-Denis", q="vélo", radius="20").commune
    assert field.choices[0].href == "/missions?q=v%C3%A9lo&commune=93066&radius=20#results"


@pytest.mark.parametrize(
    ("typed", "code"),
    [("N", "N"), ("n41", "N41"), ("N4104", "N4104"), ("coursier", "N4104"), ("web développeuse", "M1855"),
     ("Coursier / Coursière (N4104)", "N4104"), ("(N41)", "N41"), ("X9999 (N4104)", "N4104")],
)  # fmt: skip
def test_an_occupation_is_a_code_the_beginning_of_one_or_words_of_its_name(typed: str, code: str):
    assert asked(rome=typed).rome == code


def test_words_that_fit_several_occupations_are_answered_with_them():
    found = read(rome="co", q="vélo")
    assert [choice.text for choice in found.rome.choices] == [
        f"{ROME[c]} ({c})" for c in ("M1203", "N4104", "N4105")
    ]
    assert found.rome.choices[0].href == "/missions?q=v%C3%A9lo&rome=M1203#results"
    assert found.query is None


def test_the_hierarchy_of_an_occupation_is_offered_from_wide_to_narrow():
    levels = read(rome="coursier", commune="Nantes").levels
    assert [(level.code, level.current) for level in levels] == [
        ("N", False),
        ("N41", False),
        ("N4104", True),
    ]
    assert [level.name.text for level in levels] == ["Transport et logistique", "Famille N41", ROME["N4104"]]
    assert levels[1].href == "/missions?rome=N41&commune=Nantes#results"
    assert levels[2].name.language == "fr"
    assert [level.code for level in read(rome="N").levels] == ["N"]


def test_a_distance_is_measured_from_the_commune():
    query = asked(commune="Lyon", radius="20")
    assert (query.centre, query.radius_km, query.commune) == ((45.758, 4.835), 20.0, "69123")
    assert asked(commune="Lyon", radius="7,5").radius_km == 7.5


@pytest.mark.parametrize("radius", ["0", "-1", "nan", "inf", "1e3", "1001", "x", "0x10", "9" * 50, "٣"])
def test_a_distance_is_a_number_of_kilometres_within_reason(radius: str):
    found = read(commune="Lyon", radius=radius)
    assert found.query is None
    assert found.radius.error


def test_the_kind_is_one_of_three_and_anything_else_is_everything():
    assert asked(class_="offer").classes == ("ServiceOffer",)
    assert asked(class_="nonsense").classes == ("Mission", "ServiceOffer", "Need")


def test_an_address_says_only_what_was_asked():
    assert address({"q": "", "rome": "N"}) == "/missions?rome=N#results"
    assert address({}) == "/missions#results"
    assert read(q="x").page("abc") == "/missions?q=x&cursor=abc#results"


@given(st.dictionaries(st.sampled_from([*NAMES, "cursor", "other"]), st.text(max_size=300)))
def test_nothing_that_can_be_typed_breaks_the_form(typed: dict[str, Any]):
    found = FINDER.read(typed, FR, (PUBLIC,))
    assert (found.query is None) == any(field.error for _, field in found.fields)
