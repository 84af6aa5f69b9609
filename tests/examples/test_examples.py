"""The examples run, against a real instance, as their own first lines say."""

from __future__ import annotations

import ast
import base64
import hashlib
import re
import select
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from fedcoop.cli.instances import LocalInstance, found, free_port

EXAMPLES: Final = Path(__file__).resolve().parent.parent.parent / "examples"
PATIENCE: Final = 60.0

pytestmark = [pytest.mark.xdist_group("examples"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def peer_base() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def nantes(peer_base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalInstance]:
    instance = found(tmp_path_factory.mktemp("examples") / "nantes", name="Nantes", allow_origins=[peer_base])
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
    assert listener.hears().startswith(f"Accept from {nantes.coop}: ")
    # The board as it stood, then what is new.
    assert post_a_mission(nantes.base, nantes.token, "Bicycle repairs", "90.00").returncode == 0
    heard = ""
    while heard != f"Create from {nantes.coop}: Bicycle repairs":
        heard = listener.hears()
        assert heard.startswith(f"Create from {nantes.coop}: ")


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
