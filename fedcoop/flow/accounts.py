"""Accounts of our own people: invited by the operator, opened by a password, ended by either.

    invite, reset     a link with which somebody sets a password; made by the operator, shown once
    accept            the link was followed: the password is set, and its owner signed in
    sign_in           a name and a password: a sign-in in a browser, or one refusal for every reason
    change_password   the old and a new one: every other sign-in ends
    revoke            no account any more, and nothing that speaks for its owner

An account belongs to an actor and is called as it is (`awa` for `/actors/awa`). How often somebody may try is the
door's business (`web/admission.py`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from fedcoop.errors import Conflict, Invalid, Misconfigured, NotFound, Unverified
from fedcoop.flow.access import NewToken, end_sign_ins, hash_token, open_sign_in
from fedcoop.flow.world import Instance, World
from fedcoop.ports import Account, PasswordHasher, Reader, Token, Transaction
from fedcoop.protocol import limits
from fedcoop.protocol.passwords import flaw_of
from fedcoop.protocol.roles import RoleName
from fedcoop.protocol.scopes import ALL, is_sign_in, of_sign_in

SHOWN_ONCE: Final = 32
"""Bytes of an invitation's secret."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation as made: what to send to whom, shown this once."""

    secret: str
    address: str
    account: Account


@dataclass(frozen=True, slots=True)
class Invited:
    """Whom an invitation that is in force is for."""

    actor: str
    name: str


# -- the operator ------------------------------------------------------------------------------------------------


async def invite(
    world: World, actor: str, role: RoleName, *, life: timedelta = limits.INVITATION_LIFE
) -> Invitation:
    """Invite one of ours to set a password; an earlier invitation that was not followed ends.

    Raises:
        NotFound: we host nobody of that id. Conflict: they have a password already (`guard-failed`).
        Invalid: nobody is given so much time.
    """
    return await _invite(world, actor, role, life, anew=False)


async def reset(
    world: World, actor: str, role: RoleName | None = None, *, life: timedelta = limits.RESET_LIFE
) -> Invitation:
    """Take the password away, end every sign-in and token of its owner, and invite them to set another.

    Raises:
        NotFound: there is no such account. Invalid: nobody is given so much time.
    """
    return await _invite(world, actor, role, life, anew=True)


async def _invite(
    world: World, actor: str, role: RoleName | None, life: timedelta, *, anew: bool
) -> Invitation:
    if not timedelta(0) < life <= limits.INVITATION_LIFE:
        raise Invalid(
            "schema-invalid",
            "An invitation cannot last so long.",
            expected=f"at most {limits.INVITATION_LIFE / timedelta(hours=1):g} hours",
            received=f"{life / timedelta(hours=1):g} hours",
        )
    now, secret = world.clock(), secrets.token_urlsafe(SHOWN_ONCE)

    async def keep(tx: Transaction) -> Account:
        known = await tx.account(actor)
        # (1) The instance actor speaks for no person, and whoever has left is nobody.
        if not await _is_ours(tx, actor, world.instance):
            raise NotFound("not-found", "We host no such member.", received=actor)
        if anew and known is None:
            raise NotFound("not-found", "There is no such account.", received=actor)
        # (2) An invitation opens an account and takes none over.
        if not anew and known is not None and known.password is not None:
            raise Conflict("guard-failed", "There is such an account; its password is set.", received=actor)
        kept = role or (known.role if known is not None else "member")
        account = Account(actor, kept, None, now, hash_token(secret), now + life)
        await tx.put_account(account)
        if anew:
            await _end(tx, actor)
        return account

    account = await world.store.write(keep)
    return Invitation(secret, f"{world.instance.base}/invitation?key={secret}", account)


async def revoke(world: World, actor: str) -> int:
    """End an account, its sign-ins and every token of its owner; return how many of those there were.

    Raises:
        NotFound: there is no such account.
    """

    async def end(tx: Transaction) -> int:
        if await tx.account(actor) is None:
            raise NotFound("not-found", "There is no such account.", received=actor)
        await tx.end_account(actor)
        return await _end(tx, actor)

    return await world.store.write(end)


async def list_accounts(world: World) -> tuple[Account, ...]:
    """Return every account, by actor."""
    return await world.store.read(lambda reader: reader.accounts())


# -- its owner ---------------------------------------------------------------------------------------------------


async def invited(world: World, secret: str) -> Invited:
    """Return whom an invitation is for. Raises Unverified when it is none that is in force (`token-invalid`)."""
    now = world.clock()

    async def find(reader: Reader) -> Invited:
        account = _in_force(await reader.account_invited(hash_token(secret)), now)
        return Invited(account.actor, name_of(account.actor))

    return await world.store.read(find)


async def accept(world: World, secret: str, password: str) -> NewToken:
    """Set the password of whoever was invited, and sign them in. The invitation is used up.

    Raises:
        Unverified: it is no invitation, or was used, or has run out (`token-invalid`).
        Invalid: the password is none that is taken; `extra["flaw"]` says why.
        Unavailable: too many sign in just now.
    """
    found = await invited(world, secret)
    _check_password(password, found.actor, world.instance)
    hashed = await _hasher(world).hashed(password)
    now = world.clock()
    begun, kept = _new_sign_in(found.actor, now)

    async def set_password(tx: Transaction) -> None:
        # (1) Once: of two who follow the same link, the second is told that it was used.
        account = _in_force(await tx.account_invited(hash_token(secret)), now)
        await tx.put_account(
            replace(account, password=hashed, since=now, invitation=None, invited_until=None)
        )
        await end_sign_ins(tx, account.actor)
        await open_sign_in(tx, kept)

    await world.store.write(set_password)
    return NewToken(begun, kept)


