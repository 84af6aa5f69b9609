"""What became of every delivery is kept: its state, the peer's answer, its end; and servers that do not answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None

DEAD = "state IN ('refused', 'expired')"


def upgrade() -> None:
    op.add_column("lane", sa.Column("origin", sa.Text(), server_default=sa.text("''"), nullable=False))
    connection = op.get_bind()
    for (inbox,) in connection.execute(sa.text("SELECT inbox FROM lane")).all():
        values = {"inbox": inbox, "origin": "/".join(inbox.split("/", 3)[:3]).lower()}
        connection.execute(sa.text("UPDATE lane SET origin = :origin WHERE inbox = :inbox"), values)
    op.create_index("ix_lane_origin", "lane", ["origin"])
    op.add_column(
        "delivery", sa.Column("state", sa.Text(), server_default=sa.text("'queued'"), nullable=False)
    )
    op.add_column("delivery", sa.Column("status", sa.Integer()))
    op.add_column("delivery", sa.Column("problem", sa.Text()))
    op.add_column("delivery", sa.Column("ended_at", sa.BigInteger()))
    op.execute("UPDATE delivery SET state = 'retrying' WHERE attempts > 0")
    op.drop_index("ix_delivery_inbox", "delivery")
    op.create_index("ix_delivery_inbox", "delivery", ["inbox", "ended_at", "id"])
    op.create_index("ix_delivery_activity_id", "delivery", ["activity_id"])
    op.create_index(
        "ix_delivery_dead", "delivery", ["id"], sqlite_where=sa.text(DEAD), postgresql_where=sa.text(DEAD)
    )
    op.execute(
        "INSERT INTO delivery (activity_id, sender, inbox, body, attempts, reason, first_tried, enqueued_at,"
        " ended_at, state) SELECT activity_id, sender, inbox, body, attempts, reason, first_tried, enqueued_at,"
        " given_up_at, CASE WHEN reason LIKE 'horizon passed%' THEN 'expired' ELSE 'refused' END"
        " FROM dead_letter ORDER BY n"
    )
    op.drop_table("dead_letter")
    op.create_table(
        "circuit",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("open_until", sa.BigInteger(), nullable=True),
        sa.Column("failed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name="pk_circuit"),
    )
    op.create_table(
        "heard",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name="pk_heard"),
    )
