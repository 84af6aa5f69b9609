"""The composition root: the only module that knows who does what.

    open_world   Config → store, keys, session, resolver, fetcher, courier, clock → World, for as long as it is used
    serve        a World that answers HTTP, delivers and keeps its house, until it is told to stop
    create       a new instance, built beside its folder and moved there whole

A command of the operator opens a World of its own on the same folder; it works beside a running server, which its
doorbell wakes when something is owed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import structlog

from fedcoop.config import KEY_FILE, Config, load, write_settings
from fedcoop.errors import Misconfigured
from fedcoop.flow import founding, keys, outbound, relaying, upkeep
from fedcoop.flow.founding import Founded
from fedcoop.flow.world import Instance, Relaying, World
from fedcoop.net.asking import HttpAsker
from fedcoop.net.client import open_session
from fedcoop.net.courier import HttpCourier
from fedcoop.net.fetch import HttpFetcher
from fedcoop.net.guard import allowed_addresses
from fedcoop.net.keys import CachedKeys
from fedcoop.net.knocking import Knocker
from fedcoop.ports import Clock, Doorbell, Knock, Store
from fedcoop.protocol.messages import Document, KeyDocument, PutActor
from fedcoop.store import sealing
from fedcoop.store.keyfolder import KeyFolder, exposed
from fedcoop.store.passwords import Argon2Passwords
from fedcoop.store.schema import upgrade
from fedcoop.store.sealing import Place
from fedcoop.store.sql import SqlStore

if TYPE_CHECKING:
    from aiohttp import web

    from fedcoop.web.published import Published

LOCK: Final = "serve.lock"
"""Held by whoever serves the folder; the kernel lets go of it however that process ends."""

DOORBELL: Final = "doorbell"
"""A named pipe beside it: a command that has left something to deliver writes a byte."""

REQUESTS_END: Final = 20.0
"""Seconds that requests under way have to end when the server is told to stop."""

log = structlog.get_logger("fedcoop.app")

T = TypeVar("T")


# -- a world --------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def open_world(config: Config, *, doorbell: Doorbell | None = None) -> AsyncIterator[World]:
    """Give the world of one instance; everything it opened is closed, and what it began is finished, at the end.

    Without a `doorbell`, that of the folder is rung: a server that serves it wakes.

    Raises:
        Misconfigured: the database is not that of this release, or a key or a setting cannot be used.
    """
    clock = clock_with(config.clock_offset)
    store = SqlStore(config.database_url, clock=clock)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        await store.check()
        keyring = KeyFolder(config.keys_folder, key_place(config))
        session = await stack.enter_async_context(
            open_session(
                allowed=allowed_addresses(config.allow_origins),
                extra_ca_file=config.extra_ca_file,
                contact=config.base_url,
            )
        )
        knocker = Knocker(keyring, clock, StoredKnocks(store))
        application = instance_of(config).application
        fetcher = HttpFetcher(
            session, allow_origins=config.allow_origins, knocker=knocker, signer=application
        )
        resolver = CachedKeys(
            fetcher,
            clock,
            allow_origins=config.allow_origins,
            load=_stored_keys(store),
            save=_keep_keys(store),
        )
        stack.push_async_callback(resolver.close)
        passwords = Argon2Passwords()
        stack.callback(passwords.close)
        yield World(
            instance=instance_of(config),
            store=store,
            resolver=resolver,
            fetcher=fetcher,
            keyring=keyring,
            courier=HttpCourier(session, knocker, clock, allow_origins=config.allow_origins),
            clock=clock,
            new_id=new_id,
            doorbell=doorbell or FarBell(config.folder),
            asker=HttpAsker(session, knocker, allow_origins=config.allow_origins),
            passwords=passwords,
        )


def key_place(config: Config) -> Place:
    """Return where the secret of the private keys is to be had."""
    return Place(config.key_file, config.key_passphrase)


def instance_of(config: Config) -> Instance:
    """Return who this instance is, from its settings and the code lists of the vocabulary."""
    return Instance(
        base=config.base_url,
        name=config.name,
        default_language=config.language,
        allow_origins=config.allow_origins,
        window=config.signature_window,
        first_retry=config.first_retry,
        communes=communes(),
        rome_labels=rome_labels(),
        signed_reads=config.signed_reads,
        strangers_propose=config.agreements_from == "anybody",
        relaying=Relaying(config.relay == "open", config.relay_carries, departments())
        if config.relay
        else None,
    )


def clock_with(offset: timedelta) -> Clock:
    """Return the real clock, ahead by `offset` (a development setting, D10)."""

    def clock() -> datetime:
        return datetime.now(UTC) + offset

    return clock


_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id() -> str:
    """Return a name that sorts by the millisecond of its making and nobody can guess (48 bits of time, 80 random)."""
    number = int(datetime.now(UTC).timestamp() * 1000) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def _stored_keys(store: Store) -> Callable[[str], Awaitable[KeyDocument | None]]:
    async def stored_keys(actor_id: str) -> KeyDocument | None:
        stored = await store.read(lambda reader: reader.actor(actor_id))
        return None if stored is None else KeyDocument(stored.document, stored.fetched_at)

    return stored_keys


def _keep_keys(store: Store) -> Callable[[KeyDocument], Awaitable[None]]:
    async def keep_keys(keys: KeyDocument) -> None:
        await store.write(lambda tx: tx.make([PutActor(keys.actor, local=False, fetched_at=keys.fetched_at)]))

    return keep_keys


class StoredKnocks:
    """`ports.Knocks` in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def last(self, origin: str) -> Knock | None:
        """Return how the server at `origin` last opened, however long ago."""
        return await self._store.read(lambda reader: reader.knock(origin))

    async def receiver(self, inbox: str) -> Document | None:
        """Return the document of an actor whose inbox that is, when we have one."""
        actor = await self._store.read(lambda reader: reader.actor_by_inbox(inbox))
        return None if actor is None else actor.document

    async def keep(self, knock: Knock) -> None:
        """Remember it in the place of what was known of that server. Raises Unavailable."""
        await self._store.write(lambda tx: tx.put_knock(knock))


