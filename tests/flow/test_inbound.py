"""What arrives: taken once, or refused with its reason, and then nothing is kept and nothing fetched but a key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fedcoop.errors import Conflict, FedcoopError, Forbidden, Invalid, NotFound, TryLater
from fedcoop.flow import founding
from fedcoop.flow.inbound import receive
from fedcoop.protocol import strict_json
from fedcoop.protocol.actors import membership_credential
from fedcoop.protocol.messages import RawRequest
from fedcoop.protocol.proof import sign_document
from tests.conftest import NOON
from tests.flow.federation import Coop, Federation, Template, a_mission, settle, signed
from tests.flow.stories import a_published_mission, altered, an_offer, plainly, proven, record

# The scene is set once: what is refused changes nothing, and that is what these tests show.
once = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Scene:
    """A mission of Nantes, and an offer and a record of Awa's that have been written but not sent."""

    federation: Federation
    awa: str
    malo: str
    mission: str
    offer: dict[str, Any]
    engagement: str
    started: dict[str, Any]
    taken: dict[str, Any]
    """An offer of Awa's that Nantes has accepted."""
    late: dict[str, Any]
    """An offer of Malo's for a mission that was withdrawn in the meantime."""

    @property
    def lyon(self) -> Coop:
        return self.federation.lyon

    @property
    def nantes(self) -> Coop:
        return self.federation.nantes

    def posted(self, body: bytes, actor: str | None = None, **changes: Any) -> RawRequest:
        """Return the request by which an actor of Lyon posts `body` to Nantes."""
        now = changes.get("now", self.lyon.clock())
        inbox = changes.get("inbox", f"{self.nantes.base}/inbox")
        return signed(
            inbox, body, sender=actor or self.awa, ring=changes.get("ring", self.lyon.ring), now=now
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory, template: Template) -> AsyncIterator[Scene]:
    federation = template.open(tmp_path_factory.mktemp("inbound"))
    lyon, nantes = federation.lyon, federation.nantes
    awa, malo = await lyon.member("awa", status="cape"), await lyon.member("malo", status="cape")
    mission = await a_published_mission(nantes)
    other = await a_published_mission(nantes)
    taken = await lyon.say(awa, "Offer", {"type": "Agreement", "mission": other})
    engagement = (await nantes.say(nantes.id, "Accept", taken.activity_id)).document["result"]["id"]
    closed = await a_published_mission(nantes)
    late = await lyon.post(malo, {"type": "Offer", "object": {"type": "Agreement", "mission": closed}})
    await nantes.post(nantes.id, {"type": "Update", "object": {"id": closed, "missionState": "withdrawn"}})
    started = await lyon.post(awa, {"type": "Create", "object": record(engagement, "started")})
    offer = await lyon.post(awa, {"type": "Offer", "object": {"type": "Agreement", "mission": mission}})
    yield Scene(
        federation,
        awa,
        malo,
        mission,
        dict(offer.document),
        engagement,
        dict(started.document),
        dict(taken.document),
        dict(late.document),
    )
    await federation.close()


async def refused(scene: Scene, request: RawRequest, code: str, inbox_of: str | None = None) -> FedcoopError:
    """Post, and see that it is refused with `code`, that no table changes and that nothing but a key is fetched."""
    before, fetched = scene.nantes.rows(), len(scene.federation.office.fetched)
    with pytest.raises(FedcoopError) as refusal:
        await receive(request, inbox_of=inbox_of, world=scene.nantes.world)
    assert refusal.value.code == code, str(refusal.value)
    assert scene.nantes.rows() == before
    new = scene.federation.office.fetched[fetched:]
    assert set(new) <= {scene.awa, scene.malo, scene.lyon.id}
    assert len(new) <= 2
    return refusal.value


def without(request: RawRequest, *names: str) -> RawRequest:
    kept = tuple(pair for pair in request.headers if pair[0].lower() not in names)
    return RawRequest(request.method, request.target, kept, request.body)


def with_body(request: RawRequest, body: bytes) -> RawRequest:
    return RawRequest(request.method, request.target, request.headers, body)


# -- who said it ----------------------------------------------------------------------------------------------------


