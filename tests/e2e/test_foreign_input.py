"""What the rest of the fediverse says: the pasture's input families, and FEP-0837 as a plain peer speaks it.

The answers are committed in docs/interoperability/; the table of the pasture is compared with what really happened.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from fedcoop.cli.client import poll
from tests.conftest import ROOT
from tests.e2e.foreign import AS2, PUBLIC, Answer, Foreign, now, stamp
from tests.e2e.neighbourhood import Neighbourhood

pytestmark = pytest.mark.xdist_group("neighbourhood")

TABLE: Final = ROOT / "docs" / "interoperability" / "pasture.md"
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"
PASTURE_ACTOR: Final = "http://pasture-one-actor/actor"
PASTURE_HOST: Final = "http://pasture-one-actor"


def rehomed(value: Any, old: str, new: str) -> Any:
    """Return `value` with one address in place of another, wherever it stands."""
    return json.loads(json.dumps(value).replace(old, new))


# -- the pasture ----------------------------------------------------------------------------------------------------


def in_create(example: Mapping[str, Any], n: Neighbourhood) -> dict[str, Any]:
    """Return the Create that the package's own sender makes: a Note, changed by the example, its context outside."""
    peer = n.admitted
    fragment = rehomed(rehomed(dict(example), PASTURE_ACTOR, peer.actor()), PASTURE_HOST, peer.base)
    note = {**peer.note(published=stamp(now())), **fragment}
    note["to"] = [*note["to"], n.ours.coop]
    context = [AS2, {"Hashtag": "as:Hashtag", "sensitive": "as:sensitive"}]
    return peer.create({"@context": context, **note}, to=note["to"])


def stored_as(n: Neighbourhood, activity: Mapping[str, Any], sent: bytes) -> str:
    """Return what is held of an accepted Create; the activity's bytes and the object are both what was sent."""
    uri = f"file:{n.database}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        found = connection.execute("select body from activity where id = ?", (activity["id"],)).fetchone()
    assert found is not None
    assert bytes(found[0]) == sent
    iri = activity["object"].get("id")
    if iri is None:
        assert n.stored(activity["id"]) == activity
        return "activity (the object has no id)"
    assert n.stored(iri) == activity["object"]
    return "activity and object, unchanged"


def test_every_family_of_the_pasture_is_answered_as_documented(
    neighbourhood: Neighbourhood, pasture: Mapping[str, Any]
) -> None:
    rows = []
    n = neighbourhood
    n.forget_requests()
    for name in sorted(pasture):
        answers: Counter[str] = Counter()
        held: Counter[str] = Counter()
        for example in pasture[name].examples:
            activity = in_create(example, n)
            letter = n.admitted.letter(activity, n.inbox)
            answer = letter.send()
            assert answer.status < 500, (name, example, answer.body)
            answers[f"{answer.status} {answer.code or answer.outcome}"] += 1
            held[stored_as(n, activity, letter.body) if answer.ok else f"nothing: {answer.code}"] += 1
        rows.append(f"| {name} | {len(pasture[name].examples)} | {counted(answers)} | {counted(held)} |")
    assert set(n.fetched()) <= {"admitted"}
    assert set(n.admitted.fetched) <= {"/users/alice"}
    table = ["| family | examples | answer | what is stored |", "|---|---|---|---|", *rows]
    assert documented(TABLE) == table, "\n".join(table)


def counted(answers: Counter[str]) -> str:
    if len(answers) == 1:
        return next(iter(answers))
    return "; ".join(f"{count} × {what}" for what, count in sorted(answers.items()))


def documented(path: Path) -> list[str]:
    text = path.read_text("utf-8")
    return text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()


# -- FEP-0837 -------------------------------------------------------------------------------------------------------

VF: Final = [
    AS2,
    {
        "vf": "https://w3id.org/valueflows/ont/vf#",
        "om2": "http://www.ontology-of-units-of-measure.org/resource/om-2/",
        "Proposal": "vf:Proposal",
        "Agreement": "vf:Agreement",
        "stipulates": "vf:stipulates",
        "hasUnit": "om2:hasUnit",
    },
]
DOLLAR: Final = "https://www.wikidata.org/wiki/Q4917"


def quantity(value: Any) -> dict[str, Any]:
    return {"hasUnit": "one", "hasNumericalValue": value}


