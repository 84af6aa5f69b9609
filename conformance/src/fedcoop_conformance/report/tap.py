"""`tap.txt`, TAP 14. A required test that was not run is `not ok`: a plan that skips what it must show is no pass."""

from __future__ import annotations

import json

from fedcoop_conformance.report.facts import Facts
from fedcoop_conformance.report.model import Result


def write(facts: Facts) -> str:
    """Return the report as TAP 14.

    `# TODO` marks what failed and does not count (SHOULD, MAY, tests not required yet), `# SKIP` what was not run and
    keeps no claim open.
    """
    lines = ["TAP version 14", f"1..{len(facts.report.results)}"]
    for number, result in enumerate(facts.report.results, start=1):
        lines.append(_point(facts, number, result))
        lines += _diagnosis(facts, result)
    lines += [f"# {claim.profile} {claim.verdict}" for claim in facts.report.footer.claims]
    return "\n".join([*lines, ""])


def _point(facts: Facts, number: int, result: Result) -> str:
    ok, directive = _judged(facts, result)
    description = _plain(f"{result.id} {facts.title(result)}")
    return f"{'ok' if ok else 'not ok'} {number} - {description}" + (f" # {directive}" if directive else "")


def _judged(facts: Facts, result: Result) -> tuple[bool, str]:
    """Return whether a test point is ok, and its directive."""
    if result.outcome == "passed":
        return True, ""
    if result.outcome == "failed":
        return False, "" if facts.is_demanded(result) else "TODO reported, does not count"
    if result.outcome == "error" or result.id in facts.open:
        return False, ""
    return True, _plain(f"SKIP {result.outcome}: {result.reason}")


def _diagnosis(facts: Facts, result: Result) -> list[str]:
    if result.outcome == "passed":
        return []
    said = {
        "outcome": result.outcome,
        "level": result.level,
        "code": result.code,
        "reason": result.reason,
        "expected": result.expected,
        "received": result.received,
        "exchanges": list(result.exchanges) or None,
        "reproduce": facts.reproduce(result) if result.outcome == "failed" else None,
    }
    # JSON is YAML, so nothing that a server says can break out of the block.
    rows = [
        f"  {key}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in said.items()
        if value is not None
    ]
    return ["  ---", *rows, "  ..."]


def _plain(text: str) -> str:
    line = " ".join(text.split())
    return line.replace("\\", "\\\\").replace("#", "\\#")
