"""Each kind of disagreement is found: one sabotage for each, in memory or on a copy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vocab.conftest import VOCAB, part_of_the_build

check = part_of_the_build("build_check")

Spoil = Callable[[Any], None]


def edge(data: Any, lifecycle: str, source: str, target: str) -> Any:
    edges = data["lifecycles"][lifecycle]["transitions"]
    return next(e for e in edges if (e["from"], e["to"]) == (source, target))


def row(data: Any, activity: str, name: str) -> Any:
    return next(r for r in data["authorisation"]["rows"] if (r["activity"], r["object"]) == (activity, name))


def without(data: Any, lifecycle: str, source: str) -> None:
    machine = data["lifecycles"][lifecycle]
    machine["transitions"] = [e for e in machine["transitions"] if e["from"] != source]


def unreached(data: Any) -> None:
    machine = data["lifecycles"]["Listing"]
    machine["transitions"] = [e for e in machine["transitions"] if e["to"] != "withdrawn"]


def ambiguous(data: Any) -> None:
    twin = {**edge(data, "Mission", "published", "expired"), "to": "cancelled"}
    data["lifecycles"]["Mission"]["transitions"].append(twin)


def prop(data: Any, name: str) -> Any:
    return data["properties"]["properties"][name]


LIFECYCLES: dict[str, tuple[Spoil, str]] = {
    "a dead state": (
        lambda d: without(d, "Mission", "accepted"),
        "Mission: the state accepted is dead: no end can be reached from it",
    ),
    "an unreachable state": (unreached, "Listing: the state withdrawn cannot be reached"),
    "a state outside its list": (
        lambda d: edge(d, "Mission", "accepted", "settled").update(to="closed"),
        "Mission: the state closed is not in MissionState",
    ),
    "a code that is no state": (
        lambda d: d["codes"]["lists"]["MissionState"]["codes"].update(paused={"fr": "x", "en": "x"}),
        "the code paused of MissionState is no state",
    ),
    "an end with a way out": (
        lambda d: d["lifecycles"]["Mission"]["terminal"].append("accepted"),
        "the state accepted is an end and has a way out",
    ),
    "an unknown sender": (
        lambda d: edge(d, "Mission", "published", "expired").update(sender="boss"),
        "unknown sender role boss",
    ),
    "an unknown guard": (
        lambda d: edge(d, "Mission", "published", "expired")["guards"].append("moonFull"),
        "unknown guard moonFull",
    ),
    "guards that are not a list": (
        lambda d: edge(d, "Mission", "published", "expired").update(guards={"all": ["sameTerms"]}),
        "guards is not a list of names",
    ),
    "an unknown activity": (
        lambda d: edge(d, "Mission", "published", "expired").update(activity="Expire"),
        "unknown activity Expire",
    ),
    "an unknown object": (
        lambda d: edge(d, "Mission", "published", "expired").update(object="Misson"),
        "unknown object Misson",
    ),
    "a condition on a code that is not there": (
        lambda d: edge(d, "Mission", "published", "expired").update(where={"missionState": "late"}),
        "missionState cannot be late",
    ),
    "two edges for one message": (ambiguous, "the same message also leads to expired"),
    "a state property of another list": (
        lambda d: prop(d, "missionState").update(range="code:EngagementState"),
        "the property missionState does not hold a MissionState",
    ),
    "an open list of states": (
        lambda d: d["codes"]["lists"]["MissionState"].update(closed=False),
        "MissionState holds states and is not closed",
    ),
    "a guard that nothing uses": (
        lambda d: d["guards"]["guards"].update(unused={"fr": "x", "en": "x"}),
        "unused is used by no transition",
    ),
    "an unknown code list": (
        lambda d: d["lifecycles"]["Mission"].update(codeList="States"),
        "Mission has the unknown code list States",
    ),
}

AUTHORISATION: dict[str, tuple[Spoil, str]] = {
    "an edge without a row": (
        lambda d: d["authorisation"]["rows"].remove(row(d, "Delete", "Mission")),
        "Delete(Mission) of Mission is missing",
    ),
    "a row without an edge": (
        lambda d: row(d, "Invite", "Mission").update(lifecycle="Mission"),
        "Invite(Mission) of Mission: no transition carries it",
    ),
    "another sender than the edge's": (
        lambda d: row(d, "Create", "WorkRecord").update(senders=["carrier"]),
        "Create(WorkRecord) of Engagement: the senders are not those of the transitions",
    ),
    "implemented on one side only": (
        lambda d: row(d, "Flag", "WorkRecord").update(implemented=True),
        "`implemented` is not what the transitions say",
    ),
    "an unknown role": (
        lambda d: row(d, "Block", "Actor").update(senders=["boss"]),
        "unknown sender role boss",
    ),
    "an unknown audience": (
        lambda d: row(d, "Block", "Actor").update(audience=["world"]),
        "unknown audience world",
    ),
    "a row twice": (
        lambda d: d["authorisation"]["rows"].append(row(d, "Block", "Actor")),
        "Block(Actor) is there twice",
    ),
    "an effect without French": (
        lambda d: row(d, "Block", "Actor")["effect"].update(fr=""),
        "no label in fr",
    ),
}

TERMS: dict[str, tuple[str, Spoil, str]] = {
    "a code without English": (
        "codes",
        lambda d: d["codes"]["lists"]["WorkStatus"]["codes"]["cape"].pop("en"),
        "WorkStatus.cape has no label in en",
    ),
    "a list that nothing uses": (
        "codes",
        lambda d: d["codes"]["lists"].update(Colour={"closed": False, "fr": "x", "en": "x", "codes": {}}),
        "Colour is used by nothing",
    ),
    "a property with an unknown list": (
        "properties",
        lambda d: prop(d, "workMode").update(range="code:Modes"),
        "workMode has the unknown code list Modes",
    ),
    "a property on an unknown class": (
        "properties",
        lambda d: prop(d, "workMode")["on"].update(Misson="1"),
        "workMode sits on the unknown Misson",
    ),
    "a property with an unknown privacy class": (
        "properties",
        lambda d: prop(d, "workMode").update(privacy={"*": "P7"}),
        "workMode has the unknown privacy class P7",
    ),
    "an example against its range": (
        "properties",
        lambda d: prop(d, "slots").update(example="two"),
        "slots: the example does not fit its range",
    ),
    "a cardinality that is none": (
        "properties",
        lambda d: prop(d, "slots")["on"].update(Mission="many"),
        "slots has the cardinality many",
    ),
    "a name that FEP-2277 reads": (
        "properties",
        lambda d: d["properties"]["properties"].update(items=prop(d, "slots")),
        "items changes what FEP-2277 takes an object for",
    ),
    "a name for two terms": (
        "classes",
        lambda d: d["codes"]["lists"].update(Mission=d["codes"]["lists"]["Unit"]),
        "Mission names two terms",
    ),
    "a problem without help": (
        "problems",
        lambda d: d["problems"]["problems"]["stale"]["help"].update(en=" "),
        "stale has no label in en",
    ),
    "a problem that nobody solves": (
        "problems",
        lambda d: d["problems"]["problems"]["stale"].update(who=["somebody"]),
        "stale does not say who must act",
    ),
    "a problem without an example": (
        "problems",
        lambda d: d["problems"]["problems"]["stale"]["example"].pop("received"),
        "stale has no example with",
    ),
    "a problem that is no failure": (
        "problems",
        lambda d: d["problems"]["problems"]["stale"].update(status=200),
        "stale has the status 200",
    ),
}


@pytest.mark.parametrize("kind", LIFECYCLES)
def test_a_spoilt_lifecycle_is_found(kind: str, data: Any):
    spoil, sentence = LIFECYCLES[kind]
    assert list(check.lifecycles(data)) == []
    spoil(data)
    assert [found for found in check.lifecycles(data) if sentence in found]


@pytest.mark.parametrize("kind", AUTHORISATION)
def test_a_spoilt_authorisation_table_is_found(kind: str, data: Any):
    spoil, sentence = AUTHORISATION[kind]
    assert list(check.authorisation(data)) == []
    spoil(data)
    assert [found for found in check.authorisation(data) if sentence in found]


@pytest.mark.parametrize("kind", TERMS)
def test_a_spoilt_term_is_found(kind: str, data: Any):
    part, spoil, sentence = TERMS[kind]
    assert list(getattr(check, part)(data)) == []
    spoil(data)
    assert [found for found in getattr(check, part)(data) if sentence in found]


# -- contexts ------------------------------------------------------------------------------------------------


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    """The contexts, to spoil."""
    shutil.copytree(VOCAB / "context", tmp_path / "context")
    return tmp_path


def rewrite(path: Path, change: Spoil) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document["@context"])
    path.write_text(json.dumps(document), encoding="utf-8")


CONTEXTS: dict[str, tuple[str, Spoil, str]] = {
    "a term that is neither class nor property": (
        "v1.jsonld",
        lambda c: c.update(colour="fc:colour"),
        "colour is neither a class nor a property",
    ),
    "a property that is missing": ("v1.jsonld", lambda c: c.pop("slots"), "the property slots is missing"),
    "a class that is missing": ("v1.jsonld", lambda c: c.pop("Mission"), "the class Mission is missing"),
    "a prefix that is missing": ("v1.jsonld", lambda c: c.pop("vf"), "the prefix vf is missing"),
    "another IRI": (
        "v1.jsonld",
        lambda c: c.update(slots="fc:slots"),
        "slots is fc:slots, in properties.json",
    ),
    "another class IRI": (
        "v1.jsonld",
        lambda c: c.update(Mission="vf:Mission"),
        "class Mission is vf:Mission",
    ),
    "another type": (
        "v1.jsonld",
        lambda c: c.update(mission={"@id": "fc:mission"}),
        "mission has type None",
    ),
    "another container": (
        "v1.jsonld",
        lambda c: c.update(skills="fc:skills"),
        "skills has container None",
    ),
    "a clash with ActivityStreams": (
        "v1.jsonld",
        lambda c: c.update(name="fc:name"),
        "name clashes with activ",
    ),
    "a clash with data integrity": (
        "v1.jsonld",
        lambda c: c.update(proof="fc:proof"),
        "proof clashes with data",
    ),
    "a redefined prefix of ActivityStreams": (
        "v1.jsonld",
        lambda c: c.update({"as": "https://example.org/"}),
        "as clashes with activitystreams",
    ),
    "a credential term that is missing": (
        "credentials-v1.jsonld",
        lambda c: c.pop("performedFrom"),
        "the property performedFrom is missing",
    ),
    "a credential class that is missing": (
        "credentials-v1.jsonld",
        lambda c: c.pop("WorkAttestation"),
        "the class WorkAttestation is missing",
    ),
    "a clash with credentials": (
        "credentials-v1.jsonld",
        lambda c: c.update(description="fc:description"),
        "description clashes with credentials-v2",
    ),
}


@pytest.mark.parametrize("kind", CONTEXTS)
def test_a_spoilt_context_is_found(kind: str, vocab: Path, data: Any):
    file, spoil, sentence = CONTEXTS[kind]
    assert list(check.contexts(vocab, data)) == []
    rewrite(vocab / "context" / file, spoil)
    assert [found for found in check.contexts(vocab, data) if sentence in found]


# -- examples ------------------------------------------------------------------------------------------------


@pytest.fixture
def amounts(tmp_path: Path, data: Any) -> tuple[Path, Any]:
    """A vocabulary whose only class with examples is MonetaryAmount."""
    for folder in ("context", "examples/MonetaryAmount"):
        shutil.copytree(VOCAB / folder, tmp_path / folder)
    infos = data["classes"]["classes"]
    for name in infos:
        if name != "MonetaryAmount":
            infos[name]["kind"] = infos[name]["kind"] if infos[name]["kind"] == "value" else "foreign"
    data["classes"]["classes"] = {
        name: info for name, info in infos.items() if name == "MonetaryAmount" or info["kind"] == "foreign"
    }
    return tmp_path, data


def sentences(case: tuple[Path, Any]) -> list[str]:
    return list(check.examples(*case))


def example(case: tuple[Path, Any], name: str) -> Path:
    return case[0] / "examples" / "MonetaryAmount" / name


def change(path: Path, **members: Any) -> None:
    document = {**json.loads(path.read_text(encoding="utf-8")), **members}
    path.write_text(json.dumps(document), encoding="utf-8")


def test_the_examples_of_one_class_alone_are_right(amounts: tuple[Path, Any]):
    assert sentences(amounts) == []


def test_a_valid_example_that_does_not_validate_is_found(amounts: tuple[Path, Any]):
    change(example(amounts, "euro.json"), value=169.4)
    assert "euro.json is invalid at /value" in sentences(amounts)[0]


def test_an_invalid_example_that_validates_is_found(amounts: tuple[Path, Any]):
    change(example(amounts, "number_fail.json"), value="169.40")
    assert "number_fail.json is meant to be invalid and validates" in sentences(amounts)[0]


def test_an_example_invalid_for_another_reason_is_found(amounts: tuple[Path, Any]):
    change(example(amounts, "number_fail.json"), value="169.40", currency="€")
    assert "number_fail.json is invalid at /currency, not at /value" in sentences(amounts)[0]


def test_an_invalid_example_without_a_reason_is_found(amounts: tuple[Path, Any]):
    shutil.copy(example(amounts, "number_fail.json"), example(amounts, "other_fail.json"))
    assert sentences(amounts) == ["examples/MonetaryAmount/other_fail.json: the README gives no reason"]


def test_a_reason_without_its_example_is_found(amounts: tuple[Path, Any]):
    example(amounts, "comma_fail.json").unlink()
    assert sentences(amounts) == ["examples/MonetaryAmount/comma_fail.json is explained and not there"]


def test_a_term_that_no_context_defines_is_found(amounts: tuple[Path, Any]):
    change(example(amounts, "euro.json"), colour="blue")
    assert sentences(amounts) == ["examples/MonetaryAmount/euro.json: the term colour expands to no IRI"]


def test_a_type_that_no_context_defines_is_found(amounts: tuple[Path, Any]):
    change(example(amounts, "euro.json"), type=["MonetaryAmount", "Money"])
    assert sentences(amounts) == ["examples/MonetaryAmount/euro.json: the term Money expands to no IRI"]


def test_a_context_that_would_have_to_be_fetched_is_found(amounts: tuple[Path, Any]):
    change(example(amounts, "euro.json"), **{"@context": ["https://schema.org/"]})
    assert "does not expand" in sentences(amounts)[0]


def test_a_class_without_examples_is_found(amounts: tuple[Path, Any]):
    shutil.rmtree(amounts[0] / "examples")
    assert sentences(amounts) == [
        "examples/MonetaryAmount: no valid example",
        "examples/MonetaryAmount: fewer than 2 invalid examples",
    ]


def test_two_files_that_differ_only_in_case_are_found(tmp_path: Path):
    files = {tmp_path / "A.html": "", tmp_path / "a.html": ""}
    for path in files:
        path.touch()
    assert [found for found in check.files(files, [], tmp_path) if "upper and lower case" in found]


def test_the_check_leaves_no_part_out(monkeypatch: pytest.MonkeyPatch, data: Any):
    parts = (
        "classes",
        "properties",
        "codes",
        "problems",
        "lifecycles",
        "authorisation",
        "contexts",
        "examples",
    )
    for part in parts:
        monkeypatch.setattr(check, part, lambda *_, part=part: iter([part]))
    assert sorted(check.everything(VOCAB, data)) == sorted(parts)
