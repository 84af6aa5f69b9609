"""What the server does in a second, as a ratio to the least that aiohttp and SQLite can do, in one run.

    inbound    signed inbox POSTs until their 202, which is after the commit: 64 connections, draft-cavage RSA-2048
                 note      Create(Note): verified, de-duplicated, stored, shown in the inbox
                 mission   Create(Mission) with its proof: schema, lifecycle, guards, chain, board, search
    outbound   deliveries to 200 distinct inboxes: signed one by one, out of the durable outbox, settled

Rounds are interleaved with the yardstick's (`bare.py`), so that what else the machine does weighs on both. CPU is that
of the server process, memory its peak. Usage: `make bench` or `python bench/run.py [--rounds N] [--json]`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from fedcoop import app
from fedcoop.cli.instances import LocalInstance, found, free_port
from fedcoop.config import load
from fedcoop.ports import Transaction
from fedcoop.protocol import actors, cavage, strict_json
from fedcoop.protocol.build import contexts
from fedcoop.protocol.messages import Change, PutActor, PutFollow
from fedcoop.protocol.multikey import encode_public, public_key_to_pem
from fedcoop.protocol.proof import sign_document

BENCH: Final = Path(__file__).resolve().parent
CONNECTIONS: Final = 64
INBOXES: Final = 200


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured round."""

    what: str
    who: str
    per_second: float
    cpu_per_1000: float
    peak_mib: float


# -- a peer that speaks to us ---------------------------------------------------------------------------------------


class Speaker:
    """A co-op on a loopback port: serves its actor document, signs what it says, and counts what it is sent."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.actor = f"{self.base}/actors/coop"
        self.rsa, self.ed25519 = generate_private_key(65537, 2048), Ed25519PrivateKey.generate()
        keys = actors.PublicKeys(
            public_key_to_pem(self.rsa.public_key()), encode_public(self.ed25519.public_key())
        )
        self.document = actors.cooperative(
            base=self.base, username="coop", keys=keys, profile={"name": "Bench"}
        )
        self.received = 0

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer GETs of the actor and POSTs to any inbox while the block runs."""
        application = web.Application()
        application.router.add_get("/actors/coop", self._show)
        application.router.add_post("/{tail:.*}", self._count)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(self.base.rsplit(":", 1)[1])).start()
        yield
        await runner.cleanup()

    async def _show(self, _: web.Request) -> web.Response:
        return web.Response(body=strict_json.dumps(self.document), content_type="application/activity+json")

    async def _count(self, request: web.Request) -> web.Response:
        await request.read()
        self.received += 1
        return web.Response(status=202)

    def note(self, number: str) -> bytes:
        """Return a public Create(Note)."""
        name = f"{self.base}/objects/{number}"
        note = {
            "id": name,
            "type": "Note",
            "attributedTo": self.actor,
            "content": "<p>" + "Bonjour. " * 60 + "</p>",
        }
        return self._said(number, {**note, "to": [f"{self.actor}/followers"]}, {})

    def mission(self, number: str) -> bytes:
        """Return a Create(Mission) with its proof."""
        name = f"{self.base}/missions/{number}"
        money = {"type": "MonetaryAmount", "value": "100.00", "currency": "EUR"}
        quantity = {"hasUnit": "one", "hasNumericalValue": "1"}
        mission = {
            "id": name,
            "type": "Note",
            "fedcoopType": ["Proposal", "Mission"],
            "attributedTo": self.actor,
            "name": "Livraisons à vélo",
            "nameMap": {"fr": "Livraisons à vélo", "en": "Bike deliveries"},
            "content": "<p>Livraisons à vélo, Nantes.</p>",
            "published": _now(),
            "purpose": "request",
            "unitBased": False,
            "publishes": {
                "type": "Intent",
                "id": f"{name}#primary",
                "action": "deliverService",
                "resourceQuantity": quantity,
            },
            "reciprocal": {
                "type": "Intent",
                "id": f"{name}#reciprocal",
                "action": "transfer",
                "resourceQuantity": {"hasUnit": "one", "hasNumericalValue": "100.00"},
            },
            "missionState": "published",
            "acceptedStatuses": ["cape", "cesa", "esa", "employee", "selfEmployed"],
            "slots": 1,
            "pricingRule": f"{self.base}/rules/fixed-price",
            "matchingRule": f"{self.base}/rules/matching",
            "price": {
                "type": "PriceBreakdown",
                "lines": [{"type": "SettlementLine", "lineKind": "fee", "amount": money}],
                "totalExclTax": money,
            },
            "location": {"type": "Place", "name": "Nantes", "inseeCommune": "44109", "addressCountry": "FR"},
            "occupation": {"type": "SkillRef", "codeSystem": "rome", "code": "N4104"},
            "relayScope": "federation",
            "to": [f"{self.actor}/followers"],
        }
        return self._said(number, mission, {"stateVersion": 1})

    def _said(self, number: str, obj: dict[str, Any], more: dict[str, Any]) -> bytes:
        document = {
            "@context": contexts(self.base),
            "id": f"{self.base}/activities/{number}",
            "type": "Create",
            "actor": self.actor,
            "published": _now(),
            "to": [f"{self.actor}/followers"],
            "cc": [],
            "object": obj,
            **more,
        }
        if more:
            method = f"{self.actor}#ed25519-1"
            document = sign_document(
                document, key=self.ed25519, verification_method=method, created=datetime.now(UTC)
            )
        return strict_json.dumps(document)

    def request(self, inbox: str, body: bytes) -> dict[str, str]:
        """Return the signed headers of a POST of `body` to `inbox`."""
        host, _, path = inbox.removeprefix("http://").partition("/")
        return cavage.sign_headers(
            method="POST",
            url_host=host,
            target=f"/{path}",
            body=body,
            key_id=f"{self.actor}#main-key",
            key=self.rsa,
            date=datetime.now(UTC),
        )


