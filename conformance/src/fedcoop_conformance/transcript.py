"""Everything that went over the wire, in order: for people as files, for checking as a chain.

`transcript/118.http` is one exchange as text. `transcript.ndjson.gz` holds all of them, one line each, and each line
carries the digest of the one before, so that nothing can be taken out, changed or put in between without a trace. Both
are redacted before they are written; long messages are cut, and say so.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Literal, Self

from fedcoop_conformance.crypto import jcs
from fedcoop_conformance.report import redact

KIB: Final = 1024
MAX_MESSAGE: Final = 64 * KIB
"""Of each request and response this much is kept: oversized ones are sent on purpose, and their rest proves nothing."""
MAX_LINE: Final = 256 * KIB
"""Two messages of that size in base64, with room for the rest."""
MAX_LINES: Final = 100_000
"""Thirty times a whole run: a transcript from a stranger is read no further."""
SCHEMA: Final = "fedcoop-transcript/1"

Direction = Literal["in", "out"]


class TranscriptInvalid(ValueError):
    """A transcript that was changed, cut short, or is none. `line` is where it shows, counted from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer. `out` is what the suite sent, `in` what reached one of its peers."""

    number: int
    direction: Direction
    peer: str
    at_ms: int
    """Since the first exchange."""
    request: bytes
    response: bytes | None


@dataclass(frozen=True, slots=True)
class Chain:
    """A transcript whose chain is whole. `digest` is that of its last line, and so of all of it."""

    exchanges: tuple[Exchange, ...]
    digest: str


class Transcript:
    """Numbers exchanges and keeps them: in memory, and under a folder when it is given one.

    Use it in a `with` or call `close`: without its last line a transcript is not whole.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._kept: dict[int, Exchange] = {}
        self._began: int | None = None
        self._previous: str | None = None
        self._file: IO[bytes] | None = None
        self._chain: gzip.GzipFile | None = None
        if folder is not None:
            (folder / "transcript").mkdir(parents=True, exist_ok=True)
            # No name and no time inside: the same run gives the same bytes.
            self._file = (folder / "transcript.ndjson.gz").open("wb")
            self._chain = gzip.GzipFile("", "wb", fileobj=self._file, mtime=0)
        self._say({"schema": SCHEMA})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def record(self, *, direction: str, peer: str, request: bytes, response: bytes | None, at_ms: int) -> int:
        """Keep one exchange, redacted; return its number. `response` is None where no answer came."""
        if self._began is None:
            self._began = at_ms
        exchange = Exchange(
            number=len(self._kept) + 1,
            direction="in" if direction == "in" else "out",
            peer=peer,
            at_ms=at_ms - self._began,
            request=_kept(request),
            response=None if response is None else _kept(response),
        )
        self._kept[exchange.number] = exchange
        self._say(_line(exchange))
        if self._folder is not None:
            (self._folder / "transcript" / file_name(exchange.number)).write_bytes(as_text(exchange))
        return exchange.number

    def __getitem__(self, number: int) -> Exchange:
        """Return an exchange by its number.

        Raises:
            KeyError: there is none.
        """
        return self._kept[number]

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    def close(self) -> None:
        """Write the last line. Nothing may be recorded afterwards."""
        if self._chain is None or self._file is None:
            return
        self._say({"exchanges": len(self._kept)})
        self._chain.close()
        self._file.close()
        self._chain = self._file = None

    def _say(self, members: Mapping[str, Any]) -> None:
        if self._chain is None:
            return
        line = jcs.canonical({**members, "previous": self._previous})
        self._chain.write(line + b"\n")
        self._previous = _digest(line)


def file_name(number: int) -> str:
    """Return the name of an exchange's file under `transcript/`."""
    return f"{number:03d}.http"


