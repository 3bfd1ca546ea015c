"""
JSON lines: one event a line, into a file that is rotated by its size, or to standard output.

    {"id":"EPOCH-SEQ","type":"data","seq":…,"vin":…,…}            the event as dashboards get it, and its id
    {"id":"EPOCH-LAST","type":"gap","from":FIRST,"to":LAST}       the ring overtook these before they could be written

The disk has a thread of its own, so neither a slow one nor a pipe that nobody reads holds up the event loop. Each line is written
once: the file's last line tells where to go on, also after a kill, and what a kill or a full disk left of a line is cut off.

fsync: the kernel has a line when its cursor moves, so a kill of this process loses nothing. The disk has it after SYNC_S while
events come in, at a rotation and at the end; if the machine goes down, the last lines may be missing in the file. They are in
the journal if that was on the disk (JOURNAL_SYNC_MS).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import shutil
import stat
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from ..config import MIB, Settings, _setting, _size, _whole
from ..errors import Undelivered
from ..logs import fields, log
from . import Context, Event

STANDARD_OUTPUT = Path("-")
SYNC_S = 1.0  # a second of lines is what a power cut may take; a sync for each batch would wear a small machine's flash out
BLOCK = 64 * 1024  # what is read at once when looking for the last line
PIPE_BYTES = 4096  # Linux takes so many without blocking whenever poll says that a pipe is writable (PIPE_BUF)
STALLED_S = 5.0  # a pipe that takes nothing for so long counts as failed
LOOK_S = 0.2  # how soon the thread notices that the server ends

T = TypeVar("T")
Line = tuple[int, bytes]  # the seq up to which it tells, and its bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonlSettings:
    path: Path = _setting(
        "JSONL_PATH", None, Path, "the path of a file, or -", "writes one JSON event a line; `-` = standard output"
    )
    max_bytes: int = _setting(
        "JSONL_MAX_BYTES", 64 * MIB, _size(1024, 1 << 40), "bytes (64MiB), at least 1024", "a larger file is rotated to PATH.1"
    )
    keep: int = _setting("JSONL_KEEP", 5, _whole(0, 1000), "a number, 0 to 1000", "how many rotated files are kept")

    def contradictions(self, server: Settings) -> list[tuple[str, bool, str, str]]:
        """(variable, does it hold, what is wrong, what would be right)."""
        standard = self.path == STANDARD_OUTPUT
        special = not standard and self.path.exists() and not self.path.is_file()
        journal = server.journal_path is not None and self.path.absolute() == server.journal_path.absolute()
        closed = standard and sys.stdout is None  # then descriptor 1 is something else by now
        return [
            ("JSONL_PATH", journal, "is the same as JOURNAL_PATH", "give it a file of its own"),
            ("JSONL_PATH", closed, "is -, but standard output is closed", "give the path of a file"),
            ("JSONL_PATH", special, f"{self.path} is not a file", "give the path of a file, or - for standard output"),
        ]


class Destination(Protocol):
    """Where the lines go. Everything is called in the disk's thread, and may block there. OSError, Undelivered."""

    def open(self) -> None: ...
    def write(self, lines: Sequence[Line]) -> None:
        """Writes those lines that it has not written yet, in order."""

    def close(self) -> None: ...
    def check(self) -> str: ...
    def give_up(self) -> None:
        """Called from the event loop: a write that waits is to end soon."""


class JsonlOutput:
    def __init__(self, settings: JsonlSettings, context: Context) -> None:
        self._epoch = context.epoch.encode()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jsonl")
        if settings.path == STANDARD_OUTPUT:
            self._to: Destination = Pipe(1)
        else:
            self._to = RotatingFile(settings.path, settings.max_bytes, settings.keep, self._epoch)

    async def connect(self) -> None:
        await self._in_thread(self._to.open)

    async def send(self, events: Sequence[Event]) -> None:
        start = b'{"id":"' + self._epoch + b'-%d",'
        await self._in_thread(lambda: self._to.write([(one.seq, start % one.seq + one.text[1:] + b"\n") for one in events]))

    async def gap(self, first: int, last: int) -> None:
        line = b'{"id":"%s-%d","type":"gap","from":%d,"to":%d}\n' % (self._epoch, last, first, last)
        await self._in_thread(lambda: self._to.write([(last, line)]))

    async def check(self) -> str:
        return await self._in_thread(self._to.check)

    async def close(self) -> None:
        self._to.give_up()
        await self._in_thread(self._to.close)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


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


class Pipe:
    """
    Standard output. What has been taken of a batch is remembered, so that a try after a failure goes on in the middle of a line.

    It is not made non-blocking: a terminal or a pipe shares that with whoever else has it. So it is asked before each write.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._taken = 0  # seq of the last line that stands in `_rest`, or has been written
        self._rest = b""
        self._given_up = False

    def open(self) -> None:
        self._given_up = False

    def write(self, lines: Sequence[Line]) -> None:
        self._rest += b"".join(line for seq, line in lines if seq > self._taken)
        self._taken = max(self._taken, lines[-1][0])
        view = memoryview(self._rest)
        written = 0
        try:
            while written < len(view):
                self._wait()
                written += self._put(view[written : written + PIPE_BYTES])
        finally:
            self._rest = bytes(view[written:])

    def _put(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BrokenPipeError:
            raise Undelivered("standard output is closed: nobody reads it any more") from None

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        until_s = time.monotonic() + STALLED_S
        while not poll.poll(LOOK_S * 1000):
            if self._given_up or time.monotonic() > until_s:
                raise Undelivered(f"standard output is not read: it has taken nothing for {STALLED_S:g} s")

    def check(self) -> str:
        return "events go to the standard output of `teslafast serve`"

    def close(self) -> None:
        """It stays open: it is not ours."""

    def give_up(self) -> None:
        self._given_up = True
