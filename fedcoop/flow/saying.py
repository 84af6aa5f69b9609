"""Recording what was decided: the same few lines for what arrives and for what we say, in one transaction (D6).

`keep` records an authorised activity with its effects and the copies owed; `say` lets one of our own actors speak
(build, sign, authorise, keep); the reactions of an effect are said the same way, until nothing is left to say.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from fedcoop.errors import FedcoopError, Invalid
from fedcoop.flow.scene import gather
from fedcoop.flow.world import World
from fedcoop.ports import StoredActor, Transaction
from fedcoop.protocol import schemas, strict_json
from fedcoop.protocol.audience import Follower, inboxes, is_collection
from fedcoop.protocol.authorise import CONTRACT_CLASSES, Scene, authorise_own
from fedcoop.protocol.build import complete, draft
from fedcoop.protocol.effects import effects_of
from fedcoop.protocol.ids import origin
from fedcoop.protocol.messages import (
    Activity,
    Authorised,
    Deliver,
    Document,
    Intent,
    PutActor,
    RecordActivity,
)
from fedcoop.protocol.proof import sign_document
from fedcoop.protocol.shape import PUBLIC, read_activity

T = TypeVar("T")

MAX_REACTIONS = 2_000
"""Activities that one message may make us say (a withdrawn mission answers every candidate); a loop ends here."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one of our actors said."""

    activity: Activity
    scene: Scene


async def keep(
    tx: Transaction,
    authorised: Authorised,
    scene: Scene,
    *,
    world: World,
    now: datetime,
    inbox_of: tuple[str, ...],
    client_key: str | None = None,
) -> tuple[Intent, ...]:
    """Record the activity and its effects; return what our actors have to say in answer."""
    activity, instance = authorised.activity, world.instance
    local = instance.hosts(activity.actor)
    effects = effects_of(authorised, scene, communes=instance.communes)
    record = RecordActivity(
        activity=activity,
        local=local,
        received_at=now,
        keys=authorised.keys,
        inbox_of=tuple(dict.fromkeys([*inbox_of, *await _readers_inboxes(tx, activity, world)])),
        outbox_of=activity.actor if local else None,
        client_key=client_key,
    )
    owed = await _owed(tx, activity, world) if local else ()
    await tx.make([record, *effects.changes, *owed])
    return tuple(effects.reactions)


async def say(
    tx: Transaction, intent: Intent, *, world: World, now: datetime, keys: Mapping[str, Document]
) -> Said:
    """Let a local actor speak: build, sign, authorise, record; raises what these raise, and keeps nothing then."""
    instance = world.instance

    def fresh(folder: str) -> str:
        return f"{instance.base}/{folder}/{world.new_id()}"

    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    drafted = draft(intent, base=instance.base, fresh=fresh, published=stamp)
    first = read_activity(drafted, b"")
    known = await gather(tx, first, instance=instance, now=now, keys=keys)
    document = _signed(complete(first, known, fresh=fresh), intent.actor, now, world)
    activity = read_activity(document, strict_json.dumps(document))
    # What was filled in names more than the draft did: the decision is made on the scene of the whole.
    keys = {**keys, **await _own_keys(tx, world, intent.actor)}
    scene = await gather(tx, activity, instance=instance, now=now, keys=keys)
    check_object(activity, scene)
    authorised = authorise_own(activity, scene)
    reactions = await keep(
        tx, authorised, scene, world=world, now=now, inbox_of=(), client_key=intent.client_key
    )
    await answer(tx, reactions, world=world, now=now, keys=keys)
    return Said(activity, scene)


async def answer(
    tx: Transaction,
    reactions: tuple[Intent, ...],
    *,
    world: World,
    now: datetime,
    keys: Mapping[str, Document],
) -> None:
    """Say every reaction, in order; each may cause more, which its own `say` answers."""
    if len(reactions) > MAX_REACTIONS:
        raise Invalid(
            "guard-failed", "This would answer too many candidates at once.", expected=str(MAX_REACTIONS)
        )
    for intent in reactions:
        await say(tx, intent, world=world, now=now, keys=keys)


