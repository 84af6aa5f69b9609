"""Two co-ops compare what they share: who lacks what, that both get it, and that nobody gets more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fedcoop.errors import Forbidden, Malformed, NotFound, Unavailable, Unverified
from fedcoop.flow import reconciling
from fedcoop.flow.founding import decide_peer
from fedcoop.flow.reconciling import Reconciled, answered, reconcile
from fedcoop.protocol import cavage, strict_json
from fedcoop.protocol.messages import Document, RawRequest
from fedcoop.protocol.reconciling import PATH
from tests.flow.federation import Coop, Federation, a_mission, settle
from tests.flow.stories import a_published_mission, an_engagement


class Asker:
    """`ports.Asker`: signs as the sender and hands the request to the peer's world; `spoil` changes the answer."""

    def __init__(self, coop: Coop) -> None:
        self._coop = coop
        self.spoil: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer
        self.asked: list[dict[str, Any]] = []

    async def ask(self, url: str, body: bytes, *, sender: str) -> Document:
        base = url.removesuffix(PATH)
        if base in self._coop.office.down:
            raise Unavailable("unavailable", "No answer.")
        host = base.partition("://")[2]
        key_id, key = self._coop.ring.http_key(sender)
        headers = cavage.sign_headers(
            method="POST",
            url_host=host,
            target=PATH,
            body=body,
            key_id=key_id,
            key=key,
            date=self._coop.clock(),
        )
        self.asked.append(json.loads(body))
        request = RawRequest("POST", PATH, tuple(headers.items()), body)
        answer = await answered(request, world=self._coop.office.worlds[base])
        return self.spoil(strict_json.loads(strict_json.dumps(answer)))


def asking(coop: Coop) -> Asker:
    asker = Asker(coop)
    coop.world = coop.office.worlds[coop.base] = replace(coop.world, asker=asker)
    return asker


async def run(coop: Coop, other: Coop) -> Reconciled:
    if coop.world.asker is None:
        asking(coop)
    return await reconcile(other.base, world=coop.world)


async def lost(federation: Federation, *down: Coop) -> None:
    """Everything that is owed to these is given up: they are away for longer than anybody tries."""
    federation.office.down = {coop.base for coop in down}
    for _ in range(12):
        await settle(federation.office)
        federation.lyon.clock.advance(days=1)
    federation.office.down = set()
    assert [await coop.owed() for coop in (federation.lyon, federation.nantes, federation.alpes)] == [0, 0, 0]


async def test_co_ops_that_missed_nothing_agree(federation: Federation):
    awa = await federation.lyon.member("awa", status="cape")
    mission = await a_published_mission(federation.nantes)
    engagement = await an_engagement(federation, awa, mission)
    before = federation.nantes.rows()
    done = await run(federation.nantes, federation.lyon)
    chain = await federation.nantes.chain(engagement)
    assert chain is not None
    assert {one.chain for one in done.chains} == {mission, chain.id}
    assert done.counts() == {"agree": 2}
    assert done.complete
    assert federation.nantes.rows() == before


