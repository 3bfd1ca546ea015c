"""Rows: each cell as TeslaMate can read it, nothing made up, no step back in time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.dashboards._teslamate_rows import RowShape, VehicleRows
from teslafast.dashboards.teslamate_rows import ROW_FIELDS, TESLAMATE_COLUMNS, power_kw
from teslafast.rfc3339 import rfc3339
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from tests.support.row_model import RowModel
from tests.support.teslamate import read_row

PLACE = {"latitude": 52.390613, "longitude": 13.064567}
PARKED: dict[str, Any] = {"Location": PLACE, "Gear": "ShiftStateP"}
DRIVING: dict[str, Any] = {
    "Location": PLACE,
    "Gear": "ShiftStateD",
    "VehicleSpeed": 65.5,
    "Odometer": 12345.678,
    "Soc": 71.4,
    "GpsHeading": 201.7,
    "PackVoltage": 360.0,
    "PackCurrent": -50.0,
    "RatedRange": 210.2,
    "EstBatteryRange": 199.9,
}
ALL = RowShape(b"", TESLAMATE_COLUMNS)


def rows(**values: Any) -> VehicleRows:
    vehicle = VehicleRows({}, {})
    vehicle.take(values, 1000, False)
    return vehicle


def cells(**values: Any) -> dict[str, str]:
    return rows(**values).cells


def test_a_driving_vehicle_has_every_cell_but_elevation() -> None:
    vehicle = VehicleRows({}, {})
    assert vehicle.take(DRIVING, 1000, False)
    assert ALL.value(vehicle) == "1000,66,12345.678,71,,202,52.390613,13.064567,18,D,210,200,202"


def test_cells_come_in_the_order_asked_for_and_unknown_columns_stay_empty() -> None:
    vehicle = rows(**DRIVING)
    assert RowShape(b"", ["elevation", "native_type", "soc", "speed"]).value(vehicle) == "1000,,,71,66"
    assert RowShape(b"", ["soc"]).value(vehicle) == "1000,71"
    assert RowShape(b"", ["nothing"]).value(vehicle) == "1000,"


@pytest.mark.parametrize("copies", [1, 2, 10, 1000])
def test_a_frame_holds_the_head_and_the_value_and_ends_the_message(copies: int) -> None:
    vehicle, head = rows(**DRIVING), b'{"msg_type":"data:update","tag":"T","value":"'
    shape = RowShape(head, TESLAMATE_COLUMNS[:2] * copies)
    protocol = ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=None)
    protocol.receive_data(shape.frame(vehicle))
    (frame,) = protocol.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, frame.fin, frame.data) == (Opcode.BINARY, True, head + shape.value(vehicle).encode() + b'"}')


def test_a_row_that_fits_into_no_short_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="a row of"):
        RowShape(b"x" * 65536, ["soc"]).frame(rows(**DRIVING))


@pytest.mark.parametrize(
    ("value", "cell"),
    [(0, "0"), (0.4, "0"), (0.5, "1"), (2.5, "3"), (-0.4, "0"), (-2.5, "-3"), (1e300, ""), (None, ""), (True, ""), ("65", "")],
)
def test_speed_is_a_whole_number_or_empty(value: Any, cell: str) -> None:
    assert cells(VehicleSpeed=value)["speed"] == cell


@pytest.mark.parametrize(("value", "cell"), [(0.00001, "0.00001"), (1e14, "100000000000000.0"), (7, "7"), (12.5, "12.5")])
def test_an_odometer_has_no_exponent(value: float, cell: str) -> None:
    assert cells(Odometer=value)["odometer"] == cell


@pytest.mark.parametrize(
    ("gear", "cell"),
    [(f"ShiftState{gear}", gear) for gear in "PRND"]
    + [("ShiftStateInvalid", ""), ("ShiftStateSNA", ""), ("ShiftStateUnknown", ""), (None, ""), (9, ""), ("D", "")],
)
def test_a_gear_is_its_letter_or_empty(gear: Any, cell: str) -> None:
    assert cells(Gear=gear)["shift_state"] == cell


@pytest.mark.parametrize(
    ("values", "power"),
    [
        ({}, 0),
        ({"PackVoltage": 360.0, "PackCurrent": -50.0}, 18),
        ({"PackVoltage": 360.0, "PackCurrent": 50.0}, -18),
        ({"PackVoltage": 360.0}, 0),
        ({"PackVoltage": 360.0, "PackCurrent": None}, 0),
        ({"ACChargingPower": 11.2, "PackVoltage": 360.0, "PackCurrent": 28.0}, -11),
        ({"DCChargingPower": 120.6, "ACChargingPower": 0.0}, -121),
        ({"DCChargingPower": 0.0, "ACChargingPower": 0.0, "PackVoltage": 400.0, "PackCurrent": -1.0}, 0),
    ],
)
def test_power_is_the_chargers_while_it_charges_then_the_batterys_and_always_a_number(values: dict[str, Any], power: int) -> None:
    assert power_kw(values) == power
    assert cells(**values)["power"] == str(power)


def test_a_field_that_becomes_invalid_empties_its_column() -> None:
    vehicle = rows(**PARKED, Soc=71)
    assert vehicle.take({"Soc": None}, 2000, False)
    assert vehicle.cells["soc"] == ""


@pytest.mark.parametrize("missing", ["Location", "Gear"])
def test_there_is_no_row_before_place_and_gear_have_been_seen(missing: str) -> None:
    vehicle = VehicleRows({}, {})
    assert not vehicle.take({name: value for name, value in DRIVING.items() if name != missing}, 1000, False)
    assert vehicle.take({missing: DRIVING[missing]}, 1000, False)


@pytest.mark.parametrize("gear", "DRN")
def test_a_gear_without_a_place_gives_no_row(gear: str) -> None:
    vehicle = rows(**DRIVING | {"Gear": f"ShiftState{gear}"})
    assert not vehicle.take({"Location": None}, 2000, False)
    assert vehicle.take({"Gear": "ShiftStateP"}, 3000, False)
    assert vehicle.cells["est_lat"] == vehicle.cells["est_lng"] == ""


def test_a_record_without_any_field_of_a_row_gives_none() -> None:
    vehicle = rows(**PARKED)
    assert not vehicle.take({"Locked": True}, 2000, False)
    assert vehicle.time_ms == 1000


def test_a_late_record_gives_no_row_and_takes_nothing_newer_back() -> None:
    vehicle = rows(**DRIVING)
    vehicle.take({"Soc": 70}, 3000, False)
    assert not vehicle.take({"Soc": 71, "VehicleSpeed": 30}, 2000, False)
    assert (vehicle.cells["soc"], vehicle.cells["speed"], vehicle.time_ms) == ("70", "30", 3000)


def test_a_resent_record_gives_no_row_but_what_it_says_is_known() -> None:
    vehicle = rows(**DRIVING)
    assert not vehicle.take({"Soc": 70}, 2000, True)
    assert vehicle.take({"VehicleSpeed": 30}, 3000, False)
    assert vehicle.cells["soc"] == "70"


def test_the_same_record_twice_gives_one_row() -> None:
    vehicle = VehicleRows({}, {})
    assert vehicle.take(DRIVING, 1000, False)
    assert not vehicle.take(DRIVING, 1000, False)
    assert vehicle.take(DRIVING, 1001, False), "a second later the car stands still: that is worth a row"


def test_another_record_of_the_same_millisecond_gives_a_row() -> None:
    vehicle = rows(**DRIVING)
    assert vehicle.take({"Soc": 12}, 1000, False)
    assert vehicle.time_ms == 1000


def test_what_is_known_already_is_in_the_first_row() -> None:
    vehicle = VehicleRows(PARKED | {"Soc": 55, "Locked": True}, {"Location": 5, "Gear": 6, "Soc": 7, "Locked": 99})
    assert vehicle.time_ms == 7
    assert vehicle.take({"VehicleSpeed": None}, 8, False)
    assert (vehicle.cells["soc"], vehicle.cells["shift_state"]) == ("55", "P")


def test_a_height_fills_the_column_elevation_and_an_unknown_place_empties_it() -> None:
    vehicle = VehicleRows({}, {}, lambda latitude, longitude: 34 if latitude > 50 else None)
    vehicle.take(PARKED, 1, False)
    assert vehicle.cells["elevation"] == "34"
    vehicle.take({"Location": {"latitude": 10.0, "longitude": 0.0}}, 2, False)
    assert vehicle.cells["elevation"] == ""


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.sampled_from(["ShiftStateD", "ShiftStateP"]),
)
places = st.one_of(anything, st.fixed_dictionaries({}, optional={"latitude": anything, "longitude": anything}))
records = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(sorted(ROW_FIELDS - {"Location"})), anything) | st.builds(dict, Location=places),
        st.integers(0, 50),
        st.booleans(),
    ),
    max_size=30,
)


@given(records)
def test_whatever_a_vehicle_says_every_row_can_be_read_and_time_never_steps_back(
    said: list[tuple[dict[str, Any], int, bool]],
) -> None:
    vehicle, last = VehicleRows({}, {}), -math.inf
    for values, time_ms, is_resend in said:
        if vehicle.take(values, time_ms, is_resend):
            assert not is_resend
            row = read_row(ALL.value(vehicle))
            assert row.time_ms >= last
            assert isinstance(row.cells["power"], int)
            for column, cell in vehicle.cells.items():
                assert cell == "" or column not in row.cells or row.cells[column] is not None, (column, cell)
            assert row.cells["shift_state"] in (None, "P") or row.cells["est_lat"] is not None
            last = row.time_ms


def test_what_was_told_while_our_own_clock_was_ahead_ends_no_rows() -> None:
    vehicle = VehicleRows(PARKED, dict.fromkeys(PARKED, 5_000), ahead=["Gear"])

    def take(created: str, came_ms: int, **data: Any) -> bool:
        return vehicle.take_event(json.dumps({"createdAt": created, "data": data}).encode(), came_ms)

    assert not take("1970-01-01T00:00:04.000Z", 5_000, Gear="ShiftStateD"), "late: no row"
    assert vehicle.cells["shift_state"] == "D", "but its time was ahead before"
    assert take("1970-01-01T00:00:01.500Z", 2_000, VehicleSpeed=30.0) is False, "late once more: since 2 s at the latest"
    assert take("1970-01-01T00:00:02.500Z", 3_000, VehicleSpeed=31.0)
    assert (vehicle.time_ms, vehicle.cells["speed"]) == (2_500, "31")


# An event's text is JSON, which has no infinity.
PLACES_IN_TEXT = places.filter(
    lambda place: all(not isinstance(number, float) or math.isfinite(number) for number in _numbers(place))
)


def _numbers(place: Any) -> Iterable[Any]:
    return place.values() if isinstance(place, dict) else (place,)


EVENTS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(sorted(ROW_FIELDS - {"Location"})), st.integers(0, 3))
        | st.builds(dict, Location=PLACES_IN_TEXT),
        st.none() | st.integers(0, 50),
        st.integers(0, 50),
        st.booleans(),
    ),
    max_size=30,
)


@given(EVENTS, st.sets(st.sampled_from(sorted(ROW_FIELDS))))
def test_the_compiled_rows_do_what_the_plain_ones_do_whatever_both_clocks_say(
    said: list[tuple[dict[str, Any], int | None, int, bool]], ahead: set[str]
) -> None:
    known, times = dict.fromkeys(ROW_FIELDS, 1), dict.fromkeys(ROW_FIELDS, 25)
    plain, compiled = RowModel(known, times, flat_land, ahead), VehicleRows(known, times, flat_land, ahead)
    for values, created_ms, came_ms, is_resend in said:
        created = None if created_ms is None else rfc3339(created_ms * 1_000_000)
        text = json.dumps({"createdAt": created, "data": values, "isResend": is_resend}).encode()
        assert plain.take_event(text, came_ms) == compiled.take_event(text, came_ms)
        assert plain.time_ms == compiled.time_ms <= came_ms
        assert plain.cells == compiled.cells


def flat_land(latitude: float, longitude: float) -> int | None:
    return None if latitude < 0 else int(latitude)


@given(records, st.dictionaries(st.sampled_from(sorted(ROW_FIELDS)), anything))
def test_the_compiled_rows_do_what_the_plain_ones_do(said: list[tuple[dict[str, Any], int, bool]], known: dict[str, Any]) -> None:
    times = dict.fromkeys(known, 25)
    plain, compiled = RowModel(known, times, flat_land), VehicleRows(known, times, flat_land)
    for values, time_ms, is_resend in said:
        assert plain.take(values, time_ms, is_resend) == compiled.take(values, time_ms, is_resend)
        assert plain.time_ms == compiled.time_ms
        assert plain.cells == compiled.cells
