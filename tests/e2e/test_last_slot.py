"""Two candidates, one slot, and two Accepts at the same instant: exactly one wins, and both servers know which."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from fedcoop.cli.client import Reply, poll
from fedcoop.cli.instances import LocalInstance
from tests.e2e.conftest import Instances

pytestmark = pytest.mark.xdist_group("last-slot")

ROUNDS: Final = 10
TOO_LATE: Final = {"slot-filled", "proposal-closed"}
"""What the second of two is told: that the slot is gone, not that it made a mistake."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Nantes, who has work for one, and two members of Lyon who want it."""

    nantes: LocalInstance
    lyon: LocalInstance
    candidates: tuple[Mapping[str, Any], Mapping[str, Any]]


@pytest.fixture(scope="module")
def pair(module_instances: Instances) -> Pair:
    lyon, nantes = module_instances(2, following=True)
    awa = lyon.add_member("Awa", username="awa", status="cape")
    leo = lyon.add_member("Léo", username="leo", status="cape")
    return Pair(nantes, lyon, (awa, leo))


@pytest.mark.parametrize("round_", range(1, ROUNDS + 1))
def test_of_two_accepts_at_once_exactly_one_wins_on_both_sides(pair: Pair, round_: int) -> None:
    nantes, lyon = pair.nantes, pair.lyon
    mission = said(
        nantes.post_outbox(nantes.coop, nantes.token, {"type": "Create", "object": a_mission(round_)})
    )
    mission_id = mission["object"]["id"]
    until(lyon, mission_id, {"published"})
    offers = []
    for candidate in pair.candidates:
        offer = {"type": "Offer", "object": {"type": "Agreement", "mission": mission_id}}
        offers.append(said(lyon.post_outbox(candidate["id"], candidate["token"], offer))["id"])
    for offer in offers:
        until(nantes, offer, {"proposed"})

    replies = accept_at_once(nantes, offers)

    assert sorted(reply.status for reply in replies) == [201, 409], [r.body for r in replies]
    winner, loser = sorted(range(2), key=lambda n: replies[n].status)
    assert replies[loser].problem()["type"].rsplit("/", 1)[-1] in TOO_LATE, replies[loser].body
    # Both sides come to the same end, and stay there.
    expected = {
        offers[winner]: ("accepted", 2, said(replies[winner])["id"]),
        offers[loser]: ("rejected", 2, None),
    }
    for instance in (nantes, lyon):
        for offer, (state, version, activity) in expected.items():
            chain = until(instance, offer, {state})
            assert [a["type"] for a in chain["activities"]] == [
                "Offer",
                "Accept" if state == "accepted" else "Reject",
            ]
            assert (chain["head"]["chainState"], chain["head"]["stateVersion"]) == (state, version)
            assert activity in (None, chain["activities"][-1]["id"])
        until(instance, mission_id, {"assigned"})
    for iri in (mission_id, *offers):
        heads = [chain_of(instance, iri)["head"]["digest"] for instance in (nantes, lyon)]
        assert heads[0] == heads[1]
    refusal = chain_of(lyon, offers[loser])["activities"][-1]
    assert refusal["reasonCode"] == "slotFilled"


def accept_at_once(owner: LocalInstance, offers: list[str]) -> list[Reply]:
    """Let two clients of the owner accept one offer each, at the same moment."""
    start = threading.Barrier(len(offers))

    def accept(offer: str) -> Reply:
        start.wait(10.0)
        return owner.post_outbox(owner.coop, owner.token, {"type": "Accept", "object": offer})

    with ThreadPoolExecutor(len(offers)) as pool:
        return list(pool.map(accept, offers))


def a_mission(number: int) -> dict[str, Any]:
    """Return a small mission for one, that starts now."""
    price = {"type": "MonetaryAmount", "value": "100.00", "currency": "EUR"}
    return {
        "type": "Mission",
        "nameMap": {"fr": f"Une seule place, {number}", "en": f"One slot, {number}"},
        "price": {
            "type": "PriceBreakdown",
            "lines": [{"type": "SettlementLine", "lineKind": "fee", "amount": price}],
            "totalExclTax": price,
        },
        "startTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "relayScope": "federation",
        "slots": 1,
    }


def said(reply: Reply) -> dict[str, Any]:
    """Return the activity as its server published it."""
    assert reply.status == 201, reply.body
    activity: dict[str, Any] = reply.json()
    return activity


def chain_of(instance: LocalInstance, iri: str) -> dict[str, Any]:
    """Return the chain `iri` from the history that the instance keeps; empty when it has none."""
    reply = instance.get(f"/api/v1/history?uri={iri}", token=instance.token)
    found = reply.json()["chains"] if reply.ok else []
    return next((dict(chain) for chain in found if chain["chain"] == iri), {})


def until(instance: LocalInstance, iri: str, states: set[str]) -> dict[str, Any]:
    """Wait until the instance has the chain in one of these states; return the chain."""

    def ask() -> dict[str, Any] | None:
        chain = chain_of(instance, iri)
        return chain if chain and chain["head"]["chainState"] in states else None

    found = poll(ask, seconds=30.0)
    assert found is not None, f"{instance.base}: {iri} is {chain_of(instance, iri).get('head')}, not {states}"
    return found
