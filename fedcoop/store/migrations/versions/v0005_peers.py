"""Who decided what about a peer and why, who knocked, and how peers refuse us."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# The types are spelled out: a migration must go on doing what it did, whatever becomes of the program.
Row = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for name in ("reason", "decided_by"):
        op.add_column("peer", sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False))
    op.create_table(
        "peer_decision",
        sa.Column("n", Row, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("network", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_peer_decision"),
    )
    op.create_index("ix_peer_decision_origin", "peer_decision", ["origin"], unique=False)
    # What stands in the list was decided once, by somebody whom nobody wrote down.
    op.execute(
        "INSERT INTO peer_decision (origin, state, network, note, reason, decided_by, decided_at, source)"
        " SELECT origin, state, network, note, '', '', since, 'operator' FROM peer ORDER BY since, origin"
    )
    op.create_table(
        "stranger",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name="pk_stranger"),
    )
    op.create_table(
        "peer_answer",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name="pk_peer_answer"),
    )
