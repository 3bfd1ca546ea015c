"""
The world round the log, without sockets and without time.

    Wire        a transport: `writes` is all that it was given, `backlog` how much of that did not fit and waits
    Dashboard   a wire, its reader, and what the log told about it (gaps, faults)
    Stage       a log, and an event loop that does nothing but flush it when it has asked for that

A write lends its bytes for the length of the call, as the real transport's does: what is kept is a copy. Whatever arrives
is read by the `websockets` package's own parser, so that every test is also a test of the framing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable
from typing import Any

from aiofastnet import Transport
from teslafast._fanout import ALL_KINDS, FLAT_PREFIXES, Fanout, Reader, bytes_needed, frame
from websockets.frames import Frame, Opcode

CHUNK = 128 * 1024  # the most that the log gives a transport at once, unless one frame is larger


def frames_in(data: bytes) -> list[Frame]:
    """The frames that `data` consists of, wholly. Raises EOFError if the last is torn, ProtocolError if one is not valid."""
    place = 0

    def read_exact(size: int) -> Generator[None, None, bytes]:
        nonlocal place
        if place + size > len(data):
            raise EOFError(f"{size} bytes wanted, {len(data) - place} left")
        yield from ()  # the parser wants a generator; this one never has to wait
        place += size
        return data[place - size : place]

    def read_all() -> Generator[None, None, None]:
        while place < len(data):
            found.append((yield from Frame.parse(read_exact, mask=False)))

    found: list[Frame] = []
    for _ in read_all():
        raise AssertionError("a parser that has all its bytes does not wait")
    return found


class Wire(Transport):
    """Takes `room` bytes (None: all there are); the rest of a write waits in it, and the reader is told to hold."""

    def __init__(self, room: int | None = None) -> None:
        # the base class would want an event loop; nothing of it is used
        self.room = room
        self.writes: list[bytes] = []
        self.backlog = 0
        self.on_write: Callable[[], object] | None = None  # called before anything is taken; it may raise
        self.hold: Callable[[], object] = lambda: None
        self.go_on: Callable[[], object] = lambda: None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.on_write is not None:
            self.on_write()
        self.writes.append(bytes(data))
        if self.room is not None:
            self.room -= len(data)
            self.backlog = max(0, -self.room)
            if self.backlog:
                self.hold()

    def drain(self, room: int | None = None) -> None:
        """All that waited gets through, and `room` bytes more would."""
        self.backlog = 0
        self.room = room
        self.go_on()


class Dashboard:
    """One reader as its owner sees it. Its gap frame says `{"type":"gap","from":…,"to":…}`."""

    def __init__(self, room: int | None = None) -> None:
        self.wire = Wire(room)
        self.reader = Reader(self.wire, self)
        self.wire.hold = self.reader.block
        self.wire.go_on = self.reader.wake
        self.gaps: list[tuple[int, int]] = []
        self.faults: list[Exception] = []

    def on_gap(self, first: int, last: int) -> Iterable[bytes]:
        self.gaps.append((first, last))
        return [gap_frame(first, last)]

    def on_fault(self, error: Exception) -> None:
        self.faults.append(error)

    def messages(self) -> list[dict[str, Any]]:
        """What it has been sent, in order, what waits in the backlog too."""
        frames = frames_in(b"".join(self.wire.writes))
        assert all(one.opcode is Opcode.TEXT and one.fin for one in frames)
        return [json.loads(bytes(one.data)) for one in frames]

    def seqs(self) -> list[int]:
        return [message["seq"] for message in self.messages() if "seq" in message]


def gap_frame(first: int, last: int) -> bytes:
    return frame(1, json.dumps({"type": "gap", "from": first, "to": last}).encode())


def note(text: str) -> bytes:
    """A frame that is not the log's: `{"note":text}`."""
    return frame(1, json.dumps({"note": text}).encode())


def body(vin: str, pad: int = 0) -> bytes:
    """An event's JSON, `pad` bytes longer than it need be."""
    return b'{"vin":"%s","pad":"%s"}' % (vin.encode(), b"x" * pad)


FRAME = len(b'\x81\x00{"type":"data","seq":1,') + len(body("A")) - 1  # bytes of the smallest event's frame


def padded_to(size: int) -> int:
    """The pad that makes the frame of an event of A, of kind data and with a seq of one digit, `size` bytes long."""
    return size - FRAME - (0 if size < 128 else 2 if size < 65540 else 8)


class Stage:
    """`turn` does one flush if one is owed, `settle` all that are."""

    def __init__(self, ring_bytes: int = 4096, prefixes: tuple[bytes, ...] = FLAT_PREFIXES) -> None:
        self.owed = False
        self.asked = 0
        self.log = Fanout(bytearray(bytes_needed(ring_bytes)), ring_bytes, prefixes, self.ask)

    def ask(self, log: Fanout) -> None:
        assert not self.owed, "the log asked twice for one flush"
        self.owed = True
        self.asked += 1

    def turn(self) -> None:
        if self.owed:
            self.owed = False
            more = self.log.flush()
            assert not self.owed, "the log asked for a flush and answered that it wants one"
            self.owed = more

    def settle(self) -> None:
        for _ in range(10_000):
            self.turn()
            if not self.owed:
                return
        raise AssertionError("the log never comes to an end")

    def publish(self, vin: str = "A", kind: int = 0, pad: int = 0, seq: int = 0, beside: tuple[bytes, ...] | None = None) -> int:
        return self.log.publish(kind, vin, body(vin, pad), 0, seq, beside)

    def publish_many(self, count: int, vin: str = "A", pad: int = 0) -> None:
        for _ in range(count):
            self.publish(vin, pad=pad)

    def join(
        self, vins: Iterable[str] | None = None, kinds: int = ALL_KINDS, after: int | None = None, room: int | None = None
    ) -> Dashboard:
        dashboard = Dashboard(room)
        self.log.subscribe(dashboard.reader, vins, kinds, after)
        return dashboard