@once
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda r: without(r, "signature"), "signature-missing"),
        (lambda r: without(r, "digest"), "signature-malformed"),
        (lambda r: with_body(r, r.body.replace(b"proposed", b"countered")), "digest-mismatch"),
        (lambda r: with_body(r, b"{"), "malformed-json"),
        (lambda r: with_body(r, b"\xff{}"), "bad-encoding"),
        (lambda r: with_body(r, r.body[:-1] + b',"id":"x"}'), "duplicate-key"),
        (lambda r: without(r, "content-type"), "unsupported-media-type"),
        (lambda r: RawRequest("POST", "/other", r.headers, r.body), "signature-invalid"),
    ],
)
async def test_a_request_that_is_not_as_it_was_signed_is_refused(
    scene: Scene, change: Callable[[RawRequest], RawRequest], code: str
):
    await refused(scene, change(scene.posted(strict_json.dumps(scene.offer))), code)


@once
@pytest.mark.parametrize("away", [timedelta(hours=-1, seconds=-1), timedelta(minutes=5, seconds=1)])
async def test_a_request_from_another_time_is_refused(scene: Scene, away: timedelta):
    request = scene.posted(strict_json.dumps(scene.offer), now=NOON + away)
    await refused(scene, request, "clock-skew")


@once
async def test_a_request_to_another_server_is_refused(scene: Scene):
    request = scene.posted(strict_json.dumps(scene.offer), inbox="https://alpes.example/inbox")
    await refused(scene, request, "host-mismatch")


@once
async def test_a_request_signed_by_somebody_else_is_refused(scene: Scene):
    request = scene.posted(strict_json.dumps(scene.offer), scene.malo)
    await refused(scene, request, "key-owner-mismatch")


@once
async def test_a_request_signed_with_another_key_is_refused(scene: Scene):
    class Forger:
        def http_key(self, actor: str) -> Any:
            return f"{scene.awa}#main-key", scene.lyon.ring.http_key(scene.malo)[1]

    await refused(scene, scene.posted(strict_json.dumps(scene.offer), ring=Forger()), "signature-invalid")


@once
async def test_our_own_actors_do_not_come_in_through_the_inbox(scene: Scene):
    body = proven(scene.nantes, scene.nantes.id, scene.offer, actor=scene.nantes.id)
    request = signed(
        f"{scene.nantes.base}/inbox", body, sender=scene.nantes.id, ring=scene.nantes.ring, now=NOON
    )
    await refused(scene, request, "local-id")


@once
async def test_an_id_on_another_server_is_refused(scene: Scene):
    body = proven(scene.lyon, scene.awa, scene.offer, id="https://alpes.example/activities/1")
    await refused(scene, scene.posted(body), "foreign-origin")


@once
@pytest.mark.parametrize("inbox", ["nobody", "coop/x"])
async def test_there_is_no_inbox_of_nobody(scene: Scene, inbox: str):
    owner = f"{scene.nantes.base}/actors/{inbox}"
    request = scene.posted(strict_json.dumps(scene.offer), inbox=f"{owner}/inbox")
    assert isinstance(await refused(scene, request, "not-found", owner), NotFound)


@once
async def test_there_is_no_inbox_here_of_somebody_elsewhere(scene: Scene):
    request = scene.posted(strict_json.dumps(scene.offer))
    await refused(scene, request, "not-found", scene.lyon.id)


# -- what it is about -----------------------------------------------------------------------------------------------


def note(scene: Scene, **changes: Any) -> dict[str, Any]:
    return {"id": f"{scene.lyon.base}/notes/1", "type": "Note", "attributedTo": scene.awa, **changes}