def a_proposal(peer: Foreign, purpose: str = "offer", **changes: Any) -> dict[str, Any]:
    """Return a proposal as FEP-0837 has it, and no more."""
    iri = peer.fresh("proposals")
    intent = {"type": "Intent", "action": "transfer"}
    return {
        "@context": VF,
        "type": "Proposal",
        "id": iri,
        "purpose": purpose,
        "attributedTo": peer.actor(),
        "name": "Un vélo d’occasion",
        "content": "Bleu, une vitesse",
        "publishes": {**intent, "id": f"{iri}#primary", "resourceQuantity": quantity("1")},
        "reciprocal": {
            **intent,
            "id": f"{iri}#reciprocal",
            "resourceConformsTo": DOLLAR,
            "resourceQuantity": quantity("30"),
        },
        "unitBased": False,
        "to": PUBLIC,
        **changes,
    }


def published(n: Neighbourhood, proposal: Mapping[str, Any]) -> Answer:
    return n.admitted.letter(n.admitted.create(proposal), n.inbox).send()


def without_context(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "@context"}


def on_board(n: Neighbourhood, iri: str) -> dict[str, Any] | None:
    address = "/api/v1/board"
    while True:
        page = n.ours.get(address, token=n.ours.token, accept="application/json").json()
        for row in page["items"]:
            if row["id"] == iri:
                found: dict[str, Any] = row
                return found
        if not page["next"]:
            return None
        address = f"/api/v1/board?cursor={page['next']}"


@pytest.mark.parametrize(("purpose", "shown"), [("offer", "ServiceOffer"), ("request", "Need")])
def test_a_plain_proposal_is_shown_with_its_price(
    neighbourhood: Neighbourhood, purpose: str, shown: str
) -> None:
    proposal = a_proposal(neighbourhood.admitted, purpose, unknown={"kept": [1, {"as": "is"}]})
    assert published(neighbourhood, proposal).outcome == "accepted"
    assert neighbourhood.stored(proposal["id"]) == without_context(proposal)
    row = on_board(neighbourhood, proposal["id"])
    assert row is not None
    assert (row["class"], row["title"], row["state"]) == (shown, "Un vélo d’occasion", "published")
    page = neighbourhood.ours.get(f"/copy?id={proposal['id']}&lang=en", accept="text/html")
    assert page.status == 200
    assert "$30.00" in page.body.decode()


@pytest.mark.parametrize(
    "typed",
    [
        {"type": ["Note", "Proposal"]},
        {"type": "vf:Proposal"},
        {"type": "https://w3id.org/valueflows/ont/vf#Proposal"},
        {"type": "Note"},
        {"type": "Note", "fedcoopType": ["Proposal", "Need"]},
    ],
    ids=str,
)
def test_a_proposal_is_known_by_any_of_its_types(neighbourhood: Neighbourhood, typed: dict[str, Any]) -> None:
    proposal = a_proposal(neighbourhood.admitted, **typed)
    assert published(neighbourhood, proposal).outcome == "accepted"
    assert on_board(neighbourhood, proposal["id"]) is not None


def test_a_plain_proposal_is_changed_and_withdrawn(neighbourhood: Neighbourhood) -> None:
    n, peer = neighbourhood, neighbourhood.admitted
    proposal = a_proposal(peer)
    assert published(n, proposal).ok
    changed = {**peer.create({**proposal, "name": "Un vélo rouge"}), "type": "Update"}
    assert peer.letter(changed, n.inbox).send().outcome == "accepted"
    row = on_board(n, proposal["id"])
    assert row is not None
    assert row["title"] == "Un vélo rouge"
    gone = {"@context": AS2, "id": peer.fresh(), "type": "Delete", "actor": peer.actor()}
    assert peer.letter({**gone, "object": proposal["id"]}, n.inbox).send().outcome == "accepted"
    assert on_board(n, proposal["id"]) is None


def offered(n: Neighbourhood, proposal: Mapping[str, Any]) -> dict[str, Any]:
    """Let our member answer a plain proposal; return the Offer, once it has reached the peer."""
    n.forget_requests()
    agreement = {"type": "Agreement", "context": proposal["id"], "workStatus": "selfEmployed"}
    reply = n.ours.post_outbox(n.awa.id, n.awa.token, {"type": "Offer", "object": agreement})
    assert reply.status == 201, reply.body
    said: dict[str, Any] = reply.json()
    assert poll(lambda: said in n.admitted.received or None, seconds=20)
    assert said["to"] == [n.admitted.actor()]
    assert said["object"]["stipulates"]["satisfies"] == proposal["publishes"]["id"]
    assert said["object"]["stipulates"]["resourceQuantity"] == quantity("1")
    assert said["object"]["stipulatesReciprocal"]["resourceQuantity"] == quantity("30")
    return said


