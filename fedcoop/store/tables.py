"""The tables, as SQLAlchemy Core knows them. Alembic makes them (`schema.py`); a test holds the two equal.

Integers inside: what grows with every activity (`activity`, `box_item`, `delivery`) is kept in the order in
which it came and refers by integer; the bodies are written once and stay. What there is little of (chains,
follows, peers) is keyed by the ids that everybody else uses, so that a look into the database explains
itself.

Three column types of our own make both databases keep the same values:

* `String`: PostgreSQL cannot keep U+0000, and neither database a lone surrogate; both may come from a peer.
* `Instant`: SQLite has no time zones. Microseconds since 1970, UTC.
* `Json`: a document as text, in ASCII, members in their order.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
UNKEEPABLE: Final = re.compile("[\x00\ud800-\udfff]")


def keepable(value: str) -> str:
    """Return `value` with U+FFFD for every character that a database cannot keep."""
    return value if value.isascii() and "\0" not in value else UNKEEPABLE.sub("\ufffd", value)


class String(TypeDecorator[str]):
    """Text that both databases can keep, and find again by the same value."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else keepable(value)


class Instant(TypeDecorator[datetime]):
    """A moment, exact to the microsecond."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + value * MICROSECOND


class Json(TypeDecorator[Any]):
    """A JSON value; what was put in comes out, unknown members, order and odd characters included."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        return json_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def json_text(value: Any) -> str:
    """Return `value` as compact ASCII JSON, with the members in their order."""
    return json.dumps(value, separators=(",", ":"), default=dict)


# SQLite numbers rows by itself only where the type reads exactly INTEGER.
Row: Final = BigInteger().with_variant(Integer, "sqlite")

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def required(name: str, type_: Any, *args: Any, **kwargs: Any) -> Column[Any]:
    """Return a column that is never NULL."""
    return Column(name, type_, *args, nullable=False, **kwargs)


# -- who -----------------------------------------------------------------------------------------------------

meta = Table("meta", metadata, Column("key", String, primary_key=True), required("value", String))

peer = Table(
    "peer",
    metadata,
    Column("origin", String, primary_key=True),
    required("state", String),
    required("network", Boolean),
    required("note", String),
    required("since", Instant),
    required("reason", String, server_default=text("''")),
    required("decided_by", String, server_default=text("''")),
)

peer_decision = Table(
    "peer_decision",
    metadata,
    Column("n", Row, primary_key=True),
    required("origin", String, index=True),
    required("state", String),
    required("network", Boolean),
    required("note", String),
    required("reason", String),
    required("decided_by", String),
    required("decided_at", Instant),
    required("source", String),
)

stranger = Table(
    "stranger",
    metadata,
    Column("origin", String, primary_key=True),
    required("first_at", Instant),
    required("last_at", Instant),
    required("times", Integer),
)
"""Who knocked and was not decided about: a counter, of which nothing was verified."""

peer_list = Table(
    "peer_list",
    metadata,
    Column("id", String, primary_key=True),
    required("keeper", String),
    required("name", String),
    required("version", BigInteger),
    required("digest", String),
    required("valid_until", Instant),
    required("every", Integer),
    required("asked_at", Instant),
    required("taken_at", Instant),
    required("problem", String),
)
"""Shared allow-lists that were taken in; `every` is in seconds, 0 for those that are only imported by hand."""

peer_draft = Table(
    "peer_draft",
    metadata,
    Column("list_id", String, primary_key=True),
    Column("origin", String, primary_key=True),
    required("wish", String),
    required("reason", String),
    required("decided_by", String),
    required("decided_at", Instant),
    Column("valid_until", Instant),
    required("made_at", Instant),
    required("refused", Boolean),
)
"""What the lists ask of our operator; `refused` ones stay, so that the same is not asked again."""

peer_answer = Table(
    "peer_answer",
    metadata,
    Column("origin", String, primary_key=True),
    required("code", String),
    required("reason", String),
    required("at", Instant),
)
"""How a peer last refused us as its operator decided."""

