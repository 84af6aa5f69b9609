"""New keys step by step: peers go on hearing us, a kill at any point loses nothing, a stolen key is worth nothing."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from typing import Any, Final

import pytest

from fedcoop.errors import Conflict, FedcoopError, Misconfigured, NotFound, Unverified
from fedcoop.flow import keys
from fedcoop.flow.keys import check_keys, list_keys, renew, retire
from fedcoop.flow.reading import read_history, read_object
from fedcoop.protocol import strict_json
from fedcoop.protocol.history import verify_history
from fedcoop.protocol.keyhistory import number_of, published_keys, verify_keys
from fedcoop.protocol.messages import Document, PutActor
from fedcoop.protocol.proof import sign_document
from tests.flow.federation import Coop, Federation, Ring, a_mission, settle

WEEK: Final = timedelta(days=7)


async def rotate(coop: Coop, *actors: str) -> None:
    await renew(coop.world, actors or (coop.id,), reason="rotated", overlap=WEEK)


async def compromised(coop: Coop, *actors: str) -> None:
    await renew(coop.world, actors or (coop.id,), reason="compromised", overlap=WEEK)


async def document(coop: Coop, actor: str) -> Document:
    """Return the actor as `coop` has it stored."""
    stored = await coop.world.store.read(lambda reader: reader.actor(actor))
    assert stored is not None
    return stored.document


async def history(coop: Coop, actor: str | None = None) -> Document:
    iri = f"{actor or coop.id}/keys"
    return (await read_object(iri, actor=None, world=coop.world)).document


async def lies_at(coop: Coop, mission: str) -> bool:
    """Tell whether `coop` has the mission."""
    return await coop.world.store.read(lambda reader: reader.object(mission)) is not None


async def published(coop: Coop) -> str:
    return str((await coop.say(coop.id, "Create", a_mission())).document["object"]["id"])


def thief_of(coop: Coop, actor: str) -> Ring:
    """Return a ring with what `actor` signs with now, as somebody has it who copied the keys."""
    return Ring(iter(()), {actor: coop.ring.keys[actor]})  # type: ignore[arg-type]


# -- rotation ------------------------------------------------------------------------------------------------


async def test_messages_keep_flowing_when_keys_are_rotated_while_peers_hold_the_old(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    first = await published(lyon)
    await settle(federation.office)
    federation.office.posts.clear()
    await rotate(lyon)
    second = await published(lyon)
    await settle(federation.office)
    assert await lies_at(nantes, first)
    assert await lies_at(nantes, second)
    assert {status for _, _, status in federation.office.posts} <= {200, 202}
    assert lyon.ring.proof_key(lyon.id)[0] == f"{lyon.id}#ed25519-2"
    assert number_of(await document(nantes, lyon.id)) == 2


async def test_a_peer_fetches_a_rotated_key_once(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    await settle(federation.office)
    await rotate(lyon)
    federation.office.fetched.clear()
    await settle(federation.office)
    for _ in range(3):
        await published(lyon)
        await settle(federation.office)
    assert federation.office.fetched.count(lyon.id) == 2  # one for each of the two peers
    assert number_of(await document(nantes, lyon.id)) == 2


async def test_what_was_said_before_the_rotation_still_arrives_after_it(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    federation.office.down.add(nantes.base)
    mission = await published(lyon)
    await settle(federation.office)
    assert not await lies_at(nantes, mission)
    await rotate(lyon)
    federation.office.down.clear()
    lyon.clock.now += timedelta(days=1)
    await settle(federation.office)
    assert await lies_at(nantes, mission)


async def test_one_key_is_active_the_others_stay_with_their_end(federation: Federation):
    lyon = federation.lyon
    before = await document(lyon, lyon.id)
    await rotate(lyon)
    now = await document(lyon, lyon.id)
    assert [("expires" in m) for m in now["assertionMethod"]] == [False, True]
    assert now["assertionMethod"][1]["publicKeyMultibase"] == published_keys(before).ed25519_multibase
    assert [k["id"] for k in now["publicKey"]] == [f"{lyon.id}#main-key-2", f"{lyon.id}#main-key"]
    listed = [k for k in await list_keys(lyon.world) if k.actor == lyon.id]
    assert [(k.state, k.private) for k in listed] == [("active", True), ("overlap", True)]


async def test_the_update_goes_to_followers_and_to_every_peer_that_we_know_once(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    gone = PutActor({"id": f"{nantes.base}/actors/gone", "type": "Tombstone"}, False, lyon.clock())
    await lyon.world.store.write(lambda tx: tx.make([gone]))
    await settle(federation.office)
    federation.office.posts.clear()
    await rotate(lyon, awa)
    await settle(federation.office)
    updates = sorted(inbox for inbox, kind, _ in federation.office.posts if kind == "Update")
    assert updates == [f"{federation.alpes.base}/inbox", f"{nantes.base}/inbox"]


async def test_after_the_overlap_the_old_private_key_is_destroyed_and_stays_listed(federation: Federation):
    lyon = federation.lyon
    await rotate(lyon)
    assert await retire(lyon.world) == 0
    lyon.clock.now += WEEK
    assert await retire(lyon.world) == 1
    assert await retire(lyon.world) == 0
    now = await document(lyon, lyon.id)
    assert now["publicKey"]["id"] == f"{lyon.id}#main-key-2"
    assert [m["id"] for m in now["assertionMethod"]] == [f"{lyon.id}#ed25519-2", f"{lyon.id}#ed25519-1"]
    with pytest.raises(Misconfigured):
        lyon.ring.prepared(lyon.id, 1)
    assert await check_keys(lyon.world) == 2


async def test_the_only_private_key_is_never_destroyed(federation: Federation):
    lyon = federation.lyon
    await rotate(lyon)
    lyon.clock.now += WEEK
    # The keys are of an older backup than the database.
    old = lyon.ring.prepared(lyon.id, 1)
    lyon.ring.lose(lyon.id)
    lyon.ring._keys[lyon.id] = {1: old}
    await retire(lyon.world)
    assert lyon.ring.prepared(lyon.id, 1) == old
    with pytest.raises(Misconfigured, match="not those that"):
        await check_keys(lyon.world)


async def test_credentials_and_rules_are_signed_anew_with_the_coops_new_key(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa", status="cape")
    await compromised(lyon)
    await settle(federation.office)
    mission = await published(nantes)
    await settle(federation.office)
    federation.office.posts.clear()
    await lyon.say(awa, "Offer", {"type": "Agreement", "mission": mission})
    assert {status for _, kind, status in federation.office.posts if kind == "Offer"} == {202}
    rule = await read_object(f"{lyon.base}/rules/fixed-price", actor=None, world=lyon.world)
    assert rule.document["proof"]["verificationMethod"] == f"{lyon.id}#ed25519-2"


async def test_two_rotations_at_once_make_one_after_the_other(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
):
    lyon = federation.lyon
    real = keys._publish

    async def twice(*arguments: Any) -> Any:
        await real(*arguments)
        return await real(*arguments)

    monkeypatch.setattr(keys, "_publish", twice)
    with pytest.raises(Conflict, match="just been renewed"):
        await rotate(lyon)
    await keys.settle(lyon.world)
    assert lyon.ring.generation(lyon.id) == number_of(await document(lyon, lyon.id)) == 2


async def test_none_of_our_actors_is_not_rotated(federation: Federation):
    for stranger in (federation.nantes.id, f"{federation.lyon.base}/actors/nobody"):
        with pytest.raises(NotFound):
            await rotate(federation.lyon, stranger)


# -- killed --------------------------------------------------------------------------------------------------

STEPS: Final = ("prepare", "promote", "destroy", "say", "write")


class Killed(Exception):
    """The process is no more."""


def killed_at(federation: Federation, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next step of this name be the last thing that happens, before or in the middle of its effect."""

    def dies(*_: Any, **__: Any) -> Any:
        raise Killed(step)

    ring, store = federation.lyon.ring, federation.lyon.world.store
    if step == "say":
        monkeypatch.setattr(keys, "say", dies)
    elif step == "write":
        monkeypatch.setattr(store, "write", dies)
    else:
        monkeypatch.setattr(ring, step, dies)


