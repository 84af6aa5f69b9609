"""Implementations beside one another: one column each, one row per profile and per test. No score, no ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from fedcoop_conformance.report import markdown, words
from fedcoop_conformance.report.model import Report
from fedcoop_conformance.report.page import both, page, section, table

NO_CLAIM: Final = ("no claim", "aucune conclusion", "quiet")
NO_RESULT: Final = ("not in this report", "absent de ce rapport", "quiet")
Cell = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """A profile or a test, and what each implementation made of it."""

    name: str
    cells: tuple[Cell, ...]


def write_html(reports: Sequence[Report]) -> str:
    """Return the matrix as one page of the same kind as a report."""
    head = [both("Profile", "Profil"), *(_column(report) for report in reports)]
    of_tests = [both("Test", "Test"), *(_column(report) for report in reports)]
    caption = both("Verdicts by profile and implementation", "Conclusions par profil et par implémentation")
    each = both("Outcomes by test and implementation", "Résultats par test et par implémentation")
    body = "\n".join(
        (
            section(
                "profiles", "Profiles", "Profils", table("verdicts", caption, head, _html(profiles(reports)))
            ),
            section("tests", "Tests", "Tests", table("outcomes", each, of_tests, _html(tests(reports)))),
        )
    )
    title = ("Conformance of several implementations", "Conformité de plusieurs implémentations")
    contents = (("profiles", "Profiles", "Profils"), ("tests", "Tests", "Tests"))
    return page(title, "", body, contents=contents)


def write_markdown(reports: Sequence[Report]) -> str:
    """Return the matrix as Markdown."""
    names = [markdown.told(_name(report)) for report in reports]
    return "\n\n".join(
        (
            "# Conformance of several implementations",
            markdown.table(("Profile", *names), _plain(profiles(reports))),
            markdown.table(("Test", *names), _plain(tests(reports))) + "\n",
        )
    )


def profiles(reports: Sequence[Report]) -> list[Row]:
    """Return a row per profile that any of the reports claims something about."""
    verdicts = [{claim.profile: claim.verdict for claim in report.footer.claims} for report in reports]
    return _rows(verdicts, words.VERDICTS, NO_CLAIM)


def tests(reports: Sequence[Report]) -> list[Row]:
    """Return a row per test that any of the reports has."""
    return _rows(
        [{one.id: one.outcome for one in report.results} for report in reports], words.OUTCOMES, NO_RESULT
    )


def _rows(columns: Sequence[Mapping[str, str]], said: Mapping[str, Cell], absent: Cell) -> list[Row]:
    names = sorted({name for column in columns for name in column})
    return [
        Row(name, tuple(said[column[name]] if name in column else absent for column in columns))
        for name in names
    ]


def _html(rows: Sequence[Row]) -> list[list[str]]:
    return [
        [escape(row.name), *(f'<span class="{colour}">{both(en, fr)}</span>' for en, fr, colour in row.cells)]
        for row in rows
    ]


def _plain(rows: Sequence[Row]) -> list[list[str]]:
    return [
        [row.name, *(f"**{en}**" if colour == "bad" else en for en, _, colour in row.cells)] for row in rows
    ]


def _name(report: Report) -> str:
    return f"{report.header.software.name} {report.header.software.version}"


def _column(report: Report) -> str:
    return f"{escape(_name(report))}<br>{escape(report.header.started_at[:10])}"
