"""What a stranger proves with a history, and that no document of whatever kind makes it raise."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedcoop.protocol import strict_json
from fedcoop.protocol.build import contexts
from fedcoop.protocol.chain import place, take
from fedcoop.protocol.facts import Facts
from fedcoop.protocol.history import FORMAT, ChainRecord, Head, Report, history_document, verify_history
from fedcoop.protocol.messages import Activity, Chain, Document
from fedcoop.protocol.proof import sign_document
from fedcoop.protocol.shape import read_activity
from tests.protocol.making import (
    AWA,
    CARRIER,
    LYON,
    MALLORY,
    MISSION,
    NANTES,
    OFFERED,
    OWNER,
    a_commitment,
    a_mission,
    a_price,
    amount,
    an_activity,
    an_engagement,
    following,
    keys_of,
    sealed,
)
from tests.protocol.signing import NOW, a_multikey, ed_key

KEYS = keys_of(OWNER, AWA, CARRIER)


def proven(activity: Activity) -> Activity:
    """Return the activity with its sender's proof."""
    document = sealed(activity.raw, activity.actor)
    return read_activity(document, strict_json.dumps(document))


def told(*steps: Any, facts: Facts | None = None) -> tuple[Chain, tuple[Document, ...]]:
    """Return the chain of some steps, each (kind, actor, object, members) or an activity, and the signed documents."""
    chain: Chain | None = None
    documents = []
    for number, (kind, actor, obj, more) in enumerate(steps, 1):
        home = "/".join(actor.split("/")[:3])
        members = {"id": f"{home}/activities/{number}", **more}
        say = (
            following(chain, kind, actor, obj, **members)
            if chain
            else an_activity(kind, actor, obj, **members)
        )
        said = proven(say)
        chain = take(said, chain, facts or Facts(keys=KEYS), place(chain, (), said)).chain
        documents.append(said.raw)
    assert chain is not None
    return chain, tuple(documents)


def a_mission_told() -> tuple[Chain, tuple[Document, ...]]:
    dearer = a_mission(price=a_price("1200.00"))
    dearer["reciprocal"] = {**dearer["reciprocal"], "resourceQuantity": amount("1200.00")}
    return told(("Create", OWNER, a_mission(), {"stateVersion": 1}), ("Update", OWNER, dearer, {}))


def an_engagement_told() -> tuple[Chain, tuple[Document, ...]]:
    return told(
        ("Offer", AWA, an_engagement(), {"id": OFFERED, "stateVersion": 1}),
        ("TentativeAccept", OWNER, OFFERED, {}),
        ("Reject", OWNER, OFFERED, {"reasonCode": "other"}),
    )


def signed_head(head: Document, owner: str) -> dict[str, Any]:
    whole = {"@context": contexts(NANTES), **head}
    return sign_document(whole, key=ed_key(owner), verification_method=f"{owner}#ed25519-1", created=NOW)


def a_history(sign: Any = signed_head) -> dict[str, Any]:
    """Return the history of a mission whose price has risen since somebody offered, and was refused."""
    records = [
        ChainRecord(chain, documents, KEYS, (True,) * chain.version)
        for chain, documents in (a_mission_told(), an_engagement_told())
    ]
    return history_document(MISSION, records, base=NANTES, sign=sign)


def findings(report: Report) -> list[tuple[int | None, str]]:
    every = [*report.findings, *(f for chain in report.chains for f in chain.findings)]
    return [(f.version, f.code) for f in every]


def test_a_history_with_signed_heads_is_complete():
    report = verify_history(a_history())
    assert report.complete, findings(report)
    assert [(c.kind, c.state, len(c.proven)) for c in report.chains] == [
        ("Mission", "published", 2),
        ("Engagement", "rejected", 3),
    ]
    assert {p.key for c in report.chains for p in c.proven} == {
        a_multikey(OWNER)["publicKeyMultibase"],
        a_multikey(AWA)["publicKeyMultibase"],
    }


