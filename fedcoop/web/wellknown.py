"""Where to find whom: WebFinger (RFC 7033) and NodeInfo 2.1. Hosts are ours, whatever the Host field says."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

import fedcoop
from fedcoop.errors import Malformed, NotFound
from fedcoop.ports import Reader, StoredActor
from fedcoop.protocol import discovery, strict_json
from fedcoop.web import answers
from fedcoop.web.services import SERVICES

PROFILES: Final = ("core@1.0", "signature@1.0", "delivery@1.0", "vocab@1.0", "c2s@1.0")
"""Profiles of the conformance suite that this release keeps to, as it was found to (protocol.md, disc/09)."""

RELAYS_PROFILES: Final = ("core@1.0", "signature@1.0")
"""Those of a relay, for which nobody speaks with a token."""

_CACHE: Final = "public, max-age=300"


async def webfinger(request: web.Request) -> web.Response:
    """Who is behind `?resource=`: an acct: handle, an actor's id, or our own URL (DISC-1, DISC-2, DISC-4)."""
    instance, resources = request.app[SERVICES].world.instance, request.query.getall("resource", [])
    if len(resources) > 1:
        raise Malformed("malformed-request", "The query has more than one `resource`.")
    named = discovery.read_resource(resources[0] if resources else None, public_origin=instance.base)
    rels = request.query.getall("rel", [])
    if named.iri is not None and named.iri.rstrip("/") == instance.base:
        document = discovery.server_jrd(
            public_origin=instance.base, application_id=instance.application, rels=rels
        )
    else:
        actor = await _find(request, named)
        document = discovery.actor_jrd(username=actor.username, actor_id=actor.id, page=actor.id, rels=rels)
    return _answer(document, discovery.JRD_MEDIA_TYPE)


async def nodeinfo_links(request: web.Request) -> web.Response:
    """Where our NodeInfo is, and who the instance actor is (DISC-5, FEP-2677)."""
    instance = request.app[SERVICES].world.instance
    url = f"{instance.base}/nodeinfo/2.1"
    document = discovery.nodeinfo_jrd(nodeinfo_url=url, application_id=instance.application)
    return _answer(document, "application/json")


async def nodeinfo(request: web.Request) -> web.Response:
    """What runs here and how many we are; the numbers are true (DISC-6)."""
    world = request.app[SERVICES].world
    counts = await world.store.read(lambda reader: reader.counts())
    document = discovery.nodeinfo(
        version=fedcoop.__version__,
        node_name=world.instance.name,
        open_registrations=False,
        users=counts["members"],
        local_posts=counts["missions"],
        fedcoop={
            "version": "1",
            "profiles": list(PROFILES if world.instance.relaying is None else RELAYS_PROFILES),
        },
    )
    return _answer(document, discovery.NODEINFO_MEDIA_TYPE)


async def _find(request: web.Request, named: discovery.Resource) -> StoredActor:
    async def find(reader: Reader) -> StoredActor | None:
        if named.username is not None:
            return await reader.actor_by_username(named.username)
        return await reader.actor(named.iri or "")

    actor = await request.app[SERVICES].world.store.read(find)
    if actor is None or not actor.local:
        raise NotFound("not-found", "We host nobody of that name.")
    return actor


def _answer(document: dict[str, Any], content_type: str) -> web.Response:
    return web.Response(
        body=strict_json.dumps(document),
        headers={"Content-Type": content_type, "Cache-Control": _CACHE, **answers.ANYBODY},
    )
