"""Engagements about our proposals: who applied, who was taken, who took it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fedcoop_conformance.minicoop import chains, deliver
from fedcoop_conformance.minicoop.world import Document, Local, Minicoop, Refusal, names

WAITING: Final = "proposed"


def offered(coop: Minicoop, activity: Document) -> bool:
    """Take an Offer about a proposal of ours; return whether it is one.

    Raises:
        Refusal: the proposal takes no more offers.
    """
    terms = activity.get("object")
    about = terms.get("mission") if isinstance(terms, Mapping) else None
    chain: chains.Chain | None = coop.chains.get(str(about))
    if chain is None or coop.actor_at(chain.owner) is None:
        return False
    over = chain.state != "published" or chains.past(coop, chain)
    if over and not coop.fault("expired-takes"):
        raise Refusal(409, "proposal-closed", chain.state)
    coop.engagements[activity["id"]] = {"offer": activity, "state": WAITING, "proposal": about}
    return True


def undone(coop: Minicoop, activity: Document) -> bool:
    """Let a responder take an Offer back; return whether this is about one.

    Raises:
        Refusal: it was taken back, or is somebody else's.
    """
    found = coop.engagements.get(next(iter(names(activity.get("object"))), ""))
    if found is None:
        return False
    if found["offer"]["actor"] != activity["actor"]:
        raise Refusal(403, "wrong-party")
    if found["state"] != WAITING and not coop.fault("undo-again"):
        raise Refusal(409, "illegal-transition", found["state"])
    found["state"] = WAITING if coop.fault("undo-noop") else "withdrawn"
    return True


def answered(coop: Minicoop, local: Local, activity: Document) -> Document:
    """Return what a client of ours answers to an Offer, with what its server adds.

    Raises:
        Refusal: the Offer does not wait for an answer, or its places are taken.
    """
    found = coop.engagements.get(next(iter(names(activity.get("object"))), ""))
    if activity.get("type") not in {"Accept", "Reject"} or found is None:
        return activity
    if found["state"] != WAITING:
        raise Refusal(409, "illegal-transition", found["state"])
    offer = found["offer"]
    if activity["type"] == "Reject":
        found["state"] = "rejected"
        to = [] if coop.fault("reject-silent") else [offer["actor"]]
        return {**activity, "object": offer["id"], "to": to}
    if _left(coop, found["proposal"]) < 1 and not coop.fault("mission-overbook"):
        raise Refusal(409, "slot-filled")
    found["state"] = "accepted"
    coop.spawn(_filled(coop, local, found["proposal"]))
    about = coop.new_id() if coop.fault("accept-wrong-object") else offer["id"]
    return {**activity, "object": about, "to": [offer["actor"]], "result": _agreement(coop, local, offer)}


def _left(coop: Minicoop, proposal: str) -> int:
    """Return how many places a proposal has left."""
    taken = [
        one for one in coop.engagements.values() if (one["proposal"], one["state"]) == (proposal, "accepted")
    ]
    return int(coop.chains[proposal].document.get("slots", 1)) - len(taken)


async def _filled(coop: Minicoop, local: Local, proposal: str) -> None:
    """Assign a mission whose places are taken, and answer who still waits."""
    chain: chains.Chain = coop.chains[proposal]
    if _left(coop, proposal) > 0 or chain.kind != "Mission":
        return
    if not coop.fault("mission-stays-open"):
        chain.document = {**chain.document, "missionState": "assigned", "updated": coop.instant()}
        coop.objects[proposal] = chain.document
    for one in coop.engagements.values():
        waits = (one["proposal"], one["state"]) == (proposal, WAITING)
        if waits and not coop.fault("waiting-unanswered"):
            offer = one["offer"]
            said = {
                "type": "Reject",
                "object": offer["id"],
                "to": [offer["actor"]],
                "reasonCode": "slotFilled",
            }
            await deliver.say(coop, local, said)


def _agreement(coop: Minicoop, local: Local, offer: Mapping[str, Any]) -> Document:
    """Return the agreement: what was offered, as the accepting actor says it (FEP-0837)."""
    terms = {**offer["object"], "engagementState": "accepted"}
    if coop.fault("agreement-qty-drift"):
        quantity = {**terms["stipulates"]["resourceQuantity"], "hasNumericalValue": "1.0"}
        terms["stipulates"] = {**terms["stipulates"], "resourceQuantity": quantity}
    return {**terms, "id": coop.new_id("engagements"), "attributedTo": coop.id_of(local)}
