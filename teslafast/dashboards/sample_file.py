"""
A file of numbers that is read where one is asked for, on the event loop.

It is not mapped into memory: if somebody writes another file over it, or its disk fails, a read of mapped memory would end the
process (SIGBUS). So it costs a system call, half a microsecond, and what is not there any more is unknown. What the kernel has
not got in memory is read in a thread, and is unknown if that takes too long: a share that is away must not stop the server.
"""

from __future__ import annotations

import errno
import os
import struct
import weakref
from functools import partial
from pathlib import Path
from typing import Any

from ..disk_thread import BriefCalls
from ..logs import fields, log

_AT_ONCE = getattr(os, "RWF_NOWAIT", 0)  # Linux has it: what would wait fails instead
_WOULD_WAIT = frozenset({errno.EAGAIN, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})

heights_disk = BriefCalls("heights", "TeslaMate gets no elevation")


class SampleFile:
    """`size`: its bytes when it was opened."""

    def __init__(self, path: Path) -> None:
        """Raises OSError. It may wait."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        weakref.finalize(self, os.close, self._descriptor)
        self.size = os.fstat(self._descriptor).st_size
        self._told = False

    def read(self, form: struct.Struct, offset: int) -> Any:
        """The first number of this form there; None if it cannot be read any more, which is logged once, or not now."""
        try:
            found = self._bytes(form.size, offset)
            if len(found) == form.size:
                return form.unpack(found)[0]
            reason = "it was cut short while the server runs"
        except TimeoutError:
            return None
        except OSError as error:
            reason = str(error)
        if not self._told:
            self._told = True
            about = fields(
                cause="unreadable", file=self._path.name, reason=reason, remedy="restart the server with the file whole"
            )
            log.warning("elevation_tile_unusable", extra=about)
        return None

    def _bytes(self, size: int, offset: int) -> bytes | bytearray:
        """Raises OSError, of which TimeoutError is one."""
        if _AT_ONCE:
            found = bytearray(size)
            try:
                if os.preadv(self._descriptor, [found], offset, _AT_ONCE) == size:
                    return found
            except OSError as error:
                if error.errno not in _WOULD_WAIT:
                    raise
        return heights_disk.make(self._path, partial(os.pread, self._descriptor, size, offset))
