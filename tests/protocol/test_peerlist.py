"""A shared allow-list as it is read: well formed, its keeper's, in time, and newer than the last."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fedcoop.errors import Conflict, FedcoopError
from fedcoop.protocol import schemas
from fedcoop.protocol.limits import MAX_LIST_ENTRIES, SIGNATURE_MAX_AHEAD
from fedcoop.protocol.peerlist import (
    Entry,
    PeerList,
    check_newer,
    digest_of,
    list_document,
    proposals,
    read_list,
)
from tests.protocol.making import CARRIER, LYON, NANTES, stamp
from tests.protocol.signing import NOW

DAY = timedelta(days=1)
VELO = "https://velo.example"


def an_entry(origin: str = VELO, **changes: Any) -> Entry:
    return Entry(
        **{
            "origin": origin,
            "reason": "AG",
            "decided_by": "Jeanne",
            "decided_at": NOW,
            "valid_until": None,
            **changes,
        }
    )


def a_document(*entries: Entry, **changes: Any) -> dict[str, Any]:
    made = list_document(
        base=LYON, keeper=CARRIER, name="Lyon", version=3, entries=entries, now=NOW, until=NOW + DAY
    )
    return {k: v for k, v in {**made, **changes}.items() if v is not None}


def read(document: dict[str, Any]) -> PeerList:
    return read_list(document, allow_origins=frozenset(), now=NOW)


def written(**changes: Any) -> dict[str, Any]:
    entry = {**a_document(an_entry())["peerEntries"][0], **changes}
    return {k: v for k, v in entry.items() if v is not None}


def test_what_is_written_is_what_is_read():
    entries = (an_entry(), an_entry("https://aix.example", valid_until=NOW + DAY))
    document = a_document(*entries)
    schemas.check(document, "PeerList")
    found = read(document)
    assert (found.id, found.keeper, found.name, found.version) == (f"{LYON}/lists/peers", CARRIER, "Lyon", 3)
    assert found.entries == (entries[1], entries[0])
    assert found.valid_until == NOW + DAY
    assert found.digest == digest_of({**document, "proof": {"type": "DataIntegrityProof"}})


SECOND = timedelta(seconds=1)
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"fedcoopType": ["Note"]}, "schema-invalid"),
    ({"@context": ["https://www.w3.org/ns/activitystreams"]}, "schema-invalid"),
    ({"listVersion": "3"}, "schema-invalid"),
    ({"validUntil": None}, "schema-invalid"),
    ({"attributedTo": f"{NANTES}/actors/coop"}, "schema-invalid key-owner-mismatch"),
    ({"id": "http://10.0.0.1/lists/peers"}, "bad-id schema-invalid"),
    ({"validUntil": stamp(NOW)}, "guard-failed"),
    ({"updated": stamp(NOW + SIGNATURE_MAX_AHEAD + SECOND)}, "guard-failed"),
    ({"peerEntries": [written()] * 2}, "guard-failed"),
    ({"peerEntries": [written(peerOrigin=f"{VELO}/")]}, "guard-failed"),
    ({"peerEntries": [written(peerOrigin="https://VELO.example")]}, "bad-id guard-failed"),
    ({"peerEntries": [written(peerOrigin="https://127.0.0.1")]}, "bad-id"),
    ({"peerEntries": [written(peerOrigin="velo.example")]}, "bad-id"),
    ({"peerEntries": [written(admissionReason=" ")]}, "guard-failed"),
    ({"peerEntries": [written(decidedBy=" ")]}, "guard-failed"),
    ({"peerEntries": [written(decidedBy=None)]}, "schema-invalid"),
]
RIGHT: list[dict[str, Any]] = [
    {},
    {"peerEntries": None},
    {"validUntil": stamp(NOW + SECOND)},
    {"updated": stamp(NOW + SIGNATURE_MAX_AHEAD)},
    {"updated": None},
    {"peerEntries": [written(), written(peerOrigin="https://aix.example")]},
]


@pytest.mark.parametrize(("changes", "codes"), WRONG)
def test_what_is_no_list_of_its_keeper_is_refused(changes: dict[str, Any], codes: str):
    with pytest.raises(FedcoopError) as refusal:
        read(
            a_document(an_entry(), **changes)
            if changes.get("peerEntries") is None
            else {**a_document(), **changes}
        )
    assert refusal.value.code in codes.split()


@pytest.mark.parametrize("changes", RIGHT)
def test_its_valid_twins_are_read(changes: dict[str, Any]):
    assert read(a_document(an_entry(), **changes)).version == 3


def test_a_list_of_another_server_than_its_keeper_s_is_refused():
    document = a_document(attributedTo=f"{NANTES}/actors/coop")
    document["@context"] = [*document["@context"][:2], f"{NANTES}/contexts/fedcoop/v1"]
    with pytest.raises(FedcoopError) as refusal:
        read(document)
    assert refusal.value.code == "key-owner-mismatch"


def test_a_list_is_as_long_as_an_operator_can_read():
    entries = [an_entry(f"https://c{n}.example") for n in range(MAX_LIST_ENTRIES + 1)]
    assert len(read(a_document(*entries[1:])).entries) == MAX_LIST_ENTRIES
    with pytest.raises(FedcoopError) as refusal:
        read(a_document(*entries))
    assert refusal.value.code == "guard-failed"


# -- versions -------------------------------------------------------------------------------------------------------


def test_a_list_is_its_keeper_s_and_goes_on():
    found = read(a_document(an_entry()))
    for version, digest in ((3, found.digest), (2, "zOther")):
        check_newer(found, keeper=CARRIER, version=version, digest=digest)
    for keeper, version, digest, code in (
        (f"{LYON}/actors/other", 2, found.digest, "wrong-party"),
        (CARRIER, 4, found.digest, "stale"),
        (CARRIER, 3, "zOther", "stale"),
    ):
        with pytest.raises(Conflict) as refusal:
            check_newer(found, keeper=keeper, version=version, digest=digest)
        assert refusal.value.code == code


# -- what it asks ---------------------------------------------------------------------------------------------------


def asks(
    *entries: Entry, admitted: tuple[str, ...] = (), through_it: tuple[str, ...] = ()
) -> list[tuple[str, str]]:
    found = read(a_document(*entries))
    asked = proposals(found, admitted=admitted, through_it=through_it, base=NANTES, now=NOW)
    return [(p.wish, p.entry.origin) for p in asked]


def test_it_asks_to_admit_whom_nobody_decided_about():
    assert asks(an_entry(), an_entry(NANTES)) == [("admit", VELO)]
    assert asks(an_entry(), admitted=(VELO,)) == []


def test_what_has_run_out_is_as_if_it_were_not_there():
    over = an_entry(valid_until=NOW)
    assert asks(over) == []
    assert asks(over, admitted=(VELO,), through_it=(VELO,)) == [("remove", VELO)]
    assert asks(an_entry(valid_until=NOW + SECOND)) == [("admit", VELO)]


def test_it_asks_back_what_it_gave():
    assert asks(admitted=(VELO, "https://aix.example"), through_it=(VELO,)) == [("remove", VELO)]
    assert asks(an_entry(), admitted=(VELO,), through_it=(VELO,)) == []
