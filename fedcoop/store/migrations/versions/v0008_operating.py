"""Tokens of before keep every scope: the one for the operator's pages as well."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "UPDATE token SET scopes = 'read write follow tokens operate' "
        "WHERE scopes = 'read write follow tokens' AND expires IS NULL"
    )
