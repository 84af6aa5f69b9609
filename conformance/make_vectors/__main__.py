"""Writes the vector files, their schemas and the manifest; `--check` says whether they are up to date.

    python conformance/make_vectors            write what has changed
    python conformance/make_vectors --check    write nothing; exit 1 where something would change
    python conformance/make_vectors --agree    ask both implementations, and write who agrees on each file

The rest of the suite is imported for signing and for asking; no expected answer is computed by it.
"""

# ruff: noqa: T201, PLR

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

import agreeing
import cases_json
import cases_keys
import cases_messages
import cases_origin
import cases_proof
import cases_vocab
import schemas
from cases import File, Json, text

_ROOT: Final = Path(__file__).parents[1]
_VECTORS: Final = _ROOT / "vectors"
_MANIFEST: Final = _VECTORS / "MANIFEST.json"
_GENERATED: Final = (
    "jcs",
    "ijson",
    "proof",
    "multikey",
    "ed25519",
    "httpsig",
    "digest",
    "sfv",
    "vocab",
    "origin",
)


def files() -> tuple[File, ...]:
    """Return every vector file, in the order of the manifest."""
    modules = (cases_json, cases_proof, cases_keys, cases_messages, cases_vocab, cases_origin)
    return tuple(file for module in modules for file in module.FILES)


def wanted() -> dict[Path, bytes]:
    """Return what has to be on disk, by path, but for the manifest."""
    found = {_VECTORS / file.path: text(file.written()) for file in files()}
    for kind in schemas.KINDS:
        found[_ROOT / "schemas" / f"vector-{kind}.json"] = text(schemas.schema(kind))
    return found


def manifest(agreed: dict[str, Json]) -> bytes:
    """Return the manifest. `agreed` has, by path, who agrees; a file that changed is agreed on by nobody."""
    entries = []
    for file in files():
        raw = text(file.written())
        digest = hashlib.sha256(raw).hexdigest()
        before = agreed.get(file.path, {})
        by = before.get("agreedBy", []) if before.get("sha256") == digest else []
        entry = {
            "path": file.path,
            "kind": file.kind,
            "sha256": digest,
            "count": len(file.cases),
            "agreedBy": by,
        }
        entries.append(entry)
    return text(
        {"schema": "fedcoop-vectors/1", "count": sum(entry["count"] for entry in entries), "files": entries}
    )


def known() -> dict[str, Json]:
    """Return the entries of the manifest on disk, by path."""
    if not _MANIFEST.exists():
        return {}
    return {entry["path"]: entry for entry in json.loads(_MANIFEST.read_bytes()).get("files", [])}


def _stray() -> Iterator[Path]:
    """Yield vector files on disk that nobody makes."""
    made = set(wanted())
    for folder in _GENERATED:
        yield from (path for path in (_VECTORS / folder).glob("*.json") if path not in made)


def check() -> list[str]:
    """Return what differs between the disk and the cases, one sentence each."""
    need = {**wanted(), _MANIFEST: manifest(known())}
    found = [
        f"{path.relative_to(_ROOT)} is not up to date"
        for path, raw in need.items()
        if not path.exists() or path.read_bytes() != raw
    ]
    return found + [f"{path.relative_to(_ROOT)} is made by no case" for path in _stray()]


def write() -> None:
    """Write what has changed, and take away what nobody makes."""
    for path in _stray():
        path.unlink()
    for path, raw in {**wanted(), _MANIFEST: manifest(known())}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != raw:
            path.write_bytes(raw)


def agree() -> None:
    """Ask each implementation every vector, and write into the manifest who agrees with a whole file."""
    names = {
        "python": f"fedcoop_conformance, Python {platform.python_version()}, cryptography {version('cryptography')}",
        "node": f"adapters/vectors-node, Node.js {agreeing.node_version()}",
    }
    entries = known()
    for path, who in agreeing.agreement(agreeing.node()).items():
        entries[path]["agreedBy"] = [names[name] for name in who]
    _MANIFEST.write_bytes(manifest(entries))


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes the vector files.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 where something would change"
    )
    parser.add_argument("--agree", action="store_true", help="ask both implementations and write who agrees")
    chosen = parser.parse_args()
    if chosen.check:
        found = check()
        print("\n".join(found) or f"{sum(len(file.cases) for file in files())} vectors are up to date")
        return 1 if found else 0
    write()
    if chosen.agree:
        agree()
    return 0


if __name__ == "__main__":
    sys.exit(main())
