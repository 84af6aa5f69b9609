"""A relay's page: what it carries, for whom, and how a server subscribes."""

from __future__ import annotations

from pathlib import Path

from fedcoop.protocol.relaying import Wish
from tests.flow.federation import Coop
from tests.web.test_relay import BASE, a_relay, client_of
from tests.web.test_relay import relay as relay


async def test_the_page_says_what_goes_through_and_how_to_subscribe(relay: Coop):
    client = await client_of(relay)
    for language, words in (
        ("fr", ["Un relais", "Le relais du Rhône", "Mission", "N41", "52", "L’exploitant du relais répond"]),
        ("en", ["A relay", "The relay of the Rhône", "Mission", "N41", "52", "The relay’s operator answers"]),
    ):
        answer = await client.get("/", headers={"Accept": "text/html", "Accept-Language": language})
        text = await answer.text()
        assert answer.status == 200
        assert [word for word in [*words, f"{BASE}/inbox", f"{BASE}/actor"] if word not in text] == []
        assert "/sign-in" not in text
        assert 'href="/missions"' not in text
    assert await (await client.get("/actor", headers={"Accept": "text/html"})).text()
    await client.close()


async def test_a_relay_that_carries_everything_for_everybody_says_so(tmp_path: Path):
    relay = await a_relay(tmp_path, Wish(), open=True)
    client = await client_of(relay)
    text = await (await client.get("/", headers={"Accept": "text/html", "Accept-Language": "en"})).text()
    assert "Every server is accepted." in text
    assert "everything that its publishers send" in text
    assert "Trades" not in text
    await client.close()
    await relay.world.store.close()
