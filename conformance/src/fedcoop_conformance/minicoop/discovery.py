"""How the model server is found: WebFinger (RFC 7033), NodeInfo 2.1, and its own actor (FEP-d556, FEP-2677)."""

from __future__ import annotations

import json
from typing import Final

from aiohttp import web

from fedcoop_conformance.minicoop.world import ACTIVITY_JSON, AS2, COOP, Document, Local, Minicoop, Refusal

CORS: Final = {"Access-Control-Allow-Origin": "*"}
NODEINFO: Final = "http://nodeinfo.diaspora.software/ns/schema/2.1"
JRD: Final = "application/jrd+json"


async def webfinger(request: web.Request) -> web.Response:
    """Answer who is behind a name, an id, or the server's own address."""
    coop = request.app[COOP]
    found = jrd(coop, request.query.get("resource"))
    media = JRD if not coop.fault("wf-plain-json") else "application/json"
    return _answer(found, media, {} if coop.fault("wf-no-cors") else CORS)


def jrd(coop: Minicoop, resource: str | None) -> Document:
    """Return what is known of a resource.

    Raises:
        Refusal: it is missing or cannot be read (400), or nobody's here (404).
    """
    cors = {} if coop.fault("wf-cors-200-only") else CORS
    if (resource is None or ":" not in resource) and not coop.fault("wf-any-resource"):
        raise Refusal(400, "malformed-request", "resource", **cors)
    if resource == coop.base and not coop.fault("wf-no-server"):
        return {
            "subject": coop.base,
            "links": [{"rel": f"{AS2}#Service", "type": ACTIVITY_JSON, "href": _instance(coop)}],
        }
    found = _named(coop, str(resource))
    if found is None:
        if coop.fault("wf-200-unknown"):
            return {"subject": resource, "links": []}
        raise Refusal(404, "not-found", **cors)
    link = {"rel": "self", "type": ACTIVITY_JSON, "href": coop.id_of(found)}
    return {
        "subject": f"acct:{found.name}@{_host(coop)}",
        "links": [] if coop.fault("wf-no-self") else [link],
    }


def _named(coop: Minicoop, resource: str) -> Local | None:
    name, _, host = resource.removeprefix("acct:").partition("@")
    if resource.startswith("acct:"):
        return coop.actors.get(name) if host == _host(coop) else None
    return None if coop.fault("wf-no-ids") else coop.actor_at(resource)


async def nodeinfo_links(request: web.Request) -> web.Response:
    """Answer where NodeInfo is, and who the server's own actor is."""
    coop = request.app[COOP]
    links = [{"rel": NODEINFO, "href": f"{coop.base}/nodeinfo/2.1"}]
    if not coop.fault("nodeinfo-no-application"):
        links.append({"rel": f"{AS2}#Application", "href": _instance(coop)})
    return _answer({"links": links}, "application/json", CORS)


async def nodeinfo(request: web.Request) -> web.Response:
    """Answer what runs here."""
    coop = request.app[COOP]
    said: Document = {"version": "1", "profiles": ["core@1.0", "signature@1.0"]}
    if coop.fault("disc-no-profiles"):
        del said["profiles"]
    document: Document = {
        "version": "2.0" if coop.fault("nodeinfo-bad-version") else "2.1",
        "software": {
            "name": "mastodon" if coop.fault("nodeinfo-other-name") else "minicoop",
            "version": "1.0.0",
        },
        "protocols": ["activitypub"],
        "services": {"inbound": [], "outbound": []},
        "openRegistrations": False,
        "usage": {"users": {}},
        "metadata": {} if coop.fault("disc-missing") else {"fedcoop": said},
    }
    return _answer(document, f'application/json; profile="{NODEINFO}#"', CORS)


def _instance(coop: Minicoop) -> str:
    return coop.id_of(coop.actors["instance"])


def _host(coop: Minicoop) -> str:
    return coop.base.partition("://")[2]


def _answer(document: Document, media: str, headers: dict[str, str]) -> web.Response:
    return web.Response(body=json.dumps(document).encode(), headers={"Content-Type": media, **headers})
