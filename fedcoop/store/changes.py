"""Writes changes down: which rows each kind of change is, for every kind there is.

`steps_of` only computes; `make` executes, inside the transaction of whoever calls it. Nothing here reads a
result, so that a list of changes costs one round trip per kind of row, however many rows there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import Connection, Executable, bindparam, delete, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fedcoop.protocol.circuit import server_of
from fedcoop.protocol.messages import (
    BuryObject,
    Chain,
    Change,
    ConfirmLinks,
    Deliver,
    DropFollow,
    DropLinks,
    DropListing,
    KeepEvidence,
    PutActor,
    PutChain,
    PutFollow,
    PutListing,
    PutObject,
    PutReport,
    RecordActivity,
    ResetChain,
)
from fedcoop.store import reports
from fedcoop.store import tables as t
from fedcoop.store.dialect import Dialect, words_of
from fedcoop.store.tables import json_text

PUBLIC: Final = "https://www.w3.org/ns/activitystreams#Public"
PUBLIC_NAMES: Final = frozenset({PUBLIC, "as:Public", "Public"})
"""The three ways in which "everybody" is written (ActivityPub §5.6)."""

MAX_TEXT: Final = 50_000
"""Characters of a listing that are searched, title first: to cut and fold them takes ten milliseconds."""

TOGETHER: Final = (RecordActivity, PutActor, Deliver, KeepEvidence)
"""Kinds whose rows do not depend on each other's order: a run of them is written table by table."""

Row: TypeAlias = Mapping[str, Any]


class Step(NamedTuple):
    """One statement and the rows to execute it with."""

    statement: Executable
    rows: Sequence[Row]


# -- writing -------------------------------------------------------------------------------------------------


async def make(
    connection: AsyncConnection, changes: Sequence[Change], statements: Statements, *, now: datetime
) -> None:
    """Write `changes` in the transaction of `connection`. Deliveries are enqueued at `now`.

    Raises:
        IntegrityError: an activity id, a client's key or a chain's version is already taken.
    """
    bodies = {c.activity.id: c.activity.body for c in changes if isinstance(c, RecordActivity)}
    steps = [
        step
        for run in runs_of(changes)
        for step in merged([steps_of(change, statements, bodies=bodies, now=now) for change in run])
        if step.rows
    ]
    await connection.run_sync(_execute, steps)


def _execute(connection: Connection, steps: Sequence[Step]) -> None:
    for statement, rows in steps:
        connection.execute(statement, rows)


def runs_of(changes: Sequence[Change]) -> Iterator[tuple[Change, ...]]:
    """Yield the changes in the order of writing, those that may be written together in one run.

    Activities come first, since links refer to them; deliveries last, since nothing here waits for them. The
    others keep the order in which they were given: to take a tail off and then put a link on is not the same
    as the reverse.
    """
    rank: Mapping[type, int] = {RecordActivity: 0, Deliver: 2}
    ordered = sorted(changes, key=lambda change: rank.get(type(change), 1))
    for kind, run in groupby(ordered, key=type):
        if issubclass(kind, TOGETHER):
            yield tuple(run)
        else:
            yield from ((change,) for change in run)


def merged(parts: Sequence[Sequence[Step]]) -> Iterable[Step]:
    """Put the steps of changes of one kind together: each has the same statements in the same order."""
    for same in zip(*parts, strict=True):
        yield Step(same[0].statement, [row for step in same for row in step.rows])


