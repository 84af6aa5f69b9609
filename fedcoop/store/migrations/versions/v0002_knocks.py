"""How each server is knocked at; whose inbox a URL is; our own actors announce RFC 9421."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


IMPLEMENTED = (
    {
        "type": "Link",
        "href": "https://datatracker.ietf.org/doc/html/rfc9421",
        "name": "RFC-9421: HTTP Message Signatures",
    },
    {
        "type": "Link",
        "href": "https://datatracker.ietf.org/doc/html/rfc9421#name-eddsa-using-curve-edwards25",
        "name": "RFC-9421 signatures using the Ed25519 algorithm",
    },
)


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
    actor = sa.table("actor", sa.column("n"), sa.column("local", sa.Boolean()), sa.column("document"))
    connection = op.get_bind()
    for n, text in connection.execute(sa.select(actor.c.n, actor.c.document).where(actor.c.local)).all():
        document = json.loads(text)
        implements = (document.get("generator") or {}).get("implements")
        # What carries a proof says what it said.
        if isinstance(implements, list) and "proof" not in document:
            implements += [link for link in IMPLEMENTED if link not in implements]
            changed = json.dumps(document, separators=(",", ":"))
            connection.execute(actor.update().where(actor.c.n == n).values(document=changed))
