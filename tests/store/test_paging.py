"""Cursors: ours come back as they were; anything else is refused, and nothing crashes."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcoop.errors import Malformed
from fedcoop.store.paging import cursor_of, place_of

INTEGERS = st.integers(-(2**63), 2**63 - 1)
DISTANCES = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e18, max_value=1e18)


@given(DISTANCES, INTEGERS)
def test_a_place_comes_back_exactly(distance: float, n: int):
    assert place_of(cursor_of(distance, n), float, int) == (distance, n)
    assert place_of(cursor_of(n), int) == (n,)


@given(DISTANCES, INTEGERS)
def test_a_cursor_may_stand_in_an_address_as_it_is(distance: float, n: int):
    assert set(cursor_of(distance, n)) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )


@given(st.text() | st.binary().map(lambda b: base64.urlsafe_b64encode(b).decode()))
def test_no_text_crashes_a_cursor(text: str):
    with contextlib.suppress(Malformed):
        place_of(text, int)


@pytest.mark.parametrize(
    "place", [[], [1.5], ["1"], [True], [None], [1, 2], {"n": 1}, 1, [2**63], [float("nan")], [[1]]]
)
def test_a_place_of_another_form_is_refused(place: object):
    cursor = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
    with pytest.raises(Malformed) as refused:
        place_of(cursor, int)
    assert refused.value.code == "malformed-request"


def test_a_cursor_nested_beyond_measure_is_refused():
    cursor = base64.urlsafe_b64encode(b"[" * 100_000).decode()
    with pytest.raises(Malformed):
        place_of(cursor, int)