def steps_of(change: Change, s: Statements, *, bodies: Mapping[str, bytes], now: datetime) -> Sequence[Step]:
    """Return the statements that write `change`, in order.

    One `match` without a default: mypy refuses it as soon as a kind of change is missing.
    """
    match change:
        case RecordActivity():
            return _record(change, s)
        case PutActor():
            return (Step(s.put_actor, [actor_row(change)]),)
        case PutObject():
            row = _fields(change, "id", "owner", "object_class", "document", "local", "readers", "updated_at")
            return (Step(s.put_object, [{**row, "deleted_at": None, "former_type": None}]),)
        case BuryObject():
            return (Step(s.bury_object, [_tombstone_row(change)]),)
        case PutChain():
            link = _fields(change.link, "chain_id", "version", "activity_id", "digest", "confirmed")
            return (*_put_chain(change.chain, change.refs, s), Step(s.put_link, [link]))
        case DropLinks():
            row = {"of": change.chain_id, "since": change.from_version, "reason": change.reason}
            of_tail = {
                "of": change.chain_id,
                "since": change.from_version,
                "cancelled_at": now,
                "why": change.reason,
            }
            return (
                Step(s.cancel_deliveries, [of_tail]),
                Step(s.refuse_activities, [row]),
                Step(s.refuse_links, [row]),
            )
        case ResetChain():
            if change.chain is None:
                return (Step(s.drop_chain, [{"of": change.chain_id}]),)
            return _put_chain(change.chain, (), s)
        case ConfirmLinks():
            return (Step(s.confirm_links, [{"of": change.chain_id, "until": change.version}]),)
        case PutListing():
            return _list(change, s)
        case DropListing():
            row = {"object_id": change.object_id}
            return (Step(s.forget_words, [row]), Step(s.drop_listing, [{"of": change.object_id}]))
        case PutFollow():
            return (Step(s.put_follow, [_fields(change, "follower", "followed", "activity_id", "state")]),)
        case DropFollow():
            return (Step(s.drop_follow, [{"by": change.follower, "of": change.followed}]),)
        case Deliver():
            return _owe(change, s, bodies=bodies, now=now)
        case PutReport():
            return (Step(reports.PUT, [reports.received_row(change)]),)
        case KeepEvidence():
            row = {
                **_fields(change, "activity_id", "body", "received_at"),
                "body_digest": sha256(change.body),
            }
            return (Step(s.keep_evidence, [row]),)


# -- rows ----------------------------------------------------------------------------------------------------


def sha256(body: bytes) -> bytes:
    """Return the SHA-256 of `body`."""
    return hashlib.sha256(body).digest()


def reader_name(name: str) -> str:
    """Return the one name under which a reader is kept and looked for."""
    return PUBLIC if name in PUBLIC_NAMES else name


def actor_row(change: PutActor) -> dict[str, Any]:
    """Return the row of an actor: its document, and what is looked up by."""
    document = change.document
    endpoints = document.get("endpoints")
    shared = endpoints.get("sharedInbox") if isinstance(endpoints, Mapping) else None
    return {
        "id": document["id"],
        "local": change.local,
        "kind": _last_word(document.get("fedcoopType")) or _last_word(document.get("type")),
        "username": _word(document.get("preferredUsername")),
        "document": document,
        "inbox": _word(document.get("inbox")),
        "shared_inbox": _word(shared) or None,
        "fetched_at": change.fetched_at,
    }


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _last_word(value: Any) -> str:
    """Of several types the last is the most particular one."""
    names = value if isinstance(value, list | tuple) else [value]
    return next((name for name in reversed(names) if isinstance(name, str)), "")


def _fields(source: object, *names: str) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}


def _record(change: RecordActivity, s: Statements) -> Sequence[Step]:
    said, keys = change.activity, change.keys
    key_rows: list[Row] = []
    if keys is not None:
        key_rows.append({"digest": sha256(json_text(keys.actor).encode()), "actor": keys.actor})
    row = {
        **_fields(said, "id", "actor", "type", "body"),
        **_fields(change, "local", "received_at", "client_key"),
        "body_digest": sha256(said.body),
        "keys_digest": key_rows[0]["digest"] if key_rows else None,
        "keys_fetched_at": keys.fetched_at if keys is not None else None,
    }
    boxes = [{"actor": actor, "side": "inbox"} for actor in dict.fromkeys(change.inbox_of)]
    readers: list[Row] = []
    if change.outbox_of is not None:
        boxes.append({"actor": change.outbox_of, "side": "outbox"})
        names = dict.fromkeys(reader_name(name) for name in said.recipients)
        readers = [{"activity_id": said.id, "reader": name} for name in names]
    return (
        Step(s.keep_keys, key_rows),
        Step(s.put_activity, [row]),
        Step(s.open_box, boxes),
        Step(s.put_in_box, [{**box, "activity_id": said.id} for box in boxes]),
        Step(s.put_reader, readers),
    )


