"""
Two checkouts of this project, one against the other: did a change make the server slower?

Each round runs the server of the old checkout, that of the new one and the raw C program (peers/raw.c) in the fan-out scenarios
S2, S3 and S4, then the two servers with 100 vehicles over mutual TLS (`bench.vehicles.ingest`). Every other round goes through
the servers in reverse, so that a drift of the machine favours neither. A figure is the median of the rounds, and a ratio that of
each round's ratios. Only the servers differ: the load tools, the certificates and the raw C program are this checkout's.

A checkout is a directory with its own .venv, in which `python -m teslafast serve` runs.

    python -m bench.interleaved OLD NEW [--rounds 5] [--seconds 3]
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .fan_out import compare
from .fan_out.scenarios import SCENARIOS
from .support import certificates as tls
from .support import load_tools, servers
from .support.servers import Server
from .vehicles import ingest

OLD, NEW, RAW = "old", "new", "raw C"
FAN_OUT = ("S2", "S3", "S4")
INGEST = "ingest"
INGEST_ROW = "100 vehicles, 16 in flight, real"
# A run with one of these above zero measured something else than what it was meant to measure.
FAULTS = ("lost", "disordered", "ack_errors")

Figures = dict[str, float]
Rounds = dict[str, dict[str, list[Figures]]]  # what was run -> server -> one entry a round
Measure = Callable[[Server], Figures]


@dataclass(frozen=True)
class Row:
    """A line of the table. `scale` turns the load tool's unit into the one that is shown."""

    run: str
    key: str
    title: str
    scale: float = 1
    digits: int = 0


ROWS = (
    Row("S2", "deliveries_per_s", "S2: deliveries, thousands a second", 1e-3),
    Row("S2", "server_cpu_ns", "S2: CPU ns a delivery"),
    Row("S3", "server_cpu_ns", "S3: CPU ns a delivery"),
    Row("S3", "p50_us", "S3: p50 ms", 1e-3, 2),
    Row("S3", "p99_us", "S3: p99 ms", 1e-3, 2),
    Row("S4", "server_cpu_ns", "S4: CPU ns a delivery"),
    Row("S4", "p99_us", "S4: p99 ms", 1e-3, 2),
    Row("S4", "kb_per_idle_reader", "S4: KB an idle dashboard", digits=1),
    Row(INGEST, "server_cpu_us", "ingest: CPU µs a message", digits=2),
    Row(INGEST, "messages_per_s", "ingest: messages/s"),
    Row(INGEST, "p50_us", "ingest: ack p50 ms", 1e-3, 2),
    Row(INGEST, "p99_us", "ingest: ack p99 ms", 1e-3, 2),
)


def server_of(checkout: Path, name: str) -> Server:
    """The server of a checkout, run by the interpreter of its .venv. Ends the program if there is no such interpreter."""
    interpreter = checkout.resolve() / ".venv" / "bin" / "python"
    if not interpreter.is_file():
        sys.exit(f"{checkout}: there is no .venv/bin/python: run `make install` there")
    return servers.teslafast(name, interpreter=str(interpreter), checkout=checkout.resolve())


def measures(certificates: Path, seconds: float) -> Iterator[tuple[str, bool, Measure]]:
    """What a round consists of: a name, whether the raw C program takes part, and the function that runs it."""

    def fan_out(name: str) -> Measure:
        return lambda server: compare.measure(SCENARIOS[name], server, certificates)

    def vehicles(server: Server) -> Figures:
        with servers.running(server, **tls.server_env(certificates)) as at:
            return ingest.drive(at, certificates, "real", seconds=seconds, **ingest.ROWS[INGEST_ROW])

    for name in FAN_OUT:
        yield name, True, fan_out(name)
    yield INGEST, False, vehicles


def run(old: Server, new: Server, rounds: int, seconds: float) -> Rounds:
    results: Rounds = {}
    with tempfile.TemporaryDirectory(prefix="teslafast-certs-") as directory:
        certificates = Path(directory)
        tls.issue(certificates, vehicles=100)
        for number in range(rounds):
            contenders = {OLD: old, NEW: new, RAW: servers.RAW}
            for what, with_raw, measure in measures(certificates, seconds):
                for name in list(contenders) if number % 2 == 0 else reversed(contenders):
                    if name == RAW and not with_raw:
                        continue
                    results.setdefault(what, {}).setdefault(name, []).append(measure(contenders[name]))
                    print(f"round {number + 1}  {what:7} {name}", file=sys.stderr, flush=True)
    return results


def ratio(runs: dict[str, list[Figures]], key: str, one: str, other: str) -> str:
    """The median of the rounds' ratios; empty if one of the two was not measured."""
    pairs = zip(runs.get(one, []), runs.get(other, []), strict=False)
    ratios = [first[key] / second[key] for first, second in pairs if second[key]]
    return f"{statistics.median(ratios):.3f}" if ratios else ""


def table(results: Rounds) -> str:
    """Markdown, one line a figure, and one for what went wrong."""
    lines = [f"| median of the rounds | {OLD} | {NEW} | {RAW} | new/old | old/raw C | new/raw C |", "|---" * 7 + "|"]
    for row in ROWS:
        runs = results[row.run]
        medians = [
            f"{statistics.median(figures[row.key] for figures in runs[name]) * row.scale:,.{row.digits}f}" if name in runs else ""
            for name in (OLD, NEW, RAW)
        ]
        ratios = [ratio(runs, row.key, *pair) for pair in ((NEW, OLD), (OLD, RAW), (NEW, RAW))]
        lines.append("| " + " | ".join([row.title, *medians, *ratios]) + " |")
    counts = [f"{faults(results, name):.0f}" for name in (OLD, NEW, RAW)]
    return "\n".join([*lines, "| lost, out of order, wrong acks, in all | " + " | ".join(counts) + " | | | |"])


def faults(results: Rounds, server: str) -> float:
    """The sum of FAULTS over all runs of one server."""
    return sum(figures.get(key, 0) for runs in results.values() for figures in runs.get(server, []) for key in FAULTS)


def main() -> int:
    """Ends with 1 if a server lost an event or acknowledged one wrongly: then the figures mean nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="directory of the checkout to compare with")
    parser.add_argument("new", type=Path, help="directory of the checkout that has changed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="length of a vehicles' run; a scenario's is its own")
    options = parser.parse_args()
    old, new = server_of(options.old, OLD), server_of(options.new, NEW)
    load_tools.build()
    results = run(old, new, options.rounds, options.seconds)
    print(table(results))
    return 1 if faults(results, OLD) or faults(results, NEW) else 0


if __name__ == "__main__":
    sys.exit(main())
