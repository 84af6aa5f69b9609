"""The vector files as they lie on disk or in the wheel, and a copy of them for anybody's own tests."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from fedcoop_conformance import data

MANIFEST: Final = "MANIFEST.json"


@dataclass(frozen=True)
class Vector:
    """One question and what is expected of the answer. Only `kind` and `input` are ever sent."""

    id: str
    rev: int
    test: str
    kind: str
    input: Mapping[str, Any]
    result: str
    reason: str | None = None
    also: tuple[str, ...] = ()
    output: Mapping[str, Any] | None = None
    twin: str | None = None
    comment: str = ""
    file: str = ""

    @property
    def question(self) -> dict[str, Any]:
        """What an implementation is asked."""
        return {"op": "vector", "kind": self.kind, "input": self.input}


class Corrupt(ValueError):
    """The vector files are not those that the manifest names."""


@cache
def manifest() -> Mapping[str, Any]:
    """Return the manifest: for each file its digest, its count and who agrees on it."""
    read: Mapping[str, Any] = json.loads((data.folder("vectors") / MANIFEST).read_bytes())
    return read


@cache
def load() -> tuple[Vector, ...]:
    """Return every vector, in the order of the manifest.

    Raises:
        Corrupt: a file is not what the manifest says, in bytes or in number.
    """
    return tuple(vector for entry in manifest()["files"] for vector in _read(entry))


def tests() -> tuple[str, ...]:
    """Return the ids of the catalogue's tests that the vectors are for, in order."""
    return tuple(sorted({vector.test for vector in load()}))


def export(out_dir: Path) -> list[Path]:
    """Copy the vectors, their schemas and the vocabulary's schemas to `out_dir`; return what was written.

    Raises:
        Corrupt: what is to be copied is not whole.
        FileExistsError: `out_dir` has something in it.
    """
    load()
    if out_dir.exists() and any(out_dir.iterdir()):
        raise FileExistsError(f"{out_dir} is not empty")
    root = data.folder("vectors")
    copies = {root / name: out_dir / "vectors" / name for name in _names()}
    for schema in sorted(data.folder("schemas").glob("vector-*.json")):
        copies[schema] = out_dir / "schemas" / schema.name
    for schema in sorted((data.folder("vocab") / "schemas").glob("*.json")):
        copies[schema] = out_dir / "vocab" / "schemas" / schema.name
    for source, target in copies.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return list(copies.values())


def _names() -> Iterator[str]:
    yield MANIFEST
    if (data.folder("vectors") / "README.md").exists():
        yield "README.md"
    yield from (entry["path"] for entry in manifest()["files"])


def _read(entry: Mapping[str, Any]) -> Iterator[Vector]:
    raw = (data.folder("vectors") / entry["path"]).read_bytes()
    if hashlib.sha256(raw).hexdigest() != entry["sha256"]:
        raise Corrupt(f"{entry['path']} is not the file that the manifest names")
    file = json.loads(raw)
    if not len(file["tests"]) == file["numberOfTests"] == entry["count"]:
        raise Corrupt(f"{entry['path']} has {len(file['tests'])} vectors, not {entry['count']}")
    for test in file["tests"]:
        yield Vector(
            id=test["id"],
            rev=test["rev"],
            test=test["test"],
            kind=file["kind"],
            input=test["input"],
            result=test["result"],
            reason=test.get("reason"),
            also=tuple(test.get("alsoReasons", ())),
            output=test.get("output"),
            twin=test.get("twin"),
            comment=test["comment"],
            file=entry["path"],
        )
