"""Real instances for end-to-end tests: founded by `fedcoop init`, served by `fedcoop serve`, each its own process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fedcoop.app import NewInstance, create
from fedcoop.cli.client import poll
from fedcoop.cli.instances import LocalInstance, free_port, stop_all
from fedcoop.cli.worlds import in_world
from fedcoop.flow.founding import decide_peer
from fedcoop.flow.world import World
from tests.e2e.neighbourhood import Neighbourhood, open_neighbourhood

NAMES = ("Lyon", "Nantes", "Alpes", "Brest", "Dijon", "Pau", "Metz", "Nice")
COMMUNES = ("69123", "44109", "73054", "29019", "21231", "64445", "57463", "06088")

Instances = Callable[..., list[LocalInstance]]


@pytest.fixture
def instances(tmp_path: Path) -> Iterator[Instances]:
    """Return a function that starts `n` instances for one test: `lyon, nantes = instances(2)`; see `Starter`."""
    starter = Starter(tmp_path)
    yield starter
    stop_all(starter.started)


@pytest.fixture(scope="module")
def module_instances(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instances]:
    """As `instances`, for a federation that all tests of a module share."""
    starter = Starter(tmp_path_factory.mktemp("instances"))
    yield starter
    stop_all(starter.started)


@pytest.fixture(scope="session")
def neighbourhood(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbourhood]:
    """One instance of ours among foreign peers, for all tests that send it what strangers send."""
    with open_neighbourhood(tmp_path_factory.mktemp("neighbourhood")) as place:
        yield place


class Starter:
    """Starts instances in folders of its own; whoever made it stops what is in `started`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.started: list[LocalInstance] = []

    def __call__(
        self,
        n: int,
        *,
        network: bool | Collection[int] = True,
        federated: bool = True,
        following: bool = False,
        served: bool = True,
        databases: Sequence[str] = (),
        reaching: Sequence[str] = (),
    ) -> list[LocalInstance]:
        """Start `n` instances and return them.

        Options: `network=True` admits all to each other as of one network, `network={0, 1}` only the first two;
        `federated=False` leaves the allow-lists empty, `following=True` makes each follow the others' co-op and waits
        until they do, `served=False` only founds them, `databases` are URLs for the first of them (the others have an
        SQLite file), `reaching` are further origins of the loopback that
        they may talk to. Each has `base`, `folder`, `token` (the operator's), `coop`,
        `post_outbox(actor, token, document)`, `lookup(iri)`, `get(path)`, `add_member(name, status="cape")`,
        `command(…)`, `kill()`, `stop()`, `restart()`.
        """
        ports = _free_ports(n)
        bases = [f"http://127.0.0.1:{port}" for port in ports]

        def one(number: int) -> LocalInstance:
            """Do what `fedcoop init` does, in this process: to start a command for each would take longer."""
            settings = NewInstance(
                base_url=bases[number],
                name=f"Coop {NAMES[number]}",
                allow_origins=tuple(dict.fromkeys([bases[number], *bases, *reaching])),
                commune=COMMUNES[number],
                database=databases[number] if number < len(databases) else "",
            )
            folder = self._folder / f"{len(self.started) + number}-{NAMES[number].lower()}"
            token = asyncio.run(create(folder, settings)).token
            return LocalInstance(folder, bases[number], token, folder.parent / f"{folder.name}.log")

        new = [one(number) for number in range(n)]
        self.started.extend(new)
        together = set(range(n)) if network is True else set(network or ())
        if federated:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda mine: _admit(mine, new, together), new))
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


def _admit(mine: LocalInstance, everybody: Sequence[LocalInstance], together: Collection[int]) -> None:
    """Do what `fedcoop peer allow` does, in this process: starting a command for each pair would take longer."""
    number = everybody.index(mine)

    async def decide(world: World) -> None:
        for other, instance in enumerate(everybody):
            if other != number:
                known = {number, other} <= set(together)
                await decide_peer(world, instance.base, "allowed", network=known)

    in_world(mine.folder, decide)


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
