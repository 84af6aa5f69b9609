"""What others make, change and take away (ActivityPub §7.2-§7.4), and what is passed on of it (§7.1.2)."""

from __future__ import annotations

import json
from typing import Final

from fedcoop_conformance.minicoop.deliver import inbox_of
from fedcoop_conformance.minicoop.lanes import Owed, owe
from fedcoop_conformance.minicoop.world import Document, Local, Minicoop, Refusal, names, origin_of

KEPT: Final = frozenset({"Create", "Update", "Delete"})


async def create(coop: Minicoop, local: Local, activity: Document) -> None:
    """Store what was made, as its author's; what was changed before stays as it is."""
    made = activity.get("object")
    if not isinstance(made, dict) or made.get("attributedTo") != activity["actor"]:
        return
    name = str(made.get("id"))
    at_home(coop, activity, name)
    known = coop.objects.get(name, {})
    if known.get("updated") and not coop.fault("order-arrival-wins"):
        return
    coop.objects[name] = made


async def update(coop: Minicoop, local: Local, activity: Document) -> None:
    """Replace what its owner changed, unless a later change is known."""
    changed = activity.get("object")
    if not isinstance(changed, dict):
        return
    name = str(changed.get("id"))
    at_home(coop, activity, name)
    known = coop.objects.get(name, {})
    if known.get("attributedTo", activity["actor"]) != activity["actor"]:
        raise Refusal(403, "not-owner", name)
    if str(known.get("updated", "")) <= str(changed.get("updated", "")) or coop.fault("update-stale-wins"):
        coop.objects[name] = changed


async def delete(coop: Minicoop, local: Local, activity: Document) -> None:
    """Leave a Tombstone of what its owner takes away."""
    name = next(iter(names(activity.get("object"))), "")
    at_home(coop, activity, name)
    known = coop.objects.get(name)
    if known is None:
        return
    if known.get("attributedTo") != activity["actor"] and not coop.fault("delete-any"):
        raise Refusal(403, "not-owner", name)
    coop.objects[name] = {"id": name, "type": "Tombstone", "formerType": known.get("type")}


def at_home(coop: Minicoop, activity: Document, name: str) -> None:
    """Refuse an object on another origin than its actor's (FEP-fe34)."""
    if origin_of(name) != origin_of(activity["actor"]) and not coop.fault("foreign-object"):
        raise Refusal(403, "foreign-origin", name)


async def pass_on(coop: Minicoop, activity: Document, body: bytes) -> None:
    """Bring an answer to something of ours to those of our followers for whom it is, as it came."""
    if activity.get("type") not in KEPT or "proof" not in activity:
        return
    about = activity.get("object")
    answered = coop.objects.get(str(about.get("inReplyTo"))) if isinstance(about, dict) else None
    for local in coop.actors.values():
        named = f"{coop.id_of(local)}/followers" in {*names(activity.get("to")), *names(activity.get("cc"))}
        if not named or answered is None or answered.get("attributedTo") != coop.id_of(local):
            continue
        if coop.fault("forward-mutates"):
            body = json.dumps({**activity, "summary": "passed on"}).encode()
        for follower in local.followers:
            if origin_of(follower) != origin_of(activity["actor"]):
                for inbox in await inbox_of(coop, follower):
                    owe(coop, Owed(local, inbox, body))
