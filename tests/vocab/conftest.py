"""The vocabulary's build, imported from where it lies, and a copy of the vocabulary to spoil."""

from __future__ import annotations

import copy
import importlib
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
VOCAB: Final = ROOT / "vocab"


def part_of_the_build(name: str) -> ModuleType:
    """Import `vocab/<name>.py`, as `python vocab/build.py` does."""
    if str(VOCAB) not in sys.path:
        sys.path.append(str(VOCAB))
    return importlib.import_module(name)


build: Final = part_of_the_build("build")
_DATA: Final = build.load(VOCAB)


@pytest.fixture
def data() -> Any:
    """The data of the vocabulary, to spoil."""
    return copy.deepcopy(_DATA)


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """A copy of the whole repository's vocabulary and model; returns the folder that holds `vocab/`."""
    shutil.copytree(VOCAB, tmp_path / "vocab", ignore=shutil.ignore_patterns("__pycache__", "communes.json"))
    (tmp_path / "fedcoop" / "protocol").mkdir(parents=True)
    shutil.copy(ROOT / "fedcoop" / "protocol" / "model.py", tmp_path / "fedcoop" / "protocol")
    return tmp_path
