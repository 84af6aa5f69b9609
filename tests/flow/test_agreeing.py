"""What an agreement does to whom we work with, and how much a co-op may say that nobody decided about."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from fedcoop.errors import FedcoopError, Forbidden, Unverified
from fedcoop.flow import agreeing
from fedcoop.flow.federating import accept, agreements, end, propose, reject
from fedcoop.flow.peering import decide_peer, dossiers
from fedcoop.protocol import strict_json
from tests.flow.federation import Coop, Federation, Ring, settle
from tests.flow.strangers import agreed, proposed, state_of

# -- the operator's own decisions -----------------------------------------------------------------------------------


async def test_what_the_operator_decided_after_proposing_is_not_undone_by_the_answer(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    name = await proposed(strangers)
    lyon.clock.now += timedelta(minutes=1)
    await decide_peer(lyon.world, nantes.base, "limited")
    await accept(nantes.world, lyon.base)
    await settle(strangers.office)
    assert await lyon.state(name) == ("active", 2)
    assert await state_of(lyon, nantes) == "limited"


async def test_whom_the_operator_has_blocked_in_the_meantime_is_not_heard(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    name = await proposed(strangers)
    await decide_peer(lyon.world, nantes.base, "blocked", reason="Non.")
    await accept(nantes.world, lyon.base)
    assert await state_of(nantes, lyon) == "allowed"
    await settle(strangers.office)
    assert await lyon.state(name) == ("proposed", 1)
    # Nantes hears that its acceptance was not taken, and is as it was before.
    assert await nantes.state(name) == ("proposed", 1)
    assert await state_of(nantes, lyon) == "pending"
    assert (await nantes.read(name, nantes.id) or {})["agreementState"] == "proposed"


async def test_whom_the_operator_has_blocked_is_not_let_in_by_an_answer(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await proposed(strangers)
    await decide_peer(nantes.world, lyon.base, "blocked", reason="Non.")
    with pytest.raises(Forbidden) as refusal:
        await accept(nantes.world, lyon.base)
    assert refusal.value.code == "blocked"
    assert await state_of(nantes, lyon) == "blocked"
    await reject(nantes.world, lyon.base)


async def test_a_later_step_does_not_undo_what_the_operator_decided(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await agreed(strangers)
    await decide_peer(nantes.world, lyon.base, "limited")
    await end(lyon.world, nantes.base)
    await settle(strangers.office)
    assert await state_of(nantes, lyon) == "limited"


async def test_the_end_takes_nothing_that_the_operator_gave(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await agreed(strangers, noticePeriod="P0D")
    await decide_peer(nantes.world, lyon.base, "allowed", network=True)
    await end(lyon.world, nantes.base)
    await settle(strangers.office)
    assert await state_of(nantes, lyon) == "allowed"
    assert await state_of(lyon, nantes) == "frozen"


async def test_an_acceptance_that_comes_too_late_admits_nobody(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    name = await proposed(strangers)
    await accept(nantes.world, lyon.base)
    await end(lyon.world, nantes.base)
    await settle(strangers.office)
    assert (await lyon.state(name) or ("",))[0] == (await nantes.state(name) or ("",))[0] == "ended"
    assert await state_of(lyon, nantes) == "undecided"
    assert await state_of(nantes, lyon) == "pending"


# -- the door for strangers -----------------------------------------------------------------------------------------


async def offered(strangers: Federation, to: Coop) -> tuple[int, bool]:
    """Let Lyon propose to `to`; return the status of the answer, and whether Lyon's key was asked for."""
    strangers.office.fetched.clear()
    await propose(strangers.lyon.world, to.base, terms={})
    strangers.office.fetched.clear()
    await settle(strangers.office)
    return strangers.office.posts[-1][2], strangers.lyon.id in strangers.office.fetched


def closed(coop: Coop) -> None:
    coop.office.worlds[coop.base] = replace(
        coop.world, instance=replace(coop.world.instance, strangers_propose=False)
    )


async def test_where_strangers_may_not_propose_they_are_refused_unread(strangers: Federation):
    closed(strangers.nantes)
    assert await offered(strangers, strangers.nantes) == (403, False)
    (one,) = await dossiers(strangers.nantes.world)
    assert one.knocked is not None
    assert not one.agreements


async def test_what_a_stranger_proposes_to_somebody_else_is_refused_unread(strangers: Federation):
    lyon, nantes, alpes = strangers.lyon, strangers.nantes, strangers.alpes
    chain = await propose(lyon.world, alpes.base, terms={})
    strangers.office.fetched.clear()
    with pytest.raises(Forbidden) as refusal:
        await nantes.receive(
            strict_json.dumps((await lyon.history(chain.id))[0]), sender=lyon.id, ring=lyon.ring
        )
    assert refusal.value.code == "not-in-allow-list"
    assert strangers.office.fetched == []


async def test_where_strangers_may_not_propose_peers_may(strangers: Federation):
    closed(strangers.nantes)
    await decide_peer(strangers.nantes.world, strangers.lyon.base, "limited")
    assert (await offered(strangers, strangers.nantes))[0] == 202


async def test_only_so_many_proposals_of_strangers_wait(
    strangers: Federation, monkeypatch: pytest.MonkeyPatch
):
    lyon, nantes, alpes = strangers.lyon, strangers.nantes, strangers.alpes
    monkeypatch.setattr("fedcoop.flow.agreeing.MAX_PROPOSALS", 1)
    await propose(alpes.world, nantes.base, terms={})
    await settle(strangers.office)
    assert await offered(strangers, nantes) == (429, False)
    await reject(nantes.world, alpes.base)
    lyon.clock.now += timedelta(days=1, minutes=1)
    await settle(strangers.office)
    assert [c.state for c in await agreements(nantes.world)] == ["rejected", "proposed"]


