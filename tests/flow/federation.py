"""A federation in one process: real stores on files, real signatures, and a post office instead of a network.

Every message between two worlds is a signed HTTP request that the receiver opens and verifies as if it had come from
outside; only the socket is missing. The clock stands still, ids count, and lanes are served when a test says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from fedcoop.errors import FedcoopError, Gone, Misconfigured, NotFound, TryLater, Unavailable, Unverified
from fedcoop.flow import founding, relaying
from fedcoop.flow.c2s import submit
from fedcoop.flow.founding import Newcomer, NewMember
from fedcoop.flow.inbound import receive
from fedcoop.flow.outbound import Published, serve_lane
from fedcoop.flow.reading import read_history, read_object, readers_for, standing_alone
from fedcoop.flow.synchronising import partial
from fedcoop.flow.taking_in import Receipt
from fedcoop.flow.visiting import visitor_of
from fedcoop.flow.world import Instance, Relaying, World
from fedcoop.ports import Answer, BoardQuery, Lane, Transaction
from fedcoop.protocol import cavage
from fedcoop.protocol.actors import http_key_id, proof_key_id
from fedcoop.protocol.following import HEADER
from fedcoop.protocol.limits import SIGNATURE_WINDOW
from fedcoop.protocol.messages import Chain, Document, KeyDocument, RawRequest
from fedcoop.protocol.relaying import EVERYTHING, Wish
from fedcoop.store.schema import upgrade
from fedcoop.store.sql import SqlStore
from fedcoop.web.errors import status_of
from tests.conftest import NOON, CountedIds, StoppedClock

COMMUNES: Mapping[str, tuple[str, float | None, float | None]] = {
    "69123": ("Lyon", 45.758, 4.835),
    "44109": ("Nantes", 47.218, -1.554),
    "73054": ("Bourg-Saint-Maurice", 45.617, 6.769),
}

NAMES = ("lyon", "nantes", "alpes")

_POOL: list[RSAPrivateKey] = []


def rsa_key(number: int) -> RSAPrivateKey:
    """Return the n-th RSA key of the test session: making one takes a tenth of a second."""
    while len(_POOL) <= number:
        _POOL.append(generate_private_key(65537, 2048))
    return _POOL[number]


class Ring:
    """Keys in memory: `ports.KeyRing`."""

    def __init__(
        self,
        numbers: itertools.count[int],
        keys: Mapping[str, tuple[RSAPrivateKey, Ed25519PrivateKey]] = MappingProxyType({}),
    ) -> None:
        self._numbers = numbers
        self._keys = {actor: {1: both} for actor, both in keys.items()}
        self._next: dict[tuple[str, int], tuple[RSAPrivateKey, Ed25519PrivateKey]] = {}

    @property
    def keys(self) -> Mapping[str, tuple[RSAPrivateKey, Ed25519PrivateKey]]:
        """Both keys of every actor."""
        return {actor: both[max(both)] for actor, both in self._keys.items()}

    def http_key(self, actor: str) -> tuple[str, RSAPrivateKey]:
        return http_key_id(actor, self.generation(actor)), self.keys[actor][0]

    def proof_key(self, actor: str) -> tuple[str, Ed25519PrivateKey]:
        return proof_key_id(actor, self.generation(actor)), self.keys[actor][1]

    async def provide(self, actors: list[str]) -> None:
        for actor in actors:
            self._keys.setdefault(actor, {1: self._made()})

    def generation(self, actor: str) -> int:
        return max(self._keys.get(actor, {0: None}))

    def prepared(self, actor: str, generation: int) -> tuple[RSAPrivateKey, Ed25519PrivateKey]:
        found = self._next.get((actor, generation)) or self._keys.get(actor, {}).get(generation)
        if found is None:
            raise Misconfigured("misconfigured", f"{actor} has no keys")
        return found

    async def prepare(self, wanted: Mapping[str, int], *, anew: bool = False) -> None:
        for actor, generation in wanted.items():
            if anew or (actor, generation) not in self._next:
                self._next[actor, generation] = self._made()

    async def promote(self, actor: str, generation: int) -> None:
        if (actor, generation) in self._next:
            self._keys.setdefault(actor, {})[generation] = self._next.pop((actor, generation))

    async def destroy(self, actor: str, *, below: int) -> int:
        gone = [number for number in self._keys[actor] if number < below]
        for number in gone:
            del self._keys[actor][number]
        return len(gone)

    def lose(self, actor: str) -> None:
        """Have no keys of `actor` any more."""
        del self._keys[actor]

    def _made(self) -> tuple[RSAPrivateKey, Ed25519PrivateKey]:
        return rsa_key(next(self._numbers)), Ed25519PrivateKey.generate()


class Passwords:
    """`ports.PasswordHasher` without the work: what is kept is the password backwards, and every look is counted."""

    def __init__(self) -> None:
        self.looked: list[str | None] = []
        self.between: Callable[[], Awaitable[None]] | None = None
        """What happens while a password is being looked at."""

    async def hashed(self, password: str) -> str:
        return f"new:{password[::-1]}"

    async def fits(self, password: str, kept: str | None) -> bool:
        self.looked.append(kept)
        if self.between is not None:
            await self.between()
        return kept is not None and kept.partition(":")[2] == password[::-1]

    def outdated(self, kept: str) -> bool:
        return not kept.startswith("new:")


class Doorbell:
    """Counts its rings."""

    def __init__(self) -> None:
        self.rings = 0

    def ring(self) -> None:
        self.rings += 1


@dataclass
class PostOffice:
    """Routes between worlds by origin; `down` origins give no answer, and every request is kept for the test to see."""

    worlds: dict[str, World] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    posts: list[tuple[str, str, int]] = field(default_factory=list)
    """(inbox, activity type, status) of every post."""
    fetched: list[str] = field(default_factory=list)
    programs: dict[str, Document] = field(default_factory=dict)
    """`client_id` to what is served there."""

    async def actor(self, actor_id: str) -> Document:
        self.fetched.append(actor_id)
        world = self.worlds.get(_origin(actor_id))
        if world is None or _origin(actor_id) in self.down:
            raise Unavailable("key-unreachable", "No answer.")
        stored = await world.store.read(lambda reader: reader.actor(actor_id))
        if stored is None:
            raise Unverified("key-unknown", "There is no such actor.")
        return stored.document

    async def client_document(self, client_id: str) -> Document:
        self.fetched.append(client_id)
        if client_id not in self.programs:
            raise Unavailable("unavailable", "No answer.")
        return self.programs[client_id]

    async def document(self, url: str, *, signed: bool = False) -> Document:
        """Return what anybody is shown at `url`: a history, or an object as it stands alone."""
        self.fetched.append(url)
        world = self.worlds.get(_origin(url))
        if world is None or _origin(url) in self.down:
            raise Unavailable("unavailable", "No answer.")
        if url.endswith("/history"):
            told = await read_history(url.removesuffix("/history"), actor=None, world=world)
            return dict(json.loads(json.dumps(told)))
        stored = await read_object(url, actor=None, world=world)
        return standing_alone(stored, world=world)


class Resolver:
    """`ports.KeyResolver` over the post office, with a cache that `refresh` goes round."""

    def __init__(self, office: PostOffice, clock: StoppedClock) -> None:
        self._office, self._clock = office, clock
        self._cache: dict[str, KeyDocument] = {}

    async def resolve(self, key_id: str, *, refresh: bool = False) -> KeyDocument:
        actor = key_id.split("#", 1)[0]
        if refresh or actor not in self._cache:
            self._cache[actor] = KeyDocument(await self._office.actor(actor), self._clock())
        return self._cache[actor]


class Courier:
    """`ports.Courier`: signs as the sender and hands the request to the receiver's `receive`."""

    def __init__(self, office: PostOffice, ring: Ring, clock: StoppedClock) -> None:
        self._office, self._ring, self._clock = office, ring, clock

    async def post(
        self, *, inbox: str, body: bytes, sender: str, synchronisation: str | None = None
    ) -> Answer:
        world = self._office.worlds.get(_origin(inbox))
        if world is None or _origin(inbox) in self._office.down:
            raise Unavailable("unavailable", "No answer.")
        more = {HEADER: synchronisation} if synchronisation is not None else {}
        request = signed(inbox, body, sender=sender, ring=self._ring, now=self._clock(), more=more)
        answer = await answered(world, request, inbox)
        self._office.posts.append((inbox, json.loads(body)["type"], answer.status))
        return answer


