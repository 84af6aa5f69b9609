"""Access tokens of our own people: made with a purpose and an end, shown once, held to their scopes, revoked at once.

What is kept of a token is its hash; every request looks it up anew, so that nothing goes on after its end.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from fedcoop.errors import Forbidden, Invalid, NotFound, Unavailable, Unverified
from fedcoop.flow.world import Instance, World
from fedcoop.ports import Reader, Token, Transaction
from fedcoop.protocol import limits, scopes
from fedcoop.protocol.messages import Chain, Document
from fedcoop.protocol.policy import AGREEMENT
from fedcoop.protocol.roles import Right, RoleName, allows
from fedcoop.protocol.shape import class_of, ids_of


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token as made: what to send, shown this once, and what is kept of it."""

    secret: str
    kept: Token


def hash_token(token: str) -> str:
    """Return what is stored of an access token: enough to know it again, not enough to use it."""
    return hashlib.sha256(token.encode()).hexdigest()


def first_token(secret: str, actor: str, now: datetime) -> Token:
    """Return the token that an actor gets when it is made: every scope, until it is revoked."""
    return Token(hash_token(secret), actor, now, scopes.ALL, "", None, None)


async def token_behind(secret: str, world: World) -> Token:
    """Return the token in force that was sent. Raises Unverified (`token-invalid`)."""
    found = await _kept(hash_token(secret), world)
    now = world.clock()
    # (1) Only what we gave out, until its end: a revoked one is gone from the table.
    # (2) What a browser sends by itself is no token.
    # (3) Nor is what a program renews its tokens with.
    if found is None or not _in_force(found, now) or scopes.is_sign_in(found.scopes) or found.kind == "grant":
        raise Unverified(
            "token-invalid", "This access token is not known here. Ask your co-op's operator for a new one."
        )
    await _note_use(found, now, world)
    return found


async def begin_session(world: World, by: Token) -> NewToken:
    """Begin a sign-in in a browser, with a new secret each time; it ends with `by` at the latest.

    Raises Unverified: `by` was revoked meanwhile, or is a program's.
    """
    # (1) A program that was allowed to read is not a person: on our pages it could allow itself, and others, more.
    if by.client is not None:
        raise Unverified("token-invalid", "A program's token signs nobody in.")
    now, secret = world.clock(), secrets.token_urlsafe(32)
    end = now + limits.SESSION_LIFE
    expires = end if by.expires is None else min(end, by.expires)
    leave = scopes.of_sign_in(by.scopes)
    kept = Token(hash_token(secret), by.actor, now, leave, "", expires, now, by.hash)

    async def begin(tx: Transaction) -> None:
        # (1) Nothing begins with what has ended.
        if await tx.token(by.hash) is None:
            raise Unverified("token-invalid", "This access token was revoked.")
        await open_sign_in(tx, kept)

    await world.store.write(begin)
    return NewToken(secret, kept)


async def open_sign_in(tx: Transaction, sign_in: Token) -> None:
    """Keep a new sign-in, whatever it was begun with."""
    await tx.forget_tokens(sign_in.created)
    open_ones = [token for token in await tx.tokens_of(sign_in.actor) if scopes.is_sign_in(token.scopes)]
    # (1) Somebody who signs in again and again pushes out the oldest, and fills no table.
    for token in open_ones[: max(0, len(open_ones) + 1 - limits.MAX_SESSIONS)]:
        await tx.end_token(token.hash)
    await tx.put_token(sign_in)


async def end_sign_ins(tx: Transaction, actor: str) -> None:
    """End every sign-in of somebody, on every machine, and whatever was begun with one."""
    for token in await tx.tokens_of(actor):
        if scopes.is_sign_in(token.scopes):
            await tx.end_token(token.hash)


async def session_behind(secret: str, world: World) -> Token:
    """Return the sign-in in force behind a cookie. Raises Unverified (`token-invalid`)."""
    found = await _kept(hash_token(secret), world)
    now = world.clock()
    # (1) An access token in a cookie opens nothing: a sign-in is begun on the page for it.
    if found is None or not scopes.is_sign_in(found.scopes) or not _in_force(found, now):
        raise Unverified("token-invalid", "This sign-in has ended.")
    await _note_use(found, now, world)
    return found


