"""`fedcoop explain-signature`: a captured request, in either dialect, whole and spoilt in one thing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from fedcoop.protocol import cavage, messagesig
from fedcoop.protocol.multikey import public_key_to_pem
from tests.cli.conftest import Run

SENT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ARRIVED = "2026-11-22T12:00:07Z"
ACTOR = "https://coop-lyon.example/actors/coop"
BODY = b'{"type": "Create"}'
KEY = rsa.generate_private_key(65537, 2048)
FRENCH = {"FEDCOOP_LANG": "fr"}
DIALECTS = ("draft-cavage", "rfc9421")


def captured(dialect: str, *, body: bytes = BODY, **changed: str) -> bytes:
    """Return a signed request as it went over the wire; `changed` headers are other than what was signed."""
    key_id = f"{ACTOR}#main-key"
    if dialect == "rfc9421":
        url = "https://velo-nantes.example/inbox"
        headers = messagesig.sign_headers(
            method="POST", url=url, body=BODY, key_id=key_id, key=KEY, created=SENT
        )
    else:
        headers = cavage.sign_headers(
            method="POST",
            url_host="velo-nantes.example",
            target="/inbox",
            body=BODY,
            key_id=key_id,
            key=KEY,
            date=SENT,
        )
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /inbox HTTP/1.1\r\n{head}\r\n".encode() + body


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "request.http"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The sender's actor document."""
    listed = {
        "id": f"{ACTOR}#main-key",
        "owner": ACTOR,
        "publicKeyPem": public_key_to_pem(KEY.public_key()),
    }
    path = tmp_path / "actor.json"
    path.write_text(json.dumps({"id": ACTOR, "publicKey": listed}))
    return path


def outcomes(done: Any) -> dict[str, Any]:
    return {check["name"]: check["ok"] for check in done.json["checks"]}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_good_request_passes_every_check_with_the_key_and_says_what_is_missing_without(
    run: Run, file: Path, keys: Path, dialect: str
) -> None:
    file.write_bytes(captured(dialect))
    done = run("explain-signature", file, "--at", ARRIVED, "--key", keys, "--json")
    assert done.status == 0, done.out
    assert set(outcomes(done).values()) == {True}
    assert done.json["signature"]["dialect"] == dialect
    assert done.json["signature"]["clockDifferenceSeconds"] == 7
    alone = run("explain-signature", file, "--at", ARRIVED, "--json")
    assert (alone.status, outcomes(alone)["signature"]) == (0, None)
    assert "--key" in run("explain-signature", file, "--at", ARRIVED, environment=FRENCH).out


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("request_", "options", "name", "code"),
    [
        ({}, ("--at", "2026-11-22T15:00:00Z"), "time", "clock-skew"),
        ({"body": BODY + b" "}, ("--at", ARRIVED), "body", "digest-mismatch"),
        ({"Signature": ""}, ("--at", ARRIVED), "readable", "signature"),
    ],
)
def test_the_check_that_fails_is_named(
    run: Run,
    file: Path,
    keys: Path,
    dialect: str,
    request_: dict[str, Any],
    options: tuple[str, ...],
    name: str,
    code: str,
) -> None:
    file.write_bytes(captured(dialect, **request_))
    done = run("explain-signature", file, *options, "--key", keys, "--json")
    assert done.status == 1
    failed = {check["name"]: check["code"] for check in done.json["checks"] if check["ok"] is False}
    assert failed.pop(name).startswith(code)
    assert failed == {}


def test_a_wrong_host_and_a_changed_header_are_shown_beside_what_was_signed(
    run: Run, file: Path, keys: Path
) -> None:
    file.write_bytes(captured("draft-cavage", Date="Sun, 22 Nov 2026 12:00:03 GMT"))
    done = run("explain-signature", file, "--at", ARRIVED, "--key", keys, "--to", "https://other.example")
    assert done.status == 1
    assert "FAILS    meant for this server" in done.out
    assert "| date: Sun, 22 Nov 2026 12:00:03 GMT" in done.out
    french = run("explain-signature", file, "--at", ARRIVED, "--key", keys, environment=FRENCH)
    assert "ÉCHEC    la signature" in french.out


def test_the_newline_of_an_editor_is_noticed(run: Run, file: Path) -> None:
    file.write_bytes(captured("rfc9421", body=BODY + b"\n"))
    assert "newline at the end of the file" in run("explain-signature", file, "--at", ARRIVED).out


def test_a_pem_is_a_key_too_and_another_key_is_another(run: Run, file: Path, tmp_path: Path) -> None:
    file.write_bytes(captured("rfc9421"))
    for key, status in ((KEY, 0), (rsa.generate_private_key(65537, 2048), 1)):
        (tmp_path / "key.pem").write_text(public_key_to_pem(key.public_key()))
        done = run("explain-signature", file, "--at", ARRIVED, "--key", tmp_path / "key.pem", "--json")
        assert (done.status, outcomes(done)["signature"]) == (status, status == 0)


@pytest.mark.parametrize(
    ("content", "options", "status", "says"),
    [
        (b"hello", (), 1, "HTTP request"),
        (b"POST /inbox HTTP/1.1\r\nX: y\r\n\r\n{}", (), 2, "--to"),
        (captured("rfc9421"), ("--at", "yesterday"), 2, "--at"),
        (captured("rfc9421"), ("--key", "none.json"), 1, "cannot be read"),
    ],
)
def test_what_cannot_be_explained_says_why(
    run: Run, file: Path, content: bytes, options: tuple[str, ...], status: int, says: str
) -> None:
    file.write_bytes(content)
    done = run("explain-signature", file, *options)
    assert (done.status, says in done.err) == (status, True), done.err
    assert "Traceback" not in done.err


def test_what_a_stranger_wrote_does_not_move_the_cursor(run: Run, file: Path) -> None:
    moved = captured("draft-cavage").replace(b"coop-lyon.example", b"coop-\x1b[2Jlyon.example")
    file.write_bytes(moved)
    assert "\x1b" not in run("explain-signature", file).out


def test_the_time_may_be_any_moment(run: Run, file: Path) -> None:
    file.write_bytes(captured("rfc9421"))
    late = (SENT + timedelta(hours=3)).isoformat()
    assert outcomes(run("explain-signature", file, "--at", late, "--json"))["time"] is False
