"""Access tokens: what they are given, what they are held to, and their end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from fedcoop.errors import Forbidden, Invalid, NotFound, Unavailable, Unverified
from fedcoop.flow import access
from fedcoop.flow.access import NewToken
from fedcoop.ports import Token
from fedcoop.protocol import limits
from fedcoop.protocol.scopes import ALL
from tests.flow.federation import Coop, Federation
from tests.flow.strangers import proposed


def unused(token: Token) -> Token:
    return replace(token, used=None)


async def a_token(coop: Coop, actor: str | None = None, **changed: Any) -> NewToken:
    given: dict[str, Any] = {"name": "Agenda", "wanted": ["read"], **changed}
    return await access.new_token(coop.world, actor or coop.id, **given)


async def test_a_token_is_known_again_by_itself_alone(federation: Federation):
    nantes = federation.nantes
    made = await a_token(nantes, wanted=["write", "read"])
    found = await access.token_behind(made.secret, nantes.world)
    assert (found.actor, found.scopes, found.name) == (nantes.id, ("read", "write"), "Agenda")
    for wrong in ("", "x", made.secret + "x", made.secret.swapcase(), made.kept.hash, made.kept.id):
        with pytest.raises(Unverified) as refused:
            await access.token_behind(wrong, nantes.world)
        assert refused.value.code == "token-invalid"


async def test_two_tokens_are_never_the_same(federation: Federation):
    one, two = [await a_token(federation.nantes) for _ in range(2)]
    assert one.secret != two.secret
    assert len(one.secret) == 43


async def test_only_the_hash_is_in_the_database(federation: Federation):
    nantes = federation.nantes
    made = await a_token(nantes)
    engine = create_async_engine(f"sqlite+aiosqlite:///{nantes.folder}/fedcoop.db")
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT * FROM token"))).all()
    await engine.dispose()
    assert made.kept.hash in str(rows)
    assert made.secret not in str(rows)


async def test_a_token_ends_when_it_was_to(federation: Federation):
    nantes = federation.nantes
    made = await a_token(nantes, life=timedelta(days=1))
    nantes.clock.advance(days=1, microseconds=-1)
    await access.token_behind(made.secret, nantes.world)
    assert made.kept in [*map(unused, await access.tokens_of(nantes.world, nantes.id))]
    nantes.clock.advance(microseconds=1)
    with pytest.raises(Unverified):
        await access.token_behind(made.secret, nantes.world)
    assert made.kept not in [*map(unused, await access.tokens_of(nantes.world, nantes.id))]


async def test_a_token_lasts_ninety_days_unless_said_otherwise(federation: Federation):
    made = await a_token(federation.nantes)
    assert made.kept.expires == federation.nantes.clock() + timedelta(days=90)


async def test_a_revoked_token_opens_nothing_from_then_on(federation: Federation):
    nantes = federation.nantes
    made, other = await a_token(nantes), await a_token(nantes)
    await access.token_behind(made.secret, nantes.world)
    await access.revoke(nantes.world, nantes.id, made.kept.id)
    with pytest.raises(Unverified):
        await access.token_behind(made.secret, nantes.world)
    await access.token_behind(other.secret, nantes.world)


async def test_nobody_revokes_anothers_token(federation: Federation):
    nantes = federation.nantes
    made = await a_token(nantes)
    with pytest.raises(NotFound) as refused:
        await access.revoke(nantes.world, f"{nantes.base}/actors/zoe", made.kept.id)
    assert refused.value.code == "not-found"
    await access.token_behind(made.secret, nantes.world)


async def test_all_tokens_of_an_actor_are_revoked_together(federation: Federation):
    nantes = federation.nantes
    made = [await a_token(nantes) for _ in range(2)]
    assert await access.revoke_all(nantes.world, nantes.id) >= 2
    for token in made:
        with pytest.raises(Unverified):
            await access.token_behind(token.secret, nantes.world)
    assert await access.tokens_of(nantes.world, nantes.id) == ()


async def test_a_token_makes_none_that_may_do_more_or_lasts_longer(federation: Federation):
    nantes = federation.nantes
    by = (await a_token(nantes, wanted=["read", "tokens"], life=timedelta(days=2))).kept
    with pytest.raises(Invalid):
        await a_token(nantes, wanted=["write"], by=by)
    made = await a_token(nantes, wanted=["read"], by=by, life=timedelta(days=300))
    assert made.kept.expires == by.expires


async def test_a_token_that_was_revoked_meanwhile_makes_no_other(federation: Federation):
    nantes = federation.nantes
    by = (await a_token(nantes, wanted=ALL)).kept
    await access.revoke(nantes.world, nantes.id, by.id)
    with pytest.raises(Unverified):
        await a_token(nantes, by=by)


@pytest.mark.parametrize(
    "changed",
    [
        {"name": ""},
        {"name": "   "},
        {"name": "a\nb"},
        {"name": "x" * 101},
        {"wanted": []},
        {"wanted": ["admin"]},
        {"life": timedelta(0)},
        {"life": timedelta(days=-1)},
        {"life": timedelta(days=366)},
    ],
)
async def test_what_no_token_may_have_is_refused(federation: Federation, changed: dict[str, Any]):
    with pytest.raises(Invalid):
        await a_token(federation.nantes, **changed)


@pytest.mark.parametrize(
    "whose",
    [
        lambda coop: coop.world.instance.application,
        lambda coop: f"{coop.base}/actors/nobody",
        lambda coop: "https://lyon.example/actors/coop",
    ],
)
async def test_only_our_own_people_get_tokens(federation: Federation, whose: Callable[[Coop], str]):
    with pytest.raises(NotFound):
        await a_token(federation.nantes, whose(federation.nantes))


async def test_an_actor_has_so_many_tokens_and_no_more(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
):
    nantes = federation.nantes
    known = len(await access.tokens_of(nantes.world, nantes.id))
    monkeypatch.setattr(limits, "MAX_TOKENS", known + 1)
    await a_token(nantes, life=timedelta(days=1))
    with pytest.raises(Invalid) as refused:
        await a_token(nantes)
    assert refused.value.code == "guard-failed"
    nantes.clock.advance(days=1)
    await a_token(nantes)


async def test_the_last_use_is_written_down_once_an_hour(federation: Federation):
    nantes = federation.nantes
    made = await a_token(nantes)
    first = nantes.clock()
    for _ in range(3):
        await access.token_behind(made.secret, nantes.world)
        nantes.clock.advance(minutes=20, microseconds=-1)
    found = await nantes.world.store.read(lambda reader: reader.token(made.kept.hash))
    assert found is not None
    assert found.used == first
    nantes.clock.advance(seconds=1)
    await access.token_behind(made.secret, nantes.world)
    again = await nantes.world.store.read(lambda reader: reader.token(made.kept.hash))
    assert again is not None
    assert again.used == nantes.clock()


async def test_a_use_that_cannot_be_written_down_is_still_a_use(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
):
    nantes = federation.nantes
    made = await a_token(nantes)

    async def busy(work: object) -> None:
        raise Unavailable("unavailable", "too many writes are waiting")

    monkeypatch.setattr(nantes.world.store, "write", busy)
    assert (await access.token_behind(made.secret, nantes.world)).actor == nantes.id


async def test_what_a_message_needs_is_what_it_is_about(federation: Federation):
    nantes = federation.nantes
    world = nantes.world
    followed = (await nantes.say(nantes.id, "Follow", federation.lyon.id)).activity_id
    note = {"type": "Note", "content": "Bonjour"}
    noted = (await nantes.say(nantes.id, "Create", note, to=[f"{nantes.id}/followers"])).activity_id
    for document, scope in (
        ({"type": "Follow", "object": federation.lyon.id}, "follow"),
        ({"type": "Undo", "object": followed}, "follow"),
        ({"type": "Undo", "object": {"id": followed, "type": "Offer"}}, "follow"),
        ({"type": "Undo", "object": {"id": noted, "type": "Follow"}}, "write"),
        ({"type": "Accept", "object": {"type": "Follow"}}, "write"),
        ({"type": "Reject", "object": "https://lyon.example/unknown"}, "write"),
        ({"type": "Delete", "object": followed}, "write"),
        ({"type": "Note"}, "write"),
        ({}, "write"),
        ({"type": ["Follow"]}, "write"),
    ):
        assert await access.scope_to_say(document, world) == scope, document


async def test_no_program_says_anything_of_an_agreement(strangers: Federation):
    name = await proposed(strangers)
    world = strangers.nantes.world
    offer = (await strangers.lyon.history(name))[0]["id"]
    terms = {"fedcoopType": ["FederationAgreement"]}
    for document in (
        {"type": "Offer", "object": terms},
        {"type": ["Offer"], "object": [{**terms, "type": "Object"}]},
        terms,
        {"type": "Accept", "object": offer},
        {"type": "Accept", "object": {"id": offer, "type": "Follow"}},
        {"type": "Reject", "object": name},
        {"type": ["Undo"], "object": [{"id": offer}]},
    ):
        assert await access.scope_to_say(document, world) == "operate", document


# -- sign-ins ----------------------------------------------------------------------------------------------------


async def test_a_sign_in_is_no_token_and_a_token_no_sign_in(federation: Federation):
    nantes = federation.nantes
    made = await a_token(nantes)
    begun = await access.begin_session(nantes.world, made.kept)
    assert (await access.session_behind(begun.secret, nantes.world)).actor == nantes.id
    with pytest.raises(Unverified):
        await access.token_behind(begun.secret, nantes.world)
    with pytest.raises(Unverified):
        await access.session_behind(made.secret, nantes.world)


async def test_a_sign_in_ends_with_its_token_and_with_no_other(federation: Federation):
    nantes = federation.nantes
    one, two = await a_token(nantes), await a_token(nantes)
    first = await access.begin_session(nantes.world, one.kept)
    second = await access.begin_session(nantes.world, two.kept)
    await access.revoke(nantes.world, nantes.id, one.kept.id)
    with pytest.raises(Unverified):
        await access.session_behind(first.secret, nantes.world)
    await access.session_behind(second.secret, nantes.world)
    with pytest.raises(Unverified):
        await access.begin_session(nantes.world, one.kept)


async def test_a_sign_in_lasts_as_long_as_its_token_at_most(federation: Federation):
    nantes = federation.nantes
    made = await a_token(nantes, life=timedelta(days=3))
    begun = await access.begin_session(nantes.world, made.kept)
    nantes.clock.advance(days=3, microseconds=-1)
    await access.session_behind(begun.secret, nantes.world)
    nantes.clock.advance(microseconds=1)
    with pytest.raises(Unverified):
        await access.session_behind(begun.secret, nantes.world)


async def test_a_sign_in_that_is_not_used_for_fourteen_days_has_ended(federation: Federation):
    nantes = federation.nantes
    begun = await access.begin_session(nantes.world, (await a_token(nantes)).kept)
    for _ in range(2):
        nantes.clock.advance(days=14, microseconds=-1)
        await access.session_behind(begun.secret, nantes.world)
    nantes.clock.advance(days=14)
    with pytest.raises(Unverified):
        await access.session_behind(begun.secret, nantes.world)


async def test_a_sign_in_in_use_ends_after_ninety_days_all_the_same(federation: Federation):
    nantes = federation.nantes
    made = await a_token(nantes, life=timedelta(days=365))
    begun = await access.begin_session(nantes.world, made.kept)
    for _ in range(8):
        nantes.clock.advance(days=11)
        await access.session_behind(begun.secret, nantes.world)
    nantes.clock.advance(days=2)
    with pytest.raises(Unverified):
        await access.session_behind(begun.secret, nantes.world)


async def test_whoever_signs_in_again_and_again_pushes_out_the_oldest(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
):
    nantes = federation.nantes
    monkeypatch.setattr(limits, "MAX_SESSIONS", 2)
    made = await a_token(nantes)
    begun = []
    for _ in range(3):
        begun.append(await access.begin_session(nantes.world, made.kept))
        nantes.clock.advance(seconds=1)
    with pytest.raises(Unverified):
        await access.session_behind(begun[0].secret, nantes.world)
    for still in begun[1:]:
        await access.session_behind(still.secret, nantes.world)


async def test_signing_out_ends_a_sign_in_and_never_a_token(federation: Federation):
    nantes = federation.nantes
    made = await a_token(nantes)
    begun = await access.begin_session(nantes.world, made.kept)
    await access.end_session(made.secret, nantes.world)
    await access.end_session("unknown", nantes.world)
    await access.session_behind(begun.secret, nantes.world)
    await access.end_session(begun.secret, nantes.world)
    with pytest.raises(Unverified):
        await access.session_behind(begun.secret, nantes.world)
    await access.token_behind(made.secret, nantes.world)


# -- operating ---------------------------------------------------------------------------------------------------


async def a_sign_in(coop: Coop, actor: str | None = None, wanted: Any = ALL) -> Token:
    made = await a_token(coop, actor, wanted=wanted)
    return (await access.begin_session(coop.world, made.kept)).kept


async def test_the_co_op_operates_and_a_member_does_not(federation: Federation):
    lyon = federation.lyon
    awa = await lyon.member("awa")
    coops, members = await a_sign_in(lyon), await a_sign_in(lyon, awa)
    await access.check_right(coops, "retry-deliveries", lyon.world)
    with pytest.raises(Forbidden) as refused:
        await access.check_right(members, "see-deliveries", lyon.world)
    assert (refused.value.code, refused.value.expected, refused.value.received) == (
        "role-missing", "operator", "member",
    )  # fmt: skip
    assert [await access.may(one, "see-peers", lyon.world) for one in (coops, members)] == [True, False]


async def test_a_token_without_that_leave_operates_nothing_whosever_it_is(federation: Federation):
    lyon = federation.lyon
    weak = await a_sign_in(lyon, wanted=["read", "write", "follow", "tokens"])
    with pytest.raises(Forbidden) as refused:
        await access.check_right(weak, "see-deliveries", lyon.world)
    assert (refused.value.code, refused.value.expected) == ("scope-missing", "operate")
    assert not await access.may(weak, "see-deliveries", lyon.world)