def as_text(exchange: Exchange) -> bytes:
    """Return an exchange as people read it: where it went, the request, the answer."""
    ends = (exchange.peer, "server under test")
    way = " -> ".join(ends if exchange.direction == "out" else ends[::-1])
    head = f"### {exchange.number} {way}, at {exchange.at_ms} ms\n".encode()
    answer = b"### no answer\n" if exchange.response is None else b"### answer\n" + exchange.response + b"\n"
    return head + exchange.request + b"\n\n" + answer


def verify(path: Path) -> Chain:
    """Return what a `transcript.ndjson.gz` holds, when its chain is whole.

    Raises:
        TranscriptInvalid: a line was changed, removed, added or moved, the end is missing, or it is no transcript.
        OSError: the file cannot be read.
    """
    exchanges: list[Exchange] = []
    previous: str | None = None
    ended = number = 0
    for number, line in enumerate(_lines(path), start=1):
        said = _object(number, line)
        if said.get("previous") != previous:
            raise TranscriptInvalid(number, "it does not follow from the line before")
        if ended:
            raise TranscriptInvalid(number, "it comes after the end")
        if number == 1:
            if said != {"schema": SCHEMA, "previous": None}:
                raise TranscriptInvalid(number, f"this is not a {SCHEMA}")
        elif "exchanges" in said:
            if said["exchanges"] != len(exchanges):
                raise TranscriptInvalid(
                    number, f"{said['exchanges']} exchanges were kept, {len(exchanges)} are here"
                )
            ended = number
        else:
            exchanges.append(_exchange(number, said, expected=len(exchanges) + 1))
        previous = _digest(line)
    if not ended or previous is None:
        raise TranscriptInvalid(number + 1, "the end is missing")
    return Chain(tuple(exchanges), previous)


# ---------------------------------------------------------------------------------------------------- the file


def _kept(message: bytes) -> bytes:
    if len(message) <= MAX_MESSAGE:
        return redact.octets(message)
    mark = f"\n[cut: {len(message)} bytes in all, {_digest(message)}]".encode()
    return redact.octets(message[:MAX_MESSAGE]) + mark


def _digest(content: bytes) -> str:
    """Return the sha2-256 multihash in multibase base64url."""
    return "u" + _base64(b"\x12\x20" + hashlib.sha256(content).digest())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _line(exchange: Exchange) -> dict[str, Any]:
    return {
        "n": exchange.number,
        "direction": exchange.direction,
        "peer": exchange.peer,
        "atMs": exchange.at_ms,
        "request": _base64(exchange.request),
        "response": None if exchange.response is None else _base64(exchange.response),
    }


def _lines(path: Path) -> Iterator[bytes]:
    number = 0
    try:
        with gzip.open(path, "rb") as file:
            while line := file.readline(MAX_LINE + 1):
                number += 1
                if not line.endswith(b"\n") or number > MAX_LINES:
                    raise TranscriptInvalid(number, "it is cut short, too long, or one too many")
                yield line[:-1]
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TranscriptInvalid(number + 1, "the file is broken here") from error


def _object(number: int, line: bytes) -> Mapping[str, Any]:
    try:
        said = jcs.parse(line)
    except jcs.NotIJson as error:
        raise TranscriptInvalid(number, f"no JSON: {error}") from error
    if not isinstance(said, dict):
        raise TranscriptInvalid(number, "no object")
    return said


def _exchange(number: int, said: Mapping[str, Any], *, expected: int) -> Exchange:
    if said.get("n") != expected:
        raise TranscriptInvalid(number, f"exchange {expected} is due")
    try:
        direction: Direction = {"in": "in", "out": "out"}[said["direction"]]  # type: ignore[assignment]
        response = said["response"]
        return Exchange(
            number=expected,
            direction=direction,
            peer=str(said["peer"]),
            at_ms=int(said["atMs"]),
            request=_octets(said["request"]),
            response=None if response is None else _octets(response),
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise TranscriptInvalid(number, "this is no exchange") from error


def _octets(said: str) -> bytes:
    return base64.b64decode(said + "=" * (-len(said) % 4), altchars=b"-_", validate=True)
