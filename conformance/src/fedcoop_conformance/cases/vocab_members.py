"""Profile `vocab`: members, what is said of them, and by whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fedcoop_conformance import data
from fedcoop_conformance.case import Case
from fedcoop_conformance.cases import implements

PRIVATE: Final = frozenset(
    {
        "email", "mbox", "telephone", "phone", "tel", "address", "streetAddress", "vcard:hasEmail",
        "vcard:hasTelephone", "schema:email", "schema:telephone", "schema:address", "birthDate", "schema:birthDate",
        "iban",
    }
)  # fmt: skip
"""Names under which people are reached or known outside of the co-operative; by FOAF, vCard and schema.org."""


def members(value: object) -> Iterator[tuple[str, object]]:
    """Yield every member of a document, on every level."""
    if isinstance(value, Mapping):
        for name, inside in value.items():
            yield str(name), inside
            yield from members(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from members(inside)


def never_sent() -> frozenset[str]:
    """Return the properties of the vocabulary that never leave an instance (class P4)."""
    listed: Any = data.read("vocab", "properties.json")
    found = listed.get("properties", listed)
    return frozenset(
        name
        for name, one in found.items()
        if isinstance(one, Mapping) and "P4" in (one.get("privacy") or {}).values()
    )


@implements("FC-VOC-024")
async def a_member_says_nothing_private(t: Case) -> None:
    with t.step("the member's document is read by anybody, and by an actor of another server"):
        member, peer = t.role("member"), t.peer()
        document, _ = await t.document(member.id, "NOT_READABLE")
        reply = await t.send(peer.get(member.id))
        for one in (document, reply.json):
            found = one.get("id") if isinstance(one, Mapping) else None
            t.check(
                found == member.id, "NOT_READABLE", expected=f"the actor {member.id}", received=reply.told()
            )
    hidden = PRIVATE | never_sent()
    for shown in (document, reply.json):
        with t.step("it holds no address, no number and nothing that never leaves an instance"):
            private = sorted(name for name, value in members(shown) if name in hidden and value)
            private += sorted(
                str(value) for _, value in members(shown) if str(value).startswith(("mailto:", "tel:"))
            )
            t.check(not private, "PRIVATE", expected="none of these", received=private)
