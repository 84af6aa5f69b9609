"""A test of the catalogue as text, for `fedcoop-conformance show ID`: nobody has to read the source to know."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from fedcoop_conformance.catalogue import Catalogue, Requirement, Test
from fedcoop_conformance.report.facts import link
from fedcoop_conformance.report.words import label
from fedcoop_conformance.speech import say

WIDTH = 100


def describe(test: Test, catalogue: Catalogue, *, source: str | None = None) -> str:
    """Return all that the catalogue says of a test; `source` is where its code is."""
    entry = test.entry
    since = f"{say('since', 'depuis')} {entry.get('since', '?')}"
    rows = [("revision", f"{test.rev}, {test.status}, {since}")]
    rows += [("requirement", _sentence(one)) for one in _known(test, catalogue)]
    rows += [("unknown", name) for name in test.requirements if name not in catalogue.requirements]
    rows.append(("feature", test.feature or ""))
    rows.append(("depends on", ", ".join(entry.get("dependsOn", ()))))
    rows.append(("needs", ", ".join(entry.get("needs", ()))))
    rows.append(("control", entry.get("control") or ""))
    rows += [(f"step {n}", step) for n, step in enumerate(entry.get("steps", ()), start=1)]
    rows.append(("expected", _expected(entry.get("expect"))))
    rows.append(("can fail as", ", ".join(entry["failureCodes"])))
    rows += [("kills", f"{kill['mutant']} ({kill['code']})") for kill in entry["kills"]]
    rows.append(("source", source or ""))
    rows += [("history", f"{one['rev']}, {one['date']}: {one['note']}") for one in entry.get("history", ())]
    title = entry["title"][say("en", "fr")]
    head = "  ".join((test.id, title, test.level, entry.get("impact", ""), entry.get("mode", "")))
    return "\n".join([head.rstrip(), *(_row(name, text) for name, text in rows if text)])


def _known(test: Test, catalogue: Catalogue) -> Iterable[Requirement]:
    return [catalogue.requirements[name] for name in test.requirements if name in catalogue.requirements]


def _sentence(requirement: Requirement) -> str:
    upstream = ", ".join(requirement.entry.get("upstream", ()))
    return f'{requirement.id} "{requirement.text}"{f" ({upstream})" if upstream else ""} {link(requirement)}'


def _expected(said: object) -> str:
    if isinstance(said, dict):
        return "; ".join(
            f"{name}: {', '.join(one) if isinstance(one, list) else one}" for name, one in said.items()
        )
    return str(said or "")


def _row(name: str, text: str) -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent=f"  {label(name):<12} ", subsequent_indent=" " * 15,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
