from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcoop.errors import Malformed
from fedcoop.protocol.times import read_time, write_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-15T09:00:01Z", datetime(2026, 1, 15, 9, 0, 1, tzinfo=UTC)),
        ("2026-01-15T09:00Z", datetime(2026, 1, 15, 9, 0, tzinfo=UTC)),
        ("2026-01-15T10:00:01.5+01:00", datetime(2026, 1, 15, 9, 0, 1, 500_000, tzinfo=UTC)),
        ("2023-06-18T19:22:03.918737Z", datetime(2023, 6, 18, 19, 22, 3, 918_737, tzinfo=UTC)),
        ("2026-01-15T09:00:01.123456789Z", datetime(2026, 1, 15, 9, 0, 1, 123_456, tzinfo=UTC)),
    ],
)
def test_a_time_with_an_offset_is_read(text: str, expected: datetime):
    assert read_time(text) == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        1700000000,
        "",
        "2026-01-15",
        "2026-01-15T09:00:01",
        "2026-01-15 09:00:01Z",
        "2026-13-15T09:00:01Z",
        "2026-02-30T09:00:01Z",
        "2026-01-15T24:00:01Z",
        "2026-01-15T09:00:60Z",
        "20260115T090001Z",
        "2026-W03-4T09:00:01Z",
        "2026-01-15T09:00:01z",
        "2026-01-15T09:00:01+0100",
        "2026-01-15T09:00:01+99:00",
        "0001-01-01T00:00:00+14:00",
        "٢٠٢٦-01-15T09:00:01Z",
        "2026-01-15T09:00:01Z\n",
    ],
)
def test_what_is_no_time_with_an_offset_is_refused(value: Any):
    with pytest.raises(Malformed):
        read_time(value)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(-14 * 60, 14 * 60))
def test_a_time_is_written_in_utc_and_read_again(moment: datetime, offset: int):
    aware = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=offset)))
    assert write_time(aware).endswith("Z")
    assert read_time(write_time(aware)) == aware
