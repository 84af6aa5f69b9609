"""Keys through time: what a document lists after a rotation, and what a signed key history proves, and to whom."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedcoop.errors import Malformed, Unverified
from fedcoop.protocol.actors import PublicKeys, application
from fedcoop.protocol.keyhistory import (
    Ends,
    KeyReport,
    entry,
    key_history,
    method_of,
    number_of,
    published_keys,
    renewed,
    verify_keys,
    without_expired,
)
from fedcoop.protocol.limits import MAX_KEYS_PER_ACTOR
from fedcoop.protocol.multikey import encode_public, http_key_of, proof_key_of, public_key_to_pem
from fedcoop.protocol.proof import sign_document
from fedcoop.protocol.times import write_time
from tests.protocol.signing import COOP as SOMEBODY
from tests.protocol.signing import MALLORY, rsa_key

T0: Final = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
BASE: Final = "https://coop.example"
ALICE: Final = f"{BASE}/actors/alice"
VOUCHER: Final = f"{BASE}/actors/coop"
DAY: Final = timedelta(days=1)
PEM: Final = public_key_to_pem(rsa_key(SOMEBODY).public_key())
KEYS: Final = {n: Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(1, 30)}


def public(number: int) -> PublicKeys:
    return PublicKeys(PEM, encode_public(KEYS[number].public_key()))


def an_actor() -> dict[str, Any]:
    return application(base=BASE, keys=public(1), name="Coop")


ACTOR: Final = f"{BASE}/actor"


def rotated(at: datetime) -> Ends:
    return Ends("expires", at + 7 * DAY, at + 30 * DAY)


# -- documents -----------------------------------------------------------------------------------------------


def test_after_a_rotation_the_new_key_comes_first_and_the_old_one_is_listed_with_its_end():
    document = renewed(an_actor(), public(2), number=2, ends=rotated(T0))
    assert number_of(document) == 2
    assert published_keys(document) == public(2)
    assert [k["id"] for k in document["publicKey"]] == [f"{ACTOR}#main-key-2", f"{ACTOR}#main-key"]
    assert document["publicKey"][1]["expires"] == write_time(T0 + 7 * DAY)
    assert [m["id"] for m in document["assertionMethod"]] == [f"{ACTOR}#ed25519-2", f"{ACTOR}#ed25519-1"]
    assert document["assertionMethod"][1]["expires"] == write_time(T0 + 30 * DAY)
    active = [m for m in document["assertionMethod"] if "expires" not in m]
    assert len(active) == 1
    for number, key_id in ((2, "#main-key-2"), (1, "#main-key")):
        assert http_key_of(document, ACTOR + key_id, at=T0 + 6 * DAY)
        assert proof_key_of(document, f"{ACTOR}#ed25519-{number}", at=T0 + 29 * DAY)
    with pytest.raises(Unverified):
        http_key_of(document, f"{ACTOR}#main-key", at=T0 + 7 * DAY)
    with pytest.raises(Unverified):
        proof_key_of(document, f"{ACTOR}#ed25519-1", at=T0 + 30 * DAY)


def test_after_a_compromise_the_old_key_is_revoked_at_once_and_signs_no_request():
    document = renewed(an_actor(), public(2), number=2, ends=Ends("revoked", T0, T0))
    assert document["publicKey"]["id"] == f"{ACTOR}#main-key-2"
    assert document["assertionMethod"][1]["revoked"] == write_time(T0)
    with pytest.raises(Unverified):
        http_key_of(document, f"{ACTOR}#main-key", at=T0)
    with pytest.raises(Unverified):
        proof_key_of(document, f"{ACTOR}#ed25519-1", at=T0)
    assert proof_key_of(document, f"{ACTOR}#ed25519-1", at=T0 - timedelta(seconds=1))


def test_a_compromise_during_an_overlap_ends_every_key_that_still_was_good_and_none_anew():
    first = renewed(an_actor(), public(2), number=2, ends=rotated(T0))
    later = T0 + 40 * DAY
    third = renewed(first, public(3), number=3, ends=rotated(T0 + DAY))
    document = renewed(third, public(4), number=4, ends=Ends("revoked", T0 + 2 * DAY, T0 + 2 * DAY))
    assert [m.get("revoked") for m in document["assertionMethod"][1:]] == [write_time(T0 + 2 * DAY)] * 3
    assert not any("expires" in m for m in document["assertionMethod"])
    late = renewed(third, public(4), number=4, ends=Ends("revoked", later, later))
    ends = [m.get("expires") for m in late["assertionMethod"][2:]]
    assert ends == [write_time(T0 + 31 * DAY), write_time(T0 + 30 * DAY)]


def test_once_the_overlap_has_passed_the_old_request_key_goes_and_the_proof_key_stays():
    document = renewed(an_actor(), public(2), number=2, ends=rotated(T0))
    assert without_expired(document, T0 + 6 * DAY) is document
    kept = without_expired(document, T0 + 7 * DAY)
    assert kept["publicKey"]["id"] == f"{ACTOR}#main-key-2"
    assert kept["assertionMethod"] == document["assertionMethod"]
    assert without_expired(kept, T0 + 999 * DAY) is kept


def test_no_document_lists_more_keys_than_others_read():
    document = an_actor()
    for number in range(2, 15):
        document = renewed(document, public(number), number=number, ends=rotated(T0 + number * DAY))
    assert len(document["assertionMethod"]) == len(document["publicKey"]) == MAX_KEYS_PER_ACTOR
    assert number_of(document) == 14


def test_an_actor_without_an_active_key_has_no_number():
    with pytest.raises(Malformed):
        number_of({"id": ACTOR, "assertionMethod": [{"id": f"{ACTOR}#ed25519-1", "revoked": "x"}]})


# -- histories -----------------------------------------------------------------------------------------------


def step(
    number: int,
    *,
    previous: dict[str, Any] | None = None,
    by: int | None = None,
    signer: str = ALICE,
    actor: str = ALICE,
    reason: str = "rotated",
    key: int | None = None,
    at: datetime | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Return the signed step to key `number`, by key `by` of `signer`."""
    since = at or T0 + number * DAY
    by = by if by is not None else max(1, number - 1)
    method = method_of(signer, public(by), by)
    document = entry(
        base=BASE, actor=actor, keys=public(key or number), number=number, since=since,
        reason=reason, signer=signer, signing_method=method, previous=previous,  # type: ignore[arg-type]
        ends=rotated(since) if previous is not None else None,
    )  # fmt: skip
    document |= changes
    return sign_document(document, key=KEYS[by], verification_method=str(method["id"]), created=since)


