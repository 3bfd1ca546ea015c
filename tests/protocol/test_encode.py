"""A record is written as Google's encoders write it, and what the protocol cannot say is refused."""

import struct
from typing import Any

import pytest
from teslafast.protocol.encode import write_record

from tests.support import oracle


def datum(value: dict[str, Any], key: str | int = "Soc") -> bytes:
    return write_record(b"V", {"data": [{"key": key, "value": value}]})


def test_members_that_are_absent_or_none_are_left_unset() -> None:
    assert write_record(b"V", {}) == b""
    assert write_record(b"V", {"vin": None, "createdAt": None, "isResend": False, "data": []}) == b""
    assert write_record(b"errors", {"errors": [{"tags": {}, "body": ""}]}) == b"\x0a\x00"


def test_an_alternative_of_value_is_written_even_if_it_is_zero() -> None:
    assert datum({"intValue": 0}) == b"\x0a\x06\x08\x08\x12\x02\x10\x00"
    assert datum({"booleanValue": False}).endswith(b"\x12\x02\x30\x00")
    assert datum({}).endswith(b"\x12\x00")
    assert datum({"doorValue": {}}).endswith(b"\x12\x03\xaa\x01\x00")


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ({"longValue": "9007199254740993"}, b"\x18\x81\x80\x80\x80\x80\x80\x80\x10"),
        ({"longValue": -1}, b"\x18" + b"\xff" * 9 + b"\x01"),
        ({"floatValue": "NaN"}, b"\x25" + struct.pack("<f", float("nan"))),
        ({"doubleValue": "-Infinity"}, b"\x29" + struct.pack("<d", float("-inf"))),
        ({"shiftStateValue": "ShiftStateD"}, b"\x48\x05"),
        ({"shiftStateValue": 99}, b"\x48\x63"),
        ({"stringValue": "é"}, b"\x0a\x02\xc3\xa9"),
    ],
)
def test_a_value_has_protobufs_bytes(value: dict[str, Any], encoded: bytes) -> None:
    assert datum(value).endswith(encoded)


def test_fields_go_out_in_the_order_of_their_numbers() -> None:
    record = {
        "isResend": True,
        "vin": "V",
        "createdAt": "1970-01-01T00:00:01Z",
        "data": [{"value": {"intValue": 1}, "key": "Soc"}],
    }
    assert write_record(b"V", record) == bytes.fromhex("0a06080812021001 12020801 1a0156 2001")


@pytest.mark.parametrize(
    ("text", "seconds", "nanos"),
    [
        ("1970-01-01T00:00:00Z", 0, 0),
        ("1969-12-31T23:59:59.999999999Z", -1, 999_999_999),
        ("0001-01-01T00:00:00Z", -62135596800, 0),
        ("9999-12-31T23:59:59.5Z", 253402300799, 500_000_000),
        ("2024-02-29T12:00:00.000001Z", 1709208000, 1000),
    ],
)
def test_a_timestamp_is_seconds_and_nanoseconds(text: str, seconds: int, nanos: int) -> None:
    message: Any = oracle.parse(b"V", write_record(b"V", {"createdAt": text}))
    assert (message.created_at.seconds, message.created_at.nanos) == (seconds, nanos)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"data": [{"key": "Sock"}]}, "Field has no 'Sock'"),
        ({"data": [{"kee": 1}]}, "Datum has no 'kee'"),
        ({"data": [{"value": {"intValue": 1 << 31}}]}, "does not fit in 32 bits"),
        ({"data": [{"value": {"longValue": str(1 << 63)}}]}, "does not fit in 64 bits"),
        ({"data": [{"value": {"floatValue": 1e39}}]}, "does not fit in a float32"),
        ({"createdAt": "2024-01-01T00:00:00"}, "no RFC 3339 timestamp"),
        ({"createdAt": "2024-01-01T00:00:00.1234567891Z"}, "no RFC 3339 timestamp"),
        ({"createdAt": "2024-02-30T00:00:00Z"}, "day"),
    ],
)
def test_a_record_that_the_protocol_cannot_say_is_a_value_error(record: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        write_record(b"V", record)


def test_an_unknown_topic_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="topic b'canlogs'"):
        write_record(b"canlogs", {})
