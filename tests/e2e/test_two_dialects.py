"""Peers that speak one dialect only: a whole mission with each, and one attempt for each delivery but the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from fedcoop.cli.client import poll
from fedcoop.cli.instances import LocalInstance, found, free_port, stop_all
from tests.e2e.foreign import AS2, DATA_INTEGRITY, Dialect, Foreign, chain_digest, now, stamp

pytestmark = [pytest.mark.xdist_group("two dialects"), pytest.mark.timeout(180)]

RFC9421: Final = "https://datatracker.ietf.org/doc/html/rfc9421"
ED25519: Final = f"{RFC9421}#name-eddsa-using-curve-edwards25"


@dataclass
class Works:
    """A worker of a foreign server, a mission of ours, and what was said of it."""

    ours: LocalInstance
    peer: Foreign
    mission: dict[str, Any] = field(default_factory=dict)
    head: dict[str, Any] = field(default_factory=dict)
    """The last activity of the engagement."""

    @property
    def inbox(self) -> str:
        return f"{self.ours.base}/inbox"

    def hears(self, kind: str, **members: Any) -> dict[str, Any]:
        """Return the activity of ours that the peer has taken, once it has."""

        def find() -> dict[str, Any] | None:
            for asked in self.peer.asked:
                said = asked.json() if asked.method == "POST" and asked.answered == 202 else {}
                if said.get("type") == kind and all(
                    said.get(name) == value for name, value in members.items()
                ):
                    return dict(said)
            return None

        heard = poll(find, seconds=30)
        assert heard is not None, (kind, members, self.peer.attempts)
        return heard

    def says(self, kind: str, thing: Any, **members: Any) -> dict[str, Any]:
        """Let the worker say something as its own server would, and see it taken in."""
        said = {
            "@context": [AS2, DATA_INTEGRITY, f"{self.peer.base}/contexts/fedcoop/v1"],
            "id": self.peer.fresh(),
            "type": kind,
            "actor": self.peer.actor(),
            "published": stamp(now()),
            "to": [self.ours.coop],
            "object": thing,
            **members,
        }
        proved = self.peer.prove(said)
        answer = self.peer.letter(proved, self.inbox).send()
        assert (answer.status, answer.outcome) == (202, "accepted"), answer.body
        return proved

    def next_step(self, kind: str, thing: Any) -> None:
        """Let the worker say the step that follows the head of the engagement."""
        chained = {"stateVersion": self.head["stateVersion"] + 1, "previousDigest": chain_digest(self.head)}
        self.head = self.says(kind, thing, **chained)

    def we_say(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Let our co-op say something by its client, and hear it at the peer."""
        reply = self.ours.post_outbox(self.ours.coop, self.ours.token, document)
        assert reply.status == 201, reply.body
        said: dict[str, Any] = reply.json()
        return self.hears(said["type"], id=said["id"])

    def part(self, folder: str, kind: str, **members: Any) -> dict[str, Any]:
        """Return a document about the engagement, by the worker."""
        wire = {"WorkRecord": "EconomicEvent", "Receipt": "Document"}[kind]
        engagement = self.engagement
        return {
            "id": self.peer.fresh(folder),
            "type": wire,
            "fedcoopType": [kind],
            "attributedTo": self.peer.actor(),
            "published": stamp(now()),
            "engagement": engagement,
            "context": engagement,
            **members,
        }

    engagement: str = ""


def work(mission: Works, phase: str) -> dict[str, Any]:
    worker = mission.peer.actor()
    told = {"fulfills": f"{mission.engagement}#primary", "action": "deliverService", "workPhase": phase}
    if phase == "delivered":
        told |= {"finished": True, "effortQuantity": {"hasUnit": "hour", "hasNumericalValue": "3"}}
    return mission.part("records", "WorkRecord", **told, provider=worker, dataSubject=worker)


