"""`events.ndjson`: what happens, one line each, while it happens. For whoever watches a run from another program."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import IO, Any, Protocol

from fedcoop_conformance.report import redact
from fedcoop_conformance.report.model import Footer, Header, Report


class Named(Protocol):
    """A test of the catalogue, as far as an event needs it."""

    @property
    def id(self) -> str: ...


class Told(Protocol):
    """A result, as far as an event needs it."""

    def to_json(self) -> dict[str, Any]: ...


class Events:
    """Writes each event at once. Lines: `run`, then `started` and `result` per test, then `finished`."""

    def __init__(self, file: IO[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._began = clock()

    def run(self, header: Header) -> None:
        """The run begins."""
        self._say("run", header=Report(header, (), Footer("", {}, ())).to_json()["header"])

    def started(self, test: Named) -> None:
        """A test begins."""
        self._say("started", id=test.id)

    def result(self, result: Told) -> None:
        """A test has ended."""
        self._say("result", **result.to_json())

    def finished(self, report: Report) -> None:
        """The run has ended; without this line it was cut short."""
        self._say("finished", **report.to_json()["footer"])

    def _say(self, event: str, **members: Any) -> None:
        line = {"event": event, "atMs": int((self._clock() - self._began) * 1000), **members}
        self._file.write(redact.text(json.dumps(line, ensure_ascii=False, separators=(",", ":"))) + "\n")
        self._file.flush()
