import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcoop.errors import FedcoopError, Malformed, TooLarge
from fedcoop.protocol import shape
from fedcoop.protocol.limits import MAX_RECIPIENTS
from tests.protocol.signing import AS2, COOP, LYON, MALLORY, PUBLIC, a_create

FC = "https://w3id.org/fedcoop/v1#"
VF = "https://w3id.org/valueflows/ont/vf#"


def read(**changes: Any) -> Any:
    return shape.read_activity(a_create(**changes), b"{}")


# -- types and classes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Note", {"Note"}),
        (["Note", "Proposal"], {"Note", "Proposal"}),
        (["as:Note", "vf:Proposal", "fc:Mission"], {"Note", "Proposal", "Mission"}),
        ([f"{AS2}#Note", f"{VF}Proposal", f"{FC}Mission"], {"Note", "Proposal", "Mission"}),
        ("https://example.org/ns#Note", {"https://example.org/ns#Note"}),
        ("as:", {"as:"}),
        (None, set()),
        ([], set()),
        ([1, None, {"a": 1}, "Note", ""], {"Note"}),
        ({"id": "Note"}, set()),
    ],
)
def test_types_are_read_with_or_without_their_prefix(kind: Any, expected: set[str]):
    assert shape.types_of({"type": kind}) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"type": "Note", "fedcoopType": ["Proposal", "Mission"]}, "Mission"),
        ({"type": "Note", "fedcoopType": ["Mission", "Proposal"]}, "Mission"),
        ({"type": "Note", "fedcoopType": "ServiceOffer"}, "ServiceOffer"),
        ({"type": "Note", "fedcoopType": [f"{FC}Need"]}, "Need"),
        ({"type": ["Note", "fc:Mission"]}, "Mission"),
        ({"type": f"{FC}Mission"}, "Mission"),
        ({"type": "Mission"}, "Mission"),
        ({"type": "EconomicEvent", "fedcoopType": ["WorkRecord"]}, "WorkRecord"),
        ({"type": "EconomicEvent"}, "EconomicEvent"),
        ({"type": "Agreement", "fedcoopType": ["Engagement"]}, "Engagement"),
        ({"type": "Agreement"}, "Engagement"),
        ({"type": ["vf:Agreement"]}, "Engagement"),
        ({"type": "Proposal", "purpose": "offer"}, "Proposal"),
        ({"type": "Note", "fedcoopType": ["Proposal"]}, "Proposal"),
        ({"type": "Note", "publishes": {"type": "Intent"}, "purpose": "request"}, "Proposal"),
        ({"type": "Note", "publishes": {"type": "Intent"}}, "Note"),
        ({"type": "Note", "purpose": "request"}, "Note"),
        ({"type": ["VerifiableCredential", "MembershipCredential"]}, "MembershipCredential"),
        ({"type": ["VerifiableCredential", "AlumniCredential"]}, "VerifiableCredential"),
        ({"type": "Organization", "fedcoopType": ["Cooperative"]}, "Cooperative"),
        ({"type": "Note", "fedcoopType": ["SomethingOfLater"]}, "Note"),
        ({"type": ["Article", "Page"]}, "Article"),
        ({"type": "as:Note"}, "Note"),
        ({"content": "no type at all"}, ""),
        ({"type": 7, "fedcoopType": {"a": 1}}, ""),
    ],
)
def test_the_class_is_what_fedcoop_type_says_then_the_type_then_the_shape(document: Any, expected: str):
    assert shape.class_of(document) == expected


# -- references -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://a.example/1", ("https://a.example/1",)),
        ({"id": "https://a.example/1", "type": "Person"}, ("https://a.example/1",)),
        (
            ["https://a.example/1", {"id": "https://a.example/2"}],
            ("https://a.example/1", "https://a.example/2"),
        ),
        (["https://a.example/1", "https://a.example/1"], ("https://a.example/1",)),
        ([["https://a.example/1"]], ()),
        ({"type": "Link", "href": "https://a.example/1"}, ()),
        ([None, 1, "", {"id": 5}, {}], ()),
        (None, ()),
    ],
)
def test_ids_are_read_from_strings_objects_and_arrays(value: Any, expected: tuple[str, ...]):
    assert shape.ids_of(value) == expected