class Fetching:
    """`ports.Fetcher` over the post office, and by a signed GET of the instance's what its actors are told alone."""

    def __init__(self, office: PostOffice, ring: Ring, clock: StoppedClock, application: str) -> None:
        self._office, self._ring, self._clock, self._application = office, ring, clock, application

    async def actor(self, actor_id: str) -> Document:
        return await self._office.actor(actor_id)

    async def client_document(self, client_id: str) -> Document:
        return await self._office.client_document(client_id)

    async def document(self, url: str, *, signed: bool = False) -> Document:
        """Return what a server answers to anybody, or to our signed GET of who follows its actors."""
        if not signed or not url.endswith("/followers/synchronization"):
            return await self._office.document(url, signed=signed)
        self._office.fetched.append(url)
        world = self._office.worlds.get(_origin(url))
        if world is None or _origin(url) in self._office.down:
            raise Unavailable("unavailable", "No answer.")
        key_id, key = self._ring.http_key(self._application)
        host, path = url.split("://", 1)[1].split("/", 1)
        headers = cavage.sign_headers(
            method="GET",
            url_host=host,
            target=f"/{path}",
            body=None,
            key_id=key_id,
            key=key,
            date=self._clock(),
        )
        visitor = await visitor_of(RawRequest("GET", f"/{path}", tuple(headers.items()), b""), world=world)
        return await partial(url.removesuffix("/followers/synchronization"), visitor, world=world)


