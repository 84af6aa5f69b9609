"""The rules of the house that no other tool can hold: where things may be, and what may be said of them."""

from __future__ import annotations

import ast
import doctest
import importlib
import io
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
SERVER: Final = ROOT / "fedcoop"
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

WITHOUT_A_TEST_OF_ITS_OWN: Final = {
    "fedcoop/__main__.py": "one line; the tests of the command line run it",
    "fedcoop/errors.py": "names only; tests/web/test_errors.py walks the tree",
    "fedcoop/flow/brought.py": "the receiving half of relays; tests/flow/test_relays.py",
    "fedcoop/flow/taking_in.py": "the second half of what arrives; tests/flow/test_inbound.py",
    "fedcoop/ports.py": "protocols and records; every implementation's tests are its tests",
    "fedcoop/protocol/messages.py": "records only; mypy and the stages' own tests hold them",
    "fedcoop/protocol/model.py": "generated; tests/vocab compares it with its sources",
    "fedcoop/web/locale/update.py": "a script; tests/web/test_pages_text.py runs it",
    "fedcoop/web/services.py": "records and one protocol",
}
TEST_OF_NO_SINGLE_MODULE: Final = {
    "tests/flow/test_forwarding.py": "three co-ops, of which one brings what another says; the units are in protocol",
    "tests/flow/test_history.py": "a whole story's history, every value of it changed once; the units are in protocol",
    "tests/flow/test_story.py": "the main job, from publication to settlement",
    "tests/store/test_contract.py": "one suite for every store",
}
FORBIDDEN_NAMES: Final = {
    "common", "core", "helper", "helpers", "manager", "managers", "misc", "models", "stuff", "tools",
    "util", "utils",
}  # fmt: skip


# -- what there is -------------------------------------------------------------------------------------------


def tracked() -> list[str]:
    """Return the repository's files by path from its root; in an unpacked archive, every file there is."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
        )
        return sorted(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())
    made = {".venv", ".setup", "build", "dist", "node_modules", "__pycache__", "var"}
    caches = {".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache"}
    return sorted(
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*")
        if path.is_file() and not (made | caches) & set(path.relative_to(ROOT).parts)
    )


def modules() -> list[Path]:
    return sorted(SERVER.rglob("*.py"))


def dotted(module: Path) -> str:
    name = ".".join(module.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def tree_of(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"), filename=str(module))


def imports_of(module: Path) -> set[str]:
    """Return every module named in an import statement, wherever in the file it stands."""
    found: set[str] = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def calls_in(module: Path) -> set[str]:
    """Return the last part of every name that is called: `Claimed` for `messages.Claimed(...)`."""
    called = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                called.add(node.func.id)
            elif isinstance(node.func, ast.Attribute):
                called.add(node.func.attr)
    return called


# -- walls ---------------------------------------------------------------------------------------------------


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the import contracts in `folder` (import-linter reads pyproject.toml of the working directory)."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def test_the_walls_stand():
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("room", "line", "contract"),
    [
        ("protocol", "import time", "The protocol does no I/O"),
        ("protocol", "import fedcoop.ports", "Rooms are stacked"),
        ("protocol", "import httpsig", "Only fedcoop.protocol.cavage knows httpsig"),
        (
            "protocol",
            "import http_message_signatures",
            "Only fedcoop.protocol.messagesig knows http_message_signatures",
        ),
        ("flow", "import fedcoop.store", "Rooms are stacked"),
        ("flow", "import aiohttp", "Only web, app, net and cli know aiohttp"),
        ("web", "import fedcoop.net", "The web reaches the world only through the flows"),
        ("web", "import sqlalchemy", "Only the store speaks SQL"),
        ("net", "import fedcoop_conformance", "The server has never met its conformance suite"),
        ("utils", "", "Rooms are stacked"),
    ],
)
def test_a_deliberate_violation_is_caught(tmp_path: Path, room: str, line: str, contract: str):
    shutil.copytree(SERVER, tmp_path / "fedcoop", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert lint_imports(tmp_path).returncode == 0
    (tmp_path / "fedcoop" / room).mkdir(exist_ok=True)
    (tmp_path / "fedcoop" / room / "__init__.py").touch()
    (tmp_path / "fedcoop" / room / "sabotage.py").write_text(line + "\n", encoding="utf-8")
    result = lint_imports(tmp_path)
    assert result.returncode == 1, result.stdout
    broken = [line for line in result.stdout.splitlines() if " BROKEN" in line]
    assert [line for line in broken if line.startswith(contract)], result.stdout


def server_imports(folder: Path) -> list[str]:
    """Return the files under `folder` that import the server."""
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*.py"))
        if any(name == "fedcoop" or name.startswith("fedcoop.") for name in imports_of(path))
    ]


@pytest.mark.parametrize("folder", ["conformance", "vocab"])
def test_neither_the_suite_nor_the_vocabulary_imports_the_server(folder: str):
    assert server_imports(ROOT / folder) == []


def test_a_suite_that_imports_the_server_is_caught(tmp_path: Path):
    suite = tmp_path / "src" / "fedcoop_conformance"
    suite.mkdir(parents=True)
    (suite / "innocent.py").write_text("import fedcoop_conformance.peer\n", encoding="utf-8")
    (suite / "crypto.py").write_text(
        "def sign():\n    from fedcoop.protocol import proof\n", encoding="utf-8"
    )
    assert server_imports(tmp_path) == ["src/fedcoop_conformance/crypto.py"]


def test_only_net_and_the_command_line_open_client_connections():
    outside = [m for m in modules() if m.relative_to(SERVER).parts[0] not in {"net", "cli"}]
    assert [dotted(m) for m in outside if "ClientSession" in calls_in(m)] == []
    assert [dotted(m) for m in outside if "http.client" in imports_of(m)] == []
    others = {"urllib.request", "requests", "httpx", "urllib3"}
    assert [dotted(m) for m in modules() if imports_of(m) & others] == []


# Each module in a process of its own, forked from one that has paid for the big dependencies once.
IMPORT_EACH_ALONE: Final = """
import importlib, os, sys, traceback
for heavy in ("aiohttp.web", "alembic.command", "babel", "cryptography.x509", "jinja2", "jsonschema_rs",
              "rich.console", "sqlalchemy.ext.asyncio", "structlog", "typer"):
    importlib.import_module(heavy)
