"""Federation agreements are found among all chains: there are few of them, and they are looked at often."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    only = sa.text("kind = 'FederationAgreement'")
    op.create_index(
        "ix_chain_agreement", "chain", ["n"], unique=False, sqlite_where=only, postgresql_where=only
    )
