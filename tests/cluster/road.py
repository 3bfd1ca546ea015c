"""
Vehicles and dashboards that live through failures, and the judge of what they sent, were acknowledged and saw.

    RoadVehicle    sends records with a number each; comes back at another node when its connection ends, and sends again what
                   nobody acknowledged
    RoadDashboard  reads /stream at some node; comes back by `since` and `epoch`, at another node if it likes
    Road           both, on an event loop in a thread of its own, so that a test can kill and stop what it wants meanwhile
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.support.certificates import World
from tests.support.peers import PATIENCE_S, ack, envelope, payload, token

WINDOW = 4
AWAY = (OSError, WebSocketException, TimeoutError)


class RoadVehicle:
    def __init__(self, road: Road, number: int, pause_s: float) -> None:
        self.road = road
        self.vin = f"5YJ3E1EA7KF{number:06}"
        self.pause_s = pause_s
        self.sent = 0
        self.unacked: dict[bytes, int] = {}
        self.acked: list[int] = []
        self.acked_s: list[float] = []
        self.resent: set[int] = set()

    async def live(self) -> None:
        while not self.road.ended:
            with contextlib.suppress(*AWAY):
                port, world = random.choice(self.road.vehicle_ports or self.road.ports), self.road.world
                tls = world.client(world.vehicle(self.vin)) if world is not None else None
                address = f"ws://127.0.0.1:{port}/?vin={self.vin}" if tls is None else f"wss://localhost:{port}/"
                async with connect(address, ssl=tls, open_timeout=3, ping_interval=None) as connection:
                    await self._talk(connection)
            await asyncio.sleep(0.05)

    async def _talk(self, connection: ClientConnection) -> None:
        self.resent |= set(self.unacked.values())
        for number in list(self.unacked.values()):
            await self._send(connection, number)
        reading = asyncio.create_task(self._read(connection))
        try:
            while not reading.done() and not self.road.ended:
                if len(self.unacked) < WINDOW and not self.road.quiet:
                    self.sent += 1
                    await self._send(connection, self.sent)
                await asyncio.sleep(self.pause_s)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _send(self, connection: ClientConnection, number: int) -> None:
        txid = b"%d" % number
        self.unacked[ack(txid)] = number
        record = payload({"Odometer": {"doubleValue": float(number)}})
        await connection.send(envelope(b"V", txid, record, self.vin))

    async def _read(self, connection: ClientConnection) -> None:
        async for message in connection:
            assert isinstance(message, bytes)
            number = self.unacked.pop(message, None)
            if number is not None:
                self.acked.append(number)
                self.acked_s.append(time.monotonic())


class RoadDashboard:
    """`seen`: by epoch, seq → (VIN, number) or (VIN, status)."""

    def __init__(self, road: Road, roams: bool) -> None:
        self.road = road
        self.roams = roams
        self.epoch = ""
        self.seq = 0
        self.seen: dict[str, dict[int, tuple[str, object]]] = {}
        self.newest: dict[str, float] = {}  # of the present epoch
        self.gaps: list[tuple[int, int]] = []
        self.wrong: list[str] = []
        self.port = random.choice(road.ports)

    async def live(self) -> None:
        while not self.road.ended:
            with contextlib.suppress(*AWAY):
                since = f"?since={self.seq}&epoch={self.epoch}&snapshot=0" if self.epoch else "?since=0&snapshot=0"
                headers = {"Authorization": f"Bearer {token()}"}
                tls = self.road.world.client() if self.road.world is not None else None
                address = f"{'ws' if tls is None else 'wss'}://localhost:{self.port}/stream{since}"
                async with connect(
                    address, ssl=tls, additional_headers=headers, open_timeout=3, ping_interval=None
                ) as connection:
                    if self.roams:
                        self.road.later(random.uniform(0.5, 2.0), connection)
                    async for message in connection:
                        self._take(orjson.loads(message))
            if self.roams or self.port not in self.road.ports:
                self.port = random.choice(self.road.ports)
            await asyncio.sleep(0.05)

    def has(self, vehicles: list[RoadVehicle]) -> bool:
        """Whether it has seen, in the present epoch, the last record of each."""
        return all(self.newest.get(one.vin) == one.sent for one in vehicles)

    def _take(self, event: dict[str, Any]) -> None:
        if self.road.ended:  # the vehicles go
            return
        match event["type"]:
            case "hello":
                if event["epoch"] != self.epoch:
                    self.epoch, self.seq = event["epoch"], 0
                    self.seen[self.epoch] = {}
                    self.newest = {}
            case "gap":
                self.gaps.append((event["from"], event["to"]))
                self.seq = max(self.seq, event["to"])
            case "data" | "connectivity":
                if event["seq"] != self.seq + 1:
                    self.wrong.append(f"{event['seq']} after {self.seq} of {self.epoch}")
                self.seq = event["seq"]
                if event["type"] == "data":
                    told = event["data"]["Odometer"]
                    self.newest[event["vin"]] = max(told, self.newest.get(event["vin"], 0))
                else:
                    told = event["status"]
                self.seen[self.epoch][self.seq] = (event["vin"], told)


class Road:
    """
    ports          of the nodes that may be chosen; to be changed while it runs
    world          certificates, if they speak TLS
    vehicle_ports  those of vehicles, if these have their own
    """

    def __init__(
        self,
        ports: list[int],
        vehicles: int = 8,
        dashboards: int = 3,
        pause_s: float = 0.04,
        world: World | None = None,
        vehicle_ports: list[int] | None = None,
    ) -> None:
        self.ports = ports
        self.world = world
        self.vehicle_ports = vehicle_ports
        self.ended = self.quiet = False
        self.vehicles = [RoadVehicle(self, number, pause_s) for number in range(vehicles)]
        self.dashboards = [RoadDashboard(self, roams=number == 0) for number in range(dashboards)]
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()))
        self.faults: list[BaseException] = []

    async def _live(self) -> None:
        lives = [asyncio.create_task(one.live()) for one in self.vehicles]
        lives += [asyncio.create_task(one.live()) for one in self.dashboards]
        while not self.ended and not any(one.done() for one in lives):  # noqa: ASYNC110 — another thread ends it
            await asyncio.sleep(0.05)
        self.faults = [error for one in lives if one.done() and (error := one.exception()) is not None]
        for task in (*lives, *self._tasks):
            task.cancel()
        await asyncio.gather(*lives, *self._tasks, return_exceptions=True)

    def _spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def later(self, seconds: float, connection: ClientConnection) -> None:
        """Closes the connection after so long."""

        async def close() -> None:
            await asyncio.sleep(seconds)
            await connection.close()

        self._spawn(close())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.ended = True
        self._thread.join(PATIENCE_S)

    # ---- for the test

    @property
    def acked(self) -> int:
        return sum(len(one.acked) for one in self.vehicles)

    def until_acked(self, more: int) -> None:
        """Until so many more records have been acknowledged."""
        goal = self.acked + more
        self._until(lambda: self.acked >= goal, f"{self.acked} of {goal} acknowledged")

    def settle(self) -> None:
        """No more is sent: until everything is acknowledged, and every dashboard has it."""
        self.quiet = True
        self._until(lambda: not any(one.unacked for one in self.vehicles), "something is never acknowledged")
        self._until(lambda: all(one.has(self.vehicles) for one in self.dashboards), "a dashboard lacks something")
        self._until(lambda: len({(one.epoch, one.seq) for one in self.dashboards}) == 1, "dashboards stand at different places")

    def _until(self, reached: Callable[[], bool], otherwise: str) -> None:
        until_s = time.monotonic() + 60
        while not reached():
            assert not self.faults, self.faults
            places = [(one.epoch, one.seq) for one in self.dashboards]
            assert time.monotonic() < until_s, f"{otherwise}: {places}"
            time.sleep(0.02)

    def longest_pause_s(self) -> float:
        """Between two acknowledgements of one vehicle, of all the longest."""
        pauses = [b - a for one in self.vehicles for a, b in zip(one.acked_s, one.acked_s[1:], strict=False)]
        return max(pauses, default=0.0)

    def judge(self, gaps: bool = False, disaster: bool = False) -> None:
        """Lost 0, repeated 0 (besides what a vehicle itself sent again), out of order 0, the same seq the same event."""
        shown: dict[tuple[str, int], tuple[str, object]] = {}
        for dashboard in self.dashboards:
            assert not dashboard.wrong, dashboard.wrong[:3]
            assert bool(dashboard.gaps) <= gaps, dashboard.gaps
            for epoch, events in dashboard.seen.items():
                for seq, event in events.items():
                    assert shown.setdefault((epoch, seq), event) == event, f"differ: {epoch} {seq}"
            if not disaster:
                self._judge_view([event for events in dashboard.seen.values() for event in events.values()])

    def _judge_view(self, events: list[tuple[str, object]]) -> None:
        for vehicle in self.vehicles:
            numbers = [told for vin, told in events if vin == vehicle.vin and isinstance(told, float)]
            lost = {float(number) for number in vehicle.acked} - set(numbers)
            assert not lost, f"lost: {vehicle.vin} {sorted(lost)[:5]} of {len(vehicle.acked)}"
            twice = {number for number, count in Counter(numbers).items() if count > 1}
            assert twice <= {float(number) for number in vehicle.resent}, f"twice: {vehicle.vin} {twice}"
            first = list(dict.fromkeys(numbers))
            assert first == sorted(first), f"out of order: {vehicle.vin}"
