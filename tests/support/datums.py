"""Datums as tests want them: in bytes, or written from JSON and read again."""

from typing import Any

from teslafast.protocol._wire import FLAT, read_record, write_record

from tests.support.payloads import LENGTH, VARINT, sized, tagged, varint

VIN = "5YJ3E1EA7KF000001"


def data_of(*datums: dict[str, Any], shape: int = FLAT) -> Any:
    """The `data` of the record that these datums, in fleet shape, are read as."""
    return read_record(b"V", write_record(b"V", {"data": list(datums)}), VIN, shape).body["data"]


def datum(value: bytes, key: int = 8) -> bytes:
    """A payload of one Datum around a Value's bytes; key 8 is Soc."""
    return tagged(1, LENGTH, sized(tagged(1, VARINT, varint(key)) + tagged(2, LENGTH, sized(value))))
