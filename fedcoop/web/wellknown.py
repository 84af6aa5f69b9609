"""Where to find whom: WebFinger (RFC 7033) and NodeInfo 2.1. Hosts are ours, whatever the Host field says."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

import fedcoop
from fedcoop.errors import Malformed, NotFound
from fedcoop.flow.world import Instance
from fedcoop.ports import Reader, StoredActor
from fedcoop.protocol import strict_json
from fedcoop.protocol.limits import MAX_URL
from fedcoop.web import answers
from fedcoop.web.services import SERVICES

SERVICE_REL: Final = "https://www.w3.org/ns/activitystreams#Service"
APPLICATION_REL: Final = "https://www.w3.org/ns/activitystreams#Application"
PROFILE_PAGE_REL: Final = "http://webfinger.net/rel/profile-page"
NODEINFO_SCHEMA: Final = "http://nodeinfo.diaspora.software/ns/schema/"
NODEINFO_VERSIONS: Final = ("2.1", "2.0")

PROFILES: Final = ("core", "marketplace")
"""Profiles of the vocabulary that this release keeps to (code list Profile)."""

_CACHE: Final = "public, max-age=300"


async def webfinger(request: web.Request) -> web.Response:
    """Who is behind `?resource=`: an acct: handle, an actor's id, or our own URL (DISC-1, DISC-2, DISC-4)."""
    instance, resources = request.app[SERVICES].world.instance, request.query.getall("resource", [])
    if len(resources) != 1 or not 0 < len(resources[0]) <= MAX_URL:
        raise _malformed("one resource", ", ".join(resources) or "none")
    resource = resources[0]
    if resource.rstrip("/") == instance.base:
        document = _instance_jrd(instance)
    else:
        document = _actor_jrd(await _find(request, resource), instance)
    return _answer(request, _only(document, request.query.getall("rel", [])), "application/jrd+json")


async def nodeinfo_links(request: web.Request) -> web.Response:
    """Where our NodeInfo is, and who the instance actor is (DISC-5, FEP-2677)."""
    instance = request.app[SERVICES].world.instance
    links = [
        {"rel": NODEINFO_SCHEMA + version, "href": f"{instance.base}/nodeinfo/{version}"}
        for version in NODEINFO_VERSIONS
    ]
    links.append({"rel": APPLICATION_REL, "href": instance.application})
    return _answer(request, {"links": links}, "application/json")


async def nodeinfo(request: web.Request) -> web.Response:
    """What runs here and how many we are; the numbers are true (DISC-6)."""
    version, world = request.match_info["version"], request.app[SERVICES].world
    if version not in NODEINFO_VERSIONS:
        raise NotFound("not-found", "There is no such version of NodeInfo here.")
    counts = await world.store.read(lambda reader: reader.counts())
    document = {
        "version": version,
        "software": {"name": "fedcoop", "version": fedcoop.__version__},
        "protocols": ["activitypub"],
        "services": {"inbound": [], "outbound": []},
        "openRegistrations": False,
        "usage": {"users": {"total": counts["members"]}, "localPosts": counts["missions"]},
        "metadata": {
            "nodeName": world.instance.name,
            "fedcoop": {"version": "1", "profiles": list(PROFILES)},
        },
    }
    return _answer(request, document, f'application/json; profile="{NODEINFO_SCHEMA}{version}#"')


async def _find(request: web.Request, resource: str) -> StoredActor:
    """Return the local actor named by `resource`. Raises Malformed (no such kind of name) or NotFound."""
    instance = request.app[SERVICES].world.instance
    username: str | None = None
    if resource.lower().startswith("acct:"):
        username, separator, host = resource[len("acct:") :].lower().removeprefix("@").rpartition("@")
        if not separator or not username or not host:
            raise _malformed("acct:name@host", resource)
        # A handle of another host is not ours to speak about, even where the name is the same.
        if host != urlsplit(instance.base).netloc:
            raise NotFound("not-found", "This handle is of another host.")
    elif not resource.lower().startswith(("https://", "http://")):
        raise _malformed("an acct: handle or an https id", resource)

    async def find(reader: Reader) -> StoredActor | None:
        if username is not None:
            return await reader.actor_by_username(username)
        return await reader.actor(resource)

    actor = await request.app[SERVICES].world.store.read(find)
    if actor is None or not actor.local:
        raise NotFound("not-found", "We host nobody of that name.")
    return actor


def _actor_jrd(actor: StoredActor, instance: Instance) -> dict[str, Any]:
    return {
        "subject": f"acct:{actor.username}@{urlsplit(instance.base).netloc}",
        "aliases": [actor.id],
        "links": [
            {"rel": "self", "type": "application/activity+json", "href": actor.id},
            {"rel": PROFILE_PAGE_REL, "type": "text/html", "href": actor.id},
        ],
    }


def _instance_jrd(instance: Instance) -> dict[str, Any]:
    link = {"rel": SERVICE_REL, "type": "application/activity+json", "href": instance.application}
    return {"subject": f"{instance.base}/", "links": [link]}


def _only(document: dict[str, Any], rels: list[str]) -> dict[str, Any]:
    """Return `document` with only the links of `rels`, all of them when none is named (RFC 7033 §4.3)."""
    if not rels:
        return document
    return {**document, "links": [link for link in document["links"] if link["rel"] in rels]}


def _answer(request: web.Request, document: dict[str, Any], content_type: str) -> web.Response:
    return web.Response(
        body=strict_json.dumps(document),
        headers={"Content-Type": content_type, "Cache-Control": _CACHE, **answers.ANYBODY},
    )


def _malformed(expected: str, received: str) -> Malformed:
    return Malformed(
        "malformed-request",
        "The parameter resource cannot be read.",
        expected=expected,
        received=received[:80],
    )
