"""The small client: what it sends, what it makes of answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from fedcoop.cli import client
from fedcoop.cli.answer import Failed


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked; 404 for what is absent, a problem for what is refused."""

    def do_GET(self) -> None:
        if "absent" in self.path:
            return self._answer(404, {})
        if "refused" in self.path:
            return self._answer(409, {"type": "https://x.example/problems/stale", "detail": "Too late."})
        return self._answer(200, {"path": self.path, "headers": dict(self.headers)})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(201, {"said": json.loads(body), "headers": dict(self.headers)})

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def base() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_is_said_carries_token_type_and_key(base: str):
    reply = client.post_outbox(f"{base}/outbox", {"type": "Note"}, token="secret", key="once")
    headers = reply.json()["headers"]
    assert (reply.status, reply.json()["said"]) == (201, {"type": "Note"})
    assert headers["Authorization"] == "Bearer secret"
    assert headers["Content-Type"] == client.AS2
    assert headers["Idempotency-Key"] == "once"


def test_a_looked_up_id_is_escaped_and_an_absent_one_is_none(base: str):
    found = client.lookup(base, "https://a.example/x?y=1&z", token="t")
    assert found is not None
    assert found["path"] == "/api/v1/lookup?uri=https%3A%2F%2Fa.example%2Fx%3Fy%3D1%26z"
    assert client.lookup(base, "absent", token="t") is None


def test_a_refusal_keeps_the_code_of_its_problem(base: str):
    with pytest.raises(Failed) as caught:
        client.lookup(base, "refused", token="t")
    assert caught.value.code == "stale"
    assert "Too late." in caught.value.detail


def test_no_answer_and_no_address_are_told_apart():
    with pytest.raises(client.Unreachable):
        client.get("http://127.0.0.1:1/", timeout=2.0)
    with pytest.raises(Failed) as caught:
        client.get("file:///etc/hostname")
    assert caught.value.code == "malformed-url"


def test_polling_ends_with_the_answer_or_with_the_time():
    answers = iter([None, None, 7])
    assert client.poll(lambda: next(answers), seconds=5.0, pause=0.0) == 7
    assert client.poll(lambda: None, seconds=0.0) is None
