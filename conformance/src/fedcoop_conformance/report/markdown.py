"""`summary.md`, for the page of a continuous integration: the verdicts, then what failed, then what is open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from fedcoop_conformance.report.facts import Facts, link
from fedcoop_conformance.report.model import Result

WORDS: Final = {
    "conformant": "conformant",
    "not-conformant": "**not conformant**",
    "incomplete": "*incomplete*",
}
_ACTIVE: Final = str.maketrans({c: "\\" + c for c in "\\`*_[]<>|#~&"})


def write(facts: Facts) -> str:
    """Return the report as Markdown."""
    header = facts.report.header
    parts = [
        f"# Conformance of {told(facts.name)}",
        f"{told(header.base)}, {header.started_at}, {header.suite}, seed `{header.seed}`. "
        "This report is not signed: it proves nothing to anybody else.",
        "## Profiles",
        table(
            ("Profile", "Verdict", "Required", "Passed", "Inapplicable", "Deviations", "Open"), _claims(facts)
        ),
    ]
    if facts.failures:
        parts += ["## Failed", *(_failure(facts, result) for result in facts.failures)]
    if facts.unsettled:
        rows = [(one.id, one.level, one.outcome, told(one.reason or "")) for one in facts.unsettled]
        parts += ["## Neither passed nor failed", table(("Test", "Level", "Outcome", "Reason"), rows)]
    parts.append(last_line(facts))
    return "\n\n".join(parts) + "\n"


def _claims(facts: Facts) -> list[Sequence[str]]:
    return [
        (
            claim.profile,
            WORDS[claim.verdict],
            str(claim.required),
            str(claim.passed),
            _ids(claim.inapplicable),
            _ids(claim.deviations),
            _ids(claim.open),
        )
        for claim in facts.report.footer.claims
    ]


def _failure(facts: Facts, result: Result) -> str:
    rows = [
        ("requirement", f"[{one.id}]({link(one)}) {told(one.text)}") for one in facts.requirements(result)
    ] + [
        ("expected", told(result.expected or "")),
        ("received", told(result.received or "")),
        ("exchanges", ", ".join(f"{number:03d}" for number in result.exchanges) or "none"),
        ("evidence", ", ".join(f"{n} {grade}" for grade, n in result.evidence.items() if n) or "none"),
    ]
    return "\n\n".join(
        (
            f"### {result.id} {told(facts.title(result))}",
            f"{result.level}, {facts.impact(result)}, `{result.code}`",
            table(("Of this failure", "Said"), rows),
            f"    {facts.reproduce(result)}",
        )
    )


def last_line(facts: Facts) -> str:
    """Return the line with which every run ends, for people and for programs alike."""
    counts = facts.report.footer.counts
    skipped = counts["inapplicable"] + counts["untested"] + counts["cantTell"]
    errors = f", {counts['error']} error{'s' * (counts['error'] > 1)}" if counts["error"] else ""
    return f"conformance: {counts['passed']} passed, {counts['failed']} failed, {skipped} skipped{errors}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def told(text: str) -> str:
    """Return text from elsewhere so that it is only text in Markdown."""
    return " ".join(text.split()).translate(_ACTIVE)


def _ids(ids: Sequence[str]) -> str:
    return ", ".join(ids) or "-"
