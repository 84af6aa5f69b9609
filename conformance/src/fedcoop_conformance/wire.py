"""The suite's HTTP client: sends exactly the headers it is given, follows nothing, and keeps what came back."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from fedcoop_conformance.peer.server import written
from fedcoop_conformance.transcript import Transcript

_NOT_OURS = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


class NoAnswer(Exception):
    """The server under test gave no answer: it could not be reached, broke off, or was silent for too long."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the server under test; `ms` is the time it took, `exchange` its number in the transcript."""

    url: str
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    ms: int
    exchange: int

    @property
    def json(self) -> Any:
        """Return the body as JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def media(self) -> str:
        """Return the media type without its parameters, in lower case."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def ok(self) -> bool:
        """Return whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def problem(self) -> str | None:
        """Return the code of an RFC 9457 problem document: the last segment of its `type`; None where there is none."""
        found = self.json
        kind = found.get("type") if isinstance(found, Mapping) else None
        return kind.rstrip("/").rpartition("/")[2] if isinstance(kind, str) else None

    def told(self) -> str:
        """Return status and problem in one short line, for a report."""
        return f"{self.status} {self.problem or self.media or 'without content'} after {self.ms} ms"


class Wire:
    """One client for a run, or one for each of several tests at once."""

    def __init__(self, transcript: Transcript, *, timeout: float, tls: ssl.SSLContext | None = None) -> None:
        self.timeout = timeout
        self._transcript = transcript
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=64, ssl=self._tls or True)
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        within: float | None = None,
    ) -> Reply:
        """Send one request; the URL goes out as it is written.

        Raises:
            NoAnswer: nothing came back in time, or the connection failed.
        """
        assert self._session is not None, "a Wire is used inside `async with`"
        told = CIMultiDict(headers)
        told.setdefault("User-Agent", "fedcoop-conformance")
        began = time.monotonic()
        try:
            async with (
                asyncio.timeout(within or self.timeout),
                self._session.request(
                    method,
                    URL(url, encoded=True),
                    headers=told,
                    data=body,
                    allow_redirects=False,
                    skip_auto_headers=_NOT_OURS,
                ) as got,
            ):
                answer = await got.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as failure:
            why = "no answer in time" if isinstance(failure, TimeoutError) else str(failure)
            self._keep(method, url, told, body, None)
            raise NoAnswer(f"{method} {url}: {why}") from failure
        response = written(f"HTTP/1.1 {got.status} {got.reason}", got.headers.items(), answer)
        exchange = self._keep(method, url, told, body, response)
        return Reply(url, got.status, got.headers, answer, int((time.monotonic() - began) * 1000), exchange)

    def _keep(
        self, method: str, url: str, headers: CIMultiDict[str], body: bytes | None, response: bytes | None
    ) -> int:
        return self._transcript.record(
            direction="out",
            peer="suite",
            request=written(f"{method} {url} HTTP/1.1", headers.items(), body or b""),
            response=response,
            at_ms=int(time.monotonic() * 1000),
        )
