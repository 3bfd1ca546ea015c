"""
What the server looks at over and over: its connections, and everything else that has to be checked about once a second.

The next round is asked for before anything is checked, and each check is guarded by itself: one that fails is logged and counted,
and ends neither the others nor the rounds. Tokens would outlive their `exp` otherwise.

After a stall (a stopped process, a suspended machine) the sockets are read first: who has answered a ping in the meantime must
not be taken for dead.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

from ..core.connections import Connection, Connections
from ..event_loop import Timer
from ..logs import fields, log
from ..metrics import Counts

ROUND_S = 1.0  # every connection is checked once in so long …
PARTS = 20  # … in so many parts at most, so that no part holds the event loop up for longer than a few ms, …
PARTS_AT_LEAST = 4  # … and in fewer where there are few connections: waking up costs 0.1 ms each time
CHECKED_AT_ONCE = 250  # connections of one part, before there are more parts: half a millisecond
STALL_S = 1.0  # so late is a part only if nothing has run: it is otherwise late by what one turn takes, some 10 ms


class Rounds:
    """`checks`: name → what is called with the monotonic time, once in each part of a round. `round_s`: ROUND_S or less."""

    def __init__(
        self,
        timer: Timer,
        connections: Connections,
        checks: Mapping[str, Callable[[float], object]],
        round_s: float,
        counts: Counts,
    ) -> None:
        self._timer = timer
        self._connections = connections
        self._checks = checks
        self._round_s = min(ROUND_S, round_s)
        self._counts = counts
        self._left: deque[Connection] = deque()
        self._due_s = time.monotonic() + self._round_s / PARTS_AT_LEAST
        self._waited = False

    def begin(self) -> None:
        self._timer.call_later(self._round_s / PARTS_AT_LEAST, self.go)

    def go(self) -> None:
        """One part of a round."""
        now_s = time.monotonic()
        stalled = now_s - self._due_s > STALL_S
        parts = min(PARTS, max(PARTS_AT_LEAST, len(self._connections) // CHECKED_AT_ONCE))
        self._due_s = now_s + self._round_s / parts
        self._timer.call_later(self._round_s / parts, self.go)
        if stalled and not self._waited:  # once: a machine that is always late must check all the same
            self._waited = True
            return
        self._waited = False
        self._check_connections(now_s, parts)
        for name, check in self._checks.items():
            self._guarded(name, check, now_s)

    def _check_connections(self, now_s: float, parts: int) -> None:
        for _ in range(len(self._connections) // parts + 1):
            if not self._left:  # the next round, at once: with a few parts only, one without a check would be felt
                self._left.extend(self._connections)
            if not self._left:
                return
            self._guarded("connections", self._left.popleft().check, now_s)

    def _guarded(self, name: str, check: Callable[[float], object], now_s: float) -> None:
        try:
            check(now_s)
        except Exception as error:
            self._counts.round_failures[name] += 1
            log.error("round_failed", extra=fields(cause=name, reason=str(error)), exc_info=error)
