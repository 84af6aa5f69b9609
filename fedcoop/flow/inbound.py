"""Something arrives. The whole story, from bytes to a durable effect, top to bottom (decisions D3, D6, D15)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog

from fedcoop.errors import Conflict, FedcoopError, Forbidden, NotFound, Refused, TryLater, Unverified
from fedcoop.flow import relays
from fedcoop.flow.agreeing import may_speak_of_agreement
from fedcoop.flow.catchup import REACHED
from fedcoop.flow.passing_on import passed_on
from fedcoop.flow.peering import admit, deed, heard_again, knocked, refusal_of
from fedcoop.flow.reports import check_room
from fedcoop.flow.saying import answer, check_shape, having_met, keep
from fedcoop.flow.scene import gather
from fedcoop.flow.synchronising import notice
from fedcoop.flow.verifying import by_proof, by_signature, courier_and_author, opened, the_request
from fedcoop.flow.world import Instance, World
from fedcoop.ports import (
    Peer,
    Provenance,
    ProvenanceWay,
    Reader,
    Relay,
    StoredActivity,
    StoredActor,
    Transaction,
)
from fedcoop.protocol import credentials, strict_json
from fedcoop.protocol.authorise import Ignored, Scene, authorise, may_be_forwarded
from fedcoop.protocol.digest import chain_digest
from fedcoop.protocol.history import steps_of
from fedcoop.protocol.ids import check_id, origin
from fedcoop.protocol.limits import MAX_CHAIN_STEPS_SENT
from fedcoop.protocol.messages import (
    Activity,
    Claimed,
    Document,
    KeepEvidence,
    PutActor,
    RawRequest,
    Verified,
)
from fedcoop.protocol.opening import check_forwarded, open_carried, proof_method
from fedcoop.protocol.policy import EVERYTHING, TABLE, passes
from fedcoop.protocol.proof import is_supported

SHOWS_CREDENTIALS: frozenset[str] = frozenset({"Offer", "Accept"})
"""Activities whose credentials a guard looks at."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message that was not refused."""

    outcome: Literal["accepted", "duplicate", "ignored"]
    activity_id: str


async def receive(request: RawRequest, *, inbox_of: str | None, world: World) -> Receipt:
    """Take one message in and return once it and its effects are durable.

    `inbox_of` is the local actor whose personal inbox was posted to, None for the shared inbox.

    Raises:
        Refused, TryLater: with the check that failed; nothing was stored and nothing but the sender's key was fetched.
    """
    now, instance = world.clock(), world.instance
    claimed = opened(request, world=world, now=now)
    relay = await relays.speaking(claimed, world)
    if relay is not None:
        return await _from_relay(claimed, relay, world=world, now=now)
    check_forwarded(claimed, allow_origins=instance.allow_origins)
    try:
        await world.store.read(lambda reader: _admit(reader, claimed, inbox_of, instance))
    except Forbidden as refusal:
        # Whoever is only named by somebody else has not come.
        if refusal.code != "not-in-allow-list" or claimed.forwarder is not None:
            raise
        if not await may_speak_of_agreement(world, claimed.activity):
            await knocked(world, origin(claimed.activity.actor))
            raise
    if await _is_about_a_stranger(claimed.activity, world):
        return _ignored(claimed.activity, "an actor that we never knew")
    if claimed.forwarder is None:
        verified = await by_signature(world, claimed, now)
        came = Came("delivered", origin(claimed.activity.actor), claimed.key_id)
    else:
        verified = await courier_and_author(world, claimed, now)
        came = Came("forwarded", claimed.forwarder, _proof_key(claimed.activity))
    receipt = await _take_in(verified, inbox_of=inbox_of, world=world, now=now, came=came)
    if claimed.forwarder is None:
        await notice(claimed, verified, world=world)
    return receipt


