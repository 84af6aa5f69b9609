"""What a stranger proves with a mission's history, every server switched off."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from fedcoop.flow.reading import read_history
from fedcoop.protocol.history import Head, verify_history
from tests.flow.federation import Federation, a_mission, money


@pytest.fixture
async def finished(federation: Federation) -> dict[str, Any]:
    """The history of a settled mission, as Nantes hands it out."""
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = (await nantes.say(nantes.id, "Create", a_mission())).document["object"]["id"]
    offer = (await lyon.say(awa, "Offer", {"type": "Agreement", "mission": mission})).activity_id
    engagement = (await nantes.say(nantes.id, "Accept", offer)).document["result"]["id"]
    work = {"type": "WorkRecord", "engagement": engagement}
    await lyon.say(awa, "Create", {**work, "workPhase": "started"})
    record = (await lyon.say(awa, "Create", {**work, "workPhase": "delivered"})).document["object"]["id"]
    await nantes.say(nantes.id, "Accept", record)
    receipt = {"type": "Receipt", "engagement": engagement}
    await lyon.say(lyon.id, "Create", {**receipt, "receiptKind": "invoiceIssued", "vatAmount": money("0.00")})
    await nantes.say(nantes.id, "Create", {**receipt, "receiptKind": "paymentConfirmed"})
    document = await read_history(mission, actor=nantes.id, world=nantes.world)
    return json.loads(json.dumps(document))


def test_a_finished_mission_is_complete(finished: dict[str, Any]) -> None:
    report = verify_history(finished)
    assert report.complete, [c.findings for c in report.chains]
    assert {c.kind: c.state for c in report.chains} == {"Mission": "settled", "Engagement": "settled"}
    assert all(c.head_signed for c in report.chains)
    assert all(p.key.startswith("z6Mk") for c in report.chains for p in c.proven)


def values(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every scalar in a JSON document."""
    if isinstance(node, dict):
        for key, inside in node.items():
            yield from values(inside, (*path, key))
    elif isinstance(node, list):
        for number, inside in enumerate(node):
            yield from values(inside, (*path, number))
    else:
        yield path


def another(value: Any) -> Any:
    """Return a value that differs, of the same JSON type."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else f"{value}x"


def test_any_changed_value_of_any_activity_is_named(finished: dict[str, Any]) -> None:
    tried = 0
    for chain in finished["chains"]:
        for a, activity in enumerate(chain["activities"]):
            for path in values(activity):
                forged = {**finished, "chains": [copy.deepcopy(chain)]}
                holder = forged["chains"][0]["activities"][a]
                for step in path[:-1]:
                    holder = holder[step]
                old = holder[path[-1]]
                holder[path[-1]] = another(old)
                report = verify_history(forged)
                findings = [f for r in report.chains for f in r.findings if r.chain_id == chain["chain"]]
                assert not report.ok, (path, old)
                assert findings[0].version == a + 1, (path, findings)
                tried += 1
    assert tried > 300


@pytest.mark.parametrize("kind", ["Mission", "Engagement"])
def test_a_removed_activity_is_named(finished: dict[str, Any], kind: str) -> None:
    chain = next(c for c in finished["chains"] if c["kind"] == kind)
    for position in range(len(chain["activities"])):
        forged = copy.deepcopy(finished)
        activities = next(c for c in forged["chains"] if c["kind"] == kind)["activities"]
        del activities[position]
        report = verify_history(forged)
        finding = next(f for r in report.chains if r.kind == kind for f in r.findings)
        assert not report.ok
        assert finding.version == position + 1


def test_a_cut_tail_does_not_reach_the_signed_head(finished: dict[str, Any]) -> None:
    finished["chains"][1]["activities"].pop()
    finding = next(f for r in verify_history(finished).chains for f in r.findings)
    assert finding.code == "head-not-reached"


@pytest.mark.parametrize("kind", ["Mission", "Engagement"])
def test_reordered_activities_are_named(finished: dict[str, Any], kind: str) -> None:
    chain = next(c for c in finished["chains"] if c["kind"] == kind)
    for position in range(len(chain["activities"]) - 1):
        forged = copy.deepcopy(finished)
        activities = next(c for c in forged["chains"] if c["kind"] == kind)["activities"]
        activities[position], activities[position + 1] = activities[position + 1], activities[position]
        report = verify_history(forged)
        finding = next(f for r in report.chains if r.kind == kind for f in r.findings)
        assert not report.ok
        assert finding.version == position + 1


def test_a_head_from_elsewhere_must_be_reached(finished: dict[str, Any]) -> None:
    head = finished["chains"][1]["head"]
    assert verify_history(finished, head=Head(head["digest"], head["stateVersion"])).complete
    report = verify_history(finished, head=Head("zQmSomethingElse"))
    assert [f.code for f in report.findings] == ["head-not-reached"]


def test_a_pinned_key_must_be_the_senders(finished: dict[str, Any]) -> None:
    actor = finished["actors"][0]
    key = actor["assertionMethod"][0]["publicKeyMultibase"]
    assert verify_history(finished, pinned={actor["id"]: key}).complete
    assert not verify_history(finished, pinned={actor["id"]: "z6MkOther"}).ok


def test_what_is_no_history_proves_nothing() -> None:
    assert not verify_history({}).ok
    assert not verify_history(
        {"format": "fedcoop-history/1", "chains": [{"chain": "x", "activities": [1]}]}
    ).ok
