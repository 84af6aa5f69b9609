"""With whom we work: what the operator decides about other co-ops, what it touches, and how it is taken back (D7).

    impact_of    what hangs on a peer: shown before anything is taken from it
    decide_peer  the decision itself, with who and why; whoever is let in again is sent what it missed
    reinstate    the state before the last step down
    knocked      a co-op that nobody decided about has come: a line for the operator, and nothing else
    standing     what a member is told of the peers of a mission

What each state lets pass is `protocol.policy.TABLE`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from fedcoop.errors import Conflict, Forbidden
from fedcoop.flow.catchup import inbox_of, owed_boards, remote_follower
from fedcoop.flow.world import Instance, World
from fedcoop.ports import Decision, Delivered, Outcome, Peer, PeerAnswer, Reader, Stranger, Transaction
from fedcoop.protocol import strict_json
from fedcoop.protocol.agreements import other_party, state_at
from fedcoop.protocol.audience import Follower, inboxes
from fedcoop.protocol.ids import check_id, origin
from fedcoop.protocol.limits import STRANGER_EVERY, STRANGERS_PER_MINUTE
from fedcoop.protocol.messages import Activity, Chain, Deliver
from fedcoop.protocol.policy import (
    EVERYTHING,
    OVER,
    STEPS_DOWN,
    TABLE,
    Deed,
    PeerState,
    admitted,
    deed_of,
    passes,
)
from fedcoop.protocol.shape import read_activity, recipients

TOLD: Final = frozenset({"frozen", "blocked"})
"""States in which members are told of it: something that they expect does not happen."""

DECISIONS: Final = frozenset({"blocked", "frozen", "not-in-allow-list"})
"""Problems by which a server says what its operator decided about us."""


@dataclass(frozen=True, slots=True)
class Impact:
    """What hangs on a peer, counted now."""

    followers: int
    """Follows of our actors by theirs."""
    following: int
    """Follows of their actors by ours."""
    our_members: int
    """People of ours who are party to an engagement with somebody there that is not over."""
    their_members: int
    proposals_shown_to_them: int
    """Open missions, offers and needs of ours that their followers are sent."""
    proposals_of_theirs: int
    """Theirs that are open and on our board."""
    missions: Mapping[str, int]
    """Missions of engagements that are not over, by state."""
    engagements: Mapping[str, int]
    """Engagements between us that are not over, by state."""
    deliveries: int
    """Messages to it that wait."""

    @property
    def nothing(self) -> bool:
        """Tell whether nothing at all hangs on it."""
        return not (
            self.followers
            or self.following
            or self.proposals_shown_to_them
            or self.proposals_of_theirs
            or self.engagements
            or self.deliveries
        )


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything that is known of another instance as a peer."""

    origin: str
    peer: Peer | None
    decisions: tuple[Decision, ...]
    knocked: Stranger | None
    answer: PeerAnswer | None
    agreements: tuple[Chain, ...] = ()
    """Federation agreements with it, each in its state now, the oldest first."""


# -- what hangs on a peer -------------------------------------------------------------------------------------------


async def impact_of(world: World, peer_origin: str) -> Impact:
    """Return what hangs on a peer. Raises as `checked`."""
    host = checked(world, peer_origin)

    async def work(tx: Transaction) -> Impact:
        return await _impact(tx, host, world.instance)

    return await world.store.write(work)


async def _impact(tx: Transaction, host: str, instance: Instance) -> Impact:
    follows = await tx.follows_with(host)
    chains = await tx.chains_with(host)
    engagements = [
        c for c in chains if c.kind == "Engagement" and c.state not in OVER and _ours(c.parties, instance)
    ]
    behind = {e.proposal: await tx.chain(e.proposal) for e in engagements if e.proposal}
    missions = [c for c in behind.values() if c is not None and c.kind == "Mission" and c.state not in OVER]
    parties = {party for e in engagements for party in e.parties.values()}
    people = [one for one in sorted(parties) if await _is_somebody(tx, one)]
    return Impact(
        followers=sum(instance.hosts(f.followed) for f in follows),
        following=sum(instance.hosts(f.follower) for f in follows),
        our_members=sum(instance.hosts(one) for one in people),
        their_members=sum(origin(one) == host for one in people),
        proposals_shown_to_them=await _shown_to(tx, host, instance),
        proposals_of_theirs=await tx.shown_of(host),
        missions=dict(sorted(Counter(c.state for c in missions).items())),
        engagements=dict(sorted(Counter(c.state for c in engagements).items())),
        deliveries=await tx.waiting_for(host),
    )


async def _is_somebody(tx: Transaction, party: str) -> bool:
    stored = await tx.actor(party)
    return stored is None or stored.kind != "Cooperative"