async def post_all(url: str, posts: list[tuple[bytes, dict[str, str]]]) -> float:
    """Post everything over 64 connections, all answered 2xx, and return the seconds that it took."""
    waiting = iter(posts)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:

        async def one() -> None:
            for body, headers in waiting:
                async with session.post(url, data=body, headers=headers) as answer:
                    if answer.status >= 300:
                        raise SystemExit(f"{answer.status} {await answer.text()}")

        began = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
        return time.perf_counter() - began


# -- rounds ---------------------------------------------------------------------------------------------------------


async def inbound(
    kind: str, server: LocalInstance, speaker: Speaker, bare: tuple[str, int], *, posts: int, turn: int
) -> list[Figure]:
    """Measure one round of ours and one of the yardstick, with the same bodies."""
    make = speaker.note if kind == "note" else speaker.mission
    bodies = [make(f"{kind}-{turn}-{n}") for n in range(posts)]
    inbox = f"{server.base}/inbox"
    signed = [(body, speaker.request(inbox, body)) for body in bodies]
    pid = server.process.pid if server.process else 0
    before = cpu(pid)
    ours = await post_all(inbox, signed)
    used = cpu(pid) - before
    url, bare_pid = bare
    before = cpu(bare_pid)
    least = await post_all(url, [(body, {"Content-Type": "application/octet-stream"}) for body in bodies])
    bare_used = cpu(bare_pid) - before
    return [
        Figure(f"inbound {kind}", "fedcoop", posts / ours, used / posts * 1000, peak(pid)),
        Figure(f"inbound {kind}", "bare", posts / least, bare_used / posts * 1000, peak(bare_pid)),
    ]


async def outbound(server: LocalInstance, speaker: Speaker, folder: Path, *, activities: int) -> list[Figure]:
    """Publish to 200 inboxes and wait until every copy has arrived; then let the yardstick send as many."""
    pid = server.process.pid if server.process else 0
    total, speaker.received = activities * INBOXES, 0
    before, began = cpu(pid), time.perf_counter()
    async with aiohttp.ClientSession() as session:
        for number in range(activities):
            note = {
                "type": "Note",
                "content": f"<p>{number} " + "Bonjour. " * 60 + "</p>",
                "to": [f"{server.coop}/followers"],
            }
            headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/activity+json"}
            async with session.post(server.outbox, data=strict_json.dumps(note), headers=headers) as answer:
                if answer.status != 201:
                    raise SystemExit(f"{answer.status} {await answer.text()}")
    while speaker.received < total:
        if time.perf_counter() - began > 180:
            raise SystemExit(f"only {speaker.received} of {total} deliveries arrived")
        await asyncio.sleep(0.005)
    ours, used = time.perf_counter() - began, cpu(pid) - before
    path = folder / "owed.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE IF NOT EXISTS owed (id INTEGER PRIMARY KEY, inbox TEXT, body BLOB)")
    body = speaker.note("bare")
    rows = [(f"{speaker.base}/inboxes/{n}", body) for n in range(INBOXES)] * activities
    connection.executemany("INSERT INTO owed (inbox, body) VALUES (?, ?)", rows)
    connection.commit()
    connection.close()
    speaker.received = 0
    sender = subprocess.Popen([sys.executable, str(BENCH / "bare.py"), "send", str(path)])
    while not speaker.received:
        await asyncio.sleep(0.001)
    began = time.perf_counter()
    while speaker.received < total and sender.poll() is None:
        await asyncio.sleep(0.005)
    least = time.perf_counter() - began
    bare_used, bare_peak = cpu(sender.pid), peak(sender.pid)
    sender.wait()
    return [
        Figure("outbound 200 inboxes", "fedcoop", total / ours, used / total * 1000, peak(pid)),
        Figure("outbound 200 inboxes", "bare", total / least, bare_used / total * 1000, bare_peak),
    ]


