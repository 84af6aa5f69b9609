"""Recording what was decided: the same few lines for what arrives and for what we say, in one transaction (D6).

`keep` records an authorised activity with its effects and the copies owed; `say` lets one of our own actors speak
(build, sign, authorise, keep); the reactions of an effect are said the same way, until nothing is left to say.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from fedcoop.errors import Unavailable
from fedcoop.flow.agreeing import follow_agreement
from fedcoop.flow.catchup import REACHED, inbox_of, owed_board, remote_follower
from fedcoop.flow.peering import deed, refusal_of_our_own
from fedcoop.flow.scene import gather
from fedcoop.flow.world import Instance, World
from fedcoop.ports import Follow, Peer, StoredActor, Transaction
from fedcoop.protocol import credentials, schemas, strict_json
from fedcoop.protocol.audience import Follower, inboxes, is_collection
from fedcoop.protocol.authorise import CONTRACT_CLASSES, ROWS, Scene, authorise_own
from fedcoop.protocol.build import DATA_INTEGRITY, complete, draft
from fedcoop.protocol.effects import effects_of
from fedcoop.protocol.ids import origin
from fedcoop.protocol.messages import (
    Activity,
    Authorised,
    Deliver,
    Document,
    Intent,
    KeyDocument,
    PutActor,
    RecordActivity,
)
from fedcoop.protocol.policy import AGREEMENT, passes
from fedcoop.protocol.proof import sign_document
from fedcoop.protocol.relaying import CARRIED
from fedcoop.protocol.reports import FLAG, flagged
from fedcoop.protocol.shape import AS2, PUBLIC, addressed_blindly, class_of, read_activity

T = TypeVar("T")

ASKS: Final = frozenset({"Follow", "Offer", FLAG})
"""What begins something with somebody: without them it is nothing, so it is not said where it cannot arrive."""

ON_THE_BOARD: Final = frozenset({"Mission", "Listing"})
"""Kinds of chain that the co-op shows for whoever of it published them."""


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
    answering: bool = False,
) -> tuple[Intent, ...]:
    """Record the activity and its effects; return what our actors have to say in answer.

    What is said in answer to something is kept back for a peer that it may not pass to; anything else is refused.
    """
    activity, instance = authorised.activity, world.instance
    local = instance.hosts(activity.actor)
    effects = effects_of(authorised, scene, communes=instance.communes)
    record = RecordActivity(
        activity=activity,
        local=local,
        received_at=now,
        keys=authorised.keys or _as_published(activity, scene, now),
        inbox_of=await _shown_to(tx, activity, scene, instance, posted_to=inbox_of),
        outbox_of=activity.actor if local and activity.type != FLAG else None,
        client_key=client_key,
    )
    owed = await _owed(tx, activity, scene, world, answering=answering) if local else Copies((), frozenset())
    await tx.make([record, *effects.changes, *owed.deliveries])
    for host in owed.kept_back:
        await tx.keep_back(host, activity.id)
    if authorised.chain is not None and authorised.chain.kind == AGREEMENT:
        await follow_agreement(tx, authorised.chain, world=world, now=now)
    return tuple(effects.reactions)


async def say(
    tx: Transaction,
    intent: Intent,
    *,
    world: World,
    now: datetime,
    keys: Mapping[str, Document],
    answering: bool = False,
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
    # Who hears of a chain is said by its scope and its parties: nobody else does, named or not.
    if known.chain is None and not (known.reference is not None and known.reference.begins):
        activity = addressed_blindly(activity, intent.blind)
    # What was filled in names more than the draft did: the decision is made on the scene of the whole.
    keys = {**keys, **await _own_keys(tx, world, activity)}
    scene = await gather(tx, activity, instance=instance, now=now, keys=keys)
    check_shape(activity, scene)
    authorised = authorise_own(activity, scene)
    reactions = await keep(
        tx,
        authorised,
        scene,
        world=world,
        now=now,
        inbox_of=(),
        client_key=intent.client_key,
        answering=answering,
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
    """Say every reaction, in order; each may cause more, which its own `say` answers.

    There are never more than candidates may wait (`limits.MAX_CANDIDATES`), and each moves a chain on to a state from
    which the same reaction is not caused again.
    """
    for intent in reactions:
        await say(tx, intent, world=world, now=now, keys=keys, answering=True)


async def say_as_server(
    tx: Transaction, world: World, now: datetime, document: Document, inboxes: Sequence[str]
) -> Activity:
    """Let the instance's own actor say something to other servers, such as a relay's Follow: it moves nothing here."""
    instance = world.instance
    method, key = world.keyring.proof_key(instance.application)
    whole = {
        # Nothing of the vocabulary is in it: whoever reads JSON-LD has these two contexts at hand.
        "@context": [AS2, DATA_INTEGRITY],
        "id": f"{instance.base}/activities/{world.new_id()}",
        "actor": instance.application,
        "published": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **document,
    }
    signed = sign_document(whole, key=key, verification_method=method, created=now)
    activity = read_activity(signed, strict_json.dumps(signed))
    copies = [Deliver(activity.id, instance.application, inbox, activity.body) for inbox in inboxes]
    await tx.make([RecordActivity(activity, local=True, received_at=now, keys=None), *copies])
    return activity


def _as_published(activity: Activity, scene: Scene, now: datetime) -> KeyDocument | None:
    """Return our own speaker's key document as it is now: its keys may be replaced, what it said stays (INT-12)."""
    document = scene.facts.keys.get(activity.actor)
    return None if document is None else KeyDocument(document, now)