@once
@pytest.mark.parametrize(
    ("kind", "make", "code"),
    [
        ("Create", lambda s: note(s, id=f"{s.nantes.base}/notes/1"), "foreign-origin"),
        ("Update", lambda s: note(s, id=s.mission), "foreign-origin"),
        ("Create", lambda s: note(s, attributedTo=s.malo), "not-owner"),
        ("Update", lambda s: {"id": s.malo, "type": "Person", "name": "Not Malo"}, "not-owner"),
        ("Delete", lambda s: s.malo, "not-owner"),
        ("Delete", lambda s: s.mission, "wrong-party"),
        ("Create", lambda s: note(s)["id"], "malformed-activity"),
        ("Follow", lambda s: f"{s.nantes.base}/actors/nobody", "not-found"),
        ("Follow", lambda s: "https://alpes.example/actors/coop", "wrong-party"),
        ("Accept", lambda s: f"{s.nantes.base}/activities/none", "not-found"),
        ("Undo", lambda s: f"{s.nantes.base}/activities/none", "not-found"),
        ("Announce", lambda s: s.mission, "not-implemented"),
        ("Flag", lambda s: s.engagement, "not-implemented"),
        ("Create", lambda s: note(s, fedcoopType=["Rating"]), "not-implemented"),
        ("Update", lambda s: note(s, fedcoopType=["PricingRule"]), "unsupported-type"),
        ("Offer", lambda s: {"type": "Membership"}, "not-implemented"),
    ],
)
async def test_what_may_not_be_said_is_refused(
    scene: Scene, kind: str, make: Callable[[Scene], Any], code: str
):
    await scene.lyon.world.store.read(lambda reader: reader.actor(scene.malo))
    if code == "not-owner" and kind != "Create":
        # Nantes knows Malo: it has read his document before.
        await meet(scene, scene.malo)
    body = proven(scene.lyon, scene.awa, plainly(scene.lyon, scene.awa, kind, make(scene)))
    await refused(scene, scene.posted(body), code)


async def meet(scene: Scene, actor: str) -> None:
    world = scene.nantes.world
    keys = await world.resolver.resolve(actor)
    from fedcoop.protocol.messages import PutActor

    put = PutActor(keys.actor, local=False, fetched_at=keys.fetched_at)
    await world.store.write(lambda tx: tx.make([put]))


# -- contracts ------------------------------------------------------------------------------------------------------


@once
async def test_a_step_of_a_contract_without_a_proof_is_refused(scene: Scene):
    await refused(scene, scene.posted(strict_json.dumps(altered(scene.offer))), "proof-missing")


@once
@pytest.mark.parametrize("which", ["altered", "by another", "of another suite"])
async def test_a_proof_is_over_this_very_document_and_by_its_sender(scene: Scene, which: str):
    proof = scene.offer["proof"]
    document = {
        "altered": {**scene.offer, "to": [scene.lyon.id]},
        "by another": strict_json.loads(proven(scene.lyon, scene.malo, scene.offer)),
        "of another suite": {**scene.offer, "proof": {**proof, "cryptosuite": "eddsa-rdfc-2022"}},
    }[which]
    code = {"altered": "proof-invalid", "by another": "proof-key", "of another suite": "proof-missing"}[which]
    await refused(scene, scene.posted(strict_json.dumps(document)), code)


@once
@pytest.mark.parametrize("days", [-3, 3])
async def test_a_proof_is_made_when_the_step_is_said(scene: Scene, days: int):
    method, key = scene.lyon.ring.proof_key(scene.awa)
    said = (NOON + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    document = altered(scene.offer, published=said)
    body = strict_json.dumps(sign_document(document, key=key, verification_method=method, created=NOON))
    await refused(scene, scene.posted(body), "proof-invalid")


def offered(scene: Scene, **changes: Any) -> bytes:
    return proven(scene.lyon, scene.awa, scene.offer, object={**scene.offer["object"], **changes})


@once
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"stipulates": "three days"}, "schema-invalid"),
        ({"noticePeriod": "a week"}, "schema-invalid"),
        ({"id": "https://nantes.example/missions/0"}, "foreign-origin"),
        ({"attachment": []}, "credential-missing"),
        ({"workStatus": "wagePortage"}, "credential-invalid"),
        ({"mission": "https://nantes.example/missions/none"}, "proposal-closed"),
        ({"worker": "https://lyon.example/actors/malo"}, "wrong-party"),
        ({"pricingRule": "https://lyon.example/rules/mine"}, "terms-mismatch"),
    ],
)
async def test_an_offer_that_does_not_hold_is_refused(scene: Scene, changes: dict[str, Any], code: str):
    await refused(scene, scene.posted(offered(scene, **changes)), code)


@once
async def test_other_quantities_than_those_proposed_are_refused(scene: Scene):
    paid = scene.offer["object"]["stipulatesReciprocal"]
    dearer = {**paid, "resourceQuantity": {"hasUnit": "one", "hasNumericalValue": "1141.00"}}
    await refused(scene, scene.posted(offered(scene, stipulatesReciprocal=dearer)), "quantity-mismatch")


