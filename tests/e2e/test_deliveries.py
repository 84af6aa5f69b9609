"""One message to five peers in five states: the command line and C2S show the five as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest

from fedcoop.cli import client
from fedcoop.cli.instances import LocalInstance, found, free_port, run
from fedcoop.cli.worlds import in_world
from fedcoop.flow.founding import decide_peer
from fedcoop.flow.world import World
from fedcoop.ports import Transaction
from fedcoop.protocol.messages import Change, PutActor, PutFollow

ANSWERS: Final[dict[str, tuple[int, str]]] = {
    "Brest": (202, ""),
    "Dijon": (403, "blocked"),
    "Pau": (503, "unavailable"),
    "Metz": (403, "not-in-allow-list"),
    "Nice": (500, ""),
}
NOTE: Final = {"type": "Note", "content": "<p>Bonjour</p>"}


class Peer:
    """A server that answers every delivery alike, and keeps what it took."""

    def __init__(self, name: str) -> None:
        self.name, self.answer, self.took = name, ANSWERS[name], list[str]()
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, code = peer.answer
                if status < 300:
                    peer.took.append(said["id"])
                problem = {"type": f"https://x.example/problems/{code}", "detail": f"{peer.name} says so."}
                body = json.dumps(problem if code else {}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/problem+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def actor(self) -> str:
        return f"{self.base}/actors/coop"


@pytest.fixture(scope="module")
def peers() -> Iterator[dict[str, Peer]]:
    made = {name: Peer(name) for name in ANSWERS}
    yield made
    for peer in made.values():
        peer.server.shutdown()
        peer.server.server_close()


@pytest.fixture(scope="module")
def lyon(tmp_path_factory: pytest.TempPathFactory, peers: dict[str, Peer]) -> Iterator[LocalInstance]:
    """Coop Lyon, served, with the five as its followers."""
    folder: Path = tmp_path_factory.mktemp("deliveries") / "lyon"
    origins = [peer.base for peer in peers.values()]
    instance = found(folder, name="Coop Lyon", kinds=("cae",), commune="69123", allow_origins=origins)

    async def acquaint(world: World) -> None:
        for peer in peers.values():
            await decide_peer(world, peer.base, "allowed", network=False, note="")

        async def work(tx: Transaction) -> None:
            changes: list[Change] = []
            for peer in peers.values():
                document = {
                    "id": peer.actor,
                    "type": "Organization",
                    "fedcoopType": ["Cooperative"],
                    "name": f"Coop {peer.name}",
                    "preferredUsername": "coop",
                    "inbox": f"{peer.base}/inbox",
                }
                changes.append(PutActor(document, local=False, fetched_at=world.clock()))
                changes.append(PutFollow(peer.actor, instance.coop, f"{peer.actor}/follow", "accepted"))
            await tx.make(changes)

        await world.store.write(work)

    with (folder / "fedcoop.toml").open("a", encoding="utf-8") as settings:
        # What waits goes on waiting for as long as the test looks at it.
        settings.write("\nfirst_retry_seconds = 600\n")
    in_world(folder, acquaint)
    instance.start()
    yield instance
    instance.stop()


def told(lyon: LocalInstance, activity: str, token: str | None = None) -> dict[str, Any]:
    """Return what C2S tells of each destination, by name."""
    reply = lyon.get(f"{activity}/deliveries".removeprefix(lyon.base), token=token or lyon.token)
    assert reply.ok, reply.body
    return {one["to"]: one for one in reply.json()["deliveries"]}


def listed(lyon: LocalInstance, activity: str) -> dict[str, Any]:
    """Return what the command line lists of each destination, by name."""
    found = run("deliveries", str(lyon.folder), activity)["deliveries"]
    return {one["to"]: one for one in found}


def say(lyon: LocalInstance, to: list[str], actor: str | None = None, token: str | None = None) -> str:
    reply = lyon.post_outbox(actor or lyon.coop, token or lyon.token, {**NOTE, "to": to})
    assert reply.status == 201, reply.body
    location: str = reply.headers["location"]
    return location


def test_five_peers_five_states_and_a_retry_by_hand(lyon: LocalInstance, peers: dict[str, Peer]) -> None:
    # Something that Nice does not take stands before the message to all.
    first = say(lyon, [peers["Nice"].actor])
    assert client.poll(lambda: told(lyon, first)["Coop Nice"]["state"] == "retrying" or None, seconds=20)
    awa = lyon.add_member("Awa", status="cape")
    activity = say(lyon, [peer.actor for peer in peers.values()], str(awa["id"]), str(awa["token"]))
    states = {
        "Coop Brest": "delivered",
        "Coop Dijon": "refused",
        "Coop Pau": "retrying",
        "Coop Metz": "parked",
        "Coop Nice": "queued",
    }

    def as_expected() -> bool | None:
        return {name: one["state"] for name, one in told(lyon, activity).items()} == states or None

    assert client.poll(as_expected, seconds=20), told(lyon, activity)
    # The sender, the co-op and the command line are told the same.
    by_sender, by_coop, by_command = (
        told(lyon, activity, str(awa["token"])),
        told(lyon, activity),
        listed(lyon, activity),
    )
    assert {name: one["state"] for name, one in by_sender.items()} == states
    for name, one in by_sender.items():
        now = [{k: v for k, v in told_.items() if k != "nextAttempt"} for told_ in (one, by_coop[name])]
        assert now[0] == now[1]
        assert {k: v for k, v in by_command[name].items() if k in now[0]} == now[0]
    # And it is true.
    assert peers["Brest"].took == [activity]
    assert (by_coop["Coop Dijon"]["status"], by_coop["Coop Dijon"]["problem"]) == (403, "blocked")
    assert by_coop["Coop Dijon"]["detail"] == "Dijon says so."
    assert (by_coop["Coop Pau"]["status"], by_coop["Coop Metz"]["problem"]) == (503, "not-in-allow-list")
    assert by_coop["Coop Nice"]["attempts"] == 0
    for name in ("Coop Pau", "Coop Metz", "Coop Nice"):
        assert by_coop[name]["nextAttempt"] is not None
        assert by_coop[name]["ended"] is None
    # Nobody else is told that there is such a message.
    malo = lyon.add_member("Malo", status="cape")
    path = f"{activity}/deliveries"
    assert lyon.get(path.removeprefix(lyon.base), token=str(malo["token"])).status == 404
    assert lyon.get(path.removeprefix(lyon.base)).status == 401
    query = f"/api/v1/deliveries?activity={activity}"
    assert lyon.get(query, token=str(malo["token"])).status == 404
    assert {one["to"] for one in lyon.get(query, token=lyon.token).json()["deliveries"]} == set(states)
    # By hand, beside the running server: what was refused, parked, retried or queued goes as soon as it is taken.
    for peer in peers.values():
        peer.answer = (202, "")
    retried = run("deliveries", "retry", str(lyon.folder), activity)
    assert retried["due"] == 4
    run("deliveries", "retry", str(lyon.folder), "--peer", peers["Nice"].base)

    def arrived() -> bool | None:
        return {one["state"] for one in told(lyon, activity).values()} == {"delivered"} or None

    assert client.poll(arrived, seconds=20), told(lyon, activity)
    assert {name: peer.took.count(activity) for name, peer in peers.items()} == dict.fromkeys(peers, 1)
    assert peers["Nice"].took == [first, activity]
    health = {one["name"]: one for one in run("peer", "health", str(lyon.folder))["peers"]}
    assert set(health) == set(states)
    assert {one["circuit"] for one in health.values()} == {"closed"}
    assert all(one["delivered"] and one["p95Seconds"] is not None for one in health.values())
