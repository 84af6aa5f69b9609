"""What a relay answers: an inbox, an actor and a page, and nothing that is a co-op's."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from fedcoop.app import published
from fedcoop.flow import relaying
from fedcoop.flow.world import Relaying
from fedcoop.protocol.cavage import MEDIA_TYPE
from fedcoop.protocol.relaying import Wish
from fedcoop.store.schema import upgrade
from fedcoop.web.pages import HtmlPages
from fedcoop.web.server import make_application
from fedcoop.web.services import Services
from tests.conftest import NOON, CountedIds, StoppedClock
from tests.flow.federation import Coop, PostOffice, Ring, _url, open_coop, signed
from tests.flow.stories import plainly, proven

BASE = "https://relay.example"
AS2 = {"Accept": "application/activity+json"}


async def a_relay(folder: Path, carries: Wish, *, open: bool) -> Coop:
    await upgrade(_url(folder))
    made = Relaying(open, carries, {"44": "52"})
    office, clock = PostOffice(), StoppedClock(NOON)
    relay = open_coop(folder, BASE, office, clock, Ring(itertools.count()), CountedIds(), made)
    summaries = {"fr": "Le relais du Rhône", "en": "The relay of the Rhône"}
    await relaying.found(relay.world, name="Relais", profile={"summaryMap": summaries})
    return relay


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Coop]:
    made = await a_relay(tmp_path, Wish(("Mission",), ("N41",), ("52",)), open=False)
    yield made
    await made.world.store.close()


async def client_of(relay: Coop) -> TestClient:
    world = relay.world
    client = TestClient(TestServer(make_application(Services(world, published(), HtmlPages(world)))))
    await client.start_server()
    return client


async def test_machines_find_its_actor_by_every_way(relay: Coop):
    client = await client_of(relay)
    document = await (await client.get("/actor", headers=AS2)).json(content_type=None)
    assert (document["id"], document["inbox"], document["type"]) == (
        f"{BASE}/actor",
        f"{BASE}/inbox",
        "Application",
    )
    moved = await client.get("/", headers=AS2, allow_redirects=False)
    assert (moved.status, moved.headers["Location"]) == (303, f"{BASE}/actor")
    found = await client.get("/.well-known/webfinger", params={"resource": "acct:relay@relay.example"})
    assert f"{BASE}/actor" in await found.text()
    info = await (await client.get("/nodeinfo/2.1")).json(content_type=None)
    assert info["metadata"]["fedcoop"]["profiles"] == ["core@1.0", "signature@1.0"]
    await client.close()


@pytest.mark.parametrize("path", ["/missions", "/sign-in", "/actors/coop", "/api/v1/board", "/api/v1/tokens"])
async def test_what_is_a_coops_is_not_there(relay: Coop, path: str):
    client = await client_of(relay)
    assert (await client.get(path)).status == 404
    await client.close()


async def test_a_server_subscribes_at_the_inbox(relay: Coop, tmp_path: Path):
    (tmp_path / "coop").mkdir()
    office, ring = relay.office, Ring(itertools.count(2))
    await upgrade(_url(tmp_path / "coop"))
    coop = open_coop(tmp_path / "coop", "https://lyon.example", office, relay.clock, ring, CountedIds())
    from fedcoop.flow import founding

    await founding.found(coop.world, name="Lyon", username="coop", profile={"cooperativeKind": ["cae"]})
    actor = f"{coop.base}/actor"
    body = proven(coop, actor, plainly(coop, actor, "Follow", "https://www.w3.org/ns/activitystreams#Public"))
    request = signed(f"{BASE}/inbox", body, sender=actor, ring=ring, now=relay.clock())
    client = await client_of(relay)
    answer = await client.post(
        "/inbox", data=body, headers={**dict(request.headers), "Content-Type": MEDIA_TYPE}
    )
    assert (answer.status, await answer.json()) == (202, {"outcome": "accepted"})
    assert [one.actor for one in await relaying.subscribers(relay.world)] == [actor]
    unsigned = await client.post("/inbox", data=body, headers={"Content-Type": MEDIA_TYPE})
    problem = json.loads(await unsigned.text())
    assert (unsigned.status, problem["type"]) == (401, f"{BASE}/problems/signature-missing")
    await client.close()
    await coop.world.store.close()


async def test_where_only_peers_read_a_relays_keys_stay_open(relay: Coop):
    relay.world = replace(relay.world, instance=replace(relay.world.instance, signed_reads=True))
    client = await client_of(relay)
    for path, status in (("/actor", 200), ("/actor/keys", 200), ("/actor/outbox", 401)):
        assert (await client.get(path, headers=AS2)).status == status, path
    await client.close()
