"""A second opinion on Tesla's envelopes: they are read and built with the `flatbuffers` package."""

import struct
from typing import Any

from flatbuffers import encode, number_types
from flatbuffers.builder import Builder
from flatbuffers.table import Table


class Refused(Exception):
    """The oracle does not take these bytes."""


class _Table(Table):  # type: ignore[misc]  # flatbuffers is not typed
    """A Table whose vectors end where the buffer ends: the package's own would be cut short without a word."""

    def vector(self, slot: int) -> bytes:
        offset = self.Offset(slot)
        if not offset:
            return b""
        start, length = self.Vector(offset), self.VectorLen(offset)
        if start + length > len(self.Bytes):
            raise Refused("a vector leads outside")
        return bytes(self.Bytes[start : start + length])


def envelope(data: bytes) -> dict[str, Any]:
    """What stands in an envelope, or Refused; only the txid if it holds no stream, nothing if it holds no message at all."""
    if not data:
        return {"message_type": 0}
    try:
        root = _Table(data, number_types.UOffsetTFlags.py_type(encode.Get(number_types.UOffsetTFlags.packer_type, data, 0)))
        union = root.Offset(10)
        if not union:
            return {"message_type": 0}
        read = {"txid": root.vector(4), "message_type": root.GetSlot(8, 0, number_types.Uint8Flags)}
        stream = _Table(data, 0)
        stream.Pos = root.Indirect(root.Pos + union)
        topic = root.vector(6)
        if read["message_type"] != 4:
            return read
        vectors = {name: stream.vector(slot) for name, slot in _STREAM_VECTORS.items()}
        scalars = {name: stream.GetSlot(slot, 0, flags) for name, (slot, flags) in _STREAM_SCALARS.items()}
        return read | {"topic": topic, "message_id": root.vector(12)} | vectors | scalars
    except (TypeError, struct.error) as fault:  # a position that is negative or outside
        raise Refused(str(fault)) from fault


_STREAM_VECTORS = {"sender_id": 6, "payload": 8, "device_type": 10, "device_id": 12}
_STREAM_SCALARS = {"created_at": (4, number_types.Uint32Flags), "delivered_at_ms": (14, number_types.Uint64Flags)}


def build_envelope(topic: bytes, txid: bytes, stream: dict[str, Any] | None, message_id: bytes = b"") -> bytes:
    """A message as the reference's builder makes it; without a stream, an acknowledgement."""
    builder = Builder(0)
    if stream is None:
        message, tag = builder.CreateString(b""), 5
    else:
        vectors = [builder.CreateString(stream.get(name, b"")) for name in ("sender_id", "payload", "device_type", "device_id")]
        builder.StartObject(6)
        builder.PrependUOffsetTRelativeSlot(1, vectors[0], 0)
        builder.PrependUint32Slot(0, stream.get("created_at", 0), 0)
        for slot, vector in zip((2, 3, 4), vectors[1:], strict=True):
            builder.PrependUOffsetTRelativeSlot(slot, vector, 0)
        builder.PrependUint64Slot(5, stream.get("delivered_at_ms", 0), 0)
        message, tag = builder.EndObject(), 4
    vectors = [builder.CreateString(vector) for vector in (txid, topic, message_id)]
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(0, vectors[0], 0)
    builder.PrependUOffsetTRelativeSlot(1, vectors[1], 0)
    builder.PrependByteSlot(2, tag, 0)
    builder.PrependUOffsetTRelativeSlot(3, message, 0)
    builder.PrependUOffsetTRelativeSlot(4, vectors[2], 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())
