"""
How often a field's value is published, so that a car floods neither a broker nor whoever records what it says.

    offer(value) ──▶ due at once, if the last one of its field is INTERVAL old, and it differs by more than its threshold
                 ──▶ held until then; a newer value of the field takes its place, and the older one is given up
                 ──▶ quiet: it is (nearly) what was published last; held for QUIET_S, and no reason to hold the cursor back

The newest value of a field is never given up: whatever is held is due in the end, or at once when everything is asked for. What
is due stays here until it has been confirmed. With an interval of 0 nothing is held and nothing given up.

Bounds: PACED_FIELDS_AT_MOST fields are remembered; when as many values are held, all of them are due. Pure: time is an argument.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

PACED_FIELDS_AT_MOST = 100_000  # of all vehicles: 400 cars with every field of the schema, some 30 MB
QUIET_S = 30.0  # a value that did not change is published again after so long, if the car sends it: consumers see that it lives
POSITION = {"latitude", "longitude"}
LOCATION_DEGREES = 2e-5  # some two metres: what a parked car's receiver wanders

Key = tuple[str, str]  # VIN, field


class Value(NamedTuple):
    """A field's value. `seq`: of the event that it came with; `created`: the vehicle's time as the event has it."""

    key: Key
    value: Any
    seq: int
    created: str | None


@dataclass(slots=True)
class _Held:
    value: Value
    due_s: float
    quiet: bool


def _near(old: Any, new: Any, threshold: float) -> bool:
    return isinstance(old, int | float) and isinstance(new, int | float) and abs(new - old) < threshold


class Pace:
    """
    superseded    how many values were given up for a newer one
    outdated      how many were older than what was known: a vehicle sent them again
    """

    def __init__(self, interval_s: float, thresholds: dict[str, float]) -> None:
        self._interval_s = interval_s
        self._thresholds = thresholds
        self._published: dict[Key, tuple[Value, float]] = {}  # the last confirmed one, and when; the oldest first
        self._held: dict[Key, _Held] = {}
        self._queue: list[tuple[float, Key]] = []  # a heap: when something of a key may be due; some are so no longer
        self.superseded = 0
        self.outdated = 0

    def offer(self, value: Value, is_resend: bool, now_s: float) -> None:
        """Takes a value in. It is published by whoever asks for what is due."""
        key = value.key
        known, sent_s = self._published.get(key, (None, -math.inf))
        held = self._held.get(key)
        newest = held.value if held is not None else known
        if is_resend and newest is not None and value.created is not None and value.created < (newest.created or ""):
            self.outdated += 1
            return
        quiet = known is not None and not self._differs(key[1], known.value, value.value)
        due_s = sent_s + (max(QUIET_S, self._interval_s) if quiet else self._interval_s)
        if held is not None and held.value.seq < value.seq:
            self.superseded += 1
            del self._held[key]  # so that what is held stands in the order of its seqs
        self._held[key] = _Held(value, due_s, quiet)
        if held is None or held.due_s != due_s:
            heapq.heappush(self._queue, (due_s, key))

    def _differs(self, field: str, old: Any, new: Any) -> bool:
        if old == new:
            return False
        if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys() == POSITION:
            return not all(_near(old[axis], new[axis], LOCATION_DEGREES) for axis in old)
        return not _near(old, new, self._thresholds.get(field, 0.0))

    def due(self, now_s: float, everything: bool = False) -> list[Value]:
        """What is to be published, in the order of its seqs. It is held until `confirmed`, or `again` gives it back."""
        if everything or len(self._held) >= PACED_FIELDS_AT_MOST:
            self._queue.clear()
            return [held.value for held in self._held.values()]
        found = {}
        while self._queue and self._queue[0][0] <= now_s:
            _, key = heapq.heappop(self._queue)
            held = self._held.get(key)
            if held is not None and held.due_s <= now_s:
                found[key] = held.value
        return sorted(found.values(), key=lambda value: value.seq)

    def confirmed(self, value: Value, now_s: float) -> None:
        held = self._held.get(value.key)
        if held is not None and held.value is value:
            del self._held[value.key]
        self._published.pop(value.key, None)
        self._published[value.key] = (value, now_s)
        if len(self._published) > PACED_FIELDS_AT_MOST:
            del self._published[next(iter(self._published))]

    def again(self) -> None:
        """Whatever was due and is not confirmed is due once more."""
        self._queue = [(held.due_s, key) for key, held in self._held.items()]
        heapq.heapify(self._queue)

    def due_s(self) -> float | None:
        """When something may be due."""
        return self._queue[0][0] if self._queue else None

    def held_from(self) -> int | None:
        """The oldest seq of which a change is held."""
        return min((held.value.seq for held in self._held.values() if not held.quiet), default=None)

    def knows(self, key: Key) -> bool:
        return key in self._published or key in self._held

    def published(self) -> Iterator[Value]:
        """The last value of each field."""
        return (value for value, _ in list(self._published.values()))

    def forget(self, vin: str) -> None:
        for key in [key for key in self._published if key[0] == vin]:
            del self._published[key]
