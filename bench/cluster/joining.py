"""
How long a node takes to join, and whether it disturbs those who are there: real nodes, real NATS servers on loopback.

    python -m bench.cluster.joining [--events 300000] [--batches 100,10,1] [--rounds 3]
    python -m bench.cluster.joining --disturbance [--events 300000] [--batches 1] [--rate 1000] [--seconds 10] [--rounds 3]

First form: the stream holds so many events, so many to a message (at a thousand events a second hardly more than one stands in
each); a process is started, and reads them all. Seconds are its own, as `cluster_joined`
tells them.

Second form: vehicles on one node, dashboards on another, three NATS servers; in every other window a third node joins, ends, and
joins again, all the time. It takes the CPU that nobody else wants (SCHED_IDLE), as if it had a machine of its own; NATS and the
other nodes do for it what they would do for any. The ratio is the median of the rounds' p99.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import uvloop
from teslafast.cluster.batch import EPOCH, BatchHead, Entry, packed
from teslafast.cluster.nats_answers import limits_of
from teslafast.cluster.nats_engine import NatsEngine
from teslafast.cluster.nats_session import NatsSession
from teslafast.config import Settings
from teslafast.core.records import DATA
from tests.support.nats_servers import NatsServers
from tests.support.peers import payload
from tests.support.servers import Process

from ..support import load_tools, servers
from .all_cores import cpu_ns
from .following import FIELDS, VEHICLES, follow
from .sustained import load_between

RING = "256MiB"  # keeps 300,000 events, so that all of them are read
WITHOUT_ANSWER = 50  # messages
DASHBOARDS, PUBLISHERS = 10, 20
WARM_UP_S = 5  # until the third node has loaded its code, and begun to read while others are at work


async def fill(url: str, replicas: int, events: int, batch: int) -> None:
    """A stream as nodes would have written it: an epoch, and messages of `batch` events by one run."""
    environment = {"NODE_ENV": "development", "JWT_SECRET": servers.SECRET, "CLUSTER_URL": url, "CLUSTER_REPLICAS": str(replicas)}
    settings = Settings.from_env(environment)
    session = NatsSession(settings)
    engine = NatsEngine(session, "TF", limits_of(settings))
    await session.connect()
    await engine.ask(engine.make_stream, 10)
    epoch, run, record = bytes(range(8)), bytes(range(8, 16)), payload(FIELDS)
    entries = [Entry(DATA, f"5YJ3E1EA7KF{number % VEHICLES:06}", b"%d" % number, record, 0) for number in range(events)]
    await engine.client.publish("tf.epoch", packed(BatchHead(EPOCH, epoch, 1, bytes(8), 0, 0, 0, 0), ()))
    # Nodes' messages have a header, too: theirs is refused by three servers while an earlier message is not answered.
    headers = {"Nats-Expected-Stream": "TF"}
    for number, first in enumerate(range(0, events, batch)):
        some = entries[first : first + batch]
        head = BatchHead(0, epoch, 1, run, number + 1, number + 1, first, len(some))
        if number % WITHOUT_ANSWER and first + batch < events:
            await engine.client.publish(f"tf.{run.hex()}", packed(head, some), headers=headers)
        else:  # and the answer waited for: JetStream drops what is too much at once
            await engine.client.request(f"tf.{run.hex()}", packed(head, some), timeout=10, headers=headers)
    written = await engine.ask(engine.look, 10)
    assert written.last == 1 + -(-events // batch), written
    await session.close()


def joined(url: str, replicas: int, events: int) -> tuple[float, float]:
    """Seconds, and µs of CPU an event."""
    with Process(None, CLUSTER_URL=url, CLUSTER_REPLICAS=str(replicas), RING_BYTES=RING, LOG_LEVEL="info") as node:
        began_ns = cpu_ns(node.process.pid)
        told = joined_line(node)
        spent_ns = cpu_ns(node.process.pid) - began_ns
        assert told["events"] == events, told
        return told["seconds"], spent_ns / events / 1000


def joined_line(node: Process) -> dict[str, Any]:
    for _ in range(9):  # on a machine that is busy with other things it may take a minute
        with contextlib.suppress(AssertionError):
            return node.lines.wait_for("cluster_joined")[0]
    return node.lines.wait_for("cluster_joined")[0]


def time_joins(asked: argparse.Namespace) -> None:
    for batch in asked.batches:
        with tempfile.TemporaryDirectory() as folder, NatsServers(Path(folder)) as nats:
            uvloop.run(fill(nats.url, 1, asked.events, batch))
            found = [joined(nats.url, 1, asked.events) for _ in range(asked.rounds)]
        seconds, cost = (statistics.median(column) for column in zip(*found, strict=True))
        print(
            f"{asked.events} events, {batch} to a message: joined in {seconds:.2f} s, {cost:.2f} µs of CPU an event", flush=True
        )


# ---- while others work


def join_for_ever(url: str, events: int) -> None:
    """What the third node's process does; a line for each time."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while True:
        print(uvloop.run(follow(url, events, replicas=3)), flush=True)


