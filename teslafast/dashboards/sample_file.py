"""
A file of numbers that is read where one is asked for.

It is not mapped into memory: if somebody writes another file over it, or its disk fails, a read of mapped memory would end the
process (SIGBUS). So it costs a system call, a third of a microsecond, and what is not there any more is unknown.
"""

from __future__ import annotations

import os
import struct
import weakref
from pathlib import Path
from typing import Any

from ..logs import fields, log


class SampleFile:
    """`size`: its bytes when it was opened."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        weakref.finalize(self, os.close, self._descriptor)
        self.size = os.fstat(self._descriptor).st_size
        self._told = False

    def read(self, form: struct.Struct, offset: int) -> Any:
        """The first number of this form there; None if it cannot be read any more, which is logged once."""
        try:
            found = os.pread(self._descriptor, form.size, offset)
            if len(found) == form.size:
                return form.unpack(found)[0]
            reason = "it was cut short while the server runs"
        except OSError as error:
            reason = str(error)
        if not self._told:
            self._told = True
            about = fields(
                cause="unreadable", file=self._path.name, reason=reason, remedy="restart the server with the file whole"
            )
            log.warning("elevation_tile_unusable", extra=about)
        return None