def whole_mission(ours: LocalInstance, peer: Foreign) -> Works:
    """Go from the follow to the payment, and return what was said."""
    m = Works(ours, peer)
    m.says("Follow", ours.coop)
    m.hears("Accept", actor=ours.coop)
    amount = {"type": "MonetaryAmount", "value": "120.00", "currency": "EUR"}
    line = {"type": "SettlementLine", "lineKind": "fee", "amount": amount}
    price = {"type": "PriceBreakdown", "lines": [line], "totalExclTax": amount}
    told = {"type": "Mission", "name": "Réparer des vélos", "price": price, "relayScope": "public"}
    m.mission = m.we_say({"type": "Create", "object": told})["object"]
    agreement: dict[str, Any] = {"type": "Agreement"}
    for name, intent in (("stipulates", "publishes"), ("stipulatesReciprocal", "reciprocal")):
        quantity = {"resourceQuantity": m.mission[intent]["resourceQuantity"]}
        agreement[name] = {"type": "Commitment", "satisfies": m.mission[intent]["id"], **quantity}
    offer = m.says("Offer", agreement, **{"@context": [AS2, DATA_INTEGRITY]})
    m.head = m.we_say({"type": "Accept", "object": offer["id"]})
    m.engagement = m.head["result"]["id"]
    m.next_step("Create", work(m, "started"))
    delivered = work(m, "delivered")
    m.next_step("Create", delivered)
    m.head = m.we_say({"type": "Accept", "object": delivered["id"]})
    invoice = {"receiptKind": "invoiceIssued", "totalExclTax": amount, "paymentState": "pending"}
    m.next_step("Create", m.part("receipts", "Receipt", **invoice))
    paid = {"type": "Receipt", "receiptKind": "paymentConfirmed", "engagement": m.engagement}
    m.head = m.we_say({"type": "Create", "object": {**paid, "context": m.engagement}})
    return m


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalInstance, dict[str, Foreign]]]:
    """One instance of ours, and four peers that it admits."""
    only: dict[str, Dialect] = {
        "old": "draft-cavage",
        "new": "rfc9421",
        "telling": "rfc9421",
        "both": "rfc9421",
    }
    peers = {name: Foreign(dialect) for name, dialect in only.items()}
    started: list[LocalInstance] = []
    folder: Path = tmp_path_factory.mktemp("two-dialects")
    try:
        bases = [peer.base for peer in peers.values()]
        ours = found(
            folder / "ours", name="Coop Lyon", port=free_port(), allow_origins=bases, commune="69123"
        )
        started.append(ours)
        for base in bases:
            ours.command("peer", "allow", base, "--network")
        ours.start()
        yield ours, peers
    finally:
        stop_all(started)
        for peer in peers.values():
            peer.close()


ANNOUNCED: Final = {"old": (), "new": (), "telling": (RFC9421,), "both": (RFC9421, ED25519)}


@dataclass(frozen=True)
class Played:
    """How a peer's whole mission ended, and what was counted at the peer until then."""

    engagement: str
    mission: str
    attempts: list[list[tuple[str, int]]]
    keys: set[str]


@pytest.fixture(scope="module")
def played(place: tuple[LocalInstance, dict[str, Foreign]]) -> dict[str, Played]:
    """A whole mission with each peer; the tests look at it in any order."""
    ours, peers = place
    found: dict[str, Played] = {}
    for name, peer in peers.items():
        links = [{"type": "Link", "href": href} for href in ANNOUNCED[name]]
        peer.actor()
        peer.documents["/users/alice"] = peer.actor_document("alice", generator={"implements": links})
        mission = whole_mission(ours, peer)
        held = ours.lookup(mission.engagement)
        assert held is not None
        poll(lambda iri=mission.mission["id"]: mission_state(ours, iri) == "settled" or None, seconds=20)  # type: ignore[misc]
        keys = {
            asked.headers["signature-input"].rpartition("#")[2]
            for asked in peer.asked
            if asked.dialect == "rfc9421"
        }
        ended = mission_state(ours, mission.mission["id"])
        found[name] = Played(held["fedcoopChain"]["state"], ended, list(peer.attempts.values()), keys)
    return found


@pytest.mark.parametrize(
    ("name", "first", "then"),
    [
        # What a server speaks that announces nothing is learnt by the first delivery.
        ("old", [("draft-cavage", 202)], ("draft-cavage", 202)),
        ("new", [("draft-cavage", 401), ("rfc9421", 202)], ("rfc9421", 202)),
        ("telling", [("rfc9421", 202)], ("rfc9421", 202)),
        ("both", [("rfc9421", 202)], ("rfc9421", 202)),
    ],
)
def test_a_peer_that_speaks_one_dialect_completes_a_whole_mission(
    played: dict[str, Played], name: str, first: list[tuple[str, int]], then: tuple[str, int]
) -> None:
    mission = played[name]
    assert (mission.engagement, mission.mission) == ("settled", "settled")
    # Counted at the peer: one attempt for each delivery, but for the very first.
    attempts = mission.attempts
    assert attempts[0] == first
    assert attempts[1:] == [[then]] * (len(attempts) - 1)
    assert len(attempts) >= 8
    modern = {'ed25519-1"'} if ED25519 in ANNOUNCED[name] else {'main-key"'}
    assert mission.keys == (modern if then[0] == "rfc9421" else set())


def mission_state(ours: LocalInstance, iri: str) -> str:
    held = ours.lookup(iri)
    return str(held["missionState"]) if held else ""


@pytest.mark.usefixtures("played")
def test_what_was_learnt_outlives_a_restart(place: tuple[LocalInstance, dict[str, Foreign]]) -> None:
    ours, peers = place
    ours.restart()
    for peer in peers.values():
        peer.asked.clear()
        again = Works(ours, peer)
        again.says("Undo", {"type": "Follow", "id": peer.fresh(), "actor": peer.actor(), "object": ours.coop})
        again.says("Follow", ours.coop)
        again.hears("Accept", actor=ours.coop)
        assert [len(attempts) for attempts in peer.attempts.values()] == [1] * len(peer.attempts)