@once
async def test_what_is_closed_takes_no_offer(scene: Scene):
    request = scene.posted(strict_json.dumps(scene.late), scene.malo)
    assert isinstance(await refused(scene, request, "proposal-closed"), Conflict)


def a_credential(scene: Scene, by: Coop, **changes: Any) -> dict[str, Any]:
    subject = changes.pop("subject", {})
    unsigned: dict[str, Any] = dict(
        membership_credential(
            base=scene.lyon.base,
            credential_id=f"{scene.lyon.base}/credentials/membership-awa",
            member_id=scene.awa,
            status="cape",
            since="2026-01-01",
            valid_from="2026-01-01T00:00:00Z",
            valid_until="2026-12-31T00:00:00Z",
        )
    )
    unsigned |= changes
    unsigned["credentialSubject"] = {**unsigned["credentialSubject"], **subject}
    method, key = by.ring.proof_key(by.id)
    return sign_document(unsigned, key=key, verification_method=method, created=NOON)


@once
@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda s: a_credential(s, s.lyon, validUntil="2026-11-22T11:59:59Z"), "credential-expired"),
        (lambda s: a_credential(s, s.lyon, validFrom="2026-11-22T12:00:01Z"), "credential-expired"),
        (lambda s: a_credential(s, s.lyon, subject={"id": s.malo}), "credential-invalid"),
        (lambda s: a_credential(s, s.lyon, subject={"workStatus": "cesa"}), "credential-invalid"),
        (lambda s: a_credential(s, s.lyon, issuer=s.nantes.id), "credential-invalid"),
        (lambda s: a_credential(s, s.nantes), "credential-invalid"),
        (lambda s: {**a_credential(s, s.lyon), "validUntil": "2030-01-01T00:00:00Z"}, "credential-invalid"),
        (
            lambda s: a_credential(s, s.lyon, issuer="https://stranger.example/actors/coop"),
            "credential-invalid",
        ),
    ],
)
async def test_a_credential_that_does_not_hold_is_refused(
    scene: Scene, make: Callable[[Scene], dict[str, Any]], code: str
):
    await refused(scene, scene.posted(offered(scene, attachment=[make(scene)])), code)


@once
async def test_nobody_makes_us_fetch_from_whom_he_likes(scene: Scene):
    issuers = [f"https://victim-{n}.example/actors/coop" for n in range(20)]
    shown = [a_credential(scene, scene.lyon, issuer=issuer) for issuer in issuers]
    before = len(scene.federation.office.fetched)
    terms = {"attachment": shown, "carrier": issuers[0]}
    await refused(scene, scene.posted(offered(scene, **terms)), "credential-invalid")
    assert not any("victim" in f for f in scene.federation.office.fetched[before:])


@once
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"stateVersion": 9}, "stale"),
        ({"stateVersion": 9, "previousDigest": "zQm" + "1" * 44}, "predecessor-unknown"),
        ({"stateVersion": "3"}, "malformed-activity"),
        ({"stateVersion": 0}, "malformed-activity"),
        ({"previousDigest": None}, "malformed-activity"),
        ({"published": "2026-11-22T11:00:00Z"}, "proof-invalid"),
    ],
)
async def test_a_step_out_of_order_is_refused(scene: Scene, changes: dict[str, Any], code: str):
    refusal = await refused(
        scene, scene.posted(proven(scene.lyon, scene.awa, scene.started, **changes)), code
    )
    assert isinstance(refusal, TryLater) is (code == "predecessor-unknown")


@once
async def test_a_second_successor_of_a_final_step_is_stale(scene: Scene):
    first = (await scene.nantes.history(scene.engagement))[0]
    undo = plainly(scene.lyon, scene.awa, "Undo", first["id"], stateVersion=2)
    from fedcoop.protocol.digest import chain_digest

    body = proven(scene.lyon, scene.awa, undo, previousDigest=chain_digest(first))
    assert isinstance(await refused(scene, scene.posted(body), "stale"), Conflict)


@once
async def test_an_illegal_transition_is_refused(scene: Scene):
    delivered = {**scene.started["object"], "workPhase": "delivered", "finished": True}
    body = proven(scene.lyon, scene.awa, scene.started, object=delivered)
    assert isinstance(await refused(scene, scene.posted(body), "illegal-transition"), Conflict)


