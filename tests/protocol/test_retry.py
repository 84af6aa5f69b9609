from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcoop.protocol.limits import DELIVERY_HORIZON, DELIVERY_MAX_TRIES, DELIVERY_STEPS, ERASURE_HORIZON
from fedcoop.protocol.model import PROBLEMS
from fedcoop.protocol.retry import is_erasure, is_silence, next_attempt, verdict, verdict_on_carried
from tests.protocol.signing import NOW

SIX = timedelta(seconds=6)
jitters = st.floats(0, 1, exclude_max=True)
first_retries = st.integers(10, 600_000).map(lambda ms: timedelta(milliseconds=ms))


def wait(
    attempts: int,
    *,
    retry_after: int | None = None,
    first_retry: timedelta = SIX,
    jitter: float = 0.5,
    since: timedelta = timedelta(),
    erasure: bool = False,
    streak: int = 0,
) -> timedelta | None:
    now = NOW + since
    at = next_attempt(
        attempts,
        NOW,
        now,
        retry_after=retry_after,
        first_retry=first_retry,
        jitter=jitter,
        erasure=erasure,
        streak=streak,
    )
    return None if at is None else at - now


def tries(*, jitter: float = 0.5, first_retry: timedelta = SIX, erasure: bool = False) -> list[datetime]:
    made = [NOW]
    while (
        at := next_attempt(
            len(made),
            NOW,
            made[-1],
            retry_after=None,
            first_retry=first_retry,
            jitter=jitter,
            erasure=erasure,
        )
    ) is not None:
        made.append(at)
    return made


def test_the_waits_are_those_of_the_schedule():
    waits = [wait(n) for n in range(1, 10)]
    assert waits == [*DELIVERY_STEPS, DELIVERY_STEPS[-1]]


def test_a_delivery_is_tried_fourteen_times_over_a_week_and_given_up():
    made = tries()
    assert len(made) == DELIVERY_MAX_TRIES
    assert timedelta(days=6) < made[-1] - made[0] < DELIVERY_HORIZON
    assert wait(DELIVERY_MAX_TRIES) is None
    assert wait(DELIVERY_MAX_TRIES + 1) is None


def test_an_erasure_is_tried_for_a_month():
    made = tries(erasure=True)
    assert timedelta(days=28) < made[-1] - made[0] <= ERASURE_HORIZON
    assert len(made) > DELIVERY_MAX_TRIES
    assert is_erasure("Delete")
    assert is_erasure("Undo")
    assert not is_erasure("Create")


def test_what_comes_after_many_failures_waits_as_long_as_they_did_and_is_tried_as_often():
    assert wait(1, streak=4) == DELIVERY_STEPS[3]
    assert wait(5, streak=2) == DELIVERY_STEPS[4]
    assert wait(1, streak=DELIVERY_MAX_TRIES + 9) == DELIVERY_STEPS[-1]
    assert wait(DELIVERY_MAX_TRIES, streak=0) is None


@pytest.mark.parametrize("status", [None, 408, 500, 502, 503, 504])
def test_no_answer_or_a_broken_one_is_silence(status: int | None):
    assert is_silence(status, None)


@pytest.mark.parametrize(
    ("status", "retry_after"), [(401, None), (403, None), (429, None), (503, 5), (500, 0)]
)
def test_whoever_says_what_is_wrong_or_when_to_come_back_is_there(status: int, retry_after: int | None):
    assert not is_silence(status, retry_after)


def test_nothing_is_tried_after_the_horizon():
    assert wait(3, since=DELIVERY_HORIZON - timedelta(minutes=10)) == timedelta(minutes=10)
    assert wait(3, since=DELIVERY_HORIZON - timedelta(minutes=9)) is None
    assert wait(1, since=DELIVERY_HORIZON, retry_after=1) is None


@given(jitters)
def test_jitter_is_thirty_percent_either_way(jitter: float):
    for attempts, step in enumerate(DELIVERY_STEPS, 1):
        found = wait(attempts, jitter=jitter)
        assert found is not None
        assert step * 0.7 <= found <= step * 1.3


def test_the_ends_of_the_jitter():
    assert wait(3, jitter=0.0) == timedelta(minutes=7)
    assert wait(3, jitter=1.0) == timedelta(minutes=13)


