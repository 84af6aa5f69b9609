"""Reads, in one transaction, everything that a decision about one activity may know (house rule: facts first)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from fedcoop.flow.world import Instance
from fedcoop.ports import Transaction
from fedcoop.protocol import agreements, strict_json
from fedcoop.protocol.authorise import FollowFact, Scene, displaced, follow_target, named_anew
from fedcoop.protocol.chain import Reference, proposal_of, proposer_of, reference_of, refold
from fedcoop.protocol.digest import chain_digest
from fedcoop.protocol.effects import PROPOSALS
from fedcoop.protocol.facts import Facts
from fedcoop.protocol.ids import origin
from fedcoop.protocol.listing import plain_proposal
from fedcoop.protocol.messages import Activity, Chain, Document
from fedcoop.protocol.model import PUBLIC_CONTEXT_PATHS
from fedcoop.protocol.policy import AGREEMENT
from fedcoop.protocol.shape import fedcoop_meaning, id_of, read_activity
from fedcoop.protocol.times import said_time


async def gather(
    tx: Transaction, activity: Activity, *, instance: Instance, now: datetime, keys: Mapping[str, Document]
) -> Scene:
    """Return the scene of `activity`. `keys` are the actor documents for the proofs of credentials inside it."""
    reference = reference_of(activity)
    chain = await _chain(tx, activity, reference)
    owner, class_name, updated, gone = await _object(tx, activity)
    scene = Scene(
        base=instance.base,
        now=now,
        fedcoop=fedcoop_meaning(
            activity.raw, frozenset({f"{instance.base}{p}" for p in PUBLIC_CONTEXT_PATHS})
        ),
        reference=reference,
        chain=chain,
        links=await tx.links(chain.id) if chain else (),
        facts=await _facts(tx, activity, reference, chain, instance, now, keys),
        object_owner=owner,
        object_class=class_name,
        object_updated=updated,
        object_gone=gone,
        in_use=await _in_use(tx, activity),
        follow=await _follow(tx, activity) if chain is None else None,
        follows=await _follows(tx, activity),
        profile=await _profile(tx, activity, instance),
        local_actors=await _local(tx, activity, instance),
        rule_digest=await _rule_digest(tx, activity, instance),
        credential=await _credential(tx, activity, instance),
    )
    placement = displaced(scene, activity)
    if placement is None or placement.displaces_from is None or chain is None:
        return scene
    prefix, tail = await split(tx, chain.id, placement.displaces_from, scene.facts)
    return replace(scene, prefix=prefix, taken_off=tail)


async def split(
    tx: Transaction, chain_id: str, version: int, facts: Facts
) -> tuple[Chain | None, tuple[Activity, ...]]:
    """Return the chain as it was before `version`, folded again, and the activities from there on."""
    history = [read_activity(strict_json.loads(a.body), a.body) for a in await tx.history(chain_id)]
    return refold(history[: version - 1], facts), tuple(history[version - 1 :])


async def _chain(tx: Transaction, activity: Activity, reference: Reference | None) -> Chain | None:
    """Return the chain that the activity speaks of; of whatever it speaks, it may be one whose last step it follows."""
    if reference is None:
        return None
    named = await tx.chain(reference.ref)
    if named is None and not reference.begins and activity.previous_digest is not None:
        # What it answers is unknown, what it follows is not: then it is judged, and not told to come again (D3).
        return await tx.chain(activity.previous_digest)
    return named


async def _facts(
    tx: Transaction,
    activity: Activity,
    reference: Reference | None,
    chain: Chain | None,
    instance: Instance,
    now: datetime,
    keys: Mapping[str, Document],
) -> Facts:
    proposal_id, owner = None, chain.owner if chain else None
    if chain is not None and chain.kind == "Engagement":
        proposal_id = chain.proposal
    elif activity.type == "Offer" and activity.object is not None:
        proposal_id = proposal_of(activity.object)
    elif chain is None and reference is not None and reference.begins and activity.object is not None:
        owner = id_of(activity.object.get("attributedTo"))
    proposal = await _proposal(tx, proposal_id) if proposal_id else None
    if owner is None and activity.type == "Offer":
        # Of a proposal that we do not have, whoever is asked is taken for the owner: it may be one of us.
        owner = proposer_of(activity, proposal)
    owner_here = owner is not None and instance.hosts(owner)
    of = proposal.id if proposal else chain.id if chain else None
    proposes = reference is not None and reference.begins and reference.kind == AGREEMENT
    return Facts(
        owner_here=owner_here,
        proposal=proposal,
        proposal_current=owner_here or instance.hosts(activity.actor),
        engagements=await tx.engagements(of) if owner_here and of else (),
        agreements=await _agreements(tx, activity, instance, now) if proposes else (),
        keys=keys,
        rules_known=await _rules_known(tx, activity) if owner_here else True,
        now=now,
        ahead=instance.window[1],
    )


async def _agreements(
    tx: Transaction, activity: Activity, instance: Instance, now: datetime
) -> tuple[Chain, ...]:
    """Return the agreements with the server that proposes one, or to which we do, that are not over."""
    parties = agreements.parties_of(activity).values()
    found = {origin(party) for party in parties if not instance.hosts(party)}
    known = [c for host in sorted(found) for c in await tx.chains_with(host) if c.kind == AGREEMENT]
    then = [replace(c, state=agreements.state_at(c, now)) for c in known]
    return tuple(c for c in then if c.state in agreements.LIVE)


async def _proposal(tx: Transaction, iri: str) -> Chain | None:
    """Return the chain of a proposal, or what stands for it when a plain FEP-0837 peer published it without one."""
    chain = await tx.chain(iri)
    if chain is not None:
        return chain
    stored = await tx.object(iri)
    if stored is None or stored.local or stored.deleted_at is not None:
        return None
    return plain_proposal(iri, stored.owner, stored.document) if stored.object_class in PROPOSALS else None


async def _rules_known(tx: Transaction, activity: Activity) -> bool:
    if activity.object_class != "Mission" or activity.object is None:
        return True
    rules = [id_of(activity.object.get(name)) for name in ("pricingRule", "matchingRule")]
    return all([rule is not None and await tx.object(rule) is not None for rule in rules])


async def _rule_digest(tx: Transaction, activity: Activity, instance: Instance) -> str | None:
    if activity.object_class != "Mission" or activity.object is None or not instance.hosts(activity.actor):
        return None
    named = id_of(activity.object.get("pricingRule")) or f"{instance.base}/rules/fixed-price"
    rule = await tx.object(named)
    return chain_digest(rule.document) if rule is not None else None


async def _object(tx: Transaction, activity: Activity) -> tuple[str | None, str, datetime | None, bool]:
    """Return (owner, class, last change, was deleted) of what it creates, updates or deletes. An actor is its own."""
    if activity.type not in ("Create", "Update", "Delete") or activity.object_id is None:
        return None, "", None, False
    actor = await tx.actor(activity.object_id)
    if actor is not None:
        return actor.id, actor.kind, said_time(actor.document.get("updated")), False
    stored = await tx.object(activity.object_id)
    if stored is None:
        return None, "", None, False
    updated = said_time(stored.document.get("updated"))
    return stored.owner, stored.object_class, updated, stored.deleted_at is not None


async def _in_use(tx: Transaction, activity: Activity) -> frozenset[str]:
    taken = [
        iri
        for iri in named_anew(activity)
        if await tx.object(iri) is not None
        or await tx.chain(iri) is not None
        or await tx.actor(iri) is not None
    ]
    return frozenset(taken)


async def _follows(tx: Transaction, activity: Activity) -> tuple[FollowFact, ...]:
    if activity.type != "Delete" or activity.object_id != activity.actor:
        return ()
    found = [*await tx.followers(activity.actor), *await tx.following(activity.actor)]
    return tuple(FollowFact(f.follower, f.followed, f.activity_id, f.state) for f in found)


async def _profile(tx: Transaction, activity: Activity, instance: Instance) -> Document | None:
    if (
        activity.type != "Update"
        or activity.object_id != activity.actor
        or not instance.hosts(activity.actor)
    ):
        return None
    stored = await tx.actor(activity.actor)
    return stored.document if stored else None


async def _follow(tx: Transaction, activity: Activity) -> FollowFact | None:
    if activity.type == "Follow" and activity.object_id is not None:
        asked = await tx.follow(activity.actor, activity.object_id)
        return FollowFact(asked.follower, asked.followed, asked.activity_id, asked.state) if asked else None
    if activity.type not in ("Accept", "Reject", "Undo"):
        return None
    target = follow_target(activity)
    follow = await tx.follow_by_activity(target) if target else None
    if follow is None and activity.object is not None and activity.object_class == "Follow":
        # An embedded Follow without a usable id still says whom it is about.
        follower, followed = id_of(activity.object.get("actor")), id_of(activity.object.get("object"))
        follow = await tx.follow(follower, followed) if follower and followed else None
    return FollowFact(follow.follower, follow.followed, follow.activity_id, follow.state) if follow else None


async def _local(tx: Transaction, activity: Activity, instance: Instance) -> frozenset[str]:
    named = {*activity.recipients, activity.object_id or "", activity.actor}
    found = [name for name in named if instance.hosts(name) and await tx.actor(name) is not None]
    return frozenset(found)


async def _credential(tx: Transaction, activity: Activity, instance: Instance) -> Document | None:
    if not instance.hosts(activity.actor) or activity.type not in ("Offer", "Accept"):
        return None
    stored = await tx.object(credential_id(instance, activity.actor))
    return stored.document if stored and stored.deleted_at is None else None


def credential_id(instance: Instance, member: str) -> str:
    """Return the id of the MembershipCredential that this co-op issues to `member`."""
    return f"{instance.base}/credentials/membership-{member.rsplit('/', 1)[-1]}"
