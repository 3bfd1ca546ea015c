"""
What all connections of one server share, and what a turn of the event loop owes.

    publish ──▶ log (flat), its views, last known values       at once: when it returns the frame is in the ring
    turn    ──▶ every vehicle's replies, one write each; then the logs to their readers

A turn is asked for by the first thing that needs one, and takes place once the event loop has handled all that was ready: the
acks of everything that came in together leave together, and a reader gets one write however many events there were. An ack is
never sent before its frame is in the log; with JOURNAL_SYNC_MS, not before it is on the disk (commit.py). With COALESCE_MS the
logs' part waits until so long after the last flush.

The loop's `call_soon` and `call_later` are all that is used of it; there is no I/O here.
"""

from __future__ import annotations

import mmap
import secrets
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import orjson

from .._fanout import FLAT_PREFIXES, Fanout, bytes_needed
from ..config import Settings
from ..errors import Malformed
from ..metrics import Counts
from . import records
from .last_values import LastValues, whole_ms
from .records import Record
from .registry import Registry
from .views import Views

LET_GO_PER_TURN = 64  # connections that have ended: some 3 ms, if they were TLS
LET_GO_PAUSE_S = 0.01


class Replying(Protocol):
    def send_replies(self) -> None: ...


class Connection(Protocol):
    """A vehicle's or dashboard's connection, as those see it who keep all of them in order."""

    def check(self, now: float) -> None:
        """Called now and then (`now`: monotonic seconds): pings, and ends what has gone or has run out."""

    def close(self, code: Any, cause: str, reason: str = "") -> None: ...

    def abort(self) -> None: ...


class Acks(Protocol):
    """Holds replies until what they acknowledge is safe: `commit.GroupCommit`."""

    @property
    def idle(self) -> bool: ...
    def hold(self, replies: bytes, write: Callable[[bytes], object], give_up: Callable[[], object]) -> bool: ...
    def close(self) -> None: ...


class KeptLog(Protocol):
    """What holds a log that survives the process: `journal.Journal`."""

    @property
    def epoch(self) -> str: ...
    def log(self, prefixes: tuple[bytes, ...], schedule: Callable[[Fanout], object], sync: bool = False) -> Fanout: ...


class Loop(Protocol):
    """What is used of an event loop."""

    def call_soon(self, callback: Callable[[], object], /) -> object: ...
    def call_later(self, delay: float, callback: Callable[[], object], /) -> object: ...


