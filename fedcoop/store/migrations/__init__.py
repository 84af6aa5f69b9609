"""Alembic's environment and the steps from one release's tables to the next."""
