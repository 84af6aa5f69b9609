"""What somebody else brings is believed for its author's proof alone, and only where an old word does no harm."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from fedcoop.errors import FedcoopError
from fedcoop.flow.reading import read_history
from fedcoop.flow.taking_in import Receipt
from fedcoop.protocol import strict_json
from fedcoop.protocol.history import verify_history
from tests.flow.federation import Coop, Federation, Ring, settle
from tests.flow.stories import a_published_mission, plainly, proven


async def a_missed_mission(federation: Federation, **members: Any) -> tuple[str, list[bytes]]:
    """Lyon publishes a mission while Nantes is away; return its id and the bytes that Alpes has of it."""
    federation.office.down = {federation.nantes.base}
    mission = await a_published_mission(federation.lyon, **members)
    await federation.lyon.say(federation.lyon.id, "Update", {"id": mission, "slots": 2})
    federation.office.down = set()
    chain = await federation.alpes.chain(mission)
    assert chain is not None
    stored = await federation.alpes.world.store.read(lambda reader: reader.history(chain.id))
    return mission, [one.body for one in stored]


async def forward(federation: Federation, body: bytes, by: Coop | None = None) -> Receipt:
    """Let Alpes (or another) bring these bytes to Nantes."""
    courier = by or federation.alpes
    return await federation.nantes.receive(body, sender=courier.id, ring=courier.ring)


async def refused(federation: Federation, body: bytes, by: Coop | None = None) -> str:
    """Return the code by which Nantes refuses what is brought; nothing of it is kept."""
    before = federation.nantes.rows()
    with pytest.raises(FedcoopError) as refusal:
        await forward(federation, body, by)
    assert federation.nantes.rows() == before
    return refusal.value.code


async def test_what_was_missed_may_come_from_somebody_else_and_is_its_authors(federation: Federation):
    mission, (create, update) = await a_missed_mission(federation)
    assert (await forward(federation, create)).outcome == "accepted"
    assert (await forward(federation, update)).outcome == "accepted"
    lyon, nantes = federation.lyon, federation.nantes
    assert await nantes.chain(mission) == await lyon.chain(mission)
    assert mission in await nantes.board(nantes.id)
    came = await nantes.world.store.read(lambda reader: reader.provenance(mission))
    alpes = federation.alpes.base
    assert [(one.way, one.via, one.key) for one in came] == [("forwarded", alpes, f"{lyon.id}#ed25519-1")] * 2
    told = json.loads(json.dumps(await read_history(mission, actor=nantes.id, world=nantes.world)))
    assert verify_history(told).ok
    # Brought again, or at last by its author: the same words have no second effect.
    for body, courier in ((create, federation.alpes), (update, federation.lyon)):
        assert (await forward(federation, body, courier)).outcome == "duplicate"
    assert await nantes.state(mission) == ("published", 2)


async def test_without_the_authors_proof_nobody_speaks_for_another(federation: Federation):
    _, (create, _) = await a_missed_mission(federation)
    said = strict_json.loads(create)
    bare = {name: value for name, value in said.items() if name != "proof"}
    alpes = federation.alpes
    assert await refused(federation, strict_json.dumps(bare)) == "key-owner-mismatch"
    two = {**bare, "proof": [said["proof"], said["proof"]]}
    assert await refused(federation, strict_json.dumps(two)) == "key-owner-mismatch"
    other = {**bare, "proof": {**said["proof"], "cryptosuite": "eddsa-rdfc-2022"}}
    assert await refused(federation, strict_json.dumps(other)) == "proof-missing"
    changed = {**said, "published": "2026-11-22T12:00:01Z"}
    assert await refused(federation, strict_json.dumps(changed)) == "proof-invalid"
    couriers = strict_json.loads(proven(alpes, alpes.id, bare))
    assert await refused(federation, strict_json.dumps(couriers)) == "key-owner-mismatch"
    assert (await forward(federation, create)).outcome == "accepted"


async def test_how_a_courier_writes_it_does_not_stand_in_the_authors_way(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    mission, (create, _) = await a_missed_mission(federation)
    # The same words, spaced anew, with something that no proof covers.
    said = strict_json.loads(create)
    retold = json.dumps({**said, "signature": {"type": "RsaSignature2017"}}, indent=3).encode()
    assert (await forward(federation, retold)).outcome == "accepted"
    lyon.clock.advance(hours=1)
    await settle(federation.office)
    assert [status for inbox, _, status in federation.office.posts if inbox.startswith(nantes.base)][-2:] == [
        202,
        202,
    ]
    assert await lyon.owed() == 0
    assert await nantes.chain(mission) == await lyon.chain(mission)
    # Other words are other words.
    other = proven(
        lyon, lyon.id, {name: value for name, value in said.items() if name != "proof"}, summary="x"
    )
    with pytest.raises(FedcoopError) as refusal:
        await nantes.receive(other, sender=lyon.id, ring=lyon.ring)
    assert refusal.value.code == "id-reused"


@pytest.mark.parametrize("scope", ["federation", "network"])
async def test_what_was_for_followers_of_the_author_is_not_ours_because_somebody_brings_it(
    federation: Federation, scope: str
):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    mission = await a_published_mission(lyon, relayScope=scope)
    chain = await nantes.chain(mission)
    assert chain is not None
    stored = await nantes.world.store.read(lambda reader: reader.history(chain.id))
    late = await alpes.receive(stored[0].body, sender=nantes.id, ring=nantes.ring)
    assert late.outcome == ("duplicate" if scope == "federation" else "ignored")
    assert (mission in await alpes.board(alpes.id)) == (scope == "federation")


async def test_the_request_is_still_the_couriers(federation: Federation):
    _, (create, _) = await a_missed_mission(federation)
    alpes, lyon, nantes = federation.alpes, federation.lyon, federation.nantes
    before = nantes.rows()
    # Alpes's name under Lyon's signature.
    stolen = Ring(itertools.count(90), {alpes.id: lyon.ring.keys[lyon.id]})
    with pytest.raises(FedcoopError) as refusal:
        await nantes.receive(create, sender=alpes.id, ring=stolen)
    assert refusal.value.code == "signature-invalid"
    assert nantes.rows() == before


@pytest.mark.parametrize(
    ("who", "state", "code"),
    [
        ("alpes", "pending", "not-in-allow-list"),
        ("alpes", "frozen", "frozen"),
        ("alpes", "blocked", "blocked"),
        ("lyon", "pending", "not-in-allow-list"),
        ("lyon", "frozen", "frozen"),
        ("lyon", "blocked", "blocked"),
    ],
)
async def test_both_who_brings_it_and_who_says_it_are_let_in(
    federation: Federation, who: str, state: Any, code: str
):
    _, (create, _) = await a_missed_mission(federation)
    nantes, peer = federation.nantes, getattr(federation, who).base
    known = await nantes.world.store.read(lambda reader: reader.peer(peer))
    assert known is not None
    await nantes.world.store.write(lambda tx: tx.put_peer(replace(known, state=state)))
    assert await refused(federation, create) == code
    await nantes.world.store.write(lambda tx: tx.put_peer(known))
    assert (await forward(federation, create)).outcome == "accepted"


async def test_a_newer_word_is_not_taken_back_by_an_old_one(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    old = plainly(lyon, lyon.id, "Update", {"id": lyon.id, "type": "Organization", "name": "Ancien nom"})
    for kind, obj in (
        ("Delete", f"{lyon.base}/notes/1"),
        ("Undo", f"{lyon.base}/follows/1"),
        ("Update", None),
    ):
        said = old if obj is None else plainly(lyon, lyon.id, kind, obj)
        said = {**said, "id": f"{lyon.base}/activities/{kind}"}
        before = nantes.rows()
        assert (await forward(federation, proven(lyon, lyon.id, said))).outcome == "ignored"
        assert nantes.rows() == before
    # Its own server may say it.
    own = await nantes.receive(proven(lyon, lyon.id, old), sender=lyon.id, ring=lyon.ring)
    assert own.outcome == "accepted"


async def test_an_unknown_author_that_somebody_names_is_nobody_who_has_come(federation: Federation):
    _, (create, _) = await a_missed_mission(federation)
    nantes, alpes = federation.nantes, federation.alpes
    text = create.decode().replace(federation.lyon.base, "https://elsewhere.example")
    assert await refused(federation, text.encode()) == "not-in-allow-list"
    own = plainly(alpes, alpes.id, "Create", {"id": f"{alpes.base}/notes/2", "type": "Note"}, to=[nantes.id])
    assert (await forward(federation, proven(alpes, alpes.id, own))).outcome == "accepted"


async def test_nobody_brings_us_what_we_are_to_have_said(federation: Federation):
    nantes = federation.nantes
    mission = await a_published_mission(nantes)
    chain = await nantes.chain(mission)
    assert chain is not None
    stored = await nantes.world.store.read(lambda reader: reader.history(chain.id))
    assert await refused(federation, stored[0].body) == "local-id"
