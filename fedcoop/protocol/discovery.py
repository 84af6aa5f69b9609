"""The documents by which we are found: WebFinger, NodeInfo, and the links between them (wire.md §4).

>>> read_resource("acct:Alice@coop-a.example", public_origin="https://coop-a.example")
Resource(username='alice', iri=None)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fedcoop.errors import Malformed, NotFound
from fedcoop.protocol.ids import origin

JRD_MEDIA_TYPE: Final = "application/jrd+json"
NODEINFO_SCHEMA: Final = "http://nodeinfo.diaspora.software/ns/schema/2.1"
NODEINFO_MEDIA_TYPE: Final = f'application/json; profile="{NODEINFO_SCHEMA}#"'
ACTIVITY_MEDIA_TYPE: Final = "application/activity+json"

_SERVER_ACTOR: Final = "https://www.w3.org/ns/activitystreams#Service"
"""FEP-d556: from the server's address to its actor."""
_APPLICATION: Final = "https://www.w3.org/ns/activitystreams#Application"
"""FEP-2677: from NodeInfo to the same actor."""
_PROFILE_PAGE: Final = "http://webfinger.net/rel/profile-page"
_USERNAME: Final = re.compile(r"[a-z0-9_]+(?:[a-z0-9_.-]*[a-z0-9_])?", re.ASCII)
_ACCT: Final = re.compile(r"acct:@?([^@:/?#]+)@([^@/?#]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Resource:
    """What a WebFinger query asks for on this server: a user name, or a URL (exactly one of both)."""

    username: str | None
    iri: str | None


def is_username(name: str) -> bool:
    """Tell whether `name`, in lower case, may be a `preferredUsername` (DISC-3)."""
    return len(name) <= 64 and _USERNAME.fullmatch(name) is not None


def read_resource(resource: str | None, *, public_origin: str) -> Resource:
    """Return what the `resource` of a WebFinger query names (DISC-1, DISC-2).

    Raises:
        Malformed: it is missing, or neither an `acct:` nor an http(s) URL (`malformed-request`).
        NotFound: it is somebody else's (`not-found`).
    """
    if not resource:
        raise Malformed(
            "malformed-request", "The query has no `resource`.", expected="resource=acct:name@host"
        )
    acct = _ACCT.fullmatch(resource)
    if acct is not None:
        if acct[2].lower() != public_origin.partition("://")[2] or not is_username(acct[1].lower()):
            raise _not_here(resource)
        return Resource(username=acct[1].lower(), iri=None)
    try:
        home = origin(resource)
    except Malformed:
        raise Malformed(
            "malformed-request",
            "`resource` is neither an account nor a URL.",
            expected="acct:name@host, or the https id of an actor",
            received=ascii(resource[:200]),
        ) from None
    if home != public_origin:
        raise _not_here(resource)
    return Resource(username=None, iri=resource)


def actor_jrd(
    *, username: str, actor_id: str, page: str | None = None, rels: Collection[str] = ()
) -> dict[str, Any]:
    """Return the WebFinger document of an actor: exactly one `self` link (DISC-2); `rels` only filters
    (DISC-1)."""
    host = origin(actor_id).partition("://")[2]
    links = [{"rel": "self", "type": ACTIVITY_MEDIA_TYPE, "href": actor_id}]
    if page is not None:
        links.append({"rel": _PROFILE_PAGE, "type": "text/html", "href": page})
    aliases = [actor_id] if page is None or page == actor_id else [actor_id, page]
    return {"subject": f"acct:{username}@{host}", "aliases": aliases, "links": _filtered(links, rels)}


def server_jrd(*, public_origin: str, application_id: str, rels: Collection[str] = ()) -> dict[str, Any]:
    """Return the WebFinger document of the server's own address: the link to its actor (FEP-d556, DISC-4)."""
    links = [{"rel": _SERVER_ACTOR, "type": ACTIVITY_MEDIA_TYPE, "href": application_id}]
    return {"subject": f"{public_origin}/", "links": _filtered(links, rels)}


def nodeinfo_jrd(*, nodeinfo_url: str, application_id: str) -> dict[str, Any]:
    """Return `/.well-known/nodeinfo`: where NodeInfo 2.1 is, and who the server's actor is (FEP-2677)."""
    return {
        "links": [
            {"rel": NODEINFO_SCHEMA, "href": nodeinfo_url},
            {"rel": _APPLICATION, "href": application_id},
        ]
    }


def nodeinfo(
    *,
    version: str,
    node_name: str,
    open_registrations: bool,
    users: int | None,
    local_posts: int | None,
    fedcoop: Mapping[str, Any],
    repository: str | None = None,
) -> dict[str, Any]:
    """Return the NodeInfo 2.1 document (DISC-5, DISC-6).

    `users` and `local_posts` are true counts, or None where the operator keeps them private. `fedcoop` is
    what we announce of ourselves: `{"version": ..., "profiles": [...]}` (decision D2).
    """
    software: dict[str, Any] = {"name": "fedcoop", "version": version}
    if repository is not None:
        software["repository"] = repository
    usage: dict[str, Any] = {"users": {} if users is None else {"total": users}}
    if local_posts is not None:
        usage["localPosts"] = local_posts
    return {
        "version": "2.1",
        "software": software,
        "protocols": ["activitypub"],
        "services": {"inbound": [], "outbound": []},
        "openRegistrations": open_registrations,
        "usage": usage,
        "metadata": {"nodeName": node_name, "fedcoop": dict(fedcoop)},
    }


def _filtered(links: list[dict[str, str]], rels: Collection[str]) -> list[dict[str, str]]:
    return [link for link in links if not rels or link["rel"] in rels]


def _not_here(resource: str) -> NotFound:
    return NotFound("not-found", "There is no such account here.", received=ascii(resource[:200]))
