"""The yardstick: the least that an aiohttp + SQLite server can do with a POST, durably, and nothing of what we do.

`serve` answers 202 after one INSERT and one COMMIT (WAL, synchronous=FULL): no signature, no parsing, no effect.
`send` posts rows of a table to their inboxes and deletes what was accepted, 64 at a time, unsigned.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys

import aiohttp
from aiohttp import web

AT_ONCE = 64


def database(path: str) -> sqlite3.Connection:
    """Return a connection as durable as the server's own."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def serve(port: int, path: str) -> None:
    """Serve `POST /…` until killed."""
    connection = database(path)
    connection.execute("CREATE TABLE IF NOT EXISTS post (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")

    async def post(request: web.Request) -> web.Response:
        connection.execute("INSERT INTO post (body) VALUES (?)", (await request.read(),))
        return web.Response(status=202)

    application = web.Application()
    application.router.add_post("/{tail:.*}", post)
    web.run_app(application, host="127.0.0.1", port=port, access_log=None, print=None)


async def send(path: str) -> int:
    """Post every owed row of `path`, delete it when it was accepted, and return how many were."""
    connection = database(path)
    rows = connection.execute("SELECT id, inbox, body FROM owed ORDER BY id").fetchall()
    done, slots = 0, asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def one(row: tuple[int, str, bytes]) -> None:
            nonlocal done
            async with slots, session.post(row[1], data=row[2]) as answer:
                if answer.status < 300:
                    connection.execute("DELETE FROM owed WHERE id = ?", (row[0],))
                    done += 1

        await asyncio.gather(*(one(row) for row in rows))
    return done


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), sys.argv[3])
    else:
        sys.exit(0 if asyncio.run(send(sys.argv[2])) else 1)
