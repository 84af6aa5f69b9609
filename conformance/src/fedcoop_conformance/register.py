"""The requirement register, tied to the protocol document sentence by sentence.

    python -m fedcoop_conformance.register docs/protocol.md             what of the two does not agree
    python -m fedcoop_conformance.register docs/protocol.md --update    take the sentences into the register

A requirement is a numbered sentence: anchor, number, one sentence with one level, its sources. `subject`,
`testability` and `notTestedReason` stand in the register alone and are kept by hand. `--update` never forgets a
requirement: a sentence that is gone is for people to decide about, with its tests.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import jsonschema

from fedcoop_conformance import data

Level = Literal["MUST", "SHOULD", "MAY"]

REGISTER: Final = "requirements/protocol.json"

ACTIVE: Final = frozenset({"candidate", "required"})
"""Statuses of tests that run and are reported as they come out."""

_KEYWORD: Final = re.compile(
    r"\b(MUST|SHALL|SHOULD|MAY|REQUIRED|RECOMMENDED|OPTIONAL)\b(?: NOT\b)?", re.ASCII
)
_LEVELS: Final = frozenset({"MUST", "SHOULD", "MAY"})
_NUMBERED: Final = re.compile(
    r'- <a id="(?P<anchor>[a-z0-9-]+)"></a>\*\*(?P<id>[a-z0-9-]+/[0-9]{2,3})\*\* (?P<rest>.+)', re.S
)
_LOOKS_NUMBERED: Final = re.compile(r"- <a id=|\*\*[a-z0-9-]+/[0-9]+\*\*")
_SOURCES: Final = re.compile(r"\s*\*\((?P<sources>[^*]+)\)\*$")
_WITHDRAWN: Final = re.compile(r"Withdrawn in [0-9.]+\.")
_BOILERPLATE: Final = "BCP 14"
"""The paragraph that says what the keywords mean names them."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A numbered sentence of the document."""

    id: str
    anchor: str
    level: Level | None
    """None when the sentence says none, or more than one."""
    text: str
    upstream: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The digest by which a changed sentence is noticed: of its words, however they are broken into lines."""
        return "sha256:" + hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Document:
    """What was read of a protocol document."""

    sentences: tuple[Sentence, ...]
    withdrawn: tuple[str, ...]
    """Ids whose sentence was withdrawn; their numbers stay taken."""
    faults: tuple[str, ...]
    """What is wrong with the document by itself."""


# -- the document -------------------------------------------------------------------------------------------


def read_document(text: str) -> Document:
    """Return the numbered sentences of a protocol document, in order, and what is wrong with its form."""
    sentences: list[Sentence] = []
    withdrawn: list[str] = []
    faults: list[str] = []
    for block in _blocks(text):
        match = _NUMBERED.fullmatch(block)
        if match is None:
            faults += _outside(block)
            continue
        name, rest = f"fcr:{match['id']}", " ".join(match["rest"].split())
        if match["anchor"] != match["id"].replace("/", "-"):
            faults.append(f"{name}: its anchor is {match['anchor']!r}")
        if _WITHDRAWN.fullmatch(rest):
            withdrawn.append(name)
            continue
        sentence = _sentence(name, match["anchor"], rest)
        sentences.append(sentence)
        if sentence.level is None:
            faults.append(f"{name}: a requirement says one of MUST, SHOULD and MAY: {sentence.text}")
    faults += _numbering([*(s.id for s in sentences), *withdrawn])
    return Document(tuple(sentences), tuple(withdrawn), tuple(faults))


def _blocks(text: str) -> Iterator[str]:
    """Yield paragraphs, list items and table rows: what one sentence cannot reach beyond."""
    block: list[str] = []
    fenced = False
    for line in text.splitlines():
        fence = line.lstrip().startswith("```")
        begins = not line.strip() or line.startswith(("- ", "|", "#")) or fence
        if begins and block:
            yield "\n".join(block)
            block = []
        if fence:
            fenced = not fenced
        elif not fenced and line.strip():
            block.append(line)
    if block:
        yield "\n".join(block)


def _outside(block: str) -> Iterator[str]:
    if _LOOKS_NUMBERED.match(block) or block.startswith("- <a "):
        yield f"this looks like a requirement and is not written as one: {block[:80]!r}"
    if _BOILERPLATE not in block:
        for match in _KEYWORD.finditer(block):
            yield f"{match[0]} outside of a numbered sentence: {block[:80]!r}"


def _sentence(name: str, anchor: str, rest: str) -> Sentence:
    sources = _SOURCES.search(rest)
    text = rest[: sources.start()] if sources else rest
    upstream = tuple(part.strip() for part in sources["sources"].split(",")) if sources else ()
    return Sentence(name, f"#{anchor}", _level(text), text, upstream)


def _level(text: str) -> Level | None:
    """Return the one level of a sentence; None without one, and with two that differ."""
    found = {match[1] for match in _KEYWORD.finditer(text)}
    match sorted(found & _LEVELS) if found <= _LEVELS else []:
        case ["MUST"]:
            return "MUST"
        case ["SHOULD"]:
            return "SHOULD"
        case ["MAY"]:
            return "MAY"
        case _:
            return None


def _numbering(names: Iterable[str]) -> Iterator[str]:
    areas: dict[str, list[int]] = {}
    for name in names:
        area, _, digits = name.rpartition("/")
        areas.setdefault(area, []).append(int(digits))
    for area, numbers in areas.items():
        for number, times in sorted(Counter(numbers).items()):
            if times > 1:
                yield f"{area}/{number:02}: this number is given {times} times"
        for number in sorted(set(range(1, max(numbers) + 1)) - set(numbers)):
            yield f"{area}/{number:02}: this number is missing"


# -- the register -------------------------------------------------------------------------------------------


def read_register(path: Path) -> list[dict[str, Any]]:
    """Return the requirements of a register file.

    Raises:
        ValueError: it is not a register: the file and the place are named.
    """
    whole = json.loads(path.read_bytes())
    schema = data.read("schemas", "requirement.json")
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(whole), key=lambda e: list(e.path))
    if errors:
        raise ValueError(f"{path}: {errors[0].json_path}: {errors[0].message}")
    return list(whole["requirements"])


def differences(document: Document, register: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what keeps document and register from being one, a line each; nothing when they are."""
    found = list(document.faults)
    known = {entry["id"]: entry for entry in register}
    said = {sentence.id: sentence for sentence in document.sentences}
    found += [
        f"{name}: registered {n} times" for name, n in Counter(e["id"] for e in register).items() if n > 1
    ]
    found += [f"{name}: registered, and not in the document" for name in known if name not in said]
    for name, sentence in said.items():
        entry = known.get(name)
        if entry is None:
            found.append(f"{name}: not registered; look at it, then run with --update")
        else:
            found += _compared(sentence, entry)
    return found


