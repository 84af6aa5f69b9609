"""Profile `vocab`: what missions, service offers and needs say, and that it is kept as it was said.

A proposal of ours comes to the server under test by a signed `Create`, and is seen where the server shows it to its own
people. Whatever is tried is tried with each class that has it. Lifecycles are in `vocab_steps`, members in
`vocab_members`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from fedcoop_conformance.case import Case, Failed
from fedcoop_conformance.cases import implements
from fedcoop_conformance.peer.actors import SIGNED, Document, PeerActor, instant
from fedcoop_conformance.peer.proposals import (
    CLASSES,
    HOUR,
    PUBLIC,
    Thread,
    contexts,
    created,
    faults,
    largest,
    paid,
    price,
    proposed,
    quantity,
    required,
    without,
)

INVALID: Final = frozenset({422})
ADDED: Final = frozenset({"@context", "proof"})
"""What a server may take off or put on around a document without changing what it says."""


# -- words ------------------------------------------------------------------------------------------------------------


async def heard(t: Case, owner: PeerActor, document: Mapping[str, Any]) -> tuple[Thread, Document]:
    """Send a proposal; return its chain and what the server shows of it.

    Raises:
        Failed: `NOT_ACCEPTED`, `SERVER_ERROR` or `NO_EFFECT`.
    """
    thread, message = created(owner, document, [t.local.id], inbox=t.local.inbox)
    await t.taken(message)
    return thread, await t.kept(str(document["id"]))


async def refused(
    t: Case,
    owner: PeerActor,
    wrong: Iterable[tuple[str, Document]],
    right: Document,
    *,
    statuses: Collection[int] = INVALID,
    problem: str | None = None,
) -> None:
    """Send faulty proposals, each named by its fault, then the valid one: they are refused, it alone is shown.

    Raises:
        Failed: as `Case.turned_away`, `SIDE_EFFECT`, or `CONTROL` for the valid one.
    """
    tried = list(wrong)
    for what, document in tried:
        with t.step(f"{what}: refused"):
            _, message = created(owner, document, [t.local.id], inbox=t.local.inbox)
            await t.turned_away(message, statuses, problem=problem)
    async with t.control("the valid twin is taken and shown"):
        await heard(t, owner, right)
    with t.step("nothing of what was refused is stored"):
        for _, document in tried:
            await t.not_kept(str(document["id"]))


def same(t: Case, sent: Mapping[str, Any], shown: Mapping[str, Any], code: str) -> None:
    """Hold that a document is shown with every member that it was sent with.

    Raises:
        Failed: with `code`.
    """
    lost = {
        name: shown.get(name)
        for name, value in sent.items()
        if name not in ADDED and shown.get(name) != value
    }
    t.check(not lost, code, expected={name: sent[name] for name in lost}, received=lost)  # type: ignore[arg-type]


async def listed(t: Case, owner: str, name: str) -> bool:
    """Tell whether a proposal is among its owner's open ones."""
    return name in (await t.ask("collection", actor=t.local.id, name="board", owner=owner))["items"]


def at(document: Mapping[str, Any], *path: str) -> object:
    """Return the member at a path, None where there is none."""
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def put(document: Mapping[str, Any], value: object, *path: str) -> Document:
    """Return a copy with another value at a path, under an id of its own."""
    first, *rest = path
    return {**document, first: put(document[first], value, *rest) if rest else value}


# -- offers, needs and missions that come in -------------------------------------------------------------------------


@implements("FC-VOC-002")
async def the_smallest_proposal_is_taken(t: Case) -> None:
    owner = t.peer()
    for kind in CLASSES:
        document = proposed(owner, kind)
        with t.step(f"a {kind} with its required members alone is taken and shown"):
            _, shown = await heard(t, owner, document)
            same(t, document, shown, "LOST")


@implements("FC-VOC-003")
async def the_largest_proposal_is_kept_whole(t: Case) -> None:
    owner = t.peer()
    for kind in CLASSES:
        document = largest(owner, kind)
        with t.step(f"a {kind} with every member of its class is taken and shown without loss"):
            _, shown = await heard(t, owner, document)
            same(t, document, shown, "LOST")


UNJUDGED: Final = frozenset({"id"})
"""Required members whose absence is no matter of the schema: without its id nothing can be said of a document."""