@pytest.mark.parametrize("reason", ["rotated", "compromised"])
@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_the_next_start_finishes_or_nothing_has_begun(
    federation: Federation, step: str, reason: str, monkeypatch: pytest.MonkeyPatch
):
    lyon, nantes = federation.lyon, federation.nantes
    await settle(federation.office)
    with monkeypatch.context() as patch:
        killed_at(federation, step, patch)
        try:
            await renew(lyon.world, [lyon.id], reason=reason, overlap=WEEK)  # type: ignore[arg-type]
        except Killed:
            pass
    await keys.promote_published(lyon.world)
    assert await check_keys(lyon.world) == 2
    await keys.settle(lyon.world)
    number = number_of(await document(lyon, lyon.id))
    assert number == (1 if step in ("prepare", "write") else 2)
    assert lyon.ring.generation(lyon.id) == number
    assert verify_keys(await history(lyon)).ok
    mission = await published(lyon)
    await settle(federation.office)
    assert await lies_at(nantes, mission)
    assert number_of(await document(nantes, lyon.id)) == number
    # Whatever was left over is used, or not in the way.
    await rotate(lyon)
    assert lyon.ring.generation(lyon.id) == number + 1
    assert await keys.settle(lyon.world) == 0


# -- compromised ---------------------------------------------------------------------------------------------


