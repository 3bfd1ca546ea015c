"""
The file that holds the ring, so that it survives the process.

    page 0     what the file is (magic, version, sizes), written once; and its life, written at each start and end
    the rest   the log's memory, index and ring: `_fanout` writes it, `_recover` reads it

The file is mapped and shared, so what the log writes is the kernel's at once: no kill takes it back. Its blocks are reserved at
the start, so a full disk is told then and never as a SIGBUS. Nothing that is not ours is ever written over.

    life       epoch       names this life of the log; since `base_seq`. The one before it: `previous`
               known_seq   a seq that was on the disk for certain; 0 where nobody asked for that (JOURNAL_SYNC_MS)
               boot        of which run of the machine the pages may not have reached the disk; "" = they all have

After a kill the log goes on under its epoch. Where frames may be missing that somebody has seen (the machine went down, the disk
failed), it goes on under a new one: then a dashboard's `since` of the old epoch means nothing, and it is told so by a `gap`.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import secrets
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from .._crc32c import checksum
from .._fanout import Fanout, bytes_needed
from ..errors import Misconfigured
from ..whole_file import sync_folder
from ._recover import recover

PAGE = 4096
LIFE_AT = 1024
JOURNAL_VERSION = 1
MAGIC = b"teslfast"
_NATURE = struct.Struct("<8sIIQQ16s")  # magic, version, bytes of page 0, ring bytes, bytes in all, the journal's own name
_LIFE = struct.Struct("<16s16sQQ40s")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_AWAY = "move the file away, or give another path"


@dataclass(frozen=True, slots=True)
class Life:
    epoch: str
    previous: str = ""
    base_seq: int = 0
    known_seq: int = 0
    boot: str = ""

    def pack(self) -> bytes:
        words = (self.epoch.encode(), self.previous.encode(), self.base_seq, self.known_seq, self.boot.encode())
        return _sealed(_LIFE.pack(*words))

    @classmethod
    def unpack(cls, data: bytes) -> Life | None:
        """None if it is torn."""
        body = _unsealed(data, _LIFE)
        if body is None:
            return None
        epoch, previous, base_seq, known_seq, boot = _LIFE.unpack(body)
        return cls(_text(epoch), _text(previous), base_seq, known_seq, _text(boot))


class Journal:
    """
    An open journal file, locked for this process.

    name       of the file itself, whatever its epoch
    former     the life that was found; its epoch is "" if there was none, or none that could be read
    life       the present one, once there is a log
    """

    def __init__(self, path: Path, descriptor: int, ring_bytes: int, name: str) -> None:
        self.path = path
        self.name = name
        self._descriptor = descriptor
        self._ring_bytes = ring_bytes
        self._map = mmap.mmap(descriptor, PAGE + bytes_needed(ring_bytes))
        self.former = Life.unpack(self._map[LIFE_AT:PAGE]) or Life("")
        self.life = self.former
        self.recovered = 0
        self.lost = 0

    @classmethod
    def open(cls, path: Path, ring_bytes: int) -> Journal:
        """Raises Misconfigured: another process has it, it is no journal or one of another size, the disk is full, …"""
        total = PAGE + bytes_needed(ring_bytes)
        descriptor = _opened(path, total, ring_bytes)
        try:
            _lock(descriptor, path)
            _check(os.pread(descriptor, PAGE, 0), os.fstat(descriptor).st_size, path, ring_bytes, total)
            _reserve(descriptor, path, total)
            name = _NATURE.unpack(os.pread(descriptor, _NATURE.size, 0))[5].decode()
            return cls(path, descriptor, ring_bytes, name)
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def epoch(self) -> str:
        """Of the present life."""
        return self.life.epoch

    def log(self, prefixes: tuple[bytes, ...], schedule: Callable[[Fanout], object], sync: bool = False) -> Fanout:
        """The log in this file, which goes on where the last one stopped; `sync`: acks will wait for the disk. Once only."""
        log = Fanout(self._map, self._ring_bytes, prefixes, schedule, at=PAGE, kept_for_good=True)
        former = self.former
        self.recovered, self.lost = recover(log, former.known_seq, former.base_seq)
        same_machine = former.boot in ("", _boot())
        seen_and_lost = self.lost > 1 or (self.lost == 1 and not same_machine)
        if not former.epoch or seen_and_lost or not same_machine:
            self.life = Life(secrets.token_hex(8), previous=former.epoch, base_seq=log.seq)
        self._write(replace(self.life, known_seq=max(log.seq, 1) if sync else 0, boot=_boot()))
        self._map.flush(0, PAGE)  # what says that it is in use must not be lost; the rest may take its time
        return log

    def sync(self) -> None:
        """Returns when the disk has all that has been written; may take long. OSError."""
        os.fdatasync(self._descriptor)

    def note_synced(self, seq: int) -> None:
        """Everything up to `seq` is on the disk."""
        self._write(replace(self.life, known_seq=max(seq, 1)))

    def close(self, seq: int) -> None:
        """After the log's last event: puts all on the disk, and says so in the file. OSError."""
        self.sync()
        self._write(replace(self.life, known_seq=max(seq, 1), boot=""))
        self.sync()
        self.release()

    def release(self) -> None:
        """Lets another process have the file; does nothing the second time."""
        if self._descriptor < 0:
            return
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # the map, which goes with the log, holds the file open and would keep it
        os.close(self._descriptor)
        self._descriptor = -1

    def _write(self, life: Life) -> None:
        self.life = life
        packed = life.pack()
        self._map[LIFE_AT : LIFE_AT + len(packed)] = packed


