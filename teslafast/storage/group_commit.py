"""
Group commit: with JOURNAL_SYNC_MS, a reply leaves when what it acknowledges is on the disk.

    replies of a turn ──▶ held ──▶ one round: the journal's sync, in a thread ──▶ all sent
                            ▲ those that come meanwhile wait for the next round

One sync at a time, and at most one in `interval_s`, however many vehicles there are. A round that fails sends nothing and ends
the connections that wait for it: the vehicles come back and send again what nobody acknowledged. Dashboards do not wait; a seq
that they have seen and the disk has not is what `Journal.life` guards against.

    Bound: while more than HELD_AT_MOST bytes of replies wait, whoever adds to them is not read from.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..disk_thread import DiskThread
from ..event_loop import ThreadsafeTimer
from ..logs import fields, log
from ..metrics import Durations

if TYPE_CHECKING:
    from .journal import Journal

HELD_AT_MOST = 4 * 1024 * 1024  # bytes of replies, some 40,000 acks: more than come in while a healthy disk syncs


class Disk(Protocol):
    """What is used of a journal."""

    def sync(self) -> None: ...
    def note_synced(self, seq: int) -> None: ...


class Carried:
    """A journal whose file is not mapped, without JOURNAL_SYNC_MS: replies wait until the file has what they acknowledge."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def sync(self) -> None:
        self._journal.carry()

    def note_synced(self, seq: int) -> None:
        """It is not known to be on a disk."""


class Numbered(Protocol):
    @property
    def seq(self) -> int: ...


class _Waiting(NamedTuple):
    replies: bytes
    write: Callable[[bytes], object]
    give_up: Callable[[], object]


class GroupCommit:
    """`syncs` counts how long the disk took; `path`: of the journal, for the log."""

    def __init__(
        self, disk: Disk, log: Numbered, interval_s: float, loop: ThreadsafeTimer, syncs: Durations, path: Path = Path()
    ) -> None:
        self._disk = disk
        self._log = log
        self._interval_s = interval_s
        self._loop = loop
        self._syncs = syncs
        self._path = path
        self._thread = DiskThread("journal_sync", "nothing is acknowledged")
        self._sync: Future[None] | None = None  # the last one
        self._held: list[_Waiting] = []
        self._held_bytes = 0  # those of the round under way included
        self._busy = False  # a round is under way, or its time has been set
        self._began_s = 0.0

    @property
    def idle(self) -> bool:
        return not self._busy

    def hold(self, replies: bytes, write: Callable[[bytes], object], give_up: Callable[[], object]) -> bool:
        """Calls `write(replies)` once the disk has what is in the log now, or `give_up()`. False: more than enough is held."""
        self._held.append(_Waiting(replies, write, give_up))
        self._held_bytes += len(replies)
        if not self._busy:
            self._set_time()
        return self._held_bytes <= HELD_AT_MOST

    def _set_time(self) -> None:
        self._busy = True
        self._loop.call_later(max(0.0, self._began_s + self._interval_s - time.monotonic()), self._begin)

    def _begin(self) -> None:
        self._began_s = time.monotonic()
        batch, self._held = self._held, []
        end = partial(self._end, batch, self._log.seq)
        self._sync = self._thread.submit(self._path, self._disk.sync)
        self._sync.add_done_callback(lambda done: self._loop.call_soon_threadsafe(partial(end, done)))

    def _end(self, batch: list[_Waiting], seq: int, done: Future[None]) -> None:
        self._syncs.add(time.monotonic() - self._began_s)
        self._busy = False
        self._held_bytes -= sum(len(one.replies) for one in batch)
        error = done.exception()
        if error is None:
            self._disk.note_synced(seq)
        else:
            remedy = "look at the disk: nothing is acknowledged until it works"
            log.error("journal_not_synced", extra=fields(reason=str(error), replies=len(batch), remedy=remedy))
        for one in batch:
            if error is None:
                one.write(one.replies)
            else:
                one.give_up()
        if self._held and not self._busy:
            self._set_time()

    def check(self, now_s: float) -> None:
        """Called now and then (`now_s`: monotonic): says when the disk does not answer."""
        self._thread.check(now_s)

    def nudge(self) -> None:
        """Has a round made for what nobody waits for."""
        if not self._busy:
            self.hold(b"", _nothing, _nothing)

    def close(self) -> None:
        """Waits for a sync that is under way."""
        if self._sync is not None:
            wait([self._sync])


def _nothing(*_: object) -> None: ...