failed = []
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(name)
sys.exit(f"cannot be imported alone: {failed}" if failed else 0)
"""


def test_every_module_imports_alone():
    names = [dotted(m) for m in modules() if m.name != "__main__.py" and "migrations" not in m.parts]
    command = [sys.executable, "-c", IMPORT_EACH_ALONE, *names]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_examples_in_docstrings_are_true():
    told = [m for m in modules() if ">>> " in m.read_text(encoding="utf-8")]
    results = {dotted(m): doctest.testmod(importlib.import_module(dotted(m))) for m in told}
    assert {name: result for name, result in results.items() if result.failed or not result.attempted} == {}


# -- stages and checks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["Claimed", "Verified", "Authorised"])
def test_each_stage_of_trust_is_made_in_exactly_one_module(stage: str):
    makers = [dotted(m) for m in modules() if stage in calls_in(m)]
    assert len(makers) == 1, makers
    assert makers[0].startswith("fedcoop.protocol.")


def numbered_comments(source: str) -> Iterator[tuple[int, int]]:
    """Yield (line, n) for every comment that begins with `(n)`."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and (match := re.match(r"#\s*\((\d+)\)", token.string)):
            yield token.start[0], int(match[1])


def runs_from_one(numbers: list[int]) -> bool:
    return numbers == list(range(1, len(numbers) + 1))


def misnumbered(source: str) -> list[str]:
    """Return the functions of `source` whose numbered checks do not run 1, 2, 3 …

    A list of checks may also be told over several functions; then it runs from one through the whole module.
    """
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    numbers: dict[tuple[int, str], list[int]] = {}
    for line, number in numbered_comments(source):
        around = [f for f in functions if f.lineno <= line <= (f.end_lineno or line)]
        where = max(((f.lineno, f.name) for f in around), default=(0, "the module"))
        numbers.setdefault(where, []).append(number)
    if runs_from_one([number for _, number in numbered_comments(source)]):
        return []
    return [name for (_, name), found in numbers.items() if not runs_from_one(found)]


def test_numbered_checks_run_from_one_without_a_gap():
    wrong = {dotted(m): misnumbered(m.read_text(encoding="utf-8")) for m in modules()}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_a_check_that_was_taken_out_leaves_a_gap_that_is_seen():
    whole = "def verify():\n    # (1) fresh\n    # (2) digest\n    # (3) signature\n    pass\n"
    assert misnumbered(whole) == []
    assert misnumbered(whole + whole.replace("verify", "fetch")) == []
    assert misnumbered(whole + whole) == [], "two of one name, each inside another, say"
    assert misnumbered(whole.replace("    # (2) digest\n", "")) == ["verify"]


# -- names and places ----------------------------------------------------------------------------------------


def test_no_room_or_module_is_a_drawer():
    parts = {part for m in modules() for part in m.relative_to(SERVER).with_suffix("").parts}
    assert parts & FORBIDDEN_NAMES == set()


def mirror(module: str) -> str:
    """Return where the tests of `module` live: tests/x/test_y.py for fedcoop/x/y.py."""
    path = Path(module).relative_to("fedcoop")
    return str(Path("tests") / path.parent / f"test_{path.name}")


def modules_with_tests() -> list[str]:
    return [
        str(m.relative_to(ROOT)) for m in modules() if m.name != "__init__.py" and "migrations" not in m.parts
    ]


