"""One fixed report in every format: compared byte by byte where programs read it, in a browser where people do.

`python conformance/tests/test_reports.py` writes the golden files anew; what changed is then read before it is kept.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import jsonschema
import pytest
from pyld import jsonld
from rich.console import Console as Screen

from fedcoop_conformance import catalogue, data, speech, verdict
from fedcoop_conformance.catalogue import Catalogue
from fedcoop_conformance.report import (
    badge,
    compare,
    console,
    describe,
    earl,
    html,
    json_,
    junit,
    markdown,
    matrix,
    model,
    ndjson,
    tap,
)  # fmt: skip
from fedcoop_conformance.report.facts import Facts, curl
from fedcoop_conformance.report.model import Header, Report, Result, Software, Step
from fedcoop_conformance.transcript import Transcript
from fedcoop_conformance.verdict import ReportInvalid

GOLDEN: Final = Path(__file__).parent / "golden"
PAYLOAD: Final = "<script>alert(1)</script><img src=https://evil.example/x.png>"
"""What a server says may be meant for whoever reads the report."""


# ------------------------------------------------------------------------------------------- the fixed report


@cache
def the_catalogue() -> Catalogue:
    said = json.loads((GOLDEN / "catalogue.json").read_text("utf-8"))
    return catalogue.of(said["requirements"], said["tests"], said["profiles"])


HEADER: Final = Header(
    suite="fedcoop-conformance@0.1.0",
    catalogue=the_catalogue().digest,
    vectors="uEiVectorsOfTheGoldenFiles",
    seed="7c0d5a11e1b04f6b",
    started_at="2026-11-22T10:01:40Z",
    base="http://127.0.0.1:8101",
    software=Software("tumulus", "2.3.1", "git:9f2c1de", "https://git.example/tumulus"),
    profiles=("core@1.0", "signature@1.0"),
    driver="c2s",
    transport="loopback",
    tls="off",
    annotated=False,
    selected=None,
    calibration={"rtt": 4, "deliver": 40},
)
RESULTS: Final = (
    Result("FC-COR-001", 1, "core", "MUST", "passed", evidence={"wire": 1}, duration_ms=6, exchanges=(1,)),
    Result("FC-COR-002", 2, "core", "MUST", "inapplicable", advertised=False, reason="sut.toml declares no cavage"),
    Result(
        "FC-SIG-004", 1, "signature", "MUST", "failed", code="NOT_REFUSED", expected="401",
        received=f"202 after 6 ms, with Bearer abcdefgh12 and <b>&#'\"</b> | {PAYLOAD}",
        evidence={"wire": 2, "api": 1}, duration_ms=1012,
        steps=(Step("step", "the faulty message is refused", False), Step("control", "the twin is taken", True)),
        exchanges=(1, 2, 3, 9),
    ),
    Result("FC-SIG-005", 1, "signature", "MUST", "untested", reason="the driver cannot do key.rotate # yet"),
    Result("FC-SIG-006", 1, "signature", "SHOULD", "failed", code="TWO_REQUESTS", expected="one request",
           received="two", evidence={"wire": 1, "human": 1}, duration_ms=20),
    Result("FC-SIG-007", 1, "signature", "MUST", "error", reason="KeyError: 'x' (play:7)"),
    Result("FC-SIG-008", 1, "signature", "MUST", "failed", code="NOT_FOUND", expected="200", received="404",
           evidence={"wire": 1}, duration_ms=3, exchanges=(4,)),
)  # fmt: skip


def the_transcript() -> Transcript:
    kept = Transcript()
    actor = b"GET http://127.0.0.1:8101/u/alice HTTP/1.1\r\nAccept: application/activity+json\r\n\r\n"
    signed = b'POST http://127.0.0.1:8101/u/alice/inbox HTTP/1.1\r\nSignature: sig1=:AAAA:\r\n\r\n{"type":"Follow"}'
    finger = b"GET http://127.0.0.1:8101/.well-known/webfinger?resource=acct:alice@a.example HTTP/1.1\r\n" \
             b"Host: 127.0.0.1:8101\r\nX-Said: it's\r\n\r\n"  # fmt: skip
    said = f"HTTP/1.1 202 Accepted\r\n\r\n{PAYLOAD}".encode() + b"\xff\x00"
    for direction, request, response in (
        ("out", actor, b"HTTP/1.1 200 OK\r\n\r\n{}"),
        ("out", signed, said),
        ("in", b"GET /actors/p1 HTTP/1.1\r\n\r\n", None),
        ("out", finger, b"HTTP/1.1 404 Not Found\r\n\r\n"),
    ):
        kept.record(direction=direction, peer="honest", request=request, response=response, at_ms=100)
    return kept


def the_report(results: Sequence[Result] = RESULTS, header: Header = HEADER) -> Report:
    return model.completed(header, results, ended_at="2026-11-22T10:04:12Z", catalogue=the_catalogue())


def the_facts(**more: Any) -> Facts:
    return Facts(the_report(), the_catalogue(), {one.number: one for one in the_transcript()}, **more)


def changed(**by_id: Mapping[str, Any]) -> Report:
    """Return the report with some results otherwise; `FC_SIG_004={"outcome": "passed", …}`."""
    return the_report([replace(one, **by_id.get(one.id.replace("-", "_"), {})) for one in RESULTS])


PASSED: Final = {"outcome": "passed", "code": None, "expected": None, "received": None, "reason": None}

GOLDEN_FILES: Final = {
    "junit.xml": junit.write, "tap.txt": tap.write, "earl.jsonld": earl.write, "summary.md": markdown.write,
}  # fmt: skip


@pytest.mark.parametrize(("name", "write"), GOLDEN_FILES.items(), ids=GOLDEN_FILES.keys())
def test_the_format_is_as_it_was(name: str, write: Any):
    assert write(the_facts()) == (GOLDEN / name).read_text("utf-8")


@pytest.fixture(autouse=True)
def in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "LANGUAGE", "en")


# ------------------------------------------------------------------------------------------- the model and JSON


def test_a_report_that_is_written_and_read_is_the_same():
    assert json_.read(json_.write(the_report())) == the_report()


def test_a_report_is_canonical_and_holds_to_its_schema():
    written = json_.write(the_report())
    schema = json.loads((data.folder("schemas") / "report.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(written), schema)
    assert written.startswith(b'{"footer":{"claims":[{"deviations":[]')


def test_the_claims_of_a_completed_report_are_those_that_recomputing_gives():
    written = json.loads(json_.write(the_report()))
    assert verdict.recompute(written, the_catalogue()) == list(the_report().footer.claims)
    assert [claim.verdict for claim in the_report().footer.claims] == ["conformant", "not-conformant"]


def test_a_test_that_was_not_run_stands_in_the_report_all_the_same():
    report = the_report(RESULTS[:2])
    left = report.result("FC-SIG-006")
    assert left is not None
    assert (left.outcome, left.level, left.reason) == ("untested", "SHOULD", "not selected")
    assert report.footer.claims[1].verdict == "incomplete"
    assert verdict.recompute(report.to_json(), the_catalogue())


def test_no_secret_stands_in_a_report():
    result = the_report().result("FC-SIG-004")
    assert result is not None
    assert result.received is not None
    assert result.received.startswith("202 after 6 ms, with Bearer [redacted: bearer token] and")
    secret = replace(RESULTS[2], reason="password=abc", steps=(Step("step", "Bearer abcdefgh12", True),))
    assert not re.search("abc", json_.write(the_report([secret])).decode())


SPOILED: Final = {
    "a number with a fraction": ("schema", lambda it: it["results"][0].update(durationMs=1.5)),
    "a number with a nought behind the point": ("schema", lambda it: it["results"][0].update(durationMs=6.0)),
    "an outcome of no known name": ("schema", lambda it: it["results"][0].update(outcome="ok")),
    "a pass with a failure code": ("schema", lambda it: it["results"][0].update(code="CONTROL")),
    "a failure without a code": ("schema", lambda it: it["results"][2].update(code=None)),
    "a member that nobody knows": ("schema", lambda it: it["header"].update(score="98 %")),
    "a member that is missing": ("schema", lambda it: it["results"][0].pop("advertised")),
    "no header": ("schema", lambda it: it.pop("header")),
    "no footer": ("no-footer", lambda it: it.pop("footer")),
    "a footer of nothing": ("no-footer", lambda it: it.update(footer=None)),
    "a footer that does not say when the run ended": ("schema", lambda it: it["footer"].pop("endedAt")),
    "a seed that is no seed": ("schema", lambda it: it["header"].update(seed="1; rm -r")),
}  # fmt: skip


@pytest.mark.parametrize(("reason", "spoil"), SPOILED.values(), ids=SPOILED.keys())
def test_what_is_no_report_is_not_read(reason: str, spoil: Any):
    said = the_report().to_json()
    spoil(said)
    with pytest.raises(ReportInvalid) as refused:
        json_.read(json.dumps(said).encode())
    assert refused.value.reason == reason


def test_bytes_that_are_no_json_or_say_a_thing_twice_are_not_read():
    for content in (b"", b"[]", b"{", b'{"schema":1,"schema":2}', b"\xff"):
        with pytest.raises(ReportInvalid, match=r"^schema"):
            json_.read(content)


def test_what_is_nested_too_deeply_is_not_read():
    for depth in (300, 700, 100_000):
        deep = b"[" * depth + b"]" * depth
        for content in (
            deep,
            json_.write(the_report()).replace(b'"profiles":[', b'"profiles":[' + deep + b",", 1),
        ):
            with pytest.raises(ReportInvalid, match=r"^schema"):
                json_.read(content)


def test_reading_plain_json_that_lacks_something_is_refused():
    for spoil in (
        lambda it: it.pop("footer"),
        lambda it: it["results"].append(5),
        lambda it: it.update(header=None),
    ):
        said = the_report().to_json()
        spoil(said)
        with pytest.raises(ReportInvalid, match=r"^schema"):
            model.from_json(said)


# ------------------------------------------------------------------------------------------------------ events


def test_events_are_written_one_by_one_while_the_run_goes_on():
    file = io.StringIO()
    ticks = iter((1.0, 1.0, 1.25, 1.5, 2.0))
    events = ndjson.Events(file, clock=lambda: next(ticks))
    events.run(HEADER)
    events.started(the_catalogue().tests["FC-COR-001"])
    assert file.getvalue().count("\n") == 2
    events.result(RESULTS[0])
    events.finished(the_report())
    said = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [(line["event"], line["atMs"]) for line in said] == [
        ("run", 0), ("started", 250), ("result", 500), ("finished", 1000),
    ]  # fmt: skip
    assert (said[0]["header"]["seed"], said[1]["id"], said[2]["id"]) == (
        HEADER.seed,
        "FC-COR-001",
        "FC-COR-001",
    )
    assert said[3]["claims"] == the_report().to_json()["footer"]["claims"]


def test_no_secret_stands_in_an_event():
    file = io.StringIO()
    ndjson.Events(file).result(replace(RESULTS[0], outcome="cantTell", reason="Bearer abcdefgh12"))
    assert "abcdefgh12" not in file.getvalue()
    assert json.loads(file.getvalue().splitlines()[-1])["outcome"] == "cantTell"


# ------------------------------------------------------------------------------------ what other programs read


def test_junit_counts_what_it_holds():
    root = ElementTree.fromstring(junit.write(the_facts()))
    for node in (root, *root.findall("testsuite")):
        cases = list(node.iter("testcase"))
        counted = {name: sum(case.find(tag) is not None for case in cases) for name, tag in
                   (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))}  # fmt: skip
        assert {name: int(node.attrib[name]) for name in counted} == counted
        assert int(node.attrib["tests"]) == len(cases)
    assert (root.attrib["failures"], root.attrib["errors"], root.attrib["skipped"]) == ("3", "1", "2")


def test_junit_is_xml_whatever_a_server_says():
    report = changed(FC_SIG_004={"received": "\x00\x1b]]>\ud800</failure>&"})
    root = ElementTree.fromstring(junit.write(Facts(report, the_catalogue())))
    assert "]]>" in next(root.iter("failure")).attrib["message"]


def points(report: Report) -> dict[str, str]:
    """Return the test points of a report's TAP by test id."""
    lines = tap.write(Facts(report, the_catalogue())).splitlines()
    found = [re.match(r"(not ok|ok) \d+ - (FC-\S+)", line) for line in lines]
    return {one[2]: one[1] for one in found if one}


