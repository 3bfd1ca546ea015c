"""
The file that holds the ring, so that it survives the process.

    page 0     what the file is (magic, version, sizes), written once; and its life, written at each start and end.
               The version says what else may be in the log: 1 = frames, 2 = records' own bytes beside them. A file of version 1
               becomes one of 2 at the first start of a server that keeps those (an output wants them), and stays so
    the rest   the log's memory, index and ring: `_fanout` writes it, `_recover` reads it

The file is mapped and shared, so what the log writes is the kernel's at once: no kill takes it back. Its blocks are reserved at
the start, so a full disk is told then. Some file systems take new blocks all the same: `_mapping.Guard` survives a write that
fails, `journal_watch` looks for that, and then the log goes on in memory (`stopped`). Nothing that is not ours is written over.

On a network share or FUSE nothing is mapped: a thread carries what is new to the file (carrier.py), replies wait for that, and
after a kill the log goes on under a new epoch, because dashboards do not wait.

    life       epoch       names this life of the log; since `base_seq`. The one before it: `previous`
               known_seq   a seq that was on the disk for certain; 0 where nobody asked for that (JOURNAL_SYNC_MS)
               boot        of which run of the machine the pages may not have reached the disk; "" = they all have
               file        the file system and the inode of the file: a copy has others; 0 = not known
    device      of which block device the file system was, in which run of the machine: that of a cloned disk is another; 0 = none

After a kill the log goes on under its epoch. Where frames may be missing that somebody has seen (the machine went down, the disk
failed), or where another log may go on under it (the file is a copy), it goes on under a new one: then a dashboard's `since` of
the old epoch means nothing, and it is told so by a `gap`.
"""

from __future__ import annotations

import errno
import mmap
import os
import secrets
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .._fanout import Fanout, bytes_needed
from . import journal_file
from ._mapping import Guard
from ._recover import recover
from .carrier import Carrier
from .file_system import FileSystem, block_device, identity
from .journal_nature import FRAMES_ONLY, PAGE, WITH_OWN_BYTES, Nature, allow_own_bytes, check_nature
from .sealed import sealed, text_of, unsealed

LIFE_AT = 1024
_LIFE = struct.Struct("<16s16sQQ40sQQQ40s")
_LIFE_WITHOUT_DEVICE = struct.Struct("<16s16sQQ40sQQ")  # of journals from before there was a `device` …
_LIFE_WITHOUT_FILE = struct.Struct("<16s16sQQ40s")  # … or a `file`
CARRIED = "carried"  # nor is this: the file may lack what somebody has seen
STOPPED = "stopped"  # no machine's boot: the log went on without the file, so its seqs are no more those of the epoch
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Life:
    epoch: str
    previous: str = ""
    base_seq: int = 0
    known_seq: int = 0
    boot: str = ""
    file: tuple[int, int] = (0, 0)
    device: tuple[int, str] = (0, "")

    def pack(self) -> bytes:
        device, run = self.device
        words = (self.epoch.encode(), self.previous.encode(), self.base_seq, self.known_seq, self.boot.encode())
        return sealed(_LIFE.pack(*words, *self.file, device, run.encode()))

    @classmethod
    def unpack(cls, data: bytes) -> Life | None:
        """None if it is torn."""
        for form in (_LIFE, _LIFE_WITHOUT_DEVICE, _LIFE_WITHOUT_FILE):
            body = unsealed(data, form)
            if body is not None:
                epoch, previous, base_seq, known_seq, boot, *rest = form.unpack(body)
                file, device = rest[:2] or (0, 0), rest[2:] or (0, b"")
                return cls(
                    text_of(epoch),
                    text_of(previous),
                    base_seq,
                    known_seq,
                    text_of(boot),
                    (file[0], file[1]),
                    (device[0], text_of(device[1])),
                )
        return None

    def is_of_another_file(self, file: tuple[int, int], device: tuple[int, str]) -> bool:
        """Whether the file with this life, which is that file on that device now, was copied, or its disk cloned."""
        known, run = self.device
        cloned = known != 0 and device[0] not in (0, known) and device[1] == run
        return self.file not in ((0, 0), file) or cloned


