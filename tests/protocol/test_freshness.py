from datetime import timedelta

import pytest

from fedcoop.errors import Unverified
from fedcoop.protocol.freshness import check_fresh, moment
from fedcoop.protocol.limits import SIGNATURE_MAX_AGE, SIGNATURE_MAX_AHEAD
from tests.protocol.signing import NOW, WINDOW

AT = int(NOW.timestamp())


def refusal(*seconds: float, expires: int | None = None) -> Unverified:
    with pytest.raises(Unverified) as refused:
        check_fresh([NOW + timedelta(seconds=s) for s in seconds], expires, now=NOW, window=WINDOW)
    return refused.value


def test_the_window_is_an_hour_back_and_five_minutes_ahead_ends_included():
    assert WINDOW == (SIGNATURE_MAX_AGE, SIGNATURE_MAX_AHEAD)
    age, ahead = WINDOW
    assert age == timedelta(hours=1)
    assert ahead == timedelta(minutes=5)
    for signed_at in (NOW - SIGNATURE_MAX_AGE, NOW, NOW + SIGNATURE_MAX_AHEAD):
        check_fresh([signed_at], None, now=NOW, window=WINDOW)


def test_what_is_outside_is_refused_with_the_difference():
    assert refusal(-3601).extra == {"difference": 3601}
    assert refusal(301).extra == {"difference": -301}
    assert refusal(-3601).code == refusal(301).code == "clock-skew"
    assert refusal(301).received == "-301 s ago"


def test_every_signed_time_must_be_inside():
    assert refusal(0, -3601).code == "clock-skew"
    assert refusal(301, 0).code == "clock-skew"


def test_what_has_run_out_is_refused():
    check_fresh([NOW], AT, now=NOW, window=WINDOW)
    assert refusal(0, expires=AT - 1).code == "signature-expired"


@pytest.mark.parametrize("seconds", [10**12, 10**15, -(10**15)])
def test_a_time_beyond_the_calendar_is_none(seconds: int):
    with pytest.raises(Unverified) as refused:
        moment(seconds)
    assert refused.value.code == "signature-malformed"
