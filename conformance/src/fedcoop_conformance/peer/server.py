"""The suite's own servers: several origins on this machine that answer as they are told and keep what reaches them.

What a peer receives is evidence; what anybody reports is testimony. Therefore every request that reaches an origin is
kept, expected or not, with its bytes and its time, and most expectations are about these.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aiohttp import web

from fedcoop_conformance.transcript import Transcript

Role = Literal["honest", "second", "malicious", "faulty", "relay", "stranger"]
ROLES: Final[tuple[Role, ...]] = ("honest", "second", "malicious", "faulty", "relay", "stranger")
"""One origin each. All but `stranger` are to be admitted by the server under test; `faulty` alone fails on purpose, so
that no server's patience with it leaks into other tests."""

ACTIVITY_JSON: Final = "application/activity+json"
MAX_BODY: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What an origin says to a request. `choose` decides by the request; `play` misbehaves below HTTP."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    choose: Callable[[web.Request], Answer] | None = None
    play: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None

    @classmethod
    def of(cls, document: Any, *, status: int = 200, media: str = ACTIVITY_JSON) -> Answer:
        """Return the answer that carries a JSON document."""
        return cls(status, json.dumps(document, ensure_ascii=False).encode(), {"Content-Type": media})


NOT_FOUND: Final = Answer(404)
TAKEN: Final = Answer(202)


@dataclass(frozen=True, slots=True)
class Received:
    """A request that reached an origin: `at` in seconds of the monotonic clock, `exchange` in the transcript."""

    origin: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float
    exchange: int

    @property
    def path(self) -> str:
        """Return the target without its query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """Return a header's value, several joined as RFC 9110 §5.3 has it; None where it is absent."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def json(self) -> Any:
        """Return the body as JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


Matches = Callable[[Received], bool]


class Origin:
    """One scheme, host and port. Paths answer with what was put there; scripts go first, one answer a request."""

    def __init__(self, role: Role, transcript: Transcript) -> None:
        self.role: Final = role
        self.base = ""
        self.received: list[Received] = []
        self._transcript = transcript
        self._pages: dict[tuple[str, str], Answer] = {}
        self._scripts: dict[tuple[str, str], deque[Answer]] = defaultdict(deque)
        self._watchers: list[asyncio.Event] = []
        self._runner: web.AppRunner | None = None
        self._back: Callable[[], Awaitable[None]] | None = None
        self.turn: Final = asyncio.Lock()
        """Held by a test that changes what the server under test thinks of this origin: one at a time."""

    async def start(self, *, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Listen; port 0 takes a free one. `base` is known afterwards."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=tls)
        await site.start()
        bound = self._runner.addresses[0][1]
        self.base = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{bound}"
        self._back = lambda: self.start(host=host, port=bound, tls=tls)

    @contextlib.asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Refuse every connection as long as the block lasts, and then listen at the same address again."""
        assert self._back is not None, "an origin that never was there cannot go away"
        await self.stop()
        try:
            yield
        finally:
            await self._back()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    def put(self, path: str, answer: Answer, *, method: str = "GET") -> str:
        """Answer requests of a path with this from now on; returns its URL."""
        self._pages[method, path] = answer
        return self.base + path

    def script(self, method: str, path: str, answers: Iterable[Answer]) -> None:
        """Answer the next requests of this method and path with these, in their order."""
        self._scripts[method, path].extend(answers)

    def seen(self, matches: Matches, *, since: int = 0) -> list[Received]:
        """Return what has arrived so far and matches, from the `since`-th request on."""
        return [one for one in self.received[since:] if matches(one)]

    async def wait(
        self, matches: Matches, *, within: float, since: int = 0, count: int = 1
    ) -> list[Received]:
        """Return what matches as soon as there are `count` of it, or what there is after `within` seconds."""
        deadline = asyncio.get_running_loop().time() + within
        event = asyncio.Event()
        self._watchers.append(event)
        try:
            while True:
                event.clear()
                found = self.seen(matches, since=since)
                left = deadline - asyncio.get_running_loop().time()
                if len(found) >= count or left <= 0:
                    return found
                try:
                    await asyncio.wait_for(event.wait(), left)
                except TimeoutError:
                    return self.seen(matches, since=since)
        finally:
            self._watchers.remove(event)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        answer = self._chosen(request.method, request.path)
        if answer.choose is not None:
            answer = answer.choose(request)
        reply = web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        self._keep(request, body, reply)
        if answer.delay:
            await asyncio.sleep(answer.delay)
        return reply if answer.play is None else await answer.play(request)

    def _chosen(self, method: str, path: str) -> Answer:
        script = self._scripts.get((method, path))
        if script:
            return script.popleft()
        reads = method in {"GET", "HEAD"}
        return self._pages.get(("GET" if reads else method, path), NOT_FOUND if reads else TAKEN)

    def _keep(self, request: web.Request, body: bytes, reply: web.Response) -> None:
        headers = tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in request.raw_headers)
        exchange = self._transcript.record(
            direction="in",
            peer=self.role,
            request=written(f"{request.method} {request.path_qs} HTTP/1.1", headers, body),
            response=written(f"HTTP/1.1 {reply.status}", reply.headers.items(), bytes(reply.body or b"")),  # type: ignore[arg-type]
            at_ms=int(time.monotonic() * 1000),
        )
        self.received.append(
            Received(self.base, request.method, request.path_qs, headers, body, time.monotonic(), exchange)
        )
        for watcher in self._watchers:
            watcher.set()


def written(first: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """Return a message as it stands on the wire, for the transcript."""
    lines = [first, *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + body


class Peers:
    """All origins of a run, by role."""

    def __init__(self, transcript: Transcript) -> None:
        self.origins: Final[Mapping[Role, Origin]] = {role: Origin(role, transcript) for role in ROLES}

    async def start(
        self, *, host: str = "127.0.0.1", ports: Sequence[int] = (), tls: ssl.SSLContext | None = None
    ) -> None:
        """Start every origin, on these ports in the order of `ROLES`, or on free ones."""
        for number, origin in enumerate(self.origins.values()):
            await origin.start(host=host, port=ports[number] if number < len(ports) else 0, tls=tls)

    async def stop(self) -> None:
        """Stop every origin."""
        await asyncio.gather(*(origin.stop() for origin in self.origins.values()))

    def __getitem__(self, role: Role) -> Origin:
        return self.origins[role]

    @property
    def admitted(self) -> list[str]:
        """Return the origins that the server under test is to admit."""
        return [origin.base for role, origin in self.origins.items() if role != "stranger"]

    @property
    def everybody(self) -> list[str]:
        """Return every origin: the server under test has to be able to fetch from all of them."""
        return [origin.base for origin in self.origins.values()]
