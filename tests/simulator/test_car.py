"""A drive is believable if its values agree with each other: whole days are played, and one value is compared with another."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from teslafast.simulator.car import CAR_FIELDS, MILE_M, Car

from tests.support.drives import DAY_S, State, states

INTERVALS = {field.key: field.interval_s for field in CAR_FIELDS}
Day = list[tuple[float, State]]


@pytest.fixture(scope="module")
def day() -> Day:
    """A day and a half, one look a second."""
    return list(states(1.5 * DAY_S, seed=2))


def test_the_odometer_never_falls_and_rises_by_the_distance_that_speed_gives(day: Day) -> None:
    miles = [state["Odometer"] for _, state in day]
    assert miles == sorted(miles)
    driven = sum((state["VehicleSpeed"] or 0) * (after - at) / 3600 for (at, state), (after, _) in pairwise(day))
    assert miles[-1] - miles[0] == pytest.approx(driven, rel=0.01)
    assert miles[-1] - miles[0] > 20


def test_the_location_moves_no_further_than_the_speed_allows(day: Day) -> None:
    for (at, state), (after, later) in pairwise(day):
        metres = distance_m(state["Location"], later["Location"])
        fastest = max(state["VehicleSpeed"] or 0, later["VehicleSpeed"] or 0) * MILE_M / 3600
        assert metres <= (after - at) * (fastest + 1.5) + 0.3


def test_the_location_moves_in_the_direction_of_the_heading_and_backwards_in_reverse(day: Day) -> None:
    checked = {"ShiftStateD": 0, "ShiftStateR": 0}
    for (_, state), (_, later) in pairwise(day):
        moved = distance_m(state["Location"], later["Location"])
        gears = {state["Gear"], later["Gear"]}
        if moved > 1.2 and len(gears) == 1:
            gear = gears.pop()
            course = bearing_deg(state["Location"], later["Location"]) + (180 if gear == "ShiftStateR" else 0)
            # Within a second of a bend at walking speed a car turns by up to this much.
            assert abs((course - later["GpsHeading"] + 180) % 360 - 180) < 35
            checked[gear] += 1
    assert checked["ShiftStateD"] > 1000
    assert checked["ShiftStateR"] > 3


def test_energy_never_falls_while_charging_and_is_the_same_after_every_charge() -> None:
    at = {round(at): state for at, state in states(2.3 * DAY_S, seed=5)}
    for (_, state), (_, later) in pairwise(at.items()):
        if later["DetailedChargeState"] == state["DetailedChargeState"] == "DetailedChargeStateCharging":
            assert later["EnergyRemaining"] >= state["EnergyRemaining"]
        assert 0 < later["BatteryLevel"] < later["Soc"] < 100
    charging = [state for state in at.values() if state["DetailedChargeState"] == "DetailedChargeStateCharging"]
    assert max(state["DCChargingPower"] for state in charging) > 100
    assert 9 < max(state["ACChargingPower"] for state in charging) < 13
    assert max(state["ChargeAmps"] for state in charging) == pytest.approx(16, abs=2)
    tops = [
        after["Soc"]
        for before, after in pairwise(at.values())
        if before["ChargePortDoorOpen"] and not after["ChargePortDoorOpen"]
    ]
    assert len(tops) >= 4
    assert max(tops) - min(tops) < 0.2
    assert min(state["Soc"] for state in at.values()) < min(tops) - 2


def test_battery_values_agree_with_each_other(day: Day) -> None:
    capacities = [100 * state["EnergyRemaining"] / state["Soc"] for _, state in day]
    assert max(capacities) - min(capacities) < 0.05
    driving = [state for _, state in day if (state["VehicleSpeed"] or 0) > 40]
    assert all(280 < state["PackVoltage"] < 420 for state in driving)
    assert min(state["PackCurrent"] for state in driving) < -150
    assert max(state["PackCurrent"] for state in driving) > 50


def test_gear_speed_doors_locks_belt_and_sentry_mode_never_contradict_each_other(day: Day) -> None:
    # What has its own interval lags behind by it; so a contradiction counts only if it lasts longer than all of them.
    lasting = max(INTERVALS[key] for key in ("Gear", "DoorState", "Locked", "DriverSeatBelt", "SentryMode")) + 1.5
    rules: dict[str, Callable[[State], object]] = {
        "driving without a gear": lambda s: (
            (s["VehicleSpeed"] or 0) > 1 and s["Gear"] not in ("ShiftStateD", "ShiftStateR", "ShiftStateN")
        ),
        "driving with a door open": lambda s: (s["VehicleSpeed"] or 0) > 1 and any(s["DoorState"].values()),
        "driving unbelted": lambda s: (s["VehicleSpeed"] or 0) > 1 and s["DriverSeatBelt"] != "BuckleStatusLatched",
        "speed while parked": lambda s: s["Gear"] == "ShiftStateP" and s["VehicleSpeed"] is not None,
        "locked with a door open": lambda s: s["Locked"] and any(s["DoorState"].values()),
        "armed but open": lambda s: s["SentryMode"] == "SentryModeStateArmed" and not s["Locked"],
        "driving on a cable": lambda s: (s["VehicleSpeed"] or 0) > 1 and s["ChargePortDoorOpen"],
    }
    for name, contradicts in rules.items():
        since = None
        for at, state in day:
            since = (at if since is None else since) if contradicts(state) else None
            assert since is None or at - since <= lasting, f"{name} at {at}"


def test_a_day_holds_every_gear_charge_state_door_and_signal(day: Day) -> None:
    assert {state["Gear"] for _, state in day} == {"ShiftStateP", "ShiftStateR", "ShiftStateN", "ShiftStateD", None}
    assert {state["Locked"] for _, state in day} == {True, False}
    assert {state["SentryMode"][15:] for _, state in day} == {"Off", "Idle", "Armed"}
    assert {state["DetailedChargeState"][19:] for _, state in day} >= {"Disconnected", "Starting", "Charging"}
    opened = {door for _, state in day for door, is_open in state["DoorState"].items() if is_open}
    assert opened == {"DriverFront", "TrunkRear"}
    assert {state["LightsTurnSignal"][15:] for _, state in day} == {"Off", "Left", "Right"}
    assert max(state["VehicleSpeed"] or 0 for _, state in day) > 65
    for wheel in ("Fl", "Fr", "Rl", "Rr"):
        pressures = [state[f"TpmsPressure{wheel}"] for _, state in day]
        assert 2.6 < min(pressures) < max(pressures) < 3.2
    assert len({state["InsideTemp"] for _, state in day}) > 5


def test_some_cars_charge_to_their_limit_and_some_stop_before() -> None:
    cars = {seed: Car.from_seed(seed, 0) for seed in range(40)}
    full = next(seed for seed, car in cars.items() if car.top_percent == car.limit_percent)
    early = next(seed for seed, car in cars.items() if car.top_percent < car.limit_percent)
    for seed, end, other in ((full, "Complete", "Stopped"), (early, "Stopped", "Complete")):
        seen = {state["DetailedChargeState"].removeprefix("DetailedChargeState") for _, state in states(DAY_S * 1.2, seed)}
        assert end in seen
        assert other not in seen


def distance_m(here: dict[str, float], there: dict[str, float]) -> float:
    return math.hypot(*offset_m(here, there))


def bearing_deg(here: dict[str, float], there: dict[str, float]) -> float:
    return math.degrees(math.atan2(*offset_m(here, there))) % 360


def offset_m(here: dict[str, float], there: dict[str, float]) -> tuple[float, float]:
    """(east, north) on a sphere of Earth's size."""
    degree = math.pi / 180 * 6_371_000
    east = (there["longitude"] - here["longitude"]) * degree * math.cos(math.radians(here["latitude"]))
    return east, (there["latitude"] - here["latitude"]) * degree
