"""
What stands around the nodes of a simulation: processes with their ring, vehicles that send again what nobody acknowledged, and
dashboards that go on elsewhere by `since`. The judge sees everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
from teslafast.cluster.application import Applied
from teslafast.cluster.batch import CONNECTIVITY_CODE, Entry
from teslafast.cluster.contents import entries_of
from teslafast.cluster.engine import StreamMessage
from teslafast.cluster.node import Node
from teslafast.cluster.shared_values import SharedValues, read_checkpoint
from teslafast.core.hub import Past, PastEvent
from teslafast.core.last_values import LastValues
from teslafast.core.records import DATA
from teslafast.core.value_lines import merge_event

from tests.cluster.fake_engine import FakeEngine
from tests.cluster.fleet_acks import SimAcks
from tests.cluster.fleet_outputs import SimWorkers
from tests.cluster.fleet_sinks import Sink
from tests.cluster.judge import Judge
from tests.cluster.simulated_log import Ring, text_of
from tests.cluster.world import Host, HostTimer, World

DEAD_S = 10.0
FILL_BYTES = (1 << 20, 4_000)  # what a node that joins reads of the stream: all of it, or its end
CHECKPOINT_EVERY_S = 3.0
PART_BYTES = 1000  # three or four vehicles: a few questions for all of them
STREAM = "TF"
WINDOW = 4  # records that a vehicle sends before it waits


class Process:
    """
    One `serve` with a node, as far as the cluster knows it: the node's Application.

    disk    what another process has left there: a checkpoint, b"" if there is none; None: this one keeps none either
    """

    def __init__(
        self,
        world: World,
        judge: Judge,
        number: int,
        sinks: dict[str, Sink],
        fill_bytes: int = FILL_BYTES[0],
        disk: bytes | None = None,
        reliable: bool = False,
    ) -> None:
        self.world = world
        self.judge = judge
        self.number = number
        self.host = Host()
        self.engine = FakeEngine(world, self.host)
        self.timer = HostTimer(world, self.host)
        self.epoch = b""
        self.base = 0
        self.ring: list[Entry] = []  # seq = base + place + 1
        self.times: list[int] = []
        self.last_values = LastValues()
        self.values = SharedValues(self.last_values, Ring(self), STREAM, lambda: self.node.follower.number)
        self.node = Node(self.engine, self, self.timer, world.clock, world.wall_ns, world.name, DEAD_S, fill_bytes, PART_BYTES)
        self.engine.on_connected = self.node.on_connected
        self.vehicles: dict[str, Vehicle] = {}
        self.dashboards: list[Dashboard] = []
        self.acks = SimAcks(self, reliable)
        self.node.tells_shown = reliable
        self.troubles: list[str] = []
        self.draining = False
        self.outputs = SimWorkers(self, sinks)
        self.disk = disk
        self.judge_values: Callable[[Process], object] = lambda process: None
        if disk:
            self.values.kept = read_checkpoint(disk, STREAM)
        self.refused: list[str] = []
        self.node.start()
        self._keep()

    def _keep(self) -> None:
        self.timer.call_later(CHECKPOINT_EVERY_S, self._keep)
        if self.disk is not None and self.node.joined and not self.values.waiting:
            self.disk = b"".join(self.values.checkpoint())

    @property
    def open(self) -> bool:
        return self.host.alive and not self.host.paused and self.node.joined and not self.draining

    @property
    def seq(self) -> int:
        return self.base + len(self.ring)

    # ---- Application

    def begin(self, epoch: bytes, seq: int) -> None:
        self._send_away()
        self.acks.replies.begin_anew()
        self.epoch, self.base, self.ring, self.times = epoch, seq, [], []

    def apply(self, events: Applied) -> None:
        if events.first != self.seq + 1 or len(events.entries) != events.events:
            self.judge.fault(f"node {self.number} applies {events.first} after {self.seq}")
        for entry, time_ms in zip(events.entries, events.times_ms, strict=True):
            self.ring.append(entry)
            self.times.append(time_ms)
            if entry.code == DATA:
                merge_event(self.last_values, entry.vin, text_of(entry), time_ms)
            self.judge.shows(self.epoch, self.seq, entry)
        if self.values.waiting:
            self.values.applied()
        for dashboard in list(self.dashboards):
            dashboard.read()
        self.world.later(0.0, self.outputs.wake, self.host)

    def stored(self, upto: int) -> None:
        self.acks.replies.stored(upto)

    def shown(self, upto: int) -> None:
        self.acks.replies.shown(upto)

    def joined(self) -> None:
        self.judge_values(self)

    def lost(self, reason: str, rolled_back: bool) -> None:
        self._send_away()
        self.acks.replies.lost(rolled_back)

    def fenced(self) -> None: ...

    def hand_on(self) -> None:
        self._send_away()
        for vehicle in list(self.vehicles.values()):
            self.disconnect(vehicle)

    def holds(self) -> list[Entry]:
        return [vehicle.connectivity("CONNECTED") for vehicle in self.vehicles.values()]

    def values_refused(self, reason: str) -> None:
        self.refused.append(reason)

    def trouble(self, reason: str) -> None:
        self.troubles.append(reason)

    def _send_away(self) -> None:
        for dashboard in self.dashboards:
            dashboard.leave()
        self.dashboards.clear()

    # ---- vehicles

    def connect(self, vehicle: Vehicle) -> None:
        self.vehicles[vehicle.vin] = vehicle
        vehicle.begin(self)
        self.node.tell(vehicle.connectivity("CONNECTED"))

    def disconnect(self, vehicle: Vehicle) -> None:
        del self.vehicles[vehicle.vin]
        self.node.tell(vehicle.connectivity("DISCONNECTED"))
        vehicle.at = None

    def take(self, vehicle: Vehicle, record: int) -> None:
        if self.node.writer.full:
            return
        submission = self.judge.submitted(vehicle.vin, vehicle.connection, record)
        entry = Entry(0, vehicle.vin, b"%d" % record, b"%d" % submission, self.world.wall_ns() // 1_000_000)
        self.node.submit(entry, submission)
        self.acks.hold(vehicle, submission, record)

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


@dataclass(eq=False)
class Dashboard:
    """`seen`: the events that it has been given of its present epoch; `told`: gaps."""

    judge: Judge
    at: Process | None = None
    epoch: bytes = b""
    seq: int = 0
    gaps: int = 0
    parked: int = 0
    replays: int = 0
    past: Past | None = None
    back_s: float = 0.0  # when it comes back from where there is no network

    def connect(self, process: Process) -> None:
        """By `since`: what it lacks comes first, from the stream if the ring has it no more; if it is ahead it waits."""
        self.at = process
        process.dashboards.append(self)
        if self.epoch != process.epoch:
            if self.epoch:
                self.gaps += 1
            self.epoch, self.seq = process.epoch, process.base
        self.parked += self.seq > process.seq
        if self.seq < process.base:
            self.replays += 1
            self.past = process.node.replay(past_events)(self.seq, self._take_past, self._fail_past)
            self.past.more()
        self.read()

    def _take_past(self, events: list[PastEvent]) -> None:
        process, past = self.at, self.past
        if process is None or past is None or process.epoch != self.epoch:
            return
        for seq, code, vin, payload in events:
            if seq != self.seq + 1:
                self.judge.fault(f"a replay tells {seq} after {self.seq}")
            self.seq = seq
            self.judge.shows(self.epoch, seq, Entry(code, vin, b"", payload, 0))
        if self.seq < process.base and events:
            past.more()
        else:
            self.end_past()
            self.read()

    def _fail_past(self) -> None:
        """The stream cannot be asked for long: it tries again, perhaps elsewhere."""
        if self.at is not None:
            self.at.dashboards.remove(self)
        self.leave()

    def leave(self) -> None:
        self.at = None
        self.end_past()

    def end_past(self) -> None:
        if self.past is not None:
            self.past.end()
            self.past = None

    def read(self) -> None:
        process = self.at
        if process is None or self.past is not None:
            return
        while self.seq < process.seq:
            self.seq += 1
            entry = process.ring[self.seq - process.base - 1]
            self.judge.shows(self.epoch, self.seq, entry)


def past_events(first: int, message: StreamMessage) -> list[PastEvent]:
    return [(first + place, one.code, one.vin, one.payload) for place, one in enumerate(entries_of(message))]
