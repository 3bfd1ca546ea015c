"""Borrowed memory is given back, and no payload costs more than its length."""

import time
from typing import Any

import orjson
import pytest
from teslafast.errors import Malformed
from teslafast.protocol import _wire
from teslafast.protocol._wire import FLAT, FLEET, VALUES_AT_MOST, read_envelope, read_record

from tests.support import payloads
from tests.support.datums import VIN, datum
from tests.support.payloads import GROUP, GROUP_END, LENGTH, VARINT, sized, tagged, varint


@pytest.mark.parametrize("topic", sorted(_wire.TOPICS))
def test_a_payloads_memory_is_given_back_whether_it_parses_or_not(topic: bytes) -> None:
    buffer = bytearray(b"\xa2\x06\x02ab")
    read_record(topic, memoryview(buffer), VIN)
    buffer.clear()  # BufferError if anybody still holds it
    for content in (b"\x0a\x02\xff\xff", b"\x1a\x09cut"):
        buffer = bytearray(content)
        with pytest.raises(Malformed):
            read_record(topic, memoryview(buffer), VIN)
        buffer.clear()


@pytest.mark.parametrize("foreign", ["text", None, 7, [1]])
def test_an_object_that_is_not_a_buffer_is_a_type_error(foreign: Any) -> None:
    with pytest.raises(TypeError):
        read_envelope(foreign)
    with pytest.raises(TypeError):
        read_record(b"V", foreign, VIN)


def test_an_unknown_topic_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        read_record(b"canlogs", b"", VIN)


MEGABYTE = 1_000_000


def filled(piece: bytes) -> bytes:
    return piece * min(MEGABYTE // len(piece), VALUES_AT_MOST)


HOSTILE = {
    "datums that say something": (b"V", filled(datum(tagged(6, VARINT, b"\1")))),
    "empty datums": (b"V", filled(b"\x0a\x00")),
    "keys that nobody knows": (b"V", b"".join(datum(b"", -number) for number in range(50_000))),
    "values in one datum": (b"V", tagged(1, LENGTH, sized(b"\x12\x00" * 490_000))),
    "alternatives in one value": (b"V", datum(b"\x3a\x00\x30\x01" * 240_000)),
    "values that nobody knows": (b"V", filled(datum(tagged(99, VARINT, b"\1")))),
    "members that nobody knows": (b"V", b"".join(datum(tagged(number, VARINT, b"\1")) for number in range(100, 80_000))),
    "many unknown members in one value": (b"V", datum(tagged(99, VARINT, b"\1") * 240_000)),
    "one long unknown member": (b"V", datum(tagged(99, LENGTH, sized(bytes(990_000))))),
    "an unknown group": (b"V", datum(tagged(99, GROUP, b"\x08\1" * 490_000) + tagged(99, GROUP_END, b""))),
    "groups in groups": (b"V", b"\x0b" * MEGABYTE),
    "small groups": (b"V", filled(b"\x9b\x06" * 99 + b"\x9c\x06" * 99)),
    "scientific numbers": (b"V", filled(datum(b"\x0a\x0b16777217.e0"))),
    "one long number": (b"V", datum(tagged(1, LENGTH, sized(b"16777217." + b"0" * 990_000 + b"1e0")))),
    "a long power": (b"V", datum(tagged(1, LENGTH, sized(b"1.5e" + b"9" * 990_000)))),
    "a position that does not end": (b"V", datum(tagged(1, LENGTH, sized(b"(" + b"1_" * 490_000)), key=21)),
    "a position of digits": (b"V", datum(tagged(1, LENGTH, sized(b"(1p" + b"1" * 990_000 + b" N, 1 W)")), key=21)),
    "alerts": (b"alerts", b"\x0a\x00" * 65_536),
    "audiences": (b"alerts", tagged(1, LENGTH, sized(tagged(2, LENGTH, sized(b"\1" * 990_000))))),
    "tags": (b"errors", tagged(1, LENGTH, sized(b"\x1a\x00" * 490_000))),
}


def printed_size(topic: bytes, payload: bytes, shape: int) -> int:
    try:
        return len(orjson.dumps(read_record(topic, payload, VIN, shape).body))
    except Malformed:
        return 0


def cost_s(topic: bytes, payload: bytes) -> float:
    started = time.process_time()
    for shape in (FLAT, FLEET):
        assert printed_size(topic, payload, shape) < 10 * MEGABYTE
    return time.process_time() - started


@pytest.fixture(scope="module")
def honest_cost_s() -> float:
    return min(cost_s(*HOSTILE["datums that say something"]) for _ in range(3))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_megabyte_costs_about_as_much_as_an_honest_one(name: str, honest_cost_s: float) -> None:
    assert cost_s(*HOSTILE[name]) < 20 * honest_cost_s  # the dearest takes 2 times as much; what is not linear, thousands


def test_a_record_has_no_more_values_than_some_milliseconds_make() -> None:
    """A car has 270 fields."""
    smallest = datum(tagged(6, VARINT, b"\1"))
    assert read_record(b"V", smallest * VALUES_AT_MOST, VIN).signals == VALUES_AT_MOST
    with pytest.raises(Malformed, match="more entries than any vehicle sends"):
        read_record(b"V", smallest * (VALUES_AT_MOST + 1), VIN)


@pytest.mark.parametrize("topic", [b"alerts", b"errors"])
def test_a_record_has_no_more_alerts_or_errors_than_some_milliseconds_make(topic: bytes) -> None:
    assert read_record(topic, b"\x0a\x00" * 8_192, VIN).signals == 8_192
    with pytest.raises(Malformed, match="more entries"):
        read_record(topic, b"\x0a\x00" * 8_193, VIN)


@pytest.mark.parametrize("shape", [FLAT, FLEET])
def test_a_structure_counts_for_three_plain_values_in_flat_which_is_read_first(shape: int) -> None:
    places = datum(b"\x3a\x00", key=8)
    most = VALUES_AT_MOST // 3
    assert read_record(b"V", places * most, VIN, shape).signals == most
    if shape == FLAT:
        with pytest.raises(Malformed, match="more entries"):
            read_record(b"V", places * (most + 1), VIN)


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


def test_the_strategies_make_every_alternative_of_value() -> None:
    assert len(payloads.FIELDS["telemetry.vehicle_data.Value"]) == 56
