"""The documents are true: their commands are run, and their tables are compared with the code."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from fedcoop.cli.instances import free_port
from fedcoop.protocol import limits
from fedcoop.protocol.authorise import LATER, RULES
from fedcoop.protocol.retry import verdict

ROOT: Final = Path(__file__).resolve().parent.parent

TOURS: Final = {"README.md": "## The ten-minute tour", "README.fr.md": "## La visite en dix minutes"}
TERMINALS: Final = {
    "Terminal 1": (1,),
    "Terminal 2": (2,),
    "Both terminals": (1, 2),
    "Les deux terminaux": (1, 2),
}


# -- the tour ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Block:
    """Commands of the tour, and in which terminals they are typed."""

    terminals: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """An address that the tour says can be opened at this point."""

    url: str


def tour_of(readme: str) -> list[Block | Page]:
    """Return what the tour in `readme` asks its reader to do, in order."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    section = text.split(TOURS[readme] + "\n", 1)[1].split("\n## ", 1)[0]
    steps: list[Block | Page] = []
    terminals: tuple[int, ...] = ()
    for number, piece in enumerate(re.split(r"^```(?:sh)?\n", section, flags=re.M)):
        if number % 2:
            assert terminals, f"no terminal is named before:\n{piece}"
            steps.append(Block(terminals, piece))
            continue
        for match in re.finditer(r"^\*\*([^*]+)\*\*|<(http://127\.0\.0\.1:[^>]+)>", piece, re.M):
            if match[2]:
                steps.append(Page(match[2]))
            elif match[1] in TERMINALS:
                terminals = TERMINALS[match[1]]
    return steps


