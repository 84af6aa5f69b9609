"""The suite stands alone: with `conformance/` and `vocab/` and nothing else of this repository, it is built, and runs.

The packages that it needs are those of the environment; the server is not among them, whatever is installed there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.egg-info", "out")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the built package, from a copy of the two folders."""
    home = tmp_path_factory.mktemp("stranger")
    for name in ("conformance", "vocab"):
        shutil.copytree(ROOT / name, home / "source" / name, ignore=NOT_COPIED)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run(
        [*build, "-w", home, home / "source" / "conformance"], check=True, capture_output=True, timeout=120
    )
    [wheel] = home.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(home / "installed")
    return home / "installed"


def alone(installed: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with the built package and what it depends on. `-S`: no link to a checkout is followed."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-S", *words],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**environment, "PYTHONPATH": f"{installed}{os.pathsep}{packages}", "FEDCOOP_LANG": "en"},
    )


def test_the_server_is_not_there(installed: Path, tmp_path: Path):
    done = alone(installed, "-c", "import fedcoop_conformance; import fedcoop.config", cwd=tmp_path)
    assert "No module named 'fedcoop.config'" in done.stderr


def test_the_demo_is_green(installed: Path, tmp_path: Path):
    done = alone(installed, "-m", "fedcoop_conformance", "run", "--demo", "--out", "out", cwd=tmp_path)
    assert done.returncode in {0, 3}, done.stdout + done.stderr
    assert " 0 failed" in done.stdout.splitlines()[-1]
    assert (tmp_path / "out" / "report.html").is_file()


def test_the_demo_with_a_fault_is_red_at_the_right_test(installed: Path, tmp_path: Path):
    done = alone(
        installed, "-m", "fedcoop_conformance", "run", "--demo=no-digest", "-p", "signature", cwd=tmp_path
    )
    assert done.returncode == 1
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED")] == [
        "FC-SIG-004"
    ]


def test_the_vocabulary_travels_inside(installed: Path):
    assert (installed / "fedcoop_conformance" / "data" / "vocab" / "lifecycles.json").is_file()


def test_no_module_of_the_suite_loads_the_server(installed: Path, tmp_path: Path):
    program = (
        "import pkgutil, sys, importlib, fedcoop_conformance as whole\n"
        "for one in pkgutil.walk_packages(whole.__path__, 'fedcoop_conformance.'):\n"
        "    one.name.endswith('__main__') or importlib.import_module(one.name)\n"
        "print(len([name for name in sys.modules if name.startswith('fedcoop_conformance')]),\n"
        "      any(name.startswith('fedcoop.') for name in sys.modules))\n"
    )
    done = alone(installed, "-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    number, server = done.stdout.split()
    assert int(number) > 30
    assert server == "False"
