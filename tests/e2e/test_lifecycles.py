"""Every edge of the implemented lifecycles is taken, and every other event in every state is refused with 409.

Both come from the vocabulary's data (`walks.py`), and everything happens between two real servers. What is legal is
said by clients of both and must arrive: the same state, version and digest on both sides. What is not legal is tried in
both directions: by a client at its own server, and posted to the other server past one's own, signed with the true
keys. A refusal must leave the chain as it was.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from fedcoop.cli.client import Reply, poll
from fedcoop.cli.instances import LocalInstance
from fedcoop.protocol.model import LIFECYCLES
from tests.e2e.conftest import Instances
from tests.e2e.forging import Head, Pen, code_of, head_of, stamp
from tests.e2e.walks import (
    IMPLEMENTED,
    Event,
    Walk,
    arrivals,
    event_of,
    events_of,
    expected,
    name_of,
    walks_of,
)

pytestmark = [pytest.mark.xdist_group("lifecycles"), pytest.mark.timeout(300)]

MISSION, LISTING, ENGAGEMENT = (LIFECYCLES[name] for name in ("Mission", "Listing", "Engagement"))
WALKS: Final = {life.name: walks_of(life) for life in IMPLEMENTED}
REASON: Final[dict[str, Any]] = {"reasonCode": "other"}
PAID: Final[dict[str, Any]] = {
    "compensation": {"type": "MonetaryAmount", "value": "10.00", "currency": "EUR"}
}


@dataclass(frozen=True, slots=True)
class Speaker:
    """An actor, and how its client speaks at its own server."""

    actor: str
    token: str
    home: LocalInstance

    def say(self, document: Mapping[str, Any]) -> Reply:
        """Post to the actor's outbox."""
        return self.home.post_outbox(self.actor, self.token, document)


@dataclass(frozen=True, slots=True)
class Two:
    """Two co-operatives that follow each other, a member each, and a pen for what Lyon's own server would not send."""

    lyon: LocalInstance
    nantes: LocalInstance
    lyon_coop: Speaker
    lyon_member: Speaker
    nantes_coop: Speaker
    nantes_member: Speaker
    pen: Pen


COUNTED: Final[Counter[str]] = Counter()
"""Edges taken and refusals seen, to be told at the end."""


@pytest.fixture(scope="module")
def two(module_instances: Instances, request: pytest.FixtureRequest) -> Iterator[Two]:
    lyon, nantes = module_instances(2, following=True)
    members = [home.add_member("Awa", username="awa", status="cape") for home in (lyon, nantes)]
    both = Two(
        lyon,
        nantes,
        Speaker(lyon.coop, lyon.token, lyon),
        Speaker(members[0]["id"], members[0]["token"], lyon),
        Speaker(nantes.coop, nantes.token, nantes),
        Speaker(members[1]["id"], members[1]["token"], nantes),
        Pen(lyon),
    )
    # What a member offers reaches those who follow the member.
    follow = taken(both.lyon_coop.say({"type": "Follow", "object": both.nantes_member.actor}))["id"]
    assert poll(lambda: nantes.lookup(follow, token=both.nantes_member.token), seconds=30.0)
    taken(both.nantes_member.say({"type": "Accept", "object": follow}))
    yield both
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{COUNTED['taken']} edges taken, {COUNTED['refused']} other events refused")


def test_the_walks_take_every_implemented_edge_and_come_to_every_state() -> None:
    assert {life.name for life in IMPLEMENTED} == {"Mission", "Listing", "Engagement"}
    for life in IMPLEMENTED:
        edges = {edge for edge in life.edges if edge.implemented}
        assert {edge for walk in WALKS[life.name] for edge in walk} == edges
        states = {state for _, _, state in arrivals(WALKS[life.name])}
        assert states == {edge.target for edge in edges}
        assert states >= set(life.terminal)


def tours(life: str) -> list[Any]:
    """Return a test parameter for each walk: the walk, and after how many steps every other event is tried."""
    return [
        pytest.param(
            walk,
            {taken for number, taken, _ in arrivals(WALKS[life]) if number == this},
            id=f"{this}-{name_of(walk)}",
        )
        for this, walk in enumerate(WALKS[life])
    ]


