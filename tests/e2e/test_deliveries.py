"""One message to five peers in five states: the command line, C2S and the pages show the five as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

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


class Person:
    """A browser in which somebody has signed in: its cookie, and pages as text."""

    def __init__(self, lyon: LocalInstance, token: str) -> None:
        self._at = urlsplit(lyon.base).netloc
        self._cookie = ""
        status, headers, _ = self._ask("POST", "/sign-in", {"token": token})
        assert status == 303
        self._cookie = headers["Set-Cookie"].partition(";")[0]

    def _ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, Any, str]:
        connection = HTTPConnection(self._at, timeout=20)
        headers = {"Accept": "text/html", "Accept-Language": "en", "Cookie": self._cookie}
        headers |= {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
        try:
            connection.request(method, path, urlencode(form) if form is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def reads(self, path: str) -> str:
        """Return the text of a page, without its markup."""
        status, _, text = self._ask("GET", path)
        assert status == 200, text
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())

    def presses(self, path: str, **fields: str) -> str:
        """Send the first form of the page that has these fields beside its own; return where it leads."""
        word = re.search(r'name="form" value="(\w+)"', self._ask("GET", path)[2])
        assert word is not None
        status, headers, text = self._ask("POST", path, {"form": word[1], "next": path, **fields})
        assert status == 303, text
        return str(headers["Location"])


PAGE_SAYS: Final = {
    "Coop Brest": r"delivered Reached Coop Brest on .{18,22}\.",
    "Coop Dijon": r"refused Refused by Coop Dijon on .{18,22}\. It answered 403, “Sender blocked”\. Dijon says so\.",
    "Coop Pau": r"to be tried again Has not reached Coop Pau yet; next try on .{18,22} \(tries so far: 1\)\. "
    r"It answered 503, “[^”]+”\. Pau says so\.",
    "Coop Metz": r"waiting to be admitted Coop Metz has not admitted our co-operative yet; next try on .{18,22}\. "
    r"It answered 403, “Co-operative not admitted yet”\. Metz says so\.",
    "Coop Nice": r"waiting Waits behind an earlier message to Coop Nice; next try on ",
}


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
    # The pages say the same, to the sender and to the operator.
    sender, operator = Person(lyon, str(awa["token"])), Person(lyon, lyon.token)
    own = sender.reads(activity.removeprefix(lyon.base))
    whole = operator.reads(f"/operator/deliveries?activity={activity}")
    for name, said in PAGE_SAYS.items():
        assert re.search(said, own), (name, own)
        assert re.search(said, whole), (name, whole)
    peers_page = operator.reads("/operator/peers")
    assert all(f"{name} allowed" in peers_page for name in states)
    # Nobody else is told that there is such a message.
    malo = lyon.add_member("Malo", status="cape")
    path = f"{activity}/deliveries"
    assert lyon.get(path.removeprefix(lyon.base), token=str(malo["token"])).status == 404
    assert lyon.get(path.removeprefix(lyon.base)).status == 401
    with pytest.raises(AssertionError):
        Person(lyon, str(malo["token"])).reads(activity.removeprefix(lyon.base))
    query = f"/api/v1/deliveries?activity={activity}"
    assert lyon.get(query, token=str(malo["token"])).status == 404
    assert {one["to"] for one in lyon.get(query, token=lyon.token).json()["deliveries"]} == set(states)
    # By hand, beside the running server: what was refused, parked, retried or queued goes as soon as it is taken.
    for peer in peers.values():
        peer.answer = (202, "")
    pressed = operator.presses("/operator/deliveries", activity=activity, peer=peers["Dijon"].base)
    assert pressed == "/operator/deliveries?due=1&taken=0"
    retried = run(
        "deliveries", "retry", str(lyon.folder), activity, "--state", "retrying", "--state", "parked"
    )
    assert retried["due"] == 2
    run("deliveries", "retry", str(lyon.folder), "--peer", peers["Nice"].base)

    def arrived() -> bool | None:
        return {one["state"] for one in told(lyon, activity).values()} == {"delivered"} or None

    assert client.poll(arrived, seconds=20), told(lyon, activity)
    assert {name: peer.took.count(activity) for name, peer in peers.items()} == dict.fromkeys(peers, 1)
    assert peers["Nice"].took == [first, activity]
    assert "Has not reached" not in operator.reads(f"/operator/deliveries?activity={activity}")
    health = {one["name"]: one for one in run("peer", "health", str(lyon.folder))["peers"]}
    assert set(health) == set(states)
    assert {one["circuit"] for one in health.values()} == {"closed"}
    assert all(one["delivered"] and one["p95Seconds"] is not None for one in health.values())