async def two_hundred_followers(folder: Path, server: LocalInstance, speaker: Speaker) -> None:
    """Give the co-op 200 followers with an inbox each, without 200 follows."""
    async with app.open_world(load(folder)) as world:

        async def work(tx: Transaction) -> None:
            changes: list[Change] = []
            for number in range(INBOXES):
                name = f"{speaker.base}/actors/f{number}"
                document = {
                    **speaker.document,
                    "id": name,
                    "inbox": f"{speaker.base}/inboxes/{number}",
                    "endpoints": {},
                }
                changes.append(PutActor(document, local=False, fetched_at=world.clock()))
                changes.append(PutFollow(name, server.coop, f"{name}/follow", "accepted"))
            await tx.make(changes)

        await world.store.write(work)


@contextlib.contextmanager
def bare_server(folder: Path) -> Iterator[tuple[str, int]]:
    """Run the yardstick in a process of its own; yield (url, pid)."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(BENCH / "bare.py"), "serve", str(port), str(folder / "bare.db")]
    )
    time.sleep(1.5)
    try:
        yield f"http://127.0.0.1:{port}/inbox", process.pid
    finally:
        process.kill()
        process.wait()


def cpu(pid: int) -> float:
    """Return the CPU seconds that a process has used; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak(pid: int) -> float:
    """Return the peak resident memory of a process in MiB; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    line = next((row for row in status.splitlines() if row.startswith("VmHWM")), "VmHWM: 0")
    return int(line.split()[1]) / 1024


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def measure(folder: Path, *, rounds: int, posts: int, activities: int) -> list[Figure]:
    """Run everything and return every round."""
    port, speaker = free_port(), Speaker(free_port())
    base = f"http://127.0.0.1:{port}"
    server = found(folder / "server", name="Bench", port=port, allow_origins=[base, speaker.base])
    server.command("peer", "allow", speaker.base)
    await two_hundred_followers(folder / "server", server, speaker)
    figures: list[Figure] = []
    async with speaker.serving():
        await asyncio.to_thread(server.start)
        try:
            with bare_server(folder) as bare:
                await inbound("note", server, speaker, bare, posts=64, turn=0)
                for turn in range(1, rounds + 1):
                    for kind in ("note", "mission"):
                        figures += await inbound(kind, server, speaker, bare, posts=posts, turn=turn)
                    figures += await outbound(server, speaker, folder, activities=activities)
        finally:
            await asyncio.to_thread(server.stop)
    return figures


def report(figures: list[Figure]) -> dict[str, Any]:
    """Return the medians and their ratios."""
    whole: dict[str, Any] = {}
    for what in dict.fromkeys(f.what for f in figures):
        row: dict[str, Any] = {}
        for who in ("fedcoop", "bare"):
            mine = [f for f in figures if f.what == what and f.who == who]
            row[who] = {
                "per_second": round(statistics.median(f.per_second for f in mine), 1),
                "cpu_seconds_per_1000": round(statistics.median(f.cpu_per_1000 for f in mine), 3),
                "peak_mib": round(max(f.peak_mib for f in mine), 1),
            }
        row["ratio"] = round(row["fedcoop"]["per_second"] / row["bare"]["per_second"], 3)
        whole[what] = row
    return whole


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--posts", type=int, default=600, help="inbox POSTs a round")
    parser.add_argument("--activities", type=int, default=5, help="published a round, each to 200 inboxes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(
            measure(Path(folder), rounds=options.rounds, posts=options.posts, activities=options.activities)
        )
    whole = report(figures)
    if options.json:
        print(json.dumps(whole, indent=2))
        return 0
    print(
        f"{'':24}{'fedcoop/s':>12}{'bare/s':>12}{'ratio':>9}{'CPU s/1000':>13}{'bare':>9}{'peak MiB':>11}{'bare':>8}"
    )
    for what, row in whole.items():
        ours, least = row["fedcoop"], row["bare"]
        print(
            f"{what:24}{ours['per_second']:>12}{least['per_second']:>12}{row['ratio']:>9}"
            f"{ours['cpu_seconds_per_1000']:>13}{least['cpu_seconds_per_1000']:>9}{ours['peak_mib']:>11}{least['peak_mib']:>8}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
