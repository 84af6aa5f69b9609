"""Whose key is it: from a key id to the owner's key document, with a cache that is not trusted for too long.

Strangers choose the key ids that we look up, so what a look-up may cost others is counted: one fetch in
flight per document, one refresh per five minutes, a memory for failures, a number of fetches per host and
minute.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeAlias, TypeVar

from fedcoop.errors import Refused, TryLater, Unavailable, Unverified
from fedcoop.net.fetch import check_actor, published_keys
from fedcoop.ports import Clock, KeyResolver
from fedcoop.protocol import ids, limits
from fedcoop.protocol.messages import Document, KeyDocument

Load: TypeAlias = Callable[[str], Awaitable[KeyDocument | None]]
"""Returns the stored key document of an actor id, however old, or None."""

Save: TypeAlias = Callable[[KeyDocument], Awaitable[None]]
"""Keeps a key document that has just been fetched."""

MINUTE = timedelta(minutes=1)

Name = TypeVar("Name", bound=Hashable)
Value = TypeVar("Value")


class KeySource(Protocol):
    """What we need of `fetch.HttpFetcher`."""

    async def key_document(self, url: str) -> Document: ...


@dataclass(slots=True)
class _Known:
    """A key document in memory, and when a failed verification last made us fetch it again."""

    keys: KeyDocument
    refreshed_at: datetime | None = None


@dataclass(slots=True)
class _Failure:
    """A look-up that failed: not tried again before `until`."""

    error: Unverified | Unavailable
    wait: timedelta
    until: datetime


class _Recent(Generic[Name, Value]):
    """The most recently used `limits.MAX_CACHED_KEYS` entries: what strangers fill must not grow for ever."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[Name, Value] = OrderedDict()

    def get(self, name: Name) -> Value | None:
        if name in self._entries:
            self._entries.move_to_end(name)
        return self._entries.get(name)

    def put(self, name: Name, value: Value) -> None:
        self._entries[name] = value
        self._entries.move_to_end(name)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def drop(self, name: Name) -> None:
        self._entries.pop(name, None)


