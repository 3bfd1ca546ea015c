"""
How far each output has come, in a file beside the journal (JOURNAL_PATH + `.outputs`), so that a restart goes on from there.

    record 0    what the file is, and whose: the journal's own name
    then        two records an output, each with its name, the epoch, the seq up to which it has been given everything, and a
                checksum; they are written in turn, so one of the two is whole whenever the process is killed

The file is one mapped page, as the journal is mapped: noting a cursor is a copy of 64 bytes, costs no system call, needs no room
on the disk, and no kill takes it back. It is made anew, whole, at each start; on a full disk the old one is written over.
One that is cut short while the server runs is missed only at the next start. On a network share or FUSE a thread writes it
(carrier.py).

    A cursor of   this epoch                     goes on after its seq
                  the epoch before this one      the same, but never beyond what the log still had when this epoch began
                  another journal, or unreadable goes back to the oldest event that is kept: twice is better than never
    no cursor     the output is new: it begins with the next event
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..logs import fields, log
from ..whole_file import write_whole
from ._mapping import Guard
from .carried_page import CarriedPage
from .file_system import FileSystem
from .journal import Life
from .journal_file import refuse_others, unusable
from .sealed import sealed, text_of, unsealed

CURSORS_MAGIC = b"teslcurs"
CURSORS_VERSION = 1
RECORD = 64
LONGEST_NAME = 16  # bytes; the table of outputs has no longer one
MOST_OUTPUTS = 31  # 4096 / 64 records, less the head, two each
_HEAD = struct.Struct("<8sI16s")  # magic, version, the journal's own name
_CURSOR = struct.Struct("<16s16sQQ")  # output, epoch, seq, how often it has been written


class Cursor(NamedTuple):
    epoch: str
    seq: int


class Kept(NamedTuple):
    """What a file says: whose journal it belongs to, and the outputs' cursors. `journal` is "" if it cannot be read."""

    journal: str
    cursors: Mapping[str, Cursor]


class Cursors:
    """An open file of cursors. `first[output]`: the seq with which it begins."""

    def __init__(self, path: Path, descriptor: int, epoch: str, first: Mapping[str, int]) -> None:
        """Takes the descriptor over."""
        self.first = first
        self._path = path
        self._told = False
        self._epoch = epoch.encode()
        self._page: mmap.mmap | bytearray
        self._carried: CarriedPage | None = None
        self._guard: Guard | None = None
        if FileSystem.of(descriptor).is_far:
            self._page = bytearray(os.pread(descriptor, mmap.PAGESIZE, 0))
            self._carried = CarriedPage(path, descriptor, self._page, lambda _: self._tell_stopped())
        else:
            self._page = mmap.mmap(descriptor, mmap.PAGESIZE)
            self._guard = Guard(self._page, -1)
            os.close(descriptor)
        self._places = {name: number for number, name in enumerate(first)}
        self._written = dict.fromkeys(first, 0)

    @classmethod
    def open(
        cls, journal: Path, name: str, former: Life, epoch: str, log_seq: int, log_oldest: int, outputs: Sequence[str]
    ) -> Cursors:
        """
        name          the journal's own
        former        the journal's life before this start; `epoch`: the present one's
        log_seq …     the log as it was recovered

        Raises Misconfigured if the file cannot be read or made.
        """
        path = path_of(journal)
        refuse_others(path)
        try:
            kept = _read(path)
            _tell_if_not_used(path, kept, name)
            first = {one: _first(one, kept, name, former, log_seq, log_oldest) for one in outputs}
            descriptor = _made(path, name, epoch, first)
        except OSError as error:
            raise unusable(path, error, "let the server read and write it") from None
        return cls(path, descriptor, epoch, first)

    def put(self, output: str, seq: int) -> None:
        """The output has been given everything up to `seq`."""
        written = self._written[output] = self._written[output] + 1
        at = RECORD * (1 + 2 * self._places[output] + written % 2)
        record = sealed(_CURSOR.pack(output.encode(), self._epoch, seq, written))
        self._page[at : at + len(record)] = record
        if self._carried is not None:
            self._carried.note()
        elif self._guard is not None and self._guard.left:
            self._tell_stopped()

    def _tell_stopped(self) -> None:
        if not self._told:
            self._told = True
            meaning = "the file was cut short, or its disk fails: how far outputs have come is known until the server ends"
            remedy = "restart the server: outputs begin with the oldest event again"
            log.error("cursors_stopped", extra=fields(path=str(self._path), meaning=meaning, remedy=remedy))

    def close(self) -> None:
        """Waits for the disk to have it. OSError."""
        if self._carried is not None:
            self._carried.close()
            self._carried = None
        elif self._guard is not None and isinstance(self._page, mmap.mmap):
            self._page.flush()
            self._guard.release()
            self._page.close()
            self._guard = None


