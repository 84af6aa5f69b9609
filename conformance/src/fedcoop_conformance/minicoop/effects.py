"""What an activity does to this server, by its type; what it does not know does nothing (202)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fedcoop_conformance.minicoop import chains, deliver, engaging, following, keeping
from fedcoop_conformance.minicoop.world import Document, Local, Minicoop, names

Effect = Callable[[Minicoop, Local, Document], Awaitable[None]]


async def take(coop: Minicoop, local: Local | None, activity: Document, body: bytes) -> None:
    """Let an activity have its effect on the actors that it is for, and keep it in their inboxes.

    Raises:
        Refusal: it is not for its actor to say.
    """
    if await vocabulary_step(coop, activity):
        return
    wanted = {*names(activity.get("to")), *names(activity.get("cc")), *names(activity.get("object"))}
    readers = [one for one in coop.actors.values() if coop.id_of(one) in wanted or one is local]
    effect = EFFECTS.get(str(activity.get("type")))
    if effect is not None and readers:
        await effect(coop, readers[0], activity)
    for reader in readers:
        reader.inbox.append(activity)
    await keeping.pass_on(coop, activity, body)


async def vocabulary_step(coop: Minicoop, activity: Document) -> bool:
    """Let an activity about a proposal be a step of its chain; return whether it is about one.

    Raises:
        Refusal: the step is not taken.
    """
    if activity.get("type") == "Offer" and coop.fault("offer-conflated"):
        activity = {**activity, "type": "Create", "stateVersion": 1}
    if "fedcoopType" in activity and coop.fault("object-as-activity"):
        made = {name: value for name, value in activity.items() if name != "actor"}
        activity = {**activity, "type": "Create", "object": made, "stateVersion": 1}
    if activity.get("type") == "Offer":
        return engaging.offered(coop, activity)
    if activity.get("type") == "Undo" and engaging.undone(coop, activity):
        return True
    if activity.get("type") not in {"Create", "Update", "Delete"}:
        return False
    chain = chains.chain_of(coop, activity)
    if chain is not None:
        chains.take(coop, chain, activity)
    return chain is not None


async def _probe(coop: Minicoop, local: Local, activity: Document) -> None:
    """Answer a Probe by a Probe, and a reply by nothing (decision D9)."""
    if "inReplyTo" not in activity:
        await deliver.say(
            coop, local, {"type": "Probe", "inReplyTo": activity["id"], "to": [activity["actor"]]}
        )


EFFECTS: Final[Mapping[str, Effect]] = {
    "Probe": _probe,
    "Follow": following.follow,
    "Accept": following.accept,
    "Undo": following.undo,
    "Create": keeping.create,
    "Update": keeping.update,
    "Delete": keeping.delete,
}