class CachedKeys(KeyResolver):
    """Resolves key ids over a fetcher; `close` it when the session is closed."""

    def __init__(
        self,
        source: KeySource,
        clock: Clock,
        *,
        allow_origins: frozenset[str] = frozenset(),
        load: Load | None = None,
        save: Save | None = None,
        size: int = limits.MAX_CACHED_KEYS,
    ) -> None:
        """`load` and `save` reach the store, so that a restart does not ask everybody again."""
        self._source = source
        self._clock = clock
        self._allow_origins = allow_origins
        self._load = load
        self._save = save
        self._known: _Recent[str, _Known] = _Recent(size)
        self._failures: _Recent[str, _Failure] = _Recent(size)
        self._asked: _Recent[str, deque[datetime]] = _Recent(size)
        self._in_flight: dict[str, asyncio.Task[KeyDocument]] = {}

    async def resolve(self, key_id: str, *, refresh: bool = False) -> KeyDocument:
        """Return the key document, from the cache unless `refresh`, of the actor that lists `key_id`.

        An actor's id is a key id too: of all its keys (a credential names its issuer so).

        Raises:
            Unverified: there is no such key, or its owner does not list it (`key-unknown`,
                `key-owner-mismatch`).
            Unavailable: its server could not be reached, or was asked too often (`key-unreachable`).
        """
        url = self._url_of(key_id)
        known = await self._recall(url)
        usable = known is not None and _speaks(known.keys.actor, key_id)
        if known is not None and usable and not refresh and self._age(known) < limits.KEY_FRESH:
            return known.keys
        try:
            keys = await self._renew(url, known)
        except Unavailable:
            # (1) While its server is down a key lives on for a week, and no longer.
            if known is None or not usable or refresh or self._age(known) >= limits.KEY_STALE:
                raise
            return known.keys
        # (2) A key is its owner's only when the owner says so (BIND-05).
        if not _speaks(keys.actor, key_id):
            raise Unverified(
                "key-owner-mismatch",
                "The owner of this key does not list it.",
                expected="a key of " + str(keys.actor["id"]),
                received=key_id,
            )
        return keys

    async def close(self) -> None:
        """Stop fetching; whoever waits is told that the key is out of reach."""
        for task in tuple(self._in_flight.values()):
            task.cancel()
        await asyncio.gather(*self._in_flight.values(), return_exceptions=True)

    # -- what we know ----------------------------------------------------------------------------------------

    def _url_of(self, key_id: str) -> str:
        url = ids.without_fragment(key_id)
        try:
            # (3) acct: and other forms name no document; private places are nobody's (SIG-27, SSRF-25).
            return ids.check_id(url, allow_origins=self._allow_origins)
        except Refused as refusal:
            raise _unknown(refusal) from refusal

    async def _recall(self, url: str) -> _Known | None:
        known = self._known.get(url)
        failure = self._failures.get(url)
        # (4) What its own server has disowned does not come back from the store.
        if (
            known is None
            and self._load is not None
            and not (failure and isinstance(failure.error, Unverified))
        ):
            stored = await self._load(url)
            if stored is not None:
                known = _Known(stored)
                self._known.put(url, known)
        return known

    def _age(self, known: _Known) -> timedelta:
        age = self._clock() - known.keys.fetched_at
        # A time to come is a clock that was set back: ask again.
        return age if age >= timedelta(0) else limits.KEY_STALE

    # -- what we ask -----------------------------------------------------------------------------------------

    async def _renew(self, url: str, known: _Known | None) -> KeyDocument:
        """Return a key document newer than `known`, or `known` itself when it is too soon to ask again."""
        now = self._clock()
        failure = self._failures.get(url)
        # (5) A key that is not there is not asked for again and again (CVE-2026-34148).
        if failure is not None and now < failure.until:
            raise _again(failure, now)
        if known is not None and self._age(known) < limits.KEY_FRESH:
            # (6) One refresh per document and five minutes: bad signatures must not hammer whom they name.
            if known.refreshed_at is not None and now - known.refreshed_at < limits.KEY_REFETCH_EVERY:
                return known.keys
            known.refreshed_at = now
        return await self._shared(url, known.refreshed_at if known else None)

    async def _shared(self, url: str, refreshed_at: datetime | None) -> KeyDocument:
        # (7) One fetch in flight per document: whoever comes meanwhile waits for the same answer.
        task = self._in_flight.get(url)
        if task is None:
            task = asyncio.create_task(self._fetch(url, refreshed_at))
            self._in_flight[url] = task
            task.add_done_callback(lambda done: self._landed(url, done))
        # Not `await task`: one impatient waiter must not take the answer from the others.
        await asyncio.wait({task})
        if task.cancelled():
            raise _unreachable("we are stopping", limits.STOP_TIME)
        return task.result()

    def _landed(self, url: str, task: asyncio.Task[KeyDocument]) -> None:
        del self._in_flight[url]
        if not task.cancelled():
            # Looked at, so that asyncio does not report it when every waiter has gone.
            task.exception()

    async def _fetch(self, url: str, refreshed_at: datetime | None) -> KeyDocument:
        error: Unverified | Unavailable
        try:
            keys = await self._ask(url)
        except _TooOften:
            raise
        except TryLater as failure:
            wait = self._wait(url, limits.KEY_UNREACHABLE_FIRST)
            error = _unreachable(failure.detail, wait)
        except Refused as refusal:
            # Its own server has answered, and there is no such key now, whatever there was.
            self._known.drop(url)
            wait = self._wait(url, limits.KEY_NEGATIVE_FIRST)
            error = _unknown(refusal)
        else:
            self._failures.drop(url)
            self._known.put(url, _Known(keys, refreshed_at))
            if self._save is not None:
                await self._save(keys)
            return keys
        self._failures.put(url, _Failure(error, wait, self._clock() + wait))
        raise error

    def _wait(self, url: str, first: timedelta) -> timedelta:
        before = self._failures.get(url)
        return min(before.wait * 2, limits.KEY_NEGATIVE_MAX) if before else first

    async def _ask(self, url: str) -> KeyDocument:
        """Return the key document behind `url` after one fetch, or two when `url` is not the actor's own."""
        document = await self._get(url)
        actor_id = url
        if document["id"] != url or "inbox" not in document:
            actor_id = _owner_of(document)
            # (8) A key document speaks for actors of its own origin only (SIG-20, BIND-02).
            if not ids.same_origin(actor_id, url):
                raise Unverified(
                    "key-owner-mismatch",
                    "This key names an owner on another server.",
                    expected=ids.origin(url),
                    received=actor_id,
                )
            document = _embedding(await self._get(actor_id), document)
        # (9) Whoever owns the key must be an actor, and the one that was named.
        check_actor(document, actor_id, allow_origins=self._allow_origins)
        return KeyDocument(document, self._clock())

    async def _get(self, url: str) -> Document:
        now = self._clock()
        asked = self._asked.get(ids.origin(url)) or deque[datetime]()
        while asked and not timedelta(0) <= now - asked[0] < MINUTE:
            asked.popleft()
        # (10) A host that is named often is asked seldom: we are not the hammer of whoever writes key ids.
        if len(asked) >= limits.MAX_KEY_FETCHES_PER_MINUTE:
            left = asked[0] + MINUTE - now
            raise _TooOften(
                "key-unreachable", "Its server has been asked often enough.", retry_after=_seconds(left)
            )
        asked.append(now)
        self._asked.put(ids.origin(url), asked)
        return await self._source.key_document(url)


