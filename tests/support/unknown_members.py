"""
What protobuf keeps of a Value whose members are newer than schema.json: an oracle for the server's flat shape.

upb hands unknown fields back as it got them, in their order, so a Value in which nothing is set serialises to nothing else.
UnknownFieldSet says what each one holds; only a group's bytes have to be cut out of the serialised ones.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet

VARINT, FIXED64, LENGTH, GROUP, GROUP_END, FIXED32 = range(6)


def last(value: Any) -> Any:
    """The value of the last unknown member: a signed integer, or base64 of the bytes; None if there is none."""
    members = UnknownFieldSet(value)
    if not len(members):
        return None
    member = members[len(members) - 1]
    match member.wire_type:
        case 0:
            return member.data - (1 << 64 if member.data >> 63 else 0)
        case 1:
            return b64encode(member.data.to_bytes(8, "little")).decode()
        case 5:
            return b64encode(member.data.to_bytes(4, "little")).decode()
        case 2:
            return b64encode(member.data).decode()
    return b64encode(_last_group(value.SerializeToString())).decode()


def counted(values: Iterable[Any]) -> dict[int, int]:
    """For each number how many of these Values, in which nothing else is set, have it as their last unknown member."""
    members = [UnknownFieldSet(value) for value in values]
    return dict(Counter(fields[len(fields) - 1].field_number for fields in members if len(fields)))


def _last_group(encoded: bytes) -> bytes:
    """What stands behind the tag of the last field, which is a group, its closing tag included."""
    at = start = 0
    while at < len(encoded):
        tag, start = _varint(encoded, at)
        at = _behind(encoded, start, tag)
    return encoded[start:]


def _behind(encoded: bytes, at: int, tag: int) -> int:
    """Where the value ends that begins at `at`; protobuf has parsed it before, so it does end."""
    match tag & 7:
        case 0:
            return _varint(encoded, at)[1]
        case 1:
            return at + 8
        case 2:
            size, at = _varint(encoded, at)
            return at + size
        case 5:
            return at + 4
    while True:
        inner, at = _varint(encoded, at)
        if inner & 7 == GROUP_END:
            return at
        at = _behind(encoded, at, inner)


def _varint(encoded: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (encoded[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if encoded[at - 1] < 0x80:
            return value, at
