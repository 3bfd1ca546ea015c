"""
What MQTT costs: CPU of our process a field published, against a real mosquitto on this machine.

    python -m bench.outputs.mqtt [--fields 14] [--rounds 5]

Everything that `MqttOutput.send` does is in it: the event's JSON read, topics, payloads, packets, the socket, the confirmations.
The bar is 25 us. Batches are those of the runner; each round has its own connection, and the median counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

import uvloop
from teslafast.config import Settings
from teslafast.core.tail import Event
from teslafast.outputs import Context
from teslafast.outputs.settings import planned
from tests.support.mosquitto import Mosquitto

BATCHES, EVENTS, VEHICLES = 20, 128, 100


def batches(fields: int) -> list[list[Event]]:
    numbers = iter(range(BATCHES * EVENTS))
    return [[event(next(numbers), fields) for _ in range(EVENTS)] for _ in range(BATCHES)]


def event(number: int, fields: int) -> Event:
    vin = f"5YJ3E1EA7KF{number % VEHICLES:06}"
    data = {f"Field{field}": number + field / 7 for field in range(fields)}
    body = {"type": "data", "seq": number, "vin": vin, "createdAt": "2026-11-26T08:00:00.000Z", "data": data, "isResend": False}
    return Event(number, 0, vin, json.dumps(body).encode(), 0)


async def round_us(url: str, interval: str, fields: int) -> float:
    """CPU a field that went through `send`."""
    variables = {"MQTT_URL": url, "MQTT_INTERVAL": interval, "MQTT_DISCOVERY_PREFIX": ""}
    [plan] = planned(variables, Settings.from_env({"NODE_ENV": "development"}))
    output = plan.make(Context("bench", Counter()))
    made = batches(fields)
    await output.connect()
    began_s = time.process_time()
    for batch in made:
        await output.send(batch)
    spent_s = time.process_time() - began_s
    await output.close()
    return spent_s / (BATCHES * EVENTS * fields) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=14)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder)) as broker:
        for interval, what in (("0", "every value published"), ("1s", "at most one a second and field")):
            found = [uvloop.run(round_us(broker.url, interval, options.fields)) for _ in range(options.rounds)]
            print(f"{what}: {statistics.median(found):.1f} us of CPU a field ({min(found):.1f} to {max(found):.1f})")


if __name__ == "__main__":
    main()
