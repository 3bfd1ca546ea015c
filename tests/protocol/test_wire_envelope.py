"""What an envelope gives, whole, cut off, or of another type; and that its memory is borrowed, not kept."""

import pytest
from teslafast.errors import Malformed
from teslafast.protocol import _wire
from teslafast.protocol._wire import read_envelope, write_envelope

FRAME = write_envelope(
    b"V",
    b"78ae54a58800468194dc95-000000397",
    b"\x20\x01",
    sender_id=b"vehicle_device.device-1",
    device_type=b"vehicle_device",
    device_id=b"device-1",
    message_id=b"mid",
    created_at=1_700_000_000,
    delivered_at_ms=1_700_000_000_123,
)


def test_an_empty_message_is_an_envelope_without_a_message() -> None:
    envelope = read_envelope(b"")
    assert (envelope.txid, envelope.topic, envelope.message_type, envelope.payload) == (b"", b"", 0, b"")


def test_an_envelope_of_another_type_has_its_txid_and_no_topic() -> None:
    envelope = read_envelope(_wire.ack(b"tx", b"V"))
    assert (envelope.txid, envelope.topic, envelope.message_type) == (b"tx", b"", 5)


def test_a_reply_has_its_topic() -> None:
    reply = _wire.read_reply(_wire.ack(b"tx", b"V"))
    assert (reply.txid, reply.topic, reply.message_type, reply.payload) == (b"tx", b"V", 5, b"")


def test_a_frame_cut_anywhere_is_malformed_until_only_a_terminator_is_missing() -> None:
    whole = read_envelope(FRAME)
    for end in range(1, len(FRAME) - 1):
        with pytest.raises(Malformed):
            read_envelope(FRAME[:end])
    assert read_envelope(FRAME[:-1]).sender_id == whole.sender_id == b"vehicle_device.device-1"


def test_malformed_carries_the_txid_of_a_frame_cut_behind_it() -> None:
    with pytest.raises(Malformed) as fault:
        read_envelope(FRAME[:-2])
    assert fault.value.txid == b"78ae54a58800468194dc95-000000397"
    with pytest.raises(Malformed) as fault:
        read_envelope(b"\xff\xff\xff\xff")
    assert fault.value.txid == b""


def test_a_borrowed_envelope_is_given_back_and_may_be_overwritten() -> None:
    buffer = bytearray(FRAME)
    envelope = read_envelope(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    buffer.clear()
    assert (envelope.txid, envelope.payload) == (b"78ae54a58800468194dc95-000000397", b"\x20\x01")
    cut = bytearray(FRAME[:-2])
    with pytest.raises(Malformed):
        read_envelope(cut)
    cut.clear()
