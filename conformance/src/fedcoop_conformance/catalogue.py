"""The catalogue: requirements, tests and frozen profiles, as data with a digest (conformance.md §8.2-§8.5)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, ClassVar, Final, Literal, TypeVar

import rfc8785

from fedcoop_conformance import data

Level = Literal["MUST", "SHOULD", "MAY"]
Status = Literal["draft", "candidate", "required", "disputed", "retired"]
COUNTED: Final = "required"
"""Of the states of a test, the one that counts for a claim; the others are reported."""


class BadCatalogue(Exception):
    """The catalogue contradicts itself: a fault of the suite."""


class NoSuchTest(Exception):
    """A name that was asked for stands for no test or profile."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A server that breaks one rule, and the code with which a test notices."""

    mutant: str
    code: str


@dataclass(frozen=True, slots=True)
class Test:
    """A test as the catalogue has it; `entry` is the whole of it."""

    __test__: ClassVar = False  # pytest, which collects by name, is not to take it for one of its own

    id: str
    rev: int
    profile: str
    status: Status
    level: Level
    feature: str | None
    needs: tuple[str, ...]
    depends_on: tuple[str, ...]
    requirements: tuple[str, ...]
    codes: frozenset[str]
    kills: tuple[Kill, ...]
    probe: bool
    entry: Mapping[str, Any]

    @property
    def title(self) -> Mapping[str, str]:
        """Return the title by language, `en` and `fr`."""
        return dict(self.entry["title"])


@dataclass(frozen=True, slots=True)
class Requirement:
    """A sentence of a document that says what a server MUST, SHOULD or MAY do."""

    id: str
    level: Level
    text: str
    anchor: str
    reason: str | None
    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Profile:
    """A frozen list of tests, each in one revision; features that a server may leave out."""

    name: str
    version: str
    depends_on: tuple[str, ...]
    optional: frozenset[str]
    tests: tuple[tuple[str, int], ...]
    entry: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Return name and version, as claims have it."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Catalogue:
    """All of it."""

    requirements: Mapping[str, Requirement]
    tests: Mapping[str, Test]
    profiles: Mapping[str, Profile]
    bundles: Mapping[str, Sequence[str]]
    whole: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """Return the multihash (sha2-256, multibase base64url) of the JCS of the whole."""
        return multihash(rfc8785.dumps(self.whole))

    def profile(self, name: str) -> Profile:
        """Return a profile, by name and version or by name alone where there is one version.

        Raises:
            NoSuchTest: there is none.
        """
        if name in self.profiles:
            return self.profiles[name]
        found = [one for one in self.profiles.values() if one.name == name]
        if len(found) != 1:
            raise NoSuchTest(f"There is no profile {name}. There are: {', '.join(sorted(self.profiles))}.")
        return found[0]

    def of_profiles(self, names: Iterable[str]) -> list[Test]:
        """Return the tests of these profiles, in the order of their ids, each once.

        Raises:
            NoSuchTest: one of the profiles does not exist.
        """
        ids = {id_ for name in names for id_, _ in self.profile(name).tests}
        return [self.tests[id_] for id_ in sorted(ids)]

    def matching(self, patterns: Iterable[str]) -> list[Test]:
        """Return the tests that any of these patterns (`FC-SIG-*`) means.

        Raises:
            NoSuchTest: a pattern means none.
        """
        found: set[str] = set()
        for pattern in patterns:
            means = {id_ for id_ in self.tests if fnmatchcase(id_, pattern.upper())}
            if not means:
                raise NoSuchTest(f"No test is called {pattern}. `fedcoop-conformance list` shows all.")
            found |= means
        return [self.tests[id_] for id_ in sorted(found)]


T = TypeVar("T", Test, Requirement, Profile)


