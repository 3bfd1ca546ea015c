"""
A page of a file that a thread writes, where the file is not mapped: see carrier.py.

Only the newest content counts, so whatever changes while the thread is busy is one more write.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from ..disk_thread import DiskThread
from .carrier import write_at


class CarriedPage:
    """`content`: what the file is to hold. Call `note` after each change."""

    def __init__(self, path: Path, descriptor: int, content: bytearray, on_failed: Callable[[OSError], object]) -> None:
        """Takes the descriptor over. `on_failed` is called in the thread, for each write that fails."""
        self._path = path
        self._descriptor = descriptor
        self._content = content
        self._on_failed = on_failed
        self._thread = DiskThread("cursors", "outputs may send again after a restart what they have sent")
        self._changed = False
        self._writing: Future[None] | None = None

    def note(self) -> None:
        if not self._changed:
            self._changed = True
            self._writing = self._thread.submit(self._path, self._write)

    def _write(self) -> None:
        self._changed = False  # before the content is copied: what changes from now on is written next
        try:
            write_at(self._descriptor, memoryview(bytes(self._content)), 0)
        except OSError as error:
            self._on_failed(error)

    def close(self) -> None:
        """Waits for the disk to have it. OSError."""
        if self._writing is not None:
            self._writing.result()
        os.fsync(self._descriptor)
        os.close(self._descriptor)
