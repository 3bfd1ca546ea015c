"""
Files that a running server reads again when they change: whether they have, and what does so about once a second.

All that touches the file system happens in the disk's thread: a share that is away would stop the server otherwise. What was read
is used on the event loop, the next time that somebody comes by.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Generic, TypeVar

from ..disk_thread import AtOnce, DiskCalls
from ..errors import Misconfigured

LOOK_EVERY_S = 10.0  # a `stat` call for each; a change is in use after 20 s at the latest

_Stamp = tuple[tuple[int, int, int] | None, ...]
_Read = TypeVar("_Read")


class WatchedFiles:
    """Whether files have changed since they were read, and have stayed the same since the last look. Every call may block."""

    def __init__(self, *paths: Path) -> None:
        self.paths = paths
        self.take()

    def take(self) -> None:
        self._taken = self._seen = self._stamp()

    def look(self) -> bool:
        stamp, before = self._stamp(), self._seen
        self._seen = stamp
        return stamp == before != self._taken

    def _stamp(self) -> _Stamp:
        """Changes when a file does, or when a link to it is moved to another folder, as certbot and Kubernetes do."""
        return tuple(map(_stamp_of, self.paths))


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


class Rereading(Generic[_Read]):
    """
    Reads again, every LOOK_EVERY_S and when asked to, without making the event loop wait.

    path            what is read, for the log
    read(forced)    in the disk's thread: what there is now, None if nothing has changed; unless `forced`
    use             on the event loop, with what was read
    """

    def __init__(self, disk: DiskCalls, path: Path, read: Callable[[bool], _Read | None], use: Callable[[_Read], object]) -> None:
        self._disk = disk
        self._path = path
        self._read = read
        self._use = use
        self._next_s = 0.0
        self._forced = False
        self._reading: Future[_Read | None] | None = None

    def check(self, monotonic: float) -> None:
        """Raises what `read` or `use` raised."""
        self._take()
        if self._reading is None and (self._forced or monotonic >= self._next_s):
            self._next_s = monotonic + LOOK_EVERY_S
            self._begin()

    @property
    def under_way(self) -> bool:
        return self._forced or self._reading is not None

    def now(self) -> None:
        """Reads again whatever the files look like: at once, or after the read that is under way."""
        self._forced = True
        if self._reading is None:
            self._begin()

    def _begin(self) -> None:
        forced, self._forced = self._forced, False
        self._reading = self._disk.submit(self._path, lambda: self._read(forced))
        self._take()

    def _take(self) -> None:
        reading = self._reading
        if reading is None or not reading.done():
            return
        self._reading = None
        found = reading.result()
        if found is not None:
            self._use(found)


class FileReload(ABC, Generic[_Read]):
    """What is read from `path` again when that changes. Call `check` about once a second."""

    name: str  # in the log, if a check fails

    def __init__(self, path: Path, disk: DiskCalls | None = None) -> None:
        self.path = path
        self._files = WatchedFiles(path)
        self.rereading: Rereading[_Read | Misconfigured] = Rereading(disk or AtOnce(), path, self._reread, self._use_or_refuse)
        self.check = self.rereading.check
        self.renew = self.rereading.now

    def _reread(self, forced: bool) -> _Read | Misconfigured | None:
        if not (self._files.look() or forced):
            return None
        self._files.take()
        try:
            return self.read()
        except Misconfigured as error:
            return error

    def _use_or_refuse(self, found: _Read | Misconfigured) -> None:
        if isinstance(found, Misconfigured):
            self.refuse(found)
        else:
            self.use(found)

    @abstractmethod
    def read(self) -> _Read:
        """What the file holds now; may block. Raises Misconfigured."""

    @abstractmethod
    def use(self, found: _Read) -> None:
        """Uses it from now on."""

    @abstractmethod
    def refuse(self, error: Misconfigured) -> None:
        """Logs that the file is invalid, which changes nothing."""
