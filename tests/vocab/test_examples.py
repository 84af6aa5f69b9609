"""The examples against the server: same verdicts, right proofs, chains that the engine takes to the end."""

from __future__ import annotations

import copy
import itertools
import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest

from fedcoop.protocol import chain as chains
from fedcoop.protocol import proof
from fedcoop.protocol.digest import chain_digest
from fedcoop.protocol.facts import Facts
from fedcoop.protocol.model import CODE_LISTS, SCHEMAS
from fedcoop.protocol.shape import read_activity
from tests.vocab.conftest import ROOT, VOCAB, build, part_of_the_build

check = part_of_the_build("build_check")
schemas = part_of_the_build("build_schemas")
signing = part_of_the_build("sign_examples")

EXAMPLES: Final = VOCAB / "examples"
FILES: Final = sorted(EXAMPLES.glob("*/*.json"))
VALID: Final = [path for path in FILES if not path.stem.endswith("_fail")]
NEXT_YEAR: Final = datetime(2027, 6, 1, tzinfo=UTC)
NANTES: Final = "https://velo-nantes.example/actors/coop"


def name_of(path: Path) -> str:
    return path.relative_to(EXAMPLES).with_suffix("").as_posix()


def read(name: str | Path) -> Any:
    path = EXAMPLES / f"{name}.json" if isinstance(name, str) else name
    return json.loads(path.read_text(encoding="utf-8"))


def deny(uri: str) -> Any:
    raise LookupError(uri)


VALIDATORS: Final = {
    name: jsonschema_rs.validator_for(schema, validate_formats=True, retriever=deny)
    for name, schema in SCHEMAS.items()
}


# -- schemas -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_server_s_validator_gives_the_verdict_of_the_check(path: Path):
    found = [
        name
        for name, _, part in check.subjects(read(path), VALIDATORS)
        if not VALIDATORS[name].is_valid(part)
    ]
    assert bool(found) == path.stem.endswith("_fail")


def test_the_schema_files_give_the_verdict_of_the_self_contained_ones():
    def inner(document: Any) -> Any:
        common = json.loads((VOCAB / "schemas" / "common.schema.json").read_text(encoding="utf-8"))
        text = json.dumps(document).replace("common.schema.json#/$defs/", "#/$defs/")
        return {**json.loads(text), "$defs": json.loads(json.dumps(common["$defs"]))}

    from_files = {
        name: jsonschema_rs.validator_for(
            inner(read(VOCAB / "schemas" / f"{name}.schema.json")), retriever=deny
        )
        for name in SCHEMAS
    }
    for path in FILES:
        for name, _, part in check.subjects(read(path), VALIDATORS):
            assert from_files[name].is_valid(part) == VALIDATORS[name].is_valid(part), (path, name)


def mission(**changes: Any) -> Any:
    document = {**read("Mission/booking-module"), **changes}
    return {name: value for name, value in document.items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"type": ["Note"]},
        {"type": "Mission", "fedcoopType": None},
        {"type": ["Proposal", "Mission", "Note"], "fedcoopType": None},
        {"type": "https://w3id.org/fedcoop/v1#Mission", "fedcoopType": None},
        {"fedcoopType": "Mission"},
        {"fedcoopType": ["Mission", "Proposal"]},
        {"fedcoopType": ["https://w3id.org/fedcoop/v1#Mission"]},
        {"proof": None},
        {"somethingNew": {"nobody": ["knows"]}},
        {"workMode": "underwater"},
        {"acceptedStatuses": ["cape", "cooperativeOfTheFuture"]},
        {"relayScope": "galaxy"},
    ],
    ids=str,
)
def test_a_mission_is_accepted_in_every_variant_of_the_wire(changes: Any):
    assert VALIDATORS["Mission"].is_valid(mission(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "Note", "fedcoopType": None},
        {"type": "Note", "fedcoopType": ["Proposal"]},
        {"missionState": "open"},
        {"purpose": "offer"},
        {"acceptedStatuses": "cape"},
    ],
    ids=str,
)
def test_a_mission_is_refused_where_the_vocabulary_is_closed(changes: Any):
    assert not VALIDATORS["Mission"].is_valid(mission(**changes))


@pytest.mark.parametrize("name", ["startTime", "applyBefore", "published"])
@pytest.mark.parametrize(
    "day", ["2027-02-30", "2027-02-29", "2100-02-29", "2027-04-31", "2027-13-01", "0000-01-01"]
)
def test_a_day_that_does_not_exist_is_refused_wherever_it_stands(name: str, day: str):
    assert not VALIDATORS["Mission"].is_valid(mission(**{name: f"{day}T09:00:00Z"}))


def test_the_days_of_the_schemas_are_those_of_the_calendar():
    day = re.compile(schemas._DATE)
    for year in (1, 4, 99, 100, 400, 999, 1000, 1900, 2000, 2026, 2028, 2100, 9996, 9999):
        for month, number in itertools.product(range(14), range(33)):
            try:
                exists = bool(date(year, month, number))
            except ValueError:
                exists = False
            assert bool(day.fullmatch(f"{year:04}-{month:02}-{number:02}")) == exists, (year, month, number)


def test_every_code_of_a_closed_list_is_accepted():
    for state in CODE_LISTS["MissionState"]:
        assert VALIDATORS["Mission"].is_valid(mission(missionState=state))


