"""
How long a vehicle waits for its ack: for the log alone, and for an output too (RELIABLE_ACKS). Real servers on loopback.

    python -m bench.cluster.reliable_acks [--servers 0,1,3] [--outputs none,redis,…] [--rate 200] [--seconds 4]

`--servers`: of NATS; with 0 one process that has no cluster, else two nodes and as many replicas. Vehicles are spread over the
nodes, so half of them wait for a node that is not theirs. Each sends a record, and the next one in its time. Every arm is started
anew, and measured once: they differ by more than two runs of one do.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.support.mosquitto import Mosquitto
from tests.support.nats_servers import NatsServers
from tests.support.peers import ack, envelope, payload
from tests.support.redis import RedisServer
from tests.support.servers import Process
from tests.support.webhook_receiver import Receiver
from websockets.asyncio.client import connect

VEHICLES = 20
WARM_UP_S = 1.5


async def measured(ports: Sequence[int], rate: float, seconds: float) -> list[float]:
    """Milliseconds from a record's sending to its ack's coming, for each record after the warm-up."""
    found: list[float] = []
    began_s = time.perf_counter()

    async def drive(number: int) -> None:
        vin = f"5YJ3E1EA7KF{number:06}"
        await asyncio.sleep(number / rate)
        async with connect(f"ws://127.0.0.1:{ports[number % len(ports)]}/?vin={vin}", ping_interval=None) as vehicle:
            count = 0
            while (now_s := time.perf_counter()) < began_s + WARM_UP_S + seconds:
                count += 1
                txid = b"%022d" % count
                record = payload({"Odometer": {"doubleValue": now_s}, "Soc": {"floatValue": 61.5}})
                await vehicle.send(envelope(b"V", txid, record, vin))
                assert await vehicle.recv() == ack(txid)
                took_s = time.perf_counter() - now_s
                if now_s > began_s + WARM_UP_S:
                    found.append(took_s * 1000)
                await asyncio.sleep(max(0.0, VEHICLES / rate - took_s))

    await asyncio.gather(*(drive(number) for number in range(VEHICLES)))
    return found


@contextlib.contextmanager
def receiving(output: str, folder: Path) -> Iterator[dict[str, str]]:
    """What the output leads to, and the settings for it."""
    with ExitStack() as stack:
        match output:
            case "none":
                yield {}
                return
            case "redis":
                settings = {"REDIS_URL": stack.enter_context(RedisServer()).url}
            case "nats":
                (folder / "receiver").mkdir()
                settings = {"NATS_URL": stack.enter_context(NatsServers(folder / "receiver")).url}
            case "mqtt":
                settings = {"MQTT_URL": stack.enter_context(Mosquitto(folder)).url, "MQTT_INTERVAL": "0"}
            case "jsonl":
                settings = {"JSONL_PATH": str(folder / "events.jsonl")}
            case _:
                settings = {"WEBHOOK_URL": stack.enter_context(Receiver()).url, "WEBHOOK_PRIVATE": "true"}
                settings |= {"WEBHOOK_TYPES": "data"}
        yield settings | {"RELIABLE_ACKS": output}


@contextlib.contextmanager
def nodes(nats: NatsServers | None, settings: dict[str, str]) -> Iterator[list[int]]:
    """Their ports."""
    with ExitStack() as stack:
        cluster = {"CLUSTER_URL": nats.url, "CLUSTER_REPLICAS": str(nats.count)} if nats is not None else {}
        made = [stack.enter_context(Process(None, **cluster, **settings)) for _ in range(1 if nats is None else 2)]
        for node in made:
            if nats is not None:
                node.lines.wait_for("cluster_joined")
        yield [node.place.port for node in made]


def arm(output: str, servers: int, rate: float, seconds: float) -> list[float]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        settings = stack.enter_context(receiving(output, folder))
        nats = stack.enter_context(NatsServers(folder, servers)) if servers else None
        ports = stack.enter_context(nodes(nats, settings))
        return sorted(asyncio.run(measured(ports, rate, seconds)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", default="0,1,3")
    parser.add_argument("--outputs", default="none,redis,nats,mqtt,jsonl,webhook")
    parser.add_argument("--rate", type=float, default=200, help="records a second of all vehicles together")
    parser.add_argument("--seconds", type=float, default=4)
    asked = parser.parse_args()
    for servers in map(int, asked.servers.split(",")):
        for output in asked.outputs.split(","):
            times = arm(output, servers, asked.rate, asked.seconds)
            middle, late = times[len(times) // 2], times[len(times) * 99 // 100]
            where = f"R{servers}, two nodes" if servers else "one process"
            print(f"{where}, {output}: p50 {middle:.2f} ms, p99 {late:.2f} ms, {len(times)} acks", flush=True)


if __name__ == "__main__":
    main()
