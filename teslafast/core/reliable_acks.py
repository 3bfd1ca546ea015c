"""
RELIABLE_ACKS: a reply leaves when what it acknowledges is in the log, on the disk if it has to be, and with the named outputs.

    hold ──▶ the hold before it (the disk's), if there is one ──▶ safe ─┐
         └─▶ each output confirms up to a seq ─────────────────▶ there ─┴─▶ written, in the order of the calls

An output that is down confirms nothing: replies wait as long as it takes, and vehicles send again what nobody acknowledged.
What an output will never deliver (the ring overtook it, or the receiver refused it) is never acknowledged: those who wait for it
are given up.

    Bounds: while what is held is worth more than UNCONFIRMED_AT_MOST, whoever adds to it is not read from; beyond twice of that,
    which only connections made anew can reach, they are given up at once.

Pure, and it costs nothing where RELIABLE_ACKS is not set: then nobody makes one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from .turn import ReplyHold

UNCONFIRMED_AT_MOST = 16 * 1024 * 1024  # bytes: 50,000 acks, or a receiver that is away for four minutes at 200 messages a second
ENTRY_BYTES = (
    272  # measured with tracemalloc: what keeping one reply costs besides its own bytes (without a disk to wait for, 216)
)


class PublishedLog(Protocol):
    @property
    def seq(self) -> int: ...


class ReplyEntry:
    """`after`, `seq`: where the log stood when the reply was ready, so what it acknowledges has this seq at most."""

    __slots__ = ("after", "give_up", "lost", "replies", "safe", "seq", "write")

    def __init__(self, seq: int, replies: bytes, write: Callable[[bytes], object], give_up: Callable[[], object]) -> None:
        self.after = self.seq = seq
        self.replies = replies
        self.write = write
        self.give_up = give_up
        self.safe = False
        self.lost = False


class ReliableAcks:
    """
    A ReplyHold. `confirmed`: up to which seq each named output has everything; `before`: the hold that comes first, None if none.
    """

    def __init__(self, log: PublishedLog, confirmed: Mapping[str, int], before: ReplyHold | None = None) -> None:
        self._log = log
        self._confirmed = dict(confirmed)
        self._before = before
        self._entries: deque[ReplyEntry] = deque()
        self._lowest = min(self._confirmed.values())
        self._cost = 0
        self._releasing = False

    @property
    def names(self) -> list[str]:
        return list(self._confirmed)

    @property
    def waiting(self) -> int:
        """How many connections' replies are held back."""
        return len(self._entries)

    @property
    def idle(self) -> bool:
        return not self._entries

    def hold(self, replies: bytes, write: Callable[[bytes], object], give_up: Callable[[], object]) -> bool:
        if self._cost > 2 * UNCONFIRMED_AT_MOST:
            give_up()
            return False
        entry = self._entry(replies, write, give_up)
        self._entries.append(entry)
        self._cost += ENTRY_BYTES + len(replies)
        room = True
        if self._before is None:
            self._settle(entry, safe=True)
        else:
            room = self._before.hold(replies, lambda _: self._settle(entry, safe=True), lambda: self._settle(entry, safe=False))
        return room and self._cost <= UNCONFIRMED_AT_MOST

    def _entry(self, replies: bytes, write: Callable[[bytes], object], give_up: Callable[[], object]) -> ReplyEntry:
        return ReplyEntry(self._log.seq, replies, write, give_up)

    def confirm(self, output: str, seq: int) -> None:
        """This output has delivered everything up to `seq`."""
        self._confirmed[output] = seq
        self._lowest = min(self._confirmed.values())
        self._release()

    def lose(self, first: int, last: int) -> None:
        """Some of the events from `first` to `last` will never be delivered by an output: call it before it confirms them."""
        beyond = 0
        for entry in self._entries:
            # a reply acknowledges what came in its own turn, so the first seq beyond `last` may be one of a lost event's turn
            beyond = beyond or (entry.seq if entry.seq > last else 0)
            if beyond and entry.seq > beyond:
                break
            entry.lost = entry.lost or entry.seq >= first
        self._release()

    def stop(self) -> None:
        """An output wants no more, ever: acks that wait for it go on waiting, because it confirms nothing from now on."""

    def _settle(self, entry: ReplyEntry, safe: bool) -> None:
        entry.safe, entry.lost = safe, entry.lost or not safe
        self._release()

    def _release(self) -> None:
        if self._releasing:  # a callback may end a connection, whose end is held in its turn
            return
        self._releasing = True
        try:
            while self._entries and (self._entries[0].lost or (self._entries[0].safe and self._entries[0].seq <= self._lowest)):
                entry = self._entries.popleft()
                self._cost -= ENTRY_BYTES + len(entry.replies)
                if entry.lost:
                    entry.give_up()
                else:
                    entry.write(entry.replies)
        finally:
            self._releasing = False
