import json
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcoop.errors import FedcoopError, Malformed, NotFound
from fedcoop.protocol import discovery
from fedcoop.protocol.discovery import Resource, read_resource
from tests.protocol.signing import COOP, LYON

APPLICATION = f"{LYON}/actor"


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("acct:alice@coop-lyon.example", Resource("alice", None)),
        ("acct:Alice@Coop-Lyon.Example", Resource("alice", None)),
        ("acct:@alice@coop-lyon.example", Resource("alice", None)),
        ("acct:a.l-i_ce@coop-lyon.example", Resource("a.l-i_ce", None)),
        (f"acct:{'a' * 64}@coop-lyon.example", Resource("a" * 64, None)),
        (COOP, Resource(None, COOP)),
        (f"{LYON}/", Resource(None, f"{LYON}/")),
        (LYON, Resource(None, LYON)),
    ],
)
def test_a_resource_of_this_server_is_a_name_or_a_url(resource: str, expected: Resource):
    assert read_resource(resource, public_origin=LYON) == expected


def test_a_resource_may_have_a_port_in_development():
    found = read_resource("acct:coop@127.0.0.1:8101", public_origin="http://127.0.0.1:8101")
    assert found == Resource("coop", None)


@pytest.mark.parametrize(
    "resource",
    [None, "", "alice", "alice@coop-lyon.example", "acct:alice", "acct:@", "mailto:a@b", "acct:a@b@c"],
)
def test_a_query_that_names_nothing_is_malformed(resource: str | None):
    with pytest.raises(Malformed) as refusal:
        read_resource(resource, public_origin=LYON)
    assert refusal.value.code == "malformed-request"


@pytest.mark.parametrize(
    "resource",
    [
        "acct:alice@velo-nantes.example",
        "acct:alice@coop-lyon.example:8443",
        "acct:al ice@coop-lyon.example",
        "acct:été@coop-lyon.example",
        "acct:-@coop-lyon.example",
        "acct:a.@coop-lyon.example",
        f"acct:{'a' * 65}@coop-lyon.example",
        "https://velo-nantes.example/actors/coop",
        "http://coop-lyon.example/actors/coop",
    ],
)
def test_who_is_not_here_is_not_found(resource: str):
    with pytest.raises(NotFound) as refusal:
        read_resource(resource, public_origin=LYON)
    assert refusal.value.code == "not-found"


@given(st.text(max_size=60) | st.text(max_size=30).map(lambda s: f"acct:{s}@coop-lyon.example"))
def test_no_query_brings_anything_but_our_own_errors(resource: str):
    try:
        found = read_resource(resource, public_origin=LYON)
    except FedcoopError:
        return
    assert (found.username is None) != (found.iri is None)


def test_the_document_of_an_actor_has_exactly_one_self_link():
    jrd = discovery.actor_jrd(username="coop", actor_id=COOP, page=f"{LYON}/")
    assert jrd["subject"] == "acct:coop@coop-lyon.example"
    assert jrd["aliases"] == [COOP, f"{LYON}/"]
    own = [link for link in jrd["links"] if link["rel"] == "self"]
    assert own == [{"rel": "self", "type": "application/activity+json", "href": COOP}]
    assert {"rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": f"{LYON}/"} in jrd[
        "links"
    ]


def test_a_page_at_the_actors_own_address_is_not_named_twice():
    jrd = discovery.actor_jrd(username="coop", actor_id=COOP, page=COOP)
    assert jrd["aliases"] == [COOP]
    plain = discovery.actor_jrd(username="coop", actor_id=COOP)
    assert plain["aliases"] == [COOP]
    assert [link["rel"] for link in plain["links"]] == ["self"]


def test_the_query_leads_back_to_the_same_actor():
    jrd = discovery.actor_jrd(username="coop", actor_id=COOP)
    for resource in (jrd["subject"], *jrd["aliases"]):
        found = read_resource(resource, public_origin=LYON)
        assert found in (Resource("coop", None), Resource(None, COOP))


def test_rel_filters_the_links_and_nothing_else():
    whole = discovery.actor_jrd(username="coop", actor_id=COOP, page=f"{LYON}/")
    one = discovery.actor_jrd(username="coop", actor_id=COOP, page=f"{LYON}/", rels=["self", "x"])
    assert [link["rel"] for link in one["links"]] == ["self"]
    assert one["subject"] == whole["subject"]
    none = discovery.actor_jrd(username="coop", actor_id=COOP, rels=["x"])
    assert none["links"] == []


def test_the_servers_address_leads_to_its_actor_both_ways():
    jrd = discovery.server_jrd(public_origin=LYON, application_id=APPLICATION)
    assert jrd["subject"] == f"{LYON}/"
    assert [(link["rel"], link["href"]) for link in jrd["links"]] == [
        ("https://www.w3.org/ns/activitystreams#Service", APPLICATION)
    ]
    known = discovery.nodeinfo_jrd(nodeinfo_url=f"{LYON}/nodeinfo/2.1", application_id=APPLICATION)
    assert {link["rel"]: link["href"] for link in known["links"]} == {
        "http://nodeinfo.diaspora.software/ns/schema/2.1": f"{LYON}/nodeinfo/2.1",
        "https://www.w3.org/ns/activitystreams#Application": APPLICATION,
    }


def a_nodeinfo(**changes: object) -> dict[str, object]:
    known: dict[str, object] = {
        "version": "0.1.0",
        "node_name": "Lyon",
        "open_registrations": False,
        "users": 12,
        "local_posts": 34,
        "fedcoop": {"version": "1", "profiles": ["core"]},
        **changes,
    }
    return discovery.nodeinfo(**known)  # type: ignore[arg-type]


def test_nodeinfo_says_who_we_are_and_true_numbers():
    document = a_nodeinfo(repository="https://example.org/fedcoop")
    assert document["version"] == "2.1"
    assert document["software"] == {
        "name": "fedcoop",
        "version": "0.1.0",
        "repository": "https://example.org/fedcoop",
    }
    assert document["protocols"] == ["activitypub"]
    assert document["usage"] == {"users": {"total": 12}, "localPosts": 34}
    assert document["metadata"] == {"nodeName": "Lyon", "fedcoop": {"version": "1", "profiles": ["core"]}}


def test_nodeinfo_hides_numbers_that_the_operator_hides():
    assert a_nodeinfo(users=None, local_posts=None)["usage"] == {"users": {}}
    assert a_nodeinfo(users=0, local_posts=0)["usage"] == {"users": {"total": 0}, "localPosts": 0}


def test_nodeinfo_obeys_its_published_schema(shared: Path):
    schema = json.loads((shared / "vectors" / "nodeinfo-2.1.schema.json").read_text())
    validator = jsonschema_rs.validator_for(schema)
    for document in (
        a_nodeinfo(),
        a_nodeinfo(users=None, local_posts=None, repository="https://example.org/x"),
    ):
        validator.validate(document)
