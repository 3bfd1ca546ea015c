"""
The other end of tests/programs/shaped_outputs.py: a broker that may be away, in a thread.

    Sink     listens on a port of its own while it is up; `got` is all that it has confirmed, in order, also what came twice
"""

from __future__ import annotations

import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.support.peers import PATIENCE_S
from tests.support.ports import free_port


@dataclass(frozen=True)
class Sent:
    """An event as the output sent it."""

    epoch: str
    seq: int
    topic: str
    shape: str
    metadata: dict[str, str]
    rebuilt: bool
    body: bytes

    @classmethod
    def read(cls, line: bytes) -> Sent:
        said = json.loads(line)
        epoch, _, seq = said["id"].rpartition("-")
        body = bytes.fromhex(said["body"])
        return cls(epoch, int(seq), said["topic"], said["shape"], said["metadata"], said["rebuilt"], body)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class Sink:
    def __init__(self) -> None:
        self.got: list[Sent] = []
        self._server: _Server | None = None
        self._open: list[socket.socket] = []
        self.port = free_port()

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), self._handler())
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()

    def stop(self) -> None:
        """Goes away at once; what it has not confirmed it has not got."""
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        sink = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                connection: socket.socket = self.request
                sink._open.append(connection)
                with suppress(OSError):  # it was stopped
                    sink._take(connection)

        return Handler

    def _take(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            while head := lines.readline():
                batch = [lines.readline() for _ in range(int(head))]
                if not batch[-1].endswith(b"\n"):
                    return
                self.got += map(Sent.read, batch)
                connection.sendall(head)

    def until(self, reached: Callable[[list[Sent]], Any]) -> list[Sent]:
        deadline = time.monotonic() + PATIENCE_S
        while not reached(self.got):
            assert time.monotonic() < deadline, f"it has got {len(self.got)}: {self.got[-1:]}"
            time.sleep(0.002)  # nothing tells of the next one
        return self.got
