"""
What fault tests need: a server that may be killed, and vehicles that never stop sending and remember what was acknowledged.

    Victim      a Process that may be killed, and started again over the same journal
    Load        vehicles in threads, each with WINDOW messages un-acknowledged; message n of a vehicle says {"Odometer": n}
"""

from __future__ import annotations

import resource
import selectors
import threading
import time
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidState

from peers import Place, ack, envelope, payload
from running import Process

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
        self._place = place
        self._first = first
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
        number = self._first
        open_since: dict[bytes, tuple[int, float]] = {}  # by the ack that is due
        while not self._stopped.is_set() or open_since:
            while len(open_since) < WINDOW and not self._stopped.is_set():
                txid = b"%s-%d" % (name.encode(), number)
                vehicle.connection.send(envelope(b"V", txid, payload({"Odometer": {"doubleValue": float(number)}}), name))
                open_since[ack(txid)] = number, time.monotonic()
                number += 1
                if self._pause_s:
                    break
            reply = vehicle.reply()
            if reply not in open_since:
                self.faults.append(f"{name}: {reply!r}")
                return
            sent, since_s = open_since.pop(reply)
            self.acked[name].append(sent)
            self.latencies_s.append(time.monotonic() - since_s)
            if self._pause_s:
                time.sleep(self._pause_s)  # the pace of a healthy vehicle, not a wait for anything

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
        deadline = time.monotonic() + 20
        while self.total < count:
            assert time.monotonic() < deadline, f"{self.total} of {count} acknowledged"
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
                for key, _ in selector.select(20):
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
    """A vehicle at an even pace and a dashboard that reads, while something goes wrong; in the end neither has missed a thing."""

    VIN = "healthy"

    def __init__(self, place: Place, p99_s: float | None = None) -> None:
        self._place = place
        self._p99_s = p99_s
        self.load = Load(place, [self.VIN], 1, pause_s=0.01)
        self._seen: list[int] = []
        self._gaps: list[dict[str, Any]] = []
        self._last = 0
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        while not self._last or not self._seen or self._seen[-1] < self._last:
            message = self._dashboard.next()
            if message["type"] == "data":
                self._seen.append(int(message["data"]["Odometer"]))
            elif message["type"] == "gap":
                self._gaps.append(message)

    def __enter__(self) -> Self:
        self._dashboard = self._place.dashboard(f"?vin={self.VIN}&snapshot=0&type=data")
        self._thread.start()
        self.load.__enter__()
        self.load.wait_for(1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.load.stop()
        acked = self.load.acked[self.VIN]
        self._last = acked[-1]
        with self._place.vehicle(self.VIN) as vehicle:  # one more, so that the reader wakes and sees that it is over
            self._last += 1
            vehicle.tell({"Odometer": {"doubleValue": float(self._last)}})
        self._thread.join(20)
        self._dashboard.__exit__(None, None, None)
        assert not self._thread.is_alive()
        assert self.load.faults == []
        assert self.load.close_codes == {}
        assert self._gaps == []
        assert self._seen == [*acked, self._last]
        if self._p99_s is not None:
            assert self.p99_s < self._p99_s

    @property
    def p99_s(self) -> float:
        ordered = sorted(self.load.latencies_s)
        return ordered[int(len(ordered) * 0.99)]


def resident_bytes(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
