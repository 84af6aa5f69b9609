"""The driver that needs no code: ActivityPub client to server with bearer tokens (conformance/PROTOCOL.md §3)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final
from urllib.parse import quote

from fedcoop_conformance.driver.base import Declined, DriverFault, Evidence, PeersKnown, Ready, Unsupported
from fedcoop_conformance.sut import SutActor
from fedcoop_conformance.wire import NoAnswer, Reply, Wire

AS2: Final = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
PAGES: Final = 50


class C2s:
    """Speaks for the local actors whose tokens it was given."""

    evidence = Evidence.API

    def __init__(self, wire: Wire, server: Callable[[], Ready | None]) -> None:
        self._wire = wire
        self._server = server
        self._ops: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Any]]] = {
            "outbox.post": self._post,
            "observe": self._observe,
            "collection": self._collection,
            "mission.decide": self._decide,
        }

    def ops(self) -> Collection[str]:
        """Return what client to server can do."""
        return self._ops.keys()

    async def start(self, peers: PeersKnown) -> Ready | None:
        """Nothing is started: the server is there, or another driver starts it."""
        return None

    async def stop(self) -> None:
        """Nothing was started."""

    async def call(self, op: str, args: Mapping[str, Any]) -> Any:
        """Do one operation, as `Driver.call`."""
        if op not in self._ops:
            raise Unsupported(op)
        try:
            return await self._ops[op](args)
        except NoAnswer as silence:
            raise DriverFault(str(silence)) from silence

    async def _post(self, args: Mapping[str, Any]) -> Any:
        actor = self._actor(args["actor"])
        reply = await self._wire.send(
            "POST", actor.outbox, headers={**bearer(actor), "Content-Type": AS2}, body=body(args["activity"])
        )
        if reply.status != 201 or "Location" not in reply.headers:
            raise Declined(f"POST {actor.outbox}: {reply.told()}", reply.status)
        return {"id": reply.headers["Location"]}

    async def _observe(self, args: Mapping[str, Any]) -> Any:
        actor, base = self._actor(args["actor"]), self._base()
        reply = await self._wire.send(
            "GET",
            f"{base}/api/v1/lookup?uri={quote(args['id'], safe='')}",
            headers={**bearer(actor), "Accept": AS2},
        )
        if reply.status in {404, 410}:
            return {"seen": False}
        return {"seen": True, "object": shown(reply)}

    async def _collection(self, args: Mapping[str, Any]) -> Any:
        actor = self._actor(args["actor"])
        if args["name"] == "board":
            return await self._board(actor, args["owner"])
        document = await self._get(actor.id, actor)
        start = document.get(args["name"])
        if not isinstance(start, str):
            raise Unsupported(f"collection {args['name']}")
        items: list[str] = []
        page = await self._get(start, actor)
        for _ in range(PAGES):
            items += [one["id"] if isinstance(one, Mapping) else one for one in items_of(page)]
            following = (
                page.get("first") if "items" not in page and "orderedItems" not in page else page.get("next")
            )
            if not following:
                return {"items": items, "totalItems": page.get("totalItems")}
            page = following if isinstance(following, Mapping) else await self._get(following, actor)
        raise DriverFault(f"{start} has no end within {PAGES} pages")

    async def _board(self, actor: SutActor, owner: str) -> Any:
        """Return the open proposals of one owner (PROTOCOL.md §3)."""
        page = await self._get(f"{self._base()}/api/v1/board?owner={quote(owner, safe='')}", actor)
        items = [one["id"] for one in page.get("items", [])]
        return {"items": items, "totalItems": len(items)}

    async def _decide(self, args: Mapping[str, Any]) -> Any:
        kind = "Accept" if args["accept"] else "Reject"
        return await self._post(
            {
                "actor": args["actor"],
                "activity": {"type": kind, "object": args["application"], "to": args["to"]},
            }
        )

    async def _get(self, url: str, actor: SutActor) -> Mapping[str, Any]:
        return shown(await self._wire.send("GET", url, headers={**bearer(actor), "Accept": AS2}))

    def _base(self) -> str:
        server = self._server()
        if server is None:
            raise Unsupported("a server")
        return server.base

    def _actor(self, name: str) -> SutActor:
        server = self._server()
        for one in server.actors if server else ():
            if one.id == name and one.token:
                return one
        raise Unsupported(f"speaking for {name} (no token)")


def bearer(actor: SutActor) -> dict[str, str]:
    """Return the header with which a client speaks for an actor."""
    return {"Authorization": f"Bearer {actor.token}"} if actor.token else {}


def body(document: Any) -> bytes:
    """Return a document as it is sent."""
    return json.dumps(document, ensure_ascii=False).encode()


def shown(reply: Reply) -> Mapping[str, Any]:
    """Return the document of an answer.

    Raises:
        Declined: it is no 200 with an object.
    """
    found = reply.json
    if reply.status != 200 or not isinstance(found, Mapping):
        raise Declined(f"GET {reply.url}: {reply.told()}", reply.status)
    return found


def items_of(page: Mapping[str, Any]) -> list[Any]:
    """Return the items of a collection or a page of one, a single one too (AS2 Core §4.1)."""
    found = page.get("orderedItems", page.get("items", []))
    return found if isinstance(found, list) else [found]
