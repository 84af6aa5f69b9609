"""Carries signed activities to inboxes and brings back what the peer said (wire.md §1.4, §2.1)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
import yarl

from fedcoop.errors import Malformed, Refused, Unavailable
from fedcoop.net.client import TRANSPORT_FAILURES, Slots, failure_of
from fedcoop.net.knocking import CLOSED, Attempt, Knocker, is_about_the_signature
from fedcoop.ports import Answer, Clock, Courier
from fedcoop.protocol import ids, limits, strict_json
from fedcoop.protocol.following import HEADER

MAX_DETAIL: Final = 500
"""Characters kept of what a peer says went wrong: it is shown to people, and written by a stranger."""

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class HttpCourier(Courier):
    """Posts over one guarded session, signed as the receiving server is known to take it; else twice at most."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        knocker: Knocker,
        clock: Clock,
        *,
        allow_origins: frozenset[str] = frozenset(),
        time: timedelta = limits.DELIVERY_TIME,
    ) -> None:
        """`session` is of `client.open_session`; `time` is for one delivery, the answer included."""
        self._session = session
        self._knocker = knocker
        self._clock = clock
        self._allow_origins = allow_origins
        self._time = time
        self._slots = Slots(each=limits.MAX_POSTS_PER_DESTINATION, total=limits.MAX_POSTS_AT_ONCE)

    async def post(
        self, *, inbox: str, body: bytes, sender: str, synchronisation: str | None = None
    ) -> Answer:
        """Sign as `sender`, post `body` to `inbox`, and return the answer, whatever its status.

        `synchronisation` goes along as a header, signed with the rest (FEP-8fcf).

        Raises:
            Unavailable: no answer came; `extra["reason"]` is a word of `client.failure_of`. `address-refused`
                will not change by waiting: the inbox is where we do not post.
            Misconfigured: `sender` has no key here.
        """
        try:
            # (1) An inbox is a stranger's word too: it passes the check of every other URL (SSRF-21).
            ids.check_id(inbox, allow_origins=self._allow_origins)
        except Malformed as error:
            raise _no_answer(inbox, "address-refused") from error
        more = {HEADER: synchronisation} if synchronisation is not None else {}
        async with self._slots.hold(ids.origin(inbox)):
            try:
                # (2) However slowly they answer, the lane is free again in time.
                async with asyncio.timeout(self._time.total_seconds()):
                    return await self._post(inbox, body, sender, more)
            except TRANSPORT_FAILURES as error:
                raise _no_answer(inbox, failure_of(error)) from error

    async def _post(self, inbox: str, body: bytes, sender: str, more: Mapping[str, str]) -> Answer:
        first = await self._knocker.first(inbox)
        answer, wishes = await self._knock(first, inbox, body, sender, more)
        attempt = first
        # (3) Once more, and no third time: two servers must not go on answering each other.
        if is_about_the_signature(answer.status, answer.problem):
            second = self._knocker.second(first, wishes, method="POST", sender=sender)
            again, _ = await self._knock(second, inbox, body, sender, more)
            attempt, answer = (second, again) if not _closed(again) else (first, _telling(answer, again))
        if 200 <= answer.status < 300:
            await self._knocker.opened(inbox, attempt)
        return answer

    async def _knock(
        self, attempt: Attempt, inbox: str, body: bytes, sender: str, more: Mapping[str, str]
    ) -> tuple[Answer, tuple[str, ...]]:
        """Post once, and return the answer and what it asks to be signed."""
        # encoded=True, or yarl spells the path anew and the signature is over another one (SIG-6).
        url = yarl.URL(ids.without_fragment(inbox), encoded=True)
        # Signed when its turn has come: time spent waiting for a slot does not make it old.
        headers = self._knocker.sign(attempt, method="POST", url=url, body=body, sender=sender, more=more)
        # (4) A redirected POST would be signed for somebody else, or go where we do not post.
        async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            said = _said(await _read(response))
            answer = Answer(
                status=response.status,
                problem=_problem(said.get("type")),
                detail=_detail(said),
                retry_after=_retry_after(response.headers.get("Retry-After", ""), self._clock()),
            )
            return answer, tuple(response.headers.getall("Accept-Signature", ()))


def _closed(answer: Answer) -> bool:
    return answer.status in CLOSED


def _telling(first: Answer, again: Answer) -> Answer:
    """Return which of two refusals counts: a 401, which another day may change, before a 400, which none will."""
    return again if first.status == 400 and again.status == 401 else first


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return the answer's body when it is short JSON, else nothing: the status alone has been said then.

    Any short body is read, or the connection could not be used again.
    """
    body = bytearray()
    try:
        async for chunk in response.content.iter_chunked(16 * limits.KIB):
            body += chunk
            # (5) A peer's answer is not a way to fill our memory.
            if len(body) > limits.MAX_ANSWER:
                return b""
    except (aiohttp.ClientError, OSError):
        # The status has come, and with it the answer: 2xx is said only after the peer has committed (D3).
        return b""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    # (6) What is not JSON, or is packed, is not looked at.
    if not kind.endswith("json") or "Content-Encoding" in response.headers:
        return b""
    return bytes(body)


def _said(body: bytes) -> Mapping[str, Any]:
    try:
        return strict_json.loads(body) if body else {}
    except Refused:
        return {}


def _problem(kind: object) -> str | None:
    """Return the code in a problem's type: its fragment (FEP-c180), else its last path segment."""
    if not isinstance(kind, str):
        return None
    path, _, fragment = kind.partition("#")
    code = fragment or path.rstrip("/").rpartition("/")[2]
    return code if _CODE.fullmatch(code) else None


def _detail(said: Mapping[str, Any]) -> str | None:
    """Return what a person can read of it, on one line: `detail`, `title`, or Mastodon's `error`."""
    for member in ("detail", "title", "error"):
        text = said.get(member)
        if isinstance(text, str) and text:
            # (7) A stranger's text must not forge lines of our logs or move the cursor of a terminal.
            return "".join(c if c.isprintable() else " " for c in text[:MAX_DETAIL])
    return None


def _retry_after(value: str, now: datetime) -> int | None:
    """Return seconds from now, between 0 and `limits.RETRY_AFTER_MAX` (RFC 9110 §10.2.3), or None."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:12])
    else:
        try:
            moment = parsedate_to_datetime(value)
            # A date without a zone is in GMT (RFC 9110 §5.6.7).
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            seconds = (aware - now).total_seconds()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    # (8) A peer may ask us to wait, not for ever.
    return int(min(max(seconds, 0.0), limits.RETRY_AFTER_MAX.total_seconds()))


def _no_answer(inbox: str, reason: str) -> Unavailable:
    host = inbox.partition("://")[2].partition("/")[0][:200]
    return Unavailable(
        "unavailable", f"No answer from {ascii(host)[1:-1]}: {reason}.", extra={"reason": reason}
    )
