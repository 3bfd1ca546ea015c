"""
HANDSHAKE_TIMEOUT of one listening socket's new connections: one timer for all of them.

They all have as long, so those who came first are due first. Whoever waits for a turn (fair_turns.py) waits for us: it is asked
again when as much time has passed, and has all of it from its first turn on.

Thousands that came in one moment are due in one moment, and each costs an answer: so many milliseconds of them in one turn of the
event loop, and the rest in the next ones.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator

from ..event_loop import Timer
from .arrival import Arrival

EXPIRE_S = 0.005  # of ends in one turn of the loop, as of new connections' steps (fair_turns.py)


class Deadlines:
    def __init__(self, timer: Timer, handshake_s: float) -> None:
        self._timer = timer
        self._handshake_s = handshake_s
        self._due: OrderedDict[Arrival, float] = OrderedDict()  # at what monotonic time, the first one first
        self._set = False  # the timer

    def __iter__(self) -> Iterator[Arrival]:
        return iter(list(self._due))

    def start(self, arrival: Arrival) -> None:
        """Its time begins, or begins anew."""
        self._due[arrival] = time.monotonic() + self._handshake_s
        self._due.move_to_end(arrival)
        if not self._set:
            self._set = True
            self._timer.call_later(self._handshake_s, self._expire)

    def drop(self, arrival: Arrival) -> None:
        """It is admitted, or gone."""
        self._due.pop(arrival, None)

    def _expire(self) -> None:
        self._set = False
        now_s = began_s = time.monotonic()
        try:
            while self._due and next(iter(self._due.values())) <= began_s and now_s < began_s + EXPIRE_S:
                arrival, _ = self._due.popitem(last=False)
                if arrival.connection is None and not arrival.waiting:
                    self.start(arrival)
                else:
                    arrival.expire()
                now_s = time.monotonic()
        finally:  # a fault of one connection must not keep the others for ever
            if self._due and not self._set:
                self._set = True
                self._timer.call_later(max(0.0, next(iter(self._due.values())) - now_s), self._expire)
