"""
Vehicles' replies wait until the cluster's log has what was submitted before them.

    hold ──▶ written when that is stored; with `until_shown` (RELIABLE_ACKS) when it has been applied on this node, too

It is the turn's ReplyHold. Pure.

    Bound: while UNSTORED_AT_MOST bytes of records or REPLIES_AT_MOST of replies wait, whoever adds to them is not read from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from .writer import Writer

REPLIES_AT_MOST = 4 * 1024 * 1024  # bytes of replies, some 40,000 acks: as many as JOURNAL_SYNC_MS holds


class _Held(NamedTuple):
    upto: int
    replies: bytes
    write: Callable[[bytes], object]
    give_up: Callable[[], object]


class StoredReplies:
    """
    begin_anew    called when what was applied will not be told of any more: the log begins anew, or is lost
    """

    def __init__(self, writer: Callable[[], Writer]) -> None:
        self._writer = writer
        self._held: deque[_Held] = deque()
        self._bytes = 0
        self._shown = 0  # the submissions up to this number have been applied; only while `until_shown`
        self.until_shown = False
        self.begin_anew: Callable[[], object] = lambda: None

    @property
    def idle(self) -> bool:
        return not self._held

    def hold(self, replies: bytes, write: Callable[[bytes], object], give_up: Callable[[], object]) -> bool:
        """What is not stored yet is tried for as long as the process lives; `give_up` is for what was stored and left out."""
        writer = self._writer()
        if not self._held and (self._shown if self.until_shown else writer.stored) >= writer.submitted:
            write(replies)
            return True
        self._held.append(_Held(writer.submitted, replies, write, give_up))
        self._bytes += len(replies)
        return not writer.full and self._bytes <= REPLIES_AT_MOST

    def stored(self, upto: int) -> None:
        if not self.until_shown:
            self._release(upto)

    def shown(self, upto: int) -> None:
        self._shown = upto
        self._release(upto)

    def lost(self, rolled_back: bool) -> None:
        """See Application.lost."""
        if self.until_shown and not rolled_back:
            held, self._held = self._held, deque()
            self._bytes, self._shown = 0, self._writer().stored
            for one in held:
                one.give_up()
        self.begin_anew()

    def _release(self, upto: int) -> None:
        while self._held and self._held[0].upto <= upto:
            one = self._held.popleft()
            self._bytes -= len(one.replies)
            one.write(one.replies)
