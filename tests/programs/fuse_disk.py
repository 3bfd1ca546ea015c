"""
A file system that shows a folder, and that hangs, fails or is slow when it is told to: a disk or a network share in trouble.

    python -m tests.programs.fuse_disk FOLDER MOUNTED FAULT

FAULT is a file outside; what it holds counts for each call that comes from then on, and ends those that hang when it changes:

    nothing, or no file      all is well
    hang                     calls do not return
    ESTALE                   calls fail with this error (any name that `errno` has)
    0.2                      calls take so many seconds
    hang write,fsync         the same for these calls only, named as the kernel names them to a file system

Nothing of it is kept by the kernel but what is mapped: each `stat` comes here.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mfusepy  # type: ignore[import-not-found, import-untyped, unused-ignore]

LOOK_S = 0.005


class Trouble:
    def __init__(self, fault: Path) -> None:
        self._fault = fault

    def _told(self) -> str:
        try:
            return self._fault.read_text().strip()
        except OSError:
            return ""

    def meet(self, call: str) -> None:
        """Returns when the call may go on. OSError."""
        while True:
            what, _, calls = self._told().partition(" ")
            if not what or (calls and call not in calls.split(",")):
                return
            if what.startswith("E"):
                raise mfusepy.FuseOSError(getattr(errno, what))
            if what != "hang":
                time.sleep(float(what))
                return
            time.sleep(LOOK_S)


def _in_trouble(call: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorated(method: Callable[..., Any]) -> Callable[..., Any]:
        def met(self: Passing, *arguments: Any) -> Any:
            self.trouble.meet(call)
            return method(self, *arguments)

        met.__name__ = method.__name__
        return met

    return decorated


class Passing(mfusepy.Operations):  # type: ignore[misc, unused-ignore]
    use_ns = True

    def __init__(self, folder: Path, trouble: Trouble) -> None:
        self._folder = str(folder)
        self.trouble = trouble

    def _real(self, path: str) -> str:
        return self._folder + path

    @_in_trouble("getattr")
    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        found = os.lstat(self._real(path)) if fh is None else os.fstat(fh)
        named = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_ino")
        times = ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")
        return {name: getattr(found, name) for name in named} | {name[:-3]: getattr(found, name) for name in times}

    @_in_trouble("readdir")
    def readdir(self, path: str, fh: int) -> Iterator[str]:
        return iter([".", "..", *sorted(os.listdir(self._real(path)))])

    @_in_trouble("open")
    def open(self, path: str, flags: int) -> int:
        return os.open(self._real(path), flags & ~os.O_APPEND)

    @_in_trouble("create")
    def create(self, path: str, mode: int, fi: Any = None) -> int:
        return os.open(self._real(path), os.O_RDWR | os.O_CREAT, mode)

    @_in_trouble("read")
    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    @_in_trouble("write")
    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    @_in_trouble("truncate")
    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        os.truncate(self._real(path) if fh is None else fh, length)
        return 0

    @_in_trouble("fallocate")
    def fallocate(self, path: str, mode: int, offset: int, length: int, fh: int) -> int:
        os.posix_fallocate(fh, offset, length)
        return 0

    @_in_trouble("flush")
    def flush(self, path: str, fh: int) -> int:
        return 0

    @_in_trouble("fsync")
    def fsync(self, path: str, datasync: int, fh: int) -> int:
        os.fdatasync(fh) if datasync else os.fsync(fh)
        return 0

    @_in_trouble("release")
    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    @_in_trouble("rename")
    def rename(self, old: str, new: str, flags: int = 0) -> int:
        os.rename(self._real(old), self._real(new))
        return 0

    @_in_trouble("link")
    def link(self, target: str, source: str) -> int:
        os.link(self._real(source), self._real(target))
        return 0

    @_in_trouble("unlink")
    def unlink(self, path: str) -> int:
        os.unlink(self._real(path))
        return 0

    @_in_trouble("mkdir")
    def mkdir(self, path: str, mode: int) -> int:
        os.mkdir(self._real(path), mode)
        return 0

    @_in_trouble("chmod")
    def chmod(self, path: str, mode: int) -> int:
        os.chmod(self._real(path), mode)
        return 0

    @_in_trouble("utimens")
    def utimens(self, path: str, times: Any = None) -> int:
        os.utime(self._real(path), ns=times)
        return 0

    @_in_trouble("statfs")
    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._real(path))
        return {
            name: getattr(found, name)
            for name in ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_frsize", "f_files", "f_ffree", "f_favail", "f_namemax")
        }


if __name__ == "__main__":
    folder, place, fault = map(Path, sys.argv[1:])
    mfusepy.FUSE(
        Passing(folder, Trouble(fault)),
        str(place),
        foreground=True,
        use_ino=True,
        attr_timeout=0,
        entry_timeout=0,
        negative_timeout=0,
        big_writes=True,
    )
