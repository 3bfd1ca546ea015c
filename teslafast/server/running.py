"""A server's process: it runs until a signal, drains, and reports what nobody caught."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..config import Settings
from ..errors import Misconfigured
from ..logs import fields, log
from . import gc_policy
from .server import Server
from .terminal import StartingTerminal

if TYPE_CHECKING:
    from ..outputs.settings import OutputPlan
    from .upkeep import Upkeep

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
) -> None:
    """Runs a server until SIGTERM or SIGINT, then drains it; a second signal ends it at once. Raises Misconfigured."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_exception)
    server = Server(settings, loop, outputs=outputs, upkeep=upkeep)
    signalled = asyncio.Event()

    async def live() -> None:
        await signalled.wait()
        await server.drain()

    living = loop.create_task(live())

    def on_signal() -> None:
        if signalled.is_set():
            living.cancel()
        signalled.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    terminal = StartingTerminal()
    loop.add_signal_handler(signal.SIGHUP, lambda: on_signal() if terminal.has_gone() else server.renew_certificates())
    server.start()
    faults = _faults_of(server, living)
    on_listening(server.ports)
    gc_policy.settle(loop)
    await asyncio.wait([living])
    await _stop(server)
    if faults:
        raise faults[0]
    if not living.cancelled():
        living.result()
        server.finish()
    log.info("stopped", extra=fields(cleanly=not living.cancelled()))


async def _stop(server: Server) -> None:
    server.stop()
    for _ in range(TURNS_TO_END):
        await asyncio.sleep(0)
    if server.cluster is not None:
        await server.cluster.close()


def _faults_of(server: Server, living: asyncio.Task[None]) -> list[Misconfigured]:
    """Where it is kept what only the cluster's servers can tell: `living` ends with it."""
    faults: list[Misconfigured] = []

    def give_up(error: Misconfigured) -> None:
        faults.append(error)
        living.cancel()

    if server.cluster is not None:
        server.cluster.on_misconfigured = give_up
    return faults
