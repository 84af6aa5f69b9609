"""What a step causes: what is kept, for whom, and what our own actors say in answer."""

from __future__ import annotations

from typing import Any

import pytest

from fedcoop.protocol.authorise import FollowFact, Scene
from fedcoop.protocol.effects import (
    effects_of,
    next_mission_state,
    proposal_readers,
    take_off,
)
from fedcoop.protocol.facts import Facts
from fedcoop.protocol.messages import (
    Activity,
    Authorised,
    BuryObject,
    Chain,
    ConfirmLinks,
    DropFollow,
    DropLinks,
    DropListing,
    Effects,
    Intent,
    KeyDocument,
    PutActor,
    PutChain,
    PutFollow,
    PutListing,
    PutObject,
    ResetChain,
)
from fedcoop.protocol.model import LIFECYCLES
from tests.protocol.making import (
    AWA,
    CARRIER,
    ENGAGEMENT,
    LYON,
    MISSION,
    NANTES,
    OFFERED,
    OWNER,
    RECORD,
    a_chain,
    a_mission,
    a_price,
    a_record,
    a_scene,
    an_activity,
    an_agreement,
    an_attestation,
    an_engagement,
    engaged,
    following,
    money,
    with_,
)
from tests.protocol.signing import NOW, PUBLIC

MEMBERS = f"{OWNER}/members"
NOTE = {"id": f"{LYON}/notes/1", "type": "Note", "attributedTo": AWA, "content": "Bonjour"}


def caused(activity: Activity, chain: Chain | None, scene: Scene | None = None, **fields: Any) -> Effects:
    """Return what `activity` causes at Nantes when the chain is `chain` afterwards."""
    decided = {"keys": None, "displaces_from": None, "confirmed": True, **fields}
    return effects_of(Authorised(activity=activity, chain=chain, **decided), scene or a_scene(), communes={})


def outside(activity: Activity, **known: Any) -> Effects:
    return caused(activity, None, a_scene(**known), keys=KeyDocument({"id": activity.actor}, NOW))


def of_kind(effects: Effects, kind: type) -> list[Any]:
    return [c for c in effects.changes if isinstance(c, kind)]


# -- chains ---------------------------------------------------------------------------------------------------------


def test_a_step_adds_one_link():
    chain = a_chain("Engagement", "rejected", version=3)
    reject = following(chain, "Reject", OWNER, OFFERED)
    effects = caused(reject, chain, refs=("x",), confirmed=False)
    (put,) = of_kind(effects, PutChain)
    assert (put.chain, put.refs) == (chain, ("x",))
    assert (put.link.version, put.link.activity_id, put.link.digest, put.link.confirmed) == (
        3,
        reject.id,
        chain.digest,
        False,
    )


def test_what_the_owner_builds_upon_the_owner_has_taken():
    chain = a_chain("Engagement", "rejected", version=3)
    assert of_kind(caused(following(chain, "Reject", OWNER, OFFERED), chain), ConfirmLinks) == [
        ConfirmLinks(OFFERED, 3)
    ]
    assert of_kind(caused(following(chain, "Undo", AWA, OFFERED), chain), ConfirmLinks) == []
    first = a_chain("Mission", "published", version=1)
    assert of_kind(caused(an_activity("Create", OWNER, a_mission()), first), ConfirmLinks) == []


def test_a_tail_that_the_owner_displaces_goes_with_what_it_left():
    chain, prefix = (
        a_chain("Engagement", "terminated", version=3),
        a_chain("Engagement", "accepted", version=2),
    )
    tail = (following(prefix, "Create", AWA, a_record()),)
    scene = a_scene(prefix=prefix, taken_off=tail)
    effects = caused(following(prefix, "Undo", OWNER, ENGAGEMENT), chain, scene, displaces_from=3)
    assert effects.changes[:3] == (
        DropLinks(OFFERED, 3, "the chain's owner decided otherwise"),
        ResetChain(OFFERED, prefix),
        BuryObject(RECORD, "WorkRecord", NOW),
    )
    assert isinstance(effects.changes[3], PutChain)


