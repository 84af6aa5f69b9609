"""What is read of a request, and how much. Over HTTP the same is tested in test_inbox.py."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

import pytest
from aiohttp import web

from fedcoop.errors import TooLarge, Unavailable
from fedcoop.protocol import limits
from fedcoop.web.admission import Held, Room
from fedcoop.web.bodies import read_body

MOST = 100


@pytest.fixture
async def echo(aiohttp_client: Any) -> Any:
    """A client of a server that answers with what `read_body` says."""

    async def handler(request: web.Request) -> web.Response:
        room = Room(MOST - 10)
        try:
            body = await read_body(request, most=MOST, held=Held(room) if "held" in request.query else None)
        except (TooLarge, Unavailable) as error:
            return web.Response(status=400, text=f"{error.code}: {error.received}")
        return web.Response(text=f"{len(body)} {room.used}")

    application = web.Application()
    application.router.add_post("/", handler)
    return await aiohttp_client(application)


async def pieces(*sizes: int) -> Any:
    for size in sizes:
        yield b"x" * size
        await asyncio.sleep(0)


@pytest.mark.parametrize(("size", "said"), [(0, "0 0"), (1, "1 0"), (MOST, f"{MOST} 0")])
async def test_a_body_up_to_the_limit_is_read(echo: Any, size: int, said: str):
    assert await (await echo.post("/", data=BytesIO(b"x" * size))).text() == said


async def test_an_announced_length_over_the_limit_is_not_read(echo: Any):
    response = await echo.post("/", data=BytesIO(b"x" * (MOST + 1)))
    assert await response.text() == f"too-large: {MOST + 1} bytes"


async def test_an_unannounced_length_is_counted(echo: Any):
    assert await (await echo.post("/", data=pieces(60, 40))).text() == "100 0"
    assert (await (await echo.post("/", data=pieces(60, 41, 60))).text()).startswith("too-large")


async def test_what_is_held_is_what_was_read(echo: Any):
    assert await (await echo.post("/?held", data=BytesIO(b"x" * 90))).text() == "90 90"
    assert (await (await echo.post("/?held", data=BytesIO(b"x" * 91))).text()).startswith("unavailable")


async def test_a_body_that_stops_coming_is_given_up(echo: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "BODY_READ_TIME", limits.BODY_READ_TIME / 300)
    reader, writer = await asyncio.open_connection(echo.server.host, echo.server.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nonly this")
    answer = await asyncio.wait_for(reader.readline(), 5)
    assert b"400" in answer
    writer.close()
