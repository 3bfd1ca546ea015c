"""
Hypothesis strategies for payloads as a vehicle, or somebody who is none, may write them: straight to wire bytes.

Fields come in any order and number, absent or repeated, in the right wire type or another, with unknown ones, groups and padded
varints in between. Made from schema.json, so every message, every alternative of Value and every enum is in it. A small part is
garbage on purpose: most payloads should be taken, or only the refusals would be tested.
"""

import struct
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.support import oracle

VARINT, FIXED64, LENGTH, GROUP, GROUP_END, FIXED32 = range(6)
HIGHEST_NUMBER = (1 << 29) - 1

# A map's entries are messages that schema.json describes only by their types.
VALUE = "telemetry.vehicle_data.Value"
TAG = "telemetry.vehicle_error.VehicleError.TagsEntry"
FIELDS: dict[str, list[dict[str, Any]]] = oracle.FIELDS | {
    TAG: [{"number": number, "name": name, "type": "string", "label": "optional"} for number, name in ((1, "key"), (2, "value"))],
    "google.protobuf.Timestamp": [
        {"number": 1, "name": "seconds", "type": "int64", "label": "optional"},
        {"number": 2, "name": "nanos", "type": "int32", "label": "optional"},
    ],
}
WIRE = {"string": LENGTH, "message": LENGTH, "double": FIXED64, "float": FIXED32}


def varint(value: int, width: int = 0) -> bytes:
    """Base 128; padded with empty groups of seven bits to `width` bytes."""
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F or len(out) < width - 1:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def tagged(number: int, wire: int, value: bytes) -> bytes:
    return varint(number << 3 | wire) + value


def sized(content: bytes) -> bytes:
    return varint(len(content)) + content


def rarely(usual: st.SearchStrategy[bytes], odd: st.SearchStrategy[bytes], one_in: int) -> st.SearchStrategy[bytes]:
    return st.integers(1, one_in).flatmap(lambda n: odd if n == one_in else usual)


SEVEN_BITS = st.integers(0, 0x7F).map(lambda byte: bytes([byte]))
INTEGERS = st.one_of(
    st.integers(-3, 300),
    st.sampled_from([sign * (1 << bits) + step for bits in (7, 14, 31, 32, 53, 63) for sign in (-1, 1) for step in (-1, 0, 1)]),
    st.integers(-(1 << 63), (1 << 63) - 1),
)
# Ten bytes whose last one has more bits than are left.
OVERFULL = st.builds(lambda head, last: bytes(byte | 0x80 for byte in head) + last, st.binary(min_size=9, max_size=9), SEVEN_BITS)
PADDED = st.builds(varint, st.integers(0, 300), st.integers(0, 10))
VARINTS = rarely(INTEGERS.map(varint), st.one_of(PADDED, OVERFULL), 12)
SECONDS = st.one_of(
    st.integers(1_600_000_000, 1_900_000_000),
    st.sampled_from([s + d for s in (-62135596800, 0, 253402300799, 315_576_000_000, 253402300799_000) for d in (-1, 0, 1, 999)]),
    st.integers(-62135596800, 253402300799),
    st.integers(1_600_000_000_000, 1_900_000_000_000),
    INTEGERS,
).map(varint)
NANOS = st.one_of(
    st.sampled_from([0, 1, 1000, 1_000_000, 500_000_000, 999_999_999, 10**9, -1]), st.integers(0, 10**9), INTEGERS
).map(varint)

DECIMALS = st.one_of(st.floats(allow_nan=False).map(repr), st.from_regex(r"[+-]?[0-9]{0,12}\.?[0-9]{0,12}", fullmatch=True))
SCIENTIFIC = st.one_of(
    st.builds("{}e{:+d}".format, DECIMALS, st.integers(-60, 60)),
    st.builds("{}E{}".format, DECIMALS, st.integers(-5000, 5000)),
    st.builds("{:.25e}".format, st.integers(1 << 24, 1 << 30).map(lambda odd: (2 * odd + 1) / 64)),  # near and on float32's ties
)
POSITIONS = st.builds("({} {}, {} {})".format, DECIMALS, st.sampled_from("NNSSQ"), DECIMALS, st.sampled_from("EEWWn"))
TEXTS = st.one_of(
    st.text(max_size=8),
    st.text("abcXYZ019 ._-", max_size=30),
    SCIENTIFIC,
    POSITIONS,
    st.characters(min_codepoint=0x7F0, max_codepoint=0x10FFFF, exclude_categories=["Cs"]).map(lambda c: c * 3),
).map(str.encode)
BROKEN_TEXTS = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(
        [b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"ok\x80", b"\xf8\x88\x80\x80\x80", b"\xff"]
    ),
)


def groups(depth: int) -> st.SearchStrategy[bytes]:
    """The inside of a group and its end."""
    inner = unknown(depth - 1) if depth else st.just(b"")
    return st.lists(inner, max_size=2).map(b"".join)


