"""Who follows a co-op from a microblog sees its missions properly: what, where, when, for how much, where to look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from fedcoop.cli.client import poll
from fedcoop.cli.instances import LocalInstance, found
from tests.e2e.foreign import AS2, Foreign
from tests.e2e.timeline import Account, Dropped, Status, Timeline, fetch, resolve

MISSION = {
    "type": "Note",
    "fedcoopType": ["Proposal", "Mission"],
    "name": "Livraisons à vélo & <cargo>",
    "startTime": "2026-12-12T09:00:00Z",
    "location": {"type": "Place", "name": "Nantes", "inseeCommune": "44109"},
    "price": {
        "type": "PriceBreakdown",
        "lines": [
            {
                "type": "SettlementLine",
                "lineKind": "fee",
                "amount": {"type": "MonetaryAmount", "value": "169.40", "currency": "EUR"},
            }
        ],
        "totalExclTax": {"type": "MonetaryAmount", "value": "169.40", "currency": "EUR"},
    },
    "relayScope": "public",
}


@dataclass
class Follower:
    """Somebody at a microblog who follows our co-op."""

    nantes: LocalInstance
    server: Foreign
    account: Account
    timeline: Timeline

    def say(self, document: dict[str, Any]) -> dict[str, Any]:
        """Let the co-op say something."""
        reply = self.nantes.post_outbox(self.nantes.coop, self.nantes.token, document)
        assert reply.status == 201, reply.body
        said: dict[str, Any] = reply.json()
        return said

    def sees(self, activity: dict[str, Any]) -> None:
        """Wait until the activity has come, and let the timeline take it. Raises Dropped."""

        def come() -> dict[str, Any] | None:
            return next((a for a in self.server.received if a["id"] == activity["id"]), None)

        arrived = poll(come, seconds=30.0)
        assert arrived is not None, f"{activity['type']} has not come"
        self.timeline.take(arrived)

    def shown(self, iri: str) -> Status | None:
        """Return the post as it is shown now."""
        return self.timeline.statuses.get(iri)


@pytest.fixture(scope="module")
def follower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Follower]:
    folder = tmp_path_factory.mktemp("timeline")
    with closing(Foreign()) as server:
        nantes = found(folder / "nantes", name="Coop Nantes", commune="44109", allow_origins=[server.base])
        nantes.command("peer", "allow", server.base)
        nantes.start()
        try:
            account = resolve(nantes.coop)
            alice = server.actor("alice")
            follow = {
                "@context": AS2,
                "id": server.fresh("follows"),
                "type": "Follow",
                "actor": alice,
                "object": nantes.coop,
            }
            assert server.letter(follow, account.inbox).send().status == 202
            accepted = poll(
                lambda: next((a for a in server.received if a["type"] == "Accept"), None), seconds=30.0
            )
            assert accepted is not None
            # By its id or with the Follow in it: both are understood, by that id (REL-2 asks the same of relays).
            said = accepted["object"]
            assert (said if isinstance(said, str) else said["id"]) == follow["id"]
            yield Follower(nantes, server, account, Timeline(frozenset({nantes.coop})))
        finally:
            nantes.stop()


def test_the_co_op_is_an_account_whose_handle_leads_back_to_it(follower: Follower) -> None:
    host = follower.nantes.base.removeprefix("http://")
    assert follower.account.name == "Coop Nantes"
    assert follower.account.handle.endswith(f"@{host}")


def test_a_mission_is_a_post_that_says_everything(follower: Follower) -> None:
    created = follower.say({"type": "Create", "object": MISSION})
    follower.sees(created)
    mission = created["object"]["id"]
    status = follower.shown(mission)
    assert status is not None
    assert status.text == f"Livraisons à vélo & <cargo>, Nantes, 2026-12-12, 169.40 EUR HT. {mission}"
    assert status.links == (mission,)
    # Not behind a warning, which is what a summary would be shown as, and found by everybody.
    assert (status.warning, status.visibility, status.account) == ("", "public", follower.nantes.coop)
    page = follower.nantes.get(status.url, accept="text/html")
    assert (page.status, page.headers["content-type"].partition(";")[0]) == (200, "text/html")


def test_a_post_is_edited_and_taken_away_with_its_mission(follower: Follower) -> None:
    created = follower.say({"type": "Create", "object": {**MISSION, "fedcoopType": ["Proposal", "Need"]}})
    follower.sees(created)
    need = created["object"]["id"]
    follower.sees(follower.say({"type": "Update", "object": {"id": need, "name": "Remorque"}}))
    status = follower.shown(need)
    assert status is not None
    assert status.text.startswith("Remorque, Nantes")
    follower.sees(follower.say({"type": "Delete", "object": need}))
    assert follower.shown(need) is None


def test_what_is_for_followers_is_for_followers(follower: Follower) -> None:
    created = follower.say({"type": "Create", "object": {**MISSION, "relayScope": "federation"}})
    follower.sees(created)
    status = follower.shown(created["object"]["id"])
    assert status is not None
    assert status.visibility == "followers"


def test_a_post_can_be_looked_up_by_its_address(follower: Follower) -> None:
    created = follower.say({"type": "Create", "object": MISSION})
    mission = created["object"]["id"]
    timeline = Timeline(frozenset({follower.nantes.coop}))
    document = fetch(mission)
    timeline.take({"@context": AS2, "type": "Create", "actor": document["attributedTo"], "object": document})
    assert mission in timeline.statuses


def test_the_reader_does_not_show_what_nobody_would() -> None:
    """Each of these is dropped by the servers it stands for, so a mission that looked so would be seen by nobody."""
    coop = "https://coop.example/actors/coop"
    note = {
        "id": "https://coop.example/notes/1",
        "type": "Note",
        "attributedTo": coop,
        "to": [],
        "published": "2026-11-22T12:00:00Z",
    }
    create = {"@context": [AS2], "type": "Create", "actor": coop, "object": note}
    Timeline(frozenset({coop})).take(create)
    for changed in (
        {"@context": ["https://coop.example/contexts/x"]},
        {"type": ["Create", "Offer"]},
        {"actor": "https://else.example/actors/coop"},
        {"object": note["id"]},
        {"object": {**note, "type": "Proposal"}},
        {"object": {**note, "attributedTo": "https://coop.example/actors/other"}},
        {"object": {**note, "id": "https://else.example/notes/1"}},
        {"object": {**note, "to": "https://www.w3.org/ns/activitystreams#Public"}},
        {"type": "Update"},
    ):
        with pytest.raises(Dropped):
            Timeline(frozenset({coop})).take({**create, **changed})
