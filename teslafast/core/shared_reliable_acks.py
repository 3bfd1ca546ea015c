"""
RELIABLE_ACKS where several nodes share the log: as with one process, but seqs are known only when the log shows a record.

    hold ──▶ the hold before it: until the log has shown what was submitted before ──▶ safe, and where the log stands by then
         └─▶ an output's place in the log passes that, whichever node works it ──────▶ written, in the order of the calls

What a reply acknowledges has a seq between where the log stood when it was held and where it stands when it is safe. A place in
the log also tells which events its output gives up. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .reliable_acks import PublishedLog, ReliableAcks, ReplyEntry
from .turn import ReplyHold

NOT_SHOWN = 1 << 63  # above every seq


class SharedReliableAcks(ReliableAcks):
    """`outputs`: names of those that are waited for; `before`: keeps a reply back until the log has shown what it is about."""

    def __init__(self, log: PublishedLog, outputs: Iterable[str], before: ReplyHold) -> None:
        super().__init__(log, dict.fromkeys(outputs, 0), before)

    def _entry(self, replies: bytes, write: Callable[[bytes], object], give_up: Callable[[], object]) -> ReplyEntry:
        entry = super()._entry(replies, write, give_up)
        entry.seq = NOT_SHOWN
        return entry

    def _settle(self, entry: ReplyEntry, safe: bool) -> None:
        entry.seq = self._log.seq
        super()._settle(entry, safe)

    def lose(self, first: int, last: int) -> None:
        """Some of the events from `first` to `last` will never be delivered by an output: call it before it confirms them."""
        for entry in self._entries:
            entry.lost = entry.lost or (entry.after < last and entry.seq >= first)
        self._release()

    def begin_anew(self) -> None:
        """The log is another one, or has been left out in part: what it has shown before is not told of any more."""
        for entry in self._entries:
            entry.lost = entry.lost or entry.safe
            entry.after = 0  # what is submitted again gets seqs of its own
        for output in self.names:
            self._confirmed[output] = 0
        self._lowest = 0
        self._release()
