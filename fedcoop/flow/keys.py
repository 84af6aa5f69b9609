"""New keys for our actors, step by step, so that peers go on hearing us and a kill at any point loses nothing.

    renew       new keys are made and kept, then published beside the old (SIG-23), then signed with, then announced
    settle      finishes what was begun: called by `renew`, at every start, and from time to time
    retire      after the overlap, takes old request keys out of the documents and destroys the private halves
    check_keys  the keys in the folder are those that our actors publish, or nothing is served (F-31, CFG-02)

What has been published is in one transaction with a note of who has yet to be announced, so each step finds what the
one before has done, whoever did it: a command beside the running server, or the server itself after a crash.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedcoop.errors import Conflict, Malformed, Misconfigured, NotFound
from fedcoop.flow.catchup import REACHED
from fedcoop.flow.saying import having_met, say
from fedcoop.flow.scene import credential_id
from fedcoop.flow.world import World
from fedcoop.ports import Reader, StoredActor, Transaction
from fedcoop.protocol.actors import PublicKeys, proof_key_id
from fedcoop.protocol.ids import origin
from fedcoop.protocol.keyhistory import (
    Ends,
    Reason,
    entry,
    key_history,
    method_of,
    number_of,
    published_keys,
    renewed,
    without_expired,
)
from fedcoop.protocol.limits import PROOF_OVERLAP
from fedcoop.protocol.messages import Deliver, Document, Intent, PutActor, PutObject
from fedcoop.protocol.multikey import encode_public, public_key_to_pem
from fedcoop.protocol.proof import sign_document
from fedcoop.protocol.shape import PUBLIC
from fedcoop.protocol.times import read_time

UNDER_WAY: Final = "keys-under-way"
"""Where the store notes which actors have new keys that are not announced yet."""

HISTORY: Final = "KeyHistory"
"""What the store calls the document at `<actor>/keys`."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """An actor's new keys."""

    actor: str
    number: int
    key: str
    """Multibase of the Ed25519 key."""
    old_until: datetime
    """When the key before is no longer good for requests."""


async def renew(
    world: World, actors: Sequence[str], *, reason: Reason, overlap: timedelta
) -> tuple[Renewed, ...]:
    """Give each actor new keys and tell whoever knows it; the old ones stay good for `overlap`, or not at all.

    With `reason` "compromised" the old keys are revoked now, whoever has them, and another of our actors vouches for
    the new ones. It does not need the old private key, so it also helps when that was lost.

    Raises:
        NotFound: it is none of our actors.
        Misconfigured: the old private key, which has to sign for the new one, is not here.
    """
    await settle(world)
    done: list[Renewed] = []
    # After a compromise each vouches with keys that the one before has got: the co-op, the instance, the members.
    ours = (world.instance.coop, world.instance.application)
    ordered = sorted(dict.fromkeys(actors), key=lambda a: (ours.index(a) if a in ours else len(ours), a))
    batches = [[actor] for actor in ordered] if reason == "compromised" else [ordered]
    for batch in batches:
        stored = [await _ours(world, actor) for actor in batch]
        numbers = {actor.id: number_of(actor.document) + 1 for actor in stored}
        # (1) Whoever copied the folder has what an interrupted rotation had prepared in it as well.
        await world.keyring.prepare(numbers, anew=reason == "compromised")
        done += [await _publish(world, actor, numbers[actor.id], reason, overlap) for actor in stored]
        await settle(world)
    return tuple(done)


async def _ours(world: World, actor: str) -> StoredActor:
    stored = await world.store.read(lambda reader: reader.actor(actor))
    if stored is None or not stored.local or stored.document.get("type") == "Tombstone":
        raise NotFound("not-found", "We host no such actor.", received=actor)
    return stored


async def _publish(
    world: World, known: StoredActor, number: int, reason: Reason, overlap: timedelta
) -> Renewed:
    instance, now, actor = world.instance, world.clock(), known.id
    http, proof = world.keyring.prepared(actor, number)
    new = PublicKeys(public_key_to_pem(http.public_key()), encode_public(proof.public_key()))
    ends = (
        Ends("revoked", now, now)
        if reason == "compromised"
        else Ends("expires", now + overlap, now + max(overlap, PROOF_OVERLAP))
    )

    async def work(tx: Transaction) -> None:
        stored = await tx.actor(actor)
        # (1) Two commands at once: the second begins anew, or it would sign with a key that is not published.
        if stored is None or number_of(stored.document) != number - 1:
            raise Conflict(
                "stale", "The keys of this actor have just been renewed; look again.", received=actor
            )
        entries = await _entries(tx, world, stored, lost=reason == "compromised")
        signer, method, key = await _signer(tx, world, stored, lost=reason == "compromised")
        step = entry(
            base=instance.base, actor=actor, keys=new, number=number, since=now, reason=reason, signer=signer,
            signing_method=method, previous=entries[-1], ends=ends,
        )  # fmt: skip
        entries.append(sign_document(step, key=key, verification_method=str(method["id"]), created=now))
        document = renewed(without_expired(stored.document, now), new, number=number, ends=ends)
        under_way = await _under_way(tx)
        await tx.make([PutActor(document, local=True, fetched_at=now), _history(world, actor, entries, now)])
        await tx.put_meta(UNDER_WAY, json.dumps(list(dict.fromkeys([*under_way, actor]))))

    await world.store.write(work)
    return Renewed(actor, number, new.ed25519_multibase, ends.requests)


