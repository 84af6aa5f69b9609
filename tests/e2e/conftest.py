"""Real instances for end-to-end tests: founded by `fedcoop init`, served by `fedcoop serve`, each its own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fedcoop.cli.client import poll
from fedcoop.cli.instances import LocalInstance, found, free_port, stop_all

NAMES = ("Lyon", "Nantes", "Alpes", "Brest", "Dijon", "Pau", "Metz", "Nice")
COMMUNES = ("69123", "44109", "73054", "29019", "21231", "64445", "57463", "06088")

Instances = Callable[..., list[LocalInstance]]


@pytest.fixture
def instances(tmp_path: Path) -> Iterator[Instances]:
    """Return a function that starts `n` instances and gives them back: `lyon, nantes = instances(2)`.

    Options: `network=True` admits all to each other as of one network, `federated=False` leaves the allow-lists empty,
    `following=True` makes each follow the others' co-op and waits until they do, `served=False` only founds them.
    Each has `base`, `folder`, `token` (the operator's), `coop`, `post_outbox(actor, token, document)`, `lookup(iri)`,
    `get(path)`, `add_member(name, status="cape")`, `command(…)`, `kill()`, `stop()`, `restart()`.
    """
    started: list[LocalInstance] = []

    def start(
        n: int, *, network: bool = True, federated: bool = True, following: bool = False, served: bool = True
    ) -> list[LocalInstance]:
        ports = _free_ports(n)
        bases = [f"http://127.0.0.1:{port}" for port in ports]

        def one(number: int) -> LocalInstance:
            return found(
                tmp_path / f"{len(started)}-{NAMES[number].lower()}",
                name=f"Coop {NAMES[number]}",
                port=ports[number],
                allow_origins=bases,
                commune=COMMUNES[number],
            )

        with ThreadPoolExecutor(2) as pool:
            new = list(pool.map(one, range(n)))
        started.extend(new)
        if federated:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda mine: _admit(mine, new, network=network), new))
        if served:
            for instance in new:
                instance.launch()
            for instance in new:
                instance.wait()
        if following:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda mine: _follow(mine, new), new))
            for instance in new:
                _until_followed(instance, n - 1)
        return new

    yield start
    stop_all(started)


def _admit(mine: LocalInstance, everybody: Sequence[LocalInstance], *, network: bool) -> None:
    for other in everybody:
        if other is not mine:
            mine.allow(other, network=network)


def _follow(mine: LocalInstance, everybody: Sequence[LocalInstance]) -> None:
    for other in everybody:
        if other is not mine:
            reply = mine.post_outbox(mine.coop, mine.token, {"type": "Follow", "object": other.coop})
            assert reply.status == 201, reply.body


def _until_followed(instance: LocalInstance, followers: int) -> None:
    def ask() -> bool | None:
        reply = instance.get(f"{instance.coop}/followers", token=instance.token)
        return True if reply.ok and reply.json().get("totalItems") == followers else None

    assert poll(ask, seconds=30.0), f"{instance.base} is not followed by {followers}"


def _free_ports(n: int) -> list[int]:
    found_ports: set[int] = set()
    while len(found_ports) < n:
        found_ports.add(free_port())
    return list(found_ports)
