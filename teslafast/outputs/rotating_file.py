"""
A file of lines that is rotated by its size, and that knows from its own last line where it stopped.

    a line      begins with `{"id":"EPOCH-SEQ"`, and seqs rise; what was written once is not written again
    PATH        is appended to; when it is full it becomes PATH.1, PATH.1 becomes PATH.2, …, and the last one is given up

What a kill or a full disk left of a line is cut off, so there is never half a line in the middle. Everything here may block:
it belongs into a thread.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Sequence
from pathlib import Path

from ..errors import Undelivered
from ..logs import fields, log

SYNC_S = 1.0  # a second of lines is what a power cut may take; a sync for each batch would wear a small machine's flash out
BLOCK = 64 * 1024  # what is read at once when looking for the last line

Line = tuple[int, bytes]  # the seq up to which it tells, and its bytes


class RotatingFile:
    """
    PATH, and PATH.1 (the newest) to PATH.{keep}. Its last line is the memory of what has been written.

    Invariant between two calls: the file ends with a whole line, and holds `max_bytes` at most unless one line is longer.
    """

    def __init__(self, path: Path, max_bytes: int, keep: int, epoch: bytes) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._id = b'{"id":"' + epoch + b"-"
        self._descriptor = -1
        self._size = 0
        self._written = 0  # seq of the last line of this epoch
        self._synced_s = 0.0

    def open(self) -> None:
        self.close()
        self._written = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK  # the last: a FIFO is refused, not waited for
        self._descriptor = os.open(self._path, flags, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                raise Undelivered(f"{self._path} is not a file")
            self._lock()
            self._size = _cut_torn_line(self._descriptor, self._path)
            last = _last_line(self._descriptor, self._size) or self._last_of_rotated()
            if last.startswith(self._id):
                self._written = int(last[len(self._id) :].partition(b'"')[0])
        except BaseException:
            self.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Undelivered(f"{self._path} is in use by another process") from None

    def _last_of_rotated(self) -> bytes:
        """The last line of PATH.1, for a file that has none yet."""
        try:
            descriptor = os.open(self._numbered(1), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return b""
        try:
            return _last_line(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)

    def write(self, lines: Sequence[Line]) -> None:
        self._follow()
        waiting: list[bytes] = []
        size = self._size
        for seq, line in lines:
            if seq <= self._written:
                continue
            if size + len(line) > self._max_bytes and size:
                self._append(waiting)
                self._rotate()
                waiting, size = [], 0
            waiting.append(line)
            size += len(line)
        self._append(waiting)
        if lines:
            self._written = max(self._written, lines[-1][0])
        if time.monotonic() - self._synced_s > SYNC_S:
            self._sync()

    def _follow(self) -> None:
        """If the file has been moved or removed by somebody, a new one takes its place. OSError if it cannot."""
        ours = os.fstat(self._descriptor)
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            there = None
        if there is None or (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            written = self._written
            self.open()
            self._written = max(self._written, written)

    def _append(self, lines: list[bytes]) -> None:
        """All or nothing: what has been written of lines that do not fit on the disk is taken back."""
        data = memoryview(b"".join(lines))
        taken = 0
        try:
            while taken < len(data):
                taken += os.write(self._descriptor, data[taken:])
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(data)

    def _rotate(self) -> None:
        self._sync()
        free = next((number for number in range(1, self._keep) if not self._numbered(number).exists()), self._keep)
        for number in range(free, 1, -1):
            self._numbered(number - 1).replace(self._numbered(number))
        if self._keep:
            self._path.replace(self._numbered(1))
        else:
            self._path.unlink()
        self.open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _sync(self) -> None:
        os.fdatasync(self._descriptor)
        self._synced_s = time.monotonic()

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            try:
                os.fdatasync(descriptor)
            except OSError as error:
                remedy = "look at the disk: the last lines may not be on it"
                log.warning("jsonl_not_synced", extra=fields(path=str(self._path), reason=str(error), remedy=remedy))
            finally:
                os.close(descriptor)

    def check(self) -> str:
        """Writes nothing, because a server may be writing there."""
        folder = self._path.absolute().parent
        if self._path.exists() and not self._path.is_file():
            raise Undelivered(f"{self._path} is not a file")
        if not folder.is_dir():
            raise Undelivered(f"the folder {folder} does not exist")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise Undelivered(f"new files cannot be made in {folder}")
        if self._path.exists() and not os.access(self._path, os.R_OK | os.W_OK):
            raise Undelivered(f"{self._path} cannot be read and written")
        wanted, free = self._max_bytes * (self._keep + 1), shutil.disk_usage(folder).free
        room = "" if free >= wanted else f", but the disk has room for {free} bytes and all files together may take {wanted}"
        return f"{self._path} can be written{room}"

    def give_up(self) -> None:
        """Nothing can be done about a disk that does not answer."""


def _cut_torn_line(descriptor: int, path: Path) -> int:
    """Takes off what follows the last whole line; the size then. A kill in the middle of a write leaves such a rest."""
    size = os.fstat(descriptor).st_size
    end = _line_end(descriptor, size)
    if end == size:
        return size
    if os.pread(descriptor, 1, end) != b"{":  # not a line of ours: it is finished, not taken away
        return size + os.write(descriptor, b"\n")
    os.ftruncate(descriptor, end)
    log.warning("jsonl_torn_line_removed", extra=fields(path=str(path), bytes=size - end))
    return end


def _line_end(descriptor: int, size: int) -> int:
    """Just after the last newline among the first `size` bytes, 0 if there is none."""
    at = size
    while at > 0:
        start = max(0, at - BLOCK)
        found = os.pread(descriptor, at - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0


def _last_line(descriptor: int, size: int) -> bytes:
    """The beginning of the last line, as much as holds an id; `size` is the end of that line."""
    return os.pread(descriptor, BLOCK, _line_end(descriptor, size - 1)) if size else b""