# -- doorbells ------------------------------------------------------------------------------------------------------


class Bell:
    """`ports.Doorbell` inside the server: sets the event on which the delivery worker waits."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def ring(self) -> None:
        """Wake the worker."""
        self.event.set()


class FarBell:
    """`ports.Doorbell` from another process: one byte into the named pipe of whoever serves the folder, if anybody."""

    def __init__(self, folder: Path) -> None:
        self._pipe = folder / DOORBELL

    def ring(self) -> None:
        """Wake the server of this folder; with none running nothing happens, and nothing is lost."""
        with contextlib.suppress(OSError):
            descriptor = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(descriptor, b".")
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def _heard(folder: Path, bell: Bell) -> Iterator[None]:
    """Let commands on this folder ring `bell` while the block runs. Call it inside the loop."""
    pipe = folder / DOORBELL
    with contextlib.suppress(FileExistsError):
        os.mkfifo(pipe, 0o600)
    # Open for writing as well, or the pipe would be at its end whenever no command holds it.
    descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    loop = asyncio.get_running_loop()

    def heard() -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(descriptor, 4096)
        bell.ring()

    loop.add_reader(descriptor, heard)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


# -- serving --------------------------------------------------------------------------------------------------------


async def serve(
    config: Config,
    *,
    host: str | None,
    port: int | None,
    announce: Callable[[Mapping[str, Any]], None],
    tethered: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun and return.

    `announce` is called once it answers, with `{"base": …, "actors": [{"id", "inbox", "outbox", "role"}…]}`.
    `tethered`: stop as well when standard input closes, so that nothing outlives a demo or a test that was killed.

    Raises:
        Misconfigured: somebody serves this folder already, the address is taken, a setting cannot be used, or the
            database holds no instance.
    """
    # Pages, templates and their translations are half of the program; a command beside the server needs none of it.
    from aiohttp import web

    from fedcoop.web.admission import Rates
    from fedcoop.web.pages import HtmlPages
    from fedcoop.web.server import make_application
    from fedcoop.web.services import Services

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(config.log_level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=("timestamp", "level", "event")),
        ],
    )
    bell, stop, host, port = Bell(), asyncio.Event(), host or config.host, port or config.port
    with _serving(config.folder, host, port), _heard(config.folder, bell), _stopped_by_signals(stop):
        if tethered:
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _at_the_end, stop)
        await upgrade(config.database_url)
        async with open_world(config, doorbell=bell) as world:
            await _check_founded(world)
            await _check_keys(world, config)
            await founding.renew_endpoints(world)
            rates = Rates(inbox_per_peer=config.inbox_per_peer, inbox_per_address=config.inbox_per_address)
            application = make_application(Services(world, published(), HtmlPages(world), rates=rates))
            application.cleanup_ctx.append(_workers(world, bell))
            runner = web.AppRunner(application, shutdown_timeout=REQUESTS_END)
            await runner.setup()
            try:
                await _listen(runner, host, port)
                announce(await _ready(world))
                await stop.wait()
            finally:
                # No new requests, then those under way, then the workers (in `_workers`), then the world.
                await runner.cleanup()


