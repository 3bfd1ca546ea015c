"""
Whatever bytes come, our codec and the independent ones agree: the same values, or both refuse.

`TESLAFAST_EXAMPLES` sets how many payloads each law is tried on: a few hundred by default, 200,000 for the long run.
"""

import math
import os
import struct
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from teslafast.errors import Malformed
from teslafast.protocol import _wire

from tests.support import oracle, payloads

VIN = "5YJ3E1EA7KF000001"
EXAMPLES = int(os.environ.get("TESLAFAST_EXAMPLES", "200"))
law = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def ours(topic: bytes, payload: bytes, shape: int) -> Any:
    try:
        return _wire.read_record(topic, payload, VIN, shape).body
    except Malformed:
        return "refused"


def theirs(topic: bytes, payload: bytes, shape: int) -> Any:
    try:
        return (oracle.fleet if shape == _wire.FLEET else oracle.flat)(topic, payload, VIN)
    except oracle.Refused:
        return "refused"


def assert_agreed(topic: bytes, payload: bytes) -> None:
    for shape in (_wire.FLAT, _wire.FLEET):
        assert same(ours(topic, payload, shape), theirs(topic, payload, shape)), (topic, payload.hex())


def same(left: Any, right: Any) -> bool:
    """Equal, of the same types, zeros of the same sign."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return type(left) is type(right) and left == right


@law
@given(payloads.PAYLOADS)
def test_a_payload_reads_as_protobuf_reads_it(given_payload: tuple[bytes, bytes]) -> None:
    assert_agreed(*given_payload)


@law
@given(payloads.PAYLOADS)
def test_the_unknown_members_counted_are_those_that_protobuf_kept(given_payload: tuple[bytes, bytes]) -> None:
    topic, payload = given_payload
    try:
        expected = oracle.unknown_values(topic, payload)
    except oracle.Refused:
        reject()
    for shape in (_wire.FLAT, _wire.FLEET):
        assert _wire.read_record(topic, payload, VIN, shape).unknown_values == expected, payload.hex()


@law
@given(payloads.PAYLOADS, st.data())
def test_a_damaged_payload_reads_as_protobuf_reads_it(given_payload: tuple[bytes, bytes], data: st.DataObject) -> None:
    topic, payload = given_payload
    damaged = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 3)) if payload else 0):
        damaged[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    assert_agreed(topic, bytes(damaged))


@settings(law, max_examples=max(EXAMPLES // 20, 1))
@given(payloads.PAYLOADS)
def test_a_payload_cut_anywhere_reads_as_protobuf_reads_it(given_payload: tuple[bytes, bytes]) -> None:
    topic, payload = given_payload
    for end in range(len(payload)):
        assert_agreed(topic, payload[:end])


@law
@given(payloads.PAYLOADS)
def test_the_fleet_shape_is_protojson(given_payload: tuple[bytes, bytes]) -> None:
    topic, payload = given_payload
    body = ours(topic, payload, _wire.FLEET)
    assume(body != "refused")
    message = corrected(topic, payload)
    try:
        printed = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    except (ValueError, json_format.Error):  # a timestamp that has no JSON
        reject()
    assert without_nulls(body) == with_short_floats(printed)


@law
@given(payloads.PAYLOADS)
def test_what_was_read_can_be_written_as_protobuf_writes_it(given_payload: tuple[bytes, bytes]) -> None:
    topic, payload = given_payload
    body = ours(topic, payload, _wire.FLEET)
    assume(body != "refused")
    message = corrected(topic, payload)
    message.DiscardUnknownFields()
    assume(all_timestamps(message) == all_timestamps(oracle.parse(topic, written := _wire.write_record(topic, body))))
    assert same(ours(topic, written, _wire.FLEET), body)
    tags = [len(error["tags"]) for error in body.get("errors", ())]
    if "NaN" not in str(body) and max(tags, default=0) < 2:  # there are many NaN, and JSON has one; a map's order is anybody's
        assert written == message.SerializeToString(deterministic=True)


def corrected(topic: bytes, payload: bytes) -> Any:
    message: Any = oracle.parse(topic, payload)
    oracle.correct(topic, message)
    message.vin = VIN
    return message


def all_timestamps(message: Any) -> list[str]:
    """Every Timestamp in a message: those that JSON cannot say are lost on the way."""
    found = []
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.name == "Timestamp":
            found.append(str(value))
        elif field.name in ("alerts", "errors"):
            found += [stamp for part in value for stamp in all_timestamps(part)]
    return found


def without_nulls(body: Any) -> Any:
    """Python's json_format leaves an unset message out, where Go's protojson says null."""
    if isinstance(body, dict):
        return {key: without_nulls(value) for key, value in body.items() if value is not None}
    return [without_nulls(value) for value in body] if isinstance(body, list) else body


def with_short_floats(printed: dict[str, Any]) -> dict[str, Any]:
    """Python's json_format does not always find the shortest float32."""
    for datum in printed.get("data", ()):
        value = datum.get("value", {})
        if isinstance(value.get("floatValue"), float | int):
            value["floatValue"] = oracle.shortest(struct.unpack("<f", struct.pack("<f", value["floatValue"]))[0])
    return printed


