"""
What an output costs those who have nothing to do with it: a dashboard's latency beside a server that has an output, and
beside one that has none, while its database or broker is up, while it is away, and while the output catches up.

    python -m bench.outputs.bystanders postgres|influx|redis|mqtt [--rate 200] [--outage 30] [--rounds 3]

Vehicles, in a process of their own, send messages that say when they were sent, and this process reads them as a dashboard. The
servers take turns within a round. The bar: p99 with the output is at most 1.1 times that without.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.support.influx import Influx
from tests.support.mosquitto import Mosquitto
from tests.support.peers import Place
from tests.support.postgres import Postgres
from tests.support.redis import RedisServer
from tests.support.servers import Process

VEHICLES = 10
SETTLE_S = 2.0  # what comes before is not counted: connections, the first batches
Database = Postgres | Influx | RedisServer | Mosquitto


def drive(port: int, rate: int, seconds: float) -> None:
    """Ten vehicles in turn, so many messages a second."""
    place = Place(port, port, None)
    with contextlib.ExitStack() as stack:
        cars = [stack.enter_context(place.vehicle(f"car{number}")) for number in range(VEHICLES)]
        began_s = time.monotonic()
        for number in range(int(rate * seconds)):
            car = cars[number % VEHICLES]
            if number >= VEHICLES:
                car.reply()  # to its message before, which has come long ago
            time.sleep(max(0.0, began_s + number / rate - time.monotonic()))
            sent = {"Odometer": {"doubleValue": time.monotonic()}} | {
                name: {"doubleValue": number / 7} for name in ("Soc", "PackVoltage", "PackCurrent", "VehicleSpeed", "InsideTemp")
            }
            car.send(sent)
        for car in cars:
            car.reply()


@contextlib.contextmanager
def database(kind: str) -> Iterator[Database]:
    made: dict[str, Callable[[Path], Database]] = {
        "postgres": lambda _: Postgres(),
        "influx": Influx,
        "redis": lambda _: RedisServer(),
        "mqtt": Mosquitto,
    }
    with tempfile.TemporaryDirectory() as folder, made[kind](Path(folder)) as one:
        yield one


def environment_of(one: Database | None) -> dict[str, str]:
    if one is None:
        return {}
    if isinstance(one, Influx):
        return {"INFLUX_URL": one.url, "INFLUX_BUCKET": "telemetry"}
    names = {Postgres: "POSTGRES_URL", RedisServer: "REDIS_URL", Mosquitto: "MQTT_URL"}
    return {names[type(one)]: one.url}


def measured(one: Database | None, rate: int, phase_s: float) -> dict[str, float]:
    """p99 in ms of each phase: the database is up, away, back."""
    latencies: dict[str, list[float]] = {"up": [], "away": [], "back": []}
    process = Process(None, **environment_of(one))
    with process as server, server.place.dashboard("?snapshot=0&type=data") as dashboard:
        seconds = SETTLE_S + 3 * phase_s
        vehicles = multiprocessing.get_context("spawn").Process(target=drive, args=(server.place.port, rate, seconds))
        vehicles.start()
        began_s = 0.0
        changes: list[threading.Timer] = []
        while True:
            event = dashboard.next()
            if event["type"] != "data":
                continue
            now_s = time.monotonic()
            if not began_s:
                began_s = now_s
                if one is not None:
                    changes = [threading.Timer(SETTLE_S + phase_s, one.kill), threading.Timer(SETTLE_S + 2 * phase_s, one.start)]
                    for change in changes:
                        change.start()
            at_s = now_s - began_s - SETTLE_S
            if at_s > 3 * phase_s - 0.5:
                break
            if at_s > 0:
                latencies[("up", "away", "back")[min(2, int(at_s / phase_s))]].append(now_s - event["data"]["Odometer"])
        for change in changes:
            change.join()
        vehicles.join()
    return {phase: statistics.quantiles(values, n=100)[98] * 1000 for phase, values in latencies.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["postgres", "influx", "redis", "mqtt"])
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--outage", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {"none": [], options.kind: []}
    for _ in range(options.rounds):
        found["none"].append(measured(None, options.rate, options.outage))
        with database(options.kind) as one:
            found[options.kind].append(measured(one, options.rate, options.outage))
    for phase in ("up", "away", "back"):
        without, beside = (statistics.median(one[phase] for one in rounds) for rounds in found.values())
        every: Any = {name: [f"{one[phase]:.2f}" for one in rounds] for name, rounds in found.items()}
        print(
            f"{phase:5} p99 {without:.2f} ms without, {beside:.2f} ms with {options.kind}: {beside / without:.2f} times; {every}"
        )


if __name__ == "__main__":
    main()
