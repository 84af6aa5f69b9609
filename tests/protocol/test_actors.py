"""The documents of our own actors: what each says, and what is not in them."""

from __future__ import annotations

from typing import Any

import pytest

from fedcoop.protocol import actors, schemas
from fedcoop.protocol.actors import RFC9421, RFC9421_ED25519, PublicKeys, announced
from fedcoop.protocol.model import CAPABILITY
from fedcoop.protocol.multikey import encode_public, proof_key_of, public_key_to_pem
from fedcoop.protocol.shape import class_of
from tests.protocol.making import AWA, LYON
from tests.protocol.signing import NOW, ed_key, rsa_key

COOP = f"{LYON}/actors/coop"
KEYS = PublicKeys(public_key_to_pem(rsa_key(COOP).public_key()), encode_public(ed_key(COOP).public_key()))


def documents() -> list[dict[str, Any]]:
    return [
        actors.cooperative(
            base=LYON, username="coop", keys=KEYS, profile={"name": "Lyon", "cooperativeKind": ["cae"]}
        ),
        actors.member(base=LYON, username="awa", keys=KEYS, profile={"name": "Awa"}),
        actors.application(base=LYON, keys=KEYS, name="Lyon"),
    ]


@pytest.mark.parametrize(
    ("number", "iri", "wire_type", "kind"),
    [
        (0, COOP, "Organization", "Cooperative"),
        (1, AWA, "Person", "Member"),
        (2, f"{LYON}/actor", "Application", "Application"),
    ],
)
def test_each_actor_has_its_id_its_type_and_its_boxes(number: int, iri: str, wire_type: str, kind: str):
    document = documents()[number]
    assert (document["id"], document["type"], class_of(document)) == (iri, wire_type, kind)
    for box in ("inbox", "outbox", "followers", "following"):
        assert document[box] == f"{iri}/{box}"
    assert document["endpoints"] == actors.endpoints(LYON, kind)
    assert document["endpoints"]["sharedInbox"] == f"{LYON}/inbox"
    assert document["manuallyApprovesFollowers"] is True


def test_programs_ask_for_leave_of_people_and_not_of_the_instance():
    coop, awa, application = documents()
    for document in (coop, awa):
        assert document["endpoints"]["oauthAuthorizationEndpoint"] == f"{LYON}/oauth/authorize"
        assert document["endpoints"]["oauthTokenEndpoint"] == f"{LYON}/oauth/token"
    assert application["endpoints"] == {"sharedInbox": f"{LYON}/inbox"}


@pytest.mark.parametrize("document", documents())
def test_each_actor_has_one_key_for_requests_and_one_for_proofs(document: dict[str, Any]):
    assert document["publicKey"]["owner"] == document["id"]
    assert document["publicKey"]["id"] == f"{document['id']}#main-key"
    (multikey,) = document["assertionMethod"]
    assert multikey["controller"] == document["id"]
    assert proof_key_of(document, multikey["id"], at=NOW) == ed_key(COOP).public_key()


@pytest.mark.parametrize("document", documents())
def test_each_actor_announces_what_its_server_speaks(document: dict[str, Any]):
    links = document["generator"]["implements"]
    assert [link["href"] for link in links] == [CAPABILITY, RFC9421, RFC9421_ED25519]
    assert {link["type"] for link in links} == {"Link"}
    assert announced(document) == {CAPABILITY, RFC9421, RFC9421_ED25519}


@pytest.mark.parametrize(("number", "schema"), [(0, "Cooperative"), (1, "Member")])
def test_actors_keep_to_the_schemas_of_the_vocabulary(number: int, schema: str):
    schemas.check(documents()[number], schema)


def test_a_member_says_where_they_belong():
    member = documents()[1]
    assert (member["homeCooperative"], member["memberOf"]) == (COOP, [COOP])


def test_a_profile_adds_and_keys_stay():
    document = actors.member(
        base=LYON, username="awa", keys=KEYS, profile={"name": "Awa", "publicKey": "mine"}
    )
    assert document["name"] == "Awa"
    assert document["publicKey"]["owner"] == AWA


def test_the_first_rules_are_public_and_keep_to_their_schemas():
    fixed = actors.fixed_price_rule(base=LYON, name="Lyon", effective="2026-11-22T12:00:00Z")
    matching = actors.matching_rule(base=LYON, effective="2026-11-22T12:00:00Z")
    for rule, name in ((fixed, "PricingRule"), (matching, "MatchingRule")):
        assert class_of(rule) == name
        assert rule["to"] == ["https://www.w3.org/ns/activitystreams#Public"]
        schemas.check({**rule, "@context": ["x"]}, name)
    assert {"refusals", "origin"} <= set(matching["excludedSignals"])
    assert set(fixed["nameMap"]) == {"fr", "en"}


def test_a_membership_says_who_employs_whom_and_until_when():
    credential = actors.membership_credential(
        base=LYON,
        credential_id=f"{LYON}/credentials/membership-awa",
        member_id=AWA,
        status="cape",
        since="2026-01-01",
        valid_from="2026-11-21T12:00:00Z",
        valid_until="2027-11-20T12:00:00Z",
    )
    assert (credential["issuer"], credential["credentialSubject"]["id"]) == (COOP, AWA)
    assert credential["credentialSubject"]["workStatus"] == "cape"
    assert "proof" not in credential


@pytest.mark.parametrize(
    ("generator", "found"),
    [
        ({"implements": [{"href": RFC9421, "name": "x"}]}, {RFC9421}),
        ({"implements": {"type": "Link", "href": RFC9421}}, {RFC9421}),
        ({"implements": RFC9421}, {RFC9421}),
        ({"implements": [RFC9421, {"id": RFC9421_ED25519}]}, {RFC9421, RFC9421_ED25519}),
        ({"implements": [{"href": 1}, None, ["x"], {}]}, set()),
        ({"implements": None}, set()),
        ({}, set()),
        ("https://software.example", set()),
        ([{"implements": RFC9421}], set()),
        (None, set()),
    ],
)
def test_what_an_actor_announces_is_read_in_any_of_its_shapes(generator: Any, found: set[str]):
    assert announced({"generator": generator}) == found
    assert announced({}) == frozenset()
