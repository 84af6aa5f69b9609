"""Profile `delivery`: what a server sends to whom, how often it tries, and what it lets others do to what it has.

Most of these have a local actor say something by its client, and look at our inboxes. That something did not come is
known by what came after it: another message to the same inbox, or the second try at an inbox beside it.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from fedcoop_conformance.case import Case
from fedcoop_conformance.cases import implements
from fedcoop_conformance.driver.base import Declined
from fedcoop_conformance.peer.actors import COMPONENTS, SIGNED, Document, Outgoing, PeerActor, instant
from fedcoop_conformance.peer.server import Answer, Received, Role

PUBLIC: Final = "https://www.w3.org/ns/activitystreams#Public"
AS2_TYPES: Final = (
    "application/activity+json",
    'application/ld+json; profile="https://www.w3.org/ns/activitystreams"',
)
BUSY: Final = Answer(503)
PATIENCE: Final = 30
"""How many times the first wait a third try may take: the waits grow, and each server says by the first how fast."""


# -- what is said and what comes --------------------------------------------------------------------------------------


def note(*to: str, content: str = "<p>Bonjour</p>", **more: Any) -> Document:
    """Return a `Create` of a note as a client posts it."""
    audience = {"to": list(to), **more}
    return {"type": "Create", **audience, "object": {"type": "Note", "content": content, **audience}}


def brings(name: str) -> Any:
    """Return what says of an activity whether it is the one of this id."""
    return lambda said: said.get("id") == name


async def came(
    t: Case, peer: PeerActor, name: str, *, count: int = 1, within: float | None = None
) -> list[Received]:
    """Return the requests that brought an activity to a peer, as soon as there are `count`."""
    wanted = peer.arrived(brings(name))
    found = await peer.origin.wait(wanted, within=t.times.signal if within is None else within, count=count)
    t.exchanges += [one.exchange for one in found]
    return found


async def reached(
    t: Case, peer: PeerActor, name: str, *, code: str = "NO_DELIVERY", within: float | None = None
) -> Received:
    """Return the request that brought an activity to a peer.

    Raises:
        Failed: with `code`, there was none.
    """
    found = await came(t, peer, name, within=within)
    t.check(bool(found), code, expected=f"{name} at {peer.inbox}", received="nothing")
    return found[0]


async def settled(t: Case, *peers: PeerActor) -> None:
    """Wait until a later message has come to each peer: whatever was to come before it has come by then."""
    later = await t.publish(note(*(peer.id for peer in peers), content="<p>Voilà</p>"))
    for peer in peers:
        await reached(t, peer, later)


async def follows(t: Case, peer: PeerActor) -> Document:
    """Have a peer follow the local actor; return the Follow, which was accepted.

    Raises:
        Failed: `CONTROL`.
    """
    asked = peer.activity("Follow", object=t.local.id, to=[t.local.id])
    async with t.control("a Follow is accepted"):
        await t.taken(t.honest(peer, asked))
        found = await answered(t, peer, asked)
        t.check(
            bool(found) and found[0].json["type"] == "Accept",
            "NO_ANSWER",
            expected=f"Accept of {asked['id']}",
            received=[one.json for one in found] or "nothing",
        )
    return asked


async def answered(t: Case, peer: PeerActor, asked: Mapping[str, Any]) -> list[Received]:
    """Return the answers to a Follow, whatever they name, the first as soon as it is there.

    Where the followed actor says that it decides itself, it accepts, as its client would.
    """
    shown = (await t.get(str(asked["object"]))).json
    if isinstance(shown, Mapping) and shown.get("manuallyApprovesFollowers") is True:
        await t.publish({"type": "Accept", "object": asked["id"], "to": [asked["actor"]]})

    def decides(said: Document) -> bool:
        return said.get("type") in {"Accept", "Reject"} and said.get("actor") == asked["object"]

    found = await peer.origin.wait(peer.arrived(decides), within=t.times.signal)
    t.exchanges += [one.exchange for one in found]
    return found


async def collection_of_followers(t: Case) -> str:
    """Return the id of that collection, as the actor's document has it."""
    document, _ = await t.document(t.local.id, "CONTROL")
    return str(document.get("followers"))


# -- to whom ----------------------------------------------------------------------------------------------------------


