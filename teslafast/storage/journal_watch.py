"""
Looks at the journal's file while the server runs, and says what has become of it: one line a change.

    cut short, a write failed    the log goes on in memory: `journal_stopped`
    disk nearly full             the same where each write takes a new block, because the next ones would fail; elsewhere the
                                 blocks are ours, but checkpoints need room: `journal_disk_low`, later `journal_disk_has_room`
    deleted, moved, replaced     the log still goes into the file, but a restart will not find it: `journal_missing`

The looks are made in the disk's thread, because a disk that does not answer must not stop the server; it is said when one hangs.

A log that has stopped does not go back to the file: what it has taken meanwhile is not in there. A restart makes a new beginning.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from ..disk_thread import AtOnce, DiskCalls
from ..logs import JsonLines, fields, log
from . import _mapping
from .file_system import Room
from .journal import Journal

LOOK_S = 0.25  # between two looks at the room and the name, a few microseconds each; the size is looked at each time
HAS_ROOM_AGAIN = 2  # times what is too little: else a disk at the limit has a line a second
_MEMORY_ONLY = "events are kept in memory only: those since now are lost when the server ends"
_MEANINGS = {
    "to new blocks": "each write takes a new block, so the journal stops when the disk is nearly full",
    "in place unless shared": "after a copy by reference or a snapshot, writes take new blocks, which a full disk has not",
    "over a network": "acknowledgements wait for the other side; after a kill dashboards begin anew; locks may not hold",
}
_REMEDIES = {
    "to new blocks": "put the journal on ext4, and back it up with cp --reflink=never",
    "in place unless shared": "back it up with cp --reflink=never, and keep room on the disk",
    "over a network": "put the journal on a local disk",
}
_STOP_MEANINGS = {
    "disk_full": "the disk is nearly full, and its file system takes a new block for each write",
    "write_failed": "a write to the file failed: the disk is full, or it fails",
    "file_cut_short": "somebody has cut the file short: older events are gone",
}
_STOP_REMEDIES = {
    "disk_full": "make room, then restart the server",
    "write_failed": "make room or look at the disk, then restart the server",
    "file_cut_short": "restart the server; rotate or empty the journal never: it has a fixed size",
}


class _Seen(NamedTuple):
    """
    What a look found; None: the file system does not tell. `name`: what is wrong with the file's name, "" if nothing is.
    `fails`: whether the disk takes nothing any more.
    """

    size: int | None
    room: Room | None
    name: str | None
    fails: bool = False


class JournalWatch:
    def __init__(self, journal: Journal, disk: DiskCalls | None = None) -> None:
        self._journal = journal
        self._disk = disk or AtOnce()
        self._descriptor = os.dup(journal.descriptor)  # the disk's thread may still use it when the journal is closed
        self._looking: Future[_Seen] | None = None
        self._bytes = journal.size  # that the file still has
        self._low = False
        self._name = ""  # what is wrong with it
        self._next_look_s = 0.0
        self._doubted = False

    def start(self) -> None:
        """Says what the file system means for the journal, and that the file is a copy."""
        journal = self._journal
        kind = journal.file_system
        if kind.writes != "in place":
            about = fields(
                path=str(journal.path), file_system=kind.name, meaning=_MEANINGS[kind.writes], remedy=_REMEDIES[kind.writes]
            )
            log.warning("journal_file_system", extra=about)
        _mapping.say_at_death(_last_words(journal))
        if journal.copied:
            log.warning("journal_is_a_copy", extra=fields(path=str(journal.path), meaning="it goes on under an epoch of its own"))

    def check(self, now_s: float) -> None:
        """Called now and then; `now_s` is monotonic."""
        journal = self._journal
        self._disk.check(now_s)
        if self._looking is None and now_s >= self._next_look_s:
            self._next_look_s = now_s + LOOK_S
            self._looking = self._disk.submit(journal.path, self._look)
        seen = self._seen()
        if seen is not None:
            self._use_size(seen.size)
        if (journal.failed or (seen is not None and seen.fails)) and not journal.stopped:
            self._stop("write_failed")
        if seen is not None:
            self._use_room(seen.room)
            self._use_name(seen.name)
            _mapping.say_at_death(_last_words(journal))

    def doubt(self) -> None:
        """
        Another write to this disk has failed. A mapped file says nothing if its file system takes nothing any more (an error has
        made it read-only, the device is gone): so the next look has the disk asked.
        """
        self._doubted = True

    def close(self) -> None:
        self._disk.submit(self._journal.path, lambda: os.close(self._descriptor))

    def _look(self) -> _Seen:
        """In the disk's thread."""
        if self._journal.stopped:
            self._journal.tell_stop(self._descriptor)
        try:
            mine = os.fstat(self._descriptor)
        except OSError:  # a network file system that is away: nothing is known
            return _Seen(None, Room.of(self._descriptor), None)
        return _Seen(mine.st_size, Room.of(self._descriptor), _name_of(self._journal.path, mine), self._fails())

    def _fails(self) -> bool:
        if not self._doubted or self._journal.stopped:
            return False
        self._doubted = False
        try:
            os.fdatasync(self._descriptor)
        except OSError:
            return True
        return False

    def _seen(self) -> _Seen | None:
        """Of a look that has ended."""
        looking = self._looking
        if looking is None or not looking.done():
            return None
        self._looking = None
        return looking.result()

    def _use_size(self, size: int | None) -> None:
        if size is not None and size < self._bytes:
            self._stop("file_cut_short")
            self._bytes = size

    def _use_room(self, room: Room | None) -> None:
        if room is None:
            return
        low = room.free < room.too_little * (HAS_ROOM_AGAIN if self._low else 1)
        if low and not self._journal.stopped and self._journal.file_system.writes == "to new blocks":
            self._stop("disk_full")
        if low != self._low:
            self._low = low
            about = fields(path=str(self._journal.path), free_bytes=room.free, remedy="make room: checkpoints need some")
            if low:
                log.warning("journal_disk_low", extra=about)
            else:
                log.info("journal_disk_has_room", extra=fields(path=str(self._journal.path), free_bytes=room.free))

    def _use_name(self, name: str | None) -> None:
        if name is None or name == self._name:
            return
        self._name = name
        if name:
            meaning = "the log still goes into the file, but a restart will not find it: its events will be lost"
            remedy = "put the file back, or restart the server at a time when that does not matter"
            log.error("journal_missing", extra=fields(path=str(self._journal.path), cause=name, meaning=meaning, remedy=remedy))
        else:
            log.info("journal_found_again", extra=fields(path=str(self._journal.path)))

    def _stop(self, cause: str) -> None:
        path = str(self._journal.path)
        try:
            self._journal.stop(cause)
        except OSError as error:  # there is no memory for it either: tried again in the next round
            log.error(
                "journal_not_stopped",
                extra=fields(path=path, cause=cause, reason=str(error), remedy="give it more memory"),
            )
            return
        self._disk.submit(self._journal.path, lambda: self._journal.tell_stop(self._descriptor))
        meaning = f"{_STOP_MEANINGS[cause]}; {_MEMORY_ONLY}"
        log.error("journal_stopped", extra=fields(path=path, cause=cause, meaning=meaning, remedy=_STOP_REMEDIES[cause]))


def _name_of(path: Path, mine: os.stat_result) -> str | None:
    try:
        return "" if os.path.samestat(mine, os.stat(path)) else "replaced"
    except FileNotFoundError:
        return "moved" if mine.st_nlink else "deleted"
    except OSError:  # as above
        return None


def _last_words(journal: Journal) -> bytes:
    """The line that is written if a SIGBUS ends the process, in the log's form. Its time is that of the last look."""
    record = logging.LogRecord(log.name, logging.CRITICAL, "", 0, "killed_by_sigbus", None, None)
    record.fields = {
        "path": str(journal.path),
        "meaning": "a mapped file could not be read or written: it was cut short, or its disk is full or fails",
        "remedy": "look at the disk, then restart the server",
    }
    form = log.handlers[0].formatter if log.handlers else None
    return (form or JsonLines()).format(record).encode("utf-8", "backslashreplace") + b"\n"
