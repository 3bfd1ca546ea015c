"""A drive is believable if its figures agree with each other: whole days are played and held against each other."""

import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from teslafast.backoff import LIMIT_S, delay_s
from teslafast.rfc3339 import rfc3339_ns
from teslafast.simulator.car import FIELDS, MILE_M, Car
from teslafast.simulator.drive import ALERTS, ERRORS, V_INTERVAL_S, Drive, Record, V
from teslafast.simulator.route import CORNERING_MPS2, Route
from teslafast.simulator.timetable import ROW_S, timetable

from tests.support import SHARED

START = 1_790_000_000.25
DAY_S = (len(timetable()) - 1) * ROW_S
INTERVALS = {field.key: field.interval_s for field in FIELDS}
SCHEMA = SHARED / "tesla" / "schema.json"
FIELD_TYPES = SCHEMA.with_name("field_types.json")
needs_shared = pytest.mark.skipif(not SCHEMA.exists(), reason="the shared facts are not part of this repository")


def played(seconds: float, seed: int = 1, every_s: float = 1.0, phase: float = 0.0) -> Iterator[tuple[float, bytes, Record]]:
    """All messages of a drive as (seconds since its start, topic, record)."""
    drive = Drive("5YJ3TEST5PF000001", seed=seed, start_s=START, phase=phase)
    for tick in range(round(seconds / every_s)):
        now = START + tick * every_s
        for topic, record in drive.step(now):
            yield now - START, topic, record


def datums(record: Record) -> dict[str, dict[str, Any]]:
    return {datum["key"]: datum["value"] for datum in record["data"]}


def states(seconds: float, seed: int, every_s: float = 1.0) -> Iterator[tuple[float, dict[str, Any]]]:
    """(seconds, what a server that hears everything knows after each data message): alternative stripped, invalid = None."""
    known: dict[str, Any] = {}
    for at, topic, record in played(seconds, seed, every_s):
        if topic == V:
            known.update(
                {key: None if "invalid" in value else next(iter(value.values())) for key, value in datums(record).items()}
            )
            yield at, dict(known)


@pytest.fixture(scope="module")
def day() -> list[tuple[float, dict[str, Any]]]:
    """A day and a half, one look each second."""
    return list(states(1.5 * DAY_S, seed=2))


def test_the_first_message_holds_every_field_and_later_ones_only_what_has_changed() -> None:
    known: dict[str, Any] = {}
    sizes = []
    for _, topic, record in played(3600):
        if topic == V:
            told = datums(record)
            assert all(known.get(key) != value for key, value in told.items())
            known.update(told)
            sizes.append(len(told))
    assert sizes[0] == len(FIELDS) == len({field.key for field in FIELDS})
    assert max(sizes[1:]) < len(FIELDS)


@pytest.mark.parametrize("every_s", [0.05, 0.5, 0.7, 3.0])
def test_a_field_keeps_its_interval_and_data_messages_keep_half_a_second(every_s: float) -> None:
    last: dict[str, float] = {}
    messages = []
    for at, topic, record in played(200, every_s=every_s):
        if topic == V:
            messages.append(at)
            for key in datums(record):
                assert at - last.get(key, -math.inf) >= INTERVALS[key] - 1e-6, key
                last[key] = at
    assert len(messages) > 30
    assert min(after - before for before, after in pairwise(messages)) >= V_INTERVAL_S - 1e-6


@needs_shared
def test_every_value_is_of_the_alternative_that_cars_send_and_every_name_is_the_protocols() -> None:
    schema, types = json.loads(SCHEMA.read_text()), json.loads(FIELD_TYPES.read_text())["fields"]
    text = json.dumps(schema)
    seen = set()
    for _, topic, record in played(DAY_S, seed=2):
        for key, value in datums(record).items() if topic == V else ():
            ((alternative, content),) = value.items()
            snake = re.sub("([A-Z])", r"_\1", alternative).lower()
            assert snake in (types[key]["likely_value"], "invalid"), key
            if snake not in ("invalid", "string_value") and isinstance(content, str):
                assert f'"{content}"' in text, content
            seen.add(alternative)
    assert {"doubleValue", "locationValue", "doorValue", "shiftStateValue", "detailedChargeStateValue", "invalid"} <= seen


