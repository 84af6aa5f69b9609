"""What a run shows: progress on a terminal, plain lines elsewhere, and the same last lines for both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Protocol

from rich.console import Console as Screen
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from fedcoop_conformance.report import redact
from fedcoop_conformance.report.facts import Facts
from fedcoop_conformance.report.markdown import last_line
from fedcoop_conformance.report.model import Result
from fedcoop_conformance.report.ndjson import Named, Told
from fedcoop_conformance.report.words import VERDICTS, label
from fedcoop_conformance.speech import say
from fedcoop_conformance.transcript import file_name
from fedcoop_conformance.verdict import Claim

STYLES: Final[Mapping[str, str]] = {
    "passed": "green", "failed": "bold red", "error": "bold magenta", "conformant": "green",
    "not-conformant": "bold red", "incomplete": "yellow",
}  # fmt: skip

_CONTROLS: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


class Titled(Named, Protocol):
    """A test of the catalogue, as far as the progress needs it."""

    @property
    def title(self) -> Mapping[str, str]: ...


class Console:
    """Told of each test as it begins and ends. On a terminal only what did not pass stays; elsewhere all results."""

    def __init__(self, total: int, *, screen: Screen | None = None, verbose: bool = False) -> None:
        self._screen = screen or Screen(highlight=False)
        self._verbose = verbose or not self._screen.is_terminal
        self._progress = Progress(
            BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False),
            console=self._screen, transient=True, disable=not self._screen.is_terminal,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=total)
        self._progress.start()

    def started(self, test: Titled) -> None:
        """A test begins."""
        self._progress.update(self._task, description=f"{test.id} {test.title.get(say('en', 'fr'), '')}")

    def result(self, result: Told) -> None:
        """A test has ended."""
        self._progress.advance(self._task)
        said = result.to_json()
        if self._verbose or said["outcome"] != "passed":
            why = said["code"] or said["reason"] or ""
            self._line(f"{said['outcome']:<12} {said['id']}  {said['durationMs']} ms  {why}", said["outcome"])

    def finished(self, facts: Facts, *, out: str = "out") -> None:
        """The run has ended: what failed, one line per profile, and the last line."""
        self._progress.stop()
        for result in facts.failures:
            self._line(f"\n{failed_block(facts, result, out=out)}")
        self._line("")
        for claim in facts.report.footer.claims:
            self._line(claim_line(claim), claim.verdict)
        self._line(last_line(facts))

    def _line(self, text: str, style: str = "") -> None:
        # Text, and no markup: what a server says must not be able to colour anything. Never folded: programs read it.
        safe = _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", redact.text(text.rstrip()))
        self._screen.print(Text(safe, style=STYLES.get(style, "")), soft_wrap=True)


def claim_line(claim: Claim) -> str:
    """Return the line of a profile."""
    en, fr, _ = VERDICTS[claim.verdict]
    counted = say("{} of {} required passed", "{} sur {} exigés réussis").format(claim.passed, claim.required)
    more = {
        say("inapplicable", "sans objet"): claim.inapplicable,
        say("deviations", "écarts"): claim.deviations,
        say("open", "ouverts"): claim.open,
    }
    lists = "".join(f"; {name}: {', '.join(ids)}" for name, ids in more.items() if ids)
    return f"{claim.profile:<18} {say(en, fr):<15} {counted}{lists}"


def failed_block(facts: Facts, result: Result, *, out: str = "out") -> str:
    """Return what a person needs to understand one failure and to play it again."""
    rows: list[tuple[str, str]] = [
        ("requirement", f'{requirement.id} "{requirement.text}"')
        for requirement in facts.requirements(result)
    ]
    failed = say("FAILED", "ÉCHEC")
    rows += [(step.kind, f"{step.text}: {'ok' if step.ok else failed}") for step in result.steps]
    rows += [
        ("expected", result.expected or ""),
        ("received", f"{result.received} ({label('evidence')}: {grades(result)})"),
    ]
    if result.exchanges:
        first, *rest = (file_name(number) for number in result.exchanges)
        rows.append(("exchange", ", ".join([f"{out}/transcript/{first}", *rest])))
    rows.append(("reproduce", facts.reproduce(result)))
    sent = facts.curl(result)
    rows += [("curl", sent)] if sent else []
    passing = facts.passing(result)
    if passing:
        told = say(
            "{} of {} published implementations pass", "{} implémentations publiées sur {} réussissent"
        )
        rows.append(("others", told.format(*passing)))
    title = facts.title(result, say("en", "fr"))  # type: ignore[arg-type]
    head = f"{failed} {result.id}  {title}  {result.level}  {facts.impact(result)}  {result.code}"
    return "\n".join([head, *(f"  {label(name):<12} {' '.join(text.split())}" for name, text in rows)])


def grades(result: Result) -> str:
    """Return where the observations of a test come from."""
    return ", ".join(f"{count} {grade}" for grade, count in result.evidence.items() if count) or "none"
