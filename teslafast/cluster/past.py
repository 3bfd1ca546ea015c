"""
Events of the stream that the ring has lost, as the ring would give them: in the flat shape, or as `format=fleet` does.

What cannot be read, or is too large for its shape, is left out, as it was when it was new. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from .._fanout import FLAT_PREFIXES, FLEET_PREFIXES
from ..core.hub import PastEvent
from ..core.records import KIND_NUMBERS
from ..core.tail import Event
from ..core.views import FLEET_SIGNALS_AT_MOST
from ..errors import Malformed
from .contents import entries_of
from .engine import StreamMessage
from .entries import FleetOfFlat, own_of, shown


class PastShapes:
    """`fleet_of_flat`: see entries.shown. Both take the seq of a batch's first event; events are made when asked for."""

    def __init__(self, fleet_of_flat: FleetOfFlat) -> None:
        self._fleet_of_flat = fleet_of_flat

    def whole(self, first: int, message: StreamMessage) -> Iterator[Event]:
        """In the flat shape, with the records' own bytes."""
        for seq, entry in enumerate(entries_of(message), first):
            try:
                record, _, _ = shown(entry, self._fleet_of_flat)
                kind, text = KIND_NUMBERS[record.kind], orjson.dumps(record.body)
            except (Malformed, ValueError, TypeError):
                continue
            yield Event(seq, kind, entry.vin, _numbered(FLAT_PREFIXES[kind], seq, text), message.time_ms, own_of(entry))

    def flat(self, first: int, message: StreamMessage) -> Iterator[PastEvent]:
        for event in self.whole(first, message):
            yield event[:4]

    def fleet(self, first: int, message: StreamMessage) -> Iterator[PastEvent]:
        for seq, entry in enumerate(entries_of(message), first):
            try:
                record, fleet, _ = shown(entry, self._fleet_of_flat)
                if record.signals > FLEET_SIGNALS_AT_MOST:
                    continue
                kind, text = KIND_NUMBERS[record.kind], orjson.dumps(fleet())
            except (Malformed, ValueError, TypeError):
                continue
            yield seq, kind, entry.vin, _numbered(FLEET_PREFIXES[kind], seq, text)


def _numbered(prefix: bytes, seq: int, text: bytes) -> bytes:
    return b"%s%d,%s" % (prefix, seq, text[1:])
