"""Every recorded frame of the reference server, at the codec's level: what it dispatched, what it replied, byte for byte."""

import json
from typing import Any

import pytest
from teslafast.errors import Malformed
from teslafast.protocol import _wire

from tests.support import DATA

CASES = json.loads((DATA / "examples.json").read_text())["cases"]
CONTRACT = [case for case in CASES if case["class"] == "contract" and "hex" in case["sent"][-1]]
ROBUSTNESS = [case for case in CASES if case["class"] == "robustness"]
VIN = "device-1"
SENDERS = (b"vehicle_device.device-1", b"device-1")


def names(cases: list[dict[str, Any]]) -> list[str]:
    return [case["id"] for case in cases]


def frames(case: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(sent["hex"]) for sent in case["sent"] if sent["opcode"] == "binary"]


def reply(frame: bytes) -> bytes:
    """What a server answers: the table in docs/protocol.md."""
    envelope = _wire.read_envelope(frame)
    if envelope.topic not in _wire.TOPICS:
        known = envelope.sender_id in SENDERS
        return _wire.ack(envelope.txid, envelope.topic) if known else _wire.error_reply(envelope.txid)
    try:
        _wire.read_record(envelope.topic, envelope.payload, VIN)
    except Malformed:
        return _wire.error_reply(envelope.txid)
    return _wire.ack(envelope.txid, envelope.topic)


def dispatched(frame: bytes) -> list[dict[str, Any]]:
    envelope = _wire.read_envelope(frame)
    try:
        return [_wire.read_record(envelope.topic, envelope.payload, VIN, _wire.FLEET).body]
    except (KeyError, Malformed):
        return []


@pytest.mark.parametrize("case", CONTRACT, ids=names(CONTRACT))
def test_a_recorded_frame_is_answered_byte_for_byte(case: dict[str, Any]) -> None:
    assert [reply(frame).hex() for frame in frames(case)] == [recorded["hex"] for recorded in case["replies"]]


@pytest.mark.parametrize("case", CONTRACT, ids=names(CONTRACT))
def test_a_recorded_frame_becomes_the_json_that_was_dispatched(case: dict[str, Any]) -> None:
    records = [record for frame in frames(case) for record in dispatched(frame)]
    if case["dispatched"] == [None]:  # the reference had no JSON for it: its createdAt is beyond the year 9999
        assert [record["createdAt"] for record in records] == [None]
    else:
        assert records == case["dispatched"]


@pytest.mark.parametrize("case", CONTRACT, ids=names(CONTRACT))
def test_a_recorded_frame_is_written_again_byte_for_byte(case: dict[str, Any]) -> None:
    for frame in frames(case):
        envelope = _wire.read_envelope(frame)
        assert frame == _wire.write_envelope(
            envelope.topic,
            envelope.txid,
            envelope.payload,
            sender_id=envelope.sender_id,
            device_type=envelope.device_type,
            device_id=envelope.device_id,
            message_id=envelope.message_id,
            created_at=envelope.created_at,
            delivered_at_ms=envelope.delivered_at_ms,
        )


@pytest.mark.parametrize("case", CONTRACT, ids=names(CONTRACT))
def test_a_dispatched_record_can_be_sent_again(case: dict[str, Any]) -> None:
    for frame in frames(case):
        topic = _wire.read_envelope(frame).topic
        for record in dispatched(frame):
            payload = _wire.write_record(topic, record)
            assert _wire.read_record(topic, payload, VIN, _wire.FLEET).body == record


@pytest.mark.parametrize("case", CONTRACT, ids=names(CONTRACT))
def test_a_vehicle_reads_the_recorded_replies(case: dict[str, Any]) -> None:
    for recorded in case["replies"]:
        decoded = recorded["decoded"]
        read = _wire.read_reply(bytes.fromhex(recorded["hex"]))
        assert (read.message_type, read.txid.decode("latin-1"), read.topic.decode()) == (
            decoded["message_type"],
            decoded["txid"],
            decoded["topic"],
        )
        assert read.payload.decode() == decoded.get("payload", "")


@pytest.mark.parametrize("case", ROBUSTNESS, ids=names(ROBUSTNESS))
def test_a_broken_frame_is_malformed(case: dict[str, Any]) -> None:
    for frame in frames(case):
        with pytest.raises(Malformed):
            _wire.read_envelope(frame)