def load() -> Catalogue:
    """Read the catalogue that travels with the suite.

    Raises:
        BadCatalogue: an id occurs twice, or something names what does not exist.
    """
    folder = data.folder("catalogue")
    requirements = [
        one
        for path in sorted((folder / "requirements").glob("*.json"))
        for one in data.read("catalogue", f"requirements/{path.name}")["requirements"]
    ]
    tests = [
        {**one, "profile": said["profile"]}
        for path in sorted((folder / "tests").glob("*.json"))
        for said in [data.read("catalogue", f"tests/{path.name}")]
        for one in said["tests"]
    ]
    return of(requirements, tests, data.read("catalogue", "profiles.json"))


def of(
    requirements: Sequence[Mapping[str, Any]], tests: Sequence[Mapping[str, Any]], profiles: Mapping[str, Any]
) -> Catalogue:
    """Return a catalogue, checked against itself.

    Raises:
        BadCatalogue: as `load`.
    """
    found = Catalogue(
        requirements=_by_id(_requirement(one) for one in requirements),
        tests=_by_id(_test(one) for one in tests),
        profiles=_by_id(_profile(one) for one in profiles["profiles"]),
        bundles={f"{one['name']}@{one['version']}": one["profiles"] for one in profiles["bundles"]},
        whole={
            "requirements": sorted(requirements, key=lambda one: one["id"]),
            "tests": sorted(tests, key=lambda one: one["id"]),
            "profiles": profiles,
        },
    )
    faults = list(contradictions(found))
    if faults:
        raise BadCatalogue("; ".join(faults))
    return found


def contradictions(catalogue: Catalogue) -> Iterable[str]:
    """Yield what in a catalogue names something that does not exist, or exists otherwise."""
    for test in catalogue.tests.values():
        for other in test.depends_on:
            if other not in catalogue.tests:
                yield f"{test.id} depends on {other}, which does not exist"
        for requirement in test.requirements:
            if catalogue.requirements and requirement not in catalogue.requirements:
                yield f"{test.id} names {requirement}, which does not exist"
        for kill in test.kills:
            if kill.code not in test.codes:
                yield f"{test.id} kills {kill.mutant} with {kill.code}, which is none of its codes"
    for profile in catalogue.profiles.values():
        for id_, rev in profile.tests:
            if id_ not in catalogue.tests or catalogue.tests[id_].rev != rev:
                yield f"{profile.id} holds {id_} in revision {rev}, which does not exist"


def multihash(content: bytes) -> str:
    """Return the sha2-256 multihash of bytes as multibase base64url."""
    return "u" + base64.urlsafe_b64encode(b"\x12\x20" + hashlib.sha256(content).digest()).decode().rstrip("=")


def _by_id(all_: Iterable[T]) -> dict[str, T]:
    found: dict[str, T] = {}
    for one in all_:
        if one.id in found:
            raise BadCatalogue(f"{one.id} is there twice")
        found[one.id] = one
    return found


def _test(said: Mapping[str, Any]) -> Test:
    return Test(
        id=said["id"],
        rev=said["rev"],
        profile=said["profile"],
        status=said["status"],
        level=said["level"],
        feature=said.get("feature"),
        needs=tuple(said.get("needs", ())),
        depends_on=tuple(said.get("dependsOn", ())),
        requirements=tuple(said["requirements"]),
        codes=frozenset(said["failureCodes"]),
        kills=tuple(Kill(one["mutant"], one["code"]) for one in said["kills"]),
        probe=said.get("probe", False),
        entry=said,
    )


def _requirement(said: Mapping[str, Any]) -> Requirement:
    return Requirement(
        said["id"], said["level"], said["text"], said["anchor"], said.get("notTestedReason"), said
    )


def _profile(said: Mapping[str, Any]) -> Profile:
    return Profile(
        name=said["name"],
        version=said["version"],
        depends_on=tuple(said["dependsOn"]),
        optional=frozenset(said["optional"]),
        tests=tuple((id_, rev) for id_, rev in said["tests"]),
        entry=said,
    )
