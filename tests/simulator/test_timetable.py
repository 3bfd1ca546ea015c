"""The day of a car: it ends as it began, and its rows agree with each other."""

import math
from itertools import pairwise

import pytest
from teslafast.simulator.route import CORNERING_MPS2, DrivingRoute
from teslafast.simulator.timetable import ROW_S, timetable


def test_the_last_row_equals_the_first_except_for_the_distance() -> None:
    first, last = timetable()[0], timetable()[-1]
    assert last._replace(distance_m=0.0) == first
    before = timetable()[-2]
    assert (before.east_m, before.north_m) == pytest.approx((first.east_m, first.north_m), abs=0.01)
    assert before.used_kwh == pytest.approx(0, abs=1e-6)


def test_distance_is_the_integral_of_speed_and_energy_that_of_power() -> None:
    rows = timetable()
    for before, after in pairwise(rows):
        assert after.distance_m - before.distance_m == pytest.approx((before.speed_mps + after.speed_mps) / 2 * ROW_S, abs=0.45)
    used = sum(row.power_kw * ROW_S / 3600 for row in rows if row.power_kw > 0)
    given = -sum(row.power_kw * ROW_S / 3600 for row in rows if row.power_kw < 0)
    assert used == pytest.approx(given, rel=0.02)


def test_acceleration_braking_cornering_and_speed_stay_within_a_calm_drivers_limits() -> None:
    rows = timetable()
    assert max(row.acceleration_mps2 for row in rows) < 2.5
    assert min(row.acceleration_mps2 for row in rows) > -4
    assert max(abs(row.lateral_mps2) for row in rows) < CORNERING_MPS2 * 1.3
    assert max(row.speed_mps for row in rows) <= 120 / 3.6
    route = DrivingRoute()
    assert 10_000 < route.length_m < 20_000
    assert all(math.dist(here, there) < 2 * route.step_m for here, there in pairwise([*route.points, route.points[0]]))
