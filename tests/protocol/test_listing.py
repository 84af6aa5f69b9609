"""A proposal as the board finds it: normalised once, whatever a stranger wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcoop.protocol.listing import (
    MAX_TEXT,
    currency_of,
    kind_of,
    listing_of,
    plain,
    plain_proposal,
    title_of,
)
from fedcoop.protocol.messages import PutListing
from tests.protocol.making import AWA, MISSION, OWNER, a_chain, a_mission, a_service
from tests.protocol.signing import NOW, PUBLIC

COMMUNES = {"44109": ("Nantes", 47.218, -1.554), "97502": ("Saint-Pierre", None, None)}


def listed(**changes: Any) -> PutListing:
    chain = a_chain("Mission", "published", document=a_mission(**changes))
    return listing_of(chain, local=True, readers=(PUBLIC,), communes=COMMUNES, now=NOW)


def test_a_mission_is_listed_with_what_it_is_searched_by():
    row = listed(
        location={"type": "Place", "name": "Quartier Nord", "inseeCommune": "44109"},
        occupation={"codeSystem": "rome", "code": "m1855", "name": "Développeuse"},
    )
    assert (row.object_id, row.object_class, row.owner, row.state) == (MISSION, "Mission", OWNER, "published")
    assert (row.commune, row.latitude, row.longitude, row.rome) == ("44109", 47.218, -1.554, "M1855")
    assert (row.readers, row.relay_scope, row.local) == ((PUBLIC,), "public", True)
    assert row.start == datetime(2026, 12, 1, 8, tzinfo=UTC)
    for word in ("Module", "Trois jours.", "Nantes", "Quartier Nord", "Développeuse", "m1855"):
        assert word in row.text


def test_a_listing_is_of_its_class():
    chain = a_chain("Listing", "published", document=a_service())
    row = listing_of(chain, local=False, readers=(), communes={}, now=NOW)
    assert (row.object_class, row.local) == ("ServiceOffer", False)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({"inseeCommune": "44109"}, ("44109", 47.218, -1.554)),
        ({"inseeCommune": "44109", "latitude": 47.0, "longitude": -1}, ("44109", 47.0, -1.0)),
        ({"inseeCommune": "97502"}, ("97502", None, None)),
        ({"inseeCommune": "00000"}, ("00000", None, None)),
        ({"latitude": 45.5, "longitude": 4.5}, (None, 45.5, 4.5)),
        ({"latitude": 91, "longitude": 4.5}, (None, None, None)),
        ({"latitude": True, "longitude": 4.5}, (None, None, None)),
        ({"latitude": "45.5", "longitude": 4.5}, (None, None, None)),
        ({"latitude": 45.5, "longitude": 181}, (None, None, None)),
        ({"inseeCommune": 44109}, (None, None, None)),
        ("Nantes", (None, None, None)),
        (None, (None, None, None)),
    ],
)
def test_a_place_is_a_commune_or_a_point_or_none(place: Any, expected: tuple[Any, ...]):
    row = listed(location=place)
    assert (row.commune, row.latitude, row.longitude) == expected


def test_a_service_without_a_place_is_where_it_is_offered():
    row = listed(eligibleTerritory=[{"name": "somewhere"}, {"inseeCommune": "44109"}])
    assert row.commune == "44109"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"occupation": {"codeSystem": "ROME", "code": "n4104"}}, "N4104"),
        ({"skills": [{"codeSystem": "esco", "code": "x"}, {"codeSystem": "rome", "code": "G1201"}]}, "G1201"),
        ({"occupation": {"codeSystem": "rome"}}, None),
        ({"occupation": "N4104"}, None),
        ({"skills": {"codeSystem": "rome", "code": "G1201"}}, None),
        ({"occupation": {"codeSystem": "rome", "code": "N" * 40}}, "N" * 8),
    ],
)
def test_an_occupation_is_found_by_its_rome_code(changes: dict[str, Any], expected: str | None):
    assert listed(**changes).rome == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"name": " Vélo "}, "Vélo"),
        ({"name": "", "nameMap": {"fr": " ", "en": "Bike"}}, "Bike"),
        ({"name": 5, "nameMap": {"fr": 5}, "content": "<p>Du&nbsp;vélo &amp; plus</p>"}, "Du vélo & plus"),
        ({"name": "x" * 900}, "x" * 500),
        ({"nameMap": {"fr": "y" * 900}}, "y" * 500),
        ({"nameMap": ["Bike"]}, "—"),
        ({}, "—"),
    ],
)
def test_a_title_is_the_first_that_there_is(document: dict[str, Any], expected: str):
    assert title_of(document) == expected


def test_text_is_plain_and_has_an_end():
    assert plain("<b>Un</b><br>deux&lt;trois") == "Un deux<trois"
    assert len(listed(content="mot " * 20_000).text) == MAX_TEXT
    row = listed(nameMap={"fr": "Vélo", "en": "Bike"}, contentMap={"en": "<p>Three days</p>", "fr": 5})
    assert "Bike" in row.text
    assert "Three days" in row.text


def test_a_time_that_is_none_is_left_out():
    row = listed(startTime="soon", applyBefore=None, published="never")
    assert (row.start, row.apply_before, row.published) == (None, None, NOW)


def test_a_plain_proposal_is_offered_or_asked_for():
    offer = plain_proposal("https://x.example/p/1", AWA, {"purpose": "offer", "name": "Velo"})
    assert (offer.kind, offer.owner, offer.state, offer.version) == ("Listing", AWA, "published", 1)
    assert (offer.digest, offer.document["fedcoopType"]) == ("", ["ServiceOffer"])
    assert kind_of({"purpose": "request"}) == kind_of({}) == "Need"


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("http://www.wikidata.org/entity/Q4916", "EUR"),
        ("https://www.wikidata.org/wiki/Q4917", "USD"),
        ("https://www.wikidata.org/wiki/Q1", ""),
        ("EUR", ""),
        (None, ""),
    ],
)
def test_a_currency_is_the_resource_that_is_named(resource: Any, expected: str):
    assert currency_of({"resourceConformsTo": resource}) == expected


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inside: (
        st.lists(inside, max_size=2) | st.dictionaries(st.sampled_from(["name", "code", "fr"]), inside)
    ),
    max_leaves=4,
)
MEMBERS = (
    "name",
    "nameMap",
    "content",
    "contentMap",
    "location",
    "occupation",
    "skills",
    "startTime",
    "relayScope",
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(MEMBERS), VALUES))
def test_no_value_in_any_place_crashes_the_board(changes: dict[str, Any]):
    row = listed(**changes)
    assert isinstance(row.title, str)
    assert len(row.text) <= MAX_TEXT
