"""Something that was found to be somebody's is taken in: its facts, what it may do, what it does, all or nothing (D6).

take_in           what an established activity does, by whatever way it came
receive_carried   what somebody else brought beside the inbox, by its sender's own proof
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog

from fedcoop.errors import Conflict, FedcoopError
from fedcoop.flow.catchup import REACHED
from fedcoop.flow.passing_on import passed_on
from fedcoop.flow.peering import admit, deed, heard_again, refusal_of
from fedcoop.flow.reports import check_room
from fedcoop.flow.saying import answer, check_shape, having_met, keep
from fedcoop.flow.scene import gather
from fedcoop.flow.verifying import by_proof
from fedcoop.flow.world import Instance, World
from fedcoop.ports import Peer, Provenance, ProvenanceWay, Reader, StoredActivity, StoredActor, Transaction
from fedcoop.protocol import credentials, strict_json
from fedcoop.protocol.authorise import Ignored, Scene, authorise, may_be_forwarded
from fedcoop.protocol.digest import chain_digest
from fedcoop.protocol.ids import check_id, origin
from fedcoop.protocol.messages import Activity, Chain, Document, KeepEvidence, PutActor, Verified
from fedcoop.protocol.opening import open_carried
from fedcoop.protocol.policy import EVERYTHING, TABLE, passes
from fedcoop.protocol.reports import FLAG

SHOWS_CREDENTIALS: frozenset[str] = frozenset({"Offer", "Accept"})
"""Activities whose credentials a guard looks at."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message that was not refused."""

    outcome: Literal["accepted", "duplicate", "ignored"]
    activity_id: str


@dataclass(frozen=True, slots=True)
class Came:
    """By what way a message came, from which server, and by which key it was found to be its sender's."""

    way: ProvenanceWay
    via: str
    key: str


async def take_in(
    verified: Verified, *, inbox_of: str | None, world: World, now: datetime, came: Came
) -> Receipt:
    """Do what an established activity does, and keep by what way it came (F22)."""
    instance = world.instance
    courier = None if came.way == "delivered" else came.via
    keys = {verified.keys.actor["id"]: verified.keys.actor}
    if verified.proved and verified.activity.type in SHOWS_CREDENTIALS:
        keys = await issuer_keys(verified.activity, world, keys)

    async def take(tx: Transaction) -> Receipt:
        activity = verified.activity
        # (1) The same id again: the same words have no second effect, other words are evidence of something wrong.
        seen = await tx.activity(activity.id)
        if seen is not None:
            if same_words(seen, activity):
                if courier is None:
                    await tx.awaken(origin(activity.actor))
                    await heard_again(tx, activity, await tx.chain(activity.id))
                return Receipt("duplicate", activity.id)
            raise _Reused(activity)
        # (2) Facts, decision, effects, and what our own actors answer: together or not at all.
        scene = await gather(tx, activity, instance=instance, now=now, keys=keys)
        if courier is not None and not may_be_forwarded(activity, scene, courier=courier):
            return ignored(activity, "only its own server says this here")
        await _passes(tx, activity, scene, instance)
        check_shape(activity, scene)
        try:
            authorised = authorise(verified, scene)
        except Ignored as why:
            return ignored(activity, why.why)
        # A server that speaks is there again: what waits for it need not wait out its back-off.
        if courier is None:
            await tx.awaken(origin(activity.actor))
            await heard_again(tx, activity, scene.chain)
        # (3) The sender as its server shows it, unless we have it as new as that, or from itself.
        known = await tx.actor(activity.actor)
        if known is None or (not known.local and known.fetched_at < verified.keys.fetched_at):
            await tx.make([PutActor(verified.keys.actor, local=False, fetched_at=verified.keys.fetched_at)])
        own_inbox = (inbox_of,) if inbox_of else ()
        onward = (
            await passed_on(tx, verified, scene.chain, instance=instance, now=now) if courier is None else ()
        )
        await check_room(tx, activity)
        reactions = await keep(tx, authorised, scene, world=world, now=now, inbox_of=own_inbox)
        way = Provenance(activity.id, _about(activity, authorised.chain), came.way, came.via, came.key, now)
        await tx.put_provenance(way)
        await tx.make(onward)
        await answer(tx, reactions, world=world, now=now, keys=keys)
        return Receipt("accepted", activity.id)

    try:
        receipt = await having_met(world, take)
    except _Reused as reused:
        evidence = KeepEvidence(reused.activity.id, reused.activity.body, now)
        await world.store.write(lambda tx: tx.make([evidence]))
        detail = "This id was used before, for another activity."
        raise Conflict("id-reused", detail, received=evidence.activity_id) from None
    world.doorbell.ring()
    return receipt


