"""
What fault tests need: a server that may be killed, those who keep at it meanwhile, and what they remember of it.

    Victim      a Process that may be killed, and started again over the same journal
    Load        vehicles in threads, each with WINDOW messages un-acknowledged; message n of a vehicle says {"Odometer": n}
    Follower    a dashboard that comes back after each end of the server
    Crowd       dashboards that are read until the server ends them
"""

from __future__ import annotations

import resource
import selectors
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidState

from tests.support.peers import PATIENCE_S, Dashboard, Place, ack, envelope, payload
from tests.support.servers import Process

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
        self._reader.join(PATIENCE_S)
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
            thread.join(PATIENCE_S)

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
        self._thread.join(PATIENCE_S)
        for member in self.members:
            member.socket.close()
        assert not self._thread.is_alive()


def resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
