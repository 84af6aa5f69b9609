"""What members allow programs (OAuth): leave is given on a page, fetched with a code, renewed, and taken back.

    allow     the member says yes: a grant, and a code that is good once and for a minute
    redeem    the program brings the code, and proves that it is the one that asked: tokens
    renew     it brings the refresh token: new ones, and the old one is worth nothing
    end       it says goodbye (RFC 7009); the member and the operator use `access.revoke`

A grant is a row of the table of tokens that opens nothing itself; the program's access tokens are begun with it and end
with it. A code and a refresh token have the same form, `<which grant>.<which turn>`: each is good once, and one that
comes again is in two hands, so that the grant ends (RFC 9700 §4.14.2). That takes no list of those that were used.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from fedcoop.errors import Invalid, Unverified
from fedcoop.flow.access import NewToken, hash_token
from fedcoop.flow.world import World
from fedcoop.ports import Grant, Reader, Token, Transaction
from fedcoop.protocol import limits, oauth, scopes
from fedcoop.protocol.oauth import Ask, Client


@dataclass(frozen=True, slots=True)
class Given:
    """What a program gets: an access token, and what renews it; both are shown this once."""

    access: NewToken
    refresh: str


_Answer: TypeAlias = Given | str
"""What came of it, or why nothing did: a refusal that ends something must not undo it by being raised inside."""


async def client_of(client_id: str, world: World) -> Client:
    """Return the program behind a `client_id`, as its document says now.

    Raises:
        Invalid: none that may ask (`client-unknown`). Unavailable: its server gives no answer.
    """
    allowed = world.instance.allow_origins
    oauth.check_client_id(client_id, allow_origins=allowed)
    document = await world.fetcher.client_document(client_id)
    return oauth.read_client(document, client_id, allow_origins=allowed)


async def may_give(session: Token, world: World) -> tuple[str, ...]:
    """Return the scopes that whoever signed in so could give to a program."""
    within = await world.store.read(lambda reader: _within(session, reader))
    return tuple(name for name in oauth.GRANTABLE if name in within)


async def allow(session: Token, ask: Ask, world: World) -> str:
    """Keep that the member behind `session` allows what `ask` asks, and return the code for the program.

    Raises:
        Unverified: the sign-in has ended meanwhile (`token-invalid`).
        Invalid: a scope is asked that the sign-in cannot give (`unknown-code`), or `MAX_GRANTS` are in force
            (`guard-failed`).
    """
    now, family, turn = world.clock(), secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    token = Token(
        hash_token(family), session.actor, now, ask.scopes, ask.client.name,
        now + limits.CODE_LIFE, None, session.begun_with, ask.client.id, "grant",
    )  # fmt: skip
    grant = Grant(token.hash, hash_token(turn), False, ask.redirect_uri, ask.challenge)

    async def keep(tx: Transaction) -> None:
        # (1) Nothing begins with what has ended.
        if await tx.token(session.hash) is None:
            raise Unverified("token-invalid", "This sign-in has ended.")
        # (2) Nobody gives what they have not: a sign-in begun with a token gives no more than that token may.
        scopes.checked(ask.scopes, within=await _within(session, tx))
        await tx.forget_tokens(now)
        held = [one for one in await tx.tokens_of(session.actor) if one.kind == "grant"]
        # (3) What nobody oversees, nobody revokes.
        if len(held) >= limits.MAX_GRANTS:
            raise Invalid(
                "guard-failed",
                "So many programs are allowed that one must be revoked first.",
                expected=f"at most {limits.MAX_GRANTS}",
            )
        await tx.put_token(token)
        await tx.put_grant(grant)

    await world.store.write(keep)
    return f"{family}.{turn}"


async def redeem(*, code: str, client_id: str, redirect_uri: str, verifier: str, world: World) -> Given:
    """Return the first tokens for a code, which is used up by the attempt.

    Raises:
        Malformed: it is none that this program may use now (`grant-invalid`).
    """
    now, (family, turn) = world.clock(), _halves(code)

    async def exchange(tx: Transaction) -> _Answer:
        token, grant = await tx.token(hash_token(family)), await tx.grant(hash_token(family))
        if token is None or grant is None:
            return "it is no code of ours, or not any more"
        for wrong, why in (
            # (1) Used twice, it is in two hands: whatever was given for it ends.
            (
                grant.redeemed or not _same(turn, grant.turn),
                "it was used already; what was given for it has ended",
            ),
            # (2) A minute, and not longer.
            (_over(token, now), "it has ended"),
            # (3) For the program that the member was shown, …
            (client_id != token.client, "it is another program's"),
            # (4) … at the place where it was sent, …
            (redirect_uri != grant.redirect_uri, "redirect_uri is not that of the request"),
            # (5) … and brought by whoever began.
            (not oauth.proves(verifier, grant.challenge), "code_verifier is not that of the request"),
        ):
            if wrong:
                await tx.end_token(token.hash)
                return why
        return await _give(tx, token, grant, family=family, leave=token.scopes, now=now)

    return _or_refuse(await world.store.write(exchange))


async def renew(*, refresh: str, client_id: str, wanted: tuple[str, ...] | None, world: World) -> Given:
    """Return new tokens for a refresh token, which is used up; `wanted` narrows what the access token may do.

    Raises:
        Malformed: it is none that this program may use now (`grant-invalid`), or more is wanted than was allowed
            (`authorization-request`).
    """
    now, (family, turn) = world.clock(), _halves(refresh)

    async def renewal(tx: Transaction) -> _Answer:
        token, grant = await tx.token(hash_token(family)), await tx.grant(hash_token(family))
        # (1) Only while the grant lasts: a revoked one is gone from the table.
        # (2) A code is no refresh token: it takes the proof of who began.
        if token is None or grant is None or _over(token, now) or not grant.redeemed:
            return "it is no refresh token of ours, or not any more"
        # (3) Only the program that it was given to.
        if client_id != token.client:
            return "it is another program's"
        # (4) One that was used comes from whoever kept a copy, or its owner comes after a thief: everything ends.
        if not _same(turn, grant.turn):
            await tx.end_token(token.hash)
            return "it was used already; the grant has ended"
        # (5) Renewing gives no more than the member gave.
        if wanted is not None and not set(wanted) <= set(token.scopes):
            raise oauth.refused("invalid_scope", f"scope is among: {' '.join(token.scopes)}.")
        return await _give(tx, token, grant, family=family, leave=wanted or token.scopes, now=now)

    return _or_refuse(await world.store.write(renewal))


async def end(secret: str, client_id: str, world: World) -> None:
    """End an access token, or with its refresh token the whole grant; nothing happens to what is not this program's."""
    family, _ = _halves(secret)

    async def goodbye(tx: Transaction) -> None:
        for hashed in (hash_token(family), hash_token(secret)):
            found = await tx.token(hashed)
            # (1) A program ends its own: neither another's nor what the member made by hand.
            if found is not None and found.client == client_id:
                await tx.end_token(hashed)

    await world.store.write(goodbye)