def test_what_a_step_left_behind_is_buried_with_it():
    chain = a_chain("Engagement", "active")
    tail = (
        following(chain, "Offer", AWA, an_engagement(id=f"{LYON}/x")),
        following(chain, "Create", AWA, a_record()),
        following(chain, "Accept", OWNER, RECORD, result=an_attestation()),
        following(chain, "Accept", OWNER, OFFERED, result=an_agreement()),
        following(chain, "Undo", AWA, OFFERED),
        following(chain, "Accept", OWNER, RECORD, result=ENGAGEMENT),
    )
    changes = take_off(OFFERED, 2, "no", before=None, tail=tail, now=NOW)
    assert changes[:2] == [DropLinks(OFFERED, 2, "no"), ResetChain(OFFERED, None)]
    assert [(c.id, c.former_type) for c in changes[2:] if isinstance(c, BuryObject)] == [
        (RECORD, "WorkRecord"),
        (f"{NANTES}/credentials/1", "WorkAttestation"),
        (ENGAGEMENT, "Engagement"),
    ]


# -- what is kept, and for whom -------------------------------------------------------------------------------------


def published(state: str = "published", **changes: Any) -> tuple[Activity, Chain]:
    mission = a_mission(missionState=state, **changes)
    chain = a_chain("Mission", state, document=mission)
    recipients = {name: mission.get(name) for name in ("to", "cc")}
    return following(chain, "Update", OWNER, mission, **recipients), chain


def test_a_mission_is_kept_and_shown_on_the_board():
    activity, chain = published()
    effects = caused(activity, chain)
    (put,), (listing,) = of_kind(effects, PutObject), of_kind(effects, PutListing)
    assert (put.id, put.owner, put.object_class, put.local) == (MISSION, OWNER, "Mission", True)
    assert put.document == chain.document
    assert put.readers == listing.readers == (PUBLIC, MEMBERS, OWNER, f"{OWNER}/followers")


@pytest.mark.parametrize("state", ["published", "expired", "withdrawn"])
def test_a_public_mission_is_everybodys_to_read_while_it_engages_nobody(state: str):
    activity, chain = published(state)
    assert PUBLIC in proposal_readers(chain, activity, a_scene())


@pytest.mark.parametrize("state", ["assigned", "started", "delivered", "accepted", "settled", "cancelled"])
def test_a_mission_that_engages_somebody_is_not_the_publics(state: str):
    activity, chain = published(state)
    assert proposal_readers(chain, activity, a_scene()) == (MEMBERS, OWNER, f"{OWNER}/followers")


def test_what_a_peer_shows_its_followers_our_members_read():
    activity, chain = published(to=[f"{OWNER}/followers"], cc=[])
    alpes = "https://alpes.example"
    readers = proposal_readers(chain, activity, a_scene(base=alpes))
    assert readers == (f"{alpes}/actors/coop/members", OWNER)


def test_a_deleted_proposal_leaves_a_tombstone_and_the_board():
    chain = a_chain("Mission", "withdrawn")
    effects = caused(following(chain, "Delete", OWNER, MISSION), chain)
    assert of_kind(effects, BuryObject) == [BuryObject(MISSION, "Mission", NOW)]
    assert of_kind(effects, DropListing) == [DropListing(MISSION)]
    assert of_kind(effects, PutObject) == []


def test_what_an_engagement_leaves_behind_is_for_its_parties():
    chain = a_chain("Engagement", "accepted")
    accept = following(chain, "Accept", OWNER, OFFERED, result=an_agreement())
    (put,) = of_kind(caused(accept, chain), PutObject)
    assert (put.id, put.owner, put.object_class, put.local) == (ENGAGEMENT, OWNER, "Engagement", True)
    assert put.readers == (OWNER, AWA, CARRIER)
    record = following(chain, "Create", AWA, a_record())
    (kept,) = of_kind(caused(record, chain), PutObject)
    assert (kept.id, kept.object_class, kept.local) == (RECORD, "WorkRecord", False)