def _compared(sentence: Sentence, entry: Mapping[str, Any]) -> Iterator[str]:
    # (1) What tests were written for is the sentence of the register; another one has to be read by people.
    if entry["textDigest"] != sentence.digest:
        yield f"{sentence.id}: the sentence has changed; look at its tests again, then run with --update"
        return
    # (2) The rest follows from the same line.
    for member, value in _taken(sentence).items():
        if entry[member] != value:
            yield f"{sentence.id}: `{member}` is not the document's; run with --update"


def updated(document: Document, register: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the register with the document's sentences; what is kept by hand is kept, and nothing is dropped."""
    known = {entry["id"]: entry for entry in register}
    entries: list[dict[str, Any]] = []
    for sentence in document.sentences:
        by_hand = known.pop(sentence.id, None) or _new(sentence)
        entries.append(_in_order({**by_hand, **_taken(sentence)}))
    return [*entries, *(dict(entry) for entry in known.values())]


def _taken(sentence: Sentence) -> dict[str, Any]:
    return {
        "id": sentence.id,
        "anchor": sentence.anchor,
        "level": sentence.level,
        "text": sentence.text,
        "textDigest": sentence.digest,
        "upstream": list(sentence.upstream),
    }


def _new(sentence: Sentence) -> dict[str, Any]:
    article, subject, *_ = (*sentence.text.split(), "", "")
    named = subject if article in ("A", "An") else "server"
    return {"subject": named.lower(), "testability": "automatic", "notTestedReason": None}


_ORDER: Final = (
    "id", "anchor", "subject", "level", "text", "textDigest", "upstream", "testability", "notTestedReason",
)  # fmt: skip


def _in_order(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in _ORDER}


# -- coverage -----------------------------------------------------------------------------------------------


def uncovered(register: Sequence[Mapping[str, Any]], tests: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what of the register is not tested and not excused, and what tests name that is not there.

    A MUST needs an active test (`candidate` or `required`) or a `notTestedReason`. A reason beside an active test is
    out of date, and said as well.
    """
    tested = {name for test in tests if test["status"] in ACTIVE for name in test["requirements"]}
    known = {entry["id"] for entry in register}
    found: list[str] = []
    for entry in register:
        name, reason = entry["id"], entry["notTestedReason"]
        if entry["level"] == "MUST" and name not in tested and not reason:
            found.append(f"{name}: a MUST without an active test and without a reason")
        if name in tested and reason:
            found.append(f"{name}: tested, and still said to be not tested: {reason}")
    for test in tests:
        found += [
            f"{test['id']}: names {name}, which is not registered"
            for name in test["requirements"]
            if name not in known
        ]
    return found


# -- the command --------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, or with `--update` write. Exit status 0 when document and register agree, 1 when not, 2 on wrong use."""
    parser = argparse.ArgumentParser(
        prog="python -m fedcoop_conformance.register", description=__doc__.split("\n")[0]
    )
    parser.add_argument("document", type=Path, help="the protocol document")
    parser.add_argument("--register", type=Path, default=data.folder("catalogue") / REGISTER)
    parser.add_argument(
        "--update", action="store_true", help="take the document's sentences into the register"
    )
    chosen = parser.parse_args(arguments)
    document = read_document(chosen.document.read_text(encoding="utf-8"))
    register = read_register(chosen.register) if chosen.register.exists() else []
    # (1) A document that is wrong by itself is not taken over.
    if chosen.update and not document.faults:
        register = updated(document, register)
        whole = {"doc": "fedcoop-protocol", "version": "1.0", "requirements": register}
        chosen.register.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    found = differences(document, register)
    sys.stdout.writelines(f"{line}\n" for line in found)
    sys.stdout.write(f"requirements: {len(document.sentences)}, differences: {len(found)}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
