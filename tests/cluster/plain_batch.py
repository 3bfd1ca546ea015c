"""What `teslafast/cluster/_batch.pyx` does, in plain Python: the tests hold the one against the other."""

from __future__ import annotations

import struct

from teslafast.cluster.batch import EVENT_BYTES, HEAD_BYTES, BatchHead, Entry, NotABatch
from teslafast.vin import is_vin

EVENT = struct.Struct("<BBIIQ")


def read_entries_plainly(message: bytes, head: BatchHead) -> list[Entry]:
    """As batch.read_entries."""
    entries = []
    place, end = HEAD_BYTES, len(message)
    unpack, make = EVENT.unpack_from, tuple.__new__  # a third of what Entry(...) costs
    vins: dict[bytes, str] = {}
    for _ in range(head.entries):
        if place + EVENT_BYTES > end:
            raise NotABatch("torn")
        code, vin_bytes, txid_bytes, payload_bytes, time_ms = unpack(message, place)
        place += EVENT_BYTES
        txid_at = place + vin_bytes
        payload_at = txid_at + txid_bytes
        after = payload_at + payload_bytes
        if after > end:
            raise NotABatch("torn")
        name = message[place:txid_at]
        vin = vins.get(name) or _vin(name, vins)
        entries.append(make(Entry, (code, vin, message[txid_at:payload_at], message[payload_at:after], time_ms)))
        place = after
    if place != end:
        raise NotABatch("more than its events")
    return entries


def _vin(name: bytes, known: dict[bytes, str]) -> str:
    vin = name.decode("latin-1")
    if not is_vin(vin):
        raise NotABatch("a VIN that cannot be one")
    known[name] = vin
    return vin
