"""Two servers, a load of contract transitions, and SIGKILL: what was acknowledged must still be true afterwards.

Writers play stories between the two co-ops as fast as they can: publish, offer, accept, start, deliver, accept the
work. Every request carries an Idempotency-Key and is repeated until it is answered, as a careful client would. A reaper
kills one server or the other at random. Then everything is restarted and counted:

    acknowledged = found    every activity that was answered 201 is served by its server, byte for byte once
    effects = 1             every key has one activity, every chain has each version once, every mission is there once
    heads equal             both servers hold the same chains, with the same digest at the same version

Run it for longer by itself: `python -m tests.e2e.crash --seconds 60`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fedcoop.cli.answer import Failed
from fedcoop.cli.instances import LocalInstance, found, free_port, stop_all

WRITERS: Final = 6
PAUSE_BETWEEN_KILLS: Final = (0.1, 0.9)
"""Seconds for which a server lives, at random, once it has answered after its last death."""
PATIENCE: Final = 90.0
"""Seconds that everything has to come to rest after the last kill."""


@dataclass
class Ledger:
    """What was acknowledged, written down the moment it was."""

    acknowledged: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Idempotency-Key to (outbox, activity id)."""
    in_flight: dict[str, int] = field(default_factory=lambda: {"lyon": 0, "nantes": 0})
    repeated: int = 0
    stories: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_until_busy(self, name: str, *, seconds: float) -> bool:
        """Return True at the moment when a request is under way at `name`, False when none was for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.in_flight[name] > 0:
                return True
            time.sleep(0.001)
        return False


@dataclass
class Report:
    """What was counted at the end."""

    kills: dict[str, int]
    kills_under_load: dict[str, int]
    acknowledged: int
    found: int
    chains: int
    double_effects: list[str]
    unequal: list[str]
    repeated: int
    stories: int

    @property
    def ok(self) -> bool:
        """Nothing was lost, doubled or different."""
        return self.found == self.acknowledged and not self.double_effects and not self.unequal

    def __str__(self) -> str:
        return (
            f"kills={self.kills} under load={self.kills_under_load} stories={self.stories} repeated={self.repeated}\n"
            f"acknowledged={self.acknowledged} found={self.found}\n"
            f"effects={'1' if not self.double_effects else self.double_effects[:5]}\n"
            f"chains={self.chains} heads {'equal' if not self.unequal else self.unequal[:5]}"
        )


class Stopped(Exception):
    """The load is over; the story that was being told ends where it is."""


@dataclass
class Writer:
    """Tells one story after another until it is stopped."""

    number: int
    lyon: LocalInstance
    nantes: LocalInstance
    worker: Mapping[str, Any]
    ledger: Ledger
    stop: threading.Event
    keys: Any = field(default_factory=itertools.count)

    def run(self) -> None:
        """Tell stories until stopped."""
        while not self.stop.is_set():
            try:
                self.story()
                with self.ledger.lock:
                    self.ledger.stories += 1
            except Stopped:
                return

    def story(self) -> None:
        """One mission from publication to accepted work."""
        mission = self.say(
            "nantes",
            self.nantes.coop,
            self.nantes.token,
            {"type": "Create", "object": a_mission(self.number)},
        )
        mission_id = mission["object"]["id"]
        self.until("lyon", mission_id, "published")
        awa, token = str(self.worker["id"]), str(self.worker["token"])
        offer = self.say(
            "lyon", awa, token, {"type": "Offer", "object": {"type": "Agreement", "mission": mission_id}}
        )
        self.until("nantes", offer["id"], "proposed")
        accept = self.say(
            "nantes", self.nantes.coop, self.nantes.token, {"type": "Accept", "object": offer["id"]}
        )
        engagement = accept["result"]["id"]
        self.until("lyon", offer["id"], "accepted")
        work = {"type": "WorkRecord", "engagement": engagement}
        self.say("lyon", awa, token, {"type": "Create", "object": {**work, "workPhase": "started"}})
        record = self.say(
            "lyon", awa, token, {"type": "Create", "object": {**work, "workPhase": "delivered"}}
        )
        self.until("nantes", offer["id"], "delivered")
        self.say(
            "nantes",
            self.nantes.coop,
            self.nantes.token,
            {"type": "Accept", "object": record["object"]["id"]},
        )

    def say(self, where: str, actor: str, token: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Post until it is answered; write down what was acknowledged."""
        key = f"w{self.number}-{next(self.keys)}"
        instance = self.lyon if where == "lyon" else self.nantes
        while True:
            try:
                with self.ledger.lock:
                    self.ledger.in_flight[where] += 1
                try:
                    reply = instance.post_outbox(actor, token, document, key=key, timeout=20.0)
                finally:
                    with self.ledger.lock:
                        self.ledger.in_flight[where] -= 1
            except Failed:
                self._again()
                continue
            if reply.status == 201:
                said: dict[str, Any] = reply.json()
                with self.ledger.lock:
                    self.ledger.acknowledged[key] = (f"{actor}/outbox", str(said["id"]))
                return said
            if reply.status in (429, 503):
                self._again()
                continue
            raise AssertionError(
                f"{where} answered {reply.status}: {reply.body[:800]!r} to {json.dumps(document)[:400]}"
            )

    def _again(self) -> None:
        with self.ledger.lock:
            self.ledger.repeated += 1
        if self.stop.is_set():
            raise Stopped
        time.sleep(0.1)

    def until(self, where: str, ref: str, state: str) -> None:
        """Wait until `where` knows the chain in this state (or beyond it, for a mission)."""
        while state_of(self.lyon if where == "lyon" else self.nantes, ref) != state:
            if self.stop.is_set():
                raise Stopped
            time.sleep(0.05)


