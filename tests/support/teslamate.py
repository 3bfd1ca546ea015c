"""
A double of TeslaMate's streaming client, written from what TeslaMate does with each message; none of its code.

    StreamDouble   takes the server's frames as TeslaMate's stream process does, and fails where it would crash
    TeslaMate      one of them over a real connection
"""

from __future__ import annotations

import json
import socket
import ssl
from types import TracebackType
from typing import Any, NamedTuple, Self

from websockets.frames import Opcode

from tests.support.peers import Place

COLUMNS = "speed,odometer,soc,elevation,est_heading,est_lat,est_lng,power,shift_state,range,est_range,heading"
INTEGERS = frozenset("speed soc elevation est_heading power range est_range heading".split())  # noqa: SIM905


class Row(NamedTuple):
    """One `data:update` as TeslaMate reads it; None: nothing, or nothing that it can read."""

    time_ms: int
    cells: dict[str, Any]


def read_row(value: str, columns: str = COLUMNS) -> Row:
    """Raises ValueError where TeslaMate crashes: a time that is no whole number, too few or too many cells."""
    time, *cells = value.split(",")
    names = columns.split(",")
    if len(cells) != len(names):
        raise ValueError(f"{len(cells)} cells for {len(names)} columns")
    return Row(int(time), {name: _read(name, cell) for name, cell in zip(names, cells, strict=True)})


def _read(name: str, cell: str) -> Any:
    if name == "shift_state":
        return cell or None
    try:
        return int(cell) if name in INTEGERS else float(cell)
    except ValueError:
        return None


class StreamDouble:
    """`rows`: what it was given; `errors`: what it logs and waits for; `hellos`: how often it was told that all is well."""

    def __init__(self, tag: str | int, columns: str = COLUMNS) -> None:
        self.tag = tag
        self.columns = columns
        self.rows: list[Row] = []
        self.errors: list[dict[str, Any]] = []
        self.hellos = 0

    def subscribe(self, token: str, kind: str = "data:subscribe_oauth") -> bytes:
        return json.dumps({"msg_type": kind, "token": token, "value": self.columns, "tag": self.tag}).encode()

    def take(self, payload: bytes) -> str:
        """One message; its kind. AssertionError where TeslaMate's process would crash, or reconnect without a pause."""
        message = json.loads(payload)
        match message["msg_type"]:
            case "control:hello":
                self.hellos += 1
            case "data:update":
                assert message["tag"] == self.tag, "rows of another tag are only logged"
                self._take_row(read_row(message["value"], self.columns))
            case "data:error":
                assert message["error_type"] == "unauthorized", "any other makes it come back at once, or ask for all data"
                assert message["value"], "clients read it"
                self.errors.append(message)
            case kind:
                raise AssertionError(f"TeslaMate does not know {kind}")
        return str(message["msg_type"])

    def _take_row(self, row: Row) -> None:
        if "power" in row.cells:
            assert isinstance(row.cells["power"], int), "a row without power: it takes the car for asleep"
        if row.cells.get("shift_state") in ("D", "R", "N"):
            assert row.cells["est_lat"] is not None, "insert_position crashes"
            assert row.cells["est_lng"] is not None, "insert_position crashes"
        assert not self.rows or row.time_ms >= self.rows[-1].time_ms, "the way goes back"
        self.rows.append(row)


class TeslaMate:
    """A connection to `path`, opened as websockex opens it: five headers, no Origin, no Authorization."""

    def __init__(self, place: Place, tag: str | int, path: str = "/streaming/", columns: str = COLUMNS, **options: Any) -> None:
        self.double = StreamDouble(tag, columns)
        self.raw = place.raw(**options)
        self.answer = self.raw.upgrade(path)

    def subscribe(self, token: str = "", kind: str = "data:subscribe_oauth") -> None:
        self.raw.frame(Opcode.TEXT, self.double.subscribe(token, kind))

    def next(self) -> str:
        """The kind of the next message."""
        opcode, payload = self.raw.read_frame()
        if opcode is Opcode.PING:
            self.raw.frame(Opcode.PONG, payload)
            return "ping"
        assert opcode is Opcode.BINARY, f"{opcode}: a CLOSE ends TeslaMate's drive, text is not read by all clients"
        return self.double.take(payload)

    def until(self, kind: str) -> None:
        while self.next() != kind:
            pass

    def rows_until(self, count: int) -> list[Row]:
        """The rows, once there are so many."""
        while len(self.double.rows) < count:
            self.next()
        return self.double.rows

    def ended(self) -> bool:
        """Reads until TCP ends; whether that came without a CLOSE frame."""
        try:
            while True:
                self.next()
        except (TimeoutError, EOFError, ConnectionError, ssl.SSLError) as error:
            return not isinstance(error, socket.timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.raw.socket.close()