# Envelopes

PARTS = st.fixed_dictionaries(
    {name: st.binary(max_size=20) for name in ("payload", "sender_id", "device_type", "device_id")}
    | {"created_at": st.integers(0, (1 << 32) - 1), "delivered_at_ms": st.sampled_from([0, 1, 1 << 63])}
)
SHORT, TXIDS = st.binary(max_size=9), st.binary(max_size=33)
ENVELOPES = st.builds(oracle.build_envelope, SHORT, TXIDS, st.one_of(PARTS, PARTS, st.none()), SHORT)
# Small offsets that lead somewhere, rather than noise that is refused at its first byte.
WILD = st.lists(st.sampled_from([0, 0, 0, 1, 4, 6, 8, 12, 14, 16, 20, 24, 252, 255]), max_size=80).map(bytes)


@law
@given(SHORT, TXIDS, PARTS, SHORT)
def test_an_envelope_is_written_as_the_references_builder_writes_it(
    topic: bytes, txid: bytes, stream: dict[str, Any], message_id: bytes
) -> None:
    expected = oracle.build_envelope(topic, txid, stream, message_id)
    assert _wire.write_envelope(topic, txid, message_id=message_id, **stream) == expected
    assert _wire.ack(txid, topic) == oracle.build_envelope(topic, txid, None)
    assert _wire.error_reply(txid) == oracle.build_envelope(b"", txid, {"payload": b"incorrect message format"})


@law
@given(st.one_of(ENVELOPES, WILD), st.data())
def test_an_envelope_whole_or_damaged_reads_as_flatbuffers_reads_it(frame: bytes, data: st.DataObject) -> None:
    damaged = bytearray(frame)
    for _ in range(data.draw(st.integers(0, 2)) if frame else 0):
        damaged[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.one_of(st.integers(0, 24), st.integers(0, 255)))
    assert_envelopes_agree(bytes(damaged))


@settings(law, max_examples=max(EXAMPLES // 20, 1))
@given(ENVELOPES)
def test_an_envelope_cut_anywhere_reads_as_flatbuffers_reads_it(frame: bytes) -> None:
    for end in range(len(frame)):
        assert_envelopes_agree(frame[:end])


def assert_envelopes_agree(frame: bytes) -> None:
    try:
        expected = oracle.envelope(frame)
    except oracle.Refused:
        with pytest.raises(Malformed):
            _wire.read_envelope(frame)
        return
    envelope = _wire.read_envelope(frame)
    numbers = ("message_type", "created_at", "delivered_at_ms")
    vectors = ("txid", "topic", "message_id", "sender_id", "device_type", "device_id", "payload")
    empty: dict[str, Any] = dict.fromkeys(numbers, 0) | dict.fromkeys(vectors, b"")
    assert {name: getattr(envelope, name) for name in empty} == empty | expected, frame.hex()
