"""Shared allow-lists: our own for others to read, and others' for our operator to review (D7, F10).

    export     our list, signed, a version on from the last
    take       a list that was brought by hand
    subscribe  a list that is asked for again from now on
    poll       asks for those that are due
    review     the operator's answer to what a list asks

A list never changes whom we work with. It makes drafts; the decision is the operator's, and has the list as its source.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from fedcoop.errors import Conflict, FedcoopError, Invalid, NotFound
from fedcoop.flow.peering import checked, decide
from fedcoop.flow.verifying import with_key
from fedcoop.flow.world import World
from fedcoop.ports import Draft, HeldList, Peer, Reader, Transaction
from fedcoop.protocol import proof
from fedcoop.protocol.agreements import ends_at
from fedcoop.protocol.ids import origin
from fedcoop.protocol.limits import LIST_EVERY_LEAST, MAX_LISTS
from fedcoop.protocol.messages import Document, PutObject
from fedcoop.protocol.peerlist import (
    PEER_LIST,
    Entry,
    PeerList,
    Proposal,
    check_newer,
    list_document,
    list_id,
    proposals,
    read_list,
)
from fedcoop.protocol.policy import AFTER_AN_AGREEMENT, AGREEMENT
from fedcoop.protocol.proof import sign_document
from fedcoop.protocol.shape import PUBLIC

MAX_LIFE = timedelta(days=366)
"""Longest time for which a list of ours counts: its keeper looks at it once a year at least."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Exported:
    """Our list as it was signed, and the co-ops that are let in and not on it: nobody said why, or who decided."""

    document: Document
    left_out: tuple[str, ...]
    published: bool


# -- ours -----------------------------------------------------------------------------------------------------------


async def export(world: World, *, life: timedelta, publish: bool = False) -> Exported:
    """Sign the next version of our list, keep it at its address, and return it. Once published, it stays so.

    Raises:
        Invalid: `life` is not between a day and `MAX_LIFE` (`guard-failed`).
    """
    if not timedelta(days=1) <= life <= MAX_LIFE:
        raise Invalid(
            "guard-failed", "A list counts for a day at least, and a year at most.", received=str(life)
        )
    instance, now = world.instance, world.clock()
    method, key = world.keyring.proof_key(instance.coop)

    async def work(tx: Transaction) -> Exported:
        before = await tx.object(list_id(instance.base))
        allowed = [peer for peer in await tx.peers() if peer.state == "allowed"]
        entries = [entry for peer in allowed if (entry := await _entry_of(tx, peer, now)) is not None]
        unsigned = list_document(
            base=instance.base,
            keeper=instance.coop,
            name=instance.name,
            version=int(before.document["listVersion"]) + 1 if before is not None else 1,
            entries=entries,
            now=now,
            until=now + life,
        )
        signed = sign_document(unsigned, key=key, verification_method=method, created=now)
        open_ = publish or (before is not None and PUBLIC in before.readers)
        readers = (PUBLIC,) if open_ else (instance.coop,)
        name = str(unsigned["id"])
        await tx.make([PutObject(name, instance.coop, PEER_LIST, signed, True, readers, now)])
        named = {entry.origin for entry in entries}
        return Exported(signed, tuple(p.origin for p in allowed if p.origin not in named), open_)

    return await world.store.write(work)


async def _entry_of(tx: Transaction, peer: Peer, now: datetime) -> Entry | None:
    """Return what our list says of a peer; None when nobody wrote down who decided, or a reason that is for everybody.

    The operator's note is not: it was promised to stay here.
    """
    decisions = await tx.decisions(peer.origin)
    source = decisions[-1].source if decisions else ""
    agreement = await tx.chain(source)
    if agreement is None or agreement.kind != AGREEMENT:
        known = bool(peer.reason and peer.decided_by)
        return Entry(peer.origin, peer.reason, peer.decided_by, peer.since, None) if known else None
    until = ends_at(agreement)
    if until is not None and until <= now:
        return None
    return Entry(peer.origin, f"{AGREEMENT} {source}", peer.decided_by, peer.since, until)


# -- others' --------------------------------------------------------------------------------------------------------


