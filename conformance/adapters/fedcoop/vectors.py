"""Answers the static vectors by fedcoop's own code: runs the checkout's program by the Python that fedcoop has.

It imports nothing of fedcoop itself, as nothing here does. `FEDCOOP` names the program as in adapter.py.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

FEDCOOP = shlex.split(os.environ.get("FEDCOOP", "fedcoop"))
ANSWERS = Path(__file__).resolve().parents[3] / "tests" / "e2e" / "answer_vectors.py"


def python() -> Path:
    """Return the interpreter of fedcoop: the one named, or beside the script, or beside what the script links to."""
    found = shutil.which(FEDCOOP[0])
    if found is None:
        sys.exit(f"{FEDCOOP[0]} is not on the path; FEDCOOP names the program of fedcoop")
    named = Path(found)
    if named.name.startswith("python"):
        return named
    beside = [named.with_name("python"), named.resolve().with_name("python")]
    there = next((one for one in beside if one.is_file()), None)
    if there is None:
        sys.exit(f"there is no python beside {found}; FEDCOOP may name one, as in `python -m fedcoop`")
    return there


if __name__ == "__main__":
    program = python()
    os.execv(program, [str(program), str(ANSWERS)])  # noqa: S606 -- the program that the user named
