"""Shared allow-lists: what one co-op publishes, another reviews, entry by entry; nothing is applied by itself."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from fedcoop.errors import Conflict, FedcoopError, Invalid, NotFound, Unavailable, Unverified
from fedcoop.flow.lists import (
    MAX_LIFE,
    drafts,
    export,
    lists,
    poll,
    review,
    subscribe,
    take,
    unsubscribe,
)
from fedcoop.flow.peering import decide_peer, dossier
from fedcoop.protocol.proof import sign_document
from tests.flow.federation import Coop, Federation
from tests.flow.strangers import agreed, state_of

VELO = "https://velo.example"
DAY = timedelta(days=1)
WHY = "AG du 3 mars, point 4"


async def listed(coop: Coop, *, life: timedelta = 30 * DAY, publish: bool = True) -> dict[str, Any]:
    """Return the list of `coop`, exported now."""
    done = await export(coop.world, life=life, publish=publish)
    return dict(json.loads(json.dumps(done.document)))


async def allow(coop: Coop, origin: str, *, reason: str = WHY) -> None:
    await decide_peer(coop.world, origin, "allowed", reason=reason, note="pour nous", by="Jeanne")


def signed_anew(coop: Coop, document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the list with changes, which its keeper `coop` signs."""
    method, key = coop.ring.proof_key(coop.id)
    bare = {k: v for k, v in {**document, **changes}.items() if k != "proof"}
    return sign_document(bare, key=key, verification_method=method, created=coop.clock())


async def asked(coop: Coop) -> list[tuple[str, str]]:
    return [(d.wish, d.origin) for d in await drafts(coop.world)]


# -- publishing -----------------------------------------------------------------------------------------------------


async def test_a_list_names_whom_we_let_in_with_who_why_and_since_when(strangers: Federation):
    lyon = strangers.lyon
    await allow(lyon, VELO)
    document = await listed(lyon)
    assert (document["id"], document["attributedTo"]) == (f"{lyon.base}/lists/peers", lyon.id)
    (entry,) = document["peerEntries"]
    assert entry == {
        "type": "PeerEntry",
        "peerOrigin": VELO,
        "admissionReason": WHY,
        "decidedBy": "Jeanne",
        "decidedAt": "2026-11-22T12:00:00Z",
    }
    assert document["validUntil"] == "2026-12-22T12:00:00Z"


async def test_whom_we_let_in_without_a_public_reason_or_a_name_is_left_out_and_so_is_everybody_else(
    strangers: Federation,
):
    lyon = strangers.lyon
    await decide_peer(lyon.world, VELO, "allowed", note="entre nous", by="Jeanne")
    await decide_peer(lyon.world, "https://anonymous.example", "allowed", reason=WHY)
    for state in ("limited", "frozen", "blocked", "pending"):
        await decide_peer(lyon.world, f"https://{state}.example", state, reason=WHY, by="Jeanne")  # type: ignore[arg-type]
    done = await export(lyon.world, life=30 * DAY)
    assert done.document["peerEntries"] == []
    assert done.left_out == ("https://anonymous.example", VELO)
    assert "entre nous" not in json.dumps(done.document)


