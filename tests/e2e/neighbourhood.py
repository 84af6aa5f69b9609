"""One real instance of ours among foreign peers: one that it admits, one that it blocks, one that it does not know."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedcoop.cli.instances import LocalInstance, found, free_port, stop_all
from tests.e2e.foreign import Foreign


@dataclass(frozen=True)
class Member:
    """A member of ours."""

    id: str
    inbox: str
    outbox: str
    token: str


@dataclass(frozen=True)
class Neighbourhood:
    """Our instance, its one member, and its peers. All their origins may be reached over the loopback (D10)."""

    ours: LocalInstance
    awa: Member
    admitted: Foreign
    blocked: Foreign
    stranger: Foreign
    """Not in the allow-list. Whatever is sent points at it all over, so that a fetch would be seen."""

    @property
    def inbox(self) -> str:
        """Our shared inbox."""
        return f"{self.ours.base}/inbox"

    @property
    def database(self) -> Path:
        """The file that our instance writes."""
        return self.ours.folder / "fedcoop.db"

    def tables(self) -> dict[str, tuple[int, str]]:
        """Return how many rows each table has and a digest of them, read beside the server.

        Key documents are left out, and when actors were fetched: how fresh they are is not what anybody said. So is
        the count of strangers who knocked, of whom nothing else is kept.
        """
        uri = f"file:{self.database}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.execute("begin")
            query = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
            names = sorted(
                name for (name,) in connection.execute(query) if name not in {"key_document", "stranger"}
            )
            return {name: _content(connection, name) for name in names}

    def counts(self) -> dict[str, int]:
        """Return how many rows each table has."""
        return {name: count for name, (count, _) in self.tables().items()}

    def stored(self, iri: str, *, member: bool = False) -> dict[str, Any] | None:
        """Return our copy of `iri` as the co-op, or as its member, may see it."""
        return self.ours.lookup(iri, token=self.awa.token if member else None)

    def forget_requests(self) -> None:
        """Let every peer's record of what was asked of it begin anew."""
        for peer in (self.admitted, self.blocked, self.stranger):
            peer.asked.clear()

    def fetched(self) -> Mapping[str, list[str]]:
        """Return what was read from each peer since the record began."""
        peers = {"admitted": self.admitted, "blocked": self.blocked, "stranger": self.stranger}
        return {name: peer.fetched for name, peer in peers.items() if peer.fetched}


TIMES = frozenset({"fetched_at", "used"})
"""Columns that say when we asked or were asked: no part of what anybody said."""


def _content(connection: sqlite3.Connection, table: str) -> tuple[int, str]:
    found = connection.execute(f'select * from "{table}"')
    kept = [number for number, column in enumerate(found.description) if column[0] not in TIMES]
    rows = sorted(repr([row[number] for number in kept]) for row in found)
    return len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest()


@contextmanager
def open_neighbourhood(folder: Path) -> Iterator[Neighbourhood]:
    """Found and serve our instance in `folder` beside three peers; all of it is stopped at the end."""
    peers = [Foreign() for _ in range(3)]
    admitted, blocked, stranger = peers
    started: list[LocalInstance] = []
    try:
        ours = found(
            folder / "ours",
            name="Coop Lyon",
            port=free_port(),
            allow_origins=[peer.base for peer in peers],
            commune="69123",
        )
        started.append(ours)
        with ThreadPoolExecutor(2) as pool:
            decided = [
                pool.submit(ours.command, "peer", "allow", admitted.base, "--network"),
                pool.submit(ours.command, "peer", "block", blocked.base),
                pool.submit(ours.add_member, "Awa"),
            ]
        awa = decided[-1].result()
        for decision in decided:
            decision.result()
        ours.start()
        member = Member(*(str(awa[name]) for name in ("id", "inbox", "outbox", "token")))
        yield Neighbourhood(ours, member, admitted, blocked, stranger)
    finally:
        stop_all(started)
        for peer in peers:
            peer.close()