def test_in_tap_a_required_test_that_was_not_run_is_not_ok():
    assert points(the_report())["FC-SIG-005"] == "not ok"
    cannot_tell = changed(FC_SIG_004={"outcome": "cantTell", "code": None})
    assert points(cannot_tell)["FC-SIG-004"] == "not ok"


def test_in_tap_a_test_that_keeps_nothing_open_may_be_skipped():
    assert points(the_report())["FC-COR-002"] == "ok"
    assert points(changed(FC_SIG_007={"outcome": "untested"}))["FC-SIG-007"] == "ok"
    assert points(changed(FC_COR_002={"advertised": True}))["FC-COR-002"] == "not ok"


def test_in_tap_what_a_server_says_stays_in_its_place():
    report = changed(
        FC_SIG_005={"reason": "nothing\nok 99 - all # SKIP"}, FC_COR_002={"reason": "a\nok 98 # b"}
    )
    lines = tap.write(Facts(report, the_catalogue())).splitlines()
    assert [line for line in lines if line.startswith(("ok 9", "Bail"))] == []
    assert "ok 2 - FC-COR-002 The older signatures are read # SKIP inapplicable: a ok 98 \\# b" in lines


def test_earl_needs_no_context_from_elsewhere_and_names_every_test():
    said = json.loads(earl.write(the_facts()))
    assert isinstance(said["@context"], dict)
    asserted = [one for one in said["@graph"] if one["@type"] == "earl:Assertion"]
    assert [one["result"]["outcome"] for one in asserted] == [
        "earl:passed", "earl:inapplicable", "earl:failed", "earl:untested", "earl:failed", "earl:cantTell",
        "earl:failed",
    ]  # fmt: skip
    assert [one["mode"] for one in asserted if one["test"]["title"].startswith("The scheme")] == [
        "earl:semiAuto"
    ]


