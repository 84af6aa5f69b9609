"""How an instance comes to be, and who belongs to it: the co-op and its members (D11)."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from fedcoop.errors import Conflict, Invalid, Misconfigured, NotFound
from fedcoop.flow import peering
from fedcoop.flow.access import first_token
from fedcoop.flow.keys import first_history
from fedcoop.flow.scene import credential_id
from fedcoop.flow.world import World
from fedcoop.ports import Transaction
from fedcoop.protocol import actors
from fedcoop.protocol.actors import PublicKeys
from fedcoop.protocol.build import contexts
from fedcoop.protocol.messages import Change, Document, PutActor, PutObject
from fedcoop.protocol.model import CODE_LISTS
from fedcoop.protocol.multikey import encode_public, public_key_to_pem
from fedcoop.protocol.proof import sign_document
from fedcoop.protocol.shape import PUBLIC, class_of

CREDENTIAL_LIFE: Final = timedelta(days=364)
"""A MembershipCredential is good for twelve months at most (vocabulary.md §3.12)."""

_USERNAME: Final = re.compile(r"[a-z0-9_]+(?:[a-z0-9_.-]*[a-z0-9_]+)?")
"""What WebFinger and its readers take (DISC-3)."""

decide_peer, list_peers = peering.decide_peer, peering.list_peers
"""Whoever founds an instance says next with whom it works."""

RESERVED: Final = frozenset({"coop", "actor", "admin", "inbox", "outbox"})


@dataclass(frozen=True, slots=True)
class Founded:
    """A new instance: the co-op's actor and the operator's token, which is shown once."""

    coop: str
    application: str
    token: str


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody who joins: a name, and what the co-op knows of their work."""

    name: str
    username: str | None = None
    status: str | None = None
    """WorkStatus code; with one, a MembershipCredential is issued."""
    occupation: Mapping[str, Any] | None = None
    """SkillRef, as in vocabulary.md §3.4."""
    commune: str | None = None
    skills: Sequence[Mapping[str, Any]] = ()
    languages: Sequence[str] = ("fr",)
    since: str | None = None
    """xsd:date of joining; today when absent."""
    client_key: str | None = field(default=None)
    """Name under which an import knows this person; a second import adds nobody twice."""


@dataclass(frozen=True, slots=True)
class NewMember:
    """A member as added; the token is shown once, and None when the person was here already."""

    id: str
    inbox: str
    outbox: str
    token: str | None
    credential: str | None


async def found(world: World, *, name: str, username: str, profile: Mapping[str, Any]) -> Founded:
    """Create the co-op's actor, the instance actor, their keys, the first rules and the operator's token.

    Raises:
        Misconfigured: this database belongs to an instance already; nothing was changed.
    """
    instance, now = world.instance, world.clock()
    await world.keyring.provide([instance.coop, instance.application])
    coop = actors.cooperative(
        base=instance.base,
        username=username,
        keys=public_keys(world, instance.coop),
        profile={"name": name, **profile},
    )
    application = actors.application(
        base=instance.base, keys=public_keys(world, instance.application), name=name
    )
    stamp = _stamp(now)
    rules = (
        actors.fixed_price_rule(base=instance.base, name=name, effective=stamp),
        actors.matching_rule(base=instance.base, effective=stamp),
    )
    token = secrets.token_urlsafe(32)

    async def work(tx: Transaction) -> None:
        await check_unfounded(tx)
        changes: list[Change] = [PutActor(d, local=True, fetched_at=now) for d in (coop, application)]
        changes += [first_history(world, d, now) for d in (coop, application)]
        changes += [_public(world, rule, now) for rule in rules]
        await tx.make(changes)
        await tx.put_token(first_token(token, instance.coop, now))
        await tx.put_meta("base", instance.base)

    await world.store.write(work)
    return Founded(instance.coop, instance.application, token)


async def check_unfounded(tx: Transaction) -> None:
    """Return when nobody was founded in this database; raise Misconfigured when somebody was."""
    owner = await tx.meta("base")
    if owner is not None:
        raise Misconfigured(
            "misconfigured",
            f"this database belongs to an instance already, {owner}",
            extra={"next": "give each instance an empty database of its own; nothing was changed"},
        )