@implements("FC-DLV-001")
async def what_is_said_comes_to_its_recipient(t: Case) -> None:
    peer = t.peer()
    with t.step("what a local actor says to one remote actor comes to its inbox"):
        name = await t.publish(note(peer.id))
        first = await reached(t, peer, name)
        media = first.header("Content-Type") or ""
        t.check(
            " ".join(media.split()).lower() in AS2_TYPES or media.lower() == AS2_TYPES[1].replace("; ", ";"),
            "CONTENT_TYPE",
            expected=" or ".join(AS2_TYPES),
            received=media,
        )
    with t.step("once"):
        await settled(t, peer)
        times = len(await came(t, peer, name, within=0))
        t.check(times == 1, "DUPLICATE", expected="one POST", received=f"{times}")


@implements("FC-DLV-002")
async def who_is_named_in_cc_alone_gets_it(t: Case) -> None:
    peer = t.peer()
    with t.step("what names a remote actor in cc alone comes to its inbox"):
        await reached(t, peer, await t.publish(note(cc=[peer.id])))


@implements("FC-DLV-003")
async def who_is_named_in_secret_gets_it_and_stays_unnamed(t: Case) -> None:
    open_, blind, copied = t.peer(), t.peer("second"), t.peer()
    said = note(open_.id) | {"bto": [blind.id], "bcc": [copied.id]}
    with t.step("each of the three gets it"):
        name = await t.publish(said)
        copies = [await reached(t, peer, name) for peer in (open_, blind, copied)]
    with t.step("no copy has bto or bcc"):
        for one in copies:
            hidden = [
                word for word in ("bto", "bcc") if word in one.json or word in (one.json["object"] or {})
            ]
            t.check(not hidden, "LEAK", expected="neither bto nor bcc", received=hidden)
        secret = [one for one in copies if blind.id.encode() in one.body or copied.id.encode() in one.body]
        t.check(not secret, "LEAK", expected="nobody named in secret", received=[one.json for one in secret])


@implements("FC-DLV-004")
async def who_is_named_three_times_gets_it_once(t: Case) -> None:
    peer = t.peer()
    await follows(t, peer)
    with t.step("an actor in to, in cc and among the followers gets one POST"):
        name = await t.publish(note(peer.id, cc=[peer.id, await collection_of_followers(t)]))
        await reached(t, peer, name)
        await settled(t, peer)
        times = len(await came(t, peer, name, within=0))
        t.check(times == 1, "DUPLICATE", expected="one POST", received=f"{times}")


@implements("FC-DLV-005")
async def nobody_gets_their_own_words(t: Case) -> None:
    peer = t.peer()
    theirs = t.stimulus(peer)
    async with t.control("what a peer says to the author is in its inbox"):
        await t.accepted(peer, theirs, t.honest(peer, theirs))
    with t.step("what its author addresses to itself as well is not"):
        name = await t.publish(note(t.local.id, peer.id))
        await reached(t, peer, name)
        told = await t.ask("collection", actor=t.local.id, name="inbox")
        t.check(
            name not in told["items"],
            "SELF_DELIVERY",
            expected=f"{name} is not in its author's inbox",
            received="it is",
        )


@implements("FC-DLV-006")
async def followers_get_what_is_said_to_followers(t: Case) -> None:
    one, two = t.peer(), t.peer("second")
    await follows(t, one)
    await follows(t, two)
    with t.step("what is addressed to the followers collection comes to each follower"):
        name = await t.publish(note(await collection_of_followers(t)))
        await reached(t, one, name)
        await reached(t, two, name)


@implements("FC-DLV-007")
async def a_server_with_two_followers_gets_one_copy(t: Case) -> None:
    shared: dict[str, Any] = {"endpoints": {"sharedInbox": f"{t.stage.peers['second'].base}/inbox"}}
    one, two = t.peer("second", **shared), t.peer("second", **shared)
    await follows(t, one)
    await follows(t, two)
    with t.step("what is addressed to the followers comes to their shared inbox"):
        name = await t.publish(note(await collection_of_followers(t)))
        await reached(t, one, name)
        await settled(t, one)
    with t.step("once, and to no inbox of theirs besides"):
        brought = one.arrived(brings(name))
        theirs = two.arrived(brings(name))
        copies = one.origin.seen(lambda request: brought(request) or theirs(request))
        paths = [copy.path for copy in copies]
        t.check(paths == ["/inbox"], "NOT_SHARED", expected="one POST to /inbox", received=paths)


