"""A relay's page: what it carries, for whom, and how a server subscribes."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from fedcoop.flow.relaying import relaying_of
from fedcoop.flow.world import World
from fedcoop.ports import Reader
from fedcoop.web.pages_frame import Frame


@dataclass(frozen=True, slots=True)
class _Numbers:
    subscribers: int
    publishers: int
    inbox: str
    summary: str


class RelayPage:
    """Fills the page of a relay."""

    def __init__(self, world: World, frame: Frame) -> None:
        self._world = world
        self._frame = frame

    async def __call__(self, request: web.Request) -> web.Response:
        """Return the page. Who subscribes and who publishes is the operator's to know; everybody learns how many."""
        relay, relaying = self._world.instance.application, relaying_of(self._world)
        words = self._frame.views(request).words

        async def ask(reader: Reader) -> _Numbers:
            actor = await reader.actor(relay)
            document = actor.document if actor else {}
            summaries = document.get("summaryMap", {})
            return _Numbers(
                sum(s.state == "accepted" for s in await reader.subscribers()),
                sum(p.state in ("allowed", "limited") for p in await reader.peers()),
                str(document.get("inbox", "")),
                str(summaries.get(words.language, document.get("summary", ""))),
            )

        return await self._frame.page(
            request,
            "relay.html",
            section="relay",
            relay=relay,
            open=relaying.open,
            classes=[words.class_name(name) for name in relaying.carries.classes],
            rome=relaying.carries.rome,
            regions=relaying.carries.regions,
            numbers=await self._world.store.read(ask),
        )
