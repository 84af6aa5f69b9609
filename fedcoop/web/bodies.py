"""Reading what was sent: at most so many bytes, not too slowly, of a type that we take, and as they came."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from fedcoop.errors import Malformed, TooLarge, Unavailable, UnsupportedMedia
from fedcoop.protocol import limits
from fedcoop.protocol.messages import RawRequest
from fedcoop.web.admission import Held
from fedcoop.web.negotiation import ACTIVITY_JSON, AS2_PROFILE, JSON, LD_JSON, Media

FEDERATED: Final = (ACTIVITY_JSON, LD_JSON)
"""What a peer may send to an inbox (ActivityPub §7)."""

FROM_CLIENTS: Final = (ACTIVITY_JSON, LD_JSON, JSON)
"""What a member's own client may send, with its token."""


async def raw_request(request: web.Request, *, accepted: tuple[Media, ...], held: Held) -> RawRequest:
    """Return the request as it came: target undecoded, every header line, the body's bytes.

    Raises:
        UnsupportedMedia: none of `accepted` (`unsupported-media-type`), or compressed (`content-encoding`).
        TooLarge: longer than `MAX_BODY`, as announced or as counted while reading.
        Unavailable: it came too slowly, or too many bodies are being read.
    """
    # (1) A compressed body is a small message that becomes a large one (CVE-2025-69223, CVE-2026-128131).
    if "Content-Encoding" in request.headers:
        raise UnsupportedMedia(
            "content-encoding",
            "Compressed bodies are not taken.",
            expected="no Content-Encoding",
            received=request.headers["Content-Encoding"],
        )
    # (2) The type says how to read it; a form cannot say application/activity+json.
    _check_type(request, accepted)
    body = await read_body(request, most=limits.MAX_BODY, held=held)
    return RawRequest(request.method, request.raw_path, tuple(request.headers.items()), body)


async def read_body(request: web.Request, *, most: int, held: Held | None = None) -> bytes:
    """Return the body's bytes, counted in `held`, or raise TooLarge or Unavailable with the rest not read."""
    # (1) What is announced as too large is not read at all.
    declared = request.content_length
    if declared is not None and declared > most:
        raise _too_large(most, declared)
    try:
        async with asyncio.timeout(limits.BODY_READ_TIME.total_seconds()):
            return await _collect(request, most, held)
    except TimeoutError:
        raise _too_slow() from None


async def _collect(request: web.Request, most: int, held: Held | None) -> bytes:
    clock = asyncio.get_running_loop().time
    began, grace = clock(), limits.BODY_GRACE.total_seconds()
    pieces: list[bytes] = []
    size = 0
    async for piece in request.content.iter_any():
        if held is not None:
            held.keep(len(piece))
        pieces.append(piece)
        size += len(piece)
        # (1) What was not announced, or announced falsely, is counted.
        if size > most:
            raise _too_large(most, size)
        # (2) A drip holds a connection, not a conversation.
        elapsed = clock() - began
        if elapsed > grace and size < elapsed * limits.MIN_BODY_RATE:
            raise _too_slow()
    return b"".join(pieces)


def _check_type(request: web.Request, accepted: tuple[Media, ...]) -> None:
    lines = request.headers.getall("Content-Type", [])
    if len(lines) > 1:
        raise Malformed(
            "malformed-request", "There is more than one Content-Type.", received=", ".join(lines)
        )
    name, _, parameters = (lines[0] if lines else "").partition(";")
    name = name.strip().lower()
    for media in accepted:
        if name == media.names[0] and not (
            media.profile and "profile" in parameters.lower() and AS2_PROFILE not in parameters
        ):
            return
    raise UnsupportedMedia(
        "unsupported-media-type",
        "This type of content is not taken here.",
        expected=" or ".join(media.shown for media in accepted),
        received=lines[0] if lines else "no Content-Type",
    )


def _too_large(most: int, received: int) -> TooLarge:
    return TooLarge(
        "too-large", "The body is too large.", expected=f"at most {most} bytes", received=f"{received} bytes"
    )


def _too_slow() -> Unavailable:
    retry_after = int(limits.BUSY_RETRY_AFTER.total_seconds())
    return Unavailable("unavailable", "The body came too slowly to wait for.", retry_after=retry_after)
