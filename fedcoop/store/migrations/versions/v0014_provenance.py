"""By what way each activity of another server came; of those before nothing is known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

Row = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "provenance",
        sa.Column("n", Row, nullable=False),
        sa.Column("activity_id", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_provenance"),
        sa.UniqueConstraint("activity_id", name="uq_provenance_activity_id"),
    )
    op.create_index("ix_provenance_about", "provenance", ["about"], unique=False)
