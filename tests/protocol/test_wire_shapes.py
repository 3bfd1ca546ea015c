"""What a decoded record looks like, flat and fleet, to the letter."""

import struct
from typing import Any

import orjson
import pytest
from teslafast.protocol._wire import FLEET, read_record, write_record

from tests.support.datums import VIN, data_of, datum
from tests.support.payloads import FIXED32, LENGTH, VARINT, sized, tagged, varint

# Shapes


def test_a_flat_record_has_vin_time_data_and_resend_in_this_order() -> None:
    record = read_record(
        b"V",
        write_record(
            b"V",
            {
                "vin": "ANOTHER",
                "createdAt": "2026-11-23T08:00:00.123987654Z",
                "data": [
                    {"key": "VehicleSpeed", "value": {"floatValue": 65.5}},
                    {"key": "Gear", "value": {"shiftStateValue": "ShiftStateD"}},
                    {"key": "Location", "value": {"locationValue": {"latitude": 37.4, "longitude": -122.1}}},
                    {"key": "DoorState", "value": {"doorValue": {"DriverFront": True}}},
                    {"key": "Soc", "value": {"invalid": True}},
                ],
            },
        ),
        VIN,
    )
    assert orjson.dumps(record.body) == (
        b'{"vin":"5YJ3E1EA7KF000001","createdAt":"2026-11-23T08:00:00.123Z","data":{"VehicleSpeed":65.5,"Gear":"ShiftStateD",'
        b'"Location":{"latitude":37.4,"longitude":-122.1},"DoorState":{"DriverFront":true,"DriverRear":false,"PassengerFront":false,'
        b'"PassengerRear":false,"TrunkFront":false,"TrunkRear":false},"Soc":null},"isResend":false}'
    )
    assert (record.kind, record.signals, record.vin_differs, record.is_resend) == ("data", 5, True, False)
    assert record.created_ns == 1795420800_123987654


def test_flat_alerts_errors_and_connectivity_have_their_members_in_this_order() -> None:
    alerts: dict[str, Any] = {"alerts": [{"name": "APP_w1", "audiences": ["Customer"], "startedAt": "2024-01-01T00:00:00Z"}]}
    errors: dict[str, Any] = {"errors": [{"name": "n", "tags": {"a": "b"}, "createdAt": "2024-01-01T00:00:00Z"}]}
    connectivity: dict[str, Any] = {"connectionId": "c", "status": "CONNECTED", "networkInterface": "wifi"}
    expected = {
        (
            b"alerts",
            "alerts",
            1,
        ): b'{"vin":"V","createdAt":null,"alerts":[{"name":"APP_w1",'
        b'"startedAt":"2024-01-01T00:00:00.000Z","endedAt":null,"audiences":["Customer"]}]}',
        (b"errors", "errors", 1): b'{"vin":"V","createdAt":null,"errors":[{"name":"n","createdAt":"2024-01-01T00:00:00.000Z",'
        b'"tags":{"a":"b"},"body":""}]}',
        (b"connectivity", "connectivity", 0): b'{"vin":"V","createdAt":null,"status":"CONNECTED","connectionId":"c",'
        b'"networkInterface":"wifi"}',
    }
    for ((topic, kind, signals), json), sent in zip(expected.items(), (alerts, errors, connectivity), strict=True):
        record = read_record(topic, write_record(topic, sent), "V")
        assert (orjson.dumps(record.body), record.kind, record.signals) == (json, kind, signals)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"floatValue": 0.1}, 0.1),
        ({"floatValue": 16777216.0}, 16777216.0),
        ({"floatValue": 3.4028234663852886e38}, 3.4028235e38),
        ({"floatValue": 1e-45}, 1e-45),
        ({"floatValue": -2097152.25}, -2097152.2),  # .2 and .3 are as short and as near: the even one, as in Go
        ({"floatValue": "NaN"}, None),
        ({"doubleValue": "Infinity"}, None),
        ({"doubleValue": 51.23999885469675}, 51.23999885469675),
        ({"longValue": "9007199254740993"}, 9007199254740993),
        ({"longValue": -(1 << 63)}, -(1 << 63)),
        ({"intValue": -1}, -1),
        ({"booleanValue": False}, False),
        ({"invalid": False}, None),
        ({"timeValue": {"minute": 5}}, {"hour": 0, "minute": 5, "second": 0}),
        ({"locationValue": {"latitude": "NaN"}}, {"latitude": None, "longitude": 0.0}),
        ({"stringValue": ""}, ""),
        ({}, None),
    ],
)
def test_a_value_is_shown_plain_in_flat(value: dict[str, Any], shown: Any) -> None:
    shown_flat = data_of({"key": "Soc", "value": value})["Soc"]
    assert shown_flat == shown
    assert type(shown_flat) is type(shown)


