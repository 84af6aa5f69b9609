"""Federation agreements between co-ops that did not know each other: proposed, answered, ended, run out."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from fedcoop.errors import Conflict, FedcoopError, Forbidden, Invalid, NotFound, NotImplementedYet
from fedcoop.flow.federating import accept, agreements, end, expire, propose, reject
from fedcoop.flow.peering import decide_peer, dossiers
from fedcoop.flow.reading import read_history
from fedcoop.protocol.agreements import DEFAULT_SCOPES
from fedcoop.protocol.history import verify_history
from fedcoop.protocol.limits import PROPOSAL_LIFE
from tests.flow.federation import Coop, Federation, a_mission, settle
from tests.flow.stories import a_published_mission, an_engagement, record
from tests.flow.strangers import agreed, decisions_of, pass_time, peer_of, proposed, state_of

AGREEMENT = "FederationAgreement"


# -- proposing and answering ----------------------------------------------------------------------------------------


async def test_two_strangers_agree_and_each_admits_the_other_with_who_why_and_since_when(
    strangers: Federation,
):
    lyon, nantes = strangers.lyon, strangers.nantes
    name = await agreed(strangers)
    assert await lyon.state(name) == await nantes.state(name) == ("active", 2)
    for coop, other, by in ((lyon, nantes, "Jeanne"), (nantes, lyon, "Paul")):
        peer = await peer_of(coop, other)
        assert peer is not None
        assert (peer.state, peer.decided_by, peer.since) == ("allowed", by, coop.clock())
        assert name in peer.note
        assert [d.source for d in await decisions_of(coop, other)] == [name]


async def test_what_is_agreed_lets_everything_pass(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await agreed(strangers)
    await lyon.say(lyon.id, "Follow", nantes.id)
    mission = await a_published_mission(nantes)
    assert mission in await lyon.board(lyon.id)


async def test_a_proposal_waits_for_the_operator_and_admits_nobody(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    name = await proposed(strangers, scopes=["missions"], referralRate="0.03", noticePeriod="P60D")
    assert await nantes.state(name) == ("proposed", 1)
    assert await state_of(lyon, nantes) == await state_of(nantes, lyon) == "undecided"
    (one,) = await dossiers(nantes.world)
    (waiting,) = one.agreements
    assert (one.origin, waiting.owner, waiting.state) == (lyon.base, lyon.id, "proposed")
    shown = waiting.document
    assert (shown["scopes"], shown["referralRate"], shown["noticePeriod"]) == (["missions"], "0.03", "P60D")


async def test_a_stranger_says_nothing_else_while_its_proposal_waits(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    name = await proposed(strangers)
    await decide_peer(lyon.world, nantes.base, "allowed")
    strangers.office.posts.clear()
    await lyon.say(lyon.id, "Follow", nantes.id)
    await lyon.say(lyon.id, "Create", {**a_mission(), "id": name})
    assert {status for inbox, _, status in strangers.office.posts if inbox.startswith(nantes.base)} == {403}


async def test_what_is_rejected_admits_nobody_and_may_be_proposed_again(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    name = await proposed(strangers)
    await reject(nantes.world, lyon.base)
    await settle(strangers.office)
    assert await lyon.state(name) == await nantes.state(name) == ("rejected", 2)
    assert await state_of(lyon, nantes) == await state_of(nantes, lyon) == "undecided"
    with pytest.raises(NotFound):
        await accept(nantes.world, lyon.base)
    lyon.clock.now += timedelta(minutes=5)
    again = await agreed(strangers)
    assert await lyon.state(again) == ("active", 2)


async def test_a_proposal_is_taken_back(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    name = await proposed(strangers)
    with pytest.raises(Conflict):
        await end(nantes.world, lyon.base)
    await end(lyon.world, nantes.base)
    await settle(strangers.office)
    assert await lyon.state(name) == await nantes.state(name) == ("ended", 2)
    with pytest.raises(NotFound):
        await end(lyon.world, nantes.base)


async def test_a_client_proposes_and_answers_with_the_usual_terms(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    said = await lyon.say(lyon.id, "Offer", {"type": AGREEMENT}, to=[nantes.id])
    terms = said.document["object"]
    assert terms["parties"] == [lyon.id, nantes.id]
    assert (terms["scopes"], terms["noticePeriod"]) == (list(DEFAULT_SCOPES), "P30D")
    assert terms["id"].startswith(f"{lyon.base}/agreements/")
    await nantes.say(nantes.id, "Accept", terms["id"])
    peer = await peer_of(nantes, lyon)
    assert peer is not None
    assert (peer.state, peer.decided_by) == ("allowed", nantes.id)


async def test_two_proposals_that_cross_are_both_taken(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    first = await propose(lyon.world, nantes.base, terms={})
    second = await propose(nantes.world, lyon.base, terms={})
    await settle(strangers.office)
    assert await nantes.state(first.id) == await lyon.state(second.id) == ("proposed", 1)
    await accept(nantes.world, lyon.base)
    await settle(strangers.office)
    assert await lyon.state(first.id) == ("active", 2)


# -- who may propose what --------------------------------------------------------------------------------------------


async def refused(coop: Coop, actor: str, obj: Any, kind: str = "Offer", **members: Any) -> FedcoopError:
    with pytest.raises(FedcoopError) as refusal:
        await coop.post(actor, {"type": kind, "object": obj, **members})
    return refusal.value


async def test_one_proposal_of_a_co_op_waits_at_a_time(strangers: Federation):
    await proposed(strangers)
    with pytest.raises(Invalid) as refusal:
        await propose(strangers.lyon.world, strangers.nantes.base, terms={})
    assert refusal.value.extra == {"guard": "noOtherAgreement"}


async def test_where_an_agreement_is_in_force_none_is_proposed(strangers: Federation):
    await agreed(strangers)
    with pytest.raises(Invalid):
        await propose(strangers.nantes.world, strangers.lyon.base, terms={})


async def test_only_the_co_op_speaks_for_itself(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    awa, paul = await lyon.member("awa"), await nantes.member("paul")
    assert (await refused(lyon, awa, {"type": AGREEMENT}, to=[nantes.id])).code == "wrong-party"
    name = await proposed(strangers)
    assert (await refused(nantes, paul, name, "Accept")).code == "wrong-party"


@pytest.mark.parametrize("who", ["member", "other"])
async def test_an_agreement_with_anybody_but_our_co_op_is_not_taken(strangers: Federation, who: str):
    lyon, nantes, alpes = strangers.lyon, strangers.nantes, strangers.alpes
    await decide_peer(nantes.world, lyon.base, "allowed")
    other = await nantes.member("paul") if who == "member" else alpes.id
    said = await lyon.post(lyon.id, {"type": "Offer", "object": {"type": AGREEMENT}, "to": [other]})
    with pytest.raises(Forbidden) as refusal:
        await nantes.receive(json.dumps(said.document).encode(), sender=lyon.id, ring=lyon.ring)
    assert refusal.value.code == "wrong-party"


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        ({"noticePeriod": "P10Y"}, Invalid),
        ({"validUntil": "2026-11-21T00:00:00Z"}, Invalid),
        ({"effectiveFrom": "2027-11-21T00:00:00Z"}, NotImplementedYet),
    ],
)
async def test_terms_that_no_co_op_should_accept_are_not_even_proposed(
    strangers: Federation, terms: dict[str, str], error: type[FedcoopError]
):
    with pytest.raises(error):
        await propose(strangers.lyon.world, strangers.nantes.base, terms=terms)


async def test_whoever_is_no_co_op_of_that_server_is_not_proposed_to(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    paul = await nantes.member("paul")
    for actor in (paul, strangers.alpes.id):
        with pytest.raises(Invalid):
            await propose(lyon.world, nantes.base, terms={}, actor=actor)


async def test_a_co_op_that_we_have_blocked_is_not_proposed_to(strangers: Federation):
    await decide_peer(strangers.lyon.world, strangers.nantes.base, "blocked")
    with pytest.raises(Forbidden) as refusal:
        await propose(strangers.lyon.world, strangers.nantes.base, terms={})
    assert refusal.value.code == "blocked"


# -- ending ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ender", ["lyon", "nantes"])
async def test_either_side_ends_it_and_until_the_notice_is_over_everything_passes(
    strangers: Federation, ender: str
):
    lyon, nantes = strangers.lyon, strangers.nantes
    name = await agreed(strangers)
    one, other = (lyon, nantes) if ender == "lyon" else (nantes, lyon)
    await end(one.world, other.base, by="Zoé")
    await settle(strangers.office)
    assert await lyon.state(name) == await nantes.state(name) == ("ending", 3)
    await pass_time(strangers, timedelta(days=29))
    await lyon.say(lyon.id, "Follow", nantes.id)
    assert strangers.office.posts[-1][2] == 202
    await pass_time(strangers, timedelta(days=1))
    assert [c.state for c in await agreements(lyon.world)] == ["ended"]
    for coop, its_peer in ((lyon, nantes), (nantes, lyon)):
        last = (await decisions_of(coop, its_peer))[-1]
        assert (last.state, last.source) == ("frozen", name)
        assert "accord de fédération" in last.reason


async def test_what_is_under_way_when_it_ends_goes_on_to_its_end_and_nothing_new_begins(
    strangers: Federation,
):
    lyon, nantes = strangers.lyon, strangers.nantes
    await agreed(strangers, noticePeriod="P0D")
    awa = await lyon.member("awa", status="cape")
    await lyon.say(awa, "Follow", nantes.id)
    mission, other = await a_published_mission(nantes), await a_published_mission(nantes)
    engagement = await an_engagement(strangers, awa, mission)
    await end(nantes.world, lyon.base)
    await settle(strangers.office)
    assert await state_of(lyon, nantes) == await state_of(nantes, lyon) == "frozen"
    await lyon.say(awa, "Create", record(engagement, "started"))
    assert (await nantes.state(engagement) or ("",))[0] == "active"
    assert (await refused(lyon, awa, {"type": "Agreement", "mission": other})).code == "frozen"


async def test_an_agreement_that_runs_out_ends_by_itself_on_both_sides(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    name = await agreed(strangers, validUntil="2026-12-01T00:00:00Z")
    await pass_time(strangers, timedelta(days=8))
    assert await state_of(lyon, nantes) == await state_of(nantes, lyon) == "allowed"
    await pass_time(strangers, timedelta(days=1))
    assert await state_of(lyon, nantes) == await state_of(nantes, lyon) == "frozen"
    assert (await nantes.read(name, nantes.id) or {})["agreementState"] == "ended"
    before = await decisions_of(nantes, lyon)
    assert await expire(nantes.world) == 0
    assert await decisions_of(nantes, lyon) == before
    assert (await refused(lyon, lyon.id, (await lyon.history(name))[1]["id"], "Undo")).code == "guard-failed"


async def test_a_proposal_that_nobody_answers_runs_out(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    name = await proposed(strangers)
    offer = (await nantes.history(name))[0]["id"]
    await pass_time(strangers, PROPOSAL_LIFE)
    with pytest.raises(NotFound):
        await accept(nantes.world, lyon.base)
    assert (await refused(nantes, nantes.id, offer, "Accept")).code == "guard-failed"
    again = await proposed(strangers)
    assert await nantes.state(again) == ("proposed", 1)


async def test_after_the_end_a_new_agreement_gives_everything_back(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    await agreed(strangers, noticePeriod="P0D")
    await end(lyon.world, nantes.base)
    await settle(strangers.office)
    await agreed(strangers)
    assert await state_of(lyon, nantes) == await state_of(nantes, lyon) == "allowed"


# -- what is left of it ---------------------------------------------------------------------------------------------


async def test_it_is_for_its_parties_while_it_is_proposed_and_for_all_once_it_is_agreed(
    strangers: Federation,
):
    lyon, nantes = strangers.lyon, strangers.nantes
    awa, name = await lyon.member("awa"), await proposed(strangers)
    assert await lyon.read(name) is None
    assert await lyon.read(name, awa) is not None
    await accept(nantes.world, lyon.base)
    await settle(strangers.office)
    read = await lyon.read(name)
    assert read is not None
    assert read["agreementState"] == "active"
    assert read["stateActivity"] == (await nantes.history(name))[1]["id"]


async def test_its_history_proves_it_to_a_stranger(strangers: Federation):
    name = await agreed(strangers)
    await end(strangers.nantes.world, strangers.lyon.base)
    await settle(strangers.office)
    history = json.loads(json.dumps(await read_history(name, actor=None, world=strangers.lyon.world)))
    report = verify_history(history)
    assert report.complete, [c.findings for c in report.chains]
    assert [(c.kind, c.state) for c in report.chains] == [(AGREEMENT, "ending")]


async def test_without_its_author_s_proof_it_is_no_proposal(strangers: Federation):
    lyon, nantes = strangers.lyon, strangers.nantes
    chain = await propose(lyon.world, nantes.base, terms={})
    bare = {k: v for k, v in (await lyon.history(chain.id))[0].items() if k != "proof"}
    with pytest.raises(FedcoopError) as refusal:
        await nantes.receive(json.dumps(bare).encode(), sender=lyon.id, ring=lyon.ring)
    assert refusal.value.code == "proof-missing"
