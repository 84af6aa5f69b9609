"""A client of ours speaks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fedcoop.errors import Conflict, FedcoopError, Malformed, NotFound, NotImplementedYet
from fedcoop.flow.c2s import ACTIVITIES, FOREIGN, submit
from fedcoop.protocol.authorise import LATER, RULES
from fedcoop.protocol.model import LIFECYCLES
from tests.flow.federation import Federation, settle
from tests.flow.stories import a_published_mission

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


async def said(federation: Federation, document: dict[str, Any], key: str | None = None) -> dict[str, Any]:
    nantes = federation.nantes
    return dict((await submit(nantes.id, document, client_key=key, world=nantes.world)).document)


async def test_a_bare_object_is_created_for_whom_it_is_addressed_to(federation: Federation):
    whole = await said(federation, {"type": "Note", "content": "Bonjour", "to": [PUBLIC]})
    assert (whole["type"], whole["actor"], whole["to"]) == ("Create", federation.nantes.id, [PUBLIC])
    assert whole["object"]["attributedTo"] == federation.nantes.id
    assert whole["object"]["content"] == "Bonjour"


async def test_what_the_server_decides_the_client_does_not(federation: Federation):
    theirs = {"id": "https://nantes.example/mine", "published": "1999-01-01T00:00:00Z", "proof": {"x": 1}}
    hidden = {"bto": [federation.lyon.id], "bcc": [federation.alpes.id]}
    note = {"type": "Note", **theirs, **hidden}
    whole = await said(federation, {"type": "Create", "object": note, **theirs, **hidden})
    assert whole["id"].startswith("https://nantes.example/activities/")
    assert whole["published"] == "2026-11-22T12:00:00Z"
    assert whole["object"]["id"].startswith("https://nantes.example/objects/")
    assert whole["proof"]["type"] == "DataIntegrityProof"
    assert not {"bto", "bcc"} & {*whole, *whole["object"]}


@pytest.mark.parametrize("where", ["bare", "activity", "object"])
async def test_whom_a_client_names_blindly_gets_it_and_is_named_nowhere(federation: Federation, where: str):
    nantes, lyon, alpes = federation.nantes, federation.lyon, federation.alpes
    malo, awa = await nantes.member("malo"), await lyon.member("awa")
    zoe = await alpes.member("zoe")
    hidden = {"bto": [awa], "bcc": [malo, nantes.id]}
    deep = {"type": "Link", "href": "https://x.example/", "bto": [awa]}
    note: dict[str, Any] = {"type": "Note", "content": "Bonjour", "attachment": [deep]}
    document = {
        "bare": {**note, "to": zoe, **hidden},
        "activity": {"type": "Create", "object": note, "to": zoe, **hidden},
        "object": {"type": "Create", "object": {**note, **hidden}, "to": zoe},
    }[where]
    federation.office.posts.clear()
    whole = await said(federation, document)
    await settle(federation.office)
    # One copy names its reader; of the other its inbox alone says for whom it is.
    assert sorted(federation.office.posts) == [
        (f"{alpes.base}/inbox", "Create", 202),
        (f"{awa}/inbox", "Create", 202),
    ]
    for coop, reader in ((lyon, awa), (nantes, malo), (alpes, zoe)):
        got = await coop.world.store.read(lambda r, who=reader: r.inbox_page(who, cursor=None, limit=1))
        assert [item["id"] for item in got.items] == [whole["id"]]
    assert await nantes.read(whole["object"]["id"], malo) == whole["object"]
    assert await nantes.read(whole["object"]["id"]) is None
    kept = await nantes.world.store.read(lambda store: store.activity(whole["id"]))
    assert kept is not None
    for shown in (json.dumps(whole), kept.body.decode()):
        assert not {name for name in ("bto", "bcc", awa, malo) if name in shown}


async def test_nobody_hears_of_a_mission_whom_its_scope_leaves_out(federation: Federation):
    awa = await federation.lyon.member("awa")
    federation.office.posts.clear()
    await a_published_mission(federation.nantes, relayScope="members", bcc=[awa])
    assert federation.office.posts == []


async def test_nobody_speaks_for_another(federation: Federation):
    for actor in ("https://nantes.example/actors/other", ["https://nantes.example/actors/other"]):
        with pytest.raises(Malformed):
            await said(federation, {"type": "Create", "actor": actor, "object": {"type": "Note"}})
    own = {"type": "Create", "actor": federation.nantes.id, "object": {"type": "Note"}}
    assert (await said(federation, own))["actor"] == federation.nantes.id


async def test_nothing_is_not_something(federation: Federation):
    with pytest.raises(Malformed):
        await said(federation, {})


@pytest.mark.parametrize("kind", sorted(LATER | FOREIGN))
async def test_what_is_not_said_in_this_release_is_refused_as_such(federation: Federation, kind: str):
    before = federation.nantes.rows()
    with pytest.raises(NotImplementedYet):
        await said(
            federation, {"type": kind, "object": "https://lyon.example/x", "target": "https://lyon.example/y"}
        )
    assert federation.nantes.rows() == before


def test_every_message_of_the_lifecycles_is_an_activity_and_no_event_is():
    messages = {e.activity for life in LIFECYCLES.values() for e in life.edges} - {"Fetch", "Clock"}
    assert messages <= ACTIVITIES
    assert not {"Fetch", "Clock", "Mission", "Note"} & ACTIVITIES
    assert set(RULES) <= ACTIVITIES


async def test_an_event_is_nobodys_to_say(federation: Federation):
    whole = await said(federation, {"type": "Clock"})
    assert (whole["type"], whole["object"]["type"]) == ("Create", "Clock")


@pytest.mark.parametrize("kind", ["Accept", "Reject", "Undo", "TentativeAccept", "TentativeReject", "Delete"])
async def test_what_is_not_here_is_not_answered(federation: Federation, kind: str):
    with pytest.raises(NotFound):
        await said(federation, {"type": kind, "object": "https://nantes.example/activities/none"})


async def test_a_client_that_decided_on_an_older_state_is_told(federation: Federation):
    mission = await a_published_mission(federation.nantes)
    update = {"type": "Update", "object": {"id": mission, "slots": 2}}
    with pytest.raises(Conflict) as refusal:
        await said(federation, {**update, "stateVersion": 1})
    assert refusal.value.code == "stale"
    chain = await federation.nantes.chain(mission)
    assert chain is not None
    whole = await said(federation, {**update, "stateVersion": 2, "previousDigest": chain.digest})
    assert whole["stateVersion"] == 2


async def test_a_key_is_for_one_thing(federation: Federation):
    note = {"type": "Note", "content": "x"}
    first = await said(federation, note, "key")
    assert await said(federation, note, "key") == first
    with pytest.raises(Conflict) as refusal:
        await said(federation, {"type": "Follow", "object": federation.lyon.id}, "key")
    assert refusal.value.code == "id-reused"


async def test_an_account_is_not_closed_from_a_client(federation: Federation):
    with pytest.raises(NotImplementedYet):
        await said(federation, {"type": "Delete", "object": federation.nantes.id})


@pytest.mark.parametrize(
    "document",
    [
        {"type": "Create"},
        {"type": "Create", "object": 5},
        {"type": "Create", "object": []},
        {"type": "Update", "object": "https://nantes.example/x"},
        {"type": ["Create", "Follow"], "object": {"type": "Note"}},
        {"type": "Offer", "object": "x"},
        {"type": "Offer", "object": {"type": "Agreement"}},
        {"type": "Mission", "price": {"totalExclTax": "much"}},
        {"type": "Mission", "publishes": 5, "slots": "two"},
        {"type": "Follow", "object": {"type": "Person"}},
        {"type": "Undo", "object": [1, 2]},
        {"type": "Note", "to": 5},
        {"type": 5},
        {"x": "y"},
    ],
)
async def test_whatever_a_client_posts_it_is_done_or_refused_with_a_code(
    federation: Federation, document: dict[str, Any]
):
    try:
        await said(federation, document)
    except FedcoopError as refusal:
        assert refusal.code  # noqa: PT017
