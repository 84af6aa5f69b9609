"""Profile `vocab`: who applies to a proposal of the server under test, and what its co-op answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fedcoop_conformance.case import Case, Failed
from fedcoop_conformance.cases import implements
from fedcoop_conformance.cases.vocab import at, heard, listed, made
from fedcoop_conformance.driver.base import Declined
from fedcoop_conformance.peer.actors import Document, PeerActor, instant
from fedcoop_conformance.peer.proposals import HOUR, Thread, proposed


def offer(t: Case, by: PeerActor, proposal: Mapping[str, Any]) -> tuple[Thread, Document]:
    """Return the Offer of somebody who works on their own account, on the terms of a proposal, and its chain."""
    wanted = proposal["publishes"]
    terms = {
        "type": "Agreement",
        "fedcoopType": ["Engagement"],
        "context": proposal["id"],
        "mission": proposal["id"],
        "worker": by.id,
        "workStatus": "selfEmployed",
        "engagementState": "proposed",
        "noticePeriod": "P7D",
        "stipulates": {
            "type": "Commitment",
            "satisfies": wanted["id"],
            "action": wanted["action"],
            "resourceQuantity": wanted["resourceQuantity"],
        },
    }
    thread = Thread()
    activity = thread.next(by, "Offer", [t.role("coop").id], object=terms)
    thread.went(activity)
    return thread, activity


async def applied(t: Case, by: PeerActor, proposal: Mapping[str, Any]) -> tuple[Thread, Document]:
    """Apply, and be taken for an applicant.

    Raises:
        Failed: `NOT_ACCEPTED` or `SERVER_ERROR`.
    """
    thread, activity = offer(t, by, proposal)
    await t.taken(by.request(t.role("coop").inbox, activity))
    return thread, activity


async def decided(t: Case, kind: str, by: PeerActor, activity: Mapping[str, Any], code: str) -> Document:
    """Have the co-op answer an application; return the answer as it arrives at who applied.

    Raises:
        Failed: with `code`, nothing of this kind arrives.
    """
    reason = {"reasonCode": "other"} if kind == "Reject" else {}
    said = {"type": kind, "object": activity["id"], "to": [by.id], **reason}
    await t.publish(said, by=t.role("coop"))
    came = await by.origin.wait(by.arrived(lambda one: one.get("type") == kind), within=t.times.signal)
    t.exchanges.extend(one.exchange for one in came)
    if not came:
        raise Failed(code, expected=f"{kind} of {activity['id']} arrives", received="nothing")
    found: Document = came[0].json
    return found


def named(value: object) -> object:
    """Return an id, given as itself or as a document."""
    return value.get("id") if isinstance(value, Mapping) else value


@implements("FC-VOC-012")
async def nothing_is_open_past_its_date(t: Case) -> None:
    for kind in ("Mission", "Need"):
        owner, now = t.peer(), datetime.now(UTC)
        late, early = (
            proposed(owner, kind, published=instant(now - 2 * HOUR), applyBefore=instant(now + hours))
            for hours in (-HOUR, HOUR)
        )
        async with t.control(f"a {kind} before its date is listed"):
            await heard(t, owner, early)
            t.check(await listed(t, owner.id, early["id"]), "OPEN", expected="listed", received="not listed")
        with t.step(f"a {kind} past its date is not listed"):
            await heard(t, owner, late)
            t.check(
                not await listed(t, owner.id, late["id"]), "OPEN", expected="not listed", received="listed"
            )
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    _, mission = await made(t, "Mission", applyBefore=instant(end))
    async with t.control("who applies in time is taken for an applicant"):
        await applied(t, t.peer(), mission)
    with t.step("who applies late is refused"):
        await asyncio.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 0.2)
        late_one = t.peer()
        _, activity = offer(t, late_one, mission)
        await t.turned_away(
            late_one.request(t.role("coop").inbox, activity), {409}, problem="proposal-closed"
        )


@implements("FC-VOC-017")
async def its_accept_names_the_offer(t: Case) -> None:
    peer = t.peer()
    _, mission = await made(t, "Mission")
    _, activity = await applied(t, peer, mission)
    accept = await decided(t, "Accept", peer, activity, "NO_ANSWER")
    with t.step("its object is the id of the Offer, and its result has an id"):
        found = named(accept.get("object"))
        t.check(found == activity["id"], "WRONG_OBJECT", expected=activity["id"], received=found)
        result = at(accept, "result", "id")
        t.check(
            isinstance(result, str), "NO_RESULT", expected="result with an id", received=accept.get("result")
        )


@implements("FC-VOC-018")
async def its_agreement_is_what_was_offered(t: Case) -> None:
    peer = t.peer()
    _, mission = await made(t, "Mission")
    _, activity = await applied(t, peer, mission)
    accept = await decided(t, "Accept", peer, activity, "NO_ANSWER")
    with t.step("the quantities are those offered, and it is the accepting actor's"):
        path = ("stipulates", "resourceQuantity")
        wanted = activity["object"]["stipulates"]["resourceQuantity"]
        found = at(accept, "result", *path)
        same = isinstance(found, Mapping) and all(found.get(name) == value for name, value in wanted.items())
        t.check(same, "QUANTITY", expected=str(wanted), received=found)
        author = at(accept, "result", "attributedTo")
        t.check(author == accept.get("actor"), "AUTHOR", expected=str(accept.get("actor")), received=author)


@implements("FC-VOC-019")
async def its_reject_names_the_offer(t: Case) -> None:
    peer = t.peer()
    _, mission = await made(t, "Mission")
    _, activity = await applied(t, peer, mission)
    reject = await decided(t, "Reject", peer, activity, "NO_ANSWER")
    with t.step("its object is the id of the Offer"):
        found = named(reject.get("object"))
        t.check(found == activity["id"], "WRONG_OBJECT", expected=activity["id"], received=found)


@implements("FC-VOC-020")
async def an_offer_is_taken_back_once(t: Case) -> None:
    peer, inbox = t.peer(), t.role("coop").inbox
    _, mission = await made(t, "Mission")
    thread, activity = await applied(t, peer, mission)
    undo = thread.next(peer, "Undo", [t.role("coop").id], object=activity["id"], reasonCode="other")
    with t.step("an Undo is taken, and again as nothing new"):
        for _ in range(2):
            await t.taken(peer.request(inbox, undo))
    thread.went(undo)
    with t.step("another Undo is refused"):
        other = thread.next(peer, "Undo", [t.role("coop").id], object=activity["id"], reasonCode="other")
        await t.turned_away(peer.request(inbox, other), {409})


@implements("FC-VOC-016")
async def nobody_is_taken_beyond_its_places(t: Case) -> None:
    coop = t.role("coop")
    _, mission = await made(t, "Mission", slots=2)
    people = [t.peer() for _ in range(3)]
    offers = [(one, (await applied(t, one, mission))[1]) for one in people]
    async with t.control("as many are accepted as there are places"):
        for one, activity in offers[:2]:
            await decided(t, "Accept", one, activity, "NO_ANSWER")
    with t.step("one more is not"):
        last, activity = offers[2]
        try:
            await t.publish({"type": "Accept", "object": activity["id"], "to": [last.id]}, by=coop)
        except Declined as declined:
            t.check(declined.status == 409, "WRONG_STATUS", expected="409", received=declined.status)
        else:
            raise Failed("OVERBOOKED", expected="409 to a third Accept of two places", received="201")
    with t.step("the mission is assigned"):
        shown = await t.kept(mission["id"])
        found = shown.get("missionState")
        t.check(found == "assigned", "NOT_ASSIGNED", expected="assigned", received=found)
    with t.step("who still waited is answered by a Reject"):
        came = await last.origin.wait(
            last.arrived(lambda one: one.get("type") == "Reject"), within=t.times.signal
        )
        found = named(came[0].json.get("object")) if came else None
        t.check(found == activity["id"], "NO_REJECT", expected=f"Reject of {activity['id']}", received=found)
