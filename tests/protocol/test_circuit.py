"""Servers that give no answer: when they are left alone, for how long, and when they are asked again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fedcoop.protocol.circuit import Circuit, after_failure, server_of
from fedcoop.protocol.limits import CIRCUIT_FAILURES
from tests.conftest import NOON

SIX: timedelta = timedelta(seconds=6)
MINUTE: timedelta = timedelta(minutes=1)


def failed(times: int, *, every: timedelta = MINUTE, first_retry: timedelta = SIX) -> Circuit:
    """Return the circuit after so many failures, each `every` after the one before or when the circuit lets it."""
    circuit, now = None, NOON
    for _ in range(times):
        circuit = after_failure(circuit, now, first_retry=first_retry)
        now = max(now + every, circuit.open_until or now)
    assert circuit is not None
    return circuit


@pytest.mark.parametrize("times", range(1, CIRCUIT_FAILURES))
def test_fewer_than_five_silences_in_a_row_close_nothing(times: int):
    circuit = failed(times)
    assert (circuit.failures, circuit.open_until, circuit.state(NOON)) == (times, None, "closed")


def test_the_fifth_opens_it_for_five_minutes_and_then_one_may_ask():
    circuit = failed(CIRCUIT_FAILURES)
    at = circuit.failed_at
    assert circuit.open_until == at + timedelta(minutes=5)
    assert circuit.state(at) == "open" == circuit.state(at + timedelta(minutes=5, microseconds=-1))
    assert circuit.state(at + timedelta(minutes=5)) == "half-open"


def test_each_silence_to_the_probe_doubles_the_time_up_to_six_hours():
    pauses = []
    for times in range(5, 15):
        circuit = failed(times)
        assert circuit.open_until is not None
        pauses.append((circuit.open_until - circuit.failed_at) / MINUTE)
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 360, 360, 360]


def test_after_a_week_it_is_unavailable_and_asked_once_a_day():
    circuit = after_failure(failed(12), NOON + timedelta(days=7), first_retry=SIX)
    assert circuit.open_until == NOON + timedelta(days=8)
    assert circuit.state(NOON + timedelta(days=7, hours=1)) == "unavailable"
    almost = after_failure(failed(12), NOON + timedelta(days=7) - MINUTE, first_retry=SIX)
    assert almost.state(almost.failed_at) == "open"


def test_what_was_on_its_way_when_it_opened_changes_nothing():
    circuit = failed(CIRCUIT_FAILURES)
    assert after_failure(circuit, circuit.failed_at + MINUTE, first_retry=SIX) is circuit


def test_it_remembers_when_the_silence_began():
    assert failed(9).since == NOON


def test_the_development_setting_makes_it_shorter_in_proportion_and_never_longer():
    quick = failed(CIRCUIT_FAILURES, first_retry=timedelta(seconds=0.6))
    assert quick.open_until == quick.failed_at + timedelta(seconds=30)
    slow = failed(CIRCUIT_FAILURES, first_retry=timedelta(minutes=2))
    assert slow.open_until == slow.failed_at + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("inbox", "server"),
    [
        ("https://Lyon.example/inbox", "https://lyon.example"),
        ("https://lyon.example:8443/actors/awa/inbox", "https://lyon.example:8443"),
        ("not an address", ""),
        ("", ""),
    ],
)
def test_the_server_of_an_inbox_is_its_origin(inbox: str, server: str):
    assert server_of(inbox) == server