def test_an_offer_leaves_no_object():
    chain = a_chain("Engagement", "proposed")
    assert of_kind(caused(an_activity("Offer", AWA, an_engagement(id=f"{LYON}/x")), chain), PutObject) == []


# -- where its engagements move a mission ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "slots", "engagements", "expected"),
    [
        ("published", 1, ["proposed"], None),
        ("published", 1, ["accepted"], "assigned"),
        ("published", 2, ["accepted"], None),
        ("published", 2, ["accepted", "active"], "assigned"),
        ("assigned", 1, ["terminated"], "published"),
        ("assigned", 2, ["accepted", "terminated"], "published"),
        ("assigned", 1, ["accepted"], None),
        ("assigned", 2, ["active", "accepted"], "started"),
        ("assigned", 2, ["active", "terminated"], "started"),
        ("started", 2, ["active", "delivered"], None),
        ("started", 2, ["delivered", "completed"], "delivered"),
        ("started", 1, ["terminated"], None),
        ("delivered", 1, ["active"], "started"),
        ("delivered", 2, ["completed", "delivered"], None),
        ("delivered", 2, ["completed", "settled"], "accepted"),
        ("accepted", 1, ["completed"], None),
        ("accepted", 1, ["settled"], "settled"),
        ("accepted", 1, [], None),
        ("settled", 1, ["settled"], None),
        ("cancelled", 1, ["terminated"], None),
        ("withdrawn", 1, [], None),
        ("expired", 2, ["active"], None),
    ],
)
def test_a_mission_moves_with_its_engagements(
    state: str, slots: int, engagements: list[str], expected: str | None
):
    mission = a_chain("Mission", state, document=a_mission(slots=slots))
    assert next_mission_state(mission, engaged(*engagements)) == expected


def test_a_gratis_mission_is_settled_when_its_work_is_accepted():
    gratis = a_chain("Mission", "accepted", document=a_mission(price=None, reciprocal=None))
    assert next_mission_state(gratis, engaged("completed")) == "settled"


def test_every_move_of_a_mission_is_an_edge_of_its_lifecycle():
    edges = {
        (e.source, dict(e.where).get("missionState")) for e in LIFECYCLES["Mission"].edges if e.implemented
    }
    states = ["proposed", "accepted", "active", "delivered", "completed", "settled", "terminated"]
    for source in {s for s, _ in edges}:
        for one in states:
            for other in states:
                mission = a_chain("Mission", source, document=a_mission(slots=2))
                moved = next_mission_state(mission, engaged(one, other))
                assert moved is None or (source, moved) in edges


# -- what the owner answers -----------------------------------------------------------------------------------------


def answers(
    activity: Activity, before: Chain | None, after: Chain, *engagements: str, here: bool = True, **facts: Any
) -> list[Intent]:
    known = Facts(owner_here=here, engagements=engaged(*engagements), **facts)
    return list(caused(activity, after, a_scene(chain=before, facts=known)).reactions)


def said(intents: list[Intent]) -> list[tuple[str, str, Any]]:
    return [(i.type, str(i.body["object"])[-7:], i.body.get("reasonCode")) for i in intents]