def test_the_one_id_is_none_when_there_are_two():
    assert shape.id_of("https://a.example/1") == "https://a.example/1"
    assert shape.id_of(["https://a.example/1"]) == "https://a.example/1"
    assert shape.id_of([{"id": "https://a.example/1"}]) == "https://a.example/1"
    assert shape.id_of(["https://a.example/1", "https://a.example/2"]) is None
    assert shape.id_of(["https://a.example/1", {"type": "Person"}]) is None
    assert shape.id_of([]) is None


@pytest.mark.parametrize("name", [PUBLIC, "as:Public", "Public"])
def test_public_is_public_in_all_three_spellings(name: str):
    assert shape.is_public(name)
    assert shape.recipients({"to": name}) == (PUBLIC,)


def test_followers_are_not_public():
    assert not shape.is_public(f"{COOP}/followers")
    assert not shape.is_public("public")


def test_recipients_are_everybody_in_to_cc_and_audience_once_and_in_order():
    document = {
        "to": ["https://b.example/2", "as:Public"],
        "cc": {"id": "https://b.example/1"},
        "audience": ["https://b.example/2", PUBLIC, "https://b.example/3"],
        "bto": "https://b.example/4",
        "bcc": ["https://b.example/5"],
    }
    expected = ("https://b.example/2", PUBLIC, "https://b.example/1", "https://b.example/3")
    assert shape.recipients(document) == expected


def test_whom_a_client_names_blindly_is_a_recipient_whom_nothing_names():
    hidden = {
        "bto": ["https://b.example/4", "https://b.example/1"],
        "bcc": [{"id": "https://b.example/5"}, "as:Public"],
    }
    document = {**a_create(), "to": "https://b.example/1", "object": {"type": "Note", **hidden}}
    blind = shape.blind_recipients(document)
    assert blind == ("https://b.example/4", "https://b.example/1", "https://b.example/5")
    bare = shape.without_blind({**document, "tag": [[hidden]]})
    assert bare == {**a_create(), "to": "https://b.example/1", "object": {"type": "Note"}, "tag": [[{}]]}
    activity = shape.addressed_blindly(shape.read_activity(bare, b""), (*blind, bare["actor"]))
    assert activity.blind == ("https://b.example/4", "https://b.example/5")
    assert activity.recipients == ("https://b.example/1", *activity.blind)


def test_whoever_is_named_blindly_counts():
    activity = shape.read_activity(a_create(), b"")
    with pytest.raises(TooLarge):
        shape.addressed_blindly(activity, [f"https://b.example/{i}" for i in range(MAX_RECIPIENTS + 1)])


def test_more_recipients_than_the_limit_are_refused():
    everybody = [f"https://b.example/{i}" for i in range(MAX_RECIPIENTS)]
    assert len(shape.recipients({"to": everybody})) == MAX_RECIPIENTS
    with pytest.raises(TooLarge) as refusal:
        shape.recipients({"to": everybody, "cc": "https://b.example/one-more"})
    assert refusal.value.code == "too-large"
    assert refusal.value.received == str(MAX_RECIPIENTS + 1)


# -- contexts -------------------------------------------------------------------------------------------

