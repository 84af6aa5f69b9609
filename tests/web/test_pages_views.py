"""What a page says of a document; and that no document is too odd to say something of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedcoop.ports import StoredActor, StoredObject
from fedcoop.protocol.messages import Chain
from fedcoop.protocol.model import PROPERTIES
from fedcoop.protocol.shape import PUBLIC
from fedcoop.web.pages_text import words
from fedcoop.web.pages_views import Views
from tests.conftest import NOON
from tests.web.conftest import BASE, INSTANCE, an_actor, an_object
from tests.web.pages_scene import COMMUNES, ROME, by_days, courier_mission, money
from tests.web.test_pages_content import JSON

VIEWS = Views(words("fr"), replace(INSTANCE, communes=COMMUNES, rome_labels=ROME), NOON)
ENGLISH = replace(VIEWS, words=words("en"))


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u00a0", " ")


def test_a_price_is_its_breakdown():
    price = VIEWS.price(courier_mission())
    assert price is not None
    assert plain(price.total) == "169,40 €"
    shown = [
        (line.label, *map(plain, (line.quantity, line.unit_amount, line.amount))) for line in price.lines
    ]
    assert shown == [
        ("Heures", "8", "17,00 €", "136,00 €"),
        ("Courses", "15", "1,20 €", "18,00 €"),
        ("Weekend (majoration)", "10 %", "", "15,40 €"),
    ]  # fmt: skip


def test_a_proposal_without_a_breakdown_shows_what_it_asks_in_return():
    doc = {
        "reciprocal": {
            "resourceConformsTo": "http://www.wikidata.org/entity/Q4916",
            "resourceQuantity": {"hasUnit": "one", "hasNumericalValue": "380.00"},
        },
        "publishes": {"resourceQuantity": {"hasUnit": "day", "hasNumericalValue": "1"}},
        "unitBased": True,
    }
    price = ENGLISH.price(doc)
    assert price is not None
    assert (price.total, price.per) == ("€380.00", "per day")
    other = ENGLISH.price({"reciprocal": {"resourceQuantity": {"hasUnit": "one", "hasNumericalValue": "3"}}})
    assert other is not None
    assert other.total == "3", "what is no euro is not shown as euro"
    assert VIEWS.price({}) is None


def test_statuses_of_a_cae_come_first_and_have_their_full_names():
    statuses = VIEWS.statuses(["selfEmployed", "cape", "astronaut"])
    assert [(s.name, s.cae) for s in statuses] == [
        ("contrat d'appui au projet d'entreprise", True),
        ("indépendant", False),
        ("astronaut", False),
    ]


def test_a_place_has_the_official_name_of_its_commune():
    place = VIEWS.place({"name": "nantes !!", "inseeCommune": "44109"})
    assert place is not None
    assert place.name.text == "Nantes"
    abroad = ENGLISH.place({"name": "Torino", "addressCountry": "IT"})
    assert abroad is not None
    assert (abroad.name.text, abroad.country) == ("Torino", "Italy")
    assert VIEWS.place({}) is None
    assert VIEWS.place("https://x.example/places/1") is None


def test_an_occupation_of_the_rome_register_has_its_label_and_its_hierarchy():
    skill = ENGLISH.skill({"codeSystem": "rome", "code": "N4104", "name": "whatever they called it"})
    assert skill is not None
    assert (skill.name.text, skill.name.language, skill.rome) == (ROME["N4104"], "fr", ("N", "N41", "N4104"))
    nameless = VIEWS.skill({"codeSystem": "local", "code": "42"})
    assert nameless is not None
    assert nameless.name.text == "42"
    assert VIEWS.skill({}) is None


def test_a_party_that_we_have_never_met_is_named_by_its_address():
    party = VIEWS.party("https://x.example/actors/1", {})
    assert (party.name.text, party.host, party.local) == ("https://x.example/actors/1", "x.example", False)
    met = replace(
        an_actor("bob", local=False, base="https://x.example"),
        document={"name": "Bob", "preferredUsername": "bob"},
    )
    assert VIEWS.party(met.id, {met.id: met}).handle == "@bob@x.example"


def test_a_name_that_is_an_address_of_a_script_is_no_link():
    assert VIEWS.party("javascript:alert(1)", {}).href is None


@pytest.mark.parametrize(
    ("value", "said"),
    [("P7D", "7 jours"), ("PT8H", "8 heures"), ("P1M", "P1M"), ("P7DT8H", "P7DT8H"), ("", ""), (7, "")],
)
def test_a_duration_is_said_in_days_or_hours_or_as_it_came(value: Any, said: str):
    assert plain(VIEWS.duration(value)) == said


def test_a_deadline_that_has_passed_says_so():
    past = VIEWS.moment(NOON - timedelta(days=1))
    assert past is not None
    assert past.passed
    assert past.iso == "2026-11-21T12:00:00Z"
    assert VIEWS.moment("soon") is None


def test_a_title_without_a_language_is_in_ours_when_it_is_ours():
    ours = an_object("/missions/1", document={"name": "Vélo", "content": "<p>Vélo</p>"})
    seen = ENGLISH.proposal(ours, None, {})
    assert (seen.row.title.language, seen.content_language) == ("fr", "fr")
    theirs = replace(ours, id="https://x.example/missions/1")
    assert ENGLISH.proposal(theirs, None, {}).row.title.language is None


def test_the_state_is_the_chains_and_not_what_the_document_claims():
    obj = an_object("/missions/1", document={"id": f"{BASE}/missions/1", "missionState": "settled"})
    chain = Chain(obj.id, "Mission", obj.owner, "published", 1, "z", obj.document, {})
    assert VIEWS.proposal(obj, chain, {}).row.state.code == "published"


def test_a_document_of_another_server_is_linked_to_our_copy():
    assert (
        VIEWS.href("https://x.example/missions/1?a=b")
        == "/copy?id=https%3A%2F%2Fx.example%2Fmissions%2F1%3Fa%3Db"
    )
    assert VIEWS.href(f"{BASE}/missions/1") == f"{BASE}/missions/1"


def test_an_agreed_price_is_read_from_the_commitment_when_there_is_no_breakdown():
    doc = {
        "stipulatesReciprocal": {"resourceQuantity": {"hasNumericalValue": "900.00"}},
        "contributionRate": "0.10",
    }
    chain = Chain(
        "https://x.example/activities/1", "Engagement", "o", "proposed", 1, "z", doc, {"worker": "w"}
    )
    seen = VIEWS.engagement(chain, {}, None)
    assert seen.price is not None
    assert plain(seen.price.total) == "900,00 €"
    assert plain(seen.contribution) == "10 %"
    assert seen.href.startswith("/copy?id=")
    priced = replace(chain, document={**doc, "price": by_days(2, "450")})
    agreed = VIEWS.engagement(priced, {}, None).price
    assert agreed is not None
    assert agreed.lines
    assert money("1.00")["currency"] == "EUR"


KEYS = [
    *PROPERTIES,
    "name",
    "nameMap",
    "content",
    "contentMap",
    "location",
    "startTime",
    "endTime",
    "published",
    "updated",
]


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=14))
def test_no_document_is_too_odd_for_a_page(document: dict[str, Any]):
    obj = StoredObject(
        "https://x.example/1", "https://x.example/a", "Mission", document, False, (PUBLIC,), NOON, None, None
    )
    chain = Chain("https://x.example/2", "Engagement", "o", "accepted", 1, "z", document, {"worker": "w"})
    actor = StoredActor("https://x.example/a", False, "Member", "a", document, "", None, NOON)
    for views in (VIEWS, ENGLISH):
        views.proposal(obj, None, {actor.id: actor})
        views.engagement(chain, {actor.id: actor}, obj)
        views.coop(actor)
        views.member(actor, {actor.id: actor})
