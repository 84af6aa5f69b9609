"""What is wrong with a database, for the operator: `fedcoop doctor` asks, nothing is changed."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from fedcoop.store.dialect import dialect_of
from fedcoop.store.engine import engine_for
from fedcoop.store.schema import newest_revision, revision_of


async def examine(url: str) -> str | None:
    """Return in a sentence what is wrong with the database at `url`, or None: reach, release, integrity.

    Raises:
        Misconfigured: the URL is none that we can use, or names a file that cannot be opened.
    """
    engine = engine_for(url, "read")
    try:
        async with engine.connect() as connection:
            found = await connection.run_sync(revision_of)
            if found is None:
                return "it is empty"
            if found != newest_revision():
                return f"it has the tables of another release ({found}, not {newest_revision()})"
            if dialect_of(url).name == "sqlite":
                rows = (await connection.execute(text("PRAGMA integrity_check(3)"))).scalars().all()
                if list(rows) != ["ok"]:
                    return f"it is damaged: {'; '.join(str(row) for row in rows)}"
    except (DBAPIError, OSError) as error:
        return f"it cannot be read: {getattr(error, 'orig', error)}"
    finally:
        await engine.dispose()
    return None