async def _check_founded(world: World) -> None:
    """Raise Misconfigured for a database in which nobody was founded: a server would answer, with no actor at all."""
    if await world.store.read(lambda reader: reader.meta("base")) is None:
        raise Misconfigured(
            "misconfigured",
            "there is no instance in this database",
            extra={
                "next": "set `database` to the one that the instance was founded on, or restore it from a backup; "
                "a new instance is founded with: fedcoop init"
            },
        )


async def _check_keys(world: World, config: Config) -> None:
    """Raise Misconfigured unless we are who our database says, with private keys that are ours alone (CFG-02, F-31)."""
    base = await world.store.read(lambda reader: reader.meta("base"))
    # (1) Under another address every id that others know would be somebody else's.
    if base != config.base_url:
        raise sealing.wrong(
            f"this database belongs to {base}, and base_url is {config.base_url}",
            f"cette base de données est celle de {base}, et base_url vaut {config.base_url}",
            f'write base_url = "{base}" again, or give this instance a database of its own',
            f'remettez base_url = "{base}", ou donnez à cette instance une base à elle',
        )
    # (2) What everybody on this machine may read is no private key.
    found = exposed(config.keys_folder)
    if found:
        names = " ".join(map(str, found[:5]))
        raise sealing.wrong(
            f"everybody may read the private keys: {names}",
            f"tout le monde peut lire les clés privées : {names}",
            f"chmod 600 {names}",
            f"chmod 600 {names}",
        )
    # (3) A key that nobody knows as ours says nothing; a foreign one says it in somebody else's name.
    await keys.promote_published(world)
    await keys.check_keys(world)
    if not (config.keys_folder / sealing.FILE).exists():
        log.warning("keys.not_encrypted", next=f"fedcoop keys encrypt {config.folder}")


def _workers(world: World, bell: Bell) -> Callable[[web.Application], AsyncIterator[None]]:
    """Deliver and keep the house while the application runs; at its end, finish the deliveries under way."""

    async def workers(_: web.Application) -> AsyncIterator[None]:
        stop = asyncio.Event()
        jobs = {
            "deliveries": lambda: outbound.run_deliveries(world, wake=bell.event, stop=stop),
            "upkeep": lambda: upkeep.run_upkeep(world, stop=stop),
        }
        tasks = [asyncio.create_task(_kept_up(name, job, stop), name=name) for name, job in jobs.items()]
        yield
        stop.set()
        bell.ring()
        await asyncio.gather(*tasks)

    return workers


