"""
Records of one vehicle in Tesla's envelope, numbered as a vehicle numbers them.

A txid is `<22 hex digits>-<9 decimal digits>`: the first part is drawn anew for every connection, the second counts its messages
from 1 (docs/protocol.md). Pure: chance comes from the caller, time is an argument.
"""

import random

from ..protocol._wire import write_envelope, write_record
from .ack_tracker import OutgoingMessage
from .drive import FleetRecord

_PREFIX_BYTES = 11


class EnvelopeWriter:
    """`begin` draws the txid prefix of a new connection; before the first there is nothing to write to."""

    def __init__(self, vin: str, rng: random.Random) -> None:
        self._rng = rng
        self._sender_id, self._device_id = f"vehicle_device.{vin}".encode(), vin.encode()
        self._prefix, self._count = b"", 0

    def begin(self) -> None:
        self._prefix, self._count = self._rng.randbytes(_PREFIX_BYTES).hex().encode(), 0

    def message(self, topic: bytes, record: FleetRecord, created_at_s: float, settles: int = 1) -> OutgoingMessage:
        """The next message of this connection; `settles` is explained in ack_tracker.py."""
        self._count += 1
        txid = b"%s-%09d" % (self._prefix, self._count)
        frame = write_envelope(
            topic,
            txid,
            write_record(topic, record),
            sender_id=self._sender_id,
            device_type=b"vehicle_device",
            device_id=self._device_id,
            created_at=int(created_at_s),
        )
        keys = tuple(datum["key"] for datum in record.get("data", ()))
        return OutgoingMessage(txid, topic, frame, keys, settles)
