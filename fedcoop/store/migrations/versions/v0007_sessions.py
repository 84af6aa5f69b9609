"""A sign-in in a browser is a token of its own, which ends with the one that it was begun with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("token", sa.Column("begun_with", sa.Text(), nullable=True))
    op.create_index("ix_token_begun_with", "token", ["begun_with"], unique=False)
