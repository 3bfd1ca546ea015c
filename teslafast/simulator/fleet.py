"""
A fleet of simulated vehicles: started one after the other and never in step, driven, settled, summed up.

The first vehicle's first attempt to connect must succeed, so that a wrong URL or certificate ends the run at once; later failures
are tried again with a back-off. `simulate` ends when its time is over or `stop` is set. It then waits a bounded time for the
answers that are due, sends again what a lost connection had not delivered, and closes. The summary counts every message once
(ack_tracker.py).
"""

import asyncio
import math
import resource
import signal
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs

from picows import WSError

from ..errors import Misconfigured
from ..websocket.address import websocket_url
from ..websocket.connect_error import connect_error
from .chaos import parse_chaos
from .identities import Identity, identities
from .simulated_vehicle import VEHICLE_REMEDIES, SimulatedVehicle
from .simulation import Simulation
from .summary import Summary

SETTLE_S = 10.0  # longer than a server takes to recover from a full backlog, shorter than a user's patience
STARTS_PER_S = 200  # one core of a server completes about this many mutual TLS handshakes a second
_LARGEST_GAP_S = 0.25  # a few vehicles with a long interval start soon all the same
_PROGRESS_S = 0.5  # a figure that changes more often cannot be read
_GOLDEN_RATIO = 0.618033988749895  # its multiples modulo 1 spread any number of vehicles evenly over the day
_SPARE_FILES = 64  # for the loop, the terminal, and connections that overlap


class Fleet:
    """The vehicles of one run and what they share."""

    def __init__(self, simulation: Simulation, members: Sequence[Identity]) -> None:
        self._simulation = simulation
        self._vehicles = [
            SimulatedVehicle(simulation, vin, number, number * _GOLDEN_RATIO % 1, context)
            for number, (vin, context) in enumerate(members)
        ]

    async def connect_first(self) -> None:
        """Raises Misconfigured if the first vehicle cannot connect."""
        try:
            await self._vehicles[0].connect()
        except (OSError, WSError) as error:
            raise connect_error(error, self._simulation.url, VEHICLE_REMEDIES) from None

    async def drive(self, duration_s: float | None, stop: asyncio.Event, report: Callable[[], None]) -> None:
        """
        Drives until the duration is over, until `stop` is set, or until the server has refused every vehicle. The duration begins
        once every vehicle has tried to connect. Raises what a drive raises.
        """
        gap_s = min(max(1 / STARTS_PER_S, self._simulation.interval_s / len(self._vehicles)), _LARGEST_GAP_S)
        driving = asyncio.gather(*(vehicle.drive(number * gap_s) for number, vehicle in enumerate(self._vehicles)))
        stopped: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
        end_s = math.inf
        try:
            while not driving.done() and not stopped.done() and (left_s := end_s - time.monotonic()) > 0:
                if duration_s is not None and end_s == math.inf and all(vehicle.has_tried for vehicle in self._vehicles):
                    end_s = time.monotonic() + duration_s
                    continue
                await asyncio.wait({stopped, driving}, timeout=min(_PROGRESS_S, left_s), return_when=asyncio.FIRST_COMPLETED)
                report()
        finally:
            stopped.cancel()
            driving.cancel()
            with suppress(asyncio.CancelledError):
                await driving

    async def settle(self, patience_s: float) -> None:
        """Waits for the answers that are due, at most for `patience_s`, and closes all connections."""
        await asyncio.gather(*(vehicle.settle(patience_s) for vehicle in self._vehicles))

    def close(self) -> None:
        for vehicle in self._vehicles:
            vehicle.close()

    def summary(self) -> Summary:
        return Summary.of(
            self._simulation.tally,
            vehicles=len(self._vehicles),
            connected=sum(vehicle.was_connected for vehicle in self._vehicles),
            seconds=time.monotonic() - self._simulation.started_s,
            failures=self._simulation.failures,
        )


async def simulate(
    url: str,
    *,
    vehicles: int = 1,
    interval_s: float = 1.0,
    duration_s: float | None = None,
    certs_dir: Path | None = None,
    chaos: str | Collection[str] = (),
    seed: int = 1,
    stop: asyncio.Event | None = None,
    on_progress: Callable[[Summary], None] | None = None,
) -> Summary:
    """Drives `vehicles` for `duration_s` after the last has tried to connect, or until `stop`. Raises Misconfigured."""
    kinds = parse_chaos(chaos if isinstance(chaos, str) else ",".join(chaos))
    parts = websocket_url(url)
    _check(parts, vehicles, interval_s, certs_dir)
    simulation = Simulation(parts._replace(path="/", query="").geturl(), interval_s, kinds, seed)
    fleet = Fleet(simulation, identities(parts, vehicles, certs_dir))
    await fleet.connect_first()

    def report() -> None:
        if on_progress is not None:
            on_progress(fleet.summary())

    try:
        await fleet.drive(duration_s, stop or asyncio.Event(), report)
        await fleet.settle(SETTLE_S)
    finally:
        fleet.close()
    return fleet.summary()


def run(url: str, **options: Any) -> Summary:
    """`simulate` on an event loop of its own. Ctrl-C ends the run with its summary; a second Ctrl-C ends it at once."""

    async def interruptible() -> Summary:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()

        def interrupted() -> None:
            stop.set()
            loop.remove_signal_handler(signal.SIGINT)

        loop.add_signal_handler(signal.SIGINT, interrupted)
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        return await simulate(url, stop=stop, **options)

    try:
        import uvloop
    except ImportError:  # there is no uvloop for some platforms
        return asyncio.run(interruptible())
    return uvloop.run(interruptible())


def _check(parts: SplitResult, vehicles: int, interval_s: float, certs_dir: Path | None) -> None:
    if parts.path not in ("", "/"):
        raise Misconfigured("URL", f"vehicles do not connect to {parts.path}", "leave the path out: vehicles connect to /")
    if parts.scheme == "wss" and certs_dir is None:
        remedy = "give --certs DIR, made by `teslafast certs init DIR --hostname HOST`"
        raise Misconfigured("--certs", "with wss:// a vehicle needs a certificate", remedy)
    if vehicles < 1:
        raise Misconfigured("--vehicles", f"{vehicles} is not a number of vehicles", "give a number from 1 up")
    if vehicles > 1 and "vin" in parse_qs(parts.query):
        raise Misconfigured("--vehicles", "the URL names one VIN", "leave `vin=` out of the URL, or simulate one vehicle")
    if not interval_s > 0:
        raise Misconfigured("--interval", f"{interval_s:g} s is not an interval", "give more than 0, for example 1s")
    allow_files(vehicles + _SPARE_FILES)


def allow_files(count: int) -> None:
    """Raises the process's limit of open files to `count`. Raises Misconfigured if the system does not allow that many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
        except (ValueError, OSError):
            remedy = f"simulate fewer vehicles, or raise the limit (ulimit -Hn {count})"
            raise Misconfigured("--vehicles", f"{count} open files are needed, {hard} are allowed", remedy) from None