# -- what is judged -------------------------------------------------------------------------------------------------


@dataclass
class Judged:
    """Collects what was answered otherwise than it must be, so that one run says all of it."""

    wrong: list[str] = field(default_factory=list)
    asked: int = 0

    def __str__(self) -> str:
        return "\n".join([f"{len(self.wrong)} of {self.asked} answers are wrong:", *self.wrong])

    def refusal(
        self, what: str, reply: Reply, must_be: int, *, before: Head | None, after: Head | None
    ) -> None:
        """Note the answer unless it is the refusal that it must be and changed nothing."""
        self.asked += 1
        COUNTED["refused"] += 1
        if reply.status != must_be:
            self.wrong.append(
                f"{what}: {reply.status} {code_of(reply)} instead of {must_be}: {reply.body[:300]!r}"
            )
        if before != after:
            self.wrong.append(f"{what}: refused with {reply.status}, and {before} became {after}")


def agreed(two: Two, chain: str, state: str, version: int) -> Head:
    """Return the head that both servers have of the chain, once it is this state and version on both."""
    seen: list[Head | None] = []

    def ask() -> Head | None:
        seen[:] = [head_of(instance, chain) for instance in (two.nantes, two.lyon)]
        here, there = seen
        return here if here == there and here and (here.state, here.version) == (state, version) else None

    head = poll(ask, seconds=30.0)
    assert head is not None, f"{chain} should be {state} v{version} on both sides: {seen}"
    COUNTED["taken"] += 1
    return head


def taken(reply: Reply) -> dict[str, Any]:
    """Return the activity that a server published."""
    assert reply.status == 201, f"{reply.status} {reply.body!r}"
    document: dict[str, Any] = reply.json()
    return document


# -- engagements ----------------------------------------------------------------------------------------------------