def a_mission(number: int) -> dict[str, Any]:
    """Return a small paid mission that starts now."""
    price = {"type": "MonetaryAmount", "value": "100.00", "currency": "EUR"}
    return {
        "type": "Mission",
        "nameMap": {"fr": f"Mission {number}", "en": f"Mission {number}"},
        "price": {
            "type": "PriceBreakdown",
            "lines": [{"type": "SettlementLine", "lineKind": "fee", "amount": price}],
            "totalExclTax": price,
        },
        "startTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "relayScope": "federation",
    }


def state_of(instance: LocalInstance, ref: str) -> str | None:
    """Return the state of a chain as this instance knows it, or None."""
    chain = chain_of(instance, ref)
    return str(chain["state"]) if chain else None


def chain_of(instance: LocalInstance, ref: str) -> dict[str, Any] | None:
    """Return {state, stateVersion, digest} of a chain from the history that the instance hands out, or None."""
    for chain in history_of(instance, ref):
        if ref in (chain["chain"], *(a["id"] for a in chain["activities"])):
            head = chain["head"]
            return {
                "state": head["chainState"],
                "stateVersion": head["stateVersion"],
                "digest": head["digest"],
            }
    return None


def history_of(instance: LocalInstance, ref: str) -> list[dict[str, Any]]:
    """Return the chains in the history of `ref`; empty when it is unknown or the server is down."""
    try:
        reply = instance.get(f"/api/v1/history?uri={ref}", token=instance.token)
    except Failed:
        return []
    return list(reply.json()["chains"]) if reply.ok else []


def reap(
    instances: Mapping[str, LocalInstance],
    ledger: Ledger,
    *,
    seconds: float,
    at_least: int,
    rng: random.Random,
) -> tuple[dict[str, int], dict[str, int]]:
    """Kill at random until the time is over and each was killed under load often enough; return (kills, under load)."""
    kills, loaded = dict.fromkeys(instances, 0), dict.fromkeys(instances, 0)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline or min(loaded.values()) < at_least:
        behind = (
            [name for name in instances if loaded[name] < at_least] if time.monotonic() >= deadline else []
        )
        name = rng.choice(behind or list(instances))
        time.sleep(rng.uniform(*PAUSE_BETWEEN_KILLS))
        busy = ledger.wait_until_busy(name, seconds=2.0)
        instances[name].kill()
        kills[name] += 1
        loaded[name] += int(busy)
        instances[name].start()
    return kills, loaded


def count(instances: Mapping[str, LocalInstance], ledger: Ledger) -> Report:
    """Come to rest, then count what was acknowledged, found, doubled and different."""
    lyon, nantes = instances["lyon"], instances["nantes"]
    missions = proposals_of(nantes)
    deadline = time.monotonic() + PATIENCE
    while True:
        unequal, chains = compare(lyon, nantes, missions)
        if not unequal or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    doubled = doubles(lyon, nantes, missions)
    ids = [activity for _, activity in ledger.acknowledged.values()]
    doubled += [f"key answered by one id twice: {i}" for i in set(ids) if ids.count(i) > 1]
    found_ones = 0
    for outbox, activity in ledger.acknowledged.values():
        where, token = (lyon, lyon.token) if outbox.startswith(lyon.base) else (nantes, nantes.token)
        found_ones += int(where.lookup(activity, token=token) is not None)
    return Report({}, {}, len(ids), found_ones, chains, doubled, unequal, ledger.repeated, ledger.stories)


