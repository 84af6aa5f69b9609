"""A key is its owner's word, asked for no more often than needed, and trusted no longer than stated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import pytest

from fedcoop.errors import Unavailable, Unverified
from fedcoop.net.fetch import HttpFetcher
from fedcoop.net.keys import CachedKeys, lists_key
from fedcoop.ports import KeyResolver
from fedcoop.protocol import limits
from fedcoop.protocol.messages import Document, KeyDocument
from tests.conftest import NOON, StoppedClock
from tests.net.conftest import Canary, Rebinding, Stranger, a_session, an_actor

COOP: Final = "https://coop.example/actors/coop"
KEY: Final = COOP + "#main-key"
PROOF_KEY: Final = COOP + "#ed25519-1"


class Source:
    """Pages of strangers, counted; an exception in the place of a page is raised."""

    def __init__(self, *actors: dict[str, Any]) -> None:
        self.pages: dict[str, Any] = {actor["id"]: actor for actor in actors}
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None

    async def key_document(self, url: str) -> Document:
        self.asked.append(url)
        if self.gate is not None:
            await self.gate.wait()
        page = self.pages.get(url, Unverified("key-unknown", "its server answered 404"))
        if isinstance(page, Exception):
            raise page
        return page


OFF: Final = Unavailable("key-unreachable", "connect")
GONE: Final = Unverified("key-unknown", "its server answered 410", extra={"answered": 410})


@pytest.fixture
def source() -> Source:
    return Source(an_actor(COOP))


@pytest.fixture
def keys(source: Source, clock: StoppedClock) -> CachedKeys:
    return CachedKeys(source, clock)


async def refusal(look_up: Any) -> str:
    with pytest.raises(Unverified) as caught:
        await look_up
    return caught.value.code


async def out_of_reach(look_up: Any) -> int:
    """Return the Retry-After that the failure says."""
    with pytest.raises(Unavailable) as caught:
        await look_up
    assert caught.value.code == "key-unreachable"
    return caught.value.retry_after


# -- whose key ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key_id", [KEY, PROOF_KEY, COOP])
async def test_a_listed_key_is_resolved_to_its_whole_actor(keys: CachedKeys, source: Source, key_id: str):
    found = await keys.resolve(key_id)
    assert found == KeyDocument(source.pages[COOP], NOON)
    assert source.asked == [COOP]


def test_it_is_a_key_resolver(keys: KeyResolver):
    assert keys


@pytest.mark.parametrize(
    "changed",
    [
        {"publicKey": None},
        {"publicKey": KEY},
        {"publicKey": {"id": COOP + "#other", "owner": COOP, "publicKeyPem": "PEM"}},
        {"publicKey": {"id": KEY, "owner": "https://coop.example/actors/mallory", "publicKeyPem": "PEM"}},
        {"publicKey": {"id": KEY, "publicKeyPem": "PEM"}},
        {"publicKey": {"id": KEY, "owner": "https://victim.example/actors/coop", "publicKeyPem": "PEM"}},
    ],
)
async def test_a_key_that_its_owner_does_not_list_as_its_own_is_refused(
    keys: CachedKeys, source: Source, changed: dict[str, Any]
):
    source.pages[COOP] = an_actor(COOP) | changed
    assert await refusal(keys.resolve(KEY)) == "key-owner-mismatch"


async def test_a_key_may_be_one_of_several(keys: CachedKeys, source: Source):
    old = {"id": COOP + "#old-key", "owner": COOP, "publicKeyPem": "PEM"}
    source.pages[COOP]["publicKey"] = [old, source.pages[COOP]["publicKey"]]
    await keys.resolve(KEY)
    await keys.resolve(COOP + "#old-key")
    assert source.asked == [COOP]


@pytest.mark.parametrize(
    "key_id",
    [
        "acct:coop@coop.example",
        "did:key:z6Mk",
        "main-key",
        "",
        "http://coop.example/actors/coop#main-key",
        "https://127.0.0.1/actors/coop#main-key",
        "https://localhost/actors/coop#main-key",
        "https://coop.example:8443/actors/coop#main-key",
        "https://a@coop.example/actors/coop#main-key",
        "https://coop.example/../actors/coop#main-key",
        "https://2130706433/actors/coop#main-key",
    ],
)
async def test_a_key_id_that_names_no_document_of_the_federation_is_refused_unasked(
    keys: CachedKeys, source: Source, key_id: str
):
    assert await refusal(keys.resolve(key_id)) == "key-unknown"
    assert source.asked == []


@pytest.mark.parametrize(
    "changed",
    [{"id": COOP + "/"}, {"type": None}, {"inbox": 7}, {"assertionMethod": [{}] * 10}, {"inbox": "x"}],
)
async def test_an_owner_that_is_not_a_whole_actor_is_refused(
    keys: CachedKeys, source: Source, changed: dict[str, Any]
):
    source.pages[COOP] = an_actor(COOP) | changed
    assert await refusal(keys.resolve(KEY)) in {"key-unknown", "key-owner-mismatch"}


# -- keys with a document of their own ------------------------------------------------------------------

OWN: Final = "https://coop.example/users/coop/main-key"


def stub() -> dict[str, Any]:
    """What GoToSocial shows at a key's own URL: the actor's id and its key, little else."""
    return {
        "id": COOP,
        "type": "Person",
        "preferredUsername": "coop",
        "publicKey": {"id": OWN, "owner": COOP, "publicKeyPem": "PEM"},
    }


def alone(**changed: Any) -> dict[str, Any]:
    return {"id": OWN, "type": "Key", "owner": COOP, "publicKeyPem": "PEM"} | changed


@pytest.mark.parametrize(
    "document",
    [
        stub(),
        stub() | {"inbox": COOP + "/inbox"},
        alone(),
        alone(owner=None, type="Multikey", controller=COOP, publicKeyMultibase="z6Mk"),
    ],
    ids=["stub", "whole actor", "stand-alone", "Multikey"],
)
async def test_a_key_with_its_own_url_is_its_owners_when_the_owner_lists_it_back(
    keys: CachedKeys, source: Source, document: dict[str, Any]
):
    source.pages[OWN] = document
    source.pages[COOP]["publicKey"]["id"] = OWN
    assert (await keys.resolve(OWN)).actor["id"] == COOP
    assert source.asked == [OWN, COOP]


@pytest.mark.parametrize("document", [stub(), alone()])
async def test_a_key_with_its_own_url_that_the_owner_does_not_list_is_refused(
    keys: CachedKeys, source: Source, document: dict[str, Any]
):
    source.pages[OWN] = document
    assert await refusal(keys.resolve(OWN)) == "key-owner-mismatch"


async def test_a_key_that_the_owner_lists_by_its_id_is_put_in_its_place(keys: CachedKeys, source: Source):
    source.pages[OWN] = alone()
    source.pages[COOP] |= {"publicKey": OWN, "assertionMethod": ["https://coop.example/other", OWN]}
    actor = (await keys.resolve(OWN)).actor
    assert actor["publicKey"] == alone()
    assert actor["assertionMethod"] == ["https://coop.example/other", alone()]
    assert actor["inbox"] == COOP + "/inbox"


@pytest.mark.parametrize(
    "document",
    [
        alone(owner="https://victim.example/actors/coop"),
        alone(id=OWN, owner=None, controller="https://victim.example/actors/coop"),
        stub()
        | {"publicKey": {"id": OWN, "owner": "https://victim.example/actors/coop", "publicKeyPem": "P"}},
    ],
)
async def test_a_key_document_speaks_for_its_own_origin_only(
    keys: CachedKeys, source: Source, document: dict[str, Any]
):
    victim = an_actor("https://victim.example/actors/coop")
    source.pages |= {victim["id"]: victim | {"publicKey": document}, OWN: document}
    assert await refusal(keys.resolve(OWN)) == "key-owner-mismatch"
    assert source.asked == [OWN]


@pytest.mark.parametrize(
    "document", [{"id": OWN}, alone(owner=None), alone(owner=7), {"id": OWN, "publicKey": []}]
)
async def test_a_document_that_is_neither_actor_nor_key_is_refused(
    keys: CachedKeys, source: Source, document: dict[str, Any]
):
    source.pages[OWN] = document
    assert await refusal(keys.resolve(OWN)) == "key-unknown"


async def test_an_owner_that_answers_as_somebody_else_is_refused(keys: CachedKeys, source: Source):
    source.pages[OWN] = alone()
    source.pages[COOP] = an_actor("https://coop.example/actors/alice")
    assert await refusal(keys.resolve(OWN)) == "key-unknown"


# -- the cache ----------------------------------------------------------------------------------------------


async def test_a_fresh_key_is_not_asked_for_again(keys: CachedKeys, source: Source, clock: StoppedClock):
    first = await keys.resolve(KEY)
    clock.advance(hours=23, minutes=59)
    assert await keys.resolve(KEY) is first
    assert source.asked == [COOP]


async def test_after_a_day_a_key_is_asked_for_again(keys: CachedKeys, source: Source, clock: StoppedClock):
    await keys.resolve(KEY)
    clock.advance(hours=24)
    assert (await keys.resolve(KEY)).fetched_at == clock()
    assert len(source.asked) == 2


async def test_while_its_server_is_down_a_key_lives_for_a_week(
    keys: CachedKeys, source: Source, clock: StoppedClock
):
    first = await keys.resolve(KEY)
    source.pages[COOP] = OFF
    clock.advance(days=6, hours=23)
    assert await keys.resolve(KEY) is first
    assert await keys.resolve(KEY) is first
    clock.advance(hours=1)
    await out_of_reach(keys.resolve(KEY))


async def test_while_its_server_is_down_a_stale_key_is_asked_for_seldom(
    keys: CachedKeys, source: Source, clock: StoppedClock
):
    await keys.resolve(KEY)
    source.pages[COOP] = OFF
    clock.advance(days=2)
    for _ in range(20):
        await keys.resolve(KEY)
    assert len(source.asked) == 2


async def test_a_clock_that_was_set_back_makes_no_key_fresh(
    keys: CachedKeys, source: Source, clock: StoppedClock
):
    await keys.resolve(KEY)
    clock.advance(days=-30)
    await keys.resolve(KEY)
    assert len(source.asked) == 2


async def test_a_key_that_was_taken_down_is_not_trusted_any_more(
    keys: CachedKeys, source: Source, clock: StoppedClock
):
    await keys.resolve(KEY)
    source.pages[COOP] = GONE
    assert await refusal(keys.resolve(KEY, refresh=True)) == "key-unknown"
    assert await refusal(keys.resolve(KEY)) == "key-unknown"
    clock.advance(hours=2)
    assert await refusal(keys.resolve(KEY)) == "key-unknown"


async def test_a_rotated_key_is_found_and_the_old_one_refused(keys: CachedKeys, source: Source):
    await keys.resolve(KEY)
    source.pages[COOP]["publicKey"] = {"id": COOP + "#key-2", "owner": COOP, "publicKeyPem": "PEM"}
    await keys.resolve(COOP + "#key-2")
    assert await refusal(keys.resolve(KEY)) == "key-owner-mismatch"
    assert len(source.asked) == 2


# -- refresh ------------------------------------------------------------------------------------------------


async def test_a_refresh_asks_again_at_most_once_in_five_minutes(
    keys: CachedKeys, source: Source, clock: StoppedClock
):
    first = await keys.resolve(KEY)
    clock.advance(seconds=1)
    second = await keys.resolve(KEY, refresh=True)
    assert second is not first
    for _ in range(20):
        assert await keys.resolve(KEY, refresh=True) is second
    assert len(source.asked) == 2
    clock.advance(minutes=5)
    await keys.resolve(KEY, refresh=True)
    assert len(source.asked) == 3


async def test_key_ids_made_up_for_an_actor_do_not_make_us_ask_more(keys: CachedKeys, source: Source):
    for n in range(20):
        assert await refusal(keys.resolve(f"{COOP}#made-up-{n}")) == "key-owner-mismatch"
    await keys.resolve(KEY)
    assert len(source.asked) == 2


async def test_a_refresh_that_fails_is_out_of_reach_and_the_old_key_stays(keys: CachedKeys, source: Source):
    first = await keys.resolve(KEY)
    source.pages[COOP] = OFF
    assert await out_of_reach(keys.resolve(KEY, refresh=True)) == 5
    assert await keys.resolve(KEY) is first
    await out_of_reach(keys.resolve(KEY, refresh=True))
    assert len(source.asked) == 2


# -- failures are remembered ----------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [GONE, OFF], ids=["gone", "off"])
async def test_a_dead_key_is_not_asked_for_again_and_again(
    keys: CachedKeys, source: Source, clock: StoppedClock, failure: Exception
):
    source.pages[COOP] = failure
    for _ in range(20):
        clock.advance(seconds=0.2)
        with pytest.raises((Unverified, Unavailable)):
            await keys.resolve(KEY)
    assert len(source.asked) == 1


async def test_the_memory_of_a_failure_doubles_from_seconds_to_an_hour(
    keys: CachedKeys, source: Source, clock: StoppedClock
):
    source.pages[COOP] = OFF
    waits = []
    for _ in range(12):
        waits.append(await out_of_reach(keys.resolve(KEY)))
        clock.advance(seconds=waits[-1] - 1)
        assert await out_of_reach(keys.resolve(KEY)) == 1
        clock.advance(seconds=1)
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
    assert len(source.asked) == 12


async def test_a_success_forgets_the_failures(keys: CachedKeys, source: Source, clock: StoppedClock):
    actor, source.pages[COOP] = source.pages[COOP], OFF
    await out_of_reach(keys.resolve(KEY))
    source.pages[COOP] = actor
    clock.advance(minutes=5)
    await keys.resolve(KEY)
    source.pages[COOP] = OFF
    assert await out_of_reach(keys.resolve(KEY, refresh=True)) == 5


async def test_what_was_said_of_a_failure_is_said_again(keys: CachedKeys, source: Source):
    source.pages[COOP] = GONE
    for _ in range(2):
        with pytest.raises(Unverified) as caught:
            await keys.resolve(KEY)
        assert caught.value.extra == {"answered": 410}


async def test_a_key_that_its_server_disowns_is_asked_for_after_five_minutes(
    keys: CachedKeys, source: Source, clock: StoppedClock
):
    source.pages[COOP] = GONE
    for _ in range(29):
        await refusal(keys.resolve(KEY))
        clock.advance(seconds=10)
    assert len(source.asked) == 1
    clock.advance(seconds=10)
    await refusal(keys.resolve(KEY))
    assert len(source.asked) == 2


# -- one at a time, and not too many ------------------------------------------------------------------------


async def test_one_fetch_answers_everybody_who_waits(keys: CachedKeys, source: Source):
    source.gate = asyncio.Event()
    waiting = [asyncio.create_task(keys.resolve(k)) for k in (KEY, PROOF_KEY) * 10]
    await asyncio.sleep(0)
    source.gate.set()
    found = await asyncio.gather(*waiting)
    assert all(document is found[0] for document in found)
    assert source.asked == [COOP]


async def test_one_failure_answers_everybody_who_waits(keys: CachedKeys, source: Source):
    source.gate, source.pages[COOP] = asyncio.Event(), OFF
    waiting = [asyncio.create_task(keys.resolve(KEY)) for _ in range(10)]
    await asyncio.sleep(0)
    source.gate.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in found} == {Unavailable}
    assert source.asked == [COOP]


async def test_whoever_stops_waiting_does_not_take_the_answer_from_the_others(
    keys: CachedKeys, source: Source
):
    source.gate = asyncio.Event()
    impatient, patient = (asyncio.create_task(keys.resolve(KEY)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    source.gate.set()
    assert (await patient).actor["id"] == COOP
    assert impatient.cancelled()


async def test_closing_tells_whoever_waits(keys: CachedKeys, source: Source):
    source.gate = asyncio.Event()
    waiting = asyncio.create_task(keys.resolve(KEY))
    await asyncio.sleep(0)
    await keys.close()
    await out_of_reach(waiting)
    assert keys._in_flight == {}


async def test_a_host_is_asked_sixty_times_a_minute_at_most(
    keys: CachedKeys, source: Source, clock: StoppedClock
):
    def someone(n: int) -> str:
        return f"https://coop.example/actors/{n}"

    for n in range(limits.MAX_KEY_FETCHES_PER_MINUTE):
        assert await refusal(keys.resolve(someone(n))) == "key-unknown"
    clock.advance(seconds=20)
    assert await out_of_reach(keys.resolve(KEY)) == 40
    assert len(source.asked) == 60
    await refusal(keys.resolve("https://elsewhere.example/actors/coop"))
    clock.advance(seconds=40)
    assert await keys.resolve(KEY)


async def test_our_own_limit_makes_no_key_dead(keys: CachedKeys, source: Source, clock: StoppedClock):
    first = await keys.resolve(KEY)
    for n in range(limits.MAX_KEY_FETCHES_PER_MINUTE - 1):
        await refusal(keys.resolve(f"https://coop.example/actors/{n}"))
    clock.advance(seconds=1)
    await out_of_reach(keys.resolve(KEY, refresh=True))
    assert await keys.resolve(KEY) is first
    assert keys._failures.get(COOP) is None


@pytest.mark.parametrize("part", ["_known", "_failures", "_asked"])
async def test_what_strangers_fill_does_not_grow_for_ever(source: Source, clock: StoppedClock, part: str):
    keys = CachedKeys(source, clock, size=5)
    for n in range(20):
        actor = an_actor(f"https://coop-{n}.example/actors/coop")
        source.pages[actor["id"]] = actor
        await keys.resolve(actor["id"] + "#main-key")
        await refusal(keys.resolve(f"https://nobody-{n}.example/x"))
    assert len(getattr(keys, part)._entries) == 5


async def test_the_key_in_use_is_not_the_one_that_is_forgotten(source: Source, clock: StoppedClock):
    keys = CachedKeys(source, clock, size=3)
    for n in range(10):
        await keys.resolve(KEY)
        actor = an_actor(f"https://coop-{n}.example/actors/coop")
        source.pages[actor["id"]] = actor
        await keys.resolve(actor["id"])
    assert source.asked.count(COOP) == 1


# -- the store ----------------------------------------------------------------------------------------------


class Shelf:
    """A store of key documents."""

    def __init__(self) -> None:
        self.kept: dict[str, KeyDocument] = {}
        self.loads: list[str] = []

    async def load(self, actor_id: str) -> KeyDocument | None:
        self.loads.append(actor_id)
        return self.kept.get(actor_id)

    async def save(self, keys: KeyDocument) -> None:
        self.kept[keys.actor["id"]] = keys


@pytest.fixture
def restart(source: Source, clock: StoppedClock) -> Callable[[Shelf], CachedKeys]:
    return lambda shelf: CachedKeys(source, clock, load=shelf.load, save=shelf.save)


async def test_a_restart_asks_nobody_again(
    restart: Callable[[Shelf], CachedKeys], source: Source, clock: StoppedClock
):
    shelf = Shelf()
    first = await restart(shelf).resolve(KEY)
    clock.advance(hours=1)
    keys = restart(shelf)
    for _ in range(3):
        assert await keys.resolve(KEY) is first
    assert source.asked == [COOP]
    assert len(shelf.loads) == 2


async def test_a_stored_key_is_as_old_as_it_is(
    restart: Callable[[Shelf], CachedKeys], source: Source, clock: StoppedClock
):
    shelf = Shelf()
    await restart(shelf).resolve(KEY)
    source.pages[COOP] = OFF
    clock.advance(days=6)
    await restart(shelf).resolve(KEY)
    clock.advance(days=1)
    await out_of_reach(restart(shelf).resolve(KEY))


async def test_what_its_server_has_disowned_does_not_come_back_from_the_store(
    restart: Callable[[Shelf], CachedKeys], source: Source, clock: StoppedClock
):
    shelf = Shelf()
    keys = restart(shelf)
    await keys.resolve(KEY)
    source.pages[COOP] = GONE
    assert await refusal(keys.resolve(KEY, refresh=True)) == "key-unknown"
    clock.advance(minutes=6)
    assert await refusal(keys.resolve(KEY)) == "key-unknown"


# -- over the network ---------------------------------------------------------------------------------------


async def test_a_key_is_resolved_over_http(stranger: Stranger, clock: StoppedClock):
    actor = stranger.actor()
    origins = frozenset({stranger.base})
    async with a_session(stranger.base) as session:
        fetcher = HttpFetcher(session, allow_origins=origins)
        keys = CachedKeys(fetcher, clock, allow_origins=origins)
        assert (await keys.resolve(actor["id"] + "#main-key")).actor == actor
        assert await refusal(keys.resolve(stranger.base + "/actors/nobody#main-key")) == "key-unknown"
    assert [r.method for r in stranger.asked] == ["GET", "GET"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "[::ffff:127.0.0.1]"]
)
async def test_a_key_id_at_an_internal_address_is_an_unknown_key(
    clock: StoppedClock, canary: Canary, host: str
):
    async with a_session() as session:
        keys = CachedKeys(HttpFetcher(session), clock)
        for scheme in ("http", "https"):
            assert await refusal(keys.resolve(f"{scheme}://{host}:{canary.port}/a#main-key")) == "key-unknown"


async def test_a_key_id_on_a_name_of_an_internal_address_is_an_unknown_key(clock: StoppedClock):
    async with a_session(resolver=Rebinding("127.0.0.1")) as session:
        keys = CachedKeys(HttpFetcher(session), clock)
        assert await refusal(keys.resolve("https://rebind.example/actors/coop#main-key")) == "key-unknown"


async def test_a_key_that_redirects_inside_is_an_unknown_key(
    stranger: Stranger, clock: StoppedClock, canary: Canary
):
    origins = frozenset({stranger.base})
    url = stranger.redirect("/actors/coop", f"http://127.0.0.1:{canary.port}/actors/coop")
    async with a_session(stranger.base) as session:
        keys = CachedKeys(HttpFetcher(session, allow_origins=origins), clock, allow_origins=origins)
        assert await refusal(keys.resolve(url + "#main-key")) == "key-unknown"


def test_an_actor_without_keys_lists_none():
    assert not lists_key({"id": COOP}, KEY)
