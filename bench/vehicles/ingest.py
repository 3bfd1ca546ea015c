"""
Vehicles in over mutual TLS: our server against the same work done with well-kept Python packages (peers/vehicle_baseline.py).

A compiled load tool plays the vehicles: own certificate, VIN and txids, real masks, each reply compared byte for byte. The server
has core 0, the load core 1; rounds are interleaved, figures are medians, and a ratio is the median of the rounds' ratios.

    python -m bench.vehicles.ingest [--rounds 3] [--seconds 3] [--output bench/results]
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from ..support import certificates as tls
from ..support import events, load_tools, servers
from ..support.servers import Running, Server

Figures = dict[str, Any]
Rounds = dict[str, dict[str, list[Figures]]]  # row -> server -> one entry a round
OURS, BASELINE = "teslafast", "Python packages"
PAYLOADS = {"real": events.REAL, "small": events.SMALL}
IDLE = "1,000 vehicles, idle"  # with few of them, what the server allocates once hides what each costs
# What the vehicles do, by the row's name. The fourth is the one that counts; in the last the servers are far from busy.
ROWS: dict[str, dict[str, load_tools.Option]] = {
    "1 vehicle, 1 in flight, real": {"publishers": 1, "window": 1},
    "1 vehicle, 16 in flight, real": {"publishers": 1, "window": 16},
    "100 vehicles, 1 in flight, real": {"publishers": 100, "window": 1},
    "100 vehicles, 16 in flight, real": {"publishers": 100, "window": 16},
    "100 vehicles, 16 in flight, small": {"publishers": 100, "window": 16},
    "100 vehicles, 500 messages/s, real": {"publishers": 100, "rate": 500},
    IDLE: {"publishers": 1000, "seconds": 0.1},
}


def contenders(certificates: Path) -> list[Server]:
    def baseline(port: int, _: Path) -> list[str]:
        return [sys.executable, "-m", "bench.peers.vehicle_baseline", str(port), str(certificates)]

    return [servers.teslafast(OURS, tls.server_env(certificates)), Server(BASELINE, baseline)]


def drive(at: Running, certificates: Path, payload: str, **options: load_tools.Option) -> Figures:
    """One run of vehicles with certificates against a server that is up."""
    spoken: dict[str, load_tools.Option] = {
        "port": at.port,
        "server_pid": at.pid,
        "ca": str(certificates / "ca.pem"),
        "identities": str(certificates / "vehicles"),
    }
    return load_tools.run("vehicles", events.envelope(PAYLOADS[payload]), **(spoken | options))


def run(rounds: int, seconds: float) -> Rounds:
    results: Rounds = {row: {} for row in ROWS}
    with tempfile.TemporaryDirectory(prefix="teslafast-certs-") as name:
        certificates = Path(name)
        tls.issue(certificates, vehicles=1000)
        for number in range(rounds):
            for row, options in ROWS.items():
                for server in contenders(certificates):
                    payload = "small" if row.endswith("small") else "real"
                    with servers.running(server) as at:
                        figures = drive(at, certificates, payload, **({"seconds": seconds} | options))
                    results[row].setdefault(server.name, []).append(figures)
                    print(f"round {number + 1}  {row:36} {server.name:16} {_line(figures)}", flush=True)
    return results


def _line(figures: Figures) -> str:
    return (
        f"{figures['server_cpu_us']:>7.1f} µs  {figures['messages_per_s']:>8,.0f}/s  p50 {figures['p50_us']:,.0f} µs  "
        f"p99 {figures['p99_us']:,.0f} µs  errors {figures['ack_errors']}  not acked {figures['sent'] - figures['acked']}  "
        f"{figures['kb_per_idle_vehicle']:.1f} KB"
    )


def _median(runs: list[Figures], key: str) -> float:
    return statistics.median(float(run[key]) for run in runs)


def table(results: Rounds) -> str:
    """Markdown. The ratio is baseline : ours."""
    lines = ["| | server | CPU µs a message | ratio | messages/s | ack p50 µs | ack p99 µs | KB per vehicle |", "|---" * 8 + "|"]
    for row, by_server in results.items():
        pairs = zip(by_server[BASELINE], by_server[OURS], strict=True)
        ratios = [theirs["server_cpu_us"] / ours["server_cpu_us"] for theirs, ours in pairs if ours["server_cpu_us"]]
        for server, runs in by_server.items():
            cells = [
                row,
                server,
                f"{_median(runs, 'server_cpu_us'):.1f}",
                f"{statistics.median(ratios):.1f}" if ratios and server == OURS else "",
                f"{_median(runs, 'messages_per_s'):,.0f}",
                f"{_median(runs, 'p50_us'):,.0f}",
                f"{_median(runs, 'p99_us'):,.0f}",
                f"{_median(runs, 'kb_per_idle_vehicle'):.1f}" if row == IDLE else "",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--output", type=Path, help="also write vehicles.json there")
    options = parser.parse_args()
    load_tools.build()
    results = run(options.rounds, options.seconds)
    print("\n" + table(results))
    if options.output:
        options.output.mkdir(exist_ok=True)
        (options.output / "vehicles.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
