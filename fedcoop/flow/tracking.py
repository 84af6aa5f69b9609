"""What became of what we said: for whoever said it and for our operator, who may have it sent once more (F11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fedcoop.errors import NotFound
from fedcoop.flow.world import Instance, World
from fedcoop.ports import Delivery, DeliveryQuery, DeliveryState, Health, Reader, StoredActivity
from fedcoop.protocol.circuit import CircuitState
from fedcoop.protocol.limits import MAX_RECIPIENTS

OWED: tuple[DeliveryState, ...] = ("queued", "retrying", "parked")
ENDED_BADLY: tuple[DeliveryState, ...] = ("refused", "expired")


@dataclass(frozen=True, slots=True)
class Tracked:
    """A delivery, and what people call the co-op that it is for."""

    delivery: Delivery
    to: str


@dataclass(frozen=True, slots=True)
class PeerHealth:
    """How deliveries to one server go, for an operator."""

    name: str
    health: Health
    circuit: CircuitState
    p50: float | None
    """Seconds within which half of its last deliveries arrived; None when there were none."""
    p95: float | None


@dataclass(frozen=True, slots=True)
class Retried:
    """What a retry by hand did: how many deliveries are due now, and what is not sent because it never happened."""

    due: int
    taken_back: tuple[str, ...]


async def deliveries_of(activity_id: str, *, actor: str, world: World) -> dict[str, Any]:
    """Return what became of each copy of an activity, for its sender and for our co-op.

    Raises:
        NotFound: it is not ours, or was said by somebody else (the two are told apart by nobody).
    """

    async def find(reader: Reader) -> tuple[StoredActivity | None, tuple[Tracked, ...]]:
        stored = await reader.activity(activity_id)
        # (1) Whoever may not see it is told what everybody is told of an activity that there is not.
        if stored is None or not _is_told(actor, stored, world.instance):
            return None, ()
        return stored, await _tracked(reader, DeliveryQuery(activity_id, limit=MAX_RECIPIENTS))

    stored, tracked = await world.store.read(find)
    if stored is None:
        raise NotFound("not-found", "There is nothing here that you have sent.", received=activity_id)
    return {
        "activity": stored.id,
        "type": stored.type,
        "actor": stored.actor,
        "published": stamp(stored.received_at),
        "refused": stored.refused,
        "deliveries": [shown(one) for one in tracked],
    }


async def became_of(
    reader: Reader, activities: Iterable[StoredActivity], *, actor: str | None, instance: Instance
) -> Mapping[str, tuple[Tracked, ...]]:
    """Return what became of each of these activities that `actor` is told of, by id: its sender's, and our co-op's."""
    theirs = [stored for stored in activities if _is_told(actor, stored, instance)]
    queries = [DeliveryQuery(stored.id, limit=MAX_RECIPIENTS) for stored in theirs]
    return {str(query.activity_id): await _tracked(reader, query) for query in queries}


def _is_told(actor: str | None, stored: StoredActivity, instance: Instance) -> bool:
    # (1) What somebody says, and to whom, is theirs to see, and their co-op's, which speaks for them.
    return stored.local and actor in (stored.actor, instance.coop)


async def track(query: DeliveryQuery, *, world: World) -> tuple[Tracked, ...]:
    """Return the deliveries that are asked for, for our operator."""

    async def find(reader: Reader) -> tuple[Tracked, ...]:
        return await _tracked(reader, query)

    return await world.store.read(find)


async def retry(query: DeliveryQuery, *, world: World) -> Retried:
    """Send what is asked for now: what waits without its back-off, what was refused or given up once more.

    A step that its chain's owner refused has been taken back here; it is said anew or not at all.
    """

    async def find(reader: Reader) -> tuple[list[int], list[str]]:
        ids, taken_back = [], []
        for one in await reader.deliveries(query):
            stored = await reader.activity(one.activity_id)
            if stored is not None and stored.refused is not None:
                taken_back.append(one.activity_id)
            else:
                ids.append(one.id)
        return ids, taken_back

    ids, taken_back = await world.store.read(find)
    due = await world.store.write(lambda tx: tx.retry(ids)) if ids else 0
    world.doorbell.ring()
    return Retried(due, tuple(dict.fromkeys(taken_back)))


async def peer_health(origin: str | None, *, world: World) -> tuple[PeerHealth, ...]:
    """Return how it goes with one server, or with every one that something was ever owed to or that was heard."""
    now = world.clock()

    async def find(reader: Reader) -> tuple[PeerHealth, ...]:
        names = await reader.coop_names()
        origins = (origin,) if origin is not None else await reader.destinations()
        return tuple([_health(await reader.health(one), names, now) for one in origins if one])

    return await world.store.read(find)


def shown(one: Tracked) -> dict[str, Any]:
    """Return a delivery as programs are shown it."""
    delivery = one.delivery
    return {
        "to": one.to,
        "server": delivery.origin,
        "inbox": delivery.inbox,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "queued": stamp(delivery.enqueued_at),
        "firstTried": stamp(delivery.first_tried),
        "nextAttempt": stamp(delivery.next_at),
        "ended": stamp(delivery.ended_at),
        "status": delivery.status,
        "problem": delivery.problem,
        "detail": delivery.reason or None,
    }


def stamp(moment: datetime | None) -> str | None:
    """Return a moment as it is written in JSON, to the second, UTC."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _tracked(reader: Reader, query: DeliveryQuery) -> tuple[Tracked, ...]:
    names = await reader.coop_names()
    return tuple(Tracked(one, _name(one.origin, names)) for one in await reader.deliveries(query))


def _name(origin: str, names: Mapping[str, str]) -> str:
    return names.get(origin) or origin.partition("://")[2] or origin


def _health(health: Health, names: Mapping[str, str], now: datetime) -> PeerHealth:
    return PeerHealth(
        name=_name(health.origin, names),
        health=health,
        circuit=health.circuit.state(now) if health.circuit is not None else "closed",
        p50=_share(health.seconds, 0.5),
        p95=_share(health.seconds, 0.95),
    )


def _share(seconds: Sequence[float], share: float) -> float | None:
    """Return the value within which this share of `seconds`, shortest first, lies."""
    return seconds[min(int(len(seconds) * share), len(seconds) - 1)] if seconds else None
