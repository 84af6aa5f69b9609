"""Two co-ops compare the missions and engagements that they share, and each gets what it lacks (features F14).

    answered     a peer asks, signed: how far we hold what we share with it, or the steps of one chain
    reconcile    we ask, compare by signed version, take in what we lack, and owe the peer what it lacks

Nothing is trusted because it was fetched: each step passes the receive pipeline by its sender's own proof (D15). What a
peer lacks goes out as ordinary deliveries. Both ways a step that is there already has no second effect.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedcoop.errors import FedcoopError, Malformed, Misconfigured, NotFound, TryLater
from fedcoop.flow.catchup import REACHED, inbox_of
from fedcoop.flow.inbound import authenticated
from fedcoop.flow.peering import admit
from fedcoop.flow.taking_in import receive_carried
from fedcoop.flow.world import Instance, World
from fedcoop.ports import DeliveryQuery, Reader, StoredActivity, Transaction
from fedcoop.protocol import strict_json
from fedcoop.protocol.audience import Follower, inboxes
from fedcoop.protocol.build import contexts
from fedcoop.protocol.ids import check_id, origin
from fedcoop.protocol.limits import (
    MAX_CHAIN_STEPS_SENT,
    MAX_RECONCILED_BYTES,
    MAX_RECONCILED_PAGE,
    MAX_RECONCILED_PAGES,
    RECONCILE_TIME,
)
from fedcoop.protocol.messages import Chain, Deliver, RawRequest
from fedcoop.protocol.policy import TABLE
from fedcoop.protocol.reconciling import (
    PATH,
    Head,
    Question,
    Standing,
    asking,
    bodies_of,
    heads_of,
    question_of,
    standing,
    told_heads,
)
from fedcoop.protocol.shape import recipients

PASSES = 3
"""How often steps that lacked a predecessor are tried: an engagement's step may wait for its mission's."""


@dataclass(slots=True)
class Compared:
    """One shared chain: how both stand, and what was done about it."""

    chain: str
    kind: str
    standing: Standing
    ours: int
    theirs: int
    taken: int = 0
    """Steps of others that we lacked and have taken."""
    sent: int = 0
    """Steps of ours that the peer lacked and is now owed."""
    refused: str | None = None
    """Why a step that we lacked was not taken, by problem code."""
    left: str | None = None
    """What we cannot mend: `theirs-to-fetch`, `owner-decides`."""


@dataclass(slots=True)
class Reconciled:
    """What a reconciliation found and did."""

    peer: str
    chains: list[Compared] = field(default_factory=list)
    complete: bool = True
    """False when time or pages ran out: run it again."""

    def counts(self) -> Mapping[str, int]:
        """Return how many chains stood how, before anything was done."""
        return Counter(one.standing for one in self.chains)


# -- a peer asks -----------------------------------------------------------------------------------------------------


async def answered(request: RawRequest, *, world: World) -> dict[str, Any]:
    """Return the answer to a peer's signed question.

    Raises:
        Refused, TryLater: as for any message of a peer; NotFound for a chain that is not shared with it.
    """
    verified = await authenticated(request, world=world)
    asked, peer = question_of(verified.activity.raw), origin(verified.activity.actor)

    async def find(reader: Reader) -> dict[str, Any]:
        sharing = await _sharing(reader, peer, world.instance)
        if asked.chain is not None:
            return await _steps(reader, asked, sharing)
        # (1) A page is bounded in what is looked through, and so in what is told.
        page = await reader.chains_between(peer, after=asked.after, limit=MAX_RECONCILED_PAGE)
        heads = [_head(chain) for chain in page if sharing.has(chain)]
        return told_heads(heads, after=page[-1].id if len(page) == MAX_RECONCILED_PAGE else None)

    return await world.store.read(find)


async def _steps(reader: Reader, asked: Question, sharing: _Sharing) -> dict[str, Any]:
    chain = await reader.chain(asked.chain or "")
    # (1) What is not shared is not there (AP-5).
    if chain is None or chain.id != asked.chain or not sharing.has(chain):
        raise NotFound("not-found", "There is no such chain that we share.", received=asked.chain)
    told: list[str] = []
    size = 0
    history = (await reader.history(chain.id))[asked.version :]
    for stored in history[:MAX_CHAIN_STEPS_SENT]:
        size += len(stored.body)
        # (2) One answer has an end; the first step goes however large it is.
        if told and size > MAX_RECONCILED_BYTES:
            break
        told.append(stored.body.decode("utf-8"))
    return {"chain": chain.id, "activities": told, "more": len(told) < len(history)}


@dataclass(frozen=True, slots=True)
class _Sharing:
    """Which chains we share with the server at `peer`."""

    peer: str
    base: str
    followers: Mapping[str, tuple[Follower, ...]]

    def has(self, chain: Chain) -> bool:
        """Tell whether both are to know the chain: a party of it is there, or it is for our followers who are there."""
        if any(origin(party) == self.peer for party in (chain.owner, *chain.parties.values())):
            return True
        if chain.kind == "Engagement" or not chain.owner.startswith(f"{self.base}/"):
            return False
        audience = recipients(chain.document)
        return bool(inboxes(audience, base=self.base, followers=self.followers, actors={}))


async def _sharing(reader: Reader, peer: str, instance: Instance) -> _Sharing:
    """Return what decides it. An actor's followers count for what it publishes itself, as deliveries do."""
    known = await reader.peer(peer)
    followers: dict[str, tuple[Follower, ...]] = {}
    for ours in await reader.local_actors():
        there = []
        for follow in await reader.followers(ours.id):
            if origin(follow.follower) == peer:
                stored = await reader.actor(follow.follower)
                if stored is not None and known is not None and known.state in REACHED:
                    network = known.network and TABLE[known.state].network
                    there.append(Follower(stored.id, inbox_of(stored), network))
        followers[ours.id] = tuple(there)
    return _Sharing(peer, instance.base, followers)


