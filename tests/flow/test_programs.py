"""What members allow programs: codes and refresh tokens are good once, for one program, and end together."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fedcoop.errors import FedcoopError, Invalid, Malformed, Unverified
from fedcoop.flow import access, programs
from fedcoop.flow.programs import Given
from fedcoop.ports import Token
from fedcoop.protocol import limits, oauth
from fedcoop.protocol.oauth import Ask, Client
from tests.flow.federation import Coop, Federation

APP = "https://app.example/program.json"
CB = "https://app.example/cb"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CLIENT = Client(APP, "Agenda", (CB,))
ASK = Ask(CLIENT, CB, ("read", "write"), "x", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
MINUTE = timedelta(minutes=1)


async def a_sign_in(coop: Coop, *scopes: str) -> Token:
    begun = await access.new_token(
        coop.world, coop.id, name="t", wanted=scopes or ("read", "write"), life=timedelta(days=300)
    )
    return (await access.begin_session(coop.world, begun.kept)).kept


async def a_code(coop: Coop, session: Token | None = None, ask: Ask = ASK) -> str:
    return await programs.allow(session or await a_sign_in(coop), ask, coop.world)


async def redeemed(coop: Coop, code: str, **changed: Any) -> Given:
    said = {"code": code, "client_id": APP, "redirect_uri": CB, "verifier": VERIFIER, **changed}
    return await programs.redeem(world=coop.world, **said)


async def renewed(coop: Coop, refresh: str, **changed: Any) -> Given:
    return await programs.renew(
        world=coop.world, **{"refresh": refresh, "client_id": APP, "wanted": None, **changed}
    )


async def given(coop: Coop) -> Given:
    return await redeemed(coop, await a_code(coop))


async def opens(coop: Coop, secret: str) -> bool:
    try:
        await access.token_behind(secret, coop.world)
    except Unverified:
        return False
    return True


def refused(code: str = "grant-invalid", kind: type[FedcoopError] = Malformed) -> Any:
    return pytest.raises(kind, match=code)


async def test_a_code_becomes_a_token_that_does_what_was_allowed(federation: Federation):
    nantes = federation.nantes
    got = await given(nantes)
    token = await access.token_behind(got.access.secret, nantes.world)
    assert (token.actor, token.scopes, token.client, token.name) == (
        nantes.id,
        ("read", "write"),
        APP,
        "Agenda",
    )
    assert token.expires == nantes.clock() + timedelta(hours=1)


async def test_it_is_listed_as_one_thing_and_revoked_as_one(federation: Federation):
    nantes = federation.nantes
    got = await renewed(nantes, (await given(nantes)).refresh)
    (kept,) = [t for t in await access.tokens_of(nantes.world, nantes.id) if t.client]
    assert (kept.kind, kept.client, kept.name, kept.scopes) == ("grant", APP, "Agenda", ("read", "write"))
    assert await programs.allowed(nantes.world, nantes.id) == (kept,)
    await access.revoke(nantes.world, nantes.id, kept.id)
    assert not await opens(nantes, got.access.secret)
    assert await programs.allowed(nantes.world, nantes.id) == ()
    with refused():
        await renewed(nantes, got.refresh)


async def test_nothing_of_it_but_the_access_token_opens_anything(federation: Federation):
    nantes = federation.nantes
    code = await a_code(nantes)
    got = await redeemed(nantes, code)
    for secret in (code, *code.split("."), got.refresh, *got.refresh.split(".")):
        assert not await opens(nantes, secret)
        with pytest.raises(Unverified):
            await access.session_behind(secret, nantes.world)
    assert await opens(nantes, got.access.secret)


# -- codes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "https://app.example/other.json"},
        {"redirect_uri": CB + "/"},
        {"verifier": VERIFIER.replace("d", "e")},
        {"verifier": ASK.challenge},
        {"verifier": ""},
    ],
)
async def test_a_code_is_for_the_program_the_place_and_the_one_that_asked(
    federation: Federation, changed: dict[str, str]
):
    nantes = federation.nantes
    code = await a_code(nantes)
    with refused() as caught:
        await redeemed(nantes, code, **changed)
    assert oauth.error_of(caught.value) == "invalid_grant"
    # The attempt used it up: it is in hands that it was not meant for.
    with refused():
        await redeemed(nantes, code)


async def test_a_code_lasts_a_minute(federation: Federation):
    nantes = federation.nantes
    good, late = await a_code(nantes), await a_code(nantes)
    nantes.clock.now += MINUTE - timedelta(microseconds=1)
    await redeemed(nantes, good)
    nantes.clock.now += timedelta(microseconds=1)
    with refused():
        await redeemed(nantes, late)


async def test_a_code_that_comes_again_ends_what_was_given_for_it(federation: Federation):
    nantes = federation.nantes
    code = await a_code(nantes)
    got = await redeemed(nantes, code)
    other = await given(nantes)
    got = await renewed(nantes, got.refresh)
    with refused():
        await redeemed(nantes, code)
    assert not await opens(nantes, got.access.secret)
    with refused():
        await renewed(nantes, got.refresh)
    assert await opens(nantes, other.access.secret)


async def test_of_two_that_come_together_one_gets_it_and_loses_it(federation: Federation):
    nantes = federation.nantes
    code = await a_code(nantes)
    both = await asyncio.gather(redeemed(nantes, code), redeemed(nantes, code), return_exceptions=True)
    (got,) = [one for one in both if isinstance(one, Given)]
    assert not await opens(nantes, got.access.secret)


@pytest.mark.parametrize("code", ["", ".", "x", "x.y"])
async def test_what_is_no_code_is_no_code(federation: Federation, code: str):
    with refused():
        await redeemed(federation.nantes, code)


async def test_half_a_code_ends_it(federation: Federation):
    nantes = federation.nantes
    code = await a_code(nantes)
    with refused():
        await redeemed(nantes, code.split(".")[0] + ".guessed")
    with refused():
        await redeemed(nantes, code)


# -- refresh tokens -----------------------------------------------------------------------------------------


async def test_a_refresh_token_is_good_once_and_the_next_one_after_it(federation: Federation):
    nantes = federation.nantes
    first = await given(nantes)
    nantes.clock.now += timedelta(hours=2)
    assert not await opens(nantes, first.access.secret)
    second = await renewed(nantes, first.refresh)
    third = await renewed(nantes, second.refresh)
    assert len({first.refresh, second.refresh, third.refresh}) == 3
    assert await opens(nantes, third.access.secret)
    # One at a time: the one before has ended with its renewal.
    assert not await opens(nantes, second.access.secret)


async def test_a_refresh_token_that_comes_again_ends_everything(federation: Federation):
    nantes = federation.nantes
    first = await given(nantes)
    second = await renewed(nantes, first.refresh)
    with refused():
        await renewed(nantes, first.refresh)
    assert not await opens(nantes, second.access.secret)
    with refused():
        await renewed(nantes, second.refresh)


async def test_a_code_is_no_refresh_token(federation: Federation):
    nantes = federation.nantes
    code = await a_code(nantes)
    with refused():
        await renewed(nantes, code)
    assert await redeemed(nantes, code)


async def test_a_refresh_token_is_no_code(federation: Federation):
    nantes = federation.nantes
    got = await given(nantes)
    with refused():
        await redeemed(nantes, got.refresh)


async def test_another_program_renews_nothing(federation: Federation):
    nantes = federation.nantes
    got = await given(nantes)
    with refused():
        await renewed(nantes, got.refresh, client_id="https://app.example/other.json")
    assert await opens(nantes, got.access.secret)


async def test_renewing_narrows_and_never_widens(federation: Federation):
    nantes = federation.nantes
    got = await given(nantes)
    with refused("authorization-request") as caught:
        await renewed(nantes, got.refresh, wanted=("read", "follow"))
    assert oauth.error_of(caught.value) == "invalid_scope"
    narrow = await renewed(nantes, got.refresh, wanted=("read",))
    assert narrow.access.kept.scopes == ("read",)
    assert (await renewed(nantes, narrow.refresh)).access.kept.scopes == ("read", "write")


async def test_a_program_that_stays_away_is_forgotten(federation: Federation):
    nantes = federation.nantes
    got = await given(nantes)
    nantes.clock.now += limits.GRANT_LIFE
    assert await programs.allowed(nantes.world, nantes.id) == ()
    with refused():
        await renewed(nantes, got.refresh)


async def test_after_a_year_the_member_is_asked_again(federation: Federation):
    nantes = federation.nantes
    begun = await access.new_token(nantes.world, nantes.id, name="t", wanted=["read", "write"])
    session = replace((await access.begin_session(nantes.world, begun.kept)).kept, begun_with=None)
    got = await redeemed(nantes, await a_code(nantes, session))
    for _ in range(7):
        nantes.clock.now += timedelta(days=52)
        got = await renewed(nantes, got.refresh)
    nantes.clock.now += timedelta(days=1)
    with refused():
        await renewed(nantes, got.refresh)


# -- what it hangs on ---------------------------------------------------------------------------------------


async def test_nobody_gives_more_than_their_sign_in_was_begun_with(federation: Federation):
    nantes = federation.nantes
    session = await a_sign_in(nantes, "read", "tokens")
    assert await programs.may_give(session, nantes.world) == ("read",)
    with refused("unknown-code", Invalid):
        await a_code(nantes, session)
    assert await a_code(nantes, session, replace(ASK, scopes=("read",)))


async def test_a_sign_in_of_no_token_gives_what_programs_may_have(federation: Federation):
    session = replace(await a_sign_in(federation.nantes), begun_with=None)
    assert await programs.may_give(session, federation.nantes.world) == oauth.GRANTABLE


async def test_what_began_with_a_token_ends_with_it(federation: Federation):
    nantes = federation.nantes
    session = await a_sign_in(nantes)
    got = await redeemed(nantes, await a_code(nantes, session))
    assert session.begun_with is not None
    await access.revoke(nantes.world, nantes.id, session.begun_with[:12])
    assert not await opens(nantes, got.access.secret)
    assert await programs.allowed(nantes.world, nantes.id) == ()
    with pytest.raises(Unverified):
        await a_code(nantes, session)
    with pytest.raises(Unverified):
        await programs.may_give(session, nantes.world)


async def test_and_does_not_outlive_it(federation: Federation):
    nantes = federation.nantes
    begun = await access.new_token(
        nantes.world, nantes.id, name="t", wanted=["read", "write"], life=timedelta(minutes=20)
    )
    session = (await access.begin_session(nantes.world, begun.kept)).kept
    got = await redeemed(nantes, await a_code(nantes, session))
    assert got.access.kept.expires == begun.kept.expires
    (grant,) = await programs.allowed(nantes.world, nantes.id)
    assert grant.expires == begun.kept.expires


async def test_signing_out_leaves_programs_as_they_are(federation: Federation):
    nantes = federation.nantes
    begun = await access.new_token(nantes.world, nantes.id, name="t", wanted=["read", "write"])
    session = await access.begin_session(nantes.world, begun.kept)
    got = await redeemed(nantes, await a_code(nantes, session.kept))
    await access.end_session(session.secret, nantes.world)
    assert await opens(nantes, got.access.secret)
    with pytest.raises(Unverified):
        await a_code(nantes, session.kept)


async def test_so_many_programs_and_no_more(federation: Federation):
    nantes = federation.nantes
    session = await a_sign_in(nantes)
    for _ in range(limits.MAX_GRANTS):
        await redeemed(nantes, await a_code(nantes, session))
    with refused("guard-failed", Invalid):
        await a_code(nantes, session)
    # They take no room of what the member makes by hand.
    await access.new_token(nantes.world, nantes.id, name="Agenda", wanted=["read"])


async def test_a_programs_token_signs_nobody_in(federation: Federation):
    nantes = federation.nantes
    got = await given(nantes)
    with pytest.raises(Unverified):
        await access.begin_session(nantes.world, await access.token_behind(got.access.secret, nantes.world))


# -- goodbye ------------------------------------------------------------------------------------------------


async def test_a_program_ends_its_access_token_or_everything(federation: Federation):
    nantes = federation.nantes
    got = await given(nantes)
    await programs.end(got.access.secret, APP, nantes.world)
    assert not await opens(nantes, got.access.secret)
    got = await renewed(nantes, got.refresh)
    await programs.end(got.refresh, APP, nantes.world)
    assert not await opens(nantes, got.access.secret)
    assert await programs.allowed(nantes.world, nantes.id) == ()


async def test_nobody_ends_anothers(federation: Federation):
    nantes = federation.nantes
    got = await given(nantes)
    mine = await access.new_token(nantes.world, nantes.id, name="Agenda", wanted=["read"])
    for secret in (got.access.secret, got.refresh):
        await programs.end(secret, "https://app.example/other.json", nantes.world)
    for client_id in ("", APP):
        await programs.end(mine.secret, client_id, nantes.world)
    assert await opens(nantes, got.access.secret)
    assert await opens(nantes, mine.secret)


# -- who asks -----------------------------------------------------------------------------------------------


async def test_a_program_is_asked_who_it_is_at_its_address(federation: Federation):
    world, office = federation.nantes.world, federation.office
    office.programs[APP] = {"client_id": APP, "client_name": "Agenda", "redirect_uris": [CB]}
    assert await programs.client_of(APP, world) == CLIENT
    before = len(office.fetched)
    for address in ("http://app.example/p", "https://127.0.0.1/p", "https://app.example/"):
        with refused("client-unknown", Invalid):
            await programs.client_of(address, world)
    assert len(office.fetched) == before
    office.programs[APP] = {"client_id": APP + "x", "redirect_uris": [CB]}
    with refused("client-unknown", Invalid):
        await programs.client_of(APP, world)
