"""
What a small cloud machine carries: one core, 256 MB, cars that send one message a second, and dashboards, all over TLS.

For each number of dashboards it looks for the most cars with which nothing was lost and p99 stayed under 50 ms. The server has
one core to itself and may allocate 256 MB (`prlimit --data`), the load runs on another. Cars are connected beforehand: their
handshakes, 2 ms of CPU each, are not part of the figure.

    python -m bench.small_machine [--dashboards 1,10,100,1000] [--most 4000] [--seconds 5]
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from .fan_out.simulator import Figures, Situation
from .support import certificates as tls
from .support import load_tools, servers

MEMORY_BYTES = 256 << 20
P99_MS = 50.0
RATE = 1.0  # messages a second of one car
FEWEST = 125
CLOSE_ENOUGH = 1.25  # between the most that held and the fewest that did not


def limited(certificates: Path) -> servers.Server:
    ours = servers.teslafast(env=tls.server_env(certificates))
    return replace(ours, command=lambda port, folder: ["prlimit", f"--data={MEMORY_BYTES}", *ours.command(port, folder)])


def holds(cars: int, dashboards: int, seconds: float, certificates: Path) -> tuple[Figures, list[str]]:
    """One run against a fresh server; what kept it from holding."""
    situation = Situation(cars, dashboards, seconds, P99_MS)
    with servers.running(limited(certificates)) as at:
        figures = situation.run(at, certificates, RATE)
    return figures, situation.faults(figures, RATE)


def most_cars(dashboards: int, most: int, seconds: float, certificates: Path) -> tuple[int, Figures]:
    """0 if not even FEWEST hold."""
    held, fails, best, cars = 0, most * 2, dict[str, float](), FEWEST
    while cars <= most and fails > held * CLOSE_ENOUGH:
        figures, faults = holds(cars, dashboards, seconds, certificates)
        print(f"{cars:>6,} cars, {dashboards:>5,} dashboards: {', '.join(faults) or 'held'}", flush=True)
        if faults:
            fails = cars
        else:
            held, best = cars, figures
        if held == most or (faults and not held):
            break
        cars = min(most, cars * 2) if fails > most else (held + fails) // 2
    return held, best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dashboards", default="1,10,100,1000")
    parser.add_argument("--most", type=int, default=4000, help="cars: each has a certificate of its own, and connects")
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    load_tools.build()
    lines = ["| dashboards | cars at 1 message/s | p50 ms | p99 ms | core used |", "|---" * 5 + "|"]
    with tempfile.TemporaryDirectory(prefix="teslafast-certs-") as name:
        tls.issue(Path(name), options.most)
        for dashboards in map(int, options.dashboards.split(",")):
            cars, figures = most_cars(dashboards, options.most, options.seconds, Path(name))
            p50, p99, busy = (figures.get(key, 0.0) for key in ("p50_us", "p99_us", "server_busy"))
            lines.append(f"| {dashboards:,} | {cars:,} | {p50 / 1e3:.1f} | {p99 / 1e3:.1f} | {busy:.0%} |")
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