@dataclass
class Engaged:
    """An engagement as it goes: the ids that have come into being, and who plays which role."""

    two: Two
    roles: Mapping[str, Speaker]
    proposal: str
    id: str = ""
    """The chain's: the first Offer's."""
    offer: str = ""
    terms: dict[str, Any] = field(default_factory=dict)
    accept: str = ""
    engagement: str = ""
    record: str = ""
    head: Head | None = None

    def speaker(self, role: str) -> Speaker:
        """Return who plays the role; what any party may do, the responder does."""
        invoicer = "carrier" if self.accept or "carrier" in self.terms else "worker"
        played = {"invoicer": invoicer, "party": "responder", "mediator": "responder"}.get(role, role)
        return self.roles[played]

    def others(self, role: str) -> list[Speaker]:
        """Return the parties that do not have this role."""
        mine = self.speaker(role).actor
        return list({s.actor: s for s in self.roles.values() if s.actor != mine}.values())

    def names(self, event: Event) -> bool:
        """Tell whether there is yet what the event is about."""
        answers = {"Accept": self.accept, "WorkRecord": self.record, "Flag": ""}
        return event.activity == "Create" or bool(answers.get(event.object_class, self.offer))

    def document(self, event: Event) -> dict[str, Any]:
        """Return the event as a client posts it; what does not exist yet goes by a name that nobody has."""
        nothing = self.two.pen.fresh("nothing")
        match event.activity, event.object_class:
            case "Offer", _:
                reply = {"inReplyTo": self.offer} if self.offer else {}
                return {"type": "Offer", "object": {"type": "Agreement", "mission": self.proposal}, **reply}
            case "Create", name:
                engagement = self.engagement or self.id
                work = {"fulfills": f"{engagement}#primary"} if name == "WorkRecord" else {}
                said = {
                    "type": name,
                    "engagement": engagement,
                    "context": engagement,
                    **work,
                    **dict(event.where),
                }
                return {"type": "Create", "object": said}
            case activity, "Offer":
                ended = {**REASON, **PAID} if activity in ("Reject", "Undo") else {}
                return {"type": activity, "object": self.offer, **ended}
            case "Undo", _:
                return {"type": "Undo", "object": self.accept or nothing, **REASON, **PAID}
            case activity, "WorkRecord":
                reason = REASON if activity == "Reject" else {}
                return {"type": activity, "object": self.record or nothing, **reason}
            case "Accept", "Flag":
                return {"type": "Accept", "object": {"id": nothing, "type": "Flag", "object": self.id}}
            case activity, _:
                return {"type": activity, "object": self.engagement or self.id}

    def take(self, event: Event, *, state: str) -> None:
        """Let the event happen, said by the right client, and wait until both servers are in `state`."""
        activity = taken(self.speaker(event.sender).say(self.document(event)))
        if event.activity == "Offer":
            self.id, self.offer = self.id or activity["id"], activity["id"]
            self.terms = self.terms or activity["object"]
        elif (event.activity, event.object_class) == ("Accept", "Offer"):
            self.accept, self.engagement = activity["id"], activity["result"]["id"]
        elif event.object_class == "WorkRecord" and event.activity == "Create":
            self.record = activity["object"]["id"]
        version = self.head.version + 1 if self.head else 1
        self.head = agreed(self.two, self.id, state, version)

    def forged(self, event: Event, speaker: Speaker) -> dict[str, Any]:
        """Return the event as Lyon's server would send it if it were willing to."""
        pen, document = self.two.pen, self.document(event)
        if event.activity == "Offer":
            document["object"] = self.terms
        elif event.activity == "Create":
            document["object"] = self._whole(event, document["object"], speaker)
        elif (event.activity, event.object_class) == ("Accept", "WorkRecord"):
            now = stamp(datetime.now(UTC))
            subject = {
                "id": self.roles["worker"].actor,
                "engagement": self.engagement or self.id,
                "performedFrom": now,
                "performedUntil": now,
                "attestedOutcome": "accepted",
            }
            document["result"] = pen.attestation(speaker.actor, subject)
        to = [other.actor for other in self.roles.values() if other.actor != speaker.actor]
        return pen.activity(speaker.actor, document, to=dict.fromkeys(to), after=self.head)

    def _whole(self, event: Event, said: Mapping[str, Any], speaker: Speaker) -> dict[str, Any]:
        folder, kind = (
            ("records", "EconomicEvent") if event.object_class == "WorkRecord" else ("receipts", "Document")
        )
        whole = {
            **said,
            "id": self.two.pen.fresh(folder),
            "type": kind,
            "fedcoopType": [event.object_class],
            "attributedTo": speaker.actor,
            "published": stamp(datetime.now(UTC)),
        }
        if event.object_class == "WorkRecord":
            worker = self.roles["worker"].actor
            return {**whole, "action": "deliverService", "provider": worker, "dataSubject": worker}
        total = {"type": "MonetaryAmount", "value": "100.00", "currency": "EUR"}
        return {**whole, "totalExclTax": total, "paymentState": "pending"}

    def try_everything_else(self, state: str, judged: Judged) -> None:
        """Try, in this state, every event that is no edge from here, and every edge by everybody whose it is not."""
        for event in events_of(ENGAGEMENT):
            must_be = expected(ENGAGEMENT, state, event)
            if must_be == 200:
                for other in self.others(event.sender):
                    self._try(f"{state} × {event} by {other.actor}", event, other, 403, 403, judged)
                continue
            # What was never said cannot be named: a client is told so. A server that names the chain's head all the
            # same is judged by that head.
            by_client = 404 if must_be == 409 and not self.names(event) else must_be
            speaker = self.speaker(event.sender)
            self._try(f"{state} × {event}", event, speaker, by_client, must_be, judged)

    def _try(
        self, what: str, event: Event, speaker: Speaker, by_client: int, by_server: int, judged: Judged
    ) -> None:
        nantes = self.two.nantes
        reply = speaker.say(self.document(event))
        after = head_of(speaker.home, self.id)
        judged.refusal(f"{what}, by its client", reply, by_client, before=self.head, after=after)
        if speaker.home is self.two.lyon:
            reply = self.two.pen.post(self.forged(event, speaker), to=nantes)
            after = head_of(nantes, self.id)
            judged.refusal(f"{what}, by its server", reply, by_server, before=self.head, after=after)