def test_earl_means_the_same_to_a_json_ld_processor():
    def refused(url: str, options: object) -> None:
        raise AssertionError(f"{url} was asked for")

    said = json.loads(earl.write(the_facts()))
    expanded = jsonld.expand(said, {"documentLoader": refused})
    failed = next(one for one in expanded if "NOT_REFUSED" in json.dumps(one))
    [result] = failed["http://www.w3.org/ns/earl#result"]
    assert result["http://www.w3.org/ns/earl#outcome"] == [{"@id": "http://www.w3.org/ns/earl#failed"}]
    assert failed["http://www.w3.org/ns/earl#assertedBy"] == [{"@id": "_:suite"}]


def test_in_markdown_what_a_server_says_is_only_text():
    said = markdown.write(the_facts())
    assert "<script" not in said.replace("\\<script", "")
    row = next(line for line in said.splitlines() if line.startswith("| received | 202"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 3


# ------------------------------------------------------------------------------------------------------- badge


def test_the_badge_names_profiles_versions_and_verdicts_and_no_percentage():
    said = json.loads(badge.as_json(the_report()))
    assert said["message"] == "core 1.0 conformant; signature 1.0 not conformant"
    assert said["profiles"] == {"core@1.0": "conformant", "signature@1.0": "not-conformant"}
    assert not re.search(r"%|\d+\s*/\s*\d+", badge.as_svg(the_report()) + said["message"])


def test_the_badge_has_the_colour_of_the_worst_verdict():
    assert badge.worst(the_report()) == "not-conformant"
    open_ = changed(FC_SIG_004=PASSED, FC_SIG_008=PASSED)
    assert badge.worst(open_) == "incomplete"
    everything = changed(FC_SIG_004=PASSED, FC_SIG_008=PASSED, FC_SIG_005=PASSED)
    assert badge.worst(everything) == "conformant"
    assert badge.message(everything) == "core 1.0, signature 1.0 conformant"


def test_a_report_of_nothing_has_no_good_badge():
    nothing = replace(the_report(), footer=replace(the_report().footer, claims=()))
    assert (badge.worst(nothing), badge.message(nothing)) == ("incomplete", "nothing")


def test_the_badge_is_a_picture_with_a_name_and_links_to_the_statement():
    root = ElementTree.fromstring(badge.as_svg(the_report(), statement="https://a.example/s?a=1&b=2"))
    assert root.attrib["aria-label"] == "fedcoop: core 1.0 conformant; signature 1.0 not conformant"
    assert root.find("{*}a").attrib["href"] == "https://a.example/s?a=1&b=2"  # type: ignore[union-attr]


# ----------------------------------------------------------------------------------------------------- console


def shown(*, terminal: bool, verbose: bool = False, facts: Facts | None = None) -> str:
    file = io.StringIO()
    screen = Screen(file=file, force_terminal=terminal, width=60, highlight=False)
    watcher = console.Console(len(RESULTS), screen=screen, verbose=verbose)
    for result in RESULTS:
        watcher.started(the_catalogue().tests[result.id])
        watcher.result(result)
    watcher.finished(facts or the_facts())
    return file.getvalue()


def test_the_last_lines_are_one_per_profile_and_then_the_counts():
    assert shown(terminal=False).splitlines()[-3:] == [
        "core@1.0           conformant      1 of 2 required passed; inapplicable: FC-COR-002",
        "signature@1.0      not conformant  0 of 3 required passed; deviations: FC-SIG-006; open: FC-SIG-005",
        "conformance: 1 passed, 3 failed, 2 skipped, 1 error",
    ]


def test_without_errors_the_last_line_names_none():
    facts = Facts(changed(FC_SIG_007=PASSED), the_catalogue())
    assert markdown.last_line(facts) == "conformance: 2 passed, 3 failed, 2 skipped"


def test_without_a_terminal_there_are_plain_lines_and_no_colours():
    said = shown(terminal=False)
    assert "\x1b" not in said
    assert "passed       FC-COR-001  6 ms\n" in said
    assert "failed       FC-SIG-004  1012 ms  NOT_REFUSED\n" in said


def test_on_a_terminal_what_passed_is_not_listed_unless_asked_for():
    assert "passed       FC-COR-001" not in shown(terminal=True)
    assert "passed       FC-COR-001" in shown(terminal=True, verbose=True)
    assert "failed       FC-SIG-004" in shown(terminal=True)


def test_no_secret_stands_on_the_console():
    file = io.StringIO()
    watcher = console.Console(1, screen=Screen(file=file, width=60))
    watcher.result(replace(RESULTS[3], reason="Bearer abcdefgh12"))
    watcher.finished(Facts(the_report(), the_catalogue()))
    assert "abcdefgh12" not in file.getvalue()


def test_what_a_server_says_colours_nothing_and_moves_no_cursor():
    file = io.StringIO()
    watcher = console.Console(1, screen=Screen(file=file, width=60))
    watcher.result(replace(RESULTS[3], reason="[red]x[/red] \x1b[2J"))
    watcher.finished(Facts(changed(FC_SIG_004={"received": "\x1b[2Jgone"}), the_catalogue()))
    assert "[red]x[/red]" in file.getvalue()
    assert "\x1b" not in file.getvalue()


def test_a_failure_is_told_with_all_that_is_needed_to_play_it_again():
    result = the_report().result("FC-SIG-004")
    assert result is not None
    assert console.failed_block(the_facts(), result).splitlines()[:6] == [
        "FAILED FC-SIG-004  The digest of another body is refused  MUST  security  NOT_REFUSED",
        '  requirement  fcr:sig/07 "A receiver MUST refuse a request whose Content-Digest does not match the body '
        'that it received."',
        "  step         the faulty message is refused: FAILED",
        "  control      the twin is taken: ok",
        "  expected     401",
        "  received     202 after 6 ms, with Bearer [redacted: bearer token] and <b>&#'\"</b> | "
        f"{PAYLOAD} (evidence: 2 wire, 1 api)",
    ]
    assert "  exchange     out/transcript/001.http, 002.http, 003.http, 009.http" in shown(terminal=False)
    assert "  reproduce    fedcoop-conformance run sut.toml -t FC-SIG-004 --seed 7c0d5a11e1b04f6b" in shown(
        terminal=False
    )


def test_the_console_speaks_french_and_its_last_line_stays_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(speech, "LANGUAGE", "fr")
    said = shown(terminal=False)
    assert "ÉCHEC FC-SIG-004  Le condensé d'un autre corps est refusé  MUST  security  NOT_REFUSED" in said
    assert "  exigence     fcr:sig/07" in said
    assert said.splitlines()[-2:] == [
        "signature@1.0      non conforme    0 sur 3 exigés réussis; écarts: FC-SIG-006; ouverts: FC-SIG-005",
        "conformance: 1 passed, 3 failed, 2 skipped, 1 error",
    ]
    test = the_catalogue().tests["FC-SIG-004"]
    assert describe.describe(test, the_catalogue()).startswith(
        "FC-SIG-004  Le condensé d'un autre corps est refusé"
    )
    assert compare.compare(the_report(), the_report()).to_text().startswith("compare: 0 cassé, 0 réparé")


def test_a_demo_is_played_again_as_a_demo():
    facts = the_facts(again="--demo=no-digest")
    assert facts.reproduce(RESULTS[2]).startswith(
        "fedcoop-conformance run --demo=no-digest -t FC-SIG-004 --seed "
    )


def test_what_fails_and_counts_comes_first_and_then_by_impact():
    assert [result.id for result in the_facts().failures] == ["FC-SIG-004", "FC-SIG-008", "FC-SIG-006"]


def test_how_many_published_implementations_pass_is_said_where_it_is_known():
    others = [
        the_report(),
        changed(FC_SIG_004=PASSED),
        changed(FC_SIG_004={"outcome": "untested", "code": None}),
    ]
    assert the_facts(published=others).passing(RESULTS[2]) == (1, 2)
    assert the_facts().passing(RESULTS[2]) is None
    assert "1 of 2 published implementations pass" in shown(terminal=False, facts=the_facts(published=others))


# -------------------------------------------------------------------------------------------------------- curl


def test_where_one_unsigned_request_is_enough_there_is_a_command_that_sends_it():
    result = RESULTS[-1]
    assert the_facts().curl(result) == (
        """curl -i -X GET -H 'X-Said: it'"'"'s' """
        "'http://127.0.0.1:8101/.well-known/webfinger?resource=acct:alice@a.example'"
    )
    assert "By hand:" in html.write(the_facts())


def test_where_one_request_is_not_enough_there_is_none():
    assert the_facts().curl(RESULTS[2]) is None
    assert Facts(the_report(), the_catalogue()).curl(RESULTS[-1]) is None


NO_COMMAND: Final = {
    "signed": b"POST http://a/ HTTP/1.1\r\nSignature: a\r\n\r\n{}",
    "signed in the other way": b"POST http://a/ HTTP/1.1\r\nSignature-Input: a\r\n\r\n{}",
    "with a secret": b"GET http://a/ HTTP/1.1\r\nCookie: [redacted: cookie]\r\n\r\n",
    "cut": b"POST http://a/ HTTP/1.1\r\n\r\nxx[cut: 9 bytes]",
    "no text": b"POST http://a/ HTTP/1.1\r\n\r\n\xff",
    "too long": b"POST http://a/ HTTP/1.1\r\n\r\n" + b"x" * 3000,
    "no request": b"nonsense\r\n\r\n",
}


@pytest.mark.parametrize("request_", NO_COMMAND.values(), ids=NO_COMMAND.keys())
def test_a_request_that_no_command_can_say_gives_none(request_: bytes):
    assert curl(request_) is None


def test_a_command_says_the_request_and_nothing_else():
    hostile = b'POST http://a/\'$(id) HTTP/1.1\r\nX: `id`\r\n\r\n{"a":"\'; id"}'
    command = curl(hostile)
    assert command is not None
    words = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True
    )
    assert words.stdout.splitlines() == [
        "curl", "-i", "-X", "POST", "-H", "X: `id`", "--data-binary", "{\"a\":\"'; id\"}", "http://a/'$(id)",
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------ compare and matrix


def test_comparing_a_report_with_itself_finds_nothing():
    found = compare.compare(the_report(), the_report())
    assert found.to_text() == "compare: 0 broken, 0 fixed, 0 changed, 0 added, 0 removed"


def test_comparing_says_what_was_broken_fixed_changed_added_and_removed():
    before = changed(FC_SIG_008={"outcome": "untested", "code": None})
    after = changed(
        FC_COR_001={**PASSED, "outcome": "untested", "reason": "later"},
        FC_SIG_004=PASSED,
        FC_SIG_006={"code": "OTHER"},
    )
    after = replace(after, results=tuple(one for one in after.results if one.id != "FC-COR-002"))
    before = replace(before, results=tuple(one for one in before.results if one.id != "FC-SIG-007"))
    assert compare.compare(before, after).to_text().splitlines() == [
        "core@1.0: conformant -> incomplete",
        "broken   FC-COR-001  passed -> untested",
        "broken   FC-SIG-008  untested -> failed NOT_FOUND",
        "fixed    FC-SIG-004  failed NOT_REFUSED -> passed",
        "changed  FC-SIG-006  failed TWO_REQUESTS -> failed OTHER",
        "added    FC-SIG-007  none -> error",
        "removed  FC-COR-002  inapplicable -> none",
        "compare: 2 broken, 1 fixed, 1 changed, 1 added, 1 removed",
    ]


def test_comparing_warns_where_two_reports_do_not_speak_of_the_same():
    other = replace(the_report(), header=replace(HEADER, catalogue="uEiX", software=Software("other", "1")))
    found = compare.compare(the_report(), other).to_json()
    assert found["warnings"] == ["made with two catalogues", "of two servers"]


def another() -> Report:
    header = replace(HEADER, software=Software("<other>", "0.1|b"), profiles=("signature@1.0",))
    return the_report([replace(RESULTS[2], **PASSED)], header)


def test_the_matrix_has_a_column_for_each_implementation_and_a_row_for_each_test():
    said = matrix.write_markdown([the_report(), another()])
    assert "| Profile | tumulus 2.3.1 | \\<other\\> 0.1\\|b |" in said
    assert "| core@1.0 | conformant | no claim |" in said
    assert "| signature@1.0 | **not conformant** | incomplete |" in said
    assert "| FC-SIG-004 | **failed** | passed |" in said
    assert "| FC-COR-001 | passed | not in this report |" in said


# ---------------------------------------------------------------------------------------------------- describe


def test_a_test_is_described_so_that_nobody_needs_its_source():
    test = the_catalogue().tests["FC-SIG-004"]
    said = describe.describe(test, the_catalogue(), source="cases/signature.py")
    assert said.splitlines() == [
        "FC-SIG-004  The digest of another body is refused  MUST  security  automatic",
        "  revision     1, required, since 1.0",
        '  requirement  fcr:sig/07 "A receiver MUST refuse a request whose Content-Digest does not match the',
        '               body that it received." (RFC 9530 §2, RFC 9421 §7.2)',
        "               https://w3id.org/fedcoop/v1/protocol#sig-07",
        "  depends on   FC-COR-001",
        "  needs        observe",
        "  control      P sends A1, correctly signed: 2xx, A1 observed",
        "  step 1       P signs A2 with the Content-Digest of other bytes",
        "  step 2       POST to the inbox of L",
        "  expected     status: 4xx; absent: A2 observed",
        "  can fail as  CONTROL, NOT_REFUSED, SIDE_EFFECT, SERVER_ERROR",
        "  kills        no-digest (NOT_REFUSED)",
        "  source       cases/signature.py",
        "  history      1, 2026-11-22: first",
    ]


# -------------------------------------------------------------------------------------------- the page, as text


class Outline(HTMLParser):
    """What a page would load, its headings, and its tables."""

    VOID: Final = frozenset({"meta", "input", "br", "link", "img"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.cells: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in {"script", "img", "link", "iframe", "object", "embed", "video", "audio", "source", "base"}:
            self.loads.append(tag)
        self.loads += [
            name for name in said if name in {"src", "srcset", "style", "background"} or name.startswith("on")
        ]
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        self.ids += [said["id"]] if said.get("id") else []  # type: ignore[list-item]
        self.links += [said["href"]] if tag == "a" and said.get("href") else []  # type: ignore[list-item]
        self.cells += [(tag, said.get("scope"))] if tag == "th" else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


PAGES: Final = {
    "report": lambda: html.write(the_facts()),
    "matrix": lambda: matrix.write_html([the_report(), another()]),
    "nothing": lambda: html.write(Facts(the_report(RESULTS[:1]), the_catalogue())),
}


@pytest.mark.parametrize("write", PAGES.values(), ids=PAGES.keys())
def test_the_page_is_well_formed_and_loads_nothing(write: Any):
    page = write()
    outline = Outline(page)
    assert outline.open == []
    assert outline.loads == []
    assert not re.search(r"url\(|@import", page)
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page


@pytest.mark.parametrize("write", PAGES.values(), ids=PAGES.keys())
def test_the_page_has_headings_in_order_and_anchors_that_are_there(write: Any):
    outline = Outline(write())
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(
        after <= before + 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False)
    )
    assert len(set(outline.ids)) == len(outline.ids)
    assert {link[1:] for link in outline.links if link.startswith("#")} <= set(outline.ids)
    assert {scope for _, scope in outline.cells} == {"col", "row"}


def test_the_page_says_of_a_failure_all_that_is_known():
    page = html.write(the_facts())
    for said in (
        "A receiver MUST refuse a request whose Content-Digest", "https://w3id.org/fedcoop/v1/protocol#sig-07",
        "https://www.rfc-editor.org/rfc/rfc9530#section-2", "NOT_REFUSED", "the faulty message is refused",
        "202 after 6 ms", "POST http://127.0.0.1:8101/u/alice/inbox", "HTTP/1.1 202 Accepted", "transcript/009.http",
        "fedcoop-conformance run sut.toml -t FC-SIG-004 --seed 7c0d5a11e1b04f6b", "seen on the wire",
        "vu sur le réseau", "<code>scheme</code>", "This report is not signed", "Ce rapport n&#x27;est pas signé",
    ):  # fmt: skip
        assert said in page


def test_a_long_message_and_a_long_list_are_cut_on_the_page():
    kept = Transcript()
    for n in range(40):
        kept.record(
            direction="out",
            peer="a",
            request=b"POST / HTTP/1.1\r\n\r\n" + b"z" * 30_000,
            response=None,
            at_ms=n,
        )
    report = changed(FC_SIG_004={"exchanges": tuple(range(1, 41))})
    page = html.write(Facts(report, the_catalogue(), {one.number: one for one in kept}))
    others = 1  # the exchange of FC-SIG-008
    assert page.count("<details>") == html.MAX_EXCHANGES + others
    assert "Further exchanges in the transcript: 28." in page
    assert page.count("z") < 13 * html.MAX_SHOWN


# ------------------------------------------------------------------------------------------ the page, in a browser

CHROMIUM: Final = shutil.which("chromium") or "chromium"
FLAGS: Final = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
]
IN_A_BROWSER: Final = (pytest.mark.browser, pytest.mark.timeout(300), pytest.mark.xdist_group("browser"))

# For each text that is seen, its contrast with the ground it stands on (WCAG 2.2, relative luminance).
CONTRAST: Final = """() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const lum = ([r, g, b]) => [r, g, b].map(v => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  const faint = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, e = node.parentElement;
    if (!node.textContent.trim() || !e.checkVisibility()) continue;
    const [a, b] = [lum(parse(getComputedStyle(e).color)), lum(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push([node.textContent.trim().slice(0, 40), ratio.toFixed(2)]);
  }
  return faint;
}"""
TEXTS: Final = """wanted => [...document.querySelectorAll('body .en, body .fr')]
  .filter(e => e.checkVisibility() && e.textContent.trim()).filter(e => !e.classList.contains(wanted)).length"""


OUT_OF_REACH: Final = """() => [...document.querySelectorAll('*')]
  .filter(e => e.checkVisibility() && e.tabIndex < 0 && e.scrollWidth > e.clientWidth + 1)
  .filter(e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX)).map(e => e.outerHTML.slice(0, 80))"""
"""What scrolls sideways and cannot be scrolled with a keyboard."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not shutil.which(CHROMIUM):
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as playing:
        browser = playing.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(chromium: Any, page: str, folder: Path, *, width: int = 1280, dark: bool = False) -> Iterator[Any]:
    """Open a page from a file, as whoever was sent it does; with scripts switched off."""
    file = folder / "report.html"
    file.write_text(page, "utf-8")
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        java_script_enabled=False,
    )
    asked: list[str] = []
    window = context.new_page()
    window.on("request", lambda request: asked.append(request.url))
    window.goto(file.as_uri())
    yield window
    context.close()
    assert asked == [file.as_uri()], "the page loaded something"


def _marked(*args: Any, id: str) -> Any:
    return pytest.param(*args, id=id, marks=IN_A_BROWSER)


VIEWS: Final = [
    _marked(PAGES[name], language, width, dark, id=f"{name}-{language}-{width}-{'dark' if dark else 'light'}")
    for name, views in {
        "report": product(("en", "fr"), (320, 1280), (False, True)),
        # The same frame and the same tables: the narrowest and the widest tell enough.
        "matrix": [("fr", 320, False), ("en", 1280, True)],
        "nothing": [("en", 320, True), ("fr", 1280, False)],
    }.items()
    for language, width, dark in views
]


@pytest.mark.parametrize(("write", "language", "width", "dark"), VIEWS)
def test_the_page_fits_is_legible_and_speaks_one_language(
    chromium: Any, tmp_path: Path, write: Any, language: str, width: int, dark: bool
):
    with opened(chromium, write(), tmp_path, width=width, dark=dark) as window:
        window.get_by_label("Français" if language == "fr" else "English").check()
        for folded in window.locator("summary").all():
            folded.click()
        assert window.evaluate("document.documentElement.scrollWidth") <= width
        assert window.evaluate(CONTRAST) == []
        assert window.evaluate(TEXTS, language) == 0
        assert window.evaluate("document.documentElement.lang") == "en"
        assert window.locator("[lang=fr]:visible").count() > (10 if language == "fr" else 0)


@pytest.mark.parametrize("write", [_marked(write, id=name) for name, write in PAGES.items()])
def test_a_keyboard_reaches_the_switch_and_everything_that_scrolls(chromium: Any, tmp_path: Path, write: Any):
    with opened(chromium, write(), tmp_path, width=320) as window:
        window.keyboard.press("Tab")
        assert window.evaluate("document.activeElement.className") == "skip"
        window.keyboard.press("Tab")
        assert window.evaluate("document.activeElement.id") == "in-en"
        window.keyboard.press("ArrowRight")
        assert window.get_by_label("Français").is_checked()
        assert window.evaluate(OUT_OF_REACH) == []


@pytest.mark.parametrize("write", [_marked(write, id=name) for name, write in PAGES.items()])
def test_a_screen_reader_is_told_the_name_of_every_control_region_and_table(
    chromium: Any, tmp_path: Path, write: Any
):
    with opened(chromium, write(), tmp_path) as window:
        assert window.get_by_role("radio").count() == 2
        assert window.get_by_role("group", name="Language").count() == 1
        for role in ("table", "region", "article"):
            for found in window.get_by_role(role).all():
                assert found.evaluate(
                    "e => (e.caption || document.getElementById(e.getAttribute('aria-labelledby'))).innerText"
                )
        assert window.get_by_role("main").count() == 1
        assert window.get_by_role("heading", level=1).count() == 1


if __name__ == "__main__":
    for name, write in GOLDEN_FILES.items():
        (GOLDEN / name).write_text(write(the_facts()), "utf-8")