knock = Table(
    "knock",
    metadata,
    Column("origin", String, primary_key=True),
    required("way", String),
    required("learnt_at", Instant),
)

token = Table(
    "token",
    metadata,
    Column("hash", String, primary_key=True),
    required("actor", String, index=True),
    required("created", Instant),
    required("scopes", String, server_default=text("'read write follow tokens'")),
    required("name", String, server_default=text("''")),
    Column("expires", Instant),
    Column("used", Instant),
    Column("begun_with", String, index=True),
    Column("client", String),
    required("kind", String, server_default=text("'token'")),
)
"""`hash` is of 256 random bits: whoever reads this table can use none of them."""

provenance = Table(
    "provenance",
    metadata,
    Column("n", Row, primary_key=True),
    required("activity_id", String, unique=True),
    required("about", String, index=True),
    required("way", String),
    required("via", String),
    required("key", String),
    required("at", Instant),
)

report = Table(
    "report",
    metadata,
    Column("n", Row, primary_key=True),
    required("id", String, unique=True),
    required("ours", Boolean),
    required("actor", String),
    required("objects", Json),
    required("content", String),
    required("at", Instant),
    Column("reporter", String),
    Column("closed_at", Instant),
    required("outcome", String, server_default=text("''")),
)
"""For the operator alone. `reporter` never leaves this table, unless the reporter agreed."""

oauth_grant = Table(
    "oauth_grant",
    metadata,
    Column("token", String, primary_key=True),
    required("turn", String),
    required("redeemed", Boolean),
    required("redirect_uri", String),
    required("challenge", String),
)
"""What belongs to a row of `token` of kind grant; without that row it is nothing. Hashes only, as there."""

account = Table(
    "account",
    metadata,
    Column("actor", String, primary_key=True),
    required("role", String),
    Column("password", String),
    required("since", Instant),
    Column("invitation", String, unique=True),
    Column("invited_until", Instant),
)
"""`password` is a hash that is made slowly; `invitation` one of 256 random bits."""

actor = Table(
    "actor",
    metadata,
    Column("n", Row, primary_key=True),
    required("id", String, unique=True),
    required("local", Boolean),
    required("kind", String),
    required("username", String),
    required("document", Json),
    required("inbox", String, index=True),
    Column("shared_inbox", String, index=True),
    required("fetched_at", Instant),
)
Index(
    "ix_actor_local",
    actor.c.username,
    sqlite_where=text("local = 1"),
    postgresql_where=text("local"),
)

follow = Table(
    "follow",
    metadata,
    Column("n", Row, primary_key=True),
    required("follower", String),
    required("followed", String),
    required("activity_id", String, index=True),
    required("state", String),
    UniqueConstraint("follower", "followed"),
    Index("ix_follow_followed", "followed", "n"),
)

# -- relays --------------------------------------------------------------------------------------------------

relay = Table(
    "relay",
    metadata,
    Column("actor", String, primary_key=True),
    required("origin", String, index=True),
    required("inbox", String),
    required("follow_id", String),
    required("state", String),
    required("wish", Json),
    required("since", Instant),
    Column("answered_at", Instant),
)
"""Relays that we asked to subscribe to."""

relay_report = Table(
    "relay_report",
    metadata,
    Column("n", Row, primary_key=True),
    required("relay", String),
    required("activity_id", String),
    required("code", String),
    required("at", Instant),
    UniqueConstraint("relay", "activity_id", "code"),
)
"""What relays brought that was not as its author had said it."""

subscriber = Table(
    "subscriber",
    metadata,
    Column("actor", String, primary_key=True),
    required("origin", String, index=True),
    required("inbox", String),
    required("follow_id", String),
    required("style", String),
    required("state", String),
    required("wish", Json),
    required("since", Instant),
    required("asked_at", Instant),
    Column("decided_at", Instant),
)
"""Who subscribed to the relay that we are."""