@once
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": "https://lyon.example/actors/awa"}, "id-reused"),
        ({"engagement": "https://nantes.example/engagements/none"}, "terms-mismatch"),
        ({"provider": "https://lyon.example/actors/malo"}, "terms-mismatch"),
        ({"mission": "https://nantes.example/missions/none"}, "terms-mismatch"),
        ({"workPhase": "almost"}, "schema-invalid"),
        ({"attributedTo": "https://lyon.example/actors/malo"}, "not-owner"),
    ],
)
async def test_a_record_that_does_not_hold_is_refused(scene: Scene, changes: dict[str, Any], code: str):
    body = proven(scene.lyon, scene.awa, scene.started, object={**scene.started["object"], **changes})
    await refused(scene, scene.posted(body), code)


@once
@pytest.mark.parametrize("name", ["WorkRecord", "Receipt", "Engagement"])
async def test_what_a_chain_made_changes_with_the_chain_only(scene: Scene, name: str):
    obj = {
        **scene.taken["object"],
        "id": f"{scene.lyon.base}/x/1",
        "fedcoopType": [name],
        "attributedTo": scene.awa,
    }
    body = proven(scene.lyon, scene.awa, plainly(scene.lyon, scene.awa, "Update", obj))
    await refused(scene, scene.posted(body), "illegal-transition")


@once
async def test_somebody_elses_step_is_refused(scene: Scene):
    body = proven(
        scene.lyon, scene.malo, scene.started, actor=scene.malo, id=f"{scene.lyon.base}/activities/m"
    )
    request = scene.posted(body, scene.malo)
    refusal = await refused(scene, request, "not-owner")
    assert isinstance(refusal, Forbidden)


@once
async def test_contracts_of_others_are_not_left_with_us(scene: Scene):
    elsewhere = "https://alpes.example/missions/1"
    terms = {**scene.offer["object"], "mission": elsewhere, "context": elsewhere}
    body = proven(scene.lyon, scene.awa, scene.offer, object=terms, to=["https://alpes.example/actors/coop"])
    await refused(scene, scene.posted(body), "wrong-party")


# -- what is taken --------------------------------------------------------------------------------------------------


