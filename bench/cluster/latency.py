"""
What the shared log adds to an event's way from a vehicle to a dashboard on another node; one server and two nodes, interleaved.

    python -m bench.cluster.latency [--servers 3] [--rate 500] [--seconds 6] [--rounds 3]

The clients are the same in both arms, so their share cancels out in the difference of the medians; p99 is the machine's, too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import orjson
from tests.support.nats_servers import NatsServers
from tests.support.peers import envelope, payload, token
from tests.support.servers import Process
from websockets.asyncio.client import connect

VEHICLES = 20
WARM_UP_S = 1.0


async def measured(vehicle_port: int, dashboard_port: int, rate: float, seconds: float) -> list[float]:
    """Milliseconds from a record's sending to its event's coming, for each record after the warm-up."""
    found: list[float] = []
    began_s = time.perf_counter()

    async def watch() -> None:
        headers = {"Authorization": f"Bearer {token()}"}
        address = f"ws://127.0.0.1:{dashboard_port}/stream?type=data&snapshot=0"
        async with connect(address, additional_headers=headers, ping_interval=None) as dashboard:
            async for message in dashboard:
                now_s = time.perf_counter()
                event = orjson.loads(message)
                if event["type"] == "data" and now_s > began_s + WARM_UP_S:
                    found.append((now_s - event["data"]["Odometer"]) * 1000)

    async def drive(number: int) -> None:
        vin = f"5YJ3E1EA7KF{number:06}"
        async with connect(f"ws://127.0.0.1:{vehicle_port}/?vin={vin}", ping_interval=None) as vehicle:
            reading = asyncio.create_task(_drain(vehicle))
            await asyncio.sleep(number / rate)
            while time.perf_counter() < began_s + WARM_UP_S + seconds:
                now_s = time.perf_counter()
                record = payload({"Odometer": {"doubleValue": now_s}, "Soc": {"floatValue": 61.5}})
                await vehicle.send(envelope(b"V", b"78ae54a58800468194dc95", record, vin))
                await asyncio.sleep(max(0.0, VEHICLES / rate - (time.perf_counter() - now_s)))
            reading.cancel()

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.2)
    await asyncio.gather(*(drive(number) for number in range(VEHICLES)))
    await asyncio.sleep(0.3)
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    return found


async def _drain(vehicle: object) -> None:
    async for _ in vehicle:  # type: ignore[attr-defined]
        pass


@contextlib.contextmanager
def arms(folder: Path, servers: int) -> Iterator[dict[str, tuple[int, int]]]:
    with NatsServers(folder, servers) as nats, ExitStack() as stack:
        alone = stack.enter_context(Process())
        cluster = {"CLUSTER_URL": nats.url, "CLUSTER_REPLICAS": str(servers)}
        nodes = [stack.enter_context(Process(None, **cluster)) for _ in range(2)]
        for node in nodes:
            node.lines.wait_for("cluster_joined")
        yield {"one server": (alone.place.port, alone.place.port), "two nodes": (nodes[0].place.port, nodes[1].place.port)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    rows: dict[str, list[tuple[float, float, int]]] = {}
    with tempfile.TemporaryDirectory() as folder, arms(Path(folder), asked.servers) as ports:
        for _ in range(asked.rounds):
            for arm, (vehicle_port, dashboard_port) in ports.items():
                times = sorted(asyncio.run(measured(vehicle_port, dashboard_port, asked.rate, asked.seconds)))
                rows.setdefault(arm, []).append((times[len(times) // 2], times[len(times) * 99 // 100], len(times)))
    for arm, found in rows.items():
        p50, p99, count = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"{arm}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, {count:.0f} events a round")


if __name__ == "__main__":
    main()
