"""
The outputs of simulated processes, and what they lead to (fleet_sinks.py): the judge of both.

    SimWorkers   what stands for the runners of one process: it sends batches, event by event, each of which takes its time
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from teslafast.cluster.batch import Entry
from teslafast.cluster.contents import entries_of
from teslafast.cluster.custody import Custody
from teslafast.cluster.custody_site import NodeSite
from teslafast.cluster.engine import StreamMessage
from teslafast.cluster.history import Replay
from teslafast.cluster.node import Node

from tests.cluster.fleet_sinks import Settling, Sink, faults_of_places, faults_of_sink
from tests.cluster.world import Host, World

if TYPE_CHECKING:
    from tests.cluster.fleet_acks import SimAcks

OUTPUTS = ("mqtt", "webhook-1", "jsonl")
ON_SOME_ONLY = "jsonl"  # every other process has it set
RELIABLE = ("mqtt", "webhook-1")  # what acks wait for, in some simulations
REFUSED = 0.01  # of the events there: the receiver wants this one never
BATCH_AT_MOST = 8
LINGER_S = 0.1
RING_KEPT = 40  # events: what is older comes from the stream


class Process(Protocol):
    """What is used of `fleet.Process`."""

    world: World
    host: Host
    node: Node
    number: int
    base: int
    epoch: bytes
    ring: list[Entry]
    acks: SimAcks

    @property
    def seq(self) -> int: ...


class SimWorker:
    def __init__(self, process: Process, name: str, sink: Sink, custody: Callable[[], Custody]) -> None:
        self._process = process
        self._name = name
        self._sink = sink
        self._custody = custody
        self.working = False
        self._term = 0
        self._epoch = b""
        self._next = 0
        self._batch: list[int] = []
        self._settling = False
        self._begun = 0
        self._rests = False
        self._past: Replay | None = None
        self._found: list[int] = []
        self._lost: tuple[int, int] | None = None

    # ---- held_output.Workers, for one output

    def begin(self, epoch: bytes, seq: int) -> None:
        self._stop()
        self.working = True
        self._epoch, self._next = epoch, seq + 1
        self._sink.first.setdefault(epoch, seq + 1)
        self._sink.begins.append((self._custody(), epoch, seq))
        self._begun = len(self._sink.begins)
        settling = self._sink.settling
        self._sink.settling = [one for one in settling if not self._sink.doubt(one, self._begun - 1)]
        self.go_on()

    def end(self) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._settling:
            one = Settling(self._epoch, self._batch, self._process, self._process.node.writer.run)
            if not self._sink.doubt(one, self._begun):  # it was asleep, and others have gone on
                self._sink.settling.append(one)
        else:
            self._sink.doubtful.update((self._epoch, seq) for seq in self._batch)
        if self._past is not None:
            self._past.end()
        self._past, self._batch, self._found, self._settling, self.working = None, [], [], False, False
        self._lost = None
        self._term += 1

    def die(self) -> None:
        self._stop()

    def go_on(self) -> None:
        custody = self._custody()
        if not self.working or (self._batch and not self._settling) or self._past is not None:
            return
        if custody.is_yielding(self._name):
            self._stop()
            custody.yielded(self._name)
        elif custody.may_send(self._name) and not self._rests:
            self._batch, self._settling = [], False
            self._take()

    def _awake(self) -> None:
        self._rests = False
        self.go_on()

    # ---- its batches

    def _take(self) -> None:
        process = self._process
        oldest = max(process.base, process.seq - RING_KEPT) + 1
        self._found = [seq for seq in self._found if seq >= self._next]
        if self._found:
            self._send(self._found[:BATCH_AT_MOST])
        elif self._next >= oldest:
            until = min(process.seq, self._next + BATCH_AT_MOST - 1)
            self._send(list(range(self._next, until + 1)))
        else:
            term = self._term
            past = process.node.replay(_seqs_of, patient=True)(
                self._next - 1,
                lambda events: self._take_past([one[0] for one in events]) if term == self._term else None,
                lambda: self._miss(oldest) if term == self._term else None,
            )
            assert isinstance(past, Replay)
            self._past = past
            past.more()

    def _take_past(self, seqs: list[int]) -> None:
        assert self._past is not None
        self._past.end()
        self._past = None
        if seqs and seqs[0] != self._next:
            self._miss(seqs[0])
        self._found = seqs
        self._take()

    def _miss(self, oldest: int) -> None:
        self._past = None
        self._sink.gaps.append((self._epoch, self._next, oldest - 1))
        self._lose(self._next, oldest - 1)
        self._next = oldest

    def _send(self, seqs: list[int]) -> None:
        if seqs:
            self._batch = seqs
            self._step(self._term, 0)

    def _step(self, term: int, place: int) -> None:
        """One event on its way; the next one when its receiver has answered. An answer may fail to come: all of it again."""
        if term != self._term:
            return
        world, key = self._process.world, (self._epoch, self._batch[place])
        there_s = world.random.uniform(0.0005, 0.01)
        if self._process.acks.reliable is not None and self._name in RELIABLE and world.random.random() < REFUSED:
            world.later(there_s, lambda: self._sink.refused.add(key))
            self._lose(key[1], key[1])
        else:
            world.later(there_s, lambda: self._sink.arrived.append(key))
        later = self._step_after
        world.later(2 * there_s, lambda: later(term, place + 1), self._process.host)

    def _step_after(self, term: int, place: int) -> None:
        if term != self._term:
            return
        if place < len(self._batch):
            self._step(term, place)
            return
        self._next = self._batch[-1] + 1
        self._settling = self._rests = True
        self._process.world.later(LINGER_S, self._awake, self._process.host)
        lost, self._lost = self._lost, None
        self._custody().note(self._name, self._batch[-1], lost)

    def _lose(self, first: int, last: int) -> None:
        before = self._lost or (first, last)
        self._lost = min(first, before[0]), max(last, before[1])


class SimWorkers:
    """held_output.Workers of one process."""

    def __init__(self, process: Process, sinks: dict[str, Sink]) -> None:
        self._process = process
        self.sinks = sinks
        names = [name for name in OUTPUTS if name != ON_SOME_ONLY or process.number % 2]
        self._workers = {name: SimWorker(process, name, sinks[name], lambda: self.custody) for name in names}
        node, world = process.node, process.world
        timer = node._timer
        site = NodeSite(node)
        self.custody = Custody(
            node._engine,
            timer,
            world.clock,
            world.random.random,
            site,
            self,
            names,
            10.0,
            str(process.number),
            lambda: process.seq,
        )
        node.custody = self.custody

    def begin(self, output: str, epoch: bytes, seq: int, lost: int) -> None:
        self._workers[output].begin(epoch, seq)

    def hand_over(self, output: str) -> None:
        self._workers[output].go_on()

    def end(self, output: str) -> None:
        self._workers[output].end()

    def go_on(self, output: str) -> None:
        self._workers[output].go_on()

    def confirm(self, output: str, seq: int) -> None:
        if self._process.acks.reliable is not None and output in RELIABLE:
            self._process.acks.reliable.confirm(output, seq)

    def lose(self, output: str, first: int, last: int) -> None:
        if self._process.acks.reliable is not None and output in RELIABLE:
            self._process.acks.reliable.lose(first, last)

    def cancel(self) -> None:
        """The process ends, and waits no longer for a batch that is under way."""
        for name, worker in self._workers.items():
            if worker.working:
                worker.end()
                self.custody.yielded(name)

    def wake(self) -> None:
        """There are new events."""
        for worker in self._workers.values():
            worker.go_on()

    def die(self) -> None:
        for worker in self._workers.values():
            worker.die()

    @property
    def working(self) -> list[str]:
        return [name for name, worker in self._workers.items() if worker.working]


def _seqs_of(first: int, message: StreamMessage) -> list[tuple[int, int, str, bytes]]:
    return [(first + place, 0, "", b"") for place in range(len(entries_of(message)))]


def faults_of_outputs(
    sinks: dict[str, Sink],
    processes: list[SimWorkers],
    messages: list[StreamMessage],
    epoch: bytes,
    head: int,
    rolled_back: set[bytes],
) -> list[str]:
    """What of the promises about outputs was broken."""
    faults = faults_of_places(messages)
    for name, sink in sinks.items():
        holders = [one for one in processes if name in one.working]
        candidates = [one for one in processes if name in one._workers]
        if len(holders) != bool(candidates):
            faults.append(f"{name} is worked by {len(holders)} of {len(candidates)} nodes at the end")
        if candidates:
            faults += faults_of_sink(name, sink, epoch, head, rolled_back)
        if any(of == epoch for of, _, _ in sink.gaps):  # of a log that is deleted, events are gone
            faults.append(f"{name} was told a gap: {sink.gaps}")
    for one in processes:
        for other in processes:
            shared = set(one._workers) & set(other._workers)
            if len(shared & set(one.working)) > len(other.working) + 1:
                faults.append(f"not balanced: {one.working} and {other.working}")
    return faults
