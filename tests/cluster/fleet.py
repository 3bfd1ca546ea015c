"""
What stands around the nodes of a simulation: processes with their ring, vehicles that send again what nobody acknowledged, and
dashboards that go on elsewhere by `since`. The judge sees everything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson
from teslafast.cluster.application import Applied
from teslafast.cluster.batch import CONNECTIVITY_CODE, Entry
from teslafast.cluster.node import Node

from tests.cluster.fake_engine import FakeEngine
from tests.cluster.fleet_outputs import SimWorkers, Sink
from tests.cluster.judge import Judge
from tests.cluster.world import Host, HostTimer, World

DEAD_S = 10.0
FILL_BYTES = 1 << 20
WINDOW = 4  # records that a vehicle sends before it waits


class Process:
    """One `serve` with a node, as far as the cluster knows it: the node's Application."""

    def __init__(self, world: World, judge: Judge, number: int, sinks: dict[str, Sink]) -> None:
        self.world = world
        self.judge = judge
        self.number = number
        self.host = Host()
        self.engine = FakeEngine(world, self.host)
        timer = HostTimer(world, self.host)
        self.node = Node(self.engine, self, timer, world.clock, world.wall_ns, world.name, DEAD_S, FILL_BYTES)
        self.engine.on_connected = self.node.on_connected
        self.epoch = b""
        self.base = 0
        self.ring: list[Entry] = []  # seq = base + place + 1
        self.vehicles: dict[str, Vehicle] = {}
        self.dashboards: list[Dashboard] = []
        self.waiting: list[
            tuple[int, Vehicle, int, int]
        ] = []  # what an ack waits for: (submissions, vehicle, submission, record)
        self.troubles: list[str] = []
        self.draining = False
        self.outputs = SimWorkers(self, sinks)
        self.node.start()

    @property
    def open(self) -> bool:
        return self.host.alive and not self.host.paused and self.node.joined and not self.draining

    @property
    def seq(self) -> int:
        return self.base + len(self.ring)

    # ---- Application

    def begin(self, epoch: bytes, seq: int) -> None:
        self._send_away()
        self.epoch, self.base, self.ring = epoch, seq, []

    def apply(self, events: Applied) -> None:
        if events.first != self.seq + 1 or len(events.entries) != events.events:
            self.judge.fault(f"node {self.number} applies {events.first} after {self.seq}")
        for entry in events.entries:
            self.ring.append(entry)
            self.judge.shows(self.epoch, self.seq, entry)
        for dashboard in list(self.dashboards):
            dashboard.read()
        self.world.later(0.0, self.outputs.wake, self.host)

    def stored(self, upto: int) -> None:
        while self.waiting and self.waiting[0][0] <= upto:
            _, vehicle, submission, record = self.waiting.pop(0)
            self.judge.acked.add(submission)
            vehicle.acknowledge(self, record)

    def joined(self) -> None: ...

    def lost(self, reason: str) -> None:
        self._send_away()

    def fenced(self) -> None: ...

    def hand_on(self) -> None:
        self._send_away()
        for vehicle in list(self.vehicles.values()):
            self.disconnect(vehicle)

    def holds(self) -> list[Entry]:
        return [vehicle.connectivity("CONNECTED") for vehicle in self.vehicles.values()]

    def trouble(self, reason: str) -> None:
        self.troubles.append(reason)

    def _send_away(self) -> None:
        for dashboard in self.dashboards:
            dashboard.at = None
        self.dashboards.clear()

    # ---- vehicles

    def connect(self, vehicle: Vehicle) -> None:
        self.vehicles[vehicle.vin] = vehicle
        vehicle.begin(self)
        self.node.tell(vehicle.connectivity("CONNECTED"))

    def disconnect(self, vehicle: Vehicle) -> None:
        del self.vehicles[vehicle.vin]
        self.node.tell(vehicle.connectivity("DISCONNECTED"))
        self.waiting = [one for one in self.waiting if one[1] is not vehicle]
        vehicle.at = None

    def take(self, vehicle: Vehicle, record: int) -> None:
        if self.node.writer.full:
            return
        submission = self.judge.submitted(vehicle.vin, vehicle.connection, record)
        entry = Entry(0, vehicle.vin, b"%d" % record, b"%d" % submission, self.world.wall_ns() // 1_000_000)
        self.node.submit(entry, submission)
        self.waiting.append((self.node.writer.submitted, vehicle, submission, record))

    # ---- its end

    def die(self) -> None:
        self.host.alive = False
        self.engine.die()
        self.outputs.die()
        self._send_away()
        for vehicle in self.vehicles.values():
            vehicle.at = None
        self.vehicles.clear()


@dataclass
class Vehicle:
    world: World
    vin: str
    at: Process | None = None
    connection: int = 0
    records: int = 0
    unacked: list[int] = field(default_factory=list)
    acked: int = 0

    def begin(self, process: Process) -> None:
        self.at = process
        self.connection += 1
        for record in self.unacked:
            process.take(self, record)

    def send(self) -> None:
        if self.at is not None and self.at.open and len(self.unacked) < WINDOW:
            self.records += 1
            self.unacked.append(self.records)
            self.at.take(self, self.records)

    def acknowledge(self, process: Process, record: int) -> None:
        if process is self.at and record in self.unacked:
            self.unacked.remove(record)
            self.acked += 1

    def connectivity(self, status: str) -> Entry:
        body = {"vin": self.vin, "status": status, "connectionId": f"{self.vin}-{self.connection}"}
        return Entry(CONNECTIVITY_CODE, self.vin, b"", orjson.dumps(body), 0)


@dataclass
class Dashboard:
    """`seen`: the events that it has been given of its present epoch; `told`: gaps."""

    judge: Judge
    at: Process | None = None
    epoch: bytes = b""
    seq: int = 0
    gaps: int = 0
    parked: int = 0

    def connect(self, process: Process) -> None:
        """By `since`: what it lacks comes first; if it is ahead of the node it waits."""
        self.at = process
        process.dashboards.append(self)
        if self.epoch != process.epoch:
            if self.epoch:
                self.gaps += 1
            self.epoch, self.seq = process.epoch, process.base
        elif self.seq < process.base:
            self.gaps += 1
            self.seq = process.base
        self.parked += self.seq > process.seq
        self.read()

    def read(self) -> None:
        process = self.at
        if process is None:
            return
        while self.seq < process.seq:
            self.seq += 1
            entry = process.ring[self.seq - process.base - 1]
            self.judge.shows(self.epoch, self.seq, entry)
