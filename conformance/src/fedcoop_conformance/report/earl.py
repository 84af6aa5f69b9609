"""`earl.jsonld`: the W3C's vocabulary for test results (EARL 1.0), as JSON-LD with its context inside."""

from __future__ import annotations

import json
from typing import Any, Final

from fedcoop_conformance.report.facts import Facts, link
from fedcoop_conformance.report.model import Result

CONTEXT: Final = {
    "earl": "http://www.w3.org/ns/earl#",
    "dct": "http://purl.org/dc/terms/",
    "doap": "http://usefulinc.com/ns/doap#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "assertedBy": {"@id": "earl:assertedBy", "@type": "@id"},
    "subject": {"@id": "earl:subject", "@type": "@id"},
    "mode": {"@id": "earl:mode", "@type": "@id"},
    "outcome": {"@id": "earl:outcome", "@type": "@id"},
    "test": "earl:test",
    "result": "earl:result",
    "info": "earl:info",
    "title": "dct:title",
    "isPartOf": {"@id": "dct:isPartOf", "@type": "@id"},
    "source": {"@id": "dct:source", "@type": "@id"},
    "date": {"@id": "dct:date", "@type": "xsd:dateTime"},
    "revision": "doap:revision",
    "name": "doap:name",
}
OUTCOMES: Final = {
    "passed": "earl:passed",
    "failed": "earl:failed",
    "inapplicable": "earl:inapplicable",
    "untested": "earl:untested",
    "cantTell": "earl:cantTell",
    # EARL has no word for a fault of the tester, and from such a test nothing can be told.
    "error": "earl:cantTell",
}


def write(facts: Facts) -> str:
    """Return the report as EARL."""
    graph = [
        _assertor(facts),
        _subject(facts),
        *(_assertion(facts, result) for result in facts.report.results),
    ]
    return json.dumps({"@context": CONTEXT, "@graph": graph}, ensure_ascii=False, indent=1) + "\n"


def _assertor(facts: Facts) -> dict[str, Any]:
    name, _, version = facts.report.header.suite.partition("@")
    return {"@id": "_:suite", "@type": ["earl:Assertor", "earl:Software"], "name": name, "revision": version}


def _subject(facts: Facts) -> dict[str, Any]:
    header = facts.report.header
    return {
        "@id": header.base + "/",
        "@type": ["earl:TestSubject", "earl:Software"],
        "name": header.software.name,
        "revision": header.software.version,
    }


def _assertion(facts: Facts, result: Result) -> dict[str, Any]:
    return {
        "@type": "earl:Assertion",
        "assertedBy": "_:suite",
        "subject": facts.report.header.base + "/",
        "mode": "earl:semiAuto" if result.evidence["human"] else "earl:automatic",
        "test": {
            "@id": f"urn:fedcoop:test:{result.id}:{result.rev}",
            "@type": "earl:TestRequirement" if result.level == "MUST" else "earl:TestCase",
            "title": facts.title(result),
            "isPartOf": f"urn:fedcoop:profile:{result.profile}",
            "source": [link(requirement) for requirement in facts.requirements(result)],
        },
        "result": {
            "@type": "earl:TestResult",
            "outcome": OUTCOMES[result.outcome],
            "date": facts.report.footer.ended_at,
            **_info(result),
        },
    }


def _info(result: Result) -> dict[str, str]:
    if result.outcome == "failed":
        return {"info": f"{result.code}: expected {result.expected}; received {result.received}"}
    said = "fault of the suite: " if result.outcome == "error" else ""
    return {"info": said + result.reason} if result.reason else {}
