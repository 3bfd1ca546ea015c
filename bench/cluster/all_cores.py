"""
What a delivery costs with `serve --nodes 2`, against single processes: dashboards at 20 events a second (S3 of bench.fan_out).

    python -m bench.cluster.all_cores [--readers 1000] [--seconds 8] [--rounds 5]

One arm is two single processes with so many readers and a publisher each, the other two nodes with as many readers together and
one publisher; all server processes share one core, the load tools the other. CPU is that of the processes between two moments
while nothing but the events happens, so another load on the machine changes it little; a ratio is the median of the rounds',
which go back and forth through the arms.

A server that is kept waiting from one event to the next sends both in one write, which is cheaper. So the figures of a round
count only if p99 is far below 50 ms in both arms: on a quiet machine.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tests.support.nodes import children_of, command_of

from ..support import load_tools, servers
from ..support.servers import Running, Server

RATE = 20  # events a second
SETTLE_S = 4.0  # from the load tool's start until nobody connects any more


def cpu_ns(pid: int) -> int:
    """Of all threads of a process, in user code and in the kernel."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())


def measured(ours: Sequence[Server], readers: int, seconds: float) -> dict[str, float]:
    """What a process is → CPU ns a delivery, of all servers together. `readers`: of each."""
    with ExitStack() as stack:
        running = [stack.enter_context(servers.running(server)) for server in ours]
        for at in running:
            await_well(at)
        pids = [(name, pid) for at in running for name, pid in processes(at)]
        options = {"readers": readers, "rate": RATE, "warmup": 1, "seconds": SETTLE_S + seconds}
        loads = [
            stack.enter_context(load_tools.started("readers", server.dialect(300), **arguments(server, at), **options))
            for server, at in zip(ours, running, strict=True)
        ]
        time.sleep(SETTLE_S)
        began_s, began = time.monotonic(), [cpu_ns(pid) for _, pid in pids]
        time.sleep(seconds)
        took_s, ended = time.monotonic() - began_s, [cpu_ns(pid) for _, pid in pids]
        late_us = 0.0
        for load in loads:
            figures = load_tools.result(load)
            late_us = max(late_us, figures["p99_us"])
            faults = {name: figures[name] for name in ("lost", "disordered", "closed") if figures[name]}
            assert not faults, faults
    found = {"p99": late_us / 1e3}
    for (name, _), before, after in zip(pids, began, ended, strict=True):
        found[name] = found.get(name, 0.0) + (after - before) / (len(ours) * readers * RATE * took_s)
    return found


def await_well(at: Running) -> None:
    """Nodes have joined their log a moment after they listen."""
    until_s = time.monotonic() + servers.READY_S
    while time.monotonic() < until_s:
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(f"http://127.0.0.1:{at.port}/health"):
            return
        time.sleep(0.05)
    raise RuntimeError("the server does not become well")


def arguments(server: Server, at: Running) -> dict[str, load_tools.Option]:
    return {
        "port": at.port,
        "server_pid": at.pid,
        "reader_path": server.reader_path,
        "publisher_path": server.publisher_path,
        "token": server.token,
    }


def processes(at: Running) -> list[tuple[str, int]]:
    """What each is: the server that was started, and those that it has started itself."""
    children = [("nats" if "nats-server" in command_of(pid) else "server", pid) for pid in children_of(at.pid)]
    return [("server", at.pid), *children]


def of_nodes(folder: Path) -> Server:
    """The same server as two nodes."""
    single = servers.teslafast()
    command: Callable[[int, Path], list[str]] = lambda port, files: [*single.command(port, files), "--nodes", "2"]  # noqa: E731
    return replace(single, name="two nodes", command=command, env={**single.env, "NODES_STORE_PATH": str(folder)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    load_tools.build()
    rows: dict[str, list[float]] = {"two processes": [], "two nodes": [], "their nats": [], "ratio": [], "ratio with nats": []}
    late = []
    with tempfile.TemporaryDirectory() as folder:
        arms = [([servers.teslafast()] * 2, asked.readers), ([of_nodes(Path(folder))], 2 * asked.readers)]
        for number in range(asked.rounds):
            order = arms if number % 2 else arms[::-1]
            costs = {len(ours): measured(ours, readers, asked.seconds) for ours, readers in order}
            late.append(f"{costs[2]['p99']:.0f} and {costs[1]['p99']:.0f}")
            singles, nodes, nats = costs[2]["server"], costs[1]["server"], costs[1]["nats"]
            for name, value in zip(rows, (singles, nodes, nats, nodes / singles, (nodes + nats) / singles), strict=True):
                rows[name].append(value)
    for name, found in rows.items():
        unit = "" if name.startswith("ratio") else " ns of CPU a delivery"
        digits = 3 if name.startswith("ratio") else 0
        print(f"{name}: {statistics.median(found):.{digits}f}{unit} ({min(found):.{digits}f} to {max(found):.{digits}f})")
    print(f"p99 in ms, two processes and two nodes, of each round: {', '.join(late)}")


if __name__ == "__main__":
    main()
