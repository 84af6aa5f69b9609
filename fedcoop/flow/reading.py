"""Who may read what we hold: our own people by token, peers by their signature, everyone what is public (D7, §3.8)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fedcoop.errors import Gone, NotFound
from fedcoop.flow.peering import standing
from fedcoop.flow.visiting import Asking, Visitor
from fedcoop.flow.world import Instance, World
from fedcoop.ports import Provenance, Reader, StoredActivity, StoredObject
from fedcoop.protocol import strict_json
from fedcoop.protocol.audience import local_readers, peer_readers
from fedcoop.protocol.build import contexts
from fedcoop.protocol.history import ChainRecord, history_document
from fedcoop.protocol.messages import Chain, Document
from fedcoop.protocol.proof import sign_document
from fedcoop.protocol.reports import FLAG
from fedcoop.protocol.shape import PUBLIC, recipients
from fedcoop.protocol.times import write_time


def readers_for(actor: Asking, instance: Instance) -> tuple[str, ...]:
    """Return every name under which `actor` (None: anybody) may read here.

    A member reads what is public, what is theirs and what our members share; the co-operative's own token reads for
    the co-operative. A peer reads what it is sent.
    """
    if actor is None:
        return (PUBLIC,)
    if isinstance(actor, Visitor):
        return tuple(sorted(actor.names))
    return (PUBLIC, actor, instance.members)


async def read_object(iri: str, *, actor: Asking, world: World) -> StoredObject:
    """Return the object `iri` if `actor` may read it.

    Raises:
        NotFound: there is none, or not for this reader: the two are told apart by nobody (AP-5).
        Gone: it was public and has been deleted.
    """
    instance = world.instance

    async def shown(reader: Reader) -> StoredObject | None:
        stored = await reader.object(iri)
        if stored is None or may_read(actor, stored.readers, stored.owner, instance):
            return stored
        # (1) Whoever has agreed on something sees what about: who works on a mission of ours need not follow us.
        return stored if isinstance(actor, Visitor) and await _is_engaged(reader, actor, iri) else None

    stored = await world.store.read(shown)
    if stored is None:
        raise NotFound("not-found", "There is nothing here that you may read.", received=iri)
    if stored.deleted_at is not None:
        deleted = stored.deleted_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        tombstone = {"type": "Tombstone", "id": iri, "formerType": stored.former_type, "deleted": deleted}
        raise Gone("gone", "This was deleted.", received=iri, extra={"tombstone": tombstone})
    return stored


def standing_alone(obj: StoredObject, world: World) -> Document:
    """Return an object of ours as it is read without the activity that brought it (decision D5).

    In an activity its contexts and its proof are the activity's. Alone it needs both: without a context it means
    nothing to a JSON-LD reader, and without its owner's proof nobody could pass it on. The same object gives the same
    bytes: its proof is dated from its last change, and Ed25519 adds no chance.
    """
    if not obj.local or "proof" in obj.document:
        return obj.document
    method, key = world.keyring.proof_key(obj.owner)
    whole = {**obj.document, "@context": contexts(world.instance.base)}
    return sign_document(whole, key=key, verification_method=method, created=obj.updated_at)


async def read_activity_document(iri: str, *, actor: Asking, world: World) -> Document:
    """Return the activity `iri` as it was signed, if `actor` may read it. Raises NotFound."""

    found = await world.store.read(lambda reader: _activity_for(reader, iri, actor, world.instance))
    if found is None:
        raise NotFound("not-found", "There is nothing here that you may read.", received=iri)
    return found


async def _activity_for(reader: Reader, iri: str, actor: Asking, instance: Instance) -> Document | None:
    """Return the activity `iri` as it was signed; None when there is none that `actor` may read."""
    stored = await reader.activity(iri)
    # (1) A report is for the operator, on the command line: neither who is reported nor anybody else reads it.
    if stored is None or stored.type == FLAG:
        return None
    document = strict_json.loads(stored.body)
    chain = await reader.chain(iri)
    # (2) What moves an engagement is for its parties.
    if chain is not None and chain.kind == "Engagement":
        return document if is_party(actor, chain, instance) else None
    # (3) Everything else is for whom it is addressed to, and for whoever said it.
    addressed = recipients(document)
    local = frozenset(r for r in addressed if instance.hosts(r))
    allowed = local_readers(addressed, base=instance.base, local_actors=local)
    elsewhere = peer_readers(addressed, base=instance.base) if stored.local else ()
    return document if may_read(actor, (*allowed, *elsewhere), stored.actor, instance) else None


async def read_history(iri: str, *, actor: Asking, world: World) -> Document:
    """Return the signed history of a proposal with the engagements that `actor` may see, or of one engagement.

    Raises:
        NotFound: there is no such chain, or not for this reader.
    """
    instance = world.instance

    async def gather(reader: Reader) -> list[ChainRecord]:
        chain = await reader.chain(iri)
        if chain is None:
            return []
        if chain.kind == "Engagement":
            # Whoever is no party does not hear that there is such an engagement, nor about what.
            if not is_party(actor, chain, instance):
                return []
            engagements = [chain]
            proposal = await reader.chain(chain.proposal) if chain.proposal else None
        else:
            proposal = chain
            engagements = [e for e in await reader.engagements(chain.id) if is_party(actor, e, instance)]
        visible = proposal is not None and await _visible(reader, proposal, actor, engagements, instance)
        shown = [proposal] if proposal is not None and visible else []
        return [await _record(reader, c) for c in (*shown, *engagements)]

    records = await world.store.read(gather)
    if not records:
        raise NotFound("not-found", "There is no history here that you may read.", received=iri)

    def sign(head: Document, owner: str) -> Document:
        if not instance.hosts(owner):
            return head
        method, key = world.keyring.proof_key(owner)
        return sign_document(
            {"@context": contexts(instance.base), **head},
            key=key,
            verification_method=method,
            created=world.clock(),
        )

    return history_document(iri, records, base=instance.base, sign=sign)


async def lookup(iri: str, *, actor: str | None, world: World) -> Document:
    """Return the stored copy of any object, activity or actor that `actor` may see (D11). Nothing is ever fetched.

    Raises:
        NotFound: there is none any more or there never was, or not for this reader: no copy is stored of what was
            deleted.
    """

    async def find_actor(reader: Reader) -> Document | None:
        stored = await reader.actor(iri)
        return stored.document if stored else None

    async def find_chain(reader: Reader) -> Chain | None:
        return await reader.chain(iri)

    known = await world.store.read(find_actor)
    if known is not None:
        return known
    activity = False
    try:
        stored = await read_object(iri, actor=actor, world=world)
        document = stored.document
    except (NotFound, Gone):
        document = await read_activity_document(iri, actor=actor, world=world)
        activity = True
    chain = await world.store.read(find_chain)
    # An engagement has no object before it is accepted: until then the first Offer, naming the chain, stands for it.
    if chain is None or (activity and chain.id != iri):
        return document
    state = {"state": chain.state, "stateVersion": chain.version, "digest": chain.digest, "kind": chain.kind}
    told = await world.store.read(lambda reader: _told(reader, chain, actor, world.instance))
    return {**document, "fedcoopChain": {**state, "peers": told} if told else state}


async def came(iri: str, *, actor: str | None, world: World, operator: bool = False) -> list[dict[str, str]]:
    """Return by what way what we have of `iri` came (F22): `{"activity", "way", "via", "key", "at"}`, in order.

    `operator`: every row, as on the command line.

    Raises:
        NotFound: there is no such thing, or not for this reader.
    """
    # (1) Who may not see a thing does not learn where it comes from either.
    await lookup(iri, actor=actor, world=world)

    async def shown(reader: Reader) -> list[Provenance]:
        found = await reader.provenance(iri)
        # (1) Nor does who sees somebody learn who follows or reports them: of each row its activity decides.
        return [
            one
            for one in found
            if operator or await _activity_for(reader, one.activity_id, actor, world.instance) is not None
        ]

    return [
        {
            "activity": one.activity_id,
            "way": one.way,
            "via": one.via,
            "key": one.key,
            "at": write_time(one.at),
        }
        for one in await world.store.read(shown)
    ]


async def _told(reader: Reader, chain: Chain, actor: str | None, instance: Instance) -> list[dict[str, Any]]:
    """Return how the co-ops of a mission stand with each other: its own, and those of the reader's engagements."""
    engaged = await reader.engagements(chain.id) if chain.kind != "Engagement" else ()
    return await standing(reader, (chain, *(e for e in engaged if is_party(actor, e, instance))), instance)


