"""The model server as a server under test: the suite meets it over HTTP, like any other."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from typing import Any

from yarl import URL

from fedcoop_conformance.driver.base import Declined, Evidence, PeersKnown, Ready, Unsupported
from fedcoop_conformance.minicoop import lanes
from fedcoop_conformance.minicoop.server import serving
from fedcoop_conformance.minicoop.world import Minicoop
from fedcoop_conformance.sut import DriverSettings, Limits, PeerSettings, Sut, SutActor


class MinicoopDriver:
    """Serves a model server with these faults in the process of the suite."""

    evidence = Evidence.TESTIMONY

    def __init__(self, faults: Collection[str] = ()) -> None:
        self.coop = Minicoop(faults=frozenset(faults))
        self._open = contextlib.AsyncExitStack()

    def ops(self) -> Collection[str]:
        """Return what it does beside client to server."""
        return ("key.rotate",)

    async def start(self, peers: PeersKnown) -> Ready | None:
        """Serve it, and let the suite's peers in."""
        self.coop.admitted = frozenset(peers.admitted)
        self.coop.reachable = frozenset(peers.everybody)
        await self._open.enter_async_context(serving(self.coop))
        return Ready(
            self.coop.base,
            [
                SutActor(name, f"{name}/inbox", f"{name}/outbox", one.role, one.token)
                for one in self.coop.actors.values()
                for name in [self.coop.id_of(one)]
            ],
        )

    async def call(self, op: str, args: Mapping[str, Any]) -> Any:
        """Do what an operator does, or say yes to a program; everything else is done by client to server."""
        match op:
            case "key.rotate":
                local = self.coop.actor_at(args["actor"])
                if local is None:
                    raise Declined(f"{args['actor']} is no actor of this server")
                self.coop.rotate(local)
            case "peer.decide":
                self._decide(args["origin"], args["decision"])
            case "restart":
                lanes.begin_again(self.coop)
            case "oauth.consent":
                return await self._consent(args["url"], args["actor"])
            case _:
                raise Unsupported(op)

    async def _consent(self, url: str, actor: str) -> Mapping[str, str]:
        """Say yes to a program as a member would, with the member's own token."""
        local, session = self.coop.actor_at(actor), self.coop.session
        assert local is not None
        assert session is not None
        async with session.post(
            URL(url, encoded=True), data={"token": local.token}, allow_redirects=False
        ) as got:
            if got.status != 303:
                raise Declined(f"POST {url}: {got.status}", got.status)
            return {"redirect": got.headers["Location"]}

    def _decide(self, origin: str, decision: str) -> None:
        if decision == "block" and not self.coop.fault("block-noop"):
            self.coop.blocked.add(origin)
        elif decision == "allow":
            self.coop.blocked.discard(origin)

    async def stop(self) -> None:
        """Stop serving."""
        await self._open.aclose()


def demo_sut(profiles: tuple[str, ...]) -> Sut:
    """Return what a `sut.toml` of the model server would say."""
    return Sut(
        profiles=profiles,
        software={"name": "minicoop", "version": "1.0.0"},
        base="",
        actors=(),
        driver=DriverSettings("c2s"),
        peer=PeerSettings(),
        limits=Limits(first_retry=Minicoop().first_retry),
        features={"cavage": True, "forwarding": True, "followers-sync": True, "restart": True},
    )
