"""
The seq of an event: how many events of its epoch stand before it in the stream, plus one.

Who reads from the epoch's founding on counts from nothing. Who begins later counts from an unknown `base` until a batch says what
its sender knows ("the last event of messages up to K has seq E") of a K that lies within what has been read. Whoever is placed
holds what others say against its own count: `disagreed` must stay 0.
"""

from __future__ import annotations

from collections import deque

from .batch import EPOCH, BatchHead

LAST_SEQ = 1 << 62  # nobody counts so far: who says so has forged it
MARKS_AT_MOST = 8192  # messages behind the head of which the count is remembered: a sender knows the log to within milliseconds


class Counting:
    """
    next        number of the message that is to come
    base        what has to be added to `counted`; None: not known yet
    marks       message → `counted` after it, the oldest first
    """

    def __init__(self, start: int) -> None:
        self.next = start
        self.base: int | None = None
        self.counted = 0  # events in the messages from `start`, or from the founding on
        self.disagreed = 0
        self.ended = False  # whether its reader has been at the end
        self.marks = {start - 1: 0}
        self._order = deque(self.marks)

    @property
    def seq(self) -> int:
        """Of the last event that was counted; only once `base` is known."""
        return (self.base or 0) + self.counted

    def place(self, head: BatchHead) -> bool:
        """Takes in what the sender of a batch of this epoch knows; whether that told us the base."""
        mark = self.marks.get(head.known_stream)
        if mark is None:
            return False
        if self.base is None:
            if not mark <= head.known_event < LAST_SEQ:
                return False
            self.base = head.known_event - mark
            return True
        self.disagreed += self.base + mark != head.known_event
        return False

    def count(self, head: BatchHead | None) -> int:
        """Goes on to the next message; None: it is not a batch. Returns `counted` before its events."""
        if head is not None and head.flags & EPOCH:
            self.base = 0
            self.counted = 0
            self.marks.clear()
            self._order.clear()
        before = self.counted
        self.note(self.next, before if head is None else before + head.counted)
        return before

    def note(self, number: int, counted: int) -> None:
        """After this message, the next one, so many events have been counted."""
        self.counted = self.marks[number] = counted
        self._order.append(number)
        if len(self._order) > MARKS_AT_MOST and self.base is not None:
            del self.marks[self._order.popleft()]
        self.next = number + 1