async def end_session(secret: str, world: World) -> None:
    """End the sign-in behind a cookie, if it is one; whoever kept a copy of the cookie has nothing."""
    hashed = hash_token(secret)

    async def end(tx: Transaction) -> None:
        found = await tx.token(hashed)
        if found is not None and scopes.is_sign_in(found.scopes):
            await tx.end_token(hashed)

    await world.store.write(end)


async def role_of(reader: Reader, actor: str, instance: Instance) -> RoleName:
    """Return what somebody is here, as their account says; whoever speaks for the co-operative operates."""
    if actor == instance.coop:
        return "operator"
    account = await reader.account(actor)
    return "member" if account is None else account.role


async def may(sign_in: Token, right: Right, world: World) -> bool:
    """Tell whether this may be done with a sign-in."""
    try:
        await check_right(sign_in, right, world)
    except Forbidden:
        return False
    return True


async def check_right(sign_in: Token, right: Right, world: World) -> None:
    """Pass when this may be done with a sign-in.

    Raises:
        Forbidden: it was begun with a token that was not given leave to operate (`scope-missing`), or its owner's role
            does not allow it (`role-missing`).
    """
    # (1) A token that was made for reading a calendar opens no operator's page, whosever it is.
    if "operate" not in sign_in.scopes:
        raise Forbidden(
            "scope-missing",
            "You signed in with a token that was not given leave to do this.",
            expected="operate",
            received=" ".join(sign_in.scopes),
        )
    # (2) And the role is looked up for each request: it ends at once.
    role = await world.store.read(lambda reader: role_of(reader, sign_in.actor, world.instance))
    if not allows(role, right):
        raise Forbidden(
            "role-missing", "This is for those who operate this instance.", expected="operator", received=role
        )


async def new_token(
    world: World,
    actor: str,
    *,
    name: str,
    wanted: Iterable[str],
    life: timedelta = limits.TOKEN_LIFE,
    by: Token | None = None,
) -> NewToken:
    """Make a token for one of our actors. `by`: the token with which its owner asks, None for the operator.

    Raises:
        Invalid: the name, a scope or the life is none that a token may have.
        NotFound: we host no such actor.
        Invalid: this actor has `MAX_TOKENS` already (`guard-failed`).
    """
    now = world.clock()
    if not (0 < len(name) <= limits.MAX_TOKEN_NAME and name.isprintable() and name.strip()):
        raise Invalid(
            "schema-invalid",
            "A token needs a name by which its owner knows it again.",
            expected=f"1 to {limits.MAX_TOKEN_NAME} characters on one line",
        )
    if not timedelta(0) < life <= limits.MAX_TOKEN_LIFE:
        raise Invalid(
            "schema-invalid",
            "A token cannot last so long.",
            expected=f"1 to {limits.MAX_TOKEN_LIFE.days} days",
            received=f"{life / timedelta(days=1):g} days",
        )
    # (1) A token makes none that may do more than itself.
    leave = scopes.checked(wanted, within=scopes.ALL if by is None else by.scopes)
    expires = now + life
    # (2) Nor one that outlives it.
    if by is not None and by.expires is not None:
        expires = min(expires, by.expires)
    secret = secrets.token_urlsafe(32)
    kept = Token(hash_token(secret), actor, now, leave, name.strip(), expires, None)

    async def keep(tx: Transaction) -> None:
        known = await tx.actor(actor)
        # (1) The instance actor speaks for no person: nobody gets a token of it.
        if known is None or not known.local or actor == world.instance.application:
            raise NotFound("not-found", "We host no such member.", received=actor)
        # (2) The one that asks may have been revoked since the request began.
        if by is not None and await tx.token(by.hash) is None:
            raise Unverified("token-invalid", "This access token was revoked.")
        await tx.forget_tokens(now)
        # (What programs hold has a limit of its own.)
        held = [
            token
            for token in await tx.tokens_of(actor)
            if not scopes.is_sign_in(token.scopes) and token.client is None
        ]
        if len(held) >= limits.MAX_TOKENS:
            raise Invalid(
                "guard-failed",
                "So many tokens are in force that one must be revoked first.",
                expected=f"at most {limits.MAX_TOKENS}",
            )
        await tx.put_token(kept)

    await world.store.write(keep)
    return NewToken(secret, kept)


