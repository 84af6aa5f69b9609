"""What an activity does to this server, by its type; what it does not know does nothing (202)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fedcoop_conformance.minicoop import deliver
from fedcoop_conformance.minicoop.world import Document, Local, Minicoop, names

Effect = Callable[[Minicoop, Local, Document], Awaitable[None]]


async def take(coop: Minicoop, local: Local | None, activity: Document) -> None:
    """Let an activity have its effect on the actors that it is for, and keep it in their inboxes."""
    wanted = {*names(activity.get("to")), *names(activity.get("cc")), *names(activity.get("object"))}
    readers = [one for one in coop.actors.values() if coop.id_of(one) in wanted or one is local]
    for reader in readers:
        reader.inbox.append(activity)
    effect = EFFECTS.get(str(activity.get("type")))
    if effect is not None and readers:
        await effect(coop, readers[0], activity)


async def _probe(coop: Minicoop, local: Local, activity: Document) -> None:
    """Answer a Probe by a Probe, and a reply by nothing (decision D9)."""
    if "inReplyTo" not in activity:
        await deliver.say(
            coop, local, {"type": "Probe", "inReplyTo": activity["id"], "to": [activity["actor"]]}
        )


async def _follow(coop: Minicoop, local: Local, activity: Document) -> None:
    """Let anybody follow, and say so (ActivityPub §7.5)."""
    followed = coop.actor_at(next(iter(names(activity.get("object"))), "")) or local
    followed.followers[activity["actor"]] = activity
    if not coop.fault("no-accept"):
        accepted = activity["id"] if not coop.fault("accept-wrong-id") else coop.new_id()
        await deliver.say(coop, followed, {"type": "Accept", "object": accepted, "to": [activity["actor"]]})


async def _create(coop: Minicoop, local: Local, activity: Document) -> None:
    """Store what was made (ActivityPub §7.2), as its author's."""
    made = activity.get("object")
    if isinstance(made, dict) and made.get("attributedTo") == activity["actor"]:
        coop.objects[str(made.get("id"))] = made


EFFECTS: Final[Mapping[str, Effect]] = {"Probe": _probe, "Follow": _follow, "Create": _create}
