"""
What fault tests need: a server that may be killed, those who keep at it meanwhile, and what they remember of it.

    Victim      a Process that may be killed, and started again over the same journal
    Load        vehicles in threads, each with WINDOW messages un-acknowledged; message n of a vehicle says {"Odometer": n}
    Follower    a dashboard that comes back after each end of the server
    Crowd       dashboards that are read until the server ends them
    Healthy     a vehicle and a dashboard that nothing has happened to
"""

from __future__ import annotations

import math
import resource
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidState

from tests.support.peers import PATIENCE_S, Dashboard, Place, ack, envelope, payload
from tests.support.servers import Process
from tests.support.vins import vin_of

WINDOW = 16


class Victim(Process):
    """`kill` ends it at once; then its exit is not looked at."""

    killed = False

    def kill(self) -> None:
        self.killed = True
        self.process.kill()
        self.process.wait()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self.killed:
            super().__exit__(kind, error, trace)
            return
        self._reader.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()
        assert "Traceback" not in self.lines.text, self.lines.text


class Load:
    """Vehicles `names`; `acked[vin]`: the numbers that were acknowledged. They stop when the server is gone, or by `stop`."""

    def __init__(self, place: Place, names: list[str], first: int, pause_s: float = 0.0) -> None:
        self.acked: dict[str, list[int]] = {name: [] for name in names}
        self.latencies_s: list[float] = []
        self.close_codes: dict[str, int | None] = {}
        self.faults: list[str] = []
        self.sent_at: dict[tuple[str, int], float] = {}  # when each message was sent
        if place.world is not None:
            for name in names:
                place.world.vehicle(name)  # made here: not by several threads at once
        self._place = place
        self._next = dict.fromkeys(names, first)
        self._pause_s = pause_s
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._drive, args=[name]) for name in names]

    def _drive(self, name: str) -> None:
        try:
            with self._place.vehicle(name) as vehicle:
                try:
                    self._send_on(vehicle, name)
                except (ConnectionClosed, InvalidState):
                    self.close_codes[name] = vehicle.close_code()
        except (OSError, EOFError, InvalidHandshake):
            self.close_codes[name] = None

    def _send_on(self, vehicle: Any, name: str) -> None:
        number = self._next[name]
        open_ones: dict[bytes, int] = {}  # by the ack that is due
        while not self._stopped.is_set() or open_ones:
            while len(open_ones) < WINDOW and not self._stopped.is_set():
                txid = b"%s-%d" % (name.encode(), number)
                message = envelope(b"V", txid, payload({"Odometer": {"doubleValue": float(number)}}), name)
                self.sent_at[name, number] = time.monotonic()
                vehicle.connection.send(message)
                open_ones[ack(txid)] = number
                number += 1
                if self._pause_s:
                    break
            reply = vehicle.reply()
            if reply not in open_ones:
                self.faults.append(f"{name}: {reply!r}")
                return
            sent = open_ones.pop(reply)
            self.acked[name].append(sent)
            self.latencies_s.append(time.monotonic() - self.sent_at[name, sent])
            if self._pause_s:
                time.sleep(self._pause_s)  # the pace of a healthy vehicle, not a wait for anything

    def resumed(self, place: Place) -> Load:
        """The same vehicles once more: each goes on after what was last acknowledged, and so sends again what was not."""
        more = Load(place, list(self.acked), 1, self._pause_s)
        more.acked = self.acked
        more._next = {name: numbers[-1] + 1 if numbers else 1 for name, numbers in self.acked.items()}
        return more

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(20)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        assert not any(thread.is_alive() for thread in self._threads)
        assert self.faults == []

    @property
    def total(self) -> int:
        return sum(map(len, self.acked.values()))

    def wait_for(self, count: int) -> None:
        """Until so many messages have been acknowledged."""
        self._wait(lambda: self.total >= count)

    def wait_for_each(self, count: int) -> None:
        """Until so many messages of each vehicle have been acknowledged."""
        self._wait(lambda: all(len(numbers) >= count for numbers in self.acked.values()))

    def _wait(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not reached():
            assert time.monotonic() < deadline, f"only {self.total} acknowledged"
            time.sleep(0.001)  # nothing tells of the next ack


def events_since(place: Place, seq: int) -> list[dict[str, Any]]:
    """All that the log has after `seq` by now, in order; no gap is allowed."""
    newest = place.get("/health").json["seq"]
    read: list[dict[str, Any]] = []
    with place.dashboard(f"?since={seq}&snapshot=0") as dashboard:
        assert dashboard.next()["type"] == "hello"
        while seq + len(read) < newest:
            read.append(dashboard.next())
    assert [event["seq"] for event in read] == list(range(seq + 1, newest + 1))
    return read


def numbers_in(events: list[dict[str, Any]]) -> dict[str, list[int]]:
    """VIN → the numbers of its messages, in the order of the log."""
    found: dict[str, list[int]] = {}
    for event in events:
        if event["type"] == "data":
            found.setdefault(event["vin"], []).append(int(event["data"]["Odometer"]))
    return found


class Follower:
    """A dashboard of all that comes back after each end of the server; `events`: what it has seen, the one of seq n at n - 1."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread()

    def follow(self, place: Place) -> None:
        """Goes on after the last event that it saw, until the server ends."""
        dashboard = place.dashboard(f"?since={len(self.events)}")
        assert dashboard.next()["type"] == "hello"
        self._thread = threading.Thread(target=self._read, args=[dashboard])
        self._thread.start()

    def _read(self, dashboard: Dashboard) -> None:
        with dashboard:
            try:
                while True:
                    self._take(dashboard.next())
            except ConnectionClosed:
                return

    def _take(self, event: dict[str, Any]) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait_for(self, seq: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.events) >= seq, PATIENCE_S), f"{len(self.events)} of {seq} events"

    def join(self) -> None:
        """After the server's end. Every event that it ever saw came in its place: none twice, none missing."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        assert [event["seq"] for event in self.events] == list(range(1, len(self.events) + 1))


class Crowd:
    """Dashboards that are all read by one thread, until the server has ended every one of them."""

    def __init__(self, place: Place, count: int) -> None:
        self.members = [place.raw_dashboard("?snapshot=0") for _ in range(count)]
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        with selectors.DefaultSelector() as selector:
            for member in self.members:
                selector.register(member.socket, selectors.EVENT_READ, member)
            while selector.get_map():
                ready = selector.select(PATIENCE_S)
                if not ready:
                    raise TimeoutError("the server says nothing, and does not end")
                for key, _ in ready:
                    if not key.data.read_some():
                        selector.unregister(key.fileobj)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._thread.join(30)
        for member in self.members:
            member.socket.close()
        assert not self._thread.is_alive()


class Healthy:
    """
    A vehicle at an even pace and a dashboard that reads, while something goes wrong; in the end neither has missed a thing.

    long    what goes wrong takes until ENOUGH messages have been sent meanwhile. As many are sent before, when nothing is wrong:
            99 in 100 are acknowledged, and seen, within TIMES as long as then. That is said of no quicker a time than FLOOR_S: by
            so much the tests' own threads wait for each other.
    """

    VIN = vin_of("healthy")
    ENOUGH = 400
    TIMES = 10
    FLOOR_S = 0.05

    def __init__(self, place: Place, long: bool = False) -> None:
        self._place = place
        self._long = long
        self.load = Load(place, [self.VIN], 1, pause_s=0.005)
        self._seen: list[int] = []
        self._seen_after_s: list[float] = []
        self._before = 0  # so many messages were acknowledged, and seen at the least, before anything was wrong
        self._gaps: list[dict[str, Any]] = []
        self._last = math.inf
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        while not self._seen or self._seen[-1] < self._last:
            message = self._dashboard.next()
            if message["type"] == "gap":
                self._gaps.append(message)
            elif message["type"] == "data":
                number = int(message["data"]["Odometer"])
                self._seen.append(number)
                if number < self._last:
                    self._seen_after_s.append(time.monotonic() - self.load.sent_at[self.VIN, number])

    def __enter__(self) -> Self:
        self._dashboard = self._place.dashboard(f"?vin={self.VIN}&snapshot=0&type=data")
        self._thread.start()
        self.load.__enter__()
        self.load.wait_for(self.ENOUGH if self._long else 1)
        self._before = min(len(self.load.latencies_s), len(self._seen_after_s))
        return self

    def rounds(self) -> Iterator[int]:
        """For what goes wrong again and again: once, or until it was often enough to say what latencies are meanwhile."""
        number, until = 1, self.load.total + self.ENOUGH
        yield number
        while self._long and self.load.total < until:
            number += 1
            yield number

    def endure(self) -> None:
        """For what is wrong and stays so: returns when that was long enough."""
        if self._long:
            self.load.wait_for(self.load.total + self.ENOUGH)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.load.stop()
        acked = self.load.acked[self.VIN]
        self._last = acked[-1] + 1
        with self._place.vehicle(self.VIN) as vehicle:  # one more, so that the reader wakes and sees that it is over
            vehicle.tell({"Odometer": {"doubleValue": float(self._last)}})
        self._thread.join(20)
        self._dashboard.__exit__(None, None, None)
        assert not self._thread.is_alive()
        assert self.load.faults == []
        assert self.load.close_codes == {}
        assert self._gaps == []
        assert self._seen == [*acked, self._last]
        if self._long and kind is None:
            self._check_latencies()

    def _check_latencies(self) -> None:
        assert len(self._seen_after_s) >= self._before + self.ENOUGH
        for what, all_s in (("acknowledged", self.load.latencies_s), ("seen", self._seen_after_s)):
            before_s, meanwhile_s = p99(all_s[: self._before]), p99(all_s[self._before :])
            print(f"p99 {what}: {1000 * before_s:.1f} ms before, {1000 * meanwhile_s:.1f} ms meanwhile")
            assert meanwhile_s < self.TIMES * max(before_s, self.FLOOR_S)


def p99(samples: list[float]) -> float:
    return sorted(samples)[int(len(samples) * 0.99)]


def resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
