"""A small client of an instance's public interface: ActivityPub C2S with a bearer token, and plain reading.

One connection per request and no proxy: it speaks to instances on this machine (demo, doctor, tests) and to the URL
that `verify` and `history` are given. Answers are bounded.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

from fedcoop.cli.answer import Failed
from fedcoop.cli.speech import say

T = TypeVar("T")

AS2: Final = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
MAX_ANSWER: Final = 32 * 1024 * 1024
"""No answer is read beyond this many bytes: a history of thousands of steps fits, an endless stream does not."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def ok(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Return the body as JSON. Raises ValueError."""
        return json.loads(self.body)

    def problem(self) -> dict[str, Any]:
        """Return the RFC 9457 problem document, or an empty one when the answer is not one."""
        try:
            document = self.json()
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


class Unreachable(Failed):
    """No answer came from there."""


def request(
    method: str,
    url: str,
    *,
    token: str | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    accept: str = AS2,
    timeout: float = 15.0,
) -> Reply:
    """Send one HTTP request and return the whole answer. Redirects are not followed. Raises Unreachable."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Failed(
            "malformed-url",
            say(f"{url} is not an http(s) address.", f"{url} n’est pas une adresse http(s)."),
        )
    sent = {"Accept": accept, "User-Agent": "fedcoop-cli", "Connection": "close", **(headers or {})}
    if token:
        sent["Authorization"] = f"Bearer {token}"
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=timeout, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, body=body, headers=sent)
        answer = connection.getresponse()
        content = answer.read(MAX_ANSWER + 1)
        if len(content) > MAX_ANSWER:
            raise Failed(
                "too-large", say(f"{url} answered too much.", f"La réponse de {url} est trop longue.")
            )
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, content)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(
            "unreachable",
            say(f"No answer from {url}: {error}.", f"Pas de réponse de {url} : {error}."),
            next_step=say("Is it being served? `fedcoop serve DIR`", "Est-elle servie ? `fedcoop serve DIR`"),
        ) from error
    finally:
        connection.close()


def get(url: str, *, token: str | None = None, accept: str = AS2, timeout: float = 15.0) -> Reply:
    """GET `url`."""
    return request("GET", url, token=token, accept=accept, timeout=timeout)


def post_outbox(
    outbox: str, document: Mapping[str, Any], *, token: str, key: str | None = None, timeout: float = 30.0
) -> Reply:
    """Say `document` as the owner of `outbox` (ActivityPub C2S); `key` makes a repetition harmless."""
    headers = {"Content-Type": AS2}
    if key is not None:
        headers["Idempotency-Key"] = key
    body = json.dumps(document, ensure_ascii=False).encode()
    return request("POST", outbox, token=token, body=body, headers=headers, timeout=timeout)


def lookup(base: str, iri: str, *, token: str) -> dict[str, Any] | None:
    """Return the instance's stored copy of `iri`, or None when it has none that this token may see."""
    reply = get(f"{base}/api/v1/lookup?uri={quote(iri, safe='')}", token=token)
    if reply.status == 404:
        return None
    if not reply.ok:
        raise refused(reply, iri)
    document = reply.json()
    return document if isinstance(document, dict) else None


def refused(reply: Reply, what: str) -> Failed:
    """Return the failure that a refusing answer stands for, in its own words."""
    problem = reply.problem()
    code = str(problem.get("type", "")).rsplit("/", 1)[-1] or f"http-{reply.status}"
    detail = str(problem.get("detail") or problem.get("title") or reply.body[:200].decode("utf-8", "replace"))
    for name in ("expected", "received"):
        if problem.get(name):
            detail += f" [{name}: {problem[name]}]"
    return Failed(code, f"{what}: {reply.status} {code}: {detail}", extra={"status": reply.status})


def poll(ask: Callable[[], T | None], *, seconds: float, pause: float = 0.05) -> T | None:
    """Ask until the answer is something, for at most `seconds`; return it, or None when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = ask()
        if found is not None or time.monotonic() >= deadline:
            return found
        time.sleep(pause)