@given(first_retries, jitters)
def test_waits_never_shrink_and_they_end(first_retry: timedelta, jitter: float):
    made = tries(first_retry=first_retry, jitter=jitter)
    waits = [later - earlier for earlier, later in pairwise(made)]
    assert waits == sorted(waits)
    assert len(made) <= DELIVERY_MAX_TRIES
    assert made[-1] - made[0] <= DELIVERY_HORIZON


def test_a_shorter_first_wait_shortens_the_others_in_proportion():
    quick = timedelta(milliseconds=60)
    assert [wait(n, first_retry=quick) for n in (1, 2, 3)] == [quick, quick * 10, quick * 100]


def test_a_longer_first_wait_lengthens_no_other():
    slow = timedelta(minutes=2)
    assert [wait(n, first_retry=slow) for n in (1, 2, 3)] == [slow, slow, timedelta(minutes=10)]


def test_what_the_peer_asks_for_is_obeyed():
    assert wait(1, retry_after=30) == timedelta(seconds=30)
    assert wait(9, retry_after=30) == timedelta(seconds=30)
    assert wait(1, retry_after=7 * 86400) == timedelta(days=1)


def test_a_peer_that_asks_for_nothing_is_not_hammered():
    assert wait(1, retry_after=0) == SIX
    assert wait(1, retry_after=-5) == SIX
    assert wait(1, retry_after=1, first_retry=timedelta(milliseconds=60)) == timedelta(seconds=1)
    assert wait(1, retry_after=1, first_retry=timedelta(minutes=5)) == SIX


def test_a_peer_that_asks_for_a_second_for_days_is_asked_once_an_hour():
    assert wait(DELIVERY_MAX_TRIES, retry_after=1) == SIX
    assert wait(DELIVERY_MAX_TRIES + 1, retry_after=1) == timedelta(hours=1)
    assert wait(DELIVERY_MAX_TRIES + 1, retry_after=7200) == timedelta(hours=2)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_success_is_a_delivery(status: int):
    assert verdict(status, None) == "delivered"


@pytest.mark.parametrize("status", [400, 403, 404, 405, 406, 409, 410, 413, 415, 421, 422, 451, 501])
def test_a_refusal_for_good_is_not_tried_again(status: int):
    assert verdict(status, None) == "refused"
    assert verdict(status, "stale") == "refused"


@pytest.mark.parametrize(
    "status", [401, 408, 425, 429, 500, 502, 503, 504, 520, 300, 301, 302, 307, 308, 100, 0, 600]
)
def test_what_may_pass_is_tried_again(status: int):
    assert verdict(status, None) == "retry"
    assert verdict(status, "signature-invalid") == "retry"


def test_not_being_admitted_yet_waits_for_an_operator():
    assert verdict(403, "not-in-allow-list") == "park"
    assert verdict(403, "blocked") == "refused"
    assert verdict(400, "not-in-allow-list") == "refused"
    assert "not-in-allow-list" in PROBLEMS
    assert PROBLEMS["not-in-allow-list"].status == 403


def test_every_problem_of_the_vocabulary_has_its_verdict():
    found = {code: verdict(problem.status, code) for code, problem in PROBLEMS.items()}
    again = {code for code, what in found.items() if what == "retry"}
    assert {
        "predecessor-unknown",
        "key-unreachable",
        "rate-limited",
        "unavailable",
        "internal-error",
    } <= again
    assert {"clock-skew", "signature-invalid"} <= again
    for code in (
        "stale",
        "illegal-transition",
        "schema-invalid",
        "malformed-json",
        "gone",
        "not-implemented",
    ):
        assert found[code] == "refused", code
    assert [code for code, what in found.items() if what == "park"] == ["not-in-allow-list"]
    assert "delivered" not in found.values()


@pytest.mark.parametrize(
    ("status", "problem", "expected"),
    [
        (202, None, "delivered"),
        (401, None, "refused"),
        (403, "not-in-allow-list", "refused"),
        (500, None, "refused"),
        (503, "key-unreachable", "refused"),
        (503, "unavailable", "retry"),
        (503, None, "retry"),
        (502, None, "retry"),
        (504, None, "retry"),
        (408, None, "retry"),
        (429, None, "retry"),
    ],
)
def test_somebody_elses_words_are_brought_once_unless_there_is_no_time(
    status: int, problem: str | None, expected: str
):
    assert verdict_on_carried(status, problem) == expected