def test_of_two_datums_with_one_key_the_last_wins() -> None:
    assert data_of({"key": "Soc", "value": {"intValue": 1}}, {"key": "Soc", "value": {"intValue": 2}}) == {"Soc": 2}


def test_two_datums_with_one_key_count_as_two_signals() -> None:
    assert read_record(b"V", datum(b"") * 2, VIN).signals == 2


@pytest.mark.parametrize("claimed", [b"", VIN.encode()])
def test_a_vin_that_is_missing_or_right_does_not_differ(claimed: bytes) -> None:
    assert not read_record(b"V", tagged(3, LENGTH, sized(claimed)), VIN).vin_differs


@pytest.mark.parametrize("claimed", [b"x", VIN[:-1].encode(), VIN.encode() + b"x", VIN.lower().encode()])
def test_another_vin_differs_and_is_overwritten(claimed: bytes) -> None:
    record = read_record(b"V", tagged(3, LENGTH, sized(claimed)), VIN)
    assert record.vin_differs
    assert record.body["vin"] == VIN


@pytest.mark.parametrize(
    ("seconds", "nanos", "flat_form", "fleet_form", "created_ns"),
    [
        (0, 0, "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00Z", 0),
        (-1, 999_999_999, "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999999999Z", -1),
        (-62135596800, 1000, "0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000001Z", -62135596800 * 10**9 + 1000),
        (253402300799, 10**9 - 10**6, "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z", 253402300800 * 10**9 - 10**6),
        (951782400, 0, "2000-02-29T00:00:00.000Z", "2000-02-29T00:00:00Z", 951782400 * 10**9),
        (-62135596801, 0, None, None, None),
        (253402300800, 0, None, None, None),
        (0, -1, None, None, None),
        (0, 10**9, None, None, None),
    ],
)
def test_a_timestamp_has_milliseconds_in_flat_and_as_many_digits_as_it_needs_in_fleet(
    seconds: int, nanos: int, flat_form: str | None, fleet_form: str | None, created_ns: int | None
) -> None:
    stamp = tagged(2, LENGTH, sized(tagged(1, VARINT, varint(seconds)) + tagged(2, VARINT, varint(nanos))))
    assert read_record(b"V", stamp, VIN).body["createdAt"] == flat_form
    assert read_record(b"V", stamp, VIN, FLEET).body["createdAt"] == fleet_form
    assert read_record(b"V", stamp, VIN).created_ns == created_ns


# Merging


def test_a_value_that_comes_twice_is_merged() -> None:
    latitude, longitude = struct.pack("<d", 1.5), struct.pack("<d", 2.5)
    halves = [tagged(7, LENGTH, sized(tagged(number, 1, half))) for number, half in ((1, latitude), (2, longitude))]
    assert read_record(b"V", datum(halves[0] + halves[1]), VIN).body["data"] == {"Soc": {"latitude": 1.5, "longitude": 2.5}}
    another_between = halves[0] + tagged(2, VARINT, b"\x01") + halves[1]
    assert read_record(b"V", datum(another_between), VIN).body["data"] == {"Soc": {"latitude": 0.0, "longitude": 2.5}}


def test_a_known_field_of_another_wire_type_is_stepped_over() -> None:
    soc = tagged(2, VARINT, b"\x07") + tagged(2, FIXED32, b"\1\2\3\4")
    assert read_record(b"V", datum(soc), VIN).body["data"] == {"Soc": 7}


# The reference's corrections


def test_only_the_first_location_that_is_text_becomes_a_position() -> None:
    text = {"stringValue": "(3.5 N, 4.5 W)"}
    place = {"latitude": 3.5, "longitude": -4.5}
    assert data_of({"key": "Location", "value": text}) == {"Location": place}
    assert data_of({"key": "Location", "value": {"intValue": 1}}, {"key": "Location", "value": text}) == {
        "Location": text["stringValue"]
    }
    assert data_of({"key": "OriginLocation", "value": text}) == {"OriginLocation": text["stringValue"]}
    both = data_of({"key": "Location", "value": text}, {"key": "Location", "value": text}, shape=FLEET)
    assert [datum["value"] for datum in both] == [{"locationValue": place}, text]


def test_an_alerts_seconds_that_are_milliseconds_are_read_as_milliseconds() -> None:
    stamp = tagged(1, VARINT, varint(1_700_000_000_321)) + tagged(2, VARINT, varint(5))
    alert = tagged(3, LENGTH, sized(stamp)) + tagged(4, LENGTH, sized(tagged(1, VARINT, varint(315_575_999_999))))
    payload = tagged(1, LENGTH, sized(alert)) + tagged(2, LENGTH, sized(stamp))
    body = read_record(b"alerts", payload, VIN, FLEET).body
    assert body["alerts"][0]["startedAt"] == "2023-11-14T22:13:20.321Z"
    assert (body["alerts"][0]["endedAt"], body["createdAt"]) == (None, None)