# -- trying again -----------------------------------------------------------------------------------------------------


def inbox_path(peer: PeerActor) -> str:
    """Return the path of a peer's inbox."""
    return peer.inbox.removeprefix(peer.origin.base)


def at_inbox(peer: PeerActor, answer: Answer) -> None:
    """Answer from now on what comes to a peer's inbox."""
    peer.origin.put(inbox_path(peer), answer, method="POST")


def at_first(peer: PeerActor, *answers: Answer) -> None:
    """Answer the next requests to a peer's inbox so, and the later ones by 202."""
    peer.origin.script("POST", inbox_path(peer), answers)


def soon(t: Case) -> float:
    """Return for how long a second try is awaited."""
    return t.times.signal + 2 * t.first_retry


def later(t: Case) -> float:
    """Return for how long a third try is awaited."""
    return t.times.signal + PATIENCE * t.first_retry


async def after_a_retry(t: Case, beside: PeerActor, name: str) -> None:
    """Wait until the server has tried again at the inbox of `beside`, and as long again: by then it would have tried
    again elsewhere too.

    Raises:
        Failed: `CONTROL`, it did not.
    """
    async with t.control("an inbox that answered 503 is tried again"):
        tries = await came(t, beside, name, count=2, within=soon(t))
        t.check(len(tries) >= 2, "NO_RETRY", expected="a second try", received=f"{len(tries)} in all")
    await asyncio.sleep(t.first_retry + t.times.grace)


def dialects(tries: Sequence[Received]) -> list[str]:
    """Return by which kind of signature each attempt was made."""
    return ["RFC 9421" if one.header("Signature-Input") else "draft-cavage" for one in tries]


def one_knock(tries: Sequence[Received]) -> bool:
    """Tell whether these are one try: at most one request in each dialect, the second as soon as the first was refused
    (sig/29)."""
    said = dialects(tries)
    return len(set(said)) == len(said)


@implements("FC-DLV-008")
async def what_was_not_taken_is_tried_again(t: Case) -> None:
    async with t.alone("faulty"):
        peer = t.peer("faulty")
        at_first(peer, BUSY)
        name = await t.publish(note(peer.id))
        with t.step("after 503 it is tried again"):
            tries = await came(t, peer, name, count=2, within=soon(t))
            t.check(len(tries) >= 2, "NO_RETRY", expected="a second try", received=f"{len(tries)} in all")
        with t.step("with the same bytes"):
            same = tries[0].body == tries[1].body
            t.check(same, "CHANGED", expected=tries[0].body.decode(), received=tries[1].body.decode())


@implements("FC-DLV-009")
async def who_could_not_be_reached_is_tried_again(t: Case) -> None:
    async with t.alone("faulty") as origin:
        peer = await met(t, "faulty")
        with t.step("what is said while the peer refuses connections comes when it takes them again"):
            async with origin.away():
                name = await t.publish(note(peer.id))
                # Long enough that the first try is made; the test passes as well where it is made later.
                await asyncio.sleep(t.times.silence)
            await reached(t, peer, name, code="NO_RETRY", within=later(t))


async def met(t: Case, role: Role) -> PeerActor:
    """Return a peer to whom something came already: where its inbox is has not to be asked."""
    peer = t.peer(role)
    async with t.control("what is said to the peer comes"):
        await settled(t, peer)
    return peer


@implements("FC-DLV-010")
async def it_waits_longer_each_time(t: Case) -> None:
    async with t.alone("faulty"):
        peer = t.peer("faulty")
        at_first(peer, BUSY, BUSY, BUSY)
        name = await t.publish(note(peer.id))
        with t.step("the third wait is longer than the first"):
            tries = await came(t, peer, name, count=4, within=2 * later(t))
            t.check(len(tries) >= 4, "NO_RETRY", expected="four tries", received=f"{len(tries)}")
            waits = [b.at - a.at for a, b in itertools.pairwise(tries)]
            # Growth over two waits stands out of the chance that each may have in it, and of a busy machine.
            t.check(
                waits[2] > 1.3 * waits[0],
                "NOT_GROWING",
                expected="a third wait that is longer",
                received=", ".join(f"{wait:.3f} s" for wait in waits),
            )


