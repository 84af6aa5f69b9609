"""Adapters in other processes, by lines and by POSTs: what they answer, and how they break."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fedcoop_conformance.driver import remote
from fedcoop_conformance.driver.base import Declined, DriverFault, PeersKnown, Unsupported
from fedcoop_conformance.driver.remote import Hook, Stdio, ready, result

PEERS = PeersKnown(("http://a.example",), ("http://a.example", "http://b.example"))
READY = {
    "base": "http://sut.example",
    "actors": [{"id": "http://sut.example/a", "inbox": "i", "outbox": "o", "role": "coop", "token": "t"}],
    "ops": ["key.rotate"],
}
HELLO = f"""
import json, sys
def say(**members): print(json.dumps(members), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    seq, op = asked["seq"], asked["op"]
    if op == "hello":
        say(seq=seq, ok=True, result={{**{READY!r}, "told": asked["args"]}})
        continue
    if op == "stop":
        say(seq=seq, ok=True)
        break
"""


def adapter(folder: Path, answers: str) -> Stdio:
    """Return a driver of a small adapter that says hello, and then does what these lines say."""
    (folder / "adapter.py").write_text(HELLO + "    " + answers + "\n", encoding="utf-8")
    return Stdio([sys.executable, "adapter.py"], folder=folder)


async def test_an_adapter_names_the_server_that_it_started(tmp_path: Path):
    driver = adapter(tmp_path, "pass")
    found = await driver.start(PEERS)
    assert found is not None
    assert found.base == "http://sut.example"
    assert [(one.role, one.token) for one in found.actors] == [("coop", "t")]
    assert list(driver.ops()) == ["key.rotate"]
    await driver.stop()


async def test_what_it_did_is_told(tmp_path: Path):
    driver = adapter(tmp_path, "say(seq=seq, ok=True, result={'op': op, 'args': asked['args']})")
    await driver.start(PEERS)
    assert await driver.call("key.rotate", {"actor": "x"}) == {"op": "key.rotate", "args": {"actor": "x"}}
    await driver.stop()


async def test_what_it_has_not_named_is_not_asked_of_it(tmp_path: Path):
    driver = adapter(tmp_path, "sys.exit(7)")
    await driver.start(PEERS)
    with pytest.raises(Unsupported):
        await driver.call("member.move", {})
    await driver.stop()


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ("sys.exit(7)", "ended"),
        ("print('no json', flush=True)", "no JSON"),
        ("say(seq=seq + 1, ok=True)", "was answered by"),
        ("say(seq=seq - 1, ok=True, result='old')", "was answered by"),
        ("say(seq=seq)", "was answered by"),
        ("print('[1]', flush=True)", "was answered by"),
        ("pass", "did not answer"),
    ],
)
async def test_an_adapter_that_breaks_is_no_fault_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: str, says: str
):
    monkeypatch.setattr(remote, "CALL_TIME", 0.5)
    monkeypatch.setattr(remote, "STOP_TIME", 0.5)
    driver = adapter(tmp_path, answers)
    await driver.start(PEERS)
    with pytest.raises(DriverFault, match=says):
        await driver.call("key.rotate", {})
    await driver.stop()


async def test_a_command_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(DriverFault, match="no-such-program"):
        await Stdio(["no-such-program"], folder=tmp_path).start(PEERS)


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        ({"seq": 1, "ok": False, "unsupported": True}, Unsupported),
        ({"seq": 1, "ok": False, "error": {"message": "no", "status": 409}}, Declined),
        ({"seq": 2, "ok": True}, DriverFault),
        ({"seq": 1, "ok": False}, DriverFault),
        (None, DriverFault),
    ],
)
def test_each_answer_means_one_thing(answer: Any, raised: type[Exception]):
    with pytest.raises(raised):
        result("key.rotate", 1, answer)


def test_the_status_of_a_refusal_is_kept():
    with pytest.raises(Declined) as told:
        result("outbox.post", 1, {"seq": 1, "ok": False, "error": {"message": "no", "status": 409}})
    assert told.value.status == 409


@pytest.mark.parametrize("missing", ["base", "actors"])
def test_a_ready_line_that_lacks_something_is_refused(missing: str):
    with pytest.raises(DriverFault, match=missing):
        ready({name: value for name, value in READY.items() if name != missing})


# -- a hook -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def hook() -> AsyncIterator[TestServer]:
    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer secret":
            return web.Response(status=401)
        asked = await request.json()
        if asked["op"] == "broken":
            return web.Response(text="no json")
        return web.json_response(
            {"seq": asked["seq"], "ok": True, "result": READY | {"ops": ["broken", asked["op"]]}}
        )

    app = web.Application()
    app.router.add_post("/driver", answer)
    async with TestServer(app) as server:
        yield server


async def test_a_hook_is_asked_by_post_with_its_token(hook: TestServer):
    driver = Hook(str(hook.make_url("/driver")), "secret")
    found = await driver.start(PEERS)
    assert found is not None
    assert found.base == "http://sut.example"
    with pytest.raises(DriverFault):
        await driver.call("broken", {})
    await driver.stop()


async def test_a_hook_that_refuses_the_token_is_named(hook: TestServer):
    with pytest.raises(DriverFault, match="401"):
        await Hook(str(hook.make_url("/driver")), "wrong").start(PEERS)