async def test_a_stolen_keys_new_messages_are_refused_and_old_records_keep_their_standing(
    federation: Federation,
):
    lyon, nantes = federation.lyon, federation.nantes
    mission = await published(lyon)
    await settle(federation.office)
    thief = thief_of(lyon, lyon.id)
    lyon.clock.now += timedelta(hours=1)
    await compromised(lyon)
    await settle(federation.office)
    federation.nantes.clock.now += timedelta(minutes=1)

    # The thief signs requests and documents with what it has.
    method, key = thief.proof_key(lyon.id)
    forged = {
        "@context": ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/data-integrity/v2"],
        "id": f"{lyon.base}/activities/forged", "type": "Create", "actor": lyon.id, "to": [nantes.id],
        "object": {"id": f"{lyon.base}/objects/forged", "type": "Note", "attributedTo": lyon.id, "content": "x"},
    }  # fmt: skip
    signed = sign_document(forged, key=key, verification_method=method, created=lyon.clock())
    for body in (forged, signed):
        with pytest.raises(Unverified) as refusal:
            await nantes.receive(strict_json.dumps(body), sender=lyon.id, ring=thief)
        assert refusal.value.code == "key-unknown"
    # Nor does the old key make a proof in a request of the new one.
    with pytest.raises(Unverified) as refusal:
        await nantes.receive(strict_json.dumps(signed), sender=lyon.id, ring=lyon.ring)
    assert refusal.value.code == "proof-key"
    assert not await lies_at(nantes, f"{lyon.base}/objects/forged")

    # What was recorded before is proven as before, at both.
    for coop in (lyon, nantes):
        told = json.loads(json.dumps(await read_history(mission, actor=coop.id, world=coop.world)))
        report = verify_history(told)
        assert report.ok, report.chains
        assert (
            next(p.key for p in report.chains[0].proven)
            != published_keys(await document(lyon, lyon.id)).ed25519_multibase
        )
    assert (await lyon.say(lyon.id, "Update", {"id": mission, "name": "Encore"})).activity_id
    await settle(federation.office)
    told = json.loads(json.dumps(await read_history(mission, actor=nantes.id, world=nantes.world)))
    assert len(verify_history(told).chains[0].proven) == 2
    assert verify_history(told).ok


async def test_what_an_interrupted_rotation_had_prepared_is_not_used_after_a_compromise(
    federation: Federation,
):
    lyon = federation.lyon
    await lyon.ring.prepare({lyon.id: 2})
    copied = lyon.ring.prepared(lyon.id, 2)
    await compromised(lyon)
    assert lyon.ring.generation(lyon.id) == 2
    assert lyon.ring.keys[lyon.id] != copied


async def test_after_a_compromise_the_coop_vouches_for_its_members_and_the_instance_for_the_coop(
    federation: Federation,
):
    lyon = federation.lyon
    awa = await lyon.member("awa", status="cape")
    await compromised(lyon, awa, lyon.world.instance.application, lyon.id)
    for actor, voucher in (
        (lyon.id, lyon.world.instance.application),
        (lyon.world.instance.application, lyon.id),
        (awa, lyon.id),
    ):
        told = await history(lyon, actor)
        report = verify_keys(told, vouchers={voucher: await history(lyon, voucher)})
        assert report.ok, report.findings
        assert report.keys[1].signed_by == voucher
        assert report.keys[0].how == "revoked"
        with pytest.raises(Misconfigured):
            lyon.ring.prepared(actor, 1)


async def test_keys_that_were_lost_are_replaced_with_the_help_of_who_vouches(federation: Federation):
    lyon, nantes = federation.lyon, federation.nantes
    lyon.ring.lose(lyon.id)
    with pytest.raises((Misconfigured, KeyError)):
        await rotate(lyon)
    await compromised(lyon)
    await settle(federation.office)
    mission = await published(lyon)
    await settle(federation.office)
    assert await lies_at(nantes, mission)
    assert await check_keys(lyon.world) == 2


async def test_a_rotation_is_signed_by_the_key_before_it(federation: Federation):
    lyon = federation.lyon
    for _ in range(3):
        lyon.clock.now += timedelta(days=1)
        await rotate(lyon)
    report = verify_keys(await history(lyon))
    assert report.ok, report.findings
    assert [k.number for k in report.keys] == [1, 2, 3, 4]
    assert [k.signing_key for k in report.keys[1:]] == [k.key for k in report.keys[:-1]]


async def test_an_actor_older_than_key_histories_gets_one(federation: Federation):
    lyon = federation.lyon
    with sqlite3.connect(lyon.folder / "fedcoop.db") as database:
        database.execute("DELETE FROM object WHERE id = ?", (f"{lyon.id}/keys",))
    await rotate(lyon)
    report = verify_keys(await history(lyon))
    assert report.ok
    assert [k.reason for k in report.keys] == ["founded", "rotated"]


# -- at start ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoil", ["foreign", "missing"])
async def test_an_instance_with_foreign_or_missing_keys_is_not_well(federation: Federation, spoil: str):
    lyon, nantes = federation.lyon, federation.nantes
    assert await check_keys(lyon.world) == 2
    if spoil == "foreign":
        lyon.ring._keys[lyon.id] = {1: nantes.ring.keys[nantes.id]}
        with pytest.raises(Misconfigured) as refusal:
            await check_keys(lyon.world)
        assert lyon.id in refusal.value.detail
        assert "keys compromised DIR --actor coop" in refusal.value.extra["next"]
        assert refusal.value.extra["detail_fr"]
    else:
        lyon.ring.lose(lyon.id)
        with pytest.raises((FedcoopError, KeyError)):
            await check_keys(lyon.world)
