"""What a vector file is made of. A case says its answer; nothing here computes one."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One vector. `also` are reasons that name the same fault from another side."""

    id: str
    test: str
    comment: str
    input: Json
    reason: str | None = None
    twin: str | None = None
    output: Json | None = None
    flags: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    source: str | None = None
    acceptable: bool = False
    known_wrong: tuple[Json, ...] = ()

    def written(self) -> Json:
        """Return the vector as it stands in its file."""
        result = "acceptable" if self.acceptable else "invalid" if self.reason else "valid"
        members: Json = {
            "id": self.id,
            "rev": 1,
            "test": self.test,
            "comment": self.comment,
            "flags": list(self.flags),
            "source": self.source,
            "input": self.input,
            "result": result,
            "output": self.output,
            "knownWrong": list(self.known_wrong) or None,
            "reason": self.reason,
            "alsoReasons": list(self.also) or None,
            "twin": self.twin,
        }
        return {name: value for name, value in members.items() if value is not None}


@dataclass(frozen=True)
class File:
    """One vector file of one kind."""

    path: str
    kind: str
    spec: tuple[str, ...]
    cases: tuple[Case, ...]
    keys: Json = field(default_factory=dict)

    def written(self) -> Json:
        """Return the file's content. Its notes explain the flags that are used in it."""
        flags = sorted({flag for case in self.cases for flag in case.flags})
        return {
            "kind": self.kind,
            "schema": f"../../schemas/vector-{self.kind}.json",
            "spec": list(self.spec),
            "numberOfTests": len(self.cases),
            "notes": {flag: NOTES[flag] for flag in flags},
            "keys": self.keys,
            "tests": [case.written() for case in self.cases],
        }


def b64(data: bytes | str) -> str:
    """Return base64url without padding."""
    raw = data.encode("utf-8") if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def text(content: Json) -> bytes:
    """Return a file's bytes: readable, ASCII only, so that no editor changes what is in it."""
    return (json.dumps(content, indent=1, ensure_ascii=True) + "\n").encode("ascii")


def _note(bug_type: str, words: str) -> Json:
    return {"bugType": bug_type, "text": words}


NOTES: Final = {
    "PUBLISHED": _note("BASIC", "The answer was published by others; `source` says where."),
    "KEY_ORDER": _note("INTEROP", "Member names are sorted by their UTF-16 code units."),
    "NUMBER": _note("INTEROP", "Numbers are written as ECMAScript writes them."),
    "ESCAPE": _note("INTEROP", "Only what must be escaped is escaped."),
    "DUPLICATE": _note(
        "CONFUSION", "Two parsers would read two different documents, both under one signature."
    ),
    "RANGE": _note("CONFUSION", "A double does not hold the number, so two readers hold two numbers."),
    "HALF_CHARACTER": _note(
        "CONFUSION", "A lone surrogate has no UTF-8; libraries replace, drop or keep it."
    ),
    "ENCODING": _note("CONFUSION", "JSON is exchanged as UTF-8 without a byte order mark."),
    "TAMPER": _note("INTEGRITY", "One thing was changed after signing."),
    "PURPOSE": _note("AUTH_BYPASS", "A signature made to log in must not be taken for a contract."),
    "CONTEXT": _note("CONFUSION", "Terms would be read with a context that the signer never saw."),
    "SUITE": _note("CONFUSION", "The sender must not choose how the receiver verifies."),
    "MALLEABLE": _note("MALLEABILITY", "A second signature for one message, made without the key."),
    "LENGTH": _note("PARSING", "A signature has 64 bytes and a key 32, never more and never fewer."),
    "ENCODED_KEY": _note("PARSING", "A key has one spelling."),
    "COVERAGE": _note("INTEGRITY", "What is said to be covered must be there and be covered."),
    "ALGORITHM": _note("CONFUSION", "The key decides the algorithm."),
    "DIGEST": _note("INTEGRITY", "Every known digest must be right; unknown ones say nothing."),
    "FIELD": _note("PARSING", "Structured fields are parsed by their grammar or not at all."),
    "SCHEMA": _note("CONTENT", "One property breaks the named keyword of the schema."),
    "UNKNOWN_TERM": _note("INTEROP", "Terms that nobody here knows are no fault, and stay."),
    "ORIGIN": _note("AUTH_BYPASS", "Two ids of one server are told from two ids of two."),
    "LENIENT": _note("OPTIONAL", "Both answers are allowed: the specifications differ, or leave it open."),
}
