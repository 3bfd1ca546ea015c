"""
Files that a running server reads again when they change: whether they have, and what does so about once a second.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

LOOK_EVERY_S = 10.0  # a `stat` call for each; a change is in use after 20 s at the latest

_Stamp = tuple[tuple[int, int, int] | None, ...]


class WatchedFiles:
    """Whether files have changed since they were last read, and have stayed the same since the last look."""

    def __init__(self, *paths: Path) -> None:
        self.paths = paths
        self._looked_s = 0.0
        self.take()

    def take(self) -> None:
        self._taken = self._seen = self._stamp()

    def changed(self, monotonic: float) -> bool:
        """Looks every LOOK_EVERY_S; False in between."""
        if monotonic - self._looked_s < LOOK_EVERY_S:
            return False
        self._looked_s = monotonic
        return self.look()

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


class FileReload(ABC):
    """What is read from `path` again when that changes. Call `check` about once a second."""

    name: str  # in the log, if a check fails

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = WatchedFiles(path)

    def check(self, monotonic: float) -> None:
        if self._files.changed(monotonic):
            self.renew()

    def renew(self) -> None:
        """Reads the file again, now."""
        self._files.take()
        self.reread()

    @abstractmethod
    def reread(self) -> None:
        """Uses what the file holds now. An invalid one is logged, and changes nothing."""
