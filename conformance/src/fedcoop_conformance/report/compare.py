"""What changed between two reports of one server, or what differs between two servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fedcoop_conformance.report.model import Report, Result
from fedcoop_conformance.speech import say

KINDS: Final = {
    "broken": "cassé", "fixed": "réparé", "changed": "changé", "added": "ajouté", "removed": "retiré",
}  # fmt: skip
"""What can become of a test, the worst first, and the French of it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One test that is not as it was."""

    kind: str
    id: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that differs. `warnings` say why two reports may not be comparable."""

    warnings: tuple[str, ...]
    claims: tuple[tuple[str, str | None, str | None], ...]
    changes: tuple[Change, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain JSON."""
        return {
            "warnings": list(self.warnings),
            "claims": [
                {"profile": name, "before": before, "after": after} for name, before, after in self.claims
            ],
            "changes": [
                {"kind": one.kind, "id": one.id, "before": one.before, "after": one.after}
                for one in self.changes
            ],
        }

    def to_text(self) -> str:
        """Return the comparison as lines, the worst first; the last line counts them."""
        none = say("none", "rien")
        lines = [f"{say('warning', 'attention')}: {warning}" for warning in self.warnings]
        lines += [f"{name}: {before or none} -> {after or none}" for name, before, after in self.claims]
        lines += [
            f"{say(one.kind, KINDS[one.kind]):<8} {one.id}  {one.before or none} -> {one.after or none}"
            for one in self.changes
        ]
        counted = (
            (say(kind, fr), sum(one.kind == kind for one in self.changes)) for kind, fr in KINDS.items()
        )
        return "\n".join([*lines, "compare: " + ", ".join(f"{count} {kind}" for kind, count in counted)])


def compare(before: Report, after: Report) -> Comparison:
    """Return what differs from one report to the other."""
    old, new = ({result.id: result for result in report.results} for report in (before, after))
    ids = [test_id for test_id in sorted(old | new) if _told(old.get(test_id)) != _told(new.get(test_id))]
    changes = [_change(test_id, old.get(test_id), new.get(test_id)) for test_id in ids]
    return Comparison(
        warnings=tuple(_warnings(before, after)),
        claims=tuple(_claims(before, after)),
        changes=tuple(sorted(changes, key=lambda one: (tuple(KINDS).index(one.kind), one.id))),
    )


def _told(result: Result | None) -> str | None:
    if result is None:
        return None
    return f"failed {result.code}" if result.outcome == "failed" else result.outcome


def _change(test_id: str, old: Result | None, new: Result | None) -> Change:
    return Change(_kind(old, new), test_id, _told(old), _told(new))


def _kind(old: Result | None, new: Result | None) -> str:
    if old is None or new is None:
        return "added" if old is None else "removed"
    if new.outcome == "passed":
        return "fixed"
    # Whatever a test that passed has become, it no longer shows what it showed.
    return "broken" if old.outcome == "passed" or new.outcome == "failed" != old.outcome else "changed"


def _claims(before: Report, after: Report) -> list[tuple[str, str | None, str | None]]:
    old, new = (
        {claim.profile: claim.verdict for claim in report.footer.claims} for report in (before, after)
    )
    return [
        (name, old.get(name), new.get(name)) for name in sorted(old | new) if old.get(name) != new.get(name)
    ]


def _warnings(before: Report, after: Report) -> list[str]:
    said = {
        say("made with two catalogues", "faits avec deux catalogues"): (
            before.header.catalogue,
            after.header.catalogue,
        ),
        say("made by two versions of the suite", "faits par deux versions de la suite"): (
            before.header.suite,
            after.header.suite,
        ),
        say("of two servers", "de deux serveurs"): (before.header.software.name, after.header.software.name),
    }
    return [what for what, (old, new) in said.items() if old != new]
