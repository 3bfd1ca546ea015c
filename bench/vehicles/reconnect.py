"""
A whole fleet comes back at once: how long until all are connected, and what dashboards feel meanwhile.

All vehicles are cut off without a close and connect again in the same moment: once resuming their TLS sessions, once without.
Meanwhile ten dashboards watch another vehicle's 100 events a second. The time is compared with what the handshakes alone would
take: the server's half by OpenSSL (handshake.py), one after the other, the least that one core can need.

    python -m bench.vehicles.reconnect [--vehicles 5000]
"""

import argparse
import tempfile
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


def come_back(
    server: Server, at: Running, certificates: Path, vehicles: int, cold: bool, watch_s: float
) -> tuple[Figures, Figures]:
    """Figures of the vehicles, and of dashboards that are measured from the cut on for `watch_s`."""
    tls: dict[str, load_tools.Option] = {"ca": str(certificates / "ca.pem"), "identities": str(certificates / "vehicles")}
    fleet: dict[str, load_tools.Option] = {"publishers": vehicles, "first": 1, "settle": QUIET_S, "reconnect": True, "cold": cold}
    where: dict[str, load_tools.Option] = {"port": at.port, "server_pid": at.pid}
    with load_tools.started("vehicles", events.envelope(events.REAL), **(where | fleet | tls)) as process:
        assert process.stderr is not None
        process.stderr.readline()
        seen = load_tools.fan_out(server, at, 300, **(WATCH | tls | {"publisher_path": "/", "seconds": watch_s}))
        return load_tools.result(process), seen


def report(what: str, alone_s: float, full_s: float, back: Figures, seen: Figures) -> str:
    took = back["reconnect_s"]
    return (
        f"{what}: {back['vehicles']:,} vehicles back after {took:.2f} s, {back['resumed']:,} sessions resumed; "
        f"that is {took / alone_s:.2f} x the {alone_s:.2f} s of such handshakes alone, {took / full_s:.2f} x those of full ones\n"
        f"    server CPU {back['server_cpu_ms_per_reconnect']:.2f} ms a vehicle, "
        f"{back['kb_per_idle_vehicle']:.1f} KB an idle one\n"
        f"    dashboards: p50 {seen['p50_us'] / 1e3:.1f}, p99 {seen['p99_us'] / 1e3:.1f}, "
        f"p99.9 {seen['p999_us'] / 1e3:.1f} ms, lost {seen['lost']}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=5000)
    vehicles = parser.parse_args().vehicles
    load_tools.build()
    with tempfile.TemporaryDirectory(prefix="teslafast-certs-") as name:
        certificates = Path(name)
        tls.issue(certificates, vehicles + 1)
        ours = servers.teslafast(env=tls.server_env(certificates))
        for what, cold in (("resuming", False), ("in full", True)):
            alone_s = vehicles * handshake.cpu_s(certificates, resumed=not cold)
            full_s = alone_s if cold else vehicles * handshake.cpu_s(certificates, resumed=False)
            with servers.running(ours) as at:
                figures = come_back(ours, at, certificates, vehicles, cold, watch_s=max(1.0, 2 * alone_s))
            print(report(what, alone_s, full_s, *figures), flush=True)


if __name__ == "__main__":
    main()