@implements("FC-VOC-004")
async def a_proposal_that_lacks_something_is_refused(t: Case) -> None:
    owner = t.peer()
    for kind in CLASSES:
        lacking = [
            (f"a {kind} without {name}", without(proposed(owner, kind), [name]))
            for name in required(kind)
            if name not in UNJUDGED
        ]
        await refused(t, owner, lacking, proposed(owner, kind), problem="schema-invalid")


@implements("FC-VOC-005")
async def what_it_does_not_know_is_kept(t: Case) -> None:
    more = {
        "ext:colour": "green",
        "https://ext.example/ns#weight": {"ext:grams": 1250, "ext:of": ["a", "b"]},
        "x_internal": [1, {"deep": True}],
    }
    owner = t.peer()
    for kind in CLASSES:
        document = proposed(owner, kind, **more)
        with t.step(f"a {kind} with members that nobody knows is taken, and shown with them"):
            _, shown = await heard(t, owner, document)
            same(t, more, shown, "STRIPPED")


@implements("FC-VOC-006")
async def an_unknown_type_beside_a_known_one_changes_nothing(t: Case) -> None:
    owner, other = t.peer(), t.peer()
    for kind in CLASSES:
        types = ["Note", "https://ext.example/ns#Gig"]
        document, faulty = (proposed(one, kind, type=types) for one in (owner, other))
        with t.step(f"a {kind} of two types is taken and shown"):
            _, shown = await heard(t, owner, document)
            same(t, document, shown, "LOST")
        with t.step(f"it is held to the schema of {kind}: without publishes it is refused"):
            _, message = created(other, without(faulty, ["publishes"]), [t.local.id], inbox=t.local.inbox)
            await t.turned_away(message, INVALID, problem="schema-invalid")


@implements("FC-VOC-007")
async def an_offer_and_a_service_offer_are_two_things(t: Case) -> None:
    owner = t.peer()
    inner, naked, right = (proposed(owner, "ServiceOffer") for _ in range(3))
    activity = owner.activity("Offer", object=inner, to=[t.local.id], published=instant(datetime.now(UTC)))
    activity = owner.proven({**activity, "@context": contexts(owner.origin.base)})
    with t.step("an Offer activity about a ServiceOffer, and a ServiceOffer in place of an activity"):
        for document in (activity, {**naked, "@context": contexts(owner.origin.base), "actor": owner.id}):
            reply = await t.send(owner.request(t.local.inbox, document))
            t.check(reply.status < 500, "SERVER_ERROR", expected="no 5xx", received=reply.told())
    async with t.control("a ServiceOffer that is created is taken, shown and listed"):
        await heard(t, owner, right)
        t.check(
            await listed(t, owner.id, right["id"]), "NOT_LISTED", expected="it is open", received="not listed"
        )
    with t.step("neither came to the board"):
        for name in (activity["id"], inner["id"], naked["id"]):
            t.check(
                not await listed(t, owner.id, name),
                "CONFLATED",
                expected=f"{name} is not listed",
                received="it is",
            )
        for name in (inner["id"], naked["id"]):
            shown = await t.sees(name, within=0)
            t.check(shown is None, "CONFLATED", expected=f"{name} is not stored", received=shown)


@implements("FC-VOC-008")
async def every_language_is_kept(t: Case) -> None:
    maps = {
        f"{name}Map": {"fr": f"{name} français", "es": f"{name} español", "en": f"{name} English"}
        for name in ("name", "summary", "content")
    }
    owner = t.peer()
    for kind in CLASSES:
        with t.step(f"a {kind} in three languages is shown in three"):
            _, shown = await heard(t, owner, proposed(owner, kind, **maps))
            same(t, maps, shown, "LANGUAGE_LOST")


AMOUNTS: Final = ("10.10", "0.1", "12345678901234567890", "100.0000")


