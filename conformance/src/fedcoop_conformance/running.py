"""A run from beginning to end: examine, play, conclude, write. What the command line calls, and programs may."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fedcoop_conformance import (
    __version__,
    cases,
    catalogue,
    data,
    doctor,
    offline,
    register,
    runner,
    selftest,
    verdict,
)
from fedcoop_conformance.case import Stage
from fedcoop_conformance.catalogue import Catalogue, Test, multihash
from fedcoop_conformance.crypto import jcs
from fedcoop_conformance.doctor import Finding
from fedcoop_conformance.driver.c2s import C2s
from fedcoop_conformance.minicoop.driver import MinicoopDriver, demo_sut
from fedcoop_conformance.report import badge, earl, html, json_, junit, markdown, tap
from fedcoop_conformance.report.console import Console
from fedcoop_conformance.report.facts import Facts
from fedcoop_conformance.report.model import Header, Result, Software, completed
from fedcoop_conformance.report.ndjson import Events
from fedcoop_conformance.selftest import Fault
from fedcoop_conformance.session import opened
from fedcoop_conformance.speech import say
from fedcoop_conformance.sut import Sut
from fedcoop_conformance.transcript import Transcript

CONFIGURATION: Final = 2
INTERRUPTED: Final = 3
SEEDS: Final = ("1", "2", "3")


Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Setting:
    """What is played against what. Without a `sut` it is the model server, with these faults."""

    catalogue: Catalogue
    profiles: tuple[str, ...]
    tests: tuple[Test, ...]
    selected: tuple[str, ...] | None
    seed: str
    scale: float
    sut: Sut | None
    faults: frozenset[str]
    again: str
    """What to type after `run` to play it again."""


@contextlib.asynccontextmanager
async def staged(
    setting: Setting, transcript: Transcript, *, log: Path | None = None
) -> AsyncIterator[Stage]:
    """Open the stage of a setting.

    Raises:
        DriverFault: as `session.opened`.
    """
    how: dict[str, Any] = {"seed": setting.seed, "transcript": transcript, "scale": setting.scale, "log": log}
    if setting.sut is not None:
        async with opened(setting.sut, **how) as stage:
            yield stage
        return
    model = MinicoopDriver(setting.faults)
    async with opened(
        demo_sut(setting.profiles), drivers=lambda wire, server: [model, C2s(wire, server)], **how
    ) as stage:
        yield stage


async def examined(setting: Setting, *, tell: Tell | None = None) -> list[Finding]:
    """Examine the configuration alone.

    Raises:
        DriverFault: as `session.opened`.
    """
    async with staged(setting, Transcript()) as stage:
        return await _examined(stage, setting.tests, tell=tell)


async def _examined(stage: Stage, tests: Sequence[Test], *, tell: Tell | None) -> list[Finding]:
    findings: list[Finding] = []
    async for finding in doctor.examine(stage, tests):
        findings.append(finding)
        if tell:
            tell("\n".join(doctor.lines(len(findings), finding)))
    return findings


async def run(
    setting: Setting,
    *,
    out: Path,
    tell: Tell,
    jobs: int = 1,
    repeat: int = 1,
    fail_fast: bool = False,
    known: Sequence[str] | None = None,
    verbose: bool = False,
) -> int:
    """Examine, play, and write every report into `out`; return the exit status.

    Raises:
        DriverFault: as `session.opened`.
    """
    cleared(out)
    began = now()
    with Transcript(out) as transcript:
        async with staged(setting, transcript, log=out / "driver.log") as stage:
            findings = await _examined(stage, setting.tests, tell=None)
            if any(one.state == "FAIL" for one in findings):
                return _not_ready(findings, tell)
            header = header_of(setting, stage, began)
            console = Console(len(setting.tests) * repeat, verbose=verbose)
            with (out / "events.ndjson").open("w", encoding="utf-8") as file:
                events = Events(file)
                events.run(header)
                asked = [test for test in setting.tests if test.profile == offline.PROFILE]
                served = [test for test in setting.tests if test.profile != offline.PROFILE]
                still = await asyncio.to_thread(
                    offline.play,
                    asked,
                    setting.sut.vectors if setting.sut else None,
                    folder=stage.sut.folder,
                    watchers=(console, events),
                )
                played = [
                    await runner.play(
                        stage, served, jobs=jobs, fail_fast=fail_fast, watchers=(console, events)
                    )
                    for _ in range(repeat)
                ]
                report = completed(
                    header, [*still, *agreed(played)], ended_at=now(), catalogue=setting.catalogue
                )
                events.finished(report)
        facts = Facts(report, setting.catalogue, {one.number: one for one in transcript}, again=setting.again)
    write(out, facts)
    console.finished(facts, out=str(out))
    results = [one.to_json() for one in report.results]
    return verdict.exit_code(report.footer.claims, results, known=known)


def _not_ready(findings: Sequence[Finding], tell: Tell) -> int:
    for number, finding in enumerate(findings, 1):
        tell("\n".join(doctor.lines(number, finding)))
    tell(say("not ready: no test was played", "pas prêt : aucun test n’a été joué"))
    return CONFIGURATION


def cleared(out: Path) -> None:
    """Make the folder of a run, without what an earlier run left there: two runs are never mixed."""
    shutil.rmtree(out / "transcript", ignore_errors=True)
    for name in (*FILES, "report.json", "events.ndjson", "transcript.ndjson.gz", "driver.log"):
        (out / name).unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)


def agreed(played: Sequence[Sequence[Result]]) -> list[Result]:
    """Return one result for each test: where repeats differ, nothing can be told."""
    found = []
    for results in zip(*played, strict=True):
        seen = Counter(f"{one.outcome} {one.code or ''}".strip() for one in results)
        mixed = ", ".join(f"{number} × {said}" for said, number in seen.most_common())
        found.append(
            results[0] if len(seen) == 1 else replace(results[0], outcome="cantTell", code=None, reason=mixed)
        )
    return found


def header_of(setting: Setting, stage: Stage, began: str) -> Header:
    """Return the head of a report."""
    software = stage.sut.software
    return Header(
        suite=f"fedcoop-conformance@{__version__}",
        catalogue=setting.catalogue.digest,
        vectors=multihash(jcs.canonical(data.read("vectors", "MANIFEST.json"))),
        seed=setting.seed,
        started_at=began,
        base=stage.ready.base,
        software=Software(
            software["name"], software["version"], software.get("build"), software.get("repository")
        ),
        profiles=setting.profiles,
        driver=stage.sut.driver.kind,
        transport=stage.sut.peer.mode,
        tls=stage.sut.peer.tls,
        annotated=False,
        selected=setting.selected,
        calibration={"rtt": int(stage.times.rtt * 1000), "deliver": int(stage.times.deliver * 1000)},
    )


FILES: Final[Mapping[str, Callable[[Facts], str]]] = {
    "junit.xml": junit.write,
    "tap.txt": tap.write,
    "earl.jsonld": earl.write,
    "report.html": html.write,
    "summary.md": markdown.write,
    "badge.svg": lambda facts: badge.as_svg(facts.report),
    "badge.json": lambda facts: badge.as_json(facts.report),
}


def write(out: Path, facts: Facts) -> None:
    """Write a run in every form (conformance.md §8.10); the report last: where it is, the others are whole."""
    for name, made in FILES.items():
        (out / name).write_text(made(facts), encoding="utf-8")
    (out / "report.json").write_bytes(json_.write(facts.report))


def now() -> str:
    """Return the time, to the second, in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- the suite itself -------------------------------------------------------------------------------------------------