async def test_a_message_is_taken_once(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    body = proven(lyon, awa, plainly(lyon, awa, "Create", {"id": f"{lyon.base}/notes/1", "type": "Note"}))
    first = await nantes.receive(body, sender=awa, ring=lyon.ring)
    before = nantes.rows()
    second = await nantes.receive(body, sender=awa, ring=lyon.ring)
    assert (first.outcome, second.outcome) == ("accepted", "duplicate")
    assert first.activity_id == second.activity_id
    assert nantes.rows() == before


async def test_an_id_that_comes_again_with_another_body_is_refused_and_both_are_kept(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    first, second = (
        proven(lyon, awa, plainly(lyon, awa, "Create", {"id": f"{lyon.base}/n/{n}", "type": "Note"}))
        for n in (1, 2)
    )
    await nantes.receive(first, sender=awa, ring=lyon.ring)
    before = nantes.rows()
    for _ in range(2):
        with pytest.raises(Conflict) as refusal:
            await nantes.receive(second, sender=awa, ring=lyon.ring)
        assert refusal.value.code == "id-reused"
    assert nantes.rows() == {**before, "evidence": before["evidence"] + 1}
    assert await nantes.read(f"{lyon.base}/n/2", nantes.id) is None


async def test_what_is_unknown_is_let_pass_without_effect(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    before = nantes.rows()
    for number, kind in enumerate(("Like", "Dance", "Delete")):
        target = f"{lyon.base}/notes/none" if kind == "Delete" else nantes.id
        body = proven(lyon, awa, plainly(lyon, awa, kind, target, number))
        assert (await nantes.receive(body, sender=awa, ring=lyon.ring)).outcome == "ignored"
    assert nantes.rows() == before


async def test_a_stranger_that_changes_or_leaves_is_let_pass_before_a_key_is_fetched(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    federation.office.fetched.clear()
    for number, obj in enumerate((awa, {"id": awa, "type": "Person"})):
        kind = "Delete" if obj == awa else "Update"
        body = proven(lyon, awa, plainly(lyon, awa, kind, obj, number))
        assert (await nantes.receive(body, sender=awa, ring=lyon.ring)).outcome == "ignored"
    assert federation.office.fetched == []


async def test_an_unknown_object_is_stored_unchanged(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    odd = {
        "id": f"{lyon.base}/x/1",
        "type": ["Ticket", "x:y"],
        "x:z": [1, {"a": None}],
        "content": "<b>x</b>",
    }
    body = proven(lyon, awa, plainly(lyon, awa, "Create", odd))
    await nantes.receive(body, sender=awa, ring=lyon.ring)
    assert await nantes.read(odd["id"]) == odd


async def test_whoever_is_not_admitted_is_refused_before_a_key_is_fetched(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    body = proven(lyon, awa, plainly(lyon, awa, "Follow", nantes.id))
    federation.office.fetched.clear()
    for state, code in (("pending", "not-in-allow-list"), ("blocked", "blocked")):
        await founding.decide_peer(nantes.world, lyon.base, state)  # type: ignore[arg-type]
        with pytest.raises(Forbidden) as refusal:
            await nantes.receive(body, sender=awa, ring=lyon.ring)
        assert refusal.value.code == code
    assert federation.office.fetched == []
    await founding.decide_peer(nantes.world, lyon.base, "limited")
    assert (await nantes.receive(body, sender=awa, ring=lyon.ring)).outcome == "accepted"


async def test_what_an_actor_says_of_itself_is_not_undone_by_an_older_copy(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    await nantes.receive(
        proven(lyon, awa, plainly(lyon, awa, "Follow", nantes.id, 1)), sender=awa, ring=lyon.ring
    )
    renamed = plainly(lyon, awa, "Update", {"id": awa, "type": "Person", "name": "Awa D."}, 2)
    await nantes.receive(proven(lyon, awa, renamed), sender=awa, ring=lyon.ring)
    await nantes.receive(
        proven(lyon, awa, plainly(lyon, awa, "Like", nantes.id, 3)), sender=awa, ring=lyon.ring
    )
    hello = plainly(lyon, awa, "Create", {"id": f"{lyon.base}/n/1", "type": "Note"}, 4)
    await nantes.receive(proven(lyon, awa, hello), sender=awa, ring=lyon.ring)
    stored = await nantes.world.store.read(lambda reader: reader.actor(awa))
    assert stored is not None
    assert stored.document["name"] == "Awa D."
    assert stored.document["publicKey"]["owner"] == awa
    assert (stored.inbox, stored.shared_inbox) == (f"{awa}/inbox", f"{lyon.base}/inbox")


@pytest.mark.parametrize("name", ["startTime", "applyBefore", "published"])
async def test_a_mission_of_a_day_that_does_not_exist_is_refused(federation: Federation, name: str):
    lyon, nantes = federation.lyon, federation.nantes
    whole = (await lyon.post(lyon.id, {"type": "Create", "object": a_mission()})).document
    wrong = {**whole["object"], name: "2027-02-30T09:00:00Z"}
    before = nantes.rows()
    with pytest.raises(Invalid) as refusal:
        await nantes.receive(proven(lyon, lyon.id, whole, object=wrong), sender=lyon.id, ring=lyon.ring)
    assert refusal.value.code == "schema-invalid"
    assert nantes.rows() == before


@pytest.mark.parametrize(
    "late", ["2026-11-22T09:59:59Z", "2026-11-22T11:30:00+02:00", "2026-02-30T10:00:00Z", None]
)
async def test_the_newest_change_of_an_object_wins_in_whatever_order_they_come(
    federation: Federation, late: str | None
):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    note = {"id": f"{lyon.base}/n/1", "type": "Note", "attributedTo": awa, "content": "first"}
    profile = {"id": awa, "type": "Person", "name": "first"}
    newer = {"updated": "2026-11-22T10:00:00Z", "content": "newer", "name": "newer"}
    older = {"content": "older", "name": "older", **({} if late is None else {"updated": late})}
    same = {**newer, "content": "same", "name": "same"}
    said = [("Create", note), ("Update", {**note, **newer}), ("Update", {**profile, **newer})]
    outcomes = []
    for number, (kind, obj) in enumerate(
        [*said, ("Update", {**note, **older}), ("Update", {**profile, **older}), ("Update", {**note, **same})]
    ):
        body = proven(lyon, awa, plainly(lyon, awa, kind, obj, number))
        outcomes.append((await nantes.receive(body, sender=awa, ring=lyon.ring)).outcome)
        if number == 4:
            assert (await nantes.read(note["id"]) or {})["content"] == "newer"
    assert outcomes == ["accepted", "accepted", "accepted", "ignored", "ignored", "accepted"]
    assert (await nantes.read(note["id"]) or {})["content"] == "same"
    stored = await nantes.world.store.read(lambda reader: reader.actor(awa))
    assert stored is not None
    assert stored.document["name"] == "newer"


async def test_a_deleted_actor_follows_and_is_followed_no_more(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    gone = plainly(lyon, lyon.id, "Delete", lyon.id)
    await nantes.receive(proven(lyon, lyon.id, gone), sender=lyon.id, ring=lyon.ring)
    followers = await nantes.world.store.read(lambda reader: reader.followers(nantes.id))
    following = await nantes.world.store.read(lambda reader: reader.following(nantes.id))
    assert [f.follower for f in followers] == ["https://alpes.example/actors/coop"]
    assert [f.followed for f in following] == ["https://alpes.example/actors/coop"]
    federation.office.posts.clear()
    await a_published_mission(nantes)
    assert {inbox for inbox, _, _ in federation.office.posts} == {"https://alpes.example/inbox"}


async def test_what_was_deleted_does_not_come_back(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    thing = {"id": f"{lyon.base}/n/1", "type": "Note", "attributedTo": awa}
    for number, (kind, obj) in enumerate((("Create", thing), ("Delete", thing["id"]))):
        body = proven(lyon, awa, plainly(lyon, awa, kind, obj, number))
        assert (await nantes.receive(body, sender=awa, ring=lyon.ring)).outcome == "accepted"
    for number, kind in enumerate(("Create", "Update"), 7):
        with pytest.raises(FedcoopError) as refusal:
            await nantes.receive(
                proven(lyon, awa, plainly(lyon, awa, kind, thing, number)), sender=awa, ring=lyon.ring
            )
        assert refusal.value.code == "gone"


async def test_nobody_writes_over_what_has_a_name_already(federation: Federation):
    """An agreement whose id is one of ours would replace what we have under it."""
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    mission = await a_published_mission(nantes)
    offer = await an_offer(lyon, awa, mission)
    accept = await nantes.post(nantes.id, {"type": "Accept", "object": offer})
    rule = f"{lyon.base}/rules/fixed-price"
    kept = await lyon.read(rule)
    for target, code in ((rule, "foreign-origin"), (mission, "id-reused")):
        result = {**accept.document["result"], "id": target}
        body = proven(nantes, nantes.id, accept.document, result=result, id=f"{nantes.base}/activities/x")
        with pytest.raises(FedcoopError) as refusal:
            await lyon.receive(body, sender=nantes.id, ring=nantes.ring)
        assert refusal.value.code == code
    assert await lyon.read(rule) == kept
    assert kept is not None


async def test_a_probe_is_answered_and_leaves_nothing_else(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    await lyon.post(lyon.id, {"type": "Probe", "to": [nantes.id]})
    await settle(federation.office)
    kinds = [(kind, status) for _, kind, status in federation.office.posts if kind == "Probe"]
    assert kinds == [("Probe", 202), ("Probe", 202)]


async def test_what_is_for_somebody_is_in_their_inbox(federation: Federation, tmp_path: Path):
    lyon, nantes = federation.lyon, federation.nantes
    awa, malo = await lyon.member("awa"), await nantes.member("malo")
    direct = plainly(lyon, awa, "Create", {"id": f"{lyon.base}/n/1", "type": "Note"}, to=[malo])
    await nantes.receive(proven(lyon, awa, direct), sender=awa, ring=lyon.ring)

    async def items(actor: str) -> list[Any]:
        page = await nantes.world.store.read(lambda r: r.inbox_page(actor, cursor=None, limit=9))
        return [item["id"] for item in page.items]

    assert direct["id"] in await items(malo)
    assert direct["id"] not in await items(nantes.id)
    assert (
        await nantes.read(f"{lyon.base}/n/1", malo),
        await nantes.read(f"{lyon.base}/n/1", nantes.id),
    ) == (
        direct["object"],
        None,
    )
