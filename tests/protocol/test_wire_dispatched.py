"""
A record's own bytes as the reference passes them on: what protobuf itself makes of them once the VIN is the certificate's and the
corrections are done. `TESLAFAST_EXAMPLES` as in test_wire_oracle.py.
"""

from typing import Any

import pytest
from hypothesis import given, reject
from teslafast.errors import Malformed
from teslafast.protocol import _wire

from tests.protocol.test_wire_examples import CONTRACT, frames, names
from tests.protocol.test_wire_oracle import law
from tests.support import oracle, payloads

VIN = "5YJ3E1EA7KF000001"
CASES = [case for case in CONTRACT if case["dispatched"] not in ([], [None])]


def by_protobuf(topic: bytes, payload: bytes) -> Any:
    """The message that the reference marshals."""
    message: Any = oracle.parse(topic, payload)
    oracle.correct(topic, message)
    message.vin = VIN
    return message


@law
@given(payloads.PAYLOADS)
def test_a_payload_is_marshalled_again_as_protobuf_does_it(given_payload: tuple[bytes, bytes]) -> None:
    topic, payload = given_payload
    try:
        expected = by_protobuf(topic, payload)
        _wire.read_record(topic, payload, VIN)
    except (oracle.Refused, Malformed):
        reject()
    made = _wire.dispatched(topic, payload, VIN)
    again: Any = oracle.parse(topic, made)
    assert again.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True), payload.hex()
    if all(len(error.tags) < 2 for error in getattr(expected, "errors", ())):  # a map's order is anybody's
        assert made == expected.SerializeToString(deterministic=True), payload.hex()


@pytest.mark.parametrize("case", CASES, ids=names(CASES))
def test_a_recorded_frame_is_dispatched_as_the_record_that_the_reference_dispatched(case: dict[str, Any]) -> None:
    records = []
    for frame in frames(case):
        envelope = _wire.read_envelope(frame)
        made = _wire.dispatched(envelope.topic, envelope.payload, "device-1")
        records.append(oracle.printed(envelope.topic, oracle.parse(envelope.topic, made)))
    assert records == case["dispatched"]


def test_a_topic_without_records_has_none() -> None:
    with pytest.raises(KeyError):
        _wire.dispatched(b"unknown", b"", VIN)


@pytest.mark.parametrize("payload", [b"\x0a", b"\x0a\x05\x08", b"\xff" * 12, b"\x1b"])
def test_what_is_no_message_is_malformed(payload: bytes) -> None:
    with pytest.raises(Malformed):
        _wire.dispatched(b"V", payload, VIN)