async def test_a_server_of_which_a_proposal_waits_is_not_read_again(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    name = await proposed(strangers)
    lyon.clock.now += timedelta(hours=1)
    other = {**(await lyon.history(name))[0], "id": f"{lyon.base}/activities/x"}
    other["object"] = {**other["object"], "id": f"{lyon.base}/agreements/x"}
    with pytest.raises(FedcoopError) as refusal:
        await nantes.receive(json.dumps(other).encode(), sender=lyon.id, ring=lyon.ring)
    assert refusal.value.code == "rate-limited"
    await end(lyon.world, nantes.base)
    await propose(lyon.world, nantes.base, terms={})
    # The withdrawal comes first, and makes room.
    await settle(strangers.office)
    assert [c.state for c in await agreements(nantes.world)] == ["ended", "proposed"]


async def test_what_anybody_says_in_its_name_keeps_no_server_from_proposing(strangers: Federation):
    lyon, nantes, alpes = strangers.lyon, strangers.nantes, strangers.alpes
    await decide_peer(lyon.world, nantes.base, "allowed")
    await lyon.say(lyon.id, "Follow", nantes.id)
    assert strangers.office.posts[-1][2] == 403
    chain = await propose(lyon.world, nantes.base, terms={})
    body = json.dumps((await lyon.history(chain.id))[0]).encode()
    for _ in range(2):
        forger = Ring(itertools.count(70), {lyon.id: alpes.ring.keys[alpes.id]})
        with pytest.raises(Unverified):
            await nantes.receive(body, sender=lyon.id, ring=forger)
    assert (await nantes.receive(body, sender=lyon.id, ring=lyon.ring)).outcome == "accepted"


async def test_one_server_has_its_proposals_read_once_in_a_while(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await proposed(strangers)
    await end(lyon.world, nantes.base)
    await settle(strangers.office)
    assert (await offered(strangers, nantes))[0] == 429
    body = (await lyon.history((await agreements(lyon.world))[-1].id))[0]
    with pytest.raises(FedcoopError) as refusal:
        await nantes.receive(json.dumps(body).encode(), sender=lyon.id, ring=lyon.ring)
    assert refusal.value.code == "rate-limited"
    lyon.clock.now += timedelta(minutes=5)
    receipt = await nantes.receive(json.dumps(body).encode(), sender=lyon.id, ring=lyon.ring)
    assert receipt.outcome == "accepted"


async def test_a_server_proposes_so_often_in_a_month_whatever_became_of_it(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    for _ in range(3):
        await proposed(strangers)
        await end(lyon.world, nantes.base)
        await settle(strangers.office)
        lyon.clock.now += timedelta(minutes=6)
    assert len(await agreements(nantes.world)) == 3
    assert await offered(strangers, nantes) == (429, False)
    lyon.clock.now += timedelta(days=31)
    await settle(strangers.office)
    await offered(strangers, nantes)
    assert len(await agreements(nantes.world)) == 4


async def test_all_strangers_together_propose_so_often(
    strangers: Federation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(agreeing, "MAX_PROPOSALS_LATELY", 1)
    await propose(strangers.alpes.world, strangers.nantes.base, terms={})
    await settle(strangers.office)
    await end(strangers.alpes.world, strangers.nantes.base)
    await settle(strangers.office)
    assert await offered(strangers, strangers.nantes) == (429, False)


async def test_a_proposal_is_no_larger_than_it_needs_to_be(strangers: Federation):
    terms = {"content": "x" * 33_000}
    await propose(strangers.lyon.world, strangers.nantes.base, terms=terms)
    await settle(strangers.office)
    assert strangers.office.posts[-1][2] == 413
    assert await agreements(strangers.nantes.world) == ()


async def test_few_strangers_are_read_in_a_minute(strangers: Federation, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fedcoop.flow.looks.LOOKS_PER_MINUTE", 1)
    await propose(strangers.alpes.world, strangers.nantes.base, terms={})
    await settle(strangers.office)
    assert await offered(strangers, strangers.nantes) == (429, False)


async def test_a_stranger_is_no_party_to_the_agreement_of_others(strangers: Federation):
    lyon, nantes, alpes = strangers.lyon, strangers.nantes, strangers.alpes
    name = await proposed(strangers)
    undo = {
        **(await lyon.history(name))[0],
        "id": f"{alpes.base}/activities/x",
        "type": "Undo",
        "actor": alpes.id,
        "object": name,
    }
    strangers.office.fetched.clear()
    with pytest.raises(Forbidden) as refusal:
        await nantes.receive(json.dumps(undo).encode(), sender=alpes.id, ring=alpes.ring)
    assert refusal.value.code == "not-in-allow-list"
    assert strangers.office.fetched == []


async def test_what_is_over_opens_the_door_no_more(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    name = await proposed(strangers)
    await reject(nantes.world, lyon.base)
    await settle(strangers.office)
    late = {
        **(await lyon.history(name))[0],
        "id": f"{lyon.base}/activities/x",
        "type": "Undo",
        "object": name,
    }
    with pytest.raises(Forbidden) as refusal:
        await nantes.receive(json.dumps(late).encode(), sender=lyon.id, ring=lyon.ring)
    assert refusal.value.code == "not-in-allow-list"
    same = strict_json.dumps((await lyon.history(name))[0])
    again = await nantes.receive(same, sender=lyon.id, ring=lyon.ring)
    assert again.outcome == "duplicate"
