"""The whole server on PostgreSQL: Nantes keeps its data there and works with Lyon, which has an SQLite file.

What is told, searched, killed and counted is what the demo tells and what the other end-to-end tests count; only the
database is another.
"""

from __future__ import annotations

import asyncio
import random
import threading
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from fedcoop.cli import client, story
from fedcoop.cli.instances import LocalInstance
from tests.conftest import administer, postgres_database
from tests.e2e.conftest import Instances
from tests.e2e.crash import Ledger, Writer, count, reap

pytestmark = [pytest.mark.xdist_group("postgresql"), pytest.mark.timeout(240)]

KILLS: Final = 3
WEB: Final = "Module de réservation du site"
BIKES: Final = "L’Œuvre : livraisons à vélo-cargo"


class Pair:
    """Nantes on PostgreSQL, Lyon on SQLite, and what they tell each other."""

    def __init__(self, nantes: LocalInstance, lyon: LocalInstance, *, database: str) -> None:
        self.nantes, self.lyon, self.database = nantes, lyon, database
        self.both: Mapping[str, LocalInstance] = {"nantes": nantes, "lyon": lyon}
        awa = lyon.add_member("Awa Diallo", status="cape", occupation="M1855")
        self.plot = story.Plot(
            story.Party("Nantes", nantes.base, nantes.coop, nantes.token),
            story.Party("Awa", lyon.base, str(awa["id"]), str(awa["token"])),
            story.Party("Lyon", lyon.base, lyon.coop, lyon.token),
            datetime.now(UTC),
        )

    def tell(self, number: int) -> story.Told:
        """Play a step of the story, until both sides have the same state, version and digest of its chains."""
        return story.perform(self.plot, story.STEPS[number], number=number)


@pytest.fixture(scope="module")
def pair(postgres: str, module_instances: Instances) -> Iterator[Pair]:
    for url in postgres_database(postgres):
        nantes, lyon = module_instances(2, following=True, databases=[url])
        yield Pair(nantes, lyon, database=url)
        nantes.stop()


def titles(instance: LocalInstance, **search: str) -> list[str]:
    """Return the French titles on the board, for its operator, in order."""
    reply = instance.get(f"/api/v1/board?{urlencode(search)}", token=instance.token)
    assert reply.status == 200, reply.body
    return [str(row["title"]) for row in reply.json()["items"]]


def shows_both(board: LocalInstance) -> bool | None:
    return titles(board, q=WEB) + titles(board, q=BIKES) == [WEB, BIKES] or None


def bikes(plot: story.Plot) -> dict[str, Any]:
    """A mission of Lyon's: another trade, another place, another text."""
    return {
        **story.mission_web(plot),
        "name": BIKES,
        "nameMap": {"fr": BIKES, "en": "Cargo bike deliveries"},
        "content": "<p>Trois jours de courses dans le 3ᵉ.</p>",
        "contentMap": {"fr": "<p>Trois jours de courses.</p>", "en": "<p>Three days of errands.</p>"},
        "location": {"type": "Place", "name": "Lyon", "inseeCommune": "69123", "addressCountry": "FR"},
        "occupation": {"type": "SkillRef", "codeSystem": "rome", "code": "N4104"},
    }


def test_the_database_is_the_one_that_init_was_given(pair: Pair) -> None:
    settings = tomllib.loads((pair.nantes.folder / "fedcoop.toml").read_text("utf-8"))
    assert settings["database"] == pair.database
    assert not (pair.nantes.folder / "fedcoop.db").exists()
    assert (pair.lyon.folder / "fedcoop.db").exists()


def test_a_mission_is_found_from_both_sides_and_worked_until_all_is_settled(pair: Pair) -> None:
    pair.tell(0)
    both_find_the_same(pair)
    settled(pair)


