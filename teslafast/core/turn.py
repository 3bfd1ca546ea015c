"""
What one turn of the event loop owes, and when it is given.

    replies    to vehicles: those of one turn leave in one write a connection, once what they acknowledge is safe
    flushes    of the logs to their readers: one write a reader, however many events there were
    watchers   who read the log without a socket (`Tail`): called once, after the flushes

The first thing that needs a turn asks for it; the turn takes place once the event loop has handled all that was ready. A reply
never leaves before its record is applied. Where that alone does not make the record safe (JOURNAL_SYNC_MS: the disk;
RELIABLE_ACKS: outputs), a `ReplyHold` keeps the replies back. With COALESCE_MS the flushes wait until so long after the log's
last one.

Of the event loop only `call_soon` and `call_later` are used; there is no I/O here, and the clock is an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from .._fanout import Fanout
from ..event_loop import Loop
from ..metrics import Durations


class ReplyHold(Protocol):
    """
    Keeps replies back until what they acknowledge is safe.

    hold(replies, write, give_up)   calls `write(replies)` then, or `give_up()` if it never will be safe, in the order of the
                                    calls; False: so many are held that nothing more should be taken in before `write`
    """

    @property
    def idle(self) -> bool: ...
    def hold(self, replies: bytes, write: Callable[[bytes], object], give_up: Callable[[], object]) -> bool: ...


class Outlet(Protocol):
    """The connection that replies leave through."""

    def write(self, data: bytes) -> object: ...
    def abort(self) -> object: ...
    def pause_reading(self) -> object: ...
    def resume_reading(self) -> object: ...


class Replies:
    """One connection's replies. Bound: while too many are held back, the connection is not read from."""

    __slots__ = ("_frames", "_outlet", "_paused", "_turn")

    def __init__(self, turn: Turn, outlet: Outlet) -> None:
        self._turn = turn
        self._outlet: Outlet | None = outlet  # None once the connection is over
        self._frames: list[bytes] = []
        self._paused = False

    def add(self, frame: bytes) -> None:
        """A whole WebSocket frame, to leave at the end of this turn."""
        if not self._frames:
            self._turn.owe(self)
        self._frames.append(frame)

    def send(self) -> None:
        """All that have been added, in one write."""
        if self._frames and self._outlet is not None:
            joined = b"".join(self._frames)
            self._frames.clear()
            if self._turn.hold is None:
                self._outlet.write(joined)
            elif not self._turn.hold.hold(joined, self._write, self._give_up):
                self._paused = True
                self._outlet.pause_reading()

    def then(self, callback: Callable[[], object]) -> None:
        """Calls `callback` once all that have been added have left."""
        self.send()
        if self._outlet is not None:
            self._turn.release(b"", lambda _: self._call(callback), self._give_up)

    def end(self) -> None:
        """The connection is over: nothing is written any more."""
        self._frames.clear()
        self._outlet = None

    def _write(self, replies: bytes) -> None:
        if self._outlet is None:
            return
        if self._paused:
            self._paused = False
            self._outlet.resume_reading()
        self._outlet.write(replies)

    def _call(self, callback: Callable[[], object]) -> None:
        if self._outlet is not None:
            callback()

    def _give_up(self) -> None:
        if self._outlet is not None:
            self._outlet.abort()


class Turn:
    """`durations`: from a turn's first message to its last write. `clock`: monotonic seconds."""

    def __init__(self, loop: Loop, clock: Callable[[], float], coalesce_ms: int, durations: Durations) -> None:
        self._loop = loop
        self._clock = clock
        self._coalesce_s = coalesce_ms / 1000
        self._durations = durations
        self.hold: ReplyHold | None = None  # what replies wait for; None: nothing
        self._owing: list[Replies] = []
        self._due: list[Fanout] = []
        self._watchers: list[Callable[[], None]] = []
        self.watched = False  # an attribute: it is asked for with every event
        self._asked = False
        self._began_s = 0.0

    # ---- replies

    def hold_replies_by(self, hold: ReplyHold) -> None:
        """From now on replies wait for `hold`, which comes in the place of the one before: it may ask that one first."""
        self.hold = hold

    def owe(self, replies: Replies) -> None:
        """`replies` has something to send at the end of this turn."""
        self._owing.append(replies)
        self.ask()

    def release(self, replies: bytes, write: Callable[[bytes], object], give_up: Callable[[], object]) -> bool:
        """Writes replies to what has been applied, once that is safe. See ReplyHold."""
        if self.hold is None:
            write(replies)
            return True
        return self.hold.hold(replies, write, give_up)

    @property
    def all_acknowledged(self) -> bool:
        return not self._owing and (self.hold is None or self.hold.idle)

    # ---- flushes

    def coalesce(self, seconds: float) -> None:
        """Takes the place of COALESCE_MS from now on."""
        self._coalesce_s = seconds

    def ask_flush(self, log: Fanout) -> None:
        """`log` has something for its readers: flush it in this turn, or COALESCE_MS after its last flush."""
        if self._coalesce_s:
            wait_s = log.flushed_at + self._coalesce_s - self._clock()
            if wait_s > 0:
                self._loop.call_later(wait_s, partial(self._flush, log))
                return
        self._due.append(log)
        self.ask()

    def _flush(self, log: Fanout) -> None:
        if log.flush():
            self._due.append(log)
            self.ask()

    # ---- watchers

    def watch(self, callback: Callable[[], None]) -> None:
        """Calls `callback` at the end of every turn from now on."""
        self._watchers.append(callback)
        self.watched = True

    def unwatch(self, callback: Callable[[], None]) -> None:
        self._watchers.remove(callback)
        self.watched = bool(self._watchers)

    # ---- the turn

    def ask(self) -> None:
        if not self._asked:
            self._asked = True
            self._began_s = self._clock()
            self._loop.call_soon(self._take_place)

    def _take_place(self) -> None:
        self._asked = False
        began_s = self._began_s
        owing, self._owing = self._owing, []
        for replies in owing:
            replies.send()
        due, self._due = self._due, []
        for log in due:
            self._flush(log)
        if self._watchers:
            for watcher in tuple(self._watchers):  # a copy: one may leave when it is called
                watcher()
        self._durations.add(self._clock() - began_s)
