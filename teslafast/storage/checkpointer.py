"""
What is kept when the process ends, and when that is written: the log's own file, and checkpoints of the last known values.

A checkpoint is begun when the log has taken a sixteenth of its ring since the last one (or four times what the last one held, if
that is more), and made in slices of CHECKPOINT_SLICE_S, so that the frame path is never held up for longer; its last step, which
waits for the disk, is a thread's. So a restart reads a small part of the log again, and nothing leaves the ring unsaved unless
the whole ring goes round within one checkpoint.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from ..core.hub import Hub
from ..logs import fields, log
from ..whole_file import WholeFile
from . import checkpoint
from .cursors import Cursors
from .group_commit import GroupCommit
from .journal import Journal
from .journal_file import read_state
from .journal_watch import JournalWatch

CHECKPOINT_SLICE_S = 0.001  # of the loop at once: a frame that comes meanwhile waits no longer
PAUSE_S = 0.004  # between two slices: a checkpoint takes a fifth of the loop at most
SHARE = 16  # of the ring
TIMES_ITS_SIZE = 4  # of the last checkpoint: writing them stays below a quarter of what the journal writes
MODE = 0o600  # it tells where vehicles are


@dataclass(frozen=True, kw_only=True)
class JournalGauges:
    """
    recovered, cut   events found at start, and those that were no good
    unsaved          events since the last checkpoint
    stopped          the log goes on without the file
    """

    recovered: int
    cut: int
    recovery_s: float
    unsaved: int
    stopped: bool = False


class Checkpointer:
    """
    Over a hub whose log is the journal's. `check` is called now and then, `finish` after the last event.

    recovery_s   what it took to have log and values again
    """

    def __init__(
        self, hub: Hub, journal: Journal, commit: GroupCommit | None, loop: asyncio.AbstractEventLoop, began_s: float
    ) -> None:
        """Restores the values; `began_s`: when the recovery began (monotonic). Raises Misconfigured if a file cannot be read."""
        self._hub = hub
        self._journal = journal
        self._commit = commit
        self._loop = loop
        self._path = checkpoint.path_of(journal.path)
        read = checkpoint.restore(hub.last_values, hub.log, read_state(self._path), journal.name, journal.former)
        self.recovery_s = time.monotonic() - began_s
        self._file: WholeFile | None = None
        self._saved_seq = hub.log.seq - read
        self._saved_at = 0  # in bytes of the log
        self._size = 0
        self._saving = False
        self._tell(read)
        self._watch = JournalWatch(journal)
        self._watch.start()

    def _tell(self, read: int) -> None:
        tell = log.warning if self._journal.lost else log.info
        tell(
            "journal_recovered",
            extra=fields(
                path=str(self._journal.path),
                events=self._journal.recovered,
                lost=self._journal.lost,
                read_again=read,
                vehicles=len(self._hub.last_values),
                epoch=self._hub.epoch,
                new_epoch=self._hub.epoch != self._journal.former.epoch,
                seconds=round(self.recovery_s, 3),
            ),
        )

    def cursors(self, outputs: Sequence[str]) -> Cursors:
        """The outputs' cursors, kept beside the journal. Once, before anything is published. Raises Misconfigured."""
        journal, log = self._journal, self._hub.log
        return Cursors.open(journal.path, journal.name, journal.former, journal.epoch, log.seq, log.oldest, outputs)

    def reading(self) -> JournalGauges:
        """For /metrics."""
        unsaved = self._hub.log.seq - self._saved_seq
        found = self._journal
        return JournalGauges(
            recovered=found.recovered,
            cut=found.lost,
            recovery_s=self.recovery_s,
            unsaved=unsaved,
            stopped=bool(found.stopped),
        )

    def journal_stopped(self) -> str:
        """Why the log goes on without the file, for /health; "" as long as it does not."""
        return self._journal.stopped

    def check(self) -> None:
        """Looks at the file. Begins a checkpoint if one is due; the first is due at once, because the epoch may be new."""
        self._watch.check(time.monotonic())
        written = self._hub.log.written - self._saved_at
        due = max(self._hub.log.capacity // SHARE, min(TIMES_ITS_SIZE * self._size, self._hub.log.capacity // 2))
        if not self._saving and (written >= due or not self._size):
            self._saving = True
            self._saved_at = self._hub.log.written
            self._file = self._opened()
            if self._file is not None:
                self._slice(self._file, self._lines(), self._hub.log.seq)

    def _opened(self) -> WholeFile | None:
        try:
            return WholeFile(self._path, MODE)
        except OSError as error:
            self._failed(error)
            return None

    def _lines(self) -> Iterator[bytes]:
        return checkpoint.lines(self._hub.last_values, self._hub.log, self._journal.name, self._hub.epoch)

    def _slice(self, file: WholeFile, lines: Iterator[bytes], seq: int) -> None:
        if file.closed:  # the end has come in between
            return
        until_s = time.monotonic() + CHECKPOINT_SLICE_S
        try:
            for line in lines:
                file.write(line)
                if time.monotonic() > until_s:
                    self._loop.call_later(PAUSE_S, self._slice, file, lines, seq)
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
        self._saved_seq = seq

    def _failed(self, error: BaseException) -> None:
        """No checkpoint this time: a restart reads more of the log. The next try is due as if it had succeeded."""
        self._saving = False
        self._size = self._size or 1
        self._discard()
        remedy = "make room, and let the server write there"
        log.error("checkpoint_failed", extra=fields(path=str(self._path), reason=str(error), remedy=remedy))

    def finish(self) -> None:
        """Puts everything on the disk. After it nothing may be published."""
        self._discard()
        if self._commit is not None:
            self._commit.close()
        try:
            self._file = WholeFile(self._path, MODE)
            self._file.writelines(self._lines())
            self._file.commit(replace=True)
        except OSError as error:
            self._failed(error)
        try:
            self._journal.close(self._hub.log.seq)
        except OSError as error:
            remedy = "look at the disk: what came last may not be on it"
            log.error("journal_not_synced", extra=fields(reason=str(error), remedy=remedy))
            self._journal.release()

    def release(self) -> None:
        """Gives the files up as a kill would."""
        self._discard()
        self._journal.release()

    def _discard(self) -> None:
        if self._file is not None:
            self._file.discard()