def _head(chain: Chain) -> Head:
    return Head(chain.id, chain.kind, chain.owner, chain.state, chain.version, chain.digest)


# -- we ask ----------------------------------------------------------------------------------------------------------


async def reconcile(peer: str, *, world: World) -> Reconciled:
    """Compare what we share with the server at `peer`, take in what we lack, and owe it what it lacks.

    Raises:
        Malformed: `peer` is no origin, or its answer cannot be read.
        Forbidden: we do not work with it, or it does not with us.
        NotFound: its release cannot be asked.
        Unavailable: it does not answer.
    """
    check_id(f"{peer}/", allow_origins=world.instance.allow_origins)
    admit(await world.store.read(lambda reader: reader.peer(peer)), peer, contact=f"{world.instance.base}/")
    theirs, complete = await _their_heads(peer, world)
    done = Reconciled(peer, complete=complete)
    await _compare(done, theirs, world)
    try:
        async with asyncio.timeout(RECONCILE_TIME.total_seconds()):
            await _take_in(done, theirs, world)
    except TimeoutError:
        done.complete = False
    await _owe(done, theirs, world)
    return done


async def _their_heads(peer: str, world: World) -> tuple[dict[str, Head], bool]:
    heads: dict[str, Head] = {}
    after: str | None = ""
    for _ in range(MAX_RECONCILED_PAGES):
        page, after = heads_of(await _ask(peer, Question(after=after or ""), world))
        heads |= {head.chain: head for head in page}
        # (1) Pages end, and none is given twice.
        if after is None:
            return heads, True
    return heads, False


async def _compare(done: Reconciled, theirs: Mapping[str, Head], world: World) -> None:
    async def find(reader: Reader) -> list[Compared]:
        sharing = await _sharing(reader, done.peer, world.instance)
        ours: dict[str, Chain] = {}
        after = ""
        while page := await reader.chains_between(done.peer, after=after, limit=MAX_RECONCILED_PAGE):
            ours |= {chain.id: chain for chain in page if sharing.has(chain)}
            after = page[-1].id
        found = []
        for name in sorted({*ours, *theirs}):
            chain, head = ours.get(name), theirs.get(name)
            if chain is None and head is not None and await reader.chain(name) is not None:
                # We hold it and it is none that we share: whoever names it learns nothing.
                continue
            digests = [link.digest for link in await reader.links(name)] if chain else []
            kind = chain.kind if chain else head.kind if head else ""
            version = head.version if head else 0
            found.append(Compared(name, kind, standing(head, digests), len(digests), version))
        return found

    done.chains = await world.store.read(find)


