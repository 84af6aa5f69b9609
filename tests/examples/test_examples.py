"""The examples run, against a real instance, as their own first lines say."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import re
import select
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from fedcoop.cli import client
from fedcoop.cli.client import Reply
from fedcoop.cli.instances import LocalInstance, found, free_port

EXAMPLES: Final = Path(__file__).resolve().parent.parent.parent / "examples"
PATIENCE: Final = 60.0

pytestmark = [pytest.mark.xdist_group("examples"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def peer_base() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def program() -> Iterator[str]:
    """The document of a program, at its `client_id`."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = {
                "client_id": client_id,
                "client_name": "Agenda",
                "redirect_uris": ["http://127.0.0.1/answer"],
            }
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    client_id = f"http://127.0.0.1:{server.server_port}/program.json"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield client_id
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def nantes(peer_base: str, program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalInstance]:
    known = [peer_base, program.removesuffix("/program.json")]
    instance = found(tmp_path_factory.mktemp("examples") / "nantes", name="Nantes", allow_origins=known)
    instance.command("peer", "allow", peer_base)
    yield instance.start()
    instance.stop()


class Listener:
    """The listening peer as a process, read line by line."""

    def __init__(self, base: str, coop: str) -> None:
        self.base = base
        self.process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / "listening_peer.py"), base, coop],
            stdout=subprocess.PIPE,
            # Unbuffered, or a line read ahead would be one that select no longer sees.
            bufsize=0,
        )

    def hears(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        assert readable, "it printed nothing"
        return self.process.stdout.readline().decode().rstrip("\n")


@pytest.fixture
def listener(nantes: LocalInstance, peer_base: str) -> Iterator[Listener]:
    listening = Listener(peer_base, nantes.coop)
    yield listening
    listening.process.terminate()
    listening.process.wait(10)
    assert listening.process.stdout is not None
    listening.process.stdout.close()


def post_a_mission(base: str, token: str, name: str, price: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "post_a_mission.py"), base, token, name, price]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)


def test_a_client_posts_a_mission_and_prints_the_board(nantes: LocalInstance):
    done = post_a_mission(nantes.base, nantes.token, "A map of our deliveries", "760.00")
    assert done.returncode == 0, done.stderr
    mission = re.fullmatch(r"published (\S+)", done.stdout.splitlines()[0])
    assert mission is not None
    assert re.search(rf"^  published  A map of our deliveries +{re.escape(mission[1])}$", done.stdout, re.M)


def test_a_client_that_is_refused_says_why(nantes: LocalInstance):
    done = post_a_mission(nantes.base, "not-a-token", "A map", "760.00")
    assert done.returncode == 1
    assert done.stderr.startswith("401 token-invalid: ")
    done = post_a_mission(nantes.base, nantes.token, "A map", "a lot")
    assert done.stderr.startswith("422 schema-invalid: ")


def test_a_peer_hears_what_the_co_op_it_follows_publishes(nantes: LocalInstance, listener: Listener):
    assert listener.hears().startswith("asked to follow: 202")
    heard = listener.hears()
    # A listener of another test may have left before all was told.
    while heard.startswith(f"Create from {nantes.coop}: "):
        heard = listener.hears()
    assert heard.startswith(f"Accept from {nantes.coop}: ")
    # The board as it stood, then what is new.
    assert post_a_mission(nantes.base, nantes.token, "Bicycle repairs", "90.00").returncode == 0
    while heard != f"Create from {nantes.coop}: Bicycle repairs":
        heard = listener.hears()
        # An Accept again is for the Follow of a listener that left before it was told.
        assert heard.startswith((f"Create from {nantes.coop}: ", f"Accept from {nantes.coop}: "))


def test_a_peer_is_not_told_by_strangers(nantes: LocalInstance, listener: Listener):
    listener.hears()
    body = b'{"type": "Create", "actor": "%s", "object": "https://example.org/1"}' % nantes.coop.encode()
    digest = "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()
    covered = "(request-target) host date digest"
    for signature in ("", f'keyId="{nantes.coop}#main-key",headers="{covered}",signature="AAAA"'):
        headers = {"Digest": digest, "Date": "now", "Signature": signature}
        asked = urllib.request.Request(f"{listener.base}/inbox", body, headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked, timeout=10)
        assert refused.value.code == 401
        refused.value.close()


