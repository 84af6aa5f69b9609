"""What a client of the model server says (ActivityPub §6): wrapped, named, and then said."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from fedcoop_conformance.minicoop import chains, deliver, engaging, reading, vocabulary
from fedcoop_conformance.minicoop.world import COOP, SIGNED, Document, Local, Minicoop, Refusal, names

ACTIVITIES: Final = frozenset(
    {
        "Accept",
        "Add",
        "Announce",
        "Block",
        "Create",
        "Delete",
        "Flag",
        "Follow",
        "Invite",
        "Join",
        "Leave",
        "Move",
    }
    | {"Offer", "Probe", "Reject", "Remove", "TentativeAccept", "TentativeReject", "Undo", "Update"}
)
AUDIENCE: Final = ("to", "cc", "bto", "bcc", "audience")


async def post(request: web.Request) -> web.Response:
    """Say what the owner of an outbox posts to it."""
    coop, local = request.app[COOP], reading.the_actor(request)
    if not coop.fault("c2s-open"):
        speaks = reading.speaker(request)
        if speaks is not local and not coop.fault("c2s-any-token"):
            raise Refusal(401 if coop.fault("c2s-401-for-other") else 403, "not-yours")
    posted: Any = await request.json()
    activity = wrapped(coop, posted)
    author = names(activity.get("actor"))
    if author not in ([], [coop.id_of(local)]) and not coop.fault("c2s-forge"):
        raise Refusal(400, "malformed-activity", "actor")
    said = await deliver.say(coop, local, made(coop, local, engaging.answered(coop, local, activity)))
    chains.published(coop, said)
    delete(coop, said)
    if coop.fault("c2s-200"):
        return web.Response(status=200, headers={"Location": said["id"]})
    location = {} if coop.fault("c2s-no-location") else {"Location": said["id"]}
    if coop.fault("c2s-other-location"):
        location = {"Location": f"{coop.id_of(local)}/outbox"}
    return web.Response(status=201, headers=location)


def wrapped(coop: Minicoop, posted: Document) -> Document:
    """Return an activity as it is, and a bare object in a Create with the object's audience (§6.2.1)."""
    if posted.get("type") in ACTIVITIES or coop.fault("c2s-nowrap"):
        return posted
    audience: Document = {name: posted[name] for name in AUDIENCE if name in posted}
    if coop.fault("c2s-audience-lost"):
        audience.pop("cc", None)
    return {"type": "Create", "object": posted, **audience}


def made(coop: Minicoop, local: Local, activity: Document) -> Document:
    """Return an activity whose new object, where it has one, has an id of this server, its author, and is stored."""
    thing = activity.get("object")
    proposal = vocabulary.completed(coop, local, activity)
    if proposal is not None:
        return proposal
    if activity.get("type") != "Create" or not isinstance(thing, dict):
        return activity
    own = {"id": coop.new_id("objects"), "attributedTo": coop.id_of(local), "published": coop.instant()}
    audience = {name: activity[name] for name in ("to", "cc") if name in activity}
    whole = {"@context": SIGNED, **audience, **thing, **own}
    coop.objects[whole["id"]] = whole
    return {**activity, "object": {name: value for name, value in whole.items() if name != "@context"}}


def delete(coop: Minicoop, said: Document) -> None:
    """Put a Tombstone in the place of what was deleted (ActivityPub §6.4)."""
    if said.get("type") != "Delete" or coop.fault("tombstone-200"):
        return
    for name in names(said.get("object")):
        if coop.objects.pop(name, None) is not None:
            tombstone = {"@context": SIGNED, "id": name, "type": "Tombstone"}
            coop.deleted[name] = tombstone if not coop.fault("tombstone-empty") else {}
