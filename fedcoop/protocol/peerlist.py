"""A shared allow-list: which servers its keeper has let in, why, who decided and until when; signed (D7, F10).

    list_document  the list as its keeper publishes it, to be signed
    read_list      a list as it was received: well formed, its keeper's own, in time
    check_newer    it follows the one that we had: no keeper, and nobody on the way, takes an older one for new
    proposals      what it asks of our operator; nothing of it is ever done by itself

Whether the proof is the keeper's is asked beside these (`proof.verify_document`), with keys that are fetched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from fedcoop.errors import Conflict, Invalid, Unverified
from fedcoop.protocol import schemas
from fedcoop.protocol.build import contexts
from fedcoop.protocol.digest import chain_digest
from fedcoop.protocol.ids import check_id, origin
from fedcoop.protocol.limits import MAX_LIST_ENTRIES, SIGNATURE_MAX_AHEAD
from fedcoop.protocol.messages import Document
from fedcoop.protocol.shape import class_of, fedcoop_meaning, id_of
from fedcoop.protocol.times import read_time, write_time

PEER_LIST: Final = "PeerList"

ListWish: TypeAlias = Literal["admit", "remove"]
"""What a list asks of our operator about one server."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One server of a list."""

    origin: str
    reason: str
    decided_by: str
    decided_at: datetime
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class PeerList:
    """A list as it was read; `digest` stands for the whole of it, without its proof."""

    id: str
    keeper: str
    name: str
    version: int
    digest: str
    valid_until: datetime
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a list asks about one server."""

    wish: ListWish
    entry: Entry


def list_document(
    *,
    base: str,
    keeper: str,
    name: str,
    version: int,
    entries: Iterable[Entry],
    now: datetime,
    until: datetime,
) -> dict[str, Any]:
    """Return the list of our co-op, unsigned, in the order of the servers' names."""
    return {
        "@context": contexts(base),
        "id": list_id(base),
        "type": "Document",
        "fedcoopType": [PEER_LIST],
        "attributedTo": keeper,
        "name": name,
        "listVersion": version,
        "updated": write_time(now),
        "validUntil": write_time(until),
        "peerEntries": [_written(entry) for entry in sorted(entries, key=lambda e: e.origin)],
    }


def list_id(base: str) -> str:
    """Return where the list of the co-op at `base` is: the same address for every version of it."""
    return f"{base}/lists/peers"


def _written(entry: Entry) -> dict[str, str]:
    until = {"validUntil": write_time(entry.valid_until)} if entry.valid_until is not None else {}
    return {
        "type": "PeerEntry",
        "peerOrigin": entry.origin,
        "admissionReason": entry.reason,
        "decidedBy": entry.decided_by,
        "decidedAt": write_time(entry.decided_at),
        **until,
    }


def read_list(document: Document, *, allow_origins: Collection[str], now: datetime) -> PeerList:
    """Return the list that `document` is.

    Raises:
        Invalid: it is none, is not as it must be, or its time is over (`schema-invalid`, `guard-failed`).
        Malformed: an id or a server is not one that we fetch (`bad-id`).
        Unverified: its keeper is of another server than itself (`key-owner-mismatch`).
    """
    # (1) A list of the vocabulary, in whose words it may be read.
    if class_of(document) != PEER_LIST or not fedcoop_meaning(document, frozenset()):
        raise Invalid("schema-invalid", "This is no shared allow-list.", expected=PEER_LIST)
    schemas.check(document, PEER_LIST)
    name, keeper = str(id_of(document)), str(id_of(document.get("attributedTo")))
    for iri in (name, keeper):
        check_id(iri, allow_origins=frozenset(allow_origins))
    # (2) A keeper keeps lists at home: whoever could put one elsewhere could hold an old one there.
    if origin(name) != origin(keeper):
        raise Unverified(
            "key-owner-mismatch", "A list is on its keeper's server.", expected=origin(keeper), received=name
        )
    # (3) What has run out counts for nothing, and nothing is dated ahead to count for longer.
    until, updated = read_time(document["validUntil"]), document.get("updated")
    if until <= now:
        raise _failed(
            "The list has run out.", f"`validUntil` after {write_time(now)}", document["validUntil"]
        )
    if updated is not None and read_time(updated) > now + SIGNATURE_MAX_AHEAD:
        raise _failed("The list is of the future.", f"`updated` until {write_time(now)}", str(updated))
    # (4) Of a size that an operator can still look at.
    written = document["peerEntries"] if isinstance(document.get("peerEntries"), list) else []
    if len(written) > MAX_LIST_ENTRIES:
        raise _failed("The list is too long.", f"at most {MAX_LIST_ENTRIES} entries", str(len(written)))
    entries = tuple(_entry(one, allow_origins) for one in written)
    # (5) Of each server it says one thing.
    if len({entry.origin for entry in entries}) != len(entries):
        raise _failed("The list names a server twice.", "each server once", str(len(entries)))
    version = document["listVersion"]
    return PeerList(
        name, keeper, str(document.get("name", name)), version, digest_of(document), until, entries
    )


