"""Accounts: what people sign in with, and what they are here."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("invitation", sa.Text(), nullable=True),
        sa.Column("invited_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("actor", name=op.f("pk_account")),
        sa.UniqueConstraint("invitation", name=op.f("uq_account_invitation")),
    )
