"""
Brings what has changed in a log's memory to its file, where the file is not mapped: on network shares and FUSE.

A page of a mapped file is the kernel's to fetch and to give away: where the other side does not answer, the next instruction that
touches it waits, and whoever shares the thread waits, too; where it answers with an error, the process dies. So there the log is
in memory of its own, and a thread writes to the file, in the order in which recovery believes it: the ring's bytes, then the
index, then the page that tells of the journal's life.

    Invariant: the file has all up to `_seq` and `_head`. What a call that failed has left out is written by the next one.

While the thread writes, the log goes on; if it laps what is being written, the file gets a mixture that no checksum confirms,
as it would of a log that was killed there, and the newer bytes come next.
"""

from __future__ import annotations

import mmap
import os
import threading

from .._fanout import INDEX_ENTRY_BYTES, Fanout, bytes_needed


class Carrier:
    """`memory`: the first page, then the log's, as in the file. Everything but `note_page` may take long."""

    def __init__(self, descriptor: int, memory: mmap.mmap, page_bytes: int, ring_bytes: int) -> None:
        self._descriptor = descriptor
        self._memory = memory
        self._page_bytes = page_bytes
        self._index_bytes = bytes_needed(ring_bytes) - ring_bytes
        self._ring_bytes = ring_bytes
        self._log: Fanout | None = None
        self._seq = self._head = 0
        self._page_changed = False
        self._lock = threading.Lock()

    def begin(self, log: Fanout, as_read: bool) -> None:
        """`as_read`: the file has all that the log begins with; otherwise all of it is written. OSError."""
        self._log = log
        self._seq, self._head = log.seq, log.written
        if not as_read:
            self._write(self._page_bytes, self._index_bytes + self._ring_bytes)

    def note_page(self) -> None:
        """The first page has changed."""
        self._page_changed = True

    @property
    def is_behind(self) -> bool:
        return self._page_changed or (self._log is not None and self._log.seq != self._seq)

    def carry(self) -> None:
        """Returns when the file has what was in memory at the call. OSError."""
        with self._lock:
            if self._log is not None:
                seq = self._log.seq  # first: an entry is never written before the bytes that it tells of
                head = self._log.written
                self._carry_round(self._page_bytes + self._index_bytes, self._ring_bytes, self._head, head)
                slots = self._index_bytes // INDEX_ENTRY_BYTES
                self._carry_round(self._page_bytes, slots, self._seq, seq, INDEX_ENTRY_BYTES)
                self._seq, self._head = seq, head
            if self._page_changed:
                self._page_changed = False
                page = self._memory[: self._page_bytes]  # a copy: whole, whatever changes it
                try:
                    write_at(self._descriptor, memoryview(page), 0)
                except OSError:
                    self._page_changed = True
                    raise

    def _carry_round(self, at: int, places: int, first: int, end: int, size: int = 1) -> None:
        """Numbers `first` to `end`, each `size` bytes, in a ring of `places` that begins `at`."""
        if end - first >= places:
            self._write(at, places * size)
            return
        start, stop = first % places, end % places
        if start <= stop:
            self._write(at + start * size, (stop - start) * size)
        else:
            self._write(at + start * size, (places - start) * size)
            self._write(at, stop * size)

    def _write(self, at: int, size: int) -> None:
        with memoryview(self._memory) as whole, whole[at : at + size] as part:
            write_at(self._descriptor, part, at)


def read_into_memory(descriptor: int, size: int) -> mmap.mmap:
    """A copy of the file, which takes no memory where the file holds zeros only. OSError."""
    memory = mmap.mmap(-1, size)
    at = 0
    while at < size:
        part = os.pread(descriptor, min(1 << 20, size - at), at)
        if not part:
            break
        if part.count(0) != len(part):
            memory[at : at + len(part)] = part
        at += len(part)
    return memory


def write_from_memory(descriptor: int, memory: mmap.mmap) -> None:
    """The other way round, all of it. OSError."""
    with memoryview(memory) as whole:
        write_at(descriptor, whole, 0)


def write_at(descriptor: int, data: memoryview, at: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], at + done)