relayed = Table(
    "relayed",
    metadata,
    Column("object_id", String, primary_key=True),
    required("owner", String),
    required("object_class", String),
    Column("rome", String),
    Column("region", String),
)
"""By what each object was filtered when it was last passed on: its end goes to whoever had its beginning."""

# -- what was said -------------------------------------------------------------------------------------------

key_document = Table(
    "key_document",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    required("actor", Json),
)

activity = Table(
    "activity",
    metadata,
    Column("n", Row, primary_key=True),
    required("id", String, unique=True),
    required("actor", String),
    required("type", String),
    required("local", Boolean),
    required("received_at", Instant),
    Column("client_key", String),
    Column("refused", String),
    Column("keys_digest", LargeBinary, ForeignKey("key_document.digest")),
    Column("keys_fetched_at", Instant),
    required("body_digest", LargeBinary),
    # Last, so that the rest of a row is read without its body.
    required("body", LargeBinary),
)
Index(
    "ix_activity_client_key",
    activity.c.actor,
    activity.c.client_key,
    unique=True,
    sqlite_where=text("client_key IS NOT NULL"),
    postgresql_where=text("client_key IS NOT NULL"),
)
Index(
    "ix_activity_local",
    activity.c.n,
    sqlite_where=text("local = 1"),
    postgresql_where=text("local"),
)

activity_reader = Table(
    "activity_reader",
    metadata,
    Column("activity", Row, ForeignKey("activity.n"), primary_key=True),
    Column("reader", String, primary_key=True),
    sqlite_with_rowid=False,
)

box = Table(
    "box",
    metadata,
    Column("n", Row, primary_key=True),
    required("actor", String),
    required("side", String),
    UniqueConstraint("actor", "side"),
)
"""The inbox and the outbox of each actor, as an integer."""

box_item = Table(
    "box_item",
    metadata,
    Column("box", Row, ForeignKey("box.n"), primary_key=True),
    Column("activity", Row, ForeignKey("activity.n"), primary_key=True),
    sqlite_with_rowid=False,
)

evidence = Table(
    "evidence",
    metadata,
    Column("n", Row, primary_key=True),
    required("activity_id", String),
    required("body_digest", LargeBinary),
    required("body", LargeBinary),
    required("received_at", Instant),
    UniqueConstraint("activity_id", "body_digest"),
)

object_ = Table(
    "object",
    metadata,
    Column("n", Row, primary_key=True),
    required("id", String, unique=True),
    required("owner", String),
    required("object_class", String),
    required("local", Boolean),
    required("readers", Json),
    required("updated_at", Instant),
    Column("deleted_at", Instant),
    Column("former_type", String),
    required("document", Json),
)

# -- chains --------------------------------------------------------------------------------------------------

chain = Table(
    "chain",
    metadata,
    Column("n", Row, primary_key=True),
    required("id", String, unique=True),
    required("kind", String),
    required("owner", String),
    required("state", String),
    required("version", Integer),
    required("digest", String),
    Column("proposal", String, index=True),
    Column("apply_before", Instant),
    required("parties", Json),
    required("memory", Json),
    required("document", Json),
)
Index(
    "ix_chain_agreement",
    chain.c.n,
    sqlite_where=text("kind = 'FederationAgreement'"),
    postgresql_where=text("kind = 'FederationAgreement'"),
)
Index(
    "ix_chain_apply_before",
    chain.c.apply_before,
    sqlite_where=text("apply_before IS NOT NULL"),
    postgresql_where=text("apply_before IS NOT NULL"),
)