async def allowed(world: World, actor: str) -> tuple[Token, ...]:
    """Return what `actor` allows programs now, the oldest first."""
    now = world.clock()
    found = await world.store.read(lambda reader: reader.tokens_of(actor))
    return tuple(token for token in found if token.kind == "grant" and not _over(token, now))


async def _within(session: Token, reader: Reader | Transaction) -> tuple[str, ...]:
    """Return the scopes of what the sign-in was begun with; every one where it was begun with no token."""
    if session.begun_with is None:
        return scopes.ALL
    begun = await reader.token(session.begun_with)
    if begun is None:
        raise Unverified("token-invalid", "This sign-in has ended.")
    return begun.scopes


async def _give(
    tx: Transaction, token: Token, grant: Grant, *, family: str, leave: tuple[str, ...], now: datetime
) -> Given:
    """Put the tokens of the next turn in the place of those before."""
    begun = None if token.begun_with is None else await tx.token(token.begun_with)
    ends = [now + limits.GRANT_LIFE, token.created + limits.MAX_GRANT_LIFE]
    # (1) A grant does not outlive what its member had signed in with.
    ends += [begun.expires] if begun is not None and begun.expires is not None else []
    expires, turn, secret = min(ends), secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    # (2) One access token at a time: what is renewed may have leaked.
    for one in await tx.tokens_of(token.actor):
        if one.begun_with == token.hash:
            await tx.end_token(one.hash)
    access = replace(
        token,
        hash=hash_token(secret), kind="token", scopes=leave, begun_with=token.hash, created=now,
        # (3) Nor does an access token outlive its grant.
        expires=min(now + limits.PROGRAM_TOKEN_LIFE, expires), used=now,
    )  # fmt: skip
    await tx.put_token(access)
    await tx.renew_token(token.hash, used=now, expires=expires)
    await tx.put_grant(replace(grant, turn=hash_token(turn), redeemed=True))
    return Given(NewToken(secret, access), f"{family}.{turn}")


def _halves(exchanged: str) -> tuple[str, str]:
    """Return which grant a code or refresh token belongs to, and which turn of it."""
    family, _, turn = exchanged.partition(".")
    return family, turn


def _same(turn: str, kept: str) -> bool:
    return hmac.compare_digest(hash_token(turn), kept)


def _over(token: Token, now: datetime) -> bool:
    return token.expires is not None and now >= token.expires


def _or_refuse(answer: _Answer) -> Given:
    if isinstance(answer, str):
        raise oauth.grant_refused(answer)
    return answer