def asked_for_work(two: Two) -> Engaged:
    """Nantes has a mission, a worker of Lyon carried by Lyon applies: proposer and requester are in Nantes."""
    mission = taken(two.nantes_coop.say({"type": "Create", "object": a_mission()}))["object"]["id"]
    agreed(two, mission, "published", 1)
    return Engaged(two, roles_for_work(two), mission)


def roles_for_work(two: Two) -> dict[str, Speaker]:
    """Return who is who when a worker of Lyon works for Nantes."""
    return {
        "proposer": two.nantes_coop,
        "responder": two.lyon_member,
        "worker": two.lyon_member,
        "requester": two.nantes_coop,
        "carrier": two.lyon_coop,
    }


def offered_a_service(two: Two) -> Engaged:
    """Nantes offers a service by one of its members, Lyon asks for it: worker and carrier are in Nantes."""
    service = {
        "type": "ServiceOffer",
        "name": "Réparation de vélos",
        "publishes": {"resourceQuantity": {"hasUnit": "day", "hasNumericalValue": "1"}},
        "reciprocal": {"resourceQuantity": {"hasUnit": "one", "hasNumericalValue": "100.00"}},
        "relayScope": "federation",
    }
    offer = taken(two.nantes_member.say({"type": "Create", "object": service}))
    roles = {
        "proposer": two.nantes_member,
        "responder": two.lyon_coop,
        "worker": two.nantes_member,
        "requester": two.lyon_coop,
        "carrier": two.nantes_coop,
    }
    agreed(two, offer["object"]["id"], "published", 1)
    return Engaged(two, roles, offer["object"]["id"])


@pytest.mark.parametrize("engaged", [asked_for_work, offered_a_service])
@pytest.mark.parametrize(("walk", "tried_after"), tours("Engagement"))
def test_an_engagement_goes_along_its_edges_and_nowhere_else(
    two: Two, engaged: Callable[[Two], Engaged], walk: Walk, tried_after: set[int]
) -> None:
    engagement, judged = engaged(two), Judged()
    for steps, edge in enumerate(walk, 1):
        engagement.take(event_of(edge), state=edge.target)
        if steps in tried_after:
            engagement.try_everything_else(edge.target, judged)
    assert not judged.wrong, str(judged)
    assert judged.asked >= 20 * len(tried_after)


def a_mission(**changes: Any) -> dict[str, Any]:
    """Return a paid mission for one, that starts now, as a client posts it."""
    price = {"type": "MonetaryAmount", "value": "100.00", "currency": "EUR"}
    mission = {
        "type": "Mission",
        "nameMap": {"fr": "Une tournée", "en": "A delivery round"},
        "price": {
            "type": "PriceBreakdown",
            "lines": [{"type": "SettlementLine", "lineKind": "fee", "amount": price}],
            "totalExclTax": price,
        },
        "startTime": stamp(datetime.now(UTC)),
        "relayScope": "federation",
        "slots": 1,
    }
    return {**mission, **changes}


# -- missions and listings, at a follower ---------------------------------------------------------------------------


