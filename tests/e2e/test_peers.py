"""A co-op blocks another with which work is under way: what it is shown first, what both sides' people read, and that
everything is back afterwards, what was missed meanwhile included."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import pytest

from fedcoop.cli.client import Reply, poll
from fedcoop.cli.instances import LocalInstance
from tests.e2e.conftest import Instances

pytestmark = [pytest.mark.xdist_group("peers"), pytest.mark.timeout(240)]

T = TypeVar("T")

REASON = "Trois factures impayées depuis mars."


def said(reply: Reply) -> dict[str, Any]:
    assert reply.status == 201, reply.body
    return dict(reply.json())


def eventually(ask: Callable[[], T | None], what: str) -> T:
    found = poll(ask, seconds=30.0)
    assert found is not None, what
    return found


def chain(instance: LocalInstance, iri: str, token: str | None = None) -> dict[str, Any] | None:
    known = instance.lookup(iri, token=token)
    return dict(known.get("fedcoopChain", {})) if known else None


def stands(instance: LocalInstance, iri: str, state: str, token: str | None = None) -> dict[str, Any]:
    """Wait until the chain is in `state` here, and return what `lookup` says of it."""

    def ask() -> dict[str, Any] | None:
        found = chain(instance, iri, token)
        return found if found is not None and found.get("state") == state else None

    return eventually(ask, f"{iri} is not {state} at {instance.base}, but {chain(instance, iri, token)}")


def publish(instance: LocalInstance, name: str) -> str:
    price = {"type": "MonetaryAmount", "value": "100.00", "currency": "EUR"}
    mission = {
        "type": "Mission",
        "name": name,
        "price": {
            "type": "PriceBreakdown",
            "lines": [{"type": "SettlementLine", "lineKind": "fee", "amount": price}],
            "totalExclTax": price,
        },
        "startTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "relayScope": "federation",
        "slots": 1,
    }
    activity = {"type": "Create", "object": mission}
    return str(said(instance.post_outbox(instance.coop, instance.token, activity))["object"]["id"])


def apply(instance: LocalInstance, member: dict[str, Any], mission: str) -> str:
    stands(instance, mission, "published")
    offer = {"type": "Offer", "object": {"type": "Agreement", "mission": mission}}
    return str(said(instance.post_outbox(member["id"], member["token"], offer))["id"])


def work(instance: LocalInstance, member: dict[str, Any], engagement: str, phase: str) -> Reply:
    record = {"type": "WorkRecord", "engagement": engagement, "workPhase": phase}
    return instance.post_outbox(member["id"], member["token"], {"type": "Create", "object": record})


def on_board(instance: LocalInstance, token: str) -> set[str]:
    reply = instance.get(f"{instance.base}/api/v1/board?limit=100", token=token, accept="application/json")
    assert reply.ok, reply.body
    return {item["id"] for item in reply.json()["items"]}


def test_a_block_shows_what_hangs_on_it_says_why_on_both_sides_and_loses_nothing(
    instances: Instances,
) -> None:
    nantes, lyon = instances(2, following=True)
    malo = nantes.add_member("Malo", status="selfEmployed")
    awa, zoe = (lyon.add_member(name, status="selfEmployed") for name in ("Awa", "Zoé"))
    running, wanted, theirs = publish(nantes, "En cours"), publish(nantes, "Ouverte"), publish(lyon, "À Lyon")
    first = apply(lyon, awa, running)
    stands(nantes, first, "proposed")
    accepted = said(nantes.post_outbox(nantes.coop, nantes.token, {"type": "Accept", "object": first}))
    engagement = accepted["result"]["id"]
    stands(lyon, engagement, "accepted", awa["token"])
    said(work(lyon, awa, engagement, "started"))
    stands(nantes, running, "started")
    second = apply(lyon, zoe, wanted)
    stands(nantes, second, "proposed")
    third = apply(nantes, malo, theirs)
    stands(lyon, third, "proposed")
    stands(lyon, running, "started")
    eventually(
        lambda: nantes.command("peer", "block", lyon.base, "--dry-run")["impact"]["deliveries"] == 0 or None,
        "deliveries to Lyon still wait",
    )

    # The preview, alone and with the right counts.
    preview = nantes.command("peer", "block", lyon.base)
    assert preview["done"] is False
    assert preview["impact"] == {
        "followers": 1,
        "following": 1,
        "our_members": 1,
        "their_members": 2,
        "proposals_shown_to_them": 1,
        "proposals_of_theirs": 1,
        "missions": {"published": 2, "started": 1},
        "engagements": {"active": 1, "proposed": 2},
        "deliveries": 0,
    }
    assert nantes.command("peer", "show", lyon.base)["state"] == "allowed"
    before = on_board(nantes, malo["token"])
    assert theirs in before

    blocked = nantes.command("peer", "block", lyon.base, "--reason", REASON, "--by", "Solenn", "--yes")
    assert (blocked["state"], blocked["decidedBy"]) == ("blocked", "Solenn")

    # Our side: a step is refused with the reason, the missions say so, and theirs is not on the board.
    refused = nantes.post_outbox(nantes.coop, nantes.token, {"type": "Accept", "object": second})
    assert refused.status == 403
    assert refused.problem()["type"].endswith("/problems/blocked")
    assert REASON in refused.problem()["detail"]
    told = stands(nantes, theirs, "published", malo["token"])["peers"]
    assert [(t["origin"], t["decidedBy"], t["state"], t["reason"]) for t in told] == [
        (lyon.base, "us", "blocked", REASON)
    ]
    assert stands(nantes, running, "started")["peers"] == told
    page = nantes.get(running, token=nantes.token, accept="text/html")
    assert REASON in page.body.decode()
    assert REASON not in nantes.get(running, accept="text/html").body.decode()
    assert on_board(nantes, malo["token"]) == before - {theirs}
    # What we begin meanwhile goes to others only.
    ours_later = publish(nantes, "Pendant le blocage")

    # Their side: what Awa says is taken back, and she reads why.
    said(work(lyon, awa, engagement, "progress"))

    def answered() -> list[dict[str, Any]] | None:
        return (chain(lyon, engagement, awa["token"]) or {}).get("peers")

    theirs_told = eventually(answered, "Awa is not told why")
    assert [(t["origin"], t["decidedBy"], t["state"]) for t in theirs_told] == [
        (nantes.base, "them", "blocked")
    ]
    assert REASON in theirs_told[0]["reason"]
    # Started, and not a step further.
    assert stands(lyon, engagement, "active", awa["token"])["stateVersion"] == 3
    copy = lyon.get(f"/copy?id={quote(running, safe='')}", token=awa["token"], accept="text/html")
    assert REASON in copy.body.decode()
    listed = lyon.command("peer", "list")["peers"]
    assert [(p["answeredUs"]["code"]) for p in listed if p["origin"] == nantes.base] == ["blocked"]
    their_later = publish(lyon, "Pendant le blocage, à Lyon")
    eventually(
        lambda: lyon.command("deliveries", "--state", "refused")["deliveries"] or None,
        "Lyon's operator does not see what was refused",
    )
    assert chain(nantes, their_later) is None
    assert chain(lyon, ours_later) is None

    # Taken back: relations, missions and boards are there, and what was missed arrives by itself, both ways.
    nantes.command("peer", "unblock", lyon.base, "--by", "Solenn")
    stands(lyon, ours_later, "published")
    stands(nantes, their_later, "published")
    assert on_board(nantes, malo["token"]) >= before | {ours_later, their_later}
    said(work(lyon, awa, engagement, "progress"))
    eventually(
        lambda: (chain(nantes, engagement) or {}).get("stateVersion") == 4 or None,
        "Awa's work does not arrive again",
    )
    said(nantes.post_outbox(nantes.coop, nantes.token, {"type": "Accept", "object": second}))
    stands(lyon, second, "accepted")
    for instance, iri in ((nantes, running), (nantes, theirs), (lyon, running)):
        assert "peers" not in (chain(instance, iri) or {})
    after = nantes.command("peer", "show", lyon.base)
    assert (after["impact"]["followers"], after["impact"]["following"]) == (1, 1)
    assert [(d["state"], d["decided_by"]) for d in after["decisions"]] == [
        ("allowed", ""),
        ("blocked", "Solenn"),
        ("allowed", "Solenn"),
    ]
