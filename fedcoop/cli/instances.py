"""Real instances as child processes: founded by `fedcoop init`, served by `fedcoop serve`, ended by their process id.

The demo and the end-to-end tests use the same class, so what people see is what is tested.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fedcoop.cli import client
from fedcoop.cli.answer import Failed
from fedcoop.cli.client import Reply
from fedcoop.cli.speech import say

COMMAND = (sys.executable, "-m", "fedcoop")


PORTS: Final = range(20_000, 32_000)
"""Below the ports that the kernel gives to outgoing connections, which could take one before its server starts."""


def free_port() -> int:
    """Return a port of the loopback interface on which nobody listens now."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def run(*arguments: str, timeout: float = 300.0) -> dict[str, Any]:
    """Run one `fedcoop` command with `--json` and return its document. Raises Failed with its error."""
    done = subprocess.run(
        [*COMMAND, *arguments, "--json"], capture_output=True, text=True, timeout=timeout, check=False
    )
    try:
        document = json.loads(done.stdout)
    except ValueError:
        document = {}
    if done.returncode != 0 or not isinstance(document, dict):
        error = document.get("error", {}) if isinstance(document, dict) else {}
        raise Failed(
            str(error.get("code", "command-failed")),
            f"fedcoop {' '.join(arguments)}: {error.get('detail') or done.stderr.strip()[-2000:]}",
            next_step=str(error.get("next", "")),
        )
    return document


@dataclass
class LocalInstance:
    """An instance of our own on this machine: its folder, its address, its operator's token and its process."""

    folder: Path
    base: str
    token: str
    """The co-op actor's own (operator) token."""
    log: Path
    """Where the server's standard error goes."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    ready: dict[str, Any] = field(default_factory=dict, repr=False)
    """The line of `--ready-json`."""

    @property
    def coop(self) -> str:
        """Id of the co-op actor."""
        return f"{self.base}/actors/coop"

    @property
    def outbox(self) -> str:
        """The co-op actor's outbox."""
        return f"{self.coop}/outbox"

    @property
    def inbox(self) -> str:
        """The co-op actor's inbox."""
        return f"{self.coop}/inbox"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.base.rsplit(":", 1)[1])

    @property
    def running(self) -> bool:
        """True while its process lives."""
        return self.process is not None and self.process.poll() is None

    # -- the process ------------------------------------------------------------------------------------------------

    def start(self, *, timeout: float = 60.0) -> LocalInstance:
        """Start serving and return once it answers. Raises Failed when it does not."""
        self.launch()
        return self.wait(timeout=timeout)

    def launch(self) -> None:
        """Start the process without waiting for it."""
        if self.running:
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "serve", str(self.folder), "--port", str(self.port), "--ready-json", "--tethered"],
                # The other end is ours alone: should we be killed, it closes, and the server stops.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # A group of its own: Ctrl-C reaches only the program that started it, which then stops it in order.
                start_new_session=True,
            )

    def wait(self, *, timeout: float = 60.0) -> LocalInstance:
        """Return once the launched process has said that it answers."""
        process = self.process
        if process is None or process.stdout is None:
            raise Failed("not-started", f"{self.folder} was not launched.")
        readable, _, _ = select.select([process.stdout], [], [], timeout)
        line = process.stdout.readline() if readable else b""
        if not line:
            self.kill()
            raise Failed(
                "not-started",
                say(f"{self.base} did not come up.", f"{self.base} n’a pas démarré."),
                next_step=f"{self.log}: " + self.log.read_text("utf-8", "replace")[-1500:].strip(),
            )
        self.ready = json.loads(line)
        return self

    def kill(self) -> None:
        """End the process at once (SIGKILL), as a power cut would."""
        self._end(signal.SIGKILL, 10.0)

    def stop(self, *, timeout: float = 20.0) -> int | None:
        """Ask the process to finish what it began and end; return its exit status."""
        return self._end(signal.SIGTERM, timeout)

    def restart(self, *, timeout: float = 60.0) -> LocalInstance:
        """Stop (if need be) and start again on the same folder and address."""
        self.stop()
        return self.start(timeout=timeout)

    def _end(self, how: signal.Signals, timeout: float) -> int | None:
        process = self.process
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10.0)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        self.process = None
        return process.returncode

    # -- its public interface ---------------------------------------------------------------------------------------

    def get(self, url: str, *, token: str | None = None, accept: str = client.AS2) -> Reply:
        """GET an address of this instance (a path is completed with its base)."""
        return client.get(self.base + url if url.startswith("/") else url, token=token, accept=accept)

    def post_outbox(
        self,
        actor: str,
        token: str,
        document: Mapping[str, Any],
        *,
        key: str | None = None,
        timeout: float = 30.0,
    ) -> Reply:
        """Say `document` as the local `actor` (its id)."""
        return client.post_outbox(f"{actor}/outbox", document, token=token, key=key, timeout=timeout)

    def lookup(self, iri: str, *, token: str | None = None) -> dict[str, Any] | None:
        """Return the stored copy of any object that the token's actor (the co-op by default) may see, or None."""
        return client.lookup(self.base, iri, token=token or self.token)

    def command(self, *arguments: str, timeout: float = 300.0) -> dict[str, Any]:
        """Run a `fedcoop` verb on this instance's folder: `command("member", "add", "--", "Awa")` style, see `run`.

        The folder is inserted after the verb (and its sub-verb).
        """
        grouped = {"member", "peer", "mission", "keys", "token", "relay", "deliveries"}
        # A group that lists when no sub-verb is given is followed by an option, or by nothing.
        verbs = 2 if arguments[0] in grouped and not "".join(arguments[1:2]).startswith("-") else 1
        return run(*arguments[:verbs], str(self.folder), *arguments[verbs:], timeout=timeout)

    def add_member(self, name: str, **options: str) -> dict[str, Any]:
        """Add a member (`status="cape"`, `occupation="N4104"` …) and return id, inbox, outbox and token."""
        flags = [part for option, value in options.items() for part in (f"--{option}", value)]
        return self.command("member", "add", name, *flags)

    def allow(self, other: LocalInstance, *, network: bool = False) -> None:
        """Admit another instance to the allow-list."""
        self.command("peer", "allow", other.base, *(["--network"] if network else []))


def found(
    folder: Path,
    *,
    name: str,
    port: int | None = None,
    allow_origins: Sequence[str] = (),
    kinds: Sequence[str] = (),
    commune: str = "",
    language: str = "",
    database: str = "",
) -> LocalInstance:
    """Found a new instance in `folder` with `fedcoop init`, on a free port of the loopback unless told."""
    base = f"http://127.0.0.1:{port if port is not None else free_port()}"
    arguments = ["init", str(folder), "--base-url", base, "--name", name]
    for kind in kinds:
        arguments += ["--kind", kind]
    if commune:
        arguments += ["--commune", commune]
    if language:
        arguments += ["--language", language]
    if database:
        arguments += ["--database", database]
    for origin in dict.fromkeys([base, *allow_origins]):
        arguments += ["--allow-origin", origin]
    document = run(*arguments)
    return LocalInstance(
        folder=folder, base=base, token=str(document["token"]), log=folder.parent / f"{folder.name}.log"
    )


def stop_all(instances: Sequence[LocalInstance], *, timeout: float = 15.0) -> None:
    """Stop every instance, all asked at once; whoever does not answer in time is killed."""
    living = [i.process for i in instances if i.process is not None and i.process.poll() is None]
    for process in living:
        process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + timeout
    for instance in instances:
        instance.stop(timeout=max(0.1, deadline - time.monotonic()))
