"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The types are spelled out: a migration must go on doing what it did, whatever becomes of the program.
Row = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

WORDS = {
    "sqlite": (
        "CREATE VIRTUAL TABLE listing_words USING fts5(words, tokenize='ascii', detail='none', columnsize=0)",
    ),
    "postgresql": (
        "CREATE TABLE listing_words ("
        "listing BIGINT NOT NULL CONSTRAINT pk_listing_words PRIMARY KEY"
        " CONSTRAINT fk_listing_words_listing REFERENCES listing (n) ON DELETE CASCADE,"
        " words TSVECTOR NOT NULL)",
        "CREATE INDEX ix_listing_words ON listing_words USING gin (words)",
    ),
}


def upgrade() -> None:
    op.create_table(
        "actor",
        sa.Column("n", Row, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("local", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("inbox", sa.Text(), nullable=False),
        sa.Column("shared_inbox", sa.Text(), nullable=True),
        sa.Column("fetched_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_actor"),
        sa.UniqueConstraint("id", name="uq_actor_id"),
    )
    op.create_index(
        "ix_actor_local",
        "actor",
        ["username"],
        unique=False,
        sqlite_where=sa.text("local = 1"),
        postgresql_where=sa.text("local"),
    )
    op.create_table(
        "box",
        sa.Column("n", Row, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_box"),
        sa.UniqueConstraint("actor", "side", name="uq_box_actor_side"),
    )
    op.create_table(
        "chain",
        sa.Column("n", Row, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("proposal", sa.Text(), nullable=True),
        sa.Column("apply_before", sa.BigInteger(), nullable=True),
        sa.Column("parties", sa.Text(), nullable=False),
        sa.Column("memory", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_chain"),
        sa.UniqueConstraint("id", name="uq_chain_id"),
    )
    op.create_index(
        "ix_chain_apply_before",
        "chain",
        ["apply_before"],
        unique=False,
        sqlite_where=sa.text("apply_before IS NOT NULL"),
        postgresql_where=sa.text("apply_before IS NOT NULL"),
    )
    op.create_index("ix_chain_proposal", "chain", ["proposal"], unique=False)
    op.create_table(
        "dead_letter",
        sa.Column("n", Row, nullable=False),
        sa.Column("activity_id", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("inbox", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("first_tried", sa.BigInteger(), nullable=True),
        sa.Column("enqueued_at", sa.BigInteger(), nullable=False),
        sa.Column("given_up_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("n", name="pk_dead_letter"),
    )
    op.create_table(
        "evidence",
        sa.Column("n", Row, nullable=False),
        sa.Column("activity_id", sa.Text(), nullable=False),
        sa.Column("body_digest", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_evidence"),
        sa.UniqueConstraint("activity_id", "body_digest", name="uq_evidence_activity_id_body_digest"),
    )
    op.create_table(
        "follow",
        sa.Column("n", Row, nullable=False),
        sa.Column("follower", sa.Text(), nullable=False),
        sa.Column("followed", sa.Text(), nullable=False),
        sa.Column("activity_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_follow"),
        sa.UniqueConstraint("follower", "followed", name="uq_follow_follower_followed"),
    )
    op.create_index("ix_follow_activity_id", "follow", ["activity_id"], unique=False)
    op.create_index("ix_follow_followed", "follow", ["followed", "n"], unique=False)
    op.create_table(
        "key_document",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_key_document"),
    )
    op.create_table(
        "lane",
        sa.Column("inbox", sa.Text(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("leases", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("served_at", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("inbox", name="pk_lane"),
    )
    op.create_table(
        "listing",
        sa.Column("n", Row, nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("object_class", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("local", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("relay_scope", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("rome", sa.Text(), nullable=True),
        sa.Column("commune", sa.Text(), nullable=True),
        sa.Column("latitude", sa.Float(precision=53), nullable=True),
        sa.Column("longitude", sa.Float(precision=53), nullable=True),
        sa.Column("published", sa.BigInteger(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=True),
        sa.Column("apply_before", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("n", name="pk_listing"),
        sa.UniqueConstraint("object_id", name="uq_listing_object_id"),
    )
    op.create_index("ix_listing_commune", "listing", ["commune"], unique=False)
    op.create_index("ix_listing_place", "listing", ["latitude", "longitude"], unique=False)
    op.create_index("ix_listing_published", "listing", ["published", "n"], unique=False)
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "object",
        sa.Column("n", Row, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("object_class", sa.Text(), nullable=False),
        sa.Column("local", sa.Boolean(), nullable=False),
        sa.Column("readers", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.Column("former_type", sa.Text(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_object"),
        sa.UniqueConstraint("id", name="uq_object_id"),
    )
    op.create_table(
        "peer",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("network", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name="pk_peer"),
    )
    op.create_table(
        "token",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_token"),
    )
    op.create_table(
        "activity",
        sa.Column("n", Row, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("local", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("client_key", sa.Text(), nullable=True),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.Column("keys_digest", sa.LargeBinary(), nullable=True),
        sa.Column("keys_fetched_at", sa.BigInteger(), nullable=True),
        sa.Column("body_digest", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["keys_digest"], ["key_document.digest"], name="fk_activity_keys_digest"),
        sa.PrimaryKeyConstraint("n", name="pk_activity"),
        sa.UniqueConstraint("id", name="uq_activity_id"),
    )
    op.create_index(
        "ix_activity_client_key",
        "activity",
        ["actor", "client_key"],
        unique=True,
        sqlite_where=sa.text("client_key IS NOT NULL"),
        postgresql_where=sa.text("client_key IS NOT NULL"),
    )
    op.create_index(
        "ix_activity_local",
        "activity",
        ["n"],
        unique=False,
        sqlite_where=sa.text("local = 1"),
        postgresql_where=sa.text("local"),
    )
    op.create_table(
        "chain_party",
        sa.Column("chain_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["chain_id"], ["chain.id"], name="fk_chain_party_chain_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("chain_id", "role", name="pk_chain_party"),
    )
    op.create_index("ix_chain_party_actor", "chain_party", ["actor"], unique=False)
    op.create_table(
        "chain_ref",
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("chain_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["chain_id"], ["chain.id"], name="fk_chain_ref_chain_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("ref", name="pk_chain_ref"),
    )
    op.create_index("ix_chain_ref_chain_id", "chain_ref", ["chain_id"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", Row, nullable=False),
        sa.Column("inbox", sa.Text(), nullable=False),
        sa.Column("activity_id", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("first_tried", sa.BigInteger(), nullable=True),
        sa.Column("enqueued_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["inbox"], ["lane.inbox"], name="fk_delivery_inbox"),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_delivery_inbox", "delivery", ["inbox", "id"], unique=False)
    op.create_table(
        "listing_reader",
        sa.Column("listing", Row, nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["listing"], ["listing.n"], name="fk_listing_reader_listing", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("listing", "reader", name="pk_listing_reader"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "activity_reader",
        sa.Column("activity", Row, nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["activity"], ["activity.n"], name="fk_activity_reader_activity"),
        sa.PrimaryKeyConstraint("activity", "reader", name="pk_activity_reader"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "box_item",
        sa.Column("box", Row, nullable=False),
        sa.Column("activity", Row, nullable=False),
        sa.ForeignKeyConstraint(["activity"], ["activity.n"], name="fk_box_item_activity"),
        sa.ForeignKeyConstraint(["box"], ["box.n"], name="fk_box_item_box"),
        sa.PrimaryKeyConstraint("box", "activity", name="pk_box_item"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "link",
        sa.Column("n", Row, nullable=False),
        sa.Column("chain_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("activity_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["activity_id"], ["activity.id"], name="fk_link_activity_id"),
        sa.PrimaryKeyConstraint("n", name="pk_link"),
    )
    op.create_index("ix_link_chain_id", "link", ["chain_id", "version"], unique=False)
    op.create_index(
        "uq_link_version",
        "link",
        ["chain_id", "version"],
        unique=True,
        sqlite_where=sa.text("refused IS NULL"),
        postgresql_where=sa.text("refused IS NULL"),
    )
    for statement in WORDS[op.get_bind().dialect.name]:
        op.execute(statement)
