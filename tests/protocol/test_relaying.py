"""What a relay carries, and to whom."""

from __future__ import annotations

from typing import Any

import pytest

from fedcoop.errors import FedcoopError
from fedcoop.protocol.relaying import (
    EVERYTHING,
    MAX_WISHES,
    Facets,
    Wish,
    check_carried,
    facets_of,
    style_of,
    wish_of,
)
from tests.protocol.making import AWA, LYON, NANTES, an_activity
from tests.protocol.signing import PUBLIC

RELAY = "https://relay.example/actor"
DEPARTMENTS = {"44": "52", "69": "84", "974": "04", "2A": "94"}
NOTE = {"id": f"{LYON}/notes/1", "type": "Note"}


@pytest.mark.parametrize(
    ("wish", "taken"),
    [
        (Wish(), True),
        (Wish(classes=("Mission",)), True),
        (Wish(classes=("Need", "ServiceOffer")), False),
        (Wish(rome=("N",)), True),
        (Wish(rome=("N41",)), True),
        (Wish(rome=("M18", "N4104")), True),
        (Wish(rome=("N4105",)), False),
        (Wish(regions=("52",)), True),
        (Wish(regions=("53",)), False),
        (Wish(("Mission",), ("N41",), ("52",)), True),
        (Wish(("Mission",), ("N41",), ("53",)), False),
    ],
)
def test_every_list_of_a_filter_narrows(wish: Wish, taken: bool):
    assert wish.takes(Facets("Mission", "N4104", "52")) is taken


def test_what_says_neither_trade_nor_place_is_in_no_family_and_no_region():
    nowhere = Facets("Mission", None, None)
    assert EVERYTHING.takes(nowhere)
    assert not Wish(rome=("N",)).takes(nowhere)
    assert not Wish(regions=("52",)).takes(nowhere)


@pytest.mark.parametrize(
    ("commune", "region"),
    [("44109", "52"), ("69123", "84"), ("97411", "04"), ("2A004", "94"), ("99999", None), (None, None)],
)
def test_the_region_is_that_of_the_communes_department(commune: str | None, region: str | None):
    place = {"type": "Place", "inseeCommune": commune} if commune else {"type": "Place"}
    document = {"type": "Proposal", "fedcoopType": ["Mission"], "location": place}
    assert facets_of(document, DEPARTMENTS) == Facets("Mission", None, region)


def test_an_object_is_filtered_by_its_class_and_its_trade():
    rome = {"type": "SkillRef", "codeSystem": "ROME", "code": "n4104"}
    document = {"type": "Proposal", "fedcoopType": ["Need"], "occupation": rome}
    assert facets_of(document, DEPARTMENTS) == Facets("Need", "N4104", None)
    assert facets_of(NOTE, DEPARTMENTS).object_class == "Note"


def test_what_a_subscriber_asks_for_is_read_as_it_was_said():
    said = {"classes": ["Mission", "Mission"], "rome": ["N", "N41"], "regions": ["52", "974"]}
    wish = wish_of(said)
    assert wish == Wish(("Mission",), ("N", "N41"), ("52", "974"))
    assert wish_of(wish.document()) == wish
    assert wish_of(None) == wish_of({}) == EVERYTHING
    assert EVERYTHING.document() == {}


@pytest.mark.parametrize(
    "said",
    [
        [],
        "Mission",
        {"class": ["Mission"]},
        {"classes": "Mission"},
        {"classes": ["mission"]},
        {"classes": [1]},
        {"rome": ["N4"]},
        {"rome": ["41"]},
        {"regions": ["5"]},
        {"regions": ["Bretagne"]},
        {"classes": ["Mission"] * (MAX_WISHES + 1)},
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(said: Any):
    with pytest.raises(FedcoopError) as refusal:
        wish_of(said)
    assert refusal.value.code == "malformed-activity"


@pytest.mark.parametrize(
    ("target", "style"),
    [
        (PUBLIC, "mastodon"),
        (RELAY, "litepub"),
        ({"id": RELAY, "type": "Application"}, "litepub"),
        (f"{LYON}/actor", None),
        ("as:Public", None),
    ],
)
def test_a_relay_is_followed_by_its_own_id_or_by_everybodys(target: Any, style: str | None):
    assert style_of(an_activity("Follow", f"{NANTES}/actor", target), RELAY) == style


@pytest.mark.parametrize(
    ("kind", "obj", "members", "code"),
    [
        ("Create", NOTE, {"to": [PUBLIC]}, None),
        ("Create", NOTE, {"to": [f"{AWA}/followers"], "cc": ["as:Public"]}, None),
        ("Update", NOTE, {"to": [PUBLIC]}, None),
        ("Delete", f"{LYON}/notes/1", {"to": [PUBLIC]}, None),
        ("Delete", {"id": f"{LYON}/notes/1", "type": "Tombstone"}, {"to": [PUBLIC]}, None),
        ("Create", NOTE, {"to": [f"{AWA}/followers"]}, "not-relayed"),
        ("Create", NOTE, {}, "not-relayed"),
        ("Create", f"{LYON}/notes/1", {"to": [PUBLIC]}, "malformed-activity"),
        ("Create", {"type": "Note"}, {"to": [PUBLIC]}, "malformed-activity"),
        ("Delete", {"type": "Note"}, {"to": [PUBLIC]}, "malformed-activity"),
        ("Create", {"id": f"{NANTES}/notes/1", "type": "Note"}, {"to": [PUBLIC]}, "foreign-origin"),
    ],
)
def test_only_what_is_for_everybody_and_of_its_own_server_is_carried(
    kind: str, obj: Any, members: dict[str, Any], code: str | None
):
    activity = an_activity(kind, AWA, obj, **members)
    if code is None:
        check_carried(activity)
    else:
        with pytest.raises(FedcoopError) as refusal:
            check_carried(activity)
        assert refusal.value.code == code
