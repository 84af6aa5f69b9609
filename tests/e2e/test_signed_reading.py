"""Two servers that let only peers read: each needs the other's key for that, and neither waits for the other."""

from __future__ import annotations

from typing import Any

import pytest

from fedcoop.cli.answer import Failed
from fedcoop.cli.client import poll
from fedcoop.cli.instances import LocalInstance, run
from tests.cli.conftest import a_mission
from tests.e2e.conftest import Instances, _admit
from tests.e2e.forging import code_of

pytestmark = [pytest.mark.xdist_group("signed reading"), pytest.mark.timeout(120)]


def seen_by(reader: LocalInstance, iri: str) -> dict[str, Any] | None:
    """Return what `reader` is shown of `iri` by its own server."""
    try:
        return run("lookup", iri, "--as", str(reader.folder))
    except Failed:
        return None


def publish(at: LocalInstance, scope: str) -> str:
    reply = at.post_outbox(at.coop, at.token, {**a_mission(), "relayScope": scope})
    assert reply.status == 201, reply.problem()
    return str(reply.json()["object"]["id"])


def test_two_servers_that_demand_signatures_follow_and_read_each_other(instances: Instances) -> None:
    lyon, nantes, brest = instances(3, served=False, federated=False)
    for one in (lyon, nantes):
        _admit(one, [lyon, nantes], {0, 1})
        settings = one.folder / "fedcoop.toml"
        settings.write_text(settings.read_text() + '\nreaders = "peers"\n')
    for one in (lyon, nantes, brest):
        one.launch()
    for one in (lyon, nantes, brest):
        one.wait()

    # Neither knows a key of the other's: the first message and its answer need both.
    assert lyon.post_outbox(lyon.coop, lyon.token, {"type": "Follow", "object": nantes.coop}).status == 201
    for_followers, for_members = publish(nantes, "federation"), publish(nantes, "members")
    assert poll(lambda: lyon.lookup(for_followers), seconds=30.0)

    found = seen_by(lyon, for_followers)
    assert found is not None
    assert (found["id"], found["proof"]["verificationMethod"]) == (for_followers, f"{nantes.coop}#ed25519-1")
    assert seen_by(lyon, f"{for_followers}/history") is not None
    assert seen_by(lyon, nantes.coop) is not None
    assert seen_by(lyon, for_members) is None
    # Whom nobody has let in reads nothing but what verifying a signature needs.
    for iri in (for_followers, nantes.coop):
        assert seen_by(brest, iri) is None
        reply = nantes.get(iri)
        assert (reply.status, code_of(reply)) == (401, "signature-missing")
    for iri in (f"{nantes.base}/actor", f"{nantes.coop}/keys"):
        assert nantes.get(iri).status == 200
