"""A peer for a few minutes: what it says of itself, and what it makes of a request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fedcoop.cli.throwaway import Throwaway, examined
from fedcoop.protocol import strict_json
from fedcoop.protocol.messages import KeyDocument, RawRequest

BASE = "https://throwaway.example"
THEM = "https://them.example"


class Knows:
    """Knows one actor's keys."""

    def __init__(self, peer: Throwaway) -> None:
        self._peer = peer

    async def resolve(self, key_id: str, *, refresh: bool = False) -> KeyDocument:
        assert key_id.startswith(self._peer.id)
        return KeyDocument(self._peer.document, datetime.now(UTC))


@pytest.mark.parametrize(
    ("late", "altered", "code"),
    [
        (timedelta(), False, None),
        (timedelta(hours=2), False, "clock-skew"),
        (timedelta(), True, "digest-mismatch"),
    ],
)
async def test_a_request_is_found_good_or_the_first_check_that_it_fails_is_named(
    late: timedelta, altered: bool, code: str | None
):
    peer = Throwaway(THEM)
    now = datetime.now(UTC) - late
    body = strict_json.dumps(peer.proven({"type": "Follow", "object": f"{BASE}/actor"}, now=now))
    headers = peer.headers(host="throwaway.example", target="/actor/inbox", body=body, now=now)
    request = RawRequest("POST", "/actor/inbox", tuple(headers.items()), body + b" " if altered else body)
    found = await examined(request, BASE, Knows(peer), frozenset())
    assert found.document["actor"] == peer.id
    assert (found.refusal.code if found.refusal else None) == code
    assert found.proved == (code is None)


async def test_bytes_that_are_no_json_are_shown_as_text():
    found = await examined(
        RawRequest("POST", "/", (), b"\xff<html>"), BASE, Knows(Throwaway(THEM)), frozenset()
    )
    assert found.document == "\ufffd<html>"
    assert found.refusal is not None
