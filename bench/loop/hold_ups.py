"""
What holds the event loop up, and for how long: a fleet of 9,000 vehicles of 60 fields is known, and everything comes at once.

    vehicles page    one GET /vehicles
    snapshots        20 dashboards that want the snapshot of every vehicle
    merged replay    20 dashboards with since=0&interval=1000
    dashboards       500 of them connect in one moment
    cut              all vehicles lose the network in one moment (their process is killed)

Meanwhile a dashboard pings 200 times a second (probe.py); the figures are its longest wait, and the server's CPU in one wait,
which others on the machine do not change. The server has core 0, the load core 1. Vehicles have mutual TLS, dashboards none: so
the wait is the server's work, not the probe's.

    python -m bench.loop.hold_ups [--vehicles 9000] [--rounds 3]
"""

import argparse
import contextlib
import os
import selectors
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from teslafast.protocol.signals import FIELDS

from ..support import certificates as tls
from ..support import events, load_tools, servers
from ..support.servers import Running, Server
from .probe import Longest, Probe, open_websocket, upgrade

FIELDS_KNOWN = 60
KNOWN_RATE = 3000  # messages a second until each vehicle has sent some
BAR_MS = 50.0
PAUSE_S = 0.5  # between two of them
Act = Callable[[Running, subprocess.Popen[bytes]], contextlib.AbstractContextManager[object]]
TOKEN = servers.dashboard_token()
ALL_SNAPSHOTS, MERGED, QUIET = "/stream", "/stream?since=0&interval=1000", "/stream?snapshot=0"
SIXTY = tuple((name, "double_value", 20.5 + number) for number, name in enumerate(list(FIELDS)[1 : FIELDS_KNOWN + 1]))


def server(vehicle_port: int) -> Server:
    return servers.teslafast(
        env={"DASHBOARD_TLS": "false", "VEHICLE_PORT": str(vehicle_port), "NODE_ENV": "production", "RING_BYTES": "67108864"}
    )


@contextlib.contextmanager
def fleet(port: int, certificates: Path, vehicles: int, **options: load_tools.Option) -> Iterator[subprocess.Popen[bytes]]:
    """The vehicles, connected."""
    spoken: dict[str, load_tools.Option] = {
        "port": port,
        "publishers": vehicles,
        "ca": str(certificates / "ca.pem"),
        "identities": str(certificates / "vehicles"),
    }
    with load_tools.started("vehicles", events.envelope(SIXTY), **(spoken | options)) as process:
        assert process.stderr is not None
        if b"connected" not in process.stderr.readline():
            raise RuntimeError("the vehicles did not connect")
        yield process


@contextlib.contextmanager
def drinkers(port: int, path: str, count: int) -> Iterator[int]:
    """So many dashboards, each of which reads whatever comes as fast as it can, in a process of their own."""
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            _drink(port, path, count)
        os._exit(0)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _drink(port: int, path: str, count: int) -> None:
    ready = selectors.DefaultSelector()
    request = upgrade(path, TOKEN)
    for _ in range(count):  # all are sent before any is read: they come in one moment
        one = socket.create_connection(("127.0.0.1", port))
        one.sendall(request)
        ready.register(one, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if not key.fileobj.recv(1 << 20):  # type: ignore[union-attr]  # a socket
                ready.unregister(key.fileobj)


def get_vehicles(port: int) -> int:
    """One GET /vehicles, by a process of its own that has done before the probe goes on; its length."""
    with socket.create_connection(("127.0.0.1", port)) as page:
        page.sendall(f"GET /vehicles HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        size = 0
        while more := page.recv(1 << 20):
            size += len(more)
    return size


def measure(at: Running, act: Callable[[], contextlib.AbstractContextManager[object]], seconds: float) -> Longest:
    """What everybody waited for while `act` was under way."""
    probe = Probe(open_websocket(at.port, QUIET, TOKEN), at.pid)
    probe.run(0.2)
    with act():
        longest = probe.run(seconds)
    probe.connection.close()
    return longest


@contextlib.contextmanager
def _forked(work: Callable[[], object]) -> Iterator[None]:
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            work()
        os._exit(0)
    yield
    os.waitpid(child, 0)


@contextlib.contextmanager
def _killed(process: subprocess.Popen[bytes]) -> Iterator[None]:
    process.kill()
    yield


ACTS: dict[str, tuple[Act, float]] = {
    "vehicles page": (lambda at, fleet: _forked(lambda: get_vehicles(at.port)), 1.0),
    "snapshots": (lambda at, fleet: drinkers(at.port, ALL_SNAPSHOTS, 20), 4.0),
    "merged replay": (lambda at, fleet: drinkers(at.port, MERGED, 20), 6.0),
    "dashboards": (lambda at, fleet: drinkers(at.port, QUIET, 500), 2.0),
    "cut": (lambda at, fleet: _killed(fleet), 3.0),
}


def round_of(certificates: Path, vehicles: int, wanted: list[str]) -> dict[str, Longest]:
    vehicle_port = servers.free_port()
    figures: dict[str, Longest] = {}
    with servers.running(server(vehicle_port), **tls.server_env(certificates) | {"REQUEST_CLIENT_CERT": "false"}) as at:
        seconds = 2 * vehicles / KNOWN_RATE
        with fleet(vehicle_port, certificates, vehicles, rate=KNOWN_RATE, warmup=0.1, seconds=seconds) as process:
            load_tools.result(process)
        with fleet(vehicle_port, certificates, vehicles, seconds=600) as process:
            for what in wanted:
                act, seconds = ACTS[what]
                figures[what] = measure(at, partial(act, at, process), seconds)
                time.sleep(PAUSE_S)
    return figures


def report(vehicles: int, rounds: list[dict[str, Longest]]) -> str:
    """Markdown."""
    lines = [f"| {vehicles:,} vehicles of {FIELDS_KNOWN} fields | longest wait, ms | of it CPU, ms | bar |", "|---" * 4 + "|"]
    for what in rounds[0]:
        wait, cpu = (statistics.median(figures[what][part] for figures in rounds) for part in (0, 1))
        lines.append(f"| {what} | {wait:.0f} | {cpu:.0f} | {BAR_MS:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=9000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--acts", default=",".join(ACTS))
    parser.add_argument("--certificates", type=Path, help="keep them there for the next run: making 9,000 takes half a minute")
    options = parser.parse_args()
    load_tools.build()
    os.sched_setaffinity(0, {int(servers.LOAD_CORE)})
    rounds: list[dict[str, Longest]] = []
    with tempfile.TemporaryDirectory(prefix="teslafast-certs-") as name:
        certificates: Path = options.certificates or Path(name)
        if not (certificates / "ca.pem").exists():
            tls.issue(certificates, options.vehicles)
        for number in range(options.rounds):
            rounds.append(round_of(certificates, options.vehicles, options.acts.split(",")))
            line = "  ".join(f"{what} {longest.wait_ms:.0f} ({longest.cpu_ms:.0f})" for what, longest in rounds[-1].items())
            print(f"round {number + 1}  {line}", flush=True)
    print("\n" + report(options.vehicles, rounds))


if __name__ == "__main__":
    main()
