"""Who may do what: the two doors, the rules outside chains, and the table of the vocabulary behind them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fedcoop.errors import (
    Conflict,
    FedcoopError,
    Forbidden,
    Gone,
    Invalid,
    Malformed,
    NotFound,
    NotImplementedYet,
    Unavailable,
    Unverified,
)
from fedcoop.protocol import effects
from fedcoop.protocol.authorise import (
    CONTRACT_CLASSES,
    LATER,
    OWN_CLASSES,
    ROWS,
    RULES,
    FollowFact,
    Ignored,
    Scene,
    authorise,
    authorise_own,
    displaced,
    may_be_forwarded,
    named_anew,
)
from fedcoop.protocol.chain import reference_of
from fedcoop.protocol.facts import Facts
from fedcoop.protocol.messages import Activity, Authorised, Chain, KeyDocument, Verified
from fedcoop.protocol.model import AUTHORISATION, LIFECYCLES
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
    a_record,
    a_scene,
    an_activity,
    an_agreement,
    an_engagement,
    an_invoice,
    following,
    keys_of,
    links_of,
    stamp,
    with_,
)
from tests.protocol.signing import NOW, PUBLIC

ALPES = "https://alpes.example"

NOTE = {"id": f"{LYON}/notes/1", "type": "Note", "attributedTo": AWA, "content": "Bonjour"}
PROOF = {"type": "DataIntegrityProof", "created": stamp(NOW)}


def test_what_takes_its_place_once_may_be_brought_by_somebody_else():
    create = an_activity("Create", AWA, {"id": f"{LYON}/notes/1", "type": "Note"})
    assert may_be_forwarded(create, a_scene(), courier=ALPES)
    for kind in ("Update", "Delete", "Undo", "Follow", "Accept"):
        said = an_activity(kind, OWNER, MISSION, to=[PUBLIC])
        assert may_be_forwarded(said, a_scene(chain=a_chain("Mission", "published")), courier=ALPES)
        assert not may_be_forwarded(said, a_scene(), courier=ALPES)


@pytest.mark.parametrize(
    ("to", "meant"),
    [
        (PUBLIC, True),
        (f"{NANTES}/actors/malo", True),
        (f"{ALPES}/actors/coop/followers", True),
        (f"{LYON}/actors/coop/followers", False),
        (f"{LYON}/actors/coop/network", False),
        (f"{ALPES}.evil.example/actors/coop/followers", False),
    ],
)
def test_what_is_brought_is_meant_for_us_as_far_as_we_can_see(to: str, meant: bool):
    create = an_activity("Create", AWA, {"id": f"{LYON}/notes/1", "type": "Note"}, to=[to])
    assert may_be_forwarded(create, a_scene(), courier=ALPES) is meant


def verified(activity: Activity, *, proved: bool = True) -> Verified:
    return Verified(activity, KeyDocument({"id": activity.actor}, NOW), proved)


def arriving(activity: Activity, scene: Scene | None = None, *, proved: bool = True) -> Authorised:
    return authorise(verified(activity, proved=proved), scene or scene_of(activity))


def scene_of(activity: Activity, chain: Chain | None = None, **changes: Any) -> Scene:
    """Return what Nantes knows when `activity` comes, whose chain is `chain`."""
    known: dict[str, Any] = {"reference": reference_of(activity), "chain": chain}
    if chain is not None and chain.digest.startswith("zQm"):
        known["links"] = links_of(*[True] * chain.version, chain_id=chain.id)
    facts = Facts(
        owner_here=True, now=NOW, keys=keys_of(OWNER, CARRIER), proposal=a_chain("Mission", "published")
    )
    return a_scene(**{"facts": facts, **known, **changes})


def refused(
    error: type[FedcoopError],
    code: str,
    activity: Activity,
    scene: Scene | None = None,
    *,
    proved: bool = True,
) -> FedcoopError:
    with pytest.raises(error) as refusal:
        arriving(activity, scene, proved=proved)
    assert refusal.value.code == code
    return refusal.value


def signed(chain: Chain, kind: str, actor: str, obj: Any = None, **changes: Any) -> Activity:
    return following(chain, kind, actor, obj, **{"proof": PROOF, **changes})


# -- the vocabulary and the rule book -------------------------------------------------------------------------------


def test_every_activity_of_the_vocabulary_is_done_by_a_rule_or_refused_as_later():
    named = {row.activity for row in AUTHORISATION}
    assert named == set(RULES) | LATER
    assert set(RULES) & LATER == set()


def test_an_activity_is_later_when_no_row_of_it_is_in_this_release():
    done = {row.activity for row in AUTHORISATION if row.implemented}
    assert {row.activity for row in AUTHORISATION} - done == LATER


def test_every_rule_outside_chains_is_of_the_table_or_of_a_lifecycle():
    outside = {row.activity for row in AUTHORISATION if row.implemented and row.lifecycle is None}
    inside = {
        e.activity for life in LIFECYCLES.values() if life.implemented for e in life.edges if e.implemented
    } - {"Clock"}  # a date that is reached, which nobody says
    assert outside <= set(RULES)
    assert set(RULES) == outside | inside


def test_whatever_a_rule_lets_pass_has_an_effect():
    refusing = {"Offer", "TentativeAccept", "TentativeReject"}
    assert set(effects.EFFECTS) == set(RULES) - refusing


def test_every_edge_has_its_row_and_its_senders_are_named_there():
    for name in ("Mission", "Listing", "Engagement", "FederationAgreement"):
        life = LIFECYCLES[name]
        rows: dict[tuple[str, str], set[str]] = {}
        for row in AUTHORISATION:
            if row.lifecycle == name and row.implemented:
                for cls in row.object_classes:
                    rows.setdefault((row.activity, cls), set()).update(row.senders)
        for edge in (e for e in life.edges if e.implemented and e.activity != "Clock"):
            classes = life.class_names if edge.object_class == "Listing" else (edge.object_class,)
            for cls in classes:
                assert edge.sender in rows[(edge.activity, cls)], (name, edge)


def test_classes_of_contracts_are_those_of_lifecycles_that_this_release_runs():
    carried = {c for (a, c), done in ROWS.items() if done and a in ("Create", "Offer") and c in OWN_CLASSES}
    assert carried - {"PricingRule", "MatchingRule"} == CONTRACT_CLASSES


# -- proofs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "activity",
    [
        an_activity("Create", AWA, a_mission(id=f"{LYON}/missions/1", attributedTo=AWA), stateVersion=1),
        an_activity("Offer", AWA, an_engagement(), stateVersion=1),
        an_activity("Create", AWA, a_record()),
        an_activity("Create", CARRIER, an_invoice()),
    ],
)
def test_a_step_of_a_contract_carries_a_proof(activity: Activity):
    refused(Unverified, "proof-missing", activity, proved=False)


def test_an_answer_to_a_contract_carries_a_proof():
    chain = a_chain("Engagement", "proposed")
    undo = signed(chain, "Undo", AWA, OFFERED)
    refused(Unverified, "proof-missing", undo, scene_of(undo, chain), proved=False)
    assert arriving(undo, scene_of(undo, chain)).chain is not None


def test_a_plain_offer_of_an_agreement_carries_a_proof_too():
    plain = an_activity("Offer", AWA, an_engagement())
    refused(Unverified, "proof-missing", plain, scene_of(plain, fedcoop=False), proved=False)


def test_a_note_needs_no_proof():
    assert arriving(an_activity("Create", AWA, NOTE), proved=False).chain is None


@pytest.mark.parametrize(("minutes", "held"), [(-6, False), (-5, True), (0, True), (5, True), (6, False)])
def test_a_step_was_signed_when_it_was_said(minutes: int, held: bool):
    chain = a_chain("Engagement", "proposed")
    created = stamp(NOW - timedelta(days=3) + timedelta(minutes=minutes))
    old = stamp(NOW - timedelta(days=3))
    chain = with_(chain, memory={"saidAt": "2026-11-01T00:00:00Z"})
    undo = signed(chain, "Undo", AWA, OFFERED, published=old, proof={**PROOF, "created": created})
    if held:
        assert arriving(undo, scene_of(undo, chain)).chain is not None
    else:
        refused(Unverified, "proof-invalid", undo, scene_of(undo, chain))


def test_a_proof_that_does_not_say_when_it_was_made_is_none():
    chain = a_chain("Engagement", "proposed")
    undo = signed(chain, "Undo", AWA, OFFERED, proof={"type": "DataIntegrityProof"})
    refused(Unverified, "proof-invalid", undo, scene_of(undo, chain))


# -- what a contract is about ---------------------------------------------------------------------------------------


def test_nobody_leaves_other_peoples_contracts_with_us():
    elsewhere = f"{LYON}/actors/malo"
    offer = an_activity("Offer", AWA, an_engagement(), to=[elsewhere], proof=PROOF)
    scene = scene_of(offer, facts=Facts(keys=keys_of(CARRIER)))
    refused(Forbidden, "wrong-party", offer, scene)
    assert arriving(offer, a_scene(**{**fields(scene), "base": LYON})).chain is not None


def fields(scene: Scene) -> dict[str, Any]:
    return {name: getattr(scene, name) for name in Scene.__dataclass_fields__}


def test_a_mission_of_a_peer_is_kept_though_it_concerns_nobody_here_yet():
    mission = a_mission(id=f"{LYON}/missions/1", attributedTo=CARRIER)
    mission |= {
        name: {**mission[name], "id": f"{LYON}/missions/1#{name}"} for name in ("publishes", "reciprocal")
    }
    create = an_activity("Create", CARRIER, mission, stateVersion=1, proof=PROOF)
    assert arriving(create, scene_of(create, facts=Facts(now=NOW))).chain is not None


def test_a_step_that_does_not_say_where_it_stands_is_not_taken_for_something_else():
    chain = with_(a_chain("Engagement", "proposed"), digest="d2", version=2)
    bare = an_activity("Reject", OWNER, OFFERED, reasonCode="other", proof=PROOF)
    refused(Conflict, "stale", bare, scene_of(bare, chain, links=links_of(True, True)))


def test_a_step_is_final_where_its_chain_is_ordered_and_when_its_owner_takes_it():
    chain = a_chain("Engagement", "proposed")
    undo = signed(chain, "Undo", AWA, OFFERED)
    assert arriving(undo, scene_of(undo, chain)).confirmed
    elsewhere = scene_of(undo, chain, facts=Facts(), base=LYON)
    assert not arriving(undo, elsewhere).confirmed
    reject = signed(chain, "Reject", OWNER, OFFERED, reasonCode="other")
    assert arriving(reject, scene_of(reject, chain, facts=Facts(), base=LYON)).confirmed


def test_keys_are_kept_of_what_arrived_and_not_of_what_we_say():
    note = an_activity("Create", AWA, NOTE)
    assert arriving(note).keys == KeyDocument({"id": AWA}, NOW)
    assert authorise_own(note, a_scene()).keys is None


def test_a_chain_begins_once():
    create = an_activity("Create", OWNER, a_mission(), stateVersion=1, proof=PROOF)
    assert arriving(create, scene_of(create)).chain is not None
    refused(Conflict, "stale", create, scene_of(create, a_chain("Mission", "published")))


@pytest.mark.parametrize("place", [{}, {"stateVersion": 9, "previousDigest": "d8"}, {"stateVersion": 5}])
def test_a_stranger_does_not_hear_how_a_chain_stands(place: dict[str, Any]):
    chain = a_chain("Engagement", "proposed")
    members = {"stateVersion": None, "previousDigest": None, **place}
    undo = signed(chain, "Undo", f"{LYON}/actors/malo", OFFERED, **members)
    refusal = refused(Forbidden, "wrong-party", undo, scene_of(undo, chain))
    assert refusal.extra == {}
    assert chain.digest not in f"{refusal.detail} {refusal.expected}"


def test_whoever_begins_a_chain_takes_nothing_over():
    create = an_activity("Create", OWNER, a_mission(), stateVersion=1, proof=PROOF)
    refused(Forbidden, "not-owner", create, scene_of(create, object_owner=f"{NANTES}/actors/other"))


def test_a_step_gives_new_names_only():
    chain = a_chain("Engagement", "accepted")
    record = signed(chain, "Create", AWA, a_record())
    refused(Conflict, "id-reused", record, scene_of(record, chain, in_use=frozenset({RECORD})))


@pytest.mark.parametrize(
    "activity",
    [
        an_activity("Update", OWNER, a_mission(), proof=PROOF),
        an_activity("Update", OWNER, a_mission(), stateVersion=3, previousDigest="d2", proof=PROOF),
        an_activity("Accept", OWNER, OFFERED, stateVersion=3, previousDigest="d2", proof=PROOF),
        an_activity("Create", AWA, a_record(), stateVersion=3, previousDigest="d2", proof=PROOF),
        an_activity("Offer", AWA, an_engagement(), inReplyTo=OFFERED, proof=PROOF),
    ],
)
def test_a_step_of_a_chain_that_is_not_here_may_be_right_later(activity: Activity):
    refused(Unavailable, "predecessor-unknown", activity)


def test_without_our_contexts_a_mission_is_an_object_like_any_other():
    mission = a_mission(id=f"{LYON}/missions/1", attributedTo=AWA)
    create = an_activity("Create", AWA, mission)
    assert arriving(create, scene_of(create, fedcoop=False), proved=False).chain is None


def test_a_chain_that_is_known_is_moved_by_its_rules_whatever_the_contexts():
    chain = a_chain("Mission", "settled")
    update = signed(chain, "Update", OWNER, a_mission())
    refused(Conflict, "illegal-transition", update, scene_of(update, chain, fedcoop=False))


def test_the_owners_step_over_a_tentative_tail_is_read_against_the_chain_without_it():
    chain = with_(a_chain("Engagement", "withdrawn"), digest="d2", version=2)
    prefix = with_(a_chain("Engagement", "proposed"), digest="d1", version=1)
    reject = signed(prefix, "Reject", OWNER, OFFERED, reasonCode="other")
    scene = scene_of(reject, chain, links=links_of(True, False), prefix=prefix)
    placement = displaced(scene, reject)
    assert placement is not None
    assert placement.displaces_from == 2
    result = arriving(reject, scene)
    assert result.chain is not None
    assert (result.chain.state, result.chain.version, result.displaces_from) == ("rejected", 2, 2)


def test_what_displaces_nothing_needs_no_second_look():
    chain = with_(a_chain("Engagement", "proposed"), digest="d2", version=2)
    next_ = signed(chain, "Undo", AWA, OFFERED)
    assert displaced(scene_of(next_, chain, links=links_of(True, True)), next_) is None
    stale = signed(with_(chain, digest="d1", version=1), "Undo", AWA, OFFERED)
    assert displaced(scene_of(stale, chain, links=links_of(True, True)), stale) is None
    ahead = signed(with_(chain, digest="d8", version=8), "Undo", AWA, OFFERED)
    assert displaced(scene_of(ahead, chain, links=links_of(True, True)), ahead) is None
    note = an_activity("Create", AWA, NOTE)
    assert displaced(scene_of(note), note) is None
    follow = an_activity("Follow", AWA, OWNER)
    assert displaced(scene_of(follow, chain), follow) is None
    again = an_activity("Create", OWNER, a_mission(), stateVersion=1)
    assert displaced(scene_of(again, a_chain("Mission", "published")), again) is None


# -- origins and owners ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_an_object_lives_where_its_author_does(kind: str):
    refused(Forbidden, "foreign-origin", an_activity(kind, AWA, {**NOTE, "id": f"{NANTES}/notes/1"}))


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_an_object_is_attributed_to_its_author(kind: str):
    refused(Forbidden, "not-owner", an_activity(kind, AWA, {**NOTE, "attributedTo": CARRIER}))
    both = {**NOTE, "attributedTo": [CARRIER, AWA]}
    assert arriving(an_activity(kind, AWA, both)).activity.object == both


def test_nobody_gives_names_on_somebody_elses_server():
    chain = a_chain("Engagement", "proposed")
    scene: dict[str, Any] = {"facts": Facts(keys=keys_of(CARRIER)), "base": LYON}
    for name in (f"{LYON}/rules/fixed-price", MISSION.replace("nantes", "alpes")):
        accept = signed(chain, "Accept", OWNER, OFFERED, result=an_agreement(id=name))
        refused(Forbidden, "foreign-origin", accept, scene_of(accept, chain, **scene))
    offer = an_activity("Offer", AWA, an_engagement(id=MISSION), proof=PROOF)
    refused(Forbidden, "foreign-origin", offer)


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_another_ones_object_stays(kind: str):
    activity = an_activity(kind, AWA, NOTE if kind != "Delete" else NOTE["id"])
    refused(Forbidden, "not-owner", activity, scene_of(activity, object_owner=CARRIER))
    assert arriving(activity, scene_of(activity, object_owner=AWA)).chain is None


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_what_was_deleted_does_not_come_back(kind: str):
    activity = an_activity(kind, AWA, NOTE)
    refused(Gone, "gone", activity, scene_of(activity, object_owner=AWA, object_gone=True))


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_an_object_is_embedded(kind: str):
    refused(Malformed, "malformed-activity", an_activity(kind, AWA, NOTE["id"]))


def test_a_deletion_is_by_its_owners_server():
    activity = an_activity("Delete", AWA, f"{NANTES}/notes/1")
    refused(Forbidden, "foreign-origin", activity, scene_of(activity, object_owner=AWA))
    refused(Malformed, "malformed-activity", an_activity("Delete", AWA, [{"type": "Tombstone"}]))


@pytest.mark.parametrize(
    "activity",
    [
        an_activity("Delete", AWA, NOTE["id"]),
        an_activity("Delete", AWA, AWA),
        an_activity("Update", AWA, {"id": AWA, "type": "Person"}),
        an_activity("Like", AWA, MISSION),
        an_activity("Ignore", AWA, MISSION),
        an_activity("https://example.org/ns#Dance", AWA, MISSION),
    ],
)
def test_what_concerns_nothing_here_is_let_pass_without_effect(activity: Activity):
    with pytest.raises(Ignored) as ignored:
        arriving(activity)
    assert ignored.value.why


def test_an_actor_that_is_known_may_change_itself_and_leave():
    person = {"id": AWA, "type": "Person", "fedcoopType": ["Member"]}
    for activity in (an_activity("Update", AWA, person), an_activity("Delete", AWA, AWA)):
        assert arriving(activity, scene_of(activity, object_owner=AWA)).chain is None
        refused(Forbidden, "not-owner", activity, scene_of(activity, object_owner=CARRIER))


def test_the_named_are_those_of_what_is_created_offered_or_results():
    result = {"id": ENGAGEMENT}
    assert named_anew(an_activity("Create", AWA, NOTE)) == (NOTE["id"],)
    assert named_anew(an_activity("Offer", AWA, an_engagement(id=f"{LYON}/x"))) == (f"{LYON}/x",)
    assert named_anew(an_activity("Accept", OWNER, OFFERED, result=result)) == (ENGAGEMENT,)
    assert named_anew(an_activity("Update", AWA, NOTE)) == ()
    assert named_anew(an_activity("Accept", OWNER, OFFERED, result=ENGAGEMENT)) == ()


# -- the table ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Engagement", "WorkRecord", "Receipt"])
def test_what_a_chain_made_changes_only_with_the_chain(name: str):
    changed = {"id": f"{LYON}/x/1", "type": "Document", "fedcoopType": [name], "attributedTo": AWA}
    update = an_activity("Update", AWA, changed, proof=PROOF)
    refused(Conflict, "illegal-transition", update, scene_of(update, object_owner=AWA))


def test_an_agreement_is_not_created_without_an_offer():
    refused(
        Conflict, "illegal-transition", an_activity("Create", AWA, an_engagement(id=f"{LYON}/x"), proof=PROOF)
    )


def rows(*, done: bool) -> list[tuple[str, str]]:
    kinds = ("Create", "Update", "Offer")
    found = [(a, c) for (a, c), it in ROWS.items() if it is done and a in kinds and c in OWN_CLASSES]
    return [(a, c) for a, c in found if c not in CONTRACT_CLASSES]


@pytest.mark.parametrize(("kind", "name"), rows(done=False))
def test_what_is_for_a_later_release_is_refused_as_such(kind: str, name: str):
    obj = {"id": f"{LYON}/x/1", "type": "Document", "fedcoopType": [name]}
    refused(NotImplementedYet, "not-implemented", an_activity(kind, AWA, obj))


@pytest.mark.parametrize(("kind", "name"), rows(done=True))
def test_what_is_of_this_release_is_taken(kind: str, name: str):
    obj = {"id": f"{LYON}/x/1", "type": "Document", "fedcoopType": [name]}
    assert arriving(an_activity(kind, AWA, obj)).chain is None


@pytest.mark.parametrize(
    ("kind", "name"), [("Update", "PricingRule"), ("Create", "Membership"), ("Create", "Member")]
)
def test_what_the_table_does_not_have_is_refused(kind: str, name: str):
    obj = {"id": f"{LYON}/x/1", "type": "Document", "fedcoopType": [name]}
    refused(Invalid, "unsupported-type", an_activity(kind, AWA, obj))


def test_a_class_means_something_only_in_our_contexts():
    rating = an_activity("Create", AWA, {"id": f"{LYON}/x/1", "type": "Document", "fedcoopType": ["Rating"]})
    assert arriving(rating, scene_of(rating, fedcoop=False)).chain is None


@pytest.mark.parametrize("kind", sorted(LATER))
def test_an_activity_of_a_later_release_is_refused_as_such(kind: str):
    refused(NotImplementedYet, "not-implemented", an_activity(kind, AWA, MISSION, target=OWNER))


@pytest.mark.parametrize("name", ["Membership", "MobilityBundle", "Note", "Ticket"])
def test_only_agreements_are_offered(name: str):
    refused(NotImplementedYet, "not-implemented", an_activity("Offer", AWA, {"type": name}))


# -- follows --------------------------------------------------------------------------------------------------------

FOLLOW = f"{LYON}/activities/follow"
FACT = FollowFact(AWA, OWNER, FOLLOW, "pending")


def test_an_actor_of_ours_may_be_followed():
    follow = an_activity("Follow", AWA, OWNER)
    assert arriving(follow, scene_of(follow, local_actors=frozenset({OWNER}))).chain is None
    refused(NotFound, "not-found", follow)


def test_nobody_follows_a_stranger_through_us():
    refused(Forbidden, "wrong-party", an_activity("Follow", AWA, CARRIER))
    assert authorise_own(an_activity("Follow", OWNER, CARRIER), a_scene()).chain is None


def test_a_follow_names_an_actor():
    refused(Malformed, "malformed-activity", an_activity("Follow", AWA, [{"type": "Person"}]))


@pytest.mark.parametrize("kind", ["Accept", "Reject"])
def test_only_the_followed_answers_a_follow(kind: str):
    answer = an_activity(kind, OWNER, FOLLOW)
    assert arriving(answer, scene_of(answer, follow=FACT)).chain is None
    refused(NotFound, "not-found", answer)
    other = an_activity(kind, CARRIER, FOLLOW)
    refused(Forbidden, "wrong-party", other, scene_of(other, follow=FACT))


def test_only_the_follower_takes_a_follow_back():
    undo = an_activity("Undo", AWA, FOLLOW)
    assert arriving(undo, scene_of(undo, follow=FACT)).chain is None
    refused(NotFound, "not-found", undo)
    other = an_activity("Undo", OWNER, FOLLOW)
    refused(Forbidden, "wrong-party", other, scene_of(other, follow=FACT))


@pytest.mark.parametrize("kind", ["TentativeAccept", "TentativeReject"])
def test_an_offer_that_is_not_here_is_not_answered(kind: str):
    refused(NotFound, "not-found", an_activity(kind, OWNER, OFFERED))


def test_a_probe_is_let_pass():
    assert arriving(an_activity("Probe", AWA)).chain is None


# -- our own door ---------------------------------------------------------------------------------------------------


def own_refused(error: type[FedcoopError], code: str, activity: Activity, **changes: Any) -> None:
    with pytest.raises(error) as refusal:
        authorise_own(activity, scene_of(activity, **changes))
    assert refusal.value.code == code


def test_our_own_need_no_proof_to_be_believed_and_obey_the_same_rules():
    chain = a_chain("Engagement", "proposed")
    reject = following(chain, "Reject", OWNER, OFFERED, reasonCode="other")
    assert authorise_own(reject, scene_of(reject, chain)).chain is not None
    own_refused(
        Forbidden, "wrong-party", following(chain, "Reject", AWA, OFFERED, reasonCode="other"), chain=chain
    )


def test_our_own_are_told_what_a_peer_would_be_let_pass():
    own_refused(NotFound, "not-found", an_activity("Delete", OWNER, f"{NANTES}/notes/1"))
    own_refused(NotImplementedYet, "not-implemented", an_activity("Like", OWNER, MISSION))


def test_our_own_may_change_their_profile():
    update = an_activity("Update", OWNER, {"id": OWNER, "type": "Organization"})
    assert authorise_own(update, scene_of(update, object_owner=OWNER)).chain is None


def test_closing_an_account_is_for_a_later_release():
    own_refused(NotImplementedYet, "not-implemented", an_activity("Delete", OWNER, OWNER), object_owner=OWNER)


def test_a_scene_knows_what_lives_here():
    scene = a_scene()
    assert scene.hosts(OWNER)
    assert not scene.hosts(NANTES + ".evil.example/actors/coop")
    assert not scene.hosts(AWA)
