"""
A cursor over the log for readers that are no socket: outputs, and whatever else takes events in batches.

    next    seq of the first event that it has not been given
    lost    how many events the ring overtook before they were taken; `missed` tells each stretch of them once

    Invariant: next <= log.seq + 1. What `take` has returned is the caller's: the ring may overtake it.

It holds no event: the log is the queue, and a tail that nobody takes from costs nothing. It reads a log whose seqs have no holes
between them, as the flat one's have none. Pure: nobody is woken here; `Turn.watch` tells when there may be something to take.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, overload

from ..config import MIB


class Event(NamedTuple):
    """
    One event of the log. `kind`: its place in KINDS; `text`: its JSON; `time_ms`: when it was published, since 1970.

    own        `core.records.OwnBytes`, if the tail was asked for them and the log has them
    shaped     its body in another shape than the text's
    rebuilt    that shape was made from the text, because the record's own bytes are not there
    """

    seq: int
    kind: int
    vin: str
    text: bytes
    time_ms: int
    own: tuple[bytes, ...] | None = None
    shaped: bytes | None = None
    rebuilt: bool = False

    @property
    def body(self) -> bytes:
        """In the shape that was asked for: the text, if that was none."""
        return self.text if self.shaped is None else self.shaped


class TailedLog(Protocol):
    """What is read of a log, by a tail and by whoever tells how far behind one is: `_fanout.Fanout`."""

    @property
    def seq(self) -> int: ...
    @property
    def oldest(self) -> int: ...
    @overload
    def events_after(self, seq: int, limit: int, most_bytes: int = ...) -> list[tuple[int, int, str, bytes, int]]: ...
    @overload
    def events_after(
        self, seq: int, limit: int, most_bytes: int = ..., *, beside: Literal[True]
    ) -> list[tuple[int, int, str, bytes, int, tuple[bytes, ...] | None]]: ...
    def time_of(self, seq: int, /) -> int: ...


class Tail:
    def __init__(self, log: TailedLog, first: int, own: bool = False) -> None:
        """
        first    seq of the first event that is wanted; one beyond the next event counts as the next
        own      events come with their records' own bytes
        """
        self._log = log
        self._own = own
        self.next = min(max(first, 1), log.seq + 1)
        self.lost = 0
        self._missed: tuple[int, int] | None = None

    def take(self, limit: int, most_bytes: int = MIB) -> list[Event]:
        """
        The next events, `limit` at most; no more after the one with which their texts come to `most_bytes`.

        None at all while a stretch that the ring overtook has not been fetched from `missed`: it comes first in the order.
        """
        self._look_back()
        if self._missed is not None:
            return []
        if self._own:
            events = [Event(*event) for event in self._log.events_after(self.next - 1, limit, most_bytes, beside=True)]
        else:
            events = [Event(*event) for event in self._log.events_after(self.next - 1, limit, most_bytes)]
        if events:
            self.next = events[-1].seq + 1
        return events

    def missed(self) -> tuple[int, int] | None:
        """The stretch of seqs (first, last) that the ring has overtaken since the last call, told once; None if there is none."""
        self._look_back()
        missed, self._missed = self._missed, None
        return missed

    def _look_back(self) -> None:
        oldest = self._log.oldest
        if self.next < oldest:
            # nothing was taken since an untold stretch began, so the new one follows it without a hole
            first = self._missed[0] if self._missed is not None else self.next
            self._missed = (first, oldest - 1)
            self.lost += oldest - self.next
            self.next = oldest