async def _from_relay(claimed: Claimed, relay: Relay, *, world: World, now: datetime) -> Receipt:
    """A relay of ours answers, announces, or brings what somebody says; what it cannot prove, it said in vain (REL-5).

    What we do not take for a reason that is not the relay's is dropped (202): it could not know.
    """
    activity, instance = claimed.activity, world.instance
    # (1) Nobody whom our operator refuses comes back as a relay.
    await world.store.read(lambda reader: relays.check_welcome(reader, relay, instance))
    if claimed.forwarder is None:
        verified = await by_signature(world, claimed, now)
        if await relays.answered(verified, relay, world=world, now=now):
            return Receipt("accepted", activity.id)
    else:
        await the_request(world, claimed, now)
    # (2) It brings what we asked for, as long as we do.
    if relay.state != "accepted":
        return _ignored(activity, "a relay that has not accepted us")
    if claimed.forwarder is None:
        heard = activity.type == "Announce"
        return (
            await _announced(activity, world) if heard else _ignored(activity, "an answer to nothing of ours")
        )
    # (3) Whose author is somebody we work with.
    if not await _works_with_us(activity.actor, world) or await _is_about_a_stranger(activity, world):
        return _ignored(activity, "relayed from a server that we do not work with")
    # (4) With the author's proof: without one there is nothing to believe, and one that fails is a falsehood.
    if not isinstance(activity.raw.get("proof"), Mapping) or not is_supported(activity.raw):
        return _ignored(activity, "relayed without a proof that we know")
    try:
        method = proof_method(activity, allow_origins=instance.allow_origins)
        verified = await by_proof(world, activity, method, now)
    except Unverified as lie:
        await relays.report(relay, activity, lie.code, world=world, now=now)
        raise
    except TryLater as failure:
        # A relay that waited for one author's server would keep everybody else's from us.
        return _ignored(activity, f"its author's keys are out of reach: {failure.code}")
    iri = activity.object_id or ""
    if activity.previous_digest is not None and not await _has_chain(iri, world):
        return await _told_by_its_author(activity, iri, world)
    try:
        came = Came("relayed", relay.origin, method)
        return await _take_in(verified, inbox_of=None, world=world, now=now, came=came)
    except Refused as refusal:
        # (5) What we hold against its author is between us and its author.
        return _ignored(activity, f"relayed and refused: {refusal.code}")
    except TryLater as refusal:
        if refusal.code != "predecessor-unknown":
            raise
        return await _told_by_its_author(activity, iri, world)


async def _announced(activity: Activity, world: World) -> Receipt:
    """A relay names something that is new somewhere: we ask there, and the relay is believed in nothing (REL-5)."""
    iri = check_id(activity.object_id or "", allow_origins=world.instance.allow_origins)
    if world.instance.hosts(iri) or not await _works_with_us(iri, world):
        return _ignored(activity, "announced from a server that we do not work with")
    if await _has_chain(iri, world):
        return Receipt("duplicate", activity.id)
    return await _told_by_its_author(activity, iri, world)


async def _works_with_us(iri: str, world: World) -> bool:
    async def find(reader: Reader) -> bool:
        peer = await reader.peer(origin(iri))
        return peer is not None and bool(TABLE[peer.state].deeds)

    return await world.store.read(find)


async def _told_by_its_author(activity: Activity, iri: str, world: World) -> Receipt:
    """Take the steps of the chain `iri` as its own server tells them: what came before, or all that a relay names."""
    try:
        told = await world.fetcher.document(f"{iri}/history", signed=True)
        for step in steps_of(told, iri)[:MAX_CHAIN_STEPS_SENT]:
            await receive_carried(strict_json.dumps(step), courier=origin(iri), world=world, way="fetched")
    except FedcoopError as failure:
        # A relay cannot mend it, and waits for us with everybody else's: what is missing comes with the next step.
        return _ignored(activity, f"its server did not tell the rest: {failure.code}")
    if not await _has_chain(iri, world):
        return _ignored(activity, "its server told nothing of it")
    return Receipt("accepted", activity.id)


