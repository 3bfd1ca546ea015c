"""
How long the server's event loop lets everybody wait: a dashboard that says `ping` 200 times a second.

It measures the longest wait between a ping that was due and its answer, as a person would see it: a ping that could not be sent
on time because the last one is unanswered counts from when it was due.
"""

import selectors
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

RATE_HZ = 200
_PING = b"\x81\x84\x00\x00\x00\x00ping"


def open_websocket(port: int, path: str, token: str, receive_buffer: int = 0) -> socket.socket:
    """A plain WebSocket on this machine, its answer of 101 read. Raises ConnectionError if it is refused."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(upgrade(path, token))
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(1)
        if not more:
            raise ConnectionError(f"{path}: no answer")
        head += more
    if not head.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(f"{path}: {head[:80]!r}")
    return connection


def upgrade(path: str, token: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


class Longest(NamedTuple):
    """The longest wait for an answer, and the most CPU that the server spent between a ping and its answer; in ms."""

    wait_ms: float
    cpu_ms: float


def cpu_ms(pid: int) -> float:
    """What a process has spent so far."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e6


@dataclass
class Probe:
    """On a machine that others use too, only the CPU says what the server did: `pid` is its process."""

    connection: socket.socket
    pid: int
    _waits_ms: list[float] = field(default_factory=list)
    _cpu_ms: list[float] = field(default_factory=list)
    _due_s: float = 0.0

    def run(self, seconds: float) -> Longest:
        """Pings for so long."""
        self._waits_ms, self._cpu_ms = [], []
        ready = selectors.DefaultSelector()
        ready.register(self.connection, selectors.EVENT_READ)
        end_s = time.monotonic() + seconds
        self._due_s = time.monotonic()
        while (now := time.monotonic()) < end_s:
            if now < self._due_s:
                time.sleep(self._due_s - now)
            spent_ms = cpu_ms(self.pid)
            self.connection.sendall(_PING)
            self._answer(ready)
            now = time.monotonic()
            self._waits_ms.append((now - self._due_s) * 1e3)
            self._cpu_ms.append(cpu_ms(self.pid) - spent_ms)
            self._due_s = max(self._due_s + 1 / RATE_HZ, now)
        return Longest(max(self._waits_ms), max(self._cpu_ms))

    def _answer(self, ready: selectors.BaseSelector) -> None:
        if not ready.select(30):
            raise TimeoutError("no answer to a ping for 30 s")
        if not self.connection.recv(1 << 16):
            raise ConnectionError("the server has closed the probe's connection")