@implements("FC-DLV-011")
async def who_asks_for_patience_gets_it(t: Case) -> None:
    async with t.alone("faulty"):
        peer = t.peer("faulty")
        # More than its own first wait, or nothing could be told from it.
        asked = max(1, math.ceil(2 * t.first_retry))
        at_first(peer, Answer(429, headers={"Retry-After": str(asked)}))
        name = await t.publish(note(peer.id))
        with t.step(f"after 429 with Retry-After: {asked} it is tried again, and not before"):
            tries = await came(t, peer, name, count=2, within=soon(t) + asked)
            t.check(len(tries) >= 2, "NO_RETRY", expected="a second try", received=f"{len(tries)} in all")
            wait = tries[1].at - tries[0].at
            t.check(wait >= asked * 0.98, "TOO_SOON", expected=f"{asked} s", received=f"{wait:.3f} s")


async def ended(t: Case, statuses: Sequence[int]) -> None:
    """Hold that a delivery to an inbox that answers one of these is not tried again."""
    async with t.alone("faulty"):
        peers = {status: t.peer("faulty") for status in statuses}
        for status, peer in peers.items():
            at_inbox(peer, Answer(status))
        beside = t.peer("faulty")
        at_first(beside, BUSY)
        names = {status: await t.publish(note(peer.id)) for status, peer in peers.items()}
        async with t.control("each inbox is tried"):
            for status, peer in peers.items():
                await reached(t, peer, names[status])
        await after_a_retry(t, beside, await t.publish(note(beside.id)))
        with t.step("none of them is tried again"):
            for status, peer in peers.items():
                tries = await came(t, peer, names[status], within=0)
                t.check(
                    one_knock(tries),
                    "RETRIED",
                    expected=f"one try at the inbox that answered {status}",
                    received=", ".join(dialects(tries)),
                )


@implements("FC-DLV-012")
async def who_is_gone_is_not_tried_again(t: Case) -> None:
    await ended(t, (410,))


@implements("FC-DLV-013")
async def what_was_refused_for_good_is_not_tried_again(t: Case) -> None:
    await ended(t, (400, 403, 404, 409, 413, 415, 422, 501))


@implements("FC-DLV-014")
async def nobody_waits_for_a_server_that_hangs(t: Case) -> None:
    async with t.alone("faulty"):
        stuck, healthy = t.peer("faulty"), t.peer()
        over = asyncio.Event()

        async def hang(request: web.Request) -> web.StreamResponse:
            await over.wait()
            return web.Response(status=202)

        at_inbox(stuck, Answer(play=hang))
        try:
            first = await t.publish(note(stuck.id))
            async with t.control("the peer that hangs is tried"):
                await reached(t, stuck, first)
            with t.step("meanwhile another peer gets what is for both"):
                await reached(t, healthy, await t.publish(note(stuck.id, healthy.id)), code="BLOCKED")
        finally:
            over.set()
            at_inbox(stuck, Answer(202))


@implements("FC-DLV-015")
async def a_redirect_of_a_delivery_is_not_followed(t: Case) -> None:
    async with t.alone("faulty"):
        peer, elsewhere, beside = t.peer("faulty"), t.peer("malicious"), t.peer("faulty")
        at_inbox(peer, Answer(307, headers={"Location": elsewhere.inbox}))
        at_first(beside, BUSY)
        name = await t.publish(note(peer.id, beside.id))
        async with t.control("the inbox that answers 307 is tried"):
            await reached(t, peer, name)
        await after_a_retry(t, beside, name)
        at_inbox(peer, Answer(202))
        with t.step("nothing comes to where it points"):
            lost = await came(t, elsewhere, name, within=t.times.grace)
            t.check(not lost, "FOLLOWED", expected=f"nothing at {elsewhere.inbox}", received=len(lost))