ALIAS = "https://w3id.org/fedcoop/v1"
OWN = f"{LYON}/contexts/fedcoop/v1"
CREDENTIALS = "https://www.w3.org/ns/credentials/v2"


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ([AS2, OWN], True),
        ([OWN, AS2], True),
        ([AS2, "https://w3id.org/security/data-integrity/v2", OWN], True),
        ([AS2, ALIAS], True),
        ([AS2, OWN, {"Mission": "https://mallory.example/#Mission"}], True),
        ([AS2, OWN, "https://mallory.example/context"], True),
        ([AS2], False),
        (AS2, False),
        ([OWN], False),
        (OWN, False),
        ([AS2, f"{MALLORY}/contexts/fedcoop/v1"], False),
        ([AS2, f"{OWN}/"], False),
        ([AS2, OWN.replace("https", "http")], False),
        ([AS2, {"@import": OWN}], False),
        ([AS2, [OWN]], False),
        ([AS2.replace("https", "http"), OWN], False),
        (None, False),
    ],
)
def test_only_an_exact_context_gives_fedcoop_meaning(context: Any, expected: bool):
    assert shape.fedcoop_meaning(a_create(**{"@context": context}), frozenset({ALIAS})) is expected


def test_the_owner_whose_context_counts_is_the_actor_or_the_attributed_or_the_issuer():
    context = [AS2, OWN]
    assert shape.fedcoop_meaning({"@context": context, "attributedTo": [COOP]}, frozenset())
    assert shape.fedcoop_meaning({"@context": context, "id": f"{LYON}/missions/1"}, frozenset())
    assert not shape.fedcoop_meaning({"@context": context, "actor": f"{MALLORY}/a", "id": LYON}, frozenset())
    assert not shape.fedcoop_meaning({"@context": context}, frozenset())
    assert not shape.fedcoop_meaning({"@context": context, "actor": "did:key:z6Mk"}, frozenset())


def test_a_credential_has_the_credentials_context_of_its_issuer():
    credential = {
        "@context": [CREDENTIALS, f"{LYON}/contexts/fedcoop/credentials/v1"],
        "issuer": {"id": COOP},
    }
    assert shape.fedcoop_meaning(credential, frozenset())
    assert not shape.fedcoop_meaning({**credential, "@context": [CREDENTIALS, OWN]}, frozenset())
    assert not shape.fedcoop_meaning({**credential, "issuer": f"{MALLORY}/a"}, frozenset())


def test_the_activitystreams_context_alone_gives_no_fedcoop_meaning_even_when_it_is_listed():
    assert not shape.fedcoop_meaning(a_create(**{"@context": [AS2]}), frozenset({AS2, CREDENTIALS}))


def test_contexts_are_read_as_a_list():
    assert shape.contexts_of({"@context": AS2}) == (AS2,)
    assert shape.contexts_of({"@context": [AS2, {"a": "b"}]}) == (AS2, {"a": "b"})
    assert shape.contexts_of({}) == ()


@pytest.mark.parametrize("keyword", ["@graph", "@included", "@reverse"])
def test_structure_keywords_are_refused_wherever_they_are(keyword: str):
    for document in (
        {keyword: []},
        {"object": {keyword: {}}},
        {"object": {"attachment": [[{"a": {keyword: 1}}]]}},
    ):
        with pytest.raises(Malformed) as refusal:
            shape.read_activity({**a_create(), **document}, b"")
        assert refusal.value.code == "malformed-activity"
        assert refusal.value.received == keyword


def test_a_context_may_define_a_term_by_reverse():
    context = [AS2, {"replyOf": {"@reverse": "as:replies"}}]
    assert read(**{"@context": context}).type == "Create"


# -- activities -----------------------------------------------------------------------------------------


def test_an_activity_keeps_the_document_and_the_bytes_it_came_as():
    document = a_create(unknown={"kept": [1, None]})
    activity = shape.read_activity(document, b"the bytes")
    assert activity.raw is document
    assert activity.body == b"the bytes"
    assert (activity.id, activity.type, activity.actor) == (f"{LYON}/activities/1", "Create", COOP)
    assert activity.object_id == f"{LYON}/notes/1"
    assert activity.object == document["object"]
    assert activity.object_class == "Note"
    assert activity.recipients == (PUBLIC,)


def test_an_actor_may_be_embedded():
    assert read(actor={"id": COOP, "type": "Organization"}).actor == COOP


