"""What this server owes: one lane for each inbox, in order, tried until it is taken, refused for good, or too late."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any, Final

import aiohttp

from fedcoop_conformance.minicoop.world import ACTIVITY_JSON, Local, Minicoop, origin_of, sign

TRIES: Final = 6
GROWTH: Final = 3
"""By so much each wait is longer than the one before."""
POST_TIME: Final = 5.0
FINAL: Final = frozenset({400, 403, 404, 409, 413, 415, 422, 501})
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
WHOLE: Final = 200


@dataclass(frozen=True)
class Owed:
    """One message to one inbox; `headers` go with it and are signed."""

    sender: Local
    inbox: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Lane:
    """What one inbox is owed, the first in line at work."""

    owed: deque[Owed] = field(default_factory=deque)
    failing: bool = False
    task: asyncio.Task[Any] | None = None


@dataclass(frozen=True)
class Said:
    """What an inbox answered: `status` is None where nothing came back."""

    status: int | None
    retry_after: float | None = None
    location: str | None = None


def owe(coop: Minicoop, item: Owed) -> None:
    """Put a message at the end of its inbox's lane. Nothing is owed to a server that was blocked (peer/05)."""
    blocked = origin_of(item.inbox) in coop.blocked and not coop.fault("block-inbound-only")
    if blocked or coop.fault("no-delivery"):
        return
    lane = coop.lanes.setdefault("" if coop.fault("hol-blocking") else item.inbox, Lane())
    if lane.failing and coop.fault("drop-on-partition"):
        return
    lane.owed.append(item)
    _wake(coop, lane)


def begin_again(coop: Minicoop) -> None:
    """Do what a stop and a start do: what was under way is broken off, and what is owed is taken up from the store."""
    for lane in coop.lanes.values():
        if lane.task is not None:
            lane.task.cancel()
    if coop.fault("queue-volatile"):
        coop.lanes.clear()
    for lane in coop.lanes.values():
        lane.task = None
        _wake(coop, lane)


def _wake(coop: Minicoop, lane: Lane) -> None:
    if lane.owed and (lane.task is None or lane.task.done()):
        lane.task = coop.spawn(_serve(coop, lane))


async def _serve(coop: Minicoop, lane: Lane) -> None:
    while lane.owed:
        item = lane.owed[-1 if coop.fault("lifo-lane") else 0]
        await _deliver(coop, lane, item)
        lane.owed.remove(item)


async def _deliver(coop: Minicoop, lane: Lane, item: Owed) -> None:
    """Try until it is over: taken, refused for good, or tried often enough."""
    wait = coop.first_retry
    for _ in range(TRIES):
        said = await _knock(coop, item)
        lane.failing = not over(coop, said.status)
        if not lane.failing:
            return
        asked = 0.0 if coop.fault("ignore-retry-after") else said.retry_after or 0.0
        await asyncio.sleep(max(asked, wait if coop.fault("hammer") else wait * coop.rng.uniform(0.9, 1.1)))
        if coop.fault("retry-rewrites"):
            item = replace(item, body=item.body + b"\n")
        if not coop.fault("hammer"):
            wait *= GROWTH


def over(coop: Minicoop, status: int | None) -> bool:
    """Tell whether an answer ends a delivery."""
    match status:
        case None:
            return coop.fault("no-retry-conn")
        case 410:
            return not coop.fault("retry-410")
        case _ if status < 300:
            return status == WHOLE or not coop.fault("only-200")
        case _ if status in FINAL:
            return not coop.fault("retry-4xx-forever")
        case _:
            return coop.fault("no-retry")


async def _knock(coop: Minicoop, item: Owed) -> Said:
    """Make one attempt, in the other dialect too after a 401."""
    dialects = [_rfc9421, _cavage]
    if origin_of(item.inbox) in coop.prefers_cavage:
        dialects.reverse()
    said = Said(None)
    for number, dialect in enumerate(dialects):
        said = await _post(coop, item.inbox, item.body, dialect(coop, item))
        if said.status in REDIRECTS and said.location and coop.fault("follow-cross-origin"):
            said = await _post(coop, said.location, item.body, dialect(coop, item))
        if said.status != 401 or coop.fault("no-double-knock"):
            if number == 1 and said.status is not None and said.status < 300 and not coop.fault("no-memory"):
                coop.prefers_cavage ^= {origin_of(item.inbox)}
            break
    return said


async def _post(coop: Minicoop, inbox: str, body: bytes, headers: Mapping[str, str]) -> Said:
    assert coop.session is not None
    try:
        async with (
            asyncio.timeout(POST_TIME),
            coop.session.post(inbox, data=body, headers=headers, allow_redirects=False) as got,
        ):
            after = got.headers.get("Retry-After", "")
            seconds = float(after) if after.isdigit() else None
            return Said(got.status, seconds, got.headers.get("Location"))
    except (aiohttp.ClientError, OSError, TimeoutError):
        return Said(None)


def _media(coop: Minicoop) -> str:
    return "application/json" if coop.fault("wrong-ctype") else ACTIVITY_JSON


def _rfc9421(coop: Minicoop, item: Owed) -> dict[str, str]:
    hashed = hashlib.sha256(item.body if not coop.fault("out-digest-wrong") else item.body + b" ").digest()
    headers = {
        "Content-Type": _media(coop),
        "Content-Digest": f"sha-256=:{base64.b64encode(hashed).decode()}:",
        **item.headers,
    }
    return headers if coop.fault("unsigned-out") else sign(coop, item.sender, "POST", item.inbox, headers)


def _cavage(coop: Minicoop, item: Owed) -> dict[str, str]:
    """Return the headers of a POST, signed by draft-cavage-http-signatures-12 with Ed25519."""
    _, _, host, path = item.inbox.split("/", 3)
    values = {
        "host": host,
        "date": formatdate(coop.now(), usegmt=True),
        "digest": f"SHA-256={base64.b64encode(hashlib.sha256(item.body).digest()).decode()}",
    }
    lines = [f"(request-target): post /{path}", *(f"{name}: {value}" for name, value in values.items())]
    signature = base64.b64encode(coop.signing_key(item.sender).sign("\n".join(lines).encode())).decode()
    covered = "(request-target) host date digest"
    said = (
        f'keyId="{coop.key_id(item.sender)}",algorithm="hs2019",headers="{covered}",signature="{signature}"'
    )
    return {
        "Content-Type": _media(coop),
        "Date": values["date"],
        "Digest": values["digest"],
        "Signature": said,
    }
