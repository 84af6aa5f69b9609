"""Five co-ops that follow nobody, two relays between them, and a third relay that lies: all of it real processes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from fedcoop.cli.client import poll
from fedcoop.cli.instances import LocalInstance, free_port, run, stop_all
from fedcoop.cli.worlds import in_world
from fedcoop.flow.founding import decide_peer
from fedcoop.flow.relays import subscribe
from fedcoop.flow.world import World
from fedcoop.protocol.relaying import EVERYTHING
from tests.e2e.conftest import Instances
from tests.e2e.foreign import AS2, PUBLIC, Foreign

pytestmark = [pytest.mark.xdist_group("relays"), pytest.mark.timeout(240)]

T = TypeVar("T")


@dataclass
class Place:
    """The five co-ops, the relays, and the liar, which is a relay of Lyon and of Dijon alone."""

    coops: list[LocalInstance]
    relays: list[LocalInstance]
    liar: Foreign

    @property
    def lyon(self) -> LocalInstance:
        return self.coops[0]

    @property
    def dijon(self) -> LocalInstance:
        return self.coops[4]


@pytest.fixture(scope="module")
def place(module_instances: Instances, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("relays")
    ports = [free_port(), free_port()]
    bases = [f"http://127.0.0.1:{port}" for port in ports]
    liar = Foreign()
    liar.actor("relay")
    liar.documents["/users/relay"] = liar.actor_document("relay", type="Application")
    coops = module_instances(5, network=False, reaching=[*bases, liar.base])
    relays = [
        a_relay(folder / name, base, coops) for name, base in zip(("first", "second"), bases, strict=True)
    ]
    try:
        for relay in relays:
            relay.start()
        for relay in relays:
            coops[0].command("relay", "subscribe", f"{relay.base}/actor")
        for coop in coops[1:]:
            in_world(coop.folder, partial(_subscribe, relays))
        for coop in coops:
            eventually(lambda coop=coop: accepted(coop) == 2 or None, f"{coop.base} has no relays")  # type: ignore[misc]
        yield Place(coops, relays, liar)
    finally:
        stop_all(relays)
        liar.close()


def a_relay(folder: Path, base: str, coops: list[LocalInstance]) -> LocalInstance:
    """Found a relay that accepts whoever subscribes, and lets these co-ops publish."""
    arguments = [
        "relay",
        "init",
        str(folder),
        "--base-url",
        base,
        "--name",
        f"Relais {folder.name}",
        "--open",
    ]
    for origin in (base, *(coop.base for coop in coops)):
        arguments += ["--allow-origin", origin]
    founded = run(*arguments)
    assert (founded["id"], founded["inbox"]) == (f"{base}/actor", f"{base}/inbox")
    relay = LocalInstance(folder=folder, base=base, token="", log=folder.parent / f"{folder.name}.log")
    in_world(folder, partial(_admit, coops))
    return relay


async def _admit(coops: list[LocalInstance], world: World) -> None:
    """Do what `fedcoop peer allow` does, in this process: to start a command for each would take longer."""
    for coop in coops:
        await decide_peer(world, coop.base, "allowed")


async def _subscribe(relays: list[LocalInstance], world: World) -> None:
    for relay in relays:
        await subscribe(f"{relay.base}/inbox", EVERYTHING, world=world)


def eventually(ask: Callable[[], T | None], what: str) -> T:
    found = poll(ask, seconds=30.0)
    assert found is not None, what
    return found


def accepted(coop: LocalInstance) -> int:
    return count(coop, "select count(*) from relay where state = 'accepted'")


def board(coop: LocalInstance) -> list[str]:
    """Return the ids of what is on the board for the co-op's own people, as often as they are."""
    reply = coop.get(f"{coop.base}/api/v1/board?limit=100", token=coop.token, accept="application/json")
    assert reply.ok, reply.body
    return [item["id"] for item in reply.json()["items"]]