@pytest.mark.parametrize("number", range(1, 8))
def test_the_published_fep_0837_examples_fit_the_plain_schemas(number: int):
    path = ROOT.parent / "shared" / "data" / "fep_examples" / f"fep-0837-{number:02}.json"
    if not path.exists():
        pytest.skip("the published examples are not part of the project")
    for name, pointer, part in check.subjects(read(path), VALIDATORS):
        errors = [error.message for error in VALIDATORS[name].iter_errors(part)]
        assert errors == [], (name, pointer)


# -- proofs --------------------------------------------------------------------------------------------------

ACTORS: Final = {
    document["id"]: document
    for document in map(read, VALID)
    if "assertionMethod" in document and "inbox" in document
}


def signed_parts(document: Any) -> list[Any]:
    if isinstance(document, list):
        return [part for inner in document for part in signed_parts(inner)]
    if not isinstance(document, dict):
        return []
    here = [document] if "proof" in document else []
    return here + [part for inner in document.values() for part in signed_parts(inner)]


@pytest.mark.parametrize("path", VALID, ids=name_of)
def test_every_proof_in_an_example_is_right(path: Path):
    for part in signed_parts(read(path)):
        owner = part["proof"]["verificationMethod"].partition("#")[0]
        if owner in ACTORS:
            proof.verify_document(part, ACTORS[owner], now=NEXT_YEAR)
        again = copy.deepcopy(part)
        signing.sign(again)
        assert again["proof"] == part["proof"]


# -- chains --------------------------------------------------------------------------------------------------


def activity_of(document: Any) -> Any:
    return read_activity(document, json.dumps(document).encode())


@pytest.mark.parametrize("names", signing.CHAINS, ids=lambda names: names[0])
def test_the_activities_of_a_chain_name_the_digest_before(names: tuple[str, ...]):
    documents = [read(name) for name in names]
    assert [document["stateVersion"] for document in documents] == list(range(1, len(documents) + 1))
    for before, after in itertools.pairwise(documents):
        assert after["previousDigest"] == chain_digest(before)


def test_the_rule_that_a_mission_or_an_engagement_pins_is_the_rule_of_the_examples():
    rules = {
        read(path)["id"]: chain_digest(read(path)) for path in VALID if path.parent.name == "PricingRule"
    }
    for name in (
        "Mission/create-deliveries",
        "Mission/booking-module",
        "Engagement/offer",
        "Engagement/accept",
    ):
        document = read(name)
        pinned = document.get("result") or document.get("object") or document
        assert pinned["pricingRuleDigest"] == rules[pinned["pricingRule"]]


def test_the_signed_head_is_that_of_its_chain():
    for head, last in signing.HEADS.items():
        assert (read(head)["digest"], read(head)["stateVersion"]) == (
            chain_digest(read(last)),
            read(last)["stateVersion"],
        )


def published(name: str) -> chains.Chain:
    """The chain of a proposal of which the examples show the object alone."""
    said = {
        **{key: read(name)[key] for key in ("@context", "to", "published")},
        "id": "https://velo-nantes.example/activities/79",
        "type": "Create",
        "actor": NANTES,
        "object": {key: value for key, value in read(name).items() if key not in ("@context", "proof")},
        "stateVersion": 1,
    }
    return walk([said], Facts())[-1].chain


def walk(documents: list[Any], facts: Facts) -> list[chains.Taken]:
    taken: list[chains.Taken] = []
    for document in documents:
        activity = activity_of(document)
        before = taken[-1].chain if taken else None
        taken.append(chains.take(activity, before, facts, chains.place(before, [], activity)))
    return taken


def test_the_engagement_of_the_examples_is_taken_from_offer_to_settled():
    chain = next(names for names in signing.CHAINS if names[0] == "Engagement/offer")
    facts = Facts(proposal=published("Mission/booking-module"), keys=ACTORS)
    assert [step.chain.state for step in walk([read(name) for name in chain], facts)] == [
        *("proposed", "proposed", "countered", "proposed", "accepted"),
        *("active", "delivered", "active", "delivered", "completed", "completed", "settled"),
    ]


@pytest.mark.parametrize(
    ("first", "proposal", "states"),
    [
        ("Mission/create-deliveries", None, ["published", "assigned"]),
        ("Mission/create-type-array", None, ["published", "withdrawn"]),
        ("ServiceOffer/create", None, ["published", "published", "withdrawn"]),
        ("Engagement/offer-self-employed", "Mission/booking-module", ["proposed", "rejected"]),
    ],
)
def test_the_other_chains_of_the_examples_are_legal(first: str, proposal: str | None, states: list[str]):
    names = next(names for names in signing.CHAINS if names[0] == first)
    facts = Facts(proposal=published(proposal) if proposal else None, keys=ACTORS)
    assert [step.chain.state for step in walk([read(name) for name in names], facts)] == states


def test_every_activity_and_class_has_a_schema_that_fetches_nothing():
    loaded = build.load(VOCAB)
    kinds = {name for name, info in loaded["classes"]["classes"].items() if info["kind"] != "foreign"}
    assert kinds | set(loaded["authorisation"]["activities"]) | {"Activity", "Actor"} == set(SCHEMAS)
    for schema in SCHEMAS.values():
        references = json.dumps(json.loads(schema)).count('"$ref"')
        assert references == json.dumps(json.loads(schema)).count('"$ref": "#/$defs/')
