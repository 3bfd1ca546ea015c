"""
The file under a journal: found or made, with room for all of it, or refused in one line.

    found    a file that is none of ours, or that is no file, is not written to; nothing here waits for a FIFO or a device
    made     as `NAME.new`, locked, and put in place when it is whole; a failure leaves nothing of it
    room     is asked for before it is taken: taking all there is would stop whoever else uses the disk
    grown    a file that is shorter than it says; a failure cuts it back

Every OSError becomes Misconfigured with the name of the call: network file systems lack one or the other.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import Misconfigured
from ..whole_file import sync_folder
from . import _mapping
from .carrier import read_into_memory
from .file_system import FileSystem, Room

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_FALLOCATE = frozenset({errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})
_REMEDIES = dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room on its disk: space, or inodes (df, df -i)") | {
    errno.EROFS: "mount its file system writable, or give a path on another one",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ENOENT: "make its folder first, and let the server write there",
}
_KINDS = ((stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
_OPEN = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY  # a FIFO, a terminal or a device neither blocks nor takes us over
_ZEROS = bytes(1 << 20)


def opened(path: Path, size: int, head: bytes, check: Callable[[bytes, int], None]) -> tuple[int, mmap.mmap]:
    """
    The file's descriptor, locked, and its map: or a copy of it in memory, on a file system that is far.

    head    what a new file begins with
    check   is given the first page of an old one and its size; raises Misconfigured if it is not a journal that will do
    """
    refuse_others(path)
    try:
        descriptor = os.open(path, os.O_RDWR | _OPEN)
    except FileNotFoundError:
        return _made(path, size, head)
    except OSError as error:
        raise _unopened(path, error) from None
    try:
        return descriptor, _found(descriptor, path, size, check)
    except BaseException:
        os.close(descriptor)
        raise


def opened_to_read(path: Path) -> int:
    """The descriptor of a file that is there, locked, for reading only. Raises Misconfigured."""
    refuse_others(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | _OPEN)
    except OSError as error:
        raise Misconfigured("JOURNAL_PATH", f"{path}: {error.strerror}", "give the path of a journal that you may read") from None
    try:
        _lock(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def let_go(descriptor: int) -> None:
    """Unlocks and closes; its map, which goes with the log, holds the file open and would keep the lock."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def remove(path: Path, descriptor: int) -> None:
    """Removes the name, if it is still that of the open file. OSError."""
    if os.path.samestat(os.fstat(descriptor), os.stat(path)):
        path.unlink()