def test_the_odometer_never_falls_and_rises_as_speed_says(day: list[tuple[float, dict[str, Any]]]) -> None:
    miles = [state["Odometer"] for _, state in day]
    assert miles == sorted(miles)
    driven = sum((state["VehicleSpeed"] or 0) * (after - at) / 3600 for (at, state), (after, _) in pairwise(day))
    assert miles[-1] - miles[0] == pytest.approx(driven, rel=0.01)
    assert miles[-1] - miles[0] > 20


def test_the_car_is_where_its_speed_took_it(day: list[tuple[float, dict[str, Any]]]) -> None:
    for (at, state), (after, later) in pairwise(day):
        metres = distance_m(state["Location"], later["Location"])
        fastest = max(state["VehicleSpeed"] or 0, later["VehicleSpeed"] or 0) * MILE_M / 3600
        assert metres <= (after - at) * (fastest + 1.5) + 0.3


def test_the_car_goes_where_it_is_heading_or_backwards_in_reverse(day: list[tuple[float, dict[str, Any]]]) -> None:
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


def test_energy_falls_while_driving_rises_while_charging_and_is_the_same_after_a_day() -> None:
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


def test_battery_figures_agree_with_each_other(day: list[tuple[float, dict[str, Any]]]) -> None:
    capacities = [100 * state["EnergyRemaining"] / state["Soc"] for _, state in day]
    assert max(capacities) - min(capacities) < 0.05
    driving = [state for _, state in day if (state["VehicleSpeed"] or 0) > 40]
    assert all(280 < state["PackVoltage"] < 420 for state in driving)
    assert min(state["PackCurrent"] for state in driving) < -150
    assert max(state["PackCurrent"] for state in driving) > 50


