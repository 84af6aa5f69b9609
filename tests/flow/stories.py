"""Steps of stories, as tests tell them: who says what, and what a stranger makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedcoop.protocol import strict_json
from fedcoop.protocol.actors import membership_credential
from fedcoop.protocol.build import contexts
from fedcoop.protocol.proof import sign_document
from tests.flow.federation import Coop, Federation, a_mission, money


async def a_published_mission(coop: Coop, **changes: Any) -> str:
    """Publish a mission and return its id; everything is delivered."""
    return str((await coop.say(coop.id, "Create", a_mission(**changes))).document["object"]["id"])


async def an_offer(coop: Coop, worker: str, mission: str, **terms: Any) -> str:
    """Offer to do the mission's work and return the offer's id; everything is delivered."""
    return (await coop.say(worker, "Offer", {"type": "Agreement", "mission": mission, **terms})).activity_id


async def an_engagement(federation: Federation, worker: str, mission: str) -> str:
    """Offer, and accept; return the engagement's id."""
    offer = await an_offer(federation.lyon, worker, mission)
    accepted = await federation.nantes.say(federation.nantes.id, "Accept", offer)
    return str(accepted.document["result"]["id"])


def record(engagement: str, phase: str) -> dict[str, str]:
    """Return a record of work as a client posts it."""
    return {"type": "WorkRecord", "engagement": engagement, "workPhase": phase}


def receipt(engagement: str, kind: str, **members: Any) -> dict[str, Any]:
    """Return a receipt as a client posts it."""
    vat = {"vatAmount": money("0.00")} if kind == "invoiceIssued" else {}
    return {"type": "Receipt", "engagement": engagement, "receiptKind": kind, **vat, **members}


def altered(document: Mapping[str, Any], /, **changes: Any) -> dict[str, Any]:
    """Return `document` without its proof, and changed; a change of None takes the member out."""
    bare = {k: v for k, v in document.items() if k != "proof"}
    return {k: v for k, v in {**bare, **changes}.items() if v is not None}


def proven(coop: Coop, by: str, document: Mapping[str, Any], /, **changes: Any) -> bytes:
    """Return the body of `document`, changed, with a proof by `by` of `coop`."""
    method, key = coop.ring.proof_key(by)
    bare = altered(document, **changes)
    return strict_json.dumps(sign_document(bare, key=key, verification_method=method, created=coop.clock()))


def plainly(coop: Coop, actor: str, kind: str, obj: Any, number: int = 1, **members: Any) -> dict[str, Any]:
    """Return an activity as another server would write it, unsigned."""
    return {
        "@context": contexts(coop.base),
        "id": f"{coop.base}/activities/by-hand-{number}",
        "type": kind,
        "actor": actor,
        "published": coop.clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "to": ["https://www.w3.org/ns/activitystreams#Public"],
        "object": obj,
        **members,
    }


async def carried_from_lyon(federation: Federation) -> tuple[str, dict[str, Any]]:
    """Return Zoé, who is a member in the Alps, and the credential by which Lyon says that it employs her."""
    lyon = federation.lyon
    zoe = await federation.alpes.member("zoe")
    method, key = lyon.ring.proof_key(lyon.id)
    unsigned = membership_credential(
        base=lyon.base,
        credential_id=f"{lyon.base}/credentials/zoe",
        member_id=zoe,
        status="cape",
        since="2026-01-01",
        valid_from="2026-01-01T00:00:00Z",
        valid_until="2026-12-31T00:00:00Z",
    )
    return zoe, sign_document(unsigned, key=key, verification_method=method, created=lyon.clock())
