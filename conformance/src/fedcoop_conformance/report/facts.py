"""What every format says of a result: title, requirement, how to play it again. The formats only lay it out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from fedcoop_conformance.catalogue import Catalogue, Requirement, Test
from fedcoop_conformance.report.model import Report, Result
from fedcoop_conformance.transcript import Exchange

Language = Literal["en", "fr"]
PROTOCOL: Final = "https://w3id.org/fedcoop/v1/protocol"
"""Where the sentences of the protocol are read; an anchor follows."""
IMPACTS: Final = ("security", "breaks", "degrades", "cosmetic")
"""What a failure means in practice, the worst first. It orders, and decides nothing."""
SKIPPED: Final = ("inapplicable", "untested", "cantTell")
MAX_CURL_BODY: Final = 2048
"""Beyond this nobody pastes a command; the file of the exchange has it all."""
_UPSTREAM: Final = re.compile(r"RFC (?P<number>\d+)(?: §(?P<section>[\d.]+))?$")


@dataclass(frozen=True)
class Facts:
    """A report beside the catalogue that it was made with, and the exchanges where they are at hand.

    `published` are reports of other implementations, to say how many of them pass a test.
    """

    report: Report
    catalogue: Catalogue
    exchanges: Mapping[int, Exchange] = field(default_factory=dict)
    published: Sequence[Report] = ()
    again: str = "sut.toml"
    """What stands after `run` on the command line that plays it again."""

    @property
    def name(self) -> str:
        """Return name and version of the server under test."""
        return f"{self.report.header.software.name} {self.report.header.software.version}"

    @property
    def failures(self) -> list[Result]:
        """Return what failed, the worst first: what counts before what does not, then by impact, then by id."""
        failed = [result for result in self.report.results if result.outcome == "failed"]
        return sorted(
            failed, key=lambda one: (not self.is_demanded(one), IMPACTS.index(self.impact(one)), one.id)
        )

    @property
    def unsettled(self) -> list[Result]:
        """Return what has neither passed nor failed."""
        return [result for result in self.report.results if result.outcome not in ("passed", "failed")]

    @property
    def open(self) -> frozenset[str]:
        """Return the ids that keep a claim open."""
        return frozenset(test_id for claim in self.report.footer.claims for test_id in claim.open)

    def test(self, result: Result) -> Test | None:
        """Return the test of the catalogue, None where the catalogue has lost it."""
        return self.catalogue.tests.get(result.id)

    def is_demanded(self, result: Result) -> bool:
        """Return whether a failure of this test makes a profile not conformant."""
        test = self.test(result)
        return result.level == "MUST" and (test is None or test.status == "required")

    def title(self, result: Result, language: Language = "en") -> str:
        """Return the title of a test; its id where there is none."""
        test = self.test(result)
        titles = {} if test is None else test.entry.get("title", {})
        return str(titles.get(language) or titles.get("en") or result.id)

    def impact(self, result: Result) -> str:
        """Return what a failure means in practice."""
        test = self.test(result)
        said = "breaks" if test is None else test.entry.get("impact", "breaks")
        return said if said in IMPACTS else "breaks"

    def requirements(self, result: Result) -> list[Requirement]:
        """Return the sentences that a test holds the server to."""
        test = self.test(result)
        known = self.catalogue.requirements
        return [known[name] for name in (() if test is None else test.requirements) if name in known]

    def reproduce(self, result: Result) -> str:
        """Return the command that plays the test again."""
        return f"fedcoop-conformance run {self.again} -t {result.id} --seed {self.report.header.seed}"

    def curl(self, result: Result) -> str | None:
        """Return a command that sends the one request of a test; None where one is not enough.

        A signed request is never enough: it is stale within minutes, and its signer's key is gone with the run.
        """
        sent = [self.exchanges[n] for n in result.exchanges if n in self.exchanges]
        if len(sent) != 1 or len(result.exchanges) != 1 or sent[0].direction != "out":
            return None
        return curl(sent[0].request)

    def passing(self, result: Result) -> tuple[int, int] | None:
        """Return how many of the published implementations pass this test, of those that ran it in this revision."""
        found = [other.result(result.id) for other in self.published]
        ran = [one for one in found if one and one.rev == result.rev and one.outcome in ("passed", "failed")]
        return (sum(one.outcome == "passed" for one in ran), len(ran)) if ran else None


def link(requirement: Requirement) -> str:
    """Return where the sentence is read."""
    return PROTOCOL + requirement.anchor


def upstream(requirement: Requirement) -> list[tuple[str, str | None]]:
    """Return the documents that a sentence comes from, each with its address where that is known."""
    return [(name, _rfc(name)) for name in requirement.entry.get("upstream", ())]


def _rfc(name: str) -> str | None:
    found = _UPSTREAM.match(name)
    if found is None:
        return None
    section = f"#section-{found['section']}" if found["section"] else ""
    return f"https://www.rfc-editor.org/rfc/rfc{found['number']}{section}"


def curl(request: bytes) -> str | None:
    """Return a shell command that sends an unsigned request; None where a command cannot say it."""
    head, _, body = request.partition(b"\r\n\r\n")
    if len(body) > MAX_CURL_BODY or b"[redacted" in request or b"[cut:" in request:
        return None
    try:
        first, *lines = head.decode("ascii").split("\r\n")
        text = body.decode("utf-8")
        method, address, _ = first.split(" ")
    except (UnicodeDecodeError, ValueError):
        return None
    headers = [line for line in lines if not line.lower().startswith(("host:", "content-length:"))]
    if any(line.lower().startswith(("signature", "authorization:")) for line in headers):
        return None
    words = ["curl", "-i", "-X", method, *(word for line in headers for word in ("-H", line))]
    words += ["--data-binary", text] if text else []
    return shlex.join([*words, address])