def test_an_offer_is_read_against_the_terms_as_they_were():
    # The mission pays more by now: what was offered before answered the older version.
    report = verify_history(a_history())
    assert report.ok
    only_now = a_history()
    only_now["chains"][1]["activities"][0] = sealed(
        {
            **{k: v for k, v in only_now["chains"][1]["activities"][0].items() if k != "proof"},
            "object": an_engagement(stipulatesReciprocal=a_commitment("reciprocal", "7.00")),
        },
        AWA,
    )
    assert (1, "quantity-mismatch") in findings(verify_history(only_now))


def test_whoever_does_not_own_a_chain_cannot_say_that_there_is_no_more():
    report = verify_history(a_history(sign=lambda head, owner: head))
    assert report.ok
    assert not report.complete
    assert not any(c.complete or c.head_signed for c in report.chains)


def test_a_head_from_elsewhere_makes_its_chain_complete():
    document = a_history(sign=lambda head, owner: head)
    heads = [c["head"] for c in document["chains"]]
    report = verify_history(document, head=Head(heads[1]["digest"], heads[1]["stateVersion"]))
    assert [c.complete for c in report.chains] == [False, True]
    assert verify_history(document, head=Head(heads[1]["digest"])).chains[1].complete


@pytest.mark.parametrize("head", [Head("zQmOther"), Head("zQmOther", 3)])
def test_a_head_that_is_not_reached_is_named(head: Head):
    assert findings(verify_history(a_history(), head=head)) == [(head.version, "head-not-reached")]


def test_a_head_of_another_version_is_not_reached():
    document = a_history()
    digest = document["chains"][1]["head"]["digest"]
    assert findings(verify_history(document, head=Head(digest, 2))) == [(2, "head-not-reached")]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_each_activity_is_its_senders(position: int):
    document = a_history()
    activities = document["chains"][1]["activities"]
    unsigned = {k: v for k, v in activities[position].items() if k != "proof"}
    for forged, code in ((unsigned, "proof-missing"), (sealed(unsigned, MALLORY), "proof-key")):
        other = copy.deepcopy(document)
        other["chains"][1]["activities"][position] = forged
        assert findings(verify_history(other))[0] == (position + 1, code)


def test_an_activity_of_somebody_whose_keys_are_missing_proves_nothing():
    document = a_history()
    document["actors"] = [a for a in document["actors"] if a["id"] != AWA]
    assert (1, "key-unknown") in findings(verify_history(document))


def test_a_chain_is_the_one_that_it_is_called():
    document = a_history()
    document["chains"][0]["chain"] = f"{NANTES}/missions/2"
    assert (None, "chain-mismatch") in findings(verify_history(document))


def forged_head(document: dict[str, Any], by: str, **changes: Any) -> None:
    head = {k: v for k, v in document["chains"][0]["head"].items() if k not in ("proof", "@context")}
    document["chains"][0]["head"] = signed_head({**head, **changes}, by)


@pytest.mark.parametrize(
    ("by", "changes", "code"),
    [
        (OWNER, {"stateVersion": 3}, "head-not-reached"),
        (OWNER, {"digest": "zQmOther"}, "head-not-reached"),
        (OWNER, {"chain": f"{NANTES}/missions/2"}, "key-unknown"),
        (AWA, {"attributedTo": AWA}, "key-unknown"),
        (AWA, {}, "proof-key"),
    ],
)
def test_a_head_is_the_owners_and_of_this_chain(by: str, changes: dict[str, Any], code: str):
    document = a_history()
    forged_head(document, by, **changes)
    assert code in {c for _, c in findings(verify_history(document))}


@pytest.mark.parametrize("proof", [{}, [], {"created": "soon"}, {"created": "2026-11-22T12:00:00Z"}])
def test_a_head_with_a_broken_proof_is_no_head(proof: Any):
    document = a_history()
    document["chains"][0]["head"]["proof"] = proof
    report = verify_history(document)
    assert not report.ok
    assert not report.chains[0].complete


def test_a_chain_without_a_head_or_an_activity_is_not_complete():
    headless = a_history()
    del headless["chains"][0]["head"]
    report = verify_history(headless)
    assert report.ok
    assert not report.chains[0].complete
    empty = a_history()
    empty["chains"][0]["activities"] = []
    assert (None, "malformed-activity") in findings(verify_history(empty))


