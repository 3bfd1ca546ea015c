"""
Lines into a pipe or a terminal that somebody else has as well: standard output.

Everything here may block for PIPE_LOOK_S, or for PIPE_STALLED_S if nobody reads: it belongs into a thread.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence

from ..errors import Undelivered
from .rotating_file import Line

PIPE_BYTES = 4096  # Linux takes so many without blocking whenever poll says that a pipe is writable (PIPE_BUF)
PIPE_STALLED_S = 5.0  # a pipe that takes nothing for so long counts as failed
PIPE_LOOK_S = 0.2  # how soon the thread notices that the server ends


class Pipe:
    """
    Standard output. What has been taken of a batch is remembered, so that a try after a failure goes on in the middle of a line.

    It is not made non-blocking: a terminal or a pipe shares that with whoever else has it. So it is asked before each write.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._taken = 0  # seq of the last line that stands in `_rest`, or has been written
        self._rest = b""
        self._given_up = False

    def open(self) -> None:
        self._given_up = False

    def write(self, lines: Sequence[Line]) -> None:
        self._rest += b"".join(line for seq, line in lines if seq > self._taken)
        self._taken = max(self._taken, lines[-1][0])
        view = memoryview(self._rest)
        written = 0
        try:
            while written < len(view):
                self._wait()
                written += self._put(view[written : written + PIPE_BYTES])
        finally:
            self._rest = bytes(view[written:])

    def _put(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BrokenPipeError:
            raise Undelivered("standard output is closed: nobody reads it any more") from None

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        until_s = time.monotonic() + PIPE_STALLED_S
        while not poll.poll(PIPE_LOOK_S * 1000):
            if self._given_up or time.monotonic() > until_s:
                raise Undelivered(f"standard output is not read: it has taken nothing for {PIPE_STALLED_S:g} s")

    def check(self) -> str:
        return "events go to the standard output of `teslafast serve`"

    def close(self) -> None:
        """It stays open: it is not ours."""

    def give_up(self) -> None:
        self._given_up = True