def check_object(activity: Activity, scene: Scene) -> None:
    """A known class keeps to its schema, in what we say as in what we hear (D3: 422)."""
    if scene.fedcoop and activity.object is not None and activity.object_class in CONTRACT_CLASSES:
        schemas.check(activity.object, activity.object_class)


def _signed(document: dict[str, Any], actor: str, now: datetime, world: World) -> dict[str, Any]:
    """Sign the activity, and first any credential of its own that it carries (INT-9: inner before outer)."""
    method, key = world.keyring.proof_key(actor)
    result = document.get("result")
    if isinstance(result, Mapping) and result.get("issuer") == actor and "proof" not in result:
        signed = sign_document(result, key=key, verification_method=method, created=now)
        document = {**document, "result": signed}
    return sign_document(document, key=key, verification_method=method, created=now)


async def _own_keys(tx: Transaction, world: World, actor: str) -> dict[str, Document]:
    """The speaker's own published keys, for the credentials that it has just signed; and our co-op's."""
    found = {name: await tx.actor(name) for name in (actor, world.instance.coop)}
    return {name: stored.document for name, stored in found.items() if stored is not None}


async def _readers_inboxes(tx: Transaction, activity: Activity, world: World) -> list[str]:
    """Local actors who find the activity in their inbox: those addressed, and those who follow the sender."""
    instance = world.instance
    found = []
    for recipient in activity.recipients:
        if (
            instance.hosts(recipient)
            and recipient != activity.actor
            and await tx.actor(recipient) is not None
        ):
            found.append(recipient)
    if any(r == PUBLIC or is_collection(r) for r in activity.recipients):
        follows = await tx.followers(activity.actor)
        found += [f.follower for f in follows if f.state == "accepted" and instance.hosts(f.follower)]
    return found


async def _owed(tx: Transaction, activity: Activity, world: World) -> tuple[Deliver, ...]:
    """Return one delivery for each remote inbox that is owed a copy; blocked and frozen peers are owed none."""
    instance = world.instance
    peers = {p.origin: p for p in await tx.peers()}
    reached = {o for o, p in peers.items() if p.state in ("allowed", "limited")}
    followers: list[Follower] = []
    if any(r in (f"{activity.actor}/followers", f"{activity.actor}/network") for r in activity.recipients):
        for follow in await tx.followers(activity.actor):
            stored = await tx.actor(follow.follower)
            if follow.state == "accepted" and stored is not None and not stored.local:
                host = origin(stored.id)
                if host in reached:
                    followers.append(Follower(stored.id, _inbox(stored), peers[host].network))
    actors: dict[str, str] = {}
    for recipient in activity.recipients:
        if recipient == PUBLIC or is_collection(recipient) or instance.hosts(recipient):
            continue
        if origin(recipient) not in reached:
            continue
        stored = await tx.actor(recipient)
        if stored is None:
            raise Unmet(recipient)
        actors[recipient] = _inbox(stored)
    owed = inboxes(
        activity.recipients, sender=activity.actor, base=instance.base, followers=followers, actors=actors
    )
    return tuple(Deliver(activity.id, activity.actor, inbox, activity.body) for inbox in owed)


class Unmet(FedcoopError):
    """Somebody is owed a copy whose inbox we do not know: the transaction is given up, and tried again once we do."""

    def __init__(self, actor: str) -> None:
        super().__init__("unavailable", "This actor is not known here yet.", received=actor)
        self.actor = actor


async def having_met(world: World, work: Callable[[Transaction], Awaitable[T]]) -> T:
    """Run `work` in a transaction; whoever it turns out to need is fetched outside of it, before it is run again.

    Raises:
        Unverified, Unavailable, Malformed: an actor that is owed a copy cannot be fetched; nothing was kept.
    """
    for _ in range(MAX_MEETINGS):
        try:
            return await world.store.write(work)
        except Unmet as unmet:
            document = await world.fetcher.actor(unmet.actor)
            met = PutActor(document, local=False, fetched_at=world.clock())
            await world.store.write(lambda tx, met=met: tx.make([met]))  # type: ignore[misc]
    return await world.store.write(work)


MAX_MEETINGS = 8
"""Actors fetched for one activity (security.md §3.2: at most 10 fetches for one request)."""


def _inbox(actor: StoredActor) -> str:
    return actor.shared_inbox or actor.inbox