def _tombstone_row(change: BuryObject) -> Row:
    tombstone = {
        "id": change.id,
        "type": "Tombstone",
        "formerType": change.former_type,
        "deleted": change.deleted_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }
    return {
        # Of an object that we never had, the burial is all we know.
        "id": change.id,
        "owner": "",
        "object_class": change.former_type,
        "local": False,
        "readers": [],
        "updated_at": change.deleted_at,
        "deleted_at": change.deleted_at,
        "former_type": change.former_type,
        "document": tombstone,
    }


def _put_chain(chain: Chain, refs: Sequence[str], s: Statements) -> Sequence[Step]:
    row = {
        **_fields(chain, "id", "kind", "owner", "state", "version", "digest", "proposal"),
        **_fields(chain, "parties", "memory", "document"),
        "apply_before": _apply_before(chain),
    }
    return (
        Step(s.put_chain, [row]),
        Step(s.drop_parties, [{"of": chain.id}]),
        Step(s.put_party, [{"chain_id": chain.id, "role": r, "actor": a} for r, a in chain.parties.items()]),
        Step(s.put_ref, [{"chain_id": chain.id, "ref": ref} for ref in dict.fromkeys((chain.id, *refs))]),
    )


def _apply_before(chain: Chain) -> datetime | None:
    """Return when a published mission expires; None for everything else."""
    if chain.kind != "Mission" or chain.state != "published":
        return None
    return _moment(chain.document.get("applyBefore"))


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _list(change: PutListing, s: Statements) -> Sequence[Step]:
    row = {
        **_fields(change, "object_id", "object_class", "owner", "local", "state", "relay_scope", "title"),
        **_fields(change, "commune", "latitude", "longitude", "published", "start", "apply_before"),
        "rome": change.rome.upper() if change.rome is not None else None,
    }
    of: Row = {"object_id": change.object_id}
    words = " ".join(words_of(f"{change.title} {change.text}"[:MAX_TEXT]))
    readers = dict.fromkeys(reader_name(name) for name in change.readers)
    return (
        Step(s.forget_words, [of]),
        Step(s.put_listing, [row]),
        Step(s.keep_words, [{**of, "words": words}]),
        Step(s.drop_listing_readers, [{"of": change.object_id}]),
        Step(s.put_listing_reader, [{**of, "reader": name} for name in readers]),
    )


def _owe(change: Deliver, s: Statements, *, bodies: Mapping[str, bytes], now: datetime) -> Sequence[Step]:
    own = bodies.get(change.activity_id) == change.body
    row = {
        **_fields(change, "inbox", "activity_id", "sender"),
        "body": None if own else change.body,
        "enqueued_at": now,
    }
    lane = {"inbox": change.inbox, "of_server": server_of(change.inbox)}
    return (Step(s.open_lane, [lane]), Step(s.put_delivery, [row]))


# -- statements ----------------------------------------------------------------------------------------------