def both_find_the_same(pair: Pair) -> None:
    nantes, lyon = pair.nantes, pair.lyon
    said = lyon.post_outbox(lyon.coop, lyon.token, {"type": "Create", "object": bikes(pair.plot)})
    assert said.status == 201, said.body
    for board in (nantes, lyon):
        assert client.poll(partial(shows_both, board), seconds=20.0)
    searches: list[tuple[dict[str, str], list[str]]] = [
        ({"q": "réservation"}, [WEB]),
        ({"q": "RESERVATION du site"}, [WEB]),
        ({"q": "reserv"}, [WEB]),
        ({"q": "oeuvre"}, [BIKES]),
        ({"q": "Œuvre VÉLO"}, [BIKES]),
        ({"q": "velo-cargo"}, [BIKES]),
        ({"q": "l'œuvre"}, [BIKES]),
        ({"q": "réservation vélo"}, []),
        ({"q": "' & | ! :* \\ (", "rome": "N"}, [BIKES]),
        ({"rome": "M1855"}, [WEB]),
        ({"rome": "N41"}, [BIKES]),
        ({"rome": "A"}, []),
        ({"commune": "44109"}, [WEB]),
        ({"commune": "44109", "radius": "50"}, [WEB]),
        ({"commune": "69123", "radius": "1000"}, [BIKES, WEB]),
        ({"commune": "44109", "radius": "1000"}, [WEB, BIKES]),
        ({"commune": "29019", "radius": "100"}, []),
        ({"q": "site", "rome": "M18", "commune": "44143", "radius": "20"}, [WEB]),
        ({"class": "need"}, []),
    ]
    for search, expected in searches:
        assert [titles(nantes, **search), titles(lyon, **search)] == [expected, expected], search
    page = nantes.get("/missions?q=velo", token=nantes.token, accept="text/html")
    assert page.status == 200
    assert BIKES in page.body.decode()


def settled(pair: Pair) -> None:
    """Lyon's member applies, is accepted, works, is attested, invoiced and paid; heads are equal after each step."""
    for number in range(1, len(story.STEPS)):
        told = pair.tell(number)
        if story.STEPS[number].engagement == "completed" and told.activity["type"] == "Accept":
            attested = str(told.activity["result"]["id"])
            held = client.lookup(pair.lyon.base, attested, token=pair.plot.worker.token)
            assert held is not None
            assert held["credentialSubject"]["id"] == pair.plot.worker.actor
    ids = pair.plot.ids
    for chain, version in ((ids["mission"], 8), (ids["chain"], 12)):
        heads = {story.head_of(party, chain) for party in pair.plot.sides}
        assert [str(head) for head in heads] == [f"settled v{version}"]
    assert titles(pair.nantes, q="réservation") == titles(pair.lyon, q="réservation") == []


def test_the_server_goes_on_when_the_database_drops_its_connections(pair: Pair, postgres: str) -> None:
    nantes = pair.nantes
    dropped = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'fedcoop %'"
    asyncio.run(administer(postgres, dropped))
    note = {"type": "Create", "object": {"type": "Note", "content": "<p>Encore là</p>"}}

    def said() -> bool | None:
        reply = nantes.post_outbox(nantes.coop, nantes.token, note, key="still-here")
        assert reply.status in {201, 503}, reply.body
        return reply.status == 201 or None

    def read() -> bool | None:
        reply = nantes.get("/api/v1/board", token=nantes.token)
        assert reply.status in {200, 503}, reply.body
        return reply.status == 200 or None

    assert client.poll(read, seconds=10.0)
    assert client.poll(said, seconds=10.0)


def test_nothing_acknowledged_is_lost_when_the_server_is_killed_under_load_and_all_is_well(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger, stop = Ledger(), threading.Event()
    workers = [pair.lyon.add_member(f"Worker {n}", status="cape") for n in range(3)]
    writers = [Writer(n, pair.lyon, pair.nantes, worker, ledger, stop) for n, worker in enumerate(workers)]
    with ThreadPoolExecutor(len(writers)) as pool:
        running = [pool.submit(writer.run) for writer in writers]
        _, under_load = reap(
            {"nantes": pair.nantes}, ledger, seconds=0.0, at_least=KILLS, rng=random.Random(7)
        )
        stop.set()
        for one in running:
            one.result(timeout=60)
    report = count(pair.both, ledger)
    report.kills_under_load = under_load
    with capsys.disabled():
        print(f"\n{report}")
    assert under_load["nantes"] >= KILLS
    assert report.found == report.acknowledged > 0
    assert report.double_effects == []
    assert report.unequal == []
    examined = pair.nantes.command("doctor")
    assert examined["ok"] is True
    assert {check["status"] for check in examined["checks"]} == {"ok"}, examined


def test_commands_work_beside_the_server(pair: Pair) -> None:
    zoe = pair.nantes.add_member("Zoé Le Goff", status="cape")
    assert pair.nantes.get(str(zoe["id"])).ok