async def _record(reader: Reader, chain: Chain) -> ChainRecord:
    history: tuple[StoredActivity, ...] = await reader.history(chain.id)
    links = await reader.links(chain.id)
    activities = tuple(strict_json.loads(a.body) for a in history)
    keys = {}
    for party in dict.fromkeys([*(stored.actor for stored in history), *chain.parties.values()]):
        known = await reader.actor(party)
        if known is not None:
            keys[party] = known.document
    # A stranger's keys as they were, rather than not at all.
    seen = tuple(stored.keys.actor if stored.keys else None for stored in history)
    for stored, then in zip(history, seen, strict=True):
        if then is not None and keys.get(stored.actor, {}).get("type", "Tombstone") == "Tombstone":
            keys[stored.actor] = then
    return ChainRecord(chain, activities, keys, tuple(link.confirmed for link in links), seen)


def is_party(actor: Asking, chain: Chain, instance: Instance) -> bool:
    """P2: the parties, and their co-operative when it is ours (our co-op is a party to what its members carry)."""
    if isinstance(actor, Visitor):
        return actor.is_party(chain)
    parties = {*chain.parties.values()}
    return actor in parties or (actor == instance.coop and any(map(instance.hosts, parties)))


async def _is_engaged(reader: Reader, visitor: Visitor, iri: str) -> bool:
    """Tell whether the visitor is a party to the engagement `iri`, or to one about the proposal `iri`."""
    chain = await reader.chain(iri)
    if chain is None:
        return False
    concerned = (chain,) if chain.kind == "Engagement" else await reader.engagements(chain.id)
    return any(map(visitor.is_party, concerned))


async def _visible(
    reader: Reader, proposal: Chain, actor: Asking, engagements: list[Chain], instance: Instance
) -> bool:
    stored = await reader.object(proposal.id)
    return bool(engagements) or (
        stored is not None and may_read(actor, stored.readers, stored.owner, instance)
    )


def may_read(actor: Asking, allowed: Iterable[str], owner: str, instance: Instance) -> bool:
    """Tell whether `actor` is among those whom something is for, or owns it."""
    if isinstance(actor, Visitor):
        return any(map(actor.is_named, allowed))
    return not {owner, *allowed}.isdisjoint(readers_for(actor, instance))