async def tokens_of(world: World, actor: str) -> tuple[Token, ...]:
    """Return the tokens in force of an actor, the oldest first.

    Of what a program holds it is the grant: its access token is a new one every hour, and ends with that.
    """
    now = world.clock()
    found = await world.store.read(lambda reader: reader.tokens_of(actor))
    return tuple(
        token for token in found if _in_force(token, now) and (token.client is None or token.kind == "grant")
    )


async def revoke(world: World, actor: str, token_id: str) -> None:
    """End the token of `actor` that is called so; once this returns, it opens nothing more. Raises NotFound."""

    async def end(tx: Transaction) -> None:
        # (1) Among the actor's own: another's id is as unknown as none.
        found = [token for token in await tx.tokens_of(actor) if token.id == token_id]
        if not found:
            raise NotFound("not-found", "There is no such token.", received=token_id)
        for token in found:
            await tx.end_token(token.hash)

    await world.store.write(end)


async def revoke_all(world: World, actor: str) -> int:
    """End every token of `actor` and return how many there were."""

    async def work(tx: Transaction) -> int:
        found = await tx.tokens_of(actor)
        for token in found:
            await tx.end_token(token.hash)
        return len(found)

    return await world.store.write(work)


async def scope_to_say(document: Document, world: World) -> str:
    """Return the scope that it takes to say `document`.

    `follow` for what concerns a Follow, `operate` for what concerns a federation agreement, otherwise `write`.
    """
    kind = document.get("type")
    if kind == "Follow":
        return "follow"
    about = document.get("object")
    shown = [document, *(about if isinstance(about, list) else [about])]
    # (1) With whom we work, the operator decides: no program is given leave for it, whatever form it gives the message.
    if any(class_of(one) == AGREEMENT for one in shown if isinstance(one, dict)):
        return "operate"
    names = [*ids_of(about), *ids_of(document.get("id"))]
    # (2) Nor for a step of one that we know, by its own id or by that of a step.
    chains = await world.store.read(lambda reader: _chains(reader, names))
    if any(chain.kind == AGREEMENT for chain in chains):
        return "operate"
    about = about.get("id") if isinstance(about, dict) else about
    if kind in ("Undo", "Accept", "Reject") and isinstance(about, str):
        # (3) What the object says of itself is not believed: the Follow is the one that we know by that id.
        known = await world.store.read(lambda reader: reader.activity(about))
        if known is not None and known.type == "Follow":
            return "follow"
    return "write"


async def _chains(reader: Reader, names: Iterable[str]) -> list[Chain]:
    found = [await reader.chain(name) for name in names]
    return [chain for chain in found if chain is not None]


def _in_force(token: Token, now: datetime) -> bool:
    # A browser that was left alone for long may be in other hands.
    idle = scopes.is_sign_in(token.scopes) and now >= (token.used or token.created) + limits.SESSION_IDLE
    return not idle and (token.expires is None or now < token.expires)


async def _kept(hashed: str, world: World) -> Token | None:
    async def find(reader: Reader) -> Token | None:
        return await reader.token(hashed)

    return await world.store.read(find)


async def _note_use(token: Token, now: datetime, world: World) -> None:
    """Write down that a token is in use: at most once an hour, and never at the cost of the request."""
    if token.used is not None and now - token.used < limits.TOKEN_USE_EVERY:
        return

    async def work(tx: Transaction) -> None:
        await tx.token_used(token.hash, now)

    try:
        await world.store.write(work)
    except Unavailable:
        return
