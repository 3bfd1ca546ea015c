"""Times as RFC 3339 text, and back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.rfc3339 import parse_rfc3339, rfc3339, rfc3339_ns


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_rfc_3339_in_utc_with_milliseconds_cut_off(moment: datetime) -> None:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
    shown = rfc3339(microseconds * 1000 + 999)
    assert shown == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert parse_rfc3339(shown) == microseconds // 1000 * 1_000_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-23T08:00:00Z", "2026-11-23T08:00:00.000Z"),
        ("2026-11-23T09:30:00.5+01:30", "2026-11-23T08:00:00.500Z"),
        ("2026-11-23T08:00:00.123999999Z", "2026-11-23T08:00:00.123Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_time_in_any_zone_and_precision_is_read_to_the_millisecond(text: str, shown: str) -> None:
    parsed = parse_rfc3339(text)
    assert parsed is not None
    assert rfc3339(parsed) == shown


@pytest.mark.parametrize(
    "text", ["", "now", "2026-13-01T00:00:00Z", "1700000000", "2026-11-23T25:00:00Z", "２０２６-11-23T08:00:00Z"]
)
def test_what_is_not_a_time_is_none(text: str) -> None:
    assert parse_rfc3339(text) is None


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-00:01"])
def test_a_time_that_leaves_the_calendar_in_utc_is_none(text: str) -> None:
    assert parse_rfc3339(text) is None


@pytest.mark.parametrize(
    ("now_s", "shown"),
    [
        (0.0, "1970-01-01T00:00:00.000000000Z"),
        (1_795_420_800.125, "2026-11-23T08:00:00.125000000Z"),
        (1_795_420_800.999999, "2026-11-23T08:00:00.999999046Z"),
    ],
)
def test_a_vehicles_timestamp_has_nanoseconds_as_far_as_a_double_holds_them(now_s: float, shown: str) -> None:
    assert rfc3339_ns(now_s) == shown