@implements("FC-DLV-016")
async def every_2xx_is_success(t: Case) -> None:
    async with t.alone("faulty"):
        peers = {status: t.peer("faulty") for status in (200, 201, 202, 204)}
        for status, peer in peers.items():
            at_inbox(peer, Answer(status))
        beside = t.peer("faulty")
        at_first(beside, BUSY)
        everybody = [peer.id for peer in (*peers.values(), beside)]
        name = await t.publish(note(*everybody))
        async with t.control("each inbox is tried"):
            for peer in peers.values():
                await reached(t, peer, name)
        await after_a_retry(t, beside, name)
        with t.step("none of them is tried again"):
            for status, peer in peers.items():
                tries = len(await came(t, peer, name, within=0))
                t.check(tries == 1, "RETRIED", expected=f"one try after {status}", received=f"{tries}")
        with t.step("the same words said again have another id"):
            again = await t.publish(note(*everybody))
            t.check(again != name, "ID_REUSED", expected="a new id", received=again)


# -- what comes in ----------------------------------------------------------------------------------------------------


@implements("FC-DLV-017")
async def what_comes_twice_has_one_effect(t: Case) -> None:
    peer = t.peer()
    activity = t.stimulus(peer)
    async with t.control("a message is taken and answered"):
        await t.accepted(peer, activity, t.honest(peer, activity))
    with t.step("the same activity, signed anew, is taken"):
        await t.taken(t.honest(peer, activity))
    async with t.control("a later message is taken and answered"):
        sentinel = t.stimulus(peer)
        await t.accepted(peer, sentinel, t.honest(peer, sentinel))
    with t.step("it had one effect"):
        times = await t.replies_in_all(peer, activity)
        t.check(times == 1, "SIDE_EFFECT", expected="one answer", received=f"{times}")


@implements("FC-DLV-018")
async def an_id_of_another_server_is_refused(t: Case) -> None:
    peer, other = t.peer("malicious"), t.peer()
    wrong = t.stimulus(peer) | {"id": other.new_id()}
    with t.step("an activity whose id is of another origin than its actor is refused"):
        await t.turned_away(t.honest(peer, wrong), {403}, problem="foreign-origin")
    async with t.control("with an id of its actor's origin it is taken and answered"):
        right = t.stimulus(peer)
        await t.accepted(peer, right, t.honest(peer, right))
    with t.step("the first had no effect"):
        await t.no_effect(peer, wrong)


@implements("FC-DLV-019")
async def a_follow_is_answered_by_its_id(t: Case) -> None:
    peer = t.peer()
    asked = peer.activity("Follow", object=t.local.id, to=[t.local.id])
    with t.step("a Follow is answered by Accept or Reject"):
        await t.taken(t.honest(peer, asked))
        found = await answered(t, peer, asked)
        t.check(bool(found), "NO_ANSWER", expected="Accept or Reject", received="nothing")
    with t.step("whose object is that Follow"):
        about = found[0].json.get("object")
        name = about.get("id") if isinstance(about, Mapping) else about
        t.check(name == asked["id"], "WRONG_OBJECT", expected=asked["id"], received=name)


async def following(t: Case) -> list[str]:
    """Return whom the local actor follows, as its own client reads it."""
    told = await t.ask("collection", actor=t.local.id, name="following")
    return list(told["items"])


async def comes_to_follow(t: Case, peer: PeerActor) -> Document:
    """Have the local actor follow a peer, which accepts; return the Follow.

    Raises:
        Failed: `NO_DELIVERY`, or `NO_EFFECT`: the peer is not among those followed.
    """
    name = await t.publish({"type": "Follow", "object": peer.id, "to": [peer.id]})
    asked: Document = (await reached(t, peer, name)).json
    await t.taken(t.honest(peer, peer.activity("Accept", object=name, to=[t.local.id])))
    end = asyncio.get_running_loop().time() + t.times.signal
    while peer.id not in await following(t):
        late = asyncio.get_running_loop().time() > end
        t.check(not late, "NO_EFFECT", expected=f"{peer.id} is followed", received="it is not")
        await asyncio.sleep(0.02)
    return asked


@implements("FC-DLV-020")
async def an_accept_of_nothing_changes_nothing(t: Case) -> None:
    peer, friend = t.peer(), t.peer()
    never = {"id": f"{t.local.id}/follows/never", "type": "Follow", "actor": t.local.id, "object": peer.id}
    with t.step("an Accept of a Follow that was never sent breaks nothing"):
        reply = await t.send(t.honest(peer, peer.activity("Accept", object=never["id"], to=[t.local.id])))
        t.check(reply.status < 500, "SERVER_ERROR", expected="2xx or 4xx", received=reply.told())
    async with t.control("the Accept of one that was sent is taken, and its actor is followed"):
        await comes_to_follow(t, friend)
    with t.step("the first is not followed"):
        found = await following(t)
        t.check(peer.id not in found, "FOLLOWING_CHANGED", expected=f"without {peer.id}", received=found)


