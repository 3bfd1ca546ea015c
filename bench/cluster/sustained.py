"""
Whether two nodes keep up with so many events a second over three real NATS servers: vehicles on one, dashboards on the other.

    python -m bench.cluster.sustained [--rate 5000] [--seconds 20] [--servers 3] [--always]

Ends with 1 if an event was lost or out of order, if fewer came than were asked for, or if what waits to be stored has grown.
CPU is that of each process, as a fraction of a core: it says how much of a quiet machine this takes. `--always`: NATS writes to
the disk before it answers.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.nats_servers import NatsServers
from tests.support.servers import Process

from ..support import load_tools, servers
from .all_cores import cpu_ns

VEHICLES = 100
DASHBOARDS = 10
LEAST_OF_RATE = 0.98  # of the events asked for: the load tool's own clock
UNSTORED_AT_MOST = 1 << 20  # bytes that wait for the log at any moment: a quarter of what would hold vehicles up


class Watch:
    """Looks at a node's /health while the block runs: the most that has waited to be stored."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/health"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.unstored = 0

    def _look(self) -> None:
        while not self._over.wait(0.2):
            with urllib.request.urlopen(self._url) as answer:  # noqa: S310 — our own
                self.unstored = max(self.unstored, json.load(answer)["cluster"]["unstored"])

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def load_between(taking: Process, following: Process, **load: load_tools.Option) -> dict[str, Any]:
    """The load tool's figures: vehicles on one node, dashboards on the other, whose CPU is counted."""
    ours = servers.teslafast()
    return load_tools.run(
        "readers",
        ours.dialect(300),
        port=following.place.port,
        publisher_port=taking.place.port,
        server_pid=following.process.pid,
        reader_path=ours.reader_path,
        publisher_path=ours.publisher_path,
        token=ours.token,
        **load,
    )


def measured(folder: Path, asked: argparse.Namespace) -> tuple[dict[str, Any], dict[str, float], int]:
    """The load tool's figures; CPU by process, as a fraction of a core; the most bytes that were unstored."""
    with NatsServers(folder, asked.servers, always=asked.always) as nats, ExitStack() as stack:
        settings = {"CLUSTER_URL": nats.url, "CLUSTER_REPLICAS": str(asked.servers), "JWT_SECRET": servers.SECRET}
        nodes = [stack.enter_context(Process(None, LOG_LEVEL="info", **settings)) for _ in range(2)]
        for node in nodes:
            node.lines.wait_for("cluster_joined")
        taking, following = nodes
        pids = {"taking node": taking.process.pid, "following node": following.process.pid}
        pids |= {f"nats {number}": process.pid for number, process in enumerate(nats.processes) if process is not None}
        began_s, began = time.monotonic(), {name: cpu_ns(pid) for name, pid in pids.items()}
        with Watch(taking.place.port) as watch:
            figures = load_between(
                taking, following, readers=DASHBOARDS, publishers=VEHICLES, rate=asked.rate, warmup=2, seconds=asked.seconds
            )
        took_ns = (time.monotonic() - began_s) * 1e9
        cpu = {name: (cpu_ns(pid) - began[name]) / took_ns for name, pid in pids.items()}
    return figures, cpu, watch.unstored


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=5000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--always", action="store_true")
    asked = parser.parse_args()
    load_tools.build()
    with tempfile.TemporaryDirectory() as folder:
        figures, cpu, unstored = measured(Path(folder), asked)
    print(
        f"{figures['events_per_s']:,.0f} events/s of {asked.rate:,.0f} for {asked.seconds:.0f} s, to dashboards on the other node"
    )
    print(f"p50 {figures['p50_us'] / 1e3:.2f} ms, p99 {figures['p99_us'] / 1e3:.2f} ms; {unstored:,} bytes unstored at most")
    print("CPU, of a core: " + ", ".join(f"{name} {share:.2f}" for name, share in cpu.items()))
    faults = {name: figures[name] for name in ("lost", "disordered", "closed", "ack_errors") if figures[name]}
    if figures["events_per_s"] < LEAST_OF_RATE * asked.rate:
        faults["too few"] = figures["events_per_s"]
    if unstored > UNSTORED_AT_MOST:
        faults["unstored"] = unstored
    print(f"faults: {faults}" if faults else "nothing lost, nothing out of order, no backlog")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
