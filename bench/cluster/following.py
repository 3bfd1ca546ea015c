"""
What following the log costs a node, and how long one takes to join: no WebSockets, one real NATS server on loopback.

    python -m bench.cluster.following [--events 300000] [--batch 100] [--rounds 3]

A feeder fills the stream with records of eight fields; then a node joins and reads them all into ring, last values and registry.
CPU is the reading process's own, so another load on the machine changes it little; seconds are wall time.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import uvloop
from teslafast.cluster.backplane import ClusterBackplane
from teslafast.cluster.batch import Entry
from teslafast.config import Settings
from teslafast.core.records import DATA
from teslafast.server import gc_policy
from teslafast.server.assemble import assembled
from teslafast.server.clustered import ClusteredServer
from tests.support.nats_servers import NatsServers
from tests.support.peers import SECRET, payload

FIELDS = {
    "VehicleSpeed": {"floatValue": 65.5},
    "Soc": {"floatValue": 61.25},
    "Gear": {"stringValue": "D"},
    "Odometer": {"doubleValue": 12345.6},
    "Location": {"locationValue": {"latitude": 37.4, "longitude": -122.1}},
    "PackVoltage": {"floatValue": 380.5},
    "PackCurrent": {"floatValue": -12.5},
    "OutsideTemp": {"floatValue": 18.5},
}
VEHICLES = 1000


def node(url: str, replicas: int = 1) -> tuple[ClusteredServer, ClusterBackplane]:
    environment = {"NODE_ENV": "development", "JWT_SECRET": SECRET, "CLUSTER_URL": url, "CLUSTER_REPLICAS": str(replicas)}
    settings = Settings.from_env(environment | {"RING_BYTES": "256MiB"})
    loop = asyncio.get_running_loop()
    hub, _ = assembled(settings, loop)
    server = ClusteredServer(settings, hub, loop)
    server.start()
    return server, server.backplane


async def joined(backplane: ClusterBackplane) -> None:
    while not backplane.node.joined:  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def fill(url: str, events: int, batch: int) -> None:
    server, backplane = node(url)
    await joined(backplane)
    record = payload(FIELDS)
    vins = [f"5YJ3E1EA7KF{number:06}" for number in range(VEHICLES)]
    for number in range(events):
        backplane.node.submit(Entry(DATA, vins[number % VEHICLES], b"%d" % number, record, 0), None)
        if number % batch == 0:
            await asyncio.sleep(0)
            while backplane.node.writer.full:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    await server.settle(60)
    await server.leave(5)
    server.stop()
    await server.close()


async def follow(url: str, events: int, replicas: int = 1) -> tuple[float, float]:
    """Seconds until it has joined, and µs of CPU an event."""
    began_s, cpu_s = time.monotonic(), time.process_time()
    server, backplane = node(url, replicas)
    gc_policy.settle(asyncio.get_running_loop())
    await joined(backplane)
    seconds, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    read = backplane.node.follower.seq
    assert read >= events, f"{read} of {events}"
    server.stop()
    await server.close()
    return seconds, cpu_s / events * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, NatsServers(Path(folder)) as nats:
        uvloop.run(fill(nats.url, asked.events, asked.batch))
        found = [uvloop.run(follow(nats.url, asked.events)) for _ in range(asked.rounds)]
    seconds, cost = (statistics.median(column) for column in zip(*found, strict=True))
    print(f"{asked.events} events: joined in {seconds:.2f} s, {cost:.2f} µs of CPU an event (medians of {asked.rounds})")


if __name__ == "__main__":
    main()
