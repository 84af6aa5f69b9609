"""From a URL's parameters to a search."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from fedcoop.errors import Invalid, Malformed
from fedcoop.ports import BoardQuery
from fedcoop.protocol.limits import PAGE_ITEMS
from fedcoop.web.search import MAX_PAGE, board_query
from tests.web.conftest import COOP, INSTANCE

ANYBODY = ("public",)
ALL = BoardQuery(readers=ANYBODY, limit=PAGE_ITEMS)


def asked(**parameters: str) -> BoardQuery:
    return board_query(
        MultiDict({k.rstrip("_"): v for k, v in parameters.items()}), instance=INSTANCE, readers=ANYBODY
    )


def test_nothing_asked_is_everything_open():
    assert asked() == ALL
    assert asked(q=" ", rome="", commune="", radius="", class_="", cursor="", limit="") == ALL


def test_every_parameter_narrows():
    assert asked(
        q=" vélo cargo ", rome="n41", commune="44109", radius="12,5", class_="mission,need", owner=COOP, open="false",
        limit="10", cursor="abc",
    ) == BoardQuery(
        text="vélo cargo", rome="N41", commune="44109", centre=(47.22, -1.55), radius_km=12.5,
        classes=("Mission", "Need"), owner=COOP, open_only=False, readers=ANYBODY, limit=10, cursor="abc",
    )  # fmt: skip


@pytest.mark.parametrize("rome", ["N", "N41", "n4104"])
def test_a_rome_code_may_be_cut_at_its_levels(rome: str):
    assert asked(rome=rome).rome == rome.upper()


def test_a_commune_alone_is_no_distance():
    query = asked(commune="2a004")
    assert (query.commune, query.centre, query.radius_km) == ("2A004", None, None)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["mission"], ("Mission",)),
        (["Mission", "Need"], ("Mission", "Need")),
        (["offer,need"], ("ServiceOffer", "Need")),
        (["NEED", "offer"], ("ServiceOffer", "Need")),
        ([""], ("Mission", "ServiceOffer", "Need")),
    ],
)
def test_classes_may_be_repeated_or_listed(values: list[str], classes: tuple[str, ...]):
    query = board_query(MultiDict(("class", v) for v in values), instance=INSTANCE, readers=ANYBODY)
    assert query.classes == classes


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rome", "N4"), ("rome", "Z10"), ("rome", "N41044"), ("rome", "N%"),
        ("commune", "Nantes"), ("commune", "4410"), ("commune", "٤٤١٠٩"),
        ("class", "Job"), ("class", "mission,job"),
        ("limit", "0"), ("limit", str(MAX_PAGE + 1)), ("limit", "-1"), ("limit", "ten"), ("limit", "1e1"),
        ("limit", "²"),
        ("radius", "0"), ("radius", "-5"), ("radius", "far"), ("radius", "1001"), ("radius", "nan"), ("radius", "1e3"),
        ("radius", "10"),
        ("q", "x" * 201),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_by_name(name: str, value: str):
    with pytest.raises(Malformed) as refused:
        asked(**{name: value})
    assert refused.value.code == "malformed-request"
    assert name in refused.value.detail


@pytest.mark.parametrize(("commune", "why"), [("44999", "does not exist"), ("97502", "we do not know")])
def test_a_distance_needs_a_place_that_is_known(commune: str, why: str):
    with pytest.raises(Invalid, match=why) as refused:
        asked(commune=commune, radius="10")
    assert refused.value.code == "unknown-code"


@given(
    st.dictionaries(st.sampled_from(["q", "rome", "commune", "radius", "class", "limit", "open"]), st.text())
)
def test_no_parameters_break_it(parameters: dict[str, str]):
    try:
        board_query(MultiDict(parameters), instance=INSTANCE, readers=ANYBODY)
    except (Malformed, Invalid):
        pass
