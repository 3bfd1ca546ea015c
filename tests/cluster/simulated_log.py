"""What simulated records say, a simulated log as values read it, and the values that the stream itself makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from teslafast.cluster.batch import EPOCH, Entry
from teslafast.cluster.contents import entries_of
from teslafast.cluster.engine import StreamMessage
from teslafast.cluster.finder import head_of
from teslafast.core.last_values import LastValues
from teslafast.core.records import CONNECTIVITY, DATA
from teslafast.core.value_lines import merge_event
from teslafast.rfc3339 import rfc3339

if TYPE_CHECKING:
    from tests.cluster.fleet import Process


def text_of(entry: Entry) -> bytes:
    """The event of a record: some are late, some ahead of their time, some are sent again, and some say no time at all."""
    number = int(entry.payload)
    made_ms = entry.time_ms - (0, 0, 0, 1500, 40_000, -60_000)[number % 6]
    created = None if number % 13 == 0 else rfc3339(made_ms * 1_000_000)
    data = {f"Field{number % 7}": number, f"Field{number % 11}": f"also {number}"}
    return orjson.dumps({"vin": entry.vin, "createdAt": created, "data": data, "isResend": number % 5 == 0})


class Ring:
    """The log of a process, as its values read it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def seq(self) -> int:
        return self._process.seq

    @property
    def oldest(self) -> int:
        return self._process.base + 1

    def events_after(self, seq: int, limit: int) -> list[tuple[int, int, str, bytes, int]]:
        process = self._process
        first = max(0, seq - process.base)
        events = []
        for place, entry in enumerate(process.ring[first : first + limit], first):
            kind = DATA if entry.code == DATA else CONNECTIVITY
            text = text_of(entry) if kind == DATA else entry.payload
            events.append((process.base + place + 1, kind, entry.vin, text, process.times[place]))
        return events


def values_since(messages: list[StreamMessage], first: int, last: int) -> LastValues:
    """Those of a reader of the last epoch's events from the seq `first` to the seq `last`."""
    values, seq = LastValues(), 0
    for message in messages:
        head = head_of(message)
        if head is not None and head.flags & EPOCH:
            values, seq = LastValues(), 0
        elif head is not None and head.counted and seq + head.counted >= first and seq < last:
            for entry in entries_of(message):
                seq += 1
                if entry.code == DATA and first <= seq <= last:
                    merge_event(values, entry.vin, text_of(entry), message.time_ms)
        elif head is not None:
            seq += head.counted
    return values
