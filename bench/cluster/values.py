"""
What it costs to tell a node that joins all last values: two nodes in one process, and one real NATS server on loopback.

    python -m bench.cluster.values [--vehicles 10000] [--fields 60]

One node knows so many vehicles; the other reads a small part of the log, as its ring is small. Seconds are wall time. `longest
part` is what the giver's loop was held up by at most; the taker lets nobody in meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uvloop
from teslafast.cluster.batch import Entry
from teslafast.cluster.shared_values import SharedValues
from teslafast.config import Settings
from teslafast.core.records import DATA
from teslafast.protocol.signals import FIELDS
from teslafast.server.assemble import assembled
from teslafast.server.clustered import ClusteredServer
from tests.support.nats_servers import NatsServers
from tests.support.peer_messages import payload
from tests.support.peers import SECRET

from bench.cluster.following import joined


def node(url: str, ring: str) -> ClusteredServer:
    environment = {"NODE_ENV": "development", "JWT_SECRET": SECRET, "CLUSTER_URL": url, "CLUSTER_REPLICAS": "1"}
    settings = Settings.from_env(environment | {"RING_BYTES": ring, "MAX_FRAME_BYTES": "100000"})
    loop = asyncio.get_running_loop()
    server = ClusteredServer(settings, assembled(settings, loop)[0], loop)
    server.start()
    return server


class Watched(SharedValues):
    """Notes how long each part took to be made."""

    longest_s = 0.0

    def part(self, after: int, most_bytes: int, enough: Callable[[], bool]) -> bytes:
        began_s = time.perf_counter()
        made = super().part(after, most_bytes, enough)
        Watched.longest_s = max(Watched.longest_s, time.perf_counter() - began_s)
        return made


async def told(url: str, vehicles: int, fields: int) -> None:
    giver = node(url, "256MiB")
    await joined(giver.backplane)
    record = payload({name: {"doubleValue": 0.5 + place} for place, name in enumerate(FIELDS[1 : fields + 1])})
    for number in range(vehicles):
        giver.backplane.node.submit(Entry(DATA, f"5YJ3E1EA7KF{number:06}", b"%d" % number, record, 0), None)
        if number % 100 == 0:
            await asyncio.sleep(0.01)
    await giver.settle(60)
    giver.backplane.values.__class__ = Watched
    began_s, cpu_s = time.perf_counter(), time.process_time()
    taker = node(url, "1MiB")
    await joined(taker.backplane)
    seconds, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    values = [server.backplane._hub.last_values for server in (giver, taker)]
    same = all(values[1].get(vin).values == values[0].get(vin).values for vin in values[0].vins())  # type: ignore[union-attr]
    parts = taker.backplane.node.peer_values.parts
    print(f"{len(values[1])} vehicles of {fields} fields in {parts} parts, the same: {same}")
    print(f"joined in {seconds:.2f} s, {cpu_s:.2f} s of CPU, longest part {Watched.longest_s * 1000:.1f} ms")
    for server in (giver, taker):
        server.stop()
        await server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vehicles", type=int, default=10_000)
    parser.add_argument("--fields", type=int, default=60)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, NatsServers(Path(folder)) as nats:
        uvloop.run(told(nats.url, asked.vehicles, asked.fields))


if __name__ == "__main__":
    main()
