"""What the codec promises beyond agreeing with its oracles: shapes to the letter, borrowed memory given back, bounds."""

import struct
import time
from typing import Any

import orjson
import pytest
from teslafast.errors import Malformed
from teslafast.protocol import _wire
from teslafast.protocol._wire import FLAT, FLEET, read_envelope, read_record, write_envelope, write_record

from tests.support import payloads
from tests.support.payloads import FIXED32, LENGTH, VARINT, sized, tagged, varint

VIN = "5YJ3E1EA7KF000001"
FRAME = write_envelope(
    b"V",
    b"78ae54a58800468194dc95-000000397",
    b"\x20\x01",
    sender_id=b"vehicle_device.device-1",
    device_type=b"vehicle_device",
    device_id=b"device-1",
    message_id=b"mid",
    created_at=1_700_000_000,
    delivered_at_ms=1_700_000_000_123,
)


def data_of(*datums: dict[str, Any], shape: int = FLAT) -> Any:
    return read_record(b"V", write_record(b"V", {"data": list(datums)}), VIN, shape).body["data"]


def flat(value: dict[str, Any], key: str | int = "Soc") -> Any:
    return data_of({"key": key, "value": value})


def datum(value: bytes, key: int = 8) -> bytes:
    """One Datum around a Value's bytes."""
    return tagged(1, LENGTH, sized(tagged(1, VARINT, varint(key)) + tagged(2, LENGTH, sized(value))))


# Shapes


def test_a_flat_record_is_contract_mds() -> None:
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


def test_flat_alerts_errors_and_connectivity_are_contract_mds() -> None:
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
        ({"shiftStateValue": 99}, 99),
        ({"shiftStateValue": -1}, -1),
        ({"timeValue": {"minute": 5}}, {"hour": 0, "minute": 5, "second": 0}),
        ({"locationValue": {"latitude": "NaN"}}, {"latitude": None, "longitude": 0.0}),
        ({"stringValue": ""}, ""),
        ({}, None),
    ],
)
def test_a_flat_value_is_plain(value: dict[str, Any], shown: Any) -> None:
    assert flat(value) == {"Soc": shown}
    assert type(flat(value)["Soc"]) is type(shown)


def test_a_field_that_is_not_known_is_named_by_its_number() -> None:
    assert data_of({"key": 260}, {"key": -5}) == {"Field_260": None, "Field_-5": None}
    assert data_of({"key": 260}, shape=FLEET) == [{"key": 260, "value": None}]


def test_of_two_datums_with_one_key_the_last_wins() -> None:
    assert data_of({"key": "Soc", "value": {"intValue": 1}}, {"key": "Soc", "value": {"intValue": 2}}) == {"Soc": 2}