async def take(
    world: World, document: Document, *, every: timedelta | None = None, at: str | None = None
) -> HeldList:
    """Take a list in and make drafts of what it asks. `every`: ask for it again that often; None leaves it as it was.

    `at` is the address that was asked for it; None when it was brought by hand.

    Raises:
        Invalid, Malformed, Unverified, Conflict: it is no list, not its keeper's, run out, or went back; nothing of it
            was kept. NotFound: the operator gave it up while it was asked for.
        Unavailable: its keeper's key cannot be had.
    """
    now, instance = world.clock(), world.instance
    found = read_list(document, allow_origins=instance.allow_origins, now=now)
    # (1) An address that was chosen brings no list but its own.
    if at is not None and found.id != at:
        raise Invalid("guard-failed", "Another list is at this address.", expected=at, received=found.id)
    # (2) Our own list asks nothing of us.
    if origin(found.id) == instance.base:
        raise Conflict("local-id", "This is your own list.", received=found.id)
    # (3) Its keeper signed it: neither its address nor whoever hands it over is believed.
    await with_key(world, found.keeper, lambda keys: proof.verify_document(document, keys.actor, now=now))

    async def work(tx: Transaction) -> HeldList:
        lists = {held.id: held for held in await tx.held_lists()}
        before = lists.get(found.id)
        # (1) One that the operator gave up while it was asked for is not taken up again.
        if before is None and at is not None and every is None:
            raise _not_followed(found.id)
        # (2) It follows the one that we had.
        if before is not None:
            check_newer(found, keeper=before.keeper, version=before.version, digest=before.digest)
        # (3) So many that an operator still follows them.
        elif len(lists) >= MAX_LISTS:
            raise Conflict(
                "stale", "You follow as many lists as there may be.", expected=f"at most {MAX_LISTS}"
            )
        seconds = (
            int(every.total_seconds()) if every is not None else before.every if before is not None else 0
        )
        held = HeldList(
            id=found.id,
            keeper=found.keeper,
            name=found.name,
            version=found.version,
            digest=found.digest,
            valid_until=found.valid_until,
            every=seconds,
            asked_at=now,
            taken_at=now,
            problem="",
        )
        await tx.put_list(held)
        await _draft(tx, found, world, now)
        return held

    return await world.store.write(work)


async def _draft(tx: Transaction, found: PeerList, world: World, now: datetime) -> None:
    """Make, keep and drop drafts until they say what the list asks now; what was refused is not asked again."""
    peers = await tx.peers()
    through_it = []
    for peer in peers:
        decisions = await tx.decisions(peer.origin)
        if peer.state == "allowed" and decisions and decisions[-1].source == found.id:
            through_it.append(peer.origin)
    # Whom our operator has decided about, the list says nothing new of.
    decided = {peer.origin for peer in peers if peer.state != "pending"}
    asked = proposals(found, admitted=decided, through_it=through_it, base=world.instance.base, now=now)
    before = {d.origin: d for d in await tx.drafts() if d.list_id == found.id}
    for proposal in asked:
        known = before.pop(proposal.entry.origin, None)
        # What was decided meanwhile, and taken back, is asked anew.
        overtaken = known is not None and not known.refused and not await _still_asks(tx, known)
        if known is None or overtaken or not _same(known, proposal):
            await tx.put_draft(_draft_of(found, proposal, now))
    for left in before.values():
        await tx.drop_draft(found.id, left.origin)


def _draft_of(found: PeerList, proposal: Proposal, now: datetime) -> Draft:
    e = proposal.entry
    return Draft(found.id, e.origin, proposal.wish, e.reason, e.decided_by, e.decided_at, e.valid_until, now)


def _same(known: Draft, proposal: Proposal) -> bool:
    entry = proposal.entry
    said = (entry.reason, entry.decided_by, entry.valid_until)
    if known.wish != proposal.wish:
        return False
    return known.wish == "remove" or said == (known.reason, known.decided_by, known.valid_until)


async def subscribe(world: World, url: str, *, every: timedelta) -> HeldList:
    """Take the list at `url` in, and ask for it again from now on. Raises as `take`, and NotFound.

    Raises:
        Invalid: `every` is less than an hour, or another list is at `url` (`guard-failed`).
    """
    if every < LIST_EVERY_LEAST:
        raise Invalid("guard-failed", "A list is asked for once an hour at most.", received=str(every))
    return await take(world, await world.fetcher.document(url), every=every, at=url)


async def unsubscribe(world: World, name: str) -> None:
    """Ask for a list no more, and drop what it asks; whom it brought stays. Raises NotFound."""

    async def work(tx: Transaction) -> None:
        if name not in {held.id for held in await tx.held_lists()}:
            raise _not_followed(name)
        await tx.drop_list(name)

    await world.store.write(work)


async def lists(world: World) -> tuple[HeldList, ...]:
    """Return the lists that were taken in, and how asking for each stands."""
    return await world.store.read(lambda reader: reader.held_lists())


