"""
A view is a shape and a ring: another way of saying what the flat log says, made once a frame, while somebody reads it.

    fleet       every record as the reference server's JSON, under the same seqs
    interval    data merged per vehicle: at most one message a vehicle and interval, the latest value of each field; other
                kinds pass at once. A merged message's `seq` is that of the newest event when it was made. What a vehicle sends
                again is old: it is merged by itself, and what was merged before it leaves first.

A view's ring begins when its first reader comes and is given back when its last one goes. Who may see no vehicle reads a ring in
which nothing is ever put, so that asking costs nothing. A view is for live readers, and small
(`view_ring_bytes`, `share_of`): whoever was away longer resumes in the flat log, or is told a gap. One token may ask for all of
them: together they have 3.75 times VIEW_RING_BYTES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from .._fanout import FLAT_PREFIXES, FLEET_PREFIXES, Fanout
from ..event_loop import Timer
from ..logs import fields, log
from .records import DATA, Record

# Bytes of messages merged for one vehicle. What a car sends in the longest interval is a twentieth of that; beyond it the merged
# message is sent before its time, so that its size and the work of merging stay bounded.
MERGED_AT_MOST = 256 * 1024
# Signals of one record in `fleet`, where each is an object of objects: thirty times as many as the schema has, some 10 ms.
FLEET_SIGNALS_AT_MOST = 8192
VIEW_RING_BYTES = 8 * 1024 * 1024  # what 5,000 cars have to say at the end of an interval of 10 s
FRAMES_AT_LEAST = 4  # of the largest vehicle message, in a view's ring; half of that in the smallest

MakeLog = Callable[[int, tuple[bytes, ...]], Fanout]


def view_ring_bytes(ring_bytes: int, max_frame_bytes: int) -> int:
    return min(ring_bytes, max(VIEW_RING_BYTES, FRAMES_AT_LEAST * max_frame_bytes))


@dataclass(frozen=True, slots=True)
class ViewKey:
    """Which view a reader reads. `interval_ms`: 0 = every event as it comes; only with `flat`."""

    shape: Literal["flat", "fleet"] = "flat"
    interval_ms: int = 0


_PLAIN = ViewKey()


def share_of(key: ViewKey, ring_bytes: int, max_frame_bytes: int) -> int:
    """
    What this view has of `ring_bytes`, the most that one has. At the end of an interval all is said at once of the vehicles that
    have sent something in it: the shorter it is, the fewer these are. `fleet` says all as it comes.
    """
    parts = 1 if key.interval_ms >= 10_000 else 2 if key.interval_ms >= 1000 or key.shape == "fleet" else 4
    return min(ring_bytes, max(ring_bytes // parts, FRAMES_AT_LEAST // 2 * max_frame_bytes))


class ViewWriter:
    """
    Puts events into the views' rings. An event can be many times longer there than in the flat log, which has it already: what
    does not fit is passed over, said and counted (`missing`), and costs neither its vehicle nor anybody else's event.
    """

    def __init__(self) -> None:
        self.missing = 0

    def put(self, into: Fanout, kind: int, vin: str, body: dict[str, Any] | bytes, now_ms: int, seq: int) -> None:
        """`body`: of the event, or the JSON that it is."""
        try:
            into.publish(kind, vin, body if isinstance(body, bytes) else orjson.dumps(body), now_ms, seq)
        except (ValueError, TypeError) as error:  # the latter: nested too deeply for JSON
            self.pass_over(vin, seq, str(error))

    def pass_over(self, vin: str, seq: int, reason: str) -> None:
        self.missing += 1
        log.warning("event_not_shown", extra=fields(cause="too_large", vin=vin, seq=seq, reason=reason))


class Merged:
    """One vehicle's merged message in the making. `size`: bytes of the messages in it; `is_resend`: all of them are."""

    __slots__ = ("body", "is_resend", "size")

    def __init__(self, body: dict[str, Any], size: int) -> None:
        self.body = body | {"data": dict(body["data"])}
        self.is_resend = body.get("isResend") is True
        self.size = size

    def has_room_for(self, body: dict[str, Any], size: int) -> bool:
        return self.size + size <= MERGED_AT_MOST and self.is_resend is (body.get("isResend") is True)

    def add(self, body: dict[str, Any], size: int) -> None:
        data: dict[str, Any] = self.body["data"]
        data.update(body["data"])
        self.body = body | {"data": data}
        self.size += size


