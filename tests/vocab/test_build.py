"""`vocab/build.py`: what it writes is what lies there, and its check passes."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.vocab.conftest import ROOT, VOCAB, build


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(VOCAB / "build.py"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_the_vocabulary_agrees_with_itself():
    result = run("--check")
    assert (result.returncode, result.stdout) == (0, "the vocabulary agrees with itself\n")


def test_building_changes_nothing_that_is_committed(spoilt: Path):
    before = {path: path.read_bytes() for path in spoilt.rglob("*") if path.is_file()}
    result = run("--repository", str(spoilt))
    assert result.returncode == 0
    assert {path: path.read_bytes() for path in spoilt.rglob("*") if path.is_file()} == before


def test_building_twice_gives_the_same_bytes():
    assert build.generated(VOCAB, ROOT) == build.generated(VOCAB, ROOT)


def test_check_fails_and_names_what_is_out_of_date_and_build_mends_it(spoilt: Path):
    model = spoilt / "fedcoop" / "protocol" / "model.py"
    model.write_text(model.read_text(encoding="utf-8").replace("publiée", "publié"), encoding="utf-8")
    (spoilt / "vocab" / "schemas" / "Mission.schema.json").unlink()
    (spoilt / "vocab" / "terms" / "fr" / "stray.html").touch()
    result = run("--check", "--repository", str(spoilt))
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        "fedcoop/protocol/model.py is out of date: run `python vocab/build.py`",
        "vocab/schemas/Mission.schema.json is missing: run `python vocab/build.py`",
        "vocab/terms/fr/stray.html is generated from nothing",
        "3 disagreements",
    ]
    assert run("--repository", str(spoilt)).returncode == 0
    assert run("--check", "--repository", str(spoilt)).returncode == 0


def test_writing_needs_the_standard_library_only():
    for name in ("build", "build_model", "build_schemas", "build_pages", "build_diagrams"):
        tree = ast.parse((VOCAB / f"{name}.py").read_text(encoding="utf-8"))
        at_the_top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {
            alias.name if isinstance(node, ast.Import) else node.module or ""
            for node in at_the_top
            for alias in node.names
        }
        ours = {part for part in names if part.startswith("build_")}
        assert {part.partition(".")[0] for part in names - ours} <= set(sys.stdlib_module_names), name


def test_the_generated_model_is_formatted_and_linted():
    for command in (["format", "--check"], ["check"]):
        ruff = [str(Path(sys.executable).parent / "ruff"), *command, "fedcoop/protocol/model.py"]
        result = subprocess.run(ruff, cwd=ROOT, check=False, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout


def test_every_term_has_a_page_in_french_and_in_english():
    loaded = build.load(VOCAB)
    terms = {f"classes/{name}" for name in loaded["classes"]["classes"]}
    terms |= {f"properties/{name}" for name in loaded["properties"]["properties"]}
    terms |= {f"codes/{name}" for name in loaded["codes"]["lists"]}
    for language in ("fr", "en"):
        folder = VOCAB / "terms" / language
        pages = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.glob("*/*.html")}
        assert terms <= pages


def test_a_page_says_who_may_send_what_in_its_own_language():
    assert "propriétaire" in (VOCAB / "terms" / "fr" / "classes" / "Mission.html").read_text("utf-8")
    english = (VOCAB / "terms" / "en" / "classes" / "Mission.html").read_text("utf-8")
    assert "owner" in english
    assert "propriétaire" not in english
