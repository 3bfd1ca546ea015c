"""
What is kept when the process ends, and when that is written: the log's own file, and checkpoints of the last known values.

Checkpoints are made while the server runs (sliced_checkpoint.py). So a restart reads a small part of the log again, and nothing
leaves the ring unsaved unless the whole ring goes round within one checkpoint.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..core.hub import Hub
from ..disk_thread import DiskThread
from ..logs import fields, log
from . import checkpoint
from .cursors import Cursors
from .group_commit import GroupCommit
from .journal import Journal
from .journal_file import read_state
from .journal_watch import JournalWatch
from .sliced_checkpoint import SlicedCheckpoint


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
        self._path = checkpoint.path_of(journal.path)
        content = read_state(self._path)
        if not content and self._path.exists():
            self._tell_not_used("it is empty")
        read = checkpoint.restore(hub.last_values, hub.log, content, journal.name, journal.former, self._tell_not_used)
        self.recovery_s = time.monotonic() - began_s
        self._file = SlicedCheckpoint(self._path, loop, hub.log.seq - read)
        self._tell(read)
        self._watch = JournalWatch(journal, DiskThread("journal", "no change of the journal's file is noticed"))
        self._watch.start()
        self._file.on_failed = self._watch.doubt

    def _tell_not_used(self, reason: str) -> None:
        meaning = "last known values come from the log alone: older ones than it holds are gone"
        log.warning("checkpoint_not_used", extra=fields(path=str(self._path), reason=reason, meaning=meaning))

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
        unsaved = self._hub.log.seq - self._file.saved_seq
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
        now_s = time.monotonic()
        self._watch.check(now_s)
        self._file.check(now_s)
        if self._commit is not None:
            self._commit.check(now_s)
            if self._journal.carrier is not None and self._journal.carrier.is_behind:
                self._commit.nudge()
        log = self._hub.log
        if self._file.due(log.written, log.capacity):
            self._file.begin(self._lines(), log.written, log.seq)

    def _lines(self) -> Iterator[bytes]:
        return checkpoint.lines(self._hub.last_values, self._hub.log, self._journal.name, self._hub.epoch)

    def finish(self) -> None:
        """Puts everything on the disk. After it nothing may be published."""
        self._watch.close()
        self._file.discard()
        if self._commit is not None:
            self._commit.close()
        self._file.write_whole(self._lines())
        try:
            self._journal.close(self._hub.log.seq)
        except OSError as error:
            remedy = "look at the disk: what came last may not be on it"
            log.error("journal_not_synced", extra=fields(reason=str(error), remedy=remedy))
            self._journal.release()

    def release(self) -> None:
        """Gives the files up as a kill would."""
        self._watch.close()
        self._file.discard()
        self._journal.release()

    def unmake(self) -> None:
        """After a start that failed: gives the files up, and leaves none that this start has made."""
        self._watch.close()
        self._file.discard()
        self._journal.unmake()
