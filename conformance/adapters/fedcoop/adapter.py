"""The adapter for fedcoop: founds an instance by the public commands, serves it, gives orders on the command line.

Everything that it does an operator could type; there is no other entrance. Speaking and looking as a member is left
to ActivityPub client to server (`fallback = ["c2s"]` in sut.toml). `FEDCOOP` names the program where it is not on the
path.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import person

FEDCOOP = shlex.split(os.environ.get("FEDCOOP", "fedcoop"))
SETTINGS = {
    "first_retry_seconds": 0.5,
    "peer_messages_per_5_minutes": 100_000,
    "unverified_per_minute": 100_000,
}
"""The first is a development setting (PROTOCOL.md §5); a suite sends more messages in five minutes than peers do."""


class Instance:
    """One instance in a folder of its own, which is deleted at the end."""

    def __init__(self, args: dict[str, Any]) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="fedcoop-sut-"))
        self.folder = self.home / "coop"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.base = f"http://127.0.0.1:{probe.getsockname()[1]}"
        origins = [part for url in (self.base, *args["reach"]) for part in ("--allow-origin", url)]
        coop = self.run(
            "init", "--base-url", self.base, "--name", "Coop sous test", "--kind", "cae", *origins
        )
        alice = self.run("member", "add", "Alice", "--status", "cesa")
        for origin in args["admit"]:
            self.run("peer", "allow", origin)
        self.tokens = {coop["id"]: coop["token"], alice["id"]: alice["token"]}
        self.extra = [{name: alice[name] for name in ("id", "inbox", "outbox")} | {"role": "member"}]
        self.configure(**SETTINGS)
        self.server: subprocess.Popen[str] | None = None
        self.start()

    def run(self, *words: str) -> dict[str, Any]:
        """Run a command on the instance; return its answer."""
        verbs = 2 if words[0] in {"member", "peer", "keys", "relay"} else 1
        command = [*FEDCOOP, *words[:verbs], str(self.folder), *words[verbs:], "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError((done.stderr or done.stdout).strip())
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def configure(self, **settings: float) -> None:
        """Write settings into fedcoop.toml, in place of what stands there."""
        path = self.folder / "fedcoop.toml"
        kept = [
            line
            for line in path.read_text(encoding="utf-8").splitlines()
            if not line.startswith(tuple(f"{name} " for name in settings))
        ]
        path.write_text(
            "\n".join([*(f"{k} = {v}" for k, v in settings.items()), *kept]) + "\n", encoding="utf-8"
        )

    def start(self) -> None:
        """Serve the instance until it answers."""
        self.server = subprocess.Popen(
            [*FEDCOOP, "serve", str(self.folder), "--ready-json"],
            stdout=subprocess.PIPE,
            stderr=(self.home / "serve.log").open("a"),
            text=True,
        )
        assert self.server.stdout is not None
        line = self.server.stdout.readline()
        if not line:
            raise RuntimeError(f"fedcoop serve ended; see {self.home / 'serve.log'}")
        self.ready: dict[str, Any] = json.loads(line)

    def stop(self) -> None:
        """End the server as an operator does."""
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(30)

    def told(self) -> dict[str, Any]:
        """Return the ready line, with every actor and the tokens of those for whom a client may speak."""
        known = {one["id"] for one in self.ready["actors"]}
        actors = [*self.ready["actors"], *(one for one in self.extra if one["id"] not in known)]
        return {
            "base": self.base,
            "actors": [{**one, "token": self.tokens.get(one["id"])} for one in actors],
            "ops": sorted(OPS),
        }


def rotate(instance: Instance, args: dict[str, Any]) -> None:
    instance.run("keys", "rotate", "--actor", args["actor"])


def restart(instance: Instance, args: dict[str, Any]) -> None:
    instance.stop()
    instance.start()


def decide(instance: Instance, args: dict[str, Any]) -> None:
    yes = [] if args["decision"] == "allow" else ["--yes"]
    instance.run("peer", args["decision"], args["origin"], *yes)


def consent(instance: Instance, args: dict[str, Any]) -> dict[str, str]:
    return {"redirect": person.allow(instance.base, instance.tokens[args["actor"]], args["url"])}


OPS: dict[str, Callable[[Instance, dict[str, Any]], Any]] = {
    "key.rotate": rotate,
    "restart": restart,
    "peer.decide": decide,
    "oauth.consent": consent,
}


def main() -> None:
    """Answer questions until the input ends (`fedcoop-driver/1`)."""
    instance: Instance | None = None
    try:
        for line in sys.stdin:
            asked = json.loads(line)
            answer: dict[str, Any] = {"seq": asked["seq"], "ok": True, "result": {}}
            try:
                if asked["op"] == "hello":
                    instance = Instance(asked["args"])
                    answer["result"] = instance.told()
                elif asked["op"] in OPS and instance:
                    answer["result"] = OPS[asked["op"]](instance, asked["args"])
                elif asked["op"] != "stop":
                    answer = {"seq": asked["seq"], "ok": False, "unsupported": True}
            except person.Refused as refusal:
                said = {"message": str(refusal), "status": refusal.status}
                answer = {"seq": asked["seq"], "ok": False, "error": said}
            except (RuntimeError, OSError, subprocess.SubprocessError) as fault:
                answer = {"seq": asked["seq"], "ok": False, "error": {"message": str(fault)}}
            print(json.dumps(answer), flush=True)
            if asked["op"] == "stop":
                break
    finally:
        if instance:
            instance.stop()
            shutil.rmtree(instance.home, ignore_errors=True)


if __name__ == "__main__":
    main()