def signed(
    inbox: str,
    body: bytes,
    *,
    sender: str,
    ring: Ring,
    now: datetime,
    more: Mapping[str, str] = MappingProxyType({}),
) -> RawRequest:
    """Return the request by which `sender` posts `body` to `inbox`; `more` headers are signed with it."""
    host, _, path = inbox.split("://", 1)[1].partition("/")
    key_id, key = ring.http_key(sender)
    headers = cavage.sign_headers(
        method="POST",
        url_host=host,
        target=f"/{path}",
        body=body,
        key_id=key_id,
        key=key,
        date=now,
        more=more,
    )
    return RawRequest("POST", f"/{path}", tuple(headers.items()), body)


async def answered(world: World, request: RawRequest, inbox: str) -> Answer:
    """Return what a server would answer."""
    owner = inbox.removesuffix("/inbox") if "/actors/" in inbox else None
    try:
        if world.instance.relaying is not None:
            await relaying.receive(request, world=world)
        else:
            await receive(request, inbox_of=owner, world=world)
    except FedcoopError as refusal:
        later = refusal.retry_after if isinstance(refusal, TryLater) else None
        return Answer(status_of(refusal), refusal.code, refusal.detail, later)
    return Answer(202, None, None, None)


@dataclass
class Coop:
    """One co-operative of the federation, as a test speaks of it."""

    world: World
    ring: Ring
    office: PostOffice
    clock: StoppedClock
    folder: Path | None = None

    @property
    def id(self) -> str:
        """The co-op's actor."""
        return self.world.instance.coop

    @property
    def base(self) -> str:
        """Its origin."""
        return self.world.instance.base

    async def member(self, username: str, **profile: Any) -> str:
        """Add a member and return the actor id."""
        added: NewMember = await founding.add_member(self.world, Newcomer(username, username, **profile))
        return added.id

    async def say(self, actor: str, kind: str, obj: Any, **members: Any) -> Published:
        """Post an activity to `actor`'s outbox, then let everything be delivered."""
        published = await self.post(actor, {"type": kind, "object": obj, **members})
        await settle(self.office)
        return published

    async def post(self, actor: str, document: Document) -> Published:
        """Post to `actor`'s outbox; nothing is delivered yet."""
        return await submit(actor, document, client_key=None, world=self.world)

    async def chain(self, ref: str) -> Chain | None:
        """Return the chain known here under `ref`."""
        return await self.world.store.read(lambda reader: reader.chain(ref))

    async def state(self, ref: str) -> tuple[str, int] | None:
        """Return (state, version) of the chain known here under `ref`."""
        chain = await self.chain(ref)
        return (chain.state, chain.version) if chain else None

    async def history(self, ref: str) -> list[dict[str, Any]]:
        """Return the activities of the chain known here under `ref`, in order."""
        chain = await self.chain(ref)
        if chain is None:
            return []
        stored = await self.world.store.read(lambda reader: reader.history(chain.id))
        return [json.loads(one.body) for one in stored]

    async def confirmed(self, ref: str) -> list[bool]:
        """Return which links of the chain known here under `ref` are final."""
        chain = await self.chain(ref)
        links = await self.world.store.read(lambda reader: reader.links(chain.id)) if chain else ()
        return [link.confirmed for link in links]

    async def read(self, iri: str, actor: str | None = None) -> Document | None:
        """Return the object `iri` as `actor` (None: anybody) may read it here, None when they may not."""
        try:
            return (await read_object(iri, actor=actor, world=self.world)).document
        except (NotFound, Gone):
            return None

    async def board(self, actor: str | None = None, *, open_only: bool = True) -> list[str]:
        """Return the ids on the board here that `actor` (None: anybody) may see, sorted."""
        readers = readers_for(actor, self.world.instance)
        query = BoardQuery(readers=readers, open_only=open_only, limit=200)
        page = await self.world.store.read(lambda reader: reader.board(query))
        return sorted(entry.object_id for entry in page.entries)

    async def owed(self) -> int:
        """Return how many deliveries are owed."""
        counts = await self.world.store.read(lambda reader: reader.delivery_counts())
        return counts["owed"]

    def rows(self) -> dict[str, int]:
        """Return how many rows each table has."""
        assert self.folder is not None
        with contextlib.closing(sqlite3.connect(self.folder / "fedcoop.db")) as database:
            names = [n for (n,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {n: database.execute(f'SELECT count(*) FROM "{n}"').fetchone()[0] for n in names}

    async def receive(self, body: bytes, *, sender: str, ring: Ring, **changes: Any) -> Receipt:
        """Take in `body` posted and signed by `sender` of another ring; `changes` as to `signed`."""
        request = signed(f"{self.base}/inbox", body, sender=sender, ring=ring, now=self.clock(), **changes)
        return await receive(request, inbox_of=None, world=self.world)


async def settle(office: PostOffice, rounds: int = 12) -> None:
    """Serve every lane of every world until nothing is due."""
    for _ in range(rounds):
        served = False
        for world in list(office.worlds.values()):
            for lane in await world.store.write(_lease(world)):
                await serve_lane(lane, world=world, stop=asyncio.Event())
                served = True
        if not served:
            return


@dataclass
class Federation:
    """Three co-operatives that work with each other: a CAE in Lyon, couriers in Nantes, a SCIC in the Alps."""

    office: PostOffice
    lyon: Coop
    nantes: Coop
    alpes: Coop

    async def close(self) -> None:
        for coop in (self.lyon, self.nantes, self.alpes):
            await coop.world.store.close()


async def found_coop(folder: Path, base: str, office: PostOffice, clock: StoppedClock, numbers: Any) -> Coop:
    """Found one instance with its own store, keys and place in the post office."""
    await upgrade(_url(folder))
    coop = open_coop(folder, base, office, clock, Ring(numbers), CountedIds())
    await founding.found(coop.world, name=base, username="coop", profile={"cooperativeKind": ["cae"]})
    return coop


async def found_relay(
    folder: Path,
    base: str,
    federation: Federation,
    *,
    open: bool = True,
    carries: Wish = EVERYTHING,
) -> Coop:
    """Found a relay in the federation's post office, on whose list of publishers the three co-ops are."""
    office, clock = federation.office, federation.lyon.clock
    folder.mkdir()
    await upgrade(_url(folder))
    relay = open_coop(
        folder,
        base,
        office,
        clock,
        Ring(itertools.count(7 + len(office.worlds))),
        CountedIds(),
        Relaying(open, carries, {"44": "52", "69": "84", "73": "84"}),
    )
    await relaying.found(relay.world, name=base, profile={})
    for coop in (federation.lyon, federation.nantes, federation.alpes):
        await founding.decide_peer(relay.world, coop.base, "allowed")
    return relay


def open_coop(
    folder: Path,
    base: str,
    office: PostOffice,
    clock: StoppedClock,
    ring: Ring,
    new_id: CountedIds,
    relaying: Relaying | None = None,
) -> Coop:
    """Open the instance whose database is in `folder`."""
    instance = Instance(
        base=base,
        name=base.split("//", 1)[1],
        default_language="fr",
        allow_origins=frozenset(),
        window=SIGNATURE_WINDOW,
        first_retry=timedelta(seconds=6),
        communes=COMMUNES,
        rome_labels={},
        relaying=relaying,
    )
    world = World(
        instance=instance,
        store=SqlStore(_url(folder), clock=clock),
        resolver=Resolver(office, clock),
        fetcher=Fetching(office, ring, clock, instance.application),
        keyring=ring,
        courier=Courier(office, ring, clock),
        clock=clock,
        new_id=new_id,
        doorbell=Doorbell(),
        passwords=Passwords(),
    )
    office.worlds[base] = world
    return Coop(world, ring, office, clock, folder)


def _url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'fedcoop.db'}"


async def found_federation(folder: Path, clock: StoppedClock | None = None) -> Federation:
    """Found three co-ops that allow each other and follow each other; Lyon and Nantes are of one network."""
    clock = clock or StoppedClock(NOON)
    office, numbers = PostOffice(), itertools.count()
    coops = []
    for name in NAMES:
        (folder / name).mkdir()
        coops.append(await found_coop(folder / name, f"https://{name}.example", office, clock, numbers))
    federation = Federation(office, *coops)
    for one in coops:
        for other in coops:
            if one is not other:
                network = "alpes" not in one.base + other.base
                await founding.decide_peer(one.world, other.base, "allowed", network=network, note="test")
    for one in coops:
        for other in coops:
            if one is not other:
                await one.post(one.id, {"type": "Follow", "object": other.id})
    await settle(office)
    return federation


def _lease(world: World) -> Callable[[Transaction], Awaitable[tuple[Lane, ...]]]:
    now = world.clock()

    async def work(tx: Transaction) -> tuple[Lane, ...]:
        return await tx.lease(now=now, until=now + timedelta(minutes=2), holder="t", limit=64)

    return work


@dataclass(frozen=True)
class Template:
    """A federation that was founded once: its folders, and the keys that its databases know."""

    folder: Path
    keys: tuple[Mapping[str, tuple[RSAPrivateKey, Ed25519PrivateKey]], ...]

    def open(self, folder: Path, clock: StoppedClock | None = None) -> Federation:
        """Return a federation of its own, as it was when it was founded, in a copy in `folder`."""
        clock = clock or StoppedClock(NOON)
        office, numbers = PostOffice(), itertools.count(len(self.keys) * 2)
        coops = []
        for name, keys in zip(NAMES, self.keys, strict=True):
            shutil.copytree(self.folder / name, folder / name)
            ring = Ring(numbers, keys)
            ids = CountedIds(first=1001)
            coops.append(open_coop(folder / name, f"https://{name}.example", office, clock, ring, ids))
        return Federation(office, *coops)


async def found_template(folder: Path) -> Template:
    """Found a federation and close it."""
    founded = await found_federation(folder)
    await founded.close()
    return Template(folder, tuple(coop.ring.keys for coop in (founded.lyon, founded.nantes, founded.alpes)))


async def found_strangers(folder: Path) -> Template:
    """Found three co-ops that have decided nothing about each other, and close them."""
    office, numbers, keys = PostOffice(), itertools.count(), []
    for name in NAMES:
        (folder / name).mkdir()
        base = f"https://{name}.example"
        coop = await found_coop(folder / name, base, office, StoppedClock(NOON), numbers)
        keys.append(coop.ring.keys)
        await coop.world.store.close()
    return Template(folder, tuple(keys))


def _origin(iri: str) -> str:
    scheme, _, rest = iri.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def a_mission(**changes: Any) -> dict[str, Any]:
    """Return a paid web mission of three days, as a client posts it; starts now, applications for six days."""
    mission: dict[str, Any] = {
        "type": "Mission",
        "nameMap": {"fr": "Module de réservation du site", "en": "Booking module for the website"},
        "content": "<p>Trois jours à distance.</p>",
        "publishes": {"resourceQuantity": {"hasUnit": "day", "hasNumericalValue": "3"}},
        "price": a_price("1140.00"),
        "location": {"type": "Place", "name": "Nantes", "inseeCommune": "44109"},
        "occupation": {"type": "SkillRef", "codeSystem": "rome", "code": "M1855"},
        "startTime": "2026-11-22T12:00:00Z",
        "applyBefore": "2026-11-28T18:00:00Z",
        "relayScope": "public",
        "slots": 1,
    }
    return {**mission, **changes}


def money(value: str) -> dict[str, str]:
    """Return an amount in euro."""
    return {"type": "MonetaryAmount", "value": value, "currency": "EUR"}


def a_price(value: str) -> dict[str, Any]:
    """Return a price of one line."""
    line = {"type": "SettlementLine", "lineKind": "fee", "amount": money(value)}
    return {"type": "PriceBreakdown", "lines": [line], "totalExclTax": money(value)}
