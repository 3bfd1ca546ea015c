"""
One run of a simulated cluster from one seed: load, faults at random, then peace, then judgement.

Always       what nodes must live through without losing or repeating anything, and without a gap: delay, lost connections,
             elections, duplicates, deaths, pauses, readers that go wrong
`disasters`  besides, what takes acknowledged messages away and has to be noticed: a log that is rolled back or deleted. Events
             whose only copy was in it are gone; nobody may be told a seq twice, and afterwards everything goes on
"""

from __future__ import annotations

from collections.abc import Callable

from teslafast.cluster.finder import head_of

from tests.cluster.fleet import FILL_BYTES, Dashboard, Process, Vehicle
from tests.cluster.fleet_outputs import OUTPUTS, faults_of_outputs
from tests.cluster.fleet_sinks import Sink
from tests.cluster.judge import Judge
from tests.cluster.simulated_log import values_since
from tests.cluster.world import World

STEP_S = 0.1


class Simulation:
    def __init__(self, seed: int, nodes: int = 3, disasters: bool = False) -> None:
        self.seed = seed
        self.world = World(seed)
        self.judge = Judge()
        self.processes: list[Process] = []
        self.made = 0
        self.sinks = {name: Sink() for name in OUTPUTS}
        self.disasters = disasters
        if disasters:  # a late copy of a batch that was rolled back would be stored after what follows it: then there is no order
            self.world.copies = 0.0
        self.happened: list[str] = []
        self.disks: list[bytes] = []
        for _ in range(nodes):
            self.add()
        self.vehicles = [Vehicle(self.world, f"5YJ3E1EA7KF{number:06}") for number in range(6)]
        self.dashboards = [Dashboard(self.judge) for _ in range(3)]

    def add(self) -> None:
        """A node, on a disk that another may have left, if it keeps a checkpoint at all."""
        self.made += 1
        random = self.world.random
        disk = random.choice((None, b"", self.disks.pop() if self.disks else b""))
        process = Process(self.world, self.judge, self.made, self.sinks, random.choice(FILL_BYTES), disk, self.seed % 3 == 0)
        if not self.disasters:
            process.judge_values = self.judge_values
        self.processes.append(process)

    # ---- load

    def step(self, quiet: bool = False) -> None:
        random = self.world.random
        ready = [process for process in self.processes if process.open]
        for vehicle in self.vehicles:
            if vehicle.at is None:
                if ready and random.random() < 0.5:
                    random.choice(ready).connect(vehicle)
            elif quiet:
                continue
            elif random.random() < 0.003 and vehicle.at.open:
                vehicle.at.disconnect(vehicle)
            elif random.random() < 0.5:
                vehicle.send()
        for dashboard in self.dashboards:
            if dashboard.at is not None and not quiet and random.random() < 0.005:
                dashboard.at.dashboards.remove(dashboard)
                dashboard.leave()
                dashboard.back_s = self.world.now_s + random.choice((0.5, 5.0, 20.0))
            elif dashboard.at is None and ready and self.world.now_s >= dashboard.back_s and random.random() < 0.5:
                dashboard.connect(random.choice(ready))
        self.world.run(STEP_S)

    def live(self, seconds: float, quiet: bool = False) -> None:
        for _ in range(int(seconds / STEP_S)):
            self.step(quiet)

    # ---- faults

    def misfortune(self) -> None:
        random = self.world.random
        faults: list[Callable[[Process], None]] = [
            self.cut,
            self.pause,
            self.kill,
            self.elect,
            lambda process: process.engine.lose_messages(),
            lambda process: process.engine.start_again(),
            lambda process: process.engine.fall_silent(),
            self.leave,
        ]
        if self.disasters and random.random() < 0.4:
            faults = [self.roll_back, self.delete]
        fault = random.choice(faults)
        self.happened.append(f"{self.world.now_s:.2f} {getattr(fault, '__name__', fault)}")
        if self.processes:
            fault(random.choice(self.processes))

    def cut(self, process: Process) -> None:
        process.engine.disconnect()
        length_s = self.world.random.choice((0.1, 1.0, 5.0, 20.0, 40.0))
        self.world.later(length_s, process.engine.reconnect)

    def pause(self, process: Process) -> None:
        process.host.paused = True
        length_s = self.world.random.choice((0.3, 2.0, 8.0, 25.0))
        self.world.later(length_s, lambda: self.world.resume(process.host))

    def kill(self, process: Process) -> None:
        if process in self.processes:
            self.processes.remove(process)
            process.die()
            if process.disk:
                self.disks.append(process.disk)
            self.world.later(self.world.random.uniform(0.1, 15.0), self.add)

    def leave(self, process: Process) -> None:
        """SIGTERM: its vehicles go, its outputs too, what is owed is written, then it is gone."""
        if not process.open:
            return
        process.draining = True
        for vehicle in list(process.vehicles.values()):
            process.disconnect(vehicle)
        process.outputs.custody.leave()
        until_s = self.world.now_s + self.world.random.choice((0.5, 0.5, 5.0))
        self.world.later(0.05, lambda: self._leave_when_handed_over(process, until_s), process.host)
        self._end_when_left(process)

    def _leave_when_handed_over(self, process: Process, until_s: float) -> None:
        """As a drain does it: what it holds goes to others first, in its time; then whatever is under way is broken off."""
        if process.outputs.custody.held and self.world.now_s < until_s:
            self.world.later(0.05, lambda: self._leave_when_handed_over(process, until_s), process.host)
        else:
            process.outputs.cancel()
            process.node.leave()

    def _end_when_left(self, process: Process) -> None:
        if process not in self.processes:
            return
        if process.node.writer.left:
            process.node.stop()
            self.kill(process)
        else:
            self.world.later(0.05, lambda: self._end_when_left(process))

    def elect(self, process: Process) -> None:
        stream = self.world.stream
        stream.away_until = self.world.now_s + self.world.random.choice((0.2, 2.0, 6.0))
        stream.settling_until = stream.away_until + 0.2

    def roll_back(self, process: Process) -> None:
        self.judge.rolled_back |= {process.epoch for process in self.processes}
        self.judge.rolled_back |= {head.epoch for head in map(head_of, self.world.stream.messages) if head is not None}
        self.world.stream.roll_back(self.world.random.randrange(1, 60))
        self._servers_restart()

    def delete(self, process: Process) -> None:
        self.world.stream.delete()
        self._servers_restart()

    def _servers_restart(self) -> None:
        """The connections are gone with the servers, and the readers that these kept in memory."""
        for process in self.processes:
            if process.engine.connected:
                process.engine.disconnect()
                self.world.later(self.world.random.uniform(0.2, 1.0), process.engine.reconnect)

    # ---- judgement

    def run(self, seconds: float = 40.0) -> Simulation:
        self.live(5.0)
        passed_s = 0.0
        while passed_s < seconds:
            quiet_s = self.world.random.uniform(0.2, 6.0)
            self.live(quiet_s)
            passed_s += quiet_s
            self.misfortune()
        self.make_peace()
        return self

    def make_peace(self) -> None:
        for process in self.processes:
            process.engine.reconnect()
        self.world.run(45.0)  # the longest fault ends by itself
        self.live(5.0)
        self.live(25.0, quiet=True)
        self.judge_end()

    def judge_end(self) -> None:
        judge, stream = self.judge, self.world.stream
        judge.check_stream(stream.messages, self.disasters)
        connected = {vin for process in self.processes for vin in process.vehicles}
        for process in self.processes:
            node = process.node
            if node.state != "ok":
                judge.fault(
                    f"node {process.number} is {node.state} at the end; away for {node.away_s}, troubles {process.troubles}"
                )
            if node.follower.disagreed and not self.disasters:  # who has not noticed a roll-back yet counts what is gone
                judge.fault(f"node {process.number} counted differently {node.follower.disagreed} times")
            if {*node.runs.vins()} != connected:
                judge.fault(f"node {process.number} knows {sorted(node.runs.vins())}, connected are {sorted(connected)}")
            if len(node.runs) != len(self.processes):
                judge.fault(f"node {process.number} knows {len(node.runs)} runs of {len(self.processes)}")
            self.judge_values(process)
            if process.values.waiting:
                judge.fault(f"node {process.number} waits with {process.values.waiting} lines")
            if not process.base:  # who has read a part knows who is connected elsewhere only once the others have told it
                judge.check_told(process.epoch, enumerate(process.ring, 1), connected)
        ends = {(process.epoch, process.seq) for process in self.processes}
        if len(ends) != 1:
            judge.fault(f"nodes stand at different places: {ends}")
        outputs = [process.outputs for process in self.processes]
        judge.faults += faults_of_outputs(self.sinks, outputs, stream.messages, *max(ends), judge.rolled_back)
        for dashboard in self.dashboards:
            if (dashboard.epoch, dashboard.seq) not in ends:
                judge.fault(f"a dashboard stands at {dashboard.seq}, the nodes at {ends}")
            if dashboard.gaps and not self.disasters:
                judge.fault(f"{dashboard.gaps} gaps told, and nothing was missing")
        unanswered = [vehicle.vin for vehicle in self.vehicles if vehicle.unacked]
        if unanswered:
            judge.fault(f"never acknowledged: {unanswered}")

    def judge_values(self, process: Process) -> None:
        """They are what a reader of the whole log has at this place, as far as the node says so."""
        values, judge = process.values, self.judge
        if process.refused:
            judge.fault(f"node {process.number} refused {process.refused[:3]}")
        whole = values.says_all_since <= 1
        expected = values_since(self.world.stream.messages, 1 if whole else values.says_all_since, process.seq)
        if values.waiting:
            return
        for vin in expected.vins():
            have, wanted = process.last_values.get(vin), expected.get(vin)
            assert wanted is not None
            if have is None or not wanted.values.keys() <= have.values.keys():
                judge.fault(f"node {process.number} lacks values of {vin}")
            elif whole and not self.disasters and (have.values, have.times) != (wanted.values, wanted.times):
                judge.fault(f"node {process.number} has other values of {vin} than the log")
