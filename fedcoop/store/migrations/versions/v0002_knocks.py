"""How each server is knocked at, and whose inbox a URL is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "knock",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("learnt_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name="pk_knock"),
    )
    op.create_index("ix_actor_inbox", "actor", ["inbox"], unique=False)
    op.create_index("ix_actor_shared_inbox", "actor", ["shared_inbox"], unique=False)