class Conflator:
    """The view of one interval. `publish` merges, `tick` puts the merged messages into its log."""

    def __init__(self, log: Fanout, interval_s: float, timer: Timer, writer: ViewWriter) -> None:
        self.log = log
        self._writer = writer
        self._interval_s = interval_s
        self._timer = timer
        self._merged: dict[str, Merged] = {}
        self._seq = 0
        self._now_ms = 0
        self._ticking = False

    def publish(self, kind: int, vin: str, body: dict[str, Any], text: bytes, seq: int, now_ms: int) -> None:
        """`text`: the JSON of `body`, as the flat log has it."""
        before, self._seq, self._now_ms = self._seq, seq, now_ms
        size = len(text)
        if kind != DATA:
            self._writer.put(self.log, kind, vin, text, now_ms, seq)
            return
        known = self._merged.get(vin)
        if known is not None and known.has_room_for(body, size):
            known.add(body, size)
            return
        if known is not None:  # under a seq of its own: a client takes a second message of one seq for news that it has
            self._writer.put(self.log, DATA, vin, known.body, now_ms, before)
        if size > MERGED_AT_MOST:
            self._merged.pop(vin, None)
            self._writer.put(self.log, DATA, vin, text, now_ms, seq)
            return
        self._merged[vin] = Merged(body, size)
        if not self._ticking:
            self._ticking = True
            self._timer.call_later(self._interval_s, self.tick)

    def tick(self) -> None:
        merged, self._merged = self._merged, {}
        self._ticking = False
        for vin, one in merged.items():
            self._writer.put(self.log, DATA, vin, one.body, self._now_ms, self._seq)


class Views:
    """The views that somebody reads just now. `ring_bytes`: of the largest of them; `max_frame_bytes`: of a vehicle's message."""

    def __init__(self, make_log: MakeLog, ring_bytes: int, timer: Timer, max_frame_bytes: int = 0) -> None:
        self._make_log = make_log
        self._ring_bytes = ring_bytes
        self._max_frame_bytes = max_frame_bytes
        self._timer = timer
        self._fleet: Fanout | None = None
        self._conflators: dict[int, Conflator] = {}
        self._writer = ViewWriter()
        self.nothing: Fanout | None = None  # for those who may see no vehicle
        self.active = False

    def log_for(self, key: ViewKey, flat: Fanout, sees_any: bool = True) -> Fanout:
        """
        The log behind this view, made if this is its first reader; `flat` itself for the plain stream. `sees_any`: whether there
        is a vehicle that the reader may see.

        Raises OSError if the memory for its ring cannot be had.
        """
        if key != _PLAIN and not sees_any:
            if self.nothing is None:
                self.nothing = self._make_log(1, FLAT_PREFIXES)
            return self.nothing
        if key.shape == "fleet":
            if self._fleet is None:
                self._fleet = self._make_log(self._share_of(key), FLEET_PREFIXES)
                self._fleet.begin_at(flat.seq)  # so that it knows what it has not got
            self.active = True
            return self._fleet
        if key.interval_ms:
            if key.interval_ms not in self._conflators:
                log = self._make_log(self._share_of(key), FLAT_PREFIXES)
                self._conflators[key.interval_ms] = Conflator(log, key.interval_ms / 1000, self._timer, self._writer)
            self.active = True
            return self._conflators[key.interval_ms].log
        return flat

    def _share_of(self, key: ViewKey) -> int:
        return share_of(key, self._ring_bytes, self._max_frame_bytes)

    def _logs(self) -> Iterator[Fanout]:
        if self._fleet is not None:
            yield self._fleet
        for conflator in self._conflators.values():
            yield conflator.log

    def begin_at(self, seq: int) -> None:
        """What follows has other seqs than what was before, the first one after `seq`."""
        for one in self._logs():
            one.begin_at(seq)

    def flush_pending(self) -> None:
        """Publishes at once what waits for the end of an interval."""
        for conflator in self._conflators.values():
            conflator.tick()

    @property
    def readers(self) -> dict[str, int]:
        """How many read each kind of view."""
        merged = sum(conflator.log.readers for conflator in self._conflators.values())
        return {"fleet": self._fleet.readers if self._fleet is not None else 0, "interval": merged}

    @property
    def ring_bytes(self) -> int:
        """Of all views' rings together."""
        return sum(log.capacity for log in self._logs())

    @property
    def missing(self) -> int:
        """Events that were too large for a view, so far."""
        return self._writer.missing

    def release(self, log: Fanout) -> None:
        """A reader has gone: a view without readers ends."""
        if log.readers:
            return
        if log is self._fleet:
            self._fleet = None
        self._conflators = {ms: conflator for ms, conflator in self._conflators.items() if conflator.log is not log}
        self.active = self._fleet is not None or bool(self._conflators)

    def publish(
        self, kind: int, vin: str, record: Record, text: bytes, fleet: Callable[[], dict[str, Any]], seq: int, now_ms: int
    ) -> None:
        """`text`: the JSON of the record's body, as the flat log has it."""
        if self._fleet is not None:
            if record.signals <= FLEET_SIGNALS_AT_MOST:
                self._writer.put(self._fleet, kind, vin, fleet(), now_ms, seq)
            else:
                self._writer.pass_over(vin, seq, f"{record.signals} signals")
        for conflator in self._conflators.values():
            conflator.publish(kind, vin, record.body, text, seq, now_ms)