async def add_members(world: World, newcomers: Sequence[Newcomer]) -> tuple[NewMember, ...]:
    """Add people, all or none: an actor, two keys and a token each, and a credential where a status is given.

    Raises:
        Invalid: a username or a code is not one; Conflict: a username is taken; Misconfigured: it is a relay. Nobody
            was added then.
    """
    instance, now = world.instance, world.clock()
    if instance.relaying is not None:
        raise Misconfigured(
            "misconfigured",
            "this instance is a relay, which has no members",
            extra={"next": "found a co-op’s instance beside it: fedcoop init"},
        )
    for newcomer in newcomers:
        if newcomer.status is not None and newcomer.status not in CODE_LISTS["WorkStatus"]:
            codes = ", ".join(CODE_LISTS["WorkStatus"])
            raise Invalid(
                "unknown-code", "There is no such work status.", expected=codes, received=newcomer.status
            )
        if newcomer.commune is not None and newcomer.commune not in instance.communes:
            raise Invalid(
                "unknown-code",
                "There is no such commune.",
                expected="an INSEE code",
                received=newcomer.commune,
            )
    named = await _names(world, newcomers)
    await world.keyring.provide(
        [f"{instance.base}/actors/{username}" for username, known in named if not known]
    )
    joined = [
        (n, u, secrets.token_urlsafe(32)) for n, (u, known) in zip(newcomers, named, strict=True) if not known
    ]

    async def work(tx: Transaction) -> None:
        for newcomer, username, token in joined:
            actor = f"{instance.base}/actors/{username}"
            if await tx.actor(actor) is not None:
                raise Conflict("id-reused", "This username is taken; choose another.", received=username)
            await tx.make(_arrival(world, newcomer, username, now))
            await tx.put_token(first_token(token, actor, now))
            if newcomer.client_key is not None:
                await tx.put_meta(f"member:{newcomer.client_key}", username)

    await world.store.write(work)
    tokens = {username: token for _, username, token in joined}
    return tuple(_added(world, n, u, tokens.get(u)) for n, (u, _) in zip(newcomers, named, strict=True))


async def add_member(world: World, newcomer: Newcomer) -> NewMember:
    """Add one person; as `add_members`."""
    return (await add_members(world, [newcomer]))[0]


async def renew_endpoints(world: World) -> int:
    """Let actors of before say what their server offers since; return how many had not.

    Nobody is told: what an actor's server can do is read when it is needed.
    """
    instance, now = world.instance, world.clock()

    async def work(tx: Transaction) -> int:
        stale = [
            PutActor({**actor.document, "endpoints": wanted}, local=True, fetched_at=now)
            for actor in await tx.local_actors()
            if actor.document.get("type") != "Tombstone"
            and actor.document.get("endpoints") != (wanted := actors.endpoints(instance.base, actor.kind))
        ]
        await tx.make(stale)
        return len(stale)

    return await world.store.write(work)


async def publish_rule(world: World, *, name: str, rule: Document) -> str:
    """Publish a rule of the co-op under `/rules/<name>` and return its id; the same name again changes nothing."""
    instance, now = world.instance, world.clock()
    rule_id = f"{instance.base}/rules/{name}"

    async def work(tx: Transaction) -> None:
        if await tx.object(rule_id) is None:
            await tx.make([_public(world, {**rule, "id": rule_id, "attributedTo": instance.coop}, now)])

    await world.store.write(work)
    return rule_id


def public_keys(world: World, actor: str) -> PublicKeys:
    """Return the published halves of a local actor's keys. Raises Misconfigured when it has none."""
    _, rsa = world.keyring.http_key(actor)
    _, ed25519 = world.keyring.proof_key(actor)
    return PublicKeys(public_key_to_pem(rsa.public_key()), encode_public(ed25519.public_key()))


def username_of(name: str) -> str:
    """Return a username made of a person's name.

    >>> username_of("Zoé L'Héritier")
    'zoe-l-heritier'
    """
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", folded).strip("-") or "membre"