class Hub:
    """`epoch` names the life of the log; `seq` counts within it."""

    def __init__(self, settings: Settings, loop: Loop, journal: KeptLog | None = None) -> None:
        """`journal`: what holds the log, already open; what it has kept is in the log afterwards."""
        self.settings = settings
        self.counts = Counts()
        self.registry = Registry()
        self.state = LastValues()
        self.connections: set[Connection] = set()
        self.dashboards = 0
        self.draining = False
        self._loop = loop
        self._replying: list[Replying] = []
        self.commit: Acks | None = None  # with JOURNAL_SYNC_MS
        self._due: list[Fanout] = []
        self._turn_asked = False
        self._turn_began_s = 0.0
        self._coalesce_s = settings.coalesce_ms / 1000
        if journal is None:
            self.log = self.make_log(FLAT_PREFIXES)
            self.epoch = secrets.token_hex(8)
        else:
            self.log = journal.log(FLAT_PREFIXES, self._ask_flush, sync=settings.journal_sync_ms > 0)
            self.epoch = journal.epoch
        self.views = Views(self.make_log, loop)
        self._gone: deque[Connection] = deque()
        self._watchers: list[Callable[[], object]] = []
        self._published = False  # since the watchers were last called

    def make_log(self, prefixes: tuple[bytes, ...]) -> Fanout:
        """A ring of RING_BYTES in anonymous memory, which costs what is written to it."""
        memory = mmap.mmap(-1, bytes_needed(self.settings.ring_bytes))
        return Fanout(memory, self.settings.ring_bytes, prefixes, self._ask_flush)

    # ---- in

    def publish(self, vin: str, record: Record, fleet: Callable[[], dict[str, Any]]) -> int:
        """
        Puts one record into the log and its views; returns its seq. `fleet()` makes its other shape, if somebody reads that.

        Raises Malformed if it cannot be JSON or is larger than the ring.
        """
        now_ns = time.time_ns()
        now_ms = now_ns // 1_000_000
        kind = records.KIND_NUMBERS[record.kind]
        try:
            seq = self.log.publish(kind, vin, orjson.dumps(record.body), now_ms)
        except (ValueError, TypeError) as error:
            raise Malformed(f"cannot be kept: {error}") from None
        if kind == records.DATA:
            self.state.merge(vin, record.body["data"], whole_ms(record.created_ns), now_ms * 1_000_000)
        if self.views.active:
            self.views.publish(kind, vin, record.body, fleet, seq, now_ms)
        if self._watchers and not self._published:
            self._published = True
            self._ask_turn()
        return seq

    def watch(self, callback: Callable[[], object]) -> None:
        """`callback` is called once at the end of each turn in which something was published."""
        self._watchers.append(callback)

    def unwatch(self, callback: Callable[[], object]) -> None:
        self._watchers.remove(callback)

    def later(self, delay_s: float, callback: Callable[[], object]) -> None:
        self._loop.call_later(delay_s, callback)

    # ---- connections that end

    def part(self, connection: Connection) -> None:
        """
        A connection has ended: it is none of ours any more.

        Its memory is given back a little later. That takes longer than all the rest of its end (TLS keeps much), and when the
        network goes away there are thousands of them at one moment.
        """
        self.connections.discard(connection)
        if not self._gone:
            self._loop.call_later(0, self._let_go)
        self._gone.append(connection)

    def _let_go(self) -> None:
        for _ in range(min(len(self._gone), LET_GO_PER_TURN)):
            self._gone.popleft()
        if self._gone:
            self._loop.call_later(LET_GO_PAUSE_S, self._let_go)

    # ---- out

    def owe(self, replying: Replying) -> None:
        """`replying` has replies to send: it is asked for them once, at the end of this turn."""
        self._replying.append(replying)
        self._ask_turn()

    def reply(self, replies: bytes, write: Callable[[bytes], object], give_up: Callable[[], object]) -> bool:
        """
        Sends replies by `write`: at once, or when what they acknowledge is on the disk; `give_up()` if it never will be.

        Returns False if so many wait that nothing more should be taken in before `write` is called.
        """
        if self.commit is None:
            write(replies)
            return True
        return self.commit.hold(replies, write, give_up)

    @property
    def all_acknowledged(self) -> bool:
        return not self._replying and (self.commit is None or self.commit.idle)

    def coalesce(self, seconds: float) -> None:
        """From now on this takes the place of COALESCE_MS."""
        self._coalesce_s = seconds

    def _ask_turn(self) -> None:
        if not self._turn_asked:
            self._turn_asked = True
            self._turn_began_s = time.monotonic()
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_asked = False
        began_s = self._turn_began_s
        replying, self._replying = self._replying, []
        for one in replying:
            one.send_replies()
        due, self._due = self._due, []
        for log in due:
            self._flush(log)
        if self._published:
            self._published = False
            for tell in tuple(self._watchers):  # a copy: a watcher may end itself
                tell()
        self.counts.turns.add(time.monotonic() - began_s)

    def _ask_flush(self, log: Fanout) -> None:
        """A log has something for its readers: flush it in this turn, or COALESCE_MS after its last flush."""
        if self._coalesce_s:
            wait_s = log.flushed_at + self._coalesce_s - time.monotonic()
            if wait_s > 0:
                self._loop.call_later(wait_s, partial(self._flush, log))
                return
        self._due.append(log)
        self._ask_turn()

    def _flush(self, log: Fanout) -> None:
        if log.flush():
            self._due.append(log)
            self._ask_turn()