class Journal:
    """
    An open journal file, locked for this process.

    name       of the file itself, whatever its epoch
    former     the life that was found; its epoch is "" if there was none, or none that could be read
    life       the present one, once there is a log
    copied     the file is a copy of the one in which the former life was
    carrier    what writes to the file where it is not mapped
    stopped    why the log has gone on without the file, "" as long as it has not
    """

    def __init__(self, path: Path, descriptor: int, map: mmap.mmap, ring_bytes: int) -> None:
        self.path = path
        self.name = Nature.read(map[:PAGE], path).name
        self.descriptor = descriptor
        self.size = len(map)
        self.file_system = FileSystem.of(descriptor)
        self._ring_bytes = ring_bytes
        self._map = map
        self.carrier = Carrier(descriptor, map, PAGE, ring_bytes) if self.file_system.is_far else None
        self._guard = Guard(map, descriptor) if self.carrier is None else None
        self._lost_write = False
        self._file, self._device = identity(descriptor), (block_device(descriptor), boot_id())
        self._log: Fanout | None = None
        self.former = Life.unpack(self._map[LIFE_AT:PAGE]) or Life("")
        self.life = self.former
        self.copied = self.former.is_of_another_file(self._file, self._device)
        self.stopped = ""
        self._told_stop = False  # in the file
        self.recovered = 0
        self.lost = 0

    @classmethod
    def open(cls, path: Path, ring_bytes: int, keeps_own: bool = False) -> Journal:
        """
        keeps_own    records' own bytes will be published beside the frames

        Raises Misconfigured: another process has it, it is no journal or one of another size, the disk is full, …
        """
        total = PAGE + bytes_needed(ring_bytes)
        nature = Nature(ring_bytes, total, secrets.token_hex(8), WITH_OWN_BYTES if keeps_own else FRAMES_ONLY)
        descriptor, map = journal_file.opened(
            path, total, nature.pack(), lambda head, size: check_nature(head, size, path, ring_bytes, total)
        )
        try:
            if keeps_own:
                allow_own_bytes(path, descriptor)
        except BaseException:
            journal_file.let_go(descriptor)
            raise
        return cls(path, descriptor, map, ring_bytes)

    @property
    def epoch(self) -> str:
        """Of the present life."""
        return self.life.epoch

    def log(self, prefixes: tuple[bytes, ...], schedule: Callable[[Fanout], object], sync: bool = False) -> Fanout:
        """The log in this file, which goes on where the last one stopped; `sync`: acks will wait for the disk. Once only."""
        log = Fanout(self._map, self._ring_bytes, prefixes, schedule, at=PAGE, kept_for_good=True)
        former = self.former
        self.recovered, self.lost, seen = recover(log, former.known_seq, former.base_seq)
        same_machine = former.boot in ("", boot_id())
        behind = log.seq < former.known_seq and former.known_seq > 1  # 1 is also said of an empty log
        went_on_elsewhere = stop_marker(self.path).exists()
        if not former.epoch or seen or behind or self.copied or not same_machine or went_on_elsewhere:
            self.life = Life(secrets.token_hex(8), previous=former.epoch, base_seq=log.seq)
        boot = boot_id() if self.carrier is None else CARRIED
        known = max(log.seq, 1) if sync else 0
        self._write(replace(self.life, known_seq=known, boot=boot, file=self._file, device=self._device))
        self._log = log
        # what says that it is in use must not be lost; the rest may take its time
        if self.carrier is None:
            with journal_file.said(self.path, "msync"):
                self._map.flush(0, PAGE)
        else:
            with journal_file.said(self.path, "write"):
                self.carrier.begin(log, as_read=not self.lost)
                self.sync()
        with suppress(OSError):  # one that stays makes the next epoch new as well
            stop_marker(self.path).unlink(missing_ok=True)
        return log

    @property
    def failed(self) -> bool:
        """Whether a write to the file has failed, and what is written stays in memory since."""
        return self._lost_write or (self._guard is not None and self._guard.left)

    def stop(self, reason: str) -> None:
        """
        Lets the log go on without the file, whose bytes it has: what is written from now on stays in memory. OSError.

        What a file that was cut short does not hold any more is gone from the log, too, and so are all its events: which ones lie
        there is not worth knowing. To be called where the log is written, which nobody does meanwhile.
        """
        if self._guard is None:  # it is in memory
            self.stopped = reason
            return
        size = os.fstat(self.descriptor).st_size
        if not self.failed or size < self.size:
            try:
                self._guard.leave(self.descriptor, size)
            except OSError as error:
                # A file system in which an error has ended everything maps nothing any more, and keeps the pages that are mapped.
                if error.errno not in (errno.EIO, errno.EROFS) or size < self.size:
                    raise
        if size < self.size and self._log is not None:
            self._log.forget()
        self.stopped = reason

    def tell_stop(self, descriptor: int) -> None:
        """
        Says in the file that its epoch has gone on elsewhere; tried again until there is room for that. May take long.

        descriptor    of the file, which nobody closes meanwhile
        """
        if self._told_stop:
            return
        try:
            if os.fstat(descriptor).st_size >= PAGE:  # else there is no page 0: such a file is refused at the next start
                os.pwrite(descriptor, replace(self.life, boot=STOPPED).pack(), LIFE_AT)
            self._told_stop = True
        except OSError:
            with suppress(OSError):
                stop_marker(self.path).touch(mode=0o600)  # without a block of its own: a full disk has room for that

    def sync(self) -> None:
        """Returns when the disk has all that has been written; may take long. OSError, also when the log has left the file."""
        if not self.stopped and not self.failed:
            if self.carrier is not None:
                self.carrier.carry()
            os.fdatasync(self.descriptor)
        if self.stopped or self.failed:  # it may have left meanwhile
            raise OSError(errno.EIO, f"the journal has stopped ({self.stopped or 'a write failed'})")

    def carry(self) -> None:
        """Returns when a file that is not mapped has all that has been written, or the log goes on in memory (`failed`)."""
        if self.carrier is not None and not self.stopped and not self.failed:
            try:
                self.carrier.carry()
            except OSError:
                self._lost_write = True

    def note_synced(self, seq: int) -> None:
        """Everything up to `seq` is on the disk."""
        if self.stopped:
            return
        self._write(replace(self.life, known_seq=max(seq, 1)))

    def close(self, seq: int) -> None:
        """After the log's last event: puts all on the disk, and says so in the file. OSError."""
        if self.stopped:
            self.tell_stop(self.descriptor)
            self.release()
            return
        self.sync()
        self._write(replace(self.life, known_seq=max(seq, 1), boot=""))
        self.sync()
        self.release()

    def release(self) -> None:
        """Lets another process have the file; does nothing the second time."""
        if self.descriptor < 0:
            return
        if self._guard is not None:
            self._guard.release()
        journal_file.let_go(self.descriptor)
        self.descriptor = -1

    def unmake(self) -> None:
        """After a start that failed: gives the file up, and removes it if it never held anything. Nothing may be published."""
        if self.descriptor < 0:
            return
        if not (self.former.epoch or self.recovered or self.lost):
            with suppress(OSError):
                if self._log is None or self._log.seq == self.former.base_seq:
                    journal_file.remove(self.path, self.descriptor)
        self.release()

    def _write(self, life: Life) -> None:
        self.life = life
        packed = life.pack()
        self._map[LIFE_AT : LIFE_AT + len(packed)] = packed
        if self.carrier is not None:
            self.carrier.note_page()


def stop_marker(path: Path) -> Path:
    """An empty file that says what page 0 could not be made to say: the journal stopped, and its epoch went on without it."""
    return path.with_name(path.name + ".stopped")


def boot_id() -> str:
    """Names this run of the machine; unlike any other where the system does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return secrets.token_hex(16)
