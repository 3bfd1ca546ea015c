"""
A Tail that reads on from the log that several nodes share where this node's ring has lost what comes next.

    next < the ring's oldest ──▶ the shared log, some at a time ──▶ the ring is reached ──▶ Tail, as ever

What the shared log has dropped, too, is missed. The events that were read and not taken yet are kept here: one answer of the log.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..config import MIB
from ..core.tail import Event, Tail, TailedLog

EMPTY_PAUSE_S = 0.05  # before the shared log is asked again, when it had nothing yet that the ring has not, either


class PastOfEvents(Protocol):
    """A way through the shared log: `take(events)` is called once after each `more`; or `fail`, once."""

    @property
    def missed(self) -> tuple[int, int] | None:
        """The seqs that come before what `take` is given just now, and cannot be had; only for so long."""

    def more(self) -> None: ...
    def end(self) -> None: ...


OpenPastOfEvents = Callable[[int, Callable[[list[Event]], object], Callable[[], object]], PastOfEvents]  # after a seq; take, fail


class DeepTail:
    """`open_past(after, take, fail)` reads the shared log."""

    def __init__(self, tail: Tail, log: TailedLog, open_past: OpenPastOfEvents) -> None:
        self._tail = tail
        self._log = log
        self._open_past = open_past
        self._next = tail.next
        self._found: deque[Event] = deque()
        self._past: PastOfEvents | None = None
        self._answer: asyncio.Future[tuple[list[Event] | None, tuple[int, int] | None]] | None = None
        self._missed: tuple[int, int] | None = None

    @property
    def next(self) -> int:
        """Seq of the first event that it has not been given."""
        return self._next

    def missed(self) -> tuple[int, int] | None:
        """The stretch of seqs that cannot be had, told once: it comes before what `take` returns next."""
        missed, self._missed = self._missed, None
        return missed

    def close(self) -> None:
        if self._past is not None:
            self._past.end()
            self._past = None

    async def take(self, limit: int, most_bytes: int = MIB) -> list[Event]:
        """As Tail.take: the next events; none while a stretch that is missing has not been fetched from `missed`."""
        while self._missed is None:
            if self._found:
                return self._take_found(limit, most_bytes)
            if self._next >= self._log.oldest:
                self.close()
                self._tail.next = self._next
                events = self._tail.take(limit, most_bytes)
                self._next = self._tail.next
                return events
            await self._read_past()
        return []

    def _take_found(self, limit: int, most_bytes: int) -> list[Event]:
        taken: list[Event] = []
        size = 0
        while self._found and len(taken) < limit and size < most_bytes:
            taken.append(self._found.popleft())
            size += len(taken[-1].text)
        self._next = taken[-1].seq + 1
        return taken

    async def _read_past(self) -> None:
        self._answer = asyncio.get_running_loop().create_future()
        if self._past is None:
            self._past = self._open_past(self._next - 1, self._take_past, lambda: self._take_past(None))
        self._past.more()
        events, missed = await self._answer
        if events is None:
            self._past = None
            self._miss(self._next, self._log.oldest - 1)
            return
        if missed is not None:
            self._miss(self._next, missed[1])
        self._found.extend(event for event in events if event.seq >= self._next)
        if not events:
            await asyncio.sleep(EMPTY_PAUSE_S)

    def _take_past(self, events: list[Event] | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((events, self._past.missed if self._past is not None else None))

    def _miss(self, first: int, last: int) -> None:
        if last >= first:
            self._missed = (first, last)
            self._next = last + 1