def first_history(world: World, document: Document, now: datetime) -> PutObject:
    """Return the key history of a new actor of ours, signed by its first key."""
    actor = str(document["id"])
    method, key = world.keyring.proof_key(actor)
    keys = published_keys(document)
    step = entry(
        base=world.instance.base, actor=actor, keys=keys, number=1, since=now, reason="founded", signer=actor,
        signing_method=method_of(actor, keys, 1),
    )  # fmt: skip
    signed = sign_document(step, key=key, verification_method=method, created=now)
    return _history(world, actor, [signed], now)


def _history(world: World, actor: str, entries: Sequence[Document], now: datetime) -> PutObject:
    document = key_history(actor, entries, base=world.instance.base)
    return PutObject(str(document["id"]), actor, HISTORY, document, True, (PUBLIC,), now)


async def _entries(tx: Transaction, world: World, stored: StoredActor, *, lost: bool) -> list[Document]:
    """Return the steps so far; of an actor older than key histories, a first one made of what it publishes."""
    known = await tx.object(f"{stored.id}/keys")
    if known is not None:
        return list(known.document["entries"])
    signer, method, key = await _signer(tx, world, stored, lost=lost)
    step = entry(
        base=world.instance.base, actor=stored.id, keys=published_keys(stored.document),
        number=number_of(stored.document), since=stored.fetched_at, reason="founded", signer=signer,
        signing_method=method,
    )  # fmt: skip
    return [sign_document(step, key=key, verification_method=str(method["id"]), created=stored.fetched_at)]


async def _signer(
    tx: Transaction, world: World, stored: StoredActor, *, lost: bool
) -> tuple[str, Mapping[str, Any], Ed25519PrivateKey]:
    """Return who signs a step, how its key is published, and that key: the actor itself, or who vouches for it."""
    instance, who = world.instance, stored
    if lost:
        name = instance.application if stored.id == instance.coop else instance.coop
        vouching = await tx.actor(name)
        if vouching is None:
            raise NotFound("not-found", "Nobody here could vouch for it.", received=name)
        who = vouching
    number = number_of(who.document)
    _, key = world.keyring.prepared(who.id, number)
    return who.id, method_of(who.id, published_keys(who.document), number), key


async def _under_way(tx: Transaction | Reader) -> list[str]:
    noted = await tx.meta(UNDER_WAY)
    return list(json.loads(noted)) if noted else []


# -- finishing ------------------------------------------------------------------------------------------------------


async def settle(world: World) -> int:
    """Sign with what is published, destroy what was given away, tell the peers; return how many actors it was for."""
    under_way = await world.store.read(_under_way)
    for actor in under_way:
        await _promote(world, await _ours(world, actor))
        await _announce(world, actor)
    if under_way:
        world.doorbell.ring()
    return len(under_way)


async def promote_published(world: World) -> None:
    """Sign with what is published; a start does this before it compares."""
    for actor in await world.store.read(_under_way):
        await _promote(world, await _ours(world, actor))


async def _promote(world: World, stored: StoredActor) -> None:
    number = number_of(stored.document)
    await world.keyring.promote(stored.id, number)
    history = await world.store.read(lambda reader: reader.object(f"{stored.id}/keys"))
    last = history.document["entries"][-1] if history is not None else {}
    # (1) A key that was given away is of no more use to us, only to others.
    if last.get("reason") == "compromised" and world.keyring.generation(stored.id) == number:
        await world.keyring.destroy(stored.id, below=number)


async def _announce(world: World, actor: str) -> None:
    """Tell whoever knows the actor: followers and every server that we work with; and sign anew what its key signed."""
    now = world.clock()

    async def tell(tx: Transaction) -> None:
        under_way = await _under_way(tx)
        # (1) Somebody else did it meanwhile: said once is enough.
        if actor not in under_way:
            return
        said = await say(
            tx, Intent(actor, "Update", {"object": {"id": actor}}), world=world, now=now, keys={}
        )
        peers = {p.origin for p in await tx.peers() if p.state in REACHED}
        activity = said.activity
        owed = {inbox for inbox in await tx.known_inboxes() if _leads_to(inbox, peers)}
        owed -= set(await tx.inboxes_owed(activity.id))
        await tx.make([Deliver(activity.id, actor, inbox, activity.body) for inbox in sorted(owed)])
        if actor == world.instance.coop:
            await _sign_anew(tx, world, now)
        await tx.put_meta(UNDER_WAY, json.dumps([name for name in under_way if name != actor]))

    await having_met(world, tell)