@contextlib.contextmanager
def joining(url: str, events: int, joins: list[str]) -> Iterator[None]:
    """A node joins again and again while the block runs."""
    command = [sys.executable, "-m", "bench.cluster.joining", "--events", str(events), "--for-ever", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield
        finally:
            process.kill()
            joins += process.stdout.read().splitlines()


def window(nodes: list[Process], rate: float, seconds: float) -> dict[str, Any]:
    """The load tool's figures: vehicles on the first node, dashboards on the second."""
    taking, following = nodes
    figures = load_between(
        taking, following, readers=DASHBOARDS, publishers=PUBLISHERS, rate=rate, warmup=WARM_UP_S, seconds=seconds
    )
    faults = {name: figures[name] for name in ("lost", "disordered", "closed", "ack_errors") if figures[name]}
    assert not faults, faults
    return figures


def disturb(asked: argparse.Namespace) -> None:
    load_tools.build()
    rows: dict[str, list[float]] = {"alone": [], "while one joins": [], "ratio": []}
    joins: list[str] = []
    with tempfile.TemporaryDirectory() as folder, NatsServers(Path(folder), 3) as nats, ExitStack() as stack:
        uvloop.run(fill(nats.url, 3, asked.events, asked.batches[0]))
        settings = {"CLUSTER_URL": nats.url, "CLUSTER_REPLICAS": "3", "JWT_SECRET": servers.SECRET, "LOG_LEVEL": "info"}
        nodes = [stack.enter_context(Process(None, **settings)) for _ in range(2)]
        for node in nodes:
            node.lines.wait_for("cluster_joined")
        for _ in range(asked.rounds):
            alone = window(nodes, asked.rate, asked.seconds)
            with joining(nats.url, asked.events, joins):
                disturbed = window(nodes, asked.rate, asked.seconds)
            values = (alone["p99_us"] / 1e3, disturbed["p99_us"] / 1e3, disturbed["p99_us"] / alone["p99_us"])
            medians = f"p50 {alone['p50_us'] / 1e3:.2f} and {disturbed['p50_us'] / 1e3:.2f} ms"
            print(f"{medians}, p99 {values[0]:.2f} and {values[1]:.2f} ms", flush=True)
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
    alone_ms, disturbed_ms, ratio = (statistics.median(found) for found in rows.values())
    print(f"{len(joins)} joins: p99 {alone_ms:.2f} ms without, {disturbed_ms:.2f} ms while one joins: {ratio:.2f} times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--batches", type=lambda text: [int(word) for word in text.split(",")], default=[100, 10, 1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--disturbance", action="store_true")
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--for-ever", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.for_ever:
        join_for_ever(asked.for_ever, asked.events)
    elif asked.disturbance:
        disturb(asked)
    else:
        time_joins(asked)


if __name__ == "__main__":
    main()
