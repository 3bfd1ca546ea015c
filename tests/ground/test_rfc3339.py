"""Timestamps as text."""

import re
from datetime import UTC, datetime

import pytest
from teslafast.rfc3339 import rfc3339_ns


@pytest.mark.parametrize("now", [0.0, 1_790_000_000.25, 1_790_000_000.9999999])
def test_a_time_becomes_utc_text_with_nanoseconds(now: float) -> None:
    text = rfc3339_ns(now)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", text)
    assert datetime.fromisoformat(text).timestamp() == pytest.approx(now, abs=1e-6)
    assert datetime.fromisoformat(text).tzinfo == UTC