def test_a_program_asks_for_leave_acts_and_says_goodbye(nantes: LocalInstance, program: str):
    command = [sys.executable, str(EXAMPLES / "ask_for_leave.py"), nantes.base, program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        address = asking.stdout.readline().removeprefix("open ").strip()
        browser = Browser(nantes)
        # Not signed in yet: the browser is taken to the form, and back.
        following = browser.get(address).headers["location"]
        assert following.startswith("/sign-in?next=")
        fields = {"token": nantes.token, "next": parse_qs(urlsplit(following).query)["next"][0]}
        address = nantes.base + browser.post(f"{nantes.base}/sign-in", fields).headers["location"]
        page = browser.get(address)
        assert b"Agenda" in page.body
        fields = {"form": browser.word(page), "decision": "allow"}
        assert client.request("GET", browser.post(address, fields).headers["location"]).ok
        said = asking.stdout.read().splitlines()
    assert asking.returncode == 0
    assert (said[0], said[1].split()[0]) == (f"may read as {nantes.coop}", "messages")
    # It said goodbye, so that nothing is left of it.
    left = nantes.command("token", "list", "coop")["tokens"]
    assert [token for token in left if token["client"]] == []


def test_an_operator_sees_what_a_program_may_and_ends_it(nantes: LocalInstance, program: str):
    browser = Browser(nantes)
    browser.post(f"{nantes.base}/sign-in", {"token": nantes.token})
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    question = {
        "response_type": "code", "client_id": program, "redirect_uri": "http://127.0.0.1:9/answer", "scope": "read",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
    }  # fmt: skip
    address = f"{nantes.base}/oauth/authorize?{urlencode(question)}"
    answered = browser.post(address, {"form": browser.word(browser.get(address)), "decision": "allow"})
    code = parse_qs(urlsplit(answered.headers["location"]).query)["code"][0]
    asked = {
        "grant_type": "authorization_code", "code": code, "client_id": program, "code_verifier": verifier,
        "redirect_uri": question["redirect_uri"],
    }  # fmt: skip
    got = browser.post(f"{nantes.base}/oauth/token", asked).json()
    inbox = f"{nantes.coop}/inbox"
    assert nantes.get(inbox, token=got["access_token"]).ok
    (seen,) = [t for t in nantes.command("token", "list", "coop")["tokens"] if t["client"]]
    assert (seen["client"], seen["name"], seen["scopes"]) == (program, "Agenda", ["read"])
    nantes.command("token", "revoke", "coop", seen["id"])
    assert nantes.get(inbox, token=got["access_token"]).status == 401


class Browser:
    """As much of a browser as it takes: a cookie, and forms."""

    def __init__(self, instance: LocalInstance) -> None:
        self._instance = instance
        self._cookie = ""

    def get(self, url: str) -> Reply:
        return client.request("GET", url, accept="text/html", headers={"Cookie": self._cookie})

    def post(self, url: str, fields: dict[str, str]) -> Reply:
        form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": self._cookie}
        answer = client.request("POST", url, body=urlencode(fields).encode(), headers=form)
        if "set-cookie" in answer.headers:
            self._cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def word(self, page: Reply) -> str:
        """Return what the forms of a page send along."""
        match = re.search(rb'name="form" value="([0-9a-f]{64})"', page.body)
        assert match is not None
        return match[1].decode()


def test_no_example_imports_the_server():
    for example in EXAMPLES.glob("*.py"):
        tree = ast.parse(example.read_text(encoding="utf-8"))
        named = {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        named |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not [name for name in named if name.split(".")[0] == "fedcoop"], example


def test_every_example_is_in_the_index():
    listed = set(re.findall(r"\((\w+\.py)\)", (EXAMPLES / "README.md").read_text(encoding="utf-8")))
    assert listed == {example.name for example in EXAMPLES.glob("*.py")}
