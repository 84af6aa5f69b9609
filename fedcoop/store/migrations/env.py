"""Run by Alembic: migrates over the connection that `fedcoop.store.schema` hands in, inside its transaction."""

from __future__ import annotations

from alembic import context

from fedcoop.store import tables


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """The words of the board are no table that SQLAlchemy knows (dialect.py)."""
    return not (kind == "table" and name is not None and name.startswith("listing_words"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    include_name=include_name,
    render_as_batch=True,
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
