"""How our requests are signed: as their server was last known to open, and the other way once (SIG-17, decision D5).

Two knocks at most, and both are the same request (SIG-18): whoever took the first one knows the id of the second.

    first    the way that its server opened by within a week, else what the receiving actor announces (FEP-844e), else
             draft-cavage
    second   after 400 or 401 only: what an Accept-Signature of that answer asks for, else the other dialect
    opened   remembers a success; failures are never remembered, or one bad day would last a week
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Final

import yarl

from fedcoop.errors import TryLater
from fedcoop.ports import Clock, KeyRing, Knock, Knocks, Way
from fedcoop.protocol import cavage, ids, limits, messagesig
from fedcoop.protocol.actors import RFC9421, RFC9421_ED25519, announced
from fedcoop.protocol.messages import Document
from fedcoop.protocol.model import PROBLEMS
from fedcoop.protocol.multikey import PrivateKey

CLOSED: Final = frozenset({400, 401})
"""Answers after which the other way may open: AP-20, and what Mastodon knocks again after."""


_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to sign a request, and what its server asked for besides."""

    way: Way
    wanted: messagesig.Wanted | None = None


class Knocker:
    """Signs requests as our actors, and learns from how they are answered."""

    def __init__(self, keyring: KeyRing, clock: Clock, knocks: Knocks | None = None) -> None:
        """`knocks` is what lasts; without it, what was learnt lasts as long as this object."""
        self._keyring = keyring
        self._clock = clock
        self._knocks = knocks
        self._recent: dict[str, Knock] = {}

    async def first(self, url: str) -> Attempt:
        """Return how to sign the first request to `url`. Raises Unavailable when the store cannot be asked."""
        known = await self._known(ids.origin(url))
        if known is not None:
            return Attempt(known.way)
        document = await self._knocks.receiver(url) if self._knocks is not None else None
        return Attempt(way_for(document) if document is not None else "draft-cavage")

    def second(self, tried: Attempt, wishes: Sequence[str], *, method: str, sender: str) -> Attempt:
        """Return how to sign the same request once more; `wishes` are the values of Accept-Signature.

        A wish for what the first knock already had is no wish: then its server means something else.
        """
        for way in ("rfc9421", "rfc9421-ed25519") if wishes else ():
            key_id, key = self._keys(way, sender)
            wanted = messagesig.wanted_by(wishes, method=method, key=key, key_id=key_id)
            if wanted is not None and (tried.way == "draft-cavage" or _asks_for_more(wanted, tried)):
                return Attempt(way, wanted)
        return Attempt("rfc9421" if tried.way == "draft-cavage" else "draft-cavage")

    def sign(
        self,
        attempt: Attempt,
        *,
        method: str,
        url: yarl.URL,
        body: bytes | None,
        sender: str,
        more: Mapping[str, str] = _NOTHING,
    ) -> dict[str, str]:
        """Return the headers of the request, signed as `sender` now: each knock has a time of its own.

        With them go `more`, signed as well.

        Raises:
            Misconfigured: `sender` has no key here.
        """
        key_id, key = self._keys(attempt.way, sender)
        origin, now = ids.origin(str(url)), self._clock()
        if attempt.way == "draft-cavage":
            return cavage.sign_headers(
                method=method,
                url_host=origin.partition("://")[2],
                target=url.raw_path_qs,
                body=body,
                key_id=key_id,
                key=key,
                date=now,
                more=more,
            )
        return messagesig.sign_headers(
            method=method,
            url=origin + url.raw_path_qs,
            body=body,
            key_id=key_id,
            key=key,
            created=now,
            wanted=attempt.wanted,
            more=more,
        )

    async def opened(self, url: str, attempt: Attempt) -> None:
        """Remember that the server of `url` took a request that was signed so.

        RFC 9421 is renewed from day to day. draft-cavage is not: after a week it is asked again what the server
        announces, or two servers that have both learnt the new dialect would speak the old one for ever.
        """
        origin, now = ids.origin(url), self._clock()
        known = await self._known(origin)
        if known is not None and known.way == attempt.way:
            old = now - known.learnt_at
            if attempt.way == "draft-cavage" or old < limits.KNOCK_RENEWED:
                return
        knock = Knock(origin, attempt.way, now)
        self._keep(knock)
        if self._knocks is not None:
            try:
                await self._knocks.keep(knock)
            except TryLater:
                # The delivery has arrived; what is not remembered costs one knock, not the delivery.
                return

    async def _known(self, origin: str) -> Knock | None:
        known = self._recent.get(origin)
        if known is None and self._knocks is not None:
            known = await self._knocks.last(origin)
            if known is not None:
                self._keep(known)
        # A time to come is a clock that was set back.
        if known is None or not timedelta(0) <= self._clock() - known.learnt_at < limits.KNOCK_MEMORY:
            return None
        return known

    def _keep(self, knock: Knock) -> None:
        self._recent.pop(knock.origin, None)
        self._recent[knock.origin] = knock
        # (1) A stranger with many names is not a leak.
        if len(self._recent) > limits.MAX_KNOCKS_REMEMBERED:
            del self._recent[next(iter(self._recent))]

    def _keys(self, way: Way, sender: str) -> tuple[str, PrivateKey]:
        return self._keyring.proof_key(sender) if way == "rfc9421-ed25519" else self._keyring.http_key(sender)


def way_for(receiver: Document) -> Way:
    """Return how to sign for an actor that announces what its document says (D4, SIG-12)."""
    capabilities = announced(receiver)
    if RFC9421_ED25519 in capabilities:
        return "rfc9421-ed25519"
    return "rfc9421" if RFC9421 in capabilities else "draft-cavage"


def is_about_the_signature(status: int, problem: str | None) -> bool:
    """Tell whether another way to sign may change an answer of 400 or 401.

    A 400 with a code of our own vocabulary says that the content is wrong, and in which way.
    """
    known = PROBLEMS.get(problem or "")
    return status in CLOSED and not (known is not None and known.status == 400)


def _asks_for_more(wanted: messagesig.Wanted, tried: Attempt) -> bool:
    had = tried.wanted or messagesig.Wanted(wanted.label, ())
    covered = {*messagesig.needed("POST"), *had.covered}
    bare: Mapping[str, object] = {"label": "", "covered": (), "algorithm": None, "key_id": None}
    same = replace(wanted, **bare) == replace(had, **bare)  # type: ignore[arg-type]
    algorithm = "ed25519" if tried.way == "rfc9421-ed25519" else "rsa-v1_5-sha256"
    return not same or not covered.issuperset(wanted.covered) or wanted.algorithm not in (None, algorithm)