@implements("FC-VOC-009")
async def amounts_keep_their_digits(t: Case) -> None:
    paths = (("price", "totalExclTax", "value"), ("reciprocal", "resourceQuantity", "hasNumericalValue"))
    owner = t.peer()
    for amount in AMOUNTS:
        with t.step(f"a price of {amount} is shown as it was written"):
            _, shown = await heard(t, owner, paid(owner, amount))
            for path in paths:
                found = at(shown, *path)
                t.check(found == amount, "CHANGED", expected=amount, received=found)
    for kind in ("ServiceOffer", "Need"):
        document = proposed(owner, kind)
        asked = {**document["publishes"], "resourceQuantity": quantity("0.10", "hour")}
        with t.step(f"the quantity of a {kind} is shown as it was written"):
            _, shown = await heard(t, owner, {**document, "publishes": asked})
            found = at(shown, "publishes", "resourceQuantity", "hasNumericalValue")
            t.check(found == "0.10", "CHANGED", expected="0.10", received=found)
    wrong = paid(owner, "10.10")
    await refused(
        t, owner, [("an amount that is a JSON number", {**wrong, "price": price(10.1)})], paid(owner, "10.10")
    )


@implements("FC-VOC-010")
async def a_currency_that_does_not_exist_is_refused(t: Case) -> None:
    owner = t.peer()
    await refused(t, owner, [("an amount in XXQ", paid(owner, "10.00", "XXQ"))], paid(owner, "10.00", "CHF"))


@implements("FC-VOC-011")
async def times_are_instants(t: Case) -> None:
    times = {"startTime": "2096-02-29T08:30:00+05:45", "endTime": "2096-02-29T23:59:59.5-03:30"}
    owner = t.peer()
    for kind in CLASSES:
        with t.step(f"a {kind} with offsets and a leap day is shown at the same instants"):
            _, shown = await heard(t, owner, proposed(owner, kind, **times))
            for name, sent in times.items():
                t.check(
                    same_instant(sent, shown.get(name)),
                    "INSTANT",
                    expected=f"{name} {sent}",
                    received=shown.get(name),
                )
    for name, kinds in {"startTime": CLASSES, "applyBefore": ("Mission", "Need")}.items():
        for kind in kinds:
            wrong = [
                (f"a {kind} whose {name} is {value}", proposed(owner, kind, **{name: value}))
                for value in ("2096-02-30T09:00:00Z", "2095-02-29T09:00:00Z", "2096-02-28T09:00:00")
            ]
            await refused(t, owner, wrong, proposed(owner, kind, **{name: "2096-02-29T09:00:00Z"}))


def same_instant(sent: str, shown: object) -> bool:
    """Tell whether two texts name one instant; a text without an offset names none."""
    try:
        found = datetime.fromisoformat(str(shown))
    except ValueError:
        return False
    return found.tzinfo is not None and found == datetime.fromisoformat(sent)


@implements("FC-VOC-013")
async def coordinates_are_kept(t: Case) -> None:
    place = {"type": "Place", "name": "Nantes", "latitude": 47.2183714159, "longitude": -1.5536212345}
    owner = t.peer()
    for kind in CLASSES:
        with t.step(f"the place of a {kind} is shown as precisely as it came"):
            _, shown = await heard(t, owner, proposed(owner, kind, location=place))
            for name in ("latitude", "longitude"):
                found = at(shown, "location", name)
                t.check(found == place[name], "ROUNDED", expected=place[name], received=found)  # type: ignore[arg-type]
        wrong = [
            (f"a {kind} at {name} {value}", proposed(owner, kind, location={**place, name: value}))
            for name, value in (
                ("latitude", 91),
                ("latitude", -90.001),
                ("longitude", 180.001),
                ("longitude", -181),
            )
        ]
        await refused(
            t, owner, wrong, proposed(owner, kind, location={**place, "latitude": -90, "longitude": 180})
        )


# -- offers and missions that go out --------------------------------------------------------------------------------


WANTED: Final[Mapping[str, Document]] = {
    "ServiceOffer": {"purpose": "offer"},
    "Need": {"purpose": "request"},
    "Mission": {
        "purpose": "request",
        "slots": 2,
        "acceptedStatuses": ["cape", "cesa", "esa", "selfEmployed"],
    },
}


def said(kind: str, **changes: Any) -> Document:
    """Return a `Create` of a proposal as a client posts it: what the owner's server gives it is left to the server."""
    document = {
        "type": "Note",
        "fedcoopType": ["Proposal", kind],
        "name": "Atelier vélo",
        "content": "<p>Atelier vélo.</p>",
        "publishes": {"type": "Intent", "action": "deliverService", "resourceQuantity": quantity("1")},
        "relayScope": "public",
    }
    return {
        "@context": list(SIGNED),
        "type": "Create",
        "to": [PUBLIC],
        "object": {**document, **WANTED[kind], **changes},
    }