class Terminal:
    """A shell that types what it is given and complains when a command fails."""

    def __init__(self, home: Path, name: str) -> None:
        self._home, self._name, self._count = home, name, 0
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=ROOT,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith(("FEDCOOP_", "LC_", "LANG"))},
                "HOME": str(home),
                "PYTHONWARNINGS": "",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        # A reader would see that a command went wrong; the shell says so here.
        self._type("set -E -o pipefail; trap 'echo \"WENT WRONG: $BASH_COMMAND\" >&2' ERR")

    def type(self, commands: str) -> str:
        """Run the commands in this shell and return all that they printed. Fails when one of them fails."""
        self._count += 1
        typed = self._home / f"{self._name}-{self._count}.sh"
        printed = typed.with_suffix(".txt")
        typed.write_text(commands, encoding="utf-8")
        self._type(f". {typed} > {printed} 2>&1; echo done")
        assert self._shell.stdout is not None
        answer = self._shell.stdout.readline()
        text = printed.read_text(encoding="utf-8", errors="replace")
        assert answer == "done\n", text
        assert "WENT WRONG" not in text, f"{commands}\n{text}"
        return text

    def close(self) -> None:
        """End the shell and whatever it left running."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._shell.pid, sign)
                self._shell.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        for stream in (self._shell.stdin, self._shell.stdout):
            if stream is not None:
                stream.close()

    def _type(self, line: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(line + "\n")
        self._shell.stdin.flush()


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[dict[int, Terminal]]:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("the tour is typed into bash and uses curl")
    two = {number: Terminal(tmp_path, f"terminal-{number}") for number in (1, 2)}
    yield two
    for terminal in two.values():
        terminal.close()


def opened(url: str) -> str:
    asked = urllib.request.Request(url, headers={"Accept": "text/html,*/*;q=0.8"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("text/html")
        return str(answer.read().decode())


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("readme", TOURS)
def test_the_tour_can_be_walked(readme: str, terminals: dict[int, Terminal]):
    ports = {"8101": str(free_port()), "8102": str(free_port())}
    # The server is that of the interpreter which runs the tests, wherever its environment is.
    places = {**ports, "$PWD/.venv/bin": str(Path(sys.executable).parent)}

    def here(text: str) -> str:
        return re.sub("|".join(map(re.escape, places)), lambda match: places[match[0]], text)

    printed, pages = {1: "", 2: ""}, {}
    for step in tour_of(readme):
        if isinstance(step, Page):
            pages[step.url] = opened(here(step.url))
            continue
        for number in step.terminals:
            printed[number] += terminals[number].type(here(step.text))
    french = readme == "README.fr.md"
    assert "\nsettled\n" in printed[1]
    assert "\nsettled\n" in printed[2]
    verified, refused = (
        ("VÉRIFIÉ, complet", "LA VÉRIFICATION ÉCHOUE") if french else ("VERIFIED, complete",) * 2
    )
    refused = refused if french else "VERIFICATION FAILED"
    assert printed[1].index(verified) < printed[1].index(refused) < printed[1].rindex(" 1\n")
    for url, page in pages.items():
        language = url.rpartition("lang=")[2]
        assert f'<html lang="{language}"' in page, url
        if "/missions" in url:
            assert {"fr": "Carte des livraisons", "en": "A map of our deliveries"}[language] in page
    assert {url.rpartition("lang=")[2] for url in pages} == {"fr", "en"}


def test_both_tours_type_the_same_commands():
    english, french = ([b for b in tour_of(r) if isinstance(b, Block)] for r in TOURS)
    spoken = [Block(b.terminals, b.text.replace(" FEDCOOP_LANG=fr", "")) for b in french]
    assert [b.terminals for b in spoken] == [b.terminals for b in english]
    assert [_without_words(b.text) for b in spoken] == [_without_words(b.text) for b in english]


def _without_words(commands: str) -> str:
    return re.sub(r'echo "[^"]*"', 'echo "…"', commands)


# -- the reference pages -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    found = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "page", ["cli.md", "cli.fr.md", "settings.md", "limits.md", "peers.md", "protocol.md", "../FEDERATION.md"]
)
def test_a_reference_page_says_what_the_program_says(page: str, generate: ModuleType):
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == generate.generated(page)


def test_every_reference_page_is_compared(generate: ModuleType):
    assert sorted(generate.PAGES) == [
        "../FEDERATION.md",
        "cli.fr.md",
        "cli.md",
        "limits.md",
        "peers.md",
        "protocol.md",
        "settings.md",
    ]


def test_every_command_and_option_is_in_the_pages(generate: ModuleType):
    for page in ("cli.md", "cli.fr.md"):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        assert re.findall(r"^## (fedcoop.*)$", text, re.M) == [
            " ".join(("fedcoop", *words)) for words in generate.commands()
        ]


def test_a_limit_that_nobody_holds_is_explained_and_no_other(generate: ModuleType):
    names = [name for name, _ in generate.reasons() if name]
    assert {name for name in names if not generate.holders(name)} == set(generate.WITHOUT_A_CHECK)
    assert all(reason for name, reason in generate.reasons() if name)


def test_every_address_is_documented_and_no_other(generate: ModuleType):
    text = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    told = [tuple(pair.split(" ", 1)) for cell in cells for pair in re.findall(r"`([A-Z]+ /[^`]*)`", cell)]
    assert sorted(told) == sorted(generate.routes())


def test_every_parameter_of_the_board_is_documented():
    source = (ROOT / "fedcoop" / "web" / "search.py").read_text(encoding="utf-8")
    read = set(re.findall(r'(?:given\.get|parameters\.getall)\("(\w+)"', source))
    paragraph = (ROOT / "docs" / "http.md").read_text(encoding="utf-8").split("Parameters of the board")[1]
    assert read == set(re.findall(r"`(\w+)`\s\(", paragraph.split("\n\n")[0]))


# -- the page for peers ---------------------------------------------------------------------------------------


def federation(heading: str) -> str:
    text = (ROOT / "FEDERATION.md").read_text(encoding="utf-8")
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def test_the_activities_of_later_releases_are_listed_for_peers():
    first = federation("Not implemented").strip().split(", and the")[0]
    assert re.findall(r"`([A-Z][a-z]+)`", first) == sorted(LATER)


def test_the_activities_of_this_release_are_listed_for_peers():
    rows = [
        line.split("|")[1] for line in federation("Activities and objects").splitlines() if line[:3] == "| `"
    ]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(RULES)


def test_peers_are_told_which_answers_end_a_delivery():
    paragraph = " ".join(federation("Answers").split())
    told = paragraph.split("A peer's answer ends a delivery: ")[1].split(". ")[0]
    assert told == "2xx, 501 and every 4xx except 401, 408, 425, 429 and 403 `not-in-allow-list`"
    ending = {status for status in range(200, 600) if verdict(status, None) in ("delivered", "refused")}
    assert ending == {*range(200, 300), *range(400, 500), 501} - {401, 408, 425, 429}
    assert verdict(403, "not-in-allow-list") == "park"


def test_peers_are_told_when_a_delivery_is_tried_again():
    paragraph = " ".join(federation("Answers").split())
    steps = ", ".join(
        f"{step / unit:g} {name}"
        for step in limits.DELIVERY_STEPS[:-1]
        for unit, name in [next(u for u in UNITS if step >= u[0])]
    )
    assert limits.DELIVERY_STEPS[-1] == timedelta(days=1)
    assert f"after {steps}, then daily (each up to {limits.DELIVERY_JITTER:.0%} sooner or later)" in paragraph
    days, erasure = limits.DELIVERY_HORIZON.days, limits.ERASURE_HORIZON.days
    told = f"at most {limits.DELIVERY_MAX_TRIES} times in {days} days; Delete and Undo for {erasure} days"
    assert told in paragraph


UNITS: Final = ((timedelta(hours=1), "h"), (timedelta(minutes=1), "min"), (timedelta(seconds=1), "s"))


# -- links ---------------------------------------------------------------------------------------------------


def pages() -> list[Path]:
    listed = (
        subprocess.run(
            ["git", "ls-files", "-z", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True
        )
        if (ROOT / ".git").exists()
        else None
    )
    names = (
        listed.stdout.split("\0") if listed else [str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")]
    )
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_between_pages_leads_somewhere():
    broken = []
    for page in pages():
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in target or target.startswith("mailto:"):
                continue
            name, _, anchor = target.partition("#")
            found = (page.parent / name).resolve() if name else page
            if not found.exists() or (anchor and anchor not in anchors(found)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []
