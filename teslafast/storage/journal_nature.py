"""
What a journal's first page says of it for good: that it is one, of which version, and its sizes.

Nothing that is not ours is written over: a file that says something else is refused, in one line.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import Misconfigured
from . import journal_file
from .sealed import sealed, unsealed

PAGE = 4096
FRAMES_ONLY, WITH_OWN_BYTES = JOURNAL_VERSIONS = (1, 2)
MAGIC = b"teslfast"
_NATURE = struct.Struct("<8sIIQQ16s")  # magic, version, bytes of page 0, ring bytes, bytes in all, the journal's own name
_AWAY = "move the file away, or give another path"


@dataclass(frozen=True, slots=True)
class Nature:
    """What page 0 says for good. `total`: bytes of the file; `name`: the journal's own, which its neighbours repeat."""

    ring_bytes: int
    total: int
    name: str
    version: int = FRAMES_ONLY

    def pack(self) -> bytes:
        return sealed(_NATURE.pack(MAGIC, self.version, PAGE, self.ring_bytes, self.total, self.name.encode()))

    @classmethod
    def read(cls, head: bytes, path: Path) -> Nature:
        """Raises Misconfigured if it is not a journal, or not one of ours."""
        if head[: len(MAGIC)] != MAGIC:
            raise Misconfigured("JOURNAL_PATH", f"{path} is not a journal", f"{_AWAY}: it is not written over")
        version = int.from_bytes(head[8:12], "little")
        if version not in JOURNAL_VERSIONS:
            known = " and ".join(map(str, JOURNAL_VERSIONS))
            fault = f"{path} is a journal of version {version}, this teslafast knows versions {known}"
            raise Misconfigured("JOURNAL_PATH", fault, f"use the teslafast that wrote it, or {_AWAY}")
        body = unsealed(head, _NATURE)
        if body is None:
            raise Misconfigured("JOURNAL_PATH", f"{path} is damaged in its first page", _AWAY)
        _, version, _, ring_bytes, total, name = _NATURE.unpack(body)
        return cls(ring_bytes, total, name.decode(), version)


def check_nature(head: bytes, size: int, path: Path, ring_bytes: int, total: int) -> None:
    """Whether it is a journal, and one of ours. Raises Misconfigured."""
    held = Nature.read(head, path)
    if size > held.total:
        fault = f"{path} has {size} bytes, and {held.total} of them are the journal's: something was written after its end"
        raise Misconfigured("JOURNAL_PATH", fault, f"cut it with `truncate -s {held.total}`, or {_AWAY}")
    if held.ring_bytes != ring_bytes or held.total != total:
        fault = f"{path} holds a ring of {held.ring_bytes} bytes, RING_BYTES is {ring_bytes}"
        remedy = f"set RING_BYTES={held.ring_bytes}, or carry its events over with `teslafast journal resize`"
        raise Misconfigured("JOURNAL_PATH", fault, remedy)


def allow_own_bytes(path: Path, descriptor: int) -> None:
    """Raises the version before there is anything that an older teslafast would take for damage: it refuses the file then."""
    held = Nature.read(os.pread(descriptor, PAGE, 0), path)
    if held.version < WITH_OWN_BYTES:
        with journal_file.said(path, "write"):
            os.pwrite(descriptor, replace(held, version=WITH_OWN_BYTES).pack(), 0)  # part of one sector: whole or not at all
            os.fdatasync(descriptor)
