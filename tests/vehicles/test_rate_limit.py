"""How many messages a vehicle may send: a burst at once, then its rate, whatever number of connections it has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.vehicles.rate_limit import BURST_S, RateLimits

VIN = "5YJ3E1EA7KF000001"


def count_allowed(limits: RateLimits, times: list[float], vin: str = VIN) -> int:
    return sum(limits.allowed(vin, moment) for moment in times)


def test_a_burst_of_two_seconds_worth_is_allowed_at_once() -> None:
    assert count_allowed(RateLimits(5), [100.0] * 20) == 10


def test_after_the_burst_the_rate_is_what_is_allowed() -> None:
    limits = RateLimits(5)
    count_allowed(limits, [100.0] * 20)
    assert count_allowed(limits, [100.0 + tick / 100 for tick in range(1, 101)]) == 5


def test_a_pause_earns_no_more_than_a_burst() -> None:
    limits = RateLimits(5)
    count_allowed(limits, [100.0] * 20)
    assert count_allowed(limits, [10_000.0] * 20) == 10


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0])
def test_even_a_rate_below_one_a_second_lets_the_first_message_pass(rate: float) -> None:
    assert count_allowed(RateLimits(rate), [0.0]) == 1


def test_a_rate_of_zero_is_no_limit() -> None:
    assert count_allowed(RateLimits(0), [0.0] * 1000) == 1000


def test_what_one_vehicle_sends_costs_no_other_anything() -> None:
    limits = RateLimits(5)
    assert count_allowed(limits, [0.0] * 20) == 10
    assert count_allowed(limits, [0.0] * 20, "5YJ3E1EA7KF000002") == 10


@given(st.integers(1, 50), st.lists(st.floats(0, 1), max_size=200))
def test_no_stretch_of_time_lets_more_through_than_rate_and_burst(rate: int, pauses: list[float]) -> None:
    limits, moment = RateLimits(rate), 1.0
    passed = []
    for pause in pauses:
        moment += pause
        if limits.allowed(VIN, moment):
            passed.append(moment)
    for first in range(0, len(passed), 7):
        for last in range(first, len(passed), 5):
            allowed = rate * (passed[last] - passed[first]) + rate * BURST_S
            assert last - first + 1 <= allowed + 1e-6
