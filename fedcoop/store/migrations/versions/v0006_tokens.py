"""What each access token may do, until when, what it is called, and when it was last used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A token of before could do everything and never ran out: it goes on so until somebody revokes it.
    op.add_column(
        "token",
        sa.Column("scopes", sa.Text(), server_default=sa.text("'read write follow tokens'"), nullable=False),
    )
    op.add_column("token", sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("token", sa.Column("expires", sa.BigInteger(), nullable=True))
    op.add_column("token", sa.Column("used", sa.BigInteger(), nullable=True))
    op.create_index("ix_token_actor", "token", ["actor"], unique=False)