def a_history(upto: int = 3, actor: str = ALICE) -> dict[str, Any]:
    steps = [step(1, reason="founded", actor=actor, signer=actor)]
    for number in range(2, upto + 1):
        steps.append(step(number, previous=steps[-1], actor=actor, signer=actor))
    return key_history(actor, steps, base=BASE)


def vouched(by: int = 20, **changes: Any) -> dict[str, Any]:
    """Return a history whose second key came after a compromise, vouched for by the co-op's key `by`."""
    first = step(1, reason="founded")
    second = step(2, previous=first, by=by, signer=VOUCHER, reason="compromised", **changes)
    return key_history(ALICE, [first, second], base=BASE)


def codes(report: KeyReport) -> list[tuple[int | None, str]]:
    return [(f.version, f.code) for f in report.findings]


def test_a_history_says_which_key_was_good_when_and_who_says_so():
    report = verify_keys(a_history())
    assert report.ok, report.findings
    assert [(k.number, k.reason, k.how) for k in report.keys] == [
        (1, "founded", "expires"),
        (2, "rotated", "expires"),
        (3, "rotated", None),
    ]
    assert report.keys[0].until == write_time(T0 + 32 * DAY)
    assert {k.signed_by for k in report.keys} == {ALICE}
    assert report.keys[1].signing_key == report.keys[0].key


def test_after_a_compromise_somebody_of_the_same_instance_vouches():
    report = verify_keys(vouched())
    assert report.ok, report.findings
    assert report.keys[1].signed_by == VOUCHER
    assert verify_keys(vouched(), pinned={VOUCHER: public(20).ed25519_multibase}).ok
    assert codes(verify_keys(vouched(), pinned={VOUCHER: public(21).ed25519_multibase})) == [(2, "proof-key")]