async def selftested(*, full: bool, profiles: Sequence[str], tell: Tell) -> list[Fault]:
    """Play the gates of the self-test, each with a line as it ends; `full` plays them under more seeds."""

    whole = catalogue.load()
    tests = selftest.subjects(whole, profiles)
    seeds = SEEDS if full else SEEDS[:1]
    gates: Sequence[tuple[str, Callable[[], Awaitable[list[Fault]]]]] = (
        ("G1", lambda: selftest.baseline(tests, seeds=seeds, jobs=(1, 4))),
        ("G3 G4", lambda: selftest.mutants(tests, seed=SEEDS[0])),
        ("G6", lambda: selftest.degenerate(tests, seed=SEEDS[0])),
        ("G7", lambda: selftest.lying(tests, seed=SEEDS[0])),
        ("G8", lambda: selftest.answer_key(whole, tests, seed=SEEDS[0])),
    )
    found = selftest.unregistered(whole, cases.plays())
    tell(gate_line("G10", found))
    for name, gate in gates:
        faults = await gate()
        found += faults
        tell(gate_line(name, faults))
    return found


def gate_line(name: str, faults: Sequence[Fault]) -> str:
    """Return the line of a gate."""
    return f"{name:<6} {say(f'{len(faults)} faults', f'{len(faults)} défauts') if faults else 'ok'}"


def uncovered(whole: Catalogue, implemented: Mapping[str, object], spec: Path | None) -> list[str]:
    """Return where requirements, tests and code do not meet; with `spec`, where register and text differ."""
    entries = [one.entry for one in whole.requirements.values()]
    found = register.uncovered(entries, [one.entry for one in whole.tests.values()])
    found += [str(fault) for fault in selftest.unregistered(whole, implemented)]
    if spec is not None:
        found += register.differences(register.read_document(spec.read_text(encoding="utf-8")), entries)
    return found
