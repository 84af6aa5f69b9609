"""Static vectors: questions with known answers, for any language and without a server."""

from __future__ import annotations

from fedcoop_conformance.vectors.adapter import Trouble, check
from fedcoop_conformance.vectors.answers import answer, kinds
from fedcoop_conformance.vectors.files import Corrupt, Vector, export, load, manifest, tests
from fedcoop_conformance.vectors.judging import Judged, Outcome, judge, outcomes

__all__ = [
    "Corrupt",
    "Judged",
    "Outcome",
    "Trouble",
    "Vector",
    "answer",
    "check",
    "export",
    "judge",
    "kinds",
    "load",
    "manifest",
    "outcomes",
    "tests",
]