def _ours(parties: Mapping[str, str], instance: Instance) -> bool:
    return any(map(instance.hosts, parties.values()))


async def _shown_to(tx: Transaction, host: str, instance: Instance) -> int:
    """Count our open proposals that followers at `host` are sent, as things stand."""
    peer = await tx.peer(host)
    known = {host: peer} if peer is not None else {}
    followers: dict[str, list[Follower]] = {}
    for ours in await tx.local_actors():
        found = [await remote_follower(tx, f, known, instance) for f in await tx.followers(ours.id)]
        followers[ours.id] = [follower for follower in found if follower is not None]
    shown = [
        inboxes(recipients(c.document), base=instance.base, followers=followers, actors={})
        for c in await tx.open_proposals()
    ]
    return sum(map(bool, shown))


# -- decisions ------------------------------------------------------------------------------------------------------


def checked(world: World, peer_origin: str) -> str:
    """Return the origin in the form in which it is kept.

    Raises:
        Malformed: it is not an origin (`bad-id`); Conflict: it is our own.
    """
    instance = world.instance
    check_id(peer_origin + "/", allow_origins=instance.allow_origins)
    host = origin(peer_origin)
    if host == instance.base:
        raise Conflict("local-id", "This is your own instance.", received=host)
    return host


async def decide_peer(
    world: World,
    peer_origin: str,
    state: PeerState,
    *,
    network: bool | None = None,
    note: str | None = None,
    reason: str | None = None,
    by: str = "",
    source: str = "operator",
) -> Peer:
    """Record what `by` decides about another instance, and return it. What is not given stays as it was.

    `note` is for the operator, `reason` is told to the peer and to the members on both sides. Whatever the decision
    takes from the peer waits until it is let in again: nothing is deleted.

    Raises:
        Malformed: it is not an origin (`bad-id`); Conflict: it is our own.
    """
    host = checked(world, peer_origin)

    async def work(tx: Transaction) -> Peer:
        return await decide(
            tx, world, host, state, network=network, note=note, reason=reason, by=by, source=source
        )

    decided = await world.store.write(work)
    world.doorbell.ring()
    return decided


async def reinstate(world: World, peer_origin: str, *, by: str = "") -> Peer:
    """Take the last step down back: the peer is again what it was before it, and is sent what it missed.

    Raises:
        Malformed, Conflict: as `decide_peer`; Conflict as well when nothing was taken from it (`illegal-transition`).
    """
    host = checked(world, peer_origin)

    async def work(tx: Transaction) -> Peer:
        peer = await tx.peer(host)
        if peer is None or peer.state == "allowed":
            raise Conflict(
                "illegal-transition",
                "Nothing was taken from this co-op that could be given back.",
                expected="a co-op that was limited, frozen, blocked or forgotten",
                received=peer.state if peer is not None else "nothing decided",
            )
        place = STEPS_DOWN.index(peer.state)
        above = [d for d in await tx.decisions(host) if STEPS_DOWN.index(d.state) < place]
        before: PeerState = above[-1].state if above else "pending"
        network = above[-1].network if above else None
        return await decide(
            tx, world, host, before, network=network, note=None, reason=None, by=by, source="operator"
        )

    decided = await world.store.write(work)
    world.doorbell.ring()
    return decided


async def decide(
    tx: Transaction,
    world: World,
    host: str,
    state: PeerState,
    *,
    network: bool | None,
    note: str | None,
    reason: str | None,
    by: str,
    source: str,
) -> Peer:
    """Record a decision within a transaction, with everything that follows from it; as `decide_peer`."""
    known, now = await tx.peer(host), world.clock()
    kept = known.reason if known and state not in ("allowed", "pending") else ""
    peer = Peer(
        origin=host,
        state=state,
        network=network if network is not None else known.network if known else False,
        note=note if note is not None else known.note if known else "",
        since=now,
        reason=reason if reason is not None else kept,
        decided_by=by,
    )
    missing_since = _missing_since(await tx.decisions(host), now)
    await tx.put_peer(peer)
    await tx.put_decision(
        Decision(host, state, peer.network, peer.note, peer.reason, by, decided_at=now, source=source)
    )
    await tx.forget_stranger(host)
    await _sort_deliveries(tx, peer, now)
    # Whoever is let in, or further in, sees the board as if it had been there.
    if _let_in(peer) > _let_in(known):
        owed = await owed_boards(tx, peer, world.instance, since=missing_since)
        await tx.make(owed or await _greeting(tx, host, world.instance))
    return peer