def _entry(one: Mapping[str, Any], allow_origins: Collection[str]) -> Entry:
    server = str(one.get("peerOrigin"))
    check_id(f"{server}/", allow_origins=frozenset(allow_origins))
    # (1) In the one spelling in which servers are compared, and with nothing behind it.
    if origin(server) != server:
        raise _failed("An entry names a server by its origin.", origin(server), server[:200])
    reason, who = str(one.get("admissionReason")).strip(), str(one.get("decidedBy")).strip()
    # (2) Somebody decided it, for a reason.
    if not reason or not who:
        raise _failed("An entry says who decided, and why.", "`decidedBy` and `admissionReason`", server)
    until = one.get("validUntil")
    return Entry(
        server, reason, who, read_time(one.get("decidedAt")), read_time(until) if until is not None else None
    )


def digest_of(document: Document) -> str:
    """Return what stands for a list, whoever signed it and how often."""
    return chain_digest({k: v for k, v in document.items() if k != "proof"})


def check_newer(found: PeerList, *, keeper: str, version: int, digest: str) -> None:
    """Return when `found` may take the place of the list of that keeper, version and digest.

    Raises:
        Conflict: it is another keeper's (`wrong-party`), older, or another one of the same version (`stale`).
    """
    # (1) A list stays its keeper's: whoever got hold of its address does not inherit the trust in it.
    if found.keeper != keeper:
        raise Conflict(
            "wrong-party", "The list is kept by somebody else now.", expected=keeper, received=found.keeper
        )
    # (2) It does not go back: who was taken off an old version would be on it again.
    if found.version < version:
        raise Conflict(
            "stale",
            "This list is older than the one that we had.",
            expected=f"listVersion {version} or more",
            received=str(found.version),
        )
    # (3) One version is one list: its keeper does not show different ones to different people.
    if found.version == version and found.digest != digest:
        raise Conflict(
            "stale", "The same version of this list was another one.", expected=digest, received=found.digest
        )


def proposals(
    found: PeerList, *, admitted: Collection[str], through_it: Collection[str], base: str, now: datetime
) -> tuple[Proposal, ...]:
    """Return what the list asks: to admit whom it names and we have not, to remove whom we admitted for it alone.

    `admitted` are servers that are let in, `through_it` those among them whose last decision came from this list.
    """
    # (1) An entry whose time is over counts for nothing, as if it were not there.
    good = {e.origin: e for e in found.entries if e.valid_until is None or e.valid_until > now}
    asked = [Proposal("admit", e) for e in good.values() if e.origin != base and e.origin not in admitted]
    # (2) What a list gave it may ask back, and nothing else.
    gone = [
        Proposal("remove", Entry(server, found.name, found.keeper, now, None))
        for server in sorted(through_it)
        if server not in good
    ]
    return (*asked, *gone)


def _failed(detail: str, expected: str, received: str) -> Invalid:
    return Invalid("guard-failed", detail, expected=expected, received=received)