async def _has_chain(iri: str, world: World) -> bool:
    return await world.store.read(lambda reader: reader.chain(iri)) is not None


async def authenticated(request: RawRequest, *, world: World) -> Verified:
    """Return what a peer asks of us by a signed request, checked as a message is; nothing of it is kept.

    Raises:
        Refused, TryLater: with the check that failed.
    """
    now, instance = world.clock(), world.instance
    claimed = opened(request, world=world, now=now)
    check_forwarded(claimed, allow_origins=instance.allow_origins)
    await world.store.read(lambda reader: _admit(reader, claimed, None, instance))
    return await by_signature(world, claimed, now)


async def receive_carried(
    body: bytes, *, courier: str, world: World, way: ProvenanceWay = "reconciled"
) -> Receipt:
    """Take in an activity that the server at origin `courier` has brought, by its sender's own proof.

    Raises:
        Refused, TryLater: as `receive`, which it has all effects in common with.
    """
    now, instance = world.clock(), world.instance
    activity, method = open_carried(body, public_origin=instance.base, allow_origins=instance.allow_origins)
    await world.store.read(lambda reader: _admit_author(reader, activity, instance))
    verified = await by_proof(world, activity, method, now)
    return await _take_in(verified, inbox_of=None, world=world, now=now, came=Came(way, courier, method))


@dataclass(frozen=True, slots=True)
class Came:
    """By what way a message came, from which server, and by which key it was found to be its sender's."""

    way: ProvenanceWay
    via: str
    key: str


def _proof_key(activity: Activity) -> str:
    proof = activity.raw.get("proof")
    return str(proof.get("verificationMethod")) if isinstance(proof, Mapping) else ""


async def _take_in(
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
            return _ignored(activity, "only its own server says this here")
        await _passes(tx, activity, scene, instance)
        check_shape(activity, scene)
        try:
            authorised = authorise(verified, scene)
        except Ignored as ignored:
            return _ignored(activity, ignored.why)
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
        about = authorised.chain.id if authorised.chain is not None else activity.object_id or activity.id
        await tx.put_provenance(Provenance(activity.id, about, came.way, came.via, came.key, now))
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


async def _is_about_a_stranger(activity: Activity, world: World) -> bool:
    """Tell whether somebody we never knew says that it has changed or is gone: then no key is worth a fetch (AP-27)."""
    if activity.type not in ("Delete", "Update") or activity.object_id != activity.actor:
        return False

    async def find(reader: Reader) -> bool:
        return await reader.actor(activity.actor) is None

    return await world.store.read(find)


def _ignored(activity: Activity, why: str) -> Receipt:
    """Accept without effect, and leave a line from which such messages can be counted (D3)."""
    log.info("inbox.ignored", type=activity.type[:80], origin=origin(activity.actor), why=why)
    return Receipt("ignored", activity.id)


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


async def _admit(reader: Reader, claimed: Claimed, inbox_of: str | None, instance: Instance) -> None:
    """Federation is by agreement (D7): whom we do not know is refused before its key is fetched (SIG-27)."""
    # (1) A personal inbox must be somebody's.
    if inbox_of is not None:
        owner = await reader.actor(inbox_of)
        if owner is None or not owner.local:
            raise NotFound("not-found", "There is no such inbox here.")
    # (2) Whoever brings what others say is somebody with whom nothing is held back.
    if claimed.forwarder is not None:
        courier, contact = await reader.peer(claimed.forwarder), f"{instance.base}/"
        admit(courier, claimed.forwarder, contact=contact)
        if courier is not None and TABLE[courier.state].deeds != EVERYTHING:
            raise refusal_of(courier, claimed.forwarder, contact=contact)
    await _admit_author(reader, claimed.activity, instance)


async def _admit_author(reader: Reader, activity: Activity, instance: Instance) -> None:
    # (1) The sender's server is one that our operator decided to work with.
    host = origin(activity.actor)
    admit(await reader.peer(host), host, contact=f"{instance.base}/")