def test_both_datums_with_one_key_are_signals() -> None:
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
def test_a_timestamp_has_milliseconds_in_flat_and_what_it_needs_in_fleet(
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


def test_only_the_first_location_is_looked_at() -> None:
    text = {"stringValue": "(3.5 N, 4.5 W)"}
    place = {"latitude": 3.5, "longitude": -4.5}
    assert data_of({"key": "Location", "value": text}) == {"Location": place}
    assert data_of({"key": "Location", "value": {"intValue": 1}}, {"key": "Location", "value": text}) == {
        "Location": text["stringValue"]
    }
    assert data_of({"key": "OriginLocation", "value": text}) == {"OriginLocation": text["stringValue"]}
    both = data_of({"key": "Location", "value": text}, {"key": "Location", "value": text}, shape=FLEET)
    assert [datum["value"] for datum in both] == [{"locationValue": place}, text]


def test_milliseconds_in_an_alerts_seconds_are_taken_for_that() -> None:
    stamp = tagged(1, VARINT, varint(1_700_000_000_321)) + tagged(2, VARINT, varint(5))
    alert = tagged(3, LENGTH, sized(stamp)) + tagged(4, LENGTH, sized(tagged(1, VARINT, varint(315_575_999_999))))
    payload = tagged(1, LENGTH, sized(alert)) + tagged(2, LENGTH, sized(stamp))
    body = read_record(b"alerts", payload, VIN, FLEET).body
    assert body["alerts"][0]["startedAt"] == "2023-11-14T22:13:20.321Z"
    assert (body["alerts"][0]["endedAt"], body["createdAt"]) == (None, None)


# Envelopes


def test_an_empty_message_is_an_envelope_without_a_message() -> None:
    envelope = read_envelope(b"")
    assert (envelope.txid, envelope.topic, envelope.message_type, envelope.payload) == (b"", b"", 0, b"")


def test_an_envelope_of_another_type_has_its_txid_and_no_topic() -> None:
    envelope = read_envelope(_wire.ack(b"tx", b"V"))
    assert (envelope.txid, envelope.topic, envelope.message_type) == (b"tx", b"", 5)


def test_a_reply_has_its_topic() -> None:
    reply = _wire.read_reply(_wire.ack(b"tx", b"V"))
    assert (reply.txid, reply.topic, reply.message_type, reply.payload) == (b"tx", b"V", 5, b"")


def test_a_frame_cut_anywhere_is_malformed_until_only_a_terminator_is_missing() -> None:
    whole = read_envelope(FRAME)
    for end in range(1, len(FRAME) - 1):
        with pytest.raises(Malformed):
            read_envelope(FRAME[:end])
    assert read_envelope(FRAME[:-1]).sender_id == whole.sender_id == b"vehicle_device.device-1"


def test_malformed_names_the_txid_if_it_could_be_read() -> None:
    with pytest.raises(Malformed) as fault:
        read_envelope(FRAME[:-2])
    assert fault.value.txid == b"78ae54a58800468194dc95-000000397"
    with pytest.raises(Malformed) as fault:
        read_envelope(b"\xff\xff\xff\xff")
    assert fault.value.txid == b""


# Borrowed memory


@pytest.mark.parametrize("topic", sorted(_wire.TOPICS))
def test_borrowed_memory_is_given_back(topic: bytes) -> None:
    buffer = bytearray(b"\xa2\x06\x02ab")
    read_record(topic, memoryview(buffer), VIN)
    buffer.clear()  # BufferError if anybody still holds it
    for content in (b"\x0a\x02\xff\xff", b"\x1a\x09cut"):
        buffer = bytearray(content)
        with pytest.raises(Malformed):
            read_record(topic, memoryview(buffer), VIN)
        buffer.clear()


def test_a_borrowed_envelope_is_given_back_and_may_be_overwritten() -> None:
    buffer = bytearray(FRAME)
    envelope = read_envelope(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    buffer.clear()
    assert (envelope.txid, envelope.payload) == (b"78ae54a58800468194dc95-000000397", b"\x20\x01")
    cut = bytearray(FRAME[:-2])
    with pytest.raises(Malformed):
        read_envelope(cut)
    cut.clear()


@pytest.mark.parametrize("foreign", ["text", None, 7, [1]])
def test_what_is_no_buffer_is_a_type_error(foreign: Any) -> None:
    with pytest.raises(TypeError):
        read_envelope(foreign)
    with pytest.raises(TypeError):
        read_record(b"V", foreign, VIN)


def test_an_unknown_topic_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        read_record(b"canlogs", b"", VIN)


# Bounds

MEGABYTE = 1_000_000


def filled(piece: bytes) -> bytes:
    return piece * (MEGABYTE // len(piece))


HOSTILE = {
    "datums that say something": (b"V", filled(datum(tagged(6, VARINT, b"\1")))),
    "empty datums": (b"V", filled(b"\x0a\x00")),
    "keys that nobody knows": (b"V", b"".join(datum(b"", -number) for number in range(50_000))),
    "values in one datum": (b"V", tagged(1, LENGTH, sized(b"\x12\x00" * 490_000))),
    "alternatives in one value": (b"V", datum(b"\x3a\x00\x30\x01" * 240_000)),
    "groups in groups": (b"V", b"\x0b" * MEGABYTE),
    "small groups": (b"V", filled(b"\x9b\x06" * 99 + b"\x9c\x06" * 99)),
    "scientific numbers": (b"V", filled(datum(b"\x0a\x0b16777217.e0"))),
    "one long number": (b"V", datum(tagged(1, LENGTH, sized(b"16777217." + b"0" * 990_000 + b"1e0")))),
    "a long power": (b"V", datum(tagged(1, LENGTH, sized(b"1.5e" + b"9" * 990_000)))),
    "a position that does not end": (b"V", datum(tagged(1, LENGTH, sized(b"(" + b"1_" * 490_000)), key=21)),
    "a position of digits": (b"V", datum(tagged(1, LENGTH, sized(b"(1p" + b"1" * 990_000 + b" N, 1 W)")), key=21)),
    "alerts": (b"alerts", b"\x0a\x00" * 131_072),
    "audiences": (b"alerts", tagged(1, LENGTH, sized(tagged(2, LENGTH, sized(b"\1" * 990_000))))),
    "tags": (b"errors", tagged(1, LENGTH, sized(b"\x1a\x00" * 490_000))),
}


def printed_size(topic: bytes, payload: bytes, shape: int) -> int:
    try:
        return len(orjson.dumps(read_record(topic, payload, VIN, shape).body))
    except Malformed:
        return 0


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_megabyte_costs_no_more_than_its_length(name: str) -> None:
    topic, payload = HOSTILE[name]
    started = time.process_time()
    for shape in (FLAT, FLEET):
        assert printed_size(topic, payload, shape) < 10 * MEGABYTE
    assert time.process_time() - started < 3  # it takes 0.2 s; anything that is not linear takes minutes


def test_a_megabyte_of_datums_that_say_something_is_taken() -> None:
    topic, payload = HOSTILE["datums that say something"]
    assert read_record(topic, payload, VIN).signals == 125_000


@pytest.mark.parametrize("width", range(6, 12))
def test_a_tag_or_a_length_longer_than_five_bytes_is_malformed(width: int) -> None:
    for payload in (varint(100 << 3, width) + b"\1", tagged(3, LENGTH, varint(1, width)) + b"x"):
        with pytest.raises(Malformed):
            read_record(b"V", payload, VIN)


def test_messages_and_groups_may_be_nested_a_hundred_deep() -> None:
    nested = {depth: tagged(5, 3, b"") * depth + tagged(5, 4, b"") * depth for depth in (99, 100, 101)}
    assert read_record(b"V", nested[100], VIN).signals == 0
    assert read_record(b"V", tagged(1, LENGTH, sized(nested[99])), VIN).signals == 1
    for payload in (nested[101], tagged(1, LENGTH, sized(nested[100]))):
        with pytest.raises(Malformed):
            read_record(b"V", payload, VIN)


def test_texts_that_are_not_utf8_are_malformed_wherever_they_stand() -> None:
    broken = sized(b"\xed\xa0\x80")
    alert = tagged(1, LENGTH, sized(tagged(1, LENGTH, broken)))
    tag = tagged(1, LENGTH, sized(tagged(3, LENGTH, sized(tagged(2, LENGTH, broken)))))
    replaced = datum(tagged(1, LENGTH, broken) + tagged(2, VARINT, b"\1"))
    for topic, payload in (
        (b"V", tagged(3, LENGTH, broken)),
        (b"V", tagged(3, LENGTH, broken) + tagged(3, LENGTH, sized(b"fine"))),
        (b"V", replaced),
        (b"alerts", alert),
        (b"errors", tag),
        (b"connectivity", tagged(5, LENGTH, broken)),
    ):
        with pytest.raises(Malformed, match="UTF-8"):
            read_record(topic, payload, VIN)


def test_unknown_fields_are_not_texts() -> None:
    assert read_record(b"V", tagged(100, LENGTH, sized(b"\xff")), VIN).signals == 0


def test_the_strategies_know_every_alternative() -> None:
    assert len(payloads.FIELDS["telemetry.vehicle_data.Value"]) == 53
