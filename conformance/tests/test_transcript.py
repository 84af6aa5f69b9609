"""A transcript numbers what went over the wire, keeps no secret, and shows when it was touched."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from fedcoop_conformance import transcript
from fedcoop_conformance.report import redact
from fedcoop_conformance.transcript import Transcript, TranscriptInvalid, verify

POST: Final = b"POST http://127.0.0.1:1/inbox HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n{}"
ACCEPTED: Final = b"HTTP/1.1 202 Accepted\r\n\r\n"


def a_transcript(folder: Path, exchanges: int = 3) -> Path:
    with Transcript(folder) as kept:
        for n in range(exchanges):
            kept.record(
                direction="out", peer="honest", request=POST + b"%d" % n, response=ACCEPTED, at_ms=5000 + n
            )
    return folder / "transcript.ndjson.gz"


def lines(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines()


def test_exchanges_are_numbered_from_one_and_timed_from_the_first(tmp_path: Path):
    with Transcript(tmp_path) as kept:
        first = kept.record(direction="out", peer="a", request=POST, response=ACCEPTED, at_ms=70_000)
        second = kept.record(direction="in", peer="b", request=POST, response=None, at_ms=70_012)
        assert (first, second) == (1, 2)
        assert (kept[2].direction, kept[2].at_ms, kept[2].response) == ("in", 12, None)
        assert [exchange.number for exchange in kept] == [1, 2]


def test_an_exchange_is_a_file_that_people_can_read(tmp_path: Path):
    a_transcript(tmp_path)
    text = (tmp_path / "transcript" / "002.http").read_bytes()
    assert text.startswith(b"### 2 honest -> server under test, at 1 ms\n" + POST)
    assert text.endswith(b"### answer\n" + ACCEPTED + b"\n")


def test_without_an_answer_the_file_says_so(tmp_path: Path):
    with Transcript(tmp_path) as kept:
        kept.record(direction="out", peer="a", request=POST, response=None, at_ms=0)
    assert (tmp_path / "transcript" / "001.http").read_bytes().endswith(b"### no answer\n")


def test_without_a_folder_everything_is_kept_in_memory_alone():
    with Transcript() as kept:
        kept.record(direction="out", peer="a", request=POST, response=ACCEPTED, at_ms=0)
    assert kept[1].request == POST


def test_a_whole_transcript_verifies_and_gives_everything_back(tmp_path: Path):
    chain = verify(a_transcript(tmp_path))
    assert [exchange.request for exchange in chain.exchanges] == [POST + b"0", POST + b"1", POST + b"2"]
    assert chain.exchanges[0].response == ACCEPTED


def test_the_same_run_gives_the_same_bytes(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert a_transcript(tmp_path / "a").read_bytes() == a_transcript(tmp_path / "b").read_bytes()


def test_a_run_of_nothing_is_a_whole_transcript_of_nothing(tmp_path: Path):
    assert verify(a_transcript(tmp_path, 0)).exchanges == ()


TAMPERED: Final[dict[str, tuple[Callable[[list[bytes]], list[bytes]], int]]] = {
    "an answer is changed": (lambda it: [*it[:1], it[1].replace(b"SFRUUC8xLjEgMjAy", b"SFRUUC8xLjEgNDAx"), *it[2:]], 3),
    "an exchange is taken out": (lambda it: it[:2] + it[3:], 3),
    "an exchange is put in twice": (lambda it: [*it[:2], it[1], *it[2:]], 3),
    "two exchanges change places": (lambda it: [it[0], it[2], it[1], *it[3:]], 2),
    "the end is missing": (lambda it: it[:-1], 5),
    "the beginning is missing": (lambda it: it[1:], 1),
    "something follows the end": (lambda it: [*it, b"{}"], 6),
    "nothing is there": (lambda _: [], 1),
    "a line is no JSON": (lambda it: [it[0], b"POST", *it[2:]], 2),
    "a line is no object": (lambda it: [it[0], b"[]", *it[2:]], 2),
    "a name occurs twice in a line": (lambda it: [it[0], it[1].replace(b"{", b'{"n":2,', 1), *it[2:]], 2),
    "a line is longer than any": (lambda it: [it[0], b"x" * (transcript.MAX_LINE + 1), *it[2:]], 2),
}  # fmt: skip


@pytest.mark.parametrize("case", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_transcript_that_was_touched_is_refused_where_it_shows(
    tmp_path: Path, case: tuple[Callable[[list[bytes]], list[bytes]], int]
):
    change, line = case
    path = a_transcript(tmp_path)
    path.write_bytes(gzip.compress(b"".join(one + b"\n" for one in change(lines(path)))))
    with pytest.raises(TranscriptInvalid) as refused:
        verify(path)
    assert refused.value.line == line


def chained(*said: dict[str, object]) -> bytes:
    """Return lines whose chain is whole, whatever they say."""
    made, previous = [], None
    for one in said:
        line = json.dumps({**one, "previous": previous}, sort_keys=True, separators=(",", ":")).encode()
        previous = transcript._digest(line)
        made.append(line + b"\n")
    return gzip.compress(b"".join(made))


HEAD: Final = {"schema": "fedcoop-transcript/1"}
EXCHANGE: Final = {"n": 1, "direction": "out", "peer": "a", "atMs": 0, "request": "", "response": None}
FORGED: Final[dict[str, tuple[list[dict[str, object]], int]]] = {
    "fewer exchanges than the end says": ([HEAD, EXCHANGE, {"exchanges": 2}], 3),
    "a number is left out": ([HEAD, EXCHANGE | {"n": 2}, {"exchanges": 1}], 2),
    "of another form": ([{"schema": "fedcoop-transcript/2"}, {"exchanges": 0}], 1),
    "no direction": ([HEAD, EXCHANGE | {"direction": "up"}, {"exchanges": 1}], 2),
    "no bytes": ([HEAD, EXCHANGE | {"request": "?"}, {"exchanges": 1}], 2),
    "a request that is no text": ([HEAD, EXCHANGE | {"request": 5}, {"exchanges": 1}], 2),
    "a second end": ([HEAD, {"exchanges": 0}, {"exchanges": 0}], 3),
}


def test_lines_chained_by_the_test_are_chained_as_the_suite_does_it(tmp_path: Path):
    path = tmp_path / "t.gz"
    path.write_bytes(chained(HEAD, EXCHANGE, {"exchanges": 1}))
    assert len(verify(path).exchanges) == 1


@pytest.mark.parametrize("case", FORGED.values(), ids=FORGED.keys())
def test_a_whole_chain_of_something_else_is_refused(
    tmp_path: Path, case: tuple[list[dict[str, object]], int]
):
    said, line = case
    path = tmp_path / "t.gz"
    path.write_bytes(chained(*said))
    with pytest.raises(TranscriptInvalid) as refused:
        verify(path)
    assert refused.value.line == line


def test_a_file_that_is_no_gzip_or_is_torn_is_refused(tmp_path: Path):
    whole = a_transcript(tmp_path).read_bytes()
    for broken in (b"not gzip", whole[: len(whole) // 2], b""):
        (tmp_path / "broken.gz").write_bytes(broken)
        with pytest.raises(TranscriptInvalid):
            verify(tmp_path / "broken.gz")


def test_a_transcript_longer_than_any_is_read_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(transcript, "MAX_LINES", 3)
    with pytest.raises(TranscriptInvalid, match="one too many"):
        verify(a_transcript(tmp_path))


def test_a_long_message_is_cut_and_says_how_long_it_was(tmp_path: Path):
    with Transcript(tmp_path) as kept:
        kept.record(direction="out", peer="a", request=b"x" * 1_000_000, response=b"y" * 1_000_000, at_ms=0)
    assert len(kept[1].request) < transcript.MAX_MESSAGE + 200
    assert b"[cut: 1000000 bytes in all, uEi" in kept[1].request
    assert verify(tmp_path / "transcript.ndjson.gz").exchanges[0].response == kept[1].response


def test_a_secret_reaches_neither_the_memory_nor_a_file(tmp_path: Path):
    request = b"GET / HTTP/1.1\r\nAuthorization: Bearer s3cr3t-s3cr3t\r\nCookie: fedcoop_session=s3cr3t-s3cr3t\r\n\r\n"
    with Transcript(tmp_path) as kept:
        kept.record(
            direction="out", peer="a", request=request, response=b'{"access_token":"s3cr3t-s3cr3t"}', at_ms=0
        )
    assert b"s3cr3t" not in kept[1].request + (kept[1].response or b"")
    assert b"s3cr3t" not in (tmp_path / "transcript" / "001.http").read_bytes()
    assert "s3cr3t" not in repr(verify(tmp_path / "transcript.ndjson.gz"))


# --------------------------------------------------------------------------------------------------- redaction

REDACTED: Final = {
    "Authorization: Bearer abc.DEF-1": "Authorization: Bearer [redacted: authorization]",
    "authorization: basic dXNlcjpwYXNz": "authorization: basic [redacted: authorization]",
    "Proxy-Authorization: Token x": "Proxy-Authorization: Token [redacted: authorization]",
    "Cookie: a=b; c=d": "Cookie: [redacted: cookie]",
    "Set-Cookie: a=b; HttpOnly": "Set-Cookie: [redacted: cookie]",
    '{"access_token": "tok\\"en", "scope": "read"}': '{"access_token": "[redacted: secret]", "scope": "read"}',
    '{"password":"trois vélos"}': '{"password":"[redacted: secret]"}',
    '{"client_secret":"cut he': '{"client_secret":"[redacted: secret]',
    '{"privateKeyPem":"abc"}': '{"privateKeyPem":"[redacted: secret]"}',
    '{"kty":"OKP","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}': '{"kty":"OKP","d":"[redacted: private key]"}',
    "grant_type=password&password=b%20c&x=1": "grant_type=password&password=[redacted: secret]&x=1",
    "POST /t?token=abc HTTP/1.1": "POST /t?token=[redacted: secret] HTTP/1.1",
    "GET /cb?code=0123456789abcdef&state=1 HTTP/1.1": "GET /cb?code=[redacted: secret]&state=1 HTTP/1.1",
    "asked with Bearer abcdefgh12 twice": "asked with Bearer [redacted: bearer token] twice",
    "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0abc.c2ln": "[redacted: bearer token]",
    "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\nrest": "[redacted: private key]\nrest",
    "-----BEGIN RSA PRIVATE KEY-----\\nMIIE": "[redacted: private key]",
    "z3u2en7t5LR2WtQH5PfFqMqwVHgeXouLzo6haApm8XHqvjxq here": "[redacted: private key] here",
    "https://alice:hunter2@host.example/": "https://alice:[redacted: password]@host.example/",
    "write to alice.b+c@coop.example.": "write to [redacted: e-mail address].",
    'token = "abc def"': 'token = "[redacted: secret]"',
    "email=alice%40coop.example&x=1": "email=[redacted: e-mail address]&x=1",
    '"mailto:alice@coop.example"': '"mailto:[redacted: e-mail address]"',
}  # fmt: skip

KEPT: Final = (
    'Authorization: Signature keyId="https://a.example/k",signature="AA=="',
    "Signature: sig1=:AAAA:",
    "GET /.well-known/webfinger?resource=acct:alice@coop.example HTTP/1.1",
    "GET /.well-known/webfinger?resource=acct%3Aalice%40coop.example HTTP/1.1",
    '{"content":"@alice@coop.example"}',
    "https://coop.example/@alice@other.example",
    '{"token_endpoint":"https://coop.example/oauth/token"}',
    '{"publicKeyPem":"-----BEGIN PUBLIC KEY-----\\nMIIB\\n-----END PUBLIC KEY-----\\n"}',
    "z6MkfwMRHYUB9irTMuPFnrq4A2WExhCjkiwbrH8JnoDxKUb3",
    "GET /missions?code=44109 HTTP/1.1",
    '{"code":"stale"}',
    '{"d":"short"}',
    'token = "${HOOK_TOKEN}"',
)


@pytest.mark.parametrize(("said", "kept"), REDACTED.items(), ids=REDACTED.keys())
def test_a_secret_is_replaced_by_its_kind(said: str, kept: str):
    assert redact.text(said) == kept


@pytest.mark.parametrize("said", KEPT)
def test_evidence_that_is_no_secret_stays(said: str):
    assert redact.text(said) == said


def test_every_pattern_is_needed_by_an_example(monkeypatch: pytest.MonkeyPatch):
    for pattern in redact.PATTERNS:
        rest = tuple(other for other in redact.PATTERNS if other is not pattern)
        with monkeypatch.context() as without:
            without.setattr(redact, "PATTERNS", rest)
            assert any(redact.text(said) != kept for said, kept in REDACTED.items()), pattern.kind


def test_bytes_that_are_no_text_are_redacted_as_well():
    assert (
        redact.octets(b"\xff\xfe\r\nCookie: a=b\r\n\x00") == b"\xff\xfe\r\nCookie: [redacted: cookie]\r\n\x00"
    )


def test_text_once_redacted_stays_as_it_is():
    for kept in REDACTED.values():
        assert redact.text(kept) == kept