def test_an_object_may_be_a_reference_or_alone_in_an_array_or_anonymous():
    note = {"id": f"{LYON}/notes/1", "type": "Note"}
    assert (read(object=note["id"]).object_id, read(object=note["id"]).object) == (note["id"], None)
    assert read(object=note["id"]).object_class == ""
    assert (read(object=[note]).object_id, read(object=[note]).object) == (note["id"], note)
    assert (read(object=[note, note]).object_id, read(object=[note, note]).object) == (None, None)
    engagement = {"type": "Agreement"}
    offer = read(type="Offer", object=engagement)
    assert (offer.object_id, offer.object, offer.object_class) == (None, engagement, "Engagement")


@pytest.mark.parametrize("name", ["Create", "as:Create", f"{AS2}#Create"])
def test_the_type_of_an_activity_loses_its_prefix(name: str):
    assert read(type=name).type == "Create"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"id": ""},
        {"id": 7},
        {"id": ["https://coop-lyon.example/activities/1"]},
        {"id": {"id": "https://coop-lyon.example/activities/1"}},
        {"type": None},
        {"type": ""},
        {"type": ["Create"]},
        {"type": ["Create", "Copy"]},
        {"type": {"id": "Create"}},
        {"actor": None},
        {"actor": ""},
        {"actor": []},
        {"actor": {}},
        {"actor": {"type": "Person"}},
        {"actor": [COOP, f"{MALLORY}/actors/coop"]},
        {"actor": 7},
        {"object": None},
        {"object": ""},
        {"object": []},
        {"object": {}},
        *({"type": name, "object": None} for name in ("Update", "Delete", "Follow", "Like", "Block", "Undo")),
        {"type": "Add"},
        {"type": "Remove", "target": ""},
    ],
)
def test_what_is_no_activity_is_refused(changes: dict[str, Any]):
    document = {k: v for k, v in {**a_create(), **changes}.items() if v is not None}
    with pytest.raises(Malformed) as refusal:
        shape.read_activity(document, b"")
    assert refusal.value.code == "malformed-activity"


def test_activities_that_need_no_object_have_none():
    for name in ("Announce", "Move", "Leave", "Accept", "SomethingNew", "Question"):
        assert read(type=name, object=None).object_id is None
    assert read(type="Add", target=f"{COOP}/members").type == "Add"


def test_too_many_recipients_are_no_activity_either():
    with pytest.raises(TooLarge):
        read(to=[f"https://b.example/{i}" for i in range(MAX_RECIPIENTS + 1)])


def json_values() -> st.SearchStrategy[Any]:
    keys = (
        st.sampled_from(["id", "type", "actor", "object", "to", "@context", "fedcoopType", "target"])
        | st.text()
    )
    return st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=8)
        | st.sampled_from([COOP, "Create", AS2]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
        max_leaves=10,
    )


@given(
    st.dictionaries(st.sampled_from([*a_create(), "fedcoopType", "target", "attributedTo"]), json_values())
)
def test_no_shape_brings_anything_but_our_own_errors(document: dict[str, Any]):
    before = json.dumps(document)
    shape.class_of(document)
    shape.types_of(document)
    shape.fedcoop_meaning(document, frozenset({ALIAS}))
    try:
        activity = shape.read_activity({**a_create(), **document}, b"")
    except FedcoopError:
        pass
    else:
        assert all((activity.id, activity.type, activity.actor))
    assert json.dumps(document) == before


def test_every_published_example_of_fep_0837_is_understood(shared: Path):
    expected = {
        "01": "Proposal",
        "02": "Proposal",
        "03": "Person",
        "04": "Engagement",
        "05": "Engagement",
        "06": "Reject",
        "07": "Create",
    }
    for number, found in expected.items():
        document = json.loads((shared / "data" / "fep_examples" / f"fep-0837-{number}.json").read_text())
        if "actor" in document:
            activity = shape.read_activity(document, b"")
            what = activity.object_class if number == "04" else activity.type
            if number == "05":
                what = shape.class_of(document["result"])
        else:
            what = shape.class_of(document)
        assert what == found, number