def proposals_of(instance: LocalInstance) -> list[str]:
    """Return every mission that the instance's outbox has created, oldest last."""
    found_ones, url = [], f"{instance.coop}/outbox?page=true"
    while url:
        page = instance.get(url, token=instance.token).json()
        if "first" in page:
            first = page["first"]
            url = first if isinstance(first, str) else str(first["id"])
            continue
        found_ones += [
            a["object"]["id"]
            for a in page["orderedItems"]
            if a["type"] == "Create" and "missionState" in a["object"]
        ]
        url = str(page.get("next", ""))
    return found_ones


def compare(lyon: LocalInstance, nantes: LocalInstance, missions: list[str]) -> tuple[list[str], int]:
    """Return (chains whose heads differ, number of chains compared)."""
    unequal, chains = [], 0
    for mission in missions:
        here = {c["chain"]: heads(c) for c in history_of(nantes, mission)}
        there = {c["chain"]: heads(c) for c in history_of(lyon, mission)}
        chains += len(here)
        unequal += [
            f"{name}: {here.get(name)} / {there.get(name)}"
            for name in {*here, *there}
            if here.get(name) != there.get(name)
        ]
    return unequal, chains


def heads(chain: Mapping[str, Any]) -> tuple[str, int, str]:
    """Return (state, version, digest)."""
    head = chain["head"]
    return head["chainState"], head["stateVersion"], head["digest"]


def doubles(lyon: LocalInstance, nantes: LocalInstance, missions: list[str]) -> list[str]:
    """Return what happened twice: a mission, a version of a chain, a step of an engagement."""
    wrong = [f"mission twice: {m}" for m in set(missions) if missions.count(m) > 1]
    for instance, mission in itertools.product((lyon, nantes), missions):
        engagements = 0
        for chain in history_of(instance, mission):
            versions = [a.get("stateVersion") for a in chain["activities"]]
            if versions != list(range(1, len(versions) + 1)):
                wrong.append(f"{instance.base} {chain['chain']}: versions {versions}")
            engagements += int(chain["kind"] == "Engagement")
        if engagements > 1:
            wrong.append(f"{instance.base} {mission}: {engagements} engagements of one offer")
    return wrong


def crash(folder: Path, *, seconds: float, at_least: int, seed: int) -> Report:
    """Run the whole experiment in `folder` and return what was counted."""
    ports = {"lyon": free_port(), "nantes": free_port()}
    bases = [f"http://127.0.0.1:{port}" for port in ports.values()]
    instances = {
        name: found(folder / name, name=name.title(), port=port, allow_origins=bases)
        for name, port in ports.items()
    }
    lyon, nantes = instances["lyon"], instances["nantes"]
    lyon.allow(nantes)
    nantes.allow(lyon)
    workers = [lyon.add_member(f"Worker {n}", status="cape") for n in range(WRITERS)]
    try:
        for instance in instances.values():
            instance.start()
        for mine, other in ((lyon, nantes), (nantes, lyon)):
            assert mine.post_outbox(mine.coop, mine.token, {"type": "Follow", "object": other.coop}).ok
        ledger, stop = Ledger(), threading.Event()
        writers = [Writer(n, lyon, nantes, worker, ledger, stop) for n, worker in enumerate(workers)]
        with ThreadPoolExecutor(WRITERS) as pool:
            running = [pool.submit(writer.run) for writer in writers]
            kills, loaded = reap(
                instances, ledger, seconds=seconds, at_least=at_least, rng=random.Random(seed)
            )
            stop.set()
            for one in running:
                one.result(timeout=120)
        report = count(instances, ledger)
        report.kills, report.kills_under_load = kills, loaded
        return report
    finally:
        stop_all(list(instances.values()))


def main() -> int:
    """Run the experiment from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--at-least", type=int, default=15, help="kills under load of each server")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = crash(
            Path(folder), seconds=arguments.seconds, at_least=arguments.at_least, seed=arguments.seed
        )
    sys.stdout.write(f"{report}\n")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
