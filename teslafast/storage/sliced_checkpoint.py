"""
Writes checkpoints while the server runs: a slice at a time, so that a frame that comes meanwhile waits no longer than that.

One is due when the log has taken a sixteenth of its ring since the last one, or four times what the last one held, if that is
more. Every step that touches the disk is its thread's, and the next slice is made when the last one is written: so there is one
slice in memory at most, and a disk that does not answer costs checkpoints alone. What fails costs that checkpoint, and is said.
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ..disk_thread import DiskCalls, DiskThread
from ..logs import fields, log
from ..whole_file import WholeFile

CHECKPOINT_SLICE_S = 0.001  # of the loop at once: a frame that comes meanwhile waits no longer
PAUSE_S = 0.004  # between two slices: a checkpoint takes a fifth of the loop at most
SHARE = 16  # of the ring
TIMES_ITS_SIZE = 4  # of the last checkpoint: writing them stays below a quarter of what the log takes
MODE = 0o600  # it tells where vehicles are

_Result = TypeVar("_Result")


class SlicedCheckpoint:
    """`saved_seq`: what the file holds for, `seq` being what `begin` was given with it."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop, saved_seq: int, disk: DiskCalls | None = None) -> None:
        self._path = path
        self._loop = loop
        self._disk = disk or DiskThread("checkpoint", "a restart would read more of the log")
        self._file: WholeFile | None = None
        self._step: Future[Any] | None = None  # the last one that the disk's thread was given
        self._saved_at = 0  # in bytes of the log
        self._size = 0
        self._saving = False
        self._ended = False
        self.on_failed: Callable[[], object] = lambda: None
        self.saved_seq = saved_seq

    def due(self, written: int, capacity: int) -> bool:
        """`written`: bytes that the log has taken; `capacity`: of its ring. The first is due at once; none is after the end."""
        enough = max(capacity // SHARE, min(TIMES_ITS_SIZE * self._size, capacity // 2))
        return not self._ended and not self._saving and (written - self._saved_at >= enough or not self._size)

    def check(self, now_s: float) -> None:
        """Called now and then (`now_s`: monotonic): says when the disk does not answer."""
        self._disk.check(now_s)

    def begin(self, lines: Iterator[bytes], written: int, seq: int, holds: Callable[[], bool] = lambda: True) -> None:
        """`holds()`: whether the lines that are still to come go with those that came; if not, there is no checkpoint."""
        self._submit(self._open, lambda _: self._slice(lines, seq, holds))
        self._saving = True
        self._saved_at = written

    def _open(self) -> None:
        self._file = WholeFile(self._path, MODE)

    def _submit(self, step: Callable[[], _Result], then: Callable[[_Result], object]) -> None:
        """`then` on the event loop, unless the step failed, or the end has come in between."""
        self._step = future = self._disk.submit(self._path, step)
        asyncio.wrap_future(future, loop=self._loop).add_done_callback(partial(self._go_on, then))

    def _go_on(self, then: Callable[[_Result], object], done: asyncio.Future[_Result]) -> None:
        error = None if done.cancelled() else done.exception()
        if self._ended:
            return
        if error is not None:
            self._failed(error)
            return
        then(done.result())

    def _slice(self, lines: Iterator[bytes], seq: int, holds: Callable[[], bool]) -> None:
        if self._ended or self._file is None:
            return
        if not holds():
            self._saving = False
            self._disk.submit(self._path, self._file.discard)
            return
        made, more = _some_of(lines)
        step = partial(self._file.writelines, made)
        if more:
            self._submit(step, lambda _: self._loop.call_later(PAUSE_S, self._slice, lines, seq, holds))
        else:
            self._submit(step, lambda _: self._put_in_place(seq))

    def _put_in_place(self, seq: int) -> None:
        if self._file is not None:
            self._size = self._file.size
            self._submit(partial(self._file.commit, replace=True), lambda _: self._saved(seq))

    def _saved(self, seq: int) -> None:
        self._saving = False
        self.saved_seq = seq

    def _failed(self, error: BaseException) -> None:
        """No checkpoint this time: a restart reads more of the log. The next try is due as if it had succeeded."""
        self._saving = False
        self._size = self._size or 1
        if self._file is not None:
            self._disk.submit(self._path, self._file.discard)
        self.on_failed()
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "make room, and let the server write there" if full else "look at the disk, and let the server write there"
        log.error("checkpoint_failed", extra=fields(path=str(self._path), reason=str(error), remedy=remedy))

    def write_whole(self, lines: Iterator[bytes]) -> None:
        """At the end, at once: nothing waits for the loop any more."""
        self.discard()
        try:
            self._file = file = WholeFile(self._path, MODE)
            file.writelines(lines)
            file.commit(replace=True)
        except OSError as error:
            self._failed(error)

    def discard(self) -> None:
        """For good: gives up what is being written, once the step under way has ended."""
        self._ended = True
        if self._step is not None:
            wait([self._step])
        if self._file is not None:
            self._file.discard()


def _some_of(lines: Iterator[bytes]) -> tuple[list[bytes], bool]:
    """What there is time for at once, and whether there may be more."""
    until_s = time.monotonic() + CHECKPOINT_SLICE_S
    made = []
    for line in lines:
        made.append(line)
        if time.monotonic() > until_s:
            return made, True
    return made, False
