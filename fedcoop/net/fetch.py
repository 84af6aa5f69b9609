"""Documents from strangers, within a budget of bytes, time and redirects (security.md §3.3, decision D16).

GETs are unsigned; one that is answered 401 is made again, signed by the instance's own actor (SIG-24), as `knocking`
says. What a server shows to peers alone is asked for signed from the beginning: unsigned, it is not there. That actor
can be read unsigned here, so two careful servers never wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urljoin

import aiohttp
import yarl

from fedcoop.errors import Invalid, NotFound, Refused, Unavailable, Unverified
from fedcoop.net.client import TRANSPORT_FAILURES, Slots, failure_of
from fedcoop.net.knocking import CLOSED, Attempt, Knocker
from fedcoop.ports import Fetcher
from fedcoop.protocol import ids, limits, strict_json
from fedcoop.protocol.cavage import MEDIA_TYPE
from fedcoop.protocol.messages import Document

ACTIVITY_PROFILE: Final = "https://www.w3.org/ns/activitystreams"

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

LATER: Final = frozenset({408, 425, 429})
"""4xx answers that say nothing about the document."""


def is_activity_type(content_type: str) -> bool:
    """Tell whether a Content-Type is ActivityStreams: activity+json, or ld+json with the profile (AP-4)."""
    kind, *rest = content_type.split(";")
    parameters = {}
    for part in rest:
        name, _, value = part.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    if kind.strip().lower() == "application/ld+json":
        return ACTIVITY_PROFILE in parameters.get("profile", "").split()
    return kind.strip().lower() == "application/activity+json"


def is_json_type(content_type: str) -> bool:
    """Tell whether a Content-Type is JSON, of its own kind or of another (RFC 6839 §3.1)."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


@dataclass(frozen=True, slots=True)
class _Errand:
    """What is being fetched, and how its failures are called."""

    time: timedelta
    refusal: type[Refused]
    unknown: str
    unreachable: str
    accept: str = MEDIA_TYPE
    takes: Callable[[str], bool] = is_activity_type
    most: int = limits.MAX_FETCH_BODY
    named: bool = True
    """Whether the document has an `id`."""

    def refuse(self, check: str, expected: str, received: str, **more: Any) -> Refused:
        return self.refusal(
            self.unknown,
            f"What was fetched cannot be used: {check}.",
            expected=expected,
            received=received[:200],
            extra={"check": check, **more},
        )

    def give_up(self, reason: str) -> Unavailable:
        return Unavailable(
            self.unreachable, f"Its server could not be asked: {reason}.", extra={"reason": reason}
        )


@dataclass(frozen=True, slots=True)
class _Closed:
    """Not for whoever asked so."""

    wishes: tuple[str, ...]
    """Values of Accept-Signature."""