async def test_what_a_peer_lacks_is_owed_to_it_and_the_second_run_finds_nothing(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    missions = [
        (await nantes.post(nantes.id, {"type": "Create", "object": mission}))
        for mission in [{**a_mission(), "relayScope": "public"} for _ in range(3)]
    ]
    await lost(federation, lyon)
    names = [str(one.document["object"]["id"]) for one in missions]
    assert [await lyon.chain(name) for name in names] == [None] * 3
    first = await run(nantes, lyon)
    assert first.counts() == {"they-are-behind": 3}
    assert [(one.sent, one.ours, one.theirs) for one in first.chains] == [(1, 1, 0)] * 3
    await settle(federation.office)
    assert [await lyon.state(name) for name in names] == [("published", 1)] * 3
    assert (await run(nantes, lyon)).counts() == {"agree": 3}
    assert await nantes.owed() == 0


async def test_an_owners_steps_that_were_lost_are_taken_by_whoever_asks(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    offer = await lyon.say(awa, "Offer", {"type": "Agreement", "mission": mission})
    await nantes.post(nantes.id, {"type": "Accept", "object": offer.activity_id})
    await nantes.post(nantes.id, {"type": "Create", "object": a_mission()})
    await lost(federation, lyon)
    assert await lyon.state(offer.activity_id) == ("proposed", 1)
    done = await run(lyon, nantes)
    assert done.counts() == {"we-are-behind": 3}
    assert {(one.kind, one.taken, one.refused) for one in done.chains} == {
        ("Engagement", 1, None),
        ("Mission", 1, None),
    }
    assert await lyon.state(offer.activity_id) == ("accepted", 2)
    *_, last = await lyon.world.store.read(lambda reader: reader.provenance(offer.activity_id))
    assert (last.way, last.via, last.key) == ("reconciled", nantes.base, f"{nantes.id}#ed25519-1")
    assert await lyon.state(mission) == await nantes.state(mission)
    assert (await run(lyon, nantes)).counts() == {"agree": 3}


async def test_what_came_by_question_and_then_by_delivery_has_one_effect(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    federation.office.down = {lyon.base}
    mission = await a_published_mission(nantes)
    federation.office.down = set()
    done = await run(lyon, nantes)
    assert [(one.standing, one.taken) for one in done.chains] == [("we-are-behind", 1)]
    rows = lyon.rows()
    nantes.clock.advance(hours=1)
    await settle(federation.office)
    assert federation.office.posts[-1] == (f"{lyon.base}/inbox", "Create", 202)
    assert await lyon.state(mission) == ("published", 1)
    assert lyon.rows()["activity"] == rows["activity"]


async def test_an_owner_that_went_another_way_is_followed(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    offer = (await lyon.say(awa, "Offer", {"type": "Agreement", "mission": mission})).activity_id
    await lyon.post(awa, {"type": "Undo", "object": offer})
    await nantes.post(nantes.id, {"type": "Accept", "object": offer})
    assert (await lyon.state(offer), await nantes.state(offer)) == (("withdrawn", 2), ("accepted", 2))
    done = await run(lyon, nantes)
    (one,) = [one for one in done.chains if one.standing == "diverged"]
    assert (one.kind, one.taken, one.refused, one.left) == ("Engagement", 1, None, None)
    assert await lyon.state(offer) == ("accepted", 2)
    await settle(federation.office)
    assert set((await run(lyon, nantes)).counts()) == {"agree"}


async def test_a_step_that_the_peer_altered_is_refused_and_nothing_is_stored(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    federation.office.down = {lyon.base}
    mission = await a_published_mission(nantes)
    federation.office.down = set()
    asker = asking(lyon)
    before = lyon.rows()
    for spoil in (
        lambda text: text.replace("1140.00", "9.00"),
        lambda text: text.replace('"proof"', '"prof"'),
        lambda text: text.replace(nantes.base, federation.alpes.base),
        lambda text: text.replace(nantes.base, lyon.base),
        lambda text: "{",
    ):
        asker.spoil = lambda answer, spoil=spoil: (  # type: ignore[misc]
            {**answer, "activities": [spoil(one) for one in answer["activities"]]}
            if "activities" in answer
            else answer
        )
        (one,) = (await run(lyon, nantes)).chains
        assert (one.standing, one.taken) == ("we-are-behind", 0)
        assert one.refused is not None
        assert lyon.rows() == before
    asker.spoil = lambda answer: answer
    (one,) = (await run(lyon, nantes)).chains
    assert (one.taken, one.refused) == (1, None)
    assert await lyon.state(mission) == ("published", 1)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"heads": "x", "next": None},
        {"heads": [], "next": 5},
        {"heads": [{"chain": "c"}], "next": None},
        {"heads": [{}] * 201, "next": None},
        {
            "heads": [
                {"chain": "c", "kind": "k", "owner": "o", "state": "s", "stateVersion": 0, "digest": "z"}
            ],
            "next": None,
        },
    ],
)
async def test_an_answer_that_is_none_is_refused(federation: Federation, answer: dict[str, Any]):
    asking(federation.lyon).spoil = lambda _: answer
    with pytest.raises(Malformed):
        await run(federation.lyon, federation.nantes)


async def test_pages_that_never_end_do(federation: Federation, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reconciling, "MAX_RECONCILED_PAGES", 3)
    asker = asking(federation.lyon)
    asker.spoil = lambda answer: {**answer, "next": "again"} if "heads" in answer else answer
    done = await run(federation.lyon, federation.nantes)
    assert not done.complete
    assert len(asker.asked) == 3


async def test_many_chains_are_compared_page_by_page(federation: Federation, monkeypatch: pytest.MonkeyPatch):
    lyon, nantes = federation.lyon, federation.nantes
    missions = [await a_published_mission(nantes) for _ in range(5)]
    monkeypatch.setattr(reconciling, "MAX_RECONCILED_PAGE", 2)
    asker = asking(lyon)
    done = await run(lyon, nantes)
    assert done.counts() == {"agree": 5}
    assert {one.chain for one in done.chains} == set(missions)
    assert len(asker.asked) == 3


async def test_long_chains_are_sent_step_by_step(federation: Federation, monkeypatch: pytest.MonkeyPatch):
    lyon, nantes = federation.lyon, federation.nantes
    federation.office.down = {lyon.base}
    mission = await a_published_mission(nantes)
    for slots in (2, 3, 4):
        await nantes.post(nantes.id, {"type": "Update", "object": {"id": mission, "slots": slots}})
    federation.office.down = set()
    monkeypatch.setattr(reconciling, "MAX_CHAIN_STEPS_SENT", 3)
    monkeypatch.setattr(reconciling, "MAX_RECONCILED_BYTES", 1)
    (one,) = (await run(lyon, nantes)).chains
    assert (one.taken, one.refused) == (4, None)
    assert await lyon.state(mission) == ("published", 4)


async def test_nobody_is_told_of_what_others_share(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes, relayScope="network")
    engagement = await an_engagement(federation, awa, mission)
    chain = await nantes.chain(engagement)
    assert chain is not None
    asker = asking(alpes)
    assert (await run(alpes, nantes)).chains == []
    for hidden in (mission, chain.id, f"{nantes.base}/missions/none"):
        question = {"type": "Reconcile", "chain": hidden, "version": 0}
        document = {"id": f"{alpes.base}/activities/q", "actor": alpes.id, **question}
        with pytest.raises(NotFound):
            await asker.ask(f"{nantes.base}{PATH}", strict_json.dumps(document), sender=alpes.id)
    # A peer that names what is not shared with it learns nothing of it.
    asker = asking(nantes)
    asker.spoil = lambda answer: {
        "heads": [
            {
                "chain": chain.id,
                "kind": "Engagement",
                "owner": nantes.id,
                "state": "accepted",
                "stateVersion": 1,
                "digest": "z",
            }
        ],
        "next": None,
    }
    assert (await run(nantes, alpes)).chains == []


async def test_only_peers_that_we_work_with_ask_and_are_asked(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    await decide_peer(nantes.world, lyon.base, "blocked")
    with pytest.raises(Forbidden):
        await run(lyon, nantes)
    with pytest.raises(Forbidden):
        await run(nantes, lyon)
    with pytest.raises(Malformed):
        await reconcile("nantes", world=lyon.world)


async def test_a_question_is_signed_by_whoever_asks(federation: Federation):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    document = {"id": f"{lyon.base}/activities/q", "type": "Reconcile", "actor": lyon.id}
    forger = Asker(Coop(alpes.world, alpes.ring, alpes.office, alpes.clock))
    with pytest.raises(Unverified):
        await forger.ask(f"{nantes.base}{PATH}", strict_json.dumps(document), sender=alpes.id)


@pytest.mark.parametrize(
    "members",
    [{"type": "Create", "object": "x"}, {"after": 5}, {"chain": []}, {"chain": "c", "version": -1}],
)
async def test_a_question_that_is_none_is_refused(federation: Federation, members: dict[str, Any]):
    lyon, nantes = federation.lyon, federation.nantes
    document = {"id": f"{lyon.base}/activities/q", "type": "Reconcile", "actor": lyon.id, **members}
    with pytest.raises(Malformed):
        await Asker(lyon).ask(f"{nantes.base}{PATH}", strict_json.dumps(document), sender=lyon.id)


async def test_a_peer_that_does_not_answer_changes_nothing(federation: Federation):
    asking(federation.lyon)
    federation.office.down = {federation.nantes.base}
    before = federation.lyon.rows()
    with pytest.raises(Unavailable):
        await run(federation.lyon, federation.nantes)
    assert federation.lyon.rows() == before
    assert asyncio.all_tasks() == {asyncio.current_task()}
