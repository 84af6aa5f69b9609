from fedcoop.protocol.model import CLASSES, LIFECYCLES, PROPERTIES
from fedcoop.protocol.vocabulary import Label


def test_a_label_is_given_in_french_to_whoever_speaks_french_and_in_english_to_others():
    label = Label("publiée", "published")
    assert [label.in_language(tag) for tag in ("fr", "fr-CA", "FR", "en", "de")] == [
        *("publiée", "publiée", "publiée"),
        *("published", "published"),
    ]


def test_a_property_is_as_private_as_its_class_asks():
    rate = PROPERTIES["contributionRate"]
    assert rate.privacy_on("Cooperative") == "P0"
    assert rate.privacy_on("Membership") == "P2"
    assert PROPERTIES["wagePreference"].privacy_on("Member") == "P4"


def test_a_mission_is_sent_as_a_note_with_its_classes_beside_it():
    assert (CLASSES["Mission"].wire_type, CLASSES["Mission"].fedcoop_type) == (
        "Note",
        ("Proposal", "Mission"),
    )


def test_edges_that_are_not_in_this_release_say_so():
    edges = LIFECYCLES["Mission"].edges
    assert {edge.activity for edge in edges if not edge.implemented} == {"Flag", "Accept"}
    assert not any(edge.implemented for edge in LIFECYCLES["Membership"].edges)
