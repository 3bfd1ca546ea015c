"""What a file system means for a file that is mapped: whether writing over it can fail, and how much room there is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from . import _mapping

Writes = Literal["in place", "in place unless shared", "to new blocks", "over a network"]

RESERVE_SHARE = 20  # a new journal leaves a twentieth of the file system to others …
RESERVE_AT_MOST = 1 << 30  # … or a GiB: on a large disk more would be refused for nothing
LOW_SHARE = 50  # below a fiftieth the disk is nearly full …
LOW_AT_MOST = 256 * 1024 * 1024  # … or below what a busy disk can take in the second between two looks

# linux/magic.h, and of those outside the kernel their own sources. What is not here is taken to write in place: ext4, tmpfs, …
# btrfs writes in place where it was asked to, but on a full disk it looks for room first, for some tenths of a second a page
# (measured): so that does not count here.
_BY_NUMBER: dict[int, tuple[str, Writes]] = {
    0x9123683E: ("btrfs", "to new blocks"),
    0x2FC12FC1: ("zfs", "to new blocks"),
    0xCA451A4E: ("bcachefs", "to new blocks"),
    0x58465342: ("xfs", "in place unless shared"),
    0x7461636F: ("ocfs2", "in place unless shared"),
    0x6969: ("nfs", "over a network"),
    0x517B: ("smb", "over a network"),
    0xFE534D42: ("smb2", "over a network"),
    0xFF534D42: ("cifs", "over a network"),
    0x01021997: ("9p", "over a network"),
    0x65735546: ("fuse", "over a network"),
    0x00C36400: ("ceph", "over a network"),
    0x5346414F: ("afs", "over a network"),
}


@dataclass(frozen=True)
class FileSystem:
    name: str  # "" if it is none of those above
    writes: Writes

    @property
    def is_far(self) -> bool:
        """Whether somebody else has to answer before a page of a mapped file can be used."""
        return self.writes == "over a network"

    @classmethod
    def of(cls, descriptor: int) -> FileSystem:
        return cls(*_BY_NUMBER.get(_mapping.file_system(descriptor), ("", "in place")))


@dataclass(frozen=True)
class Room:
    """Bytes that a user may still take, and of the whole file system."""

    free: int
    total: int

    @classmethod
    def of(cls, descriptor: int) -> Room | None:
        """None where the file system does not tell."""
        try:
            found = os.fstatvfs(descriptor)
        except OSError:
            return None
        total = found.f_blocks * found.f_frsize
        return cls(found.f_bavail * found.f_frsize, total) if total else None

    @property
    def reserve(self) -> int:
        return min(self.total // RESERVE_SHARE, RESERVE_AT_MOST)

    @property
    def too_little(self) -> int:
        return min(self.total // LOW_SHARE, LOW_AT_MOST)


def identity(descriptor: int) -> tuple[int, int]:
    """(file system, inode): what no copy of the file has. A file system's own number outlives a restart, its device's may not."""
    found = os.fstat(descriptor)
    try:
        file_system = os.fstatvfs(descriptor).f_fsid
    except OSError:
        file_system = 0
    return (file_system or found.st_dev) & 0xFFFFFFFFFFFFFFFF, found.st_ino


def block_device(descriptor: int) -> int:
    """The block device under the file, 0 if there is none. A clone of a disk has the numbers of `identity`, but not this one."""
    device = os.fstat(descriptor).st_dev
    return device if os.major(device) else 0