def test_a_pinned_key_is_the_one_that_is_used():
    key = a_multikey(OWNER)["publicKeyMultibase"]
    assert verify_history(a_history(), pinned={OWNER: key}).complete
    for pinned in ({OWNER: "z6MkOther"}, {MALLORY: key}):
        assert findings(verify_history(a_history(), pinned=pinned)) == [(None, "key-unknown")]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"format": FORMAT},
        {"format": FORMAT, "chains": []},
        {"format": "other", "chains": [{}]},
        {"format": FORMAT, "chains": [5]},
        {"format": FORMAT, "chains": [{}], "actors": 5},
        {"format": FORMAT, "chains": [{"activities": 5}]},
        {"format": FORMAT, "chains": [{"activities": [5, None]}]},
        {"format": FORMAT, "chains": [{"activities": [{}]}], "actors": [5]},
    ],
)
def test_what_is_no_history_proves_nothing(document: dict[str, Any]):
    assert not verify_history(document).ok


ODD = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab:/#", max_size=6) | st.just([]) | st.just({})
)


def paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [p for key, value in inside for p in ((*path, key), *paths(value, (*path, key)))]


HISTORY = a_history()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(paths(HISTORY)), ODD)
def test_no_value_in_any_place_makes_it_raise(path: tuple[Any, ...], value: Any):
    document = copy.deepcopy(HISTORY)
    holder: Any = document
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    report = verify_history(document)
    assert isinstance(report.ok, bool)
    assert isinstance(report.complete, bool)


def test_the_document_says_what_it_is_about():
    assert (HISTORY["id"], HISTORY["about"], HISTORY["format"]) == (f"{MISSION}/history", MISSION, FORMAT)
    assert {a["id"] for a in HISTORY["actors"]} == {OWNER, AWA, CARRIER}
    assert HISTORY["chains"][1]["confirmed"] == [True, True, True]
    assert HISTORY["@context"] == contexts(NANTES)
    assert LYON not in HISTORY["id"]


# -- keys that were replaced since (INT-12) ------------------------------------------------------------------


def given_up(actor: str) -> dict[str, Any]:
    """Return the actor's document after its key was declared compromised, from before all that it has said."""
    document = copy.deepcopy(dict(KEYS[actor]))
    document["assertionMethod"][0]["revoked"] = "2020-01-01T00:00:00Z"
    return document


def a_history_since(*, seen: bool) -> dict[str, Any]:
    chain, documents = an_engagement_told()
    then = tuple(KEYS[d["actor"]] for d in documents) if seen else ()
    now = {**KEYS, AWA: given_up(AWA)}
    mission, told_of_it = a_mission_told()
    records = [
        ChainRecord(mission, told_of_it, now, (True,) * mission.version),
        ChainRecord(chain, documents, now, (True,) * chain.version, then),
    ]
    return history_document(MISSION, records, base=NANTES, sign=signed_head)


def test_a_record_is_judged_by_the_keys_that_its_sender_had_when_it_was_received():
    assert findings(verify_history(a_history_since(seen=False))) == [(1, "proof-key")]
    document = a_history_since(seen=True)
    assert verify_history(document).complete, findings(verify_history(document))
    assert [a["id"] for a in document["actors"]].count(AWA) == 2
    trusted = a_multikey(AWA)["publicKeyMultibase"]
    assert verify_history(document, pinned={AWA: trusted}).ok


def test_a_history_without_the_documents_of_the_time_is_read_with_those_it_has():
    document = a_history()
    for chain in document["chains"]:
        del chain["seen"]
    assert verify_history(document).complete


@pytest.mark.parametrize("named", [-1, 99, "0", True, {}])
def test_the_keys_of_an_activity_are_its_senders_and_nobody_elses(named: Any):
    document = a_history()
    others = [n for n, a in enumerate(document["actors"]) if a["id"] != AWA]
    for wrong in (named, others[0]):
        forged = copy.deepcopy(document)
        forged["chains"][1]["seen"][0] = wrong
        assert findings(verify_history(forged))[0] == (1, "key-unknown")