def read_state(path: Path, variable: str = "JOURNAL_PATH") -> bytes:
    """What a file beside the journal holds, or another that `variable` names; b"" if there is none. Raises Misconfigured."""
    refuse_others(path, variable)
    try:
        with open(os.open(path, os.O_RDONLY | _OPEN), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise unusable(path, error, "let the server read and write it", variable) from None


def refuse_others(path: Path, variable: str = "JOURNAL_PATH") -> None:
    """Raises Misconfigured if there is something that is not a file; without opening it, because that may move a device."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if path.is_symlink():
            fault = f"{path} is a link to {os.readlink(path)}, which does not exist"
            raise Misconfigured(variable, fault, "remove the link, or give the path of a file") from None
        return
    except OSError as error:
        raise _unopened(path, error, variable) from None
    if stat.S_ISDIR(mode):
        raise _unopened(path, OSError(errno.EISDIR, os.strerror(errno.EISDIR)), variable)
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "a device")
        raise Misconfigured(variable, f"{path} is {kind}, not a file", "give the path of a file that the server may write")


# ---- an old file


def _found(descriptor: int, path: Path, size: int, check: Callable[[bytes, int], None]) -> mmap.mmap:
    with said(path, "fstat"):
        before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        raise Misconfigured("JOURNAL_PATH", f"{path} is not a file", "give the path of a file that the server may write")
    _lock(descriptor, path)
    with said(path, "read"):
        # what has no size is not read: files of /proc say so, and reading some of them waits, or takes something away
        check(os.pread(descriptor, mmap.PAGESIZE, 0) if before.st_size else b"", before.st_size)
    try:
        # Where each write takes a new block, it does not matter how many a file has (compressed ones are few).
        if before.st_size < size or FileSystem.of(descriptor).writes != "to new blocks":
            _take_room(descriptor, path, size, before.st_blocks * 512, before.st_size)
        with said(path, "fallocate"):
            _mapping.unshare(descriptor, size)
        return _mapped(descriptor, path, size)
    except BaseException:
        if before.st_size < size:
            with suppress(OSError):
                os.ftruncate(descriptor, before.st_size)
        raise


# ---- a new one


def _made(path: Path, size: int, head: bytes) -> tuple[int, mmap.mmap]:
    new = path.with_name(path.name + ".new")
    descriptor, ours = _opened_new(new)
    try:
        _lock(descriptor, new, path)
        ours = True  # what a killed process left is not in use
        with said(path, "ftruncate"):
            os.ftruncate(descriptor, 0)
        _mapping.set_nocow(descriptor)  # only an empty file can be asked
        _take_room(descriptor, path, size, 0, 0)
        with said(path, "write"):
            os.pwrite(descriptor, head, 0)
        mapped = _mapped(descriptor, path, size)
        with said(path, "fsync"):
            os.fsync(descriptor)
        _put_in_place(new, path)
    except BaseException:
        if ours:
            with suppress(OSError):
                new.unlink()
        os.close(descriptor)
        raise
    return descriptor, mapped


def _opened_new(new: Path) -> tuple[int, bool]:
    """The descriptor, and whether the file was made here and now."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | _OPEN
    try:
        try:
            return os.open(new, flags | os.O_EXCL, 0o600), True
        except FileExistsError:
            there = os.lstat(new)
            if not stat.S_ISREG(there.st_mode):
                raise Misconfigured("JOURNAL_PATH", f"{new} is in the way: it is not a file", "remove it") from None
            if there.st_nlink == 1:
                return os.open(new, flags, 0o600), False
            new.unlink()  # a second name of a journal that may have been moved since: not a leftover to write over
            return os.open(new, flags | os.O_EXCL, 0o600), True
    except OSError as error:
        raise _unopened(new, error) from None


def _put_in_place(new: Path, path: Path) -> None:
    """Under a name that nobody else has taken meanwhile; a rename would replace a file, so it is for where there are no links."""
    try:
        os.link(new, path)
    except FileExistsError:
        raise in_use(path) from None  # another process was faster
    except OSError:
        with said(path, "rename"):
            if os.path.lexists(path):
                raise in_use(path) from None
            new.rename(path)
    else:
        with suppress(OSError):  # a second name of the journal does no harm: the next start takes it for a leftover
            new.unlink()
    with suppress(OSError):  # not every file system syncs folders: then a crash of the machine may take the new, empty file away
        sync_folder(path)


# ---- both


def _lock(descriptor: int, path: Path, journal: Path | None = None) -> None:
    with said(path, "flock"):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise in_use(journal or path) from None


def _take_room(descriptor: int, path: Path, size: int, held: int, start: int) -> None:
    """Makes the file so large, with blocks for all of it. `held`: bytes that it has blocks for; `start`: its size."""
    wanted = size - held
    room = Room.of(descriptor)
    if room is not None and wanted > 0 and room.free < wanted + room.reserve:
        raise _no_room(path, size, f"{room.free} are free, and {room.reserve} of these stay with others")
    try:
        if sys.platform == "darwin":
            os.ftruncate(descriptor, size)
        else:
            os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno in _FULL:
            raise _no_room(path, size, os.strerror(error.errno)) from None
        if error.errno not in _NO_FALLOCATE:
            raise _cannot(path, "fallocate", error) from None
        _write_zeros(descriptor, path, size, start)


def _write_zeros(descriptor: int, path: Path, size: int, start: int) -> None:
    """What takes room where a file system cannot be asked for it."""
    try:
        while start < size:
            start += os.pwrite(descriptor, memoryview(_ZEROS)[: size - start], start)
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in _FULL:
            raise _no_room(path, size, os.strerror(error.errno)) from None
        raise _cannot(path, "write", error) from None


def _mapped(descriptor: int, path: Path, size: int) -> mmap.mmap:
    """A copy where a mapped page could keep us waiting (carrier.py)."""
    with said(path, "mmap"):
        if FileSystem.of(descriptor).is_far:
            return read_into_memory(descriptor, size)
        try:
            mapped = mmap.mmap(descriptor, size)
        except (ValueError, OverflowError) as error:
            raise OSError(errno.EINVAL, str(error)) from None
        mapped.flush(0, mmap.PAGESIZE)  # msync: said here, not when the server runs
        return mapped


@contextmanager
def said(path: Path, call: str) -> Iterator[None]:
    """Makes an OSError of this call Misconfigured."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise Misconfigured("JOURNAL_PATH", f"{path}: {call}: {error.strerror}", "make room on its disk") from None
        raise _cannot(path, call, error) from None


def in_use(path: Path) -> Misconfigured:
    return Misconfigured("JOURNAL_PATH", f"{path} is in use by another process", "give each server a journal of its own")


def _no_room(path: Path, size: int, reason: str) -> Misconfigured:
    fault = f"there is no room for the {size} bytes of {path} ({reason})"
    return Misconfigured("JOURNAL_PATH", fault, "make room, or give a smaller RING_BYTES")


def _unopened(path: Path, error: OSError, variable: str = "JOURNAL_PATH") -> Misconfigured:
    return unusable(path, error, "give the path of a file that the server may write", variable)


def unusable(path: Path, error: OSError, remedy: str, variable: str = "JOURNAL_PATH") -> Misconfigured:
    """`remedy`: for what is no matter of the disk."""
    return Misconfigured(variable, f"{path}: {error.strerror}", _REMEDIES.get(error.errno or 0, remedy))


def _cannot(path: Path, call: str, error: OSError) -> Misconfigured:
    fault = f"{path}: {call} failed ({error.strerror or error}): its file system cannot hold a journal, or its disk fails"
    return Misconfigured("JOURNAL_PATH", fault, "put the journal on a local disk")