async def test_an_agreement_is_a_reason_and_its_end_the_entry_s(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    name = await agreed(strangers, validUntil="2026-12-01T00:00:00Z")
    (entry,) = (await listed(lyon))["peerEntries"]
    assert (entry["peerOrigin"], entry["validUntil"]) == (nantes.base, "2026-12-01T00:00:00Z")
    assert name in entry["admissionReason"]
    lyon.clock.now += 9 * DAY
    assert (await listed(lyon))["peerEntries"] == []


async def test_versions_count_and_what_was_published_stays_so(strangers: Federation):
    lyon = strangers.lyon
    name = f"{lyon.base}/lists/peers"
    assert (await listed(lyon, publish=False))["listVersion"] == 1
    assert await lyon.read(name) is None
    assert (await listed(lyon))["listVersion"] == 2
    assert (await listed(lyon, publish=False))["listVersion"] == 3
    assert (await lyon.read(name) or {})["listVersion"] == 3


@pytest.mark.parametrize("life", [timedelta(hours=23), MAX_LIFE + DAY])
async def test_a_list_counts_for_a_day_at_least_and_a_year_at_most(strangers: Federation, life: timedelta):
    with pytest.raises(Invalid):
        await export(strangers.lyon.world, life=life)


# -- taking in ------------------------------------------------------------------------------------------------------


async def test_a_list_asks_and_decides_nothing(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await allow(lyon, VELO)
    held = await take(nantes.world, await listed(lyon))
    assert (held.keeper, held.version, held.every) == (lyon.id, 1, 0)
    (draft,) = await drafts(nantes.world)
    assert (draft.wish, draft.origin, draft.reason, draft.decided_by) == ("admit", VELO, WHY, "Jeanne")
    assert (await dossier(nantes.world, VELO)).peer is None


async def test_what_is_accepted_is_decided_by_our_operator_with_the_list_as_its_source(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await allow(lyon, VELO)
    held = await take(nantes.world, await listed(lyon))
    await review(nantes.world, VELO, accept=True, by="Paul")
    found = await dossier(nantes.world, VELO)
    assert found.peer is not None
    assert (found.peer.state, found.peer.decided_by, found.peer.reason) == ("allowed", "Paul", WHY)
    assert [d.source for d in found.decisions] == [held.id]
    assert await asked(nantes) == []


async def test_what_is_refused_is_not_asked_again_until_it_says_something_else(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await allow(lyon, VELO)
    await take(nantes.world, await listed(lyon))
    await review(nantes.world, VELO, accept=False)
    await take(nantes.world, await listed(lyon))
    assert await asked(nantes) == []
    with pytest.raises(NotFound):
        await review(nantes.world, VELO, accept=True)
    await allow(lyon, VELO, reason="AG du 4 mai")
    await take(nantes.world, await listed(lyon))
    assert await asked(nantes) == [("admit", VELO)]


async def test_whom_our_operator_has_decided_about_is_not_asked_about(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    for state in ("allowed", "limited", "frozen", "blocked", "pending"):
        await allow(lyon, f"https://{state}.example")
        await decide_peer(nantes.world, f"https://{state}.example", state)  # type: ignore[arg-type]
    await allow(lyon, nantes.base)
    await take(nantes.world, await listed(lyon))
    assert await asked(nantes) == [("admit", "https://pending.example")]


async def test_who_is_taken_off_the_list_is_asked_about_and_frozen_when_that_is_accepted(
    strangers: Federation,
):
    lyon, nantes = strangers.lyon, strangers.nantes
    await allow(lyon, VELO)
    await take(nantes.world, await listed(lyon))
    await review(nantes.world, VELO, accept=True)
    await decide_peer(lyon.world, VELO, "blocked")
    await take(nantes.world, await listed(lyon))
    assert await asked(nantes) == [("remove", VELO)]
    peer = (await dossier(nantes.world, VELO)).peer
    assert peer is not None
    assert peer.state == "allowed"
    await take(nantes.world, await listed(lyon))
    await review(nantes.world, VELO, accept=True)
    assert (await dossier(nantes.world, VELO)).decisions[-1].state == "frozen"


async def test_a_removal_that_was_refused_is_not_asked_again(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await allow(lyon, VELO)
    await take(nantes.world, await listed(lyon))
    await review(nantes.world, VELO, accept=True)
    await decide_peer(lyon.world, VELO, "blocked")
    await take(nantes.world, await listed(lyon))
    await review(nantes.world, VELO, accept=False)
    lyon.clock.now += DAY
    await take(nantes.world, await listed(lyon))
    assert await asked(nantes) == []


async def test_a_list_asks_nobody_back_whom_it_did_not_bring(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await allow(lyon, VELO)
    await take(nantes.world, await listed(lyon))
    await review(nantes.world, VELO, accept=True)
    await decide_peer(nantes.world, VELO, "allowed", network=True, by="Paul")
    await decide_peer(lyon.world, VELO, "blocked")
    await take(nantes.world, await listed(lyon))
    assert await asked(nantes) == []


async def test_what_is_no_longer_asked_waits_no_longer(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await allow(lyon, VELO)
    await take(nantes.world, await listed(lyon))
    await decide_peer(lyon.world, VELO, "blocked")
    await take(nantes.world, await listed(lyon))
    assert await asked(nantes) == []


@pytest.mark.parametrize("later", [timedelta(0), timedelta(hours=1)])
async def test_what_our_operator_decides_after_a_list_asked_is_not_undone_by_it(
    strangers: Federation, later: timedelta
):
    lyon, nantes = strangers.lyon, strangers.nantes
    await allow(lyon, VELO)
    await take(nantes.world, await listed(lyon))
    nantes.clock.now += later
    await decide_peer(nantes.world, VELO, "blocked")
    assert await asked(nantes) == []
    with pytest.raises(NotFound):
        await review(nantes.world, VELO, accept=True)
    found = (await dossier(nantes.world, VELO)).peer
    assert found is not None
    assert found.state == "blocked"


async def test_a_draft_that_a_decision_overtook_counts_for_nothing_until_the_list_asks_again(
    strangers: Federation,
):
    lyon, nantes = strangers.lyon, strangers.nantes
    await allow(lyon, VELO)
    await take(nantes.world, await listed(lyon))
    nantes.clock.now += timedelta(hours=1)
    await decide_peer(nantes.world, VELO, "blocked")
    await decide_peer(nantes.world, VELO, "pending")
    assert await asked(nantes) == []
    await take(nantes.world, await listed(lyon))
    assert await asked(nantes) == [("admit", VELO)]


# -- what has run out -----------------------------------------------------------------------------------------------


async def test_an_entry_whose_time_is_over_counts_for_nothing(strangers: Federation):
    lyon, nantes, alpes = strangers.lyon, strangers.nantes, strangers.alpes
    await agreed(strangers, validUntil="2026-12-01T00:00:00Z")
    document = await listed(lyon)
    await take(alpes.world, document)
    assert await asked(alpes) == [("admit", nantes.base)]
    alpes.clock.now += 9 * DAY
    assert await asked(alpes) == []
    with pytest.raises(NotFound):
        await review(alpes.world, nantes.base, accept=True)
    await take(alpes.world, document)
    assert await asked(alpes) == []
    assert (await dossier(alpes.world, nantes.base)).peer is None


async def test_when_an_entry_s_time_is_over_whom_it_brought_is_asked_about(strangers: Federation):
    lyon, nantes, alpes = strangers.lyon, strangers.nantes, strangers.alpes
    await agreed(strangers, validUntil="2026-12-01T00:00:00Z")
    document = await listed(lyon)
    await take(alpes.world, document)
    await review(alpes.world, nantes.base, accept=True)
    alpes.clock.now += 9 * DAY
    await take(alpes.world, document)
    assert await asked(alpes) == [("remove", nantes.base)]


async def test_a_list_whose_time_is_over_is_not_taken_and_asks_nothing_more(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await allow(lyon, VELO)
    document = await listed(lyon)
    await take(nantes.world, document)
    nantes.clock.now += 30 * DAY
    with pytest.raises(Invalid):
        await take(nantes.world, document)
    assert await asked(nantes) == []


# -- what is not taken ----------------------------------------------------------------------------------------------


async def test_a_list_that_its_keeper_did_not_sign_is_refused(strangers: Federation):
    lyon, nantes, alpes = strangers.lyon, strangers.nantes, strangers.alpes
    await allow(lyon, VELO)
    document = await listed(lyon)
    unsigned = {k: v for k, v in document.items() if k != "proof"}
    altered = {**document, "name": "Autre"}
    by_another = signed_anew(alpes, document)
    for wrong in (unsigned, altered, by_another):
        with pytest.raises(Unverified):
            await take(nantes.world, wrong)
    assert await lists(nantes.world) == ()
    assert await asked(nantes) == []
    # The valid twin.
    await take(nantes.world, document)


async def test_a_key_that_was_rotated_is_asked_for_anew(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await take(nantes.world, await listed(lyon))
    known = await nantes.world.resolver.resolve(lyon.id)
    stale = {**known.actor, "assertionMethod": []}
    nantes.world.resolver._cache[lyon.id] = type(known)(stale, known.fetched_at)  # type: ignore[attr-defined]
    assert (await take(nantes.world, await listed(lyon))).version == 2


async def test_a_list_does_not_go_back(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await allow(lyon, VELO)
    first = await listed(lyon)
    await decide_peer(lyon.world, VELO, "blocked")
    second = await listed(lyon)
    await take(nantes.world, second)
    for wrong in (first, signed_anew(lyon, first, listVersion=2)):
        with pytest.raises(Conflict) as refusal:
            await take(nantes.world, wrong)
        assert refusal.value.code == "stale"
    assert await asked(nantes) == []
    # The same one again, signed once more, is no other.
    await take(nantes.world, signed_anew(lyon, second))


async def test_our_own_list_asks_nothing_of_us(strangers: Federation):
    lyon = strangers.lyon
    with pytest.raises(Conflict) as refusal:
        await take(lyon.world, await listed(lyon))
    assert refusal.value.code == "local-id"


async def test_so_many_lists_and_no_more(strangers: Federation, monkeypatch: pytest.MonkeyPatch):
    lyon, nantes, alpes = strangers.lyon, strangers.nantes, strangers.alpes
    monkeypatch.setattr("fedcoop.flow.lists.MAX_LISTS", 1)
    await take(nantes.world, await listed(lyon))
    with pytest.raises(Conflict):
        await take(nantes.world, await listed(alpes))
    await take(nantes.world, await listed(lyon))


# -- following ------------------------------------------------------------------------------------------------------


async def test_a_list_that_is_followed_is_asked_for_when_it_is_due_and_not_before(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    document = await listed(lyon)
    await subscribe(nantes.world, document["id"], every=2 * DAY)
    await allow(lyon, VELO)
    await listed(lyon)
    nantes.clock.now += 2 * DAY - timedelta(seconds=1)
    await poll(nantes.world)
    assert await asked(nantes) == []
    nantes.clock.now += timedelta(seconds=1)
    await poll(nantes.world)
    assert await asked(nantes) == [("admit", VELO)]
    assert [held.version for held in await lists(nantes.world)] == [2]


async def test_one_list_is_asked_for_at_a_time_the_longest_due_first(strangers: Federation):
    lyon, nantes, alpes = strangers.lyon, strangers.nantes, strangers.alpes
    for one in (lyon, nantes):
        await subscribe(alpes.world, (await listed(one))["id"], every=DAY)
        alpes.clock.now += timedelta(hours=1)
    alpes.clock.now += DAY
    assert [await poll(alpes.world) for _ in range(3)] == [1, 0, 0]


async def test_what_is_wrong_with_a_followed_list_is_told_and_nothing_of_it_is_kept(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    document = await listed(lyon)
    await subscribe(nantes.world, document["id"], every=DAY)
    await allow(lyon, VELO)
    await listed(lyon, life=DAY)
    strangers.office.down.add(lyon.base)
    nantes.clock.now += DAY
    await poll(nantes.world)
    (held,) = await lists(nantes.world)
    assert held.problem.startswith("unavailable: ")
    strangers.office.down.clear()
    # Its time is over when it is asked for again.
    nantes.clock.now += DAY
    await poll(nantes.world)
    (held,) = await lists(nantes.world)
    assert held.problem.startswith("guard-failed: ")
    assert (held.version, await asked(nantes)) == (1, [])
    await listed(lyon)
    nantes.clock.now += DAY
    await poll(nantes.world)
    assert [held.problem for held in await lists(nantes.world)] == [""]
    assert await asked(nantes) == [("admit", VELO)]


async def test_a_list_is_asked_for_once_an_hour_at_most(strangers: Federation):
    document = await listed(strangers.lyon)
    with pytest.raises(Invalid):
        await subscribe(strangers.nantes.world, document["id"], every=timedelta(minutes=59))
    await subscribe(strangers.nantes.world, document["id"], every=timedelta(hours=1))


async def test_an_address_that_is_followed_brings_no_list_but_its_own(
    strangers: Federation, monkeypatch: pytest.MonkeyPatch
):
    lyon, nantes, alpes = strangers.lyon, strangers.nantes, strangers.alpes
    name, other = (await listed(lyon))["id"], await listed(alpes)
    await subscribe(nantes.world, name, every=DAY)

    async def answer(url: str, **_: Any) -> dict[str, Any]:
        return other

    monkeypatch.setattr(nantes.world.fetcher, "document", answer)
    nantes.clock.now += DAY
    await poll(nantes.world)
    (held,) = await lists(nantes.world)
    assert (held.id, held.asked_at, held.problem[:14]) == (name, nantes.clock.now, "guard-failed: ")
    with pytest.raises(Invalid):
        await subscribe(nantes.world, f"{VELO}/lists/peers", every=DAY)
    assert len(await lists(nantes.world)) == 1


async def test_whatever_comes_of_asking_for_a_list_its_turn_is_over(
    strangers: Federation, monkeypatch: pytest.MonkeyPatch
):
    nantes = strangers.nantes
    await subscribe(nantes.world, (await listed(strangers.lyon))["id"], every=DAY)

    async def broken(url: str, **_: Any) -> dict[str, Any]:
        raise RuntimeError("broken")

    monkeypatch.setattr(nantes.world.fetcher, "document", broken)
    nantes.clock.now += DAY
    with pytest.raises(RuntimeError):
        await poll(nantes.world)
    assert [held.asked_at for held in await lists(nantes.world)] == [nantes.clock.now]


async def test_what_is_not_there_is_not_followed(strangers: Federation):
    nantes = strangers.nantes
    for url, error in (
        (f"{strangers.lyon.base}/lists/peers", NotFound),
        (f"{VELO}/lists/peers", Unavailable),
    ):
        with pytest.raises(error):
            await subscribe(nantes.world, url, every=DAY)
    assert await lists(nantes.world) == ()


async def test_a_list_that_is_followed_no_more_asks_nothing_and_whom_it_brought_stays(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await allow(lyon, VELO)
    await allow(lyon, strangers.alpes.base)
    name = (await listed(lyon))["id"]
    await subscribe(nantes.world, name, every=DAY)
    await review(nantes.world, strangers.alpes.base, accept=True)
    await unsubscribe(nantes.world, name)
    assert (await lists(nantes.world), await asked(nantes)) == ((), [])
    assert await state_of(nantes, strangers.alpes) == "allowed"
    with pytest.raises(NotFound):
        await unsubscribe(nantes.world, name)


@pytest.mark.parametrize("answers", [True, False])
async def test_a_list_that_is_given_up_while_it_is_asked_for_stays_given_up(
    strangers: Federation, monkeypatch: pytest.MonkeyPatch, answers: bool
):
    nantes, office = strangers.nantes, strangers.office
    name = (await listed(strangers.lyon))["id"]
    await subscribe(nantes.world, name, every=DAY)
    answer = office.document

    async def slowly(url: str, *, signed: bool = False) -> Any:
        await unsubscribe(nantes.world, name)
        return await answer(url if answers else "https://nowhere.example/", signed=signed)

    monkeypatch.setattr(office, "document", slowly)
    nantes.clock.now += 2 * DAY
    await poll(nantes.world)
    assert await lists(nantes.world) == ()
    assert await drafts(nantes.world) == ()


async def test_taking_a_followed_list_in_by_hand_leaves_it_followed(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await subscribe(nantes.world, (await listed(lyon))["id"], every=2 * DAY)
    assert (await take(nantes.world, await listed(lyon))).every == 2 * DAY.total_seconds()


# -- several lists --------------------------------------------------------------------------------------------------


async def test_two_lists_that_do_not_agree_are_answered_one_by_one(strangers: Federation):
    lyon, nantes, alpes = strangers.lyon, strangers.nantes, strangers.alpes
    await allow(lyon, VELO)
    first = await take(nantes.world, await listed(lyon))
    await review(nantes.world, VELO, accept=True)
    await decide_peer(lyon.world, VELO, "blocked")
    await decide_peer(nantes.world, VELO, "pending")
    await allow(alpes, VELO)
    second = await take(nantes.world, await listed(alpes))
    await decide_peer(nantes.world, VELO, "allowed", source=first.id)
    await take(nantes.world, await listed(lyon))
    assert sorted(wish for wish, _ in await asked(nantes)) == ["admit", "remove"]
    with pytest.raises(Conflict):
        await review(nantes.world, VELO, accept=True)
    await review(nantes.world, VELO, accept=True, from_list=first.id, by="Paul")
    assert (await dossier(nantes.world, VELO)).decisions[-1].state == "frozen"
    with pytest.raises(FedcoopError):
        await review(nantes.world, VELO, accept=True, from_list=first.id)
    assert second.id != first.id
