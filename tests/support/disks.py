"""
Small file systems of their own for the tests, where root may mount some: a full disk that is nobody else's.

    mounted    `with mounted(folder, "xfs")`: the folder is one until the block ends. Skips, with the reason, where it cannot be
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 1 << 20
_MAKE = {
    "tmpfs": (16 * MIB, None),
    "ext4": (32 * MIB, ["mkfs.ext4", "-q", "-F"]),
    "btrfs": (160 * MIB, ["mkfs.btrfs", "-q"]),
    "xfs": (320 * MIB, ["mkfs.xfs", "-q"]),
}


@contextmanager
def mounted(folder: Path, kind: str) -> Iterator[Path]:
    size, make = _MAKE[kind]
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip(f"NOT TESTED: only root may mount a {kind}")
    if make is None:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    else:
        if shutil.which(make[0]) is None:
            pytest.skip(f"NOT TESTED: there is no {make[0]} here (apt install e2fsprogs btrfs-progs xfsprogs)")
        image = folder.with_name(folder.name + ".image")
        image.touch()
        os.truncate(image, size)
        subprocess.run([*make, str(image)], check=True, capture_output=True)
        command = ["mount", "-o", "loop", str(image), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"NOT TESTED: this machine mounts no {kind}: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill(folder: Path) -> Path:
    """Takes all the room there is; returns the file that has it."""
    path = folder / "somebody-elses"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(os.urandom(1 << 16))
        except OSError:
            pass
        os.sync()
    return path