@pytest.mark.parametrize(
    ("change", "answered"),
    [
        ({"price": a_price("1200.00")}, True),
        ({"reciprocal": {"id": f"{MISSION}#reciprocal"}}, True),
        ({"publishes": {"id": f"{MISSION}#primary"}}, True),
        ({"location": {"type": "Place", "name": "Rezé"}}, True),
        ({"startTime": "2026-12-05T08:00:00Z"}, True),
        ({"endTime": "2026-12-09T18:00:00Z"}, True),
        ({"content": "<p>Plus clair.</p>"}, False),
        ({"slots": 3}, False),
    ],
)
@pytest.mark.parametrize("kind", ["Mission", "Listing"])
def test_whoever_has_offered_looks_again_when_the_terms_change(
    kind: str, change: dict[str, Any], answered: bool
):
    before = a_chain(kind, "published")
    after = with_(before, document={**before.document, **change})
    update = following(before, "Update", OWNER, after.document)
    expected = [("TentativeReject", "offer-1", None)] if answered else []
    assert said(answers(update, before, after, "proposed", "countered", "rejected")) == expected
    assert answers(update, before, after, "proposed", here=False) == []


def test_a_first_publication_answers_nobody():
    create = an_activity("Create", OWNER, a_mission())
    assert answers(create, None, a_chain("Mission", "published"), "proposed") == []


@pytest.mark.parametrize(
    ("state", "reason"),
    [("withdrawn", "missionWithdrawn"), ("expired", "missionWithdrawn"), ("assigned", "slotFilled")],
)
def test_everybody_who_waits_is_told_that_it_is_over(state: str, reason: str):
    before, after = a_chain("Mission", "published"), a_chain("Mission", state)
    activity = following(before, "Update", OWNER, after.document)
    waiting = ["proposed", "countered", "rejected", "withdrawn"]
    more = ["accepted"] if state == "assigned" else []
    expected = [("Reject", "offer-1", reason), ("Reject", "offer-2", reason)]
    assert said(answers(activity, before, after, *waiting, *more)) == expected


def test_a_cancelled_mission_ends_what_is_running_with_the_same_compensation():
    before, after = a_chain("Mission", "started"), a_chain("Mission", "cancelled")
    cancel = following(before, "Update", OWNER, after.document, compensation=money("100.00"))
    intents = answers(cancel, before, after, "proposed", "accepted", "active", "delivered", "completed")
    assert said(intents) == [
        ("Reject", "offer-1", "missionWithdrawn"),
        ("Undo", "ccept-2", "missionWithdrawn"),
        ("Undo", "ccept-3", "missionWithdrawn"),
    ]
    assert [i.body.get("compensation") for i in intents[1:]] == [money("100.00")] * 2
    inside = following(before, "Update", OWNER, {**after.document, "compensation": money("5.00")})
    assert answers(inside, before, after, "active")[0].body["compensation"] == money("5.00")
    notice = following(before, "Update", OWNER, after.document)
    assert "compensation" not in answers(notice, before, after, "accepted")[0].body


def test_an_engagement_moves_its_mission_and_names_the_cause():
    mission = a_chain("Mission", "published")
    after = a_chain("Engagement", "accepted", id=f"{LYON}/activities/offer-1")
    accept = following(after, "Accept", OWNER, OFFERED)
    (intent,) = answers(accept, None, after, "proposed", "proposed", proposal=mission)
    assert (intent.actor, intent.type) == (OWNER, "Update")
    assert intent.body["object"] == {
        **mission.document,
        "missionState": "assigned",
        "stateActivity": accept.id,
    }
    assert answers(accept, None, after, "proposed", proposal=mission, here=False) == []
    assert answers(accept, None, after, "proposed", proposal=a_chain("Listing", "published")) == []
    assert answers(accept, None, after, "proposed") == []


def test_a_mission_that_moves_on_at_once_keeps_the_cause():
    document = a_mission(missionState="assigned", stateActivity=OFFERED)
    after = a_chain("Mission", "assigned", document=document)
    update = following(after, "Update", OWNER, document)
    (intent,) = answers(update, a_chain("Mission", "published"), after, "active")
    assert (intent.body["object"]["missionState"], intent.body["object"]["stateActivity"]) == (
        "started",
        OFFERED,
    )


# -- outside chains -------------------------------------------------------------------------------------------------


