"""
The load simulator: N vehicles over mutual TLS and M dashboards on one server of ours, and how much it can take.

Vehicles and dashboards are played by the compiled tool (load/readers.c): the real binary protocol, `real` payloads of about
300 bytes as dashboards see them, each vehicle on its own certificate (two messages a second are the most that a real one sends).
The server has core 0, the load core 1. A rate holds if nothing was lost, nothing came out of order, everything was acknowledged,
the rate was reached, and p99 stayed under the limit; `--find` looks for the highest one that does.

    python -m bench.fan_out.simulator [--vehicles 100] [--dashboards 100] [--rate 1] [--seconds 5] [--find] [--json FILE]
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..support import certificates as tls
from ..support import load_tools, servers
from ..support.servers import Running

Figures = dict[str, Any]
EVENT_BYTES = 300
WARMUP_S = 1.0
REACHED = 0.97  # of the rate that was asked for: a tool that cannot keep up has found a limit too
CLOSE_ENOUGH = 1.1  # between the highest rate that held and the lowest that did not


@dataclass(frozen=True)
class Situation:
    """Who takes part; `rate`: messages a second of one vehicle."""

    vehicles: int
    dashboards: int
    seconds: float
    p99_ms: float

    def run(self, at: Running, certificates: Path, rate: float) -> Figures:
        ours = servers.teslafast()
        options: dict[str, load_tools.Option] = {
            "port": at.port,
            "server_pid": at.pid,
            "reader_path": ours.reader_path,
            "token": ours.token,
            "ca": str(certificates / "ca.pem"),
            "identities": str(certificates / "vehicles"),
            "publisher_tls": True,
            "reader_tls": True,
            "publishers": self.vehicles,
            "readers": self.dashboards,
            "rate": rate * self.vehicles,
            "warmup": WARMUP_S,
            "seconds": self.seconds,
        }
        with load_tools.started("readers", ours.dialect(EVENT_BYTES), **options) as process:
            _wait(process.poll, self.seconds + WARMUP_S, f"{rate:g}/s a vehicle")
            return load_tools.result(process)

    def faults(self, figures: Figures, rate: float) -> list[str]:
        """What kept this rate from holding, in words; empty if it held."""
        asked = rate * self.vehicles
        missing = figures["events"] - figures["acked"]
        named = {"lost": figures["lost"], "out of order": figures["disordered"], "not acknowledged": missing}
        found = [f"{count} {what}" for what, count in named.items() if count]
        if figures["events_per_s"] < REACHED * asked:
            found.append(f"{figures['events_per_s']:,.0f} of {asked:,.0f} messages a second were reached")
        if figures["p99_us"] > self.p99_ms * 1e3:
            found.append(f"p99 {figures['p99_us'] / 1e3:.1f} ms")
        return found


def _wait(ended: Any, seconds: float, label: str) -> None:
    """A bar on a terminal's stderr while the tool runs: it needs `seconds`, and some more to connect everybody."""
    started = time.monotonic()
    with click.progressbar(length=1000, label=f"{label:>20}", file=sys.stderr) as bar:
        while ended() is None:
            time.sleep(0.1)
            bar.update(max(0, min(999, int(1000 * (time.monotonic() - started) / seconds)) - bar.pos))
        bar.update(1000 - bar.pos)


def find(situation: Situation, at: Running, certificates: Path, rate: float) -> dict[float, tuple[Figures, list[str]]]:
    """Tries rates: doubled until one does not hold, then halving the distance. What was tried, by rate."""
    tried: dict[float, tuple[Figures, list[str]]] = {}
    holds, fails = 0.0, float("inf")
    while fails > holds * CLOSE_ENOUGH or not holds:
        figures = situation.run(at, certificates, rate)
        faults = situation.faults(figures, rate)
        tried[rate] = figures, faults
        holds, fails = (holds, min(fails, rate)) if faults else (max(holds, rate), fails)
        rate = rate * 2 if fails == float("inf") else (holds + fails) / 2
        if not holds and fails < 1e-2:
            break
    return tried


def summary(situation: Situation, rate: float, figures: Figures) -> str:
    return (
        f"{situation.vehicles:,} vehicles at {rate:g}/s and {situation.dashboards:,} dashboards, all over TLS: "
        f"{figures['events_per_s']:,.0f} messages/s in, {figures['deliveries_per_s']:,.0f} deliveries/s out\n"
        f"  latency p50 {figures['p50_us'] / 1e3:.2f}  p99 {figures['p99_us'] / 1e3:.2f}  p99.9 {figures['p999_us'] / 1e3:.2f} ms"
        f"   server CPU {figures['server_cpu_ns']:,.0f} ns a delivery"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=100)
    parser.add_argument("--dashboards", type=int, default=100)
    parser.add_argument("--rate", type=float, default=1.0, help="messages a second of one vehicle; with --find where it begins")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--p99-ms", type=float, default=250.0, help="a rate with a slower p99 does not hold")
    parser.add_argument("--find", action="store_true", help="look for the highest rate that holds")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    load_tools.build()
    situation = Situation(options.vehicles, options.dashboards, options.seconds, options.p99_ms)
    with tempfile.TemporaryDirectory(prefix="teslafast-certs-") as name:
        certificates = Path(name)
        tls.issue(certificates, options.vehicles)
        with servers.running(servers.teslafast(env=tls.server_env(certificates))) as at:
            if options.find:
                tried = find(situation, at, certificates, options.rate)
            else:
                figures = situation.run(at, certificates, options.rate)
                tried = {options.rate: (figures, situation.faults(figures, options.rate))}
    for rate, (figures, faults) in sorted(tried.items()):
        print(summary(situation, rate, figures))
        print(f"  {'did not hold: ' + ', '.join(faults) if faults else 'held'}")
    held = [rate for rate, (_, faults) in tried.items() if not faults]
    if options.find and held:
        print(f"\nhighest rate that held: {max(held):g}/s a vehicle, {max(held) * situation.vehicles:,.0f} messages/s in all")
    if options.json:
        rows = [{"rate": rate, "faults": faults, **figures} for rate, (figures, faults) in sorted(tried.items())]
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
