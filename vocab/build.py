"""Make what is made from the vocabulary, or check that everything in it agrees.

    python vocab/build.py            write the server's model, the schemas, the term pages and the diagrams
    python vocab/build.py --check    write nothing; exit 1 and name every disagreement

Writing needs the standard library only; `--check` also needs `jsonschema` and `pyld`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import build_model
import build_schemas

Json = dict[str, Any]

HERE = Path(__file__).resolve().parent


def load(vocab: Path) -> Json:
    """The data files, by name."""
    names = ("classes", "properties", "codes", "lifecycles", "guards", "authorisation", "privacy", "problems")
    data = {name: json.loads((vocab / f"{name}.json").read_text(encoding="utf-8")) for name in names}
    data["lifecycles"].pop("$comment", None)
    return data


def as_json(value: Any) -> str:
    """JSON as every generated file has it."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def generated(vocab: Path, repository: Path) -> dict[Path, str]:
    """Every generated file and its text."""
    data = load(vocab)
    defs, by_class = build_schemas.build(
        data["classes"],
        data["properties"]["properties"],
        data["codes"]["lists"],
        data["authorisation"]["activities"],
    )
    contained = {
        name: build_schemas.self_contained(schema, defs) for name, schema in sorted(by_class.items())
    }
    files = {repository / "fedcoop" / "protocol" / "model.py": build_model.source(data, contained)}
    folder = vocab / "schemas"
    files[folder / build_schemas.COMMON] = as_json({"$schema": build_schemas.DIALECT, "$defs": defs})
    for name, schema in by_class.items():
        files[folder / f"{name}.schema.json"] = as_json(build_schemas.as_file(schema))
    return files


def main() -> int:
    """Write the generated files, or check. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail on any disagreement")
    parser.add_argument("--vocab", type=Path, default=HERE, help="the vocabulary's folder")
    parser.add_argument("--repository", type=Path, default=HERE.parent, help="the folder that holds fedcoop/")
    options = parser.parse_args()
    files = generated(options.vocab, options.repository)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(files)} files written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