@dataclass
class Heard:
    """A proposal of Lyon's as Nantes hears of it: whatever Lyon's own server would think of what is said."""

    two: Two
    class_name: str
    document: dict[str, Any]
    head: Head | None = None

    @property
    def life(self) -> str:
        """The name of its lifecycle."""
        return "Mission" if self.class_name == "Mission" else "Listing"

    def said(self, event: Event) -> dict[str, Any]:
        """Return the event, signed by the proposal's owner."""
        owner = self.two.lyon_coop.actor
        name, after = self.document["id"], self.head
        now = datetime.now(UTC)
        body: dict[str, Any] = {"type": event.activity, "object": name}
        if event.activity in ("Create", "Update"):
            body |= {**REASON, **PAID, "object": {**self.document, **dict(event.where)}}
        if event.activity == "Update":
            body["object"]["updated"] = stamp(now)
        if event.activity == "Delete":
            body["object"] = {"id": name, "type": "Tombstone", "formerType": "Note"}
        if event.activity == "Accept":
            body["object"] = {"id": self.two.pen.fresh("activities"), "type": "Flag", "object": name}
        # It was published two hours ago, so that its time to apply can be over by now.
        said = now if after else now - timedelta(hours=2)
        return self.two.pen.activity(owner, body, to=[f"{owner}/followers"], after=after, said=said)

    def take(self, event: Event, *, state: str) -> None:
        """Post the event and see Nantes in `state`."""
        reply = self.two.pen.post(self.said(event), to=self.two.nantes)
        assert reply.ok, f"{event}: {reply.status} {reply.body!r}"
        version = self.head.version + 1 if self.head else 1
        self.head = head_of(self.two.nantes, self.document["id"])
        COUNTED["taken"] += 1
        assert self.head is not None, event
        assert (self.head.state, self.head.version) == (state, version)

    def try_everything_else(self, state: str, judged: Judged) -> None:
        """Post, in this state, every event that is no edge from here."""
        life = LIFECYCLES[self.life]
        for event in events_of(life):
            must_be = expected(life, state, event)
            if must_be != 200:
                reply = self.two.pen.post(self.said(event), to=self.two.nantes)
                after = head_of(self.two.nantes, self.document["id"])
                judged.refusal(f"{state} × {event}", reply, must_be, before=self.head, after=after)


def heard(two: Two, class_name: str) -> Heard:
    """Return a proposal that Lyon's co-op has not published yet."""
    folder = {"Mission": "missions", "ServiceOffer": "offers", "Need": "needs"}[class_name]
    name, hour = two.pen.fresh(folder), timedelta(hours=1)
    now = datetime.now(UTC)
    document: dict[str, Any] = {
        "id": name,
        "type": "Note",
        "fedcoopType": ["Proposal", class_name],
        "attributedTo": two.lyon.coop,
        "name": "Une tournée",
        "nameMap": {"fr": "Une tournée"},
        "content": "<p>Une tournée.</p>",
        "published": stamp(now - 2 * hour),
        "purpose": "offer" if class_name == "ServiceOffer" else "request",
        "unitBased": False,
        "publishes": {
            "type": "Intent",
            "id": f"{name}#primary",
            "action": "deliverService",
            "resourceQuantity": {"hasUnit": "day", "hasNumericalValue": "1"},
        },
        "relayScope": "federation",
        "to": [f"{two.lyon.coop}/followers"],
        "cc": [],
    }
    if class_name == "Mission":
        document |= {
            "missionState": "published",
            "acceptedStatuses": ["cape", "cesa", "esa", "selfEmployed"],
            "slots": 1,
            "matchingRule": f"{two.lyon.base}/rules/matching",
            "startTime": stamp(now),
            "applyBefore": stamp(now - hour),
        }
    return Heard(two, class_name, document)


@pytest.mark.parametrize(("walk", "tried_after"), tours("Mission"))
def test_a_follower_takes_a_mission_along_its_edges_and_nowhere_else(
    two: Two, walk: Walk, tried_after: set[int]
) -> None:
    go(heard(two, "Mission"), walk, tried_after)


@pytest.mark.parametrize("class_name", LISTING.class_names)
@pytest.mark.parametrize(("walk", "tried_after"), tours("Listing"))
def test_a_follower_takes_a_listing_along_its_edges_and_nowhere_else(
    two: Two, class_name: str, walk: Walk, tried_after: set[int]
) -> None:
    go(heard(two, class_name), walk, tried_after)