async def _sort_deliveries(tx: Transaction, peer: Peer, now: datetime) -> None:
    """Let go of what waits for the peer and may pass, and keep back the rest: nothing is lost, nothing slips out."""
    await tx.let_go(peer.origin, now)
    if TABLE[peer.state].deeds == EVERYTHING:
        return
    if not TABLE[peer.state].deeds:
        await tx.keep_back(peer.origin)
        return
    for activity_id in await tx.owed_to(peer.origin):
        said = await tx.activity(activity_id)
        if said is None:
            continue
        activity = read_activity(strict_json.loads(said.body), said.body)
        if not passes(peer.state, await deed(tx, activity, await tx.chain(activity_id), peer.origin)):
            await tx.keep_back(peer.origin, activity_id)


async def note_answers(tx: Transaction, host: str, outcomes: Iterable[Outcome], now: datetime) -> None:
    """Keep how a peer refused us by its operator's decision, and forget it once it takes something from us again."""
    last: PeerAnswer | None = None
    taken = False
    for outcome in outcomes:
        if isinstance(outcome, Delivered):
            last, taken = None, True
        elif outcome.problem in DECISIONS:
            last = PeerAnswer(host, str(outcome.problem), outcome.reason, now)
    if last is not None:
        await tx.put_peer_answer(last)
    elif taken:
        await tx.forget_peer_answer(host)


async def heard_again(tx: Transaction, activity: Activity, chain: Chain | None) -> None:
    """A peer that had refused us by decision says something: owe it again what it would take now.

    Whoever blocks says nothing; whoever freezes begins nothing. When they do, the decision was taken back.
    """
    host = origin(activity.actor)
    answer = await tx.peer_answer(host)
    if answer is None or (answer.code == "frozen" and await deed(tx, activity, chain, host) != "begins"):
        return
    await tx.forget_peer_answer(host)
    await tx.send_again(host, DECISIONS)


async def deed(tx: Transaction, activity: Activity, chain: Chain | None, host: str) -> Deed:
    """Return what `activity` does between us and `host`; `chain` is the one that it moves."""
    upon = await tx.engagements(chain.id) if chain is not None and chain.kind != "Engagement" else ()
    return deed_of(activity, chain=chain, engagements=upon, host=host)


def _let_in(peer: Peer | None) -> tuple[bool, bool]:
    """Return how far in a peer is: whether it is sent our board, and whether what is for our network as well."""
    if peer is None or not TABLE[peer.state].board:
        return False, False
    return True, peer.network and TABLE[peer.state].network


def _missing_since(decisions: Iterable[Decision], now: datetime) -> datetime:
    """Return from when on nothing has been sent to a peer: the beginning of the last run of such decisions."""
    since = now
    for decision in reversed(tuple(decisions)):
        if TABLE[decision.state].board:
            break
        since = decision.decided_at
    return since


async def _greeting(tx: Transaction, host: str, instance: Instance) -> tuple[Deliver, ...]:
    """Return something that the peer has already, so that it hears from us, and sends again what we refused."""
    for follow in await tx.follows_with(host):
        said = await tx.activity(follow.activity_id)
        followed = await tx.actor(follow.followed)
        if instance.hosts(follow.follower) and said is not None and followed is not None:
            return (Deliver(said.id, said.actor, inbox_of(followed), said.body),)
    return ()


# -- who stands where -----------------------------------------------------------------------------------------------


async def list_peers(world: World) -> tuple[Peer, ...]:
    """Return every instance that the operator has decided about."""

    async def work(reader: Reader) -> tuple[Peer, ...]:
        return await reader.peers()

    return await world.store.read(work)


async def dossiers(world: World) -> tuple[Dossier, ...]:
    """Return every instance that was decided about, then those that only knocked, the latest first."""

    now = world.clock()

    async def work(reader: Reader) -> tuple[Dossier, ...]:
        agreed = await _agreements(reader, world.instance, now)
        answers = {a.origin: a for a in await reader.peer_answers()}
        strangers = {s.origin: s for s in await reader.strangers()}
        known = [
            Dossier(
                p.origin,
                p,
                await reader.decisions(p.origin),
                strangers.pop(p.origin, None),
                answers.get(p.origin),
                agreed.pop(p.origin, ()),
            )
            for p in await reader.peers()
        ]
        others = dict.fromkeys([*agreed, *strangers])
        unknown = [
            Dossier(host, None, (), strangers.get(host), answers.get(host), agreed.get(host, ()))
            for host in others
        ]
        return (*known, *unknown)

    return await world.store.read(work)


async def dossier(world: World, peer_origin: str) -> Dossier:
    """Return what is known of one instance. Raises as `checked`."""
    host, now = checked(world, peer_origin), world.clock()

    async def work(reader: Reader) -> Dossier:
        return Dossier(
            host,
            await reader.peer(host),
            await reader.decisions(host),
            await reader.stranger(host),
            await reader.peer_answer(host),
            (await _agreements(reader, world.instance, now)).get(host, ()),
        )

    return await world.store.read(work)