def test_an_object_is_kept_unchanged():
    odd = {**NOTE, "type": "Chirp", "@x": [1, {"y": None}]}
    create = an_activity("Create", AWA, odd, to=[PUBLIC], cc=[f"{AWA}/followers"])
    (put,) = outside(create).changes
    assert isinstance(put, PutObject)
    assert (put.document, put.object_class, put.owner, put.local) == (odd, "Chirp", AWA, False)
    assert put.readers == (PUBLIC, MEMBERS)


def test_what_is_addressed_to_one_person_is_for_that_person():
    malo = f"{NANTES}/actors/malo"
    create = an_activity("Create", AWA, NOTE, to=[malo, f"{LYON}/actors/other"])
    (put,) = outside(create, local_actors=frozenset({malo})).changes
    assert isinstance(put, PutObject)
    assert put.readers == (malo,)


def test_an_object_is_created_once_and_updated_often():
    assert outside(an_activity("Create", AWA, NOTE), object_owner=AWA).changes == ()
    (put,) = outside(an_activity("Update", AWA, NOTE), object_owner=AWA).changes
    assert isinstance(put, PutObject)


def test_an_object_without_an_id_is_not_kept():
    assert outside(an_activity("Create", AWA, {"type": "Note"})).changes == ()


def test_a_plain_proposal_is_shown_on_the_board():
    plain = {"id": f"{LYON}/p/1", "type": "Proposal", "purpose": "offer", "publishes": {}, "name": "Velo"}
    put, listing = outside(an_activity("Create", AWA, plain, to=[PUBLIC]), fedcoop=False).changes
    assert isinstance(put, PutObject)
    assert put.document == plain
    assert isinstance(listing, PutListing)
    assert (listing.object_class, listing.title, listing.state) == ("ServiceOffer", "Velo", "published")
    assert listing.readers == (PUBLIC, MEMBERS)
    wanted = an_activity("Create", AWA, {**plain, "purpose": "request"})
    assert [c.object_class for c in of_kind(outside(wanted), PutListing)] == ["Need"]


def test_what_speaks_another_version_of_the_vocabulary_is_no_proposal_of_ours():
    newer = {"id": f"{LYON}/p/9", "type": "Note", "fedcoopType": ["Proposal", "Mission"], "name": "Velo"}
    (put,) = outside(an_activity("Create", AWA, newer, to=[PUBLIC]), fedcoop=False).changes
    assert isinstance(put, PutObject)
    assert (put.object_class, put.document) == ("Note", newer)


def test_our_own_plain_objects_are_not_on_the_board():
    ours = {"id": f"{NANTES}/objects/1", "type": "Proposal", "purpose": "offer", "publishes": {}}
    (put,) = outside(an_activity("Create", OWNER, ours)).changes
    assert isinstance(put, PutObject)
    assert put.local


def test_an_actor_is_believed_about_itself_but_not_about_its_keys():
    fetched = {"id": AWA, "inbox": f"{AWA}/inbox", "publicKey": {"id": "k"}, "name": "Old"}
    claimed = {"id": AWA, "type": "Person", "name": "Awa", "inbox": "https://victim.example/inbox"}
    claimed |= {
        "publicKey": {"id": "other"},
        "assertionMethod": [{"id": "z"}],
        "endpoints": {},
        "outbox": "x",
    }
    keys = KeyDocument(fetched, NOW.replace(hour=3))
    (put,) = caused(an_activity("Update", AWA, claimed), None, keys=keys).changes
    expected = {"id": AWA, "type": "Person", "name": "Awa", "inbox": f"{AWA}/inbox", "publicKey": {"id": "k"}}
    assert put == PutActor(expected, False, keys.fetched_at)


def test_an_actor_of_ours_is_kept_as_it_was_built():
    document = {"id": OWNER, "type": "Organization", "inbox": f"{OWNER}/inbox"}
    (put,) = caused(an_activity("Update", OWNER, document), None).changes
    assert put == PutActor(document, True, NOW)