@pytest.mark.parametrize("class_name", ["Mission", *LISTING.class_names])
def test_nothing_but_its_first_edge_begins_a_proposal(two: Two, class_name: str) -> None:
    proposal, judged = heard(two, class_name), Judged()
    life = LIFECYCLES[proposal.life]
    for event in events_of(life):
        must_be = expected(life, life.initial[0], event)
        if must_be == 409 and event.activity != "Create":
            # What an Update would follow may still come: the sender is told to send that first (D3). Deleting what
            # nobody knows is without effect (AP-27), and what was never said cannot be answered.
            must_be = {"Update": 503, "Delete": 202, "Accept": 404}[event.activity]
        if must_be != 200:
            reply = two.pen.post(proposal.said(event), to=two.nantes)
            after = head_of(two.nantes, proposal.document["id"])
            judged.refusal(f"{life.initial[0]} × {event}", reply, must_be, before=None, after=after)
    assert not judged.wrong, str(judged)
    proposal.take(event_of(walks_of(life)[0][0]), state="published")


@pytest.mark.parametrize("class_name", ["Mission", *LISTING.class_names])
def test_nobody_moves_a_proposal_but_its_owner(two: Two, class_name: str) -> None:
    proposal, judged, pen = heard(two, class_name), Judged(), two.pen
    proposal.take(event_of(walks_of(LIFECYCLES[proposal.life])[0][0]), state="published")
    name, stranger = proposal.document["id"], two.lyon_member.actor
    for kind, thing in (
        ("Update", proposal.document),
        ("Update", {**proposal.document, "attributedTo": stranger}),
        ("Delete", name),
    ):
        said = pen.activity(
            stranger, {"type": kind, "object": thing}, to=[two.nantes.coop], after=proposal.head
        )
        reply = pen.post(said, to=two.nantes)
        judged.refusal(kind, reply, 403, before=proposal.head, after=head_of(two.nantes, name))
    assert not judged.wrong, str(judged)


@pytest.mark.parametrize("class_name", ["Mission", *LISTING.class_names])
def test_nothing_goes_round_the_chain_of_a_proposal(two: Two, class_name: str) -> None:
    proposal = heard(two, class_name)
    proposal.take(event_of(walks_of(LIFECYCLES[proposal.life])[0][0]), state="published")
    name, owner, pen = proposal.document["id"], two.lyon_coop.actor, two.pen
    shown = two.nantes.lookup(name)
    for other in (
        {"id": name, "type": "Note", "attributedTo": owner, "content": "<p>Autre chose.</p>"},
        {"id": name, "type": "Note", "fedcoopType": ["Proposal"], "name": "Autre chose"},
        {"id": name, "content": "<p>Autre chose.</p>"},
    ):
        for kind, without in (("Update", ()), ("Update", ("stateVersion", "previousDigest")), ("Create", ())):
            body = {"type": kind, "object": other}
            said = pen.activity(owner, body, to=[two.nantes.coop], after=proposal.head, without=without)
            reply = pen.post(said, to=two.nantes)
            # A Create of what is there already has no effect; an Update of it is judged by the chain.
            assert reply.status in ({202} if kind == "Create" else {400, 409}), (kind, other, reply.body)
            assert two.nantes.lookup(name) == shown, (kind, other)


def go(proposal: Heard | Owned, walk: Walk, tried_after: set[int]) -> None:
    """Go the walk, and try everything else where it is asked for."""
    judged = Judged()
    for steps, edge in enumerate(walk, 1):
        proposal.take(event_of(edge), state=edge.target)
        if steps in tried_after:
            proposal.try_everything_else(edge.target, judged)
    assert not judged.wrong, str(judged)
    assert judged.asked >= len(tried_after)


# -- missions and listings, at their owner's -------------------------------------------------------------------------

EVENTS: Final = {str(event): event for event in events_of(ENGAGEMENT)}
BY_ENGAGEMENT: Final = {
    ("published", "assigned"): (("Offer(Engagement)", "proposed"), ("Accept(Offer)", "accepted")),
    ("assigned", "published"): (("Undo(Accept)", "terminated"),),
    ("assigned", "started"): (("Create(WorkRecord workPhase=started)", "active"),),
    ("started", "delivered"): (("Create(WorkRecord workPhase=delivered)", "delivered"),),
    ("delivered", "started"): (("Reject(WorkRecord)", "active"),),
    ("delivered", "accepted"): (("Accept(WorkRecord)", "completed"),),
    ("accepted", "settled"): (
        ("Create(Receipt receiptKind=invoiceIssued)", "completed"),
        ("Create(Receipt receiptKind=paymentConfirmed)", "settled"),
    ),
}
"""What moves a mission when its owner does not say so: the events of its engagement, and their states."""


