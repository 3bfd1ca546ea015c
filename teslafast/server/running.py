"""A server's process: it runs until a signal, drains, and reports what nobody caught."""

from __future__ import annotations

import asyncio
import math
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Settings
from ..disk_thread import DiskThread
from ..errors import Misconfigured
from ..logs import fields, log
from . import gc_policy
from .server import Server
from .terminal import StartingTerminal

if TYPE_CHECKING:
    from ..outputs.settings import OutputPlan
    from .lifeline import Lifeline
    from .upkeep import Upkeep

LOOK_AT_THE_END_S = 1.0  # whether the disk answers
DISK_AT_THE_END_S = 4.0  # beyond DRAIN_SECONDS: less than what `docker run --stop-timeout 30` leaves of its default
TURNS_TO_END = 10  # turns of the event loop: an aborted connection takes a few to report its end


def log_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's exception handler: a fault that reached the loop is one log line, like everything else."""
    error = context.get("exception")
    cause = type(error).__name__ if error is not None else "unknown"
    log.error("fault", extra=fields(cause=cause, what=str(context.get("message", ""))), exc_info=error)


async def serve(
    settings: Settings,
    outputs: Sequence[OutputPlan] = (),
    on_listening: Callable[[list[int]], object] = lambda ports: None,
    upkeep: Upkeep | None = None,
    lifeline: Lifeline | None = None,
) -> None:
    """
    Runs a server until SIGTERM or SIGINT, then drains it; a second signal ends it at once. Raises Misconfigured.

    lifeline    to the supervisor that has started this process: drains when it says so, and when it has gone
    """
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_exception)
    server = Server(settings, loop, outputs=outputs, upkeep=upkeep, lifeline=lifeline)
    ending = _Ending(loop, server)
    if lifeline is None:
        await _run(server, ending, on_listening)
        return
    await ending.follow(lifeline)
    try:
        await _run(server, ending, on_listening)
    finally:
        await lifeline.close()


async def _run(server: Server, ending: _Ending, on_listening: Callable[[list[int]], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.begin)
    terminal = StartingTerminal()
    loop.add_signal_handler(signal.SIGHUP, lambda: ending.begin() if terminal.has_gone() else server.renew_certificates())
    sys.dont_write_bytecode = (
        True  # what is imported from here on: on a full disk Python leaves half a file, which no start survives
    )
    server.start()
    faults = _faults_of(server, ending.living)
    on_listening(server.ports)
    gc_policy.settle(loop)
    await asyncio.wait([ending.living])
    await _stop(server)
    if faults:
        raise faults[0]
    if not ending.living.cancelled():
        ending.living.result()
        await _finish(server, ending)
    log.info("stopped", extra=fields(cleanly=not ending.living.cancelled()))


class _Ending:
    """`living`: done when the server has drained, cancelled when it has to stop at once; `at_once`: then."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Server) -> None:
        self._server = server
        self._begun = asyncio.Event()
        self.at_once = asyncio.Event()
        self._together = False
        self.drain_until_s = math.inf  # monotonic
        self.living = loop.create_task(self._live())

    async def _live(self) -> None:
        await self._begun.wait()
        self.drain_until_s = time.monotonic() + self._server.settings.drain_seconds
        await self._server.drain(self._together)

    def begin(self) -> None:
        if self._begun.is_set():
            self.living.cancel()
            self.at_once.set()
        self._begun.set()

    async def follow(self, lifeline: Lifeline) -> None:
        """The supervisor's words; without it there is no reason to go on, and, if the log was its own, nothing to drain into."""
        lifeline.on_drain = self._begin_together
        lifeline.on_end = self.living.cancel if lifeline.own_log else self._begin_together
        await lifeline.connect(asyncio.get_running_loop())

    def _begin_together(self) -> None:
        self._together = True
        self._begun.set()


async def _stop(server: Server) -> None:
    server.stop()
    for _ in range(TURNS_TO_END):
        await asyncio.sleep(0)
    while server.listeners.ending:  # noqa: ASYNC110 — it ends by turns of the loop
        await asyncio.sleep(0)
    if server.cluster is not None:
        await server.cluster.close()


async def _finish(server: Server, ending: _Ending) -> None:
    """
    Writes what is to be kept. A disk that does not answer is said, and waited for until DISK_AT_THE_END_S after DRAIN_SECONDS at
    most; a second signal ends that at once. Nothing that was acknowledged is lost by that: it is in the file.
    """
    settings = server.settings
    disk = DiskThread("end", "the process waits for it, but not for long; a second signal ends it at once")
    path = settings.journal_path or settings.state_path or Path()
    writing: asyncio.Future[Any] = asyncio.wrap_future(disk.submit(path, server.finish))
    hurried: asyncio.Future[Any] = asyncio.ensure_future(ending.at_once.wait())
    while not (writing.done() or hurried.done()) and time.monotonic() < ending.drain_until_s + DISK_AT_THE_END_S:
        await asyncio.wait([writing, hurried], timeout=LOOK_AT_THE_END_S, return_when=asyncio.FIRST_COMPLETED)
        disk.check(time.monotonic())
    hurried.cancel()
    if writing.done():
        writing.result()
    else:
        cause = "signal" if ending.at_once.is_set() else "disk_hangs"
        meaning = "the process ends before all is on the disk; what was acknowledged is in the journal"
        log.warning("not_finished", extra=fields(cause=cause, path=str(path), meaning=meaning))


def _faults_of(server: Server, living: asyncio.Task[None]) -> list[Misconfigured]:
    """Where it is kept what only the cluster's servers can tell: `living` ends with it."""
    faults: list[Misconfigured] = []

    def give_up(error: Misconfigured) -> None:
        faults.append(error)
        living.cancel()

    if server.cluster is not None:
        server.cluster.on_misconfigured = give_up
    return faults
