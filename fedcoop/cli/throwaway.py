"""A peer for a few minutes: one actor with keys of its own in memory, on a free port; nothing of it is kept.

It answers with its actor document, takes whatever is posted to it, and says of each message what a server of ours
would: verified, or why not. What it fetches for that are the keys of whoever signs, under the same guard as a server.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from fedcoop.errors import FedcoopError
from fedcoop.net.client import open_session
from fedcoop.net.fetch import HttpFetcher
from fedcoop.net.guard import allowed_addresses
from fedcoop.net.keys import CachedKeys
from fedcoop.ports import KeyResolver
from fedcoop.protocol import actors, cavage, strict_json
from fedcoop.protocol.limits import MAX_BODY, SIGNATURE_WINDOW
from fedcoop.protocol.messages import Document, RawRequest
from fedcoop.protocol.multikey import encode_public, public_key_to_pem
from fedcoop.protocol.opening import open_request
from fedcoop.protocol.proof import sign_document
from fedcoop.protocol.verification import verify

ACTIVITY: str = "application/activity+json"


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message, and what was found out about it."""

    at: datetime
    target: str
    document: Any
    """The body as JSON, or its beginning as text when it is none."""
    key_id: str | None
    dialect: str | None
    proved: bool
    refusal: FedcoopError | None
    """Why a server of ours would not take it; None when its sender is established."""


class Throwaway:
    """An actor that exists as long as the program runs."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._rsa: RSAPrivateKey = generate_private_key(65537, 2048)
        self._ed25519 = Ed25519PrivateKey.generate()
        keys = actors.PublicKeys(
            public_key_to_pem(self._rsa.public_key()), encode_public(self._ed25519.public_key())
        )
        self.document = actors.application(base=base, keys=keys, name="fedcoop inbox")

    @property
    def id(self) -> str:
        """The actor's id."""
        return str(self.document["id"])

    @property
    def inbox(self) -> str:
        """Where to post to it."""
        return str(self.document["inbox"])

    def proven(self, activity: Document, *, now: datetime) -> dict[str, Any]:
        """Return `activity` as said by this actor, with a proof; an `id` and `published` are filled in."""
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        whole = {
            "@context": self.document["@context"],
            "id": f"{self.base}/activities/{int(now.timestamp() * 1_000_000)}",
            "published": stamp,
            **activity,
            "actor": self.id,
        }
        method = actors.proof_key_id(self.id)
        return sign_document(whole, key=self._ed25519, verification_method=method, created=now)

    def headers(self, *, host: str, target: str, body: bytes, now: datetime) -> dict[str, str]:
        """Return the headers of a signed POST."""
        return cavage.sign_headers(
            method="POST",
            url_host=host,
            target=target,
            body=body,
            key_id=actors.http_key_id(self.id),
            key=self._rsa,
            date=now,
        )


@contextlib.asynccontextmanager
async def served(
    peer: Throwaway,
    *,
    host: str,
    port: int,
    allow_origins: frozenset[str],
    show: Callable[[Arrived], None],
) -> AsyncIterator[None]:
    """Serve `peer` while the block runs, and `show` whatever arrives.

    `allow_origins` are the exact origins whose keys may be fetched although they are plain http or on this machine.
    """
    async with open_session(allowed=allowed_addresses(allow_origins), contact=peer.base) as session:
        fetcher = HttpFetcher(session, allow_origins=allow_origins)
        resolver = CachedKeys(fetcher, _now, allow_origins=allow_origins)

        async def actor(_: web.Request) -> web.Response:
            return web.Response(body=strict_json.dumps(peer.document), headers={"Content-Type": ACTIVITY})

        async def take(request: web.Request) -> web.Response:
            raw = RawRequest(
                request.method,
                request.raw_path,
                tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in request.raw_headers),
                await request.read(),
            )
            arrived = await examined(raw, peer.base, resolver, allow_origins)
            show(arrived)
            if arrived.refusal is None:
                return web.Response(status=202)
            said = {"type": arrived.refusal.code, "detail": arrived.refusal.detail}
            return web.json_response(said, status=401, content_type="application/problem+json")

        application = web.Application(client_max_size=MAX_BODY)
        application.add_routes([web.get("/actor", actor), web.post("/{path:.*}", take)])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
            yield
        finally:
            await runner.cleanup()
            await resolver.close()


async def examined(
    request: RawRequest, base: str, resolver: KeyResolver, allow_origins: frozenset[str]
) -> Arrived:
    """Return what is to be said of a request: what it brings, who signed it, and the first check that it fails."""
    now = _now()
    try:
        document: Any = strict_json.loads(request.body)
    except FedcoopError:
        document = request.body[:2000].decode("utf-8", "replace")
    key_id = dialect = None
    try:
        claimed = open_request(
            request, now=now, public_origin=base, allow_origins=allow_origins, window=SIGNATURE_WINDOW
        )
        key_id, dialect = claimed.key_id, claimed.signature.dialect
        verified = verify(claimed, await resolver.resolve(key_id), now=now, window=SIGNATURE_WINDOW)
    except FedcoopError as refusal:
        return Arrived(now, request.target, document, key_id, dialect, proved=False, refusal=refusal)
    return Arrived(now, request.target, document, key_id, dialect, proved=verified.proved, refusal=None)


def _now() -> datetime:
    return datetime.now(UTC)
