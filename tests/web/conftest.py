"""A small world behind the server: dictionaries for a store, recorders for the flows, words for pages.

The store behaves as `ports.Reader` promises: it filters by readers, pages by cursors of its own, and says Malformed to
a cursor that is not one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedcoop.errors import FedcoopError, Malformed
from fedcoop.flow import c2s, inbound
from fedcoop.flow.access import first_token
from fedcoop.flow.outbound import Published as Said
from fedcoop.flow.taking_in import Receipt
from fedcoop.flow.world import Instance, World
from fedcoop.ports import (
    Account,
    BoardEntry,
    BoardPage,
    BoardQuery,
    Follow,
    Page,
    StoredActivity,
    StoredActor,
    StoredObject,
    Token,
)
from fedcoop.protocol import strict_json
from fedcoop.protocol.messages import Chain, Document, RawRequest
from fedcoop.protocol.scopes import PAGES
from fedcoop.protocol.shape import PUBLIC
from fedcoop.web.admission import Rates
from fedcoop.web.published import Published
from fedcoop.web.server import make_application
from fedcoop.web.services import Services
from tests.conftest import NOON, ROOT, CountedIds, StoppedClock
from tests.web.pages_server import served as served

T = TypeVar("T")

BASE = "https://coop-a.example"
COOP = f"{BASE}/actors/coop"
ALICE = f"{BASE}/actors/alice"
BOB = "https://coop-b.example/actors/bob"
MEMBERS = f"{COOP}/members"

ALICES_TOKEN = "alices-token"
ALICES_SIGN_IN = "alices-sign-in"
COOPS_TOKEN = "coops-token"

INSTANCE = Instance(
    base=BASE,
    name="Coop A",
    default_language="fr",
    allow_origins=frozenset(),
    window=(timedelta(hours=1), timedelta(minutes=5)),
    first_retry=timedelta(seconds=6),
    communes={"44109": ("Nantes", 47.22, -1.55), "97502": ("Saint-Pierre", None, None)},
    rome_labels={"N4104": "Courses et livraisons express"},
)


def an_actor(name: str, *, kind: str = "Member", local: bool = True, base: str = BASE) -> StoredActor:
    actor = f"{base}/actors/{name}" if kind != "Application" else f"{base}/actor"
    document = {"@context": "https://www.w3.org/ns/activitystreams", "id": actor, "type": "Person"}
    return StoredActor(actor, local, kind, name, document, f"{actor}/inbox", f"{base}/inbox", NOON)


def an_object(path: str, *, readers: Sequence[str] = (PUBLIC,), **changed: Any) -> StoredObject:
    iri = f"{BASE}{path}"
    document = {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": iri,
        "type": "Note",
        "name": "Vélo",
    }
    made = StoredObject(iri, COOP, "Mission", document, True, tuple(readers), NOON, None, None)
    return replace(made, **changed)


def an_activity(path: str, *, to: Sequence[str] = (PUBLIC,), **members: Any) -> StoredActivity:
    iri = f"{BASE}{path}"
    body = strict_json.dumps({"id": iri, "type": "Create", "actor": COOP, "to": list(to), **members})
    return StoredActivity(iri, COOP, "Create", body, sha256(body).digest(), True, NOON, None, None)


def a_token(secret: str, actor: str, **changed: Any) -> Token:
    """A token in use just now: its use need not be written down again."""
    return replace(first_token(secret, actor, NOON), **{"used": NOON, **changed})


def a_row(obj: StoredObject, *, title: str = "Vélo") -> BoardEntry:
    return BoardEntry(
        obj.id, obj.object_class, obj.owner, True, "published", "public", title, "N4104", "44109",
        NOON, None, NOON + timedelta(days=9), None, obj.document,
    )  # fmt: skip


@dataclass
class FakeReader:
    """Everything that is stored, newest last."""

    actors: dict[str, StoredActor] = field(default_factory=dict)
    objects: dict[str, StoredObject] = field(default_factory=dict)
    activities: dict[str, StoredActivity] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    inboxes: dict[str, list[Document]] = field(default_factory=dict)
    rows: list[BoardEntry] = field(default_factory=list)
    follows: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    queries: list[BoardQuery] = field(default_factory=list)
    seen_by: list[tuple[str, ...] | None] = field(default_factory=list)

    def put(self, *things: StoredActor | StoredObject | StoredActivity) -> None:
        for thing in things:
            kept: dict[str, Any] = {
                StoredActor: self.actors, StoredObject: self.objects, StoredActivity: self.activities
            }[type(thing)]  # fmt: skip
            kept[thing.id] = thing

    def give(self, *tokens: Token) -> None:
        self.tokens |= {token.hash: token for token in tokens}

    async def actor(self, actor_id: str) -> StoredActor | None:
        return self.actors.get(actor_id)

    async def actor_by_username(self, username: str) -> StoredActor | None:
        return next((a for a in self.actors.values() if a.local and a.username == username), None)

    async def local_actors(self) -> tuple[StoredActor, ...]:
        return tuple(a for a in self.actors.values() if a.local)

    async def object(self, object_id: str) -> StoredObject | None:
        return self.objects.get(object_id)

    async def activity(self, activity_id: str) -> StoredActivity | None:
        return self.activities.get(activity_id)

    async def chain(self, ref: str) -> Chain | None:
        return None

    async def token(self, token_hash: str) -> Token | None:
        return self.tokens.get(token_hash)

    async def account(self, actor: str) -> Account | None:
        return self.accounts.get(actor)

    async def account_invited(self, invitation: str) -> Account | None:
        return next((a for a in self.accounts.values() if a.invitation == invitation), None)

    async def tokens_of(self, actor: str) -> tuple[Token, ...]:
        return tuple(token for token in self.tokens.values() if token.actor == actor)

    async def meta(self, key: str) -> str | None:
        return None

    async def counts(self) -> Mapping[str, int]:
        return {"members": 2, "missions": 3, "activities": 7}

    async def inbox_page(self, actor: str, *, cursor: str | None, limit: int) -> Page:
        items, following = newest_first(self.inboxes.get(actor, []), cursor, limit)
        return Page(len(self.inboxes.get(actor, [])), tuple(items), following)

    async def outbox_page(
        self, actor: str, *, cursor: str | None, limit: int, readers: tuple[str, ...] | None
    ) -> Page:
        self.seen_by.append(readers)
        said = [strict_json.loads(a.body) for a in self.activities.values() if a.actor == actor]
        shown = [d for d in said if readers is None or {*d["to"]} & {*readers}]
        items, following = newest_first(shown, cursor, limit)
        return Page(len(shown), tuple(items), following)

    async def follows_page(
        self, actor: str, *, which: str, cursor: str | None, limit: int
    ) -> tuple[int, tuple[str, ...], str | None]:
        known = self.follows.get((actor, which), [])
        items, following = newest_first(known, cursor, limit)
        return len(known), tuple(items), following

    async def followers_at(self, followed: str, origin: str, *, limit: int) -> tuple[Follow, ...]:
        there = [one for one in self.follows.get((followed, "followers"), []) if one.startswith(f"{origin}/")]
        return tuple(Follow(one, followed, one, "accepted") for one in there[:limit])

    async def board(self, query: BoardQuery) -> BoardPage:
        self.queries.append(query)
        found = [r for r in self.rows if r.object_class in query.classes and self._may_read(r, query)]
        items, following = newest_first(found, query.cursor, query.limit)
        return BoardPage(len(found), tuple(items), following)

    def _may_read(self, row: BoardEntry, query: BoardQuery) -> bool:
        allowed = self.objects[row.object_id].readers
        return query.readers is None or bool({*allowed} & {*query.readers})


def newest_first(items: Sequence[T], cursor: str | None, limit: int) -> tuple[list[T], str | None]:
    """Return a page, whose cursor is the place of its last item counted from the oldest: inserts do not move it."""
    if cursor is not None and not cursor.isdigit():
        raise Malformed("malformed-request", "the cursor is none that this collection gave out")
    end = len(items) if cursor is None else int(cursor)
    start = max(0, end - limit)
    return list(reversed(items[start:end])), str(start) if start else None


class FakeStore:
    """Reads from the dictionaries; a write would be a handler doing a flow's work."""

    def __init__(self, reader: FakeReader) -> None:
        self.reader = reader

    async def read(self, work: Callable[[Any], Awaitable[T]]) -> T:
        return await work(self.reader)

    async def write(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Tokens are written by `flow/access.py`; any other write would be a handler doing a flow's work."""
        return await work(FakeDesk(self.reader.tokens))


@dataclass
class FakeDesk:
    """The tokens, and nothing else that could be written."""

    tokens: dict[str, Token]

    async def token(self, token_hash: str) -> Token | None:
        return self.tokens.get(token_hash)

    async def tokens_of(self, actor: str) -> tuple[Token, ...]:
        return tuple(token for token in self.tokens.values() if token.actor == actor)

    async def put_token(self, token: Token) -> None:
        self.tokens[token.hash] = token

    async def end_token(self, token_hash: str) -> None:
        del self.tokens[token_hash]

    async def forget_tokens(self, now: datetime) -> None: ...


class FakeRing:
    """The co-op's key for proofs: `ports.KeyRing`, as far as what is read needs it."""

    key = Ed25519PrivateKey.from_private_bytes(bytes(32))

    def proof_key(self, actor: str) -> tuple[str, Ed25519PrivateKey]:
        return f"{actor}#ed25519-1", self.key


@dataclass
class FakeFlows:
    """Stands in for what arrives and what is said: remembers what it was given, answers what it is told to."""

    received: list[tuple[RawRequest, str | None]] = field(default_factory=list)
    submitted: list[tuple[str, Document, str | None]] = field(default_factory=list)
    refusal: Exception | None = None
    outcome: str = "accepted"
    before: Callable[[], Awaitable[None]] | None = None

    async def receive(self, request: RawRequest, *, inbox_of: str | None, world: World) -> Receipt:
        self.received.append((request, inbox_of))
        if self.before is not None:
            await self.before()
        if self.refusal is not None:
            raise self.refusal
        return Receipt(self.outcome, "https://coop-b.example/activities/1")  # type: ignore[arg-type]

    async def submit(self, actor: str, document: Document, *, client_key: str | None, world: World) -> Said:
        self.submitted.append((actor, document, client_key))
        if self.refusal is not None:
            raise self.refusal
        said = {"id": f"{BASE}/activities/1", "type": "Create", "actor": actor, "object": document}
        return Said(said["id"], said, duplicate=False)  # type: ignore[arg-type]


class FakePages:
    """Says on every page which one it is."""

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return (web.get("/sign-in", self.coop),)

    async def coop(self, request: web.Request) -> web.Response:
        return a_page("coop")

    async def board(self, request: web.Request) -> web.Response:
        return a_page("board")

    async def proposal(self, request: web.Request, obj: StoredObject) -> web.Response:
        return a_page(f"proposal {obj.id}")

    async def engagement(self, request: web.Request, obj: StoredObject) -> web.Response:
        return a_page(f"engagement {obj.id}")

    async def activity(self, request: web.Request, document: Document) -> web.Response:
        return a_page(f"activity {document['id']}")

    async def profile(self, request: web.Request, actor: StoredActor) -> web.Response:
        return a_page(f"profile {actor.id}")

    async def term(self, request: web.Request, term: str) -> web.Response:
        return a_page(f"term {term}")

    async def problem(self, request: web.Request, problem: Mapping[str, Any], status: int) -> web.Response:
        return a_page(f"problem {problem['type']}", status=status)


def a_page(text: str, *, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


@pytest.fixture(scope="session")
def vocabulary() -> Mapping[str, bytes]:
    folder: Path = ROOT / "vocab"
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*.jsonld")}


@pytest.fixture
def reader() -> FakeReader:
    reader = FakeReader()
    reader.put(
        an_actor("coop", kind="Cooperative"),
        an_actor("alice"),
        an_actor("coop-a.example", kind="Application"),
    )
    reader.give(a_token(ALICES_TOKEN, ALICE), a_token(COOPS_TOKEN, COOP))
    reader.give(a_token(ALICES_SIGN_IN, ALICE, scopes=PAGES))
    return reader


@pytest.fixture
def flows(monkeypatch: pytest.MonkeyPatch) -> FakeFlows:
    flows = FakeFlows()
    monkeypatch.setattr(inbound, "receive", flows.receive)
    monkeypatch.setattr(c2s, "submit", flows.submit)
    return flows


@pytest.fixture
def world(reader: FakeReader, clock: StoppedClock, new_id: CountedIds) -> World:
    absent: Any = None
    store: Any = FakeStore(reader)
    ring: Any = FakeRing()
    return World(INSTANCE, store, absent, absent, ring, absent, clock, new_id, absent)


@pytest.fixture
def services(world: World, vocabulary: Mapping[str, bytes]) -> Services:
    """With pages; a test of an instance without them replaces `pages`."""
    return Services(world=world, published=Published(vocabulary), pages=FakePages(), rates=Rates())


Serve = Callable[[Services], Awaitable[TestClient]]


@pytest.fixture
def serve(aiohttp_client: Any) -> Serve:
    async def start(services: Services) -> TestClient:
        client: TestClient = await aiohttp_client(make_application(services))
        return client

    return start


@pytest.fixture
async def client(services: Services, flows: FakeFlows, serve: Serve) -> TestClient:
    return await serve(services)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def problem_of(response: Any) -> dict[str, Any]:
    """Return the problem document of a response, checked for what every one of them has."""
    assert response.content_type == "application/problem+json", await response.text()
    problem: dict[str, Any] = await response.json(content_type=None)
    assert problem["status"] == response.status
    assert problem["type"].startswith(f"{BASE}/problems/")
    return problem


async def code_of(response: Any) -> str:
    return str((await problem_of(response))["type"]).rpartition("/")[2]


def every_error_class() -> list[type[FedcoopError]]:
    """Return every class of the tree that is raised: those without subclasses."""

    def below(kind: type[FedcoopError]) -> Iterable[type[FedcoopError]]:
        for child in kind.__subclasses__():
            if child.__module__ == "fedcoop.errors":
                yield child
                yield from below(child)

    return [
        kind
        for kind in below(FedcoopError)
        if not any(k.__module__ == "fedcoop.errors" for k in kind.__subclasses__())
    ]
