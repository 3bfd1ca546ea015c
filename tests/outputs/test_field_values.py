"""What databases store of a data event: every value, under a name that has one type for ever."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teslafast.outputs.field_types import BOOLEANS, NUMBERS, TEXTS
from teslafast.outputs.field_values import NAME_AT_MOST, STORED_TEXT_AT_MOST, moment_ms, plain_values

from tests.support import ROOT

RECEIVED_MS = 1_795_420_800_000
STRUCTURES = {"locationValue", "doorValue", "tireLocationValue", "value"}
ALTERNATIVES = {"doubleValue": NUMBERS, "intValue": NUMBERS, "booleanValue": BOOLEANS}


def test_every_field_of_the_protocol_has_its_type() -> None:
    with (ROOT / "tests" / "data" / "field_facts.tsv").open() as file:
        facts = {row["field"]: row["value"] for row in csv.DictReader(file, delimiter="\t")}
    plain = {name: ALTERNATIVES.get(value, TEXTS) for name, value in facts.items() if value not in STRUCTURES}
    assert [name for name, types in plain.items() if name not in types] == []
    assert set(plain) == NUMBERS | BOOLEANS | TEXTS
    assert len(plain) == len(NUMBERS) + len(BOOLEANS) + len(TEXTS)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"Soc": 64.5}, {"Soc": 64.5}),
        ({"Soc": 64}, {"Soc": 64.0}),
        ({"Soc": "64.5"}, {"Soc": 64.5}),
        ({"Soc": "SNA"}, {"Soc_text": "SNA"}),
        ({"Soc": "nan"}, {"Soc_text": "nan"}),
        ({"Soc": "1e400"}, {"Soc_text": "1e400"}),
        ({"Soc": True}, {"Soc_bool": True}),
        ({"Soc": None}, {"Soc": None}),
        ({"Gear": "ShiftStateD"}, {"Gear": "ShiftStateD"}),
        ({"Gear": 99}, {"Gear": "99"}),
        ({"Version": "2026.40.3"}, {"Version": "2026.40.3"}),
        ({"Version": False}, {"Version": "false"}),
        ({"Locked": True}, {"Locked": True}),
        ({"Locked": "true"}, {"Locked": True}),
        ({"Locked": 0}, {"Locked": False}),
        ({"Locked": 7}, {"Locked_number": 7.0}),
        ({"Locked": "maybe"}, {"Locked_text": "maybe"}),
        ({"Location": {"latitude": 1, "longitude": -2.5}}, {"Location_latitude": 1.0, "Location_longitude": -2.5}),
        ({"Location": "nowhere"}, {"Location_text": "nowhere"}),
        ({"Location": {"latitude": None}}, {"Location_latitude": None}),
        ({"DoorState": {"DriverFront": True}}, {"DoorState_DriverFront": True}),
        ({"DoorState": {"DriverFront": 3}}, {"DoorState_DriverFront_number": 3.0}),
        ({"DoorState": {"DriverFront": [1]}}, {"DoorState_DriverFront_text": "[1]"}),
        ({"ScheduledDepartureTime": {"hour": 7, "minute": 5, "second": 0}}, {"ScheduledDepartureTime": "07:05:00"}),
        ({"ScheduledDepartureTime": "07:05:00"}, {"ScheduledDepartureTime": "07:05:00"}),
        ({"Field_300": 1}, {"Field_300": 1.0}),
        ({"Field_300": "1"}, {"Field_300_text": "1"}),
        ({"Field_300": True}, {"Field_300_bool": True}),
        ({"Field_300": [1, "x"]}, {"Field_300_text": '[1,"x"]'}),
        ({"VehicleName": "a\0b"}, {"VehicleName": "a\ufffdb"}),
        ({"": 1}, {"__number": 1.0}),
        ({"DoorState_DriverFront": 1}, {"DoorState_DriverFront_number": 1.0}),
        ({"Field_300_text": 1}, {"Field_300_text_number": 1.0}),
        ({"Field": {"300": True}}, {"Field_300_bool": True}),
    ],
)
def test_a_value_is_stored_by_a_name_that_says_its_type(sent: dict[str, Any], stored: dict[str, Any]) -> None:
    found = dict(plain_values(sent))
    assert found == stored
    assert [type(value) for value in found.values()] == [type(value) for value in stored.values()]


PARTS = ["Soc", "Locked", "Gear", "Location", "latitude", "DoorState", "DriverFront", "Field", "300", "text", "bool", "number"]
NAMES = st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map("_".join) | st.text()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), 1 << 63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(NAMES, JSON, max_size=4), max_size=6))
def test_no_name_ever_has_two_types_whatever_vehicles_send(events: list[dict[str, Any]]) -> None:
    types: dict[str, type] = {}
    for event in events:
        for name, value in plain_values(event):
            if value is not None:
                assert types.setdefault(name, type(value)) is type(value), name
            assert 0 < len(name) <= NAME_AT_MOST + len("_number")
            assert "\0" not in name
            assert not isinstance(value, str) or (len(value) <= STORED_TEXT_AT_MOST and "\0" not in value)


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-11-23T07:59:59.123Z", RECEIVED_MS - 877),
        ("2026-11-23T09:59:59.123+02:00", RECEIVED_MS - 877),
        ("2026-11-23T08:00:00.001Z", RECEIVED_MS),
        ("1970-01-01T00:00:01Z", RECEIVED_MS),
        ("0001-01-01T00:00:00.000Z", RECEIVED_MS),
        ("noon", RECEIVED_MS),
        (None, RECEIVED_MS),
    ],
)
def test_an_event_happened_when_the_vehicle_says_unless_that_cannot_be(created: str | None, expected: int) -> None:
    assert moment_ms(created, RECEIVED_MS) == expected
