"""Profile `vocab`: the lifecycles of proposals, walked from the vocabulary's data (`vocab/lifecycles.json`).

Every edge is taken once, and in every state whatever else the owner could say is refused and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from fedcoop_conformance.case import Case
from fedcoop_conformance.cases import implements
from fedcoop_conformance.lifecycles import Edge, Event, allowed, events, walks
from fedcoop_conformance.peer.actors import Document, PeerActor, instant
from fedcoop_conformance.peer.proposals import HOUR, Thread, money, proposed

ENDED: Final = {"reasonCode": "other", "compensation": money("10.00")}
"""What the guards of a cancellation ask for."""
LIVES: Final = {"Mission": "Mission", "ServiceOffer": "Listing", "Need": "Listing"}


@dataclass
class Walked:
    """A proposal of a peer on its way."""

    owner: PeerActor
    kind: str
    to: str
    document: Document
    thread: Thread = field(default_factory=Thread)
    state: str = "draft"

    @property
    def life(self) -> str:
        return LIVES[self.kind]

    def said(
        self, event: Event, *, by: PeerActor | None = None, ended: Mapping[str, Any] = ENDED, **changes: Any
    ) -> Document:
        """Return the step that would make an event happen; it was published long enough ago to be over by now."""
        moment = datetime.now(UTC) - (HOUR if self.thread.version else 2 * HOUR)
        name = self.document["id"]
        made: Document = {"id": name, "type": "Tombstone", "formerType": "Note"}
        if event.activity != "Delete":
            made = {**self.document, **dict(event.where), **changes}
        if event.activity == "Update":
            made["updated"] = instant(datetime.now(UTC))
            moment = datetime.now(UTC)
        more = ended if event.activity == "Update" else {}
        return self.thread.next(
            by or self.owner, event.activity, [self.to], object=made, published=instant(moment), **more
        )


def begun(t: Case, owner: PeerActor, kind: str, **changes: Any) -> Walked:
    """Return a proposal that is not yet published; a mission's time to apply is over."""
    now = datetime.now(UTC)
    times = {"published": instant(now - 2 * HOUR)}
    if kind == "Mission":
        times |= {"startTime": instant(now), "applyBefore": instant(now - HOUR / 2)}
    return Walked(owner, kind, t.local.id, proposed(owner, kind, **{**times, **changes}))


async def went(t: Case, walked: Walked, edge: Edge) -> None:
    """Take an edge, and see the state that it leads to.

    Raises:
        Failed: `NOT_ACCEPTED`, `SERVER_ERROR`, `NO_EFFECT` or `STATE`.
    """
    change: Document = (
        {"content": "<p>Autre.</p>"} if edge.activity == "Update" and edge.source == edge.target else {}
    )
    step = walked.said(edge.event, **change)
    await t.taken(walked.owner.request(t.local.inbox, step))
    walked.thread.went(step)
    walked.state = edge.target
    if edge.activity == "Delete":
        shown = await t.sees(walked.document["id"], within=0)
        t.check("name" not in (shown or {}), "STATE", expected="a Tombstone or nothing", received=shown)
        return
    walked.document = {**walked.document, **dict(edge.where), **change}
    await stands(t, walked, "STATE")


async def stands(t: Case, walked: Walked, code: str) -> None:
    """Hold that the server shows a proposal as its last step left it.

    Raises:
        Failed: `NO_EFFECT`, or `code`.
    """
    shown = await t.kept(walked.document["id"])
    for member in ("missionState", "content", "name"):
        wanted = walked.document.get(member)
        t.check(shown.get(member) == wanted, code, expected=f"{member} {wanted}", received=shown.get(member))


async def nothing_else(t: Case, walked: Walked, *, gone: bool) -> None:
    """Say whatever is no edge from here, and see it refused and without effect.

    Raises:
        Failed: as `Case.turned_away`, or `CHANGED`.
    """
    statuses = {409, 410} if gone else {409}
    for event in events(walked.life):
        if not allowed(walked.life, walked.state, event):
            # A Create of what exists is wrong in two ways, and either may be said.
            problem = None if gone or event.activity == "Create" else "illegal-transition"
            message = walked.owner.request(t.local.inbox, walked.said(event))
            await t.turned_away(message, statuses, problem=problem)
    if not gone:
        await stands(t, walked, "CHANGED")


async def every_walk(t: Case, owner: PeerActor, kind: str) -> None:
    """Walk a lifecycle: each edge once, and in each state everything else."""
    known: set[tuple[str, str]] = set()
    for walk in walks(LIVES[kind]):
        walked = begun(t, owner, kind)
        for edge in walk:
            with t.step(f"{kind}: {edge.source} → {edge.target} by {edge.event} is taken and shown"):
                await went(t, walked, edge)
            here = (edge.target, "Delete" if edge.activity == "Delete" else "")
            if here not in known:
                known.add(here)
                with t.step(f"{kind} {edge.target}: every other step is refused and changes nothing"):
                    await nothing_else(t, walked, gone=edge.activity == "Delete")


@implements("FC-VOC-015")
async def a_proposal_goes_along_its_edges_and_nowhere_else(t: Case) -> None:
    owner = t.peer()
    for kind in LIVES:
        await every_walk(t, owner, kind)


PUBLISHED: Final = Event("Create", (("missionState", "published"),))


def update(state: str) -> Event:
    """Return the Update that moves a mission to a state."""
    return Event("Update", (("missionState", state),))


@implements("FC-VOC-029")
async def a_step_has_its_sender_and_its_guards(t: Case) -> None:
    soon = instant(datetime.now(UTC) + HOUR)
    walked = begun(t, t.peer(), "Mission", applyBefore=soon)
    neighbour = t.peer()

    async def taken(event: Event) -> None:
        step = walked.said(event)
        await t.taken(walked.owner.request(t.local.inbox, step))
        walked.thread.went(step)
        walked.document |= dict(event.where)
        await stands(t, walked, "STATE")

    async def refused(what: str, step: Document, by: PeerActor, statuses: set[int]) -> None:
        with t.step(f"{what}: refused"):
            await t.turned_away(by.request(t.local.inbox, step), statuses)
            await stands(t, walked, "CHANGED")

    async with t.control("a mission is published"):
        await taken(PUBLISHED)
    await refused(
        "its Update by its owner's neighbour",
        walked.said(update("published"), by=neighbour),
        neighbour,
        {403},
    )
    await refused(
        "its end before its time to apply is over", walked.said(update("expired")), walked.owner, {409, 422}
    )
    renamed = walked.said(update("assigned"), name="Autre")
    await refused("other terms behind a change of state", renamed, walked.owner, {422})
    async with t.control("the same change of state and of nothing else is taken"):
        await taken(update("assigned"))
    silent = walked.said(update("cancelled"), ended={"compensation": ENDED["compensation"]})
    await refused("a cancellation without a reason", silent, walked.owner, {422})
    async with t.control("the same with a reason is taken"):
        await taken(update("cancelled"))
