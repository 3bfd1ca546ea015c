"""
A record as JSON -> the protobuf bytes a vehicle sends: the inverse of `_wire.read_record` in the fleet shape.

The same tables that the decoder is built from are walked here, so what one can read the other can write. Fields go out in the
order of their numbers, zeros are left out save in a oneof, repeated enums are packed: byte for byte what Google's encoders write.
"""

import re
import struct
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from teslafast.messages import MESSAGES, TOPICS, Field
from teslafast.signals import ENUMS

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_NUMBERS = {enum: {name: number for number, name in enumerate(names)} for enum, names in ENUMS.items()}
_TIMESTAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_EPOCH = date(1970, 1, 1).toordinal()


def write_record(topic: bytes, record: Mapping[str, Any]) -> bytes:
    """The payload of a message of this topic, from the record's fleet shape; what is absent or None is left unset.

    ValueError for a topic, field, enum name or timestamp that the protocol does not have, and for numbers out of range.
    """
    if topic not in TOPICS:
        raise ValueError(f"no record goes under topic {topic!r}")
    return _message(TOPICS[topic][1], record)


def _message(name: str, members: Mapping[str, Any]) -> bytes:
    fields = _FIELDS[name]
    if strange := members.keys() - fields.keys():
        raise ValueError(f"{name} has no {', '.join(sorted(strange))}")
    keep_zero = name in ("Value", "Tag")  # a oneof says which one by being there; Google's encoders write map entries in full
    out = []
    for field, value in sorted((fields[key], value) for key, value in members.items() if value is not None):
        if field.repeated:
            out.append(_repeated(field, value))
        else:
            wire, encoded = _value(field.type, value)
            if keep_zero or field.type in MESSAGES or encoded.strip(b"\0"):
                out += _tag(field, wire), encoded
    return b"".join(out)


def _repeated(field: Field, values: Any) -> bytes:
    if field.type in ENUMS:
        packed = b"".join(_value(field.type, value)[1] for value in values)
        return _tag(field, _LENGTH) + _with_length(packed) if packed else b""
    if isinstance(values, Mapping):
        values = [{"key": key, "value": value} for key, value in values.items()]
    return b"".join(_tag(field, _LENGTH) + _value(field.type, value)[1] for value in values)


def _value(type_: str, value: Any) -> tuple[int, bytes]:
    """Wire type and bytes (without the tag) of one value."""
    if type_ in ENUMS:
        return _VARINT, _enum(type_, value)
    if type_ == "Timestamp":
        return _LENGTH, _with_length(_message(type_, _instant(value)))
    if type_ in MESSAGES:
        return _LENGTH, _with_length(_message(type_, value))
    wire, encode = _SCALARS[type_]
    return wire, encode(value)


def _tag(field: Field, wire: int) -> bytes:
    return _varint(field.number << 3 | wire)


def _varint(value: int) -> bytes:
    """Base 128, least significant first; a negative number is its 64-bit two's complement."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _with_length(encoded: bytes) -> bytes:
    return _varint(len(encoded)) + encoded


def _integer(bits: int) -> Callable[[int | str], bytes]:
    def encode(value: int | str) -> bytes:
        if not -(1 << bits - 1) <= (number := int(value)) < 1 << bits - 1:
            raise ValueError(f"{number} does not fit in {bits} bits")
        return _varint(number)

    return encode


def _enum(enum: str, value: int | str) -> bytes:
    if isinstance(value, str) and value not in _NUMBERS[enum]:
        raise ValueError(f"{enum} has no {value!r}")
    return _SCALARS["int32"][1](_NUMBERS[enum][value] if isinstance(value, str) else value)


def _real(form: str) -> Callable[[float | str], bytes]:
    def encode(value: float | str) -> bytes:
        number = float(value)  # "NaN", "Infinity" and "-Infinity" too
        try:
            return struct.pack(form, number)
        except OverflowError:  # protojson's decoder refuses these as well
            raise ValueError(f"{number} does not fit in a float32") from None

    return encode


def _instant(text: str) -> dict[str, int]:
    """A Timestamp's members from RFC 3339 in UTC."""
    if not (match := _TIMESTAMP.fullmatch(text)):
        raise ValueError(f"{text!r} is no RFC 3339 timestamp in UTC")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    days = date(year, month, day).toordinal() - _EPOCH
    return {"seconds": ((days * 24 + hour) * 60 + minute) * 60 + second, "nanos": int((match[7] or "").ljust(9, "0"))}


_FIELDS = {message: {field.name: field for field in fields} for message, fields in MESSAGES.items()}
_SCALARS: dict[str, tuple[int, Callable[[Any], bytes]]] = {
    "bool": (_VARINT, lambda value: b"\1" if value else b"\0"),
    "int32": (_VARINT, _integer(32)),
    "int64": (_VARINT, _integer(64)),
    "float": (_FIXED32, _real("<f")),
    "double": (_FIXED64, _real("<d")),
    "string": (_LENGTH, lambda value: _with_length(value.encode())),
}
