"""Makers: each gives something whole and ordinary, and a test changes the one field that it is about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from fedcoop.protocol.messages import (
    Activity,
    Chain,
    Deliver,
    KeyDocument,
    Link,
    PutActor,
    PutChain,
    PutListing,
    PutObject,
    RecordActivity,
)
from fedcoop.store import tables
from tests.conftest import NOON

PUBLIC: Final = "https://www.w3.org/ns/activitystreams#Public"
NANTES: Final = "https://nantes.example/actors/coop"
LYON: Final = "https://lyon.example/actors/coop"
AWA: Final = "https://lyon.example/actors/awa"
MISSION: Final = "https://nantes.example/missions/8"
INBOX: Final = "https://lyon.example/inbox"

# Everything that a database may take offence at.
ODD: Final = "œuvre \0 \ud800 \N{BICYCLE} 'quote' \"double\" %s ? :x \\ \u2028 <b>"
KEPT: Final = "œuvre \ufffd \ufffd \N{BICYCLE} 'quote' \"double\" %s ? :x \\ \u2028 <b>"


def activity(
    name: str | int, actor: str = NANTES, *, to: Sequence[str] = (PUBLIC,), **members: Any
) -> Activity:
    """Return a Create by `actor` with the id /activities/<name> on its server."""
    origin = actor.split("/actors/")[0]
    raw = {
        "id": f"{origin}/activities/{name}",
        "type": "Create",
        "actor": actor,
        "to": list(to),
        "content": "Livraisons à vélo",
        **members,
    }
    return Activity(
        raw=raw,
        body=json.dumps(raw, ensure_ascii=False).encode("utf-8", "backslashreplace"),
        id=raw["id"],
        type=raw["type"],
        actor=actor,
        object_id=None,
        object=None,
        object_class="",
        recipients=tuple(to),
    )


def keys(actor: str = NANTES, *, fetched_at: datetime = NOON, **members: Any) -> KeyDocument:
    return KeyDocument(
        actor={"id": actor, "publicKey": {"id": f"{actor}#main-key"}, **members}, fetched_at=fetched_at
    )


def record(said: Activity, *, local: bool = False, **fields: Any) -> RecordActivity:
    given: dict[str, Any] = {"received_at": NOON, "keys": None if local else keys(said.actor), **fields}
    return RecordActivity(activity=said, local=local, **given)


def chain(version: int = 1, **fields: Any) -> Chain:
    given: dict[str, Any] = {
        "id": MISSION,
        "kind": "Mission",
        "owner": NANTES,
        "state": "published",
        "digest": f"z{version}",
        "document": {"id": MISSION, "name": "Livraisons", "applyBefore": "2026-12-10T18:00:00Z"},
        "parties": {"owner": NANTES},
        **fields,
    }
    return Chain(version=version, **given)


def engagement(name: str | int, version: int = 1, **fields: Any) -> Chain:
    given: dict[str, Any] = {
        "id": f"https://lyon.example/activities/{name}",
        "kind": "Engagement",
        "state": "proposed",
        "document": {"type": "Commitment"},
        "parties": {"owner": NANTES, "proposer": NANTES, "responder": LYON, "worker": AWA},
        "proposal": MISSION,
        "memory": {"lastOffer": f"https://lyon.example/activities/{name}"},
        **fields,
    }
    return chain(version, **given)


def step(of: Chain, said: Activity, *, confirmed: bool = True, refs: tuple[str, ...] = ()) -> PutChain:
    """Return the change that advances `of` to its version by `said`."""
    return PutChain(of, Link(of.id, of.version, said.id, of.digest, confirmed), refs)


def an_actor(actor: str = NANTES, *, local: bool = True, **members: Any) -> PutActor:
    document = {
        "id": actor,
        "type": "Organization",
        "fedcoopType": ["Cooperative"],
        "preferredUsername": actor.rsplit("/", 1)[1],
        "inbox": f"{actor}/inbox",
        **members,
    }
    return PutActor(document=document, local=local, fetched_at=NOON)


def an_object(object_id: str = MISSION, **fields: Any) -> PutObject:
    given: dict[str, Any] = {
        "owner": NANTES,
        "object_class": "Mission",
        "document": {"id": object_id, "name": "Livraisons"},
        "local": True,
        "readers": (PUBLIC,),
        "updated_at": NOON,
        **fields,
    }
    return PutObject(id=object_id, **given)


def a_listing(object_id: str = MISSION, **fields: Any) -> PutListing:
    given: dict[str, Any] = {
        "object_class": "Mission",
        "owner": NANTES,
        "local": True,
        "state": "published",
        "relay_scope": "public",
        "title": "Livraisons à vélo",
        "text": "Livraisons à vélo, Nantes",
        "rome": "N4104",
        "commune": "44109",
        "latitude": 47.218,
        "longitude": -1.554,
        "published": NOON,
        "start": None,
        "apply_before": None,
        "readers": (PUBLIC,),
        **fields,
    }
    return PutListing(object_id=object_id, **given)


def a_delivery(said: Activity, inbox: str = INBOX, *, body: bytes | None = None) -> Deliver:
    return Deliver(
        activity_id=said.id, sender=said.actor, inbox=inbox, body=said.body if body is None else body
    )


async def rows_of(url: str) -> dict[str, int]:
    """Return how many rows each table holds, behind the store's back."""
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = {
            name: int((await connection.execute(select(func.count()).select_from(table))).scalar_one())
            for name, table in tables.metadata.tables.items()
        }
        found["listing_words"] = int(
            (await connection.execute(text("SELECT count(*) FROM listing_words"))).scalar_one()
        )
    await engine.dispose()
    return found
