"""Two co-ops that know nothing of each other agree by their operators' commands, exchange a mission, and part; and
one reviews whom the other has let in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from fedcoop.cli.client import poll
from fedcoop.cli.instances import LocalInstance
from tests.e2e.conftest import Instances

pytestmark = [pytest.mark.xdist_group("agreements"), pytest.mark.timeout(240)]

T = TypeVar("T")


def eventually(ask: Callable[[], T | None], what: str) -> T:
    found = poll(ask, seconds=30.0)
    assert found is not None, what
    return found


def stands(instance: LocalInstance, iri: str, state: str) -> None:
    """Wait until the agreement is in `state` here."""

    def ask() -> bool | None:
        known = instance.lookup(iri)
        return (known is not None and known["fedcoopChain"]["state"] == state) or None

    eventually(ask, f"{iri} is not {state} at {instance.base}")


def test_two_strangers_agree_work_together_and_part(instances: Instances) -> None:
    lyon, nantes = instances(2, federated=False)
    proposed = lyon.command("peer", "propose", nantes.base, "--notice", "P0D", "--by", "Jeanne")["agreement"]
    name = proposed["id"]
    assert (proposed["state"], proposed["parties"]) == ("proposed", sorted([lyon.coop, nantes.coop]))
    stands(nantes, name, "proposed")
    (waiting,) = nantes.command("peer", "list")["peers"]
    assert (waiting["origin"], waiting["state"]) == (lyon.base, "pending")
    assert [c["id"] for c in waiting["agreements"]] == [name]

    nantes.command("peer", "accept", lyon.base, "--by", "Paul")
    stands(lyon, name, "active")
    for instance, other, by in ((lyon, nantes, "Jeanne"), (nantes, lyon, "Paul")):
        shown = instance.command("peer", "show", other.base)
        assert (shown["state"], shown["decidedBy"], shown["source"]) == ("allowed", by, name)

    lyon.post_outbox(lyon.coop, lyon.token, {"type": "Follow", "object": nantes.coop})
    mission = {"type": "Create", "object": {"type": "Mission", "name": "Vélo"}}
    published = nantes.post_outbox(nantes.coop, nantes.token, mission).json()["object"]["id"]
    eventually(lambda: lyon.lookup(published), "the mission did not arrive")
    read = lyon.get(name).json()
    assert (read["agreementState"], read["attributedTo"]) == ("active", lyon.coop)
    assert lyon.get(f"{name}/history").json()["chains"][0]["kind"] == "FederationAgreement"

    preview = nantes.command("peer", "end", lyon.base)
    assert (preview["done"], preview["impact"]["followers"]) == (False, 1)
    nantes.command("peer", "end", lyon.base, "--yes", "--by", "Zoé")
    stands(lyon, name, "ending")
    asked = {"type": "Offer", "object": {"type": "Agreement", "mission": published}}
    refused = lyon.post_outbox(lyon.coop, lyon.token, asked)
    assert (refused.status, refused.json()["type"].rsplit("/", 1)[-1]) == (403, "frozen")
    assert nantes.command("peer", "show", lyon.base)["state"] == "frozen"


def test_a_published_list_is_followed_and_reviewed(instances: Instances) -> None:
    keeper, reader = instances(2, federated=False)
    keeper.command("peer", "allow", "https://velo.example", "--reason", "AG du 3 mars", "--by", "Jeanne")
    exported = keeper.command("peer", "list-export", "--publish")["list"]
    assert keeper.get(exported["id"]).json() == exported
    followed = reader.command("peer", "subscribe", exported["id"], "--every", "1")
    assert (followed["list"]["keeper"], followed["list"]["version"]) == (keeper.coop, 1)
    (draft,) = reader.command("peer", "drafts")["drafts"]
    assert (draft["wish"], draft["origin"], draft["decided_by"]) == (
        "admit",
        "https://velo.example",
        "Jeanne",
    )
    assert reader.command("peer", "list")["drafts"] == 1
    reader.command("peer", "review", "https://velo.example", "accept", "--by", "Paul")
    shown = reader.command("peer", "show", "https://velo.example")
    assert (shown["state"], shown["decidedBy"], shown["source"]) == ("allowed", "Paul", exported["id"])
