"""
A file that is put in place whole: its readers find the old content or the new, never a part, whatever happens in between.

    open       `NAME.new` in the same folder, locked; what an interrupted writer left under that name is written over
    write      to that file only
    commit     syncs it, renames it to NAME (or refuses if NAME exists), and syncs the folder, which holds the name
    discard    removes it; so does a commit that fails

The name is fixed, so that however often the process is killed, at most one unfinished file stays. No file is ever more
accessible than its mode, not even while it is written: keys can be written this way.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# What link(2) fails with where a file system has no hard links (FAT, some network shares).
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})
# What fsync(2) of a folder fails with where a file system does not sync folders: nothing is wrong with the file.
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EBADF})


def write_whole(path: Path, content: bytes, *, mode: int = 0o644, replace: bool = False, durable: bool = True) -> None:
    """
    Raises FileExistsError if the file exists and `replace` is false, OSError if it cannot be written.

    durable: the file survives a crash of the machine; without it, writing thousands of temporary files is ten times as fast.
    """
    file = WholeFile(path, mode, durable=durable)
    try:
        file.write(content)
    except BaseException:
        file.discard()
        raise
    file.commit(replace=replace)


class WholeFile:
    """A file on its way to `path`. `commit` may run in a thread: it and `discard` wait for each other."""

    def __init__(self, path: Path, mode: int, *, durable: bool = True) -> None:
        """Raises OSError; BlockingIOError if another process is writing the same file."""
        self._path = path
        self._new = path.with_name(path.name + ".new")
        self._durable = durable
        self._lock = threading.Lock()
        self._file = open(_opened(self._new, mode), "wb")  # noqa: SIM115 — `commit` or `discard` closes it

    @property
    def closed(self) -> bool:
        """Whether it has been committed or discarded."""
        return self._file.closed

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._file.tell()

    def write(self, data: bytes) -> None:
        """Raises OSError."""
        self._file.write(data)

    def writelines(self, lines: Iterable[bytes]) -> None:
        """Raises OSError."""
        self._file.writelines(lines)

    def take_after(self, present: os.stat_result) -> None:
        """Gives it the owner, group and mode of a file that it will replace. Raises OSError if that is not permitted."""
        own = os.fstat(self._file.fileno())
        if (own.st_uid, own.st_gid) != (present.st_uid, present.st_gid):
            os.fchown(self._file.fileno(), present.st_uid, present.st_gid)
        os.fchmod(self._file.fileno(), stat.S_IMODE(present.st_mode))

    def commit(self, *, replace: bool) -> None:
        """
        Puts it in place. Raises OSError (FileExistsError: see `write_whole`), and then nothing is left of it, unless the last
        step failed: a folder that cannot be synced holds the whole file, but a crash of the machine may take it away.
        """
        with self._lock:
            try:
                self._file.flush()
                if self._durable:
                    os.fsync(self._file.fileno())
                # Before it is closed: closing gives up the lock, and then the name may be another writer's.
                if replace:
                    self._new.replace(self._path)
                else:
                    _rename_unless_there(self._new, self._path)
                if self._durable:
                    sync_folder(self._path)
                self._file.close()
            except BaseException:
                self._remove()
                raise

    def discard(self) -> None:
        """Does nothing after `commit`."""
        with self._lock:
            self._remove()

    def _remove(self) -> None:
        if self._file.closed:
            return
        with suppress(OSError):  # nobody wants the file: what could not be written or removed does not matter
            if _is_file(self._file.fileno(), self._new):
                self._new.unlink()
        with suppress(OSError):
            self._file.close()


def sync_folder(path: Path) -> None:
    """
    Makes the name of the file at `path` survive a crash of the machine, where the file system can do that. Raises OSError.

    Some cannot, or do it by themselves (SMB, 9p, FUSE), and a folder may be one in which we may write and not read.
    """
    try:
        folder = os.open(path.absolute().parent, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(folder)


def _opened(new: Path, mode: int) -> int:
    """An empty, locked file of this name; its descriptor."""
    while True:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another writer may have put the file in place between our `open` and our lock: then it is not ours to empty.
            if _is_file(descriptor, new):
                _narrow(descriptor, mode)
                os.ftruncate(descriptor, 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _narrow(descriptor: int, mode: int) -> None:
    """A leftover may have a wider mode than is asked for."""
    present = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if present & ~mode:
        os.fchmod(descriptor, present & mode)


def _rename_unless_there(new: Path, path: Path) -> None:
    """Unlike a rename, a link fails where there is a file."""
    try:
        os.link(new, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))  # takes the name, or fails
        try:
            new.replace(path)
        except OSError:
            path.unlink()
            raise
    else:
        new.unlink()
