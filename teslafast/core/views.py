"""
A view is a shape and a ring: another way of saying what the flat log says, made once a frame, while somebody reads it.

    fleet       every record as the reference server's JSON, under the same seqs
    interval    data merged per vehicle: at most one message a vehicle and interval, the latest value of each field; other
                kinds pass at once. A merged message's `seq` is that of the newest event when it was made.

A view's ring begins when its first reader comes and is given back when its last one goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import orjson

from .._fanout import FLAT_PREFIXES, FLEET_PREFIXES, Fanout
from ..logs import fields, log

_DATA = 0

MakeLog = Callable[[tuple[bytes, ...]], Fanout]


@dataclass(frozen=True, slots=True)
class ViewKey:
    """Which view a reader reads. `interval_ms`: 0 = every event as it comes; only with `flat`."""

    shape: Literal["flat", "fleet"] = "flat"
    interval_ms: int = 0


def _put(into: Fanout, kind: int, vin: str, body: dict[str, Any], now_ms: int, seq: int) -> None:
    """
    One event into a view's ring. It can be many times longer there than in the flat log, which has it already: what does not fit
    is passed over and said, and costs neither its vehicle nor anybody else's event.
    """
    try:
        into.publish(kind, vin, orjson.dumps(body), now_ms, seq)
    except ValueError as error:
        log.warning("event_not_shown", extra=fields(cause="too_large", vin=vin, seq=seq, reason=str(error)))


class Timer(Protocol):
    def call_later(self, delay: float, callback: Callable[[], object], /) -> object: ...


class Conflator:
    """The view of one interval. `publish` merges, `tick` puts the merged messages into its log."""

    def __init__(self, log: Fanout, interval_s: float, timer: Timer) -> None:
        self.log = log
        self._interval_s = interval_s
        self._timer = timer
        self._merged: dict[str, dict[str, Any]] = {}
        self._seq = 0
        self._now_ms = 0
        self._ticking = False

    def publish(self, kind: int, vin: str, body: dict[str, Any], seq: int, now_ms: int) -> None:
        self._seq, self._now_ms = seq, now_ms
        if kind != _DATA:
            _put(self.log, kind, vin, body, now_ms, seq)
            return
        known = self._merged.get(vin)
        self._merged[vin] = body if known is None else body | {"data": known["data"] | body["data"]}
        if not self._ticking:
            self._ticking = True
            self._timer.call_later(self._interval_s, self.tick)

    def tick(self) -> None:
        merged, self._merged = self._merged, {}
        self._ticking = False
        for vin, body in merged.items():
            _put(self.log, _DATA, vin, body, self._now_ms, self._seq)


class Views:
    """The views that somebody reads just now."""

    def __init__(self, make_log: MakeLog, timer: Timer) -> None:
        self._make_log = make_log
        self._timer = timer
        self._fleet: Fanout | None = None
        self._conflators: dict[int, Conflator] = {}
        self.active = False

    def log_for(self, key: ViewKey, flat: Fanout) -> Fanout:
        """The log behind this view, made if this is its first reader; `flat` itself for the plain stream."""
        if key.shape == "fleet":
            self._fleet = self._fleet or self._make_log(FLEET_PREFIXES)
            self.active = True
            return self._fleet
        if key.interval_ms:
            if key.interval_ms not in self._conflators:
                log = self._make_log(FLAT_PREFIXES)
                self._conflators[key.interval_ms] = Conflator(log, key.interval_ms / 1000, self._timer)
            self.active = True
            return self._conflators[key.interval_ms].log
        return flat

    def flush_pending(self) -> None:
        """Says at once what waits for the end of an interval."""
        for conflator in self._conflators.values():
            conflator.tick()

    @property
    def readers(self) -> dict[str, int]:
        """How many read each kind of view."""
        merged = sum(conflator.log.readers for conflator in self._conflators.values())
        return {"fleet": self._fleet.readers if self._fleet is not None else 0, "interval": merged}

    def release(self, log: Fanout) -> None:
        """A reader has gone: a view without readers ends."""
        if log.readers:
            return
        if log is self._fleet:
            self._fleet = None
        self._conflators = {ms: conflator for ms, conflator in self._conflators.items() if conflator.log is not log}
        self.active = self._fleet is not None or bool(self._conflators)

    def publish(
        self, kind: int, vin: str, body: dict[str, Any], fleet: Callable[[], dict[str, Any]], seq: int, now_ms: int
    ) -> None:
        if self._fleet is not None:
            _put(self._fleet, kind, vin, fleet(), now_ms, seq)
        for conflator in self._conflators.values():
            conflator.publish(kind, vin, body, seq, now_ms)