def test_a_deleted_object_leaves_a_tombstone():
    effects = outside(an_activity("Delete", AWA, {"id": NOTE["id"], "type": ["Tombstone", "Note"]}))
    assert effects.changes == (BuryObject(NOTE["id"], "Note", NOW), DropListing(NOTE["id"]))
    bare = outside(an_activity("Delete", AWA, NOTE["id"]))
    assert bare.changes[0] == BuryObject(NOTE["id"], "Object", NOW)
    known = outside(an_activity("Delete", AWA, NOTE["id"]), object_class="Chirp")
    assert known.changes[0] == BuryObject(NOTE["id"], "Chirp", NOW)


def test_a_deleted_actor_leaves_a_tombstone_and_nobody_follows_it_any_more():
    follows = (
        FollowFact(AWA, OWNER, "f1", "accepted"),
        FollowFact(OWNER, AWA, "f2", "accepted"),
    )
    effects = outside(an_activity("Delete", AWA, AWA), follows=follows)
    assert effects.changes == (
        PutActor({"id": AWA, "type": "Tombstone"}, False, NOW),
        DropFollow(AWA, OWNER),
        DropFollow(OWNER, AWA),
    )


def test_whoever_was_let_in_may_follow_the_co_op_at_once_and_a_member_when_they_say_so():
    follow = an_activity("Follow", AWA, OWNER)
    effects = outside(follow)
    assert effects.changes == (PutFollow(AWA, OWNER, follow.id, "pending"),)
    assert effects.reactions == (Intent(OWNER, "Accept", {"object": follow.id, "to": [AWA]}),)
    assert outside(an_activity("Follow", AWA, f"{NANTES}/actors/malo")).reactions == ()


def test_a_follow_that_was_accepted_is_accepted_again():
    malo = f"{NANTES}/actors/malo"
    follow = an_activity("Follow", AWA, malo)
    earlier = FollowFact(AWA, malo, "earlier", "accepted")
    (accept,) = outside(follow, follow=earlier).reactions
    assert (accept.actor, accept.type) == (malo, "Accept")
    pending = FollowFact(AWA, malo, "earlier", "pending")
    assert outside(follow, follow=pending).reactions == ()
    ours = an_activity("Follow", OWNER, AWA)
    assert outside(ours, follow=FollowFact(OWNER, AWA, "earlier", "accepted")).reactions == ()


@pytest.mark.parametrize(("kind", "state"), [("Accept", "accepted"), ("Reject", "rejected")])
def test_a_follow_is_answered(kind: str, state: str):
    fact = FollowFact(OWNER, AWA, "f1", "pending")
    answer = an_activity(kind, AWA, "f1")
    assert outside(answer, follow=fact).changes == (PutFollow(OWNER, AWA, "f1", state),)  # type: ignore[arg-type]
    assert outside(answer).changes == ()


def test_a_follow_is_taken_back():
    fact = FollowFact(AWA, OWNER, "f1", "accepted")
    assert outside(an_activity("Undo", AWA, "f1"), follow=fact).changes == (DropFollow(AWA, OWNER),)
    assert outside(an_activity("Undo", AWA, "f1")).changes == ()


def test_a_probe_is_answered_and_an_answer_is_not():
    malo = f"{NANTES}/actors/malo"
    probe = an_activity("Probe", AWA, to=[malo])
    (reply,) = outside(probe, local_actors=frozenset({malo})).reactions
    assert reply == Intent(malo, "Probe", {"inReplyTo": probe.id, "to": [AWA]})
    (by_coop,) = outside(probe).reactions
    assert by_coop.actor == OWNER
    assert outside(an_activity("Probe", AWA, inReplyTo=probe.id)).reactions == ()
    assert outside(an_activity("Probe", OWNER)).reactions == ()


def test_the_same_input_causes_the_same_effects():
    activity, chain = published()
    assert caused(activity, chain) == caused(activity, chain)