class Statements:
    """Every statement that writes, built once per dialect: SQLAlchemy compiles each of them once,
    too."""

    def __init__(self, dialect: Dialect) -> None:
        upsert = dialect.upsert
        n_of_activity = select(t.activity.c.n).where(t.activity.c.id == bindparam("activity_id"))
        n_of_listing = select(t.listing.c.n).where(t.listing.c.object_id == bindparam("object_id"))
        n_of_box = select(t.box.c.n).where(
            t.box.c.actor == bindparam("actor"), t.box.c.side == bindparam("side")
        )
        self.keep_keys = upsert(t.key_document, key=["digest"], update=())
        self.put_activity = t.activity.insert()
        self.open_box = upsert(t.box, key=["actor", "side"], update=())
        self.put_in_box = t.box_item.insert().values(
            box=n_of_box.scalar_subquery(), activity=n_of_activity.scalar_subquery()
        )
        self.put_reader = t.activity_reader.insert().values(
            activity=n_of_activity.scalar_subquery(), reader=bindparam("reader")
        )
        self.put_actor = upsert(t.actor, key=["id"])
        self.put_object = upsert(t.object_, key=["id"])
        self.bury_object = upsert(
            t.object_, key=["id"], update=("updated_at", "deleted_at", "former_type", "document")
        )
        self.put_chain = upsert(t.chain, key=["id"])
        self.drop_parties = delete(t.chain_party).where(t.chain_party.c.chain_id == bindparam("of"))
        self.put_party = t.chain_party.insert()
        # The first to use an id keeps it: a later chain cannot take another's name away.
        self.put_ref = upsert(t.chain_ref, key=["ref"], update=())
        self.drop_chain = delete(t.chain).where(t.chain.c.id == bindparam("of"))
        self.put_link = t.link.insert()
        in_force = (t.link.c.chain_id == bindparam("of")) & t.link.c.refused.is_(None)
        tail = in_force & (t.link.c.version >= bindparam("since"))
        # Nobody is told any more what never happened.
        self.cancel_deliveries = (
            update(t.delivery)
            .where(
                t.delivery.c.activity_id.in_(select(t.link.c.activity_id).where(tail)),
                t.delivery.c.ended_at.is_(None),
            )
            .values(
                state="cancelled",
                ended_at=bindparam("cancelled_at", type_=t.Instant()),
                reason=bindparam("why"),
                body=None,
            )
        )
        self.refuse_activities = (
            update(t.activity)
            .where(t.activity.c.id.in_(select(t.link.c.activity_id).where(tail)))
            .values(refused=bindparam("reason"))
        )
        self.refuse_links = update(t.link).where(tail).values(refused=bindparam("reason"))
        self.confirm_links = (
            update(t.link).where(in_force, t.link.c.version <= bindparam("until")).values(confirmed=True)
        )
        self.put_listing = upsert(t.listing, key=["object_id"])
        self.drop_listing = delete(t.listing).where(t.listing.c.object_id == bindparam("of"))
        self.drop_listing_readers = delete(t.listing_reader).where(
            t.listing_reader.c.listing.in_(
                select(t.listing.c.n).where(t.listing.c.object_id == bindparam("of"))
            )
        )
        self.put_listing_reader = t.listing_reader.insert().values(
            listing=n_of_listing.scalar_subquery(), reader=bindparam("reader")
        )
        self.keep_words = dialect.keep_words
        self.forget_words = dialect.forget_words
        self.put_follow = upsert(t.follow, key=["follower", "followed"])
        self.drop_follow = delete(t.follow).where(
            t.follow.c.follower == bindparam("by"), t.follow.c.followed == bindparam("of")
        )
        # A lane that is opened to a server whose circuit is open waits like its others.
        its = t.circuit.c.origin == bindparam("of_server")
        until = select(t.circuit.c.open_until).where(its).scalar_subquery()
        self.open_lane = upsert(t.lane, key=["inbox"], update=()).values(
            origin=bindparam("of_server"),
            not_before=func.coalesce(until, literal(t.EPOCH, t.Instant())),
            failures=select(func.count()).select_from(t.circuit).where(its).scalar_subquery(),
        )
        self.put_delivery = t.delivery.insert()
        self.put_peer = upsert(t.peer, key=["origin"])
        self.put_knock = upsert(t.knock, key=["origin"])
        self.put_meta = upsert(t.meta, key=["key"])
        self.keep_evidence = upsert(t.evidence, key=["activity_id", "body_digest"], update=())


@cache
def statements_for(dialect: Dialect) -> Statements:
    """Return the statements in `dialect`."""
    return Statements(dialect)