chain_party = Table(
    "chain_party",
    metadata,
    Column("chain_id", String, ForeignKey("chain.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String, primary_key=True),
    required("actor", String, index=True),
)

chain_ref = Table(
    "chain_ref",
    metadata,
    Column("ref", String, primary_key=True),
    required("chain_id", String, ForeignKey("chain.id", ondelete="CASCADE"), index=True),
)
"""Every id by which a chain is found, its own included."""

link = Table(
    "link",
    metadata,
    Column("n", Row, primary_key=True),
    # No foreign key: links that the owner did not take outlive a chain that was nothing but them.
    required("chain_id", String),
    required("version", Integer),
    required("activity_id", String, ForeignKey("activity.id")),
    required("digest", String),
    required("confirmed", Boolean),
    Column("refused", String),
    Index("ix_link_chain_id", "chain_id", "version"),
)
# One transition per version, whoever writes: the last word on "exactly one wins".
Index(
    "uq_link_version",
    link.c.chain_id,
    link.c.version,
    unique=True,
    sqlite_where=text("refused IS NULL"),
    postgresql_where=text("refused IS NULL"),
)

# -- the board -----------------------------------------------------------------------------------------------

listing = Table(
    "listing",
    metadata,
    Column("n", Row, primary_key=True),
    required("object_id", String, unique=True),
    required("object_class", String),
    required("owner", String),
    required("local", Boolean),
    required("state", String),
    required("relay_scope", String),
    required("title", String),
    Column("rome", String),
    Column("commune", String, index=True),
    Column("latitude", Float(53)),
    Column("longitude", Float(53)),
    required("published", Instant),
    Column("start", Instant),
    Column("apply_before", Instant),
    Index("ix_listing_place", "latitude", "longitude"),
    Index("ix_listing_published", "published", "n"),
)

listing_reader = Table(
    "listing_reader",
    metadata,
    Column("listing", Row, ForeignKey("listing.n", ondelete="CASCADE"), primary_key=True),
    Column("reader", String, primary_key=True),
    sqlite_with_rowid=False,
)

# -- what is owed --------------------------------------------------------------------------------------------

lane = Table(
    "lane",
    metadata,
    Column("inbox", String, primary_key=True),
    required("not_before", Instant, server_default=text("0")),
    required("lease_until", Instant, server_default=text("0")),
    Column("lease", String),
    required("leases", Integer, server_default=text("0")),
    required("served_at", Instant, server_default=text("0")),
    required("failures", Integer, server_default=text("0")),
    # What a dead server and a peer that was heard concern: all its inboxes.
    required("origin", String, server_default=text("''"), index=True),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Row, primary_key=True),
    required("inbox", String, ForeignKey("lane.inbox")),
    required("activity_id", String),
    required("sender", String),
    # NULL when it is the activity's own body, which is the rule: two thousand followers, one copy.
    Column("body", LargeBinary),
    required("attempts", Integer, server_default=text("0")),
    Column("first_tried", Instant),
    required("enqueued_at", Instant),
    Column("reason", String),
    required("state", String, server_default=text("'queued'")),
    Column("status", Integer),
    Column("problem", String),
    Column("ended_at", Instant),
    # What is still owed (`ended_at` is NULL) in its order, and the rest of a lane by when it ended.
    Index("ix_delivery_inbox", "inbox", "ended_at", "id"),
    Index("ix_delivery_activity_id", "activity_id"),
    # Deliveries are deleted, and an id that came back would stand before its elders.
    sqlite_autoincrement=True,
)
"""A row stays after its delivery has ended, until it is purged: what became of every message can be seen."""
DEAD: Final = "state IN ('refused', 'expired')"
Index("ix_delivery_dead", delivery.c.id, sqlite_where=text(DEAD), postgresql_where=text(DEAD))

circuit = Table(
    "circuit",
    metadata,
    Column("origin", String, primary_key=True),
    required("failures", Integer),
    required("since", Instant),
    required("opened", Integer),
    Column("open_until", Instant),
    required("failed_at", Instant),
)
"""Servers that gave no answer lately, and until when they are left alone."""

heard = Table("heard", metadata, Column("origin", String, primary_key=True), required("at", Instant))
"""When a server last said something valid to us, to the minute."""