async def _names(world: World, newcomers: Sequence[Newcomer]) -> list[tuple[str, bool]]:
    """Return (username, was added before) for each newcomer; made-up names get a number until they are free."""

    async def work(tx: Transaction) -> list[tuple[str, bool]]:
        taken = {a.username for a in await tx.local_actors()} | RESERVED
        named: list[tuple[str, bool]] = []
        for newcomer in newcomers:
            known = await tx.meta(f"member:{newcomer.client_key}") if newcomer.client_key else None
            if known is not None:
                named.append((known, True))
                continue
            username = newcomer.username or _free(username_of(newcomer.name), taken)
            if not _USERNAME.fullmatch(username) or len(username) > 64:
                raise Invalid("bad-id", "Not a username.", expected="a-z, 0-9, - . _", received=username[:64])
            if username in taken:
                raise Conflict("id-reused", "This username is taken; choose another.", received=username)
            taken.add(username)
            named.append((username, False))
        return named

    return await world.store.write(work)


def _free(wanted: str, taken: set[str]) -> str:
    if wanted not in taken:
        return wanted
    return next(f"{wanted}-{n}" for n in range(2, 100_000) if f"{wanted}-{n}" not in taken)


def _arrival(world: World, newcomer: Newcomer, username: str, now: datetime) -> list[Change]:
    instance = world.instance
    actor = f"{instance.base}/actors/{username}"
    profile: dict[str, Any] = {"name": newcomer.name, "spokenLanguages": list(newcomer.languages)}
    if newcomer.occupation is not None:
        profile["occupation"] = dict(newcomer.occupation)
    if newcomer.skills:
        profile["skills"] = [dict(s) for s in newcomer.skills]
    if newcomer.commune is not None:
        profile["location"] = place_of(world, newcomer.commune)
    document = actors.member(
        base=instance.base, username=username, keys=public_keys(world, actor), profile=profile
    )
    changes: list[Change] = [
        PutActor(document, local=True, fetched_at=now),
        first_history(world, document, now),
    ]
    if newcomer.status is not None:
        changes.append(_credential(world, newcomer, actor, now))
    return changes


def _credential(world: World, newcomer: Newcomer, actor: str, now: datetime) -> PutObject:
    instance = world.instance
    unsigned = actors.membership_credential(
        base=instance.base,
        credential_id=credential_id(instance, actor),
        member_id=actor,
        status=str(newcomer.status),
        since=newcomer.since or now.strftime("%Y-%m-%d"),
        valid_from=_stamp(now - timedelta(days=1)),
        valid_until=_stamp(now + CREDENTIAL_LIFE),
    )
    method, key = world.keyring.proof_key(instance.coop)
    signed = sign_document(unsigned, key=key, verification_method=method, created=now)
    return PutObject(
        str(unsigned["id"]), instance.coop, "MembershipCredential", signed, True, (actor, instance.coop), now
    )


def place_of(world: World, commune: str) -> dict[str, Any]:
    """Return the AS2 Place of a commune, by its INSEE code. Raises NotFound."""
    known = world.instance.communes.get(commune)
    if known is None:
        raise NotFound(
            "unknown-code", "There is no such commune.", expected="an INSEE code", received=commune
        )
    name, latitude, longitude = known
    place: dict[str, Any] = {"type": "Place", "name": name, "inseeCommune": commune, "addressCountry": "FR"}
    if latitude is not None and longitude is not None:
        place |= {"latitude": latitude, "longitude": longitude}
    return place


def _public(world: World, document: Document, now: datetime) -> PutObject:
    """Keep a public document of the co-op, signed, so that whoever is priced by a rule can show it later."""
    instance = world.instance
    method, key = world.keyring.proof_key(instance.coop)
    whole = {"@context": contexts(instance.base), **document}
    signed = sign_document(whole, key=key, verification_method=method, created=now)
    return PutObject(str(document["id"]), instance.coop, class_of(document), signed, True, (PUBLIC,), now)


def _added(world: World, newcomer: Newcomer, username: str, token: str | None) -> NewMember:
    actor = f"{world.instance.base}/actors/{username}"
    credential = credential_id(world.instance, actor) if newcomer.status is not None else None
    return NewMember(actor, f"{actor}/inbox", f"{actor}/outbox", token, credential)


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
