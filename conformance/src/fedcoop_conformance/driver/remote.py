"""Drivers in any language: JSON lines to a command (`stdio`), or POSTs to an address (`hook`). Both speak
`fedcoop-driver/1`: `{"v": 1, "seq": 17, "op": "outbox.post", "args": {…}}` is answered by
`{"seq": 17, "ok": true, "result": …}`, `{"seq": 17, "ok": false, "unsupported": true}` or
`{"seq": 17, "ok": false, "error": {"message": "…", "status": 409}}`.

A command may also start the server: its first answer, to `hello`, may hold `base` and `actors`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from fedcoop_conformance.driver.base import (
    OPS,
    Declined,
    DriverFault,
    Evidence,
    PeersKnown,
    Ready,
    Unsupported,
)
from fedcoop_conformance.sut import SutActor

START_TIME: Final = 60.0
CALL_TIME: Final = 30.0
STOP_TIME: Final = 30.0
LINE: Final = 16 * 1024 * 1024


class Remote:
    """The protocol; `_ask` is the transport."""

    evidence = Evidence.TESTIMONY

    def __init__(self) -> None:
        self._seq = 0
        self._ops: frozenset[str] | None = None
        self._turn = asyncio.Lock()

    def ops(self) -> Collection[str]:
        """Return what the adapter says that it can do; all, where it does not say."""
        return OPS if self._ops is None else self._ops

    async def start(self, peers: PeersKnown) -> Ready | None:
        """Say hello; return the server where the adapter names it."""
        said = await self._call(
            "hello",
            {"admit": list(peers.admitted), "reach": list(peers.everybody), "ca": peers.ca_file},
            START_TIME,
        )
        if not isinstance(said, Mapping):
            raise DriverFault(f"hello was answered by {said!r}, and not by an object")
        ops = said.get("ops")
        self._ops = frozenset(map(str, ops)) if isinstance(ops, list) else None
        return ready(said) if "base" in said else None

    async def call(self, op: str, args: Mapping[str, Any]) -> Any:
        """Do one operation, as `Driver.call`."""
        if self._ops is not None and op not in self._ops:
            raise Unsupported(op)
        return await self._call(op, args, CALL_TIME)

    async def stop(self) -> None:
        """Say that it is over; nothing else is awaited of a hook."""
        with contextlib.suppress(DriverFault, Unsupported, Declined):
            await self._call("stop", {}, STOP_TIME)

    async def _call(self, op: str, args: Mapping[str, Any], within: float) -> Any:
        async with self._turn:
            self._seq += 1
            question = {"v": 1, "seq": self._seq, "op": op, "args": dict(args)}
            try:
                async with asyncio.timeout(within):
                    answer = await self._ask(question)
            except TimeoutError as silence:
                raise DriverFault(f"the adapter did not answer {op} within {within:.0f} s") from silence
        return result(op, self._seq, answer)

    async def _ask(self, question: Mapping[str, Any]) -> Any:
        raise NotImplementedError


def result(op: str, seq: int, answer: Any) -> Any:
    """Return what an answer says.

    Raises:
        Unsupported, Declined: it says so. DriverFault: it is no answer, or to another question.
    """
    if not isinstance(answer, Mapping) or answer.get("seq") != seq:
        raise DriverFault(f"{op} (seq {seq}) was answered by {str(answer)[:200]}")
    match answer:
        case {"ok": True}:
            return answer.get("result")
        case {"unsupported": True}:
            raise Unsupported(op)
        case {"error": {"message": str(message), **more}}:
            status = more.get("status")
            raise Declined(message, status if isinstance(status, int) else None)
        case _:
            raise DriverFault(f"{op} was answered by {str(answer)[:200]}")


def ready(said: Mapping[str, Any]) -> Ready:
    """Return the server that a ready line names (conformance/PROTOCOL.md §2).

    Raises:
        DriverFault: it names none.
    """
    try:
        actors = [
            SutActor(one["id"], one["inbox"], one["outbox"], one["role"], one.get("token"))
            for one in said["actors"]
        ]
        return Ready(str(said["base"]), actors)
    except (KeyError, TypeError) as failure:
        raise DriverFault(f"the ready line lacks {failure}: {str(said)[:200]}") from failure


class Stdio(Remote):
    """A command, in the folder of `sut.toml`; its standard error goes to `log`."""

    def __init__(self, command: Sequence[str], *, folder: Path, log: Path | None = None) -> None:
        super().__init__()
        self._command = command
        self._folder = folder
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, peers: PeersKnown) -> Ready | None:
        """Start the command, and say hello to it."""
        log = self._log.open("ab") if self._log else None
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=self._folder,
                env=dict(os.environ),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=LINE,
            )
        except OSError as failure:
            raise DriverFault(f"{self._command[0]}: {failure}") from failure
        finally:
            if log:
                log.close()
        return await super().start(peers)

    async def stop(self) -> None:
        """Say that it is over, close its input, and end it where it does not end by itself."""
        if self._process is None or self._process.returncode is not None:
            return
        await super().stop()
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_TIME)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _ask(self, question: Mapping[str, Any]) -> Any:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(question, ensure_ascii=False).encode() + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
        except (OSError, ValueError) as failure:
            raise DriverFault(f"the adapter's pipe broke: {failure}") from failure
        if not line:
            raise DriverFault(
                f"the adapter ended (status {process.returncode}) when asked for {question['op']}"
            )
        try:
            return json.loads(line)
        except ValueError as failure:
            raise DriverFault(f"the adapter wrote what is no JSON: {line[:200]!r}") from failure


class Hook(Remote):
    """An address that takes the same questions as POSTs, with a bearer token where one is given."""

    def __init__(self, url: str, token: str = "") -> None:
        super().__init__()
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def _ask(self, question: Mapping[str, Any]) -> Any:
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers) as session,
                session.post(self._url, json=dict(question)) as answer,
            ):
                if answer.status != 200:
                    raise DriverFault(f"{self._url} answered {answer.status} to {question['op']}")
                return await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            raise DriverFault(f"{self._url}: {failure}") from failure
