"""
Cars for the browser tests: `cars.py URL VEHICLES [--past S] [--every S] [--plain] [--records FILE]`, until it is ended.

Believable drives (teslafast.simulator.drive) as JSON text messages, which a server in development takes: with `--past`, so many
seconds of driving are told at once before the present, so that there is a log to travel in. `--plain` sends small data messages
instead, one per car and `--every`, spread evenly: a load of known rate at little cost. With `--records`, each car says the
records of that file (JSON, a list; each has `ahead_s` where its time is not the present) and then nothing. Says "ready" when all
are on.
"""

import argparse
import asyncio
import random
import ssl
import time
from pathlib import Path
from typing import Any

import orjson
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from teslafast.simulator.drive import Drive
from teslafast.vin import sample_vin

PAST_STEP_S = 0.5
AT_ONCE = 64  # connections made at the same time
TURNS_PER_S = 50
_GOLDEN = 0.618033988749895  # spreads cars evenly over their day


class Car(WSListener):
    """A connection. Acks are only counted: `settled()` waits for those of all cars, so that a past is logged in its order."""

    owed = 0
    on_settled: asyncio.Future[None] | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def say(self, record: dict[str, Any]) -> None:
        Car.owed += 1
        self.transport.send(WSMsgType.TEXT, orjson.dumps(record | {"txid": "1"}))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        Car.owed -= frame.msg_type == WSMsgType.TEXT
        if Car.on_settled is not None and Car.owed == 0:
            Car.on_settled.set_result(None)
            Car.on_settled = None


async def settled() -> None:
    if Car.owed:
        Car.on_settled = asyncio.get_running_loop().create_future()
        await Car.on_settled


async def connect(url: str, vin: str) -> Car:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the server's certificate was made for this test a moment ago
    _, car = await ws_connect(Car, f"{url}/?vin={vin}", ssl_context=context if url.startswith("wss") else None)
    assert isinstance(car, Car)
    return car


async def drive(cars: list[tuple[str, Car]], past_s: float, every_s: float) -> None:
    """All cars in step with the clock, first through the past; ends when a connection has gone."""
    now_s = time.time() - past_s
    drives = [(car, Drive(vin, seed=number, start_s=now_s, phase=number * _GOLDEN % 1)) for number, (vin, car) in enumerate(cars)]
    while now_s < time.time():
        for car, one in drives:
            for _, record in one.step(now_s):
                car.say(record)
        now_s += PAST_STEP_S
        await settled()
    print("ready", flush=True)
    while True:
        for car, one in drives:
            for _, record in one.step(time.time()):
                car.say(record)
        await asyncio.sleep(every_s)


async def hum(cars: list[tuple[str, Car]], every_s: float) -> None:
    """One small data message per car and `every_s`, in turns of equal size."""
    lot = random.Random(1)
    print("ready", flush=True)
    owed, at_s, place = 0.0, time.monotonic(), 0
    while True:
        await asyncio.sleep(1 / TURNS_PER_S)
        now_s = time.monotonic()
        owed += (now_s - at_s) * len(cars) / every_s
        at_s = now_s
        for _ in range(int(owed)):
            vin, car = cars[place % len(cars)]
            place += 1
            car.say({"vin": vin, "createdAt": f"{_stamp()}", "data": _small(lot, place % len(cars))})
        owed -= int(owed)


async def recite(cars: list[tuple[str, Car]], records: list[dict[str, Any]]) -> None:
    """Each record of every car, in order; then silence."""
    for record in records:
        ahead_s = record.pop("ahead_s", 0)
        for vin, car in cars:
            car.say({"vin": vin, "createdAt": _stamp(ahead_s)} | record)
        await settled()
    print("ready", flush=True)
    await asyncio.Event().wait()


def _stamp(ahead_s: float = 0) -> str:
    now_s = time.time() + ahead_s
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now_s))}.{int(now_s % 1 * 1000):03}Z"


def _small(lot: random.Random, number: int) -> dict[str, object]:
    return {
        "VehicleSpeed": round(lot.uniform(20, 80), 1),
        "Soc": 20 + number % 80,
        "Gear": "ShiftStateD",
        "Location": {"latitude": 37 + number / 1000, "longitude": -122 + lot.uniform(0, 0.01)},
    }


async def main(url: str, vehicles: int, past_s: float, every_s: float, plain: bool, records: list[dict[str, Any]] | None) -> None:
    vins = [sample_vin(number) for number in range(vehicles)]
    cars: list[tuple[str, Car]] = []
    for first in range(0, vehicles, AT_ONCE):
        some = vins[first : first + AT_ONCE]
        cars += zip(some, await asyncio.gather(*(connect(url, vin) for vin in some)), strict=True)
    if records is not None:
        await recite(cars, records)
    await (hum(cars, every_s) if plain else drive(cars, past_s, every_s))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("vehicles", type=int)
    parser.add_argument("--past", type=float, default=0.0)
    parser.add_argument("--every", type=float, default=0.5)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--records", type=Path)
    given = parser.parse_args()
    told = orjson.loads(given.records.read_bytes()) if given.records else None
    uvloop.run(main(given.url, given.vehicles, given.past, given.every, given.plain, told))
