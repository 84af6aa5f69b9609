"""Alpes answers something of Lyon's and names Lyon's followers: Lyon passes it on to Nantes, once and as it came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fedcoop.errors import FedcoopError, Unavailable
from fedcoop.flow import passing_on
from fedcoop.ports import Answer, DeliveryQuery
from fedcoop.protocol import strict_json
from tests.flow.federation import Coop, Federation, settle
from tests.flow.stories import a_published_mission, an_engagement, plainly, proven

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


@pytest.fixture
async def mission(federation: Federation) -> str:
    return await a_published_mission(federation.lyon)


def a_reply(federation: Federation, about: Any, /, number: int = 1, **members: Any) -> dict[str, Any]:
    """Return a Note of Alpes's about something, addressed to Lyon and to its followers."""
    alpes, lyon = federation.alpes, federation.lyon
    note = {
        "id": f"{alpes.base}/notes/{number}", "type": "Note", "attributedTo": alpes.id, "inReplyTo": about,
        "content": "Est-ce que 45.0 km suffisent ?",
    }  # fmt: skip
    given = {"to": [lyon.id], "cc": [f"{lyon.id}/followers"], **members}
    return plainly(alpes, alpes.id, "Create", note, number, **given)


async def brought(
    federation: Federation, said: dict[str, Any], *, proof: bool = True
) -> list[tuple[str, str, bytes]]:
    """Let Alpes send it to Lyon; return what Lyon owes of it: from whom, to where, and the bytes."""
    alpes, lyon = federation.alpes, federation.lyon
    body = proven(alpes, alpes.id, said) if proof else strict_json.dumps(said)
    receipt = await lyon.receive(body, sender=alpes.id, ring=alpes.ring)
    assert receipt.outcome == "accepted"
    return await owed_of(lyon, said["id"])


async def owed_of(coop: Coop, activity_id: str) -> list[tuple[str, str, bytes]]:
    query = DeliveryQuery(activity_id)
    found = await coop.world.store.read(lambda reader: reader.deliveries(query))
    stored = await coop.world.store.read(lambda reader: reader.activity(activity_id))
    return [(one.sender, one.inbox, stored.body if stored else b"") for one in found]


async def knows(coop: Coop, said: dict[str, Any]) -> bool:
    return await coop.world.store.read(lambda reader: reader.activity(said["id"])) is not None


async def test_an_answer_reaches_the_followers_whom_its_author_cannot_know(
    federation: Federation, mission: str
):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    said = a_reply(federation, mission)
    body = proven(alpes, alpes.id, said)
    # Spaced as nobody else would: what is passed on are these bytes, and no others.
    body = body.replace(b'"content":', b'"content" :  ')
    await lyon.receive(body, sender=alpes.id, ring=alpes.ring)
    assert await owed_of(lyon, said["id"]) == [(lyon.id, f"{nantes.base}/inbox", body)]
    await settle(federation.office)
    stored = await nantes.world.store.read(lambda reader: reader.activity(said["id"]))
    assert stored is not None
    assert (stored.body, stored.actor) == (body, alpes.id)
    assert await nantes.read(said["object"]["id"], nantes.id) == said["object"]


async def test_it_is_passed_on_once_and_comes_to_an_end(federation: Federation, mission: str):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    # Everybody's followers are named: each could go on passing it to the others.
    everybody = [f"{coop.id}/followers" for coop in (lyon, nantes, alpes)]
    said = a_reply(federation, mission, cc=everybody)
    await brought(federation, said)
    await settle(federation.office)
    copies = [
        inbox
        for inbox, kind, _ in federation.office.posts
        if kind == "Create" and inbox == f"{nantes.base}/inbox"
    ]
    assert len(copies) == 2  # The mission, and this.
    assert await owed_of(nantes, said["id"]) == []
    again = await lyon.receive(proven(alpes, alpes.id, said), sender=alpes.id, ring=alpes.ring)
    assert again.outcome == "duplicate"
    assert len(await owed_of(lyon, said["id"])) == 1


async def test_what_somebody_else_brought_is_not_passed_on(federation: Federation, mission: str):
    lyon, nantes, alpes = federation.lyon, federation.nantes, federation.alpes
    said = a_reply(federation, mission)
    await lyon.receive(proven(alpes, alpes.id, said), sender=nantes.id, ring=nantes.ring)
    assert await knows(lyon, said)
    assert await owed_of(lyon, said["id"]) == []