def test_every_module_has_its_tests_where_they_are_looked_for():
    without = [
        m
        for m in modules_with_tests()
        if m not in WITHOUT_A_TEST_OF_ITS_OWN and not (ROOT / mirror(m)).is_file()
    ]
    assert without == []


def test_every_test_of_a_room_mirrors_a_module():
    rooms = {m.parent.relative_to(SERVER) for m in modules()} - {Path(".")}
    expected = {mirror(m) for m in modules_with_tests()} | set(TEST_OF_NO_SINGLE_MODULE)
    found = {str(t.relative_to(ROOT)) for room in rooms for t in (ROOT / "tests" / room).glob("test_*.py")}
    assert sorted(found - expected) == []


def test_every_named_exception_is_still_one():
    needless = [
        m for m in WITHOUT_A_TEST_OF_ITS_OWN if (ROOT / mirror(m)).is_file() or not (ROOT / m).is_file()
    ]
    gone = [t for t in TEST_OF_NO_SINGLE_MODULE if not (ROOT / t).is_file()]
    assert needless + gone == []


MAPS: Final = {"README.md": "## Where things live", "README.fr.md": "## Où se trouve quoi"}


def map_in(readme: str) -> list[str]:
    """Return the entries of the map in `readme`, in order, rooms with their `fedcoop/` before them."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    block = text.split(MAPS[readme], 1)[1].split("```", 2)[1]
    entries: list[str] = []
    for line in block.splitlines()[1:]:
        match = re.fullmatch(r"(  )?(\S+) {2,}\S.*", line)
        assert match, f"not an entry with its description: {line!r}"
        entries.append(("fedcoop/" if match[1] else "") + match[2])
    return entries


@pytest.mark.parametrize("readme", MAPS)
def test_the_map_in_the_readme_is_the_tree(readme: str):
    files = [Path(name) for name in tracked()]
    folders = {f"{f.parts[0]}/" for f in files if len(f.parts) > 1}
    inside = [f.relative_to("fedcoop").parts for f in files if f.parts[0] == "fedcoop"]
    rooms = {f"fedcoop/{p[0]}/" if len(p) > 1 else f"fedcoop/{p[0]}" for p in inside}
    rooms -= {"fedcoop/__init__.py", "fedcoop/__main__.py", "fedcoop/py.typed"}
    assert sorted(map_in(readme)) == sorted(folders | rooms)


@pytest.mark.parametrize("readme", MAPS)
def test_the_map_lists_the_rooms_from_the_front_door_down(readme: str):
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    depth = {name.strip(): i for i, layer in enumerate(layers) for name in layer.split("|")}
    rooms = [entry.removeprefix("fedcoop/").removesuffix("/").removesuffix(".py") for entry in map_in(readme)]
    depths = [depth[room] for room in rooms if room in depth]
    assert depths == sorted(depths)


def test_every_decision_record_is_in_the_index():
    folder = ROOT / "docs" / "adr"
    records = {path.name for path in folder.glob("[0-9]*.md")}
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(records)
    assert [name[:4] for name in sorted(records)] == [f"{n:04d}" for n in range(1, len(records) + 1)]


# -- dependencies and traces ---------------------------------------------------------------------------------


def pins(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==([^ \\;]+)", text, re.M))


def test_the_package_asks_for_what_the_requirement_file_pins():
    lines = (ROOT / "requirements" / "core.in").read_text(encoding="utf-8").splitlines()
    asked = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    assert sorted(PROJECT["project"]["dependencies"]) == sorted(asked)


def test_what_runs_is_what_was_tested():
    tested = pins("dev.txt")
    for name in ("core.txt", "build.txt"):
        assert {package: tested.get(package) for package in pins(name)} == pins(name)


@pytest.mark.parametrize("name", ["build.txt", "core.txt", "dev.txt", "node.txt", "pasture.txt"])
def test_every_pin_has_a_hash_and_no_address(name: str):
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    requirements = re.split(r"\n(?=[\w.-]+(?:\[[^\]]*\])?==)", text)
    assert [r.split()[0] for r in requirements if "--hash=sha256:" not in r] == []
    assert "://" not in text
    assert "index-url" not in text


# Written in two halves, or this file would find itself.
TRACES: Final = {
    "an address of a package registry": r"pypi\."
    r"org/simple|files\.python"
    r"hosted|registry\.npm"
    r"js|"
    r"--(extra-)?index"
    r"-url[= ]+\S*:/"
    r"/",
    "a path of somebody's machine": r"(?<![\w.:/~*-])/(root|home|work|Users)" r"/[\w.-]+",
}


@pytest.mark.parametrize("what", TRACES)
def test_no_tracked_file_holds(what: str):
    found = []
    for name in tracked():
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name}: {match[0]}" for match in re.finditer(TRACES[what], text)]
    assert found == []
