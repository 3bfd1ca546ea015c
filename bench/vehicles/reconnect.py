"""
A whole fleet comes back at once: how long until all are connected, and what dashboards feel meanwhile.

    resuming         all are cut off without a close, and connect again in the same moment
    in full          the same, but none of them resumes its TLS session
    after a restart  the server has just started: it knows none of them, their addresses neither, and they resume nothing

In the first two ten dashboards watch another vehicle's 100 events a second meanwhile. With `--round-trip-ms` the server is so far
from the vehicles (load/line.h): opening a connection then takes three round trips, one each for TCP, TLS 1.3 and the upgrade. Who
is turned away comes back after a pause that doubles from a second to half a minute, and is counted.

The least that one core needs is the CPU of the handshakes, or three round trips, whichever is more. The CPU is given twice: what
the server spent, and what OpenSSL's half of such handshakes takes alone (handshake.py).

    python -m bench.vehicles.reconnect [--vehicles 5000] [--round-trip-ms 0 [100 300 …]] [--to-an-address 1]
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..support import certificates as tls
from ..support import events, load_tools, servers
from ..support.servers import Running, Server
from . import handshake

Figures = dict[str, Any]
# From "connected" to the cut: dashboards come, and their first second does not count.
QUIET_S = 1.5
WATCH: dict[str, load_tools.Option] = {"readers": 10, "rate": 100, "warmup": 1, "settle": 0.1, "reader_tls": True}
ROUND_TRIPS = 3


@dataclass(frozen=True)
class Fleet:
    """`to_an_address`: so many vehicles share one; None: as many as have ports there."""

    certificates: Path
    vehicles: int
    round_trip_ms: float = 0
    to_an_address: int | None = None

    @property
    def tls(self) -> dict[str, load_tools.Option]:
        return {"ca": str(self.certificates / "ca.pem"), "identities": str(self.certificates / "vehicles")}

    def options(self, at: Running) -> dict[str, load_tools.Option]:
        where: dict[str, load_tools.Option] = {"port": at.port, "server_pid": at.pid, "round_trip_ms": self.round_trip_ms}
        return where | self.tls | {"publishers": self.vehicles, "first": 1, "returns": True, "to_an_address": self.to_an_address}


def come_back(server: Server, at: Running, fleet: Fleet, cold: bool, watch_s: float) -> tuple[Figures, Figures]:
    """Figures of the vehicles, and of dashboards that are measured from the cut on for `watch_s`."""
    options = fleet.options(at) | {"settle": QUIET_S, "reconnect": True, "cold": cold, "at_once": max(64, fleet.vehicles // 8)}
    with load_tools.started("vehicles", events.envelope(events.REAL), **options) as process:
        assert process.stderr is not None
        process.stderr.readline()
        seen = load_tools.fan_out(server, at, 300, **(WATCH | fleet.tls | {"publisher_path": "/", "seconds": watch_s}))
        return load_tools.result(process), seen


def come_to_a_new_server(at: Running, fleet: Fleet) -> Figures:
    options = fleet.options(at) | {"at_once": fleet.vehicles, "seconds": 0}
    return load_tools.run("vehicles", events.envelope(events.REAL), **options)


def report_vehicles(what: str, alone_s: float, fleet: Fleet, figures: Figures, phase: str) -> str:
    """`phase`: "connect" or "reconnect"."""
    took_s, trips_s = figures[f"{phase}_s"], ROUND_TRIPS * fleet.round_trip_ms / 1000
    cpu_ms = figures[f"server_cpu_ms_per_{phase}"]
    cpu_s = cpu_ms * fleet.vehicles / 1000
    return (
        f"{what}, {fleet.round_trip_ms:g} ms away: {fleet.vehicles:,} vehicles back after {took_s:.2f} s, "
        f"{figures['resumed']:,} sessions resumed, {figures[f'{phase}_returned']:,} times turned away\n"
        f"    {took_s / max(cpu_s, trips_s):.2f} x the server's CPU ({cpu_s:.2f} s, {cpu_ms:.2f} ms a vehicle), "
        f"{took_s / max(alone_s, trips_s):.2f} x such handshakes alone ({alone_s:.2f} s)"
        + (f"; three round trips: {trips_s:.2f} s" if trips_s else "")
        + f"\n    of one vehicle, from its last call on: half {figures[f'{phase}_p50_s']:.2f} s, "
        f"the slowest {figures[f'{phase}_slowest_s']:.2f} s"
    )


def report_dashboards(idle: Figures, seen: Figures) -> str:
    return (
        f"    {idle['kb_per_idle_vehicle']:.1f} KB an idle vehicle; "
        f"dashboards: p50 {seen['p50_us'] / 1e3:.1f}, p99 {seen['p99_us'] / 1e3:.1f}, "
        f"p99.9 {seen['p999_us'] / 1e3:.1f} ms, lost {seen['lost']}"
    )


def reports(fleet: Fleet, alone_s: dict[bool, float]) -> Iterator[str]:
    """`alone_s`: seconds that all of the fleet's handshakes take alone, by whether they resume."""
    server = servers.teslafast(env=tls.server_env(fleet.certificates))
    for what, cold in (("resuming", False), ("in full", True)):
        watch_s = max(1.0, 2 * alone_s[not cold]) + 2 * ROUND_TRIPS * fleet.round_trip_ms / 1000
        with servers.running(server) as at:
            back, seen = come_back(server, at, fleet, cold, watch_s)
        yield report_vehicles(what, alone_s[not cold], fleet, back, "reconnect")
        yield report_dashboards(back, seen)
    with servers.running(server) as at:
        back = come_to_a_new_server(at, fleet)
    yield report_vehicles("after a restart", alone_s[False], fleet, back, "connect")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=5000)
    parser.add_argument("--round-trip-ms", type=float, nargs="+", default=[0])
    parser.add_argument("--to-an-address", type=int)
    asked = parser.parse_args()
    load_tools.build()
    with tempfile.TemporaryDirectory(prefix="teslafast-certs-") as name:
        tls.issue(Path(name), asked.vehicles + 1)
        for round_trip_ms in asked.round_trip_ms:
            alone_s = {resumed: asked.vehicles * handshake.cpu_s(Path(name), resumed) for resumed in (True, False)}
            for line in reports(Fleet(Path(name), asked.vehicles, round_trip_ms, asked.to_an_address), alone_s):
                print(line, flush=True)


if __name__ == "__main__":
    main()
