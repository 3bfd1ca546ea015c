"""
`make bench-peers`: our server and its peers in the same situations, in one run on one machine, so that ratios mean something.

The server is pinned to core 0, the load tool to core 1. Rounds are interleaved: every server once, then all of them again, so
that a slow minute of a shared machine falls on all. Every figure is the median of the rounds; a ratio is the median of each
round's ratio to the raw C bound (peers/raw.c). Server CPU per delivery is the steadiest figure: rates drift by a third.

    python -m bench.fan_out.compare [--rounds 3] [--scenarios S2,S3] [--servers teslafast,raw] [--output bench/results]
"""

import argparse
import datetime
import json
import platform
import statistics
import tempfile
from pathlib import Path
from typing import Any

from ..support import certificates as tls
from ..support import load_tools, servers
from ..support.servers import Server
from . import bars, plot
from .scenarios import SCENARIOS, Scenario

Figures = dict[str, float]
Rounds = dict[str, dict[str, list[Figures]]]  # scenario -> server -> one entry a round
REFERENCE = servers.RAW.name
MOST_VEHICLES = 32  # of a scenario with TLS


def measure(scenario: Scenario, server: Server, certificates: Path) -> Figures:
    """One run against a fresh server."""
    env, options = dict(scenario.env), dict(scenario.load)
    if scenario.tls:
        env |= tls.server_env(certificates)
        options |= {"ca": str(certificates / "ca.pem"), "identities": str(certificates / "vehicles"), "publisher_path": "/"}
    options["reader_path"] = server.reader_path + scenario.reader_query
    with servers.running(server, **env) as at:
        return load_tools.fan_out(server, at, scenario.size, **options)


def run(scenarios: dict[str, Scenario], wanted: list[str], rounds: int) -> Rounds:
    results: Rounds = {name: {} for name in scenarios}
    for server in {server.name: server for row in scenarios.values() for server in row.servers}.values():
        if lacking := servers.missing(server):
            print(f"left out: {server.name} needs {lacking}")
    with tempfile.TemporaryDirectory(prefix="teslafast-certs-") as name:
        certificates = Path(name)
        tls.issue(certificates, vehicles=MOST_VEHICLES)
        for number in range(rounds):
            for scenario, row in scenarios.items():
                for server in row.servers:
                    if not any(server.name.lower().startswith(start) for start in wanted) or servers.missing(server):
                        continue
                    figures = measure(row, server, certificates)
                    results[scenario].setdefault(server.name, []).append(figures)
                    print(f"round {number + 1}  {scenario:10} {server.name:32} {_line(figures)}", flush=True)
    return results


def _line(figures: Figures) -> str:
    return (
        f"{figures['deliveries_per_s']:>10,.0f}/s  {figures['server_cpu_ns']:>8,.0f} ns  p50 {figures['p50_us'] / 1e3:.2f}  "
        f"p99 {figures['p99_us'] / 1e3:.2f} ms  lost {figures['lost']:.0f}  disordered {figures['disordered']:.0f}"
    )


def median(runs: list[Figures], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def ratio(runs: list[Figures], reference: list[Figures] | None, key: str) -> float | None:
    """Median of the rounds' ratios; None without a reference."""
    if not reference:
        return None
    return statistics.median(ours[key] / theirs[key] for ours, theirs in zip(runs, reference, strict=True) if theirs[key])


COLUMNS = (
    "| server | deliveries/s | of raw | CPU ns each | of raw | p50 ms | p99 ms | KB per idle reader | memory growth MB | lost |"
)


def table(scenario: str, what: str, by_server: dict[str, list[Figures]]) -> str:
    """Markdown."""
    lines = [f"**{scenario}**: {what}", "", COLUMNS, "|---" * COLUMNS.count(" | ") + "|---|"]
    reference = by_server.get(REFERENCE)
    for name, runs in by_server.items():
        rate, cpu = ratio(runs, reference, "deliveries_per_s"), ratio(runs, reference, "server_cpu_ns")
        cells = [
            name,
            f"{median(runs, 'deliveries_per_s'):,.0f}",
            "" if rate is None else f"{rate:.2f}",
            f"{median(runs, 'server_cpu_ns'):,.0f}",
            "" if cpu is None else f"{cpu:.2f}",
            f"{median(runs, 'p50_us') / 1e3:.2f}",
            f"{median(runs, 'p99_us') / 1e3:.2f}",
            f"{median(runs, 'kb_per_idle_reader'):.1f}",
            f"{median(runs, 'growth_mb'):.1f}",
            f"{sum(run['lost'] for run in runs):.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def save(results: Rounds, directory: Path) -> None:
    """fan_out.json, with every round's figures, and its plot."""
    directory.mkdir(exist_ok=True)
    about: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "scenarios": {name: SCENARIOS[name].what for name in results},
    }
    (directory / "fan_out.json").write_text(json.dumps(about | {"rounds": results}, indent=1) + "\n")
    plot.fan_out(results, directory / "fan_out.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--servers", default="", help="beginnings of names")
    parser.add_argument("--output", type=Path, help="also write fan_out.json and fan_out.svg there, such as bench/results")
    options = parser.parse_args()
    load_tools.build()
    results = run(
        {name: SCENARIOS[name] for name in options.scenarios.split(",")}, options.servers.lower().split(","), options.rounds
    )
    for name, by_server in results.items():
        print("\n" + table(name, SCENARIOS[name].what, by_server))
    print(*bars.verdicts(results), sep="\n")
    if options.output:
        save(results, options.output)


if __name__ == "__main__":
    main()
