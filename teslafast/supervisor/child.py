"""
A process that is started again whenever it ends, after a pause that grows while it does not last.

Each end is one line in the log, and is counted. The pause begins anew after STEADY_S of life.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from abc import ABC, abstractmethod
from asyncio.subprocess import Process
from collections.abc import Sequence

from ..backoff import delay_s
from ..logs import fields, log
from . import dies_with_parent

STEADY_S = 60.0
KILL_AFTER_S = 10.0  # beyond the time that its end may take


class Child(ABC):
    """`what` stands in the log. Subclasses say how it is started."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.process: Process | None = None
        self.restarts = 0
        self.away_since_s = time.monotonic()
        self._failures = 0
        self._ending = asyncio.Event()

    @abstractmethod
    async def spawn(self) -> Process:
        """Raises OSError."""

    @abstractmethod
    def has_ended(self) -> None:
        """The process is gone; another one follows, unless this is the end."""

    def why(self) -> str:
        """What it has said of its end itself, "" if that is nothing."""
        return ""

    async def live(self) -> None:
        """Until `end`, and the process's end after that."""
        while not self._ending.is_set():
            began_s = time.monotonic()
            try:
                self.process = await self.spawn()
                cause = _cause(await self.process.wait())
            except OSError as error:  # too little memory, or too many processes
                cause = f"cannot be started: {error.strerror}"
            self.process = None
            self.away_since_s = time.monotonic()
            self.has_ended()
            if not self._ending.is_set():
                await self._pause(cause, lasted_s=self.away_since_s - began_s)

    async def _pause(self, cause: str, lasted_s: float) -> None:
        self._failures = 0 if lasted_s >= STEADY_S else self._failures
        again_s = delay_s(self._failures, random.random())
        self._failures += 1
        self.restarts += 1
        told = {"process": self.what, "restarts": self.restarts, "again_s": round(again_s, 2), "reason": self.why()}
        log.error("process_ended", extra=fields(cause=cause, **told))
        try:
            await asyncio.wait_for(self._ending.wait(), again_s)
        except TimeoutError:
            return

    # ---- its end

    def begin_end(self) -> None:
        """It is not started again."""
        self._ending.set()

    def tell(self, number: signal.Signals) -> None:
        if self.process is not None:
            try:
                self.process.send_signal(number)
            except ProcessLookupError:  # it has just ended
                return

    async def ended(self, within_s: float) -> None:
        """Waits for the end; kills it when that takes longer than `within_s`, and KILL_AFTER_S."""
        process = self.process
        if process is None:
            return
        try:
            await asyncio.wait_for(process.wait(), within_s + KILL_AFTER_S)
        except TimeoutError:
            log.error("process_killed", extra=fields(process=self.what, cause="its end took too long"))
            self.tell(signal.SIGKILL)
            await process.wait()


def bound_to_us(number: signal.Signals, command: Sequence[str]) -> list[str]:
    """The command, run so that the kernel sends it this signal when we are gone."""
    return [sys.executable, "-I", "-S", dies_with_parent.__file__, str(os.getpid()), str(int(number)), *command]


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit {code}"
