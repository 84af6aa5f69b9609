"""A report as the suite works with it: frozen, and the same whether it was just made or read from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, TypeVar

from fedcoop_conformance import verdict
from fedcoop_conformance.catalogue import Catalogue
from fedcoop_conformance.report import redact
from fedcoop_conformance.verdict import Claim, ReportInvalid

SCHEMA: Final = "fedcoop-report/1"
GRADES: Final = ("wire", "api", "testimony", "human")
"""Where an observation comes from; the first is the best."""

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Software:
    """The server under test, as NodeInfo and its operator name it."""

    name: str
    version: str
    build: str | None = None
    repository: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What was run, against what, and how."""

    suite: str
    catalogue: str
    vectors: str
    seed: str
    started_at: str
    base: str
    software: Software
    profiles: tuple[str, ...]
    driver: str
    transport: str
    tls: str
    annotated: bool
    selected: tuple[str, ...] | None
    calibration: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Step:
    """A line of what a test did. A `control` is the valid twin, without which a refusal proves nothing."""

    kind: str
    text: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one test."""

    id: str
    rev: int
    profile: str
    level: str
    outcome: str
    code: str | None = None
    advertised: bool | None = None
    """For `inapplicable`: whether the wire advertises the feature all the same. None where nobody looked."""
    reason: str | None = None
    expected: str | None = None
    received: str | None = None
    evidence: Mapping[str, int] = field(default_factory=dict)
    duration_ms: int = 0
    steps: tuple[Step, ...] = ()
    exchanges: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        # All four grades are always there, so that a reader need not guess what a missing one means.
        object.__setattr__(self, "evidence", {grade: self.evidence.get(grade, 0) for grade in GRADES})

    def to_json(self) -> dict[str, Any]:
        """Return the result as it stands in a report."""
        return _plain(self)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Footer:
    """What follows from the results. A report without it was cut short."""

    ended_at: str
    counts: Mapping[str, int]
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All of it."""

    header: Header
    results: tuple[Result, ...]
    footer: Footer

    def to_json(self) -> dict[str, Any]:
        """Return the report as it stands in `report.json`."""
        return {"schema": SCHEMA, **_plain(self)}

    def result(self, test_id: str) -> Result | None:
        """Return the result of a test, None where it has none."""
        return next((result for result in self.results if result.id == test_id), None)


def completed(header: Header, results: Iterable[Result], *, ended_at: str, catalogue: Catalogue) -> Report:
    """Return the report of a run that came to its end.

    A test of the profiles that was not run has a result as well, `untested`; secrets are taken out of every text;
    counts and claims follow from the results.
    """
    by_id = {result.id: _redacted(result) for result in results}
    for name in header.profiles:
        for test_id, rev in catalogue.profiles[name].tests:
            by_id.setdefault(test_id, _not_run(test_id, rev, name, catalogue))
    whole = tuple(by_id[test_id] for test_id in sorted(by_id))
    plain = [result.to_json() for result in whole]
    claims = verdict.claims([catalogue.profiles[name] for name in header.profiles], catalogue.tests, plain)
    return Report(header, whole, Footer(ended_at, verdict.counts(plain), tuple(claims)))


def result_from_json(said: Mapping[str, Any]) -> Result:
    """Return a result; what it says beyond this suite's members is not kept."""
    return _read(
        Result, said, steps=lambda steps: tuple(_read(Step, step) for step in steps), exchanges=tuple
    )


def from_json(said: Mapping[str, Any]) -> Report:
    """Return the report that plain JSON stands for; `report.json_.read` is the way in for bytes from a stranger.

    Raises:
        ReportInvalid: `schema`, something is missing.
    """
    try:
        return Report(
            header=_read(
                Header,
                said["header"],
                software=lambda software: _read(Software, software),
                profiles=tuple,
                selected=lambda selected: None if selected is None else tuple(selected),
            ),
            results=tuple(result_from_json(result) for result in said["results"]),
            footer=_read(
                Footer, said["footer"], claims=lambda claims: tuple(_claim(claim) for claim in claims)
            ),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ReportInvalid("schema", f"{type(error).__name__} {error}") from error


# ------------------------------------------------------------------------------------------------------- names


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _plain(value: Any) -> Any:
    """Return a dataclass as JSON, with the names of JSON."""
    if hasattr(value, "__dataclass_fields__"):
        return {_camel(one.name): _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _read(kind: Callable[..., Made], said: Mapping[str, Any], **how: Callable[[Any], Any]) -> Made:
    names = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    told = {name: said[_camel(name)] for name in names}
    return kind(**{name: how[name](value) if name in how else value for name, value in told.items()})


def _claim(said: Mapping[str, Any]) -> Claim:
    return _read(Claim, said, inapplicable=tuple, deviations=tuple, open=tuple)


def _redacted(result: Result) -> Result:
    def clean(text: str | None) -> str | None:
        return None if text is None else redact.text(text)

    return replace(
        result,
        reason=clean(result.reason),
        expected=clean(result.expected),
        received=clean(result.received),
        steps=tuple(replace(step, text=redact.text(step.text)) for step in result.steps),
    )


def _not_run(test_id: str, rev: int, profile: str, catalogue: Catalogue) -> Result:
    known: Sequence[str] = [catalogue.tests[test_id].level] if test_id in catalogue.tests else []
    return Result(
        id=test_id,
        rev=rev,
        profile=profile.partition("@")[0],
        level=known[0] if known else "MUST",
        outcome="untested",
        reason="not selected",
    )
