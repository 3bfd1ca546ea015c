"""
Group commit: with JOURNAL_SYNC_MS, a reply leaves when what it acknowledges is on the disk.

    replies of a turn ──▶ held ──▶ one round: the journal's sync, in a thread ──▶ all sent
                            ▲ those that come meanwhile wait for the next round

One sync at a time, and at most one in `interval_s`, however many vehicles there are. A round that fails sends nothing: the
vehicles send again what nobody acknowledged. Dashboards do not wait; a seq that they have seen and the disk has not is what
`Journal.life` guards against.

    Bound: while more than HELD_AT_MOST bytes of replies wait, nothing more is acknowledged or taken in (`full`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from .logs import log, of
from .metrics import Durations

HELD_AT_MOST = 4 * 1024 * 1024


class Loop(Protocol):
    def call_later(self, delay: float, callback: Callable[[], object], /) -> object: ...
    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> object: ...


class Disk(Protocol):
    """What is used of a journal."""

    def sync(self) -> None: ...
    def note_synced(self, seq: int) -> None: ...


class Log(Protocol):
    @property
    def seq(self) -> int: ...


class Commit:
    """`hold` takes what is to be sent, and by what; `syncs` counts how long the disk took."""

    def __init__(self, disk: Disk, log: Log, interval_s: float, loop: Loop, syncs: Durations) -> None:
        self._disk = disk
        self._log = log
        self._interval_s = interval_s
        self._loop = loop
        self._syncs = syncs
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._held: list[tuple[Callable[[bytes], object], bytes]] = []
        self._held_bytes = 0
        self._busy = False  # a round is under way, or its time has been set
        self._began_s = 0.0

    @property
    def idle(self) -> bool:
        return not self._busy

    @property
    def full(self) -> bool:
        return self._held_bytes > HELD_AT_MOST

    def hold(self, write: Callable[[bytes], object], replies: bytes) -> None:
        self._held.append((write, replies))
        self._held_bytes += len(replies)
        if not self._busy:
            self._busy = True
            self._loop.call_later(max(0.0, self._began_s + self._interval_s - time.monotonic()), self._begin)

    def _begin(self) -> None:
        self._began_s = time.monotonic()
        batch, self._held = self._held, []
        seq = self._log.seq
        future = self._thread.submit(self._disk.sync)
        future.add_done_callback(lambda done: self._loop.call_soon_threadsafe(lambda: self._end(done, batch, seq)))

    def _end(self, done: Future[None], batch: list[tuple[Callable[[bytes], object], bytes]], seq: int) -> None:
        self._syncs.add(time.monotonic() - self._began_s)
        self._busy = False
        self._held_bytes -= sum(len(replies) for _, replies in batch)
        error = done.exception()
        if error is None:
            self._disk.note_synced(seq)
            for write, replies in batch:
                write(replies)
        else:
            log.error("journal_not_synced", extra=of(reason=str(error), replies=len(batch), remedy="look at the disk"))
        if self._held:
            self._busy = True
            self._loop.call_later(max(0.0, self._began_s + self._interval_s - time.monotonic()), self._begin)

    def close(self) -> None:
        """Waits for a sync that is under way."""
        self._thread.shutdown()