def about(said: dict[str, Any], iri: str | None) -> dict[str, Any]:
    """Return the same, said about something else."""
    return {**said, "object": {**said["object"], "inReplyTo": iri}}


Change = Callable[[Federation, dict[str, Any]], dict[str, Any]]

UNFIT: dict[str, Change] = {
    "none of our collections": lambda f, said: {**said, "cc": [PUBLIC, f"{f.alpes.id}/followers"]},
    "about nothing of ours": lambda f, said: about(said, f"{f.alpes.base}/notes/9"),
    "about nothing": lambda f, said: about(said, None),
    "about what is not there": lambda f, said: about(said, f"{f.lyon.base}/missions/none"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNFIT)
async def test_each_condition_is_needed(federation: Federation, mission: str, name: str):
    said = UNFIT[name](federation, a_reply(federation, mission))
    assert await brought(federation, said) == []
    assert len(await brought(federation, a_reply(federation, mission, 2))) == 1


async def test_without_its_authors_proof_nobody_would_believe_us(federation: Federation, mission: str):
    assert await brought(federation, a_reply(federation, mission), proof=False) == []


@pytest.mark.parametrize("where", ["object", "target", "tag"])
async def test_it_may_speak_of_ours_in_several_ways(federation: Federation, mission: str, where: str):
    said = a_reply(federation, f"{federation.alpes.base}/notes/9")
    if where == "object":
        note = {**said["object"], "object": {"id": mission}}
        said = {**said, "object": note}
    else:
        said = {**said, where: [{"id": mission}]}
    assert len(await brought(federation, said)) == 1


async def test_an_answer_to_an_answer_is_about_ours_to_a_depth(federation: Federation, mission: str):
    notes = [mission, *(f"{federation.alpes.base}/notes/{n}" for n in range(1, 5))]
    passed = [len(await brought(federation, a_reply(federation, notes[n - 1], n))) for n in range(1, 5)]
    # Told of by its activity, each answer is one step more than the one before.
    assert passed == [1, 1, 1, 0]


async def test_answers_that_go_round_and_long_lists_end(
    federation: Federation, mission: str, monkeypatch: Any
):
    one, other = (f"{federation.alpes.base}/notes/{n}" for n in (1, 2))
    assert await brought(federation, a_reply(federation, other, 1)) == []
    assert await brought(federation, a_reply(federation, [one, other], 2)) == []
    monkeypatch.setattr(passing_on, "MAX_PASSED_ON_LOOKS", 5)
    many = [f"{federation.alpes.base}/notes/x{n}" for n in range(9)]
    assert await brought(federation, a_reply(federation, [*many, mission], 3)) == []
    assert len(await brought(federation, a_reply(federation, [*many[:3], mission], 4))) == 1


async def test_what_our_followers_may_not_read_is_not_told_them_by_its_answers(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    network = await a_published_mission(lyon, relayScope="network")
    members = await a_published_mission(lyon, relayScope="members")
    both = [f"{lyon.id}/followers", f"{lyon.id}/network"]
    for number, (about, cc, expected) in enumerate(
        [(network, both[:1], 0), (network, both[1:], 1), (network, both, 1), (members, both, 0)], 1
    ):
        owed = await brought(federation, a_reply(federation, about, number, cc=cc))
        assert [inbox for _, inbox, _ in owed] == [f"{nantes.base}/inbox"] * expected


async def test_a_step_of_an_agreement_stays_between_its_parties(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    mission = await a_published_mission(nantes)
    engagement = await an_engagement(federation, awa, mission)
    record = {"type": "WorkRecord", "engagement": engagement, "workPhase": "started"}
    said = (await lyon.post(awa, {"type": "Create", "object": record})).document
    # Another implementation might name them, and the mission that they know.
    body = proven(lyon, awa, said, cc=[f"{nantes.id}/followers"], tag=[{"id": mission}])
    assert (await nantes.receive(body, sender=awa, ring=lyon.ring)).outcome == "accepted"
    assert await owed_of(nantes, said["id"]) == []


@pytest.mark.parametrize(("state", "expected"), [("allowed", 1), ("limited", 0)])
async def test_whom_only_our_members_see_is_not_shown_to_others_by_us(
    federation: Federation, mission: str, state: Any, expected: int
):
    await put(federation.lyon, federation.alpes.base, state)
    assert len(await brought(federation, a_reply(federation, mission))) == expected


@pytest.mark.parametrize("state", ["frozen", "blocked"])
async def test_only_followers_who_are_sent_our_board_get_it(federation: Federation, mission: str, state: Any):
    await put(federation.lyon, federation.nantes.base, state)
    assert await brought(federation, a_reply(federation, mission)) == []


async def put(coop: Coop, origin: str, state: Any) -> None:
    known = await coop.world.store.read(lambda reader: reader.peer(origin))
    assert known is not None
    await coop.world.store.write(lambda tx: tx.put_peer(replace(known, state=state)))


async def test_one_server_gets_one_copy_by_whichever_collection(federation: Federation, mission: str):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    follow = await nantes.say(nantes.id, "Follow", awa)
    await lyon.say(awa, "Accept", follow.activity_id)
    assert len(await lyon.world.store.read(lambda reader: reader.followers(awa))) == 1
    cc = [f"{lyon.id}/followers", f"{lyon.id}/network", f"{awa}/followers"]
    owed = await brought(federation, a_reply(federation, mission, cc=cc))
    assert [inbox for _, inbox, _ in owed] == [f"{nantes.base}/inbox"]


async def test_one_peer_makes_us_pass_on_only_so_much(federation: Federation, mission: str, monkeypatch: Any):
    monkeypatch.setattr(passing_on, "PASSED_ON_RATE", (2, passing_on.PASSED_ON_RATE[1]))
    passed = [len(await brought(federation, a_reply(federation, mission, n))) for n in range(1, 5)]
    assert passed == [1, 1, 0, 0]
    federation.lyon.clock.advance(hours=1)
    assert (
        len(
            await brought(
                federation, {**a_reply(federation, mission, 5), "published": "2026-11-22T13:00:00Z"}
            )
        )
        == 1
    )


async def test_what_is_taken_back_is_taken_back_from_them_as_well(federation: Federation, mission: str):
    """Who takes it for our word alone does not: others' servers may, and ours hears a Delete from its author alone."""
    lyon, alpes = federation.lyon, federation.alpes
    said = a_reply(federation, mission)
    await brought(federation, said)
    gone = plainly(alpes, alpes.id, "Delete", said["object"]["id"], 2, to=said["to"], cc=said["cc"])
    assert len(await brought(federation, gone)) == 1
    follow = plainly(alpes, alpes.id, "Follow", lyon.id, 3, to=said["to"], cc=said["cc"], target=mission)
    assert await brought(federation, follow) == []


@pytest.mark.parametrize(
    ("status", "problem", "expected"),
    [
        (401, "key-owner-mismatch", "refused"),
        (403, "not-in-allow-list", "refused"),
        (403, "blocked", "refused"),
        (503, "key-unreachable", "refused"),
        (503, "predecessor-unknown", "refused"),
        (500, None, "refused"),
        (503, "unavailable", "retrying"),
        (429, None, "retrying"),
        (None, None, "retrying"),
    ],
)
async def test_what_a_peer_thinks_of_its_author_holds_nothing_of_ours_back(
    federation: Federation, mission: str, status: int | None, problem: str | None, expected: str
):
    lyon, nantes = federation.lyon, federation.nantes

    class Grim:
        """Answers the same to everything, and counts."""

        posts = 0

        async def post(
            self, *, inbox: str, body: bytes, sender: str, synchronisation: str | None = None
        ) -> Answer:
            self.posts += 1
            if status is None:
                raise Unavailable("unavailable", "No answer.")
            return Answer(status, problem, "Non.", None)

    grim = Grim()
    federation.office.worlds[lyon.base] = replace(lyon.world, courier=grim)
    said = a_reply(federation, mission)
    await brought(federation, said)
    await settle(federation.office)
    query = DeliveryQuery(said["id"])
    (found,) = await lyon.world.store.read(lambda reader: reader.deliveries(query))
    assert (found.state, grim.posts) == (expected, 1)
    # Nor is it taken for a decision about us.
    assert await lyon.world.store.read(lambda reader: reader.peer_answer(nantes.base)) is None


async def test_a_bad_proof_is_refused_before_anything_is_passed_on(federation: Federation, mission: str):
    alpes, lyon = federation.alpes, federation.lyon
    said = a_reply(federation, mission)
    body = proven(alpes, alpes.id, said).replace(b"45.0 km", b"46.0 km")
    with pytest.raises(FedcoopError, match="proof-invalid"):
        await lyon.receive(body, sender=alpes.id, ring=alpes.ring)
    assert await owed_of(lyon, said["id"]) == []