def check_shape(activity: Activity, scene: Scene) -> None:
    """Return when what the vocabulary knows keeps to its schema, in what we say as in what we hear (D3: 422).

    A plain FEP-0837 message has no schema of ours; but whoever has our contract keeps to our form of it.
    """
    name, result = activity.object_class, activity.raw.get("result")
    ours = scene.fedcoop or (scene.chain is not None and name != "Engagement")
    about_itself = activity.object_id == activity.actor
    if ours and activity.object is not None and ROWS.get((activity.type, name), about_itself):
        schemas.check(activity.object, name)
    if scene.fedcoop and (scene.chain is not None or name in CONTRACT_CLASSES):
        schemas.check(activity.raw, activity.type)
    if isinstance(result, Mapping) and ("fedcoopType" in result or class_of(result) == "WorkAttestation"):
        schemas.check(result, class_of(result))


def _signed(document: dict[str, Any], actor: str, now: datetime, world: World) -> dict[str, Any]:
    """Sign the activity, and first any credential of its own that it carries (INT-9: inner before outer)."""
    method, key = world.keyring.proof_key(actor)
    result = document.get("result")
    if isinstance(result, Mapping) and result.get("issuer") == actor and "proof" not in result:
        signed = sign_document(result, key=key, verification_method=method, created=now)
        document = {**document, "result": signed}
    return sign_document(document, key=key, verification_method=method, created=now)


async def _own_keys(tx: Transaction, world: World, activity: Activity) -> dict[str, Document]:
    """The keys of the speaker, of our co-op, and of another that employs the speaker, if we have met it."""
    documents = [
        d for d in (activity.raw, activity.object, activity.raw.get("result")) if isinstance(d, Mapping)
    ]
    names = (activity.actor, world.instance.coop, *credentials.issuers(documents))
    found = {name: await tx.actor(name) for name in names}
    return {name: stored.document for name, stored in found.items() if stored is not None}