@implements("FC-DLV-021")
async def who_takes_the_follow_back_gets_nothing_more(t: Case) -> None:
    leaving, staying = t.peer(), t.peer()
    asked = await follows(t, leaving)
    await follows(t, staying)
    collection = await collection_of_followers(t)
    async with t.control("a follower gets what is said to followers"):
        await reached(t, leaving, await t.publish(note(collection)))
        await t.taken(t.honest(leaving, leaving.activity("Undo", object=asked, to=[t.local.id])))
    with t.step("after its Undo it gets nothing more"):
        name = await t.publish(note(collection))
        await reached(t, staying, name, code="CONTROL")
        await settled(t, leaving)
        late = await came(t, leaving, name, within=0)
        t.check(not late, "STILL_DELIVERED", expected="nothing", received=f"{len(late)}")


@implements("FC-DLV-022")
async def nobody_else_takes_a_follow_back(t: Case) -> None:
    follower, meddler = t.peer(), t.peer("malicious")
    asked = await follows(t, follower)
    with t.step("somebody else's Undo of a Follow is refused"):
        undo = meddler.activity("Undo", object=asked["id"], to=[t.local.id])
        await t.turned_away(t.honest(meddler, undo), {403}, problem="wrong-party")
    with t.step("the follower still gets what is said to followers"):
        await reached(t, follower, await t.publish(note(await collection_of_followers(t))))
    async with t.control("its own Undo is taken"):
        await t.taken(t.honest(follower, follower.activity("Undo", object=asked["id"], to=[t.local.id])))


def made_by(t: Case, author: PeerActor, **members: Any) -> Document:
    """Return a note of a peer that everybody may read."""
    return {
        "@context": list(SIGNED),
        "id": author.new_id("objects"),
        "type": "Note",
        "attributedTo": author.id,
        "content": "<p>Bonjour</p>",
        "published": instant(datetime.now(UTC)),
        "to": [PUBLIC, t.local.id],
        **members,
    }


def about(author: PeerActor, kind: str, thing: Document | str, *, to: Sequence[str]) -> Document:
    """Return an activity of a peer about something."""
    return author.activity(kind, object=thing, to=list(to))


def sent(t: Case, author: PeerActor, kind: str, thing: Document | str) -> Outgoing:
    """Return the request by which a peer says it, with its proof."""
    said = about(author, kind, thing, to=[PUBLIC, t.local.id])
    return author.request(t.local.inbox, author.proven(said))


@implements("FC-DLV-023")
async def nobody_else_deletes_what_somebody_made(t: Case) -> None:
    author, neighbour, stranger = t.peer(), t.peer(), t.peer("malicious")
    made = made_by(t, author)
    async with t.control("what a peer makes is stored"):
        await t.taken(sent(t, author, "Create", made))
        await t.kept(made["id"])
    with t.step("somebody else's Delete is refused, be they of the same server or of another"):
        await t.turned_away(sent(t, neighbour, "Delete", made["id"]), {403})
        await t.turned_away(sent(t, stranger, "Delete", made["id"]), {403}, problem="foreign-origin")
    with t.step("it is still there"):
        found = await t.sees(made["id"], within=0)
        t.check(
            found is not None and found.get("content") == made["content"],
            "SIDE_EFFECT",
            expected=made["content"],
            received=found,
        )
    async with t.control("its author's own is taken"):
        await t.taken(sent(t, author, "Delete", made["id"]))


@implements("FC-DLV-024")
async def with_a_blocked_server_nothing_passes(t: Case) -> None:
    async with t.alone("faulty") as origin:
        peer, beside = await met(t, "faulty"), t.peer()
        await t.ask("peer.decide", origin=origin.base, decision="block")
        try:
            with t.step("what comes from a blocked server is refused"):
                wrong = t.stimulus(peer)
                await t.turned_away(t.honest(peer, wrong), {403}, problem="blocked")
            with t.step("nothing is sent there"):
                name = await published_or_refused(t, note(peer.id, beside.id))
                await settled(t, beside)
                late = await came(t, peer, name, within=0) if name else []
                t.check(not late, "STILL_DELIVERED", expected="nothing", received=f"{len(late)}")
        finally:
            await t.ask("peer.decide", origin=origin.base, decision="allow")
        async with t.control("let in again, it is taken and answered"):
            right = t.stimulus(peer)
            await t.accepted(peer, right, t.honest(peer, right))