class _TooOften(Unavailable):
    """Our own limit, not the other side's failure: not remembered."""


def lists_key(actor: Document, key_id: str) -> bool:
    """Tell whether `actor` publishes the key `key_id` as its own: the key itself, not only its id."""
    return any(
        isinstance(entry, Mapping)
        and entry.get("id") == key_id
        and entry.get("owner", entry.get("controller")) == actor["id"]
        for entry in published_keys(actor)
    )


def _speaks(actor: Document, key_id: str) -> bool:
    return bool(key_id == actor["id"]) or lists_key(actor, key_id)


def _owner_of(document: Document) -> str:
    """Return who owns a document that is not an actor at its own URL: a stub of one, or a stand-alone key."""
    if "inbox" in document:
        return str(document["id"])
    key = document.get("publicKey")
    for holder in (document, key if isinstance(key, Mapping) else {}):
        for member in ("owner", "controller"):
            if isinstance(holder.get(member), str):
                return str(holder[member])
    raise Unverified(
        "key-unknown", "What the key id names is neither an actor nor a key.", received=str(document["id"])
    )


def _embedding(actor: Document, key: Document) -> Document:
    """Return `actor` with a stand-alone key in the place of its id: one document holds owner and key."""
    whole = dict(actor)
    for member in ("publicKey", "assertionMethod"):
        listed = actor.get(member)
        if listed == key["id"]:
            whole[member] = key
        elif isinstance(listed, list):
            whole[member] = [key if entry == key["id"] else entry for entry in listed]
    return whole


def _again(failure: _Failure, now: datetime) -> Unverified | Unavailable:
    error = failure.error
    if isinstance(error, Unavailable):
        return _unreachable(error.detail, failure.until - now)
    return Unverified(
        error.code, error.detail, expected=error.expected, received=error.received, extra=error.extra
    )


def _unknown(refusal: Refused) -> Unverified:
    code = refusal.code if refusal.code == "key-owner-mismatch" else "key-unknown"
    return Unverified(
        code, refusal.detail, expected=refusal.expected, received=refusal.received, extra=refusal.extra
    )


def _unreachable(detail: str, wait: timedelta) -> Unavailable:
    return Unavailable("key-unreachable", detail, retry_after=_seconds(wait))


def _seconds(wait: timedelta) -> int:
    return max(1, math.ceil(wait.total_seconds()))
