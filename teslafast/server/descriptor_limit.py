"""
Accepting while descriptors run out: who was admitted stays, who was not makes room, and the newest waits.

    accepted ──beyond the limit──▶ waits ──one below it is free──▶ taken

A descriptor's number tells how many are open only as long as nobody keeps one beyond the limit: those that are given back below
it would be used on top, until none is left for files, and no accept succeeds any more. So a connection is taken only under a
number within the limit. Meanwhile the others wait in the kernel's queue.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from ..event_loop import Timer
from ..logs import fields, log
from ..metrics import Counts
from .admission import PendingConnections
from .descriptors import MOST, RESERVED_DESCRIPTORS

PAUSE_AFTER_FULL_S = 0.5  # nobody could be sent away: when to try again
EVICTED_AT_ONCE = 16  # who make room; a quarter of those who are here, if that is fewer
EVICTED_S = 0.005  # until theirs are free: some give them back a turn later

_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class DescriptorLimit:
    """
    Of one listening socket.

    pause(), resume()       stop accepting, and go on
    take(socket, address)   goes on with a connection
    """

    def __init__(
        self,
        timer: Timer,
        pending: PendingConnections,
        counts: Counts,
        pause: Callable[[], object],
        resume: Callable[[], object],
        take: Callable[[socket.socket, Any], object],
    ) -> None:
        self._timer = timer
        self._pending = pending
        self._counts = counts
        self._pause = pause
        self._resume = resume
        self._take = take
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.highest = (limit if limit != resource.RLIM_INFINITY else MOST) - RESERVED_DESCRIPTORS
        self._beyond: tuple[socket.socket, Any] | None = None  # who waits

    @property
    def is_waited_at(self) -> bool:
        """Whether an accepted connection waits: until it has been taken nobody else may be accepted."""
        return self._beyond is not None

    def lets(self, accepted: socket.socket, address: Any) -> bool:
        """False: it waits here, and will be taken later."""
        if accepted.fileno() <= self.highest:
            return True
        self._beyond = accepted, address
        self._wait(f"{self.highest} files and connections are open")
        return False

    def refused(self, error: OSError) -> None:
        """An accept failed. Raises what has nothing to do with the limit."""
        if error.errno not in _OUT_OF_RESOURCES:
            raise error
        self._wait(os.strerror(error.errno or 0))

    def close(self) -> None:
        if self._beyond is not None:
            self._beyond[0].close()
            self._beyond = None

    def _wait(self, reason: str) -> None:
        self._pause()
        leaving = min(EVICTED_AT_ONCE, len(self._pending) // 4 + 1)
        if [None for _ in range(leaving) if self._pending.make_room()]:
            self._timer.call_later(EVICTED_S, partial(self._try_again, reason))
            return
        self._timer.call_later(PAUSE_AFTER_FULL_S, partial(self._try_again, reason))
        self._counts.accept_pauses += 1
        remedy = "raise the limit of open files (ulimit -n)"
        log.warning("accept_paused", extra=fields(cause="descriptors", reason=reason, remedy=remedy))

    def _try_again(self, reason: str) -> None:
        if self._beyond is None or self._brought_below(*self._beyond):
            self._resume()
        else:
            self._wait(reason)

    def _brought_below(self, accepted: socket.socket, address: Any) -> bool:
        """Whether it has a descriptor within the limit by now, and is taken."""
        try:
            moved = accepted.dup()  # the lowest that is free
        except OSError as error:
            if error.errno not in _OUT_OF_RESOURCES:
                raise
            return False
        if moved.fileno() > self.highest:
            moved.close()
            return False
        self.close()
        self._take(moved, address)
        return True