def path_of(journal: Path) -> Path:
    return journal.with_name(journal.name + ".outputs")


def read(content: bytes) -> Kept:
    """What the file's bytes say; nothing is believed that its checksum does not confirm."""
    head = unsealed(content[:RECORD], _HEAD)
    if head is None or _HEAD.unpack(head)[:2] != (CURSORS_MAGIC, CURSORS_VERSION):
        return Kept("", {})
    found: dict[str, tuple[int, Cursor]] = {}
    for at in range(RECORD, len(content), RECORD):
        body = unsealed(content[at : at + RECORD], _CURSOR)
        if body is not None:
            name, epoch, seq, written = _CURSOR.unpack(body)
            if written >= found.get(text_of(name), (0, None))[0]:
                found[text_of(name)] = (written, Cursor(text_of(epoch), seq))
    return Kept(text_of(_HEAD.unpack(head)[2]), {name: cursor for name, (_, cursor) in found.items()})


def _read(path: Path) -> Kept | None:
    try:
        return read(path.read_bytes()[: mmap.PAGESIZE])
    except FileNotFoundError:
        return None


def _tell_if_not_used(path: Path, kept: Kept | None, journal: str) -> None:
    if kept is not None and kept.journal != journal:
        reason = "it belongs to another journal" if kept.journal else "it is damaged"
        meaning = "outputs begin with the oldest event that is kept: they may send some twice"
        log.warning("cursors_not_used", extra=fields(path=str(path), reason=reason, meaning=meaning))


def _first(output: str, kept: Kept | None, journal: str, former: Life, log_seq: int, log_oldest: int) -> int:
    """The seq with which an output begins: the table at the top."""
    if kept is None or (kept.journal == journal and output not in kept.cursors):
        return log_seq + 1
    cursor = kept.cursors.get(output)
    if kept.journal != journal or cursor is None or cursor.epoch not in (former.epoch, former.previous):
        return log_oldest
    # the log may have lost its newest events, and have given their seqs to others in the meantime
    limit = log_seq if cursor.epoch == former.epoch else min(log_seq, former.base_seq)
    return min(cursor.seq, limit) + 1


def _made(path: Path, journal: str, epoch: str, first: Mapping[str, int]) -> int:
    """A descriptor of a new file in the old one's place, which has each output's cursor as it is now."""
    page = bytearray(mmap.PAGESIZE)
    head = sealed(_HEAD.pack(CURSORS_MAGIC, CURSORS_VERSION, journal.encode()))
    page[: len(head)] = head
    for number, (name, seq) in enumerate(first.items()):
        record = sealed(_CURSOR.pack(name.encode(), epoch.encode(), seq - 1, 0))
        at = RECORD * (1 + 2 * number)
        page[at : at + len(record)] = record
    try:
        write_whole(path, bytes(page), mode=0o600, replace=True)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return _written_over(path, bytes(page), error)
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def _written_over(path: Path, page: bytes, full: OSError) -> int:
    """The old file, whose room it has already; a kill in between leaves records of both, each of them whole or not believed."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        raise full from None
    try:
        if os.fstat(descriptor).st_size != len(page) or os.pwrite(descriptor, page, 0) != len(page):
            raise full
        os.fdatasync(descriptor)  # whether there is room shows now, and not when the map is written to
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
