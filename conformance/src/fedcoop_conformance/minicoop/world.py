"""The state of a model server: actors, what they said, what came in, whom it asks for keys."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedcoop_conformance.crypto import multikey

Document = dict[str, Any]

AS2: Final = "https://www.w3.org/ns/activitystreams"
PUBLIC: Final = f"{AS2}#Public"
ACTIVITY_JSON: Final = "application/activity+json"
LD_JSON: Final = f'application/ld+json; profile="{AS2}"'
CONTEXT: Final = [AS2, "https://w3id.org/security/v1", "https://www.w3.org/ns/cid/v1"]
SIGNED: Final = [AS2, "https://w3id.org/security/data-integrity/v2"]
CAPABILITY: Final = "https://w3id.org/fedcoop/v1"
RFC9421: Final = "https://datatracker.ietf.org/doc/html/rfc9421"
FETCH_TIME: Final = 2.0
FETCH_BYTES: Final = 1024 * 1024


class Refusal(Exception):
    """A request is refused: status and problem code (RFC 9457)."""

    def __init__(self, status: int, code: str, detail: str = "", **headers: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers


class Gone(Exception):
    """What was to be fetched is there no more (410)."""


@dataclass
class Local:
    """An actor of this server."""

    name: str
    kind: str
    role: str
    key: Ed25519PrivateKey
    token: str
    inbox: list[Document] = field(default_factory=list)
    outbox: list[Document] = field(default_factory=list)
    followers: dict[str, Document] = field(default_factory=dict)
    following: dict[str, Document] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    generation: int = 1
    former: Ed25519PrivateKey | None = None
    retired: list[Document] = field(default_factory=list)


@dataclass
class Minicoop:
    """A model server. `faults` names the rules that it breaks; `reached` collects those that a request came upon."""

    name: str = "minicoop"
    faults: Collection[str] = ()
    admitted: Collection[str] = ()
    """The origins of the servers that may write to it."""
    reachable: Collection[str] = ()
    """The origins that it may fetch from, although they are on this machine."""
    base: str = ""
    seed: str = "minicoop"
    first_retry: float = 0.05
    reached: set[str] = field(default_factory=set)
    actors: dict[str, Local] = field(default_factory=dict)
    objects: dict[str, Document] = field(default_factory=dict)
    """What it stores, its own and others', by id."""
    activities: dict[str, bytes] = field(default_factory=dict)
    """The body of each activity that came in, by id: what came twice has one effect."""
    chains: dict[str, Any] = field(default_factory=dict)
    """Where each proposal stands (`chains.Chain`), by id."""
    engagements: dict[str, Document] = field(default_factory=dict)
    """Applications to our proposals, by the id of the Offer."""
    keys: dict[str, Document] = field(default_factory=dict)
    """Actor documents that were fetched."""
    refetched: dict[str, float] = field(default_factory=dict)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    deleted: dict[str, Document] = field(default_factory=dict)
    """A Tombstone for each object that was deleted, by id."""
    codes: dict[str, Document] = field(default_factory=dict)
    """What each authorization code was given for; a code is used up by the first attempt."""
    granted: dict[str, str] = field(default_factory=dict)
    """Whom each token of a program speaks for, by name."""
    prefers_cavage: set[str] = field(default_factory=set)
    """The origins that took draft-cavage after they had refused RFC 9421."""
    lanes: dict[str, Any] = field(default_factory=dict)
    """What is owed, by inbox."""
    met: dict[str, Document] = field(default_factory=dict)
    """The documents of actors to whom something was sent."""
    blocked: set[str] = field(default_factory=set)
    """The origins with which the operator wants nothing to do."""
    asked: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The follows that local actors asked for, by id: who asks, and whom."""
    session: aiohttp.ClientSession | None = None
    now: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)  # noqa: S311 (a model: nothing here is secret)
        for name, kind, role in (
            ("instance", "Application", "instance"),
            ("coop", "Organization", "coop"),
            ("alice", "Person", "member"),
        ):
            self.add(name, kind, role)

    def add(self, name: str, kind: str, role: str) -> Local:
        """Add an actor."""
        key = Ed25519PrivateKey.from_private_bytes(self.rng.randbytes(32))
        self.actors[name] = Local(name, kind, role, key, secrets.token_urlsafe(16))
        return self.actors[name]

    def fault(self, name: str) -> bool:
        """Tell whether this rule is to be broken, and note that its place was reached."""
        if name in self.faults:
            self.reached.add(name)
            return True
        return False

    # -- names ---------------------------------------------------------------------------------------------------

    def id_of(self, actor: Local) -> str:
        return f"{self.base}/actors/{actor.name}"

    def key_id(self, actor: Local) -> str:
        return f"{self.id_of(actor)}#ed25519-{actor.generation}"

    def signing_key(self, actor: Local) -> Ed25519PrivateKey:
        return actor.former if actor.former is not None and self.fault("rotate-signs-old") else actor.key

    def method_of(self, actor: Local) -> Document:
        """Return the key of an actor as it is published (FEP-521a)."""
        return {
            "id": self.key_id(actor),
            "type": "Multikey",
            "controller": self.id_of(actor),
            "publicKeyMultibase": multikey.encode(actor.key.public_key()),
        }

    def rotate(self, actor: Local) -> None:
        """Give an actor a new key; the old one is published as retired."""
        old = self.method_of(actor)
        actor.retired.append(old if self.fault("rotate-keeps-old") else {**old, "revoked": self.instant()})
        actor.former, actor.key = actor.key, Ed25519PrivateKey.from_private_bytes(self.rng.randbytes(32))
        actor.generation += 1

    def actor_at(self, name: str) -> Local | None:
        """Return the local actor with this id, None where there is none."""
        prefix = f"{self.base}/actors/"
        return self.actors.get(name.removeprefix(prefix)) if name.startswith(prefix) else None

    def by_token(self, token: str) -> Local | None:
        own = (one for one in self.actors.values() if token and one.token == token)
        return next(own, self.actors.get(self.granted.get(token, "")))

    def new_id(self, kind: str = "activities") -> str:
        return f"{self.base}/{kind}/{self.rng.getrandbits(64):016x}"

    def instant(self) -> str:
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def documents_of(self, actor: Local) -> Document:
        """Return an actor as it is published."""
        name = self.id_of(actor)
        document: Document = {
            "@context": CONTEXT,
            "id": name,
            "type": actor.kind,
            "preferredUsername": actor.name,
            "name": actor.name.capitalize(),
            "inbox": f"{name}/inbox",
            "outbox": f"{name}/outbox",
            "followers": f"{name}/followers",
            "following": f"{name}/following",
            "endpoints": self.endpoints_of(actor),
            "assertionMethod": self.methods_of(actor),
            "generator": {
                "type": "Application",
                "implements": [
                    {"href": href, "name": href}
                    for href in (CAPABILITY, RFC9421, f"{RFC9421}#name-eddsa-using-curve-edwards25")
                    if href != CAPABILITY or not self.fault("implements-missing")
                ],
            },
            **self.kinds_of(actor),
        }
        for fault, member in (("actor-no-inbox", "inbox"), ("ctx-missing", "@context")):
            if self.fault(fault):
                del document[member]
        if self.fault("id-mismatch"):
            document["id"] += "/"
        if actor.role == "member" and self.fault("member-pii-leak"):
            document["email"] = f"{actor.name}@example.org"
        return document

    def endpoints_of(self, actor: Local) -> Document:
        """Return the addresses that an actor shares with others, and those of OAuth for a member (FEP-d8c2)."""
        found = {"sharedInbox": f"{self.base}/inbox"}
        if actor.role != "member" or self.fault("c2s-no-endpoints"):
            return found
        return found | {
            "oauthAuthorizationEndpoint": f"{self.base}/oauth/authorize",
            "oauthTokenEndpoint": f"{self.base}/oauth/token",
        }

    def methods_of(self, actor: Local) -> list[Document]:
        """Return the keys that an actor lists: one that is in force, and those of before."""
        present = self.method_of(actor)
        if self.fault("key-no-controller"):
            del present["controller"]
        second = [{**present, "id": f"{present['id']}-b"}] if self.fault("key-two-live") else []
        return [present, *second, *actor.retired]

    def kinds_of(self, actor: Local) -> Document:
        """Return what an actor is among co-operatives (vocab/classes.json)."""
        kinds: dict[str, Document] = {
            "coop": {"fedcoopType": ["Cooperative"]},
            "member": {"fedcoopType": ["Member"], "homeCooperative": f"{self.base}/actors/coop"},
        }
        found = kinds.get(actor.role, {})
        if self.fault("actor-no-kind"):
            found.pop("fedcoopType", None)
        if self.fault("member-no-home"):
            found.pop("homeCooperative", None)
        return found

    # -- the world outside ---------------------------------------------------------------------------------------

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        """Do something beside the answer."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def fetch(self, url: str, *, signed: bool = False) -> Document:
        """Return the JSON object at a URL of a server that may be fetched from; by a signed GET where that is asked.

        Raises:
            Gone: it answered 410. Refusal: it cannot be had.
        """
        origin = "/".join(url.split("/", 3)[:3])
        if origin not in self.reachable:
            raise Refusal(401, "key-unreachable", f"{origin} is not fetched from")
        url = url.partition("#")[0]
        try:
            headers = {"Accept": ACTIVITY_JSON}
            ours = sign(self, self.actors["instance"], "GET", url, headers)
            status, body = await self._get(url, ours if signed else headers)
            if status in {401, 403} and not signed and not self.fault("no-signed-fetch"):
                status, body = await self._get(url, ours)
            if status == 410:
                raise Gone(url)
            found = json.loads(body) if status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as failure:
            raise Refusal(401, "key-unreachable", f"{url}: {failure}") from failure
        if not isinstance(found, dict):
            raise Refusal(401, "key-unreachable", f"{url}: {status}, no object")
        return found

    async def _get(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        assert self.session is not None
        async with (
            asyncio.timeout(FETCH_TIME),
            self.session.get(url, headers=headers, allow_redirects=False) as got,
        ):
            return got.status, await got.content.read(FETCH_BYTES)


COOP: Final = web.AppKey("coop", Minicoop)
"""Where handlers find the model server that they belong to."""


def sign(coop: Minicoop, local: Local, method: str, url: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with a signature by RFC 9421 with Ed25519: method, target and, where it is there, the digest."""
    values = {"@method": method, "@target-uri": url}
    if "Content-Digest" in headers:
        values["content-digest"] = headers["Content-Digest"]
    if "Collection-Synchronization" in headers:
        values["collection-synchronization"] = headers["Collection-Synchronization"]
    if coop.fault("out-missing-component"):
        del values["@target-uri"]
    keyid = coop.key_id(local) if not coop.fault("out-keyid-dead") else f"{coop.base}/keys/none"
    covered = " ".join(f'"{name}"' for name in values)
    parameters = f'({covered});created={int(coop.now())};keyid="{keyid}"'
    base = "\n".join(
        [*(f'"{name}": {value}' for name, value in values.items()), f'"@signature-params": {parameters}']
    )
    signature = base64.b64encode(coop.signing_key(local).sign(base.encode())).decode()
    return {**headers, "Signature-Input": f"sig1={parameters}", "Signature": f"sig1=:{signature}:"}


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL that was written plainly."""
    return "/".join(url.split("/", 3)[:3])


def names(value: object) -> list[str]:
    """Return the ids in a member that may hold one, several or objects with ids."""
    many = value if isinstance(value, list) else [value]
    found: Iterable[Any] = (one.get("id") if isinstance(one, Mapping) else one for one in many)
    return [one for one in found if isinstance(one, str)]
