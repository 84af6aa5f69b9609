"""Asks the vectors of any program, over JSON lines: one question on its input, one answer on its output.

One question is out at a time, so that an answer belongs to it and to nothing else. A program that dies, hangs,
prints what is no answer or answers what was not asked fails that vector and is started again; one that keeps
doing so is given up, and fails the rest.
"""

from __future__ import annotations

import json
import queue
import random
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from fedcoop_conformance.vectors.files import Vector, load
from fedcoop_conformance.vectors.judging import NO_ANSWER, Judged, Outcome, by_test, judge

DEADLINE: Final = 10.0
"""Seconds for one answer. The slowest, an RSA key in an interpreted language, takes well under one."""

MAX_LINE: Final = 1 << 20
"""Bytes of one answer: a hundred times the largest that is expected."""

MAX_TROUBLES: Final = 5
"""Times that a program is started again before it is given up."""


class Trouble(Exception):
    """The program gave no answer. The message says how."""


def check(
    command: Sequence[str],
    *,
    deadline: float = DEADLINE,
    vectors: Sequence[Vector] | None = None,
    seed: int = 0,
    say: Callable[[Judged], None] | None = None,
    folder: Path | None = None,
) -> tuple[Outcome, ...]:
    """Return the outcome of every test for the program that `command` starts in `folder`, or else right here.

    The order is shuffled by `seed`, so that no answer can be learnt by its place. `say` is called with each
    answer as it comes.

    Raises:
        OSError: `command` cannot be started at all.
    """
    asked = list(load() if vectors is None else vectors)
    random.Random(seed).shuffle(asked)  # noqa: S311 -- an order, not a secret
    with _Program(command, deadline, folder) as program:
        judged = [_one(program, vector, say) for vector in asked]
    places = {one.vector.id: one for one in judged}
    return by_test(places[vector.id] for vector in (load() if vectors is None else vectors))


def _one(program: _Program, vector: Vector, say: Callable[[Judged], None] | None) -> Judged:
    try:
        judged = judge(vector, program.ask(vector.question))
    except Trouble as trouble:
        judged = Judged(vector, "failed", NO_ANSWER, str(trouble))
    if judged.code == NO_ANSWER and not judged.received.startswith("no "):
        judged = replace(judged, received=f"no answer: {judged.received}")
    if say:
        say(judged)
    return judged


class _Program:
    """A program that is asked; started when first needed, and after each trouble again."""

    def __init__(self, command: Sequence[str], deadline: float, folder: Path | None) -> None:
        self._command = list(command)
        self._folder = folder
        self._deadline = deadline
        self._running: subprocess.Popen[bytes] | None = None
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._troubles = 0

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A program that has done its work may end by itself; its input is over.
        if self._running is not None and self._running.stdin is not None:
            self._running.stdin.close()
            _status(self._running)
        self._stop()

    def ask(self, question: dict[str, Any]) -> Any:
        """Return the answer. Raises Trouble when there is none."""
        if self._troubles > MAX_TROUBLES:
            raise Trouble(f"no answer: given up after {self._troubles} troubles")
        try:
            return self._ask(question)
        except Trouble:
            self._troubles += 1
            self._stop()
            raise

    def _ask(self, question: dict[str, Any]) -> Any:
        running = self._running or self._start()
        if not self._lines.empty() and running.poll() is None:
            raise Trouble(f"no question was asked, and it said {self._lines.get()!r:.120}")
        threading.Thread(target=_send, args=(running, question), daemon=True).start()
        try:
            said = self._lines.get(timeout=self._deadline)
        except queue.Empty:
            raise Trouble(f"no answer within {self._deadline:g} s") from None
        if said is None:
            raise Trouble(f"no answer: it ended with status {_status(running)}")
        return _read(said)

    def _start(self) -> subprocess.Popen[bytes]:
        running = subprocess.Popen(  # noqa: S603 -- the user's own command
            self._command, cwd=self._folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        # A queue of its own for each start: what the last one still says answers no question of this one.
        self._lines = queue.Queue()
        threading.Thread(target=_listen, args=(running, self._lines), daemon=True).start()
        self._running = running
        return running

    def _stop(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        running.kill()
        running.wait()
        try:
            if running.stdin is not None:
                running.stdin.close()
        except OSError:
            pass  # It had not read everything.


def _send(running: subprocess.Popen[bytes], question: dict[str, Any]) -> None:
    """Write in a thread: a program that never reads would hold us at the first long question."""
    line = json.dumps(question, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
    try:
        if running.stdin is not None:
            running.stdin.write(line)
            running.stdin.flush()
    except (OSError, ValueError):
        return  # It has ended, or was ended: the listener tells.


def _listen(running: subprocess.Popen[bytes], lines: queue.Queue[bytes | None]) -> None:
    if running.stdout is not None:
        with running.stdout as said:
            while line := said.readline(MAX_LINE + 1):
                lines.put(line)
                if len(line) > MAX_LINE:
                    break
    lines.put(None)


def _read(line: bytes) -> Any:
    if len(line) > MAX_LINE:
        raise Trouble(f"no answer: a line of more than {MAX_LINE} bytes")
    try:
        answer = json.loads(line)
    except ValueError:
        raise Trouble(f"no answer: {line!r:.120} is not JSON") from None
    if not isinstance(answer, dict):
        raise Trouble(f"no answer: {line!r:.120} is not an object")
    return answer


def _status(running: subprocess.Popen[bytes]) -> int | None:
    try:
        return running.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return None
