"""Accounts: invited, opened, used, changed and ended; and what never says whether there is one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from fedcoop.errors import Conflict, Invalid, Misconfigured, NotFound, Unverified
from fedcoop.flow import access, accounts
from fedcoop.flow.access import NewToken
from fedcoop.ports import Account
from fedcoop.protocol import limits
from fedcoop.protocol.messages import PutActor
from fedcoop.protocol.roles import RoleName
from fedcoop.protocol.scopes import ALL
from tests.flow.federation import Coop, Federation, Passwords

GOOD, OTHER = "trois vélos bleus", "quatre vélos verts"


async def an_account(coop: Coop, actor: str, role: RoleName = "member") -> NewToken:
    """Invite somebody who sets the password GOOD; return their first sign-in."""
    made = await accounts.invite(coop.world, actor, role)
    return await accounts.accept(coop.world, made.secret, GOOD)


async def kept(coop: Coop, actor: str) -> Account | None:
    return await coop.world.store.read(lambda reader: reader.account(actor))


def hasher(coop: Coop) -> Passwords:
    assert isinstance(coop.world.passwords, Passwords)
    return coop.world.passwords


async def ended(coop: Coop, sign_in: NewToken) -> bool:
    try:
        await access.session_behind(sign_in.secret, coop.world)
    except Unverified:
        return True
    return False


# -- invitations -------------------------------------------------------------------------------------------------


async def test_whoever_is_invited_sets_a_password_and_is_signed_in(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    made = await accounts.invite(lyon.world, awa, "member")
    assert made.address == f"{lyon.base}/invitation?key={made.secret}"
    assert len(made.secret) == 43
    assert (await accounts.invited(lyon.world, made.secret)).name == "awa"
    begun = await accounts.accept(lyon.world, made.secret, GOOD)
    assert (await access.session_behind(begun.secret, lyon.world)).actor == awa
    found = await kept(lyon, awa)
    assert found is not None
    assert (found.password, found.invitation, found.invited_until) == (f"new:{GOOD[::-1]}", None, None)
    assert (await accounts.sign_in(lyon.world, "awa", GOOD)).kept.actor == awa


async def test_an_invitation_works_once(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    made = await accounts.invite(lyon.world, awa, "member")
    await accounts.accept(lyon.world, made.secret, GOOD)
    for again in (accounts.accept(lyon.world, made.secret, OTHER), accounts.invited(lyon.world, made.secret)):
        with pytest.raises(Unverified) as refused:
            await again
        assert refused.value.code == "token-invalid"
    await accounts.sign_in(lyon.world, "awa", GOOD)


async def test_of_two_who_follow_a_link_at_once_one_sets_the_password(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    made = await accounts.invite(lyon.world, awa, "member")
    real = hasher(lyon).hashed

    async def meanwhile(password: str) -> str:
        hasher(lyon).hashed = real  # type: ignore[method-assign]
        await accounts.accept(lyon.world, made.secret, OTHER)
        return await real(password)

    hasher(lyon).hashed = meanwhile  # type: ignore[method-assign]
    with pytest.raises(Unverified):
        await accounts.accept(lyon.world, made.secret, GOOD)
    await accounts.sign_in(lyon.world, "awa", OTHER)


async def test_an_invitation_runs_out(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    made = await accounts.invite(lyon.world, awa, "member", life=timedelta(hours=1))
    lyon.clock.advance(hours=1, microseconds=-1)
    await accounts.invited(lyon.world, made.secret)
    lyon.clock.advance(microseconds=1)
    with pytest.raises(Unverified):
        await accounts.invited(lyon.world, made.secret)
    with pytest.raises(Unverified):
        await accounts.accept(lyon.world, made.secret, GOOD)


async def test_a_later_invitation_ends_the_earlier_and_its_role(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    first = await accounts.invite(lyon.world, awa, "operator")
    second = await accounts.invite(lyon.world, awa, "member")
    with pytest.raises(Unverified):
        await accounts.accept(lyon.world, first.secret, GOOD)
    assert second.account.role == "member"
    await accounts.accept(lyon.world, second.secret, GOOD)


async def test_an_invitation_takes_no_account_over(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    begun = await an_account(lyon, awa)
    with pytest.raises(Conflict) as refused:
        await accounts.invite(lyon.world, awa, "operator")
    assert refused.value.code == "guard-failed"
    assert not await ended(lyon, begun)


async def test_only_our_own_people_are_invited(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    for nobody in (lyon.world.instance.application, f"{lyon.base}/actors/nobody", nantes.id, "x"):
        with pytest.raises(NotFound):
            await accounts.invite(lyon.world, nobody, "operator")
    await accounts.invite(lyon.world, lyon.id, "operator")


@pytest.mark.parametrize(
    "life", [timedelta(0), timedelta(days=-1), limits.INVITATION_LIFE + timedelta(seconds=1)]
)
async def test_an_invitation_lasts_no_longer_than_it_may(federation: Federation, life: timedelta):
    awa = await federation.lyon.member("awa")
    with pytest.raises(Invalid):
        await accounts.invite(federation.lyon.world, awa, "member", life=life)


@pytest.mark.parametrize(
    ("password", "flaw"),
    [("court", "too-short"), ("motdepasse2026", "too-plain"), ("awa-awa-awa-1984", "about-you"),
     ("lyon.example 1", "about-you")],
)  # fmt: skip
async def test_a_password_that_is_guessed_is_not_set(federation: Federation, password: str, flaw: str):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    made = await accounts.invite(lyon.world, awa, "member")
    with pytest.raises(Invalid) as refused:
        await accounts.accept(lyon.world, made.secret, password)
    assert refused.value.extra == {"flaw": flaw}
    assert password not in str(refused.value)
    await accounts.accept(lyon.world, made.secret, GOOD)


async def test_only_hashes_are_in_the_database(federation: Federation):
    lyon = federation.lyon
    awa, malo = await lyon.member("awa"), await lyon.member("malo")
    invited = await accounts.invite(lyon.world, awa, "member")
    begun = await an_account(lyon, malo)
    engine = create_async_engine(f"sqlite+aiosqlite:///{lyon.folder}/fedcoop.db")
    async with engine.connect() as connection:
        rows = str(
            [(await connection.execute(text(f"SELECT * FROM {t}"))).all() for t in ("account", "token")]
        )
    await engine.dispose()
    assert invited.account.invitation
    assert invited.account.invitation in rows
    for secret in (invited.secret, begun.secret, GOOD):
        assert secret not in rows


# -- signing in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["awa", " awa ", "AWA", "@awa", "awa@lyon.example", "@Awa@lyon.example"])
async def test_a_name_is_known_however_it_is_written(federation: Federation, name: str):
    lyon = federation.lyon
    await an_account(lyon, await lyon.member("awa"))
    assert (await accounts.sign_in(lyon.world, name, GOOD)).kept.actor == f"{lyon.base}/actors/awa"


async def test_every_reason_is_one_refusal_after_one_look(federation: Federation):
    lyon = federation.lyon
    awa, malo = await lyon.member("awa"), await lyon.member("malo")
    await an_account(lyon, awa)
    await accounts.invite(lyon.world, malo, "member")
    said = set()
    for name, password in (
        ("awa", OTHER), ("awa", ""), ("awa", GOOD.upper()), ("malo", GOOD), ("malo", ""), ("nobody", GOOD), ("", ""),
        ("coop", GOOD), ("../actor", GOOD), ("awa/x", GOOD), ("\u0430wa", GOOD), ("awa\x00", GOOD),
    ):  # fmt: skip
        hasher(lyon).looked.clear()
        with pytest.raises(Unverified) as refused:
            await accounts.sign_in(lyon.world, name, password)
        said.add((refused.value.code, refused.value.detail, refused.value.received, refused.value.expected))
        assert len(hasher(lyon).looked) == 1, name
    assert len(said) == 1


async def test_a_password_that_ended_while_it_was_looked_at_opens_nothing(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    await an_account(lyon, awa)

    async def meanwhile() -> None:
        hasher(lyon).between = None
        await accounts.reset(lyon.world, awa)

    hasher(lyon).between = meanwhile
    with pytest.raises(Unverified):
        await accounts.sign_in(lyon.world, "awa", GOOD)
    assert await access.tokens_of(lyon.world, awa) == ()


async def test_whoever_has_left_signs_in_no_more(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    await an_account(lyon, awa)
    gone = {"id": awa, "type": "Tombstone", "formerType": "Person", "inbox": f"{awa}/inbox"}
    change = PutActor(gone, local=True, fetched_at=lyon.clock())
    await lyon.world.store.write(lambda tx: tx.make([change]))
    with pytest.raises(Unverified):
        await accounts.sign_in(lyon.world, "awa", GOOD)


async def test_each_sign_in_is_a_new_secret_that_opens_pages_only(federation: Federation):
    lyon = federation.lyon
    await an_account(lyon, await lyon.member("awa"))
    one, two = [await accounts.sign_in(lyon.world, "awa", GOOD) for _ in range(2)]
    assert one.secret != two.secret
    assert one.kept.scopes == ("pages", "operate")
    assert one.kept.expires == lyon.clock() + limits.SESSION_LIFE
    with pytest.raises(Unverified):
        await access.token_behind(one.secret, lyon.world)


async def test_what_was_hashed_with_less_work_is_hashed_anew_at_the_next_sign_in(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    await an_account(lyon, awa)
    before = await kept(lyon, awa)
    assert before is not None
    weak = replace(before, password=f"old:{GOOD[::-1]}")
    await lyon.world.store.write(lambda tx: tx.put_account(weak))
    await accounts.sign_in(lyon.world, "awa", GOOD)
    assert await kept(lyon, awa) == before


async def test_without_a_hasher_nobody_signs_in(federation: Federation):
    with pytest.raises(Misconfigured):
        await accounts.sign_in(replace(federation.lyon.world, passwords=None), "awa", GOOD)


# -- changing and ending -----------------------------------------------------------------------------------------


async def everything_of(coop: Coop, actor: str) -> tuple[NewToken, NewToken, NewToken]:
    """Return a sign-in with a password, an access token, and a sign-in with that token."""
    by_password = await accounts.sign_in(coop.world, accounts.name_of(actor), GOOD)
    token = await access.new_token(coop.world, actor, name="Agenda", wanted=ALL)
    return by_password, token, await access.begin_session(coop.world, token.kept)


@pytest.mark.parametrize("tokens_too", [True, False])
async def test_another_password_ends_every_other_sign_in(federation: Federation, tokens_too: bool):
    lyon = federation.lyon
    awa, malo = await lyon.member("awa"), await lyon.member("malo")
    mine, others = await an_account(lyon, awa), await an_account(lyon, malo)
    by_password, token, by_token = await everything_of(lyon, awa)
    fresh = await accounts.change_password(lyon.world, mine.kept, GOOD, OTHER, tokens_too=tokens_too)
    assert [await ended(lyon, one) for one in (mine, by_password, by_token)] == [True] * 3
    assert not await ended(lyon, fresh)
    assert not await ended(lyon, others)
    left = [one.hash for one in await access.tokens_of(lyon.world, awa)]
    assert (token.kept.hash in left) == (not tokens_too)
    with pytest.raises(Unverified):
        await accounts.sign_in(lyon.world, "awa", GOOD)
    await accounts.sign_in(lyon.world, "awa", OTHER)


async def test_another_password_ends_what_programs_were_allowed(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    mine = await an_account(lyon, awa)
    grant = replace(
        (await access.new_token(lyon.world, awa, name="App", wanted=["read"])).kept,
        hash="g" * 64, client="https://app.example/client.json", kind="grant",
    )  # fmt: skip
    await lyon.world.store.write(lambda tx: tx.put_token(grant))
    await accounts.change_password(lyon.world, mine.kept, GOOD, OTHER, tokens_too=False)
    assert await lyon.world.store.read(lambda reader: reader.token("g" * 64)) is None


async def test_whoever_does_not_know_the_password_changes_it_not(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    mine = await an_account(lyon, awa)
    for present in ("", OTHER):
        with pytest.raises(Unverified):
            await accounts.change_password(lyon.world, mine.kept, present, OTHER, tokens_too=True)
    with pytest.raises(Invalid) as refused:
        await accounts.change_password(lyon.world, mine.kept, GOOD, "awa-awa-awa-1984", tokens_too=True)
    assert refused.value.extra == {"flaw": "about-you"}
    assert not await ended(lyon, mine)
    await accounts.sign_in(lyon.world, "awa", GOOD)


async def test_without_an_account_there_is_no_password_to_change(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    token = await access.new_token(lyon.world, awa, name="Agenda", wanted=["read"])
    begun = await access.begin_session(lyon.world, token.kept)
    with pytest.raises(Unverified):
        await accounts.change_password(lyon.world, begun.kept, "", GOOD, tokens_too=False)
    assert await kept(lyon, awa) is None


async def test_whoever_is_signed_out_meanwhile_changes_nothing(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    mine = await an_account(lyon, awa)

    async def meanwhile() -> None:
        await access.end_session(mine.secret, lyon.world)

    hasher(lyon).between = meanwhile
    with pytest.raises(Unverified):
        await accounts.change_password(lyon.world, mine.kept, GOOD, OTHER, tokens_too=False)
    hasher(lyon).between = None
    await accounts.sign_in(lyon.world, "awa", GOOD)


async def test_a_reset_ends_everything_that_speaks_for_its_owner(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    mine = await an_account(lyon, awa, "operator")
    by_password, token, by_token = await everything_of(lyon, awa)
    made = await accounts.reset(lyon.world, awa)
    assert made.account.invited_until == lyon.clock() + limits.RESET_LIFE
    assert [await ended(lyon, one) for one in (mine, by_password, by_token)] == [True] * 3
    with pytest.raises(Unverified):
        await access.token_behind(token.secret, lyon.world)
    with pytest.raises(Unverified):
        await accounts.sign_in(lyon.world, "awa", GOOD)
    await accounts.accept(lyon.world, made.secret, OTHER)
    after = await kept(lyon, awa)
    assert after is not None
    assert after.role == "operator", "a reset changes no role unless it is said"
    assert (await accounts.reset(lyon.world, awa, "member")).account.role == "member"


async def test_an_account_that_has_ended_is_nobodys(federation: Federation):
    lyon = federation.lyon
    awa, malo = await lyon.member("awa"), await lyon.member("malo")
    mine, others = await an_account(lyon, awa), await an_account(lyon, malo)
    await everything_of(lyon, awa)
    assert await accounts.revoke(lyon.world, awa) >= 4
    assert await ended(lyon, mine)
    assert not await ended(lyon, others)
    assert await access.tokens_of(lyon.world, awa) == ()
    with pytest.raises(Unverified):
        await accounts.sign_in(lyon.world, "awa", GOOD)
    assert [account.actor for account in await accounts.list_accounts(lyon.world)] == [malo]
    for ending in (accounts.revoke(lyon.world, awa), accounts.reset(lyon.world, awa)):
        with pytest.raises(NotFound):
            await ending


async def test_signing_out_everywhere_ends_sign_ins_and_no_token(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    mine = await an_account(lyon, awa)
    by_password, token, by_token = await everything_of(lyon, awa)
    await accounts.sign_out_everywhere(lyon.world, awa)
    assert [await ended(lyon, one) for one in (mine, by_password, by_token)] == [True] * 3
    await access.token_behind(token.secret, lyon.world)


async def test_a_role_is_of_the_account_and_ends_at_once(federation: Federation):
    lyon = federation.lyon
    awa, malo = await lyon.member("awa"), await lyon.member("malo")
    operator, member = await an_account(lyon, awa, "operator"), await an_account(lyon, malo)
    assert await access.may(operator.kept, "retry-deliveries", lyon.world)
    assert not await access.may(member.kept, "see-deliveries", lyon.world)
    found = await kept(lyon, awa)
    assert found is not None
    await lyon.world.store.write(lambda tx: tx.put_account(replace(found, role="member")))
    assert not await access.may(operator.kept, "see-deliveries", lyon.world)


async def test_a_role_is_no_use_to_a_token_that_may_not_operate(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    await an_account(lyon, awa, "operator")
    for wanted, may in ((["read"], False), (["read", "operate"], True)):
        token = await access.new_token(lyon.world, awa, name="x", wanted=wanted)
        begun = await access.begin_session(lyon.world, token.kept)
        assert await access.may(begun.kept, "see-peers", lyon.world) == may
