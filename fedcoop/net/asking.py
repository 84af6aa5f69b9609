"""A signed question to a server we work with, and its answer: JSON, bounded in bytes and time."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp
import yarl

from fedcoop.errors import Forbidden, NotFound, Unavailable
from fedcoop.net.client import TRANSPORT_FAILURES, failure_of
from fedcoop.net.knocking import CLOSED, Attempt, Knocker
from fedcoop.ports import Asker
from fedcoop.protocol import ids, limits, strict_json
from fedcoop.protocol.messages import Document

UNKNOWN: Final = frozenset({404, 405, 501})


class HttpAsker(Asker):
    """Asks over the one guarded session, signed as deliveries to that server are."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        knocker: Knocker,
        *,
        allow_origins: frozenset[str] = frozenset(),
    ) -> None:
        self._session, self._knocker, self._allow_origins = session, knocker, allow_origins

    async def ask(self, url: str, body: bytes, *, sender: str) -> Document:
        """Post `body` to `url`, signed as `sender`, and return the JSON object that is answered.

        Raises:
            Unavailable: no answer came, or not now.
            NotFound: that server has no such address.
            Forbidden: it refuses; the detail says how.
            Malformed: what it answered is not JSON that everybody reads alike, or too long.
        """
        # (1) Checked as every other address is.
        ids.check_id(url, allow_origins=self._allow_origins)
        server = ids.origin(url)
        try:
            async with asyncio.timeout(limits.FETCH_TOTAL_TIME.total_seconds()):
                attempt = await self._knocker.first(url)
                status, content, wishes = await self._post(attempt, url, body, sender)
                # (2) The other way once, and no third time.
                if status in CLOSED:
                    attempt = self._knocker.second(attempt, wishes, method="POST", sender=sender)
                    status, content, _ = await self._post(attempt, url, body, sender)
        except TRANSPORT_FAILURES as error:
            raise Unavailable("unavailable", f"No answer from {server}: {failure_of(error)}.") from error
        if status in UNKNOWN:
            raise NotFound("not-found", f"{server} cannot be asked this.", received=str(status))
        if status >= 500 or status in (408, 429):
            raise Unavailable("unavailable", f"{server} answers {status}.")
        if status != 200:
            raise Forbidden("blocked", f"{server} does not answer us.", received=str(status))
        return strict_json.loads(content)

    async def _post(
        self, attempt: Attempt, url: str, body: bytes, sender: str
    ) -> tuple[int, bytes, tuple[str, ...]]:
        target = yarl.URL(url, encoded=True)
        headers = self._knocker.sign(attempt, method="POST", url=target, body=body, sender=sender)
        # (3) A redirected question would be signed for somebody else.
        async with self._session.post(target, data=body, headers=headers, allow_redirects=False) as response:
            # (4) An answer is not a way to fill our memory, packed or not.
            packed = "Content-Encoding" in response.headers
            content = b"" if packed else await _read(response)
            return response.status, content, tuple(response.headers.getall("Accept-Signature", ()))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(16 * limits.KIB):
        body += chunk
        if len(body) > limits.MAX_FETCH_BODY:
            return b""
    return bytes(body)