def test_gear_speed_doors_locks_belt_and_sentry_never_contradict(day: list[tuple[float, dict[str, Any]]]) -> None:
    # What has its own interval lags behind by it; so a contradiction counts only if it lasts longer than all of them.
    lasting = max(INTERVALS[key] for key in ("Gear", "DoorState", "Locked", "DriverSeatBelt", "SentryMode")) + 1.5
    rules: dict[str, Callable[[dict[str, Any]], object]] = {
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


def test_a_day_has_everything_in_it(day: list[tuple[float, dict[str, Any]]]) -> None:
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


def test_some_cars_charge_to_their_limit_and_some_leave_before() -> None:
    cars = {seed: Car.drawn(seed, 0) for seed in range(40)}
    full = next(seed for seed, car in cars.items() if car.top_percent == car.limit_percent)
    early = next(seed for seed, car in cars.items() if car.top_percent < car.limit_percent)
    for seed, end, other in ((full, "Complete", "Stopped"), (early, "Stopped", "Complete")):
        seen = {state["DetailedChargeState"].removeprefix("DetailedChargeState") for _, state in states(DAY_S * 1.2, seed)}
        assert end in seen
        assert other not in seen


def test_alerts_begin_and_end_and_errors_are_rare() -> None:
    messages = list(played(10 * 3600, seed=3))
    alerts = [record["alerts"][0] for _, topic, record in messages if topic == ALERTS]
    first = next(at for at, topic, _ in messages if topic == ALERTS)
    assert 6 <= first <= 41
    assert len(alerts) > 40
    for begun, ended in zip(alerts[::2], alerts[1::2], strict=False):
        assert begun["endedAt"] is None
        assert (ended["name"], ended["startedAt"]) == (begun["name"], begun["startedAt"])
        assert ended["endedAt"] > ended["startedAt"]
    errors = [record["errors"][0] for _, topic, record in messages if topic == ERRORS]
    assert 5 < len(errors) < 60
    assert all(error["name"] and error["tags"]["field_name"] for error in errors)


def test_the_same_seed_gives_the_same_drive_and_another_seed_another() -> None:
    assert list(played(60, seed=7)) == list(played(60, seed=7))
    assert list(played(5, seed=7)) != list(played(5, seed=8))


def test_cars_begin_in_different_places_at_different_times_of_their_day() -> None:
    first = [next(played(1, seed, phase=seed / 9))[2] for seed in range(9)]
    assert len({tuple(datums(record)["Location"]["locationValue"].values()) for record in first}) == 9
    assert len({datums(record)["Gear"].get("shiftStateValue") for record in first}) > 1


def test_a_look_after_a_long_pause_is_still_consistent() -> None:
    drive = Drive("5YJ3TEST5PF000001", seed=1, start_s=START)
    drive.step(START)
    ((_, record), *_) = drive.step(START + 40 * DAY_S + 20)
    odometer = datums(record)["Odometer"]["doubleValue"]
    assert odometer > Car.drawn(1, 0).odometer_miles + 40 * 0.9 * timetable()[-1].distance_m / MILE_M


def test_a_true_up_tells_the_latest_values_of_the_fields_asked_for() -> None:
    drive = Drive("5YJ3TEST5PF000001", seed=1, start_s=START)
    known: dict[str, Any] = {}
    for tick in range(30):
        for topic, record in drive.step(START + tick):
            known.update(datums(record) if topic == V else {})
    record = drive.true_up(["Gear", "Odometer", "Gear", "NoSuchField"], START + 30)
    assert record["isResend"] is True
    assert [datum["key"] for datum in record["data"]] == ["Gear", "Odometer"]
    assert datums(record) == {key: known[key] for key in ("Gear", "Odometer")}


@pytest.mark.parametrize("now", [0.0, START, 1_790_000_000.9999999])
def test_timestamps_have_nanoseconds_and_are_utc(now: float) -> None:
    text = rfc3339_ns(now)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", text)
    assert datetime.fromisoformat(text).timestamp() == pytest.approx(now, abs=1e-6)
    assert datetime.fromisoformat(text).tzinfo == UTC


def test_the_timetable_closes_upon_itself() -> None:
    first, last = timetable()[0], timetable()[-1]
    assert last._replace(distance_m=0.0) == first
    before = timetable()[-2]
    assert (before.east_m, before.north_m) == pytest.approx((first.east_m, first.north_m), abs=0.01)
    assert before.used_kwh == pytest.approx(0, abs=1e-6)


def test_the_timetable_integrates_speed_to_distance_and_power_to_energy() -> None:
    rows = timetable()
    for before, after in pairwise(rows):
        assert after.distance_m - before.distance_m == pytest.approx((before.speed_mps + after.speed_mps) / 2 * ROW_S, abs=0.45)
    used = sum(row.power_kw * ROW_S / 3600 for row in rows if row.power_kw > 0)
    given = -sum(row.power_kw * ROW_S / 3600 for row in rows if row.power_kw < 0)
    assert used == pytest.approx(given, rel=0.02)


def test_the_road_is_driven_calmly_and_within_its_limits() -> None:
    rows = timetable()
    assert max(row.acceleration_mps2 for row in rows) < 2.5
    assert min(row.acceleration_mps2 for row in rows) > -4
    assert max(abs(row.lateral_mps2) for row in rows) < CORNERING_MPS2 * 1.3
    assert max(row.speed_mps for row in rows) <= 120 / 3.6
    route = Route()
    assert 10_000 < route.length_m < 20_000
    assert all(math.dist(here, there) < 2 * route.step_m for here, there in pairwise([*route.points, route.points[0]]))


@pytest.mark.parametrize("luck", [0.0, 0.5, 0.999])
def test_back_off_doubles_up_to_its_limit_and_is_never_less_than_half_of_that(luck: float) -> None:
    delays = [delay_s(attempt, luck) for attempt in range(2000)]
    assert delays[:5] == [delays[0] * 2**attempt for attempt in range(5)]
    assert delays == sorted(delays)
    assert LIMIT_S / 2 <= delays[-1] <= LIMIT_S
    assert delays[0] >= 0.25


def distance_m(here: dict[str, float], there: dict[str, float]) -> float:
    return math.hypot(*offset_m(here, there))


def bearing_deg(here: dict[str, float], there: dict[str, float]) -> float:
    return math.degrees(math.atan2(*offset_m(here, there))) % 360


def offset_m(here: dict[str, float], there: dict[str, float]) -> tuple[float, float]:
    """(east, north) on a sphere of Earth's size."""
    degree = math.pi / 180 * 6_371_000
    east = (there["longitude"] - here["longitude"]) * degree * math.cos(math.radians(here["latitude"]))
    return east, (there["latitude"] - here["latitude"]) * degree
