"""
A fleet of phantoms (phantom.py): set up, started one after the other and never in step, driven, settled, summed up.

The first vehicle's first call must succeed, so that a wrong address or certificate is said at once; after that, calls are
repeated with a back-off. `simulate` ends when its time is over or `stop` is set: it waits a bounded time for the answers that are
missing, tells again what a lost connection took with it, and hangs up. The summary counts every message once (ledger.py).
"""

import asyncio
import math
import resource
import signal
import ssl
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qs

from picows import WSError

from ..certificates.trust_store import add_trusted
from ..errors import Misconfigured
from ..vin import sample_vin
from ..websocket.address import websocket_url
from ..websocket.connect_error import connect_error
from .chaos import chosen
from .simulated_vehicle import REMEDIES, Fleet, Phantom
from .summary import Summary

if TYPE_CHECKING:
    from ..certificates.folder import VehicleFiles

SETTLE_S = 10.0
STARTS_PER_S = 200  # what one core of a server can take in of mutual TLS handshakes
_LARGEST_GAP_S = 0.25
_PROGRESS_S = 0.5
_GOLDEN = 0.618033988749895  # spreads any number of vehicles evenly over the day
_SPARE_FILES = 64


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
    """Drives `vehicles` for `duration_s` after the last has called, or until `stop`. Raises Misconfigured; see the module."""
    kinds = chosen(chaos if isinstance(chaos, str) else ",".join(chaos))
    parts = websocket_url(url)
    _check(parts, vehicles, interval_s, certs_dir)
    fleet = Fleet(parts._replace(path="/", query="").geturl(), interval_s, kinds, seed)
    phantoms = [
        Phantom(fleet, vin, number, number * _GOLDEN % 1, context)
        for number, (vin, context) in enumerate(_identities(parts, vehicles, certs_dir))
    ]
    try:
        await phantoms[0].call()
    except (OSError, WSError) as error:
        raise connect_error(error, fleet.url, REMEDIES) from None
    gap_s = min(max(1 / STARTS_PER_S, interval_s / vehicles), _LARGEST_GAP_S)
    driving = asyncio.gather(*(phantom.drive(number * gap_s) for number, phantom in enumerate(phantoms)))

    def summary() -> Summary:
        connected = sum(phantom.was_connected for phantom in phantoms)
        seconds = time.monotonic() - fleet.started_s
        return Summary.of(fleet.tally, vehicles=vehicles, connected=connected, seconds=seconds, failures=fleet.failures)

    def report() -> None:
        if on_progress is not None:
            on_progress(summary())

    try:
        await _until(duration_s, stop or asyncio.Event(), driving, phantoms, report)
        await asyncio.gather(*(phantom.settle(SETTLE_S) for phantom in phantoms))
    finally:
        for phantom in phantoms:
            phantom.hang_up()
    return summary()


def run(url: str, **options: Any) -> Summary:
    """`simulate` on a loop of its own, uvloop's if it is there. Ctrl-C ends it cleanly, a second one at once."""

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
    except ImportError:  # it is not made for every platform
        return asyncio.run(interruptible())
    return uvloop.run(interruptible())


async def _until(
    duration_s: float | None,
    stop: asyncio.Event,
    driving: "asyncio.Future[Any]",
    phantoms: list[Phantom],
    report: Callable[[], None],
) -> None:
    """
    Until the time is over (which begins when every vehicle has called once), somebody says stop, or nobody drives any more.
    What a drive raises is raised here.
    """
    stopped: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
    end_s = math.inf
    try:
        while not driving.done() and not stopped.done() and (left_s := end_s - time.monotonic()) > 0:
            if duration_s is not None and end_s == math.inf and all(phantom.has_called for phantom in phantoms):
                end_s = time.monotonic() + duration_s
                continue
            await asyncio.wait({stopped, driving}, timeout=min(_PROGRESS_S, left_s), return_when=asyncio.FIRST_COMPLETED)
            report()
    finally:
        stopped.cancel()
        driving.cancel()
        with suppress(asyncio.CancelledError):
            await driving


def _check(parts: SplitResult, vehicles: int, interval_s: float, certs_dir: Path | None) -> None:
    if parts.path not in ("", "/"):
        raise Misconfigured("URL", f"vehicles do not connect to {parts.path}", "leave the path away: it is /")
    if parts.scheme == "wss" and certs_dir is None:
        remedy = "give --certs DIR, made by `teslafast certs init DIR --hostname HOST`"
        raise Misconfigured("--certs", "with wss:// a vehicle needs a certificate", remedy)
    if vehicles < 1 or ("vin" in parse_qs(parts.query) and vehicles > 1):
        raise Misconfigured("--vehicles", f"{vehicles} cannot be", "give a number from 1 up; exactly 1 with a VIN in the URL")
    if not interval_s > 0:
        raise Misconfigured("--interval", f"{interval_s} cannot be", "give seconds, more than 0")
    allow_files(vehicles + _SPARE_FILES)


def allow_files(count: int) -> None:
    """So many files and sockets may be open. Raises Misconfigured if the system does not let us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
        except (ValueError, OSError):
            remedy = f"ask for fewer, or raise the limit (ulimit -Hn {count})"
            raise Misconfigured("--vehicles", f"{count} open files are needed, {hard} are allowed", remedy) from None


def _identities(parts: SplitResult, vehicles: int, certs_dir: Path | None) -> list[tuple[str, ssl.SSLContext | None]]:
    """VIN and TLS of each vehicle; no TLS for ws://."""
    if certs_dir is None:
        named = parse_qs(parts.query).get("vin")
        return [(vin, None) for vin in named or map(sample_vin, range(1, vehicles + 1))]
    from ..certificates import folder  # it imports cryptography, which takes its time

    with tempfile.TemporaryDirectory() as scratch:
        fleet = folder.vehicles(certs_dir, vehicles, Path(scratch))
        if parts.scheme == "ws":
            return [(vehicle.vin, None) for vehicle in fleet]
        return [(vehicle.vin, _context(certs_dir / "ca.pem", vehicle)) for vehicle in fleet]


def _context(ca: Path, vehicle: "VehicleFiles") -> ssl.SSLContext:
    """A vehicle's TLS: it trusts the `ca` of its config, or the system's if there is none, and shows its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca.exists():
        add_trusted(context, ca)
    else:
        context.load_default_certs()
    try:
        context.load_cert_chain(vehicle.certificate, vehicle.key)
    except OSError as error:  # ssl.SSLError is one
        fault = f"cannot be used with {vehicle.key.name} ({error})"
        raise Misconfigured(str(vehicle.certificate), fault, "make new ones with `teslafast certs init`") from None
    return context