def publish(coop: LocalInstance, kind: str, name: str) -> str:
    price = {"type": "MonetaryAmount", "value": "100.00", "currency": "EUR"}
    whole: dict[str, Any] = {
        "type": kind,
        "name": name,
        "price": {
            "type": "PriceBreakdown",
            "lines": [{"type": "SettlementLine", "lineKind": "fee", "amount": price}],
            "totalExclTax": price,
        },
        "relayScope": "public",
        "slots": 1,
    }
    if kind != "ServiceOffer":
        whole["startTime"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    reply = coop.post_outbox(coop.coop, coop.token, {"type": "Create", "object": whole})
    assert reply.status == 201, reply.body
    return str(reply.json()["object"]["id"])


def seen_by(coop: LocalInstance, wanted: list[str]) -> None:
    eventually(lambda: set(wanted) <= set(board(coop)) or None, f"{coop.base} has not seen {wanted}")
    assert [board(coop).count(iri) for iri in wanted] == [1] * len(wanted)


def count(instance: LocalInstance, query: str, *values: str) -> int:
    """Return the number that a query of the instance's database gives."""
    with closing(sqlite3.connect(f"file:{instance.folder / 'fedcoop.db'}?mode=ro", uri=True)) as connection:
        return int(connection.execute(query, values).fetchone()[0])


def delivered(relay: LocalInstance, activity: str) -> int:
    return count(
        relay, "select count(*) from delivery where state = 'delivered' and activity_id = ?", activity
    )


def back(place: Place, relay: LocalInstance) -> None:
    """Start a relay that was stopped, and send it what waits: Lyon tries it again by itself, but not at once."""
    relay.start()
    place.lyon.command("deliveries", "retry", "--peer", relay.base)


def created(coop: LocalInstance, iri: str) -> dict[str, Any]:
    """Return the activity that published an object."""
    (chain,) = coop.get(f"{iri}/history", accept="application/json").json()["chains"]
    return dict(chain["activities"][0])


def test_what_one_publishes_through_two_relays_is_seen_once_at_each(place: Place):
    lyon = place.lyon
    published = [publish(lyon, kind, f"{kind} relayé") for kind in ("Mission", "ServiceOffer", "Need")]
    for coop in place.coops:
        seen_by(coop, published)
    for iri in published:
        activity = created(lyon, iri)
        for relay in place.relays:
            # Both carried it, to everybody but its author.
            eventually(lambda r=relay, a=activity["id"]: delivered(r, a) == 4 or None, iri)  # type: ignore[misc]
        for coop in place.coops[1:]:
            assert count(coop, "select count(*) from activity where id = ?", activity["id"]) == 1
            told = coop.get(f"{coop.base}/history?id={iri}", token=coop.token, accept="text/html")
            assert told.status == 200
    # Its end goes the same way.
    reply = lyon.post_outbox(lyon.coop, lyon.token, {"type": "Delete", "object": published[2]})
    assert reply.status == 201, reply.body
    for coop in place.coops:
        eventually(lambda coop=coop: published[2] not in board(coop) or None, f"{coop.base} shows it still")  # type: ignore[misc]


def test_with_every_relay_stopped_followers_have_it_and_the_others_once_one_is_back(place: Place):
    lyon, nantes, alpes = place.coops[:3]
    for coop in (nantes, alpes):
        reply = coop.post_outbox(coop.coop, coop.token, {"type": "Follow", "object": lyon.coop})
        assert reply.status == 201, reply.body
    followers = f"{lyon.coop}/followers"
    eventually(
        lambda: lyon.get(followers, token=lyon.token).json()["totalItems"] == 2 or None, "nobody follows"
    )
    for relay in place.relays:
        relay.stop()
    mission = publish(lyon, "Mission", "Sans relais")
    for coop in (nantes, alpes):
        seen_by(coop, [mission])
    assert all(mission not in board(coop) for coop in place.coops[3:])
    place.relays[0].start()
    name = created(lyon, mission)["id"]
    lyon.command("deliveries", "retry", name)
    for coop in place.coops[3:]:
        seen_by(coop, [mission])
    for relay in place.relays[1:]:
        back(place, relay)


def test_a_relay_that_alters_drops_repeats_and_invents_is_found_out(place: Place):
    lyon, dijon, liar = place.lyon, place.dijon, place.liar
    relay = liar.actor("relay")
    for coop in (lyon, dijon):
        coop.command("relay", "subscribe", relay)
        follow = eventually(
            lambda coop=coop: next((a for a in liar.received if a["actor"] == f"{coop.base}/actor"), None),  # type: ignore[misc]
            "no Follow came",
        )
        assert follow["object"] == PUBLIC
        accept = {
            "@context": AS2,
            "id": liar.fresh(),
            "type": "Accept",
            "actor": relay,
            "object": follow,
            "to": [follow["actor"]],
        }
        assert liar.letter(accept, f"{coop.base}/inbox", by="relay").send().outcome == "accepted"
    for one in place.relays:
        one.stop()
    missions = [publish(lyon, "Mission", f"Par le menteur {n}") for n in range(2)]
    bodies = {
        m: eventually(
            lambda m=m: next(  # type: ignore[misc]
                (a.body for a in liar.asked if a.method == "POST" and f'"{m}"'.encode() in a.body), None
            ),
            "Lyon has sent it nothing",
        )
        for m in missions
    }
    said = json.loads(bodies[missions[0]])

    def brings(document: dict[str, Any] | bytes) -> tuple[int, str]:
        answer = liar.letter(document, f"{dijon.base}/inbox", by="relay").send()
        return answer.status, answer.outcome or answer.code

    before = board(dijon)
    altered = {**said, "object": {**said["object"], "name": "Pour rien"}}
    nothing = {**said["object"], "id": f"{lyon.base}/missions/invented"}
    invented = {**said, "id": f"{lyon.base}/activities/invented", "object": nothing}
    without = {name: value for name, value in said.items() if name != "proof"}
    own = liar.prove(without, by="relay")
    assert brings(altered) == (401, "proof-invalid")
    assert brings(invented) == (401, "proof-invalid")
    assert brings(own) == (401, "key-owner-mismatch")
    assert brings(without) == (202, "ignored")
    assert board(dijon) == before
    # What is true is taken, once; what is repeated does nothing; what it leaves out is missing, and nothing else.
    assert brings(bodies[missions[0]]) == (202, "accepted")
    assert brings(bodies[missions[0]]) == (202, "duplicate")
    assert sorted(board(dijon)) == sorted([*before, missions[0]])
    shown = next(one for one in dijon.command("relay", "list")["relays"] if one["actor"] == relay)
    assert [(one["activity"], one["code"]) for one in shown["false"]] == [
        (said["id"], "key-owner-mismatch"),
        (invented["id"], "proof-invalid"),
        (said["id"], "proof-invalid"),
    ]
    dijon.command("relay", "leave", relay)
    assert brings(bodies[missions[1]]) == (403, "not-in-allow-list")
    undo = eventually(lambda: next((a for a in liar.received if a["type"] == "Undo"), None), "no Undo came")
    assert undo["actor"] == f"{dijon.base}/actor"
    assert missions[1] not in board(dijon)
    for one in place.relays:
        back(place, one)
    # Those that lie not bring it in the end.
    lyon.command("deliveries", "retry", json.loads(bodies[missions[1]])["id"])
    seen_by(dijon, missions)