async def published_or_refused(t: Case, activity: Mapping[str, Any]) -> str | None:
    """Return the id of what a local actor says; None where its server would not have it said."""
    try:
        return await t.publish(activity)
    except Declined:
        return None


@implements("FC-DLV-025")
async def two_media_types_are_read_and_no_other(t: Case) -> None:
    peer = t.peer()
    for media in AS2_TYPES:
        with t.step(f"{media} is taken"):
            activity = t.stimulus(peer)
            await t.accepted(peer, activity, peer.request(t.local.inbox, activity, media=media))
    with t.step("text/plain is refused"):
        wrong = t.stimulus(peer)
        plain = peer.request(t.local.inbox, wrong, media="text/plain")
        await t.turned_away(plain, {415}, problem="unsupported-media-type")
    with t.step("and has no effect"):
        await t.no_effect(peer, wrong)


@implements("FC-DLV-026")
async def what_was_changed_before_it_came_stays_changed(t: Case) -> None:
    author, now = t.peer(), datetime.now(UTC)
    first = made_by(t, author, published=instant(now - timedelta(minutes=2)))
    changed = first | {"content": "<p>Au revoir</p>", "updated": instant(now - timedelta(minutes=1))}
    with t.step("an Update that comes before its Create is taken and stored"):
        await t.taken(sent(t, author, "Update", changed))
        await t.kept(first["id"])
    with t.step("the Create that comes after it leaves it as it is"):
        await t.taken(sent(t, author, "Create", first))
        sentinel = t.stimulus(author)
        await t.accepted(author, sentinel, t.honest(author, sentinel))
        found = await t.sees(first["id"], within=0)
        content = (found or {}).get("content")
        t.check(content == changed["content"], "STALE", expected=changed["content"], received=content)


@implements("FC-DLV-027")
async def what_has_no_id_is_refused(t: Case) -> None:
    def nameless(peer: PeerActor, activity: Document) -> Outgoing:
        return t.honest(peer, {name: value for name, value in activity.items() if name != "id"})

    await t.refused_beside(nameless, statuses={400}, problem="malformed-activity")


# -- what is passed on and kept ---------------------------------------------------------------------------------------


@implements("FC-DLV-028")
async def an_answer_is_passed_on_once_as_it_came(t: Case) -> None:
    await t.feature("forwarding")
    follower, author = t.peer(), t.peer("second")
    await follows(t, follower)
    collection = await collection_of_followers(t)
    said = await reached(t, follower, await t.publish(note(collection)))
    answer = made_by(t, author, inReplyTo=said.json["object"]["id"], to=[t.local.id], cc=[collection])
    activity = about(author, "Create", answer, to=[t.local.id]) | {"cc": [collection]}
    body = json.dumps(author.proven(activity), ensure_ascii=False).encode()
    with t.step("an answer that names the followers of whom it answers comes to them"):
        await t.taken(author.request(t.local.inbox, body))
        brought = await reached(t, follower, activity["id"], code="NOT_PASSED_ON")
        t.check(brought.body == body, "MUTATED", expected=body.decode(), received=brought.body.decode())
    with t.step("the same again is taken, and not passed on again"):
        await t.taken(author.request(t.local.inbox, body))
        await settled(t, follower, author)
        times = len(await came(t, follower, activity["id"], within=t.times.grace, count=2))
        t.check(times == 1, "DUPLICATE", expected="once", received=f"{times}")
    with t.step("it does not come back to its author"):
        back = await came(t, author, activity["id"], within=0)
        t.check(not back, "DUPLICATE", expected="nothing at its author's", received=f"{len(back)}")


@implements("FC-DLV-029")
async def what_was_accepted_outlives_a_restart(t: Case) -> None:
    await t.feature("restart")
    async with t.alone("faulty") as origin:
        peer = await met(t, "faulty")
        with t.step(
            "what was said while the peer was away comes, although the server was started anew meanwhile"
        ):
            async with origin.away():
                name = await t.publish(note(peer.id))
                await t.ask("restart")
            await reached(t, peer, name, code="LOST", within=later(t))


