"""
How the cost grows: with dashboards, with vehicles, with filters; one picture, from one run.

    dashboards   100 to 10,000 that see everything, as fast as possible: CPU ns a delivery, beside raw C, NATS and Node ws
    vehicles     1 to 10,000 with mutual TLS, one message in flight each: CPU µs a message
    filters      2 to 200 dashboards, each of its own one of as many vehicles, 200 messages/s in all: CPU µs a delivery and intake

    python -m bench.growth [--rounds 3] [--output bench/results]
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from .fan_out import compare
from .fan_out.scenarios import OURS, Scenario
from .support import certificates as tls
from .support import load_tools, servers
from .vehicles import ingest

DASHBOARDS = (100, 300, 1000, 3000, 10_000)
VEHICLES = (1, 10, 100, 1000, 3000, 10_000)
FILTERS = (2, 6, 20, 60, 200)
BESIDE = (OURS, servers.RAW, servers.NATS, servers.NODE)
TITLES = {
    "dashboards": "CPU ns a delivery by dashboards, as fast as possible",
    "vehicles": "CPU µs a message by vehicles with mutual TLS",
    "filters": "CPU µs a delivery by dashboards of one vehicle each, intake counted",
}
Curves = dict[str, dict[str, dict[int, list[float]]]]  # what grows -> server -> how many -> one figure a round
Point = tuple[str, str, int, Callable[[], float]]


def points(certificates: Path) -> Iterator[Point]:
    for count in DASHBOARDS:
        for server in BESIDE:
            if not servers.missing(server):
                yield "dashboards", server.name, count, partial(dashboards, server, count, certificates)
    for count in VEHICLES:
        yield "vehicles", OURS.name, count, partial(vehicles, count, certificates)
    for count in FILTERS:
        yield "filters", OURS.name, count, partial(filters, count, certificates)


def dashboards(server: servers.Server, count: int, certificates: Path) -> float:
    scenario = Scenario("", {"readers": count, "window": 64, "seconds": 2})
    return compare.measure(scenario, server, certificates)["server_cpu_ns"]


def vehicles(count: int, certificates: Path) -> float:
    with servers.running(servers.teslafast(env=tls.server_env(certificates))) as at:
        return float(ingest.drive(at, certificates, "real", publishers=count, window=1, seconds=2)["server_cpu_us"])


def filters(count: int, certificates: Path) -> float:
    load: dict[str, load_tools.Option] = {"publishers": count, "readers": count, "rate": 200, "own_only": True, "seconds": 2}
    return compare.measure(Scenario("", load, reader_query="&vin={vin}"), OURS, certificates)["server_cpu_ns"] / 1e3


def run(rounds: int) -> Curves:
    curves: Curves = {}
    with tempfile.TemporaryDirectory(prefix="teslafast-certs-") as name:
        tls.issue(Path(name), vehicles=max(VEHICLES))
        for _ in range(rounds):
            for what, server, count, measure in points(Path(name)):
                figure = measure()
                curves.setdefault(what, {}).setdefault(server, {}).setdefault(count, []).append(figure)
                print(f"{what:12} {count:>7,} {server:24} {figure:>12,.1f}", flush=True)
    return curves


def plot(curves: Curves, path: Path) -> None:
    """ImportError without matplotlib (the `bench` extra)."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "teslafast"}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(curves), 1, figsize=(9, 3.4 * len(curves)), squeeze=False, layout="constrained")
    for (what, by_server), axis in zip(curves.items(), axes[:, 0], strict=True):
        for server, by_count in by_server.items():
            medians = [statistics.median(figures) for figures in by_count.values()]
            axis.plot(list(by_count), medians, marker="o", label=server, linewidth=2.5 if server == OURS.name else 1.2)
        axis.set_title(TITLES[what], loc="left")
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.legend(frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="write growth.json and growth.svg there")
    options = parser.parse_args()
    load_tools.build()
    curves = run(options.rounds)
    if options.output:
        options.output.mkdir(exist_ok=True)
        (options.output / "growth.json").write_text(json.dumps(curves, indent=1) + "\n")
        plot(curves, options.output / "growth.svg")


if __name__ == "__main__":
    main()
