"""What members allow programs (OAuth): the grant is a token of its own kind, and what belongs to it lies beside."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("token", sa.Column("client", sa.Text(), nullable=True))
    op.add_column("token", sa.Column("kind", sa.Text(), server_default=sa.text("'token'"), nullable=False))
    op.create_table(
        "oauth_grant",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("turn", sa.Text(), nullable=False),
        sa.Column("redeemed", sa.Boolean(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("challenge", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_oauth_grant"),
    )
