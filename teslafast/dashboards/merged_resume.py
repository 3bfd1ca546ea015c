"""
`since` together with `interval`: what came after it, data merged to one message a vehicle, the other kinds one by one.

The replay starts an interval and a bit earlier than asked: a merged message on its way may have been lost with the connection.

The merged messages of a few vehicles fit MERGED_AT_MOST. Beyond it they are sent and merging begins anew, so that the cost of a
dashboard does not grow with the ring: it gets a vehicle's fields in several messages then, in order. Where many dashboards merge
at a time each may hold less, ALL_MERGED_AT_MOST in all: some read nothing, and hold it for as long as they are let stay.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from weakref import WeakSet

import orjson

from .._fanout import Fanout
from ..core.records import DATA
from ..core.views import MERGED_AT_MOST
from ..websocket.text_frames import message

ALL_MERGED_AT_MOST = 2 * 1024 * 1024  # bytes of events; merged, as Python's objects, they take some five times as much
MERGED_AT_LEAST = 4 * 1024  # each may hold so much: a vehicle or two

STEP = 256  # events merged between two looks at whether others wait: about a millisecond
STEP_BYTES = 64 * 1024  # of events, likewise: a vehicle may fill a megabyte with the smallest fields
SLACK_MS = 50  # between the end of an interval and the message's way into the socket


_under_way: WeakSet[Merging] = WeakSet()  # of the whole process: those that somebody still draws from


def merged_since(log: Fanout, after: int, interval_ms: int, sees: Callable[[str], bool], kinds: int) -> Iterator[bytes]:
    """
    Frames for all that is in `log` (the flat one) after the seq `after`. `sees(vin)`: whether the dashboard may see it now.

    An empty one among them means: enough for this turn (`Reader.say`).
    """
    merging = Merging(after, sees, kinds)
    seq = log.seq_before(max(after, 0), interval_ms + SLACK_MS)
    while batch := log.events_after(seq, STEP, min(STEP_BYTES, merging.room)):
        seq = batch[-1][0]
        others = merging.take(batch)
        del batch  # nothing large is kept while the client is slow
        yield from others
        if merging.full:
            yield from merging.told(seq)
        yield b""
    yield from merging.told(seq)


def _merged(known: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Both as one, under the later one's time. What the vehicle has sent again is older than what it has not."""
    if event.get("isResend") is True and known.get("isResend") is not True:
        known, event = event, known
    return event | {"data": known["data"] | event["data"]}


class Merging:
    """The data events that are to be sent as one a vehicle, as far as they have been taken in."""

    def __init__(self, after: int, sees: Callable[[str], bool], kinds: int) -> None:
        self._after = after
        self._sees = sees
        self._kinds = kinds
        self._merged: dict[str, dict[str, Any]] = {}
        self._size = 0  # not less than the bytes of `_merged`
        _under_way.add(self)

    @property
    def room(self) -> int:
        """Bytes of events that it may hold just now."""
        return max(MERGED_AT_LEAST, min(MERGED_AT_MOST, ALL_MERGED_AT_MOST // len(_under_way)))

    def take(self, batch: Iterable[tuple[int, int, str, bytes, int]]) -> list[bytes]:
        """Merges the data events; frames of the others."""
        others = []
        for seq, kind, _, text, _ in batch:
            event = orjson.loads(text)
            if not self._kinds >> kind & 1 or not self._sees(event["vin"]):
                continue
            if kind == DATA:
                known = self._merged.get(event["vin"])
                self._merged[event["vin"]] = event if known is None else _merged(known, event)
                self._size += len(text)
            elif seq > self._after:
                others.append(message(**event))
        return others

    @property
    def full(self) -> bool:
        """
        Whether what is merged is to be sent now. Only when it may be more than there is room for is it counted exactly, and half
        of that is full already: else it would be counted again after each step.
        """
        room = self.room
        if self._size > room:
            self._size = sum(len(orjson.dumps(event)) for event in self._merged.values())
            return self._size > room // 2
        return False

    def told(self, seq: int) -> Iterator[bytes]:
        """The merged messages, under this seq; nothing is merged after it. As frames they take a tenth of the memory."""
        frames = deque((vin, message(**event | {"seq": seq})) for vin, event in self._merged.items())
        self._merged = {}
        self._size = 0
        while frames:
            vin, frame = frames.popleft()
            if self._sees(vin):
                yield frame
