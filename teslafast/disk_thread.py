"""
Calls to a file system, in a thread of their own: one that does not answer stops neither the server nor its end.

A network share that is away, or a device that hangs, makes `stat` wait for minutes or for ever. So whoever looks at files while
the server runs hands the call over (`submit`) and asks for its result when it comes by again.

    one at a time   per thread; whoever submits waits for his call's end before the next, so nothing piles up
    said            in one line when a call takes longer than HANGS_S, and in one when it has ended after all (`check`)
    at the end      the thread is a daemon, unlike an executor's of the standard library, which the interpreter would wait for

A coroutine waits for its call itself (`DiskReader`), and for HANGS_S at most; who cannot wait at all gives its call a moment
(`BriefCalls`).
"""

from __future__ import annotations

import asyncio
import errno
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from .logs import fields, log

BRIEFLY_S = 0.02  # as long as a hard disk takes for one read
HANGS_S = 5.0  # a busy disk answers within a second or two; a vehicle waits for ten

_Result = TypeVar("_Result")


class DiskCalls(Protocol):
    def submit(self, path: Path, call: Callable[[], _Result]) -> Future[_Result]:
        """Makes the call, of which `path` is what it is about, for the log."""

    def check(self, now_s: float) -> None:
        """Called now and then; `now_s` is monotonic."""


class AtOnce:
    """Makes each call itself, where nobody else waits: at the start, in tools."""

    def submit(self, path: Path, call: Callable[[], _Result]) -> Future[_Result]:
        done: Future[_Result] = Future()
        _make(call, done)
        return done

    def check(self, now_s: float) -> None: ...


class DiskThread:
    """`name`: of the thread, and the cause in the log; `meaning`: what does not happen while its disk does not answer."""

    def __init__(self, name: str, meaning: str) -> None:
        self._name = name
        self._meaning = meaning
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._under_way: tuple[Path, float] | None = None  # set by the thread: what it is about, and since when
        self._told: tuple[Path, float] | None = None  # the one of which the log has said that it hangs

    def submit(self, path: Path, call: Callable[[], _Result]) -> Future[_Result]:
        """Raises RuntimeError if there can be no thread."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            thread.start()
            self._thread = thread
        done: Future[_Result] = Future()

        def work() -> None:
            self._under_way = path, time.monotonic()
            _make(call, done, self._end)

        self._calls.put(work)
        return done

    def _run(self) -> None:
        while True:
            self._calls.get()()

    def _end(self) -> None:
        self._under_way = None

    def check(self, now_s: float) -> None:
        current = self._under_way
        if self._told is not None and current is not self._told:
            log.warning("disk_answers", extra=fields(cause=self._name, path=str(self._told[0]), seconds=self._seconds(now_s)))
            self._told = None
        if current is not None and self._told is None and now_s - current[1] > HANGS_S:
            self._told = current
            meaning = f"the file system has not answered for {HANGS_S:g} s; until it does, {self._meaning}"
            remedy = "look at the disk or the network share"
            log.error("disk_hangs", extra=fields(cause=self._name, path=str(current[0]), meaning=meaning, remedy=remedy))

    def _seconds(self, now_s: float) -> float:
        return round(now_s - self._told[1], 1) if self._told is not None else 0.0


class BriefCalls:
    """
    For the event loop itself, where the answer is wanted at once and is not worth much: waits for BRIEFLY_S at most, and not at
    all while the call before hangs.
    """

    def __init__(self, name: str, meaning: str) -> None:
        self._thread = DiskThread(name, meaning)
        self._hanging: Future[Any] | None = None

    def make(self, path: Path, call: Callable[[], _Result]) -> _Result:
        """What the call returns. Raises what it raises, and TimeoutError if that takes too long: then its result is lost."""
        hanging = self._hanging
        if hanging is not None:
            self._thread.check(time.monotonic())
            if not hanging.done():
                raise TimeoutError
            self._hanging = None
        done = self._thread.submit(path, call)
        try:
            return done.result(BRIEFLY_S)
        except TimeoutError:
            if not done.done():
                self._hanging = done
            raise


class DiskReader:
    """For coroutines that want something of a file now and then. `name`: of the thread."""

    def __init__(self, name: str) -> None:
        self._thread = DiskThread(name, "what needs its files waits")
        self._under_way: Future[Any] | None = None

    async def read(self, path: Path, call: Callable[[], _Result]) -> _Result:
        """
        What the call returns. Raises what it raises, and OSError if the file system does not answer.

        A call that hangs is not made again before it has ended: whoever asks meanwhile waits for its end, too.
        """
        try:
            async with asyncio.timeout(HANGS_S):
                if self._under_way is not None and not self._under_way.done():
                    with suppress(Exception):  # that is for whoever asked for it
                        await asyncio.shield(asyncio.wrap_future(self._under_way))
                self._under_way = done = self._thread.submit(path, call)
                return await asyncio.wrap_future(done)
        except TimeoutError:
            raise OSError(errno.EIO, f"the file system has not answered for {HANGS_S:g} s", str(path)) from None

    async def look_at(self, paths: Iterable[Path]) -> None:
        """
        Before a library reads these files on the event loop. Raises OSError if one does not answer: whether it is there, and what
        is in it, is for the library to say.
        """
        there = list(paths)
        if there:
            await self.read(there[0], lambda: _open_and_close(there))


def _open_and_close(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO is not waited for
            try:
                os.read(descriptor, 1)
            finally:
                os.close(descriptor)


async def in_thread(thread: DiskThread, path: Path, call: Callable[[], _Result]) -> _Result:
    """What the call returns, after those that were submitted before it. One whose caller gives up before its turn is not made."""
    return await asyncio.wrap_future(thread.submit(path, call))


def _make(call: Callable[[], _Result], done: Future[_Result], at_end: Callable[[], None] = lambda: None) -> None:
    if not done.set_running_or_notify_cancel():  # nobody waits for it any more
        at_end()
        return
    try:
        result = call()
    except BaseException as error:  # whoever asks for the result gets it
        at_end()
        done.set_exception(error)
    else:
        at_end()
        done.set_result(result)