async def sign_in(world: World, name: str, password: str) -> NewToken:
    """Begin a sign-in for whoever has this name and password.

    Raises:
        Unverified: nobody has, or not any more (`token-invalid`); the words and the time are the same for every reason.
        Unavailable: too many sign in just now.
    """
    hasher = _hasher(world)
    actor = actor_of(name, world.instance)
    account = await world.store.read(lambda reader: reader.account(actor))
    # (1) A name that nobody has, or that has no password yet, takes as long as a wrong password.
    fits = await hasher.fits(password, account.password if account is not None else None)
    if account is None or account.password is None or not fits:
        raise _refused()
    again = await hasher.hashed(password) if hasher.outdated(account.password) else account.password
    now = world.clock()
    begun, kept = _new_sign_in(actor, now)

    async def begin(tx: Transaction) -> None:
        # (1) The password was right when it was read; it, or the account, may have ended since.
        if await tx.account(actor) != account:
            raise _refused()
        # (2) Whoever has left is nobody.
        if not await _is_ours(tx, actor, world.instance):
            raise _refused()
        if again != account.password:
            await tx.put_account(replace(account, password=again))
        await open_sign_in(tx, kept)

    await world.store.write(begin)
    return NewToken(begun, kept)


async def change_password(
    world: World, by: Token, present: str, chosen: str, *, tokens_too: bool
) -> NewToken:
    """Set another password for the owner of the sign-in `by`, and begin a new one.

    Every sign-in ends, and what programs were allowed; with `tokens_too` their access tokens as well.

    Raises:
        Unverified: `present` is not their password (`token-invalid`), or they have no account.
        Invalid: `chosen` is none that is taken, `extra["flaw"]` says why. Unavailable: too many sign in just now.
    """
    hasher = _hasher(world)
    account = await world.store.read(lambda reader: reader.account(by.actor))
    # (1) Whoever finds a browser signed in does not know the password, and cannot make it theirs.
    fits = await hasher.fits(present, account.password if account is not None else None)
    if account is None or not fits:
        raise _refused()
    _check_password(chosen, by.actor, world.instance)
    hashed = await hasher.hashed(chosen)
    now = world.clock()
    begun, kept = _new_sign_in(by.actor, now)

    async def change(tx: Transaction) -> None:
        # (1) Nor does one who was signed out, or whose account ended, while the password was being hashed.
        if await tx.account(by.actor) != account or await tx.token(by.hash) is None:
            raise _refused()
        await tx.put_account(replace(account, password=hashed, since=now))
        # (2) Whoever else is signed in, or let a program in, may be why the password is changed.
        await _end(tx, by.actor, but_tokens=not tokens_too)
        await open_sign_in(tx, kept)

    await world.store.write(change)
    return NewToken(begun, kept)


async def sign_out_everywhere(world: World, actor: str) -> None:
    """End every sign-in of somebody, on every machine."""
    await world.store.write(lambda tx: end_sign_ins(tx, actor))


def actor_of(name: str, instance: Instance) -> str:
    """Return the id of the actor whose account is called so, whether there is one or not.

    `awa`, `@awa` and `awa@coop.example` are the same; a name that no actor can have is nobody's.
    """
    plain = name.strip().casefold().removeprefix("@").partition("@")[0]
    return f"{instance.base}/actors/{plain if plain and '/' not in plain else '-'}"


def name_of(actor: str) -> str:
    """Return what the account of an actor is called."""
    return actor.rpartition("/")[2]


# -- what all of them need ---------------------------------------------------------------------------------------


def _hasher(world: World) -> PasswordHasher:
    if world.passwords is None:
        raise Misconfigured("misconfigured", "nothing here hashes passwords")
    return world.passwords


def _new_sign_in(actor: str, now: datetime) -> tuple[str, Token]:
    secret = secrets.token_urlsafe(SHOWN_ONCE)
    kept = Token(
        hash_token(secret), actor, now, of_sign_in(ALL), "", now + limits.SESSION_LIFE, now, begun_with=None
    )
    return secret, kept


def _in_force(account: Account | None, now: datetime) -> Account:
    """Return the account whose invitation it is. Raises Unverified when it has run out, or there is none."""
    if account is None or account.invited_until is None or now >= account.invited_until:
        raise Unverified(
            "token-invalid",
            "This invitation was used, or has run out. Ask your co-op's operator for another.",
        )
    return account


def _check_password(password: str, actor: str, instance: Instance) -> None:
    flaw = flaw_of(password, about=(name_of(actor), instance.name, *instance.name.split()))
    if flaw is not None:
        raise Invalid(
            "schema-invalid",
            "This password is not taken.",
            expected=f"at least {limits.MIN_PASSWORD} characters that nobody guesses",
            extra={"flaw": flaw},
        )


async def _is_ours(tx: Transaction, actor: str, instance: Instance) -> bool:
    known = await tx.actor(actor)
    here = known is not None and known.local and known.document.get("type") != "Tombstone"
    return here and actor != instance.application


def _refused() -> Unverified:
    return Unverified("token-invalid", "This name and this password do not belong together.")


async def _end(tx: Transaction, actor: str, *, but_tokens: bool = False) -> int:
    """End what speaks for somebody: sign-ins, what programs were allowed, and unless told otherwise access tokens."""
    held = await tx.tokens_of(actor)
    found = [one for one in held if not but_tokens or one.client is not None or is_sign_in(one.scopes)]
    for token in found:
        await tx.end_token(token.hash)
    return len(found)