async def poll(world: World) -> int:
    """Ask for the list that has been due longest; what is wrong with it is kept for the operator to read.

    One at a time: whoever answers slowly holds up little else. Returns how many are still due.
    """
    now = world.clock()
    due = [h for h in await lists(world) if h.every and now - h.asked_at >= timedelta(seconds=h.every)]
    for held in sorted(due, key=lambda h: h.asked_at)[:1]:
        # (1) Whatever comes of it, its turn is over: no list holds up the others.
        await _note(world, replace(held, asked_at=now))
        try:
            await take(world, await world.fetcher.document(held.id), at=held.id)
        except FedcoopError as failure:
            log.warning("list.refused", list=held.id, code=failure.code, detail=failure.detail)
            await _note(world, replace(held, asked_at=now, problem=f"{failure.code}: {failure.detail}"))
    return max(0, len(due) - 1)


async def _note(world: World, held: HeldList) -> None:
    """Keep how asking for a list stands, if it is still followed."""

    async def work(tx: Transaction) -> None:
        # (1) Whoever gave it up meanwhile has the last word.
        if held.id in {one.id for one in await tx.held_lists()}:
            await tx.put_list(held)

    await world.store.write(work)


def _not_followed(name: str) -> NotFound:
    return NotFound("not-found", "You do not follow this list.", received=name)


# -- the operator's answer ------------------------------------------------------------------------------------------


async def drafts(world: World) -> tuple[Draft, ...]:
    """Return what the lists ask and nobody has answered; what has run out counts for nothing."""
    return await world.store.read(lambda reader: _waiting(reader, world.clock()))


async def _waiting(reader: Reader | Transaction, now: datetime) -> tuple[Draft, ...]:
    good = {held.id for held in await reader.held_lists() if held.valid_until > now}
    asking = [
        d
        for d in await reader.drafts()
        if not d.refused and d.list_id in good and (d.valid_until is None or d.valid_until > now)
    ]
    return tuple([d for d in asking if await _still_asks(reader, d)])


async def _still_asks(reader: Reader | Transaction, draft: Draft) -> bool:
    """Tell whether nobody has decided about the server since the draft was made, so that it would be made now."""
    peer, decisions = await reader.peer(draft.origin), await reader.decisions(draft.origin)
    # (1) What the operator decided afterwards is the newer word.
    if decisions and decisions[-1].decided_at > draft.made_at:
        return False
    # (2) And what was decided in the same moment: nobody held back is let in, and a list takes off its own alone.
    if draft.wish == "admit":
        return peer is None or peer.state in ("pending", "allowed")
    return peer is not None and peer.state == "allowed" and decisions[-1].source == draft.list_id


async def review(
    world: World, peer_origin: str, *, accept: bool, from_list: str | None = None, by: str = ""
) -> tuple[Draft, ...]:
    """Answer what the lists ask about a server, and return what was answered. Accepted, it is decided so by `by`.

    A server that is taken off is frozen: what is under way with it goes on to its end.

    Raises:
        Malformed: it is no origin; NotFound: no list asks anything about it.
        Conflict: the lists do not agree; `from_list` says which one is answered (`illegal-transition`).
    """
    host, now = checked(world, peer_origin), world.clock()

    async def work(tx: Transaction) -> tuple[Draft, ...]:
        asked = [
            d
            for d in await _waiting(tx, now)
            if d.origin == host and (from_list is None or d.list_id == from_list)
        ]
        if not asked:
            raise NotFound("not-found", "No list asks anything about this co-op.", received=host)
        if len({d.wish for d in asked}) > 1:
            raise Conflict(
                "illegal-transition", "Your lists do not agree; say which one you answer.", received=host
            )
        if accept:
            await _decide(tx, world, asked[0], by)
        for draft in asked:
            if accept:
                await tx.drop_draft(draft.list_id, host)
            else:
                await tx.put_draft(replace(draft, refused=True))
        return tuple(asked)

    answered = await world.store.write(work)
    world.doorbell.ring()
    return answered


async def _decide(tx: Transaction, world: World, draft: Draft, by: str) -> None:
    admits = draft.wish == "admit"
    await decide(
        tx,
        world,
        draft.origin,
        "allowed" if admits else AFTER_AN_AGREEMENT,
        network=None,
        note=_words(draft),
        reason=draft.reason if admits else "",
        by=by,
        source=draft.list_id,
    )


def _words(draft: Draft) -> str:
    said: Iterable[str] = (PEER_LIST, draft.list_id, f"({draft.decided_by})" if draft.wish == "admit" else "")
    return " ".join(filter(None, said))
