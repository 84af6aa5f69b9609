"""Run by Alembic: migrates over the connection that `fedcoop.store.schema` hands in, inside its transaction."""

from __future__ import annotations

from alembic import context

from fedcoop.store import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    render_as_batch=True,
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
