"""
A log handler that never makes its caller wait: lines go into a bounded queue, and a thread writes them.

A stalled reader of stderr (a blocked log driver, a pager, Ctrl-S on a terminal) must not stop the server. So a line that does not
fit into the queue is dropped and counted, and the next one that fits says how many were.

    Bound: QUEUED_AT_MOST bytes of lines that have not been written.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import select
import threading
import time
from typing import Any

QUEUED_AT_MOST = 4 * 1024 * 1024  # some 20,000 lines: minutes of an attack's log, as Repeats lets it through
FLUSH_S = 1.0  # at the end: how long the last lines may take to leave


class LogWriter(logging.Handler):
    """Writes to a file descriptor. `dropped`: lines that were not written."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.dropped = 0
        self._descriptor = descriptor
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._put_bytes = 0  # by callers, who hold the handler's lock
        self._written_bytes = 0  # by the thread
        self._untold = 0  # dropped lines that no line has told of yet
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.flush)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # a line is never lost for what is in it
            line = f'{{"event":"log_line_failed","level":"error","cause":{record.name!r}}}'.replace("'", '"')
        if self._put_bytes - self._written_bytes > QUEUED_AT_MOST:
            self.dropped += 1
            self._untold += 1
            return
        if self._untold:
            self._put(self.format(_told_of(self._untold)))
            self._untold = 0
        self._put(line)

    def _put(self, line: str) -> None:
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        self._put_bytes += len(data)
        self._queue.put(data)

    def _write_all(self) -> None:
        while (data := self._queue.get()) is not None:
            try:
                self._write(memoryview(data))
            except OSError:  # nobody reads any more (EPIPE), or the disk is full: there is nowhere to say so but the counter
                self.dropped += 1
            self._written_bytes += len(data)

    def _write(self, rest: memoryview) -> None:
        """All of it. Who shares the descriptor may have made it non-blocking: then it is waited for."""
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                waiting = select.poll()
                waiting.register(self._descriptor, select.POLLOUT)
                waiting.poll()

    def flush(self) -> None:
        """Waits until all lines are written, for FLUSH_S at most."""
        until_s = time.monotonic() + FLUSH_S
        while self._written_bytes < self._put_bytes and self._thread.is_alive() and time.monotonic() < until_s:
            time.sleep(0.005)

    def close(self) -> None:
        """Writes what is queued and ends the thread."""
        self.flush()
        self._queue.put(None)
        atexit.unregister(self.flush)
        super().close()


def _told_of(count: int) -> logging.LogRecord:
    record = logging.LogRecord("teslafast", logging.WARNING, "", 0, "log_lines_dropped", None, None)
    members: dict[str, Any] = {"lines": count, "meaning": "whoever reads this log was too slow"}
    record.fields = members
    return record