async def _shown_to(
    tx: Transaction, activity: Activity, scene: Scene, instance: Instance, *, posted_to: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the local actors who find the activity in their inbox."""
    # (1) Whoever is reported learns nothing of it, though it was posted to them (wire.md MOD-1).
    if activity.type == FLAG:
        return ()
    return tuple(dict.fromkeys([*posted_to, *await _readers_inboxes(tx, activity, scene, instance)]))


async def _readers_inboxes(
    tx: Transaction, activity: Activity, scene: Scene, instance: Instance
) -> list[str]:
    """Local actors who find the activity in their inbox: those addressed, and those who follow who speaks."""
    found = []
    for recipient in activity.recipients:
        if instance.hosts(recipient) and await tx.actor(recipient) is not None:
            found.append(recipient)
    if any(r == PUBLIC or is_collection(r) for r in activity.recipients):
        for speaker in _spoken_for(activity, scene, instance):
            follows = await tx.followers(speaker)
            found += [f.follower for f in follows if f.state == "accepted" and instance.hosts(f.follower)]
    return [reader for reader in found if reader != activity.actor]


@dataclass(frozen=True, slots=True)
class Copies:
    """What is owed of an activity, and the peers to whom none of it goes for now."""

    deliveries: tuple[Deliver, ...]
    kept_back: frozenset[str]


async def _owed(
    tx: Transaction, activity: Activity, scene: Scene, world: World, *, answering: bool
) -> Copies:
    """Return one delivery for each remote inbox that is owed a copy, as the operator's decisions let it pass (D7).

    Whoever is accepted as a follower is owed the board as well. Raises Forbidden when somebody is asked for something
    who would never hear of it, or when a step of an engagement would not reach the other side.
    """
    instance = world.instance
    # A report is addressed to nobody by name: it goes to the server of whom it is about.
    recipients = flagged(activity)[:1] if activity.type == FLAG else activity.recipients
    peers = {p.origin: p for p in await tx.peers()}
    reached = {o for o, p in peers.items() if p.state in REACHED}
    # Whoever is not reached by everything is for this one message as one that we work with, or as none at all.
    named = {origin(r) for r in recipients if _is_remote(r, instance)}
    for host in sorted((named | {o for o, p in peers.items() if p.state == "frozen"}) - reached):
        peer = peers.get(host)
        state = peer.state if peer is not None else None
        if passes(state, await deed(tx, activity, scene.chain, host)):
            reached.add(host)
            if peer is not None:
                peers[host] = replace(peer, state="allowed")
    followers: dict[str, list[Follower]] = {}
    for speaker in _spoken_for(activity, scene, instance):
        if not {f"{speaker}/followers", f"{speaker}/network"}.isdisjoint(recipients):
            found = [await remote_follower(tx, f, peers, instance) for f in await tx.followers(speaker)]
            followers[speaker] = [follower for follower in found if follower is not None]
    actors: dict[str, str] = {}
    kept_back: set[str] = set()
    between_parties = scene.chain is not None and scene.chain.kind == "Engagement"
    for recipient in recipients:
        if not _is_remote(recipient, instance):
            continue
        host = origin(recipient)
        if host not in reached:
            # Nobody lets in by an agreement whom the operator has blocked.
            lets_in = activity.type == "Accept" and _is_agreement(scene)
            if activity.type in ASKS or lets_in or (between_parties and not answering):
                raise refusal_of_our_own(peers.get(host), host)
            known = await tx.actor(recipient)
            if host in peers and known is not None:
                # Its answer waits for the operator to decide otherwise.
                kept_back.add(host)
                actors[recipient] = _where(known, activity)
            continue
        stored = await tx.actor(recipient)
        if stored is None:
            raise Unmet(recipient)
        actors[recipient] = _where(stored, activity)
    owed = inboxes(recipients, base=instance.base, followers=followers, actors=actors)
    owed = tuple(dict.fromkeys([*owed, *await _relays(tx, activity, scene, peers, instance)]))
    copies = tuple(Deliver(activity.id, activity.actor, inbox, activity.body) for inbox in owed)
    board = await _owed_to_newcomer(tx, activity, scene, peers, instance)
    return Copies((*copies, *board), frozenset(kept_back))


def _where(recipient: StoredActor, activity: Activity) -> str:
    """Return where to post a recipient's copy. One that does not name them says by its inbox alone for whom it is."""
    return recipient.inbox if recipient.id in activity.blind else inbox_of(recipient)


def _is_agreement(scene: Scene) -> bool:
    return scene.chain is not None and scene.chain.kind == AGREEMENT


def _is_remote(recipient: str, instance: Instance) -> bool:
    return not (recipient == PUBLIC or is_collection(recipient) or instance.hosts(recipient))


async def _relays(
    tx: Transaction, activity: Activity, scene: Scene, peers: Mapping[str, Peer], instance: Instance
) -> list[str]:
    """Return the inboxes of the relays that carry it: what is for everybody on our board, and nothing else (REL-9)."""
    public = PUBLIC in activity.recipients and activity.type in CARRIED
    if not public or not _is_on_our_board(activity, scene, instance):
        return []
    refused = {o for o, p in peers.items() if p.state in ("frozen", "blocked")}
    return [r.inbox for r in await tx.relays() if r.state == "accepted" and r.origin not in refused]


def _is_on_our_board(activity: Activity, scene: Scene, instance: Instance) -> bool:
    kind = scene.chain.kind if scene.chain is not None else scene.reference and scene.reference.kind
    return kind in ON_THE_BOARD and instance.hosts(activity.actor)


def _spoken_for(activity: Activity, scene: Scene, instance: Instance) -> tuple[str, ...]:
    """Return whose collections the speaker opens up: its own, and with a proposal the co-op's, whose board it is on."""
    ours = _is_on_our_board(activity, scene, instance)
    return (activity.actor, instance.coop) if ours else (activity.actor,)


async def _owed_to_newcomer(
    tx: Transaction, activity: Activity, scene: Scene, peers: Mapping[str, Peer], instance: Instance
) -> tuple[Deliver, ...]:
    fact = scene.follow
    if fact is None or activity.type != "Accept":
        return ()
    follow = Follow(fact.follower, fact.followed, fact.activity_id, "accepted")
    follower = await remote_follower(tx, follow, peers, instance)
    return await owed_board(tx, fact.followed, follower, instance) if follower is not None else ()


class Unmet(Unavailable):
    """Somebody is owed a copy whose inbox we do not know: the transaction is given up, and tried again once we do.

    Whoever names more strangers than are fetched for one message is told to try again: then fewer are unknown.
    """

    def __init__(self, actor: str) -> None:
        super().__init__("unavailable", "This actor is not known here yet.", received=actor, retry_after=5)
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
