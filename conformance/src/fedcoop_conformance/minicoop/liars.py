"""Drivers that do not tell the truth: whatever one of them makes pass, was never tested."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from fedcoop_conformance.driver.base import DriverFault, Evidence, PeersKnown, Ready, Unsupported

Lie = Callable[["Liar", str, Mapping[str, Any]], Any]


def _says_yes(liar: Liar, op: str, args: Mapping[str, Any]) -> Any:
    """Whatever is asked for is there."""
    if op == "observe":
        return {"seen": True, "object": {"id": args["id"]}}
    raise Unsupported(op)


def _says_no(liar: Liar, op: str, args: Mapping[str, Any]) -> Any:
    """Whatever is asked for is not there."""
    if op == "observe":
        return {"seen": False}
    raise Unsupported(op)


def _replays(liar: Liar, op: str, args: Mapping[str, Any]) -> Any:
    """The second and every later look shows what the first one showed."""
    if op != "observe":
        raise Unsupported(op)
    liar.first = liar.first or {"seen": True, "object": {"id": args["id"]}}
    return liar.first


def _crashes(liar: Liar, op: str, args: Mapping[str, Any]) -> Any:
    raise DriverFault("the adapter ended")


KINDS: Final[Mapping[str, Lie]] = {
    "says-yes": _says_yes,
    "says-no": _says_no,
    "replays": _replays,
    "crashes": _crashes,
}


class Liar:
    """Stands before the true driver and answers what it can."""

    evidence = Evidence.TESTIMONY

    def __init__(self, kind: str) -> None:
        self._lie = KINDS[kind]
        self.first: Any = None

    def ops(self) -> Collection[str]:
        """Return what it lies about."""
        return ("observe",)

    async def start(self, peers: PeersKnown) -> Ready | None:
        """It knows no server."""
        return None

    async def call(self, op: str, args: Mapping[str, Any]) -> Any:
        """Lie."""
        await asyncio.sleep(0)
        return self._lie(self, op, args)

    async def stop(self) -> None:
        """Nothing was started."""
