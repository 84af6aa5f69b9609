"""From `sut.toml` to a stage on which tests are played: peers, driver, the server, and what it announces."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from fedcoop_conformance.calibrate import calibrated
from fedcoop_conformance.case import Stage, Times
from fedcoop_conformance.driver.base import Chain, Driver, DriverFault, PeersKnown, Ready
from fedcoop_conformance.driver.c2s import C2s
from fedcoop_conformance.driver.remote import Hook, Stdio
from fedcoop_conformance.peer.actors import ED25519, Kind
from fedcoop_conformance.peer.server import Peers
from fedcoop_conformance.sut import BadSut, Sut
from fedcoop_conformance.transcript import Transcript
from fedcoop_conformance.wire import NoAnswer, Wire

FIRST_TIMEOUT: Final = 5.0


@contextlib.asynccontextmanager
async def opened(
    sut: Sut,
    *,
    seed: str,
    transcript: Transcript,
    scale: float = 1.0,
    log: Path | None = None,
    drivers: Callable[[Wire, Callable[[], Ready | None]], Sequence[Driver]] | None = None,
    times: Times | None = None,
) -> AsyncIterator[Stage]:
    """Start the peers and the driver, find the server and measure it; everything ends with the block.

    Raises:
        DriverFault: the driver cannot be had, or nobody says where the server is.
    """
    peers = Peers(transcript)
    tls: ssl.SSLContext | None = None
    await peers.start(host=sut.peer.host, ports=sut.peer.ports, tls=tls)
    async with Wire(transcript, timeout=FIRST_TIMEOUT * (times.scale if times else scale)) as wire:
        found: Ready | None = Ready(sut.base, sut.actors) if sut.base and sut.actors else None

        def server() -> Ready | None:
            return found

        chain = Chain(drivers(wire, server) if drivers else driven(sut, wire, server, log))
        try:
            said = await chain.start(PeersKnown(peers.admitted, peers.everybody))
            found = said or found
            if found is None:
                raise DriverFault("Neither sut.toml nor the driver says where the server and its actors are.")
            stage = Stage(sut, found, peers, wire, chain, Times(scale=scale), "probe", seed)
            said_of_it = await announced(stage)
            signs: Kind = "ed25519" if ED25519 in said_of_it else "rsa"
            stage = replace(stage, announced=said_of_it, signs=signs)
            yield await calibrated(stage) if times is None else replace(stage, times=times)
        finally:
            await chain.stop()
            await peers.stop()


def driven(sut: Sut, wire: Wire, server: Callable[[], Ready | None], log: Path | None) -> list[Driver]:
    """Return the drivers that `sut.toml` names, in their order.

    Raises:
        BadSut: one of them is not known.
    """
    said = sut.driver
    made: list[Driver] = []
    for kind in (said.kind, *said.fallback):
        match kind:
            case "c2s":
                made.append(C2s(wire, server))
            case "stdio":
                made.append(Stdio(said.command, folder=sut.folder, log=log))
            case "hook":
                made.append(Hook(said.url, said.token))
            case _:
                raise BadSut(f"driver: there is no kind {kind}")
    return made


async def announced(stage: Stage) -> frozenset[str]:
    """Return what the server announces: `generator.implements` of its actors (FEP-844e), and NodeInfo's profiles."""
    found: set[str] = set()
    for actor in stage.ready.actors:
        with contextlib.suppress(NoAnswer):
            reply = await stage.wire.send("GET", actor.id, headers={"Accept": "application/activity+json"})
            document = reply.json if isinstance(reply.json, dict) else {}
            generator = document.get("generator")
            said = generator.get("implements", []) if isinstance(generator, dict) else []
            for one in said if isinstance(said, list) else [said]:
                href = one.get("href", one.get("id")) if isinstance(one, dict) else one
                found |= {href} if isinstance(href, str) else set()
    return frozenset(found)
