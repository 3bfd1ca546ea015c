"""What is newer than our schema keeps its value in flat, is counted, and is protojson's `{}` in fleet."""

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from teslafast.protocol._wire import FLAT, FLEET, read_record

from tests.support import oracle, payloads
from tests.support.datums import VIN, data_of, datum
from tests.support.payloads import FIXED32, FIXED64, GROUP, GROUP_END, LENGTH, VARINT, sized, tagged, varint
from tests.support.unknown_members import last


def base64(content: bytes) -> str:
    return b64encode(content).decode()


def shown(value: bytes) -> Any:
    return read_record(b"V", datum(value), VIN).body["data"]["Soc"]


# Members of Value

MEMBERS: dict[str, tuple[bytes, Any]] = {
    "a small number": (tagged(56, VARINT, b"\x07"), 7),
    "zero": (tagged(56, VARINT, b"\0"), 0),
    "a negative number": (tagged(61, VARINT, varint(-5)), -5),
    "the largest number": (tagged(61, VARINT, varint((1 << 63) - 1)), (1 << 63) - 1),
    "the lowest number": (tagged(61, VARINT, varint(-(1 << 63))), -(1 << 63)),
    "the member that was never used": (tagged(20, VARINT, b"\x01"), 1),
    "a text": (tagged(99, LENGTH, sized(b"hello")), base64(b"hello")),
    "bytes that are not UTF-8": (tagged(99, LENGTH, sized(b"\xff\0")), base64(b"\xff\0")),
    "an empty text": (tagged(99, LENGTH, sized(b"")), ""),
    "a float": (tagged(99, FIXED32, b"\0\0\x80?"), base64(b"\0\0\x80?")),
    "a double": (tagged(99, FIXED64, b"12345678"), base64(b"12345678")),
    "a group": (tagged(99, GROUP, b"\x08\x01") + tagged(99, GROUP_END, b""), base64(b"\x08\x01" + tagged(99, GROUP_END, b""))),
    "the highest number of a field": (tagged(payloads.HIGHEST_NUMBER, VARINT, b"\x01"), 1),
    "a known member of another type": (tagged(2, FIXED32, b"1234"), base64(b"1234")),
    "the last of two": (tagged(56, VARINT, b"\x01") + tagged(58, LENGTH, sized(b"x")), base64(b"x")),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_an_unknown_member_of_value_keeps_its_value_in_flat(name: str) -> None:
    encoded, value = MEMBERS[name]
    assert shown(encoded) == value


@pytest.mark.parametrize("name", MEMBERS)
def test_an_unknown_member_of_value_is_an_empty_value_in_fleet(name: str) -> None:
    assert read_record(b"V", datum(MEMBERS[name][0]), VIN, FLEET).body["data"] == [{"key": "Soc", "value": {}}]


@pytest.mark.parametrize("shape", [FLAT, FLEET])
def test_unknown_members_are_counted_by_their_number(shape: int) -> None:
    payload = datum(tagged(56, VARINT, b"\1")) * 2 + datum(tagged(99, LENGTH, sized(b""))) + datum(tagged(2, VARINT, b"\1"))
    record = read_record(b"V", payload, VIN, shape)
    assert record.unknown_values == {56: 2, 99: 1}
    assert record.signals == 4


@pytest.mark.parametrize("value", [b"", tagged(10, VARINT, b"\1"), tagged(2, VARINT, b"\1")], ids=["empty", "invalid", "known"])
def test_a_record_without_unknown_members_counts_none(value: bytes) -> None:
    assert read_record(b"V", datum(value), VIN).unknown_values == {}


@pytest.mark.parametrize("unknown_first", [True, False])
def test_a_known_member_wins_over_an_unknown_one_wherever_it_stands(unknown_first: bool) -> None:
    both = [tagged(56, VARINT, b"\x09"), tagged(2, VARINT, b"\x07")]
    encoded = b"".join(both if unknown_first else reversed(both))
    assert shown(encoded) == 7
    assert read_record(b"V", datum(encoded), VIN).unknown_values == {}


def test_a_value_in_two_parts_shows_the_unknown_member_of_the_last() -> None:
    halves = [tagged(2, LENGTH, sized(tagged(56, VARINT, varint(number)))) for number in (1, 2)]
    payload = tagged(1, LENGTH, sized(tagged(1, VARINT, varint(8)) + b"".join(halves)))
    assert read_record(b"V", payload, VIN).body["data"] == {"Soc": 2}


def test_one_datums_unknown_member_does_not_leak_into_the_next() -> None:
    payload = datum(tagged(56, VARINT, b"\1"), key=8) + datum(b"", key=10)
    assert read_record(b"V", payload, VIN).body["data"] == {"Soc": 1, "Gear": None}


@given(payloads.unknown())
def test_any_unknown_member_has_the_value_that_protobuf_kept(member: bytes) -> None:
    message: Any = oracle.parse(b"V", datum(member))
    assert shown(member) == last(message.data[0].value)


# Fields, enum numbers, other messages


def test_an_unknown_field_is_named_by_its_number() -> None:
    assert data_of({"key": 278}, {"key": -5}) == {"Field_278": None, "Field_-5": None}
    assert data_of({"key": 278}, shape=FLEET) == [{"key": 278, "value": None}]


def test_an_unknown_member_of_an_unknown_field_keeps_its_value_too() -> None:
    assert read_record(b"V", datum(tagged(61, VARINT, b"\x03"), key=300), VIN).body["data"] == {"Field_300": 3}


@pytest.mark.parametrize("number", [99, -1])
def test_an_unknown_enum_number_stays_a_number(number: int) -> None:
    assert data_of({"key": "Gear", "value": {"shiftStateValue": number}}) == {"Gear": number}


def test_an_unknown_fields_bytes_need_not_be_utf8() -> None:
    assert read_record(b"V", tagged(100, LENGTH, sized(b"\xff")), VIN).signals == 0


# What Tesla added in October 2026


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("Cabin12vPortKeepOn", {"cabinPortKeepOnValue": "CabinPortKeepOnStateOn"}, "CabinPortKeepOnStateOn"),
        ("PowerTransferStatus", {"powerTransferStatusValue": "PowerTransferStatusBlocked"}, "PowerTransferStatusBlocked"),
        (
            "AutomaticEmergencyBrakingState",
            {"automaticEmergencyBrakingStateValue": "AutomaticEmergencyBrakingStateStandstill"},
            "AutomaticEmergencyBrakingStateStandstill",
        ),
        ("DetailedChargeState", {"detailedChargeStateValue": 7}, "DetailedChargeStateCalibrating"),
        ("DriverSeatBelt", {"buckleStatusValue": 4}, "BuckleStatusSNA"),
        ("CarType", {"carTypeValue": 7}, "CarTypeSemiTruckV2"),
        ("CarType", {"carTypeValue": 8}, "CarTypeCybercab"),
        ("SemiVehicleMassKg", {"floatValue": 11000.5}, 11000.5),
    ],
)
def test_an_addition_of_october_2026_is_written_and_read_by_its_name(key: str, value: dict[str, Any], expected: Any) -> None:
    assert data_of({"key": key, "value": value}) == {key: expected}
    [sent] = data_of({"key": key, "value": value}, shape=FLEET)
    assert sent == {"key": key, "value": {next(iter(value)): expected}}