async def made(t: Case, kind: str, **changes: Any) -> tuple[Document, Document]:
    """Have the co-op publish a proposal; return the activity as anybody reads it, and the proposal.

    Raises:
        Failed: `NOT_READABLE`.
    """
    name = await t.publish(said(kind, **changes), by=t.role("coop"))
    activity, _ = await t.document(name, "NOT_READABLE")
    document = activity.get("object")
    if not isinstance(document, dict):
        raise Failed("NOT_READABLE", expected=f"the {kind} itself as object", received=str(document))
    return activity, document


def well_made(t: Case, activity: Mapping[str, Any], document: Mapping[str, Any], kind: str) -> None:
    """Hold that a proposal of the server is one by its schema, by its types, and begins its chain.

    Raises:
        Failed: `SCHEMA`, `TYPE` or `CHAIN`.
    """
    with t.step(f"the {kind} is valid by its schema"):
        found = faults(document, kind)
        t.check(not found, "SCHEMA", expected=f"valid by {kind}.schema.json", received="; ".join(found))
    with t.step("it is a Note that says its class"):
        types = document.get("fedcoopType")
        t.check(
            document.get("type") == "Note" and isinstance(types, list) and {"Proposal", kind} <= set(types),
            "TYPE",
            expected=f"Note, fedcoopType with Proposal and {kind}",
            received=f"{document.get('type')}, {types}",
        )
    with t.step("its Create is the first step of its chain"):
        t.check(
            activity.get("stateVersion") == 1 and "previousDigest" not in activity,
            "CHAIN",
            expected="stateVersion 1, no previousDigest",
            received=activity.get("stateVersion"),
        )


@implements("FC-VOC-001")
async def its_offers_and_needs_are_well_made(t: Case) -> None:
    for kind in ("ServiceOffer", "Need"):
        well_made(t, *await made(t, kind), kind)


@implements("FC-VOC-014")
async def its_missions_are_well_made(t: Case) -> None:
    activity, document = await made(t, "Mission")
    well_made(t, activity, document, "Mission")
    with t.step("it says its state, its places and whom it takes"):
        shown = [document.get(name) for name in ("missionState", "slots", "acceptedStatuses")]
        wanted = ["published", 2, WANTED["Mission"]["acceptedStatuses"]]
        t.check(shown == wanted, "TERMS", expected=str(wanted), received=shown)


# -- later words ------------------------------------------------------------------------------------------------------


@implements("FC-VOC-025")
async def the_latest_update_stays(t: Case) -> None:
    owner, now = t.peer(), datetime.now(UTC)
    to = [PUBLIC, t.local.id]
    note: Document = {
        "@context": list(SIGNED),
        "id": owner.new_id("objects"),
        "type": "Note",
        "attributedTo": owner.id,
        "content": "<p>1</p>",
        "published": instant(now - 3 * HOUR),
        "to": to,
    }

    def about(kind: str, content: str, hours: int) -> Document:
        moment = instant(now - hours * HOUR)
        changed = {**note, "content": content} | ({"updated": moment} if kind == "Update" else {})
        return owner.proven(owner.activity(kind, object=changed, to=to, published=moment))

    async with t.control("a note and a later Update of it are taken"):
        await t.taken(owner.request(t.local.inbox, about("Create", "<p>1</p>", 3)))
        await t.taken(owner.request(t.local.inbox, about("Update", "<p>3</p>", 1)))
        shown = await t.kept(note["id"])
        t.check(
            shown.get("content") == "<p>3</p>",
            "NO_EFFECT",
            expected="<p>3</p>",
            received=shown.get("content"),
        )
    with t.step("an Update that is older changes nothing"):
        reply = await t.send(owner.request(t.local.inbox, about("Update", "<p>2</p>", 2)))
        t.check(reply.status < 500, "SERVER_ERROR", expected="no 5xx", received=reply.told())
        shown = await t.kept(note["id"])
        t.check(
            shown.get("content") == "<p>3</p>",
            "STALE_WINS",
            expected="<p>3</p>",
            received=shown.get("content"),
        )
    for kind in CLASSES:
        await a_place_is_taken_once(t, kind)


