"""The pages as people get them: the real server over a whole federation, on a port of this machine.

The scene is founded once for a test session, in a thread with a loop of its own, so that plain tests and browsers
alike just ask an address.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import pytest
from aiohttp import web

from fedcoop.errors import Unverified
from fedcoop.flow import access
from fedcoop.web.admission import ADMISSION, Admission
from tests.web.pages_scene import Scene, found_scene

T = TypeVar("T")

BROWSER: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
VOID: Final = frozenset({"meta", "link", "img", "input", "br", "hr"})


@dataclass
class Element:
    """An element of a page: its attributes, its text, and what it lies in."""

    tag: str
    attributes: dict[str, str]
    inside: tuple[Element, ...]
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).split())


class Markup(HTMLParser):
    """A page taken apart: elements in document order, each knowing its ancestors; unbalanced markup is a failure."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert self._open == [], [element.tag for element in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, tuple(self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open, f"</{tag}> closes nothing"
            assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
            self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.pieces.append(data)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Return the elements of that tag that have these attributes."""
        return [
            element
            for element in self.elements
            if element.tag == tag and all(element.attributes.get(k) == v for k, v in attributes.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} <{tag}> with {attributes}"
        return found[0]


@dataclass
class Answer:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def page(self) -> Markup:
        assert self.headers["Content-Type"] == "text/html; charset=utf-8"
        return Markup(self.text)

    @property
    def words(self) -> str:
        """All text of the page, every kind of space as one."""
        return self.page.one("body").text


class Served:
    """A scene being served."""

    def __init__(self, folder: Path) -> None:
        self._signed_in: dict[str, str] = {}
        self._malos = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.scene: Scene = self.run(found_scene(folder, self.base))
        self._runner = web.AppRunner(self.scene.application())
        self.run(self._start())

    async def _start(self) -> None:
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` where the scene lives and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def close(self) -> None:
        self.run(self._runner.cleanup())
        self.run(self.scene.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._socket.close()

    @property
    def admission(self) -> Admission:
        """The doors of the server."""
        return self._runner.app[ADMISSION]

    def path(self, iri: str) -> str:
        """Return the path of one of our own ids."""
        assert iri.startswith(self.base)
        return iri.removeprefix(self.base)

    @property
    def malos_token(self) -> str:
        """A token of Malo's that is in force: other tests may have revoked those of before."""
        world, malo = self.scene.nantes.world, self.scene.malo

        async def in_force() -> str:
            try:
                await access.token_behind(self._malos, world)
            except Unverified:
                made = await access.new_token(world, malo, name="Test", wanted=["read", "operate"])
                self._malos = made.secret
            return self._malos

        return self.run(in_force())

    def signed_in(self, token: str) -> str:
        """Return the secret of a sign-in with this token; one for the session, whose clock may move."""
        world = self.scene.nantes.world

        async def begin() -> str:
            return (await access.begin_session(world, await access.token_behind(token, world))).secret

        if token not in self._signed_in:
            self._signed_in[token] = self.run(begin())
        return self._signed_in[token]

    def get(
        self,
        path: str,
        *,
        language: str = "fr",
        token: str | None = None,
        accept: str = BROWSER,
        **headers: str,
    ) -> Answer:
        """Ask for `path` as a browser does; with a token as somebody who has signed in."""
        cookie = {"Cookie": f"fedcoop_session={self.signed_in(token)}"} if token else {}
        return self._ask(
            "GET", path, None, {"Accept": accept, "Accept-Language": language, **cookie, **headers}
        )

    def post(self, path: str, fields: Mapping[str, str], *, language: str = "fr", **headers: str) -> Answer:
        """Send a form as a browser does."""
        form = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": BROWSER,
            "Accept-Language": language,
        }
        return self._ask("POST", path, urlencode(fields).encode(), {**form, **headers})

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers=dict(headers))
            response: HTTPResponse = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read().decode())
        finally:
            connection.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("pages"))
    yield served
    served.close()