async def _kept_up(name: str, job: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Run a job that ends only when told to; should it fail (the database was out of reach), log it and start anew."""
    while not stop.is_set():
        try:
            await job()
        except Exception:
            log.exception("worker.failed", worker=name)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.0)


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    from aiohttp import web

    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise Misconfigured(
            "misconfigured",
            f"{host}:{port} is taken by another program"
            if taken
            else f"{host}:{port} cannot be listened on: {error}",
            extra={"next": "choose another with --port, and set base_url or the proxy accordingly"},
        ) from error


async def _ready(world: World) -> dict[str, Any]:
    """Return what `--ready-json` prints: who answers here, the co-op first."""
    instance = world.instance
    roles = {instance.coop: "coop", instance.application: "instance"}
    local = await world.store.read(lambda reader: reader.local_actors())
    rank = {"coop": 0, "instance": 1, "member": 2}
    actors = [
        {
            "id": actor.id,
            "inbox": actor.inbox,
            "outbox": str(actor.document.get("outbox", f"{actor.id}/outbox")),
            "role": roles.get(actor.id, "member"),
        }
        for actor in local
    ]
    return {"base": instance.base, "actors": sorted(actors, key=lambda a: (rank[a["role"]], a["id"]))}


@contextlib.contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` on the first SIGTERM or SIGINT; the second one ends the process as if nobody listened."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        stop.set()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(one)

    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, asked)
    try:
        yield
    finally:
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(one)


def _at_the_end(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


@contextlib.contextmanager
def _serving(folder: Path, host: str, port: int) -> Iterator[None]:
    """Hold the folder as its only server. Raises Misconfigured when somebody else does."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _locked(descriptor):
            holder = os.pread(descriptor, 512, 0).decode("utf-8", "replace").partition(" ")[0]
            raise Misconfigured(
                "misconfigured",
                f"{folder} is already being served" + (f", by process {holder}" if holder else ""),
                extra={"next": "stop that one first; one folder has one server"},
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {host} {port}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Take the lock; try again for a moment, since `served_at` holds it for the time of a look."""
    for pause in (0.02, 0.05, 0.1, 0.0):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(pause)
        else:
            return True
    return False


def served_at(folder: Path) -> tuple[str, int] | None:
    """Return the host and port on which this folder is being served now, or None when nobody serves it."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        words = os.pread(descriptor, 512, 0).decode("utf-8", "replace").split()
        return (words[1], int(words[2])) if len(words) == 3 else ("127.0.0.1", 0)
    finally:
        os.close(descriptor)
    return None


# -- founding -------------------------------------------------------------------------------------------------------


DEFAULT_KINDS: Final = ("workerCoop",)
"""What a co-op is that does not say it: every Cooperative has one kind at least."""


@dataclass(frozen=True, slots=True)
class NewInstance:
    """What `fedcoop init` is told."""

    base_url: str
    name: str
    language: str = "fr"
    allow_origins: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    """Codes of CoopKind; DEFAULT_KINDS when none is given."""
    commune: str | None = None
    database: str = ""
    """SQLAlchemy URL; an SQLite file in the folder when it is empty."""


async def create(folder: Path, new: NewInstance) -> Founded:
    """Found a co-op's instance in `folder`, which is not there yet or empty: whole, or not at all.

    Raises:
        Misconfigured, Invalid, NotFound: a setting or a code is wrong, or the database cannot be used; nothing is left
            behind.
    """

    async def found(world: World, config: Config) -> Founded:
        profile = _profile(config, world)
        return await founding.found(world, name=config.name, username="coop", profile=profile)

    return await _built(folder, new, found, kinds=new.kinds or DEFAULT_KINDS)


async def create_relay(folder: Path, new: NewInstance, *, subscriptions: Literal["asked", "open"]) -> str:
    """Found a relay in `folder`, as `create` does, and return the id of its actor; `subscriptions` is the setting."""

    async def found(world: World, config: Config) -> str:
        return await relaying.found(world, name=config.name, profile=_summaries(config))

    return await _built(folder, new, found, relay=subscriptions)


async def _built(
    folder: Path, new: NewInstance, found: Callable[[World, Config], Awaitable[T]], **settings: Any
) -> T:
    """Build an instance in a folder beside `folder` and move it to its place last.

    A database elsewhere keeps the empty tables of a founding that failed; the next one uses them.
    """
    building = _beside(folder)
    try:
        write_settings(
            building,
            base_url=new.base_url,
            name=new.name,
            language=new.language,
            allow_origins=new.allow_origins,
            commune=new.commune,
            database=new.database,
            **settings,
        )
        config = load(building)
        place = key_place(config)
        # Without a passphrase or a key file of the operator's own, there is one made for this folder.
        if place.kind == "keyFile" and config.key_file == building / KEY_FILE:
            sealing.write_key_file(config.key_file)
        sealing.establish(config.keys_folder, place)
        await upgrade(config.database_url)
        async with open_world(config) as world:
            founded = await found(world, config)
        building.rename(folder)
    except BaseException:
        _remove(building)
        raise
    return founded


def _profile(config: Config, world: World) -> dict[str, Any]:
    """Return what the co-op's actor says of itself, from its settings."""
    profile: dict[str, Any] = {"cooperativeKind": list(config.kinds)}
    if config.commune is not None:
        place = founding.place_of(world, config.commune)
        profile |= {"location": place, "territory": [place]}
    if config.siren is not None:
        profile["siren"] = config.siren
    return profile | _summaries(config)


def _summaries(config: Config) -> dict[str, Any]:
    """Return what an actor says of itself in each language."""
    summaries = {"fr": config.summary_fr, "en": config.summary_en}
    told = {language: summary for language, summary in summaries.items() if summary}
    if told:
        return {"summary": told.get(config.language) or next(iter(told.values())), "summaryMap": told}
    return {}


def _remove(folder: Path) -> None:
    """Remove a folder into which a thread that was begun may write a last file meanwhile."""
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)


def _beside(folder: Path) -> Path:
    """Make an empty folder beside `folder`, on the same file system, and return it."""
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.new")
    beside.mkdir(mode=0o700)
    return beside


# -- the vocabulary -------------------------------------------------------------------------------------------------


def _vocabulary() -> Traversable:
    """Return the folder `vocab/`: inside the wheel, or beside the package in a checkout."""
    packed = resources.files("fedcoop") / "_vocab"
    return packed if packed.is_dir() else Path(__file__).resolve().parent.parent / "vocab"


SERVED: Final = ("context", "terms", "schemas", "examples", "diagrams")
"""Folders of the vocabulary that an instance serves; the data files at its top are served as well."""


@cache
def published() -> Published:
    """Return the vocabulary as every instance serves it."""
    from fedcoop.web.published import Published

    files: dict[str, bytes] = {}

    def walk(folder: Traversable, path: str) -> None:
        for entry in folder.iterdir():
            name = f"{path}{entry.name}"
            if entry.is_dir():
                if path or entry.name in SERVED:
                    walk(entry, f"{name}/")
            elif not name.endswith((".py", ".pyc")):
                files[name] = entry.read_bytes()

    walk(_vocabulary(), "")
    return Published(files)


@cache
def communes() -> Mapping[str, tuple[str, float | None, float | None]]:
    """Return INSEE code to (name, latitude, longitude)."""
    return {
        code: (name, latitude, longitude)
        for code, name, latitude, longitude in _rows("communes.json", "code", "name", "latitude", "longitude")
    }


@cache
def departments() -> Mapping[str, str]:
    """Return the code of each department, and of overseas what stands for it, to the INSEE code of its region."""
    return {
        str(department): str(region) for department, region in _rows("communes.json", "department", "region")
    }


@cache
def rome_labels() -> Mapping[str, str]:
    """Return ROME code to its French label."""
    return dict(_rows("rome.json", "code", "label"))


def _rows(name: str, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Yield these columns of each row of a code table."""
    table = json.loads((_vocabulary() / "codes" / name).read_bytes())
    # Every command reads 35 000 communes, so no mapping is made for each of them.
    return map(itemgetter(*(table["columns"].index(column) for column in columns)), table["rows"])
