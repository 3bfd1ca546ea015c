"""
A record as JSON -> the protobuf bytes a vehicle sends: the inverse of `_wire.read_record` in the fleet shape.

The same tables that the decoder is built from become one encoder a field here, so what one can read the other can write. Fields
go out in the order of their numbers, zeros are left out save in a oneof, repeated enums are packed: byte for byte what Google's
encoders write.
"""

import re
import struct
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from .messages import MESSAGES, TOPIC_MESSAGES, FieldDescriptor
from .signals import ENUMS

Encode = Callable[[Any], bytes]  # a JSON value -> its bytes on the wire

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_KEEPS_ZEROS = ("Value", "Tag")  # a oneof says which one by being there; Google's encoders write map entries in full
_TIMESTAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_EPOCH = date(1970, 1, 1).toordinal()


def write_record(topic: bytes, record: Mapping[str, Any]) -> bytes:
    """
    The payload of a message of this topic, from the record's fleet shape; what is absent or None is left unset.

    ValueError for a topic, field, enum name or timestamp that the protocol does not have, and for numbers out of range.
    """
    if topic not in TOPIC_MESSAGES:
        raise ValueError(f"no record goes under topic {topic!r}")
    return _message(TOPIC_MESSAGES[topic][1], record)


def _message(name: str, members: Mapping[str, Any]) -> bytes:
    encoders = _ENCODERS[name]
    try:
        fields = sorted([(*encoders[key], value) for key, value in members.items() if value is not None], key=_number)
    except KeyError as strange:
        raise ValueError(f"{name} has no {strange}") from None
    return b"".join([encode(value) for _, encode, value in fields])


def _number(field: tuple[int, Encode, Any]) -> int:
    return field[0]


def _varint(value: int) -> bytes:
    """Base 128, least significant first; a negative number is its 64-bit two's complement."""
    if 0 <= value < 0x80:
        return _SMALL[value]
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL = [bytes([value]) for value in range(0x80)]


def _sized(encoded: bytes) -> bytes:
    return _varint(len(encoded)) + encoded


# Values, without their tags


def _bool(value: bool) -> bytes:
    return b"\1" if value else b"\0"


def _text(value: str) -> bytes:
    return _sized(value.encode())


def _integer(bits: int) -> Encode:
    def encode(value: int | str) -> bytes:
        number = int(value)
        if not -(1 << bits - 1) <= number < 1 << bits - 1:
            raise ValueError(f"{number} does not fit in {bits} bits")
        return _varint(number)

    return encode


def _real(form: str) -> Encode:
    def encode(value: float | str) -> bytes:
        try:
            return struct.pack(form, float(value))  # "NaN", "Infinity" and "-Infinity" too
        except OverflowError:
            raise ValueError(f"{value} does not fit in a float32") from None

    return encode


def _enum(name: str) -> Encode:
    numbers = {word: number for number, word in enumerate(ENUMS[name])}

    def encode(value: int | str) -> bytes:
        if isinstance(value, str):
            if value not in numbers:
                raise ValueError(f"{name} has no {value!r}")
            return _varint(numbers[value])
        return _SCALARS["int32"][1](value)

    return encode


def _instant(text: str) -> bytes:
    """A Timestamp from RFC 3339 in UTC."""
    if not (match := _TIMESTAMP.fullmatch(text)):
        raise ValueError(f"{text!r} is no RFC 3339 timestamp in UTC")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    days = date(year, month, day).toordinal() - _EPOCH
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    return _sized(_message("Timestamp", {"seconds": seconds, "nanos": int((match[7] or "").ljust(9, "0"))}))


_SCALARS: dict[str, tuple[int, Encode]] = {
    "bool": (_VARINT, _bool),
    "int32": (_VARINT, _integer(32)),
    "int64": (_VARINT, _integer(64)),
    "float": (_FIXED32, _real("<f")),
    "double": (_FIXED64, _real("<d")),
    "string": (_LENGTH, _text),
}


# Fields, with their tags


def _encoder(field: FieldDescriptor, keeps_zeros: bool) -> Encode:
    """What writes this field, tag included; nothing if it is a zero that goes without saying."""
    if field.type in ENUMS:
        wire, encode = _VARINT, _enum(field.type)
    elif field.type == "Timestamp":
        wire, encode = _LENGTH, _instant
    elif field.type in MESSAGES:
        wire, encode = _LENGTH, lambda members: _sized(_message(field.type, members))
    else:
        wire, encode = _SCALARS[field.type]
    if field.repeated:
        return _repeated(field, encode)
    tag = _varint(field.number << 3 | wire)
    if keeps_zeros or field.type in MESSAGES:
        return lambda value: tag + encode(value)
    return lambda value: tag + encoded if (encoded := encode(value)).strip(b"\0") else b""


def _repeated(field: FieldDescriptor, encode: Encode) -> Encode:
    tag = _varint(field.number << 3 | _LENGTH)
    if field.type in ENUMS:
        return lambda values: tag + _sized(b"".join(map(encode, values))) if values else b""
    if field.type == "Tag":
        return lambda tags: b"".join([tag + encode({"key": key, "value": value}) for key, value in tags.items()])
    return lambda values: b"".join([tag + encode(value) for value in values])


# Message -> JSON name -> (number, encoder).
_ENCODERS: dict[str, dict[str, tuple[int, Encode]]] = {
    message: {field.name: (field.number, _encoder(field, message in _KEEPS_ZEROS)) for field in fields}
    for message, fields in MESSAGES.items()
}
