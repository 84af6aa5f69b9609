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

import build_diagrams
import build_model
import build_pages
import build_schemas

Json = dict[str, Any]

HERE = Path(__file__).resolve().parent

# These folders hold nothing but what is generated.
GENERATED_FOLDERS = ("schemas", "terms", "diagrams")


def load(vocab: Path) -> Json:
    """The data files, by name."""
    names = ("classes", "properties", "codes", "lifecycles", "guards", "authorisation", "privacy", "problems")
    data = {name: json.loads((vocab / f"{name}.json").read_text(encoding="utf-8")) for name in names}
    data["lifecycles"].pop("$comment", None)
    return data


def as_json(value: Any) -> str:
    """JSON as every generated file has it."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def example_of(vocab: Path, name: str) -> Json | None:
    """The example that a term's page shows: the shortest valid one of the class."""
    found = [path for path in (vocab / "examples" / name).glob("*.json") if not path.stem.endswith("_fail")]
    texts = sorted((path.read_text(encoding="utf-8") for path in found), key=lambda text: (len(text), text))
    return dict(json.loads(texts[0])) if texts else None


def generated(vocab: Path, repository: Path) -> dict[Path, str]:
    """Every generated file and its text."""
    data = load(vocab)
    defs, by_class = build_schemas.build(
        data["classes"],
        data["properties"]["properties"],
        data["codes"]["lists"],
        data["authorisation"]["activities"],
    )
    contained = {name: build_schemas.self_contained(by_class[name], defs) for name in sorted(by_class)}
    files = {repository / "fedcoop" / "protocol" / "model.py": build_model.source(data, contained)}
    folder = vocab / "schemas"
    files[folder / build_schemas.COMMON] = as_json({"$schema": build_schemas.DIALECT, "$defs": defs})
    for name, schema in by_class.items():
        files[folder / f"{name}.schema.json"] = as_json(build_schemas.as_file(schema))
    for name, lifecycle in data["lifecycles"].items():
        codes = data["codes"]["lists"][lifecycle["codeList"]]["codes"]
        files[vocab / "diagrams" / f"{name}.svg"] = build_diagrams.draw(name, lifecycle, codes)
    examples = {name: found for name in data["classes"]["classes"] if (found := example_of(vocab, name))}
    for language in ("fr", "en"):
        pages = build_pages.Pages(data, examples, language)
        files |= {vocab / "terms" / language / path: html for path, html in pages.all().items()}
    return files


def check(vocab: Path, repository: Path) -> list[str]:
    """Every disagreement, as a sentence."""
    import build_check  # needs what writing does not

    found = list(build_check.everything(vocab, load(vocab)))
    if not found:
        folders = [vocab / name for name in GENERATED_FOLDERS]
        found += build_check.files(generated(vocab, repository), folders, repository)
    return found


def main() -> int:
    """Write the generated files, or check. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail on any disagreement")
    parser.add_argument(
        "--repository", type=Path, default=HERE.parent, help="the folder of vocab/ and fedcoop/"
    )
    options = parser.parse_args()
    repository = options.repository.resolve()
    vocab = repository / "vocab"
    if options.check:
        found = check(vocab, repository)
        for sentence in found:
            print(sentence)
        print(f"{len(found)} disagreements" if found else "the vocabulary agrees with itself")
        return 1 if found else 0
    files = generated(vocab, repository)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for name in GENERATED_FOLDERS:
        for path in (vocab / name).rglob("*"):
            if path.is_file() and path not in files:
                path.unlink()
    print(f"{len(files)} files are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