@dataclass
class Owned:
    """A proposal of Nantes's, moved by its owner's client and by the engagement that answers it; Lyon follows."""

    two: Two
    class_name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    head: Head | None = None
    engagement: Engaged | None = None

    def take(self, event: Event, *, state: str) -> None:
        """Let what causes the edge happen, and see it on both sides."""
        if steps := BY_ENGAGEMENT.get((self.head.state if self.head else "", state)):
            self._engage(steps)
        else:
            if state == "expired":
                time.sleep(APPLY_WITHIN)
            reply = self.two.nantes_coop.say(self.document(event))
            # Nantes looks at the clock by itself, and may have been faster.
            activity = taken(reply) if (reply.status, state) != (409, "expired") else {}
            self.id = self.id or activity["object"]["id"]
        version = self.head.version + 1 if self.head else 1
        self.head = agreed(self.two, self.id, state, version)

    def _engage(self, steps: Iterable[tuple[str, str]]) -> None:
        for name, state in steps:
            if EVENTS[name].activity == "Offer":
                self.engagement = Engaged(self.two, roles_for_work(self.two), self.id)
            assert self.engagement is not None
            self.engagement.take(EVENTS[name], state=state)

    def document(self, event: Event) -> dict[str, Any]:
        """Return the event as the owner's client posts it."""
        if event.activity == "Create":
            proposal = (
                a_mission()
                if self.class_name == "Mission"
                else {"type": self.class_name, "name": "Un atelier"}
            )
            return {"type": "Create", "object": {**proposal, **self.changes}}
        if event.activity == "Update":
            change = {"content": f"<p>{datetime.now(UTC).isoformat()}</p>"} if event in HARMLESS else {}
            return {
                "type": "Update",
                "object": {"id": self.id, **dict(event.where), **change},
                **REASON,
                **PAID,
            }
        if event.activity == "Accept":
            return {"type": "Accept", "object": {"id": f"{self.id}#flag", "type": "Flag", "object": self.id}}
        return {"type": event.activity, "object": self.id}

    def try_everything_else(self, state: str, judged: Judged) -> None:
        """Post, in this state, every event that is no edge from here. (A client's Create begins another proposal.)"""
        life = LISTING if self.class_name in LISTING.class_names else MISSION
        for event in events_of(life):
            must_be = expected(life, state, event)
            if must_be == 200 or event.activity == "Create":
                continue
            must_be = 404 if event.activity == "Accept" else must_be
            reply = self.two.nantes_coop.say(self.document(event))
            after = head_of(self.two.nantes, self.id)
            judged.refusal(f"{state} × {event}, by its client", reply, must_be, before=self.head, after=after)


HARMLESS: Final = {
    event_of(edge)
    for life in (MISSION, LISTING)
    for edge in life.edges
    if (edge.activity, edge.source, edge.target) == ("Update", "published", "published")
}
"""What may change the terms: any other Update moves the state and nothing else."""

APPLY_WITHIN: Final = 2.0
"""Seconds that a mission which shall expire takes applications."""


@pytest.mark.parametrize(("walk", "tried_after"), tours("Mission"))
def test_an_owners_mission_goes_along_its_edges_and_nowhere_else(
    two: Two, walk: Walk, tried_after: set[int]
) -> None:
    deadline = datetime.now(UTC) + timedelta(seconds=APPLY_WITHIN - 1)
    expires = walk[-1].target == "expired"
    go(Owned(two, "Mission", {"applyBefore": stamp(deadline)} if expires else {}), walk, tried_after)


@pytest.mark.parametrize("class_name", LISTING.class_names)
@pytest.mark.parametrize(("walk", "tried_after"), tours("Listing"))
def test_an_owners_listing_goes_along_its_edges_and_nowhere_else(
    two: Two, class_name: str, walk: Walk, tried_after: set[int]
) -> None:
    go(Owned(two, class_name), walk, tried_after)