async def _take_in(done: Reconciled, theirs: Mapping[str, Head], world: World) -> None:
    # Proposals first: engagements answer them.
    lacking = sorted(
        (one for one in done.chains if one.standing in ("we-are-behind", "diverged")),
        key=lambda one: (one.kind == "Engagement", one.chain),
    )
    for _ in range(PASSES):
        again = [one for one in lacking if not await _take_chain(one, theirs[one.chain], done.peer, world)]
        if not again or len(again) == len(lacking):
            return
        lacking = again


async def _take_chain(one: Compared, head: Head, peer: str, world: World) -> bool:
    """Take the steps of one chain; False when one lacked a predecessor that another chain may bring."""
    if one.standing == "diverged" and origin(head.owner) != peer:
        one.left = "owner-decides"
        return True

    # What only we have of a diverging chain is tentative, and the owner's steps displace it.
    async def confirmed(reader: Reader) -> int:
        return sum(1 for link in await reader.links(one.chain) if link.confirmed)

    version = await world.store.read(confirmed) if one.standing == "diverged" else one.ours
    more, one.refused = True, None
    while more:
        answer = await _ask(peer, Question(chain=one.chain, version=version), world)
        bodies, more = bodies_of(answer)
        for body in bodies:
            try:
                receipt = await receive_carried(body, courier=peer, world=world)
            except TryLater as refusal:
                one.refused = refusal.code
                return False
            except FedcoopError as refusal:
                one.refused = refusal.code
                return True
            version += 1
            one.taken += receipt.outcome == "accepted"
    return True


async def _owe(done: Reconciled, theirs: Mapping[str, Head], world: World) -> None:
    """Owe the peer every step of ours that it lacks."""
    for one in done.chains:
        if one.standing not in ("they-are-behind", "diverged") or one.left:
            continue
        head = theirs.get(one.chain)
        if one.standing == "diverged" and head is not None and not world.instance.hosts(head.owner):
            continue

        async def work(tx: Transaction, one: Compared = one) -> None:
            history = await tx.history(one.chain)
            # Where they went another way, which of ours they have is not known: those that they have change nothing.
            lacked = history if one.standing == "diverged" else history[one.theirs :]
            inbox = await _inbox_at(tx, one.chain, done.peer)
            if inbox is None or not lacked:
                return
            if not lacked[0].local:
                one.left = "theirs-to-fetch"
            for stored in lacked[:MAX_CHAIN_STEPS_SENT]:
                if stored.local:
                    one.sent += await _owe_step(tx, stored, inbox, done.peer)

        await world.store.write(work)
    world.doorbell.ring()


async def _owe_step(tx: Transaction, stored: StoredActivity, inbox: str, peer: str) -> int:
    known = [
        one
        for one in await tx.deliveries(DeliveryQuery(stored.id, origin=peer))
        if one.state not in ("delivered", "cancelled")
    ]
    if known:
        return await tx.retry([one.id for one in known])
    await tx.make([Deliver(stored.id, stored.actor, inbox, stored.body)])
    return 1


async def _inbox_at(tx: Transaction, chain_id: str, peer: str) -> str | None:
    """Return where a party or follower of the chain at `peer` is reached."""
    chain = await tx.chain(chain_id)
    if chain is None:
        return None
    there = [party for party in (chain.owner, *chain.parties.values()) if origin(party) == peer]
    for ours in await tx.local_actors():
        there += [f.follower for f in await tx.followers(ours.id) if origin(f.follower) == peer]
    for actor in there:
        stored = await tx.actor(actor)
        if stored is not None and inbox_of(stored):
            return inbox_of(stored)
    return None


async def _ask(peer: str, question: Question, world: World) -> Mapping[str, Any]:
    if world.asker is None:
        raise Misconfigured("misconfigured", "this world asks nobody")
    instance = world.instance
    document = {
        "@context": contexts(instance.base),
        "id": f"{instance.base}/activities/{world.new_id()}",
        "actor": instance.coop,
        "published": world.clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
        **asking(question),
    }
    answer = await world.asker.ask(f"{peer}{PATH}", strict_json.dumps(document), sender=instance.coop)
    if not isinstance(answer, Mapping):
        raise Malformed("malformed-request", "The peer's answer is no object.")
    return answer