@cache
def unknown(depth: int = 3) -> st.SearchStrategy[bytes]:
    """A field that no message has, of any wire type."""
    numbers = st.sampled_from([20, 56, 58, 59, 61, 100, 2047, 2048, HIGHEST_NUMBER])
    simple = st.one_of(
        st.tuples(st.just(VARINT), VARINTS),
        st.tuples(st.just(FIXED64), st.binary(min_size=8, max_size=8)),
        st.tuples(st.just(FIXED32), st.binary(min_size=4, max_size=4)),
        st.tuples(st.just(LENGTH), st.binary(max_size=9).map(sized)),
    )
    plain = st.builds(lambda number, field: tagged(number, *field), numbers, simple)
    if not depth:
        return plain
    group = st.builds(lambda n, inside: tagged(n, GROUP, inside) + tagged(n, GROUP_END, b""), numbers, groups(depth))
    return st.one_of(plain, plain, group)


GARBAGE = st.one_of(
    st.binary(min_size=1, max_size=6),
    st.sampled_from(
        [b"\x00\x01", b"\x02\x00", b"\x0e", b"\x0f", b"\x0c", tagged(HIGHEST_NUMBER + 1, VARINT, b"\x01"), b"\x0b\x14"]
    ),
    st.builds(lambda width: varint(100 << 3, width) + b"\x01", st.integers(3, 11)),  # a tag, and a length, longer than needed
    st.builds(lambda width: tagged(100, LENGTH, varint(1, width)) + b"x", st.integers(1, 11)),
    st.integers(90, 105).map(lambda deep: tagged(100, GROUP, b"") * deep + tagged(100, GROUP_END, b"") * deep),
)


@cache
def scalar(field_type: str) -> st.SearchStrategy[bytes]:
    """The bytes of one scalar, without its tag."""
    if field_type == "string":
        return rarely(TEXTS, BROKEN_TEXTS, 25).map(sized)
    if field_type == "double":
        return st.one_of(st.floats().map(lambda x: struct.pack("<d", x)), st.binary(min_size=8, max_size=8))
    if field_type == "float":
        return st.one_of(st.floats(width=32).map(lambda x: struct.pack("<f", x)), st.binary(min_size=4, max_size=4))
    return VARINTS


@cache
def known(message: str, index: int) -> st.SearchStrategy[bytes]:
    """One field of a message, as it should be."""
    field = FIELDS[message][index]
    number, wire = field["number"], WIRE.get(field["type"], VARINT)
    if message == "google.protobuf.Timestamp":
        value = SECONDS if field["name"] == "seconds" else NANOS
    elif field["type"] == "message":
        value = content(field["type_name"]).map(sized)
    elif field.get("type_name") == "telemetry.vehicle_data.Field":
        value = st.one_of(st.integers(0, 280), st.just(oracle.LOCATION), INTEGERS).map(varint)
    else:
        value = scalar(field["type"])
    one = value.map(lambda encoded: tagged(number, wire, encoded))
    if field["label"] == "repeated" and field["type"] == "enum":
        packed = st.lists(VARINTS, max_size=4).map(lambda several: tagged(number, LENGTH, sized(b"".join(several))))
        return st.one_of(one, packed)
    return one


@cache
def stray(message: str) -> st.SearchStrategy[bytes]:
    """What a decoder must step over, and now and then what it must refuse."""
    numbers = st.sampled_from([field["number"] for field in FIELDS[message]])
    other_type = st.builds(
        lambda number, field: tagged(number, *field),
        numbers,
        st.one_of(st.tuples(st.just(VARINT), VARINTS), st.tuples(st.just(FIXED32), st.binary(min_size=4, max_size=4))),
    )
    return rarely(st.one_of(unknown(), other_type), GARBAGE, 4)


@cache
def content(message: str) -> st.SearchStrategy[bytes]:
    """The fields of a message: mostly each once, else one of them again and again, or any of them with strays in between."""
    fields = [known(message, index) for index in range(len(FIELDS[message]))]
    one_of_them = message == VALUE
    orderly = st.one_of(fields) if one_of_them else st.tuples(*fields).map(b"".join)
    wild = st.lists(rarely(st.one_of(fields), stray(message), 8), max_size=3 if one_of_them else 6).map(b"".join)
    insistent = st.one_of([st.lists(field, min_size=2, max_size=3).map(b"".join) for field in fields])
    newer = st.lists(unknown(), min_size=1, max_size=3).map(b"".join) if one_of_them else orderly
    return st.one_of(orderly, orderly, orderly, insistent, wild, newer)


def record(topic: bytes) -> st.SearchStrategy[tuple[bytes, bytes]]:
    """A payload with several of what it is there to carry."""
    first = known(oracle.TOPICS[topic], 0)
    payload = st.tuples(st.lists(first, max_size=5).map(b"".join), content(oracle.TOPICS[topic])).map(b"".join)
    return st.tuples(st.just(topic), payload)


PAYLOADS = st.one_of(record(b"V"), record(b"V"), record(b"V"), record(b"alerts"), record(b"errors"), record(b"connectivity"))
