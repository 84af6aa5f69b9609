"""A key that was rotated since we cached it is no forgery; whatever a new key would not explain is."""

from __future__ import annotations

import pytest

from fedcoop.errors import FedcoopError
from fedcoop.protocol import strict_json
from fedcoop.protocol.messages import KeyDocument
from tests.conftest import NOON
from tests.flow.federation import Federation
from tests.flow.stories import plainly, proven


async def test_a_rotated_key_is_fetched_once_more(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa, malo = await lyon.member("awa"), await lyon.member("malo")
    stale = dict((await lyon.world.store.read(lambda reader: reader.actor(malo))).document)  # type: ignore[union-attr]
    theirs = (await lyon.world.store.read(lambda reader: reader.actor(awa))).document  # type: ignore[union-attr]
    old = {**theirs, "publicKey": {**stale["publicKey"], "id": f"{awa}#main-key", "owner": awa}}
    nantes.world.resolver._cache[awa] = KeyDocument(old, NOON)  # type: ignore[attr-defined]
    body = proven(lyon, awa, plainly(lyon, awa, "Follow", nantes.id))
    federation.office.fetched.clear()
    assert (await nantes.receive(body, sender=awa, ring=lyon.ring)).outcome == "accepted"
    assert federation.office.fetched == [awa]


async def test_a_fault_that_no_new_key_would_mend_costs_no_second_fetch(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    document = strict_json.loads(proven(lyon, awa, plainly(lyon, awa, "Follow", nantes.id)))
    other = {**document, "@context": [*document["@context"], "https://example.org/ns"]}
    federation.office.fetched.clear()
    with pytest.raises(FedcoopError) as refusal:
        await nantes.receive(strict_json.dumps(other), sender=awa, ring=lyon.ring)
    assert refusal.value.code == "proof-context"
    assert federation.office.fetched == [awa]
