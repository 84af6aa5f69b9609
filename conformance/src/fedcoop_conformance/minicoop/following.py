"""Follows, as asked for and as answered, and their end (ActivityPub §7.5, §7.6, §7.12)."""

from __future__ import annotations

from fedcoop_conformance.minicoop import deliver
from fedcoop_conformance.minicoop.world import Document, Local, Minicoop, Refusal, names


async def follow(coop: Minicoop, local: Local, activity: Document) -> None:
    """Let anybody follow, and say so."""
    followed = coop.actor_at(next(iter(names(activity.get("object"))), "")) or local
    followed.followers[activity["actor"]] = activity
    if not coop.fault("no-accept"):
        accepted = activity["id"] if not coop.fault("accept-wrong-id") else coop.new_id()
        await deliver.say(coop, followed, {"type": "Accept", "object": accepted, "to": [activity["actor"]]})


async def accept(coop: Minicoop, local: Local, activity: Document) -> None:
    """Count what was asked for, and answered by whom it was asked of, as followed."""
    asked = coop.asked.get(next(iter(names(activity.get("object"))), ""))
    if asked is not None and asked[1] == activity["actor"]:
        coop.actors[asked[0]].following[activity["actor"]] = activity
    elif asked is None and coop.fault("blind-accept"):
        local.following[activity["actor"]] = activity


async def undo(coop: Minicoop, local: Local, activity: Document) -> None:
    """End a follow that its own actor takes back.

    Raises:
        Refusal: it is somebody else's.
    """
    name = next(iter(names(activity.get("object"))), "")
    for followed in coop.actors.values():
        for follower, asked in list(followed.followers.items()):
            if asked["id"] != name:
                continue
            if follower != activity["actor"] and not coop.fault("undo-any"):
                raise Refusal(403, "wrong-party", f"{name} is of {follower}")
            if not coop.fault("undo-follow-noop"):
                del followed.followers[follower]