def _leads_to(inbox: str, origins: Collection[str]) -> bool:
    """Tell whether an inbox is on one of these servers. Whoever has gone has none, and a stranger's may be anything."""
    try:
        return origin(inbox) in origins
    except Malformed:
        return False


async def _sign_anew(tx: Transaction, world: World, now: datetime) -> None:
    """Sign the co-op's rules and its members' credentials with its new key: those by the old one end with it."""
    coop = world.instance.coop
    method, key = world.keyring.proof_key(coop)
    coops = await tx.actor(coop)
    named = [coops.document.get(n) or [] for n in ("pricingRules", "matchingRules")] if coops else []
    ids = [str(iri) for names in named for iri in (names if isinstance(names, list) else [names])]
    ids += [credential_id(world.instance, member.id) for member in await tx.local_actors()]
    for iri in ids:
        stored = await tx.object(iri)
        if (
            stored is None
            or stored.owner != coop
            or stored.deleted_at is not None
            or "proof" not in stored.document
        ):
            continue
        bare = {name: value for name, value in stored.document.items() if name != "proof"}
        signed = sign_document(bare, key=key, verification_method=method, created=now)
        await tx.make([PutObject(iri, coop, stored.object_class, signed, True, stored.readers, now)])


async def retire(world: World) -> int:
    """Take request keys whose overlap has passed out of the documents, and destroy their private halves.

    Returns how many private keys were destroyed.
    """
    now, destroyed = world.clock(), 0
    for stored in await world.store.read(lambda reader: reader.local_actors()):
        if stored.document.get("type") == "Tombstone":
            continue
        number = number_of(stored.document)
        if without_expired(stored.document, now) is not stored.document:
            await world.store.write(lambda tx, actor=stored.id: _without_expired(tx, actor, now))  # type: ignore[misc]
        # (1) Never the only private key that there is, whatever the store says.
        good = isinstance(without_expired(stored.document, now).get("publicKey"), list)
        if not good and world.keyring.generation(stored.id) == number:
            destroyed += await world.keyring.destroy(stored.id, below=number)
    return destroyed


async def _without_expired(tx: Transaction, actor: str, now: datetime) -> None:
    stored = await tx.actor(actor)
    if stored is not None:
        await tx.make([PutActor(without_expired(stored.document, now), local=True, fetched_at=now)])


# -- looking --------------------------------------------------------------------------------------------------------


async def check_keys(world: World) -> int:
    """Return how many actors have the private keys that they publish.

    Raises:
        Misconfigured: an actor's private keys are missing, or are not those that it publishes.
    """
    local = await world.store.read(lambda reader: reader.local_actors())
    living = [actor for actor in local if actor.document.get("type") != "Tombstone"]
    for actor in living:
        http, proof = world.keyring.http_key(actor.id)[1], world.keyring.proof_key(actor.id)[1]
        mine = PublicKeys(public_key_to_pem(http.public_key()), encode_public(proof.public_key()))
        # (1) Whoever signs with a key that nobody knows as its own is refused by everybody, or is somebody else.
        if mine != published_keys(actor.document):
            name = actor.id.rsplit("/", 1)[-1]
            raise Misconfigured(
                "misconfigured",
                f"the private keys in the folder are not those that {actor.id} publishes",
                extra={
                    "detail_fr": f"les clés privées du dossier ne sont pas celles que publie {actor.id}",
                    "next": "restore the folder `keys` and the database from the same backup; if its keys are lost: "
                    f"fedcoop keys compromised DIR --actor {name}",
                    "next_fr": "restaurez le dossier `keys` et la base de la même sauvegarde ; si elles sont perdues : "
                    f"fedcoop keys compromised DIR --actor {name}",
                },
            )
    return len(living)


@dataclass(frozen=True, slots=True)
class Listed:
    """One key of one of our actors, as it is published."""

    actor: str
    id: str
    key: str
    state: str
    """active, overlap, expired or revoked."""
    until: str | None
    private: bool
    """Its private half is here."""


async def list_keys(world: World) -> tuple[Listed, ...]:
    """Return every proof key that our actors publish, the newest first for each."""
    now, found = world.clock(), []
    for actor in await world.store.read(lambda reader: reader.local_actors()):
        for method in actor.document.get("assertionMethod") or []:
            until = method.get("revoked") or method.get("expires")
            found.append(
                Listed(
                    actor.id,
                    str(method["id"]),
                    str(method["publicKeyMultibase"]),
                    _state(method, now),
                    until,
                    _is_here(world, actor.id, str(method["id"])),
                )
            )
    return tuple(found)


def _state(method: Mapping[str, Any], now: datetime) -> str:
    if "revoked" in method:
        return "revoked"
    if "expires" not in method:
        return "active"
    return "overlap" if read_time(method["expires"]) > now else "expired"


def _is_here(world: World, actor: str, method: str) -> bool:
    for number in range(1, world.keyring.generation(actor) + 1):
        if proof_key_id(actor, number) == method:
            try:
                world.keyring.prepared(actor, number)
            except Misconfigured:
                return False
            return True
    return False