def _opened(path: Path, total: int, ring_bytes: int) -> int:
    """The file's descriptor; a new file gets its place only when it is whole, so that a kill leaves none in between."""
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _cannot(path, error) from None
    making = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(making, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _lock(descriptor, making)
        os.ftruncate(descriptor, 0)
        _reserve(descriptor, path, total)
        nature = _NATURE.pack(MAGIC, JOURNAL_VERSION, PAGE, ring_bytes, total, secrets.token_hex(8).encode())
        os.pwrite(descriptor, _sealed(nature), 0)
        os.fsync(descriptor)
        os.link(making, path)
        os.unlink(making)
        sync_folder(path)
    except FileExistsError:
        raise _in_use(path) from None  # another process was faster
    except OSError as error:
        raise _cannot(path, error) from None
    return descriptor


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _in_use(path) from None


def _check(head: bytes, size: int, path: Path, ring_bytes: int, total: int) -> None:
    """Whether it is a journal, and one of ours. Raises Misconfigured."""
    if head[: len(MAGIC)] != MAGIC:
        raise Misconfigured("JOURNAL_PATH", f"{path} is not a journal", f"{_AWAY}: it is not written over")
    version = int.from_bytes(head[8:12], "little")
    if version != JOURNAL_VERSION:
        fault = f"{path} is a journal of version {version}, this teslafast knows version {JOURNAL_VERSION}"
        raise Misconfigured("JOURNAL_PATH", fault, f"use the teslafast that wrote it, or {_AWAY}")
    body = _unsealed(head, _NATURE)
    if body is None:
        raise Misconfigured("JOURNAL_PATH", f"{path} is damaged in its first page", _AWAY)
    _, _, _, held_bytes, held_total, _ = _NATURE.unpack(body)
    if held_bytes != ring_bytes or held_total != total or size > total:
        fault = f"{path} holds a ring of {held_bytes} bytes, RING_BYTES is {ring_bytes}"
        raise Misconfigured("JOURNAL_PATH", fault, f"set RING_BYTES={held_bytes}, or {_AWAY}: its events are not carried over")


def _reserve(descriptor: int, path: Path, total: int) -> None:
    """Makes the file so large, with blocks for all of it. Raises Misconfigured if the disk has no room."""
    try:
        if sys.platform == "darwin":
            os.ftruncate(descriptor, total)
        else:
            os.posix_fallocate(descriptor, 0, total)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            fault = f"there is no room for the {total} bytes of {path} ({os.strerror(error.errno)})"
            raise Misconfigured("JOURNAL_PATH", fault, "make room, or give a smaller RING_BYTES") from None
        raise _cannot(path, error) from None


def _in_use(path: Path) -> Misconfigured:
    return Misconfigured("JOURNAL_PATH", f"{path} is in use by another process", "give each server a journal of its own")


def _cannot(path: Path, error: OSError) -> Misconfigured:
    return Misconfigured("JOURNAL_PATH", f"{path}: {error.strerror}", "give the path of a file that the server may write")


def _sealed(body: bytes) -> bytes:
    return body + checksum(body).to_bytes(4, "little")


def _unsealed(data: bytes, form: struct.Struct) -> bytes | None:
    body, seal = data[: form.size], data[form.size : form.size + 4]
    return body if len(seal) == 4 and checksum(body).to_bytes(4, "little") == seal else None


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("ascii")


def _boot() -> str:
    """Names this run of the machine; unlike any other where the system does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return secrets.token_hex(16)