async def a_place_is_taken_once(t: Case, kind: str) -> None:
    """Hold that a step does not take the place of another one in the chain of a proposal."""
    owner = t.peer()
    document = proposed(owner, kind)

    def renamed(name: str) -> Document:
        return {**document, "name": name, "updated": instant(datetime.now(UTC))}

    async with t.control(f"a {kind} and the next step of it are taken"):
        thread, _ = await heard(t, owner, document)
        late = thread.next(owner, "Update", [t.local.id], object=renamed("Late"))
        update = thread.next(owner, "Update", [t.local.id], object=renamed("First"))
        await t.taken(owner.request(t.local.inbox, update))
    with t.step("another step at its place is refused and changes nothing"):
        await t.turned_away(owner.request(t.local.inbox, late), {409}, problem="stale")
        shown = await t.kept(document["id"])
        t.check(shown.get("name") == "First", "STALE_WINS", expected="First", received=shown.get("name"))


@implements("FC-VOC-026")
async def nobody_else_changes_a_proposal(t: Case) -> None:
    owner, other = t.peer(), t.peer("second")
    for kind in CLASSES:
        document = proposed(owner, kind)
        async with t.control(f"a {kind} is taken"):
            thread, _ = await heard(t, owner, document)
        for author in (other.id, owner.id):
            with t.step(f"an Update of it by somebody of another server, attributed to {author}, is refused"):
                changed = {
                    **document,
                    "attributedTo": author,
                    "name": "Other",
                    "updated": instant(datetime.now(UTC)),
                }
                step = thread.next(other, "Update", [t.local.id], object=changed)
                await t.turned_away(other.request(t.local.inbox, step), {403})
        shown = await t.kept(document["id"])
        t.check(
            shown.get("name") == document["name"],
            "CHANGED",
            expected=document["name"],
            received=shown.get("name"),
        )
        async with t.control("the same Update by its owner is taken"):
            step = thread.next(owner, "Update", [t.local.id], object={**document, "name": "Own"})
            await t.taken(owner.request(t.local.inbox, step))
            shown = await t.kept(document["id"])
            t.check(shown.get("name") == "Own", "NO_EFFECT", expected="Own", received=shown.get("name"))


@implements("FC-VOC-027")
async def what_its_owner_deletes_is_gone(t: Case) -> None:
    owner = t.peer()
    for kind in CLASSES:
        document = proposed(owner, kind)
        async with t.control(f"a {kind} is taken, shown and listed"):
            thread, _ = await heard(t, owner, document)
            t.check(
                await listed(t, owner.id, document["id"]),
                "NOT_LISTED",
                expected="it is open",
                received="not listed",
            )
        with t.step("its owner deletes it"):
            tombstone = {"id": document["id"], "type": "Tombstone", "formerType": "Note"}
            step = thread.next(owner, "Delete", [t.local.id], object=tombstone)
            await t.taken(owner.request(t.local.inbox, step))
        with t.step("nothing is left but a tombstone"):
            shown = await t.sees(document["id"], within=0)
            kept = sorted({"name", "content", "publishes"} & set(shown or {}))
            t.check(not kept, "STILL_SHOWN", expected="404 or a Tombstone", received=shown)
            t.check(
                not await listed(t, owner.id, document["id"]),
                "STILL_LISTED",
                expected="not listed",
                received="listed",
            )


@implements("FC-VOC-028")
async def another_version_is_plain_activitystreams(t: Case) -> None:
    owner = t.peer()
    for kind in CLASSES:
        other, right = (
            without(proposed(owner, kind, fedcoopType=[kind]), ["publishes"]),
            proposed(owner, kind),
        )
        activity = owner.activity(
            "Create", object=other, to=[t.local.id], published=other["published"], stateVersion=1
        )
        activity = owner.proven({**activity, "@context": contexts(owner.origin.base, version="v9")})
        with t.step(f"a {kind} of version 9, which version 1 would refuse, is taken and shown as it came"):
            await t.taken(owner.request(t.local.inbox, activity))
            same(t, other, await t.kept(other["id"]), "LOST")
        async with t.control("one of version 1 is taken and listed"):
            await heard(t, owner, right)
            t.check(
                await listed(t, owner.id, right["id"]),
                "NOT_LISTED",
                expected="it is open",
                received="not listed",
            )
        with t.step("nothing of version 1 was read into it"):
            t.check(
                not await listed(t, owner.id, other["id"]),
                "MEANING",
                expected="not listed",
                received="listed",
            )
