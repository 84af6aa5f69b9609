"""`webfinger`, `nodeinfo`, `inbox`, `send`: what an operator asks when two servers do not understand each other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedcoop.cli import client
from fedcoop.cli.debugging import explained, lines_of
from fedcoop.cli.instances import LocalInstance, free_port
from fedcoop.cli.throwaway import Arrived
from tests.cli.conftest import ROOT, Run
from tests.conftest import NOON

FRENCH = {"FEDCOOP_LANG": "fr"}


@contextmanager
def an_inbox(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run `fedcoop inbox --json` and give the process and where it can be reached."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fedcoop", "inbox", "--json", *options],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "FEDCOOP_LANG": "en"},
    )
    try:
        yield process, json.loads(read(process))
    finally:
        process.kill()
        process.communicate(timeout=10)


def read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_webfinger_finds_the_actor(run: Run, served: LocalInstance) -> None:
    done = run("webfinger", served.coop, "--json")
    assert done.status == 0, done.err
    assert done.json["actor"] == served.coop
    assert done.json["jrd"]["subject"] == f"acct:coop@{served.base.removeprefix('http://')}"
    told = run("webfinger", served.coop, environment=FRENCH).out
    assert f"acteur : {served.coop}" in told


def test_webfinger_says_what_it_cannot_find_or_read(run: Run, served: LocalInstance) -> None:
    nobody = run("webfinger", f"{served.base}/actors/nobody", "--json")
    assert (nobody.status, nobody.json["error"]["code"]) == (1, "not-found")
    elsewhere = run("webfinger", "awa@coop.example", "--at", served.base, "--json")
    assert (elsewhere.status, elsewhere.json["error"]["code"]) == (1, "not-found")
    assert run("webfinger", "acct:x@y@z").status == 2


def test_nodeinfo_is_followed_and_shown(run: Run, served: LocalInstance) -> None:
    done = run("nodeinfo", served.base, "--json")
    assert done.status == 0, done.err
    assert done.json["nodeinfo"]["software"]["name"] == "fedcoop"
    assert run("nodeinfo", served.base).out.startswith("fedcoop ")
    assert run("nodeinfo", f"http://127.0.0.1:{free_port()}").status == 1


def test_what_is_sent_from_a_throw_away_actor_is_shown_verified_by_a_throw_away_inbox(
    run: Run, tmp_path: Path
) -> None:
    sender = free_port()
    file = tmp_path / "activity.json"
    file.write_text(json.dumps({"type": "Follow", "object": "https://coop.example/actors/coop"}))
    with an_inbox("--allow", f"http://127.0.0.1:{sender}") as (process, ready):
        assert client.get(ready["actor"]).json()["inbox"] == ready["inbox"]
        done = run("send", ready["inbox"], file, "--port", str(sender), "--json")
        assert (done.status, done.json["status"]) == (0, 202), done.err
        shown = json.loads(read(process))
        assert (shown["verified"], shown["proof"], shown["problem"]) == (True, True, None)
        assert shown["document"] == done.json["sent"]
        # Unsigned: shown all the same, and why it would be refused.
        body = json.dumps({**shown["document"], "id": f"{shown['document']['id']}x"}).encode()
        plain = client.request(
            "POST", ready["inbox"], body=body, headers={"Content-Type": "application/activity+json"}
        )
        assert plain.status == 401
        unsigned = json.loads(read(process))
        assert (unsigned["verified"], unsigned["problem"]["code"]) == (False, "signature-missing")
        # Of an origin that was not named, no key is fetched.
        done = run("send", ready["inbox"], file, "--json")
        assert (done.status, done.json["ok"]) == (1, False)
        assert json.loads(read(process))["verified"] is False
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_an_answer_is_explained_in_the_language_of_the_run(
    run: Run, served: LocalInstance, tmp_path: Path
) -> None:
    file = tmp_path / "activity.json"
    file.write_text(json.dumps({"type": "Follow", "object": served.coop}))
    told = run("send", f"{served.base}/inbox", file, environment=FRENCH)
    assert told.status == 1
    assert "a répondu 4" in told.out
    assert "→" in told.out
    assert run("send", f"{served.base}/inbox", tmp_path / "none.json").status == 1
    file.write_text("[]")
    assert run("send", f"{served.base}/inbox", file).status == 1


def test_a_co_op_of_ours_may_be_the_one_who_sends(run: Run, served: LocalInstance, tmp_path: Path) -> None:
    file = tmp_path / "activity.json"
    file.write_text(json.dumps({"type": "Follow", "object": "https://coop.example/actors/coop"}))
    with an_inbox("--allow", served.base) as (process, ready):
        origins = [served.base, ready["actor"].removesuffix("/actor")]
        allowed = f"allow_origins = {json.dumps(origins)}\n"
        settings = served.folder / "fedcoop.toml"
        before = settings.read_text()
        kept = [line for line in before.splitlines() if not line.startswith("allow_origins")]
        settings.write_text(allowed + "\n".join(kept))
        try:
            done = run("send", ready["inbox"], file, "--as", served.folder, "--json")
        finally:
            settings.write_text(before)
        assert done.status == 0, done.out
        assert done.json["status"] == 202
        shown = json.loads(read(process))
        assert (shown["verified"], shown["document"]["actor"]) == (True, served.coop)


def test_lookup_without_a_copy_asks_the_objects_own_server(run: Run, served: LocalInstance) -> None:
    done = run("lookup", served.coop, "--json")
    assert (done.status, done.json["id"]) == (0, served.coop)
    assert run("lookup", f"{served.base}/missions/none", "--json").json["error"]["code"] == "not-found"


def test_lookup_as_an_instance_asks_with_its_signature(run: Run, served: LocalInstance) -> None:
    # To itself it is nobody that it has decided about, so it is shown what anybody is.
    done = run("lookup", served.coop, "--as", served.folder, "--json")
    assert (done.status, done.json["id"]) == (0, served.coop)
    missing = run("lookup", f"{served.base}/missions/none", "--as", served.folder, "--json")
    assert (missing.status, missing.json["error"]["code"]) == (1, "not-found")
    both = run("lookup", served.coop, "--as", served.folder, "--stored", served.folder)
    assert both.status == 2


def test_what_is_no_json_is_shown_as_it_came() -> None:
    arrived = Arrived(NOON, "/inbox", "<html>", None, None, proved=False, refusal=None)
    assert "    <html>" in list(lines_of(arrived))


def test_a_code_that_nobody_knows_is_said_without_advice() -> None:
    assert list(explained("odd-code", "why")) == ["  refused: odd-code", "  why"]