MANY: Final = 50


@implements("FC-DLV-030")
async def all_that_was_said_meanwhile_comes_in_order(t: Case) -> None:
    async with t.alone("faulty") as origin:
        peer = await met(t, "faulty")
        async with origin.away():
            names = [
                await t.publish(note(peer.id, content=f"<p>{number}</p>")) for number in range(1, MANY + 1)
            ]
        with t.step(f"of {MANY} messages said while the peer was away, each comes"):
            wanted = set(names)
            matches = peer.arrived(lambda said: said.get("id") in wanted)
            found = await origin.wait(matches, within=later(t), count=MANY)
            order = list(dict.fromkeys(one.json["id"] for one in found))
            t.check(len(order) == MANY, "LOST", expected=f"{MANY}", received=f"{len(order)}")
        with t.step("in the order in which they were said"):
            t.check(
                order == names,
                "DISORDER",
                expected="1 to 50",
                received=[names.index(one) + 1 for one in order],
            )


# -- who follows whom, at both servers (FEP-8fcf) ---------------------------------------------------------------------

SYNCHRONISATION: Final = "Collection-Synchronization"
MEMBER: Final = re.compile(r'(\w+)="([^"]*)"')


def digest_of(actors: Sequence[str]) -> str:
    """Return the exclusive or of the SHA-256 of their ids, in hexadecimal (FEP-8fcf)."""
    number = 0
    for one in actors:
        number ^= int.from_bytes(hashlib.sha256(one.encode()).digest())
    return f"{number:064x}"


@implements("FC-DLV-031")
async def both_servers_know_the_same_followers(t: Case) -> None:
    await t.feature("followers-sync")
    await announced_is_shown(t)
    await told_otherwise_it_asks(t)


async def announced_is_shown(t: Case) -> None:
    """Hold that the digest that goes with a message to followers is that of what is shown to their server."""
    follower = t.peer()
    await follows(t, follower)
    collection = await collection_of_followers(t)
    with t.step("a message to followers names collection, digest, and where to read it"):
        came_in = await reached(t, follower, await t.publish(note(collection)))
        said = dict(MEMBER.findall(came_in.header(SYNCHRONISATION) or ""))
        told = said.get("collectionId") == collection and {"url", "digest"} <= said.keys()
        t.check(told, "NO_HEADER", expected=f"{SYNCHRONISATION} of {collection}", received=said)
    with t.step("read by a signed GET, the collection has this digest, and the follower"):
        reply = await t.send(follower.get(said["url"]))
        found = reply.json if isinstance(reply.json, Mapping) else {}
        items = [str(one) for one in found.get("orderedItems", found.get("items", []))]
        t.check(
            follower.id in items and digest_of(items) == said["digest"].lower(),
            "DIGEST",
            expected=f"{said['digest']}, with {follower.id}",
            received=f"{digest_of(items)}: {items}, {reply.told()}",
        )


async def told_otherwise_it_asks(t: Case) -> None:
    """Hold that a server that is told another digest than its own reads the collection."""
    peer = t.peer()
    async with t.control("the local actor follows a peer"):
        await comes_to_follow(t, peer)
    path = f"/actors/{peer.name}/followers_synchronization"
    shown = {"id": peer.origin.base + path, "type": "OrderedCollection", "orderedItems": [t.local.id]}
    url = peer.origin.put(path, Answer.of({"@context": SIGNED[0], **shown}))
    header = f'collectionId="{peer.id}/followers", url="{url}", digest="{digest_of([])}"'
    with t.step("a message whose header has another digest has it read the collection, by a signed GET"):
        thing = made_by(t, peer, to=[f"{peer.id}/followers"])
        activity = about(peer, "Create", thing, to=[f"{peer.id}/followers"])
        covered = (*COMPONENTS, SYNCHRONISATION.lower())
        await t.taken(
            peer.request(t.local.inbox, activity, components=covered, more={SYNCHRONISATION: header})
        )
        # Servers do this beside their messages, when they come to it.
        asked = await peer.origin.wait(lambda one: one.path == path, within=2 * later(t))
        t.check(bool(asked), "NO_FETCH", expected=f"GET {url}", received="nothing")
