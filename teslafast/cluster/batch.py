"""
One message of the stream: a batch, what one node took in while its previous batch was under way.

    head     "TF" version flags | epoch, and where it was founded | run, number | known_stream, known_event | count
    event    code, lengths, when it came in | VIN | txid | payload                                     `count` of them

    run      a random name of one life of one node; its subject has one writer, and `number` counts its batches
    known    as the sender knows it, the event with seq `known_event` is the last one of the messages up to `known_stream`

The head is the same in every version, so a node that is older than a batch can still count its events; it cannot show them. An
event takes a byte at least in every version, and what has to be obeyed (an epoch, an obituary, an output's place) is written as
version 1 for good: a batch of another version that says such a thing is no node's, and is not believed.
Pure: bytes to values and back. What is read here was written by somebody else: each length is checked before it is used.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from ._batch import read_batch_head, read_events

VERSION = 1
RUN_HELLO, RUN_LEAVE, OBITUARY, EPOCH, ROSTER, BEAT, PLACE = (1 << bit for bit in range(7))
OBEYED = OBITUARY | EPOCH | PLACE  # of this version alone: what others must not be made to do by a batch that they cannot read

# What an event's payload is. 0 to 3: a record as the vehicle sent it, of the kind with this number (records.KIND_NUMBERS).
CONNECTIVITY_CODE = 16  # JSON: the flat body of an event that a node itself made
TEXT_CODE = 32  # JSON: a record that came as text, in development

BATCH_BYTES_AT_MOST = 512 * 1024  # a server takes 1 MiB (max_payload); more only if a single event is larger
_HEAD = struct.Struct("<2sBB8sQ8sQQQI")
_EVENT = struct.Struct("<BBIIQ")
_MAGIC = b"TF"
EVENT_BYTES = _EVENT.size
HEAD_BYTES = _HEAD.size
LONGEST_VIN = 64  # vin.is_vin


class NotABatch(Exception):
    """Somebody else's message, or a torn one."""


class Entry(NamedTuple):
    """One event in a batch. `time_ms`: when it came in, since 1970, by its node's clock; `txid`: b"" if it has none."""

    code: int
    vin: str
    txid: bytes
    payload: bytes
    time_ms: int

    @property
    def size(self) -> int:
        return EVENT_BYTES + len(self.vin) + len(self.txid) + len(self.payload)


class BatchHead(NamedTuple):
    """
    epoch_at   the stream's number of the message that founded the epoch
    entries    how many follow
    flags      without those that a batch of another version must not have; `ignored` then
    """

    flags: int
    epoch: bytes
    epoch_at: int
    run: bytes
    number: int
    known_stream: int
    known_event: int
    entries: int
    version: int = VERSION
    ignored: bool = False

    @property
    def counted(self) -> int:
        """How many events of the log are in it: those of a roster only restate what holds."""
        return 0 if self.flags & ROSTER else self.entries


def packed(head: BatchHead, entries: Iterable[Entry]) -> bytes:
    """The batch's bytes; the head's `entries` must be their number."""
    parts = [
        _HEAD.pack(
            _MAGIC,
            head.version,
            head.flags,
            head.epoch,
            head.epoch_at,
            head.run,
            head.number,
            head.known_stream,
            head.known_event,
            head.entries,
        )
    ]
    for code, vin, txid, payload, time_ms in entries:
        name = vin.encode("ascii")
        parts += (_EVENT.pack(code, len(name), len(txid), len(payload), time_ms), name, txid, payload)
    return b"".join(parts)


def read_head(message: bytes) -> BatchHead:
    """Raises NotABatch."""
    try:
        head = read_batch_head(message, BatchHead)
    except ValueError as error:
        raise NotABatch(str(error)) from None
    if head.version != VERSION and head.flags & OBEYED:
        return head._replace(flags=head.flags & ~OBEYED, ignored=True)
    return head


def read_entries(message: bytes, head: BatchHead) -> list[Entry]:
    """The events of a batch of this version. Raises NotABatch."""
    try:
        return read_events(message, HEAD_BYTES, head.entries, Entry)
    except ValueError as error:
        raise NotABatch(str(error)) from None