async def _agreements(reader: Reader, instance: Instance, now: datetime) -> dict[str, tuple[Chain, ...]]:
    """Return the agreements of every server, by its origin."""
    found: dict[str, tuple[Chain, ...]] = {}
    for chain in await reader.agreements():
        other = other_party(chain, instance.base)
        if other is not None:
            host = origin(other)
            found[host] = (*found.get(host, ()), replace(chain, state=state_at(chain, now)))
    return found


async def knocked(world: World, host: str) -> None:
    """Write down that a co-op which nobody decided about has come, seldom enough that it costs us nothing.

    That it is the one that it says was not verified: for that its key would have to be fetched, for anybody who asks.
    """
    now = world.clock()

    async def look(reader: Reader) -> Stranger | None:
        seen = await reader.stranger(host)
        # (1) Once in a while for each, (2) so many new ones in a minute, (3) so many in all (`put_stranger`).
        if seen is not None:
            due = now - seen.last_at >= STRANGER_EVERY
            return Stranger(host, seen.first_at, now, seen.times + 1) if due else None
        lately = [s for s in await reader.strangers() if now - s.first_at < timedelta(minutes=1)]
        return Stranger(host, now, now, 1) if len(lately) < STRANGERS_PER_MINUTE else None

    stranger = await world.store.read(look)
    if stranger is not None:
        await world.store.write(lambda tx: tx.put_stranger(stranger))


async def standing(reader: Reader, chains: Iterable[Chain], instance: Instance) -> list[dict[str, Any]]:
    """Return what the people of a mission and its engagements are told of the co-ops on the other side.

    One entry for each co-op that our operator has frozen or blocked, or that refuses us by its own operator's decision:
    `origin`, `decidedBy` (`us` or `them`), `state` or `problem`, `reason`, `since`.
    """
    parties = {party for chain in chains for party in (chain.owner, *chain.parties.values())}
    hosts = {origin(party) for party in parties if not instance.hosts(party)}
    told: list[dict[str, Any]] = []
    for host in sorted(hosts):
        peer, answer = await reader.peer(host), await reader.peer_answer(host)
        if peer is not None and peer.state in TOLD:
            told.append(_told(host, "us", peer.state, peer.reason, peer.since))
        if answer is not None:
            told.append(_told(host, "them", answer.code, answer.reason, answer.at))
    return told


def _told(host: str, by: str, state: str, reason: str, since: datetime) -> dict[str, Any]:
    stamp = since.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"origin": host, "decidedBy": by, "state": state, "reason": reason, "since": stamp}


# -- refusing -------------------------------------------------------------------------------------------------------


def admit(peer: Peer | None, host: str, *, contact: str) -> None:
    """Return when the operator's decision about `host` lets any of its messages in; raises Forbidden when not.

    `contact` is the page of whom to ask.
    """
    if peer is None or not admitted(peer.state):
        raise refusal_of(peer, host, contact=contact)


def refusal_of(peer: Peer | None, host: str, *, contact: str) -> Forbidden:
    """Return what a peer in this state is told: the decision, since when, the operator's public reason, whom to ask."""
    if peer is None or peer.state == "pending":
        return Forbidden(
            "not-in-allow-list",
            "This co-op does not federate with yours yet; ask its operator.",
            received=host,
            extra={"contact": contact},
        )
    words = (
        "This co-op begins nothing new with yours for now; what is under way goes on to its end."
        if peer.state == "frozen"
        else "This co-op does not take messages from yours."
    )
    said = f"{words} Its operator says: {peer.reason}" if peer.reason else words
    extra = {"contact": contact, "since": peer.since.strftime("%Y-%m-%dT%H:%M:%SZ")}
    if peer.reason:
        extra["reason"] = peer.reason
    return Forbidden("frozen" if peer.state == "frozen" else "blocked", said, received=host, extra=extra)


def refusal_of_our_own(peer: Peer | None, host: str) -> Forbidden:
    """Return what one of our own is told whose message would not arrive, because of what our operator decided."""
    if peer is None or peer.state == "pending":
        return Forbidden(
            "not-in-allow-list",
            "Our co-op does not federate with this one; its operator decides.",
            expected="a co-op that `fedcoop peer allow` has let in",
            received=host,
        )
    words = (
        "Our co-op begins nothing new with this one for now; what is under way goes on to its end."
        if peer.state == "frozen"
        else "Our co-op has blocked this one: nothing goes there, and nothing comes from there."
    )
    said = f"{words} The reason: {peer.reason}" if peer.reason else words
    code = "frozen" if peer.state == "frozen" else "blocked"
    return Forbidden(code, said, received=host, extra={"reason": peer.reason} if peer.reason else None)