class HttpFetcher(Fetcher):
    """Fetches ActivityStreams documents over one guarded session."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        allow_origins: frozenset[str] = frozenset(),
        time: timedelta = limits.FETCH_TOTAL_TIME,
        key_time: timedelta = limits.KEY_FETCH_TOTAL_TIME,
        knocker: Knocker | None = None,
        signer: str = "",
    ) -> None:
        """`session` is of `client.open_session`; the times are for one document, redirects included.

        With a `knocker`, what is not shown to strangers is asked for as `signer`, our instance's actor.
        """
        self._session = session
        self._knocker = knocker
        self._signer = signer
        self._allow_origins = allow_origins
        self._key = _Errand(key_time, Unverified, "key-unknown", "key-unreachable")
        self._document = _Errand(time, NotFound, "not-found", "unavailable")
        self._program = _Errand(
            key_time,
            Invalid,
            "client-unknown",
            "unavailable",
            accept="application/json, application/activity+json;q=0.5",
            takes=is_json_type,
            most=limits.MAX_CLIENT_DOCUMENT,
            named=False,
        )
        self._slots = Slots(each=limits.MAX_FETCHES_PER_HOST, total=limits.MAX_FETCHES_AT_ONCE)
        # What members have fetched waits among itself: keys and missions do not wait for it.
        self._program_slots = Slots(
            each=limits.MAX_CLIENT_FETCHES_PER_HOST, total=limits.MAX_CLIENT_FETCHES_AT_ONCE
        )

    async def actor(self, actor_id: str) -> Document:
        """Return the actor document whose `id` is `actor_id` (redirects within its origin only).

        Raises:
            Unverified: there is none, or what answered is not that actor (`key-unknown`; `extra["check"]`
                says which check failed, `extra["answered"]` the status).
            Unavailable: no answer, or none for now (`key-unreachable`).
            Malformed: `actor_id` is no id that we fetch, or the answer is not strict JSON.
        """
        document = await self.key_document(actor_id)
        check_actor(document, actor_id, allow_origins=self._allow_origins)
        return document

    async def key_document(self, url: str) -> Document:
        """Return what `url` serves: an actor, a stub of one or a stand-alone key. Who owns it is not decided.

        Raises as `actor` does.
        """
        async with _deadline(self._key):
            _, document = await self._follow(url, self._key, same_origin=True)
            return document

    async def document(self, url: str, *, signed: bool = False) -> Document:
        """Return the document at `url`, whose `id` is the URL that served it (AP-7).

        When `id` names another URL of the same origin, that one is fetched once and must name itself. `signed`: as our
        instance may see it, and not as anybody.

        Raises:
            NotFound: there is none, or what answered is not it (`not-found`, with `extra` as above).
            Unavailable: no answer, or none for now (`unavailable`).
            Malformed: `url` is no URL that we fetch, or the answer is not strict JSON.
        """
        async with _deadline(self._document):
            served_at, document = await self._follow(url, self._document, same_origin=False, signed=signed)
            if document["id"] in (url, served_at):
                return document
            named = str(document["id"])
            _, document = await self._follow(named, self._document, same_origin=True, signed=signed)
            # (1) A document is what it says it is only where it says it lives.
            if document["id"] != named:
                raise self._document.refuse("id-mismatch", named, str(document["id"]))
            return document

    async def client_document(self, client_id: str) -> Document:
        """Return what a program says of itself at `client_id`: JSON of any kind, asked for unsigned.

        Raises:
            Invalid: there is none, or what answered is not it (`client-unknown`, with `extra` as above).
            Unavailable: no answer, or none for now (`unavailable`).
            Malformed: `client_id` is no URL that we fetch, or the answer is not strict JSON.
        """
        ids.check_id(client_id, allow_origins=self._allow_origins)
        async with _deadline(self._program):
            answer = await self._ask(client_id, self._program, {}, again=())
        # (2) Who a program is, is said at its own address: not where that points to.
        if not isinstance(answer, Mapping):
            raise self._program.refuse("redirect", "the document itself", "a redirect")
        return answer

    async def _follow(
        self, url: str, errand: _Errand, *, same_origin: bool, signed: bool = False
    ) -> tuple[str, Document]:
        """Return (URL that answered, document), after at most `limits.MAX_REDIRECTS` redirects."""
        here = url
        for _ in range(limits.MAX_REDIRECTS + 1):
            # (3) Every URL passes the same check, the first and the fourth: form, scheme, host, port.
            ids.check_id(here, allow_origins=self._allow_origins)
            answer = await self._get(here, errand, signed=signed)
            if isinstance(answer, Mapping):
                # (4) A document speaks for its own origin only.
                if not ids.same_origin(str(answer["id"]), here):
                    raise errand.refuse("id-mismatch", ids.origin(here), str(answer["id"]))
                return here, answer
            target = ids.without_fragment(urljoin(here, answer))
            # (5) An actor that moved to another origin is another actor.
            if same_origin and not ids.same_origin(target, url):
                raise errand.refuse("cross-origin-redirect", ids.origin(url), target)
            # (6) What began encrypted stays encrypted.
            if here.startswith("https:") and not target.startswith("https:"):
                raise errand.refuse("downgrade", "https", target)
            here = target
        # (7) Chains and loops of redirects end.
        raise errand.refuse("too-many-redirects", f"at most {limits.MAX_REDIRECTS}", "more")

    async def _get(self, url: str, errand: _Errand, *, signed: bool) -> Document | str:
        """Return the document that `url` answers, or the Location that it redirects to."""
        knocker = self._knocker
        answer: Document | str | _Closed = _Closed(())
        if knocker is None or not signed:
            answer = await self._ask(url, errand, {}, again=() if knocker is None else (401,))
        if isinstance(answer, _Closed) and knocker is not None:
            first = await knocker.first(url)
            attempt, answer = (
                first,
                await self._ask(url, errand, self._signed(knocker, first, url), again=CLOSED),
            )
            if isinstance(answer, _Closed):
                attempt = knocker.second(first, answer.wishes, method="GET", sender=self._signer)
                answer = await self._ask(url, errand, self._signed(knocker, attempt, url), again=())
            # A redirect has shown nothing to us yet.
            if isinstance(answer, Mapping):
                await knocker.opened(url, attempt)
        if isinstance(answer, _Closed):
            raise AssertionError("the last answer is one, or was refused")
        return answer

    def _signed(self, knocker: Knocker, attempt: Attempt, url: str) -> dict[str, str]:
        target = yarl.URL(ids.without_fragment(url), encoded=True)
        return knocker.sign(attempt, method="GET", url=target, body=None, sender=self._signer)

    async def _ask(
        self, url: str, errand: _Errand, signed: Mapping[str, str], *, again: Collection[int]
    ) -> Document | str | _Closed:
        """Ask once. A status in `again` is returned as closed: the same may be asked in another way."""
        # encoded=True: the bytes that were checked are the bytes that are asked for.
        target = yarl.URL(ids.without_fragment(url), encoded=True)
        headers = {**signed, "Accept": errand.accept}
        slots = self._program_slots if errand is self._program else self._slots
        try:
            async with (
                slots.hold(ids.origin(url)),
                self._session.get(target, headers=headers, allow_redirects=False) as response,
            ):
                if response.status in REDIRECTS and "Location" in response.headers:
                    return response.headers["Location"]
                if response.status in again:
                    return _Closed(tuple(response.headers.getall("Accept-Signature", ())))
                _check_status(response, errand)
                _check_media(response, errand)
                body = await _read(response, errand)
        except TRANSPORT_FAILURES as error:
            reason = failure_of(error)
            if reason == "address-refused":
                raise errand.refuse(reason, "a public address", ids.origin(url)) from error
            raise errand.give_up(reason) from error
        document = strict_json.loads(body)
        if errand.named and not isinstance(document.get("id"), str):
            raise errand.refuse("no-id", "an object with an id", type(document.get("id")).__name__)
        return document


def check_actor(document: Document, actor_id: str, *, allow_origins: frozenset[str]) -> None:
    """Raise unless `document` has the shape of the actor `actor_id`: id, type, a usable inbox, few keys.

    Raises:
        Unverified: it has not (`key-unknown`; `extra["check"]` names what is wrong).
        Malformed: its inbox is no URL that we may post to (`bad-id`).
    """
    # (8) Whoever answers for an id must be that id.
    if document.get("id") != actor_id:
        raise _not_an_actor("id-mismatch", actor_id, str(document.get("id")))
    kinds = document.get("type")
    named = kinds if isinstance(kinds, list) else [kinds]
    # (9) Something without a type is not somebody.
    if not named or not all(isinstance(kind, str) and kind for kind in named):
        raise _not_an_actor("no-type", "one or more names", str(kinds))
    inbox = document.get("inbox")
    # (10) Nor is something without an inbox, or with one where we would not post.
    if not isinstance(inbox, str):
        raise _not_an_actor("no-inbox", "a URL", type(inbox).__name__)
    ids.check_id(inbox, allow_origins=allow_origins)
    count = len(published_keys(document))
    # (11) An actor with a thousand keys makes us try a thousand keys (AP-13).
    if count > limits.MAX_KEYS_PER_ACTOR:
        raise _not_an_actor("too-many-keys", f"at most {limits.MAX_KEYS_PER_ACTOR}", str(count))


def _not_an_actor(check: str, expected: str, received: str) -> Unverified:
    return Unverified(
        "key-unknown",
        f"This is not the actor that was asked for: {check}.",
        expected=expected,
        received=received[:200],
        extra={"check": check},
    )


def published_keys(actor: Document) -> tuple[Any, ...]:
    """Return the entries of `publicKey` and `assertionMethod` as they stand: keys, or ids of keys."""
    entries: list[Any] = []
    for member in ("publicKey", "assertionMethod"):
        value = actor.get(member)
        entries += value if isinstance(value, list) else [value] if value is not None else []
    return tuple(entries)


def _check_status(response: aiohttp.ClientResponse, errand: _Errand) -> None:
    status = response.status
    # (12) Only a plain 200 is the document: what else there is says something about it.
    if status == 200:
        return
    if status >= 500 or status in LATER:
        raise errand.give_up(f"status {status}")
    raise errand.refuse("status", "200", str(status), answered=status)


def _check_media(response: aiohttp.ClientResponse, errand: _Errand) -> None:
    # (13) We asked for identity: what is encoded is not unpacked.
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise errand.refuse("encoded", "identity", encoding)
    # (14) Other types may be somebody's upload, served from the right host (CVE-2024-25623).
    if not errand.takes(response.headers.get("Content-Type", "")):
        raise errand.refuse("media-type", errand.accept, response.headers.get("Content-Type", "none"))


async def _read(response: aiohttp.ClientResponse, errand: _Errand) -> bytes:
    most = errand.most
    # (15) A length that is announced is believed when it is too much …
    if response.content_length is not None and response.content_length > most:
        raise errand.refuse("too-large", f"at most {most} bytes", str(response.content_length))
    body = bytearray()
    async for chunk in response.content.iter_chunked(16 * limits.KIB):
        body += chunk
        # (16) … and none that is announced is believed while reading.
        if len(body) > most:
            raise errand.refuse("too-large", f"at most {most} bytes", "more")
    return bytes(body)


@asynccontextmanager
async def _deadline(errand: _Errand) -> AsyncIterator[None]:
    """Give the block its time in all: a slow drip never trips the time-outs that aiohttp has per read."""
    try:
        # (17) The whole fetch ends, whatever the other side does.
        async with asyncio.timeout(errand.time.total_seconds()):
            yield
    except TimeoutError as error:
        raise errand.give_up("timeout") from error