async def receive_carried(
    body: bytes, *, courier: str, world: World, way: ProvenanceWay = "reconciled"
) -> Receipt:
    """Take in an activity that the server at origin `courier` has brought, by its sender's own proof.

    Raises:
        Refused, TryLater: as `receive`, which it has all effects in common with.
    """
    now, instance = world.clock(), world.instance
    activity, method = open_carried(body, public_origin=instance.base, allow_origins=instance.allow_origins)
    await world.store.read(lambda reader: admit_author(reader, activity, instance))
    verified = await by_proof(world, activity, method, now)
    return await take_in(verified, inbox_of=None, world=world, now=now, came=Came(way, courier, method))


def same_words(seen: StoredActivity, activity: Activity) -> bool:
    """Tell whether an activity is the one that we have, in the same bytes or in others.

    Whoever brings what somebody else said can space it anew, or add what no proof covers: its author's own delivery
    must not be refused for that.
    """
    if seen.body_digest == hashlib.sha256(activity.body).digest():
        return True
    return chain_digest(strict_json.loads(seen.body)) == chain_digest(activity.raw)


async def issuer_keys(activity: Activity, world: World, known: Mapping[str, Document]) -> dict[str, Document]:
    """Return `known` and the actor documents of those whose credentials the activity shows.

    Only ours and those of co-ops that we work with: nobody makes us fetch from whom he likes, and whose issuer stays
    unknown is refused by the guard. Fetched before any transaction.
    """
    keys = dict(known)
    documents = [activity.raw, activity.object or {}, activity.raw.get("result") or {}]
    for issuer in credentials.issuers(d for d in documents if isinstance(d, Mapping)):
        if issuer in keys:
            continue
        check_id(issuer, allow_origins=world.instance.allow_origins)
        stored, peer = await world.store.read(lambda reader, who=issuer: _issuer(reader, who))  # type: ignore[misc]
        if world.instance.hosts(issuer):
            if stored is not None:
                keys[issuer] = stored.document
        elif peer is not None and peer.state in REACHED:
            keys[issuer] = (await world.resolver.resolve(issuer)).actor
    return keys


async def _issuer(reader: Reader, issuer: str) -> tuple[StoredActor | None, Peer | None]:
    return await reader.actor(issuer), await reader.peer(origin(issuer))


async def is_about_a_stranger(activity: Activity, world: World) -> bool:
    """Tell whether somebody we never knew says that it has changed or is gone: then no key is worth a fetch (AP-27)."""
    if activity.type not in ("Delete", "Update") or activity.object_id != activity.actor:
        return False

    async def find(reader: Reader) -> bool:
        return await reader.actor(activity.actor) is None

    return await world.store.read(find)


def ignored(activity: Activity, why: str) -> Receipt:
    """Accept without effect, and leave a line from which such messages can be counted (D3)."""
    log.info("inbox.ignored", type=activity.type[:80], origin=origin(activity.actor), why=why)
    return Receipt("ignored", activity.id)


def _about(activity: Activity, chain: Chain | None) -> str:
    """Return under what it is kept how an activity came: the chain that it moves, or the object that it is about."""
    # (1) A report is not to be found by asking for whom it accuses.
    if activity.type == FLAG:
        return activity.id
    return chain.id if chain is not None else activity.object_id or activity.id


async def _passes(tx: Transaction, activity: Activity, scene: Scene, instance: Instance) -> None:
    """Raise Forbidden for what a peer in its state may not do (D7); only now is it known who speaks, and of what."""
    host = origin(activity.actor)
    peer = await tx.peer(host)
    state = peer.state if peer is not None else "pending"
    if TABLE[state].deeds == EVERYTHING:
        return
    if not passes(state, await deed(tx, activity, scene.chain, host)):
        raise refusal_of(peer, host, contact=f"{instance.base}/")


class _Reused(FedcoopError):
    """An id came again with another body; raised so that the transaction keeps nothing of it."""

    def __init__(self, activity: Activity) -> None:
        super().__init__("id-reused", "The id was used before.")
        self.activity = activity


async def admit_author(reader: Reader, activity: Activity, instance: Instance) -> None:
    # (1) The sender's server is one that our operator decided to work with.
    host = origin(activity.actor)
    admit(await reader.peer(host), host, contact=f"{instance.base}/")


def proof_key(activity: Activity) -> str:
    proof = activity.raw.get("proof")
    return str(proof.get("verificationMethod")) if isinstance(proof, Mapping) else ""
