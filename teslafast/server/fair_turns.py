"""
The turns of one listening socket's new connections at what costs CPU: steps of TLS handshakes, and the first request.

    bytes are there ──▶ add ──▶ one of four queues ──its turn──▶ step()

The queues are served one after the other: known addresses, strangers; those who have begun FINISHING_TURNS times before those who
have not. In each of them turns go round networks and addresses (sources.py). So strangers take half of the turns at most from
addresses from which somebody was admitted before, and a fleet that comes back has few handshakes under way at a time: what they
hold is memory. Nobody begins while those under way hold as much as they may; known addresses have half of that for themselves.

A handshake costs one to two milliseconds of CPU, most of it for checking the vehicle's chain up to a P-521 root. TURN_S bounds
what is done in one turn of the event loop: so it breathes while thousands of vehicles come back at once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Protocol

from ..event_loop import Loop
from .admission import TOTAL, Ticket
from .sources import FairQueue

# For each beginner. With 4 a fleet that is 300 ms away came in waves with pauses between them; with 1 all memory is taken from
# the start to the end of a fleet's return.
FINISHING_TURNS = 2
NO_MEMORY_S = 0.01  # until those who may not begin are looked at again
TURN_S = 0.005  # of steps in one turn of the loop: three to fifteen of them, and what others notice of it


class TurnTaker(Hashable, Protocol):
    """Whoever wants a turn, with its next bytes there. `begun` does not change while it waits for one."""

    @property
    def ticket(self) -> Ticket: ...
    @property
    def begun(self) -> bool: ...
    def step(self) -> None:
        """Goes on as far as the bytes go. Never raises."""


def always() -> bool:
    return True


class FairTurns:
    """`may_begin()`, `known_may_begin()`: whether there is memory for one more stranger, for one more known address."""

    def __init__(
        self, loop: Loop, may_begin: Callable[[], bool] = lambda: True, known_may_begin: Callable[[], bool] = lambda: True
    ) -> None:
        self._loop = loop
        self._queues: dict[tuple[bool, bool], FairQueue[TurnTaker]] = {
            # Of those who have begun as many wait as there is memory for, and the oldest loses his to a stranger.
            (known, begun): FairQueue(TOTAL) if begun else FairQueue()
            for known in (True, False)
            for begun in (True, False)
        }
        self._order = deque(
            (always if begun else known_may_begin if known else may_begin, self._queues[known, begun])
            for begun in (True,) * FINISHING_TURNS + (False,)
            for known in (True, False)
        )
        self._working = False
        self._paused = False  # nobody may begin, and nobody who has begun wants a turn

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def add(self, step: TurnTaker) -> None:
        """Its bytes are there: it gets a turn in one of the loop's next turns."""
        self._queues[step.ticket.known, step.begun].push(step.ticket.source, step)
        if not self._working:
            self._working = True
            self._loop.call_soon(self._work)
        elif self._paused and step.begun:
            self._paused = False
            self._loop.call_soon(self._work)

    def discard(self, step: TurnTaker) -> None:
        """It does not want its turn any more; nothing if it waits for none."""
        self._queues[step.ticket.known, step.begun].discard(step.ticket.source, step)

    def _work(self) -> None:
        until_s, step = time.monotonic() + TURN_S, None
        try:
            while (step := self._next()) is not None:
                step.step()
                if time.monotonic() >= until_s:
                    break
        finally:  # a fault of one connection must not keep the others out for ever
            self._go_on(step)

    def _go_on(self, step: TurnTaker | None) -> None:
        """`step`: the last one; None: nobody may have a turn now."""
        self._working = len(self) > 0
        if not self._working:
            return
        if step is None:
            self._paused = True
            self._loop.call_later(NO_MEMORY_S, self._look_again)
        else:
            self._loop.call_soon(self._work)

    def _look_again(self) -> None:
        if self._paused:  # else somebody's bytes came first
            self._paused = False
            self._work()

    def _next(self) -> TurnTaker | None:
        for _ in range(len(self._order)):
            may_go, queue = self._order[0]
            self._order.rotate(-1)
            if queue and may_go():
                return queue.pop()
        return None
