"""`junit.xml`, which every continuous integration reads: failed is a failure, error an error, the rest is skipped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from fedcoop_conformance.report.facts import SKIPPED, Facts
from fedcoop_conformance.report.model import Result

_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(facts: Facts) -> str:
    """Return the report as JUnit XML, one suite per profile."""
    header = facts.report.header
    results = sorted(facts.report.results, key=lambda result: (result.profile, result.id))
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(f"<testsuites name={_quoted(f'fedcoop-conformance {facts.name}')} {_totals(results)}>")
    for profile, of_profile in groupby(results, key=lambda result: result.profile):
        group = list(of_profile)
        lines.append(
            f"  <testsuite name={_quoted(profile)} timestamp={_quoted(header.started_at)} {_totals(group)}>"
        )
        lines += _properties(facts)
        lines += [line for result in group for line in _case(facts, result)]
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>", ""])


def _totals(results: Iterable[Result]) -> str:
    all_ = list(results)
    skipped = sum(result.outcome in SKIPPED for result in all_)
    failures, errors = (sum(result.outcome == outcome for result in all_) for outcome in ("failed", "error"))
    return (
        f'tests="{len(all_)}" failures="{failures}" errors="{errors}" skipped="{skipped}" '
        f'time="{_seconds(sum(result.duration_ms for result in all_))}"'
    )


def _properties(facts: Facts) -> list[str]:
    header = facts.report.header
    said = {"suite": header.suite, "catalogue": header.catalogue, "seed": header.seed, "base": header.base}
    said |= {claim.profile: claim.verdict for claim in facts.report.footer.claims}
    rows = [f"      <property name={_quoted(name)} value={_quoted(value)}/>" for name, value in said.items()]
    return ["    <properties>", *rows, "    </properties>"]


def _case(facts: Facts, result: Result) -> list[str]:
    name = f"{result.id} {facts.title(result)}"
    opening = (
        f"    <testcase classname={_quoted(f'{result.profile}.{result.level}')} name={_quoted(name)} "
        f'time="{_seconds(result.duration_ms)}"'
    )
    inside = _inside(facts, result)
    return [f"{opening}>", inside, "    </testcase>"] if inside else [f"{opening}/>"]


def _inside(facts: Facts, result: Result) -> str:
    if result.outcome == "passed":
        return ""
    if result.outcome == "failed":
        said = (
            f"expected: {result.expected}\nreceived: {result.received}\nreproduce: {facts.reproduce(result)}"
        )
        message = f"{result.code}: expected {result.expected}; received {result.received}"
        kind = f"{result.level} {result.code}"
        return (
            f"      <failure type={_quoted(kind)} message={_quoted(message)}>{escape(_clean(said))}</failure>"
        )
    if result.outcome == "error":
        return f'      <error type="SUITE" message={_quoted(result.reason or "")}/>'
    return f"      <skipped message={_quoted(f'{result.outcome}: {result.reason}')}/>"


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03d}"


def _quoted(text: str) -> str:
    return quoteattr(_clean(text))


def _clean(text: str) -> str:
    # What came over the wire may hold characters that no XML can.
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
