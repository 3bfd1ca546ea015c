"""
Writes checkpoints while the server runs: a slice at a time, so that a frame that comes meanwhile waits no longer than that.

One is due when the log has taken a sixteenth of its ring since the last one, or four times what the last one held, if that is
more. The last step, which waits for the disk, is a thread's. What fails costs that checkpoint, and is said.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ..logs import fields, log
from ..whole_file import WholeFile

CHECKPOINT_SLICE_S = 0.001  # of the loop at once: a frame that comes meanwhile waits no longer
PAUSE_S = 0.004  # between two slices: a checkpoint takes a fifth of the loop at most
SHARE = 16  # of the ring
TIMES_ITS_SIZE = 4  # of the last checkpoint: writing them stays below a quarter of what the log takes
MODE = 0o600  # it tells where vehicles are


class SlicedCheckpoint:
    """`saved_seq`: what the file holds for, `seq` being what `begin` was given with it."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop, saved_seq: int) -> None:
        self._path = path
        self._loop = loop
        self._file: WholeFile | None = None
        self._saved_at = 0  # in bytes of the log
        self._size = 0
        self._saving = False
        self.saved_seq = saved_seq

    def due(self, written: int, capacity: int) -> bool:
        """`written`: bytes that the log has taken; `capacity`: of its ring. The first is due at once."""
        enough = max(capacity // SHARE, min(TIMES_ITS_SIZE * self._size, capacity // 2))
        return not self._saving and (written - self._saved_at >= enough or not self._size)

    def begin(self, lines: Iterator[bytes], written: int, seq: int, holds: Callable[[], bool] = lambda: True) -> None:
        """`holds()`: whether the lines that are still to come go with those that came; if not, there is no checkpoint."""
        self._saving = True
        self._saved_at = written
        try:
            self._file = WholeFile(self._path, MODE)
        except OSError as error:
            self._failed(error)
        else:
            self._slice(self._file, lines, seq, holds)

    def _slice(self, file: WholeFile, lines: Iterator[bytes], seq: int, holds: Callable[[], bool]) -> None:
        if file.closed:  # the end has come in between
            return
        if not holds():
            self._saving = False
            self.discard()
            return
        until_s = time.monotonic() + CHECKPOINT_SLICE_S
        try:
            for line in lines:
                file.write(line)
                if time.monotonic() > until_s:
                    self._loop.call_later(PAUSE_S, self._slice, file, lines, seq, holds)
                    return
            self._size = file.size
        except OSError as error:
            self._failed(error)
            return
        put = partial(file.commit, replace=True)
        self._loop.run_in_executor(None, put).add_done_callback(lambda done: self._saved(done, seq))

    def _saved(self, done: asyncio.Future[None], seq: int) -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._failed(error)
            return
        self._saving = False
        self.saved_seq = seq

    def _failed(self, error: BaseException) -> None:
        """No checkpoint this time: a restart reads more of the log. The next try is due as if it had succeeded."""
        self._saving = False
        self._size = self._size or 1
        self.discard()
        remedy = "make room, and let the server write there"
        log.error("checkpoint_failed", extra=fields(path=str(self._path), reason=str(error), remedy=remedy))

    def write_whole(self, lines: Iterator[bytes]) -> None:
        """At the end, at once: nothing waits for the loop any more."""
        self.discard()
        try:
            self._file = WholeFile(self._path, MODE)
            self._file.writelines(lines)
            self._file.commit(replace=True)
        except OSError as error:
            self._failed(error)

    def discard(self) -> None:
        """Gives up what is being written."""
        if self._file is not None:
            self._file.discard()
