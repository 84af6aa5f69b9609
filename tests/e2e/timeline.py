"""A reader of timelines, as strict as Mastodon is where it matters to a mission (wire.md AP-3…AP-10, DISC-1…DISC-3).

It knows nothing of fedcoop: a status is what a `Note` says in `content`, cleaned to its text and its links. What
it would drop in silence it drops here with the reason, so that a test can say why nothing is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import quote, urlsplit

from tests.e2e.foreign import AS2, PUBLIC, exchange

ACCEPT: Final = "application/activity+json, application/ld+json"
"""What is sent with a GET: without the profile (AP-3)."""

ACTORS: Final = frozenset({"Application", "Group", "Organization", "Person", "Service"})
STATUSES: Final = frozenset({"Note", "Question"})
CONVERTED: Final = frozenset({"Image", "Audio", "Video", "Article", "Page", "Event"})


class Dropped(Exception):
    """Nothing is shown of it, and this is why."""


def fetch(url: str) -> dict[str, Any]:
    """Return the ActivityStreams document at `url`; raises Dropped when it cannot be trusted to be one."""
    parts = urlsplit(url)
    answer = exchange("GET", url, [("Host", parts.netloc), ("Accept", ACCEPT)])
    kind = answer.headers.get("content-type", "").lower().replace(" ", "")
    profiled = f'application/ld+json;profile="{AS2}"'
    if answer.status != 200:
        raise Dropped(f"{answer.status} at {url}")
    if not kind.startswith(("application/activity+json", profiled)):
        raise Dropped(f"media type {kind!r} (AP-4)")
    document: dict[str, Any] = answer.json()
    if document.get("id") != url:
        raise Dropped("its id is not where it was found (AP-7)")
    if not speaks_as2(document):
        raise Dropped("no ActivityStreams context (AP-9)")
    return document


def speaks_as2(document: Mapping[str, Any]) -> bool:
    """Tell whether the context names ActivityStreams by its literal IRI."""
    context = document.get("@context")
    return AS2 in (context if isinstance(context, list) else [context])


@dataclass(frozen=True)
class Account:
    """An actor as it is shown."""

    id: str
    handle: str
    name: str
    inbox: str


def resolve(actor: str) -> Account:
    """Return the account of an actor id, whose handle leads back to it (DISC-1…3); raises Dropped."""
    document = fetch(actor)
    if document.get("type") not in ACTORS:
        raise Dropped(f"not an account: {document.get('type')!r}")
    key = document["publicKey"]
    if key["owner"] != actor or urlsplit(key["id"]).netloc != urlsplit(actor).netloc:
        raise Dropped("its key is not its own")
    host = urlsplit(actor).netloc
    acct = f"acct:{document['preferredUsername']}@{host}"
    url = f"{urlsplit(actor).scheme}://{host}/.well-known/webfinger?resource={quote(acct, safe='')}"
    found = exchange("GET", url, [("Host", host), ("Accept", "application/jrd+json, application/json")])
    if found.status != 200:
        raise Dropped(f"WebFinger says {found.status} of {acct}")
    links = [
        link["href"]
        for link in found.json()["links"]
        if link["rel"] == "self" and link.get("type") == "application/activity+json"
    ]
    if links != [actor]:
        raise Dropped(f"{acct} leads to {links}")
    shared = (document.get("endpoints") or {}).get("sharedInbox")
    return Account(actor, acct.removeprefix("acct:"), document.get("name") or "", shared or document["inbox"])


@dataclass(frozen=True)
class Status:
    """A post as it is shown."""

    id: str
    account: str
    text: str
    links: tuple[str, ...]
    url: str
    visibility: str
    warning: str
    published: datetime


@dataclass
class Timeline:
    """What one person sees who follows `follows`."""

    follows: frozenset[str]
    statuses: dict[str, Status] = field(default_factory=dict)

    def take(self, activity: Mapping[str, Any]) -> None:
        """Show what an activity says; raises Dropped when nothing of it would be shown."""
        if not speaks_as2(activity):
            raise Dropped("no ActivityStreams context (AP-9)")
        kind, actor, obj = activity.get("type"), activity.get("actor"), activity.get("object")
        if not isinstance(kind, str):
            raise Dropped("its type is not one string (AP-10)")
        if actor not in self.follows:
            raise Dropped("nobody here follows its actor")
        if kind in ("Create", "Update"):
            status = self._status(str(actor), obj)
            if kind == "Update" and status.id not in self.statuses:
                raise Dropped("an edit of what was never here")
            self.statuses[status.id] = status
        elif kind == "Delete":
            gone = obj.get("id") if isinstance(obj, Mapping) else obj
            shown = self.statuses.get(str(gone))
            if shown is not None and shown.account == actor:
                del self.statuses[shown.id]

    def _status(self, actor: str, obj: Any) -> Status:
        if not isinstance(obj, Mapping):
            raise Dropped("its object is not in it")
        types = obj["type"] if isinstance(obj["type"], list) else [obj["type"]]
        if not STATUSES.intersection(types) and not CONVERTED.intersection(types):
            raise Dropped(f"not a status: {types}")
        if obj.get("attributedTo") != actor or urlsplit(obj["id"]).netloc != urlsplit(actor).netloc:
            raise Dropped("not by its actor (AP-8)")
        to, cc = obj.get("to") or [], obj.get("cc") or []
        if not isinstance(to, list) or not isinstance(cc, list):
            raise Dropped("its audience is not lists (AP-11)")
        cleaned = Cleaned()
        cleaned.feed(obj.get("content") or "")
        cleaned.close()
        url = obj.get("url")
        followers = any(one.endswith("/followers") for one in [*to, *cc])
        visibility = "public" if PUBLIC in to else "unlisted" if PUBLIC in cc else "followers"
        return Status(
            id=obj["id"],
            account=actor,
            text=cleaned.text,
            links=tuple(cleaned.links),
            url=url if isinstance(url, str) else obj["id"],
            visibility=visibility if visibility != "followers" or followers else "direct",
            warning=obj.get("summary") or "",
            published=datetime.fromisoformat(obj["published"].replace("Z", "+00:00")),
        )


class Cleaned(HTMLParser):
    """The text and the links of a status; scripts go with all that is in them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self._parts: list[str] = []
        self._silent = 0

    @property
    def text(self) -> str:
        """The text, with one space wherever there was any."""
        return " ".join("".join(self._parts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._silent += 1
        elif tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]
        elif tag in ("p", "br", "li"):
            self._parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._silent -= 1

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._parts.append(data)
