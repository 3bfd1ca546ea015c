"""
`make bench`: what the project promises, in under a minute, beside the figures that are committed (results/quick.json).

Rates differ from one machine to the next; ratios to the raw C program (peers/raw.c), which runs in the same minute, hardly do.
`--check` (`make bench-check`) compares the ratios with limits that are wide enough for a busy machine, and ends with 1 if one is
passed: for before a release, by hand. `--save` writes the figures to be committed: on a machine that nobody else uses.

    python -m bench.quick [--check] [--save] [--rounds 1]
"""

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from . import start
from .fan_out import compare
from .fan_out.scenarios import SCENARIOS
from .support import certificates as tls
from .support import load_tools, servers
from .vehicles import ingest

SAVED = Path(__file__).parent / "results" / "quick.json"
SECONDS = 2.0  # of each measured window
IDLE_VEHICLES = 300
Figures = dict[str, float]


@dataclass(frozen=True)
class Row:
    """`limit`: what `--check` allows, for ratios; None: it depends on the machine."""

    title: str
    key: str
    digits: int
    limit: float | None = None


ROWS = (
    Row("1,000 dashboards, as fast as possible: deliveries/s, of raw C's", "s2_rate", 2, 0.6),
    Row("the same: millions of deliveries a second", "s2_millions", 1),
    Row("1,000 dashboards, 20 events/s: CPU a delivery, of raw C's", "s3_cpu", 2, 1.4),
    Row("the same: CPU µs a delivery", "s3_us", 1),
    Row("100 dashboards, 200 events/s, intake counted: CPU, of raw C's", "few_cpu", 2, 1.8),
    Row("a message in over mutual TLS, 100 vehicles, 16 in flight: CPU µs", "message_us", 1),
    Row("the same of 100 vehicles at 500 messages/s in all: CPU µs", "lone_message_us", 0),
    Row("KB an idle dashboard", "dashboard_kb", 1, 5.0),
    Row("KB an idle vehicle with mutual TLS", "vehicle_kb", 1, 60.0),
    Row("/health after the start, s", "health_s", 2),
    Row("MB at rest", "rest_mb", 0, 45.0),
)


def one_round() -> Figures:
    with tempfile.TemporaryDirectory(prefix="teslafast-certs-") as name:
        certificates = Path(name)
        tls.issue(certificates, vehicles=IDLE_VEHICLES)
        return _fan_out(certificates) | _vehicles(certificates) | start.median(3)


def _fan_out(certificates: Path) -> Figures:
    def both(scenario: str) -> list[Figures]:
        row = replace(SCENARIOS[scenario], load=SCENARIOS[scenario].load | {"seconds": SECONDS})
        return [compare.measure(row, server, certificates) for server in (servers.teslafast(), servers.RAW)]

    (s2, raw_s2), (s3, raw_s3), (few, raw_few) = both("S2"), both("S3"), both("few")
    return {
        "s2_rate": s2["deliveries_per_s"] / raw_s2["deliveries_per_s"],
        "s2_millions": s2["deliveries_per_s"] / 1e6,
        "s3_cpu": s3["server_cpu_ns"] / raw_s3["server_cpu_ns"],
        "s3_us": s3["server_cpu_ns"] / 1e3,
        "few_cpu": few["server_cpu_ns"] / raw_few["server_cpu_ns"],
        "dashboard_kb": s3["kb_per_idle_reader"],
    }


def _vehicles(certificates: Path) -> Figures:
    def drive(**options: load_tools.Option) -> Figures:
        with servers.running(servers.teslafast(env=tls.server_env(certificates))) as at:
            return ingest.drive(at, certificates, "real", seconds=SECONDS, **options)

    return {
        "message_us": drive(publishers=100, window=16)["server_cpu_us"],
        "lone_message_us": drive(publishers=100, rate=500)["server_cpu_us"],
        "vehicle_kb": drive(publishers=IDLE_VEHICLES)["kb_per_idle_vehicle"],
    }


def table(figures: Figures, saved: Figures) -> str:
    lines = [f"{'':66} {'now':>8} {'committed':>10}"]
    for row in ROWS:
        known = f"{saved[row.key]:.{row.digits}f}" if row.key in saved else ""
        lines.append(f"{row.title:66} {figures[row.key]:>8.{row.digits}f} {known:>10}")
    return "\n".join(lines)


def passed_limits(figures: Figures) -> list[str]:
    """The rows that are worse than their limit: a rate that is lower, or anything else that is higher."""

    def worse(row: Row) -> bool:
        if row.limit is None:
            return False
        return figures[row.key] < row.limit if row.key == "s2_rate" else figures[row.key] > row.limit

    return [f"{row.title}: {figures[row.key]:.{row.digits}f}, the limit is {row.limit}" for row in ROWS if worse(row)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="end with 1 if a ratio is worse than its limit")
    parser.add_argument("--save", action="store_true", help="write results/quick.json")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    load_tools.build()
    rounds = [one_round() for _ in range(options.rounds)]
    figures = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
    saved: Figures = json.loads(SAVED.read_text()) if SAVED.exists() else {}
    print(table(figures, saved))
    if options.save:
        SAVED.write_text(json.dumps({row.key: round(figures[row.key], 4) for row in ROWS}, indent=1) + "\n")
    faults = passed_limits(figures) if options.check else []
    print(*faults, sep="\n", file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