def accepted(peer: Foreign, offer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an Accept as FEP-0837 has it: the offer's id, and the agreement with ids."""
    iri = peer.fresh("agreements")
    result = {"type": "Agreement", "id": iri, "attributedTo": peer.actor()}
    for name, fragment in (("stipulates", "primary"), ("stipulatesReciprocal", "reciprocal")):
        kept = {key: offer["object"][name][key] for key in ("type", "satisfies", "resourceQuantity")}
        result[name] = {"id": f"{iri}#{fragment}", **kept}
    whole = {"@context": VF, "type": "Accept", "id": peer.fresh(), "actor": peer.actor()}
    return {**whole, "object": offer["id"], "result": result, "to": offer["actor"]}


def state_of(n: Neighbourhood, iri: str) -> str:
    held = n.stored(iri, member=True)
    assert held is not None
    return str(held["fedcoopChain"]["state"])


def test_our_members_offer_is_accepted_by_a_plain_peer(neighbourhood: Neighbourhood) -> None:
    n, peer = neighbourhood, neighbourhood.admitted
    proposal = a_proposal(peer)
    assert published(n, proposal).ok
    offer = offered(n, proposal)
    accept = accepted(peer, offer)
    bare = peer.letter(accept, n.inbox).send()
    assert (bare.status, bare.code) == (401, "proof-missing")
    dearer = peer.letter(peer.prove(rehomed(accept, '"30"', '"31"')), n.inbox).send()
    assert (dearer.status, dearer.code) == (422, "quantity-mismatch")
    assert state_of(n, offer["id"]) == "proposed"
    assert peer.letter(peer.prove(accept), n.inbox).send().outcome == "accepted"
    assert state_of(n, offer["id"]) == "accepted"
    agreement = accept["result"]["id"]
    held = n.stored(agreement, member=True)
    assert held is not None
    assert {name: value for name, value in held.items() if name != "fedcoopChain"} == accept["result"]
    # The confirmation is about the agreement: kept for whom it is addressed to, and no step of the contract.
    receipt = peer.note(type="Document", name="Receipt", context=agreement, to=n.awa.id)
    confirmation = peer.create(receipt, to=n.awa.id)
    assert peer.letter(confirmation, n.inbox).send().outcome == "accepted"
    assert n.stored(receipt["id"], member=True) == receipt
    assert n.stored(receipt["id"]) is None
    assert state_of(n, offer["id"]) == "accepted"


def test_our_members_offer_is_rejected_by_a_plain_peer(neighbourhood: Neighbourhood) -> None:
    n, peer = neighbourhood, neighbourhood.admitted
    proposal = a_proposal(peer, "request")
    assert published(n, proposal).ok
    offer = offered(n, proposal)
    reject = {"@context": AS2, "type": "Reject", "id": peer.fresh(), "actor": peer.actor()}
    reject |= {"object": offer["id"], "content": "Not available", "to": n.awa.id}
    bare = peer.letter(reject, n.inbox).send()
    assert (bare.status, bare.code) == (401, "proof-missing")
    assert peer.letter(peer.prove(reject), n.inbox).send().outcome == "accepted"
    assert state_of(n, offer["id"]) == "rejected"
    late = peer.letter(peer.prove(accepted(peer, offer)), n.inbox).send()
    assert (late.status, late.code) == (409, "stale")


def a_mission() -> dict[str, Any]:
    amount = {"type": "MonetaryAmount", "value": "120.00", "currency": "EUR"}
    line = {"type": "SettlementLine", "lineKind": "fee", "amount": amount}
    return {
        "type": "Note",
        "fedcoopType": ["Proposal", "Mission"],
        "name": "Réparer des vélos",
        "price": {"type": "PriceBreakdown", "lines": [line], "totalExclTax": amount},
    }


def test_a_plain_offer_to_our_mission_is_a_candidacy(neighbourhood: Neighbourhood) -> None:
    n, peer = neighbourhood, neighbourhood.admitted
    reply = n.ours.post_outbox(n.ours.coop, n.ours.token, a_mission())
    assert reply.status == 201, reply.body
    mission = reply.json()["object"]
    agreement: dict[str, Any] = {"type": "Agreement"}
    for name, intent in (("stipulates", "publishes"), ("stipulatesReciprocal", "reciprocal")):
        amount = {"resourceQuantity": mission[intent]["resourceQuantity"]}
        agreement[name] = {"type": "Commitment", "satisfies": mission[intent]["id"], **amount}
    offer = {"@context": VF, "type": "Offer", "id": peer.fresh(), "actor": peer.actor()}
    offer |= {"object": agreement, "to": n.ours.coop}
    bare = peer.letter(offer, n.inbox).send()
    assert (bare.status, bare.code) == (401, "proof-missing")
    dearer = peer.letter(peer.prove(rehomed(offer, "120.00", "121.00")), n.inbox).send()
    assert (dearer.status, dearer.code) == (422, "quantity-mismatch")
    n.forget_requests()
    assert peer.letter(peer.prove(offer), n.inbox).send().outcome == "accepted"
    said = n.ours.post_outbox(n.ours.coop, n.ours.token, {"type": "Accept", "object": offer["id"]})
    assert said.status == 201, said.body
    accept = said.json()
    assert poll(lambda: accept in peer.received or None, seconds=20)
    assert accept["object"] == offer["id"]
    assert accept["result"]["attributedTo"] == accept["actor"] == n.ours.coop
    for name in ("stipulates", "stipulatesReciprocal"):
        assert accept["result"][name]["id"].startswith(accept["result"]["id"] + "#")
        assert accept["result"][name]["resourceQuantity"] == agreement[name]["resourceQuantity"]


def test_a_payment_link_of_an_actor_is_kept_and_not_followed(neighbourhood: Neighbourhood) -> None:
    n, peer = neighbourhood, neighbourhood.admitted
    rel = ["payment", "https://w3id.org/valueflows/ont/vf#Proposal"]
    link = {"type": "Link", "name": "Buy a bike", "href": f"{n.stranger.base}/proposals/1", "rel": rel}
    seller = peer.actor("seller")
    peer.documents["/users/seller"] = {**peer.documents["/users/seller"], "attachment": [link]}
    n.forget_requests()
    note = peer.create(peer.note(by="seller"), by="seller")
    assert peer.letter(note, n.inbox, by="seller").send().ok
    held = n.stored(seller)
    assert held is not None
    assert held["attachment"] == [link]
    assert n.fetched() == {"admitted": ["/users/seller"]}


def test_the_published_examples_are_understood(neighbourhood: Neighbourhood, shared: Path) -> None:
    """As published but for the hosts: a step of a contract is told what it lacks, everything else is taken in."""
    n, peer = neighbourhood, neighbourhood.admitted
    paths = sorted((shared / "data" / "fep_examples").glob("fep-0837-*.json"))
    if len(paths) != 7:
        pytest.skip("no published examples of FEP-0837")
    read = [json.loads(path.read_text("utf-8")) for path in paths]
    homes = [rehomed(example, "https://market.example", peer.base) for example in read]
    homes = [rehomed(example, "https://social.example", peer.base) for example in homes]
    first, second, person, offer, accept, reject, receipt = homes
    second = rehomed(second, first["id"], peer.fresh("proposals"))
    for proposal in (first, second):
        assert published(n, proposal).outcome == "accepted"
        assert n.stored(proposal["id"]) == without_context(proposal)
        assert on_board(n, proposal["id"]) is not None
    person = rehomed(person, "/users/alice", "/users/vendor")
    assert peer.letter(peer.create(peer.note(by="vendor"), by="vendor"), n.inbox, by="vendor").send().ok
    profile = {**person, **peer.actor_document("vendor")}
    update = {**peer.create(profile, by="vendor"), "type": "Update"}
    assert peer.letter(update, n.inbox, by="vendor").send().outcome == "accepted"
    held = n.stored(peer.actor("vendor"))
    assert held is not None
    assert held["attachment"] == person["attachment"]
    # The offer is answered like any other; those of the answers are to an Offer that nobody here has made.
    expected = ((offer, "bob", 401, "proof-missing"), (accept, "alice", 404, "not-found"))
    expected += ((reject, "alice", 404, "not-found"), (receipt, "alice", 202, ""))
    for message, by, status, code in expected:
        answer = peer.letter(message, n.inbox, by=by).send()
        assert (answer.status, answer.code) == (status, code), answer.body
