"""
What the log costs in user space: publishing an event, and giving it to a thousand readers, with the kernel left out.

The transports here drop what is written to them, so what remains is the log's own work and one Python call a write.
Beside it, in the same run, what other servers do: a queue per reader, a write per reader and event, over the same transports.
Only ratios of interleaved rounds of one run have limits, because the rates of a shared machine drift by a third.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

import pytest
from aiofastnet import Transport
from pytest_benchmark.fixture import BenchmarkFixture
from teslafast._fanout import FLAT_PREFIXES, Fanout, Reader, bytes_needed, frame

T = TypeVar("T")

RING_BYTES = 64 << 20
READERS = 1000
BATCH = 16  # events that one turn of the event loop brings
BODY = b'{"vin":"5YJ30000000000001","createdAt":"2026-11-23T08:00:00.123Z","data":{"VehicleSpeed":65.5,"Gear":"ShiftStateD",' + (
    b'"Location":{"latitude":37.412374,"longitude":-122.145867},"Soc":71.5,"Odometer":12345.678955078125},"isResend":false}'
)
EVEN = 1.2  # publishing with 8,000 vehicles' readers there, as a multiple of publishing with 8
COLD = 3.0  # the same if all 8,000 vehicles speak in turn, so that each event's reader has left the processor's caches
SLICE_MS = 20.0  # of the loop's time at a stretch (issue 4); twice what the log allows itself
AHEAD_WHOLE = 6.0  # a queue per reader, as a multiple of the log: BATCH events to READERS readers of everything
AHEAD_SOME = 2.0  # the same where each reader has a vehicle of its own


class Nowhere(Transport):
    """Takes everything. (The base class would want an event loop; nothing of it is used.)"""

    def __init__(self) -> None:
        self.writes = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes += 1


class Mute:
    """A sink that is never called: nobody here is lapped, and nothing fails."""

    def on_gap(self, first: int, last: int) -> Iterable[bytes]:
        raise AssertionError((first, last))

    def on_fault(self, error: Exception) -> None:
        raise error


class Ours:
    """The log, with one reader for each item of `filters`: the vehicle that it sees, or None for all."""

    def __init__(self, filters: list[str | None]) -> None:
        self.log = Fanout(bytearray(bytes_needed(RING_BYTES)), RING_BYTES, FLAT_PREFIXES, lambda log: None)
        self.transports = [Nowhere() for _ in filters]
        for transport, vin in zip(self.transports, filters, strict=True):
            self.log.subscribe(Reader(transport, Mute()), None if vin is None else {vin})

    def publish(self, vins: list[str]) -> None:
        for vin in vins:
            self.log.publish(0, vin, BODY, 0)

    def flush(self) -> None:
        while self.log.flush():
            pass


class Queues:
    """A queue per reader: what a server does that has no log."""

    def __init__(self, filters: list[str | None]) -> None:
        self.transports = [Nowhere() for _ in filters]
        self.queues = [(transport, deque[bytes]()) for transport in self.transports]
        self.by_vin: dict[str | None, list[deque[bytes]]] = {}
        for (_, queue), vin in zip(self.queues, filters, strict=True):
            self.by_vin.setdefault(vin, []).append(queue)
        self.seq = 0

    def publish(self, vins: list[str]) -> None:
        for vin in vins:
            self.seq += 1
            one = frame(1, FLAT_PREFIXES[0] + b"%d," % self.seq + BODY[1:])
            for queue in self.by_vin.get(None, ()):
                queue.append(one)
            for queue in self.by_vin.get(vin, ()):
                queue.append(one)

    def flush(self) -> None:
        for transport, queue in self.queues:
            while queue:
                transport.write(queue.popleft())


def vehicles(count: int) -> list[str]:
    return [f"5YJ3{number:013}" for number in range(count)]


def us(act: Callable[[], object]) -> float:
    """Processor time of this thread, in microseconds."""
    started = time.thread_time_ns()
    act()
    return (time.thread_time_ns() - started) / 1000


class Ratios:
    """Measures once, as one round of pytest-benchmark (`make bench-micro` runs nothing else), and prints the result."""

    def __init__(self, benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]) -> None:
        self._benchmark = benchmark
        self._capsys = capsys

    def median(self, case: Callable[[], float], base: Callable[[], float], rounds: int) -> tuple[float, float, float]:
        """The median ratio of interleaved rounds, and the median of either."""
        pairs = self.once(lambda: [(case(), base()) for _ in range(rounds)])
        first, second = zip(*pairs, strict=True)
        return statistics.median(a / b for a, b in pairs), statistics.median(first), statistics.median(second)

    def once(self, measure: Callable[[], list[T]]) -> list[T]:
        self._benchmark.group = "ratios"
        found: list[T] = self._benchmark.pedantic(measure, rounds=1)  # type: ignore[no-untyped-call]  # pytest-benchmark's
        return found

    def report(self, line: str) -> None:
        with self._capsys.disabled():
            print(f"\n{line}")


@pytest.fixture
def ratios(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]) -> Ratios:
    return Ratios(benchmark, capsys)


# Absolute figures, which have none.


@pytest.mark.parametrize("readers", [0, 1, READERS], ids="{} readers".format)
def test_publish(benchmark: BenchmarkFixture, readers: int) -> None:
    benchmark.group = "publish one event"
    server = Ours([None] * readers)
    benchmark(server.publish, ["V"])


@pytest.mark.parametrize("server", [Ours, Queues])
@pytest.mark.parametrize("what", ["whole", "some"])
def test_a_turn(benchmark: BenchmarkFixture, server: type[Ours | Queues], what: str) -> None:
    benchmark.group = f"{BATCH} events to each of {READERS} readers, {what}"
    vins = vehicles(READERS)
    some = what == "some"
    peer = server(list(vins) if some else [None] * READERS)
    events = vins * BATCH if some else vins[:BATCH]

    def turn() -> None:
        peer.publish(events)
        peer.flush()

    benchmark(turn)
    assert all(transport.writes for transport in peer.transports)


# Ratios, which have limits.


def publishing(speaking: int, readers: int) -> Callable[[], float]:
    """What an event costs, 8 a turn, of so many vehicles one after the other; each reader has a vehicle of its own."""
    vins = vehicles(speaking)
    server = Ours(list(vehicles(readers)))
    server.publish(vins)
    server.flush()
    place = 0

    def turns() -> float:
        nonlocal place
        cost = 0.0
        for _ in range(100):
            events = [vins[(place + number) % speaking] for number in range(8)]
            place += 8
            cost += us(partial(server.publish, events))
            server.flush()
        return cost / 800

    return turns


@pytest.mark.parametrize(("speaking", "bar"), [(8, EVEN), (8000, COLD)], ids=["8 speak", "8000 speak"])
def test_publishing_costs_the_same_however_many_vehicles_are_read(ratios: Ratios, speaking: int, bar: float) -> None:
    times, of_many, of_few = ratios.median(publishing(speaking, 8000), publishing(8, 8), 61)
    ratios.report(
        f"publish: {of_few:.3f} µs with 8 readers, {of_many:.3f} µs with 8,000, {speaking} vehicles speaking: {times:.2f} times"
    )
    assert times <= bar


@pytest.mark.parametrize(("what", "ahead"), [("whole", AHEAD_WHOLE), ("some", AHEAD_SOME)], ids=["whole", "some"])
def test_the_log_is_ahead_of_a_queue_per_reader(ratios: Ratios, what: str, ahead: float) -> None:
    vins = vehicles(READERS)
    filters: list[str | None] = list(vins) if what == "some" else [None] * READERS
    events = vins * BATCH if what == "some" else vins[:BATCH]
    ours, queues = Ours(filters), Queues(filters)

    def turn(server: Ours | Queues) -> float:
        return us(lambda: (server.publish(events), server.flush())) / (READERS * BATCH) * 1000

    times, theirs, own = ratios.median(lambda: turn(queues), lambda: turn(ours), 41)
    ratios.report(f"{what}: {own:.0f} ns of log per delivery, {theirs:.0f} ns with a queue per reader: {times:.1f} times less")
    assert times >= ahead


def test_a_flush_costs_each_reader_the_same_however_many_there_are(ratios: Ratios) -> None:
    def case(count: int) -> Callable[[], float]:
        server = Ours([None] * count)

        def turn() -> float:
            server.publish(["V"])
            return us(server.flush) / count

        return turn

    times, of_many, of_few = ratios.median(case(8000), case(500), 101)
    ratios.report(f"flush: {of_few * 1000:.0f} ns a reader with 500, {of_many * 1000:.0f} ns with 8,000: {times:.2f} times")
    assert times <= 2


@pytest.mark.parametrize("vins", [1, 10], ids="{} vehicles".format)
def test_stalled_readers_that_wake_at_once_hold_the_loop_in_slices_only(ratios: Ratios, vins: int) -> None:
    """A hundred of them, each with the whole of a long index to look through for what it wants."""
    known = vehicles(1000)
    server = Ours([])
    for _ in range(400):
        for vin in known:
            server.log.publish(0, vin, b'{"a":1}', 0)
    for number in range(100):
        server.log.subscribe(Reader(Nowhere(), Mute()), known[number * vins : (number + 1) * vins], after=0)
    left = True

    def slice_ms() -> Iterator[float]:
        nonlocal left
        while left:
            started = time.thread_time_ns()
            left = server.log.flush()
            yield (time.thread_time_ns() - started) / 1e6

    slices = ratios.once(lambda: list(slice_ms()))
    ratios.report(
        f"100 readers of {vins} vehicles wake: {sum(slices):.0f} ms in {len(slices)} slices, the longest {max(slices):.1f} ms"
    )
    assert max(slices) <= SLICE_MS