def test_who_vouches_does_so_with_a_key_that_it_had_then():
    theirs = a_history(3, actor=VOUCHER)
    # Its key 2 was good from the second of January on; the step is of the third.
    good = step(1, reason="founded")
    second = step(2, previous=good, by=2, signer=VOUCHER, reason="compromised", at=T0 + 2.5 * DAY)
    history = key_history(ALICE, [good, second], base=BASE)
    assert verify_keys(history, vouchers={VOUCHER: theirs}).ok
    early = step(2, previous=good, by=3, signer=VOUCHER, reason="compromised", at=T0 + 2.5 * DAY)
    for wrong in (key_history(ALICE, [good, early], base=BASE), vouched()):
        assert codes(verify_keys(wrong, vouchers={VOUCHER: theirs})) == [(2, "proof-key")]
    broken = {**theirs, "entries": theirs["entries"][1:]}
    assert codes(verify_keys(history, vouchers={VOUCHER: broken})) == [(2, "proof-key")]


def test_a_pinned_key_is_one_that_the_actor_had():
    assert verify_keys(a_history(), pinned={ALICE: public(2).ed25519_multibase}).ok
    assert codes(verify_keys(a_history(), pinned={ALICE: public(9).ed25519_multibase})) == [
        (None, "key-unknown")
    ]


def test_a_key_that_was_given_away_does_not_say_what_comes_after_it():
    first = step(1, reason="founded")
    own = step(2, previous=first, by=1, reason="compromised")
    assert codes(verify_keys(key_history(ALICE, [first, own], base=BASE))) == [(2, "proof-key")]


def test_a_step_is_signed_by_the_key_before_it():
    first = step(1, reason="founded")
    for wrong in (
        step(2, previous=first, by=9),
        step(2, previous=first, by=1, signer=f"{MALLORY}/actors/coop"),
        step(2, previous=first, by=1, signedBy=dict(method_of(VOUCHER, public(1), 1))),
    ):
        report = verify_keys(key_history(ALICE, [first, wrong], base=BASE))
        assert codes(report) == [(2, "proof-key")]
        assert len(report.keys) == 1
    assert codes(verify_keys(key_history(ALICE, [step(1, by=2, reason="founded")], base=BASE))) == [
        (1, "proof-key")
    ]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_step_that_is_taken_out_or_changed_is_named(position: int):
    history = a_history(4)
    cut = copy.deepcopy(history)
    del cut["entries"][position]
    assert codes(verify_keys(cut))[0][0] == position + 1
    for name, value in (("reason", "lost"), ("keyNumber", 7), ("since", write_time(T0)), ("about", VOUCHER)):
        forged = copy.deepcopy(history)
        forged["entries"][position][name] = value
        assert not verify_keys(forged).ok
    forged = copy.deepcopy(history)
    forged["entries"][position]["assertionMethod"][0]["publicKeyMultibase"] = public(9).ed25519_multibase
    assert not verify_keys(forged).ok


def test_steps_do_not_go_back_in_time_or_number():
    first = step(1, reason="founded", at=T0 + 5 * DAY)
    for wrong in (
        step(2, previous=first, by=1, at=T0),
        step(1, previous=first, by=1, key=2, at=T0 + 6 * DAY),
    ):
        assert codes(verify_keys(key_history(ALICE, [first, wrong], base=BASE))) == [(2, "stale")]


@pytest.mark.parametrize(
    "document",
    [{}, {"format": "fedcoop-keys/1"}, {"format": "fedcoop-keys/1", "entries": []},
     {"format": "fedcoop-keys/1", "entries": [1]}, {"format": "fedcoop-keys/1", "entries": [{}]},
     {"format": "fedcoop-keys/1", "about": ALICE, "entries": [{"since": "x"}]}],
)  # fmt: skip
def test_what_is_no_key_history_proves_nothing(document: dict[str, Any]):
    assert not verify_keys(document).ok
